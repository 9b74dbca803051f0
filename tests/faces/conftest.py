"""A place to work in: its own state directory, home and tmux sockets, the real disk, tmux and `at`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from tests.processes import processes
from tests.waiting import until

from wakeman.adapters import local
from wakeman.engine import alarm
from wakeman.engine.runs import readable
from wakeman.faces.cli import main
from wakeman.ports import SOON

TMUX = shutil.which("tmux") or "tmux"

SLEEPER = """
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sleep", "600"]
name = "night_{{ group.name }}"
stagger = 0
socket = "faces"
"""
"""Two workers that never end by themselves."""


class Said(NamedTuple):
    """What one call gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Read stdout as one JSON object."""
        return json.loads(self.out)


class Place:
    """A directory in which `wakeman` is called, in this process."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.state = path / "state"
        self._capsys = capsys

    def __call__(self, *words: str) -> Said:
        """Call `wakeman` with these words."""
        self._capsys.readouterr()
        code = main(list(words))
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)

    def plan(self, text: str = SLEEPER, name: str = "plan.toml") -> str:
        """Write a plan file and give its name."""
        (self.path / name).write_text(text)
        return name

    def up(self, text: str = SLEEPER) -> None:
        """Start a plan."""
        said = self("up", self.plan(text))
        assert said.code == 0, said.err

    @property
    def _socket(self) -> Path:
        return self.path / "tmux" / f"tmux-{os.getuid()}" / "faces"

    @property
    def served(self) -> bool:
        """Return whether there was a server at the sleeper's socket."""
        return self._socket.exists()

    def tmux(self, *words: str) -> str:
        """Run tmux on the sleeper's socket, as a person would."""
        argv = [TMUX, "-S", str(self._socket), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20).stdout.strip()

    def tree(self) -> dict[str, tuple[int, int]]:
        """Return every file below with its size and time of change; sockets and what a reader locks are left out."""
        files = [path for path in self.path.rglob("*") if path.is_file() and path.name != "tmux.sh"]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}

    def repository(self) -> None:
        """Make it a git repository with one commit."""
        for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "begin"]):
            who = ["-c", "user.name=Person", "-c", "user.email=person@localhost"]
            subprocess.run(["git", *who, *words], cwd=self.path, check=True)

    def client(self) -> None:
        """Put a program on PATH that is called as Claude Code is, and does nothing."""
        program = self.path / "programs" / "claude"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        os.environ["PATH"] = f"{program.parent}:{os.environ['PATH']}"

    def checking(self) -> bool:
        """Return whether a check is under way here, or follows within seconds; an alarm that sleeps is not meant."""
        alarms = set(self.markers())
        return any(one.checks and not alarms & set(one.argv) for one in processes(str(self.path)))

    def markers(self) -> list[str]:
        """Return what the bodies of the alarms of the deployments here hold."""
        return [alarm.marker(d) for d in readable(local.world(str(self.state), "hand")).values()]

    def disown(self, name: str) -> None:
        """Have the registry know nothing of a deployment, as on another machine."""
        local.world(str(self.state), "hand").registry.forget(str(self.state / name))

    def vanish(self) -> None:
        """Take the logs away between two checks, so that none sets another alarm or writes another file."""
        world = local.world(str(self.state), "hand")
        for name in readable(world):
            with world.logs.hold(name, "hand:0", wait=30):
                (self.state / name).rename(self.path / f"gone-{name}")

    def jobs(self) -> list[str]:
        """List the alarms that `at` holds for the deployments here."""
        return _jobs(self.markers())


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    # The path of a socket may not be longer than about 100 bytes, and pytest's own directories are.
    with TemporaryDirectory(prefix="wf", dir="/tmp", ignore_cleanup_errors=True) as directory:
        path = Path(directory)
        (path / "tmux").mkdir()
        for variable in ("TMUX", "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("TMUX_TMPDIR", str(path / "tmux"))
        monkeypatch.setenv("WAKEMAN_STATE", str(path / "state"))
        monkeypatch.setenv("HOME", directory)
        monkeypatch.setenv("PATH", os.environ.get("PATH", ""))  # undone at the end, as `client` changes it
        monkeypatch.chdir(path)
        here = Place(path, capsys)
        yield here
        markers = here.markers()
        here.vanish()  # first: the end of a worker would have a check start others
        if here.served:
            here.tmux("kill-server")
        until(lambda: _woken(markers) and not _is_busy(directory))  # a check on its way may set one more alarm
        if markers:
            local.world(None, "hand").timer.disarm(_jobs(markers))


def _woken(markers: Sequence[str]) -> bool:
    """End what sleeps for these deployments."""
    if not markers:
        return True
    timer = local.world(None, "hand").stand_in
    timer.disarm([job.job for marker in markers for end in ("", SOON) for job in timer.find(marker + end)])
    return True


def _is_busy(directory: str) -> bool:
    """Return whether a process was started with that directory in an argument; tmux's server was not."""
    return any("new-session" not in one.argv for one in processes(directory))


def _jobs(markers: Iterable[str]) -> list[str]:
    alarms = local.world(None, "hand").timer
    return [] if alarms.weakness() else [job.job for marker in markers for job in alarms.find(marker)]
