"""Agent profiles come from the user's file and from the plan; a fault in the file is reported with its position."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import hostile
from tests.words import THEIRS, fits

from wakeman.adapters.disk import Disk
from wakeman.adapters.profiles import SHIPPED, ProfileFiles
from wakeman.core.model import Agent, Plan, UnitsSpec
from wakeman.ports import FoundProfiles

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


def every(home: Path | str, plan: Plan = PLAN, *, config: str = "", root: str = "") -> FoundProfiles:
    return ProfileFiles(str(home), Disk(), config).of(plan, root)


def profiles(home: Path | str, plan: Plan = PLAN, *, config: str = "", root: str = "") -> dict[str, tuple[Agent, str]]:
    """Return all but those that come along, with their origins."""
    found = every(home, plan, config=config, root=root)
    origins = {name: origin for name, origin in found.origins.items() if origin != "wakeman"}
    return {name: (found.known[name], origin) for name, origin in origins.items() if name in found.known}


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
    found = every(tmp_path)

    assert ["librarian", "custodian", "dev-lead", "reviewer", "ops"] == list(found.known)
    assert all(agent.description and agent.prompt for agent in found.known.values())
    assert {"wakeman"} == {*found.origins.values()}


def test_a_page_is_a_profile_and_the_file_of_all_counts_before_it(tmp_path: Path) -> None:
    path = paged(tmp_path / ".claude", PAGE)
    page = profiles(tmp_path)
    (tmp_path / ".claude/agents.json").write_text(FILE.replace("haiku", "opus"))

    assert ({"librarian": (LIBRARIAN, path)}, "opus") == (
        page,
        profiles(tmp_path)["librarian"][0].model,
    )


def test_pages_lie_where_claude_s_directory_is(tmp_path: Path) -> None:
    paged(tmp_path / "own", PAGE.replace("tools: Read, Write\nmodel: haiku\n", ""))

    agent, _ = profiles("/none", config=str(tmp_path / "own"))["librarian"]

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
    found = every(tmp_path)

    assert set(SHIPPED) == found.known.keys()
    assert ((f"{path}: passed over: {said}",), {}, "") == (found.notes, found.faults, found.broken)


def test_a_page_that_is_no_file_is_passed_over_too(tmp_path: Path) -> None:
    pages = tmp_path / ".claude/agents"
    pages.mkdir(parents=True)
    os.mkfifo(pages / "fifo.md")
    (pages / "nothing.md").symlink_to("nowhere")
    (pages / "directory.md").mkdir()
    (pages / "loop.md").symlink_to("loop.md")

    assert 4 == len(every(tmp_path).notes)


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

    assert {"x": (agent, path)} == profiles(tmp_path)


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
        hostile.within_bounds(lambda: profiles(place))
        (home / ".claude/agents.json").write_bytes(page)
        hostile.within_bounds(lambda: profiles(place))


def written(home: Path, text: str | bytes) -> str:
    path = home / ".claude/agents.json"
    path.parent.mkdir()
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def with_agents(**agents: Agent) -> Plan:
    return Plan(name="night", units=UnitsSpec(items=("a",)), agents=agents)


def test_without_a_file_there_are_the_plan_s_profiles_only(tmp_path: Path) -> None:
    assert {"own": (OWN, "plan")} == profiles(tmp_path, with_agents(own=OWN))


def test_a_profile_of_the_file_names_its_file_and_unknown_keys_are_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)

    assert {"librarian": (LIBRARIAN, path)} == profiles(tmp_path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + FILE)

    assert {"librarian": (LIBRARIAN, path)} == profiles(tmp_path)


def test_of_two_profiles_with_one_name_the_plan_s_counts(tmp_path: Path) -> None:
    written(tmp_path, FILE)

    assert {"librarian": (OWN, "plan")} == profiles(tmp_path, with_agents(librarian=OWN))


def test_tools_may_be_names_between_commas(tmp_path: Path) -> None:
    written(tmp_path, '{"a": {"description": "d", "prompt": "p", "tools": "Read, Bash(git:*),"}}')

    assert ("Read", "Bash(git:*)") == profiles(tmp_path)["a"][0].tools


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

    found = every(tmp_path)

    faults = [*found.faults.values(), *filter(None, [found.broken])]
    assert [True] == [fits(f"{path}:{said}, {EXPECTED}", fault) for fault in faults], faults


# --- where pages are ------------------------------------------------------------------------------------------


def put(path: Path, name: str = "librarian", prompt: str = "Condense.", more: str = "") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\nname: {name}\ndescription: d\n{more}---\n{prompt}\n")
    return str(path)


@pytest.mark.parametrize("name", [".hidden.md", "._apple.md", ".#lock.md"])
def test_hidden_pages_are_passed_over(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / ".claude/agents" / name, "x")

    found = every(tmp_path)

    assert (False, (f"{path}: passed over: its name begins with a dot",)) == ("x" in found.known, found.notes)


def test_other_files_are_no_pages(tmp_path: Path) -> None:
    for name in ("a.txt", "a.MD", "a.md~", "a"):
        put(tmp_path / ".claude/agents" / name, "x")

    assert (set(SHIPPED), ()) == (set(every(tmp_path).known), every(tmp_path).notes)


def test_pages_may_lie_below_one_another_and_be_links(tmp_path: Path) -> None:
    own = tmp_path / ".claude/agents"
    deep = put(own / "a/b/deep.md", "deep")
    put(tmp_path / "elsewhere/linked.md", "linked")
    (own / "link").symlink_to(tmp_path / "elsewhere")
    (own / "again").symlink_to(own)

    assert {"deep": deep, "linked": f"{own}/link/linked.md"} == {
        name: origin for name, (_, origin) in profiles(tmp_path).items()
    }


def test_the_project_s_pages_count_before_the_user_s_and_the_nearest_before_all(tmp_path: Path) -> None:
    home, top = tmp_path / "home", tmp_path / "project"
    user = put(home / ".claude/agents/a.md", "user")
    for name in ("both", "near"):
        put(home / f".claude/agents/{name}.md", name)
        put(top / f".claude/agents/{name}.md", name)
    near = put(top / "in/.claude/agents/near.md", "near")
    (top / ".git").mkdir()

    found = profiles(home, root=str(top / "in"))

    assert {"user": user, "both": f"{top}/.claude/agents/both.md", "near": near} == {
        name: origin for name, (_, origin) in found.items()
    }


def test_outside_a_repository_only_the_plan_s_own_directory_has_pages(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents/above.md", "above")
    here = put(tmp_path / "in/.claude/agents/here.md", "here")

    assert {"here": here} == {
        name: origin for name, (_, origin) in profiles(tmp_path / "home", root=str(tmp_path / "in")).items()
    }


def test_two_pages_of_one_name_in_one_place_are_a_fault_that_names_both(tmp_path: Path) -> None:
    one = put(tmp_path / ".claude/agents/a.md")
    two = put(tmp_path / ".claude/agents/sub/b.md")

    assert {"librarian": f"{two}: found the profile 'librarian', which is in {one} too; expected one"} == {
        **every(tmp_path).faults
    }


def test_a_fault_is_gone_where_a_profile_counts_before_it(tmp_path: Path) -> None:
    put(tmp_path / ".claude/agents/a.md", more="tools: 7\n")

    assert {"librarian"} == every(tmp_path).faults.keys()
    assert {} == every(tmp_path, with_agents(librarian=OWN)).faults
    (tmp_path / ".claude/agents.json").write_text(FILE)
    assert {} == every(tmp_path).faults


def test_keys_that_are_not_passed_on_are_noted(tmp_path: Path) -> None:
    path = put(tmp_path / ".claude/agents/a.md", more="skills: x\nhooks: {}\n")

    assert (f"{path}: not passed on: hooks, skills",) == every(tmp_path).notes


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('"description": "d", "prompt": ""', "a.prompt: found nothing but blanks"),
        ('"description": " ", "prompt": "p"', "a.description: found nothing but blanks"),
        ('"description": "d", "prompt": "p", "disallowedTools": ["Bash"]', "a.disallowedTools: it is not passed on"),
        ('"description": "d", "prompt": "p", "tools": "Bash(a b), Read Grep"', "a.tools: found 'Read Grep'"),
    ],
)
def test_an_entry_that_would_mean_something_else_is_a_fault_of_its_own(tmp_path: Path, entry: str, said: str) -> None:
    path = written(tmp_path, f'{{"a": {{{entry}}},\n "b": {{"description": "d", "prompt": "p"}}}}')
    found = every(tmp_path)

    assert found.faults["a"].startswith(f"{path}:1:")
    assert said in found.faults["a"]
    assert ("b" in found.known, found.fault("b"), "a" in found.known) == (True, "", False)


def test_a_file_that_cannot_be_read_is_a_fault_of_every_profile_but_the_plan_s(tmp_path: Path) -> None:
    written(tmp_path, "{")
    found = every(tmp_path, with_agents(own=OWN))

    assert ("", True) == (found.fault("own"), "not JSON" in found.fault("librarian"))
