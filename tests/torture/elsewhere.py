"""The night of `rig.py` with its workers elsewhere: as jobs of a cluster of Slurm, and on two hosts called by ssh.

What was begun there is counted by the place itself: by Slurm's list of jobs, and by the tmux server of a host.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from tests.slurm import Cluster
from tests.sshd import SshHosts
from tests.torture.rig import PLAN, Torture

BEGUN = 4
"""Attempts of a whole night."""
HOSTS = ("alpha", "beta")
TRIAL = "wakeman-trial-"
"""Sessions by which `up` tries whether one can begin. If it is killed then, its own stays; the program has ended."""


class SlurmTorture(Torture):
    """A rig for one case whose workers are jobs of a cluster, which other cases use meanwhile."""

    plan = PLAN.replace('socket = "SOCKET"', 'executor = "slurm"') + '[slurm]\nmemory = "50M"\n'
    programs = ("sbatch", "squeue", "scancel", "scontrol", "at", "atq", "atrm")
    patience_s = 12.0

    def __init__(self, cluster: Cluster, place: Path) -> None:
        self.cluster = cluster
        super().__init__(place)

    def clean(self) -> dict[str, str]:
        return super().clean() | {"SLURM_CONF": str(self.cluster.conf)}

    def jobs(self, states: str = "all") -> list[str]:
        """List the jobs of this night's workers, as BATCH_INDEX: twice if two were submitted for one task."""
        batches = {each.name for each in self.state.glob("night/slurm/**/[0-9a-f]*") if each.is_dir()}
        rows = self.cluster.queue("--me", "-r", "-t", states, "-o", "%j|%i").splitlines()
        found = [re.fullmatch(r".*\.wk([0-9a-f]{12})\|\d+_(\d+)", row.strip()) for row in rows]
        return sorted(f"{one[1]}_{one[2]}" for one in found if one is not None and one[1] in batches)

    def at_work(self) -> list[int]:
        return [0 for _ in self.jobs("R,CG")]

    def sessions(self) -> list[str]:
        return self.jobs("PD,R,CG")

    def verify(self, *, attempts: int | None = None) -> None:
        super().verify(attempts=attempts)
        if attempts is not None:
            assert attempts == len(set(self.jobs())), self.jobs()
            assert len(self.jobs()) == attempts, f"submitted twice: {self.jobs()}"


class SshTorture(Torture):
    """A rig for one case with hosts of its own: their tmux servers are there before, and note who begins."""

    plan = PLAN.replace('socket = "SOCKET"', 'executor = "ssh"') + (
        '[ssh]\nhosts = { alpha = 2, beta = 2 }\nconfig = "PLACE/hosts/config"\n'
    )
    programs = ("ssh", "at", "atq", "atrm")
    patience_s = 6.0

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        (place / "hosts").mkdir()
        self.hosts = SshHosts(place / "hosts")
        self.hosts.begin()
        for name in HOSTS:
            note = f"run-shell 'echo #{{hook_session_name}} >>{place}/made'"
            self.hosts.tmux(name, "-f", "/dev/null", "start-server", ";", "set", "-g", "exit-empty", "off")
            self.hosts.tmux(name, "set-hook", "-g", "session-created", note)

    def panes(self) -> dict[str, int]:
        rows = [self.hosts.tmux(name, "list-panes", "-a", "-F", "#{session_name} #{pane_pid}") for name in HOSTS]
        return {name: int(pid) for name, pid in (row.rsplit(" ", 1) for row in "\n".join(rows).split("\n") if row)}

    def sessions(self) -> list[str]:
        every = (session for name in HOSTS for session in self.hosts.sessions(name))
        return [session for session in every if not session.startswith(TRIAL)]

    def verify(self, *, attempts: int | None = None) -> None:
        super().verify(attempts=attempts)
        made = [name for name in (self.place / "made").read_text().split() if not name.startswith(TRIAL)]
        assert len(made) == len(set(made)), f"begun twice: {made}"
        assert attempts in (None, len(made)), made

    def close(self) -> None:
        with suppress(Exception):
            if self.exists() and not self.closed():
                self.run("down", "night")
        self.hosts.end()
        super().close()
