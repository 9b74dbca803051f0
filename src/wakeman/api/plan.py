"""What a plan would start, and the result of starting it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from shlex import quote
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wakeman.api.answer import Answer, Value
from wakeman.api.deeds import Acted, acted, amended
from wakeman.api.outlook import Outlook, outlook
from wakeman.api.status import Status, describe, following
from wakeman.core.errors import PlanError, UnknownNameError, UsageError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Plan
from wakeman.core.names import THIS_HOST
from wakeman.core.plan import footprint
from wakeman.core.plan.footprint import News
from wakeman.core.plan.template import closest, nearest
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import undone
from wakeman.core.policy.limits import every
from wakeman.engine.attempt.secrets import variables
from wakeman.engine.effects.launch import UNLAUNCHED
from wakeman.engine.runs import latest
from wakeman.engine.start import deploy
from wakeman.engine.start.prepare import PreparedPlan, prepare_plan
from wakeman.ports import Command, World

WORKERS_LISTED_MAX = 10
"""Workers at most that an error lists."""
AGENTS_UNASKED_MAX = 20
"""Agents that a person need not agree to be started together."""
NO_AGENTS = ("command", "external")
"""Harnesses that start no client of a model."""
REASONS_SHOWN_MAX = 3
"""Reasons for which nobody was started that are told."""


class PlannedUnit(Value, frozen=True, kw_only=True):
    """One unit of work."""

    unit: Annotated[str, Meta(description="Its name.")]
    input: Annotated[str | None, Meta(description="Its input file, if it has one.")]
    outputs: Annotated[tuple[str, ...], Meta(description="Its outputs, relative to `root`.")]
    writes: Annotated[tuple[str, ...], Meta(description="Patterns of further paths that it may write.")]


class PlannedWorker(Value, frozen=True, kw_only=True):
    """One worker, and the command of its first attempt."""

    name: Annotated[str, Meta(description="Its name, also of its session.")]
    key: Annotated[str, Meta(description="Value of `workers.by` for its units.")]
    units: Annotated[tuple[str, ...], Meta(description="Names of its units.")]
    command: Annotated[tuple[str, ...], Meta(description="The exact argument vector.")]
    stdin: Annotated[str | None, Meta(description="File that is the command's stdin.")]
    prompt: Annotated[str, Meta(description="What its prompt file holds: all that it is told.")]
    writes: Annotated[
        tuple[str, ...] | None, Meta(description="Everything that it may write to; null if it is not confined.")
    ]


class PlannedReview(Value, frozen=True, kw_only=True):
    """The review before the wrap-up."""

    of: Annotated[Literal["sample", "all"], Meta(description="What is reviewed.")]
    name: Annotated[str, Meta(description="Name of the first reviewer.")]
    command: Annotated[tuple[str, ...], Meta(description="The exact argument vector of the reviewer.")]
    prompt: Annotated[str, Meta(description="What its prompt file holds: all that it is told.")]


class PlannedProgram(Value, frozen=True, kw_only=True):
    """A program that the plan names."""

    key: Annotated[str, Meta(description="Key of the plan.")]
    command: Annotated[tuple[str, ...], Meta(description="Its words, as templates.")]
    when: Annotated[str, Meta(description="When it is run.")]
    news: Annotated[
        News, Meta(description='"new" or "changed" since the last deployment of this plan; "" for neither.')
    ]


class PlannedPath(Value, frozen=True, kw_only=True):
    """A path, or a pattern of sessions, that is written, moved, ended or typed into, beside the outputs."""

    key: Annotated[str, Meta(description="Key of the plan.")]
    path: Annotated[str, Meta(description="As the plan has it.")]
    what: Annotated[str, Meta(description="What happens to it.")]
    news: Annotated[News, Meta(description="As that of programs.")]


class PlannedVariable(Value, frozen=True, kw_only=True):
    """A variable of the plan that changes which code a program runs, or whom it talks to."""

    name: Annotated[str, Meta(description="Its name.")]
    value: Annotated[str | None, Meta(description="Its value; null for one that is copied as a secret.")]
    news: Annotated[News, Meta(description="As that of programs.")]


class PlannedDeployment(Value, frozen=True, kw_only=True):
    """Everything that `wakeman up` would start."""

    plan: Annotated[str, Meta(description="Name of the plan.")]
    root: Annotated[str, Meta(description="Absolute directory that its paths are relative to.")]
    units: Annotated[tuple[PlannedUnit, ...], Meta(description="All units.")]
    workers: Annotated[tuple[PlannedWorker, ...], Meta(description="All workers, in the order of their launch.")]
    review: Annotated[PlannedReview | None, Meta(description="The review; null without one.")]
    conflicts: Annotated[tuple[str, ...], Meta(description="Always empty: a plan with one is refused.")]
    programs: Annotated[tuple[PlannedProgram, ...], Meta(description="All programs that the plan names.")]
    paths: Annotated[tuple[PlannedPath, ...], Meta(description="What is written, moved or ended beside the outputs.")]
    variables: Annotated[tuple[PlannedVariable, ...], Meta(description="Variables that change what is run.")]
    existing: Annotated[tuple[str, ...], Meta(description="Outputs that exist already.")]
    every: Annotated[float, Meta(description="Seconds between two alarms.")]
    at_once: Annotated[int | None, Meta(description="Workers that run at the same time at most; null for all.")]
    at_once_by_default: Annotated[bool, Meta(description="`at_once` is what its place carries; the plan has none.")]
    stagger: Annotated[float, Meta(description="Seconds between two launches.")]
    profiles: Annotated[Mapping[str, str], Meta(description="Profiles that are used, and where each comes from.")]
    auto_approve: Annotated[Literal[False, "edits", "all"], Meta(description="What agents may do without asking.")]
    confined: Annotated[str | None, Meta(description="What confines the workers; null for nothing.")]
    stage: Annotated[bool, Meta(description="Outputs are staged and moved into place when they pass.")]
    base: Annotated[str | None, Meta(description="Commit at which each worker's git work tree begins.")]
    notes: Annotated[tuple[str, ...], Meta(description="Remarks that prevent nothing.")]
    warnings: Annotated[tuple[str, ...], Meta(description="Probable mistakes, each with file and line.")]
    faults: Annotated[tuple[str, ...], Meta(description="What `up` refuses: programs that are not installed.")]
    up: Annotated[str, Meta(description="The command that starts it.")]
    asks: Annotated[tuple[str, ...], Meta(description="What `--yes` agrees to, and nobody has agreed to yet.")]
    outlook: Annotated[Outlook, Meta(description="What it comes to, and what differs from its last run.")]


class StartedDeployment(Status, frozen=True, kw_only=True):
    """A deployment that was started."""

    weakness: Annotated[str | None, Meta(description="Why its alarm may not fire; null if it will.")]
    warnings: Annotated[tuple[str, ...], Meta(description="Probable mistakes in the plan, each with file and line.")]


class Initialised(Value, frozen=True, kw_only=True):
    """A new plan file."""

    file: Annotated[str, Meta(description="Absolute path of the file.")]


def gather(
    world: World,
    file: str,
    here: str,
    stdin: Callable[[], str],
    *,
    run_commands: bool = True,
    own: Mapping[str, str] = MappingProxyType({}),
) -> PreparedPlan:
    """Read a plan file, or stdin for `-`, and everything that it refers to.

    Raises: PlanError; UsageError.
    Shape: paths of a file are relative to its directory, those of stdin to `here`.
    """
    if file == "-":
        return prepare_plan(world, stdin(), "<stdin>", here, run_commands=run_commands, own=own)
    path = posixpath.normpath(posixpath.join(here, file))
    text = plan_text(world, path, file)
    try:
        return prepare_plan(world, text, file, posixpath.dirname(path), stdin, run_commands=run_commands, own=own)
    except PlanError as fault:
        raise PlanError(fault.problems, f"fix it, then: wakeman plan {quote(file)}") from fault


def require_host(prepared: PreparedPlan, given: str | None, verb: str = "") -> None:
    """Require that a plan is to run on this machine; `given` is the host that the call names, `.` for this one.

    Raises: UsageError for a plan that names another, with what is to be typed; `verb` is that of the call, if known.
    """
    host = prepared.plan.wake.host
    if host and given != THIS_HOST:
        there, here = (f"wakeman --on {quote(each)} {verb}".rstrip() for each in (host, THIS_HOST))
        found = f"wake.host: found {host!r}; expected the verb to run there"
        raise UsageError(found, f"{there}; if this is that host, or takes its place: {here}")


def left_undone(world: World, name: str, own: Mapping[str, str] = MappingProxyType({})) -> PreparedPlan:
    """Prepare what a closed deployment left undone, by the plan that it had, as a new run of its name.

    Raises: UsageError while a run of that name is open, and where nothing is undone; as `prepare_plan`.
    """
    d = world.logs.read(name)
    newest, there = latest(world, name.partition(".")[0])
    if there is not None and there.outcome == "open":
        raise UsageError(
            f"{newest} is open: its units are not redone while it runs",
            f"wakeman retry WORKER, or wakeman down {newest}, then wakeman redo {newest}",
        )
    units = tuple(d.units[unit].unit for unit in undone(d))
    if not units:
        raise UsageError(f"{name}: every unit is done: there is nothing to redo", f"wakeman status {name}")
    file = f"{world.state}/{name}/plan.toml"
    text = world.files.read(file).decode("utf-8", "surrogateescape")
    prepared = prepare_plan(world, text, f"{name}/plan.toml", d.host.root, own=own, given=units)
    return msgspec.structs.replace(prepared, redoes=name)


def plan_text(world: World, path: str, file: str) -> str:
    """Read a plan file, which the caller has named `file`. Raises: UsageError with the nearest name."""
    if world.files.marks([path]):
        return world.files.read(path).decode("utf-8", "surrogateescape")
    if world.files.is_directory(path):
        plans = [name for name in world.files.names(path) if name.endswith((".toml", ".json"))]
        hint = f"wakeman plan {quote(posixpath.join(file, plans[0]))}" if plans else "wakeman init writes a plan"
        raise UsageError(f"{file}: is a directory; expected a plan file", hint)
    if entry := world.files.entries([path]).get(path):
        raise UsageError(f"{file}: is a {entry.kind}; expected a plan file, or - for a plan on stdin")
    above, name = posixpath.split(path)
    names = [each for each in world.files.names(above) if not world.files.is_directory(posixpath.join(above, each))]
    guess = closest(name, [each for each in names if each.endswith((".toml", ".json"))]) or closest(name, names)
    if guess:
        near = posixpath.join(posixpath.dirname(file), guess)
        raise UsageError(f"{file}: no such file; did you mean {near!r}?", f"wakeman plan {quote(near)}")
    raise UsageError(f"{file}: no such file; expected a plan", "wakeman init writes one to begin with")


def plan(world: World, prepared: PreparedPlan, file: str, owner: str = "") -> Answer[PlannedDeployment]:
    """Return everything that `up` would start, without starting it; `owner` is whose plan it is, "" for this user's."""
    previews = deploy.preview(world, prepared)
    reviewer = deploy.reviewer(world, prepared)
    workers = prepared.plan.workers
    asked = unanswered(world, prepared, owner)
    up = f"wakeman up {quote(file)}" + (" --yes" if asked else "")
    before = _plan_before(world, prepared.plan)
    data = PlannedDeployment(
        plan=prepared.plan.name,
        root=prepared.root,
        units=tuple(
            PlannedUnit(unit=unit.name, input=unit.input, outputs=unit.outputs, writes=unit.writes)
            for unit in prepared.units
        ),
        workers=tuple(_planned_worker(one) for one in previews),
        review=_planned_review(prepared.plan, reviewer),
        conflicts=(),
        programs=tuple(_planned_programs(prepared.plan, before)),
        paths=tuple(_planned_paths(world, prepared, before)),
        variables=tuple(_planned_variables(world, prepared, before)),
        existing=tuple(mark.path for mark in prepared.existing),
        every=every(Deployment(plan=prepared.plan)),
        at_once=prepared.at_once,
        at_once_by_default=prepared.at_once != workers.at_once,
        stagger=workers.stagger,
        profiles=dict(prepared.origins),
        auto_approve=workers.auto_approve,
        confined=previews[0].confined,
        stage=workers.stage,
        base=prepared.repository.base if prepared.repository else None,
        notes=prepared.notes,
        warnings=prepared.warnings,
        faults=deploy.start_faults(world, prepared, previews[0].command),
        up=up,
        asks=tuple(asked),
        outlook=outlook(world, prepared),
    )
    if data.faults:
        return Answer(data, ("wakeman doctor", f"wakeman plan {quote(file)}"), ok=False, code=2)
    return Answer(data, (up,))


def with_agreement(world: World, prepared: PreparedPlan, *, yes: bool, owner: str = "") -> PreparedPlan:
    """Return the plan with what a person has agreed to, which its log keeps.

    Raises: UsageError if `--yes` is missing for a plan of another `owner`, or one that may do more than most. Boundary:
    asked once for the same plan in the same directory.
    """
    if not yes and (asked := unanswered(world, prepared, owner)):
        raise UsageError(f"{asked[0]}; expected --yes", "add --yes to agree")
    return msgspec.structs.replace(prepared, agreed=tuple(_reasons_to_ask(prepared, owner)))


def unanswered(world: World, prepared: PreparedPlan, owner: str = "") -> list[str]:
    """Return what a person is to agree to, and has not yet; `owner` is whose plan it is, "" for this user's."""
    reasons = _reasons_to_ask(prepared, owner)
    known = deploy.agreed_before(world, prepared) if reasons else ()
    return [reason for reason in reasons if reason not in known]


def _reasons_to_ask(prepared: PreparedPlan, owner: str) -> list[str]:
    """Return what a person is to agree to by `--yes`."""
    whose = [f"the plan belongs to {owner}: `wakeman plan` lists what it runs"] if owner else []
    unheld = [
        f'{key} = "all" without confinement: agents may run any command unasked' for key in _unheld(prepared.plan)
    ]
    outside = [f"{end}: is outside the plan's directory, {prepared.root}" for end in prepared.outside]
    return [*whose, *unheld, *outside, *_many_agents(prepared)]


def _many_agents(prepared: PreparedPlan) -> list[str]:
    """Return that many agents begin together, which may cost much before anybody looks."""
    workers = len(prepared.shares)
    once = min(prepared.at_once or workers, workers)
    free = prepared.plan.workers.harness in NO_AGENTS or once <= AGENTS_UNASKED_MAX
    return [] if free else [f"workers.at_once: {once} agents at once, more than {AGENTS_UNASKED_MAX}"]


def _plan_before(world: World, plan: Plan) -> Plan | None:
    """Return the plan of the last deployment of this name; None without one that can be read."""
    try:
        d = latest(world, plan.name)[1]
    except WakemanError:
        return None
    return None if d is None else d.plan


def _planned_programs(plan: Plan, before: Plan | None) -> Iterator[PlannedProgram]:
    known = None if before is None else {use.key: use.argv for use in footprint.named_programs(before)}
    for use in footprint.named_programs(plan):
        told = footprint.news(use.key, use.argv, known)
        yield PlannedProgram(key=use.key, command=use.argv, when=use.when, news=told)


def _planned_paths(world: World, prepared: PreparedPlan, before: Plan | None) -> Iterator[PlannedPath]:
    """Yield them with what is new: what a run makes for itself is the same in the next, under its name."""
    name = deploy.run_name(world, prepared)
    directory, place = posixpath.join(world.state, name), world.executor(prepared.host).address

    def uses(plan: Plan) -> list[footprint.PathUse]:
        return [*footprint.other_paths(plan), *footprint.own_paths(plan, name, directory, place)]

    known = None if before is None else {use.path: use.key for use in uses(before)}
    for use in uses(prepared.plan):
        told = footprint.news(use.path, use.key, known)
        yield PlannedPath(key=use.key, path=use.path, what=use.what, news=told)


def _planned_variables(world: World, prepared: PreparedPlan, before: Plan | None) -> Iterator[PlannedVariable]:
    known = None if before is None else before.workers.env
    for name, value in footprint.steering(prepared.plan.workers.env).items():
        yield PlannedVariable(name=name, value=value, news=footprint.news(name, value, known))
    secret = [*prepared.plan.workers.env_from, *variables(world, prepared.plan, prepared.root)]
    for name in footprint.steering(dict.fromkeys(secret, "")):
        told: footprint.News = "" if before is not None and name in before.workers.env_from else "new"
        yield PlannedVariable(name=name, value=None, news=told)


def started(world: World, d: Deployment, prepared: PreparedPlan) -> Answer[StartedDeployment]:
    """Return the answer of `up`; the notes say why the alarm may not fire, and what is probably wrong in the plan."""
    status = describe(world, d, d.looked_at)
    weak = d.outcome == "open" and (d.alarm is None or not d.alarm.job)
    weakness = (world.timer.weakness() or _refusal(world, d)) if weak else None
    data = StartedDeployment(**msgspec.structs.asdict(status), weakness=weakness, warnings=prepared.warnings)
    unstarted = _nobody_started(d)
    notes = (*_as_notes(prepared), *(_warnings(weakness or "", d) if weak else ()), *unstarted)
    return Answer(data, following(data), code=1 if unstarted else 0, notes=notes)


def _nobody_started(d: Deployment) -> tuple[str, ...]:
    """Return why nobody could be started, a line for each reason; nothing if anybody was, or waits."""
    failed = [worker for worker in d.workers.values() if worker.why.startswith(UNLAUNCHED)]
    if not failed or any(worker.attempt or worker.live for worker in d.workers.values() if worker not in failed):
        return ()
    reasons = dict.fromkeys(worker.why for worker in failed)
    return tuple(f"nobody was started: {why}" for why in [*reasons][:REASONS_SHOWN_MAX])


def _refusal(world: World, d: Deployment) -> str:
    """Return why the timer did not take the last alarm."""
    armed = [event.data.weak for event in world.logs.events(d.name) if isinstance(event.data, e.Armed)]
    return next(filter(None, reversed(armed)), f"{world.timer.name} did not take the job")


def amend(world: World, name: str, prepared: PreparedPlan, file: str) -> Answer[Acted]:
    """Change the plan of an open deployment for workers that are not launched yet."""
    before = world.logs.read(name)
    d = deploy.amend(world, name, prepared)
    return acted(world, d, [amended(before, d, file)], _as_notes(prepared))


def find_prompt(data: PlannedDeployment, name: str) -> str:
    """Return what a worker, or the first reviewer, is told. Raises: UnknownNameError with the nearest name."""
    known = {worker.name: worker.prompt for worker in data.workers}
    if data.review is not None:
        known[data.review.name] = data.review.prompt
    if name not in known:
        listed = ", ".join([*known][:WORKERS_LISTED_MAX]) + (", ..." if len(known) > WORKERS_LISTED_MAX else "")
        raise UnknownNameError(f"--prompt: found {name!r}; expected one of {listed}{nearest(name, known)}")
    return known[name]


def _as_notes(prepared: PreparedPlan) -> tuple[str, ...]:
    return tuple(f"warning: {text}" for text in prepared.warnings)


def _warnings(weakness: str, d: Deployment) -> tuple[str, ...]:
    if d.alarm is None:
        return (f"warning: {weakness}; no alarm is pending: run `wakeman check` yourself, or wait",)
    costs = "a process that sleeps is the alarm instead: it does not survive a restart of the machine"
    return (f"warning: {weakness}; {costs}",)


def _planned_worker(one: deploy.Preview) -> PlannedWorker:
    return PlannedWorker(
        name=one.share.name,
        key=one.share.key,
        units=tuple(unit.name for unit in one.share.units),
        command=one.command.argv,
        stdin=one.command.stdin or None,
        prompt=one.prompt.encode(errors="replace").decode(),
        writes=None if one.writes is None else tuple(one.writes),
    )


def _planned_review(plan: Plan, first: tuple[str, Command, str] | None) -> PlannedReview | None:
    if first is None:
        return None
    name, command, prompt = first
    shown = prompt.encode(errors="replace").decode()
    return PlannedReview(of=plan.verify.review.of, name=name, command=command.argv, prompt=shown)


def _unheld(plan: Plan) -> list[str]:
    """Return the keys that let agents run anything without confinement."""
    if plan.workers.confine != "off":
        return []
    approvals: Mapping[str, object] = {"workers.auto_approve": plan.workers.auto_approve}
    if review.wanted(plan) and review.harness(plan) != "command":
        approvals = {**approvals, "verify.review.auto_approve": plan.verify.review.auto_approve}
    return [key for key, value in approvals.items() if value == "all"]
