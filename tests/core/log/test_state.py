"""Events into a deployment; what is illegal is refused, before it is written and when it is read."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import msgspec
import pytest
from tests.log import HOST, NOW, Log

from wakeman.core.errors import TransitionError
from wakeman.core.log import events as e
from wakeman.core.log.state import (
    STATE_VERSION,
    apply,
    apply_drafts,
    apply_unchecked,
    compose,
    fold,
    transition,
    validate,
)
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Observation,
    Plan,
    State,
    Unit,
    UnitsSpec,
    Verdict,
    VerifySpec,
    WorkersSpec,
    Written,
    Wrote,
    attempt_id,
)
from wakeman.core.policy.review import REVIEWER_PROMPT


def launched() -> Log:
    """Return a log of four lines, the last of which launched its worker."""
    log = Log().say(e.Intended(action="launch", target="w"), worker="w", attempt=1)
    return log.move(e.Launched(intent=3))


def test_a_look_in_several_lines_is_one_look_and_its_last_line_completes_it() -> None:
    log = Log()
    passing = Verdict("a", marks=(FileFingerprint("a.out", 1, 1),))
    log.say(e.Looked(mono=1.0, boot="b", verdicts=(passing,), more=True))
    before = (log.d.looked, log.d.gained)
    log.say(e.Looked(mono=1.0, boot="b"))

    assert ((0, 1), (log.d.seq, 0, 0)) == (before, (log.d.looked, log.d.gained, log.d.idle_looks))


def test_looks_by_the_timer_are_counted_until_another_or_something_was_done() -> None:
    log, slept = Log(), e.Decided(row="sleep", looked=1)
    found = []
    for by, between in (
        [("timer:1", [])] + [("timer:1", [slept])] * 2 + [("timer:1", [slept] * 2), ("timer:1", [slept])]
    ):
        for fact in between:
            log.say(fact)
        log.say(e.Looked(mono=1.0, boot="b"), by=by)
        found.append(log.d.quick_looks)
    log.say(e.Looked(mono=1.0, boot="b"), by="at:1")

    assert ([0, 1, 2, 0, 1], 0) == (found, log.d.quick_looks)


def test_events_at_once_lead_to_the_state_that_each_by_itself_leads_to_also_where_one_is_refused() -> None:
    log = launched()
    drafts = [
        e.Draft(e.Noted("quiet")),
        transition(log.d.workers["w"], e.Started(why="a line")),
        e.Draft(e.Looked(mono=1.0, boot="b")),
    ]
    _, events = compose(launched().d, drafts, NOW, "at:1")
    refused = msgspec.structs.replace(events[1], seq=8)
    one_by_one, at_once, none = launched().d, launched().d, launched().d
    for event in events:
        apply(one_by_one, event)
    fold(at_once, events)
    fold(none, [])

    assert (one_by_one, launched().d) == (at_once, none)
    with pytest.raises(TransitionError):
        fold(at_once, [refused, events[2]])
    assert (8, refused.hash) == (at_once.seq, at_once.hash)


def test_a_launch_is_counted_when_it_is_intended_and_given_back_when_its_end_was_free() -> None:
    log = Log().running()
    counted = log.d.workers["w"].spent
    log.move(e.Exited(why="reboot", ended_by="machine", free=True))

    assert (1, 0) == (counted, log.d.workers["w"].spent)


def test_a_launch_that_failed_is_an_end_and_counts_towards_the_breaker() -> None:
    log = Log()
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=1)
    log.move(e.Exited(why="no", ended_by="launch"))

    assert ("exited", 0, 1) == (log.d.workers["w"].state, log.d.workers["w"].intent, log.d.failed_launches)


def test_a_relaunch_that_failed_is_an_outcome_and_the_next_that_works_clears_the_breaker() -> None:
    log = Log().running().move(e.Exited(why="exit status 1", code=1, ended_by="itself"))
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=2)
    intent = log.d.seq
    log.say(e.Effected(intent=intent, ok=False, detail="no room"), worker="w")
    failed = (log.d.failed_launches, log.d.workers["w"].why)
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=3).move(e.Relaunched(intent=1))

    assert ((1, "no room"), 0) == (failed, log.d.failed_launches)


def test_units_that_move_leave_their_worker_and_count_a_round() -> None:
    log = Log().say(e.Enrolled(session="w_c1", moved=("b",), origin="w"), worker="w_c1")

    assert (["a"], ["b"], 1) == (log.d.workers["w"].units, log.d.workers["w_c1"].units, log.d.units["b"].rounds)


def test_a_share_may_come_in_several_lines() -> None:
    log = Log().say(e.Enrolled(session="w", units=(Unit(name="c", outputs=("c.out",)),)), worker="w")

    assert ["a", "b", "c"] == log.d.workers["w"].units


def test_a_rejected_unit_is_open_until_its_files_are_others() -> None:
    old, new = ((FileFingerprint("a.out", 9, stamp),) for stamp in (1, 2))
    log = Log().say(e.Looked(mono=1.0, boot="b", verdicts=(Verdict(unit="a", marks=old),)))
    states = [log.d.units["a"].done]
    facts = (
        e.Requested(verb="reject", units=("a",), text="thin"),
        e.Looked(mono=2.0, boot="b", verdicts=(Verdict(unit="a", marks=old),)),
        e.Looked(mono=3.0, boot="b", verdicts=(Verdict(unit="a", marks=new),)),
    )
    states += [log.say(fact).d.units["a"].done for fact in facts]

    assert [True, False, False, True] == states


def test_a_unit_rejected_before_it_was_judged_is_open_until_it_has_files() -> None:
    log = Log().say(e.Requested(verb="reject", units=("a",), text="thin"))

    assert ((), "thin") == (log.d.units["a"].rejected, log.d.units["a"].reopened)


def test_looks_by_alarm_without_progress_are_counted_and_progress_starts_anew() -> None:
    log = Log()
    for _ in range(3):
        log.say(e.Looked(mono=1.0, boot="b"))
    idle = log.d.idle_looks
    log.say(e.Looked(mono=1.0, boot="b"), by="exit:1")
    log.say(e.Looked(mono=2.0, boot="b", verdicts=(Verdict(unit="a"),)))

    assert (3, 0) == (idle, log.d.idle_looks)


def test_looks_that_could_not_tell_are_counted_though_nothing_changes() -> None:
    log = Log().running()
    log.say(e.Looked(mono=11.0, boot="b1", observations=(Observation(worker="w", attempt=1, session="unknown"),)))
    log.say(e.Looked(mono=12.0, boot="b1"))

    assert 2 == log.d.workers["w"].unknowns


def test_time_with_every_worker_limited_does_not_count() -> None:
    log = Log().running().say(e.Looked(mono=40.0, boot="b1"))
    log.move(e.Stalled(reason="limited", why="usage"))
    log.say(e.Looked(mono=90.0, boot="b1"))

    assert 30.0 == log.d.counted


def test_time_asleep_or_on_another_boot_does_not_count() -> None:
    log = Log().say(e.Looked(mono=10.0, boot="b1")).say(e.Looked(mono=40.0, boot="b1"), after=90_000.0)
    log.say(e.Looked(mono=500.0, boot="b2")).say(e.Looked(mono=490.0, boot="b2"))

    assert 30.0 == log.d.counted


def test_a_pause_does_not_count() -> None:
    log = Log().say(e.Looked(mono=10.0, boot="b1")).say(e.Requested(verb="pause"))
    log.say(e.Looked(mono=40.0, boot="b1")).say(e.Requested(verb="unpause"))
    log.say(e.Looked(mono=90.0, boot="b1")).say(e.Looked(mono=91.0, boot="b1"))

    assert 31.0 == log.d.counted


def test_a_new_boot_starts_the_clock_of_life_anew() -> None:
    log = Log().running()
    seen = Observation(worker="w", attempt=1, session="running", life="aa")
    log.say(e.Looked(mono=500.0, boot="b1", observations=(seen,)))
    log.say(e.Looked(mono=5.0, boot="b2", observations=(seen,)))

    assert 5.0 == log.d.workers["w"].life_mono


def test_pausing_or_unpausing_twice_does_no_harm() -> None:
    log = Log().say(e.Requested(verb="pause")).say(e.Requested(verb="pause"), after=50.0)
    log.say(e.Requested(verb="unpause"), after=80.0).say(e.Requested(verb="unpause"), after=99.0)

    assert log.d.paused_at is None


def test_a_wish_about_a_worker_that_is_not_there_changes_nothing() -> None:
    log = Log().say(e.Requested(verb="stop")).say(e.Requested(verb="retry"))

    assert not log.d.workers["w"].stop


def test_a_deployment_that_goes_down_without_a_reason_still_has_one() -> None:
    assert "asked for" == Log().say(e.Requested(verb="down")).d.down


def test_a_notice_is_owed_until_its_outcome_is_known() -> None:
    log = Log().say(e.Intended(action="wake", text="hello", causes=("x",)))
    owed = dict(log.d.wakes)
    log.say(e.Effected(intent=log.d.seq, ok=True))

    assert (["hello"], {}, {"x": NOW}) == ([wake.text for wake in owed.values()], log.d.wakes, log.d.woken)


def test_an_accepted_row_is_forgotten_once_it_was_taken() -> None:
    log = Log().say(e.Decided(row="wrap up", looked=1, held=True)).say(e.Requested(verb="accept"))
    accepted = log.d.accepted
    log.say(e.Decided(row="wrap up", looked=1))

    assert ("wrap up", "", "", {"wrap up": 1}) == (accepted, log.d.accepted, log.d.held, log.d.rows)


def test_amending_drops_workers_with_their_units() -> None:
    plan = Plan(name="night", units=UnitsSpec(items=("x",)))
    log = Log().say(e.Amended(plan=plan, digest="d2", dropped=("w",)))

    assert ({}, {}, "d2") == (log.d.workers, log.d.units, log.d.digest)


def test_what_has_no_effect_still_moves_the_head() -> None:
    log = Log()
    before = log.d.seq
    log.say(e.Noted(text="x")).say(e.Unknown()).say(e.Intended(action="sweep", target="val_1"))

    assert before + 3 == log.d.seq


def test_a_closed_deployment_has_no_alarm_and_says_how_it_ended() -> None:
    log = Log().say(e.Closed(outcome="partial", why="out of time"))

    assert ("partial", "out of time", None) == (log.d.outcome, log.d.why, log.d.alarm)


def test_an_event_that_moves_a_worker_from_where_it_is_not_is_refused_with_its_line() -> None:
    with pytest.raises(TransitionError, match=r"line 3: w: 'started' from launched to running while pending"):
        Log().say(e.Started(), worker="w", attempt=1, source="launched", to="running")


WRONG: list[tuple[e.Fact, State, State]] = [
    (e.Started(), "launched", "stuck"),
    (e.Started(), "running", "running"),
    (e.Recovered(), "launched", "running"),
    (e.Verified(), "exited", "verified"),
    (e.Noted(text="x"), "launched", "running"),
]
"""What cannot happen to a worker that was launched and is no further."""


@pytest.mark.parametrize(("fact", "source", "to"), WRONG, ids=str)
def test_a_transition_that_the_table_does_not_have_is_refused_when_it_is_read_and_before_it_is_written(
    fact: e.Fact, source: State, to: State
) -> None:
    d = launched().d
    draft = e.Draft(fact, worker="w", attempt=1, source=source, to=to)
    before, said = msgspec.json.encode(d), f"w: '{e.kind(fact)}' from {source} to {to} while launched"

    with pytest.raises(TransitionError, match=f"^{said}$"):
        validate(d, [draft])
    with pytest.raises(TransitionError, match=f"^{said}$"):
        compose(d, [e.Draft(e.Noted(text="x")), draft], NOW, "at:1")
    assert before == msgspec.json.encode(d)
    with pytest.raises(TransitionError, match=f"^line 5: {said}$"):
        apply_drafts(d, [draft], NOW, "at:1")


def test_a_worker_is_in_its_state_since_the_line_that_brought_it_there() -> None:
    log = Log()
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=1)
    log.say(e.Launched(intent=3), worker="w", attempt=1, source="pending", to="launched", after=20.0)
    log.say(e.Looked(mono=1.0, boot="b"), after=30.0)

    assert ("launched", NOW + timedelta(seconds=20)) == (log.d.workers["w"].state, log.d.workers["w"].since)


def test_drafts_that_are_applied_without_a_log_follow_the_line_before_and_have_no_hash() -> None:
    d = launched().d
    drafts = [transition(d.workers["w"], e.Started(why="it printed")), e.Draft(e.Disarmed(generation=3))]

    events = apply_drafts(d, drafts, NOW, "at:1")

    assert [(5, NOW, "at:1", ""), (6, NOW, "at:1", "")] == [(one.seq, one.at, one.by, one.hash) for one in events]
    assert drafts == [e.Draft(one.data, one.worker, one.attempt, one.source, one.to) for one in events]
    assert ("running", 6) == (d.workers["w"].state, d.seq)


def test_the_lines_of_one_write_say_that_more_follows_but_for_the_last() -> None:
    d, read = launched().d, []
    first = d.seq + 1

    written, events = compose(d, [e.Draft(e.Noted(text=text)) for text in "abc"], NOW, "at:1")

    read = [e.decode(line) for line in written.splitlines()]
    assert [msgspec.structs.astuple(one) for one in events] == [msgspec.structs.astuple(one) for one in read]
    assert [(first, True), (first + 1, True), (first + 2, False)] == [(one.seq, one.more) for one in read]
    assert (first + 2, read[-1].hash) == (d.seq, d.hash)


@pytest.mark.parametrize(
    ("source", "fact", "state", "seq"),
    [
        ("exited", e.Relaunched(intent=3), "launched", 9),
        ("launched", e.Started(), "running", 9),
        (None, e.Started(), "running", 9),
        ("stuck", e.Started(), "stuck", 4),
        (None, e.Relaunched(intent=3), "launched", 4),
    ],
    ids=str,
)
def test_an_audit_goes_on_behind_an_illegal_transition_as_if_the_worker_had_been_where_the_line_says(
    source: State | None, fact: e.Fact, state: State, seq: int
) -> None:
    d = launched().d

    apply_unchecked(
        d,
        e.Event(v=1, seq=9, at=NOW, by="at:1", worker="w", attempt=1, source=source, to="verified", data=fact, hash=""),
    )

    assert (state, seq) == (d.workers["w"].state, d.seq)


def test_an_event_about_a_worker_that_was_not_enrolled_is_refused() -> None:
    with pytest.raises(TransitionError, match="line 3: no worker 'x' was enrolled"):
        Log().say(e.Captured(file="f", sha256="0"), worker="x")


def test_drafts_are_refused_together_before_any_is_written() -> None:
    log = Log().running()
    w = log.d.workers["w"]
    exited = transition(w, e.Exited(why="x"))

    validate(log.d, [exited, transition(w, e.Verified(), "exited"), e.Draft(e.Noted(text="x"))])
    with pytest.raises(TransitionError, match="w: 'exited' from running to exited while exited"):
        validate(log.d, [exited, exited])


def test_a_draft_for_a_worker_enrolled_in_the_same_write_is_taken() -> None:
    log = Log()

    validate(
        log.d,
        [
            e.Draft(e.Enrolled(session="n"), worker="n"),
            e.Draft(e.Exited(why="x"), worker="n", source="pending", to="exited"),
        ],
    )


def test_a_worker_that_gets_more_units_in_the_same_write_is_where_it_is() -> None:
    d = launched().d

    validate(d, [e.Draft(e.Enrolled(session="w"), worker="w"), transition(d.workers["w"], e.Started())])


@pytest.mark.parametrize("name", ["x", None])
def test_a_draft_for_nobody_is_refused(name: str | None) -> None:
    with pytest.raises(TransitionError, match=f"{name}: no such worker in night"):
        validate(Log().d, [e.Draft(e.Started(), worker=name, source="launched", to="running")])


def test_a_move_of_nobody_is_refused_when_it_is_read() -> None:
    with pytest.raises(TransitionError, match="line 3: no worker None was enrolled"):
        Log().say(e.Started(), source="launched", to="running")


def test_a_restart_is_another_attempt_asked_for() -> None:
    log = Log().running().say(e.Decided(row="investigate", looked=1, then=("restart",)), worker="w")

    assert (True, 1) == (log.d.workers["w"].again, log.d.workers["w"].rung)


def test_samples_are_kept() -> None:
    assert ("a",) == Log().say(e.Sampled(seed=1, units=("a",))).d.sampled


def test_a_look_over_several_lines_is_over_with_the_last() -> None:
    log = Log().say(e.Looked(mono=7.0, boot="b1", verdicts=(Verdict(unit="a"),), more=True))
    begun = (log.d.looked, log.d.gained)
    log.say(e.Looked(mono=7.0, boot="b1"))

    assert ((0, 1), (4, 0)) == (begun, (log.d.looked, log.d.gained))


def test_a_launch_that_the_machine_kept_from_happening_costs_nothing() -> None:
    log = Log().running().move(e.Exited(why="exit status 1", code=1, ended_by="itself"))
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=2)
    log.say(e.Effected(intent=log.d.seq, ok=False, detail="power cut", ended_by="machine"), worker="w")

    w = log.d.workers["w"]
    assert (1, 0, "machine", 0) == (w.spent, w.intent, w.ended_by, log.d.failed_launches)


def test_looks_that_could_not_settle_a_launch_are_counted() -> None:
    log = Log().say(e.Intended(action="launch", target="w"), worker="w", attempt=1)
    log.say(e.Looked(mono=1.0, boot="b1")).say(e.Looked(mono=2.0, boot="b1"))

    assert 2 == log.d.workers["w"].unknowns


def test_a_row_that_waits_for_a_word_is_held_while_others_are_taken() -> None:
    log = (
        Log()
        .say(e.Decided(row="clean up", looked=1, held=True))
        .say(e.Decided(row="sleep", looked=1, under="clean up"))
    )
    held = log.d.held
    log.say(e.Decided(row="sleep", looked=1))

    assert ("clean up", "") == (held, log.d.held)


def test_a_rejection_leaves_one_round_for_a_cleanup() -> None:
    log = Log()
    log.d.units["a"].rounds = 2
    log.say(e.Requested(verb="reject", units=("a",), text="thin"))

    assert 1 == log.d.units["a"].rounds


def test_a_disk_is_full_until_it_has_room_again() -> None:
    log = Log().say(e.Filled(size=300, why="no space"))
    full = log.d.full
    log.say(e.Freed())

    assert ("no space", "") == (full, log.d.full)


def test_time_with_everybody_limited_does_not_count() -> None:
    log = Log()
    log.say(e.Intended(action="launch", target="w"), worker="w", attempt=1)
    log.move(e.Launched(intent=3)).move(e.Started())
    log.say(e.Looked(mono=10, boot="b"))
    log.move(e.Stalled(reason="limited"))
    log.say(e.Looked(mono=30, boot="b"))
    limited = log.d.counted
    log.move(e.Recovered())
    log.say(e.Looked(mono=70, boot="b"))

    assert (0.0, 40.0) == (limited, log.d.counted)


def test_two_nights_of_one_name_and_second_in_two_state_directories_have_other_marks() -> None:
    here, there = Log().d, Log().d
    there.host = msgspec.structs.replace(HOST, directory="/other/night")

    assert attempt_id(here, here.workers["w"]) != attempt_id(there, there.workers["w"])


def test_the_writer_of_an_output_is_who_has_it_in_its_share_and_the_first_stays() -> None:
    log = Log().running()
    first, second = FileFingerprint("a.out", 1, 1), FileFingerprint("a.out", 2, 2)
    log.say(e.Progressed(written=1, total=2, files=(Written("a", (first,)),)), worker="w")
    log.say(e.Looked(mono=11.0, boot="b1", verdicts=(Verdict("a", marks=(first,)),)))
    log.say(e.Conflicted(path="/r/a.out", written=NOW, unit="a", owner="w", mark=second))

    assert {"a.out": Wrote(second, "w", "", True)} == log.d.units["a"].wrote
    assert (1, NOW) == (log.d.workers["w"].written, log.d.workers["w"].written_at)


def test_a_writer_who_was_told_is_not_inferred() -> None:
    log = Log().running()
    mark = FileFingerprint("a.out", 1, 1)
    log.say(e.Progressed(written=1, total=2, files=(Written("a", (mark,)),), inferred=False), worker="w")

    assert not log.d.units["a"].wrote["a.out"].inferred


def test_what_was_inferred_becomes_certain_when_somebody_tells() -> None:
    log = Log().running()
    one, two = (FileFingerprint("a.out", n, n) for n in (1, 2))
    for file, inferred in ((one, True), (one, False)):
        log.say(e.Progressed(written=1, total=2, files=(Written("a", (file,)),), inferred=inferred), worker="w")
    certain = log.d.units["a"].wrote["a.out"]
    log.say(e.Conflicted(path="/r/a.out", written=NOW, unit="a", mark=two))
    log.say(e.Progressed(written=1, total=2, files=(Written("a", (two,)),), inferred=False), worker="w")

    assert (Wrote(one, "w", "w", False), Wrote(two, "w", "w", False)) == (certain, log.d.units["a"].wrote["a.out"])


def test_an_output_that_was_there_before_was_written_by_nobody_here() -> None:
    log = Log()
    mark = FileFingerprint("c.out", 1, 1)
    log.say(e.Enrolled(session="v", units=(Unit(name="c", outputs=("c.out",)),), existing=(mark,)), worker="v")
    log.say(e.Looked(mono=11.0, boot="b1", verdicts=(Verdict("c", marks=(mark,)),)))

    assert {} == log.d.units["c"].wrote


def test_a_conflict_counts_against_its_writer_until_a_row_was_taken_or_the_attempt_is_over() -> None:
    log = Log().running()
    stray = e.Conflicted(path="/r/x", written=NOW)
    log.say(stray, worker="w")
    counted = log.d.workers["w"].trespasses
    log.say(e.Decided(row="warn", looked=1), worker="w")
    warned = log.d.workers["w"].trespasses
    log.say(stray, worker="w").move(e.Exited(why="done"))

    assert (1, 0, 0) == (counted, warned, log.d.workers["w"].trespasses)
    assert ({"/r/x": NOW}, "/r/x (nobody's) by w") == (log.d.trespassed, log.d.trespass)


def test_a_conflict_of_a_unit_that_was_dropped_is_kept_all_the_same() -> None:
    log = Log()
    log.say(e.Conflicted(path="/r/x", written=NOW, unit="gone", mark=FileFingerprint("x", 1, 1)))

    assert "/r/x (gone's) by nobody known" == log.d.trespass


def test_a_worker_begins_with_its_first_launch() -> None:
    log = Log().running()

    assert NOW == log.d.workers["w"].began


def test_a_reviewer_has_its_own_plan_from_its_enrolment_on_and_after_an_amendment() -> None:
    log = Log().say(e.Enrolled(session="r", units=(Unit("review_1", ("v",)),), review=1, reviews=("a",)), worker="r")
    maker, reviewer = log.d.workers["w"], log.d.workers["r"]
    before = (log.d.plan_of(maker).workers.prompt, log.d.plan_of(reviewer).workers.prompt)
    workers = WorkersSpec(mode="interactive", stage=True)
    plan = Plan(name="night", units=UnitsSpec(items=("x",)), workers=workers, verify=VerifySpec(min_bytes=9))
    log.say(e.Amended(plan=plan, digest="d2"))
    own = log.d.plan_of(reviewer)

    assert ("", REVIEWER_PROMPT) == before
    assert plan == log.d.plan_of(maker)
    assert ("print", False, VerifySpec()) == (own.workers.mode, own.workers.stage, own.verify)


SHAPES = {40: "e2db"}
"""STATE_VERSION -> digest of the structs that a snapshot keeps. Another shape needs another version."""


def test_another_shape_of_the_state_has_another_version() -> None:
    structs = msgspec.json.schema(Deployment)["$defs"]
    shape = {name: sorted(struct.get("properties", {})) for name, struct in structs.items()}
    digest = sha256(msgspec.json.encode(shape, order="sorted")).hexdigest()[:4]

    assert SHAPES[STATE_VERSION] == digest
