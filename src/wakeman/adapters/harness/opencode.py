"""OpenCode: its table. Known of version 1.18."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from wakeman.adapters.harness.client import ANY, OPENING, Client, Event, Grant, Sign, Talk, Tally, directories
from wakeman.adapters.harness.limits import LIMIT
from wakeman.ports import Task

EDITS = "write files below the directory it starts in and beside its outputs; it may run no command"
READ_ONLY = "read; what would be asked for is refused"

ERROR: Mapping[str, str] = {"type": "error"}
SAID = "{error.data.message|error.name}"
EVENTS = (
    Event("limited", {**ERROR, "error.data.message": LIMIT}, SAID),
    Event("error", {**ERROR, "error.data.statusCode": 401}, SAID, fault="auth"),
    Event("error", ERROR, SAID),
    Event("idle", {"type": "step_finish", "part.reason": "stop"}, "has finished its turn", ""),
    Event(
        "busy",
        {"type": "tool_use", "part.state.status": "error", "part.state.error": re.compile("rejected permission")},
        "works",
        "not permitted: {part.tool} {part.state.input.filePath|part.state.input.command}",
    ),
    Event(
        "busy",
        {"type": "step_finish", "part.reason": "tool-calls"},
        "works",
    ),
    Event("busy", {"type": ANY}, "works"),
)
SIGNS = (
    Sign("waiting", r"Permission required|△ +Permission", "asks for a permission"),
    Sign("waiting", r"enter (?:confirm|submit) ", "asks a question"),
    Sign("busy", r"esc (?:again to )?interrupt", "works"),
    Sign("limited", LIMIT.pattern),
    Sign("error", r"(?:AI_APICallError|ProviderAuthError|API key is missing).*"),
    Sign("idle", r"▣ .* · \d+(?:\.\d+)?(?:ms|s|m)", "has finished a turn"),
)


def _settle(task: Task) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Word its permissions: what a table of rules may say by directory, no argument can."""
    approve = task.plan.workers.auto_approve
    if approve == "all":
        return {}, {}
    ask = "deny" if task.plan.workers.mode == "print" else "ask"
    places = directories(task.outputs) if approve == "edits" else []
    rules = {
        "edit": "allow" if approve == "edits" else ask,
        "bash": ask,
        "webfetch": ask,
        # The last rule that fits counts.
        "external_directory": {"*": ask, f"{task.prompt_file}": "allow", **{f"{place}/*": "allow" for place in places}},
    }
    return {"OPENCODE_PERMISSION": msgspec.json.encode(rules).decode()}, {}


OPENCODE = Client(
    name="opencode",
    install="npm install -g opencode-ai",
    talks={
        "print": Talk(
            begin=("opencode", "run", "--format", "json"),
            resume=("--session", "{{ session }}"),
            stdin=True,
            to_file=True,
        ),
        "interactive": Talk(begin=("opencode",), end=("--prompt", OPENING)),
    },
    grants={
        ("print", False): Grant(READ_ONLY),
        ("print", "edits"): Grant(EDITS),
        ("print", "all"): Grant("run any command", ("--auto",)),
        ("interactive", False): Grant("read; for the rest it asks and waits"),
        ("interactive", "edits"): Grant("write files as in print mode; it asks for commands"),
        ("interactive", "all"): Grant("run any command", ("--auto",)),
    },
    env={"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1"},
    ours=frozenset({"run", "--format", "--session", "-s", "--continue", "-c", "--fork", "--prompt", "--"}),
    granting=frozenset({"--auto"}),
    model=("--model", "{{ model }}"),
    settle=_settle,
    events=EVENTS,
    signs=SIGNS,
    tally=Tally(
        where={"type": "step_finish"},
        input=("part.tokens.input", "part.tokens.cache.read", "part.tokens.cache.write"),
        output=("part.tokens.output", "part.tokens.reasoning"),
        cost=("part.cost",),
        adds=True,
    ),
    session="sessionID",
    prompt_line=r"(?!)",
    memory=500 * 1024 * 1024,
)
