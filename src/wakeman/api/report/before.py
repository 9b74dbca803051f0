"""The run before of the same name, compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from os.path import basename, dirname, realpath
from typing import Annotated, Literal

from msgspec import Meta

from wakeman.api.answer import Value
from wakeman.api.chronicle import LISTED_MAX
from wakeman.api.report.figures import wall_seconds
from wakeman.api.status import Tokens
from wakeman.core.errors import WakemanError
from wakeman.core.model import Deployment, Usage, WorkerState
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.policy.limits import used
from wakeman.ports import World

SLOWER_TIMES_MIN = 1.5
"""How many times as long as before a worker takes to be called slower."""
SLOWER_S_MIN = 10.0
"""Seconds longer than before, at least, to be called slower."""

DEARER_TIMES_MIN = 1.5
"""How many times as much as before a worker uses to be called dearer."""
DEARER_MIN: Mapping[str, float] = {"dollars": 0.01, "tokens": 1000}
"""How much more than before, at least, to be called dearer."""


class SlowerWorker(Value, frozen=True, kw_only=True):
    """A worker that took longer than in the run before."""

    worker: Annotated[str, Meta(description="Its name.")]
    seconds: Annotated[float, Meta(description="From its first launch to its end.")]
    before: Annotated[float, Meta(description="The same in the run before.")]


class DearerWorker(Value, frozen=True, kw_only=True):
    """A worker that used more than in the run before: US dollars where both runs report them, else tokens."""

    worker: Annotated[str, Meta(description="Its name.")]
    used: Annotated[float, Meta(description="What it used.")]
    before: Annotated[float, Meta(description="The same in the run before.")]
    unit: Annotated[Literal["dollars", "tokens"], Meta(description="Of both.")]


class RunCompared(Value, frozen=True, kw_only=True):
    """The run before of the same plan's name, and what differs."""

    deployment: Annotated[str, Meta(description="Name of that run.")]
    outcome: Annotated[str, Meta(description="How it was closed.")]
    same: Annotated[bool, Meta(description="Its plan was the same, key by key.")]
    done: Annotated[int, Meta(description="Units that were done.")]
    total: Annotated[int, Meta(description="Its units.")]
    seconds: Annotated[float | None, Meta(description="From its start to its end.")]
    tokens: Annotated[Tokens | None, Meta(description="Its tokens; null if not reported.")]
    cost: Annotated[float | None, Meta(description="Its US dollars; null if not reported.")]
    failing: Annotated[
        tuple[str, ...], Meta(description="Units that were done then, are not now, and have nobody at work on them.")
    ]
    passing: Annotated[tuple[str, ...], Meta(description="Units that were not done then, and are now.")]
    still: Annotated[
        tuple[str, ...], Meta(description="Units that were done neither then nor now, and have nobody at work on them.")
    ]
    added: Annotated[int, Meta(description="Units that it did not have.")]
    gone: Annotated[int, Meta(description="Units that only it had.")]
    slower: Annotated[tuple[SlowerWorker, ...], Meta(description="Workers that took much longer, the worst first.")]
    dearer: Annotated[tuple[DearerWorker, ...], Meta(description="Workers that used much more, the worst first.")]


def run_before(world: World, d: Deployment, file: str) -> RunCompared | None:
    """Return the nearest earlier run of the same name that can be read, compared; None for a copy of a log."""
    if realpath(dirname(dirname(file))) != realpath(world.state):
        return None
    base, number = _run_of(basename(dirname(file)))
    runs = {_run_of(name): name for name in world.logs.names()}
    earlier = sorted((run for run in runs if run[0] == base and run[1] < number), reverse=True)
    for run in earlier:
        try:
            return _compared(d, world.logs.read(runs[run]))
        except WakemanError:
            continue
    return None


def _run_of(name: str) -> tuple[str, int]:
    """Return the plan's name and the number of a run."""
    base, _, run = name.partition(".")
    return base, int(run) if re.fullmatch(r"[0-9]{1,9}", run) else 1


def _compared(d: Deployment, old: Deployment) -> RunCompared:
    now, then = review.tasks(d), review.tasks(old)
    both = [name for name in now if name in then]
    left = {name for name in both if not now[name].done and (d.outcome != "open" or d.workers[now[name].worker].ended)}
    usage = used(old)
    spoken = usage.input is not None or usage.output is not None
    return RunCompared(
        deployment=old.name,
        outcome=old.outcome,
        same=old.digest == d.digest,
        done=len(then) - len(undone(old)),
        total=len(then),
        seconds=wall_seconds(old),
        tokens=Tokens(input=usage.input or 0, output=usage.output or 0) if spoken else None,
        cost=usage.cost,
        failing=tuple(name for name in both if then[name].done and name in left),
        passing=tuple(name for name in both if now[name].done and not then[name].done),
        still=tuple(name for name in both if not then[name].done and name in left),
        added=sum(name not in then for name in now),
        gone=sum(name not in now for name in then),
        slower=_slower(d, old),
        dearer=_dearer(d, old),
    )


def _slower(d: Deployment, old: Deployment) -> tuple[SlowerWorker, ...]:
    now, then = _durations(d), _durations(old)
    found = [
        SlowerWorker(worker=name, seconds=took, before=then[name])
        for name, took in now.items()
        if name in then and took >= then[name] * SLOWER_TIMES_MIN and took - then[name] >= SLOWER_S_MIN
    ]
    return tuple(sorted(found, key=lambda each: each.before - each.seconds)[:LISTED_MAX])


def _dearer(d: Deployment, old: Deployment) -> tuple[DearerWorker, ...]:
    found = [
        more
        for name, worker in d.workers.items()
        if name in old.workers and (more := _used_more(name, _used_by(worker), _used_by(old.workers[name]))) is not None
    ]
    return tuple(sorted(found, key=lambda each: -each.used / max(each.before, DEARER_MIN[each.unit]))[:LISTED_MAX])


def _used_more(name: str, now: Usage, then: Usage) -> DearerWorker | None:
    """Return that a worker used much more, in the unit that both runs report."""
    amounts: dict[Literal["dollars", "tokens"], tuple[float | None, float | None]] = {
        "dollars": (now.cost, then.cost),
        "tokens": (_read_and_written(now), _read_and_written(then)),
    }
    for unit, (used_now, used_then) in amounts.items():
        if used_now is not None and used_then is not None:
            much = used_now >= used_then * DEARER_TIMES_MIN and used_now - used_then >= DEARER_MIN[unit]
            return DearerWorker(worker=name, used=used_now, before=used_then, unit=unit) if much else None
    return None


def _used_by(worker: WorkerState) -> Usage:
    return worker.used + worker.usage


def _read_and_written(usage: Usage) -> int | None:
    return None if usage.input is None and usage.output is None else (usage.input or 0) + (usage.output or 0)


def _durations(d: Deployment) -> dict[str, float]:
    return {
        name: (worker.since - worker.began).total_seconds()
        for name, worker in d.workers.items()
        if worker.ended and worker.began is not None and worker.since is not None
    }
