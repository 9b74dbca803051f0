"""Makes choices in a client's dialog by keys, and sees that they were taken: nothing is pressed in another dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wakeman.core.errors import WakemanError
from wakeman.core.model import Choice
from wakeman.core.text import sanitise
from wakeman.ports import KeyedTerminal, PaintedTerminal

if TYPE_CHECKING:
    from wakeman.ports import DialogReader, Pressing, ShownDialog, Terminal

DIALOG_ROWS = 60
"""Lines of a screen in which a dialog is read."""
MOVES_S = 2.0
"""Seconds that a key may take until its mark, its tick or its text shows."""
TAKEN_S = 5.0
"""Seconds until a question that was answered is gone."""
DIALOG_POLL_S = 0.1
KEYS_FAILURE_CHARS_MAX = 300
"""Characters of an error that are told."""


class _NotTakenError(Exception):
    """Why a choice was not made."""


class _Hand:
    """Keys of one session, pressed only while it shows the question that is to be answered."""

    def __init__(
        self, terminal: KeyedTerminal, session: str, mark: str, reader: DialogReader, pause: Callable[[float], None]
    ) -> None:
        self._terminal, self._session, self._mark = terminal, session, mark
        self._reader, self._pause = reader, pause

    def shown(self) -> ShownDialog | None:
        """Read the dialog; with the colours of the screen where they alone tell which choice is marked."""
        shown = self._reader.dialog(self._terminal.capture(self._session, DIALOG_ROWS, mark=self._mark))
        if shown is None or not shown.beside or not isinstance(self._terminal, PaintedTerminal):
            return shown
        return self._reader.dialog(self._terminal.painted(self._session, DIALOG_ROWS, mark=self._mark))

    def press(self, *keys: str) -> None:
        self._terminal.press(self._session, keys, mark=self._mark)

    def type(self, text: str) -> None:
        self._terminal.type(self._session, text, submit=False, mark=self._mark)

    def until(self, fits: Callable[[ShownDialog | None], bool], seconds: float) -> ShownDialog | None:
        """Return the dialog once it fits. Raises: _NotTakenError when it does not within a time."""
        for _ in range(max(1, round(seconds / DIALOG_POLL_S))):
            if fits(now := self.shown()):
                return now
            self._pause(DIALOG_POLL_S)
        raise _NotTakenError

    def gone(self, *seen: str) -> None:
        """Wait until none of the questions `seen` is shown, twice in a row: a screen may be half drawn once."""
        quiet = 0

        def fits(now: ShownDialog | None) -> bool:
            nonlocal quiet
            quiet = 0 if now is not None and now.dialog.seen in seen else quiet + 1
            return quiet > 1

        try:
            self.until(fits, TAKEN_S)
        except _NotTakenError:
            raise _NotTakenError("the keys were pressed, and the same question is still shown") from None


def press_choices(
    terminal: Terminal,
    session: str,
    mark: str,
    reader: DialogReader,
    pressing: Pressing,
    pause: Callable[[float], None],
) -> str:
    """Make choices in a dialog; return "" once it is gone from the screen, else why not.

    Shape: with a `mark` the session must carry that. Boundary: the screen is read right before each key that takes a
    choice, and must show the question that was seen. Cost: as long as its client takes, 7 seconds at most.
    """
    if not isinstance(terminal, KeyedTerminal):
        return "no key can be pressed in its terminal"
    hand = _Hand(terminal, session, mark, reader, pause)
    try:
        shown = hand.shown()
        if shown is None or shown.dialog.seen != pressing.seen:
            return "its screen shows something else now: nothing was pressed"
        if pressing.text:
            _type_into_choice(hand, shown, pressing)
        elif shown.several:
            _tick(hand, shown, pressing)
        else:
            _take(hand, shown, pressing.choices[0])
            hand.gone(pressing.seen)
            _confirm(hand, shown.dialog.choices[pressing.choices[0]])
    except _NotTakenError as refusal:
        return str(refusal)
    except WakemanError as fault:
        return sanitise(str(fault), KEYS_FAILURE_CHARS_MAX)
    return ""


def _take(hand: _Hand, shown: ShownDialog, choice: int) -> None:
    """Take a choice: by its number, or by moving the mark to it and Enter."""
    if _takes_numbers(shown) and not shown.enter:
        hand.press(str(choice + 1))
        return
    _move_mark(hand, shown, choice)
    hand.press("Enter")


def _confirm(hand: _Hand, choice: Choice) -> None:
    """Confirm a permission from now on, where its client asks whether that was meant: by the first choice."""
    asked = hand.shown() if choice.does == "always" else None
    if asked is not None and asked.confirms and asked.dialog.choices[0].does == "always":
        _take(hand, asked, 0)
        hand.gone(asked.dialog.seen)


def _takes_numbers(shown: ShownDialog) -> bool:
    """Return whether a number chooses: it is typed where the mark is on the choice that takes a text."""
    return shown.numbered and shown.dialog.choices[shown.marked].does != "text"


def _move_mark(hand: _Hand, shown: ShownDialog, choice: int) -> None:
    """Move the mark to a choice, and see it there. Raises: _NotTakenError."""
    if shown.marked < 0:
        raise _NotTakenError("which choice is marked does not show: nothing was pressed")
    steps = choice - shown.marked
    forwards, back = ("Right", "Left") if shown.beside else ("Down", "Up")
    if steps and _takes_numbers(shown):
        hand.press(str(choice + 1))
    elif steps:
        hand.press(*((forwards,) * steps if steps > 0 else (back,) * -steps))
    try:
        hand.until(lambda now: _is_marked(now, shown.dialog.seen, choice), MOVES_S)
    except _NotTakenError:
        raise _NotTakenError("the mark did not move to the choice: nothing was taken") from None


def _is_marked(now: ShownDialog | None, seen: str, choice: int) -> bool:
    return now is not None and now.dialog.seen == seen and now.marked == choice


def _tick(hand: _Hand, shown: ShownDialog, pressing: Pressing) -> None:
    """Tick exactly the choices that are wanted, then leave the question."""
    if not _takes_numbers(shown):
        _move_mark(hand, shown, shown.marked - 1)
    wanted = tuple(sorted(set(pressing.choices)))
    for choice in sorted(set(wanted) ^ set(shown.ticked)):
        hand.press(str(choice + 1))
    try:
        hand.until(lambda now: now is not None and now.dialog.seen == pressing.seen and now.ticked == wanted, MOVES_S)
    except _NotTakenError:
        raise _NotTakenError("the choices were not ticked as wanted: the question was not left") from None
    hand.press(shown.several)
    hand.gone(pressing.seen)


def _type_into_choice(hand: _Hand, shown: ShownDialog, pressing: Pressing) -> None:
    """Type a text, in one line, into the choice that takes one."""
    if not shown.empty:
        raise _NotTakenError("somebody has typed a text there: nothing was pressed")
    choice = pressing.choices[-1]
    _move_mark(hand, shown, choice)
    hand.type(" ".join(pressing.text.split()))
    try:
        hand.until(lambda now: now is not None and _is_marked(now, pressing.seen, choice) and not now.empty, MOVES_S)
    except _NotTakenError:
        raise _NotTakenError("the text was typed, and nothing of it shows: it was not taken") from None
    hand.press("Enter")
    hand.gone(pressing.seen)
