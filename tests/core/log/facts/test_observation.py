"""What each fact about what was seen changes, and that it changes nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.log import NOW, Log

from wakeman.core.log import events as e
from wakeman.core.model import (
    ANSWERED,
    EDITION_LAUNCH_MIN,
    EDITION_PROGRESS_MIN,
    Dialog,
    FileFingerprint,
    Observation,
    Usage,
    Validator,
    Verdict,
    WorkerState,
    Written,
    Wrote,
)

ONE, TWO = FileFingerprint("a.out", 1, 1), FileFingerprint("a.out", 2, 2)
PASSES, FAILS = Verdict("a", marks=(ONE,)), Verdict("a", ("empty",), marks=(ONE,))
MONO = 100.0


def of_w(**fields: object) -> dict[str, object]:
    return {f"workers.w.{name}": value for name, value in fields.items()}


def night(state: str = "running", **fields: object) -> Log:
    """Return a deployment that was looked at; its worker has had a sign of life long ago."""
    log = Log().say(e.Looked(mono=MONO, boot="b1"), by="exit:1")
    for name, value in {"state": state, "attempt": 1, "life": "l1", "life_mono": 5.0, **fields}.items():
        setattr(log.d.workers["w"], name, value)
    return log


def looked(mono: float = MONO, boot: str = "b1", **fields: Any) -> e.Looked:
    return e.Looked(mono=mono, boot=boot, **fields)


def seen(session: Any = "running", **fields: Any) -> Observation:
    return Observation("w", 1, session, **{"life": "l1", **fields})


def look(log: Log, fact: e.Looked, by: str = "exit:1", **fields: Any) -> dict[str, object]:
    """Return what a look changed besides that there was one."""
    found = log.changed_by(fact, by=by, **fields)
    if not fact.more:
        assert log.d.seq == found.pop("looked")
    return {place: value for place, value in found.items() if place not in ("looked_at", "mono", "boot", "counted")}


# --- one look -----------------------------------------------------------------------------------------------------


def test_a_look_is_the_last_one_with_all_that_it_read() -> None:
    there = (Validator("val_1", "$1", NOW),)
    log, read = night(), looked(mono=130.0, boot="b2", memory=7, server="s2", validators=there)

    assert {
        "looked": 4,
        "looked_at": NOW + timedelta(seconds=9),
        "mono": 130.0,
        "boot": "b2",
        "memory": 7,
        "server": "s2",
        "validators": there,
    } == log.changed_by(read, by="exit:1", after=9.0)


def test_a_look_that_does_not_speak_of_the_server_or_of_side_sessions_leaves_them_as_they_were() -> None:
    log = night()
    log.d.server, log.d.validators = "s1", (Validator("val_1", "$1", NOW),)

    assert {} == look(log, looked())
    assert {"validators": ()} == look(log, looked(validators=()))


def test_a_part_of_a_look_counts_as_no_look() -> None:
    log = night()
    log.d.restless["w"] = None
    part = looked(mono=130.0, boot="b2", memory=7, server="s2", validators=(), more=True, verdicts=(PASSES,))

    assert {"gained", "units.a.verdict", "units.a.wrote.a.out"} == set(log.changed_by(part))


@pytest.mark.parametrize(
    ("by", "verdicts", "idle"),
    [("at:1", (), 3), ("exit:1", (), 2), ("at:1", (FAILS,), 3), ("at:1", (PASSES,), 0), ("hook:1", (PASSES,), 0)],
)
def test_an_alarm_without_a_unit_newly_done_is_idle(by: str, verdicts: tuple[Verdict, ...], idle: int) -> None:
    log = night()
    log.d.idle_looks = 2
    look(log, looked(verdicts=verdicts), by=by)

    assert (idle, 0) == (log.d.idle_looks, log.d.gained)


# --- what counts towards the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mono", "boot", "paused", "counted"),
    [
        (130.0, "b1", False, 30.0),
        (MONO, "b1", False, 0.0),
        (70.0, "b1", False, 0.0),
        (130.0, "b2", False, 0.0),
        (130.0, "b1", True, 0.0),
    ],
)
def test_the_time_between_two_looks_of_one_boot_counts_unless_it_was_a_pause(
    mono: float, boot: str, paused: bool, counted: float
) -> None:
    log = night()
    log.d.resting = paused
    look(log, looked(mono=mono, boot=boot))

    assert (counted, False) == (log.d.counted, log.d.resting)


def test_a_pause_begins_to_rest_with_its_first_look() -> None:
    log = night()
    log.d.paused_at = NOW

    assert {"resting": True} == look(log, looked(mono=130.0))
    assert 30.0 == log.d.counted


LIMITED: dict[str, Any] = {"state": "stuck", "reason": "limited"}
WAITS: dict[str, Any] = {"state": "exited", "ended_by": "limit", "until": NOW + timedelta(seconds=1)}


@pytest.mark.parametrize(
    ("workers", "counts"),
    [
        ([LIMITED], False),
        ([LIMITED, LIMITED], False),
        ([LIMITED, {"state": "exited"}], False),
        ([LIMITED, {"state": "running"}], True),
        ([LIMITED, {"state": "stuck", "reason": "error"}], True),
        ([{"state": "exited"}], True),
        ([WAITS], False),
        ([WAITS, {"state": "exited"}], False),
        ([WAITS, LIMITED], False),
        ([WAITS, {"state": "running"}], True),
        ([{**WAITS, "until": NOW}], True),
        ([{**WAITS, "until": None}], True),
        ([{**WAITS, "ended_by": "itself"}], True),
    ],
    ids=str,
)
def test_time_counts_unless_a_usage_limit_keeps_everybody_from_work(
    workers: list[dict[str, Any]], counts: bool
) -> None:
    log = night()
    log.d.workers = {str(n): WorkerState(**{"name": str(n), "session": "", **each}) for n, each in enumerate(workers)}
    log.d.met = True
    look(log, looked(mono=130.0))

    assert (30.0 if counts else 0.0) == log.d.counted


def test_a_limit_that_nobody_met_keeps_nobody_from_work() -> None:
    log = night(**LIMITED)
    look(log, looked(mono=130.0))

    assert 30.0 == log.d.counted


# --- what was seen of a worker ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("boot", "before", "now", "changed"),
    [
        ("b1", seen(), seen(), {}),
        ("b1", seen(), seen(life="l2"), {"life": "l2", "life_mono": 130.0}),
        ("b1", seen(), seen(working=120.0), {"life_mono": 130.0}),
        ("b2", seen(), seen(), {"life_mono": 130.0}),
        ("b1", None, seen(), {"life_mono": 130.0}),
        ("b1", seen(agent_session="u"), seen(), {}),
        ("b1", seen(), seen(agent_session="u2"), {"agent_session": "u2"}),
        ("b1", seen(usage=Usage(input=1)), seen(), {}),
        ("b1", seen(), seen(usage=Usage(input=2)), {"usage": Usage(input=2)}),
        ("b1", seen(session_id="$9"), seen(), {}),
        ("b1", seen(), seen(session_id="$9"), {"session_id": "$9"}),
    ],
    ids=str,
)
def test_a_worker_is_silent_since_its_last_sign_of_life_of_this_boot(
    boot: str, before: Observation | None, now: Observation, changed: dict[str, object]
) -> None:
    log = night(observation=before, usage=Usage(input=1), agent_session="u")

    found = look(log, looked(mono=130.0, boot=boot, observations=(now,)))

    observed = {} if before == now else {"observation": now}
    assert of_w(**changed, **observed) == found


COUNTS: list[tuple[dict[str, Any], Observation | None, dict[str, object], bool]] = [
    ({}, seen("unknown"), {"unknowns": 3, "finished": 0}, True),
    ({}, seen(), {"unknowns": 0, "finished": 0}, False),
    ({}, seen(activity="idle"), {"unknowns": 0, "finished": 0}, True),
    ({"made": True}, seen(activity="idle"), {"unknowns": 0, "finished": 6}, True),
    ({"made": True}, seen(activity="busy"), {"unknowns": 0, "finished": 0}, False),
    ({"made": True}, seen("queued", activity="idle"), {"unknowns": 0, "finished": 0}, True),
    ({"made": True, "reason": "silent"}, seen(), {"unknowns": 0, "finished": 6}, True),
    ({"made": True, "reason": "silent"}, seen("unknown"), {"unknowns": 3, "finished": 0}, True),
    ({"made": True, "reason": "error"}, seen(), {"unknowns": 0, "finished": 0}, False),
    ({}, None, {"unknowns": 0, "finished": 0}, False),
    ({"intent": 2}, seen(), {"unknowns": 0, "finished": 0}, True),
    ({"state": "exited"}, None, {}, False),
    ({"state": "exited", "made": True}, seen(activity="idle"), {}, False),
    ({"state": "exited", "intent": 2}, None, {"unknowns": 3}, True),
    ({"state": "pending", "intent": 2}, None, {"unknowns": 3}, True),
    ({"state": "pending", "intent": 2, "asked": True}, None, {}, True),
]
"""Who is looked at, what the next look finds, what it counts, and whether the look after it may count, too."""


@pytest.mark.parametrize(("fields", "found", "counted", "again"), COUNTS, ids=str)
def test_a_look_counts_what_it_cannot_tell_and_who_has_nothing_left_to_do(
    fields: dict[str, Any], found: Observation | None, counted: dict[str, object], again: bool
) -> None:
    made = fields.get("made", False)
    log = night(
        **{"unknowns": 2, "finished": 5, "observation": found, **{k: v for k, v in fields.items() if k != "made"}}
    )
    log.d.units["a"].waived, log.d.units["b"].staged = made, Verdict("b", () if made else ("empty",))
    log.d.restless["w"] = None

    changed = look(log, looked())

    assert of_w(**counted) | ({} if again else {"restless.w": "gone"}) == changed


IDLE = seen(activity="idle")
RESTS: list[tuple[dict[str, Any], tuple[tuple[float, Observation], ...], tuple[int, int]]] = [
    ({}, ((200.0, IDLE),), (1, 1)),
    ({}, ((200.0, IDLE), (201.0, IDLE)), (2, 2)),
    ({}, ((200.0, IDLE), (200.5, IDLE)), (1, 1)),  # two checks at once are one look
    ({}, ((200.0, IDLE), (200.5, IDLE), (201.0, IDLE)), (2, 2)),
    ({}, ((200.0, IDLE), (201.0, IDLE), (202.0, IDLE)), (3, 3)),
    ({}, ((200.0, IDLE), (201.0, seen(activity="idle", life="l2"))), (1, 1)),  # an output grew in between
    ({}, ((200.0, IDLE), (201.0, IDLE), (202.0, seen(activity="busy"))), (0, 0)),
    ({}, ((200.0, seen(activity="idle", background=True)),), (0, 0)),
    ({}, ((200.0, seen(activity="idle", working=3.0)),), (0, 0)),
    ({}, ((200.0, seen("unknown", activity="idle")),), (0, 0)),
    ({"reason": "silent"}, ((200.0, seen()),), (1, 1)),
    ({"reason": "silent"}, ((200.0, seen(activity="waiting")),), (0, 0)),
    ({"reason": "error"}, ((200.0, seen()),), (0, 0)),
    ({"made": False}, ((200.0, IDLE), (201.0, IDLE)), (2, 0)),
]
"""Who is looked at, when and as what; the looks that count as rest, and those of them with everything made."""


@pytest.mark.parametrize(("fields", "looks", "counted"), RESTS, ids=str)
def test_looks_at_rest_count_one_second_apart_and_from_the_last_sign_of_life(
    fields: dict[str, Any], looks: tuple[tuple[float, Observation], ...], counted: tuple[int, int]
) -> None:
    log = night(idle_life="l1", **{name: value for name, value in fields.items() if name != "made"})
    log.d.edition = EDITION_PROGRESS_MIN
    log.d.restless["w"] = None
    for unit in log.d.units.values():
        unit.waived = fields.get("made", True)
    for mono, observation in looks:
        log.say(looked(mono, observations=(observation,)))
        log.d.restless["w"] = None

    assert counted == (log.d.workers["w"].idle, log.d.workers["w"].finished)


@pytest.mark.parametrize(
    ("fields", "found", "again"),
    [
        ({}, seen(), False),
        ({}, IDLE, True),
        ({}, seen("unknown"), True),
        ({"reason": "silent"}, seen(), True),
        ({"intent": 2}, seen(), True),
    ],
    ids=str,
)
def test_a_worker_is_counted_on_while_it_may_be_at_rest_or_cannot_be_told(
    fields: dict[str, Any], found: Observation, again: bool
) -> None:
    log = night(observation=found, **fields)
    log.d.edition = EDITION_PROGRESS_MIN
    log.d.restless["w"] = None
    look(log, looked())

    assert again == ("w" in log.d.restless)


@pytest.mark.parametrize(
    ("looks", "given"),
    [
        ([seen(given=True)], 110.0),
        ([seen(given=True), seen(given=True)], 110.0),
        ([seen(given=True), seen(given=True, life="l2")], 120.0),  # it has worked since: its result is a later one
        ([seen(given=True), seen(life="l2")], 0.0),
        ([seen(), seen(given=True)], 120.0),
        ([seen()], 0.0),
    ],
    ids=str,
)
def test_a_result_is_given_at_the_first_look_that_shows_it_without_a_later_sign_of_life(
    looks: list[Observation], given: float
) -> None:
    log = night()
    for at, observation in enumerate(looks, 11):
        log.say(looked(at * 10.0, observations=(observation,)))

    assert given == log.d.workers["w"].given_mono


@pytest.mark.parametrize(
    ("before", "activity", "why", "answered"),
    [
        (True, "waiting", "asks for a permission", True),
        (True, "idle", ANSWERED, True),
        (True, "waiting", ANSWERED, True),
        (True, "idle", "", False),
        (True, "busy", "", False),
        (False, "waiting", "asks for a permission", False),
        (False, "idle", ANSWERED, False),
    ],
)
def test_a_question_was_answered_until_its_worker_does_something_else(
    before: bool, activity: Any, why: str, answered: bool
) -> None:
    log = night(answered=before)
    look(log, looked(observations=(seen(activity=activity, why=why),)))

    assert answered == log.d.workers["w"].answered


TOOL, BACK = seen(working=3.0), seen(background=True)


@pytest.mark.parametrize(
    ("looks", "life", "background"),
    [
        ([seen(), seen()], 110.0, 0.0),
        ([seen(), TOOL], 120.0, 0.0),
        ([seen(), BACK], 110.0, 120.0),
        ([seen(), BACK, BACK], 110.0, 120.0),
        ([seen(), BACK, seen()], 130.0, 0.0),  # what ran in the background has ended: it may go on
        ([seen(), BACK, seen(background=True, life="l2")], 130.0, 130.0),
        ([BACK, BACK], 110.0, 110.0),
    ],
    ids=str,
)
def test_work_in_the_background_is_counted_from_the_last_other_sign_of_life(
    looks: list[Observation], life: float, background: float
) -> None:
    log = night()
    for at, observation in enumerate(looks, 11):
        log.say(looked(at * 10.0, observations=(observation,)))

    assert (life, background) == (log.d.workers["w"].life_mono, log.d.workers["w"].background_mono)


def test_last_words_are_kept_until_there_are_others() -> None:
    log = night()
    log.say(looked(110.0, observations=(seen(said="Which?", means="asks"),)))
    log.say(looked(120.0, observations=(seen(),)))
    kept = log.d.workers["w"].said, log.d.workers["w"].means
    log.say(looked(130.0, observations=(seen(said="Done.", means="claims"),)))

    assert (("Which?", "asks"), ("Done.", "claims")) == (kept, (log.d.workers["w"].said, log.d.workers["w"].means))


def test_a_dialog_is_another_question_unless_the_look_before_saw_the_same() -> None:
    log, asks = night(), [Dialog("permission", "Run?", (), seen=one) for one in ("d1", "d2")]
    worker = log.d.workers["w"]
    counts = []

    for dialog in (asks[0], asks[0], asks[1], asks[0], None, asks[0]):
        look(log, looked(observations=(seen(activity="waiting", dialog=dialog),)))
        counts.append(worker.questions)
    worker.attempt = 9
    look(log, looked(observations=(msgspec.structs.replace(seen(activity="waiting", dialog=asks[0]), attempt=9),)))

    assert ([1, 1, 2, 3, 3, 4], 5) == (counts, worker.questions)


def test_what_opened_a_client_s_account_is_known_until_a_look_says_otherwise() -> None:
    log = night().say(looked(110.0, keys="k1")).say(looked(120.0))
    kept = log.d.keys

    assert ("k1", "k2") == (kept, log.say(looked(130.0, keys="k2")).d.keys)


@pytest.mark.parametrize("of", ["a", "b"])
def test_who_is_idle_with_a_unit_left_to_make_has_not_finished(of: str) -> None:
    log = night(finished=5)
    log.d.units[of].waived = True

    assert 0 == look(log, looked(observations=(seen(activity="idle"),)))["workers.w.finished"]


@pytest.mark.parametrize(
    ("observation", "restless"),
    [
        (seen(), False),
        (seen(activity="idle"), True),
        (seen(activity="waiting"), False),
        (seen("unknown"), True),
        (seen("exited"), False),
    ],
    ids=str,
)
def test_a_worker_is_counted_from_the_look_on_that_finds_it_idle_or_cannot_tell(
    observation: Observation, restless: bool
) -> None:
    log = night()
    look(log, looked(observations=(observation,)))

    assert restless == ("w" in log.d.restless)


# --- what was judged ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "gained"),
    [(None, PASSES, 1), (None, FAILS, 0), (FAILS, PASSES, 1), (PASSES, PASSES, 0), (PASSES, FAILS, 0)],
)
def test_a_unit_is_gained_when_it_is_newly_done(before: Verdict | None, now: Verdict, gained: int) -> None:
    log = night()
    log.d.units["a"].verdict = before
    log.say(looked(verdicts=(now,), more=True))

    assert (now, gained) == (log.d.units["a"].verdict, log.d.gained)


@pytest.mark.parametrize(
    ("rejected", "now", "reopened", "gained"),
    [((ONE,), (ONE,), "thin", 0), ((ONE,), (TWO,), "", 1), ((), (ONE,), "", 1), ((ONE,), (), "", 1)],
)
def test_a_rejection_holds_until_other_files_are_judged(
    rejected: tuple[FileFingerprint, ...], now: tuple[FileFingerprint, ...], reopened: str, gained: int
) -> None:
    log = night()
    log.d.units["a"].reopened, log.d.units["a"].rejected = "thin", rejected
    log.say(looked(verdicts=(Verdict("a", marks=now),), more=True))

    assert (reopened, gained) == (log.d.units["a"].reopened, log.d.gained)


@pytest.mark.parametrize("marks", [(ONE,), (TWO, FileFingerprint("a.2", 1, 1))], ids=len)
def test_a_judged_file_was_written_by_the_units_worker_unless_it_was_there_before(
    marks: tuple[FileFingerprint, ...],
) -> None:
    log = night()
    log.d.before = {"a.out": ONE, "a.2": ONE}
    log.say(looked(verdicts=(Verdict("a", marks=marks),)))

    assert {mark.path: Wrote(mark, "w", "w") for mark in marks if mark != ONE} == log.d.units["a"].wrote


@pytest.mark.parametrize(
    ("edition", "begun", "written"),
    [
        (EDITION_LAUNCH_MIN - 1, False, True),
        (EDITION_LAUNCH_MIN, False, False),
        (EDITION_LAUNCH_MIN, True, True),
        (EDITION_LAUNCH_MIN + 1, False, False),
    ],
)
def test_a_file_was_written_by_a_unit_s_worker_only_once_one_was_launched(
    edition: int, *, begun: bool, written: bool
) -> None:
    log = night()
    log.d.edition, log.d.units["a"].begun = edition, begun
    log.say(looked(verdicts=(PASSES,)))

    assert ({"a.out": Wrote(ONE, "w", "w")} if written else {}) == log.d.units["a"].wrote


LADDER: dict[str, Any] = {"rung": 2, "trouble": "silent: ", "tried": ("capture", "nudge"), "barred": ("nudge",)}


@pytest.mark.parametrize(
    ("before", "now", "anew"),
    [(None, PASSES, True), (FAILS, PASSES, True), (PASSES, PASSES, False), (None, FAILS, False)],
)
def test_a_unit_that_is_newly_done_begins_its_worker_s_ladders_anew(
    before: Verdict | None, now: Verdict, *, anew: bool
) -> None:
    log = night(**LADDER)
    log.d.units["a"].verdict = before
    found = look(log, looked(verdicts=(now,)))

    begun = {"rung": 0, "trouble": "", "tried": (), "barred": ()}
    assert of_w(**begun if anew else {}) == {place: value for place, value in found.items() if "workers" in place}


@pytest.mark.parametrize(
    ("before", "now", "since"),
    [
        (None, PASSES, 130.0),
        (Verdict("a", marks=(TWO,)), PASSES, 130.0),
        (FAILS, PASSES, 5.0),
        (PASSES, PASSES, 5.0),
    ],
    ids=str,
)
def test_what_is_staged_rests_since_these_very_files_were_seen(
    before: Verdict | None, now: Verdict, since: float
) -> None:
    log = night()
    unit = log.d.units["a"]
    unit.staged, unit.staged_mono = before, 5.0
    log.say(looked(mono=130.0, staged=(now,)))

    assert (now, since, None) == (unit.staged, unit.staged_mono, unit.verdict)


# --- who wrote it -------------------------------------------------------------------------------------------------


KNOWN: list[tuple[Wrote | None, FileFingerprint, bool, Wrote]] = [
    (None, ONE, True, Wrote(ONE, "w", "w", True)),
    (None, ONE, False, Wrote(ONE, "w", "w", False)),
    (Wrote(ONE, "x", "x", True), ONE, True, Wrote(ONE, "x", "x", True)),
    (Wrote(ONE, "x", "x", True), ONE, False, Wrote(ONE, "w", "w", False)),
    (Wrote(ONE, "x", "y", True), ONE, False, Wrote(ONE, "x", "w", False)),
    (Wrote(ONE, "x", "x", False), ONE, True, Wrote(ONE, "x", "x", False)),
    (Wrote(ONE, "x", "x", False), ONE, False, Wrote(ONE, "x", "x", False)),
    (Wrote(ONE, "x", "x", False), TWO, True, Wrote(TWO, "x", "w", True)),
    (Wrote(ONE, "x", "x", False), TWO, False, Wrote(TWO, "x", "w", False)),
    (Wrote(ONE, "x", "x", True), TWO, False, Wrote(TWO, "x", "w", True)),
    (Wrote(ONE, "x", "x", True), TWO, True, Wrote(TWO, "x", "w", True)),
]
"""Who was known to have written which file, what `w` wrote now, whether that is inferred, and who is known then."""


@pytest.mark.parametrize(("known", "mark", "inferred", "now"), KNOWN, ids=str)
def test_who_is_told_to_have_written_a_file_outweighs_who_is_taken_to_have(
    known: Wrote | None, mark: FileFingerprint, inferred: bool, now: Wrote
) -> None:
    log = night()
    log.d.units["a"].wrote = {} if known is None else {"a.out": known}
    fact = e.Progressed(written=1, total=2, files=(Written("a", (mark,)),), inferred=inferred)

    found = log.changed_by(fact, worker="w", after=9.0)

    changed = {} if known == now else {"units.a.wrote.a.out": now}
    assert {**of_w(written=1, written_at=NOW + timedelta(seconds=9)), **changed} == found


@pytest.mark.parametrize(
    ("worker", "unit", "mark", "words", "wrote"),
    [
        ("w", "", None, "/r/a.out (nobody's) by w", None),
        ("w", "b", None, "/r/a.out (b's) by w", None),
        ("w", "b", ONE, "/r/a.out (b's) by w", Wrote(ONE, "w", "w", True)),
        (None, "b", ONE, "/r/a.out (b's) by nobody known", Wrote(ONE, "", "", True)),
        ("w", "gone", ONE, "/r/a.out (gone's) by w", None),
    ],
)
def test_a_conflict_is_held_against_its_writer_and_known_by_its_path(
    worker: str | None, unit: str, mark: FileFingerprint | None, words: str, wrote: Wrote | None
) -> None:
    log = night(trespasses=4)
    fact = e.Conflicted(path="/r/a.out", written=NOW, unit=unit, mark=mark)

    assert {
        "trespassed./r/a.out": NOW,
        "trespass": words,
        **({"workers.w.trespasses": 5} if worker else {}),
        **({"units.b.wrote.a.out": wrote} if wrote else {}),
    } == log.changed_by(fact, worker=worker)


def test_a_hook_that_tells_of_a_conflict_is_certain_of_its_writer() -> None:
    log = night()
    log.say(e.Conflicted(path="/r/a.out", written=NOW, unit="a", mark=ONE, inferred=False), worker="w")

    assert {"a.out": Wrote(ONE, "w", "w", False)} == log.d.units["a"].wrote


# --- what the disk does not keep ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PASSES, Verdict("a", ("not on the disk: no room",), marks=(ONE,))),
        (FAILS, Verdict("a", ("empty", "not on the disk: no room"), marks=(ONE,))),
        (None, Verdict("a", ("not on the disk: no room",))),
    ],
    ids=str,
)
def test_a_unit_that_is_not_on_the_disk_is_not_done_for_that_reason_too(before: Verdict | None, after: Verdict) -> None:
    log = night()
    log.d.units["a"].verdict = before

    assert {"units.a.verdict": after} == log.changed_by(e.Unsynced(unit="a", why="no room"), worker="w")


# --- whether the service answers ----------------------------------------------------------------------------------

TRIED, ANSWERS, AGAIN, OVER = ("w", "529", 1), ("", "", 0), ("", "529", 2), ("", "529", 1)
REFUSED = seen(activity="limited", fault="outage")
LIMITED_W: dict[str, Any] = {"state": "stuck", "reason": "limited", "fault": "outage"}
PROBES: list[tuple[dict[str, Any], Observation | None, float, tuple[str, str, int]]] = [
    ({}, None, 130.0, TRIED),
    ({}, seen(activity="busy"), 130.0, TRIED),
    ({}, seen(activity="busy"), 100.0, TRIED),
    ({}, seen(activity="busy"), 159.5, TRIED),
    ({}, seen(activity="busy"), 160.0, ANSWERS),
    ({}, seen(activity="busy"), 99.5, ANSWERS),  # the clock began anew: nobody knows for how long it was not refused
    ({}, seen(activity="busy", retries=True), 160.0, TRIED),
    *(({}, seen(activity=activity), 101.0, ANSWERS) for activity in ("idle", "waiting", "error", "limited")),
    ({}, seen(activity="idle", fault="outage"), 101.0, ANSWERS),
    ({}, seen("queued", activity="idle"), 160.0, TRIED),
    ({}, seen("unknown", activity="idle"), 160.0, TRIED),
    ({"prompt": 7}, seen(activity="idle"), 160.0, TRIED),
    ({}, REFUSED, 160.0, TRIED),
    ({**LIMITED_W, "life_mono": 100.0}, REFUSED, 159.5, TRIED),
    ({**LIMITED_W, "life_mono": 100.0}, REFUSED, 160.0, AGAIN),
    ({**LIMITED_W, "life_mono": 100.0}, REFUSED, 100.0, TRIED),
    ({**LIMITED_W, "life_mono": 100.0}, REFUSED, 99.5, AGAIN),
    ({**LIMITED_W, "life_mono": 100.5}, REFUSED, 101.0, AGAIN),
    ({"state": "exited"}, None, 130.0, OVER),
    ({"state": "exited", "intent": 2}, None, 130.0, TRIED),
]
"""The worker that tries the service, what the look sees of it and when; who tries then, the outage, and its tries."""


@pytest.mark.parametrize(("fields", "found", "mono", "left"), PROBES, ids=str)
def test_the_service_answers_where_its_worker_does_what_needs_an_answer_or_is_not_refused_for_a_minute(
    fields: dict[str, Any], found: Observation | None, mono: float, left: tuple[str, str, int]
) -> None:
    log = night(**fields)
    log.d.workers["w"].observation = found
    log.d.outage, log.d.outage_tries, log.d.probe, log.d.probe_mono = "529", 1, "w", 100.0
    log.d.workers["w"].why = "529"
    log.say(looked(mono))

    assert left == (log.d.probe, log.d.outage, log.d.outage_tries)


def test_a_unit_that_is_newly_done_shows_that_the_service_answers() -> None:
    log = night(observation=seen(activity="busy"))
    log.d.outage, log.d.outage_tries, log.d.probe, log.d.probe_mono = "529", 3, "w", 100.0
    log.say(looked(101.0, verdicts=(PASSES,)))

    assert ANSWERS == (log.d.probe, log.d.outage, log.d.outage_tries)
