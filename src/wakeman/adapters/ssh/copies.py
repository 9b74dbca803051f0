"""Files of a host that does not share this machine's disk: each is there at the same path as here, copied by rsync over
the connection that all calls share.

Rules of this file, each because of what can go wrong between two disks:

- rsync writes a file under another name, and renames it when it is whole: half of one is never found at its path.
- That an attempt has ended is told last. A file `exit` that is there when a look begins is copied aside there, brought
  with all else, and gets its name here only after all has come: what it ends is here before it is known to have ended.
- A report is moved aside there before it is brought, and removed by the next look, which says that it has come. So a
  connection that breaks loses none; one that came twice was read twice, which is harmless.
- The deployment's directory there carries the token of the one here. Another's, as of one that was erased here, is set
  aside, and nothing is brought of it.
- What was made outside of that directory is noted (`sent.py`), so that `remove` knows it.
- rsync is given no name of a host but the words that call it, and lists of files on its standard input.
"""

from __future__ import annotations

import fcntl
import os
import posixpath
import shlex
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING

from wakeman.adapters.asking import ask
from wakeman.adapters.ssh.sent import ITEMISED, MadeThere, SentFiles, as_sent, said_to_be_made
from wakeman.core.errors import ProgramError
from wakeman.core.text import sanitise

if TYPE_CHECKING:
    from wakeman.adapters.asking import Told
    from wakeman.adapters.ssh.connection import Connection
    from wakeman.ports import Carried, Sought

COPY_S = 1800.0
"""Seconds that one copy may take in all."""
STILL_S = 30
"""Seconds after which a copy that does not move is given up."""
LOCKED_S = 20.0
"""Seconds that a look waits for another that brings files from the same host."""
LOCK_PAUSE_S = 0.05
PARTIAL, VANISHED, ELSEWHERE_STATUS = 23, 24, 93
"""Exit statuses of rsync: some files were not copied; some were gone before they could be. Of our own script there: the
directory is another deployment's, or there is none."""
COPIES_FOLDER = "ssh"
"""Where what is about copies is, below the deployment's directory, here and there."""
COPY_ID_BYTES = 8
NAMED_BYTES_MAX = 256 * 1024
"""Bytes at the beginning of a client's file in which its attempt is named."""
RECORD_BYTES_MAX = 64 * 1024 * 1024
"""Bytes of a client's file that is brought, at most: a larger one comes no more."""
COME_SUFFIX = ".come"
"""Ends the name of a box here all of which has come: the next look has it removed there."""
_KEEPS = (
    "-rlpt",
    "-s",
    "--files-from=-",
    "--from0",
    "--no-implied-dirs",
    "--ignore-missing-args",
    f"--timeout={STILL_S}",
)
_BRINGS = ("--safe-links", "--chmod=Du+rwx,Fu+r,ug-s")
_FRESH = """
if [ "$(cat ssh/token 2>/dev/null)" != "$token" ]; then
    aside=$(pwd -P).before-$token
    mkdir -p "$aside" || exit
    for each in * .[!.]*; do
        [ ! -e "$each" ] || mv "$each" "$aside/" || exit
    done
    rmdir "$aside" 2>/dev/null
    mkdir -p ssh && echo "$token" >ssh/token && : >.wakeman || exit
fi
"""
"""Has the deployment's directory, in which it runs, be this deployment's."""
_SET_ASIDE = """
[ "$(cat ssh/token 2>/dev/null)" = "$token" ] || exit $elsewhere
mkdir -p "$box" || exit
last() {
    [ -f "$1" ] || return 0
    mkdir -p "$box/last/${1%/*}" || exit
    ln "$1" "$box/last/$1" 2>/dev/null || cp "$1" "$box/last/$1" || exit
}
post() {
    case $1 in
    *.tmp) ;;
    *) [ -h "$1" ] || [ ! -f "$1" ] || { mkdir -p "$box/post/${1%/*}" && mv "$1" "$box/post/$1"; } || exit ;;
    esac
}
"""
"""What puts aside that which a look has to bring as it is at its beginning."""
_ABOVE = """
above() {
    for each; do
        while [ -n "$each" ] && [ ! -d "$each" ]; do
            echo "$each"
            each=${each%/*}
        done
    done
}
"""
"""What tells which directories above a path are missing."""
_STAT_EACH = """
stat -c %s / >/dev/null 2>&1 && set -- -c '%s %Y %n' || set -- -f '%z %m %N'
xargs -0 stat "$@" 2>/dev/null
exit 0
"""
"""Prints size, time and path of each file that its standard input names: by GNU's stat, or BSD's."""
_SEEK = f"""
seek() {{
    [ -f "$1" ] && [ ! -h "$1" ] && [ ! "$1" -ef "$into$1" ] || return 0
    if [ -n "$named" ]; then
        [ ! "$1" -ot "$since" ] && head -c {NAMED_BYTES_MAX} "$1" | grep -qaF -e "$named" || return 0
    fi
    [ "$(wc -c <"$1")" -le {RECORD_BYTES_MAX} ] && mkdir -p "$(dirname "$into$1")" || return 0
    ln -f "$1" "$into$1" 2>/dev/null && return
    [ -f "$into$1" ] && [ ! "$1" -nt "$into$1" ] || cp -p "$1" "$into$1"
}}
"""
"""What puts a client's file among an attempt's: as another name of it, which grows as it does, or as a copy."""
_RUN = """\
command -v rsync >/dev/null || { echo 'rsync: not found there' >&2; exit 127; }
exec rsync "$@"
"""


class Copies:
    """What one host has of a deployment's files."""

    def __init__(self, connection: Connection, rsync: str, directory: str) -> None:
        """Shape: `rsync` is the program's absolute path, `directory` the deployment's own."""
        self._connection, self._rsync, self._directory = connection, rsync, directory
        self._folder = f"{directory}/{COPIES_FOLDER}"
        self._boxes = f"{COPIES_FOLDER}/come/{connection.host}"
        self._sent = SentFiles(self._folder, connection.host)

    def prepare(self, root: str, paths: Sequence[str], state: str) -> str:
        """Have the host be ready for workers; return why it is not.

        Shape: `paths` of the plan's directory are sent, which must be there without any. `state` is the state
        directory, of which nothing is sent. Raises: ProgramError when it does not answer.
        """
        there, own = shlex.quote(root), shlex.quote(self._directory)
        found = f"mkdir -p {there} || exit" if paths else f"cd {there} || exit"
        parents = [posixpath.dirname(posixpath.normpath(f"{root}/{path}")) for path in paths]
        missing = f"{_ABOVE}above {shlex.join((*dict.fromkeys(parents), posixpath.dirname(self._directory)))}\n"
        script = f"{missing}{found}\numask 077; token={self._token()}; mkdir -p {own} && cd {own} || exit{_FRESH}"
        self._sent.begin()
        told = self._connection.call("sh", "-c", script)
        self._sent.note(
            MadeThere(line) for line in told.out.decode(errors="replace").splitlines() if line.startswith("/")
        )
        if told.code:
            lacking = "" if paths else f"; {root} must be there: check it out, or name what is sent in ssh.send"
            return f"ssh: {self._connection.host}: {_complaint(told)}{lacking}"
        if paths:
            hidden = os.path.relpath(state, root)
            left_out = () if hidden.startswith("..") else (f"--exclude=/{_matching_itself(hidden)}",)
            sent = self._copy(f"{root}/", "env:" + f"{root}/", paths, "", (*ITEMISED, *left_out))
            self._sent.note(said_to_be_made(sent.out, root, self._sent.made()))
            self._copied(sent)
        return ""

    def send(self, carried: Sequence[Carried], cwds: Iterable[str]) -> None:
        """Send what attempts need. Repeatable: yes. Raises: ProgramError."""
        carried = [each for each in carried if each.needs]
        if not carried:
            return
        needs = dict.fromkeys(self._inside(path) for each in carried for path in each.needs)
        folders = dict.fromkeys(
            f"./{os.path.dirname(path.rstrip('/'))}"
            for each in carried
            for path in map(self._inside, (*each.needs, *each.leaves, *(f"{post}x" for post in each.posts)))
        )
        script = "umask 077\n" + "".join(f"cd {shlex.quote(cwd)} || exit\n" for cwd in dict.fromkeys(cwds))
        script += f"cd {shlex.quote(self._directory)} && mkdir -p {shlex.join(folders)} || exit\n"
        # The real path of the directory in which a program begins is another there, if a link leads to it.
        options = ("--specials", "--exclude=/attempts/*/cwd")
        self._copied(self._copy(f"{self._directory}/", f"env:{self._directory}/", needs, script, options))

    @property
    def begun(self) -> bool:
        """Return whether the host may have something of the deployment."""
        return self._sent.begun

    def remove(self) -> None:
        """Remove what was made there: the deployment's directory, if it is this deployment's, and what was sent.

        Boundary: what another deployment has sent, too, is left to that one. Repeatable: yes. Raises: ProgramError.
        """
        made, heir = self._sent.made(), self._heir()
        files = {path: one for path, one in made.items() if one.size >= 0}
        if heir is not None:
            heir.note(made.values())
        elif files:
            same = as_sent(self._removing(_STAT_EACH, files).out, files)
            self._removing("exec xargs -0 rm -f", same)
        own = shlex.quote(self._directory)
        self._removing(
            f'cd {own} 2>/dev/null && [ "$(cat ssh/token)" = {self._token()} ] || exit 0; cd / && rm -rf {own}'
        )
        folders = sorted((path for path, one in made.items() if one.size < 0), reverse=True)
        if heir is None and folders:
            self._removing("xargs -0 rmdir 2>/dev/null; exit 0", folders)
        self._sent.settle()

    def _removing(self, script: str, paths: Iterable[str] = ()) -> Told:
        """Run a script there on some paths. Raises: ProgramError."""
        listed = b"".join(path.encode() + b"\0" for path in paths)
        told = self._connection.call("sh", "-c", script, stdin=listed)
        if told.code:
            raise self._fault(f"cannot remove what was copied there: {_complaint(told)}")
        return told

    def _heir(self) -> SentFiles | None:
        """Return the note of another deployment of the state directory that has sent files to the host, too."""
        state, own = os.path.split(self._directory)
        for name in sorted(os.listdir(state)):
            other = SentFiles(f"{state}/{name}/{COPIES_FOLDER}", self._connection.host)
            if name != own and not name.startswith(".") and other.begun:
                return other
        return None

    def bring(self, carried: Sequence[Carried]) -> list[str]:
        """Bring what attempts have left; return why each has not come, "" for one that has, or has nothing there.

        Raises: ProgramError when nothing has.
        """
        with self._locked():
            told = self._brought(carried)
            if told.code != PARTIAL:
                return [self._copied(told)] * len(carried)
            alone = [self._brought([each]) for each in carried] if len(carried) > 1 else [told]
            return [_complaint(one) if one.code == PARTIAL else self._copied(one) for one in alone]

    def _brought(self, carried: Sequence[Carried]) -> Told:
        """Bring files once, and put those where they belong that were set aside."""
        boxes = f"{self._directory}/{self._boxes}"
        come = [each.removesuffix(COME_SUFFIX) for each in os.listdir(boxes) if each.endswith(COME_SUFFIX)]
        box = os.urandom(COPY_ID_BYTES).hex()
        lasts = [self._inside(each.last) for each in carried]
        posts = dict.fromkeys(self._inside(post) for each in carried for post in each.posts)
        lines = [
            f"cd {shlex.quote(self._directory)} 2>/dev/null || exit {ELSEWHERE_STATUS}",
            f"umask 077; token={self._token()}; elsewhere={ELSEWHERE_STATUS}",
            f"box={shlex.quote(f'{self._boxes}/{box}')}",
            *(_SET_ASIDE, _SEEK),
            *(f"rm -rf {shlex.quote(f'{self._boxes}/{each}')}" for each in come),
            *(self._seeking(sought) for each in carried for sought in each.sought),
            *(f"last {shlex.quote(last)}" for last in lasts),
            *(f'for each in {shlex.quote(post)}*; do post "$each"; done' for post in posts),
        ]
        leaves = [f"{self._boxes}/", *dict.fromkeys(self._inside(path) for each in carried for path in each.leaves)]
        partial = f"{self._folder}/part/{self._connection.host}"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial, mode=0o700)
        options = (*_BRINGS, f"--temp-dir={partial}")
        script = "".join(f"{line}\n" for line in lines)
        told = self._copy(f"env:{self._directory}/", f"{self._directory}/", leaves, script, options)
        if told.code in (0, VANISHED):
            for each in come:
                shutil.rmtree(f"{boxes}/{each}{COME_SUFFIX}", ignore_errors=True)
            for each in os.listdir(boxes):
                self._unpack(f"{boxes}/{each}/post")
                if each == box:
                    self._unpack(f"{boxes}/{each}/last")
                os.rename(f"{boxes}/{each}", f"{boxes}/{each}{COME_SUFFIX}")
        return told

    def _seeking(self, sought: Sought) -> str:
        """Return the line that puts a client's files among an attempt's. Failure is silent: a look has all else."""
        words = {"into": sought.into, "named": sought.named, "since": sought.since}
        given = "; ".join(f"{name}={shlex.quote(word)}" for name, word in words.items())
        globs = " ".join(_glob_quoted(glob) for glob in sought.files)
        return f'(cd {shlex.quote(sought.home)} && {given} && for each in {globs}; do seek "$each"; done) 2>/dev/null'

    def _unpack(self, place: str) -> None:
        """Give what was set aside its name here."""
        for folder, _, files in os.walk(place):
            for name in files:
                whole = f"{folder}/{name}"
                if stat.S_ISREG(os.lstat(whole).st_mode):
                    target = f"{self._directory}/{os.path.relpath(whole, place)}"
                    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                    os.replace(whole, target)

    def _copy(self, source: str, target: str, paths: Iterable[str], script: str, options: Sequence[str]) -> Told:
        """Run rsync; `script` runs on the host before it does. Raises: ProgramError when nothing can be copied."""
        argv = (
            *(
                self._rsync,
                *_KEEPS,
                *options,
                "-e",
                " ".join(_as_rsync_reads(word) for word in self._connection.shell()),
            ),
            *(f"--rsync-path={shlex.join(('sh', '-c', script + _RUN, 'sh'))}", source, target),
        )
        listed = "".join(f"{path}\0" for path in paths).encode("utf-8", "surrogateescape")
        try:
            return ask(argv, self._connection.env, COPY_S, listed)
        except TimeoutError:
            raise self._fault(f"no copy within {COPY_S:g} s") from None
        except OSError as error:
            raise ProgramError(f"{self._rsync}: cannot be run: {error.strerror}", "wakeman doctor FILE") from error

    def _copied(self, told: Told) -> str:
        """Return "" for what was copied, or had nothing to copy. Raises: ProgramError."""
        if told.code in (0, VANISHED, ELSEWHERE_STATUS):
            return ""
        raise self._fault(_complaint(told))

    def _fault(self, why: str) -> ProgramError:
        return ProgramError(f"ssh: {self._connection.host}: {why}", self._connection.hint())

    def _inside(self, path: str) -> str:
        """Return a path below the deployment's directory as one relative to it."""
        return path.removeprefix(f"{self._directory}/")

    def _token(self) -> str:
        """Return what tells this deployment's directory from another at the same path on a host."""
        file = f"{self._folder}/token"
        with suppress(FileNotFoundError), open(file, encoding="ascii") as known:
            return known.read().strip()
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        with open(f"{file}.tmp", "w", encoding="ascii") as fresh:
            fresh.write(f"{os.urandom(COPY_ID_BYTES).hex()}\n")
            fresh.flush()
            os.fsync(fresh.fileno())
        with suppress(FileExistsError):
            os.link(f"{file}.tmp", file)
        return self._token()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only one that brings files from this host."""
        os.makedirs(f"{self._directory}/{self._boxes}", mode=0o700, exist_ok=True)
        handle = os.open(f"{self._folder}/lock.{self._connection.host}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = monotonic() + LOCKED_S
        try:
            while not _locked_alone(handle):
                if monotonic() > deadline:
                    raise self._fault("another process brings files from there")
                sleep(LOCK_PAUSE_S)
            yield
        finally:
            os.close(handle)


def _locked_alone(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _as_rsync_reads(word: str) -> str:
    """Return a word as rsync reads it in its option -e: quoted, with a quote inside doubled."""
    return "'" + word.replace("'", "''") + "'"


def _glob_quoted(glob: str) -> str:
    """Return a glob as a shell reads it: all but its stars quoted, and none of it an option."""
    return "*".join(shlex.quote(part) if part else "" for part in f"./{glob}".split("*"))


def _matching_itself(pattern: str) -> str:
    """Return a path as a pattern of rsync that matches it alone."""
    return "".join(f"\\{sign}" if sign in "*?[\\" else sign for sign in pattern)


def _complaint(told: Told) -> str:
    """Return what went wrong, as the first line says: rsync's last tells where in its source."""
    lines = told.err.decode(errors="replace").strip().splitlines()
    return sanitise(lines[0] if lines else f"rsync ended with status {told.code}", 300)
