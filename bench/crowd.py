"""A night of many workers on as many nodes of Slurm as this machine holds: `python -m bench.crowd [NODES [WORKERS]]`.

It is no part of `make bench`: it takes minutes, and some gigabytes of memory. What it prints is kept, with how it was
measured, in docs/track-record.md. The workers wait at one pipe, so that all are at work at the same time and end at the
same time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bench.checks import CHECK
from bench.cluster import LARGE_SITE
from bench.place import Place, Spent, spend
from tests import slurm
from tests.waiting import until

NODES, WORKERS = 1000, 1000
ALL_S = 1800
"""Seconds that all may take to begin, or to end."""
WAITS = 'read line <"{pipe}"; mkdir -p night-out; echo done >"night-out/${{WAKEMAN_WORKER#night_}}"'
PATIENT = {"SlurmdTimeout": 300, "MessageTimeout": 60, "KillWait": 30, "TreeWidth": 50}
"""What a site sets whose controller may be slow."""


def main(nodes: int = NODES, workers: int = WORKERS) -> int:
    """Run the night, and print what it took. Return 0 if all was done, and once."""
    if slurm.UNABLE:
        print(f"cannot run here: {slurm.UNABLE}", file=sys.stderr)
        return 2
    free, began = _free_mib(), time.monotonic()
    with slurm.running_cluster({**LARGE_SITE, **PATIENT}, nodes) as cluster:
        _say(f"{nodes:,} slurmd are idle", time.monotonic() - began)
        _say("memory of each, MiB", (free - _free_mib()) / nodes)
        place = Place()
        try:
            return _night(cluster, place, workers)
        finally:
            place.end("night")


def _night(cluster: slurm.Cluster, place: Place, workers: int) -> int:
    place.env = {**place.env, **cluster.env}
    pipe = place.path / "go"
    os.mkfifo(pipe)
    file = place.plan("night", workers, WAITS.format(pipe=pipe), tables={"slurm": {}, "wake": {"every": "12h"}})
    plan = json.loads(file.read_text())
    del plan["workers"]["socket"]
    plan["workers"]["executor"] = "slurm"
    file.write_text(json.dumps(plan))
    free, began = _free_mib(), time.monotonic()
    _spent("up", place.run("up", str(file)))
    until(lambda: len(cluster.run("squeue", "-h", "-r", "-t", "R", "-o", "%i").split()) == workers, ALL_S)
    began_all = place.path / "state/night/slurm"
    until(lambda: sum(1 for _ in began_all.glob("*/*.began")) == workers, ALL_S)
    _say(f"{workers:,} workers are at work", time.monotonic() - began)
    _say("memory of each, MiB", (free - _free_mib()) / workers)
    for name in ("the first check of all at work", "a check that finds nothing new", "once more"):
        _spent(name, place.run(*CHECK))
    _spent("`squeue` of all", spend(("squeue", "--noheader", "--array"), place.path, cluster.env))
    began = time.monotonic()
    until(lambda: _released(pipe) and len(list(place.path.glob("night-out/u*"))) == workers, ALL_S)
    _say("all outputs are there", time.monotonic() - began)
    until(lambda: '"type":"closed"' in _log(place).read_text(), ALL_S)  # by the checks that the ends start
    _say("the night is closed", time.monotonic() - began)
    events = [json.loads(line) for line in _log(place).read_text().splitlines()]
    kinds = Counter(event["type"] for event in events)
    closed = next(event["data"] for event in events if event["type"] == "closed")
    _spent("audit", place.run("audit", "night"))
    _say("arrays", sum(1 for _ in began_all.glob("*/job")) + sum(1 for _ in began_all.glob("past/*/job")))
    _say("log, bytes for each worker", _log(place).stat().st_size / workers)
    print(f"launched {kinds['launched']:,}, relaunched {kinds['relaunched']:,}, {closed['outcome']}")
    return 0 if (kinds["launched"], kinds["relaunched"], closed["outcome"]) == (workers, 0, "complete") else 1


def _released(pipe: Path) -> bool:
    """Let go on who waits at the pipe by now; return True."""
    with suppress(OSError):  # nobody does
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    return True


def _log(place: Place) -> Path:
    return place.path / "state/night/events.jsonl"


def _free_mib() -> float:
    row = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(row.split()[1]) / 1024


def _spent(what: str, spent: Spent) -> None:
    print(f"{what}: CPU {spent.cpu:.2f} s, wall {spent.wall:.2f} s, at most {spent.peak:.0f} MiB", flush=True)


def _say(what: str, value: float) -> None:
    print(f"{what}: {value:,.1f}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
