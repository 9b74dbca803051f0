"""A verb of Wakeman that runs on another host, as if a person had logged in there and typed it.

Rules of this file, each because of a quirk of ssh:

- It gives its words to the user's shell there, which may be any, as one line. So that line only calls `sh`.
- That shell is no login shell, and has the daemon's `PATH`. What a person finds there is what a login shell finds.
- It ends with 255 for whatever goes wrong with the connection; the verb may have run.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence

from wakeman.adapters.ssh.connection import BROKEN, Connection
from wakeman.adapters.ssh.hosts import ssh_program
from wakeman.core.errors import ProgramError, UsageError
from wakeman.core.names import host_and_directory

NO_DIRECTORY, NO_PROGRAM = 201, 202
"""Exit statuses of the line that runs there: no verb has them."""
_BY_LOGIN_SHELL = """\
WAKEMAN_CALL=$1
export WAKEMAN_CALL
case ${SHELL##*/} in bash | dash | fish | ksh | mksh | sh | zsh) exec "$SHELL" -lc 'exec sh -c "$WAKEMAN_CALL"' ;; esac
exec sh -c "$WAKEMAN_CALL"
"""
"""Runs a line of `sh` in the environment of a person who has logged in."""


class Remote:
    """Wakeman on another host, in a directory there."""

    def __init__(self, where: str, environ: Mapping[str, str]) -> None:
        """Shape: `where` is `HOST` or `HOST:DIR`, by default the directory of this process; one that is not absolute is
        below the home directory there.

        Raises: UsageError for what is no host; ProgramError without ssh.
        """
        self.host, directory = host_and_directory(where)
        if not self.host:
            raise UsageError(f"--on: found {where[:80]!r}; expected HOST or HOST:DIR, as ssh knows it, or . for here")
        self.directory = directory or os.getcwd()
        self._connection = Connection(ssh_program(environ), "", self.host, environ)
        self._env = environ

    def run(self, words: Sequence[str], variables: Mapping[str, str], *, terminal: bool) -> int:
        """Run a verb there, with this process's streams; return its exit status.

        Shape: `terminal`: it gets one, and ssh may ask for a password. Raises: UsageError for a directory that is not
        there; ProgramError for a host that cannot be reached, and one without Wakeman.
        """
        line = _line(self.directory, variables, words)
        call = ("sh", "-c", _BY_LOGIN_SHELL, "sh", line)
        argv = self._connection.seat(*call) if terminal else self._connection.argv(*call)
        code = subprocess.run(argv, env=dict(self._env), check=False).returncode
        self._require_directory(code)
        if code == NO_PROGRAM:
            raise ProgramError(
                f"{self.host}: wakeman: not found there, neither on a login shell's PATH nor in ~/.local/bin",
                f"ssh {self.host} pipx install wakeman",
            )
        if code == BROKEN:
            message = f"{self.host}: ssh ended with 255: no connection, or it broke; then the verb may have run there"
            raise ProgramError(message, f"wakeman --on {shlex.quote(self.where)} status")
        return code

    @property
    def where(self) -> str:
        """Return how a person names it in this directory."""
        return self.host if self.directory == os.getcwd() else f"{self.host}:{self.directory}"

    def path(self, file: str) -> str:
        """Return where a file of this process's directory is there."""
        return os.path.normpath(os.path.join(self.directory, file))

    def read(self, path: str) -> bytes | None:
        """Return the content of a file there, None if there is none.

        Raises: UsageError for a directory that is not there; ProgramError when the host does not answer.
        """
        told = self._connection.call("sh", "-c", f"{_go_to(self.directory)}; cat -- {shlex.quote(path)}")
        self._require_directory(told.code)
        return told.out if told.code == 0 else None

    def _require_directory(self, code: int) -> None:
        if code == NO_DIRECTORY:
            there = self.directory.rstrip("/")
            copies = f"rsync -a ./ {shlex.quote(f'{self.host}:{there}/')}"
            message = f"{self.host}: {there}: no such directory there; expected that of the plan"
            hint = f"ssh {self.host} mkdir -p {shlex.quote(shlex.quote(there))} && {copies}; or --on {self.host}:DIR"
            raise UsageError(message, hint)


def _line(directory: str, variables: Mapping[str, str], words: Sequence[str]) -> str:
    """Return what `sh` runs there."""
    given = (f"{name}={value}" for name, value in variables.items())
    return f"""\
unset WAKEMAN_CALL
{_go_to(directory)}
command -v wakeman >/dev/null || PATH=$PATH:$HOME/.local/bin
command -v wakeman >/dev/null || exit {NO_PROGRAM}
exec env {shlex.join((*given, "wakeman", *words))}
"""


def _go_to(directory: str) -> str:
    """Return the command of `sh` that changes to a directory, from the home directory."""
    return f"{{ cd && cd -- {shlex.quote(directory.removeprefix('~/') or '.')}; }} 2>/dev/null || exit {NO_DIRECTORY}"
