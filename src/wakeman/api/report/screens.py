"""Screens that were kept as evidence, as a report shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from os.path import dirname, join, normpath, realpath

from msgspec.structs import replace

from wakeman.api.chronicle import EvidenceKept, PaintedText
from wakeman.api.screen import harmless
from wakeman.core.errors import StorageError
from wakeman.core.model import Deployment
from wakeman.core.paint import OWN_COLOUR, UNPAINTED, Row, Run, Style, painted_rows, plain_row
from wakeman.core.redact import redacted
from wakeman.engine.attempt import secrets
from wakeman.ports import World

SCREEN_CHARS_MAX = 8000
"""Characters of one screen that are shown, the last ones."""
PAINTED_RUNS_MAX = 1000
"""Texts of one look that a screen is shown in at most: one of more is shown without colours."""
REVERSED = Style(back=7)
"""The ground of reversed text that has no colour of its own."""
SCREEN_BYTES_MAX = 2**20
"""Bytes of a file with a screen at most."""


def shown_screens(world: World, d: Deployment, file: str, kept: Sequence[EvidenceKept]) -> Iterator[EvidenceKept]:
    """Yield the screens with their text, where the file beside the log is the one that the log names."""
    directory = dirname(file)
    own = realpath(d.host.directory) == realpath(directory)
    clean = secrets.redactor(world, d) if own and kept else redacted
    for each in kept:
        data, hidden = _screen_bytes(world, directory, each)
        if data is None:
            yield replace(each, hidden=hidden)
            continue
        rows = painted_rows(data.decode("utf-8", "replace").replace("\r\n", "\n"))
        shown = clean("\n".join(map(plain_row, rows)))
        yield replace(each, text=harmless(shown)[-SCREEN_CHARS_MAX:], rows=_painted(rows, shown))


def _painted(rows: list[Row], shown: str) -> tuple[tuple[PaintedText, ...], ...] | None:
    """Return the last rows with their colours; what was hidden since stays hidden."""
    lines, made, left = shown.split("\n"), list[tuple[PaintedText, ...]](), SCREEN_CHARS_MAX
    if len(lines) != len(rows) or all(run.style == UNPAINTED for row in rows for run in row):
        return None
    for row, line in zip(reversed(rows), reversed(lines), strict=True):
        runs = row if plain_row(row) == line else [Run(line, UNPAINTED)]
        made.append(tuple(PaintedText(text=_harmless_run(run.text), style=_look_words(run.style)) for run in runs))
        left -= sum(map(len, (run.text for run in runs))) + 1
        if left < 0:
            break
    return tuple(reversed(made)) if sum(map(len, made)) <= PAINTED_RUNS_MAX else None


def _harmless_run(text: str) -> str:
    """Return text without control characters; blanks at its ends stay."""
    return harmless(text) if "\n" not in text else ""


def _look_words(style: Style) -> str:
    front, back = (style.back, style.front) if style.reverse else (style.front, style.back)
    if style.reverse and back == OWN_COLOUR:
        back = REVERSED.back
    colours = [f"{kind}{colour}" for kind, colour in (("f", front), ("b", back)) if colour != OWN_COLOUR]
    looks = [name for name in ("bold", "dim", "italic", "underline") if getattr(style, name)]
    return " ".join([*colours, *looks])


def _screen_bytes(world: World, directory: str, kept: EvidenceKept) -> tuple[bytes | None, str]:
    path = normpath(join(directory, kept.file))
    if not path.startswith(normpath(directory) + "/"):
        return None, "its file is outside the deployment's directory"
    try:
        data = world.files.read(path, SCREEN_BYTES_MAX, within=directory)
    except StorageError:
        return None, "its file is not here"
    if sha256(data).hexdigest() != kept.sha256:
        return None, "its file is not the one that the log names: the digest differs"
    return data, ""
