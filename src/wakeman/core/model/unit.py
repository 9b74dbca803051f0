"""A unit, the files that it makes, and what is known of them."""

from typing import Any

from msgspec import Struct


class Unit(Struct, frozen=True, omit_defaults=True, gc=False):
    """The smallest piece of work. Paths are relative to the deployment's root, or absolute."""

    name: str
    """Name of the unit, unique in the deployment."""
    outputs: tuple[str, ...]
    """Its outputs."""
    input: str | None = None
    """Its input, if its source names one."""
    writes: tuple[str, ...] = ()
    """Further paths that its worker may write: `units.writes`, filled in."""
    names: dict[str, str] = {}
    """Further names for this unit's templates (path, parent, stem, matrix keys)."""


class Share(Struct, frozen=True):
    """The units that one worker is to do. `name` is safe for a session and unique in the deployment."""

    name: str
    key: str
    units: tuple[Unit, ...]


class FileFingerprint(Struct, frozen=True, array_like=True, gc=False):
    """A file's fingerprint: if equal, the content is taken as unchanged and a verdict stays valid."""

    path: str
    """Path of the file, as the plan names it."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Time of the last change, in nanoseconds since 1970."""
    inode: int = 0
    """Number of the file on its disk; 0 where that is not known."""


class Rejection(Struct, frozen=True, gc=False):
    """A unit that a reviewer rejects, and the reason, sanitised."""

    unit: str
    """Name of the unit."""
    why: str
    """The reviewer's reason, one line of at most 300 characters."""


class Verdict(Struct, frozen=True, omit_defaults=True, gc=False):
    """One unit judged against `[verify]`."""

    unit: str
    """Name of the unit."""
    problems: tuple[str, ...] = ()
    """What is wrong with its outputs; empty when they pass."""
    marks: tuple[FileFingerprint, ...] = ()
    """The files that were judged."""
    rejects: tuple[Rejection, ...] = ()
    """Units that a reviewer's own output rejects, where it is well formed; empty for other units."""
    shared: bool = False
    """One of its files is another's, too, by a hard link; it is judged again at each look."""
    waits: bool = False
    """Its files have not been parsed yet, or `verify.command` has not run on them; `problems` say which."""
    foreign: tuple[FileFingerprint, ...] = ()
    """For what is staged: files at its targets that were created outside Wakeman."""
    input: int = 0
    """Bytes of the unit's input when its outputs were judged; 0 where it has none, or is empty."""

    @property
    def passed(self) -> bool:
        """Return whether the unit's outputs exist and pass."""
        return not self.problems


class PromotedFile(Struct, frozen=True, array_like=True):
    """One output to be promoted."""

    path: str
    """Path of the output."""
    mark: FileFingerprint
    """The file that was judged."""
    over: FileFingerprint | None = None
    """The file at its target that may be replaced; null for none."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """What an attempt has used, as its client reports it."""

    input: int | None = None
    """Tokens read; absent where the client does not say."""
    output: int | None = None
    """Tokens written; absent where the client does not say."""
    cost: float | None = None
    """US dollars; absent where the client does not say."""
    whole: bool = False
    """Whether the earlier part of a resumed conversation is included."""

    def __add__(self, other: "Usage") -> "Usage":
        """Add two; a value that only one of them has is kept."""
        if self == other == _UNSAID:
            return _UNSAID
        return Usage(
            input=_sum(self.input, other.input),
            output=_sum(self.output, other.output),
            cost=_sum(self.cost, other.cost),
        )


_UNSAID = Usage()


def _sum(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else one + other


class Written(Struct, frozen=True):
    """Outputs of one unit that were written, as they were found then."""

    unit: str
    """Name of the unit."""
    marks: tuple[FileFingerprint, ...]
    """Its outputs, as they were found then."""


class Wrote(Struct, frozen=True, array_like=True, gc=False):
    """Who wrote an output first and last, "" for unknown; `mark` is the fingerprint after the last write.

    Shape: `inferred` unless a hook reported it; inferred is the worker whose share the unit was in.
    """

    mark: FileFingerprint
    first: str
    last: str
    inferred: bool = True


class UnitState(Struct, omit_defaults=True, gc=False):
    """A unit and its state: its worker, its last verdict, decisions of people."""

    unit: Unit
    worker: str
    verdict: Verdict | None = None
    begun: bool = False  # a worker that had it was launched
    waived: bool = False
    rounds: int = 0
    reopened: str = ""  # why a person or a reviewer rejected it; holds until its outputs change
    rejected: tuple[FileFingerprint, ...] = ()
    wrote: dict[str, Wrote] = {}  # by output
    reviews: int = 0  # rounds of review
    reviewed: tuple[FileFingerprint, ...] = ()  # what a reviewer or a person accepted
    synced: tuple[FileFingerprint, ...] = ()  # what is on the disk, since its worker was verified
    staged: Verdict | None = None  # on what the present attempt has made in its stage or tree
    staged_mono: float = 0.0  # when these very files were seen first
    promoted: tuple[FileFingerprint, ...] = ()  # what was promoted from there
    installed: dict[str, FileFingerprint] = {}  # by output: what is in its place since

    @property
    def made(self) -> bool:
        """Return whether no work is left on it: done, or staged, passing and not promoted yet."""
        return self.done or (self.staged is not None and self.staged.passed)

    @property
    def done(self) -> bool:
        """Return whether the unit counts as done: waived by a person, or judged and passing."""
        return self.waived or (self.verdict is not None and self.verdict.passed and not self.reopened)


class Review(Struct, omit_defaults=True):
    """One reviewer's task, with the reviewer's name; its own unit is the verdict file."""

    round: int
    units: tuple[str, ...]
    marks: dict[str, tuple[FileFingerprint, ...]] = {}  # by unit: the files that were to be reviewed
    heard: bool = False  # its verdict was applied, or a person waived it
    rejected: dict[str, str] = {}  # by unit: the reviewer's words
