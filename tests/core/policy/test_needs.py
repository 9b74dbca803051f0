"""What a person reads and types: every trouble has a cause in words, and a command that answers it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.core.policy.test_notice import (
    ALARM,
    NOW,
    TROUBLES,
    UNSEEN,
    changed,
    left,
    night,
    of,
    reviewing,
    spending,
    stuck,
    under,
    unlaunched,
)

from wakeman.core.model import (
    Choice,
    CleanupSpec,
    Deployment,
    Dialog,
    Host,
    LimitsSpec,
    MoveSpec,
    Observation,
    OpenIntent,
    OwedNotice,
    StuckSpec,
    Unit,
    UnitState,
    Untold,
    Usage,
    WakeSpec,
    WakeTarget,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.policy import notice
from wakeman.core.policy.attempts import is_queued
from wakeman.core.policy.dialogs import CUT, fingerprint
from wakeman.core.policy.needs import needs, sentence, waiting_for
from wakeman.core.policy.worker_needs import NAMES_MAX, in_words, last_sign, names

INTERACTIVE = WorkersSpec(mode="interactive")
AT_WORK: dict[str, Any] = {"looked_at": NOW, "mono": 1000.0, "boot": "b", "edition": 3}


def talking(**fields: Any) -> Deployment:
    """Return a deployment of one worker that somebody can type to, in a trouble about which a person is asked."""
    d = under(night(stuck(**{"units": ["a"], "boot": "b", "life_mono": 400.0, **fields})), workers=INTERACTIVE)
    return changed(d, **AT_WORK)


def asking(kind: str, *does: str, asks: str = "Run it?", attempt: int = 0) -> Observation:
    """Return an observation of a worker whose screen asks something, with choices that mean this."""
    choices = tuple(Choice(f"A{n}", each) for n, each in enumerate(does or ("once",)))  # type: ignore[arg-type] # a table's word
    dialog = Dialog(kind=kind, asks=asks, choices=choices, seen="d1")  # type: ignore[arg-type] # a table's word
    return Observation("w", attempt, "running", activity="waiting", dialog=dialog)


def ended(why: str = "exit status 1: API Error: 529 overloaded", **fields: Any) -> Deployment:
    """Return a deployment of one worker that has failed, and of whom another attempt is owed."""
    w = WorkerState(name="w", session="w", state="exited", units=["a"], attempt=1, spent=1, ended_by="itself", code=1)
    own = {"why": why, "over": 995.0, "boot": "b", "since": NOW - timedelta(seconds=5), **fields}
    d = night(changed(w, **own))
    return changed(d, **AT_WORK)


def queued(*reasons: str) -> Deployment:
    """Return a deployment of workers whose sessions wait in the queue of an executor, each for a reason."""
    workers = [
        WorkerState(name=name, session=name, state="launched", units=["a"], attempt=1, observation=seen)
        for name, why in zip("wv", reasons, strict=False)
        for seen in [Observation(name, 1, "queued", why=why)]
    ]
    return changed(night(*workers), host=msgspec.structs.replace(HOST, executor="elsewhere"), **AT_WORK)


def shown(d: Deployment, **how: Any) -> list[tuple[str, str, list[str]]]:
    return [(sentence(each), each.words, [one.line for one in each.commands]) for each in needs(d, NOW, **how)]


def waiting(d: Deployment) -> list[tuple[str, str]]:
    return [(sentence(each), each.words) for each in waiting_for(d, NOW)]


def installing(decided: float | None) -> Deployment:
    """Return a deployment with an output that is being installed; `decided`: so many seconds after, or never."""
    taking = OpenIntent(seq=7, action="install", at=NOW, worker="w", target="a")
    return changed(of(), intents={7: taking}, row_at=None if decided is None else NOW + timedelta(seconds=decided))


HOST = Host(root="/", directory="/d", python=())
ATTACH, CAPTURE, RETRY, STOP = (f"wakeman {verb} night/w" for verb in ("attach", "capture", "retry", "stop"))
LOG = "wakeman log night --worker w"
CHECK = "wakeman check night"
UNPAUSE, DOCTOR = "wakeman unpause night", "wakeman doctor"

CAUSES: list[tuple[str, Deployment, str, str, list[str]]] = [
    (
        "permission",
        talking(why="asks for a permission: Bash: pandoc a\x1b[2J -o b"),
        "w asks a permission, 12 min",
        "Bash: pandoc a -o b",
        [ATTACH],
    ),
    (
        "question",
        talking(why="asks a question: Keep both?"),
        "w asks a question, 12 min",
        "Keep both?",
        [ATTACH],
    ),
    ("dialog", talking(why="shows a dialog"), "w shows a dialog, 12 min", "", [ATTACH, STOP, RETRY]),
    ("something", talking(why="hm?"), "w asks for something, 12 min", "hm?", [ATTACH, STOP, RETRY]),
    (
        "asks",
        talking(reason="asks", said="Both?"),
        "w asks a question, 12 min",
        "Both?",
        [f"wakeman answer night/w 'your answer' --seen {fingerprint('Both?')}", ATTACH],
    ),
    (
        "a permission in a dialog, whatever was reported before",
        talking(why="asks for a permission: x", observation=asking("permission", "once", "", "deny")),
        "w asks a permission, 12 min",
        "Run it?",
        ["wakeman approve night/w --once --seen d1", ATTACH],
    ),
    (
        "a permission that is given for ever or not at all",
        talking(why="asks whether it may trust the folder", observation=asking("dialog", "deny", "always")),
        "w asks whether it may trust, 12 min",
        "Run it?",
        ["wakeman approve night/w --always --seen d1", ATTACH],
    ),
    (
        "a question in a dialog",
        talking(why="asks a question", observation=asking("question", "", "text")),
        "w asks a question, 12 min",
        "Run it? 1 A0, 2 A1",
        ["wakeman answer night/w 'your answer' --seen d1", ATTACH],
    ),
    (
        "a dialog whose choices mean nothing known",
        talking(why="shows a dialog", observation=asking("dialog", "", "")),
        "w shows a dialog, 12 min",
        "Run it?",
        [ATTACH],
    ),
    (
        "claims",
        talking(reason="claims", said="All done."),
        "w says that it is done, with 1 unit undone, 12 min",
        "All done.",
        ["wakeman send night/w 'Go on: 1 unit of your share not done.' --submit", ATTACH],
    ),
    (
        "refuses",
        talking(reason="refuses", said="I cannot."),
        "w says that it cannot go on, 12 min",
        "I cannot.",
        [ATTACH, STOP, RETRY],
    ),
    (
        "error",
        talking(reason="error", why="API Error: 400", spent=2),
        "w shows an error after 2 of 2 attempts, 12 min",
        "API Error: 400",
        [CAPTURE, RETRY],
    ),
    (
        "a refused key in a live session",
        talking(reason="error", why="401", observation=Observation("w", 1, "running", fault="auth")),
        "w stands: its key or login was refused, 12 min",
        "401",
        [CAPTURE, RETRY],
    ),
    (
        "an error without a refusal",
        talking(reason="error", why="no", observation=Observation("w", 1, "running")),
        "w shows an error after 0 of 2 attempts, 12 min",
        "no",
        [CAPTURE, RETRY],
    ),
    (
        "a permission, and it was nudged before",
        talking(why="asks for a permission: x", tried=("nudge",)),
        "w asks a permission, 12 min",
        "x",
        [ATTACH],
    ),
    ("silent", talking(reason="silent"), "w is silent for 10 min", "", [ATTACH, STOP, RETRY]),
    (
        "silent, nudged",
        talking(reason="silent", tried=("nudge",), life_mono=0.0),
        "w is silent for 12 min; nudged, without effect",
        "",
        [ATTACH, STOP, RETRY],
    ),
    (
        "background",
        talking(reason="background", why="a task"),
        "w shows only background work, 10 min",
        "a task",
        [ATTACH, STOP, RETRY],
    ),
    (
        "limited, and asked",
        talking(reason="limited", why="usage limit"),
        "w is at its usage limit, and is not told to go on, 12 min",
        "usage limit",
        [ATTACH, RETRY],
    ),
    (
        "unconfirmed",
        talking(state="exited", reason="", why="", intent=7),
        "w was launched, and nothing confirms it, 12 min",
        "",
        [LOG, CHECK],
    ),
    (
        "typed into, and unconfirmed",
        talking(state="running", reason="", why="", unheard=3),
        "w was typed into, and nothing shows that it arrived, 12 min",
        "",
        [ATTACH, LOG],
    ),
    (
        "unseen",
        of(unknowns=3, observation=UNSEEN),
        "w cannot be looked at, by an error of Wakeman's own",
        "internal error KeyError",
        [LOG, CHECK],
    ),
    (
        "no rung is left",
        changed(under(talking(asked=False, why="asks a question: x"), stuck=StuckSpec(waiting=()))),
        "w asks a question, 12 min",
        "x",
        [ATTACH],
    ),
    (
        "nobody can type",
        changed(night(stuck(why="asks for a permission: x"))),
        "w asks a permission, 12 min",
        "x",
        [ATTACH, RETRY],
    ),
    (
        "nobody can type, and it asks",
        night(stuck(reason="asks", said="x")),
        "w asks a question, 12 min",
        "x",
        [ATTACH, STOP, RETRY],
    ),
    (
        "nobody can type, and it claims",
        night(stuck(reason="claims", said="x")),
        "w says that it is done, with 0 units undone, 12 min",
        "x",
        [ATTACH, STOP, RETRY],
    ),
    (
        "a place without a terminal",
        changed(talking(why="asks for a permission: x"), host=Host(root="/", directory="/d", python=(), headless=True)),
        "w asks a permission, 12 min",
        "x",
        [CAPTURE],
    ),
    (
        "a cluster whose jobs have terminals",
        changed(
            talking(why="asks for a permission: x"), host=Host(root="/", directory="/d", python=(), executor="slurm")
        ),
        "w asks a permission, 12 min",
        "x",
        [ATTACH],
    ),
    (
        "used up",
        under(ended(spent=2), cleanup=CleanupSpec(rounds=0)),
        "w ended 2 of 2 times, 5 s ago: 1 unit undone, no cleanup left; exit status 1",
        "API Error: 529 overloaded",
        [CAPTURE, RETRY],
    ),
    (
        "ended with 0 and left some undone",
        changed(under(ended("finished", code=0), cleanup=CleanupSpec(rounds=0))),
        "w has ended, 5 s ago: 1 unit undone, no cleanup left",
        "finished",
        [CAPTURE, RETRY],
    ),
    ("blind", of(unknowns=3), "workers cannot be looked at: tmux does not answer", "", [CHECK, DOCTOR]),
    (
        "launches",
        changed(night(unlaunched("v", "no such file", 1.0)), failed_launches=3, units={}),
        "nobody starts: 3 launches in a row failed",
        "no such file",
        [UNPAUSE, DOCTOR],
    ),
    (
        "launches, the reason is not known",
        changed(of(), failed_launches=3),
        "nobody starts: 3 launches in a row failed",
        "",
        [UNPAUSE, DOCTOR],
    ),
    (
        "disk",
        changed(of(), full="no space", host=Host(root="/", directory="/d d", python=())),
        "nobody starts: the disk is full",
        "no space",
        ["df -h '/d d'", CHECK],
    ),
    (
        "barred",
        changed(of(), barred="401 refused"),
        "nobody starts: a key or a login was refused",
        "401 refused",
        [UNPAUSE, DOCTOR],
    ),
    (
        "cost",
        spending(),
        "nobody starts: $ 2.00 of 1 used (limits)",
        "",
        ["wakeman log night --type planned", "wakeman down night"],
    ),
    (
        "tokens",
        under(spending(usage=Usage(input=5, output=6)), limits=LimitsSpec(max_tokens=10)),
        "nobody starts: 11 of 10 tokens used (limits)",
        "",
        ["wakeman log night --type planned", "wakeman down night"],
    ),
    (
        "memory",
        changed(under(of(state="pending"), limits=LimitsSpec(memory=2**31)), memory=2**29),
        "nobody starts: 512 MiB of memory free, 2.0 GiB wanted for each (limits.memory)",
        "",
        [CHECK, "wakeman pause night"],
    ),
    (
        "memory, of which the plan says nothing",
        changed(of(state="pending"), memory=2**29, host=msgspec.structs.replace(HOST, memory_per_worker=2**30)),
        "nobody starts: 512 MiB of memory free, 1.0 GiB wanted for each (limits.memory)",
        "",
        [CHECK, "wakeman pause night"],
    ),
    (
        "cost, and nothing is told of it",
        under(spending(usage=Usage(input=5, output=6)), limits=LimitsSpec(max_cost=1.0, max_tokens=10)),
        "nobody starts: $ 0.00 of 1 and 11 of 10 tokens used (limits)",
        "",
        ["wakeman log night --type planned", "wakeman down night"],
    ),
    (
        "place",
        installing(decided=0),
        "output passes, and cannot be taken over",
        "a",
        ["wakeman log night --type effected", CHECK],
    ),
    (
        "verdict",
        reviewing(heard=False, since=NOW, why="exit status 0"),
        "review_1 has given no verdict, 0 s",
        "",
        ["wakeman capture night/review_1", "wakeman retry night/review_1"],
    ),
    (
        "late",
        reviewing(),
        "review cannot end: 1 unit changed behind the last one",
        "a",
        [
            "wakeman waive a --deployment night --why 'inspected by hand'",
            "wakeman reject a --deployment night --why 'changed after its review'",
        ],
    ),
    (
        "an alarm that cannot be set",
        changed(of(), generation=4),
        "alarm cannot be set: no check comes by itself",
        "",
        [DOCTOR, "wakeman resume night"],
    ),
]


@pytest.mark.parametrize("decided", [-1, None])
def test_an_output_that_a_check_is_installing_needs_nobody(decided: float | None) -> None:
    d = installing(decided)

    assert ([], False) == (shown(d), notice.asking(d))


@pytest.mark.parametrize(("d", "says", "words", "commands"), [pytest.param(*rest, id=name) for name, *rest in CAUSES])
def test_each_need_has_its_cause_in_words_the_words_of_others_and_commands(
    d: Deployment, says: str, words: str, commands: list[str]
) -> None:
    assert [(says, words, commands)] == shown(d)


@pytest.mark.parametrize("d", [pytest.param(d, id=name) for name, d, *_ in TROUBLES + CAUSES])
def test_what_is_shown_as_a_need_is_what_the_exit_code_says(d: Deployment) -> None:
    found = needs(d, NOW)

    assert notice.asking(d) == bool(found)
    assert all(each.commands and each.cause for each in found)
    told = {name for each in found for name in each.workers}
    assert not told & {name for each in waiting_for(d, NOW) for name in each.workers}


def test_a_question_that_is_cut_anywhere_is_not_whole() -> None:
    asks = {text: asking("permission", "once", asks=text) for text in ("Run it?", f"Run{CUT}it?")}

    assert [True, False] == [needs(talking(why="x", observation=seen), NOW)[0].whole for seen in asks.values()]


def test_what_was_said_in_last_words_is_whole_whatever_sign_it_has() -> None:
    assert needs(talking(reason="asks", said=f"Both{CUT}or one?"), NOW)[0].whole


def test_a_permission_says_how_it_can_be_given_and_a_question_has_none() -> None:
    kinds = ("permission", "question", "dialog")
    found = {kind: needs(talking(why="x", observation=asking(kind, "once", "deny")), NOW)[0].grants for kind in kinds}

    granted = {"once": "A0", "deny": "A1"}
    assert {"permission": granted, "question": {}, "dialog": granted} == found


@pytest.mark.parametrize(
    ("kind", "choices", "does"),
    [
        ("question", ("", "text"), "answer it: 1 A0, 2 A1, or a text"),
        ("question", ("", ""), "answer it: 1 A0, 2 A1"),
        ("permission", ("once", "always", "deny"), "say yes this once; --always yes from now on, --deny no"),
        ("permission", ("deny",), "say no"),
    ],
)
def test_the_first_command_says_which_answers_there_are(kind: str, choices: tuple[str, ...], does: str) -> None:
    [one] = needs(talking(why="x", observation=asking(kind, *choices)), NOW)

    assert does == one.commands[0].does


def test_nothing_is_pressed_in_print_mode() -> None:
    d = talking(why="asks for a permission: x", observation=asking("permission", "once"))
    d = under(d, workers=WorkersSpec(mode="print"))

    assert not [one.line for one in needs(d, NOW)[0].commands if "approve" in one.line]


def test_what_can_be_answered_has_its_fingerprint_and_its_choices() -> None:
    [one] = needs(talking(why="x", observation=asking("permission", "once", "deny")), NOW)
    [other] = needs(talking(reason="asks", said="Both?"), NOW)
    [third] = needs(talking(why="x", observation=asking("dialog", attempt=2)), NOW)

    assert ("d1", ("A0", "A1")) == (one.seen, one.choices)
    assert (fingerprint("Both?"), ()) == (other.seen, other.choices)
    assert ("", ()) == (third.seen, third.choices)


def test_a_closed_deployment_needs_nobody_and_waits_for_nothing() -> None:
    d = changed(talking(), outcome="partial")

    assert ([], []) == (needs(d, NOW), waiting_for(d, NOW))


@pytest.mark.parametrize(
    ("job", "kind", "late", "says"),
    [
        ("212", "at", 1320, "alarm no alarm stands: at job 212 is gone, 22 min ago"),
        ("", "sleep", -60, "alarm no alarm stands: the sleep process is gone"),
        ("", "sleep", 1, "alarm no alarm stands: the sleep process is gone, 1 s ago"),
        ("", "sleep", 0, "alarm no alarm stands: the sleep process is gone"),
    ],
)
def test_an_alarm_that_is_gone_is_a_need(job: str, kind: str, late: int, says: str) -> None:
    alarm = msgspec.structs.replace(ALARM, job=job, kind=kind, due=NOW - timedelta(seconds=late))
    d = changed(of(), alarm=alarm)

    assert [(says, "", ["wakeman resume night", DOCTOR])] == shown(d, alarm_gone=True)
    assert [] == shown(changed(d, paused_at=NOW), alarm_gone=True)


HELD = [
    ("clean up", {}, ended(spent=2), "a cleanup worker would do 1 unit of w"),
    ("wrap up", {}, of(), "it would close as complete"),
    (
        "wrap up",
        {"cleanup": CleanupSpec(move=(MoveSpec(from_="a", to="b/"),))},
        of(),
        "it would close as complete; task files would be moved",
    ),
    ("give up", {}, of(), "1 live worker would be left; it would close as partial, with 1 unit undone"),
    (
        "give up",
        {"limits": LimitsSpec(give_up_do="stop")},
        of(),
        "1 live worker would be ended; it would close as partial, with 1 unit undone",
    ),
    ("give up", {}, of(state="pending"), "it would close as partial, with 1 unit undone"),
]


@pytest.mark.parametrize(("row", "tables", "d", "would"), HELD)
def test_a_held_row_says_what_accepting_it_would_do(
    row: str, tables: dict[str, Any], d: Deployment, would: str
) -> None:
    commands = ["wakeman accept night", "wakeman log night --type decided"]
    held = changed(under(d, **tables), held=row, held_at=NOW - timedelta(minutes=4))

    assert [(f"{row} held, 4 min: {would}", "", commands)] == shown(held)
    assert [(f"{row} held: {would}", "", commands)] == shown(changed(held, held_at=None))


def test_receivers_that_were_not_reached_are_needs_of_their_own() -> None:
    untold = {
        "tmux:desk": Untold(why="tmux desk: not idle", since=NOW, times=3),
        "tmux:my:own": Untold(why="tmux own: gone", since=NOW),
        "tmux:late": Untold(why="gone", since=NOW, times=2),
        "send.sh": Untold(why="send.sh: exit 1", since=NOW),
        "": Untold(why="x", since=NOW),
    }
    look = "wakeman log night --type effected"
    sessions = tuple(WakeTarget(tmux=name) for name in ("desk", "my:own", "late"))
    receivers = (*sessions, WakeTarget(run=("/bin/send.sh",)))

    assert [
        ("tmux:desk not told 3 times: not idle", "", ["wakeman attach tmux:desk", look]),
        ("tmux:my:own not told: gone", "", ["wakeman attach tmux:my:own", look]),
        ("tmux:late not told 2 times: gone", "", ["wakeman attach tmux:late", look]),
        ("send.sh not told", "send.sh: exit 1", [look]),
        ("notice not told", "x", [look]),
    ] == shown(d := changed(under(of(), wake=WakeSpec(to=receivers)), untold=untold))
    assert notice.asking(d)


def test_a_receiver_that_was_not_reached_has_the_time_of_the_next_notice_that_it_has_not_had() -> None:
    untold = {name: Untold(why="gone", since=NOW, times=3) for name in ("tmux:desk", "tmux:late")}
    wake = WakeSpec(to=(WakeTarget(tmux="desk"), WakeTarget(tmux="late")))
    waiting = {
        seq: OwedNotice(seq, "x", ("wrap up:1",), NOW, NOW + timedelta(minutes=at), told=told)
        for seq, at, told in ((1, 1, ("tmux:late",)), (2, 2, ()), (3, 3, ("tmux:desk",)), (4, 4, ()))
    }
    found = needs(changed(under(of(), wake=wake), untold=untold, outbox=waiting), NOW)

    due = [f"{NOW + timedelta(minutes=at):%H:%M:%S} UTC" for at in (1, 2)]
    assert due == [each.rest.rpartition("tried again at ")[2] for each in found]


@pytest.mark.parametrize(
    ("times", "told", "asks"),
    [(1, (), False), (2, (), False), (3, (), True), (1, ("tmux:desk",), True)],
)
def test_who_was_not_reached_once_or_twice_is_told_again_and_nobody_is_needed_for_that(
    times: int, told: tuple[str, ...], asks: bool
) -> None:
    again = NOW + timedelta(seconds=15)
    d = changed(
        under(of(), wake=WakeSpec(to=(WakeTarget(tmux="desk"),))),
        untold={"tmux:desk": Untold(why="tmux desk: not idle", since=NOW, times=times)},
        outbox={1: OwedNotice(1, "x", ("wrap up:1",), NOW, again, told=told)},
    )
    need, wait = [each.about for each in needs(d, NOW)], waiting_for(d, NOW)

    assert (asks, ["tmux:desk"] if asks else []) == (notice.asking(d), need)
    assert ([] if asks else [("tmux:desk", "wait", again, ())]) == [
        (each.about, each.sign, each.until, each.commands) for each in wait if each.reason == "untold"
    ]


def test_of_several_outputs_that_cannot_be_taken_over_each_is_a_need_of_its_own() -> None:
    opened = {seq: OpenIntent(seq=seq, action="install", at=NOW, worker="w", target=f"out/{seq}") for seq in (7, 8)}

    assert ["out/7", "out/8"] == [each.words for each in needs(changed(of(), intents=opened, row_at=NOW), NOW)]


def several(*pairs: tuple[str, int]) -> Deployment:
    workers = [
        stuck(name=f"w{at}", why=f"asks for a permission: {why}", since=NOW - timedelta(minutes=minutes))
        for at, (why, minutes) in enumerate(pairs)
    ]
    return night(*(changed(each, since=NOW - timedelta(minutes=pairs[at][1])) for at, each in enumerate(workers)))


LOOK_AGAIN = "look for its session, once you have started it again"


@pytest.mark.parametrize(
    ("sessions", "stop", "retry"),
    [
        ("start", "end it; its undone units go to a cleanup worker", "start another attempt for what is undone"),
        ("watch", "let it go: its session goes on as it is", LOOK_AGAIN),
        ("own", "end it", LOOK_AGAIN),
    ],
)
def test_what_a_stop_and_a_retry_do_depends_on_who_has_started_the_session(
    sessions: Any, stop: str, retry: str
) -> None:
    workers = msgspec.structs.replace(INTERACTIVE, sessions=sessions)
    [one] = needs(under(talking(reason="silent"), workers=workers), NOW)

    assert [("wakeman stop night/w", stop), ("wakeman retry night/w", retry)] == [
        (each.line, each.does) for each in one.commands[1:]
    ]


def test_equal_words_of_several_are_one_need_with_the_longest_wait_first() -> None:
    d = several(("npm ci", 2), ("rm x", 9), ("npm ci", 41), ("npm ci", 5), ("npm ci", 6), ("npm ci", 7))

    first, second = needs(d, NOW)

    assert "5 workers ask a permission, 2 min to 41 min: w2 w5 w4 w3 and 1 more" == sentence(first)
    assert ("w2", "w5", "w4", "w3", "w0") == first.workers
    assert ["wakeman attach night/w2", "wakeman retry --like night/w2"] == [each.line for each in first.commands]
    assert "w1 asks a permission, 9 min" == sentence(second)


def test_one_command_answers_all_of_several_and_what_is_for_one_says_of_whom() -> None:
    first, second = needs(under(several(("npm ci", 2), ("rm x", 1), ("npm ci", 5)), workers=INTERACTIVE), NOW)

    assert [("wakeman attach night/w2", "see the screen, answer there: of w2, the first")] == [
        (each.line, each.does) for each in first.commands
    ]
    assert ["wakeman attach night/w1"] == [each.line for each in second.commands]
    asked = changed(under(several(("x", 2), ("x", 5)), workers=INTERACTIVE), edition=3)
    for worker in asked.workers.values():
        worker.reason, worker.said = "asks", "Both?"
    [one] = needs(asked, NOW)
    assert ("wakeman send --like night/w1 'your answer' --submit", "answer it, for all 2") == (
        one.commands[0].line,
        one.commands[0].does,
    )


def test_those_that_wait_equally_long_are_told_with_one_age() -> None:
    [need] = needs(several(("x", 3), ("x", 3)), NOW)

    assert "2 workers ask a permission, 3 min: w0 w1" == sentence(need)


def test_workers_whose_age_is_unknown_are_told_without_it() -> None:
    d = several(("x", 3), ("x", 3))
    for worker in d.workers.values():
        worker.since = None

    assert ["2 workers ask a permission: w0 w1"] == [sentence(each) for each in needs(d, NOW)]


@pytest.mark.parametrize(
    ("count", "told"), [(1, "w0"), (NAMES_MAX, "w0 w1 w2 w3"), (NAMES_MAX + 1, "w0 w1 w2 w3 and 1 more")]
)
def test_of_many_names_the_first_are_told_and_the_others_counted(count: int, told: str) -> None:
    assert told == names([f"w{at}" for at in range(count)])


@pytest.mark.parametrize(
    ("fields", "reason", "answers"),
    [
        ({"why": "asks for a permission: x"}, "permission", [False]),
        ({"why": "asks a question: x"}, "question", [False]),
        ({"why": "asks for a permission: x", "observation": asking("permission")}, "permission", [True, False]),
        ({"why": "asks for a permission: x", "observation": asking("question")}, "question", [True, False]),
        ({"why": "shows a dialog", "observation": asking("dialog")}, "dialog", [True, False]),
        ({"why": "shows a dialog"}, "dialog", [False, False, False]),
        ({"reason": "asks", "said": "x"}, "asks", [True, False]),
        ({"reason": "claims", "said": "x"}, "claims", [True, False]),
        ({"reason": "refuses", "said": "x"}, "refuses", [False, False, False]),
        ({"reason": "error", "why": "x"}, "error", [False, False]),
        ({"reason": "silent"}, "silent", [False, False, False]),
        ({"reason": "background", "why": "x"}, "background", [False, False, False]),
        ({"reason": "limited", "why": "x"}, "limited", [False, False]),
    ],
    ids=str,
)
def test_a_program_reads_what_kind_of_need_it_is_and_which_commands_answer(
    fields: dict[str, Any], reason: str, answers: list[bool]
) -> None:
    [need] = needs(talking(**fields), NOW)

    assert (reason, answers) == (need.reason, [each.answers for each in need.commands])


@pytest.mark.parametrize(
    ("d", "whole"),
    [
        (talking(why="asks for a permission: " + "x" * 999), False),
        (talking(why="asks for a permission: x"), True),
        (under(ended("x" * 999, spent=2), cleanup=CleanupSpec(rounds=0)), False),
        (under(ended("x", spent=2), cleanup=CleanupSpec(rounds=0)), True),
        (changed(of(), held="wrap up", held_at=NOW), True),  # no words of others
    ],
)
def test_words_of_a_worker_that_were_cut_say_so(d: Deployment, *, whole: bool) -> None:
    assert [whole] == [each.whole for each in needs(d, NOW)]


def test_words_of_the_deployment_s_own_trouble_that_were_cut_say_so() -> None:
    assert [True, False] == [
        each.whole for why in ("no space", "x" * 999) for each in needs(changed(of(), full=why), NOW)
    ]


# --- what goes on by itself ---------------------------------------------------------------------------------------

LATER = NOW + timedelta(seconds=4680)

BACK_OFF = "w back-off: attempt 2 of 2"
HAND_OVER = "w ended by a person: 1 unit undone go to a cleanup worker"

WAITS: list[tuple[str, Deployment, str, str]] = [
    (
        "back-off",
        ended(),
        "w back-off: attempt 2 of 2 in 3 s; exit status 1",
        "API Error: 529 overloaded",
    ),
    (
        "its delay is over",
        ended(over=0.0),
        "w back-off: attempt 2 of 2 at the next check; exit status 1",
        "API Error: 529 overloaded",
    ),
    ("while paused", changed(ended("x"), paused_at=NOW), "w back-off: attempt 2 of 2 once launches are let again", "x"),
    ("a look was 2 s ago", changed(ended("x"), looked_at=NOW - timedelta(seconds=2)), f"{BACK_OFF} in 1 s", "x"),
    ("no look was told of", changed(ended("x"), looked_at=None), f"{BACK_OFF} in 3 s", "x"),
    (
        "taken out of a queue",
        changed(ended("it was taken out", ended_by="queue", code=None, spent=0), paused_at=NOW),
        "w was taken out of the queue: launched again once launches are let again",
        "",
    ),
    (
        "and nothing bars launches",
        ended("it was taken out", ended_by="queue", code=None, spent=0),
        "w was taken out of the queue: launched again at the next check",
        "",
    ),
    ("asked for", ended("x", again=True, over=0.0), "w back-off: another attempt at the next check", "x"),
    (
        "limited in its session",
        talking(asked=False, reason="limited", why="usage limit", until=LATER),
        "w limited: goes on in 1 h 18 min",
        "usage limit",
    ),
    (
        "limited, and over",
        ended("usage limit", ended_by="limit", until=LATER),
        "w limited: goes on in 1 h 18 min",
        "usage limit",
    ),
    (
        "limited, and the reset is past",
        talking(asked=False, reason="limited", why="x", until=NOW),
        "w limited: goes on at the next check",
        "x",
    ),
    (
        "limited, a guess",
        talking(asked=False, reason="limited", why="x", until=LATER, guess=True),
        "w limited, no time told: tries again in 1 h 18 min",
        "x",
    ),
    (
        "limited, no time",
        talking(asked=False, reason="limited", why="x"),
        "w limited, no time told: tries again at a later check",
        "x",
    ),
    (
        "silent, and Wakeman tries something",
        talking(asked=False, reason="silent"),
        "w is silent for 10 min; next: capture",
        "",
    ),
    (
        "a permission, and nobody was asked yet",
        talking(asked=False, why="asks for a permission: x"),
        "w asks a permission, 12 min; next: capture",
        "x",
    ),
    ("leftovers", left(2, ends=4), "w has ended: 2 of its processes outlive a KILL", ""),
    (
        "its client tries again",
        of(observation=Observation("w", 1, "running", why="529, try 3", retries=True)),
        "w its client tries again by itself",
        "529, try 3",
    ),
    (
        "a person has ended it",
        ended("x", ended_by="person", over=995.0),
        "w ended by a person: 1 unit undone go to a cleanup worker in 1 min",
        "",
    ),
    (
        "a person has ended it, and a look was a minute ago",
        changed(ended("x", ended_by="person", over=995.0), looked_at=NOW - timedelta(seconds=60)),
        f"{HAND_OVER} in 55 s",
        "",
    ),
    (
        "a person has ended it, and no look was told of",
        changed(ended("x", ended_by="person", over=995.0), looked_at=None),
        f"{HAND_OVER} in 1 min",
        "",
    ),
    (
        "an outage",
        changed(of(), outage="529", outage_tries=3, outage_until=LATER),
        "service unavailable, tried 3 times; one worker tries it again",
        "529",
    ),
    (
        "an outage, and one tries",
        changed(of(), outage="529", outage_tries=1, probe="w"),
        "service unavailable, tried once; w tries it again now",
        "529",
    ),
    ("a queue", queued("Licenses"), "w is queued: elsewhere starts it", "Licenses"),
    ("a queue, with others", queued("Priority", "Priority"), "w v are queued: elsewhere starts them", "Priority"),
]


@pytest.mark.parametrize(("d", "says", "words"), [pytest.param(*rest, id=name) for name, *rest in WAITS])
def test_each_wait_says_when_it_goes_on(d: Deployment, says: str, words: str) -> None:
    assert [(says, words)] == waiting(d)
    assert [] == needs(d, NOW)


def test_those_queued_for_different_reasons_are_told_apart() -> None:
    assert ["Licenses", "Priority"] == [words for _, words in waiting(queued("Licenses", "Priority"))]


@pytest.mark.parametrize(
    ("minutes", "waits"), [((9, 5), 9), ((5, 9), 9), ((None, 5), 5), ((9, None), 9), ((None, None), None)], ids=str
)
def test_those_who_are_queued_together_wait_since_the_first_of_them_does(
    minutes: tuple[int | None, ...], waits: int | None
) -> None:
    d = queued("Priority", "Priority")
    for worker, ago in zip(d.workers.values(), minutes, strict=True):
        worker.since = None if ago is None else NOW - timedelta(minutes=ago)

    assert [None if waits is None else NOW - timedelta(minutes=waits)] == [each.since for each in waiting_for(d, NOW)]


@pytest.mark.parametrize(
    "fields",
    [
        {"attempt": 2},
        {"state": "exited", "ended_by": "itself", "code": 0},
        {"state": "stuck", "reason": "waiting", "why": "asks for it", "asked": True},
    ],
    ids=["of an attempt before", "over", "asked about"],
)
def test_whose_session_was_queued_and_waits_for_that_no_more_is_not_told_with_the_others(
    fields: dict[str, Any],
) -> None:
    d = queued("Licenses", "Priority")
    changed(d.workers["v"], **fields)

    assert [("w is queued: elsewhere starts it", "Licenses")] == waiting(d)


TRIES = Observation("w", 1, "running", why="529, try 3", retries=True)


@pytest.mark.parametrize(
    "d",
    [
        of(),
        of(state="pending"),
        of(state="exited", ended_by="itself", code=0, observation=TRIES),
        left(2, ends=3),
        left(0, ends=4),
        ended("x", intent=7),
    ],
    ids=["at work", "pending", "its client had tried again", "more ends to try", "all gone", "being launched"],
)
def test_others_wait_for_nothing(d: Deployment) -> None:
    assert [] == waiting(d)


@pytest.mark.parametrize(
    "held", [{"paused_at": NOW}, {"full": "no space"}, {"failed_launches": 3}, {"barred": "401"}], ids=str
)
def test_another_attempt_waits_for_as_long_as_nobody_is_launched(held: dict[str, Any]) -> None:
    assert [(f"{BACK_OFF} once launches are let again", "x")] == waiting(changed(ended("x"), **held))


@pytest.mark.parametrize(("left", "says"), [(-9, ""), (0.5, ""), (1, " in 1 s"), (1.5, " in 1 s"), (2, " in 2 s")])
def test_a_time_is_told_from_a_second_before_it(left: float, says: str) -> None:
    assert says == in_words(NOW + timedelta(seconds=left), NOW)


def test_a_worker_in_an_outage_waits_for_its_end() -> None:
    w = talking(asked=False, reason="limited", why="529", fault="outage")
    d = changed(w, outage="529", outage_tries=1, outage_until=LATER)

    assert [("service", "outage"), ("w", "outage")] == [(each.about, each.reason) for each in waiting_for(d, NOW)]
    assert LATER == waiting_for(d, NOW)[1].until


def test_an_outage_that_one_worker_tries_now_names_no_moment() -> None:
    d = changed(of(), outage="529", outage_tries=1, outage_until=LATER)

    assert [LATER, None] == [waiting_for(changed(d, probe=probe), NOW)[0].until for probe in ("", "w")]


def test_who_waits_longer_stands_below() -> None:
    d = ended()
    d.workers["v"] = msgspec.structs.replace(d.workers["w"], name="v", ended_by="limit", until=LATER)
    d.workers["u"] = WorkerState(name="u", session="u", state="running", observation=Observation("u", 1, "running"))
    d.units["b"] = UnitState(unit=Unit(name="b", outputs=()), worker="v")

    assert ["w", "v"] == [each.about for each in waiting_for(d, NOW)]


def test_the_last_sign_of_life_ages_from_when_it_was_seen_or_reported() -> None:
    d = talking(asked=False)
    w = d.workers["w"]
    seen = last_sign(d, w)
    w.written_at = NOW - timedelta(seconds=3)

    assert NOW - timedelta(seconds=600) == seen
    assert w.written_at == last_sign(d, w)
    assert last_sign(d, changed(w, state="exited")) is None


SINCE = NOW - timedelta(minutes=12)


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({}, NOW - timedelta(seconds=600)),
        ({"life_mono": 1000.0}, NOW),
        ({"life_mono": 1000.5}, NOW),
        ({"life_mono": 0.0}, SINCE),
        ({"boot": "another"}, SINCE),
        ({"life_mono": 0.0, "since": None}, None),
        ({"life_mono": 0.0, "since": None, "written_at": NOW}, None),
    ],
    ids=str,
)
def test_a_sign_of_life_whose_moment_is_not_known_is_as_old_as_its_worker_s_state(
    fields: dict[str, Any], seen: datetime | None
) -> None:
    d = talking(**fields)

    assert seen == last_sign(d, d.workers["w"])


def test_before_any_look_a_worker_was_seen_when_its_state_began() -> None:
    d = changed(talking(), looked_at=None)

    assert SINCE == last_sign(d, d.workers["w"])


def test_one_that_has_ended_is_silent_since_its_end() -> None:
    d = talking(reason="silent", state="exited", intent=7, ended_by="itself")

    assert ["w is silent for 12 min"] == [sentence(each) for each in needs(d, NOW)]


@pytest.mark.parametrize(
    ("attempt", "session", "waits"), [(1, "queued", True), (1, "running", False), (0, "queued", False)]
)
def test_only_what_its_last_observation_saw_in_a_queue_is_queued(attempt: int, session: Any, waits: bool) -> None:
    seen = Observation("w", attempt, session)

    assert waits == is_queued(WorkerState(name="w", session="w", state="launched", attempt=1, observation=seen))
    assert not is_queued(WorkerState(name="w", session="w", attempt=1))
