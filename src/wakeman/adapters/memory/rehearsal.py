"""Prepares a memory world for a plan: its inputs, and how each worker acts."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping, Sequence
from functools import partial

from wakeman.adapters.memory.sessions import Act
from wakeman.adapters.memory.world import MemoryWorld
from wakeman.core.model import Plan, Repository, Share, VerifySpec
from wakeman.core.queueing import QueueModel, Spread

CONTENT = {"yaml": b"rehearsed: true", "json": b"true", "toml": b"rehearsed = true", "none": b"rehearsed"}
"""Content that a simulated worker writes for each `verify.parse`; spaces fill it to the required size."""


def rehearsal(
    plan: Plan,
    root: str,
    shares: Sequence[Share],
    repository: Repository | None,
    *,
    unit: Spread,
    early: Mapping[str, int],
    hang: Sequence[str],
    seed: int = 1,
    queue: QueueModel | None = None,
) -> MemoryWorld:
    """Make the memory world for a plan.

    Shape: each unit takes as long as drawn for it; workers in `early` end after that many units, those in `hang` never
    end. With a `queue`, workers are its jobs; an end on a node starts no check, unless checks are jobs themselves.
    """
    content, source = _sizes(plan.verify)
    takes = partial(_drawn, unit, seed)
    stage = MemoryWorld(
        usual=Act(takes=takes, content=content), queue=queue, push=queue is None or plan.slurm.alarm == "job"
    )
    stage.logs.alone, stage.files.held.touched = True, set()
    for share in shares:
        hangs = share.name in hang
        stops = 0 if hangs else early.get(share.name)
        stage.acts[share.name] = Act(takes=takes, stops_after=stops, hangs=hangs, content=content)
        for each in share.units:
            if each.input is not None:
                stage.files.write(posixpath.join(root, each.input), b" " * source)
    if plan.workers.prompt_file is not None:
        stage.files.write(posixpath.join(root, plan.workers.prompt_file), b"(the task)")
    if repository is not None:
        stage.git.imitate(repository)
    stage.machine.environment.update(dict.fromkeys(plan.workers.env_from, "rehearsed"))
    return stage


def _drawn(spread: Spread, seed: int, unit: str) -> float:
    return spread.drawn(seed, f"unit/{unit}")


def _sizes(verify: VerifySpec) -> tuple[bytes, int]:
    """Return an output that passes, and the size of an input for which it does."""
    content = CONTENT[verify.parse]
    content += b"\n" + b" " * max(0, verify.min_bytes - len(content))
    return content, math.ceil(len(content) / (verify.max_ratio or 1.0)) + 1
