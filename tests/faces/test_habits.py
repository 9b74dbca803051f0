"""What fingers know from other programs, and what is meant where a name is left out."""

from __future__ import annotations

import io
from typing import get_args

import pytest
from tests.faces.conftest import SLEEPER, Place
from tests.waiting import until

from wakeman.core.model import State
from wakeman.faces import cli
from wakeman.faces.cli.habits import HABITS
from wakeman.faces.cli.options import WORKER_STATES

pytestmark = pytest.mark.real

OTHER = SLEEPER.replace("night", "day").replace("out/", "day/")


@pytest.mark.parametrize("word", HABITS)
def test_a_word_of_another_program_is_no_verb_and_points_to_verbs_that_are(place: Place, word: str) -> None:
    said = place(word)
    proposed = [command.split()[1:2] for command, _ in HABITS[word]]

    assert word not in cli.VERBS
    assert 2 == said.code
    assert said.err.startswith(f"error: no verb '{word}'; you may mean:\n  wakeman")
    assert all(not verb or verb[0] in cli.VERBS for verb in proposed)


@pytest.mark.parametrize("word", ["PS", "Kill"])
def test_a_habit_is_known_in_capitals_too(place: Place, word: str) -> None:
    assert "you may mean" in place(word).err


def test_with_json_the_commands_that_may_be_meant_are_next(place: Place) -> None:
    assert [command for command, _ in HABITS["rm"]] == place("rm", "--json").json["next"]


@pytest.mark.parametrize("words", [("version",), ("-V",), ("--version",)])
def test_the_version_is_told_by_any_of_its_words(place: Place, words: tuple[str, ...]) -> None:
    assert place(*words).out.startswith("wakeman ")


def test_help_with_a_verb_is_the_verb_s_help(place: Place) -> None:
    assert place("help", "stop").out == place("stop", "--help").out


def test_the_states_that_can_be_chosen_are_those_of_the_model() -> None:
    assert get_args(State) == WORKER_STATES


# --- names that are left out ----------------------------------------------------------------------------------


def test_the_plan_file_is_wakeman_toml_here(place: Place) -> None:
    missing = place("plan")
    place.plan(name="wakeman.toml")

    assert (2, "error: wakeman.toml: no such file") == (missing.code, missing.err[:33])
    assert 0 == place("plan").code
    assert 0 == place("rehearse").code
    assert 0 == place("up", "--dry-run").code


@pytest.mark.parametrize("verb", ["check", "pause", "down"])
def test_a_verb_without_a_name_means_the_only_open_deployment(place: Place, verb: str) -> None:
    place.up()

    said = place(verb, "--json")

    assert "night" == said.json["deployment"]


@pytest.mark.parametrize("verb", ["check", "pause", "down", "merge", "accept", "wait", "watch"])
def test_without_a_name_several_are_listed_and_none_is_touched(place: Place, verb: str) -> None:
    place.up()
    place.up(OTHER)
    before = place.tree()

    said = place(verb)

    assert 2 == said.code
    assert all(f"  wakeman {verb} {name} " in said.err for name in ("night", "day"))
    assert before == place.tree()


def test_clean_without_a_name_means_the_only_closed_one(place: Place) -> None:
    place.up()
    place.up(OTHER)
    assert 3 == place("clean").code
    place("down", "night")

    said = place("clean", "--json")

    assert "night" == said.json["deployment"]


def test_amend_takes_the_name_from_the_plan_and_the_file_from_here(place: Place) -> None:
    place.up()
    place.up(OTHER)
    longer = SLEEPER + "[stuck]\nafter = 77\n"

    by_file = place("amend", place.plan(longer, "longer.toml"), "--json")
    place.plan(longer, "wakeman.toml")

    assert "night" == by_file.json["deployment"]
    assert "night" == place("amend", "--json").json["deployment"]
    assert "night" == place("amend", "night", "--json").json["deployment"]
    assert 3 == place("amend", "nobody").code


# --- several workers ------------------------------------------------------------------------------------------


def test_several_workers_all_and_those_in_a_state(place: Place) -> None:
    place.up(SLEEPER + "[cleanup]\nrounds = 0\n[stuck]\nattempts = 1\n")
    place("stop", "night_a", "--keep")
    until(lambda: "exited" in place("check", "night", "--json").json["workers"][0]["state"])

    one = place("retry", "--only", "exited", "--json")
    both = place("stop", "night", "--all", "--json")

    assert ["night/night_a"] == [deed["target"] for deed in one.json["deeds"]]
    assert ["night/night_a", "night/night_b"] == [deed["target"] for deed in both.json["deeds"]]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("stop",), 2, "expected one by name, --all, --only STATE or --like WORKER"),
        (("stop", "night"), 2, "night is a deployment, and stop is for workers:\n  wakeman stop night/night_a"),
        (("retry", "night"), 2, "night is a deployment"),
        (("stop", "--only", "stuck"), 3, "has no stuck worker to stop"),
        (("retry", "--all"), 3, "has no worker to retry"),
        (("stop", "night_a", "--all"), 3, "night_a"),
        (("stop", "night", "day", "--all"), 2, "expected at most the name of a deployment"),
        (("stop", "night_a", "nobody"), 3, "nobody"),
        (("stop", "--only", "sleepy"), 2, "found 'sleepy'; expected one of pending"),
    ],
)
def test_what_is_no_choice_of_workers_is_refused_and_nobody_is_ended(
    place: Place, words: tuple[str, ...], code: int, told: str
) -> None:
    place.up()
    place("check", "night")
    until(lambda: not place.checking())
    before = place("log", "night", "--type", "requested").out

    said = place(*words)

    assert (code, True) == (said.code, told in said.err), said
    assert before == place("log", "night", "--type", "requested").out


def test_workers_of_two_deployments_are_not_ended_together(place: Place) -> None:
    place.up()
    place.up(OTHER)

    said = place("stop", "night_a", "day_a")

    assert (2, True) == (said.code, "workers of night and day" in said.err)


def test_a_misspelt_unit_is_named_with_its_nearest_in_one_deployment_and_among_several(place: Place) -> None:
    place.up(SLEEPER.replace('"a"', '"alpha"'))
    of_one = place("waive", "alhpa", "--why", "x")
    place.up(OTHER.replace('"a"', '"omega"'))
    of_both = place("waive", "b", "omgea", "--why", "x")
    unlike = place("waive", "q", "--why", "x")

    assert (3, "error: no unit 'alhpa' in night; did you mean 'alpha'?\n") == (of_one.code, of_one.err.split("hint")[0])
    missing = f"error: no open deployment with 'b', 'omgea' in {place.state}; did you mean 'omega'?\n"
    assert (3, missing) == (of_both.code, of_both.err.split("hint")[0])
    assert f"with 'q' in {place.state}\n" in unlike.err


# --- units by stdin -------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_run_takes_its_units_from_stdin(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a b\nc\n\n"))

    said = place("run", "--dry-run", "--output", "out/{{ unit }}", "--", "true")

    assert 0 == said.code, said
    assert 2 == said.out.count("record enrolled: ")


def test_run_without_units_at_a_terminal_does_not_wait_for_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("a\n"))

    said = place("run", "--output", "out/{{ unit }}", "--", "true")

    assert (2, True) == (said.code, "ls docs | wakeman run" in said.err)


# --- verbs that only read -------------------------------------------------------------------------------------

READERS = (("log",), ("report", "--no-audit", "--format", "md"), ("audit",), ("replay",), ("export", "trace"))


def _closed(place: Place, name: str) -> None:
    text = SLEEPER.replace("night", name).replace("out/", f"{name}/") + "[cleanup]\nrounds = 0\n"
    place.up(text)
    place("down", name)
    until(lambda: "open" != place("status", name, "--json").json["outcome"])


def test_a_verb_that_reads_means_the_only_open_one_or_the_one_that_closed_last(place: Place) -> None:
    assert {3} == {place(*words).code for words in READERS}
    for name in ("zebra", "ape"):
        _closed(place, name)
    last = [place(*words) for words in READERS]
    place.up()
    one = [place(*words) for words in READERS]
    place.up(OTHER)
    several = [place(*words) for words in READERS]

    assert [True] * 5 == ["note: nothing is open; this is ape, which closed last\n" in said.err for said in last]
    assert [True] * 5 == ["ape" in said.out and "zebra" not in said.out for said in last]
    assert [True] * 5 == ["night" in said.out and "note:" not in said.err for said in one]
    assert [2] * 5 == [said.code for said in several]
    assert all("night" in said.err and "day" in said.err and "ape" not in said.err for said in several)


def test_with_json_a_verb_that_reads_says_nothing_beside(place: Place) -> None:
    _closed(place, "night")

    said = place("audit", "--json")

    assert ("night", "") == (said.json["deployment"], said.err)


def test_a_log_that_cannot_be_read_is_the_one_to_audit(place: Place) -> None:
    _closed(place, "night")
    log = place.state / "night" / "events.jsonl"
    log.write_text(log.read_text().replace("night_a", "night_x", 1))

    said = place("audit")

    assert (6, True) == (said.code, said.out.startswith("night: stopped")), said


def test_the_first_of_several_runs_is_meant_by_its_exact_name(place: Place) -> None:
    for _ in range(2):
        _closed(place, "night")
    place("clean", "night.2")
    place.up()

    said = place("clean", "--json")

    assert "night" == said.json["deployment"]


def test_status_lists_the_workers_in_a_state(place: Place) -> None:
    place.up(SLEEPER.replace('"a", "b"]', '"a", "b", "c"]').replace("stagger = 0", "stagger = 0\nat_once = 2"))

    said, data = place("status", "--only", "pending"), place("status", "night", "--only", "pending", "--json").json
    none = place("status", "--only", "stuck").out

    assert ["night_c"] == [each["name"] for each in data["workers"]]
    assert ("night_c pending" in said.out, "night_a" in said.out) == (True, False)
    assert "0/3 units" in said.out
    assert "no such worker" in none
