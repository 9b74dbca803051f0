"""The actions of the tool `act`, as a table: what each needs, who is asked, and what does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from shlex import join
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from wakeman.api import act as api
from wakeman.api.answer import Answer, Value
from wakeman.api.check import check, resume
from wakeman.api.deeds import Acted
from wakeman.api.names import Chosen, named, only_one, sole, workers_meant
from wakeman.api.status import Status
from wakeman.core.errors import UsageError
from wakeman.core.policy.dialogs import granting
from wakeman.core.text import as_data
from wakeman.engine import requests
from wakeman.engine.answers import ASKED_CHARS_MAX
from wakeman.faces.cli.act import asker_by
from wakeman.faces.mcp.arguments import ActArguments
from wakeman.faces.mcp.brief import BRIEF_NAMES_MAX, BriefSent, brief_deeds, brief_status, some
from wakeman.faces.mcp.calls import call
from wakeman.faces.mcp.desk import Desk, Question
from wakeman.ports import World


class ActMeant(Struct, frozen=True):
    """An action with all names exact: a deployment, workers as `DEPLOYMENT/WORKER`, units."""

    deployment: str
    workers: tuple[str, ...]
    given: ActArguments


class ActRow(Struct, frozen=True):
    """One action. `asks` is what a person is asked, with the names that it concerns; "" if nobody is."""

    needs: Literal["deployment", "worker", "workers", "units"]
    do: Callable[[World, ActMeant], Answer[Acted] | Answer[Status] | Answer[api.SentAll]]
    asks: str = ""
    wants: tuple[str, ...] = ()


def _sent(world: World, meant: ActMeant) -> Answer[api.SentAll]:
    given, who = meant.given, meant.workers
    if len(who) == 1:
        one = api.send(world, who[0], given.text, submit=given.submit, force=given.force, raw=False)
        return Answer(api.SentAll(sent=(one.data,), refused={}), one.next)
    return api.send_all(world, Chosen(who), given.text, submit=given.submit, force=given.force, raw=False)


def _permission_given(world: World, meant: ActMeant) -> Answer[Acted]:
    return api.approve(world, meant.workers[0], meant.given.grant, seen=meant.given.seen, asker=asker_by("mcp"))


def _answer_given(world: World, meant: ActMeant) -> Answer[Acted]:
    return api.answer(world, meant.workers[0], meant.given.text, seen=meant.given.seen, asker=asker_by("mcp"))


def _asked_of(verb: Literal["accept", "pause", "unpause"]) -> Callable[[World, ActMeant], Answer[Acted]]:
    return lambda world, meant: api.request(world, meant.deployment, verb)


def _of_units(verb: Literal["waive", "reject"]) -> Callable[[World, ActMeant], Answer[Acted]]:
    return lambda world, meant: api.judge(world, verb, meant.given.units, meant.given.why, meant.deployment)


def _resumed(world: World, meant: ActMeant) -> Answer[Status]:
    resume(world, meant.deployment)
    return check(world, meant.deployment)


ACT_ROWS: Mapping[str, ActRow] = {
    "accept": ActRow("deployment", _asked_of("accept"), asks="accept the row that {} holds for a person"),
    "approve": ActRow("worker", _permission_given, asks="say yes {}"),
    "answer": ActRow("worker", _answer_given, wants=("text",)),
    "retry": ActRow("workers", lambda w, m: api.retry(w, Chosen(m.workers), m.given.units, m.given.why)),
    "send": ActRow("workers", _sent, wants=("text",)),
    "stop": ActRow("workers", lambda w, m: api.stop(w, Chosen(m.workers), keep=False), asks="end {}"),
    "waive": ActRow("units", _of_units("waive"), asks="count {} as done", wants=("why",)),
    "reject": ActRow("units", _of_units("reject"), wants=("why",)),
    "pause": ActRow("deployment", _asked_of("pause")),
    "unpause": ActRow("deployment", _asked_of("unpause")),
    "check": ActRow("deployment", lambda w, m: check(w, m.deployment)),
    "resume": ActRow("deployment", _resumed),
    "adopt": ActRow("deployment", lambda w, m: api.adopt(w, m.deployment), asks="make {} live here"),
    "down": ActRow(
        "deployment", lambda w, m: api.down(w, m.deployment, m.given.why, None), "end {} and its workers", ("why",)
    ),
}
"""Action -> its row."""


def call_act(desk: Desk, given: ActArguments) -> Value:
    """Do one action, after a person was asked where only a person decides."""
    row, world = ACT_ROWS[given.action], desk.world("hand")
    meant = _exact_names(world, row, given)
    if given.action == "approve":
        meant = _of_what_is_shown(world, desk, row, meant)
    elif row.asks:
        names = meant.workers or (given.units if row.needs == "units" else (meant.deployment,))
        desk.ask(Question(row.asks.format(", ".join(names)), _typed_instead(meant, row)))
    answer = row.do(world, meant)
    if isinstance(answer.data, Acted):
        return brief_deeds(Answer(answer.data, answer.next))
    if isinstance(answer.data, Status):
        return brief_status(Answer(answer.data, answer.next))
    typed = " and submitted" * given.submit
    did = [f"not typed into {target}: {why}" for target, why in answer.data.refused.items()]
    did += [f"typed into {each.target}{typed}" for each in answer.data.sent]
    look = [each.target for each in answer.data.sent] or list(answer.data.refused)
    return BriefSent(did=tuple(some(did, BRIEF_NAMES_MAX)), calls=(call("status", worker=look[0]),))


def _of_what_is_shown(world: World, desk: Desk, row: ActRow, meant: ActMeant) -> ActMeant:
    """Bind an approval to what is shown now; a person is asked with the words and the choice, unless it is a no."""
    [worker], wanted = meant.workers, meant.given.grant
    dialog = api.dialog_shown(world, worker)
    grants = granting(dialog)
    bound = replace(meant, given=replace(meant.given, seen=meant.given.seen or dialog.seen))
    if wanted != "deny" and wanted in grants and bound.given.seen == dialog.seen:
        choice, asks = (as_data(words, ASKED_CHARS_MAX) for words in (grants[wanted], dialog.asks))
        desk.ask(
            Question(
                row.asks.format(f"({wanted}: {choice}) to {worker}, which asks {asks}"), _typed_instead(bound, row)
            )
        )
    return bound


def _exact_names(world: World, row: ActRow, given: ActArguments) -> ActMeant:
    """Resolve names, so that nobody is asked about what does not exist. Raises: UnknownNameError; UsageError."""
    for name in row.wants:
        if not getattr(given, name):
            raise UsageError(f"act: {given.action} needs {name}", call("act", action=given.action, **{name: "..."}))
    if row.needs == "worker" and len(given.workers) != 1:
        hint = call("act", action=given.action, workers=["..."])
        raise UsageError(f"act: {given.action} needs one worker; found {len(given.workers)}", hint)
    if row.needs in ("worker", "workers"):
        if given.like and not given.workers:
            exact, alike = workers_meant(world, given.action, Chosen(like=given.like), lambda *_: True)
            return ActMeant(exact, tuple(f"{exact}/{name}" for name in alike), given)
        if not given.workers:
            raise UsageError(f"act: {given.action} needs workers; found none", "wakeman status")
        words = [f"{given.deployment}/{w}" if given.deployment and "/" not in w else w for w in given.workers]
        found = [requests.find_worker(world, word) for word in words]
        return ActMeant(found[0][0], tuple("/".join(each) for each in found), given)
    if row.needs == "units":
        if not given.units:
            raise UsageError(f"act: {given.action} needs units; found none", "wakeman status")
        return ActMeant(sole(world, given.deployment or None, given.units), (), given)
    exact = named(world, given.deployment) if given.deployment else only_one(world, given.action, "open")
    world.logs.read(exact)
    return ActMeant(exact, (), given)


def _typed_instead(meant: ActMeant, row: ActRow) -> str:
    """Return what a person types to do the same."""
    why = ["--why", meant.given.why] if "why" in row.wants else []
    if row.needs == "units":
        return join(["wakeman", meant.given.action, *meant.given.units, *why, "--deployment", meant.deployment])
    if meant.given.action == "approve":
        return join(["wakeman", "approve", *meant.workers, f"--{meant.given.grant}", "--seen", meant.given.seen])
    return join(["wakeman", meant.given.action, *(meant.workers or (meant.deployment,)), *why])
