"""The verb that reports on a whole deployment: one HTML file, Markdown, JSON, or a picture of its timeline."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, Namespace

from wakeman.adapters import signature
from wakeman.adapters.disk import Disk
from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.names import recording
from wakeman.api.report import Reported, report
from wakeman.core.errors import UsageError
from wakeman.faces.cli import options as given
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import raw, show

REPORT_MARK = b'<meta name="generator" content="wakeman report">'
"""What a page of this verb has near its beginning: it may be replaced by another."""
_HEAD_BYTES = 4096
FILE_NAME_CHARS_MAX = 80
"""Characters of a deployment's name in the name of its report."""


def _report_options(parser: ArgumentParser) -> None:
    given.log_or_name(parser)
    forms = ("html", "md", "json", "svg")
    said = "html: one page; md: Markdown; json: all that is reported; svg: the timeline alone (default: html)"
    parser.add_argument("--format", metavar="F", choices=forms, default="html", help=said)
    where = "file to write; - for stdout (default: wakeman-NAME.html for html, otherwise stdout)"
    parser.add_argument("-o", dest="output", metavar="FILE", help=where)
    parser.add_argument("--no-audit", action="store_true", help="do not audit the log, which takes the longest")


def print_report(options: Namespace) -> int:
    """Write a report; print the path of a page that was written to a file."""
    world = reach(options)
    file = recording(world, options.log)
    answer = report(world, Reading, AuditReader, signature, file, options.log, audited=not options.no_audit)
    options.json = options.json or options.format == "json"
    if options.json:
        return show(options, answer, lambda _: None)
    from wakeman.faces.report.page import report_text

    text = report_text(answer.data, options.format, options.log)
    place = options.output or _default_place(answer.data, options.format)
    if place == "-":
        sys.stdout.write(text)
    else:
        Disk().write(os.path.abspath(place), text.encode("utf-8", "replace"))
        raw(os.path.abspath(place))
    return answer.code


def _default_place(data: Reported, form: str) -> str:
    """Return where a report goes that was told no place. Raises: UsageError for a file that is no report."""
    if form != "html":
        return "-"
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", data.deployment)[:FILE_NAME_CHARS_MAX]  # a log may say anything
    name = f"wakeman-{safe}.html"
    path = os.path.abspath(name)
    if os.path.lexists(path) and REPORT_MARK not in Disk().head(path, _HEAD_BYTES):
        raise UsageError(f"{name}: already exists, and is no report", f"wakeman report {data.deployment} -o FILE")
    return name


VERBS: dict[str, Verb] = {"report": ("wakeman report condense-docs", _report_options, print_report)}
