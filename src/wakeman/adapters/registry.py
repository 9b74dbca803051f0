"""The registry as files: one for each deployment, below a directory that only this user can reach."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from os.path import join

import msgspec

from wakeman.core.digests import blake2b
from wakeman.core.errors import StorageError
from wakeman.core.model import Host, Identity
from wakeman.core.policy import ownership
from wakeman.core.policy.ownership import Entry, Site

ENTRY_BYTES_MAX = 65536
"""Bytes of one file of the registry at most."""
GONE_AGE_S = 30 * 86400.0
"""Seconds after which the entry of a directory that is gone is dropped."""
MACHINE_ID_FILES = ("/etc/machine-id", "/var/lib/dbus/machine-id")


class LocalRegistry:
    """The registry in `directory`, which is made when the first deployment is enrolled; `boot` is this boot's id."""

    def __init__(self, directory: str, boot: str) -> None:
        self._directory, self._boot = directory, boot
        self.latest: dict[str, tuple[Entry | None, Site]] = {}  # what `look` returned, by directory

    def identity(self) -> Identity:
        return Identity(machine=_machine(), uid=os.geteuid(), pid_namespace=_pid_namespace())

    def unsafe(self, directory: str) -> str:
        """Return why others could change it: its owner, its mode, or those of the state directory."""
        for path in (os.path.dirname(directory), directory):
            try:
                found = os.stat(path)
            except FileNotFoundError:
                return _unsafe_above(path)
            except OSError as fault:
                return f"{path}: {fault.strerror}"
            if why := _exposed(path, found):
                return why
        return ""

    def look(self, directory: str) -> tuple[Entry | None, Site]:
        """Return what is kept and what is found; a directory reached by another path is found by its real one."""
        asked, known = directory, self._entry(directory)
        if known is None and (real := os.path.realpath(directory)) != directory:
            known, directory = self._entry(real), real
        found = known, self._site(directory, known)
        self.latest[asked] = self.latest[directory] = found
        return found

    def knows(self, state: str) -> bool:
        """Return whether a deployment was begun in a state directory, by this user on this machine."""
        real = os.path.realpath(state)
        return not ownership.refusal(self._entry(real), self._site(real, None))

    def directories(self) -> list[str]:
        return sorted(entry.directory for entry in map(self._read, self._files()) if entry is not None)

    def enrol(self, directory: str, host: Host) -> None:
        """Keep a deployment, and the state directory that it is in."""
        real = os.path.realpath(directory)
        try:
            self._own()
            self._write(os.path.dirname(real), host)
            self._write(real, host)
            _sync_registry(self._directory)
        except OSError as fault:
            raise self._refused(fault) from fault
        self._prune()

    def _write(self, directory: str, host: Host) -> None:
        kept = ownership.entry(self._site(directory, None), host)
        file = self._file(directory)
        temporary = f"{file}.{os.urandom(6).hex()}.tmp"
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as new:
                new.write(msgspec.json.encode(kept))
                new.flush()
                os.fsync(new.fileno())
            os.rename(temporary, file)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def forget(self, directory: str) -> None:
        with suppress(OSError):
            os.unlink(self._file(os.path.realpath(directory)))

    def _file(self, directory: str) -> str:
        name = blake2b(os.fsencode(directory), digest_size=16).hexdigest()
        return join(self._directory, f"{name}.json")

    def _entry(self, directory: str) -> Entry | None:
        """Read what is kept of a directory. Boundary: what cannot be an entry of ours is none."""
        return self._read(self._file(directory))

    def _read(self, file: str) -> Entry | None:
        try:
            handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise self._refused(fault) from fault
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or _exposed(file, found):
                return None
            return msgspec.json.decode(os.read(handle, ENTRY_BYTES_MAX), type=Entry)
        except msgspec.DecodeError:
            return None
        finally:
            os.close(handle)

    def _site(self, directory: str, known: Entry | None) -> Site:
        try:
            found = os.stat(directory)
            device, inode = found.st_dev, found.st_ino
        except OSError:
            device = inode = 0  # gone, or not made yet: whoever reads its log is told
        # A boot has one machine, so that within it the machine's id need not be read again.
        machine = known.identity.machine if known is not None and known.boot == self._boot else _machine()
        identity = Identity(machine=machine, uid=os.geteuid(), pid_namespace=_pid_namespace())
        return Site(directory, device, inode, identity, self._boot)

    def _own(self) -> None:
        """Make the registry's directory, and require that it is this user's alone."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        if why := _exposed(self._directory, os.stat(self._directory)):
            raise StorageError(f"the registry of live deployments: {why}", "set XDG_STATE_HOME to a directory of yours")

    def _refused(self, fault: OSError) -> StorageError:
        where = f"{self._directory}: the registry of live deployments: {fault.strerror}"
        return StorageError(where, "set HOME or XDG_STATE_HOME to a directory of yours")

    def _prune(self) -> None:
        """Drop the entries of directories that have been gone for long."""
        for file in self._files():
            with suppress(OSError, msgspec.DecodeError):
                with open(file, "rb") as stream:
                    kept = msgspec.json.decode(stream.read(ENTRY_BYTES_MAX), type=Entry)
                if time.time() - os.stat(file).st_mtime > GONE_AGE_S and not os.path.lexists(kept.directory):
                    os.unlink(file)

    def _files(self) -> Iterator[str]:
        with suppress(OSError), os.scandir(self._directory) as entries:
            yield from (entry.path for entry in entries if entry.name.endswith(".json"))


def _exposed(path: str, found: os.stat_result) -> str:
    """Return why others could change a file or directory of ours."""
    if found.st_uid != os.geteuid():
        return f"{path}: belongs to {_user(found.st_uid)}, this is {_user(os.geteuid())}"
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid)):
        return f"{path}: others may write to it (mode {stat.S_IMODE(found.st_mode):04o}); try: chmod go-w {path}"
    return ""


def _unsafe_above(path: str) -> str:
    """Return why others could put something at a path that does not exist yet, or in place of what leads there."""
    while path != "/":
        path = os.path.dirname(path)
        try:
            found = os.stat(path)
        except FileNotFoundError:
            continue
        except OSError as fault:
            return f"{path}: {fault.strerror}"
        writable = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid))
        if writable and not found.st_mode & stat.S_ISVTX:
            return f"{path}: others may write to it (mode {stat.S_IMODE(found.st_mode):04o}); try: chmod go-w {path}"
        if found.st_uid not in (0, os.geteuid()):
            return f"{path}: belongs to {_user(found.st_uid)}, this is {_user(os.geteuid())}"
    return ""


def _is_private(group: int) -> bool:
    """Return whether a group is a user's own, with no other member, as Debian and Fedora make them."""
    import grp
    import pwd

    try:
        user, known = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return user.pw_gid == group and set(known.gr_mem) <= {user.pw_name}


def _user(uid: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


@cache
def _machine() -> str:
    for file in MACHINE_ID_FILES:
        with suppress(OSError), open(file, encoding="utf-8", errors="replace") as stream:
            if found := stream.read(64).strip():
                return found
    return os.uname().nodename


def _pid_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0  # a system without PID namespaces


def _sync_registry(directory: str) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
