"""Record `make demo`: the terminal as a picture that moves, `top` and the report as pictures, the event log and its
audit as files.

Run `.venv/bin/python -m docs.record_demo` as root in a clone at a path that may be published, such as
/home/agent/wakeman, after `PYTHON=/usr/bin/python3 make setup-demo` and `.venv/bin/pip install 'textual<9'`: the log
names the clone, that Python's library and the machine. What is run sees the clone's parent as its home, nothing else of
the environment, and an id of the machine that is none.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from docs.moving_picture import Screen, moving
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
NIGHT = ROOT / "examples" / "condense" / "night"
TYPED = ("make demo", "wakeman status condense", "wakeman audit condense")
LOOKED = "wakeman top condense"
COLUMNS, ROWS, LOOKED_ROWS = 100, 60, 26
LOOK_EACH_S = 0.1
"""Seconds between two looks at the terminal."""
READY = "$ "
TIMEOUT_S = 180.0
MACHINE = "0" * 31 + "1"
APART = """
printf "%s\\n" "$1" >.machine-id && mount --bind .machine-id /etc/machine-id && rm .machine-id && shift && exec "$@"
"""


def main() -> None:
    """Run the demo in a terminal, and write what came of it into the repository."""
    if Path("/etc/machine-id").read_text().strip() != MACHINE:
        again = ["sh", "-c", APART, "sh", MACHINE, sys.executable, "-m", "docs.record_demo"]
        os.execvp("unshare", ["unshare", "--mount", *again])  # noqa: S606 - no shell is meant: it becomes this
    place = ROOT.parent / ".record"
    place.mkdir()
    try:
        terminal = Terminal(place)
        try:
            screens = terminal.play(TYPED)
            still = terminal.look(LOOKED, r"q quit$")
        finally:
            terminal.end()
        PICTURES.mkdir(exist_ok=True)
        (PICTURES / "demo.svg").write_text(moving(screens, COLUMNS))
        (PICTURES / "top.svg").write_text(moving([still], COLUMNS))
        wakeman(place, "report", "condense", "-o", f"{place}/report.html")
        photograph(place)
        NIGHT.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "state" / "condense" / "events.jsonl", NIGHT / "events.jsonl")
        (NIGHT / "audit.txt").write_text(wakeman(place, "audit", str(NIGHT.relative_to(ROOT) / "events.jsonl")))
    finally:
        shutil.rmtree(place)


def wakeman(place: Path, *argv: str) -> str:
    """Run a verb in the clone, and return what it prints."""
    made = subprocess.run(
        [".venv/bin/wakeman", *argv], cwd=ROOT, env=surroundings(place), check=True, capture_output=True, text=True
    )
    return made.stdout


def surroundings(place: Path) -> dict[str, str]:
    """Return the whole environment of what is run."""
    home = str(ROOT.parent)
    path = f"{ROOT}/.venv/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    return {"HOME": home, "PATH": path, "LANG": "C.UTF-8", "TMUX_TMPDIR": str(place), "WAKEMAN_STATE": f"{ROOT}/state"}


class Terminal:
    """A shell in a tmux of its own, with its sockets in `place`; workers of the demo are on another of its servers."""

    def __init__(self, place: Path) -> None:
        self._env = surroundings(place)
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        self._tmux("new-session", "-d", *size, "-c", str(ROOT), f"PS1='{READY}' TERM=xterm-256color sh")

    def play(self, lines: tuple[str, ...]) -> list[Screen]:
        """Type one line after another, each when the one before has ended; return what was shown, and when."""
        self._screens: list[Screen] = []
        for count, line in enumerate(lines, 1):
            self._until(count)
            self._tmux("send-keys", "-l", line)
            self._until(count, line)
            self._tmux("send-keys", "Enter")
        self._until(len(lines) + 1)
        return [screen._replace(rows=_without_last_prompt(screen.rows)) for screen in self._screens]

    def look(self, line: str, pattern: str) -> Screen:
        """Type a line that takes the whole screen; return what is shown once it has what is waited for."""
        self._tmux("resize-window", "-x", str(COLUMNS), "-y", str(LOOKED_ROWS))
        self._tmux("send-keys", line, "Enter")
        deadline = time.monotonic() + TIMEOUT_S
        while not re.search(pattern, self._tmux("capture-pane", "-p").rstrip()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return Screen(0.0, tuple(self._tmux("capture-pane", "-p", "-e").rstrip("\n").split("\n")))

    def end(self) -> None:
        """End both servers."""
        for name in ("record", "wakeman"):
            subprocess.run(["tmux", "-L", name, "kill-server"], env=self._env, check=False, capture_output=True)

    def _until(self, prompts: int, typed: str = "") -> None:
        """Keep what is shown until so many prompts are there, the last with what is typed."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            coloured = tuple(self._tmux("capture-pane", "-p", "-e").rstrip("\n").split("\n"))
            if not self._screens or self._screens[-1].rows != coloured:
                self._screens.append(Screen(time.monotonic(), coloured))
            shown = [Text.from_ansi(row).plain for row in coloured]
            ready = sum(row.startswith(READY.strip()) for row in shown) == prompts
            if ready and shown[-1].strip() == f"{READY}{typed}".strip():
                return
            time.sleep(LOOK_EACH_S)
        raise TimeoutError("\n".join(shown))

    def _tmux(self, *argv: str) -> str:
        made = subprocess.run(
            ["tmux", "-L", "record", "-f", "/dev/null", *argv],
            env=self._env,
            check=True,
            capture_output=True,
            text=True,
        )
        return made.stdout


def _without_last_prompt(rows: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rows without the prompt that waits at their end."""
    return rows[:-1] if Text.from_ansi(rows[-1]).plain.strip() == READY.strip() else rows


def photograph(place: Path) -> None:
    """Write the upper part of the report as PNG."""
    own = ["--no-sandbox", "--hide-scrollbars", f"--user-data-dir={place}/browser", "--window-size=1100,1000"]
    shot = PICTURES / "report.png"
    subprocess.run(
        ["chromium", "--headless", "--disable-gpu", *own, f"--screenshot={shot}", f"file://{place}/report.html"],
        check=True, capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
