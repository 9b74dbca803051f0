"""Nights whose sessions somebody else has started: they are marked and watched, and nobody is begun or, unasked, ended.

What a night has besides: sessions that are not there yet or not any more, that another deployment has, that begin anew
under their names, that hang, ask, or wait at their prompts. Units are files by a pattern, workers their directories.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

import msgspec
from tests.play import NAME
from tests.simulation.night import Night, docs
from tests.simulation.scene import Client, RefusedHarness, Role

from wakeman.engine import requests
from wakeman.ports import World

Whose = Literal["watch", "own"]
"""`workers.sessions`: only looked at, or Wakeman's to nudge and to end."""
OTHERS = "other/w0/1@00000001.0"
"""The mark of another deployment."""


def found_plan(whose: Whose, workers: int, units: int, *, live: bool = True, **tables: dict[str, object]) -> str:
    """Return the text of a plan of sessions that are there."""
    made: dict[str, dict[str, object]] = {
        "units": {"glob": docs(workers, units), "output": "out/{{ parent_name }}/{{ stem }}.json"},
        "workers": {
            "by": "{{ parent_name }}",
            "harness": "command",
            "sessions": whose,
            "mode": "interactive" if live else "print",
            "stagger": 0,
        },
        "cleanup": {"rounds": 0},
    }
    given: dict[str, dict[str, object]] = {
        "wake": {"every": 900, "to": [{"run": ["tell", "{{ message }}"]}]},
        "verify": {"fresh": "exists"},
        **tables,
    }
    return msgspec.json.encode({"name": NAME, **made, **given}).decode()


class FoundNight(Night):
    """Such a night, by its seed."""

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None, *, troubled: bool = False) -> None:
        super().__init__(seed, trace, troubled=troubled)
        self.chance = dice = random.Random(f"found {seed}")  # noqa: S311 - a night is its seed
        self.workers, self.units = dice.choice([1, 2, 2, 3]), dice.choice([1, 2])
        self.live = dice.random() < 0.5
        whose: Whose = "own" if dice.random() < 0.3 else "watch"
        self.cast(whose)
        self.text = found_plan(
            whose,
            self.workers,
            self.units,
            live=self.live,
            wake={"every": 900, "to": [{"run": ["tell", "{{ message }}"]}], **self.receivers()},
            stuck={"silent": dice.choice([["capture", "ask"], ["nudge", "restart", "ask"]]), "longest": self.longest()},
            verify={"fresh": "exists", **dice.choice([{}, {"parse": "json"}, {"command": ["judge"]}])},
            limits={"give_up": "2h", "give_up_do": dice.choice(["leave", "stop"])},
        )
        for name in self.names():
            if dice.random() < 0.9:
                self.appear(name)
        if dice.random() < 0.2:  # another deployment has a session of such a name
            self.rules.visitor = self.scene.sessions.visit(dice.choice(["w0", "w2"]), OTHERS), OTHERS

    def cast(self, whose: Whose) -> None:
        """Have the rules and the clients of such a night."""
        self.rules.found = whose
        self.scene.harness = Client(self.scene.sessions) if self.live else RefusedHarness()

    def names(self) -> list[str]:
        """List the sessions of the plan."""
        return [f"w{n}" for n in range(self.workers)]

    def outputs(self, name: str) -> list[str]:
        """List what a session's program is to make."""
        return [f"/plans/out/{name}/u{n}.json" for n in range(self.units)]

    def role_of(self, name: str) -> Role:
        """Draw how the program of a session plays. When the faults are over all play well."""
        del name
        dice, calm = self.chance, self.troubles <= 0
        rests = self.live and dice.random() < 0.6
        return Role(
            seconds=dice.choice([5, 60, 200]),
            stops_after=None if calm or dice.random() < 0.7 else dice.randint(0, 1),
            hangs=not calm and dice.random() < 0.2,
            rests=rests,
            dialog=rests and not calm and dice.random() < 0.2,
        )

    def appear(self, name: str) -> bool:
        """Have somebody start a session under its name; return whether that name was free."""
        if self.scene.sessions.state == "unknown" or name in self.scene.sessions.playing:
            return False
        self.scene.sessions.found(name, self.role_of(name), self.outputs(name))
        return True

    def come_by(self) -> None:
        """See to what waits for a person; where nobody could be watched, the sessions are started first."""
        if not self.rules.up:
            for name in self.names():
                self.appear(name)
        super().come_by()

    def faults(self) -> list[Callable[[], None]]:
        """List what may go wrong: as in any night, and that a session begins anew, or goes."""
        return [*super().faults(), *[self.begin_anew] * 4, *[self.vanish] * 2]

    def begin_anew(self) -> None:
        """Have somebody start a session that is gone under its name, and mostly say so."""
        gone = [name for name in self.names() if self.appear(name)]
        if gone and self.rules.up and self.chance.random() < 0.8:
            self.begin("hand", lambda world: self.looked_for(world, gone[0]))

    def looked_for(self, world: World, name: str) -> object:
        """Have a person say that a session is there again."""
        return requests.retry(world, NAME, [name], (), "")
