"""Figures: what was measured, beside what, within which limit; kept in `docs/benchmarks.json`, shown in a page."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from bench.place import Spent
from msgspec import Struct

DOCS = Path(__file__).parents[1] / "docs"
KEPT, PAGE = DOCS / "benchmarks.json", DOCS / "benchmarks.md"
ROUNDS = 15
HEAD = """\
# Benchmarks

What Wakeman takes, beside what the same costs without it or with something else. `make bench` measures all of it and
writes this page and [`benchmarks.json`](benchmarks.json); `python -m bench.run NAME...` measures some again, and no
figure of this page comes from anywhere else.

A figure and what it is beside are measured in turn, in one run, so that a busy machine slows both. Shown are medians,
with the smallest and the largest in brackets; the ratio is the median of the rounds' ratios, which depends least on the
machine. A limit is what was aimed at; where it was missed, the page says so. CPU is the time of a process and of those
that it waited for. What must never grow is counted instead of timed, in the tests: `tests/counts`.
"""


class Figure(Struct, frozen=True, omit_defaults=True):
    """One figure. `beside` is what `peer` took in the same rounds; `ratio` the median of the rounds' ratios.

    Shape: `limit` is the largest that is good: of the ratio if there is one and `of` says so, or else of the value.
    """

    what: str
    unit: str
    value: float
    low: float
    high: float
    rounds: int = 1
    peer: str = ""
    beside: float = 0.0
    ratio: float = 0.0
    limit: float = 0.0
    of: Literal["value", "ratio"] = "value"

    @property
    def met(self) -> bool | None:
        """Return whether the limit holds; None without one."""
        if not self.limit:
            return None
        return (self.ratio if self.of == "ratio" else self.value) <= self.limit


class Report(Struct, frozen=True):
    """What one bench has measured, when, and where. `about` is how."""

    at: str
    about: str
    machine: str
    load: float
    figures: tuple[Figure, ...]


def figure(what: str, unit: str, values: list[float], limit: float = 0.0) -> Figure:
    """Return the figure of some rounds."""
    return Figure(what, unit, statistics.median(values), min(values), max(values), len(values), limit=limit)


def paired(what: str, unit: str, pairs: list[tuple[float, float]], peer: str, limit: float = 0.0) -> Figure:
    """Return the figure of rounds that had a peer: (ours, theirs)."""
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    return Figure(
        *(what, unit, statistics.median(ours), min(ours), max(ours), len(pairs), peer, statistics.median(theirs)),
        ratio=statistics.median(a / b for a, b in pairs),
        limit=limit,
        of="ratio",
    )


def in_turn(ours: Callable[[], float], theirs: Callable[[], float], rounds: int = ROUNDS) -> list[tuple[float, float]]:
    """Run both in turn, once more than asked: the first round warms up, and is left out. Units: seconds to ms."""
    return [(ours() * 1000, theirs() * 1000) for _ in range(rounds + 1)][1:]


def spent_in_turn(
    what: str,
    ours: Callable[[], Spent],
    theirs: Callable[[], Spent],
    peer: str,
    rounds: int = ROUNDS,
    limits: Mapping[str, float] = {},
) -> Iterator[Figure]:
    """Run two programs in turn; yield their wall time, and their CPU. Shape: `limits` has "wall" and "CPU"."""
    pairs = [(ours(), theirs()) for _ in range(rounds + 1)][1:]
    for name, at in (("wall", 0), ("CPU", 1)):
        times = [(a[at] * 1000, b[at] * 1000) for a, b in pairs]
        yield paired(f"{what}, {name}", "ms", times, peer, limits.get(name, 0.0))


def kept() -> dict[str, Report]:
    """Read what was measured last, by bench."""
    return msgspec.json.decode(KEPT.read_bytes(), type=dict[str, Report]) if KEPT.exists() else {}


def keep(name: str, about: str, figures: list[Figure], order: list[str]) -> None:
    """Store what a bench measured in place of what it measured before, and write the page anew."""
    report = Report(f"{datetime.now(UTC):%Y-%m-%d}", about, _machine(), round(os.getloadavg()[0], 1), tuple(figures))
    known = {**kept(), name: report}
    reports = {each: known[each] for each in order if each in known}
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(reports)) + b"\n")
    PAGE.write_text(page(reports))


def page(reports: Mapping[str, Report]) -> str:
    """Return the page of all reports."""
    return "\n".join([HEAD, *(_section(name, report) for name, report in reports.items())])


def _section(name: str, report: Report) -> str:
    rows = [
        f"## `{name}`",
        "",
        report.about,
        "",
        f"Measured on {report.at}, {report.machine}, at a load of {report.load:g}.",
        "",
        "| what | Wakeman | beside | ratio | limit |",
        "| --- | --- | --- | --- | --- |",
        *map(_row, report.figures),
        "",
    ]
    return "\n".join(rows)


def _row(one: Figure) -> str:
    spread = f" ({_number(one.low)} to {_number(one.high)}, {one.rounds} rounds)" if one.rounds > 1 else ""
    beside = f"{_number(one.beside)} {one.unit}: {one.peer}" if one.peer else ""
    ratio = f"{one.ratio:.2f}" if one.ratio else ""
    limit = f"{'ratio ' if one.of == 'ratio' else ''}{one.limit:g}{'' if one.of == 'ratio' else ' ' + one.unit}"
    words = "" if one.met is None else f"{limit}, {'met' if one.met else '**missed**'}"
    return f"| {one.what} | {_number(one.value)} {one.unit}{spread} | {beside} | {ratio} | {words} |"


def line(one: Figure) -> str:
    """Return a figure as one line of text."""
    cells = [cell.strip() for cell in _row(one).replace("**", "").strip("|").split("|")]
    return "; ".join(cell for cell in cells if cell)


def _number(value: float) -> str:
    """Return a number with three digits that count."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _machine() -> str:
    tmux = subprocess.run(["tmux", "-V"], capture_output=True, text=True).stdout.strip()
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {sys.version.split()[0]}, {tmux}"
