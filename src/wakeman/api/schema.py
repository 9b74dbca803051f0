"""The JSON Schema of each verb's answer, made from its structs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from wakeman.api.answer import ENVELOPE_VERSION, Answer, Failure, Line, Value
from wakeman.core.errors import UsageError
from wakeman.core.plan.schema import events_schema, plan_schema
from wakeman.core.plan.template import nearest
from wakeman.core.text import sanitise

EVENTS = "events"
"""Argument of `schema` for a log's line."""

_STATUS = ("status.Status", "answer.DryRun")
_ACTED = ("deeds.Acted", "answer.DryRun")
_STARTED = ("plan.StartedDeployment", "status.Status", "watch.Watched", "answer.DryRun")
ANSWERS: dict[str, tuple[str, ...]] = {
    "init": ("plan.Initialised", "answer.DryRun"),
    "plan": ("plan.PlannedDeployment",),
    "rehearse": ("rehearse.Rehearsed", "rehearse.RehearsedQueues"),
    "up": _STARTED,
    "run": _STARTED,
    "session": ("compat.StartedSession", "answer.DryRun"),
    "watch-sessions": _STARTED,
    "redo": _STARTED,
    "check": _STATUS,
    "watch": ("watch.Watched",),
    "wait": ("status.Status",),
    "resume": ("check.Resumed", "answer.DryRun"),
    "adopt": _ACTED,
    "down": _ACTED,
    "clean": ("act.Cleaned", "act.CleanedAll", "trash.EmptiedTrash", "answer.DryRun"),
    "status": ("status.Status", "status.Statuses"),
    "inbox": ("inbox.Inbox",),
    "notices": ("notices.Notice",),
    "log": (EVENTS, "log.LogRepaired"),
    "capture": ("screen.CapturedScreen", "screen.CapturedAll"),
    "tail": ("screen.CapturedScreen", "tail.PrintedLine"),
    "attach": ("screen.Attached",),
    "send": ("act.Sent", "act.SentAll", "answer.DryRun"),
    "approve": _ACTED,
    "answer": _ACTED,
    "stop": _ACTED,
    "retry": _ACTED,
    "waive": _ACTED,
    "reject": _ACTED,
    "accept": _ACTED,
    "pause": _ACTED,
    "unpause": _ACTED,
    "lost": _ACTED,
    "merge": ("merge.Merged", "answer.DryRun"),
    "amend": _ACTED,
    "sweep": ("act.Swept", "answer.DryRun"),
    "report": ("report.Reported",),
    "export": ("trace.Traced", "metrics.Measured", "spans.Spanned", "answer.DryRun"),
    "serve": ("serve.ServedPages",),
    "top": (),
    "mcp": ("serve.ServedPages",),
    "compat": ("compat.InstalledScripts", "answer.DryRun"),
    "replay": ("replay.Replayed", "status.Status", "replay.Otherwise"),
    "audit": ("audit.Audited",),
    "doctor": ("doctor.Diagnosis",),
    "agents": ("doctor.Profiles", "doctor.Instructions"),
    "completion": ("completion.InstalledCompletion", "answer.DryRun"),
    "schema": ("schema.SchemaShown",),
}
"""Verb -> its answers: module and struct; `events` are lines of the log. Each may answer a failure instead."""

_ENVELOPE: dict[str, dict[str, Any]] = {
    "v": {"const": ENVELOPE_VERSION, "description": "Version of the envelope."},
    "ok": {"type": "boolean", "description": "Whether nothing failed, diverged or is missing."},
}
_NEXT = {"type": "array", "items": {"type": "string"}, "description": "Commands that make sense now."}


class SchemaShown(Value, frozen=True, kw_only=True):
    """A JSON Schema."""

    schema: Annotated[dict[str, Any], Meta(description="The schema.")]


def shown(name: str | None) -> Answer[SchemaShown]:
    """Return the schema of the plan file, of a verb's answer, or of a log's line. Raises: UsageError."""
    if name is None:
        return Answer(SchemaShown(schema=plan_schema()), ("wakeman init",))
    if name == EVENTS:
        return Answer(SchemaShown(schema=events_schema()))
    if name not in ANSWERS:
        known = [*ANSWERS, EVENTS]
        found = f"schema: found {sanitise(name, 40)!r}; expected a verb, or {EVENTS}"
        raise UsageError(f"{found}{nearest(name, known)}", "wakeman schema --help")
    return Answer(SchemaShown(schema=schema(name)))


def schema(verb: str) -> dict[str, Any]:
    """Return the schema of what a verb prints with `--json`: an object, or one a line."""
    kinds = answers(verb)
    parts = [part for kind in kinds for part in kind.parts]
    _, defs = msgspec.json.schema_components([*kinds, *parts], ref_template="#/$defs/{name}")
    lines: list[dict[str, Any]] = []
    if EVENTS in ANSWERS[verb]:
        event = events_schema()
        lines = [*event["anyOf"]]  # type: ignore[misc] # a list, as that function makes it
        defs = {**defs, **event["$defs"]}  # type: ignore[dict-item] # a table, as that function makes it
    whole = [kind for kind in kinds if not issubclass(kind, Line)]
    enveloped = {kind.__name__: _enveloped(defs[kind.__name__]) for kind in whole}
    made = [enveloped.get(kind.__name__) or {"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:wakeman:answer:{verb}",
        "title": f"What `wakeman {verb} --json` prints",
        "anyOf": [*lines, *made],
        "$defs": _used_definitions(defs, [*lines, *made]),
    }


def object_schema(*kinds: type[Struct]) -> dict[str, Any]:
    """Return the schema of an object that is one of these structs, with all that it refers to."""
    made, defs = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    if len(made) > 1:
        return {"type": "object", "anyOf": [*made], "$defs": _used_definitions(defs, made)}
    whole = defs.pop(kinds[0].__name__)
    used = _used_definitions(defs, [whole])
    return {**whole, **({"$defs": used} if used else {})}


def answers(verb: str) -> tuple[type[Value], ...]:
    """Return the structs of a verb's answers, including the failure and without lines of the log."""
    named = [name.split(".") for name in ANSWERS[verb] if name != EVENTS]
    found: list[type[Value]] = [getattr(import_module(f"wakeman.api.{module}"), name) for module, name in named]
    return (*found, Failure)


def _enveloped(made: dict[str, Any]) -> dict[str, Any]:
    """Return a value's schema with the fields of the envelope added."""
    ok = {"const": False, "description": "It failed."} if made["title"] == Failure.__name__ else _ENVELOPE["ok"]
    return {
        **made,
        "properties": {**_ENVELOPE, "ok": ok, **made["properties"], "next": _NEXT},
        "required": ["v", "ok", *made["required"], "next"],
    }


def _used_definitions(defs: dict[str, Any], among: Sequence[object]) -> dict[str, Any]:
    """Return the definitions that are referred to."""
    wanted: dict[str, None] = {}

    def follow(value: object) -> None:
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).rpartition("/")[2]
            if name in defs and name not in wanted:
                wanted[name] = None
                follow(defs[name])
            follow(list(value.values()))
        elif isinstance(value, list):
            for each in value:
                follow(each)

    follow(list(among))
    return {name: defs[name] for name in defs if name in wanted}
