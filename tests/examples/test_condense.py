"""The demo's units and its condenser, on the library of the Python that runs the tests."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
import sysconfig
import unittest.case
import wsgiref.headers
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from examples.condense import condense, modules
from tests.words import NO_FILE

from wakeman.core.model import Plan
from wakeman.core.plan.parser import read_plan

HERE = Path(modules.__file__).parent
LIBRARY = Path(sysconfig.get_path("stdlib"))


def plan(name: str = "wakeman.toml") -> Plan:
    return read_plan((HERE / name).read_text(encoding="utf-8"), name)


def outlined(source: str, name: str = "some/module") -> condense.Outline:
    return condense.outline(name.replace("/", "."), ast.parse(source))


def share(directory: Path, units: Sequence[str], worker: str = "condense_email") -> tuple[Path, list[Path]]:
    """Write a units file for modules of `email`; return it, and the outputs it names."""
    outputs = [directory / "out" / f"{unit}.yml" for unit in units]
    file = directory / f"{worker}.jsonl"
    file.write_text(
        "".join(
            json.dumps({"unit": unit, "input": str(LIBRARY / f"{unit}.py"), "outputs": [str(output)]}) + "\n"
            for unit, output in zip(units, outputs, strict=True)
        ),
        encoding="utf-8",
    )
    return file, outputs


# --- the units


def test_the_units_are_54_modules_of_seven_packages() -> None:
    files = modules.modules(LIBRARY)

    assert (54, 54) == (len(files), len(set(files)))
    assert set(modules.PACKAGES) == {file.parent.name for file in files}
    assert 7 == len(modules.PACKAGES)


def test_the_units_are_never_more_than_54_and_taken_from_each_package_in_turn(tmp_path: Path) -> None:
    for package in modules.PACKAGES:
        (tmp_path / package).mkdir()
        for number in range(20):
            (tmp_path / package / f"m{number:02}.py").write_bytes(b"#" * modules.LEAST_BYTES)

    files = modules.modules(tmp_path)

    counts = [sum(1 for file in files if file.parent.name == package) for package in modules.PACKAGES]
    assert [8, 8, 8, 8, 8, 7, 7] == counts


def test_small_modules_are_no_units(tmp_path: Path) -> None:
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / "small.py").write_bytes(b"#" * (modules.LEAST_BYTES - 1))

    assert [] == modules.modules(tmp_path)


def test_each_line_that_the_plan_reads_is_a_unit_with_its_module_and_package() -> None:
    ran = subprocess.run([sys.executable, "modules.py"], cwd=HERE, capture_output=True, text=True, check=True)

    units = [json.loads(line) for line in ran.stdout.splitlines()]

    assert 54 == len(units)
    for unit in units:
        assert {"unit", "input", "package"} == set(unit)
        assert LIBRARY / f"{unit['unit']}.py" == Path(unit["input"])
        assert unit["unit"].startswith(unit["package"] + "/")


# --- the outlines


def test_every_outline_parses_and_keeps_to_the_sizes_in_the_plan(tmp_path: Path) -> None:
    verify = plan().verify
    assert verify.max_ratio is not None
    for file in modules.modules(LIBRARY):
        output = tmp_path / file.parent.name / f"{file.stem}.yml"

        condense.condense(condense.Unit(f"{file.parent.name}/{file.stem}", file, output))

        assert f"{file.parent.name}.{file.stem}" == yaml.safe_load(output.read_bytes())["module"]
        assert verify.min_bytes <= output.stat().st_size <= verify.max_ratio * file.stat().st_size


@pytest.mark.parametrize("module", [unittest.case, wsgiref.headers])
def test_an_outline_holds_what_a_look_into_the_module_shows(module: Any) -> None:
    outline: Any = condense.outline(module.__name__, ast.parse(inspect.getsource(module)))

    def here(kind: Any) -> dict[str, Any]:
        found = {name: value for name, value in vars(module).items() if kind(value) and not name.startswith("_")}
        return {name: value for name, value in found.items() if value.__module__ == module.__name__}

    functions = {line.partition("(")[0] for line in outline.get("functions", [])}
    assert set(here(inspect.isfunction)) == functions
    classes = {entry["class"].partition("(")[0]: entry for entry in outline["classes"]}
    assert set(here(inspect.isclass)) == set(classes)
    for name, kind in here(inspect.isclass).items():
        methods = {line.partition("(")[0].removeprefix("async ") for line in classes[name].get("methods", [])}
        defined = {key for key, value in vars(kind).items() if inspect.isfunction(value) and value.__name__ == key}
        assert {key for key in defined if not key.startswith("_") or key == "__init__"} <= methods


def test_an_outline_names_signatures_bases_and_first_sentences() -> None:
    source = '''
"""Do a thing. Do another.

More of it.
"""

class Kept(Base, metaclass=Meta):
    """Hold
    it. Really."""

    def __init__(self, size: int = 3) -> None: ...
    def _hidden(self): ...
    async def open(self, *, mode="r"): ...

class _Hidden: ...

try:
    import fast
except ImportError:
    def slow(a, /, b, *rest, **more) -> str: ...
else:
    if fast:
        async def quick(): ...
'''

    assert outlined(source) == {
        "module": "some.module",
        "says": "Do a thing.",
        "classes": [
            {
                "class": "Kept(Base, metaclass=Meta)",
                "says": "Hold it.",
                "methods": ["__init__(self, size: int=3) -> None", "async open(self, *, mode='r')"],
            }
        ],
        "functions": ["slow(a, /, b, *rest, **more) -> str", "async quick()"],
    }


def test_an_outline_leaves_out_what_is_empty() -> None:
    assert {"module": "some.module"} == outlined("x = 1")


def test_a_module_is_not_imported(tmp_path: Path) -> None:
    source = tmp_path / "trap.py"
    source.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\ndef f(): ...\n", encoding="utf-8")

    said = condense.condense(condense.Unit("trap", source, tmp_path / "trap.yml"))

    assert f"trap: {source.stat().st_size} -> {(tmp_path / 'trap.yml').stat().st_size} bytes" == said
    assert ["trap.py", "trap.yml"] == sorted(file.name for file in tmp_path.iterdir())


def test_an_outline_of_an_earlier_run_is_replaced_whole(tmp_path: Path) -> None:
    file, [output] = share(tmp_path, ["email/header"])
    output.parent.mkdir(parents=True)
    output.write_text("old", encoding="utf-8")
    before = output.stat().st_ino

    assert 0 == condense.main([str(file)])

    assert "email.header" == yaml.safe_load(output.read_bytes())["module"]
    assert before != output.stat().st_ino
    assert [output] == list(output.parent.iterdir())


# --- ending early, and bad input

UNITS = ["email/header", "email/message", "email/policy"]


def test_the_worker_named_by_stops_ends_early_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, outputs = share(tmp_path, UNITS)

    code = condense.main([str(file), "--worker", "condense_email", "--stops", "condense_email:2"])

    assert 0 == code
    assert [True, True, False] == [output.exists() for output in outputs]
    lines = capsys.readouterr().out.splitlines()
    assert "stopping early, as --stops says: 2 of 3 units done" == lines[-1]
    assert 3 == len(lines)


@pytest.mark.parametrize("worker", ["condense_email_c1", "condense_http", ""])
def test_no_other_worker_ends_early(tmp_path: Path, worker: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, outputs = share(tmp_path, UNITS)

    code = condense.main([str(file), "--worker", worker, "--stops", "condense_email:2"])

    assert 0 == code
    assert [True, True, True] == [output.exists() for output in outputs]
    assert "stopping" not in capsys.readouterr().out


def test_a_share_smaller_than_the_stop_is_done_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, [output] = share(tmp_path, UNITS[:1])

    assert 0 == condense.main([str(file), "--worker", "condense_email", "--stops", "condense_email:2"])

    assert output.exists()
    assert "stopping" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "share.jsonl:2: not JSON: "),
        ('["email/header"]', "share.jsonl:2: expected unit, input, and one path in outputs"),
        ('{"unit": "a", "input": "b", "outputs": []}', "share.jsonl:2: expected unit, input, and one path in outputs"),
        ('{"unit": "a", "outputs": ["c"]}', "share.jsonl:2: expected unit, input, and one path in outputs"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, expected: str
) -> None:
    file, [output] = share(tmp_path, ["email/header"], worker="share")
    with file.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")

    assert 1 == condense.main([str(file)])

    assert expected in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("source", "expected"),
    [(None, NO_FILE), (b"def f(:\n", "not a Python module"), (b"x = '\0'\n", "not a Python module")],
)
def test_a_bad_module_is_named_and_has_no_outline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: bytes | None, expected: str
) -> None:
    module, output, file = tmp_path / "bad.py", tmp_path / "bad.yml", tmp_path / "share.jsonl"
    if source is not None:
        module.write_bytes(source)
    line = {"unit": "bad", "input": str(module), "outputs": [str(output)]}
    file.write_text(json.dumps(line), encoding="utf-8")

    assert 1 == condense.main([str(file)])

    said = capsys.readouterr().err
    assert expected in said
    assert str(module) in said
    assert not output.exists()


@pytest.mark.parametrize("options", [["--stops", "3"], ["--stops", "email:x"], ["--pace", "soon"], ["--pace", "-1"]])
def test_a_bad_option_is_a_usage_error(tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        condense.main([str(tmp_path / "share.jsonl"), *options])

    assert 2 == ended.value.code
    assert "expected" in capsys.readouterr().err


# --- the plans


def test_the_demo_cleans_up_after_all_have_ended_and_one_worker_is_told_to_end_early() -> None:
    demo = plan()

    assert "all" == demo.cleanup.when
    stop = demo.workers.command[demo.workers.command.index("--stops") + 1]
    worker, _, after = stop.rpartition(":")
    files = modules.modules(LIBRARY)
    share = [file for file in files if demo.workers.name.replace("{{ group.name }}", file.parent.name) == worker]
    assert 0 < int(after) < len(share)


def test_the_variant_for_claude_has_the_units_shares_and_checks_of_the_demo() -> None:
    demo, variant = plan(), plan("wakeman-claude.toml")

    assert demo.units.command == variant.units.command
    assert demo.workers.by == variant.workers.by
    assert demo.cleanup == variant.cleanup
    assert (demo.verify.max_ratio, demo.verify.parse, demo.verify.fresh) == (
        variant.verify.max_ratio,
        variant.verify.parse,
        variant.verify.fresh,
    )
    assert variant.workers.agent in variant.agents
