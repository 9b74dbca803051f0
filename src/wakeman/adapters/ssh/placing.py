"""On which host a session runs, and how sessions are made there. Loaded when there is something to start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wakeman.adapters.ssh.placements import Placement, Placements
from wakeman.adapters.tmux.creation import refused_start
from wakeman.adapters.tmux.targets import server_of
from wakeman.core.errors import ProgramError
from wakeman.ports import Made, SessionInfo, Start

if TYPE_CHECKING:
    from wakeman.adapters.ssh import Ssh


class Placing:
    """One submission."""

    def __init__(self, executor: Ssh, placements: Placements, hosts: Mapping[str, int], env: Mapping[str, str]) -> None:
        """Shape: `hosts` are the slots of each; `env` is what each program gets, as on this machine."""
        self._executor, self._placements, self._env = executor, placements, env
        self._free = dict(hosts)
        self._silent: dict[str, str] = {}
        self._checked: set[str] = set()
        self._names: dict[str, tuple[Placement, SessionInfo]] = {}
        for one, info in executor.sessions():
            self._names[one.session] = one, info
            if not info.over and one.host in self._free:
                self._free[one.host] -= 1
            if info.phase == "unknown":
                self._silent[one.host] = info.why

    def make(self, starts: Sequence[Start]) -> list[Made]:
        """Make sessions; see `Ssh.submit`."""
        self._executor.claim_checks()
        self._placements.confirm(self._executor.unconfirmed())
        made = [_unplaceable(start) or self._there(start) for start in starts]
        waiting = [index for index, one in enumerate(made) if one is None]
        while waiting:
            waiting = self._place(starts, waiting, made)
        if None in made:
            raise ProgramError(self._why_not(), "wakeman status")
        return [one for one in made if one is not None]

    def _place(self, starts: Sequence[Start], waiting: Sequence[int], made: list[Made | None]) -> list[int]:
        """Make sessions on the hosts that have slots; return those that may be tried on another host."""
        chosen = {index: host for index in waiting if (host := self._take_slot()) is not None}
        new = [(host, starts[index]) for index, host in chosen.items()]
        placed = dict(zip(chosen, self._placements.place(new), strict=True))
        unsent: list[int] = []
        hosts: dict[str, list[int]] = {}
        for index, one in placed.items():
            hosts.setdefault(one.host, []).append(index)
        for host, indexes in hosts.items():
            if not self._sent(host, [starts[index] for index in indexes]):
                self._placements.drop(placed[index].id for index in indexes)
                unsent += indexes
                continue
            results = self._make_there(host, [starts[index] for index in indexes], [placed[index] for index in indexes])
            for index, result in zip(indexes, results or (), strict=False):
                made[index] = result
        return unsent

    def _sent(self, host: str, starts: Sequence[Start]) -> bool:
        """Send what starts need to a host; return whether it has it."""
        copies = self._executor.copies(host)
        try:
            if copies is not None:
                copies.send([start.carried for start in starts], [start.cwd for start in starts])
        except ProgramError as fault:
            self._silent[host] = str(fault)
            return False
        return True

    def _there(self, start: Start) -> Made | None:
        """Return the session that has a start's name; None if none has. Of one that is not confirmed, the start is
        given up: its placement says what became of it.
        """
        found = self._names.get(start.session)
        if found is None:
            return None
        one, _ = found
        if one.mark == start.mark:
            return Made(one.id)
        return Made(error=f"ssh: session {start.session}: exists on {one.host}, and is not of {start.mark}", taken=True)

    def _take_slot(self) -> str | None:
        """Take a slot on the host that answers and has most free ones; None if none has."""
        while True:
            free = {host: count for host, count in self._free.items() if count > 0 and host not in self._silent}
            if not free:
                return None
            host = max(free, key=lambda each: free[each])
            if self._answers(host):
                self._free[host] -= 1
                return host

    def _answers(self, host: str) -> bool:
        """Return whether a host answers and can run workers; asked once in a submission."""
        if host in self._checked:
            return True
        try:
            why = self._executor.unfit(host)
            if not why:
                self._executor.end_lost(host)
        except ProgramError as fault:
            why = str(fault)
        if why:
            self._silent[host] = why
            return False
        self._checked.add(host)
        return True

    def _make_there(self, host: str, starts: Sequence[Start], placed: Sequence[Placement]) -> list[Made] | None:
        """Make sessions on a host; None when it is not known whether they began: the next look sees."""
        given = [_with_path(replace(start, env={**self._env, **start.env})) for start in starts]
        try:
            made = self._executor.server(host).submit(given)
        except ProgramError as fault:
            self._silent[host] = str(fault)
            return None
        self._placements.confirm(
            (one.id, server_of(result.session_id))
            for one, result in zip(placed, made, strict=True)
            if result.session_id
        )
        self._placements.drop(one.id for one, result in zip(placed, made, strict=True) if not result.session_id)
        return [
            Made(one.id) if result.session_id else replace(result, error=f"on {host}: {result.error}")
            for one, result in zip(placed, made, strict=True)
        ]

    def _why_not(self) -> str:
        if self._silent:
            return f"ssh: no free slot on a host that answers: {'; '.join(self._silent.values())}"
        return "ssh: no free slot (ssh.hosts)"


def _with_path(start: Start) -> Start:
    """Return a start whose program is looked for where it is here: tmux gives a session the `PATH` of its caller, and
    that is the one that ssh gives.
    """
    path = start.env.get("PATH")
    return replace(start, argv=("/usr/bin/env", f"PATH={path}", *start.argv)) if path else start


def _unplaceable(start: Start) -> Made | None:
    """Return why a start cannot be a session there; None if it can."""
    refused = refused_start(start)
    return replace(refused, error=refused.error.replace("tmux session", "ssh: session", 1)) if refused else None
