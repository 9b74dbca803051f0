"""Invalid input: each is refused with file, line, what was found and expected, and nothing begins."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.real.rig import REAL, Rig
from tests.words import fits

from wakeman.faces.cli import VERBS

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
name = "night_{{ group.name }}"
command = ["sleep", "600"]
socket = "SOCKET"
stagger = 0
"""

CONFLICT = "expected every place to be one unit's"

BAD_PLANS = {
    "a syntax error": (
        PLAN.replace('"night"', '"night', 1),
        'wakeman.toml:1: name: found name = "night: no closing quote\n       write:  name = "night"',
    ),
    "unknown keys": (
        PLAN.replace("stagger", "stager").replace("[units]", "[units]\nfrom = 1") + "[wrkers]\n",
        (
            "wakeman.toml:3: units.from: unknown key; expected one of glob, items, file, command, matrix, exclude,"
            " output, writes, limit\n"
            "wakeman.toml:10: workers.stager: unknown key; did you mean 'stagger'?\n"
            "wakeman.toml:11: wrkers: unknown key; did you mean 'workers'?"
        ),
    ),
    "two units on one output": (
        PLAN.replace("{{ unit }}", "same"),
        (
            "wakeman.toml:2: units: 'a' writes 'out/same' and 'b' writes 'out/same': 'PLACE/out/same' is the same"
            f" place; {CONFLICT}"
        ),
    ),
    "an output inside another unit's directory": (
        PLAN.replace('"a", "b"', '"a", "a/b"'),
        (
            "wakeman.toml:2: units: 'a' writes 'out/a' and 'a/b' writes 'out/a/b': 'PLACE/out/a/b' is inside"
            f" 'PLACE/out/a'; {CONFLICT}"
        ),
    ),
    "an output inside a directory that another unit claims": (
        PLAN.replace("output", 'writes = ["src/{{ unit }}/**"]\noutput').replace("out/{{ unit }}", "src/a/{{ unit }}"),
        (
            "wakeman.toml:2: units: 'a' claims 'src/a/**' and 'b' writes 'src/a/b': 'PLACE/src/a/b' is inside"
            f" 'PLACE/src/a'; {CONFLICT}"
        ),
    ),
    "a glob that matches nothing": (
        PLAN.replace('items = ["a", "b"]', 'glob = "docs/*.md"'),
        "wakeman.toml:3: units.glob: found nothing for 'docs/*.md' in PLACE; expected at least one unit",
    ),
    "a glob that leads outside": (
        PLAN.replace('items = ["a", "b"]', 'glob = "../*.md"'),
        (
            "wakeman.toml:3: units.glob: '../*.md': found a pattern that leads outside, expected one relative to the"
            " plan file"
        ),
    ),
    "a list of units that is not there": (
        PLAN.replace('items = ["a", "b"]', 'file = "list"'),
        "wakeman.toml:3: units.file: PLACE/list: no such file or directory",
    ),
    "a prompt and variables in files that are not there": (
        PLAN + 'prompt_file = "task.md"\nenv_file = "keys"\n',
        (
            "wakeman.toml:10: workers.prompt_file: PLACE/task.md: no such file or directory\n"
            "wakeman.toml:11: workers.env_file: PLACE/keys: no such file or directory"
        ),
    ),
    "a missing agent": (
        PLAN + 'agent = "libarian"\n[agents.librarian]\ndescription = "reads"\nprompt = "You read."\n',
        (
            "wakeman.toml:10: workers.agent: found 'libarian'; expected one of custodian, dev-lead, librarian, ops, "
            "reviewer, from [agents.NAME], ~/.claude/agents.json or a page in .claude/agents; did you mean 'librarian'?"
        ),
    ),
    "a name that leads outside": (
        PLAN.replace('"night"', '"../../x"', 1),
        (
            "wakeman.toml:1: name: found '../../x'; expected 1 to 64 of a-z, 0-9, '_' and '-', the first a letter or"
            " digit"
        ),
    ),
    "an output that no file system takes": (
        PLAN.replace('"b"', f'"{"x" * 300}"'),
        (
            f"wakeman.toml:4: units.output: unit '{'x' * 60}': found a name of 300 bytes in 'out/{'x' * 56}';"
            " expected at most 255"
        ),
    ),
    "a variable that is not set": (
        PLAN + 'env_from = ["NO_SUCH_KEY"]\n',
        "wakeman.toml:10: workers.env_from: NO_SUCH_KEY is not set here; export it before `up`",
    ),
}


@pytest.mark.parametrize("fault", BAD_PLANS)
def test_a_bad_plan_is_refused_with_file_and_line_and_nothing_begins(rig: Rig, fault: str) -> None:
    plan, problems = BAD_PLANS[fault]
    rig.write(plan)
    before = rig.everything()

    plan_said, up_said = rig.side_by_side(("plan", "wakeman.toml"), ("up", "wakeman.toml"))

    lines = [
        line if line.startswith(" ") else f"error: {line}"
        for line in problems.replace("PLACE", str(rig.place)).splitlines()
    ]
    said = "\n".join([*lines, f"hint: fix it, then: wakeman --state {rig.state} plan wakeman.toml"]) + "\n"
    for each in (up_said, plan_said):
        assert (2, "", True) == (each.returncode, each.stdout, fits(said, each.stderr)), each.stderr
    assert before == rig.everything()


# --- names ------------------------------------------------------------------------------------------------------

OUTSIDE = "../../x"
NOT_A_NAME = "not a deployment's name: expected a-z, 0-9, '_' and '-', at most 64\nhint: wakeman --state STATE status\n"
NAMED = {
    **{
        verb: (verb, OUTSIDE) for verb in ("check", "wait", "watch", "resume", "redo", "down", "clean", "status", "log")
    },
    **{
        verb: (verb, OUTSIDE)
        for verb in (
            "capture",
            "tail",
            "attach",
            "approve",
            "stop",
            "retry",
            "accept",
            "pause",
            "unpause",
            "merge",
            "adopt",
        )
    },
    "send": ("send", OUTSIDE, "hello"),
    "answer": ("answer", OUTSIDE, "1"),
    "waive": ("waive", "a", "--why", "x", "--deployment", OUTSIDE),
    "reject": ("reject", "a", "--why", "x", "--deployment", OUTSIDE),
    "sweep": ("sweep", "*", "--older-than", "1s", "--deployment", OUTSIDE),
    "amend": ("amend", OUTSIDE, "wakeman.toml"),
    "lost": ("lost", "beta", OUTSIDE),
}
NAMELESS = {
    *("init", "plan", "rehearse", "up", "run", "doctor", "agents", "schema", "audit", "replay", "report"),
    *("export", "serve", "completion", "top", "mcp", "notices", "inbox", "watch-sessions", "session", "compat"),
}


def test_every_verb_that_takes_a_name_is_tried_with_a_bad_one() -> None:
    assert set(VERBS) == NAMED.keys() | NAMELESS


def test_a_name_that_leads_outside_is_refused_by_every_verb(rig: Rig) -> None:
    rig.write(PLAN)
    (rig.place / "x").mkdir()  # what `../x` would reach
    before = rig.everything()

    refused = NOT_A_NAME.replace("STATE", str(rig.state))
    said = dict(zip(NAMED, rig.side_by_side(*NAMED.values()), strict=True))

    for verb, one in said.items():
        of_workers = ("capture", "tail", "attach", "approve", "answer", "stop", "retry", "send")
        name = "../.." if verb in of_workers else OUTSIDE
        assert (verb, 2, "", f"error: '{name}': {refused}") == (verb, one.returncode, one.stdout, one.stderr)
    assert before == rig.everything()


def test_a_worker_whose_name_leads_outside_gets_one_that_does_not(rig: Rig) -> None:
    rig.write(PLAN.replace("night_{{ group.name }}", "../../{{ unit }}").replace('"sleep", "600"', '"true"'))

    shown = json.loads(rig.run("plan", "wakeman.toml", "--json").stdout)

    assert ["______a", "______b"] == [worker["name"] for worker in shown["workers"]]


# --- units ------------------------------------------------------------------------------------------------------

ODD = (
    "#{pane_id}", "#(touch pwned)", "$(touch pwned)", "`touch pwned`", "a;b", ";", ";;", "a;", "a\\", "'\"", "-rf",
    "--", "~", "*", "..", "/etc/passwd", "%H %n", "{{ unit }}", "x" * 300, "ünïcode/日本", "two\nlines", "tab\there",
    "\x1b]0;pwned\x07\x1b[31mred", "\u202etxt.exe", "&& touch pwned", "| touch pwned",
)  # fmt: skip

WRITER = """\
import json, os, pathlib, sys
for line in open(sys.argv[1]):
    unit = json.loads(line)
    print(unit["unit"], flush=True)
    target = pathlib.Path(unit["outputs"][0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps([unit["unit"], sys.argv[2], os.environ["KEY"]]))
"""


def test_odd_unit_names_are_data_to_everything_on_their_way(rig: Rig) -> None:
    (rig.place / "writer.py").write_text(WRITER)
    judge = ["sh", "-c", 'printf "%s\\0" "$1" >>judged; test -s "$2"', "sh", "{{ unit }}", "{{ output }}"]
    files = {name: name if len(name) < 250 else "long" for name in ODD}
    plan = {
        "name": "night",
        "units": {
            "items": [{"unit": name, "file": file} for name, file in files.items()],
            "output": "out/{{ file }}.txt",
        },
        "workers": {
            "command": [sys.executable, "writer.py", "{{ units_file }}", "{{ group.key }}"],
            "env": {"KEY": "{{ group.key }}"},
            "before": [["test", "{{ group.key }}", "=", "{{ group.key }}"]],
            "socket": str(rig.socket),
            "stagger": 0,
        },
        "verify": {"command": judge},
    }
    (rig.place / "wakeman.json").write_text(json.dumps(plan))

    up = rig.run("up", "wakeman.json", "--wait", "--timeout", "60")

    assert (0, "complete") == (up.returncode, rig.status()["outcome"]), up.stderr
    assert [[name] * 3 for name in ODD] == [
        json.loads(Path(f"{rig.place}/out/{file}.txt").read_text()) for file in files.values()
    ]
    assert set(ODD) == set((rig.place / "judged").read_text().split("\0")[:-1])
    told = [json.loads(line) for line in rig.run("log", "night", "--json").stdout.splitlines()]
    enrolled = [unit["name"] for event in told if event["type"] == "enrolled" for unit in event["data"]["units"]]
    assert list(ODD) == enrolled
    assert {".local", "judged", "out", "state", "tmux", "wakeman.json", "writer.py"} == {
        p.name for p in rig.place.iterdir()
    }
    shown = [rig.run(*words) for words in (("plan", "wakeman.json", "--all"), ("status", "night"), ("log", "night"))]
    controls = {sign for said in shown for sign in said.stdout + said.stderr if sign < " " or sign == "\u202e"}
    assert {"\n", "\t"} == controls


# --- prompts ----------------------------------------------------------------------------------------------------

PROMPTS = {
    "large": "".join(f"line {n}: äöü 日本 #{{pane_id}} $(touch pwned) `x` \\ '\"\n" for n in range(20_000))[:1_000_000],
    "semicolon": "Go on;",
    "dash": "-rf /\n--help\n- a list",
}


def test_a_prompt_of_a_megabyte_or_with_odd_ends_arrives_byte_for_byte(rig: Rig) -> None:
    for name, prompt in PROMPTS.items():
        plan = {
            "name": name,
            "units": {"items": [name], "output": "out/{{ unit }}"},
            "workers": {
                "command": ["sh", "-c", f'mkdir -p out && cp "$1" out/{name}', "x", "{{ prompt_file }}"],
                "prompt": prompt,
                "socket": str(rig.socket),
            },
        }
        (rig.place / f"{name}.json").write_text(json.dumps(plan))

    said = rig.side_by_side(*(("up", f"{name}.json", "--wait", "--timeout", "60") for name in PROMPTS))

    assert [0, 0, 0] == [one.returncode for one in said], [one.stderr for one in said]
    assert {name: f"{prompt.rstrip()}\n" for name, prompt in PROMPTS.items()} == {
        name: (rig.place / "out" / name).read_text() for name in PROMPTS
    }
    assert not (rig.place / "pwned").exists()


# --- outputs and plans that are there already ---------------------------------------------------------------------


def test_outputs_that_exist_are_shown_and_do_not_count_as_done(rig: Rig) -> None:
    outputs = [rig.place / "out" / unit for unit in "ab"]
    outputs[0].parent.mkdir()
    for output in outputs:
        output.write_text("from before\n")
    touch = '"sh", "-c", \'test "$1" = b || echo new >out/a\', "sh", "{{ group.key }}"'
    rig.write(PLAN.replace('"sleep", "600"', touch) + "[cleanup]\nrounds = 0\n")

    shown = json.loads(rig.run("plan", "wakeman.toml", "--json").stdout)
    spoken = rig.run("plan", "wakeman.toml").stdout
    up = rig.run("up", "wakeman.toml", "--wait", "--timeout", "60")

    assert ["out/a", "out/b"] == shown["existing"]
    assert spoken.endswith("outputs that exist already:\n  out/a\n  out/b\n")
    assert (1, "partial", ["b"]) == (up.returncode, rig.status()["outcome"], rig.status()["units"]["missing"])
    assert ["new\n", "from before\n"] == [output.read_text() for output in outputs]
    existing = [mark[0] for e in rig.events() if e["type"] == "enrolled" for mark in e["data"]["existing"]]
    assert ["out/a", "out/b"] == existing


def test_an_open_deployment_refuses_another_plan_of_its_name_and_goes_on(rig: Rig) -> None:
    rig.write(PLAN)
    assert 0 == rig.run("up", "wakeman.toml").returncode
    before = rig.everything()
    rig.write(PLAN.replace("stagger = 0", "stagger = 5"), "other.toml")
    (other,) = [str(path) for path in Path(rig.place).glob("other.toml")]

    said = rig.run("up", "other.toml")

    called = f"wakeman --state {rig.state}"
    assert (2, "") == (said.returncode, said.stdout)
    assert (
        "error: night is open with another plan: workers.stagger: 0.0 -> 5.0\n"
        f"hint: {called} amend night FILE, or {called} down night, or another name\n"
    ) == said.stderr
    tree, panes, alarms = rig.everything()
    tree.pop(other)
    assert before == (tree, panes, alarms)
