"""The verb that shows how deployments stand."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from wakeman.core.errors import LogDamagedError, WakemanError
from wakeman.engine.status import status as look
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import named, reach
from wakeman.faces.cli.show import (
    advise,
    answer,
    clean,
    commands,
    portrait,
    say,
    standing,
    table,
    upcoming,
)
from wakeman.ports import World

SEVERITY = (6, 3, 2, 5, 1, 4, 0)
"""Exit codes, the worst first."""


def _status_options(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="deployment (default: all, a line each)")
    parser.add_argument("--recorded", action="store_true", help="print what the last check saw, instead of looking now")
    parser.add_argument(
        "--exit-code",
        action="store_true",
        help="exit with 0 if it is done, 1 failed, 4 not finished, 5 if it needs you",
    )


def status(options: Namespace) -> int:
    """Show one deployment, or all."""
    world = reach(options)
    if options.name is None:
        return _all(options, world)
    data = look(world, named(world, options.name), recorded=options.recorded)
    if options.json:
        answer(options, data, commands(data))
    else:
        _one(options, data)
    return standing(data) if options.exit_code else 0


def _one(options: Namespace, data: dict[str, Any]) -> None:
    portrait(data)
    advise(options, commands(data))


def _all(options: Namespace, world: World) -> int:
    found = [_brief(options, world, name) for name in world.logs.names()]
    if options.json:
        answer(
            options,
            {"state": world.state, "deployments": found},
            [f"wakeman status {d['deployment']}" for d in found[-3:]],
        )
    elif found:
        table(("deployment", "outcome", "done", "workers", "last row", "next"), [_row(data) for data in found])
    else:
        say(f"no deployments in {world.state}")
        advise(options, ["wakeman init", "wakeman up FILE"])
    codes = {data["code"] for data in found}
    return next((code for code in SEVERITY if code in codes), 0) if options.exit_code else 0


def _brief(options: Namespace, world: World, name: str) -> dict[str, Any]:
    """Describe one of several. A damaged log is shown as such, and does not hide the others."""
    try:
        data = look(world, name, recorded=options.recorded)
    except WakemanError as error:
        outcome = "damaged" if isinstance(error, LogDamagedError) else "unreadable"
        return {"deployment": name, "outcome": outcome, "error": str(error), "hint": error.hint, "code": error.code}
    return {**data, "code": standing(data)}


def _row(data: dict[str, Any]) -> tuple[str, ...]:
    if "error" in data:
        return data["deployment"], data["outcome"], "", "", clean(data["error"]), ""
    units, workers = data["units"], data["workers"]
    alive = sum(1 for worker in workers if worker["state"] in ("launched", "running", "stuck"))
    row = data["decision"]["row"] + (", needs a person" if data["needs_person"] else "")
    coming = upcoming(data) if data["outcome"] == "open" else ""
    counts = f"{alive}/{len(workers)} alive"
    return data["deployment"], data["outcome"], f"{units['done']}/{units['total']}", counts, row, coming


VERBS: dict[str, Verb] = {"status": ("wakeman status condense-docs --json", _status_options, status)}
