"""The seccomp filter of a confined attempt: refuses system calls that Landlock does not cover. Landlock controls files
by path. It does not prevent a process from calling a server on a Unix socket (tmux, Docker, D-Bus), which would then
act for it, unconfined; nor from typing into another terminal.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Processor(NamedTuple):
    """Numbers of a kind of processor: its audit architecture, and its system calls."""

    arch: int
    calls: Mapping[str, int]
    foreign: int = 0  # numbers from here on belong to another ABI (x32); 0: none


_GENERIC = {"prctl": 167, "socket": 198, "socketpair": 199, "ioctl": 29, "io_uring_setup": 425}
MACHINES: Mapping[str, Processor] = {
    "x86_64": Processor(
        0xC000003E, {"prctl": 157, "socket": 41, "socketpair": 53, "ioctl": 16, "io_uring_setup": 425}, 0x40000000
    ),
    "aarch64": Processor(0xC00000B7, _GENERIC),
    "riscv64": Processor(0xC00000F3, _GENERIC),
}
"""By `uname -m`."""


class Argument(NamedTuple):
    """One condition: the argument at that place, masked, equals `value`. The kernel looks at 32 bits of these."""

    at: int
    value: int
    mask: int = 0xFFFFFFFF


AF_UNIX, SOCK_DGRAM, KIND = 1, 2, 0xF
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

REFUSED: tuple[tuple[str, tuple[Argument, ...]], ...] = (
    ("socket", (Argument(0, AF_UNIX),)),
    # A socket pair is private, unless it can send to any address.
    ("socketpair", (Argument(0, AF_UNIX), Argument(1, SOCK_DGRAM, KIND))),
    ("io_uring_setup", ()),  # its operations bypass this filter
    ("ioctl", (Argument(1, TIOCSTI),)),
    ("ioctl", (Argument(1, TIOCLINUX),)),
)
"""System call -> conditions; it is refused if all hold."""

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _EPERM = 0x7FFF0000, 0x80000000, 0x00050001

Step = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def program(machine: str) -> bytes:
    """Assemble the filter for a kind of processor.

    Raises: KeyError for one that is not in MACHINES. Shape: a 32-bit program is killed, as its calls have other
    numbers.
    """
    known = MACHINES[machine]
    steps: list[Step] = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, known.arch), (_RETURN, 0, 0, _KILL)]
    if known.foreign:
        steps += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, known.foreign), (_RETURN, 0, 0, _EPERM)]
    for call, conditions in REFUSED:
        steps += _refusing_steps(known.calls[call], conditions)
    steps.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _refusing_steps(number: int, conditions: tuple[Argument, ...]) -> Iterator[Step]:
    """Refuse one call; a condition that does not hold jumps behind these steps."""
    tests = [
        [(_LOAD, _NUMBER), (_EQUAL, number)],
        *(
            [(_LOAD, _ARGUMENTS + 8 * one.at), (_AND, one.mask), (_EQUAL, one.value)]  # little-endian machines
            for one in conditions
        ),
    ]
    flat = [step for test in tests for step in test]
    for at, (code, operand) in enumerate(flat):
        yield code, 0, len(flat) - at if code == _EQUAL else 0, operand
    yield _RETURN, 0, 0, _EPERM
