"""Signatures of a log's head: Ed25519, detached, one JSON object per line in a file beside the log."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from wakeman.core.errors import LogDamagedError, StorageError, UsageError
from wakeman.core.gate import Refused, decode_json
from wakeman.core.log.events import stamp

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FILE = "signatures.jsonl"
SIGNATURES_BYTES_MAX = 16 * 2**20
"""Bytes of signatures that are read."""
_SEVERAL = "an Ed25519 key in PEM; `openssl genpkey -algorithm ed25519` makes one"


class Signature(Struct, frozen=True):
    """One signed head. `key` is the fingerprint of the public key, `genesis` the hash before the log's first line."""

    v: int
    name: str
    genesis: str
    seq: int
    hash: str
    at: str
    key: str
    signature: str = ""


def sign(file: str, name: str, genesis: str, seq: int, digest: str, at: datetime) -> Signature:
    """Sign a head with the private key in `file`. Raises: UsageError when it is no such key."""
    key = _private(file)
    bare = Signature(1, name, genesis, seq, digest, stamp(at), _fingerprint(key.public_key()))
    return msgspec.structs.replace(bare, signature=b64encode(key.sign(_message(bare))).decode())


def append_signature(directory: str, signature: Signature) -> str:
    """Append a signature to those beside a log, durably; return the file. Raises: StorageError."""
    file = os.path.join(directory, FILE)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, msgspec.json.encode(signature) + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as fault:
        raise StorageError(f"{file}: {fault.strerror}") from fault
    return file


def kept(directory: str) -> list[Signature]:
    """Return the signatures beside a log; skip invalid lines. Raises: StorageError."""
    file = os.path.join(directory, FILE)
    try:
        with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as stream:
            regular = S_ISREG(os.fstat(stream.fileno()).st_mode)
            lines = stream.read(SIGNATURES_BYTES_MAX).splitlines() if regular else []
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise StorageError(f"{file}: {fault.strerror}") from fault
    if not regular:
        raise StorageError(f"{file}: not a regular file")
    found = (decode_json(line, Signature) for line in lines)
    return [one for one in found if not isinstance(one, Refused)]


def signed(
    key: str, directory: str, name: str, genesis: str, seq: int, digest: str, at: datetime
) -> tuple[Signature, str]:
    """Sign a head and store the signature beside the log; return it and the file.

    Raises: UsageError, also for a key that others may read; LogDamagedError when the key has signed a later line of
    this log, or the same line with another content; StorageError.
    """
    made = sign(key, name, genesis, seq, digest, at)
    _require_private(key)
    public = _private(key).public_key()
    for one in kept(directory):
        own = (one.key, one.genesis) == (made.key, genesis) and _fits(public, one)
        if own and (one.seq > seq or (one.seq == seq and one.hash != digest)):
            raise LogDamagedError(
                f"{name}: is not signed: it ends at line {seq}, {digest}; this key signed line {one.seq}, {one.hash}, "
                f"on {one.at}",
                "wakeman audit NAME --key PUBLIC.pem",
            )
    return made, append_signature(directory, made)


def _require_private(file: str) -> None:
    """Refuse a key that others may read. Raises: UsageError."""
    with suppress(OSError):
        if os.stat(file).st_mode & 0o077:
            raise UsageError(f"{file}: found a private key that others may read or change", f"chmod 600 {file}")


def verified(key: str, directory: str, genesis: str) -> tuple[str, list[tuple[Signature, bool]]]:
    """Return the fingerprint of a public key, and its signatures of one log, each with whether it is valid.

    Raises: UsageError when the file is no key; StorageError.
    """
    verifier = Verifier(key)
    own = [one for one in kept(directory) if (one.key, one.genesis) == (verifier.key, genesis)]
    return verifier.key, [(one, verifier.fits(one)) for one in own]


class Verifier:
    """Verifies the signatures of one public key."""

    def __init__(self, file: str) -> None:
        """Read the public key. Raises: UsageError when the file has none."""
        self._key = _public(file)
        self.key = _fingerprint(self._key)

    def fits(self, signature: Signature) -> bool:
        """Return whether the key has signed exactly this head."""
        return _fits(self._key, signature)


def _fits(key: Ed25519PublicKey, signature: Signature) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(b64decode(signature.signature, validate=True), _message(signature))
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(signature: Signature) -> bytes:
    """Return the signed bytes: everything except the signature itself."""
    return msgspec.json.encode(msgspec.structs.replace(signature, signature=""))


def _fingerprint(key: Ed25519PublicKey) -> str:
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def _private(file: str) -> Ed25519PrivateKey:
    serialization = _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _load_key(file, lambda data: serialization.load_pem_private_key(data, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{file}: found another kind of key; expected {_SEVERAL}")
    return key


def _public(file: str) -> Ed25519PublicKey:
    serialization = _library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = _load_key(file, serialization.load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{file}: found another kind of key; expected {_SEVERAL}")
    return key


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as fault:
        raise UsageError("signatures need the package cryptography", "pip install 'wakeman[sign]'") from fault
    return serialization


def _load_key(file: str, load: Callable[[bytes], object]) -> object:
    try:
        with open(file, "rb") as stream:
            return load(stream.read(64 * 1024))
    except OSError as fault:
        raise UsageError(f"{file}: {fault.strerror}") from fault
    except TypeError as fault:
        raise UsageError(f"{file}: found a key under a password; expected one without") from fault
    except ValueError as fault:
        raise UsageError(f"{file}: found no key of that kind; expected {_SEVERAL}") from fault
