"""Every key of a plan and every field of an event says what it means, in the source beside it."""

from __future__ import annotations

import importlib.util
import py_compile
import re
import sys
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


def test_a_program_that_came_without_its_source_says_nothing_and_goes_on(tmp_path: Path) -> None:
    source, compiled = tmp_path / "bare.py", tmp_path / "bare.pyc"
    source.write_text('import msgspec\nclass Bare(msgspec.Struct):\n    a: int = 0\n    """A number."""\n')
    py_compile.compile(str(source), str(compiled))
    source.unlink()
    spec = importlib.util.spec_from_file_location("wakeman.bare", compiled)
    assert spec is not None
    assert spec.loader is not None
    bare = importlib.util.module_from_spec(spec)
    sys.modules["wakeman.bare"] = bare
    try:
        spec.loader.exec_module(bare)
        assert "" == descriptions.meaning(bare.Bare, "a")
    finally:
        del sys.modules["wakeman.bare"]


def test_a_schema_gets_the_meaning_ahead_of_the_form() -> None:
    parts: dict[str, Any] = {"StuckSpec": {"properties": {name: {} for name in KINDS["StuckSpec"].__struct_fields__}}}
    parts["StuckSpec"]["properties"]["after"] = {"description": "a number of seconds"}

    descriptions.add_descriptions(parts, KINDS["StuckSpec"])

    after = parts["StuckSpec"]["properties"]["after"]["description"]
    assert after.startswith("Time without a sign of life")
    assert after.endswith(" Given as a number of seconds.")
