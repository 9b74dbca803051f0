"""Record `make demo`: the terminal and the report as pictures, the event log and its audit as files.

Run `python docs/record_demo.py` as root in a clone at a path that may be published, such as /home/agent/wakeman, after
`PYTHON=/usr/bin/python3 make setup-demo`: the log names the clone, that Python's library and the machine. What is run
sees the clone's parent as its home, nothing else of the environment, and an id of the machine that is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
NIGHT = ROOT / "examples" / "condense" / "night"
TYPED = ("make demo", "wakeman status condense", "wakeman audit condense")
COLUMNS, ROWS = 100, 60
READY = "$ "
TIMEOUT_S = 180.0
MACHINE = "0" * 31 + "1"
APART = """
printf "%s\\n" "$1" >.machine-id && mount --bind .machine-id /etc/machine-id && rm .machine-id && shift && exec "$@"
"""

FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
<rect fill="#1b1f24" stroke="#8b949e" x="1" y="1" width="{terminal_width}" height="{terminal_height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's terminal without its font from another machine; its own ground, so that it reads on light and dark pages."""


def main() -> None:
    """Run the demo in a terminal, and write what came of it into the repository."""
    if Path("/etc/machine-id").read_text().strip() != MACHINE:
        again = ["sh", "-c", APART, "sh", MACHINE, sys.executable, __file__]
        os.execvp("unshare", ["unshare", "--mount", *again])  # noqa: S606 - no shell is meant: it becomes this
    place = ROOT.parent / ".record"
    place.mkdir()
    try:
        terminal = Terminal(place)
        try:
            screen = terminal.play(TYPED)
        finally:
            terminal.end()
        PICTURES.mkdir(exist_ok=True)
        picture(screen)
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

    def play(self, lines: tuple[str, ...]) -> str:
        """Type one line after another, each when the one before has ended; return the screen with its colours."""
        for count, line in enumerate(lines, 1):
            self._until(count)
            self._tmux("send-keys", "-l", line)
            self._tmux("send-keys", "Enter")
        self._until(len(lines) + 1)
        return self._tmux("capture-pane", "-p", "-e")

    def end(self) -> None:
        """End both servers."""
        for name in ("record", "wakeman"):
            subprocess.run(["tmux", "-L", name, "kill-server"], env=self._env, check=False, capture_output=True)

    def _until(self, prompts: int) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            shown = self._tmux("capture-pane", "-p").rstrip("\n").split("\n")
            if sum(row.startswith(READY.strip()) for row in shown) == prompts and shown[-1].strip() == READY.strip():
                return
            time.sleep(0.2)
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


def picture(screen: str) -> None:
    """Write the screen as SVG, without the prompt that waits at its end."""
    rows = screen.rstrip("\n").split("\n")[:-1]
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for row in rows:
            console.print(Text.from_ansi(row), no_wrap=True, overflow="crop")
        (PICTURES / "demo.svg").write_text(console.export_svg(code_format=FRAME, unique_id="demo"))


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
