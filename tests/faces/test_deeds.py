"""What a doing verb says: what was done to whom, what is kept, what follows and when, how to undo it or look."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.faces.conftest import SLEEPER, Place
from tests.waiting import until

pytestmark = pytest.mark.real

MAKES_ONE = SLEEPER.replace(
    'command = ["sleep", "600"]',
    'command = ["sh", "-c", "mkdir -p out; echo x > out/$0.txt; sleep 600", "{{ group.key }}"]\nby = "{{ half }}"',
).replace('["a", "b"]', '[{unit = "a", half = "a"}, {unit = "b", half = "a"}]')
"""One worker with two units, of which it makes the first."""


def _follows(said: Any) -> list[str]:
    return [each["says"] for deed in said.json["deeds"] for each in deed["follows"]]


def _made(place: Place) -> bool:
    place("check", "night")
    return bool(place("status", "night", "--recorded", "--json").json["units"]["done"])


def test_stop_says_what_is_kept_who_gets_the_rest_when_and_how_to_undo_it(place: Place) -> None:
    place.up(MAKES_ONE)
    until(lambda: _made(place))

    said = place("stop", "night_a")

    assert re.search(
        r"^. end(ing|ed) night_a \(attempt 1, \d+ s\): 1 of 2 units done and kept$", said.out, re.MULTILINE
    )
    assert re.search(
        r"^  1 undone go to night_a_c1, at \d\d:\d\d, in (2 min|1 min \d+ s):\n    b$", said.out, re.MULTILINE
    )
    assert said.out.endswith("  undo: wakeman retry night/night_a\n")


@pytest.mark.parametrize(
    ("rounds", "option", "told"),
    [
        (2, ("--keep",), "1 undone stay with it: no cleanup worker gets them (--keep)"),
        (0, (), "1 undone stay undone: cleanup.rounds = 0"),
        (2, (), "1 undone go to night_a_c1"),
    ],
)
def test_stop_tells_what_becomes_of_undone_units_and_so_it_is(
    place: Place, rounds: int, option: tuple[str, ...], told: str
) -> None:
    place.up(SLEEPER + f"[cleanup]\nrounds = {rounds}\nafter = 0\n")

    said = place("stop", "night_a", *option, "--json")

    assert [told] == _follows(said)
    until(lambda: place("check", "night", "--json").json["workers"][0]["state"] == "exited")
    place("check", "night")
    names = [worker["name"] for worker in place("status", "night", "--recorded", "--json").json["workers"]]
    assert ("night_a_c1" in names) == ("night_a_c1" in told)


def test_retry_of_a_worker_at_work_is_refused_with_what_to_type(place: Place) -> None:
    place.up()
    before = place("log", "night", "--type", "requested").out

    said = place("retry", "night_a", "night_b")

    assert 2 == said.code
    assert re.search(r"night/night_a is (launched|running) \(attempt 1.*\): nothing to retry", said.err)
    assert "hint: to begin again: wakeman stop night/night_a, then wakeman retry night/night_a" in said.err
    assert before == place("log", "night", "--type", "requested").out


def test_retry_says_which_attempt_it_starts_and_what_it_is_told(place: Place) -> None:
    place.up(SLEEPER + "[cleanup]\nrounds = 0\n")
    place("stop", "night_a")

    said = place("retry", "night_a", "--note", "keep the tables")

    assert re.search(r"(started|asked for) night_a attempt 2 of 2 for 1 undone unit\n", said.out)
    assert 'its prompt adds: "keep the tables"' in said.out
    assert "undo: wakeman stop night/night_a" in said.out


def test_amend_says_what_changed_key_by_key_and_for_whom(place: Place) -> None:
    place.up(SLEEPER.replace("stagger = 0", "stagger = 0\nat_once = 1"))
    changed = SLEEPER.replace('"b"]', '"c"]').replace("stagger = 0", "stagger = 0\nat_once = 2")

    said = place("amend", "night", place.plan(changed + "[stuck]\nafter = 77\n", "longer.toml"))
    rows = [re.split(r"  +", row.strip()) for row in said.out.splitlines()[1:-1]]

    assert re.match(r". amended night: 3 keys, 2 units; 1 running worker keeps what it was told", said.out)
    assert ["workers.at_once", "1 -> 2", "from the next check; nobody is ended"] in rows
    assert ["stuck.after", "600.0 -> 77.0", "from the next check"] in rows
    assert ["+", "c", "pending, night_c"] in rows
    assert ["-", "b", "no longer wanted"] in rows


def test_an_amendment_of_nothing_says_so(place: Place) -> None:
    place.up()

    said = place("amend", "night", "plan.toml").out

    assert "amended night: the plan is as it was\n" in said
    assert "undo" not in said


def test_each_unit_that_a_person_judges_is_told_with_what_follows(place: Place) -> None:
    place.up()

    waived = place("waive", "a", "b", "--why", "not needed", "--json")
    rejected = place("reject", "a", "--why", "needed", "--json")

    assert ["a", "b"] == [deed["target"] for deed in waived.json["deeds"]]
    assert 'waived a: it counts as done, whatever is there; "not needed"' == waived.json["deeds"][0]["says"]
    assert "wakeman waive a --why WHY --deployment night" == rejected.json["deeds"][0]["undo"]


def test_what_a_person_wrote_reaches_no_terminal_as_it_is(place: Place) -> None:
    place.up()

    said = place("waive", "a", "--why", "\x1b[2Jgone\nnext")

    assert "\x1b" not in said.out
    assert '"gone next"' in said.out


def test_pause_unpause_and_down_say_who_works_on_and_what_is_kept(place: Place) -> None:
    place.up()

    paused, continued, ended = place("pause"), place("unpause"), place("down", "night")

    assert ["still running: night_a, night_b; wakeman stop WORKER ends one", "undo: wakeman unpause night"] == [
        row.strip() for row in paused.out.splitlines()[1:]
    ]
    assert "next check, at " in continued.out
    assert "night, night_a, night_b with it: 0 of 2 units done and kept" in ended.out
    assert "undo: wakeman redo night" in ended.out


def test_with_json_a_deed_stands_beside_the_state(place: Place) -> None:
    place.up()

    said = place("pause", "--json").json

    assert ("night", True, "open") == (said["deployment"], said["paused"], said["outcome"])
    assert ["night"] == [deed["target"] for deed in said["deeds"]]
