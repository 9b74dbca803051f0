"""What panes show, many of them in one call: the words of that call, and how its output is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from wakeman.adapters.tmux.creation import COMMAND_BYTES_MAX, words_length
from wakeman.adapters.tmux.listing import is_own, plain_text
from wakeman.adapters.tmux.targets import ATTEMPT_ID, Pane, match_format

PANE_ROW = "#{session_id} #{pid}:#{start_time} #{pane_id} #{pane_dead} #{@wakeman_pane} #{@wakeman}"
"""What `list-panes` prints of a pane for `own_panes`."""


def own_panes(printed: str) -> dict[tuple[str, str, str], Pane]:
    """Return the panes that we made, by session, server and mark."""
    found = {}
    for line in printed.splitlines():
        number, server, pane, dead, own, mark = (line.split(" ", 5) + [""] * 5)[:6]
        if is_own(own, pane) and re.fullmatch(ATTEMPT_ID, mark):
            found[number, server, mark] = Pane(pane, dead == "1", match_format(f"{number}@{server}", mark))
    return found


def reading_calls(panes: Sequence[Pane], lines: int, cut: str, *, painted: bool) -> Iterator[tuple[str, ...]]:
    """Yield calls that print what panes show, as many panes in each as tmux takes.

    Shape: `cut` is what no screen contains; it precedes each one's number and screen. A pane that is another's by now
    prints nothing; one that is gone fails its call, and so those after it.
    """
    how = " -e" if painted else ""
    call: tuple[str, ...] = ()
    for number, found in enumerate(panes):
        then = f"display-message -p '{cut}{number}' ; capture-pane -p{how} -J -S -{lines + 1} -t '{found.pane}'"
        words = ("if-shell", "-F", "-t", found.pane, found.condition, then)
        if call and words_length((*call, ";", *words)) > COMMAND_BYTES_MAX:
            yield call
            call = ()
        call = (*call, ";", *words) if call else words
    yield call


def shown_by(printed: str, panes: Sequence[Pane], lines: int, cut: str, *, painted: bool) -> dict[int, str]:
    """Read what such calls printed: the last lines of each screen, by the pane's number."""
    shown = {}
    for part in printed.split(cut)[1:]:
        number, _, text = part.partition("\n")
        shown[int(number)] = screen_text(text, lines, dead=panes[int(number)].dead, painted=painted)
    return shown


def screen_text(text: str, lines: int, *, dead: bool, painted: bool) -> str:
    """Return the last rows of a screen, as plain or painted text, without tmux's line in a dead pane."""
    if painted:
        from wakeman.core.paint import painted_rows, plain_row, repainted

        coloured = painted_rows(text.replace("\r\n", "\n").replace("\r", "\n"))
        text = repainted(coloured, "\n".join(map(plain_row, coloured)))
    else:
        text = plain_text(text)
    rows = [row.rstrip() for row in text.rstrip().split("\n")]
    if dead and rows[-1].startswith("Pane is dead"):
        rows = "\n".join(rows[:-1]).rstrip().split("\n")
    return "\n".join(rows[-lines:])
