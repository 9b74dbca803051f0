"""What tmux lists: its panes, read as sessions; and whether a server lives that does not answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wakeman.ports import Listing, SessionInfo

if TYPE_CHECKING:
    from wakeman.ports import Phase

BORN_FIELD = 19  # of /proc/PID/stat, behind the name: ticks from the boot to the start
CLOCK_STEP_S = 3600  # seconds by which the clock may have been set since a server started
PANE_FIELDS = (
    "pid",
    "start_time",
    "session_id",
    "pane_id",
    "pane_pid",
    "pane_dead",
    "pane_dead_status",
    "pane_dead_signal",
    "session_created",
    "window_activity",
    "@wakeman_pane",
)
TEXT_FIELDS = ("session_name", "@wakeman", "pane_title")  # may contain anything
UNSETTLED, OWN = "0", "1"
"""`@wakeman_pane`: of a session until our pane is known; of the pane of a session that somebody else has made. Of
one of ours it is its pane's id."""
PLAIN = {n: None for n in (*range(0x20), *range(0x7F, 0xA0)) if chr(n) not in "\n\t"}


def read_listing(parts: list[str]) -> Listing:
    """Read the output of a listing: per pane the facts, then each text. Raises: ValueError."""
    width = 1 + len(TEXT_FIELDS)
    if len(parts) % width:
        raise ValueError(f"{len(parts)} fields, not a multiple of {width}")
    server = ""
    seen: dict[str, SessionInfo] = {}
    ranks: dict[str, tuple[bool, int]] = {}
    # By position, and each text tried for plainness first: a server may have a thousand panes, at each check.
    for place in range(0, len(parts), width):
        pid, started, number, pane, pane_pid, dead, code, signal, created, activity, own = parts[place].split(",")
        name, mark, title = parts[place + 1 : place + width]
        ours = is_own(own, pane)
        over = dead == "1" or (mark != "" and not ours and own != UNSETTLED)  # our own was closed, another is open
        server = f"{pid}:{started}"
        session_id = f"{number}@{server}"
        rank = not ours, int(pane[1:])
        if session_id in ranks and ranks[session_id] <= rank:
            continue
        ranks[session_id] = rank
        seen[session_id] = SessionInfo(
            name,
            session_id,
            _final_phase(code, signal) if over else "running",
            mark,
            int(pane_pid),
            int(code) if code else None,
            "",
            f"its wrapper was ended by signal {signal}" if over and signal and not code else "",
            float(created),
            float(activity),
            title.strip() if title.isprintable() else plain_text(title).strip(),
        )
    return Listing("up", server, tuple(seen.values()))


def is_own(own: str, pane: str) -> bool:
    """Return whether a pane is the one that we made, by what `@wakeman_pane` is there."""
    return own in (OWN, pane)


def _final_phase(code: str, signal: str) -> Phase:
    """Return the phase of a pane that is over. Boundary: the status of one that has just died may still be missing."""
    return "killed" if signal and not code else "exited"


def is_tmux(pid: int) -> bool:
    """Return whether a process is a tmux server of this user: to another program, the signal would be its end."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().startswith("tmux") and os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


def lives(server: str) -> bool:
    """Return whether a server's process is alive; a zombie is not, another user's is.

    Boundary: a process of that id that began later, and is not called tmux, is another one.
    """
    pid, _, started = server.partition(":")
    try:
        os.kill(int(pid), 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            name, _, fields = stream.read().partition("(")[2].rpartition(")")
        with open("/proc/stat", encoding="utf-8") as stream:
            booted = next(int(line.split()[1]) for line in stream if line.startswith("btime "))
    except ProcessLookupError:
        return False
    except (OSError, StopIteration):
        return True
    values = fields.split()
    born = booted + int(values[BORN_FIELD]) / os.sysconf("SC_CLK_TCK")
    return values[0] != "Z" and (name.startswith("tmux") or born < int(started) + CLOCK_STEP_S)


def plain_text(text: str) -> str:
    """Return text without control characters except line feed and tab; a carriage return becomes a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(PLAIN)
