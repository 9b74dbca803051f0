"""What `plan` shows: how much is there already, how it is shared out, what changed since the last run, what to type."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.faces.conftest import SLEEPER, Place

pytestmark = pytest.mark.real

MANY = SLEEPER.replace('"a", "b"', ", ".join(f'"u{at}"' for at in range(9))).replace("stagger = 0", "stagger = 2")


def _row(text: str, subject: str) -> str:
    return next(row[10:] for row in text.splitlines() if row.startswith(f"{subject} "))


def _made(place: Place, *names: str) -> None:
    (place.path / "out").mkdir(exist_ok=True)
    for name in names:
        (place.path / "out" / f"{name}.txt").write_text("x")


@pytest.mark.parametrize(
    ("fresh", "head", "told"),
    [
        ("exists", "for 8 of 9 units", "9 from units.items; 1 done already (verify.fresh = exists)"),
        ("changed", "for 9 units", "9 from units.items; 1 there already, and made anew (verify.fresh = changed)"),
    ],
)
def test_what_is_done_already_is_counted_by_the_rule_that_counts(
    place: Place, fresh: str, head: str, told: str
) -> None:
    _made(place, "u1")

    said = place("plan", place.plan(MANY + f'[verify]\nfresh = "{fresh}"\n')).out

    assert head in said.splitlines()[0]
    assert told == _row(said, "units")
    assert ("nothing is left for night_u1" in said) == (fresh == "exists")


@pytest.mark.parametrize(("age", "counted"), [(-100, []), (100, ["in/a.md"])])
def test_an_output_older_than_its_input_is_not_done(place: Place, age: int, counted: list[str]) -> None:
    (place.path / "in").mkdir()
    (place.path / "in" / "a.md").write_text("x")
    made = place.path / "in" / "a.txt"
    made.write_text("y")
    now = (place.path / "in" / "a.md").stat().st_mtime
    os.utime(made, (now + age, now + age))
    text = SLEEPER.replace('items = ["a", "b"]', 'glob = "in/*.md"').replace("out/{{ unit }}", "in/{{ stem }}")

    said = place("plan", place.plan(text + '[verify]\nfresh = "newer"\n'), "--json").json

    assert counted == said["outlook"]["counted"]


def test_an_output_that_is_too_small_is_not_done(place: Place) -> None:
    _made(place, "a")

    said = place("plan", place.plan(SLEEPER + '[verify]\nfresh = "exists"\nmin_bytes = 2\n'), "--json").json

    assert (["a"], []) == (said["outlook"]["present"], said["outlook"]["counted"])


def test_rows_say_shares_times_and_what_is_run(place: Place) -> None:
    said = place("plan", place.plan(MANY)).out

    assert "9 workers of 1" == _row(said, "shares")
    assert "all started after 16 s, 2 s apart; alarm every 5 min; gives up after 6 h" == _row(said, "time")
    assert "new: sleep 600   workers.command, each attempt" == _row(said, "runs")
    assert "9 outputs of its units" == _row(said, "writes")


@pytest.mark.parametrize("more", ["", "stage = true\n", 'isolate = "worktree"\n'])
def test_each_path_of_the_run_has_a_word_that_fits_its_column(place: Place, more: str) -> None:
    place.repository()
    said = place("plan", place.plan(SLEEPER.replace("stagger = 0\n", f"stagger = 0\n{more}"))).out
    rows = [row for row in said.splitlines() if str(place.state) in row and not row.startswith("  ")]

    assert {"keeps"} == {row.partition(" ")[0] for row in rows if "workers.command" not in row}
    assert len(rows) >= 2 + bool(more)


def test_many_workers_are_folded_unless_all_are_asked_for(place: Place) -> None:
    few, each = place("plan", place.plan(MANY)).out, place("plan", "plan.toml", "--all").out

    assert (3, 9) == (few.count("\nworker "), each.count("\nworker "))
    assert "6 more workers: --all shows each" in few


def test_what_changed_since_the_last_run_is_marked_key_by_key(place: Place) -> None:
    place.up()
    same = place("plan", "plan.toml").out
    place("down", "night")
    changed = SLEEPER.replace('"b"]', '"c"]').replace('"600"', '"601"') + "[stuck]\nafter = 900\n"

    said = place("plan", place.plan(changed, "other.toml")).out
    data: Any = place("plan", "other.toml", "--json").json["outlook"]["last"]

    assert "\nas in night, which is open\n" in same
    assert "\nchanged since night, which is stopped:\n" in said
    assert "  stuck.after: 600.0 -> 900.0\n" in said
    assert "\nruns      changed: sleep 601" in said
    assert {("+", "c"), ("-", "")} <= {(each["what"], each["after"]) for each in data["changes"]}


def test_the_last_line_is_what_to_type(place: Place) -> None:
    assert place("plan", place.plan()).err.endswith("next: wakeman up plan.toml\n")
