"""The keys: what each does, when it applies, and the command that a doing key runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from wakeman.api.needs import NeedStatus
from wakeman.api.status import Status, WorkerStatus
from wakeman.core.log.facts.fact import count
from wakeman.core.policy.dialogs import Permission
from wakeman.faces.cli.page import open_commands
from wakeman.faces.top.rows import ListEntry

TEXT = "\0"
"""Stands in a command for a text that is asked for."""
WAIVED_MAX = 20
"""Units at most that one key waives: each is to be read in the command."""


FORCING = "--force to type anyway"
"""In what `send` says where a session is not at an empty prompt, or shows none."""


class KeyHelp(NamedTuple):
    """A key as the help has it."""

    key: str
    word: str
    does: str


MOVING_KEYS = (
    KeyHelp("↑↓ j k", "move", "a row; PgUp PgDn a page, Home End the ends"),
    KeyHelp("Tab", "next", "deployment; Shift-Tab the previous, Esc all of them"),
    KeyHelp("1 2 3 4", "pane", "screen, words, outputs, events; J K scroll it"),
    KeyHelp("e", "why", "the last decision, and the facts behind it"),
    KeyHelp("/", "find", "by name, unit or reason; Esc shows all again"),
    KeyHelp("f", "fold", "equal rows as one, and back"),
    KeyHelp("l", "log", "everything that happened"),
    KeyHelp("o", "open output", "choose one; Enter opens it in $PAGER"),
    KeyHelp("← →", "time", "one event back or on"),
    KeyHelp("[ ]", "next ▲ ◆ ✗", "the moments that stand out"),
    KeyHelp("space", "now", "back to now"),
    KeyHelp("q", "quit", "ends only the looking"),
)
DOING_KEYS = (
    KeyHelp("Enter", "attach", "its session; the detach key comes back here"),
    KeyHelp("s", "send", "type a text into its session"),
    KeyHelp("r", "retry", "another attempt for what is undone"),
    KeyHelp("x", "stop", "end it; what is undone goes to cleanup"),
    KeyHelp("a d", "approve", "a permission, or deny it; a: accept the held row"),
    KeyHelp("w", "waive", "count its undone units as done"),
    KeyHelp("t", "try now", "do not wait: retry, or look once more"),
    KeyHelp("p", "pause", "no alarm and no launch, and back"),
)
"""Keys that do something: each shows its command, then y or n. They apply to the chosen row."""


class KeyDeed(NamedTuple):
    """What a key would run. `asks` is what a text is asked for by, "" for none; `text` is proposed for it."""

    word: str
    argv: tuple[str, ...]
    asks: str = ""
    text: str = ""
    says: str = ""


def deeds_for(entry: ListEntry | None, status: Status, name: str) -> dict[str, KeyDeed]:
    """Return what can be done to the chosen row, by key; `name` is the deployment's, as a person types it."""
    if status.outcome != "open" or status.elsewhere:
        return {}
    verb = "unpause" if status.paused else "pause"
    found = {"p": KeyDeed(verb, ("wakeman", verb, name))}
    if entry is None:
        return found
    worker = next((each for each in status.workers if each.name == entry.worker), None)
    if worker is not None:
        found |= _worker_deeds(worker, f"{name}/{worker.name}", entry)
        if isinstance(entry.what, NeedStatus) and entry.kind == "ask":
            found |= _permission_deeds(entry.what, f"{name}/{worker.name}")
        need = entry.what if isinstance(entry.what, NeedStatus) and len(entry.what.workers) > 1 else None
        if need is not None and need.sign != "wait":
            found |= _shared_deeds(found, need)
    found |= _need_deeds(entry, status, name)
    return found


def _worker_deeds(worker: WorkerStatus, target: str, entry: ListEntry) -> dict[str, KeyDeed]:
    live = worker.state in ("launched", "running", "stuck")
    undone = worker.units.done < worker.units.total
    found: dict[str, KeyDeed] = {}
    if live:
        found["enter"] = KeyDeed("attach", ("wakeman", "attach", target))
        found["x"] = KeyDeed("stop", ("wakeman", "stop", target), says=f"keeps its {worker.units.done} done units")
        if (send := _sending(entry, target)) is not None:
            found["s"] = send
    if worker.state == "stuck" or (worker.state == "exited" and undone):
        found["r"] = KeyDeed("retry", ("wakeman", "retry", target))
    if entry.kind == "wait" and worker.state in ("stuck", "exited"):
        found["t"] = KeyDeed("try now", ("wakeman", "retry", target))
    return found


_PERMITTING: tuple[tuple[str, str, Permission], ...] = (
    ("a", "approve", "once"),
    ("a", "approve", "always"),
    ("d", "deny", "deny"),
)


def _permission_deeds(need: NeedStatus, target: str) -> dict[str, KeyDeed]:
    """Return how a permission is given, with the least that its dialog offers, and denied; only if it is read whole."""
    if not need.seen or not need.whole or len(need.workers) != 1:
        return {}
    found: dict[str, KeyDeed] = {}
    for key, word, wanted in _PERMITTING:
        if key not in found and wanted in need.grants:
            argv = ("wakeman", "approve", target, f"--{wanted}", "--seen", need.seen)
            found[key] = KeyDeed(word, argv, says=f'chooses "{need.grants[wanted]}"')
    return found


def _shared_deeds(found: dict[str, KeyDeed], need: NeedStatus) -> dict[str, KeyDeed]:
    """Return the deeds of a row that is several workers: for all of them, as its text says; attach is for the first."""
    many = f"all {len(need.workers)}"
    shared: dict[str, KeyDeed] = {}
    for key in ("s", "r", "x"):
        if key in found:
            deed = found[key]
            argv = (*deed.argv[:2], "--like", *deed.argv[2:])
            shared[key] = deed._replace(argv=argv, says=many, asks=f"send {many}" if deed.asks else "")
    return shared


def _sending(entry: ListEntry, target: str) -> KeyDeed | None:
    """Return how a text is sent: as the need's own command has it. Words that are cut get no answer from here."""
    need = entry.what if isinstance(entry.what, NeedStatus) else None
    if need is not None and need.workers:
        if not need.whole:
            return None
        for one in open_commands(need, whole=True):
            words = shlex.split(one.line)
            if words[:2] in (["wakeman", "send"], ["wakeman", "answer"]):
                text, *rest = words[2 + len(sent_to(words)) :]
                proposed = "" if text == "your answer" else text
                return KeyDeed(
                    words[1], ("wakeman", words[1], target, TEXT, *rest), f"{words[1]} {entry.worker}", proposed
                )
    return KeyDeed("send", ("wakeman", "send", target, TEXT, "--submit"), f"send {entry.worker}")


def _need_deeds(entry: ListEntry, status: Status, name: str) -> dict[str, KeyDeed]:
    found: dict[str, KeyDeed] = {}
    if isinstance(entry.what, NeedStatus):
        if entry.what.reason == "held":
            found["a"] = KeyDeed("accept", ("wakeman", "accept", name), says=entry.what.rest.lstrip(" :,"))
        if any(one.line.startswith("wakeman check ") for one in entry.what.commands):
            found["t"] = KeyDeed("try now", ("wakeman", "check", name))
    units = _waivable(entry, status)
    if units:
        judged = ("wakeman", "waive", "--deployment", name, f"--why={TEXT}")
        found["w"] = KeyDeed("waive", (*judged, "--", *units), f"waive {count(len(units), 'unit')}, because")
    return found


def _waivable(entry: ListEntry, status: Status) -> tuple[str, ...]:
    """Return the undone units that a row is about: of a held row, or of a worker that has ended."""
    held = isinstance(entry.what, NeedStatus) and entry.what.reason == "held"
    units = [
        unit
        for each in status.undone
        for unit in each.units
        if held or (entry.worker and (entry.worker,) == each.workers)
    ]
    return tuple(units) if len(units) <= WAIVED_MAX else ()


def insisting(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command that types a refused text anyway: the text stands where it is no option."""
    who = sent_to(argv)
    text = argv[-1] if "--" in argv else argv[2 + len(who)]
    return ("wakeman", "send", *who, "--submit", "--force", "--", text)


def sent_to(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command that say whom it is for: a worker, or all that need what one needs."""
    return tuple(argv[2:4] if argv[2] == "--like" else argv[2:3])


def typed_command(argv: tuple[str, ...], text: str = "") -> tuple[str, ...]:
    """Return a command with the text in its place. One that begins with `-` stands where it is no option."""
    if TEXT in argv and text.startswith("-"):
        at = argv.index(TEXT)
        return (*argv[:at], *argv[at + 1 :], "--", text)
    return tuple(word.replace(TEXT, text) for word in argv)
