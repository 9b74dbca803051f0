"""The pages are correct: plans parse, verbs and options exist, links work, the tutorial runs."""

from __future__ import annotations

import ast
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import pytest

from wakeman.adapters.harness import find
from wakeman.core.plan.parser import read_plan
from wakeman.faces.cli import VERBS, parser

REPOSITORY = Path(__file__).parents[1]
LEFT_OUT = {".venv", ".clients", ".peers", ".git", ".pytest_cache", "node_modules"}
PAGES = sorted(
    page for page in REPOSITORY.rglob("*.md") if not LEFT_OUT.intersection(page.relative_to(REPOSITORY).parts)
)
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
WORDS = re.compile(r"\b(simply|robust|powerful|just|easily)\b", re.IGNORECASE)


class Block(NamedTuple):
    """One fenced block: where it stands, the words behind its fence, its text."""

    where: str
    info: str
    text: str


def _blocks(name: str) -> list[Block]:
    text = (REPOSITORY / name).read_text()
    found = re.finditer(r"^```(.*)\n([\s\S]*?)^```$", text, re.MULTILINE)
    return [Block(f"{name}:{text.count(chr(10), 0, one.start()) + 1}", one[1].strip(), one[2]) for one in found]


def _of(kind: str) -> list[Block]:
    return [block for name in NAMES for block in _blocks(name) if block.info.split(" ")[0] == kind]


PLANS = [block for block in _of("toml") if block.info == "toml plan"]
PARTS = [block for block in _of("toml") if block.info == "toml"]

# --- plans ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", PLANS, ids=[block.where for block in PLANS])
def test_a_plan_in_the_pages_parses(block: Block) -> None:
    plan = read_plan(block.text, block.where)

    assert find(plan.workers.harness).problems(plan) == []


@pytest.mark.parametrize("block", PARTS, ids=[block.where for block in PARTS])
def test_a_part_of_a_plan_in_the_pages_fits_a_plan(block: Block) -> None:
    base: dict[str, Any] = {
        "name": "part",
        "units": {"glob": "docs/*/*.md", "output": "{{ parent }}/condensed/{{ stem }}.yml"},
        "workers": {"command": ["worker", "{{ units_file }}"]},
    }
    part = tomllib.loads(block.text)
    whole = base | {key: _merged(base.get(key), value) for key, value in part.items()}
    if whole["workers"].get("harness", "command") == "claude":
        del whole["workers"]["command"]

    assert read_plan(msgspec.json.encode(whole).decode(), block.where).name == "part"


def _merged(old: object, new: object) -> object:
    return old | new if isinstance(old, dict) and isinstance(new, dict) else new


# --- verbs and options ----------------------------------------------------------------------------------------


def _calls(name: str) -> Iterator[str]:
    """Yield every command line of `wakeman` that a page shows: in a block's lines, or between backquotes."""
    text = (REPOSITORY / name).read_text()
    fenced = "\n".join(block.text for block in _blocks(name) if block.info in ("", "sh", "text"))
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```[\s\S]*?^```$", "", text, flags=re.MULTILINE))
    indented = re.findall(r"^ {4}(.+)$", text, re.MULTILINE)
    for line in (*fenced.splitlines(), *spans, *indented):
        for part in re.split(r"next: |example: |; |\| |> | #", line):
            found = re.match(r"\s*(?:\S*/)?wakeman(?: (.*))?$", part)
            if found:
                yield ((found[1] or "").strip() or "status").split(" -- ")[0]


def _options(made: ArgumentParser) -> set[str]:
    return {option for action in made._actions for option in action.option_strings}


CALLS = sorted({(name, call) for name in NAMES for call in _calls(name)})


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_a_verb_and_its_options_in_the_pages_exist(name: str, call: str) -> None:
    verb, *words = call.split()
    if verb in ("VERB", "[VERB]", "--help", "--version", "help", "version"):
        return

    assert verb in VERBS, f"{name}: wakeman {call}"
    given = {word.partition("=")[0] for word in words if re.fullmatch(r"-[a-z]|--[a-z][a-z-]*(=.*)?", word)}
    assert not given - _options(parser(verb)), f"{name}: wakeman {call}"


def test_the_pages_show_commands_at_all() -> None:
    assert len(CALLS) > 50


# --- links and words ------------------------------------------------------------------------------------------


def _links(name: str) -> Iterator[str]:
    text = re.sub(r"^```[\s\S]*?^```$", "", (REPOSITORY / name).read_text(), flags=re.MULTILINE)
    yield from (target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target)


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_between_pages_lead_somewhere(name: str) -> None:
    here = REPOSITORY / name
    for link in _links(name):
        file, _, anchor = link.partition("#")
        page = (here.parent / file).resolve() if file else here

        assert page.exists(), f"{name}: {link}"
        assert not anchor or anchor in _anchors(page), f"{name}: {link}"


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("docs/how-to/")])
def test_each_how_to_stands_in_the_index(name: str) -> None:
    assert f"({name.removeprefix('docs/')})" in (REPOSITORY / "docs/README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_pages_do_without_words_of_praise(name: str) -> None:
    assert WORDS.findall((REPOSITORY / name).read_text()) == []


# --- names of files and of what is in them ----------------------------------------------------------------------

PROSE = [name for name in NAMES if not name.startswith(("docs/reference/", "examples/")) and name != "CHANGELOG.md"]
FILES = [
    (name, file, tuple(re.findall(r"`(\w+)`", names)))
    for name in PROSE
    for file, names in re.findall(
        r"`([\w./-]+\.(?:py|sh|pl))`(?: \(([^)]*)\))?", (REPOSITORY / name).read_text().replace("\n", " ")
    )
]
DOTTED = [
    (name, dotted)
    for name in PROSE
    for dotted in re.findall(r"`(wakeman(?:\.\w+)+)(?:\(.*?\))?`", (REPOSITORY / name).read_text())
]
ON_DISK = set(re.findall(r"[\w.-]+\.sh|landlock\.pl", (REPOSITORY / "docs/reference/state.md").read_text()))
"""Scripts that a deployment holds: they are made, and have no file here."""


def _found(file: str) -> Path | None:
    places = (REPOSITORY / "src/wakeman" / file, REPOSITORY / "src" / file, REPOSITORY / file)
    inside = [] if "/" in file else list((REPOSITORY / "src").rglob(file))
    return next((place for place in (*places, *inside) if place.is_file()), None)


def _defined(body: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that a module or a class defines: functions, classes, constants, fields."""
    for node in body:
        match node:
            case ast.ClassDef(name=name, body=inner):
                yield name
                yield from _defined(inner)
            case ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case _:
                pass


def _definitions(file: Path) -> set[str]:
    text = file.read_text()
    if file.suffix == ".py":
        return set(_defined(ast.parse(text).body))
    return set(re.findall(r"^\s*(?:sub |export )?(\w+)(?:\(\)| ?=| \{)", text, re.MULTILINE))


@pytest.mark.parametrize(("name", "file", "inside"), sorted(set(FILES)))
def test_a_file_in_the_pages_exists_and_defines_what_is_named_with_it(
    name: str, file: str, inside: tuple[str, ...]
) -> None:
    found = _found(file)
    if found is None and file.rpartition("/")[2] in ON_DISK:
        return

    assert found is not None, f"{name}: {file}"
    assert not set(inside) - _definitions(found), f"{name}: {file}"


@pytest.mark.parametrize(("name", "dotted"), sorted(set(DOTTED)))
def test_a_dotted_name_in_the_pages_can_be_imported(name: str, dotted: str) -> None:
    assert resolve_name(dotted) is not None, name


@pytest.mark.parametrize("block", _of("python"), ids=lambda block: block.where)
def test_what_an_example_in_the_pages_imports_exists(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wakeman"):
            module = import_module(str(node.module))
            for alias in node.names:  # a name of the module, or a module in it, which need not be imported yet
                named = getattr(module, alias.name, None) or import_module(f"{node.module}.{alias.name}")
                assert named is not None


def test_the_pages_name_files_and_what_is_in_them_at_all() -> None:
    assert len(FILES) > 100
    assert len([file for file in FILES if file[2]]) > 50
    assert DOTTED


def test_the_map_of_the_code_names_its_files() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `((?:core|engine|audit|api|faces)[a-z/]*)` \| (.+) \|$", text, re.MULTILINE)
    named = {room: set(re.findall(r"`(\w+)`", files)) for room, files in rows}

    there: dict[str, set[str]] = {}
    for room in ("core", "engine", "audit", "api", "faces"):
        for file in (REPOSITORY / "src/wakeman" / room).rglob("*.py"):
            if file.stem != "__init__":
                there.setdefault(str(file.parent.relative_to(REPOSITORY / "src/wakeman")), set()).add(file.stem)
    assert there == named


# --- what runs ------------------------------------------------------------------------------------------------


def _environment(directory: Path) -> Mapping[str, str]:
    """Return an environment of its own: home, tmux sockets and state are all in the directory."""
    (directory / "bin").mkdir()
    (directory / "bin" / "wakeman").write_text(f'#!/bin/sh\nexec {sys.executable} -m wakeman "$@"\n')
    (directory / "bin" / "wakeman").chmod(0o755)
    path = f"{directory / 'bin'}:{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "HOME": str(directory), "TMUX_TMPDIR": str(directory), "LANG": "C.UTF-8"}


SAME_ANYWHERE = {
    "docs/tutorial.md": ("wakeman plan", "wakeman rehearse", "cat state", "wakeman clean"),
    "docs/how-to/after-a-partial-night.md": ("wakeman up", "wakeman capture", "echo none"),
    "docs/how-to/from-hang-to-question.md": ("cat > hang.toml",),
}
"""Pages that are typed, and their commands that print the same on each machine, however quick it is."""
OTHERS = {
    r"\S+/tmux-\d+/": "TMUX/",
    r"\S*/night\b": "NIGHT",
    r"\d{8}T\d{6}Z": "TIME",
}
"""What differs in it."""


class Typed(NamedTuple):
    """What came of a page whose commands were typed: all that was printed, and what lies in `night/turned`."""

    printed: str
    outputs: list[str]


def _typed(name: str, between: str = "") -> Typed:
    """Type a page's commands in an empty folder, and compare what the same commands print with what the page shows."""
    blocks = [block for block in _blocks(name) if block.info in ("sh", "text")]
    steps = [block for block in blocks if block.info == "sh"]
    script = "set -eu\nexec 2>&1\n" + "".join(
        f"echo '--- {step.where}'\n{step.text}{between if 'wakeman up' in step.text else ''}" for step in steps
    )
    with TemporaryDirectory(prefix="wt", dir="/tmp", ignore_cleanup_errors=True) as place:
        directory = Path(place)
        environment = _environment(directory)
        try:
            ran = subprocess.run(
                ["sh", "-c", script], cwd=directory, env=environment, capture_output=True, text=True, timeout=240
            )
        finally:
            subprocess.run(["tmux", "-L", "wakeman", "kill-server"], env=environment, capture_output=True)
        outputs = sorted(path.parent.name + path.name for path in directory.glob("night/turned/*/*.txt"))

    assert ran.returncode == 0, ran.stdout
    printed = dict(part.split("\n", 1) for part in ran.stdout.split("--- ")[1:])
    shown = {step.where: page.text for step, page in itertools.pairwise(blocks) if page.info == "text"}
    alike = [step.where for step in steps if step.text.startswith(SAME_ANYWHERE[name]) and step.where in shown]
    assert len(SAME_ANYWHERE[name]) == len(alike)
    for where in alike:
        assert sorted(_plain(printed[where])) == sorted(_plain(shown[where])), where
    return Typed(ran.stdout, outputs)


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is missing")
def test_the_tutorial_runs_from_its_first_line_to_its_last_and_shows_what_is_printed() -> None:
    second = "env -u WAKEMAN_STATE wakeman status turn >/dev/null\n"  # as another terminal in the folder would see it

    ran = _typed("docs/tutorial.md", second)

    assert "turn: wrap up: 10/10 done, complete" in ran.printed
    assert ran.outputs == [f"{side}{n}.txt" for side in "ab" for n in range(1, 6)]
    assert _rows((REPOSITORY / "docs/tutorial.md").read_text()) == _rows(ran.printed)


def _rows(text: str) -> list[str]:
    """Return what `doctor` looks at, and where it says that the state directory comes from."""
    return re.findall(r"^(?:ok|weak|missing) +([\w.]+) |state/?( \(.+\))$", text, re.MULTILINE)


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is missing")
def test_the_page_on_a_partial_night_makes_one_and_finishes_it() -> None:
    ran = _typed("docs/how-to/after-a-partial-night.md")

    assert "✗ 1 unit    missing: turn_b_c1, exit status 0" in ran.printed
    assert "✓ turn.2     complete  1/1" in ran.printed
    assert ran.outputs == [f"{side}{n}.txt" for side in "ab" for n in range(1, 4)]


def test_the_page_on_hangs_shows_what_a_rehearsal_prints() -> None:
    assert "investigate -> capture, ask" in _typed("docs/how-to/from-hang-to-question.md").printed


def _plain(text: str) -> list[str]:
    for other, word in OTHERS.items():
        text = re.sub(other, word, text)
    return text.splitlines()


@pytest.mark.real
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is missing")
def test_the_check_of_a_log_without_wakeman_finds_a_change() -> None:
    [reader] = [block.text for block in _blocks("docs/reference/state.md") if block.info == "python"]
    with TemporaryDirectory(prefix="wt", dir="/tmp", ignore_cleanup_errors=True) as place:
        directory = Path(place)
        environment = {**_environment(directory), "WAKEMAN_STATE": str(directory / "state")}
        try:
            run = ["wakeman", "run", "--items", "a", "--output", "{{ unit }}", "--wait", "--timeout", "60", "--"]
            subprocess.run(
                [*run, "touch", "{{ group.key }}"], cwd=directory, env=environment, capture_output=True, timeout=90
            )
            subprocess.run(["wakeman", "down", "run"], cwd=directory, env=environment, capture_output=True, timeout=60)
        finally:
            subprocess.run(["tmux", "-L", "wakeman", "kill-server"], env=environment, capture_output=True)
        log = directory / "state" / "run" / "events.jsonl"
        whole = _judge(reader, log)
        log.write_text(log.read_text().replace('"seq":3,"at":"2', '"seq":3,"at":"1', 1))
        changed = _judge(reader, log)

    assert (whole.returncode, whole.stderr) == (0, "")
    assert changed.stderr.splitlines()[-1] == "AssertionError: line 3"


def _judge(reader: str, log: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", reader, str(log)], capture_output=True, text=True, timeout=30)
