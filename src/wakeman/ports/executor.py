"""Where workers run: it submits many at once, polls all at once, and cancels any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from msgspec import Struct

if TYPE_CHECKING:
    from wakeman.core.model import EndedBy
    from wakeman.ports.terminal import Terminal

Phase = Literal["queued", "running", "exited", "killed", "lost", "unknown"]
"""Phase of a session. Three of them are final; nothing is decided about one that is unknown."""
OVER: frozenset[Phase] = frozenset(("exited", "killed", "lost"))


class Sought(Struct, frozen=True):
    """Files that a client stores of one attempt outside of that one's own, and where a place puts them.

    Shape: `files` are globs below `home`, an absolute path. With `named` only those count that were written since the
    file `since` was, and have that text near their beginning. Each is put `into` a directory, at its path below `home`.
    """

    home: str
    files: tuple[str, ...]
    into: str
    named: str = ""
    since: str = ""


class Carried(Struct, frozen=True):
    """The files of an attempt, all below the deployment's directory: for a place that does not share this disk.

    Shape: absolute paths, of directories with a slash behind. `needs` are sent before it begins; `leaves` are brought
    at each look, as they are. Of `posts`, each the beginning of paths, whole files are brought once, and gone there
    then. `last` is the file that is written when all else is. Before each look what is `sought` is put among them.
    """

    needs: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    posts: tuple[str, ...] = ()
    last: str = ""
    sought: tuple[Sought, ...] = ()


class Start(Struct, frozen=True):
    """One session to make. `argv` is exec'd without a shell; `env` is not secret; `mark` is the attempt's id.

    Shape: one that `lingers` is listed, and its terminal readable, when its program has ended; another is gone then.
    """

    session: str
    mark: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = {}
    stream: str = ""  # absolute file that gets a copy of its terminal's output, if it has one; "" for none
    lingers: bool = True
    keeper: tuple[str, ...] = ()  # the shell script that appends this copy to `stream`, and its arguments; () for `cat`
    carried: Carried = Carried()


class SessionInfo(Struct, frozen=True):
    """One session as its place reports it.

    Shape: `session_id` is never reused, also not by a later server: it contains its server's id if a new server counts
    from the beginning. Callers compare it and pass it back, and never parse it. With `mark` "" the session is not ours.
    If it has `exited` without a `code`, the status is not known, or not yet. If it was `killed`, or is about to be,
    `ended_by` and `why` say by whom and why, as far as the place knows; one that is `lost` may still be running out of
    the place's reach.
    Units: `created` and `activity` are epoch seconds; `activity` is its last sign of life, 0 for none.
    """

    session: str
    session_id: str
    phase: Phase
    mark: str
    pid: int = 0
    code: int | None = None
    ended_by: EndedBy = ""
    why: str = ""
    created: float = 0.0
    activity: float = 0.0
    title: str = ""
    host: str = ""  # the machine that it is, or was, on, where the place has several and knows it

    @property
    def over(self) -> bool:
        """Return whether it has ended, or is lost."""
        return self.phase in OVER


class Listing(Struct, frozen=True):
    """All sessions of one place. `state` unknown: it did not answer, so nothing is decided; down: it does not run.

    Shape: `server` identifies the server that answered and changes when it is restarted. Of the known sessions, by id:
    `gone` is why those of another server are lost, `hidden` why those of a server that runs but does not answer here
    are unknown.
    """

    state: Literal["up", "down", "unknown"]
    server: str = ""
    seen: tuple[SessionInfo, ...] = ()
    why: str = ""
    gone: Mapping[str, str] = {}
    hidden: Mapping[str, str] = {}

    def finder(self) -> Callable[[str, str], SessionInfo | None]:
        """Return what finds the session of an (id, mark): the one that carries the mark, or has the id and no mark."""
        marked = {seen.mark: seen for seen in self.seen if seen.mark}
        unmarked = {seen.session_id: seen for seen in self.seen if not seen.mark}
        return lambda session_id, mark: marked.get(mark) or unmarked.get(session_id)


class Made(Struct, frozen=True):
    """Result of one `Start`: ids, or `error` and what mends it. `taken`: a session with another mark has that name."""

    session_id: str = ""
    pid: int = 0
    error: str = ""
    taken: bool = False
    mend: str = ""


class Executor(Protocol):
    """One place where workers run: a tmux server, a cluster's queue."""

    @property
    def address(self) -> str:
        """Return an identifier of this place among others of its kind."""

    @property
    def outlives_boot(self) -> bool:
        """Return whether sessions survive a restart of this machine."""

    @property
    def terminal(self) -> Terminal | None:
        """Return the terminals of its sessions; None if they have none."""

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        """List all sessions, queued ones included, in a constant number of calls. Never raises: see `state`.

        Shape: `known` maps ids of known sessions to the `server` of the last poll, for ids that do not contain it:
        those in logs of the previous version, and "".
        """

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Make or queue several sessions, each with its mark from the first moment; results in the same order.

        Repeatable: no; a name in use gives `taken`, unless its mark is equal: then that session is returned. Raises:
        ProgramError when the place does not answer.
        """

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions, each given by (id, mark), if they carry that mark; return their number.

        Shape: their names become free; processes get SIGHUP, or the place's equivalent; a later poll shows when they
        have ended. Sessions that have ended count, too, and need not be listed any longer. Boundary: one that is gone,
        or has another mark, is skipped. Raises: ProgramError on a hung place.
        """

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of a session's output, as far as the place keeps it, without escape codes.

        Shape: `session` is an id or an exact name; with a `mark` it must carry that.
        Raises: UnknownNameError; ProgramError on a hung place.
        """


@runtime_checkable
class LocatedExecutor(Protocol):
    """An executor of which a session's id tells the machine, whether or not that answers."""

    def host_of(self, session_id: str) -> str:
        """Return the machine that a session is, or was, on; "" for none that is known. Cost: nobody is called."""

    def left_behind(self) -> Mapping[str, tuple[str, ...]]:
        """Return, by host, the names of the sessions that were lost and may still run there. Cost: as `host_of`."""


@runtime_checkable
class HostedExecutor(Protocol):
    """An executor on hosts that a person knows by name. It queues nothing: each runs so many sessions at a time."""

    @property
    def hosts(self) -> Mapping[str, int]:
        """Return the hosts, each with its slots."""

    def silence(self, host: str) -> str:
        """Call a host; return why it does not answer, "" if it does."""

    def lose(self, host: str) -> tuple[str, ...]:
        """Take all sessions of a host for lost, as a person says that it does not come back; return their names.

        Shape: a later poll reports them as `lost`. What of them still runs is ended once the host is used again.
        """


@runtime_checkable
class HoldingExecutor(Protocol):
    """An executor that may hold a part of its place, so that sessions need not wait for it."""

    def give_back(self) -> None:
        """Give back what is held, once no session runs in it, and hold nothing from now on.

        Repeatable: yes; also where nothing is held. Failure is silent: what runs there sees the word by itself.
        """


class Lack(Struct, frozen=True):
    """What a machine lacks on which a session was to begin: what it is called, what was found, and what mends it."""

    what: str
    found: str
    mend: str


@runtime_checkable
class ExplainingExecutor(Protocol):
    """An executor that knows what its machines must have."""

    def lack(self, session_id: str) -> Lack | None:
        """Return what a session's machine lacks for any session; None for nothing that the last look told."""


@runtime_checkable
class WakingExecutor(Protocol):
    """An executor whose place can run a command once a session has ended, so that nobody need look for that."""

    def wake_at_end(self, argv: Sequence[str]) -> None:
        """Have a command run once, as soon as any of the sessions that are not over has ended.

        Shape: in place of the command before; without words nothing is to run any more. Nothing is changed where one
        already waits for all of them. Raises: ProgramError.
        """


@runtime_checkable
class CopyingExecutor(Protocol):
    """An executor whose machines may have copies of files."""

    @property
    def copies_files(self) -> bool:
        """Return whether they have copies: otherwise they share the files of this machine."""

    def forget(self) -> Mapping[str, str]:
        """Remove what was made on them for the deployment; return, by machine, why something may be left there.

        Shape: nothing that was there before goes, and nothing where a session of it is left. Repeatable: yes, and only
        what is left is asked for. Boundary: none where files are shared.
        """
