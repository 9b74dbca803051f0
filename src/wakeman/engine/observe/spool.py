"""Hook reports about files: who wrote which. A check records them in the log, and removes the reports. Reading twice is
harmless: what is in the log is not recorded again.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.errors import StorageError
from wakeman.core.gate import Refused, decode_json, file_time, plain_path
from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks
from wakeman.core.model import Deployment, FileFingerprint, UnitState, WorkerState, Written
from wakeman.engine import layout
from wakeman.engine.observe.containment import Mishap, Mishaps
from wakeman.engine.observe.judgement import output_marks
from wakeman.engine.workspace import workspace

if TYPE_CHECKING:
    from wakeman.core.plan.claims import Claims
    from wakeman.ports import World

SPOOL_FILE_BYTES_MAX = 65536
"""Bytes of a file in the spool at most."""
SPOOL_FILES_MAX = 2000
"""Files of one directory that one check reads."""
CONFLICT_LINES_MAX = 20
"""Conflicts of one moment that are logged separately."""
UNFINISHED_AGE_S = 3600.0
"""Seconds after which an unfinished file is removed."""
UNFINISHED_SUFFIX = ".tmp"
"""Suffix of an unfinished file."""


class HookReport(Struct, frozen=True):
    """A hook's report about files: who wrote which, by path."""

    worker: str
    wrote: tuple[str, ...]


def read_spool(world: World, d: Deployment, now: datetime, mishaps: Mishaps) -> tuple[list[e.Draft], tuple[str, ...]]:
    """Read what was told since the last check; return it as lines, and the files to remove once these are written.

    Boundary: a file of another shape only requested a check, and is removed too. A report of an attempt's own hooks
    counts only for its worker. Cost: a listing of the spool, and of one directory for each live worker whose client has
    hooks.
    """
    files = list(_left(world, layout.inside(d.host, "spool"), ""))
    reports = [one for file in files if (one := read_report(world, file)) is not None]
    silent: set[str] = set()  # harnesses without hooks, of which one worker was asked about
    for worker in d.begun:
        if not worker.live or d.plan_of(worker).workers.harness in silent:
            continue
        own = mishaps.contain(worker.name, partial(_own_files, world, d, worker, silent))
        if not isinstance(own, Mishap):
            files += own
            reports += [one for file in own if (one := read_report(world, file)) and one.worker == worker.name]
    whole = [file for file in files if not file.endswith(UNFINISHED_SUFFIX)]
    marks = world.files.marks(set(files) - set(whole))
    old = [file for file, mark in marks.items() if _file_age(mark, now) > UNFINISHED_AGE_S]
    return _contained_drafts(world, d, reports, mishaps) if reports else [], (*whole, *old)


def _own_files(world: World, d: Deployment, worker: WorkerState, silent: set[str]) -> list[str]:
    """List what a worker's hooks have left; add its harness to the silent ones if that has none."""
    harness = d.plan_of(worker).workers.harness
    if "hook" not in world.harness(harness).reads:
        silent.add(harness)
        return []
    return list(_left(world, layout.report_directory(d.host, worker), layout.WROTE_PREFIX))


def _contained_drafts(world: World, d: Deployment, reports: Sequence[HookReport], mishaps: Mishaps) -> list[e.Draft]:
    """Return the facts of reports; after an unexpected error, those of each worker separately."""
    drafts: list[e.Draft] = []
    if not isinstance(whole := mishaps.contain("", partial(_drafts, world, d, reports)), Mishap):
        return whole
    del mishaps.traces[""]
    for name in d.workers:
        own = [one for one in reports if one.worker == name]
        each = mishaps.contain(name, partial(_drafts, world, d, own))
        drafts += [] if isinstance(each, Mishap) else each
    return drafts


def clear_spool(world: World, files: Iterable[str]) -> None:
    """Remove files of the spool. Boundary: one that cannot be removed stays."""
    for file in files:
        with suppress(StorageError):
            world.files.remove(file)


def read_report(world: World, file: str) -> HookReport | None:
    """Read one report; None if it is not about writes, or is gone."""
    if file.endswith(UNFINISHED_SUFFIX):
        return None
    try:
        data = world.files.read(file, SPOOL_FILE_BYTES_MAX, within=posixpath.dirname(file))
    except StorageError:
        return None
    report = decode_json(data, HookReport)
    if isinstance(report, Refused):
        return None
    return msgspec.structs.replace(report, wrote=tuple(filter(plain_path, report.wrote)))


def _left(world: World, directory: str, prefix: str) -> Iterator[str]:
    """Yield what lies in a directory that workers write to.

    Boundary: nothing where it cannot be listed; of a flood what comes first, the rest is for the next checks.
    """
    with suppress(StorageError):
        names = (name for name in world.files.names(directory) if name.startswith(prefix))
        yield from (posixpath.join(directory, name) for name in islice(names, SPOOL_FILES_MAX))


def _file_age(mark: FileFingerprint, now: datetime) -> float:
    return now.timestamp() - mark.mtime_ns / 1e9


def claims(world: World, d: Deployment) -> Claims:
    """Return the claims of a deployment's units, resolved on the disk."""
    from wakeman.core.plan.claims import Claims, claimed_paths

    units = [state.unit for state in d.units.values()]
    lying = {path: place(d, state, path) for state in d.units.values() for path in claimed_paths([state.unit])}
    resolved = world.files.resolve(lying.values())
    return Claims(units, {path: resolved[whole] for path, whole in lying.items()})


def watched_roots(world: World, d: Deployment, known: Claims) -> list[str]:
    """List the directories in which a file without an owner is out of place."""
    more = [layout.absolute(d.host, root) for root in d.plan.watch.roots]
    return known.roots(world.files.resolve(more).values())


def lies_in_any(path: str, roots: Iterable[str]) -> bool:
    """Return whether a path is in one of some directories."""
    return any(path.startswith(root.rstrip("/") + "/") for root in roots)


def _drafts(world: World, d: Deployment, reports: Iterable[HookReport]) -> list[e.Draft]:
    """Return the new facts: progress for writes to own paths, conflicts for the others."""
    known = claims(world, d)
    writers: dict[str, str] = {}
    for one in reports:
        for name in one.wrote if one.worker in d.workers else ():
            writers[layout.absolute(d.host, name)] = one.worker
    resolved = world.files.resolve(writers)
    written = {resolved[path]: worker for path, worker in writers.items()}
    own: dict[str, list[Written]] = {}
    strange: dict[str, str] = {}
    for found, worker in written.items():
        output = known.output(found)
        if output is None or d.units[output[0]].worker != worker:
            strange[found] = worker
            continue
        state = d.units[output[0]]
        unit, lying = state.unit, output_paths(d, state)
        marks = world.files.marks([lying[output[1]]])
        mark = next((mark for mark in output_marks(unit, marks, lying) if mark.path == output[1]), None)
        wrote = d.units[unit.name].wrote.get(output[1])
        if mark is not None and (wrote is None or wrote.inferred or wrote.mark != mark):
            own.setdefault(worker, []).append(Written(unit=unit.name, marks=(mark,)))
    return [*_progressed(world, d, own), *_conflicted(world, d, known, strange)]


def _progressed(world: World, d: Deployment, own: Mapping[str, list[Written]]) -> Iterator[e.Draft]:
    for name, files in own.items():
        worker = d.workers[name]
        states = [d.units[unit] for unit in worker.units]
        marks = world.files.marks(path for state in states for path in touched(d, state))
        written = sum(1 for state in states if whole(d, state, marks))
        for piece in chunks(files):
            fact = e.Progressed(written=written, total=len(states), files=piece, inferred=False)
            yield e.Draft(fact, worker=name)


def _conflicted(world: World, d: Deployment, known: Claims, strange: Mapping[str, str]) -> list[e.Draft]:
    if d.plan.watch.conflicts == "ignore" or not strange:
        return []
    from wakeman.core.plan.claims import trespass

    roots = watched_roots(world, d, known)
    (state,) = world.files.resolve([world.state]).values()
    found: list[e.Draft] = []
    for path, mark in world.files.marks(strange).items():
        if lies_in_any(path, [state]) or not lies_in_any(path, roots):
            continue
        output = known.output(path)
        named = msgspec.structs.replace(mark, path=output[1]) if output else mark
        written = file_time(mark.mtime_ns)
        if (told := trespass(d, known, path, named, written, strange[path])) is not None:
            found.append(e.Draft(told[1], worker=told[0]))
    return first_few(found)


def first_few(found: list[e.Draft]) -> list[e.Draft]:
    """Keep the first few facts; the last of these counts the rest."""
    if (more := len(found) - CONFLICT_LINES_MAX) <= 0:
        return found
    last = found[CONFLICT_LINES_MAX - 1]
    return [
        *found[: CONFLICT_LINES_MAX - 1],
        e.Draft(msgspec.structs.replace(last.data, more=more), worker=last.worker),
    ]


def touched(d: Deployment, state: UnitState) -> Iterator[str]:
    """Yield the absolute paths at which a unit's files are expected, its outputs and its input."""
    for path in state.unit.outputs:
        yield place(d, state, path)
    if state.unit.input is not None:
        yield place(d, state, state.unit.input)


def place(d: Deployment, state: UnitState, path: str) -> str:
    """Return where a path of a unit is expected: in the worker's tree, or at its target."""
    return workspace(d, d.workers[state.worker]).source(path)


def output_paths(d: Deployment, state: UnitState) -> dict[str, str]:
    """Return where each output of a unit is expected."""
    return {path: place(d, state, path) for path in state.unit.outputs}


def whole(d: Deployment, state: UnitState, marks: Mapping[str, FileFingerprint]) -> bool:
    """Return whether a unit's outputs exist and may pass, judged without reading them."""
    from wakeman.core.policy.freshness import freshness_facts
    from wakeman.core.policy.quality import judge_unit

    found = {mark.path: mark for mark in output_marks(state.unit, marks, output_paths(d, state))}
    source = marks.get(place(d, state, state.unit.input)) if state.unit.input is not None else None
    facts = msgspec.structs.replace(freshness_facts(d, state, found), input=source)
    return judge_unit(state.unit, d.plan_of(d.workers[state.worker]).verify, facts).passed
