"""Delivers notices to the orchestrator: by a program, or typed into a session."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from wakeman.core.errors import WakemanError
from wakeman.core.model import WakeTarget
from wakeman.core.plan.template import render
from wakeman.core.policy.prompt_delivery import (
    BUSY,
    ENTER_AGAIN_S,
    INPUT_BOX_ROWS_MAX,
    Became,
    input_box,
    padded,
    text_fate,
)
from wakeman.core.text import last_line, sanitise
from wakeman.ports import Delivery, Machine, Terminal

MESSAGE_CHARS_MAX = 700
"""Characters of a message at most: a notice, and what is said of it when it is told again."""
FAILURE_CHARS_MAX = 120
"""Characters of a failed program's last line that are quoted."""
SCREENS_APART_S = 0.5
"""Seconds between two captures of a screen that must be equal."""
ENTER_DELAY_S = 0.3
"""Seconds between a paste and its Enter: a client that is still reading the paste ignores it."""
PASTE_SHOWS_S = 1.0
"""Seconds more that a paste may take to show on the screen."""
PASTE_POLL_S = 0.1
"""Seconds between two captures afterwards."""

TYPED = "typed"
"""What a failure says of a text that is on the screen: whether it was taken is not known."""

_CONVERSATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHELL = re.compile(r"^[^$#%❯>]*(?:[$#❯]|>+|(?<!\d)%)$")
"""A shell's prompt: its sign occurs once, at the end; `50%` is a program's progress."""


def address(tmux: str) -> tuple[str, str]:
    """Split `SESSION` or `SOCKET:SESSION` into socket name and session; no socket is the user's own server."""
    socket, _, session = tmux.rpartition(":")
    return socket or "default", session


def resumed_conversation(argv: Sequence[str]) -> str:
    """Return the id of the conversation that a call of Claude Code goes on with; "" for none, or another program."""
    if argv[0].rpartition("/")[2] != "claude":
        return ""
    following = dict(pairwise(argv))
    given = [word.partition("=")[2] for word in argv if word.startswith("--resume=")]
    found = [*given, following.get("--resume", ""), following.get("-r", "")]
    return next((one for one in found if _CONVERSATION.fullmatch(one)), "")


def deliver(
    target: WakeTarget,
    message: str,
    *,
    machine: Machine,
    terminal: Terminal | None,
    env: Mapping[str, str],
    cwd: str,
    names: Mapping[str, str],
    whole: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Delivery:
    """Deliver one message to one receiver; return what came of it.

    Shape: the message is sanitised to one line; one that is `whole`, a person's own, is not cut. `names` are those of
    `wake.to.run` in addition to `message`; `terminal` is that of the server that `address` names, None without one.
    Boundary: typing needs a session that looks idle, unless `target.force`. Repeatable: no; the receiver would get it
    twice.
    Cost: up to `target.timeout` seconds for a program; for a session that of `type_when_idle` and `confirm_submitted`.
    """
    text = sanitise(message, max(1, len(message)) if whole else MESSAGE_CHARS_MAX)
    try:
        if target.run:
            return _run_command(target, {**names, "message": text}, machine, env, cwd)
        if terminal is None:
            return Delivery(f"tmux {target.tmux}: no server to type into")
        _, session = address(target.tmux)
        terminal.capture(session, 1)
    except WakemanError as error:
        return Delivery(sanitise(str(error), MESSAGE_CHARS_MAX))
    try:
        safe = padded(text)
        why = type_when_idle(terminal, session, safe, submit=target.submit, force=target.force, pause=pause)
        doubt = TYPED in why
        if target.submit and not why:
            why = confirm_submitted(terminal, session, safe, pause)
            doubt = bool(why)
        return Delivery(f"tmux {session}: {why}" if why else "", doubt=doubt)
    except WakemanError as error:  # the session is there: some keys may have been pressed
        return Delivery(sanitise(str(error), MESSAGE_CHARS_MAX), doubt=True)


def _run_command(
    target: WakeTarget, names: Mapping[str, str], machine: Machine, env: Mapping[str, str], cwd: str
) -> Delivery:
    argv = [render(word, names) for word in target.run]
    ran = machine.run(argv, cwd=cwd, env=env, timeout=target.timeout)
    if ran.code == 0:
        return Delivery()
    printed = last_line(ran.err, FAILURE_CHARS_MAX) or last_line(ran.out, FAILURE_CHARS_MAX)
    why = ran.error if ran.code is None else f"exit {ran.code}" + (f": {printed}" if printed else "")
    return Delivery(f"{sanitise(argv[0], FAILURE_CHARS_MAX)}: {why}", doubt=ran.late or (ran.code or 0) < 0)


def type_when_idle(
    terminal: Terminal,
    session: str,
    text: str,
    *,
    submit: bool,
    force: bool,
    mark: str = "",
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Type into a session that waits for input (any session, with `force`); return "" if it was typed, else why not.

    Shape: with a `mark` the session must carry that.
    Boundary: Enter is pressed once the text is visible on the screen; `confirm_submitted` finds out whether it was
    taken. Cost: 0.8 s if it is typed and submitted; more if the text is not visible at first.
    """
    screen = terminal.capture(session, mark=mark)
    if not force:
        if why := _occupied(screen, submit=submit):
            return why
        pause(SCREENS_APART_S)
        if terminal.capture(session, mark=mark) != screen:
            return "not idle: its screen changes"
    if text:
        terminal.type(session, text, submit=False, mark=mark)
    if not submit:
        return ""
    if text:
        pause(ENTER_DELAY_S)
        for _ in range(round(PASTE_SHOWS_S / PASTE_POLL_S)):
            if terminal.capture(session, mark=mark) != screen:
                break
            pause(PASTE_POLL_S)
        else:
            if not force:
                return f"{TYPED}, and nothing of it shows: Enter was not pressed"
    terminal.type(session, "", submit=True, mark=mark)
    return ""


def confirm_submitted(terminal: Terminal, session: str, text: str, pause: Callable[[float], None] = time.sleep) -> str:
    """Check that a submitted text was taken, and press Enter once more if it was not.

    Shape: "" if it was taken, or if there is no input box; else what is known. Cost: no wait if it is taken at once;
    otherwise two intervals.
    """
    for enters in (1, 2):
        state: Became = "waits"
        for _ in range(round(ENTER_AGAIN_S / PASTE_POLL_S)):
            state = text_fate(terminal.capture(session), text, typed=True)
            if state == "taken":
                return ""
            pause(PASTE_POLL_S)
        if state == "waits" and enters == 1:
            terminal.type(session, "", submit=True)
        elif state == "unknown":
            return ""
    return f"{TYPED}; it stands in the input box, Enter was pressed twice"


def _occupied(screen: str, *, submit: bool) -> str:
    """Return why a screen does not wait for input; "" if it does.

    Boundary: nothing is submitted to a shell: it would run the text, parts of which come from agents.
    """
    rows = [row.strip() for row in screen.splitlines() if row.strip()]
    if any(re.search(BUSY, row) for row in rows[-INPUT_BOX_ROWS_MAX:]):
        return "not idle: it works or asks something"
    box = input_box(screen)
    if box == "":
        return ""
    if not rows or not _SHELL.search(rows[-1]):
        return "not idle: no empty prompt on its screen"
    if submit:
        return "a shell waits there and would run the words; expected an agent (force types all the same)"
    return ""
