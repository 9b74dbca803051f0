"""Verdicts on outputs, in place or staged."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
from msgspec import Struct

from wakeman.core.errors import StorageError
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Observation,
    Rejection,
    Unit,
    UnitState,
    Verdict,
    VerifySpec,
    WorkerState,
)
from wakeman.core.policy import review, staging
from wakeman.core.policy.quality import Check, Facts, judge_unit, parse
from wakeman.core.text import sanitise
from wakeman.engine import layout
from wakeman.engine.observe.containment import Mishap, Mishaps
from wakeman.engine.workspace import OutputLocation
from wakeman.ports import World

UNCHECKED = "the check has not run on it yet"
ENDED = ("exited", "killed", "lost")
"""Phases of an attempt that is over."""


class CheckResult(Struct, frozen=True):
    """A verify command's result, valid for exactly these files."""

    marks: tuple[FileFingerprint, ...]
    check: Check


class Unchecked(Struct, frozen=True):
    """A unit whose outputs pass but for the verify command, which has not run on these files yet."""

    unit: Unit
    place: OutputLocation
    marks: tuple[FileFingerprint, ...]

    @property
    def key(self) -> str:
        """Return the key of its result: a unit may be in place and staged."""
        return _check_key(self.unit, self.place)


class Basis(Struct, frozen=True):
    """Evidence for verdicts: fingerprints by path, observations by worker, results of verify commands."""

    world: World
    d: Deployment
    marks: Mapping[str, FileFingerprint]
    observations: Mapping[str, Observation]
    checked: Mapping[str, CheckResult]


def judge_all(
    placed: Iterable[tuple[UnitState, OutputLocation]], basis: Basis, mishaps: Mishaps
) -> tuple[tuple[Verdict, ...], list[Unchecked]]:
    """Judge units, each at a location; return the new verdicts, and the units that a verify command must judge.

    Boundary: what nobody foresaw in judging a unit is a fault of it, and its worker's; see `containment`.
    """
    news: list[Verdict] = []
    waiting: list[Unchecked] = []
    for state, place in placed:
        verdict = mishaps.contain(state.worker, partial(_verdict, state, place, basis))
        if isinstance(verdict, Mishap):
            mishaps.unjudged[state.worker] = verdict
            verdict = place.known or Verdict(unit=state.unit.name, problems=(verdict.why,))
        if verdict is None:
            continue
        if verdict.waits:
            waiting.append(Unchecked(state.unit, place, verdict.marks))
        if verdict != place.known:
            news.append(verdict)
    return tuple(news), waiting


def _verdict(state: UnitState, place: OutputLocation, basis: Basis) -> Verdict | None:
    """Judge a unit at a location; None if it is still being made, or these very files were judged before.

    Shape: a staged file that is open for writing is still being made; a worker that was ended may not have finished
    files that were not seen complete before; a link to outside the stage is no output.
    """
    d, unit, known = basis.d, state.unit, place.known
    worker = d.workers[state.worker]
    seen = basis.observations.get(worker.name, worker.observation)
    over = worker.ended or (seen is not None and seen.session in ENDED)
    marks = output_marks(unit, basis.marks, place.outputs)
    if not _due(state, place, marks, basis, over=over):
        return None
    foreign = staging.foreign(d, state, output_marks(unit, basis.marks, place.targets)) if place.targets else ()
    if known is not None and (known.marks, known.foreign) == (marks, foreign) and not known.waits:
        return None
    clean = seen is not None and seen.session == "exited" and seen.code in (0, None)
    verify, found = d.plan_of(worker).verify, {mark.path: mark for mark in marks}
    opinion, rejects = _opinion(basis, unit, place, worker, marks)
    facts = Facts(
        marks=found,
        before={path: d.before[path] for path in unit.outputs if path in d.before},
        parsed=opinion or _parsed(basis.world, verify, place, found),
        input=basis.marks.get(place.input) if place.input is not None else None,
        installed=None if place.staged else staging.installed(d, state),
        cut=place.staged and over and not clean and (known is None or known.marks != marks),
        astray=_astray(basis.world, place, found) if place.staged else frozenset(),
    )
    verdict = _judge_with_check(unit, verify, facts, basis.checked.get(_check_key(unit, place)))
    return msgspec.structs.replace(verdict, foreign=foreign, rejects=rejects)


def _due(
    state: UnitState, place: OutputLocation, marks: Sequence[FileFingerprint], basis: Basis, *, over: bool
) -> bool:
    """Return whether there is a file to judge that is not still being made."""
    worker = basis.d.workers[state.worker]
    if place.staged and (not worker.attempt or worker.intent):
        return False
    if not marks and place.known is None and (place.empty == "never" or (place.empty == "over" and not over)):
        return False
    if over:
        return True
    whole = len(marks) == len(state.unit.outputs)
    if place.staged:
        return whole and not basis.world.files.writing(place.outputs.values())
    return whole or state.done


def output_marks(
    unit: Unit, marks: Mapping[str, FileFingerprint], places: Mapping[str, str]
) -> tuple[FileFingerprint, ...]:
    """Return the fingerprints of a unit's outputs for its verdict: in its order, by its own paths.

    Shape: `marks` are keyed by the real path of each output, which `places` maps.
    """
    found = []
    for path in unit.outputs:
        mark = marks.get(places[path])
        if mark is not None:
            found.append(mark if mark.path == path else msgspec.structs.replace(mark, path=path))
    return tuple(found)


def _check_key(unit: Unit, place: OutputLocation) -> str:
    return f"{unit.name}\0staged" if place.staged else unit.name


def _astray(world: World, place: OutputLocation, found: Iterable[str]) -> frozenset[str]:
    """Return the outputs that are symlinks, or are reached by one, in a directory that they must not leave."""
    lying = {path: place.outputs[path] for path in found}
    real = world.files.resolve([place.root, *lying.values()])
    return frozenset(
        path
        for path, whole in lying.items()
        if (inside := layout.relative_within(whole, place.root)) is not None
        and real[whole] != posixpath.join(real[place.root], inside)
    )


def _judge_with_check(unit: Unit, verify: VerifySpec, facts: Facts, result: CheckResult | None) -> Verdict:
    """Judge a unit; if only a verify command has not run on these files, the verdict says that it waits."""
    verdict = judge_unit(unit, verify, facts)
    if not verify.command or not verdict.passed:
        return verdict
    if result is None or result.marks != verdict.marks:
        # A verdict of its own, so that no older one counts for files that were not checked.
        return Verdict(unit=unit.name, problems=(UNCHECKED,), marks=verdict.marks, waits=True)
    return judge_unit(unit, verify, msgspec.structs.replace(facts, check=result.check))


def _opinion(
    basis: Basis, unit: Unit, place: OutputLocation, worker: WorkerState, marks: Sequence[FileFingerprint]
) -> tuple[dict[str, str], tuple[Rejection, ...]]:
    """Read a reviewer's verdict, if it exists: its fault, and the units that it rejects."""
    if not worker.review or not marks:
        return {}, ()
    path = unit.outputs[0]
    try:
        data = basis.world.files.read(place.outputs[path], review.VERDICT_BYTES_MAX)
    except StorageError as fault:
        return {path: sanitise(f"cannot be read: {fault}", 200)}, ()
    problem, rejects = review.read_verdict(data, basis.d.reviews[unit.name].units)
    return {path: problem}, rejects


def _parsed(
    world: World, verify: VerifySpec, place: OutputLocation, found: Mapping[str, FileFingerprint]
) -> dict[str, str]:
    """Parse the files that have the minimum size; return the fault of each, "" for none."""
    if verify.parse == "none":
        return {}
    faults = {}
    for path, mark in found.items():
        if mark.size >= max(1, verify.min_bytes):
            try:
                faults[path] = parse(verify.parse, world.files.read(place.outputs[path]))
            except StorageError as fault:
                faults[path] = sanitise(f"cannot be read: {fault}", 200)
    return faults
