"""The orchestrator's ear: a notice is handed to a program, or typed into a session."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from wakeman.core.errors import WakemanError
from wakeman.core.model import WakeTarget
from wakeman.core.template import render
from wakeman.core.text import last_line, sayable
from wakeman.ports import Machine, Sessions

LIMIT = 600
"""Characters of a message at most."""
WORDS = 120
"""Characters of a failing program's last line that are repeated."""
LOOKS_APART = 0.5
"""Seconds between two looks at a screen that must be equal."""

_BUSY = re.compile(r"esc to (?:interrupt|cancel)|Enter to (?:select|confirm)", re.IGNORECASE)
_BOX = re.compile(r"^[│|]?\s*[❯>›]\s*[│|]?$")
"""An empty input box, alone in its line; one with text in it is a person's half-typed line."""
_SHELL = re.compile(r"^[^$#%❯>]*(?:[$#❯]|>+|(?<!\d)%)$")
"""A shell's prompt: its sign is the only one and the last; `50%` is a program counting."""
_FOOT = 6
"""Lines with text, from below, among which an input box may stand above its footer."""


def address(tmux: str) -> tuple[str, str]:
    """Split `SESSION` or `SOCKET:SESSION` into socket name and session; no socket is the user's own server."""
    socket, _, session = tmux.rpartition(":")
    return socket or "default", session


def deliver(
    target: WakeTarget,
    message: str,
    *,
    machine: Machine,
    sessions: Sessions | None,
    env: Mapping[str, str],
    cwd: str,
    names: Mapping[str, str],
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Bring one message to one receiver; give "" when it arrived, else why not.

    Shape: the message becomes one line of harmless characters. `names` are those of `wake.to.run` besides
    `message`; `sessions` is the host that `address` names, None where there is none.
    Boundary: typing needs a session that looks idle, unless `target.force`.
    Repeatable: no; the receiver hears it twice.
    Cost: up to `target.timeout` seconds for a program, `LOOKS_APART` for a session.
    """
    text = sayable(message, LIMIT)
    try:
        if target.run:
            return _run(target, {**names, "message": text}, machine, env, cwd)
        if sessions is None:
            return f"tmux {target.tmux}: no server to type into"
        _, session = address(target.tmux)
        return say(sessions, session, text, submit=target.submit, force=target.force, pause=pause)
    except WakemanError as error:
        return sayable(str(error), LIMIT)


def _run(target: WakeTarget, names: Mapping[str, str], machine: Machine, env: Mapping[str, str], cwd: str) -> str:
    argv = [render(word, names) for word in target.run]
    ran = machine.run(argv, cwd=cwd, env=env, timeout=target.timeout)
    if ran.code == 0:
        return ""
    said = last_line(ran.err, WORDS) or last_line(ran.out, WORDS)
    why = ran.error if ran.code is None else f"exit {ran.code}" + (f": {said}" if said else "")
    return f"{sayable(argv[0], WORDS)}: {why}"


def say(
    sessions: Sessions,
    session: str,
    text: str,
    *,
    submit: bool,
    force: bool,
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Type into a session that waits for a line (any, with `force`); give "" when it was typed, else why not."""
    if not force:
        screen = sessions.capture(session)
        if why := _occupied(screen, submit=submit):
            return f"tmux {session}: {why}"
        pause(LOOKS_APART)
        if sessions.capture(session) != screen:
            return f"tmux {session}: not idle: its screen changes"
    sessions.type(session, text, submit=submit)
    return ""


def _occupied(screen: str, *, submit: bool) -> str:
    """Say why a screen is not one that waits for a line; "" when it is.

    Boundary: a shell gets nothing submitted: it would run the words, and some of them are an agent's.
    """
    rows = [row.strip() for row in screen.splitlines() if row.strip()]
    if any(_BUSY.search(row) for row in rows[-_FOOT:]):
        return "not idle: it works or asks something"
    if not rows or not (_SHELL.search(rows[-1]) or any(_BOX.search(row) for row in rows[-_FOOT:])):
        return "not idle: no empty prompt on its screen"
    if submit and not any(_BOX.search(row) for row in rows[-_FOOT:]):
        return "a shell waits there and would run the words; expected an agent (force types all the same)"
    return ""
