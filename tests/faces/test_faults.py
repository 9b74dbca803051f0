"""Equal faults are one entry in text, with the first names and how many more; `--json` has each."""

from __future__ import annotations

import json

import pytest
from tests.faces.conftest import Place

from wakeman.faces.cli.faults import FAULTS_SHOWN_MAX, fault_lines

PLAN = """
name = "n"
[units]
items = [{items}]
output = "out/{{{{ unit }}}}"
[workers]
command = ["sleep", "600"]
socket = "faces"
"""


def plan_of(names: list[str]) -> str:
    return PLAN.format(items=", ".join(map(json.dumps, names)))


@pytest.mark.parametrize("verb", ["plan", "up"])
def test_two_hundred_units_with_the_same_fault_are_one_entry(place: Place, verb: str) -> None:
    names = [f"u{n}" for n in range(200)]
    for name in names:
        (place.path / "out" / name).mkdir(parents=True)
    file = place.plan(plan_of(names))

    said = place(verb, file)

    assert 2 == said.code
    assert [
        (
            "error: plan.toml:5: units.output: unit 'u0': found a directory at 'out/u0'; expected a file of its own, or"
            " nothing"
        ),
        "       same:   u0, u1, u2, u3 and 196 more",
    ] == said.err.splitlines()[:2]
    assert 200 == len(place(verb, file, "--json").json["problems"])


def test_names_that_are_too_long_fold_though_their_lengths_differ(place: Place) -> None:
    file = place.plan(plan_of([letter * (260 + at) for at, letter in enumerate("abcdef")]))

    lines = place("plan", file).err.splitlines()

    assert 1 == sum(line.startswith("error: ") for line in lines)
    assert " and 2 more" in lines[1]


def test_different_faults_are_entries_of_their_own_and_those_beyond_twenty_are_counted() -> None:
    apart = [f"p.toml:{n}: {chr(97 + n)}key: found {chr(97 + n)}; expected another" for n in range(26)]
    same = [f"p.toml:3: units: unit 'u{n}': thin" for n in range(5)]

    lines = list(fault_lines([*apart[:3], *same, *apart[3:]], "fault"))

    assert "fault: p.toml:3: units: unit 'u0': thin" == lines[3]
    assert "       same:   u0, u1, u2, u3 and 1 more" == lines[4]
    assert "31 faults, 7 not shown" == lines[-1]
    assert FAULTS_SHOWN_MAX == sum(line.startswith("fault: ") for line in lines)


@pytest.mark.parametrize(
    ("problems", "expected"),
    [
        ([], []),
        (["a: thin"], ["error: a: thin"]),
        (["p:1: x: 'a' thin", "p:1: x: 'b' thin"], ["error: p:1: x: 'a' thin", "error: p:1: x: 'b' thin"]),
        (["p:1: to[0]: thin", "p:2: to[1]: thin", "p:3: to[2]: thin"],
         ["error: p:1: to[0]: thin", "       same:   p:1: to[0], p:2: to[1], p:3: to[2]"]),
        (["p:1: x: found a = 1 b = 2; write: a = 1; write: b = 2"],
         ["error: p:1: x: found a = 1 b = 2", "       write:  a = 1", "               b = 2"]),
        (["p:1: x: 'it\\'s' thin", "p:1: x: 'b' thin", "p:1: x: 'c' thin"],
         ["error: p:1: x: 'it\\'s' thin", "       same:   it\\'s, b, c"]),
    ],
)  # fmt: skip
def test_faults_read_so(problems: list[str], expected: list[str]) -> None:
    assert expected == list(fault_lines(problems, "error"))


def test_statements_on_one_line_are_answered_with_the_text_to_write(place: Place) -> None:
    file = place.plan(plan_of(["a"]) + 'at_once = 4 stagger = "2s"')

    assert [
        'error: plan.toml:9: workers.at_once: found at_once = 4 stagger = "2s": more than one statement on a line',
        "       write:  at_once = 4",
        '               stagger = "2s"',
    ] == place("up", file).err.splitlines()[:3]
