"""A person's actions on a deployment: each is a recorded request, then a check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from wakeman.api import deeds
from wakeman.api.answer import Answer, Value
from wakeman.api.deeds import Acted, acted
from wakeman.api.names import Chosen, named, sole, workers_meant
from wakeman.api.trash import place_for
from wakeman.core.errors import NeedsPersonError, UsageError
from wakeman.core.model import Deployment, Dialog, WakeTarget, WorkerState
from wakeman.core.policy.dialogs import Permission
from wakeman.core.text import time_span
from wakeman.engine import answers, requests
from wakeman.engine.answers import NOBODY, Asker
from wakeman.engine.effects.close import bury
from wakeman.engine.live import hold, require
from wakeman.engine.wait import wait
from wakeman.engine.workspace import repository
from wakeman.ports import CopyingExecutor, World

Pause = Callable[[float], None]
"""Sleeps for some seconds."""

DOWN_WAIT_S = 10.0
"""Seconds that `down` waits for the workers to end."""
DOWN_PUSH_S = 1.0
"""Seconds between the checks of `down` meanwhile."""


class Sent(Value, frozen=True, kw_only=True):
    """Text that was typed into a session."""

    target: Annotated[str, Meta(description="`DEPLOYMENT/WORKER`, or `tmux:SESSION` as it was given.")]
    arrived: Annotated[
        Literal[True] | UnsetType, Meta(description="With `--wait`: whether it arrived; absent otherwise.")
    ] = UNSET


class SentAll(Value, frozen=True, kw_only=True):
    """Text that was typed into the sessions of several workers."""

    sent: Annotated[tuple[Sent, ...], Meta(description="Who got it.")]
    refused: Annotated[
        Mapping[str, str], Meta(description="Who did not get it, or does not seem to, each with the reason.")
    ]


class Cleaned(Value, frozen=True, kw_only=True):
    """A deployment that was moved to the trash."""

    deployment: Annotated[str, Meta(description="Name of the run.")]
    moved_to: Annotated[
        str, Meta(description='New absolute path of its directory; "" if it stays, as hosts still have copies.')
    ]
    trees: Annotated[Mapping[str, str], Meta(description="Work trees that were kept, each with the reason.")]
    branches: Annotated[
        Mapping[str, str] | UnsetType,
        Meta(description="With `--branches`: branches that were kept, each with the reason; absent otherwise."),
    ] = UNSET
    hosts: Annotated[
        Mapping[str, str] | UnsetType,
        Meta(description="Hosts that still have copies of files, each with the reason; absent if none has."),
    ] = UNSET


class CleanedAll(Value, frozen=True, kw_only=True):
    """Several deployments that were moved to the trash."""

    cleaned: Annotated[tuple[Cleaned, ...], Meta(description="Each of them, in the order of their names.")]


class SweptSession(Value, frozen=True, kw_only=True):
    """A session that matches the pattern and the age."""

    session: Annotated[str, Meta(description="Its name.")]
    age: Annotated[int, Meta(description="Seconds since it was made.")]


class Swept(Value, frozen=True, kw_only=True):
    """Old sessions of a pattern."""

    deployment: Annotated[str, Meta(description="Name of the run whose log has it.")]
    ended: Annotated[bool, Meta(description="Whether they were ended; without `--yes` they are only listed.")]
    sessions: Annotated[tuple[SweptSession, ...], Meta(description="The sessions.")]


# --- workers --------------------------------------------------------------------------------------------------


def type_into(world: World, session: str, text: str, *, submit: bool, force: bool) -> Answer[Sent]:
    """Type text into a tmux session of no worker: `SESSION`, or `SOCKET:SESSION`."""
    requests.deliver_text(world, WakeTarget(tmux=session, submit=submit, force=force), text, "")
    return Answer(Sent(target=f"tmux:{session}"))


def send(
    world: World, worker: str, text: str, *, submit: bool, force: bool, raw: bool, pause: Pause | None = None
) -> Answer[Sent]:
    """Type text into a worker's session; with `pause`, wait until it is known whether a submitted one has arrived.

    Raises: NeedsPersonError when it was not typed, or not confirmed.
    """
    deployment, name = requests.find_worker(world, worker)
    requests.send(world, deployment, name, text, submit=submit, force=force, raw=raw)
    target = f"{deployment}/{name}"
    following = (f"wakeman capture {target}",)
    if pause is None or not submit:
        return Answer(Sent(target=target), following)
    if why := requests.wait_until_confirmed(world, deployment, name, pause):
        raise NeedsPersonError(f"{target}: not confirmed: {why}", f"wakeman attach {target}")
    return Answer(Sent(target=target, arrived=True), following)


def dialog_shown(world: World, worker: str) -> Dialog:
    """Return what a worker's dialog asks now, so that a person sees what an answer is to. Raises: UsageError."""
    return answers.asked_now(world, *requests.find_worker(world, worker))


def approve(world: World, worker: str, wanted: Permission, *, seen: str = "", asker: Asker = NOBODY) -> Answer[Acted]:
    """Give a permission that a worker asks, once or always, or deny it; `seen` is the question's fingerprint.

    Raises: UsageError when none is asked, or that is not offered; NeedsPersonError when another question is shown, or
    the answer was not seen to be taken.
    """
    deployment, name = requests.find_worker(world, worker)
    given = answers.approve(world, deployment, name, wanted, seen=seen, asker=asker)
    verb = "denied" if wanted == "deny" else f"approved {wanted}"
    return acted(world, given.deployment, [deeds.answered(given.deployment, name, verb, given)])


def answer(
    world: World, worker: str, text: str, *, seen: str = "", asker: Asker = NOBODY, pause: Pause | None = None
) -> Answer[Acted]:
    """Answer what a worker asks, in a dialog or in its last words; with `pause`, wait until a typed answer has arrived.

    Raises: as `approve`.
    """
    deployment, name = requests.find_worker(world, worker)
    given = answers.answer(world, deployment, name, text, seen=seen, asker=asker)
    d, target = given.deployment, f"{deployment}/{name}"
    if given.typed and pause is not None:
        if why := requests.wait_until_confirmed(world, deployment, name, pause):
            raise NeedsPersonError(f"{target}: not confirmed: {why}", f"wakeman attach {target}")
        d = world.logs.read(deployment)
    return acted(world, d, [deeds.answered(d, name, "answered", given)])


def send_all(
    world: World, chosen: Chosen, text: str, *, submit: bool, force: bool, raw: bool, pause: Pause | None = None
) -> Answer[SentAll]:
    """Type text into the sessions of several workers; who does not take it keeps no other from it."""
    deployment, names = workers_meant(world, "send", chosen, lambda _, worker: worker.live)
    sent, refused = [], dict[str, str]()
    for name in names:
        try:
            requests.send(world, deployment, name, text, submit=submit, force=force, raw=raw)
            sent.append(name)
        except (NeedsPersonError, UsageError) as fault:
            refused[name] = str(fault).removeprefix(f"{deployment}/{name}: ")
    if pause is not None and submit:
        found = {name: requests.wait_until_confirmed(world, deployment, name, pause) for name in sent}
        refused |= {name: f"not confirmed: {why}" for name, why in found.items() if why}
        sent = [name for name in sent if not found[name]]
    known: Literal[True] | UnsetType = True if pause is not None and submit else UNSET
    data = SentAll(
        sent=tuple(Sent(target=f"{deployment}/{name}", arrived=known) for name in sent),
        refused={f"{deployment}/{name}": why for name, why in refused.items()},
    )
    following = tuple(f"wakeman attach {target}" for target in list(data.refused)[:1]) or (
        f"wakeman wait {deployment}",
    )
    return Answer(data, following, ok=not refused, code=NeedsPersonError.code if refused else 0)


def stop(world: World, chosen: Chosen, *, keep: bool) -> Answer[Acted]:
    """End workers; with `keep`, no cleanup worker gets their undone units."""
    deployment, names = workers_meant(world, "stop", chosen, lambda _, w: not w.ended or bool(w.intent))
    before = world.logs.read(deployment)
    d = requests.stop(world, deployment, names, keep=keep)
    return acted(world, d, (deeds.stopped(before, d, name, keep=keep) for name in names))


def retry(world: World, chosen: Chosen, units: tuple[str, ...] = (), note: str = "") -> Answer[Acted]:
    """Start another attempt of workers for what is missing."""
    deployment, names = workers_meant(world, "retry", chosen, lambda d, w: not _unretriable(d, w))
    before = world.logs.read(deployment)
    require(world, deployment, before)
    for name in names:
        if why := _unretriable(before, before.workers[name]):
            raise why
    d = requests.retry(world, deployment, names, units, note)
    return acted(world, d, (deeds.retried(before, d, name, note) for name in names))


def _unretriable(d: Deployment, worker: WorkerState) -> UsageError | None:
    """Return why no other attempt of a worker is started: it works, it was never launched, or nothing is missing."""
    target = f"{d.name}/{worker.name}"
    if worker.state in ("launched", "running") and not (worker.stop or worker.ending or worker.ends):
        seen = f", sign of life {time_span(d.mono - worker.life_mono, fine=True)} ago" if worker.life else ""
        return UsageError(
            f"{target} is {worker.state} (attempt {worker.attempt}{seen}): nothing to retry",
            f"to begin again: wakeman stop {target}, then wakeman retry {target}",
        )
    try:
        requests.require_retriable(d, worker)
    except UsageError as fault:
        return fault
    return None


# --- units ----------------------------------------------------------------------------------------------------


def judge(
    world: World, verb: Literal["waive", "reject"], units: tuple[str, ...], why: str, deployment: str | None
) -> Answer[Acted]:
    """Count units as done, or reopen them; without a deployment, in the open one that has them."""
    name = sole(world, deployment, units)
    before = world.logs.read(name)
    d = requests.judge(world, name, verb, units, why)
    return acted(world, d, (deeds.judged(before, d, verb, unit, why) for unit in units))


# --- deployments ----------------------------------------------------------------------------------------------


def request(world: World, name: str, verb: Literal["accept", "pause", "unpause"]) -> Answer[Acted]:
    """Accept the held row; stop alarms and launches; or continue."""
    exact = named(world, name)
    before = world.logs.read(exact)
    d = requests.request(world, exact, verb)
    made = {
        "accept": lambda: deeds.accepted(before, d),
        "pause": lambda: deeds.paused(d),
        "unpause": lambda: deeds.unpaused(before, d),
    }
    return acted(world, d, [made[verb]()])


def lose(world: World, name: str, host: str) -> Answer[Acted]:
    """Take a host that does not come back for lost, and its workers with it."""
    exact = named(world, name)
    d, workers = requests.take_for_lost(world, exact, host)
    return acted(world, d, [deeds.lost(d, host, workers)])


def adopt(world: World, name: str) -> Answer[Acted]:
    """Make a deployment live here, after its disk was restored, its container started anew, or the registry lost."""
    d = requests.adopt(world, named(world, name))
    return acted(world, d, [deeds.adopted(d)])


def down(world: World, name: str, why: str, pause: Pause | None) -> Answer[Acted]:
    """End a deployment; with `pause`, wait some seconds for its workers to end."""
    exact = named(world, name)
    before = world.logs.read(exact)
    d = requests.request(world, exact, "down", why)
    if pause is not None and d.outcome == "open":
        d = wait(world, exact, "done", pause, timeout=DOWN_WAIT_S, push=DOWN_PUSH_S).deployment
    return acted(world, d, [deeds.downed(before, d)])


def clean(world: World, name: str, *, branches: bool = False, copies: bool = True) -> Answer[Cleaned]:
    """Move a closed deployment's directory to the trash; with `branches`, delete those that are merged, too.

    Shape: with `copies`, what hosts that share no files have of it is removed first; while one of them does not let
    that be done, it stays. Raises: UsageError while it is open.
    """
    return _binned(world, named(world, name), branches=branches, copies=copies)


def clean_all(world: World, names: Sequence[str], *, branches: bool = False, copies: bool = True) -> Answer[CleanedAll]:
    """Move several. Raises: UsageError while one of them is open; then none is moved."""
    exact = list(dict.fromkeys(named(world, name) for name in names))  # before one goes: NAME is its latest run
    for name in exact:
        _require_closed(world, name)
    done = [_binned(world, name, branches=branches, copies=copies) for name in exact]
    notes = tuple(note for each in done for note in each.notes)
    data = CleanedAll(cleaned=tuple(each.data for each in done))
    whole = all(each.ok for each in done)
    return Answer(data, ("wakeman status",), ok=whole, code=0 if whole else 1, notes=notes)


def _binned(world: World, exact: str, *, branches: bool, copies: bool) -> Answer[Cleaned]:
    d = _require_closed(world, exact)
    target = place_for(world, exact)
    bury(world, d)
    with hold(world, exact):  # no check is running
        executor = world.executor(d.host)
        if copies and isinstance(executor, CopyingExecutor) and (hosts := executor.forget()):
            return _staying(exact, hosts)
        left = repository.clear(world, d)
        stay = repository.drop_merged(world, d) if branches else {}
        where = world.files.move(f"{world.state}/{exact}", target)
        kept = {tree.replace(d.host.directory, where, 1): why for tree, why in left.items()}
        repository.repair_links(world, d, list(kept))
    world.registry.forget(f"{world.state}/{exact}")
    notes = tuple(f"{tree}: left as a work tree: {why}" for tree, why in kept.items())
    notes += tuple(f"branch {name}: left: {why}" for name, why in stay.items())
    data = Cleaned(deployment=exact, moved_to=where, trees=kept, branches=stay if branches else UNSET)
    return Answer(data, ("wakeman status",), notes=notes)


def _staying(exact: str, hosts: Mapping[str, str]) -> Answer[Cleaned]:
    """Answer that a deployment stays, as its directory knows what its hosts still have."""
    again = (f"wakeman clean {exact}", f"wakeman clean {exact} --leave-copies")
    notes = tuple(f"{host} still has copies of its files: {why}" for host, why in hosts.items())
    return Answer(Cleaned(deployment=exact, moved_to="", trees={}, hosts=hosts), again, ok=False, code=1, notes=notes)


def _require_closed(world: World, exact: str) -> Deployment:
    d = world.logs.read(exact)
    require(world, exact, d)
    if d.outcome == "open":
        raise UsageError(f"{exact} is open", f"wakeman down {exact}")
    return d


def sweep(
    world: World, pattern: str, older_than: float, deployment: str | None, *, end: bool, proposed: bool
) -> Answer[Swept]:
    """List old sessions of a pattern, and `end` them; `proposed`: suggest the command that would."""
    name = sole(world, deployment)
    found = requests.sweep(world, name, pattern, older_than, act=end)
    again = f"wakeman sweep '{pattern}' --older-than {older_than:g} --deployment {name} --yes"
    return Answer(
        Swept(
            deployment=name,
            ended=not proposed,
            sessions=tuple(SweptSession(session=session, age=round(age)) for session, age in found),
        ),
        (again,) if found and proposed else (),
    )
