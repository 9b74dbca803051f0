"""Tell what came of a deployment: workers, units, time, bytes, rows, and where to look further.

Everything but the deployment's latest name is read from its event log and from the files that the log names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Print the summary; give 0 when the deployment is complete, else 1."""
    parser = argparse.ArgumentParser(prog="summary.py", description="Tell what came of a deployment.")
    parser.add_argument("name", help="the deployment; its latest run is taken")
    parser.add_argument("--state", type=Path, default=Path("state"), help="the state directory (default: state)")
    options = parser.parse_args(argv)
    name = latest(options.name, options.state)
    log = options.state / name / "events.jsonl"
    events = [json.loads(line) for line in log.read_bytes().split(b"\n") if line]
    prefix = "" if options.state == Path("state") else f"WAKEMAN_STATE={options.state} "
    looks = [f"{prefix}{wakeman()} {verb} {name}" for verb in ("status", "log")]
    for label, value in [*facts(events), ("log", str(log)), ("look", ("\n" + " " * 12).join(looks))]:
        print(f"{label:<11} {value}")
    return 0 if outcome(events) == "complete" else 1


def latest(name: str, state: Path) -> str:
    """Ask Wakeman which run a name means."""
    argv = [str(wakeman()), "status", name, "--json"]
    env = os.environ | {"WAKEMAN_STATE": str(state.absolute())}
    answer = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True, env=env).stdout)
    return str(answer["deployment"])


def wakeman() -> Path:
    """Return the program that stands beside this Python, relative to here where it can be."""
    program = Path(sys.executable).with_name("wakeman")
    return program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program


def facts(events: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Gather the summary's lines from a log, as label and value."""
    root = Path(of_type(events, "planned")[0]["data"]["host"]["root"])
    enrolled = of_type(events, "enrolled")
    workers = {event["worker"] for event in enrolled}
    cleanup = {event["worker"] for event in enrolled if event["data"].get("origin")}
    units = [unit for event in enrolled for unit in event["data"].get("units", ())]
    before = size(root / unit["input"] for unit in units if "input" in unit)
    after = size(root / output for unit in units for output in unit["outputs"])
    closed = of_type(events, "closed")
    missing = len(closed[-1]["data"].get("missing", ())) if closed else len(units)
    taken = [event["data"]["row"] for event in of_type(events, "decided") if not event["data"].get("held")]
    rows = Counter(row for row in taken if row not in ("leave", "sleep"))
    return [
        ("outcome", outcome(events)),
        ("workers", f"{len(workers - cleanup)}, and {len(cleanup)} for cleanup"),
        ("units", f"{len(units) - missing} of {len(units)} done"),
        ("wall time", f"{(instant(events[-1]) - instant(events[0])).total_seconds():.1f} s"),
        ("bytes", f"{before} before, {after} after"),
        ("reduction", f"{100 * (1 - after / before):.1f} %" if before else "unknown"),
        ("rows taken", ", ".join(f"{row} x {count}" for row, count in rows.items())),
    ]


def outcome(events: Sequence[dict[str, Any]]) -> str:
    """Return the deployment's outcome: open until it is closed."""
    closed = of_type(events, "closed")
    return str(closed[-1]["data"]["outcome"]) if closed else "open"


def of_type(events: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Pick the events of one type."""
    return [event for event in events if event["type"] == kind]


def instant(event: dict[str, Any]) -> datetime:
    """Return an event's time, as aware UTC."""
    return datetime.fromisoformat(event["at"])


def size(files: Iterable[Path]) -> int:
    """Add up the bytes of the files that exist."""
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    sys.exit(main())
