"""What a command of tmux acts on: ids of sessions and panes, and the conditions under which they are still ours."""

from __future__ import annotations

import re
from functools import reduce

from msgspec import Struct

from wakeman.core.errors import UnknownNameError

SESSION_ID = re.compile(r"(\$\d+)(?:@(\d+:\d+))?")  # of the server's counting, and its server; older logs name none
ATTEMPT_ID = r"[\w ./@+=-]+"  # what a format compares as it is


class Pane(Struct, frozen=True):
    """A pane that was found; `condition` holds while it is that one."""

    pane: str
    dead: bool
    condition: str


def local_id(session_id: str) -> str:
    """Return a session's id within its server."""
    return session_id.partition("@")[0]


def server_of(session_id: str) -> str:
    """Return the server in an id; "" for an id of the previous version, or none."""
    found = SESSION_ID.fullmatch(session_id)
    return (found[2] or "") if found else ""


def exact_target(session: str) -> str:
    """Return the exact target of a session.

    Raises: UnknownNameError for an empty name, which tmux takes as any session.
    """
    if not session:
        raise UnknownNameError("tmux: found an empty session name")
    return f"{local_id(session)}:" if SESSION_ID.fullmatch(session) else f"={session}:"


def match_format(session: str, mark: str) -> str:
    """Write the format that is 1 only on the session with that id (or any, for a name) and that mark.

    Raises: UnknownNameError for an id without a server, unless a mark is compared: every server has a `$0`.
    """
    found = SESSION_ID.fullmatch(session)
    tests = {"session_id": found[1]} if found else {}
    if found and found[2]:
        tests["pid"], _, tests["start_time"] = found[2].partition(":")
    elif found and not mark:
        raise UnknownNameError(f"tmux: found {session}, which is of no known server; expected a session's name")
    if mark:
        if not re.fullmatch(ATTEMPT_ID, mark):
            raise UnknownNameError(f"tmux: mark {mark!r} cannot be compared by tmux")
        tests["@wakeman"] = mark
    formats = [f"#{{==:#{{{name}}},{value}}}" for name, value in tests.items()]
    return reduce(both, formats) if formats else "1"


def both(one: str, other: str) -> str:
    return f"#{{&&:{one},{other}}}"
