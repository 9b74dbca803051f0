"""Printing what a plan would start: how much of it, what it runs, writes and moves, and what to type next."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from shlex import join, quote

from wakeman.api.plan import PlannedDeployment, PlannedWorker
from wakeman.api.screen import harmless
from wakeman.core.log.facts.fact import count
from wakeman.core.text import time_span
from wakeman.faces.cli.faults import fault_lines
from wakeman.faces.cli.paper import NEEDED, WAITS, Paper, paper
from wakeman.faces.cli.show import out, printable, raw

WORKERS_SHOWN_MAX = 3
"""Workers that are shown without --all."""
UNITS_SHOWN_MAX = 5
"""Units of a worker, outputs and changes that are shown without --all."""
PROMPT_ROWS_SHOWN = 2
"""Rows of the first worker's prompt."""
SUBJECT_CHARS = 10
"""Cells of a row's subject."""
SUBJECTS = {
    "units.command": "lists",
    "workers.before": "prepares",
    "workers.setup": "prepares",
    "workers": "runs",
    "workers.prompt": "keeps",
    "workers.socket": "keeps",
    "workers.executor": "keeps",
    "workers.stage": "keeps",
    "workers.isolate": "keeps",
    "workers.workspace": "keeps",
    "state directory": "keeps",
    "verify.command": "verifies",
    "verify.review": "reviews",
    "wake.to": "tells",
    "units.writes": "writes",
    "workers.confine_also": "writes",
    "cleanup.move": "moves",
    "cleanup.sweep": "ends",
}
"""Beginning of a key -> what is done by it; the longest that fits."""
PERMITS = {
    False: "reading; anything else waits for you",
    "edits": "writes of its units' files; any other tool use waits for you",
    "all": "everything, unasked",
}


def print_planned(data: PlannedDeployment, options: Namespace) -> None:
    """Print what a plan would start. Without `--all`, workers, units and long lists are folded."""
    most = None if options.all else UNITS_SHOWN_MAX
    out(_headline(data, options.file))
    _print_remarks(data, paper(sys.stdout))
    out("")
    for subject, text in [*_size_rows(data), *_footprint_rows(data)]:
        out(f"{subject:{SUBJECT_CHARS}}{text}".rstrip())
    _print_last(data, most)
    _print_workers(data, most)
    if data.existing:
        out("\noutputs that exist already:")
        _print_some((printable(path) for path in data.existing), len(data.existing), most)
    _print_prompt(data, options.file, paper(sys.stdout).plain("│"))


def _headline(data: PlannedDeployment, file: str) -> str:
    look = data.outlook
    wanted = len(data.units) - len(look.counted)
    size = count(len(data.units), "unit") if not look.counted else f"{wanted} of {count(len(data.units), 'unit')}"
    once = data.at_once if data.at_once and data.at_once < len(data.workers) else "all"
    carried = " (what its place carries; workers.at_once sets it)" if data.at_once_by_default else ""
    begins = count(len(data.workers), "worker")
    return f"{printable(file)} ({data.plan}): {begins}, {once} at once{carried}, for {size}"


def _print_remarks(data: PlannedDeployment, on: Paper) -> None:
    """Print where profiles are from, what is wrong or doubtful, and what a person has to agree to."""
    for name, origin in data.profiles.items():
        out(f"profile {printable(name)}: from {printable(origin)}")
    for text in data.notes:
        out(f"note: {printable(text)}")
    remarks = (
        ("✗", NEEDED, f"{count(len(data.faults), 'fault')}: up refuses", data.faults),
        ("◌", WAITS, count(len(data.warnings), "warning"), data.warnings),
        ("▲", NEEDED, "--yes agrees to:", data.asks),
    )
    for sign, style, head, texts in remarks:
        if texts:
            on.write([[(f"{sign} {head}", style)]], sys.stdout)
        for line in fault_lines(texts):
            out(f"  {line}")


def _size_rows(data: PlannedDeployment) -> Iterator[tuple[str, str]]:
    look = data.outlook
    yield "units", f"{len(data.units)} from {printable(look.source)}{_already(data)}"
    shares = ", ".join(f"{count(each.workers, 'worker')} of {each.units}" for each in look.shares)
    left = f"; nothing is left for {', '.join(look.idle)}" if look.idle else ""
    yield "shares", f"{shares}{left}"
    started = f"all started after {time_span(look.starts)}, {data.stagger:g} s apart; " if look.starts else ""
    yield "time", f"{started}alarm every {time_span(data.every)}; gives up after {time_span(look.give_up)}"
    yield "paths", f"relative to {printable(data.root)}"
    programs = {use.key for use in data.programs}
    permitted = "what the program does: it asks nobody" if "workers.command" in programs else PERMITS[data.auto_approve]
    yield "permits", f"{permitted} (auto_approve: {str(data.auto_approve).lower()})"
    if data.confined:
        yield "confined", f"by {printable(data.confined)}"
    if data.stage:
        yield "stage", "outputs are made in a stage of each attempt, and installed when they pass"
    if data.base:
        yield "tree", f"each worker gets a git work tree of its own from the commit {data.base[:12]}"


def _already(data: PlannedDeployment) -> str:
    look = data.outlook
    fresh = f"verify.fresh = {look.fresh}"
    if look.counted:
        more = len(look.present) - len(look.counted)
        return f"; {len(look.counted)} done already ({fresh})" + (f", {more} there and made anew" if more else "")
    return f"; {len(look.present)} there already, and made anew ({fresh})" if look.present else ""


def _footprint_rows(data: PlannedDeployment) -> Iterator[tuple[str, str]]:
    """Yield what the plan runs, writes, moves and tells, beside its work: new and changed things are marked."""
    for use in data.programs:
        yield _subject(use.key), _with_news(use.news, f"{join(use.command)}   {use.key}, {use.when}")
    outputs = len({path for unit in data.units for path in unit.outputs})
    yield "writes", f"{count(outputs, 'output')} of its units"
    for place in data.paths:
        yield _subject(place.key), _with_news(place.news, f"{place.path}   {place.key}, {place.what}")
    for each in data.variables:
        value = each.name if each.value is None else f"{each.name}={each.value}"
        yield "sets", _with_news(each.news, f"{value}   a variable that changes what is run")


def _subject(key: str) -> str:
    fit = [start for start in SUBJECTS if key.startswith(start)]
    return SUBJECTS[max(fit, key=len)] if fit else key.partition(".")[0]


def _with_news(news: str, text: str) -> str:
    return harmless(f"{f'{news}: ' if news else ''}{text}".replace("\n", " "))


def _print_last(data: PlannedDeployment, most: int | None) -> None:
    last = data.outlook.last
    if last is None:
        return
    out("")
    if not last.changes:
        out(f"as in {last.deployment}, which is {last.outcome}")
        return
    out(f"changed since {last.deployment}, which is {last.outcome}:")
    rows = (
        printable(
            f"{each.what}{' ' if each.what in '+-' else ': '}{' -> '.join(filter(None, (each.before, each.after)))}"
        )
        for each in last.changes
    )
    _print_some(rows, len(last.changes), most)


def _print_workers(data: PlannedDeployment, most: int | None) -> None:
    units = {unit.unit: unit for unit in data.units}
    shown = data.workers if most is None else data.workers[:WORKERS_SHOWN_MAX]
    for worker in shown:
        out(f"\nworker {worker.name} ({count(len(worker.units), 'unit')})")
        _print_command(worker)
        rows = (f"unit  {printable(name)} -> {printable(', '.join(units[name].outputs))}" for name in worker.units)
        _print_some(rows, len(worker.units), most)
        for place in worker.writes or ():
            out(f"  may write to  {printable(place)}")
    if len(data.workers) > len(shown):
        out(f"\n{count(len(data.workers) - len(shown), 'more worker')}: --all shows each")
    if data.review:
        out(f"\nreviewer, before the wrap-up, of {data.review.of}")
        out(harmless(f"  runs  {join(data.review.command)}".replace("\n", " ")))


def _print_command(worker: PlannedWorker) -> None:
    stdin = f" < {quote(worker.stdin)}" if worker.stdin else ""
    out(harmless(f"  runs  {join(worker.command)}{stdin}".replace("\n", " ")))


def _print_some(rows: Iterable[str], number: int, most: int | None) -> None:
    for at, row in enumerate(rows):
        if most is not None and at == most:
            out(f"  {number - most} more")
            return
        out(f"  {row}")


def _print_prompt(data: PlannedDeployment, file: str, edge: str) -> None:
    """Print the beginning of what the first worker is told, behind an edge."""
    first = data.workers[0]
    rows: Sequence[str] = harmless(first.prompt).rstrip().splitlines()
    if not rows:
        return
    out(f"\nprompt of {first.name}, {count(len(rows), 'line')}")
    for row in rows[:PROMPT_ROWS_SHOWN]:
        raw(f"{edge} {row}".rstrip())
    if len(rows) > PROMPT_ROWS_SHOWN:
        out(f"{edge} {len(rows) - PROMPT_ROWS_SHOWN} more:  wakeman plan {quote(file)} --prompt {first.name}")
