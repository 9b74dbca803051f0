"""Typing into workers' sessions, and observing whether the text arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy.prompt_delivery import half_typed, text_fate
from wakeman.engine import layout
from wakeman.engine.terminals import SCREEN_ROWS, session_address, terminal

if TYPE_CHECKING:
    from wakeman.ports import World


def reported_prompts(world: World, d: Deployment, worker: WorkerState) -> str:
    """Return a fingerprint of the client's latest report of a prompt; "" for none yet."""
    file = layout.prompt_taken_file(d.host, worker)
    mark = world.files.marks([file]).get(file)
    return f"{mark.mtime_ns}:{mark.inode}" if mark is not None else ""


def type_into_worker(
    world: World, d: Deployment, worker: WorkerState, text: str, *, submit: bool, force: bool = False, raw: bool = False
) -> str:
    """Type a text into a worker's session, unless a dialog or a person's half-typed line is there.

    Shape: "" when it was typed, else why not. `raw` adds no pad, so that a client may take it for a command.
    """
    safe = text if raw else world.harness(d.plan_of(worker).workers.harness).typed(text)
    try:
        session, mark = session_address(d, worker)
        return world.type_text(terminal(world, d.host), session, mark, safe, submit, force)
    except (UnknownNameError, ProgramError) as fault:
        return str(fault)


def press_enter(world: World, d: Deployment, worker: WorkerState) -> str:
    """Press Enter in a worker's session; return "" when it was pressed, else why not."""
    try:
        session, mark = session_address(d, worker)
        terminal(world, d.host).type(session, "", submit=True, mark=mark)
    except (UnknownNameError, ProgramError) as fault:
        return str(fault)
    return ""


def unsubmitted(world: World, d: Deployment, worker: WorkerState) -> str:
    """Return the line in the input box of a worker's session; "" for none. Cost: one capture of the screen."""
    if d.plan_of(worker).workers.mode != "interactive":
        return ""
    try:
        session, mark = session_address(d, worker)
        return half_typed(terminal(world, d.host).capture(session, SCREEN_ROWS, mark=mark))
    except (UnknownNameError, ProgramError):
        return ""


def prompt_fate(
    world: World, d: Deployment, worker: WorkerState, screen_of: Callable[[str, str], str]
) -> Literal["", "heard", "taken", "waits", "unknown"]:
    """Find the state of the text typed last; "" if none is unconfirmed.

    Shape: `screen_of` returns what a session shows, by its id and mark. Cost: a stat, and one screen.
    """
    prompt = d.prompt_of(worker)
    if prompt is None:
        return ""
    if reported_prompts(world, d, worker) != prompt.before:
        return "heard"
    try:
        screen = screen_of(*session_address(d, worker))
    except (UnknownNameError, ProgramError):
        return "unknown"
    return text_fate(screen, prompt.text, typed=prompt.typed)
