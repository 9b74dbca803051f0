"""Each client's table follows the protocol, builds the expected commands, and reads the output and screens of real
runs.

The files in `streams/` and `screens/` are from runs against the stand-in of `tests/agents`, shortened.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from wakeman.adapters.harness import CLIENTS, KNOWN, find, harness_names
from wakeman.adapters.harness.client import Agentic
from wakeman.adapters.harness.limits import until
from wakeman.adapters.harness.lines import fits
from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.gate import values_at
from wakeman.core.model import Agent, Plan, UnitsSpec, Usage, WorkersSpec
from wakeman.ports import Command, Evidence, Report
from wakeman.testing.harness import faults, task

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HERE = Path(__file__).parent


def plan(harness: str, **workers: Any) -> Plan:
    spec = WorkersSpec(**{"harness": harness, "auto_approve": "edits"} | workers)
    return Plan(name="night", units=UnitsSpec(items=("a",)), workers=spec)


def command(harness: str, *, resume: bool = False, agent: Agent | None = None, **workers: Any) -> Command:
    of = msgspec.structs.replace(task(plan(harness, **workers), resume=resume), agent=agent, agent_name="own")
    return find(harness).command(of)


def recorded(name: str) -> Evidence:
    return Evidence(stream=(HERE / "streams" / f"{name}.log").read_bytes(), whole=True)


@pytest.mark.parametrize("name", KNOWN)
def test_every_harness_keeps_to_the_protocol(name: str) -> None:
    needed = {} if name in CLIENTS else {"command": ("program",)}

    assert [] == faults(find(name), **needed)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_table_has_a_grant_for_each_of_its_modes_and_says_what_it_allows(name: str) -> None:
    harness = find(name)
    assert isinstance(harness, Agentic)
    wanted = {(mode, approve) for mode in harness.client.talks for approve in (False, "edits", "all")}

    assert wanted == set(harness.client.grants)
    assert all(grant.allows for grant in harness.client.grants.values())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("codex", ["codex exec --json", "--sandbox workspace-write", "--add-dir /elsewhere", "trust_level"]),
        ("gemini", ["gemini --skip-trust", "--approval-mode auto_edit", "--include-directories /elsewhere"]),
        ("opencode", ["opencode run --format json"]),
        ("aider", ["aider --no-check-update", "--yes-always", "--message-file /kit/w.md"]),
    ],
)
def test_a_client_in_print_mode_may_write_and_streams(name: str, words: list[str]) -> None:
    said = command(name)

    assert [] == [word for word in words if word not in " ".join(said.argv)]
    assert (name != "aider", True) == (said.stdin == "/kit/w.md", said.to_file)


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode"])
def test_a_client_in_interactive_mode_is_told_where_its_task_is(name: str) -> None:
    said = command(name, mode="interactive")

    assert ("Read /kit/w.md and do what it says.", "", False) == (said.argv[-1], said.stdin, said.to_file)


def test_aider_has_no_interactive_mode_that_could_be_watched() -> None:
    assert ["workers.mode: found 'interactive', expected 'print' with aider"] == find("aider").problems(
        plan("aider", mode="interactive")
    )


@pytest.mark.parametrize("name", ["gemini", "aider", "claude"])
def test_where_nobody_can_be_asked_no_approval_is_refused(name: str) -> None:
    [problem] = find(name).problems(plan(name, auto_approve=False))

    assert problem.startswith("workers.auto_approve: found false, expected 'edits' or 'all'")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("claude", "--resume 00000000-0000-4000-8000-000000000000"),
        ("codex", "resume 00000000-0000-4000-8000-000000000000 -"),
        ("opencode", "--session 00000000-0000-4000-8000-000000000000"),
    ],
)
def test_a_conversation_is_resumed_by_its_id(name: str, words: str) -> None:
    assert words in " ".join(command(name, resume=True).argv)


def test_who_names_a_conversation_and_whether_it_can_be_resumed() -> None:
    kinds = {name: find(name).conversation(plan(name)) for name in KNOWN}

    assert {
        "claude": "given", "codex": "told", "gemini": "", "opencode": "told", "aider": "",
        "command": "", "external": "",
    } == kinds  # fmt: skip


def test_a_profile_goes_before_the_task_where_a_client_takes_none() -> None:
    agent = Agent(description="d", prompt="Be brief.\n", tools=("Read",), model="gpt-5")
    said = command("codex", agent=agent)

    assert "Be brief.\n\nUse these tools alone: Read." == said.preface
    assert "--model gpt-5" in " ".join(said.argv)


def test_a_model_that_only_claude_knows_is_not_asked_of_others() -> None:
    said = command("codex", agent=Agent(description="d", prompt="p", model="haiku"))

    assert ("p", False) == (said.preface, "haiku" in said.argv)


def test_claude_gets_settings_of_the_attempt_and_with_a_key_a_configuration_of_its_own() -> None:
    plain = command("claude")
    keyed = command("claude", env_from=("ANTHROPIC_API_KEY",), mode="interactive")

    settings = json.loads(plain.files["/kit/attempts/w.1/settings.json"])
    assert {"Stop", "PreToolUse", "PostToolUse"} == set(settings["hooks"])
    assert settings["skipDangerousModePermissionPrompt"] is True
    assert ("CLAUDE_CONFIG_DIR" in plain.env, keyed.env["CLAUDE_CONFIG_DIR"]) == (False, "/kit/clients/w")
    own = json.loads(keyed.files["/kit/clients/w/.claude.json"])
    assert own["hasCompletedOnboarding"] is True
    assert {"/kit": {"hasTrustDialogAccepted": True}} == own["projects"]


def test_claude_s_key_is_approved_by_its_end_alone() -> None:
    of = msgspec.structs.replace(task(plan("claude")), keys={"ANTHROPIC_API_KEY": "sk-ant-0123456789abcdefghijklmnop"})

    own = json.loads(find("claude").command(of).files["/kit/clients/w/.claude.json"])

    assert ["6789abcdefghijklmnop"] == own["customApiKeyResponses"]["approved"]


@pytest.mark.parametrize(
    ("approve", "rules"),
    [
        ("edits", {"edit": "allow", "bash": "deny"}),
        (False, {"edit": "deny", "bash": "deny"}),
    ],
)
def test_opencode_s_permissions_are_a_table_of_rules(approve: str, rules: dict[str, str]) -> None:
    told = json.loads(command("opencode", auto_approve=approve).env["OPENCODE_PERMISSION"])

    assert rules == {key: told[key] for key in rules}
    assert (approve == "edits") == ("/elsewhere/*" in told["external_directory"])


def test_what_opencode_may_do_unasked_needs_no_rules_where_it_may_do_all() -> None:
    assert "OPENCODE_PERMISSION" not in command("opencode", auto_approve="all").env


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("codex-done", Report("idle", "", usage=Usage(input=500, output=100, whole=True))),
        ("codex-key", Report("error", fault="auth")),
        ("gemini-done", Report("idle", "", usage=Usage(input=400, output=80))),
        ("gemini-key", Report("error", fault="auth", usage=Usage(input=0, output=0))),
        ("opencode-done", Report("idle", "", usage=Usage(input=300, output=60, cost=0.0))),
        ("opencode-key", Report("error", fault="auth")),
        ("aider-done", Report()),
        ("aider-key", Report("error", fault="auth")),
    ],
)
def test_a_recorded_stream_tells_how_it_ended(name: str, report: Report) -> None:
    said = find(name.partition("-")[0]).ending(recorded(name), 0, NOW)

    assert (report.activity, report.fault) == (said.activity, said.fault)
    assert bool(said.why) == (report.activity == "error")
    assert (report.usage is None) == (said.usage is None)


@pytest.mark.parametrize("name", ["codex", "opencode"])
def test_a_conversation_s_own_id_is_read_from_its_stream(name: str) -> None:
    assert find(name).report(recorded(f"{name}-done"), NOW).agent_session


@pytest.mark.parametrize("name", ["codex", "gemini", "opencode", "aider"])
def test_a_stream_cut_short_is_never_idle(name: str) -> None:
    whole = recorded(f"{name}-done").stream.splitlines(keepends=True)
    last = 1 if name != "aider" else sum(b"Applied edit" in line for line in whole) + 3

    seen = {
        find(name).report(Evidence(stream=b"".join(whole[:count])), NOW).activity for count in range(len(whole) - last)
    }

    assert seen <= {"unknown", "busy"}


def test_sums_are_none_where_the_beginning_of_the_stream_was_not_read() -> None:
    part = msgspec.structs.replace(recorded("opencode-done"), whole=False)

    assert find("opencode").report(part, NOW).usage is None


def test_aider_s_cost_is_the_last_sum_that_it_printed() -> None:
    text = b"Tokens: 1k sent. Cost: $0.01 message, $0.01 session.\nCost: $0.02 message, $0.03 session.\n"

    assert Usage(cost=0.03) == find("aider").report(Evidence(stream=text), NOW).usage


@pytest.mark.parametrize(
    ("name", "screen", "activity"),
    [
        ("codex", "› go\n\n• Working (1s • esc to interrupt)\n\n› Ask Codex to do anything", "busy"),
        ("codex", "› go\n\n• Done.\n\n  Worked for 6s • 13:26\n\n› Ask Codex to do anything", "idle"),
        (
            "codex",
            "  Trust this folder? Codex can read\n\n› 1. Trust and continue\n\n  enter continue · esc back",
            "waiting",
        ),
        ("codex", "› go\n\n■ unexpected status 401 Unauthorized\n\n› Ask Codex to do anything", "error"),
        ("gemini", "╭───╮\n│ Allow execution of [Shell]?\n│ ● 1. Allow once\n╰───╯\n", "waiting"),
        ("gemini", f" > go\n✦ Done.\n{'─' * 20}\n YOLO Ctrl+Y\n *   Type your message or @path/to/file", "idle"),
        (
            "gemini",
            f" > go\n ⠏ Thinking... (esc to cancel, 3s)\n{'─' * 20}\n\n *   Type your message or @path/to/file",
            "busy",
        ),
        (
            "opencode",
            "  ┃  go\n     ▣  Build · m\n  ╹▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀\n   ⬝⬝■■■■  esc interrupt",
            "busy",
        ),
        (
            "opencode",
            "  ┃  go\n     ▣  Build · m · 22.6s\n  ┃  Build auto · m\n  ╹▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀",
            "idle",
        ),
        ("claude", "──────────\n❯\N{NO-BREAK SPACE}\n──────────\n", "unknown"),
        ("claude", "● Done.\n──────────\n❯\N{NO-BREAK SPACE}\n──────────\n", "idle"),
    ],
)
def test_a_screen_shows_what_a_client_does(name: str, screen: str, activity: str) -> None:
    assert activity == find(name).report(Evidence(screen=screen), NOW).activity


DONE = {"type": "result", "subtype": "success", "is_error": False, "terminal_reason": "completed"}
FAILED = {"message": "it failed"}


def rollout(**payload: object) -> dict[str, object]:
    return {"type": "event_msg", "payload": payload}


UNSAID = rollout(type="task_complete", last_agent_message=None, error=None)


def failed_by(info: object) -> list[dict[str, object]]:
    return [rollout(type="error", **FAILED, codex_error_info=info), rollout(type="task_complete")]


def status(code: int) -> dict[str, object]:
    return {"response_too_many_failed_attempts": {"http_status_code": code}}


@pytest.mark.parametrize(
    ("name", "source", "lines", "activity", "fault"),
    [
        ("claude", "stream", [{"type": "result", "subtype": "error_during_execution"}], "error", ""),
        ("claude", "stream", [{"type": "result", "subtype": "error_max_budget_usd", "errors": ["x"]}], "error", ""),
        ("claude", "stream", [DONE, {"type": "prompt_suggestion"}], "idle", ""),
        ("claude", "stream", [DONE, {"type": "system", "subtype": "session_state_changed"}], "idle", ""),
        ("claude", "stream", [DONE, {"type": "system", "subtype": "init"}], "busy", ""),
        ("codex", "stream", [{"type": "turn.failed", "error": "unexpected status 401 Unauthorized"}], "error", "auth"),
        ("codex", "record", failed_by("usage_limit_exceeded"), "limited", ""),
        ("codex", "record", failed_by("server_overloaded"), "limited", "outage"),
        ("codex", "record", failed_by("unauthorized"), "error", "auth"),
        ("codex", "record", failed_by("other"), "error", ""),
        ("codex", "record", failed_by(status(401)), "error", "auth"),
        ("codex", "record", failed_by(status(429)), "limited", ""),
        ("codex", "record", failed_by(status(529)), "limited", "outage"),
        ("codex", "record", failed_by(status(500)), "error", ""),
        ("codex", "record", [rollout(type="task_complete", error="it failed")], "error", ""),
        ("codex", "record", [rollout(type="task_complete", error={"codex_error_info": "other"})], "error", ""),
        ("codex", "record", [rollout(type="task_complete", last_agent_message="Done.", error=None)], "idle", ""),
        ("codex", "record", [rollout(type="agent_reasoning"), rollout(type="task_complete")], "idle", ""),
        ("codex", "record", [rollout(type="agent_reasoning"), UNSAID], "idle", ""),
        ("codex", "record", [rollout(type="task_started"), rollout(type="error", **FAILED), UNSAID], "error", ""),
        ("codex", "record", [rollout(type="error", **FAILED), rollout(type="token_count"), UNSAID], "error", ""),
        ("codex", "record", [rollout(type="error", **FAILED), rollout(type="user_message"), UNSAID], "idle", ""),
        ("codex", "record", [UNSAID], "idle", ""),
        (
            "gemini",
            "stream",
            [{"type": "result", "status": "error", "error": {"type": "RetryableQuotaError", **FAILED}}],
            "limited",
            "",
        ),
        (
            "opencode",
            "stream",
            [{"type": "error", "error": {"name": "ProviderAuthError", "data": FAILED}}],
            "error",
            "auth",
        ),
    ],
)
def test_a_line_about_a_failure_is_told_by_its_kind(
    name: str, source: str, lines: list[dict[str, object]], activity: str, fault: str
) -> None:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    for lead in (b"", b" ", b"\xef\xbb\xbf", b"\0\0"):
        given: dict[str, Any] = {source: lead + data.replace(b"\n{", b"\n" + lead + b"{")}
        said = find(name).report(Evidence(**given), NOW)
        assert (activity, fault) == (said.activity, said.fault)


def test_a_reset_in_what_a_service_answered_is_read() -> None:
    body = json.dumps({"error": {"type": "usage_limit_reached", "resets_at": NOW.timestamp() // 1 + 7200}})
    error = {"name": "APIError", "data": {"message": "it failed", "statusCode": 429, "responseBody": body}}

    said = find("opencode").report(Evidence(stream=json.dumps({"type": "error", "error": error}).encode() + b"\n"), NOW)

    assert ("limited", NOW + timedelta(hours=2)) == (said.activity, said.until)


@pytest.mark.parametrize(
    ("hook", "activity", "fault"),
    [
        ({"hook_event_name": "UserPromptSubmit"}, "busy", ""),
        ({"hook_event_name": "PostToolUse"}, "busy", ""),
        ({"hook_event_name": "Refused"}, "busy", ""),
        ({"hook_event_name": "SessionStart"}, "unknown", ""),
        ({"hook_event_name": "Stop", "background_tasks": []}, "idle", ""),
        ({"hook_event_name": "Stop", "background_tasks": [{"id": "b1", "status": "running"}]}, "busy", ""),
        ({"hook_event_name": "Stop", "background_tasks": [{"id": "b1", "status": "completed"}]}, "idle", ""),
        ({"hook_event_name": "Stop", "background_tasks": [{"id": "b1"}]}, "busy", ""),
        ({"hook_event_name": "Stop", "background_tasks": [{"task": "b1", "status": "pending"}]}, "busy", ""),
        (
            {
                "hook_event_name": "Stop",
                "background_tasks": [{"id": "b1", "status": "failed"}, {"id": "b2", "status": "running"}],
            },
            "busy",
            "",
        ),
        ({"hook_event_name": "StopFailure", "error": "connection_error"}, "limited", "outage"),
        ({"hook_event_name": "StopFailure", "error": "timeout_error"}, "limited", "outage"),
        ({"hook_event_name": "PermissionRequest", "tool_name": "Write"}, "waiting", ""),
        ({"hook_event_name": "StopFailure", "error": "server_error", "last_assistant_message": "500"}, "error", ""),
        ({"hook_event_name": "StopFailure", "error": "authentication_failed"}, "error", "auth"),
        ({"hook_event_name": "StopFailure", "error": "rate_limit", "last_assistant_message": "429"}, "limited", ""),
        ({"hook_event_name": "StopFailure", "last_assistant_message": "usage limit reached|1999999999"}, "limited", ""),
    ],
)
def test_a_hook_says_what_claude_does(hook: dict[str, object], activity: str, fault: str) -> None:
    said = find("claude").report(
        Evidence(hook=json.dumps(hook).encode(), screen="● Hi.\n──────────\n❯ \n──────────\n"), NOW
    )

    wanted = "idle" if activity == "unknown" else activity  # then the screen tells
    assert (wanted, fault, "screen" if activity == "unknown" else "hook") == (said.activity, said.fault, said.source)


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("try again in 2h", NOW + timedelta(hours=2)),
        ("try again in 1 hour and 5 minutes", NOW + timedelta(minutes=65)),
        ("retry after 90s", NOW + timedelta(seconds=90)),
        ("usage limit; try again at 3:30 PM (UTC)", NOW.replace(hour=15, minute=30)),
        ("resets 15:30 (UTC)", NOW.replace(hour=15, minute=30)),
        ("try again at Nov 23rd, 2026 1:15 AM (UTC)", NOW.replace(day=23, hour=1, minute=15)),
        ("resets soon", None),
    ],
)
def test_a_limit_s_end_is_read_as_clients_word_it(words: str, at: datetime | None) -> None:
    assert at == until(words, NOW)


def test_paths_lead_through_tables_and_lists() -> None:
    line = {"a": [{"b": 1}, {"b": None}, {"c": 2}], "d": {"x": {"b": 3}}, "e": True}

    assert ([1], [3], []) == (
        list(values_at(line, "a.*.b")),
        list(values_at(line, "d.*.b")),
        list(values_at(line, "a.b")),
    )
    assert (True, False) == (fits({"e": True}, line), fits({"e": 1}, line))


PLUGIN = """\
from wakeman.adapters.harness.command import Program

def make():
    return Program("mine", adopts=False)

def broken():
    raise RuntimeError("no")
"""


def test_another_package_brings_a_harness_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wakeman.harnesses]\nmine = mine:make\nbad = mine:broken\n")
    ask = """\
from wakeman.adapters.harness import find, harness_names
from wakeman.testing.harness import faults
print(harness_names()[-2:], find("mine").name, faults(find("mine"), command=("x",)))
try:
    find("bad")
except Exception as fault:
    print(type(fault).__name__, fault)
"""
    ran = subprocess.run(
        [sys.executable, "-c", ask], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )

    assert [
        "['bad', 'mine'] mine []",
        "UsageError workers.harness: 'bad' of mine:broken does not load: RuntimeError('no')",
    ] == ran.stdout.splitlines()


def test_an_unknown_harness_is_no_plug_in_either() -> None:
    with pytest.raises(UnknownNameError, match="found 'clade'"):
        find("clade")
    assert list(KNOWN) == harness_names()


class Odd:
    """Keeps to nothing."""

    name = "odd"
    uses_agent = uses_prompt = adopts = redraws = False
    reads: frozenset[Any] = frozenset({"stream"})
    leave, memory = "", 0

    def problems(self, plan: Plan) -> list[str]:
        return ["no"] if plan.workers.mode == "print" else []

    def conversation(self, plan: Plan) -> Any:
        del plan
        return "given"

    def borrows(self, of: Any) -> dict[str, tuple[str, ...]]:
        del of
        return {}

    def command(self, of: Any) -> Command:
        return Command(("a\0b", of.keys["KIT_KEY"]), files={"/etc/x": b""})

    def typed(self, text: str) -> str:
        return text[1:]

    def report(self, evidence: Evidence, now: datetime) -> Report:
        del evidence, now
        return Report("idle", "two\nlines")

    def last_words(self, evidence: Evidence) -> str:
        del evidence
        return ""

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        raise ValueError(evidence, code, now)


def test_the_kit_finds_what_a_harness_does_not_keep_to() -> None:
    found = "\n".join(faults(Odd()))

    assert [] == [
        word
        for word in (
            "without NUL",
            "a key is outside",
            "writes outside",
            "a statement without evidence",
            "ValueError",
            "idle by",
            "one line",
            "typed: found",
        )
        if word not in found
    ]
    assert ["leave: missing"] == [fault for fault in faults(object()) if "leave" in fault]  # type: ignore[arg-type] # it is none


def test_the_kit_finds_a_harness_that_takes_no_plan_at_all() -> None:
    class Never(Odd):
        def problems(self, plan: Plan) -> list[str]:
            del plan
            return ["no"]

    assert "problems: no mode and approval is free of them" in faults(Never())


def test_a_plan_that_a_client_cannot_run_is_refused_with_its_keys() -> None:
    with pytest.raises(UsageError, match="expected at most"):
        command("claude", agent=Agent(description="d", prompt="x" * 200_000))


# Confined


def confined(harness: str, keys: bool = False, theirs: dict[str, bytes] | None = None, **workers: Any) -> Command:
    of = task(plan(harness, confine="units", **workers))
    of = msgspec.structs.replace(of, confined=True, theirs=theirs or {}, keys=of.keys if keys else {})
    return find(harness).command(of)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("claude", {"CLAUDE_CONFIG_DIR": "/kit/clients/w"}),
        ("codex", {"CODEX_HOME": "/kit/clients/w"}),
        ("gemini", {"GEMINI_CLI_HOME": "/kit/clients/w"}),
        ("opencode", {f"XDG_{kind}_HOME": f"/kit/clients/w/{kind.lower()}" for kind in ("DATA", "STATE", "CACHE")}),
        ("aider", {}),
    ],
)
def test_a_confined_client_is_led_to_a_directory_of_its_own(name: str, variables: dict[str, str]) -> None:
    assert variables.items() <= confined(name).env.items()
    if name != "claude":
        assert not variables.keys() & command(name).env.keys()


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode"])
def test_what_it_needs_of_the_user_s_is_copied_there(name: str) -> None:
    of = msgspec.structs.replace(task(plan(name)), confined=True, keys={})
    wanted = find(name).borrows(of)

    files = confined(name, theirs=dict.fromkeys(wanted, b"{}")).files

    assert wanted
    assert {f"/kit/clients/w/{key}" for key in wanted} <= files.keys()
    assert all(place.startswith("$") for places in wanted.values() for place in places)


def test_with_a_key_claude_needs_nothing_of_the_user_s() -> None:
    of = msgspec.structs.replace(task(plan("claude")), confined=True, keys={"ANTHROPIC_API_KEY": "x" * 30})

    assert {} == find("claude").borrows(of)


def test_claude_s_own_state_is_kept_and_the_directory_trusted() -> None:
    theirs = {".claude.json": b'{"oauthAccount": {"a": 1}, "projects": {"/other": {"x": 1}}}'}

    state = json.loads(confined("claude", theirs=theirs).files["/kit/clients/w/.claude.json"])

    assert ({"a": 1}, True) == (state["oauthAccount"], state["hasCompletedOnboarding"])
    assert {"/other": {"x": 1}, "/kit": {"hasTrustDialogAccepted": True}} == state["projects"]


def test_a_state_of_claude_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\.claude\.json: .*expected the client's own JSON"):
        confined("claude", theirs={".claude.json": b"[]"})


def test_codex_s_own_sandbox_gives_way_to_the_confinement() -> None:
    def sandbox(words: tuple[str, ...]) -> str:
        return words[words.index("--sandbox") + 1]

    assert ["workspace-write", "danger-full-access"] == [sandbox(of("codex").argv) for of in (command, confined)]
    [problem] = find("codex").problems(plan("codex", auto_approve=False, confine="units"))
    assert problem.startswith("workers.auto_approve: found false, expected 'edits' or 'all' with confine = 'units'")
