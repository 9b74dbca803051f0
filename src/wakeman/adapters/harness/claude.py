"""Claude Code's table, tested with version 2.1; unknown messages of a later one read as unknown or busy, never idle.
Print mode prints one JSON object per line. An interactive session reports by hooks; its screen shows dialogs that come
before any hook. Both get their settings from a file of the attempt.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Raw

from wakeman.adapters.harness.command_line import topmost_directories
from wakeman.adapters.harness.limits import LIMIT_SIGN
from wakeman.adapters.harness.refusals import CLIENT_REASON_CHARS_MAX
from wakeman.adapters.harness.table import (
    ANY,
    OPENING,
    Calls,
    Client,
    ClientEvent,
    Config,
    DialogTable,
    Grant,
    Own,
    Record,
    Sign,
    Spoken,
    Talk,
    Tally,
    Window,
)
from wakeman.core.errors import UsageError
from wakeman.core.gate import Json, Refused, decode_json, texts_at, values_at
from wakeman.core.model import Agent, Plan
from wakeman.core.text import sanitise
from wakeman.ports import Task

ARGUMENT_BYTES_MAX = 131_071
"""Bytes of one argument at most, on Linux."""
KEYS = frozenset(
    {
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX",
    }
)  # fmt: skip
"""Variables that replace a login: with one of them a worker gets its own configuration directory."""
SETTINGS, STATE = "settings.json", ".claude.json"
KEY_TAIL_CHARS = 20
"""Last characters of a key, by which the client remembers that it was approved."""

HOOKED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "print": {"Stop": ()},
    "interactive": {
        **dict.fromkeys(
            ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "SubagentStop", "SessionEnd"), ()
        ),
        **dict.fromkeys(("PermissionRequest", "Stop", "StopFailure"), ("push",)),
    },
}
"""The hooks of each mode, and those that start a check. In print mode the stream reports the rest."""

WRITES = "Write|Edit|MultiEdit|NotebookEdit"
"""Its tools that write files."""

REFUSED = (
    "'edits' or 'all' in mode 'print', which cannot ask (or name the tools: workers.args = ['--allowedTools', ...])"
)
EDITS = "write its outputs, what its units claim by `units.writes`, and below its `TMPDIR`"
ALL = (
    "run any command, and write anywhere but, with its tools for files, to other files below the plan's directory; "
    "commands are not kept from those"
)
GRANTS = {
    ("print", False): Grant(
        "what its tools and your settings permit; it cannot ask, so name tools in `workers.args`",
        ("--permission-mode", "default"),
        refused=REFUSED,
    ),
    ("print", "edits"): Grant(EDITS + "; the rest is refused", ("--permission-mode", "default")),
    ("print", "all"): Grant(ALL, ("--permission-mode", "bypassPermissions")),
    ("interactive", False): Grant(
        "what its tools and your settings permit; for the rest it asks and waits", ("--permission-mode", "default")
    ),
    ("interactive", "edits"): Grant(EDITS + "; for the rest it asks and waits", ("--permission-mode", "default")),
    ("interactive", "all"): Grant(ALL, ("--permission-mode", "bypassPermissions")),
}


def _denied_tools(line: Json) -> str:
    """Return the tools that were not permitted, each with its target."""
    denied = []
    for one in values_at(line, "permission_denials.*"):
        on = (" ".join(texts_at(one, f"tool_input.{key}")) for key in ("file_path", "command", "command.*"))
        denied.append(" ".join((*texts_at(one, "tool_name"), next(filter(None, on), ""))).rstrip())
    return sanitise(f"not permitted: {', '.join(denied)}", CLIENT_REASON_CHARS_MAX)


RESULT: Mapping[str, Any] = {"type": "result"}
RESULT_TEXT = "{result|errors.*|terminal_reason|subtype}"

STATUS = "status {api_error_status}"

EVENTS = (
    ClientEvent("limited", {**RESULT, "is_error": True, "api_error_status": 429}, RESULT_TEXT),
    ClientEvent("error", {**RESULT, "is_error": True}, RESULT_TEXT, also=STATUS),
    ClientEvent(
        "idle",
        {**RESULT, "is_error": False, "permission_denials.*.tool_name": ANY},
        "has given its result",
        _denied_tools,
    ),
    ClientEvent("idle", {**RESULT, "is_error": False, "terminal_reason": "completed"}, "has given its result", ""),
    ClientEvent("idle", {**RESULT, "is_error": False, "terminal_reason": ANY}, "has given its result", RESULT_TEXT),
    ClientEvent("idle", {**RESULT, "is_error": False}, "has given its result", ""),
    ClientEvent("error", {**RESULT, "subtype": re.compile("^error")}, RESULT_TEXT, also=STATUS),
    ClientEvent(None, RESULT),
    ClientEvent(
        "limited",
        {"type": "rate_limit_event", "rate_limit_info.status": "rejected"},
        "usage limit",
        until="rate_limit_info.resetsAt",
    ),
    ClientEvent(None, {"type": re.compile("^(?:rate_limit_event|prompt_suggestion)$")}),
    ClientEvent(None, {"type": "system", "subtype": re.compile("^(?:status|session_state_changed|files_persisted)$")}),
    ClientEvent(
        "busy",
        {"type": "system", "subtype": "api_retry"},
        "{error} {error_status} attempt {attempt}/{max_retries}",
        retries=True,
    ),
    ClientEvent("busy", {"type": ANY}, "works"),
)
WINDOWS = (
    Window(
        {"type": "rate_limit_event", "rate_limit_info.status": "rejected"},
        "rate_limit_info.resetsAt",
        "{rate_limit_info.rateLimitType}",
    ),
    Window({"type": "rate_limit_event"}, "rate_limit_info.resetsAt", "{rate_limit_info.rateLimitType}", sure=False),
)
"""An account's limits, in lines of its stream: each used up, or on its way to be."""
GOES_ON = re.compile("^(?!(?:completed?|done|finished|failed|error|killed|stopped|cancell?ed|ended)$)")
"""A status of a task that is not over."""
HOOKS = (
    ClientEvent(
        "busy",
        {"hook_event_name": "Stop", "background_tasks.*.status": GOES_ON},
        "background tasks run",
        background=True,
    ),
    ClientEvent(
        "busy", {"hook_event_name": "Stop", "session_crons.*.id": ANY}, "waits for a timer of its own", background=True
    ),
    ClientEvent("idle", {"hook_event_name": "Stop", "background_tasks.*.status": ANY}, "has finished a turn"),
    ClientEvent(
        "busy", {"hook_event_name": "Stop", "background_tasks.*.id": ANY}, "background tasks run", background=True
    ),
    ClientEvent("idle", {"hook_event_name": "Stop"}, "has finished a turn"),
    ClientEvent("limited", {"hook_event_name": "StopFailure", "error": "rate_limit"}, "{last_assistant_message|error}"),
    ClientEvent(
        "error",
        {"hook_event_name": "StopFailure", "error": re.compile("authentication|oauth")},
        "{error}: {last_assistant_message}",
        fault="auth",
    ),
    ClientEvent("error", {"hook_event_name": "StopFailure"}, "{error}: {last_assistant_message}"),
    ClientEvent("waiting", {"hook_event_name": "PermissionRequest", "tool_name": "AskUserQuestion"}, "asks a question"),
    ClientEvent(
        "waiting",
        {"hook_event_name": "PermissionRequest"},
        "asks for a permission: {tool_name} {tool_input.file_path|tool_input.command}",
    ),
    ClientEvent(None, {"hook_event_name": "SessionStart"}),
    ClientEvent(
        "unknown",
        {"hook_event_name": "SessionEnd", "reason": re.compile("^(?:prompt_input_exit|logout)$")},
        "was left at its keyboard",
        ended_by="person",
    ),
    ClientEvent(None, {"hook_event_name": "SessionEnd"}),
    ClientEvent("busy", {"hook_event_name": ANY}, "works"),
)
CALLS = Calls(
    begins={"type": "assistant", "message.content.*.type": "tool_use"},
    id="message.content.*.id",
    ends={"type": "user", "message.content.*.type": "tool_result"},
    of="message.content.*.tool_use_id",
    turn={"type": "user", "message.content": ANY},  # a prompt: answers are lists
)
TEXTS = Spoken({"type": "assistant", "message.content.*.type": "text"}, "message.content.*.text")
RECORD = Record(
    home=("CLAUDE_CONFIG_DIR", ".claude"),
    file="projects/{{ place }}/{{ session }}.jsonl",
    beside="projects/{{ place }}/{{ session }}/subagents/*.jsonl",
    states="sessions/*.json",
    events=(
        ClientEvent("limited", {"isApiErrorMessage": True, "error": "rate_limit"}, "{message.content.*.text}"),
        ClientEvent(
            "error",
            {"isApiErrorMessage": True, "error": re.compile("authentication|oauth")},
            "{message.content.*.text}",
            fault="auth",
        ),
        ClientEvent("error", {"isApiErrorMessage": True}, "{message.content.*.text}", also="{error}"),
        ClientEvent("unknown", {"type": re.compile("^(?:user|assistant)$")}),
    ),
    about=(
        ClientEvent("waiting", {"status": "waiting"}, "asks: {waitingFor|status}"),
        ClientEvent("busy", {"status": "shell"}, "runs a shell in the background", background=True),
        ClientEvent("busy", {"status": "busy"}, "works"),
        ClientEvent("idle", {"status": "idle"}, "waits for a prompt"),
    ),
    at="statusUpdatedAt",
    tally=Tally(
        where={"type": "assistant", "message.id": ANY},
        input=(
            "message.usage.input_tokens",
            "message.usage.cache_read_input_tokens",
            "message.usage.cache_creation_input_tokens",
        ),
        output=("message.usage.output_tokens",),
        adds=True,
        key="message.id",
        whole=True,
    ),
    calls=CALLS,
    spoken=(TEXTS,),
)
"""It keeps a transcript with every message of an interactive session, and a state file for each process."""

FRAME = (
    r"^─{8,}[^\n]*\n❯(?P<typed>[^\n]*(?:\n(?!─{8})[^\n]*)*)\n─{8,}[^\n]*"
    r"(?P<foot>(?:\n(?: [^\n]*)?)*)\Z"
)
"""Its input box: two rules from the first column, with the typed text between. Quoted text is always indented."""
KEYS_LAST = r"^ {0,3}(?:Enter to confirm|Esc to cancel|(?:\S[^\n]* )?Press Enter to (?:continue|retry))[^\n]*\Z"
CHOICES_LAST = r"^(?: {1,3}|│ +)❯ \d\. [^\n]*(?:\n[ │╰][^\n]*|\n)*\Z"
CHOICE = rf"[\s\S]*(?:^ {{0,3}}Enter to select[^\n]*\Z|{KEYS_LAST}|{CHOICES_LAST})"
"""A dialog replaces the input box, with its keys in the last line, or its choices down to the last line."""
OVER = r"\s*^✻ [^\n]* for [^\n]*\s*\Z"
LAST = rf"(?:{OVER}|\s*\Z)"
"""The last line of a turn: the client's last message is right above it, a tool's output is not."""
BELOW = r"^✻ [^\n]* for [^\n]*(?:\n[^\S\n]*)*\n {0,4}(?:[※ⓘ⎿!●·] +)?"
"""Up to what it says of itself below the last line of a turn, as of a limit whose end it waits for by itself."""
MORE = r"(?:\n {2,5}\S[^\n]*)*"
JOB = (
    r"(?:shell|bash|task|agent|subagent|monitor|workflow|job|command|process|teammate|team|cloud session|cron|"
    r"dev server)(?:e?s)?"
)
RUNNING = (
    r"(?:(?:\d+ |(?<=· ))[^\n·]{1,60} still (?:running|working|active)"
    rf"|\d+ (?:[\w-]+ ){{0,3}}{JOB} (?:(?:is|are) )?(?:running|working|active)\b"
    r"|[Ww]aiting (?:for|on) (?:\d+ |an? |the )?[^\n·]{1,60} to (?:finish|complete|end|return)"
    rf"|[Ww]aiting (?:for|on) (?:\d+ )?(?:[\w-]+ ){{0,3}}{JOB}(?=…|\.|\s*$))"
)
"""Work in the background, in the client's words below the last turn: `1 shell still running`, `Waiting for 2 background
agents to finish`."""
NEWEST = r"[^\n]*(?:\n(?![●·✢✳✶✻✽*] )[^\n]*)*\Z"
"""Nothing below that the client has said since: it does not take back what a line above counted."""
JOBS = (
    rf"(?:^|·) *(?:[◇◆] *)?\d+ (?:[\w-]+ ){{0,3}}{JOB}\b"
    r"(?= *(?:[·,(\n]|\Z| {2}|(?:still |is |are )?(?:running|active)\b))"
)
"""Work in the background, counted in the foot below the input box: `· 1 shell ·`."""
_ALONE = r"(?=[ .]*(?:[·(]|$))"
KEY_OR_MONEY = (
    rf"Invalid API key{_ALONE}|Please run /login|Not logged in{_ALONE}|Credit balance (?:is )?too low"
    r"|You(?:r|['’]re) (?:org|out of|group)[^\n]{0,60}\b(?:usage|credits|disabled)\b"
)
TOO_MUCH = rf"(?:Request timed out|Prompt is too long|Context limit reached){_ALONE}"
"""What it says of itself stands alone, or before a dot or a bracket; in the model's own words more follows."""
BY_NAME = "Claude (?:AI )?"
ASIDES = r"(?:^(?: {20,}\S[^\n]*| {1,2}tmux focus-events off[^\n]*|[^\S\n]*)\n)+\Z"
"""Right above its box: notes of its own, at the right, and about its terminal."""
RESEND = r"(?:Once fixed, resend your message|Resend your message to try again)"
"""What an empty box shows after a failure, in grey."""
SIGNS = (
    Sign("unknown", r"^Resume this session with:", "has left", part="open"),
    Sign("error", r"Unable to connect to Anthropic services", part="open"),
    Sign("error", r"\A\s*(?P<said>[^\n]*cannot be used with root/sudo privileges[^\n]*)", part="open"),
    Sign("waiting", rf"trust this folder{CHOICE}", "asks whether it may trust the folder", part="open"),
    Sign("waiting", rf"use this API key\?{CHOICE}", "asks whether to use the API key", part="open"),
    Sign("waiting", rf"Bypass Permissions mode[\s\S]*Yes, I accept{CHOICE}", "asks to accept bypass mode", part="open"),
    Sign("waiting", rf"Do you want to [^?]*\?(?=[\s│]+❯?\s*1\. Yes){CHOICE}", "asks for a permission", part="open"),
    Sign("waiting", r"^ {0,3}Enter to select[^\n]*\Z", "asks a question", part="open"),
    Sign(
        "waiting",
        r"^Review your answers$[\s\S]*^❯ 1\. Submit answers\s+2\. Cancel\s*\Z",
        "asks a question",
        part="open",
    ),
    Sign("waiting", rf"{KEYS_LAST}|{CHOICES_LAST}", "shows a dialog", part="open"),
    Sign("busy", r"^[·✢✳✶✻✽*] [^\n]*[Rr]etrying in [^\n]*", part="above", retries=True),
    Sign("busy", r"^ {2}⎿ {2}API Error [^\n]*[Rr]etrying in [^\n]*\s*\Z", part="above", retries=True),
    Sign("busy", r"esc to interrupt", "works", part="foot"),
    Sign("busy", rf"^[^\s●❯⎿│>][^\n]*?(?P<said>{RUNNING}){NEWEST}", part="above", background=True),
    Sign("busy", r"^[·✢✳✶✻✽*] [^\n]*…", "works", part="above"),
    Sign("busy", JOBS, "works in the background", part="foot", background=True),
    Sign("limited", r"(?P<said>Continuing automatically [^\n·]*)", part="foot", since="2.1.300"),
    Sign("busy", rf"{BELOW}(?P<said>Usage limit (?:available again|reset) · [Cc]ontinuing[^\n]*)\s*\Z", part="above"),
    Sign("limited", rf"{BELOW}(?P<said>(?:Usage limit|Automatic continue) [^\n]*)\s*\Z", part="above"),
    Sign("limited", rf"^● (?P<said>(?:API Error: |{BY_NAME})?{LIMIT_SIGN.pattern}{MORE}){LAST}", part="above"),
    Sign("limited", rf"^ {{2}}⎿  (?P<said>(?:{BY_NAME})?{LIMIT_SIGN.pattern}{MORE}){OVER}", part="above"),
    Sign("limited", rf"^● (?P<said>API Error: Request rejected \(429\)[^\n]*{MORE}){LAST}", part="above"),
    Sign("error", rf"^● (?P<said>API Error: [^\n]*{MORE}){LAST}", part="above"),
    Sign(
        "error",
        rf"^(?:● | {{2}}⎿  )(?P<said>(?:{KEY_OR_MONEY})[^\n]*{MORE}){OVER}",
        part="above",
    ),
    Sign("error", rf"^(?:● | {{2}}⎿  )(?P<said>(?:{TOO_MUCH})[^\n]*{MORE}){OVER}", part="above"),
    Sign(
        "error",
        rf"^(?:● | {{2}}⎿  )(?P<said>(?:API Error: |{KEY_OR_MONEY}|{TOO_MUCH})[^\n]*{MORE})\s*\n❯ {RESEND}\Z",
        part="box",
        since="2.1.300",
    ),
    Sign(
        "unknown",
        rf"^ {{2}}⎿  (?:(?:{BY_NAME})?{LIMIT_SIGN.pattern}|{KEY_OR_MONEY}|{TOO_MUCH})[^\n]*{MORE}\s*\Z",
        "a tool's output, or a failure",
        part="above",
    ),
    Sign("idle", r"^(?:● |✻ [^\n]* for )[\s\S]*\n❯ *\Z", "waits for a prompt", part="box"),
    Sign("idle", r"Interrupted · What should Claude do instead\?\s*\n❯ *\Z", "was interrupted", part="box"),
)
"""Read from the top, the first match counts: an input box is visible in most states, also before the first turn."""

DIALOGS = DialogTable(
    top=r"^─{8,}\s*$",
    foot=r"^ {0,3}(?:Enter|Esc) to |^\W*\d\. Cancel$",
    never=FRAME,
    permission=r"Do you want to [^?]*\?",
    question=r"^ {0,3}Enter to select|^ *\d\. Cancel$",
    once=r"^Yes$",
    always=(
        r"^Yes, (?:allow all edits|and (?:always allow|don['’]t ask again|switch to accept edits)|I trust|I accept)"
        r"|^Yes, allow [^\n]* (?:during|for) this session"
    ),
    deny=r"^No\b",
    text=r"^Type something",
)
"""A number takes its choice at once; without numbers, the mark is moved to it and Enter takes it. `Yes, and switch to
auto mode` lets more be done than what is asked: it is no `always`."""


def _profile(name: str, agent: Agent) -> Iterator[str]:
    fields = {key: value for key, value in msgspec.structs.asdict(agent).items() if value is not None}
    text = msgspec.json.encode({name: fields})
    if len(text) > ARGUMENT_BYTES_MAX:
        raise UsageError(
            f"agents.{name}: {len(text)} bytes, expected at most {ARGUMENT_BYTES_MAX}", "shorten its prompt"
        )
    yield from ("--agents", text.decode(), "--agent", name)


def _permits(task: Task, beside: list[str]) -> Iterator[str]:
    """Yield the permissions to read its task and to write its outputs, also outside its working directory."""
    del beside
    places = topmost_directories(task.outputs)
    if task.place:
        yield from ("--settings", f"{task.place}/{SETTINGS}")
    yield "--allowedTools"
    yield from (f"Read(/{file})" for file in (task.prompt_file, task.units_file))
    if places:
        yield "--add-dir"
        yield from places


def _settle(task: Task) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Write the attempt's settings, and a configuration for the worker alone: with a key, which replaces a login, or if
    it may not write to the user's.
    """
    if not task.place:
        return {}, {}
    files = {f"{task.place}/{SETTINGS}": msgspec.json.encode(_session_settings(task))}
    if not _keyed(task) and not task.confined:
        return {}, files
    approved = [task.keys[key][-KEY_TAIL_CHARS:] for key in ("ANTHROPIC_API_KEY",) if task.keys.get(key)]
    known = _parse_state(task.theirs.get(STATE, b"{}"))
    projects = _raw_members(known.get("projects"))
    files[f"{task.home}/{STATE}"] = msgspec.json.encode(
        {
            **known,
            "hasCompletedOnboarding": True,
            "customApiKeyResponses": {"approved": approved, "rejected": []},
            "projects": {**projects, task.cwd: {"hasTrustDialogAccepted": True}},
        }
    )
    return {"CLAUDE_CONFIG_DIR": task.home}, files


def _keyed(task: Task) -> bool:
    workers = task.plan.workers
    return bool(KEYS & {*workers.env_from, *workers.env, *task.keys})


def _parse_state(text: bytes) -> dict[str, Raw]:
    """Read the client's own state, and leave what is below its keys as it is. Raises: UsageError when it is none."""
    known = decode_json(text, dict[str, Raw])
    if isinstance(known, Refused):
        raise UsageError(f"{STATE}: {known.why}, expected the client's own JSON", "start claude once, or fix it")
    return known


def _raw_members(value: Raw | None) -> dict[str, Raw]:
    found = decode_json(bytes(value), dict[str, Raw]) if value is not None else {}
    return {} if isinstance(found, Refused) else found


def _session_settings(task: Task) -> Json:
    """Return the settings for `--settings`: its hooks, and the acceptance of bypass mode.

    Shape: one hook stores its reports; the guard allows or denies each write before it happens, and reports it
    afterwards.
    """
    workers = task.plan.workers
    hooks = {event: [_hook("", task.hook, task.place, event, *push)] for event, push in HOOKED[workers.mode].items()}
    hook = _hook(WRITES, task.guard, task.place, "after", msgspec.json.encode(task.worker).decode()[1:-1])
    hooks["PostToolUse"] = [*hooks.get("PostToolUse", []), hook]
    if workers.auto_approve:
        judged = _hook(WRITES, task.guard, task.place, "before")
        hooks["PreToolUse"] = [*hooks.get("PreToolUse", []), judged]
    if workers.auto_approve and workers.mode == "interactive":
        hooks["PermissionRequest"] = [_hook("", task.guard, task.place, "asked")]
    return {"hooks": hooks, "skipDangerousModePermissionPrompt": True}


def _hook(tools: str, script: str, *words: str) -> Json:
    from shlex import join

    matcher = {"matcher": tools} if tools else {}
    return {**matcher, "hooks": [{"type": "command", "command": join(["/bin/sh", script, *words])}]}


def _lacks(plan: Plan, own: Own) -> Iterator[tuple[str, str]]:
    """Yield what an unattended session needs and the user's own configuration lacks; it is never written.

    Boundary: nothing with a key, as workers then have their own configuration.
    """
    workers = plan.workers
    if KEYS & {*workers.env_from, *workers.env, *own.keys}:
        return
    file = f"{own.environ.get('CLAUDE_CONFIG_DIR') or own.home}/.claude.json"
    known = decode_json(own.read(file) or b"{}", Json)
    if isinstance(known, Refused):
        yield f"{file}: {known.why}", "claude"
        return
    if known.get("hasCompletedOnboarding") is not True:
        yield f"{file}: hasCompletedOnboarding is not true: a session would ask for theme and login", "claude"
    projects = known.get("projects")
    trusted = projects if isinstance(projects, dict) else {}
    above = (own.cwd, *map(str, PurePosixPath(own.cwd).parents))
    if workers.mode == "interactive" and not any(_trusts(trusted, at) for at in above):
        line = json.dumps({"projects": {own.cwd: {"hasTrustDialogAccepted": True}}})
        yield (
            f"{file}: trusts neither {own.cwd} nor a directory above it: an interactive session would ask",
            f"cd {shlex.quote(own.cwd)} && claude, and answer that you trust it; the line for that file is {line}",
        )


def _trusts(projects: Json, place: str) -> bool:
    known = projects.get(place)
    return isinstance(known, dict) and known.get("hasTrustDialogAccepted") is True


CLAUDE = Client(
    name="claude",
    install="npm install -g @anthropic-ai/claude-code",
    talks={
        "print": Talk(
            begin=("claude", "-p", "--output-format", "stream-json", "--verbose"),
            fresh=("--session-id", "{{ session }}"),
            resume=("--resume", "{{ session }}"),
            stdin=True,
            to_file=True,
        ),
        "interactive": Talk(
            begin=("claude",),
            fresh=("--session-id", "{{ session }}"),
            resume=("--resume", "{{ session }}"),
            end=("--", OPENING),
        ),
    },
    grants=GRANTS,  # type: ignore[arg-type] # mypy widens the keys of a literal
    env={
        "DISABLE_AUTOUPDATER": "1",  # no update while workers run
        "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",  # nor a download by each of them
    },
    ours=frozenset(
        {"-p", "--print", "--output-format", "--session-id", "--resume", "-r", "--continue", "-c", "--settings", "--"}
    ),
    granting=frozenset({"--permission-mode", "--allowedTools", "--allowed-tools", "--dangerously-skip-permissions"}),
    profile=_profile,
    permits=_permits,
    settle=_settle,
    config=Config(
        {"CLAUDE_CONFIG_DIR": "{{ home }}"},
        {
            STATE: (f"$CLAUDE_CONFIG_DIR/{STATE}", f"$HOME/{STATE}"),
            **{
                name: (f"$CLAUDE_CONFIG_DIR/{name}", f"$HOME/.claude/{name}")
                for name in (".credentials.json", "settings.json", "CLAUDE.md")
            },
        },
        (".credentials.json", "settings.json"),
    ),
    keyed=_keyed,
    events=EVENTS,
    windows=WINDOWS,
    hooks=HOOKS,
    signs=SIGNS,
    spoken=(
        Spoken({"hook_event_name": "Stop"}, "last_assistant_message"),
        Spoken(RESULT, "result"),
        TEXTS,
    ),
    tally=Tally(
        where=RESULT,
        input=(
            "modelUsage.*.inputTokens",
            "modelUsage.*.cacheReadInputTokens",
            "modelUsage.*.cacheCreationInputTokens",
        ),
        output=("modelUsage.*.outputTokens",),
        cost=("total_cost_usd",),
    ),
    calls=CALLS,
    record=RECORD,
    guarded=True,
    frame=FRAME,
    asides=f"(?m){ASIDES}",
    dialogs=DIALOGS,
    recorded=("2.1.197", "2.1.332"),
    leave="/exit",
    lacks=_lacks,
    memory=400 * 1024 * 1024,
)
