"""OpenCode's table, tested with version 1.18."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from wakeman.adapters.harness.command_line import topmost_directories
from wakeman.adapters.harness.table import (
    ANY,
    OPENING,
    Client,
    ClientEvent,
    Config,
    DialogTable,
    Grant,
    Sign,
    Spoken,
    Talk,
    Tally,
)
from wakeman.ports import Task

EDITS = "write files below the directory it starts in and beside its outputs; it may run no command"
READ_ONLY = "read; what would be asked for is refused"

ERROR: Mapping[str, str] = {"type": "error"}
ERROR_TEXT = "{error.data.message|error.name}"
EVENTS = (
    ClientEvent(
        "error", ERROR, ERROR_TEXT, also="{error.name} status {error.data.statusCode} {error.data.responseBody}"
    ),
    ClientEvent("idle", {"type": "step_finish", "part.reason": "stop"}, "has finished its turn", ""),
    ClientEvent(
        "busy",
        {"type": "tool_use", "part.state.status": "error", "part.state.error": re.compile("rejected permission")},
        "works",
        "not permitted: {part.tool} {part.state.input.filePath|part.state.input.command}",
    ),
    ClientEvent(
        "busy",
        {"type": "step_finish", "part.reason": "tool-calls"},
        "works",
    ),
    ClientEvent("busy", {"type": ANY}, "works"),
)
FRAME = r"^ {2}╹▀+[^\n]*(?P<typed>)(?P<foot>(?:\n[^\n]*){0,3})\Z"
"""The lower edge of its input box. Quoted text is above it, indented."""
EDGE = r"^ {2}╹▀+"
"""The same as far as the conversation goes; in a wide terminal a list of other things is beside it."""
BOX = r"(?:\n(?:(?: {2}┃| {60})[^\n]*)?)*\Z"
"""What follows a turn: the input box, and in a wide terminal rows that only the list on the right has text in."""
CUT = rf"(?:\n {{2}}┃[^\n]*)*\s*^ {{5}}▣ [^\n·]+ · [^\n·]+{BOX}"
"""A turn that ended without a duration has failed: the line above has the reason."""
ENDED = rf"^ {{5}}▣ [^\n]* · \d+(?:\.\d+)?(?:ms|s|m)[^\n]*{BOX}"
WORDS = rf"(?P<said>(?:^ {{5,9}}[^\s→⠀-⣿][^\n]*\n)+)(?: {{60}}[^\n]*\n|\n)*{ENDED}"
"""The last paragraph of a turn. Lines of tools begin with a sign of their own."""
SIGNS = (
    Sign("busy", r"^ *[⬝■]{3,} +(?P<said>[^\n]*\[retrying[^\n]*)", retries=True),
    Sign("waiting", r"^ {2}┃ +△ +(?:Permission required|Always allow|Reject permission)", "asks for a permission"),
    Sign("waiting", r"^ {2,3}[^\n]*enter (?:confirm|submit) [^\n]*\Z", "asks a question"),
    Sign("busy", r"esc (?:again to )?interrupt", "works", part="foot"),
    Sign("error", rf"^ {{2}}┃\n {{2}}┃ {{2}}(?P<said>[^\s#$┃][^\n]*){CUT}", part="above"),
    Sign("idle", ENDED, "has finished a turn", part="above"),
)

DIALOGS = DialogTable(
    top=r"△ +(?:Permission required|Always allow)",
    foot=r"enter confirm",
    permission=r"Permission required|Always allow",
    once=r"^Allow once$",
    always=r"^(?:Allow always|Confirm)$",
    deny=r"^Reject$",
    beside=(("Allow once", "Allow always", "Reject"), ("Confirm", "Cancel")),
    edge=r"^ {2}┃",
    confirms=r"△ +Always allow",
)
"""Its choices stand beside each other, and only the background shows which one Enter takes. It asks once more whether
`Allow always` was meant."""


def _settle(task: Task) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Format its permissions by directory, for which it has no arguments."""
    approve = task.plan.workers.auto_approve
    if approve == "all":
        return {}, {}
    ask = "deny" if task.plan.workers.mode == "print" else "ask"
    places = topmost_directories(task.outputs) if approve == "edits" else []
    rules = {
        "edit": "allow" if approve == "edits" else ask,
        "bash": ask,
        "webfetch": ask,
        # The last rule that matches counts.
        "external_directory": {"*": ask, f"{task.prompt_file}": "allow", **{f"{place}/*": "allow" for place in places}},
    }
    return {"OPENCODE_PERMISSION": msgspec.json.encode(rules).decode()}, {}


OPENCODE = Client(
    name="opencode",
    install="npm install -g opencode-ai",
    recorded=("1.18.33",),
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
    config=Config(
        {f"XDG_{kind}_HOME": f"{{{{ home }}}}/{kind.lower()}" for kind in ("DATA", "STATE", "CACHE")},
        {"data/opencode/auth.json": ("$XDG_DATA_HOME/opencode/auth.json", "$HOME/.local/share/opencode/auth.json")},
        ("data/opencode/auth.json",),
    ),
    events=EVENTS,
    signs=SIGNS,
    spoken=(Spoken({"type": "text"}, "part.text"),),
    words=WORDS,
    tally=Tally(
        where={"type": "step_finish"},
        input=("part.tokens.input", "part.tokens.cache.read", "part.tokens.cache.write"),
        output=("part.tokens.output", "part.tokens.reasoning"),
        cost=("part.cost",),
        adds=True,
    ),
    session="sessionID",
    frame=FRAME,
    edge=EDGE,
    dialogs=DIALOGS,
    prompt_line=r"(?!)",
    left_by_hand=True,
    memory=500 * 1024 * 1024,
)
