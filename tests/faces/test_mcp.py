"""`wakeman mcp`: a night by tools, over both transports; what is refused, asked, and said instead."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import jsonschema
import mcp_types as types
import msgspec
import pytest
from tests.faces.conftest import SLEEPER, Place
from tests.faces.mcp_client import WAYS, Caller, Told, Way, by_http, talk
from tests.faces.test_report import lines_of
from tests.faces.test_serve import keep
from tests.play import NAME, Play
from tests.processes import processes
from tests.scripts.test_answers import PERMISSION, QUESTION, asking
from tests.waiting import until

from wakeman.adapters import local
from wakeman.core.errors import NeedsPersonError, WakemanError
from wakeman.core.log.events import Requested
from wakeman.core.model import Dialog
from wakeman.faces.cli import VERBS, main
from wakeman.faces.mcp import brief
from wakeman.faces.mcp.arguments import WAIT_MAX_S, ActArguments
from wakeman.faces.mcp.calls import DOING, in_calls, spoken
from wakeman.faces.mcp.deeds import call_act
from wakeman.faces.mcp.desk import Desk, Question
from wakeman.faces.mcp.server import CALLS_AT_ONCE_MAX, described
from wakeman.faces.mcp.tools import TOOLS

NIGHT = """
name = "night"
[units]
items = ["a", "b", "c"]
output = "out/{{ unit }}.txt"
[workers]
command = ["sh", "-c", "mkdir -p out; until [ -e go ]; do sleep 0.05; done; date > out/$0.txt", "{{ group.key }}"]
name = "night_{{ group.name }}"
stagger = 0
socket = "faces"
"""
"""Three workers that end as soon as the file `go` is there."""

TOOLS_TOLD_BYTES_MAX = 4900
"""Bytes of names, descriptions and input schemas: what a client puts before its model in each request."""
NIGHT_BYTES_MAX = 4500
"""Bytes of arguments and answers of plan, up, five wakes and the wrap-up."""


def test_there_are_at_most_eight_tools_each_with_title_hints_and_schemas() -> None:
    found = [described(name, tool) for name, tool in TOOLS.items()]

    assert {"plan", "up", "status", "wait", "log", "act", "report", "rehearse"} == {tool.name for tool in found}
    for tool in found:
        assert tool.title
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name not in (*DOING, "wait"))
        assert tool.annotations.destructive_hint is (tool.name == "act")
        assert "object" == tool.input_schema["type"] == (tool.output_schema or {})["type"]
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema or {})
        assert all(field.get("description") for field in tool.input_schema["properties"].values())


@pytest.mark.parametrize(
    "kind", [each for each in vars(brief).values() if str(each).startswith("<class 'wakeman.faces")]
)
def test_a_field_that_may_be_absent_is_not_required(kind: type[msgspec.Struct]) -> None:
    absent = [each.name for each in msgspec.structs.fields(kind) if "UnsetType" in str(each.type)]

    assert [] == [name for name in absent if name in msgspec.json.schema(kind)["$defs"][kind.__name__]["required"]]


def test_the_tools_cost_few_tokens_in_each_request() -> None:
    found = [described(name, tool) for name, tool in TOOLS.items()]

    told = [{"name": tool.name, "description": tool.description, "input_schema": tool.input_schema} for tool in found]

    assert len(json.dumps(told, separators=(",", ":"))) <= TOOLS_TOLD_BYTES_MAX


# --- a night ------------------------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS)
def test_a_night_is_begun_watched_and_wrapped_up_by_tools(place: Place, way: Way) -> None:
    place.plan(NIGHT, "wakeman.toml")

    async def steps(call: Caller) -> None:
        planned = (await call("plan")).data
        assert (3, 3) == (planned["units"], len(planned["workers"]))
        started = (await call("up")).data
        assert ("open", 0, 3) == (started["outcome"], started["done"], started["total"])
        for _ in range(5):
            woken = (await call("status", deployment="night")).data
            assert ("open", []) == (woken["outcome"], woken["needs"])
        waited = (await call("wait", seconds=0.2)).data
        assert (False, ['wait(deployment="night")']) == (waited["came"], waited["calls"])
        (place.path / "go").touch()
        while not (waited := (await call("wait", deployment="night", until="done")).data)["came"]:
            pass
        assert ("complete", 3) == (waited["outcome"], waited["done"])
        report = (await call("report", deployment="night")).data
        assert (["out/a.txt", "out/b.txt", "out/c.txt"], 0) == (report["inspect"], report["divergences"])
        assert (3.0, 3.0) == call.progress[-1][:2]
        assert call.bytes <= NIGHT_BYTES_MAX

    talk(steps, way=way)

    assert {"a.txt", "b.txt", "c.txt"} == {file.name for file in (place.path / "out").iterdir()}
    assert 0 == place("audit", "night").code


@pytest.mark.real
def test_every_answer_fits_its_schema_and_the_text_is_the_same(place: Place) -> None:
    place.plan(NIGHT, "wakeman.toml")
    schemas = {name: described(name, tool).output_schema or {} for name, tool in TOOLS.items()}

    async def steps(call: Caller) -> None:
        for tool, given in (
            ("status", {}),
            ("plan", {}),
            ("rehearse", {"hang": ["night_a"]}),
            ("rehearse", {"queue": "--nodes 1,2 --slots 2 --wait exp:1m --fails 10m"}),
            ("up", {}),
            ("status", {}),
            ("status", {"deployment": "night", "workers": True}),
            ("status", {"worker": "night_a"}),
            ("wait", {"until": "change", "seconds": 0}),
            ("log", {"most": 3}),
            ("log", {"after": 2, "most": 3, "type": "launched"}),
            ("act", {"action": "pause"}),
            ("act", {"action": "unpause", "deployment": "night"}),
            ("act", {"action": "check"}),
            ("act", {"action": "resume"}),
            ("act", {"action": "send", "workers": ["night_a"], "text": "go on", "force": True}),
            ("act", {"action": "stop", "workers": ["night_a", "night/night_b"]}),
            ("act", {"action": "waive", "units": ["a"], "why": "not needed"}),
            ("act", {"action": "reject", "units": ["a"], "why": "needed after all"}),
            ("act", {"action": "down", "why": "over"}),
            ("report", {}),
        ):
            told = await call(tool, **given)
            assert not told.failed, f"{tool} {given}: {told.text}"
            jsonschema.validate(told.data, schemas[tool])
            assert json.loads(told.text) == told.data

    talk(steps, "--yes")

    assert ["a"] == [unit for unit in place("status", "night", "--json").json["units"]["missing"] if unit == "a"]


@pytest.mark.real
def test_a_client_that_goes_during_a_wait_leaves_nothing_behind(place: Place) -> None:
    place.up(SLEEPER)
    before = place.tree()

    async def steps(call: Caller) -> None:
        with anyio.move_on_after(1) as scope:
            async with anyio.create_task_group() as waits:
                for _ in range(CALLS_AT_ONCE_MAX):
                    waits.start_soon(partial(call, "wait", deployment="night"))
        assert scope.cancelled_caught
        with anyio.fail_after(WAIT_MAX_S * 0.6):  # if one of them went on, this one would wait for it
            await call("status")

    talk(steps)
    gone = {name for name in before if name not in place.tree()}

    assert set() == gone
    assert "open" == place("status", "night", "--json").json["outcome"]
    assert [] == _servers(place.path)


@pytest.mark.real
def test_a_server_that_is_killed_in_the_middle_of_a_night_loses_nothing(place: Place) -> None:
    place.plan(NIGHT, "wakeman.toml")
    seen: list[int] = []

    async def begin(call: Caller) -> None:
        await call("up")
        seen.append((await call("log", deployment="night")).data["last"])
        for server in _servers(place.path):
            os.kill(server, signal.SIGKILL)

    with suppress(Exception):  # of the client, in whatever way it notices
        talk(begin)

    async def end(call: Caller) -> None:
        status = (await call("status", deployment="night")).data
        assert ("open", 3) == (status["outcome"], status["groups"]["running"]["workers"])
        (place.path / "go").touch()
        while not (await call("wait", until="done")).data["came"]:
            pass
        assert (await call("log", deployment="night", after=seen[0])).data["lines"]

    talk(end)
    assert "complete" == place("status", "night", "--json").json["outcome"]
    assert 0 == place("audit", "night").code


def _servers(place: Path) -> list[int]:
    """List the servers that run in a directory."""
    servers = [one for one in processes("mcp") if {"mcp", "wakeman"} <= set(one.argv)]
    return [one.pid for one in servers if (one.place / "cwd").resolve() == place.resolve()]


# --- who only reads, and who is asked -----------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_only_reads_offers_nothing_that_acts_and_writes_nothing(place: Place, way: Way) -> None:
    place.up(SLEEPER)
    local.world(None, "hand").timer.disarm(place.jobs())  # so that a wait which acts would have a check run
    until(lambda: not place.checking())
    before = place.tree()

    async def steps(call: Caller) -> None:
        listed = (await call.client.list_tools()).tools
        assert set(TOOLS) - set(DOING) == {tool.name for tool in listed}
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed)
        for tool, given in (("up", {"file": "plan.toml"}), ("act", {"action": "pause"})):
            told = await call(tool, **given)
            assert told.failed
            assert "--read-only" in told.text
        assert "open" == (await call("wait", deployment="night", seconds=0.5)).data["outcome"]
        await call("status", deployment="night")
        await call("status", worker="night_a")
        await call("log", deployment="night")
        await call("report", deployment="night")

    talk(steps, "--read-only", way=way)

    assert {name: mark for name, mark in before.items() if "/state/" in name} == {
        name: mark
        for name, mark in place.tree().items()
        if "/state/" in name and ".lock" not in name and name in before
    }


@pytest.mark.real
def test_a_plan_that_another_host_carries_is_not_begun_here(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.plan(NIGHT + '[wake]\nhost = "alpha"\n', "wakeman.toml")

    async def refused(call: Caller) -> None:
        told = await call("up")
        assert told.failed
        assert "wake.host: found 'alpha'; expected the verb to run there" in told.text
        assert "wakeman --on alpha mcp" in told.text

    async def begun(call: Caller) -> None:
        assert not (await call("up")).failed

    talk(refused)
    assert not list(place.tree().keys() & {"state"})
    monkeypatch.setenv("WAKEMAN_ON", ".")
    talk(begun)


def test_a_server_that_only_reads_suggests_nothing_that_it_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wakeman.toml").write_text(NIGHT)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    keep(tmp_path / "state", "stuck", lines_of("stuck"))
    said: dict[str, list[str]] = {"": [], "--read-only": []}

    def steps(texts: list[str]) -> Any:
        async def all_steps(call: Caller) -> None:
            for tool, given in (
                ("status", {}),
                ("status", {"deployment": "stuck"}),
                ("wait", {"deployment": "stuck", "seconds": 0}),
                ("report", {"deployment": "stuck"}),
                ("plan", {}),
                ("rehearse", {}),
                ("status", {"deployment": "stucc"}),
                ("act", {"action": "check"}),
            ):
                texts.append((await call(tool, **given)).text)
            prompt = await call.client.get_prompt("wake", {"deployment": "stuck"})
            texts.append(prompt.messages[0].content.text)  # type: ignore[union-attr] # it is a text

        return all_steps

    for option, texts in said.items():
        talk(steps(texts), *([option] if option else []))

    doing = re.compile(r"\b(?:act|up)\(")
    assert any(doing.search(text) for text in said[""])
    assert [] == [text for text in said["--read-only"] if doing.search(text)]
    assert any("in a shell: wakeman up wakeman.toml" in text for text in said["--read-only"])


def answering(asked: list[str], *says: bool | None) -> Any:
    """Return a person who agrees, does not, or closes the dialog, one after the other."""

    async def answer(_: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        agrees = says[len(asked) - 1]
        if agrees is None:
            return types.ElicitResult(action="cancel")
        return types.ElicitResult(action="accept", content={"agree": agrees})

    return answer


IN_A_SHELL = "next: ask the person; who agrees types in a shell: wakeman stop night/night_a"


@pytest.mark.real
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_person_is_asked_before_a_worker_is_ended(place: Place, way: Way, mode: str) -> None:
    place.up(SLEEPER)
    asked: list[str] = []
    told: list[Told] = []

    async def steps(call: Caller) -> None:
        told.extend([await call("act", action="stop", workers=["night_a"]) for _ in range(3)])

    talk(steps, way=way, mode=mode, elicitation_callback=answering(asked, False, None, True))

    assert ["Wakeman is asked to end night/night_a. Do you agree?"] * 3 == asked
    assert [True, True, False] == [each.failed for each in told]
    assert ["does not agree", IN_A_SHELL] == [
        words for words in ("does not agree", IN_A_SHELL) if words in told[0].text
    ]
    assert told[0] == told[1]
    assert "night_a (attempt 1" in told[2].data["did"][0]
    until(lambda: "exited" == place("status", "night", "--json").json["workers"][0]["state"])


@pytest.mark.real
def test_a_client_that_cannot_ask_is_told_what_the_person_types(place: Place) -> None:
    place.up(SLEEPER)

    async def steps(call: Caller) -> None:
        for action in ("stop", "waive", "accept", "adopt", "down"):
            told = await call("act", action=action, **ASKED_OF[action])
            assert told.failed
            assert "a person decides this, and this client cannot ask one" in told.text
            assert f"types in a shell: wakeman {action} " in told.text

    talk(steps)

    assert ["launched", "launched"] == [
        each["state"].replace("running", "launched") for each in place("status", "night", "--json").json["workers"]
    ]


def desk_of(play: Play, asked: list[str], *, agrees: bool = True) -> Desk:
    """Return what a tool is given of a deployment in memory."""

    def ask(question: Question) -> None:
        asked.append(question.text)
        if not agrees:
            raise question.refusal("the person does not agree")

    return Desk(
        world=lambda by: play.stage.world(f"{by}:9"),
        here="/",
        pause=play.stage.clock.advance,
        tell=print,
        ask=ask,
        reads=False,
    )


def test_a_permission_is_given_after_a_person_saw_what_is_asked_and_what_is_chosen() -> None:
    play, client = asking()
    asked: list[str] = []

    with pytest.raises(NeedsPersonError) as refused:
        call_act(desk_of(play, asked, agrees=False), ActArguments(action="approve", workers=("w0",)))
    assert [] == client.keys
    given = call_act(desk_of(play, asked), ActArguments(action="approve", workers=("w0",)))

    assert ['say yes (once: "Yes") to night/w0, which asks "Run rm -r build?"'] * 2 == asked
    assert f"wakeman approve {NAME}/w0 --once --seen d1" in refused.value.hint
    assert [("1",)] == client.keys
    assert isinstance(given, brief.BriefDeeds)
    assert "approved once w0" in given.did[0]
    [request] = [e.data for e in play.events if isinstance(e.data, Requested)]
    assert ("approve", "mcp") == (request.verb, request.face)


@pytest.mark.parametrize(
    ("dialog", "given", "key"),
    [
        (PERMISSION, ActArguments(action="approve", workers=("w0",), grant="deny"), "3"),
        (QUESTION, ActArguments(action="answer", workers=("w0",), text="prose", seen="q1"), "2"),
    ],
)
def test_nobody_is_asked_for_a_no_or_for_the_answer_to_a_question(
    dialog: Dialog, given: ActArguments, key: str
) -> None:
    play, client = asking(dialog)
    asked: list[str] = []

    call_act(desk_of(play, asked), given)

    assert ([(key,)], []) == (client.keys, asked)


def test_nobody_is_asked_about_another_question_than_the_one_that_was_seen() -> None:
    play, client = asking()
    asked: list[str] = []

    for given in (
        ActArguments(action="approve", workers=("w0",), seen="d0"),
        ActArguments(action="answer", workers=("w0",), text="1", seen="d0"),
        ActArguments(action="answer", workers=("w0",), text="1"),
        ActArguments(action="answer", workers=("w0", "w0"), text="1"),
        ActArguments(action="answer", workers=("w0",)),
    ):
        with pytest.raises(WakemanError):
            call_act(desk_of(play, asked), given)

    assert ([], []) == (client.keys, asked)


def test_a_dialog_that_changes_while_a_person_is_asked_is_not_answered() -> None:
    play, client = asking()

    def change(_: Question) -> None:
        client.now = msgspec.structs.replace(PERMISSION, asks="Run rm -r /?", seen="d2")

    with pytest.raises(NeedsPersonError, match="no longer what it asks"):
        call_act(
            msgspec.structs.replace(desk_of(play, []), ask=change), ActArguments(action="approve", workers=("w0",))
        )

    assert [] == client.keys


ASKED_OF: dict[str, dict[str, Any]] = {
    "stop": {"workers": ["night_a"]},
    "waive": {"units": ["a"], "why": "old"},
    "accept": {},
    "adopt": {"deployment": "night"},
    "down": {"why": "over"},
}


@pytest.mark.real
def test_a_person_is_asked_for_what_up_wants_agreed(place: Place) -> None:
    place.plan(NIGHT + '[[cleanup.move]]\nfrom = "a"\nto = "../elsewhere"\n', "wakeman.toml")
    asked: list[str] = []

    async def look(call: Caller) -> None:
        planned = await call("plan")
        assert "is outside the plan's directory" in planned.data["agree"][0]

    async def refuse(call: Caller) -> None:
        told = await call("up")
        assert told.failed
        assert "wakeman up wakeman.toml --yes" in told.text

    talk(look)
    talk(refuse)
    talk(refuse, elicitation_callback=answering(asked, False))

    assert [True] == ["start night, although" in each for each in asked]
    assert [] == place("status", "--json").json["deployments"]


@pytest.mark.real
def test_a_plan_on_queues_comes_to_what_the_command_line_says(place: Place) -> None:
    place.plan(NIGHT, "wakeman.toml")
    words = "--nodes 1,3 --wait exp:60s --fails 100m --give-up 1d --seed 3"
    told = {}

    async def steps(call: Caller) -> None:
        told.update((await call("rehearse", unit_s=1200, queue=words)).data)

    talk(steps)

    printed = place("rehearse", "wakeman.toml", "--unit", "20m", *words.split(), "--json").json["courses"]
    assert 3 == told["total"]
    assert [
        (
            one["nodes"],
            one["slots"],
            one["outcome"],
            one["done"],
            round(one["seconds"]),
            round(one["node_hours"], 1),
            one["lost"],
        )
        for one in printed
    ] == [tuple(one.values()) for one in told["sizes"]]
    assert 1 < len({one["seconds"] for one in told["sizes"]})


# --- what is wrong is said, with what to call instead -------------------------------------------------------------

LONG = "d" * 5000
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("plan", {"file": "none.toml"}, "none.toml: no such file"),
    ("plan", {"file": "."}, "is a directory"),
    ("plan", {"file": "-"}, "expected the path of a plan"),
    ("plan", {"file": 7}, "plan: Expected `str`, got `int` - at `$.file`\nnext: it takes file"),
    ("plan", {"fil": "x"}, "plan: unknown argument 'fil'; did you mean 'file'?"),
    ("plan", {"file": "bad.toml"}, "bad.toml:2: "),
    ("rehearse", {"file": "wakeman.toml", "hang": ["night_x"]}, "no worker 'night_x' in this plan"),
    ("rehearse", {"file": "wakeman.toml", "unit_s": 0}, "rehearse: Expected `float` >= 1"),
    ("rehearse", {"queue": "--slots 2"}, "rehearse: queue: found '--slots 2'; expected --nodes among them"),
    ("rehearse", {"queue": "--nodes 0"}, "rehearse: queue: argument --nodes: found '0'; expected numbers such as"),
    (
        "rehearse",
        {"queue": "--nodes 1-256"},
        "rehearse: queue: found 9 sizes of queues; expected at most 8 in one call",
    ),
    ("rehearse", {"queue": "--nodes 4 --fails 1s"}, "argument --fails: found '1s'; expected at least 60s"),
    ("rehearse", {"queue": "--nodes 4 --run-commands"}, "rehearse: queue: unknown option '--run-commands'"),
    ("rehearse", {"queue": "--help"}, "rehearse: queue: "),
    ("rehearse", {"queue": "4 '"}, "rehearse: queue: No closing quotation"),
    ("status", {"deployment": "nigt"}, "no deployment 'nigt'; did you mean 'night'?\nnext: status()"),
    ("status", {"deployment": "../night"}, "no deployment '../night'"),
    ("status", {"deployment": "night\u001b[2J\n"}, "no deployment 'night"),
    ("status", {"deployment": LONG}, "no deployment 'ddd"),
    ("status", {"worker": "night_x"}, "no worker 'night_x'"),
    ("wait", {"deployment": "other"}, "no deployment 'other'"),
    ("wait", {"seconds": 3600}, "wait: Expected `float` <= 50"),
    ("wait", {"until": "never"}, "Invalid enum value 'never'"),
    ("log", {"type": "decidd"}, "did you mean 'decided'?"),
    ("log", {"most": 100000}, "log: Expected `int` <= 200"),
    ("act", {}, "missing required field `action`"),
    ("act", {"action": "burn"}, "Invalid enum value 'burn'"),
    ("act", {"action": "stop"}, "stop needs workers"),
    ("act", {"action": "send", "workers": ["night_a"]}, "send needs text"),
    ("act", {"action": "send", "text": "x"}, "send needs workers"),
    ("act", {"action": "send", "like": "night_a", "text": "x"}, "night/night_a needs nobody now"),
    ("act", {"action": "send", "workers": ["tmux:mine"], "text": "x"}, "no worker 'tmux:mine'"),
    ("act", {"action": "waive", "units": ["a"]}, "waive needs why"),
    ("act", {"action": "waive", "units": ["x"], "why": "y"}, "no unit 'x' in night"),
    ("act", {"action": "retry", "workers": ["night_a"]}, 'act(action="stop", workers=["night/night_a"])'),
    ("act", {"action": "accept", "deployment": "night"}, "night"),
    ("report", {"deployment": "/etc/passwd"}, "no deployment '/etc/passwd'"),
    ("burn", {}, "no tool 'burn'"),
]


@pytest.mark.real
def test_bad_input_is_an_error_that_says_what_to_do_and_changes_nothing(place: Place) -> None:
    place.up(SLEEPER)
    place.plan(NIGHT, "wakeman.toml")
    place.plan("name = 'x'\nunits = 3\n", "bad.toml")
    before = place("log", "night").out.count("\n")

    async def steps(call: Caller) -> None:
        for tool, given, words in BAD:
            told = await call(tool, **given)
            assert told.failed, f"{tool} {given}: {told.text}"
            assert words in told.text, f"{tool} {given}: {told.text}"
            assert "\x1b" not in told.text
            assert len(told.text) < 4000
            assert "Traceback" not in told.text

    talk(steps)
    assert before <= place("log", "night").out.count("\n")
    assert ["launched", "launched"] == [
        each["state"].replace("running", "launched") for each in place("status", "night", "--json").json["workers"]
    ]


def test_names_that_would_do_harm_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    keep(tmp_path / "state", "stuck", lines_of("stuck"))
    evil = ["..", "%2e%2e", "a/../../stuck", "stuck\x00", "é", "$(touch here)", "';ls"]

    async def steps(call: Caller) -> None:
        for name in evil:
            assert (await call("status", deployment=name)).failed
            assert (await call("log", deployment=name)).failed
            for kind in ("plan", "events", "report"):
                with pytest.raises(Exception, match=r"no deployment|no resource|wakeman://|Invalid"):
                    await call.client.read_resource(f"wakeman://deployments/{name}/{kind}")
        found = (await call("status", deployment="stuck")).data
        assert found["remarks"]

    talk(steps)
    assert ["state"] == sorted(os.listdir(tmp_path))


def test_commands_are_said_as_calls() -> None:
    said = {
        "wakeman status": "status()",
        "wakeman status night": 'status(deployment="night")',
        "wakeman capture night/w": 'status(worker="night/w")',
        "wakeman log night --type decided": 'log(deployment="night", type="decided")',
        "wakeman retry night/w --note 'keep it'": 'act(action="retry", workers=["night/w"], why="keep it")',
        "wakeman send night/w 1 --force": 'act(action="send", workers=["night/w"], text="1", force=true, submit=false)',
        "wakeman send night/w 'go on' --submit": ('act(action="send", workers=["night/w"], text="go on", submit=true)'),
        "wakeman send --like n/w 1 --force": 'act(action="send", like="n/w", text="1", force=true, submit=false)',
        "wakeman retry --like night/w": 'act(action="retry", like="night/w")',
        "wakeman approve n/w --once --seen d1": ('act(action="approve", workers=["n/w"], grant="once", seen="d1")'),
        "wakeman approve n/w --deny": 'act(action="approve", workers=["n/w"], grant="deny")',
        "wakeman answer n/w 'as bullets' --seen d1": (
            'act(action="answer", workers=["n/w"], text="as bullets", seen="d1")'
        ),
        "wakeman waive a --why x --deployment n": 'act(action="waive", units=["a"], why="x", deployment="n")',
        "wakeman accept night": 'act(action="accept", deployment="night")',
        "wakeman attach night/w": "in a shell: wakeman attach night/w",
        "wakeman clean night": "in a shell: wakeman clean night",
        "wakeman retry": 'act(action="retry")',
        "wakeman burn": "in a shell: wakeman burn",
        "wakeman send 'night": "in a shell: wakeman send 'night",
    }

    assert said == {command: spoken(command) for command in said}


def test_a_hint_keeps_its_words_around_the_calls() -> None:
    assert 'fix it, then: plan(file="a.toml")' == in_calls("fix it, then: wakeman plan a.toml")
    assert 'status(deployment="n"), or act(action="down", deployment="n"), then in a shell: wakeman redo n' == in_calls(
        "wakeman status n, or wakeman down n, then wakeman redo n"
    )
    assert "see the description of the tool log" == in_calls("wakeman log --help")
    assert "read the resource wakeman://starter for a commented plan" == in_calls(
        "wakeman init writes one to begin with"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_no_example_of_a_verb_breaks_the_wording(verb: str) -> None:
    from importlib import import_module

    example = import_module(f"wakeman.faces.cli.{VERBS[verb][1]}").VERBS[verb][0]

    assert spoken(example).startswith("in a shell: ") or spoken(example).partition("(")[0] in TOOLS


# --- resources and the prompt -------------------------------------------------------------------------------------


def test_plans_events_and_reports_are_resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    keep(tmp_path / "state", "demo", lines_of("demo"))
    (tmp_path / "state" / "demo" / "plan.toml").write_text("name = 'demo'\n")

    async def steps(call: Caller) -> None:
        listed = {str(each.uri): each.mime_type for each in (await call.client.list_resources()).resources}
        assert {"wakeman://starter", "wakeman://deployments/demo/report", "ui://wakeman/report"} <= set(listed)
        texts = {}
        for uri, media in listed.items():
            found = (await call.client.read_resource(uri)).contents[0]
            assert isinstance(found, types.TextResourceContents)
            assert media == found.mime_type
            texts[uri] = found.text
        assert "name = 'demo'\n" == texts["wakeman://deployments/demo/plan"]
        lines = texts["wakeman://deployments/demo/events"].splitlines()
        assert len(lines_of("demo")) == len(lines)
        assert "planned" == json.loads(lines[0])["type"]
        assert "<!doctype html>" in texts["wakeman://deployments/demo/report"].lower()
        assert "ui/initialize" in texts["ui://wakeman/report"]
        report = next(tool for tool in (await call.client.list_tools()).tools if tool.name == "report")
        assert {"ui": {"resourceUri": "ui://wakeman/report"}} == report.meta
        assert 3 == len((await call.client.list_resource_templates()).resource_templates)

    talk(steps)


def test_the_prompt_says_what_to_do_when_woken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))

    async def steps(call: Caller) -> None:
        assert ["wake"] == [each.name for each in (await call.client.list_prompts()).prompts]
        said = (await call.client.get_prompt("wake", {"deployment": "night"})).messages[0].content
        assert isinstance(said, types.TextContent)
        assert 'status(deployment="night")' in said.text
        assert "Do not do the units yourself" in (call.client.instructions or "")
        with pytest.raises(Exception, match="there is wake"):
            await call.client.get_prompt("sleep", {})

    talk(steps)


# --- HTTP ---------------------------------------------------------------------------------------------------------


def test_by_http_the_gate_asks_for_token_host_and_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with by_http() as url:
        at = urlsplit(url)
        token = at.query.partition("=")[2]
        usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

        def ask(**headers: str) -> int:
            line = http.client.HTTPConnection("127.0.0.1", at.port or 0, timeout=30)
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            line.request("POST", "/mcp", json.dumps(body), {**usual, **given})
            status = line.getresponse().status
            line.close()
            return status

        found = [
            ask(),
            ask(Authorization="Bearer wrong"),
            ask(Authorization=f"Bearer {token}", Host="evil.example"),
            ask(Authorization=f"Bearer {token}", Origin="http://evil.example"),
            ask(Authorization=f"Bearer {token}"),
        ]

    assert [401, 401, 421, 403] == found[:4]
    assert found[4] in (200, 400)  # let in: a request without a session is the library's to judge


# --- starting it --------------------------------------------------------------------------------------------------


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "wakeman.faces.mcp.server", raising=False)

    code = main(["mcp", "--state", str(tmp_path / "state")])

    assert 2 == code
    assert "expected the extra `mcp`" in capsys.readouterr().err


def test_a_token_file_needs_a_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["mcp", "--state", str(tmp_path / "state"), "--token-file", "token"])

    assert 2 == code
    assert "expected beside --http" in capsys.readouterr().err


def test_it_ends_when_its_client_closes_its_end(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "wakeman", "mcp", "--state", str(tmp_path / "state")]

    ran = subprocess.run(argv, input=b"no json\n", capture_output=True, timeout=60)

    assert 0 == ran.returncode
    assert b"Traceback" not in ran.stderr
    assert all(msgspec.json.decode(line) for line in ran.stdout.splitlines())
