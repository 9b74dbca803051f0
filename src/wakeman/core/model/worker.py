"""A worker's states, what a check observes of its attempt, and what the log records of it."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from wakeman.core.model.unit import Usage

State = Literal["pending", "launched", "running", "stuck", "exited", "verified"]
"""`pending`: not started; `launched`: its session exists; `running`: it has shown a sign of life; `stuck`: alive and in
trouble; `exited`: its attempt is over; `verified`: over, and its share complete."""
Trigger = Literal["launched", "started", "stalled", "recovered", "exited", "relaunched", "verified"]
Reason = Literal["waiting", "limited", "error", "silent", "asks", "claims", "refuses", "background"]
"""`waiting`: it asks for something; `limited`: a usage limit; `error`: its client shows an error; `silent`: no sign of
life for `stuck.after`. It has ended its turn with units undone, and its last words ask something (`asks`), say that it
is done (`claims`), or that it cannot or will not (`refuses`). `background`: only its background work has shown life for
`stuck.background`."""
Meaning = Literal["", "asks", "claims", "refuses"]
QUIET: frozenset[str] = frozenset({"silent", "asks", "claims", "refuses"})
"""Reasons of a worker that does nothing: they share one ladder, as one question."""
Session = Literal["queued", "running", "exited", "killed", "lost", "absent", "unknown"]
"""`queued`: submitted, not there yet; `running`: its program runs; `exited`: ended, its status known; `killed`: ended
by a signal or with its session; `lost`: gone, the cause unknown; `absent`: there never was one; `unknown`: could not be
observed, so nothing is decided."""
Activity = Literal["busy", "idle", "waiting", "limited", "error", "unknown"]
"""`busy`: at work; `idle`: at an empty prompt; `waiting`: it asks for something; `limited`: at a usage limit; `error`:
it shows an error; `unknown`: cannot be determined."""
EndedBy = Literal["", "itself", "wakeman", "person", "limit", "machine", "launch", "time", "queue"]
"""`itself`: the program ended; `wakeman`: a row ended it; `time`: it had lasted for `stuck.longest`; `person`: a verb
or a signal by hand; `limit`: a usage limit; `machine`: a restart, a lost server, too little memory; `launch`: it never
started; `queue`: it was taken out of a queue, as nothing may start; empty: not known."""
Fault = Literal["", "auth", "billing", "outage", "conversation"]
"""`auth`: the client's key or login was refused; `billing`: nothing is left to pay with; `outage`: its service is
overloaded or cannot be reached; empty: no such refusal."""
BARRING: tuple[Fault, ...] = ("auth", "billing")
"""Refusals that another attempt does not solve: a person must change something."""


ANSWERED = "was answered"
"""What a worker does, whose last report asks something that was answered since, and whose screen asks nothing."""
INTERNAL_ERROR = "internal error"
"""Beginning of the reason of an unknown session, after an unexpected error in observing it."""


class Choice(Struct, frozen=True, omit_defaults=True):
    """One of the choices of a dialog."""

    label: str
    """What the client calls it, sanitised and shortened."""
    does: Literal["", "once", "always", "deny", "text"] = ""
    """What it means to a permission: given `once`, given `always` (for the session, or for all that is alike), denied
    (`deny`). `text`: a text is typed into it. It is empty for others."""


class Dialog(Struct, frozen=True, omit_defaults=True):
    """What a client's screen asks, with choices."""

    kind: Literal["permission", "question", "dialog"]
    """What it is: a `permission`, a `question` of the model's, or another `dialog`: trust of a directory, a login."""
    asks: str
    """Its text, sanitised and shortened: words of the client and the model."""
    choices: tuple[Choice, ...]
    """Its choices, in order."""
    seen: str
    """Fingerprint of the whole question: an answer counts only while exactly this question is shown."""
    several: bool = False
    """Several of its choices can be made."""


class Observation(Struct, frozen=True, omit_defaults=True):
    """One check's observation of a worker's attempt."""

    worker: str
    """Name of the worker."""
    attempt: int
    """Its attempt, from 1."""
    session: Session
    """Phase of the session."""
    activity: Activity = "unknown"
    """Activity of a running client."""
    why: str = ""
    """Details: which permission, which error, who killed it."""
    code: int | None = None
    """Exit status of the program, from 0 to 255; absent while unknown."""
    ended_by: EndedBy = ""
    """Who or what ended it."""
    until: datetime | None = None
    """When its usage limit resets, where the client says so."""
    life: str = ""
    """Fingerprint of its signs of life: equal in two observations means none in between."""
    session_id: str = ""
    """Id of the session, never used twice, such as `$3@812:1764400000`; in older logs `$3`, a number of its server."""
    pid: int = 0
    """Process id of the session's first program; 0 while unknown."""
    processes: int = 0
    """Processes with the attempt's id that outlive its session."""
    fault: Fault = ""
    """Kind of refusal: `auth` and `billing` bar further launches, `outage` is waited for; `conversation` is
    none: the client could not begin or resume its conversation."""
    usage: Usage | None = None
    """What the attempt has used so far, as its client reports it."""
    agent_session: str = ""
    """Id of the client's conversation, if the client chose it."""
    working: float = 0.0
    """Time, on the clock `mono`, at which a running tool that it called was the only sign of life; 0 for none."""
    shown: str = ""
    """What only the screen shows, until a second observation confirms it."""
    background: bool = False
    """Work in the background runs: its client says so, or a process that it started is alive while it is idle."""
    said: str = ""
    """The client's last words, sanitised and shortened, once its turn or its attempt is over."""
    means: Meaning = ""
    """What these words tell: `asks`, `claims` that all is done, `refuses`; empty if they do not tell."""
    prompt: Literal["", "heard", "taken", "waits", "unknown"] = ""
    """State of the text typed last: `heard`: the client reported it; `taken`: the input box is empty again;
    `waits`: it is in the box; `unknown`: cannot be observed; empty: none is under way."""
    guess: bool = False
    """`until` is a guess: nothing names the reset."""
    given: bool = False
    """Its client, in print mode, has given its result and has not ended."""
    retries: bool = False
    """Its client is refused by the service, and tries again by itself, as `why` says."""
    refused: tuple[str, ...] = ()
    """Paths to which the confinement blocked writes, as reported by the attempt's output; 20 at most."""
    dialog: Dialog | None = None
    """What its screen asks while it waits; null where no dialog is recognised, and in older logs."""
    host: str = ""
    """Machine that its session is, or was, on, as its place calls it: a node of a cluster, a host of `[ssh]`. Empty
    where that is this machine, while it waits in a queue, once its place says it no more, and in older logs."""


class Validator(Struct, frozen=True, omit_defaults=True):
    """A session that a worker started itself, with a name that `cleanup.sweep` matches."""

    session: str
    """Name of the session."""
    session_id: str
    """Id of the session, never used twice, such as `$3@812:1764400000`; in older logs `$3`, a number of its server."""
    created: datetime
    """When it was made."""
    worker: str = ""
    """Who started it; empty if that is unknown."""


class WorkerState(Struct, omit_defaults=True):
    """A worker as the log records it.

    Times are aware UTC; `*_mono` are seconds of the clock that stops while the machine sleeps.
    """

    name: str
    session: str
    key: str = ""
    cwd_id: str = ""  # inode, device and boot of the directory that it starts in; "" for one that may change
    origin: str = ""  # the worker whose share it took over; "" for an ordinary worker
    review: int = 0  # the round of reviews that it is a reviewer of; 0 for one that makes units
    number: int = 0  # in the order of enrolment
    units: list[str] = []
    undone: int = 0  # of these, while the deployment says who is in question
    unbegun: bool = False  # nobody was launched yet who had one of them, and each has outputs
    state: State = "pending"
    attempt: int = 0
    spent: int = 0  # attempts that count towards stuck.attempts
    since: datetime | None = None
    reason: str = ""
    why: str = ""
    code: int | None = None
    ended_by: EndedBy = ""
    ending: EndedBy = ""  # on whose behalf its session is being ended
    line: str = ""  # what somebody had typed, and not submitted, when its session was ended
    ends: int = 0  # times that the live session, or what it left, was asked to end
    rung: int = 0  # next rung of the ladder for the present trouble
    trouble: str = ""  # what the ladder is for: it is remembered until another trouble, or until a unit is done
    tried: tuple[str, ...] = ()  # rungs taken for it
    barred: tuple[str, ...] = ()  # rungs taken for others that acted on the worker, since a unit was done
    version: str = ""  # of its client, as asked when this attempt was launched
    said: str = ""  # the last words of its client in this attempt
    means: Meaning = ""  # what they tell
    until: datetime | None = None  # when a limit resets
    guess: bool = False  # that is a guess
    request: int = 0  # seq of the line by which it asked the service last, with `limits.adapt`
    refusals: int = 0  # ends by a limit, or because the service was unavailable, in a row
    unheard: int = 0  # nudges in a row that were refused or are not confirmed
    unheard_mono: float = 0.0  # when the last of them was
    stalled_life: str = ""
    observation: Observation | None = None
    questions: int = 0  # dialogs that looks have seen, each other than the one before, and answers given to them
    unknowns: int = 0  # observations in a row that failed
    life: str = ""
    life_mono: float = 0.0
    intent: int = 0  # seq of a launch whose outcome is not recorded yet; 0 = none
    boot: str = ""  # boot of the last launch
    session_id: str = ""
    session_mark: str = ""  # the attempt whose session that is
    host: str = ""  # the machine that it is, or was, on; "" for this one, or while that is not known
    agent_session: str = ""  # the client's own conversation, for a resume
    resumed: bool = False  # the last attempt continued the conversation of the one before
    fault: Fault = ""  # of the present trouble, or of the last end
    usage: Usage = Usage()  # of the present attempt
    used: Usage = Usage()  # of those before
    note: str = ""  # what is added to the next attempt's task
    again: bool = False  # another attempt was asked for, by a person or a restart rung
    stop: bool = False  # a person asked for its end
    kept: bool = False  # and that no cleanup worker gets its undone units
    asked: bool = False  # a person was asked about its present trouble
    captures: int = 0
    given_mono: float = 0.0  # mono at which its result was first seen, without a sign of life since; 0 = none
    astray: int = 0  # ends in a row because the client does not find its conversation
    finished: int = 0  # observations in a row of an idle worker whose whole share is done
    idle: int = 0  # observations in a row of a worker at rest, with the same signs of life
    idle_mono: float = 0.0  # mono of the last one that counted
    idle_life: str = ""  # its signs of life then
    background_mono: float = 0.0  # mono since which only work in the background shows life; 0 for none
    finishing: bool = False  # it was finished, and is being ended, whatever it shows meanwhile
    began: datetime | None = None  # first launch
    worked_since: float = 0.0  # mono at which its attempt began, later by the time that it spent at usage limits
    limited_since: float = 0.0  # mono at which it met the usage limit that it is at
    over: float = 0.0  # mono at which its last attempt was seen to be over
    written: int = 0  # units of its share with all outputs there, as a watcher reported
    written_at: datetime | None = None
    swept: tuple[str, ...] = ()  # sessions that it started and that were ended, of which it was not told yet
    prompt: int = 0  # seq of a text typed into its session, until it is known what became of it; 0 = none
    trespasses: int = 0  # writes out of place about which no row was taken yet
    answered: bool = False  # its dialog was answered, and it has neither done nor asked anything since that is known

    @property
    def live(self) -> bool:
        """Return whether an attempt is under way."""
        return self.state in ("launched", "running", "stuck")

    @property
    def ended(self) -> bool:
        """Return whether its attempt is over: exited or verified."""
        return self.state in ("exited", "verified")

    @property
    def unseen(self) -> str:
        """Return the unexpected error in observing it; "" for none."""
        seen = self.observation
        if not self.live or seen is None or seen.session != "unknown" or not seen.why.startswith(INTERNAL_ERROR):
            return ""
        return seen.why

    @property
    def processes(self) -> int:
        """Count processes of its attempt that outlive the session."""
        return self.observation.processes if self.observation is not None else 0


def forget_ladder(worker: WorkerState) -> None:
    """Begin all ladders of a worker anew."""
    worker.rung, worker.trouble, worker.tried, worker.barred = 0, "", (), ()
