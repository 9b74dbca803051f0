"""Files parsed in a process of its own: what a file does to its parser is a verdict on that file."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import IO

from wakeman.core.errors import ProgramError
from wakeman.core.model import FileFingerprint, Format, ParseLimitSpec

SCRIPT = os.path.join(os.path.dirname(__file__), "parse.py")
READY = b"ready"
START_S = 30.0
"""Seconds that a process has to start, on a machine that is busy."""
BATCH_S = 30.0
"""Seconds after which no other file is begun: what is known by then can be recorded."""
WALL_TIMES_BUSY = 5
"""Times the processor time of a file that pass at most: a busy machine, or a disk that hangs."""
ANSWER_BYTES_MAX = 4096
"""Bytes of an answer that are taken; a parser that was taken over may say anything."""
KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that the interpreter itself may need to start; no other one is handed on."""


class ChildParser:
    """One process for many files, one after another; another one for those behind a file that ended it.

    Cost: a start of 20 to 35 ms of processor time, and less than 0.1 ms beside the parsing for each file.
    """

    def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
        """Judge files until all are, or the time of a batch is over."""
        until = time.monotonic() + BATCH_S
        found: dict[str, str | None] = {}
        while len(found) < len(files) and (not found or time.monotonic() < until):
            found |= _judge_in_child(kind, files[len(found) :], limit, until)
        return found


def _judge_in_child(
    kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec, until: float
) -> dict[str, str | None]:
    """Judge files with one process, up to the one that ends it or the end of the batch."""
    found: dict[str, str | None] = {}
    wall = limit.time * WALL_TIMES_BUSY
    with _child(kind, files, limit) as child:
        answers = _Answers(child)
        if answers.next(START_S) != READY:
            raise ProgramError(f"the parser of {kind} did not start: {_death(child)}", "wakeman doctor")
        for file in files:
            answer = answers.next(wall)
            if answer is None:
                found[file.path] = _verdict_of_death(child, kind, limit, wall)
                break
            if answer[:1] not in (b"=", b"!", b"?"):
                found[file.path] = f"not {kind.upper()}: its parser gave no answer that is one"
                break
            found[file.path] = None if answer == b"?" else answer[1:].decode(errors="replace")
            if answer[:1] == b"!" or time.monotonic() >= until:
                break
    return found


@contextmanager
def _child(kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that parses; it gets neither variables nor directories of ours, and ends with the block."""
    argv = [
        sys.executable,
        "-I",
        "-S",
        SCRIPT,
        kind,
        str(limit.memory),
        str(limit.time),
        str(limit.size),
        *_packages(kind),
    ]
    env = {name: os.environ[name] for name in KEPT if name in os.environ}
    with _scratch_file() as told:
        for file in files:
            fields = (str(file.size), str(file.mtime_ns), str(file.inode), file.path)
            told.write(b"".join(os.fsencode(field) + b"\0" for field in fields))
        told.seek(0)
        try:
            child = subprocess.Popen(
                argv, cwd="/", env=env, stdin=told, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ProgramError(f"the parser of {kind} did not start: {error.strerror}", "wakeman doctor") from error
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        with suppress(subprocess.TimeoutExpired):  # one that hangs in the system, on a disk that does not answer
            child.wait(1.0)
        assert child.stdout is not None  # noqa: S101 - it was asked for
        child.stdout.close()


def _scratch_file() -> IO[bytes]:
    """Return a file without a name. Cost: where the system makes one in memory, no import of `tempfile`, which takes as
    long as a parser's start.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("wakeman"), "w+b")
    from tempfile import TemporaryFile

    return TemporaryFile()


def _packages(kind: Format) -> list[str]:
    """Return the directories of this package, and of PyYAML where it is needed."""
    names = ["wakeman", "yaml"] if kind == "yaml" else ["wakeman"]
    specs = [find_spec(name) for name in names]
    return [os.path.dirname(os.path.dirname(spec.origin)) for spec in specs if spec is not None and spec.origin]


class _Answers:
    """What a process writes, answer by answer."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None  # noqa: S101 - it was asked for
        self._stream: IO[bytes] = child.stdout
        self._held = b""

    def next(self, seconds: float) -> bytes | None:
        """Return the next answer; None when there is none within that time, or none will come. Boundary: of one that
        does not end, what there is."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._stream, selectors.EVENT_READ)
            while b"\0" not in self._held and len(self._held) <= ANSWER_BYTES_MAX:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return None
                piece = os.read(self._stream.fileno(), 65536)
                if not piece:
                    return None
                self._held += piece
        answer, _, self._held = self._held.partition(b"\0")
        return answer


def _verdict_of_death(child: subprocess.Popen[bytes], kind: Format, limit: ParseLimitSpec, wall: float) -> str:
    """Return what a process that gave no answer says of the file that it was at."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(0.2)
    if child.returncode is None:
        return f"too slow: not parsed within {wall:g} s (verify.parse_limit.time)"
    if child.returncode == -signal.SIGXCPU:
        return f"too slow: it takes more than {limit.time:g} s of processor time (verify.parse_limit.time)"
    return f"not {kind.upper()}, or too large: its parser was ended ({_death(child)})"


def _death(child: subprocess.Popen[bytes]) -> str:
    with suppress(subprocess.TimeoutExpired):
        child.wait(0.2)
    code = child.returncode
    if code is None:
        return "it did not answer"
    with suppress(ValueError):
        return f"by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    return f"exit status {code}"
