"""A night among processes and a spool of `at` of its own: its daemon is killed, comes back, is killed with its job.

Run by test_world.py under `unshare -m -p -f --mount-proc`; 77 means that it cannot be done here.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.real.rig import rigged
from tests.torture.rig import Torture
from tests.waiting import until

SPOOLS = ("/var/spool/cron/atjobs", "/var/spool/cron/atspool")
PID_FILE = Path("/run/atd.pid")


def private_spool() -> None:
    """Have nothing but our own jobs, in this mount namespace."""
    daemon = pwd.getpwnam("daemon")
    for place in SPOOLS:
        options = f"mode=1770,uid={daemon.pw_uid},gid={daemon.pw_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    count = Path(SPOOLS[0], ".SEQ")  # `at` counts its jobs there, and makes none by itself
    count.write_text("00000\n")
    count.chmod(0o600)
    shutil.chown(count, "daemon", "daemon")
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)


def begin() -> int:
    """Start the daemon; return its process id."""
    PID_FILE.unlink(missing_ok=True)  # of one that was killed
    subprocess.run([shutil.which("atd") or "atd"], check=True)
    until(lambda: PID_FILE.exists() and PID_FILE.read_text().strip())
    return int(PID_FILE.read_text())


def end(atd: int) -> None:
    """Kill the daemon. It is a child of the first process of this namespace, which is this one."""
    os.kill(atd, signal.SIGKILL)
    os.waitpid(atd, 0)


def kinds(rig: Torture) -> list[str]:
    """List what the alarms were, in order."""
    return [event["data"]["alarm"]["kind"] for event in rig.events() if event["type"] == "armed"]


def main() -> None:
    with rigged(Torture) as rig:
        atd = begin()
        assert 0 == rig.run("up", "wakeman.toml").returncode
        assert "at" == kinds(rig)[-1], kinds(rig)
        end(atd)

        assert 4 == rig.run("check", "night").returncode
        assert "sleep" == kinds(rig)[-1], kinds(rig)

        atd = begin()
        assert 4 == rig.run("check", "night").returncode
        assert "at" == kinds(rig)[-1], kinds(rig)

        # A job that runs when all of the daemon is killed is never run again, and stays in its list.
        subprocess.run(["at", "now"], input="exec sleep 600", text=True, capture_output=True, check=True)
        until(lambda: "=" in subprocess.run(["atq"], capture_output=True, text=True).stdout)
        end(atd)
        begin()
        rig.recover("checks")
        assert "at" == kinds(rig)[-1], kinds(rig)
        rig.finish()
        rig.verify(attempts=4)


if __name__ == "__main__":
    if shutil.which("atd") is None or not all(os.path.isdir(place) for place in SPOOLS):
        sys.stdout.write("no atd, or its spool is elsewhere\n")
        sys.exit(77)
    private_spool()
    main()
