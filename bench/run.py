"""Measure what the design promises, each figure beside the plain thing that it is held against: `make bench`.

`python -m bench.run` measures everything, `python -m bench.run NAME...` some. Each bench is written to the page of
benchmarks as soon as it has ended.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator

from bench import calling, checks, cluster, confining, durable, growth, nights, watching
from bench.figures import Figure, keep, line

BENCHES: dict[str, Callable[[], Iterator[Figure]]] = {
    bench.__name__: bench
    for bench in (
        checks.check, checks.capture, checks.alarm, checks.status,
        nights.demo, nights.launch, nights.crowd, nights.handover, watching.watch, watching.flood, watching.idle,
        growth.decisions, growth.rehearse, growth.plan,
        durable.append, durable.replay, durable.audit, durable.loading, durable.resume, durable.writers,
        confining.confine, calling.mcp, calling.deliver, cluster.jobs, cluster.hosts,
    )
}  # fmt: skip
"""Name -> what measures; its docstring says how, and is on the page."""


def main() -> None:
    """Run the benches that are named, or all."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        raise SystemExit(f"{', '.join(unknown)}: no such bench; there are {', '.join(BENCHES)}")
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # a check looks at all deployments of a user: none but these
        for name in names:
            figures = []
            for one in BENCHES[name]():
                print(f"{name}: {line(one)}", flush=True)
                figures.append(one)
            keep(name, " ".join((BENCHES[name].__doc__ or "").split()), figures, list(BENCHES))


if __name__ == "__main__":
    main()
