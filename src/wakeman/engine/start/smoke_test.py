"""A trial of one agent before the deployment: launched by the same script as an alarm, in an empty environment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from wakeman.core.errors import BusyError, UsageError
from wakeman.core.model import (
    CleanupSpec,
    Deployment,
    LimitsSpec,
    Plan,
    StuckSpec,
    UnitsSpec,
    VerifySpec,
    WakeSpec,
    WatchSpec,
)
from wakeman.engine import alarm, requests
from wakeman.engine.effects.close import bury
from wakeman.engine.start.deploy import begin
from wakeman.engine.start.prepare import prepare_plan
from wakeman.engine.wait import wait

if TYPE_CHECKING:
    from wakeman.ports import World

SMOKE_TEST_NAME = "doctor"
SMOKE_TEST_PROMPT = "Write the word ok, and nothing else, into the file on the right.\n{{ unit_table }}\n"
SMOKE_TEST_LAUNCH_S = 60.0
"""Seconds that the alarm's script may take."""
SMOKE_TEST_TRIES_MAX = 3
"""Checks that end what is left, at most."""
SMOKE_TEST_PUSH_S = 2.0
"""Seconds between two checks."""


def small_plan(plan: Plan, place: str) -> Plan:
    """Return a plan of one small unit with another plan's harness, agent, keys, arguments, mode and approval."""
    workers = msgspec.structs.replace(
        plan.workers,
        by="all",
        name=SMOKE_TEST_NAME,
        prompt=SMOKE_TEST_PROMPT,
        prompt_file=None,
        before=(),
        socket=f"{place}/socket",
    )
    if "{{" in workers.cwd:  # a worker's own directory, which does not exist yet
        workers = msgspec.structs.replace(workers, cwd=place)
    return Plan(
        name=SMOKE_TEST_NAME,
        units=UnitsSpec(items=("ok",), output=f"{place}/ok.txt"),
        workers=workers,
        wake=WakeSpec(every=3600.0),
        stuck=StuckSpec(after=60.0, attempts=1, silent=("ask",), error=("ask",), waiting=("ask",), limited=("ask",)),
        verify=VerifySpec(),
        cleanup=CleanupSpec(rounds=0),
        limits=LimitsSpec(),
        watch=WatchSpec(),
        agents=plan.agents,
    )


def smoke_test(
    world: World, plan: Plan, root: str, place: str, seconds: float, pause: Callable[[float], None]
) -> Deployment:
    """Run one agent on one small unit, return how it ended, and end what is left running.

    Shape: `world` has a state directory of its own, below `place`. Effects: an agent runs, and may cost money. Raises:
    PlanError when the plan's workers cannot be tried.
    """
    text = msgspec.json.encode(_plan_as_written(small_plan(plan, place))).decode()
    begin(world, prepare_plan(world, text, SMOKE_TEST_NAME, root), SMOKE_TEST_NAME)
    d = world.logs.read(SMOKE_TEST_NAME)
    argv = alarm.check_argv(d.host, alarm.ALARM, str(d.generation), f"{d.seq}:{d.hash}")
    world.machine.run(argv, cwd="/", env={}, timeout=SMOKE_TEST_LAUNCH_S)
    try:
        return wait(world, SMOKE_TEST_NAME, "attention", pause, timeout=seconds, push=SMOKE_TEST_PUSH_S).deployment
    finally:
        _clear_up(world, pause)


def _clear_up(world: World, pause: Callable[[float], None]) -> None:
    """End what is left running, and remove the dead sessions that a partial deployment keeps."""
    for _ in range(SMOKE_TEST_TRIES_MAX):
        if world.logs.read(SMOKE_TEST_NAME).outcome != "open":
            break
        with suppress(BusyError, UsageError):  # a check is running, or has just closed it
            requests.request(world, SMOKE_TEST_NAME, "down", "tried")
            wait(world, SMOKE_TEST_NAME, "done", pause, timeout=SMOKE_TEST_LAUNCH_S, push=SMOKE_TEST_PUSH_S)
    for _ in range(SMOKE_TEST_TRIES_MAX):
        if bury(world, world.logs.read(SMOKE_TEST_NAME)):
            break
        pause(SMOKE_TEST_PUSH_S)


def _plan_as_written(plan: Plan) -> dict[str, object]:
    """Return a plan as in a file: without unset keys."""
    tables = msgspec.to_builtins(plan)
    return {
        key: {name: value for name, value in table.items() if value is not None} if isinstance(table, dict) else table
        for key, table in tables.items()
    }
