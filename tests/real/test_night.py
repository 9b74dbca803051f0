"""A whole real deployment: seven tmux sessions, the machine's own `at`, processes that end, one log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

SHARES = {
    "10_arch": 8,
    "20_reg": 7,
    "30_proto": 8,
    "40_specs": 7,
    "50_schemas": 6,
    "60_play": 6,
    "70_instr": 6,
}

WORKER = """\
import json, os, pathlib, sys, time
units, stops = sys.argv[1], int(sys.argv[2]) if os.environ["WAKEMAN_WORKER"] == "condense_10_arch" else None
for line in open(units).readlines()[:stops]:
    unit = json.loads(line)
    source = pathlib.Path(unit["input"]).read_text()
    target = pathlib.Path(unit["outputs"][0])
    target.parent.mkdir(parents=True, exist_ok=True)
    time.sleep(0.02)
    target.write_text("first: " + json.dumps(source.splitlines()[0]) + "\\n")
    print("condensed", unit["unit"], flush=True)
"""

PLAN = """\
name = "night"
[units]
glob = "docs/*/*.md"
output = "{{ parent }}/condensed/{{ stem }}.yml"
[workers]
by = "{{ parent }}"
name = "condense_{{ group.name }}"
command = ["PYTHON", "worker.py", "{{ units_file }}", "7"]
stagger = "0.1s"
socket = "SOCKET"
[wake]
every = "5m"
on = ["clean up", "wrap up"]
to = [{ run = ["sh", "-c", 'printf "%s\\n" "$1" >>told', "sh", "{{ message }}"] }]
[verify]
parse = "yaml"
max_ratio = 0.9
[cleanup]
when = "all"
"""


class Night(Rig):
    """Forty-eight documents in seven directories, and the plan that condenses them."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        for share, count in SHARES.items():
            (place / "docs" / share).mkdir(parents=True)
            for n in range(count):
                (place / "docs" / share / f"{n}.md").write_text(f"Title of {share} {n}\n" + "words " * 50)
        (place / "worker.py").write_text(WORKER)
        self.write(PLAN)


@pytest.fixture
def night() -> Iterator[Night]:
    with rigged(Night) as night:
        yield night
        audit = night.run("audit", "night")
        assert 0 == audit.returncode, audit.stdout


def test_seven_workers_a_cleanup_and_a_wrap_up(night: Night) -> None:
    up = night.run("up", "wakeman.toml", "--wait", "--timeout", "90")

    assert (0, "complete") == (up.returncode, night.status()["outcome"]), up.stderr
    assert ["clean up", "wrap up"] == [row for row in night.rows() if row not in ("launch", "sleep")]
    workers = {worker["name"]: (worker["state"], worker["units"]["total"]) for worker in night.status()["workers"]}
    assert ("verified", 1) == workers.pop("condense_10_arch_c1")
    assert {
        f"condense_{share}": ("verified", count - (share == "10_arch")) for share, count in SHARES.items()
    } == workers
    assert 48 == len(list(night.place.glob("docs/*/condensed/*.yml")))
    assert ([], []) == (night.alarms(), night.sessions()), [*map(night.body, night.alarms()), night.trail()]
    assert ["clean up: 47/48 done", "wrap up: 48/48 done"] == [
        line.split("night: ")[1].split(". Next")[0] for line in (night.place / "told").read_text().splitlines()
    ]


def test_an_alarm_that_fires_in_an_empty_environment_checks_and_sets_the_next(night: Night) -> None:
    night.write(PLAN.replace('"PYTHON", "worker.py", "{{ units_file }}", "7"', '"sleep", "600"'))
    assert 0 == night.run("up", "wakeman.toml").returncode
    until(lambda: 7 == len(night.sessions()), 30)
    until(lambda: night.events()[-1]["type"] == "armed" and "launch" not in night.rows()[-1:], 30)
    first = night.alarms()

    night.fire(first[0])

    until(lambda: [e for e in night.events() if e["by"].startswith("at:") and e["type"] == "decided"], 30)
    assert (1, "sleep") == (len(first), night.rows()[-1])
    until(lambda: 1 == len(night.alarms()), 30)
    assert first != night.alarms()


def test_a_check_works_with_nothing_in_its_environment(night: Night) -> None:
    assert 0 == night.run("up", "wakeman.toml", "--wait", "--timeout", "90", env={}).returncode


def test_up_killed_half_way_and_run_again_starts_nobody_twice(night: Night) -> None:
    night.write(PLAN.replace('stagger = "0.1s"', "stagger = 0"))
    argv, log = night.argv("up", "wakeman.toml"), night.log()
    quiet = subprocess.DEVNULL
    first = subprocess.Popen(argv, cwd=night.place, env=night.clean(), stdout=quiet, stderr=quiet)
    until(lambda: log.exists() and '"action":"launch"' in log.read_text(), 30)
    first.kill()
    first.wait()

    again = night.run("up", "wakeman.toml", "--wait", "--timeout", "90")

    claims = [path.parent.name for path in night.place.glob("state/night/attempts/*/claim")]
    assert (0, len(SHARES) + 1) == (again.returncode, len(claims)), again.stderr
    assert {f"condense_{share}.1" for share in SHARES} | {"condense_10_arch_c1.1"} == set(claims)
