"""Where workers run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct


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
