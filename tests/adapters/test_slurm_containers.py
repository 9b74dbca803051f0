"""The script that runs a program in a container, with a program in the place of what runs containers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from wakeman.adapters.slurm.batches import Batches, JobTask, KeptTask
from wakeman.adapters.slurm.containers import always_mounted, contain_script, container_place, has_pyxis
from wakeman.adapters.slurm.queue import session_of
from wakeman.core.errors import ProgramError, UsageError
from wakeman.core.model import Host, SlurmSpec
from wakeman.core.model.deployment import Repository

SPEC = SlurmSpec(container="/image", container_by="apptainer", container_options=("--nv", "--env=A=b c"))
SHOWS = '#!/bin/sh\nprintf "<%s>\\n" "$@" >"$SHOWN"\n'
RUNS = SHOWS + 'while [ "$1" != /bin/sh ]; do shift; done\nexec "$@"\n'
FAILS = '#!/bin/sh\necho "WARNING: slow" >&2\necho "FATAL:   could not mount" >&2\nexit 255\n'


class Node:
    """A node's programs, and what a job has there."""

    def __init__(self, place: Path) -> None:
        self.place, self.bin = place, place / "bin"
        for name in ("bin", "home", "root", "batch"):
            (place / name).mkdir()
        self.image = place / "image.sif"
        self.image.touch()

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, spec: SlurmSpec, *argv: str, mounted: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        script = self.place / "batch" / "contain.sh"
        place = container_place(spec, "/none", {})
        script.write_bytes(contain_script(place, mounted or (str(self.place / "root"), str(self.place / "batch"))))
        env = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(self.place / "home"),
            "SHOWN": str(self.place / "shown"),
            "SLURM_JOB_ID": "7",
            "SLURMD_NODENAME": "t1",
        }
        words = ("/bin/sh", str(script), str(self.place / "batch" / "0"), *argv)
        return subprocess.run(words, env=env, cwd=self.place / "root", capture_output=True, text=True, timeout=20)

    @property
    def shown(self) -> list[str]:
        return [line[1:-1] for line in (self.place / "shown").read_text().splitlines()]

    @property
    def refused(self) -> str:
        return (self.place / "batch" / "0.refused").read_text().strip()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def spec(node: Node, **more: object) -> SlurmSpec:
    return SlurmSpec(**{"container": str(node.image), "container_by": "apptainer", **more})  # type: ignore[arg-type] # by name


def test_what_an_attempt_needs_is_mounted_and_its_status_and_words_are_its_own(node: Node) -> None:
    node.program("singularity", RUNS)
    (node.place / "data").mkdir()
    asked = spec(node, container_mounts=(f"{node.place}/data:/data:ro",), container_options=("--nv", "--env=A=b c"))
    ran = node.run(asked, "/bin/sh", "-c", 'echo "$1:$HOME"; exit 3', "sh", "a b")

    place = node.place
    assert (3, f"a b:{place}/home\n") == (ran.returncode, ran.stdout)
    binds = f"{place}/root:{place}/root,{place}/batch:{place}/batch,{place}/data:/data:ro"
    expected = ["exec", "--pwd", f"{place}/root", "--bind", binds, "--home", f"{place}/home", "--nv", "--env=A=b c"]
    assert [*expected, str(node.image), "/bin/sh", "-c"] == node.shown[:12]
    assert (place / "batch" / "0.inside").exists()
    assert not (place / "batch" / "0.refused").exists()


def test_a_home_that_is_not_wanted_is_not_mounted(node: Node) -> None:
    node.program("apptainer", RUNS)
    node.run(spec(node, container_home=False), "true")

    assert "--no-home" in node.shown
    assert "--home" not in node.shown


def test_pyxis_gets_a_step_of_the_same_job_with_a_terminal(node: Node) -> None:
    node.program("srun", f'#!/bin/sh\n[ "$1" != --help ] || {{ echo "  --container-image=I"; exit; }}\n{RUNS[10:]}')
    asked = spec(
        node, container="docker://debian:12", container_by="pyxis", container_options=("--container-readonly",)
    )
    ran = node.run(asked, "/bin/sh", "-c", "exit 4")

    place = node.place
    mounts = ",".join(f"{path}:{path}" for path in (f"{place}/root", f"{place}/batch", "/tmp", f"{place}/home"))
    assert 4 == ran.returncode
    assert {"--jobid=7", "--overlap", "--pty", "--nodelist=t1", "--container-readonly"} <= set(node.shown)
    assert {"--container-image=docker://debian:12", f"--container-mounts={mounts}"} <= set(node.shown)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("image", "image /nowhere.sif: not found on "),
        ("mount", "mount /nowhere: not found on "),
        ("program", "neither apptainer nor singularity: not found on "),
        ("container", "could not mount"),
        ("plugin", "has no pyxis"),
    ],
)
def test_what_keeps_a_program_from_beginning_is_one_line_and_no_status_of_it(node: Node, wrong: str, says: str) -> None:
    if wrong != "program":
        node.program("apptainer", FAILS)
    node.program("srun", "#!/bin/sh\nexit 1\n")
    asked: dict[str, dict[str, object]] = {
        "image": {"container": "/nowhere.sif"},
        "mount": {"container_mounts": ("/nowhere:/x",)},
        "plugin": {"container_by": "pyxis"},
    }
    ran = node.run(spec(node, **asked.get(wrong, {})), "true")

    assert 127 == ran.returncode
    assert says in node.refused
    assert node.refused.startswith("container: ")
    assert 1 == len(node.refused.splitlines())


def test_a_program_that_could_not_begin_has_not_failed_its_launch_has(tmp_path: Path) -> None:
    batches = Batches(str(tmp_path))
    batch = batches.write([(JobTask("w1", "night/w1/1@b"), "name=w1\n")], contain=b"by=apptainer\n")
    batches.submitted(batch, "7")
    Path(batches.path(batch, "0.over")).write_text("refused container: image /x: not found on t1\n")
    (task,) = batches.kept()
    told = session_of(task, None, "")

    assert told is not None
    assert ("killed", "launch", "container: image /x: not found on t1") == (told.phase, told.ended_by, told.why)
    assert b"by=apptainer\n" == Path(batches.path(batch, "contain.sh")).read_bytes()
    assert isinstance(task, KeptTask)
    assert task.over


def test_who_runs_containers_is_found_where_up_runs_or_has_to_be_said(tmp_path: Path) -> None:
    srun, image = tmp_path / "srun", SlurmSpec(container="/a.sqsh")
    srun.write_text("#!/bin/sh\necho nothing\n")
    srun.chmod(0o755)
    env = {"PATH": str(tmp_path)}
    with pytest.raises(ProgramError, match="found neither apptainer nor pyxis here"):
        container_place(image, str(srun), env)
    srun.write_text("#!/bin/sh\necho '      --container-image=[USER@]'\n")
    found = container_place(image, str(srun), env)["container_by"]
    (tmp_path / "singularity").symlink_to(srun)

    assert ("pyxis", "apptainer") == (found, container_place(image, str(srun), env)["container_by"])
    assert {} == container_place(SlurmSpec(), str(srun), env)
    with pytest.raises(ProgramError, match="gave no answer"):
        has_pyxis(str(tmp_path / "none"), env)


def test_what_is_always_mounted_is_the_plans_the_deployments_and_the_repositorys() -> None:
    repository = Repository(git="/usr/bin/git", top="/r", common="/r/.git", base="b")
    host = Host(root="/r/p", directory="/s/night", python=(), repository=repository)

    assert ("/r/p", "/s/night", "/r", "/r/.git") == always_mounted(host)
    with pytest.raises(UsageError, match="a colon or a comma in a path"):
        contain_script(container_place(SPEC, "", {}), ["/a,b"])
