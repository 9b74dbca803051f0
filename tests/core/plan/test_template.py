"""Templates are strict: known names only, values untouched, braces on purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.errors import PlanError
from wakeman.core.model import Plan, UnitsSpec
from wakeman.core.plan.template import SCOPES, names_used, render, template_faults

BAD = 'expected {{ name }}, or {{ "{{" }} for braces'
names = st.from_regex(r"[a-z][a-z0-9_]{0,5}(\.[a-z]{1,4})?", fullmatch=True)
literal_texts = st.text(alphabet=st.sampled_from("ab {}\"'\n\\$;é"), max_size=12)


def literal(text: str) -> str:
    """Write a text so that a template gives it back: every run of opening braces between quotes."""
    return "".join('{{ "{" }}' if sign == "{" else sign for sign in text)


@given(st.lists(st.tuples(literal_texts, names)), st.dictionaries(names, st.text(), min_size=1), literal_texts)
def test_a_template_gives_back_its_literal_parts_with_the_values_between(
    parts: list[tuple[str, str]], values: dict[str, str], end: str
) -> None:
    values = {name: name for _, name in parts} | values
    template = "".join(f"{literal(text)}{{{{ {name} }}}}" for text, name in parts) + literal(end)

    assert "".join(text + values[name] for text, name in parts) + end == render(template, values)


def test_a_value_that_looks_like_a_template_is_put_in_as_it_is() -> None:
    assert render("{{ a }}", {"a": "{{ b }} $(rm)", "b": "never"}) == "{{ b }} $(rm)"


def test_braces_are_written_between_either_quotes() -> None:
    assert render("""{{ "{{" }} x {{'}}'}} {{ "{" }}""", {}) == "{{ x }} {"


@pytest.mark.parametrize("text", ['{"a": {"b": 1}}', r"\frac{\sqrt{x}}{y}", "${A}}", "{ a }", "}}", ""])
def test_single_braces_and_closing_ones_are_ordinary_text(text: str) -> None:
    assert text == render(text, {})


def test_a_name_may_hold_dots_blanks_around_it_or_none() -> None:
    assert render("{{group.name}}-{{   group.name }}", {"group.name": "x"}) == "x-x"


@pytest.mark.parametrize("text", ["{{ a", "{{ }}", "{{}}", "{{ a }", "{ a }}", "{{ 'a' }}", "{{{ a }}}"])
def test_malformed_braces_are_refused(text: str) -> None:
    assert [f"found malformed braces at {text!r}; {BAD}"] == template_faults(text, ["a"])


def test_braces_between_quotes_are_no_name() -> None:
    assert [] == template_faults('{{ "{{" }} {{ a }}', ["a"])


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    expected = "found unknown name 'parnt'; expected one of path, parent; did you mean 'parent'?"

    assert [expected] == template_faults("{{ parnt }}/{{ parnt }}", ["path", "parent"])


def test_a_name_like_no_other_is_refused_without_a_guess() -> None:
    assert template_faults("{{ a | upper }}", ["path"]) == ["found unknown name 'a | upper'; expected one of path"]


def test_any_name_will_do_where_the_scope_is_not_known_yet() -> None:
    assert template_faults("{{ whatever }}", None) == []


def test_rendering_reports_every_fault_of_the_template() -> None:
    with pytest.raises(PlanError) as caught:
        render("{{ b }}{{ a", {"a": ""})

    assert (
        "found unknown name 'b'; expected one of a",
        f"found malformed braces at '{{{{ a'; {BAD}",
    ) == caught.value.problems


def test_every_key_with_a_scope_is_a_key_of_the_plan() -> None:
    plan = Plan(name="x", units=UnitsSpec())

    assert {key: scope for key, scope in SCOPES.items() if not exists(plan, key)} == {}


def exists(plan: Plan, key: str) -> bool:
    from msgspec import inspect

    kinds: list[inspect.Type] = [inspect.type_info(type(plan))]
    for part in key.split("."):
        fields = [field for kind in kinds if isinstance(kind, inspect.StructType) for field in kind.fields]
        kinds = [field.type for field in fields if field.encode_name == part]
        kinds = [kind.item_type if isinstance(kind, inspect.VarTupleType) else kind for kind in kinds]
    return bool(kinds)


def test_braces_that_stand_for_themselves_and_malformed_ones_name_nothing() -> None:
    assert {"unit", "group.key"} == names_used('{{ "{{" }} {{unit}} {{ group.key }} {{ unit }} {{ a b }')
