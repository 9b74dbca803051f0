"""Workers in tmux sessions of a few hosts, called by ssh: one call per host and look, all hosts at the same time.

There is no queue: a host has slots, and a session gets the host with most free ones. A host that does not answer is
unknown, and so is each of its sessions: nothing is decided about them until it answers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec.structs import replace

from wakeman.adapters.ssh.connection import Connection, HostTmux
from wakeman.adapters.ssh.placements import Placement, Placements
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.ports import Listing, Made, SessionInfo, Start

if TYPE_CHECKING:
    from wakeman.adapters.ssh.copies import Copies
    from wakeman.adapters.ssh.terminals import HostTerminals
    from wakeman.core.model import Host, Plan

END_ROUNDS_MAX = 2
"""Times that a host is asked to end sessions before they are left to the next check."""
HOSTS_AT_ONCE_MAX = 16
"""Hosts that are called at the same time."""
Answer = TypeVar("Answer")


class HostLook:
    """What a host said: its sessions, and which earlier servers still run there though they are not listed."""

    def __init__(self, listing: Listing, running: Iterable[str] = (), held: Mapping[str, str] = {}) -> None:
        """Shape: `held` is why files of a placement did not come, by its id."""
        self.listing, self.running, self.held = listing, frozenset(running), held
        self._named = {(seen.session, seen.mark): seen for seen in listing.seen if seen.mark}

    def seen(self, one: Placement) -> SessionInfo | None:
        """Return a placement's session as its host lists it."""
        return self._named.get((one.session, one.mark))


UNASKED = HostLook(Listing("unknown", why="not asked"))
"""What is known of a host that is not called, as all its sessions are taken for lost."""


class Ssh:
    """The sessions of one deployment on its hosts; see `wakeman.ports`."""

    outlives_boot = True

    def __init__(self, place: Mapping[str, str], directory: str, env: Mapping[str, str], root: str = "") -> None:
        """Address hosts; nothing runs yet.

        Shape: `place` is what `SshBackend.place` has resolved; `directory` is the deployment's own, which the hosts
        share or have a copy of, and gets the directory `ssh` when something is done; `root` is the plan's.
        """
        self._place, self._directory, self._env, self._root = place, directory, env, root
        self.hosts: dict[str, int] = msgspec.json.decode(place.get("hosts", "{}"), type=dict[str, int])
        self._placements = Placements(directory)
        self._looks: dict[str, HostLook] = {}
        self._kept: list[Placement] = []

    @property
    def address(self) -> str:
        return f"{' '.join(self.hosts)}:{self._directory}"

    @property
    def terminal(self) -> HostTerminals:
        from wakeman.adapters.ssh.terminals import HostTerminals

        return HostTerminals(self)

    def server(self, host: str) -> HostTmux:
        """Return the tmux server of a host."""
        return HostTmux(self._connection(host), self._place["socket"], self._directory)

    def _connection(self, host: str) -> Connection:
        return Connection(self._place["ssh"], self._place.get("config", ""), host, self._env)

    def copies(self, host: str) -> Copies | None:
        """Return what copies a host's files; None if it shares them."""
        if not self.copies_files:
            return None
        from wakeman.adapters.ssh.copies import Copies

        return Copies(self._connection(host), self._place["rsync"], self._directory)

    def poll(self, known: Mapping[str, str] = {}) -> Listing:
        """List all sessions by one call of each host that has some, and one more of each that does not share files."""
        del known  # a placement's id is never another's
        self.refresh(bring=True)
        silent = [look.listing.why for look in self._looks.values() if look.listing.state == "unknown"]
        if silent and len(silent) == len(self._looks):
            return Listing("unknown", why=silent[0])
        return Listing("up", self.address, tuple(info for _, info in self.sessions()))

    def refresh(self, *, bring: bool = False) -> None:
        """Look at each host that has sessions; with `bring`, have here what these have left."""
        self._kept = self._placements.kept()
        places: dict[str, list[Placement]] = {}
        for one in self._kept:
            if not one.lost:
                places.setdefault(one.host, []).append(one)
        looks = all_at_once(list(places.items()), lambda each: self._look(*each, bring=bring))
        self._looks = dict(zip(places, looks, strict=True))

    def _look(self, host: str, placements: Sequence[Placement], *, bring: bool) -> HostLook:
        server = self.server(host)
        listing = server.listing()
        if listing.state == "unknown":
            return HostLook(listing)
        here = listing.server.partition(":")[0]
        away = {one.server for one in placements if one.server not in ("", listing.server)}
        try:
            running = frozenset(one for one in away if one.partition(":")[0] != here and server.runs(one))
            held = self._bring(host, placements) if bring else {}
        except ProgramError as fault:
            return HostLook(Listing("unknown", why=str(fault)))
        return HostLook(listing, running, held)

    def _bring(self, host: str, placements: Sequence[Placement]) -> dict[str, str]:
        """Bring what sessions have left, after they were listed; return why not, by placement.

        Raises: ProgramError when nothing came: then nothing of the host is known.
        """
        copies = self.copies(host)
        carried = [one for one in placements if one.carried.last]
        if copies is None or not carried:
            return {}
        told = copies.bring([one.carried for one in carried])
        return {one.id: f"ssh: {host}: {why}" for one, why in zip(carried, told, strict=True) if why}

    def sessions(self) -> list[tuple[Placement, SessionInfo]]:
        """Return what the last look saw, without those that are gone from a server that runs."""
        told = ((one, session_told(one, self._looks.get(one.host, UNASKED))) for one in self._kept)
        return [(one, info) for one, info in told if info is not None]

    def submit(self, starts: Sequence[Start]) -> list[Made]:
        """Place each session, and make them by as few calls as possible, all hosts at the same time.

        Raises: ProgramError, too, when a session gets no slot because hosts do not answer; what was made is listed.
        """
        if not starts:
            return []
        from wakeman.adapters.ssh.placing import Placing

        self.refresh()
        return Placing(self, self._placements, self.hosts, self._env).make(starts)

    def claim_checks(self) -> None:
        """Write on which host checks run: a worker's end on another starts none there."""
        file = f"{self._directory}/host"
        with open(f"{file}.tmp", "w", encoding="utf-8") as opened:
            opened.write(f"{os.uname().nodename}\n")
        os.replace(f"{file}.tmp", file)

    def unfit(self, host: str) -> str:
        """Return why a host cannot run the deployment's workers; "" if it sees the deployment's directory, or has what
        it gets of the plan's.

        Raises: ProgramError when it does not answer.
        """
        copies = self.copies(host)
        if copies is not None:
            sent = msgspec.json.decode(self._place.get("send", "[]"), type=list[str])
            return copies.prepare(self._root, sent, os.path.dirname(self._directory))
        file = f"{self._directory}/host"
        with open(file, "rb") as opened:
            here = opened.read()
        told = self._connection(host).call("cat", file)
        if told.code == 0 and told.out.endswith(here):
            return ""
        return f"ssh: {host}: {self._directory}: not there; the state directory must be shared with the hosts"

    def cancel(self, ends: Sequence[tuple[str, str]]) -> int:
        """End sessions by one call of each host that has some."""
        if not ends:
            return 0
        self.refresh(bring=True)
        wanted = set(ends)
        found = [(one, info) for one, info in self.sessions() if (one.id, one.mark) in wanted]
        hosts: dict[str, list[tuple[Placement, SessionInfo]]] = {}
        for one, info in found:
            if info.phase != "lost":
                hosts.setdefault(one.host, []).append((one, info))
        silent = all_at_once(list(hosts.items()), lambda each: self._end(*each))
        self._placements.drop(one.id for one, info in found if info.phase == "lost")
        if why := next((why for why in silent if why), ""):
            raise ProgramError(why, "wakeman status")
        return len(found)

    def _end(self, host: str, found: Sequence[tuple[Placement, SessionInfo]]) -> str:
        """End sessions of a host; return why that is not known to have been done."""
        if self._looks[host].listing.state == "unknown":
            return self._looks[host].listing.why
        try:
            left = self._left_there(host, [one for one, _ in found])
            self._connection(host).end_programs([one.mark for one, _ in found])
            self._bring(host, [one for one, _ in found])
        except ProgramError as fault:
            return str(fault)
        self._placements.drop(one.id for one, _ in found if one not in left)
        return f"ssh: {host}: still there: {', '.join(one.session for one in left)}" if left else ""

    def _left_there(self, host: str, placements: Sequence[Placement]) -> Sequence[Placement]:
        """End the sessions of placements that a host lists; return those that it lists after that.

        Cost: one call, and two more where it did not say of each that it was ended: that call may have failed.
        """
        server, look = self.server(host), self._looks[host]
        for _ in range(END_ROUNDS_MAX):
            listed = [seen for one in placements if (seen := look.seen(one)) is not None]
            if server.cancel([(seen.session_id, seen.mark) for seen in listed]) == len(listed):
                return ()
            look = HostLook(server.listing())
            if look.listing.state == "unknown":
                raise ProgramError(look.listing.why, "wakeman status")
        return [one for one in placements if look.seen(one) is not None]

    def local_id(self, one: Placement) -> str:
        """Return the id that the last look saw of a session in its host's own server; "" for none."""
        seen = self._looks.get(one.host, UNASKED).seen(one)
        return seen.session_id if seen is not None else ""

    def unconfirmed(self) -> list[tuple[str, str]]:
        """Return the placements whose session was seen, though its making is not confirmed, and its server."""
        return [
            (one.id, self._looks[one.host].listing.server)
            for one, info in self.sessions()
            if not one.server and info.phase not in ("unknown", "lost")
        ]

    def placed(self, session: str, mark: str) -> tuple[Placement, SessionInfo]:
        """Find a session by its id or name; of several of one name, the one that is not over.

        Raises: UnknownNameError.
        """
        named = [
            (info.over, one, info)
            for one, info in self.sessions()
            if session in (one.session, one.id) and mark in ("", one.mark)
        ]
        if not named:
            raise UnknownNameError(f"ssh: no session {session}", "wakeman status")
        _, one, info = min(named, key=lambda each: each[0])
        return one, info

    @property
    def copies_files(self) -> bool:
        return bool(self._place.get("rsync"))

    def forget(self) -> dict[str, str]:
        placed = {one.host for one in (*self._placements.kept(), *self._placements.lost())}
        found = [(host, copies) for host in self.hosts if (copies := self.copies(host)) is not None]
        hosts = [(host, copies) for host, copies in found if copies.begun or host in placed]
        whys = all_at_once(hosts, lambda each: self._forget_on(*each))
        return {host: why for (host, _), why in zip(hosts, whys, strict=True) if why}

    def _forget_on(self, host: str, copies: Copies) -> str:
        """Remove what a host has of the deployment; return why that is not known to have been done."""
        if silent := self.silence(host):
            return silent
        try:
            self.end_lost(host)
            if any(one.host == host for one in (*self._placements.kept(), *self._placements.lost())):
                return f"ssh: {host}: sessions of it are still there"
            copies.remove()
        except ProgramError as fault:
            return str(fault)
        return ""

    def silence(self, host: str) -> str:
        """Return why a host does not answer; "" if it does."""
        try:
            self._connection(host).call("true")
        except ProgramError as fault:
            return str(fault)
        return ""

    def host_of(self, session_id: str) -> str:
        return session_id.partition("@")[2]

    def left_behind(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for one in self._placements.lost():
            found[one.host] = (*found.get(one.host, ()), one.session)
        return found

    def lose(self, host: str) -> tuple[str, ...]:
        lost = [one for one in self._placements.kept() if one.host == host and not one.lost]
        self._placements.lose(one.id for one in lost)
        return tuple(one.session for one in lost)

    def end_lost(self, host: str) -> None:
        """End what was taken for lost and still runs on a host that answers again.

        Raises: ProgramError when it does not answer.
        """
        lost = [one for one in self._placements.lost() if one.host == host]
        if not lost:
            return
        server = self.server(host)
        look = HostLook(server.listing())
        there = [seen for one in lost if (seen := look.seen(one)) is not None]
        server.cancel([(seen.session_id, seen.mark) for seen in there])
        self._connection(host).end_programs([one.mark for one in lost])
        if look.listing.state != "unknown":
            self._placements.settle(one.id for one in lost)

    def logs(self, session: str, lines: int = 50, *, mark: str = "") -> str:
        """Return the last lines of a session's screen."""
        return self.terminal.capture(session, lines, mark=mark)


class SshBackend:
    """Workers on hosts of the user's own, called by ssh."""

    def __init__(self, *, attended: bool = False) -> None:
        del attended

    def found(self, environ: Mapping[str, str]) -> str:
        from wakeman.adapters.ssh.hosts import ssh_described

        return ssh_described(environ)

    def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
        from wakeman.adapters.ssh.hosts import resolved_hosts

        del directory
        return resolved_hosts(plan, environ)

    def executor(self, host: Host) -> Ssh:
        return Ssh(host.place, host.directory, host.env, host.root)


def session_told(one: Placement, look: HostLook) -> SessionInfo | None:
    """Return what a look tells of a placement; None for one that ended in a server that runs on."""
    if not one.lost and (held := look.held.get(one.id)):
        return SessionInfo(one.session, one.id, "unknown", one.mark, why=held, host=one.host)
    seen = None if one.lost else look.seen(one)
    if seen is not None:
        why = seen.why and f"on {one.host}: {seen.why}"
        return replace(seen, session_id=one.id, pid=0, why=why, host=one.host)
    info = SessionInfo(one.session, one.id, "unknown", one.mark, host=one.host)
    if one.lost:
        return replace(info, phase="lost", ended_by="machine", why=f"a person said that {one.host} is lost")
    if look.listing.state == "unknown":
        return replace(info, why=f"{look.listing.why}; if it does not come back: wakeman lost {one.host}")
    if not one.server:
        why = f"the connection to {one.host} broke before it began"
        return replace(info, phase="lost", ended_by="machine", why=why)
    if one.server == look.listing.server:
        return None
    if one.server in look.running:
        return replace(info, why=f"no answer on {one.host} from its tmux server, which lives")
    return replace(info, phase="lost", ended_by="machine", why=f"its tmux server on {one.host} is gone")


Item = TypeVar("Item")


def all_at_once(items: Iterable[Item], call: Callable[[Item], Answer]) -> list[Answer]:
    """Return what a call answers for each, in their order, made at the same time."""
    whole = list(items)
    if len(whole) < 2:
        return [call(one) for one in whole]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(HOSTS_AT_ONCE_MAX) as pool:
        return list(pool.map(call, whole))
