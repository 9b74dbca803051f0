"""A reviewer's task, and the effect of its verdict."""

from __future__ import annotations

from datetime import UTC, datetime

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
from wakeman.core.policy.quality import pick_names

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


@pytest.mark.parametrize("count", [1, 20, 50, 100])
def test_the_reasons_of_many_units_are_cut_to_the_room_that_a_line_has_and_no_shorter(count: int) -> None:
    units = tuple(f"u{n}" for n in range(count))
    data = verdict(*({"unit": unit, "ok": False, "why": "\N{GRINNING FACE}" * 999} for unit in units))

    _, rejects = review.read_verdict(data, units)
    bytes_ = sum(len(each.why.encode()) for each in rejects)
    whole = review.REASON_CHARS_MAX in {len(each.why) for each in rejects}

    assert count == len(rejects)
    assert len(data) <= review.VERDICT_BYTES_MAX
    assert bytes_ <= review.REASONS_BYTES_MAX
    assert whole or bytes_ > 0.95 * review.REASONS_BYTES_MAX


def test_a_verdict_that_judges_nothing_is_one_where_nothing_was_to_be_judged() -> None:
    assert ("", ()) == review.read_verdict(b"[]", ())


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


def test_reviewers_under_the_workers_command_have_a_command_of_their_own_without_its_arguments() -> None:
    workers = WorkersSpec(harness="command", command=("make",), args=("-k",))
    spec = ReviewSpec(command=("judge",), prompt="Judge these.")

    own = review.reviewing(Plan(name="n", units=UnitsSpec(), workers=workers, verify=VerifySpec(review=spec))).workers

    assert ("command", ("judge",), (), "Judge these.") == (own.harness, own.command, own.args, own.prompt)


def test_a_plan_is_resolved_for_reviewers_as_soon_as_there_are_any() -> None:
    d, plan = deployment(), Plan(name="other", units=UnitsSpec())
    review.adopt_plan(d, plan)
    before = d.plan, d.reviewing
    d.reviews["review_1"] = Review(round=1, units=("a",))
    review.adopt_plan(d, plan)

    assert ((plan, None), (plan, review.reviewing(plan))) == (before, (d.plan, d.reviewing))


def test_a_reviewer_writes_its_verdict_in_a_directory_of_its_own() -> None:
    assert Unit("review_1", ("/state/n/reviews/review_1/verdict.json",)) == review.own("/state/n", "review_1")


@pytest.mark.parametrize(("goal", "said"), [("a good night", "a good night"), ("", "(not said)")])
def test_a_reviewer_is_told_the_goal_the_checks_and_the_form_of_its_verdict(goal: str, said: str) -> None:
    plan = Plan(name="n", units=UnitsSpec(), goal=goal, verify=VerifySpec(min_bytes=2, parse="json"))

    assert {
        "goal": said,
        "checks": "at least 2 bytes; valid JSON",
        "verdict_file": "/v.json",
        "verdict_form": '[\n {"unit":"a","ok":null,"why":""},\n {"unit":"b \\"","ok":null,"why":""}\n]',
        "round": "2",
    } == review.review_template_names(plan, Review(round=2, units=("a", 'b "')), "/v.json")


def test_checks_that_were_not_made_are_not_said() -> None:
    assert ["at least 1 bytes"] == list(review.checks(VerifySpec()))


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


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({}, True),
        ({"reopened": "no"}, False),
        ({"waived": True}, False),
        ({"waived": True, "verdict": None}, False),
        ({"verdict": None}, False),
        ({"verdict": Verdict("a", problems=("empty",), marks=MARKS)}, False),
        ({"verdict": Verdict("a", marks=(FileFingerprint("out/a", 9, 9, 9),))}, False),
    ],
    ids=str,
)
def test_a_unit_that_was_waived_undone_or_made_anew_is_not_as_it_was_given_out(
    fields: dict[str, object], same: bool
) -> None:
    d, task = deployment(), Review(round=1, units=("a",), marks={"a": MARKS})
    for key, value in fields.items():
        setattr(d.units["a"], key, value)

    assert same == review.is_as_reviewed(d, task, "a")
    assert not review.is_as_reviewed(d, task, "gone")


@pytest.mark.parametrize("digest", ["", "12345678" * 8, "fedcba9876543210" * 4])
def test_the_sample_is_picked_by_the_plans_digest_and_stays_what_it_was(digest: str) -> None:
    d = deployment(sample=9)
    d.digest = digest
    for n in range(99):
        d.units[f"u{n}"] = UnitState(unit=Unit(f"u{n}", ("o",)), worker="w")
    picked = review.picked(d)

    assert pick_names(list(d.units), 9, int(digest[:8], 16) if digest else 0) == picked
    d.sampled = ("u1",)
    assert ("u1",) == review.picked(d)


def test_a_unit_of_the_sample_that_is_gone_is_not_reviewed() -> None:
    d = deployment(sample=2)
    d.plan = Plan(name="n", units=UnitsSpec(), verify=VerifySpec(agent="judge", sample=2))
    d.sampled = ("gone", "a")

    assert ["a"] == review.unreviewed(d)


def reviewed(state: str, *, heard: bool = False) -> Deployment:
    """Return a deployment whose one unit is with a reviewer in that state."""
    d = deployment()
    d.workers["review_1"] = WorkerState(name="review_1", session="s", units=["review_1"], review=1)
    d.workers["review_1"].state = state  # type: ignore[assignment] # a literal of a parameter
    d.units["review_1"] = UnitState(unit=Unit("review_1", ("v",)), worker="review_1")
    d.reviews["review_1"] = Review(round=1, units=("a",), heard=heard)
    return d


@pytest.mark.parametrize(
    ("state", "ready", "failed"),
    [
        ("pending", False, False),
        ("running", False, False),
        ("exited", False, True),
        ("verified", True, True),
    ],
)
def test_a_verdict_is_ready_once_its_reviewer_is_verified_and_is_taken_once(
    state: str, ready: bool, failed: bool
) -> None:
    d, taken = reviewed(state), reviewed(state, heard=True)

    assert (["review_1"] * ready, ["review_1"] * failed) == (
        review.ready(d),
        [worker.name for worker in review.failed_reviewers(d)],
    )
    assert ([], []) == (review.ready(taken), review.failed_reviewers(taken))


@pytest.mark.parametrize(
    ("d", "units"),
    [
        (deployment(), ["a"]),
        (reviewed("running"), []),
        (reviewed("verified"), []),
        (reviewed("verified", heard=True), ["a"]),
    ],
)
def test_no_unit_goes_to_a_reviewer_while_a_verdict_is_out_or_all_is_paused(d: Deployment, units: list[str]) -> None:
    given = review.units_to_review(d)
    d.paused_at = datetime(2026, 1, 5, tzinfo=UTC)

    assert (units, []) == (given, review.units_to_review(d))


@pytest.mark.parametrize(("reviews", "units"), [(0, ["a"]), (1, ["a"]), (2, []), (3, [])])
def test_a_unit_goes_to_a_reviewer_as_often_as_the_plan_says(reviews: int, units: list[str]) -> None:
    d = deployment()
    d.plan = Plan(name="n", units=UnitsSpec(), verify=VerifySpec(agent="j", review=ReviewSpec(of="all", rounds=2)))
    d.units["a"].reviews = reviews

    assert units == review.units_to_review(d)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "1 not reviewed"),
        ({"reviewed": MARKS}, "reviewed"),
        ({"reopened": "thin", "reviews": 1}, "1 rejected"),
        ({"reopened": "thin"}, "reviewed"),
        ({"reviewed": MARKS, "reviews": 1}, "reviewed"),
    ],
    ids=str,
)
def test_what_a_reviewer_rejected_is_told_from_what_a_person_did(fields: dict[str, object], said: str) -> None:
    d = reviewed("verified", heard=True)
    for key, value in fields.items():
        setattr(d.units["a"], key, value)

    assert said == review.review_summary(d)


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
            "verify.review: found without verify.agent; expected that, or verify.review.command: there is no reviewer",
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
