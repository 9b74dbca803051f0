"""What a good output is: units judged against `[verify]`, samples picked.

Whoever calls has read the disk and run the check; this looks at what was found and says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from wakeman.core.digests import sha256
from wakeman.core.model import FileFingerprint, Unit, Verdict, VerifySpec
from wakeman.core.text import last_line, sanitise

FAULT_CHARS_MAX = 160
"""Characters of a parser's or a command's message that a problem quotes."""
HARD_LINK = "a hard link of"
"""How the problem of an output begins that is another file's second name."""
_IDENTITY = ("size", "mtime_ns", "inode")  # not the path: one side may spell it another way


class Check(Struct, frozen=True):
    """Result of `verify.command`: its exit status, None if it did not end, and what it printed."""

    code: int | None
    message: str = ""


class Facts(Struct, frozen=True):
    """What was found of one unit; mappings are keyed by the path as the unit names it.

    Shape: `marks` are the outputs that exist, `before` those that did at the launch, `parsed` what a parser found
    wrong, `input` the fingerprint of the unit's input if that exists, `check` None when the command was not run.
    `begun` says that somebody was launched who could have made them; `astray` what is wrong with outputs as files: no
    file, or none of its own, or another's work. Where outputs are staged, `installed` are those that were promoted from
    there, and of what is judged there `cut` says that its worker was cut off and may not have finished it.
    """

    marks: Mapping[str, FileFingerprint] = {}
    before: Mapping[str, FileFingerprint] = {}
    begun: bool = True
    parsed: Mapping[str, str] = {}
    input: FileFingerprint | None = None
    check: Check | None = None
    installed: Mapping[str, FileFingerprint] | None = None
    cut: bool = False
    astray: Mapping[str, str] = {}
    over: bool = False  # its session is over, and that is all that is expected of it


def judge_unit(unit: Unit, verify: VerifySpec, facts: Facts) -> Verdict:
    """Judge one unit: the problems of each output in order, then of all together, then of the command.

    Boundary: a missing output has only that problem; a unit without outputs passes by its command alone, or by the end
    of a session that is only watched; without any of them never.
    """
    problems = [
        f"{sanitise(path, 200)}: {problem}" for path in unit.outputs for problem in _file_problems(path, verify, facts)
    ]
    marks = tuple(facts.marks[path] for path in unit.outputs if path in facts.marks)
    return Verdict(
        unit=unit.name,
        problems=(*problems, *_together(unit, marks, verify, facts), *_check_problems(facts.check)),
        marks=marks,
        input=facts.input.size if facts.input else 0,
    )


def pick_names(names: Sequence[str], count: int, seed: int) -> tuple[str, ...]:
    """Pick `count` names by a seed, in the order given. Repeatable: yes, on every machine and version."""
    ranked = sorted(set(names), key=lambda name: sha256(f"{seed}:{name}".encode(errors="surrogatepass")).digest())
    picked = set(ranked[:count])
    return tuple(name for name in dict.fromkeys(names) if name in picked)


def _file_problems(path: str, verify: VerifySpec, facts: Facts) -> Iterator[str]:
    mark = facts.marks.get(path)
    if mark is None:
        yield "missing"
        if path in facts.astray:
            yield facts.astray[path]
        return
    if mark.size < verify.min_bytes:
        yield f"{mark.size} bytes, expected at least {verify.min_bytes}" if mark.size else "empty"
    if verify.fresh == "changed" and not facts.begun:
        yield "there before its worker was launched"
    elif verify.fresh == "changed" and _is_unchanged(mark, facts.before.get(path)):
        yield "unchanged since the launch"
    if verify.fresh == "newer" and facts.input and mark.mtime_ns < facts.input.mtime_ns:
        yield "older than the input"
    if problem := facts.parsed.get(path):
        yield problem
    if path in facts.astray:
        yield facts.astray[path]
    elif facts.cut:
        yield "its worker was cut off and may not have finished it"
    if facts.installed == {} and not _is_unchanged(mark, facts.before.get(path)):
        yield "put there by somebody else, expected it to be installed"


def _is_unchanged(mark: FileFingerprint, before: FileFingerprint | None) -> bool:
    return before is not None and all(getattr(mark, part) == getattr(before, part) for part in _IDENTITY)


def _together(unit: Unit, marks: Sequence[FileFingerprint], verify: VerifySpec, facts: Facts) -> Iterator[str]:
    if not unit.outputs and not verify.command and not facts.over:
        yield "nothing to judge: neither an output nor a check"
    if verify.max_ratio is None or not facts.input or not facts.input.size:
        return
    size, source = sum(mark.size for mark in marks), facts.input.size
    if size / source > verify.max_ratio:
        first, *more = unit.outputs
        what = f"{len(unit.outputs)} outputs" if more else sanitise(first, 200)
        # Rounded up, in whole numbers: 60.04 % must not read as the 60 % that is allowed.
        percent = -(-size * 1000 // source) / 10
        yield f"{what}: {percent:g}% of the input, expected at most {verify.max_ratio * 100:g}%"


def _check_problems(check: Check | None) -> Iterator[str]:
    if check is None or check.code == 0:
        return
    ended = "" if check.code is None else f" (exit {check.code})"
    message = last_line(check.message, FAULT_CHARS_MAX)
    yield f"check failed{ended}" + (f": {message}" if message else "")
