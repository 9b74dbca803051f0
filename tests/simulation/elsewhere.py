"""Nights whose workers run on other hosts, behind a queue: a place where sessions wait, are lost, and live on unseen.

What a night has besides: a queue that starts sessions late or never, hosts that are cut off while their programs go on,
hosts that stop with all that runs there, sessions that others cancel or the place ends, requests that are taken and not
answered, and places that start a session a second time. Cut off is the worst kind: such a host is not seen and cannot
be told anything, and still writes to the shared files.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple, cast

import msgspec
from tests.play import NAME
from tests.simulation.crew import Crew
from tests.simulation.found import FoundNight
from tests.simulation.night import Night
from tests.simulation.rules import WRITTEN
from tests.simulation.scene import Machine, Role, Scene, Sessions
from tests.simulation.wall import WallNight

from wakeman.adapters.memory import Act, MemoryFiles
from wakeman.adapters.memory.clock import MemoryClock
from wakeman.adapters.memory.sessions import Playing
from wakeman.core.errors import ProgramError
from wakeman.core.model import Deployment, EndedBy, Plan, UnitsSpec
from wakeman.ports import Listing, SessionInfo, Start
from wakeman.ports.executor import Phase

HOSTS = ("alpha", "beta")


class Fate(NamedTuple):
    """What a place says of a session: its phase, by whom it ended, and why."""

    phase: Phase
    by: EndedBy
    why: str


LOST = Fate("lost", "machine", "its host failed")
FATES = (
    Fate("killed", "person", "its job was cancelled"),
    Fate("killed", "time", "its job's time was over"),
    Fate("killed", "machine", "its job was preempted"),
    Fate("killed", "", "its job took more memory than it had"),
    LOST,
)
"""How a place ends a session."""


class Jobs(Sessions):
    """Sessions on other hosts, each begun by the queue after `waits()` seconds, or never for None."""

    outlives_boot = True

    def __init__(self, clock: MemoryClock, files: MemoryFiles, roles: Callable[[str], Role], crew: Crew) -> None:
        super().__init__(clock, files, roles, crew)
        self.waits: Callable[[], float | None] = lambda: 0.0
        self.host: dict[int, str] = {}  # by pid
        self.told: dict[int, Fate] = {}  # what the place says of sessions that it has ended, or calls lost
        self.cut: set[str] = set()  # hosts that are cut off
        self.doomed: list[Playing] = []  # ended as soon as their host is there again

    def leave(self) -> None:
        """Stay: the place is there with and without sessions."""

    def off(self) -> None:
        """Go on: the machine that stops is the one from which they were started."""
        self.pushes.clear()

    def _list(self) -> Listing:
        if self.state == "unknown":
            self.blameless.clear()
            return super()._list()
        ended = (p.mark for p in self.playing.values() if self._fate(p).by in ("machine", "person"))
        self.blameless = set(ended)
        return Listing("up", "cluster", seen=tuple(self._info(name, p) for name, p in self.playing.items() if p.mark))

    def _info(self, name: str, p: Playing) -> SessionInfo:
        fate = self._fate(p)
        code = p.code if fate.phase == "exited" else None
        known = SessionInfo(name, p.session_id, fate.phase, p.mark, code=code, ended_by=fate.by, why=fate.why)
        return msgspec.structs.replace(known, created=p.created, activity=p.activity)

    def _fate(self, p: Playing) -> Fate:
        if p.pid in self.told:
            return self.told[p.pid]
        if p.mark in self.waiting:
            return Fate("queued", "", "Resources")
        if self._out_of_reach(p):
            return Fate("unknown", "", "its host does not answer")
        return Fate("exited" if p.dead else "running", "", "")

    def _out_of_reach(self, p: Playing) -> bool:
        return self.host.get(p.pid) in self.cut

    def _born(self, start: Start, mark: str) -> Playing:
        p = super()._born(start, mark)
        p.session_id = f"{p.pid}@cluster"
        return p

    def _wrapped(self, p: Playing) -> None:
        # What ignores a hang-up is killed by the place, with all that it has begun.
        self.role[p.session_id] = replace(self.roles(p.start.session), deaf=False)
        self.waiting.add(p.mark)
        wait = self.waits()
        p.steps = [] if wait is None else [(self.clock.at + timedelta(seconds=wait), partial(self._placed, p))]
        self._has_next(p)

    def _placed(self, p: Playing) -> None:
        """Have a session begin, on a host that is not cut off if there is one."""
        self.waiting.discard(p.mark)
        there = [name for name in HOSTS if name not in self.cut] or HOSTS
        self.host[p.pid] = there[p.pid % len(there)]
        p.steps.append((self.clock.at + timedelta(seconds=self.role[p.session_id].delay), partial(self._claimed, p)))

    def _claims(self, p: Playing) -> bool:
        claimed = super()._claims(p)
        self.disk.unsynced.pop(f"{p.home}/claim", None)  # the host that keeps the files loses nothing
        return claimed

    def _write(self, p: Playing, outputs: Sequence[str], act: Act) -> None:
        own = replace(act, content=WRITTEN % p.mark.encode()) if act.content is None else act
        super()._write(p, outputs, own)

    def _finish(self, p: Playing, code: int) -> None:
        super()._finish(p, code)
        self.pushes.clear()  # the end of a worker on another host starts no check

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions. One that is out of reach is ended when its host is back; its name is free if it is over."""
        self._answer()
        found = [(name, p) for name, p in self.playing.items() if (p.session_id, p.mark) in ends and p.mark]
        for name, p in found:
            if p.pid not in self.told:
                self.ended(p)
            if self._out_of_reach(p):
                self.doomed.append(p)
            if self._out_of_reach(p) and p.pid not in self.told:
                continue
            del self.playing[name]
            self.waiting.discard(p.mark)
            if p in self.lost:
                self.orphans += [] if p in self.orphans else [p]
            else:
                self._hung_up(p)
        return len(found)

    def _name(self, session: str, mark: str) -> str:
        """Return the session whose terminal is wanted. Raises: ProgramError for one that has none now."""
        name = super()._name(session, mark)
        if self._fate(self.playing[name]).phase not in ("running", "exited"):
            raise ProgramError(f"{session}: has no terminal")
        return name

    # --- what goes wrong

    def fail(self, host: str) -> None:
        """Have the place, or a person, say that what runs on a host that is cut off is lost: it goes on."""
        for p in self._there(host) if host in self.cut else ():
            self.told[p.pid] = LOST
            self.lost.append(p)

    def back(self, host: str) -> None:
        """Have a host be there again: what was lost or ended there ends."""
        self.cut.discard(host)
        for p in [p for p in (*self.lost, *self.doomed) if self.host[p.pid] == host]:
            if p in self.doomed and self.playing.get(p.start.session) is p:
                del self.playing[p.start.session]
            if p in self.running:
                self._finish(p, 143)
            p.stop()
        self.lost = [p for p in self.lost if self.host[p.pid] != host]
        self.doomed = [p for p in self.doomed if self.host[p.pid] != host]

    def stop(self, host: str) -> None:
        """Have a host lose its power: its programs are gone without a word, and the place says so."""
        for p in self._there(host):
            self.end_by_place(p, LOST)

    def end_by_place(self, p: Playing, fate: Fate) -> None:
        """Have the place, or somebody else by it, end a session; nothing writes down how."""
        self.told[p.pid] = fate
        self.waiting.discard(p.mark)
        p.stop()
        if p in self.running:
            self.running.remove(p)

    def ours(self) -> list[Playing]:
        """List the sessions of ours that the place has not ended."""
        mine = (p for p in self.playing.values() if p.mark.startswith(f"{NAME}/"))
        return [p for p in mine if p.pid not in self.told and not p.dead]

    def once_more(self, p: Playing) -> None:
        """Have the place start a session's program a second time, as an administrator may ask it to."""
        if self._claims(p):
            self.started.append(p.mark)
            self.ran(p)

    def _there(self, host: str) -> list[Playing]:
        return [p for p in self.ours() if self.host.get(p.pid) == host]


class Controller(Machine):
    """The machine from which they are started: none of their programs is on it."""

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        del marks
        return {}


class JobScene(Scene):
    """A world whose sessions are elsewhere."""

    executor, computer = Jobs, Controller


class SharedScene(JobScene):
    """A world whose checks are jobs, which any machine runs: each boot here is another machine."""

    def __init__(self, crew: Crew, dice: random.Random, roles: Callable[[str], Role]) -> None:
        super().__init__(crew, dice, roles)
        self.anywhere, self.jobs = True, self.alarms
        host = self.world().host(Plan(name=NAME, units=UnitsSpec()), "/plans", f"/state/{NAME}")
        self.known = Deployment(name=NAME, host=host)


class JobNight(Night):
    """Such a night, by its seed."""

    world = JobScene

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None, *, troubled: bool = False) -> None:
        super().__init__(seed, trace, troubled=troubled)
        self.chance = random.Random(f"elsewhere {seed}")  # noqa: S311 - a night is its seed
        self.jobs.waits = self.wait

    @property
    def jobs(self) -> Jobs:
        return cast("Jobs", self.scene.sessions)

    def wait(self) -> float | None:
        """Draw how long the queue keeps a session. When the faults are over it keeps none for ever."""
        if self.troubles > 0 and self.chance.random() < 0.05:
            return None
        return self.chance.choice([0, 0, 5, 300, 4000])

    def faults(self) -> list[Callable[[], None]]:
        """List what may go wrong: as in any night, and with hosts and queues instead of a server of tmux."""
        here = [fault for fault in super().faults() if fault not in (self.die, self.hide)]
        return [*here, *[self.cut_off] * 3, self.power_of_host, self.ended_by_place, self.once_more]

    def vanish(self) -> None:
        super().vanish()
        self.jobs.waiting &= {p.mark for p in self.jobs.playing.values()}

    def cut_off(self) -> None:
        """Have a host be cut off for a time, while of which the place may say that its sessions are lost."""
        jobs, host, now = self.jobs, self.chance.choice(HOSTS), self.scene.clock.at
        away, lost = self.chance.choice([1, 20, 90, 600]), self.chance.choice([None, 0.5, 10])
        jobs.cut.add(host)
        self.agenda.append((now + timedelta(minutes=away), partial(jobs.back, host)))
        if lost is not None and lost < away:
            self.agenda.append((now + timedelta(minutes=lost), partial(jobs.fail, host)))

    def power_of_host(self) -> None:
        self.jobs.stop(self.chance.choice(HOSTS))

    def ended_by_place(self) -> None:
        if ours := self.jobs.ours():
            self.jobs.end_by_place(self.chance.choice(ours), self.chance.choice(FATES))

    def once_more(self) -> None:
        begun = [p for p in self.jobs.ours() if p in self.jobs.running]
        if begun:
            self.jobs.once_more(self.chance.choice(begun))


class SharedNight(JobNight):
    """Such a night whose checks are made on any machine."""

    world = SharedScene


def night_of(seed: int, trace: Callable[[str], None] | None = None, *, troubled: bool = False) -> Night:
    """Return the night of a seed.

    Shape: in one of ten somebody else has started the sessions, in another they are elsewhere, and of these in one of
    three checks are made on any machine; in one of forty the service has a wall.
    """
    kind = random.Random(f"whose {seed}").random()  # noqa: S311 - a night is its seed
    bounds: tuple[tuple[float, type[Night]], ...] = (
        (0.1, FoundNight),
        (0.125, WallNight),
        (0.9, Night),
        (0.967, JobNight),
    )
    world = next((world for bound, world in bounds if kind < bound), SharedNight)
    return world(seed, trace, troubled=troubled)
