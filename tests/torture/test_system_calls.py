"""A fault at each system call of the commands: the process is killed, the call fails, a write is torn."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import pytest
from tests.real.rig import REAL, rigged
from tests.torture.cases import patient, torture, wanted
from tests.torture.rig import COMPILES, SCENES, Call, Torture, works

why = works()
pytestmark = [*REAL, patient, pytest.mark.skipif(bool(why), reason=why)]

RECOVERIES = ("checks", "alarm", "up")
FAILING = {
    "write": ("EIO", "ENOSPC"),
    "pwrite64": ("ENOSPC",),
    "fdatasync": ("EIO", "ENOSPC"),
    "fsync": ("EIO",),
    "ftruncate": ("EIO",),
    "openat": ("EIO", "ENOSPC", "EMFILE"),
    "rename": ("EIO", "ENOSPC"),
    "mkdir": ("ENOSPC",),
    "fchmod": ("EIO",),
    "unlink": ("EIO",),
    "flock": ("EIO",),
}
"""System call -> the errors that a disk gives it."""
ONCE_ONLY = ("write", "openat")
"""What cannot fail for ever: the program could not even load, or say, anything any more. test_disks.py has that."""
TORN = [(part, "kill") for part in (0, 3, 10)] + [(part, then) for part in (0, 4) for then in ("once", "ever")]
"""(tenths of a write that reach the file, what follows)"""


@cache
def calls(scene: str) -> tuple[Call, ...]:
    with rigged(Torture) as rig:
        return tuple(rig.calls(scene))


def recovery(case: str) -> str:
    return RECOVERIES[crc32(case.encode()) % len(RECOVERIES)]


def go_on(rig: Torture, case: str, attempts: int | None) -> None:
    """From a fault to the end of the night, without a person but for an `up` that has begun nothing."""
    rig.alarmed()
    rig.recover(recovery(case))
    rig.finish()
    rig.verify(attempts=attempts)


# --- kill -9 --------------------------------------------------------------------------------------------------------


def killed(rig: Torture, case: str) -> None:
    scene, program, call, number = case.split(",")
    rig.set(scene)

    rig.disturb(scene, program, call, "signal=KILL", number)

    go_on(rig, case, attempts=4)


@pytest.mark.parametrize("scene", SCENES)
def test_a_kill_at_any_system_call_neither_loses_nor_doubles_an_attempt(scene: str) -> None:
    if wanted("kill"):
        cases = [f"{scene},{call.program},{call.name},{call.number}" for call in calls(scene) if call.acts]
        torture("kill", cases, 3, killed)


# --- calls that fail ------------------------------------------------------------------------------------------------


def failed(rig: Torture, case: str) -> None:
    scene, call, number, error = case.split(",")
    rig.set(scene)

    said = rig.disturb(scene, "wakeman", call, f"error={error}", number)

    rig.decent(said, (0, 1, 4))
    if rig.exists():
        rig.sound()
    go_on(rig, case, attempts=None)


@pytest.mark.parametrize("scene", SCENES)
def test_a_disk_that_fails_is_said_and_once_it_works_the_night_goes_on(scene: str) -> None:
    if wanted("fail"):
        cases = [
            f"{scene},{call.name},{call.number}{times},{error}"
            for call in calls(scene)
            if call.program == "wakeman" and call.state
            for error in FAILING.get(call.name, ())
            for times in (("",) if call.name in ONCE_ONLY else ("", "+"))
        ]
        torture("fail", cases, 2, failed)


# --- torn writes ----------------------------------------------------------------------------------------------------


def torn(rig: Torture, case: str) -> None:
    scene, number, part, then = case.split(",")
    rig.set(scene)

    said = rig.play(scene, env={"LD_PRELOAD": rig.shim(), "TORN": f"{rig.state}/ {number} {part} {then}"})

    rig.decent(said, (0, 1, 4, -9) if then == "kill" else (0, 1, 4))
    if rig.exists():
        rig.sound()
    go_on(rig, case, attempts=4 if then == "kill" else None)


@pytest.mark.skipif(not COMPILES, reason="no C compiler")
@pytest.mark.parametrize("scene", SCENES)
def test_a_torn_write_is_cut_off_and_the_night_goes_on(scene: str) -> None:
    if wanted("torn"):
        writes = [call for call in calls(scene) if call.name == "write" and call.state and call.program == "wakeman"]
        cases = [f"{scene},{n},{part},{then}" for n in range(1, len(writes) + 1) for part, then in TORN]
        torture("torn", cases, 2, torn)
