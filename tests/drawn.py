"""A stand-in for a client at a dialog: it draws recorded screens, notes each key that it gets, and goes on as told."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

RECORDED = Path(__file__).parent / "adapters" / "screens"
WORKS = "● working\n\n✶ Mulling… (2s · esc to interrupt)\n"
"""What it shows once a dialog is answered: no dialog, and no input box."""
UP, DOWN, RIGHT, ENTER = "\x1b[A", "\x1b[B", "\x1b[C", "\r"

PROGRAM = r"""
import json, os, sys, time, tty
place = os.environ.get("DRAWN") or os.path.dirname(os.path.abspath(__file__))
if "--version" in sys.argv:
    print("2.1.332 (Claude Code)")
    sys.exit()
with open(f"{place}/script.json", encoding="utf-8") as file:
    script = json.load(file)
keys = open(f"{place}/keys", "a", buffering=1, encoding="utf-8")
tty.setraw(0)
now, typed = "first", ""

def draw():
    text = script["screens"][now].replace("TYPED", typed or script["hint"])
    os.write(1, ("\x1b[H\x1b[2J\x1b[3J" + text.rstrip("\n").replace("\n", "\r\n")).encode())

draw()
while data := os.read(0, 4096).decode(errors="replace"):
    text = data.replace("\x1bO", "\x1b[").replace("\x1b[200~", "").replace("\x1b[201~", "")
    while text:
        key = next((one for one in ("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D") if text.startswith(one)), text[0])
        text = text[len(key):]
        then = script["moves"].get(now, {}).get(key)
        if then is None and script["types"] == now and key >= " ":
            typed += key
        else:
            keys.write(json.dumps([now, key]) + "\n")
            now = then or now
    draw()
    if now == "over" and script["makes"]:
        os.makedirs(os.path.dirname(script["makes"]) or ".", exist_ok=True)
        with open(script["makes"], "w") as file:
            file.write("made\n")
        sys.exit()
"""


def recorded(name: str) -> str:
    """Return a recorded screen."""
    return (RECORDED / f"{name}.txt").read_text()


def marked(screen: str, line: str, mark: str = "❯") -> str:
    """Return a screen with the mark before another choice, whose row contains `line`."""

    def drawn(row: str) -> str:
        if row.lstrip().startswith(f"{mark} ") and "Read " not in row:
            return row.replace(mark, " ", 1)
        at = len(row) - len(row.lstrip()) - 2
        return f"{row[:at]}{mark}{row[at + 1 :]}" if line in row else row

    return "\n".join(map(drawn, screen.splitlines()))


def stand_in(
    place: Path,
    screens: Mapping[str, str],
    moves: Mapping[str, Mapping[str, str]],
    *,
    name: str = "claude",
    types: str = "",
    hint: str = "Type something.",
    makes: str = "",
) -> Path:
    """Write the program: `screens` by name, from `first`; `moves`: screen -> key -> screen. `types` takes a text.

    Shape: with `makes` it makes that file once it is answered, and ends.
    """
    place.mkdir(parents=True, exist_ok=True)
    script = {"screens": {**screens, "over": WORKS}, "moves": moves, "types": types, "hint": hint, "makes": makes}
    (place / "script.json").write_text(json.dumps(script))
    program = place / name
    program.write_text(f"#!{sys.executable} -I\n{PROGRAM}")
    program.chmod(0o755)
    return program


def keys(place: Path) -> list[str]:
    """Return the keys that it got, in order, those of a text left out."""
    file = place / "keys"
    return [json.loads(line)[1] for line in file.read_text().splitlines()] if file.exists() else []


def asking_plan(place: Path, name: str = "asked", **screens: str) -> str:
    """Write a stand-in for Claude Code and a script of its own for one worker; return the plan, on the socket `faces`.

    Shape: `first` is the screen that it begins with; a number or Enter answers it. PATH must have `place/bin`.
    """
    moves = {"first": dict.fromkeys((*"1234", ENTER), "over")}
    stand_in(place / "bin", {}, {})
    stand_in(place / f"{name}.drawn", screens, moves)
    return f"""
name = "{name}"
[units]
items = ["a"]
output = "{name}/{{{{ unit }}}}"
[workers]
harness = "claude"
mode = "interactive"
name = "{name}_{{{{ group.name }}}}"
socket = "faces"
prompt = "Do it."
env_from = ["ANTHROPIC_API_KEY"]
[workers.env]
DRAWN = "{place / name}.drawn"
"""
