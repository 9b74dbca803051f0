"""What a confinement adds to the launch of an attempt: the same wrapper and program, with it and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figures import Figure, figure, paired

import wakeman.adapters
from wakeman.adapters.confine import WAYS, Confine
from wakeman.adapters.machine import LocalMachine
from wakeman.core.errors import ProgramError
from wakeman.core.model import Confinement
from wakeman.ports import Reach

LAUNCHES = 400
PLACES = 8
WRAPPER = str(Path(wakeman.adapters.__file__).with_name("wrapper.sh"))


def confine() -> Iterator[Figure]:
    """The wrapper from its start to its end around `true`: unconfined, and with each way that works here, in turn."""
    confiner = Confine(LocalMachine())
    with tempfile.TemporaryDirectory(prefix="wk") as made:
        root = Path(made).resolve()
        ways: dict[str, tuple[str, ...]] = {"unconfined": ()}
        for way in WAYS.values():
            confinement = Confinement(way=way.name, program=shutil.which(way.program) or way.program)
            if confiner._tried(way, confinement.program, os.environ):  # noqa: SLF001 - each way, not the first
                continue
            ways[way.name] = _furnished(confiner, confinement, root / way.name)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(LAUNCHES):
            for name, words in ways.items():
                times[name].append(_launched(root / f"attempt-{name}-{turn}", words))
    plain = times.pop("unconfined")
    for name, took in times.items():
        pairs = [(ours * 1000, bare * 1000) for ours, bare in zip(took, plain, strict=True)]
        yield paired(f"wrapper around true, {name}", "ms", pairs, "unconfined")
        yield figure(f"what {name} adds", "ms", [ours - bare for ours, bare in pairs])


def _furnished(confiner: Confine, confinement: Confinement, kit: Path) -> tuple[str, ...]:
    places = [kit / f"place-{n}" for n in range(PLACES)]
    for place in places:
        place.mkdir(parents=True)
    for name, data in confiner.kit(confinement).items():
        (kit / name).write_bytes(data)
    (kit / "rules").write_bytes(
        confiner.rules(confinement, Reach([str(place) for place in places], hidden=[str(kit.parent)]))
    )
    return confiner.words(confinement, str(kit), str(kit / "rules"))


def _launched(attempt: Path, words: Sequence[str]) -> float:
    attempt.mkdir()
    began = time.perf_counter()
    ran = subprocess.run(["/bin/sh", WRAPPER, str(attempt), "--", *words, "/bin/true"], stdin=subprocess.DEVNULL)
    took = time.perf_counter() - began
    if ran.returncode:
        raise ProgramError(f"{attempt}: exit status {ran.returncode}")
    return took
