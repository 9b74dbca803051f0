"""Whatever a command finds around it: an error that says where, what and what next, and its exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLAN = """\
name = "x"
[units]
glob = "*.md"
output = "out/{{ stem }}"
[workers]
command = ["true"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with a plan, and with what a command may meet in the place of a file."""
    (tmp_path / "wakeman.toml").write_text(PLAN)
    (tmp_path / "a.md").write_text("a")
    (tmp_path / "adir").mkdir()
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "self.md").symlink_to("self.md")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 300)
    (tmp_path / "deep").write_bytes(b"[" * 100_000)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def run(place: Path, line: str, **environ: str | None) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which `wakeman` is the command."""
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "WAKEMAN_STATE": str(place / "state"), **environ}
    given = {key: value for key, value in env.items() if value is not None}
    if "PYTHONPATH" in os.environ:
        given["PYTHONPATH"] = os.environ["PYTHONPATH"]
    script = f'wakeman() {{ {sys.executable} -m wakeman "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], cwd=place, env=given, capture_output=True, text=True, timeout=60, check=False
    )


GONE = "mkdir gone; cd gone; rmdir ../gone; "
NO_CWD = "error: the current directory: "
FULL = "error: stdout: "
STREAMS = {
    "wakeman plan wakeman.toml >/dev/full": (1, FULL),
    "wakeman status --json >/dev/full": (1, FULL),
    "wakeman --help >/dev/full": (1, FULL),
    "wakeman schema >/dev/full": (1, FULL),
    "wakeman plan wakeman.toml >&-": (0, "next: "),
    "wakeman status <&- >&- 2>&-": (0, ""),
    "wakeman plan nothing.toml 2>/dev/full": (2, ""),
    "wakeman plan nothing.toml 2>&-": (2, ""),
    "wakeman plan - <&-": (2, "error: <stdin>:1: units: missing"),
    "wakeman plan - <noise": (2, "error: <stdin>:1:"),
    "wakeman schema | true; exit ${PIPESTATUS[0]}": (141, ""),
    GONE + "wakeman status": (0, "no deployments in "),
    GONE + "wakeman check x": (3, "error: x: no such deployment"),
    GONE + "wakeman plan wakeman.toml": (2, NO_CWD),
    GONE + "wakeman init": (2, NO_CWD),
    GONE + "wakeman run --items a --output b -- true": (2, NO_CWD),
    GONE + "wakeman --state here status": (2, NO_CWD),
    GONE + "unset WAKEMAN_STATE; wakeman status": (2, NO_CWD),
    GONE + "wakeman --json plan a; true": (0, ""),
    "unset HOME; wakeman plan wakeman.toml": (0, ""),
    "HOME=/dev/null wakeman plan wakeman.toml": (0, ""),
    "unset WAKEMAN_STATE; HOME=/dev/null wakeman status": (1, "error: /dev/null/"),
    "wakeman status $'\\xff\\xfe'": (2, "error: "),
    "wakeman plan $'\\xff\\xfe'": (2, "error: "),
    "wakeman $'\\xff'": (2, "error: unknown verb"),
    f"wakeman init {'x' * 300}": (1, "error: "),
    f"wakeman plan {'x' * 5000}": (2, "error: "),
    "wakeman run --set x=" + "[" * 5000 + " --items a --output b --dry-run -- true": (2, "error: "),
    "wakeman run --set x=" + "9" * 5000 + " --items a --output b --dry-run -- true": (2, "error: "),
}


@pytest.mark.parametrize("line", STREAMS)
def test_a_command_without_a_place_to_speak_or_to_stand_says_so(place: Path, line: str) -> None:
    code, said = STREAMS[line]
    ran = run(place, line)

    assert "Traceback" not in ran.stderr + ran.stdout
    assert "Exception ignored" not in ran.stderr
    assert (code, True) == (ran.returncode, ran.stderr.startswith(said) or said in ran.stderr), ran.stderr


FILES = ("pipe", "adir", "self", "noise", "deep", "/dev/zero", "/dev/null", "/proc/self/mem", "nothing", "a.md/x")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("verb", ["plan", "up", "replay", "audit", "agents", "amend x"])
def test_a_command_is_not_held_up_by_what_lies_in_the_place_of_a_file(place: Path, verb: str, file: str) -> None:
    ran = run(place, f"wakeman {verb} {file}")

    assert "Traceback" not in ran.stderr
    assert ran.returncode in (1, 2, 3, 6)
    assert ran.stderr.startswith("error: ")


ASK = """\
import os
from wakeman.faces.cli import main
main(["status"])
os.write(9, b"%d" % os.open("/dev/null", 0))
"""


def test_closed_streams_are_not_taken_by_the_files_that_are_opened_next(place: Path) -> None:
    """A log that took the number of stdout would get what is printed."""
    (place / "ask.py").write_text(ASK)
    run(place, f"{sys.executable} ask.py 9>opened <&- >&- 2>&-")

    assert int((place / "opened").read_text()) > 2


def test_agent_files_of_any_kind_refuse_no_plan(place: Path) -> None:
    pages = place / ".claude/agents"
    pages.mkdir(parents=True)
    shutil.copy(place / "noise", pages / "noise.md")
    os.mkfifo(pages / "pipe.md")
    (pages / "self.md").symlink_to("self.md")
    (place / ".claude/agents.json").write_text('\ufeff{"own": {"description": "d", "prompt": "p"}}')

    assert (0, "") == ((ran := run(place, "wakeman plan wakeman.toml")).returncode, ran.stderr.partition("next:")[0])
    told = run(place, "wakeman agents")
    assert (0, 3, True) == (told.returncode, told.stderr.count("passed over"), "own " in told.stdout)
