"""Runs a program in its own session, and keeps what it prints within bounds. Loaded when there is one to run."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from wakeman.ports import OUT_BYTES_MAX, Ran

ERR_BYTES_MAX = 64 * 1024
"""Bytes of standard error that are kept, from its end, where the reason is."""
_LINGER_S = 0.1  # seconds to read a program's last output, while a child of it still has the pipe open


def run_bounded(argv: Sequence[str], cwd: str, env: Mapping[str, str], timeout: float, stdin: bytes) -> Ran:
    """Run it, as `Machine.run` says."""
    try:
        with _input(stdin) as source:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=dict(env),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        return Ran(None, error=_unstarted(argv, error))
    with process:
        return _follow(process, timeout)


@contextmanager
def _input(data: bytes) -> Iterator[int]:
    """Yield the program's standard input: a file, as a pipe would have to be written while its output is read."""
    if not data:
        yield subprocess.DEVNULL
        return
    from tempfile import TemporaryFile

    with TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


def _unstarted(argv: Sequence[str], error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or argv[0]}: {error.strerror}"
    return f"{argv[0]!r}: {error}"


def _follow(process: subprocess.Popen[bytes], timeout: float) -> Ran:
    deadline = time.monotonic() + timeout
    out, err = bytearray(), bytearray()
    still_open = True
    try:
        for stream, piece in _printed_pieces(process, deadline):
            if stream is process.stdout:
                still_open = bool(piece)
                out += piece[: OUT_BYTES_MAX + 1 - len(out)]
            else:
                err = (err + piece)[-ERR_BYTES_MAX:]
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        code = process.poll()
        if code is None:
            # Not reaped yet, so no other group can have its number.
            os.killpg(process.pid, signal.SIGKILL)
    error = ""
    if code is None:
        error = f"did not end within {timeout:g} s"
    kept = bytes(out[:OUT_BYTES_MAX])
    text = kept.decode(errors="replace")
    return Ran(
        code,
        text,
        err.decode(errors="replace"),
        error,
        late=code is None,
        cut="size" if len(out) > OUT_BYTES_MAX else "open" if still_open and code is not None else "",
        inexact="\ufffd" in text and text.encode() != kept,
    )


def _printed_pieces(process: subprocess.Popen[bytes], deadline: float) -> Iterator[tuple[object, bytes]]:
    """Yield the output until both streams end, the deadline passes, or shortly after the process has ended.

    Shape: of a stream that ends, the last piece is empty.
    """
    with selectors.DefaultSelector() as selector:
        for stream in filter(None, (process.stdout, process.stderr)):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and (now := time.monotonic()) < deadline:
            if process.poll() is not None:
                deadline = min(deadline, now + _LINGER_S)
            for key, _ in selector.select(min(deadline - now, _LINGER_S)):
                piece = os.read(key.fd, 65536)
                if not piece:
                    selector.unregister(key.fileobj)
                yield key.fileobj, piece
