"""Watches a deployment: files as they are written become progress and conflicts in its log, and start checks at once. A
watcher only adds speed. It writes under the same lock as a check, and leaves decisions to checks. Several may run at
the same time: what one has recorded, the others find in the log and do not record again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec
from msgspec import Struct

from wakeman.core.errors import BusyError, StorageError
from wakeman.core.gate import file_time
from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks
from wakeman.core.model import Deployment, FileFingerprint, UnitState, Written
from wakeman.core.plan.claims import at_work, trespass
from wakeman.core.policy.staging import staging, staging_of
from wakeman.core.text import sanitise
from wakeman.engine import alarm, layout
from wakeman.engine.check import check
from wakeman.engine.live import hold, require
from wakeman.engine.observe.judgement import output_marks
from wakeman.engine.observe.spool import (
    claims,
    first_few,
    lies_in_any,
    output_paths,
    read_report,
    touched,
    watched_roots,
    whole,
)
from wakeman.engine.protocol.requests import record_watched
from wakeman.engine.protocol.steps import drive
from wakeman.engine.runs import readable
from wakeman.engine.wait import ALARM_TEND_S, DISARM_LINGER_S, WAIT_POLL_S
from wakeman.engine.workspace import workspace
from wakeman.ports import FileChanges, Watch, World

DEBOUNCE_S = 0.005
"""Seconds in which changes are combined."""
PROGRESS_STEP_S = 1.0
"""Seconds between two events about the progress of one worker, and until a file out of place counts."""
RESCAN_S = 300.0
"""Seconds between two scans of everything, also if nothing was lost."""
TURN_MIN_S = 0.005
"""Seconds between two turns of the loop, unless something is reported."""
IDLE_TIMES_BUSY = 9
"""Multiple of a write's or check's duration that the watcher waits before the next."""
LOG_NAME = "events.jsonl"


class WatchView(Struct, frozen=True):
    """The state of a deployment at one moment. `lost`: why changes may have been missed since the previous view."""

    deployment: Deployment
    at: datetime
    how: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def watch(
    world: World, name: str, *, debounce: float = DEBOUNCE_S, step: float = PROGRESS_STEP_S, rescan: float = RESCAN_S
) -> Iterator[WatchView]:
    """Watch a deployment until it is closed and tidied; yield a view whenever something may have changed.

    Units: all in seconds; a view comes at least every `step`. Effects: `progressed`, `conflicted` and `noted` events,
    and checks. Stopping it at any point costs only speed. Raises: as `check`.
    """
    over = False
    while not over:
        watching = _Watching(world, name, step)
        attempts = layout.inside(watching.d.host, "attempts")  # where hooks report writes
        with world.watcher().watch([*watching.roots, attempts], debounce, watching.flat) as eyes:
            over = yield from watching.run(eyes, rescan)


class _Watching:
    """One watch with the present claims; when claims change, another begins."""

    def __init__(self, world: World, name: str, step: float) -> None:
        self.world, self.name, self.step = world, name, step
        self.d = d = world.logs.read(name)
        require(world, name, d)
        self.shape = _watch_key(d)
        self.claims = claims(world, d)
        others = [other for key, other in readable(world).items() if key != name and other.outcome == "open"]
        self.others = [claims(world, other) for other in others]
        self.home, self.state = world.files.resolve([d.host.directory, world.state]).values()
        self.flat = [d.host.directory, layout.inside(d.host, "spool"), layout.inside(d.host, "prompts")]
        self.stages = world.files.resolve(_stages(d))
        self.roots = [*watched_roots(world, d, self.claims), *self.stages.values()]
        self.dirty: dict[str, None] = {}  # units of which an output was written
        self.strange: dict[str, float] = {}  # files out of place -> when they count, if they still exist then
        self.writers: dict[str, str] = {}  # path -> its reported writer
        self.whole: set[str] = set()  # units whose outputs all exist
        self.reported_at: dict[str, float] = {}  # worker -> when its progress was reported
        self.called: set[tuple[str, int]] = set()  # attempts whose share is complete, for which a check was requested
        self.wanted = "watch"  # author of a check that is due
        self.lost: dict[str, None] = {}
        self.notes: dict[str, float] = {}  # what was lost -> when that was last logged
        self.noted = 0.0
        self.seen: object = None  # the log as this watcher left it
        self.scan, self.reread = True, False
        self.next_write = self.next_check = self.next_scan = self.next_read = 0.0
        self.tended = world.clock.mono()
        self.closed: float | None = None

    def run(self, eyes: Watch, rescan: float) -> Generator[WatchView, None, bool]:
        """Watch until the deployment is over (true), or has other claims (false)."""
        while True:
            if self.scan or self._now() >= self.next_scan:
                self._rescan(rescan)
            self._write()
            self._check()
            self._read()
            lost, self.lost = tuple(self.lost), {}
            yield WatchView(deployment=self.d, at=self.world.clock.now(), how=eyes.how, lost=lost)
            if self._over():
                return True
            if _watch_key(self.d) != self.shape:
                return False
            self._take(eyes.wait(self._patience()))

    def _now(self) -> float:
        return self.world.clock.mono()

    # --- reports

    def _take(self, stir: FileChanges) -> None:
        for path in stir.paths:
            if (output := self.claims.output(path)) is not None:
                self.dirty[output[0]] = None
            elif path == posixpath.join(self.home, LOG_NAME):
                self.reread = self.reread or self._log() != self.seen
            elif any(layout.relative_within(path, stage) for stage in self.stages.values()):
                self.wanted = self.wanted or "watch"  # a check handles it
            elif posixpath.dirname(path) == posixpath.join(self.home, "spool"):
                self.wanted = "hook"
                self._read_hook_report(path)
            elif path.startswith(f"{self.home}/attempts/"):
                if posixpath.basename(path).startswith(layout.WROTE_PREFIX):
                    self._read_hook_report(path)
            else:
                self._suspect(path)
        if stir.lost:
            now = self._now()
            self.lost.update(dict.fromkeys(stir.lost))
            self.notes.update((why, now) for why in stir.lost if now >= self.notes.get(why, now - RESCAN_S) + RESCAN_S)
            self.scan = True

    def _read_hook_report(self, path: str) -> None:
        """Record a hook's report of who wrote what; a report of another shape is left to the check."""
        report = read_report(self.world, path)
        attempt = posixpath.basename(posixpath.dirname(posixpath.dirname(path)))
        if report is None or report.worker not in self.d.workers:
            return
        if posixpath.basename(path).startswith(layout.WROTE_PREFIX) and report.worker != attempt.rpartition(".")[0]:
            return  # an attempt may only report its own writes
        for name in report.wrote:
            absolute = layout.absolute(self.d.host, name)
            place = self.world.files.resolve([absolute])[absolute]
            if (output := self.claims.output(place)) is not None:
                self.writers[place] = report.worker
                self.dirty[output[0]] = None
            elif lies_in_any(place, self.roots):
                self.writers[place] = report.worker
                self._suspect(place)

    def _suspect(self, path: str) -> None:
        """Record a file out of place: it counts if it still exists after a step, so that temporary files do not."""
        if self.d.plan.watch.conflicts == "ignore" or path.startswith(f"{self.state}/"):
            return
        if not any(other.output(path) or other.tree(path) for other in self.others):
            self.strange.setdefault(path, self._now() + self.step)

    def _rescan(self, rescan: float) -> None:
        """Scan all outputs, and all files in claimed directories, as if each had been reported."""
        began = self._now()
        self.scan = False
        marks = self._marks(self.d.units)
        self.whole = {name for name, state in self.d.units.items() if whole(self.d, state, marks)}
        self.dirty.update((name, None) for name, state in self.d.units.items() if _news(self.d, state, marks))
        if self.d.plan.watch.conflicts != "ignore":
            for root in self.roots:
                with suppress(StorageError):  # it is not there
                    found = (posixpath.join(root, path) for path in self.world.files.glob(root, ["**"], []))
                    self._take(FileChanges(frozenset(path for path in found if self.claims.output(path) is None)))
        self.wanted = self.wanted or "watch"
        self.next_scan = self._now() + max(rescan, IDLE_TIMES_BUSY * (self._now() - began))

    # --- writes

    def _write(self) -> None:
        """Write pending facts, within the watcher's share of the time."""
        began = now = self._now()
        strange = [path for path, due in self.strange.items() if due <= now]
        units = [name for name in self.dirty if self._due(self.d.units[name].worker, now)]
        texts = [why for why, at in self.notes.items() if at > self.noted]
        if now < self.next_write or not (strange or units or texts):
            return
        marks = self._marks(units)
        files = self.world.files.marks(strange)
        try:
            with hold(self.world, self.name) as log:
                self.d = log.deployment
                if self.d.outcome == "open" and _watch_key(self.d) == self.shape:
                    drafts = [e.Draft(e.Noted(text=sanitise(f"watch: {why}; all was looked at", 300))) for why in texts]
                    drafts += self._progressed(units, marks, now)
                    drafts += self._conflicted(strange, files)
                    drive(self.world, log, record_watched(drafts), self.world.clock.now())
                self.seen = self._log()
                if log.seen:
                    self.wanted = self.wanted or "watch"
        except BusyError:
            self.next_write = now + self.step
            return
        for path in strange:
            del self.strange[path]
        self.noted = max(self.notes.values(), default=0.0)
        self.next_write = self._now() + IDLE_TIMES_BUSY * (self._now() - began)

    def _due(self, worker: str, now: float) -> bool:
        return now >= self.reported_at.get(worker, now - self.step) + self.step

    def _progressed(self, units: Iterable[str], marks: Mapping[str, FileFingerprint], now: float) -> Iterator[e.Draft]:
        """Yield a worker's progress, in as many events as needed; writes of one that is not running are suspect."""
        d, news = self.d, dict[tuple[str, bool], list[Written]]()
        wall = self.world.clock.now()
        for name in units:
            state = d.units[name]
            worker = d.workers[state.worker]
            self.reported_at[worker.name] = now
            if worker.written_at is not None and 0 <= (wall - worker.written_at).total_seconds() < self.step:
                continue  # another watcher has just reported this one
            del self.dirty[name]
            (self.whole.add if whole(d, state, marks) else self.whole.discard)(name)
            by_origin: dict[bool, list[FileFingerprint]] = {}
            for mark in _news(d, state, marks, self._newly_attributed(state)):
                place = self.claims.resolved[mark.path]
                writer = self.writers.get(place)
                # A staged output is promoted by a check, which records it itself.
                if writer == worker.name or (writer is None and at_work(worker) and staging_of(d, worker).direct):
                    by_origin.setdefault(writer is None, []).append(mark)
                    self.writers.pop(place, None)  # reported for this write, not for the next
                else:
                    self._suspect(place)
            for inferred, found in by_origin.items():
                news.setdefault((worker.name, inferred), []).append(Written(unit=name, marks=tuple(found)))
        for (name, inferred), each in news.items():
            worker = d.workers[name]
            written = sum(1 for unit in worker.units if unit in self.whole)
            for piece in chunks(each):
                fact = e.Progressed(written=written, total=len(worker.units), files=piece, inferred=inferred)
                yield e.Draft(fact, worker=name)
            if written == len(worker.units) and (name, worker.attempt) not in self.called:
                self.called.add((name, worker.attempt))
                self.wanted = self.wanted or "watch"

    def _newly_attributed(self, state: UnitState) -> set[str]:
        """List a unit's outputs whose writer was reported, while the log only has an inferred one."""
        return {
            path
            for path, wrote in state.wrote.items()
            if wrote.inferred and self.writers.get(self.claims.resolved.get(path, ""))
        }

    def _conflicted(self, strange: Iterable[str], files: Mapping[str, FileFingerprint]) -> list[e.Draft]:
        found: list[e.Draft] = []
        for path in strange:
            if (mark := files.get(path)) is None:
                continue
            output = self.claims.output(path)
            known = msgspec.structs.replace(mark, path=output[1]) if output else mark
            written = file_time(mark.mtime_ns)
            conflict = trespass(self.d, self.claims, path, known, written, self.writers.pop(path, ""))
            if conflict is not None:
                found.append(e.Draft(conflict[1], worker=conflict[0]))
        if found:
            self.wanted = self.wanted or "watch"
        return first_few(found)

    def _log(self) -> object:
        return self.world.files.marks([posixpath.join(self.home, LOG_NAME)])

    def _marks(self, units: Iterable[str]) -> dict[str, FileFingerprint]:
        wanted = (path for name in units for path in touched(self.d, self.d.units[name]))
        return self.world.files.marks(wanted)

    # --- checks

    def _check(self) -> None:
        """Run a check if one is due, or if no other process would."""
        now = self._now()
        if now - self.tended >= ALARM_TEND_S:
            self.tended = now
            if alarm.is_unattended(self.world, self.d):
                self.wanted = self.wanted or "watch"
        if not self.wanted or now < self.next_check or self.d.outcome != "open":
            return
        by, self.wanted = self.wanted, ""
        try:
            pid = self.world.machine.pid()
            self.d = check(msgspec.structs.replace(self.world, by=f"{by}:{pid}"), self.name)
        except BusyError:
            self.reread = True  # another check is running, and will observe again
        self.next_check = self._now() + max(self.step, IDLE_TIMES_BUSY * (self._now() - now))

    def _read(self) -> None:
        now = self._now()
        if self.reread and now >= self.next_read:
            self.reread = False
            self.d = self.world.logs.read(self.name)
            self.next_read = self._now() + IDLE_TIMES_BUSY * (self._now() - now)

    def _over(self) -> bool:
        if self.d.outcome == "open":
            return False
        now = self._now()
        self.closed = now if self.closed is None else self.closed
        self.reread, self.next_read = True, max(self.next_read, now + WAIT_POLL_S)
        return self.d.alarm is None or now - self.closed >= DISARM_LINGER_S

    def _patience(self) -> float:
        """Return the seconds until the next action that no event triggers."""
        now = self._now()
        due = [now + self.step, self.next_scan]
        if self.dirty or self.strange:
            # Later ones are handled then: testing what is due costs next to nothing.
            workers = {self.d.units[name].worker for name in self.dirty}
            soonest = [self.reported_at.get(worker, now - self.step) + self.step for worker in workers] + list(
                self.strange.values()
            )
            due.append(max(self.next_write, min(soonest)))
        due += [self.next_check] if self.wanted and self.d.outcome == "open" else []
        due += [self.next_read] if self.reread else []
        return max(TURN_MIN_S, min(due) - now)


def _watch_key(d: Deployment) -> object:
    attempts = [(worker.name, worker.attempt, len(worker.units)) for worker in d.workers.values()]
    return d.digest, len(d.units), () if staging(d).promotion is None else attempts


def _stages(d: Deployment) -> list[str]:
    """List the stages that an attempt may be writing to."""
    apart = [worker for worker in d.workers.values() if worker.live and not staging_of(d, worker).direct]
    return [workspace(d, worker).root() for worker in apart]


def _news(
    d: Deployment, state: UnitState, marks: Mapping[str, FileFingerprint], heard: Iterable[str] = ()
) -> tuple[FileFingerprint, ...]:
    """Return the outputs of a unit that differ from the log, and those in `heard`."""
    known = {path: wrote.mark for path, wrote in state.wrote.items() if path not in heard}
    found = output_marks(state.unit, marks, output_paths(d, state))
    return tuple(mark for mark in found if mark not in (known.get(mark.path), d.before.get(mark.path)))
