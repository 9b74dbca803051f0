"""Prerequisites on this machine, and its agent profiles."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Literal, Protocol

from msgspec import Meta

from wakeman.api import trial
from wakeman.api.answer import Answer, Value
from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.model import Deployment, Plan, UnitsSpec, WakeTarget
from wakeman.core.model.plan import DEFAULT_EXECUTOR, Network
from wakeman.core.plan.parser import read_plan
from wakeman.engine.start.faults import newer_words
from wakeman.engine.start.prepare import PreparedPlan
from wakeman.ports import World

NO_PLAN = Plan(name="none", units=UnitsSpec())
PYTHON_MIN = (3, 11)
SMOKE_TEST_S = 120.0
"""Timeout, in seconds, of an agent with a small unit."""
AGENT_MEMORY_BYTES = 400 * 2**20
"""Bytes of memory that one agent needs, roughly."""

Level = Literal["ok", "weak", "missing"]


class Finding(Value, frozen=True):
    """One prerequisite."""

    what: Annotated[str, Meta(description="The prerequisite.")]
    level: Annotated[Level, Meta(description="`ok`; `weak`: works with a limitation; `missing`: cannot run.")]
    found: Annotated[str, Meta(description="What was found.")]
    mend: Annotated[str, Meta(description='Command or step that fixes it; "" if nothing is to be fixed.')] = ""


class Diagnosis(Value, frozen=True, kw_only=True):
    """All prerequisites."""

    findings: Annotated[tuple[Finding, ...], Meta(description="One each.")]


class AgentProfile(Value, frozen=True, kw_only=True):
    """One agent profile."""

    name: Annotated[str, Meta(description="Its name.")]
    origin: Annotated[str, Meta(description="Path of its file; `plan`; or `wakeman` for a built-in one.")]
    description: Annotated[str, Meta(description="What it is for.")]
    prompt: Annotated[str, Meta(description="Its prompt.")]
    tools: Annotated[tuple[str, ...] | None, Meta(description="Tools that it may use; null for the client's default.")]
    model: Annotated[str | None, Meta(description="Its model; null for the client's default.")]


class Instructions(Value, frozen=True, kw_only=True):
    """What an agent is told that orchestrates."""

    text: Annotated[str, Meta(description="The playbook, as Markdown.")]


class Profiles(Value, frozen=True, kw_only=True):
    """The agent profiles that a plan can name."""

    agents: Annotated[tuple[AgentProfile, ...], Meta(description="The profiles.")]


class LocalFacts(Protocol):
    """Facts about this machine that only adapters provide."""

    def executor(self, name: str, environ: Mapping[str, str]) -> str:
        """Return what runs workers here, with its version. Raises: ProgramError; UnknownNameError."""

    def weaknesses(self, plan: Plan, workers: int, environ: Mapping[str, str]) -> Sequence[tuple[str, str]]:
        """Return what of a plan's place is weak, each with what mends it; `workers` is their number, 0 if that is not
        known. Raises: as `executor`.
        """

    def clients(self) -> Mapping[str, str]:
        """Return the known clients, each with the command that installs it; "" for one that runs no agent."""

    def lacks(
        self, world: World, plan: Plan, cwd: str, keys: Callable[[], frozenset[str]]
    ) -> tuple[str, list[tuple[str, str]]] | None:
        """Return the plan's client and the faults of its settings, each with the fix; None if they are not known."""

    def world(self, state: str | None, by: str) -> World:
        """Compose the real world."""


def doctor(
    world: World, here: LocalFacts, option: str | None, file: str | None, pause: Callable[[float], None] | None = None
) -> Answer[Diagnosis]:
    """Check every prerequisite, including those of a plan file; with `pause` start one agent of it, which may cost
    money.

    Shape: `option` is the state directory from the command line. Raises: UsageError for a trial without a plan.
    """
    if pause is not None and file is None:
        raise UsageError("doctor --as-alarm: found no plan", "wakeman doctor FILE --as-alarm")
    found = [finding for probe in DOCTOR_PROBES for finding in probe(world, here, option)]
    prepared = _prepared_file(world, file)
    found = [*_after_trials(world, file, found, prepared)]
    if file is not None:
        workers = len(prepared.shares) if prepared is not None else 0
        found += [*_place_findings(world, here, file, workers), *_version_findings(world, file)]
        found += _user_settings(world, here, file)
    if pause is not None and file is not None:
        found += _tried(here, file, pause)
    missing = any(finding.level == "missing" for finding in found)
    mends = tuple(finding.mend for finding in found if finding.mend)
    return Answer(Diagnosis(findings=tuple(found)), mends, ok=not missing, code=int(missing))


def agents(world: World, file: str | None) -> Answer[Profiles]:
    """List the agent profiles, including those of a plan file. Raises: UsageError for a file that cannot be read."""
    found = world.agents(_plan(world, file), os.path.dirname(os.path.abspath(file or "plan")))
    if found.broken:
        raise UsageError(found.broken, "fix the file")
    listed = (
        AgentProfile(
            name=name,
            origin=found.origins.get(name, "plan"),
            description=agent.description,
            prompt=agent.prompt,
            tools=agent.tools,
            model=agent.model,
        )
        for name, agent in found.known.items()
        if name not in found.faults
    )
    notes = (*found.notes, *(f"{fault}: no worker can be given it" for fault in found.faults.values()))
    return Answer(Profiles(agents=tuple(listed)), ("wakeman init",), notes=notes)


def _prepared_file(world: World, file: str | None) -> PreparedPlan | None:
    """Return a plan with its units and shares; None where they are not known: its faults are those of `plan`."""
    from wakeman.engine.start.prepare import prepare_plan

    if file is None or _plan(world, file).units.command:  # which only `up` runs
        return None
    text = world.files.read(os.path.abspath(file)).decode("utf-8", "surrogateescape")
    with suppress(WakemanError):
        return prepare_plan(world, text, file, os.path.dirname(os.path.abspath(file)))
    return None


def _after_trials(
    world: World, file: str | None, found: Sequence[Finding], prepared: PreparedPlan | None
) -> Iterator[Finding]:
    """Yield the findings; what is there, and fails when it is tried, is not ok."""
    from time import sleep

    plan, outputs = _plan(world, file), trial.planned_outputs(prepared) if prepared is not None else []
    root = os.path.dirname(os.path.abspath(file)) if file is not None else os.getcwd()
    tried = {
        each.what: each for each in (trial.alarm(world), *trial.trials(world, plan, root, outputs, sleep, patient=True))
    }
    for finding in found:
        failed = tried.pop(finding.what, None)
        if finding.level == "ok" and failed is not None and failed.why:
            level: Level = "weak" if finding.what == world.timer.name else "missing"
            yield Finding(finding.what, level, failed.why, failed.mend or finding.mend)
        else:
            yield finding
    for each in tried.values():
        grade: Level = "missing" if each.why else "weak" if each.weak else "ok"
        yield Finding(each.what, grade, each.why or each.weak or each.found, each.mend)


# --- probes ---------------------------------------------------------------------------------------------------


def _python(_: World, __: LocalFacts, ___: str | None) -> Iterator[Finding]:
    level: Level = "ok" if sys.version_info >= PYTHON_MIN else "missing"
    yield Finding("python", level, f"{sys.version.split()[0]} at {sys.executable}")


def _executor(world: World, here: LocalFacts, _: str | None) -> Iterator[Finding]:
    name = DEFAULT_EXECUTOR
    try:
        found = here.executor(name, world.machine.environ())
    except WakemanError as fault:
        yield Finding(name, "missing", str(fault), fault.hint)
        return
    yield Finding(name, "ok", found)


def _at(world: World, _: LocalFacts, __: str | None) -> Iterator[Finding]:
    weakness = world.timer.weakness()
    what, _sep, mend = weakness.partition("; ")
    if weakness:
        lost = "alarms do not survive a restart of the machine"
        yield Finding("at", "weak", f"{what}: {lost}", mend or "apt-get install at; service atd start")
    else:
        yield Finding("at", "ok", "its daemon runs")


def _state_directory(world: World, _: LocalFacts, option: str | None) -> Iterator[Finding]:
    place = world.state
    while not os.path.exists(place) and place != "/":
        place = os.path.dirname(place)
    writable = os.access(place, os.W_OK | os.X_OK)
    found = f"{world.state} ({_origin(world, option)}){'' if writable else ': not writable'}"
    yield Finding("state", "ok" if writable else "missing", found, "" if writable else "--state DIR, or WAKEMAN_STATE")


def _origin(world: World, option: str | None) -> str:
    if option:
        return "by --state"
    if world.machine.environ().get("WAKEMAN_STATE"):
        return "by WAKEMAN_STATE"
    marked = os.path.exists(f"{world.state}/.wakeman")
    return "marked by .wakeman, the nearest upwards" if marked else "the user's own: no marked state/ upwards"


def _profiles(world: World, _: LocalFacts, __: str | None) -> Iterator[Finding]:
    found = world.agents(NO_PLAN, "")
    if found.broken:
        yield Finding("agents.json", "missing", found.broken, "fix the file")
        return
    yield Finding("agents.json", "ok", f"{len(found.known)} profiles")
    yield from (Finding("agents", "ok", note) for note in found.notes)
    yield from (Finding("agents", "weak", fault, "fix the file") for fault in found.faults.values())


def _client_programs(world: World, here: LocalFacts, _: str | None) -> Iterator[Finding]:
    import shutil

    clients = here.clients()
    there = {name: shutil.which(name, path=world.machine.environ().get("PATH")) for name in clients}
    for name, install in clients.items():
        if path := there[name]:
            yield Finding(name, "ok", path)
        elif install and (name == "claude" or not any(there.values())):
            yield Finding(name, "weak", f'not on PATH: harness = "{name}" cannot run', install)


def _free_memory(world: World, _: LocalFacts, __: str | None) -> Iterator[Finding]:
    free = world.machine.free_memory()
    level: Level = "weak" if free and free < AGENT_MEMORY_BYTES else "ok"
    yield Finding("memory", level, f"{free / 2**30:.1f} GiB free" if free else "not known")


def _confinement(world: World, _: LocalFacts, __: str | None) -> Iterator[Finding]:
    try:
        way = world.confiner().choose(world.machine.environ(), "all")
    except WakemanError as fault:
        yield Finding("confinement", "weak", f'{fault}: workers.confine = "units" cannot be had', fault.hint)
        return
    yield Finding("confinement", "ok", f"{way.words}, by {way.program}")
    networks: tuple[Network, ...] = ("none", "loopback")
    for network in networks:
        try:
            world.confiner().choose(world.machine.environ(), network)
        except WakemanError as fault:
            what = f'{fault}: workers.confine_network = "{network}" cannot be had'
            yield Finding("confinement", "weak", what, fault.hint)


def _alarms(world: World, _: LocalFacts, __: str | None) -> Iterator[Finding]:
    """Yield each open deployment without a pending alarm."""
    from wakeman.engine.alarm import alarm_is_pending
    from wakeman.engine.live import elsewhere

    for name in world.logs.names():
        try:
            d = world.logs.read(name)
        except WakemanError as fault:
            yield Finding(name, "missing", str(fault), fault.hint)
            continue
        if why := elsewhere(world, name, d):
            yield Finding(name, "weak", f"{why}: it is read, and not acted on", f"wakeman adopt {name}")
        elif d.outcome == "open" and not d.paused_at and not alarm_is_pending(world, d, world.clock.now()):
            yield Finding(name, "missing", "open, and no alarm is pending", f"wakeman check {name}")


def _unreached(world: World, _: LocalFacts, __: str | None) -> Iterator[Finding]:
    """Yield each receiver of an open deployment's notices that is not there, or was not reached."""
    from wakeman.core.policy.outbox import receivers
    from wakeman.engine.live import elsewhere

    for name in world.logs.names():
        with suppress(WakemanError):
            d = world.logs.read(name)
            if elsewhere(world, name, d):
                continue
            for receiver, target in receivers(d.plan).items() if d.outcome == "open" else ():
                untold = d.untold.get(receiver)
                why = world.reaches(target, d.host) or (f"not told: {untold.why}" if untold is not None else "")
                if why or (why := _unheard_topic(world, d, target)):
                    yield Finding(f"{name}: {receiver}", "weak", why, f"wakeman status {name}")


def _unheard_topic(world: World, d: Deployment, target: WakeTarget) -> str:
    """Return why answers to a push cannot be read; "" if they can, or none are wanted."""
    if not target.answers_file:
        return ""
    heard = world.hear(target, str(int(world.clock.now().timestamp())), d)
    return f"answers cannot be read: {heard.why}" if heard.why else ""


DOCTOR_PROBES: tuple[Callable[[World, LocalFacts, str | None], Iterator[Finding]], ...] = (
    _python, _executor, _at, _state_directory, _profiles, _client_programs, _free_memory, _confinement, _alarms,
    _unreached,
)  # fmt: skip


# --- a plan's -------------------------------------------------------------------------------------------------


def _user_settings(world: World, here: LocalFacts, file: str) -> Iterator[Finding]:
    """Yield what the workers' client needs in the user's own settings, which Wakeman does not change."""
    from wakeman.engine.attempt.secrets import variables

    plan = _plan(world, file)
    root = os.path.dirname(os.path.abspath(file))
    cwd = root if "{{" in plan.workers.cwd else os.path.realpath(os.path.join(root, plan.workers.cwd))
    lacking = here.lacks(world, plan, cwd, lambda: frozenset(variables(world, plan, root)))
    if lacking is None:
        return
    client, lacks = lacking
    for found, mend in lacks:
        yield Finding(f"{client}'s settings", "missing", found, mend)
    if not lacks:
        yield Finding(f"{client}'s settings", "ok", "nothing is asked before the first turn")


def _place_findings(world: World, here: LocalFacts, file: str, workers: int) -> Iterator[Finding]:
    """Yield what is to be known of the plan's executor, where it is another than the default."""
    plan = _plan(world, file)
    name = plan.workers.executor
    if name == DEFAULT_EXECUTOR:
        return
    try:
        yield Finding(f"{name}'s place", "ok", here.executor(name, world.machine.environ()))
        for found, mend in here.weaknesses(plan, workers, world.machine.environ()):
            yield Finding(f"{name}'s place", "weak", found, mend)
    except WakemanError as fault:
        yield Finding(f"{name}'s place", "missing", str(fault), fault.hint)


def _version_findings(world: World, file: str) -> Iterator[Finding]:
    for one in world.clients(_plan(world, file)):
        words = newer_words(one) if one.newer else one.version
        yield Finding(f"{one.harness}'s version", "weak" if one.newer else "ok", words)


def _tried(here: LocalFacts, file: str, pause: Callable[[float], None]) -> Iterator[Finding]:
    """Start one agent as an alarm would, and yield the result."""
    import shutil
    import tempfile

    from wakeman.core.text import sanitise
    from wakeman.engine.start.smoke_test import SMOKE_TEST_NAME, smoke_test

    place = tempfile.mkdtemp(prefix="wk-doctor-")
    world = here.world(f"{place}/state", "hand")
    plan = _plan(world, file)
    if not world.harness(plan.workers.harness).uses_prompt:
        why = f"doctor --as-alarm: found harness {plan.workers.harness!r}, expected one that runs an agent"
        raise UsageError(why, "wakeman doctor FILE")
    try:
        d = smoke_test(world, plan, os.path.dirname(os.path.abspath(file)), place, SMOKE_TEST_S, pause)
        worker = d.workers[SMOKE_TEST_NAME]
        if d.outcome == "complete":
            yield Finding("an agent, as by an alarm", "ok", "it did a small unit")
        else:
            why = ": ".join(filter(None, (worker.state, worker.reason, worker.why)))
            mend = "see how it starts: wakeman plan FILE; what it needs from you: docs/how-to/clients.md"
            yield Finding("an agent, as by an alarm", "missing", sanitise(why, 300), mend)
    finally:
        for _ in range(50):  # an ended client may still be writing files
            shutil.rmtree(place, ignore_errors=True)
            if not os.path.exists(place):
                break
            pause(0.1)


def _plan(world: World, file: str | None) -> Plan:
    if file is None:
        return NO_PLAN
    from wakeman.api.plan import plan_text

    return read_plan(plan_text(world, os.path.abspath(file), file), file)
