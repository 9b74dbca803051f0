"""Outputs that must be parsed: outside the lock, once, and whatever a file does to its parser is a verdict on it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, MemoryParser
from wakeman.core.log.events import Looked
from wakeman.core.model import FileFingerprint, Format, ParseLimitSpec
from wakeman.engine import requests
from wakeman.engine.observe.judgement import UNPARSED

VERIFY: dict[str, dict[str, object]] = {"verify": {"parse": "json"}}
DEADLY = "not JSON, or too large: its parser was ended (by SIGSEGV)"


def outputs(worker: str, units: int = 2) -> list[str]:
    return [f"/plans/out/{worker}/u{unit}.json" for unit in range(units)]


def verdicts(play: Play, unit: str) -> list[tuple[str, ...]]:
    """List what was said of a unit, one verdict after another."""
    looks = [event.data for event in play.events if isinstance(event.data, Looked)]
    return [verdict.problems for look in looks for verdict in look.verdicts if verdict.unit == unit]


def test_valid_outputs_make_a_night_as_any_other() -> None:
    play = Play(workers=3, units=2, plan=VERIFY)

    done = play.run()

    assert ("complete", ["launch", "sleep", "sleep", "wrap up"]) == (done.outcome, play.rows())
    assert [(UNPARSED,), ()] == verdicts(play, "w0/u0")
    assert [] == play.judged()


def test_each_file_is_parsed_once_and_many_in_one_go() -> None:
    play = Play(workers=3, units=2, plan=VERIFY)

    play.run()

    parsed = play.stage.parser.parsed
    assert [len(parsed[0])] == [len(call) for call in parsed]
    assert sorted(path for w in range(3) for path in outputs(f"w{w}")) == sorted(parsed[0])


def test_a_command_runs_on_what_was_parsed_in_the_same_go() -> None:
    play = Play(workers=2, units=2, plan={"verify": {"parse": "json", "command": ["judge", "{{ output }}"]}})

    play.run()

    assert [(UNPARSED,), ()] == verdicts(play, "w0/u0")
    assert 4 == len(play.stage.machine.ran)


def test_a_command_does_not_run_on_what_is_not_valid() -> None:
    plan: dict[str, dict[str, object]] = {
        "verify": {"parse": "json", "command": ["judge", "{{ output }}"]},
        "cleanup": {"rounds": 0},
    }
    play = Play(workers=2, units=1, acts={"w0": Act(content=b'{"a": 1, "a": 2}')}, plan=plan)

    done = play.run()

    assert ("partial", [("judge", "out/w1/u0.json")]) == (done.outcome, play.stage.machine.ran)
    assert ("out/w0/u0.json: not JSON: the key 'a' is there twice",) == verdicts(play, "w0/u0")[-1]


def test_a_worker_whose_outputs_wait_is_neither_retried_nor_cleaned_up_after() -> None:
    play = Play(workers=2, units=2, plan=VERIFY)
    play.stage.parser.broken = "no memory for another process"

    play.run(minutes=30)

    d = play.deployment
    assert ("open", {"w0": "exited", "w1": "exited"}) == (d.outcome, play.states())
    assert {1} == {worker.attempt for worker in d.workers.values()}
    assert (f"{UNPARSED}: no memory for another process",) == verdicts(play, "w0/u0")[-1]

    play.stage.parser.broken = ""
    done = play.go()

    assert ("complete", []) == (done.outcome, play.judged())


def test_a_file_that_kills_its_parser_is_undone_and_the_others_are_done() -> None:
    play = Play(workers=2, units=2, plan={**VERIFY, "cleanup": {"rounds": 0}})
    bad = outputs("w0")[0]
    play.stage.parser.deadly[bad] = DEADLY

    done = play.run()

    assert ("partial", {"w0": "exited", "w1": "verified"}) == (done.outcome, play.states())
    assert [(UNPARSED,), (f"out/w0/u0.json: {DEADLY}",)] == verdicts(play, "w0/u0")
    assert [(UNPARSED,), ()] == verdicts(play, "w0/u1")


def test_a_deployment_with_such_a_file_can_be_ended_by_a_person() -> None:
    play = Play(workers=2, units=2, plan=VERIFY, acts={"w1": Act(seconds=50_000)})
    play.stage.parser.deadly.update(dict.fromkeys(outputs("w0"), DEADLY))
    play.run(minutes=10)

    requests.request(play.stage.world(), NAME, "down")

    assert "stopped" == play.go(minutes=10).outcome


def test_a_file_that_is_too_large_is_so_without_a_parser() -> None:
    plan: dict[str, dict[str, object]] = {
        "verify": {"parse": "json", "parse_limit": {"size": 1000}},
        "cleanup": {"rounds": 0},
    }
    play = Play(workers=1, units=1, plan=plan, acts={"w0": Act(content=b" " * 1000 + b"1")})

    done = play.run()

    why = "out/w0/u0.json: too large: 1001 bytes, expected at most 1000 (verify.parse_limit.size)"
    assert ("partial", [(why,)], []) == (done.outcome, verdicts(play, "w0/u0"), play.stage.parser.parsed)


def test_the_limits_of_the_plan_are_those_of_the_parser() -> None:
    limits: list[ParseLimitSpec] = []

    class Strict(MemoryParser):
        def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
            limits.append(limit)
            return super().parse(kind, files, limit)

    limit = {"time": "3s", "memory": "1M", "size": "2M"}
    play = Play(workers=1, units=1, plan={"verify": {"parse": "json", "parse_limit": limit}})
    play.stage.parser = Strict(play.stage.files)

    play.run()

    assert [ParseLimitSpec(time=3.0, memory=2**20, size=2**21)] == limits


def test_the_lock_is_free_while_outputs_are_parsed() -> None:
    play = Play(workers=1, units=1, plan=VERIFY)

    class Slow(MemoryParser):
        def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
            if play.deployment.paused_at is None:
                requests.request(play.stage.world("hand:2"), NAME, "pause")  # takes the lock, and checks
            return super().parse(kind, files, limit)

    play.stage.parser = Slow(play.stage.files)
    play.run(minutes=10)

    assert play.deployment.paused_at is not None


def test_a_file_that_changes_while_it_is_parsed_is_parsed_again() -> None:
    play = Play(workers=1, units=1, plan=VERIFY)

    class Meddling(MemoryParser):
        def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
            if not self.parsed:
                self.files.write(files[0].path, b"[]")
            return super().parse(kind, files, limit)

    play.stage.parser = Meddling(play.stage.files)

    done = play.run()

    assert ("complete", 2, []) == (done.outcome, len(play.stage.parser.parsed), play.judged())


def test_what_a_batch_had_no_time_for_is_parsed_by_the_next() -> None:
    play = Play(workers=2, units=30, plan=VERIFY)

    class Tired(MemoryParser):
        def parse(self, kind: Format, files: Sequence[FileFingerprint], limit: ParseLimitSpec) -> dict[str, str | None]:
            return super().parse(kind, files[:7], limit)

    play.stage.parser = Tired(play.stage.files)

    done = play.run()

    assert ("complete", 60) == (done.outcome, sum(map(len, play.stage.parser.parsed)))


@pytest.mark.parametrize("kind", ["missing", "small"])
def test_what_is_wrong_besides_is_said_with_what_a_parser_finds(kind: str) -> None:
    plan: dict[str, dict[str, object]] = {"verify": {"parse": "json", "max_ratio": 0.5}, "cleanup": {"rounds": 0}}
    plan["units"] = {"output": ["out/{{ unit }}.json", "out/{{ unit }}.2.json"]}
    play = Play(workers=1, units=1, acts={"w0": Act(content=b"{")}, plan=plan)
    if kind == "missing":
        play.stage.files.closed.add("/plans/out/w0/u0.2.json")

    play.run()

    assert any("not JSON" in problem for problem in verdicts(play, "w0/u0")[-1])


def test_a_staged_output_is_parsed_where_it_was_made_and_again_where_it_is_put() -> None:
    play = Play(workers=1, units=1, plan={**VERIFY, "workers": {"stage": True}})

    done = play.run()

    assert ("complete", []) == (done.outcome, play.judged())
    assert any("/stage" in path for call in play.stage.parser.parsed for path in call)


def test_a_worker_that_was_cut_off_passes_no_sooner_because_its_file_was_to_be_parsed() -> None:
    plan: dict[str, dict[str, object]] = {**VERIFY, "workers": {"stage": True}, "cleanup": {"rounds": 0}}
    play = Play(workers=1, units=2, acts={"w0": Act(stops_after=1, code=137)}, plan={**plan, "stuck": {"attempts": 1}})

    done = play.run()

    said = [v.problems for e in play.events if isinstance(e.data, Looked) for v in e.data.staged if v.unit == "w0/u0"]
    assert "partial" == done.outcome
    assert said
    assert all(any("cut off" in problem for problem in problems) for problems in said)
