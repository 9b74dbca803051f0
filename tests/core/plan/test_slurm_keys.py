"""The keys of `[slurm]`: which are taken, and which are refused with what to write instead."""

from __future__ import annotations

import pytest

from wakeman.core.errors import PlanError
from wakeman.core.model import Plan, SlurmSpec
from wakeman.core.plan.doubts import plan_doubts
from wakeman.core.plan.parser import read_plan

PLAN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
executor = "slurm"
command = ["true"]
"""


def parsed(rest: str = "", executor: str = "slurm") -> Plan:
    return read_plan(PLAN.replace('"slurm"', f'"{executor}"') + rest, "wakeman.toml")


def test_jobs_that_run_checks_may_have_a_partition_and_limits_of_their_own() -> None:
    own = ("--partition=short", "--qos=short", "--account=a", "--time=5", "--mem=1G")
    quoted = ", ".join(f'"{each}"' for each in own)

    assert (
        SlurmSpec(alarm="job", alarm_options=own) == parsed(f'[slurm]\nalarm = "job"\nalarm_options = [{quoted}]').slurm
    )


@pytest.mark.parametrize(
    ("receiver", "alarm", "doubts"),
    [
        ('{ tmux = "me" }', "job", 1),
        ('{ run = ["tell"] }, { desktop = true }', "job", 1),
        ('{ tmux = "me" }', "at", 0),
        ('{ run = ["tell"] }, { ntfy = "topic" }', "job", 0),
    ],
)
def test_a_receiver_that_no_node_reaches_is_doubted(receiver: str, alarm: str, doubts: int) -> None:
    plan = parsed(f'[wake]\nto = [{receiver}]\n[slurm]\nalarm = "{alarm}"')

    assert doubts == len([text for text in plan_doubts(plan, ()) if text.startswith("wake.to")])


def test_sizes_and_times_are_written_as_everywhere_else() -> None:
    found = parsed('[slurm]\nmemory = "4G"\ntime = "8h"\nlicenses = { anthropic = 1 }\noptions = ["--constraint=big"]')

    expected = SlurmSpec(memory=4 * 2**30, time=8 * 3600.0, licenses={"anthropic": 1}, options=("--constraint=big",))
    assert expected == found.slurm


def test_what_is_held_has_a_number_of_workers_and_may_have_a_time() -> None:
    held = parsed('[slurm]\nreserve = 4\nreserve_time = "10h"').slurm

    assert (4, 36000.0) == (held.reserve, held.reserve_time)


def test_a_container_has_an_image_and_may_have_mounts() -> None:
    rest = 'container = "docker://debian:12"\ncontainer_mounts = ["/data", "/a:/b:ro"]\ncontainer_options = ["--nv"]'
    found = parsed(f"[slurm]\n{rest}").slurm

    assert ("docker://debian:12", "", True) == (found.container, found.container_by, found.container_home)
    assert (("/data", "/a:/b:ro"), ("--nv",)) == (found.container_mounts, found.container_options)


def test_a_plan_without_the_table_asks_for_what_the_site_gives() -> None:
    assert SlurmSpec() == parsed().slurm


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ('[slurm]\noptions = ["--array=0-9"]', "slurm.options[0]: found '--array=0-9', which Wakeman sets"),
        ('[slurm]\nalarm = "cron"', "slurm.alarm: "),
        ('[slurm]\nalarm = "job"\nalarm_options = ["-p"]', "slurm.alarm_options[0]: found '-p'; expected a long"),
        (
            '[slurm]\nalarm = "job"\nalarm_options = ["--begin=now"]',
            "slurm.alarm_options[0]: found '--begin=now', which Wakeman sets",
        ),
        ('[slurm]\nalarm_options = ["--mem=1G"]', "slurm.alarm_options: found beside slurm.alarm = 'at'"),
        ('[slurm]\noptions = ["-p", "big"]', "slurm.options[0]: found '-p'; expected a long option"),
        ("[slurm]\ncpus = 0", "slurm.cpus: "),
        ('[slurm]\nlicenses = { "a,b" = 1 }', "found 'a,b'; expected a licence's name"),
        ("[slurm]\nlicenses = { a = 0 }", "slurm.licenses.a: "),
        ('[slurm]\nreserve_time = "10h"', "slurm.reserve_time: found without slurm.reserve; expected the number"),
        ("[slurm]\nreserve = -1", "slurm.reserve: "),
        ('[slurm]\ncontainer = "agents.sif"', "slurm.container: found 'agents.sif'; expected an absolute path, or an"),
        ('[slurm]\ncontainer_by = "pyxis"', "slurm.container_by: found without slurm.container; expected only beside"),
        ("[slurm]\ncontainer_home = false", "slurm.container_home: found without slurm.container"),
        ('[slurm]\ncontainer = "/a.sif"\ncontainer_by = "docker"', "slurm.container_by: "),
        ('[slurm]\ncontainer = "/a.sif"\ncontainer_by = "pyxis"', "found an image of Apptainer's beside container_by"),
        ('[slurm]\ncontainer = "/a.sif"\ncontainer_mounts = ["data"]', "slurm.container_mounts[0]: found 'data'; exp"),
        ('[slurm]\ncontainer = "/a.sif"\ncontainer_mounts = ["/a,/b"]', "found '/a,/b'; expected absolute paths"),
        ('[slurm]\ncontainer = "/a.sif"\ncontainer_options = ["-c"]', "found '-c'; expected a long option, its value"),
        ('[slurm]\ncontainer = "/a.sif"\ncontainer_options = ["--bind=/x"]', "found '--bind=/x', which Wakeman sets"),
        ('[slurm]\noptions = ["--container-image=/a.sqsh"]', "in which the job itself would run; expected slurm.cont"),
        ('confine = "units"\n[slurm]\ncontainer = "/a.sif"', "workers.confine: found beside slurm.container; expecte"),
        ('[limits]\nmemory = "1G"', "limits.memory: found beside workers.executor = 'slurm'; expected slurm.memory"),
    ],
)
def test_what_no_job_can_be_asked_for_is_refused(rest: str, says: str) -> None:
    with pytest.raises(PlanError) as refused:
        parsed(rest)

    assert says in str(refused.value)


def test_the_table_is_refused_where_it_would_be_passed_over() -> None:
    with pytest.raises(PlanError, match=r"slurm: found without workers\.executor = 'slurm'"):
        parsed("[slurm]\ncpus = 2", "tmux")


def test_the_table_is_left_to_an_executor_of_another_package() -> None:
    assert 2 == parsed("[slurm]\ncpus = 2", "ours").slurm.cpus
