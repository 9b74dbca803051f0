"""The reference pages are what the program's tables say."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).parents[2]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", REPOSITORY / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Load it here: each process of pytest reads this file, and one runs what is in it."""
    return _generator()


def test_the_committed_reference_pages_are_what_the_generator_gives(generator: ModuleType) -> None:
    pages: dict[str, str] = generator.pages()
    committed = {name: (REPOSITORY / "docs" / "reference" / name).read_text() for name in pages}

    assert len(pages) > 1
    assert not [name for name, page in pages.items() if committed[name] != page], "run: python docs/generate.py"


def test_the_committed_parts_of_the_plugin_are_what_the_generator_gives(generator: ModuleType) -> None:
    parts: dict[str, str] = generator.plugin()
    committed = {name: (REPOSITORY / name).read_text() for name in parts}

    assert len(parts) > 1
    assert not [name for name, part in parts.items() if committed[name] != part], "run: python docs/generate.py"


def test_the_committed_schema_of_a_line_is_what_the_generator_gives(generator: ModuleType) -> None:
    committed = (REPOSITORY / "state" / "events.schema.json").read_text()

    assert committed == generator.schema(), "run: python docs/generate.py"
