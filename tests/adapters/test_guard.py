"""`adapters/guard.sh`: writes to own files are allowed, to others' denied; what is uncertain is denied."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import wakeman.adapters

GUARD = Path(wakeman.adapters.__file__).with_name("guard.sh")
HOOK = GUARD.with_name("hook.sh")
SHELLS = [shell for shell in ("dash", "bash", "ksh", "mksh", "zsh") if shutil.which(shell)]
PATH = {"PATH": os.environ.get("PATH", os.defpath)}
ODD = 'b "c" \\ü'
"""A name with what JSON and shells make something of."""


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    link = tmp_path / "sh"
    link.symlink_to(shutil.which(request.param) or "/bin/sh")
    return str(link)


class Place:
    """A plan's directory with an attempt that owns `own/a`, an odd name, all below `tree` and its TMPDIR."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.attempt = root / "state" / "night" / "attempts" / "w.1"
        self.attempt.mkdir(parents=True)
        for name in ("own", "other", "state/night/tmp/w", "state/night/clients/w"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for script in (GUARD, HOOK):
            shutil.copy(script, root / "state" / "night" / script.name)
        rules = [
            f"allow\t{root}/own/a",
            f"allow\t{root}/own/{ODD}",
            f"allow\t{root}/tree",
            f"allow\t{root}/tree/",
            f"allow\t{root}/state/night/tmp/w/",
            f"pass\t{root}/state/night/clients/w/",
            f"deny\t{root}/",
        ]
        (self.attempt / "may").write_text("".join(f"{rule}\n" for rule in rules))

    def call(self, sh: str, said: str, event: str = "before", *words: str) -> str:
        argv = [sh, str(self.root / "state/night/guard.sh"), str(self.attempt), event, *words]
        return subprocess.run(
            argv, input=said, capture_output=True, text=True, env=PATH, check=True, timeout=20, errors="surrogateescape"
        ).stdout

    def judge(self, sh: str, said: str) -> str:
        """Return what was decided: allow, deny, or "" where nothing was said."""
        out = self.call(sh, said)
        return json.loads(out)["hookSpecificOutput"]["permissionDecision"] if out else ""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place((tmp_path / "plan").resolve())


def write(path: object, tool: str = "Write", **more: Any) -> str:
    """Return what the client says at a write."""
    key = "notebook_path" if tool == "NotebookEdit" else "file_path"
    put = {key: str(path), "content": 'say "file_path":"/x" {[}\\', **more}
    said = {"session_id": "s", "cwd": "/tool_input", "hook_event_name": "PreToolUse", "tool_name": tool}
    return json.dumps({**said, "tool_input": put, "tool_use_id": "t"}, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("path", "decided"),
    [
        ("own/a", "allow"),
        (f"own/{ODD}", "allow"),
        ("tree/deep/er/x.md", "allow"),
        ("tree", "allow"),
        ("state/night/tmp/w/x", "allow"),
        ("state/night/clients/w/plan.md", ""),
        ("own/b", "deny"),
        ("own/a.md", "deny"),
        ("own/aa", "deny"),
        ("treetop", "deny"),
        ("other/a", "deny"),
        ("state/night/events.jsonl", "deny"),
        ("state/night/attempts/w.1/may", "deny"),
        ("own/../other/a", "deny"),
        ("own/./a", "deny"),
        ("own//a", "deny"),
        ("own/a/", "deny"),
        ("own/ä", "deny"),
        ("own/*", "deny"),
        ("own/a\nx", "deny"),
        ("own/a\tx", "deny"),
    ],
)
def test_a_path_is_judged_by_the_first_rule_that_fits(sh: str, place: Place, path: str, decided: str) -> None:
    assert decided == place.judge(sh, write(f"{place.root}/{path}"))


@pytest.mark.parametrize("path", ["own/a", "", ".", "-rf", "$(touch x)/a", "~/a", "x" * 9000])
def test_a_path_that_is_not_absolute_is_denied(sh: str, place: Place, path: str) -> None:
    assert "deny" == place.judge(sh, write(path))


def test_outside_the_plan_s_directory_nothing_is_said(sh: str, place: Place) -> None:
    assert ["", ""] == [place.judge(sh, write(path)) for path in ("/etc/hosts", place.root.parent / "beside")]


def test_a_symlink_is_seen_through(sh: str, place: Place) -> None:
    (place.root / "door").symlink_to("own")
    (place.root / "own" / "out").symlink_to(place.root / "other")
    (place.root / "tree").symlink_to(place.root / "other")
    (place.root / "own" / "a").symlink_to(place.root / "other" / "a")
    (place.root / "own" / "dangling").symlink_to(place.root / "nowhere" / "x")

    found = [place.judge(sh, write(place.root / path)) for path in ("own/out/a", "tree/a", "own/a", "own/dangling/a")]

    assert ["deny"] * 4 == found
    (place.root / "own" / "a").unlink()
    assert "allow" == place.judge(sh, write(place.root / "door" / "a"))


@pytest.mark.parametrize("tool", ["Write", "Edit", "MultiEdit", "NotebookEdit"])
def test_each_tool_that_writes_is_judged(sh: str, place: Place, tool: str) -> None:
    edits = [{"old_string": '"}]', "new_string": "\\", "file_path": "/x"}]

    found = [place.judge(sh, write(place.root / path, tool, edits=edits)) for path in ("own/a", "other/a")]

    assert ["allow", "deny"] == found


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{}",
        "no json",
        '{"tool_input":{"file_path":7}}',
        '{"tool_input":{"file_path":["OWN"]}}',
        '{"tool_input":{"file_path":{"file_path":"OWN"}}}',
        '{"tool_input":{"content":"file_path","x":"OWN"}}',
        '{"tool_input":"file_path","x":{"file_path":"OWN"}}',
        '{"x":{"tool_input":{"file_path":"OWN"}}}',
        '{"file_path":"OWN"}',
        '{"tool_input":{"file_path":"OWN","file_path":"/etc/hosts"}}',
        '{"tool_input":{"file_path":"OWN","notebook_path":"/etc/hosts"}}',
        '{"tool_input":{"file_path":"OWN"',
        '{"tool_input":{"file_path":"OWN',
        '{"tool_input":[{"file_path":"OWN"}]}',
        '{"tool_input":{"file_path":"OW\\u004e"}}',
        '{"tool_input":{"file_path":"OWN\\u0000"}}',
        '{"tool_input":{"file_path":"OWN\\n"}}',
        '{"tool_input":{"file_path":"OWN\n"}}',
        '{"cwd":"\\",\\"tool_input\\":{\\"file_path\\":\\"OWN\\"}","tool_input":{"file_path":"other"}}',
    ],
)
def test_what_cannot_be_read_beyond_doubt_is_denied(sh: str, place: Place, said: str) -> None:
    assert "deny" == place.judge(sh, said.replace("OWN", f"{place.root}/own/a"))


def test_the_spelling_of_json_is_read_as_it_stands(sh: str, place: Place) -> None:
    own = f"{place.root}/own/a"
    spellings = [
        '{ "tool_input" :\n { "content" : "" , "file_path" : "OWN" } }',
        '{"tool_input":{"file_path":"OWN"}}'.replace("OWN", own.replace("/", "\\/")),
        '{"a":[1,"x",{"b":"c"}],"tool_input":{"e":[{"file_path":"/x"}],"file_path":"OWN","n":null}}',
        json.dumps({"cwd": 'a\\"b', "tool_input": {"content": "\\" * 5 + '"', "file_path": own}}),
    ]

    assert ["allow"] * 4 == [place.judge(sh, said.replace("OWN", own)) for said in spellings]


def test_a_large_content_is_no_matter(sh: str, place: Place) -> None:
    assert "allow" == place.judge(sh, write(place.root / "own/a", content='x"\\\n' * 300_000))


def test_what_was_denied_is_kept_as_it_was_spelled(sh: str, place: Place) -> None:
    for path in ("own/a", "other/a", "own/b"):
        place.call(sh, write(place.root / path))

    kept = (place.attempt / "said" / "denied").read_text().splitlines()
    assert [f"{place.root}/other/a", f"{place.root}/own/b"] == [json.loads(line) for line in kept]


def test_without_rules_nothing_is_allowed(sh: str, place: Place) -> None:
    (place.attempt / "may").unlink()

    assert "" == place.judge(sh, write(place.root / "own/a"))


def test_a_permission_that_is_asked_for_is_given_for_own_files_and_else_told(sh: str, place: Place) -> None:
    hook = place.attempt / "said" / "hook"

    own = json.loads(place.call(sh, write(place.root / "own/a"), "asked"))["hookSpecificOutput"]
    before = hook.exists()
    said = [place.call(sh, write(path), "asked") for path in (place.root / "own/b", "/etc/hosts")]

    assert ("PermissionRequest", {"behavior": "allow"}, False) == (own["hookEventName"], own["decision"], before)
    assert (["", ""], "/etc/hosts") == (said, json.loads(hook.read_text())["tool_input"]["file_path"])
    assert [] == [name for name in os.listdir(place.attempt / "said") if name.startswith("asked")]


def test_another_tool_s_permission_is_for_a_person(sh: str, place: Place) -> None:
    said = json.dumps({"tool_name": "Bash", "tool_input": {"command": f"cat > {place.root}/own/a"}})

    assert "" == place.call(sh, said, "asked")
    assert "Bash" == json.loads((place.attempt / "said" / "hook").read_text())["tool_name"]


def test_who_wrote_what_is_left_in_files_that_never_meet(sh: str, place: Place) -> None:
    paths = [f"{place.root}/own/{ODD}", f"{place.root}/own/a"]
    for path in paths:
        place.call(sh, write(path, tool_response={"originalFile": None}), "after", "w ü")

    left = sorted((place.attempt / "said").iterdir())
    told = [json.loads(file.read_text()) for file in left]
    assert sorted(paths) == sorted(path for one in told for path in one["wrote"])
    assert (["w ü"] * 2, {0o600}) == ([one["worker"] for one in told], {file.stat().st_mode & 0o777 for file in left})
