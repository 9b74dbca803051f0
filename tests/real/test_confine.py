"""Escapes from a confinement, each really tried: refused inside, and successful outside."""

from __future__ import annotations

import ctypes
import errno
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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.real.rig import REAL
from tests.waiting import until

from wakeman.adapters.confine import LANDLOCK_SCOPES_VERSION, WAYS, Confine, seccomp
from wakeman.adapters.confine.calls import KINDS
from wakeman.adapters.machine import LocalMachine
from wakeman.core.model import Confinement
from wakeman.ports import Reach

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
        for name in ("in", "out", "kit", "out/home/.claude", "out/repo", "run", "state/deployment"):
            (place / name).mkdir(parents=True)
        for name in ("state/own", "state/deployment/lock", "state/deployment/events.jsonl"):
            (place / name).write_text("kept\n")
        (place / "out/kept").write_text("as it was\n")
        confinement = Confinement(way=way, program="")
        for name, data in Confine(LocalMachine()).kit(confinement).items():
            (place / "kit" / name).write_bytes(data)
        (place / "kit/rules").write_bytes(
            WAYS[way].rules(Reach([str(place / "in")], [str(place / "state/own")], [str(place / "state")]), "all")
        )
        subprocess.run(["chown", "-R", f"{user}:{user}", made], check=True)
        one.env = {**ENV, "IN": f"{place}/in", "OUT": f"{place}/out", "HOME": f"{place}/out/home", "PY": PYTHON}
        one.env |= {"STATE": f"{place}/state", "LOCK": f"{place}/state/deployment/lock"}
        one.env |= {"SOCK": f"{place}/run/tmux", "SERVER": f"{place}/run/server", "HIDDEN": f"wk-{os.urandom(4).hex()}"}
        one.env |= {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
        one.env |= {"GIT_COMMITTER_EMAIL": "a@b"}
        one.run("git init -q $OUT/repo; tmux -f /dev/null -S $SOCK new-session -d 'sleep 600'", confined=False)
        sibling = subprocess.Popen([*one.prefix(), "sleep", "600"], env=one.env, cwd="/", start_new_session=True)
        until(lambda: Path(f"/proc/{sibling.pid}/comm").read_text() == "sleep\n")  # it is the user's by then
        terminal, other = os.openpty()
        os.chown(os.ttyname(other), user, -1)
        one.env |= {"SIBLING": str(sibling.pid), "PTS": os.ttyname(other)}
        one.env |= dict(zip(("SHM", "SEM", "MSG", "MQ"), one.run(calling(MADE), confined=False).split(), strict=True))
        try:
            with listening(place, user, one.env["HIDDEN"]):
                yield one
        finally:
            one.run("tmux -S $SOCK kill-server", confined=False)
            one.run(calling(REMOVED), confined=False)
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


MADE = (
    "print(c.shmget(0, 4096, 0o600), c.semget(0, 1, 0o600), c.msgget(0, 0o600),"
    ' c.mq_open(os.fsencode("/" + env["HIDDEN"]), 0o102, 0o600, None))'
)
REMOVED = (
    'c.shmctl(int(env["SHM"]), 0, 0); c.semctl(int(env["SEM"]), 0, 0); c.msgctl(int(env["MSG"]), 0, 0);'
    ' c.mq_unlink(os.fsencode("/" + env["HIDDEN"]))'
)
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


def calling(code: str) -> str:
    """Give the shell line that runs Python code, in which `tell` says whether it got through, `call` makes any call."""
    prelude = (
        "import ctypes, errno, fcntl, os, resource, signal, socket, struct, sys",
        "c = ctypes.CDLL(None, use_errno=True)",
        'pid, env = int(os.environ["SIBLING"]), os.environ',
        "def call(number, *given):",
        "    return c.syscall(number, *[ctypes.c_long(one) if isinstance(one, int) else one for one in given])",
        "def tell(escaped):",
        '    print("ESC" + "APED" if escaped else os.strerror(ctypes.get_errno()), flush=True)',
    )
    return "$PY -c '{}'".format("\n".join((*prelude, code)))


def nr(name: str) -> int:
    """Give the number of a call here."""
    known = seccomp.MACHINES.get(platform.machine(), seccomp.MACHINES["x86_64"])
    return known.calls[name]


OPEN = 'os.open(env["LOCK"], os.O_RDONLY)'
NEW_USER, NEW_UTS, CHILD = 0x10000000, 0x04000000, 17
FORKED = "os._exit(0) if made == 0 else tell(made > 0)"

ESCAPES |= {
    # What checks need: nothing there can be opened, not even for reading.
    "a lock that checks take": calling(f"fcntl.flock({OPEN}, fcntl.LOCK_EX | fcntl.LOCK_NB); tell(True)"),
    "a record lock that checks take": calling(f"fcntl.lockf({OPEN}, fcntl.LOCK_SH | fcntl.LOCK_NB); tell(True)"),
    "a lease on the log": calling(
        'f = os.open(env["STATE"] + "/deployment/events.jsonl", os.O_RDONLY);'
        " fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_RDLCK); tell(True)"
    ),
    "a lock by a descriptor without rights": calling(
        'f = os.open(env["LOCK"], os.O_PATH); os.open(f"/proc/self/fd/{f}", os.O_RDONLY); tell(True)'
    ),
    "a lock by a descriptor of the directory": calling(
        'f = os.open(env["STATE"], os.O_PATH | os.O_DIRECTORY);'
        ' os.open("deployment/lock", os.O_RDONLY, dir_fd=f); tell(True)'
    ),
    "a lock by a hard link": "ln $LOCK $IN/lock && cat $IN/lock && echo ESC''APED",
    "a lock by a symlink": "ln -s $STATE $IN/state && cat $IN/state/deployment/lock && echo ESC''APED",
    "a lock by another root": "cat /proc/self/root$LOCK && echo ESC''APED",
    "a lock by a sibling's root": "cat /proc/$SIBLING/root$LOCK && echo ESC''APED",
    "a lock by a sibling's working directory": "cat /proc/$SIBLING/cwd$LOCK && echo ESC''APED",
    "a lock by a rename": "mv $STATE/deployment $IN/mine && cat $IN/mine/lock && echo ESC''APED",
    "a lock of at's queue": calling(
        'fcntl.lockf(os.open("/var/spool/cron/atjobs/.SEQ", os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB); tell(True)'
    ),
    "a lease": calling(
        'f = os.open(env["OUT"] + "/kept", os.O_RDONLY); fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_RDLCK); tell(True)'
    ),
    "stopping another terminal": calling(
        'import termios; f = os.open(env["PTS"], os.O_RDWR | os.O_NOCTTY); termios.tcflow(f, termios.TCOOFF);'
        " tell(True)"
    ),
    # Files, otherwise than by a path.
    "flags of a file": calling(
        'f, flags = os.open(env["OUT"] + "/kept", os.O_RDONLY), bytearray(8); fcntl.ioctl(f, 0x80086601, flags);'
        " flags[0] |= 0x40; fcntl.ioctl(f, 0x40086602, flags); tell(True)"
    ),
    "a file's handle": calling(
        "handle, mount = ctypes.create_string_buffer(struct.pack('II', 128, 0), 200), ctypes.c_int();".replace("'", '"')
        + f'tell(call({nr("name_to_handle_at")}, -100, os.fsencode(env["OUT"] + "/kept"), handle,'
        " ctypes.byref(mount), 0) == 0)"
    ),
    "a watch on a file system": calling(f"tell(call({nr('fanotify_init')}, 0x200, 0) >= 0)"),
    # Other processes.
    "a sibling's CPU time": calling("resource.prlimit(pid, resource.RLIMIT_CPU, (900, 900)); tell(True)"),
    "a sibling's file size": calling("resource.prlimit(pid, resource.RLIMIT_FSIZE, (9, 9)); tell(True)"),
    "a sibling's processors": calling("os.sched_setaffinity(pid, os.sched_getaffinity(pid)); tell(True)"),
    "a sibling's policy": calling("os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)); tell(True)"),
    "a sibling's priority": calling("os.setpriority(os.PRIO_PROCESS, pid, 19); tell(True)"),
    "a sibling's group's priority": calling("os.setpriority(os.PRIO_PGRP, pid, 19); tell(True)"),
    "everybody's priority": calling(
        "c.setpriority(os.PRIO_USER, 54321, 5); tell(ctypes.get_errno() == errno.ESRCH)"  # nobody has that number
    ),
    "a sibling's input and output": calling(f"tell(call({nr('ioprio_set')}, 1, pid, 2 << 13 | 7) == 0)"),
    "a signal to everybody": calling("os.kill(-1, 0); tell(True)"),
    "a signal to a sibling's thread": calling(
        f"tell(call({nr('tgkill')}, pid, pid, 0) == 0 or call({nr('tkill')}, pid, 0) == 0)"
    ),
    "a signal with data": calling(
        'told = ctypes.create_string_buffer(struct.pack("iii", 0, 0, -1), 128);'
        f" tell(call({nr('rt_sigqueueinfo')}, pid, 0, told) == 0"
        f" or call({nr('rt_tgsigqueueinfo')}, pid, pid, 0, told) == 0)"
    ),
    "a signal by descriptor": calling("signal.pidfd_send_signal(os.pidfd_open(pid), 0); tell(True)"),
    "a signal by way of a file": calling("fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, pid); tell(True)"),
    "a sibling's memory by call": calling(
        "here = ctypes.create_string_buffer(8);"
        'ours, theirs = (struct.pack("QQ", at, 8) for at in (ctypes.addressof(here), 4096));'
        f"tell(any(call(number, pid, ours, 1, theirs, 1, 0) >= 0 or ctypes.get_errno() == errno.EFAULT"
        f" for number in ({nr('process_vm_readv')}, {nr('process_vm_writev')})))"
    ),
    "a sibling's descriptor": calling(f"tell(call({nr('pidfd_getfd')}, os.pidfd_open(pid), 0, 0) >= 0)"),
    "comparing a sibling": calling(f"tell(call({nr('kcmp')}, pid, os.getpid(), 1, 0, 0) >= 0)"),
    "another's namespace": calling(f"tell(call({nr('setns')}, os.pidfd_open(pid), {NEW_UTS}) == 0)"),
    "a user namespace": calling(f"tell(c.unshare({NEW_USER}) == 0)"),
    "a user namespace by clone": calling(f"made = call({nr('clone')}, {NEW_USER | CHILD}, 0, 0, 0, 0); {FORKED}"),
    "a user namespace by clone3": calling(
        f'wanted = struct.pack("QQQQQQQQ", {NEW_USER}, 0, 0, 0, {CHILD}, 0, 0, 0);'
        f" made = call({nr('clone3')}, wanted, 64); {FORKED}"
    ),
    # What goes by number or by a name that is no path.
    "another's shared memory": calling('c.shmat.restype = ctypes.c_long; tell(c.shmat(int(env["SHM"]), 0, 0) != -1)'),
    "another's semaphores": calling('tell(c.semctl(int(env["SEM"]), 0, 16, 1) == 0)'),
    "another's message queue": calling(
        'tell(c.msgsnd(int(env["MSG"]), struct.pack("l", 1) + b"x", ctypes.c_size_t(1), 0o4000) == 0)'
    ),
    "a POSIX message queue": calling(f'tell(call({nr("mq_open")}, os.fsencode(env["HIDDEN"]), 2, 0, 0) >= 0)'),
    "the user's keyring": calling(
        f'key = call({nr("add_key")}, b"user", b"wakeman-test", b"x", 1, -4); tell(key > 0);'
        f" key > 0 and call({nr('keyctl')}, 9, key, -4)"
    ),
    "datagrams from a raw pair": calling("socket.socketpair(socket.AF_UNIX, socket.SOCK_RAW); tell(True)"),
    "a message by netlink": calling("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2); tell(True)"),
    "the kernel's ciphers": calling("socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET); tell(True)"),
    "the hypervisor": calling("socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM); tell(True)"),
    "raw packets": calling("socket.socket(socket.AF_PACKET, socket.SOCK_RAW); tell(True)"),
    # Parts of the kernel.
    "counters of the processor": calling(
        'wanted = struct.pack("IIQQQQQ", 1, 128, 0, 0, 0, 0, 0x60) + bytes(80);'
        f" tell(call({nr('perf_event_open')}, wanted, 0, -1, -1, 0) >= 0)"
    ),
    "faults handled in user space": calling(f"tell(call({nr('userfaultfd')}, 1) >= 0)"),
    "a program in the kernel": calling(
        f'tell(call({nr("bpf")}, 0, struct.pack("IIIII", 1, 4, 4, 1, 0) + bytes(100), 120) >= 0)'
    ),
    "a call of 32 bits": calling(
        'import mmap; page = mmap.mmap(-1, 4096, prot=7); page.write(bytes.fromhex("b814000000cd80c3"));'
        " run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page))); tell(run() > 0)"
    ),
}
OF_ROOT = {
    "a device file",
    "typing into another terminal",
    "a kernel setting",
    "a lock of at's queue",
    "another's namespace",
    "raw packets",
    "a program in the kernel",
}
OF_LISTED_USERS = {"an at job"}
OF_OLDER_LANDLOCK = {escape for escape in ESCAPES if escape.startswith("a signal ")} - {
    "a signal to everybody",
    "a signal by way of a file",
}
OF_SOME_KERNELS = {
    "the kernel's ciphers",
    "the hypervisor",
    "a call of 32 bits",
    "counters of the processor",
    "faults handled in user space",
    "flags of a file",
    "comparing a sibling",
    "a user namespace",
    "a user namespace by clone",
    "a user namespace by clone3",
}


def landlock_version() -> int:
    """Give the version of this kernel's Landlock."""
    return int(ctypes.CDLL(None).syscall(444, None, 0, 1))


@pytest.mark.parametrize("escape", ESCAPES)
def test_an_escape_is_refused(arena: Arena, escape: str, user: int, way: str) -> None:
    if way != "bwrap" and escape in OF_OLDER_LANDLOCK and landlock_version() < LANDLOCK_SCOPES_VERSION:
        pytest.skip("this kernel's Landlock does not keep signals inside, as status says")
    if user and escape in OF_ROOT:
        pytest.skip("without a confinement it takes root as well")

    assert not arena.broken(ESCAPES[escape], confined=True), (arena.place / "said").read_text()

    free = arena.broken(ESCAPES[escape], confined=False)
    said = (arena.place / "said").read_text()
    for job in re.findall(r"ESCAPED (\d+)", said):
        arena.run(f"atrm {job}", confined=False)
    if not free and (escape in OF_SOME_KERNELS or (user and escape in OF_LISTED_USERS)):
        pytest.skip(f"without a confinement it is refused as well: {said}")
    assert free, said


TRIED = """$PY -c '
import ctypes, errno, os
c = ctypes.CDLL(None, use_errno=True)
for number in map(int, os.environ["NUMBERS"].split()):
    pid = os.fork()
    if pid == 0:  # of its own session, so that none of them finds a terminal
        os.setsid()
        made = c.syscall(number, *[ctypes.c_long(-1)] * 6)
        os._exit(ctypes.get_errno() if made < 0 else 0)
    print(number, os.WEXITSTATUS(os.waitpid(pid, 0)[1]))
'"""


def test_every_call_that_is_always_refused_is(arena: Arena, way: str, user: int) -> None:
    """Without a confinement none of them is, but for what the kernel here does not have, or keeps from users."""
    own_ipc = WAYS[way].own_ipc
    kinds = [each for each in KINDS if not (each.allowed or each.cases or (own_ipc and each.own_ipc))]
    names = {nr(call): call for each in kinds for call in each.calls.split() if call in known_calls()}
    errors = {call: getattr(errno, each.error) for each in kinds for call in each.calls.split()}
    arena.env["NUMBERS"] = " ".join(map(str, names))

    confined, free = (tried_calls(arena, confined=confined) for confined in (True, False))

    assert {names[number]: errors[names[number]] for number in names} == {
        names[number]: error for number, error in confined.items()
    }
    same = {names[number] for number, error in free.items() if error == confined[number]}
    lacking = {call for each in kinds if each.error == "ENOSYS" for call in each.calls.split()}
    assert same <= lacking | (OF_PRIVILEGED_USERS if user else set()), same
    assert len(free) - len(same) > (20 if user else 50)


def tried_calls(arena: Arena, *, confined: bool) -> dict[int, int]:
    """Give the error of each call by its number."""
    rows = [line.split() for line in arena.run(TRIED, confined=confined).splitlines()]
    return {int(number): int(error) for number, error in rows}


def known_calls() -> Mapping[str, int]:
    return seccomp.MACHINES[platform.machine()].calls


OF_PRIVILEGED_USERS = {
    call
    for each in KINDS
    if each.name
    in ("mounts", "quotas, accounting, swap", "the machine", "the clock, to set", "looking into the kernel")
    for call in each.calls.split()
} | {"open_by_handle_at", "fanotify_init", "process_madvise"}


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
    assert (way != "bwrap") == arena.broken("chmod 600 $OUT/kept; chmod 640 $OUT/kept", confined=True)


def test_a_place_that_is_not_there_keeps_the_program_from_running(arena: Arena, way: str) -> None:
    (arena.place / "kit/rules").write_bytes(
        WAYS[way].rules(Reach([str(arena.place / "in"), str(arena.place / "gone")]), "all")
    )

    said = arena.run("echo RAN", confined=True)

    assert "RAN" not in said
    assert "gone" in said


def test_it_leaves_descriptors_and_signals_as_they_are(arena: Arena) -> None:
    script = "ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Ign|Blk)' /proc/self/status"

    assert arena.run(script, confined=False) == arena.run(script, confined=True)
