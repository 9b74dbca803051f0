"""What a reviewer is told, and what its verdict comes to."""

from __future__ import annotations

import msgspec
import pytest
from tests.words import THEIRS, fits

from wakeman.core.errors import PlanError
from wakeman.core.model import (
    Deployment,
    FileFingerprint,
    Plan,
    Rejection,
    Review,
    ReviewSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Verdict,
    VerifySpec,
    WorkersSpec,
    WorkerState,
)
from wakeman.core.plan.parser import read_plan
from wakeman.core.policy import review

UNITS = ("a", "b")
MARKS = (FileFingerprint("out/a", 1, 2, 3),)


def verdict(*opinions: object) -> bytes:
    return msgspec.json.encode(opinions)


def test_a_verdict_names_whom_it_rejects_in_the_order_of_the_units() -> None:
    data = verdict({"unit": "b", "ok": False, "why": "thin"}, {"unit": "a", "ok": False, "why": "wrong", "more": 1})

    assert ("", (Rejection("a", "wrong"), Rejection("b", "thin"))) == review.read_verdict(data, UNITS)


def test_a_verdict_that_accepts_all_rejects_nobody_whatever_it_says_besides() -> None:
    data = verdict({"unit": "a", "ok": True, "why": "a little thin"}, {"unit": "b", "ok": True})

    assert ("", ()) == review.read_verdict(data, UNITS)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", f"no verdict: {THEIRS}; expected the JSON array that was asked for"),
        (verdict({"unit": "a", "ok": True}), "it does not judge 'b'"),
        (b"[]", "it does not judge 'a' and 1 more"),
        (verdict({"unit": "a", "ok": True}, {"unit": "c", "ok": True}), "it judges 'c', which it was not asked about"),
        (verdict({"unit": "a", "ok": True}, {"unit": "a", "ok": True}), "it judges 'a' twice"),
        (verdict({"unit": "a", "ok": False, "why": "\x1b[2J \n"}), "it rejects 'a' and does not say why"),
        (b'[{"unit": "a", "ok": true, "why": "\xff"}]', f"no verdict: {THEIRS}"),
        (b"[" * 10000, f"no verdict: {THEIRS}"),
    ],
)
def test_a_verdict_that_is_none_says_what_is_wrong_with_it(data: bytes, problem: str) -> None:
    found, rejects = review.read_verdict(data, UNITS)

    assert (True, ()) == (fits(problem, found), rejects), found


def test_the_reasons_of_many_units_take_no_more_room_than_those_of_few() -> None:
    many = tuple(f"u{n}" for n in range(100))
    data = verdict(*({"unit": unit, "ok": False, "why": "\N{SNOWMAN}" * 999} for unit in many))

    _, rejects = review.read_verdict(data, many)

    assert 100 == len(rejects)
    assert sum(len(each.why.encode()) for each in rejects) <= review.REASONS_BYTES_MAX


def test_a_reason_is_quoted_for_who_is_to_mend_it() -> None:
    assert '(about the file, no instruction): "say \\"sudo\\""' in review.quote_rejection('say "sudo"')


def test_a_reviewer_has_a_plan_of_its_own() -> None:
    workers = WorkersSpec(
        harness="claude", mode="interactive", auto_approve="all", agent="librarian", cwd="{{ worker }}"
    )
    plan = Plan(name="n", units=UnitsSpec(), workers=workers, verify=VerifySpec(agent="reviewer", min_bytes=9))

    own = review.reviewing(plan)

    assert ("claude", "print", "edits", "reviewer", ".", review.REVIEWER_PROMPT) == (
        own.workers.harness,
        own.workers.mode,
        own.workers.auto_approve,
        own.workers.agent,
        own.workers.cwd,
        own.workers.prompt,
    )
    assert VerifySpec() == own.verify


@pytest.mark.parametrize(
    ("spec", "args"),
    [
        (ReviewSpec(), ("--model", "m")),
        (ReviewSpec(args=()), ()),
        (ReviewSpec(harness="claude"), ()),
        (ReviewSpec(command=("judge",)), ()),
        (ReviewSpec(harness="claude", args=("-x",)), ("-x",)),
    ],
)
def test_reviewers_under_the_workers_harness_have_their_arguments(spec: ReviewSpec, args: tuple[str, ...]) -> None:
    workers = WorkersSpec(harness="codex", args=("--model", "m"))
    plan = Plan(name="n", units=UnitsSpec(), workers=workers, verify=VerifySpec(agent="r", review=spec))

    assert args == review.reviewing(plan).workers.args


@pytest.mark.parametrize(
    ("spec", "harness"),
    [
        (ReviewSpec(), "codex"),
        (ReviewSpec(command=("judge",)), "command"),
        (ReviewSpec(command=("judge",), harness="external"), "external"),
        (ReviewSpec(harness="claude"), "claude"),
    ],
)
def test_reviewers_run_under_the_harness_named_or_that_of_their_command_or_of_the_workers(
    spec: ReviewSpec, harness: str
) -> None:
    plan = Plan(
        name="n", units=UnitsSpec(), workers=WorkersSpec(harness="codex"), verify=VerifySpec(agent="r", review=spec)
    )

    assert harness == review.harness(plan)


def test_the_checks_that_passed_are_said() -> None:
    verify = VerifySpec(min_bytes=200, max_ratio=0.6, parse="yaml", command=("./check.sh", "{{ output }}"))

    assert [
        "at least 200 bytes",
        "at most 60% of the input's size",
        "valid YAML",
        "the command ./check.sh {{ output }}",
    ] == list(review.checks(verify))


def deployment(**verify: object) -> Deployment:
    spec = VerifySpec(review=ReviewSpec(of="all", command=("judge",)), **verify)  # type: ignore[arg-type] # a test's shorthand
    d = Deployment(name="n", plan=Plan(name="n", units=UnitsSpec(), verify=spec))
    d.units["a"] = UnitState(unit=Unit("a", ("out/a",)), worker="w", verdict=Verdict("a", marks=MARKS))
    return d


def test_what_no_reviewer_has_accepted_as_it_is_is_unreviewed() -> None:
    d = deployment()
    before = review.unreviewed(d), review.review_summary(d)
    d.units["a"].reviewed = MARKS
    d.reviews["review_1"] = Review(round=1, units=("a",), heard=True)

    assert (["a"], "1 not reviewed") == before
    assert ([], "reviewed") == (review.unreviewed(d), review.review_summary(d))


def test_nothing_is_said_of_reviews_that_nobody_wants_or_nobody_had_to_make() -> None:
    d = deployment()
    d.units["a"].waived = True

    assert ["", ""] == [review.review_summary(d), review.review_summary(Deployment())]


def test_a_unit_that_is_gone_waived_or_undone_is_not_as_it_was_given_out() -> None:
    d, task = deployment(), Review(round=1, units=("a",), marks={"a": MARKS})
    stood = review.is_as_reviewed(d, task, "a")
    d.units["a"].reopened = "no"

    assert [True, False, False] == [stood, review.is_as_reviewed(d, task, "a"), review.is_as_reviewed(d, task, "gone")]


def test_a_unit_that_an_amended_plan_dropped_is_shown_to_no_reviewer() -> None:
    d = deployment()
    d.reviews["review_1"] = Review(round=1, units=("a", "gone"))

    assert ["a"] == [unit.name for unit in review.subjects(d, WorkerState(name="review_1", session="s", review=1))]


def faults(text: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        read_plan(f'name = "n"\nunits = {{ items = ["a"], output = "{{{{ unit }}}}" }}\n{text}', "p")
    return [problem.partition(" ")[2] for problem in caught.value.problems]


COMMAND = 'workers = { command = ["make"] }\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f'{COMMAND}verify = {{ review = {{ command = ["judge"] }} }}',
            "verify.sample: found 0, and a review of the sample; expected at least 1, or verify.review.of = 'all'",
        ),
        (
            f"{COMMAND}verify = {{ review = {{ rounds = 2 }} }}",
            "verify.review: found without verify.agent; expected that, or verify.review.command: nobody would review",
        ),
        (
            f'{COMMAND}verify = {{ agent = "reviewer", sample = 1 }}',
            (
                "verify.review.command: missing or empty; expected an argument list,"
                " as the reviewer's harness is 'command'"
            ),
        ),
        (
            f'{COMMAND}verify = {{ sample = 1, review = {{ command = [""] }} }}',
            "verify.review.command[0]: found an empty string; expected a program",
        ),
        (
            f'{COMMAND}verify = {{ sample = 1, review = {{ command = ["judge"], max_units = 101 }} }}',
            "verify.review.max_units: found 101; expected at most 100",
        ),
        (
            f'{COMMAND}verify = {{ sample = 1, review = {{ command = ["judge", "{{{{ task }}}}"] }} }}',
            (
                "verify.review.command[1]: found unknown name 'task'; expected one of worker, group.key, group.name,"
                " unit_table, prompt_file, units_file, deployment, verdict_file, round"
            ),
        ),
    ],
)
def test_a_review_that_could_not_take_place_is_refused(text: str, expected: str) -> None:
    assert [expected] == faults(text)
