"""The seccomp program of a confined attempt: the table of calls, for the kernel.

Shape: calls that are always decided alike are ranges of numbers, whose answers the kernel keeps; the few that depend on
their arguments are asked about first.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from wakeman.adapters.confine.calls import KINDS, Case, Kind
from wakeman.adapters.confine.numbers import GENERIC, X86_64


class Processor(NamedTuple):
    """Numbers of a kind of processor: its audit architecture, and its system calls."""

    arch: int
    calls: Mapping[str, int]
    foreign: int = 0  # numbers from here on belong to another ABI (x32); 0: none


MACHINES: Mapping[str, Processor] = {
    "x86_64": Processor(0xC000003E, X86_64, 0x40000000),
    "aarch64": Processor(0xC00000B7, GENERIC),
    "riscv64": Processor(0xC00000F3, GENERIC),
}
"""By `uname -m`."""

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_UNKNOWN = _ERROR | errno.ENOSYS

Step = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def program(machine: str, *, network: bool = True, own_ipc: bool = False) -> bytes:
    """Assemble the filter for a kind of processor.

    Raises: KeyError for one that is not in MACHINES.
    Shape: `network` and `own_ipc` say what else the attempt has. A program of another kind (32 bits) is killed: its
    calls have other numbers.
    """
    known = MACHINES[machine]
    steps: list[Step] = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, known.arch), (_RETURN, 0, 0, _KILL)]
    steps.append((_LOAD, 0, 0, _NUMBER))
    if known.foreign:
        steps += [(_AT_LEAST, 0, 1, known.foreign), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    answers: dict[int, int] = {}
    for kind in KINDS:
        for call in kind.calls.split():
            if (number := known.calls.get(call)) is None:
                continue
            answers[number] = _ALLOW if own_ipc and kind.own_ipc else _answer(kind, allowed=kind.allowed)
            if kind.cases:
                steps += _asked(number, kind, network=network)
    steps += _ranges(answers)
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _answer(kind: Kind, *, allowed: bool) -> int:
    return _ALLOW if allowed else _ERROR | getattr(errno, kind.error)


def _asked(number: int, kind: Kind, *, network: bool) -> Iterator[Step]:
    """Decide one call by its arguments; every other jumps behind this, with its number still loaded."""
    cases = [list(_case(kind, case)) for case in kind.cases if network or not case.network]
    steps = [step for case in cases for step in case]
    yield _EQUAL, 0, len(steps) + 1, number
    yield from steps
    yield _RETURN, 0, 0, _answer(kind, allowed=kind.allowed)


def _case(kind: Kind, case: Case) -> Iterator[Step]:
    tests = [
        (_LOAD, _ARGUMENTS + 8 * one.at, one.mask, one.value)  # little-endian machines
        for one in case.holds
    ]
    flat = [
        step
        for load, place, mask, value in tests
        for step in ((load, place), *(((_AND, mask),) if mask != 0xFFFFFFFF else ()), (_EQUAL, value))
    ]
    for at, (code, operand) in enumerate(flat):
        yield code, 0, len(flat) - at if code == _EQUAL else 0, operand
    yield _RETURN, 0, 0, _answer(kind, allowed=case.allowed)


def _ranges(answers: Mapping[int, int]) -> Iterator[Step]:
    """Answer by number, from the highest down: each range begins where the answer changes."""
    changes = [(0, answers.get(0, _UNKNOWN))]
    for number in range(1, max(answers) + 2):
        if (answer := answers.get(number, _UNKNOWN)) != changes[-1][1]:
            changes.append((number, answer))
    for start, answer in reversed(changes):
        if start:
            yield _AT_LEAST, 0, 1, start
        yield _RETURN, 0, 0, answer
