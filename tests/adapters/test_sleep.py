"""`adapters/sleep.py` with real processes; what it promises as a timer is in `tests/contracts/test_timer.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.adapters.conftest import ENV
from tests.adapters.test_tmux import ODD
from tests.contracts.test_timer import sleepers
from tests.waiting import until

from wakeman.adapters.sleep import Sleep
from wakeman.ports import Timer

pytestmark = pytest.mark.real


@pytest.fixture
def timer() -> Iterator[Timer]:
    yield from sleepers()


@pytest.fixture
def marker() -> str:
    return f"wakeman-test:{uuid.uuid4().hex}"


def ahead(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_command_runs_once_with_its_arguments_whole(timer: Timer, marker: str, tmp_path: Path) -> None:
    target = tmp_path / "it's #{pid} %H"
    script = 'printf "%s\\0" "$@" >"$0.tmp"; mv "$0.tmp" "$0"'

    timer.arm(marker, ["/bin/sh", "-c", script, str(target), *ODD], ahead(0.05))

    until(target.exists)
    assert [*ODD, ""] == target.read_bytes().decode().split("\0")
    until(lambda: not timer.find(marker))


def test_a_command_knows_nothing_of_who_has_set_the_timer(
    timer: Timer, marker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMUX", "WAKEMAN_ATTEMPT", "API_KEY"):
        monkeypatch.setenv(name, "x")
    target = tmp_path / "env"

    timer.arm(marker, ["/bin/sh", "-c", f"(env; pwd) >{target}.tmp; mv {target}.tmp {target}"], ahead(0))

    until(target.exists)
    names = {line.partition("=")[0] for line in target.read_text().splitlines()}
    assert names <= {"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "/"}


def test_it_outlives_who_has_set_it_and_his_process_group(timer: Timer, marker: str) -> None:
    code = f"""
from datetime import UTC, datetime
from wakeman.adapters.sleep import Sleep
Sleep({ENV!r}).arm({marker!r}, ["/bin/true"], datetime(2035, 1, 1, tzinfo=UTC))
import time; print("set", flush=True); time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as other:
        assert other.stdout is not None
        assert b"set\n" == other.stdout.readline()
        os.killpg(other.pid, signal.SIGKILL)

    assert timer.pending("", marker)


def test_what_has_begun_to_run_is_not_disarmed(timer: Timer, marker: str, tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    os.mkfifo(go)
    job = timer.arm(marker, ["/bin/sh", "-c", f"touch {tmp_path}/begun; read line <{go}; touch {done}"], ahead(0))
    until((tmp_path / "begun").exists)

    timer.disarm([job.job])
    go.write_text("now\n")

    until(done.exists)


def test_only_what_sleeps_is_disarmed(timer: Timer) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        timer.disarm([str(other.pid), "1", "", "x"])
        alive = other.poll() is None
        other.kill()

    assert alive


def test_where_there_is_no_proc_the_list_of_processes_is_read(timer: Timer, marker: str, tmp_path: Path) -> None:
    job = timer.arm(marker, ["/bin/true"], ahead(600))

    elsewhere = Sleep(ENV, proc=str(tmp_path / "none"))

    assert [job.job] == [found.job for found in elsewhere.find(marker)]
    elsewhere.disarm([job.job])
    assert not timer.find(marker)
