"""The process that parses: `parser.py` starts it, and nothing imports it.

Arguments: the format, bytes of memory, seconds of processor time and bytes of one file, then the directories of the
packages that it needs. Standard input names the files, four fields each, ended by NUL: size, modification time, inode,
path. Standard output gets `ready` once the limits hold, then an answer for each file, each ended by NUL: `=` and what
is wrong with it, `!` the same if it is the last answer, or `?` if it is not that file any more.
"""

from __future__ import annotations

import os
import resource
import stat
import sys

ANSWER_CHARS_MAX = 1000


def serve(kind: str, memory: int, seconds: float, size: int) -> None:
    """Judge the files one after another, each under the same bounds."""
    _judge(kind, b"")  # loads what the format needs, before memory counts
    _limit_process(memory)
    told = sys.stdin.buffer.read().split(b"\0")
    os.write(1, b"ready\0")
    for at in range(0, len(told) - 1, 4):
        _limit_file(seconds)
        answer = _parse_answer(told[at : at + 4], kind, memory, size)
        os.write(1, answer[:ANSWER_CHARS_MAX].replace("\0", "").encode(errors="replace") + b"\0")
        if answer.startswith("!"):
            break


def _judge(kind: str, data: bytes) -> str:
    from wakeman.core.formats import format_fault

    return format_fault(kind, data)  # type: ignore[arg-type] # a word of the command line


def _parse_answer(told: list[bytes], kind: str, memory: int, size: int) -> str:
    """Return the answer for one file. Nothing that it does to a library is anything but wrong with this file."""
    try:
        data = _read(told[3], tuple(map(int, told[:3])), size)
        return "?" if data is None else f"={_judge(kind, data)}"
    except (FileNotFoundError, NotADirectoryError):
        return "?"
    except OSError as error:
        return f"=cannot be read: {error.strerror}"
    except MemoryError:  # what is left of it is not enough to judge another file by
        return f"!too large: it takes more than {memory} bytes of memory (verify.parse_limit.memory)"
    except Exception as error:
        return f"=not {kind.upper()}: {type(error).__name__}: {error}"


def _limit_process(memory: int) -> None:
    """Limit what a hostile file may take, and be the first to go when the machine is out of memory."""
    held = 0
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        with open("/proc/self/statm") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        pass  # not on Linux
    bounds = {"AS": held + memory, "CORE": 0, "FSIZE": 0, "NOFILE": 16}
    for name, most in bounds.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        except (OSError, ValueError):  # macOS bounds no memory
            continue


def _limit_file(seconds: float) -> None:
    """Give the next file its processor time; the system ends the process at the end of it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime + seconds) + 1, most))


def _read(path: bytes, mark: tuple[int, ...], size: int) -> bytes | None:
    """Read a file; None when it is another than its mark says. Waits for no pipe, and ends at no link."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode) or (seen.st_size, seen.st_mtime_ns, seen.st_ino) != mark:
            return None
        data = file.read(min(size, seen.st_size) + 1)
    return data if len(data) == seen.st_size else None


if __name__ == "__main__":
    sys.path[:0] = sys.argv[5:]
    serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
