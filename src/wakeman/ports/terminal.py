"""Methods of a place whose sessions have terminals, in addition to its executor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class Terminal(Protocol):
    """The terminals of an executor's sessions.

    Shape: `session` is an id or an exact name. With a `mark` the session must carry that, and is otherwise unknown: so
    is each of a worker addressed, as a name may be used again. Without one it is another's session, such as a person's.
    Boundary: server, session and mark are compared in the call that acts, not before it.
    """

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of the screen and its history as plain text, without escape codes.

        Raises: UnknownNameError; ProgramError on a hung place.
        """

    def type(self, session: str, text: str, *, submit: bool, mark: str = "") -> None:
        """Paste text, bracketed if the program asked for that; `submit` presses Enter separately.

        Raises: UnknownNameError; ProgramError.
        """

    def attach(self, session: str, *, mark: str = "") -> tuple[str, ...]:
        """Return the command line by which a person attaches; it does nothing if the session is gone by then.

        Raises: UnknownNameError for a name that no session can have.
        """

    def switch(self, session: str, *, mark: str = "", here: str = "") -> tuple[str, ...]:
        """Return the command line by which the terminal that a person sits at shows the session instead; () if it is
        none of this place's.

        Shape: `here` is what the environment says of the place that the terminal is in: the variable TMUX.
        """

    def adopt(self, session_id: str, mark: str, instead: str = "") -> None:
        """Set our mark on a session that was made outside Wakeman, as by the user's own launcher.

        Shape: `instead` is a mark that it may carry, and that is replaced.
        Raises: ProgramError when it is gone, or carries another's mark: nothing has changed then.
        """

    def release(self, session_id: str, mark: str) -> None:
        """Take our mark off a session, which goes on as it is.

        Raises: UnknownNameError when it is gone, or does not carry that mark; ProgramError on a hung place.
        """

    def remember(self, session_id: str, head: str, *, mark: str) -> None:
        """Store the log's head on the session, a checkpoint outside the log. Failure is silent."""

    def recall(self) -> list[tuple[str, str]]:
        """Return the stored checkpoints: mark and head of each session that has both; empty if nothing answers."""


KEYS = frozenset({*"123456789", "Enter", "Up", "Down", "Left", "Right"})
"""Keys that can be pressed."""


@runtime_checkable
class PaintedTerminal(Terminal, Protocol):
    """Terminals that also tell their colours."""

    def painted(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return what `capture` does, with the escape codes of its colours. Raises: as `capture`."""


@runtime_checkable
class KeyedTerminal(Terminal, Protocol):
    """Terminals in which single keys can be pressed, as a dialog wants them."""

    def press(self, session: str, keys: tuple[str, ...], *, mark: str = "") -> None:
        """Press keys, one after the other: `1` to `9`, `Enter`, `Up`, `Down`, `Left`, `Right`.

        Raises: UnknownNameError; ProgramError; ValueError for another key.
        """


@runtime_checkable
class CrowdTerminal(Terminal, Protocol):
    """Terminals of which many can be read at once."""

    def captures(
        self, sessions: Sequence[tuple[str, str]], lines: int = 50, *, painted: bool = False
    ) -> list[str | None]:
        """Return what `capture` does, or `painted`, of each session, by its id and mark, in their order.

        Boundary: None for one that is unknown, or has another mark. Raises: ProgramError on a hung place.
        """
