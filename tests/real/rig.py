"""A state directory, plans and a tmux socket of their own, driven by the installed program from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.processes import processes
from tests.waiting import until

REAL = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
    pytest.mark.skipif(shutil.which("at") is None or os.geteuid() != 0, reason="needs `at`, and root to fire a job"),
]
_PLAIN = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_TMUX = shutil.which("tmux") or shutil.which("tmux", path=_PLAIN)
PATH = _PLAIN if _TMUX in (None, shutil.which("tmux", path=_PLAIN)) else f"{os.path.dirname(_TMUX)}:{_PLAIN}"
"""What the program is called with: it and the tests ask the same tmux, of whichever version stands first on PATH."""
PATIENCE = 100.0
"""Seconds that one call of the program may take here."""

ENDS_S = 240.0
"""Seconds in which a night is over: a check may wait for a host that says nothing, on a machine that is busy."""

Said = subprocess.CompletedProcess[str]


class Rig:
    """A place to work in; everything in it is found by its path, and ended by it."""

    def __init__(self, place: Path) -> None:
        self.place, self.socket, self.state = place, place / "tmux", place / "state"

    def write(self, plan: str, file: str = "wakeman.toml") -> None:
        """Write a plan file; PYTHON, SOCKET and PLACE stand for what only the rig knows."""
        known = {"PYTHON": sys.executable, "SOCKET": str(self.socket), "PLACE": str(self.place)}
        for word, value in known.items():
            plan = plan.replace(word, value)
        (self.place / file).write_text(plan)

    def argv(self, *words: str) -> list[str]:
        """Return the command line of a verb."""
        return [sys.executable, "-P", "-m", "wakeman", *words, "--state", str(self.state)]

    def clean(self) -> dict[str, str]:
        """Return the environment that the program gets here unless a test says otherwise."""
        return {"PATH": PATH, "HOME": str(self.place)}

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Said:
        """Call the program and wait for its end."""
        return self.call(self.argv(*words), env)

    def elsewhere(self, *words: str) -> Said:
        """Call the program as a machine of another id does, which shares this place and has a registry of its own."""
        file = self.place / "machine-id"
        file.write_text("another\n")
        bound = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/machine-id && exec "$@"', str(file))
        env = {**self.clean(), "XDG_STATE_HOME": str(self.place / "theirs")}
        return self.call([*bound, *self.argv(*words)], env)

    def call(self, argv: list[str], env: Mapping[str, str] | None = None) -> Said:
        """Run any command here, with nothing in its environment but `env`."""
        given = self.clean() if env is None else dict(env)
        return subprocess.run(argv, cwd=self.place, env=given, capture_output=True, text=True, timeout=PATIENCE)

    def side_by_side(self, *calls: tuple[str, ...]) -> list[Said]:
        """Call the program several times at once."""
        running = [
            subprocess.Popen(
                self.argv(*words),
                cwd=self.place,
                env=self.clean(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for words in calls
        ]
        said = [process.communicate(timeout=PATIENCE) for process in running]
        return [Said(p.args, p.returncode, *texts) for p, texts in zip(running, said, strict=True)]

    def status(self, name: str = "night") -> dict[str, Any]:
        """Return what `status --json` says."""
        found: dict[str, Any] = json.loads(self.run("status", name, "--json").stdout)
        return found

    def log(self, name: str = "night") -> Path:
        """Return the file of a deployment's log."""
        return self.state / name / "events.jsonl"

    def events(self, name: str = "night") -> list[dict[str, Any]]:
        """Read the whole lines of a log: one may be under way."""
        return [json.loads(line) for line in self.log(name).read_text().split("\n")[:-1]]

    def rows(self, name: str = "night") -> list[str]:
        """List the deployment rows that were taken."""
        return [e["data"]["row"] for e in self.events(name) if e["type"] == "decided" and "worker" not in e]

    def tmux(self, *words: str) -> str:
        """Run tmux on the rig's socket, as a person would."""
        argv = ["tmux", "-S", str(self.socket), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.strip()

    def sessions(self) -> list[str]:
        """List the sessions by name."""
        return self.tmux("list-sessions", "-F", "#{session_name}").split()

    def panes(self) -> dict[str, int]:
        """Return the process in each session: its number changes when the session is touched."""
        rows = self.tmux("list-panes", "-a", "-F", "#{session_name} #{pane_pid}").splitlines()
        return {name: int(pid) for name, pid in (row.rsplit(" ", 1) for row in rows)}

    def server(self) -> int:
        """Return the tmux server's process id."""
        return int(self.tmux("display-message", "-p", "#{pid}"))

    def alarms(self) -> list[str]:
        """List the queued jobs that carry this directory in their body."""
        queued = [
            line.split()[0] for line in subprocess.run(["atq"], capture_output=True, text=True).stdout.splitlines()
        ]
        return [job for job in queued if str(self.place) in self.body(job)]

    def body(self, job: str) -> str:
        """Return what a job runs."""
        return subprocess.run(["at", "-c", job], capture_output=True, text=True).stdout

    def trail(self, name: str = "night") -> str:
        """Return what checks from outside have said, for the message of a test that fails."""
        file = self.state / name / "check.log"
        return file.read_text() if file.exists() else ""

    def fire(self, job: str) -> None:
        """Have the machine run a queued alarm now: the same body as a job long overdue, in place of this one."""
        body = self.body(job)
        subprocess.run(["atrm", job], capture_output=True, check=True)
        subprocess.run(["at", "-t", "202001010000"], input=body, capture_output=True, text=True, check=True)
        subprocess.run(["atd", "-s"], capture_output=True)  # where no daemon runs, one pass over the queue

    def tree(self) -> dict[str, tuple[int, int]]:
        """Return every path with its size and time of change."""
        paths = [path for path in self.place.rglob("*") if path.name != "tmux" and not path.is_symlink()]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths if not path.is_dir()} | {
            f"{path}/": (0, 0) for path in paths if path.is_dir()
        }

    def everything(self) -> tuple[dict[str, tuple[int, int]], dict[str, int], list[str]]:
        """Return all that a refused command must leave as it was: files, sessions, alarms."""
        return self.tree(), self.panes(), self.alarms()

    def close(self) -> None:
        """End what the test started, and nothing else."""
        for log in self.state.glob("*/events.jsonl"):
            if '"type":"closed"' not in log.read_text():
                self.run("down", log.parent.name)
        self.tmux("kill-server")
        until(lambda: not list(processes(str(self.place))), 30)
        for job in self.alarms():
            subprocess.run(["atrm", job], capture_output=True)
        shutil.rmtree(self.place, ignore_errors=True)


class SteppedRig(Rig):
    """A rig whose workers wait until the test lets them go on."""

    def go(self, keys: str) -> None:
        """Let workers go on."""
        for key in keys:
            (self.place / f"go.{key}").touch()

    def states(self) -> dict[str, str]:
        """Look once more, and return the state of each worker."""
        self.run("check", "night")
        return {each["name"]: each["state"] for each in self.status()["workers"]}

    def ends(self) -> None:
        """Check until the night is over."""
        until(lambda: self.states() and self.status()["outcome"] != "open", ENDS_S)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind."""
        return [event for event in self.events() if event["type"] == kind]


AnyRig = TypeVar("AnyRig", bound=Rig)


@contextmanager
def rigged(kind: Callable[[Path], AnyRig]) -> Iterator[AnyRig]:
    """Yield a rig in a directory of its own."""
    rig = kind(Path(tempfile.mkdtemp(prefix="wk", dir="/tmp")))  # a socket's path has room for a hundred bytes
    try:
        yield rig
    finally:
        rig.close()
