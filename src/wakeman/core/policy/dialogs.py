"""What is asked on a screen, or in last words, as answers refer to it: a fingerprint, and which choice is meant."""

from __future__ import annotations

import re
from typing import Literal

from wakeman.core.digests import blake2b
from wakeman.core.model import Dialog
from wakeman.core.text import sanitise

FINGERPRINT_BYTES = 8
"""Bytes of a question's fingerprint: a worker that would have another question answered cannot find one as short."""
DIALOG_HEAD_CHARS_MAX, DIALOG_TAIL_CHARS_MAX = 180, 110
"""Characters that are kept of a dialog's text: of its beginning, and of the question at its end."""
CUT = " … "
"""Stands where a dialog's text is cut."""
CHOICE_CHARS_MAX = 120
"""Characters of a choice's label that are kept."""
Permission = Literal["once", "always", "deny"]
PERMISSION_WORDS: tuple[Permission, ...] = ("once", "always", "deny")

_DRAWN = re.compile(r"[\s\u2500-\u257f❯›●☐☒✔←→]+|\[[ ✔x]\]")
"""What changes while a question stays the same: how wide its frame is, which choice is marked, what is ticked. Blanks
count: `rm -r / tmp` is another command than `rm -r /tmp`.
"""


def fingerprint(text: str) -> str:
    """Return what tells a question from another; equal whatever is marked in it, and where words are wrapped."""
    plain = re.sub(_DRAWN, " ", text).strip()
    return blake2b(plain.encode("utf-8", "surrogateescape"), digest_size=FINGERPRINT_BYTES).hexdigest()


def cut_in_the_middle(text: str) -> str:
    """Return a dialog's text as one harmless line; of a long one the beginning and the end."""
    plain = sanitise(text, len(text) + 1)
    if len(plain) <= DIALOG_HEAD_CHARS_MAX + len(CUT) + DIALOG_TAIL_CHARS_MAX:
        return plain
    return plain[:DIALOG_HEAD_CHARS_MAX].rstrip() + CUT + plain[-DIALOG_TAIL_CHARS_MAX:].lstrip()


def words_fingerprint(words: str) -> str:
    """Return the fingerprint of a question in last words; "" where there are none."""
    return fingerprint(words) if words else ""


def permitting(dialog: Dialog, wanted: Permission) -> int | None:
    """Return which choice gives or denies a permission, from 0; None where none is offered. The first one counts."""
    return next((n for n, choice in enumerate(dialog.choices) if choice.does == wanted), None)


def granting(dialog: Dialog) -> dict[Permission, str]:
    """Return the ways in which a permission can be given or denied, each with the label of its choice."""
    found = {wanted: permitting(dialog, wanted) for wanted in PERMISSION_WORDS}
    return {wanted: dialog.choices[n].label for wanted, n in found.items() if n is not None}


def choice_meant(dialog: Dialog, words: str) -> int | None:
    """Return which choice is meant by its number, from 1, or by its label or the beginning of one; None for none.

    Boundary: a beginning that several labels have means none of them.
    """
    text = words.strip().casefold()
    if text.isascii() and text.isdigit():
        n = int(text) - 1
        return n if 0 <= n < len(dialog.choices) else None
    labels = [choice.label.casefold().rstrip(".… ") for choice in dialog.choices]
    if text.rstrip(".") in labels:
        return labels.index(text.rstrip("."))
    found = [n for n, label in enumerate(labels) if text and label.startswith(text)]
    return found[0] if len(found) == 1 else None


def choices_listed(dialog: Dialog) -> str:
    """Return the choices as one line: `1 Bullets, 2 Prose`."""
    return ", ".join(f"{n} {choice.label}" for n, choice in enumerate(dialog.choices, 1))
