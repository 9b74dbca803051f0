"""One simulated deployment from one seed: processes, their interleaving and all faults are drawn from it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import count
from typing import Any

import msgspec
from tests.play import NAME, Play
from tests.simulation.crew import Actor, Crew
from tests.simulation.receivers import Fate
from tests.simulation.rules import BrokenError, Rules
from tests.simulation.scene import BARRED_STATUSES, OUTAGE_STATUS, Client, Role, Scene, refused_role

from wakeman.adapters.memory import MemoryWorld
from wakeman.core.errors import BusyError, UnknownNameError, UsageError, WakemanError
from wakeman.core.model import Deployment
from wakeman.core.policy.outbox import is_owed
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.engine.start.deploy import up
from wakeman.engine.start.prepare import PreparedPlan, prepare_plan
from wakeman.faces.cli.check import STAYS
from wakeman.ports import World

LONGEST = timedelta(days=3)
MOST = 20_000
"""Steps of one night, at most: each ends in hundreds."""
CROWD = 3
"""Processes at once, at most."""
TROUBLED_DELIVERIES = 30
"""Deliveries of a night with `troubled` receivers after which all are well that are not gone for good."""
REVIEWED: dict[str, object] = {
    "review": {"of": "all", "command": ["judge"], "rounds": 2, "max_units": 2},
}
"""A `[verify]` by which a reviewer reads everything."""
KEYS = "/plans/keys.env"
"""The file of variables that the plan names."""
VERDICTS = (None, None, None, b"[]", b'[{"unit": "w0/u0", "ok": tr', b'[{"unit": "w0/u0", "ok": false, "why": "\x1b"}]')
"""What a reviewer writes: a verdict, or what is none."""


def docs(workers: int, units: int) -> str:
    """Return the pattern of a directory of files for each of some workers, below the plan."""
    return f"docs/{workers}x{units}/*/*.md"


DOCS = tuple(
    f"/plans/docs/{workers}x{units}/w{w}/u{u}.md"
    for workers in (1, 2, 3)
    for units in (1, 2)
    for w in range(workers)
    for u in range(units)
)
"""What those patterns match."""


@cache
def prepared(text: str) -> PreparedPlan:
    """Read a plan once a process: nothing in it depends on the night."""
    stage = MemoryWorld()
    stage.git.init("/plans")
    stage.files.write(KEYS, b"KEY=first\n")
    for path in DOCS:
        stage.files.write(path, b"read me\n")
    for session in ("w0", "w1", "w2") if "parent_name" in text else ():  # of somebody else, to be watched
        stage.sessions.stranger(session)
    return prepare_plan(stage.world(), text, "plan.json", "/plans")


class Night:
    """A night by its seed. `trace` gets a line a step; `troubled`: it has receivers, and in trouble."""

    world: type[Scene] = Scene

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None, *, troubled: bool = False) -> None:
        self.seed, self.trace, self.troubled = seed, trace, troubled
        self.dice = dice = random.Random(seed)  # noqa: S311 - a night is its seed
        self.crew = Crew()
        self.scene = self.world(self.crew, dice, self.role)
        self.rules = Rules(self.scene)
        self.troubles = dice.choice([0, 1, 2, 3, 5, 8])
        self.agenda: list[tuple[datetime, Callable[[], None]]] = []
        self.last: Deployment | None = None
        self.disturbed = False  # whether somebody meddled with clock or alarms while processes ran
        self.processes = count(1)
        self.losses = 0  # times that somebody took the alarms away
        # Drawn by itself, as below: whether who starts a check lets it stay for a row of launches.
        self.waits = random.Random(f"rows {seed}")  # noqa: S311 - as below
        self.stays = self.waits.random() < 0.5
        self.out = self.scene.clock.at  # until when the service is out
        self.refusal = 0  # exit status of every program while the key is refused; 0 if it is not
        self.scene.files.write(KEYS, b"KEY=first\n", durable=True)
        self.scene.push = dice.random() < 0.7
        self.scene.sessions.made = lambda: dice.random() < 0.5
        aside: dict[str, object] = dice.choice([{}, {}, {"stage": True}, {"isolate": "worktree"}])
        both: dict[str, object] = {"parse": "json", "command": ["judge"]}
        verify: list[dict[str, object]] = [{}, {"parse": "json"}, both, REVIEWED, {**REVIEWED, **both}]
        if "isolate" in aside:  # neither reviewers nor a confinement go with trees
            verify = verify[:3]
        else:
            aside["confine"] = dice.choice(["off", "off", "units"])
        # Drawn by itself, so that the other nights are those that they were.
        self.live = "isolate" not in aside and random.Random(f"live {seed}").random() < 0.3  # noqa: S311 - as above
        if self.live:  # clients at a terminal
            aside["mode"] = "interactive"
            self.scene.harness = Client(self.scene.sessions)
        self.text = Play(
            workers=dice.choice([1, 1, 2, 2, 3]),
            units=dice.choice([1, 2]),
            plan={
                "workers": {
                    "stagger": dice.choice([0, 0, 3]),
                    "at_once": dice.choice([1, 9]),
                    "env_file": "keys.env",
                    **aside,
                },
                "wake": {"every": 900, **self.receivers()},
                "stuck": {"silent": self.ladder(), "attempts": 2, "longest": self.longest()},
                "cleanup": {
                    "when": dice.choice(["each", "all"]),
                    "rounds": dice.choice([0, 1]),
                    "sweep": dice.choice([[], [{"sessions": "*", "older_than": 0}]]),
                },
                "verify": dice.choice(verify),
                "limits": {"give_up": "2h", "give_up_do": dice.choice(["leave", "stop"])},
            },
        ).text()
        stranger = random.Random(f"stranger {seed}")  # noqa: S311 - as above
        if stranger.random() < 0.4:
            for _ in range(4):
                at = self.scene.clock.at + timedelta(seconds=stranger.choice([1, 30, 300, 1500]))
                self.agenda.append((at, partial(self.intrude, f"w{stranger.randint(0, 2)}/u0")))
        if dice.random() < 0.3:
            visitor = self.scene.sessions.visit(
                dice.choice(["mine", "w0_c1"]), dice.choice(["", "other/w0/1@00000001.0"])
            )
            self.rules.visitor = visitor, visitor.mark

    def receivers(self) -> dict[str, object]:
        """Draw whom notices go to, and how these are, apart from what else is drawn: mostly one that takes them all.

        Shape: one that is gone stays so; the others are as they are until the faults are over.
        """
        dice = random.Random(f"receivers {self.seed}")  # noqa: S311 - as above
        if dice.random() < 0.7:
            return {}
        calm: list[Fate] = ["takes"] * 9
        moods: dict[str, list[Fate]] = {
            "well": calm,
            "busy": ["takes", "refuses", "refuses"],
            "dies": ["takes", "refuses", "takes unseen", "loses unseen"],  # at any moment of it
            "gone": ["refuses"],
        }
        names = dice.choice([["desk"], ["desk", "phone"], ["desk", "phone", "post"]])
        mood = {f"tmux:{name}": dice.choice([*moods]) for name in names}
        gone = {name for name, kind in mood.items() if kind == "gone" and dice.random() < 0.1}

        def fate(name: str) -> Fate:
            deliveries = self.scene.receivers.moods.total()
            calm = deliveries >= TROUBLED_DELIVERIES if self.troubled else self.troubles <= 0
            if name not in gone and (calm or dice.random() < (0.15 if self.troubled else 0.05)):
                mood[name] = "well" if calm else dice.choice([*moods])
            found = dice.choice(moods[mood[name]])
            self.scene.receivers.note(name, mood[name], found)
            return found

        self.scene.receivers.fate = fate
        on = dice.choice([["ask", "wrap up", "give up"], ["ask", "clean up", "wrap up", "give up", "check"]])
        return {
            "to": [{"tmux": name} for name in names],
            "tell": dice.choice(["all", "first"]),
            "on": on,
            "remind": 1800,
        }

    def longest(self) -> int:
        """Draw the time limit of an attempt, mostly none, apart from what else is drawn."""
        return random.Random(f"longest {self.seed}").choice([0, 0, 0, 100, 1000])  # noqa: S311 - as above

    def ladder(self) -> list[str]:
        """Draw what is done about a silent worker."""
        told = [["capture", "nudge", "ask"], ["nudge", "restart", "ask"]] if self.live else []
        return self.dice.choice([["capture", "ask"], ["restart", "ask"], *told])

    def role(self, session: str) -> Role:
        """Draw how the next program plays. When the faults are over all play well."""
        dice, calm = self.dice, self.troubles <= 0
        if self.refusal or self.scene.clock.at < self.out:
            return refused_role(self.refusal or OUTAGE_STATUS)
        reviews = "_review_" in session
        role = Role(
            seconds=dice.choice([5, 60, 200]),
            stops_after=None if calm or dice.random() < 0.7 else dice.randint(0, 1),
            code=0 if calm else dice.choice([0, 0, 1, 137]),
            hangs=not calm and dice.random() < 0.15,
            deaf=dice.random() < 0.2,
            delay=dice.choice([0, 0, 1, 20]),
            rejects=("w0/u0",) if reviews and dice.random() < 0.4 else (),
            verdict=None if calm or not reviews else dice.choice(VERDICTS),
            **(self.rest_of(reviews) if self.live else {}),
        )
        return replace(role, content=b'{"cut": ') if role.code == 1 else role  # by a program that failed

    def rest_of(self, reviews: bool) -> dict[str, Any]:
        """Draw whether a client is at a terminal, and what of it works in the background."""
        if reviews or self.dice.random() < 0.3:
            return {}
        return {"rests": True, "background": self.dice.choice([0, 0, 30, 2000]), "dialog": self.dice.random() < 0.2}

    # --- the course of the night ----------------------------------------------------------------------------------

    def play(self) -> Deployment:
        """Run it to its end. Raises: BrokenError, naming what happened that must never happen."""
        with _numbered(self.dice):
            self.go_up()
            if self.dice.random() < 0.2:
                self.go_up()
            limit = self.scene.clock.at + LONGEST
            steps = 0
            while not self.done() and self.scene.clock.at < limit:
                steps += 1
                if steps > MOST:
                    raise BrokenError(f"not over after {MOST} steps")
                self.step()
            self.rules.over(self.last, limit)
        self.say(f"the log ends with {self.rules.d.hash}")
        return self.rules.d

    def done(self) -> bool:
        d = self.rules.d
        over = d.outcome != "open" and not is_owed(d)
        return over and not self.crew.actors and not self.scene.alarms.jobs

    def say(self, what: str) -> None:
        if self.trace is not None:
            self.trace(f"{self.scene.clock.at:%d %H:%M:%S} {what}")

    def step(self) -> None:
        """Let one thing happen: a fault, a call of some process, or what the world has due."""
        dice, actors = self.dice, self.crew.actors
        if self.troubles > 0 and dice.random() < (0.02 if actors else 0.15):
            self.troubles -= 1
            self.fault()
        elif actors and (len(actors) >= CROWD or dice.random() < 0.85 or not self.due()):
            self.resume(dice.choice(actors) if len(actors) > 1 else actors[0])
        elif self.due():
            self.happen()
        else:
            self.pass_time()
        self.rules.step()

    def resume(self, actor: Actor) -> None:
        self.say(f"{actor.name} {actor.at}")
        self.crew.resume(actor)
        self.finished(actor)

    def finished(self, actor: Actor) -> None:
        """Judge how a process ended, if it did."""
        if not actor.done:
            return
        fault = actor.fault
        if fault is not None:
            self.say(f"{actor.name} ended: {type(fault).__name__}: {fault}")
            expected = BusyError if actor.script else BusyError | UsageError  # a person may ask for what makes no sense
            if not isinstance(fault, expected):
                raise BrokenError(f"{actor.name} ended: {type(fault).__name__}: {fault}") from fault
        if not self.crew.actors:
            self.rules.quiet(checked=fault is None and not actor.doomed and not self.disturbed)
            self.disturbed = False

    # --- what is due ----------------------------------------------------------------------------------------------

    def due(self) -> bool:
        at = self.next()
        return at is not None and at <= self.scene.clock.at

    def next(self) -> datetime | None:
        scene = self.scene
        times = [job.due for timer in (scene.alarms, scene.sleepers) for job, _ in timer.jobs.values()]
        times += [at for at, _ in self.agenda]
        step = scene.sessions.next_step()
        if step is not None:
            times.append(step)
        if scene.push and scene.sessions.pushes:
            times.append(scene.clock.at)
        return min(times, default=None)

    def happen(self) -> None:
        """Have one of the things that are due happen."""
        scene, now = self.scene, self.scene.clock.at
        ready: list[Callable[[], None]] = []
        step = scene.sessions.next_step()
        if step is not None and step <= now:
            ready.append(self.act)
        if scene.push and scene.sessions.pushes:
            ready.append(lambda: self.script(scene.sessions.pushes.pop(0)))
        ready += [
            lambda timer=timer, job=job: self.script(timer.jobs.pop(job)[1])  # type: ignore[misc] # bound loop variables
            for timer in (scene.alarms, scene.sleepers)
            for job, (found, _) in timer.jobs.items()
            if found.due <= now
        ]
        ready += [
            lambda entry=entry: self.keep(entry)  # type: ignore[misc] # a bound loop variable
            for entry in self.agenda
            if entry[0] <= now
        ]
        self.dice.choice(ready)()

    def keep(self, entry: tuple[datetime, Callable[[], None]]) -> None:
        """Do what was put down for this time."""
        self.agenda.remove(entry)
        entry[1]()

    def act(self) -> None:
        self.say("programs go on")
        self.scene.sessions.play()

    def pass_time(self) -> None:
        at = self.next()
        if at is None:
            if self.rules.up and not self.rules.lost and not self.rules.d.paused_at:
                raise BrokenError("nobody will ever look again")
            self.come_by()
            return
        self.scene.clock.advance(max(0.0, (at - self.scene.clock.at).total_seconds()))

    # --- who comes ------------------------------------------------------------------------------------------------

    def begin(self, by: str, job: Callable[[World], object], *, script: bool = False) -> None:
        author = f"{by}:{next(self.processes)}"  # as each process has its own id
        actor = self.crew.begin(by, lambda: job(self.scene.world(author)), script=script)
        self.say(f"{actor.name} begins")

    def go_up(self) -> None:
        """Have a person begin the deployment, as long as that has not been said to have worked."""

        def job(world: World) -> None:
            losses = self.losses
            read = msgspec.structs.replace(prepared(self.text), at=world.clock.now())
            self.looked(up(world, read), losses)
            self.rules.up = True

        self.begin("up", job)

    def script(self, argv: tuple[str, ...]) -> None:
        """Run `check.sh`."""
        by, head = argv[2], argv[4] if len(argv) > 4 else ""
        if self.scene.stale(argv):
            self.say(f"{by} is stale")
            return
        if by in ("exit", "hook") and not self.scene.logs.want(NAME):
            self.say(f"{by} wants a check of who stands by")
            return
        # Done before anything can end the script: its own first milliseconds are not part of the model.
        following = self.scene.again() if by == "at" else ""

        def job(world: World) -> None:
            try:
                self.check(world, head)
            except BusyError:
                raise
            except UnknownNameError:
                pass  # `up` sets the alarm before it begins the log
            except WakemanError:
                self.scene.ensured()
                raise
            self.scene.removed(following)

        self.begin(by, job, script=True)

    def check(self, world: World, head: str = "") -> None:
        losses = self.losses
        pause = self.pause if self.stays and world.by.partition(":")[0] in STAYS else None
        self.looked(check(world, NAME, head, pause=pause), losses)

    def pause(self, seconds: float) -> None:
        """Let at least some seconds pass while others go on."""
        self.crew.point("clock.pause")
        self.scene.clock.advance(max(seconds, self.waits.choice([0, 0.3, 2])))

    def looked(self, d: Deployment, losses: int) -> None:
        """Note what a check that came to its end holds. It has set an alarm, unless that was taken away meanwhile."""
        if self.last is None or d.seq >= self.last.seq:
            self.last = d
        if losses == self.losses:
            self.rules.lost = False

    def come_by(self) -> None:
        """Have a person see to what waits for one: an `up` that died, a pause, an alarm that somebody took away."""
        d = self.rules.d
        self.say("a person comes by")
        if not self.rules.up and d.outcome == "open":
            self.go_up()
        elif d.paused_at:
            self.begin("hand", lambda world: requests.request(world, NAME, "unpause"))
        else:
            self.begin("hand", self.check)

    # --- what goes wrong ------------------------------------------------------------------------------------------

    def faults(self) -> list[Callable[[], None]]:
        """List what may go wrong now."""
        faults = [
            self.power, self.reboot, self.die, self.hide, self.hang, self.lose, self.double, self.early, self.vanish,
            self.remove, self.rewrite, self.speak, self.speak, self.linger, self.silence, self.outage, self.keyless,
        ]  # fmt: skip
        return faults + ([self.kill] * 8 + [self.power] * 3 if self.crew.actors else [])

    def fault(self) -> None:
        fault = self.dice.choice(self.faults())
        self.say(f"*** {fault.__name__}")
        fault()

    def kill(self) -> None:
        actor = self.dice.choice(self.crew.actors)
        whole = self.dice.random() < 0.5
        self.say(f"{actor.name} is killed at {actor.at}{', check.sh too' if whole else ''}")
        self.crew.kill(actor)
        if actor.script and not whole:
            self.scene.ensured()
        self.finished(actor)

    def power(self) -> None:
        self.rules.step()
        verified = self.rules.verified_files()
        self.scene.power_cut()
        self.rules.all_kept(verified)
        self.rules.all_intended()
        self.rules.quiet(checked=False)

    def reboot(self) -> None:
        self.scene.reboot()
        self.rules.quiet(checked=False)

    def die(self) -> None:
        self.scene.sessions.die()
        self.counted()

    def hide(self) -> None:
        """Have the server's socket removed; the server dies later, or not at all."""
        sessions, server = self.scene.sessions, self.scene.sessions.server
        if not sessions.playing:
            return
        sessions.hide()
        self.counted()
        minutes = self.dice.choice([1, 20, 150, None])
        if minutes is not None:
            at = self.scene.clock.at + timedelta(minutes=minutes)
            self.agenda.append((at, lambda: sessions.die_aside(server)))

    def intrude(self, name: str) -> None:
        """Have somebody write a unit's outputs before anybody works on it, at a moment when no process looks."""
        if not self.crew.actors and self.rules.intrude(name):
            self.say(f"*** somebody writes the outputs of {name}")

    def counted(self) -> None:
        """Have somebody else's session begin first on the next server, at times: it gets the number of one of ours."""
        for name in ("theirs", "yours"):
            if self.dice.random() < 0.3:
                visitor = self.scene.sessions.visit(name, self.dice.choice(["", "other/w0/1@00000001.0"]))
                self.rules.visitor = visitor, visitor.mark

    def hang(self) -> None:
        self.scene.sessions.state = "unknown"

        def answers() -> None:
            self.scene.sessions.state = "up"

        self.agenda.append((self.scene.clock.at + timedelta(minutes=self.dice.choice([1, 20])), answers))

    def lose(self) -> None:
        """Take every alarm away. Until somebody looks again there is none."""
        self.scene.alarms.jobs.clear()
        self.losses += 1
        self.rules.lost = True

    def double(self) -> None:
        for job, argv in list(self.scene.alarms.jobs.values()):
            again = msgspec.structs.replace(job, job=f"{job.job}0")
            self.scene.alarms.jobs[again.job] = (again, argv)

    def early(self) -> None:
        self.disturbed = True
        for job, argv in list(self.scene.alarms.jobs.values()):
            self.scene.alarms.jobs[job.job] = (msgspec.structs.replace(job, due=self.scene.clock.at), argv)

    def vanish(self) -> None:
        """Kill a session with all that is in it."""
        sessions = self.scene.sessions
        ours = [name for name, p in sessions.playing.items() if p.mark.startswith(f"{NAME}/")]
        if ours:
            p = sessions.playing.pop(self.dice.choice(ours))
            if p in sessions.running:
                sessions.running.remove(p)

    def remove(self) -> None:
        made = [path for path in self.scene.files.held if path.startswith("/plans/out/")]
        if made and not self.crew.actors:
            self.scene.files.remove(self.dice.choice(made))

    def rewrite(self) -> None:
        """Have somebody write an output that is none of theirs."""
        made = [path for path in self.scene.files.held if path.startswith("/plans/out/")]
        if made:
            self.scene.files.write(self.dice.choice(made), b'{"somebody": "else"}', durable=True)

    def linger(self) -> None:
        """Let time pass while processes stand where they are."""
        clock, sessions = self.scene.clock, self.scene.sessions
        until = clock.at + timedelta(seconds=self.dice.choice([1, 61, 1000]))
        self.disturbed = True
        while clock.at < until:
            step = min(sessions.next_step() or until, until)
            clock.advance(max(0.0, (step - clock.at).total_seconds()))
            sessions.play()

    def outage(self) -> None:
        """Have the service be out for a while."""
        self.out = self.scene.clock.at + timedelta(minutes=self.dice.choice([2, 30, 100]))

    def keyless(self) -> None:
        """Have the key, or the account's money, refused until a person sees to it: in the file, or by saying so."""
        if self.refusal:
            return
        self.refusal = self.dice.choice(BARRED_STATUSES)
        at = self.scene.clock.at + timedelta(minutes=self.dice.choice([1, 20, 60]))
        self.agenda.append((at, self.mend))

    def mend(self) -> None:
        self.refusal = 0
        if self.dice.random() < 0.5:
            self.scene.files.write(KEYS, b"KEY=%d\n" % self.dice.randint(0, 9), durable=True)
        elif self.rules.up and len(self.crew.actors) < CROWD:
            self.begin("hand", lambda world: requests.request(world, NAME, "unpause"))

    def silence(self) -> None:
        """Lose the calls of the wrappers that are under way."""
        self.scene.sessions.pushes.clear()

    def speak(self) -> None:
        """Have a person say something, sensible or not."""
        d, dice = self.rules.d, self.dice
        if not self.rules.up or len(self.crew.actors) >= CROWD:
            return
        worker, unit = dice.choice(sorted(d.workers)), dice.choice(sorted(d.units))
        wishes: list[Callable[[World], object]] = [
            lambda world: requests.stop(world, NAME, [worker]),
            lambda world: requests.retry(world, NAME, [worker], (), "again"),
            lambda world: requests.judge(world, NAME, "reject", (unit,), "thin"),
            lambda world: requests.judge(world, NAME, "waive", (unit,), "never mind"),
            lambda world: requests.request(world, NAME, "pause"),
            lambda world: requests.request(world, NAME, "down"),
            self.check,
        ]
        self.begin("hand", dice.choice(wishes))


@contextmanager
def _numbered(dice: random.Random) -> Iterator[None]:
    """Have new ids drawn from the seed."""
    real = uuid.uuid4
    uuid.uuid4 = lambda: uuid.UUID(int=dice.getrandbits(128))
    try:
        yield
    finally:
        uuid.uuid4 = real
