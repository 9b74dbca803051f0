"""A real client without Wakeman: its scratch home, its command line, its terminal, and what it keeps of a session."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from tests.agents.clients import KEY, KINDS, PLACES, QUIET

HOOKED = (
    *("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PermissionRequest", "Notification", "Stop"),
    *("StopFailure", "SubagentStop", "SessionEnd"),
)
"""The events of Claude Code whose hook reports are kept."""
TRANSCRIPTS = {
    "claude": ".claude/projects/*/*.jsonl",
    "codex": ".codex/sessions/**/rollout-*.jsonl",
    "gemini": ".gemini/tmp/*/chats/*.jsonl",
}
"""Where each client keeps its conversation, below its home."""
CODEX = ("-c", "check_for_update_on_startup=false", "--disable", "plugins")
AIDER = (
    *("--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--analytics-disable", "--no-pretty"),
    *("--no-stream", "--no-detect-urls", "--no-auto-commits", "--no-gitignore", "--yes-always"),
)


class Start(NamedTuple):
    """How a client is started: what it is told, further arguments and variables, and what is settled before.

    Shape: `known`: its first start is over, and it trusts its directory; `warned`: it has been warned of what it may do
    without asking; `keyed`: it may use the key in its environment; `hooks`: its hook reports are kept.
    """

    client: str
    live: bool
    prompt: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    known: bool = True
    warned: bool = True
    keyed: bool = True
    hooks: bool = True


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a home of its own, with the directory `work` in it, and remove it afterwards."""
    place = Path(f"/tmp/wka{os.getpid()}{time.monotonic_ns() % 10**9:09}")
    shutil.rmtree(place, ignore_errors=True)
    (place / "work").mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def started(place: Path, start: Start, url: str) -> tuple[dict[str, str], list[str]]:
    """Write what a client needs in its home; return its environment and its command line."""
    kind = KINDS[start.client]
    for file, text in kind.files.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(text.replace("ADDRESS", url))
    node = os.path.dirname(shutil.which("node") or "/usr/bin/node")
    env = {"PATH": f"{PLACES}:{node}:/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "LANG": "C.UTF-8"}
    env |= {"TERM": "xterm-256color", kind.key: KEY, **QUIET}
    env |= {key: value.replace("ADDRESS", url) for key, value in kind.env.items()}
    args = [*(word.replace("ADDRESS", url) for word in kind.args), *start.args]
    own, argv = COMMANDS[start.client](place, start, args)
    return env | own | dict(start.env), argv


def _claude(place: Path, start: Start, args: list[str]) -> tuple[dict[str, str], list[str]]:
    work, home = place / "work", place / ".claude"
    report = {"hooks": [{"type": "command", "command": f"(cat; echo) >>{place}/hook"}]}
    settings = {
        **({"hooks": {event: [report] for event in HOOKED}} if start.hooks else {}),
        **({"skipDangerousModePermissionPrompt": True} if start.warned else {}),
    }
    approved = {"approved": [KEY[-20:]], "rejected": []}
    first = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": approved if start.keyed else {},
        "projects": {str(work): {"hasTrustDialogAccepted": True}} if start.known else {},
    }
    home.mkdir()
    (home / ".claude.json").write_text(json.dumps(first))
    (place / "settings.json").write_text(json.dumps(settings))
    env = {"CLAUDE_CONFIG_DIR": str(home), "DISABLE_AUTOUPDATER": "1"}
    env["CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL"] = "1"
    prints = [] if start.live else ["-p", "--output-format", "stream-json", "--verbose"]
    return env, ["claude", *prints, "--settings", f"{place}/settings.json", *args, "--", start.prompt]


def _codex(place: Path, start: Start, args: list[str]) -> tuple[dict[str, str], list[str]]:
    work, notes = place / "work", place / "notify"
    trusted = ["-c", f'projects={{"{work}"={{trust_level="trusted"}}}}'] if start.known else []
    if not start.known:
        subprocess.run(["git", "init", "-q", str(work)], check=True)
    if start.hooks and start.live:
        notes.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$1\" >>{shlex.quote(str(place))}/hook\n")
        trusted += ["-c", f"notify={json.dumps(['/bin/sh', str(notes)])}"]
    begin = ["codex", "--no-daemon"] if start.live else ["codex", "exec", "--json", "--skip-git-repo-check"]
    return {}, [*begin, *CODEX, *trusted, *args, "--", start.prompt]


def _gemini(place: Path, start: Start, args: list[str]) -> tuple[dict[str, str], list[str]]:
    del place
    says = ["--prompt-interactive"] if start.live else ["--output-format", "stream-json", "-p"]
    return {}, ["gemini", "--skip-trust", *args, *says, start.prompt]


def _opencode(place: Path, start: Start, args: list[str]) -> tuple[dict[str, str], list[str]]:
    del place
    if start.live:
        return {}, ["opencode", *args, "--prompt", start.prompt]
    return {}, ["opencode", "run", "--format", "json", *args, start.prompt]


def _aider(place: Path, start: Start, args: list[str]) -> tuple[dict[str, str], list[str]]:
    del place
    return {}, ["aider", *AIDER, *args, "--message", start.prompt]


COMMANDS = {"claude": _claude, "codex": _codex, "gemini": _gemini, "opencode": _opencode, "aider": _aider}


class Printed(NamedTuple):
    """What a client printed, and its exit status; None for one that had to be ended."""

    code: int | None
    stream: str
    errors: str


def printed(place: Path, start: Start, url: str, seconds: float) -> Printed:
    """Run a client in print mode. A stream is as Wakeman keeps it: both channels in one where it is no JSON."""
    env, argv = started(place, start, url)
    with (place / "stream").open("wb") as out, (place / "errors").open("wb") as errors:
        both = out if start.client == "aider" else errors
        run = subprocess.Popen(
            argv, cwd=place / "work", env=env, stdin=subprocess.DEVNULL, start_new_session=True, stdout=out, stderr=both
        )
        try:
            code: int | None = run.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    return Printed(code, *((place / name).read_text(errors="replace") for name in ("stream", "errors")))


class Terminal:
    """A client in a terminal of its own."""

    def __init__(self, place: Path, start: Start, url: str, size: tuple[int, int]) -> None:
        env, argv = started(place, start, url)
        self.tmux = ["env", "-i", f"PATH={env['PATH']}", "LANG=C.UTF-8", "TERM=xterm-256color", "tmux", "-f/dev/null"]
        self.tmux += ["-S", str(place / "tmux")]
        given = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
        box = ["-x", str(size[0]), "-y", str(size[1]), "-c", str(place / "work")]
        begin = [*self.tmux, "set", "-g", "remain-on-exit", "on", ";", "new", "-d", *box, *given, "--", *argv]
        subprocess.run(begin, check=True, capture_output=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self.tmux, "kill-server"], capture_output=True)

    def capture(self, *, colours: bool = False) -> str:
        """Return the screen, without spaces at the ends of its lines; with `colours` in their sequences."""
        argv = [*self.tmux, "capture-pane", "-p", *(["-e"] if colours else []), "-t", "0:"]
        shown = subprocess.run(argv, capture_output=True, text=True).stdout
        return "\n".join(line.rstrip(" ") for line in shown.splitlines()).rstrip("\n") + "\n"

    def awaited(self, words: str, seconds: float) -> bool:
        """Return whether words came onto the screen within a time."""
        end = time.monotonic() + seconds
        while not (found := re.search(words, self.capture())) and time.monotonic() < end:
            time.sleep(0.3)
        return found is not None

    def type(self, *keys: str) -> None:
        """Press keys, one a second."""
        for key in keys:
            subprocess.run([*self.tmux, "send-keys", "-t", "0:", key], check=True)
            time.sleep(1)


def kept(place: Path, client: str) -> dict[str, str]:
    """Return what a client keeps of a live session: hook reports, transcript, the state of its process."""
    records = (
        sorted(place.glob(TRANSCRIPTS[client]), key=lambda path: path.stat().st_mtime) if client in TRANSCRIPTS else []
    )
    states = sorted(place.glob(".claude/sessions/*.json"))
    hook = place / "hook"
    return {
        "hook": "".join(f"{line}\n" for line in hook.read_text().splitlines() if line) if hook.exists() else "",
        "record": records[-1].read_text() if records else "",
        "state": states[-1].read_text() if states else "",
    }
