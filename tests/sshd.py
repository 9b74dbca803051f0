"""Hosts that answer ssh, on this machine's loopback interface: each a daemon with a port and tmux servers of its own.

Nothing of the user's is read or changed. The daemons are ended by their ids.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.waiting import until

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
SSHD = shutil.which("sshd", path=PATH)
MISSING = [name for name in ("sshd", "ssh", "ssh-keygen", "tmux") if shutil.which(name, path=PATH) is None]
UNABLE = f"not installed: {', '.join(MISSING)}" if MISSING else "needs root" if os.geteuid() != 0 else ""
"""Why there can be no hosts here; "" if there can."""
HOSTS = ("alpha", "beta", "gamma")
ALONE, HIDDEN = "gamma", "hidden"
"""The host that does not see this directory of the fixture, as one that shares no files."""
_DAEMON = """\
Port PORT
ListenAddress 127.0.0.1
HostKey PLACE/host_key
AuthorizedKeysFile PLACE/key.pub
PidFile PLACE/NAME.pid
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
SetEnv TMUX_TMPDIR=PLACE/NAME HOME=PLACE/NAME
MaxStartups 100
"""
_CLIENT = """\
Host NAME
  HostName 127.0.0.1
  Port PORT
  User USER
  IdentityFile PLACE/key
  IdentitiesOnly yes
  UserKnownHostsFile PLACE/known
  HostKeyAlias NAME
"""


_OWN_ATD = """\
cp -a /var/spool/cron PLACE/NAME.cron && find PLACE/NAME.cron -type f ! -name .SEQ -delete &&
mount --bind PLACE/NAME.cron /var/spool/cron && mount -t tmpfs none /run && mkdir /run/sshd && atd &&
until [ -s /run/atd.pid ]; do sleep 0.1; done && cp /run/atd.pid PLACE/NAME.atd &&
mount --bind PLACE/NAME.machine /etc/machine-id && hostname NAME &&
"""
"""Gives a host jobs of `at`, a daemon that runs them, and an id of the machine that are not this machine's."""


class SshHosts:
    """The daemons, and the configuration by which ssh finds them."""

    def __init__(self, place: Path, *, apart: bool = False, atd: bool = False) -> None:
        """With `apart`, each host has a disk of its own at `/tmp`, and sees nothing of what is there here but the
        fixture's own files; with `atd`, an id of its own, too, and a daemon that runs its own jobs of `at`.
        """
        self.place, self.config, self.apart, self.atd = place, place / "config", apart, atd

    def disk(self, name: str, path: Path) -> Path:
        """Return where a host that is apart has what it sees at a path below `/tmp`."""
        return self.place / f"{name}.disk" / path.relative_to("/tmp")

    def begin(self) -> None:
        """Make keys and configurations, and start the daemons."""
        os.makedirs("/run/sshd", exist_ok=True)  # where the daemon puts its unprivileged part
        for name in ("host_key", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.place / name], check=True)
        public = " ".join((self.place / "host_key.pub").read_text().split()[:2])
        (self.place / "known").write_text("".join(f"{name} {public}\n" for name in HOSTS))
        (self.place / HIDDEN).mkdir()
        text = ""
        for name, port in zip(HOSTS, _free_ports(len(HOSTS)), strict=True):
            (self.place / name).mkdir()
            words = {"NAME": name, "PORT": str(port), "PLACE": str(self.place), "USER": _user()}
            (self.place / f"{name}.conf").write_text(_filled(_DAEMON, words))
            text += _filled(_CLIENT, words)
            self.up(name)
        self.config.write_text(text)

    def up(self, name: str) -> None:
        """Start a host's daemon."""
        daemon = f"exec {SSHD} -f {self.place}/{name}.conf -E {self.place}/{name}.log"
        hidden = f"mount -t tmpfs none {self.place}/{HIDDEN} && " if name == ALONE else ""
        if self.apart:
            disk, inside = f"{self.place}/{name}.disk", self.disk(name, self.place)
            hidden = f"mkdir -p {inside} && mount --bind {self.place} {inside} && mount --rbind {disk} /tmp && "
            if self.atd:
                self._end_atd(name)
                hidden = "".join(self._program_seen(name)) + hidden
                (self.place / f"{name}.machine").write_text(f"{name}\n")
                hidden = _OWN_ATD.replace("PLACE", str(self.place)).replace("NAME", name) + hidden
        alone = ("unshare", "--mount", "--uts") if name == ALONE or self.apart else ()
        subprocess.run([*alone, "/bin/sh", "-c", hidden + daemon], check=True)
        until(lambda: bool(self.daemon(name)), 20)

    def _program_seen(self, name: str) -> Iterator[str]:
        """Yield what lets a host run this program although it is at `/tmp` here, as a checkout may be."""
        for path in {Path(sys.prefix).resolve(), Path(__file__).resolve().parents[1]}:
            if path.is_relative_to("/tmp"):
                yield f"mkdir -p {self.disk(name, path)} && mount --bind {path} {self.disk(name, path)} && "

    def _end_atd(self, name: str) -> None:
        """End the daemon that runs a host's jobs of `at`, if there is one."""
        with suppress(OSError, ValueError):
            os.kill(int((self.place / f"{name}.atd").read_text()), signal.SIGTERM)

    def daemon(self, name: str) -> int:
        """Return the id of a host's daemon; 0 if it does not run."""
        with suppress(OSError, ValueError):
            number = int((self.place / f"{name}.pid").read_text())
            return number if _runs(number) else 0
        return 0

    @contextmanager
    def hanging(self, name: str) -> Iterator[None]:
        """Have a host accept connections and say nothing."""
        number = self.daemon(name)
        for each in (*_children(number), number):
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in (number, *_children(number)):
                os.kill(each, signal.SIGCONT)

    def power_cut(self, name: str) -> None:
        """End all that runs on a host at once."""
        server = int(self.tmux(name, "display-message", "-p", "#{pid}"))
        for each in (server, *_children(server)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.away(name)

    def away(self, name: str) -> None:
        """Have a host refuse all: its daemon and the connections that are open end. Its sessions go on."""
        number = self.daemon(name)
        for each in (*_children(number), number):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        until(lambda: not self.daemon(name), 20)
        (self.place / f"{name}.pid").unlink(missing_ok=True)

    def tmux(self, name: str, *words: str) -> str:
        """Run tmux on a host, on the server that workers have by default."""
        env = {"PATH": PATH, "TMUX_TMPDIR": str(self.place / name)}
        ran = subprocess.run(["tmux", "-L", "wakeman", *words], env=env, capture_output=True, text=True, timeout=20)
        return ran.stdout.strip()

    def sessions(self, name: str) -> list[str]:
        """List the sessions of a host."""
        return self.tmux(name, "list-sessions", "-F", "#{session_name}").split()

    def end(self) -> None:
        """End all sessions, then the daemons."""
        for name in HOSTS:
            self.tmux(name, "kill-server")
            if self.daemon(name):
                self.away(name)
            self._end_atd(name)


@contextmanager
def running_hosts(*, apart: bool = False, atd: bool = False) -> Iterator[SshHosts]:
    """Yield hosts, which are ended afterwards; see `SshHosts`."""
    with TemporaryDirectory(prefix="wkh", dir="/tmp", ignore_cleanup_errors=True) as place:
        hosts = SshHosts(Path(place), apart=apart, atd=atd)
        try:
            hosts.begin()
            yield hosts
        finally:
            hosts.end()


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(name, value)
    return text


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _runs(number: int) -> bool:
    """Return whether a process runs: one that has ended may be there until its parent asks for its status."""
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _children(number: int) -> list[int]:
    """Return the processes below one, the youngest first."""
    ran = subprocess.run(["ps", "-o", "pid=", "--ppid", str(number)], capture_output=True, text=True)
    return [found for child in ran.stdout.split() for found in (*_children(int(child)), int(child))]


def _free_ports(count: int) -> list[int]:
    bound = [socket.socket() for _ in range(count)]
    for each in bound:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in bound]
    for each in bound:
        each.close()
    return ports
