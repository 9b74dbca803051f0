"""The verbs about this machine: doctor and agents."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from wakeman.adapters import local
from wakeman.api import doctor as api
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, printable, show, table


def _doctor_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="plan file: check what its workers need, too")
    parser.add_argument(
        "--as-alarm", action="store_true", help="have an alarm's script start one agent of FILE, which may cost money"
    )


def _agents_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="plan file: list its own profiles, too")


def doctor(options: Namespace) -> int:
    """Check every prerequisite; exit with 1 when one is missing."""
    pause = time.sleep if options.as_alarm else None
    return show(options, api.doctor(reach(options), local, options.state, options.file, pause), _diagnosis)


def _diagnosis(data: api.Diagnosis) -> None:
    table(("", "prerequisite", "found"), [(each.level, each.what, each.found) for each in data.findings])
    for each in data.findings:
        if each.mend:
            out(f"fix {each.what}: {printable(each.mend)}")


def agents(options: Namespace) -> int:
    """List profiles with their origin."""
    return show(options, api.agents(reach(options), options.file), _agents)


def _agents(data: api.Profiles) -> None:
    rows = [(each.name, each.model or "", each.description, each.origin) for each in data.agents]
    table(("agent", "model", "description", "from"), rows)


VERBS: dict[str, Verb] = {
    "doctor": ("wakeman doctor wakeman.toml --as-alarm", _doctor_options, doctor),
    "agents": ("wakeman agents wakeman.toml --json", _agents_options, agents),
}
