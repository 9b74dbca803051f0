"""The machine's clocks, and the id of its boot."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from functools import cache

from wakeman.core.model import SHARED_BOOT


class SystemClock:
    """The wall clock, the clock that stops during sleep, and the boot at which the latter starts."""

    def now(self) -> datetime:
        """Read the wall clock."""
        return datetime.now(UTC)

    def mono(self) -> float:
        """Read the clock that stops while the machine sleeps.

        Source: clock_gettime(2), where CLOCK_MONOTONIC does not count suspension; on macOS it does.
        """
        if sys.platform == "darwin":
            return time.clock_gettime(time.CLOCK_UPTIME_RAW)
        return time.clock_gettime(time.CLOCK_MONOTONIC)

    def boot(self) -> str:
        """Return the id of this boot: the kernel's boot id on Linux, the second of the start on macOS."""
        return _boot()


class SharedClock:
    """The wall clock, as far as machines agree on it, for what several of them observe."""

    def now(self) -> datetime:
        """Read the wall clock."""
        return datetime.now(UTC)

    def mono(self) -> float:
        """Read the wall clock in seconds. Boundary: it may be set, and counts while a machine sleeps."""
        return time.time()

    def boot(self) -> str:
        """Return the same on each machine, and after its restart."""
        return SHARED_BOOT


@cache
def _boot() -> str:
    if sys.platform == "darwin":
        return _boot_second()
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read(8)


def _boot_second() -> str:
    import re
    import subprocess

    ran = subprocess.run(["/usr/sbin/sysctl", "-n", "kern.boottime"], capture_output=True, text=True, check=True)
    found = re.search(r"sec = (\d+)", ran.stdout)  # { sec = 1763800000, usec = 0 } Sat Nov 22 ...
    return f"{int(found[1]) if found else 0:08x}"
