"""Nights whose service has a wall: it serves only so many workers at a time, or none until a usage limit resets."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from tests.play import Play
from tests.simulation.night import Night
from tests.simulation.rules import BrokenError, Rules
from tests.simulation.scene import OUTAGE_STATUS, REFUSED, RefusedHarness, Role, Scene, Sessions, refused_role

from wakeman.core.log.events import Event, Exited, Intended, Looked, Verified
from wakeman.ports import Evidence, Report

LIMIT_STATUS = 76
"""Exit status of a program that meets a usage limit."""


class Service:
    """What serves at most `seats` programs at a time. After `allowed` of them a usage limit ends all, until `reset`.

    Shape: `refused` counts what it refused; `reset` is None while no limit stands.
    """

    def __init__(self, sessions: Sessions, seats: int, allowed: int | None = None, pause: float = 3600.0) -> None:
        self.sessions, self.seats, self.allowed, self.pause = sessions, seats, allowed, pause
        self.begun = self.refused = 0
        self.reset: datetime | None = None

    def refusal(self) -> int:
        """Return the exit status with which the next program is refused; 0 for one that is served."""
        now = self.sessions.clock.at
        if self.reset is not None and now >= self.reset:
            self.reset, self.allowed = None, None
        if self.allowed is not None and self.begun >= self.allowed and self.reset is None:
            self.reset = now + timedelta(seconds=self.pause)
            for p in list(self.sessions.running):
                self.sessions.kill(p, LIMIT_STATUS)
        alive = (p.session_id for p in self.sessions.playing.values() if not p.dead)
        roles = (self.sessions.role[session] for session in alive if session in self.sessions.role)
        busy = sum(role.code not in (OUTAGE_STATUS, LIMIT_STATUS) for role in roles)
        code = LIMIT_STATUS if self.reset is not None else OUTAGE_STATUS if busy >= self.seats else 0
        self.begun += not code
        self.refused += bool(code)
        return code


class WallHarness(RefusedHarness):
    """A harness whose program says also when its usage limit resets."""

    def __init__(self, service: Service) -> None:
        super().__init__()
        self.service = service

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        if code == LIMIT_STATUS:
            return Report("limited", "usage limit reached", until=self.service.reset or now, source="stream")
        return super().ending(evidence, code, now)


class WindowRules(Rules):
    """The rules of any night, and that no more workers are at work than the window has.

    Shape: the window is counted here anew, and more generously than by the product: it grows whether it is used or not.
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._begin_anew()

    def _forget(self) -> None:
        super()._forget()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.window, self.narrowed, self.since = 4, 0, 0.0
        self.begun: dict[str, int] = {}  # workers at work: the line of their launch
        self.unanswered: dict[str, float] = {}  # of these, since when

    def _line(self, line: bytes) -> None:
        before = {worker.name for worker in self.d.workers.values() if worker.again}
        super()._line(line)
        self._windowed(self.events[-1], asked=before)

    def _windowed(self, event: Event, *, asked: set[str]) -> None:
        data, name = event.data, event.worker or ""
        match data:
            case Intended(action="launch"):
                beside = sum(other != name and self.d.workers[other].state != "stuck" for other in self.begun)
                if beside >= self.window and name not in asked:
                    raise BrokenError(f"{name} is launched beside {beside}, and the window has {self.window}")
                self.begun[name], self.unanswered[name] = event.seq, self.d.mono
            case Exited():
                self._over(name, data, event.seq)
            case Verified():
                self.begun.pop(name, None)
            case Looked():
                minutes = int((self.d.mono - self.since) // 60)
                if self.narrowed and minutes > 0 and self.begun:
                    self.window += minutes
                self.since += 60 * minutes
                done = {v.unit for v in data.verdicts if v.passed}
                made = {self.d.units[unit].worker for unit in done}
                passed = [n for n, since in self.unanswered.items() if not 0 <= self.d.mono - since < 60 or n in made]
                self._answered(passed)
            case _:
                pass

    def _over(self, name: str, data: Exited, seq: int) -> None:
        since = self.begun.get(name, 0)
        if data.ended_by == "limit":
            self.since = self.d.mono
            if since > self.narrowed:
                self.window, self.narrowed = max(1, min(self.window, len(self.begun)) // 2), seq
        elif data.code == 0 and name in self.unanswered:
            self._answered([name])
        self.begun.pop(name, None)
        self.unanswered.pop(name, None)

    def _answered(self, names: list[str]) -> None:
        for name in names:
            del self.unanswered[name]
            self.window += not self.narrowed


def wall_plan(count: int, *, adapt: bool = True, **tables: dict[str, object]) -> str:
    """Return a plan of one unit each whose launches keep to a window."""
    return Play(
        workers=count,
        units=1,
        plan={"wake": {"every": 900}, "limits": {"give_up": "9h", "adapt": adapt}, **tables},
    ).text()


class WallNight(Night):
    """Such a night, by its seed."""

    workers = 8

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None, *, troubled: bool = False) -> None:
        super().__init__(seed, trace, troubled=troubled)
        self.chance = chance = random.Random(f"wall {seed}")  # noqa: S311 - a night is its seed
        self.live = False
        self.service = Service(self.scene.sessions, chance.randint(1, 9), chance.choice([None, 3, 7]))
        self.scene.harness = WallHarness(self.service)
        self.rules = WindowRules(self.scene)
        self.rules.visitor = None
        wake = {"every": 900, "to": [{"run": ["tell", "{{ message }}"]}], **self.receivers()}
        self.text = wall_plan(self.workers, workers={"env_file": "keys.env"}, wake=wake)
        self.agenda = [
            (self.scene.clock.at + timedelta(minutes=chance.randint(1, 90)), partial(self.reseat, chance.randint(1, 9)))
        ]

    def reseat(self, seats: int) -> None:
        """Have the service serve another number at a time."""
        self.service.seats = seats

    def role(self, session: str) -> Role:
        role = super().role(session)
        if role.code in REFUSED:
            return role
        code = self.service.refusal()
        return refused_role(code) if code else role
