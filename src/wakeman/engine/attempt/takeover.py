"""What a deployment takes over of a session that had none: the files of its attempt."""

from __future__ import annotations

import posixpath

import msgspec

from wakeman.core.digests import blake2b
from wakeman.core.model import Deployment, Host, WorkerState
from wakeman.engine import layout
from wakeman.ports import World

LONE_SESSIONS = ".sessions"
"""Directory of the state directory for the sessions that no deployment has yet."""


def take_over(world: World, mark: str, d: Deployment, worker: WorkerState) -> None:
    """Move the files of a lone session's attempt to where those of a worker's are, and lead what it still writes there.

    Boundary: without its directory, as in another state directory, only its session is known. Repeatable: yes.
    """
    there = posixpath.join(world.state, LONE_SESSIONS)
    digest = mark.rpartition(".")[2]
    for name in world.files.names(there):
        directory = posixpath.join(there, name)
        if blake2b(directory.encode("utf-8", "surrogateescape"), digest_size=4).hexdigest() == digest:
            _move_files(world, msgspec.structs.replace(d.host, directory=directory), d.host, worker)


def _move_files(world: World, old: Host, new: Host, worker: WorkerState) -> None:
    first = WorkerState(name=worker.name, session=worker.session, attempt=1)
    for path in (layout.attempt_directory, layout.stream):
        source, target = path(old, first), path(new, worker)
        entry = world.files.entries([source]).get(source)
        if entry is None or entry.kind == "symbolic link":
            continue
        if world.files.is_directory(target):
            world.files.erase(target, within=new.directory)
        world.files.make(posixpath.dirname(target))
        world.files.move(source, target)
        world.files.link(target, source)
