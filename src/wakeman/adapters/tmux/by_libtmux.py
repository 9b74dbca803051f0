"""Calls of tmux through libtmux, while a person waits. A check calls tmux itself: the import costs more than that."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from wakeman.adapters.asking import Told
from wakeman.core.errors import ProgramError

# libtmux waits for ever and passes on the caller's environment; this wrapper of tmux does neither.
# A client passes its standard output to the server, and a hung server never closes it: so it is a file.
BOUNDED = """\
#!/bin/sh
# Run tmux in a fixed environment, {limit} seconds at most. Written by wakeman when it differs; do not edit.
PATH=/usr/bin:/bin
cd / || exit 126
exec 3>"$0.$$.out" 4<"$0.$$.out" || exit 126
rm -f "$0.$$.out"
env -i {env} {tmux} -u "$@" </dev/null >&3 3>&- 4<&- &
client=$!
( trap 'kill "$nap"; exit' TERM; sleep {limit} & nap=$!; wait "$nap" && kill -9 "$client" ) </dev/null >/dev/null 2>&1 &
guard=$!
wait "$client"
code=$?
kill "$guard" 2>/dev/null
cat <&4
exit "$code"
"""
KILLED_STATUS = 137


class ByLibtmux:
    """Calls tmux at one socket by libtmux, in a fixed environment, for `timeout` seconds at most."""

    def __init__(
        self, socket: str, tmux: str, directory: str, env: Mapping[str, str], config: str | None, timeout: float
    ) -> None:
        self._socket, self._tmux, self._config = socket, tmux, config
        self._script, self._env, self._timeout = f"{directory}/tmux.sh", env, timeout

    def __call__(self, words: Sequence[str]) -> Told:
        """Call tmux. Raises: TimeoutError; ProgramError when tmux cannot be run."""
        from libtmux.exc import TmuxCommandNotFound
        from libtmux.server import Server

        try:
            self._write_script()
            server = Server(socket_path=self._socket, config_file=self._config, tmux_bin=self._script)
            ran = server.cmd(words[0], *words[1:])
        except (OSError, TmuxCommandNotFound) as error:
            raise ProgramError(f"{self._script}: cannot be run: {error}", "wakeman doctor") from error
        if ran.returncode == KILLED_STATUS:
            raise TimeoutError
        if ran.returncode in (126, 127):
            raise ProgramError(f"{self._tmux}: cannot be run: {' '.join(ran.stderr)}", "wakeman doctor")
        out, err = ("\n".join(lines).encode(errors="surrogateescape") for lines in (ran.stdout, ran.stderr))
        return Told(ran.returncode, out, err)

    def _write_script(self) -> None:
        """Write the wrapper of tmux, unless it exists. Repeatable: yes, also by two processes at once."""
        import shlex
        from pathlib import Path

        env = shlex.join(f"{key}={value}" for key, value in self._env.items())
        text = BOUNDED.format(limit=f"{self._timeout:g}", env=env, tmux=shlex.quote(self._tmux))
        script = Path(self._script)
        data = text.encode(errors="surrogateescape")
        if script.exists() and script.read_bytes() == data:
            return
        fresh = Path(f"{script}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        fresh.touch(mode=0o700)
        fresh.write_bytes(data)
        fresh.replace(script)
