"""A check reads the reports of hooks and workers about files, also without a watcher, and removes them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.audit.auditor import Auditor
from wakeman.core.log.events import Conflicted, Event, Progressed
from wakeman.engine.check import check
from wakeman.engine.observe.spool import UNFINISHED_AGE_S

SPOOL = f"/state/{NAME}/spool"
WORKS = Act(seconds=6000, hangs=True)


def night(**plan: dict[str, object]) -> Play:
    """Begin a night with two workers at work who tell by themselves what they write."""
    play = Play(workers=2, units=2, acts={"w0": WORKS, "w1": WORKS}, plan=plan)
    play.stage.harness.reads = frozenset({"hook"})
    play.up()
    play.stage.clock.advance(60)
    return play


def write(play: Play, name: str) -> None:
    play.stage.files.write(f"/plans/{name}", b"{}" * 50)


def tell(play: Play, worker: str, *wrote: str, file: str = f"{SPOOL}/1") -> None:
    play.stage.files.write(file, json.dumps({"worker": worker, "wrote": wrote}).encode())


def look(play: Play) -> None:
    check(play.stage.world("hook:1"), NAME)


def facts(play: Play, kind: type[Progressed | Conflicted]) -> list[Event]:
    return [event for event in play.events if isinstance(event.data, kind)]


def test_who_wrote_an_output_is_in_the_log_and_the_file_is_gone() -> None:
    play = night()
    write(play, "out/w0/u0.json")
    tell(play, "w0", "out/w0/u0.json")

    look(play)

    wrote = play.deployment.units["w0/u0"].wrote["out/w0/u0.json"]
    assert ("w0", "w0", False) == (wrote.first, wrote.last, wrote.inferred)
    assert [] == play.stage.files.names(SPOOL)
    [told] = facts(play, Progressed)
    assert isinstance(told.data, Progressed)
    assert ("w0", 1, 2, False) == (told.worker, told.data.written, told.data.total, told.data.inferred)


def test_told_twice_it_is_recorded_once() -> None:
    play = night()
    write(play, "out/w0/u0.json")
    for n in (1, 2):
        tell(play, "w0", "out/w0/u0.json", file=f"{SPOOL}/{n}")
        look(play)

    assert 1 == len(facts(play, Progressed))


def test_what_a_look_inferred_before_is_said_for_sure() -> None:
    play = night()
    write(play, "out/w0/u0.json")
    look(play)
    inferred = play.deployment.units["w0/u0"].wrote["out/w0/u0.json"].inferred
    tell(play, "w0", "/plans/out/w0/u0.json")

    look(play)

    assert (True, False) == (inferred, play.deployment.units["w0/u0"].wrote["out/w0/u0.json"].inferred)


@pytest.mark.parametrize("path", ["out/w1/u0.json", "out/w1/stray.json"])
def test_a_write_to_another_s_place_is_a_conflict_though_both_are_at_work(path: str) -> None:
    play = night()
    write(play, path)
    tell(play, "w0", path)

    look(play)

    [found] = facts(play, Conflicted)
    assert isinstance(found.data, Conflicted)
    assert ("w0", f"/plans/{path}", False) == (found.worker, found.data.path, found.data.inferred)


@pytest.mark.parametrize("path", ["/elsewhere/a", f"/state/{NAME}/tmp/w0/a", "out/w1/.hidden"])
def test_what_is_nobody_s_business_is_no_conflict(path: str) -> None:
    play = night()
    play.stage.files.write(path if path.startswith("/") else f"/plans/{path}", b"x")
    tell(play, "w0", path)

    look(play)

    assert ([], []) == (facts(play, Conflicted), play.stage.files.names(SPOOL))


def test_where_conflicts_are_ignored_none_is_recorded() -> None:
    play = night(watch={"conflicts": "ignore"})
    write(play, "out/w1/u0.json")
    tell(play, "w0", "out/w1/u0.json")

    look(play)

    assert [] == facts(play, Conflicted)


def test_many_conflicts_of_one_moment_are_counted() -> None:
    play = night()
    names = [f"out/w1/x{n}" for n in range(30)]
    for name in names:
        write(play, name)
    tell(play, "w0", *names)

    look(play)

    found = [event.data for event in facts(play, Conflicted)]
    assert (20, 10) == (len(found), sum(getattr(one, "more", 0) for one in found))


@pytest.mark.parametrize(
    "said", [b"{}", b"no json", b'{"worker": "nobody", "wrote": ["out/w0/u0.json"]}', b"x" * 99999]
)
def test_a_file_of_another_shape_has_called_for_its_check_and_goes(said: bytes) -> None:
    play = night()
    play.stage.files.write(f"{SPOOL}/1", said)

    look(play)

    assert ([], [], []) == (play.stage.files.names(SPOOL), facts(play, Progressed), facts(play, Conflicted))


def test_a_file_that_is_still_written_stays_until_it_is_old() -> None:
    play = night()
    tell(play, "w0", "out/w0/u0.json", file=f"{SPOOL}/1.tmp")
    look(play)
    fresh = play.stage.files.names(SPOOL)
    play.stage.clock.advance(UNFINISHED_AGE_S + 1)
    look(play)

    assert (["1.tmp"], []) == (fresh, play.stage.files.names(SPOOL))


def test_an_attempt_s_hooks_are_believed_of_their_worker_alone() -> None:
    play = night()
    own = f"/state/{NAME}/attempts/w0.1/said"
    for name in ("out/w0/u0.json", "out/w1/u0.json"):
        write(play, name)
    tell(play, "w0", "out/w0/u0.json", file=f"{own}/wrote.1")
    tell(play, "w1", "out/w1/u0.json", file=f"{own}/wrote.2")
    play.stage.files.write(f"{own}/denied", b'"/x"\n')

    look(play)

    assert ["w0"] == [event.worker for event in facts(play, Progressed)]
    assert ["denied"] == play.stage.files.names(own)


def test_denied_writes_are_counted_in_the_reason() -> None:
    play = night()
    file = f"/state/{NAME}/attempts/w0.1/said/denied"
    said = []
    for text in (b'"/x"\n', b'"/x"\n"/plans/\\u00fc"\n"torn'):
        play.stage.files.write(file, text)
        look(play)
        seen = play.deployment.workers["w0"].observation
        said.append(seen.why if seen else "")

    assert "1 write was denied as not its own, the last to /x" == said[0]
    assert said[1].startswith("2 writes were denied as not its own, the last to /plans/")


def test_a_night_in_which_files_were_told_of_audits_clean() -> None:
    play = night()
    for name in ("out/w0/u0.json", "out/w1/u1.json"):
        write(play, name)
    tell(play, "w0", "out/w0/u0.json", "out/w1/u1.json")
    look(play)
    play.go(minutes=30)
    judge = Auditor()
    for event in play.events:
        judge.take(event)

    assert [] == judge.divergences
    assert {"Progressed": 1, "Conflicted": 1} == Counter(
        type(event.data).__name__ for event in play.events if isinstance(event.data, (Progressed, Conflicted))
    )
