"""Codex's table, tested with version 0.169."""

from __future__ import annotations

import re

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
    Window,
)
from wakeman.ports import Task

SANDBOXED = (
    "write files below the directory it starts in and beside its outputs, and run commands that its sandbox keeps there"
)
READS = Grant(
    "read files, and run commands that change nothing",
    ("--sandbox", "read-only"),
    free="'edits' or 'all' with confine = 'units': its sandbox cannot be set up inside",
)
WRITES = Grant(SANDBOXED, ("--sandbox", "workspace-write"), confined=("--sandbox", "danger-full-access"))
BYPASS = Grant("run any command, without its sandbox", ("--dangerously-bypass-approvals-and-sandbox",))
NO_UPDATES = ("-c", "check_for_update_on_startup=false", "--disable", "plugins")
NEVER = ("-c", 'approval_policy="never"')

EVENTS = (
    ClientEvent("error", {"type": "turn.failed"}, "{error.message|error}"),
    ClientEvent(
        "busy", {"type": "error", "message": re.compile("^Reconnecting")}, "{message}", "{message}", retries=True
    ),
    ClientEvent("error", {"type": "error"}, "{message}"),
    ClientEvent("idle", {"type": "turn.completed"}, "has finished its turn", ""),
    ClientEvent("busy", {"type": ANY}, "works"),
)
CALLS = Calls(
    begins={"type": "item.started"}, id="item.id", ends={"type": "item.completed"}, of="item.id",
    turn={"type": "turn.started"},
)  # fmt: skip
FAILED_AS = "{{{0}}} status {{{0}.*.http_status_code}}"
"""The kind of an error, with the status that the service answered."""
COMPLETE = {"type": "event_msg", "payload.type": "task_complete"}
USED_UP = re.compile(r"^1\d\d(?:\.|$)")
"""Per cent of a limit, from 100 on."""
RECORD = Record(
    home=("CODEX_HOME", ".codex"),
    file="sessions/{{ day }}/rollout-*.jsonl",
    names="{{ prompt_file }}",
    events=(
        *(
            ClientEvent(
                "error",
                {**COMPLETE, at: ANY},
                "{payload.error.message|payload.error|payload.error.codex_error_info}",
                also=FAILED_AS.format("payload.error.codex_error_info"),
            )
            for at in ("payload.error", "payload.error.*")
        ),
        ClientEvent("idle", {**COMPLETE, "payload.last_agent_message": ANY}, "has finished a turn"),
        ClientEvent("idle", COMPLETE, "has finished a turn", unless_failed=True),
        ClientEvent("idle", {"type": "event_msg", "payload.type": "turn_aborted"}, "was interrupted"),
        ClientEvent(None, {"payload.type": re.compile("^(?:token_count|thread_settings_applied)$")}),
        ClientEvent(
            "error",
            {"type": "event_msg", "payload.type": "error"},
            "{payload.message}",
            also=FAILED_AS.format("payload.codex_error_info"),
        ),
        ClientEvent("unknown", {"type": ANY}),
    ),
    tally=Tally(
        where={"type": "event_msg", "payload.type": "token_count", "payload.info.total_token_usage.total_tokens": ANY},
        input=("payload.info.total_token_usage.input_tokens",),
        output=("payload.info.total_token_usage.output_tokens",),
        whole=True,
    ),
    calls=Calls(
        begins={"payload.type": re.compile("_call$")},
        id="payload.call_id",
        ends={"payload.type": re.compile("_call_output$")},
        of="payload.call_id",
        turn={"type": "event_msg", "payload.type": "task_started"},
    ),
    session="payload.session_id",
    spoken=(
        Spoken({"type": "event_msg", "payload.type": "task_complete"}, "payload.last_agent_message"),
        Spoken({"type": "event_msg", "payload.type": "agent_message"}, "payload.message"),
    ),
    windows=tuple(
        Window(
            {"payload.type": "token_count", f"payload.rate_limits.{which}.used_percent": USED_UP},
            f"payload.rate_limits.{which}.resets_at",
            f"{{payload.rate_limits.{which}.window_minutes}} minutes",
        )
        for which in ("primary", "secondary")
    ),
)
"""Codex keeps a transcript that it calls a rollout; the first prompt, which names the attempt's task, identifies it."""

SET_IN = r"(?:\n(?: {2}[^\n]*)?)*\Z"
FRAME = rf"^›(?P<typed>[^\n]*)(?P<foot>{SET_IN})"
"""A mark in the first column, with everything below indented. Quoted text is indented itself."""
CHOICE = rf"[\s\S]*^› \d\. [^\n]*{SET_IN}"
FAILED = r"(?P<said>[^\n]*(?:\n(?![•›■])[^\n]*)*)\Z"
SIGNS = (
    Sign("waiting", rf"Trust this folder\?{CHOICE}", "asks whether it may trust the folder"),
    Sign("waiting", rf"(?:Would you like to|Allow Codex to) [^?]*\?{CHOICE}", "asks for a permission"),
    Sign("waiting", rf"Sign in with ChatGPT[\s\S]*^[›>] \d\. [^\n]*{SET_IN}", "asks for a login"),
    Sign("waiting", r"^ {2}Question \d+/\d+[\s\S]*^ {2}[^\n]*\benter to submit [^\n]*\s*\Z", "asks a question"),
    Sign("waiting", rf"^› \d\. [^\n]*{SET_IN}", "shows a dialog"),
    Sign("busy", r"^[•◦] (?P<said>Reconnecting[^\n]*(?:\n {2}[^\n]*)*)", part="above", retries=True),
    Sign("busy", r"^[•◦] [^\n]*esc to interrupt", "works", part="above"),
    Sign(
        "busy",
        r"^ {2}\d+ (?:background )?(?:terminal|(?:sub-?)?agent|task|command|job|process)(?:e?s)? "
        r"(?:(?:is|are) )?(?:still )?running[^\n]*\s*\Z",
        "runs a command in the background",
        part="above",
        background=True,
    ),
    Sign("idle", r"^■ Conversation interrupted[^\n]*(?:\n {0,2}\S[^\n]*)*\s*\Z", "was interrupted", part="above"),
    Sign("error", rf"^■ {FAILED}", part="above"),
    Sign("idle", r"^\n {2}Worked for [^\n]*\s*\Z", "has finished a turn", part="above"),
)
"""Its input box is visible also while it works; only the line below a finished turn shows the end."""

DIALOGS = DialogTable(
    top=r"^ {2}(?:Would you like to|Allow Codex to|Folder access)",
    foot=r"\b(?:enter|esc)\b",
    permission=r"(?:Would you like to|Allow Codex to) [^?]*\?",
    once=r"^Yes, (?:proceed|just this once)",
    always=(
        r"^Yes, and don['’]t ask again|^Trust and"
        r"|^Yes, and allow [^\n]* (?:in the future|for this (?:session|conversation))"
    ),
    deny=r"^No\b",
)
"""A number takes its choice at once."""


def _permits(task: Task, beside: list[str]) -> tuple[str, ...]:
    """Return the settings that it would otherwise ask for: trust of its directory, and the program to run after a turn.

    Boundary: it also reports its internal turns (a title for the session), and never the beginning of a turn. So its
    report only starts a check, and is no evidence.
    """
    del beside
    place = msgspec.json.encode(task.cwd).decode()
    words = ("-c", f'projects={{{place}={{trust_level="trusted"}}}}') if task.cwd else ()
    if task.plan.workers.mode == "print" or not task.hook:
        return words
    notify = msgspec.json.encode(["/bin/sh", task.hook, task.place, "notify", "push"]).decode()
    return (*words, "-c", f"notify={notify}")


CODEX = Client(
    name="codex",
    install="npm install -g @openai/codex",
    recorded=("0.169.0", "0.171.0"),
    talks={
        "print": Talk(
            begin=("codex", "exec", "--json", "--skip-git-repo-check", *NO_UPDATES, *NEVER),
            resume=("resume", "{{ session }}"),
            end=("-",),
            stdin=True,
            to_file=True,
        ),
        "interactive": Talk(begin=("codex", "--no-daemon", *NO_UPDATES), end=("--", OPENING)),
    },
    grants={
        ("print", False): READS,
        ("print", "edits"): WRITES,
        ("print", "all"): BYPASS,
        ("interactive", False): READS,
        ("interactive", "edits"): WRITES,
        ("interactive", "all"): BYPASS,
    },
    ours=frozenset({"exec", "resume", "--json", "--skip-git-repo-check", "--ephemeral", "--"}),
    granting=frozenset({"--sandbox", "-s", "--dangerously-bypass-approvals-and-sandbox", "--approve-for-me"}),
    reach=("--add-dir", "{{ directory }}"),
    model=("--model", "{{ model }}"),
    permits=_permits,
    config=Config(
        {"CODEX_HOME": "{{ home }}"},
        {name: (f"$HOME/.codex/{name}",) for name in ("auth.json", "config.toml", "AGENTS.md")},
        ("auth.json", "config.toml"),
    ),
    events=EVENTS,
    signs=SIGNS,
    spoken=(Spoken({"type": "item.completed", "item.type": "agent_message"}, "item.text"),),
    tally=Tally(
        where={"type": "turn.completed"}, input=("usage.input_tokens",), output=("usage.output_tokens",), whole=True
    ),
    calls=CALLS,
    record=RECORD,
    frame=FRAME,
    dialogs=DIALOGS,
    session="thread_id",
    prompt_line=r"^› (?!Ask Codex)(?!\d\. )\S.*$",
    left_by_hand=True,
    memory=200 * 1024 * 1024,
)
