"""Scenes whose cost is counted: each prepares a place in which one check does what is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial

from bench.place import Place
from tests.waiting import until

WAITS = (
    'read u <"$1"; n=${{u#*\\"unit\\": \\"}}; n=${{n%%\\"*}}; '
    "while [ ! -e '{place}'/go.$n ]; do sleep 0.05; done; echo x >night-out/$n"
)
"""A worker that waits for a file of its unit, then makes its output."""
Scene = Callable[[Place, Mapping[str, str]], None]


def check(place: Place, by: str) -> tuple[str, ...]:
    """Return the words of a check, as check.sh calls it."""
    return ("-P", "-m", "wakeman", "check", "night", "--quiet", "--by", by, "--state", str(place.path / "state"))


def idle(place: Place, env: Mapping[str, str]) -> None:
    """Ten workers are at work, and two checks have looked at them."""
    place.run("up", str(place.plan("night", 10, "sleep 900")))
    for _ in range(2):
        subprocess.run([sys.executable, *check(place, "exit")], env=dict(env), cwd=place.path, timeout=60)


def ended(place: Place, _: Mapping[str, str]) -> None:
    """Two workers were at work, and the first has ended, which no check has seen."""
    _end_first(place, at_once=2)


def handed_over(place: Place, _: Mapping[str, str]) -> None:
    """One worker may run at a time, and the first has ended, which no check has seen."""
    _end_first(place, at_once=1)


def _end_first(place: Place, at_once: int) -> None:
    (place.path / "night-out").mkdir()
    place.run("up", str(place.plan("night", 2, WAITS.format(place=place.path), at_once=at_once)))
    directory = place.path / "state" / "night"
    (directory / "check.sh").write_text("exit 0\n")  # the check that follows the end is the one that is counted
    (place.path / "go.u0").touch()
    until((directory / "attempts" / "night_u0.1" / "exit").exists)


def status(place: Place) -> tuple[str, ...]:
    """Return the words of a status, as another program asks for it."""
    return ("-P", "-m", "wakeman", "status", "night", "--json", "--state", str(place.path / "state"))


Words = Callable[[Place], tuple[str, ...]]
SCENES: dict[str, tuple[Scene, Words]] = {
    "idle check": (idle, partial(check, by="exit")),
    "idle alarm": (idle, partial(check, by="at")),
    "worker's end": (ended, partial(check, by="exit")),
    "worker's end and a launch": (handed_over, partial(check, by="exit")),
    "status --json": (idle, status),
}
"""Name -> what prepares it, and what is called then."""
