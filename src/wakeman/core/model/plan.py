"""What a plan file says: its tables, their keys and defaults. Structs only; nothing here decides."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Rung = Literal["capture", "nudge", "wait", "restart", "ask", "sweep"]
WakeRow = Literal["ask", "clean up", "wrap up", "give up", "check"]
Pace = Literal["simple", "complex", "long"]
WorkspaceKind = Literal["in place", "staged", "worktree"]
"""Where workers make their outputs: in their places, in a stage of each attempt, in a git work tree of each worker."""
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
    def workspace(self) -> WorkspaceKind:
        """Name the kind of workspace that a worker gets."""
        return "staged" if self.stage else "worktree" if self.isolate == "worktree" else "in place"


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
