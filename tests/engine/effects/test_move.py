"""Task files are moved once their worker is verified: its prompts, and what the plan names."""

from __future__ import annotations

from typing import Any

import pytest
from tests.play import Play
from tests.transcript import Step, noted

from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.policy.tables import Decision
from wakeman.engine.effects.move import Exists, Rename, move_all, move_task
from wakeman.engine.protocol.steps import drive

HOME = "/state/night/prompts"
TODO = {"cleanup": {"move": [{"from": "todo/{{ worker }}.txt", "to": "done/"}]}}


def begun(**plan: Any) -> Play:
    """Give a deployment of two workers, each with a task file beside the plan."""
    play = Play(workers=2, units=1, plan=plan)
    play.up()
    for name in ("w0", "w1"):
        play.stage.files.write(f"/plans/todo/{name}.txt", b"do it")
    play.stage.files.make("/plans/done")
    return play


def moved(play: Play, worker: str = "") -> list[Step]:
    """Move the task files of a worker, or of all; give the steps."""
    world, into = play.stage.world(), list[Step]()
    with world.logs.hold("night", world.by) as log:
        d, now = log.deployment, world.clock.now()
        steps = move_task(d, d.workers[worker]) if worker else move_all(d, Decision("wrap up"), now)
        drive(world, log, noted(steps, into), now)
    return into


def facts(play: Play) -> list[tuple[str | None, e.Fact]]:
    found = [(event.worker, event.data) for event in play.events]
    return [
        (worker, data)
        for worker, data in found
        if (isinstance(data, e.Intended) and data.action == "move") or isinstance(data, e.Effected)
    ]


MOVED: list[Step] = [Exists, "action: w0 move", Rename, "outcome: w0 effected"]


def prompts(play: Play) -> list[str]:
    return [path for path in play.stage.files.held if "/prompts/" in path]


def test_the_prompts_of_an_attempt_go_to_those_that_are_completed() -> None:
    play = begun()
    (before,) = [path for path in prompts(play) if path.endswith("/w0.1.md")]
    into = before.replace("/prompts/", "/prompts/completed/")

    assert [*MOVED, Exists] == moved(play, "w0")
    assert into in prompts(play)
    (_, intent), (worker, effect) = facts(play)
    assert isinstance(intent, e.Intended)
    assert isinstance(effect, e.Effected)
    assert (before, before.replace("w0.1.md", "completed/")) == (intent.target, intent.text)
    assert ("w0", True, into) == (worker, effect.ok, effect.detail)


def test_what_was_moved_is_not_moved_again() -> None:
    play = begun()
    moved(play, "w0")

    assert [Exists] == moved(play, "w0")


def test_a_prompt_that_a_check_wrote_before_it_died_is_moved_too() -> None:
    """It belongs to an attempt that was never begun."""
    play = begun()
    (first,) = [path for path in prompts(play) if path.endswith("/w0.1.md")]
    for n in (2, 3):
        play.stage.files.write(first.replace("w0.1", f"w0.{n}"), b"do it again")

    assert [*MOVED, *MOVED] == moved(play, "w0")
    assert first.replace("w0.1", "w0.3") in prompts(play)


def test_what_the_plan_names_is_moved_for_those_who_make_units_relative_to_the_plan() -> None:
    play = begun(**TODO)

    assert [*MOVED, *MOVED, Exists] == moved(play, "w0")
    assert "/plans/done/w0.txt" in play.stage.files.held
    assert "/plans/todo/w1.txt" in play.stage.files.held


@pytest.mark.parametrize("other", [{"origin": "w1"}, {"review": 1}], ids=str)
def test_what_the_plan_names_is_no_cleanup_workers_nor_a_reviewers(other: dict[str, Any]) -> None:
    play = begun(**TODO)
    d = play.deployment
    for key, value in other.items():
        setattr(d.workers["w0"], key, value)
    d.reviewing = d.plan

    asked = [step.path for step in unanswered(move_task(d, d.workers["w0"]))]

    assert 2 == len(asked)
    assert not [path for path in asked if "todo" in path]


def unanswered(steps: Any) -> list[Any]:
    """Give what is asked for where no file exists."""
    found, answer = [], None
    while True:
        try:
            found.append(steps.send(answer))
        except StopIteration:
            return found
        answer = False


def test_at_the_wrap_up_the_files_of_all_are_moved() -> None:
    play = begun()

    assert ["w0", "w1"] == [str(step).split()[1] for step in moved(play) if str(step).startswith("action")]


def test_a_move_that_the_disk_refuses_is_written_with_the_reason() -> None:
    play = begun()

    def refuse(source: str, target: str) -> str:
        raise StorageError(f"{target}: no room for {source[-7:]}")

    play.stage.files.move = refuse  # type: ignore[method-assign] # a full disk
    moved(play, "w0")

    (_, intent), (_, effect) = facts(play)
    assert isinstance(intent, e.Intended)
    assert isinstance(effect, e.Effected)
    assert (False, f"{intent.text}: no room for w0.1.md") == (effect.ok, effect.detail)
