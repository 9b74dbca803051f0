"""Outputs that must be parsed: outside the lock, once, and whatever a file does to its parser is a verdict on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import msgspec
import pytest
from tests.play import NAME, Play

from wakeman.adapters.memory import Act, MemoryParser
from wakeman.audit.auditor import Auditor
from wakeman.core.errors import PlanError
from wakeman.core.log.events import Looked, Unsynced
from wakeman.core.model import FileFingerprint, Format, ParseLimitSpec
from wakeman.engine import requests
from wakeman.engine.observe.judgement import UNPARSED
from wakeman.engine.observe.ownership import Ownership
from wakeman.engine.workspace.in_place import final_place

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


IDLE_CHECK = """
import sys
from tests.play import Play, NAME
from wakeman.adapters.memory import Act
from wakeman.engine.check import check
play = Play(workers=1, units=1, plan={"verify": {"parse": "json"}}, acts={"w0": Act(hangs=True, stops_after=0)})
play.up()
before = set(sys.modules)
check(play.stage.world("at:1"), NAME)
print(*sorted(set(sys.modules) - before), *sorted({"ctypes", "wakeman.engine.observe.examination",
      "wakeman.engine.observe.ownership", "wakeman.engine.effects.sync"} & set(sys.modules)))
"""


def test_a_check_that_finds_no_new_file_loads_nothing_for_them() -> None:
    ran = subprocess.run([sys.executable, "-c", IDLE_CHECK], capture_output=True, text=True, check=True)

    assert "" == ran.stdout.strip()


# --- files of their own -----------------------------------------------------------------------------------------

IDLE = Act(stops_after=0, seconds=600)
"""A worker that makes nothing: what it would have made, the test puts there."""


def laid_out(units: int = 1, workers: int = 1, **plan: dict[str, object]) -> Play:
    """Have a deployment up whose workers wait a second, and make nothing."""
    acts = {f"w{n}": IDLE for n in range(workers)}
    play = Play(workers=workers, units=units, acts=acts, plan={"cleanup": {"rounds": 0}, **plan})
    play.up()
    return play


def test_a_file_of_its_own_counts() -> None:
    play = laid_out()
    play.stage.files.write("/plans/out/w0/u0.json", b"{}")

    assert ("complete", []) == (play.go().outcome, play.judged())


@pytest.mark.parametrize("target", ["/etc/hostname", "/plans/out/w1/u0.json", "/plans/in.md", "u1.json"])
def test_a_symbolic_link_counts_as_nothing(target: str) -> None:
    play = laid_out(units=2, workers=2)
    files = play.stage.files
    for path in ("/etc/hostname", "/plans/out/w1/u0.json", "/plans/in.md", "/plans/out/w0/u1.json"):
        files.write(path, b"{}")
    files.link(target, "/plans/out/w0/u0.json")

    done = play.go()

    assert ("partial", []) == (done.outcome, play.judged())
    assert [("out/w0/u0.json: a symbolic link, expected a file",)] == verdicts(play, "w0/u0")
    assert [()] == verdicts(play, "w0/u1")


def test_a_link_to_nothing_and_a_pipe_and_a_directory_say_what_they_are() -> None:
    play = laid_out(units=3)
    files = play.stage.files
    files.link("/nowhere", "/plans/out/w0/u0.json")
    files.pipe("/plans/out/w0/u1.json")
    files.make("/plans/out/w0/u2.json")

    done = play.go()

    said = [verdicts(play, f"w0/u{unit}")[-1] for unit in range(3)]
    expected = ["symbolic link", "named pipe", "directory"]
    assert ("partial", []) == (done.outcome, play.judged())
    assert [
        (f"out/w0/u{n}.json: missing", f"out/w0/u{n}.json: a {kind}, expected a file")
        for n, kind in enumerate(expected)
    ] == said


def test_two_outputs_that_are_one_file_are_both_undone_and_each_names_the_other() -> None:
    play = laid_out(workers=2)
    files = play.stage.files
    files.write("/plans/out/w0/u0.json", b"{}")
    files.held["/plans/out/w1/u0.json"] = files.held["/plans/out/w0/u0.json"]

    done = play.go()

    assert ("partial", []) == (done.outcome, play.judged())
    why = "a hard link of out/{}/u0.json of {}/u0, expected a file of its own"
    assert ["out/w0/u0.json: " + why.format("w1", "w1")] == list(verdicts(play, "w0/u0")[-1])
    assert ["out/w1/u0.json: " + why.format("w0", "w0")] == list(verdicts(play, "w1/u0")[-1])


def test_an_output_that_was_done_is_not_once_another_is_a_link_of_it() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=600)}, plan={"cleanup": {"rounds": 0}})
    play.run(minutes=5)
    assert "verified" == play.states()["w0"]
    play.stage.sessions.playing["w1"].steps.pop(0)  # it writes nothing
    files = play.stage.files
    files.held["/plans/out/w1/u0.json"] = files.held["/plans/out/w0/u0.json"]

    done = play.go()

    assert ("partial", []) == (done.outcome, play.judged())
    assert {"w0/u0", "w1/u0"} == {name for name, unit in done.units.items() if not unit.done}


def test_files_that_are_their_own_again_are_done() -> None:
    play = laid_out(workers=2, cleanup={"rounds": 1})
    files = play.stage.files
    files.write("/plans/out/w0/u0.json", b"{}")
    files.held["/plans/out/w1/u0.json"] = files.held["/plans/out/w0/u0.json"]

    done = play.go()  # a cleanup worker writes each anew

    assert ("complete", []) == (done.outcome, play.judged())


def test_a_hard_link_of_the_input_is_no_output_and_of_a_strangers_file_is_one() -> None:
    items = [{"unit": "a", "input": "in.md"}, {"unit": "b", "input": "in.md"}, {"unit": "c"}]
    units: dict[str, object] = {"items": items, "output": "out/{{ unit }}"}
    play = Play(plan={"units": units, "workers": {"by": "all", "name": "w"}, "cleanup": {"rounds": 0}})
    play.stage.usual = IDLE
    files = play.stage.files
    files.write("/plans/in.md", b"text")
    files.write("/plans/strange", b"text")
    play.up()
    files.held["/plans/out/a"] = files.held["/plans/in.md"]
    files.write("/plans/out/b", b"text")
    files.held["/plans/out/c"] = files.held["/plans/strange"]

    play.go()

    assert [
        ("out/a: a hard link of the input in.md, expected a file of its own",),
        (),
        (),
    ] == [verdicts(play, name)[-1] for name in "abc"]


def test_a_unit_may_write_over_its_own_input() -> None:
    units: dict[str, object] = {"items": [{"unit": "a", "input": "a.md"}], "output": "a.md"}
    play = Play(plan={"units": units, "workers": {"by": "all", "name": "w"}})
    play.stage.usual = IDLE
    play.stage.files.write("/plans/a.md", b"text")
    play.up()
    play.stage.files.write("/plans/a.md", b"other text")

    assert "complete" == play.go().outcome


def test_a_directory_that_becomes_a_link_to_another_units_leads_to_nothing() -> None:
    play = laid_out(workers=2)
    files = play.stage.files
    files.write("/plans/out/w1/u0.json", b"{}")
    files.link("/plans/out/w1", "/plans/out/w0")

    done = play.go()

    why = "out/w0/u0.json: reached by a symbolic link, in /plans/out/w1; expected it in its place"
    assert ("partial", [(why,)], [()]) == (done.outcome, verdicts(play, "w0/u0"), verdicts(play, "w1/u0"))


def test_a_directory_that_was_a_link_before_is_the_users() -> None:
    play = Play(workers=2, units=1)
    play.stage.files.make("/data/out")
    play.stage.files.link("/data/out", "/plans/out")

    done = play.run()

    assert ("complete", {"/plans/out": "/data/out"}, []) == (done.outcome, done.links, play.judged())
    assert {"/data/out/w0/u0.json", "/data/out/w1/u0.json"} <= set(play.stage.files.held)


def test_a_link_that_leads_elsewhere_than_before_leads_to_nothing() -> None:
    play = Play(workers=1, units=1, plan={"cleanup": {"rounds": 0}})
    play.stage.files.make("/data/out")
    play.stage.files.link("/data/out", "/plans/out")
    play.up()
    play.stage.files.links["/plans/out"] = "/elsewhere"

    assert "partial" == play.go().outcome


def test_a_link_within_what_the_unit_may_write_leads_to_its_own() -> None:
    units: dict[str, object] = {"items": ["a"], "output": "lib/a/now/x", "writes": ["lib/a/**"]}
    play = Play(plan={"units": units, "workers": {"by": "all", "name": "w"}})
    play.stage.usual = IDLE
    play.up()
    play.stage.files.write("/plans/lib/a/v1/x", b"text")
    play.stage.files.link("/plans/lib/a/v1", "/plans/lib/a/now")

    assert "complete" == play.go().outcome


def test_by_a_log_without_links_a_directory_may_be_one() -> None:
    play = laid_out(workers=1)
    play.stage.files.write("/data/u0.json", b"{}")
    play.stage.files.link("/data", "/plans/out/w0")
    d = play.deployment
    state = d.units["w0/u0"]

    def faults() -> dict[str, str]:
        return Ownership(play.stage.world(), d).faults(state.unit, final_place(d, state))

    assert ["out/w0/u0.json"] == list(faults())
    d.links = None
    assert {} == faults()


@pytest.mark.parametrize("kind", ["symbolic link", "directory", "named pipe"])
def test_a_plan_is_refused_where_something_else_is_in_the_place_of_an_output(kind: str) -> None:
    play = Play(workers=1, units=1)
    files = play.stage.files
    {"symbolic link": lambda at: files.link("/x", at), "directory": files.make, "named pipe": files.pipe}[kind](
        "/plans/out/w0/u0.json"
    )

    with pytest.raises(PlanError, match=f"found a {kind} at 'out/w0/u0.json'; expected a file of its own, or nothing"):
        play.up()


def test_staged_outputs_that_are_one_file_are_both_undone() -> None:
    plan: dict[str, dict[str, object]] = {"workers": {"stage": True}, "cleanup": {"rounds": 0}}
    staged = Play(workers=2, units=1, acts={"w0": IDLE, "w1": IDLE}, plan=plan)
    staged.up()
    files = staged.stage.files
    places = [f"/state/{NAME}/stages/w{n}.1/out/w{n}/u0.json" for n in range(2)]
    files.write(places[0], b"{}")
    files.held[places[1]] = files.held[places[0]]

    assert ("partial", []) == (staged.go().outcome, staged.judged())
    assert not any(path.startswith("/plans/out") for path in files.held)


# --- on the disk ------------------------------------------------------------------------------------------------


def test_what_the_disk_does_not_keep_is_not_done_and_says_why() -> None:
    play = Play(workers=2, units=2, plan={"cleanup": {"rounds": 0}})
    play.stage.files.failing["/plans/out/w0/u1.json"] = "no space left on the disk"

    done = play.run()

    assert ("partial", {"w0": "exited", "w1": "verified"}) == (done.outcome, play.states())
    verdict = done.units["w0/u1"].verdict
    assert verdict is not None
    assert ("not on the disk: out/w0/u1.json: no space left on the disk",) == verdict.problems
    assert [] == play.judged()


def test_a_cleanup_worker_makes_anew_what_the_disk_did_not_keep() -> None:
    play = Play(workers=1, units=2)
    play.stage.files.failing["/plans/out/w0/u1.json"] = "input/output error"
    play.run(minutes=2.5)
    play.stage.files.failing.clear()

    done = play.go()

    assert ("complete", [], True) == (done.outcome, play.judged(), "w0_c1" in done.workers)


def test_what_changed_after_its_worker_was_verified_is_synced_before_the_end() -> None:
    play = Play(workers=2, units=1, acts={"w1": Act(seconds=900)}, plan={"cleanup": {"rounds": 0}})
    play.run(minutes=5)
    assert "verified" == play.states()["w0"]
    path = "/plans/out/w0/u0.json"
    play.stage.files.write(path, b"by a person")
    play.stage.files.failing[path] = "input/output error"

    done = play.go()

    assert ("partial", []) == (done.outcome, play.judged())


def test_nothing_that_is_done_can_be_lost_with_the_power() -> None:
    play = Play(workers=3, units=2)

    play.run()

    assert not any(path.startswith("/plans/out/") for path in play.stage.files.unsynced)


def test_a_log_that_passes_over_what_the_disk_refused_is_told_by_the_audit() -> None:
    play = Play(workers=1, units=1, plan={"cleanup": {"rounds": 0}})
    play.stage.files.failing["/plans/out/w0/u0.json"] = "input/output error"
    play.run()
    judge = Auditor()
    for event in play.events:
        if isinstance(event.data, Unsynced):
            event = msgspec.structs.replace(event, data=msgspec.structs.replace(event.data, unit="w9/u9"))  # noqa: PLW2901 - another line in its place
        judge.take(event)

    assert judge.divergences
