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


PAGES: dict[str, str] = _generator().pages()
PLUGIN: dict[str, str] = _generator().plugin()
SCHEMA: str = _generator().schema()


@pytest.mark.parametrize("name", PAGES)
def test_a_committed_reference_page_is_what_the_generator_gives(name: str) -> None:
    committed = (REPOSITORY / "docs" / "reference" / name).read_text()

    assert PAGES[name] == committed, "run: python docs/generate.py"


@pytest.mark.parametrize("name", PLUGIN)
def test_a_committed_part_of_the_plugin_is_what_the_generator_gives(name: str) -> None:
    assert PLUGIN[name] == (REPOSITORY / name).read_text(), "run: python docs/generate.py"


def test_the_committed_schema_of_a_line_is_what_the_generator_gives() -> None:
    committed = (REPOSITORY / "state" / "events.schema.json").read_text()

    assert committed == SCHEMA, "run: python docs/generate.py"
