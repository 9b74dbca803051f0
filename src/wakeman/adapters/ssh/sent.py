"""What Wakeman has made on a host outside of a deployment's own directory: what `ssh.send` brought there that was not
there before, and the directories above. `clean` removes this there, and nothing else.

Rules of this file, each because of whose the files on a host are:

- Only what rsync, or the script before it, says that it has made is noted. What was there before is the user's, also
  where it was replaced.
- A file that is not as it was sent last is the user's by now: it stays, and so does a directory that is not empty.
- What another deployment of the state directory has sent to the same place may be in use: it gets the note, and its own
  `clean` removes what is in it.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import msgspec
from msgspec import Struct

ITEMISED = ("--8-bit-output", "--out-format=%i %n")
"""The options by which rsync prints what it does to each file."""
_ITEM_LINE = re.compile(r"[<>ch.](?P<kind>[fdL])(?P<what>[^ ]{9}) (?P<path>.+)")
_NEW = "+" * 9
"""What rsync prints of something that was not there before."""


class MadeThere(Struct, frozen=True, omit_defaults=True):
    """Something that was made on a host: a directory; or a file or a link, as it was sent last.

    Units: bytes, -1 for a directory; seconds.
    """

    path: str
    size: int = -1
    mtime: int = 0


class SentFiles:
    """The note of what was made on one host for one deployment, in that one's directory here."""

    def __init__(self, folder: str, host: str) -> None:
        """Shape: `folder` is where what is about copies is."""
        self._file = f"{folder}/sent.{host}"

    def begin(self) -> None:
        """Note that a host is about to get files. Repeatable: yes."""
        self.note(())

    @property
    def begun(self) -> bool:
        """Return whether the host may have got files."""
        return os.path.exists(self._file)

    def note(self, made: Iterable[MadeThere]) -> None:
        """Note what was made, durably. A line feed first ends what a crash may have cut off."""
        data = b"".join(b"\n" + msgspec.json.encode(one) for one in made)
        os.makedirs(posixpath.dirname(self._file), mode=0o700, exist_ok=True)
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            if data:
                file.write(data + b"\n")
                file.flush()
                os.fsync(file.fileno())

    def made(self) -> dict[str, MadeThere]:
        """Return what was made, by its path."""
        found: dict[str, MadeThere] = {}
        decoder = msgspec.json.Decoder(MadeThere)
        with suppress(FileNotFoundError), open(self._file, "rb") as file:
            for line in file.read().split(b"\n"):
                with suppress(msgspec.DecodeError):  # the end of what a crash cut off
                    one = decoder.decode(line)
                    found[one.path] = one
        return found

    def settle(self) -> None:
        """Note that nothing of it is left there."""
        with suppress(FileNotFoundError):
            os.unlink(self._file)


def said_to_be_made(printed: bytes, root: str, known: Mapping[str, MadeThere]) -> Iterator[MadeThere]:
    """Yield what rsync says that it has made below `root`, and what of the `known` it has sent anew.

    Boundary: names that are not UTF-8, or that rsync prints otherwise than they are, are passed over, and so they stay.
    """
    for line in printed.split(b"\n"):
        try:
            item = _ITEM_LINE.fullmatch(line.decode())
        except UnicodeDecodeError:
            continue
        if item is None:
            continue
        path = posixpath.normpath(f"{root}/{item['path']}")
        if item["what"] != _NEW and path not in known:
            continue
        with suppress(OSError):
            here = os.lstat(path)
            if not stat.S_ISDIR(here.st_mode):
                yield MadeThere(path, here.st_size, int(here.st_mtime))
            elif item["what"] == _NEW:
                yield MadeThere(path)


def as_sent(printed: bytes, made: Mapping[str, MadeThere]) -> list[str]:
    """Return which files are still as they were sent, by what `stat` prints of each: size, time and path."""
    found = []
    for line in printed.decode(errors="replace").splitlines():
        size, _, rest = line.partition(" ")
        mtime, _, path = rest.partition(" ")
        one = made.get(path)
        if one is not None and (size, mtime) == (str(one.size), str(one.mtime)):
            found.append(path)
    return found
