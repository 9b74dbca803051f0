"""Verdicts on outputs, in place or staged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.errors import StorageError
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Format,
    Observation,
    Rejection,
    Unit,
    UnitState,
    Verdict,
    VerifySpec,
    WorkerState,
)
from wakeman.core.policy import review, staging
from wakeman.core.policy.freshness import awaits_launch, ended_alone, freshness_facts, must_change
from wakeman.engine.observe.containment import Mishap, Mishaps
from wakeman.engine.workspace import OutputLocation, workspace

if TYPE_CHECKING:
    from wakeman.core.policy.quality import Check, Facts
    from wakeman.engine.observe.ownership import Ownership
    from wakeman.engine.observe.recall import Recall
    from wakeman.engine.observe.rivals import Rivals
    from wakeman.ports import World

UNPARSED = "not parsed yet"
UNCHECKED = "the check has not run on it yet"
ENDED = ("exited", "killed", "lost")
"""Phases of an attempt that is over."""


class CheckResult(Struct, frozen=True):
    """A verify command's result, valid for exactly these files."""

    marks: tuple[FileFingerprint, ...]
    check: Check


class Findings(Struct):
    """What was found out while no lock was held, for as long as the files are as they were.

    Shape: `parsed` is what is wrong with a file, "" for nothing, by its format and its mark where it lies; `checked`
    goes by a unit's key; `trouble` is why no file can be parsed now. `recall` knows the look before, if any does;
    `calm` is the fingerprint of all that the last look saw, if it found nothing new; `marks` are those of its files.
    """

    parsed: dict[tuple[Format, FileFingerprint], str] = {}
    checked: dict[str, CheckResult] = {}
    trouble: str = ""
    recall: Recall | None = None
    calm: str = ""
    marks: Mapping[str, FileFingerprint] = {}


class Waiting(Struct, frozen=True):
    """A unit that cannot be judged under the lock: its files must be parsed first, or the verify command run on them.

    Shape: `lying` are the marks of its outputs where they lie, by the unit's own paths; `facts` what else it is judged
    by.
    """

    unit: Unit
    place: OutputLocation
    verify: VerifySpec
    facts: Facts
    lying: Mapping[str, FileFingerprint]

    @property
    def key(self) -> str:
        """Return the key of its result: a unit may be in place and staged."""
        return f"{self.unit.name}\0staged" if self.place.staged else self.unit.name

    @property
    def unparsed(self) -> dict[str, FileFingerprint]:
        """Return the files that must be valid in a format, and are not too large or too small to be asked."""
        verify, cut = self.verify, self.facts.cut  # who was cut off passes in no case
        return {
            path: mark
            for path, mark in self.lying.items()
            if verify.parse != "none" and not cut and max(1, verify.min_bytes) <= mark.size <= verify.parse_limit.size
        }

    def judged(self, findings: Findings) -> tuple[Verdict, bool]:
        """Judge the unit by what is known of its files; return whether it is only the verify command that is missing.

        Shape: where anything is missing the verdict says that it waits: neither an old one nor none is to speak for
        files that nothing has checked.
        """
        from wakeman.core.policy.quality import judge_unit

        asked = {path: findings.parsed.get((self.verify.parse, mark)) for path, mark in self.unparsed.items()}
        known = {path: fault for path, fault in asked.items() if fault is not None}
        facts = msgspec.structs.replace(self.facts, parsed={**self.facts.parsed, **known})
        verdict = judge_unit(self.unit, self.verify, facts)
        if len(known) < len(asked):
            return _say_that_it_waits(verdict, UNPARSED + (f": {findings.trouble}" if findings.trouble else "")), False
        if not self.verify.command or not verdict.passed:
            return verdict, False
        result = findings.checked.get(self.key)
        if result is None or result.marks != verdict.marks:
            return _say_that_it_waits(verdict, UNCHECKED), True
        return judge_unit(self.unit, self.verify, msgspec.structs.replace(facts, check=result.check)), False


def _say_that_it_waits(verdict: Verdict, why: str) -> Verdict:
    return msgspec.structs.replace(verdict, problems=(*verdict.problems, why), waits=True)


class Basis(Struct):
    """What units are judged by: the marks of files by where they lie, observations by worker, what was found out.

    Shape: `ownership` and `rivals` are there once a file is new: a look that finds none loads nothing for them.
    `judged` tells whether a unit was not as its last verdict says.
    """

    world: World
    d: Deployment
    marks: Mapping[str, FileFingerprint]
    observations: Mapping[str, Observation]
    findings: Findings
    ownership: Ownership | None = None
    rivals: Rivals | None = None
    judged: bool = False

    def file_faults(self, unit: Unit, place: OutputLocation) -> dict[str, str]:
        """Return what is wrong with a unit's outputs as files."""
        if self.ownership is None:
            from wakeman.engine.observe.ownership import Ownership

            self.ownership = Ownership(self.world, self.d)
        return self.ownership.faults(unit, place)

    def rival_faults(self, state: UnitState, place: OutputLocation, marks: Sequence[FileFingerprint]) -> dict[str, str]:
        """Return which outputs may be the work of another deployment's worker."""
        if self.rivals is None:
            from wakeman.engine.observe.rivals import Rivals

            self.rivals = Rivals(self.world, self.d)
        return self.rivals.faults(state, place, marks)


def judge_all(
    placed: Iterable[tuple[UnitState, OutputLocation]], basis: Basis, mishaps: Mishaps
) -> tuple[tuple[Verdict, ...], list[Waiting]]:
    """Judge units, each in a place; return the verdicts that are news, and the units that wait for more.

    Boundary: an unexpected error in judging a unit is a problem of that unit and its worker; see `containment`.
    """
    news: list[Verdict] = []
    waiting: list[Waiting] = []
    for state, place in placed:
        if _is_as_known(state, place, basis):
            continue
        basis.judged = True
        found = mishaps.contain(state.worker, partial(_verdict, state, place, basis))
        if isinstance(found, Mishap):
            mishaps.unjudged[state.worker] = found
            if place.known is None:
                news.append(Verdict(unit=state.unit.name, problems=(found.why,)))
            continue
        if found is None:
            continue
        verdict, unit = found
        if verdict.waits:
            waiting.append(unit)
        if verdict != place.known:
            news.append(verdict)
    return tuple(news), waiting


def judge_shared(basis: Basis, judged: Iterable[Verdict], mishaps: Mishaps) -> tuple[Verdict, ...]:
    """Judge again the units that were done and of which an output has turned out to be another unit's, too."""
    shared = basis.ownership.shared if basis.ownership is not None else set()
    news = []
    for name in sorted(shared - {verdict.unit for verdict in judged}):
        state = basis.d.units[name]
        place = workspace(basis.d, basis.d.workers[state.worker]).places(state)[0]
        if state.done and not place.staged:
            marks = {**basis.marks, **basis.world.files.marks(place.outputs.values())}
            judge = partial(_verdict, state, place, msgspec.structs.replace(basis, marks=marks), again=True)
            found = mishaps.contain(state.worker, judge)
            news += [found[0]] if isinstance(found, tuple) else []
    return tuple(news)


def _is_as_known(state: UnitState, place: OutputLocation, basis: Basis) -> bool:
    """Return whether a unit is as its last verdict says, or nothing of it is there yet: most are, at most looks."""
    known, marks = place.known, basis.marks
    lying = [(path, mark) for path, whole in place.outputs.items() if (mark := marks.get(whole)) is not None]
    if known is None:
        return bool(place.outputs) and not lying and not _is_over(basis, basis.d.workers[state.worker])
    if place.staged or known.waits or known.shared or known.foreign or len(lying) != len(known.marks):
        return False
    return all(
        (path, mark.size, mark.mtime_ns, mark.inode) == (old.path, old.size, old.mtime_ns, old.inode)
        for (path, mark), old in zip(lying, known.marks, strict=True)
    )


def _is_over(basis: Basis, worker: WorkerState) -> bool:
    seen = basis.observations.get(worker.name, worker.observation)
    return worker.ended or (seen is not None and seen.session in ENDED)


def _verdict(
    state: UnitState, place: OutputLocation, basis: Basis, *, again: bool = False
) -> tuple[Verdict, Waiting] | None:
    """Judge a unit in a place; None where it is still being made, or was judged on these very files.

    Shape: a staged file that is open for writing is still being made; a worker that was ended may not have finished
    files that were not seen complete before; a link to outside the stage is no output.
    """
    d, unit, known = basis.d, state.unit, place.known
    worker = d.workers[state.worker]
    seen = basis.observations.get(worker.name, worker.observation)
    over = _is_over(basis, worker)
    marks = output_marks(unit, basis.marks, place.outputs)
    if not _due(state, place, marks, basis, over=over):
        return None
    foreign = staging.foreign(d, state, output_marks(unit, basis.marks, place.targets)) if place.targets else ()
    if (
        known is not None
        and (known.marks, known.foreign) == (marks, foreign)
        and not (known.waits or known.shared or again)
    ):
        return None
    from wakeman.core.policy.quality import HARD_LINK

    clean = seen is not None and seen.session == "exited" and seen.code in (0, None)
    verify, found = d.plan_of(worker).verify, {mark.path: mark for mark in marks}
    astray = basis.file_faults(unit, place)
    if must_change(d, state):
        astray = {**basis.rival_faults(state, place, marks), **astray}
    opinion, rejects = _opinion(basis, unit, place, worker, marks)
    facts = msgspec.structs.replace(
        freshness_facts(d, state, found),
        parsed=opinion or _oversize(verify, found),
        input=basis.marks.get(place.input) if place.input is not None else None,
        installed=None if place.staged else staging.installed(d, state),
        cut=place.staged and over and not clean and (known is None or known.marks != marks),
        astray=astray,
        over=ended_alone(d, worker, seen),
    )
    waiting = Waiting(unit, place, verify, facts, {path: basis.marks[place.outputs[path]] for path in found})
    verdict, _ = waiting.judged(basis.findings)
    shared = any(why.startswith(HARD_LINK) for why in astray.values())
    return msgspec.structs.replace(verdict, foreign=foreign, rejects=rejects, shared=shared), waiting


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
    if not state.unit.outputs and basis.d.plan_of(worker).workers.found:
        return False
    if awaits_launch(basis.d, state):
        return False
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
        from wakeman.core.text import sanitise

        return {path: sanitise(f"cannot be read: {fault}", 200)}, ()
    problem, rejects = review.read_verdict(data, basis.d.reviews[unit.name].units)
    return {path: problem}, rejects


def _oversize(verify: VerifySpec, found: Mapping[str, FileFingerprint]) -> dict[str, str]:
    """Return what is wrong with the files that are too large to be parsed."""
    most = verify.parse_limit.size
    return {
        path: f"too large: {mark.size} bytes, expected at most {most} (verify.parse_limit.size)"
        for path, mark in found.items()
        if verify.parse != "none" and mark.size > most
    }
