"""What each tool takes: structs, of which its input schema is made and by which its arguments are read."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

LOG_LINES_MAX = 200
"""Lines of a log that one call returns at most."""
QUEUES_PLAYED_MAX = 8
"""Sizes of a queue that one call plays at most: clients give up on a call after a minute."""
WAIT_MAX_S = 50.0
"""Seconds that one call waits at most: clients give up on a call after a minute."""

_DEPLOYMENT = "Name of a deployment; may be left out where one alone fits."
Deployment = Annotated[str, Meta(description=_DEPLOYMENT)]
File = Annotated[str, Meta(description="Path of a plan, TOML or JSON.")]

Action = Literal[
    "accept",
    "approve",
    "answer",
    "retry",
    "send",
    "stop",
    "waive",
    "reject",
    "pause",
    "unpause",
    "check",
    "resume",
    "adopt",
    "down",
]


class ToolArguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what tools take."""


class PlanArguments(ToolArguments, frozen=True, kw_only=True):
    """A plan file."""

    file: File = "wakeman.toml"


class RehearseArguments(ToolArguments, frozen=True, kw_only=True):
    """A plan file, and how its workers fare."""

    file: File = "wakeman.toml"
    unit_s: Annotated[float, Meta(description="Seconds a unit takes.", ge=1, le=86400)] = 60.0
    hang: Annotated[tuple[str, ...], Meta(description="Workers that hang.")] = ()
    queue: Annotated[str, Meta(description="As wakeman rehearse: --nodes 4-64 --fails 10d.")] = ""


class StatusArguments(ToolArguments, frozen=True, kw_only=True):
    """What is shown."""

    deployment: Annotated[str, Meta(description="Its name; left out: all, a line each.")] = ""
    worker: Annotated[str, Meta(description="Show one worker, with the end of its screen.")] = ""
    workers: Annotated[bool, Meta(description="List each worker.")] = False


class WaitArguments(ToolArguments, frozen=True, kw_only=True):
    """What is waited for, and for how long."""

    deployment: Deployment = ""
    until: Annotated[
        Literal["attention", "change", "done"],
        Meta(description="attention: closed or needs somebody; change: any step; done: closed."),
    ] = "attention"
    seconds: Annotated[float, Meta(description="At most; then call again.", ge=0, le=WAIT_MAX_S)] = WAIT_MAX_S


class LogArguments(ToolArguments, frozen=True, kw_only=True):
    """Which lines of a log."""

    deployment: Deployment = ""
    after: Annotated[int, Meta(description="Lines after this number; -1: the last ones.", ge=-1)] = -1
    most: Annotated[int, Meta(description="Lines at most.", ge=1, le=LOG_LINES_MAX)] = 20
    type: Annotated[str, Meta(description="One type of event, such as decided.")] = ""
    worker: Annotated[str, Meta(description="One worker.")] = ""


class ActArguments(ToolArguments, frozen=True, kw_only=True):
    """What is done, and to whom."""

    action: Annotated[
        Action,
        Meta(
            description="accept: the held row; approve: a permission; answer: a question; retry: another attempt; "
            "send: type text; stop: end workers; waive: units count as done; reject: units are done again; "
            "pause, unpause: launches and alarms; check: look now; resume: after a crash; adopt: make live here; "
            "down: end it all."
        ),
    ]
    deployment: Deployment = ""
    workers: Annotated[tuple[str, ...], Meta(description="For approve, answer: one; for retry, stop, send.")] = ()
    like: Annotated[
        str, Meta(description="Instead: all workers that need somebody for the same cause as this one.")
    ] = ""
    units: Annotated[tuple[str, ...], Meta(description="For waive, reject; retry: these alone.")] = ()
    text: Annotated[
        str, Meta(description="For send: what is typed; answer: number or label of a choice, or a text.")
    ] = ""
    grant: Annotated[Literal["once", "always", "deny"], Meta(description="For approve.")] = "once"
    seen: Annotated[str, Meta(description="For approve, answer: which question, as status has it.")] = ""
    submit: Annotated[bool, Meta(description="For send: press Enter.")] = True
    force: Annotated[bool, Meta(description="For send: into a dialog, too.")] = False
    why: Annotated[str, Meta(description="For waive, reject, down: the reason; retry: a note to the worker.")] = ""


class ReportArguments(ToolArguments, frozen=True, kw_only=True):
    """Which deployment is reported on."""

    deployment: Deployment = ""
