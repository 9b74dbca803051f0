"""Resolves the name that a person gives to a deployment or a log."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.log.events import stamp
from wakeman.core.model import Deployment, WorkerState
from wakeman.core.policy import review
from wakeman.core.policy.deployment_rows import undone
from wakeman.engine.runs import latest_name, readable
from wakeman.ports import World

LIVE_LOG_NAME = "events.jsonl"
OTHER_SESSION = "tmux:"
"""Begins the name of a session that is no worker's: `tmux:SESSION`, `tmux:SERVER:SESSION`, as in `wake.to`."""
PROPOSALS_MAX = 10
"""Names at most that an error proposes."""


def named(world: World, name: str) -> str:
    """Return the exact name of a deployment: `NAME` is its latest run, `NAME.1` the first.

    Boundary: does not check that it exists.
    """
    base, _, run = name.partition(".")
    return latest_name(world, name) or name if not run else base if run == "1" else name


def only_one(world: World, verb: str, among: Literal["open", "closed", "any", "last"]) -> str:
    """Return the only deployment that a verb can be meant for, where none is named.

    Shape: `any` is the only open one or, if none is open, the only one; `last`, for verbs that only read, the only open
    one or, if none is open, the one that closed last. One whose log cannot be read may be open, if reading is meant.
    Raises: UnknownNameError when there is none; UsageError with the commands for each when there are several.
    """
    everything = readable(world)
    alive = [name for name, d in everything.items() if d.outcome == "open"]
    closed = [name for name in everything if name not in alive]
    if among == "last":
        alive += [name for name in world.logs.names() if name not in everything]
        closed = sorted(closed, key=lambda name: _closed_at(everything[name]))[-1:]
    fit = {"open": alive, "closed": closed}.get(among, alive or closed)
    which = f"{among} " if among in ("open", "closed") else ""
    if not fit:
        raise UnknownNameError(f"{verb}: no {which}deployment in {world.state}", "wakeman status")
    if len(fit) > 1:
        counts = f"{len(fit)} {which}deployments; expected the name of one:"
        shown = [
            (f"wakeman {verb} {typed(name, everything)}", _done_of(everything.get(name)))
            for name in fit[-PROPOSALS_MAX:][::-1]
        ]
        raise UsageError(f"{verb}: found {counts}", "wakeman status", shown)
    return fit[0]


def _closed_at(d: Deployment) -> str:
    """Return when a deployment was closed, as a text that sorts."""
    moment = d.ended or d.at
    return stamp(moment) if moment is not None else ""


class Chosen(Struct, frozen=True):
    """Workers that a verb is for: by name, all of a deployment, those in a state, or those that need what one needs."""

    words: Sequence[str] = ()
    all_: bool = False
    only: Collection[str] = ()
    like: str = ""

    @property
    def single(self) -> bool:
        """Return whether it is one worker, by its name."""
        return len(self.words) == 1 and not (self.all_ or self.only or self.like)


def workers_meant(
    world: World, verb: str, chosen: Chosen, able: Callable[[Deployment, WorkerState], bool]
) -> tuple[str, list[str]]:
    """Return the deployment, and its workers that are meant.

    Shape: of those that are not named, only those that are `able`. Raises: UnknownNameError when there is none;
    UsageError when none is named, when a deployment stands where a worker is meant, or for workers of several.
    """
    words, all_, only = chosen.words, chosen.all_, chosen.only
    if chosen.like:
        return _alike(world, verb, chosen, able)
    if not all_ and not only:
        if not words:
            expected = "one by name, --all, --only STATE or --like WORKER"
            raise UsageError(f"{verb}: found no worker; expected {expected}", "wakeman status")
        for word in words:
            _require_no_deployment(world, verb, word)
        from wakeman.engine.requests import find_worker

        found = [find_worker(world, word) for word in words]
        if len({deployment for deployment, _ in found}) > 1:
            apart = " and ".join(dict.fromkeys(deployment for deployment, _ in found))
            raise UsageError(f"{verb}: found workers of {apart}, expected those of one deployment", "wakeman status")
        return found[0][0], list(dict.fromkeys(name for _, name in found))
    if len(words) > 1 or any("/" in word for word in words):
        expected = "at most the name of a deployment beside --all or --only"
        raise UsageError(f"{verb}: found {' '.join(words)}, expected {expected}", "wakeman status")
    deployment = named(world, words[0]) if words else only_one(world, verb, "open")
    d = world.logs.read(deployment)
    names = [w.name for w in d.workers.values() if (not only or w.state in only) and able(d, w)]
    if not names:
        which = f" {' or '.join(only)} worker" if only else " worker"
        raise UnknownNameError(f"{verb}: {deployment} has no{which} to {verb}", f"wakeman status {deployment}")
    return deployment, names


def _alike(
    world: World, verb: str, chosen: Chosen, able: Callable[[Deployment, WorkerState], bool]
) -> tuple[str, list[str]]:
    """Return the workers that need a person for the same cause, in the same words, as one of them."""
    from wakeman.core.policy.needs import needs
    from wakeman.engine.requests import find_worker

    if chosen.words or chosen.all_ or chosen.only:
        raise UsageError(f"{verb}: found more than --like {chosen.like}; expected it on its own", "wakeman status")
    deployment, name = find_worker(world, chosen.like)
    d = world.logs.read(deployment)
    group = next((each.workers for each in needs(d, world.clock.now()) if name in each.workers), ())
    if not group:
        raise UsageError(f"{deployment}/{name} needs nobody now: it is {d.workers[name].state}", "wakeman status")
    names = [each for each in group if able(d, d.workers[each])]
    if not names:
        raise UnknownNameError(f"{verb}: nothing to {verb} of {deployment}/{name}", f"wakeman status {deployment}")
    return deployment, names


def _require_no_deployment(world: World, verb: str, word: str) -> None:
    """Raise UsageError if a word names a deployment, and no worker: with what may be meant."""
    exact = named(world, word) if "/" not in word else ""
    if exact not in world.logs.names() or any(word in d.workers for d in readable(world).values()):
        return
    d = world.logs.read(exact)
    first = next(iter(d.workers), "WORKER")
    proposals = [
        (f"wakeman {verb} {exact}/{first}", f"one of its {len(d.workers)} workers"),
        (f"wakeman {verb} {exact} --all", "all of them"),
    ]
    if verb == "stop":
        proposals.append((f"wakeman down {exact}", "the deployment and its workers"))
    raise UsageError(f"{exact} is a deployment, and {verb} is for workers:", "", proposals)


def typed(name: str, among: Iterable[str]) -> str:
    """Return how a person types the exact name of a deployment `among` all: the first run of several is `NAME.1`."""
    several = "." not in name and any(each.startswith(f"{name}.") for each in among)
    return f"{name}.1" if several else name


def _done_of(d: Deployment | None) -> str:
    if d is None:
        return "its log cannot be read"
    missing, total = len(undone(d)), len(review.tasks(d))
    return f"{d.outcome}, {total - missing}/{total} units done"


def sole(world: World, given: str | None, units: Iterable[str] = ()) -> str:
    """Return the deployment named, otherwise the open one that has these units.

    Raises: UnknownNameError when there is none; UsageError when there are several.
    """
    if given is not None:
        return named(world, given)
    alive = {name: d for name, d in readable(world).items() if d.outcome == "open"}
    fit = [name for name, d in alive.items() if all(unit in d.units for unit in units)]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise UsageError(f"several deployments fit: {', '.join(fit)}", f"--deployment {fit[0]}")
    from wakeman.core.plan.template import nearest

    known = {unit for d in alive.values() for unit in d.units}
    strange = next((unit for unit in units if unit not in known), "")
    near = nearest(strange, known) if strange else ""
    if len(alive) == 1:
        [name] = alive
        raise UnknownNameError(f"no unit {strange!r} in {name}{near}", f"wakeman status {name}")
    what = f" with {', '.join(map(repr, units))}" if units else ""
    raise UnknownNameError(f"no open deployment{what} in {world.state}{near}", "wakeman status")


def recording(world: World, text: str) -> str:
    """Return the live file of a log given by a deployment's name or by a path.

    Shape: an existing path, or a text with a slash or ending in `.jsonl`, is a path: a deployment's directory, its
    `events.jsonl`, or any file of lines. Boundary: nothing is read, so it also finds a damaged log. Raises:
    UnknownNameError.
    """
    if os.path.exists(text) or "/" in text or text.endswith(".jsonl"):
        file = os.path.join(text, LIVE_LOG_NAME) if os.path.isdir(text) else text
        if not os.path.exists(file):
            what = f"{text}: holds no {LIVE_LOG_NAME}" if file != text else f"{text}: no such file"
            raise UnknownNameError(f"{what}; expected a deployment's directory, or a file of its log", "wakeman status")
        return os.path.abspath(file)
    base, _, run = text.partition(".")
    runs = {int(found.partition(".")[2] or 1): found for found in world.logs.names() if found.partition(".")[0] == base}
    name = runs[max(runs)] if runs and not run else base if run == "1" else text
    world.logs.events(name)  # raises for a name that does not exist
    return os.path.join(world.state, name, LIVE_LOG_NAME)
