"""A second real tmux server at the same socket: its ids start again, and no session is confused with another."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

# The first outlives a hang-up. Each says that it was started, and does its unit when the file `go` names it.
WORKER = """\
import os, pathlib, signal, sys, time
name = sys.argv[1]
if name == "night_a":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
with open("starts", "a") as starts:
    starts.write(os.environ["WAKEMAN_ATTEMPT"] + "\\n")
while name not in pathlib.Path("go").read_text().split():
    time.sleep(0.05)
pathlib.Path("out").mkdir(exist_ok=True)
pathlib.Path("out", name[-1]).write_text("done")
"""

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
by = "{{ unit }}"
name = "night_{{ group.key }}"
command = ["PYTHON", "worker.py", "{{ worker }}"]
mode = "print"
stagger = 0
socket = "SOCKET"
[wake]
every = "1h"
"""


class Servers(Rig):
    """Two workers on a tmux server; the first outlives it."""

    def begin(self) -> None:
        self.write(PLAN)
        (self.place / "worker.py").write_text(WORKER)
        (self.place / "go").write_text("")
        assert 0 == self.run("up", "wakeman.toml").returncode
        until(lambda: 2 == len(self.starts()), 30)
        until(lambda: 2 == len(self.sessions()), 30)
        self.run("check", "night")

    def starts(self) -> list[str]:
        """List the attempts that were started, by worker and number."""
        file = self.place / "starts"
        marks = file.read_text().splitlines() if file.exists() else []
        return sorted(mark.partition("@")[0].removeprefix("night/") for mark in marks)

    def checked(self) -> list[str]:
        """Check, and list the attempts that were started."""
        self.run("check", "night")
        return self.starts()

    def worker(self, name: str) -> dict[str, object]:
        """Return what the status says of one worker."""
        return next(each for each in self.status()["workers"] if each["name"] == name)

    def ids(self) -> dict[str, str]:
        """Return each session's number, by name."""
        rows = self.tmux("list-sessions", "-F", "#{session_name} #{session_id}").splitlines()
        return dict(row.split(" ") for row in rows)

    def gone(self, *units: str) -> None:
        """Let units be done."""
        (self.place / "go").write_text(" ".join(units))

    def completes(self) -> None:
        """Let all be done, and see everything done once, and nothing left."""
        self.gone("night_a", "night_b")
        waited = self.run("wait", "night", "--timeout", "60")
        assert (0, "complete") == (waited.returncode, self.status()["outcome"]), self.trail()
        audited = self.run("audit", "night")
        assert 0 == audited.returncode, audited.stdout
        assert [] == self.alarms()


@pytest.fixture
def servers() -> Iterator[Servers]:
    with rigged(Servers) as servers:
        yield servers


def test_a_worker_that_outlives_its_server_is_not_taken_for_the_first_session_of_the_next(servers: Servers) -> None:
    servers.begin()
    old = servers.ids()["night_a"]
    os.kill(servers.server(), signal.SIGKILL)
    until(lambda: not servers.sessions(), 30)
    # Ended by the hang-up, the second one starts anew: on a server that counts from the beginning.
    until(lambda: "night_b/2" in servers.checked(), 30)
    numbers = servers.ids()
    servers.gone("night_b")
    until((servers.place / "out/b").exists, 30)
    for _ in range(3):
        servers.run("check", "night")
        sent = servers.run("send", "night/night_a", "astray", "--force")

    assert (old, True) == (numbers["night_b"], servers.worker("night_a")["state"] in ("running", "stuck"))
    assert (True, True) == (sent.returncode != 0, "no session" in sent.stderr), sent.stderr
    assert "astray" not in servers.run("capture", "night/night_b").stdout
    assert ["night_a/1", "night_b/1", "night_b/2"] == servers.starts()
    servers.completes()
    assert ["night_a/1", "night_b/1", "night_b/2"] == servers.starts()


def test_a_server_whose_socket_was_removed_is_asked_to_make_it_anew(servers: Servers) -> None:
    servers.begin()
    server, panes = servers.server(), servers.panes()
    (servers.place / "tmux").unlink()
    told = servers.status()

    assert (server, panes) == (servers.server(), servers.panes())
    assert {"running"} == {worker["state"] for worker in told["workers"]}
    servers.completes()
    assert ["night_a/1", "night_b/1"] == servers.starts()


def test_of_workers_whose_server_lives_and_cannot_be_reached_nothing_is_decided(servers: Servers) -> None:
    servers.begin()
    server, panes = servers.server(), servers.panes()
    (servers.place / "tmux").unlink()
    servers.tmux("-f", "/dev/null", "new-session", "-d", "-s", "theirs", "exec sh -c 'exit 0'")
    servers.tmux("new-session", "-d", "-s", "also", "sleep 600")
    before = len(servers.events())
    servers.run("check", "night")
    servers.run("check", "night")

    seen = [s for e in servers.events()[before:] if e["type"] == "looked" for s in e["data"].get("sightings", ())]
    assert {"unknown"} == {s["session"] for s in seen}, seen
    assert all("which lives" in s["why"] for s in seen), seen
    assert [] == [e for e in servers.events()[before:] if e["type"] in ("exited", "relaunched")]
    assert ["night_a/1", "night_b/1"] == servers.starts()
    servers.tmux("kill-server")
    os.kill(server, signal.SIGUSR1)  # it makes its socket anew
    until(lambda: panes == servers.panes(), 30)
    servers.completes()
    assert ["night_a/1", "night_b/1"] == servers.starts()
