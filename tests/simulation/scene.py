"""The in-memory world with what can go wrong in it: kills, torn writes, power cuts, a tmux server that dies.

Every call that the engine makes of a port is a point of the crew: just before it the process may end, or another may
go on. What comes after a call comes before the next one, or after the end of the process.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from tests.play import NAME
from tests.simulation.crew import Crew, KilledError
from tests.simulation.receivers import Receivers

from wakeman.adapters.memory import (
    Act,
    MemoryFiles,
    MemoryGit,
    MemoryHarness,
    MemoryLogs,
    MemoryMachine,
    MemoryParser,
    MemorySessions,
    MemoryWorld,
)
from wakeman.adapters.memory.clock import MemoryClock
from wakeman.adapters.memory.logs import MemoryWriter
from wakeman.adapters.memory.sessions import Playing, Step
from wakeman.core.log.events import Draft, Event
from wakeman.core.model import Deployment, Plan, UnitsSpec, WakeTarget
from wakeman.engine import alarm
from wakeman.ports import Delivery, Evidence, Made, Report, Start

POINTS = {
    "sessions": ("poll", "cancel", "capture", "type", "adopt"),
    "files": ("marks", "read", "tail", "write", "move", "make", "link", "remove", "writing", "install", "sync"),
    "parser": ("parse",),
    "git": ("plant", "keep"),
    "alarms": ("arm", "pending", "find", "disarm"),
    "sleepers": ("arm", "find", "disarm"),
    "machine": ("run", "marked", "signal"),
}
"""Calls that are points as a whole. Those of the logs, and `sessions.submit`, have several."""


class Logs(MemoryLogs):
    """Logs whose writes can be torn and whose lock is waited for. `acked` is what a durable append has returned on."""

    def __init__(self, clock: MemoryClock, crew: Crew, dice: random.Random) -> None:
        super().__init__(clock)
        self.crew, self.dice = crew, dice
        self.acked: dict[str, bytes] = {}
        # Bytes of a write that are done when a kill comes in the middle of it.
        self.torn_at: Callable[[int], int] = lambda size: dice.randint(0, size)

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        self.crew.point("logs.create")
        super().create(name, digest, drafts, at, by)
        self.acked[name] = self.tapes[name].data

    @contextmanager
    def hold(self, name: str, by: str, wait: float = 5.0) -> Iterator[MemoryWriter]:
        self.crew.point("logs.hold")
        with super().hold(name, by, wait) as writer:
            append = writer.append

            def acknowledged(drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
                events = append(drafts, at, durable=durable)
                if events and durable:
                    self.acked[name] = self.tapes[name].data
                return events

            writer.append = acknowledged  # type: ignore[method-assign] # to see what is acknowledged
            yield writer

    @contextmanager
    def stand_by(self, name: str) -> Iterator[Callable[[], bool] | None]:
        self.crew.point("logs.stand_by")
        with super().stand_by(name) as wanted:
            yield wanted

    def free(self, name: str, wait: float) -> bool:
        if wait and name in self._held:
            for _ in range(self.dice.randint(0, 60)):
                self.crew.point("logs.wait")
                if name not in self._held:
                    break
        return name not in self._held

    def write(self, name: str, data: bytes) -> None:
        actor = self.crew.current
        alive = actor is not None and not actor.doomed
        try:
            self.crew.point("logs.write")
        except KilledError:
            if alive:
                super().write(name, data[: self.torn_at(len(data))])
            raise
        super().write(name, data)

    def sync(self, name: str) -> None:
        self.crew.point("logs.sync")
        super().sync(name)

    def cut(self, name: str, size: int) -> None:
        self.crew.point("logs.cut")
        super().cut(name, size)
        tape = self.tapes[name]
        tape.synced = min(tape.synced, size)


@dataclass
class Role(Act):
    """An act that may ignore a hang-up (`deaf`), and whose wrapper takes `delay` seconds to its claim.

    Shape: one that `rests` is a client at a terminal: it does not end by itself. For `background` seconds after its
    last unit something of it still works on that, while it is at its prompt. It answers each prompt with words, and
    ends at `/exit`, unless it opens a `dialog` over it.
    """

    deaf: bool = False
    delay: float = 0.0
    rests: bool = False
    background: float = 0.0
    dialog: bool = False


ELSEWHERE = "/home/somebody"
"""Where somebody else's programs are."""
REFUSED: dict[int, Report] = {
    75: Report("limited", "the service is unavailable: overloaded", fault="outage", source="stream"),
    77: Report("error", "Invalid API key", fault="auth", source="stream"),
    78: Report("error", "Credit balance is too low", fault="billing", source="stream"),
}
"""What a program says that the service refused, by its exit status."""
OUTAGE_STATUS = 75
BARRED_STATUSES = (77, 78)


def refused_role(code: int) -> Role:
    """Return how a program plays that the service refuses: it ends at once and has made nothing."""
    return Role(seconds=1, stops_after=0, code=code)


class RefusedHarness(MemoryHarness):
    """A harness whose program says by its exit status what it was refused."""

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        return REFUSED.get(code or 0) or super().ending(evidence, code, now)


class Sessions(MemorySessions):
    """Sessions that run a program by its wrapper a moment after they were made. `running` are the programs that live.

    Shape: `ran` is told of each program that starts, `ended` of each that we end, `typed_into` of each that we type to.
    """

    def __init__(self, clock: MemoryClock, files: MemoryFiles, roles: Callable[[str], Role], crew: Crew) -> None:
        super().__init__(clock, files, roles)
        self.disk, self.roles, self.crew = files, roles, crew
        self.role: dict[str, Role] = {}  # by session id
        self.running: list[Playing] = []
        self.orphans: list[Playing] = []
        self.lost: list[Playing] = []  # programs that live on where nobody reaches them, and are said to be lost
        self.blameless: set[str] = set()  # marks of those that the place said, when last asked, it or a person ended
        self.waiting: set[str] = set()  # marks of sessions that wait in a queue
        self.ran: Callable[[Playing], None] = lambda _: None
        self.ended: Callable[[Playing], None] = lambda _: None
        self.typed_into: Callable[[Playing], None] = lambda _: None
        self.made: Callable[[], bool] = lambda: False  # whether a session is made although the host hangs
        self.asking: set[str] = set()  # clients that show a dialog, by session id

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        made = []
        for start in starts:
            self.crew.point("sessions.submit")
            with self.crew.aside():
                if self.state == "unknown":
                    if self.made():
                        self._start(start)
                    self._answer()
                made.append(self._start(start))
        return made

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        self._answer()
        found = [(name, p) for name, p in self.playing.items() if (p.session_id, p.mark) in ends and p.mark]
        for name, p in found:
            self.ended(p)
            del self.playing[name]
            self._hung_up(p)
        if found and not self.playing:
            self.leave()
        return len(found)

    def visit(self, name: str, mark: str) -> Playing:
        """Have somebody else's session on the same host."""
        start = Start(session=name, mark=mark, argv=("/bin/sh", "-c", ELSEWHERE), cwd=ELSEWHERE)
        return self._born(start, mark)

    def found(self, name: str, role: Role, outputs: Sequence[str]) -> Playing:
        """Begin a session as somebody else does: its program is not run by our wrapper, and tells us nothing.

        Shape: it makes its outputs one by one, then it ends, and its session is gone.
        """
        p = self.visit(name, "")
        self.role[p.session_id] = role
        self.screens[name] = f"{name}:\n❯"
        at = self.clock.at
        for output in outputs[: role.stops_after]:
            at += timedelta(seconds=role.seconds)
            p.steps.append((at, partial(self._make, p, output)))
        at += timedelta(seconds=1)
        if role.dialog:
            p.steps.append((at, lambda: self.asking.add(p.session_id)))
        elif not role.hangs and not role.rests:
            p.steps.append((at, lambda: self._over(p)))
        self._has_next(p)
        return p

    def is_found(self, p: Playing) -> bool:
        """Return whether somebody else has started a session whose program is played."""
        return p.home == ELSEWHERE and p.session_id in self.role

    def _make(self, p: Playing, output: str) -> None:
        """Have somebody else's program write a file, and something onto its screen."""
        p.activity = self.clock.at.timestamp()
        self.files.write(output, b'{"found": "and long enough"}')

    def _over(self, p: Playing) -> None:
        """Have somebody else's program end: its session is gone, and with the last one its server."""
        p.stop()
        for there in (self.playing, *self.away.values()):
            if there.get(p.start.session) is p:
                del there[p.start.session]
        self.orphans = [one for one in self.orphans if one is not p]
        if not self.playing:
            self.leave()

    def die(self) -> None:
        """Have the server die: all sessions are gone, their programs hung up on."""
        gone = list(self.playing.values())
        self.leave()
        for p in gone:
            self._hung_up(p)

    def hide(self) -> None:
        """Have somebody remove the server's socket: it lives, its programs go on, and the next start begins another."""
        self.orphans += [p for p in self.playing.values() if p.steps and p not in self.orphans]
        super().hide()

    def die_aside(self, server: str) -> None:
        """Have a server die that cannot be reached."""
        for p in self.away.pop(server, {}).values():
            self._hung_up(p)

    def at_rest(self, p: Playing) -> bool:
        """Return whether a program is a client at its prompt, and nothing of it works."""
        return (p in self.running or self.is_found(p)) and self.role[p.session_id].rests and not p.steps

    def unseen(self, p: Playing) -> bool:
        """Return whether a program is a client whose terminal is gone: nothing tells that it still works."""
        return p in self.orphans and self.role[p.session_id].rests

    def type(self, session: str, text: str, *, submit: bool, mark: str = "") -> None:
        super().type(session, text, submit=submit, mark=mark)
        p = self.playing[self._name(session, mark)]
        self.typed_into(p)
        if text == "/exit" and self.role[p.session_id].rests and (p in self.running or self.is_found(p)):
            self.ended(p)
            if self.role[p.session_id].dialog:
                self.asking.add(p.session_id)
            elif self.is_found(p):
                self._over(p)
            else:
                self._finish(p, 0)

    def _enter(self, p: Playing, act: Act) -> None:
        super()._enter(p, act)
        if self.role[p.session_id].rests:
            self.files.write(f"{p.home}/said/hook", b"%d" % p.entered)

    def _script(self, p: Playing, act: Act) -> Iterator[Step]:
        if not isinstance(act, Role) or not act.rests:
            return super()._script(p, act)
        self.screens[p.start.session] = f"{p.start.session}:\n❯"
        steps = list(super()._script(p, replace(act, hangs=True)))
        if steps and act.background:
            at, write = steps[-1]
            steps.append((at + timedelta(seconds=act.background), write))
        return iter(steps)

    def off(self) -> None:
        """Have the machine stop: nothing of it lives on."""
        for server in list(self.away):
            self.die_aside(server)
        self.die()
        self.running.clear()
        self.orphans.clear()
        self.pushes.clear()

    def kill(self, p: Playing, code: int) -> None:
        """End a program by a signal; its wrapper writes down how."""
        if p in self.running:
            self._finish(p, code)

    def play(self) -> None:
        super().play()
        for p in list(self.orphans):
            p.act(self.clock.at)

    def next_step(self) -> datetime | None:
        everybody = (*self.playing.values(), *self.orphans)
        return min((p.steps[0][0] for p in everybody if p.steps), default=None)

    def _hung_up(self, p: Playing) -> None:
        if p not in self.running:
            p.stop()  # the wrapper had not claimed yet, or all is over
        elif self.role[p.session_id].deaf:
            self.orphans += [] if p in self.orphans else [p]
        else:
            self._finish(p, 129)

    def _wrapped(self, p: Playing) -> None:
        self.role[p.session_id] = role = self.roles(p.start.session)
        p.steps = [(self.clock.at + timedelta(seconds=role.delay), lambda: self._claimed(p))]
        self._has_next(p)

    def _act_of(self, p: Playing) -> Role:
        return self.role[p.session_id]

    def _claims(self, p: Playing) -> bool:
        claimed = super()._claims(p)
        if claimed:
            # The wrapper syncs the claim and its directory; that the directory is there at all nobody syncs.
            self.disk.unsynced[f"{p.home}/claim"] = (self.clock.at, None)
        return claimed

    def _claimed(self, p: Playing) -> None:
        count = len(self.started)
        super()._wrapped(p)
        p.steps += p.later  # all of them: what is left tells what a client shows
        if len(self.started) > count:
            self.running.append(p)
            self.ran(p)

    def _finish(self, p: Playing, code: int) -> None:
        self.running.remove(p)
        if p in self.orphans:
            self.orphans.remove(p)
        super()._finish(p, code)


class Client(RefusedHarness):
    """What clients at a terminal say of themselves: those of the roles that rest."""

    leave = "/exit"

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self.sessions = sessions
        self.reads = frozenset({"screen"})

    def report(self, evidence: Evidence, now: datetime) -> Report:
        del now
        p = self.sessions.playing.get(evidence.screen.partition(":")[0])
        role = self.sessions.role.get(p.session_id) if p is not None else None
        if p is None or role is None or not role.rests:
            return Report()
        if p.session_id in self.sessions.asking:
            return Report("waiting", "shows a dialog")
        if not p.steps:
            return Report("idle", "waits for a prompt")
        works = len(p.steps) == 1 and role.background
        return Report("busy", "background tasks run", background=True) if works else Report("busy", "works")


class Machine(MemoryMachine):
    """A machine whose processes are the programs of the sessions. TERM ends those that are not deaf, KILL all."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self.sessions = sessions

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        wanted = set(marks)
        return {p.mark: [p.pid] for p in self.sessions.running if p.mark in wanted}

    def signal(self, pids: Iterable[int], name: Literal["TERM", "KILL", "INT"]) -> None:
        wanted = set(pids)
        for p in [p for p in self.sessions.running if p.pid in wanted]:
            self.sessions.ended(p)
            if name == "KILL" or not self.sessions.role[p.session_id].deaf:
                self.sessions.kill(p, 137 if name == "KILL" else 143)

    def alive(self, pid: int) -> bool:
        return bool(self.sessions.playing) and pid == int(self.sessions.server.partition(":")[0])


class Scene(MemoryWorld):
    """A memory world whose every call is a point. `roles` gives how the next program of a session plays."""

    executor: type[Sessions] = Sessions
    computer: type[Machine] = Machine

    def __init__(self, crew: Crew, dice: random.Random, roles: Callable[[str], Role]) -> None:
        super().__init__()
        self.crew, self.dice = crew, dice
        self.kept: Callable[[int, int], int] = dice.randint  # bytes of a log that a power cut leaves, of those it may
        self.gone: Callable[[], bool] = lambda: dice.random() < 0.5  # whether it takes a file that it may take
        self.files = MemoryFiles(self.clock)
        self.logs: Logs = Logs(self.clock, crew, dice)
        self.parser = MemoryParser(self.files)
        self.git = MemoryGit(self.files)
        self.git.init("/plans")
        self.harness = RefusedHarness(self.reports)
        self.sessions: Sessions = self.executor(self.clock, self.files, roles, crew)
        self.machine: Machine = self.computer(self.sessions)
        for port, methods in POINTS.items():
            twin = getattr(self, port)
            for method in methods:
                setattr(twin, method, self._pointed(f"{port}.{method}", getattr(twin, method)))
        host = self.world().host(Plan(name=NAME, units=UnitsSpec()), "/plans", f"/state/{NAME}")
        self.known = Deployment(name=NAME, host=host)  # what the script was written with
        self.receivers = Receivers()
        deliver = self._tell
        self._deliver = self._pointed("deliver", deliver)  # type: ignore[method-assign] # a point as any other

    def _tell(self, target: WakeTarget, text: str, deployment: Deployment) -> Delivery:
        came = self.receivers.tell(target.name, text)
        return came if came.why else super()._deliver(target, text, deployment)

    def _pointed(self, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        crew = self.crew

        def calling(*args: Any, **kwargs: Any) -> Any:
            if crew.current is None:
                return call(*args, **kwargs)
            crew.point(what)
            before, crew.current = crew.current, None
            try:
                return call(*args, **kwargs)
            finally:
                crew.current = before

        return calling

    # --- what goes wrong ----------------------------------------------------------------------------------------

    def power_cut(self) -> None:
        """End everything at once; of what nobody synced only some bytes are there afterwards."""
        for actor in list(self.crew.actors):
            self.crew.kill(actor)
        for tape in self.logs.tapes.values():
            tape.data = tape.data[: self.kept(tape.synced, len(tape.data))]
            tape.synced = len(tape.data)
        self.files.lose(self.gone)
        self._boot()

    def reboot(self) -> None:
        """Shut down in good order and start anew."""
        for actor in list(self.crew.actors):
            self.crew.kill(actor)
        for tape in self.logs.tapes.values():
            tape.synced = len(tape.data)
        self.files.unsynced.clear()
        self._boot()

    def _boot(self) -> None:
        self.sessions.off()
        self.sleepers.jobs.clear()
        self.sessions.state = "up"
        self.clock.name = f"{int(self.clock.name) + 1:08}"
        self.clock.at += timedelta(minutes=self.dice.choice([1, 7, 90]))
        self.clock.seconds = self.dice.choice([1.0, 5000.0])

    # --- what check.sh does -------------------------------------------------------------------------------------

    def stale(self, argv: Sequence[str]) -> bool:
        """Return whether an alarm is of an old generation, and another lies ahead: the script ends then."""
        kept = self.files.held.get(f"/state/{NAME}/generation", (b"0",))[0]
        return len(argv) > 3 and int(argv[3]) < int(kept or b"0") and bool(self.alarms.jobs)

    def again(self) -> str:
        """Set an alarm in five minutes; return its job."""
        with self.crew.aside():
            argv, due = alarm.check_argv(self.known.host, "at"), self.clock.at + timedelta(minutes=5)
            return self.alarms.arm(alarm.marker(self.known), argv, due).job

    def ensured(self) -> None:
        """Set an alarm in five minutes unless one lies ahead."""
        with self.crew.aside():
            ahead = self.alarms.find(alarm.marker(self.known))
        if not ahead:
            self.again()

    def removed(self, job: str) -> None:
        """Take the alarm that the script has set out of the queue."""
        with self.crew.aside():
            self.alarms.disarm([job])
