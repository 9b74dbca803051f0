"""All deployments as a page: which one needs a person, how far each is, when its next check comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wakeman.api.needs import tally
from wakeman.api.status import ListedStatus, Statuses, UnreadableStatus
from wakeman.core.text import time_span
from wakeman.faces.cli.page import since, time_of_day, when
from wakeman.faces.cli.paper import (
    BARS_WIDTH_MIN,
    BOLD,
    DIM,
    DONE,
    NAME_CELLS_MAX,
    NEEDED,
    WAITS,
    WIDTH_DEFAULT,
    Line,
    Paper,
)

CLOSED_SHOWN_MAX = 6
"""Deployments that are over and are shown, unless all are asked for; the latest."""
NOT_LIVE = "not live here"


def overview(data: Statuses, on: Paper, *, everything: bool = False) -> list[Line]:
    """Return a row for each deployment, those that need a person first; of one that does also why, and a command."""
    head, found, tail = overview_parts(data, on, everything=everything)
    return [*head, *(row for _, rows in found for row in rows), *tail]


Found = tuple[ListedStatus | UnreadableStatus, list[Line]]
"""A deployment, and its rows."""


def overview_parts(
    data: Statuses, on: Paper, *, everything: bool = False
) -> tuple[list[Line], list[Found], list[Line]]:
    """Return the rows before the deployments, the deployments each with its rows, and what stands behind them."""
    listed = [each for each in data.deployments if isinstance(each, ListedStatus)]
    broken = [each for each in data.deployments if isinstance(each, UnreadableStatus)]
    open_ = [each for each in listed if each.outcome == "open"]
    needing = [each for each in open_ if each.needs]
    over = [each for each in listed if each.outcome != "open"][::-1]
    shown = over if everything or on.rows is None else over[:CLOSED_SHOWN_MAX]
    ordered = sorted(open_, key=lambda each: (not each.needs, not each.paused))
    name = _name_cells([*ordered, *shown, *broken], on)
    head = [_first(open_, needing, time_of_day(listed[0].at) if listed else "", on), []]
    head.append(on.row([(f"   {on.pad('deployment', name)} {_heads(on)}", DIM)]))
    found: list[Found] = [(each, list(_open_rows(each, on, name))) for each in ordered]
    found += [(bad, _broken_rows(bad, on, name)) for bad in broken]
    found += [(each, [_over_row(each, on, name)]) for each in shown]
    tail: list[Line] = []
    if over[len(shown) :]:
        tail.append(on.row([(f"   {len(over) - len(shown)} more are over: wakeman status --all", DIM)]))
    if note := _runs_note(listed):
        tail += [[], on.row([(f"   {note}", DIM)])]
    return head, found, tail


def _first(open_: Sequence[ListedStatus], needing: Sequence[ListedStatus], now: str, on: Paper) -> Line:
    count = f"{len(open_)} open deployment{'' if len(open_) == 1 else 's'}"
    if not open_:
        return on.row([(" no deployment is open", BOLD)], [(now, DIM)])
    if not needing:
        return on.row([(f" {count}", BOLD), ("; nothing needs you", "")], [(now, DIM)])
    verb = "needs" if len(needing) == 1 else "need"
    return on.row([(f" {len(needing)} of {count} ", BOLD), (f"{verb} you", NEEDED)], [(now, DIM)])


def _name_cells(shown: Sequence[ListedStatus | UnreadableStatus], on: Paper) -> int:
    longest = max((len(on.plain(each.deployment)) for each in shown), default=0)
    return max(10, min(longest, NAME_CELLS_MAX if on.room >= 79 else max(8, on.room // 4)))


def _heads(on: Paper) -> str:
    bar = " " * 11 if _has_bar(on) else ""
    return f"{'state':10}{bar}{'units':9} {_left_cell('left', on)}next check"


def _has_bar(on: Paper) -> bool:
    return on.bars and on.room >= WIDTH_DEFAULT - 1


def _left_cell(left: str, on: Paper) -> str:
    """Return the cell of the time left, where there is room for it."""
    return f"{left:12} " if on.room >= BARS_WIDTH_MIN - 1 else ""


def _open_rows(each: ListedStatus, on: Paper, name: int) -> Iterator[Line]:
    failed = any(need.sign == "failed" for need in each.needs) and all(need.sign == "failed" for need in each.needs)
    sign, colour = ("✗" if failed else "▲", NEEDED) if each.needs else ("◌", WAITS) if each.paused else ("●", "")
    state = "needs you" if each.needs else "paused" if each.paused else "open"
    if each.elsewhere:
        sign, colour, state = "◌", WAITS, NOT_LIVE
    eta = each.progress.eta
    left = time_span(eta.left) if eta else "-"
    due = _alarm_due(each)
    yield _row(each, on, name, (sign, colour), state, left, due)
    if each.elsewhere:
        yield on.row([(f"     {each.elsewhere}", DIM)])
    elif each.needs:
        words = ", ".join(f"{count} {word}" for word, count in tally(each.needs))
        yield on.row([(f"     {words}" if len(each.needs) > 1 else f"     {each.needs[0].says}", "")])
        command = f"wakeman status {each.deployment}"
        if len(each.needs) == 1 and failed:
            command = each.needs[0].commands[0].line
        yield from on.command(command, 5)
    elif each.barred or each.outage:
        yield on.row([(f"     {each.barred or each.outage}", DIM)])


def _alarm_due(each: ListedStatus) -> str:
    if each.elsewhere:
        return ""
    if each.paused:
        return "paused"
    if each.next_check is None or each.alarm is None or not each.alarm.stands:
        return "none ahead"
    left = (when(each.next_check) - when(each.at)).total_seconds()
    return f"in {time_span(left)}" if left >= 1 else "now"


def _row(each: ListedStatus, on: Paper, name: int, sign: tuple[str, str], state: str, left: str, due: str) -> Line:
    done, total = each.units.done, each.units.total
    bar: Line = [*on.bar(done, total, 10), (" ", "")] if _has_bar(on) else []
    return on.row([
        (f" {sign[0]} ", sign[1]),
        (f"{on.pad(on.middle(each.deployment, name), name)} ", BOLD if each.needs else ""),
        (f"{state:10}", NEEDED if each.needs else ""),
        *bar,
        (f"{f'{done:,}/{total:,}':9} {_left_cell(left, on)}", ""),
        (due, NEEDED if due == "none ahead" else DIM),
    ])  # fmt: skip


def _over_row(each: ListedStatus, on: Paper, name: int) -> Line:
    sign = ("✓", DONE) if each.outcome == "complete" else ("✗", NEEDED)
    closed = f"closed {since(each.ended, each.at)} ago" if each.ended else ""
    return _row(each, on, name, sign, each.outcome, "", closed)


def _broken_rows(bad: UnreadableStatus, on: Paper, name: int) -> list[Line]:
    start: Line = [(" ✗ ", NEEDED), (f"{on.pad(on.middle(bad.deployment, name), name)} ", BOLD)]
    error, hint = on.row([(f"     {bad.error}", "")]), on.row([(f"     {bad.hint}", BOLD)])
    return [on.row([*start, (bad.outcome, NEEDED)]), error, hint]


def _runs_note(listed: Sequence[ListedStatus]) -> str:
    """Return what a name without a number means, where one has several runs."""
    latest: dict[str, str] = {}
    several = ""
    for each in listed:
        base = each.deployment.partition(".")[0]
        several = base if base in latest else several
        latest[base] = each.deployment
    return f"NAME alone is the latest run: {several} is {latest[several]}" if several else ""
