"""A simulated deployment in which a test decides which process runs, how far, and what fails."""

from __future__ import annotations

from typing import cast

from tests.play import Play
from tests.simulation.crew import Actor
from tests.simulation.elsewhere import Jobs, JobScene
from tests.simulation.found import Whose, found_plan
from tests.simulation.night import Night
from tests.simulation.rules import Rules
from tests.simulation.scene import Client, RefusedHarness, Role, refused_role
from tests.simulation.wall import Service, WallHarness, WindowRules, wall_plan

from wakeman.core.model import Deployment

OUT = "/plans/out/w0/u0.json"


class Staged(Night):
    """A night without faults of its own. A power cut keeps nothing that it may take, a kill half of a write."""

    def __init__(self, *, workers: int = 1, plan: dict[str, dict[str, object]] | None = None, **roles: Role) -> None:
        super().__init__(0)
        self.troubles, self.roles = 0, roles
        self.scene.push = True
        self.scene.logs.torn_at = lambda size: size // 2
        self.scene.kept = min
        self.scene.gone = lambda: True
        self.live = (plan or {}).get("workers", {}).get("mode") == "interactive"
        self.scene.harness = Client(self.scene.sessions) if self.live else RefusedHarness()
        self.text = Play(workers=workers, units=1, plan={"wake": {"every": 900}, **(plan or {})}).text()

    def role(self, session: str) -> Role:
        """Return what was said of that worker; the others take a minute a unit."""
        return self.roles.get(session, Role())

    def upped(self) -> Actor:
        """Begin `up`."""
        self.go_up()
        return self.crew.actors[-1]

    def up(self) -> None:
        """Have the deployment up, and what it started at work."""
        self.end(self.upped())
        self.act()

    def checks(self) -> Actor:
        """Begin a check by hand."""
        self.begin("hand", self.check)
        return self.crew.actors[-1]

    def to(self, actor: Actor, at: str, *, having: bytes = b"") -> Actor:
        """Let a process go on until it stands before that call, with those bytes in the log."""
        while actor.at != at or not any(having in tape.data for tape in self.scene.logs.tapes.values()):
            assert not actor.done, f"{actor.name} never came to {at}"
            self.resume(actor)
            self.rules.step()
        return actor

    def past(self, actor: Actor, at: str, *, having: bytes = b"") -> Actor:
        """Let a process make that call, and stop before the next one."""
        self.resume(self.to(actor, at, having=having))
        self.rules.step()
        return actor

    def end(self, actor: Actor) -> None:
        """Let a process come to its end."""
        while not actor.done:
            self.resume(actor)
            self.rules.step()

    def kill(self, actor: Actor | None = None) -> None:
        """Kill a process, with the script around it, and see to what must hold then."""
        assert actor is not None
        self.crew.kill(actor)
        self.finished(actor)
        self.rules.step()

    def fires(self) -> Actor:
        """Let time pass until an alarm fires or a worker's end calls; return the process that it starts."""
        while not self.crew.actors:
            if self.due():
                self.happen()
            else:
                self.pass_time()
            self.rules.step()
        return self.crew.actors[-1]

    def whole(self) -> Deployment:
        """Let a night pass in which nothing goes wrong."""
        self.up()
        return self.rest()

    def rest(self) -> Deployment:
        """Let the night come to its end."""
        limit = self.scene.clock.at.replace(year=2027)
        while not self.done():
            self.step()
        self.rules.over(self.last, limit)
        return self.rules.d


class StagedElsewhere(Staged):
    """One whose workers run on other hosts. A test says how long the queue keeps them, and what befalls a host."""

    world = JobScene

    @property
    def jobs(self) -> Jobs:
        return cast("Jobs", self.scene.sessions)


class StagedFound(Staged):
    """One whose sessions somebody else has started, those that are `absent` left out."""

    def __init__(
        self,
        whose: Whose = "watch",
        *,
        workers: int = 1,
        live: bool = False,
        absent: tuple[str, ...] = (),
        plan: dict[str, dict[str, object]] | None = None,
        **roles: Role,
    ) -> None:
        super().__init__(plan={"workers": {"mode": "interactive"}} if live else {})
        self.roles = roles
        self.rules.found = whose
        self.text = found_plan(whose, workers, 1, live=live, **(plan or {}))
        for name in (f"w{n}" for n in range(workers)):
            if name not in absent:
                self.scene.sessions.found(name, self.role(name), [f"/plans/out/{name}/u0.json"])


class StagedWall(Staged):
    """One whose service serves at most `seats` at a time, and whose usage limit falls after `allowed`.

    Shape: each worker takes `seconds`; `at_once` of them are alive at most.
    """

    def __init__(
        self,
        seats: int,
        *,
        workers: int,
        seconds: float = 60.0,
        allowed: int | None = None,
        adapt: bool = True,
        at_once: int | None = None,
    ) -> None:
        super().__init__()
        self.usual = Role(seconds=seconds)
        self.service = Service(self.scene.sessions, seats, allowed)
        self.scene.harness = WallHarness(self.service)
        self.rules = WindowRules(self.scene) if adapt else Rules(self.scene)
        self.text = wall_plan(workers, adapt=adapt, workers={} if at_once is None else {"at_once": at_once})

    def role(self, session: str) -> Role:
        del session
        code = self.service.refusal()
        return refused_role(code) if code else self.usual
