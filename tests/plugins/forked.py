"""A back end of another package: each worker is a process of its own, without a terminal, as nice as the plan says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from wakeman.core.errors import UnknownNameError
from wakeman.core.model import Host, Plan
from wakeman.ports import Listing, Made, Phase, SessionInfo, Start

DETACHED = 'setsid /bin/sh -c "$@" </dev/null >/dev/null 2>&1 & echo $!'
SCRIPT = 'exec >>"$1" 2>&1; code=$2; shift 2; "$@" </dev/null; echo $? >"$code.tmp"; mv "$code.tmp" "$code"'


class Forked:
    """Processes, each with a directory: `mark`, `id`, `pid`, `log`, and `code` once it has ended."""

    outlives_boot, terminal = False, None

    def __init__(self, place: str, niceness: str = "0") -> None:
        self.address, self.niceness = place, niceness

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        del known
        homes = sorted(home for home in Path(self.address).iterdir() if not home.name.startswith("."))
        return Listing("up", "forked", tuple(map(self._info, homes)))

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        return [self._submit(start) for start in starts]

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        found = [one for one in self.poll().seen if (one.session_id, one.mark) in ends]
        for one in found:
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGHUP)
            # Moved first: the process may still write its status, and must not find its directory.
            gone = Path(self.address, one.session).rename(Path(self.address, f".{one.session_id}"))
            shutil.rmtree(gone, ignore_errors=True)
        return len(found)

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        for one in self.poll().seen:
            if session in (one.session, one.session_id) and mark in ("", one.mark):
                log = Path(self.address, one.session, "log").read_text(errors="replace")
                return "\n".join(log.rstrip().split("\n")[-lines:])
        raise UnknownNameError(f"forked: no session {session!r}")

    def _submit(self, start: Start) -> Made:
        home = Path(self.address, start.session)
        if home.exists():
            there = self._info(home)
            return Made(there.session_id, there.pid) if there.mark == start.mark else Made(error="taken", taken=True)
        home.mkdir()
        log = home / "log"
        log.symlink_to(start.stream) if start.stream else log.touch()
        argv = (
            "nice",
            "-n",
            self.niceness,
            "/bin/sh",
            "-c",
            DETACHED,
            "sh",
            SCRIPT,
            "forked",
            str(log),
            str(home / "code"),
            *start.argv,
        )
        pid = subprocess.run(argv, cwd=start.cwd, env=dict(start.env), stdout=subprocess.PIPE, check=True).stdout
        for name, text in {"mark": start.mark, "id": uuid.uuid4().hex, "pid": pid.decode()}.items():
            (home / name).write_text(text)
        return Made((home / "id").read_text(), int(pid))

    def _info(self, home: Path) -> SessionInfo:
        pid, code = int((home / "pid").read_text()), home / "code"
        phase: Phase = "exited" if code.exists() else "running" if Path(f"/proc/{pid}").exists() else "killed"
        return SessionInfo(
            session=home.name,
            session_id=(home / "id").read_text(),
            phase=phase,
            mark=(home / "mark").read_text(),
            pid=pid,
            code=int(code.read_text()) if code.exists() else None,
            created=home.stat().st_mtime,
        )


class Keys(Struct, frozen=True):
    """The plan's table `[executor]`."""

    niceness: Annotated[int, Meta(ge=0, le=19)] = 0


class ForkedBackend:
    """Keeps the processes' directories inside the deployment's own."""

    keys = Keys

    def found(self, environ: Mapping[str, str]) -> str:
        del environ
        return "/bin/sh"

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        del environ
        keys = msgspec.convert(plan.executor, Keys)
        return {"forks": f"{directory}/forks", "niceness": str(keys.niceness)}

    def executor(self, host: Host) -> Forked:
        os.makedirs(host.place["forks"], exist_ok=True)
        return Forked(host.place["forks"], host.place["niceness"])
