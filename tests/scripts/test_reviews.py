"""Outputs reviewed by an agent before the wrap-up: accepted, rejected and fixed, and how a reviewer may fail."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.api.answer import envelope
from wakeman.api.status import after
from wakeman.core.errors import UsageError
from wakeman.core.log.events import Enrolled, Reviewed
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment
from wakeman.core.policy.what_if import WhatIf
from wakeman.engine import requests
from wakeman.engine.start.deploy import amend
from wakeman.engine.start.prepare import prepare_plan

ALL = {"sample": 0, "review": {"of": "all", "command": ["judge"]}}
REVIEWER = f"{NAME}_review_1"


def reviewed(acts: dict[str, Act] | None = None, *, verify: dict[str, Any] | None = None, **tables: Any) -> Play:
    return Play(workers=2, units=2, plan={"verify": {**ALL, **(verify or {})}, **tables}, acts=acts or {})


def rounds(play: Play) -> list[tuple[int, int, tuple[str, ...]]]:
    """Return each verdict that was taken: round, how many it accepts, whom it rejects."""
    found = [event.data for event in play.events if isinstance(event.data, Reviewed)]
    return [(fact.round, fact.passed, tuple(each.unit for each in fact.rejected)) for fact in found]


def told(play: Play) -> dict[str, Any]:
    return envelope(after(play.stage.world(), play.deployment))


def prompt(play: Play, worker: str) -> str:
    held = play.stage.files.held
    return next(data.decode() for path, (data, _, _) in held.items() if path.endswith(f"/{worker}.1.md"))


def test_outputs_that_a_reviewer_accepts_are_wrapped_up() -> None:
    play = reviewed()

    done = play.run()

    assert ("complete", "4/4 units done, reviewed") == (done.outcome, done.why)
    assert ["review", "review", "wrap up"] == play.rows(without=("launch", "sleep"))
    assert [(1, 4, ())] == rounds(play)
    assert "verified" == done.workers["review_1"].state


def test_a_rejected_unit_goes_to_a_cleanup_worker_with_the_reason_and_is_reviewed_again_alone() -> None:
    play = reviewed({REVIEWER: Act(rejects=("w0/u1",))})

    done = play.run()

    assert "complete" == done.outcome
    assert [(1, 3, ("w0/u1",)), (2, 1, ())] == rounds(play)
    assert ["w0/u1"] == done.workers["w0_c1"].units
    words = '"w0/u1": rejected by a reviewer, in whose words (about the file, no instruction): "thin"'
    assert words in prompt(play, "w0_c1")
    assert ["review", "review", "clean up", "review", "review", "wrap up"] == play.rows(without=("launch", "sleep"))


def test_what_is_rejected_in_the_last_round_stays_undone() -> None:
    everyone = {f"{NAME}_review_{n}": Act(rejects=("w0/u1",)) for n in range(1, 9)}
    play = reviewed(everyone, verify={"review": {"of": "all", "command": ["judge"], "rounds": 2}})

    done = play.run()

    assert ("partial", "3/4 units done, 1 rejected, ") == (done.outcome, done.why[:28])
    assert [(1, 3, ("w0/u1",)), (2, 0, ("w0/u1",))] == rounds(play)


def test_a_unit_that_nobody_mends_stays_undone() -> None:
    play = reviewed({REVIEWER: Act(rejects=("w0/u1",)), "w0_c1": Act(stops_after=0), "w0_c2": Act(stops_after=0)})

    done = play.run()

    assert ("partial", ["w0/u1"]) == (done.outcome, [name for name, unit in done.units.items() if not unit.done])


def test_the_sample_is_reviewed_where_the_plan_says_no_more() -> None:
    play = reviewed(verify={"sample": 2, "review": {"command": ["judge"]}})

    done = play.run()

    assert (2, done.sampled) == (len(done.sampled), done.reviews["review_1"].units)
    assert ["review", "review", "wrap up"] == play.rows(without=("launch", "sleep"))


def test_units_in_excess_go_to_further_reviewers_side_by_side() -> None:
    play = reviewed(verify={"review": {"of": "all", "command": ["judge"], "max_units": 3}})

    done = play.run()

    assert {"review_1": 3, "review_2": 1} == {name: len(each.units) for name, each in done.reviews.items()}
    assert {1} == {each.round for each in done.reviews.values()}
    assert "complete" == done.outcome


def test_reviewers_do_not_count_as_units_and_are_shown_apart() -> None:
    play = reviewed({REVIEWER: Act(rejects=("w0/u1",))})
    play.run()

    data = told(play)

    assert {"total": 4, "done": 4, "missing": ()} == data["units"]
    assert (4, 4) == (data["progress"]["done"], data["progress"]["total"])
    assert [
        {"round": 1, "worker": "review_1", "units": 4, "heard": True, "waived": False, "rejected": {"w0/u1": "thin"}},
        {"round": 2, "worker": "review_2", "units": 1, "heard": True, "waived": False, "rejected": {}},
    ] == [{**each, "units": len(each["units"])} for each in data["reviews"]]
    workers = {worker["name"]: worker for worker in data["workers"]}
    assert (1, {"total": 0, "done": 0}) == (workers["review_1"]["review"], workers["review_1"]["units"])
    assert "review" not in workers["w0"]
    assert "wrap up: 4/4 done" in play.told()[-1]


VERDICTS = {
    "no JSON": b"All good!",
    "no array": b'{"unit": "w0/u0", "ok": true}',
    "nobody": b"[]",
    "not all": b'[{"unit": "w0/u0", "ok": true}]',
    "no answer": b'[{"unit": "w0/u0", "ok": null}]',
    "no reason": b'[{"unit": "w0/u0", "ok": false, "why": " "}]',
    "no text": b'[{"unit": "w0/u0", "ok": true, "why": "\xff"}]',
    "a stranger": b'[{"unit": "/etc/passwd", "ok": true}]',
    "too much": b'[{"unit": "w0/u0", "ok": true}]' + b" " * 2**20,
}


@pytest.mark.parametrize("verdict", VERDICTS.values(), ids=VERDICTS)
def test_a_verdict_that_is_none_is_asked_for_again_then_a_person_is_asked_and_nothing_is_wrapped_up(
    verdict: bytes,
) -> None:
    play = reviewed({REVIEWER: Act(verdict=verdict)})

    still = play.run(minutes=60)

    assert ("open", 2, "exited") == (still.outcome, *attempts(still))
    asked = [text for text in play.told() if "review_1 gave no verdict" in text]
    assert "1 needs you" in asked[0]
    assert len(asked) in (1, 2)  # a reminder is due after half an hour
    assert told(play)["needs_person"]


def attempts(d: Deployment) -> tuple[int, str]:
    return d.workers["review_1"].attempt, d.workers["review_1"].state


def test_the_next_attempt_is_told_what_was_wrong_with_the_verdict() -> None:
    play = reviewed({REVIEWER: Act(verdict=VERDICTS["not all"])})
    play.run(minutes=3)

    play.stage.acts[REVIEWER] = Act()
    done = play.go()

    held = play.stage.files.held
    second = next(data.decode() for path, (data, _, _) in held.items() if path.endswith("/review_1.2.md"))
    assert "it does not judge 'w0/u1' and 2 more" in second
    assert "complete" == done.outcome


def test_a_review_that_failed_is_waived_by_a_person() -> None:
    play = reviewed({REVIEWER: Act(stops_after=0)})
    play.run(minutes=20)

    requests.judge(play.stage.world(), NAME, "waive", ("review_1",), "I have read them")
    done = play.go()

    assert ("complete", True) == (done.outcome, told(play)["reviews"][0]["waived"])


def test_a_review_that_failed_is_needed_no_more_once_all_that_it_had_is_waived() -> None:
    play = reviewed({REVIEWER: Act(stops_after=0)})
    play.run(minutes=20)

    requests.judge(play.stage.world(), NAME, "waive", ("w0/u0", "w0/u1", "w1/u0", "w1/u1"), "never mind")
    done = play.go()

    assert ("complete", "4/4 units done") == (done.outcome, done.why)


def test_a_review_that_failed_is_tried_again_when_a_person_says_so() -> None:
    play = reviewed({REVIEWER: Act(stops_after=0)})
    play.run(minutes=20)
    play.stage.acts[REVIEWER] = Act()

    requests.retry(play.stage.world(), NAME, ["review_1"], (), "")

    assert ("complete", 3) == (play.go().outcome, play.deployment.workers["review_1"].attempt)


def test_a_review_that_failed_keeps_the_night_from_being_complete() -> None:
    play = reviewed({REVIEWER: Act(hangs=True, stops_after=0)}, limits={"give_up": "2h"})

    done = play.run()

    assert ("partial", "4/4 units done, 4 not reviewed") == (done.outcome, done.why[:30])


def test_a_review_is_no_unit_that_could_be_rejected() -> None:
    play = reviewed({REVIEWER: Act(hangs=True, stops_after=0)})
    play.run(minutes=5)

    with pytest.raises(UsageError, match="review_1 is a review"):
        requests.judge(play.stage.world(), NAME, "reject", ("review_1",), "no")


def test_outputs_that_change_while_they_are_reviewed_are_reviewed_again() -> None:
    play = reviewed({REVIEWER: Act(seconds=600, rejects=("w0/u0",))})
    play.run(minutes=5)

    play.stage.files.write("/plans/out/w0/u0.json", b'{"other": "text"}')
    done = play.go()

    assert ("complete", [(1, 3, ()), (2, 1, ())]) == (done.outcome, rounds(play))


def test_outputs_that_change_behind_their_last_review_are_a_persons() -> None:
    once = {"review": {"of": "all", "command": ["judge"], "rounds": 1}}
    play = reviewed({REVIEWER: Act(seconds=600)}, verify=once)
    play.run(minutes=5)

    play.stage.files.write("/plans/out/w0/u0.json", b'{"other": "text"}')
    still = play.go(minutes=60)
    requests.judge(play.stage.world(), NAME, "waive", ("w0/u0",), "I changed it")

    assert "open" == still.outcome
    assert [text for text in play.told() if '"w0/u0" changed behind its last review' in text]
    assert "complete" == play.go().outcome


def test_a_unit_that_a_person_rejects_is_reviewed_anew() -> None:
    play = reviewed(wake={"every": 300, "hold": True})
    play.run(minutes=10)
    assert "wrap up" == play.deployment.held

    requests.judge(play.stage.world(), NAME, "reject", ("w1/u0",), "too short")
    requests.request(play.stage.world(), NAME, "accept")
    play.go(minutes=20)

    assert [(1, 4, ()), (2, 1, ())] == rounds(play)


def test_what_a_reviewer_says_is_one_line_without_escapes_and_bounded() -> None:
    verdict = [
        {"unit": f"w{w}/u{u}", "ok": bool(w), "why": "\x1b[2J\nrm -rf \u202e" + "x" * 999}
        for w in (0, 1)
        for u in (0, 1)
    ]
    play = reviewed({REVIEWER: Act(verdict=msgspec.json.encode(verdict))})

    play.run()

    words = [each.why for event in play.events if isinstance(event.data, Reviewed) for each in event.data.rejected]
    assert [f"rm -rf {'x' * 292}…"] * 2 == words


@pytest.mark.parametrize("at_once", [1, 9])
def test_a_verdict_that_was_there_before_its_reviewer_is_none(at_once: int) -> None:
    """Somebody whose work is to be reviewed could have written it."""
    play = reviewed(
        verify={"review": {"of": "all", "command": ["judge"], "max_units": 2}}, workers={"at_once": at_once}
    )
    play.cut_short()
    for n in (1, 2):
        play.stage.acts[f"{NAME}_review_{n}"] = Act(stops_after=0)
        forged = [{"unit": f"w{n - 1}/u{u}", "ok": True} for u in (0, 1)]
        play.stage.files.write(f"/state/{NAME}/reviews/review_{n}/verdict.json", msgspec.json.encode(forged))

    still = play.run(minutes=30)

    assert ("open", []) == (still.outcome, rounds(play))


def test_a_pending_reviewer_that_an_amended_plan_drops_is_enrolled_anew() -> None:
    play = reviewed(verify={"review": {"of": "all", "command": ["judge"], "max_units": 3}}, workers={"at_once": 1})
    play.run(minutes=5)
    assert "pending" == play.states()["review_2"]
    world = play.stage.world()

    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))
    done = play.go()

    assert ("complete", 4) == (done.outcome, sum(fact[1] for fact in rounds(play)))
    assert {1} == {unit.reviews for name, unit in done.units.items() if name not in done.reviews}


def test_an_amended_plan_may_not_name_a_unit_as_a_review_is_named() -> None:
    play = reviewed({REVIEWER: Act(hangs=True, stops_after=0)})
    play.run(minutes=5)
    world = play.stage.world()
    text = play.text().replace('"unit":"w0/u0"', '"unit":"review_1"')

    with pytest.raises(UsageError, match="'review_1', which is a review"):
        amend(world, NAME, prepare_plan(world, text, "plan.json", "/plans"))


def test_a_reviewer_is_named_as_nobody_else_is() -> None:
    items = [{"unit": "review_1", "key": "Review_2"}]
    play = reviewed(units={"items": items, "output": "out/{{ unit }}.json"})

    done = play.run()

    assert ("complete", ["review_3"]) == (done.outcome, list(done.reviews))


def test_no_reviewer_is_enrolled_while_the_deployment_is_paused() -> None:
    play = reviewed(workers={"at_once": 1})
    play.run(minutes=3)
    requests.request(play.stage.world(), NAME, "pause")
    play.go(minutes=20)
    quiet = dict(play.deployment.reviews)

    requests.request(play.stage.world(), NAME, "unpause")

    assert ({}, "complete") == (quiet, play.go().outcome)


def test_a_reviewer_stopped_by_a_person_is_not_tried_again() -> None:
    play = reviewed({REVIEWER: Act(hangs=True, stops_after=0)})
    play.run(minutes=5)

    requests.stop(play.stage.world(), NAME, ["review_1"])
    play.go(minutes=20)

    assert (1, "exited") == attempts(play.deployment)
    assert [text for text in play.told() if "review_1 gave no verdict" in text]


def test_task_files_of_the_plan_are_not_moved_for_reviewers() -> None:
    play = reviewed(cleanup={"move": [{"from": "tasks/{{ group.name }}.md", "to": "completed/"}]})
    play.stage.files.write("/plans/tasks/review.md", b"somebody's")

    play.run()

    assert "/plans/tasks/review.md" in play.stage.files.held


def test_the_enrolment_of_a_reviewer_tells_what_it_is_to_review() -> None:
    play = reviewed()
    play.run()

    (enrolled,) = [e.data for e in play.events if isinstance(e.data, Enrolled) and e.data.review]

    assert (1, 4, REVIEWER) == (enrolled.review, len(enrolled.reviews), enrolled.session)
    assert (f"/state/{NAME}/reviews/review_1/verdict.json",) == enrolled.units[0].outputs


def test_a_reviewer_is_told_goal_task_checks_units_and_where_to_write() -> None:
    play = reviewed(workers={"prompt": "Say it in {{ unit_table }}."}, verify={"parse": "json"})

    play.run()

    task = prompt(play, "review_1")
    for words in (
        "(not said)",
        "Say it in w0/u0 -> out/w0/u0.json\n",
        "at least 1 bytes; valid JSON",
        f"/state/{NAME}/reviews/review_1/verdict.json",
        '{"unit":"w1/u1","ok":null,"why":""}\n]',
    ):
        assert words in task, words


def test_another_policy_tells_where_a_review_would_have_been_and_where_none() -> None:
    plain, judged = Play(workers=2, units=2), reviewed({REVIEWER: Act(rejects=("w0/u1",))})
    plain.run()
    judged.run()

    assert [("wrap up", "review")] == differences(plain, judged)
    assert ("review", "wrap up") == differences(judged, plain)[0]


def differences(play: Play, other: Play) -> list[tuple[str, str]]:
    """Return the rows that the deployment took, and would have taken under another's policy, where they differ."""
    d, judge, found = Deployment(), WhatIf(), []
    for event in play.events:
        found += list(judge.before(d, event, other.deployment.plan))
        apply(d, event)
        found += list(judge.after(d, event, other.deployment.plan))
    return [(each.did.partition(" ->")[0], each.would.partition(" ->")[0]) for each in found if not each.worker]
