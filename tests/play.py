"""Run a plan on the in-memory world and query what happened: the shortest way to a scenario."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from wakeman.adapters.memory import Act, MemoryWorld
from wakeman.audit.auditor import Auditor
from wakeman.core.log.events import Decided, Event, Intended
from wakeman.core.log.hash_chain import Divergence
from wakeman.core.model import Deployment, Host
from wakeman.engine.check import check
from wakeman.engine.start.deploy import up
from wakeman.engine.start.prepare import prepare_plan
from wakeman.ports import World

NAME = "night"


@dataclass
class Play:
    """A deployment on a stage. `plan` adds to (or overrides) the tables of a plan of `workers` x `units`."""

    workers: int = 3
    units: int = 2
    plan: dict[str, dict[str, object]] = field(default_factory=dict)
    acts: dict[str, Act] = field(default_factory=dict)
    stage: MemoryWorld = field(default_factory=MemoryWorld)

    def __post_init__(self) -> None:
        self.stage.acts.update(self.acts)

    def text(self) -> str:
        """Return the plan as JSON text."""
        items = [{"unit": f"w{w}/u{u}", "key": f"w{w}"} for w in range(self.workers) for u in range(self.units)]
        tables: dict[str, dict[str, object]] = {
            "units": {"items": items, "output": "out/{{ unit }}.json"},
            "workers": {"by": "{{ key }}", "harness": "command", "command": ["act"], "stagger": 0},
            "wake": {"every": 300, "to": [{"run": ["tell", "{{ message }}"]}]},
        }
        for table, keys in self.plan.items():
            tables[table] = {**tables.get(table, {}), **keys}
        return msgspec.json.encode({"name": NAME, **tables}).decode()

    def cut_short(self) -> None:
        """Leave its directory as an `up` that did not come to its end has: made, and enrolled."""
        directory = f"/state/{NAME}"
        self.stage.registry.enrol(directory, Host(root="/plans", directory=directory, python=()))

    def up(self) -> Deployment:
        """Begin it."""
        world = self.stage.world("up:1")
        return up(world, prepare_plan(world, self.text(), "plan.json", "/plans"))

    def run(self, minutes: float = 24 * 60) -> Deployment:
        """Begin it and let it go until it is closed, or the minutes are over."""
        self.up()
        return self.go(minutes)

    def go(self, minutes: float = 24 * 60) -> Deployment:
        """Let it go on."""
        self.stage.run(_check, lambda: self.deployment.outcome != "open", minutes * 60)
        return self.deployment

    def judged(self) -> list[Divergence]:
        """Auditor its log again; return the divergences."""
        judge = Auditor()
        for event in self.events:
            judge.take(event)
        return judge.divergences

    @property
    def deployment(self) -> Deployment:
        return self.stage.logs.read(NAME)

    @property
    def lines(self) -> list[bytes]:
        """Return the log's lines, each with its line feed."""
        return self.stage.logs.tapes[NAME].data.splitlines(keepends=True)

    @property
    def events(self) -> list[Event]:
        return list(self.stage.logs.events(NAME))

    def rows(self, *, without: tuple[str, ...] = (), worker: bool = False) -> list[str]:
        """List the rows taken for the deployment (or for its workers), in order."""
        return [
            event.data.row
            for event in self.events
            if isinstance(event.data, Decided)
            and (event.worker is not None) is worker
            and event.data.row not in without
        ]

    def rungs(self, worker: str) -> list[str]:
        """List what was done about a stuck worker."""
        return [
            action
            for event in self.events
            if isinstance(event.data, Decided) and event.worker == worker
            for action in event.data.then
        ]

    def states(self) -> dict[str, str]:
        """Return each worker's state."""
        return {worker.name: worker.state for worker in self.deployment.workers.values()}

    def told(self) -> list[str]:
        """List the notices that were sent."""
        return [text for _, text in self.stage.delivered]

    def intents(self, action: str) -> list[Intended]:
        """List the intents of one kind."""
        return [e.data for e in self.events if isinstance(e.data, Intended) and e.data.action == action]


def _check(world: World, head: str) -> object:
    return check(world, NAME, head)
