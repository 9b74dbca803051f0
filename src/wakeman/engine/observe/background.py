"""Which processes of an attempt are its work: not the client, and not what belongs to the client."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wakeman.ports import Kin


CLIENT_START_S = 3.0
"""Seconds after an attempt's start in which new processes count as the client's own, if no tool call has a time."""
CORE_START_S = 0.5
"""Seconds between the first process of an attempt and those that are the client itself: launchers start it."""
WORK_AGE_MIN_S = 1.0
"""Seconds that a process has to live for it to be work: hooks, and what a client runs for itself, end before."""
REPEATED_CHARS_MIN = 8
"""Characters of a command line, without its program, that identify a client that starts itself once more."""
REPEATED_CHARS_MAX = 200
"""Characters of it that are compared: of a long command line only the beginning is read."""
_HELPER = r"(?i)\bmcp\b|[-_/]mcp|mcp[-_]|\blsp\b|language[-_ ]?server|langserver|tsserver|\bgopls\b|rust-analyzer"
"""Servers that a client starts for itself, whenever it needs them; they run in its own session."""


def work_of(own: Mapping[int, Kin], claimed: float, now: float) -> list[int]:
    """Return those processes of an attempt that are its work; `claimed` is when it began, both in epoch seconds.

    Shape: clients give each command that they run a session of its own, and their helpers none. In the client's session
    counts what was started later than it, and by no helper. A client that starts itself once more, as Gemini CLI does
    with other options of its interpreter, is the client, however late that is.
    """
    first = min((process.born for process in own.values()), default=0.0)
    core = {pid for pid, process in own.items() if process.born - first < CORE_START_S}
    while again := {pid for pid in own.keys() - core if _starts_anew(own, core, pid)}:
        core |= again
    sessions = {own[pid].session for pid in core} | {0}
    early = {pid for pid, process in own.items() if process.born < claimed + CLIENT_START_S} - core

    def helps(pid: int) -> bool:
        above = own[pid].parent
        return (
            pid in early
            or re.search(_HELPER, own[pid].words) is not None
            or (above in own and above not in core and helps(above))
        )

    return [
        pid
        for pid, process in own.items()
        if pid not in core
        and now - process.born >= WORK_AGE_MIN_S
        and (process.session not in sessions or not helps(pid))
    ]


def _starts_anew(own: Mapping[int, Kin], core: Collection[int], pid: int) -> bool:
    """Return whether a process is one of the client's, started by itself with the same words after the program's."""
    process = own[pid]
    if process.parent not in core or process.session != own[process.parent].session:
        return False
    words = own[process.parent].words.partition(" ")[2][:REPEATED_CHARS_MAX]
    return len(words) >= REPEATED_CHARS_MIN and words in process.words
