"""A world for dry runs: it reads from the real one; effects are printed and assumed to succeed. It wraps another world,
so that a dry run takes the same steps as a real one. Log lines are applied in memory, so that later steps see the
earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from shlex import join
from typing import Literal

import msgspec

from wakeman.core.errors import UsageError
from wakeman.core.log import events as e
from wakeman.core.log.state import apply_drafts, validate
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment, FileFingerprint, Host, Identity, Repository, WakeTarget
from wakeman.core.policy.ownership import Entry, Site, entry
from wakeman.ports import (
    SOON,
    Branch,
    Common,
    CopyingExecutor,
    Delivery,
    DialogReader,
    Executor,
    Files,
    Git,
    Heard,
    HostedExecutor,
    Installed,
    Job,
    Kept,
    Kin,
    Listing,
    LocatedExecutor,
    Logs,
    Machine,
    Made,
    MergeResult,
    NodeTrial,
    PathEntry,
    Pressing,
    Ran,
    Registry,
    SessionInfo,
    Start,
    Terminal,
    Timer,
    World,
)

PREVIEWED = (
    e.Enrolled, e.Decided, e.Stalled, e.Recovered, e.Exited, e.Verified, e.Requested, e.Amended, e.Adopted,
    e.Sampled, e.Noted, e.Closed,
)  # fmt: skip
"""Events that are reported; the others are outcomes of effects, which are reported themselves."""

PrintLine = Callable[[str], None]


def dry(world: World, print_line: PrintLine) -> World:
    """Return a world that reads from `world` and changes nothing.

    Shape: `print_line` is called with each effect, in the imperative.
    """
    printed: set[str] = set()
    executors: dict[str, DryExecutor] = {}
    timers: dict[str, DryTimer] = {}

    def once(text: str) -> None:
        if text not in printed:
            printed.add(text)
            print_line(text)

    def executor(host: Host) -> Executor:
        real = world.executor(host)
        if real.address not in executors:
            executors[real.address] = DryExecutor(real, once, world.clock.now().timestamp())
        return executors[real.address]

    def common(host: Host) -> Common:
        real = world.common(host)
        if host.directory not in timers:
            timers[host.directory] = DryTimer(real.timer, once)
        return Common(real.clock, timers[host.directory], lambda _: NodeTrial())

    def deliver(target: WakeTarget, message: str, _: Deployment) -> Delivery:
        once(f"tell {join(target.run) or target.tmux or target.address or target.name}: {message}")
        return Delivery()

    def press(_: Terminal, session: str, __: str, ___: DialogReader, pressing: Pressing) -> str:
        chosen = " ".join(str(choice + 1) for choice in pressing.choices)
        once(f"choose {chosen} in the dialog of session {session}{': ' if pressing.text else ''}{pressing.text}")
        return ""

    return msgspec.structs.replace(
        world,
        logs=DryLogs(world.logs, once),
        registry=DryRegistry(world.registry),
        timer=DryTimer(world.timer, once),
        stand_in=DryTimer(world.stand_in, once),
        common=common,
        files=DryFiles(world.files, once),
        machine=DryMachine(world.machine, once),
        executor=executor,
        git=lambda: DryGit(world.git(), once),
        deliver=deliver,
        hear=lambda *_: Heard(),
        press=press,
    )


class DryWriter:
    """A log whose lines are applied and not written."""

    seen = False

    def __init__(self, deployment: Deployment, print_line: PrintLine) -> None:
        self.deployment = deployment
        self._print_line = print_line

    def hash_of(self, seq: int) -> str:
        """Return "": lines that are only applied here have no hash."""
        del seq
        return ""

    def append(self, drafts: Sequence[e.Draft], at: datetime, *, durable: bool = True) -> list[e.Event]:
        del durable
        validate(self.deployment, drafts)
        events = apply_drafts(self.deployment, drafts, at, "dry")
        for event in events:
            if isinstance(event.data, PREVIEWED):
                about = f" {event.worker}:" if event.worker else ""
                self._print_line(f"record {e.kind(event.data)}:{about} {summary(event.data)}")
        return events


class DryLogs:
    """The real logs, and the lines applied here on top."""

    def __init__(self, logs: Logs, print_line: PrintLine) -> None:
        self._logs, self._print_line = logs, print_line
        self._own: dict[str, Deployment] = {}

    def names(self) -> list[str]:
        return list(dict.fromkeys([*self._logs.names(), *self._own]))

    def create(self, name: str, digest: str, drafts: Sequence[e.Draft], at: datetime, by: str) -> None:
        del digest, by
        if name in self.names():
            raise UsageError(f"{name}: already exists", f"wakeman status {name}")
        self._print_line(f"begin the log of {name}")
        writer = DryWriter(Deployment(), self._print_line)
        writer.append(drafts, at)
        self._own[name] = writer.deployment

    def read(self, name: str) -> Deployment:
        return self._own[name] if name in self._own else self._logs.read(name)

    def events(self, name: str, after: int = 0) -> Iterator[e.Event]:
        return self._logs.events(name, after)

    def repair(self, name: str, by: str) -> str:
        del by
        self._print_line(f"cut the log of {name} before its damage, if there is any")
        return ""

    @contextmanager
    def hold(self, name: str, by: str, wait: float = 5.0) -> Iterator[DryWriter]:
        del by, wait
        self._own[name] = self.read(name)
        yield DryWriter(self._own[name], self._print_line)


class DryRegistry:
    """The real registry, and on top of it what was enrolled here."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._own: dict[str, Entry] = {}

    def identity(self) -> Identity:
        return self._registry.identity()

    def unsafe(self, directory: str) -> str:
        return self._registry.unsafe(directory)

    def look(self, directory: str) -> tuple[Entry | None, Site]:
        known, site = self._registry.look(directory)
        return self._own.get(directory, known), site

    def directories(self) -> list[str]:
        return self._registry.directories()

    def enrol(self, directory: str, host: Host) -> None:
        self._own[directory] = entry(self._registry.look(directory)[1], host)

    def forget(self, directory: str) -> None:
        self._own.pop(directory, None)


class DryTimer:
    """The real queue; an alarm that is set here is assumed to be queued."""

    def __init__(self, timer: Timer, print_line: PrintLine) -> None:
        self._timer, self._print_line = timer, print_line
        self._set: set[str] = set()
        self.name = timer.name

    def weakness(self) -> str:
        return self._timer.weakness()

    def arm(self, marker: str, argv: Sequence[str], due: datetime) -> Job:
        del argv
        what = "have a check run" if marker.endswith(SOON) else "set an alarm for"
        self._print_line(f"{what} {due.astimezone():%Y-%m-%d %H:%M}")
        self._set.add(marker)
        return Job(job="dry", due=due, body=marker)

    def pending(self, job: str, marker: str) -> bool:
        return job == "dry" or marker in self._set or self._timer.pending(job, marker)

    def find(self, marker: str) -> list[Job]:
        return self._timer.find(marker)

    def disarm(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            if job != "dry":
                self._print_line(f"take away alarm job {job}")

    def shell(self) -> bytes:
        return self._timer.shell()


class DryFiles:
    """The real disk, with what would have been written on top."""

    def __init__(self, files: Files, print_line: PrintLine) -> None:
        self._files, self._print_line = files, print_line
        self._own: dict[str, bytes] = {}

    def marks(self, paths: Iterable[str]) -> dict[str, FileFingerprint]:
        return self._files.marks(paths)

    def touched(self) -> frozenset[str] | None:
        return self._files.touched()

    def entries(self, paths: Iterable[str]) -> dict[str, PathEntry]:
        return self._files.entries(paths)

    def read(self, path: str, limit: int = 64 * 1024 * 1024, *, within: str = "") -> bytes:
        return self._own[path] if path in self._own else self._files.read(path, limit, within=within)

    def tail(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        return self._files.tail(path, size, within=within)

    def head(self, path: str, size: int = 65536, *, within: str = "") -> bytes:
        return self._files.head(path, size, within=within)

    def glob(self, root: str, patterns: Sequence[str], exclude: Sequence[str]) -> list[str]:
        return self._files.glob(root, patterns, exclude)

    def names(self, directory: str) -> list[str]:
        return self._files.names(directory)

    def is_directory(self, path: str) -> bool:
        return self._files.is_directory(path)

    def directory_id(self, path: str) -> str:
        return self._files.directory_id(path)

    def resolve(self, paths: Iterable[str]) -> dict[str, str]:
        return self._files.resolve(paths)

    def folds_case(self, path: str) -> bool:
        return self._files.folds_case(path)

    def write(self, path: str, data: bytes, *, mode: int = 0o600, durable: bool = False, within: str = "") -> None:
        del mode, durable, within
        self._own[path] = data

    def link(self, target: str, path: str) -> None:
        """Do nothing: links are only made for later launches."""

    def make(self, directory: str, *, mode: int = 0o700) -> None:
        """Do nothing: directories of our own are not reported."""

    def pipe(self, path: str) -> None:
        """Do nothing: it is only made for later launches."""

    def writable(self, path: str) -> bool:
        return self._files.writable(path)

    def room(self, path: str) -> int | None:
        return self._files.room(path)

    def move(self, source: str, target: str) -> str:
        self._print_line(f"move {source} to {target}")
        return target

    def remove(self, path: str) -> None:
        """Do nothing: removing files of our own is not reported."""

    def erase(self, directory: str, *, within: str, last: str = "") -> int:
        del within, last
        self._print_line(f"delete {directory}")
        return 0

    def sync(self, paths: Iterable[str], *, within: str) -> dict[str, str]:
        """Do nothing: what is there stays there."""
        del paths, within
        return {}

    def writing(self, paths: Iterable[str]) -> set[str]:
        return self._files.writing(paths)

    def install(
        self, stage: str, inside: str, target: str, mark: FileFingerprint, over: FileFingerprint | None, *, keep: bool
    ) -> Installed:
        del stage, inside, over, keep
        self._print_line(f"install {target}")
        return Installed(mark=msgspec.structs.replace(mark, path=target))


class DryGit:
    """The real repository; trees, commits and branches are assumed to be made."""

    def __init__(self, git: Git, print_line: PrintLine) -> None:
        self._git, self._print_line = git, print_line

    def survey(self, root: str, rev: str) -> Repository:
        return self._git.survey(root, rev)

    def unfit(self, repository: Repository, paths: Iterable[str]) -> dict[str, str]:
        return self._git.unfit(repository, paths)

    def ignored(self, repository: Repository, paths: Iterable[str]) -> set[str]:
        return self._git.ignored(repository, paths)

    def modules(self, repository: Repository) -> list[str]:
        return self._git.modules(repository)

    def unfilled(self, repository: Repository) -> str:
        return self._git.unfilled(repository)

    def loose(self, repository: Repository, tree: str) -> list[str]:
        return self._git.loose(repository, tree)

    def branches(self, repository: Repository) -> dict[str, Branch]:
        return self._git.branches(repository)

    def plant(self, repository: Repository, tree: str, branch: str) -> tuple[str, ...]:
        self._print_line(f"make work tree {tree} on branch {branch} from {repository.base[:12]}")
        return ()

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
        del tree, claims, author, message
        self._print_line(f"commit {', '.join(paths)} to {branch}")
        return Kept(commit=repository.base)

    def merge(self, repository: Repository, branches: Sequence[str], into: str, *, dry: bool) -> MergeResult:
        del dry
        merged = self._git.merge(repository, branches, into, dry=True)
        for each in merged.branches:
            self._print_line(f"merge {each.branch} into {into}: {each.state} {' '.join(each.files)}".rstrip())
        return merged

    def uproot(self, repository: Repository, tree: str, branch: str, merged: Sequence[str]) -> str:
        del repository, branch, merged
        self._print_line(f"remove work tree {tree}, if it is clean and its branch is merged")
        return ""

    def follow(self, repository: Repository, trees: Sequence[str]) -> None:
        """Do nothing: nothing was moved."""

    def drop(self, repository: Repository, branch: str, merged: Sequence[str]) -> str:
        del repository, merged
        self._print_line(f"delete branch {branch}, if it is merged")
        return ""


class DryMachine:
    """The real machine; programs are not run, and assumed to succeed."""

    def __init__(self, machine: Machine, print_line: PrintLine) -> None:
        self._machine, self._print_line = machine, print_line

    def run(self, argv: Sequence[str], *, cwd: str, env: Mapping[str, str], timeout: float, stdin: bytes = b"") -> Ran:
        del env, timeout, stdin
        self._print_line(f"run {join(argv)} in {cwd} (taken to succeed)")
        return Ran(code=0)

    def runs(self, program: str, cwd: str, path: str) -> bool:
        return self._machine.runs(program, cwd, path)

    def free_memory(self) -> int:
        return self._machine.free_memory()

    def capacity(self) -> tuple[int, int]:
        return self._machine.capacity()

    def marked(self, marks: Iterable[str]) -> dict[str, list[int]]:
        return self._machine.marked(marks)

    def born(self, pids: Iterable[int]) -> dict[int, float]:
        return self._machine.born(pids)

    def kin(self, pids: Iterable[int]) -> dict[int, Kin]:
        return self._machine.kin(pids)

    def mark_of(self, pid: int) -> str:
        return self._machine.mark_of(pid)

    def signal(self, pids: Iterable[int], name: Literal["TERM", "KILL", "INT"]) -> None:
        for pid in pids:
            self._print_line(f"signal process {pid} with {name}")

    def alive(self, pid: int) -> bool:
        return self._machine.alive(pid)

    def environ(self) -> Mapping[str, str]:
        return self._machine.environ()

    def home(self) -> str:
        return self._machine.home()

    def pid(self) -> int:
        return self._machine.pid()


class DryExecutor:
    """The real sessions, with those started here and without those ended here."""

    def __init__(self, executor: Executor, print_line: PrintLine, now: float) -> None:
        self._executor, self._print_line, self._now = executor, print_line, now
        self.address, self.outlives_boot = executor.address, executor.outlives_boot
        if isinstance(executor, HostedExecutor):
            self.hosts, self.silence, self.lose = executor.hosts, executor.silence, self._lose
        if isinstance(executor, LocatedExecutor):
            self.host_of, self.left_behind = executor.host_of, executor.left_behind
        if isinstance(executor, CopyingExecutor):
            self.copies_files, self.forget = executor.copies_files, self._forget
        self.terminal = DryTerminal(executor.terminal, self, print_line) if executor.terminal is not None else None
        self._started: dict[str, SessionInfo] = {}
        self._ended: set[str] = set()
        self.marks: dict[str, str] = {}

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        listing = self._executor.poll(known)
        seen = tuple(one for one in listing.seen if one.session_id not in self._ended)
        state = "up" if self._started and listing.state == "down" else listing.state
        return msgspec.structs.replace(listing, state=state, seen=(*seen, *self._started.values()))

    def _lose(self, host: str) -> tuple[str, ...]:
        self._print_line(f"take the sessions on {host} for lost")
        return ()

    def _forget(self) -> Mapping[str, str]:
        if self.copies_files:
            self._print_line("remove what was copied to its hosts")
        return {}

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        return [self._start(start) for start in starts]

    def _start(self, start: Start) -> Made:
        self._print_line(f"start session {start.session}: {join(start.argv)}")
        session_id = f"$dry{len(self._started)}"
        self._started[session_id] = SessionInfo(
            session=start.session,
            session_id=session_id,
            phase="running",
            created=self._now,
            activity=self._now,
            mark=start.mark,
        )
        return Made(session_id=session_id)

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        polled = self.poll().seen
        found = [seen for seen in polled if (seen.session_id, self.marks.get(seen.session_id, seen.mark)) in ends]
        for seen in found:
            self._print_line(f"end session {seen.session}")
            self._ended.add(seen.session_id)
            self._started.pop(seen.session_id, None)
        return len(found)

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        return "" if self.is_dry(session) else self._executor.logs(session, lines, mark=mark)

    def is_dry(self, session: str) -> bool:
        """Return whether a session was only started here."""
        return session in self._started


class DryTerminal:
    """The real terminals; what would be typed is printed."""

    def __init__(self, terminal: Terminal, executor: DryExecutor, print_line: PrintLine) -> None:
        self._terminal, self._executor, self._print_line = terminal, executor, print_line

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        return "" if self._executor.is_dry(session) else self._terminal.capture(session, lines, mark=mark)

    def type(self, session: str, text: str, *, submit: bool, mark: str = "") -> None:
        del mark
        seen = self._executor.poll().seen
        name = next((one.session for one in seen if one.session_id == session), session)
        self._print_line(f"type into session {name}{' and press Enter' if submit else ''}: {text}")

    def attach(self, session: str, *, mark: str = "") -> tuple[str, ...]:
        return self._terminal.attach(session, mark=mark)

    def switch(self, session: str, *, mark: str = "", here: str = "") -> tuple[str, ...]:
        return self._terminal.switch(session, mark=mark, here=here)

    def adopt(self, session_id: str, mark: str, instead: str = "") -> None:
        del instead
        name = next((one.session for one in self._executor.poll().seen if one.session_id == session_id), session_id)
        self._print_line(f"watch session {name}")
        self._executor.marks[session_id] = mark

    def release(self, session_id: str, mark: str) -> None:
        del mark
        self._print_line(f"let go of session {session_id}")

    def remember(self, session_id: str, head: str, *, mark: str) -> None:
        """Do nothing: it is the head of a log that does not exist."""

    def recall(self) -> list[tuple[str, str]]:
        return self._terminal.recall()
