"""A private tmux socket for each test; its server is ended by that socket and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from wakeman.adapters.tmux import Tmux

PROGRAM = shutil.which("tmux") or "/usr/bin/tmux"
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/", "LANG": "C.UTF-8"}


class Rig:
    """One socket, seen through the adapter (`tmux`) and by hand (`raw`)."""

    def __init__(self, place: Path, *, attended: bool = False) -> None:
        self.place = place
        self.attended = attended
        self.socket = str(place / "s")
        self.tmux = Tmux(self.socket, PROGRAM, str(place), ENV, attended=attended)

    def impatient(self) -> Tmux:
        """Return the same sessions, through an adapter with a timeout of half a second."""
        directory = self.place / "impatient"
        directory.mkdir(exist_ok=True)
        return Tmux(self.socket, PROGRAM, str(directory), ENV, timeout=0.5, attended=self.attended)

    def raw(self, *words: str) -> str:
        """Run tmux as a person would."""
        argv = (PROGRAM, "-u", "-f", "/dev/null", "-S", self.socket, *words)
        ran = subprocess.run(argv, capture_output=True, env=ENV, check=False, timeout=20)
        return ran.stdout.decode().strip()

    def server(self) -> int:
        """Return the server's process id."""
        return int(self.raw("display-message", "-p", "#{pid}"))


@contextmanager
def server_of_its_own(*, attended: bool = False) -> Iterator[Rig]:
    """Yield a server that nobody else uses; it is ended afterwards."""
    # The path of a socket may not be longer than about 100 bytes, and pytest's own directories are.
    with TemporaryDirectory(prefix="wk", dir="/tmp", ignore_cleanup_errors=True) as place:
        rig = Rig(Path(place), attended=attended)
        yield rig
        rig.raw("kill-server")


@pytest.fixture(params=[False, True], ids=["check", "person"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with server_of_its_own(attended=request.param) as made:
        yield made
