"""The playbook's own scripts: the verb that installs them, and the one that they start a session by."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import join, quote

from wakeman.api.answer import Answer
from wakeman.api.compat import InstalledScripts, StartedSession
from wakeman.core.errors import StorageError, UsageError
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, print_note, show

SCRIPTS = ("claude_cli.sh", "send_prompt.sh")
SCRIPT_OWNER = "written by `wakeman compat`"
"""What the second line of a script of ours says."""


def _compat_options(parser: ArgumentParser) -> None:
    text = "directory to write them to, one that is on PATH (default: ~/.local/bin)"
    parser.add_argument("directory", metavar="DIR", nargs="?", help=text)
    parser.add_argument("--force", action="store_true", help="write them over files of those names that are another's")
    parser.add_argument("--remove", action="store_true", help="take away what was written")


def _one_session_options(parser: ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what the agent is to do; - reads it from stdin")
    text = "in a detached tmux session, which survives this shell (default: in this terminal)"
    parser.add_argument("-t", "--tmux", action="store_true", help=text)
    parser.add_argument("-a", "--approve", action="store_true", help="approve all operations of the agent; required")
    text = "name of the session (default: claude_ and a number)"
    parser.add_argument("-s", "--session", metavar="NAME", help=text)
    parser.add_argument("-A", "--agent", metavar="AGENT", default="", help="agent profile (default: none)")
    text = "tmux server of the session (default: the one that plain tmux asks here)"
    parser.add_argument("--socket", metavar="SOCKET", help=text)


def compat(options: Namespace) -> int:
    """Write the scripts, or take them away."""
    directory = Path(options.directory or Path.home() / ".local" / "bin").absolute()
    made = {directory / name: _script_text(name) for name in SCRIPTS}
    others = [path for path in made if os.path.lexists(path) and not _is_ours(path)]
    if others and not options.force:
        hint = f"--force, or another directory: wakeman compat {'--remove ' * options.remove}DIR"
        raise UsageError(f"{others[0]}: is there, and was not written by Wakeman; expected no file", hint)
    options.would = [f"{'remove' if options.remove else 'write'} {path}" for path in made]
    if not options.dry_run:
        _take_away(made) if options.remove else _write_programs(made)
    places = os.environ.get("PATH", "").split(":")
    data = InstalledScripts(
        files=tuple(map(str, made)), removed=options.remove, on_path=str(directory) in places, directory=str(directory)
    )
    return show(options, Answer(data), _scripts_shown)


def _scripts_shown(data: InstalledScripts) -> None:
    for file in data.files:
        out(f"{'removed' if data.removed else 'wrote'} {file}")
    if data.removed:
        return
    if not data.on_path:
        print_note(f"not on PATH: export PATH={quote(data.directory)}:$PATH")
    print_note(f"to take them away: wakeman compat {quote(data.directory)} --remove")


def _script_text(name: str) -> str:
    program = join([sys.executable, "-P", "-m", "wakeman"])
    return Path(__file__).with_name(name).read_text().replace("PROGRAM", program)


def _is_ours(path: Path) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return path.is_file() and SCRIPT_OWNER in path.read_text().partition("\n")[2].partition("\n")[0]
    return False


def _write_programs(made: Mapping[Path, str]) -> None:
    for path, text in made.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fresh.write_text(text)
            fresh.chmod(0o755)
            fresh.replace(path)
        except OSError as fault:
            raise StorageError(f"{path}: {fault.strerror}") from fault


def _take_away(made: Mapping[Path, str]) -> None:
    for path in made:
        try:
            path.unlink(missing_ok=True)
        except OSError as fault:
            raise StorageError(f"{path}: {fault.strerror}") from fault


def session(options: Namespace) -> int:
    """Start one session of a client; in this terminal, this process becomes it."""
    from wakeman.api.sessions import socket_here
    from wakeman.engine.start.lone import LoneSession, start_lone

    world = reach(options)
    name = options.session or f"claude_{os.getpid()}"
    wanted = LoneSession(
        name=name,
        prompt=sys.stdin.read() if options.prompt == "-" else options.prompt,
        root=os.getcwd(),
        agent=options.agent,
        approve=options.approve,
        socket=options.socket or socket_here(os.environ),
    )
    start = start_lone(world, wanted, detached=options.tmux)
    if options.tmux or options.dry_run:
        prefix = name[: name.rfind("_") + 1] or name
        data = StartedSession(session=name, directory=str(Path(start.argv[2]).parents[1]))
        return show(options, Answer(data, (f"wakeman watch-sessions {prefix}",)), lambda _: out(f"started {name}"))
    os.chdir(start.cwd)
    return os.execve(start.argv[0], start.argv, {**os.environ, **start.env})  # noqa: S606 - no shell is meant


VERBS: dict[str, Verb] = {
    "compat": ("wakeman compat ~/.local/bin", _compat_options, compat),
    "session": ("wakeman session -t -a -s worker_api -A librarian 'Condense api'", _one_session_options, session),
}
