"""Text typed into a client: padded before, searched on the screen afterwards, and when it counts as arrived. The
behaviour of clients is in tables; `docs/how-to/send.md` describes how each row was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from wakeman.core.log import events as e
from wakeman.core.model import OpenIntent, WorkerState

ENTER_AGAIN_S = 2.0
"""Seconds after which Enter is pressed once more, if the text is still in the input box."""
UNCONFIRMED_S = 10.0
"""Seconds after which a text without any sign of its arrival counts as not confirmed."""
INPUT_BOX_ROWS_MAX = 6
"""Non-empty lines, from the bottom, in which an input box is searched."""
INPUT_BOX_CHARS_MIN = 8
"""Characters of a text that identify it in an input box."""
COMPARED_CHARS_MAX = 100
"""Characters of a text, blanks left out, that are compared."""

Pad = tuple[str, str]
"""A pattern and its replacement."""
Became = Literal["taken", "waits", "unknown"]

PADS: tuple[Pad, ...] = (
    (r"\A(?=[!#])", " "),  # a shell's command, a note for its memory
    (r"\A(?=\s*/)", "> "),  # the client's own command: some find it after spaces, too
    (r"(\\|(?:\A|(?<=\s))@\S*)\Z", r"\1 "),  # Enter is a line feed then, or chooses a file
)
"""Beginnings and ends of a text that clients interpret. A space there makes no difference to the model, and the sign of
a quotation little."""

# Patterns are compiled on first use: most checks read no screen.
BUSY = r"(?i)\besc (?:again )?(?:to )?(?:interrupt|cancel|back)|\benter (?:to )?(?:select|confirm|submit|add|default)\b"
"""It is busy, or shows a dialog."""
_WORKS = r"(?i)\besc (?:again )?(?:to )?interrupt|\(esc to cancel"
_BOX = r"^[│|]?\s*[❯>›]\s*(?P<text>.*?)\s*[│|]?$"
"""An input box's line: Claude Code, Codex, Gemini."""
_STAR_BOX = r" \*(?: +(?P<text>.*))?$"
"""Gemini's, while it approves everything; only below a rule, as `*` also begins an item of a list."""
_RULE = r"─{8,}"
_RULE_ROWS = 2
"""Rows above an input box in which its rule is: Gemini writes its mode between them."""
_FRAMED = (
    r"(?m)(?:^─{8,}[^\n]*\n[❯!#] ?(?P<ruled>[^\n]*(?:\n(?!─{8})[^\n]*)*)\n─{8,}[^\n]*"
    r"|^›(?! ?\d\. ) ?(?P<marked>[^\n]*))(?P<foot>(?:\n(?: [^\n]*)?)*)\Z"
)
"""An input box of any number of lines: Claude Code's between its rules, Codex's below its mark."""
_BLOCK = r"(?m)^ *┃ *(?P<text>.*?) *\n *┃ *\n *┃ +\w+(?: auto)? · "
"""An input box's last line above its agent and model: OpenCode."""
_HINT = (
    r"(?:Ask Codex to do anything|Type your message or @path\S*|Ask anything\b.*|Try \".*\""
    r"|Once fixed, resend your message|Resend your message to try again|Press up to edit queued messages"
    r"|Explain this codebase|Summarize recent commits|Implement \{feature\}|Use /skills to list available skills"
    r"|(?:Find and fix a bug|Improve documentation) in @filename|Write tests for @filename"
    r"|Run /review on my current changes)\Z"
)
"""What an empty box shows."""
_FOLDED = r"(?i)\[Pasted (?:text|content|~?\d+ lines)"
"""What a box shows instead of a long paste."""


def padded(text: str, pads: Iterable[Pad] = PADS) -> str:
    """Return a text with a space before or after it where needed, so that a client does not interpret it."""
    for pattern, instead in pads:
        text = re.sub(pattern, instead, text)
    return text


def input_box(screen: str) -> str | None:
    """Return the text in the input box at the bottom of a screen: "" for an empty box, None if there is no box.

    Boundary: only one line of a box of several lines, the first or the last; of a dialog, the selected choice.
    """
    found = _box(screen)
    return None if found is None else found[0]


def unhinted(text: str) -> str:
    """Return the text of a box; "" where it is the client's own, in an empty one."""
    return "" if re.match(_HINT, text.strip()) else text.strip()


def half_typed(screen: str) -> str:
    """Return the text in the input box of a client at rest; "" where there is none, and for a dialog's choice."""
    rows = [row for row in screen.splitlines() if row.strip()][-INPUT_BOX_ROWS_MAX:]
    if any(re.search(BUSY, row) for row in rows):
        return ""
    if framed := re.search(_FRAMED, screen.replace("\N{NO-BREAK SPACE}", " ").rstrip()):
        return unhinted((framed["ruled"] or framed["marked"] or "").strip().partition("\n")[0])
    box = input_box(screen) or ""
    return "" if re.match(r"\d+\. ", box) else box


def text_fate(screen: str, text: str, *, typed: bool) -> Became:
    """Read from a screen whether a text was taken by the client, waits in its input box, or is unknown.

    Shape: `typed`: it is known to have been in the box; otherwise it must be visible. Boundary: a box with another
    text, such as a person's half-typed line, proves nothing.
    """
    box, below = _box(screen) or (None, "")
    whole = _squashed(text.removesuffix("…"))
    if box and whole and _holds(box, below, whole):
        return "waits"
    known = typed or (bool(whole) and whole[:COMPARED_CHARS_MAX] in _squashed(screen))
    return "taken" if known and (box == "" or re.search(_WORKS, screen)) else "unknown"


def confirmation(worker: WorkerState, prompt: OpenIntent | None, now: datetime | None) -> e.Confirmed | None:
    """Return whether the text typed into a worker's session arrived, once that is known or the wait is over."""
    seen = worker.observation
    if prompt is None or seen is None or seen.attempt != worker.attempt:
        return None
    if seen.session not in ("running", "queued", "unknown"):
        return e.Confirmed(intent=prompt.seq, ok=False, why="its attempt has ended")
    if seen.prompt in ("heard", "taken"):
        why = "the client said so" if seen.prompt == "heard" else "its input box is empty again"
        return e.Confirmed(intent=prompt.seq, ok=True, why=why)
    if not seen.prompt or _seconds_since(prompt.at, now) < (ENTER_AGAIN_S if seen.prompt == "waits" else UNCONFIRMED_S):
        return None
    if seen.prompt == "waits":
        why = "it stands in the input box, Enter was pressed twice"
        return e.Confirmed(intent=prompt.seq, ok=False, why=why) if prompt.enters else None
    lost = "nothing tells that it arrived" if prompt.typed else "whether it was typed is not known"
    return e.Confirmed(intent=prompt.seq, ok=False, why=f"{lost}; it is not typed again")


def unsent(worker: WorkerState, prompt: OpenIntent | None, now: datetime | None) -> bool:
    """Return whether a text is still in the input box because its Enter was lost."""
    seen = worker.observation
    if prompt is None or seen is None or seen.attempt != worker.attempt or seen.prompt != "waits":
        return False
    return not prompt.enters and _seconds_since(prompt.at, now) >= ENTER_AGAIN_S


def _seconds_since(at: datetime, now: datetime | None) -> float:
    return ((now or at) - at).total_seconds()


def _box(screen: str) -> tuple[str, str] | None:
    """Find the input box: a line of its content, and the screen from there on."""
    rows = [row.rstrip() for row in screen.replace("\N{NO-BREAK SPACE}", " ").splitlines() if row.strip()]
    if blocks := re.findall(_BLOCK, "\n".join(rows)):
        return unhinted(blocks[-1]), ""
    for at in range(len(rows) - 1, max(-1, len(rows) - INPUT_BOX_ROWS_MAX - 1), -1):
        below_rule = any(re.match(_RULE, row) for row in rows[max(0, at - _RULE_ROWS) : at])
        if found := re.match(_BOX, rows[at].strip()) or (below_rule and re.match(_STAR_BOX, rows[at])):
            text = found["text"] or ""
            return unhinted(text), "\n".join([text, *rows[at + 1 :]])
    return None


def _holds(box: str, below: str, whole: str) -> bool:
    """Return whether a box holds a text: folded, its beginning or its end, or all of it in several lines."""
    shown = _squashed(box)
    known = len(shown) >= min(INPUT_BOX_CHARS_MIN, len(whole))
    return (
        re.search(_FOLDED, box) is not None
        or (known and (whole.startswith(shown) or whole.endswith(shown)))
        or _squashed(below).startswith(whole[:COMPARED_CHARS_MAX])
    )


def _squashed(text: str) -> str:
    """Return a text without blanks, and without the sign before a command."""
    return "".join(text.split()).removeprefix(">")
