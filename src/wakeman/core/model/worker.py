"""A worker's states, what a check observes of its attempt, and what the log tells of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from wakeman.core.model.unit import Usage

State = Literal["pending", "launched", "running", "stuck", "exited", "verified"]
Trigger = Literal["launched", "started", "stalled", "recovered", "exited", "relaunched", "verified"]
Reason = Literal["waiting", "limited", "error", "silent"]
Session = Literal["queued", "running", "exited", "killed", "lost", "absent", "unknown"]
Activity = Literal["busy", "idle", "waiting", "limited", "error", "unknown"]
EndedBy = Literal["", "itself", "wakeman", "person", "limit", "machine", "launch"]
Fault = Literal["", "auth"]


class Observation(Struct, frozen=True, omit_defaults=True):
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
    observation: Observation | None = None
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
    prompt: int = 0  # seq of a text typed into its session, until it is known what became of it; 0 = none
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
        return self.observation.processes if self.observation is not None else 0
