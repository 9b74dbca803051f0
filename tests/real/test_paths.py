"""Paths and values that are no UTF-8, and output that is cut, in the installed program: refused, and said where."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.real.rig import PATIENCE, REAL, Rig

pytestmark = REAL

ODD = b"od\xff\xfe"
PLAN = """\
name = "night"
[units]
UNITS
output = "out/{{ unit }}"
[workers]
command = ["sh", "-c", "mkdir -p out; echo \\"$KEY\\" >out/a"]
socket = "SOCKET"
WORKERS
[verify]
min_bytes = 0
"""
VERBS = ("plan", "rehearse", "up")


class Bytes:
    """A project in a directory of any name, driven with bytes for words."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.place = rig, os.fsencode(rig.place)
        self.root, self.state = os.path.join(self.place, b"project"), os.path.join(self.place, b"state")
        self.plan = b"wakeman.toml"
        self.env = {os.fsencode(key): os.fsencode(value) for key, value in rig.clean().items()}

    def write(
        self, *, units: str = 'items = ["a"]', workers: str = "", files: dict[bytes, bytes] | None = None
    ) -> None:
        text = PLAN.replace("UNITS", units).replace("WORKERS", workers).replace("SOCKET", str(self.rig.socket))
        for name, data in {self.plan: text.encode(), **(files or {})}.items():
            path = os.path.join(self.root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)

    def run(self, *words: bytes, stdin: bytes | None = None) -> tuple[int, str]:
        """Call a verb; give its status and what it says."""
        argv = [os.fsencode(word) for word in self.rig.argv()[:-2]]
        ran = subprocess.run(
            [*argv, *words, b"--state", self.state],
            cwd=self.root,
            env=self.env,
            input=stdin or b"",
            capture_output=True,
            timeout=PATIENCE,
        )
        said = (ran.stdout + ran.stderr).decode(errors="backslashreplace")
        assert "Traceback" not in said, said
        return ran.returncode, said


@pytest.fixture
def odd(rig: Rig) -> Bytes:
    return Bytes(rig)


LOG = "expected a name that the log can hold"
UNIT = {
    "glob": ('glob = "in/*"', {b"in/a" + ODD: b"x"}),
    "glob through a directory": ('glob = "in*/*"', {b"in" + ODD + b"/a": b"x"}),
    "file": ('file = "list"', {b"list": b"a" + ODD + b"\n"}),
    "standard input": ('file = "-"', {}),
    "command": ('command = ["cat", "list"]', {b"list": b"a" + ODD + b"\nb\n"}),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("source", UNIT)
def test_units_that_are_no_utf8_are_refused_wherever_they_come_from(odd: Bytes, source: str, verb: str) -> None:
    units, files = UNIT[source]
    odd.write(units=units, files=files)

    code, said = odd.run(verb.encode(), odd.plan, b"--run-commands", stdin=b"a" + ODD + b"\n")

    assert (2, True, True) == (
        code,
        "wakeman.toml:2: units" in said or "wakeman.toml:3: units" in said,
        "UTF-8" in said,
    ), said
    assert not Path(os.fsdecode(odd.state), "night").exists()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("root", "the plan's directory"),
        ("state", "the state directory"),
        ("HOME", "$HOME"),
        ("PATH", "$PATH"),
        ("USER", "$USER"),
        ("LC_ALL", "$LC_ALL"),
        ("socket", "workers.executor: its socket"),
    ],
)
def test_what_no_line_of_the_log_can_hold_is_refused_by_name(odd: Bytes, what: str, named: str, verb: str) -> None:
    if what in ("root", "state"):
        setattr(odd, what, getattr(odd, what) + ODD)
    elif what == "socket":
        odd.env[b"TMUX_TMPDIR"] = odd.place + b"/" + ODD
    else:
        odd.env[what.encode()] = odd.env.get(what.encode(), b"") + b":" + odd.place + ODD
    odd.write()
    if what == "socket":
        path = os.path.join(odd.root, odd.plan)
        text = Path(os.fsdecode(path)).read_text().replace(f'"{odd.rig.socket}"', '"name"')
        Path(os.fsdecode(path)).write_text(text)

    code, said = odd.run(verb.encode(), odd.plan)

    assert (2, True, True) == (code, f"{named}: found " in said, LOG in said), said


@pytest.mark.parametrize("what", ["plan file", "env_from", "prompt_file"])
def test_what_the_log_need_not_hold_is_carried_through_byte_for_byte(odd: Bytes, what: str) -> None:
    odd.plan = b"plan" + ODD + b".toml" if what == "plan file" else odd.plan
    workers = {"env_from": 'env_from = ["KEY"]', "prompt_file": 'prompt_file = "task"'}
    odd.env |= {b"KEY": b"k" + ODD} if what == "env_from" else {}
    odd.write(workers=workers.get(what, ""), files={b"task": b"do " + ODD})

    code, said = odd.run(b"up", odd.plan)
    waited = odd.run(b"wait", b"night", b"--timeout", b"60")

    assert (0, 0) == (code, waited[0]), (said, waited)
    made = Path(os.fsdecode(odd.root), "out/a").read_bytes()
    assert (b"k" + ODD if what == "env_from" else b"") + b"\n" == made
    kept = [file.read_bytes() for file in Path(os.fsdecode(odd.state), "night", "prompts").rglob("*.md")]
    assert what != "prompt_file" or any(b"do " + ODD in data for data in kept) or not kept


@pytest.mark.parametrize("verb", ["status", "resume", "log", "check", "down", "doctor", "audit"])
def test_no_verb_ends_in_a_traceback_over_a_state_directory_that_is_no_utf8(odd: Bytes, verb: str) -> None:
    odd.write()
    odd.state += ODD

    assert odd.run(verb.encode(), *([b"night"] if verb in ("log", "check", "down", "audit") else []))[0] in (0, 1, 2, 3)


@pytest.mark.parametrize("verb", VERBS)
def test_a_list_of_units_that_is_cut_is_refused_with_the_bound(odd: Bytes, verb: str) -> None:
    odd.write(units="command = ['sh', '-c', 'seq -f %03600.0f 3000']")

    code, said = odd.run(verb.encode(), odd.plan, b"--run-commands")

    assert (2, True) == (code, "units.command: sh: found more than 8388608 bytes of output" in said), said


def test_a_list_of_units_that_something_left_behind_may_go_on_with_is_refused(odd: Bytes) -> None:
    odd.write(units="command = ['sh', '-c', 'echo a; (sleep 1; echo b) &']")

    code, said = odd.run(b"plan", odd.plan, b"--run-commands")

    assert (2, True) == (code, "ended while a process that it left could still print" in said), said


def test_a_second_night_beside_its_state_has_the_units_of_the_first(odd: Bytes) -> None:
    odd.state = os.path.join(odd.root, b"runs")
    odd.write(units='glob = "**/*.md"', files={b"docs/a.md": b"x"})
    found = []
    for _ in range(2):
        assert 0 == odd.run(b"up", odd.plan)[0]
        odd.run(b"wait", b"night", b"--timeout", b"60")
        found.append(odd.run(b"plan", odd.plan)[1].count("docs/a.md"))
        Path(os.fsdecode(odd.state), "night", "prompts", "left.md").parent.mkdir(exist_ok=True)
        Path(os.fsdecode(odd.state), "night", "prompts", "left.md").write_text("a task")

    assert found[0] == found[1] > 0
    assert "left.md" not in odd.run(b"plan", odd.plan)[1]
