"""Progress while a command waits: one row that is repainted on a terminal, a line a change where there is none.

It is written to stderr: stdout has what the verb answers.
"""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, TextIO

from wakeman.api.needs import NeedStatus
from wakeman.api.status import Status, following, shape
from wakeman.core.log.facts.fact import count
from wakeman.core.model import Deployment
from wakeman.core.text import time_span
from wakeman.faces.cli.page import SIGNS, alarm_words, usage_words, when
from wakeman.faces.cli.paper import BOLD, DIM, DONE, NEEDED, Line, Paper, paper
from wakeman.ports import World

if TYPE_CHECKING:
    from wakeman.engine.wait import Until

REPAINT_S = 1.0
"""Seconds between two repaints of the row."""
PROGRESS_LINE_S = 600.0
"""Seconds between two progress lines where there is no terminal."""
STARTED_NAMED_MAX = 3
ERASE = "\r\x1b[K"
"""Escape sequence that empties the row of the cursor."""


class Narrator:
    """Tells what happens to a deployment while somebody waits for it."""

    def __init__(self, world: World, state: str | None, stream: TextIO | None = None, *, told: bool = True) -> None:
        """Begin. `told`: what happens is told, too; otherwise only the row is shown."""
        self.stream = stream or sys.stderr
        self._tells = told
        self.world, self.state = world, state
        self.live = self.stream.isatty()
        self.d: Deployment | None = None
        self.status: Status | None = None
        self._told: set[object] = set()
        self._workers: dict[str, str] = {}
        self._seq = -1
        self._next = self._line = 0.0
        self._shown = False

    def see(self, d: Deployment) -> None:
        """Take the present state: tell what is new, and repaint the row if it is time."""
        now = time.monotonic()
        self.d = d
        if d.seq == self._seq and now < self._next:
            return
        first, new = self._seq < 0, d.seq != self._seq
        self._seq, self._next = d.seq, now + REPAINT_S
        if not (new or self.live or now >= self._line):
            return
        self.status = status = shape(d, self.world.clock.now(), d.looked_at, stands=True)
        on = paper(self.stream, state=self.state)
        rows = [*self._opening(status, on)] if first and self._tells else []
        if new and self._tells:
            rows += self._news(status, on)
        self._print(rows, on)
        if self.live:
            self._repaint(status, on)
        elif now >= self._line:
            if not first:
                self._print([self._stamped(f"progress {_progress_row(status, ', ')}")], on)
            self._line = now + PROGRESS_LINE_S

    def pause(self, seconds: float) -> None:
        """Sleep, and repaint the row meanwhile."""
        time.sleep(seconds)
        if self.d is not None:
            self.see(self.d)

    def clear(self) -> None:
        """Take the row away: something else is printed."""
        if self._shown:
            self.stream.write(ERASE)
            self.stream.flush()
            self._shown = False

    def end(self, status: Status) -> None:
        """Tell how a deployment was closed, and what to look at."""
        self.clear()
        if status.outcome == "open":
            return
        on = paper(self.stream, state=self.state)
        sign, colour = ("✓", DONE) if status.outcome == "complete" else ("✗", NEEDED)
        lasted = ""
        if status.started and status.ended:
            lasted = f" in {time_span((when(status.ended) - when(status.started)).total_seconds())}"
        attempts = sum(each.attempt for each in status.workers)
        spent = ", ".join(filter(None, (count(attempts, "attempt"), usage_words(status))))
        says = f"{status.units.done}/{status.units.total} units{lasted}, {spent}"
        if not self.live:
            self._print([self._stamped(f"{status.outcome} {says}")], on)
            return
        rows = [on.row([(f" {sign} ", colour), (f"{status.outcome} {status.deployment}", BOLD), (f"  {says}", "")])]
        if status.sampled:
            rows.append(on.row([(f"     sample {' '.join(status.sampled)}: look at them", "")]))
        rows += on.command(following(status)[0], 5)
        self._print(rows, on)

    def interrupted(self) -> None:
        """Say what ended with Ctrl-C, that the deployment goes on, and what to type."""
        self.clear()
        if self.d is None:
            return
        status = shape(self.d, self.world.clock.now(), self.d.looked_at, stands=True)
        on = paper(self.stream, state=self.state)
        self._print(list(farewell(status, on)), on)

    # --- what is told ---------------------------------------------------------------------------------------------

    def _opening(self, status: Status, on: Paper) -> Iterator[Line]:
        size = f"{count(status.units.total, 'unit')}, {count(len(status.workers), 'worker')}"
        size += _check_due(status, on)
        if not self.live:
            yield self._stamped(f"{status.deployment} {status.outcome}: {size}")
            return
        yield on.row([(status.deployment, BOLD), (f": {size}", "")])
        yield on.row([(f"log: {status.log}", DIM)])

    def _news(self, status: Status, on: Paper) -> list[Line]:
        rows = list(self._moves(status, on))
        for need in (*status.needs, *(wait for wait in status.waits if wait.reason in ("back-off", "withdrawn"))):
            key = (need.reason, need.about if not need.workers else need.workers[:1], need.words)
            if key not in self._told:
                self._told.add(key)
                rows += self._need(need, on)
        return rows

    def _moves(self, status: Status, on: Paper) -> Iterator[Line]:
        before, self._workers = self._workers, {each.name: each.state for each in status.workers}
        started, units = list[str](), {each.name: each.units for each in status.workers}
        for name, state in self._workers.items():
            was = before.get(name, "pending")
            if was == "pending" and state in ("launched", "running"):
                started.append(name)
        ended = [name for name, state in self._workers.items() if state == "verified" and before.get(name) != state]
        for names, word, sign in ((started, "started", "●"), (ended, "verified", "✓")):
            if not names:
                continue
            shown = " ".join(names[:STARTED_NAMED_MAX]) + (f" and {len(names) - 3} more" if names[3:] else "")
            done, total = sum(units[name].done for name in names), sum(units[name].total for name in names)
            counts = f"{done}/{total} units" if word == "verified" else ""
            if self.live:
                row: Line = [(f" {sign} ", DONE if word == "verified" else ""), (f"{word:>9} ", DIM)]
                yield on.row([*row, (f"{shown}  ", ""), (counts, DIM)])
            else:
                yield self._stamped(f"{word} {shown} {counts}".rstrip())

    def _need(self, need: NeedStatus, on: Paper) -> Iterator[Line]:
        words = f" {on.quoted(need.words)}" if need.words else ""
        command = next((one for one in need.commands if self.live is False or need.whole or not one.answers), None)
        if not self.live:
            yield self._stamped(f"{need.says}{words}")
            if command is not None:
                yield [*self._stamped("do: "), *on.command(command.line, 0)[0]]
            return
        sign, colour = SIGNS[need.sign]
        cause: Line = [(f" {sign} ", colour), (f"{need.about} ", BOLD), (f"{need.cause}{need.rest}{words}", "")]
        yield on.row(cause)
        if command is not None:
            yield from on.command(command.line, 5)

    def _stamped(self, text: str) -> Line:
        now = self.world.clock.now().astimezone(UTC)
        return [(f"{now:%Y-%m-%dT%H:%M:%SZ} ", DIM), (text, "")]

    # --- the terminal ---------------------------------------------------------------------------------------------

    def _print(self, rows: list[Line], on: Paper) -> None:
        if rows:
            self.clear()
            on.write(rows, self.stream)
            self.stream.flush()

    def _repaint(self, status: Status, on: Paper) -> None:
        text = f" {_progress_row(status, on.dot)}"
        bar: Line = []
        if on.bars:
            bar = [(" ", ""), *on.bar(status.units.done, status.units.total, 14)]
        room = on if on.width is None else replace(on, width=max(on.width - 1, 1))  # for the ^C that a terminal echoes
        shown = on.text(room.row([*bar, (text, "")]))
        self.stream.write(ERASE + shown)
        self.stream.flush()
        self._shown = True


def _progress_row(status: Status, dot: str) -> str:
    """Return how far it is, in one row: units, workers, needs, the time left, the next alarm."""
    units, eta = status.units, status.progress.eta
    run = sum(len(group.workers) for group in status.groups if group.state == "running")
    parts = [f"{units.done:,}/{units.total:,}", f"{run:,} run"]
    needs = len(status.needs)
    parts += [f"{needs} need{'s' * (needs == 1)} you"] if needs else []
    parts += [f"{time_span(eta.left)} left"] if eta else []
    if status.outcome != "open":
        parts.append(status.outcome)
    elif status.next_check:
        left = (when(status.next_check) - when(status.at)).total_seconds()
        parts.append(f"alarm in {time_span(left, fine=True)}" if left >= 1 else "alarm now")
    return dot.join(parts)


def _check_due(status: Status, on: Paper) -> str:
    """Return when the next check runs, as the end of a sentence; "" for a deployment that is over."""
    if status.outcome != "open":
        return ""
    if status.paused:
        return f", {alarm_words(status, on)}"
    return f", next check {alarm_words(status, on)}" if status.next_check and status.alarm else ", no alarm is set"


def _sentence(text: str, on: Paper) -> Iterator[Line]:
    """Yield a sentence in as many rows as it takes."""
    for row in [text] if on.width is None else on.wrapped(text, on.width):
        yield [(row, "")]


def farewell(status: Status, on: Paper) -> Iterator[Line]:
    """Yield what a person reads after Ctrl-C."""
    name, units = status.deployment, status.units
    if status.outcome != "open":
        yield from _sentence(f"interrupted: {name} is over: {status.outcome}", on)
        yield from on.command(f"wakeman status {name}", 2)
        return
    run = sum(each.state in ("launched", "running", "stuck") for each in status.workers)
    pending = sum(each.state == "pending" for each in status.workers)
    yield from _sentence(f"interrupted: only the waiting has ended; {name} goes on by itself", on)
    yield from _sentence(f"{units.done}/{units.total} done, {count(run, 'worker')} running{_check_due(status, on)}", on)
    commands = [(f"wakeman wait {name}", "wait again")]
    if pending:
        more = "is" if pending == 1 else "are"
        workers = count(len(status.workers), "worker")
        yield from _sentence(f"{pending} of {workers} {more} not started yet: checks start them", on)
        commands.append((f"wakeman pause {name}", f"start no more; the {run} go on"))
    else:
        needs = f" ({len(status.needs)})" if status.needs else ""
        commands.append((f"wakeman status {name}", f"see who needs you{needs}"))
    commands.append((f"wakeman down {name}", "end it and its workers"))
    at = max(len(line) for line, _ in commands) + 4 + len(on.way)
    for line, does in commands:
        yield from on.command(line, 2, does, at=at)


def waited(progress: Narrator, work: Callable[[], int]) -> int:
    """Do what waits; after Ctrl-C say that the deployment goes on, and return 130."""
    try:
        return work()
    except KeyboardInterrupt:
        progress.interrupted()
        return 130
    finally:
        progress.clear()


def wait_and_tell(options: Namespace, world: World, name: str, until: Until) -> int:
    """Wait for a deployment, tell meanwhile what happens, and print its state at the end."""
    from wakeman.api.check import wait
    from wakeman.faces.cli.show import done

    progress = Narrator(world, options.state)

    def work() -> int:
        answer = wait(world, name, until, progress.pause, options.timeout, progress.see)
        progress.end(answer.data)
        return done(options, answer)

    return waited(progress, work)
