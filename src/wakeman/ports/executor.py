"""Where workers run: many are submitted at once, all are polled at once, any is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from wakeman.core.model import EndedBy
    from wakeman.ports.terminal import Terminal

Phase = Literal["queued", "running", "exited", "killed", "lost", "unknown"]
"""What became of a session. It is over in three of them; of one that is unknown nothing is decided."""
OVER: frozenset[Phase] = frozenset(("exited", "killed", "lost"))


class Start(Struct, frozen=True):
    """One session to make. `argv` is exec'd without a shell; `env` is not secret; `mark` is the attempt's id."""

    session: str
    mark: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = {}
    stream: str = ""  # absolute file that gets what its terminal shows, if it has one; "" for none


class SessionInfo(Struct, frozen=True):
    """One session as its place shows it.

    Shape: `session_id` is never used twice, by no server after this one either: it names its server where the place
    counts from the beginning with each; it is compared and handed back, never taken apart. `mark` "" is not ours. One
    that has `exited` without a `code` has a status that is not known, or not yet. Of one that was `killed`, `ended_by`
    and `why` say by whom and why, as far as the place knows; `lost` is one that may be running where the place does
    not reach.
    Units: `created` and `activity` are epoch seconds; `activity` is its last sign of life, 0 where none is seen.
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

    @property
    def over(self) -> bool:
        """Return whether it has ended, or is lost."""
        return self.phase in OVER


class Listing(Struct, frozen=True):
    """All sessions of one place. `state` unknown: it did not answer, decide nothing; down: nothing was started there.

    Shape: `server` names what answered, another where it was started anew. Of the sessions that were known, by id:
    `gone` says why those of another server are lost, `hidden` why nothing can be told of those whose server lives and
    does not answer here.
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
    """What became of one `Start`: ids, or `error`. `taken` besides: the name is that of a session not of this mark."""

    session_id: str = ""
    pid: int = 0
    error: str = ""
    taken: bool = False


class Executor(Protocol):
    """One place where workers run: a tmux server, a cluster's queue."""

    @property
    def address(self) -> str:
        """Return what distinguishes this place from others of its kind."""

    @property
    def outlives_boot(self) -> bool:
        """Return whether sessions survive a restart of this machine."""

    @property
    def terminal(self) -> Terminal | None:
        """Return the terminals of its sessions; None where they have none."""

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        """List all sessions, those queued included, in a constant number of calls. Never raises: `state` says it.

        Shape: `known` are ids of sessions that were there, each with the `server` of the last poll, for ids that do
        not name theirs: those of logs of the version before, and "".
        """

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Make or queue several sessions, each with its mark from its first moment; same order.

        Repeatable: no; a name that is taken gives `taken`, unless its mark equals: then that session is given.
        Raises: ProgramError when the place does not answer.
        """

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions, each given by (id, mark), that carry that mark; return their number. Their names are free then.

        Shape: processes get SIGHUP, or what the place has for it; a later poll shows when they have ended. Those that
        are over count, too, and need not be listed any longer. Boundary: one that is gone, or carries another mark, is
        skipped. Raises: ProgramError on a hung place.
        """

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of what a session has printed, as far as the place keeps that, without escape codes.

        Shape: `session` is an id or an exact name; with a `mark` it must carry that.
        Raises: UnknownNameError; ProgramError on a hung place.
        """
