"""The verbs about this machine: doctor and agents."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from wakeman.adapters import local
from wakeman.api import doctor as api
from wakeman.api.answer import Answer
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, printable, show, table

PLAYBOOK = Path(__file__).with_name("playbook.md")
"""The one source of what orchestrating agents are told; the plugin's skill is made of it."""


def _doctor_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="plan file: check what its workers need, too")
    parser.add_argument(
        "--as-alarm", action="store_true", help="have an alarm's script start one agent of FILE, which may cost money"
    )


def _agents_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="plan file: list its own profiles, too")
    said = "print what an agent is told that orchestrates, for its AGENTS.md"
    parser.add_argument("--instructions", action="store_true", help=said)


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
    """List profiles with their origin; or print the playbook for the agent that orchestrates."""
    if options.instructions:
        reach(options)
        text = PLAYBOOK.read_text()
        return show(options, Answer(api.Instructions(text=text)), _print_text)
    return show(options, api.agents(reach(options), options.file), _agents)


def _print_text(data: api.Instructions) -> None:
    sys.stdout.write(data.text)


def _agents(data: api.Profiles) -> None:
    rows = [(each.name, each.model or "", each.description, each.origin) for each in data.agents]
    table(("agent", "model", "description", "from"), rows)


VERBS: dict[str, Verb] = {
    "doctor": ("wakeman doctor wakeman.toml --as-alarm", _doctor_options, doctor),
    "agents": ("wakeman agents wakeman.toml --json", _agents_options, agents),
}
