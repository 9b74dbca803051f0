"""A deployment as the log tells it, and the world that it was started in."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from wakeman.core.model.intent import OpenIntent
from wakeman.core.model.plan import Plan, UnitsSpec
from wakeman.core.model.unit import FileFingerprint, Review, UnitState
from wakeman.core.model.worker import Validator, WorkerState

Outcome = Literal["open", "complete", "partial", "stopped"]


class Alarm(Struct, frozen=True, omit_defaults=True):
    """One armed alarm. `job` is the `at` job number, or "" for the tmux timer; `due` is aware UTC."""

    kind: Literal["at", "tmux"]
    generation: int
    due: datetime
    job: str = ""


class Confinement(Struct, frozen=True, omit_defaults=True):
    """How the kernel is told what an attempt may write: found once, by trying it."""

    way: str  # its name in the table of ways
    program: str  # absolute path of what applies it and then becomes the worker's program
    words: str = ""  # the way, with the version of its rules


class Repository(Struct, frozen=True, omit_defaults=True):
    """The git repository that workers get trees of, as it was at `up`."""

    git: str  # absolute path of the git program
    top: str  # absolute path of the work tree that holds the plan
    common: str  # absolute path of its git directory, which all its trees share
    base: str  # the commit that trees begin at
    prefix: str = ""  # the plan's directory, relative to `top`
    branch: str = ""  # full name of the branch that `workers.base` named; "" for none


class Host(Struct, frozen=True, omit_defaults=True):
    """The absolute world of a deployment, resolved once at `up`, so that a check from `at` sees the same."""

    root: str  # the plan file's directory: paths of units are relative to it
    directory: str  # the deployment's own directory under state/
    socket: str  # absolute path of the tmux socket
    tmux: str  # absolute path of the tmux program
    python: tuple[str, ...]  # argument vector that runs `wakeman` from anywhere
    env: dict[str, str] = {}  # what a worker and a check start with; nothing secret
    memory_per_worker: int = 0
    confinement: Confinement | None = None  # where the plan confines its workers
    repository: Repository | None = None  # with `workers.isolate`


def attempt_id(d: Deployment, worker: WorkerState) -> str:
    """Give the id of a worker's attempt: in its environment, on its session.

    Boundary: never used twice, not across boots, nor by a later deployment of a name that was cleaned away, nor by
    one of that name in another state directory.
    """
    born = int(d.started.timestamp()) if d.started is not None else 0
    place = blake2b(d.host.directory.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{d.name}/{worker.name}/{worker.attempt}@{worker.boot}.{born:x}.{place}"


class Deployment(Struct):
    """Everything that the log tells, folded. Changed by `fold` alone."""

    name: str = ""
    digest: str = ""
    edition: int = 0  # of the tables that judge this log
    plan: Plan = Plan(name="", units=UnitsSpec())  # the first line of every log fills in these two
    reviewing: Plan | None = None  # `plan` as it holds for reviewers, from the enrolment of the first on
    host: Host = Host(root="/", directory="", socket="", tmux="", python=())
    outcome: Outcome = "open"
    started: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    units: dict[str, UnitState] = {}
    workers: dict[str, WorkerState] = {}
    before: dict[str, FileFingerprint] = {}  # outputs that existed before the launch
    alarm: Alarm | None = None
    generation: int = 0
    seq: int = 0
    at: datetime | None = None
    hash: str = ""
    looked: int = 0  # seq of the last look
    looked_at: datetime | None = None
    mono: float = 0.0
    boot: str = ""
    memory: int = 0
    server: str = ""
    gained: int = 0  # units that the look under way found newly done
    idle_looks: int = 0  # alarms in a row without progress: the pace slows after two
    paused_at: datetime | None = None
    counted: float = 0.0  # seconds towards give_up: awake, on one boot, not paused, not with everybody limited
    resting: bool = False  # paused at the last look
    down: str = ""  # why a person ends the deployment
    holds: int = 0  # rows proposed so far
    held: str = ""  # the row proposed and waiting for `accept`
    accepted: str = ""
    row: str = ""  # the last deployment row taken
    row_why: str = ""
    barred: str = ""  # why no launch is tried until a person says `unpause`: a key that was refused
    rows: dict[str, int] = {}
    woken: dict[str, datetime] = {}  # cause -> when the orchestrator last heard of it
    intents: dict[int, OpenIntent] = {}  # by seq: what was begun and is not settled
    sampled: tuple[str, ...] = ()
    reviews: dict[str, Review] = {}  # by the unit of a reviewer, which is none of the plan's
    moved: dict[str, str] = {}
    last_launch: float = -1e18  # mono of the last launch
    failed_launches: int = 0  # in a row
    met: bool = False  # somebody has met a usage limit; until then nobody has to look for one
    restless: dict[str, None] = {}  # workers of whom a look counts something: unknown, idle, silent, being launched
    validators: tuple[Validator, ...] = ()  # as the last look saw them
    trespassed: dict[str, datetime] = {}  # path -> when it was written by whom it must not
    trespass: str = ""  # the last one, in words
    full: str = ""  # why nothing more is launched: the disk that the log stands on is full

    @property
    def wakes(self) -> dict[int, OpenIntent]:
        """Return the notices that are owed, by seq."""
        return {seq: intent for seq, intent in self.intents.items() if intent.action == "wake"}

    @property
    def promoting(self) -> dict[int, OpenIntent]:
        """Return the promotions that are not settled, by seq: each is tried until it is."""
        return {seq: intent for seq, intent in self.intents.items() if intent.action in ("install", "commit")}

    def prompt_of(self, worker: WorkerState) -> OpenIntent | None:
        """Return the text on its way into a worker's session; None where there is none."""
        return self.intents.get(worker.prompt)

    def plan_of(self, worker: WorkerState) -> Plan:
        """Return the plan that holds for a worker: as it stands for those that make units, a reviewer's own."""
        return self.reviewing if worker.review and self.reviewing is not None else self.plan
