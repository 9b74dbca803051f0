"""The commands of tmux that make sessions, and what they print. Loaded when there is something to start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from wakeman.adapters.tmux.listing import UNSETTLED
from wakeman.adapters.tmux.targets import ATTEMPT_ID
from wakeman.ports import Made

if TYPE_CHECKING:
    from wakeman.ports import Start

COMMAND_BYTES_MAX = 16_000  # bytes of one tmux command line; tmux refuses 16,384
SIZE = ("-x", "200", "-y", "50")
SESSION_NAME = r"\w[\w +-]*"  # characters without a special meaning for tmux
BORN = "wakeman: #{session_id}@#{pid}:#{start_time} #{pane_pid} #{pane_id}"
BIRTH = r"wakeman: (\$\d+@\d+:\d+) (\d+) (%\d+)"
ALONE = "#{==:#{session_windows}.#{window_panes},1.1}"  # one window, one pane: the target cannot be another
EQUIPPED = "wakeman: equipped"
HIDDEN = ("set-environment", "-h")
"""Sets a variable of a session that is for formats alone."""


class Birth(Struct, frozen=True):
    """A session as its creation printed it; `equipped` says whether its pane is marked."""

    session_id: str
    pid: int
    pane: str
    equipped: bool


def creation_commands(start: Start, *, configured: bool = False) -> tuple[str, ...]:
    """Return the tmux commands that make a session ours from its first moment; print its ids, and `EQUIPPED`.

    Shape: the pane is marked in the same call if it is the session's only one, and before its session is: a listing
    never sees a session of ours without its pane. `configured`: the server has read the configuration of a user, which
    may have it end sessions without a client.
    Cost: with each option that is set, tmux passes through all sessions of the server, so only the one is set that has
    to be; what marks session and pane are variables of its environment, which no program in it gets (`-h`). A format
    reads a variable where it finds no option of that name.
    """
    target = f"={start.session}:"
    # A single word would be run by a shell.
    argv = start.argv if len(start.argv) > 1 else ("/bin/sh", "-c", 'exec "$0"', *start.argv)
    env = tuple(word for key, value in start.env.items() for word in ("-e", _literal(f"{key}={value}")))
    own = (*pane_commands(start, target, ("-w", "-t", target)), ";", "display-message", "-p", EQUIPPED)
    unsettled = (*HIDDEN, "-t", target, "@wakeman_pane", UNSETTLED)
    return (
        *("new-session", "-d", "-P", "-F", BORN, "-s", start.session, *SIZE),
        *("-c", _literal(_unformatted(start.cwd)), *env, "--", *map(_literal, argv), ";"),
        *(("set-option", "-t", target, "destroy-unattached", "off", ";") if configured else ()),
        *("if-shell", "-F", "-t", target, ALONE, command_line(own), command_line(unsettled), ";"),
        *(*HIDDEN, "-t", target, "@wakeman", start.mark),
    )


def pane_commands(start: Start, pane: str, lasting: Sequence[str]) -> tuple[str, ...]:
    """Return the tmux commands that make a pane the worker's."""
    words: tuple[str, ...] = (
        *(("set-option", *lasting, "remain-on-exit", "on", ";") if start.lingers else ()),
        *(*HIDDEN, "-F", "-t", pane, "@wakeman_pane", "#{pane_id}"),
    )
    if start.stream:
        import shlex

        script, *given = start.keeper or ("",)
        # Read by the shell that tmux starts anyway: another one would cost as much as all that it does.
        keep = (
            f"set -- {shlex.join(given)}; . {shlex.quote(script)}"
            if script
            else f"exec cat >>{shlex.quote(start.stream)}"
        )
        words += (";", "pipe-pane", "-t", pane, _shielded(f"umask 077; {keep}"))
    return words


def command_line(words: Sequence[str]) -> str:
    """Write commands as one line for tmux's own parser."""
    return " ".join(";" if word == ";" else _quoted(word) for word in words)


_TMUX_ESCAPES = str.maketrans({sign: f"\\{sign}" for sign in '"\\$'})


def _quoted(word: str) -> str:
    return '"' + word.translate(_TMUX_ESCAPES) + '"'


def births(lines: Sequence[str]) -> list[Birth]:
    """Read what creations printed. Boundary: a hook of the user's configuration may print, too."""
    born: list[Birth] = []
    for line in lines:
        if found := re.fullmatch(BIRTH, line):
            born.append(Birth(found[1], int(found[2]), found[3], equipped=False))
        elif line == EQUIPPED and born:
            born[-1] = replace(born[-1], equipped=True)
    return born


def start_batches(starts: Sequence[Start], waiting: Sequence[int], most: int) -> Iterator[list[int]]:
    """Split a list of starts into as few calls of tmux as possible."""
    batch: list[int] = []
    size = 0
    for index in waiting:
        length = words_length(creation_commands(starts[index], configured=True))
        if batch and (size + length > COMMAND_BYTES_MAX or len(batch) == most):
            yield batch
            batch, size = [], 0
        batch.append(index)
        size += length
    yield batch


def refused_start(start: Start) -> Made | None:
    """Return why tmux would misinterpret a start; None if it would not."""
    if not re.fullmatch(SESSION_NAME, start.session):
        return Made(error=f"tmux session {start.session!r}: expected letters, digits, _, -, + and blanks")
    if not re.fullmatch(ATTEMPT_ID, start.mark):
        return Made(error=f"tmux session {start.session}: mark {start.mark!r} cannot be compared by tmux")
    if not start.argv:
        return Made(error=f"tmux session {start.session}: no program given")
    if (length := words_length(creation_commands(start, configured=True))) > COMMAND_BYTES_MAX:
        return Made(error=f"tmux session {start.session}: {length} bytes of arguments, tmux takes {COMMAND_BYTES_MAX}")
    return None


def words_length(words: Sequence[str]) -> int:
    """Return the bytes of a command line in tmux's own protocol."""
    return sum(len(word.encode(errors="surrogateescape")) + 1 for word in words) + 2


def _literal(word: str) -> str:
    """Escape a `;` at a word's end, which would end the command."""
    return f"{word[:-1]}\\;" if word.endswith(";") else word


def _unformatted(text: str) -> str:
    """Return text with each `#` doubled, except before `[`, which tmux does not interpret."""
    return re.sub(r"#+(?![#\[])", lambda run: run[0] * 2, text)


def _shielded(command: str) -> str:
    """Write a shell command without anything that tmux takes as a format or `strftime` pattern."""
    if not set("#%") & set(command):
        return _literal(command)
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /_.,=:>"
    data = command.encode(errors="surrogateescape")
    octal = "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in data)
    return f"eval \"$(printf '{octal}')\""
