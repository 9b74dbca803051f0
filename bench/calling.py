"""How soon agents can call, and how soon a decision reaches whom it is for."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.figures import Figure, figure, in_turn, paired
from bench.place import Place

from wakeman.adapters import local
from wakeman.core.log.events import Intended
from wakeman.engine.check import check

STARTS = 10
NIGHTS = 20
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}
BARE = """\
import sys, anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server
print("{}", flush=True)
"""
CLIENT = Path(__file__).parents[1] / "tests" / "tui.py"


def mcp() -> Iterator[Figure]:
    """`wakeman mcp` from its start to its answer to a client."""
    place = Place()
    words = place.words("mcp")

    def answered(argv: list[str]) -> float:
        began = time.perf_counter()
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, cwd=place.path) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            with suppress(BrokenPipeError):
                server.stdin.write(json.dumps(HELLO).encode() + b"\n")
                server.stdin.flush()
            assert server.stdout.readline()
            took = time.perf_counter() - began
            with suppress(BrokenPipeError):
                server.stdin.close()
        return took

    bare = [sys.executable, "-c", BARE]
    pairs = in_turn(lambda: answered(words), lambda: answered(bare), STARTS)
    yield paired("mcp, started and answered", "ms", pairs, "Python that loads the same SDK")
    place.end()


def deliver() -> Iterator[Figure]:
    """From the write of a decision, with its notice, to its delivery: to a program that is run, to an idle session."""
    for kind, target in (("a program", _to_program), ("an idle session", _to_session)):
        yield figure(f"a decision until {kind} has it", "ms", [_delivered(target) * 1000 for _ in range(NIGHTS)])


def _to_program(place: Place) -> tuple[dict[str, Any], Callable[[], float]]:
    """Return a receiver that notes when it has a notice, and what reads that."""
    note = f"import sys, time; open({str(place.path / 'heard')!r}, 'w').write(str(time.time()))"
    return {"run": [sys.executable, "-c", note, "{{ message }}"]}, lambda: float((place.path / "heard").read_text())


def _to_session(place: Place) -> tuple[dict[str, Any], Callable[[], float]]:
    """The same of a session in which a small client waits at its prompt."""
    tmux = ["tmux", "-S", str(place.socket)]
    client = [sys.executable, str(CLIENT), str(place.path / "heard"), "0", ""]
    subprocess.run(
        [*tmux, "-f", "/dev/null", "new-session", "-d", "-s", "desk", "-x", "200", "-y", "50", "--", *client]
    )
    return {"tmux": f"{place.socket}:desk"}, lambda: (place.path / "heard").stat().st_mtime


def _delivered(receiver: Callable[[Place], tuple[dict[str, Any], Callable[[], float]]]) -> float:
    """Run a night to its wrap-up in a check of this process; return the seconds from its decision to the delivery."""
    place = Place()
    to, heard = receiver(place)
    file = place.plan("night", 1, "mkdir -p night-out; until [ -e go ]; do sleep 0.05; done; echo x >night-out/u0")
    plan = json.loads(file.read_text())
    file.write_text(json.dumps({**plan, "wake": {"to": [to], "on": ["wrap up"]}}))
    place.run("up", str(file))
    home = place.path / "state" / "night"
    (home / "check.sh").write_text("exit 0\n")  # the check that decides is to be the one below
    (place.path / "go").touch()
    end = time.monotonic() + 30
    while not list(home.rglob("exit")) and time.monotonic() < end:
        time.sleep(0.02)
    world = local.world(str(place.path / "state"), "exit")
    decided: list[float] = []
    hold = world.logs.hold

    @contextmanager
    def timed(name: str, by: str, wait: float = 5.0) -> Any:
        with hold(name, by, wait) as log:
            append = log.append

            def appended(drafts: Any, at: Any, *, durable: bool = True) -> Any:
                events = append(drafts, at, durable=durable)
                if any(isinstance(each.data, Intended) and each.data.action == "wake" for each in events):
                    decided.append(time.time())
                return events

            log.append = appended  # type: ignore[method-assign] # to see when a decision is on the disk
            yield log

    world.logs.hold = timed  # type: ignore[method-assign] # the same
    check(world, "night")
    took = heard() - decided[0]
    place.end("night")
    return took
