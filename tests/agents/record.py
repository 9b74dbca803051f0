"""Record the clients' screens into tests/adapters/screens: `python -m tests.agents.record [NAME...]`.

With `--new` those of a new version go below the directory of that version, and what they differ in from the known ones
is shown. Each is a real client's screen, in a terminal of its own, connected to the simulated model server;
WAKEMAN_CLIENTS names the directories with the programs. Tests only read the recorded files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.agents.clients import KEY, KINDS, PLACES, QUIET
from tests.agents.models import serving

from wakeman.adapters.harness import find
from wakeman.ports import Evidence

SCREENS = Path(__file__).parents[1] / "adapters" / "screens"
SIZES = ((80, 24), (200, 50))
PATIENCE = 60.0
"""Seconds that a screen may take to show what is waited for."""


class Show(NamedTuple):
    """What is recorded: the play, further arguments and variables, what is typed, and the words that are waited for."""

    play: str
    wait: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    keys: tuple[str, ...] = ()
    known: bool = True  # what a first start asks is settled


MINE = ("--permission-mode", "acceptEdits")
ALL = ("--permission-mode", "bypassPermissions")
ROOT = {"IS_SANDBOX": "1"}
ONCE = {"CLAUDE_CODE_MAX_RETRIES": "1"}
SAFE = ("--sandbox", "read-only", "--ask-for-approval", "on-request")
YOLO = ("--dangerously-bypass-approvals-and-sandbox",)
SHOWS: dict[str, Show] = {
    "claude-idle": Show("work", r"for \d+s(?: · done [^\n]*)?\n", MINE),
    "claude-idle-bypass": Show("work", r"for \d+s(?: · done [^\n]*)?\n", ALL, ROOT),
    "claude-idle-wonders": Show("wonders", r"for \d+s(?: · done [^\n]*)?\n", MINE),
    "claude-idle-quoting": Show("quotes", r"for \d+s(?: · done [^\n]*)?\n", ALL, ROOT),
    "claude-busy-hang": Show("hang", r"… \(\d+s", MINE),
    "claude-busy-tool": Show("toils", r"Running|… \(\d+s", ALL, ROOT),
    "claude-busy-retry": Show("fail", r"[Rr]etrying", MINE, {"CLAUDE_CODE_MAX_RETRIES": "10"}),
    "claude-busy-quoting": Show("quotes_then_hangs", r"… \(\d+s", ALL, ROOT),
    "claude-waiting-permission": Show("work", r"1\. Yes", ("--permission-mode", "default")),
    "claude-waiting-command": Show("orphans", r"1\. Yes", ("--permission-mode", "default")),
    "claude-waiting-question": Show("asks", r"Enter to select", MINE),
    "claude-waiting-trust": Show("work", r"Enter to confirm", MINE, known=False),
    "claude-waiting-bypass": Show("work", r"Yes, I accept", ALL, {**ROOT, "WARN": "1"}),
    "claude-error-500": Show("fail", r"API Error", MINE, ONCE),
    "claude-error-401": Show("refuse", r"API key", MINE, ONCE),
    "claude-error-long": Show("long", r"too long|Context limit", MINE, ONCE),
    "claude-limited": Show("limit", r"limit reached", MINE, ONCE),
    "claude-unknown-left": Show("work", r"for \d+s(?: · done [^\n]*)?\n", MINE, keys=("/exit", "Enter")),
    "codex-idle": Show("work", r"Worked for", YOLO),
    "codex-idle-quoting": Show("quotes", r"Worked for", YOLO),
    "codex-busy-hang": Show("hang", r"esc to interrupt", YOLO),
    "codex-busy-tool": Show("toils", r"Running|background|Waited|Waiting", YOLO),
    "codex-waiting-trust": Show("work", r"Trust this folder", YOLO, known=False),
    "codex-waiting-permission": Show("work", r"1\. Yes", SAFE),
    "codex-error-401": Show("refuse", r"■ ", YOLO),
    "gemini-idle": Show("work", r"All of it", ("--approval-mode", "yolo")),
    "gemini-idle-quoting": Show("quotes", r"All of it", ("--approval-mode", "yolo")),
    "gemini-busy-hang": Show("hang", r"esc to cancel", ("--approval-mode", "yolo")),
    "gemini-waiting-permission": Show("work", r"1\. ", ("--approval-mode", "default")),
    "gemini-error-401": Show("refuse", r"API Error|rror", ("--approval-mode", "yolo")),
    "opencode-idle": Show("work", r"▣ .* · \d", ("--auto",)),
    "opencode-idle-quoting": Show("quotes", r"▣ .* · \d", ("--auto",)),
    "opencode-busy-hang": Show("hang", r"esc +interrupt", ("--auto",)),
    "opencode-waiting-permission": Show("orphans", r"ermission", (), {"OPENCODE_PERMISSION": '{"bash":"ask"}'}),
    "opencode-error-401": Show("refuse", r"x-api-key|rror", ("--auto",)),
}
"""Each begins with its client, then what it shows."""


def record(name: str, size: tuple[int, int], version: str = "") -> str:
    """Record one screen in one size, of the known version or a new one; return what became of it."""
    show, client = SHOWS[name], name.partition("-")[0]
    place = Path(f"/tmp/wkr{abs(hash((name, size))) % 10**5:05}")
    shutil.rmtree(place, ignore_errors=True)
    (place / "work").mkdir(parents=True)
    with serving() as models:
        env, argv = _started(place, client, show, models.url)
        socket = str(place / "tmux")
        tmux = ["env", "-i", f"PATH={env['PATH']}", "LANG=C.UTF-8", "TERM=xterm-256color", "tmux", "-f/dev/null"]
        given = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
        box = ["-x", str(size[0]), "-y", str(size[1]), "-c", str(place / "work")]
        begin = [*tmux, "-S", socket, "set", "-g", "remain-on-exit", "on", ";", "new", "-d", *box, *given, "--", *argv]
        subprocess.run(begin, check=True, capture_output=True)
        try:
            screen = _awaited(tmux, socket, show)
        finally:
            subprocess.run([*tmux, "-S", socket, "kill-server"], capture_output=True)
    shutil.rmtree(place, ignore_errors=True)
    if not re.search(show.wait, screen):
        return f"{name} {size}: {show.wait!r} never came:\n{screen}"
    text = "\n".join(line.rstrip(" ") for line in screen.replace(str(place), "/home/agent").splitlines())
    file = f"{name}.{size[0]}x{size[1]}.txt"
    place = SCREENS / version if version else SCREENS
    place.mkdir(exist_ok=True)
    (place / file).write_text(text.rstrip("\n") + "\n")
    return f"{name} {size}: recorded" + (_changes(file, version) if version else "")


def _changes(file: str, version: str) -> str:
    """Return what the tables read from a new screen, and the lines that no known screen of that name has."""
    client, expected, *_ = re.split("[-.]", file)
    new = (SCREENS / version / file).read_text()
    said = find(client).report(Evidence(screen=new, version=version), datetime.now(UTC))
    verdict = "as expected" if said.activity == expected else f"READ AS {said.activity}, expected {expected}"
    known = (SCREENS / file).read_text().splitlines() if (SCREENS / file).exists() else []
    lines = "".join(f"\n    + {line}" for line in new.splitlines() if line.strip() and line not in known)
    return f", {verdict}: {said.why}{lines}"


def version_of(client: str) -> str:
    """Return the version of an installed client."""
    said = subprocess.run([shutil.which(client, path=PLACES) or client, "--version"], capture_output=True, text=True)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout)
    return found[0] if found else "unknown"


def _awaited(tmux: list[str], socket: str, show: Show) -> str:
    def capture() -> str:
        argv = [*tmux, "-S", socket, "capture-pane", "-p", "-t", "0:"]
        return subprocess.run(argv, capture_output=True, text=True).stdout

    end = time.monotonic() + PATIENCE
    while not re.search(show.wait, capture()) and time.monotonic() < end:
        time.sleep(0.3)
    time.sleep(1)
    for key in show.keys:
        subprocess.run([*tmux, "-S", socket, "send-keys", "-t", "0:", key], check=True)
        time.sleep(1)
    return capture()


def _started(place: Path, client: str, show: Show, url: str) -> tuple[dict[str, str], list[str]]:
    kind, work = KINDS[client], place / "work"
    for file, text in kind.files.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(text.replace("ADDRESS", url))
    task = work / "task.md"
    task.write_text(f"Make each file on the right. play={show.play}\na -> {work}/a.md\nb -> {work}/b.md\n")
    prompt = f"Read {task} and do what it says."
    node = os.path.dirname(shutil.which("node") or "/usr/bin/node")
    env = {"PATH": f"{PLACES}:{node}:/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "LANG": "C.UTF-8"}
    env |= {"TERM": "xterm-256color", kind.key: KEY, **QUIET}
    env |= {key: value.replace("ADDRESS", url) for key, value in kind.env.items()} | dict(show.env)
    args = [word.replace("ADDRESS", url) for word in kind.args]
    if client == "claude":
        trust = {str(work): {"hasTrustDialogAccepted": True}} if show.known else {}
        known = {"approved": [KEY[-20:]], "rejected": []}
        first = {"hasCompletedOnboarding": True, "customApiKeyResponses": known, "projects": trust}
        (place / ".claude").mkdir()
        (place / ".claude" / ".claude.json").write_text(json.dumps(first))
        quiet = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1"}
        env |= {"CLAUDE_CONFIG_DIR": str(place / ".claude"), **quiet}
        skip = [] if "WARN" in show.env else ["--settings", '{"skipDangerousModePermissionPrompt":true}']
        return env, ["claude", *skip, *show.args, "--", prompt]
    if client == "codex":
        quiet_ = ["-c", "check_for_update_on_startup=false", "--disable", "plugins"]
        trusted = ["-c", f'projects={{"{work}"={{trust_level="trusted"}}}}'] if show.known else []
        if not show.known:
            subprocess.run(["git", "init", "-q", str(work)], check=True)
        return env, ["codex", "--no-daemon", *quiet_, *trusted, *args, *show.args, "--", prompt]
    if client == "gemini":
        return env, ["gemini", "--skip-trust", *args, *show.args, "--prompt-interactive", prompt]
    return env, ["opencode", *show.args, "--prompt", prompt]


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--new"]
    there = [name for name in SHOWS if shutil.which(name.partition("-")[0], path=PLACES)]
    wanted = [name for name in there if not words or any(word in name for word in words)]
    clients = {name.partition("-")[0] for name in wanted}
    versions = {client: version_of(client) if "--new" in sys.argv else "" for client in clients}
    with ThreadPoolExecutor(2) as pool:
        shows = [(name, size, versions[name.partition("-")[0]]) for name in wanted for size in SIZES]
        for said in pool.map(lambda each: record(*each), shows):
            sys.stdout.write(f"{said}\n")
            sys.stdout.flush()
