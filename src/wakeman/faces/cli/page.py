"""The status of one deployment as a page: who needs a person first, then what waits, runs, is to come and is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from wakeman.api.needs import NeedCommand, NeedStatus, UndoneUnits, WorkerGroup, folded_waits, tally
from wakeman.api.status import HostStatus, Status, WorkerStatus
from wakeman.core.log.facts.fact import count
from wakeman.core.policy.worker_needs import end_words
from wakeman.core.text import sanitise, time_span
from wakeman.faces.cli.paper import BOLD, DIM, DONE, NAME_CELLS_MAX, NEEDED, WAITS, Line, Paper
from wakeman.faces.cli.show import amount, queue_words

SIGNS = {"ask": ("▲", NEEDED), "held": ("◆", NEEDED), "failed": ("✗", NEEDED), "wait": ("◌", WAITS)}
GROUPS = {"running": ("●", ""), "pending": ("·", DIM), "verified": ("✓", DONE), "ended": ("·", DIM)}
"""Signs of workers that need nobody. `ended`: some of them with no unit left that is theirs, as others got it."""
NEEDS_SHOWN_MAX = 4
WAITS_SHOWN_MAX = 3
"""Needs, and waits, that are shown each on its own; from there on they are folded."""
NOTES_SHOWN_MAX = 3
"""Workers at work of whom something is to be known, although it needs nobody."""
UNDONE_SHOWN_MAX = 6
HOSTS_SHOWN_MAX = 6
UNITS_NAMED_MAX = 5
QUOTE_CELLS_MIN = 60
"""Column of the words of others, and of what a command does, on a wide terminal."""


def page(data: Status, on: Paper, *, everything: bool = False) -> list[Line]:
    """Return the rows of a status; at most as many as the paper has, unless `everything` is to be shown."""
    head = [*_head_rows(data, on), *_cautions(data, on)]
    tail = list(_tail(data, on, everything=everything))
    if data.outcome != "open":
        workers = [[], *_worker_rows(data, on)] if everything else []
        return [*head, *_closed(data, on), *_extras(data, on, everything=everything), *workers, *_over(data, on)]
    extras = list(_extras(data, on, everything=everything))
    room = None if everything or on.rows is None else on.rows - len(head) - len(tail) - len(extras) - 2
    middle = _middle(data, on, room, everything=everything)
    return [*head, [], *middle, *extras, [], *tail]


def workers_listed(data: Status, on: Paper) -> list[Line]:
    """Return a row for each worker that the status has, below how far the deployment is."""
    found = list(_worker_rows(data, on)) or [on.row([("   no such worker", DIM)])]
    return [*_head_rows(data, on), *_cautions(data, on), [], *found]


# --- the first rows -----------------------------------------------------------------------------------------------


def _head_rows(data: Status, on: Paper) -> Iterator[Line]:
    name, now = (f" {on.middle(data.deployment, 40)}  ", BOLD), time_of_day(data.at)
    units = data.units
    if data.outcome != "open":
        colour = DONE if data.outcome == "complete" else NEEDED
        left = f", {units.total - units.done} missing" if units.total > units.done else ""
        ended = f"closed {ago(data.ended, data.at)}" if data.ended else ""
        line = [name, (data.outcome, colour), (f"{on.dot}{units.done} of {units.total} units{left}", "")]
        yield on.row(line, [(ended, DIM)])
    else:
        needs = len(data.needs)
        what: Line = (
            [(f"{needs} need you" if needs != 1 else "1 needs you", NEEDED)] if needs else [("nothing needs you", "")]
        )
        counts = ", ".join(f"{count} {word}" for word, count in tally(data.needs))
        workers = sum(len(each.workers) for each in data.needs)
        many = f"{on.dot}for {workers} of {len(data.workers):,} workers" if workers > needs else ""
        paused = f"{on.dot}paused" if data.paused else ""
        rest = f"{on.dot}{counts}{many}" if needs else ""
        seen = f"seen {time_span(data.age)} ago, " if on.wide and data.age is not None else ""
        yield on.row([name, *what, (rest, ""), (paused, WAITS)], [(f"{seen}{now}", DIM)])
    yield _bar_row(data, on)
    if data.outcome == "open":
        yield on.row([(f" {_pace(data, on)}", DIM)])
    else:
        yield from (row for need in data.needs for row in need_rows(need, on, need_cells(data.needs, on)))


def _bar_row(data: Status, on: Paper) -> Line:
    done, total = data.units.done, data.units.total
    share = 100 * done // total if total else 0
    text = f" {done:,}/{total:,} units, {share} %"
    spent = usage_words(data) if on.wide else ""
    if not on.bars:
        return on.row([(text, "")], [(spent, DIM)])
    room = on.room - 1 - len(text) - (len(spent) + 2 if spent else 1)
    return on.row([(" ", ""), *on.bar(done, total, max(10, room)), (text, "")], [(spent, DIM)])


def _pace(data: Status, on: Paper) -> str:
    """Return how long it takes from here on."""
    far, parts = data.progress, []
    if far.eta is None:
        parts = ["no estimate yet" if far.done < far.total else "all units are made"]
    else:
        span = f"({time_span(far.eta.soonest)} to {time_span(far.eta.latest)})"
        parts = [f"about {time_span(far.eta.left)} left {span}", f"near {time_of_day(data.at, far.eta.left)}"]
    parts += (
        [f"{far.per_hour:,.0f} units/h" if far.per_hour >= 10 else f"{far.per_hour:g} units/h"] if far.per_hour else []
    )
    if far.without and far.eta is not None:
        parts.append(
            f"without {', '.join(far.without[:2])}" + (f" and {len(far.without) - 2} more" if far.without[2:] else "")
        )
    if on.wide:
        parts += [count(sum(worker.attempt for worker in data.workers), "attempt")]
        parts += [f"began {ago(data.started, data.at)}, {time_of_day(data.started)}"] if data.started else []
    return on.dot.join(parts)


def usage_words(data: Status | WorkerStatus) -> str:
    """Return the tokens and the money that clients have reported; "" for none."""
    tokens = f"{thousands(data.tokens.input + data.tokens.output)} tokens" if data.tokens else ""
    cost = f"$ {data.cost:.2f}" if isinstance(data.cost, int | float) else ""
    return ", ".join(filter(None, (tokens, cost)))


def thousands(number: int) -> str:
    """Return a number as it is, or in thousands or millions."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number // 1000} k" if number < 10_000_000 else f"{number / 1e6:.1f} M"


def _cautions(data: Status, on: Paper) -> Iterator[Line]:
    if data.elsewhere:
        yield on.row([(f" not live here: {data.elsewhere}; only its log was read", WAITS)])
    if data.blind:
        yield on.row([(f" its workers cannot be observed: {data.blind}; nothing is decided about them", WAITS)])


# --- what stands between ------------------------------------------------------------------------------------------


def _middle(data: Status, on: Paper, room: int | None, *, everything: bool) -> list[Line]:
    """Return needs, waits and groups in so many rows: what is less urgent is folded first."""
    columns = widths(data, on)
    needs = [need_rows(need, on, columns) for need in (data.needs if everything else data.needs[:NEEDS_SHOWN_MAX])]
    shown = len(needs) if everything or room is None else min(len(needs), NEEDS_SHOWN_MAX)
    groups = [_group_row(group, data, on) for group in data.groups]
    notes = [] if everything else list(_notes(data, on))[:NOTES_SHOWN_MAX]
    reasons = list(_undone_rows(data, on))[: None if everything else UNDONE_SHOWN_MAX]
    most = WAITS_SHOWN_MAX
    while True:
        waits = _wait_rows(data, on, None if everything else most)
        more = _more_needs(data, on, shown)
        blank: list[Line] = [[]] if data.needs and (waits or groups) else []
        rows = [*(row for need in needs[:shown] for row in need), *more, *blank, *waits, *groups, *notes, *reasons]
        if room is None or len(rows) <= room or everything:
            break
        if reasons:
            reasons.pop()
        elif most > 1:
            most = 1
        elif notes:
            notes.pop()
        elif shown > 1:
            shown -= 1
        else:
            break
    if everything:
        return [*rows, [], *_worker_rows(data, on)]
    running = _running_columns(data, on)
    if running and (room is None or len(rows) + len(running) <= room):
        at = rows.index(groups[0]) + 1 if data.groups and data.groups[0].state == "running" else len(rows)
        rows[at:at] = running
    return rows


def widths(data: Status, on: Paper) -> tuple[int, int]:
    """Return the cells of names and of units that all rows of a page have."""
    most = NAME_CELLS_MAX if on.room >= 79 else max(8, on.room // 4)
    names = [each.about for each in (*data.needs, *data.waits)]
    heads = [f"{len(group.workers):,} {group_word(group, data)}" for group in data.groups]
    units = [*map(unit_counts, data.needs), *map(unit_counts, data.waits), *map(unit_counts, data.groups)]
    longest = max((len(on.plain(name)) for name in (*names, *heads)), default=0)
    return min(most, max(9, longest)), max(map(len, units), default=0)


def need_cells(needs: Sequence[NeedStatus], on: Paper) -> tuple[int, int]:
    """Return the same for needs that stand in no page."""
    most = NAME_CELLS_MAX if on.room >= 79 else max(8, on.room // 4)
    longest = max((len(on.plain(each.about)) for each in needs), default=0)
    return min(most, max(9, longest)), max((len(unit_counts(each)) for each in needs), default=0)


def group_word(group: WorkerGroup, data: Status) -> str:
    """Return what the workers of a group are, in one word."""
    if group.state != "ended":
        return group.state
    short = {each.name for each in data.workers if each.state != "verified"}
    return "ended" if short & set(group.workers) else "verified"


def unit_counts(each: NeedStatus | WorkerGroup) -> str:
    return f"{each.units.done:,}/{each.units.total:,}" if each.units is not None and each.units.total else ""


def need_rows(need: NeedStatus, on: Paper, columns: tuple[int, int]) -> list[Line]:
    """Return the rows of a need: its cause, the words, the commands."""
    sign, colour = SIGNS[need.sign]
    name, units = columns
    start: Line = [
        (f" {sign} ", colour),
        (on.pad(on.middle(need.about, name), name), BOLD),
        (f" {on.pad(unit_counts(need), units)}  ", ""),
    ]
    cause: Line = [(need.cause, BOLD), (need.rest, "")]
    quoted = on.quoted(need.words)
    if on.wide:
        return _wide_need(need, on, [*start, *cause], quoted)
    whole = not need.words or (need.whole and on.fits(quoted, on.room - 5))
    words = [on.row([("     ", ""), (quoted, "")])] if need.words else []
    commands = open_commands(need, whole=whole)[:1]
    return [on.row([*start, *cause]), *words, *(row for one in commands for row in on.command(one.line, 5))]


def _wide_need(need: NeedStatus, on: Paper, first: Line, quoted: str) -> list[Line]:
    """Return the rows of a need where words stand beside their cause, and commands say what they do."""
    used_cells = sum(len(on.plain(text)) for text, _ in first)
    room = on.room - QUOTE_CELLS_MIN
    beside = bool(need.words) and used_cells < QUOTE_CELLS_MIN - 1
    rows = [on.row([*first, (" " * (QUOTE_CELLS_MIN - used_cells) + quoted, "")] if beside else first)]
    if need.words and not beside:
        rows.append(on.row([("     ", ""), (quoted, "")]))
    whole = not need.words or (need.whole and on.fits(quoted, room if beside else on.room - 5))
    for one in open_commands(need, whole=whole)[:2]:
        rows += on.command(one.line, 5, one.does, at=QUOTE_CELLS_MIN)
    return rows


def open_commands(need: NeedStatus, *, whole: bool) -> Sequence[NeedCommand]:
    """Return the commands of a need; words that are cut get no answer from here."""
    return [each for each in need.commands if whole or not each.answers]


def _more_needs(data: Status, on: Paper, shown: int) -> list[Line]:
    more = data.needs[shown:]
    if not more:
        return []
    names = ", ".join(each.about for each in more[:3]) + (", …" if more[3:] else "")
    verb = "needs" if len(more) == 1 else "need"
    head: Line = [(f" {SIGNS['ask'][0]} ", NEEDED), (f"{len(more)} more {verb} you", BOLD), (f": {names}", "")]
    return [on.row(head), *on.command(f"wakeman status {data.deployment} --all", 5)]


def _wait_rows(data: Status, on: Paper, most: int | None) -> list[Line]:
    shown = data.waits if most is None else folded_waits(data.waits, most)
    columns = widths(data, on)
    return [wait_row(each, data.at, on, columns) for each in shown]


def wait_row(each: NeedStatus, now: str, on: Paper, columns: tuple[int, int]) -> Line:
    """Return the row of what goes on by itself."""
    sign, colour = SIGNS["wait"]
    name, units = columns
    at = f", {time_of_day(each.until)}" if each.until and "in " in each.rest and _far(each.until, now) else ""
    words = f"; {on.quoted(each.words)}" if each.words else ""
    return on.row(
        [
            (f" {sign} ", colour),
            (f"{on.pad(on.middle(each.about, name), name)} {on.pad(unit_counts(each), units)}  ", ""),
            (f"{each.cause}{each.rest}{at}{words}", ""),
        ]
    )


def _far(until: str, now: str) -> bool:
    return (when(until) - when(now)).total_seconds() >= 300


def _group_row(group: WorkerGroup, data: Status, on: Paper) -> Line:
    sign, colour = GROUPS[group_word(group, data)]
    name, units = widths(data, on)
    head = on.pad(f"{len(group.workers):,} {group_word(group, data)}", name)
    return on.row(
        [
            (f" {sign} ", colour),
            (f"{head} {on.pad(unit_counts(group), units)}  ", ""),
            (about_group(group, data.at, on), DIM),
        ]
    )


def about_group(group: WorkerGroup, now: str, on: Paper) -> str:
    if group.state == "pending":
        return group.says
    if group.quietest is not None:
        after = f"; stuck after {time_span(group.quietest.stuck_after)}"
        return f"quietest: {on.middle(group.quietest.name, NAME_CELLS_MAX)}, {since(group.quietest.since, now)}{after}"
    whole = [name for name in group.workers if name not in group.left]
    short = f"{sum(group.left.values()):,} undone of {len(group.left):,} workers"
    if len(group.left) == 1:
        [(name, count)] = group.left.items()
        short = f"{name} left {count} undone"
    done = f"{' '.join(whole[:4])}{' …' if whole[4:] else ''}"
    return "; ".join(filter(None, (done, short if group.left else "")))


def _notes(data: Status, on: Paper) -> Iterator[Line]:
    """Yield a row for each worker at work of whom something is to be known: blocked writes, a result without an end."""
    for each in data.workers:
        if each.state not in ("launched", "running"):
            continue
        if told := note_of(each):
            yield on.row([("   ", ""), (f"{on.middle(each.name, NAME_CELLS_MAX)}  ", ""), (told, DIM)])


def _undone_rows(data: Status, on: Paper) -> Iterator[Line]:
    """Yield why units of ended workers are not done; a worker that starts again has its reason in its own row."""
    again = {
        name for each in data.waits if each.reason in ("back-off", "withdrawn", "retrying") for name in each.workers
    }
    for each in data.undone:
        if not again.issuperset(each.workers):
            yield _undone_row(each, on, "   ")


def _undone_row(each: UndoneUnits, on: Paper, sign: str) -> Line:
    detail = f"; {on.quoted(each.detail)}" if each.detail else ""
    return on.row([(sign, NEEDED), (f"{count(each.count, 'unit'):9} ", BOLD), (f"{each.why}{detail}", "")])


def note_of(each: WorkerStatus) -> str:
    """Return what is to be known of a worker at work, although it needs nobody; "" for nothing."""
    refused = f"refused {len(each.refused)}: {each.refused[-1]}" if each.refused else ""
    background = "works in the background" if each.background else ""
    return each.why or refused or background


def _running_columns(data: Status, on: Paper) -> list[Line]:
    """Return the running workers in columns, by name."""
    group = next((each for each in data.groups if each.state == "running"), None)
    if group is None or not on.wide:
        return []
    names = set(group.workers)
    running = sorted(
        (each for each in data.workers if each.name in names), key=lambda each: (each.host or "", each.name)
    )
    name = min(NAME_CELLS_MAX, max(len(each.name) for each in running))
    cells = [_running_cell(each, data.at, on, name) for each in running]
    long = max(sum(len(text) for text, _ in cell) for cell in cells)
    many = max(1, (on.room - 5) // (long + 5))
    deep = -(-len(cells) // many)
    return [
        on.row([("     ", ""), *(piece for cell in cells[at::deep] for piece in (*cell, ("     ", "")))])
        for at in range(deep)
    ]


def _running_cell(each: WorkerStatus, now: str, on: Paper, name: int) -> Line:
    age = since(each.alive, now) if each.alive else ""
    counts = f"{each.units.done}/{each.units.total}" if each.units.total else ""
    return [
        (f"{on.pad(on.middle(each.name, name), name)} ", ""),
        *on.bar(each.units.done, each.units.total, 6, "■□"),
        (f" {counts:>5}", ""),
        (f" {age:>9}", DIM),
        (f"  on {on.middle(each.host, NAME_CELLS_MAX)}" if each.host else "", DIM),
    ]


def _worker_rows(data: Status, on: Paper) -> Iterator[Line]:
    """Yield a row for each worker, in the order of their launch."""
    name = min(NAME_CELLS_MAX, max((len(each.name) for each in data.workers), default=0))
    mixed = len({each.client for each in data.workers if each.client}) > 1  # changed between two launches
    for each in data.workers:
        counts = f"{each.units.done}/{each.units.total}" if each.units.total else "handed on"
        if each.review:
            counts = f"review {each.review}"
        seen = each.alive or each.since
        age = since(seen, data.at) if seen else ""
        ours, theirs = end_words(each.why or "")
        spoken = isinstance(each.said, str) and each.state in ("stuck", "exited")
        said = sanitise(each.said if spoken and isinstance(each.said, str) else theirs, 200)
        refused = f"refused {len(each.refused)}: {each.refused[-1]}" if each.refused else ""
        background = "works in the background" if each.background else ""
        told = each.retrying or each.cause or each.reason or ours
        client = f"client {each.client}" if mixed and each.client else ""
        there = f"on {each.host}" if each.host else ""
        what = [there, told, on.quoted(said) if said else "", refused, background, client]
        start = f"   {on.pad(on.middle(each.name, name), name)} {each.state:8}"
        figures = f" {counts:>9} {each.attempt:>3} {age:>10}  "
        yield on.row([(start + figures, ""), (": ".join(filter(None, what)), DIM)])
        if isinstance(each.line, str):
            yield on.row(
                [(f"     was ended with a line that nobody had submitted: {on.quoted(sanitise(each.line, 200))}", DIM)]
            )


# --- the last rows ------------------------------------------------------------------------------------------------


def _tail(data: Status, on: Paper, *, everything: bool) -> Iterator[Line]:
    taken = data.decision
    if taken.row:
        at = f"{ago(taken.at, data.at)}: " if taken.at else ""
        yield on.row([(" last decision  ", DIM), (f"{at}{decided(data)}", "")])
    yield on.row([(" next alarm     ", DIM), (alarm_words(data, on), "")])
    hidden = len(data.groups) and any(len(each.workers) > 1 for each in data.groups)
    if not everything and hidden and len(data.workers) > 100:
        yield on.row([(" all rows       ", DIM), (f"wakeman status {data.deployment} --all | less", BOLD)])


def decided(data: Status) -> str:
    """Return the last row of the deployment's table in words."""
    row, why = data.decision.row, data.decision.why
    if row == "sleep":
        return f"sleep, as {data.decision.held} is still held" if data.decision.held else "sleep"
    return f"{row}: {why}" if why else row


def alarm_words(data: Status, on: Paper) -> str:
    """Return when the next check runs, and what starts it."""
    if data.paused:
        return f"paused: none until wakeman unpause {data.deployment}"
    if data.next_check is None or data.alarm is None:
        return "none is set"
    job = (
        f"{data.alarm.kind} job {data.alarm.job}"
        if data.alarm.job
        else "a process that sleeps" * (data.alarm.kind == "sleep") or data.alarm.kind
    )
    left = (when(data.next_check) - when(data.at)).total_seconds()
    due = (
        f"in {time_span(left)}, {time_of_day(data.next_check)}" if left >= 1 else f"due {time_of_day(data.next_check)}"
    )
    gone = queue_words(data.alarm) if data.alarm.stands else ", which is gone"
    every = f", then every {time_span(data.alarm.every)}" if on.wide else ""
    return f"{due} ({job}{gone}){every}"


def _extras(data: Status, on: Paper, *, everything: bool) -> Iterator[Line]:
    """Yield what a deployment has besides its workers: hosts, conflicts, reviews, branches, samples, side sessions."""
    yield from host_rows(data, on, everything=everything)
    if data.conflicts:
        files = "1 file was" if data.conflicts == 1 else f"{data.conflicts} files were"
        yield on.row(
            [(" ✗ ", NEEDED), (f"{files} written out of place: wakeman log {data.deployment} --type conflicted", "")]
        )
    for each in data.reviews if everything or data.outcome != "open" else data.reviews[-1:]:
        stands = "waived" if each.waived else f"{len(each.rejected)} rejected" if each.heard else "no verdict yet"
        yield on.row([(f"   review {each.round} by {each.worker}: {count(len(each.units), 'unit')}, {stands}", "")])
        for unit, why in each.rejected.items() if everything or data.outcome != "open" else ():
            yield on.row([(f"     {unit}: {on.quoted(sanitise(why, 300))}", DIM)])
    if data.trees and (everything or data.outcome != "open"):
        yield on.row(
            [(f"   branches from {data.trees.branch or data.trees.base[:12]} in {data.trees.repository}:", "")]
        )
        yield on.row([(f"     {', '.join(data.trees.branches)}", "")])
        for merge in data.trees.commands:
            yield from on.command(merge, 5)
        for worker, left in data.trees.loose.items():
            yield on.row([(f"     left by {worker}, and on no branch: {', '.join(left)}", DIM)])
    if data.sampled:
        yield on.row([(f"   sampled for a person to look at: {' '.join(data.sampled)}", "")])
    if everything:
        for session in data.validators or ():
            yield on.row(
                [(f"   {session.session} of {session.worker or 'nobody known'}, {time_span(session.age)} old", DIM)]
            )
        yield from _surroundings(data, on)


def host_rows(data: Status, on: Paper, *, everything: bool) -> Iterator[Line]:
    """Yield a row for each host, or node; if there are many, those that answer and have nothing left are counted in
    one; then a row for the queue.
    """
    hosts = data.hosts or ()
    quiet = [each for each in hosts if not (each.silent or each.left)]
    folded = len(hosts) > HOSTS_SHOWN_MAX and not everything
    name = min(
        NAME_CELLS_MAX,
        max((len(each) for each in (*(one.name for one in hosts), *(["queue"] if data.queue else []))), default=0),
    )
    for each in hosts:
        if folded and each in quiet:
            continue
        heard = f"; last sign of life {since(each.heard, data.at)} ago" if each.silent and each.heard else ""
        silent = f"does not answer{heard}: {on.quoted(sanitise(each.silent, 200))}" if each.silent else ""
        left = f"lost, and may still run there: {', '.join(each.left)}" if each.left else ""
        used = count(len(each.workers), "worker") if each.slots is None else _slots_used([each])
        text = f"{on.pad(on.middle(each.name, name), name)}  {used}"
        told = "; ".join(filter(None, (silent, left)))
        yield on.row([(" ◌ " if told else "   ", WAITS if told else ""), (f"{text}  ", ""), (told, "")])
    if folded and quiet:
        if all(each.slots is None for each in quiet):
            used = f"{count(len(quiet), 'node')}: {count(sum(len(each.workers) for each in quiet), 'worker')}"
        else:
            used = f"{count(len(quiet), 'host')} that answer: {_slots_used(quiet)}"
        yield on.row([(f"   {used}", "")])
    if data.queue:
        yield on.row([(f"   {on.pad('queue', name)}  {count(len(data.queue), 'worker')}", "")])


def _slots_used(hosts: Sequence[HostStatus]) -> str:
    used, slots = sum(len(each.workers) for each in hosts), sum(each.slots or 0 for each in hosts)
    return f"{used} of {count(slots, 'slot')}"


def _surroundings(data: Status, on: Paper) -> Iterator[Line]:
    if data.room:
        known = [("state", data.room.state), ("plan's directory", data.room.root)]
        left = " and ".join(f"{amount(size)} ({name})" for name, size in known if size is not None)
        streams = amount(data.room.streams)
        yield on.row([(f"   disk: {left or 'nobody knows how much'} left; streams have {streams}", DIM)])
    if data.confined:
        yield on.row([(f"   confined: by {data.confined}", DIM)])
    yield on.row([(f"   log: {data.log}, {data.events} lines", DIM)])


# --- a deployment that is over ------------------------------------------------------------------------------------


def _closed(data: Status, on: Paper) -> Iterator[Line]:
    if data.undone:
        yield []
    for each in data.undone[:UNDONE_SHOWN_MAX]:
        yield _undone_row(each, on, " ✗ ")
        more = f" and {each.count - UNITS_NAMED_MAX} more" if each.count > UNITS_NAMED_MAX else ""
        workers = f"   of {', '.join(each.workers[:3])}{', …' if each.workers[3:] else ''}"
        yield on.row([(f"     {' '.join(each.units[:UNITS_NAMED_MAX])}{more}{workers}", DIM)])
    if data.undone[UNDONE_SHOWN_MAX:]:
        others = data.undone[UNDONE_SHOWN_MAX:]
        yield on.row([(f"   {sum(each.count for each in others)} more, for {len(others)} other reasons", DIM)])


def _over(data: Status, on: Paper) -> Iterator[Line]:
    yield []
    lasted = ""
    if data.started and data.ended:
        lasted = f", {time_span((when(data.ended) - when(data.started)).total_seconds())} after its start"
    yield on.row([(" closed         ", DIM), (f"{data.why or data.outcome}{lasted}", "")])
    spent = ", ".join(filter(None, (count(sum(each.attempt for each in data.workers), "attempt"), usage_words(data))))
    yield on.row([(" used           ", DIM), (spent, "")])
    if data.units.total > data.units.done:
        yield from on.command(f"wakeman redo {data.deployment}", 1)
    yield from on.command(f"wakeman report {data.deployment}", 1)


# --- times --------------------------------------------------------------------------------------------------------


def when(at: str) -> datetime:
    """Return a time of an answer as a value."""
    return datetime.fromisoformat(at)


def time_of_day(at: str | None, later: float = 0) -> str:
    """Return a local time of day, some seconds later; "" for none."""
    from datetime import timedelta

    return f"{(when(at) + timedelta(seconds=later)).astimezone():%H:%M}" if at is not None else ""


def since(at: str, now: str) -> str:
    """Return how long ago a time is."""
    return time_span((when(now) - when(at)).total_seconds())


def ago(at: str | None, now: str) -> str:
    """Return how long ago a time is, as the end of a sentence."""
    return f"{since(at, now)} ago" if at else ""
