"""The program that runs an agent, and what there is to read of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from wakeman.core.model import Activity, Agent, Fault, Plan, Usage

Source = Literal["stream", "hook", "record", "screen"]
"""What reports on a live attempt: what it prints, reports by a hook, keeps by itself, shows."""


class Task(Struct, frozen=True):
    """One attempt's work, as a harness gets it. All paths are absolute; `names` are the worker's template names.

    Shape: `place` is the attempt's own directory, `home` one of the worker's that its attempts share; `hook` is the
    script that keeps what a client says (`sh HOOK PLACE EVENT`), `guard` the one that judges what it writes. `keys`
    holds the values that the program gets in its environment and that are nowhere else: for files that a client
    reads, never for an argument list. `env` is what it starts with besides, `at` when the attempt is composed. One that
    is `confined` can write to `home`, and nothing else of what its client keeps: `theirs` are files of the user's
    client, as the harness has asked for them.
    """

    plan: Plan
    worker: str
    attempt: int
    names: Mapping[str, str]
    prompt: str
    prompt_file: str
    units_file: str
    agent_name: str = ""
    agent: Agent | None = None
    agent_session: str = ""  # id for a new conversation, or of the one to resume
    resume: bool = False
    outputs: tuple[str, ...] = ()  # absolute paths that the attempt may write
    cwd: str = ""  # where it starts
    place: str = ""
    home: str = ""
    hook: str = ""
    guard: str = ""
    keys: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    at: datetime | None = None
    confined: bool = False
    theirs: Mapping[str, bytes] = {}


class TranscriptPaths(Struct, frozen=True, omit_defaults=True):
    """Where a client leaves traces of one conversation by itself, as globs below `home`, an absolute path.

    Shape: `record` is the file that it appends to, its own only if it `names` that text near its beginning; `beside`
    are files that its sub-agents append to; `states` are small files, each named by the id of the process that it
    describes.
    """

    home: str
    record: tuple[str, ...] = ()
    names: str = ""
    beside: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


class Command(Struct, frozen=True):
    """How a harness is started.

    Shape: `stdin` is a file to read from ("" = the terminal); `to_file`: stdout is a stream; `files` are written before
    the start, 0600, by absolute path; `preface` is placed before the task in its prompt file; `guarded` says that it
    asks the guard before it writes.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    stdin: str = ""
    to_file: bool = False
    files: Mapping[str, bytes] = {}
    preface: str = ""
    trail: TranscriptPaths | None = None
    guarded: bool = False


class Evidence(Struct, frozen=True):
    """What there is to read of an attempt: the end of its stream, its last hook, its screen; empty where not read.

    Shape: `whole` says that `stream` begins with the stream's first line. `record` is the end of the transcript,
    `recorded` says that it begins with its first line; `state` is what the client keeps about its live process;
    `hook_at` is when the hook report was kept, in epoch seconds.
    """

    stream: bytes = b""
    hook: bytes = b""
    screen: str = ""
    whole: bool = False
    record: bytes = b""
    recorded: bool = False
    state: bytes = b""
    hook_at: float = 0.0


class Report(Struct, frozen=True):
    """What a harness makes of the evidence. `why` in its own words, one line; `source`: what it rests on.

    Shape: `fault` distinguishes kinds of error that call for something else than another try; `usage` and
    `agent_session` are given where the client reports them. `calls`: a tool was called and has not come back, `since`
    when, in epoch seconds, 0 where that is unknown.
    """

    activity: Activity = "unknown"
    why: str = ""
    until: datetime | None = None
    source: Literal["", "state"] | Source = ""
    fault: Fault = ""
    usage: Usage | None = None
    agent_session: str = ""
    calls: bool = False
    since: float = 0.0


class Reader(Protocol):
    """What is made of an attempt's evidence."""

    adopts: bool  # starts its session itself; we only find it
    redraws: bool  # repaints its screen even while it hangs: neither screen nor what the pane printed is life
    reads: frozenset[Source]  # what `report` wants to see

    def report(self, evidence: Evidence, now: datetime) -> Report:
        """Read what a live attempt does, the best evidence first. Outputs and exit files win over it."""

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        """Return why an attempt ended as it did; `why` is "" when its stream shows no error."""


class Harness(Reader, Protocol):
    """The program that runs an agent."""

    name: str
    uses_agent: bool  # takes a profile
    uses_prompt: bool  # needs `workers.prompt`
    leave: str  # what is typed to end an interactive session gently; "" for none
    memory: int  # bytes that one worker wants; 0 when unknown

    def problems(self, plan: Plan) -> list[str]:
        """List what in a plan this harness cannot do, each as `key: found, expected`."""

    def conversation(self, plan: Plan) -> Literal["", "given", "told"]:
        """Return whose the id is by which a conversation can be continued: ours, the client's; "" when it cannot."""

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Return the files of the user's client that a confined worker gets copies of: name in `home` -> source.

        Shape: the first existing place counts; `$NAME` at its beginning is a variable of the host.
        """

    def command(self, task: Task) -> Command:
        """Return the argument vector of one attempt, and the files it reads. Raises: UsageError."""

    def typed(self, text: str) -> str:
        """Return a text as it must be typed into an interactive session to arrive: no command, no completion."""
