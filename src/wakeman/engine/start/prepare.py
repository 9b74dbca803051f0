"""Reads a plan and everything that it refers to, and reports all faults at once."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote
from types import MappingProxyType

import msgspec
from msgspec import Struct

from wakeman.core.errors import PlanError, ProgramError, StorageError, UnknownNameError, UsageError, WakemanError
from wakeman.core.model import Agent, FileFingerprint, Host, Plan, Repository, Share, Unit
from wakeman.core.plan import shares as planning
from wakeman.core.plan.links import directories_above, find_links, whole_paths
from wakeman.core.plan.parser import encoding_fault, read_plan, with_plain_ends
from wakeman.core.plan.template import render
from wakeman.core.plan.validation import broken
from wakeman.core.policy import review
from wakeman.engine import layout
from wakeman.engine.attempt import confinement
from wakeman.engine.attempt.secrets import from_home
from wakeman.engine.directories import identified
from wakeman.engine.live import require_place
from wakeman.engine.runs import latest, next_name
from wakeman.engine.start.faults import (
    homeless_workers,
    misplaced_entries,
    place_faults,
    probable_mistakes,
    prompt_template,
    starting_places,
    too_long_names,
    unit_conflicts,
    unloggable_host,
    unwritable_outputs,
    world_faults,
)
from wakeman.engine.start.programs import at_once, memory_faults, program_faults
from wakeman.ports import OUT_BYTES_MAX, FoundProfiles, World

UNITS_COMMAND_TIMEOUT_S = 120.0
"""Seconds that `units.command` may take."""
_NOT_A_LIST = {
    "size": f"found more than {OUT_BYTES_MAX} bytes of output; expected at most that: print less, or use units.file",
    "open": "ended while a process that it left could still print; expected it to wait for what it starts",
    "": "found bytes that are not UTF-8 in its output; expected names that the log can hold",
}
"""Why the output of `units.command` is no list of units."""


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
        *unwritable_outputs(units),
        *too_long_names(units),
        *unit_conflicts(world, plan, root, units),
        *misplaced_entries(world, plan, root, units),
        *world_faults(world, plan, root),
        *homeless_workers(world, plan, root, shares),
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
        problems += unloggable_host(host) or place_faults(world, host, plan, shares)
    except PlanError as fault:
        problems += fault.problems
    except (UnknownNameError, UsageError) as fault:
        problems.append(str(fault))
    except ProgramError:
        if not problems:
            raise
    if problems:
        raise PlanError(_with_line_numbers(problems, text, where))
    prompt = prompt_template(world, plan, root)
    agents = _named_profiles(plan)
    profiles = world.agents(plan, root) if agents else FoundProfiles({})
    # In its own tree a worker finds the files of the base commit.
    named = [] if repository else [path for unit in units for path in unit.outputs]
    outputs = {whole: path for path, whole in whole_paths(root, named).items()}
    there = world.files.marks(outputs)
    existing = tuple(msgspec.structs.replace(mark, path=outputs[path]) for path, mark in there.items())
    mistakes = [*probable_mistakes(world, plan, prompt, shares, host)]
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
    places = {} if plan.workers.isolate == "worktree" else starting_places(plan, shares)
    known = {place: identified(world, posixpath.join(root, place)) for place in set(places.values())}
    return {name: known[place] for name, place in places.items() if known[place]}


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
