"""Gemini CLI's table, tested with version 0.61."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from wakeman.adapters.harness.table import (
    ANY,
    OPENING,
    Calls,
    Client,
    ClientEvent,
    Config,
    DialogTable,
    Grant,
    Record,
    Sign,
    Spoken,
    Talk,
    Tally,
)
from wakeman.ports import Task

REFUSED = "'edits' or 'all' in mode 'print', which cannot ask (or workers.args = ['--allowed-tools', ...])"
EDITS = Grant(
    "write files below the directory it starts in and beside its outputs (five directories at most)",
    ("--approval-mode", "auto_edit"),
)
ALL = Grant("run any command", ("--approval-mode", "yolo"))

EVENTS = (
    ClientEvent("error", {"type": "result", "status": "error"}, "{error.message|error.type}", also="{error.type}"),
    ClientEvent("idle", {"type": "result"}, "has given its result", ""),
    ClientEvent("busy", {"type": ANY}, "works"),
)
CALLS = Calls(begins={"type": "tool_use"}, id="tool_id", ends={"type": "tool_result"}, of="tool_id")
RECORD = Record(
    home=("GEMINI_CLI_HOME", ""),
    file=".gemini/tmp/*/chats/session-*-{{ short }}.jsonl",
    tally=Tally(
        where={"type": "gemini", "id": ANY},
        input=("tokens.input",),
        output=("tokens.output", "tokens.thoughts"),
        adds=True,
        key="id",
    ),
    spoken=(Spoken({"type": "gemini"}, "content"),),
)
"""Gemini keeps its chats; it records a tool call after its return, and nothing about turns."""

FRAME = r"^─{8,}[^\n]*\n(?:[^\n─╰]*\n){0,3}? [*>!r] {1,3}(?P<typed>[^\n]*)(?P<foot>(?:\n(?: [^\n]*)?)*)\Z"
"""A rule from the first column, and its input box below. Quoted text is indented."""
BELOW = r"(?:\s|^[⚠ℹ][^\n]*|^ +\S[^\n]*)*\Z"
DIALOG = rf"^ ?│ ● \d\. [\s\S]*^ ?╰─+╯{BELOW}"
CHOICE = rf"[\s\S]*{DIALOG}"
"""A dialog replaces the input box, in the last frame of the screen."""
SIGNS = (
    Sign("busy", r"^Attempt \d+ failed[^\n]*(?![\s\S]*^Attempt \d+ failed)", retries=True),
    Sign(
        "waiting",
        rf"(?:Allow execution of|Apply this change\?|Do you want to proceed\?){CHOICE}",
        "asks for a permission",
        part="open",
    ),
    Sign("waiting", rf"Do you trust (?:the files in )?this folder\?{CHOICE}", "asks whether it may trust", part="open"),
    Sign("waiting", rf"How would you like to authenticate{CHOICE}", "asks for a login", part="open"),
    Sign("limited", rf"^ ?│ (?P<said>Usage limit reached for[\s\S]*){DIALOG}", part="open"),
    Sign("waiting", DIALOG, "shows a dialog", part="open"),
    Sign("busy", r"^ [⠁-⣿] [^\n]*esc to cancel[^\n]*\s*\Z", "works", part="above"),
    Sign("error", rf"^✕ (?P<said>\S[^\n]*(?:\n {{2}}[^\n]*)*){BELOW}", part="above"),
    Sign("idle", r"^Type your message or @path", "waits for a prompt", part="typed"),
)

DIALOGS = DialogTable(
    top=r"^ ?╭─+╮\s*$",
    foot=r"",
    never=FRAME,
    permission=r"Allow execution of|Apply this change\?|Do you want to proceed\?",
    once=r"^(?:Allow once|Yes, allow once)",
    always=r"^(?:Allow for this session|Yes, allow always|Always allow|Yes, allow for this session)",
    deny=r"^(?:No\b|Cancel)",
)


def _settle(task: Task) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Return settings that take precedence over the user's: no update, and no notice about one, during a run.

    Boundary: it ignores, and reports, a file in a directory that others may write to, such as /tmp.
    """
    if not task.place:
        return {}, {}
    file = f"{task.place}/settings.json"
    settings = {"general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False}}
    return {"GEMINI_CLI_SYSTEM_SETTINGS_PATH": file}, {file: msgspec.json.encode(settings)}


GEMINI = Client(
    name="gemini",
    install="npm install -g @google/gemini-cli",
    recorded=("0.61.0",),
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
    config=Config(
        {"GEMINI_CLI_HOME": "{{ home }}"},
        {
            f".gemini/{name}": (f"$HOME/.gemini/{name}",)
            for name in ("settings.json", "oauth_creds.json", "google_accounts.json", "GEMINI.md", ".env")
        },
        (".gemini/settings.json", ".gemini/oauth_creds.json", ".gemini/.env"),
    ),
    events=EVENTS,
    signs=SIGNS,
    spoken=(Spoken({"type": "message", "role": "assistant"}, "content", parts=True),),
    tally=Tally(where={"type": "result"}, input=("stats.input_tokens",), output=("stats.output_tokens",)),
    calls=CALLS,
    record=RECORD,
    frame=FRAME,
    dialogs=DIALOGS,
    prompt_line=r"^ > \S.*$",
    left_by_hand=True,
    memory=350 * 1024 * 1024,
)
