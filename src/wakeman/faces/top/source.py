"""One deployment that is shown: its log, followed, and its state now or at an earlier line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from copy import copy
from datetime import UTC, datetime
from math import inf
from os.path import basename, dirname, join, realpath

from msgspec.structs import replace

from wakeman.api.chronicle import DecisionTaken
from wakeman.api.names import recording, typed
from wakeman.api.replay import FollowedLog, Reader, status_then
from wakeman.api.report.screens import shown_screens
from wakeman.api.report.units import OutputMade, worker_outputs
from wakeman.api.rewind import NightIndex, Rewind, matching_workers
from wakeman.api.screen import capture_of
from wakeman.api.status import Status, describe, located, shape
from wakeman.api.watch import Happening
from wakeman.core.errors import LogDamagedError, WakemanError
from wakeman.core.log.events import Event, stamp
from wakeman.core.model import Deployment
from wakeman.engine.live import elsewhere
from wakeman.faces.top.panes import EVENTS_ASKED_MAX, Shot
from wakeman.ports import World

ALARM_LOOK_S = 15.0
"""Seconds between two looks at whether the alarm stands; a new alarm is looked at at once."""
SHAPE_SHARE_MAX = 0.02
"""Share of the time that may go into working out the state while nothing happens."""
READ_LINES_MAX = 2000
"""Lines of a log that are read before keys are taken again."""
_SEQ = re.compile(rb'^\{"v":\d+,"seq":(\d+),', re.MULTILINE)
SCREEN_LINES_MAX = 100
"""Lines of a screen that are read."""


class Source:
    """A deployment by its name, or a log by its path. `at` is the line that is shown; None for now."""

    def __init__(self, world: World, given: str, reading: Reader) -> None:
        self.world, self._reading = world, reading
        self.file = recording(world, given)
        self.at: int | None = None
        self.fault = ""
        self._log = FollowedLog(self.file, reading, self._begin)
        self._rewind: Rewind | None = None
        self._status: Status | None = None
        self._due = 0.0
        self._looked, self._alarm, self._stands = 0.0, object(), True
        self.name, self.elsewhere, self._whole = basename(dirname(self.file)), "", False
        self._reading_on: Iterator[int] | None = self._read_first()
        self.read = 0
        """Lines that were read so far, while a long log is read."""
        self.read_on()

    # --- reading a long log ---------------------------------------------------------------------------------------

    @property
    def reading_on(self) -> bool:
        """Return whether there is more to be read before anything can be shown; `read_on` reads it."""
        return self._reading_on is not None

    def read_on(self) -> None:
        """Read some lines more. Cost: a fraction of a second, so that keys are taken between two calls."""
        if self._reading_on is not None:
            read = next(self._reading_on, None)
            if read is None:
                self._reading_on = None
            else:
                self.read = read

    def leave_reading(self) -> bool:
        """Stay now, if it is the way back that is being read; return whether it was."""
        back = self._reading_on is not None and self._whole
        if back:
            self._reading_on = None
        return back

    def lines(self) -> int:
        """Return how many lines the log has, by its end; 0 where that does not tell."""
        found = _SEQ.findall(self.world.files.tail(self.file))
        return int(found[-1]) if found else 0

    def _read_first(self) -> Iterator[int]:
        try:
            while self._log.part(READ_LINES_MAX):
                yield self.last
        except (LogDamagedError, OSError) as fault:
            self._found_damage(fault)
        self._whole = True
        self.elsewhere = self._where()
        own = basename(dirname(self.file))
        self.name = own if self._past else typed(own, self.world.logs.names())  # as a person types it

    def _read_back(self, then: int | None) -> Iterator[int]:
        """Read the log once more, to go back in it; `then` is the line that is shown afterwards, if any."""
        rewind = Rewind(self.file, self._reading)
        try:
            while rewind.part(READ_LINES_MAX):
                yield len(rewind.events)
        except (LogDamagedError, OSError) as fault:
            self._found_damage(fault)
        self._rewind = rewind
        if then is not None:
            self.move(then)

    def _can_go_back(self, then: int | None = None) -> bool:
        """Return whether the way back was read; else begin to read it."""
        if self._rewind is None and self._reading_on is None:
            self._reading_on = self._read_back(then)
            self.read_on()
        return self._rewind is not None

    def _found_damage(self, fault: Exception) -> bool:
        """Keep what is wrong with the log; return whether that is new."""
        says = f"damaged: {str(fault).replace(f'{dirname(self.file)}/', '')}"
        new, self.fault = self.fault != says, says
        return new

    def _begin(self, d: Deployment) -> Callable[[Event], None]:
        self.index = NightIndex(d)
        self._rewind = None
        return self.index.take

    def _where(self) -> str:
        """Return why nothing can be done from here: a copied log, or a deployment that is not live here."""
        name = basename(dirname(self.file))
        if realpath(self.file) != realpath(join(self.world.state, name, basename(self.file))):
            return "a log outside the state directory"
        return elsewhere(self.world, name, self._log.d)

    @property
    def last(self) -> int:
        """Return the number of the last line."""
        return self._log.d.seq

    @property
    def shown(self) -> int:
        """Return the number of the line that is shown."""
        return self.last if self.at is None else self.at

    def fresh(self) -> bool:
        """Read what was written since; return whether there is anything new."""
        try:
            changed = self._log.fresh()
        except (LogDamagedError, OSError) as fault:
            changed = self._found_damage(fault)
        else:
            self.fault = ""
        if changed:
            self._due = 0.0
        return changed

    # --- the state ------------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """Return the state of the line that is shown; now's is worked out again when something has changed, and from
        time to time, since ages are in it.
        """
        if self.at is not None:
            if self._status is None:
                self._status = self._owned(status_then(self.d))
            return self._status
        mono = time.monotonic()
        if self._status is None or mono >= self._due:
            begun = time.process_time()
            self._status = self._owned(self._present())
            self._due = mono + max(1.0, (time.process_time() - begun) / SHAPE_SHARE_MAX) if self.ages else inf
        elif self.ages:
            self._status = replace(self._status, at=stamp(self.world.clock.now()))
        return self._status

    @property
    def _past(self) -> bool:
        """Return whether the log is a file that nobody goes on with, as far as is known."""
        return self.elsewhere.startswith("a log outside")

    @property
    def ages(self) -> bool:
        """Return whether what is shown changes with the clock alone: not of what is over, nor in the past."""
        return self.at is None and self._log.d.outcome == "open" and not self._past

    def _present(self) -> Status:
        d = self._log.d
        if self._past or d.outcome != "open":
            return status_then(d)
        now = self.world.clock.now()
        if self.elsewhere:
            return shape(d, now, d.looked_at, stands=False)
        if d.alarm == self._alarm and time.monotonic() < self._looked + ALARM_LOOK_S:
            return located(self.world, d, shape(d, now, d.looked_at, stands=self._stands, watched=True))
        data = describe(self.world, d, d.looked_at)
        self._looked, self._alarm = time.monotonic(), d.alarm
        self._stands = data.alarm is not None and data.alarm.stands
        return data

    def _owned(self, data: Status) -> Status:
        return replace(data, elsewhere=self.elsewhere) if self.elsewhere else data

    @property
    def d(self) -> Deployment:
        """Return the deployment at the line that is shown."""
        return self._log.d if self.at is None else self._nights().at(self.at)

    # --- time -----------------------------------------------------------------------------------------------------

    def move(self, seq: int | None) -> None:
        """Show a line; None, and what lies behind the last one, is now."""
        if seq is not None:
            seq = max(1, seq)
            if not self._can_go_back(seq):
                return
        self.at = None if seq is None or seq > self.last else seq
        self._status, self._due = None, 0.0

    def moment(self, seq: int) -> float:
        """Return when a line was written, in seconds since 1970."""
        return self.index.times[seq - 1] if self.index.times else 0.0

    def span(self) -> tuple[float, float]:
        """Return when the night began, and when it ended or now is."""
        times = self.index.times
        if not times:
            return 0.0, 0.0
        live = self._log.d.outcome == "open" and not self._past
        return times[0], max(times[-1], self.world.clock.now().timestamp()) if live else times[-1]

    def _nights(self) -> Rewind:
        assert self._rewind is not None  # noqa: S101 - for the type
        if len(self._rewind.events) < self.last:
            self._rewind.extend()
        return self._rewind

    # --- what is beside the list ----------------------------------------------------------------------------------

    def outputs(self, worker: str) -> tuple[OutputMade, ...]:
        """Return the outputs of a worker's share."""
        return tuple(worker_outputs(self.d, worker)) if worker in self.d.workers else ()

    def events(self, worker: str) -> tuple[Happening, ...]:
        """Return what happened to a worker, or to the deployment alone for ""."""
        return tuple(self.index.until(self.shown, EVENTS_ASKED_MAX, worker))

    def decision(self, worker: str) -> DecisionTaken | None:
        """Return the last row taken for a worker, else for the deployment, with the facts behind it."""
        seq = (self.index.last_decision(self.shown, worker) if worker else 0) or self.index.last_decision(self.shown)
        return self._nights().decision(seq) if self._can_go_back() else None

    def found(self, words: str) -> frozenset[str]:
        """Return the workers whose name, unit or reason has these words."""
        return matching_workers(self.d, words)

    def kept_screen(self, worker: str) -> Shot:
        """Return the last screen that was kept as evidence up to the line that is shown."""
        kept = self.index.screen(worker, self.shown)
        if kept is None:
            return Shot(says="no screen of it was kept up to here")
        [screen] = shown_screens(self.world, self._log.d, self.file, [kept])
        at = f"{datetime.fromisoformat(kept.at).astimezone(UTC).astimezone():%H:%M:%S}"
        if screen.text is None:
            return Shot(says=f"screen kept at {at}: {screen.hidden}")
        return Shot(_trimmed(screen.text), f"kept at {at}, as evidence")

    def picture(self, worker: str) -> Callable[[World], Shot] | None:
        """Return what takes a picture of a worker's present screen, for another thread; None where there is none."""
        d = self._log.d
        if self.at is not None or self.elsewhere or worker not in d.workers:
            return None
        still = copy(d)
        still.workers = {worker: copy(d.workers[worker])}

        def take(world: World) -> Shot:
            try:
                data = capture_of(world, basename(dirname(self.file)), still, worker, SCREEN_LINES_MAX).data
            except WakemanError as fault:
                return Shot(says=str(fault))
            return Shot(_trimmed(data.text), "now" if data.source == "screen" else "what it printed")

        return take if d.workers[worker].attempt else None


def _trimmed(text: str) -> tuple[str, ...]:
    rows = text.rstrip().split("\n")
    return tuple(row.rstrip() for row in rows)
