"""Staged outputs: what a log of them must contain, and the state of their units."""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from tests.forge import Forged
from tests.play import NAME, Play

from wakeman.core.errors import PlanError
from wakeman.core.log.events import Effected, Event
from wakeman.core.log.state import apply
from wakeman.core.model import FileFingerprint
from wakeman.core.plan.parser import read_plan
from wakeman.core.policy.deployment_rows import failures
from wakeman.engine import requests


@cache
def night() -> tuple[bytes, ...]:
    play = Play(workers=1, units=2, plan={"workers": {"stage": True}})
    play.run()
    return tuple(play.lines)


def action(line: dict[str, object]) -> bool:
    data = line["data"]
    return isinstance(data, dict) and data.get("action") == "install"


def marks(line: dict[str, object]) -> bool:
    data = line["data"]
    return isinstance(data, dict) and "marks" in data


def kinds(log: Forged) -> set[str]:
    return {divergence.kind for divergence in log.judged()}


# What a judge makes of it


def test_a_night_with_a_stage_is_judged_without_divergence() -> None:
    assert [] == Forged(night()).judged()


def test_what_is_ready_and_was_not_promoted_is_found() -> None:
    log = Forged(night())
    first = log.find("intended", action)
    for at in sorted([*range(first, log.find("effected", marks, 1) + 1)], reverse=True):
        log.drop(at)

    assert "w0 intended install w0/u0" in [divergence.expected for divergence in log.judged()]


def test_an_install_that_the_look_does_not_ask_for_is_found() -> None:
    log = Forged(night())
    at = log.find("intended", action)
    log.lines[at]["data"]["files"][0][1][1] += 1

    assert "action" in kinds(log)


def test_an_install_twice_on_one_look_is_found() -> None:
    log = Forged(night())
    log.insert(log.find("effected", marks, 1) + 1, log.lines[log.find("intended", action)])

    assert "action" in kinds(log)


def test_an_outcome_of_somebody_else_is_found() -> None:
    log = Forged(night())
    log.lines[log.find("effected", marks)]["attempt"] = 7

    assert "outcome" in kinds(log)


def test_an_outcome_without_its_marks_is_found() -> None:
    log = Forged(night())
    log.lines[log.find("effected", marks)]["data"]["marks"] = []

    assert "outcome" in kinds(log)


def test_a_verdict_on_what_is_staged_that_its_marks_belie_is_found() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stage": True}, "verify": {"min_bytes": 10}})
    play.run()
    log = Forged(play.lines)
    at = log.find("looked", lambda line: bool(line["data"].get("aside")))
    log.lines[at]["data"]["aside"][0]["marks"][0][1] = 3

    assert "evidence" in kinds(log)


def test_a_conflict_that_no_look_shows_is_taken_for_a_watchers() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stage": True}})
    play.up()
    play.stage.files.write("/plans/out/w0/u0.json", b"mine" * 100)
    play.go(minutes=10)
    log = Forged(play.lines)
    at = log.find("conflicted")

    assert [] == log.judged()
    log.lines[at]["data"]["path"] = "/plans/another"
    assert log.judged()


# What becomes of units


def test_an_outcome_for_other_files_than_those_judged_last_changes_no_verdict() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stage": True}})
    play.up()
    files = play.stage.files
    install, files.install = files.install, None  # type: ignore[method-assign,assignment] # it never comes about
    with pytest.raises(TypeError):
        play.go()
    del install
    d = play.deployment
    (seq,) = d.promoting
    unit = d.units["w0/u0"]
    assert unit.staged is not None
    unit.staged = msgspec.structs.replace(unit.staged, marks=(FileFingerprint("out/w0/u0.json", 1, 1),))

    assert d.at is not None
    apply(
        d, Event(v=1, seq=d.seq + 1, at=d.at, by="at:1", worker="w0", data=Effected(seq, ok=False, detail="x"), hash="")
    )

    assert () == unit.staged.problems
    assert {} == d.promoting


def test_a_unit_whose_place_is_taken_says_so() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stage": True}})
    play.up()
    play.stage.files.write("/plans/out/w0/u0.json", b"mine" * 100)
    d = play.go(minutes=10)

    assert ['"w0/u0": "out/w0/u0.json: changed by somebody else, what was made is kept aside"'] == failures(
        d.units, ["w0/u0"]
    )


def test_a_unit_that_waits_for_its_place_is_tried_again_when_a_person_says_so() -> None:
    play = Play(workers=1, units=1, plan={"workers": {"stage": True}})
    play.up()
    play.stage.files.write("/plans/out/w0/u0.json", b"mine" * 100)
    play.go(minutes=10)

    requests.retry(play.stage.world(), NAME, ["w0"], (), "again")

    assert 2 == play.deployment.workers["w0"].attempt


# What a plan may say


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('stage = true\nisolate = "worktree"', "workers.stage: found beside workers.isolate"),
        ('confine = "units"\nisolate = "worktree"', "workers.confine: found beside workers.isolate"),
        ('isolate = "worktree"\n[verify]\nagent = "judge"', "verify.agent: found beside workers.isolate"),
        ('isolate = "worktree"\n[verify.review]\ncommand = ["judge"]', "verify.review: found beside workers.isolate"),
        ('base = "main"', "workers.base: found without workers.isolate"),
        ('setup = [["make"]]', "workers.setup: found without workers.isolate"),
        ("commit = false", "workers.commit: found without workers.isolate"),
        ('isolate = "worktree"\nsetup = [[]]', "workers.setup[0]: found an empty array"),
        ('isolate = "tree"', "workers.isolate"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: str, said: str) -> None:
    text = f'name = "n"\n[units]\nitems = ["a"]\noutput = "{{{{ unit }}}}"\n[workers]\ncommand = ["x"]\n{keys}\n'

    with pytest.raises(PlanError) as refused:
        read_plan(text, "plan.toml")

    assert [problem for problem in refused.value.problems if said in problem], refused.value.problems
