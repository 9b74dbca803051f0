"""The alarm's script: what it does if its check cannot run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.waiting import until

import wakeman.adapters
from wakeman.adapters.at import At
from wakeman.adapters.memory import MemoryWorld
from wakeman.adapters.sleep import Sleep
from wakeman.core.model import Deployment, Host, WakeTarget
from wakeman.engine import alarm
from wakeman.engine.alarm import script
from wakeman.ports import Timer

CHECK = Path(wakeman.adapters.__file__).with_name("check.sh")


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def written(host: Host, *targets: WakeTarget) -> bytes:
    """Return the script of a deployment, with the machine's own timer."""
    world = replace(MemoryWorld().world(), state="/state", timer=At(host.env), checker=CHECK.read_bytes)
    return script(world, Deployment(name="night", host=host), targets)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a deployment's directory with its script; `wakeman` there prints and ends as a test says."""
    (tmp_path / "bin").mkdir()
    queue = tmp_path / "queued"
    said = 'echo "job 7 at Mon Jan  5 21:41:00 2026" >&2'
    program(tmp_path / "bin" / "at", f'case $1 in -c) cat "{queue}" ;; *) cat >>"{queue}" && {said} ;; esac')
    program(tmp_path / "bin" / "atrm", f'[ "$1" != 7 ] || rm "{queue}"')
    program(tmp_path / "bin" / "atq", f'[ ! -e "{queue}" ] || printf "7\\tMon Jan  5 21:41:00 2026 a root\\n"')
    tell = program(tmp_path / "tell", f'printf "%s\\n" "$1" >>"{tmp_path}/told"')
    host = Host(
        root="/",
        directory=str(tmp_path),
        place={"socket": "/x", "tmux": "tmux"},
        python=("/bin/sh", str(tmp_path / "wakeman")),
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
    )
    target = WakeTarget(run=(str(tell), "{{ message }}"))
    (tmp_path / "check.sh").write_bytes(written(host, target))
    return tmp_path


def fired(place: Path, says: str, code: int, by: str = "at") -> tuple[int, int]:
    """Run it once, if by an alarm as one that left the queue; return the exit status and how many are queued now."""
    if by == "at":
        (place / "queued").unlink(missing_ok=True)
    program(place / "wakeman", f"printf '%s' '{says}' >&2\nexit {code}")
    ran = subprocess.run(["/bin/sh", str(place / "check.sh"), by], capture_output=True, timeout=20)
    queued = place / "queued"
    return ran.returncode, queued.read_text().count("check.sh at") if queued.exists() else 0


def told(place: Path) -> int:
    """Count the notices. They are sent by a process that nobody waits for, unless there is none."""
    until((place / "told").exists, 20)
    return len((place / "told").read_text().splitlines())


def test_a_check_that_was_made_leaves_the_alarm_to_wakeman(place: Path) -> None:
    assert [(0, 0), (5, 0), (1, 0)] == [fired(place, "", code) for code in (0, 5, 1)]


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("wakeman: events.jsonl:7: the hash does not fit", 6),
        ("wakeman: events.jsonl: No space left on device", 1),
        ("/bin/sh: python: not found", 127),
    ],
    ids=["a damaged log", "a full disk", "no interpreter"],
)
def test_a_check_that_could_not_be_made_is_told_once_and_tried_again(place: Path, says: str, code: int) -> None:
    first = fired(place, says, code)
    second = fired(place, says, code)

    assert ((code, 1), (code, 1), 1) == (first, second, told(place))


def test_an_alarm_that_finds_another_check_at_work_lies_ahead_again_should_that_one_die(place: Path) -> None:
    says = "wakeman: error: night: is held by process 7, which will look again"
    assert [(1, 1), (1, 1)] == [fired(place, says, 1) for _ in range(2)]
    assert not (place / "troubled").exists()


def test_an_alarm_that_finds_the_lock_with_a_stopped_process_is_told_and_lies_ahead_again(place: Path) -> None:
    assert (1, 1) == fired(place, "wakeman: error: night: is held by process 7, which is stopped", 1)
    assert 1 == told(place)


def test_trouble_that_lasts_sets_no_second_alarm_beside_one_that_lies_ahead(place: Path) -> None:
    assert [(6, 1), (6, 1)] == [fired(place, "wakeman: damaged", 6) for _ in range(2)]


def test_trouble_that_comes_back_after_a_good_check_is_told_again(place: Path) -> None:
    fired(place, "wakeman: full", 1)
    told(place)
    (place / "told").unlink()
    fired(place, "", 0)
    fired(place, "wakeman: full", 1)

    assert 1 == told(place)


def test_an_alarm_stands_before_the_check_begins_and_goes_when_that_has_set_its_own(place: Path) -> None:
    program(place / "wakeman", f'cat "{place}/queued" >"{place}/seen"')
    ran = subprocess.run(["/bin/sh", str(place / "check.sh"), "at"], capture_output=True, timeout=20)

    assert (0, 1, False) == (
        ran.returncode,
        (place / "seen").read_text().count("check.sh at"),
        (place / "queued").exists(),
    )


@pytest.mark.parametrize(("code", "left"), [(0, ["7"]), (137, ["7", "8"])], ids=["checked", "killed"])
def test_an_alarm_relies_on_none_that_another_script_may_remove(place: Path, code: int, left: list[str]) -> None:
    queue = place / "queue"
    queue.mkdir()
    marker = next(line for line in (place / "check.sh").read_text().splitlines() if line.startswith("marker="))
    (queue / "7").write_text(f"# {marker.removeprefix('marker=')}\n")
    said = 'echo "job 8 at Mon Jan  5 21:41:00 2026" >&2'
    program(place / "bin" / "at", f'case $1 in -c) cat "{queue}"/* ;; *) cat >"{queue}/8" && {said} ;; esac')
    program(place / "bin" / "atrm", f'rm "{queue}/$1"')
    program(
        place / "bin" / "atq", f'for job in "{queue}"/*; do echo "${{job##*/}} Mon Jan  5 21:41:00 2026 a root"; done'
    )

    assert code == fired(place, "", code)[0]
    assert left == sorted(job.name for job in queue.iterdir())


def test_an_alarm_that_finds_the_log_held_leaves_one_for_the_case_that_the_holder_dies(place: Path) -> None:
    assert (1, 1) == fired(place, "wakeman: night: is held by process 7, which will look again", 1)


@pytest.mark.parametrize("ahead", [False, True])
def test_an_alarm_of_an_old_generation_gives_way_to_another_that_lies_ahead_only(place: Path, ahead: bool) -> None:
    program(place / "wakeman", f'echo "$@" >"{place}/checked"')
    (place / "generation").write_text("5\n")
    if ahead:
        marker = next(line for line in (place / "check.sh").read_text().splitlines() if line.startswith("marker="))
        (place / "queued").write_text(f"# {marker.removeprefix('marker=')}\n")

    subprocess.run(["/bin/sh", str(place / "check.sh"), "at", "4", "7:abc"], capture_output=True, timeout=20)

    assert ahead is not (place / "checked").exists()


@pytest.mark.parametrize(
    ("says", "code", "by"),
    [
        ("wakeman: night: no such deployment", 3, "at"),
        ("wakeman: night: is held by process 7, which will look again", 1, "exit"),
        ("wakeman: full", 1, "exit"),
    ],
    ids=["one that is gone", "a busy one", "a worker's end, behind which an alarm lies"],
)
def test_what_somebody_else_sees_to_sets_no_alarm(place: Path, says: str, code: int, by: str) -> None:
    assert ((code, 0), False) == (fired(place, says, code, by), (place / "troubled").exists())


@pytest.mark.real
@pytest.mark.skipif(shutil.which("at") is None, reason="at is not installed")
def test_the_machines_own_at_takes_the_next_alarm_and_gives_it_back(tmp_path: Path) -> None:
    ours = f"for job in $(atq | cut -f 1); do at -c $job 2>/dev/null; done | grep -c '{tmp_path}/check.sh'"
    program(tmp_path / "wakeman", f'{ours} >"{tmp_path}/during"')
    host = Host(
        root="/",
        directory=str(tmp_path),
        place={"socket": "/x", "tmux": "tmux"},
        python=("/bin/sh", str(tmp_path / "wakeman")),
        env={"PATH": "/usr/bin:/bin"},
    )
    (tmp_path / "check.sh").write_bytes(written(host))

    subprocess.run(["/bin/sh", str(tmp_path / "check.sh"), "at"], capture_output=True, timeout=60)

    after = subprocess.run(["/bin/sh", "-c", ours], capture_output=True, text=True, timeout=60).stdout
    assert ("1\n", "0\n") == ((tmp_path / "during").read_text(), after)


@pytest.fixture
def sleepers(place: Path) -> Iterator[Timer]:
    """Yield what sleeps for the deployment, which has no `at` that takes a job."""
    timer = Sleep({"PATH": "/usr/bin:/bin"})
    yield timer
    timer.disarm([job.job for job in timer.find(place_marker(place))])


def place_marker(place: Path) -> str:
    return alarm.marker(Deployment(name="night", host=Host(root="/", directory=str(place), python=("true",))))


REFUSALS = {
    "none": "exit 127",
    "no daemon": 'echo "job 7 at Mon Jan  5 21:41:00 2026" >&2; echo "Can\'t open /run/atd.pid to signal atd" >&2',
    "a full spool": 'echo "Cannot create job file: No space left on device" >&2; exit 1',
}


@pytest.mark.real
@pytest.mark.parametrize("at", REFUSALS)
def test_where_at_takes_no_job_a_process_that_sleeps_is_the_next_alarm_and_only_one(
    place: Path, sleepers: Timer, at: str
) -> None:
    program(place / "bin" / "at", REFUSALS[at])
    marker = place_marker(place)

    for _ in range(3):
        sleepers.disarm([job.job for job in sleepers.find(marker)])  # the one that fires
        fired(place, "wakeman: damaged", 6)
    for _ in range(2):
        fired(place, "/bin/sh: python: not found", 127, by="hook")

    (job,) = sleepers.find(marker)
    assert 0 < (job.due - datetime.now(UTC)).total_seconds() <= 300
    assert 1 == told(place)
    # It goes when the check that it starts has set its own.
    sleepers.disarm([job.job])
    program(place / "wakeman", "exit 0")
    subprocess.run(["/bin/sh", str(place / "check.sh"), "at"], capture_output=True, timeout=20)
    until(lambda: not sleepers.find(marker))


@pytest.mark.parametrize(
    ("by", "host", "ran"),
    [
        ("exit", "", True),
        ("hook", "", True),
        ("exit", "submits", False),
        ("hook", "submits", False),
        ("at", "submits", True),
    ],
)
def test_a_workers_end_on_another_host_than_the_deployments_own_starts_no_check(
    place: Path, by: str, host: str, ran: bool
) -> None:
    (place / "host").write_text(f"{host or os.uname().nodename}\n")
    program(place / "wakeman", f'touch "{place}/ran"')

    subprocess.run(["/bin/sh", str(place / "check.sh"), by], check=True, timeout=20)

    assert ran == (place / "ran").exists()


@pytest.mark.parametrize("standing", [True, False], ids=["somebody stands by", "a check is on its way"])
def test_an_end_wakes_who_stands_by_for_it_and_starts_nothing(place: Path, standing: bool) -> None:
    if standing:
        (place / "standing").touch()
    with (place / "coming").open("ab") as coming:
        fcntl.flock(coming, fcntl.LOCK_EX)
        told = fired(place, "it was started", 6, by="exit")

    assert ((0, 0), False) == (told, (place / "check.log").exists())
    assert standing == (standing and (place / "standing").stat().st_size > 0)
    assert standing == (place / "standing").exists()


def test_an_end_starts_a_check_if_who_stood_by_has_ended_meanwhile(place: Path) -> None:
    """It has looked at `standing` for the last time, and ends between the two tests of the script."""
    (place / "standing").touch()
    tried = place / "tried"
    program(place / "bin" / "flock", f'[ -e "{tried}" ] || {{ : >"{tried}"; exit 1; }}')

    assert (6, True) == (fired(place, "it was started", 6, by="exit")[0], (place / "check.log").exists())
