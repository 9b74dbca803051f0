"""The envelope of every answer: a value, and the commands that make sense after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from wakeman.core.errors import PlanError, WakemanError

ENVELOPE_VERSION = 1
"""Version of the envelope, its field `v`."""


class Value(Struct, frozen=True, kw_only=True):
    """Base of all answers. A field that is unset is absent from the JSON.

    Shape: `parts` are the types in a list of several kinds, for its schema.
    """

    parts: ClassVar[tuple[type[Value], ...]] = ()


class Line(Value, frozen=True, kw_only=True):
    """Base of what is printed as one object a line, without an envelope."""


def items(*kinds: type[Value]) -> dict[str, Any]:
    """Return the schema of a list of several kinds of values."""
    return {"items": {"anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]}}


T_co = TypeVar("T_co", bound=Value, covariant=True)


class Answer(Struct, Generic[T_co], frozen=True):
    """A verb's answer.

    Shape: `code` is its exit code; `notes` are for a person and not in the JSON.
    """

    data: T_co
    next: tuple[str, ...] = ()
    ok: bool = True
    code: int = 0
    notes: tuple[str, ...] = ()


class Failure(Value, frozen=True, kw_only=True):
    """An error, with what to do about it."""

    error: Annotated[str, Meta(description="Where, what was found, what was expected.")]
    hint: Annotated[str, Meta(description='The command or the step that helps; "" where none is known.')]
    problems: Annotated[
        tuple[str, ...] | UnsetType, Meta(description="All faults of an invalid plan, each with file and line.")
    ] = UNSET


class DryRun(Value, frozen=True, kw_only=True):
    """What a verb with `--dry-run` would do."""

    dry_run: Annotated[Literal[True], Meta(description="Nothing was done.")]
    deployment: Annotated[str | UnsetType, Meta(description="Name of the deployment.")] = UNSET
    deployments: Annotated[tuple[str, ...] | UnsetType, Meta(description="Names of the deployments.")] = UNSET
    target: Annotated[str | UnsetType, Meta(description="Worker whose session would get the text.")] = UNSET
    file: Annotated[str | UnsetType, Meta(description="Absolute path of the file that would be written.")] = UNSET
    moved_to: Annotated[str | UnsetType, Meta(description="Path to which the directory would be moved.")] = UNSET
    trees: Annotated[
        Mapping[str, str] | UnsetType, Meta(description="Work trees that would be kept, each with the reason.")
    ] = UNSET
    would: Annotated[tuple[str, ...], Meta(description="The steps, in the imperative and in order.")]


def dry_run(answer: Answer[Value], would: Sequence[str]) -> Answer[DryRun]:
    """Convert the answer of a dry world to one of a dry run."""
    names = [name for name in DryRun.__struct_fields__ if name not in ("dry_run", "would")]
    kept = {name: getattr(answer.data, name, UNSET) for name in names}
    return Answer(DryRun(dry_run=True, **kept, would=tuple(would)), code=answer.code)


def failure(error: WakemanError, hint: str) -> Answer[Failure]:
    """Return the answer of a verb that failed."""
    problems = error.problems if isinstance(error, PlanError) else UNSET
    proposed = tuple(command for command, _ in error.proposals)
    return Answer(Failure(error=str(error), hint=hint, problems=problems), proposed, ok=False)


def envelope(answer: Answer[Value]) -> dict[str, Any]:
    """Return the one object that `--json` prints: `v`, `ok`, the data's own fields, `next`."""
    fields: dict[str, Any] = msgspec.to_builtins(answer.data)
    return {"v": ENVELOPE_VERSION, "ok": answer.ok, **fields, "next": list(answer.next)}
