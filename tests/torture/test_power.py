"""A night on a disk whose power fails: what the log says is done is on the disk, and what it acknowledged is there."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.torture.cases import SEED, WANTED, patient, wanted
from tests.torture.power import Entry, PowerDisk, cut, missing, recovered

from wakeman.adapters.eventlog import EventLogs
from wakeman.core.errors import UnknownNameError
from wakeman.core.model import Deployment

why = missing()
pytestmark = [
    *REAL,
    patient,
    pytest.mark.skipif(bool(why), reason=why),
    pytest.mark.skipif(not wanted("power"), reason="one case of a table is asked for"),
]

WAYS = ("prefix", "flushed", "subset", "torn")
IMAGES = 400 if WANTED == "all" else int(WANTED) if WANTED.isdecimal() else 24
UNITS = 8
CONTENT = "x" * 5000
WORKER = """\
import json, pathlib, sys, time
for line in open(sys.argv[1]):
    time.sleep(0.3)
    target = pathlib.Path(json.loads(line)["outputs"][0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("x" * 5000)
"""
"""Writes its outputs and syncs nothing, as programs do."""
PLAN = """\
name = "night"
[units]
items = ["a", "b", "c", "d", "e", "f", "g", "h"]
output = "out/{{ unit }}.txt"
[workers]
by = "{{ unit }}"
command = ["PYTHON", "WORKER", "{{ units_file }}"]
name = "{{ unit }}"
stagger = 0
socket = "SOCKET"
KEYS
"""


@pytest.fixture(scope="module", params=["", "stage = true"], ids=["in place", "staged"])
def played(request: pytest.FixtureRequest) -> Iterator[tuple[list[Entry], list[int], int, Path]]:
    """Run a night; give the log of its disk, where each entry ends, and where the log was when it was complete."""
    with rigged(Rig) as rig, TemporaryDirectory(prefix="wp", dir="/tmp") as home:
        disk = PowerDisk(Path(home))
        with disk.mounted():
            rig.state, socket = disk.place / "state", rig.place / "tmux"
            known = {"SOCKET": str(socket), "KEYS": request.param, "PYTHON": sys.executable}
            known["WORKER"] = str(rig.place / "worker.py")
            (rig.place / "worker.py").write_text(WORKER)
            plan = PLAN
            for word, value in known.items():
                plan = plan.replace(word, value)
            (disk.place / "plan.toml").write_text(plan)
            said = rig.run("up", str(disk.place / "plan.toml"), "--wait")
            over = disk.written
            assert 0 == said.returncode, (said.stdout, said.stderr)
            rig.tmux("kill-server")
        entries, ends = disk.entries()
        yield entries, ends, over, Path(home)


def test_what_the_log_says_is_done_is_on_the_disk_whenever_the_power_fails(
    played: tuple[list[Entry], list[int], int, Path],
) -> None:
    entries, ends, over, home = played
    draw = Random(SEED)  # noqa: S311 - no secret
    begun = next(n for n, entry in enumerate(entries) if b'"type":"planned"' in entry.data)
    last = next(n for n, end in enumerate(ends) if end >= over) + 1
    # Half of them just behind the end: there nothing may be missing that the log calls done.
    late = [draw.randint(last, len(entries)) for _ in range(IMAGES // 2)]
    moments = [last, *late, *(draw.randint(begun, len(entries)) for _ in range(IMAGES - len(late) - 1))]
    seen: Counter[str] = Counter()
    faults = []
    for number, at in enumerate(moments):
        how = WAYS[number % len(WAYS)]
        with recovered(cut(entries, at, how, number), home) as place:
            fault, state = _fault(place, complete=at >= last)
        seen[state] += 1
        faults += [f"cut before {at} of {len(entries)}, {how}: {fault}"] if fault else []
    sys.stderr.write(f"power: {len(moments)} images, {len(faults)} broken; {dict(seen)}\n")

    assert [] == faults
    assert seen["complete"]
    assert len(seen) > 1, "the cuts came at one moment alone"


def _fault(place: Path, *, complete: bool) -> tuple[str, str]:
    """Return what is wrong with what a cut left, and how far its log says it was."""
    try:
        d = EventLogs(str(place / "state")).read("night")
    except UnknownNameError:
        return ("the log is gone" if complete else ""), "nothing"
    lost = [name for name in _done(d) if not _whole(place / "out" / f"{name}.txt")]
    if complete and d.outcome != "complete":
        return f"it was complete, and its log says {d.outcome}", d.outcome
    return (f"done by its log, and not on the disk: {', '.join(lost)}" if lost else ""), d.outcome


def _done(d: Deployment) -> list[str]:
    return [unit for worker in d.workers.values() if worker.state == "verified" for unit in worker.units]


def _whole(file: Path) -> bool:
    return file.is_file() and file.read_text() == CONTENT
