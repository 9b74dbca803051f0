"""List the demo's units: at most 54 modules of seven packages of the Python that runs this.

Prints one JSON object a line: `unit`, `input`, and `package`, by which the plan shares the units out.
"""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from pathlib import Path

PACKAGES = ("asyncio", "email", "http", "importlib", "multiprocessing", "unittest", "wsgiref")
MOST = 54
LEAST_BYTES = 4000
"""Smaller modules hold little but imports, of which an outline has nothing to say."""


def modules(library: Path) -> list[Path]:
    """Choose modules in turn from each package, by name, until there are enough; give them package by package.

    Boundary: fewer than MOST when the library has fewer. Repeatable: yes, for the same library.
    """
    found = [
        sorted(file for file in (library / package).glob("*.py") if file.stat().st_size >= LEAST_BYTES)
        for package in PACKAGES
    ]
    in_turn = (file for file in chain.from_iterable(zip_longest(*found)) if file is not None)
    return sorted(islice(in_turn, MOST))


def lines(files: Iterable[Path]) -> Iterator[str]:
    """Write one unit a line, as `units.command` is read."""
    for file in files:
        package = file.parent.name
        yield json.dumps({"unit": f"{package}/{file.stem}", "input": str(file), "package": package})


if __name__ == "__main__":
    print(*lines(modules(Path(sysconfig.get_path("stdlib")))), sep="\n")
