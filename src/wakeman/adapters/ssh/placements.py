"""Which session was placed on which host, in a file of the deployment's own directory.

A placement is on the disk before its host is called. So after a crash between the two, or a connection that broke, a
session is looked for, and asked for again, on that host alone: nothing is started twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from wakeman.ports import Carried, Start

PLACEMENTS_FOLDER = "ssh"
"""Where the file is, below the deployment's directory."""
PLACEMENTS_FILE = "placements.jsonl"


class Placement(Struct, frozen=True):
    """A session on a host. `server` is the tmux server that it was made in, "" while that is not confirmed.

    Shape: `lost` says that a person took it for lost: it may still run there, also when it is `gone` from the list.
    """

    id: str
    host: str
    session: str
    mark: str
    server: str = ""
    lost: bool = False
    gone: bool = False
    carried: Carried = Carried()


class _Line(Struct, frozen=True, omit_defaults=True):
    """One line of the file: a new placement; the server of one; that it is `lost`; that it is `gone`, to be listed no
    longer; or that it is `over`: what was lost does not run any more.
    """

    id: str
    host: str = ""
    session: str = ""
    mark: str = ""
    server: str = ""
    lost: bool = False
    gone: bool = False
    over: bool = False
    carried: Carried = Carried()


class Placements:
    """The placements of one deployment. Boundary: one process writes at a time, the one that holds the log's lock."""

    def __init__(self, directory: str) -> None:
        self._folder = f"{directory}/{PLACEMENTS_FOLDER}"
        self._file = f"{self._folder}/{PLACEMENTS_FILE}"

    def kept(self) -> list[Placement]:
        """List the placements that are to be listed, in the order in which they were made. Cost: one read."""
        return [one for one in self._read() if not one.gone]

    def lost(self) -> list[Placement]:
        """List what was taken for lost, and may still run on its host."""
        return [one for one in self._read() if one.lost]

    def _read(self) -> list[Placement]:
        try:
            with open(self._file, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return []
        found: dict[str, Placement] = {}
        decoder = msgspec.json.Decoder(_Line)
        for text in data.split(b"\n"):
            try:
                line = decoder.decode(text)
            except msgspec.DecodeError:
                continue  # the end of what a crash cut off: its host was not called
            _apply(found, line)
        return list(found.values())

    def place(self, new: Sequence[tuple[str, Start]]) -> list[Placement]:
        """Write that sessions are about to be made, each on its host."""
        made = [
            Placement(f"{os.urandom(6).hex()}@{host}", host, start.session, start.mark, carried=start.carried)
            for host, start in new
        ]
        self._append(_Line(one.id, one.host, one.session, one.mark, carried=one.carried) for one in made)
        return made

    def confirm(self, servers: Iterable[tuple[str, str]]) -> None:
        """Write in which tmux server sessions were made, each by its placement's id."""
        self._append(_Line(number, server=server) for number, server in servers)

    def drop(self, numbers: Iterable[str]) -> None:
        """Write that placements are to be listed no longer."""
        self._append(_Line(number, gone=True) for number in numbers)

    def lose(self, numbers: Iterable[str]) -> None:
        """Write that sessions were taken for lost."""
        self._append(_Line(number, lost=True) for number in numbers)

    def settle(self, numbers: Iterable[str]) -> None:
        """Write that what was lost does not run any more."""
        self._append(_Line(number, over=True) for number in numbers)

    def _append(self, lines: Iterable[_Line]) -> None:
        """Append lines to the disk. A line feed first ends what a crash may have cut off."""
        data = b"".join(b"\n" + msgspec.json.encode(line) for line in lines)
        if not data:
            return
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            file.write(data + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _apply(found: dict[str, Placement], line: _Line) -> None:
    if line.mark:
        found[line.id] = Placement(line.id, line.host, line.session, line.mark, carried=line.carried)
        return
    known = found.get(line.id)
    if known is None:
        return
    if line.over or (line.gone and not known.lost):
        del found[line.id]
        return
    server = line.server or known.server
    found[line.id] = msgspec.structs.replace(
        known, server=server, lost=known.lost or line.lost, gone=known.gone or line.gone
    )
