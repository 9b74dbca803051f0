"""Each outside library has one file; a second would be a second opinion about it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "wakeman"
ROOMS = {
    "transitions": {"core/log/lifecycle.py"},
    "libtmux": {"adapters/tmux.py"},
    "yaml": {"core/policy/quality.py"},
}


def importers(library: str) -> set[str]:
    found = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == library for name in names):
                found.add(str(file.relative_to(SOURCE)))
    return found


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_is_imported_by_one_file(library: str) -> None:
    assert ROOMS[library] == importers(library)
