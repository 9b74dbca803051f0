"""The filter, run step by step like the kernel: what it refuses, and what it allows, on each processor."""

from __future__ import annotations

import struct

import pytest

from wakeman.adapters.confine.seccomp import MACHINES, program

ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050001, 0x80000000
X86_32 = 0x40000003


def verdict(code: bytes, arch: int, number: int, *arguments: int) -> int:
    """Run a program over one system call, 64-bit arguments and all."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", code))
    at = held = 0
    while True:
        kind, yes, no, operand = steps[at]
        at += 1
        match kind:
            case 0x20:
                held = int.from_bytes(data[operand : operand + 4], "little")
            case 0x54:
                held &= operand
            case 0x15:
                at += yes if held == operand else no
            case 0x35:
                at += yes if held >= operand else no
            case 0x06:
                return int(operand)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "wanted"),
    [
        ("socket", (1, 1), REFUSED),
        ("socket", (1 | 1 << 32, 1), REFUSED),  # the kernel looks at 32 bits
        ("socket", (2, 1), ALLOWED),
        ("socket", (10, 1), ALLOWED),
        ("socketpair", (1, 1), ALLOWED),
        ("socketpair", (1, 5 | 0o2000000), ALLOWED),
        ("socketpair", (1, 2), REFUSED),
        ("socketpair", (1, 2 | 0o2000000), REFUSED),
        ("io_uring_setup", (8,), REFUSED),
        ("ioctl", (0, 0x5412), REFUSED),
        ("ioctl", (0, 0x5412 | 1 << 40), REFUSED),
        ("ioctl", (0, 0x541C), REFUSED),
        ("ioctl", (0, 0x5413), ALLOWED),
        ("prctl", (22,), ALLOWED),
    ],
)
def test_a_call_is_refused_by_its_arguments(name: str, call: str, arguments: tuple[int, ...], wanted: int) -> None:
    machine = MACHINES[name]

    assert wanted == verdict(program(name), machine.arch, machine.calls[call], *arguments)


@pytest.mark.parametrize("name", MACHINES)
def test_a_program_of_another_kind_is_killed(name: str) -> None:
    assert KILLED == verdict(program(name), X86_32, 102, 1)


def test_calls_by_their_other_numbers_are_refused() -> None:
    machine = MACHINES["x86_64"]

    assert REFUSED == verdict(program("x86_64"), machine.arch, 0x40000000 | machine.calls["socket"], 1)
