"""Each outside library has one file, each name of a function, a class or a constant one meaning."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from wakeman.faces import cli

PLACES = re.compile(r"tmux|\batq\b|\batrm\b")
"""What only an adapter names: programs by which workers are run, and checks are run later."""
PLAN_KEYS = {"core/model/plan.py", "core/plan/validation.py"}
"""Where keys of plans are declared: `wake.to.tmux`, `workers.socket`, and the default of `workers.executor`."""
SOURCE = Path(__file__).parent.parent / "src" / "wakeman"
ROOMS = {
    "rich": {"faces/cli/paper.py"},
    "jinja2": {"faces/report/page.py"},
    "markupsafe": {"faces/report/page.py"},
    "opentelemetry": {"adapters/otlp.py"},
    "prometheus_client": {"faces/openmetrics.py"},
    "starlette": {"faces/serve/app.py"},
    "uvicorn": {"faces/serve/listening.py"},
    "mcp": {"faces/mcp/server.py"},
    "mcp_types": {"faces/mcp/server.py"},
    "textual": {"faces/top/app.py"},
    "transitions": {"core/log/lifecycle.py"},
    "libtmux": {"adapters/tmux/by_libtmux.py"},
    "yaml": {"core/formats.py", "core/profile_page.py"},
}


@cache
def modules() -> dict[str, ast.Module]:
    """Return each module's tree, by its file below the package. Parsed once: that is what these tests cost."""
    return {str(file.relative_to(SOURCE)): ast.parse(file.read_text()) for file in SOURCE.rglob("*.py")}


@cache
def nodes() -> dict[str, tuple[ast.AST, ...]]:
    return {file: tuple(ast.walk(tree)) for file, tree in modules().items()}


def top() -> Iterator[tuple[str, ast.stmt]]:
    """Yield each statement at the top of a module, with its file."""
    yield from ((file, node) for file, tree in modules().items() for node in tree.body)


@cache
def importers() -> dict[str, set[str]]:
    """Return the files that import each package."""
    found: dict[str, set[str]] = {}
    for file, every in nodes().items():
        for node in every:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(file)
    return found


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_is_imported_by_one_file(library: str) -> None:
    assert ROOMS[library] == importers().get(library)


@pytest.mark.parametrize("room", ["core", "engine"])
def test_a_room_knows_no_place_where_workers_run_and_no_timer_by_name(room: str) -> None:
    found = {str(file.relative_to(SOURCE)) for file in (SOURCE / room).rglob("*") if file.suffix in (".py", ".sh")}

    assert [] == sorted(name for name in found - PLAN_KEYS if PLACES.search((SOURCE / name).read_text()))


UNITS = re.compile(
    r"_(S|BYTES|CHARS|ROWS|LINES|ROUNDS|STATUS|VERSION|MODE|FIELD|LAUNCHES|WORKERS)(_(MAX|MIN|SHOWN))?$"
    r"|_(MAX|MIN)$|^EDITION$|_TIMES_BUSY$"
)
"""How the name of a number ends: with its unit, or with what it bounds."""
SHARED = {"T", "VERBS"}
"""Names that every file of a kind has: a type variable, the verbs of a group."""
CLIENT_TABLES = "adapters/harness/"
"""Each client has a table of its own by the same name."""


def constants() -> dict[str, dict[str, ast.expr]]:
    found: dict[str, dict[str, ast.expr]] = {}
    for file, node in top():
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name) and target.id.isupper():
                found.setdefault(target.id, {})[file] = node.value
    return found


def test_the_name_of_a_number_says_its_unit() -> None:
    numbers = {
        f"{file}: {name}"
        for name, places in constants().items()
        for file, value in places.items()
        if isinstance(value, ast.Constant) and type(value.value) in (int, float) and not UNITS.search(name)
    }

    assert set() == numbers


def test_a_constant_s_name_has_one_owner() -> None:
    several = {
        name: sorted(places)
        for name, places in constants().items()
        if name not in SHARED and len({file for file in places if not file.startswith(CLIENT_TABLES)}) > 1
    }

    assert {} == several


EACH_FILE = {"__getattr__"}
"""Names that the language gives to a module's own function."""
PASSED_ON = {"request", "judge"}
"""What people ask for with several verbs: one function on each level of a verb."""
TWINS: dict[str, tuple[str, ...]] = {
    "_settle": (CLIENT_TABLES,),
    "_permits": (CLIENT_TABLES,),
    "faults": ("testing/",),
    "find": ("adapters/executors.py", "adapters/harness/__init__.py"),
    "_plugged": ("adapters/executors.py", "adapters/harness/__init__.py"),
}
"""One thing for several kinds: a client's table, the kit that tries a plug-in, the registry of plug-ins."""
LEVELS = ("faces/", "api/", "audit/", "engine/requests", "engine/protocol/", "engine/")
"""The levels that a verb passes through, each with at most one function of its name."""


def owners() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file, node in top():
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.setdefault(node.name, set()).add(file)
    return found


def one_meaning(name: str, files: set[str]) -> bool:
    if name in TWINS:
        return all(file.startswith(TWINS[name]) for file in files)
    levels = [next((level for level in LEVELS if file.startswith(level)), None) for file in files]
    verb = name in cli.VERBS or name in PASSED_ON
    return name in EACH_FILE or (verb and None not in levels and len(set(levels)) == len(levels))


def test_the_name_of_a_function_or_class_has_one_owner_or_one_meaning() -> None:
    clashes = {
        name: sorted(files) for name, files in owners().items() if len(files) > 1 and not one_meaning(name, files)
    }

    assert {} == clashes


@pytest.mark.parametrize("name", sorted(EACH_FILE | PASSED_ON | TWINS.keys()))
def test_an_exception_to_that_is_needed(name: str) -> None:
    assert len(owners()[name]) > 1


def test_a_log_is_held_through_the_one_door_that_asks_whether_it_is_live_here() -> None:
    held = {str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if "logs.hold(" in file.read_text()}

    assert {"engine/live.py"} == held


CONTAINED = {"engine/observe/containment.py"}
"""Where an error of any kind in looking at one worker is caught."""
FOREIGN = {"adapters/harness/__init__.py", "adapters/executors.py", "testing/harness.py"}
"""Where code of other packages is called, whose errors may be of any kind."""
APART = {"adapters/parse.py"}
"""The process in which files are parsed: an error of any kind is a verdict on the file."""


def test_an_exception_of_any_kind_is_caught_in_one_place_beside_those_that_call_other_packages() -> None:
    found = set()
    for file, every in nodes().items():
        for node in every:
            caught = (
                {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)}
                if (isinstance(node, ast.ExceptHandler) and node.type is not None)
                else set()
            )
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "suppress"
            given = {each.id for each in getattr(node, "args", ()) if isinstance(each, ast.Name)} if called else set()
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            if "Exception" in caught | given or bare:
                found.add(file)

    assert CONTAINED | FOREIGN | APART == found
