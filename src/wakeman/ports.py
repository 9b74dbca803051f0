"""What Wakeman needs from outside, as protocols; `World` is one of each.

The engine talks to these alone. Real ones stand in `adapters/`, their in-memory twins in `adapters/memory/`; the
tests in `tests/contracts/` hold both to the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from wakeman.core.log.events import Draft, Event
from wakeman.core.model import (
    Activity,
    Agent,
    Confinement,
    Deployment,
    Fault,
    FileFingerprint,
    Host,
    Plan,
    Repository,
    Usage,
    WakeTarget,
)

Source = Literal["stream", "hook", "record", "screen"]
"""What tells of a live attempt: what it prints, says by a hook, keeps by itself, shows."""


class Clock(Protocol):
    """Two clocks and the name of the boot they belong to."""

    def now(self) -> datetime:
        """Read the wall clock, as aware UTC."""

    def mono(self) -> float:
        """Read the clock that stops while the machine sleeps, in seconds since an unknown start."""

    def boot(self) -> str:
        """Name this boot: eight hex digits, another at each start of the machine."""


class Writer(Protocol):
    """The log of one deployment, held: nobody else writes until it is let go."""

    @property
    def deployment(self) -> Deployment:
        """Give the fold of all lines, those appended here included. Not to be changed by the caller."""

    @property
    def seen(self) -> bool:
        """Tell whether somebody asked for a check while the lock was held; asking clears it."""

    def hash_of(self, seq: int) -> str:
        """Give the hash of a line; "" for one that is not there, or too far back to look for."""

    def append(self, drafts: Sequence[Draft], at: datetime, *, durable: bool = True) -> list[Event]:
        """Write all drafts as one write, durable on return, and fold them.

        Shape: lines on which no effect depends may be written with `durable` off; the next durable write, or
        whoever holds the log next, makes them so.
        Boundary: no drafts, no write.
        Raises: TransitionError before anything is written when a draft's move is illegal; StorageError when
        the disk refuses: then the log is as before and this writer refuses all further appends.
        """


class Logs(Protocol):
    """The event logs of one state directory."""

    def names(self) -> list[str]:
        """List the deployments that have a log, oldest first."""

    def create(self, name: str, digest: str, drafts: Sequence[Draft], at: datetime, by: str) -> None:
        """Begin a log with its first lines, all or nothing.

        Raises: UsageError when a log of that name is there already; StorageError.
        """

    def read(self, name: str) -> Deployment:
        """Fold a log without holding it. An unfinished last line is left out.

        Raises: UnknownNameError; LogDamagedError naming file and line.
        """

    def events(self, name: str, after: int = 0) -> Iterator[Event]:
        """Stream a log's events with seq > `after`, in constant memory. Raises: as `read`."""

    def repair(self, name: str, by: str) -> str:
        """Cut a damaged log off before its damage, and record it; give what keeps the original, "" if it is whole.

        Raises: LogDamagedError when nothing before the damage can be used; BusyError.
        """

    def hold(self, name: str, by: str, wait: float = 5.0) -> AbstractContextManager[Writer]:
        """Lock, repair a torn tail, make what others wrote durable, and fold.

        Units: `wait` in seconds.
        Raises: BusyError naming the holder, after leaving a mark that the holder will see; LogDamagedError.
        """


class Start(Struct, frozen=True):
    """One session to make. `argv` is exec'd without a shell; `env` is not secret; `mark` is the attempt's id."""

    session: str
    mark: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = {}
    stream: str = ""  # absolute file that gets what the pane prints; "" for none


class SessionInfo(Struct, frozen=True):
    """One session as the host shows it. `created` and `activity` are epoch seconds; `mark` "" is not ours."""

    session: str
    session_id: str
    pane_id: str
    pid: int
    dead: bool
    code: int | None
    signal: str
    created: float
    activity: float
    mark: str
    title: str = ""


class Listing(Struct, frozen=True):
    """All sessions of one host. `state` unknown: it did not answer, decide nothing; down: there is no server."""

    state: Literal["up", "down", "unknown"]
    server: str = ""  # `pid:start time` of the server that answered
    seen: tuple[SessionInfo, ...] = ()
    why: str = ""


class Made(Struct, frozen=True):
    """What became of one `Start`: ids, or `error`. `taken` besides: the name is that of a session not of this mark."""

    session_id: str = ""
    pid: int = 0
    error: str = ""
    taken: bool = False


class Sessions(Protocol):
    """The sessions of one host (a tmux socket)."""

    def look(self) -> Listing:
        """Look at all sessions in one call. Never raises for a host that is gone or hung: it says so."""

    def start(self, starts: Sequence[Start]) -> list[Made]:
        """Make several detached sessions, each with its mark and `remain on exit` in one step; same order.

        Repeatable: no; a name that is taken gives `taken`, unless its mark equals: then that session is given.
        Raises: ProgramError when the host does not answer.
        """

    def end(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions, each given by (id, mark), that carry that mark; count them. Their processes get SIGHUP.

        Boundary: one that is gone, or carries another mark, is passed over. Raises: ProgramError on a hung host.
        """

    def capture(self, session: str, lines: int = 50) -> str:
        """Give the last lines of the pane's screen and history as plain text, without escape codes.

        Shape: `session` is an id (`$3`) or an exact name. Raises: UnknownNameError; ProgramError on a hung host.
        """

    def type(self, session: str, text: str, *, submit: bool) -> None:
        """Paste text into the pane, bracketed where the program asked for it; `submit` presses Enter apart.

        Raises: UnknownNameError; ProgramError.
        """

    def later(self, seconds: float, argv: Sequence[str]) -> bool:
        """Run `argv` once after a delay, from the host itself; False when no host is up, or it does not answer."""

    def attach(self, session: str) -> tuple[str, ...]:
        """Give the command line with which a person attaches."""

    def mark(self, session_id: str, mark: str) -> None:
        """Put our mark on a session that the user's own launcher made.

        Raises: ProgramError when it is gone, or carries another's mark: nothing has changed then.
        """

    def remember(self, session_id: str, head: str) -> None:
        """Leave the log's head as an option of the session, a witness outside the log. Failure is silent."""

    def recall(self) -> list[tuple[str, str]]:
        """Give what was left so: mark and head of each session that has both; empty when the host does not answer."""


class Job(Struct, frozen=True):
    """An alarm as the machine's queue shows it."""

    job: str
    due: datetime
    body: str


class Alarms(Protocol):
    """The machine's own alarm clock (`at`)."""

    def weakness(self) -> str:
        """Say why alarms set here would not fire ("" when they would), with what mends it."""

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        """Queue `argv` for the minute at or after `due`, with `marker` in its body, in a clean environment.

        Raises: ProgramError when the job is not in the queue afterwards, or nobody would run it.
        """

    def stands(self, job: str, marker: str) -> bool:
        """Tell whether that job is there and ours (not another's of the same number).

        Boundary: one that runs at this moment may still be there; who asks knows when it was due.
        """

    def find(self, marker: str) -> list[Job]:
        """List every queued job whose body carries the marker, soonest first; running ones are left out."""

    def disarm(self, jobs: Sequence[str]) -> None:
        """Take jobs out of the queue. Those gone already are no error."""


class Installed(Struct, frozen=True):
    """What became of a file that was to be installed: its mark in its place, or `why` it was left where it is."""

    mark: FileFingerprint | None = None
    why: str = ""


class Files(Protocol):
    """The disk. Paths are absolute."""

    def marks(self, paths: Iterable[str]) -> dict[str, FileFingerprint]:
        """Stat files; what is missing, or no regular file, is left out. Cost: one stat each."""

    def read(self, path: str, limit: int = 64 * 1024 * 1024) -> bytes:
        """Read a file. Raises: StorageError naming it, also when it is larger than `limit` bytes."""

    def tail(self, path: str, size: int = 65536) -> bytes:
        """Read the last `size` bytes; empty when there is no such file."""

    def head(self, path: str, size: int = 65536) -> bytes:
        """Read the first `size` bytes; empty when there is no such file."""

    def glob(self, root: str, patterns: Sequence[str], exclude: Sequence[str]) -> list[str]:
        """List regular files under `root` as relative paths, sorted; `**` spans directories.

        Boundary: hidden names are found by a pattern that names them; an exclusion takes what lies below it too.
        Raises: StorageError for a directory that cannot be listed; UsageError for a pattern that leads outside.
        """

    def names(self, directory: str) -> list[str]:
        """List the entries of a directory, sorted; empty when there is none."""

    def is_directory(self, path: str) -> bool:
        """Tell whether a directory is there, or a link to one."""

    def resolve(self, paths: Iterable[str]) -> dict[str, str]:
        """Give each path with symlinks and `..` resolved, whether or not it exists."""

    def folds_case(self, path: str) -> bool:
        """Tell whether the file system there takes `A` and `a` for one name."""

    def write(self, path: str, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
        """Put a whole file in place at once (temporary file, then rename); makes directories, 0700."""

    def link(self, target: str, path: str) -> None:
        """Make `path` a symlink to `target`, in place of one that is there; makes directories, 0700."""

    def make(self, directory: str, *, mode: int = 0o700) -> None:
        """Make a directory and its parents, of that mode but for the umask. No error when it is there."""

    def pipe(self, path: str) -> None:
        """Make a named pipe, 0600, in place of one that is there; its directory is. Raises: StorageError."""

    def writable(self, path: str) -> bool:
        """Tell whether this process could write to a file, or make it."""

    def move(self, source: str, target: str) -> str:
        """Rename a file or directory; give where it went: `target`, or into it if it is a directory or ends in `/`.

        Raises: StorageError when the source is missing or the target exists.
        """

    def remove(self, path: str) -> None:
        """Unlink a file of ours. No error when it is gone."""

    def writing(self, paths: Iterable[str]) -> set[str]:
        """Give those files that some process has open for writing, as far as the system tells; others are left out."""

    def install(
        self, stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        """Put the file `inside` a directory in the place of `target` in one step, durable on return.

        Shape: `mark` is what it was when it was judged, `over` what may stand at `target` and is replaced; `keep`
        leaves the original where it is. Makes directories, with the rights of any other. A symlink at `target` is
        followed, one `inside` is not.
        Boundary: where either is something else, nothing is done, and `why` says which.
        Repeatable: yes; a file of that size and time at `target` is the one installed before.
        Raises: StorageError for what the disk refuses.
        """


class Ran(Struct, frozen=True):
    """What became of a program. `code` is None when it was ended by the time limit or could not start (`error`)."""

    code: int | None
    out: str = ""
    err: str = ""
    error: str = ""


class Machine(Protocol):
    """Processes, memory and environment of this machine."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        timeout: float,
        stdin: bytes = b"",
    ) -> Ran:
        """Run a program from an argument vector, no shell; end its whole process group at the time limit."""

    def runs(self, program: str, cwd: str, path: str) -> bool:
        """Tell whether a program could be started: on `path`, or where it has a slash, from `cwd`."""

    def free_memory(self) -> int:
        """Give bytes of memory that a new worker could use; 0 when unknown."""

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        """Find the live processes whose environment holds `WAKEMAN_ATTEMPT=<mark>`, per mark."""

    def mark_of(self, pid: int) -> str:
        """Give the mark in a process's environment; "" for none, one that is gone, or cannot be read."""

    def born(self, pids: Iterable[int]) -> dict[int, float]:
        """Give when processes were started, in epoch seconds; one that is gone is left out."""

    def signal(self, pids: Iterable[int], name: Literal["TERM", "KILL", "INT"]) -> None:
        """Signal processes; those gone are no error."""

    def alive(self, pid: int) -> bool:
        """Tell whether a process of that number lives (a zombie does not)."""

    def environ(self) -> Mapping[str, str]:
        """Give this process's environment."""

    def home(self) -> str:
        """Give the user's home directory."""

    def pid(self) -> int:
        """Give this process's id."""


class FileChanges(Struct, frozen=True):
    """What happened on the disk since it was asked last: files written, moved in or made, by absolute path.

    Shape: `lost` says why there may be more than `paths` tell. Who gets it looks at everything.
    """

    paths: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()


class Watch(Protocol):
    """Directories under watch, with all that lies below them, those that are made later included."""

    @property
    def how(self) -> tuple[str, ...]:
        """Say how it is watched, one entry for each way: what, and where it is slow or blind."""

    def wait(self, seconds: float) -> FileChanges:
        """Return what happened as soon as something has; nothing after `seconds`.

        Boundary: a file that is being written is told when it is closed, or rests; a path that is told may be gone
        or be written again.
        """


class Watcher(Protocol):
    """Tells of files as they are written. It is a hint and never evidence: who hears of a file looks at it."""

    def watch(self, roots: Iterable[str], debounce: float, flat: Iterable[str] = ()) -> AbstractContextManager[Watch]:
        """Watch directories, whether or not they are there yet; of those in `flat` not what lies deeper.

        Units: `debounce` in seconds: what happens so soon after something else is told together with it.
        Boundary: limits of the system and directories that cannot be watched are no error: `lost` tells, again and
        again while it lasts.
        """


class Confiner(Protocol):
    """Keeps an attempt, and every process that comes of it, from writing elsewhere than it may. For ever: nobody
    inside can end it, and a part of it that cannot be had keeps the program from running at all.
    """

    def choose(self, env: Mapping[str, str]) -> Confinement:
        """Find the first way that works here, by trying each. Raises: ProgramError with why none does, what mends it.

        Effects: runs programs; writes to a directory that it makes and removes.
        """

    def kit(self, confinement: Confinement) -> Mapping[str, bytes]:
        """Give the files that it needs in the deployment's directory, by their names there."""

    def rules(self, confinement: Confinement, places: Sequence[str]) -> bytes:
        """Word what an attempt may write: directories with all below, or files. All absolute, all to be there then."""

    def words(self, confinement: Confinement, kit: str, rules: str) -> tuple[str, ...]:
        """Give what stands before a program's own words: `kit` is the directory, `rules` the file that hold those."""


class Task(Struct, frozen=True):
    """One attempt's work, as a harness gets it. All paths are absolute; `names` are the worker's template names.

    Shape: `place` is the attempt's own directory, `home` one of the worker's that its attempts share; `hook` is the
    script that keeps what a client says (`sh HOOK PLACE EVENT`), `guard` the one that judges what it writes. `keys`
    holds the values that the program gets in its environment and that stand nowhere else: for files that a client
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

    Shape: `record` is the file that it appends to, its own only if it `names` that text near its beginning;
    `beside` are files that its sub-agents append to; `states` are small files, each named by the id of the process
    that it tells of.
    """

    home: str
    record: tuple[str, ...] = ()
    names: str = ""
    beside: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


class Command(Struct, frozen=True):
    """How a harness is started.

    Shape: `stdin` is a file to read from ("" = the terminal); `to_file`: stdout is a stream; `files` are written
    before the start, 0600, by absolute path; `preface` is put before the task in its prompt file; `guarded` tells that
    it asks the guard before it writes.
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

    Shape: `whole` tells that `stream` begins with the stream's first line. `record` is the end of what the client
    keeps of the conversation by itself, `recorded` that it begins with its first line; `state` what it says of its
    process, which lives. `heard` is when the hook was kept, in epoch seconds.
    """

    stream: bytes = b""
    hook: bytes = b""
    screen: str = ""
    whole: bool = False
    record: bytes = b""
    recorded: bool = False
    state: bytes = b""
    heard: float = 0.0


class Report(Struct, frozen=True):
    """What a harness makes of the evidence. `why` in its own words, one line; `source`: what it rests on.

    Shape: `fault` tells kinds of error apart that call for something else than another try; `usage` and
    `agent_session` are given where the client says them. `calls`: a tool was called and has not come back, `since`
    when, in epoch seconds, 0 where nothing tells.
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


class Harness(Protocol):
    """The program that runs an agent."""

    name: str
    uses_agent: bool  # takes a profile
    uses_prompt: bool  # needs `workers.prompt`
    adopts: bool  # starts its session itself; we only find it
    redraws: bool  # repaints its screen even while it hangs: neither screen nor what the pane printed is life
    reads: frozenset[Source]  # what `report` wants to see
    leave: str  # what is typed to end an interactive session gently; "" for none
    memory: int  # bytes that one worker wants; 0 when unknown

    def problems(self, plan: Plan) -> list[str]:
        """List what in a plan this harness cannot do, each as `key: found, expected`."""

    def conversation(self, plan: Plan) -> Literal["", "given", "told"]:
        """Tell whose the id is by which a conversation can be continued: ours, the client's; "" when it cannot."""

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Say which files of the user's client a confined worker gets a copy of: its name in `home` -> where to look.

        Shape: the first place that is there counts; `$NAME` at its beginning stands for a variable of the host.
        """

    def command(self, task: Task) -> Command:
        """Give the argument vector of one attempt, and the files it reads. Raises: UsageError."""

    def typed(self, text: str) -> str:
        """Give a text as it must be typed into an interactive session to arrive: no command, no completion."""

    def report(self, evidence: Evidence, now: datetime) -> Report:
        """Read what a live attempt does, the best evidence first. Outputs and exit files win over it."""

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        """Say why an attempt ended as it did; `why` is "" when its stream shows no error."""


class Branch(Struct, frozen=True):
    """A branch: the commit it stands at, and the work tree that has it checked out, "" for none."""

    commit: str
    tree: str = ""


class Kept(Struct, frozen=True):
    """What became of paths that were to be on a branch; `commit` is where that stands now.

    Shape: `made` tells that it was made for them; `unchanged` are those that are as in the base commit, `loose` what is
    not committed and was to be left so; `note` what did not matter and may be worth telling.
    """

    commit: str
    unchanged: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    made: bool = False
    note: str = ""


class Merge(Struct, frozen=True):
    """What became of one branch: `commit` is what it was merged as, `files` those in conflict."""

    branch: str
    state: Literal["merged", "contained", "conflict", "gone"]
    commit: str = ""
    files: tuple[str, ...] = ()


class Merged(Struct, frozen=True):
    """What a merge came to: the branch merged into, where it stands, each branch in its order."""

    into: str
    commit: str
    branches: tuple[Merge, ...] = ()


class Git(Protocol):
    """The repository that workers get work trees of. Paths are relative to its top, but for `root` and `tree`.

    Shape: branches go by their short names. No hook of the repository runs and nothing is signed.
    Raises: ProgramError wherever git fails, in its words.
    """

    def survey(self, root: str, rev: str) -> Repository:
        """Find the repository that holds a directory, and the commit that `rev` means now.

        Raises: UsageError when there is none; ProgramError when git is missing or too old.
        """

    def unfit(self, repository: Repository, paths: Iterable[str]) -> dict[str, str]:
        """Give the paths that a tree of the base commit would lack or have otherwise, each with the reason."""

    def ignored(self, repository: Repository, paths: Iterable[str]) -> set[str]:
        """Give the paths that git leaves out."""

    def modules(self, repository: Repository) -> list[str]:
        """List the base commit's submodules by path; a new tree holds none of their files."""

    def branches(self, repository: Repository) -> dict[str, Branch]:
        """List all branches."""

    def plant(self, repository: Repository, tree: str, branch: str) -> tuple[str, ...]:
        """Make a work tree on a branch of its own from the base commit; give the command that puts its files there.

        Repeatable: yes; a tree that is there is adopted, a half-made one completed, a branch that is there goes on.
        Raises: ProgramError when something else stands at `tree`.
        """

    def keep(
        self,
        repository: Repository,
        tree: str,
        branch: str,
        paths: Sequence[str],
        claims: Sequence[str],
        author: str,
        message: str,
    ) -> Kept:
        """Commit these paths of a tree, and what was changed within `claims`, to its branch; nothing else.

        Shape: `claims` are patterns; `author` is whose work it is; without a `message` nothing is committed.
        Repeatable: yes; what is on the branch already makes no commit.
        """

    def merge(self, repository: Repository, branches: Sequence[str], into: str, *, dry: bool) -> Merged:
        """Merge branches into another, in order, without any work tree; one in conflict is left out.

        Shape: `into` is made where it is not there, from the branch that trees began at. `dry` moves no branch.
        Raises: UsageError when `into` is checked out somewhere.
        """

    def uproot(self, repository: Repository, tree: str, branch: str, merged: Sequence[str]) -> str:
        """Remove a tree that is clean and whose branch is in one of `merged`, or in the base; "" or why it was left.

        Boundary: the branch itself stays. One that is no tree any more is no error.
        """

    def follow(self, repository: Repository, trees: Sequence[str]) -> None:
        """Tell git of trees that have been moved, by their new places."""


class World(Struct, frozen=True):
    """One of each. `sessions` and `harness` are looked up: by socket, by name (UnknownNameError lists those known)."""

    clock: Clock
    logs: Logs
    alarms: Alarms
    files: Files
    machine: Machine
    sessions: Callable[[Host], Sessions]
    harness: Callable[[str], Harness]
    watcher: Callable[[], Watcher]  # loaded when it is asked for
    confiner: Callable[[], Confiner]  # loaded when it is asked for
    git: Callable[[], Git]  # as the watcher
    host: Callable[[Plan, str, str], Host]  # (plan, root, deployment directory) -> the absolute world
    agents: Callable[[Plan], Mapping[str, Agent]]  # profiles by name: the plan's own, then the user's
    wrapper: Callable[[], bytes]  # the script around each worker
    hook: Callable[[], bytes]  # the script that keeps what a client says
    guard: Callable[[], bytes]  # the script that judges what it writes
    deliver: Callable[[WakeTarget, str, Deployment], str]  # tell a target; "" or why it did not work
    say: Callable[[Sessions, str, str, bool, bool], str]  # (host, session, text, submit, force) -> "" or why not
    state: str  # absolute path of the state directory
    by: str  # who writes, with the process id: `up:4711`; up, at, exit, timer, hook, watch, hand, resume
