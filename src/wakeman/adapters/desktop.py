"""Shows notices on this machine's desktop, by `notify-send`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from shutil import which

from wakeman.core.text import last_line, sanitise
from wakeman.ports import Delivery, Machine

NOTIFY_SEND = "notify-send"
DESKTOP_CHARS_MAX = 700
"""Characters of a notice that are shown."""
NOTIFY_MISSING = f"no program {NOTIFY_SEND} on PATH; on Debian it is in libnotify-bin"


def desktop_fault(env: Mapping[str, str]) -> str:
    """Return why nothing can be shown; "" if it can, as far as that is known."""
    return "" if which(NOTIFY_SEND, path=env.get("PATH")) else NOTIFY_MISSING


def show_on_desktop(machine: Machine, env: Mapping[str, str], title: str, message: str, timeout: float) -> Delivery:
    """Show one notice; return what came of it.

    Boundary: told is what `notify-send` took; whether somebody sits there is not known. An alarm has no variables of
    the desktop: its bus is then looked for where systemd has it.
    """
    program = which(NOTIFY_SEND, path=env.get("PATH"))
    if program is None:
        return Delivery(NOTIFY_MISSING)
    bus = f"/run/user/{os.getuid()}/bus"
    more = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}"} if os.path.exists(bus) else {}
    words = (sanitise(f"wakeman: {title}", DESKTOP_CHARS_MAX), sanitise(message, DESKTOP_CHARS_MAX))
    argv = [program, "--app-name=wakeman", "--", *words]
    ran = machine.run(argv, cwd="/", env={**more, **env}, timeout=timeout)
    if ran.code == 0:
        return Delivery()
    printed = last_line(ran.err, DESKTOP_CHARS_MAX)
    why = ran.error if ran.code is None else f"exit {ran.code}" + (f": {printed}" if printed else "")
    return Delivery(f"{NOTIFY_SEND}: {sanitise(why, DESKTOP_CHARS_MAX)}", doubt=ran.late)
