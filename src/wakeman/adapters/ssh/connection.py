"""The tmux server of a host, called by ssh. Connections are kept open for a while and shared: each call is a short one.

Rules of this file, each because of a quirk of ssh:

- It gives words to the user's shell there as one line, so each is quoted.
- It ends with 255 for whatever goes wrong with the connection, before or after the command began.
- Nobody is there to answer a question: `BatchMode`. A host that is gone without a word is given up after `SILENT_S`.
- It reads the user's own configuration, where ports, names and keys belong.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from wakeman.adapters.asking import ask
from wakeman.adapters.tmux import Tmux, TmuxSaid
from wakeman.core.errors import ProgramError
from wakeman.core.text import sanitise
from wakeman.ports import Listing

if TYPE_CHECKING:
    from wakeman.adapters.asking import Told

CONNECT_S = 5
"""Seconds that a host may take to accept a connection."""
ALIVE_S, ALIVE_TRIES = 3, 2
"""Seconds between questions whether an open connection still stands, and how many may stay without an answer."""
CALL_S = 30.0
"""Seconds that a call of a host may take."""
KEPT_OPEN_S = 60
"""Seconds that a connection stays open after the last call."""
BROKEN, NOT_FOUND = 255, 127
"""Exit statuses: of ssh itself, and of a shell that does not find the program."""
SERVER_COMMAND = "tmux"
"""How the process of a tmux server is called, at the beginning."""


class Connection:
    """How a host is called."""

    def __init__(self, ssh: str, config: str, host: str, env: Mapping[str, str]) -> None:
        """Shape: `ssh` is the program's absolute path, `config` a file for it or "" for the user's own."""
        self.host = host
        self._program = (ssh, *(("-F", config) if config else ()))
        self.env = env

    def call(self, *words: str, stdin: bytes | None = None) -> Told:
        """Run a program there. Raises: ProgramError when the host does not answer, or the connection breaks."""
        try:
            told = ask(self.argv(*words), self.env, CALL_S, stdin)
        except TimeoutError:
            raise self._fault(f"no answer within {CALL_S:g} s") from None
        except OSError as error:
            raise ProgramError(f"{self._program[0]}: cannot be run: {error.strerror}", "wakeman doctor FILE") from error
        if told.code == BROKEN:
            raise self._fault(_last_line(told.err) or "the connection broke")
        return told

    def end_programs(self, marks: Sequence[str]) -> None:
        """End what is left there of attempts whose sessions were ended, as it ignores a hang-up: by TERM, then by KILL.

        Boundary: on Linux; elsewhere nothing is found. Cost: one call, and up to three seconds where something is left.
        Raises: ProgramError when the host does not answer.
        """
        if named := [mark for mark in marks if mark]:
            self.call("sh", "-c", _END_PROGRAMS, "sh", *named)

    def argv(self, *words: str) -> tuple[str, ...]:
        """Return the command line that runs a program there for Wakeman."""
        return (*self.shell(), shlex.join(words))

    def shell(self) -> tuple[str, ...]:
        """Return the words before those of a command there, for a program that calls ssh itself."""
        return (*self._program, "-T", *_OPTIONS, *_sharing(), "--", self.host)

    def seat(self, *words: str) -> tuple[str, ...]:
        """Return the command line that runs a program there in a person's terminal."""
        quiet = ("-o", "LogLevel=ERROR")  # without its own words about how the connection ended
        return (*self._program, "-t", *quiet, "--", self.host, shlex.join(words))

    def hint(self) -> str:
        """Return what a person types to see what is wrong."""
        return shlex.join((*self._program, self.host, "true"))

    def _fault(self, why: str) -> ProgramError:
        return ProgramError(f"ssh: {self.host}: {why}", self.hint())


class HostTmux(Tmux):
    """The tmux server of one host, as it is called from here."""

    def __init__(self, connection: Connection, socket: str, directory: str) -> None:
        """Shape: `socket` is a server's name there, or an absolute path."""
        super().__init__(f"{connection.host}:{socket}", "tmux", directory, connection.env, timeout=CALL_S)
        self._connection = connection
        self._server = ("-S", socket) if socket.startswith("/") else ("-L", socket)
        self._config = None if socket.endswith("default") else "/dev/null"

    def listing(self) -> Listing:
        """List all sessions. Never raises: see its `state`."""
        return self._list()

    def runs(self, server: str) -> bool:
        """Return whether a server that is not listed still runs there, as when its socket was removed: it is asked to
        make that anew.

        Raises: ProgramError when the host does not answer.
        """
        pid = server.partition(":")[0]
        name = self._connection.call("ps", "-o", "comm=", "-p", pid).out.decode(errors="replace").strip()
        if not name.startswith(SERVER_COMMAND):
            return False
        self._connection.call("kill", "-USR1", pid)  # tmux(1): recreates its socket
        return True

    def attach(self, session: str, *, mark: str = "") -> tuple[str, ...]:
        """Return the command line by which a person attaches."""
        return self._connection.seat(*super().attach(session, mark=mark))

    def _unplaced(self) -> str:
        return ""  # with -L, tmux makes the directory itself

    def _seat(self) -> tuple[str, ...]:
        return ("tmux", "-u", *self._server)

    def _argv(self, words: Sequence[str]) -> tuple[str, ...]:
        config = ("-f", self._config) if self._config else ()
        return self._connection.argv("tmux", "-u", *config, *self._server, *words)

    def _told(self, call: Callable[[], Told]) -> TmuxSaid:
        """Return what tmux says. Raises: ProgramError for what ssh says of itself, and for a host without tmux."""
        said = super()._told(call)
        if said.code == BROKEN:
            raise ProgramError(
                f"ssh: {self._connection.host}: {_last_line(said.err.encode()) or 'the connection broke'}",
                self._hint(),
            )
        if said.code == NOT_FOUND:
            raise ProgramError(f"ssh: {self._connection.host}: tmux: not found there", "install tmux there")
        return said

    def _hint(self) -> str:
        return self._connection.hint()


_END_PROGRAMS = """\
wanted=$(printf 'WAKEMAN_ATTEMPT=%s\\n' "$@")
for signal in 0 TERM KILL; do
    tries=0
    while found=$(grep -laF "$wanted" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3) && [ -n "$found" ]; do
        [ "$tries" -gt 0 ] || kill -"$signal" $found 2>/dev/null
        tries=$((tries + 1))
        [ "$tries" -le 10 ] || break
        sleep 0.1
    done
    [ -n "$found" ] || exit 0
done
"""
"""Waits a second for programs to end, then sends TERM, then KILL: they are found by the mark that the wrapper gave."""
_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}"),
    *("-o", f"ServerAliveInterval={ALIVE_S}", "-o", f"ServerAliveCountMax={ALIVE_TRIES}"),
)


def _sharing() -> tuple[str, ...]:
    """Return the options by which calls share one connection: none where its socket has no private place."""
    place = f"/tmp/wakeman-{os.getuid()}.ssh"  # noqa: S108 - of mode 0700, and a socket's path is short
    try:
        os.mkdir(place, 0o700)
    except FileExistsError:
        found = os.lstat(place)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            return ()
    except OSError:
        return ()
    return ("-o", "ControlMaster=auto", "-o", f"ControlPath={place}/%C", "-o", f"ControlPersist={KEPT_OPEN_S}")


def _last_line(data: bytes) -> str:
    lines = data.decode(errors="replace").strip().splitlines()
    return sanitise(lines[-1], 300) if lines else ""
