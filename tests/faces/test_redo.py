"""`redo`: what a closed deployment left undone, as a new run, linked to the old one in the log."""

from __future__ import annotations

import json

import pytest
from tests.faces.conftest import SLEEPER, Place
from tests.waiting import until

from wakeman.adapters import local

pytestmark = pytest.mark.real

HALF = SLEEPER.replace(
    'items = ["a", "b"]', 'command = ["sh", "-c", "echo x >> asked; printf \'a\\\\nb\\\\n\'"]'
).replace(
    '["sleep", "600"]',
    '["sh", "-c", "test $0 = a || test -e go || exit 0; mkdir -p out; echo x > out/$0.txt", "{{ group.key }}"]',
)
"""A night that leaves `b` undone, unless the file `go` is there; its units come from a command."""


def _partial(place: Place) -> None:
    assert 1 == place("up", place.plan(HALF + "[cleanup]\nrounds = 0\n"), "--wait").code


def test_only_what_is_undone_is_started_and_the_log_names_the_run_before(place: Place) -> None:
    _partial(place)
    (place.path / "go").touch()

    said = place("redo", "night", "--wait", "--json")

    first = json.loads(place("log", "night", "--json").out.splitlines()[0])
    assert 0 == said.code, said
    assert ("night.2", "complete") == (said.json["deployment"], said.json["outcome"])
    assert ["night_b"] == [worker["name"] for worker in said.json["workers"]]
    assert "night" == first["data"]["redoes"]
    assert 1 == len((place.path / "asked").read_text().splitlines()), "the command that lists units is not run again"


def test_the_log_of_a_redone_deployment_is_true_to_the_rules(place: Place) -> None:
    _partial(place)
    (place.path / "go").touch()
    place("redo", "--wait")

    assert 0 == place("audit", "night").code
    assert 0 == place("audit", "night.1").code


def test_a_dry_run_of_it_starts_nothing(place: Place) -> None:
    _partial(place)
    until(lambda: not place.checking())
    before = place.tree()

    said = place("redo", "night", "--dry-run")

    assert "would start session night_b: " in said.out
    assert "start session night_a" not in said.out
    assert before == place.tree()


def test_what_is_open_or_done_is_not_redone(place: Place) -> None:
    place.up()
    still_open = place("redo", "night")
    place("waive", "a", "b", "--why", "x")
    place("down", "night")

    assert (2, True) == (still_open.code, "night is open" in still_open.err)
    done = place("redo", "night")
    assert (2, True) == (done.code, "every unit is done" in done.err)
    assert 3 == place("redo", "nobody").code


def test_while_a_later_run_is_open_an_earlier_one_is_not_redone(place: Place) -> None:
    _partial(place)
    place.up()

    said = place("redo", "night.1")

    assert (2, True) == (said.code, "night.2 is open" in said.err)


def test_units_of_stdin_are_known_from_the_log(place: Place) -> None:
    _partial(place)
    world = local.world(str(place.state), "hand")

    assert [("b", ("out/b.txt",))] == [
        (unit.unit.name, unit.unit.outputs) for unit in world.logs.read("night").units.values() if not unit.done
    ]
