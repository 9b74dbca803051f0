"""A process that looks again and again leaves out the workers of whom nothing has changed, and says the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from wakeman.adapters.memory import MemoryWorld
from wakeman.adapters.memory.rehearsal import rehearsal
from wakeman.core.queueing import QueueModel, Spread
from wakeman.engine import layout
from wakeman.engine.check import check
from wakeman.engine.observe.recall import Recall
from wakeman.engine.start.deploy import up
from wakeman.engine.start.prepare import prepare_plan

NAME = "night"
RANDOM = re.compile(rb'"(agent_session|hash)":"[^"]*"')


def played(
    tables: dict[str, dict[str, object]],
    recall: Recall | None,
    *,
    hang: tuple[str, ...] = (),
    meddle: Callable[[MemoryWorld], None] = lambda _: None,
    queue: QueueModel | None = None,
) -> tuple[bytes, int]:
    """Play a plan with the memory of each look before, or without; return the log, and the files that were statted."""
    items = [{"unit": f"w{w}/u{u}", "key": f"w{w}"} for w in range(6) for u in range(4)]
    plan: dict[str, object] = {
        "name": NAME,
        "units": {"items": items, "output": "out/{{ unit }}.json"},
        "workers": {"by": "{{ key }}", "harness": "command", "command": ["act"], "stagger": 7, **tables.get("w", {})},
        "verify": tables.get("v", {}),
        "cleanup": tables.get("c", {}),
        "limits": {"give_up": "3h"},
        "stuck": {"after": 200},
    }
    first = MemoryWorld().world("up:0")
    prepared = prepare_plan(first, msgspec.json.encode(plan).decode(), "plan.json", "/plans")
    early, unit = {"w1": 1}, Spread(60.0)
    stage = rehearsal(prepared.plan, "/plans", prepared.shares, None, unit=unit, early=early, hang=hang, queue=queue)
    world = stage.world("up:0")
    host = world.host(prepared.plan, "/plans", f"/state/{NAME}")
    up(world, msgspec.structs.replace(prepared, host=host, faults=()))
    statted = 0
    marks = stage.files.marks

    def counting(paths):  # type: ignore[no-untyped-def] # as the method that it stands before
        nonlocal statted
        asked = list(paths)
        statted += len(asked)
        return marks(asked)

    stage.files.marks = counting  # type: ignore[method-assign] # to count
    write = stage.files.write

    def leaving_out(path, data, **options):  # type: ignore[no-untyped-def] # as above
        """A look without a memory keeps what it saw in a file, whose number no later file is to lack."""
        if path != f"/state/{NAME}/{layout.CALM}":
            write(path, data, **options)

    stage.files.write = leaving_out  # type: ignore[method-assign] # of what differs
    times = 0

    def go(world, head):  # type: ignore[no-untyped-def] # as `check`
        nonlocal times
        times += 1
        if times == 9:
            meddle(stage)
        check(world, NAME, head, recall)

    stage.run(go, lambda: world.logs.read(NAME).outcome != "open")
    return stage.logs.tapes[NAME].data, statted


def remove(stage: MemoryWorld) -> None:
    stage.files.remove(next(path for path in stage.files.held if path.startswith("/plans/out/w0")))


def rewrite(stage: MemoryWorld) -> None:
    path = next(path for path in stage.files.held if path.startswith("/plans/out/w0"))
    stage.files.write(path, b'{"somebody": "else wrote this, and it is long enough to count"}')


def kill(stage: MemoryWorld) -> None:
    stage.sessions.playing.pop("w3").steps.clear()


@pytest.mark.parametrize(
    ("tables", "hang", "meddle"),
    [
        ({}, (), lambda _: None),
        ({}, ("w2",), lambda _: None),
        ({"v": {"parse": "json", "command": ["judge"]}}, (), lambda _: None),
        ({"v": {"parse": "json", "fresh": "exists"}}, ("w4",), rewrite),
        ({"c": {"when": "each"}}, (), remove),
        ({"w": {"at_once": 2}}, (), rewrite),
        ({"w": {"stage": True}}, (), lambda _: None),
        ({}, (), kill),
    ],
    ids=["plain", "hangs", "examined", "any file counts", "removed", "rewritten", "staged", "killed"],
)
def test_a_look_that_leaves_out_whom_nothing_has_changed_of_says_the_same(
    tables: dict[str, dict[str, object]], hang: tuple[str, ...], meddle: Callable[[MemoryWorld], None]
) -> None:
    whole, all_files = played(tables, None, hang=hang, meddle=meddle)
    log, files = played(tables, Recall(), hang=hang, meddle=meddle)

    assert [RANDOM.sub(b"", line) for line in whole.splitlines()] == [
        RANDOM.sub(b"", line) for line in log.splitlines()
    ]
    assert files < all_files or tables.get("w")


def test_a_look_leaves_out_whoever_waits_in_a_queue_as_before() -> None:
    queue = QueueModel(nodes=2, slots=1, wait=Spread(600.0, exponential=True), fails=700.0, repair=60.0, longest=200.0)

    whole, all_files = played({}, None, queue=queue)
    log, files = played({}, Recall(), queue=queue)

    assert RANDOM.sub(b"", whole) == RANDOM.sub(b"", log)
    assert b'"session":"queued"' in log
    assert b'"session":"lost"' in log
    assert 3 * files < 2 * all_files
