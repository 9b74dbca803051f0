"""Every key of a plan and every field of an event says what it means, in the source beside it."""

from __future__ import annotations

import importlib.util
import py_compile
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct
from msgspec import inspect as mi

from wakeman.core import descriptions
from wakeman.core.log.events import FACTS, Event
from wakeman.core.model import PACES, Plan

KINDS = descriptions.structs(Plan, Event, *FACTS.values())
FIELDS = [(kind, name) for kind in KINDS.values() for name in kind.__struct_fields__]


def choices(node: mi.Type) -> list[str]:
    """List the values that a field chooses from, as JSON shows them; text without its quotes."""
    match node:
        case mi.LiteralType(values=values):
            return [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]
        case mi.UnionType(types=types):
            return [choice for each in types for choice in choices(each)]
        case mi.VarTupleType(item_type=inner) | mi.Metadata(type=inner):
            return choices(inner)
        case _:
            return []


def field_type(kind: type[Struct], name: str) -> mi.Type:
    info = mi.type_info(kind)
    assert isinstance(info, mi.StructType)
    return next(field.type for field in info.fields if field.name == name)


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_every_key_and_field_says_what_it_means_in_whole_sentences(kind: type[Struct], name: str) -> None:
    said = descriptions.meaning(kind, name)

    assert re.fullmatch(r"[A-Za-z0-9`].*[.]", said), f"{kind.__name__}.{name} has no description behind it"


@pytest.mark.parametrize(("kind", "name"), FIELDS, ids=[f"{kind.__name__}.{name}" for kind, name in FIELDS])
def test_every_value_that_is_chosen_from_has_a_word_of_its_own(kind: type[Struct], name: str) -> None:
    said = descriptions.meaning(kind, name)

    for choice in choices(field_type(kind, name)):
        assert re.search(rf'`"?{re.escape(choice)}"?`', said) if choice else "empty" in said, f"{choice!r}: {said}"


def test_the_words_of_a_pace_are_those_of_its_table() -> None:
    said = descriptions.named_values(KINDS["WakeSpec"], "every")["Pace"]

    for name, (first, later) in PACES.items():
        assert f"`{name}`: {first / 60:g}m, later {later / 60:g}m" in said


def test_plans_and_events_have_fields_at_all() -> None:
    assert len(FIELDS) > 200
    assert {"Plan", "StuckSpec", "Event", "Looked", "Observation", "FileFingerprint"} <= set(KINDS)


def test_a_fact_made_of_another_has_its_meanings() -> None:
    relaunched, launched = FACTS["relaunched"], FACTS["launched"]

    assert descriptions.fields(launched) == descriptions.fields(relaunched)


def test_a_struct_of_somebody_else_says_nothing() -> None:
    class Foreign(Struct):
        kind: Literal["a"] = "a"
        """This source is not read."""

    assert {"kind": ""} == {name: field.meaning for name, field in descriptions.fields(Foreign).items()}


SOURCE = '''
"""A module."""
from typing import Literal

import msgspec

from wakeman.core.model import Pace

Colour = Literal["red", "blue"]
"""`red`: warm;
`blue`: cold."""
Number = int
"""This is no set of values."""


class Bare(msgspec.Struct):
    """A struct."""

    a: int = 0
    """A number,
    from 0."""
    b: int = 0
    colour: Colour | None = None
    """A colour."""
    pace: Pace = "long"
    number: Number = 0
    """Another number."""
'''


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Callable[[bool], Any]]:
    """Give what imports the module above, with or without its source."""

    def load(with_source: bool) -> Any:
        source, compiled = tmp_path / "bare.py", tmp_path / "bare.pyc"
        source.write_text(SOURCE)
        py_compile.compile(str(source), str(compiled))
        if not with_source:
            source.unlink()
        spec = importlib.util.spec_from_file_location(NAME, source if with_source else compiled)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[NAME] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.Bare

    descriptions._module_source.cache_clear()
    yield load
    del sys.modules[NAME]
    descriptions._module_source.cache_clear()


NAME = "wakeman.bare"


def test_a_program_that_came_without_its_source_says_nothing_and_goes_on(bare: Callable[[bool], Any]) -> None:
    kind = bare(False)

    assert [""] * 5 == [descriptions.meaning(kind, name) for name in kind.__struct_fields__]


def test_a_field_means_what_is_said_behind_it_and_what_the_values_mean_that_it_is_written_with(
    bare: Callable[[bool], Any],
) -> None:
    kind = bare(True)
    pace = descriptions.named_values(kind, "pace")["Pace"]

    assert ["A number, from 0.", "", "A colour. `red`: warm; `blue`: cold.", pace, "Another number."] == [
        descriptions.meaning(kind, name) for name in kind.__struct_fields__
    ]
    assert {"Colour": "`red`: warm; `blue`: cold."} == descriptions.named_values(kind, "colour")
    assert ({}, {}) == (descriptions.named_values(kind, "a"), descriptions.named_values(kind, "number"))
    assert pace.startswith("`simple`: 3m, later 5m;")


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (Plan, {"UnitsSpec", "WorkersSpec", "WakeTarget", "ReviewSpec", "MoveSpec", "Agent"}),
        (FACTS["looked"], {"Observation", "Verdict", "FileFingerprint", "Usage", "Rejection", "Validator"}),
        (FACTS["armed"], {"Alarm"}),
    ],
)
def test_a_struct_is_known_with_all_that_its_fields_are_made_of(kind: type[Struct], parts: set[str]) -> None:
    found = descriptions.structs(kind)

    assert kind is next(iter(found.values()))
    assert parts <= set(found)


def test_the_items_of_an_array_get_their_meanings_by_their_order() -> None:
    kind = KINDS["FileFingerprint"]
    parts: dict[str, Any] = {"FileFingerprint": {"prefixItems": [{}, {}, {}, {}]}}

    descriptions.add_descriptions(parts, kind)

    assert [descriptions.meaning(kind, name) for name in kind.__struct_fields__] == [
        item["description"] for item in parts["FileFingerprint"]["prefixItems"]
    ]


def test_a_schema_gets_the_meaning_ahead_of_the_form() -> None:
    parts: dict[str, Any] = {"StuckSpec": {"properties": {name: {} for name in KINDS["StuckSpec"].__struct_fields__}}}
    parts["StuckSpec"]["properties"]["after"] = {"description": "a number of seconds"}

    descriptions.add_descriptions(parts, KINDS["StuckSpec"])

    after = parts["StuckSpec"]["properties"]["after"]["description"]
    assert after.startswith("Time without a sign of life")
    assert after.endswith(" Given as a number of seconds.")
