"""The JSON Schemas of the plan file and of the log's lines, made from the structs that read them."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec

from wakeman.core.descriptions import add_descriptions
from wakeman.core.log.events import FACTS, line_types
from wakeman.core.model import Bytes, Plan, Seconds
from wakeman.core.plan.parser import NUMBER, QUANTITIES
from wakeman.core.plan.validation import DEPLOYMENT_NAME, SOURCES

_UNITS = {get_args(kind)[1].description: get_args(kind)[1].extra["unit"] for kind in (Seconds, Bytes)}
"""Description of a quantity, which is unique -> its unit: the generated schema keeps only the description."""


_RULES: dict[object, dict[str, object]] = {
    "Plan": {"allOf": [{"properties": {"name": {"pattern": f"^{DEPLOYMENT_NAME}$"}}}]},
    "UnitsSpec": {"oneOf": [{"required": [source]} for source in SOURCES]},
}
"""Title of a table -> constraints that its struct cannot express."""


def plan_schema() -> dict[str, object]:
    """Return the schema as a value ready for JSON."""
    (made,), generated = msgspec.json.schema_components([Plan], ref_template="#/$defs/{name}")
    parts = {name: _allow_strings(_dedented(part)) for name, part in generated.items()}
    add_descriptions(parts, Plan)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:wakeman:plan",
        "title": "Wakeman plan",
        "$ref": made["$ref"],
        "$defs": parts,
    }


def events_schema() -> dict[str, object]:
    """Return the schema of one line of a log as a value ready for JSON.

    Boundary: an unknown type is from a newer version and not an error: the last alternative accepts it.
    """
    (made,), parts = msgspec.json.schema_components([line_types()], ref_template="#/$defs/{name}")
    add_descriptions(parts, *FACTS.values())
    newer = {"type": "object", "properties": {"type": {"not": {"enum": list(FACTS)}}}, "required": ["type"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:wakeman:event",
        "title": "One line of a Wakeman log",
        "anyOf": [*made["anyOf"], newer],
        "$defs": _dedented(parts),
    }


def _dedented(value: Any) -> Any:
    """Return the schema with no line of a description indented: Python 3.13 strips docstrings, 3.11 and 3.12 do not."""
    if isinstance(value, list):
        return [_dedented(item) for item in value]
    if isinstance(value, dict):
        return {key: _dedented(item) for key, item in value.items()}
    return re.sub(r"\n +", "\n", value) if isinstance(value, str) else value


def _allow_strings(value: Any) -> Any:
    """Allow strings for quantities, and forbid unknown keys in every table."""
    if isinstance(value, list):
        return [_allow_strings(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _allow_strings(item) for key, item in value.items()}
    if unit := _UNITS.get(str(value.get("description"))):
        made["type"] = [value["type"], "string"]
        made["pattern"] = f"^{NUMBER}[{''.join(QUANTITIES[unit].factors)}]$"
    if isinstance(value.get("properties"), dict):
        made |= {"additionalProperties": False} | _RULES.get(value["title"], {})
    return made
