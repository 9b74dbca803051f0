"""From a prepared plan to a deployment: begin the log, create its directory, check; continue; amend."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from itertools import islice
from operator import attrgetter

import msgspec
from msgspec import Struct

from wakeman.core.errors import PlanError, UsageError, WakemanError
from wakeman.core.log import events as e
from wakeman.core.log.chunks import chunks, weight
from wakeman.core.log.state import apply_drafts
from wakeman.core.model import Deployment, FileFingerprint, Host, Plan, RecordedProfile, Share, Unit
from wakeman.core.model.plan import EXECUTOR_TABLES
from wakeman.core.names import unique
from wakeman.core.plan import shares as planning
from wakeman.core.plan.links import directories_above
from wakeman.core.policy import review
from wakeman.core.policy.tables import EDITION
from wakeman.engine import alarm, layout, live
from wakeman.engine.attempt import confinement
from wakeman.engine.attempt.compose import compose_attempt, prompt_text
from wakeman.engine.attempt.secrets import exports, variables
from wakeman.engine.check import check
from wakeman.engine.directories import identified
from wakeman.engine.effects.close import bury
from wakeman.engine.effects.review import appointed
from wakeman.engine.live import hold
from wakeman.engine.protocol import requests as protocol
from wakeman.engine.protocol.steps import drive
from wakeman.engine.runs import latest, next_name
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.ports import STATE_MARKER, Command, World

FIXED = ("executor", "sessions", "confine", "confine_network", "stage", "isolate", "base", "setup", "commit")
"""Keys of `[workers]` that say where workers run, where outputs are made, and what confines workers."""
CHANGED_KEYS_MAX = 20
"""Keys at most of which the log says that an amendment changed them."""
INLINE_PROMPT_BYTES_MAX = 16 * 1024
"""Bytes of a prompt in the log at most; a longer one is kept in a file."""
INLINE_ITEMS_BYTES_MAX = 16 * 1024
"""Bytes of a plan's items in the line of the plan at most; more are in lines of their own."""


def drafts(world: World, prepared: PreparedPlan, name: str) -> list[e.Draft]:
    """Return the first lines of the deployment's log."""
    directory = posixpath.join(world.state, name)
    host = msgspec.structs.replace(
        prepared.host,
        directory=directory,
        repository=prepared.repository,
        identity=world.registry.identity(),
        root_id=identified(world, prepared.root),
    )
    plan = logged_plan(prepared, host)
    brief, listed = _in_pieces(plan)
    planned = e.Planned(
        name=name,
        plan=brief,
        digest=planning.plan_digest(prepared.plan),
        host=host,
        logged=planning.plan_digest(plan),
        edition=EDITION,
        profiles=_recorded_profiles(prepared),
        agreed=prepared.agreed,
        redoes=prepared.redoes,
        listed=sum(len(piece.items) for piece in listed),
    )
    return [e.Draft(planned), *map(e.Draft, listed), *enrolments(prepared.shares, prepared, prepared.cwd_ids)]


def enrolments(shares: Iterable[Share], prepared: PreparedPlan, cwd_ids: Mapping[str, str]) -> Iterator[e.Draft]:
    """Yield one event per share, or several if a share's units do not fit a line."""
    there = {mark.path: mark for mark in prepared.existing}

    def marks(units: Iterable[Unit]) -> tuple[FileFingerprint, ...]:
        return tuple(there[path] for unit in units for path in unit.outputs if path in there)

    def links(units: Iterable[Unit]) -> dict[str, str]:
        if not prepared.links:
            return {}
        above = directories_above(posixpath.join(prepared.root, path) for unit in units for path in unit.outputs)
        return {path: prepared.links[path] for path in above if path in prepared.links}

    def size(unit: Unit) -> int:
        beside = weight(marks([unit])) if there else 0
        return weight(unit) + beside + (weight(links([unit])) if prepared.links else 0)

    for share in shares:
        for units in chunks(share.units, weigh=size):
            enrolled = e.Enrolled(
                session=share.name,
                units=units,
                existing=marks(units),
                links=links(units),
                key=share.key,
                cwd_id=cwd_ids.get(share.name, ""),
            )
            yield e.Draft(enrolled, worker=share.name)


class Preview(Struct, frozen=True):
    """A worker's first attempt and, if it is confined, the mechanism and the directories that it may write to."""

    share: Share
    command: Command
    prompt: str  # what its prompt file holds
    confined: str | None
    writes: list[str] | None


def preview(world: World, prepared: PreparedPlan) -> list[Preview]:
    """Return the exact command of each worker's first attempt, without starting anything."""
    d = _ahead(world, prepared)
    return [_preview(world, d, share) for share in prepared.shares]


def reviewer(world: World, prepared: PreparedPlan) -> tuple[str, Command, str] | None:
    """Return name, exact command and prompt of the first reviewer, without starting anything; None without a review."""
    if not review.wanted(prepared.plan):
        return None
    d = _ahead(world, prepared)
    first = appointed(d, list(d.units))[0]
    apply_drafts(d, [first], world.clock.now(), world.by)
    worker = d.workers[first.worker or ""]
    worker.attempt = 1
    task, command, _ = compose_attempt(world, d, worker)
    return worker.name, command, prompt_text(task, command)


def _ahead(world: World, prepared: PreparedPlan) -> Deployment:
    """Return a preview of the deployment at its beginning, with its prompt."""
    d = Deployment()
    apply_drafts(d, drafts(world, prepared, prepared.plan.name), world.clock.now(), world.by)
    workers = prepared.plan.workers
    inline = msgspec.structs.replace(workers, prompt=prepared.prompt, prompt_file=None)
    review.adopt_plan(d, msgspec.structs.replace(prepared.plan, workers=inline))
    for worker in d.workers.values():
        worker.attempt = 1
    return d


def _preview(world: World, d: Deployment, share: Share) -> Preview:
    worker = d.workers[share.name]
    task, command, _ = compose_attempt(world, d, worker)
    way = d.host.confinement
    writes = confinement.writable_paths(d, worker, stream=command.to_file) if way is not None else None
    confined = way.words if way is not None else None
    return Preview(share=share, command=command, prompt=prompt_text(task, command), confined=confined, writes=writes)


def up(world: World, prepared: PreparedPlan) -> Deployment:
    """Begin a deployment, or continue the open one of the same plan.

    Raises: PlanError as `require_startable`; UsageError when an open one of that name has another plan, with the
    differences; when another `up` began it while this one read the plan: it is not this one's.
    """
    require_startable(world, prepared)
    name, there = latest(world, prepared.plan.name)
    if there is not None and _overtaken(prepared, there, world.clock.now()):
        raise UsageError(f"{name}: was begun meanwhile by another `up`", f"wakeman status {name}")
    if there is not None and there.outcome == "open":
        changed = _changes(there, prepared)
        if changed:
            raise UsageError(
                f"{name} is open with another plan: {'; '.join(changed[:10])}",
                f"wakeman amend {name} FILE, or wakeman down {name}, or another name",
            )
        furnish(world, there, prepared)
        return check(world, name)
    if there is not None and not live.elsewhere(world, name, there):
        bury(world, there)
    name = run_name(world, prepared)
    begin(world, prepared, name)
    return check(world, name)


def run_name(world: World, prepared: PreparedPlan) -> str:
    """Return the name of the deployment that `up` begins, or continues."""
    name, there = latest(world, prepared.plan.name)
    if there is not None and there.outcome == "open":
        return name
    name = name if there is None else next_name(name)
    if prepared.repository is None:
        return name
    from wakeman.engine.workspace.repository import free_name

    return free_name(world, prepared.repository, name)


def require_startable(world: World, prepared: PreparedPlan) -> None:
    """Raise PlanError with why nobody can be started with a plan here: what `plan` tells, whoever would start them."""
    if faults := start_faults(world, prepared):
        raise PlanError(faults, "wakeman doctor")


def _overtaken(prepared: PreparedPlan, there: Deployment, now: datetime) -> bool:
    """Return whether a deployment began after its plan was read here; a clock that was set back says nothing."""
    return bool(prepared.at and there.started and prepared.at < there.started <= now)


def begin(world: World, prepared: PreparedPlan, name: str) -> None:
    """Begin a deployment up to its first check: its files, an alarm, its log. No worker is launched yet."""
    first, now = drafts(world, prepared, name), world.clock.now()
    ahead = Deployment()
    apply_drafts(ahead, first, now, world.by)
    # The log comes last: from its first line on, the deployment has everything to continue by itself.
    live.make_directory(world, name, ahead.host)
    furnish(world, ahead, prepared)
    with alarm.first_alarm(world, ahead, now) as armed:
        world.logs.create(name, planning.plan_digest(prepared.plan), [*first, *armed], now, world.by)


def amend(world: World, name: str, prepared: PreparedPlan) -> Deployment:
    """Change the plan of an open deployment for workers that are not launched yet; the others keep their shares.

    Raises: PlanError as `require_startable`; UsageError when it is closed, or its paths would be relative to another
    directory.
    """
    require_startable(world, prepared)
    with hold(world, name) as log:
        d = log.deployment
        if d.outcome != "open":
            raise UsageError(f"{name} is closed ({d.outcome})", "wakeman up FILE starts the next run")
        if d.plan.name != prepared.plan.name:
            raise UsageError(f"{name}: found a plan named {prepared.plan.name!r}, expected {d.plan.name!r}")
        if d.host.root != prepared.root:
            raise UsageError(f"{name}: the plan is in {prepared.root}, its paths are relative to {d.host.root}")
        _require_fixed(name, d.plan, prepared.plan)
        dropped = protocol.unlaunched(d)
        kept = {unit for worker in d.workers.values() if worker.name not in dropped for unit in worker.units}
        taken = {name.lower() for name in d.workers if name not in dropped}
        clash = next((unit.name for share in prepared.shares for unit in share.units if unit.name in d.reviews), "")
        if clash:
            raise UsageError(f"{name}: found a unit named {clash!r}, which is a review; expected another name for it")
        new, cwd_ids = [], {}
        for share in prepared.shares:
            units = tuple(unit for unit in share.units if unit.name not in kept)
            if units:
                fresh = unique(share.name, taken, share.key)
                taken.add(fresh.lower())
                cwd_ids[fresh] = prepared.cwd_ids.get(share.name, "")
                new.append(msgspec.structs.replace(share, name=fresh, units=units))
        stay = [worker for worker in d.workers.values() if worker.name not in dropped]
        if overlapping := confinement.share_overlaps(world, d, stay, new):
            raise UsageError(f"{name}: {'; '.join(overlapping)}", f"wakeman down {name}, then wakeman up FILE")
        _keep_prompts(world, d.host, prepared)
        plan = logged_plan(prepared, d.host)
        brief, listed = _in_pieces(plan)
        amended = e.Amended(
            plan=brief,
            digest=planning.plan_digest(prepared.plan),
            logged=planning.plan_digest(plan),
            root_id=identified(world, d.host.root),
            profiles=_recorded_profiles(prepared),
            changed=_changed_keys(d.plan, plan),
            agreed=prepared.agreed,
            versions={one.harness: one.version for one in world.clients(prepared.plan)} or None,
            listed=sum(len(piece.items) for piece in listed),
        )
        behind = [*map(e.Draft, listed), *enrolments(new, prepared, cwd_ids)]
        drive(world, log, protocol.amend(d, amended, behind), world.clock.now())
    furnish(world, world.logs.read(name), prepared)
    return check(world, name)


def furnish(world: World, d: Deployment, prepared: PreparedPlan) -> None:
    """Write what every later check and worker needs into the deployment's directory. Repeatable: yes."""
    files, host, plan = world.files, d.host, prepared.plan
    inside = {
        STATE_MARKER: b"",
        "plan.toml": prepared.text.encode("utf-8", "surrogateescape"),
        layout.WRAPPER: world.wrapper(),
        layout.KEEP: world.keeper(),
        layout.HOOK: world.hook(),
        layout.GUARD: world.guard(),
        layout.CHECK: alarm.script(world, d, plan.wake.to),
    }
    _keep_prompts(world, host, prepared)
    secrets = _secrets(world, plan, prepared.root)
    if secrets:
        inside[layout.SECRETS] = secrets
    for name, data in inside.items():
        files.write(layout.inside(host, name), data, durable=True)
    confinement.write_confiner_files(world, host)
    files.make(layout.inside(host, "spool"))
    files.make(layout.inside(host, layout.BEGUN))


def start_faults(world: World, prepared: PreparedPlan, first: Command | None = None) -> tuple[str, ...]:
    """Return the programs that are not there, with those of workers and reviewers: nobody can be started without.

    Shape: composes the first worker's attempt as an example, unless its command is given, so that errors in it are
    found before the log begins.
    """
    plan = prepared.plan
    clients = {}
    example = msgspec.structs.replace(prepared, shares=prepared.shares[:1])
    command = first or _preview(world, _ahead(world, example), example.shares[0]).command
    if not plan.workers.command and not plan.workers.found:
        clients["workers.harness"] = command.argv[0]
    judge = reviewer(world, prepared)
    if judge is not None and not plan.verify.review.command:
        clients["verify.review"] = judge[1].argv[0]
    path = prepared.host.env.get("PATH", "")
    absent = (
        f"{key}: found {program!r}, which is no program on PATH or at that place"
        for key, program in clients.items()
        if not world.machine.runs(program, prepared.root, path)
    )
    return (*prepared.faults, *absent)


def agreed_before(world: World, prepared: PreparedPlan) -> tuple[str, ...]:
    """Return what a person has agreed to for this very plan in this very directory, in its latest deployment.

    Boundary: only what is live here says so; a log that came along with the plan says nothing.
    """
    try:
        name, there = latest(world, prepared.plan.name)
        known = there is not None and there.host.root == prepared.root and not live.elsewhere(world, name, there)
        return there.agreed if there is not None and known and not _changes(there, prepared) else ()
    except WakemanError:  # of a log that cannot be read, which is told when it is needed
        return ()


def _changes(d: Deployment, prepared: PreparedPlan) -> list[str]:
    """List the differences between a plan and an open deployment's, including a long prompt outside the log.

    Boundary: defaults that a newer version adds are filled in on both sides, so they are no difference.
    """
    recorded = logged_plan(prepared, d.host)
    if d.digest == planning.plan_digest(prepared.plan):
        # Logs of the version before keep no profile that is not the plan's.
        edited = [name for name, agent in recorded.agents.items() if d.plan.agents.get(name, agent) != agent]
        changed = [f"agents.{name}: another profile than at `up`" for name in edited]
    else:
        changed = planning.difference(d.plan, recorded)
    if d.plan.workers.prompt_file != recorded.workers.prompt_file:
        return [*(text for text in changed if not text.startswith("workers.prompt")), "workers.prompt: another text"]
    return changed


def _keep_prompts(world: World, host: Host, prepared: PreparedPlan) -> None:
    """Write a prompt that is too long for the log to a file, before a line of the log refers to it. Repeatable: yes."""
    beside = logged_plan(prepared, host).workers.prompt_file
    if beside is not None:
        world.files.write(beside, prepared.prompt.encode("utf-8", "surrogateescape"), durable=True)


def logged_plan(prepared: PreparedPlan, host: Host) -> Plan:
    """Return the plan for the log: a prompt that is long, or in a file, is stored in the deployment's directory.

    Shape: its name holds its digest, so an amended prompt is never taken for the one that the log names. Profiles are
    its own, wherever they came from: every attempt gets what `up` has read.
    """
    workers = msgspec.structs.replace(prepared.plan.workers, at_once=prepared.at_once)
    agents = {**prepared.plan.agents, **prepared.agents}
    plan = msgspec.structs.replace(prepared.plan, workers=workers, agents=agents)
    if (
        workers.prompt_file is None
        and len(workers.prompt.encode("utf-8", "surrogateescape")) <= INLINE_PROMPT_BYTES_MAX
    ):
        return plan
    digest = sha256(prepared.prompt.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    moved = msgspec.structs.replace(workers, prompt="", prompt_file=layout.inside(host, f"prompt-{digest}.md"))
    return msgspec.structs.replace(plan, workers=moved)


def _in_pieces(plan: Plan) -> tuple[Plan, list[e.Listed]]:
    """Return a plan as a line of the log has it, and the lines for its items if that one has no room for them."""
    items = plan.units.items or ()
    if len(list(islice(chunks(items, INLINE_ITEMS_BYTES_MAX), 2))) < 2:
        return plan, []
    units = msgspec.structs.replace(plan.units, items=())
    return msgspec.structs.replace(plan, units=units), [e.Listed(piece) for piece in chunks(items)]


def _recorded_profiles(prepared: PreparedPlan) -> tuple[RecordedProfile, ...]:
    return tuple(
        RecordedProfile(name, planning.profile_digest(agent), prepared.origins.get(name, ""))
        for name, agent in prepared.agents.items()
    )


def _require_fixed(name: str, old: Plan, new: Plan) -> None:
    """Require what a deployment goes up with once and for all. Raises: UsageError with what differs."""
    hint = f"wakeman down {name}, then wakeman up FILE"
    keys = [(f"workers.{key}", "its workers were told where to write") for key in FIXED]
    for path, fixed in (*keys, ("wake.host", "its alarms are here")):
        there, wanted = (attrgetter(path)(plan) for plan in (old, new))
        if there != wanted:
            found = f"found {wanted!r}, expected {there!r} as it went up with"
            raise UsageError(f"{name}: {path}: {found}: {fixed}", hint)
    for table in (*EXECUTOR_TABLES, "executor"):
        if getattr(old, table) != getattr(new, table):
            raise UsageError(f"{name}: [{table}] is another than it went up with: its workers run by that", hint)


def _changed_keys(old: Plan, new: Plan) -> tuple[str, ...]:
    """Return the keys in which two plans differ, without their values; of many the first, and how many more."""
    keys = [line.partition(": ")[0] for line in planning.difference(old, new)]
    more = len(keys) - CHANGED_KEYS_MAX
    return (*keys[:CHANGED_KEYS_MAX], *([f"{more} more"] if more > 0 else []))


def _secrets(world: World, plan: Plan, root: str) -> bytes:
    environ = world.machine.environ()
    values = {name: environ[name] for name in plan.workers.env_from if name in environ}
    values.update(variables(world, plan, root))
    return exports(values)
