"""Condense Python modules into YAML outlines: what each is for, its public classes and functions, no bodies.

The modules are parsed, never imported. This stands in for a coding agent: it takes a share of units, does them one
by one, and needs neither a model nor a network.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import yaml

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Outline: TypeAlias = dict[str, object]


class CondenseError(Exception):
    """What is wrong with the input, in one line."""


class Unit(NamedTuple):
    """One line of a units file: a module to read, and the outline to write."""

    name: str
    source: Path
    output: Path


class Stop(NamedTuple):
    """Whom to stop early: the worker of that name, after so many units."""

    worker: str
    after: int


def main(argv: Sequence[str] | None = None) -> int:
    """Condense one share; return the exit code: 0 even when told to stop early, 1 on bad input."""
    options = _options().parse_args(argv)
    try:
        share = units(options.units_file)
        most = options.stops.after if options.stops and options.stops.worker == options.worker else len(share)
        for unit in share[:most]:
            print(condense(unit), flush=True)
            time.sleep(options.pace)
    except (CondenseError, OSError) as fault:
        print(f"condense: {fault}", file=sys.stderr)
        return 1
    if most < len(share):
        print(f"stopping early, as --stops says: {most} of {len(share)} units done", flush=True)
    return 0


def units(file: Path) -> list[Unit]:
    """Read a share: one JSON object a line, with `unit`, `input` and one path in `outputs`."""
    found = []
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        try:
            match json.loads(line):
                case {"unit": str(name), "input": str(source), "outputs": [str(output)]}:
                    found.append(Unit(name, Path(source), Path(output)))
                case _:
                    raise CondenseError(f"{file}:{number}: expected unit, input, and one path in outputs")
        except ValueError as fault:
            raise CondenseError(f"{file}:{number}: not JSON: {fault}") from fault
    return found


def condense(unit: Unit) -> str:
    """Write one unit's outline; say in a line what became of it.

    Raises: CondenseError when the source does not parse. Effects: the outline appears whole, or not at all.
    """
    source = unit.source.read_bytes()
    try:
        tree = ast.parse(source, filename=str(unit.source))
    except (SyntaxError, ValueError) as fault:
        raise CondenseError(f"{unit.source}: not a Python module: {fault}") from fault
    text = yaml.safe_dump(outline(unit.name.replace("/", "."), tree), sort_keys=False, allow_unicode=True, width=10_000)
    written = text.encode()
    unit.output.parent.mkdir(parents=True, exist_ok=True)
    draft = unit.output.with_name(f".{unit.output.name}.{os.getpid()}.tmp")
    draft.write_bytes(written)
    draft.replace(unit.output)
    return f"{unit.name}: {len(source)} -> {len(written)} bytes"


def outline(module: str, tree: ast.Module) -> Outline:
    """Reduce a module to its name, its first sentence, and its public signatures.

    Shape: a key without content is left out.
    """
    body = list(_reached(tree.body))
    found: Outline = {
        "module": module,
        "says": _says(tree),
        "classes": [_class(node) for node in body if isinstance(node, ast.ClassDef) and _public(node.name)],
        "functions": [_signature(node) for node in body if isinstance(node, Function) and _public(node.name)],
    }
    return {key: value for key, value in found.items() if value}


def _class(node: ast.ClassDef) -> Outline:
    bases = ", ".join(ast.unparse(base) for base in [*node.bases, *node.keywords])
    methods = [
        _signature(item)
        for item in _reached(node.body)
        if isinstance(item, Function) and (_public(item.name) or item.name == "__init__")
    ]
    found: Outline = {"class": f"{node.name}({bases})" if bases else node.name, "says": _says(node), "methods": methods}
    return {key: value for key, value in found.items() if value}


def _signature(node: Function) -> str:
    start = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{start}{node.name}({ast.unparse(node.args)}){returns}"


def _reached(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a body and of the `if` and `try` blocks in it: names are defined there too."""
    for node in body:
        yield node
        match node:
            case ast.If():
                yield from _reached([*node.body, *node.orelse])
            case ast.Try():
                handled = [item for handler in node.handlers for item in handler.body]
                yield from _reached([*node.body, *handled, *node.orelse, *node.finalbody])


def _says(node: ast.Module | ast.ClassDef) -> str:
    """Return the first sentence of a docstring, on one line; "" without one."""
    first = (ast.get_docstring(node) or "").partition("\n\n")[0]
    return re.split(r"(?<=[.!?])\s", " ".join(first.split()), maxsplit=1)[0]


def _public(name: str) -> bool:
    return not name.startswith("_")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="condense.py", description="Condense Python modules into YAML outlines.")
    parser.add_argument("units_file", type=Path, help="the share: one JSON object a line (unit, input, outputs)")
    parser.add_argument("--worker", default="", metavar="NAME", help="who does this share")
    parser.add_argument("--stops", type=_stop, metavar="WORKER:N", help="this worker stops after N units")
    parser.add_argument("--pace", type=_seconds, default=0.0, metavar="SECONDS", help="rest after each unit")
    return parser


def _stop(text: str) -> Stop:
    worker, _, after = text.rpartition(":")
    if not worker or not after.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}; expected WORKER:N, such as condense_email:3")
    return Stop(worker, int(after))


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a number of seconds, such as 0.2")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
