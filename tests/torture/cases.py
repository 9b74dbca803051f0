"""Which cases of a table are run: all, a sample from a seed, or a named one.

`WAKEMAN_TORTURE` is `all`, a number of cases for each table, or a case's name; `WAKEMAN_TORTURE_SEED` draws another
sample. Without either a few are drawn, the same ones each time.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from traceback import format_exception_only, format_tb

import pytest
from tests.real.rig import rigged
from tests.torture.rig import Torture

WANTED = os.environ.get("WAKEMAN_TORTURE", "")
SEED = os.environ.get("WAKEMAN_TORTURE_SEED", "1")
SIDE_BY_SIDE = 3
"""Cases at once: most of the time of one is waiting."""

patient = pytest.mark.timeout(0 if WANTED == "all" else 120 if not WANTED.isdecimal() else 120 + 3 * int(WANTED))


def chosen(table: str, cases: Sequence[str], few: int) -> list[str]:
    """Choose among a table's cases; `few` are run where nothing is asked for."""
    if WANTED == "all":
        return list(cases)
    if WANTED and not WANTED.isdecimal():
        return [case for case in cases if f"{table} {case}" == WANTED]
    most = int(WANTED) if WANTED else few
    draw = Random(f"{SEED} {table}")  # noqa: S311 - no secret
    picked = draw.sample(range(len(cases)), min(most, len(cases)))
    return [cases[at] for at in sorted(picked)]


def wanted(table: str) -> bool:
    """Return whether any case of a table can be among those asked for; to list its cases may cost a run."""
    return not WANTED or WANTED == "all" or WANTED.isdecimal() or WANTED.startswith(f"{table} ")


def torture(
    table: str,
    cases: Sequence[str],
    few: int,
    play: Callable[[Torture, str], None],
    rig: Callable[[Path], Torture] = Torture,
) -> None:
    """Run the chosen cases, each in a rig of its own.

    Raises: AssertionError naming each that failed, and how to run it again.
    """
    picked = chosen(table, cases, few)
    begun = time.monotonic()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        faults = [fault for fault in pool.map(lambda case: _played(table, case, play, rig), picked) if fault]
    took = time.monotonic() - begun
    sys.stderr.write(f"{table}: {len(picked)} of {len(cases)} cases, {took:.1f} s, {len(faults)} failed\n")
    assert not faults, "\n" + "\n".join(faults)


def _played(table: str, case: str, play: Callable[[Torture, str], None], kind: Callable[[Path], Torture]) -> str:
    try:
        with rigged(kind) as rig:
            try:
                play(rig, case)
            except Exception:
                sys.stderr.write(f"{table} {case}:\n{rig.evidence()}\n")
                raise
    except Exception as fault:
        again = f"WAKEMAN_TORTURE={shlex.quote(f'{table} {case}')} make torture"
        where = "".join(format_tb(fault.__traceback__)[-3:])
        message = f"{table} {case}: {''.join(format_exception_only(fault))}{where}  again: {again}\n"
        sys.stderr.write(message)
        return message
    return ""
