"""A state directory inside the project: what an earlier run has kept there is no unit of the next."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from wakeman.adapters.memory import MemoryWorld
from wakeman.engine.start.deploy import begin
from wakeman.engine.start.prepare import prepare_plan

PLAN = """{
"name": "night",
"units": {"glob": "PATTERN", "output": "out/{{ unit }}"},
"workers": {"by": "{{ unit }}", "name": "night_{{ group.key }}", "command": ["act"]}
}"""
DOCS = ["docs/a.md", "docs/b.md"]


@pytest.mark.parametrize("state", ["/plans/state", "/plans/deep/runs", "/plans/docs/state", "/elsewhere"])
@pytest.mark.parametrize("pattern", ["**/*.md", "*/**/*.md", "**"])
@pytest.mark.parametrize("other", [False, True], ids=["the same state directory", "another state directory"])
def test_the_second_night_has_the_units_of_the_first(state: str, pattern: str, *, other: bool) -> None:
    stage, found = MemoryWorld(), []
    for name in DOCS:
        stage.files.write(f"/plans/{name}", b"text")
    for run in ("night", "next"):
        place = "/plans/others" if other and run == "next" else state
        world = replace(stage.world("up:1"), state=place)
        prepared = prepare_plan(world, PLAN.replace("PATTERN", pattern).replace("night", run), "plan.json", "/plans")
        begin(world, prepared, run)
        stage.files.write(f"{place}/{run}/prompts/w.md", b"a task")
        found.append([unit.name for unit in prepared.units])

    assert [DOCS, DOCS] == found


def test_a_directory_of_the_version_before_that_has_no_mark_is_left_out_too() -> None:
    stage = MemoryWorld()
    for name in (*DOCS, "runs/earlier/prompts/w.md"):
        stage.files.write(f"/plans/{name}", b"text")
    world = replace(stage.world("up:1"), state="/plans/runs")

    units = prepare_plan(world, PLAN.replace("PATTERN", "**/*.md"), "plan.json", "/plans").units

    assert DOCS == [unit.name for unit in units]


def test_a_plan_in_the_state_directory_itself_finds_what_lies_there() -> None:
    stage = MemoryWorld()
    for name in DOCS:
        stage.files.write(f"/plans/{name}", b"text")
    world = replace(stage.world("up:1"), state="/plans")

    assert 2 == len(prepare_plan(world, PLAN.replace("PATTERN", "docs/*"), "plan.json", "/plans").units)
