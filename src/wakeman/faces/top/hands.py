"""What each key does: moves, finds, types, chooses, and asks for what is to be run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from shutil import which
from typing import Literal, NamedTuple

from wakeman.core.errors import WakemanError
from wakeman.engine import layout
from wakeman.faces.top.desk import TEXT_CHARS_MAX, Mode, TopDesk
from wakeman.faces.top.keys import KeyDeed, typed_command
from wakeman.faces.top.panes import PANES

PAGERS = ("less", "more")
"""Programs that show a file, where `PAGER` names none."""


class Effect(NamedTuple):
    """What a key asks the terminal for: `run` a command and show its answer, give it the terminal, or `quit`."""

    what: Literal["run", "lend", "quit"]
    argv: tuple[str, ...] = ()


def press(desk: TopDesk, key: str) -> Effect | None:
    """Take a key: a character, or the name of a key such as `enter` or `left`."""
    answered, desk.answer = desk.answer is not None, None
    if desk.running:
        return Effect("quit") if key == "ctrl+c" else None
    if answered and key in ("enter", "escape", "space", "y", "n"):
        return None
    try:
        return _MODES[desk.mode](desk, key)
    except WakemanError as fault:
        desk.answer = (False, [str(fault), *([f"hint: {fault.hint}"] if fault.hint else [])])
        return None


def _look(desk: TopDesk, key: str) -> Effect | None:
    if key in ("q", "ctrl+c"):
        return Effect("quit")
    if key == "?":
        desk.mode = "help"
    elif desk.source is None:
        _look_listed(desk, key)
    elif desk.reading_on and key not in ("escape", "tab", "shift+tab"):
        return None
    elif key in _MOVES:
        _MOVES[key](desk)
    elif key in ("tab", "shift+tab"):
        _next_deployment(desk, 1 if key == "tab" else -1)
    elif key in desk.deeds():
        return _begin(desk, desk.deeds()[key])
    return None


def _look_listed(desk: TopDesk, key: str) -> None:
    names = desk.deployments
    steps = {
        "down": 1,
        "j": 1,
        "up": -1,
        "k": -1,
        "pagedown": 8,
        "pageup": -8,
        "home": -len(names),
        "end": len(names),
    }
    if key in steps:
        desk.place = max(0, min(desk.place + steps[key], len(names) - 1))
    elif key in ("enter", "tab") and names:
        desk.open(names[desk.place])


def _next_deployment(desk: TopDesk, step: int) -> None:
    names, here = desk.deployments, desk.present().name
    if names:
        desk.place = (names.index(here) + step) % len(names) if here in names else 0
        desk.open(names[desk.place])


def _escape(desk: TopDesk) -> None:
    source = desk.present()
    if source.leave_reading():
        desk.show_pane("screen" if desk.pane == "why" else desk.pane)
    elif source.at is not None:
        desk.travel(None)
    elif desk.words:
        desk.words = ""
    else:
        desk.source = None
        desk.refresh_list()


def _pick(desk: TopDesk) -> None:
    entry = desk.entry()
    source = desk.present()
    if entry is not None and entry.worker and source.at is None and not source.elsewhere:
        desk.show_pane("outputs")
        desk.begin("pick")


def _type(desk: TopDesk, key: str) -> bool:
    """Take a key for the text that is typed; return whether it was one."""
    if key == "backspace":
        desk.typed = desk.typed[:-1]
    elif key == "ctrl+u":
        desk.typed = ""
    elif key == "space" or (len(key) == 1 and key.isprintable()):
        desk.typed = (desk.typed + (" " if key == "space" else key))[:TEXT_CHARS_MAX]
    else:
        return False
    desk.sought()
    return True


def _find_key(desk: TopDesk, key: str) -> None:
    if _type(desk, key):
        return
    if key in ("escape", "ctrl+c"):
        desk.words, desk.mode = "", "look"
    elif key == "enter":
        desk.mode = "look"
    elif key in ("up", "down"):
        desk.step(1 if key == "down" else -1)


def _text_key(desk: TopDesk, key: str) -> None:
    if _type(desk, key):
        return
    if key in ("escape", "ctrl+c"):
        desk.mode, desk.deed = "look", None
    elif key == "enter" and desk.typed.strip() not in ("", "-"):
        desk.mode = "confirm"


def _begin(desk: TopDesk, deed: KeyDeed) -> Effect | None:
    if deed.word == "attach":
        return Effect("lend", deed.argv)
    desk.deed, desk.typed = deed, deed.text
    desk.mode = "text" if deed.asks else "confirm"
    return None


def _confirm_key(desk: TopDesk, key: str) -> Effect | None:
    if key not in ("y", "n", "escape", "ctrl+c") or desk.deed is None:
        return None
    argv = typed_command(desk.deed.argv, desk.typed)
    desk.mode, desk.deed = "look", None
    if key != "y":
        return None
    desk.running = shlex.join(argv)
    return Effect("run", argv)


def _log_key(desk: TopDesk, key: str) -> Effect | None:
    steps = {"up": 1, "k": 1, "down": -1, "j": -1, "pageup": 20, "pagedown": -20, "home": 10**9, "end": -(10**9)}
    if key in ("q", "ctrl+c"):
        return Effect("quit")
    if key in steps:
        desk.log_back = max(0, desk.log_back + steps[key])
    elif key in ("l", "escape"):
        desk.mode = "look"
    return None


def _help_key(desk: TopDesk, key: str) -> Effect | None:
    if key in ("q", "ctrl+c"):
        return Effect("quit")
    desk.mode = "look"
    return None


def _pick_output(desk: TopDesk, key: str) -> Effect | None:
    entry = desk.entry()
    made = desk.present().outputs(entry.worker) if entry is not None else ()
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "home": -len(made), "end": len(made)}
    if key in steps:
        desk.picked = max(0, min(desk.picked + steps[key], len(made) - 1))
    elif key in ("escape", "ctrl+c", "o"):
        desk.mode = "look"
    elif key == "enter" and made:
        desk.mode = "look"
        return _shown_in_pager(desk, made[min(desk.picked, len(made) - 1)].paths)
    return None


def _shown_in_pager(desk: TopDesk, paths: Sequence[str]) -> Effect | None:
    """Return what shows the first file of an output, or say that there is none."""
    files = [layout.absolute(desk.present().d.host, path) for path in paths]
    there = [file for file in files if os.path.isfile(file)]
    if not there:
        desk.answer = (False, [f"{', '.join(paths)}: not there"])
        return None
    pager = shlex.split(os.environ.get("PAGER", "")) or [next(filter(which, PAGERS), PAGERS[0])]
    return Effect("lend", (*pager, there[0]))


_MOVES: dict[str, Callable[[TopDesk], None]] = {
    "down": lambda desk: desk.step(1),
    "j": lambda desk: desk.step(1),
    "up": lambda desk: desk.step(-1),
    "k": lambda desk: desk.step(-1),
    "pagedown": lambda desk: desk.page(1),
    "pageup": lambda desk: desk.page(-1),
    "home": lambda desk: desk.step(-(10**9)),
    "end": lambda desk: desk.step(10**9),
    "J": lambda desk: setattr(desk, "scrolled", desk.scrolled + (-5 if desk.pane in ("screen", "events") else 5)),
    "K": lambda desk: setattr(desk, "scrolled", desk.scrolled + (5 if desk.pane in ("screen", "events") else -5)),
    "1": lambda desk: desk.show_pane(PANES[0]),
    "2": lambda desk: desk.show_pane(PANES[1]),
    "3": lambda desk: desk.show_pane(PANES[2]),
    "4": lambda desk: desk.show_pane(PANES[3]),
    "e": lambda desk: desk.show_pane("screen" if desk.pane == "why" else "why"),
    "/": lambda desk: desk.begin("find"),
    "f": lambda desk: setattr(desk, "folded", not desk.folded),
    "l": lambda desk: desk.begin("log"),
    "o": _pick,
    "left": lambda desk: desk.travel(desk.present().shown - 1),
    "right": lambda desk: desk.travel(desk.present().shown + 1),
    "[": lambda desk: desk.travel_to_mark(-1),
    "]": lambda desk: desk.travel_to_mark(1),
    "space": lambda desk: desk.travel(None),
    "escape": _escape,
}
"""Keys that move, and change nothing."""
_MODES: dict[Mode, Callable[[TopDesk, str], Effect | None]] = {
    "look": _look,
    "find": _find_key,
    "text": _text_key,
    "confirm": _confirm_key,
    "log": _log_key,
    "help": _help_key,
    "pick": _pick_output,
}
"""Mode -> what takes the keys."""
