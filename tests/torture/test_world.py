"""Faults of the environment: disks full or read-only, servers and daemons killed, clocks set, a lock holder stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.processes import processes
from tests.real.rig import REAL, rigged
from tests.torture.cases import WANTED, patient, torture, wanted
from tests.torture.rig import COMPILES, SCENES, STRACE, WORKER, Torture, works
from tests.waiting import until

why = works()
pytestmark = [*REAL, patient, pytest.mark.skipif(bool(why), reason=why)]
ROOT = Path(__file__).parents[2]


def mounts() -> bool:
    """Return whether a disk can be mounted here, in a mount namespace that goes with the probe."""
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(probe, capture_output=True).returncode == 0


compiles = pytest.mark.skipif(not COMPILES, reason="no C compiler")
alone = pytest.mark.skipif(not wanted(""), reason="one case of a table is asked for")
disks = pytest.mark.skipif(not mounts(), reason="may not mount")

# --- disks ----------------------------------------------------------------------------------------------------------

LEFT = (0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 80)
"""KiB that are left on the disk."""


@contextmanager
def disk(rig: Torture) -> Iterator[None]:
    """Have the state directory on a small disk of its own."""
    rig.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "wakeman-torture", str(rig.state)], check=True)
    try:
        yield
    except BaseException:
        sys.stderr.write(rig.evidence())  # it goes with the disk
        raise
    finally:
        subprocess.run(["umount", "-l", str(rig.state)], check=True)


@contextmanager
def unwritable(rig: Torture) -> Iterator[None]:
    """Have the state directory read-only for whoever opens a file there from now on."""
    subprocess.run(["mount", "--bind", str(rig.state), str(rig.state)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(rig.state)], check=True)
    try:
        yield
    except BaseException:
        sys.stderr.write(rig.evidence())
        raise
    finally:
        subprocess.run(["umount", "-l", str(rig.state)], check=True)


def fill(rig: Torture, left: int) -> Path:
    """Leave so many KiB of the disk."""
    seen = os.statvfs(rig.state)
    filler = rig.state / "filler"
    filler.write_bytes(b"x" * (seen.f_bavail * seen.f_bsize - left * 1024))
    return filler


def readable(rig: Torture) -> None:
    """Whatever the disk does: who only reads gets an answer."""
    if rig.exists():
        rig.sound()
        assert 0 == rig.run("status", "night").returncode


def full(rig: Torture, case: str) -> None:
    scene, left = case.split(",")
    with disk(rig):
        rig.set(scene)
        filler = fill(rig, int(left))

        said = rig.play(scene)

        rig.decent(said, (0, 1, 4))
        readable(rig)
        rig.alarmed()
        rig.open_gates()
        rig.fire_all()
        rig.alarmed()
        until(lambda: not rig.at_work(), 30)
        readable(rig)
        filler.unlink()
        rig.recover("alarm")
        rig.finish()
        rig.verify()


@disks
@pytest.mark.parametrize("scene", SCENES)
def test_a_full_disk_is_said_and_once_there_is_room_the_night_goes_on(scene: str) -> None:
    if wanted("full"):
        torture("full", [f"{scene},{left}" for left in LEFT], 1, full)


def read_only(rig: Torture, case: str) -> None:
    rig.state.mkdir()
    rig.set(case)
    with unwritable(rig):
        said = rig.play(case)

        rig.decent(said, (1,))
        readable(rig)
        rig.open_gates()
        rig.fire_all()
        rig.alarmed()
        until(lambda: not rig.at_work(), 30)
        readable(rig)
    rig.recover("alarm")
    rig.finish()
    rig.verify()


@disks
def test_a_disk_that_turns_read_only_is_said_and_once_it_is_not_the_night_goes_on() -> None:
    if wanted("read-only"):
        torture("read-only", list(SCENES), 1, read_only)


def append_only(rig: Torture, case: str) -> None:
    rig.set(case)
    subprocess.run(["chattr", "+a", str(rig.log())], check=True)
    try:
        said = rig.play(case)

        rig.decent(said, (1,) if case == "repair" else (0, 4))
        assert case != "repair" or "chattr -a" in said.stderr, said.stderr
        readable(rig)
    finally:
        subprocess.run(["chattr", "-a", str(rig.log())], check=True)
    rig.finish()
    rig.verify(attempts=4)


def may_only_append() -> bool:
    with rigged(Torture) as rig:
        (rig.place / "x").touch()
        ran = subprocess.run(["chattr", "+a", str(rig.place / "x")], capture_output=True)
        subprocess.run(["chattr", "-a", str(rig.place / "x")], capture_output=True)
    return ran.returncode == 0


def test_a_log_that_may_only_be_appended_to_serves_but_for_a_repair_which_names_what_forbids_it() -> None:
    if not may_only_append():
        pytest.skip("this file system knows no chattr +a")
    if wanted("append-only"):
        torture("append-only", [scene for scene in SCENES if scene != "up"], 1, append_only)


# --- tmux -----------------------------------------------------------------------------------------------------------

SERVING = ("read", "write", "close", "sendmsg", "recvmsg", "clone", "fork", "epoll_wait", "wait4", "kill", "ioctl")


@contextmanager
def server(rig: Torture, *options: str) -> Iterator[Path]:
    """Have a tmux server run under strace, before anybody else starts one."""
    config, trace = rig.place / "tmux.conf", rig.place / "trace" / "server"
    config.write_text("set -g exit-empty off\n")
    argv = [STRACE, "-qq", "-o", str(trace), *options, "tmux", "-f", str(config), "-S", str(rig.socket), "-D"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ran:
        until(lambda: rig.socket.exists() or ran.poll() is not None)
        try:
            yield trace
        finally:
            rig.tmux("kill-server")
            with suppress(subprocess.TimeoutExpired):
                ran.wait(10)
            ran.kill()


def server_calls() -> list[str]:
    """List the system calls of a server while `up` starts three workers."""
    with rigged(Torture) as rig, server(rig, "-e", f"trace={','.join(SERVING)}") as trace:
        begun = len(trace.read_text().splitlines())
        rig.run("up", "wakeman.toml")
        lines = trace.read_text().splitlines()
    counts: Counter[str] = Counter()
    found = []
    for number, line in enumerate(lines):
        name = line.partition("(")[0]
        counts[name] += 1
        if number >= begun and name in SERVING:
            found.append(f"{name},{counts[name]}")
    return found


def server_killed(rig: Torture, case: str) -> None:
    call, number = case.split(",")
    with server(rig, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"):
        said = rig.play("up")

        rig.decent(said, (0, 1, 4))
        rig.alarmed()
        rig.recover("checks")
        rig.finish()
        rig.verify()


def test_a_tmux_server_killed_at_any_system_call_of_a_launch_doubles_nobody() -> None:
    if wanted("server"):
        torture("server", server_calls(), 2, server_killed)


@alone
def test_workers_that_outlive_the_tmux_server_are_kept_and_not_started_again() -> None:
    with rigged(Torture) as rig:
        (rig.place / "worker.sh").write_text("trap '' HUP\n" + WORKER)
        rig.set("repair")
        until(lambda: 3 == len((rig.place / "runs").read_text().split()), 30)

        os.kill(rig.server(), signal.SIGKILL)

        rig.recover("checks")
        rig.fire_all()
        assert {("running", 1)} == {(w["state"], w["attempt"]) for w in rig.status()["workers"]}
        rig.alarmed()
        rig.finish()
        rig.verify(attempts=4)


# --- at -------------------------------------------------------------------------------------------------------------


@alone
@disks
def test_a_night_goes_on_without_the_daemon_of_at_and_uses_it_again_when_it_is_back() -> None:
    # In a spool and among processes of its own: nobody else's daemon is touched.
    argv = ["unshare", "-m", "-p", "-f", "--mount-proc", sys.executable, "-m", "tests.torture.atd"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=100)
    if ran.returncode == 77:
        pytest.skip(ran.stdout.strip())
    assert 0 == ran.returncode, ran.stdout + ran.stderr


# --- clocks ---------------------------------------------------------------------------------------------------------

HOUR, DAY = 3600, 86400
JUMPS = (-HOUR, -400 * DAY, 90, 3 * DAY, 400 * DAY)


def clock(rig: Torture, case: str) -> None:
    scene, jump = case.split(",")
    rig.set(scene)

    said = rig.play(scene, env={"LD_PRELOAD": rig.shim(), "CLOCK": jump})

    rig.decent(said, (0, 4))
    rig.alarmed()
    if not rig.closed():
        rig.recover("checks")
    if not rig.closed():
        ahead = datetime.fromisoformat(rig.status()["next_check"]) - datetime.now(UTC)
        assert -5 < ahead.total_seconds() < 600, f"the next check is {ahead} away"
    rig.finish()
    rig.verify(attempts=4)


@compiles
def test_a_clock_that_was_set_loses_neither_alarm_nor_attempt() -> None:
    if wanted("clock"):
        torture("clock", [f"{scene},{jump}" for scene in SCENES for jump in JUMPS], 2, clock)


# --- the lock -------------------------------------------------------------------------------------------------------


def stopped(rig: Torture, case: str) -> None:
    """The holder of the lock is stopped after one of its writes: a person is told, an alarm lies ahead, it goes on."""
    rig.set("clean up")
    env = {**rig.clean(), "LD_PRELOAD": rig.shim(), "TORN": f"{rig.log()} {case} 10 stop"}
    argv = rig.argv(*SCENES["clean up"])
    with subprocess.Popen(argv, cwd=rig.place, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ran:
        try:
            until(lambda: is_stopped(ran.pid), 20)
            begun = time.monotonic()

            said = rig.run("check", "night")

            assert (1, True) == (said.returncode, time.monotonic() - begun < 9), said
            holder = f"is held by process {ran.pid}, which is stopped\nhint: kill -CONT {ran.pid}\n"
            assert holder in said.stderr
            rig.alarmed()
            rig.fire_all()
            until(lambda: not any(f"check night --state {rig.state} --by at" in line for line in running()), 30)
            rig.alarmed()
            readable(rig)
        finally:
            ran.send_signal(signal.SIGCONT)
    rig.finish()
    rig.verify(attempts=4)


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


def running() -> Iterator[str]:
    """Return every command line, its words parted by blanks."""
    return (" ".join(one.argv) for one in processes())


@compiles
def test_a_stopped_holder_of_the_lock_is_named_and_an_alarm_is_set_again() -> None:
    if wanted("stopped"):
        torture("stopped", ["1", "2", "3", "4", "5"], 1, stopped)


# --- reading --------------------------------------------------------------------------------------------------------

READER = """\
import sys, time
from wakeman.adapters.eventlog import EventLogs
logs, until, last, reads = EventLogs(sys.argv[1]), time.monotonic() + float(sys.argv[2]), 0, 0
while time.monotonic() < until:
    seq = logs.read("night").seq
    assert seq >= last, (last, seq)
    *_, event = logs.events("night", last - 1)
    assert event.seq >= seq, (seq, event.seq)
    last, reads = seq, reads + 1
print(last, reads)
"""
WRITER = """\
import sys, time
from datetime import UTC, datetime
from wakeman.adapters.eventlog import EventLogs
from wakeman.core.log.events import Draft, Noted
logs, until, n = EventLogs(sys.argv[1]), time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < until:
    with logs.hold("night", "test:1", wait=30) as log:
        for n in range(n, n + 7):
            log.append([Draft(Noted(text="x" * (n % 5000)))] * (n % 3 + 1), datetime.now(UTC), durable=n % 2 == 0)
"""


@alone
def test_a_log_that_is_read_while_it_is_written_never_looks_damaged() -> None:
    seconds = 60 if WANTED == "all" else 3
    with rigged(Torture) as rig:
        assert 0 == rig.run("up", "wakeman.toml").returncode
        scripts = [WRITER, WRITER, READER, READER]
        ran = [
            subprocess.Popen(
                [sys.executable, "-c", script, str(rig.state), str(seconds)], stdout=subprocess.PIPE, text=True
            )
            for script in scripts
        ]
        until_then = time.monotonic() + seconds
        while time.monotonic() < until_then:
            rig.sound()
            assert 0 == rig.run("status", "night").returncode
        said = [process.communicate(timeout=90)[0].split() for process in ran]
        assert [0, 0, 0, 0] == [process.returncode for process in ran]
        assert all(int(reads) > 10 for _, reads in said[2:]), said
        rig.finish()
        rig.verify(attempts=4)
