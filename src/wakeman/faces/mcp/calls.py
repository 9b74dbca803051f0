"""Commands as calls of tools: what an answer or an error suggests, in the words of this face."""

from __future__ import annotations

import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from wakeman.core.errors import WakemanError
from wakeman.core.policy.dialogs import PERMISSION_WORDS
from wakeman.faces import cli

DOING = ("up", "act")
"""Tools that a server which only reads does not have."""
only_reads: ContextVar[bool] = ContextVar("only_reads", default=False)
"""Whether the server that answers this call only reads: then nothing suggests a tool that it does not have."""

_STARTER_HINT = re.compile(r"wakeman init\b[^,;]*")
_COMMAND = re.compile(
    r"(?<!in a shell: )wakeman ([a-z]+)\b((?: (?!(?:or|and|then|writes|lists|to)\b)(?:'[^']*'|[^\s,;:`'])+)*)"
)
_COMMAND_QUOTED = re.compile(r"`(wakeman [^`]*)`")

Told = tuple[str, Mapping[str, Any]]
"""A tool, and its arguments."""


def _run_named(options: Namespace) -> str:
    return str(options.name or "")


def _to_deployment(action: str) -> Callable[[Namespace], Told]:
    return lambda o: ("act", {"action": action, "deployment": _run_named(o)})


def _to_units(action: str) -> Callable[[Namespace], Told]:
    return lambda o: ("act", {"action": action, "units": o.unit, "why": o.why, "deployment": o.deployment or ""})


def _grant(options: Namespace) -> str:
    return next((word for word in PERMISSION_WORDS if getattr(options, word)), "once")


def _workers_given(options: Namespace) -> dict[str, Any]:
    return {"workers": options.worker, "like": options.like}


_BY_VERB: Mapping[str, Callable[[Namespace], Told]] = {
    "plan": lambda o: ("plan", {"file": o.file}),
    "up": lambda o: ("up", {"file": o.file}),
    "rehearse": lambda o: ("rehearse", {"file": o.file}),
    "status": lambda o: ("status", {"deployment": _run_named(o)}),
    "capture": lambda o: ("status", {"worker": o.worker[0]}),
    "tail": lambda o: ("status", {"worker": o.worker}),
    "wait": lambda o: ("wait", {"deployment": _run_named(o)}),
    "log": lambda o: ("log", {"deployment": o.words[0], "type": o.type or "", "worker": o.worker or ""}),
    "report": lambda o: ("report", {"deployment": o.log}),
    "retry": lambda o: ("act", {"action": "retry", **_workers_given(o), "units": o.unit, "why": o.note}),
    "stop": lambda o: ("act", {"action": "stop", **_workers_given(o)}),
    "send": lambda o: (
        "act",
        {"action": "send", **_workers_given(o), "text": o.text, "force": o.force, "submit": o.submit},
    ),
    "approve": lambda o: (
        "act",
        {"action": "approve", "workers": [o.worker], "grant": _grant(o), "seen": o.seen},
    ),
    "answer": lambda o: ("act", {"action": "answer", "workers": [o.worker], "text": o.text, "seen": o.seen}),
    "waive": _to_units("waive"),
    "reject": _to_units("reject"),
    **{verb: _to_deployment(verb) for verb in ("accept", "pause", "unpause", "check", "resume", "adopt", "down")},
}
"""Verb -> the call that does the same. Verbs that are not here stay commands of a shell."""


def call(tool: str, **arguments: object) -> str:
    """Return a call as text. Shape: arguments that are empty are left out."""
    given = {name: value for name, value in arguments.items() if value not in ("", False, None, [], ())}
    if arguments.get("submit") is False:
        given["submit"] = False  # it is pressed unless said otherwise
    return f"{tool}({', '.join(f'{name}={msgspec.json.encode(value).decode()}' for name, value in given.items())})"


def spoken(command: str) -> str:
    """Return a command as the call that does the same; one without such a call here stays a command of a shell."""
    try:
        _, verb, *words = shlex.split(command)
        if verb not in _BY_VERB or "--help" in words or "-f" in words or "--all" in words:
            return f"in a shell: {command}"
        tool, arguments = _BY_VERB[verb](cli.parser(verb).parse_args(words))
    except (WakemanError, ValueError, SystemExit):
        return f"in a shell: {command}"
    if only_reads.get() and tool in DOING:
        return f"in a shell: {command}"
    return call(tool, **arguments)


def in_calls(text: str) -> str:
    """Return a text in which commands stand as calls, as far as they have one."""
    plain = _STARTER_HINT.sub(
        "read the resource wakeman://starter for a commented plan", _COMMAND_QUOTED.sub(r"\1", text)
    )
    return _COMMAND.sub(_replaced, plain)


def _replaced(found: re.Match[str]) -> str:
    verb, command = found[1], found[0]
    if verb not in cli.VERBS:
        return command
    if "--help" in command:
        return f"see the description of the tool {verb}" if verb in _BY_VERB else f"in a shell: {command}"
    return spoken(command)
