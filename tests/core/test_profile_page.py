"""Pages of profiles mean what Claude Code takes them for; where that is not what is written, it is a fault.

What it takes was found out with versions 2.1.197 and 2.1.332: `--agent NAME` lists the names that it has found, and its
requests show tools, model and prompt.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.gate import Refused
from wakeman.core.model import Agent
from wakeman.core.profile_page import FRONT_MATTER_CHARS_MAX, Page, read_page, split_tools


def read(front: str, prompt: str = "P") -> Page | Refused:
    return read_page(f"---\n{front}\n---\n{prompt}\n".encode())


def page(front: str) -> Page:
    found = read(f"name: x\ndescription: d\n{front}")
    assert isinstance(found, Page), found
    return found


# --- which pages are profiles, and of what name -----------------------------------------------------------------

NAMES = {
    "name: good\ndescription: d": "good",
    "name: no\ndescription: d": "no",
    "name: yes\ndescription: d": "yes",
    'name: "5"\ndescription: d': "5",
    "name: !!str 5\ndescription: d": "5",
    "name: !x y\ndescription: d": "y",
    "name: two words\ndescription: d": "two words",
    "name: &n anchors\ndescription: *n": "anchors",
    "name:\ttabs\ndescription:\td": "tabs",
    "name: w # comment\ndescription: d # comment": "w",
    "# comment\nname: w\n\ndescription: d": "w",
    "  name: indented\n  description: d": "indented",
    "{name: flow, description: d}": "flow",
    "name: one\nname: two\ndescription: d": "two",
    "name: w\ndescription: Use it when: asked.": "w",
    "name: w\ndescription: d\nother: [unclosed": "w",
    "name: w\ndescription: d\nother: @x": "w",
    "name: w\ndescription: d\n...": "w",
    "name: w\ndescription: it's": "w",
    'name: " w "\ndescription: "  "': " w ",
    "name: w\ndescription: 2024-01-01": "w",
    "name: w\ndescription: 1_000": "w",
    "name: w\ndescription: 12:30": "w",
    "name: w\ndescription: 0b1": "w",
    "name: w\ndescription: nUll": "w",
    "name: w\ndescription: 1e": "w",
    "name: w\ndescription: 1.5.2": "w",
    "name: w\ndescription: =": "w",
}


@pytest.mark.parametrize(("front", "name"), NAMES.items())
def test_what_claude_code_takes_for_a_profile_is_one(front: str, name: str) -> None:
    found = read(front)

    assert isinstance(found, Page), found
    assert (name, "P", "") == (found.name, found.agent.prompt, found.fault)


NONE = [
    "name: w", "description: d", "name: [w]\ndescription: d", "name: 123\ndescription: d", "name: w\ndescription: 5",
    "name: w\ndescription: {a: b}", "name: w\ndescription: [a, b]", "name: w\ndescription:", 'name: ""\ndescription: d',
    "name: w\ndescription: |", "Name: w\nDescription: d", "- name\n- w", "", "name", "name: *n\ndescription:",
    *(f"name: w\ndescription: {word}" for word in (
        "0o17", "1e3", "0x1f", ".5", "~", "Null", "null", "TRUE", "True", "false", ".inf", "+.inf", ".NaN", "+1", "1.",
        "-0", "010", "08",
    )),
]  # fmt: skip


@pytest.mark.parametrize("front", NONE)
def test_a_page_without_a_text_as_name_and_description_is_none(front: str) -> None:
    assert Refused("found no name, or no description") == read(front)


@pytest.mark.parametrize(
    ("front", "why"),
    [
        ("name: w\n\tdescription: d", "3: found keys that are no YAML: "),
        ('name: w\ndescription: a: b\nother: "x', "5: found keys that are no YAML: "),
        ("name: w\ndescription: a: b\n  more", "4: found keys that are no YAML: "),
        ("name: w\x01\ndescription: d", "found keys that are no YAML: not readable"),
    ],
)
def test_keys_that_are_no_yaml_even_with_quotes_are_none(front: str, why: str) -> None:
    found = read(front)

    assert isinstance(found, Refused)
    assert found.why.startswith(why)
    assert why.endswith("not readable") == found.why.endswith("not readable")


@pytest.mark.parametrize(
    "text",
    [
        "", "# Notes\n", "---\n", "---\nname: w\ndescription: d\n", "\n---\nname: w\ndescription: d\n---\nP\n",
        "----\nname: w\ndescription: d\n---\nP\n", "---x\nname: w\ndescription: d\n---\nP\n",
    ],
)  # fmt: skip
def test_without_two_lines_of_dashes_there_are_no_keys(text: str) -> None:
    assert Refused("found no keys between two lines of dashes at its beginning") == read_page(text.encode())


@pytest.mark.parametrize(
    "data", [b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", b"---\nname: caf\xe9\n---\n", b"\xff\xfe"]
)
def test_what_is_no_text_is_none(data: bytes) -> None:
    assert isinstance(read_page(data), Refused)


def test_line_ends_blanks_and_a_mark_before_make_no_difference() -> None:
    expected = read("name: w\ndescription: d")

    assert expected == read_page(b"\xef\xbb\xbf---  \r\nname: w\r\ndescription: d\r\n--- \t\r\n\r\n  P \r\n\r\n")


def test_keys_longer_than_the_bound_are_not_read() -> None:
    found = read("name: w\nx: " + "y" * FRONT_MATTER_CHARS_MAX)

    assert isinstance(found, Refused)
    assert found.much
    most = "name: w\ndescription: d\nx: "
    assert isinstance(read(most + "y" * (FRONT_MATTER_CHARS_MAX - len(most) - 1)), Page)  # with the end of its line


# --- tools and model --------------------------------------------------------------------------------------------

TOOLS: dict[str, tuple[str, ...] | None] = {
    "color: red": None,
    'tools: "*"': None,
    "tools: *": None,
    'tools: ["*"]': None,
    "tools: []": (),
    "tools: Read": ("Read",),
    "tools: Read, Grep": ("Read", "Grep"),
    "tools: Read,Grep,": ("Read", "Grep"),
    "tools: Read Grep": ("Read", "Grep"),
    "tools: Read,\n  Grep": ("Read", "Grep"),
    "tools: Read,\tGrep": ("Read", "Grep"),
    'tools: "Read, Grep"': ("Read", "Grep"),
    "tools: [Read, Grep]": ("Read", "Grep"),
    'tools: ["Read, Grep"]': ("Read", "Grep"),
    "tools:\n  - Read\n  - Grep": ("Read", "Grep"),
    "tools:\n- Read # why\n- 'Grep'": ("Read", "Grep"),
    "tools: Bash(git diff:*, git log:*), Read": ("Bash(git diff:*, git log:*)", "Read"),
    "tools: Bash(git diff: x), Read": ("Bash(git diff: x)", "Read"),
    "tools: mcp__a__b, Task(a, b)": ("mcp__a__b", "Task(a, b)"),
    "x: &t [Read]\ntools: *t": ("Read",),
    "tools: Read # only": ("Read",),
    "other: a: b\ntools: [Read, Grep]": ("Read", "Grep"),
    'other: a: b\ntools: "Read"': ("Read",),
    "other: a: b\ntools: Bash(git diff:*), Read": ("Bash(git diff:*)", "Read"),
    "other: a: b\ntools:\n  - Read": ("Read",),
    "tools: Read\ntools: Grep": ("Grep",),
}


@pytest.mark.parametrize(("front", "tools"), TOOLS.items())
def test_tools_are_what_claude_code_takes(front: str, tools: tuple[str, ...] | None) -> None:
    found = page(front)

    assert ("", tools) == (found.fault, found.agent.tools)


MODELS: dict[str, str | None] = {
    "color: red": None, "model: opus # the large one": "opus", "model:": None, "model: ~": None, 'model: ""': None,
    "model: inherit": "inherit", "model: 'haiku'": "haiku", "other: a: b\nmodel: opus": "opus",
}  # fmt: skip


@pytest.mark.parametrize(("front", "model"), MODELS.items())
def test_the_model_is_the_one_that_claude_code_takes(front: str, model: str | None) -> None:
    found = page(front)

    assert ("", model) == (found.fault, found.agent.model)


FAULTS = {
    "tools: 7": "4: tools: found a number; expected names",
    "tools: true": "4: tools: found a truth value; expected names",
    "tools:": "4: tools: found nothing; expected names",
    "tools: ~": "4: tools: found nothing; expected names",
    'tools: ""': "4: tools: found no name in it",
    'tools: ","': "4: tools: found no name in it",
    "tools: {Read: true}": "4: tools: found a table; expected names",
    "# c\ntools: [Read, 7]": "5: tools: found a number in its list",
    "tools: [[Read], Grep]": "4: tools: found a list in its list",
    "tools: [Bash(git diff:*, git log:*), Read]": "4: tools: found 'Bash(git diff:*'; expected names with commas",
    "tools: |\n  Read\n  Grep": "4: tools: found 'Read\\nGrep'; expected names with commas",
    "tools: Bash(a b), Read Grep": "4: tools: found 'Read Grep'; expected names with commas",
    "model: 7": "4: model: found a number; expected a name",
    "model: [opus]": "4: model: found a list; expected a name",
    "model: {a: b}": "4: model: found a table; expected a name",
    "model: true": "4: model: found a truth value; expected a name",
    "disallowedTools: Bash": "4: disallowedTools: found it, which is not passed on",
    "other: a: b\nmodel: opus # big": "5: model: found 'opus # big' beside a value that is no YAML",
    "other: a: b\ntools: >-\n": "5: tools: found '>-' beside a value that is no YAML",
    "x: a --- b\ntools: Read": "4: found '---' among its keys",
    "# ------\ntools: Read": "4: found '---' among its keys",
    "x: &t {a: b}\ntools: *t": "5: tools: found a table; expected names",  # where it is said, not where it is meant
    "other: a: b\nmodel: 7": "5: model: found a number; expected a name",
    "tools: Read, Bash(a": "4: tools: found 'Bash(a'; expected names with commas",
    "x: |\n  ---": "5: found '---' among its keys",
}


@pytest.mark.parametrize(("front", "fault"), FAULTS.items())
def test_what_claude_code_takes_otherwise_is_a_fault_with_its_line(front: str, fault: str) -> None:
    assert page(front).fault.startswith(fault), page(front).fault


def test_a_line_of_dashes_is_counted_from_the_first_line_of_the_page() -> None:
    found = read("\n# ---\nname: w\ndescription: d")

    assert isinstance(found, Page)
    assert found.fault.startswith("3: found '---' among its keys")


@pytest.mark.parametrize("name", ["tidy: up", "now: x", "other: x", "note: x"])
def test_a_value_that_is_no_yaml_is_a_text_as_it_stands(name: str) -> None:
    found = read(f"name: {name}\ndescription: d")

    assert isinstance(found, Page)
    assert (name, "") == (found.name, found.fault)


def test_an_alias_of_nothing_is_a_text_as_it_stands() -> None:
    assert ("*none",) == page("tools: *none").agent.tools


def test_a_comment_beside_a_name_belongs_to_it_if_another_value_is_no_yaml() -> None:
    found = read("name: w # comment\ndescription: a: b")

    assert isinstance(found, Page)
    assert ("w", True) == (found.name, found.fault.startswith("2: name: found 'w # comment' beside a value"))


@pytest.mark.parametrize("prompt", ["", "\n", " \n\t\n"])
def test_a_profile_without_a_prompt_is_a_fault(prompt: str) -> None:
    found = read("name: w\ndescription: d", prompt)

    assert isinstance(found, Page)
    assert "4: found no prompt below its keys; expected what the agent is told" == found.fault


def test_keys_that_a_worker_goes_without_are_named() -> None:
    found = page("hooks: {a: [b, {c: d}]}\nskills: x\ncolor: red\nmodel: haiku")

    assert (("hooks", "skills"), "", "haiku") == (found.unused, found.fault, found.agent.model)


def test_folded_and_literal_descriptions_are_texts() -> None:
    folded = read("name: w\ndescription: >-  # folded\n  One\n  two.\n")
    literal = read("name: w\ndescription: |\n  One.\n  Two.\n")

    assert isinstance(folded, Page)
    assert isinstance(literal, Page)
    assert ("One two.", "One.\nTwo.") == (folded.agent.description, literal.agent.description)


def test_in_quotes_a_page_says_what_it_says_without_where_both_are_yaml() -> None:
    plain, quoted = (read(f"name: w\ndescription: {text}") for text in ("a b", '"a b"'))

    assert plain == quoted == Page("w", Agent(description="a b", prompt="P"))


@given(st.lists(st.sampled_from(["Read", "Bash(a, b)", "mcp__x__y", "Task(a b)"]), min_size=1, max_size=5))
def test_tools_between_commas_are_those_of_a_list(tools: list[str]) -> None:
    assert tuple(tools) == split_tools(", ".join(tools)) == split_tools(",".join(tools))


@given(st.text(alphabet="ab:#-'\"[]{}&*!|>%@`, \t\n~\\", max_size=40))
def test_any_keys_are_read_or_refused(text: str) -> None:
    assert isinstance(read(f"name: w\ndescription: d\n{text}"), Page | Refused)


UNUSED = (
    "background",
    "effort",
    "hooks",
    "initialPrompt",
    "isolation",
    "maxTurns",
    "mcpServers",
    "memory",
    "permissionMode",
    "skills",
)


@pytest.mark.parametrize("key", UNUSED)
def test_a_key_that_the_client_knows_and_a_worker_goes_without_is_named(key: str) -> None:
    assert (key,) == page(f"{key}: 1").unused


def test_keys_that_nobody_knows_and_those_that_are_taken_are_not_named_as_unused() -> None:
    assert () == page("tools: Read\nmodel: opus\ncolor: red").unused
    assert UNUSED == page("\n".join(f"{key}: 1" for key in UNUSED[::-1])).unused
