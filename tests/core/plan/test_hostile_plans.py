"""Whatever a plan file, or a list of units, holds: a plan comes of it, or every fault in our words; nothing else."""

from __future__ import annotations

import json
import tomllib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import hostile

from wakeman.core.errors import PlanError
from wakeman.core.model import Plan, UnitsSpec, WorkersSpec
from wakeman.core.plan.parser import KEY_PARTS_MAX, PLAN_DEPTH_MAX, policy, read_plan
from wakeman.core.plan.shares import shares, units
from wakeman.core.plan.starter import commented
from wakeman.faces.cli.plan import STARTER

WHOLE: dict[str, Any] = {
    "name": "x",
    "goal": "g",
    "units": {"items": [{"unit": "a", "key": "b"}], "output": ["out/{{ unit }}"], "exclude": [], "limit": 5},
    "workers": {"command": ["true"], "stagger": "2s", "env": {"A": "b"}, "confine_also": [], "memory": "1G"},
    "wake": {"every": "5m", "to": [{"run": ["a", "{{ message }}"]}], "on": ["ask"], "remind": 1.5},
    "verify": {"min_bytes": 200, "max_ratio": 0.6, "command": ["a"], "sample": 5},
    "cleanup": {"sweep": [{"sessions": "val_*", "older_than": "10m"}], "move": [{"from": "a", "to": "b/"}]},
    "limits": {"give_up": "6h", "max_cost": 20.0},
    "agents": {"own": {"description": "d", "prompt": "p", "tools": ["Read"]}},
}
TOML = commented(STARTER.read_text())


def gone_through(text: str) -> None:
    """Read a plan and divide its work, as far as it goes."""
    with suppress(PlanError), hostile.bounded():
        plan = read_plan(text, "w.toml")
        shares(plan, units(plan, ["a", '{"unit": "b"}'], "/plans"))


@hostile.often(200)
@given(plan=hostile.mutated([WHOLE]))
def test_a_plan_with_any_value_in_any_place_is_read_or_refused(plan: Any) -> None:
    gone_through(json.dumps(plan))


@hostile.often(100)
@given(data=st.data())
def test_a_plan_of_any_text_is_read_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TOML)))
    bad = data.draw(st.one_of(hostile.TEXTS, hostile.BYTES.map(lambda raw: raw.decode("utf-8", "surrogateescape"))))
    text = TOML[:at] + bad + TOML[data.draw(st.integers(at, len(TOML))) :]

    gone_through(text)
    with suppress(PlanError):
        policy(text, "w.toml", Plan(name="x", units=UnitsSpec(items=("a",))))


@hostile.often(150)
@given(
    data=st.lists(
        st.one_of(hostile.BYTES, hostile.JSON.map(hostile.encoded), hostile.TEXTS.map(str.encode)), max_size=4
    )
)
def test_a_list_of_units_of_any_bytes_is_read_or_refused(data: list[bytes]) -> None:
    plan = Plan(name="x", units=UnitsSpec(file="list"), workers=WorkersSpec(command=("a",)))
    lines = b"".join(data).decode("utf-8", "surrogateescape").split("\n")

    with suppress(PlanError), hostile.bounded():
        shares(plan, units(plan, lines, "/plans"))


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 40 + "]" * 40,
        "x = " + "[" * 100_000,
        '{"x":' + "[" * 100_000,
        '{"x":' * 400 + "1" + "}" * 400,
        "x = { y = " * 200,
    ],
)
def test_a_plan_that_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        read_plan(text, "w.toml")
    with pytest.raises(PlanError):
        policy(text, "w.toml", Plan(name="x", units=UnitsSpec(items=("a",))))


def test_a_key_of_very_many_parts_is_refused_before_it_costs_time() -> None:
    key = "a." * 20_000 + "a"

    with pytest.raises(PlanError) as caught, hostile.bounded():
        read_plan(f"name = 'x'\n{key} = 1", "w.toml")

    assert (f"w.toml:2: found a key of more than {KEY_PARTS_MAX} parts",) == caught.value.problems
    assert 1 == tomllib.loads("a.b.c = 1")["a"]["b"]["c"]


def test_the_line_of_a_key_of_very_many_parts_is_counted_from_the_first() -> None:
    with pytest.raises(PlanError) as caught:
        read_plan("\n\n" + "a." * KEY_PARTS_MAX + "a = 1", "w.toml")

    assert (f"w.toml:3: found a key of more than {KEY_PARTS_MAX} parts",) == caught.value.problems


def test_a_text_of_json_may_look_like_a_key_of_very_many_parts() -> None:
    items = [{"unit": "a", "note": "a." * KEY_PARTS_MAX + "a"}]
    plan = {"name": "x", "units": {"items": items, "output": "o/{{ unit }}"}, "workers": {"command": ["true"]}}

    assert "x" == read_plan(json.dumps(plan), "plan.json").name


@pytest.mark.parametrize(
    ("lists", "deep"), [(PLAN_DEPTH_MAX - 2, False), (PLAN_DEPTH_MAX - 1, False), (PLAN_DEPTH_MAX, True)]
)
def test_a_plan_may_nest_so_deep_and_no_deeper(lists: int, deep: bool) -> None:
    with pytest.raises(PlanError) as caught:
        read_plan("x = " + "[" * lists + "1" + "]" * lists, "w.toml")

    assert deep == (("w.toml: found values nested too deeply; expected a plan",) == caught.value.problems)


@pytest.mark.parametrize("text", ['{"a":%s}', '{"a":%s]', '{"a":[%s,}'])
def test_a_number_of_more_digits_than_python_reads_ends_no_reading(text: str) -> None:
    with pytest.raises(PlanError):
        read_plan(text % ("9" * 5000), "plan.json")
