"""What real clients show, in two sizes of a terminal, when they are at work, at rest, waiting, refused or left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from tests.agents.alone import Start, Terminal, scratch
from tests.agents.models import serving
from tests.agents.recorded import normalised

SIZES = ((80, 24), (200, 50))
PATIENCE = 240.0
"""Seconds that a screen may take to show what is waited for: OpenCode begins slowly on a machine that has others."""


class Show(NamedTuple):
    """What is recorded: the play, further arguments and variables, what is typed, and the words that are waited for."""

    play: str
    wait: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    keys: tuple[str, ...] = ()
    known: bool = True  # it trusts its directory
    warned: bool = True  # it has been warned of what it may do without asking
    keyed: bool = True  # it may use the key in its environment


MINE = ("--permission-mode", "acceptEdits")
ALL = ("--permission-mode", "bypassPermissions")
ROOT = {"IS_SANDBOX": "1"}
ONCE = {"CLAUDE_CODE_MAX_RETRIES": "1"}
SAFE = ("--sandbox", "read-only", "--ask-for-approval", "on-request")
YOLO = ("--dangerously-bypass-approvals-and-sandbox",)
TYPED = ("half typed",)
PERMISSION = r"Permission required"
DONE = r"for \d+s(?: · done [^\n]*)?\n"
SHOWS: dict[str, Show] = {
    "claude-idle": Show("work", DONE, MINE),
    "claude-idle-bypass": Show("work", DONE, ALL, ROOT),
    "claude-idle-wonders": Show("wonders", DONE, MINE),
    "claude-idle-quoting": Show("quotes", DONE, ALL, ROOT),
    "claude-busy-hang": Show("hang", r"… \(\d+s", MINE),
    "claude-busy-tool": Show("toils", r"Running|… \(\d+s", ALL, ROOT),
    "claude-busy-retry": Show("fail", r"[Rr]etrying", MINE, {"CLAUDE_CODE_MAX_RETRIES": "10"}),
    "claude-busy-quoting": Show("quotes_then_hangs", r"… \(\d+s", ALL, ROOT),
    "claude-waiting-permission": Show("work", r"1\. Yes", ("--permission-mode", "default")),
    "claude-waiting-command": Show("orphans", r"1\. Yes", ("--permission-mode", "default")),
    "claude-waiting-question": Show("asks", r"Enter to select", MINE),
    "claude-waiting-survey": Show("surveys", r"Enter to select", MINE),
    "claude-waiting-parts": Show("surveys", r"Enter to select", MINE, keys=("2",)),
    "claude-waiting-submit": Show("surveys", r"Enter to select", MINE, keys=("2", "1", "Right")),
    "claude-waiting-trust": Show("work", r"Enter to confirm", MINE, known=False),
    "claude-waiting-bypass": Show("work", r"Yes, I accept", ALL, ROOT, warned=False),
    "claude-waiting-apikey": Show("work", r"use this API key", MINE, keyed=False),
    "claude-error-500": Show("fail", r"API Error", MINE, ONCE),
    "claude-error-401": Show("refuse", r"API key", MINE, ONCE),
    "claude-error-long": Show("long", r"too long|Context limit", MINE, ONCE),
    "claude-limited": Show("limit", r"limit reached", MINE, ONCE),
    "claude-unknown-left": Show("work", DONE, MINE, keys=("/exit", "Enter")),
    "claude-unknown-typed": Show("work", DONE, MINE, keys=TYPED),
    "codex-idle": Show("work", r"Worked for", YOLO),
    "codex-idle-quoting": Show("quotes", r"Worked for", YOLO),
    "codex-busy-hang": Show("hang", r"esc to interrupt", YOLO),
    "codex-busy-tool": Show("toils", r"Running|background|Waited|Waiting", YOLO),
    "codex-waiting-trust": Show("work", r"Trust this folder", YOLO, known=False),
    "codex-waiting-permission": Show("begs", r"1\. Yes", SAFE),
    "codex-error-401": Show("refuse", r"■ ", YOLO),
    "codex-idle-typed": Show("work", r"Worked for", YOLO, keys=TYPED),
    "gemini-idle": Show("work", r"All of it", ("--approval-mode", "yolo")),
    "gemini-idle-quoting": Show("quotes", r"All of it", ("--approval-mode", "yolo")),
    "gemini-busy-hang": Show("hang", r"esc to cancel", ("--approval-mode", "yolo")),
    "gemini-waiting-permission": Show("work", r"1\. ", ("--approval-mode", "default")),
    "gemini-error-401": Show("refuse", r"API Error|rror", ("--approval-mode", "yolo")),
    "gemini-unknown-typed": Show("work", r"All of it", ("--approval-mode", "yolo"), keys=TYPED),
    "gemini-unknown-typed-edits": Show("work", r"All of it", ("--approval-mode", "auto_edit"), keys=TYPED),
    "opencode-idle": Show("work", r"▣ .* · \d", ("--auto",)),
    "opencode-idle-quoting": Show("quotes", r"▣ .* · \d", ("--auto",)),
    "opencode-busy-hang": Show("hang", r"esc +interrupt", ("--auto",)),
    "opencode-waiting-permission": Show("orphans", PERMISSION, (), {"OPENCODE_PERMISSION": '{"bash":"ask"}'}),
    "opencode-waiting-edit": Show("work", PERMISSION, (), {"OPENCODE_PERMISSION": '{"edit":"ask"}'}),
    "opencode-waiting-always": Show(
        "work", PERMISSION, (), {"OPENCODE_PERMISSION": '{"edit":"ask"}'}, keys=("Right", "Enter")
    ),
    **{f"opencode-idle-{play}": Show(play, r"▣ .* · \d", ("--auto",)) for play in ("wonders", "claims", "declines")},
    "opencode-idle-typed": Show("work", r"▣ .* · \d", ("--auto",), keys=TYPED),
    "opencode-error-401": Show("refuse", r"x-api-key|rror", ("--auto",)),
}
"""Each begins with its client, then what it shows."""
COLOURED = ("opencode-waiting-edit", "opencode-waiting-always")
"""Those recorded with their colours besides: these alone tell which choice is marked."""


def record(name: str, size: tuple[int, int], *, colours: bool = False) -> str:
    """Record one screen in one size. Raises: LookupError if what it is to show did not come."""
    show, client = SHOWS[name], name.partition("-")[0]
    with scratch() as place, serving() as models:
        models.state["play"] = show.play  # also before the task was read
        task = place / "work" / "task.md"
        outputs = f"a -> {place}/work/a.md\nb -> {place}/work/b.md\n"
        task.write_text(f"Make each file on the right. play={show.play}\n{outputs}")
        start = Start(
            client,
            live=True,
            prompt=f"Read {task} and do what it says.",
            args=show.args,
            env=show.env,
            known=show.known,
            warned=show.warned,
            keyed=show.keyed,
            hooks=False,
        )
        with Terminal(place, start, models.url, size) as terminal:
            came = terminal.awaited(show.wait, PATIENCE)
            time.sleep(1)
            terminal.type(*show.keys)
            screen = terminal.capture(colours=colours)
    if not came:
        raise LookupError(f"{show.wait!r} never came:\n{screen}")
    return normalised({"screen": screen})["screen"]
