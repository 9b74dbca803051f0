"""Gemini CLI: its table. Known of version 0.61."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from wakeman.adapters.harness.client import ANY, OPENING, Client, Event, Grant, Sign, Talk, Tally
from wakeman.adapters.harness.limits import LIMIT
from wakeman.ports import Task

REFUSED = "'edits' or 'all' in mode 'print', where nobody can be asked (or workers.args = ['--allowed-tools', ...])"
EDITS = Grant(
    "write files below the directory it starts in and beside its outputs (five directories at most)",
    ("--approval-mode", "auto_edit"),
)
ALL = Grant("run any command", ("--approval-mode", "yolo"))

AUTH = re.compile(r'"code": ?401|API key not valid|UNAUTHENTICATED')
EVENTS = (
    Event("limited", {"type": "result", "status": "error", "error.message": LIMIT}, "{error.message}"),
    Event("error", {"type": "result", "status": "error", "error.message": AUTH}, "{error.message}", fault="auth"),
    Event("error", {"type": "result", "status": "error"}, "{error.message|error.type}"),
    Event("idle", {"type": "result"}, "has given its result", ""),
    Event("busy", {"type": ANY}, "works"),
)
SIGNS = (
    Sign("waiting", r"Allow execution of|Apply this change\?|Do you want to proceed\?", "asks for a permission"),
    Sign("waiting", r"Do you trust (?:the files in )?this folder\?", "asks whether it may trust the folder"),
    Sign("waiting", r"How would you like to authenticate", "asks for a login"),
    Sign("waiting", r"^.*● 1\. ", "shows a dialog"),
    Sign("busy", r"esc to cancel", "works"),
    Sign("limited", LIMIT.pattern),
    Sign("error", r"\[API Error: .*", ""),
    Sign("idle", r"Type your message or @path", "waits for a prompt"),
)


def _settle(task: Task) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Seed settings that stand above the user's: no update, and no word about one, under running workers.

    Boundary: it passes over a file below a directory that others may write to, such as /tmp, and says so.
    """
    if not task.place:
        return {}, {}
    file = f"{task.place}/settings.json"
    settings = {"general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False}}
    return {"GEMINI_CLI_SYSTEM_SETTINGS_PATH": file}, {file: msgspec.json.encode(settings)}


GEMINI = Client(
    name="gemini",
    install="npm install -g @google/gemini-cli",
    talks={
        "print": Talk(
            begin=("gemini", "--skip-trust", "--output-format", "stream-json"),
            fresh=("--session-id", "{{ session }}"),
            stdin=True,
            to_file=True,
        ),
        "interactive": Talk(
            begin=("gemini", "--skip-trust"),
            fresh=("--session-id", "{{ session }}"),
            end=("--prompt-interactive", OPENING),
        ),
    },
    grants={
        ("print", False): Grant(
            "read; what would be asked for is refused", ("--approval-mode", "default"), refused=REFUSED
        ),
        ("print", "edits"): EDITS,
        ("print", "all"): ALL,
        ("interactive", False): Grant("read; for the rest it asks and waits", ("--approval-mode", "default")),
        ("interactive", "edits"): EDITS,
        ("interactive", "all"): ALL,
    },
    ours=frozenset(
        {"-p", "--prompt", "-i", "--prompt-interactive", "-o", "--output-format", "--session-id", "--resume", "-r"}
    ),
    granting=frozenset({"--approval-mode", "--yolo", "-y", "--allowed-tools", "--policy"}),
    reach=("--include-directories", "{{ directory }}"),
    model=("--model", "{{ model }}"),
    settle=_settle,
    events=EVENTS,
    signs=SIGNS,
    tally=Tally(where={"type": "result"}, input=("stats.input_tokens",), output=("stats.output_tokens",)),
    prompt_line=r"^ > \S.*$",
    memory=350 * 1024 * 1024,
)
