"""Deletion of a directory with all that is in it, which others may have filled with anything."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from wakeman.adapters.disk import DIRECTORY, translated_errors, unguessable_name


def erase(directory: str, place: int, last: str) -> int:
    """Delete a directory that lies in the open directory `place`; return the bytes of the files that are gone with it.

    Shape: the directories that one within holds are brought up beside it before it goes: no depth takes more than two
    open at once. What is `last` goes last.
    """
    name = os.path.basename(directory)
    try:
        top = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
    except FileNotFoundError:
        return 0
    freed = 0
    try:
        os.fchmod(top, stat.S_IRWXU)
        while inside := [each for each in os.listdir(top) if each != last]:
            freed += sum(_erase_entry(each, top, f"{directory}/{each}") for each in inside)
        if last:
            freed += _unlink(last, top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=place)
    return freed


def _erase_entry(name: str, top: int, path: str) -> int:
    """Delete one entry; of a directory only its files: the directories in it become entries beside it."""
    with translated_errors(path):
        try:
            below = os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        except FileNotFoundError:
            return 0  # somebody else empties it, too
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            return _unlink(name, top)
        freed, other = 0, unguessable_name()
        try:  # no mount point takes another name: what is mounted there is not ours
            os.rename(name, other, src_dir_fd=top, dst_dir_fd=top)
            os.fchmod(below, stat.S_IRWXU)
            with os.scandir(below) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        os.rename(entry.name, unguessable_name(), src_dir_fd=below, dst_dir_fd=top)
                    else:
                        freed += _unlink(entry.name, below)
        except OSError:
            with suppress(OSError):
                os.rename(other, name, src_dir_fd=top, dst_dir_fd=top)
            raise
        finally:
            os.close(below)
        with suppress(FileNotFoundError):
            os.rmdir(other, dir_fd=top)
    return freed


def _unlink(name: str, place: int) -> int:
    """Delete a file; return its bytes, if this was its only name."""
    try:
        seen = os.stat(name, dir_fd=place, follow_symlinks=False)
        os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return 0
    return seen.st_size if stat.S_ISREG(seen.st_mode) and seen.st_nlink == 1 else 0
