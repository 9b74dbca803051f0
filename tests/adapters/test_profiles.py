"""Agent profiles come from the user's file and from the plan; a fault in the file is reported with its position."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import hostile
from tests.words import THEIRS, fits

from wakeman.adapters.disk import Disk
from wakeman.adapters.profiles import SHIPPED, ProfileFiles, choose_agent
from wakeman.adapters.profiles import collect_profiles as every
from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.model import Agent, Plan, UnitsSpec

PLAN = Plan(name="night", units=UnitsSpec(items=("a",)))
OWN = Agent(description="mine", prompt="Mine.")
LIBRARIAN = Agent(description="condenses", prompt="Condense.", tools=("Read", "Write"), model="haiku")
FILE = """{
  "librarian": {
    "description": "condenses",
    "prompt": "Condense.",
    "tools": ["Read", "Write"],
    "model": "haiku",
    "colour": "blue"
  }
}
"""


def profiles(home: str, plan: Plan, files: Disk, config: str = "") -> dict[str, tuple[Agent, str]]:
    """Return all but those that come along."""
    found = every(home, plan, files, config)
    return {name: (agent, origin) for name, (agent, origin) in found.items() if origin != "wakeman"}


PAGE = """---
name: librarian
description: "condenses"
# a comment
tools: Read, Write
model: haiku
---

Condense.
"""


def paged(home: Path, text: str) -> str:
    path = home / "agents/any.md"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return str(path)


def test_five_profiles_come_along_each_with_what_it_is_for(tmp_path: Path) -> None:
    found = every(str(tmp_path), PLAN, Disk())

    assert ["librarian", "custodian", "dev-lead", "reviewer", "ops"] == list(found)
    assert all(agent.description and agent.prompt for agent, _ in found.values())
    assert {"wakeman"} == {origin for _, origin in found.values()}


def test_a_page_is_a_profile_and_the_file_of_all_counts_before_it(tmp_path: Path) -> None:
    path = paged(tmp_path / ".claude", PAGE)
    page = profiles(str(tmp_path), PLAN, Disk())
    (tmp_path / ".claude/agents.json").write_text(FILE.replace("haiku", "opus"))

    assert ({"librarian": (LIBRARIAN, path)}, "opus") == (
        page,
        profiles(str(tmp_path), PLAN, Disk())["librarian"][0].model,
    )


def test_pages_lie_where_claude_s_directory_is(tmp_path: Path) -> None:
    paged(tmp_path / "own", PAGE.replace("tools: Read, Write\nmodel: haiku\n", ""))

    agent, _ = profiles("/none", PLAN, Disk(), str(tmp_path / "own"))["librarian"]

    assert Agent(description="condenses", prompt="Condense.") == agent


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "found no keys between two lines of dashes at its beginning"),
        (b"# My agents\n\nNotes.\n", "found no keys between two lines of dashes at its beginning"),
        (b"---\nname: x\n", "found no keys between two lines of dashes at its beginning"),
        (b"---\nname: x\n---\nPrompt", "found no name, or no description"),
        (b"---\ndescription: x\n---\nPrompt", "found no name, or no description"),
        (b"---\nname: [x]\ndescription: {a: b}\n---\nPrompt", "found no name, or no description"),
        (b"---\n- name\n- x\n---\nPrompt", "found no name, or no description"),
        (b"---\nname: x\ndescription: caf\xe9\n---\n", "3: found a byte that is not UTF-8"),
        (b"---\nname: x\0\n---\n", "2: found a NUL"),
        (b"---\nname: " + b"[" * 100_000 + b"\n---\n", "found more than 16384 characters of keys"),
        (b"---\nname: " + b"[" * 10_000 + b"\n---\n", "found no name, or no description"),
        (b"a" * (2**20 + 1), "more than 1048576 bytes, expected at most that"),
    ],
)
def test_a_page_that_is_no_profile_is_passed_over_with_a_note(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / ".claude/agents").mkdir(parents=True)
    path = tmp_path / ".claude/agents/README.md"
    path.write_bytes(text)
    found = ProfileFiles(str(tmp_path), Disk())

    assert set(SHIPPED) == found.of(PLAN).keys() == {"librarian", "custodian", "dev-lead", "reviewer", "ops"}
    assert [f"{path}: passed over: {said}"] == found.notes


def test_a_page_that_is_no_file_is_passed_over_too(tmp_path: Path) -> None:
    pages = tmp_path / ".claude/agents"
    pages.mkdir(parents=True)
    os.mkfifo(pages / "fifo.md")
    (pages / "nothing.md").symlink_to("nowhere")
    (pages / "directory.md").mkdir()
    (pages / "loop.md").symlink_to("loop.md")
    found = ProfileFiles(str(tmp_path), Disk())
    found.of(PLAN)

    assert 4 == len(found.notes)


FRONTS = {
    "description: d\ntools: Bash(git diff:*, git log:*), Read": Agent(
        "d", "P", ("Bash(git diff:*, git log:*)", "Read")
    ),
    'description: |\n  One.\n  Two.\ntools: [Read, "Grep"]': Agent("One.\nTwo.", "P", ("Read", "Grep")),
    "description: >-  # folded\n  One\n  two.\ntools:\n  - Read\nmodel: opus # large": Agent(
        "One two.", "P", ("Read",), "opus"
    ),
    "description: Use it when: asked.\ntools: Read\n# no YAML": Agent("Use it when: asked.", "P", ("Read",)),
    "description: d\nhooks: {a: [b, {c: d}]}\nanchor: &x y\nalias: *x\nmodel: haiku": Agent("d", "P", None, "haiku"),
}


@pytest.mark.parametrize(("front", "agent"), FRONTS.items())
def test_the_keys_of_a_page_are_yaml(tmp_path: Path, front: str, agent: Agent) -> None:
    path = paged(tmp_path / ".claude", f"\ufeff---\nname: x\n{front}\n---\n\nP\n")

    assert {"x": (agent, path)} == profiles(str(tmp_path), PLAN, Disk())


PAGES = [PAGE, PAGE.replace("tools: Read, Write", "tools: [Read, {a: *b}]"), "---\nname: x\n---\n", FILE]


@hostile.often(150)
@given(data=st.data())
def test_any_page_and_any_file_of_agents_is_read_or_refused(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(PAGES))
    at = data.draw(st.integers(0, len(text)))
    bad = data.draw(st.one_of(hostile.BYTES, hostile.TEXTS.map(lambda said: said.encode("utf-8", "surrogatepass"))))
    page = text[:at].encode() + bad + text[data.draw(st.integers(at, len(text))) :].encode()
    with TemporaryDirectory() as place:
        home = Path(place)
        paged(home / ".claude", "")
        (home / ".claude/agents/any.md").write_bytes(page)
        hostile.within_bounds(lambda: profiles(place, PLAN, Disk()))
        (home / ".claude/agents.json").write_bytes(page)
        with suppress(UsageError):
            hostile.within_bounds(lambda: profiles(place, PLAN, Disk()))


def written(home: Path, text: str | bytes) -> str:
    path = home / ".claude/agents.json"
    path.parent.mkdir()
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def with_agents(**agents: Agent) -> Plan:
    return Plan(name="night", units=UnitsSpec(items=("a",)), agents=agents)


def test_without_a_file_there_are_the_plan_s_profiles_only(tmp_path: Path) -> None:
    assert {"own": (OWN, "plan")} == profiles(str(tmp_path), with_agents(own=OWN), Disk())


def test_a_profile_of_the_file_names_its_file_and_unknown_keys_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)

    assert {"librarian": (LIBRARIAN, path)} == profiles(str(tmp_path), PLAN, Disk())


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + FILE)

    assert {"librarian": (LIBRARIAN, path)} == profiles(str(tmp_path), PLAN, Disk())


def test_of_two_profiles_with_one_name_the_plan_s_counts(tmp_path: Path) -> None:
    written(tmp_path, FILE)

    assert {"librarian": (OWN, "plan")} == profiles(str(tmp_path), with_agents(librarian=OWN), Disk())


def test_tools_may_be_names_between_commas(tmp_path: Path) -> None:
    written(tmp_path, '{"a": {"description": "d", "prompt": "p", "tools": "Read, Bash(git:*),"}}')

    assert ("Read", "Bash(git:*)") == profiles(str(tmp_path), PLAN, Disk())["a"][0].tools


EXPECTED = "expected { NAME: { description, prompt, tools?, model? } }"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", f"1:1: not JSON: {THEIRS}"),
        ('{\n  "a": {},,\n}', f"2:11: not JSON: {THEIRS}"),
        ("[1]", "1:1: found no object"),
        ('{\n  "a": 7}', f"2:3: a: {THEIRS}"),
        ('{\n  "a": {"description": "d"}}', f"2:3: a: {THEIRS}"),
        (
            '{"a": {"description": "d", "prompt": "p"},\n "b": {"description": "\\"prompt\\": x",\n  "prompt": 7}}',
            f"3:3: b.prompt: {THEIRS}",
        ),
        (
            '{"a": {"description": "d", "prompt": "p",\n "tools": ["Read", 7]}}',
            f"2:2: a.tools: {THEIRS}",
        ),
        (b'{"a": {"description": "\xff", "prompt": "p"}}', f"1:2: a: {THEIRS}"),
        (b'{"\xff": {}}', "1:1: found bytes that are not UTF-8"),
        ('{"a": ' + "[" * 100_000, "1:1: nested too deep"),
    ],
)
def test_what_is_wrong_in_the_file_is_pointed_at(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        profiles(str(tmp_path), PLAN, Disk())

    assert fits(f"{path}:{said}, {EXPECTED}", str(caught.value)), caught.value


def test_a_profile_is_chosen_by_name() -> None:
    assert OWN == choose_agent("own", {"own": (OWN, "plan")})


def test_a_missing_profile_lists_those_there_and_the_nearest() -> None:
    known = {"librarian": (LIBRARIAN, "plan"), "ops": (OWN, "plan")}

    with pytest.raises(UnknownNameError, match=r"found 'libarian', expected .*: librarian, ops; did you mean 'libr"):
        choose_agent("libarian", known)


def test_where_there_are_no_profiles_the_error_says_where_to_put_one() -> None:
    with pytest.raises(UnknownNameError, match="known: none") as caught:
        choose_agent("ops", {})

    assert "add it to ~/.claude/agents.json" in caught.value.hint
