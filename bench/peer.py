"""Programs that are measured beside Wakeman, installed from PyPI into virtual environments of their own, `.peers`.

Of them, CLI Agent Orchestrator has a server, which watches each terminal's screen, and Bernstein one that hands out
tasks.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

PEERS = Path(__file__).parents[1] / ".peers"
PYTHONS = Path(__file__).parents[1] / "scripts/pythons.sh"
PACKAGE, SERVER = "cli-agent-orchestrator", "cao-server"
TASKS = "bernstein"
YOUNGER = {TASKS: (3, 12)}
"""Peer -> the oldest Python that it runs on, where that is younger than ours."""
PATIENCE = 60.0

MOCK = """\
#!/bin/sh
# The agent that its mock provider drives: a prompt, an answer, the prompt again.
printf '❯ '
while read -r line; do printf '> MOCK: %s\\n❯ ' "$line"; done
"""


def program(package: str, name: str = "") -> Path:
    """Return a program of a peer, whose package is installed first where it is not there yet."""
    venv = PEERS / package  # of its own: each wants another libtmux
    if not (venv / "bin" / (name or package)).exists():
        subprocess.run([_python(package), "-m", "venv", "--clear", str(venv)], check=True)
        argv = [str(venv / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        subprocess.run(argv, check=True)
    return venv / "bin" / (name or package)


def runs(package: str) -> bool:
    """Return whether this machine has a Python that a peer runs on."""
    return bool(_python(package))


def _python(package: str) -> str:
    """Return the newest Python here that a peer runs on; "" where there is none."""
    oldest = YOUNGER.get(package, (0, 0))
    if sys.version_info >= oldest:
        return sys.executable
    listed = subprocess.run([str(PYTHONS)], capture_output=True, text=True, check=True).stdout.split("\n")
    found = [line.split(" ", 1) for line in listed if line]
    able = [path for number, path in found if tuple(map(int, number.split("."))) >= oldest]
    return able[-1] if able else ""


def version(package: str, name: str = "") -> str:
    """Return the version of a peer."""
    asked = f"import importlib.metadata as m; print(m.version({package!r}))"
    python = program(package, name).with_name("python")
    return subprocess.run([str(python), "-c", asked], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def peer(workers: int) -> Iterator[tuple[str, list[int]]]:
    """Run the peer with that many idle agents of its mock provider; return its version and its processes.

    Shape: what counts is its server and what that has started outside tmux; the agents and tmux are as ours are.
    """
    server, number = program(PACKAGE, SERVER), version(PACKAGE, SERVER)
    with tempfile.TemporaryDirectory(prefix="wk", ignore_cleanup_errors=True) as name:
        place = Path(name)
        mock = place / "bin/mock_cli"
        mock.parent.mkdir()
        mock.write_text(MOCK)
        mock.chmod(0o755)
        path = f"{mock.parent}:/usr/bin:/bin"
        # A login shell sets PATH anew, and its terminals are login shells.
        (place / ".bash_profile").write_text(f"export PATH={path}\n")
        port = _free()
        env = {
            "HOME": name,
            "PATH": path,
            "LANG": "C.UTF-8",
            "SHELL": "/bin/bash",
            "TMUX_TMPDIR": name,
            "CAO_HOME_DIR": f"{name}/cao",
            "CAO_API_PORT": str(port),
        }
        with (place / "server.log").open("wb") as log:
            process = subprocess.Popen([str(server)], env=env, stdout=log, stderr=log, start_new_session=True)
        try:
            _answers(port)
            for n in range(workers):
                _session(port, f"w{n}", place)
            yield number, _family(process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)
            subprocess.run(["tmux", "kill-server"], env=env, capture_output=True)
            time.sleep(0.5)  # its shells write their history as they go


@contextmanager
def task_server() -> Iterator[tuple[str, list[int]]]:
    """Run the server of Bernstein that hands out tasks, without a task or an agent; return as `peer` does."""
    server, number = program(TASKS), version(TASKS)
    with tempfile.TemporaryDirectory(prefix="wk", ignore_cleanup_errors=True) as name:
        port = _free()
        env = {"HOME": name, "PATH": f"{server.parent}:/usr/bin:/bin", "LANG": "C.UTF-8", "DO_NOT_TRACK": "1"}
        with Path(name, "server.log").open("wb") as log:
            argv = [str(server), "serve", "--host", "127.0.0.1", "--port", str(port)]
            process = subprocess.Popen(argv, env=env, cwd=name, stdout=log, stderr=log, start_new_session=True)
        try:
            _answers(port)
            yield number, _family(process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)


def _free() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def _answers(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(ConnectionError):
            return _asked(port, "GET", "/health")
        assert time.monotonic() < until, "the peer's server does not answer"
        time.sleep(0.2)


def _session(port: int, name: str, place: Path) -> None:
    asked = {"agent_profile": "developer", "provider": "mock_cli", "session_name": name}
    _asked(port, "POST", f"/sessions?{urlencode({**asked, 'working_directory': str(place)})}")


def _asked(port: int, method: str, target: str) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, target)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()
    assert answer.status < 300, said


def _family(pid: int) -> list[int]:
    """List a process and its descendants, but for tmux and what runs in it."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name, _, fields = (file / "stat").read_text().partition("(")[2].rpartition(")")
            parents[int(file.name)] = (int(fields.split()[1]), name)
    found = [pid]
    for one in found:
        found += [child for child, (parent, name) in parents.items() if parent == one and not name.startswith("tmux")]
    return found
