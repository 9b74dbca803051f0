"""Runs a program that tells something at once, such as tmux or `at`, and returns what it said."""

from __future__ import annotations

import os

# `signal` makes enums of its numbers, which costs more than the rest of this module.
from _signal import SIGKILL, SIGPIPE, SIGXFSZ  # type: ignore[import-not-found] # it has no types
from collections.abc import Mapping, Sequence
from select import POLLERR, POLLHUP, POLLIN, poll
from time import monotonic, sleep

from msgspec import Struct

PIECE_BYTES = 65536
NAP_S = 0.002
"""Seconds between two looks at a program that has closed its output and not ended."""


class Told(Struct, frozen=True):
    """What a program printed, and its exit status: negative if a signal ended it."""

    code: int
    out: bytes
    err: bytes


class LateError(TimeoutError):
    """A program was killed, as its time was over. `said` is what it had printed to its standard error."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self.said = said


def ask(argv: Sequence[str], env: Mapping[str, str], timeout: float, stdin: bytes | None = None) -> Told:
    """Run a program with exactly `env`; `argv` begins with a path. Without `stdin` it reads nothing.

    Shape: with `stdin` it runs in `/`; otherwise in the directory of this process, on which no such program depends.
    Raises: LateError after `timeout` seconds, when the program was killed; OSError when it cannot be run.
    Cost: without `stdin` no import of `subprocess`, which is a tenth of a check.
    """
    if stdin is not None:
        return _fed(argv, env, timeout, stdin)
    deadline = monotonic() + timeout
    streams, far = {}, []
    try:
        for number in (1, 2):
            near, end = os.pipe()
            streams[near] = bytearray()
            far.append((os.POSIX_SPAWN_DUP2, end, number))
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            dict(env),
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *far],
            setsigdef=(SIGPIPE, SIGXFSZ),  # Python ignores them, and a child would go on to
        )
        for _, end, _ in far:
            os.close(end)
        far = []
        code = _waited(pid, streams, deadline)
    finally:
        for handle in (*streams, *(end for _, end, _ in far)):
            os.close(handle)
    out, err = streams.values()
    if code is None:
        raise LateError(bytes(err))
    return Told(code, bytes(out), bytes(err))


def _waited(pid: int, streams: Mapping[int, bytearray], deadline: float) -> int | None:
    """Read until both streams end, and wait for the program; None if it was killed at the deadline."""
    code: int | None = None
    try:
        if _read_until(streams, deadline):
            while not (ended := os.waitpid(pid, os.WNOHANG))[0] and monotonic() < deadline:
                sleep(NAP_S)
            code = os.waitstatus_to_exitcode(ended[1]) if ended[0] else None
    finally:
        if code is None:
            os.kill(pid, SIGKILL)
            os.waitpid(pid, 0)
    return code


def _read_until(streams: Mapping[int, bytearray], deadline: float) -> bool:
    """Read until all streams have ended; return False at the deadline."""
    waiting = poll()
    for handle in streams:
        waiting.register(handle, POLLIN)
    left = len(streams)
    while left:
        patience = deadline - monotonic()
        if patience <= 0:
            return False
        for handle, event in waiting.poll(patience * 1000):
            piece = os.read(handle, PIECE_BYTES) if event & (POLLIN | POLLHUP | POLLERR) else b""
            streams[handle].extend(piece)
            if not piece:
                waiting.unregister(handle)
                left -= 1
    return True


def _fed(argv: Sequence[str], env: Mapping[str, str], timeout: float, stdin: bytes) -> Told:
    import subprocess

    try:
        ran = subprocess.run(argv, input=stdin, capture_output=True, cwd="/", env=env, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise LateError(late.stderr or b"") from None
    return Told(ran.returncode, ran.stdout, ran.stderr)
