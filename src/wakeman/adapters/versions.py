"""The versions of clients: what a program says to `--version`, asked once while its file is the same."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress

from wakeman.core.errors import WakemanError
from wakeman.core.gate import Refused, decode_json
from wakeman.core.text import unescaped
from wakeman.ports import Files, Machine

VERSION_TIMEOUT_S = 5.0
"""Seconds that a program may take to say its version."""
KEPT_MAX = 100
"""Programs whose versions are kept."""
KEPT_BYTES_MAX = 256 * 1024
"""Bytes of the file that keeps them at most."""
_VERSION = r"(?<![\w.])v?(\d+\.\d+\.\d+)(?!\d|\.\d)"
"""What a pre-release or a build adds behind it is passed over."""
_OTHERS = r"(?!(?:node|npm|python)\b)"
_OWN_LINE = rf"(?mi)^[ \t]*(?:{_OTHERS}[a-z@/_-]+[ \t:]+){{0,4}}{_VERSION}\S*(?: \([^)\n]*\))?[ \t]*\r?$"
"""A line with nothing but a name and a version: others warn of something else's."""


class ProgramVersions:
    """Versions by the identity of a program's file, kept in one file of the user."""

    def __init__(self, machine: Machine, files: Files, kept: str) -> None:
        self._machine, self._files, self._kept = machine, files, kept

    def of(self, program: str, env: Mapping[str, str]) -> str:
        """Return the version of a program on the PATH of `env`; "" for none there, or one that says none."""
        import shutil

        found = shutil.which(program, path=env.get("PATH", ""))
        if found is None:
            return ""
        path = os.path.realpath(found)
        with suppress(OSError):
            at = os.stat(path)
            key = f"{path}:{at.st_size}:{at.st_mtime_ns}:{at.st_ctime_ns}:{at.st_ino}"
            known = self._read()
            if key not in known:
                ran = self._machine.run([found, "--version"], cwd="/", env=env, timeout=VERSION_TIMEOUT_S)
                known[key] = _said_version(ran.out)
                self._write(known)
            return known[key]
        return ""

    def _read(self) -> dict[str, str]:
        try:
            found = decode_json(self._files.read(self._kept, KEPT_BYTES_MAX), dict[str, str])
        except WakemanError:
            return {}
        return {} if isinstance(found, Refused) else found

    def _write(self, known: Mapping[str, str]) -> None:
        import json

        latest = dict(list(known.items())[-KEPT_MAX:])
        with suppress(WakemanError):  # it is asked again
            self._files.write(self._kept, json.dumps(latest).encode("utf-8", "surrogateescape"))


def _said_version(out: str) -> str:
    """Return the version that a program says, in a line of its own if there is one; "" for none."""
    text = unescaped(out)
    said = re.search(_OWN_LINE, text) or re.search(_VERSION, text)
    return said[1] if said else ""
