"""Why a plan cannot be begun here, or is probably not what was meant: each fault as `key: what`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from wakeman.core.errors import ProgramError, StorageError, UnknownNameError, UsageError, WakemanError
from wakeman.core.model import Host, Plan, Share, Unit, WorkersSpec
from wakeman.core.names import is_lone
from wakeman.core.plan import shares as planning
from wakeman.core.plan import telling
from wakeman.core.plan.conflicts import conflicts, used_paths
from wakeman.core.plan.doubts import plan_doubts
from wakeman.core.plan.links import whole_paths
from wakeman.core.plan.template import nearest, render
from wakeman.core.policy import review
from wakeman.engine.attempt.secrets import from_home, variables
from wakeman.engine.live import elsewhere
from wakeman.engine.neighbours import neighbours, with_whole_paths
from wakeman.engine.runs import latest, readable
from wakeman.ports import ClientVersion, Executor, Listing, SessionInfo, World

PROFILE_BYTES_MAX = 24 * 1024
"""Bytes of an agent's profile, which the first line of the log keeps."""
FILE_NAME_BYTES_MAX = 255
"""Bytes of a file name at most, on usual file systems."""
CHAR_BYTES_MAX = 4
"""Bytes of a character in UTF-8 at most."""
LONG_NAME_CHARS_SHOWN = 60
"""Characters of a long name that an error shows."""


def prompt_template(world: World, plan: Plan, root: str) -> str:
    """Return the template of prompts, of the plan or of the file that it names."""
    if plan.workers.prompt_file is None:
        return plan.workers.prompt
    return world.files.read(from_home(world, root, plan.workers.prompt_file)).decode("utf-8", "surrogateescape")


def unwritable_outputs(units: Sequence[Unit]) -> list[str]:
    """List units whose names or paths a log line cannot represent."""
    return [
        f"units: {unit.name!r}: found bytes that are not UTF-8; expected a name that the log can hold: rename the file"
        for unit in units
        if not all(map(_is_utf8, (unit.name, unit.input or "", *unit.names.values(), *unit.outputs, *unit.writes)))
    ]


def unloggable_host(host: Host) -> list[str]:
    """List what of the machine no log line can hold as it is: a check would find other names in it."""
    named = {
        "the plan's directory": host.root,
        "the state directory": posixpath.dirname(host.directory),
        "python": host.python[0] if host.python else "",
        **{f"workers.executor: its {key}": value for key, value in host.place.items()},
        **{f"${name}": f"{name}={value}" for name, value in host.env.items()},
    }
    return [
        f"{what}: found {text!r}, which is not UTF-8; expected a name that the log can hold: use another"
        for what, text in named.items()
        if not _is_utf8(text)
    ]


def _is_utf8(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def too_long_names(units: Sequence[Unit]) -> list[str]:
    """List outputs whose names are too long for a file system."""
    sizes = {
        output: max(len(part.encode("utf-8", "surrogateescape")) for part in output.split("/"))
        for u in units
        for output in u.outputs
        if len(output) > FILE_NAME_BYTES_MAX // CHAR_BYTES_MAX
    }
    return [
        f"units.output: unit {unit.name[:LONG_NAME_CHARS_SHOWN]!r}:"
        f" found a name of {sizes[output]} bytes in {output[:LONG_NAME_CHARS_SHOWN]!r};"
        f" expected at most {FILE_NAME_BYTES_MAX}"
        for unit in units
        for output in unit.outputs
        if sizes.get(output, 0) > FILE_NAME_BYTES_MAX
    ]


def unit_conflicts(world: World, plan: Plan, root: str, units: Sequence[Unit]) -> list[str]:
    """List paths that two units use, of this plan or of another open deployment of this user on this machine."""
    others = [] if plan.workers.isolate == "worktree" else list(_units_elsewhere(world, plan))
    absolute = whole_paths(root, used_paths([*units, *others]))
    resolved = world.files.resolve(absolute.values())
    return conflicts(
        units,
        {path: resolved[whole] for path, whole in absolute.items()},
        fold_case=world.files.folds_case(root),
        others=others,
    )


def _units_elsewhere(world: World, plan: Plan) -> Iterator[Unit]:
    """Yield the units of all other open deployments that are live here, with absolute paths and without inputs."""
    state = world.files.resolve([world.state])[world.state]

    def own(above: str, name: str) -> bool:
        return above == state and name.partition(".")[0] == plan.name

    for _, name, d in neighbours(world, own):
        if d.outcome == "open":
            yield from (with_whole_paths(d, one.unit, name) for one in d.units.values())


def misplaced_entries(world: World, plan: Plan, root: str, units: Sequence[Unit]) -> list[str]:
    """List outputs in whose place there is something that is no file. Boundary: not of trees, which are to be made."""
    if plan.workers.isolate == "worktree":
        return []
    whole = whole_paths(root, [path for unit in units for path in unit.outputs])
    owners = {whole[path]: (unit.name, path) for unit in units for path in unit.outputs}
    return [
        f"units.output: unit {owners[place][0]!r}: found a {entry.kind} at {owners[place][1]!r};"
        " expected a file of its own, or nothing"
        for place, entry in world.files.entries(owners).items()
        if entry.kind != "file"
    ]


def world_faults(world: World, plan: Plan, root: str) -> list[str]:
    """List what the plan needs and this machine lacks."""
    faults = []
    for probe in (_harness_faults, _agent_faults, _prompt_faults, _variable_faults):
        try:
            faults += probe(world, plan, root)
        except WakemanError as fault:
            faults.append(str(fault))
    return faults + (_reviewer_faults(world, plan, root) if review.wanted(plan) else [])


def _reviewer_faults(world: World, plan: Plan, root: str) -> list[str]:
    """List what a reviewer would lack, by the keys about its start."""
    faults = []
    for probe in (_harness_faults, _agent_faults):
        try:
            faults += probe(world, review.reviewing(plan), root)
        except WakemanError as fault:
            faults.append(str(fault))
    found = [f.replace("workers.agent", "verify.agent").replace("workers.", "verify.review.") for f in faults]
    return [*found, *telling.review_prompt_faults(plan)]


def homeless_workers(world: World, plan: Plan, root: str, shares: Sequence[Share]) -> list[str]:
    """List missing directories in which workers are to start.

    Boundary: `workers.before` may create them, so with it the launch reports them.
    """
    places = {place: name for name, place in starting_places(plan, shares).items()}
    return [
        f"workers.cwd: found {place!r} for {name}; expected a directory that is there (workers.before may make it)"
        for place, name in places.items()
        if not world.files.is_directory(posixpath.normpath(posixpath.join(root, place)))
    ]


def starting_places(plan: Plan, shares: Sequence[Share]) -> dict[str, str]:
    """Return `workers.cwd` of each share's worker, where it is not the plan's directory and is to be there by now."""
    if plan.workers.cwd == WorkersSpec().cwd or plan.workers.before:
        return {}
    return {share.name: render(plan.workers.cwd, planning.worker_names(plan.name, share, "", "")) for share in shares}


def _harness_faults(world: World, plan: Plan, _: str) -> list[str]:
    if plan.workers.found:
        world.harness(plan.workers.harness)  # raises where there is none; it starts nothing
        return []
    return world.harness(plan.workers.harness).problems(plan)


def _agent_faults(world: World, plan: Plan, root: str) -> list[str]:
    wanted = plan.workers.agent
    if wanted is None:
        return []
    profiles = world.agents(plan, root)
    if fault := profiles.fault(wanted):
        return [f"workers.agent: {fault}; fix that file, or name another profile"]
    known = profiles.known
    if wanted in known:
        size = len(msgspec.json.encode(known[wanted]))
        found = f"workers.agent: found a profile {wanted!r} of {size} bytes"
        return (
            [f"{found}; expected at most {PROFILE_BYTES_MAX}, as the log keeps it"] if size > PROFILE_BYTES_MAX else []
        )
    names = ", ".join(sorted(known)) or "(none known)"
    sources = "from [agents.NAME], ~/.claude/agents.json or a page in .claude/agents"
    return [f"workers.agent: found {wanted!r}; expected one of {names}, {sources}{nearest(wanted, known)}"]


def _prompt_faults(world: World, plan: Plan, root: str) -> list[str]:
    try:
        prompt = prompt_template(world, plan, root)
    except StorageError as fault:
        return [f"workers.prompt_file: {fault}"]
    if plan.workers.found:
        return []
    with suppress(UnknownNameError, UsageError):  # reported elsewhere
        return [*telling.prompt_faults(plan, prompt, asks=world.harness(plan.workers.harness).uses_prompt)]
    return []


def newer_words(one: ClientVersion) -> str:
    """Return what it means that a client is newer than what is recorded of it."""
    return (
        f"{one.harness} {one.version} is newer than {one.newest}, the newest whose screens are known: a screen alone"
        " counts for less"
    )


def probable_mistakes(world: World, plan: Plan, prompt: str, shares: Sequence[Share], host: Host) -> Iterator[str]:
    """Yield what is probably a mistake in a plan without faults, by key."""
    yield from plan_doubts(plan, shares)
    for at, target in enumerate(plan.wake.to):
        if why := world.reaches(target, host):
            so = "notices have no buttons" if target.answers_file else "notices are not delivered until there is"
            yield f"wake.to[{at}]: {why}: {so}"
    harness = world.harness(plan.workers.harness)
    yield from telling.prompt_warnings(plan, prompt, asks=harness.uses_prompt, takes_profile=harness.uses_agent)
    for one in world.clients(plan):
        if one.newer:
            yield f"workers.harness: {newer_words(one)}"
    if review.wanted(plan):
        yield from telling.review_warnings(plan, asks=world.harness(review.harness(plan)).uses_prompt)


def _variable_faults(world: World, plan: Plan, root: str) -> list[str]:
    environ = world.machine.environ()
    faults = [
        f"workers.env_from: {name} is not set here; export it before `up`"
        for name in plan.workers.env_from
        if name not in environ
    ]
    try:
        variables(world, plan, root)
    except StorageError as fault:
        faults.append(f"workers.env_file: {fault}")
    return faults


def place_faults(world: World, host: Host, plan: Plan, shares: Sequence[Share]) -> list[str]:
    """List the faults of the place where workers are to run.

    Raises: ProgramError when the place does not answer.
    """
    executor = world.executor(host)
    needs = _terminal_needs(world, plan, executor)
    names = _sessions_to_find if plan.workers.found else _sessions_in_use
    return [*needs, *names(world, plan, host, executor, shares)]


def _terminal_needs(world: World, plan: Plan, executor: Executor) -> Iterator[str]:
    """Yield the settings that need a terminal, if sessions have none."""
    if executor.terminal is not None:
        return
    where = f"workers.executor = {plan.workers.executor!r} gives no terminal"
    if plan.workers.found:
        yield f"workers.sessions: found {plan.workers.sessions!r}, expected 'start': {where}"
    if plan.workers.mode != "print":
        yield f"workers.mode: found {plan.workers.mode!r}, expected 'print': {where}"
    with suppress(UnknownNameError, UsageError):  # reported elsewhere
        if world.harness(plan.workers.harness).adopts:
            yield f"workers.harness: found {plan.workers.harness!r}, whose launcher makes a session itself: {where}"


def _sessions_in_use(world: World, plan: Plan, host: Host, executor: Executor, shares: Sequence[Share]) -> list[str]:
    """List session names that are in use, in that place or in another open deployment.

    Raises: ProgramError when the place does not answer.
    """
    wanted = {share.name for share in shares}
    held = {seen.session: _owner(seen) for seen in _polled(executor).seen if not _ours_and_over(seen, plan)}
    name, there = latest(world, plan.name)
    if there is not None and there.outcome == "open":
        held = {session: owner for session, owner in held.items() if owner != name}  # it continues
    held |= _sessions_of_others(world, plan, host, executor)
    return [
        f"workers.name: session {name!r} belongs to {held[name]}; choose another workers.name or workers.socket"
        for name in sorted(wanted & held.keys())
    ]


def _sessions_to_find(world: World, plan: Plan, host: Host, executor: Executor, shares: Sequence[Share]) -> list[str]:
    """List why the sessions of a plan cannot be watched: another deployment's, or none is there.

    Raises: ProgramError when the place does not answer.
    """
    _, there = latest(world, plan.name)
    if there is not None and there.outcome == "open":
        return []  # it continues, and sees itself which of them have ended
    seen = {one.session: one for one in _polled(executor).seen if not one.over}
    held = {session: _owner(one) for session, one in seen.items() if one.mark and not is_lone(one.mark)}
    held |= _sessions_of_others(world, plan, host, executor)
    wanted = sorted(share.name for share in shares)
    faults = [
        f"workers.sessions: session {name!r} belongs to {held[name]}; expected one that no deployment watches"
        for name in wanted
        if name in held
    ]
    if not seen.keys() & {*wanted}:
        faults.append(f"workers.sessions: found none of {', '.join(wanted[:5])} in {executor.address}")
    return faults


def _polled(executor: Executor) -> Listing:
    """Return what an executor lists. Raises: ProgramError when its place does not answer."""
    listing = executor.poll()
    if listing.state == "unknown":
        raise ProgramError(listing.why, "wakeman doctor")
    return listing


def _sessions_of_others(world: World, plan: Plan, host: Host, executor: Executor) -> dict[str, str]:
    """Return the names of sessions of other open deployments in the same place, and whose they are."""
    held: dict[str, str] = {}
    for name, d in readable(world).items():
        beside = d.outcome == "open" and name.partition(".")[0] != plan.name and not elsewhere(world, name, d)
        if beside and _shares_place(world, d.host, host, executor):
            held.update({worker.session: name for worker in d.workers.values()})
    return held


def _shares_place(world: World, other: Host, host: Host, executor: Executor) -> bool:
    """Return whether another deployment's workers run in the same place."""
    return other.executor == host.executor and world.executor(other).address == executor.address


def _owner(seen: SessionInfo) -> str:
    return "no deployment" if is_lone(seen.mark) else seen.mark.partition("/")[0] or "somebody else"


def _ours_and_over(seen: SessionInfo, plan: Plan) -> bool:
    """Return whether a session is a dead one of an earlier run of this plan, which `up` removes."""
    return seen.over and _owner(seen).partition(".")[0] == plan.name
