"""Prepares a memory world for a plan: its inputs, and how each worker acts."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Mapping, Sequence

from wakeman.adapters.memory.sessions import Act
from wakeman.adapters.memory.world import MemoryWorld
from wakeman.core.model import Plan, Repository, Share, VerifySpec

CONTENT = {"yaml": b"rehearsed: true", "json": b"true", "toml": b"rehearsed = true", "none": b"rehearsed"}
"""Content that a simulated worker writes for each `verify.parse`; spaces fill it to the required size."""


def rehearsal(
    plan: Plan,
    root: str,
    shares: Sequence[Share],
    repository: Repository | None,
    *,
    seconds: float,
    early: Mapping[str, int],
    hang: Sequence[str],
) -> MemoryWorld:
    """Make the memory world for a plan.

    Shape: each unit takes so many seconds; workers in `early` end after that many units, those in `hang` never end.
    """
    content, source = _sizes(plan.verify)
    stage = MemoryWorld(usual=Act(seconds=seconds, content=content))
    stage.logs.alone, stage.files.held.touched = True, set()
    for share in shares:
        hangs = share.name in hang
        stops = 0 if hangs else early.get(share.name)
        stage.acts[share.name] = Act(seconds=seconds, stops_after=stops, hangs=hangs, content=content)
        for unit in share.units:
            if unit.input is not None:
                stage.files.write(posixpath.join(root, unit.input), b" " * source)
    if plan.workers.prompt_file is not None:
        stage.files.write(posixpath.join(root, plan.workers.prompt_file), b"(the task)")
    if repository is not None:
        stage.git.imitate(repository)
    stage.machine.environment.update(dict.fromkeys(plan.workers.env_from, "rehearsed"))
    return stage


def _sizes(verify: VerifySpec) -> tuple[bytes, int]:
    """Return an output that passes, and the size of an input for which it does."""
    content = CONTENT[verify.parse]
    content += b"\n" + b" " * max(0, verify.min_bytes - len(content))
    return content, math.ceil(len(content) / (verify.max_ratio or 1.0)) + 1
