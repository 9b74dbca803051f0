"""Split long lists into pieces that fit a line of the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from wakeman.core.log.events import LINE_BYTES_MAX

T = TypeVar("T")

CHUNK_BYTES = LINE_BYTES_MAX * 3 // 4
"""Bytes for one list in a line; the rest is for the line's other fields."""


def chunks(items: Sequence[T], room: int = CHUNK_BYTES) -> Iterator[tuple[T, ...]]:
    """Yield the items in pieces of at most `room` bytes. Boundary: no items, no piece; a long item goes alone."""
    piece: list[T] = []
    size = 0
    for item in items:
        weight = len(repr(item).encode("utf-8", "backslashreplace"))  # a little more than its JSON
        if piece and size + weight > room:
            yield tuple(piece)
            piece, size = [], 0
        piece.append(item)
        size += weight
    if piece:
        yield tuple(piece)
