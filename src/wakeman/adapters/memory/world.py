"""A complete memory world, whose clock jumps from event to event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from wakeman.adapters.memory.clock import MemoryClock, MemoryCommonClock
from wakeman.adapters.memory.confine import MemoryConfiner
from wakeman.adapters.memory.disk import MemoryFiles
from wakeman.adapters.memory.git import MemoryGit
from wakeman.adapters.memory.logs import MemoryLogs
from wakeman.adapters.memory.machine import MemoryMachine, MemoryTimer
from wakeman.adapters.memory.parser import MemoryParser
from wakeman.adapters.memory.queue import SimulatedQueue
from wakeman.adapters.memory.registry import MemoryRegistry
from wakeman.adapters.memory.sessions import Act, MemoryHarness, MemorySessions
from wakeman.adapters.memory.watch import MemoryWatcher
from wakeman.core.model import Agent, Deployment, Host, Plan, WakeTarget
from wakeman.core.queueing import QueueModel, QueueUse
from wakeman.ports import (
    ClientVersion,
    Common,
    Delivery,
    DialogReader,
    FoundProfiles,
    Harness,
    Heard,
    KeyedTerminal,
    NodeTrial,
    Pressing,
    Report,
    Terminal,
    World,
)


@dataclass
class MemoryWorld:
    """A memory world with a clock that `run` moves from event to event.

    Shape: `push` says whether a worker's end starts a check at once; `reports` are what the harness reads, by session
    name; `delivered` are the notices that were sent, and `said` what the topic of answers has. With a `queue`, sessions
    are jobs of one like that. With `anywhere` deployments are live on several machines, and `jobs` has their
    alarms.
    """

    acts: dict[str, Act] = field(default_factory=dict)
    usual: Act = field(default_factory=Act)  # the act of workers that `acts` does not name
    push: bool = True
    clock: MemoryClock = field(default_factory=MemoryClock)
    reports: dict[str, Report] = field(default_factory=dict)
    delivered: list[tuple[datetime, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    agents: dict[str, Agent] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of clients, by harness; a client that is not named here says none."""
    queue: QueueModel | None = None
    anywhere: bool = False

    def __post_init__(self) -> None:
        self.files = MemoryFiles(self.clock)
        self.machine = MemoryMachine()
        self.confiner = MemoryConfiner()
        self.parser = MemoryParser(self.files)
        self.git = MemoryGit(self.files)
        self.alarms = MemoryTimer()
        self.sleepers = MemoryTimer(name="sleep", exact=True)
        self.jobs = MemoryTimer(name="slurm", exact=True)
        self.logs = MemoryLogs(self.clock)
        self.registry = MemoryRegistry()
        self.harness = MemoryHarness(self.reports)
        self.watcher = MemoryWatcher(self.files, self.clock.advance)
        queue = SimulatedQueue(self.queue, self.clock.at) if self.queue is not None else None
        self.sessions = MemorySessions(self.clock, self.files, lambda name: self.acts.get(name, self.usual), queue)

    def world(self, by: str = "hand:1") -> World:
        """Return the world as a process called by `by` sees it."""
        return World(
            clock=self.clock,
            logs=self.logs,
            logs_in=lambda state: self.logs if state == "/state" else MemoryLogs(self.clock),
            registry=self.registry,
            timer=self.alarms,
            stand_in=self.sleepers,
            common=lambda _: Common(MemoryCommonClock(self.clock), self.jobs, lambda _: NodeTrial()),
            files=self.files,
            machine=self.machine,
            executor=lambda _: self.sessions,
            harness=self._harness,
            watcher=lambda: self.watcher,
            confiner=lambda: self.confiner,
            parser=lambda: self.parser,
            git=lambda: self.git,
            host=self._host,
            agents=lambda plan, _: FoundProfiles({**self.agents, **plan.agents}, dict.fromkeys(plan.agents, "plan")),
            clients=lambda plan: tuple(
                ClientVersion(plan.workers.harness, one) for one in (self.versions.get(plan.workers.harness),) if one
            ),
            wrapper=lambda: b"",
            keeper=lambda: b"",
            hook=lambda: b"",
            guard=lambda: b"",
            checker=lambda: b"",
            deliver=self._deliver,
            hear=self._hear,
            other=lambda tmux: (self.sessions, tmux),
            reaches=lambda *_: "",
            type_text=self._type_text,
            press=self._press,
            state="/state",
            by=by,
        )

    def run(self, check: Callable[[World, str], object], until: Callable[[], bool], seconds: float = 86400.0) -> None:
        """Run events in order until `until` is true, no event is left, or the time is over.

        Shape: `check` gets a world whose `by` names the cause, and the alarm's checkpoint.
        """
        end = self.clock.at + timedelta(seconds=seconds)
        while not until():
            at = min(self._pending(), default=None)
            if at is None or at > end:
                self.clock.advance((end - self.clock.at).total_seconds())
                return
            self.clock.advance(max(0.0, (at - self.clock.at).total_seconds()))
            self.sessions.play()
            self._fire(check)

    def queue_use(self) -> QueueUse:
        """Return what was used of the queue until now; nothing where there is none."""
        return self.sessions.queue.use(self.clock.at) if self.sessions.queue is not None else QueueUse()

    def let_go(self) -> None:
        """Let go of the deployments; the lines of logs stay."""
        self.logs.let_go()

    def _pending(self) -> Iterator[datetime]:
        if self.push and self.sessions.pushes:
            yield self.clock.at
        yield from (job.due for timer in self._timers() for job, _ in timer.jobs.values())
        step = self.sessions.next_step()
        if step is not None:
            yield step

    def _fire(self, check: Callable[[World, str], object]) -> None:
        now = self.clock.at
        calls = [argv for argv in self.sessions.pushes if self.push]
        self.sessions.pushes.clear()
        for timer in self._timers():
            due = [job for job, _ in timer.jobs.values() if job.due <= now]
            calls += [timer.jobs.pop(job.job)[1] for job in due]
        for argv in calls:
            if len(argv) > 3 and self._stale(argv[1], int(argv[3])):
                continue
            check(self.world(f"{argv[2]}:1"), argv[4] if len(argv) > 4 else "")

    def _timers(self) -> tuple[MemoryTimer, ...]:
        return self.alarms, self.sleepers, self.jobs

    def _host(self, plan: Plan, root: str, directory: str) -> Host:
        confinement = (
            self.confiner.choose({}, plan.workers.confine_network) if plan.workers.confine == "units" else None
        )
        return Host(
            root=root,
            directory=directory,
            executor=plan.workers.executor,
            place={"socket": "/memory", "tmux": "tmux"},
            python=("wakeman",),
            confinement=confinement,
            anywhere=self.anywhere or (plan.workers.executor == "slurm" and plan.slurm.alarm == "job"),
        )

    def _stale(self, script: str, generation: int) -> bool:
        """Return whether `check.sh` would end at once: its alarm is outdated, and another is pending."""
        file = script.rpartition("/")[0] + "/generation"
        latest = self.files.read(file) if self.files.marks([file]) else b"0"
        return generation < int(latest) and bool(self.alarms.jobs or self.jobs.jobs)

    def _harness(self, name: str) -> Harness:
        del name
        return self.harness

    def _type_text(self, terminal: Terminal, session: str, mark: str, text: str, submit: bool, force: bool) -> str:
        if not force and not terminal.capture(session, mark=mark).endswith("❯"):
            return "not idle"
        terminal.type(session, text, submit=submit, mark=mark)
        return ""

    def _press(self, terminal: Terminal, session: str, mark: str, reader: DialogReader, pressing: Pressing) -> str:
        shown = reader.dialog(terminal.capture(session, mark=mark))
        if not isinstance(terminal, KeyedTerminal) or shown is None or shown.dialog.seen != pressing.seen:
            return "its screen shows something else now: nothing was pressed"
        terminal.press(session, tuple(str(choice + 1) for choice in pressing.choices), mark=mark)
        return ""

    def _hear(self, target: WakeTarget, since: str, deployment: Deployment) -> Heard:
        """Read what was said there; `since` counts messages once one was read."""
        del target, deployment
        before = int(since.removeprefix("m")) if since.startswith("m") else 0
        return Heard(
            messages=tuple(self.said[before:]), since=f"m{len(self.said)}" if self.said[before:] else "", key=b"k"
        )

    def _deliver(self, target: WakeTarget, text: str, deployment: Deployment) -> Delivery:
        del target, deployment
        self.delivered.append((self.clock.at, text))
        return Delivery()
