"""Sessions that workers start themselves: listed with their owner, ended when they are too old, and reported to it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.adapters.memory.sessions import Playing
from wakeman.api.answer import envelope
from wakeman.api.status import status
from wakeman.core.log.events import Effected, Intended, Noted
from wakeman.core.model import attempt_id
from wakeman.engine import requests
from wakeman.engine.check import check
from wakeman.ports import Start

SWEEP: dict[str, object] = {"sweep": [{"sessions": "val_*", "older_than": 600}]}
PID = 900


def beside(play: Play, name: str, sign: str = "", pid: int = PID) -> None:
    """Have a session come up that Wakeman did not make; `sign` stands in the environment of its process."""
    now = play.stage.clock.at.timestamp()
    start = Start(session=name, mark="", argv=("sh", "wrapper.sh", f"/elsewhere/{name}"), cwd="/")
    play.stage.sessions.playing[name] = Playing(start, "", f"${pid}", pid, created=now, activity=now)
    play.stage.machine.living.setdefault(sign, []).append(pid)


def night(mode: str = "interactive", sign: str | None = None, **act: Any) -> Play:
    """Run a night to its first minutes: one worker hangs, and a validator is there that it has started."""
    acts = {"w0": Act(**{"stops_after": 0, "hangs": True, **act})}
    plan: dict[str, dict[str, object]] = {"cleanup": SWEEP, "workers": {"mode": mode}, "stuck": {"after": 36000}}
    play = Play(workers=1, units=1, acts=acts, plan=plan)
    play.stage.sessions.screens["w0"] = "❯"
    play.up()
    beside(play, "val_a", attempt_id(play.deployment, play.deployment.workers["w0"]) if sign is None else sign)
    play.go(minutes=6)
    return play


def listed(play: Play) -> list[tuple[str, str | None]]:
    told = envelope(status(play.stage.world(), NAME, recorded=True))["validators"]
    return [(one["session"], one["worker"]) for one in told]


def there(play: Play) -> bool:
    return "val_a" in play.stage.sessions.playing


def test_a_validator_is_listed_with_its_worker_and_left_while_it_is_young() -> None:
    play = night()

    assert ([("val_a", "w0")], True, []) == (listed(play), there(play), play.intents("sweep"))


def test_one_that_is_too_old_is_ended_and_its_worker_told_once() -> None:
    play = night()

    play.go(minutes=30)

    assert (False, [], ["sweep", "nudge"]) == (there(play), listed(play), play.rungs("w0"))
    (intent,) = [event for event in play.events if isinstance(event.data, Intended) and event.data.action == "sweep"]
    (outcome,) = [e.data for e in play.events if isinstance(e.data, Effected) and e.data.intent == intent.seq]
    assert ("w0", 1, True) == (intent.worker, intent.attempt, outcome.ok)
    (said,) = [text for _, text, _ in play.stage.sessions.typed]
    assert said.startswith('These sessions of yours took longer than is allowed and were ended: "val_a". Go on')
    assert [] == play.judged()


def test_a_worker_in_print_mode_loses_it_without_a_word() -> None:
    play = night("print")

    play.go(minutes=30)

    assert (False, ["sweep"], []) == (there(play), play.rungs("w0"), play.stage.sessions.typed)


@pytest.mark.parametrize("sign", ["", "night/nobody/1@b.0.0", "night/w0/1@b.0.elsewhere"])
def test_a_session_without_a_mark_of_ours_is_listed_and_never_ended_by_a_check(sign: str) -> None:
    play = night(sign=sign)

    play.go(minutes=120)

    assert ([("val_a", None)], True) == (listed(play), there(play))


def test_another_deployments_validator_is_not_even_listed_nor_swept_by_a_person() -> None:
    play = night(sign="other/w0/1@b.0.0")

    swept = requests.sweep(play.stage.world(), NAME, "val_*", 0, act=True)

    assert ([], [], True) == (listed(play), swept, there(play))


def test_a_person_ends_one_that_is_nobodys() -> None:
    play = night(sign="")

    assert ["val_a"] == [name for name, _ in requests.sweep(play.stage.world(), NAME, "val_*", 60, act=True)]
    play.go(minutes=6)
    assert (False, [], "person") == (there(play), listed(play), play.intents("sweep")[0].ended_by)
    assert [] == play.judged()


def test_at_the_wrap_up_those_of_ours_are_ended_and_others_told_of() -> None:
    plan: dict[str, dict[str, object]] = {"cleanup": {"sweep": [{"sessions": "val_*", "older_than": 0}]}}
    play = Play(workers=1, units=1, acts={"w0": Act(seconds=30)}, plan=plan)
    play.up()
    ours = attempt_id(play.deployment, play.deployment.workers["w0"])
    beside(play, "val_a", ours)
    beside(play, "val_b", "", PID + 1)
    play.stage.machine.living[ours].clear()  # its mark is known by then, its processes are gone
    play.stage.machine.mark_of = lambda pid: ours if pid == PID else ""  # type: ignore[method-assign] # as the real one

    done = play.go()

    notes = [event.data.text for event in play.events if isinstance(event.data, Noted)]
    assert ("complete", False, True) == (done.outcome, there(play), "val_b" in play.stage.sessions.playing)
    assert ["session val_b matches cleanup.sweep and does not carry our mark: left alone"] == notes
    assert [] == play.judged()


def test_without_a_rule_no_session_is_looked_into() -> None:
    play = Play(workers=1, units=1, acts={"w0": Act(hangs=True)})
    play.up()
    beside(play, "val_a", attempt_id(play.deployment, play.deployment.workers["w0"]))

    def never(pid: int) -> str:
        raise AssertionError(pid)

    play.stage.machine.mark_of = never  # type: ignore[method-assign] # to see that it is not called
    check(play.stage.world(), NAME)

    assert "validators" not in envelope(status(play.stage.world(), NAME, recorded=True))


def test_one_whose_end_was_cut_off_by_a_crash_is_ended_by_the_next_check() -> None:
    play = night()
    sessions, real = play.stage.sessions, play.stage.sessions.cancel

    class CrashError(Exception):
        """The process ends here."""

    def broken(ends: Any) -> int:
        sessions.cancel = real  # type: ignore[method-assign] # once
        raise CrashError(ends)

    sessions.cancel = broken  # type: ignore[method-assign] # a crash between mark and end
    with pytest.raises(CrashError):
        play.go(minutes=30)

    play.go(minutes=30)

    assert (False, 2) == (there(play), len(play.intents("sweep")))
    assert [] == play.judged()
