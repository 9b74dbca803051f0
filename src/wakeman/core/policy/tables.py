"""The two decision tables, and how a row is chosen: from the top, the first whose conditions hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from wakeman.core.log import events as e
from wakeman.core.model import Deployment

EDITION = 9
"""Edition of the tables: a log is verified by the edition under which it was begun. 1: attempts back off; 3: see
`EDITION_PROGRESS_MIN`; 4: see `EDITION_LAUNCH_MIN` and `EDITION_REFUSED_END_MIN`; 5: see `EDITION_EVIDENCE_MIN`; 6: see
`EDITION_ONE_QUESTION_MIN`; 7: see `EDITION_SCREENS_MIN` and `EDITION_RETRY_TRIES_MIN`; 8: see `EDITION_FOUND_MIN`; 9:
see `EDITION_QUEUED_MIN`."""
EDITION_QUOTING_MIN = 2
"""Edition from which on what others said is quoted."""
EDITION_REFUSALS_MIN = 3
"""Edition from which on outages are waited for, and a refusal in a live session bars launches."""
EDITION_REFUSED_END_MIN = 4
"""Edition from which on a refusal costs no attempt also where the session was being ended."""
EDITION_EVIDENCE_MIN = 5
"""Edition from which on a screen is kept together with the nudge or question that follows, and no client that is at
work is nudged."""
EDITION_ONE_QUESTION_MIN = 6
"""Edition from which on a person who was asked about a trouble is not asked about it by a later rung."""
EDITION_SCREENS_MIN = 7
"""Edition from which on the screens that one check keeps are kept at once, before anything else is done."""
EDITION_RETRY_TRIES_MIN = 7
"""Edition from which on in an outage no other worker tries the service beside one whose retry a person requested."""
EDITION_FOUND_MIN = 8
"""Edition from which on it is told at once that a session which somebody else has started left units undone."""
EDITION_QUEUED_MIN = 9
"""Edition from which on sessions that wait in a queue are taken out of it while nothing may start."""

Row = Literal[
    "stop", "fence", "restart", "enter", "sweep", "tell", "continue", "repeat", "report", "investigate", "tidy",
    "retry", "finish", "time out", "warn", "leave",
    "review", "wrap up", "give up", "halt", "withdraw", "clean up", "launch", "sleep",
]  # fmt: skip


class Rule(Struct, frozen=True):
    """One row: taken when each named fact has the given value. `then` are the actions, in order."""

    row: Row
    when: Mapping[str, bool]
    then: tuple[str, ...]
    says: str


class Decision(Struct, frozen=True):
    """A row that was taken. `worker` is "" for the deployment's own."""

    row: str
    then: tuple[str, ...] = ()
    worker: str = ""
    why: str = ""
    held: bool = False
    under: str = ""  # the row proposed before, which waits for `accept` while others are taken


WORKER_RULES: tuple[Rule, ...] = (
    Rule("stop", {"live": True, "unwanted": True}, ("end",), "a person asked for its end"),
    Rule(
        "fence",
        {"live": True, "trespassed": True, "strict": True},
        ("end",),
        "it wrote where it must not, and the plan says stop",
    ),
    Rule("restart", {"live": True, "again": True}, ("end",), "another attempt was asked for, and this one still lives"),
    Rule(
        "enter",
        {"live": True, "unsent": True},
        ("enter",),
        "what was typed stands in its input box: Enter is pressed once more",
    ),
    Rule(
        "sweep", {"live": True, "overdue": True}, ("sweep",), "a session that it started is older than the plan allows"
    ),
    Rule(
        "tell",
        {"live": True, "typed": False, "bereft": True},
        ("nudge",),
        "a session that it started was ended: it is told so",
    ),
    Rule(
        "continue",
        {"live": True, "typed": False, "reset": True},
        ("nudge",),
        "its usage limit has reset: told to go on",
    ),
    Rule(
        "repeat",
        {"live": True, "typed": False, "unheard": True, "mute": False},
        ("nudge",),
        "the text before was refused, or nothing tells that it arrived: typed again",
    ),
    Rule(
        "report",
        {"live": True, "typed": False, "unheard": True},
        ("ask",),
        "no text reaches it: a person is asked",
    ),
    Rule(
        "investigate",
        {"live": True, "typed": False, "stuck": True, "rung": True},
        ("rung",),
        "stuck: the next rung for its reason",
    ),
    Rule("tidy", {"live": False, "leftovers": True}, ("end",), "its attempt is over, but processes of it are left"),
    Rule("retry", {"live": False, "leftovers": False, "retry": True}, ("relaunch",), "ended badly, units missing"),
    Rule(
        "finish",
        {"live": True, "typed": False, "finished": True},
        ("end",),
        "alive but idle, its share complete twice over",
    ),
    Rule(
        "time out",
        {"live": True, "typed": False, "overruns": True},
        ("end",),
        "its attempt has lasted for stuck.longest",
    ),
    Rule("warn", {"trespassed": True}, (), "it wrote where it must not"),
    Rule("leave", {}, (), "anything else"),
)


"""Asked of each worker, top-down; the first that fits is taken; the last is total."""


DEPLOYMENT_RULES: tuple[Rule, ...] = (
    Rule("stop", {"down": True, "alive": True}, ("end",), "a person asked for the deployment's end; workers live"),
    Rule("stop", {"down": True}, ("close",), "a person asked for the deployment's end"),
    Rule("review", {"heard": True}, ("conclude",), "a reviewer has given its verdict: what it rejects is opened again"),
    Rule(
        "wrap up",
        {"ended": True, "complete": True, "unreviewed": False},
        ("sample", "move", "sweep", "close"),
        "all ended, every unit complete and passing, and reviewed where the plan says so",
    ),
    Rule(
        "give up",
        {"spent": True, "ends": True},
        ("end",),
        "out of time; those that wait in a queue are to be ended, or all alive where the plan says stop",
    ),
    Rule("give up", {"spent": True}, ("close",), "out of time, or all ended with nothing left to try"),
    Rule(
        "halt",
        {"halts": True},
        ("end",),
        "a bound on cost or tokens is reached; those that wait in a queue are to be ended, or all alive, as before",
    ),
    Rule(
        "withdraw",
        {"withheld": True},
        ("end",),
        "nothing may start now; those that wait in a queue are taken out of it",
    ),
    Rule("clean up", {"short": True}, ("enrol",), "units missing that another worker may do"),
    Rule(
        "review",
        {"ended": True, "complete": True, "reviewable": True},
        ("sample", "appoint"),
        "every unit complete and passing: a reviewer gets those that none has accepted as they are",
    ),
    Rule("launch", {"due": True}, ("launch",), "workers pending, and a slot free"),
    Rule("sleep", {}, (), "anything else: the alarm lies ahead"),
)


"""Asked of the deployment after its workers, top-down; the first that fits is taken; the last is total."""
HOLDABLE = frozenset({"wrap up", "give up", "clean up"})
"""Rows that `wake.hold` proposes instead of taking."""


def choose(rules: Sequence[Rule], facts: Mapping[str, bool]) -> Rule:
    """Return the first rule whose conditions hold. Boundary: the last rule has none, so there always is one."""
    for rule in rules[:-1]:
        for name, value in rule.when.items():
            if facts[name] is not value:
                break
        else:
            return rule
    return rules[-1]


def recorded(d: Deployment, decision: Decision) -> e.Draft:
    """Return the event of a decision."""
    fact = e.Decided(
        row=decision.row,
        looked=d.looked,
        then=decision.then,
        why=decision.why,
        held=decision.held,
        under=decision.under,
    )
    worker = d.workers.get(decision.worker)
    return e.Draft(fact, worker=worker.name, attempt=worker.attempt) if worker else e.Draft(fact)
