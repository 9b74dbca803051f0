"""A watched deployment as a board that fits its pane: who needs a person first, what waits and runs, events below."""

from __future__ import annotations

from collections.abc import Sequence

from wakeman.api.needs import folded_waits
from wakeman.api.status import Status, WorkerStatus
from wakeman.api.watch import Happening
from wakeman.core.text import time_span
from wakeman.faces.cli.page import GROUPS, SIGNS, group_word, since, wait_row, when, widths
from wakeman.faces.cli.paper import BOLD, DIM, DONE, NAME_CELLS_MAX, NEEDED, WAITS, Line, Paper

QUIET_SHOWN_MAX = 3
"""Quietest workers that have a row of their own."""
EVENTS_SHOWN_MIN, EVENTS_SHOWN_MAX = 3, 12
"""Events that are shown below, as the pane has room."""
FRAME_ROWS = 4
"""Rows of a board that are neither of a worker nor an event: head, bar, rule, foot."""
ASIDE_CELLS_MIN = 4
"""Blanks around what is added to the first row."""
EVENT_SIGNS = {"done": ("✓", DONE), "bad": ("✗", NEEDED), "wait": ("◌", WAITS), "ask": ("▲", NEEDED), "": ("●", "")}


def board(
    status: Status, happened: Sequence[Happening], lost: Sequence[str], on: Paper, how: Sequence[str] = ()
) -> list[Line]:
    """Return the rows of a board: never more than the pane has. `how` files are watched stands in the last."""
    height = on.rows if on.rows is not None else 1000
    head = head_rows(status, on)
    rows = _board_rows(status, on)
    warnings = [on.row([(f" ◌ {why}; everything is scanned", WAITS)]) for why in lost]
    free = max(1, height - len(head) - 2 - len(warnings))
    below = min(len(happened), EVENTS_SHOWN_MAX, max(EVENTS_SHOWN_MIN, free - len(rows)))
    below = max(0, min(below, free - 2)) if free > 4 else 0
    shown = _within_rows(rows, free - below, on)
    rule: list[Line] = [on.row([(f" {'─' * max(0, on.room - 1)}", DIM)])] if below else []
    events = [_event_row(each, on) for each in happened[::-1][:below]]
    foot: list[Line] = [on.row([(on.dot.join((" Ctrl-C ends only the watching", *how)), DIM)])]
    blank: list[Line] = [[]] if len(head) + len(warnings) + len(shown) + len(rule) + len(events) < height - 1 else []
    found = [*head, *warnings, *blank, *shown, *rule, *events]
    return [*found[: height - 1], *foot] if height > 1 else found[:1]


def head_rows(status: Status, on: Paper, live: str = "", *, past: bool = False, aside: str = "") -> list[Line]:
    """Return the first two rows: who needs somebody, how far it is.

    Shape: `live` stands before the clock instead of the outcome; `past` where the moment is an earlier one; `aside` is
    added to the first row where it fits.
    """
    counts = {group.state: len(group.workers) for group in status.groups}
    needs = len(status.needs)
    name: Line = [(f" {on.middle(status.deployment, 40)}  ", BOLD)]
    verb = "needed" if past else "need" if needs > 1 else "needs"
    nothing = "nothing needed you" if past else "nothing needs you"
    need = (f"{needs} {verb} you", NEEDED) if needs else (nothing, "")
    parts = [f"{counts['running']:,} run"] if "running" in counts else []
    parts += [f"{len(status.waits)} wait{'ed' * past}"] if status.waits else []
    parts += [f"{counts['pending']:,} pending"] if "pending" in counts else []
    parts += [f"{counts['ended']:,} ended"] if "ended" in counts else []
    live = live or ("live" if status.outcome == "open" else status.outcome)
    now = f"{live}, {when(status.at).astimezone():%H:%M:%S}"
    line = [*name, need, (on.dot + on.dot.join(parts) if parts else "", "")]
    if aside and on.fits("".join(text for text, _ in line) + aside + now, on.room - ASIDE_CELLS_MIN * 2):
        line.append((f"{' ' * ASIDE_CELLS_MIN}{aside}", DIM))
    first = on.row(line, [(now, WAITS if past else DIM)])
    eta, units = status.progress.eta, status.progress
    text = [f"{units.done:,}/{units.total:,}"]
    text += [f"{time_span(eta.left)} left"] if eta else []
    if status.next_check and status.outcome == "open":
        left, was = (when(status.next_check) - when(status.at)).total_seconds(), "was " * past
        text.append(f"alarm {was}in {time_span(left, fine=True)}" if left >= 1 else f"alarm {was}now")
    says = f" {on.dot.join(text)}"
    bar = on.bar(units.done, units.total, max(10, on.room - len(says) - 2)) if on.bars else []
    return [first, on.row([(" ", ""), *bar, (says, "")])]


def _board_rows(status: Status, on: Paper) -> list[Line]:
    """Return the rows of needs, waits and groups, each one row."""
    columns = widths(status, on)
    rows = []
    for need in status.needs:
        sign, colour = SIGNS[need.sign]
        words = f": {on.quoted(need.words)}" if need.words else ""
        counts = f"{need.units.done:,}/{need.units.total:,}" if need.units and need.units.total else ""
        start = f"{on.pad(on.middle(need.about, columns[0]), columns[0])} "
        cause: Line = [(need.cause, BOLD), (f"{need.rest}{words}", "")]
        rows.append(on.row([(f" {sign} ", colour), (start, BOLD), (f"{on.pad(counts, columns[1])}  ", ""), *cause]))
    rows += [wait_row(each, status.at, on, columns) for each in folded_waits(status.waits, 3)]
    for group in status.groups:
        kind = group_word(group, status)
        sign, colour = GROUPS[kind]
        names = list(group.workers)
        if group.state == "running":
            workers = {each.name: each for each in status.workers}
            quiet = group.quietest.stuck_after if group.quietest else 0.0
            alone = names if len(names) <= QUIET_SHOWN_MAX + 1 else names[:QUIET_SHOWN_MAX]
            rows += [_quiet_row(workers[name], status.at, quiet, on, columns) for name in alone]
            names = names[len(alone) :]
        if not names:
            continue
        word = "more" if group.state == "running" and len(names) < len(group.workers) else kind
        head = on.pad(f"{len(names):,} {word}", columns[0])
        left = f"; {len(group.left)} left {sum(group.left.values())} undone" if group.left else ""
        text = group.says or (" ".join(names[:4]) + (" …" if names[4:] else "") + left)
        counts = f"{group.units.done:,}/{group.units.total:,}" if len(names) == len(group.workers) else ""
        rows.append(on.row([(f" {sign} ", colour), (f"{head} {on.pad(counts, columns[1])}  ", ""), (text, DIM)]))
    return rows


def _quiet_row(worker: WorkerStatus, now: str, stuck_after: float, on: Paper, columns: tuple[int, int]) -> Line:
    sign, colour = GROUPS["running"]
    counts = f"{worker.progress.done}/{worker.progress.total}" if worker.units.total else ""
    start = f"{on.pad(on.middle(worker.name, columns[0]), columns[0])} {on.pad(counts, columns[1])}  "
    quiet = f"quiet for {since(worker.alive, now)}" if worker.alive else "no sign of life yet"
    after = f"; stuck after {time_span(stuck_after)}" if stuck_after else ""
    return on.row([(f" {sign} ", colour), (start, ""), (f"{quiet}{after}", DIM)])


def _within_rows(rows: list[Line], room: int, on: Paper) -> list[Line]:
    if len(rows) <= room:
        return rows
    return [*rows[: room - 1], on.row([(f"   {len(rows) - room + 1} more rows: a higher pane shows them", DIM)])]


def _event_row(each: Happening, on: Paper) -> Line:
    sign, colour = EVENT_SIGNS[each.sign]
    name = (
        on.pad(on.middle(each.worker, 12), 12)
        if on.room < 100
        else on.pad(on.middle(each.worker, NAME_CELLS_MAX), NAME_CELLS_MAX)
    )
    at = f" {when(each.at).astimezone():%H:%M:%S} "
    return on.row([(at, DIM), (f"{sign} ", colour), (f"{name} ", ""), (each.says, "")])
