"""SHA-256 and BLAKE2b without OpenSSL: loading libcrypto costs a check more than all that it hashes."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["blake2b", "sha256", "sha256_of_many"]

_WHERE_FROM = {"sha256": ("_sha256", "_sha2", "hashlib"), "blake2b": ("_blake2", "hashlib")}
"""Function -> modules of Python that may have it: 3.11's, that of later versions, and the one that every build has."""
LIBCRYPTO_FROM_BYTES = 1_000_000
"""Bytes from which libcrypto is worth loading: it hashes lines twice as fast."""


def _first_of(name: str) -> object:
    for module in _WHERE_FROM[name]:
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError):  # another version, or a build without its own hashes
            continue
    raise ImportError(name)


if TYPE_CHECKING:
    from hashlib import blake2b, sha256
else:
    sha256, blake2b = _first_of("sha256"), _first_of("blake2b")


def sha256_of_many(size: int) -> Callable[[bytes], Any]:
    """Return the SHA-256 that is the faster for `size` bytes in small pieces, what has to be loaded included."""
    if size < LIBCRYPTO_FROM_BYTES:
        return sha256
    import hashlib

    return hashlib.sha256
