"""What the benches share: a scratch place, and two runs in turn."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROUNDS = 15
WAKEMAN = [sys.executable, "-P", "-m", "wakeman"]


class Place:
    """A scratch state directory with a tmux socket of its own; taken away at the end."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="wk"))
        self.socket = self.path / "tmux"

    def plan(self, name: str, workers: int, command: str, at_once: int | None = None) -> Path:
        """Write a plan with one unit a worker."""
        items = [{"unit": f"u{n}"} for n in range(workers)]
        plan = {
            "name": name,
            "units": {"items": items, "output": f"{name}-out/{{{{ unit }}}}"},
            "workers": {
                "by": "{{ unit }}",
                "name": f"{name}_{{{{ unit }}}}",
                "command": ["sh", "-c", command, "sh", "{{ units_file }}"],
                "stagger": 0,
                "socket": str(self.socket),
            },
        }
        if at_once is not None:
            plan["workers"]["at_once"] = at_once  # type: ignore[index] # a literal of plain dictionaries
        file = self.path / f"{name}.json"
        file.write_text(json.dumps(plan))
        return file

    def run(self, *words: str) -> float:
        """Run a verb; return its wall time in seconds."""
        began = time.perf_counter()
        argv = [*WAKEMAN, *words, "--state", str(self.path / "state")]
        code = subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.path).returncode
        took = time.perf_counter() - began
        assert code in (0, 4), f"{words}: exit {code}"  # 4: not finished yet
        return took

    def end(self, *names: str) -> None:
        """End what was started, and only that."""
        for name in names:
            subprocess.run([*WAKEMAN, "down", name, "--state", str(self.path / "state")], capture_output=True)
        subprocess.run(["tmux", "-S", str(self.socket), "kill-server"], capture_output=True)
        until = time.monotonic() + 10
        while self.busy() and time.monotonic() < until:  # the end of a worker calls for a check
            time.sleep(0.02)
        shutil.rmtree(self.path, ignore_errors=True)

    def busy(self) -> bool:
        """Return whether a process that was started with this place among its arguments lives."""
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if str(self.path) in file.read_text(errors="replace"):
                    return True
        return False


def paired(ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS) -> str:
    """Run both in turn and word the outcome: medians, minima and the median of the ratios."""
    pairs = [(ours(), theirs()) for _ in range(rounds + 1)][1:]
    ratio = statistics.median(a / b for a, b in pairs)
    low = min(a for a, _ in pairs) / min(b for _, b in pairs)
    a, b = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    return f"ratio {ratio:.2f} (of the minima {low:.2f}); ours {a:.1f} ms, beside {b:.1f} ms, medians of {rounds}"
