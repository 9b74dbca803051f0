"""The sessions of one tmux socket: listing is one direct call of tmux, other actions go through libtmux.

Rules of this file, each because of a quirk of tmux:

- A target is an id, or `=name:`; a bare name would match by prefix.
- A session's pane is the one that we made, by the id that its creation printed. The active one may be another: a hook
  of the user's configuration can have opened it in the same call.
- Ids of sessions and panes are a server's: the next one counts from `$0` again. So a session's id is `$3@PID:START`,
  and every command on one has a condition that tmux evaluates in the same call: server, session, mark.
- Text that tmux would interpret as a format, a `strftime` pattern or its own syntax is escaped.
- Options are set on our own sessions; one is set globally, only on our own server. `@wakeman` marks a session,
  `@wakeman_pane` the pane in it: hidden variables of a session that we make, options of one that others have made.
- Every call has a time limit, and runs in `/` with the same environment for every caller.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from wakeman.adapters.asking import Told, ask
from wakeman.adapters.tmux.listing import (
    PANE_FIELDS,
    TEXT_FIELDS,
    UNSETTLED,
    is_own,
    is_tmux,
    lives,
    plain_text,
    read_listing,
)
from wakeman.adapters.tmux.targets import (
    ATTEMPT_ID,
    SESSION_ID,
    Pane,
    both,
    exact_target,
    local_id,
    match_format,
    server_of,
)
from wakeman.core.errors import ProgramError, UnknownNameError, UsageError
from wakeman.ports import KEYS, Listing, Made, Start

if TYPE_CHECKING:
    from wakeman.adapters.tmux.creation import Birth
    from wakeman.core.model import Host, Plan

ENDS_PER_CALL_MAX = 30  # sessions ended in one call: an id, its condition and their command are under 500 bytes
SERVER_TRIES_MAX = 5  # a server that is ending refuses the first calls
TRY_PAUSE_S = 0.1  # seconds, longer with each try
REOPEN_S = 2.0  # seconds; a server makes its socket anew within milliseconds
PASTE_PAUSE_S = 0.3  # seconds; a client that is still reading a paste swallows Enter
INSTALL = "apt-get install tmux, or brew install tmux"
ABSENT = ("no server running on", "(No such file or directory)", "(Connection refused)")
EMPTY = "no current target"
"""What a server without a session says to a listing: one that is about to end, or that `exit-empty off` keeps."""
STRANGE = ("server exited unexpectedly", "protocol version mismatch")
"""What a client says of a server that hangs up at its words: an older client of a newer server, since tmux 3.6."""
INHERITED = ("set-option", "-g", "update-environment[90]", "WAKEMAN_ATTEMPT")
"""Sessions that a worker makes carry its mark. Only on our own server: the user's options are not changed."""


class TmuxSaid(Struct, frozen=True):
    """What tmux answered."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.rstrip("\n").split("\n") if self.out else []


class Tmux:
    """The sessions of the server behind one socket, and their terminals; see `wakeman.ports`."""

    outlives_boot = False

    def __init__(
        self,
        socket: str,
        tmux: str,
        directory: str,
        env: Mapping[str, str],
        *,
        timeout: float = 10.0,
        attended: bool = False,
    ) -> None:
        """Address a server; nothing runs yet. `attended`: a person waits for what is done.

        Shape: `socket` and `tmux` are absolute paths; `directory` is ours and gets the file `tmux.sh` when something
        is done; `env` is all that a server started here knows. A socket named `default` is the user's: a server started
        there reads the user's configuration, others read none.
        Units: `timeout` in seconds, for each call of tmux.
        """
        self._socket = socket
        self._tmux = tmux
        self._directory = directory
        self._env = {key: value for key, value in env.items() if key not in ("TMUX", "TMUX_PANE")}
        self._config = None if socket.endswith("/default") else "/dev/null"
        self._timeout = timeout
        self._attended = attended

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
        listing = self._list()
        own = f"@{listing.server}"
        # Most are of the server that answers: an id is taken apart only where it does not end in that.
        others = {session_id: server for session_id, server in known.items() if not session_id.endswith(own)}
        homes = {session_id: server_of(session_id) or server for session_id, server in others.items()}
        if listing.state == "down" and self._reopened(set(homes.values()) - {""}):
            listing = self._list()
        if listing.state == "unknown":
            return listing
        away = {session_id: server for session_id, server in homes.items() if server not in ("", listing.server)}
        here = listing.server.partition(":")[0]
        alive = {server for server in set(away.values()) if server.partition(":")[0] != here and lives(server)}
        hidden = f"no answer on {self._socket} from its tmux server, which lives"
        return replace(
            listing,
            gone={session_id: "its tmux server is gone" for session_id, server in away.items() if server not in alive},
            hidden={session_id: hidden for session_id, server in away.items() if server in alive},
        )

    def _reopened(self, servers: set[str]) -> bool:
        """Have a live server make its socket anew that something removed, such as a cleaner of old files."""
        import signal
        from contextlib import suppress
        from time import monotonic, sleep

        owners = [int(server.partition(":")[0]) for server in servers if lives(server)]
        mine = [pid for pid in owners if is_tmux(pid)]
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
        if ran.code and EMPTY in ran.err:
            ran = self._ask("display-message", "-p", "#{pid}:#{start_time}")
            if not ran.code:
                return Listing("up", ran.out.strip())
        if ran.code:
            absent = any(sign in ran.err for sign in ABSENT)
            return Listing("down" if absent else "unknown", why=ran.err or f"tmux ended with status {ran.code}")
        try:
            return read_listing(ran.out.split(cut)[1:])
        except ValueError as error:
            return Listing("unknown", why=f"tmux socket {self._socket}: cannot read its list: {error}")

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Make several detached sessions, many in one call of tmux.

        Boundary: a name that tmux would change, or a command line that is too long for tmux, gives `error`.
        """
        from time import sleep

        from wakeman.adapters.tmux import creation

        if why := self._unplaced():
            return [Made(error=why, mend="choose another place: workers.socket, or --socket") for _ in starts]
        made: list[Made | None] = [creation.refused_start(start) for start in starts]
        for attempt in range(SERVER_TRIES_MAX):
            waiting = [index for index, one in enumerate(made) if one is None]
            if not waiting:
                break
            if attempt > 1:
                sleep(TRY_PAUSE_S * (attempt - 1))
            # One failing start also fails those after it, so on the second try each is a call of its own.
            for batch in creation.start_batches(starts, waiting, 1 if attempt else len(waiting)):
                words = (
                    word
                    for index in batch
                    for word in (*creation.creation_commands(starts[index], configured=self._config is None), ";")
                )
                inherited = INHERITED if self._config and batch[0] == waiting[0] else ()
                ran = self._act(*words, *inherited, begins=True)
                born = creation.births(ran.lines)
                for index, one in zip(batch, born, strict=False):
                    made[index] = Made(one.session_id, one.pid)
                    if not one.equipped:
                        self._equip(starts[index], one)
                if ran.code or len(born) != len(batch):
                    why = ran.err or f"tmux ended with status {ran.code}"
                    self._settle(starts, made, batch[len(born) :])
        if None in made and self._list().state == "unknown":
            raise ProgramError(f"tmux socket {self._socket}: {why}", self._hint())
        return [one or Made(error=why) for one in made]

    def _unplaced(self) -> str:
        """Make the socket's directory, as tmux makes none for -S. Return why it cannot be made; "" if it can."""
        try:
            os.makedirs(os.path.dirname(self._socket), mode=0o700, exist_ok=True)
        except OSError as error:
            return f"tmux socket {self._socket}: its directory cannot be made: {error.strerror}"
        return ""

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions by id, each if it has its mark; test and end happen in one call of tmux, for many at once."""
        known = [one for one in ends if SESSION_ID.fullmatch(one[0]) and re.fullmatch(ATTEMPT_ID, one[1])]
        ended = 0
        for batch in _item_batches(known, ENDS_PER_CALL_MAX):
            words: list[str] = []
            for session_id, mark in batch:
                number = local_id(session_id)
                then = f"display-message -p ended ; kill-session -t '{number}'"
                words += ["if-shell", "-F", "-t", number, match_format(session_id, mark), then, ";"]
            ran = self._act(*words)
            ended += ran.lines.count("ended")
            if ran.code and len(batch) > 1:  # one that is gone also fails those after it
                ended += sum(self.cancel([one]) for one in batch)
        return ended

    def capture(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of the pane's screen and history; wrapped lines are joined.

        Boundary: without blank lines at the end, and without the line that tmux writes into a dead pane.
        """
        return self._shown(session, lines, mark, painted=False)

    def painted(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return them with their colours."""
        return self._shown(session, lines, mark, painted=True)

    def _shown(self, session: str, lines: int, mark: str, *, painted: bool) -> str:
        (shown,) = self._read([self._pane(session, mark)], lines, painted=painted)
        if shown is None:
            raise self._unknown(session)
        return shown

    def captures(
        self, sessions: Sequence[tuple[str, str]], lines: int = 50, *, painted: bool = False
    ) -> list[str | None]:
        """Return the screens of many sessions. Cost: one call of tmux, and one for each 40 or so."""
        from wakeman.adapters.tmux.screens import PANE_ROW, own_panes

        panes = own_panes(self._ask("list-panes", "-a", "-F", PANE_ROW).out)
        found = [panes.get((local_id(session), server_of(session), mark)) for session, mark in sessions]
        there = [pane for pane in found if pane is not None]
        shown = iter(self._read(there, lines, painted=painted) if there else ())
        return [None if pane is None else next(shown) for pane in found]

    def _read(self, panes: Sequence[Pane], lines: int, *, painted: bool) -> list[str | None]:
        """Return what panes show; None for one that is gone, or another's by now."""
        from wakeman.adapters.tmux.screens import reading_calls, shown_by

        cut = f"~{os.urandom(6).hex()}~"  # random, so that no screen can contain it
        ran = [self._ask(*words) for words in reading_calls(panes, lines, cut, painted=painted)]
        if len(panes) > 1 and any(one.code for one in ran):  # one that is gone also fails those after it
            return [self._read([pane], lines, painted=painted)[0] for pane in panes]
        shown = shown_by("".join(one.out for one in ran), panes, lines, cut, painted=painted)
        return [shown.get(number) for number in range(len(panes))]

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
            self._paste(found, plain_text(text))
        if submit:
            sleep(PASTE_PAUSE_S if text else 0)
            # After a person has scrolled, the pane is in copy mode, in which keys do not reach the program.
            self._alive(found, f"copy-mode -q -t '{found.pane}' ; send-keys -t '{found.pane}' Enter")

    def press(self, session: str, keys: tuple[str, ...], *, mark: str = "") -> None:
        """Press keys by name."""
        if not keys or not KEYS.issuperset(keys):
            raise ValueError(keys)
        found = self._pane(session, mark)
        self._alive(found, f"copy-mode -q -t '{found.pane}' ; send-keys -t '{found.pane}' {' '.join(keys)}")

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
        target = exact_target(session)
        program = self._seat()
        if target.startswith("=") and not mark:
            return (*program, command, "-t", target)
        then = f"{command} -t '{target}'"
        return (*program, "if-shell", "-F", "-t", target, match_format(session, mark), then, "display-message -p gone")

    def _seat(self) -> tuple[str, ...]:
        """Return how a person calls tmux from a terminal of theirs."""
        return (self._tmux, "-S", self._socket)

    def adopt(self, session_id: str, mark: str, instead: str = "") -> None:
        """Set our mark on a session that the user's own launcher made, and on its first pane.

        Raises: ProgramError when it is gone, or carries another mark; nothing is changed then.
        """
        if not (server_of(session_id) and re.fullmatch(ATTEMPT_ID, mark) and re.fullmatch(ATTEMPT_ID, instead or mark)):
            raise ProgramError(f"tmux socket {self._socket}: {session_id} cannot be marked {mark}", self._hint())
        try:
            found = self._pane(session_id, "")
        except UnknownNameError as error:
            raise ProgramError(str(error), error.hint) from error
        ours = (f"#{{==:#{{@wakeman}},{one}}}" for one in (mark, instead or mark))
        free = f"#{{||:#{{==:#{{@wakeman}},}},#{{||:{','.join(ours)}}}}}"
        then = (
            f"set-option -t '{local_id(session_id)}' @wakeman '{mark}'"
            f" ; set-option -p -t '{found.pane}' @wakeman_pane 1 ; display-message -p marked"
        )
        ran = self._act("if-shell", "-F", "-t", found.pane, both(found.condition, free), then)
        if "marked" not in ran.lines:
            raise ProgramError(f"tmux socket {self._socket}: {session_id} cannot be marked {mark}", self._hint())

    def release(self, session_id: str, mark: str) -> None:
        """Take our marks off a session and its pane."""
        found = self._pane(session_id, mark)
        number = local_id(session_id)
        gone = (
            *("set-option", "-u", "-t", number, "@wakeman", ";"),
            *("set-option", "-u", "-t", number, "@wakeman_head", ";"),
            *("set-option", "-p", "-u", "-t", found.pane, "@wakeman_pane", ";"),
            *("set-environment", "-u", "-t", number, "@wakeman", ";"),
            *("set-environment", "-u", "-t", number, "@wakeman_pane"),
        )
        from wakeman.adapters.tmux.creation import command_line

        self._act("if-shell", "-F", "-t", found.pane, found.condition, command_line(gone))

    def remember(self, session_id: str, head: str, *, mark: str) -> None:
        """Store the log's head on the session as `@wakeman_head`."""
        from contextlib import suppress

        if not SESSION_ID.fullmatch(session_id) or not re.fullmatch(r"[\w:;]+", head):
            return
        number = local_id(session_id)
        with suppress(ProgramError, UnknownNameError):
            then = f"set-option -t '{number}' @wakeman_head '{head}'"
            self._ask("if-shell", "-F", "-t", number, match_format(session_id, mark), then)

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

    def _equip(self, start: Start, born: Birth) -> None:
        """Do by ids what the creation left out, as a hook had opened other panes, or had given it another name.

        Boundary: a session that has ended meanwhile is left to the next poll.
        """
        from wakeman.adapters.tmux import creation

        number = local_id(born.session_id)
        rules = (
            *("set-option", "-t", number, "destroy-unattached", "off", ";"),
            *creation.pane_commands(start, born.pane, ("-p", "-t", born.pane)),
            *(";", *creation.HIDDEN, "-t", number, "@wakeman", start.mark),
        )
        self._act("if-shell", "-F", "-t", born.pane, match_format(born.session_id, ""), creation.command_line(rules))

    def _pane(self, session: str, mark: str) -> Pane:
        """Find the pane that we made; in other sessions, the first.

        Raises: UnknownNameError also when ours was closed: another in the session is not the worker's.
        """
        row = f"#{{session_id}}@#{{pid}}:#{{start_time}} #{{pane_id}} #{{pane_dead}} {match_format(session, mark)}"
        whose = "#{?@wakeman,1,0} #{@wakeman_pane}"
        ran = self._ask("list-panes", "-s", "-t", exact_target(session), "-F", f"{row} {whose}")
        rows = [line.split(" ", 5) for line in ran.out.splitlines()]
        if ran.code or not rows or rows[0][3] != "1":
            raise self._unknown(session)
        rows.sort(key=lambda row: (not is_own(row[5], row[1]), int(row[1][1:])))
        session_id, pane, dead, _, ours, own = rows[0]
        if ours == "1" and own != UNSETTLED and not is_own(own, pane):
            raise UnknownNameError(
                f"tmux socket {self._socket}: the worker's pane of {session} was closed", self._hint()
            )
        return Pane(pane, dead == "1", match_format(session_id, mark))

    def _unknown(self, session: str) -> UnknownNameError:
        return UnknownNameError(f"tmux socket {self._socket}: no session {session}", self._hint())

    def _paste(self, found: Pane, text: str) -> None:
        buffer = f"wakeman-{os.getpid()}-{os.urandom(4).hex()}"
        loaded = self._ask("load-buffer", "-b", buffer, "-", stdin=text)
        if loaded.code:
            raise ProgramError(f"tmux socket {self._socket}: {loaded.err}", self._hint())
        try:
            self._alive(found, f"paste-buffer -p -d -b {buffer} -t '{found.pane}'")
        except ProgramError:
            self._ask("delete-buffer", "-b", buffer)
            raise

    def _alive(self, found: Pane, command: str) -> None:
        """Run a command on a pane, unless it is dead or was replaced, which tmux tests in the same call.

        Source: Debian bug 1063237: until 3.4, a paste into a dead pane ends the server with all its sessions.
        """
        condition = both(found.condition, "#{==:#{pane_dead},0}")
        otherwise = f"display-message -p -t '{found.pane}' '#{{pane_dead}}'"
        ran = self._act("if-shell", "-F", "-t", found.pane, condition, command, otherwise)
        if ran.code or ran.lines:
            gone = f"pane {found.pane} is dead: its program has ended" if ran.lines == ["1"] else "its session is gone"
            why = ran.err or gone
            raise ProgramError(f"tmux socket {self._socket}: {why}", self._hint())

    def _ask(self, *words: str, stdin: str | None = None) -> TmuxSaid:
        """Call tmux. Raises: ProgramError on a time-out, or when tmux is missing."""
        given = None if stdin is None else stdin.encode(errors="surrogateescape")
        return self._told(lambda: ask(self._argv(words), self._env, self._timeout, given))

    def _act(self, *words: str, begins: bool = False) -> TmuxSaid:
        """Have tmux change something: as a person waits through libtmux, in a check by a call of its own.

        Shape: a call that may start the server `begins` it. Raises: ProgramError on a time-out, or without tmux.
        """
        while words[-1] == ";":
            words = words[:-1]
        if not self._attended:
            # With input it runs in `/`: a server that starts stays in the directory of its first client.
            return self._told(lambda: ask(self._argv(words), self._env, self._timeout, b"" if begins else None))
        from wakeman.adapters.tmux.by_libtmux import ByLibtmux

        place = (self._socket, self._tmux, self._directory, self._env, self._config, self._timeout)
        return self._told(lambda: ByLibtmux(*place)(words))

    def _argv(self, words: Sequence[str]) -> tuple[str, ...]:
        config = ("-f", self._config) if self._config else ()
        return (self._tmux, "-u", *config, "-S", self._socket, *words)

    def _told(self, call: Callable[[], Told]) -> TmuxSaid:
        try:
            told = call()
        except TimeoutError:
            raise self._silence() from None
        except OSError as error:
            raise ProgramError(f"{self._tmux}: cannot be run: {error.strerror}", "wakeman doctor") from error
        err = told.err.decode(errors="replace").strip()
        if told.code and err.startswith(STRANGE):
            err += f": {self._tmux} may be of another version than the server at {self._socket}"
        return TmuxSaid(told.code, told.out.decode(errors="replace"), err)

    def _silence(self) -> ProgramError:
        return ProgramError(f"tmux socket {self._socket}: no answer within {self._timeout:g} s", self._hint())

    def _hint(self) -> str:
        import shlex

        return f"look at the server: {shlex.join((self._tmux, '-S', self._socket, 'ls'))}"


class TmuxBackend:
    """Workers in detached sessions of a tmux server on this machine. `attended`: a person waits for what is done."""

    def __init__(self, *, attended: bool = False) -> None:
        self._attended = attended

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
        place = host.place
        return Tmux(place.get("socket", ""), place.get("tmux", ""), host.directory, host.env, attended=self._attended)


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


def _item_batches(items: Sequence[tuple[str, str]], most: int) -> Iterator[Sequence[tuple[str, str]]]:
    for at in range(0, len(items), most):
        yield items[at : at + most]
