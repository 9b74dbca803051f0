"""Split long lists into pieces that fit a line of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from wakeman.core.log.events import LINE_BYTES_MAX

T = TypeVar("T")

CHUNK_BYTES = LINE_BYTES_MAX * 3 // 4
"""Bytes for one list in a line; the rest is for the line's other fields."""


def weight(item: object) -> int:
    """Return the bytes of an item in a line, or a few more."""
    text = repr(item)
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def chunks(items: Sequence[T], room: int = CHUNK_BYTES, weigh: Callable[[T], int] = weight) -> Iterator[tuple[T, ...]]:
    """Yield the items in pieces of at most `room` bytes. Boundary: no items, no piece; a long item goes alone.

    Shape: `weigh` counts an item with all that the line has because of it.
    """
    piece: list[T] = []
    size = 0
    for item in items:
        each = weigh(item)
        if piece and size + each > room:
            yield tuple(piece)
            piece, size = [], 0
        piece.append(item)
        size += each
    if piece:
        yield tuple(piece)
