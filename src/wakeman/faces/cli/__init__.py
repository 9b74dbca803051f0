"""The command line: one table of verbs; only the module of the called verb is loaded. A module's VERBS has for each
verb: an example, its options, and the function that runs it. This module has what all verbs share: finding the verb,
common options, errors, exit codes.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

VERBS: dict[str, tuple[str, str, bool, str]] = {
    "init": ("start", "plan", True, "write a commented plan file to begin with"),
    "plan": ("start", "plan", False, "show units, shares, conflicts and exact commands; start nothing"),
    "rehearse": ("start", "rehearse", False, "play the whole timeline in memory, in milliseconds"),
    "up": ("start", "plan", True, "start a plan's workers, or continue its open deployment"),
    "run": ("start", "plan", True, "start workers without a plan file"),
    "session": ("start", "compat", True, "start one session of a client, which belongs to no deployment"),
    "watch-sessions": ("start", "sessions", True, "watch sessions that somebody else has started, as a deployment"),
    "redo": ("start", "plan", True, "start what a closed deployment left undone, as a new run of its name"),
    "check": ("carry on", "check", True, "observe once, decide, act"),
    "watch": ("carry on", "watch", False, "report progress and conflicts as files are written, and check at once"),
    "wait": ("carry on", "check", False, "return when a deployment is done, has changed, or needs a person"),
    "resume": ("carry on", "check", True, "resume open deployments after a crash or a reboot"),
    "adopt": ("carry on", "act", True, "make a deployment live here, after a restore or in a new container"),
    "down": ("carry on", "act", True, "end a deployment and its workers"),
    "clean": (
        "carry on",
        "act",
        True,
        "move a closed deployment to the trash; --empty-trash deletes what is there",
    ),
    "status": ("look", "status", False, "show the state of deployments"),
    "top": (
        "look",
        "top",
        False,
        "show deployments to move in: workers by need, one beside the list, the night backwards",
    ),
    "serve": ("look", "serve", False, "show deployments as live pages to a browser on this machine"),
    "inbox": ("look", "status", False, "show what waits for an answer, over all deployments, with what answers it"),
    "notices": ("look", "notices", False, "tell what newly needs somebody and what has ended, a line each"),
    "log": ("look", "log", False, "show what happened, event by event"),
    "capture": ("look", "screen", False, "show the last lines of a worker's screen"),
    "tail": ("look", "screen", False, "print the last lines that a worker has printed; with -f follow it to its end"),
    "attach": ("look", "screen", False, "attach this terminal to a worker's session"),
    "send": ("act", "act", True, "type text into a worker's session, or any tmux session"),
    "approve": ("act", "act", True, "give a permission that a worker asks, or deny it"),
    "answer": ("act", "act", True, "answer a worker's question"),
    "stop": ("act", "act", True, "end one worker"),
    "retry": ("act", "act", True, "start another attempt of a worker for its missing units"),
    "waive": ("act", "act", True, "count units as done"),
    "reject": ("act", "act", True, "reopen units; they go to cleanup with the reason"),
    "accept": ("act", "act", True, "accept the row that is held"),
    "pause": ("act", "act", True, "stop alarms and launches; running agents continue"),
    "unpause": ("act", "act", True, "continue after a pause, or after failed launches"),
    "lost": ("act", "act", True, "take a host of [ssh] that does not come back for lost, with its workers"),
    "merge": (
        "act",
        "merge",
        True,
        "merge the workers' branches without touching your work tree",
    ),
    "amend": ("act", "plan", True, "change the plan for workers that are not launched yet"),
    "sweep": ("act", "act", True, "list old sessions of a pattern, and end them with --yes"),
    "mcp": ("act", "mcp", False, "let an agent orchestrate: tools by the Model Context Protocol"),
    "report": (
        "audit",
        "report",
        False,
        "write one page on a whole deployment: what is missing, and what happened when",
    ),
    "export": ("audit", "export", True, "hand a deployment to other tools: a trace, metrics, or OpenTelemetry spans"),
    "replay": (
        "audit",
        "replay",
        False,
        "replay a log: its timeline, its state at a point, or its decisions under another policy",
    ),
    "audit": (
        "audit",
        "audit",
        False,
        "verify a log: chain, transitions, decisions, outcomes, external checkpoints",
    ),
    "doctor": ("set up", "setup", False, "check prerequisites and print the command that fixes each"),
    "agents": ("set up", "setup", False, "list the agent profiles and where each comes from"),
    "completion": ("set up", "completion", True, "install completion for your shell, and man pages, or take them away"),
    "compat": ("set up", "compat", True, "install the playbook's two scripts, which start a session and type into one"),
    "schema": ("set up", "plan", False, "print the JSON Schema of the plan file, of an answer, or of the log"),
}
"""Verb -> group, module, whether it changes something (then it has --dry-run), help."""

STATE_VERBS = ("check", "watch", "wait", "up", "run", "watch-sessions", "redo", "status")
"""Verbs whose exit code may report the state of a deployment: 4 not finished yet, 5 needs a person."""

PLAN_VERBS = ("up", "amend", "doctor")
"""Verbs that run where the plan file says, as they are about the machine that runs the alarms."""

_USAGE = "usage: wakeman [VERB] [OPTIONS]      without a verb: the state of all deployments"
_HELP = ("-h", "--help", "help")
_VERSION_WORDS = ("--version", "-V", "version")


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Shape: data goes to stdout, messages to stderr; with `--json` an error, too, is one envelope on stdout.
    """
    _stand_streams()
    if argv is None and "_ARGCOMPLETE" in os.environ:  # a shell asks how a word goes on
        from wakeman.faces.cli.completion import complete

        complete()
    if argv is None:
        _speak_utf8()
    _tolerate()
    words = _ordered(sys.argv[1:] if argv is None else argv)
    try:
        code = _say_version() if words[0] in _VERSION_WORDS else _answered(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _unheard()
    except OSError as fault:
        return _unreachable(fault)
    return code


def parser(verb: str) -> ArgumentParser:
    """Build the parser of one verb, as `--help` and the reference page show it."""
    from wakeman.faces.cli.options import HELP_CHARS_MAX, Arguments, HelpFormatter, take_environment

    _, module, does, text = VERBS[verb]
    example, options, _ = _load_verbs(module)[verb]
    made = Arguments(
        prog=f"wakeman {verb}",
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=example,
        allow_abbrev=False,
        formatter_class=lambda prog: HelpFormatter(prog, max_help_position=28, width=HELP_CHARS_MAX),
    )
    options(made)
    common = made.add_argument_group("common options")
    common.add_argument("--state", metavar="DIR", help="state directory (default: the nearest marked one)")
    text = "run this on HOST by ssh, or in HOST:DIR; . is this machine (default: wake.host of a plan)"
    common.add_argument("--on", metavar="HOST", help=text)
    common.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    if does:
        common.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    made.set_defaults(dry_run=False, verb_called=verb)
    take_environment(made, verb, os.environ)
    return made


def _answered(words: list[str]) -> int:
    """Run a verb, or report the error: the one place in which errors are caught."""
    from wakeman.core.errors import WakemanError

    try:
        return _run_verb(words)
    except WakemanError as error:
        from wakeman.faces.cli.show import print_error

        return print_error(error, words)


def _say_version() -> int:
    """Print the version: nothing can fail that a person could mend, so nothing is loaded for it."""
    from wakeman import __version__

    sys.stdout.write(f"wakeman {__version__}\n")
    return 0


def _run_verb(words: list[str]) -> int:
    verb = words[0]
    if verb in _HELP:
        return _help(words[1:])
    if verb not in VERBS:
        from wakeman.faces.cli.habits import unknown_verb

        raise unknown_verb(verb, VERBS, *words[1:2])
    try:
        options = _read_plainly(words) or parser(verb).parse_args(words[1:])
    except SystemExit:  # argparse has printed the help
        return 0
    if options.on or verb in PLAN_VERBS:
        from wakeman.faces.cli.host import passed_on

        code = passed_on(options, parser(verb), words)
        if code is not None:
            return code
    return int(_load_verbs(VERBS[verb][1])[verb][2](options))


def _read_plainly(words: list[str]) -> Namespace | None:
    """Return the options of a check or a status as programs call it, without argparse: its import is a tenth."""
    if words[0] == "check":
        from wakeman.faces.cli.check import plain_options

        return plain_options(words[1:], os.environ)
    if words[0] == "status":
        from wakeman.faces.cli.status import plain_status

        return plain_status(words[1:], os.environ)
    return None


def _load_verbs(module: str) -> dict:  # type: ignore[type-arg] # its type lives in a module that a check does without
    from importlib import import_module

    verbs: dict = import_module(f"wakeman.faces.cli.{module}").VERBS  # type: ignore[type-arg] # as above
    return verbs


def _ordered(argv: list[str]) -> list[str]:
    """Return the arguments with the verb first, where options precede it; without a verb it is `status`."""
    before: list[str] = []
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] not in (*_HELP, *_VERSION_WORDS):
        before.append(rest.pop(0))
        if before[-1] in ("--state", "--on") and rest:
            before.append(rest.pop(0))
    return [*(rest[:1] or ["status"]), *before, *rest[1:]]


def _help(words: list[str]) -> int:
    """Print the help of a verb, as its `--help` does; without one, the overview."""
    verb = next((word for word in words if not word.startswith("-")), "")
    if verb:
        return _run_verb([verb, "--help"])
    from wakeman.faces.cli.folding import cells_of, rows_within

    cells = cells_of(sys.stdout)
    for line in _overview().splitlines():
        sys.stdout.writelines(f"{row}\n" for row in rows_within(line, cells, 17 if line.startswith("  ") else 0))
    return 0


def _overview() -> str:
    groups: dict[str, list[str]] = {}
    for verb, (group, _, _, text) in VERBS.items():
        groups.setdefault(group, []).append(f"  {verb:15}{text}")
    parts = [f"{group}:\n" + "\n".join(lines) for group, lines in groups.items()]
    common = (
        "Every verb has --help, --json, --state DIR (environment: WAKEMAN_STATE) and --on HOST (WAKEMAN_ON).\n"
        "Those that change something have --dry-run. Each option has an environment variable, which its help names."
    )
    return "\n\n".join([_USAGE, *parts, common]) + "\n"


def _stand_streams() -> None:
    """Have nothing in the place of a standard stream that was closed: the next file that is opened would take it."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115 - it stays open


def _speak_utf8() -> None:
    """Begin again in UTF-8 where the locale has another encoding: names of files are bytes, and logs are UTF-8."""
    if sys.getfilesystemencoding().lower() != "utf-8" and not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - no shell is meant


def _tolerate() -> None:
    """Show a character's escape instead of failing, if the terminal cannot show the character; take any bytes in."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")


def _unheard() -> int:
    """Exit silently when the reader of stdout is gone; Python would print another error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 141


def _unreachable(fault: OSError) -> int:
    """Report that stdout takes nothing, or that the current directory is gone; return the exit code.

    Raises: any other error, as it is.
    """
    from wakeman.core.errors import StorageError, UsageError
    from wakeman.faces.cli.show import print_error

    try:
        os.getcwd()
    except OSError as gone:
        hint = "change to a directory that exists, then try again"
        return print_error(UsageError(f"the current directory: {gone.strerror}", hint), sys.argv[1:] or ["status"])
    at = fault.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    if at is not None and fault.filename is None and at.tb_frame.f_globals["__name__"].startswith(__name__):
        # Nothing else is written by this package itself. What is left to be said goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return print_error(StorageError(f"stdout: {fault.strerror}, expected a place to write to"), ["status"])
    raise fault
