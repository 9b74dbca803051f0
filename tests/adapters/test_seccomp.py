"""The filter, run step by step like the kernel: what it refuses, and what it allows, on each processor."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from wakeman.adapters.confine.calls import KINDS
from wakeman.adapters.confine.numbers import GENERIC, X86_64
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


UNKNOWN, NO_TERMINAL = 0x00050026, 0x00050019
NEW_TIME, HIGH = 0x80, 1 << 32


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(
    ("call", "arguments", "wanted"),
    [
        ("socket", (1, 1), REFUSED),
        ("socket", (1 | HIGH, 1), REFUSED),  # the kernel looks at 32 bits
        ("socket", (2, 1), ALLOWED),
        ("socket", (2, 2), ALLOWED),
        ("socket", (10, 1), ALLOWED),
        ("socket", (16, 3, 0), ALLOWED),
        ("socket", (16, 3, 2), REFUSED),
        ("socket", (16, 3, HIGH), ALLOWED),
        ("socket", (17, 3), REFUSED),
        ("socket", (38, 5), REFUSED),
        ("socket", (40, 1), REFUSED),
        ("socketpair", (1, 1), ALLOWED),
        ("socketpair", (1, 5 | 0o2000000), ALLOWED),
        ("socketpair", (1, 2), REFUSED),
        ("socketpair", (1, 2 | 0o2000000), REFUSED),
        ("socketpair", (1, 3), REFUSED),
        ("socketpair", (30, 1), REFUSED),
        ("io_uring_setup", (8,), REFUSED),
        ("ioctl", (0, 0x5412), NO_TERMINAL),
        ("ioctl", (0, 0x5412 | 1 << 40), NO_TERMINAL),
        ("ioctl", (0, 0x541C), NO_TERMINAL),
        ("ioctl", (0, 0x540A), NO_TERMINAL),
        ("ioctl", (0, 0x540B), ALLOWED),
        ("ioctl", (0, 0x5413), ALLOWED),
        ("ioctl", (0, 0x802C542A), ALLOWED),  # TCGETS2 has its size above
        ("ioctl", (0, 0x8912), ALLOWED),
        ("ioctl", (0, 0x8901), NO_TERMINAL),
        ("ioctl", (0, 0x40049409), ALLOWED),
        ("ioctl", (0, 0x5000940E), NO_TERMINAL),  # a subvolume of btrfs
        ("ioctl", (0, 0x80086601), ALLOWED),
        ("ioctl", (0, 0x40086602), NO_TERMINAL),
        ("ioctl", (0, 0x40806685), NO_TERMINAL),  # fs-verity: nobody writes to it any more
        ("fcntl", (3, 1024, 0), REFUSED),
        ("fcntl", (3, 8, 1), REFUSED),
        ("fcntl", (3, 1), ALLOWED),
        ("fcntl", (3, 6), ALLOWED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (HIGH, 7), ALLOWED),
        ("prlimit64", (4711, 7), REFUSED),
        ("sched_setaffinity", (0,), ALLOWED),
        ("sched_setaffinity", (4711,), REFUSED),
        ("setpriority", (0, 0), ALLOWED),
        ("setpriority", (0, 1), REFUSED),
        ("setpriority", (1, 0), REFUSED),
        ("setpriority", (2, 0), REFUSED),
        ("ioprio_set", (1, 0), ALLOWED),
        ("ioprio_set", (3, 0), REFUSED),
        ("kill", (4711, 9), ALLOWED),
        ("kill", (0, 9), ALLOWED),
        ("kill", (0xFFFFFFFF, 9), REFUSED),
        ("kill", (2**64 - 1, 9), REFUSED),
        ("clone", (0x01200011,), ALLOWED),
        ("clone", (0x003D0F00,), ALLOWED),  # a thread
        ("clone", (0x003D0F80,), ALLOWED),
        *((("clone"), (1 << bit | 17,), REFUSED) for bit in (17, 25, 26, 27, 28, 29, 30)),
        *((("unshare"), (1 << bit,), REFUSED) for bit in (7, 17, 25, 26, 27, 28, 29, 30)),
        ("unshare", (0x600,), ALLOWED),
        ("clone3", (), UNKNOWN),
        ("prctl", (22,), ALLOWED),
        ("ptrace", (0,), ALLOWED),
        ("process_vm_writev", (), REFUSED),
        ("shmget", (0,), REFUSED),
        ("mq_open", (), REFUSED),
        ("keyctl", (), REFUSED),
    ],
)
def test_a_call_is_decided_by_its_arguments(name: str, call: str, arguments: tuple[int, ...], wanted: int) -> None:
    machine = MACHINES[name]

    assert wanted == verdict(program(name), machine.arch, machine.calls[call], *arguments)


@pytest.mark.parametrize("name", MACHINES)
def test_every_call_is_decided_as_its_kind_is(name: str) -> None:
    machine, code = MACHINES[name], program(name)
    plain = {call: kind for kind in KINDS if not kind.cases for call in kind.calls.split()}

    for call, number in machine.calls.items():
        if (kind := plain.get(call)) is not None:
            error = 0x00050000 | getattr(errno, kind.error)
            assert (ALLOWED if kind.allowed else error) == verdict(code, machine.arch, number, 1, 1), call


@pytest.mark.parametrize("name", MACHINES)
def test_a_call_that_nobody_has_decided_is_not_there(name: str) -> None:
    machine, code = MACHINES[name], program(name)
    known = set(machine.calls.values())

    assert {UNKNOWN} == {verdict(code, machine.arch, number) for number in range(700) if number not in known}
    assert UNKNOWN == verdict(code, machine.arch, 0x3FFFFFFF)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("call", "first"), [("socket", 2), ("socket", 10)])
def test_without_a_network_there_are_no_sockets_of_it(name: str, call: str, first: int) -> None:
    machine, code = MACHINES[name], program(name, network=False)

    assert REFUSED == verdict(code, machine.arch, machine.calls[call], first, 1)
    assert ALLOWED == verdict(code, machine.arch, machine.calls[call], 16, 3, 0)


@pytest.mark.parametrize("name", MACHINES)
def test_shared_memory_of_its_own_is_allowed(name: str) -> None:
    machine, code = MACHINES[name], program(name, own_ipc=True)

    assert {ALLOWED} == {verdict(code, machine.arch, machine.calls[call]) for call in ("shmget", "semop", "mq_open")}


def test_the_table_has_each_call_once() -> None:
    names = [call for kind in KINDS for call in kind.calls.split()]

    assert len(names) == len(set(names))
    assert set(names) == {call for machine in MACHINES.values() for call in machine.calls}


def test_what_the_table_refuses_is_tried() -> None:
    """Each escape that it names is one; what is refused by arguments has one at least."""
    from tests.real.test_confine import ESCAPES

    assert [] == [name for kind in KINDS for name in kind.escapes if name not in ESCAPES]
    assert [] == [kind.name for kind in KINDS if kind.cases and not kind.escapes]


@pytest.mark.parametrize("name", MACHINES)
def test_the_kernel_takes_the_program(name: str) -> None:
    """No jump leads backwards or beyond the end, which a return is."""
    steps = list(struct.iter_unpack("=HBBI", program(name)))

    assert len(steps) < 4096
    assert 0x06 == steps[-1][0]
    assert all(at + 1 + max(yes, no) < len(steps) for at, (code, yes, no, _) in enumerate(steps) if code != 0x06)


@pytest.mark.parametrize("name", MACHINES)
def test_a_program_of_another_kind_is_killed(name: str) -> None:
    assert KILLED == verdict(program(name), X86_32, 102, 1)


def test_calls_by_their_other_numbers_are_refused() -> None:
    machine = MACHINES["x86_64"]

    assert REFUSED == verdict(program("x86_64"), machine.arch, 0x40000000 | machine.calls["socket"], 1)


@pytest.mark.skipif(not Path("/usr/include/asm-generic/unistd.h").exists(), reason="no headers of the kernel")
def test_numbers_are_those_of_the_kernel_s_headers() -> None:
    generic = _header("/usr/include/asm-generic/unistd.h")
    ours = {name: number for name, number in GENERIC.items() if name in generic}
    assert {name: generic[name] for name in ours} == ours
    assert len(ours) > 250
    for place in Path("/usr/include").glob("x86_64-linux-gnu/asm/unistd_64.h"):
        intel = _header(str(place))
        assert intel == {name: number for name, number in X86_64.items() if name in intel}


def _header(file: str) -> dict[str, int]:
    found = re.findall(r"#define\s+(?:__NR3264_|__NR_)(\w+)\s+(\d+)", Path(file).read_text())
    return {name: int(number) for name, number in found if name not in ("syscalls", "arch_specific_syscall")}
