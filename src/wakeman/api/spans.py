"""A deployment as spans of OpenTelemetry, by its conventions for generative AI, version 0.1.0.

Source: github.com/open-telemetry/semantic-conventions-genai, v0.1.0: a workflow and its agents are spans of kind
INTERNAL, whose operations are `invoke_workflow` and `invoke_agent`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.chronicle import AttemptMade, Chronicle
from wakeman.core.model import Deployment

TRACE_ID_BYTES = 16
"""Bytes of a trace's id."""
SPAN_ID_BYTES = 8
"""Bytes of a span's id."""
PROVIDERS = {"claude": "anthropic", "codex": "openai", "gemini": "gcp.gemini"}
"""Client -> provider as the conventions name it; others talk to several providers, and do not say to which."""


class SpanEvent(Value, frozen=True, kw_only=True):
    """Something that happened in a span."""

    name: Annotated[str, Meta(description="Its name.")]
    at: Annotated[int, Meta(description="Nanoseconds since 1970.")]
    attributes: Annotated[Mapping[str, Any], Meta(description="Its attributes.")]


class SpanMade(Value, frozen=True, kw_only=True):
    """One span: the deployment, or an attempt of a worker."""

    span: Annotated[str, Meta(description="Its id, 16 hexadecimal digits.")]
    parent: Annotated[str | None, Meta(description="Id of the span that it is in; null for the deployment.")]
    name: Annotated[str, Meta(description="Its name.")]
    began: Annotated[int, Meta(description="Nanoseconds since 1970.")]
    ended: Annotated[int, Meta(description="Nanoseconds since 1970.")]
    error: Annotated[str, Meta(description='What it failed with; "" for no failure.')]
    attributes: Annotated[Mapping[str, Any], Meta(description="Its attributes.")]
    events: Annotated[tuple[SpanEvent, ...], Meta(description="What happened in it.")]


class Spanned(Value, frozen=True, kw_only=True):
    """A deployment as spans of one trace. The ids come from the log, so that it may be sent twice."""

    trace: Annotated[str, Meta(description="Id of the trace, 32 hexadecimal digits.")]
    spans: Annotated[tuple[SpanMade, ...], Meta(description="The deployment, then the attempts.")]
    running: Annotated[int, Meta(description="Attempts that are under way, and so left out.")]
    sent_to: Annotated[str | None, Meta(description="URL that has taken them; null if they were not sent.")] = None


def spans(told: Chronicle, *, words: bool) -> Answer[Spanned]:
    """Return the spans of a deployment. `words`: with texts of workers and their clients, which may be confidential.

    Boundary: a span has an end, so attempts under way are left out, and an open deployment ends at its last line.
    """
    d = told.d
    trace = _trace_id(d)
    made = [_attempt_span(told, name, attempt, trace, words=words) for name, attempt in _all_attempts(told)]
    running = sum(attempt.began is not None and attempt.ended is None for _, attempt in _all_attempts(told))
    whole = _deployment_span(told, trace, words=words)
    return Answer(Spanned(trace=trace, spans=(whole, *(each for each in made if each)), running=running))


def _trace_id(d: Deployment) -> str:
    """Return an id that is the same for each copy of a log, and no other's."""
    began = d.started.isoformat() if d.started is not None else ""
    return sha256(f"{d.name}\0{began}\0{d.digest}".encode("utf-8", "surrogatepass")).hexdigest()[: 2 * TRACE_ID_BYTES]


def _span_id(trace: str, *parts: object) -> str:
    text = "\0".join(map(str, (trace, *parts)))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[: 2 * SPAN_ID_BYTES]


def _all_attempts(told: Chronicle) -> Iterator[tuple[str, AttemptMade]]:
    for name in told.d.workers:
        yield from ((name, attempt) for attempt in told.courses[name].attempts)


def _nanoseconds(at: datetime | str) -> int:
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return round(when.timestamp() * 1e6) * 1000


def _deployment_span(told: Chronicle, trace: str, *, words: bool) -> SpanMade:
    d = told.d
    began = _nanoseconds(d.started or told.curve[0][0])
    ended = _nanoseconds(d.ended or d.at or told.curve[-1][0])
    done, total = told.curve[-1][1] if told.curve else 0, len(told.owners)
    return SpanMade(
        span=_span_id(trace),
        parent=None,
        name=f"invoke_workflow {d.name}",
        began=began,
        ended=max(began, ended),
        error=d.outcome if d.outcome not in ("open", "complete") else "",
        attributes={
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.agent.name": d.name,
            "wakeman.outcome": d.outcome,
            "wakeman.units.done": done,
            "wakeman.units.total": total,
            "wakeman.workers": len(d.workers),
        },
        events=tuple(_decision_events(told, None, words=words)),
    )


def _attempt_span(told: Chronicle, name: str, attempt: AttemptMade, trace: str, *, words: bool) -> SpanMade | None:
    if attempt.began is None or attempt.ended is None:
        return None
    began = _nanoseconds(attempt.began)
    by = attempt.ended_by if attempt.ended_by != "itself" else ""
    error = by or ("exit status" if attempt.code else "")
    return SpanMade(
        span=_span_id(trace, name, attempt.attempt),
        parent=_span_id(trace),
        name=f"invoke_agent {name}",
        began=began,
        ended=max(began, _nanoseconds(attempt.ended)),
        error=error,
        attributes=dict(_attempt_attributes(told.d, name, attempt, error, words=words)),
        events=tuple(_decision_events(told, (name, attempt), words=words)),
    )


def _attempt_attributes(
    d: Deployment, name: str, attempt: AttemptMade, error: str, *, words: bool
) -> Iterator[tuple[str, Any]]:
    workers = d.plan_of(d.workers[name]).workers
    yield "gen_ai.operation.name", "invoke_agent"
    yield "gen_ai.agent.name", name
    if workers.harness in PROVIDERS:
        yield "gen_ai.provider.name", PROVIDERS[workers.harness]
    if attempt.tokens is not None:
        yield "gen_ai.usage.input_tokens", attempt.tokens.input
        yield "gen_ai.usage.output_tokens", attempt.tokens.output
    if error:
        yield "error.type", error
    yield "wakeman.client", workers.harness
    yield "wakeman.attempt", attempt.attempt
    if attempt.cost is not None:
        yield "wakeman.cost.dollars", attempt.cost
    if attempt.code is not None:
        yield "wakeman.exit.code", attempt.code
    if attempt.ended_by:
        yield "wakeman.ended_by", attempt.ended_by
    if words and attempt.why:
        yield "wakeman.why", attempt.why


def _decision_events(told: Chronicle, about: tuple[str, AttemptMade] | None, *, words: bool) -> Iterator[SpanEvent]:
    """Yield the decisions on the deployment, or those on a worker that fall into its attempt."""
    for each in told.decisions:
        if about is None:
            if each.worker is not None:
                continue
        elif each.worker != about[0] or not (about[1].began or "") <= each.at <= (about[1].ended or ""):
            continue
        fields: dict[str, Any] = {"wakeman.row": each.row, "wakeman.line": each.seq, "wakeman.held": each.held}
        if words:
            fields["wakeman.why"] = each.why
        yield SpanEvent(name=f"decision {each.row}", at=_nanoseconds(each.at), attributes=fields)
