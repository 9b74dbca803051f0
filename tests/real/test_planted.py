"""Links, pipes and devices that a confined worker leaves in its directories: no check or launch follows or waits for
them."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.real.test_confine import FAULTS
from tests.waiting import until

pytestmark = [*REAL, pytest.mark.skipif(all(FAULTS.values()), reason=f"nothing confines here: {FAULTS}")]

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}/made"
[workers]
name = "night_{{ group.name }}"
harness = "claude"
mode = "interactive"
socket = "SOCKET"
stagger = 0
confine = "units"
env = { KIND = "WHICH" }
env_from = ["ANTHROPIC_API_KEY"]
prompt = "x"
[stuck]
attempts = 2
backoff = 0
[cleanup]
rounds = 0
"""

# A client that takes its attempt's directory from the settings that it is given. The first attempt of `a` plants, and
# dies; the second one does the work, as that of `b` does, which looks on.
CLIENT = r"""#!PYTHON
import glob, json, os, pathlib, re, sys, time
if "--version" in sys.argv:
    print("2.1.197 (Claude Code)"); sys.exit()
settings = sys.argv[sys.argv.index("--settings") + 1]
attempt = pathlib.Path(settings).parent
worker, _, number = attempt.name.rpartition(".")
unit, kind = worker.rpartition("_")[2], os.environ["KIND"]
said, home = attempt / "said", pathlib.Path(os.environ["CLAUDE_CONFIG_DIR"])
scratch = pathlib.Path(os.environ["TMPDIR"])
out = pathlib.Path("out") / unit
if unit == "a" and number == "1":
    target = scratch / "target"
    os.mkfifo(target)
    def plant(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink() and kind != "directory":
            os.rename(path, scratch / f"was-{os.urandom(4).hex()}")
        elif path.exists() or path.is_symlink():
            os.path.isdir(path) or path.unlink()
        try:
            {"pipe": lambda: os.mkfifo(path), "directory": lambda: path.mkdir(exist_ok=True),
             "link to a pipe": lambda: path.symlink_to(target)}.get(kind, lambda: path.symlink_to(kind))()
        except FileExistsError:
            pass
    project = home / "projects" / re.sub(r"[^A-Za-z0-9]", "-", os.getcwd())
    for name in ("hook", "denied", "heard", "wrote.1", "refused.1"):
        plant(said / name)
    for name in (".claude.json", ".credentials.json", "settings.json", "CLAUDE.md", f"sessions/{os.getpid()}.json"):
        plant(home / name)
    for name in ("x.jsonl", f"{sys.argv[sys.argv.index('--session-id') + 1]}.jsonl"):
        plant(project / name)
    if not kind.endswith("outside"):
        plant(out / "made")
    time.sleep(3)
    sys.exit(1)
if (out / "made").is_dir() and not (out / "made").is_symlink():
    os.rename(out / "made", out / "was")
(out / "made").unlink(missing_ok=True)
(out / "made").write_text("made\n")
(said / "hook").write_text('{"hook_event_name":"Stop"}')
time.sleep(9 if unit == "b" else 1)
"""
KINDS = ["pipe", "directory", "link to a pipe", "/proc/self/mem", "/dev/zero", "/nowhere", "OUTSIDE"]


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(Rig) as made:
        yield made


def furnished(rig: Rig, kind: str) -> dict[str, str]:
    outside = rig.place / "outside"
    outside.write_text('{"theirs": true}\n')
    rig.write(PLAN.replace("WHICH", str(outside) if kind == "OUTSIDE" else kind))
    client = rig.place / "bin/claude"
    client.parent.mkdir()
    client.write_text(CLIENT.replace("PYTHON", sys.executable))
    client.chmod(0o755)
    (rig.place / ".claude").mkdir()
    (rig.place / ".claude/settings.json").write_text("{}")
    env = rig.clean()
    return {**env, "PATH": f"{client.parent}:{env['PATH']}", "ANTHROPIC_API_KEY": "k"}


def state(rig: Rig, worker: str) -> dict[str, Any]:
    [one] = [each for each in rig.status()["workers"] if each["name"] == worker]
    return dict(one)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_worker_has_planted_holds_up_no_check_and_no_launch(rig: Rig, kind: str) -> None:
    env = furnished(rig, kind)

    up = rig.run("up", "wakeman.toml", env=env)

    assert 0 == up.returncode, up.stderr
    until(lambda: "exited" in {event["type"] for event in rig.events() if event.get("worker") == "night_a"}, 30)
    if kind == "directory":  # which cannot be replaced: its own launch fails, and says why; nobody else's does
        assert rig.run("check", "night").returncode in (0, 4)
        until(lambda: "verified" == state(rig, "night_b")["state"], 30)
        assert ".claude.json: is a directory, expected a file" in rig.run("log", "night").stdout
        return
    until(lambda: rig.run("check", "night").returncode == 0 and rig.status()["outcome"] != "open", 60)
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 2 == state(rig, "night_a")["attempt"]
    assert '{"theirs": true}\n' == (rig.place / "outside").read_text()
    assert "theirs" not in Path(rig.state / "night/clients/night_a/.claude.json").read_text()
    assert 0o600 == os.stat(rig.state / "night/clients/night_a/.claude.json").st_mode & 0o777


OPENS = """\
import ast, os, runpy, sys
seen = open(sys.argv.pop(1), "a", buffering=1)
sys.addaudithook(lambda event, given: event == "open" and seen.write(repr(given) + "\\n") and None)
sys.argv[0] = "wakeman"
runpy.run_module("wakeman", run_name="__main__", alter_sys=True)
"""


def test_whatever_a_check_opens_where_a_worker_may_write_it_does_not_wait_for(rig: Rig) -> None:
    """Of names below an open directory the path is not told: all of them count."""
    env = furnished(rig, "/nowhere")
    assert 0 == rig.run("up", "wakeman.toml", env=env).returncode
    (rig.state / "night/check.sh").unlink()  # so that the end of a worker starts no other check
    until((rig.state / "night/attempts/night_a.1/exit").exists, 30)
    own = [rig.state / f"night/{place}" for place in ("attempts/night_a.1/said", "attempts/night_b.1/said", "clients")]
    theirs = tuple(f"{place}/" for place in (*own, rig.state / "night/tmp", rig.place / "out"))
    seen = rig.place / "seen"

    while rig.status()["outcome"] == "open":
        words = rig.argv("check", "night")
        rig.call([words[0], "-P", "-c", OPENS, str(seen), *words[words.index("wakeman") + 1 :]])

    opened = [ast.literal_eval(line) for line in seen.read_text().splitlines()]
    paths = [(str(path), flags) for path, _, flags in opened if isinstance(path, str)]
    below = [(path, flags) for path, flags in paths if not path.startswith("/") or path.startswith(theirs)]
    assert [] == [path for path, flags in below if not flags & (os.O_NONBLOCK | os.O_EXCL)]
    names = {os.path.basename(path) for path, _ in below}
    assert "hook" in names  # it has read, and written
    assert any(name.startswith(".wakeman-") for name in names)
