"""Escapes from a confinement, each really tried: refused inside, and successful outside."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.real.rig import REAL

from wakeman.adapters.confine import WAYS, Confine, seccomp
from wakeman.adapters.machine import LocalMachine
from wakeman.core.model import Confinement

PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
NOBODY = 65534
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "SHELL": "/bin/sh"}
USERS = [pytest.param(0, id="root"), pytest.param(NOBODY, id="nobody")] if os.geteuid() == 0 else [os.geteuid()]


def fault(name: str) -> str:
    """Return why a way cannot be tried here."""
    if platform.system() != "Linux" or platform.machine() not in seccomp.MACHINES:
        return "Linux on a machine whose system calls are known"
    way = WAYS[name]
    program = shutil.which(way.program, path=ENV["PATH"])
    return Confine(LocalMachine())._tried(way, program, ENV) if program else f"no {way.program}"


FAULTS = {name: fault(name) for name in WAYS}
EACH_WAY = [
    pytest.param(name, marks=pytest.mark.skipif(bool(why), reason=f"{name}: {why}")) for name, why in FAULTS.items()
]
pytestmark = [*REAL, pytest.mark.parametrize("user", USERS), pytest.mark.parametrize("way", EACH_WAY)]


@dataclass
class Arena:
    """A directory `in` that may be written to, and `out` that may not; both belong to the user who tries."""

    place: Path
    user: int
    way: str
    env: dict[str, str] = field(default_factory=dict)

    def prefix(self) -> list[str]:
        """Return the words that run a program as the user."""
        ids = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return ids if self.user != os.geteuid() else []

    def run(self, script: str, *, confined: bool) -> str:
        """Run a shell script as the user; return all that it printed."""
        way = WAYS[self.way]
        confinement = Confinement(way=self.way, program=shutil.which(way.program, path=ENV["PATH"]) or "")
        words = Confine(LocalMachine()).words(confinement, f"{self.place}/kit", f"{self.place}/kit/rules")
        argv = [*self.prefix(), *(words if confined else ()), "/bin/sh", "-c", script]
        ran = subprocess.run(
            argv,
            cwd=self.place / "in",
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=20,
        )
        return ran.stdout.decode(errors="replace")

    def picture(self) -> dict[str, tuple[int, bytes]]:
        """Return what stands outside: mode and content of each file."""
        found = {}
        for path in sorted((self.place / "out").rglob("*")):
            mode = path.lstat().st_mode
            found[str(path)] = (mode, path.read_bytes() if stat.S_ISREG(mode) else b"")
        return found

    def broken(self, script: str, *, confined: bool) -> bool:
        """Return whether a script changed something outside, or says that it could have."""
        before = self.picture()
        said = self.run(script, confined=confined)
        (self.place / "said").write_text(said)
        return self.picture() != before or "ESCAPED" in said


@pytest.fixture
def arena(user: int, way: str) -> Iterator[Arena]:
    """Furnish an arena: a file, a repository, a home, a tmux server, a sibling, sockets, a terminal."""
    with tempfile.TemporaryDirectory(prefix="wk-") as made:
        place = Path(made).resolve()
        one = Arena(place, user, way)
        for name in ("in", "out", "kit", "out/home/.claude", "out/repo", "run"):
            (place / name).mkdir(parents=True)
        (place / "out/kept").write_text("as it was\n")
        confinement = Confinement(way=way, program="")
        for name, data in Confine(LocalMachine()).kit(confinement).items():
            (place / "kit" / name).write_bytes(data)
        (place / "kit/rules").write_bytes(WAYS[way].rules([str(place / "in")]))
        subprocess.run(["chown", "-R", f"{user}:{user}", made], check=True)
        one.env = {**ENV, "IN": f"{place}/in", "OUT": f"{place}/out", "HOME": f"{place}/out/home", "PY": PYTHON}
        one.env |= {"SOCK": f"{place}/run/tmux", "SERVER": f"{place}/run/server", "HIDDEN": f"wk-{os.urandom(4).hex()}"}
        one.env |= {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
        one.env |= {"GIT_COMMITTER_EMAIL": "a@b"}
        one.run("git init -q $OUT/repo; tmux -f /dev/null -S $SOCK new-session -d 'sleep 600'", confined=False)
        sibling = subprocess.Popen([*one.prefix(), "sleep", "600"], env=one.env)
        terminal, other = os.openpty()
        os.chown(os.ttyname(other), user, -1)
        one.env |= {"SIBLING": str(sibling.pid), "PTS": os.ttyname(other)}
        try:
            with listening(place, user, one.env["HIDDEN"]):
                yield one
        finally:
            one.run("tmux -S $SOCK kill-server", confined=False)
            sibling.kill()
            sibling.wait()
            os.close(terminal)
            os.close(other)


class listening:  # noqa: N801 - used as a function
    """Serve two sockets, one with a path and one without, that do what they are asked: as Docker's does."""

    def __init__(self, place: Path, user: int, hidden: str) -> None:
        self.place, self.servers = place, []
        for name in (f"{place}/run/server", f"\0{hidden}"):
            server = socket.socket(socket.AF_UNIX)
            server.bind(name)
            server.listen()
            self.servers.append(server)
        os.chown(f"{place}/run/server", user, -1)

    def __enter__(self) -> None:
        for server in self.servers:
            threading.Thread(target=self._serve, args=(server,), daemon=True).start()

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.shutdown(socket.SHUT_RDWR)
            server.close()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            with caller:
                caller.recv(100)
                (self.place / "out/escaped").touch()
                caller.sendall(b"done")


CALL = """$PY -c 'import os, socket; s = socket.socket(socket.AF_UNIX); s.connect({}); s.send(b"go"); s.recv(9)'"""
LIBC = 'import ctypes, os; c = ctypes.CDLL(None, use_errno=True); pid = int(os.environ["SIBLING"])'

ESCAPES = {
    "an absolute path": "echo x >$OUT/escaped",
    "a path with ..": "cd $IN && echo x >../out/escaped",
    "a symlink": "ln -s $OUT $IN/link && echo x >$IN/link/escaped",
    "a hard link": "ln $OUT/kept $IN/hard && echo x >$IN/hard",
    "a rename into": """echo x >$IN/f; perl -e 'rename "$ENV{IN}/f", "$ENV{OUT}/escaped"'""",
    "a child that daemonises": "(setsid sh -c 'sleep 0.1; echo x >$OUT/escaped; echo x >$IN/done' &);"
    " until [ -e $IN/done ]; do sleep 0.02; done",
    "/proc/self/root": "echo x >/proc/self/root$OUT/escaped",
    "a shell": "bash -c 'sh -c \"echo x >$OUT/escaped\"'",
    "an editor's temporary file": "sed -i s/was/is/ $OUT/kept",
    "git": "git -C $OUT/repo commit -q --allow-empty -m x",
    "a rename over another's output": """echo x >$IN/f; perl -e 'rename "$ENV{IN}/f", "$ENV{OUT}/kept"'""",
    "ptrace of a sibling": f'$PY -c \'{LIBC}; print("ESC" + "APED") if c.ptrace(16, pid, 0, 0) == 0 else None\'',
    "a sibling's memory": f'$PY -c \'{LIBC}; open(f"/proc/{{pid}}/mem", "r+b"); print("ESC" + "APED")\'',
    "the tmux socket": "tmux -S $SOCK run-shell 'echo x >$OUT/escaped'",
    "an at job": "echo true | at now + 1 hour 2>&1 | sed -n 's/^job /ESC''APED /p'",
    "a hook in the client's configuration": "echo '{\"hooks\": {}}' >$HOME/.claude/settings.json",
    # Beyond the fifteen that were asked for.
    "a server's socket": CALL.format('os.environ["SERVER"]'),
    "an abstract socket": CALL.format('"\\0" + os.environ["HIDDEN"]'),
    "datagrams from a pair": "$PY -c 'import socket; socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM);"
    ' print("ESC" + "APED")\'',
    "io_uring": f"$PY -c '{LIBC}; p = ctypes.create_string_buffer(120);"
    ' print("ESC" + "APED") if c.syscall(425, 1, p) >= 0 else None\'',
    "a signal to a sibling": "kill -0 $SIBLING && echo ESC''APED",
    "truncation by name": """perl -e 'truncate "$ENV{OUT}/kept", 0'""",
    "truncation on opening": """perl -e 'sysopen my $f, "$ENV{OUT}/kept", 01000'""",
    "removal": "rm -f $OUT/kept",
    "a directory": "mkdir $OUT/escaped",
    "a mount": "mkdir $IN/m;"
    " T='mount --rbind / $IN/m && { mount -o remount,bind,rw $IN/m; echo x >$IN/m$OUT/escaped; }';"
    ' unshare -m sh -c "$T" || unshare -Urm sh -c "$T"',
    "a device file": "mknod $IN/device c 1 1 && echo ESC''APED",
    "typing into another terminal": "$PY -c 'import fcntl, os;"
    ' fcntl.ioctl(os.open(os.environ["PTS"], os.O_RDWR | os.O_NOCTTY), 0x5412, b"x"); print("ESC" + "APED")\'',
    "a kernel setting": "[ -w /proc/sys/kernel/hostname ] && cat /proc/sys/kernel/hostname"
    " >/proc/sys/kernel/hostname && echo ESC''APED",
}
OF_ROOT = {"a device file", "typing into another terminal", "a kernel setting"}
OF_LISTED_USERS = {"an at job"}


@pytest.mark.parametrize("escape", ESCAPES)
def test_an_escape_is_refused(arena: Arena, escape: str, user: int) -> None:
    if user and escape in OF_ROOT:
        pytest.skip("without a confinement it takes root as well")

    assert not arena.broken(ESCAPES[escape], confined=True), (arena.place / "said").read_text()

    free = arena.broken(ESCAPES[escape], confined=False)
    said = (arena.place / "said").read_text()
    for job in re.findall(r"ESCAPED (\d+)", said):
        arena.run(f"atrm {job}", confined=False)
    if user and escape in OF_LISTED_USERS and not free:
        pytest.skip(f"without a confinement it is refused as well: {said}")
    assert free, said


def test_what_may_be_written_to_is(arena: Arena) -> None:
    said = arena.run(
        "echo a >$IN/f && mkdir -p $IN/d/e && mv $IN/f $IN/d/e/g && ln -s g $IN/d/e/h && ln $IN/d/e/g $IN/hard"
        " && sed -i s/a/b/ $IN/hard && mkfifo $IN/pipe && git init -q $IN/repo && truncate -s 1 $IN/hard"
        " && rm -r $IN/repo && chmod 600 $IN/hard && echo x >/dev/null && cat $OUT/kept && echo WELL",
        confined=True,
    )

    assert "as it was\nWELL\n" == said


def test_the_status_of_the_program_is_passed_on(arena: Arena) -> None:
    words = ["exit 7", "exec no-such-program", "kill -9 $$"]

    assert ["7", "127", "137"] == [arena.run(f"sh -c '{word}'; echo $?", confined=True).split()[-1] for word in words]


def test_the_mode_of_what_lies_outside_is_kept_by_mounts_alone(arena: Arena, way: str) -> None:
    """Landlock does not govern modes, owners and times: the pages say so."""
    assert (way == "landlock") == arena.broken("chmod 600 $OUT/kept; chmod 640 $OUT/kept", confined=True)


def test_a_place_that_is_not_there_keeps_the_program_from_running(arena: Arena, way: str) -> None:
    (arena.place / "kit/rules").write_bytes(WAYS[way].rules([str(arena.place / "in"), str(arena.place / "gone")]))

    said = arena.run("echo RAN", confined=True)

    assert "RAN" not in said
    assert "gone" in said


def test_it_leaves_descriptors_and_signals_as_they_are(arena: Arena) -> None:
    script = "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Ign|Blk)' /proc/self/status"

    assert arena.run(script, confined=False) == arena.run(script, confined=True)
