"""What waits for somebody, over all deployments: each thing with the commands that answer it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.needs import NeedStatus, Time, needed
from wakeman.core.errors import WakemanError
from wakeman.core.log.events import stamp
from wakeman.engine import alarm
from wakeman.engine.live import elsewhere
from wakeman.ports import World


class InboxDeployment(Value, frozen=True, kw_only=True):
    """A deployment for which something waits."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    outcome: Annotated[str, Meta(description="`open`, or how it ended: then only what was not told waits.")]
    needs: Annotated[tuple[NeedStatus, ...], Meta(description="What waits, the most urgent first.")]


class Inbox(Value, frozen=True, kw_only=True):
    """All that waits for somebody."""

    at: Annotated[Time, Meta(description="As of when, RFC 3339 in UTC: what the last checks observed.")]
    count: Annotated[int, Meta(description="How many things wait.")]
    deployments: Annotated[
        tuple[InboxDeployment, ...], Meta(description="Where something waits, the oldest run first.")
    ]
    unreadable: Annotated[dict[str, str], Meta(description="Deployments that cannot be read, each with the reason.")]


def inbox(world: World) -> Answer[Inbox]:
    """Return what waits in every deployment that is live here. No deployment is observed: the logs are read."""
    now = world.clock.now()
    found, unreadable = list[InboxDeployment](), dict[str, str]()
    for name in world.logs.names():
        try:
            d = world.logs.read(name)
        except WakemanError as fault:
            unreadable[name] = str(fault)
            continue
        if elsewhere(world, name, d):
            continue
        gone = d.outcome == "open" and d.alarm is not None and not alarm.alarm_is_pending(world, d, now)
        if needs := needed(d, now, alarm_gone=gone):
            found.append(InboxDeployment(deployment=d.name, outcome=d.outcome, needs=needs))
    data = Inbox(
        at=stamp(now),
        count=sum(len(each.needs) for each in found),
        deployments=tuple(found),
        unreadable=unreadable,
    )
    commands = [command.line for each in found for need in each.needs[:1] for command in need.commands[:1]]
    return Answer(data, tuple(dict.fromkeys(commands)))
