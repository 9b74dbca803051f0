"""What a confinement hides, what of the network it leaves, and what it says of an older kernel."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.test_confine import ENV, FAULTS, Arena, arena, calling, landlock_version, pytestmark

from wakeman.adapters.confine import LANDLOCK_SCOPES_VERSION, WAYS, Confine, _signals_left
from wakeman.adapters.machine import LocalMachine
from wakeman.core.model import Confinement, Network
from wakeman.ports import Reach

__all__ = ["arena", "pytestmark"]


def allow(arena: Arena, reach: Reach, network: Network = "all") -> None:
    """Write an arena's rules anew."""
    kit = Confine(LocalMachine()).kit(Confinement(way=arena.way, program="", network=network))
    for name, data in kit.items():
        (arena.place / "kit" / name).write_bytes(data)
    (arena.place / "kit/rules").write_bytes(WAYS[arena.way].rules(reach, network))


def usual(arena: Arena) -> Reach:
    place = arena.place
    return Reach([f"{place}/in"], [f"{place}/state/own"], [f"{place}/state"])


# What is hidden


def test_all_but_what_is_hidden_can_be_read(arena: Arena) -> None:
    said = arena.run(
        "cat $STATE/own $OUT/kept /etc/passwd /proc/self/status /proc/version /usr/bin/env >/dev/null && ls / $STATE"
        " $STATE/.. >/dev/null && exec 7<$STATE/own && cat /proc/self/fd/7 && echo WELL",
        confined=True,
    )

    assert "kept\nWELL\n" == said


def test_nothing_that_is_hidden_can_be_read(arena: Arena) -> None:
    (arena.place / "state/deep/er").mkdir(parents=True)
    (arena.place / "state/deep/er/file").write_text("ESCAPED\n")
    (arena.place / "state/link").symlink_to(arena.place / "state/deployment/lock")
    (arena.place / "out/link").symlink_to(arena.place / "state/deep")
    subprocess.run(["chown", "-R", str(arena.user), str(arena.place / "state")], check=True)

    for path in ("$STATE/deep/er/file", "$STATE/link", "$OUT/link/er/file", "$IN/../state/deep/er/file"):
        said = arena.run(f"cat {path} || echo REFUSED", confined=True)
        assert "REFUSED" == said.split()[-1], path
        assert "ESCAPED" not in said


def test_one_s_own_places_lie_in_what_is_hidden(arena: Arena) -> None:
    own = arena.place / "state/deployment/own"
    (own / "deep").mkdir(parents=True)
    subprocess.run(["chown", "-R", f"{arena.user}:{arena.user}", str(arena.place / "state")], check=True)
    allow(arena, Reach([str(own), f"{arena.place}/in"], hidden=[f"{arena.place}/state"]))

    said = arena.run(
        "echo x >$STATE/deployment/own/deep/file && cat $STATE/deployment/own/deep/file && mkfifo $IN/p"
        " && ! cat $LOCK && ! touch $STATE/new && ! touch $STATE/deployment/new && ! rm -r $STATE/deployment/lock"
        " && echo WELL",
        confined=True,
    )

    assert "x" == said.splitlines()[0]
    assert "WELL" == said.splitlines()[-1]


def test_what_comes_beside_the_hidden_later_cannot_be_read_with_landlock(arena: Arena, way: str) -> None:
    """The pages say so. What comes deeper can be read, and with mounts all of it."""
    script = "until [ -e $IN/go ]; do sleep 0.05; done; cat $OUT/later; cat $OUT/../later && echo READ"
    words = {"landlock": "later\ncat: "}.get(way, "later\nlater\nREAD\n")

    def come() -> None:
        for file in ("out/later", "later", "in/go"):
            (arena.place / file).write_text("later\n")

    threading.Timer(0.5, come).start()

    said = arena.run(script, confined=True)

    assert said.startswith(words), said


@pytest.mark.parametrize("path", ["$LOCK", "$STATE/deployment", "$STATE", "$STATE/own"])
def test_modes_of_what_is_hidden_are_kept_by_mounts(arena: Arena, way: str, path: str) -> None:
    """Else a worker of a user who is not root could close the deployment's own files to every check."""
    real = Path(path.replace("$LOCK", arena.env["LOCK"]).replace("$STATE", arena.env["STATE"]))
    before = real.stat()

    said = arena.run(
        f"chmod 0 {path}; touch -d yesterday {path}; setfattr -n user.x -v x {path} 2>/dev/null; chgrp $(id -g) {path}",
        confined=True,
    )

    after = real.stat()
    kept = (before.st_mode, before.st_mtime_ns) == (after.st_mode, after.st_mtime_ns)
    assert WAYS[way].own_mounts == kept, said


def test_a_way_out_of_its_own_directory_does_not_lead_into_what_is_covered(arena: Arena) -> None:
    own = arena.place / "state/deployment/own"
    own.mkdir()
    subprocess.run(["chown", "-R", f"{arena.user}:{arena.user}", str(own)], check=True)
    allow(arena, Reach([str(own), f"{arena.place}/in"], hidden=[f"{arena.place}/state"]))
    arena.env["OWN"] = str(own)

    script = "cd $OWN && (cat ../lock || cat ../../own || cat $OWN/../lock || cat /proc/self/cwd/../lock) && echo READ"

    assert "READ" not in arena.run(script, confined=True)
    assert "READ" in arena.run(script, confined=False)


def test_a_device_is_not_even_opened(arena: Arena, user: int) -> None:
    """To open one may be enough to start it: a watchdog, a tape."""
    if user or not os.access("/dev/kmsg", os.R_OK):
        pytest.skip("needs a device that the user may open")
    script = "exec 7</dev/kmsg && echo OPENED"

    assert "OPENED" in arena.run(script, confined=False)
    assert "OPENED" not in arena.run(script, confined=True)


def test_a_state_directory_that_is_mounted_again_is_hidden_there_too(arena: Arena, user: int) -> None:
    if os.geteuid() != 0 or user:
        pytest.skip("needs a mount")
    again = arena.place / "out/again"
    again.mkdir()
    subprocess.run(["mount", "--bind", str(arena.place), str(again)], check=True)
    try:
        arena.env["AGAIN"] = str(again)
        seen = arena.run("cat $AGAIN/state/deployment/lock && echo ESCAPED", confined=True)
        allow(arena, usual(arena))
        hidden = arena.run("cat $AGAIN/state/deployment/lock && echo ESCAPED; cat $AGAIN/out/kept", confined=True)
    finally:
        subprocess.run(["umount", str(again)], check=True)

    assert "ESCAPED" in seen  # the rules were written before
    assert "ESCAPED" not in hidden
    assert "as it was" in hidden


def test_a_deployment_s_lock_is_free_while_a_confined_worker_tries_it(arena: Arena) -> None:
    """Before, one `flock` held up every check for as long as the worker liked."""
    with_lock = calling('fcntl.flock(os.open(env["LOCK"], os.O_RDONLY), fcntl.LOCK_EX); tell(True); sys.stdin.read()')
    words = Confine(LocalMachine()).words(
        Confinement(way=arena.way, program=shutil.which(WAYS[arena.way].program, path=ENV["PATH"]) or ""),
        f"{arena.place}/kit",
        f"{arena.place}/kit/rules",
    )
    for confined, busy in ((True, False), (False, True)):
        argv = [*arena.prefix(), *(words if confined else ()), "/bin/sh", "-c", with_lock]
        with subprocess.Popen(
            argv, cwd=arena.place / "in", env=arena.env, stdin=-1, stdout=-1, stderr=subprocess.STDOUT
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert busy == (b"ESCAPED" in holder.stdout.readline())
            tried = subprocess.run(["flock", "-n", arena.env["LOCK"], "true"])
            holder.stdin.close()
        assert busy == bool(tried.returncode)


# The network


@pytest.fixture
def server() -> Iterator[int]:
    """Serve on the machine's own loopback interface, by TCP and by UDP; give the port."""
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        packets.bind(stream.getsockname())

        def serve() -> None:
            while True:
                try:
                    caller, _ = stream.accept()
                except OSError:
                    return
                caller.sendall(b"ours")
                caller.close()

        threading.Thread(target=serve, daemon=True).start()
        yield stream.getsockname()[1]
        stream.shutdown(socket.SHUT_RDWR)


CALLS = """$PY -c '
import os, socket, threading
def tried(what, action):
    try:
        print(what, action())
    except OSError as error:
        print(what, "refused")
port = int(os.environ["PORT"])
tried("machine", lambda: socket.create_connection(("127.0.0.1", port), 5).recv(9).decode())
def own(family, host):
    with socket.socket(family) as server:
        server.bind((host, 0)); server.listen()
        with socket.create_connection(server.getsockname()[:2], 5) as one:
            server.accept()[0].sendall(b"own")
            return one.recv(9).decode()
tried("own", lambda: own(socket.AF_INET, "127.0.0.1"))
def packet():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return one.sendto(b"x", ("192.0.2.1", 9))
tried("away", packet)
pair = socket.socketpair()
tried("pair", lambda: pair[0].send(b"x"))
tried("interfaces", lambda: " ".join(name for _, name in socket.if_nameindex() if name == "lo"))
'"""
NETWORKS: dict[Network, str] = {
    "all": "machine ours\nown own\naway 1\npair 1\ninterfaces lo\n",
    "loopback": "machine refused\nown own\naway refused\npair 1\ninterfaces lo\n",
    "none": "machine refused\nown refused\naway refused\npair 1\ninterfaces lo\n",
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_worker_reaches_what_is_left_of_the_network(arena: Arena, network: Network, server: int) -> None:
    allow(arena, usual(arena), network)
    arena.env["PORT"] = str(server)

    said = arena.run(CALLS, confined=True)

    if network == "all" and "away refused" in said:
        pytest.skip("this machine has no network")
    assert "if_nameindex" in said or NETWORKS[network] == said


@pytest.mark.parametrize("network", NETWORKS)
def test_a_confinement_is_found_for_each_network(way: str, user: int, network: Network) -> None:
    del user
    others = [other for other in WAYS if other != way]
    env = {**ENV, "PATH": ENV["PATH"]}
    machine = LocalMachine()

    fault = Confine(machine)._tried(WAYS[way], shutil.which(WAYS[way].program, path=env["PATH"]) or "", env, network)

    assert ("", True) == (fault, bool(others))


# Older kernels


@pytest.mark.parametrize("version", [3, 4, 5, 6])
def test_an_older_landlock_governs_files_as_well(arena: Arena, way: str, version: int) -> None:
    if way == "bwrap":
        pytest.skip("of Landlock")
    prctl, unshare, mount, _, *entries = (arena.place / "kit/rules").read_bytes().split(b"\0")
    (arena.place / "kit/rules").write_bytes(b"\0".join([prctl, unshare, mount, b"%d" % version, *entries]))

    said = arena.run(
        "echo x >$IN/f && ! cat $LOCK && ! touch $OUT/x && kill -0 $SIBLING && echo SIGNALLED; true", confined=True
    )

    assert (min(version, landlock_version()) < LANDLOCK_SCOPES_VERSION) == ("SIGNALLED" in said), said


def test_what_an_older_signals_left_is_told(way: str, user: int) -> None:
    del way, user
    assert "" == _signals_left("Landlock, version 6")
    assert "signals to processes outside" in _signals_left("Landlock, version 5")
    assert "signals to processes outside" in _signals_left("Landlock, version -1")


@pytest.mark.skipif(any(FAULTS.values()), reason=f"needs each way: {FAULTS}")
def test_the_way_that_keeps_more_is_taken(way: str, user: int, tmp_path: Path) -> None:
    """Of an older kernel: Landlock is tried first, and taken where bubblewrap is not there."""
    del way, user
    perl = shutil.which("perl", path=ENV["PATH"])
    (tmp_path / "perl").write_text(
        f'#!/bin/sh\n[ "$1" = -e ] && {{ printf "Landlock, version 4"; exit; }}\nexec {perl} "$@"\n'
    )
    (tmp_path / "perl").chmod(0o755)
    for name in ("cat", "readlink"):
        (tmp_path / name).symlink_to(shutil.which(name, path=ENV["PATH"]) or "")
    both, alone = ({"PATH": path} for path in (f"{tmp_path}:{ENV['PATH']}", str(tmp_path)))

    assert "bwrap" == Confine(LocalMachine()).choose(both).way
    assert "landlock+mounts" == Confine(LocalMachine()).choose(alone).way
    assert "Landlock, version 4; signals to processes outside are not blocked before version 6" == (
        Confine(LocalMachine()).choose(alone).words
    )


def test_where_no_network_can_be_had_the_fault_says_so(way: str, user: int, tmp_path: Path) -> None:
    del way, user
    for name, words in (("perl", "confine: a network of its own: Operation not permitted"), ("bwrap", "bwrap: no")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{words}' >&2; exit 126\n")
        (tmp_path / name).chmod(0o755)

    with pytest.raises(Exception, match=r"a network of its own: .*; bwrap: bwrap: no; .* user namespaces") as caught:
        Confine(LocalMachine()).choose({"PATH": str(tmp_path)}, "loopback")

    assert "wakeman doctor" in str(getattr(caught.value, "hint", ""))
