"""The verb that hands a deployment to other tools: a trace, metrics, or spans of OpenTelemetry."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from wakeman.adapters import otlp
from wakeman.adapters.disk import Disk
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.chronicle import chronicle
from wakeman.api.metrics import Measured, metrics
from wakeman.api.names import named, recording
from wakeman.api.spans import Spanned, spans
from wakeman.api.status import status, statuses
from wakeman.api.trace import Traced, trace
from wakeman.core.errors import UsageError
from wakeman.core.log.facts.fact import count
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, printable, raw, show

METRICS_FILE_MODE = 0o644
"""A file of metrics is read by another user's program, and holds nothing but numbers and names."""


def _export_options(parser: ArgumentParser) -> None:
    forms = "trace: a timeline for Perfetto; metrics: for Prometheus; otlp: spans for OpenTelemetry"
    parser.add_argument("form", metavar="FORM", choices=("trace", "metrics", "otlp"), help=forms)
    given.log_or_name(parser)
    where = "file to write, - for stdout (default: stdout)"
    parser.add_argument("-o", dest="output", metavar="FILE", default="-", help=where)
    to = "otlp: URL of the collector (default: that of OTEL_EXPORTER_OTLP_ENDPOINT)"
    parser.add_argument("--endpoint", metavar="URL", help=to)
    said = "otlp: send words of workers and clients, too, which may be confidential"
    parser.add_argument("--words", action="store_true", help=said)


def export(options: Namespace) -> int:
    """Write or send a deployment in one of the forms."""
    if options.form == "metrics":
        options.among = ""  # without a name they are of all deployments
    if options.form != "otlp" and (options.endpoint or options.words):
        raise UsageError("--endpoint and --words: expected with otlp alone", "wakeman export --help")
    return _EXPORTS[options.form](options)


def _would_write(options: Namespace) -> None:
    """Say where a dry run would write."""
    if options.dry_run:
        place = "stdout" if options.output == "-" else os.path.abspath(options.output)
        options.would.append(f"write {options.form} to {place}")


def _export_trace(options: Namespace) -> int:
    answer = trace(chronicle(recording(reach(options), options.log), Reading))
    _would_write(options)

    def text(data: Traced) -> None:
        from msgspec.json import encode

        _write_export(options.output, encode(data).decode("utf-8", "replace") + "\n")

    return show(options, answer, text)


def _export_metrics(options: Namespace) -> int:
    world = reach(options)
    _would_write(options)
    if options.log is None:
        answer = metrics(statuses(world, recorded=True).data.deployments)
    else:
        answer = metrics([status(world, named(world, options.log), recorded=True).data])

    def text(data: Measured) -> None:
        from wakeman.faces.openmetrics import exposition

        _write_export(options.output, exposition(data.metrics), METRICS_FILE_MODE)

    return show(options, answer, text)


def _export_otlp(options: Namespace) -> int:
    from msgspec.structs import replace

    world = reach(options)
    made = spans(chronicle(recording(world, options.log), Reading), words=options.words)
    url = otlp.collector_url(options.endpoint)
    if options.dry_run:
        options.would.append(f"send {len(made.data.spans)} spans of trace {made.data.trace} to {url}")
        return show(options, made, _print_sent)
    otlp.send_spans(url, made.data.trace, made.data.spans)
    return show(options, replace(made, data=replace(made.data, sent_to=url)), _print_sent)


def _print_sent(data: Spanned) -> None:
    left = f"; left out: {count(data.running, 'attempt')} under way" if data.running else ""
    out(f"sent {len(data.spans)} spans of trace {data.trace} to {printable(data.sent_to or '')}{left}")


def _write_export(place: str, text: str, mode: int = 0o600) -> None:
    """Write a text to a file, whose path is printed, or to stdout."""
    if place == "-":
        sys.stdout.write(text)
    else:
        Disk().write(os.path.abspath(place), text.encode("utf-8", "replace"), mode=mode)
        raw(os.path.abspath(place))


_EXPORTS = {"trace": _export_trace, "metrics": _export_metrics, "otlp": _export_otlp}

VERBS: dict[str, Verb] = {"export": ("wakeman export trace condense-docs -o night.json", _export_options, export)}
