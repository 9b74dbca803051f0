"""A deployment as the log records it, and the world that it was started in."""

from datetime import datetime
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from wakeman.core.digests import blake2b
from wakeman.core.model.intent import OpenIntent
from wakeman.core.model.plan import DEFAULT_EXECUTOR, Network, Plan, UnitsSpec
from wakeman.core.model.unit import FileFingerprint, Review, UnitState
from wakeman.core.model.worker import Validator, WorkerState

EDITION_PROGRESS_MIN = 3
"""Edition of the tables from which on work in the background is life, a worker is finished only at rest, and a rung is
taken again only once a unit was done."""
EDITION_LAUNCH_MIN = 4
"""Edition from which on an output counts only if it changed since the first launch for its unit."""
SHARED_BOOT = "anywhere"
"""Boot in the observations of a deployment that is live on several machines."""
Outcome = Literal["open", "complete", "partial", "stopped"]
"""`open`: not over; `complete`: every unit is done; `partial`: ended with units undone; `stopped`: ended by a
person."""


class Alarm(Struct, frozen=True, omit_defaults=True):
    """One armed alarm."""

    kind: str
    """Its timer: `at`; `slurm`, a job of the cluster; `sleep`, a process that sleeps, if these cannot be used; in older
    logs also a place's."""
    generation: int
    """Number of the alarm; only the latest one counts."""
    due: datetime
    """When it fires."""
    job: str = ""
    """Its number in the queue of `at`, or of Slurm; empty for a process that sleeps."""


class Confinement(Struct, frozen=True, omit_defaults=True):
    """How the kernel confines an attempt; determined once, by testing it."""

    way: str
    """What confines: `landlock+mounts`, with mounts over what is hidden; `landlock` without; `bwrap` for bubblewrap."""
    program: str
    """Absolute path of the program that applies the rules and then executes the worker's program."""
    words: str = ""
    """Description of it, with the version of its rules."""
    network: Network = "all"
    """What of the network it leaves."""


class Untold(Struct, frozen=True, omit_defaults=True):
    """A receiver of notices that the last notice did not reach."""

    why: str
    """Why, in words of the program or of Wakeman."""
    since: datetime
    """When the first notice in a row did not reach it."""
    times: int = 1
    """Notices in a row that did not reach it."""


class OwedNotice(Struct, frozen=True, omit_defaults=True):
    """A notice that did not reach all whom it is for, and is told again.

    Shape: `seq` is the line of its first intent, `since` when that was. `told` has the receivers that took it, `again`
    is when it is due. With `doubt` some delivery may have arrived without a sign of it.
    """

    seq: int
    text: str
    causes: tuple[str, ...]
    since: datetime
    again: datetime
    tries: int = 0
    told: tuple[str, ...] = ()
    doubt: bool = False


class RecordedProfile(Struct, frozen=True, omit_defaults=True):
    """What tells the profile that workers get from another; its text is among the plan's `agents`."""

    name: str
    """Its name."""
    digest: str
    """SHA-256 of the profile, in hex."""
    origin: str = ""
    """Where it was found: the path of a file; `plan`; `wakeman` for a built-in one."""


class Repository(Struct, frozen=True, omit_defaults=True):
    """The git repository of the workers' trees, as it was at `up`."""

    git: str
    """Absolute path of the git program."""
    top: str
    """Absolute path of the work tree that holds the plan."""
    common: str
    """Absolute path of its git directory, which all its trees share."""
    base: str
    """The commit that the workers' trees begin at."""
    prefix: str = ""
    """The plan's directory, relative to `top`."""
    branch: str = ""
    """Full name of the branch that `workers.base` named; empty for none."""


class Identity(Struct, frozen=True, omit_defaults=True):
    """Where and as whom a process runs: what another copy of the same state directory does not share."""

    machine: str = ""
    """Id of the machine (`/etc/machine-id`), or its host name where it has none."""
    uid: int = -1
    """Number of the user."""
    pid_namespace: int = 0
    """Number of the PID namespace, by which containers differ from their machine; 0 where there is none."""


class Host(Struct, frozen=True, omit_defaults=True):
    """The absolute world of a deployment, resolved once at `up`, so that a check from `at` sees the same."""

    root: str
    """The plan file's directory: paths of units are relative to it."""
    directory: str
    """The deployment's own directory in the state directory."""
    python: tuple[str, ...]
    """Program and arguments that run `wakeman` from anywhere."""
    env: dict[str, str] = {}
    """Variables that a worker and a check start with; nothing secret."""
    executor: str = DEFAULT_EXECUTOR
    """Executor that runs the workers; logs without one used the default."""
    place: dict[str, str] = {}
    """Where it runs them, as keys of the executor's own. In older logs they are among the other fields."""
    headless: bool = False
    """Whether its workers' sessions have no terminal, so that nobody can attach. Older logs do not say."""
    memory_per_worker: int = 0
    """Bytes of memory that one worker's client needs; 0 if that is not known."""
    confinement: Confinement | None = None
    """What confines the workers, with `workers.confine`."""
    repository: Repository | None = None
    """The git repository, with `workers.isolate`."""
    identity: Identity | None = None
    """Machine, user and PID namespace of `up`, or of who adopted the deployment. Logs of before have none."""
    root_id: str = ""
    """What tells `root` from another directory in its place, as `INODE:DEVICE@BOOT`: nobody is launched in another.
    Empty in older logs."""
    versions: dict[str, str] = {}
    """Versions of the clients at `up`, by harness: what a screen shows depends on them. Empty in older logs."""
    anywhere: bool = False
    """Whether it is live on each machine of its user that shares its directory, not on that of `up` alone: its alarms
    are jobs of a cluster. Its observations have the wall clock as `mono`, which machines have in common."""


def attempt_id(d: "Deployment", worker: WorkerState) -> str:
    """Return the id of a worker's attempt: in its environment, on its session.

    Boundary: never reused, neither across boots, nor by a later deployment of the same name, nor by one of that name in
    another state directory.
    """
    born = int(d.started.timestamp()) if d.started is not None else 0
    return f"{d.name}/{worker.name}/{worker.attempt}@{worker.boot}.{born:x}.{_place_digest(d.host.directory)}"


@lru_cache(maxsize=16)
def _place_digest(directory: str) -> str:
    return blake2b(directory.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()


class Deployment(Struct, omit_defaults=True, dict=True):
    """The state of a deployment, all events applied. Changed by `apply` alone.

    Shape: beside its fields, which a snapshot has, it keeps the lists that `unsettled` and `begun` return.
    """

    name: str = ""
    digest: str = ""
    agreed: tuple[str, ...] = ()  # what a person agreed to for its plan
    redoes: str = ""  # the deployment whose undone units these are
    edition: int = 0  # of the tables that judge this log
    profiles: dict[str, str] = {}  # name -> digest of the profile that attempts get; older logs have none
    plan: Plan = Plan(name="", units=UnitsSpec())  # the first line of every log fills in these two
    reviewing: Plan | None = None  # `plan` as it holds for reviewers, from the enrolment of the first on
    host: Host = Host(root="/", directory="", python=())
    outcome: Outcome = "open"
    started: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    units: dict[str, UnitState] = {}
    workers: dict[str, WorkerState] = {}
    before: dict[str, FileFingerprint] = {}  # outputs that existed before the launch
    links: dict[str, str] | None = None  # symlinks above outputs, and where they led then; None: nobody has looked
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
    quick_looks: int = 0  # looks by the timer in a row before which nothing was done
    paused_at: datetime | None = None
    counted: float = 0.0  # seconds towards give_up: awake, on one boot, not paused, not with everybody limited
    resting: bool = False  # paused at the last look
    down: str = ""  # why a person ends the deployment
    holds: int = 0  # rows proposed so far
    held: str = ""  # the row proposed and waiting for `accept`
    held_at: datetime | None = None  # when it was proposed
    accepted: str = ""
    row: str = ""  # the last deployment row taken
    row_why: str = ""
    row_at: datetime | None = None  # when that was decided
    barred: str = ""  # why no launch is tried until a person says `unpause`: a key that was refused
    keys: str = ""  # fingerprint of what holds the keys, as the last look saw it; "" while nobody asked
    barred_keys: str = ""  # the same when launches were barred
    outage: str = ""  # why the service is unavailable; "" while it is not
    outage_tries: int = 0  # times in a row that it did not answer
    outage_until: datetime | None = None  # when one worker tries again
    probe: str = ""  # the worker that tries whether the service answers; "" for none
    probed: str = ""  # the last that tried
    probe_mono: float = 0.0  # when it began
    window: int = 0  # workers that may be at work, with `limits.adapt`; 0 before the first launch
    narrowed: int = 0  # seq of the line at which the window was halved last; 0 for never
    widened_mono: float = 0.0  # since when time without a refusal counts towards its growth
    asking: dict[str, float] = {}  # workers that ask the service for something since `mono`, and have no answer yet
    rows: dict[str, int] = {}
    woken: dict[str, datetime] = {}  # cause -> when the orchestrator last heard of it
    untold: dict[str, Untold] = {}  # receivers that the last notice did not reach, by name; "" for some of them
    outbox: dict[int, OwedNotice] = {}  # by the line of the first intent: notices that are told again
    intents: dict[int, OpenIntent] = {}  # by seq: what was begun and is not settled
    sampled: tuple[str, ...] = ()
    reviews: dict[str, Review] = {}  # by the unit of a reviewer, which is none of the plan's
    moved: dict[str, str] = {}
    last_launch: float = -1e18  # mono of the last launch
    failed_launches: int = 0  # in a row
    met: bool = False  # a worker has met a usage limit; until then none is searched for
    restless: dict[str, None] = {}  # workers of whom a look counts something: unknown, idle, silent, being launched
    validators: tuple[Validator, ...] = ()  # as the last look saw them
    trespassed: dict[str, datetime] = {}  # path -> when it was written by whom it must not
    trespass: str = ""  # the last one, in words
    full: str = ""  # why nothing more is launched: the log's disk is full
    in_question: dict[str, None] | None = None  # workers of whom something may have to be decided; None: nobody counts
    pending: dict[str, None] = {}  # of the others, those of whom only the launch has to be decided
    steady: dict[str, None] = {}  # and those that run on, of whom only their silence has to be
    silent_mono: float = 0.0  # mono from which on one of these may be silent
    undone: int = 0  # units that are not done, reviewers' verdicts left out, while somebody counts
    scattered: bool = False  # units do not stand in the order of their workers: some were moved, or added to a worker

    @property
    def unsettled(self) -> list[WorkerState]:
        """List the workers of whom something may have to be decided, other than the launch or their silence, in the
        order of enrolment: all, where nobody counts.

        Cost: a check asks twenty times, and few facts change it: it is made anew after those.
        """
        if self.in_question is None:
            return list(self.workers.values())
        known: list[WorkerState] | None = self.__dict__.get("unsettled")
        if known is None:
            known = self.__dict__["unsettled"] = [self.workers[name] for name in self.in_question]
        return known

    @property
    def begun(self) -> list[WorkerState]:
        """List the workers that a look is about: those of `unsettled`, and those that run on; in the same order."""
        if not self.steady:
            return self.unsettled
        known: list[WorkerState] | None = self.__dict__.get("begun")
        if known is None:
            found = [*self.unsettled, *(self.workers[name] for name in self.steady)]
            known = self.__dict__["begun"] = sorted(found, key=lambda worker: worker.number)
        return known

    def resettle(self) -> None:
        """Have `unsettled` and `begun` made anew: who is in question has changed."""
        self.__dict__.pop("unsettled", None)
        self.__dict__.pop("begun", None)

    @property
    def at_work(self) -> int:
        """Count the workers that may be asking the service: being launched, alive and not stuck, or told to go on."""
        others = (w for w in self.unsettled if w.intent or w.state in ("launched", "running") or w.name in self.asking)
        return len(self.steady) + sum(1 for _ in others)

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
        """Return the plan that applies to a worker: the plan itself for those that make units, a reviewer's own for
        others."""
        return self.reviewing if worker.review and self.reviewing is not None else self.plan
