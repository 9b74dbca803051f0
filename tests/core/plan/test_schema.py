"""The JSON Schema describes what the parser accepts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from wakeman.core.log.events import FACTS
from wakeman.core.model import Plan
from wakeman.core.plan.schema import events_schema, plan_schema


def definitions() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(plan_schema()))["$defs"]
    return found


def test_the_schema_names_itself_and_the_plan() -> None:
    made = plan_schema()

    assert ("urn:wakeman:plan", "Wakeman plan", "#/$defs/Plan") == (made["$id"], made["title"], made["$ref"])


def test_every_key_of_a_plan_is_in_the_schema_and_no_other_is_allowed() -> None:
    tables = definitions()

    assert list(Plan.__struct_fields__) == list(tables["Plan"]["properties"])
    assert {False} == {table["additionalProperties"] for table in tables.values()}


@pytest.mark.parametrize(
    ("table", "key", "given"),
    [("WorkersSpec", "stagger", "90s"), ("StuckSpec", "after", "1.5h"), ("LimitsSpec", "memory", "1G")],
)
def test_a_quantity_is_a_number_or_a_string_with_a_unit(table: str, key: str, given: str) -> None:
    found = definitions()[table]["properties"][key]

    assert "string" in found["type"]
    assert re.search(found["pattern"], given)
    assert not re.search(found["pattern"], "5 parsecs")


def test_an_alternative_of_a_quantity_is_one_too() -> None:
    every = definitions()["WakeSpec"]["properties"]["every"]["anyOf"]

    assert [["number", "string"], None] == [each.get("type") for each in every]


def test_units_come_from_exactly_one_source_and_names_are_plain() -> None:
    tables = definitions()

    assert ["glob", "items", "file", "command", "matrix"] == [
        each["required"][0] for each in tables["UnitsSpec"]["oneOf"]
    ]
    assert re.search(tables["Plan"]["allOf"][0]["properties"]["name"]["pattern"], "condense-docs")


def test_every_key_and_every_field_of_a_line_has_its_meaning_without_indentation() -> None:
    parts = [*definitions().values(), *json.loads(json.dumps(events_schema()))["$defs"].values()]
    described = [part for part in parts if not part["title"].endswith("Event")]
    told = [schema.get("description", "") for part in described for schema in part.get("properties", {}).values()]

    assert len(told) > 150
    assert all(told)
    assert not [text for text in (*told, *(part["description"] for part in described)) if "\n " in text]


def test_what_bounds_a_key_is_kept() -> None:
    tables = definitions()

    assert 0 == tables["VerifySpec"]["properties"]["min_bytes"]["minimum"]
    assert 1 == tables["WorkersSpec"]["properties"]["at_once"]["anyOf"][0]["minimum"]
    assert ["off", "units"] == tables["WorkersSpec"]["properties"]["confine"]["enum"]


def test_the_schema_of_a_line_names_every_type_and_takes_those_of_a_newer_version() -> None:
    made = events_schema()

    kinds = made["anyOf"]
    assert isinstance(kinds, list)
    assert len(FACTS) + 1 == len(kinds)
    assert {"not": {"enum": list(FACTS)}} == kinds[-1]["properties"]["type"]
