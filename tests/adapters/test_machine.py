"""Programs are run to their end, memory is counted, processes are found by their mark; all on the real machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from tests.waiting import until
from tests.words import DENIED, NO_FILE, THEIRS, fits

from wakeman.adapters.clock import SystemClock
from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.running import ERR_BYTES_MAX
from wakeman.ports import OUT_BYTES_MAX, Ran

machine = LocalMachine()
linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
ENV = {"PATH": os.environ["PATH"]}


def run(*argv: str, timeout: float = 30.0, stdin: bytes = b"", env: dict[str, str] = ENV, cwd: str = "/") -> Ran:
    return machine.run(argv, cwd=cwd, env=env, timeout=timeout, stdin=stdin)


def test_a_program_gives_its_code_and_both_outputs() -> None:
    assert Ran(3, "out\n", "err\n") == run("sh", "-c", "echo out; echo err >&2; exit 3")


def test_arguments_reach_a_program_as_they_are() -> None:
    assert run("echo", "$HOME 'a  b' ;").out == "$HOME 'a  b' ;\n"


def test_a_program_reads_what_it_is_given_however_long(tmp_path: Path) -> None:
    assert run("sh", "-c", "wc -c | tr -d ' '", stdin=b"x" * 300_000, cwd=str(tmp_path)).out == "300000\n"


def test_a_program_that_is_given_nothing_reads_an_end() -> None:
    assert Ran(0) == run("cat")


def test_a_program_has_exactly_the_environment_given() -> None:
    assert run(shutil.which("env") or "env", env={"A": "1"}).out == "A=1\n"


def test_a_program_is_looked_for_on_the_path_given(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "tool").chmod(0o755)

    assert run("tool", env={"PATH": str(tmp_path)}).out == "found\n"


def test_a_program_that_a_signal_ended_has_a_negative_code() -> None:
    assert run("sh", "-c", "kill -TERM $$").code == -signal.SIGTERM


@pytest.mark.parametrize(
    ("argv", "cwd", "error"),
    [
        (("no-such-program",), "/", f"no-such-program: {NO_FILE}"),
        (("/etc/passwd",), "/", f"/etc/passwd: {DENIED}"),
        (("true",), "/no/such/place", f"/no/such/place: {NO_FILE}"),
        (("echo", "a\0b"), "/", f"'echo': {THEIRS}"),
    ],
)
def test_a_program_that_cannot_start_says_why(argv: tuple[str, ...], cwd: str, error: str) -> None:
    ran = run(*argv, cwd=cwd)

    assert (Ran(None, error=ran.error), True) == (ran, fits(error, ran.error)), ran


def test_at_the_time_limit_the_whole_group_ends_and_what_was_printed_stays(tmp_path: Path) -> None:
    ran = run("sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; echo begun; wait", timeout=0.5)

    child = int((tmp_path / "pid").read_text())
    until(lambda: not machine.alive(child))
    assert Ran(None, "begun\n", "", "did not end within 0.5 s", late=True) == ran


def test_a_program_that_closed_its_outputs_is_held_to_the_time_limit_too() -> None:
    assert run("sh", "-c", "exec sleep 60 >&- 2>&-", timeout=0.2).error == "did not end within 0.2 s"


@pytest.mark.parametrize("noise", ["sleep 60", "while :; do echo x || exit; done"], ids=["quiet", "noisy"])
def test_what_a_program_leaves_in_the_background_is_not_waited_for(noise: str) -> None:
    begun = time.monotonic()

    ran = run("sh", "-c", f"({noise}) & echo $! >&2; exit 4")

    os.kill(int(ran.err), signal.SIGKILL)
    assert (ran.code, time.monotonic() - begun < 10) == (4, True)


def test_output_beyond_the_limit_is_dropped_and_says_so() -> None:
    ran = run("sh", "-c", f"echo first; head -c {OUT_BYTES_MAX + 10} /dev/zero; exit 1")

    assert (1, OUT_BYTES_MAX, "first", "", "size") == (ran.code, len(ran.out), ran.out[:5], ran.error, ran.cut)


@pytest.mark.parametrize("size", [0, 1, OUT_BYTES_MAX - 1, OUT_BYTES_MAX])
def test_output_up_to_the_limit_is_whole(size: int) -> None:
    ran = run("head", "-c", str(size), "/dev/zero")

    assert (0, size, "", False) == (ran.code, len(ran.out), ran.cut, ran.inexact)


def test_output_that_what_is_left_behind_could_still_add_to_is_not_whole() -> None:
    ran = run("sh", "-c", "echo one; sleep 60 2>/dev/null & echo $! >&2")
    quiet = run("sh", "-c", "echo one; sleep 60 >/dev/null 2>&1 & echo $! >&2")
    for each in (ran, quiet):
        os.kill(int(each.err), signal.SIGKILL)

    assert [("one\n", "open"), ("one\n", "")] == [(each.out, each.cut) for each in (ran, quiet)]


@pytest.mark.parametrize(
    ("data", "inexact"),
    [(b"a", False), ("\N{REPLACEMENT CHARACTER}".encode(), False), (b"a\xff", True), (b"\xed\xb3\xbf", True)],
)
def test_output_that_is_no_text_says_so(data: bytes, *, inexact: bool) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in data)

    assert inexact is run("printf", octal).inexact


def test_of_a_long_standard_error_the_end_is_kept() -> None:
    ran = run("sh", "-c", f"head -c {ERR_BYTES_MAX * 3} /dev/zero >&2; echo reason >&2")

    assert (len(ran.err), ran.err[-7:]) == (ERR_BYTES_MAX, "reason\n")


def test_output_that_is_not_utf8_is_replaced() -> None:
    assert run("printf", r"a\377b").out == "a�b"


@pytest.fixture
def marked() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], env={**ENV, "WAKEMAN_ATTEMPT": "night/w-1/1"}) as process:
        yield process
        process.kill()


@linux
def test_a_process_is_found_by_its_whole_mark(marked: subprocess.Popen[bytes]) -> None:
    asked = ["night/w-1/1", "night/w-1/", "night/w-1/11", "1"]

    until(lambda: bool(machine.marked(asked)))

    assert {"night/w-1/1": [marked.pid]} == machine.marked(asked)


@linux
def test_a_value_that_only_ends_like_the_mark_is_another(marked: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["sleep", "60"], env={**ENV, "X": "WAKEMAN_ATTEMPT=night/w-1/1"}) as other:
        until(lambda: bool(machine.marked(["night/w-1/1"])))
        found = machine.marked(["night/w-1/1"])
        other.kill()

    assert {"night/w-1/1": [marked.pid]} == found


@linux
def test_a_zombie_is_not_found(marked: subprocess.Popen[bytes]) -> None:
    until(lambda: bool(machine.marked(["night/w-1/1"])))
    marked.kill()

    until(lambda: not machine.marked(["night/w-1/1"]))
    assert marked.returncode is None  # not waited for: it is a zombie still


@linux
def test_we_do_not_find_ourselves() -> None:
    ask = "from wakeman.adapters.machine import LocalMachine; print(LocalMachine().marked(['mine']))"

    assert run(sys.executable, "-c", ask, env={**ENV, "WAKEMAN_ATTEMPT": "mine"}).out == "{}\n"


def test_where_there_is_no_proc_nothing_is_found(tmp_path: Path) -> None:
    assert LocalMachine(proc=str(tmp_path / "nothing")).marked(["mine"]) == {}


def test_a_signal_reaches_the_process_and_one_that_is_gone_is_no_error() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        machine.signal([process.pid], "TERM")
        process.wait()

    machine.signal([process.pid, 0, -1, 1], "KILL")
    assert process.returncode == -signal.SIGTERM


def test_a_process_is_alive_until_it_ends() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        before = machine.alive(process.pid)
        process.kill()

    assert (True, False, False) == (before, machine.alive(process.pid), machine.alive(0))


@linux
def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as process:
        until(lambda: not machine.alive(process.pid))

        assert process.returncode is None


@pytest.mark.skipif(os.getuid() == 0, reason="root may signal everybody")
def test_another_user_s_process_is_alive() -> None:
    assert machine.alive(1)


@linux
def test_free_memory_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemFree: 10 kB\nMemAvailable: 3000 kB\n")

    assert LocalMachine(proc=str(tmp_path)).free_memory() == 3000 * 1024


@pytest.mark.parametrize(
    ("line", "files", "left"),
    [
        ("0::/a/b", {"a/b/memory.max": "max", "a/b/memory.current": "5"}, 3_072_000),
        ("0::/a/b", {"a/b/memory.max": "1000", "a/b/memory.current": "400"}, 600),
        ("0::/a/b", {"a/memory.max": "900", "a/memory.current": "400"}, 500),
        ("0::/", {"memory.max": "900", "memory.current": "950"}, 0),
        (
            "0::/a",
            {"a/memory.max": "900", "a/memory.current": "800", "a/memory.stat": "anon 1\ninactive_file 50\n"},
            150,
        ),
        ("4:cpu:/a", {"cpu/a/memory.max": "1", "cpu/a/memory.current": "1"}, 3_072_000),
        (
            "4:memory:/not/shown/here",
            {"memory/memory.limit_in_bytes": "700", "memory/memory.usage_in_bytes": "100"},
            600,
        ),
    ],
)
def test_a_control_group_with_less_to_grant_counts(tmp_path: Path, line: str, files: dict[str, str], left: int) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"9:name=systemd:/\n{line}\n")
    (tmp_path / "proc/meminfo").write_text("MemAvailable: 3000 kB\n")
    for name, text in files.items():
        (tmp_path / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / name).write_text(text)

    assert left == LocalMachine(str(tmp_path / "proc"), str(tmp_path / "cgroup")).free_memory()


def test_unknown_memory_is_zero(tmp_path: Path) -> None:
    assert LocalMachine(proc=str(tmp_path)).free_memory() == 0


@linux
def test_this_machine_has_memory_left() -> None:
    assert 0 < machine.free_memory() < 1 << 60


def test_the_environment_home_and_id_are_this_process_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert ("/home/somebody", os.getpid(), "/home/somebody") == (
        machine.home(),
        machine.pid(),
        machine.environ()["HOME"],
    )


def test_the_wall_clock_is_aware_utc() -> None:
    now = SystemClock().now()

    assert (timedelta(0), UTC) == (now.utcoffset(), now.tzinfo)


def test_the_other_clock_does_not_go_back() -> None:
    assert SystemClock().mono() <= SystemClock().mono()


@linux
def test_a_boot_is_named_by_eight_hex_digits_that_stay() -> None:
    boot = SystemClock().boot()

    assert (8, boot) == (len(f"{int(boot, 16):08x}"), SystemClock().boot())
