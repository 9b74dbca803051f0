"""Reads a plan and everything that it refers to, and reports all faults at once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from shlex import quote
from types import MappingProxyType

import msgspec
from msgspec import Struct

from wakeman.core.errors import PlanError, ProgramError, StorageError, UnknownNameError, UsageError, WakemanError
from wakeman.core.model import Agent, FileFingerprint, Host, Plan, Repository, Share, Unit, WorkersSpec
from wakeman.core.names import is_lone
from wakeman.core.plan import shares as planning
from wakeman.core.plan import telling
from wakeman.core.plan.conflicts import conflicts, used_paths
from wakeman.core.plan.doubts import plan_doubts
from wakeman.core.plan.links import directories_above, find_links, whole_paths
from wakeman.core.plan.parser import encoding_fault, read_plan, with_plain_ends
from wakeman.core.plan.template import nearest, render
from wakeman.core.plan.validation import broken
from wakeman.core.policy import review
from wakeman.engine import layout
from wakeman.engine.attempt import confinement
from wakeman.engine.attempt.secrets import from_home, variables
from wakeman.engine.directories import identified
from wakeman.engine.live import elsewhere, require_place
from wakeman.engine.neighbours import neighbours, with_whole_paths
from wakeman.engine.runs import latest, next_name, readable
from wakeman.engine.start.programs import at_once, memory_faults, program_faults
from wakeman.ports import OUT_BYTES_MAX, ClientVersion, Executor, FoundProfiles, Listing, SessionInfo, World

UNITS_COMMAND_TIMEOUT_S = 120.0
"""Seconds that `units.command` may take."""
PROFILE_BYTES_MAX = 24 * 1024
"""Bytes of an agent's profile, which the first line of the log keeps."""
_NOT_A_LIST = {
    "size": f"found more than {OUT_BYTES_MAX} bytes of output; expected at most that: print less, or use units.file",
    "open": "ended while a process that it left could still print; expected it to wait for what it starts",
    "": "found bytes that are not UTF-8 in its output; expected names that the log can hold",
}
"""Why the output of `units.command` is no list of units."""
FILE_NAME_BYTES_MAX = 255
"""Bytes of a file name at most, on usual file systems."""
CHAR_BYTES_MAX = 4
"""Bytes of a character in UTF-8 at most."""
LONG_NAME_CHARS_SHOWN = 60
"""Characters of a long name that an error shows."""


class PreparedPlan(Struct, frozen=True):
    """A valid plan: its units, its shares, and outputs that already exist."""

    plan: Plan
    text: str
    root: str
    units: tuple[Unit, ...]
    shares: tuple[Share, ...]
    existing: tuple[FileFingerprint, ...]
    prompt: str  # the prompt's template, read once, so that the recorded one is the one used
    host: Host  # resolved once, for the plan's first run; `directory` and `repository` are set when it begins
    repository: Repository | None = None
    links: Mapping[str, str] = {}  # directories above outputs that are symlinks, and where they lead
    notes: tuple[str, ...] = ()  # remarks that prevent nothing
    warnings: tuple[str, ...] = ()  # what prevents nothing, and is probably a mistake; each with its line
    agents: Mapping[str, Agent] = {}  # the profiles that its workers and reviewers get, read once, by name
    origins: Mapping[str, str] = {}  # where each of them comes from
    cwd_ids: Mapping[str, str] = {}  # by share: what tells the directory that its worker starts in from others
    at: datetime | None = None  # when the reading began
    outside: tuple[str, ...] = ()  # what would be moved from or to places outside the plan's directory
    faults: tuple[str, ...] = ()  # why nobody can be started with it here, each with its line
    agreed: tuple[str, ...] = ()  # what a person has agreed to, by `--yes`, now or for this very plan before
    at_once: int | None = None  # as the plan says, or as many as its place carries; None for all
    redoes: str = ""  # the deployment whose undone units these are; "" for one that begins with all of its plan's


def prepare_plan(
    world: World,
    text: str,
    where: str,
    root: str,
    stdin: Callable[[], str] = str,
    *,
    run_commands: bool = True,
    own: Mapping[str, str] = MappingProxyType({}),
    given: Sequence[Unit] = (),
) -> PreparedPlan:
    """Read a plan and everything it refers to; start nothing, write nothing.

    Shape: `root` is the absolute directory that its paths are relative to; `stdin` reads the lines of `file = "-"`, and
    is called only for such a plan; `own` are values of `[workers]` that count instead of the plan's; without
    `run_commands` a plan with `units.command` is refused, as nothing is to run; `given` are the units, instead of those
    that the plan finds. Raises: NotLiveError before all else if
    the deployment's directory is not one to begin in; PlanError with every fault; ProgramError if workers cannot be
    observed and everything else is valid.
    """
    at = world.clock.now()
    plan = _with_own(read_plan(text, where), own)
    _require_place(world, plan.name)
    if plan.units.command is not None and not run_commands and not given:
        words = " ".join(map(quote, plan.units.command))
        raise UsageError(f"{where}: units.command: not run, as nothing is started: {words}", "--run-commands runs it")
    try:
        units = tuple(given or planning.units(plan, _units_source(world, plan, root, stdin), root))
        shares = tuple(planning.shares(plan, units))
    except PlanError as fault:
        raise PlanError(_with_line_numbers(fault.problems, text, where)) from fault
    problems = [
        *_unwritable(units),
        *_too_long(units),
        *_conflicts(world, plan, root, units),
        *_misplaced_entries(world, plan, root, units),
        *_world_faults(world, plan, root),
        *_homeless(world, plan, root, shares),
        *memory_faults(world, plan),
        *confinement.confinement_faults(world, plan, root, where, shares),
    ]
    repository: Repository | None = None
    notes: tuple[str, ...] = ()
    if plan.workers.isolate == "worktree":
        from wakeman.engine.workspace.repository import survey

        repository, found, notes = survey(world, plan, root, units)
        problems += found
    try:
        host = world.host(plan, root, posixpath.join(world.state, plan.name))
        problems += _unloggable(host) or _misplaced(world, host, plan, shares)
    except PlanError as fault:
        problems += fault.problems
    except (UnknownNameError, UsageError) as fault:
        problems.append(str(fault))
    except ProgramError:
        if not problems:
            raise
    if problems:
        raise PlanError(_with_line_numbers(problems, text, where))
    prompt = _prompt_template(world, plan, root)
    agents = _named_profiles(plan)
    profiles = world.agents(plan, root) if agents else FoundProfiles({})
    # In its own tree a worker finds the files of the base commit.
    named = [] if repository else [path for unit in units for path in unit.outputs]
    outputs = {whole: path for path, whole in whole_paths(root, named).items()}
    there = world.files.marks(outputs)
    existing = tuple(msgspec.structs.replace(mark, path=outputs[path]) for path, mark in there.items())
    mistakes = [*_mistakes(world, plan, prompt, shares, host)]
    told = _with_line_numbers([*mistakes, *program_faults(world, plan, host)], text, where)
    return PreparedPlan(
        plan=plan,
        text=text,
        root=root,
        units=units,
        shares=shares,
        existing=existing,
        prompt=prompt,
        host=host,
        repository=repository,
        links={} if repository else _links(world, outputs),
        notes=(*notes, *profiles.notes),
        warnings=told[: len(mistakes)],
        agents={name: profiles.known[name] for name in agents if name in profiles.known},
        origins={name: profiles.origins.get(name, "") for name in agents if name in profiles.known},
        outside=tuple(_moves_outside(world, plan, root, shares)),
        faults=told[len(mistakes) :],
        at_once=at_once(world, plan, host, len(shares)),
        cwd_ids=_cwd_ids(world, plan, root, shares),
        at=at,
    )


def _require_place(world: World, name: str) -> None:
    """Raise NotLiveError if the next run of that name cannot begin in its directory; an open one has its own."""
    try:
        newest, there = latest(world, name)
    except WakemanError:  # of a log that cannot be read, which is told when it is needed
        return
    if there is None or there.outcome != "open":
        require_place(world, newest if there is None else next_name(newest))


def _links(world: World, outputs: Iterable[str]) -> Mapping[str, str]:
    return find_links(world.files.resolve(directories_above(outputs)))


def _named_profiles(plan: Plan) -> list[str]:
    """List the names of the profiles that workers and reviewers get."""
    named = {plan.workers.agent, plan.verify.agent if review.wanted(plan) else None}
    return sorted(filter(None, named))


def _cwd_ids(world: World, plan: Plan, root: str, shares: Sequence[Share]) -> dict[str, str]:
    """Return, by share, what tells the directory that its worker starts in from another that takes its place.

    Boundary: in a tree of its own, or in what `workers.before` may make anew, that is not known.
    """
    places = {} if plan.workers.isolate == "worktree" else _starting_places(plan, shares)
    known = {place: identified(world, posixpath.join(root, place)) for place in set(places.values())}
    return {name: known[place] for name, place in places.items() if known[place]}


def _prompt_template(world: World, plan: Plan, root: str) -> str:
    if plan.workers.prompt_file is None:
        return plan.workers.prompt
    return world.files.read(from_home(world, root, plan.workers.prompt_file)).decode("utf-8", "surrogateescape")


def _with_line_numbers(problems: Sequence[str], text: str, where: str) -> tuple[str, ...]:
    """Return each problem with file and line: of the key that it begins with, or of the nearest key above."""
    if not problems:
        return ()
    from wakeman.core.plan.key_positions import locate, spell

    lines = {spell(path): line for path, line in locate(with_plain_ends(text)).items()}
    return tuple(f"{where}{_line_suffix(lines, problem.partition(':')[0])}: {problem}" for problem in problems)


def _line_suffix(lines: Mapping[str, int], key: str) -> str:
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return f":{lines[key]}" if key else ""


def _units_source(world: World, plan: Plan, root: str, stdin: Callable[[], str]) -> Sequence[str]:
    """Return the content of the units' source. Raises: PlanError naming its key."""
    try:
        return _source_lines(world, plan, root, stdin)
    except (StorageError, UsageError) as fault:
        key = "glob" if plan.units.glob is not None else "file"
        raise PlanError((f"units.{key}: {fault}",)) from fault


def _source_lines(world: World, plan: Plan, root: str, stdin: Callable[[], str]) -> Sequence[str]:
    spec = plan.units
    if spec.glob is not None:
        patterns = (spec.glob,) if isinstance(spec.glob, str) else spec.glob
        return _outside_state(world, root, world.files.glob(root, patterns, spec.exclude))
    if spec.file == "-":
        return _lines(stdin(), "stdin")
    if spec.file is not None:
        data = world.files.read(from_home(world, root, spec.file))
        return _lines(data.decode("utf-8", "surrogateescape"), spec.file)
    if spec.command is not None:
        ran = world.machine.run(spec.command, cwd=root, env=world.machine.environ(), timeout=UNITS_COMMAND_TIMEOUT_S)
        if ran.code != 0:
            why = ran.error or ran.err.strip()[-300:] or f"exit status {ran.code}"
            raise PlanError((f"units.command: {spec.command[0]}: {why}",))
        if ran.cut or ran.inexact:
            raise PlanError((f"units.command: {spec.command[0]}: {_NOT_A_LIST[ran.cut]}",))
        return _lines(ran.out, spec.command[0])
    return ()


def _lines(text: str, source: str) -> Sequence[str]:
    """Return the lines of a list of units. Boundary: a line ends at a line feed only, as names may hold other signs."""
    fault = encoding_fault(text)
    if "UTF-16" in fault:
        raise UsageError(f"{source}:{fault}")
    return text.removeprefix("\ufeff").split("\n")


def _outside_state(world: World, root: str, paths: Sequence[str]) -> list[str]:
    """Leave out what lies in the state directory: what an earlier run has kept there is no work."""
    resolved = world.files.resolve([world.state, root])
    inside = layout.relative_within(resolved[world.state], resolved[root])
    return [path for path in paths if not inside or not f"{path}/".startswith(f"{inside}/")]


def _with_own(plan: Plan, own: Mapping[str, str]) -> Plan:
    """Return a plan with the caller's own values in `[workers]`. Raises: UsageError."""
    changed = msgspec.structs.replace(plan, workers=msgspec.structs.replace(plan.workers, **own)) if own else plan
    for problem in broken(changed, ()) if own else ():
        raise UsageError(f"--{problem.path[-1]}: {problem.text}")
    return changed


def _moves_outside(world: World, plan: Plan, root: str, shares: Sequence[Share]) -> Iterator[str]:
    """Yield the ends of moves that are not below the plan's directory."""
    names = [planning.worker_names(plan.name, share, "", "") for share in shares] if plan.cleanup.move else []
    for at, move in enumerate(plan.cleanup.move):
        ends = {render(end, each): None for each in names for end in (move.from_, move.to)}
        whole = {end: posixpath.join(root, end) for end in ends}
        resolved = world.files.resolve([root, *whole.values()])
        yield from (
            f"cleanup.move[{at}]: {end}"
            for end, path in whole.items()
            if not f"{resolved[path]}/".startswith(f"{resolved[root].rstrip('/')}/")
        )


def _unwritable(units: Sequence[Unit]) -> list[str]:
    """List units whose names or paths a log line cannot represent."""
    return [
        f"units: {unit.name!r}: found bytes that are not UTF-8; expected a name that the log can hold: rename the file"
        for unit in units
        if not all(map(_is_utf8, (unit.name, unit.input or "", *unit.names.values(), *unit.outputs, *unit.writes)))
    ]


def _unloggable(host: Host) -> list[str]:
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


def _too_long(units: Sequence[Unit]) -> list[str]:
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


def _conflicts(world: World, plan: Plan, root: str, units: Sequence[Unit]) -> list[str]:
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


def _misplaced_entries(world: World, plan: Plan, root: str, units: Sequence[Unit]) -> list[str]:
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


def _world_faults(world: World, plan: Plan, root: str) -> list[str]:
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


def _homeless(world: World, plan: Plan, root: str, shares: Sequence[Share]) -> list[str]:
    """List missing directories in which workers are to start.

    Boundary: `workers.before` may create them, so with it the launch reports them.
    """
    places = {place: name for name, place in _starting_places(plan, shares).items()}
    return [
        f"workers.cwd: found {place!r} for {name}; expected a directory that is there (workers.before may make it)"
        for place, name in places.items()
        if not world.files.is_directory(posixpath.normpath(posixpath.join(root, place)))
    ]


def _starting_places(plan: Plan, shares: Sequence[Share]) -> dict[str, str]:
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
        prompt = _prompt_template(world, plan, root)
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


def _mistakes(world: World, plan: Plan, prompt: str, shares: Sequence[Share], host: Host) -> Iterator[str]:
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


def _misplaced(world: World, host: Host, plan: Plan, shares: Sequence[Share]) -> list[str]:
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
