"""The tools, as a table: what each is told as, takes and gives, and the function that answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from shlex import join
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from wakeman.api import plan as api
from wakeman.api.answer import Answer, Value
from wakeman.api.check import STOPPED_WAITING_STATUS
from wakeman.api.names import named, only_one
from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.model import Deployment
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.faces.mcp import arguments as take
from wakeman.faces.mcp import brief as give
from wakeman.faces.mcp.calls import DOING, call, spoken
from wakeman.faces.mcp.deeds import call_act
from wakeman.faces.mcp.desk import Desk, Question
from wakeman.ports import World

if TYPE_CHECKING:
    from wakeman.api.rehearse import Cast

TELL_EVERY_S = 5.0
"""Seconds between two words of a wait while nothing changes."""


class Tool(Struct, frozen=True):
    """One tool. `reads`: it changes nothing; `safe`: it only adds; `again`: a second call changes nothing more."""

    title: str
    text: str
    takes: type[take.ToolArguments]
    gives: tuple[type[Value], ...]
    run: Callable[[Desk, Any], Value]
    reads: bool = False
    safe: bool = True
    again: bool = True


# --- plans ----------------------------------------------------------------------------------------------------


def _prepared(world: World, desk: Desk, file: str, *, run_commands: bool = False) -> PreparedPlan:
    if file == "-":
        raise UsageError("file: found -; expected the path of a plan", "write the plan to a file, then plan(file=...)")
    return api.gather(world, file, desk.here, _no_stdin, run_commands=run_commands)


def _no_stdin() -> str:
    raise UsageError('units.file = "-": a tool has no standard input', "name a file with the units in the plan")


def _plan_owner(desk: Desk, file: str) -> str:
    from wakeman.faces.cli.plan import owner_of

    return owner_of(os.path.join(desk.here, file))


def call_plan(desk: Desk, given: take.PlanArguments) -> give.BriefPlan:
    """Show what a plan would start."""
    world = desk.world("hand")
    prepared = _prepared(world, desk, given.file)
    owner = _plan_owner(desk, given.file)
    answer = api.plan(world, prepared, given.file, owner)
    return give.brief_plan(answer, api.unanswered(world, prepared, owner), given.file)


def call_rehearse(desk: Desk, given: take.RehearseArguments) -> give.BriefRehearsal | give.BriefQueues:
    """Play a plan in memory, here or on queues of nodes."""
    from wakeman.adapters.memory.rehearsal import rehearsal
    from wakeman.api.rehearse import Cast
    from wakeman.api.rehearse import rehearse as api_rehearse
    from wakeman.core.queueing import Spread
    from wakeman.faces.cli.rehearse import rehearsed_lines

    world = desk.world("hand")
    prepared = _prepared(world, desk, given.file)
    cast = Cast(unit=Spread(given.unit_s), hang=given.hang)
    if given.queue:
        return _on_queues(world, prepared, given, cast)
    played = api_rehearse(prepared, rehearsal, given.file, cast, every=False)
    data = played.answer.data
    return give.BriefRehearsal(
        outcome=data.outcome,
        done=data.units.done,
        total=data.units.total,
        lines=tuple(give.some([*rehearsed_lines(played.events)], 5 * give.NEEDS_TOLD_MAX)),
        calls=(spoken(join(["wakeman", "up", given.file])),),
    )


def _on_queues(world: World, prepared: PreparedPlan, given: take.RehearseArguments, cast: Cast) -> give.BriefQueues:
    from wakeman.adapters.memory.rehearsal import rehearsal
    from wakeman.api.rehearse import rehearse_queues
    from wakeman.faces.cli.rehearse import queue_models, read_queue_words

    options = read_queue_words("rehearse: queue", given.queue)
    queues = queue_models(world, options, prepared.plan)
    if len(queues) > take.QUEUES_PLAYED_MAX:
        found = f"found {len(queues)} sizes of queues; expected at most {take.QUEUES_PLAYED_MAX} in one call"
        raise UsageError(f"rehearse: queue: {found}")
    data = rehearse_queues(
        prepared, rehearsal, given.file, replace(cast, seed=options.seed), queues, give_up=options.give_up
    ).data
    return give.BriefQueues(
        total=data.courses[0].total,
        sizes=tuple(
            give.BriefQueue(
                nodes=one.nodes,
                slots=one.slots,
                outcome=one.outcome,
                done=one.done,
                seconds=round(one.seconds),
                node_hours=round(one.node_hours, 1),
                lost=one.lost,
            )
            for one in data.courses
        ),
        calls=(spoken(join(["wakeman", "up", given.file])),),
    )


def call_up(desk: Desk, given: take.PlanArguments) -> give.BriefStart:
    """Start a plan, or continue its open deployment."""
    from wakeman.api import trial
    from wakeman.engine.start import deploy

    world = desk.world("up")
    prepared = _prepared(world, desk, given.file, run_commands=True)
    api.require_host(prepared, world.machine.environ().get("WAKEMAN_ON"), "mcp")
    owner = _plan_owner(desk, given.file)
    if asked := api.unanswered(world, prepared, owner):
        desk.ask(Question(f"start {prepared.plan.name}, although {'; '.join(asked)}", f"wakeman up {given.file} --yes"))
    prepared = api.with_agreement(world, prepared, yes=True, owner=owner)
    trial.require_prerequisites(world, prepared, time.sleep)  # also if nobody waits any more: it tidies up
    d = deploy.up(world, prepared)
    answer = api.started(world, d, prepared)
    weak = [answer.data.weakness] if answer.data.weakness else []
    return give.brief_start(answer.data, [*weak, *answer.data.warnings], answer.next)


# --- looking --------------------------------------------------------------------------------------------------


def known(world: World, name: str, verb: str) -> str:
    """Return the exact name of a deployment, or of the only one that fits. Raises: UnknownNameError; UsageError."""
    if not name:
        return only_one(world, verb, "any")
    exact = named(world, name)
    if exact not in world.logs.names():
        from wakeman.core.plan.template import nearest

        raise UnknownNameError(f"no deployment {name[:80]!r}{nearest(name, world.logs.names())}", "wakeman status")
    return exact


def call_status(desk: Desk, given: take.StatusArguments) -> Value:
    """Show all deployments, one, or one worker."""
    from wakeman.api import status as api_status

    world = desk.world("hand")
    if given.worker:
        return _worker(world, given)
    if not given.deployment:
        return give.brief_list(api_status.statuses(world).data)
    return give.brief_status(api_status.status(world, known(world, given.deployment, "status")), workers=given.workers)


def _worker(world: World, given: take.StatusArguments) -> give.BriefWorker:
    from wakeman.api.screen import capture
    from wakeman.api.status import status as api_status

    word = f"{given.deployment}/{given.worker}" if given.deployment and "/" not in given.worker else given.worker
    seen = capture(world, word, give.SCREEN_TOLD_LINES_MAX).data
    data = api_status(world, seen.deployment).data
    return give.brief_worker(data, seen.worker, seen.source, seen.text)


def call_wait(desk: Desk, given: take.WaitArguments) -> give.BriefWait:
    """Wait for a deployment, and tell its progress meanwhile."""
    from wakeman.api.check import wait as api_wait
    from wakeman.core.policy.deployment_rows import undone

    world = desk.world("hand")
    name = known(world, given.deployment, "wait")
    told, quiet = (0.0, 0.0, name), 0.0

    def seen(d: Deployment) -> None:
        nonlocal told
        total = len(d.units)
        told = (float(total - len(undone(d))), float(total), f"{name}: {d.row or d.outcome}")
        desk.tell(*told)

    def pause(seconds: float) -> None:
        nonlocal quiet
        desk.pause(seconds)
        quiet += seconds
        if quiet >= TELL_EVERY_S:
            quiet = 0.0
            desk.tell(*told)

    answer = api_wait(world, name, given.until, pause, given.seconds, seen, tends=not desk.reads)
    again = call("wait", deployment=name, until="" if given.until == "attention" else given.until)
    return give.brief_wait(answer, came=answer.code != STOPPED_WAITING_STATUS, again=again)


def call_log(desk: Desk, given: take.LogArguments) -> give.BriefLog:
    """Show lines of a log: those after a number, or the last ones."""
    from collections import deque
    from itertools import islice

    from wakeman.api.log import events, known_type

    known_type(given.type or None)
    world = desk.world("hand")
    name = known(world, given.deployment, "log")
    found = events(world, name, max(given.after, 0), type_=given.type or None, worker=given.worker or None)
    if given.after < 0:
        lines, more = list(deque(found, given.most)), 0
    else:
        lines = list(islice(found, given.most))
        more = sum(1 for _ in found)
    last = lines[-1].seq if lines else max(given.after, 0)
    return give.BriefLog(deployment=name, lines=tuple(give.log_row(each) for each in lines), last=last, more=more)


def call_report(desk: Desk, given: take.ReportArguments) -> give.BriefReport:
    """Report on a deployment."""
    world = desk.world("hand")
    return give.brief_report(whole_report(world, known(world, given.deployment, "report")))


def whole_report(world: World, name: str) -> Answer[Any]:
    """Return the report of a deployment, given by its exact name."""
    from wakeman.adapters import signature
    from wakeman.adapters.eventlog.audit_reader import AuditReader
    from wakeman.adapters.eventlog.log_reader import Reading
    from wakeman.api.report import report as api_report

    return api_report(world, Reading, AuditReader, signature, os.path.join(world.state, name, "events.jsonl"), name)


TOOLS: dict[str, Tool] = {
    "plan": Tool(
        "Look at a plan",
        "Check a plan file and show units, shares, conflicts and commands. Starts nothing. No plan yet: read the "
        "resource wakeman://starter.",
        take.PlanArguments,
        (give.BriefPlan,),
        call_plan,
        reads=True,
    ),
    "rehearse": Tool(
        "Rehearse a plan",
        "Play the night of a plan in memory, or on a queue.",
        take.RehearseArguments,
        (give.BriefRehearsal, give.BriefQueues),
        call_rehearse,
        reads=True,
    ),
    "up": Tool(
        "Start a plan",
        "Start a plan's workers in the background, with an alarm that checks them; or continue its open deployment. "
        "Then end your turn, or call wait: the workers do not need you.",
        take.PlanArguments,
        (give.BriefStart,),
        call_up,
    ),
    "status": Tool(
        "Show the state",
        "Look at deployments now: who needs somebody, with the calls that answer. Or at one worker and its screen.",
        take.StatusArguments,
        (give.BriefList, give.BriefStatus, give.BriefWorker),
        call_status,
        reads=True,
    ),
    "wait": Tool(
        "Wait",
        "Wait at most 50 s until a deployment is closed or needs somebody; came=false: call again.",
        take.WaitArguments,
        (give.BriefWait,),
        call_wait,
    ),
    "log": Tool(
        "Read the log",
        "Show what happened, a line each.",
        take.LogArguments,
        (give.BriefLog,),
        call_log,
        reads=True,
    ),
    "act": Tool(
        "Act on a deployment",
        "Do what status offers. accept, approve, stop, waive, adopt and down ask the person first.",
        take.ActArguments,
        (give.BriefDeeds, give.BriefStatus, give.BriefSent),
        call_act,
        safe=False,
        again=False,
    ),
    "report": Tool(
        "Report on a deployment",
        "Tell what came of a deployment, what is missing, which outputs to inspect, and audit its log.",
        take.ReportArguments,
        (give.BriefReport,),
        call_report,
        reads=True,
    ),
}
"""Name -> tool. What a client is told of them costs tokens in each of its requests: a test counts them."""


def offered(name: str, *, reads: bool) -> Tool:
    """Return a tool as it is offered; with `reads`, one that changes nothing. Raises: UsageError."""
    if name not in TOOLS:
        raise UsageError(f"no tool {name[:40]!r}; there are {', '.join(TOOLS)}")
    if reads and name in DOING:
        hint = "ask the person, or use wakeman in a shell"
        raise UsageError(f"{name}: this server was started with --read-only", hint)
    tool = TOOLS[name]
    return replace(tool, reads=True) if reads else tool
