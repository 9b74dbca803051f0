"""A small client of a terminal: an input box, bracketed paste, and what goes wrong with real ones.

    python tui.py HEARD [SWALLOWS] [MODE]

Each prompt that it takes is a line of JSON in HEARD. The first SWALLOWS Enters are ignored. MODE `dialog` asks
something instead of showing a box, `works` shows that it works for ever, `blind` keeps what is pasted off the screen.
"""

from __future__ import annotations

import json
import sys
import termios
import tty
from pathlib import Path

BEGIN, END = "\x1b[200~", "\x1b[201~"
FEET = {"dialog": "Do you want to?\n❯ 1. Yes\nEnter to confirm", "works": "✻ Brewing…\n❯ \n  esc to interrupt"}


def main() -> None:
    """Read keys until there are no more."""
    heard, swallows = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    mode = sys.argv[3] if len(sys.argv) > 3 else ""
    settings = termios.tcgetattr(0)
    tty.setraw(0)
    box, lines = "", ["● Ready."]
    try:
        while True:
            shown = "" if mode == "blind" else box.replace("\r", "\n").replace("\n", "\n  ")
            foot = FEET.get(mode, f"───\n❯ {shown}\n───\n  ? for shortcuts")
            screen = "\n".join([*lines, foot])
            # Line by line: a screen that is cleared at once goes into tmux's history.
            sys.stdout.write("\x1b[?2004h\x1b[H" + screen.replace("\n", "\x1b[K\r\n") + "\x1b[K\x1b[J")
            sys.stdout.flush()
            keys = _keys()
            if not keys:
                return
            pasted = keys.startswith(BEGIN)
            if pasted:
                box += keys.removeprefix(BEGIN).removesuffix(END).replace("\r", "\n")
            elif keys != "\r":
                box += keys
            elif swallows > 0:
                swallows -= 1
            elif box:
                with heard.open("a") as file:
                    file.write(json.dumps(box) + "\n")
                lines, box = [*lines, f"> {box}", "● Done."], ""
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, settings)


def _keys() -> str:
    """Read one key, or one paste."""
    import os

    data = os.read(0, 1)
    if data == b"\x1b":
        while not data.endswith(END.encode()):
            data += os.read(0, 1)
    return data.decode(errors="replace")


if __name__ == "__main__":
    main()
