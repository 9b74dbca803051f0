"""A queue of nodes in memory: jobs wait in it, run in slots, and are lost with their node."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Literal, NamedTuple

from msgspec.structs import replace

from wakeman.core.queueing import QueueModel, QueueUse, Spread

Turn = Literal["begins", "lost", "timed out"]
"""What the queue does to a job."""


@dataclass(eq=False)
class QueuedJob:
    """A job of a session. `node` is the one that it runs on; None before and after."""

    session: str
    at: datetime  # since when it waits, or runs
    node: Node | None = None
    over: bool = False


@dataclass(eq=False)
class Node:
    """A node: the jobs on it, in the order in which they began, and since when it has any.

    Shape: `lives` counts its failures, so that a slot of an earlier life is not given away.
    """

    number: int
    lives: int = 0
    jobs: dict[QueuedJob, None] = field(default_factory=dict)
    since: datetime | None = None


class _Due(NamedTuple):
    """Something that happens at a time; of several at one time, in the order in which they became known."""

    at: datetime
    number: int
    what: Literal["ready", "over", "fails", "is back"]
    whose: QueuedJob | Node


class SimulatedQueue:
    """The jobs of one deployment. First come, first served; a node is filled before the next gets a job.

    Shape: a job waits as long as `model.wait` says, then for a slot. Nodes fail whether or not they have a job.
    Cost: the logarithm of what is under way, for each job and each failure.
    """

    def __init__(self, model: QueueModel, began: datetime) -> None:
        self.model = model
        self._count = count()
        self._due: list[_Due] = []
        self._ready: deque[QueuedJob] = deque()
        self._free: list[tuple[int, int, Node]] = []  # a heap with an entry for each free slot: node, its life
        self._tries: dict[str, int] = {}
        self._running: dict[QueuedJob, None] = {}
        self._use = QueueUse()
        for number in range(model.nodes):
            self._offer(Node(number), began)

    def submit(self, session: str, now: datetime) -> QueuedJob:
        """Queue a job."""
        tries = self._tries[session] = self._tries.get(session, 0) + 1
        job = QueuedJob(session, now)
        wait = self.model.wait.drawn(self.model.seed, f"wait/{session}/{tries}")
        self._push(now + timedelta(seconds=wait), "ready", job)
        return job

    def leave(self, job: QueuedJob, now: datetime) -> None:
        """Let a job go: it has ended, or was cancelled. Repeatable: yes."""
        node, job.over = job.node, True
        if node is None:
            return
        self._vacate(job, node, now)
        heappush(self._free, (node.number, node.lives, node))

    def next_event(self, now: datetime) -> datetime | None:
        """Return when something happens next by itself."""
        if self._ready and self._has_slot():
            return now
        while self._due and self._due[0].what in ("ready", "over") and _has_left(self._due[0].whose):
            heappop(self._due)
        return self._due[0].at if self._due else None

    def play(self, now: datetime) -> list[tuple[QueuedJob, Turn]]:
        """Have happen what is due; return what becomes of jobs, in order."""
        turns: list[tuple[QueuedJob, Turn]] = []
        while self._due and self._due[0].at <= now:
            turns += self._happens(heappop(self._due), now)
        while self._ready and (self._ready[0].over or self._has_slot()):
            job = self._ready.popleft()
            if not job.over:
                self._begin(job, now)
                turns.append((job, "begins"))
        return turns

    def use(self, now: datetime) -> QueueUse:
        """Return what was used until now."""
        nodes = {job.node: job.node.since or now for job in self._running if job.node is not None}
        used = replace(self._use)
        used.node_time += sum((now - since).total_seconds() for since in nodes.values())
        used.slot_time += sum((now - job.at).total_seconds() for job in self._running)
        return used

    def _happens(self, due: _Due, now: datetime) -> list[tuple[QueuedJob, Turn]]:
        match due.whose:
            case QueuedJob() as job if job.over:
                return []
            case QueuedJob() as job if due.what == "ready":
                self._ready.append(job)
                return []
            case QueuedJob() as job:
                self._use.timed_out += 1
                self.leave(job, now)
                return [(job, "timed out")]
            case Node() as node if due.what == "fails":
                return self._fail(node, now)
            case node:
                self._offer(node, now)
                return []

    def _begin(self, job: QueuedJob, now: datetime) -> None:
        _, _, node = heappop(self._free)
        self._use.begun += 1
        self._use.waited += (now - job.at).total_seconds()
        job.at, job.node = now, node
        node.since = node.since or now
        node.jobs[job] = self._running[job] = None
        if self.model.longest:
            self._push(now + timedelta(seconds=self.model.longest), "over", job)

    def _vacate(self, job: QueuedJob, node: Node, now: datetime) -> None:
        """Take a job off its node."""
        del node.jobs[job], self._running[job]
        job.node = None
        self._use.slot_time += (now - job.at).total_seconds()
        if not node.jobs and node.since is not None:
            self._use.node_time += (now - node.since).total_seconds()
            node.since = None

    def _fail(self, node: Node, now: datetime) -> list[tuple[QueuedJob, Turn]]:
        """Have a node fail with all its jobs."""
        node.lives += 1
        lost = list(node.jobs)
        for job in lost:
            job.over = True
            self._vacate(job, node, now)
        self._use.lost += len(lost)
        self._push(now + timedelta(seconds=self.model.repair), "is back", node)
        return [(job, "lost") for job in lost]

    def _offer(self, node: Node, now: datetime) -> None:
        """Offer a node's slots, and have it fail in time."""
        for _ in range(self.model.slots):
            heappush(self._free, (node.number, node.lives, node))
        if self.model.fails:
            spread = Spread(self.model.fails, exponential=True)
            left = spread.drawn(self.model.seed, f"node/{node.number}/{node.lives}")
            self._push(now + timedelta(seconds=left), "fails", node)

    def _has_slot(self) -> bool:
        while self._free and self._free[0][1] != self._free[0][2].lives:
            heappop(self._free)
        return bool(self._free)

    def _push(self, at: datetime, what: Literal["ready", "over", "fails", "is back"], whose: QueuedJob | Node) -> None:
        heappush(self._due, _Due(at, next(self._count), what, whose))


def _has_left(whose: QueuedJob | Node) -> bool:
    return isinstance(whose, QueuedJob) and whose.over
