"""The sessions of one tmux socket: listing is one direct call of tmux, other actions go through libtmux.

Rules of this file, each because of a quirk of tmux:

- A target is an id, or `=name:`; a bare name would match by prefix.
- A session's pane is the one that we made, by the id that its creation printed. The active one may be another: a hook
  of the user's configuration can have opened it in the same call.
- Ids of sessions and panes are a server's: the next one counts from `$0` again. So a session's id is `$3@PID:START`,
  and every command on one has a condition that tmux evaluates in the same call: server, session, mark.
- Text that tmux would interpret as a format, a `strftime` pattern or its own syntax is escaped.
- Options are set on our own sessions; one is set globally, only on our own server. `@wakeman` marks a session,
  `@wakeman_pane` the pane in it.
- Every call has a time limit, and runs in `/` with the same environment for every caller.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from wakeman.core.errors import ProgramError, UnknownNameError, UsageError
from wakeman.ports import Listing, Made, SessionInfo, Start

if TYPE_CHECKING:
    from libtmux.common import tmux_cmd

    from wakeman.core.model import Host, Plan
    from wakeman.ports import Phase

COMMAND_BYTES_MAX = 16_000  # bytes of one tmux command line; tmux refuses 16,384
ENDS_PER_CALL_MAX = 30  # sessions ended in one call: an id, its condition and their command are under 500 bytes
SERVER_TRIES_MAX = 5  # a server that is ending refuses the first calls
TRY_PAUSE_S = 0.1  # seconds, longer with each try
SIZE = ("-x", "200", "-y", "50")
BORN_FIELD = 19  # of /proc/PID/stat, behind the name: ticks from the boot to the start
CLOCK_STEP_S = 3600  # seconds by which the clock may have been set since a server started
REOPEN_S = 2.0  # seconds; a server makes its socket anew within milliseconds
PASTE_PAUSE_S = 0.3  # seconds; a client that is still reading a paste swallows Enter

INSTALL = "apt-get install tmux, or brew install tmux"
ABSENT = ("no server running on", "(No such file or directory)", "(Connection refused)")
SESSION_NAME = r"\w[\w +-]*"  # characters without a special meaning for tmux
SESSION_ID = re.compile(r"(\$\d+)(?:@(\d+:\d+))?")  # of the server's counting, and its server; older logs name none
ATTEMPT_ID = r"[\w ./@+=-]+"  # what a format compares as it is
PANE_FIELDS = (
    "pid",
    "start_time",
    "session_id",
    "pane_id",
    "pane_pid",
    "pane_dead",
    "pane_dead_status",
    "pane_dead_signal",
    "session_created",
    "window_activity",
    "@wakeman_pane",
)
BORN = "wakeman: #{session_id}@#{pid}:#{start_time} #{pane_pid} #{pane_id}"
BIRTH = re.compile(r"wakeman: (\$\d+@\d+:\d+) (\d+) (%\d+)")
ALONE = "#{==:#{session_windows}.#{window_panes},1.1}"  # one window, one pane: the target cannot be another
EQUIPPED = "wakeman: equipped"
UNSETTLED, OWN = "0", "1"
"""`@wakeman_pane`: of a session until our pane is known, of our pane."""
TEXT_FIELDS = ("session_name", "@wakeman", "pane_title")  # may contain anything
INHERITED = ("set-option", "-g", "update-environment[90]", "WAKEMAN_ATTEMPT")
"""Sessions that a worker makes carry its mark. Only on our own server: the user's options are not changed."""
PLAIN = {n: None for n in (*range(0x20), *range(0x7F, 0xA0)) if chr(n) not in "\n\t"}

# libtmux waits for ever and passes on the caller's environment; this wrapper of tmux does neither.
# A client passes its standard output to the server, and a hung server never closes it: so it is a file.
BOUNDED = """\
#!/bin/sh
# Run tmux in a fixed environment, {limit} seconds at most. Written by wakeman when it differs; do not edit.
PATH=/usr/bin:/bin
cd / || exit 126
exec 3>"$0.$$.out" 4<"$0.$$.out" || exit 126
rm -f "$0.$$.out"
env -i {env} {tmux} -u "$@" </dev/null >&3 3>&- 4<&- &
client=$!
( trap 'kill "$nap"; exit' TERM; sleep {limit} & nap=$!; wait "$nap" && kill -9 "$client" ) </dev/null >/dev/null 2>&1 &
guard=$!
wait "$client"
code=$?
kill "$guard" 2>/dev/null
cat <&4
exit "$code"
"""
KILLED_STATUS = 137


class Tmux:
    """The sessions of the server behind one socket, and their terminals; see `wakeman.ports`."""

    outlives_boot = False

    def __init__(
        self, socket: str, tmux: str, directory: str, env: Mapping[str, str], *, timeout: float = 10.0
    ) -> None:
        """Address a server; nothing runs yet.

        Shape: `socket` and `tmux` are absolute paths; `directory` is ours and gets the file `tmux.sh` when something
        is done; `env` is all that a server started here knows. A socket named `default` is the user's: a server started
        there reads the user's configuration, others read none.
        Units: `timeout` in seconds, for each call of tmux.
        """
        self._socket = socket
        self._tmux = tmux
        self._script = f"{directory}/tmux.sh"
        self._env = {key: value for key, value in env.items() if key not in ("TMUX", "TMUX_PANE")}
        self._config = None if socket.endswith("/default") else "/dev/null"
        self._timeout = timeout

    @property
    def address(self) -> str:
        return self._socket

    @property
    def terminal(self) -> Tmux:
        return self

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        """List all sessions in one call of tmux.

        Shape: one entry per session: the pane we made, or in other sessions the first.
        Boundary: a server that runs but whose socket was removed makes it anew; otherwise its sessions are unknown. A
        server that had the number of the one that answers has ended: in a container that is started anew it often has.
        """
        homes = {session_id: _server_of(session_id) or server for session_id, server in known.items()}
        listing = self._list()
        if listing.state == "down" and self._reopened(set(homes.values()) - {""}):
            listing = self._list()
        if listing.state == "unknown":
            return listing
        away = {session_id: server for session_id, server in homes.items() if server not in ("", listing.server)}
        here = listing.server.partition(":")[0]
        alive = {server for server in set(away.values()) if server.partition(":")[0] != here and _lives(server)}
        hidden = f"no answer on {self._socket} from its tmux server, which lives"
        return replace(
            listing,
            gone={session_id: "its tmux server is gone" for session_id, server in away.items() if server not in alive},
            hidden={session_id: hidden for session_id, server in away.items() if server in alive},
        )

    def _reopened(self, servers: set[str]) -> bool:
        """Have a live server make its socket anew that something removed, such as a cleaner of old files."""
        from contextlib import suppress
        from time import monotonic, sleep

        owners = [int(server.partition(":")[0]) for server in servers if _lives(server)]
        mine = [pid for pid in owners if _is_tmux(pid)]
        if len(mine) != 1 or os.path.lexists(self._socket):
            return False
        with suppress(OSError):
            os.makedirs(os.path.dirname(self._socket), mode=0o700, exist_ok=True)
            os.kill(mine[0], signal.SIGUSR1)  # tmux(1): recreates its socket
            deadline = monotonic() + REOPEN_S
            while not os.path.lexists(self._socket) and monotonic() < deadline:
                sleep(0.01)
        return os.path.lexists(self._socket)

    def _list(self) -> Listing:
        cut = f"~{os.urandom(6).hex()}~"  # random, so that no title can contain it
        facts = ",".join(f"#{{{name}}}" for name in PANE_FIELDS)
        try:
            ran = self._ask(
                "list-panes", "-a", "-F", cut + cut.join((facts, *(f"#{{{name}}}" for name in TEXT_FIELDS)))
            )
        except ProgramError as error:
            return Listing("unknown", why=str(error))
        if ran.code:
            absent = any(sign in ran.err for sign in ABSENT)
            return Listing("down" if absent else "unknown", why=ran.err or f"tmux ended with status {ran.code}")
        try:
            return _listing(ran.out.split(cut)[1:])
        except ValueError as error:
            return Listing("unknown", why=f"tmux socket {self._socket}: cannot read its list: {error}")

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Make several detached sessions, many in one call of tmux.

        Boundary: a name that tmux would change, or a command line that is too long for tmux, gives `error`.
        """
        from time import sleep

        try:
            os.makedirs(os.path.dirname(self._socket), mode=0o700, exist_ok=True)  # tmux makes no directory for -S
        except OSError as error:
            why = f"tmux socket {self._socket}: its directory cannot be made: {error.strerror}"
            return [Made(error=why, mend="choose another place: workers.socket, or --socket") for _ in starts]
        made: list[Made | None] = [_refused_start(start) for start in starts]
        why = ""
        for attempt in range(SERVER_TRIES_MAX):
            waiting = [index for index, one in enumerate(made) if one is None]
            if not waiting:
                break
            if attempt > 1:
                sleep(TRY_PAUSE_S * (attempt - 1))
            # One failing start also fails those after it, so on the second try each is a call of its own.
            for batch in _start_batches(starts, waiting, 1 if attempt else len(waiting)):
                births = (word for index in batch for word in (*_creation_commands(starts[index]), ";"))
                ran = self._act(*births, *(INHERITED if self._config else ()))
                born = _births(ran.stdout)
                for index, one in zip(batch, born, strict=False):
                    made[index] = Made(one.session_id, one.pid)
                    if not one.equipped:
                        self._equip(starts[index], one)
                if ran.returncode or len(born) != len(batch):
                    why = " ".join(ran.stderr) or f"tmux ended with status {ran.returncode}"
                    self._settle(starts, made, batch[len(born) :])
        if None in made and self._list().state == "unknown":
            raise ProgramError(f"tmux socket {self._socket}: {why}", self._hint())
        return [one or Made(error=why) for one in made]

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions by id, each if it has its mark; test and end happen in one call of tmux, for many at once."""
        known = [one for one in ends if SESSION_ID.fullmatch(one[0]) and re.fullmatch(ATTEMPT_ID, one[1])]
        ended = 0
        for batch in _item_batches(known, ENDS_PER_CALL_MAX):
            words: list[str] = []
            for session_id, mark in batch:
                number = _local_id(session_id)
                then = f"display-message -p ended ; kill-session -t '{number}'"
                words += ["if-shell", "-F", "-t", number, _match_format(session_id, mark), then, ";"]
            ran = self._act(*words)
            ended += ran.stdout.count("ended")
            if ran.returncode and len(batch) > 1:  # one that is gone also fails those after it
                ended += sum(self.cancel([one]) for one in batch)
        return ended

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of the pane's screen and history; wrapped lines are joined.

        Boundary: without blank lines at the end, and without the line that tmux writes into a dead pane.
        """
        found = self._pane(session, mark)
        capture = f"display-message -p ours ; capture-pane -p -J -S -{lines + 1} -t '{found.pane}'"
        ran = self._ask("if-shell", "-F", "-t", found.pane, found.condition, capture)
        if ran.code or not ran.out.startswith("ours\n"):
            raise self._unknown(session)
        rows = [row.rstrip() for row in _plain(ran.out.removeprefix("ours\n")).rstrip().split("\n")]
        if found.dead and rows[-1].startswith("Pane is dead"):
            rows = "\n".join(rows[:-1]).rstrip().split("\n")
        return "\n".join(rows[-lines:])

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of the pane's screen and history."""
        return self.capture(session, lines, mark=mark)

    def type(self, session: str, text: str, *, submit: bool, mark: str = "") -> None:
        """Paste text into the pane, then press Enter separately if `submit`.

        Boundary: without control characters except line feed and tab; 1 MB arrives complete.
        """
        from time import sleep

        found = self._pane(session, mark)
        if text:
            self._paste(found, _plain(text))
        if submit:
            sleep(PASTE_PAUSE_S if text else 0)
            # After a person has scrolled, the pane is in copy mode, in which keys do not reach the program.
            self._alive(found, f"copy-mode -q -t '{found.pane}' ; send-keys -t '{found.pane}' Enter")

    def attach(self, session: str, *, mark: str = "") -> tuple[str, ...]:
        """Return the command line by which a person attaches; tmux prints `gone` if it is another session by then."""
        return self._showing("attach-session", session, mark)

    def switch(self, session: str, *, mark: str = "", here: str = "") -> tuple[str, ...]:
        """Return the command line by which the client of the pane that it runs in shows a session of the same server.

        Shape: `here` is that pane's variable TMUX: the socket of its server, then a process and a session.
        """
        socket = here.rpartition(",")[0].rpartition(",")[0]
        same = bool(socket) and os.path.realpath(socket) == os.path.realpath(self._socket)
        return self._showing("switch-client", session, mark) if same else ()

    def _showing(self, command: str, session: str, mark: str) -> tuple[str, ...]:
        target = _exact_target(session)
        program = (self._tmux, "-S", self._socket)
        if target.startswith("=") and not mark:
            return (*program, command, "-t", target)
        then = f"{command} -t '{target}'"
        return (*program, "if-shell", "-F", "-t", target, _match_format(session, mark), then, "display-message -p gone")

    def adopt(self, session_id: str, mark: str) -> None:
        """Set our mark on a session that the user's own launcher made, and on its first pane.

        Raises: ProgramError when it is gone, or carries another mark; nothing is changed then.
        """
        if not (_server_of(session_id) and re.fullmatch(ATTEMPT_ID, mark)):
            raise ProgramError(f"tmux socket {self._socket}: {session_id} cannot be marked {mark}", self._hint())
        try:
            found = self._pane(session_id, "")
        except UnknownNameError as error:
            raise ProgramError(str(error), error.hint) from error
        free = f"#{{||:#{{==:#{{@wakeman}},}},#{{==:#{{@wakeman}},{mark}}}}}"
        then = (
            f"set-option -t '{_local_id(session_id)}' @wakeman '{mark}'"
            f" ; set-option -p -t '{found.pane}' @wakeman_pane 1 ; display-message -p marked"
        )
        ran = self._act("if-shell", "-F", "-t", found.pane, _and(found.condition, free), then)
        if "marked" not in ran.stdout:
            raise ProgramError(f"tmux socket {self._socket}: {session_id} cannot be marked {mark}", self._hint())

    def remember(self, session_id: str, head: str, *, mark: str) -> None:
        """Store the log's head on the session as `@wakeman_head`."""
        from contextlib import suppress

        if not SESSION_ID.fullmatch(session_id) or not re.fullmatch(r"[\w:;]+", head):
            return
        number = _local_id(session_id)
        with suppress(ProgramError, UnknownNameError):
            then = f"set-option -t '{number}' @wakeman_head '{head}'"
            self._ask("if-shell", "-F", "-t", number, _match_format(session_id, mark), then)

    def recall(self) -> list[tuple[str, str]]:
        """Return mark and `@wakeman_head` of each session that has both."""
        try:
            printed = self._ask("list-sessions", "-F", "#{@wakeman_head} #{@wakeman}").out
        except ProgramError:
            return []
        found = (line.partition(" ") for line in printed.splitlines())
        return [(mark, head) for head, _, mark in found if head and mark]

    def _settle(self, starts: Sequence[Start], made: list[Made | None], batch: Sequence[int]) -> None:
        """Find out, after a failed call, which sessions of the batch exist, and whose they are.

        Boundary: with a server that does not answer, nothing is known.
        """
        listing = self._list()
        there = {seen.session: seen for seen in listing.seen}
        for index in batch:
            start, seen = starts[index], there.get(starts[index].session)
            if seen and seen.mark == start.mark:
                made[index] = Made(seen.session_id, seen.pid)
            elif seen:
                made[index] = Made(
                    error=f"tmux session {start.session}: exists, and is not of {start.mark}", taken=True
                )

    def _equip(self, start: Start, born: _Birth) -> None:
        """Do by ids what the creation left out, as a hook had opened other panes, or had given it another name.

        Boundary: a session that has ended meanwhile is left to the next poll.
        """
        number = _local_id(born.session_id)
        rules = (
            *("set-option", "-t", number, "@wakeman", start.mark, ";"),
            *("set-option", "-t", number, "destroy-unattached", "off", ";"),
            *_pane_commands(start, born.pane, ("-p", "-t", born.pane)),
        )
        self._act("if-shell", "-F", "-t", born.pane, _match_format(born.session_id, ""), _line(rules))

    def _pane(self, session: str, mark: str) -> _Pane:
        """Find the pane that we made; in other sessions, the first.

        Raises: UnknownNameError also when ours was closed: another in the session is not the worker's.
        """
        row = f"#{{session_id}}@#{{pid}}:#{{start_time}} #{{pane_id}} #{{pane_dead}} {_match_format(session, mark)}"
        whose = "#{?@wakeman,1,0} #{@wakeman_pane}"
        ran = self._ask("list-panes", "-s", "-t", _exact_target(session), "-F", f"{row} {whose}")
        rows = [line.split(" ", 5) for line in ran.out.splitlines()]
        if ran.code or not rows or rows[0][3] != "1":
            raise self._unknown(session)
        rows.sort(key=lambda row: (row[5] != OWN, int(row[1][1:])))
        session_id, pane, dead, _, ours, own = rows[0]
        if ours == "1" and not own:
            raise UnknownNameError(
                f"tmux socket {self._socket}: the worker's pane of {session} was closed", self._hint()
            )
        return _Pane(pane, dead == "1", _match_format(session_id, mark))

    def _unknown(self, session: str) -> UnknownNameError:
        return UnknownNameError(f"tmux socket {self._socket}: no session {session}", self._hint())

    def _paste(self, found: _Pane, text: str) -> None:
        buffer = f"wakeman-{os.getpid()}-{os.urandom(4).hex()}"
        loaded = self._ask("load-buffer", "-b", buffer, "-", stdin=text)
        if loaded.code:
            raise ProgramError(f"tmux socket {self._socket}: {loaded.err}", self._hint())
        try:
            self._alive(found, f"paste-buffer -p -d -b {buffer} -t '{found.pane}'")
        except ProgramError:
            self._ask("delete-buffer", "-b", buffer)
            raise

    def _alive(self, found: _Pane, command: str) -> None:
        """Run a command on a pane, unless it is dead or was replaced, which tmux tests in the same call.

        Source: Debian bug 1063237: until 3.4, a paste into a dead pane ends the server with all its sessions.
        """
        condition = _and(found.condition, "#{==:#{pane_dead},0}")
        otherwise = f"display-message -p -t '{found.pane}' '#{{pane_dead}}'"
        ran = self._act("if-shell", "-F", "-t", found.pane, condition, command, otherwise)
        if ran.returncode or ran.stdout:
            gone = f"pane {found.pane} is dead: its program has ended" if ran.stdout == ["1"] else "its session is gone"
            why = " ".join(ran.stderr) or gone
            raise ProgramError(f"tmux socket {self._socket}: {why}", self._hint())

    def _ask(self, *words: str, stdin: str = "") -> _Ran:
        """Call tmux without libtmux. Raises: ProgramError on a time-out, or when tmux is missing."""
        import subprocess

        config = ("-f", self._config) if self._config else ()
        try:
            ran = subprocess.run(
                (self._tmux, "-u", *config, "-S", self._socket, *words),
                input=stdin.encode(errors="surrogateescape"),
                capture_output=True,
                cwd="/",
                env=self._env,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise self._silence() from None
        except OSError as error:
            raise ProgramError(f"{self._tmux}: cannot be run: {error.strerror}", "wakeman doctor") from error
        return _Ran(ran.returncode, ran.stdout.decode(errors="replace"), ran.stderr.decode(errors="replace").strip())

    def _act(self, *words: str) -> tmux_cmd:
        """Call tmux through libtmux. Raises: ProgramError on a time-out, or when tmux is missing."""
        from libtmux.exc import TmuxCommandNotFound
        from libtmux.server import Server

        while words[-1] == ";":
            words = words[:-1]
        try:
            self._write_script()
            server = Server(socket_path=self._socket, config_file=self._config, tmux_bin=self._script)
            ran = server.cmd(words[0], *words[1:])
        except (OSError, TmuxCommandNotFound) as error:
            raise ProgramError(f"{self._script}: cannot be run: {error}", "wakeman doctor") from error
        if ran.returncode == KILLED_STATUS:
            raise self._silence()
        if ran.returncode in (126, 127):
            raise ProgramError(f"{self._tmux}: cannot be run: {' '.join(ran.stderr)}", "wakeman doctor")
        return ran

    def _write_script(self) -> None:
        """Write the wrapper of tmux, unless it exists. Repeatable: yes, also by two processes at once."""
        import shlex
        from pathlib import Path

        env = shlex.join(f"{key}={value}" for key, value in self._env.items())
        text = BOUNDED.format(limit=f"{self._timeout:g}", env=env, tmux=shlex.quote(self._tmux))
        script = Path(self._script)
        data = text.encode(errors="surrogateescape")
        if script.exists() and script.read_bytes() == data:
            return
        fresh = Path(f"{script}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
        fresh.touch(mode=0o700)
        fresh.write_bytes(data)
        fresh.replace(script)

    def _silence(self) -> ProgramError:
        return ProgramError(f"tmux socket {self._socket}: no answer within {self._timeout:g} s", self._hint())

    def _hint(self) -> str:
        import shlex

        return f"look at the server: {shlex.join((self._tmux, '-S', self._socket, 'ls'))}"


class TmuxBackend:
    """Workers in detached sessions of a tmux server on this machine."""

    def found(self, environ: Mapping[str, str]) -> str:
        import subprocess

        program = tmux_program(environ.get("PATH") or os.defpath)
        try:
            ran = subprocess.run([program, "-V"], capture_output=True, cwd="/", env=environ, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProgramError(f"{error} at {program}", INSTALL) from error
        if ran.returncode:
            said = (ran.stdout + ran.stderr).decode(errors="replace").strip()
            raise ProgramError(f"{program} -V ended with status {ran.returncode}: {said}".rstrip(": "), INSTALL)
        return f"{ran.stdout.decode(errors='replace').strip()} at {program}"

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        del directory
        path = environ.get("PATH", "")
        return {"socket": socket_path(plan.workers.socket, environ), "tmux": tmux_program(path)}

    def executor(self, host: Host) -> Tmux:
        return Tmux(host.place.get("socket", ""), host.place.get("tmux", ""), host.directory, host.env)


def socket_path(name: str, environ: Mapping[str, str]) -> str:
    """Return the absolute path of a tmux socket by its name, as tmux does; a path is not changed."""
    if name.startswith("/"):
        return name
    if "/" in name or not name:
        raise UsageError(f"workers.socket: found {name!r}; expected a name, or an absolute path")
    place = f"{environ.get('TMUX_TMPDIR') or '/tmp'}/tmux-{os.getuid()}"  # noqa: S108 - where tmux keeps them
    return f"{os.path.realpath(place)}/{name}"


def tmux_program(path: str) -> str:
    """Find tmux. Raises: ProgramError with the command that installs it."""
    import shutil

    found = shutil.which("tmux", path=path)
    if found is None:
        raise ProgramError(f"tmux: not found on {path}", INSTALL)
    return os.path.realpath(found) if not found.startswith("/") else found


class _Ran(NamedTuple):
    code: int
    out: str
    err: str


class _Birth(NamedTuple):
    """A session as its creation printed it; `equipped` says whether its pane is marked."""

    session_id: str
    pid: int
    pane: str
    equipped: bool


class _Pane(NamedTuple):
    """A pane that was found; `condition` holds while it is that one."""

    pane: str
    dead: bool
    condition: str


def _listing(parts: list[str]) -> Listing:
    """Read the output of a listing: per pane the facts, then each text. Raises: ValueError."""
    width = 1 + len(TEXT_FIELDS)
    if len(parts) % width:
        raise ValueError(f"{len(parts)} fields, not a multiple of {width}")
    server = ""
    seen: dict[str, SessionInfo] = {}
    ranks: dict[str, tuple[bool, int]] = {}
    for place in range(0, len(parts), width):
        facts = parts[place].split(",")
        pid, started, number, pane, pane_pid, dead, code, signal, created, activity, own = facts
        name, mark, title = parts[place + 1 : place + width]
        over = dead == "1" or (mark != "" and not own)  # our own pane was closed, another is open
        server = f"{pid}:{started}"
        session_id = f"{number}@{server}"
        rank = own != OWN, int(pane[1:])
        if session_id in ranks and ranks[session_id] <= rank:
            continue
        ranks[session_id] = rank
        seen[session_id] = SessionInfo(
            session=name,
            session_id=session_id,
            phase=_phase(over, code, signal),
            pid=int(pane_pid),
            code=int(code) if code else None,
            why=f"its wrapper was ended by signal {signal}" if over and signal and not code else "",
            created=float(created),
            activity=float(activity),
            mark=mark,
            title=_plain(title).strip(),
        )
    return Listing("up", server, tuple(seen.values()))


def _phase(over: bool, code: str, signal: str) -> Phase:
    """Return the phase of a pane. Boundary: the status of one that has just died may still be missing."""
    if not over:
        return "running"
    return "killed" if signal and not code else "exited"


def _is_tmux(pid: int) -> bool:
    """Return whether a process is a tmux server of this user: to another program, the signal would be its end."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            return stream.read().startswith("tmux") and os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


def _lives(server: str) -> bool:
    """Return whether a server's process is alive; a zombie is not, another user's is.

    Boundary: a process of that id that began later, and is not called tmux, is another one.
    """
    pid, _, started = server.partition(":")
    try:
        os.kill(int(pid), 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            name, _, fields = stream.read().partition("(")[2].rpartition(")")
        with open("/proc/stat", encoding="ascii") as stream:
            booted = next(int(line.split()[1]) for line in stream if line.startswith("btime "))
    except ProcessLookupError:
        return False
    except (OSError, StopIteration):
        return True
    values = fields.split()
    born = booted + int(values[BORN_FIELD]) / os.sysconf("SC_CLK_TCK")
    return values[0] != "Z" and (name.startswith("tmux") or born < int(started) + CLOCK_STEP_S)


def _creation_commands(start: Start) -> tuple[str, ...]:
    """Return the tmux commands that make a session ours from its first moment; print its ids, and `EQUIPPED`.

    Shape: the pane is marked in the same call if it is the session's only one.
    """
    target = f"={start.session}:"
    # A single word would be run by a shell.
    argv = start.argv if len(start.argv) > 1 else ("/bin/sh", "-c", 'exec "$0"', *start.argv)
    env = tuple(word for key, value in start.env.items() for word in ("-e", _literal(f"{key}={value}")))
    equip = (*_pane_commands(start, target, ("-w", "-t", target)), ";", "display-message", "-p", EQUIPPED)
    return (
        *("new-session", "-d", "-P", "-F", BORN, "-s", start.session, *SIZE),
        *("-c", _literal(_unformatted(start.cwd)), *env, "--", *map(_literal, argv), ";"),
        *("set-option", "-t", target, "@wakeman", start.mark, ";"),
        *("set-option", "-t", target, "@wakeman_pane", UNSETTLED, ";"),
        *("set-option", "-t", target, "destroy-unattached", "off", ";"),
        *("if-shell", "-F", "-t", target, ALONE, _line(equip)),
    )


def _pane_commands(start: Start, pane: str, lasting: Sequence[str]) -> tuple[str, ...]:
    """Return the tmux commands that make a pane the worker's."""
    words: tuple[str, ...] = (
        *("set-option", *lasting, "remain-on-exit", "on", ";"),
        *("set-option", "-p", "-t", pane, "@wakeman_pane", OWN, ";"),
        *("set-option", "-u", "-t", pane, "@wakeman_pane"),
    )
    if start.stream:
        import shlex

        cat = shlex.join(start.keeper) if start.keeper else f"cat >>{shlex.quote(start.stream)}"
        words += (";", "pipe-pane", "-t", pane, _shielded(f"umask 077; exec {cat}"))
    return words


def _line(words: Sequence[str]) -> str:
    """Write commands as one line for tmux's own parser."""
    return " ".join(";" if word == ";" else _quoted(word) for word in words)


def _quoted(word: str) -> str:
    return '"' + re.sub(r'(["\\$])', r"\\\1", word) + '"'


def _births(lines: Sequence[str]) -> list[_Birth]:
    """Read what creations printed. Boundary: a hook of the user's configuration may print, too."""
    born: list[_Birth] = []
    for line in lines:
        if found := BIRTH.fullmatch(line):
            born.append(_Birth(found[1], int(found[2]), found[3], equipped=False))
        elif line == EQUIPPED and born:
            born[-1] = born[-1]._replace(equipped=True)
    return born


def _item_batches(items: Sequence[tuple[str, str]], most: int) -> Iterator[Sequence[tuple[str, str]]]:
    for at in range(0, len(items), most):
        yield items[at : at + most]


def _start_batches(starts: Sequence[Start], waiting: Sequence[int], most: int) -> Iterator[list[int]]:
    """Split a list of starts into as few calls of tmux as possible."""
    batch: list[int] = []
    size = 0
    for index in waiting:
        length = _length(_creation_commands(starts[index]))
        if batch and (size + length > COMMAND_BYTES_MAX or len(batch) == most):
            yield batch
            batch, size = [], 0
        batch.append(index)
        size += length
    yield batch


def _refused_start(start: Start) -> Made | None:
    """Return why tmux would misinterpret a start; None if it would not."""
    if not re.fullmatch(SESSION_NAME, start.session):
        return Made(error=f"tmux session {start.session!r}: expected letters, digits, _, -, + and blanks")
    if not re.fullmatch(ATTEMPT_ID, start.mark):
        return Made(error=f"tmux session {start.session}: mark {start.mark!r} cannot be compared by tmux")
    if not start.argv:
        return Made(error=f"tmux session {start.session}: no program given")
    if (length := _length(_creation_commands(start))) > COMMAND_BYTES_MAX:
        return Made(error=f"tmux session {start.session}: {length} bytes of arguments, tmux takes {COMMAND_BYTES_MAX}")
    return None


def _length(words: Sequence[str]) -> int:
    return sum(len(word.encode(errors="surrogateescape")) + 1 for word in words) + 2


def _local_id(session_id: str) -> str:
    """Return a session's id within its server."""
    return session_id.partition("@")[0]


def _server_of(session_id: str) -> str:
    """Return the server in an id; "" for an id of the previous version, or none."""
    found = SESSION_ID.fullmatch(session_id)
    return (found[2] or "") if found else ""


def _exact_target(session: str) -> str:
    """Return the exact target of a session.

    Raises: UnknownNameError for an empty name, which tmux takes as any session.
    """
    if not session:
        raise UnknownNameError("tmux: found an empty session name")
    return f"{_local_id(session)}:" if SESSION_ID.fullmatch(session) else f"={session}:"


def _match_format(session: str, mark: str) -> str:
    """Write the format that is 1 only on the session with that id (or any, for a name) and that mark.

    Raises: UnknownNameError for an id without a server, unless a mark is compared: every server has a `$0`.
    """
    found = SESSION_ID.fullmatch(session)
    tests = {"session_id": found[1]} if found else {}
    if found and found[2]:
        tests["pid"], _, tests["start_time"] = found[2].partition(":")
    elif found and not mark:
        raise UnknownNameError(f"tmux: found {session}, which is of no known server; expected a session's name")
    if mark:
        if not re.fullmatch(ATTEMPT_ID, mark):
            raise UnknownNameError(f"tmux: mark {mark!r} cannot be compared by tmux")
        tests["@wakeman"] = mark
    formats = [f"#{{==:#{{{name}}},{value}}}" for name, value in tests.items()]
    return reduce(_and, formats) if formats else "1"


def _and(one: str, other: str) -> str:
    return f"#{{&&:{one},{other}}}"


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


def _plain(text: str) -> str:
    """Return text without control characters except line feed and tab; a carriage return becomes a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(PLAIN)
