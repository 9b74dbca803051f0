"""Hashes without OpenSSL: the same ones, whichever module of Python has them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core import digests
from wakeman.core.digests import LIBCRYPTO_FROM_BYTES, blake2b, sha256, sha256_of_many


@given(st.binary(max_size=300))
def test_a_hash_is_that_of_the_standard_library(data: bytes) -> None:
    assert hashlib.sha256(data).digest() == sha256(data).digest()
    assert hashlib.blake2b(data, digest_size=4).digest() == blake2b(data, digest_size=4).digest()


def test_libcrypto_is_used_from_the_size_on_at_which_it_is_worth_loading() -> None:
    assert sha256_of_many(LIBCRYPTO_FROM_BYTES - 1) is sha256
    assert sha256_of_many(LIBCRYPTO_FROM_BYTES) is hashlib.sha256


@pytest.mark.parametrize("among", [("no_such_module", "hashlib"), ("json", "hashlib")])
def test_a_build_without_hashes_of_its_own_uses_the_standard_library(
    among: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(digests._WHERE_FROM, "sha256", among)

    assert digests._first_of("sha256") is hashlib.sha256


def test_a_python_without_any_hash_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(digests._WHERE_FROM, "sha256", ("no_such_module",))

    with pytest.raises(ImportError, match="sha256"):
        digests._first_of("sha256")
