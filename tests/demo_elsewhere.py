"""The demo on machines that this one stands in for: `python -m tests.demo_elsewhere slurm`, or `ssh`.

A fixture is started: a Slurm cluster of three nodes, or three hosts that answer ssh, on the loopback interface. The
demo's plan gets the tables of that executor, runs to its end, is summed up and audited, and the fixture is ended. What
it made stays in `state/`, under its own name. Exit status: 0 when all was complete and true, 2 where it cannot run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import slurm, sshd

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "examples" / "condense"
STATE = ROOT / "state"
UNABLE = {"slurm": slurm.UNABLE, "ssh": sshd.UNABLE}
LOCAL_MEMORY = 'memory  = "64M"'
"""The line of the demo's plan that is about this machine."""


@contextmanager
def _slurm() -> Iterator[tuple[str, dict[str, str]]]:
    with slurm.running_cluster() as cluster:
        yield '[slurm]\nmemory = "200M"\n', {"SLURM_CONF": str(cluster.conf)}


@contextmanager
def _ssh() -> Iterator[tuple[str, dict[str, str]]]:
    with sshd.running_hosts() as hosts:
        slots = ", ".join(f"{name} = 3" for name in sshd.HOSTS)
        yield f'[ssh]\nhosts = {{ {slots} }}\nconfig = "{hosts.config}"\n', {}


FIXTURES = {"slurm": _slurm, "ssh": _ssh}


def plan(kind: str, tables: str, place: Path) -> Path:
    """Write the demo's plan for another executor, beside copies of its programs."""
    for program in ("condense.py", "modules.py"):
        shutil.copy(DEMO / program, place / program)
    text = (DEMO / "wakeman.toml").read_text()
    text = text.replace('name = "condense"', f'name = "condense-{kind}"').replace(LOCAL_MEMORY, "")
    file = place / "wakeman.toml"
    file.write_text(text.replace("[workers]\n", f'[workers]\nexecutor = "{kind}"\n') + tables)
    return file


def run(kind: str) -> int:
    """Run the demo; print what a person sees. Return the first exit status that is not 0."""
    place = STATE / f"demo-{kind}"
    place.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with FIXTURES[kind]() as (tables, more):
        print(f"demo-{kind}: three machines after {time.monotonic() - began:.1f} s", file=sys.stderr)
        env = os.environ | {"WAKEMAN_STATE": str(STATE), "PATH": f"{ROOT}/.venv/bin:{slurm.PATH}"} | more
        program = ROOT / ".venv" / "bin" / "wakeman"
        steps = (
            (program, "up", str(plan(kind, tables, place)), "--wait"),
            (sys.executable, DEMO / "summary.py", f"condense-{kind}", "--state", str(STATE)),
            (program, "audit", f"condense-{kind}"),
        )
        codes = [subprocess.run(step, env=env, cwd=ROOT, check=False).returncode for step in steps]
    return next((code for code in codes if code), 0)


def main() -> int:
    """Run one of the two."""
    kinds = " or ".join(FIXTURES)
    if len(sys.argv) != 2 or sys.argv[1] not in FIXTURES:
        print(f"usage: python -m tests.demo_elsewhere {kinds}", file=sys.stderr)
        return 2
    (kind,) = sys.argv[1:]
    if UNABLE[kind]:
        print(f"demo-{kind}: cannot run here: {UNABLE[kind]}", file=sys.stderr)
        return 2
    return run(kind)


if __name__ == "__main__":
    sys.exit(main())
