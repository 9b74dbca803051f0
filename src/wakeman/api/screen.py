"""A worker's session: its screen, and how a person attaches to it."""

from __future__ import annotations

import re
from shlex import join
from typing import Annotated, Literal

from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.names import OTHER_SESSION, Chosen, workers_meant
from wakeman.core.errors import UsageError
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.text import sanitise
from wakeman.engine import layout, terminals
from wakeman.engine.attempt import secrets
from wakeman.engine.live import require
from wakeman.engine.requests import find_worker
from wakeman.ports import SessionInfo, Terminal, World


class CapturedScreen(Value, frozen=True, kw_only=True):
    """The end of a worker's screen or output."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    worker: Annotated[str, Meta(description="Name of the worker.")]
    source: Annotated[
        Literal["screen", "stream"], Meta(description="`screen`; or `stream`, its output, without a live session.")
    ]
    text: Annotated[str, Meta(description="The lines, without control characters and keys.")]


class CapturedAll(Value, frozen=True, kw_only=True):
    """The end of the screens, or outputs, of several workers."""

    screens: Annotated[tuple[CapturedScreen, ...], Meta(description="One for each worker.")]


class Attached(Value, frozen=True, kw_only=True):
    """The command that attaches a terminal to a worker's session."""

    deployment: Annotated[str, Meta(description="Name of the run; empty for a session that is no worker's.")]
    worker: Annotated[str, Meta(description="Name of the worker; or the session, as it was given.")]
    command: Annotated[tuple[str, ...], Meta(description="Its argument vector.")]
    how: Annotated[
        Literal["attach", "switch", "nest"],
        Meta(
            description="`attach`; `switch`: this terminal is inside the same server, and its client shows that "
            "session instead; `nest`: it is inside another one, so the variable TMUX is to be unset."
        ),
    ] = "attach"


def capture(world: World, worker: str, lines: int) -> Answer[CapturedScreen]:
    """Return the end of a worker's screen; without a session, the end of its output."""
    deployment, name = find_worker(world, worker)
    return capture_of(world, deployment, world.logs.read(deployment), name, lines)


def capture_all(world: World, chosen: Chosen, lines: int) -> Answer[CapturedAll]:
    """Return the same of several workers; who was never launched has none."""
    deployment, names = workers_meant(world, "capture", chosen, lambda _, worker: worker.attempt > 0)
    d = world.logs.read(deployment)
    found = [capture_of(world, deployment, d, name, lines) for name in names]
    notes = tuple(note for each in found for note in each.notes)
    return Answer(CapturedAll(screens=tuple(each.data for each in found)), found[0].next, notes=notes)


def capture_of(world: World, deployment: str, d: Deployment, name: str, lines: int) -> Answer[CapturedScreen]:
    """Return the same of a deployment whose log was read already; its worker's name is exact."""
    require(world, deployment, d)
    state = d.workers[name]
    seen, hidden = _found_session(world, d, state)
    if seen is not None and not seen.over:
        source: Literal["screen", "stream"] = "screen"
        text, notes = terminals.session_screen(world, d, state, lines), []
    else:
        source, text = "stream", _streamed(world, layout.stream(d.host, state), lines)
        why = f": {hidden}" if hidden else f" has no live session ({state.state})"
        notes = [f"{deployment}/{name}{why}: this is the end of what it printed"]
    shown = harmless(secrets.redactor(world, d)(text))
    data = CapturedScreen(deployment=deployment, worker=name, source=source, text=shown)
    return Answer(data, (f"wakeman status {deployment}",), notes=tuple(notes))


def attach(world: World, worker: str, here: str = "") -> Answer[Attached]:
    """Return the command that attaches to a worker's session; `here` is the variable TMUX of this terminal.

    Shape: `tmux:SESSION` and `tmux:SERVER:SESSION` name a session that is no worker's, as in `wake.to`. Raises:
    UsageError when the session is gone.
    """
    if worker.startswith(OTHER_SESSION):
        return _attached(*world.other(worker.removeprefix(OTHER_SESSION)), "", here, "", worker)
    deployment, name = find_worker(world, worker)
    d = world.logs.read(deployment)
    require(world, deployment, d)
    state = d.workers[name]
    if not state.session_id:
        raise UsageError(f"{deployment}/{name} is {state.state}: it has no session", f"wakeman status {deployment}")
    seen, hidden = _found_session(world, d, state)
    if seen is None:
        why = hidden or "its session is gone"
        raise UsageError(f"{deployment}/{name}: {why}", f"wakeman capture {deployment}/{name}")
    return _attached(terminals.terminal(world, d.host), seen.session_id, seen.mark, here, deployment, name)


def _attached(place: Terminal, session: str, mark: str, here: str, deployment: str, worker: str) -> Answer[Attached]:
    switching = place.switch(session, mark=mark, here=here) if here else ()
    argv = tuple(switching or place.attach(session, mark=mark))
    how: Literal["attach", "switch", "nest"] = "switch" if switching else "nest" if here else "attach"
    typed = join(("env", "-u", "TMUX", *argv) if how == "nest" else argv)
    return Answer(Attached(deployment=deployment, worker=worker, command=argv, how=how), (typed,))


def _found_session(world: World, d: Deployment, worker: WorkerState) -> tuple[SessionInfo | None, str]:
    """Find a worker's session; else return why nothing can be told of it, "" where it is gone."""
    listing = world.executor(d.host).poll({worker.session_id: d.server})
    return listing.finder()(*terminals.session_address(d, worker)), listing.hidden.get(worker.session_id, "")


def harmless(text: str) -> str:
    """Return several lines without control characters, white space unchanged."""
    return "\n".join(
        "".join(part if part.isspace() else sanitise(part, len(part) or 1) for part in re.split(r"([ \t]+)", row))
        for row in text.splitlines()
    )


def _streamed(world: World, file: str, lines: int) -> str:
    rows = re.split(r"\r*\n", world.files.tail(file).decode("utf-8", "replace").rstrip())
    return "\n".join(rows[-lines:])
