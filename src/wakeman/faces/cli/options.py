"""Parsers of option values, and options that several verbs share."""

from __future__ import annotations

import re
import sys
from argparse import (
    Action,
    ArgumentError,
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NoReturn

from wakeman.core.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from wakeman.api.names import Chosen

HELP_CHARS_MAX = 100
"""Characters of a row of help, also where there is no terminal: the reference page must not depend on one."""
Among = Literal["open", "closed", "any", "last"]
"""Which deployments a verb is for."""


class HelpFormatter(RawDescriptionHelpFormatter):
    """Formats help alike on every Python: up to 3.12 a value is named once for each spelling of its option."""

    def _format_action_invocation(self, action: Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Arguments(ArgumentParser):
    """A parser of arguments whose errors are ours, and whose help says when a verb is used."""

    _listed, _last = "", ""

    def format_help(self) -> str:
        """Return the help, with what is known of the verb beside its options."""
        from wakeman.faces.cli.help import advice

        self.epilog = advice(self.prog.rpartition(" ")[2], self.epilog or "")
        return super().format_help()

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help; on a terminal in rows that fit."""
        from wakeman.faces.cli.folding import cells_of
        from wakeman.faces.cli.help import fitting

        if file is None and (cells := cells_of(sys.stdout)) is not None:
            width = min(cells, HELP_CHARS_MAX)
            self.formatter_class = lambda prog: HelpFormatter(prog, max_help_position=28, width=width)
            sys.stdout.write(fitting(self.format_help(), cells))
            return
        super().print_help(file)

    def words_in(self, dest: str, last: str = "") -> None:
        """Have words behind an option belong to the list `dest`, too; the last of all is `last`, if that is named."""
        self._listed, self._last = dest, last

    def parse_args(self, args: Sequence[str]) -> Namespace:  # type: ignore[override] # it is called only so
        """Return the options; with `words_in`, words may stand before, between and behind options."""
        at = args.index("--") if "--" in args else len(args)
        for word in args[:at]:  # first of all: what is missing may be what is misspelt
            if word.startswith("--") and " " not in word and word.partition("=")[0] not in self._option_string_actions:
                self._refuse(word)
        if not self._listed:
            made, behind = self.parse_known_args(args)
            if behind:
                self._refuse(behind[0])
            return made
        made, behind = self.parse_known_args(args[:at])
        for word in behind:
            if re.fullmatch(r"-[^\s\d].*", word) and " " not in word:
                self._refuse(word)
        words = [*getattr(made, self._listed), *behind, *args[at + 1 :]]
        if self._last and not words:
            self.error(f"the following arguments are required: {self._last.upper()}")
        if self._last:
            setattr(made, self._last, words.pop())
        setattr(made, self._listed, words)
        return made

    def _refuse(self, word: str) -> NoReturn:
        """Refuse a word that is no option and is not wanted, with the option that is spelled most alike."""
        from wakeman.core.plan.template import closest
        from wakeman.core.text import sanitise

        given = word.partition("=")[0]
        known = {option.lstrip("-"): option for option in self._option_string_actions}
        near = closest(given.lstrip("-"), known) if given.startswith("-") else ""
        what = "unknown option" if given.startswith("-") else "found one word too many:"
        self.error(f"{what} {sanitise(given, 40)!r}" + (f"; did you mean {known[near]!r}?" if near else ""))

    def _check_value(self, action: Action, value: object) -> None:
        """Refuse a value that is not among the choices, alike on every Python."""
        if action.choices is not None and value not in action.choices:
            raise ArgumentError(action, _not_among(action.choices, str(value)))

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments. Raises: UsageError."""
        raise UsageError(f"{self.prog}: {message}", f"{self.prog} --help")


Verb = tuple[str, Callable[[Arguments], None], Callable[[Namespace], int]]
"""Example, function that adds its options, function that runs it: an entry of a module's VERBS."""

SHARED_OPTIONS = ("state", "on", "json", "dry_run", "socket")
"""Options whose variable is the same for all verbs, such as `WAKEMAN_STATE`; another's has the verb in its name."""
PORT_MAX = 65535
PLAN_FILE = "wakeman.toml"
"""The plan file where none is named."""
WORKER_STATES = ("pending", "launched", "running", "stuck", "exited", "verified")
"""As the model has them, which the parser of a check does without; a test compares them."""
_ONLY: dict[Among, str] = {
    "open": "the only open one",
    "closed": "the only closed one",
    "any": "the only open one, else the only one",
    "last": "the only open one, else the one that closed last",
}
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_FACTORS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Read `90`, `90s`, `5m`, `2h` or `1d` as seconds. Raises: ArgumentTypeError."""
    written = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", text)
    if not written:
        raise ArgumentTypeError(f"found {text!r}; expected seconds, or 90s, 5m, 2h, 1d")
    return float(written[1]) * _FACTORS[written[2]]


def pace_or_duration(text: str) -> str | float:
    """Read a duration, or the name of a pace. Raises: ArgumentTypeError."""
    return text if text in ("simple", "complex", "long") else duration(text)


def positive_number(text: str) -> int:
    """Read a whole number of at least 1. Raises: ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


def line_number(text: str) -> int:
    """Read the number of a line of a log, or 0 for before the first. Raises: ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ArgumentTypeError(f"found {text!r}; expected the number of a line, from 0")
    return int(text)


def port_number(text: str) -> int:
    """Read a port that can be listened on. Raises: ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= PORT_MAX:
        raise ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1, at most {PORT_MAX}")
    return int(text)


def name(parser: ArgumentParser, among: Among = "open") -> None:
    """Add a deployment's name; without one it is the only one `among` those that the verb is for."""
    text = f"deployment: NAME is its latest run, NAME.1 the first ({_ONLY[among]})"
    parser.add_argument("name", metavar="NAME", nargs="?", help=text)
    parser.set_defaults(among=among)


def several_names(parser: Arguments, among: Among) -> None:
    """Add the names of deployments; without one it is the only one `among` those that the verb is for."""
    text = f"deployment: NAME is its latest run, NAME.1 the first ({_ONLY[among]})"
    parser.add_argument("name", metavar="NAME", nargs="*", help=text)
    parser.words_in("name")
    parser.set_defaults(among=among)


def log_or_name(parser: ArgumentParser) -> None:
    """Add a log to be read, by a deployment's name or by its place."""
    text = f"deployment, its directory, its events.jsonl, or a copy of one ({_ONLY['last']})"
    parser.add_argument("log", metavar="LOG|NAME", nargs="?", help=text)
    parser.set_defaults(among="last", named_by="log")


def plan_file(parser: ArgumentParser) -> None:
    """Add a plan file."""
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        default=PLAN_FILE,
        help=f"plan file, TOML or JSON; - reads it from stdin (default: {PLAN_FILE})",
    )


def workers(parser: Arguments, more: str = "") -> None:
    """Add several workers: by name, all of a deployment, those in a state, or those that need what one needs."""
    parser.add_argument(
        "worker",
        metavar="WORKER",
        nargs="*",
        help=f"worker: DEPLOYMENT/WORKER, or only its name if that is unique; with --all or --only, a deployment{more}",
    )
    parser.words_in("worker")
    parser.add_argument("--all", action="store_true", help="every worker of the deployment that this can be done to")
    only(parser)
    text = "those that need a person for the same cause, in the same words, as this worker"
    parser.add_argument("--like", metavar="WORKER", default="", help=text)


def workers_chosen(options: Namespace) -> Chosen:
    """Return the workers that are meant."""
    from wakeman.api.names import Chosen

    return Chosen(options.worker, options.all, options.only, options.like)


def only(parser: ArgumentParser) -> None:
    """Add the option that chooses workers by their state."""
    parser.add_argument(
        "--only",
        metavar="STATE",
        choices=WORKER_STATES,
        action="append",
        default=[],
        help=f"workers in this state: {', '.join(WORKER_STATES)}; may be repeated",
    )


def worker(parser: ArgumentParser, more: str = "") -> None:
    """Add a worker's name; `more` says what else it may be."""
    what = "worker: DEPLOYMENT/WORKER, or only its name if that is unique"
    parser.add_argument("worker", metavar="WORKER", help=what + more)


def deployment(parser: ArgumentParser) -> None:
    """Add an option for the deployment."""
    parser.add_argument("--deployment", metavar="NAME", help="deployment (default: the only one that is open)")


def socket(parser: ArgumentParser) -> None:
    """Add the server of the sessions."""
    parser.add_argument("--socket", metavar="SOCKET", help="tmux server of the sessions, instead of workers.socket")


def variable(verb: str, action: Action) -> str:
    """Return the name of an option's environment variable; "" for what is no option."""
    if not action.option_strings or action.dest == "help":
        return ""
    name = action.dest if action.dest in SHARED_OPTIONS else f"{verb}_{action.dest}"
    return f"WAKEMAN_{name.upper()}"


def wants_json(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether `--json` is given, or its variable is on; an unreadable value is not."""
    return "--json" in words or _SWITCHES.get(environ.get("WAKEMAN_JSON", "").lower(), False)


def take_environment(parser: ArgumentParser, verb: str, environ: Mapping[str, str]) -> None:
    """Have each option name its variable in its help, and take what that holds where the option is not given.

    Raises: UsageError for a value that the option does not take.
    """
    taken = set[Action]()
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        if name := variable(verb, action):
            action.help = f"{action.help} (environment: {name})"
            if action.dest != "state" and environ.get(name):  # whoever finds that directory reads its variable
                action.default, action.required = _default(action, name, environ[name]), False
                taken.add(action)
    for group in parser._mutually_exclusive_groups:  # noqa: SLF001 - as above
        if taken & {*group._group_actions}:  # noqa: SLF001 - as above
            group.required = False


def _not_among(choices: Iterable[str], text: str) -> str:
    from wakeman.core.plan.template import nearest
    from wakeman.core.text import sanitise

    known = [*choices]
    return f"found {sanitise(text, 40)!r}; expected one of {', '.join(known)}{nearest(text, known)}"


def _default(action: Action, name: str, text: str) -> object:
    if action.nargs == 0:
        if text.lower() not in _SWITCHES:
            raise UsageError(f"{name}: {_not_among(_SWITCHES, text)}")
        return _SWITCHES[text.lower()]
    if action.choices is not None and text not in action.choices:
        raise UsageError(f"{name}: {_not_among(action.choices, text)}")
    if action.nargs == "+" or isinstance(action.default, list):
        import shlex

        convert = action.type if callable(action.type) else str
        try:
            return [convert(word) for word in shlex.split(text)]
        except (ValueError, ArgumentTypeError) as fault:
            raise UsageError(f"{name}: {fault}") from fault
    return text  # argparse converts it as it does a word
