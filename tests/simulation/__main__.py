"""Run simulated deployments: `SEED [--trace]` repeats one, `--seeds 0:100000` runs many, `--mutants` measures."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress

from tests.simulation.elsewhere import night_of
from tests.simulation.mutants import MUTANTS, UNDONE, planted
from tests.simulation.receivers import begun
from tests.simulation.rules import BrokenError

from wakeman.adapters.machine import LocalMachine

SHOWN = 20
"""Broken nights that are named; the rest are counted."""
KINDS = {"lost": "a notice is lost", "doubled": "told twice"}
"""What a rule about notices says that is broken."""
STEPS = 60
"""Steps that are shown of the first of them: its last."""


def again(seed: int) -> str:
    """Return the command that plays a night again."""
    return f"{sys.executable} -m tests.simulation {seed} --trace"


def one(seed: int, *, trace: bool) -> bool:
    """Run one night and say how it ended; tell whether all held."""
    try:
        d = night_of(seed, print if trace else None).play()
    except BrokenError as fault:
        print(f"seed {seed}: {fault}")
        return False
    print(f"seed {seed}: {d.outcome}: {d.why}")
    return True


def many(first: int, end: int, mutant: str = "", owner: int = 0) -> list[tuple[int, str]]:
    """Run many nights, each by its own seed; list those in which something happened that never must, and why.

    Boundary: with an `owner` no more are begun once that process is gone.
    """
    broken = []
    ends: Counter[str] = Counter()
    began, spent = time.monotonic(), time.process_time()
    gc.set_threshold(400_000, 50, 50)  # a night leaves a thousand objects behind, and 60 MB of them cost nothing
    with ExitStack() as stack:
        if mutant:
            stack.enter_context(planted({**MUTANTS, **UNDONE}[mutant]))
        for seed in range(first, end):
            if owner and not LocalMachine().alive(owner):
                break
            try:
                ends[night_of(seed).play().outcome] += 1
            except BrokenError as fault:
                broken.append((seed, str(fault)))
    seconds, spent = time.monotonic() - began, time.process_time() - spent
    rate = f"{seconds:.1f} s, {(end - first) / spent:.0f} nights a CPU second"
    print(f"{mutant or 'the product'}: {len(broken)} of {end - first} broken; {dict(ends)}; {rate}", flush=True)
    return broken


def told(first: int, end: int) -> list[tuple[int, str]]:
    """Run nights whose receivers die, come back, are busy or gone; print how notices fared, and list what is broken."""
    broken, moods, notices = [], Counter[str](), 0
    for seed in range(first, end):
        night = night_of(seed, troubled=True)
        try:
            night.play()
        except BrokenError as fault:
            broken.append((seed, str(fault)))
        moods += night.scene.receivers.moods
        notices += len(begun(night.rules.events))
    kinds = {kind: sum(words in why for _, why in broken) for kind, words in KINDS.items()}
    print(f"{end - first} nights, {notices} notices, {moods.total()} deliveries: {dict(moods)}; {kinds}", flush=True)
    return broken


def main() -> int:
    """Run what is asked for; 1 when something happened that must never happen."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--trace", action="store_true", help="print each step")
    parser.add_argument("--seeds", metavar="FIRST:END", default="0:10000", help="without SEED: those to play")
    parser.add_argument("--mutants", action="store_true", help="with each break of the product: count who sees it")
    parser.add_argument("--told", action="store_true", help="with receivers in trouble: count how notices fare")
    parser.add_argument("--owner", type=int, default=0, help="process id: end when that process does")
    options = parser.parse_args()
    if options.seed is not None:
        return 0 if one(options.seed, trace=options.trace) else 1
    first, end = (int(number) for number in options.seeds.split(":"))
    if options.mutants:
        for name in (*MUTANTS, *UNDONE):
            many(first, end, name)
        return 0
    broken = told(first, end) if options.told else many(first, end, owner=options.owner)
    for seed, why in broken[:SHOWN]:
        print(f"seed {seed}: {why}\n    {again(seed)}")
    if broken:
        steps: list[str] = []
        with suppress(BrokenError):
            night_of(broken[0][0], steps.append).play()
        print(f"the last steps of seed {broken[0][0]}:", *steps[-STEPS:], sep="\n    ")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
