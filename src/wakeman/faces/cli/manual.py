"""Man pages, one for the program and one for each verb, made from the parsers and what their help adds."""

from __future__ import annotations

import argparse
import re

from wakeman import __version__
from wakeman.faces.cli import VERBS, parser
from wakeman.faces.cli.help import ADVICE, exits


def pages() -> dict[str, str]:
    """Return every page: file name -> text in the language of man."""
    verbs = "\n".join(f".TP\n.BR wakeman-{_roff(verb)} (1)\n{_roff(row[3])}" for verb, row in VERBS.items())
    whole = [
        _title("wakeman"),
        _section("NAME", r"wakeman \- run a large task with many agents, and watch them unattended"),
        _section("SYNOPSIS", ".B wakeman\n[\\fIVERB\\fR] [\\fIOPTIONS\\fR]"),
        _section("DESCRIPTION", "Without a verb it shows the state of all deployments."),
        _section("VERBS", verbs),
    ]
    return {"wakeman.1": "\n".join(whole) + "\n", **{f"wakeman-{verb}.1": _verb_page(verb) for verb in VERBS}}


def _verb_page(verb: str) -> str:
    made, told = parser(verb), ADVICE.get(verb)
    usage = made.format_usage().removeprefix("usage: ").split()
    options = "\n".join(_option(made, action) for action in made._actions)  # noqa: SLF001 - no other way to list them
    parts = [
        _title(f"wakeman-{verb}"),
        _section("NAME", rf"wakeman-{_roff(verb)} \- {_roff(VERBS[verb][3])}"),
        _section("SYNOPSIS", _roff(" ".join(usage))),
        *([_section("WHEN TO USE IT", _roff(f"{told.when}."))] if told else []),
        _section("OPTIONS", options),
        *([_section("EXAMPLE", ".nf\n" + _roff("\n".join(told.example)) + "\n.fi")] if told and told.example else []),
        _section("EXIT STATUS", _roff(f"{exits(verb)}.")),
        _section("SEE ALSO", ".BR wakeman (1)"),
    ]
    return "\n".join(parts) + "\n"


def _title(name: str) -> str:
    return f'.TH "{name.upper()}" 1 "" "wakeman {__version__}"'


def _section(head: str, text: str) -> str:
    return f'.SH "{head}"\n{text}'


def _option(made: argparse.ArgumentParser, action: argparse.Action) -> str:
    given = ", ".join(rf"\fB{_roff(word)}\fR" for word in action.option_strings)
    value = "" if action.nargs == 0 else rf"\fI{_roff(str(action.metavar or action.dest))}\fR"
    text = (action.help or "") % {**vars(action), "prog": made.prog} if action.help else ""
    return f".TP\n{' '.join(filter(None, (given, value)))}\n{_roff(text)}"


def _roff(text: str) -> str:
    """Return text that man shows as it is."""
    escaped = text.replace("\\", "\\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", escaped, flags=re.MULTILINE)
