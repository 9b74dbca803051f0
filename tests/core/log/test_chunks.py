"""Lists that are too long for a line are split into pieces that fit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.log.chunks import chunks
from wakeman.core.log.events import LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("items", "room", "pieces"),
    [
        ([], 8, []),
        (["ab"], 8, [1]),
        (["ab", "cd"], 8, [2]),
        (["ab", "cd"], 7, [1, 1]),
        (["ab", "cd", "ef"], 8, [2, 1]),
        (["ab", "cd", "ef"], 7, [1, 1, 1]),
        (["ab"] * 9, 12, [3, 3, 3]),
        (["ab"] * 9, 17, [4, 4, 1]),
        (["much too long", "ab", "cd"], 8, [1, 2]),
        (["ab", "much too long", "cd"], 8, [1, 1, 1]),
        (["ab", "cd", "much too long"], 8, [2, 1]),
        (["öö", "öö"], 8, [1, 1]),
        (["\udc80", "ab"], 12, [2]),
        (["\udc80", "ab"], 11, [1, 1]),
    ],
    ids=str,
)
def test_a_piece_takes_what_fits_it_and_what_is_too_long_goes_alone(
    items: Sequence[str], room: int, pieces: Sequence[int]
) -> None:
    """Weigh each item as JSON writes it: two more bytes than the text has."""
    found = list(chunks(items, room))

    assert list(pieces) == [len(piece) for piece in found]
    assert list(items) == [item for piece in found for item in piece]


@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), max_size=9)), st.integers(1, 99))
def test_no_piece_is_longer_than_its_room_but_that_of_one_item(items: list[str], room: int) -> None:
    found = list(chunks(items, room))

    assert items == [item for piece in found for item in piece]
    assert not [p for p in found if len(p) > 1 and len(msgspec.json.encode(p)) - len(p) - 1 > room]


def test_a_piece_leaves_room_in_a_line_and_uses_most_of_it() -> None:
    sizes = [len(msgspec.json.encode(piece)) for piece in chunks(["x" * 80] * 2000)]

    assert LINE_BYTES_MAX // 2 < min(sizes[:-1])
    assert max(sizes) < LINE_BYTES_MAX - 8000
