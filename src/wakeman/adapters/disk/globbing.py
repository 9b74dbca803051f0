"""Patterns of files: the paths below a directory that match some, and none of others."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from wakeman.adapters.disk import translated_errors
from wakeman.core.errors import UsageError
from wakeman.ports import STATE_MARKER


class Segment(Struct, frozen=True, gc=False):
    """One part of a pattern between slashes.

    `spans`: it is `**`, and stays for names further down; `any`: it matches every name.
    """

    name: re.Pattern[str]
    spans: bool
    any: bool


Patterns = list[tuple[Segment, ...]]
State = tuple[int, int]  # index of the pattern, and of its next segment


def matching(root: str, patterns: Sequence[str], exclude: Sequence[str]) -> Iterator[str]:
    """Yield the regular files under `root`, as relative paths in no order; one may come twice."""
    wanted = [_segments(pattern, hidden=False) for pattern in patterns]
    unwanted = [_segments(pattern, hidden=True) for pattern in exclude]
    return _walk(root, wanted, unwanted)


def _segments(pattern: str, *, hidden: bool) -> tuple[Segment, ...]:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    if pattern.startswith("/") or ".." in parts:
        raise UsageError(f"{pattern!r}: found a pattern that leads outside, expected one relative to the plan file")
    if parts[-1:] == ["**"]:
        parts.append("*")
    return tuple(_segment(part, hidden=hidden or part.startswith(".")) for part in parts)


def _segment(part: str, *, hidden: bool) -> Segment:
    spans = part == "**"
    name = re.compile(("" if hidden else r"(?!\.)") + ("" if spans else fnmatch.translate(part)))
    return Segment(name, spans, any=hidden and (spans or part == "*"))


def _walk(root: str, wanted: Patterns, unwanted: Patterns) -> Iterator[str]:
    """Walk only directories in which a pattern can match; a set of states represents all patterns at once."""
    todo = [("", _initial_states(wanted), _initial_states(unwanted))]
    while todo:
        prefix, inside, outside = todo.pop()
        entries = _directory_entries(root, prefix)
        if prefix and any(entry.name == STATE_MARKER for entry in entries):
            continue
        for entry in entries:
            is_directory = _is_kind(entry.is_dir)
            after = _step(wanted, inside, entry.name, spans=not (is_directory and entry.is_symlink()))
            out = _step(unwanted, outside, entry.name, spans=True)
            if not after or _ended(unwanted, out):
                continue
            if is_directory and not _ends_below(unwanted, out) and any(at < len(wanted[i]) for i, at in after):
                todo.append((f"{prefix}{entry.name}/", after, out))
            elif _ended(wanted, after) and _is_kind(entry.is_file):
                yield prefix + entry.name


def _is_kind(ask: Callable[[], bool]) -> bool:
    """Return what an entry is asked; False for a link that leads nowhere, as one to itself."""
    try:
        return ask()
    except OSError:
        return False


def _initial_states(patterns: Patterns) -> set[State]:
    return _skipping(patterns, {(index, 0) for index in range(len(patterns))})


def _directory_entries(root: str, prefix: str) -> list[os.DirEntry[str]]:
    directory = f"{root}/{prefix}"
    with translated_errors(directory):
        try:
            with os.scandir(directory) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            if not prefix:
                raise
            return []  # gone since its parent was listed


def _step(patterns: Patterns, states: set[State], name: str, *, spans: bool) -> set[State]:
    """Return the states after a name; `spans` says whether `**` may extend below it."""
    after: set[State] = set()
    for index, at in states:
        if at < len(patterns[index]) and (segment := patterns[index][at]).name.match(name):
            if not segment.spans:
                after.add((index, at + 1))
            elif spans:
                after.add((index, at))
    return _skipping(patterns, after)


def _skipping(patterns: Patterns, states: set[State]) -> set[State]:
    """Add the states in which `**` matches no directory."""
    every = set(states)
    for index, at in states:
        after = at
        while after < len(patterns[index]) and patterns[index][after].spans:
            after += 1
            every.add((index, after))
    return every


def _ends_below(patterns: Patterns, states: set[State]) -> bool:
    """Return whether some pattern matches whatever lies in a directory: it need not be listed to be passed over."""
    left = (patterns[index][at:] for index, at in states)
    return any(
        all(segment.any for segment in segments) and sum(not segment.spans for segment in segments) == 1
        for segments in left
    )


def _ended(patterns: Patterns, states: set[State]) -> bool:
    return any(at == len(patterns[index]) for index, at in states)
