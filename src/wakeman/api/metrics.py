"""Deployments as metrics: what a monitoring system reads at intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.status import Status, UnreadableStatus
from wakeman.core.model import Outcome, State

Sample = tuple[Mapping[str, str], float]
"""Labels beside the deployment's, and the value."""


class MetricValue(Value, frozen=True, kw_only=True):
    """One value of a metric."""

    labels: Annotated[
        Mapping[str, str],
        Meta(description="Labels; `deployment` is always there, `copy` where its name is there twice."),
    ]
    value: Annotated[float, Meta(description="The value.")]


class Metric(Value, frozen=True, kw_only=True):
    """One metric and its values."""

    name: Annotated[str, Meta(description="Its name; that of a counter has `_total` added where it is exposed.")]
    kind: Annotated[Literal["gauge", "counter"], Meta(description="Counters only grow while a deployment exists.")]
    help: Annotated[str, Meta(description="What it means.")]
    unit: Annotated[str, Meta(description='Unit, which also ends its name; "" for a plain number.')]
    values: Annotated[tuple[MetricValue, ...], Meta(description="Its values.")]


class Measured(Value, frozen=True, kw_only=True):
    """Metrics of one or all deployments."""

    metrics: Annotated[tuple[Metric, ...], Meta(description="All metrics that have a value.")]


def metrics(found: Sequence[Status | UnreadableStatus]) -> Answer[Measured]:
    """Return the metrics of deployments, from their recorded states: nothing is observed for it."""
    labels = tuple(_labels([data.deployment for data in found]))
    made = (_metric(list(zip(labels, found, strict=True)), *row) for row in _METRICS)
    return Answer(Measured(metrics=tuple(each for each in made if each.values)))


_Kind = Literal["gauge", "counter"]
_Read = Callable[[Status], Iterator[Sample]]


def _labels(names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the labels of deployments; one whose log names another's name too, as a copy does, is told from it."""
    for n, name in enumerate(names):
        before = names[:n].count(name)
        yield {"deployment": name, **({"copy": str(before)} if before else {})}


def _metric(
    found: Sequence[tuple[dict[str, str], Status | UnreadableStatus]],
    name: str,
    kind: _Kind,
    unit: str,
    text: str,
    read: _Read,
) -> Metric:
    values = [
        MetricValue(labels={**whose, **labels}, value=value)
        for whose, data in found
        for labels, value in (_unreadable(data, name) if isinstance(data, UnreadableStatus) else read(data))
    ]
    return Metric(name=name, kind=kind, help=text, unit=unit, values=tuple(values))


def _unreadable(_: UnreadableStatus, name: str) -> Iterator[Sample]:
    if name == "wakeman_log_readable":
        yield {}, 0.0


def _one(read: Callable[[Status], float | bool | str | None]) -> _Read:
    """Return a reader of one value without further labels; nothing where it is None. A time is read as its seconds."""

    def values(data: Status) -> Iterator[Sample]:
        value = read(data)
        if isinstance(value, str):
            value = datetime.fromisoformat(value).timestamp()
        if value is not None:
            yield {}, float(value)

    return values


def _unit_states(data: Status) -> Iterator[Sample]:
    yield {"state": "done"}, float(data.units.done)
    yield {"state": "missing"}, float(data.units.total - data.units.done)


def _worker_states(data: Status) -> Iterator[Sample]:
    for state in get_args(State):
        yield {"state": state}, float(sum(worker.state == state for worker in data.workers))


def _outcomes(data: Status) -> Iterator[Sample]:
    for outcome in get_args(Outcome):
        yield {"outcome": outcome}, float(data.outcome == outcome)


def _token_counts(data: Status) -> Iterator[Sample]:
    if data.tokens is not UNSET:
        yield {"direction": "input"}, float(data.tokens.input)
        yield {"direction": "output"}, float(data.tokens.output)


def _alarm_pending(data: Status) -> bool | None:
    """Return whether the next check is sure to come; None for what needs none."""
    if data.outcome != "open" or data.paused:
        return None
    return data.alarm is not None and data.alarm.stands


_METRICS: tuple[tuple[str, _Kind, str, str, _Read], ...] = (
    ("wakeman_log_readable", "gauge", "", "1 if the log can be read, 0 if it is damaged.", _one(lambda _: True)),
    ("wakeman_outcome", "gauge", "", "1 for the outcome that the deployment has, 0 for the others.", _outcomes),
    ("wakeman_needs_person", "gauge", "", "1 if it waits for a person.", _one(lambda data: data.needs_person)),
    ("wakeman_paused", "gauge", "", "1 if it is paused.", _one(lambda data: data.paused)),
    (
        "wakeman_launches_barred",
        "gauge",
        "",
        "1 if nobody is launched until something changes.",
        _one(lambda data: data.barred is not UNSET),
    ),
    (
        "wakeman_alarm_pending",
        "gauge",
        "",
        "1 if its alarm is pending, 0 if an open deployment has none.",
        _one(_alarm_pending),
    ),
    ("wakeman_units", "gauge", "", "Units by state.", _unit_states),
    ("wakeman_workers", "gauge", "", "Workers by state.", _worker_states),
    (
        "wakeman_attempts",
        "counter",
        "",
        "Attempts of all workers.",
        _one(lambda data: sum(worker.attempt for worker in data.workers)),
    ),
    ("wakeman_tokens", "counter", "", "Tokens, as far as clients report them.", _token_counts),
    (
        "wakeman_cost_dollars",
        "counter",
        "dollars",
        "US dollars, as far as clients report them.",
        _one(lambda data: None if data.cost is UNSET else data.cost),
    ),
    ("wakeman_log_lines", "counter", "", "Lines of the event log.", _one(lambda data: data.events)),
    (
        "wakeman_misplaced_files",
        "gauge",
        "",
        "Files that were written out of place.",
        _one(lambda data: data.conflicts),
    ),
    (
        "wakeman_left_seconds",
        "gauge",
        "seconds",
        "Estimated time left.",
        _one(lambda data: data.progress.eta.left if data.progress.eta is not None else None),
    ),
    (
        "wakeman_started_timestamp_seconds",
        "gauge",
        "seconds",
        "When it was started, in seconds since 1970.",
        _one(lambda data: data.started),
    ),
    (
        "wakeman_ended_timestamp_seconds",
        "gauge",
        "seconds",
        "When it was closed, in seconds since 1970.",
        _one(lambda data: data.ended),
    ),
    (
        "wakeman_next_check_timestamp_seconds",
        "gauge",
        "seconds",
        "When the alarm fires, in seconds since 1970.",
        _one(lambda data: data.next_check),
    ),
)
"""Name, kind, unit, meaning, and how the values are read from a status."""
