"""`plan` shows what the night would run and write, and tells everything that `up` refuses or doubts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.faces.conftest import Place

PLAN = """
name = "n"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
command = ["sleep", "600"]
socket = "faces"
"""
MORE = """before = [["true"]]
env = { LD_PRELOAD = "/x.so", OTHER = "1" }
[verify]
command = ["true", "{{ output }}"]
[cleanup]
move = [{ from = "a.md", to = "done/" }]
sweep = [{ sessions = "val_*" }]
[wake]
to = [{ run = ["true", "{{ message }}"] }]
"""


def test_programs_paths_and_variables_are_listed_and_what_is_new_is_marked(place: Place) -> None:
    file = place.plan(PLAN + MORE)
    said = place("plan", file, "--json").json

    assert [
        ("workers.before[0]", "new"), ("workers.command", "new"), ("verify.command", "new"), ("wake.to[0].run", "new"),
    ] == [(use["key"], use["news"]) for use in said["programs"]]  # fmt: skip
    assert [
        ("cleanup.move[0]", "a.md -> done/", "new"),
        ("cleanup.sweep[0]", "val_*", "new"),
        ("state directory", f"{place.state}/n/", "new"),
        ("workers.prompt", f"{place.state}/n/prompts/WORKER.ATTEMPT.md", "new"),
    ] == [(use["key"], use["path"], use["news"]) for use in said["paths"]][:4]
    assert [("workers.socket", "new")] == [(use["key"], use["news"]) for use in said["paths"]][4:]
    assert [("LD_PRELOAD", "/x.so", "new")] == [
        (each["name"], each["value"], each["news"]) for each in said["variables"]
    ]
    text = place("plan", file).out
    assert "\nverifies  new: true '{{ output }}'   verify.command, for each unit that passes otherwise\n" in text
    assert "\nsets      new: LD_PRELOAD=/x.so   a variable that changes what is run\n" in text


def test_stages_trees_and_branches_are_listed_and_new_where_the_last_run_had_none(place: Place) -> None:
    place.up(PLAN)
    place("down", "n")
    staged = place("plan", place.plan(PLAN + "stage = true\n"), "--json").json["paths"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "base"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=place.path, check=True)
    trees = place("plan", place.plan(PLAN + 'isolate = "worktree"\n'), "--json").json["paths"]

    assert [("", "workers.socket"), ("new", "workers.stage")] == [(u["news"], u["key"]) for u in staged[2:]]
    assert f"{place.state}/n.2/attempts/WORKER.ATTEMPT/stage/" == staged[-1]["path"]
    assert [f"{place.state}/n.2/trees/WORKER/", "wakeman/n.2/WORKER", "wakeman/n.2.merged"] == [
        use["path"] for use in trees[3:]
    ]
    assert {"new"} == {use["news"] for use in trees[3:]}


def test_after_a_deployment_only_what_changed_is_marked(place: Place) -> None:
    place.up(PLAN + MORE.replace("/x.so", ""))
    place("down", "n")
    changed = (PLAN + MORE).replace('"600"', '"601"')
    said = place("plan", place.plan(changed), "--json").json

    assert ["", "changed", "", ""] == [use["news"] for use in said["programs"]]
    assert [""] * 5 == [use["news"] for use in said["paths"]]
    assert f"{place.state}/n.2/" in [use["path"] for use in said["paths"]]
    assert ["changed"] == [each["news"] for each in said["variables"]]


@pytest.mark.parametrize("words", [("plan",), ("rehearse",), ("up", "--dry-run"), ("amend", "n", "--dry-run")])
def test_units_command_is_run_only_when_asked(place: Place, words: tuple[str, ...]) -> None:
    if words[0] == "amend":
        place.up(PLAN)
    file = place.plan(PLAN.replace('items = ["a"]', 'command = ["sh", "-c", "touch ran; echo a"]'))
    verb, *rest = words
    said = place(verb, *(["n"] if "n" in rest else []), file, *(word for word in rest if word != "n"))

    assert 2 == said.code
    assert "units.command: not run, as nothing is started: sh -c 'touch ran; echo a'\n" in said.err
    assert "hint: --run-commands runs it" in said.err
    assert not (place.path / "ran").exists()
    asked = [verb, *(["n"] if "n" in rest else []), file, *(word for word in rest if word != "n"), "--run-commands"]
    assert 0 == place(*asked).code
    assert (place.path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("given", ["plan.toml", ".git"])
def test_a_plan_of_another_user_asks_once_for_what_is_in_it(place: Place, given: str) -> None:
    file = place.plan(PLAN)
    (place.path / ".git").mkdir()
    os.chown(place.path / given, 12345, -1)

    assert place("plan", file).err.endswith("next: wakeman up plan.toml --yes\n")
    said = place("up", file)
    assert (2, True) == (said.code, said.err.startswith("error: the plan belongs to another user, as "))
    assert not place.state.exists()
    assert 0 == place("up", file, "--yes").code
    assert b'"agreed":["the plan belongs to another user' in (place.state / "n" / "events.jsonl").read_bytes()
    assert 0 == place("up", file).code  # continues
    assert place("plan", file).err.endswith("next: wakeman up plan.toml\n")

    changed = PLAN.replace("600", "601")
    place.plan(changed)
    os.chown(place.path / given, 12345, -1)
    assert 2 == place("amend", "n", file).code
    assert 0 == place("amend", "n", file, "--yes").code
    assert 0 == place("amend", "n", file).code
    place("down", "n")
    assert 0 == place("up", file).code  # the next run of the same plan
    place.plan(changed.replace("601", "602"))
    os.chown(place.path / given, 12345, -1)
    place("down", "n")
    assert 2 == place("up", file).code


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_log_that_came_along_with_the_plan_has_agreed_to_nothing(place: Place, tmp_path: Path) -> None:
    file = place.plan(PLAN)
    os.chown(place.path / file, 12345, -1)
    place("up", file, "--yes")
    place("down", "n")
    shutil.copytree(place.state, tmp_path / "copied")

    assert 2 == place("--state", str(tmp_path / "copied"), "up", file).code


def test_what_was_agreed_to_for_one_plan_is_asked_again_where_a_link_leads_elsewhere(place: Place) -> None:
    (place.path / "done").mkdir()
    file = place.plan(PLAN + '[cleanup]\nmove = [{ from = "a", to = "done/" }]')
    assert 0 == place("up", file).code
    (place.path / "done").rmdir()
    (place.path / "done").symlink_to("/var")

    assert 2 == place("up", file).code


@pytest.mark.parametrize("move", ['{ from = "/etc/x", to = "done/" }', '{ from = "a", to = "../b" }',
                                  '{ from = "a", to = "link/" }'])  # fmt: skip
def test_a_move_that_leaves_the_plans_directory_asks(place: Place, move: str) -> None:
    (place.path / "link").symlink_to("/var")
    file = place.plan(PLAN + f"[cleanup]\nmove = [{move}]")
    said = place("up", file)

    assert 2 == said.code
    assert said.err.startswith("error: cleanup.move[0]: ")
    assert f"is outside the plan's directory, {place.path}; expected --yes" in said.err
    assert place("plan", file).err.endswith("next: wakeman up plan.toml --yes\n")


REFUSED = [
    ('before = [["./tool"]]', "workers.before[0]: found './tool', which is no program on PATH or at that place"),
    ('[verify]\ncommand = ["./tool"]', "verify.command: found './tool', which is no program on PATH or at that place"),
    ('[wake]\nto = [{ run = ["./tool"] }]', "wake.to[0].run: found './tool', which is no program on PATH"),
    ('[verify.review]\nof = "all"\ncommand = ["./tool"]', "verify.review.command: found './tool', which is no program"),
    ('[limits]\nmemory = "900T"', "limits.memory: found "),
    ('env_from = ["NEEDED"]', "workers.env_from: NEEDED is not set here"),
    ('prompt_file = "task.md"', "workers.prompt_file: "),
    ('cwd = "there"', "workers.cwd: found 'there' for "),
]
"""A line of a plan, and what is told once what it names is gone."""


def furnish(place: Place, monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    """Make everything that the lines of REFUSED name, or take it away."""
    for name, text in (("tool", "#!/bin/sh\n"), ("task.md", "{{ unit_table }}\n")):
        (place.path / name).write_text(text)
        (place.path / name).chmod(0o755)
        if not there:
            (place.path / name).unlink()
    (place.path / "there").mkdir(exist_ok=True)
    if there:
        monkeypatch.setenv("NEEDED", "1")
    else:
        (place.path / "there").rmdir()
        monkeypatch.delenv("NEEDED", raising=False)


@pytest.mark.parametrize(("line", "told"), REFUSED)
def test_what_is_missing_is_refused_alike_by_plan_up_and_amend_before_and_while_it_is_open(
    place: Place, monkeypatch: pytest.MonkeyPatch, line: str, told: str
) -> None:
    file = place.plan(PLAN + line)
    calls = {"plan": ("plan", file), "up": ("up", file), "amend": ("amend", "n", file)}
    furnish(place, monkeypatch, there=False)
    before = {verb: place(*calls[verb]) for verb in ("plan", "up")}
    assert not place.state.exists()
    if "memory" not in line:  # no machine has that much
        furnish(place, monkeypatch, there=True)
        assert 0 == place("up", file).code
        lines = (place.state / "n" / "events.jsonl").read_bytes()
        furnish(place, monkeypatch, there=False)
        before |= {f"{verb}, open": place(*call) for verb, call in calls.items()}
        assert lines == (place.state / "n" / "events.jsonl").read_bytes()

    for verb, said in before.items():
        assert (verb, 2, True) == (verb, said.code, told in said.out + said.err), (said.out, said.err)


def test_a_program_that_may_not_be_executed_any_more_is_refused_by_all(place: Place) -> None:
    (place.path / "tool").write_text("#!/bin/sh\n")
    (place.path / "tool").chmod(0o755)
    file = place.plan(PLAN + '[wake]\nto = [{ run = ["./tool"] }]')
    assert 0 == place("up", file).code
    (place.path / "tool").chmod(0o644)

    for words in (("plan", file), ("up", file), ("amend", "n", file)):
        said = place(*words)
        assert 2 == said.code
        assert "wake.to[0].run: found './tool', which is not executable; try: chmod +x " in said.out + said.err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('before = [["no-such"]]', "workers.before[0]: found 'no-such', which is no program on PATH or at that place"),
        ('[verify]\ncommand = ["./chek.sh"]',
         "verify.command: found './chek.sh', which is no program on PATH or at that place; did you mean './check.sh'?"),
        ('[verify]\ncommand = ["./plain.sh"]',
         ("verify.command: found './plain.sh', which is not executable; try: chmod"
         " +x {place}/./plain.sh")),
        ('[wake]\nto = [{ run = ["/no/such"] }]',
         "wake.to[0].run: found '/no/such', which is no program on PATH or at that place"),
        ('[wake]\nto = [{ run = ["~/x"] }]', "wake.to[0].run: found '~/x': a leading '~' is not expanded; write:"),
        ('[verify]\ncommand = ["true x"]', ("verify.command: found 'true x', which is no program; each word is one of"
         ' the list; write: ["true", "x"]')),
    ],
)  # fmt: skip
def test_a_program_that_is_not_there_is_told_by_plan_and_refused_by_up(place: Place, line: str, told: str) -> None:
    (place.path / "check.sh").write_text("#!/bin/sh\n")
    (place.path / "check.sh").chmod(0o755)
    (place.path / "plain.sh").write_text("#!/bin/sh\n")
    file = place.plan(PLAN + line)
    told = told.replace("{place}", str(place.path))

    said = place("plan", file)
    assert 2 == said.code
    assert all(part in said.out for part in f": {told}".split("; write:"))
    assert "next: wakeman up" not in said.err
    refused = place("up", file)
    assert 2 == refused.code
    assert told.partition("; write:")[0] in refused.err
    assert not place.state.exists()


def test_more_memory_than_the_machine_has_is_refused_by_both(place: Place) -> None:
    file = place.plan(PLAN + '[limits]\nmemory = "900T"')

    for verb in ("plan", "up"):
        said = place(verb, file)
        assert 2 == said.code
        assert "plan.toml:10: limits.memory: found " in said.err


def test_a_receiver_that_is_not_there_is_told_by_both(place: Place) -> None:
    file = place.plan(PLAN + '[wake]\nto = [{ tmux = "faces:nobody" }]')

    for verb in ("plan", "up"):
        said = place(verb, file)
        assert 0 == said.code
        assert "wake.to[0]: found no session 'nobody' on tmux socket 'faces'" in said.out + said.err


def test_without_by_and_at_once_the_machine_sets_how_many_run(place: Place) -> None:
    items = ", ".join(f'"u{n}"' for n in range(2000))
    file = place.plan(PLAN.replace('"a"', items))
    said = place("plan", file, "--json").json

    assert said["at_once_by_default"]
    assert 8 <= said["at_once"] < 2000
    assert f"{said['at_once']} at once (what its place carries; workers.at_once sets it)" in place("plan", file).out
    chosen = place("plan", place.plan(PLAN.replace('"a"', items) + "at_once = 2000"), "--json").json
    assert (2000, False) == (chosen["at_once"], chosen["at_once_by_default"])


def test_outputs_of_another_open_deployment_are_a_conflict_in_any_state_directory(place: Place, tmp_path: Path) -> None:
    place.up(PLAN)
    other = place.plan(PLAN.replace('name = "n"', 'name = "m"') + 'name = "m_{{ group.name }}"', "other.toml")
    elsewhere = str(tmp_path / "elsewhere" / "state")

    for words in (("plan", other), ("up", other), ("--state", elsewhere, "up", other)):
        said = place(*words)
        assert 2 == said.code, said
        assert "expected no other open deployment to write there: wait for its end, or wakeman down n" in said.err
    place("down", "n")
    assert 0 == place("plan", other).code


def test_an_up_that_could_start_nobody_fails_and_says_why(place: Place) -> None:
    said = place("up", place.plan(PLAN + 'before = [["false"]]\n'))

    assert 1 == said.code
    assert "nobody was started: launch failed: workers.before: false: exit status 1" in said.err
