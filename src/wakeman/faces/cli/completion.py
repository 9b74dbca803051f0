"""The verb that installs completion for a shell, and man pages; and what completes a word, called by the shell.

argcomplete is loaded here alone: by this verb, and when a shell asks for a completion.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from wakeman.api.answer import Answer
from wakeman.api.completion import InstalledCompletion
from wakeman.core.errors import StorageError, UsageError, WakemanError
from wakeman.faces.cli import VERBS as ALL_VERBS
from wakeman.faces.cli import parser
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.show import out, print_note, raw, show

Shell = Literal["bash", "zsh", "fish"]
SHELLS: tuple[Shell, ...] = ("bash", "zsh", "fish")
PLACES: Mapping[Shell, tuple[str, str, str]] = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/wakeman"),
    "zsh": ("XDG_DATA_HOME", ".local/share", "zsh/site-functions/_wakeman"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/wakeman.fish"),
}
"""Shell -> variable of the directory, its default below HOME, and the file in it that the shell reads."""
MAN = ("XDG_DATA_HOME", ".local/share", "man/man1")


def _completion_options(made: ArgumentParser) -> None:
    made.add_argument(
        "shell", metavar="SHELL", nargs="?", choices=SHELLS, help=f"{', '.join(SHELLS)} (default: that of $SHELL)"
    )
    made.add_argument("--print", action="store_true", help="print the completion instead of writing files")
    made.add_argument("--remove", action="store_true", help="take away what was written")


def completion(options: Namespace) -> int:
    """Write the completion of a shell and the man pages into the user's own directories, or take them away."""
    shell: Shell = options.shell or _own_shell()
    if options.print:
        raw(_shell_code(shell).rstrip())
        return 0
    file, manual = _place(PLACES[shell]), _place(MAN)
    from wakeman.faces.cli.manual import pages

    made = {file: _shell_code(shell), **{manual / name: text for name, text in pages().items()}}
    verb = "remove" if options.remove else "write"
    options.would = [f"{verb} {path}" for path in made]
    if not options.dry_run:
        _remove(made) if options.remove else _write(made)
    written = tuple(map(str, made))
    data = InstalledCompletion(shell=shell, removed=options.remove, files=written, load=_loading(shell, file))
    return show(options, Answer(data), _print_installed)


def _print_installed(data: InstalledCompletion) -> None:
    done = "removed" if data.removed else "wrote"
    out(f"{done} {data.files[0]}")
    out(f"{done} {len(data.files) - 1} man pages in {Path(data.files[1]).parent}")
    if not data.removed:
        print_note(f"completion: {data.load}")
        print_note(f"to take both away: wakeman completion {data.shell} --remove")


def _loading(shell: Shell, file: Path) -> str:
    """Return what a person does, if anything, so that the shell reads the file."""
    return {
        "bash": f"in each new shell, by bash-completion; without that add to ~/.bashrc: source {quote(str(file))}",
        "zsh": f"add to ~/.zshrc before compinit: fpath=({quote(str(file.parent))} $fpath)",
        "fish": "in each new shell",
    }[shell]


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(f"completion: found SHELL={name or '(none)'}; expected one of {', '.join(SHELLS)}", "name one")
    return name


def _place(where: tuple[str, str, str]) -> Path:
    variable, usual, rest = where
    base = os.environ.get(variable)
    return Path(base or Path.home() / usual) / rest


def _shell_code(shell: Shell) -> str:
    from argcomplete.shell_integration import shellcode

    return str(shellcode(["wakeman"], shell=shell))


def _write(made: Mapping[Path, str]) -> None:
    for path, text in made.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as fault:
            raise StorageError(f"{path}: {fault.strerror}") from fault


def _remove(made: Iterable[Path]) -> None:
    for path in made:
        try:
            path.unlink(missing_ok=True)
        except OSError as fault:
            raise StorageError(f"{path}: {fault.strerror}") from fault


# --- what a shell asks for ------------------------------------------------------------------------------------


def complete() -> None:
    """Answer a shell that asks how a word may go on, and exit. Nothing is observed, and nothing is written."""
    import argcomplete

    words = os.environ.get("COMP_LINE", "").split()[1:]
    verb = next((word for word in words if word in ALL_VERBS), None)
    argcomplete.autocomplete(_parser_of_all(verb), always_complete_options=False)


def _parser_of_all(called: str | None) -> ArgumentParser:
    """Return one parser of all verbs, of which only the one that is called has its options."""
    made = ArgumentParser(prog="wakeman", add_help=False)
    verbs = made.add_subparsers()
    for verb, (_, _, _, text) in ALL_VERBS.items():
        if verb == called:
            own = parser(verb)
            _know(own)
            verbs.add_parser(verb, help=text, parents=[own], add_help=False, conflict_handler="resolve")
        else:
            verbs.add_parser(verb, help=text)
    return made


def _know(made: ArgumentParser) -> None:
    """Have each argument that names something that is there completed by its names."""
    from argcomplete.completers import DirectoriesCompleter, FilesCompleter

    known: dict[str, Any] = {
        "name": _deployment_names,
        "words": _deployment_names,
        "deployment": _deployment_names,
        "log": _deployment_names,
        "worker": _worker_names,
        "like": _worker_names,
        "unit": _unit_names,
        "file": FilesCompleter(("toml", "json")),
        "verb": lambda **_: ALL_VERBS,
        "state": DirectoriesCompleter(),
    }
    for action in made._actions:  # noqa: SLF001 - argparse has no other way to list them
        if action.choices is None and action.dest in known:
            action.completer = known[action.dest]  # type: ignore[attr-defined] # where argcomplete looks for it


def _deployment_names(parsed_args: Namespace, **_: object) -> list[str]:
    return _of_logs(parsed_args, list)


def _worker_names(parsed_args: Namespace, **_: object) -> list[str]:
    def workers(deployments: Mapping[str, Any]) -> list[str]:
        alive = [d for d in deployments.values() if d.outcome == "open"] or list(deployments.values())
        bare = [name for d in alive for name in d.workers]
        return [*bare, *(f"{d.name}/{name}" for d in alive for name in d.workers)]

    return _of_logs(parsed_args, workers)


def _unit_names(parsed_args: Namespace, **_: object) -> list[str]:
    return _of_logs(
        parsed_args, lambda deployments: [unit for d in deployments.values() if d.outcome == "open" for unit in d.units]
    )


def _of_logs(options: Namespace, names: Callable[[Mapping[str, Any]], list[str]]) -> list[str]:
    """Return names from the logs; none where they cannot be read."""
    from wakeman.adapters import local
    from wakeman.engine.runs import readable

    with suppress(WakemanError, OSError):
        return names(readable(local.world(getattr(options, "state", None), "hand")))
    return []


VERBS: dict[str, Verb] = {"completion": ("wakeman completion bash", _completion_options, completion)}
