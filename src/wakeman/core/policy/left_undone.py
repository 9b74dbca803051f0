"""Which units are left undone, and why: grouped by what is equal for many."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.policy.worker_needs import QUOTED_CHARS_MAX, end_words
from wakeman.core.text import sanitise

_OURS = (
    "empty",
    "unchanged since the launch",
    "there before its worker was launched",
    "older than the input",
    "its worker was cut off and may not have finished it",
    "put there by somebody else, expected it to be installed",
    "nothing to judge: neither an output nor a check",
)
"""Problems that have no words of others."""
_PROBLEMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]], ...] = (
    (re.compile(r"missing$"), lambda _: ("missing", "")),
    (re.compile(r"not done$"), lambda _: ("missing", "")),
    *((re.compile(f"{ours}$"), lambda m: (m[0], "")) for ours in _OURS),
    (re.compile(r"(\d+) bytes, expected at least (\d+)$"), lambda m: (f"smaller than {m[2]} bytes", m[1])),
    (
        re.compile(r"([\d.]+)% of the input, expected at most ([\d.]+)%$"),
        lambda m: (f"too big: more than {float(m[2]) / 100:g} of the input", f"{float(m[1]) / 100:g}"),
    ),
    (
        re.compile(r"check failed( \(exit \d+\))?(?:: (.+))?$", re.DOTALL),
        lambda m: (f"its check fails{m[1] or ''}", m[2] or ""),
    ),
    (re.compile(r"not (\S+): (.+)$", re.DOTALL), lambda m: (f"not {m[1]}", m[2])),
)
"""How a problem of an output is told in groups: what is equal for many, and what differs."""


class Undone(Struct, frozen=True):
    """Units that are not done for the same reason. `detail` is of the first, in words of programs, too: data."""

    why: str
    detail: str
    units: tuple[str, ...]
    workers: tuple[str, ...]


def undone_units(d: Deployment) -> list[Undone]:
    """Group the units that are not done, and that nobody works on, by why; the largest group first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in undone(d):
        worker = d.workers[d.units[name].worker]
        if worker.ended or d.outcome != "open":
            why, detail = _undone_because(d, name, worker)
            groups.setdefault(why, []).append((name, detail))
    found = [
        Undone(
            why,
            group[0][1],
            tuple(name for name, _ in group),
            tuple(dict.fromkeys(d.units[name].worker for name, _ in group)),
        )
        for why, group in groups.items()
    ]
    return sorted(found, key=lambda one: -len(one.units))


def _undone_because(d: Deployment, name: str, worker: WorkerState) -> tuple[str, str]:
    """Return why a unit is not done: what is equal for many, and what is its own."""
    unit = d.units[name]
    if unit.reopened:
        return "rejected", sanitise(unit.reopened, QUOTED_CHARS_MAX)
    made = unit.staged if unit.staged is not None and unit.staged.problems else unit.verdict
    problems = made.problems if made is not None else ("not done",)
    problem = problems[0] if problems else "passes, and was not taken over"
    for path in unit.unit.outputs:
        problem = problem.removeprefix(f"{sanitise(path, 200)}: ")
    told = next(((found, say) for pattern, say in _PROBLEMS if (found := pattern.match(problem))), None)
    why, detail = told[1](told[0]) if told else ("fails its check", problem)
    if why == "missing":
        ours, theirs = end_words(worker.why)
        return "missing" if not worker.attempt else f"missing: {worker.name}, {ours or 'ended'}", sanitise(
            theirs, QUOTED_CHARS_MAX
        )
    return sanitise(why, QUOTED_CHARS_MAX), sanitise(detail, QUOTED_CHARS_MAX)
