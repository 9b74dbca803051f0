"""Sends spans to an OpenTelemetry collector, by OTLP over HTTP. What it needs is the extra `otlp`."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wakeman import __version__
from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.text import sanitise

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Where OpenTelemetry's own variables name the collector; the second is a base, to which `TRACES_PATH` is added."""
TRACES_PATH = "/v1/traces"
OTLP_TIMEOUT_S = 10
"""Seconds to wait for a collector, tries included."""
OTLP_MESSAGE_CHARS_MAX = 300
"""Characters of the library's message about a failure."""


def collector_url(given: str | None) -> str:
    """Return the URL to which spans are sent: as given, else as OpenTelemetry's variables say.

    Shape: a collector named by host and port alone takes them at `/v1/traces`, which is added to it.

    Raises: UsageError where neither names one: nothing leaves this machine unasked.
    """
    whole, base = (os.environ.get(name, "") for name in ENDPOINT_VARIABLES)
    url = given or whole or (f"{base.rstrip('/')}{TRACES_PATH}" if base else "")
    if not url:
        found = f"no collector is named; expected --endpoint URL, or {ENDPOINT_VARIABLES[1]}"
        raise UsageError(f"export otlp: {found}", "wakeman export otlp NAME --endpoint http://localhost:4318")
    parts = re.fullmatch(r"(https?://[^/]+)/?(.*)", url)
    if not parts:
        raise UsageError(f"export otlp: found {url!r}; expected a URL that begins with http:// or https://")
    return url if parts[2] else f"{parts[1]}{TRACES_PATH}"


def send_spans(url: str, trace: str, spans: Sequence[Any]) -> None:
    """Send the spans of one trace, of the shape of `api.spans.SpanMade`.

    Boundary: headers and certificates are those of OpenTelemetry's variables.

    Raises: UsageError without the extra; WakemanError when the collector does not take them.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import SpanExportResult
    except ImportError as fault:
        hint = "pip install '.[otlp]' in a clone of wakeman, or pip install opentelemetry-exporter-otlp-proto-http"
        raise UsageError(f"export otlp: {fault.name} is not installed; expected the extra `otlp`", hint) from fault

    exporter = OTLPSpanExporter(endpoint=url, timeout=OTLP_TIMEOUT_S)
    with _messages() as said:
        result = exporter.export([_sdk_span(trace, each) for each in spans])
        exporter.shutdown()  # type: ignore[no-untyped-call] # the library's
    if result is not SpanExportResult.SUCCESS:
        why = f": {said[0]}" if said else ""
        raise WakemanError(f"{url}: the spans were not taken{why}", "see whether the collector runs, then try again")


@contextmanager
def _messages() -> Iterator[list[str]]:
    """Collect what the library logs, which tells a failure's cause, instead of printing it."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(sanitise(record.getMessage(), OTLP_MESSAGE_CHARS_MAX))  # type: ignore[method-assign]
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)


def _sdk_span(trace: str, made: Any) -> Any:
    """Return a span as the exporter takes it."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span: str) -> SpanContext:
        return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=made.name,
        context=context(made.span),
        parent=context(made.parent) if made.parent else None,
        resource=Resource({"service.name": "wakeman", "service.version": __version__}),
        attributes=made.attributes,
        events=[Event(each.name, each.attributes, each.at) for each in made.events],
        kind=SpanKind.INTERNAL,
        instrumentation_scope=InstrumentationScope("wakeman", __version__),
        status=Status(StatusCode.ERROR, made.error) if made.error else Status(StatusCode.OK),
        start_time=made.began,
        end_time=made.ended,
    )
