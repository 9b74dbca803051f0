"""What `ports.Machine` promises, of the machine in memory, where nothing runs, and of this one."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.waiting import until

from wakeman.adapters.machine import ATTEMPT_VARIABLE, LocalMachine
from wakeman.adapters.memory import MemoryMachine
from wakeman.ports import Machine, Ran

LINUX = pytest.mark.skipif(sys.platform == "darwin", reason="without /proc no process is found by its mark")


class MemoryPlace:
    """Processes that are nothing but numbers."""

    def __init__(self) -> None:
        self.machine = MemoryMachine(environment={"HOME": "/home/rehearsal"})

    def begin(self, mark: str) -> int:
        self.machine.living.setdefault(mark, []).append(4711)
        return 4711


class LocalPlace:
    """Processes that wait for nothing, ended with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self.machine = LocalMachine()
        self._stack = stack

    def begin(self, mark: str) -> int:
        waiting = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, env={ATTEMPT_VARIABLE: mark})
        self._stack.enter_context(waiting)
        self._stack.callback(waiting.kill)
        return waiting.pid


Begin = Callable[[str], int]


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest) -> Iterator[MemoryPlace | LocalPlace]:
    with ExitStack() as stack:
        yield MemoryPlace() if request.param == "memory" else LocalPlace(stack)


@pytest.fixture
def machine(place: MemoryPlace | LocalPlace) -> Machine:
    return place.machine


@pytest.fixture
def begin(place: MemoryPlace | LocalPlace) -> Begin:
    """Return what begins a process that carries a mark and lives until it is signalled; it gives the process's id."""
    return place.begin


@pytest.fixture
def mark() -> str:
    return f"night/w0/{uuid.uuid4().hex}"


def run(machine: Machine, *argv: str) -> Ran:
    return machine.run(argv, cwd="/", env={"PATH": "/usr/bin:/bin"}, timeout=10)


def test_a_program_that_succeeds_has_code_nought(machine: Machine) -> None:
    assert Ran(0) == run(machine, "true")


def test_a_missing_program_is_an_answer_and_no_exception(machine: Machine) -> None:
    assert isinstance(run(machine, "/no/such/program"), Ran)


def test_memory_is_a_count_of_bytes(machine: Machine) -> None:
    assert (int, True) == (type(machine.free_memory()), machine.free_memory() >= 0)


def test_a_mark_that_no_process_carries_is_left_out(machine: Machine, mark: str) -> None:
    assert {} == machine.marked([mark])


@LINUX
def test_a_process_is_found_by_its_mark(machine: Machine, begin: Begin, mark: str) -> None:
    pid = begin(mark)

    assert {mark: [pid]} == machine.marked([mark, f"{mark}0"])
    assert (mark, "") == (machine.mark_of(pid), machine.mark_of(2**22 + 1))


@LINUX
def test_a_signalled_process_carries_its_mark_no_longer(machine: Machine, begin: Begin, mark: str) -> None:
    pid = begin(mark)

    machine.signal([pid], "TERM")

    until(lambda: machine.marked([mark]) == {})


def test_a_process_that_was_begun_is_alive(machine: Machine, begin: Begin, mark: str) -> None:
    assert machine.alive(begin(mark))


def test_a_signalled_process_is_alive_no_longer(machine: Machine, begin: Begin, mark: str) -> None:
    pid = begin(mark)

    machine.signal([pid], "KILL")

    until(lambda: not machine.alive(pid))


def test_signalling_what_is_gone_is_no_error(machine: Machine) -> None:
    machine.signal([2**30], "TERM")


def test_a_number_that_nobody_has_is_not_alive(machine: Machine) -> None:
    assert not machine.alive(2**30)


def test_this_process_is_alive(machine: Machine) -> None:
    assert machine.alive(machine.pid())


def test_the_environment_maps_text_to_text(machine: Machine) -> None:
    assert {str} == {type(word) for entry in machine.environ().items() for word in entry}


def test_the_home_directory_is_an_absolute_path(machine: Machine) -> None:
    assert Path(machine.home()).is_absolute()


def test_the_process_id_is_a_number_of_its_own(machine: Machine) -> None:
    assert machine.pid() > 0


@LINUX
def test_a_process_was_born_when_it_was_started_and_one_that_is_gone_is_left_out(
    place: MemoryPlace | LocalPlace,
) -> None:
    before = time.time()
    pid = place.begin(f"night/w/{uuid.uuid4()}")
    if isinstance(place, MemoryPlace):
        place.machine.births[pid] = before

    born = place.machine.born([pid, 2**22 + 1])

    assert [pid] == list(born)
    assert abs(born[pid] - before) < 5
