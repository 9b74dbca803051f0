"""Reports files as they are written, by watchdog: inotify for local disks, its polling observer for network file
systems. On Linux the directories are watched one by one through watchdog's inotify layer, with one thread and one
instance: its recursive observer hides a limit of the kernel, and after an overflow removes its watches and scans the
tree again. On other systems, watchdog's own observer is used.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from wakeman.ports import STATE_MARKER, FileChanges

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

BLIND_REMINDER_S = 5.0
"""Seconds between two reports that something cannot be watched, and between two tries to watch it."""
UNCLOSED_REST_S = 0.5
"""Seconds without a write after which a new file that was never closed is reported, such as a link."""
OBSERVER_POLL_S = 1.0
"""Seconds between two passes of the polling observer."""
_LIMITS = {
    errno.ENOSPC: ("no more inotify watches", "sysctl fs.inotify.max_user_watches"),
    errno.EMFILE: ("no more inotify instances, or open files", "sysctl fs.inotify.max_user_instances; ulimit -n"),
}
"""errno -> the limit, and how to raise it."""


class DiskWatcher:
    """Watches this machine's files. `network` returns the type of a path's network file system, or ""."""

    def __init__(
        self, network: Callable[[str], str], *, blind: float = BLIND_REMINDER_S, poll: float = OBSERVER_POLL_S
    ) -> None:
        self._network, self._blind, self._poll = network, blind, poll

    @contextmanager
    def watch(self, roots: Iterable[str], debounce: float, flat: Iterable[str] = ()) -> Iterator[DiskWatch]:
        """Watch directories."""
        shallow = {os.path.realpath(root) for root in flat}
        remote: dict[str, list[str]] = {}
        for root in sorted({os.path.realpath(root) for root in roots} | shallow):
            remote.setdefault(self._network(root), []).append(root)
        with ExitStack() as stack:
            watch = DiskWatch(debounce, self._blind)
            if local := remote.pop("", []):
                if sys.platform == "linux":
                    stack.enter_context(_Inotify(watch, local, shallow))
                else:
                    watch.ways.append(f"{len(local)} by the system's own events")
                    stack.enter_context(_Observer(watch, local, shallow, self._blind))
            for kind, places in remote.items():
                watch.ways.append(f"{len(places)} on {kind}: looked at every {self._poll:g} s")
                stack.enter_context(_Observer(watch, places, shallow, self._poll, polling=True))
            yield watch


class DiskWatch:
    """Changes, collected from threads until they are read. `troubles` stay until they are removed."""

    def __init__(self, debounce: float, blind: float) -> None:
        self.ways: list[str] = []
        self.troubles: dict[str, str] = {}
        self.repairs: list[Callable[[], None]] = []  # called regularly: tries to watch what is not watched
        self._debounce, self._blind = debounce, blind
        self._paths: set[str] = set()
        self._resting: dict[str, float] = {}  # new file -> when to test whether it still changes
        self._lost: dict[str, None] = {}
        self._stirred = threading.Condition()
        self._next = time.monotonic() + blind

    @property
    def how(self) -> tuple[str, ...]:
        """Return how it is watched."""
        return (*self.ways, *self.troubles.values())

    def record(self, path: str) -> None:
        """Record a file that was written, from any thread."""
        with self._stirred:
            self._paths.add(path)
            self._resting.pop(path, None)
            self._stirred.notify()

    def expect(self, path: str) -> None:
        """Record a file that was made: it is reported when it is closed, or has not changed for a while."""
        with self._stirred:
            self._resting.setdefault(path, time.monotonic() + UNCLOSED_REST_S)
            self._stirred.notify()

    def lose(self, why: str) -> None:
        """Record that changes may have been missed."""
        with self._stirred:
            self._lost[why] = None
            self._stirred.notify()

    def wait(self, seconds: float) -> FileChanges:
        """Return changes after `debounce`; none after `seconds`."""
        end = time.monotonic() + seconds
        while not self._look() and (now := time.monotonic()) < end:
            with self._stirred:
                if not self._paths and not self._lost:
                    due = next(iter(self._resting.values()), self._next)
                    self._stirred.wait(max(0.0, min(end, due, self._next) - now))
        if self._some():
            time.sleep(self._debounce)
        with self._stirred:
            found = FileChanges(frozenset(self._paths), tuple(self._lost))
            self._paths.clear()
            self._lost.clear()
        return found

    def _look(self) -> bool:
        """Process what is due, and return whether there is something to report."""
        now = time.monotonic()
        if now >= self._next:
            self._tend()
        with self._stirred:
            for path, due in list(self._resting.items()):
                if due > now:
                    break
                del self._resting[path]
                if _rests(path):
                    self._paths.add(path)
                else:
                    self._resting[path] = now + UNCLOSED_REST_S
        return self._some()

    def _some(self) -> bool:
        return bool(self._paths or self._lost)

    def _tend(self) -> None:
        self._next = time.monotonic() + self._blind
        blind = bool(self.troubles)
        for repair in self.repairs:
            repair()
        if blind and not self.troubles:
            self.lose("all is watched again")
        for why in self.troubles.values():
            self.lose(why)


class _Inotify:
    """Trees watched directory by directory. Its methods `on_...` are called on the thread of watchdog's reader."""

    def __init__(self, watch: DiskWatch, roots: list[str], flat: set[str]) -> None:
        from watchdog.observers.inotify_c import InotifyConstants as In

        self._watch, self._roots, self._flat = watch, roots, flat
        self._mask = (
            In.IN_CLOSE_WRITE | In.IN_CREATE | In.IN_MOVED_TO | In.IN_MOVED_FROM | In.IN_DELETE_SELF | In.IN_MOVE_SELF
        )
        self._reader: InotifyFD | None = None
        self._lock = threading.RLock()
        self._places: dict[int, str] = {}  # watch descriptor -> directory
        self._watched: dict[str, int] = {}
        self._anchors: set[str] = set()  # directories watched only because a root may reappear in them
        self._known: dict[str, tuple[int, int]] = {}  # root -> device and inode while it exists

    def __enter__(self) -> None:
        self._watch.ways.append(f"{len(self._roots)} by inotify")
        self._watch.repairs.append(self._rewatch)
        self._open()

    def __exit__(self, *_: object) -> None:
        reader, self._reader = self._reader, None  # existing files are not reported
        if reader is not None:
            reader.stop()
            reader.join()

    def _open(self) -> None:
        from watchdog.observers.inotify_c import InotifyFD

        try:
            self._reader = InotifyFD()
        except OSError as fault:
            self._trouble("instance", fault, "everything")
            return
        self._reader.start()
        for root in self._roots:
            self._settle(root, new=False)

    # --- called by watchdog

    def on_event(self, event: InotifyEvent) -> None:
        """Process one event of one directory."""
        with self._lock:
            place = self._places.get(event.wd)
            if place is None or self._reader is None:
                return
            path = os.path.join(place, os.fsdecode(event.name)) if event.name else place
            if not event.name:
                if event.is_move_self:
                    self._forget(place)
                    self._watch.lose(f"{place}: was moved away")
            elif event.is_directory:
                self._directory(place, path, gone=event.is_moved_from)
            elif place in self._anchors:
                pass
            elif event.is_close_write or event.is_moved_to:
                self._watch.record(path)
            elif event.is_create:
                self._watch.expect(path)

    def on_watch_deleted(self, wd: int) -> None:
        """Record that a directory is gone."""
        with self._lock:
            place = self._places.pop(wd, None)
            if place is None or self._reader is None or self._watched.get(place) != wd:
                return
            del self._watched[place]
            self._anchors.discard(place)
            if self._known.pop(place, None) is not None:
                self._watch.lose(f"{place}: was removed")
                self._settle(place)

    def on_queue_overflow(self) -> None:
        """Record that the kernel dropped events: there may be new directories that are not watched."""
        with self._lock:
            self._watch.lose("the queue of inotify overflowed")
            for root in self._roots:
                self._add(root)

    # --- directories

    def _directory(self, place: str, path: str, *, gone: bool) -> None:
        if gone:
            for root in self._known:
                if _is_below(root, path):
                    self._watch.lose(f"{root}: was moved away")
            self._forget(path)
        elif place in self._anchors:
            for root in self._roots:
                if _is_below(root, path):
                    self._settle(root)
        elif place not in self._flat:
            self._add(path, report=True)

    def _rewatch(self) -> None:
        """Check that every root is still the same directory, and retry what could not be watched."""
        with self._lock:
            if self._reader is None:
                self._watch.troubles.clear()
                self._open()
                return
            for root in self._roots:
                self._settle(root)
            if self._watch.troubles:
                self._watch.troubles.clear()
                for root in self._roots:
                    self._add(root)

    def _settle(self, root: str, *, new: bool = True) -> None:
        """Watch a root, if it exists, and the nearest directory in which it may (re)appear."""
        with self._lock:
            seen, known = _identity(root), self._known.get(root)
            if known is not None and seen != known:
                self._forget(root)
                self._watch.lose(f"{root}: is another directory than before")
            if seen is not None and root not in self._known:
                self._known[root] = seen
                self._add(root, report=new)
            above = os.path.dirname(root)
            while _identity(above) is None:
                above = os.path.dirname(above)
            if above not in self._watched and self._hold(above):
                self._anchors.add(above)

    def _add(self, top: str, *, report: bool = False) -> None:
        """Watch a directory and all below it; report the files that exist already."""
        todo = [top]
        while todo:
            place = todo.pop()
            if place not in self._known and os.path.exists(f"{place}/{STATE_MARKER}"):
                continue
            if not self._hold(place):
                continue
            self._anchors.discard(place)
            if place in self._flat:
                continue
            with suppress(OSError), os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif report:
                        self._watch.record(entry.path)

    def _hold(self, place: str) -> bool:
        """Watch one directory; if that fails, report it for as long as it lasts."""
        assert self._reader is not None  # noqa: S101 - nothing is held without one
        known = self._watched.get(place)
        if known is not None and known in self._places:
            return True
        try:
            if not os.access(place, os.R_OK):  # watchdog's layer does not report that
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            wd = self._reader.add_callback(os.fsencode(place), self._mask, self, id(self))  # type: ignore[arg-type] # ints under other names
        except OSError as fault:
            if fault.errno not in (errno.ENOENT, errno.ENOTDIR):  # gone since it was listed
                self._trouble(str(fault.errno), fault, place)
            return False
        old = self._places.get(wd)
        if old is not None:  # the same directory under another name
            self._watched.pop(old, None)
        self._places[wd], self._watched[place] = place, wd
        return True

    def _forget(self, top: str) -> None:
        assert self._reader is not None  # noqa: S101 - as above
        for place in [place for place in self._watched if _is_below(place, top)]:
            wd = self._watched.pop(place)
            self._places.pop(wd, None)
            self._known.pop(place, None)
            self._anchors.discard(place)
            with suppress(OSError):
                self._reader.remove_callbacks([(wd, id(self))])  # type: ignore[list-item] # as above

    def _trouble(self, key: str, fault: OSError, place: str) -> None:
        what, hint = _LIMITS.get(fault.errno or 0, (fault.strerror or str(fault), "check who owns it: ls -ld"))
        why = f"{place}: not watched: {what} ({hint}); looked at now and then"
        self._watch.troubles.setdefault(key, why)
        self._watch.lose(self._watch.troubles[key])


class _Observer:
    """Trees watched by an observer of watchdog: the system's, or the polling one."""

    def __init__(
        self, watch: DiskWatch, roots: list[str], flat: set[str], seconds: float, *, polling: bool = False
    ) -> None:
        self._watch, self._roots, self._flat, self._seconds, self._polling = watch, roots, flat, seconds, polling
        self._observer: Any = None
        self._scheduled: dict[str, tuple[tuple[int, int], Any]] = {}

    def __enter__(self) -> None:
        from watchdog.observers import Observer
        from watchdog.observers.polling import PollingObserver

        self._observer = PollingObserver(timeout=self._seconds) if self._polling else Observer()
        self._observer.start()
        self._rewatch(new=False)
        self._watch.repairs.append(self._rewatch)

    def __exit__(self, *_: object) -> None:
        self._observer.stop()
        self._observer.join()

    def dispatch(self, event: Any) -> None:
        """Process an event of watchdog."""
        if not event.is_directory:
            self._watch.record(os.fsdecode(event.dest_path or event.src_path))

    def _rewatch(self, *, new: bool = True) -> None:
        """Watch every existing root; watch a replaced one again."""
        from watchdog.events import FileClosedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent

        for root in self._roots:
            seen = _identity(root)
            was = self._scheduled.get(root)
            if was is not None and was[0] != seen:
                del self._scheduled[root]
                with suppress(KeyError, OSError):
                    self._observer.unschedule(was[1])
                self._watch.lose(f"{root}: was removed")
            if seen is not None and root not in self._scheduled:
                wanted = [FileClosedEvent, FileCreatedEvent, FileModifiedEvent, FileMovedEvent]
                try:
                    made = self._observer.schedule(self, root, recursive=root not in self._flat, event_filter=wanted)
                except OSError as fault:
                    self._watch.lose(f"{root}: not watched: {fault.strerror}")
                    continue
                self._scheduled[root] = (seen, made)
                if new:
                    self._watch.lose(f"{root}: is watched from now on")


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _identity(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        seen = os.stat(path)
        if stat.S_ISDIR(seen.st_mode):
            return seen.st_dev, seen.st_ino
    return None


def _rests(path: str) -> bool:
    """Return whether a file no longer changes, or is gone."""
    try:
        return time.time() - os.lstat(path).st_mtime >= UNCLOSED_REST_S
    except OSError:
        return True
