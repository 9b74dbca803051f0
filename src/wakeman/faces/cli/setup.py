"""The verbs about this machine: doctor and agents."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator

from msgspec import Struct, to_builtins

from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.model import Plan, UnitsSpec
from wakeman.faces.cli.options import Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import answer, clean, out, table
from wakeman.ports import World

NO_PLAN = Plan(name="none", units=UnitsSpec())
PYTHON = (3, 11)
SETTINGS = 16 * 2**20
"""Bytes of a client's own settings that are read."""
TRIAL = 120.0
"""Seconds that an agent has for a small unit."""
LEAST_MEMORY = 400 * 2**20
"""Bytes that one agent wants, about."""


class Finding(Struct, frozen=True):
    """One prerequisite. `level`: ok; weak, so that something is lost; missing, so that nothing goes. `mend`: how."""

    what: str
    level: str
    found: str
    mend: str = ""


def _doctor_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="plan file: check what its workers need, too")
    parser.add_argument(
        "--as-alarm", action="store_true", help="have an alarm's script start one agent of FILE, which may cost money"
    )


def _agents_options(parser: ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", help="plan file: list its own profiles, too")


# --- doctor ---------------------------------------------------------------------------------------------------


def doctor(options: Namespace) -> int:
    """Check every prerequisite; exit with 1 when one is missing."""
    world = reach(options)
    if options.as_alarm and options.file is None:
        raise UsageError("doctor --as-alarm: found no plan", "wakeman doctor FILE --as-alarm")
    found = [finding for probe in PROBES for finding in probe(world, options.state)]
    found += _settings(world, options.file)
    if options.as_alarm:
        found += _tried(options.file)
    missing = [finding for finding in found if finding.level == "missing"]
    if options.json:
        findings = [to_builtins(finding) for finding in found]
        answer(options, {"findings": findings}, [finding.mend for finding in found if finding.mend], ok=not missing)
    else:
        table(("", "prerequisite", "found"), [(finding.level, finding.what, finding.found) for finding in found])
        for finding in found:
            if finding.mend:
                out(f"to mend {finding.what}: {clean(finding.mend)}")
    return 1 if missing else 0


def _python(_: World, __: str | None) -> Iterator[Finding]:
    level = "ok" if sys.version_info >= PYTHON else "missing"
    yield Finding("python", level, f"{sys.version.split()[0]} at {sys.executable}")


def _tmux(world: World, _: str | None) -> Iterator[Finding]:
    from wakeman.adapters.local import tmux_program

    environ = world.machine.environ()
    try:
        path = tmux_program(environ.get("PATH") or os.defpath)
    except WakemanError as fault:
        yield Finding("tmux", "missing", str(fault), fault.hint)
        return
    ran = world.machine.run([path, "-V"], cwd="/", env=environ, timeout=10)
    yield Finding("tmux", "ok" if ran.code == 0 else "missing", f"{ran.out.strip() or ran.error} at {path}")


def _at(world: World, _: str | None) -> Iterator[Finding]:
    weakness = world.alarms.weakness()
    what, _, mend = weakness.partition("; ")
    if weakness:
        lost = "alarms do not survive the tmux server or a restart of the machine"
        yield Finding("at", "weak", f"{what}: {lost}", mend or "apt-get install at; service atd start")
    else:
        yield Finding("at", "ok", "its daemon runs")


def _state(world: World, option: str | None) -> Iterator[Finding]:
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


def _profiles(world: World, _: str | None) -> Iterator[Finding]:
    try:
        known = world.agents(NO_PLAN)
    except WakemanError as fault:
        yield Finding("agents.json", "missing", str(fault), fault.hint)
        return
    yield Finding("agents.json", "ok", f"{len(known)} profiles")


def _programs(world: World, _: str | None) -> Iterator[Finding]:
    import shutil

    from wakeman.adapters.harness import CLIENTS, find
    from wakeman.adapters.harness.client import Agentic

    there = {name: shutil.which(name, path=world.machine.environ().get("PATH")) for name in CLIENTS}
    for name in CLIENTS:
        harness = find(name)
        if path := there[name]:
            yield Finding(name, "ok", path)
        elif isinstance(harness, Agentic) and (name == "claude" or not any(there.values())):
            yield Finding(name, "weak", f'not on PATH: harness = "{name}" cannot run', harness.client.install)


def _memory(world: World, _: str | None) -> Iterator[Finding]:
    free = world.machine.free_memory()
    level = "weak" if free and free < LEAST_MEMORY else "ok"
    yield Finding("memory", level, f"{free / 2**30:.1f} GiB free" if free else "not known")


def _confinement(world: World, _: str | None) -> Iterator[Finding]:
    try:
        way = world.confiner().choose(world.machine.environ())
    except WakemanError as fault:
        yield Finding("confinement", "weak", f'{fault}: workers.confine = "units" cannot be had', fault.hint)
        return
    yield Finding("confinement", "ok", f"{way.words}, by {way.program}")


def _alarms(world: World, _: str | None) -> Iterator[Finding]:
    """Name each open deployment that no check will come to."""
    from wakeman.engine.alarm import stands

    for name in world.logs.names():
        try:
            d = world.logs.read(name)
        except WakemanError as fault:
            yield Finding(name, "missing", str(fault), fault.hint)
            continue
        if d.outcome == "open" and not d.paused_at and not stands(world, d, world.clock.now()):
            yield Finding(name, "missing", "open, and no alarm lies ahead", f"wakeman check {name}")


def _settings(world: World, file: str | None) -> Iterator[Finding]:
    """Say what the workers' client needs of the user's own settings, which nobody but the user changes."""
    from wakeman.adapters.harness import find
    from wakeman.adapters.harness.client import Agentic, Own
    from wakeman.engine.start.prepare import variables

    plan = _plan(world, file)
    harness = find(plan.workers.harness) if file is not None else None
    if file is None or not isinstance(harness, Agentic) or harness.client.lacks is None:
        return
    root = os.path.dirname(os.path.abspath(file))
    cwd = root if "{{" in plan.workers.cwd else os.path.realpath(os.path.join(root, plan.workers.cwd))
    keys = frozenset(variables(world, plan, root))
    own = Own(world.machine.home(), world.machine.environ(), cwd, lambda path: world.files.tail(path, SETTINGS), keys)
    lacks = list(harness.client.lacks(plan, own))
    for found, mend in lacks:
        yield Finding(f"{harness.name}'s settings", "missing", found, mend)
    if not lacks:
        yield Finding(f"{harness.name}'s settings", "ok", "nothing is asked before the first turn")


def _tried(file: str) -> Iterator[Finding]:
    """Start one agent as an alarm would, and say how that ended."""
    import shutil
    import tempfile
    import time

    from wakeman.adapters import local
    from wakeman.core.text import sanitise
    from wakeman.engine.start.smoke_test import SMOKE_TEST_NAME, smoke_test

    place = tempfile.mkdtemp(prefix="wk-doctor-")
    world = local.world(f"{place}/state", "hand")
    plan = _plan(world, file)
    if not world.harness(plan.workers.harness).uses_prompt:
        why = f"doctor --as-alarm: found harness {plan.workers.harness!r}, expected one that runs an agent"
        raise UsageError(why, "wakeman doctor FILE")
    try:
        d = smoke_test(world, plan, os.path.dirname(os.path.abspath(file)), place, TRIAL, time.sleep)
        worker = d.workers[SMOKE_TEST_NAME]
        if d.outcome == "complete":
            yield Finding("an agent, as by an alarm", "ok", "it did a small unit")
        else:
            why = ": ".join(filter(None, (worker.state, worker.reason, worker.why)))
            mend = "see how it starts: wakeman plan FILE; what it needs from you: docs/how-to/clients.md"
            yield Finding("an agent, as by an alarm", "missing", sanitise(why, 300), mend)
    finally:
        for _ in range(50):  # what was ended may still be putting its files away
            shutil.rmtree(place, ignore_errors=True)
            if not os.path.exists(place):
                break
            time.sleep(0.1)


PROBES: tuple[Callable[[World, str | None], Iterator[Finding]], ...] = (
    _python, _tmux, _at, _state, _profiles, _programs, _memory, _confinement, _alarms,
)  # fmt: skip


# --- agents ---------------------------------------------------------------------------------------------------


def agents(options: Namespace) -> int:
    """List profiles with where each is from."""
    from wakeman.adapters.profiles import profiles

    world = reach(options)
    config = world.machine.environ().get("CLAUDE_CONFIG_DIR", "")
    known = profiles(world.machine.home(), _plan(world, options.file), world.files, config)
    if options.json:
        listed = [{"name": name, "origin": origin, **to_builtins(agent)} for name, (agent, origin) in known.items()]
        answer(options, {"agents": listed}, ["wakeman init"])
    else:
        rows = [(name, agent.model or "", agent.description, origin) for name, (agent, origin) in known.items()]
        table(("agent", "model", "description", "from"), rows)
    return 0


def _plan(world: World, file: str | None) -> Plan:
    from wakeman.core.plan.parser import read

    if file is None:
        return NO_PLAN
    return read(world.files.read(os.path.abspath(file)).decode("utf-8", "surrogateescape"), file)


VERBS: dict[str, Verb] = {
    "doctor": ("wakeman doctor wakeman.toml --as-alarm", _doctor_options, doctor),
    "agents": ("wakeman agents wakeman.toml --json", _agents_options, agents),
}
