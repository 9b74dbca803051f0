"""A plan file is read whole: every fault at once, each with line, key, what was found and what was expected."""

from __future__ import annotations

import json
import tomllib
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.errors import WRITE, PlanError
from wakeman.core.model import Agent, MoveSpec, Plan, StuckSpec, UnitsSpec, VerifySpec, WakeTarget, WorkersSpec
from wakeman.core.plan.parser import policy, read_plan

GOOD = """
name = "x"
[units]
glob = "*.md"
output = "{{ stem }}.yml"
[workers]
command = ["true"]
"""


def problems(text: str) -> list[str]:
    """Read a text that must be refused."""
    with pytest.raises(PlanError) as caught:
        read_plan(text, "w.toml")
    return list(caught.value.problems)


SECONDS = "expected a number of seconds, or '90s', '5m', '2h', '1d'"
LIST = "expected an array of values, each a string"
LONG = "a " * 29 + "xx"
"""As many characters as are shown."""


def with_line(line: str) -> list[str]:
    """Read the good plan with one more line, `key = value`, at its end; return the problems without their place."""
    key, _, value = line.partition(" = ")
    *table, last = key.split(".")
    data: dict[str, Any] = tomllib.loads(GOOD)
    at = data
    for part in table:
        at = at.setdefault(part, {})
    at[last] = json.loads(value)
    return [problem.partition(": ")[2] for problem in problems(json.dumps(data))]


def test_a_small_plan_is_read_with_its_defaults() -> None:
    expected = Plan(
        name="x",
        units=UnitsSpec(glob="*.md", output="{{ stem }}.yml"),
        workers=WorkersSpec(command=("true",)),
    )

    assert expected == read_plan(GOOD, "w.toml")


def test_json_and_a_byte_order_mark_are_taken_too() -> None:
    assert (
        read_plan(GOOD, "") == read_plan("\n" + json.dumps(tomllib.loads(GOOD)), "") == read_plan("\ufeff" + GOOD, "")
    )


def test_every_kind_of_value_arrives_as_the_model_has_it() -> None:
    plan = read_plan(
        GOOD
        + """
stagger = 3
before = [["sh", "-c", "true"]]
auto_approve = false
env = { A = "{{ worker }}" }
[wake]
every = "long"
to = [{ tmux = "main" }, { run = ["say", "{{ message }}"], timeout = "5s" }]
[stuck]
after = "1.5h"
[limits]
memory = "1.5G"
give_up = 300
[[cleanup.move]]
from = "tasks/{{ group.name }}.md"
to = "done/"
[agents.lib]
description = "d"
prompt = "{{ not a template }}"
""",
        "",
    )

    assert (3.0, float, {"A": "{{ worker }}"}) == (plan.workers.stagger, type(plan.workers.stagger), plan.workers.env)
    assert ("long", 5400.0, 3 * 2**29, 300.0) == (
        plan.wake.every,
        plan.stuck.after,
        plan.limits.memory,
        plan.limits.give_up,
    )
    assert (WakeTarget(tmux="main"), WakeTarget(run=("say", "{{ message }}"), timeout=5.0)) == plan.wake.to
    assert (MoveSpec(from_="tasks/{{ group.name }}.md", to="done/"),) == plan.cleanup.move
    assert {"lib": Agent(description="d", prompt="{{ not a template }}")} == plan.agents


@pytest.mark.parametrize(
    ("written", "seconds"), [('"90s"', 90.0), ('"5m"', 300.0), ('"2h"', 7200.0), ('"1d"', 86400.0), ("300", 300.0)]
)
def test_durations_become_seconds(written: str, seconds: float) -> None:
    assert seconds == read_plan(f"{GOOD}[wake]\nevery = {written}", "").wake.every


@pytest.mark.parametrize(
    ("written", "size"), [('"512K"', 524288), ('"2M"', 2097152), ('"1G"', 2**30), ('"2T"', 2**41), ("7", 7)]
)
def test_sizes_become_bytes(written: str, size: int) -> None:
    assert size == read_plan(f"{GOOD}[verify]\nmin_bytes = {written}", "").verify.min_bytes


def test_all_faults_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = """name = "../../x"
[units]
glob = "*"
output = "{{ stme }}"
limit = 0
[workers]
stager = "2s"
[wake]
to = [
  { run = ["say"], tmux = "main" },
  {},
]
[verify]
max_ratio = 0
"""

    assert [
        "w.toml:1: name: found '../../x'; expected 1 to 64 of a-z, 0-9, '_' and '-', the first a letter or digit",
        (
            "w.toml:4: units.output: found unknown name 'stme'; expected one of path, parent, parent_name, name, stem,"
            " suffix, unit, input; did you mean 'stem'?"
        ),
        "w.toml:5: units.limit: found 0; expected at least 1",
        "w.toml:6: workers.command: missing or empty; expected an argument list, as workers.harness is 'command'",
        "w.toml:7: workers.stager: unknown key; did you mean 'stagger'?",
        "w.toml:10: wake.to[0]: found run and tmux; expected one of run, tmux, url, ntfy, apprise, desktop",
        "w.toml:11: wake.to[1]: found none; expected one of run, tmux, url, ntfy, apprise, desktop",
        "w.toml:14: verify.max_ratio: found 0; expected more than 0",
    ] == problems(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a = 1\n\nb c",
            (
                "w.toml:3: found b c; expected one key = value, its text in quotes, or one [table],"
                ' on a line of its own; write: key = "value"'
            ),
        ),
        ('{"a":\n "é": 1}', "w.toml:2: found : 1}; expected JSON: a key in quotes, ':', its value, ','"),
        ("a = " + "[" * 5000, "w.toml: found values nested too deeply; expected a plan"),
    ],
)
def test_a_text_that_is_no_toml_or_json_is_refused_at_its_place(text: str, expected: str) -> None:
    assert [expected] == problems(text)


def test_nothing_at_all_lacks_a_name_and_units() -> None:
    assert ["w.toml:1: name: missing; expected a string", "w.toml:1: units: missing; expected a table"] == problems("")[
        :2
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "verify.zz = 1",
            (
                "verify.zz: unknown key; expected one of fresh, min_bytes, max_ratio, parse, parse_limit, command,"
                " timeout, sample, agent, review"
            ),
        ),
        ("name = null", "name: found null; expected a string"),
        ("goal = 3", 'goal: found 3; expected a string; write: "3"'),
        ('goal = "a\\u0000b"', "goal: found 'a\\x00b'; expected text without NUL characters"),
        ("wake = []", "wake: found an array; expected a table"),
        ("workers.at_once = true", "workers.at_once: found true; expected a whole number of at least 1"),
        ("workers.auto_approve = true", "workers.auto_approve: found true; expected 'all', 'edits' or false"),
        ("workers.auto_approve = 0", "workers.auto_approve: found 0; expected 'all', 'edits' or false"),
        ('workers.confine = "on"', "workers.confine: found 'on'; expected 'off' or 'units'"),
        ('workers.env = {"A": 1}', 'workers.env.A: found 1; expected a string; write: "1"'),
        ("workers.args = {}", "workers.args: found a table; expected an array of values, each a string"),
        ("workers.before = [[1]]", 'workers.before[0][0]: found 1; expected a string; write: "1"'),
        ("units.glob = 1", 'units.glob: found 1; expected a string or an array of values, each a string; write: "1"'),
        ("units.glob = [1]", 'units.glob[0]: found 1; expected a string; write: "1"'),
        (
            "stuck.attempts = 9007199254740993",
            ("stuck.attempts: found a huge number; expected a number of ordinary size"),
        ),
        ("verify.min_bytes = 1.5", "verify.min_bytes: found 1.5; expected a whole number of at least 0"),
        (
            'verify.min_bytes = "1k"',
            "verify.min_bytes: found '1k'; expected a number of bytes, or '512K', '1G'; write: \"1K\"",
        ),
        ('verify.timeout = "0s"', "verify.timeout: found 0; expected more than 0"),
        ('stuck.after = "9999d"', "stuck.after: found 863913600.0; expected at most 315360000"),
        ("stuck.after = -1", "stuck.after: found -1; expected at least 0"),
        (
            'stuck.error = ["captur"]',
            (
                "stuck.error[0]: found 'captur'; expected 'ask', 'capture', 'nudge', 'restart',"
                " 'sweep' or 'wait'; did you mean 'capture'?"
            ),
        ),
        (
            'wake.every = "simpel"',
            (
                "wake.every: found 'simpel'; expected a number of seconds, or '90s', '5m', '2h', '1d'"
                " or 'complex', 'long' or 'simple'; did you mean 'simple'?"
            ),
        ),
        ('agents.lib = {"description": "d"}', "agents.lib.prompt: missing; expected a string"),
        (
            'agents.lib = {"description": "d", "prompt": " "}',
            "agents.lib.prompt: found nothing but blanks; expected text: clients refuse it",
        ),
        (
            'agents.lib = {"description": "", "prompt": "p"}',
            "agents.lib.description: found nothing but blanks; expected text: clients refuse it",
        ),
        (
            'cleanup.sweep = [{"session": "v*", "sessions": "v*"}]',
            "cleanup.sweep[0].session: unknown key; did you mean 'sessions'?",
        ),
        (f'goal = ["{"x" * 99}"]', "goal: found an array; expected a string"),
        (
            'workers.auto_approve = "edit"',
            "workers.auto_approve: found 'edit'; expected 'all', 'edits' or false; did you mean 'edits'?",
        ),
        ("goal = 9007199254740992", 'goal: found 9007199254740992; expected a string; write: "9007199254740992"'),
        ("goal = 9007199254740993", "goal: found a huge number; expected a string"),
        (f'workers.mode = "{"x" * 60}"', f"workers.mode: found '{'x' * 60}'; expected 'interactive' or 'print'"),
        ('stuck.after = "3651d"', "stuck.after: found 315446400.0; expected at most 315360000"),
        ('workers.stagger = ""', f"workers.stagger: found ''; {SECONDS}"),
        ('workers.stagger = "and"', f"workers.stagger: found 'and'; {SECONDS}"),
        ("workers.stagger = []", f"workers.stagger: found an array; {SECONDS}"),
        ('workers.stagger = "1234567 s"', f"workers.stagger: found '1234567 s'; {SECONDS}; write: \"1234567s\""),
        ('workers.stagger = "1 hour 5 foos"', f"workers.stagger: found '1 hour 5 foos'; {SECONDS}"),
        (f'workers.args = "{LONG}"', f"workers.args: found '{LONG}'; {LIST}; write: {json.dumps(LONG.split())}"),
        (f'workers.args = "{LONG}x"', f"workers.args: found '{LONG}...'; {LIST}"),
        ('wake.to = [{"run": ["a"], "submit": 1}]', "wake.to[0].submit: found 1; expected true or false"),
        (f'workers.mode = "{"x" * 99}"', f"workers.mode: found '{'x' * 60}...'; expected 'interactive' or 'print'"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused(line: str, expected: str) -> None:
    assert [expected] == with_line(line)


@pytest.mark.parametrize(
    "keys",
    [
        {"stuck.after": "3650d", "stuck.attempts": 9007199254740992, "verify.min_bytes": 9007199254740992},
        {"limits.wait": False, "wake.hold": True},
        {"units.exclude": ["a"]},
        {"workers.prompt": "Do it."},
        {"workers.prompt_file": "task.md"},
        {"workers.command": ["a", ""]},
        {"units.output": ["a", "b"]},
        {"wake.to": [{"run": ["a", "{{ message }}"]}, {"tmux": "main"}]},
        {"workers.env": {"A_1": "{{ worker }}"}},
    ],
    ids=str,
)
def test_what_a_plan_may_say_is_taken(keys: dict[str, object]) -> None:
    assert [] == refused(keys)


def nested(key: str, value: object) -> dict[str, Any]:
    """Give a table with one key: `wake.every` is in a table of its own."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return cast("dict[str, Any]", value)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Give both tables as one, the other's keys first."""
    shared = [key for key in one if isinstance(one[key], dict) and isinstance(other.get(key), dict)]
    return {**one, **other, **{key: merged(one[key], other[key]) for key in shared}}


def refused(keys: dict[str, object]) -> list[str]:
    """Give what is wrong with the good plan once it also says this, without the place."""
    plan = tomllib.loads(GOOD)
    for key, value in keys.items():
        plan = merged(plan, nested(key, value))
    try:
        read_plan(json.dumps(plan), "w.toml")
    except PlanError as fault:
        return [problem.partition(": ")[2] for problem in fault.problems]
    return []


NO_REVIEWER = "verify.review: found without verify.agent; expected that, or verify.review.command: there is no reviewer"
NO_SAMPLE = "verify.sample: found 0, and a review of the sample; expected at least 1, or verify.review.of = 'all'"
NO_COMMAND = (
    "verify.review.command: missing or empty; expected an argument list, as the reviewer's harness is 'command'"
)
AGENT = {"description": "d", "prompt": "p"}
SAMPLED: dict[str, object] = {"verify.sample": 1}
BY_COMMAND: dict[str, object] = {"verify.review.command": ["judge"]}
BY_AGENT: dict[str, object] = {"verify.agent": "judge", "agents.judge": AGENT, "verify.review.harness": "claude"}


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        ({}, []),
        ({"verify.review": {}}, []),
        ({"verify.review.rounds": 2}, [NO_REVIEWER]),
        ({"verify.review.prompt": "x"}, [NO_REVIEWER]),
        ({**SAMPLED, **BY_COMMAND}, []),
        ({**SAMPLED, **BY_AGENT}, []),
        (BY_COMMAND, [NO_SAMPLE]),
        (BY_AGENT, [NO_SAMPLE]),
        ({**BY_COMMAND, "verify.review.of": "all"}, []),
        ({**BY_COMMAND, **SAMPLED, "verify.review.of": "all"}, []),
        ({**SAMPLED, "verify.agent": "judge", "agents.judge": AGENT}, [NO_COMMAND]),
        ({**SAMPLED, **BY_AGENT, "verify.review.harness": "command"}, [NO_COMMAND]),
        ({**SAMPLED, **BY_AGENT, **BY_COMMAND, "verify.review.harness": "command"}, []),
    ],
    ids=str,
)
def test_a_review_needs_a_reviewer_and_something_to_review(keys: dict[str, object], problems: list[str]) -> None:
    assert problems == refused(keys)


TREE: dict[str, object] = {"workers.isolate": "worktree"}
BESIDE = "found beside workers.isolate; expected one of the two"
NO_TREE = "found without workers.isolate = 'worktree'; expected it beside"


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        ({**TREE, "workers.stage": True}, [f"workers.stage: {BESIDE}: a tree of its own already keeps outputs apart"]),
        (
            {**TREE, "workers.confine": "units"},
            [f"workers.confine: {BESIDE}: commits are written outside a worker's tree"],
        ),
        (
            {**TREE, **SAMPLED, **BY_COMMAND},
            [f"verify.review: {BESIDE}: a reviewer does not see the workers' trees"],
        ),
        ({**TREE, **SAMPLED, **BY_AGENT}, [f"verify.agent: {BESIDE}: a reviewer does not see the workers' trees"]),
        ({"workers.stage": True, "workers.confine": "units"}, []),
        ({**TREE, "workers.base": "main", "workers.setup": [["make"]], "workers.commit": False}, []),
        ({"workers.base": "main"}, [f"workers.base: {NO_TREE}"]),
        ({"workers.setup": [["make"]]}, [f"workers.setup: {NO_TREE}"]),
        ({"workers.commit": False}, [f"workers.commit: {NO_TREE}"]),
        ({"workers.base": "HEAD", "workers.setup": [], "workers.commit": True}, []),
    ],
    ids=str,
)
def test_a_worker_has_one_place_aside_and_a_tree_has_its_own_keys(keys: dict[str, object], problems: list[str]) -> None:
    assert problems == refused(keys)


ALSO = "workers.confine_also"


@pytest.mark.parametrize(
    ("keys", "problems"),
    [
        ({"workers.confine": "units", ALSO: ["cache"]}, []),
        ({ALSO: ["cache"]}, [f"{ALSO}: found without workers.confine = 'units'; expected only beside it"]),
        (
            {"workers.confine": "units", ALSO: ["~/cache"]},
            [f"{ALSO}[0]: found '~/cache'; expected a path, relative to the plan file or absolute; '~' is none here"],
        ),
    ],
    ids=str,
)
def test_more_directories_are_for_who_is_confined(keys: dict[str, object], problems: list[str]) -> None:
    assert problems == refused(keys)


def test_who_needs_no_command_may_have_none() -> None:
    plan = read_plan(GOOD.replace('command = ["true"]', 'harness = "claude"'), "")

    assert ("claude", ()) == (plan.workers.harness, plan.workers.command)


def test_a_command_is_not_missed_where_the_harness_is_wrong_in_itself() -> None:
    text = GOOD.replace('command = ["true"]', "harness = 7")

    assert ['w.toml:7: workers.harness: found 7; expected a string; write: "7"'] == problems(text)


def test_a_name_that_no_template_has_is_refused_even_where_the_source_is_wrong() -> None:
    text = GOOD.replace("glob", "globb") + '[wake]\nto = [{ run = ["{{ worker }}"] }]'

    assert [
        "w.toml:4: units.globb: unknown key; did you mean 'glob'?",
        "w.toml:9: wake.to[0].run[0]: found unknown name 'worker'; expected one of message, deployment",
    ] == problems(text)


def test_numbers_without_end_are_refused() -> None:
    assert ["w.toml:9: wake.every: found nan; expected a number of ordinary size"] == problems(
        f"{GOOD}[wake]\nevery = nan"
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('units.file = "-"', "units: found glob and file; expected exactly one of glob, items, file, command, matrix"),
        ("units.glob = null", "units: found none; expected exactly one of glob, items, file, command, matrix"),
        ('units.glob = ""', "units.glob: found nothing in it; expected at least one"),
        ("units.output = []", "units.output: missing or empty; expected the file, or files, that each unit is to make"),
        ('units.output = ["a", ""]', "units.output[1]: found an empty string; expected a path"),
        (
            'units.output = "{{ stem"',
            ("units.output: found malformed braces at '{{ stem'; expected {{ name }}, or {{ \"{{\" }} for braces"),
        ),
        (
            "workers.command = []",
            ("workers.command: missing or empty; expected an argument list, as workers.harness is 'command'"),
        ),
        ('workers.command = [""]', "workers.command[0]: found an empty string; expected a program"),
        ("workers.before = [[]]", "workers.before[0]: found an empty array; expected an argument list"),
        (
            'workers.socket = "../x"',
            "workers.socket: found '../x'; expected a tmux socket: its name, or its absolute path",
        ),
        (
            'workers.env = {"A B": ""}',
            ("workers.env.'A B': unfit as the name of an environment variable; expected letters, digits and '_'"),
        ),
        (
            'workers.env_from = ["A", "1"]',
            "workers.env_from[1]: found '1'; expected the name of an environment variable",
        ),
        (
            'workers.by = "{{ group.name }}"',
            (
                "workers.by: found unknown name 'group.name'; expected one of path, parent,"
                " parent_name, name, stem, suffix, unit, input"
            ),
        ),
        (
            'wake.to = [{"run": ["{{ worker }}"]}]',
            ("wake.to[0].run[0]: found unknown name 'worker'; expected one of message, deployment"),
        ),
        (
            'workers.env = {"A": "{{ unit }}"}',
            (
                "workers.env.A: found unknown name 'unit'; expected one of worker,"
                " group.key, group.name, unit_table, prompt_file, units_file, deployment"
            ),
        ),
    ],
)
def test_a_rule_about_the_plan_is_kept(line: str, expected: str) -> None:
    assert [expected] == with_line(line)


def test_a_prompt_stands_in_the_plan_or_in_a_file() -> None:
    assert ["w.toml:9: workers.prompt_file: found beside workers.prompt; expected one of the two"] == problems(
        f'{GOOD}prompt = "a"\nprompt_file = "b"'
    )


def test_exclude_stands_beside_a_glob_only() -> None:
    text = GOOD.replace('glob = "*.md"', 'file = "list"\nexclude = ["a"]')

    assert ["w.toml:5: units.exclude: found without units.glob; expected only beside it"] == problems(text)


def test_a_matrix_needs_a_value_for_each_key() -> None:
    text = GOOD.replace('glob = "*.md"', "matrix = { a = [], b = ['x'] }").replace("stem", "a")

    assert ["w.toml:4: units.matrix.a: found an empty array; expected at least one value"] == problems(text)


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("items = ['a', { lang = 'b' }]", "lang", True),
        ("items = ['a', { input = 'b' }]", "input", True),
        ("items = ['a']", "input", False),
        ("items = ['a']", "a", False),
        ("items = ['a/b.c']", "stem", True),
        ("matrix = { os = ['a'] }", "os", True),
        ("matrix = { os = ['a'] }", "path", False),
        ("file = '-'", "whatever a line brings", True),
        ("command = ['ls']", "whatever", True),
        ("glob = '*'", "lang", False),
        ("glob = '*'", "input", True),
    ],
)
def test_the_names_of_a_unit_depend_on_its_source(source: str, name: str, expected: bool) -> None:
    text = GOOD.replace('glob = "*.md"', source).replace("stem", name)

    assert expected == (read_or_none(text) is not None)


def read_or_none(text: str) -> Plan | None:
    try:
        return read_plan(text, "")
    except PlanError:
        return None


def test_a_mistyped_source_is_one_fault_and_not_three() -> None:
    assert ["w.toml:4: units.globb: unknown key; did you mean 'glob'?"] == problems(GOOD.replace("glob", "globb"))


def test_a_source_of_the_wrong_type_is_one_fault() -> None:
    text = GOOD.replace('glob = "*.md"', "matrix = { os = 'a' }").replace("stem", "os")

    assert [
        "w.toml:4: units.matrix.os: found 'a'; expected an array of values, each a string; write: [\"a\"]"
    ] == problems(text)


@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3))
    )
)
def test_any_json_object_is_read_or_refused_with_lines(value: dict[str, object]) -> None:
    assert all(problem.startswith("w.toml:1: ") for problem in problems(json.dumps(value)))


def test_malformed_braces_are_reported_even_where_the_names_are_not_known_yet() -> None:
    text = GOOD.replace("glob", "globb").replace("{{ stem }}", "{{ stm }}{{ stem")

    assert [
        "w.toml:4: units.globb: unknown key; did you mean 'glob'?",
        (
            "w.toml:5: units.output: found malformed braces at '{{ stem.yml';"
            ' expected {{ name }}, or {{ "{{" }} for braces'
        ),
    ] == problems(text)


# --- another policy -----------------------------------------------------------------------------------------------

BASE = Plan(name="base", units=UnitsSpec(file="list"), goal="g", stuck=StuckSpec(after=9.0, attempts=5))
"""A plan that breaks rules of its own: it has no output and no command."""


def test_a_file_of_policy_changes_what_it_says_and_nothing_else() -> None:
    found = policy('\ufeff[stuck]\nattempts = 7\n[verify]\nmin_bytes = "1K"\n', "p.toml", BASE)

    expected = msgspec.structs.replace(BASE, stuck=StuckSpec(after=9.0, attempts=7), verify=VerifySpec(min_bytes=1024))
    assert expected == found


def test_of_a_whole_plan_the_policy_is_taken_and_nothing_else() -> None:
    found = policy(GOOD + 'stagger = 7\n[stuck]\nattempts = 7\n[watch]\nconflicts = "stop"', "p.toml", BASE)

    workers = WorkersSpec(command=("true",), stagger=7.0)
    assert msgspec.structs.replace(BASE, workers=workers, stuck=StuckSpec(attempts=7)) == found


@pytest.mark.parametrize("part", ['name = "x"', "[units]\nglob = '*'\noutput = 'o'"])
def test_what_has_a_name_or_units_is_a_whole_plan(part: str) -> None:
    with pytest.raises(PlanError) as caught:
        policy(part, "p.toml", BASE)

    assert "missing" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[stuck]\nattempts = 0", ["p.toml:2: stuck.attempts: found 0; expected at least 1"]),
        ("[wake]\nevery = 0\n[stuck]\nattempts = 7", ["p.toml:2: wake.every: found 0; expected more than 0"]),
        ("goal = 'x'", ["p.toml:1: goal: unknown key; expected one of workers, wake, stuck, verify, cleanup, limits"]),
        (
            "[watch]\nconflicts = 'stop'",
            ["p.toml:1: watch: unknown key; expected one of workers, wake, stuck, verify, cleanup, limits"],
        ),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_for_what_it_says_itself(text: str, problems: list[str]) -> None:
    with pytest.raises(PlanError) as caught:
        policy(text, "p.toml", BASE)

    assert problems == list(caught.value.problems)


@pytest.mark.parametrize(
    ("line", "cure"),
    [
        ('limits.memory = "10 MB"', '"10M"'),
        ('limits.memory = "1 gib"', '"1G"'),
        ('limits.memory = "much"', ""),
        ('limits.memory = "1 mile"', ""),
        ('limits.memory = "about 1 MB"', ""),
        ('wake.every = "5 minutes"', '"5m"'),
        ('wake.every = "1h30m"', '"90m"'),
        ('wake.every = "1 hour and 30 min"', '"90m"'),
        ('wake.every = "-5m"', ""),
        ('wake.hold = "yes"', "true"),
        ('wake.hold = "maybe"', ""),
        ('workers.at_once = "4"', "4"),
        ('workers.at_once = "four"', ""),
        ('verify.max_ratio = "60%"', "0.6"),
        ('verify.max_ratio = "0.6"', "0.6"),
        ('verify.max_ratio = "most"', ""),
        ("workers.args = \"--model 'a b'\"", '["--model", "a b"]'),
        ('workers.args = "it\'s"', ""),
        (f'workers.args = "{"x" * 61}"', ""),
        ("workers.agent = true", ""),
    ],
)
def test_what_was_meant_by_a_value_of_the_wrong_type_is_told(line: str, cure: str) -> None:
    (found,) = with_line(line)

    assert cure == found.partition(WRITE)[2]


HOME = "a leading '~' is not expanded; expected a path, relative to the plan file or absolute"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('units.glob = "~/a.md"', f"units.glob: found '~/a.md': {HOME} (./~/a.md is a name that begins with it)"),
        ('units.exclude = ["~"]', f"units.exclude[0]: found '~': {HOME} (./~ is a name that begins with it)"),
        ('units.output = "~me/{{ stem }}"',
         (f"units.output: found '~me/{{{{ stem }}}}': {HOME} (./~me/{{{{ stem }}}} is"
         " a name that begins with it)")),
        ('workers.cwd = "$HOME/a"', ("workers.cwd: found '$HOME/a': a variable is not expanded; expected a path,"
         " relative to the plan file or absolute")),
        ('watch.roots = ["a/${B}"]', ("watch.roots[0]: found 'a/${B}': a variable is not expanded; expected a path,"
         " relative to the plan file or absolute")),
        ('units.glob = "docs\\\\*.md"', ("units.glob: found 'docs\\\\*.md': a backslash separates no directories;"
         ' write: "docs/*.md"')),
        ('units.glob = ["*.md", "!a.md"]', ("units.glob[1]: found '!a.md': '!' leaves nothing out; expected it in"
         ' units.exclude; write: exclude = ["a.md"]')),
        ('units.glob = "{a,b}/*.md"', ("units.glob: found '{a,b}/*.md': braces are not expanded; expected a list of"
         ' paths; write: ["a/*.md", "b/*.md"]')),
        ('units.output = "o/{{ stem }}.{md,yml}"', ("units.output: found 'o/{{ stem }}.{md,yml}': braces are not"
         ' expanded; expected a list of paths; write: ["o/{{ stem }}.md", "o/{{ stem }}.yml"]')),
        ('units.glob = "{1,2,3,4,5,6,7,8}"', ("units.glob: found '{1,2,3,4,5,6,7,8}': braces are not expanded;"
         ' expected a list of paths; write: ["1", "2", "3", "4", "5", "6", "7", "8"]')),
        ('units.glob = "{1,2,3,4,5,6,7,8,9}"', ("units.glob: found '{1,2,3,4,5,6,7,8,9}': braces are not expanded;"
         " expected a list of paths")),
        ('workers.cwd = "{a,b}"', "workers.cwd: found '{a,b}': braces are not expanded; expected a list of paths"),
        ('units.output = "o/{stem}.md"', ("units.output: found 'o/{stem}.md': a name in a template has two braces on"
         ' each side; write: "o/{{ stem }}.md"')),
        ('units.items = [{"unit": "a", "input": "~/a"}]', f"units.items[0].input: found '~/a': {HOME}"),
        ('cleanup.move = [{"from": "~/a", "to": "b/"}]',
         f"cleanup.move[0].from: found '~/a': {HOME} (./~/a is a name that begins with it)"),
    ],
)  # fmt: skip
def test_what_a_shell_would_expand_in_a_path_is_refused_with_the_cure(line: str, expected: str) -> None:
    found = with_line(line)

    assert expected in found
    assert len(found) == 1 + ("units.items" in line)


@pytest.mark.parametrize(
    "line",
    [
        'units.glob = "a~/*.md"',
        'units.output = "o/$x.{md}"',
        'units.output = "./~/{x}"',
        'units.glob = "a!b"',
        'units.output = "!{{ stem }}"',
    ],
)
def test_a_name_with_signs_of_a_shell_inside_is_a_name(line: str) -> None:
    key, _, value = line.partition(" = ")
    data = tomllib.loads(GOOD)
    data["units"][key.partition(".")[2]] = json.loads(value)

    assert "x" == read_plan(json.dumps(data), "w.toml").name
