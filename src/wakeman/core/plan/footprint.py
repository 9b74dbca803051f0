"""What a plan runs, what it writes and moves, and which variables change what is run: everything but its work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from wakeman.core.model import Plan
from wakeman.core.model.plan import DEFAULT_EXECUTOR
from wakeman.core.names import branch, merged
from wakeman.core.policy import review

News = Literal["new", "changed", ""]
"""Whether something is there for the first time, is another than in the plan's last deployment, or is the same."""

_STEERING = re.compile(
    r"PATH|LD_.*|DYLD_.*|PYTHON.*|NODE_.*|PERL5.*|RUBY.*|JAVA_.*|_JAVA_OPTIONS|BASH_ENV|ENV|IFS|SHELL|EDITOR|VISUAL|PAGER"
    r"|GIT_.*|HOME|XDG_.*|TMPDIR|SSH_.*|.*_PROXY|.*_proxy|npm_config_.*|CLAUDE_CONFIG_DIR|CODEX_HOME|.*_BASE_URL"
)
"""Variables that change which code a program runs, or whom it talks to."""


class ProgramUse(Struct, frozen=True):
    """One program that a plan names: the key, its words as templates, and when it is run."""

    key: str
    argv: tuple[str, ...]
    when: str


SENT = "is sent to each host of ssh.hosts, where it replaces what lies at that path"


class PathUse(Struct, frozen=True):
    """One path, or pattern, that a plan writes, moves or ends, beside its outputs."""

    key: str
    path: str
    what: str


def named_programs(plan: Plan) -> list[ProgramUse]:
    """List every program of a plan's own, in the order of a night."""
    return list(_uses(plan))


def _uses(plan: Plan) -> Iterator[ProgramUse]:
    workers, spec = plan.workers, plan.verify.review
    if plan.units.command is not None:
        yield ProgramUse("units.command", plan.units.command, "once, at `up`")
    for at, argv in enumerate(workers.before):
        yield ProgramUse(f"workers.before[{at}]", argv, "before each launch")
    for at, argv in enumerate(workers.setup):
        yield ProgramUse(f"workers.setup[{at}]", argv, "once in each work tree")
    if workers.command:
        yield ProgramUse("workers.command", (*workers.command, *workers.args), "each attempt")
    elif not workers.found:
        yield ProgramUse("workers.harness", (workers.harness, *workers.args), "each attempt")
    if plan.verify.command:
        yield ProgramUse("verify.command", plan.verify.command, "for each unit that passes otherwise")
    if review.wanted(plan):
        key = "verify.review.command" if spec.command else "verify.review.harness"
        argv = spec.command or (review.harness(plan),)
        yield ProgramUse(key, (*argv, *(spec.args or ())), "before the wrap-up")
    for at, target in enumerate(plan.wake.to):
        if target.run:
            yield ProgramUse(f"wake.to[{at}].run", target.run, "at each notice")


def other_paths(plan: Plan) -> list[PathUse]:
    """List what a plan writes, moves or ends, beside the outputs of its units."""
    found = [PathUse("units.writes", pattern, "may be written") for pattern in plan.units.writes]
    found += [PathUse("workers.confine_also", path, "may be written") for path in plan.workers.confine_also]
    for at, move in enumerate(plan.cleanup.move):
        found.append(PathUse(f"cleanup.move[{at}]", f"{move.from_} -> {move.to}", "is moved"))
    for at, sweep in enumerate(plan.cleanup.sweep):
        found.append(PathUse(f"cleanup.sweep[{at}]", sweep.sessions, "sessions of workers that are ended"))
    found += [PathUse(f"ssh.send[{at}]", path, SENT) for at, path in enumerate(plan.ssh.send)]
    found += _receivers_used(plan)
    return found


def own_paths(plan: Plan, name: str, directory: str, place: str) -> list[PathUse]:
    """List what a run of a plan makes for itself: `directory` is its own, `place` where its workers run."""
    workers = plan.workers
    found = [PathUse("state directory", f"{directory}/", "is made: the log, what workers print, their TMPDIR")]
    found.append(PathUse("workers.prompt", f"{directory}/prompts/WORKER.ATTEMPT.md", "task files"))
    where = "workers.socket" if workers.executor == DEFAULT_EXECUTOR else "workers.executor"
    found.append(PathUse(where, place, "where workers run"))
    if workers.stage:
        stage = f"{directory}/attempts/WORKER.ATTEMPT/stage/"
        found.append(PathUse("workers.stage", stage, "outputs are made there, and moved to their places"))
    if workers.isolate == "worktree":
        found.append(PathUse("workers.isolate", f"{directory}/trees/WORKER/", "work trees, removed by `wakeman clean`"))
        found.append(PathUse("workers.isolate", branch(name, "WORKER"), "branches, which stay"))
        found.append(PathUse("workers.isolate", merged(name), "branch that `wakeman merge` makes"))
    return found


def _receivers_used(plan: Plan) -> Iterator[PathUse]:
    for at, target in enumerate(plan.wake.to):
        key = f"wake.to[{at}]"
        if target.session:
            yield PathUse(f"{key}.{target.key}", target.session, "session that notices are typed into")
        if target.leaves_machine:
            words = ", and the last words of workers" if target.share == "words" else ""
            asks = ", what their dialogs ask, and the choices" if words and target.answers_file else ""
            what = f"leaves this machine at each notice: causes, counts, names of workers, units and files{words}{asks}"
            yield PathUse(f"{key}.{target.key}", target.address or target.apprise, what)
        if target.secret_file:
            yield PathUse(f"{key}.secret_file", target.secret_file, "is read at each notice, to sign or to log in")
        if target.apprise:
            yield PathUse(
                f"{key}.apprise", target.apprise, "is read at each notice: where that goes, with what logs in"
            )
        if target.desktop:
            yield PathUse(f"{key}.desktop", "notify-send", "shows notices on this machine's desktop")
        if target.answers_file:
            what = "names the topic by which answers come back: they act on this deployment; buttons carry its address"
            yield PathUse(f"{key}.answers_file", target.answers_file, what)


def steering(variables: Mapping[str, str]) -> dict[str, str]:
    """Return those variables that change which code a program runs, or whom it talks to."""
    return {name: value for name, value in variables.items() if _STEERING.fullmatch(name)}


def news(key: str, value: Sequence[str] | str, known: Mapping[str, Sequence[str] | str] | None) -> News:
    """Return what is new about a value, by those that the last deployment had; None without one."""
    if known is None or key not in known:
        return "new"
    return "" if known[key] == value else "changed"
