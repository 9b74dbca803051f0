"""What stands beside the list: the chosen row's cause and commands, its screen, words, outputs, events, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wakeman.api.chronicle import DecisionTaken
from wakeman.api.needs import NeedStatus
from wakeman.api.report.units import OutputMade
from wakeman.api.status import Status, WorkerStatus
from wakeman.api.watch import Happening
from wakeman.core.policy.worker_needs import end_words
from wakeman.faces.cli.board import EVENT_SIGNS
from wakeman.faces.cli.page import alarm_words, decided, open_commands, since, usage_words, when
from wakeman.faces.cli.paper import BOLD, DIM, DONE, NEEDED, Line, Paper
from wakeman.faces.cli.show import amount
from wakeman.faces.top.rows import ListEntry

PANES = ("screen", "words", "outputs", "events", "why")
"""What is shown of the chosen row, by the number of its key; the last by a letter of its own."""
SHARES: dict[str, float] = {"screen": 0.4, "words": 0.15, "outputs": 0.2, "events": 0.25}
"""Which share of the height each pane has, where all stand one below the other."""
EVENTS_ASKED_MAX = 200
"""Events of one worker that are looked up for its pane."""


@dataclass(frozen=True)
class Shot:
    """A screen: its rows, and what is said of it. `rows` is None while nothing is known."""

    rows: tuple[str, ...] | None = None
    says: str = ""


@dataclass(frozen=True)
class Beside:
    """What is known of the chosen row: of a deployment's `status`, at the moment that is shown."""

    status: Status
    entry: ListEntry | None = None
    worker: WorkerStatus | None = None
    shot: Shot = Shot()
    outputs: tuple[OutputMade, ...] = ()
    events: tuple[Happening, ...] = ()
    why: DecisionTaken | None = None
    pane: str = "screen"
    scrolled: int = 0
    picked: int | None = None


def detail(beside: Beside, on: Paper, height: int) -> list[Line]:
    """Return the part below the list, with one pane: exactly so many rows."""
    if height < 3:
        return [[] for _ in range(height)]
    rows = [_pane_title(beside, on), *_cause(beside, on)[:1], _tabs(beside, on)]
    body = PANE_ROWS[beside.pane](beside, on)
    return _sized([*rows, *_part(body, beside, height - len(rows), on)], height)


def stacked(beside: Beside, on: Paper, height: int) -> list[Line]:
    """Return the column beside the list, with all panes one below the other: exactly so many rows."""
    rows = [_pane_title(beside, on), *_cause(beside, on)]
    if beside.pane == "why" or beside.entry is None or not beside.entry.worker:
        name = beside.pane if beside.entry is not None and beside.entry.worker else "why"
        rows += [[], on.rule(name)]
        body = PANE_ROWS[name](beside, on)
        return _sized([*rows, *_part(body, beside, height - len(rows), on)], height)
    bodies = {name: PANE_ROWS[name](beside, on) for name in SHARES}
    room = height - len(rows) - 2 * len(bodies)
    wanted = _dealt({name: len(body) for name, body in bodies.items()}, room, beside.pane)
    for name, body in bodies.items():
        chosen = name == beside.pane
        title = on.rule(f"{PANES.index(name) + 1} {name}", _said_of(name, beside))
        rows += [[], title if not chosen else [(text, BOLD if style == BOLD else "") for text, style in title]]
        part = replace(beside, scrolled=beside.scrolled if chosen else 0)
        rows += _part(body, part, wanted[name], on, last=name in FROM_THE_END)
    return _sized(rows, height)


def _dealt(lengths: dict[str, int], room: int, chosen: str) -> dict[str, int]:
    """Deal rows to panes: each gets its share at most, what is left over goes to the chosen one, then to the first."""
    shares = {name: min(lengths[name], max(1, int(room * SHARES[name]))) for name in lengths}
    left = max(0, room - sum(shares.values()))
    for name in (chosen, *lengths):
        if name in lengths:
            more = min(left, lengths[name] - shares[name])
            shares[name], left = shares[name] + more, left - more
    return shares


def _sized(rows: list[Line], height: int) -> list[Line]:
    return [*rows, *([] for _ in range(height - len(rows)))][:height]


FROM_THE_END = ("screen", "events")
"""Panes of which the last rows are shown, unless they are scrolled."""


def _part(body: list[Line], beside: Beside, height: int, on: Paper, *, last: bool | None = None) -> list[Line]:
    """Return so many rows of a pane, as far as it is scrolled."""
    if height <= 0:
        return []
    over = max(0, len(body) - height)
    end = last if last is not None else beside.pane in FROM_THE_END
    begin = max(0, min(over, over - beside.scrolled if end else beside.scrolled))
    if beside.picked is not None and beside.pane == "outputs":
        begin = max(0, min(over, beside.picked - height // 2))
    shown = body[begin : begin + height]
    if over and not end and begin < over and shown:
        shown[-1] = on.row([(f"   {len(body) - begin - height + 1:,} more below: J and K move it", DIM)])
    return [on.row(line) for line in shown] + [[] for _ in range(height - len(shown))]


def _pane_title(beside: Beside, on: Paper) -> Line:
    entry, worker = beside.entry, beside.worker
    if entry is None:
        return on.rule(beside.status.deployment)
    end = ""
    if worker is not None and worker.attempt:
        client = f", {worker.client}" if worker.client else ""
        host = f" on {worker.host}" if worker.host else ""
        end = f"attempt {worker.attempt}, session {worker.session}{host}{client}"
    return on.rule(entry.worker or entry.name, end)


def _cause(beside: Beside, on: Paper) -> list[Line]:
    """Return why the chosen row stands where it stands, and the commands that answer it."""
    entry = beside.entry
    if entry is None:
        return [on.row([(" no worker", DIM)])]
    what = entry.what
    if not isinstance(what, NeedStatus):
        worker = beside.worker
        spent = usage_words(worker) if worker is not None else ""
        state = f"{worker.state}{on.dot}{worker.reason}" if worker and worker.reason else worker.state if worker else ""
        lasted = f"for {since(worker.since, beside.status.at)}" if worker and worker.since else ""
        return [on.row([(f" {on.dot.join(filter(None, (state, lasted, spent)))}", "")])]
    cause: Line = [(f" {what.cause}", BOLD), (what.rest, "")]
    whole = not what.words or what.whole
    commands = open_commands(what, whole=whole)
    if not on.wide and commands and len(what.cause + what.rest + commands[0].line) + 5 <= on.room:
        cause += [("   ", ""), (commands[0].line, BOLD)]
    rows = [on.row(cause)]
    if on.room >= WIDE_CELLS_MIN:
        rows += [[(f" {row}", "")] for row in on.wrapped(on.quoted(what.words), on.room - 2)[:2]] if what.words else []
        for one in commands[:2]:
            rows += on.command(one.line, 3, one.does, at=min(48, on.room // 2 + 6))
    return rows


WIDE_CELLS_MIN = 70
"""Cells from which on a column has words and commands in rows of their own."""


def _tabs(beside: Beside, on: Paper) -> Line:
    found: Line = []
    for at, name in enumerate(PANES, 1):
        key = "e" if name == "why" else str(at)
        text, chosen = f"{key} {name}", name == beside.pane
        found.append((f" [{text}]" if chosen else f"  {text} ", BOLD if chosen else DIM))
    return on.row(found)


def _said_of(name: str, beside: Beside) -> str:
    match name:
        case "screen":
            return beside.shot.says if beside.shot.rows else ""
        case "words":
            return ""
        case "outputs":
            passing = sum(each.done for each in beside.outputs)
            return f"{passing} of {len(beside.outputs)} pass" if beside.outputs else ""
        case _:
            return "l: all"


# --- panes --------------------------------------------------------------------------------------------------------


def _screen_rows(beside: Beside, on: Paper) -> list[Line]:
    shot = beside.shot
    if shot.rows is None:
        return [[(f" {shot.says}", DIM)]]
    says: list[Line] = [[(f" {shot.says}", DIM)]] if shot.says and not shot.rows else []
    return [*([(f" {on.cut(row, on.room - 1)}", "")] for row in shot.rows), *says]


def _word_rows(beside: Beside, on: Paper) -> list[Line]:
    rows: list[Line] = []
    worker, entry = beside.worker, beside.entry
    texts = []
    if entry is not None and isinstance(entry.what, NeedStatus) and entry.what.words:
        texts.append(entry.what.words)
    if worker is not None and isinstance(worker.said, str) and worker.said not in texts:
        texts.append(worker.said)
    theirs = end_words(worker.why or "")[1] if worker is not None else ""
    if theirs and not any(theirs.endswith(text) for text in texts):
        texts.append(theirs)
    for text in texts:
        rows += [*([] if not rows else [[]]), *([(f" {row}", "")] for row in on.wrapped(on.quoted(text), on.room - 2))]
    if worker is not None and isinstance(worker.line, str):
        rows.append([(f" typed, and not submitted when it was ended: {on.quoted(worker.line)}", DIM)])
    if not rows:
        rows.append([(" it has said nothing that is known", DIM)])
    return rows


def _output_rows(beside: Beside, on: Paper) -> list[Line]:
    name = min(max((len(each.unit) for each in beside.outputs), default=0), on.room // 2)
    rows = [_output_row(each, at == beside.picked, on, name) for at, each in enumerate(beside.outputs)]
    return rows or [[(" no units" if beside.entry is None or beside.entry.worker else " not of one worker", DIM)]]


def _output_row(each: OutputMade, picked: bool, on: Paper, name: int) -> Line:
    sign, colour = ("✓", DONE) if each.done else ("✗", NEEDED) if each.size is not None else ("·", DIM)
    judged = "waived" if each.waived else "passes" if each.done else "fails" if each.size is not None else "undone"
    size = f"{amount(each.size)}" if each.size is not None else ""
    more = [size, each.problems]
    more += [f"by {each.writer}" if each.writer and each.writer != each.worker else ""]
    more += ["reviewed" if each.reviewed else "", "sampled" if each.sampled else ""]
    return [
        ("▌" if picked else " ", BOLD),
        (f"{sign} ", colour),
        (f"{on.pad(on.middle(each.unit, name), name)}  ", BOLD if picked else ""),
        (f"{judged:6}  ", NEEDED if judged == "fails" else ""),
        (", ".join(filter(None, more)), DIM),
    ]


def _event_rows(beside: Beside, on: Paper) -> list[Line]:
    return [happening_row(each, on) for each in beside.events] or [[(" nothing has happened to it yet", DIM)]]


def happening_row(each: Happening, on: Paper, *, named: bool = False) -> Line:
    """Return a row of what happened: when, and in whose name if that is to be said."""
    sign, colour = EVENT_SIGNS[each.sign]
    name = f"{on.pad(on.middle(each.worker, 16), 16)} " if named else ""
    return on.row(
        [(f" {when(each.at).astimezone():%H:%M:%S} ", DIM), (f"{sign} ", colour), (name, ""), (each.says, "")]
    )


def _why_rows(beside: Beside, on: Paper) -> list[Line]:
    taken, status, rows = beside.why, beside.status, list[Line]()
    if taken is None:
        rows.append([(" no row was taken yet", DIM)])
    else:
        about = taken.worker or "the deployment"
        held = ", held" if taken.held else ""
        at = f"{when(taken.at).astimezone():%H:%M:%S}"
        rows.append([(" row      ", DIM), (f"{taken.row}{held}", BOLD), (f", for {about}, {at}, line {taken.seq}", "")])
        rows += _because(" because  ", taken.why, on)
        rows += _because(" then     ", ", ".join(taken.then) or "nothing", on)
        rows.append([(f" seen, in line {taken.looked}:", DIM)])
        rows += [[(f"   {fact}", "")] for fact in taken.facts] or [[("   nothing new", DIM)]]
        rows += [[(f"   and {taken.more} more", DIM)]] if taken.more else []
    if beside.entry is None or not beside.entry.worker:
        rows += [
            [],
            *(
                [(f" {each.count} undone: {each.why}", ""), (f"  {' '.join(each.units[:5])}", DIM)]
                for each in status.undone
            ),
        ]
    if status.decision.row:
        rows += [[], *_because(" last     ", decided(status), on)]
    if status.outcome == "open":
        rows += _because(" alarm    ", alarm_words(status, on), on)
    return rows


def _because(word: str, text: str, on: Paper) -> list[Line]:
    first, *rest = on.wrapped(text, max(10, on.room - len(word) - 1)) or [""]
    return [[(word, DIM), (first, "")], *([(" " * len(word), ""), (row, "")] for row in rest)]


PANE_ROWS: dict[str, Callable[[Beside, Paper], list[Line]]] = {
    "screen": _screen_rows,
    "words": _word_rows,
    "outputs": _output_rows,
    "events": _event_rows,
    "why": _why_rows,
}
"""Pane -> what makes its rows."""


def log_rows(found: Sequence[Happening], on: Paper, height: int, hidden: int) -> list[Line]:
    """Return the page of everything that happened, in place of list and panes: exactly so many rows."""
    more = f"{hidden:,} earlier: PgUp" if hidden > 0 else ""
    rows = [on.rule("what happened", more), *(happening_row(each, on, named=True) for each in found)]
    return _sized(rows, height)
