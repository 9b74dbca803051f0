"""Whatever lies in the place of a log's signatures: those that are some are read, and nothing is waited for."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import hostile

from wakeman.adapters.signature import FILE, Signature, kept
from wakeman.core.errors import StorageError

GOOD = Signature(1, "night", "00", 7, "11", "2026-11-29T00:00:00.000000Z", "key", "c2lnbmVk")


@hostile.often(60)
@given(lines=st.lists(st.one_of(hostile.files([msgspec.to_builtins(GOOD)]), hostile.RAW), max_size=3))
def test_a_line_of_any_bytes_is_a_signature_or_passed_over(lines: list[bytes]) -> None:
    with TemporaryDirectory() as place:
        Path(place, FILE).write_bytes(b"\n".join([*lines, msgspec.json.encode(GOOD)]))

        assert GOOD == hostile.within_bounds(lambda: kept(place))[-1]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, make: object) -> None:
    make(tmp_path / FILE)  # type: ignore[operator] # one of them

    with pytest.raises(StorageError):
        kept(str(tmp_path))
