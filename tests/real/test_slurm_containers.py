"""Workers of a real Slurm cluster on this machine whose programs run in containers, by the real Apptainer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests import containers
from tests.processes import processes
from tests.real.rig import REAL, SteppedRig, rigged
from tests.slurm import UNABLE, Cluster, running_cluster
from tests.waiting import until

pytestmark = [
    *REAL,
    pytest.mark.skipif(bool(UNABLE), reason=f"Slurm: {UNABLE}"),
    pytest.mark.skipif(bool(containers.unable()), reason=f"containers: {containers.unable()}"),
]

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
executor = "slurm"
name = "night_{{ group.key }}"
command = ["sh", "-c", 'COMMAND', "sh", "{{ group.key }}"]
stagger = 0
env = { OWN = "of the plan" }
[slurm]
memory = "200M"
container = "IMAGE"
EXTRA
[stuck]
backoff = 0
attempts = 2
[wake]
every = "1h"
"""
MAKES = 'mkdir -p out; cat /etc/inside >"out/$1"; echo "$OWN:$WAKEMAN_WORKER" >>"out/$1"'


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    with TemporaryDirectory(prefix="wki", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield containers.make_image(Path(place, "image"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


class ContainedRig(SteppedRig):
    """A rig whose program submits to the cluster, and finds what runs containers."""

    conf, image = "", Path()

    def clean(self) -> dict[str, str]:
        return super().clean() | {"SLURM_CONF": self.conf, "PATH": containers.path()}

    def night(self, command: str, extra: str = "", image: Path | None = None) -> None:
        """Write the plan, and begin a night of two workers."""
        plan = PLAN.replace("COMMAND", command).replace("EXTRA", extra)
        self.write(plan.replace("IMAGE", str(image or self.image)))
        said = self.run("up", "wakeman.toml")
        assert 0 == said.returncode, said


@pytest.fixture
def rig(cluster: Cluster, image: Path) -> Iterator[ContainedRig]:
    with rigged(ContainedRig) as rig:
        rig.conf, rig.image = str(cluster.conf), image
        yield rig


@pytest.mark.parametrize("extra", ["", 'reserve = 2\noptions = ["--ntasks-per-node=1"]'])
def test_programs_run_in_the_image_and_their_outputs_arrive(rig: ContainedRig, extra: str) -> None:
    rig.night(MAKES, extra)
    rig.ends()

    told = {key: (rig.place / "out" / key).read_text() for key in "ab"}
    assert {key: f"the image\nof the plan:night_{key}\n" for key in "ab"} == told
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_what_is_typed_arrives_what_it_prints_is_seen_and_its_status_is_kept(rig: ContainedRig) -> None:
    rig.night('echo "ask: $(test -e /usr/bin/bash && echo bash)"; read word; echo "heard $word"; sleep 1; exit 7')
    until(lambda: "ask:" in rig.run("capture", "night_a").stdout, 60)
    shown = rig.run("capture", "night_a").stdout
    sent = rig.run("send", "night_a", "hello", "--submit", "--force")
    until(lambda: "heard hello" in rig.run("capture", "night_a").stdout, 30)
    until(lambda: rig.states() is not None and bool(rig.of("exited")), 60)
    rig.run("down", "night")

    assert "bash" not in shown, "the image has none"
    assert 0 == sent.returncode, sent
    assert 7 in {event["data"].get("code") for event in rig.of("exited")}, rig.trail()


def test_a_clients_hook_reports_from_within(rig: ContainedRig) -> None:
    """The script of hooks is called as a client calls it, with nothing but what the image has."""
    told = '{"hook_event_name":"PermissionRequest","message":"May I?"}'
    night = f"{rig.state}/night"
    command = f'echo "$2" | sh "{night}/hook.sh" "{night}/attempts/$WAKEMAN_WORKER.1" PermissionRequest push'
    plan = PLAN.replace("COMMAND", f"{command}; mkdir -p out; echo done >out/$1").replace("EXTRA", "")
    plan = plan.replace('"{{ group.key }}"]', f"\"{{{{ group.key }}}}\", '{told}']").replace("IMAGE", str(rig.image))
    rig.write(plan)
    assert 0 == rig.run("up", "wakeman.toml").returncode
    rig.ends()

    kept = [rig.state / "night" / "attempts" / f"night_{key}.1" / "said" / "hook" for key in "ab"]
    assert [told, told] == [file.read_text().strip() for file in kept]
    assert "" == rig.trail(), "no check was started in the image, which has nothing of what that runs"
    assert "complete" == rig.status()["outcome"], rig.trail()


def test_stop_ends_all_that_runs_in_the_container(rig: ContainedRig, cluster: Cluster) -> None:
    rig.night('sleep 4321 & setsid sleep 4322 & touch "$1.on"; exec sleep 4323')
    until(lambda: all((rig.place / f"{key}.on").exists() for key in "ab"), 60)
    until(lambda: 6 == _sleepers(), 30)
    down = rig.run("down", "night")

    assert (0, "stopped") == (down.returncode, rig.status()["outcome"]), down
    until(lambda: not cluster.jobs() and not _sleepers(), 30)


def test_an_image_that_is_not_there_begins_nothing_and_is_named(rig: ContainedRig) -> None:
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", "").replace("IMAGE", "/nowhere/agents.sif"))

    said = rig.run("up", "wakeman.toml")

    assert (1, False) == (said.returncode, rig.log().exists())
    assert "container: image /nowhere/agents.sif: not found on" in said.stderr


def test_a_file_that_is_no_image_is_told_in_the_words_of_what_runs_it(rig: ContainedRig) -> None:
    wrong = rig.place / "wrong.sif"
    wrong.write_text("no image\n")
    rig.write(PLAN.replace("COMMAND", MAKES).replace("EXTRA", "").replace("IMAGE", str(wrong)))

    said = rig.run("up", "wakeman.toml")

    assert 1 == said.returncode
    assert f"container: image {wrong} on " in said.stderr, said


def test_an_image_that_goes_meanwhile_is_no_failure_of_the_agents(rig: ContainedRig) -> None:
    gone = rig.place / "image"
    shutil.copytree(rig.image, gone, symlinks=True)
    rig.night('until [ -e "go.$1" ]; do sleep 0.1; done; exit 3', image=gone)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    gone.rename(rig.place / "elsewhere")
    rig.go("ab")
    until(lambda: rig.states() is not None and "launch" in {e["data"].get("ended_by") for e in rig.of("exited")}, 60)
    rig.run("down", "night")

    ends = [event["data"] for event in rig.of("exited") if event["data"].get("ended_by") == "launch"]
    assert all(f"container: image {gone}: not found on" in end["why"] for end in ends), ends
    assert 0 == rig.run("audit", "night").returncode


def _sleepers() -> int:
    return sum(one.argv[:1] == ["sleep"] and one.argv[1:] in (["4321"], ["4322"], ["4323"]) for one in processes())
