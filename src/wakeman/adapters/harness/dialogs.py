"""Dialogs on a client's screen, by its table: what is asked, which choices there are, and which keys make one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from wakeman.adapters.harness.screens import SCREEN_ROW_CHARS_MAX, SIGN_ROWS_MAX
from wakeman.adapters.harness.table import Client, DialogTable
from wakeman.core.model import Choice, Dialog
from wakeman.core.paint import Row, painted_rows, plain_row
from wakeman.core.policy.dialogs import CHOICE_CHARS_MAX, cut_in_the_middle, fingerprint
from wakeman.core.text import sanitise
from wakeman.ports import ShownDialog

NUMBERED = re.compile(r"^[ │┃]{0,4}(?P<mark>[❯›●] )? *(?P<number>\d{1,2})\. (?P<label>\S.*?)[ │┃]*$")
BARE = re.compile(r"^(?P<mark> {1,3}❯ | {3,5})(?P<label>\S.*)$")
"""A choice without a number: the mark, or blanks in its place."""
RULE = re.compile(r"^─{8,}")
KEYED = re.compile(r"(?i)^ {0,3}(?:press )?(?:enter|esc) (?:to|continue|back) ?")
"""The row below a dialog that names its keys."""
TICK = re.compile(r"^\[[ ✔x]\] ")
NUMBERS_MAX = 9
"""Choices that one key can take."""
FOOT_MARGIN_CHARS = 3
"""Columns of such a dialog behind its keys; in a wide terminal a list of other things stands beyond them."""
KEY_ROWS_MAX = 4
"""Rows in which choices that stand beside each other are looked for: in a narrow terminal their keys stand below."""


def shown_dialog(client: Client, screen: str) -> ShownDialog | None:
    """Return the dialog that a screen shows at its end; None for none, and for one that is not understood."""
    table = client.dialogs
    if table is not None and table.beside:
        return _beside(table, screen)
    rows = [row[:SCREEN_ROW_CHARS_MAX].rstrip() for row in screen.replace("\N{NO-BREAK SPACE}", " ").splitlines()]
    while rows and not rows[-1]:
        rows.pop()
    rows = rows[-SIGN_ROWS_MAX:]
    text = "\n".join(rows)
    if table is None or not rows or not re.search(table.foot, rows[-1]) or re.search(table.never, text, re.MULTILINE):
        return None
    found = _numbered(rows) or _bare(rows)
    marked = [n for n, (_, match) in enumerate(found) if (match["mark"] or "").strip()]
    if len(found) < 2 or len(marked) != 1:
        return None
    begins = max((at for at in range(found[0][0]) if re.search(table.top, rows[at])), default=-1)
    kind = _dialog_kind(table, text, rows[-1])
    if begins < 0 and kind == "dialog":
        return None
    return _read_rows(
        table, rows[max(0, begins) :], [(at - max(0, begins), match) for at, match in found], kind, marked[0]
    )


def _beside(table: DialogTable, screen: str) -> ShownDialog | None:
    """Return a dialog whose choices stand beside each other: the last rows of a screen that begin with its edge."""
    painted = painted_rows(screen.replace("\N{NO-BREAK SPACE}", " "))
    rows = [plain_row(row)[:SCREEN_ROW_CHARS_MAX] for row in painted]
    text = [re.sub(table.edge, "", row).strip() for row in rows]
    end = max((at + 1 for at, row in enumerate(text) if row), default=0)
    first = max((at + 1 for at in range(end) if not re.match(table.edge, rows[at])), default=0)
    first = next((at for at in range(first, end) if text[at]), end)
    found = _row_of_choices(table, text, range(max(first, end - KEY_ROWS_MAX), end))
    if found is None or not re.match(table.top, text[first]):
        return None
    at, labels = found
    foot = re.search(table.foot, rows[at])
    width = foot.end() + FOOT_MARGIN_CHARS if foot is not None else SCREEN_ROW_CHARS_MAX
    asked = [re.sub(table.edge, "", row[:width]).strip() for row in rows[first:at]]
    choices = tuple(_choice(table, label, "permission", own=False) for label in labels)
    dialog = Dialog(
        kind="permission",
        asks=cut_in_the_middle(" ".join(map(_plain, asked))),
        choices=choices,
        seen=fingerprint("\n".join((*asked, *labels))),
    )
    confirms = re.match(table.confirms, text[first]) is not None
    return ShownDialog(dialog, _marked_by_colour(painted[at], labels), numbered=False, beside=True, confirms=confirms)


def _row_of_choices(table: DialogTable, text: Sequence[str], among: range) -> tuple[int, tuple[str, ...]] | None:
    """Return the last row that begins with the labels of a dialog, and these."""
    for at in reversed(among):
        for labels in table.beside:
            if re.match(rf"{' +'.join(map(re.escape, labels))}(?: |$)", text[at]):
                return at, labels
    return None


def _marked_by_colour(row: Row, labels: Sequence[str]) -> int:
    """Return which of the labels has another background than the row before them; -1 where not exactly one has."""
    backs = [run.style.back for run in row for _ in run.text]
    whole = "".join(run.text for run in row)
    starts = list[int]()
    for label in labels:
        starts.append(whole.index(label, starts[-1] + 1 if starts else 0))
    marked = [n for n, start in enumerate(starts) if backs[start] != backs[max(0, starts[0] - 2)]]
    return marked[0] if len(marked) == 1 else -1


Found = Sequence[tuple[int, re.Match[str]]]
Kind = Literal["permission", "question", "dialog"]


def _read_rows(table: DialogTable, rows: list[str], found: Found, kind: Kind, marked: int) -> ShownDialog:
    """Read a dialog's rows. Its fingerprint is without the keys below it, and without a text that is being typed."""
    labels = [match["label"] for _, match in found]
    ticks = any(TICK.match(label) for label in labels)
    own = _typed_into(rows, found) if kind == "question" else None
    choices = tuple(_choice(table, label, kind, own=n == own) for n, label in enumerate(labels))
    asks = cut_in_the_middle(" ".join(map(_plain, rows[: found[0][0]])))
    stays = rows[:-1] if KEYED.match(rows[-1]) else rows[:]
    if own is not None:
        stays[found[own][0]] = ""
    return ShownDialog(
        dialog=Dialog(kind=kind, asks=asks, choices=choices, seen=fingerprint("\n".join(stays)), several=ticks),
        marked=marked,
        numbered="number" in found[0][1].re.groupindex and len(found) <= NUMBERS_MAX,
        enter=table.enter,
        several=table.done if ticks else "",
        ticked=tuple(n for n, label in enumerate(labels) if TICK.match(label) and label[1] != " "),
        empty=own is None or re.search(table.text, choices[own].label) is not None,
    )


def _typed_into(rows: Sequence[str], found: Found) -> int | None:
    """Return the choice into which a text is typed: the last above a rule, whatever stands in it."""
    rule = next((at for at in range(found[0][0] + 1, len(rows)) if RULE.match(rows[at])), None)
    return None if rule is None else max((n for n, (at, _) in enumerate(found) if at < rule), default=None)


def _numbered(rows: Sequence[str]) -> Found:
    """Return the rows with the numbers 1, 2, 3 and so on that come last, each with its match."""
    found: list[tuple[int, re.Match[str]]] = []
    for at in range(len(rows) - 1, -1, -1):
        match = NUMBERED.match(rows[at])
        if match is None:
            continue
        if found and int(match["number"]) != int(found[-1][1]["number"]) - 1:
            return ()
        found.append((at, match))
        if match["number"] == "1":
            return found[::-1]
    return ()


def _bare(rows: Sequence[str]) -> Found:
    """Return the rows of choices without numbers: those right above the last row, which names the keys."""
    at = len(rows) - 1
    if not KEYED.match(rows[at]):
        return ()
    at -= 1
    while at >= 0 and not rows[at]:
        at -= 1
    found: list[tuple[int, re.Match[str]]] = []
    while at >= 0 and (match := BARE.match(rows[at])):
        found.append((at, match))
        at -= 1
    return found[::-1]


def _dialog_kind(table: DialogTable, text: str, foot: str) -> Kind:
    if re.search(table.question, foot):
        return "question"
    return "permission" if re.search(table.permission, text) else "dialog"


def _choice(table: DialogTable, label: str, kind: Kind, *, own: bool) -> Choice:
    plain = sanitise(TICK.sub("", label), CHOICE_CHARS_MAX)
    if kind == "question":
        return Choice(plain, "text" if own else "")
    for does in ("once", "always", "deny"):
        if re.search(getattr(table, does), plain):
            return Choice(plain, does)
    return Choice(plain)


def _plain(row: str) -> str:
    """Return a row without what is drawn around it, and without what is ticked."""
    return re.sub(r"[\u2500-\u257f←→☐☒✔]+", " ", row).strip()
