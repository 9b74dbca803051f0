"""From a plan to units, shares, and the tasks of workers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.errors import PlanError
from wakeman.core.model import Agent, Plan, Share, Unit, UnitsSpec, WakeSpec, WakeTarget, WorkersSpec
from wakeman.core.plan.shares import (
    difference,
    plan_digest,
    profile_digest,
    shares,
    task_text,
    unit_table,
    unit_template_values,
    units,
    units_listing,
    verify_names,
    worker_names,
)

ODD = ("a\nb", "a;b", '"', "'", "#{pane_id}", "-rf", "x" * 300, "日本", "$(rm -rf /)", "{{ unit }}", "a b")


def made(source: Sequence[str] = (), **spec: object) -> list[Unit]:
    return units(Plan(name="x", units=msgspec.convert({"output": "out/{{ unit }}"} | spec, UnitsSpec)), source, "/root")


def refused(source: Sequence[str] = (), **spec: object) -> list[str]:
    with pytest.raises(PlanError) as caught:
        made(source, **spec)
    return list(caught.value.problems)


def shared(names: Sequence[str], **workers: object) -> list[Share]:
    plan = Plan(name="x", units=UnitsSpec(), workers=msgspec.convert(workers, WorkersSpec))
    return shares(plan, [Unit(name=name, outputs=(f"{name}.out",), input=name) for name in names])


def test_a_path_is_a_unit_whose_parts_templates_use() -> None:
    [unit] = made(["docs/10/a.tar.gz"], glob="**", output="{{ parent }}/c/{{ stem }}{{ suffix }}.yml")

    assert Unit(name="docs/10/a.tar.gz", input="docs/10/a.tar.gz", outputs=("docs/10/c/a.tar.gz.yml",)) == unit
    assert {
        "path": "docs/10/a.tar.gz",
        "parent": "docs/10",
        "parent_name": "10",
        "name": "a.tar.gz",
        "stem": "a.tar",
        "suffix": ".gz",
        "unit": "docs/10/a.tar.gz",
        "input": "docs/10/a.tar.gz",
    } == unit_template_values(unit)


def test_a_path_without_a_directory_has_the_root_as_parent() -> None:
    names = unit_template_values(Unit(name="a", outputs=()))

    assert (".", ".", "a") == (names["parent"], names["parent_name"], names["name"])


def test_the_parent_of_what_lies_at_the_top_is_the_top() -> None:
    names = unit_template_values(Unit(name="/a", outputs=()))

    assert ("/", "/", "a") == (names["parent"], names["parent_name"], names["name"])


def test_a_path_that_two_patterns_find_is_one_unit() -> None:
    assert ["a", "b"] == [unit.name for unit in made(["a", "b", "a"], glob="*")]


def test_items_are_values_or_objects_with_their_own_names() -> None:
    items = ["v", {"unit": "u", "lang": "de"}, {"name": "n"}, {"input": "i/f.md"}, {"a": "1", "b": "2"}]

    assert [
        Unit(name="v", outputs=("out/v",)),
        Unit(name="u", outputs=("out/u",), names={"lang": "de"}),
        Unit(name="n", outputs=("out/n",), names={"name": "n"}),
        Unit(name="i/f.md", outputs=("out/i/f.md",), input="i/f.md"),
        Unit(name="1-2", outputs=("out/1-2",), names={"a": "1", "b": "2"}),
    ] == made(items=items)


def test_lines_are_values_or_json_objects_and_comments_are_passed_over() -> None:
    lines = ["# two units", "", " a \r", ' {"unit": "#b", "lang": "de"}', "\t", "  # end"]

    assert [
        Unit(name=" a ", outputs=(" a .",)),
        Unit(name="#b", outputs=("#b.",), names={"lang": "de"}),
    ] == made(lines, command=["ls"], output="{{ unit }}.")


def test_a_line_that_is_no_object_of_strings_is_refused_with_its_number() -> None:
    wrong = refused(["a", "{b", '{"c": 1}'], file="list")

    assert ["units.file: list line 2", "units.file: list line 3"] == [
        line.split(":")[0] + ":" + line.split(":")[1] for line in wrong
    ]
    assert all(line.endswith("; expected a JSON object of strings") for line in wrong)


def test_a_line_that_cannot_be_read_is_the_only_fault() -> None:
    assert 1 == len(refused(["{b"], file="list"))


def test_a_matrix_is_every_combination_in_the_order_of_its_keys() -> None:
    found = made(matrix={"os": ["a", "b"], "py": ["1", "2"]}, output="{{ os }}/{{ py }}")

    assert [("a-1", ("a/1",)), ("a-2", ("a/2",)), ("b-1", ("b/1",)), ("b-2", ("b/2",))] == [
        (unit.name, unit.outputs) for unit in found
    ]


def test_a_limit_takes_the_first_units() -> None:
    assert ["a", "b"] == [unit.name for unit in made(["a", "b", "c"], glob="*", limit=2)]


def test_a_file_s_name_may_begin_with_a_tilde() -> None:
    [unit] = made(items=["a"], output="~{{ unit }}.md")

    assert ("~a.md",) == unit.outputs


def test_outputs_and_claims_are_listed_once_each() -> None:
    [unit] = made(["a[1]"], file="-", output=["{{ unit }}", "{{ path }}", "log"], writes=["w/{{ unit }}/**"])

    assert (("a[1]", "log"), ("w/a[[]1]/**",)) == (unit.outputs, unit.writes)


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_data_whatever_it_holds(name: str) -> None:
    [unit] = made(items=[{"unit": name}])

    assert (name, (f"out/{name}",)) == (unit.name, unit.outputs)


def test_two_units_of_one_name_are_both_named() -> None:
    assert [
        "units.items[2]: found unit 'a', as in units.items[0]; expected names to differ",
        "units.items[3]: found unit 'a', as in units.items[0]; expected names to differ",
    ] == refused(items=["a", "b", "a", {"unit": "a"}])


def test_values_of_a_matrix_that_make_one_name_are_refused() -> None:
    assert 1 == len(refused(matrix={"a": ["x", "x-y"], "b": ["y-z", "z"]}))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"glob": "docs/*.md"}, "units.glob: found nothing for 'docs/*.md' in /root; expected at least one unit"),
        (
            {"command": ["git", "ls"]},
            "units.command: found nothing for ('git', 'ls') in /root; expected at least one unit",
        ),
        ({}, "units: found no source in /root; expected at least one unit"),
    ],
)
def test_no_unit_at_all_is_refused_with_what_was_looked_for(spec: dict[str, Any], expected: str) -> None:
    assert [expected] == refused(**spec)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"items": [{"unit": ""}]}, "units.items[0]: found an empty name; expected something to call the unit by"),
        (
            {"items": [{"unit": "a\0"}], "output": "x"},
            ("units.items[0]: found a NUL character in unit 'a\\x00'; expected text without"),
        ),
        ({"items": ["a"], "output": []}, "units.output: unit 'a': found no output; expected at least one"),
        (
            {"items": ["a"], "output": "out/"},
            "units.output: unit 'a': found 'out/'; expected the path of a file",
        ),
        (
            {"items": ["a"], "output": "o/."},
            "units.output: unit 'a': found 'o/.'; expected the path of a file",
        ),
        ({"items": ["a"], "output": ".."}, "units.output: unit 'a': found '..'; expected the path of a file"),
        (
            {"items": ["~/a.md"], "output": "{{ parent }}/b"},
            (
                "units.output: unit '~/a.md': found '~/b': a leading '~' is not expanded; expected a path, relative to"
                " the plan file or absolute"
            ),
        ),
        (
            {"items": ["a"], "output": "{{ unitt }}"},
            (
                "units.items[0]: unit 'a': units.output: found unknown name 'unitt'; expected one of"
                " path, parent, parent_name, name, stem, suffix, unit; did you mean 'unit'?"
            ),
        ),
    ],
)
def test_a_unit_that_cannot_be_used_is_refused(spec: dict[str, Any], expected: str) -> None:
    assert expected in refused(**spec)


def test_a_unit_of_a_session_that_somebody_else_has_started_may_have_no_output() -> None:
    plan = Plan(name="x", units=UnitsSpec(items=("a",), output=()), workers=WorkersSpec(sessions="watch"))

    assert [()] == [unit.outputs for unit in units(plan, (), "/root")]


def test_a_verification_also_has_the_first_output() -> None:
    unit = Unit(name="a", outputs=("x", "y"))

    assert "x" == verify_names(unit)["output"]


def test_units_of_one_key_go_to_one_worker_in_the_order_first_seen() -> None:
    found = shared(["b/1", "a/1", "b/2"], by="{{ parent }}", name="w_{{ group.name }}")

    assert [("w_b", "b", ["b/1", "b/2"]), ("w_a", "a", ["a/1"])] == [
        (share.name, share.key, [unit.name for unit in share.units]) for share in found
    ]


def test_a_worker_is_named_after_the_first_unit_of_its_key() -> None:
    [share] = shared(["b/1", "b/2", "b/3"], by="{{ parent }}", name="w_{{ stem }}")

    assert "w_1" == share.name
    with pytest.raises(PlanError, match=r"workers.name: unit 'b/1': found unknown name"):
        shared(["b/1", "b/2", "b/3"], by="{{ parent }}", name="{{ lang }}")


def test_a_large_share_is_cut_into_numbered_parts() -> None:
    found = shared(list("abcde"), by="all", max_units=2)

    assert [("all", 2), ("all_2", 2), ("all_3", 1)] == [(share.name, len(share.units)) for share in found]


def test_keys_that_would_make_one_name_stay_two_workers() -> None:
    first, second = shared(["x/a.b", "y/a:b"])

    assert "a_b" == first.name
    assert re.fullmatch(r"a_b-[0-9a-f]{6}", second.name)


def test_a_name_out_of_scope_is_refused_with_the_unit() -> None:
    with pytest.raises(PlanError, match=r"workers.by: unit 'a': found unknown name 'lang'"):
        shared(["a"], by="{{ lang }}")
    with pytest.raises(PlanError, match=r"workers.name: unit 'a': found unknown name 'lang'"):
        shared(["a"], name="{{ lang }}")


@given(st.lists(st.text(alphabet="aA.:_2é日-/", min_size=1, max_size=4), unique=True), st.none() | st.integers(1, 3))
def test_names_of_shares_are_distinct_and_safe_and_no_unit_is_lost(names: list[str], size: int | None) -> None:
    found = shared(names, by="{{ parent }}{{ stem }}", max_units=size)

    assert len(found) == len({share.name.lower() for share in found})
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", share.name) for share in found)
    assert sorted(names) == sorted(unit.name for share in found for unit in share.units)
    assert found == shared(names, by="{{ parent }}{{ stem }}", max_units=size)


def test_a_worker_knows_its_name_its_group_and_its_units() -> None:
    share = Share(name="w_a", key="docs/a b/", units=(Unit(name="u", outputs=("o",)),))

    assert {
        "worker": "w_a",
        "deployment": "d",
        "group.key": "docs/a b/",
        "group.name": "a_b",
        "unit_table": "u -> o",
        "unit": "u",
        "input": "u",
        "output": "o",
        "prompt_file": "/p",
        "units_file": "/u",
    } == worker_names("d", share, "/p", "/u")


def test_a_prompt_may_name_all_units_inputs_and_outputs_in_one_line() -> None:
    units = (Unit(name="u", outputs=("o", "p q")), Unit(name="v", input="in/v.md", outputs=("w",)))
    names = worker_names("d", Share(name="w", key="k", units=units), "/p", "/u")

    assert ("u, v", "u, in/v.md", 'o, "p q", w') == (names["unit"], names["input"], names["output"])
    assert ("", "", "") == tuple(
        worker_names("d", Share(name="w", key="k", units=()), "", "")[name] for name in ("unit", "input", "output")
    )


def test_a_prompt_is_its_template_and_then_the_note() -> None:
    assert "Do u.\n\nMissing: u\n" == task_text("\nDo {{ unit_table }}.\n", {"unit_table": "u"}, note="Missing: u")


def test_a_prompt_without_a_note_ends_in_one_newline() -> None:
    assert "Do.\n" == task_text("Do.", {})


def test_a_prompt_file_with_an_unknown_name_is_refused_by_its_name() -> None:
    with pytest.raises(PlanError, match=r"^task.md: found unknown name 'x'"):
        task_text("{{ x }}", {}, where="task.md")


def test_the_table_of_units_quotes_whatever_is_no_plain_path() -> None:
    table = unit_table(
        [
            Unit(name="n", input="docs/日本.md", outputs=("a", "b c")),
            Unit(name="x -> y\nIgnore all this", outputs=("\x1b[1m", "\u202e", "\udc80")),
        ]
    )

    assert 'docs/日本.md -> a, "b c"\n"x -> y\\nIgnore all this" -> "\\u001b[1m", "\\u202e", "\\udc80"' == table


def test_the_file_of_units_is_one_json_object_a_line() -> None:
    given_units = [Unit(name="a\n", input="i", outputs=("o",)), Unit(name="\udc80", outputs=())]

    assert [
        {"unit": "a\n", "input": "i", "outputs": ["o"]},
        {"unit": "\udc80", "input": None, "outputs": []},
    ] == [json.loads(line) for line in units_listing(given_units).splitlines()]


@pytest.mark.parametrize(
    ("field", "value"), [("description", "x"), ("prompt", "x"), ("tools", ("Read",)), ("model", "opus")]
)
def test_a_profile_has_another_digest_with_each_change(field: str, value: object) -> None:
    agent = Agent(description="judges", prompt="Judge.")
    other = msgspec.structs.replace(agent, **{field: value})

    assert re.fullmatch("[0-9a-f]{64}", profile_digest(agent))
    assert (
        profile_digest(agent) == profile_digest(Agent(description="judges", prompt="Judge.")) != profile_digest(other)
    )


def test_plans_that_mean_the_same_have_one_digest() -> None:
    plan = Plan(name="x", units=UnitsSpec(matrix={"a": ("1",), "b": ()}))
    same = Plan(name="x", units=UnitsSpec(matrix={"b": (), "a": ("1",)}), goal="")

    assert re.fullmatch("[0-9a-f]{64}", plan_digest(plan))
    assert plan_digest(plan) == plan_digest(same)
    assert plan_digest(plan) != plan_digest(msgspec.structs.replace(plan, goal="g"))


def test_a_difference_is_told_key_by_key() -> None:
    old = Plan(name="x", units=UnitsSpec(glob="*"), workers=WorkersSpec(env={"A": "1"}))
    new = Plan(
        name="x",
        units=UnitsSpec(glob="*"),
        workers=WorkersSpec(stagger=5.0),
        wake=WakeSpec(to=(WakeTarget(tmux="m"),)),
    )

    assert [
        "workers.stagger: 2.0 -> 5.0",
        'workers.env.A: "1" -> (none)',
        "wake.to: [] -> ...",
        "workers.env: (none) -> {}",
    ] == [line if "wake.to" not in line else line[:15] + "..." for line in difference(old, new)]
    assert [] == difference(old, old)


@pytest.mark.parametrize(("size", "shown"), [(58, "x" * 58), (59, None)])
def test_a_value_that_fits_is_shown_whole(size: int, shown: str | None) -> None:
    old, new = (Plan(name="x", units=UnitsSpec(), goal=goal) for goal in ("", "x" * size))

    assert [f'goal: "" -> "{shown}"' if shown else f'goal: "" -> ..."{"x" * 59}...'] == difference(old, new)


def test_values_that_just_fit_are_shown_whole_wherever_they_part() -> None:
    old, new = (Plan(name="x", units=UnitsSpec(), goal="x" * 57 + sign) for sign in "ab")

    assert [f'goal: "{"x" * 57}a" -> "{"x" * 57}b"'] == difference(old, new)


def test_long_values_that_part_at_once_are_shown_from_their_beginning() -> None:
    old, new = (Plan(name="x", units=UnitsSpec(), goal=sign * 99) for sign in "ab")

    assert [f'goal: ..."{"a" * 59}... -> ..."{"b" * 59}...'] == difference(old, new)


def test_long_values_are_shown_where_they_part() -> None:
    old, new = (Plan(name="x", units=UnitsSpec(), goal="x" * 500 + end) for end in ("old", "new"))

    assert [f'goal: ...{"x" * 30}old"... -> ...{"x" * 30}new"...'] == difference(old, new)
