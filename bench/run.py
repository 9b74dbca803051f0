"""Measure what the design promises, each figure beside the plain thing that it is held against: `make bench`.

`python -m bench.run` measures everything, `python -m bench.run NAME...` some. Each bench is written to the page of
benchmarks as soon as it has ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from bench import calling, checks, cluster, confining, durable, elsewhere, growth, nights, wall, watching
from bench.figures import Figure, keep, line

BENCHES: dict[str, Callable[[], Iterator[Figure]]] = {
    bench.__name__: bench
    for bench in (
        checks.check, checks.capture, checks.alarm, checks.status,
        nights.demo, nights.launch, nights.crowd, nights.handover, watching.watch, watching.flood, watching.idle,
        growth.decisions, growth.rehearse, growth.queues, growth.plan, wall.wall,
        durable.append, durable.replay, durable.audit, durable.loading, durable.resume, durable.writers,
        confining.confine, calling.mcp, calling.deliver, cluster.jobs, cluster.hosts,
        elsewhere.terminals, elsewhere.loss, elsewhere.lengths,
    )
}  # fmt: skip
"""Name -> what measures; its docstring says how, and is on the page."""


def main() -> int:
    """Run the benches that are named, or all, each in a process of its own: so none measures what another has used."""
    names = sys.argv[1:] or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"{', '.join(unknown)}: no such bench; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    if len(names) > 1:
        return max(subprocess.run([sys.executable, "-m", "bench.run", name], check=False).returncode for name in names)
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state  # a check looks at all deployments of a user: none but these
        figures = []
        for one in BENCHES[names[0]]():
            print(f"{names[0]}: {line(one)}", flush=True)
            figures.append(one)
    keep(names[0], " ".join((BENCHES[names[0]].__doc__ or "").split()), figures, list(BENCHES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
