"""The table `[executor]`: what any plan may have there, and the types that another package gives to its keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from wakeman.core.errors import PlanError
from wakeman.core.model import Bytes, Plan, Seconds
from wakeman.core.plan.parser import read_plan, read_table

PLAN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
executor = "mine"
command = ["true"]
[executor]
"""


class Volume(Struct, frozen=True):
    path: str
    size: Bytes = 0


class Keys(Struct, frozen=True):
    """Keys as another package may define them."""

    image: str
    policy: Literal["always", "never"] = "never"
    grace: Seconds = 30.0
    processors: Annotated[float, Meta(gt=0)] = 1.0
    labels: dict[str, str] = {}
    volume: Volume | None = None
    zones: tuple[str, ...] = ()


def parsed(rest: str) -> Plan:
    return read_plan(PLAN + rest, "wakeman.toml")


def test_a_plan_keeps_what_another_package_defines() -> None:
    plan = parsed('image = "a"\ncount = 3\nshare = 0.5\nfast = true\nzones = ["a", 1]\nlabels = { x = "y", n = 1 }\n')

    expected = {"image": "a", "count": 3, "share": 0.5, "fast": True, "zones": ("a", 1), "labels": {"x": "y", "n": 1}}
    assert expected == plan.executor


@pytest.mark.parametrize(
    "value",
    ["2026-12-01", "[[1]]", "{ a = { b = 1 } }", "{ a = [1] }", "[{ a = 1 }]", "nan", "10_000_000_000_000_000_000"],
)
def test_what_json_has_not_and_what_is_nested_deeper_is_refused_at_its_line(value: str) -> None:
    with pytest.raises(PlanError) as fault:
        parsed(f"image = {value}\n")

    (problem,) = fault.value.problems
    assert problem.startswith("wakeman.toml:9: executor.image"), problem
    assert ": found " in problem, problem


def test_durations_and_sizes_become_numbers() -> None:
    given = {"image": "a", "grace": "5m", "processors": 2, "volume": {"path": "/x", "size": "1G"}, "zones": ("a", "b")}

    expected = given | {"grace": 300.0, "processors": 2.0, "volume": {"path": "/x", "size": 2**30}, "zones": ["a", "b"]}
    assert expected == read_table("executor", given, Keys)


@pytest.mark.parametrize(
    ("given", "problems"),
    [
        ({}, ["executor.image: missing; expected a string"]),
        ({"image": "a", "imag": "b"}, ["executor.imag: unknown key; did you mean 'image'?"]),
        ({"image": 1}, ["executor.image: found 1; expected a string"]),
        ({"image": "a", "policy": "alway"}, ["executor.policy: found 'alway'; expected 'always' or 'never'"]),
        ({"image": "a", "grace": "5 min"}, ["executor.grace: found '5 min'; expected a number of seconds"]),
        ({"image": "a", "volume": {"size": "1G"}}, ["executor.volume.path: missing; expected a string"]),
        ({"image": "a", "zones": ("a", 1)}, ["executor.zones[1]: found 1; expected a string"]),
        (
            {"image": 1, "grace": -1, "other": 2},
            ["executor.image: found 1", "executor.grace: found -1", "executor.other: unknown key"],
        ),
    ],
)
def test_each_fault_of_the_table_is_told_at_its_key(given: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(PlanError) as fault:
        read_table("executor", given, Keys)

    found = fault.value.problems
    assert len(problems) == len(found), found
    assert all(line.startswith(start) for line, start in zip(found, problems, strict=True)), found


@pytest.mark.parametrize(("executor", "whose"), [("tmux", "[workers]"), ("slurm", "[slurm]")])
def test_beside_an_executor_of_ours_the_table_is_refused_and_its_own_is_named(executor: str, whose: str) -> None:
    with pytest.raises(PlanError) as fault:
        read_plan(PLAN.replace('"mine"', f'"{executor}"') + "image = 1\n", "wakeman.toml")

    what = f"found beside workers.executor = '{executor}', whose keys are in {whose}; expected an executor of a package"
    assert (f"wakeman.toml:8: executor: {what}",) == fault.value.problems
