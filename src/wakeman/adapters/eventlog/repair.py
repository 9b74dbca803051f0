"""Truncates a damaged log on a person's request: the original is kept, and the log continues before its damage."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime
from os.path import basename, join

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.adapters.eventlog.segments import (
    LIVE,
    NEW,
    SNAPSHOT,
    close_quietly,
    refusing,
    sealed,
    sync_directory,
    write_new,
)
from wakeman.adapters.eventlog.snapshot import drop
from wakeman.adapters.eventlog.writer import EventWriter
from wakeman.core.errors import LogDamagedError, WakemanError
from wakeman.core.log.events import Draft, Repaired, seq_of
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment


def repair_log(directory: str, name: str, by: str) -> str:
    """Truncate a locked log before the first line that does not fit; return the directory of the original.

    Shape: "" if nothing is damaged. Boundary: repeatable after a crash at any point. Raises: LogDamagedError when no
    line can be used; StorageError.
    """
    file, end, seq, damage = _whole(directory)
    if not damage:
        return ""
    if not seq:
        raise LogDamagedError(f"{damage}; nothing before it can be used", f"wakeman clean {name} moves it aside")
    live = join(directory, LIVE)
    with refusing(directory):
        files = [path for first, path in sealed(directory) if first >= _first_cut_seq(file, directory)] + [live]
        kept, size = _keep_copy(directory, [*files, join(directory, SNAPSHOT)])
        drop(directory)
        if file == live:
            os.truncate(live, end)
        else:
            with open(file, "rb") as stream:
                write_new(join(directory, NEW), stream.read(end))
            os.rename(join(directory, NEW), live)
        sync_directory(directory)
        for path in files[:-1]:  # ignored from here on: the live one begins no later
            os.unlink(path)
        sync_directory(directory)
        fd = os.open(live, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        writer = EventWriter(directory, fd, by)
        writer.catch_up(name)
        writer.append([Draft(Repaired(file=kept, size=size - end, line=seq + 1))], datetime.now(UTC))
    finally:
        close_quietly(fd)
    return join(directory, kept)


def _whole(directory: str) -> tuple[str, int, int, str]:
    """Return file, offset and seq at the end of the last whole write before the damage, and the damage."""
    deployment = Deployment()
    file, seq, damage = "", 0, ""
    with Reading(join(directory, LIVE)) as log:
        try:
            for event in log:
                apply(deployment, event)
                if not event.more:
                    file, seq = log.file, event.seq
        except (WakemanError, LookupError, ValueError) as fault:
            damage = str(fault)
    return file, _offset_behind(file, seq) if damage and seq else 0, seq, damage


def _offset_behind(file: str, seq: int) -> int:
    """Return the offset behind a line."""
    end = 0
    with open(file, "rb") as stream:
        for line in stream:
            end += len(line)
            if seq_of(line) == seq:
                break
    return end


def _first_cut_seq(file: str, directory: str) -> int:
    """Return the seq from which on files are cut or moved; if only the live file is damaged, sealed ones stay."""
    found = {path: first for first, path in sealed(directory)}
    return found.get(file, sys.maxsize)


def _keep_copy(directory: str, files: list[str]) -> tuple[str, int]:
    """Copy files into a new directory beside the log, durably; return its name, and its bytes of lines."""
    name = f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    os.mkdir(join(directory, name), 0o700)
    size = 0
    for file in files:
        with suppress(FileNotFoundError):
            copy = shutil.copyfile(file, join(directory, name, basename(file)))
            fd = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
            try:
                size += os.fstat(fd).st_size * file.endswith(".jsonl")
                os.fsync(fd)
            finally:
                close_quietly(fd)
    sync_directory(join(directory, name))
    sync_directory(directory)
    return name, size
