"""What is found out about outputs while no lock is held: whether they are valid, and what the verify command says.

Both may take long, or hang: other checks go on meanwhile, and the next look judges by what was found, as long as the
files are as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wakeman.core.errors import ProgramError
from wakeman.core.model import Deployment, FileFingerprint, Format, ParseLimitSpec
from wakeman.core.plan.shares import verify_names
from wakeman.core.plan.template import render
from wakeman.core.policy.quality import FAULT_CHARS_MAX, Check
from wakeman.core.text import sanitise
from wakeman.engine.attempt import secrets
from wakeman.engine.observe.judgement import CheckResult, Findings, Waiting, output_marks

if TYPE_CHECKING:
    from wakeman.ports import World


def examine(world: World, d: Deployment, waiting: Sequence[Waiting], findings: Findings) -> set[str]:
    """Find out what units wait for; return the keys of those that something was found out about, or tried to.

    Shape: files are parsed first, many by one process; then the verify command runs on each unit that passes but for
    it. What there is no time for is left for the next call.
    """
    begun = _parse_outputs(world, d, waiting, findings)
    for unit in waiting:
        if unit.judged(findings)[1]:
            findings.checked[unit.key] = _run_check(world, d, unit)
            begun.add(unit.key)
    return begun


def _parse_outputs(world: World, d: Deployment, waiting: Sequence[Waiting], findings: Findings) -> set[str]:
    """Parse the files that have not been, each once; return the keys of the units that they belong to."""
    batches: dict[tuple[Format, ParseLimitSpec], dict[str, FileFingerprint]] = {}
    owners: dict[str, set[str]] = {}
    for unit in waiting:
        kind = unit.verify.parse
        for mark in unit.unparsed.values():
            if (kind, mark) not in findings.parsed:
                batches.setdefault((kind, unit.verify.parse_limit), {})[mark.path] = mark
                owners.setdefault(mark.path, set()).add(unit.key)
    begun: set[str] = set()
    hide = secrets.redactor(world, d) if batches else str
    for (kind, limit), files in batches.items():
        try:
            faults = world.parser().parse(kind, list(files.values()), limit)
            findings.trouble = ""
        except ProgramError as trouble:
            faults = dict.fromkeys(files)
            findings.trouble = sanitise(str(trouble), FAULT_CHARS_MAX)
        for path, fault in faults.items():
            begun |= owners[path]
            if fault is not None:
                findings.parsed[kind, files[path]] = sanitise(hide(fault), FAULT_CHARS_MAX)
    return begun


def _run_check(world: World, d: Deployment, waiting: Waiting) -> CheckResult:
    """Run the verify command on a unit."""
    unit, place, verify = waiting.unit, waiting.place, waiting.verify
    names = verify_names(unit)
    if place.staged:
        names["output"] = place.first_output
    argv = [render(word, names) for word in verify.command]
    ran = world.machine.run(argv, cwd=place.cwd, env=d.host.env, timeout=verify.timeout)
    message = secrets.redactor(world, d)(ran.error or f"{ran.out}\n{ran.err}")
    marks = tuple(waiting.facts.marks.values())
    if d.workers[d.units[unit.name].worker].ended:
        # Nobody writes them any more, unless the command itself does: then it speaks of what it left.
        marks = output_marks(unit, world.files.marks(place.outputs.values()), place.outputs)
    return CheckResult(marks=marks, check=Check(code=ran.code, message=message[-4000:]))
