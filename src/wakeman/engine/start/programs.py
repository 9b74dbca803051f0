"""Whether the programs that a plan names are there, and how many workers this machine carries."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wakeman.core.model import Host, Plan, WorkersSpec
from wakeman.core.plan.footprint import named_programs
from wakeman.core.plan.template import closest
from wakeman.core.plan.validation import json_text
from wakeman.ports import HostedExecutor

if TYPE_CHECKING:
    from wakeman.ports import World

WORKERS_PER_CORE_MAX = 8
"""Workers per processor that run at the same time, where a plan does not say: agents wait for their model mostly."""
SIMILAR_MIN = 0.8
"""Similarity of a program on PATH that is offered for one that is missing: there are thousands of short names."""
AT_ONCE_DEFAULT_MIN = 8
"""Workers that run at the same time by default on the smallest machine, if its memory allows them."""


def program_faults(world: World, plan: Plan, host: Host) -> Iterator[str]:
    """Yield the programs that are missing or not executable, by key.

    Boundary: not those whose name, or whose directory, is known at a launch only.
    """
    later = "{{" in plan.workers.cwd or bool(plan.workers.before)
    starts = posixpath.join(host.root, plan.workers.cwd)
    for use in named_programs(plan):
        program = use.argv[0]
        own = use.key.startswith(("workers.command", "verify.review"))
        relative = "/" in program and not program.startswith("/")
        unknown = relative and (use.key.startswith("workers.setup") or (own and later))
        if use.key in ("units.command", "workers.harness", "verify.review.harness") or "{{" in program or unknown:
            continue
        cwd = starts if own and plan.workers.isolate == "none" else host.root
        if not world.machine.runs(program, cwd, host.env.get("PATH", "")):
            yield f"{use.key}: {_why(world, program, cwd, host.env.get('PATH', ''), use.argv)}"


def _why(world: World, program: str, cwd: str, path: str, argv: tuple[str, ...]) -> str:
    """Return what is wrong with a program that cannot be started, and what to do."""
    found = f"found {program!r}"
    if program.startswith("~"):
        return f"{found}: a leading '~' is not expanded; write: {json_text(world.machine.home() + program[1:])}"
    places = [cwd] if "/" in program else path.split(":")
    there = next((posixpath.join(at, program) for at in places if world.files.marks([posixpath.join(at, program)])), "")
    if there:
        return f"{found}, which is not executable; try: chmod +x {there}"
    words = program.split()
    if len(argv) == 1 and len(words) > 1:
        return (
            f"{found}, which is no program; each word is one of the list; write: [{', '.join(map(json_text, words))}]"
        )
    from difflib import get_close_matches  # 3 ms, paid for a program that is missing

    if "/" in program:
        above, name = posixpath.split(program)
        guess = closest(name, world.files.names(posixpath.join(cwd, above)))
        guess = guess and posixpath.join(above, guess)
    else:
        names = {name for at in path.split(":") if at for name in world.files.names(at)}
        guess = next(iter(get_close_matches(program, names, 1, SIMILAR_MIN)), "")
    near = f"; did you mean {guess!r}?" if guess else ""
    return f"{found}, which is no program on PATH or at that place{near}"


def memory_faults(world: World, plan: Plan) -> Iterator[str]:
    """Yield why nobody could ever be launched: more memory is required than the machine has."""
    total, _ = world.machine.capacity()
    if 0 < total < plan.limits.memory:
        yield (
            f"limits.memory: found {plan.limits.memory} bytes for each launch; expected less than this machine has,"
            f" {total}"
        )


def at_once(world: World, plan: Plan, host: Host, workers: int) -> int | None:
    """Return how many workers run at the same time: as the plan says, or as many as its place carries.

    Boundary: None for all of them; a plan that groups its units has chosen its number of workers, sessions that are
    there run already, and those that outlive this machine run elsewhere. A place with slots has at most as many.
    """
    if plan.workers.found:
        return None
    executor = world.executor(host)
    if isinstance(executor, HostedExecutor):
        slots = sum(executor.hosts.values())
        return min(slots, plan.workers.at_once or slots)
    if plan.workers.at_once is not None or plan.workers.by != WorkersSpec().by:
        return plan.workers.at_once
    if executor.outlives_boot:
        return None
    total, cores = world.machine.capacity()
    wanted = plan.limits.memory or host.memory_per_worker
    bounds = [max(AT_ONCE_DEFAULT_MIN, WORKERS_PER_CORE_MAX * cores)] if cores else []
    bounds += [max(1, total // wanted)] if wanted and total else []
    return min(bounds) if bounds and min(bounds) < workers else None
