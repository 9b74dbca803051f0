"""A unit, the files that it makes, and what is known of them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Unit(Struct, frozen=True, omit_defaults=True):
    """The smallest piece of work. Paths are relative to the deployment's root, or absolute."""

    name: str
    outputs: tuple[str, ...]
    input: str | None = None
    writes: tuple[str, ...] = ()
    names: dict[str, str] = {}  # what a template of this unit may use besides (path, parent, stem, matrix keys)


class Share(Struct, frozen=True, omit_defaults=True):
    """The units that one worker is to do. `name` is safe for tmux and unique in the deployment."""

    name: str
    key: str
    units: tuple[Unit, ...]


class FileFingerprint(Struct, frozen=True, omit_defaults=True, array_like=True):
    """A file's identity: equal marks mean the same content, so a verdict stands."""

    path: str
    size: int
    mtime_ns: int
    inode: int = 0


class Rejection(Struct, frozen=True):
    """A unit that a reviewer does not accept, and its words for that, made harmless."""

    unit: str
    why: str


class Verdict(Struct, frozen=True, omit_defaults=True):
    """One unit judged against `[verify]`: `problems` is empty when it passes; `marks` are what was judged.

    Shape: `rejects` is what a reviewer's own output says, where that is well formed; of other units it is empty.
    """

    unit: str
    problems: tuple[str, ...] = ()
    marks: tuple[FileFingerprint, ...] = ()
    rejects: tuple[Rejection, ...] = ()
    waits: bool = False  # for the verify command, which has not run on these files yet
    foreign: tuple[FileFingerprint, ...] = ()  # of what is staged: what somebody else has put in its outputs' places

    @property
    def passed(self) -> bool:
        """Tell whether the unit's outputs exist and pass."""
        return not self.problems


class PromotedFile(Struct, frozen=True, array_like=True):
    """One output to be promoted: `mark` is what was judged, `over` what may stand in its place and is replaced."""

    path: str
    mark: FileFingerprint
    over: FileFingerprint | None = None


class Usage(Struct, frozen=True, omit_defaults=True):
    """What an attempt has used, as its client reports it: `input` and `output` in tokens, `cost` in US dollars.

    Shape: None where the client does not say; `whole` tells that a resumed conversation's earlier part is counted in.
    """

    input: int | None = None
    output: int | None = None
    cost: float | None = None
    whole: bool = False

    def __add__(self, other: Usage) -> Usage:
        """Add two; what only one of them knows stays as it is."""
        return Usage(
            input=_sum(self.input, other.input),
            output=_sum(self.output, other.output),
            cost=_sum(self.cost, other.cost),
        )


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


class Written(Struct, frozen=True, omit_defaults=True):
    """Outputs of one unit that were written, as they were found then."""

    unit: str
    marks: tuple[FileFingerprint, ...]


class Wrote(Struct, frozen=True, array_like=True):
    """Who wrote an output first and last, "" for nobody known; `mark` is what the last one left.

    Shape: `inferred` unless somebody told it: then it is the worker whose share the unit was in.
    """

    mark: FileFingerprint
    first: str
    last: str
    inferred: bool = True


class UnitState(Struct):
    """A unit and what is known of it: who answers for it, its last verdict, a person's word."""

    unit: Unit
    worker: str
    verdict: Verdict | None = None
    waived: bool = False
    rounds: int = 0
    reopened: str = ""  # why a person or a reviewer rejected it; holds until its outputs change
    rejected: tuple[FileFingerprint, ...] = ()
    wrote: dict[str, Wrote] = {}  # by output
    reviews: int = 0  # times that it went to a reviewer
    reviewed: tuple[FileFingerprint, ...] = ()  # what a reviewer accepted, or a person in its place
    staged: Verdict | None = None  # on what the present attempt has made in its stage or tree
    staged_mono: float = 0.0  # when these very files were seen first
    promoted: tuple[FileFingerprint, ...] = ()  # what was promoted from there
    installed: dict[str, FileFingerprint] = {}  # by output: what stands in its place since

    @property
    def made(self) -> bool:
        """Tell whether nothing more is to be made of it: done, or passing where it waits to be promoted."""
        return self.done or (self.staged is not None and self.staged.passed)

    @property
    def done(self) -> bool:
        """Tell whether the unit counts as done: waived by a person, or judged and passing."""
        return self.waived or (self.verdict is not None and self.verdict.passed and not self.reopened)


class Review(Struct):
    """One reviewer's task, named as the reviewer is: its one unit is to write down what it thinks of others."""

    round: int
    units: tuple[str, ...]
    marks: dict[str, tuple[FileFingerprint, ...]] = {}  # by unit: what there was to review
    heard: bool = False  # its verdict is taken, or a person let it go
    rejected: dict[str, str] = {}  # by unit: the reviewer's words
