"""The nouns: plan, unit, worker, sighting, verdict, deployment. Structs only; nothing here decides."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

State = Literal["pending", "launched", "running", "stuck", "exited", "verified"]
Trigger = Literal["launched", "started", "stalled", "recovered", "exited", "relaunched", "verified"]
Outcome = Literal["open", "complete", "partial", "stopped"]
Reason = Literal["waiting", "limited", "error", "silent"]
Session = Literal["queued", "running", "exited", "killed", "lost", "absent", "unknown"]
Activity = Literal["busy", "idle", "waiting", "limited", "error", "unknown"]
EndedBy = Literal["", "itself", "wakeman", "person", "limit", "machine", "launch"]
Rung = Literal["capture", "nudge", "wait", "restart", "ask", "sweep"]
WakeRow = Literal["ask", "clean up", "wrap up", "give up", "check"]
Pace = Literal["simple", "complex", "long"]
Fault = Literal["", "auth"]

Seconds = Annotated[
    float,
    Meta(ge=0, description="a number of seconds, or '90s', '5m', '2h', '1d'", extra={"unit": "seconds"}),
]
Bytes = Annotated[int, Meta(ge=0, description="a number of bytes, or '512K', '1G'", extra={"unit": "bytes"})]
Count = Annotated[int, Meta(ge=1)]

PACES: dict[Pace, tuple[float, float]] = {
    "simple": (180.0, 300.0),
    "complex": (300.0, 600.0),
    "long": (600.0, 900.0),
}
"""Seconds between alarms: first, and after two checks without progress. Source: the playbook's guidance."""


class Spec(Struct, frozen=True):
    """Base of the plan file's tables. Defaults are written out: a log keeps the policy it ran under."""


class UnitsSpec(Spec, frozen=True):
    """Where units come from: exactly one of glob, items, file, command, matrix."""

    glob: str | tuple[str, ...] | None = None
    items: tuple[str | dict[str, str], ...] | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None
    matrix: dict[str, tuple[str, ...]] | None = None
    exclude: tuple[str, ...] = ()
    output: str | tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    limit: Count | None = None


class WorkersSpec(Spec, frozen=True):
    """How units are shared out, and how each share's agent is started."""

    by: str = "{{ unit }}"
    max_units: Count | None = None
    name: str = "{{ group.name }}"
    agent: str | None = None
    harness: str = "command"
    mode: Literal["print", "interactive"] = "print"
    auto_approve: Literal[False, "edits", "all"] = False
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    prompt: str = ""
    prompt_file: str | None = None
    stagger: Seconds = 2.0
    at_once: Count | None = None
    env: dict[str, str] = {}
    env_from: tuple[str, ...] = ()
    env_file: str | None = None
    redact: tuple[str, ...] | None = None
    before: tuple[tuple[str, ...], ...] = ()
    socket: str = "wakeman"
    cwd: str = "."
    confine: Literal["off", "units"] = "off"
    confine_also: tuple[str, ...] = ()
    stage: bool = False
    isolate: Literal["none", "worktree"] = "none"
    base: str = "HEAD"
    setup: tuple[tuple[str, ...], ...] = ()
    commit: bool = True

    @property
    def aside(self) -> bool:
        """Tell whether outputs are made somewhere else first, and taken over once they pass."""
        return self.stage or self.isolate == "worktree"


class WakeTarget(Spec, frozen=True):
    """One receiver of notices: an argument list to run, or a tmux session to type into."""

    run: tuple[str, ...] = ()
    tmux: str = ""
    submit: bool = True
    force: bool = False
    timeout: Seconds = 20.0


class WakeSpec(Spec, frozen=True):
    """When the alarm fires and what the orchestrator hears."""

    every: Seconds | Pace = 300.0
    on: tuple[WakeRow, ...] = ("ask", "wrap up", "give up")
    remind: Seconds = 1800.0
    to: tuple[WakeTarget, ...] = ()
    hold: bool = False


class StuckSpec(Spec, frozen=True):
    """When a worker counts as stuck, and the ladder that is climbed for each reason, one rung a check.

    Shape: an attempt that ended badly is followed by the next after `backoff`, give or take half of it; each further
    one waits twice as long, five minutes at most.
    """

    after: Seconds = 600.0
    attempts: Count = 2
    backoff: Seconds = 10.0
    waiting: tuple[Rung, ...] = ("capture", "ask")
    limited: tuple[Rung, ...] = ("wait",)
    error: tuple[Rung, ...] = ("capture", "restart", "ask")
    silent: tuple[Rung, ...] = ("capture", "nudge", "ask")


class ReviewSpec(Spec, frozen=True):
    """How an agent reviews outputs before the wrap-up: which, how often, and how the reviewer is started.

    Shape: one reviewer gets `max_units` units at most; `rounds` is how often one unit is reviewed at most. `harness`
    is `command` where a command is given, or else that of the workers, whose `args` it then has, too, unless it has
    its own; an empty `prompt` is the one that comes along.
    """

    of: Literal["sample", "all"] = "sample"
    rounds: Count = 3
    max_units: Annotated[int, Meta(ge=1, le=100)] = 20
    harness: str | None = None
    auto_approve: Literal[False, "edits", "all"] = "edits"
    command: tuple[str, ...] = ()
    args: tuple[str, ...] | None = None
    prompt: str = ""


class VerifySpec(Spec, frozen=True):
    """What makes an output good. `max_ratio` is output bytes over input bytes, for units with an input.

    Shape: with `agent`, a profile, or a command in `review`, an agent reviews the sample, or all, before the wrap-up.
    """

    fresh: Literal["changed", "newer", "exists"] = "changed"
    min_bytes: Bytes = 1
    max_ratio: Annotated[float, Meta(gt=0)] | None = None
    parse: Literal["yaml", "json", "toml", "none"] = "none"
    command: tuple[str, ...] = ()
    timeout: Seconds = 120.0
    sample: Annotated[int, Meta(ge=0)] = 0
    agent: str | None = None
    review: ReviewSpec = ReviewSpec()


class SweepSpec(Spec, frozen=True):
    """Sessions that workers start: name pattern (fnmatch), and the age at which those with our mark are ended."""

    sessions: str
    older_than: Seconds = 600.0


class MoveSpec(Spec, frozen=True):
    """A file moved when its worker is verified; both sides are templates of the worker's names."""

    from_: str = field(name="from")
    to: str


class CleanupSpec(Spec, frozen=True):
    """What happens with units left undone, and with what a deployment leaves lying about."""

    rounds: Annotated[int, Meta(ge=0)] = 2
    when: Literal["each", "all"] = "each"
    sweep: tuple[SweepSpec, ...] = ()
    move: tuple[MoveSpec, ...] = ()


class LimitsSpec(Spec, frozen=True):
    """Bounds on the whole deployment. `memory` is the free memory wanted before each launch.

    Shape: beyond `max_cost` (US dollars) or `max_tokens`, as far as clients report them, nobody is launched; with
    `wait` nobody is launched while a usage limit that one has met has not reset. Beyond a bound, `over` leaves those at
    work alone, or stops them.
    """

    give_up: Seconds = 21600.0
    give_up_do: Literal["leave", "stop"] = "leave"
    memory: Bytes = 0
    max_cost: Annotated[float, Meta(gt=0)] | None = None
    max_tokens: Count | None = None
    over: Literal["leave", "stop"] = "leave"
    wait: bool = True


class WatchSpec(Spec, frozen=True):
    """What `wakeman watch` makes of files that are written where they must not be.

    Shape: `roots` are directories that are watched besides those in which units have their places; in the patterns
    of `ignore`, relative to the plan file, `*` stands for `/` too.
    """

    conflicts: Literal["ignore", "warn", "stop"] = "warn"
    roots: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class Agent(Spec, frozen=True):
    """A profile: what an agent is told and may use. Source: `~/.claude/agents.json`, or `[agents.NAME]`."""

    description: str
    prompt: str
    tools: tuple[str, ...] | None = None
    model: str | None = None


class Plan(Spec, frozen=True):
    """A whole plan file, defaults filled in; the same struct is the schema and what `planned` records."""

    name: str
    units: UnitsSpec
    goal: str = ""
    workers: WorkersSpec = WorkersSpec()
    wake: WakeSpec = WakeSpec()
    stuck: StuckSpec = StuckSpec()
    verify: VerifySpec = VerifySpec()
    cleanup: CleanupSpec = CleanupSpec()
    limits: LimitsSpec = LimitsSpec()
    watch: WatchSpec = WatchSpec()
    agents: dict[str, Agent] = {}


class Unit(Struct, frozen=True, omit_defaults=True):
    """The smallest piece of work. Paths are relative to the deployment's root, or absolute."""

    name: str
    outputs: tuple[str, ...]
    input: str | None = None
    writes: tuple[str, ...] = ()
    names: dict[str, str] = {}  # what a template of this unit may use besides (path, parent, stem, matrix keys)


class Share(Struct, frozen=True, omit_defaults=True):
    """The units that one worker is to do. `name` is safe for tmux and unique in the deployment."""

    name: str
    key: str
    units: tuple[Unit, ...]


class FileMark(Struct, frozen=True, omit_defaults=True, array_like=True):
    """A file's identity: equal marks mean the same content, so a verdict stands."""

    path: str
    size: int
    mtime_ns: int
    inode: int = 0


class Rejection(Struct, frozen=True):
    """A unit that a reviewer does not accept, and its words for that, made harmless."""

    unit: str
    why: str


class Verdict(Struct, frozen=True, omit_defaults=True):
    """One unit judged against `[verify]`: `problems` is empty when it passes; `marks` are what was judged.

    Shape: `rejects` is what a reviewer's own output says, where that is well formed; of other units it is empty.
    """

    unit: str
    problems: tuple[str, ...] = ()
    marks: tuple[FileMark, ...] = ()
    rejects: tuple[Rejection, ...] = ()
    waits: bool = False  # for the verify command, which has not run on these files yet
    foreign: tuple[FileMark, ...] = ()  # of one made aside: what somebody else has put in its outputs' places

    @property
    def passed(self) -> bool:
        """Tell whether the unit's outputs exist and pass."""
        return not self.problems


class Placing(Struct, frozen=True, array_like=True):
    """One output to be taken over: `mark` is what was judged, `over` what may stand in its place and is replaced."""

    path: str
    mark: FileMark
    over: FileMark | None = None


class Usage(Struct, frozen=True, omit_defaults=True):
    """What an attempt has used, as its client reports it: `input` and `output` in tokens, `cost` in US dollars.

    Shape: None where the client does not say; `whole` tells that a resumed conversation's earlier part is counted in.
    """

    input: int | None = None
    output: int | None = None
    cost: float | None = None
    whole: bool = False

    def __add__(self, other: Usage) -> Usage:
        """Add two; what only one of them knows stays as it is."""
        return Usage(
            input=_sum(self.input, other.input),
            output=_sum(self.output, other.output),
            cost=_sum(self.cost, other.cost),
        )


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


class Written(Struct, frozen=True, omit_defaults=True):
    """Outputs of one unit that were written, as they were found then."""

    unit: str
    marks: tuple[FileMark, ...]


class Wrote(Struct, frozen=True, array_like=True):
    """Who wrote an output first and last, "" for nobody known; `mark` is what the last one left.

    Shape: `inferred` unless somebody told it: then it is the worker whose share the unit was in.
    """

    mark: FileMark
    first: str
    last: str
    inferred: bool = True


class Sighting(Struct, frozen=True, omit_defaults=True):
    """What one check saw of one worker's attempt.

    Shape: `session` says what became of it, `activity` what a running one does, `why` which permission, error or
    killer; `life` is a fingerprint of its signs of life: equal in two looks means no sign between them;
    `processes` counts those that carry the attempt's mark although the session is over.
    """

    worker: str
    attempt: int
    session: Session
    activity: Activity = "unknown"
    why: str = ""
    code: int | None = None
    ended_by: EndedBy = ""
    until: datetime | None = None
    life: str = ""
    session_id: str = ""
    pid: int = 0
    processes: int = 0
    fault: Fault = ""
    usage: Usage | None = None
    agent_session: str = ""  # the client's conversation, where the client itself chose its id
    working: float = 0.0  # mono at which a tool that it called was seen at work, though nothing else told of life
    shown: str = ""  # what the screen alone says, and no second look has confirmed yet
    prompt: Literal["", "heard", "taken", "waits", "unknown"] = ""  # what became of the text typed last
    refused: tuple[str, ...] = ()  # paths that a confinement kept from being written to, as its output tells


class Validator(Struct, frozen=True, omit_defaults=True):
    """A session of a name that `cleanup.sweep` speaks of; `worker` is who started it, "" where nobody is known to."""

    session: str
    session_id: str
    created: datetime
    worker: str = ""


class Prompt(Struct, frozen=True):
    """A text on its way into a worker's session, of which it is not settled whether it arrived.

    Shape: `seq` is its intent's; `before` fingerprints what its client had said by then; `typed` that its outcome is
    recorded; `enters` counts how often Enter was pressed again, the last key being pressed at `at`.
    """

    seq: int
    at: datetime
    text: str
    before: str = ""
    typed: bool = False
    enters: int = 0


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


class UnitState(Struct):
    """A unit and what is known of it: who answers for it, its last verdict, a person's word."""

    unit: Unit
    worker: str
    verdict: Verdict | None = None
    waived: bool = False
    rounds: int = 0
    reopened: str = ""  # why a person or a reviewer rejected it; holds until its outputs change
    rejected: tuple[FileMark, ...] = ()
    wrote: dict[str, Wrote] = {}  # by output
    reviews: int = 0  # times that it went to a reviewer
    reviewed: tuple[FileMark, ...] = ()  # what a reviewer accepted, or a person in its place
    aside: Verdict | None = None  # on what the present attempt has made in its stage or tree
    aside_mono: float = 0.0  # when these very files were seen first
    placed: tuple[FileMark, ...] = ()  # what was taken over from there
    installed: dict[str, FileMark] = {}  # by output: what stands in its place since

    @property
    def made(self) -> bool:
        """Tell whether nothing more is to be made of it: done, or passing where it waits to be taken over."""
        return self.done or (self.aside is not None and self.aside.passed)

    @property
    def done(self) -> bool:
        """Tell whether the unit counts as done: waived by a person, or judged and passing."""
        return self.waived or (self.verdict is not None and self.verdict.passed and not self.reopened)


class WorkerState(Struct):
    """A worker as the log tells it. Times are aware UTC; `*_mono` are seconds of the clock that sleeps."""

    name: str
    session: str
    key: str = ""
    origin: str = ""  # the worker whose share it took over; "" for an ordinary worker
    review: int = 0  # the round of reviews that it is a reviewer of; 0 for one that makes units
    units: list[str] = []
    state: State = "pending"
    attempt: int = 0
    spent: int = 0  # starts that count against stuck.attempts
    since: datetime | None = None
    reason: str = ""
    why: str = ""
    code: int | None = None
    ended_by: EndedBy = ""
    ending: EndedBy = ""  # in whose name its session is being ended
    ends: int = 0  # times that was asked of the live session, or of what it left behind
    rung: int = 0  # next rung of the ladder for the present reason
    until: datetime | None = None  # when a limit resets
    stalled_life: str = ""
    sighting: Sighting | None = None
    unknowns: int = 0  # looks in a row that could not tell
    life: str = ""
    life_mono: float = 0.0
    intent: int = 0  # seq of a launch whose outcome is not recorded yet; 0 = none
    boot: str = ""  # boot of the last launch
    session_id: str = ""
    session_mark: str = ""  # the attempt whose session that is
    agent_session: str = ""  # the client's own conversation, for a resume
    resumed: bool = False  # the last attempt continued the conversation of the one before
    fault: Fault = ""  # of the last end
    usage: Usage = Usage()  # of the present attempt
    used: Usage = Usage()  # of those before
    note: str = ""  # what the next attempt is told besides its task
    again: bool = False  # another attempt was asked for, by a person or a restart rung
    stop: bool = False  # a person asked for its end
    asked: bool = False  # a person was asked about its present trouble
    captures: int = 0
    finished: int = 0  # looks in a row that saw it idle with its whole share done
    began: datetime | None = None  # first launch
    over: float = 0.0  # mono at which its last attempt was seen to be over
    written: int = 0  # units of its share with all outputs there, as a watcher told
    written_at: datetime | None = None
    swept: tuple[str, ...] = ()  # sessions that it started and that were ended, of which it was not told yet
    prompt: Prompt | None = None  # a text typed into its session, until it is known what became of it
    trespasses: int = 0  # writes where it must not, about which no row was taken yet

    @property
    def live(self) -> bool:
        """Tell whether an attempt is under way."""
        return self.state in ("launched", "running", "stuck")

    @property
    def ended(self) -> bool:
        """Tell whether its attempt is over: exited or verified."""
        return self.state in ("exited", "verified")

    @property
    def processes(self) -> int:
        """Count processes of its attempt that outlive the session."""
        return self.sighting.processes if self.sighting is not None else 0


def mark(d: Deployment, worker: WorkerState) -> str:
    """Give the id of a worker's attempt: in its environment, on its session.

    Boundary: never used twice, not across boots, nor by a later deployment of a name that was cleaned away, nor by
    one of that name in another state directory.
    """
    born = int(d.started.timestamp()) if d.started is not None else 0
    place = blake2b(d.host.directory.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{d.name}/{worker.name}/{worker.attempt}@{worker.boot}.{born:x}.{place}"


class Review(Struct):
    """One reviewer's task, named as the reviewer is: its one unit is to write down what it thinks of others."""

    round: int
    units: tuple[str, ...]
    marks: dict[str, tuple[FileMark, ...]] = {}  # by unit: what there was to review
    heard: bool = False  # its verdict is taken, or a person let it go
    rejected: dict[str, str] = {}  # by unit: the reviewer's words


class Wake(Struct, frozen=True):
    """A notice whose delivery is not recorded yet."""

    text: str
    causes: tuple[str, ...]
    at: datetime


class Taking(Struct, frozen=True):
    """An intent to take a unit's outputs over, whose outcome is not recorded yet."""

    worker: str
    attempt: int
    unit: str
    files: tuple[Placing, ...]
    keep: bool = False


class Deployment(Struct):
    """Everything that the log tells, folded. Changed by `fold` alone."""

    name: str = ""
    digest: str = ""
    edition: int = 0  # of the tables that judge this log
    plan: Plan = Plan(name="", units=UnitsSpec())  # the first line of every log fills in these two
    host: Host = Host(root="/", directory="", socket="", tmux="", python=())
    outcome: Outcome = "open"
    started: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    units: dict[str, UnitState] = {}
    workers: dict[str, WorkerState] = {}
    before: dict[str, FileMark] = {}  # outputs that existed before the launch
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
    wakes: dict[int, Wake] = {}  # intents to wake without an outcome, by seq
    sampled: tuple[str, ...] = ()
    reviews: dict[str, Review] = {}  # by the unit of a reviewer, which is none of the plan's
    moved: dict[str, str] = {}
    moving: dict[int, tuple[str, str]] = {}  # moves whose outcome is not recorded, by seq: they are made again
    placing: dict[int, Taking] = {}  # what is being taken over, by the intent's seq: it is tried until it is settled
    last_launch: float = -1e18  # mono of the last launch
    failed_launches: int = 0  # in a row
    met: bool = False  # somebody has met a usage limit; until then nobody has to look for one
    restless: dict[str, None] = {}  # workers of whom a look counts something: unknown, idle, silent, being launched
    validators: tuple[Validator, ...] = ()  # as the last look saw them
    trespassed: dict[str, datetime] = {}  # path -> when it was written by whom it must not
    trespass: str = ""  # the last one, in words
    full: str = ""  # why nothing more is launched: the disk that the log stands on is full
