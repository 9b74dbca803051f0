"""The program that runs an agent, and the evidence of what it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct

from wakeman.core.model import Activity, Agent, Dialog, EndedBy, Fault, Plan, Usage

Source = Literal["stream", "hook", "record", "screen"]
"""Sources of evidence of a live attempt: what it prints, reports by a hook, stores itself, shows."""


class Task(Struct, frozen=True):
    """One attempt's work, as a harness gets it. All paths are absolute; `names` are the worker's template names.

    Shape: `place` is the attempt's own directory, `home` one of the worker's that its attempts share; `hook` is the
    script that stores what a client reports (`sh HOOK PLACE EVENT`), `guard` the one that allows or denies its writes.
    `keys` are secret values of its environment, which are stored nowhere else: for files that a client reads, never for
    an argument list. `env` is the rest of its environment, `at` when the attempt is composed. If `confined`, it can
    write to `home` and no other directory of its client; `theirs` are files of the user's client that the harness asked
    for.
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
    """Where a client stores transcripts of one conversation, as globs below `home`, an absolute path.

    Shape: `record` is the file that it appends to; it is this conversation's if it contains the text `names` near its
    beginning; `beside` are files that its sub-agents append to; `states` are small files, each named by the id of the
    process that it describes. `place` is the directory in the globs that stands for the one that the client starts in.
    """

    home: str
    record: tuple[str, ...] = ()
    names: str = ""
    beside: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    place: str = ""

    def elsewhere(self, home: str) -> TranscriptPaths:
        """Return the paths of what another machine's client has stored, below `home`.

        Shape: the real path of the directory that it starts in may be another there, and its processes are not ours.
        """

        def found(globs: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(glob.replace(f"/{self.place}/", "/*/") for glob in globs) if self.place else globs

        return TranscriptPaths(home, found(self.record), self.names, found(self.beside))


class Command(Struct, frozen=True):
    """The command of an attempt.

    Shape: `stdin` is a file to read from ("" = the terminal); `to_file`: stdout is a stream; `files` are written before
    the start, 0600, by absolute path; `preface` is placed before the task in its prompt file; `guarded`: it asks the
    guard before it writes.
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
    """Evidence of an attempt: the end of its stream, its last hook report, its screen; empty if not read.

    Shape: `whole` says that `stream` begins with the stream's first line. `record` is the end of the transcript,
    `recorded` says that it begins with its first line; `state` is what the client keeps about its live process;
    `hook_at` is when the hook report was kept, `stream_at` when the stream was last written, in epoch seconds; 0.0 if
    that is not known. `interactive`: it was at a terminal.
    """

    stream: bytes = b""
    hook: bytes = b""
    screen: str = ""
    whole: bool = False
    record: bytes = b""
    recorded: bool = False
    state: bytes = b""
    hook_at: float = 0.0
    interactive: bool = False
    stream_at: float = 0.0
    version: str = ""  # of the client, as it was asked at the launch; "" if it is not known


class ClientVersion(Struct, frozen=True):
    """The version of a plan's client here, and the newest one whose screens and reports are recorded.

    Shape: "" for a version that is not known, and for a client of which none is recorded.
    """

    harness: str
    version: str
    newest: str = ""

    @property
    def newer(self) -> bool:
        """Return whether it is newer than any that is recorded."""
        return bool(self.newest) and release(self.version) > release(self.newest)


def release(version: str) -> tuple[int, ...]:
    """Return a version as numbers to compare; none for an unknown one."""
    return tuple(int(part) for part in version.split(".") if part.isdigit() and len(part) < 10)


class Report(Struct, frozen=True):
    """A harness's reading of the evidence. `why` is one line; `source` is the evidence used.

    Shape: `given`: the last event of its stream is its result, after which a client in print mode ends. `fault`
    distinguishes refusals that are no failure of the worker; `retries`: it is refused, and tries again
    by itself. `usage` and `agent_session` are set if the client reports them. `calls`: a tool was called and has not
    returned, since `since`, in epoch seconds, 0 if unknown. `background`: it is busy with nothing but work in the
    background. `ended_by` is who ended the client, if it says so.
    """

    activity: Activity = "unknown"
    why: str = ""
    until: datetime | None = None
    source: Literal["", "state"] | Source = ""
    fault: Fault = ""
    retries: bool = False
    usage: Usage | None = None
    agent_session: str = ""
    calls: bool = False
    since: float = 0.0
    given: bool = False
    background: bool = False
    ended_by: EndedBy = ""


class ShownDialog(Struct, frozen=True):
    """A dialog as a screen shows it now, with what its keys depend on.

    Shape: `marked` is the choice that Enter would take, from 0. `numbered`: a number chooses, and with `enter` Enter
    takes it; otherwise the mark is moved. `several` is the key that ends a question with several answers, whose ticks
    are `ticked`; "" for other questions. `empty`: nothing stands yet in the choice into which a text is typed. Choices
    may stand `beside` each other: the marked one is told by its colour, and -1 in a screen without colours. One that
    `confirms` asks whether the choice before was meant.
    """

    dialog: Dialog
    marked: int
    numbered: bool = True
    enter: bool = False
    several: str = ""
    empty: bool = True
    ticked: tuple[int, ...] = ()
    beside: bool = False
    confirms: bool = False


class Pressing(Struct, frozen=True):
    """Which choices are made in a dialog, from 0, while it is the one that was `seen`.

    Shape: `text` is typed into the last of them.
    """

    seen: str
    choices: tuple[int, ...] = ()
    text: str = ""


class Reader(Protocol):
    """What is made of an attempt's evidence."""

    adopts: bool  # starts its session itself; Wakeman only finds it
    redraws: bool  # repaints its screen even while it hangs: screen and output are no signs of life
    reads: frozenset[Source]  # the evidence that `report` uses

    def report(self, evidence: Evidence, now: datetime) -> Report:
        """Read what a live attempt does, from the best evidence first. Outputs and exit files take precedence."""

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        """Return why an attempt ended; `why` is "" if its stream shows no error."""

    def last_words(self, evidence: Evidence) -> str:
        """Return what the client said last, sanitised and shortened; "" for nothing."""


@runtime_checkable
class DialogReader(Protocol):
    """A harness that understands what its client's dialogs ask."""

    def dialog(self, screen: str) -> ShownDialog | None:
        """Return the dialog at the end of a screen, with its colours or without; None for none that is understood."""


class Harness(Reader, Protocol):
    """The program that runs an agent."""

    name: str
    uses_agent: bool  # takes a profile
    uses_prompt: bool  # needs `workers.prompt`
    leave: str  # text that ends an interactive session; "" for none
    memory: int  # bytes that one worker needs; 0 if unknown

    def problems(self, plan: Plan) -> list[str]:
        """List the settings of a plan that this harness cannot serve, each as `key: found, expected`."""

    def conversation(self, plan: Plan) -> Literal["", "given", "told"]:
        """Return who chooses the id by which a conversation can be resumed: we or the client; "" if it cannot."""

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Return the files of the user's client that a confined worker gets copies of: name in `home` -> source.

        Shape: the first existing place counts; `$NAME` at its beginning is a variable of the host.
        """

    def command(self, task: Task) -> Command:
        """Return the argument vector of one attempt, and the files it reads. Raises: UsageError."""

    def typed(self, text: str) -> str:
        """Return a text as it must be typed into an interactive session, so that it is no command or completion."""
