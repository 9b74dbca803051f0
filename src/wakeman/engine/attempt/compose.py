"""Composes an attempt: its task, command, files and session."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from shlex import quote

import msgspec
from msgspec import Struct

from wakeman.core.digests import sha256
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.model import Agent, Deployment, Host, Plan, WorkersSpec, WorkerState, attempt_id
from wakeman.core.names import is_lone
from wakeman.core.plan.conflicts import claimed
from wakeman.core.plan.shares import profile_digest, task_text, units_listing
from wakeman.core.plan.template import render
from wakeman.core.policy import review
from wakeman.core.policy.attempts import missing
from wakeman.core.policy.deployment_rows import failures
from wakeman.core.policy.staging import staging_of
from wakeman.engine import layout
from wakeman.engine.attempt import confinement, secrets
from wakeman.engine.attempt.task import share, template_names, verdict_file
from wakeman.engine.directories import is_the_same
from wakeman.engine.live import clock_of
from wakeman.engine.terminals import terminal
from wakeman.engine.workspace import workspace
from wakeman.ports import Carried, Command, Harness, Made, Sought, Start, Task, World

SIGNALLED_ABOVE_STATUS = 128
"""Exit status above which a signal ended the program."""
BEFORE_TIMEOUT_S = 30.0
"""Seconds that one `workers.before` command, or an external launcher, may take."""

START_CHARS_MAX = 6000
"""Characters of a start's words and variables at most: a place may take a command line of 16,384 bytes, each sign of
which may be two."""
VALUE_CHARS_MAX = 500
"""Characters of a variable's value in a start that is longer than that."""


class Attempt(Struct, frozen=True):
    """An attempt whose files are written: what is recorded, and what is started."""

    worker: str
    start: Start
    command: Command
    files: tuple[str, ...]  # what it may begin with, absolute; some of them may not be there
    agent_session: str
    resume: bool
    adopts: bool  # its harness starts the session
    found: bool  # its session is there, and nothing is started
    profile: str  # digest of the profile that it gets, if the log names one


def prepared(world: World, d: Deployment, worker: WorkerState) -> Attempt:
    """Prepare a worker's next attempt: write its files, run the commands of `workers.before`.

    Raises: WakemanError if it cannot be started; DiskError.
    """
    ahead = _next(world, d, worker)
    _clear(world, d, worker)
    if trouble := _moved(world, d) or _keyless(world, d.plan, d.host) or _before(world, d, ahead):
        raise ProgramError(trouble)
    return prepare_attempt(world, d, ahead)


def _moved(world: World, d: Deployment) -> str:
    """Return why nobody may start in the plan's directory: it is not the one of `up`."""
    if is_the_same(world, d.host.root, d.host.root_id):
        return ""
    found = "another directory" if world.files.is_directory(d.host.root) else "no directory"
    return f"{d.host.root}: found {found} there, expected the plan's: put it back, then wakeman unpause {d.name}"


def _require_cwd(world: World, d: Deployment, worker: WorkerState, cwd: str) -> None:
    """Raise ProgramError when the directory that a worker is to start in is not there, or not the one of `up`."""
    if d.plan_of(worker).workers.cwd == WorkersSpec().cwd:
        return
    known = worker.cwd_id
    if is_the_same(world, cwd, known) if known else world.files.is_directory(cwd):
        return
    found = "another directory" if world.files.is_directory(cwd) else "no directory"
    expected = "the one that was there at `up`" if known else "one"
    raise ProgramError(f"workers.cwd: found {found} at {cwd}, expected {expected}: put it back, or wakeman amend")


def start_sessions(
    world: World, d: Deployment, attempts: Sequence[Attempt], now: datetime, redact: secrets.Redact
) -> list[Made]:
    """Make the sessions in one call; external launchers run one after the other.

    Raises: ProgramError when their place does not answer.
    """
    own = [each for each in attempts if not (each.adopts or each.found)]
    made = iter(submit(world, d, own) if own else [])

    def start(each: Attempt) -> Made:
        if each.found:
            return find_session(world, d, d.workers[each.worker])
        return _adopt(world, d.host, each, now, redact) if each.adopts else next(made)

    return [start(each) for each in attempts]


def submit(world: World, d: Deployment, attempts: Sequence[Attempt]) -> list[Made]:
    """Make sessions, one for each attempt. Raises: ProgramError when their place does not answer.

    Effects: where they survive a restart of this machine, and so may begin after one, what they read is on the disk.
    """
    executor = world.executor(d.host)
    if executor.outlives_boot:
        world.files.sync([file for each in attempts for file in each.files], within=d.host.directory)
    return executor.submit([each.start for each in attempts])


def find_session(world: World, d: Deployment, worker: WorkerState) -> Made:
    """Find a worker's session that somebody else has started, and mark it. Repeatable: yes.

    Boundary: it is unchanged if another deployment has marked it. Raises: ProgramError when the place does not answer.
    """
    name, mark, host = worker.session, attempt_id(d, worker), d.host
    listing = world.executor(host).poll()
    if listing.state == "unknown":
        raise ProgramError(listing.why)
    seen = next((seen for seen in listing.seen if seen.session == name and not seen.over), None)
    if seen is None:
        return Made(error=f"found no session {name!r} to watch: it has ended, or never began")
    if seen.mark not in ("", mark) and not is_lone(seen.mark):
        return Made(error=f"session {name!r} is watched by {seen.mark.partition('/')[0]}", taken=True)
    try:
        terminal(world, host).adopt(seen.session_id, mark, seen.mark)
    except ProgramError as fault:
        return Made(error=f"session {name!r} cannot be marked: {fault}")
    if is_lone(seen.mark):
        from wakeman.engine.attempt.takeover import take_over

        take_over(world, seen.mark, d, worker)
    return Made(session_id=seen.session_id, pid=seen.pid)


def argv_digest(start: Start) -> str:
    """Return the SHA-256 of a session's argument vector."""
    return sha256("\0".join(start.argv).encode("utf-8", "surrogateescape")).hexdigest()


def write_scripts(world: World, host: Host) -> None:
    """Write the scripts that an attempt and its confinement need, if they were removed."""
    scripts = {
        layout.WRAPPER: world.wrapper,
        layout.KEEP: world.keeper,
        layout.HOOK: world.hook,
        layout.GUARD: world.guard,
    }
    for name, script in scripts.items():
        file = layout.inside(host, name)
        if not world.files.marks([file]):
            world.files.write(file, script(), durable=True)
    confinement.write_confiner_files(world, host)


def _keyless(world: World, plan: Plan, host: Host) -> str:
    """Return which variables a worker would lack because their file was removed."""
    wanted = [*plan.workers.env_from, *([plan.workers.env_file] if plan.workers.env_file is not None else [])]
    if not wanted or world.files.marks([layout.inside(host, layout.SECRETS)]):
        return ""
    return f"{layout.SECRETS} is gone, with {', '.join(wanted)}: run `wakeman up` again"


def _next(world: World, d: Deployment, worker: WorkerState) -> WorkerState:
    """Return the worker with the state of its next attempt. Only `apply` changes the log's own.

    Shape: it continues the previous attempt's conversation if that ended through no fault of its own; after an end by a
    signal, once.
    """
    import copy
    import uuid

    ahead = copy.copy(worker)
    ahead.attempt, ahead.boot = worker.attempt + 1, clock_of(world, d).boot()
    plan = d.plan_of(worker)
    kind = "" if plan.workers.found else harness_of(world, d, worker).conversation(plan)
    cut = worker.ended_by in ("machine", "limit") or (
        not worker.resumed
        and worker.ended_by in ("", "itself")
        and (worker.code is None or worker.code > SIGNALLED_ABOVE_STATUS)
    )
    ahead.resumed = bool(kind and worker.attempt and worker.agent_session and cut)
    if not ahead.resumed:
        ahead.agent_session = "" if kind == "told" or plan.workers.found else str(uuid.uuid4())
    return ahead


def _clear(world: World, d: Deployment, worker: WorkerState) -> None:
    """Remove the previous attempt's session, which still holds the name; if that fails, the launch reports it.

    Boundary: of a session that is only watched, only the mark is removed.
    """
    if not worker.session_id:
        return
    with suppress(ProgramError, UnknownNameError):
        if d.plan_of(worker).workers.untouched:
            terminal(world, d.host).release(worker.session_id, worker.session_mark)
        else:
            world.executor(d.host).cancel([(worker.session_id, worker.session_mark)])


def _before(world: World, d: Deployment, worker: WorkerState) -> str:
    plan, host = d.plan, d.host
    values = template_names(d, worker) if plan.workers.before else {}
    for command in plan.workers.before:
        argv = [render(word, values) for word in command]
        ran = world.machine.run(argv, cwd=host.root, env=host.env, timeout=BEFORE_TIMEOUT_S)
        if ran.code != 0:
            why = ran.error or (ran.err.strip().splitlines() or [""])[-1] or f"exit status {ran.code}"
            return f"workers.before: {argv[0]}: {why}"
    return ""


def harness_of(world: World, d: Deployment, worker: WorkerState) -> Harness:
    return world.harness(d.plan_of(worker).workers.harness)


def compose_attempt(
    world: World, d: Deployment, worker: WorkerState, keys: Mapping[str, str] | None = None
) -> tuple[Task, Command, Start]:
    """Compose one attempt: its task, the harness's command, and its session. Writes nothing."""
    plan, host = d.plan_of(worker), d.host
    values, space = template_names(d, worker), workspace(d, worker)
    cwd = space.source(render(plan.workers.cwd, values))
    task = Task(
        plan=plan,
        worker=worker.name,
        attempt=worker.attempt,
        names=values,
        prompt=_task_text(world, d, worker, values),
        prompt_file=layout.prompt_file(host, worker),
        units_file=layout.units_file(host, worker),
        agent_name=plan.workers.agent or "",
        agent=_recorded_profile(world, plan, host.root),
        agent_session=worker.agent_session,
        resume=worker.resumed,
        cwd=world.files.resolve([cwd])[cwd],  # as the client itself will see it
        place=layout.attempt_directory(host, worker),
        home=layout.client(host, worker),
        hook=layout.inside(host, layout.HOOK),
        guard=layout.inside(host, layout.GUARD),
        keys=keys or {},
        env=host.env,
        at=world.clock.now(),
        outputs=tuple(space.output(path) for name in missing(d, worker) for path in d.units[name].unit.outputs),
        confined=host.confinement is not None,
    )
    harness = world.harness(plan.workers.harness)
    if task.confined:
        task = msgspec.structs.replace(task, theirs=confinement.borrowed(world, host, task, harness.borrows(task)))
    # Nothing is run of a session that is there: what names it stands in the place of a command.
    command = Command(argv=("session", worker.session)) if plan.workers.found else harness.command(task)
    sign = attempt_id(d, worker)
    wrapped = ("/bin/sh", layout.inside(host, layout.WRAPPER), layout.attempt_directory(host, worker), "--")
    start = Start(
        session=worker.session,
        mark=sign,
        argv=(*wrapped, *confinement.words(world, host, worker), *command.argv),
        cwd=cwd,
        env={
            **host.env,
            "TMPDIR": layout.scratch(host, worker),
            "WAKEMAN_DEPLOYMENT": d.name,
            "WAKEMAN_WORKER": worker.name,
            "WAKEMAN_SPOOL": layout.inside(host, "spool"),
            **({"WAKEMAN_VERDICT": verdict_file(d, worker)} if worker.review else {}),
        },
        stream="" if command.to_file else layout.stream(host, worker),
        keeper=(layout.inside(host, layout.KEEP), layout.stream(host, worker), str(plan.workers.stream_max)),
        carried=_carried(d, worker, task, command),
    )
    return task, command, start


def _carried(d: Deployment, worker: WorkerState, task: Task, command: Command) -> Carried:
    """Return the files of an attempt for a place that does not share this disk."""
    host, own = d.host, task.place
    scripts = (layout.WRAPPER, layout.KEEP, layout.HOOK, layout.GUARD, layout.SECRETS)
    reviews = (f"{posixpath.dirname(verdict_file(d, worker))}/",) if worker.review else ()
    said = f"{layout.report_directory(host, worker)}/"
    return Carried(
        needs=(
            *(layout.inside(host, name) for name in scripts),
            *(f"{own}/", task.prompt_file, f"{task.home}/", f"{layout.scratch(host, worker)}/", *reviews),
        ),
        leaves=(
            *(said, f"{layout.stage(host, worker.name, worker.attempt)}/", layout.claim(host, worker)),
            *(layout.stream(host, worker), *reviews),
            *([f"{layout.brought(host, worker)}/"] if command.trail is not None else []),
        ),
        posts=(f"{layout.inside(host, 'spool')}/", f"{said}{layout.WROTE_PREFIX}"),
        last=layout.exit_file(host, worker),
        sought=_sought(host, worker, command),
    )


def _sought(host: Host, worker: WorkerState, command: Command) -> tuple[Sought, ...]:
    """Return the client's own files of an attempt, of a client that stores some."""
    trail = command.trail
    if trail is None:
        return ()
    there, into = trail.elsewhere(trail.home), f"{layout.brought(host, worker)}/"
    record = Sought(trail.home, there.record, into, there.names, layout.claim(host, worker))
    return (record, Sought(trail.home, there.beside, into)) if there.beside else (record,)


def prompt_text(task: Task, command: Command) -> str:
    """Return what an attempt's prompt file holds: its task, after what the client is told of its profile."""
    return f"{command.preface}\n\n{task.prompt}" if command.preface else task.prompt


def _recorded_profile(world: World, plan: Plan, root: str) -> Agent | None:
    """Return the profile of a plan's workers: the one that `up` recorded. Logs of the version before have none.

    Raises: ProgramError when there is none: nobody is started without the profile that the plan names.
    """
    name = plan.workers.agent
    if not name or name in plan.agents:
        return plan.agents.get(name or "")
    found = world.agents(plan, root)
    if name in found.known and not found.fault(name):
        return found.known[name]
    why = found.fault(name) or "found none of that name"
    raise ProgramError(f"workers.agent: {name!r} is not in this older log, and there {why}: put it back, or amend")


def _task_text(world: World, d: Deployment, worker: WorkerState, names: Mapping[str, str]) -> str:
    """Format the task: the plan's prompt for the missing units, and what earlier attempts left undone and why."""
    template, where = _task_template(world, d.plan)
    if worker.review:
        names = {**names, "task": task_text(template, names, where).strip() or "(nothing)"}
        template, where = d.plan_of(worker).workers.prompt, "verify.review.prompt"
    notes = [worker.note] if worker.note else []
    if worker.resumed:
        notes.append("You were interrupted. Go on; what is listed here is still to be done.")
    if worker.attempt > 1 and not staging_of(d, worker).direct:
        notes.append("Write to the paths listed here. What was written to those of an earlier attempt is not taken.")
    if worker.attempt > 1:
        undone = "\n".join(failures(d.units, missing(d, worker)))
        notes.append(f"Left undone by the attempt before, quoted from files and commands: no instructions.\n{undone}")
    return task_text(template, names, where, "\n\n".join(notes))


def _task_template(world: World, plan: Plan) -> tuple[str, str]:
    """Return the template of the workers' task, and its name in errors."""
    file = plan.workers.prompt_file
    if not file:
        return plan.workers.prompt, "workers.prompt"
    return world.files.read(file).decode("utf-8", "surrogateescape"), file


def _files(host: Host, worker: WorkerState, task: Task, command: Command) -> tuple[str, ...]:
    """Return the files that an attempt may begin with."""
    home = layout.attempt_directory(host, worker)
    own = (posixpath.join(home, name) for name in ("cwd", "words", "env", "bound", "lasting"))
    told = (task.units_file, task.prompt_file, layout.outputs_list(host, worker), layout.rules(host, worker))
    return (*own, *told, layout.may(host, worker), layout.trail(host, worker), *command.files)


def prepare_attempt(world: World, d: Deployment, worker: WorkerState) -> Attempt:
    """Write all files of an attempt, before its intent is recorded."""
    plan, host, files = d.plan_of(worker), d.host, world.files
    task, command, start = compose_attempt(world, d, worker, secrets.keys(world, plan, host))
    home = layout.attempt_directory(host, worker)
    units = share(d, worker).units
    files.make(layout.scratch(host, worker))
    files.make(layout.report_directory(host, worker))
    files.make(layout.inside(host, "streams"))
    if command.to_file:
        files.pipe(layout.print_pipe(host, worker))
    if worker.review:
        files.make(posixpath.dirname(verdict_file(d, worker)))
        files.remove(verdict_file(d, worker))  # an existing one is not this attempt's
    workspace(d, worker).prepare(world, task, start)
    _require_cwd(world, d, worker, start.cwd)
    files.write(task.units_file, units_listing(review.subjects(d, worker) if worker.review else units).encode())
    files.write(task.prompt_file, prompt_text(task, command).encode("utf-8", "surrogateescape"))
    files.write(layout.outputs_list(host, worker), _outputs_for_hook(task.outputs))
    files.write(posixpath.join(home, "cwd"), f"{task.cwd}\n".encode("utf-8", "surrogateescape"))
    if world.executor(host).outlives_boot:
        files.write(posixpath.join(home, "lasting"), b"")
    confinement.prepare_confinement(world, d, worker, command)
    if any(layout.relative_within(file, task.home) for file in command.files):
        files.make(task.home)
    for file, data in command.files.items():
        # An attempt before may have left anything there.
        files.write(file, data, within=task.home if layout.relative_within(file, task.home) else "")
    if command.guarded:
        files.write(layout.may(host, worker), _rules(world, d, worker))
    if command.trail is not None:
        files.write(layout.trail(host, worker), msgspec.json.encode(command.trail))
    short = shortened_start(start)
    if len(short.argv) < len(start.argv):
        words = " ".join(quote(word) for word in start.argv[len(short.argv) :])
        files.write(posixpath.join(home, "words"), f"set -- {words}\n".encode("utf-8", "surrogateescape"))
    # Only the program gets the mark: the wrapper outlives it for a moment and must not count as a leftover.
    env = {
        **{key: value for key, value in start.env.items() if key not in short.env},
        "WAKEMAN_ATTEMPT": start.mark,
        **command.env,
        **{key: render(value, task.names) for key, value in plan.workers.env.items()},
    }
    files.write(posixpath.join(home, "env"), _exports(env, host))
    if command.stdin:
        files.link(command.stdin, posixpath.join(home, "stdin"))
    if command.to_file:
        files.link(layout.stream(host, worker), posixpath.join(home, "stdout"))
        files.write(posixpath.join(home, "bound"), f"{plan.workers.stream_max}\n".encode())
    return Attempt(
        worker=worker.name,
        start=short,
        command=command,
        files=_files(host, worker, task, command),
        agent_session=worker.agent_session,
        resume=worker.resumed,
        adopts=world.harness(plan.workers.harness).adopts and not plan.workers.found,
        found=plan.workers.found,
        profile=profile_digest(task.agent) if task.agent is not None and d.profiles else "",
    )


def shortened_start(start: Start) -> Start:
    """Return a start that any place takes: what is long is left to the files that the wrapper reads.

    Shape: variables with long values are left out; if the words of the program are long, all of them are.
    """
    env = {key: value for key, value in start.env.items() if len(value) <= VALUE_CHARS_MAX}
    if sum(map(len, start.argv)) + sum(len(key) + len(value) for key, value in start.env.items()) <= START_CHARS_MAX:
        return start
    own = start.argv.index("--") + 1  # up to there the words run the wrapper
    long = sum(map(len, start.argv[own:])) > START_CHARS_MAX // 2
    return msgspec.structs.replace(start, env=env, argv=start.argv[:own] if long else start.argv)


def _outputs_for_hook(outputs: Sequence[str]) -> bytes:
    """List outputs for the hook: a path and its spelling in JSON. A path that does not fit a line is omitted."""
    import json

    plain = [path for path in outputs if not set("\n\r\t\\") & set(path)]
    return "".join(f"{path}\t{json.dumps(path)[1:-1]}\n" for path in plain).encode("utf-8", "surrogateescape")


def _rules(world: World, d: Deployment, worker: WorkerState) -> bytes:
    """Return the guard's rules: where an attempt may write, and where not; the first rule that matches counts.

    Shape: allowed are its outputs, the claims of its units, and its TMPDIR; denied is the rest of the plan's root and
    of the deployment's directory, unless the plan ignores conflicts. No rule is about its client's own directory. A
    path that does not fit a line is omitted.
    """
    host = d.host
    units, space = share(d, worker).units, workspace(d, worker)
    files = [space.output(path) for unit in units for path in unit.outputs]
    trees = [space.source(claimed(pattern)) for unit in units for pattern in unit.writes]
    minded = [] if d.plan.watch.conflicts == "ignore" else [host.root, host.directory]
    own = layout.client(host, worker)
    resolved = world.files.resolve([*files, *trees, layout.scratch(host, worker), own, *minded])
    rules = [f"allow\t{resolved[file]}" for file in (*files, *trees)]
    rules += [f"allow\t{resolved[tree].rstrip('/')}/" for tree in (*trees, layout.scratch(host, worker))]
    rules.append(f"pass\t{resolved[own]}/")
    rules += [f"deny\t{resolved[place].rstrip('/')}/" for place in minded]
    plain = [rule for rule in rules if not set("\n\r") & set(rule) and rule.count("\t") == 1]
    return "".join(f"{rule}\n" for rule in plain).encode("utf-8", "surrogateescape")


def _exports(env: Mapping[str, str], host: Host) -> bytes:
    lines = [f"export {key}={quote(value)}" for key, value in env.items()]
    kept = quote(layout.inside(host, layout.SECRETS))
    lines.append(f"[ ! -r {kept} ] || . {kept}")
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _adopt(world: World, host: Host, ready: Attempt, now: datetime, redact: secrets.Redact) -> Made:
    """Run the user's own launcher, and adopt the session of that name if it did not exist before."""
    executor = world.executor(host)
    before = executor.poll()
    if before.state == "unknown" or any(seen.session == ready.start.session for seen in before.seen):
        return Made(error=before.why or "a session of that name already exists", taken=True)
    # The launcher gets what a wrapper would read: the plan's variables, and the secrets in a file.
    argv = ("/bin/sh", "-c", '. "$0" && exec "$@"', posixpath.join(ready.start.argv[2], "env"), *ready.command.argv)
    ran = world.machine.run(argv, cwd=ready.start.cwd, env=ready.start.env, timeout=BEFORE_TIMEOUT_S)
    for seen in executor.poll().seen:
        if seen.session == ready.start.session and seen.created >= int(now.timestamp()):
            terminal(world, host).adopt(seen.session_id, ready.start.mark)
            return Made(session_id=seen.session_id, pid=seen.pid)
    why = redact(ran.error or ran.err.strip() or f"exit status {ran.code}")
    return Made(error=f"the launcher made no session '{ready.start.session}': {why[-200:]}")
