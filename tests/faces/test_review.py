"""Reviews as people see them: before the launch, while they run, and when a person must decide."""

from __future__ import annotations

import json
import re

from tests.faces.conftest import SLEEPER, Place
from tests.waiting import until

PLAN = """\
name = "nap"
[units]
items = ["a", "b"]
output = "{{ unit }}.txt"
[workers]
by = "all"
name = "w"
command = ["sh", "-c", "echo thin >a.txt; echo whole >b.txt"]
stagger = 0
socket = "faces"
[verify.review]
of = "all"
command = ["sh", "-c", 'printf %s "$1" >"$2"', "sh", 'VERDICT', "{{ verdict_file }}"]
"""
REJECTS = '[{"unit": "a", "ok": false, "why": "thin"}, {"unit": "b", "ok": true}]'


def waits(place: Place) -> None:
    """Return when a person is asked."""
    until(lambda: place("status", "nap", "--recorded", "--exit-code").code in (1, 5), 30)


def test_a_plan_shows_the_command_of_its_reviewer(place: Place) -> None:
    file = place.plan(PLAN)

    shown = place("plan", file).out
    data = json.loads(place("plan", file, "--json").out)

    path = f"{place.state}/nap/reviews/review_1/verdict.json"
    assert "\nreviewer, before the wrap-up, of all\n  runs  sh -c " in shown
    assert ("all", path) == (data["review"]["of"], data["review"]["command"][-1])
    assert json.loads(place("plan", place.plan(), "--json").out)["review"] is None


def test_a_reviewer_that_may_run_anything_is_agreed_to(place: Place) -> None:
    review = '[verify]\nagent = "reviewer"\nsample = 1\n[verify.review]\nharness = "claude"\nauto_approve = "all"\n'

    said = place("up", place.plan(SLEEPER + review))

    assert 2 == said.code
    assert 'verify.review.auto_approve = "all" without confinement' in said.err


def test_a_reviewer_that_is_not_there_is_named_before_the_launch(place: Place) -> None:
    said = place(
        "up", place.plan(PLAN.replace('command = ["sh", "-c", \'printf', 'command = ["nobody", "-c", \'printf'))
    )

    assert 2 == said.code
    assert "verify.review.command: found 'nobody', which is no program on PATH or at that place" in said.err


def test_what_a_reviewer_lacks_is_said_by_the_keys_that_are_its_own(place: Place) -> None:
    review = '[verify]\nagent = "revewer"\nsample = 1\n[verify.review]\nharness = "claude"\nargs = ["--print"]\n'

    said = place("plan", place.plan(SLEEPER + review))
    unknown = place("plan", place.plan(SLEEPER + review.replace('"claude"', '"clade"')))

    assert "verify.review.args: found --print, expected none that Wakeman sets itself" in said.err
    assert "verify.agent: found 'revewer'" in said.err
    assert "verify.review.harness: found 'clade'" in unknown.err


def test_a_verdict_is_shown_with_its_words_and_rounds(place: Place) -> None:
    place.up(PLAN.replace("VERDICT", REJECTS).replace("of = ", "rounds = 1\nof = "))
    until(lambda: place("status", "nap", "--recorded", "--exit-code").code == 1, 30)

    shown, data = place("status", "nap", "--all").out, json.loads(place("status", "nap", "--json").out)
    replayed = [json.loads(line) for line in place("replay", "nap", "--json").out.splitlines()]

    assert "review 1 by review_1: 2 units, 1 rejected\n     a: “thin”\n" in shown
    assert re.search(r"review_1 verified  review 1 +1 .* exit status 0", shown)
    assert ("partial", ["a"], {"a": "thin"}) == (
        data["outcome"],
        data["units"]["missing"],
        data["reviews"][0]["rejected"],
    )
    states = [(event["type"], event["state"]["units"]) for event in replayed]
    assert ("reviewed", {"done": 1, "total": 2}) in states


def test_a_review_without_a_verdict_needs_a_person_who_lets_it_go(place: Place) -> None:
    place.up(PLAN.replace("VERDICT", "all good"))
    until(lambda: "has given no verdict" in place("status", "nap", "--recorded").out, 60)

    open_ = place("status", "nap")
    refused = place("reject", "review_1", "--why", "no")
    waived = place("waive", "review_1", "--why", "read by hand")
    until(lambda: place("status", "nap", "--recorded", "--exit-code").code == 0, 30)

    assert "review_1      0/0 " not in open_.out
    assert re.search(r"▲ review_1 +has given no verdict", open_.out)
    assert "review 1 by review_1: 2 units, no verdict yet" in open_.out
    assert (2, 0) == (refused.code, waived.code), waived.err
    assert "review_1 is a review, expected a unit of the plan" in refused.err
    assert "review 1 by review_1: 2 units, waived" in place("status", "nap").out


def test_a_rehearsal_has_reviewers(place: Place) -> None:
    data = json.loads(place("rehearse", place.plan(PLAN), "--json").out)

    said = [event["says"] for event in data["timeline"] if event["type"] == "reviewed"]
    assert ("complete", ["round 1: 2 accepted, 0 rejected"]) == (data["outcome"], said)
