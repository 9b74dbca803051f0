"""What fields and values mean: the strings that follow them in the source of their structs.

Written there they cost a check nothing: the compiled module does not contain them, and no decoder is built around them,
as one would be around `Annotated[..., Meta(description=...)]`. The reference, the JSON Schema and `wakeman init` read
them from the source, which each package includes.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec import inspect as mi


class Field(NamedTuple):
    """A field's meaning, the names that its type is written with, and the module in which they are known."""

    meaning: str = ""
    written: tuple[str, ...] = ()
    module: str = ""


class _Source(NamedTuple):
    """Descriptions of a module's struct fields and of its names, and where its other names are imported from."""

    structs: dict[str, dict[str, Field]]
    names: dict[str, str]
    imported: dict[str, str]


def fields(kind: type[Struct]) -> dict[str, Field]:
    """Return what each field of a struct means, in order; fields of its bases first.

    Boundary: "" for one without a description.
    """
    found: dict[str, Field] = {}
    for base in reversed(kind.__mro__):
        found |= _module_source(base.__module__).structs.get(base.__name__, {})
    return {name: found.get(name, Field()) for name in kind.__struct_fields__}


def named_values(kind: type[Struct], name: str) -> dict[str, str]:
    """Return the named sets of values that a field's type is written with: name -> what each value means."""
    field = fields(kind)[name]
    return {each: text for each in field.written if (text := _named_set(field.module, each))}


def meaning(kind: type[Struct], name: str) -> str:
    """Return what a field means, with what its values mean; "" without a description."""
    return " ".join(filter(None, [fields(kind)[name].meaning, *named_values(kind, name).values()]))


def structs(*kinds: type[Struct]) -> dict[str, type[Struct]]:
    """Return these structs and all those in their fields, by name, each ahead of its parts."""
    found: dict[str, type[Struct]] = {}
    for kind in kinds:
        _gather(mi.type_info(kind), found)
    return found


def add_descriptions(parts: dict[str, Any], *kinds: type[Struct]) -> None:
    """Add descriptions to the JSON Schemas of structs, which are given by name."""
    for name, kind in structs(*kinds).items():
        part = parts[name]
        for at, (own, written) in enumerate(zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)):
            schema = part["prefixItems"][at] if "prefixItems" in part else part["properties"][written]
            form = f" Given as {schema['description']}." if "description" in schema else ""
            schema["description"] = meaning(kind, own) + form


def _gather(node: mi.Type, found: dict[str, type[Struct]]) -> None:
    match node:
        case mi.StructType(cls=kind, fields=parts):
            if kind.__name__ not in found:
                found[kind.__name__] = kind
                for part in parts:
                    _gather(part.type, found)
        case mi.UnionType(types=types):
            for each in types:
                _gather(each, found)
        case mi.VarTupleType(item_type=inner) | mi.DictType(value_type=inner) | mi.Metadata(type=inner):
            _gather(inner, found)
        case _:
            pass


def _named_set(module: str, name: str) -> str:
    source = _module_source(module)
    if name in source.names:
        return source.names[name]
    return _named_set(source.imported[name], name) if name in source.imported else ""


@cache
def _module_source(module: str) -> _Source:
    """Read a module's source.

    Boundary: nothing is known of a module that is not ours, or is installed without its source.
    """
    if not module.startswith("wakeman."):
        return _Source({}, {}, {})
    try:
        text = inspect.getsource(sys.modules[module])
    except OSError:
        return _Source({}, {}, {})
    body = ast.parse(text).body
    return _Source(
        {node.name: dict(_described_fields(module, node.body)) for node in body if isinstance(node, ast.ClassDef)},
        {target: text for node, text in _described_statements(body) if (target := _assigned_name(node))},
        {alias.name: str(node.module) for node in body if isinstance(node, ast.ImportFrom) for alias in node.names},
    )


def _described_fields(module: str, body: Sequence[ast.stmt]) -> Iterator[tuple[str, Field]]:
    text = dict(_described_statements(body))
    for node in body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                written = tuple(each.id for each in ast.walk(annotation) if isinstance(each, ast.Name))
                yield name, Field(text.get(node, ""), written, module)
            case _:
                pass


def _described_statements(body: Sequence[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    """Yield each statement that a string follows, and the string as one line."""
    for node, behind in pairwise(body):
        match behind:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield node, " ".join(text.split())
            case _:
                pass


def _assigned_name(node: ast.stmt) -> str:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(value=ast.Name(id="Literal"))):
            return name
        case _:
            return ""
