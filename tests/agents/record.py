"""Record what installed clients show and report: `python -m tests.agents.record [KIND-]CLIENT[-...]...`, or all of it.

Three kinds: screens, failures, and sessions with their hook reports, streams and transcripts. Each is a run of a real
client, alone with the simulated model server; WAKEMAN_CLIENTS names the directories with the programs. A recording is
written where it differs from the one before, of the same version or else of the newest before it, and what differs is
shown. Tests only read the recorded files.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.agents import failures, screens, sessions
from tests.agents.clients import PLACES
from tests.agents.recorded import before, changes, place_of, steady, version_of, versions

from wakeman.adapters.harness import find
from wakeman.ports import Evidence, release

AT_ONCE = 2
"""Recordings that are made side by side."""


def jobs() -> Iterator[tuple[str, str, Callable[[], Any]]]:
    """Yield what can be recorded: its kind, its file, and what records it."""
    for name in screens.SHOWS:
        for size in screens.SIZES:
            yield "screens", f"{name}.{size[0]}x{size[1]}.txt", partial(screens.record, name, size)
    for name in screens.COLOURED:
        yield "screens", f"{name}.80x24.ansi", partial(screens.record, name, screens.SIZES[0], colours=True)
    for name, session in sessions.SESSIONS.items():
        if release(session.since) <= release(installed(name.partition("-")[0])):
            yield "sessions", f"{name}.json", partial(sessions.record, name)
    for name in failures.cases():
        yield "failures", f"{name}.json", partial(failures.record, name)


def tell(kind: str, file: str, made: Callable[[], Any]) -> str:
    """Record one run, keep it if it is news, and word what became of it."""
    client = file.partition("-")[0]
    version = installed(client)
    try:
        new = made()
    except Exception as fault:  # the rest is recorded all the same
        return f"{kind} {file}: NOT RECORDED: {fault!r}"
    was = before(kind, client, version, file)
    place = place_of(kind, client, version)
    old = None if was is None else _read(was)
    found = changes(*(_fields(one) for one in (old, new))) if old is not None else ["+ not recorded before"]
    if was != place / file or _steady(old) != _steady(new):
        place.mkdir(parents=True, exist_ok=True)
        text = new if isinstance(new, str) else json.dumps(new, indent=1, ensure_ascii=False) + "\n"
        (place / file).write_text(text)
    against = f" against {_version_in(was, client)}" if was is not None else ""
    head = f"{kind} {file}{against}: {'no change' if not found else f'{len(found)} changes'}"
    reading = _reading(client, file, new, version) if kind == "screens" and file.endswith(".txt") else []
    return "\n    ".join([head, *reading, *found])


@cache
def installed(client: str) -> str:
    """Return the version of an installed client, asked once."""
    return version_of(client)


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.suffix == ".json" else path.read_text()


def _fields(run: Any) -> dict[str, Any]:
    return {"screen": run} if isinstance(run, str) else run


def _steady(run: Any) -> str:
    return steady(run if isinstance(run, str) else json.dumps(run, ensure_ascii=False, indent=1))


def _version_in(path: Path, client: str) -> str:
    return path.parent.name if path.parent.name[0].isdigit() else (*versions(client), "?")[0]


def _reading(client: str, file: str, screen: str, version: str) -> list[str]:
    """Word what is read from a screen if its name says something else."""
    expected = re.split("[-.]", file)[1]
    said = find(client).report(Evidence(screen=screen, version=version), datetime.now(UTC))
    return [] if said.activity == expected else [f"READ AS {said.activity}, expected {expected}: {said.why}"]


def main(words: list[str]) -> None:
    """Record what is named, or everything, of the clients that are installed."""
    there = [job for job in jobs() if shutil.which(job[1].partition("-")[0], path=PLACES)]
    chosen = [job for job in there if not words or any(word in f"{job[0]}-{job[1]}" for word in words)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for said in pool.map(lambda job: tell(*job), chosen):
            print(said, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
