"""Verbs' answers are valid against their schemas, and every field has a description."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.faces.test_serve import free_port

from wakeman.adapters import local
from wakeman.adapters.memory import Act, MemoryWorld
from wakeman.api.answer import Value
from wakeman.api.schema import ANSWERS, EVENTS, answers, schema
from wakeman.core.errors import NotLiveError
from wakeman.core.model import Choice, Dialog
from wakeman.core.plan.schema import events_schema, plan_schema
from wakeman.engine.check import check
from wakeman.faces import cli
from wakeman.ports import ShownDialog, World

SAMPLES = Path(__file__).parents[2] / "state" / "samples"
PLAN = """
name = "night"
[units]
items = ["a", "b", "c"]
output = "out/{{ unit }}.txt"
writes = ["tmp/{{ unit }}/**"]
[workers]
command = ["act", "{{ group.key }}"]
name = "night_{{ group.name }}"
stagger = 0
"""
REVIEW = '[verify.review]\nof = "all"\ncommand = ["judge", "{{ verdict_file }}"]\n'
STUCK = '[stuck]\nafter = 60\nsilent = ["ask"]\n[[cleanup.sweep]]\nsessions = "val_*"\n'


def closed(value: Any) -> Any:
    """Return a schema in which an object has the fields that are named, and no others."""
    if isinstance(value, list):
        return [closed(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: closed(each) for key, each in value.items()}
    if isinstance(value.get("properties"), dict) and value.get("type") == "object" and "title" in value:
        made.setdefault("additionalProperties", False)
    return made


class Desk:
    """Calls verbs in memory, and holds what each prints with `--json` against its schema."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self._patch, self._capsys = place, monkeypatch, capsys
        self.seen: set[tuple[str, str]] = set()
        self.schemas = {verb: closed(schema(verb)) for verb in cli.VERBS}
        self._validators: dict[str, dict[str, Draft202012Validator]] = {}
        self.real = local.world
        self.begin()

    def begin(self, more: str = "", **acts: Act) -> None:
        """Begin with an empty machine in memory, a repository around the plan, and that plan."""
        self.stage = MemoryWorld(acts=acts)
        self.stage.files.made.add(str(self.place))
        self.plan(PLAN + more)
        self.stage.git.init(str(self.place))
        self._patch.setattr(local, "world", lambda _, by: self.stage.world(f"{by}:1"))
        self._patch.setattr(time, "sleep", self.sleep)

    def plan(self, text: str, name: str = "plan.toml") -> None:
        """Write a plan file, there and on the disk."""
        self.stage.files.write(str(self.place / name), text.encode())
        (self.place / name).write_text(text)

    def sleep(self, seconds: float) -> None:
        """Let things happen for some seconds."""
        self.stage.run(self._check, lambda: False, seconds)

    def _check(self, world: World, head: str) -> None:
        """Check each deployment that is alive: nobody wakes one that was cleaned away."""
        for name in self.stage.logs.names():
            with suppress(NotLiveError):
                check(world, name, head)

    def __call__(self, verb: str, *words: str) -> list[dict[str, Any]]:
        """Call a verb, and validate each object that it prints."""
        self._capsys.readouterr()
        code = cli.main([verb, "--json", *words])
        said = self._capsys.readouterr()
        lines = [json.loads(line) for line in said.out.splitlines()]
        assert lines, (verb, words, code, said.err)
        for line in lines:
            self.validate(verb, line)
        return lines

    def validate(self, verb: str, line: dict[str, Any]) -> None:
        """Hold one object against the alternatives of a verb; one has to fit, and is remembered."""
        fitting = [name for name, validator in self._alternatives(verb).items() if validator.is_valid(line)]
        assert fitting, (verb, line)
        self.seen.update((verb, name) for name in fitting)

    def _alternatives(self, verb: str) -> dict[str, Draft202012Validator]:
        """Return a validator for each thing that a verb may answer."""
        if verb not in self._validators:
            whole, kinds = self.schemas[verb], answers(verb)
            made = {kind.__name__: [each] for kind, each in zip(kinds, whole["anyOf"][-len(kinds) :], strict=True)}
            if lines := whole["anyOf"][: -len(kinds)]:
                made[EVENTS] = lines
            self._validators[verb] = {
                name: Draft202012Validator({**whole, "anyOf": each}) for name, each in made.items()
            }
        return self._validators[verb]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return Desk(tmp_path, monkeypatch, capsys)


def test_every_verb_has_an_answer_and_no_other_has() -> None:
    assert ANSWERS.keys() == cli.VERBS.keys()


@pytest.mark.parametrize("verb", ANSWERS)
def test_every_part_and_field_of_an_answer_says_what_it_means(verb: str) -> None:
    made = schema(verb)
    objects = [each for each in made["anyOf"][-len(answers(verb)) :] if "properties" in each]
    if EVENTS not in ANSWERS[verb]:  # the log's own facts are described with the log
        objects += made["$defs"].values()

    silent = [each["title"] for each in objects if not each.get("description")]
    silent += [
        f"{each['title']}.{name}"
        for each in objects
        for name, field in each["properties"].items()
        if not field.get("description")
    ]

    assert [] == silent
    Draft202012Validator.check_schema(made)


def test_what_every_verb_answers_fits_its_schema(desk: Desk) -> None:
    _people(desk)
    _nights(desk)
    _questions(desk)
    _files(desk)

    assert {verb for verb in cli.VERBS if ANSWERS[verb]} == {verb for verb, kind in desk.seen if kind != "Failure"}
    kinds = {kind.__name__ for verb in ANSWERS for kind in answers(verb)} | {EVENTS}
    assert kinds == {kind for _, kind in desk.seen}


def _people(desk: Desk) -> None:
    """Call what a person does in a night, from the plan to the trash."""
    for verb, words in {"status": (), "resume": (), "schema": ("status",), "init": ("fresh.toml",)}.items():
        desk(verb, *words)
    for verb in ("check", "wait", "down", "clean", "status", "log", "merge", "pause", "accept", "capture", "stop"):
        desk(verb, "nobody")
    desk("plan", "none.toml")
    desk("plan", "plan.toml")
    desk("rehearse", "plan.toml", "--all")
    desk("rehearse", "plan.toml", "--nodes", "1,2", "--fails", "10d")
    desk("up", "plan.toml", "--dry-run")
    desk("up", "plan.toml")
    for verb in ("status", "check", "pause", "unpause", "resume", "log"):
        desk(verb, "night")
    hosts = {"hosts": {"alpha": 9}, "silence": lambda _: "no answer", "lose": lambda _: ("night_a",)}
    for name, value in hosts.items():
        setattr(desk.stage.sessions, name, value)
    desk("lost", "alpha", "night")
    for name in hosts:
        delattr(desk.stage.sessions, name)
    desk.stage.registry.forget("/state/night")
    for verb in ("status", "check", "adopt"):
        desk(verb, "night")
    for verb in ("capture", "tail", "attach", "retry"):
        desk(verb, "night_a")
    for verb in ("stop", "retry"):
        desk(verb, "night_b")
    desk("waive", "c", "--why", "x")
    desk("reject", "c", "--why", "x")
    desk("send", "night_a", "go on", "--force")
    desk("send", "night", "--all", "go on", "--force")
    desk("capture", "night", "--all")
    desk("sweep", "*", "--older-than", "0", "--dry-run")
    desk("sweep", "*", "--older-than", "0")
    desk.plan(PLAN + "[stuck]\nafter = 77\n", "longer.toml")
    desk("amend", "night", "longer.toml")
    desk("notices", "--once")
    desk("inbox")
    desk("wait", "night", "--until", "change", "--timeout", "600")


def _nights(desk: Desk) -> None:
    """Run nights with a stuck worker, a held row, a review, work trees; and one that is watched."""
    desk.begin(STUCK, night_a=Act(hangs=True, stops_after=0))
    desk("up", "plan.toml")
    desk.sleep(1500)
    assert desk("status", "night")[0]["needs_person"]
    desk("status")
    desk("down", "night")
    desk.stage.files.write("/state/night/streams/night_a.1.log", b"one\n")
    desk("tail", "night_a", "-f")
    desk("completion", "bash")
    desk("redo", "night", "--dry-run")
    desk("redo", "night")
    desk.begin("[wake]\nhold = true\n[cleanup]\nrounds = 0\n[stuck]\nattempts = 1\n")
    desk.stage.usual = Act(stops_after=0, code=3)
    desk("up", "plan.toml")
    desk.sleep(4000)
    assert desk("status", "night")[0]["decision"]["held"]
    desk("accept", "night")
    desk.begin(REVIEW)
    desk("plan", "plan.toml")
    desk("up", "plan.toml", "--wait")
    assert desk("status", "night")[0]["reviews"]
    desk.begin()
    desk.plan(PLAN + 'isolate = "worktree"\n')
    desk.stage.git.init(str(desk.place))
    desk("up", "plan.toml")
    desk.sleep(4000)
    desk("watch", "night")
    assert desk("status", "night")[0]["trees"]["mergeable"]
    desk("merge", "night")
    desk("clean", "night", "--dry-run")
    desk("clean", "night")
    desk("clean", "--empty-trash", "--yes")
    desk("run", "--items", "a", "--output", "more/{{ unit }}", "--", "act")
    desk.stage.sessions.stranger("mine_a")
    desk("watch-sessions", "mine_", "--dry-run")
    desk("watch-sessions", "mine_")
    for words in (("compat", str(desk.place / "bin")), ("session", "-t", "-a", "-s", "lone", "Condense")):
        desk(*words, "--dry-run")
        desk(*words)
    desk("run", "--name", "other", "--items", "b", "--output", "more/{{ unit }}", "--", "act")
    for name in ("run", "other"):
        desk("down", name)
    desk("clean", "run", "other")


def _questions(desk: Desk) -> None:
    """Answer what workers ask in dialogs."""
    desk.begin('mode = "interactive"\n', night_a=Act(hangs=True, stops_after=0))
    asked: Any = desk.stage.harness
    desk("up", "plan.toml")
    for kind, does, words in (
        ("permission", "once", ("approve", "night_a")),
        ("question", "", ("answer", "night_a", "1")),
    ):
        dialog = Dialog(kind, "Run it?", (Choice("Yes", does), Choice("No")), "d1")  # type: ignore[arg-type] # a table's word
        asked.dialog = lambda _, dialog=dialog: ShownDialog(dialog, 0)
        desk(*words)


def _files(desk: Desk) -> None:
    """Read logs as files, and this machine."""
    state = desk.place / "state"
    shutil.copytree(SAMPLES, state)
    (state / "damaged").mkdir()
    (state / "damaged" / "events.jsonl").write_text('{"v":1}\n')
    desk._patch.setattr(local, "world", desk.real)
    desk._patch.setattr("wakeman.adapters.otlp.send_spans", lambda *_: None)  # test_export sends to a collector
    desk._patch.setattr("uvicorn.Server.run", lambda *_, **__: None)  # test_serve asks a server
    there = ("--state", str(state))
    (desk.place / "policy.toml").write_text("[stuck]\nafter = 1\nattempts = 5\n[cleanup]\nrounds = 0\n")
    for name in ("crashed", "demo", "limited", "partial", "stuck"):
        desk("status", name, *there)
        desk("audit", name, *there)
        desk("replay", name, *there)
        desk("report", name, *there)
        for form in ("trace", "metrics", "otlp"):
            desk("export", form, name, *(("--endpoint", "http://localhost") if form == "otlp" else ()), *there)
        desk("replay", name, *there, "--until", "20")
        desk("replay", name, *there, "--policy", "policy.toml")
    desk("serve", "--port", str(free_port()), *there)
    desk("mcp", "--http", str(free_port()), *there)
    desk("status", *there)
    desk("resume", "--dry-run", *there)
    desk("log", "repair", "demo", *there)
    desk("audit", "damaged", *there)
    desk("doctor", *there)
    desk("agents", *there)
    desk("agents", "--instructions", *there)


def test_a_list_of_several_kinds_names_each() -> None:
    kinds = [kind for verb in ANSWERS for kind in answers(verb)]

    parts = {part.__name__ for kind in kinds for part in kind.parts}

    assert {"ListedStatus", "UnreadableStatus", "ResumedDeployment", "FailedDeployment"} == parts
    assert all(issubclass(kind, Value) for kind in kinds)


@pytest.mark.parametrize(("name", "made"), [(None, plan_schema), (EVENTS, events_schema)])
def test_the_plan_s_schema_and_the_log_s_are_printed_too(desk: Desk, name: str | None, made: Any) -> None:
    shown = desk("schema", *([name] if name else []))[0]["schema"]

    assert json.loads(json.dumps(made())) == shown


def test_a_verb_that_does_not_exist_has_no_schema_and_the_nearest_is_named(desk: Desk) -> None:
    [told] = desk("schema", "statsu")

    assert not told["ok"]
    assert "schema: found 'statsu'; expected a verb, or events; did you mean 'status'?" == told["error"]


def test_a_field_that_no_schema_names_is_found(desk: Desk) -> None:
    [told] = desk("plan", "plan.toml")

    assert not Draft202012Validator(desk.schemas["plan"]).is_valid({**told, "more": 1})
    assert not Draft202012Validator(desk.schemas["plan"]).is_valid({key: told[key] for key in told if key != "up"})
