"""Rules for a plan beyond the type of each value: one function per rule, all listed in RULES."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

from wakeman.core.model import Plan, ReviewSpec, UnitsSpec, WorkersSpec
from wakeman.core.model.plan import RECEIVER_KINDS
from wakeman.core.names import host_and_directory
from wakeman.core.plan.key_positions import Path, Problem
from wakeman.core.plan.places import PLACE_RULES
from wakeman.core.plan.template import PATH, SCOPES, UNIT, template_faults
from wakeman.core.policy import review
from wakeman.core.text import as_data

DEPLOYMENT_NAME = r"[a-z0-9][a-z0-9_-]{0,63}"
SOURCES = ("glob", "items", "file", "command", "matrix")

_FORMS = (
    (("name",), DEPLOYMENT_NAME, "1 to 64 of a-z, 0-9, '_' and '-', the first a letter or digit"),
    (
        ("workers", "socket"),
        r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}|/.{1,95}",
        "a tmux socket: its name, or its absolute path",
    ),
    (("workers", "confine_also"), r"(?![~]).+", "a path, relative to the plan file or absolute; '~' is none here"),
    (("workers", "env_from"), r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable"),
    (("workers", "redact"), r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable"),
)
"""Key, regular expression, what it is."""

_PATH_KEYS = (
    "units.glob", "units.exclude", "units.output", "units.writes", "workers.cwd", "watch.roots", "cleanup.move.from",
    "cleanup.move.to",
)  # fmt: skip
_MANY_PATHS = ("units.glob", "units.exclude", "units.output", "units.writes", "watch.roots")
_SHELL_BRACES = re.compile(r"(?<!\{)\{([^{}]*,[^{}]*)\}(?!\})")
_BRACED_NAME = re.compile(r"(?<!\{)\{\s*([\w.]+)\s*\}(?!\})")
_EXPANSIONS_SHOWN_MAX = 8

_ARGUMENTS = (
    "units.command", "workers.command", "workers.before", "workers.setup", "wake.to.run", "verify.command",
    "verify.review.command",
)  # fmt: skip
_POSITIVE = (
    "wake.every", "wake.to.timeout", "verify.timeout", "verify.parse_limit.time", "verify.parse_limit.memory",
    "verify.parse_limit.size",
)  # fmt: skip
_STARTED_KEYS = (
    "command", "args", "agent", "prompt", "prompt_file", "auto_approve", "at_once", "max_units", "env", "env_from",
    "env_file", "before", "confine", "stage", "isolate",
)  # fmt: skip
"""Keys of `[workers]` about what is started."""
TOPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def broken(plan: Plan, known: Iterable[Path]) -> list[Problem]:
    """List the rules that a plan breaks, except those about a key that is `known` to be wrong by itself."""
    reported = list(known)
    return [
        problem
        for rule in RULES
        for problem in rule(plan)
        if not any(_one_holds_other(place, other) for place in problem.places for other in reported)
    ]


def leaves(at: object, key: Sequence[str], path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every leaf that a key of the tables names (`wake.to.run`), with its exact path."""
    match at, key:
        case tuple(), _:
            for index, item in enumerate(at):
                yield from leaves(item, key, (*path, index))
        case dict(), [first, *rest]:
            yield from leaves(at[first], rest, (*path, first))
        case dict(), _:
            for name, item in at.items():
                yield from leaves(item, key, (*path, name))
        case _:
            yield path, at


def named_leaves(plan: Plan, keys: Iterable[str]) -> Iterator[tuple[str, Path, object]]:
    """Yield every leaf that some keys name, each behind its key. Cost: all items of a plan, once."""
    tables = msgspec.to_builtins(plan)
    for key in keys:
        for path, value in leaves(tables, key.split(".")):
            yield key, path, value


def unit_template_names(spec: UnitsSpec) -> tuple[str, ...] | None:
    """Return the template names that units of this source have.

    Boundary: None when they come from the lines of a file or a command.
    """
    if spec.glob is not None:
        return UNIT
    if spec.items is not None:
        own = [key for item in spec.items if isinstance(item, dict) for key in item]
        return tuple(dict.fromkeys([*PATH, "unit", *own]))
    return ("unit", *spec.matrix) if spec.matrix is not None else None


def _forms(plan: Plan) -> Iterator[Problem]:
    tables = msgspec.to_builtins(plan)
    for key, form, what in _FORMS:
        for path, value in leaves(tables, key):
            if not re.fullmatch(form, str(value)):
                yield Problem(path, f"found {repr(value)[:80]}; expected {what}")


def _unexpanded(plan: Plan) -> Iterator[Problem]:
    """Refuse what a shell would expand in a path: here it would be a name as it stands."""
    for key, path, value in named_leaves(plan, _PATH_KEYS):
        if told := next(_unexpanded_parts(key, str(value)), ""):
            yield Problem(path, f"found {repr(value)[:80]}: {told}")
    for at, item in enumerate(plan.units.items or ()):
        if isinstance(item, dict) and item.get("input", "")[:1] == "~":
            yield Problem(("units", "items", at, "input"), f"found {item['input'][:80]!r}: {_HOME}")


_HOME = "a leading '~' is not expanded; expected a path, relative to the plan file or absolute"


def _unexpanded_parts(key: str, value: str) -> Iterator[str]:
    if value.startswith("~"):
        yield _HOME + f" (./{value} is a name that begins with it)"
    if re.match(r"\$\w|.*\$\{", value):
        yield "a variable is not expanded; expected a path, relative to the plan file or absolute"
    if "\\" in value:
        yield f"a backslash separates no directories; write: {json_text(value.replace(chr(92), '/'))}"
    if value.startswith("!") and key == "units.glob":
        yield f"'!' leaves nothing out; expected it in units.exclude; write: exclude = [{json_text(value[1:])}]"
    if braces := _SHELL_BRACES.search(value):
        each = [f"{value[: braces.start()]}{part}{value[braces.end() :]}" for part in braces[1].split(",")]
        several = key in _MANY_PATHS and len(each) <= _EXPANSIONS_SHOWN_MAX
        cure = f"; write: [{', '.join(map(json_text, each))}]" if several else ""
        yield f"braces are not expanded; expected a list of paths{cure}"
    if (name := _BRACED_NAME.search(value)) and name[1] in SCOPES.get(key, ()):
        whole = f"{value[: name.start()]}{{{{ {name[1]} }}}}{value[name.end() :]}"
        yield f"a name in a template has two braces on each side; write: {json_text(whole)}"


def json_text(text: str) -> str:
    """Return a text in quotes, as both TOML and JSON have it."""
    return msgspec.json.encode(text).decode()


def _one_source(plan: Plan) -> Iterator[Problem]:
    given = [source for source in SOURCES if getattr(plan.units, source) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        about = tuple(("units", source) for source in SOURCES)
        yield Problem(("units",), f"found {found}; expected exactly one of {', '.join(SOURCES)}", about)
    if plan.units.exclude and given != ["glob"]:
        yield Problem(("units", "exclude"), "found without units.glob; expected only beside it")


def _sources(plan: Plan) -> Iterator[Problem]:
    """Refuse an empty source; the content of others is checked when it is read."""
    for source in SOURCES:
        given = getattr(plan.units, source)
        if given is not None and not given:
            yield Problem(("units", source), "found nothing in it; expected at least one")
    for key, choices in (plan.units.matrix or {}).items():
        if not choices:
            yield Problem(("units", "matrix", key), "found an empty array; expected at least one value")


def _output_problems(plan: Plan) -> Iterator[Problem]:
    output = plan.units.output
    if not output and not plan.workers.found:
        yield Problem(("units", "output"), "missing or empty; expected the file, or files, that each unit is to make")
    for at, each in enumerate(output if isinstance(output, tuple) else ()):
        if not each:
            yield Problem(("units", "output", at), "found an empty string; expected a path")


def _prompt(plan: Plan) -> Iterator[Problem]:
    if plan.workers.prompt and plan.workers.prompt_file is not None:
        yield Problem(("workers", "prompt_file"), "found beside workers.prompt; expected one of the two")


def _command(plan: Plan) -> Iterator[Problem]:
    if plan.workers.harness == "command" and not (plan.workers.command or plan.workers.found):
        text = "missing or empty; expected an argument list, as workers.harness is 'command'"
        yield Problem(("workers", "command"), text, (("workers", "command"), ("workers", "harness")))


def _review_problems(plan: Plan) -> Iterator[Problem]:
    """Refuse a review of nothing, or without a reviewer."""
    verify = plan.verify
    if not review.wanted(plan):
        if verify.review != ReviewSpec():
            text = "found without verify.agent; expected that, or verify.review.command: there is no reviewer"
            yield Problem(("verify", "review"), text)
        return
    if verify.review.of == "sample" and not verify.sample:
        text = "found 0, and a review of the sample; expected at least 1, or verify.review.of = 'all'"
        yield Problem(("verify", "sample"), text)
    if review.harness(plan) == "command" and not verify.review.command:
        about = (("verify", "review", "command"), ("verify", "review", "harness"), ("workers", "harness"))
        text = "missing or empty; expected an argument list, as the reviewer's harness is 'command'"
        yield Problem(("verify", "review", "command"), text, about)


def _arguments(plan: Plan) -> Iterator[Problem]:
    """Refuse argument lists without a program."""
    for _, path, value in named_leaves(plan, _ARGUMENTS):
        if path[-1] == 0 and value == "":
            yield Problem(path, "found an empty string; expected a program")
    for key, commands in (("before", plan.workers.before), ("setup", plan.workers.setup)):
        for at, argv in enumerate(commands):
            if not argv:
                yield Problem(("workers", key, at), "found an empty array; expected an argument list")


def _isolation_problems(plan: Plan) -> Iterator[Problem]:
    workers = plan.workers
    isolated = workers.isolate == "worktree"
    reviewing = ("verify", "agent" if plan.verify.agent is not None else "review")
    others = (
        (("workers", "stage"), workers.stage, "a tree of its own already keeps outputs apart"),
        (("workers", "confine"), workers.confine != "off", "commits are written outside a worker's tree"),
        (reviewing, review.wanted(plan), "a reviewer does not see the workers' trees"),
    )
    for key, there, why in others:
        if isolated and there:
            text = f"found beside workers.isolate; expected one of the two: {why}"
            yield Problem(key, text, (key, ("workers", "isolate")))
    for name in ("base", "setup", "commit"):
        if not isolated and getattr(workers, name) != getattr(WorkersSpec(), name):
            about = (("workers", name), ("workers", "isolate"))
            yield Problem(("workers", name), "found without workers.isolate = 'worktree'; expected it beside", about)


def _confined(plan: Plan) -> Iterator[Problem]:
    unset = WorkersSpec()
    for name in ("confine_also", "confine_network") if plan.workers.confine == "off" else ():
        if getattr(plan.workers, name) != getattr(unset, name):
            yield Problem(("workers", name), "found without workers.confine = 'units'; expected only beside it")


def _found_sessions(plan: Plan) -> Iterator[Problem]:
    """Refuse what only a session that Wakeman starts can have, of those that somebody else has started."""
    workers, unset = plan.workers, WorkersSpec()
    if not workers.found:
        return
    for name in _STARTED_KEYS:
        if getattr(workers, name) != getattr(unset, name):
            about = (("workers", name), ("workers", "sessions"))
            text = f"found beside workers.sessions = {workers.sessions!r}; expected none: nothing is started"
            yield Problem(("workers", name), text, about)
    if plan.cleanup.rounds:
        text = f"found {plan.cleanup.rounds}; expected 0 beside workers.sessions = {workers.sessions!r}"
        yield Problem(("cleanup", "rounds"), text, (("cleanup", "rounds"), ("workers", "sessions")))
    if plan.verify.command and not plan.units.output:
        text = "found without units.output; expected a file that each unit is to make"
        yield Problem(("verify", "command"), text, (("verify", "command"), ("units", "output")))


def _variables(plan: Plan) -> Iterator[Problem]:
    for name in plan.workers.env:
        if not _VARIABLE.fullmatch(name):
            text = "unfit as the name of an environment variable; expected letters, digits and '_'"
            yield Problem(("workers", "env", name), text)


def _blank_profiles(plan: Plan) -> Iterator[Problem]:
    for name, agent in plan.agents.items():
        for key in ("description", "prompt"):
            if not getattr(agent, key).strip():
                yield Problem(("agents", name, key), "found nothing but blanks; expected text: clients refuse it")


def _receivers(plan: Plan) -> Iterator[Problem]:
    for at, target in enumerate(plan.wake.to):
        path = ("wake", "to", at)
        kinds = RECEIVER_KINDS
        given = [kind for kind in kinds if getattr(target, kind)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            yield Problem(path, f"found {found}; expected one of {', '.join(kinds)}", tuple((*path, k) for k in kinds))
        for kind in ("url", "ntfy"):
            address = getattr(target, kind)
            if address and not (reachable(address) or (kind == "ntfy" and TOPIC.fullmatch(address))):
                also = ", or a topic's name of letters, digits, '_' and '-'" if kind == "ntfy" else ""
                expected = f"expected https://..., or http://127.0.0.1...{also}"
                yield Problem((*path, kind), f"found {as_data(address, 80)}; {expected}")
        if target.answers_file and not target.ntfy:
            yield Problem((*path, "answers_file"), "found without ntfy; expected only beside it")
        for key, unset in (("secret_file", ""), ("share", "names")):
            beside = "url, ntfy or apprise" if key == "share" else "url or ntfy"
            if getattr(target, key) != unset and not (target.leaves_machine if key == "share" else target.address):
                yield Problem((*path, key), f"found without {beside}; expected only beside one of them")


def _answer_topics(plan: Plan) -> Iterator[Problem]:
    found = [at for at, target in enumerate(plan.wake.to) if target.answers_file]
    for at in found[1:]:
        yield Problem(
            ("wake", "to", at, "answers_file"), f"found a second one; expected one, as in wake.to[{found[0]}]"
        )


def _wake_host(plan: Plan) -> Iterator[Problem]:
    """Refuse what ssh would not take for a host."""
    if plan.wake.host and not host_and_directory(plan.wake.host)[0]:
        yield Problem(
            ("wake", "host"), f"found {as_data(plan.wake.host, 80)}; expected HOST or HOST:DIR, as in 'alpha'"
        )


def reachable(address: str) -> bool:
    """Return whether an address is one that words may be sent to: encrypted, or on this machine."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    local = host in ("127.0.0.1", "::1", "localhost")
    return bool(host) and address.isascii() and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _positive(plan: Plan) -> Iterator[Problem]:
    for _, path, value in named_leaves(plan, _POSITIVE):
        if value == 0:
            yield Problem(path, "found 0; expected more than 0")


def _templates(plan: Plan) -> Iterator[Problem]:
    own = unit_template_names(plan.units)
    sources = tuple(("units", source) for source in SOURCES)
    for key, path, value in named_leaves(plan, SCOPES):
        scope = SCOPES[key]
        of_unit = scope[: len(UNIT)] == UNIT
        malformed = template_faults(str(value), None)
        for fault in template_faults(str(value), _allowed(scope, own) if of_unit else scope):
            yield Problem(path, fault, (path, *sources) if of_unit and fault not in malformed else ())


def _allowed(scope: Sequence[str], own: Sequence[str] | None) -> Sequence[str] | None:
    return None if own is None else (*own, *(name for name in scope if name not in UNIT))


RULES = (
    _forms, _unexpanded, _one_source, _sources, _output_problems, _prompt, _command, _review_problems, _arguments,
    _isolation_problems, _confined, _found_sessions, *PLACE_RULES, _variables,
    _blank_profiles, _receivers, _answer_topics, _wake_host, _positive, _templates,
)  # fmt: skip
"""Every rule, as a function from plan to problems."""


def _one_holds_other(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
