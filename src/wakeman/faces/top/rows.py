"""The list: an entry for each thing that needs somebody, that waits, and for each worker, in the order of need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from wakeman.api.needs import NeedStatus, ShareCounts, WorkerGroup, folded_waits
from wakeman.api.status import Status, WorkerStatus
from wakeman.core.text import time_span
from wakeman.faces.cli.page import (
    GROUPS,
    SIGNS,
    about_group,
    group_word,
    note_of,
    since,
    unit_counts,
    usage_words,
    when,
)
from wakeman.faces.cli.paper import BOLD, DIM, NAME_CELLS_MAX, NEEDED, Line, Paper

BAR_CELLS_MAX = 6
"""Cells of a worker's bar at most: one for each of its units, if these are no more."""
WAITS_FOLDED_MIN = 3
"""Waits up to which each has its row, where the list is folded."""


class ListEntry(NamedTuple):
    """A row of the list. `key` is what a selection is kept by; `worker` is whose panes are shown, "" for none."""

    key: str
    name: str
    worker: str
    what: NeedStatus | WorkerGroup | WorkerStatus
    kind: str


class Columns(NamedTuple):
    """Cells that names, bars and counts have in every row of a list."""

    name: int
    bar: int
    counts: int


def list_entries(
    status: Status, *, folded: bool, found: frozenset[str] | None = None, words: str = ""
) -> list[ListEntry]:
    """Return the rows of a list. `found`: only these workers are shown, and what has the `words` in it."""
    workers = {each.name: each for each in status.workers}
    waits = folded_waits(status.waits, WAITS_FOLDED_MIN) if folded and found is None else status.waits
    rows = [each for need in (*status.needs, *waits) for each in _need_entries(need, workers, found, words)]
    for group in status.groups:
        if folded and found is None:
            rows.append(
                ListEntry(f"group {group.state}", f"{len(group.workers):,} {group.state}", "", group, group.state)
            )
            continue
        names = [name for name in group.workers if found is None or name in found]
        if group.state == "running":
            names.sort(key=lambda name: workers[name].host or "")
        if group.state == "ended":
            names.sort(key=lambda name: name not in group.left)
        rows += [ListEntry(f"worker {name}", name, name, workers[name], group.state) for name in names]
    return rows


def _need_entries(
    need: NeedStatus, workers: dict[str, WorkerStatus], found: frozenset[str] | None, words: str
) -> Iterator[ListEntry]:
    """Yield the entry of a need; of one that several workers have, where some are looked for, one for each of these."""
    names = need.workers if found is None else tuple(name for name in need.workers if name in found)
    if found is not None and len(need.workers) > 1:
        for name in names:
            own = replace(need, about=name, workers=(name,), units=workers[name].units)
            yield ListEntry(f"worker {name}", name, name, own, need.sign)
        return
    says = words.casefold() in f"{need.says} {need.words} {need.reason}".casefold()
    if found is None or names or says:
        one = need.workers[0] if need.workers else ""
        key = f"worker {one}" if len(need.workers) == 1 else f"need {need.reason} {one or need.about}"
        yield ListEntry(key, need.about, one, need, need.sign)


def columns(status: Status, on: Paper) -> Columns:
    """Return the cells that all rows have, on a paper of this width."""
    most = min(NAME_CELLS_MAX, max(8, on.room // 3))
    abouts = (each.about for each in (*status.needs, *status.waits))
    longest = max((len(name) for name in (*(each.name for each in status.workers), *abouts)), default=0)
    units = max((each.units.total for each in status.workers), default=0)
    shown = [each.units for each in status.workers]
    shown += [each.units for each in (*status.needs, *status.waits) if each.units is not None]
    counts = max((len(f"{each.done:,}/{each.total:,}") for each in shown), default=0)
    return Columns(min(most, max(9, longest)), min(BAR_CELLS_MAX, units) if on.bars else 0, counts)


def entry_row(entry: ListEntry, status: Status, on: Paper, cells: Columns, *, chosen: bool = False) -> Line:
    """Return one row of the list."""
    (sign, colour), text = _entry_sign(entry, status), _entry_text(entry, status, on)
    strong = entry.kind in ("ask", "held", "failed") or chosen
    start: Line = [
        ("▌" if chosen else " ", BOLD),
        (f"{sign} ", colour),
        (f"{on.pad(on.middle(entry.name, cells.name), cells.name)} ", BOLD if strong else ""),
    ]
    return on.row([*start, *_unit_bar(entry, on, cells), *text])


def _entry_sign(entry: ListEntry, status: Status) -> tuple[str, str]:
    if entry.kind in SIGNS:
        return SIGNS[entry.kind]
    if entry.kind == "running" and status.outcome != "open":
        return GROUPS["pending"]
    what = entry.what
    if isinstance(what, WorkerGroup):
        return GROUPS[group_word(what, status)]
    if isinstance(what, WorkerStatus) and entry.kind == "ended":
        left = what.units.done < what.units.total
        return SIGNS["failed"] if left else GROUPS["verified" if what.state == "verified" else "ended"]
    return GROUPS[entry.kind]


def _unit_bar(entry: ListEntry, on: Paper, cells: Columns) -> Line:
    what = entry.what
    units: ShareCounts | None = what.units
    total = units.total if units is not None else 0
    if units is None or not total:
        blank = cells.bar + cells.counts + bool(cells.bar) + 1
        return [(" " * blank, "")] if not isinstance(what, NeedStatus) or what.workers else []
    bar: Line = []
    if cells.bar:
        many = min(cells.bar, total)
        bar = [*on.bar(units.done, total, many, "■□"), (" " * (cells.bar - many + 1), "")]
    said = unit_counts(what) if not isinstance(what, WorkerStatus) else f"{units.done:,}/{units.total:,}"
    return [*bar, (f"{on.pad(said, cells.counts)}  ", "")]


def _entry_text(entry: ListEntry, status: Status, on: Paper) -> Line:
    what = entry.what
    if isinstance(what, WorkerGroup):
        return [(f"{group_word(what, status)}  {about_group(what, status.at, on)}", DIM)]
    if isinstance(what, WorkerStatus):
        return worker_text(what, entry.kind, status, on)
    words = f": {on.quoted(what.words)}" if what.words else ""
    until = f", {when(what.until).astimezone():%H:%M}" if what.until and "in " in what.rest else ""
    return [(what.cause, BOLD if what.sign != "wait" else ""), (f"{what.rest}{until}{words}", "")]


def worker_text(each: WorkerStatus, kind: str, status: Status, on: Paper) -> Line:
    """Return what is said of a worker in its row: the number first, the words of others last."""
    parts = [usage_words(each)]
    if kind == "running":
        quiet = f"quiet {since(each.alive, status.at)}" if each.alive else "no sign of life yet"
        tries = f"attempt {each.attempt}" if each.attempt > 1 else ""
        hearing = f"review {each.review}" if each.review else ""
        there = f"on {each.host}" if each.host else ""
        return [(on.dot.join(filter(None, (there, quiet, hearing, tries, *parts, note_of(each)))), DIM)]
    if kind == "pending":
        group = next((one for one in status.groups if one.state == "pending"), None)
        return [(group.says if group else "", DIM)]
    left = each.units.total - each.units.done
    if each.state == "verified":
        took = _verified_ago(each, status)
        return [(on.dot.join(filter(None, ("verified", took, *parts))), DIM)]
    why = on.quoted(each.why) if each.why and each.cause else each.why or ""
    short = f"{left:,} undone" if left else ""
    told = on.dot.join(filter(None, (short, each.cause or each.reason or each.state, *parts, why)))
    return [(told, NEEDED if status.outcome != "open" and left else DIM)]


def _verified_ago(each: WorkerStatus, status: Status) -> str:
    at = each.since
    return f"{time_span((when(status.at) - when(at)).total_seconds())} ago" if at else ""


def tally_words(hidden: Sequence[ListEntry]) -> str:
    """Return what entries out of sight are, counted."""
    counts: dict[str, int] = {}
    for each in hidden:
        word = {"ask": "in need", "held": "held", "failed": "failed", "wait": "waiting"}.get(each.kind, each.kind)
        counts[word] = counts.get(word, 0) + 1
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())
