"""What a real client reports of whole sessions: hook reports, stream, transcript, the state of its process.

Each is one run against the simulated model server, which behaves as the play says, up to the moment that its name says.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.agents.alone import Start, Terminal, kept, printed, scratch
from tests.agents.models import serving
from tests.agents.recorded import normalised

PATIENCE = 60.0
"""Seconds that a session may take to come where it is recorded."""
SETTLES = 2.0
"""Seconds from then on until what it reports is read."""
SIZE = (120, 40)
LONG = 90
"""Seconds that what runs in the background takes: longer than the recording."""


class Session(NamedTuple):
    """A session: the play, further arguments and variables, the words on its screen that end it, what is typed then."""

    play: str
    wait: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    keys: tuple[str, ...] = ()
    since: str = ""  # the first version recorded that can do it


ALL: Mapping[str, Session] = {
    "claude": Session(
        "",
        r" for (?:\d+ (?:background|dynamic)|\d+m? ?\d*s\b)",
        ("--permission-mode", "bypassPermissions"),
        {"IS_SANDBOX": "1"},
    ),
    "codex": Session("", r"Worked for", ("--dangerously-bypass-approvals-and-sandbox",)),
    "gemini": Session("", r"All of it|bullets or prose", ("--approval-mode", "yolo")),
    "opencode": Session("", r"▣ .* · \d", ("--auto",)),
    "aider": Session(""),
}
"""A client that may do all, and what its screen shows at the end of a turn."""


def _all(client: str, play: str, wait: str = "", keys: tuple[str, ...] = ()) -> Session:
    usual = ALL[client]
    return usual._replace(play=play, wait=wait or usual.wait, keys=keys)


ASKING = {
    "claude": ("--permission-mode", "default"),
    "gemini": ("--approval-mode", "default"),
}
SESSIONS: dict[str, Session] = {
    **{f"{client}-print-done": _all(client, "work") for client in ALL},
    **{f"{client}-print-question": _all(client, "wonders") for client in ALL},
    "claude-print-denied": Session("orphans", args=ASKING["claude"]),
    **{f"{client}-live-done": _all(client, "work") for client in ALL if client != "aider"},
    **{f"{client}-live-question": _all(client, "wonders") for client in ALL if client != "aider"},
    "claude-live-permission": Session("orphans", r"1\. Yes", ASKING["claude"]),
    "gemini-live-permission": Session("work", r"1\. ", ASKING["gemini"]),
    "claude-live-dialog": _all("claude", "asks", r"Enter to select"),
    "claude-live-tool": _all("claude", "toils", r"… \(\d+s"),
    "codex-live-tool": _all("codex", "toils", r"Running|background|Waited|Waiting"),
    "claude-live-shell": _all("claude", "background"),
    "codex-live-shell": _all("codex", "background"),
    "claude-live-agent": _all("claude", "agents"),
    "claude-live-monitor": _all("claude", "monitors")._replace(since="2.1.332"),
    "claude-live-workflow": _all("claude", "flows"),
    "claude-live-interrupted": _all("claude", "hang", r"… \(\d+s", ("Escape",)),
    "codex-live-interrupted": _all("codex", "hang", r"esc to interrupt", ("Escape",)),
    "claude-live-left": _all("claude", "work", keys=("/exit", "Enter")),
}
"""Client, mode, and what is the case when it is recorded."""


def record(name: str) -> dict[str, Any]:
    """Record one session. Raises: LookupError if it did not come where it is recorded."""
    client, mode, _ = name.split("-")
    session = SESSIONS[name]
    with scratch() as place, serving() as models:
        models.state["seconds"] = LONG
        task = f"Make each file on the right. play={session.play}\na -> {place}/work/a.md\nb -> {place}/work/b.md\n"
        start = Start(client, mode == "live", task, session.args, session.env)
        if mode == "print":
            said = printed(place, start, models.url, PATIENCE)
            return {"code": said.code, **normalised({"stream": said.stream, "errors": said.errors})}
        with Terminal(place, start, models.url, SIZE) as terminal:
            came = terminal.awaited(session.wait, PATIENCE)
            time.sleep(SETTLES)
            terminal.type(*session.keys)
            screen = terminal.capture()
            if not came:
                raise LookupError(f"{session.wait!r} never came:\n{screen}")
            return normalised({"screen": screen, **kept(place, client)})
