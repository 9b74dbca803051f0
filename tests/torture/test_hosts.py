"""Faults of a cluster's hosts, with real munge and cgroups: daemons killed, power cut, cables pulled, memory used."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.real.rig import REAL, SteppedRig, rigged
from tests.slurm import PATH
from tests.torture.cases import WANTED, patient
from tests.torture.hosts import Hosts, running_hosts, unable
from tests.waiting import until

why = unable() if WANTED == "all" else "runs in `make torture`"
pytestmark = [*REAL, patient, pytest.mark.skipif(bool(why), reason=why)]

PLAN = """\
name = "night"
[units]
items = ["a", "b", "c", "d", "e", "f"]
output = "out/{{ unit }}"
[workers]
executor = "slurm"
name = "night_{{ group.key }}"
command = ["sh", "-c", 'COMMAND', "sh", "{{ group.key }}", "{{ units_file }}"]
stagger = 0
STAGE
[slurm]
memory = "200M"
EXTRA
[stuck]
backoff = 0
[wake]
every = "1h"
"""
WAITS = 'until [ -e "go.$1" ]; do sleep 0.1; done; '
"""Until the test lets it go on."""
MAKES = 'mkdir -p out; echo "$WAKEMAN_ATTEMPT" >"out/$1"'
STAGES = r"""out=$(sed "s/.*\"outputs\": \[\"\([^\"]*\)\".*/\1/" "$2"); echo "$WAKEMAN_ATTEMPT" >"$out" """
"""Writes where the task says that the output belongs."""
KEYS = "abcdef"
GONE_S = 120
"""Seconds in which Slurm is to notice that a host is gone, and the night to go on."""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with running_hosts() as hosts:
        yield hosts


class HostsRig(SteppedRig):
    """A rig whose program runs on the host that submits."""

    hosts: Hosts

    def clean(self) -> dict[str, str]:
        return super().clean() | {"SLURM_CONF": str(self.hosts.conf), "PATH": PATH}

    def call(self, argv: list[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        there = ("sh", "-c", 'cd "$0" && exec "$@"', str(self.place))  # in other mounts than here
        return super().call([*self.hosts.enter(), *there, *argv], env)

    def night(self, command: str, extra: str = "", stage: str = "") -> None:
        """Begin a night of six workers, about two on each host; wait until all run."""
        text = PLAN.replace("COMMAND", command)
        self.write(text.replace("EXTRA", extra).replace("STAGE", stage))
        said = self.run("up", "wakeman.toml")
        assert 0 == said.returncode, said
        until(lambda: self.states() and len(self.of("started")) == len(KEYS), 60)

    def placed(self) -> dict[str, list[str]]:
        """Return the workers of each host."""
        found: dict[str, list[str]] = {}
        for row in self.status()["workers"]:
            found.setdefault(row["host"], []).append(row["name"])
        return found

    def true(self) -> None:
        """Require a night that is complete, in which nobody began an attempt twice, and a log that tells it."""
        assert "complete" == self.status()["outcome"], self.trail()
        begun = Counter((event["worker"], event["data"].get("attempt")) for event in self.of("launched"))
        assert [1] == sorted(set(begun.values()))
        audit = self.run("audit", "night")
        assert 0 == audit.returncode, audit


@pytest.fixture
def rig(hosts: Hosts) -> Iterator[HostsRig]:
    with rigged(HostsRig) as rig:
        rig.hosts = hosts
        yield rig


def _ended(rig: HostsRig) -> dict[str, dict[str, object]]:
    """Return how those ended first whose end was not their own."""
    ended = {event["worker"]: event["data"] for event in reversed(rig.of("exited"))}
    return {worker: data for worker, data in ended.items() if data.get("code") != 0}


def test_a_daemon_that_is_killed_and_started_again_costs_nobody_anything(rig: HostsRig, hosts: Hosts) -> None:
    rig.night(WAITS + MAKES)
    hosts.kill_slurmd(1)
    rig.go("ab")
    rig.states()
    hosts.slurmd(1)
    rig.go(KEYS)
    rig.ends()

    assert [] == rig.of("relaunched")
    rig.true()


def test_a_controller_that_is_away_for_a_minute_has_nothing_decided(rig: HostsRig, hosts: Hosts) -> None:
    rig.night(WAITS + MAKES)
    hosts.end_control()
    away_s = time.monotonic() + 60
    try:
        rig.go("ab")
        until((rig.place / "out" / "b").exists, 30)
        seen = []
        while time.monotonic() < away_s:
            seen.append(rig.states()["night_c"])
    finally:
        hosts.control()
    rig.go(KEYS)
    rig.ends()

    assert {"running"} == set(seen)
    assert [] == rig.of("relaunched")
    rig.true()


@pytest.mark.parametrize("held", [False, True], ids=["jobs", "an allocation"])
def test_who_was_on_a_host_whose_power_is_cut_goes_on_on_another(rig: HostsRig, hosts: Hosts, held: bool) -> None:
    rig.night(WAITS + MAKES, 'reserve = 6\noptions = ["--ntasks-per-node=2"]' if held else "")
    lost = sorted(rig.placed()[hosts.name(2)])
    hosts.cut(2)
    until(lambda: rig.states() and len(rig.of("relaunched")) >= len(lost), GONE_S)
    rig.go(KEYS)
    rig.ends()

    ended = _ended(rig)
    assert [] != lost
    assert lost == sorted(ended) if not held else set(lost) < set(ended), (
        "with one host, Slurm ends an allocation whole"
    )
    assert {("machine", True)} == {(data["ended_by"], data.get("free")) for data in ended.values()}
    rig.true()


def test_an_attempt_that_nobody_reaches_and_its_successor_publish_once(rig: HostsRig, hosts: Hosts) -> None:
    """Both run at the same time, each in a stage of its own; the old one ends its work first."""
    rig.night(WAITS + "echo $WAKEMAN_ATTEMPT >>ran; " + STAGES, stage="stage = true")
    lost = sorted(rig.placed()[hosts.name(3)])
    key = lost[0].removeprefix("night_")
    hosts.pull(3)
    until(lambda: rig.states() and len(rig.of("relaunched")) >= len(lost), GONE_S)
    until(lambda: rig.states()[lost[0]] == "running", 60)
    old = [line for line in hosts.processes(3, "wrapper.sh") if lost[0] in line]
    rig.go(key)  # for both: they share the files of this machine
    until(lambda: _ran(rig, key) == 2, 30)
    rig.go(KEYS)
    rig.ends()
    hosts.plug(3)
    until(lambda: hosts.state(3) == "idle", 180)  # Slurm looks for it again

    assert [] != old, "the old attempt lived on"
    made = (rig.place / "out" / key).read_text()
    installed = [e["data"]["target"] for e in rig.of("intended") if e["data"]["action"] == "install"]
    assert f"{lost[0]}/2@" in made
    assert [key] == [target for target in installed if key in target], installed
    assert [] == hosts.processes(3, "wrapper.sh"), "what was cut off is ended once it is back"
    rig.true()


def test_who_takes_more_memory_than_it_has_is_ended_by_its_cgroup_and_counts_as_failed(rig: HostsRig) -> None:
    takes = 'perl -e "\\$x = q(x) x (400 << 20); sleep 60"'
    greedy = f'if [ "$1" = a ] && ! [ -e greedy ]; then : >greedy; {takes}; exit; fi; '
    rig.night(WAITS + greedy + MAKES)
    rig.go(KEYS)
    rig.ends()

    ended = _ended(rig)
    assert ["night_a"] == sorted(ended)
    assert not ended["night_a"].get("free")
    rig.true()


def test_what_a_worker_leaves_behind_does_not_outlive_its_job(rig: HostsRig, hosts: Hosts) -> None:
    rig.night(WAITS + "setsid sleep 98765 </dev/null >/dev/null 2>&1 & " + MAKES + "; " + WAITS.replace("go", "end"))
    rig.go(KEYS)
    until(lambda: _left(hosts) == len(KEYS), 30)
    for key in KEYS:
        (rig.place / f"end.{key}").touch()
    rig.ends()

    until(lambda: not _left(hosts), 30)
    rig.true()


def test_a_step_that_is_cancelled_has_its_place_free_again(rig: HostsRig, hosts: Hosts) -> None:
    extra = 'reserve = 6\noptions = ["--ntasks-per-node=2"]\n[cleanup]\nafter = "1s"'
    rig.night(WAITS + MAKES, extra)
    (began,) = (file.read_text().split() for file in rig.state.glob("night/slurm/*/0.began"))
    hosts.run("scancel", began[0])
    until(lambda: rig.states().get("night_a_c1") == "running", 60)
    jobs = set(hosts.run("squeue", "-h", "-o", "%A").split())
    rig.go(KEYS)
    rig.ends()

    assert 1 == len(jobs), "what took its units over was started in the allocation"
    assert ("person", True) == (_ended(rig)["night_a"]["ended_by"], _ended(rig)["night_a"].get("free"))
    assert [] == rig.of("relaunched")
    rig.true()


def _left(hosts: Hosts) -> int:
    every = (line for number in (1, 2, 3) for line in hosts.processes(number, "sleep 98765"))
    return sum(line.startswith("sleep") for line in every)


def _lines(rig: HostsRig, name: str) -> list[str]:
    file = Path(rig.place, name)
    return file.read_text().splitlines() if file.exists() else []


def _ran(rig: HostsRig, key: str) -> int:
    return sum(f"/night_{key}/" in line for line in _lines(rig, "ran"))
