"""Random nights: whoever crashes, hangs, is lost or comes twice, what must never happen does not.

A night is a seed. The checking process ends at a random call of a port, alarms are lost or doubled, sessions vanish,
tmux hangs, the machine starts anew, outputs are removed. Source: section 10 of the design.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, Stage
from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.events import Closed, Event, Verified, chain, decode, genesis, split
from wakeman.core.fold import fold
from wakeman.core.model import Deployment
from wakeman.engine import ask
from wakeman.engine.check import check
from wakeman.ports import World

NIGHTS = int(os.environ.get("WAKEMAN_NIGHTS", "60"))
"""Seeds that are played at each run of the tests; thousands of them by hand."""
EFFECTS = {
    "sessions": ("look", "start", "end", "type", "later", "capture"),
    "files": ("write", "marks", "move", "read"),
    "alarms": ("arm", "disarm", "stands"),
    "machine": ("marked", "signal", "run"),
    "logs": ("append",),
}
"""Calls before or after which the process may end. Every effect is one of them."""


class PowerError(BaseException):
    """The checking process ends here; nothing may catch it."""


class Night:
    """One night by one seed: the play, and who spoils it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a night is its seed
        dice = self.dice
        workers, units = dice.randint(1, 4), dice.randint(1, 3)
        verify: dict[str, object] = {"command": ["judge"]} if dice.random() < 0.3 else {}
        self.play = Play(
            workers=workers,
            units=units,
            plan={
                "workers": {"stagger": dice.choice([0, 0, 3]), "at_once": dice.choice([1, 2, 9])},
                "stuck": {"silent": dice.choice([["capture", "ask"], ["restart", "ask"]]), "attempts": 3},
                "cleanup": {"when": dice.choice(["each", "all"]), "rounds": dice.choice([0, 1, 3])},
                "verify": verify,
                "limits": {"give_up": "12h"},
            },
            stage=Stage(push=dice.random() < 0.7),
        )
        stage = self.play.stage
        stage.sessions.acts = lambda _: self.act()
        self.fuse = 0  # calls until the process ends; 0: it does not
        self.late = False
        self.troubles = dice.randint(0, 12)
        self.rewired(stage)

    def act(self) -> Act:
        dice, calm = self.dice, self.troubles <= 0
        return Act(
            seconds=dice.choice([20, 200, 2000]),
            stops_after=None if calm or dice.random() < 0.6 else dice.randint(0, 2),
            code=0 if calm else dice.choice([0, 0, 1, 137]),
            hangs=not calm and dice.random() < 0.15,
        )

    def rewired(self, stage: Stage) -> None:
        """Put the fuse into each call that has an effect."""
        for port in ("sessions", "files", "alarms", "machine"):
            twin = getattr(stage, port)
            for method in EFFECTS[port]:
                setattr(twin, method, self.fused(getattr(twin, method)))
        hold = stage.logs.hold

        def held(*args: Any, **kwargs: Any) -> Any:
            manager = hold(*args, **kwargs)
            enter = manager.__enter__

            def entered() -> Any:
                writer = enter()
                writer.append = self.fused(writer.append)  # type: ignore[method-assign] # the fuse
                return writer

            return _Held(entered, manager)

        stage.logs.hold = held  # type: ignore[method-assign] # the fuse

    def fused(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*args: Any, **kwargs: Any) -> Any:
            self.fuse -= 1
            if self.fuse == 0 and not self.late:
                raise PowerError
            made = call(*args, **kwargs)
            if self.fuse == 0 and self.late:
                raise PowerError
            return made

        return calling

    # --- what goes wrong ------------------------------------------------------------------------------------------

    def check(self, world: World, head: str) -> object:
        """Run one check, which may end anywhere; then see whether what must hold does."""
        dice = self.dice
        self.late = dice.random() < 0.5
        self.fuse = dice.randint(1, 60) if self.troubles > 0 and dice.random() < 0.25 else 0
        cut = self.fuse > 0
        try:
            d = check(world, NAME, head)
        except PowerError:
            self.troubles -= 1
            self.fuse = 0
            return None
        self.fuse = 0
        self.holds(d)
        if self.troubles > 0 and not cut and d.outcome == "open" and dice.random() < 0.3:
            self.troubles -= 1
            dice.choice([self.lose, self.double, self.vanish, self.hang, self.reboot, self.remove, self.speak])()
        return None

    def lose(self) -> None:
        self.play.stage.alarms.jobs.clear()

    def double(self) -> None:
        for job, argv in list(self.play.stage.alarms.jobs.values()):
            self.play.stage.alarms.jobs[f"{job.job}0"] = (msgspec.structs.replace(job, job=f"{job.job}0"), argv)

    def vanish(self) -> None:
        playing = self.play.stage.sessions.playing
        if playing:
            del playing[self.dice.choice(sorted(playing))]

    def hang(self) -> None:
        self.play.stage.sessions.state = "unknown"

    def reboot(self) -> None:
        stage = self.play.stage
        stage.sessions.playing.clear()
        stage.sessions.timers.clear()
        stage.sessions.server = f"{self.dice.randint(101, 999)}:1"
        stage.clock.name = f"{int(stage.clock.name) + 1:08}"
        stage.clock.seconds = self.dice.choice([1.0, 100.0, 5000.0])

    def remove(self) -> None:
        made = sorted(path for path in self.play.stage.files.held if path.startswith("/plans/out/"))
        if made:
            self.play.stage.files.remove(self.dice.choice(made))

    def speak(self) -> None:
        """Have a person say something, sensible or not."""
        world, dice = self.play.stage.world(), self.dice
        d = self.play.deployment
        worker, unit = dice.choice(sorted(d.workers)), dice.choice(sorted(d.units))
        wishes: list[Callable[[], object]] = [
            lambda: ask.stop(world, NAME, worker),
            lambda: ask.retry(world, NAME, worker, (), "again"),
            lambda: ask.judge(world, NAME, "reject", (unit,), "thin"),
            lambda: (ask.request(world, NAME, "pause"), ask.request(world, NAME, "unpause")),
        ]
        try:
            dice.choice(wishes)()
        except UsageError:
            return

    # --- what must hold -------------------------------------------------------------------------------------------

    def holds(self, d: Deployment) -> None:
        """See to everything that must hold after any check that came to its end."""
        stage = self.play.stage
        doubled = [mark for mark, count in Counter(stage.sessions.started).items() if count > 1]
        assert [] == doubled
        if d.outcome == "open":
            assert d.paused_at or any(job.due > stage.clock.at for job, _ in stage.alarms.jobs.values())
        elif not d.wakes and stage.sessions.state != "unknown":  # else it is to see to the dead sessions
            assert d.alarm is None
        working = Counter(unit for p in stage.sessions.playing.values() if not p.dead for unit in _share(stage, p.home))
        assert [] == [unit for unit, count in working.items() if count > 1]

    def done(self) -> bool:
        d = self.play.deployment
        return d.outcome != "open" and not d.wakes and d.alarm is None

    def go(self) -> Deployment:
        """Let the night pass. A person comes by at times, and looks: what was lost is found then."""
        try:
            self.fuse = self.dice.randint(1, 80) if self.dice.random() < 0.3 else 0
            self.play.up()
        except PowerError:
            self.fuse = 0
            if NAME not in self.play.stage.logs.lines:
                self.play.up()
        self.fuse = 0
        for _ in range(200):
            self.play.stage.run(self.check, self.done, 20 * 60)
            if self.done():
                break
            self.play.stage.sessions.state = "up"
            self.check(self.play.stage.world("hand:1"), "")
        return self.play.deployment


class _Held:
    """A context manager whose entering was replaced."""

    def __init__(self, enter: Callable[[], Any], manager: Any) -> None:
        self.enter, self.manager = enter, manager

    def __enter__(self) -> Any:
        return self.enter()

    def __exit__(self, *why: object) -> Any:
        return self.manager.__exit__(*why)


def _share(stage: Stage, home: str) -> Iterable[str]:
    lines = stage.files.held[f"{home}/units.jsonl"][0].splitlines()
    return [msgspec.json.decode(line)["unit"] for line in lines]


def replayed(play: Play) -> list[Event]:
    """Read the log line by line, chain and folding checked. Raises: whatever does not follow."""
    d = Deployment()
    events = []
    previous = genesis(NAME, play.deployment.digest)
    for seq, line in enumerate(play.stage.logs.lines[NAME], 1):
        head, written = split(line[:-1])
        assert (seq, written) == (decode(line[:-1]).seq, chain(previous, head))
        previous = written
        events.append(decode(line[:-1]))
        fold(d, events[-1])
    return events


def ended_well(seed: int) -> None:
    """Play one night to its end, and see to what must hold then."""
    night = Night(seed)
    try:
        d = night.go()
    except WakemanError as fault:
        raise AssertionError(f"a check was lost: {fault}") from fault
    night.holds(d)
    events = replayed(night.play)
    assert d.outcome != "open", [(w.name, w.state, w.why) for w in d.workers.values()]
    assert 1 == len([event for event in events if isinstance(event.data, Closed)])
    assert {} == night.play.stage.alarms.jobs
    held = night.play.stage.files.held
    if d.outcome == "complete":
        missing = [p for unit in d.units.values() if not unit.waived for p in unit.unit.outputs]
        assert [] == [path for path in missing if f"/plans/{path}" not in held]
        assert {event.worker for event in events if isinstance(event.data, Verified)} >= {
            worker.name for worker in d.workers.values() if worker.units
        }
    closing = {"complete": "wrap up", "partial": "give up", "stopped": "stop"}[d.outcome]
    told = [text for text in night.play.told() if f": {closing}: " in text]
    assert len(told) >= 1


@pytest.mark.parametrize("part", range(10))
def test_whatever_happens_in_a_night_what_must_never_happen_does_not(part: int) -> None:
    for seed in range(part, NIGHTS, 10):
        try:
            ended_well(seed)
        except BaseException as fault:  # whatever it is: the seed plays it again
            fault.add_note(f"seed {seed}")
            raise
