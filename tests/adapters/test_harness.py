"""A harness builds its command line, and reads what its program prints and shows.

The files in `streams/` are from runs of claude 2.1.197, shortened; the screens are drawn after its own.
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

from wakeman.adapters.harness import KNOWN, find
from wakeman.adapters.harness.claude import ARGUMENT_BYTES_MAX
from wakeman.core.errors import PlanError, UnknownNameError, UsageError
from wakeman.core.model import Agent, Plan, UnitsSpec, WorkersSpec
from wakeman.ports import Command, Evidence, Report, Task

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIBRARIAN = Agent(description="condenses", prompt='Say "$HOME".\n', tools=("Read", "Write"))
STREAMS = Path(__file__).parent / "streams"
claude = find("claude")


def plan(**workers: Any) -> Plan:
    return Plan(name="night", units=UnitsSpec(items=("a",)), workers=WorkersSpec(**workers))


def task(of: Plan, **more: Any) -> Task:
    names = {"worker": "w 1", "prompt_file": "/state/w.md", "units_file": "/state/w.jsonl"}
    return msgspec.structs.replace(
        Task(
            plan=of,
            worker="w 1",
            attempt=1,
            names=names,
            prompt="Do it.",
            prompt_file="/state/w.md",
            units_file="/state/w.jsonl",
        ),
        **more,
    )


def stream(name: str) -> bytes:
    return (STREAMS / f"claude-{name}.jsonl").read_bytes()


def read(stream: bytes = b"", screen: str = "", now: datetime = NOW) -> Report:
    report = claude.report(Evidence(stream=stream, screen=screen), now)
    return msgspec.structs.replace(report, source="", usage=None)


def reason(stream: bytes, code: int | None, harness: str = "claude") -> str:
    return find(harness).ending(Evidence(stream=stream), code, NOW).why


def test_every_harness_is_found_by_its_name() -> None:
    assert list(KNOWN) == [find(name).name for name in KNOWN]


def test_an_unknown_harness_lists_those_known_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"found 'cluade', expected one of claude, codex, .*, external; did you"):
        find("cluade")


@pytest.mark.parametrize("name", ["command", "external"])
def test_a_command_is_rendered_word_by_word_with_its_arguments_behind(name: str) -> None:
    of = plan(harness=name, command=("./do it.sh", "{{ worker }}; id"), args=("--units={{ units_file }}",))

    assert Command(argv=("./do it.sh", "w 1; id", "--units=/state/w.jsonl")) == find(name).command(task(of))


def test_a_command_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(PlanError, match="unknown name 'wroker'"):
        find("command").command(task(plan(command=("x", "{{ wroker }}"))))


@pytest.mark.parametrize("name", ["command", "external"])
def test_without_a_command_there_is_nothing_to_run(name: str) -> None:
    expected = [f"workers.command: found none, expected an argument list with harness {name!r}"]

    assert (expected, []) == (
        find(name).problems(plan(harness=name)),
        find(name).problems(plan(harness=name, command=("x",))),
    )


@pytest.mark.parametrize("name", ["command", "external"])
def test_of_a_command_s_screen_nothing_is_known(name: str) -> None:
    assert Report() == find(name).report(Evidence(b"Error!", screen="❯ "), NOW)


@pytest.mark.parametrize(
    ("printed", "code", "why"),
    [
        (b"start\r\n\x1b[31mfatal: no key\x1b[0m\r\n \r\n", 1, "fatal: no key"),
        (b"fatal: no key\n", None, "fatal: no key"),
        (b"fine\n", 0, ""),
        (b"", 1, ""),
        (b"x" * 500, 1, "x" * 119 + "…"),
    ],
)
def test_a_command_that_ended_badly_is_explained_by_its_last_line(printed: bytes, code: int | None, why: str) -> None:
    assert why == find("command").ending(Evidence(printed), code, NOW).why


def test_an_external_session_is_not_explained() -> None:
    assert "" == find("external").ending(Evidence(b"fatal"), 1, NOW).why


def test_only_an_external_session_is_adopted_and_clients_alone_take_a_profile_and_a_prompt() -> None:
    found = map(find, KNOWN)
    shape = [(one.name, one.uses_agent, one.uses_prompt, one.adopts, one.redraws) for one in found]

    assert [
        *((name, True, True, False, True) for name in ("claude", "codex", "gemini", "opencode")),
        ("aider", True, True, False, False),
        ("command", False, False, False, False),
        ("external", False, False, True, False),
    ] == shape


def test_claude_in_print_mode_reads_its_prompt_from_a_file_and_prints_events() -> None:
    command = claude.command(task(plan(harness="claude", auto_approve="edits")))

    assert (
        (
            *("claude", "-p", "--output-format", "stream-json", "--verbose"),
            *("--allowedTools", "Read(//state/w.md)", "Read(//state/w.jsonl)"),
            *("--permission-mode", "default"),
        ),
        "/state/w.md",
        True,
    ) == (command.argv, command.stdin, command.to_file)


def test_claude_in_interactive_mode_is_told_where_its_prompt_is() -> None:
    command = claude.command(task(plan(harness="claude", mode="interactive", args=("-n", "{{ worker }}"))))

    assert (("-n", "w 1", "--", "Read /state/w.md and do what it says."), "", False) == (
        command.argv[-4:],
        command.stdin,
        command.to_file,
    )


@pytest.mark.parametrize(("approve", "mode"), [(False, "default"), ("edits", "default"), ("all", "bypassPermissions")])
def test_auto_approval_is_a_permission_mode(approve: str, mode: str) -> None:
    assert mode == after("--permission-mode", claude.command(task(plan(auto_approve=approve))))


def test_a_profile_goes_along_as_one_argument() -> None:
    command = claude.command(task(plan(), agent_name="librarian", agent=LIBRARIAN))

    profile = {"description": "condenses", "prompt": 'Say "$HOME".\n', "tools": ["Read", "Write"]}
    assert ({"librarian": profile}, "librarian") == (json.loads(after("--agents", command)), after("--agent", command))


def test_a_profile_too_long_for_an_argument_is_refused() -> None:
    long = Agent(description="d", prompt="x" * ARGUMENT_BYTES_MAX)

    with pytest.raises(UsageError, match=r"agents\.long: 131\d+ bytes, expected at most 131071"):
        claude.command(task(plan(), agent_name="long", agent=long))


@pytest.mark.parametrize(("resume", "option"), [(False, "--session-id"), (True, "--resume")])
def test_a_conversation_is_begun_or_resumed_by_its_id(resume: bool, option: str) -> None:
    assert "uuid" == after(option, claude.command(task(plan(), agent_session="uuid", resume=resume)))


def test_claude_may_look_where_the_outputs_go() -> None:
    outputs = ("/out/a/1.yml", "/out/a/deep/2.yml", "/out/b/3.yml", "/out/a/4.yml")

    argv = claude.command(task(plan(auto_approve="edits"), outputs=outputs)).argv

    assert ("--add-dir", "/out/a", "/out/b") == argv[argv.index("--add-dir") :][:3]
    assert [] == [word for word in argv if word.startswith("Edit")]


@pytest.mark.parametrize(
    ("approve", "mode", "events"),
    [
        (False, "print", {"PostToolUse"}),
        ("edits", "print", {"PreToolUse", "PostToolUse"}),
        ("all", "print", {"PreToolUse", "PostToolUse"}),
        (False, "interactive", {"PostToolUse"}),
        ("edits", "interactive", {"PreToolUse", "PostToolUse", "PermissionRequest"}),
    ],
)
def test_the_guard_judges_writes_where_something_is_approved_and_always_tells_of_them(
    approve: Any, mode: Any, events: set[str]
) -> None:
    of = task(plan(auto_approve=approve, mode=mode), place="/p", guard="/g.sh", hook="/h.sh", home="/c")
    command = claude.command(of)

    hooks = json.loads(command.files["/p/settings.json"])["hooks"]
    asked = {event for event, each in hooks.items() for one in each if "/g.sh" in one["hooks"][0]["command"]}
    assert (events, True) == (asked, command.guarded)
    writes = {one.get("matcher") for event in ("PreToolUse", "PostToolUse") for one in hooks.get(event, [])}
    assert writes <= {None, "Write|Edit|MultiEdit|NotebookEdit"}


def test_claude_does_not_update_itself_under_the_workers() -> None:
    assert "1" == claude.command(task(plan())).env["DISABLE_AUTOUPDATER"]


@pytest.mark.parametrize(
    ("workers", "keys"),
    [
        ({"auto_approve": "edits"}, []),
        ({"mode": "interactive"}, []),
        ({}, ["workers.auto_approve: found false"]),
        ({"args": ("--allowedTools=Write",)}, []),
        ({"args": ("--permission-mode", "dontAsk")}, []),
        ({"auto_approve": "all", "command": ("x",)}, ["workers.command: found one"]),
        (
            {"auto_approve": "all", "args": ("--resume=x", "--output-format")},
            ["workers.args: found --output-format", "workers.args: found --resume"],
        ),
    ],
)
def test_what_claude_cannot_do_with_a_plan_is_named(workers: dict[str, Any], keys: list[str]) -> None:
    assert keys == [problem.partition(",")[0] for problem in claude.problems(plan(harness="claude", **workers))]


def test_a_stream_without_its_result_is_busy() -> None:
    whole = stream("done").splitlines(keepends=True)

    assert ["unknown", *["busy"] * (len(whole) - 1), "idle"] == [
        read(b"".join(whole[:count])).activity for count in range(len(whole) + 1)
    ]


def test_a_line_half_written_or_half_read_is_left_out() -> None:
    whole = stream("done")

    assert ("busy", "idle") == (read(whole[:-1]).activity, read(whole[-400:]).activity)


def test_lines_that_are_no_events_are_passed_over() -> None:
    noise = b'warning: \xff\n{"type": 7}\n{"type": "result", "is_error": "yes"}\n\n'

    assert "busy" == read(stream("done").splitlines(keepends=True)[0] + noise).activity


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("denied", Report("idle", "has given its result", given=True)),
        ("turns", Report("error", "Reached maximum number of turns (1)")),
        ("key", Report("error", "Invalid API key · Fix external API key", fault="auth")),
        (
            "limit",
            Report(
                "limited",
                "API Error: Request rejected (429) · Claude AI usage limit reached|1999999999",
                NOW + timedelta(days=7),  # 2033 is further away than any limit lasts
            ),
        ),
    ],
)
def test_a_result_says_how_it_ended(name: str, report: Report) -> None:
    assert report == read(stream(name))


def test_a_rate_limit_that_it_tries_again_is_no_limit_yet() -> None:
    lines = stream("rate").splitlines(keepends=True)

    assert Report("busy", "retrying: too many requests (1 of 1)", retries=True) == read(b"".join(lines[:2]))


def test_another_error_that_is_tried_again_is_busy() -> None:
    lines = stream("key").splitlines(keepends=True)

    assert Report("busy", "retrying: the key is refused (1 of 1)", retries=True) == read(b"".join(lines[:2]))


@pytest.mark.parametrize(
    ("window", "report"),
    [
        ({"status": "allowed_warning", "resetsAt": 1999999999}, Report("busy", "works")),
        (
            {"status": "rejected", "resetsAt": 1999999999},
            Report("limited", "usage limit", NOW + timedelta(days=7)),
        ),
        ({"status": "rejected"}, Report("limited", "usage limit")),
    ],
)
def test_a_usage_window_limits_only_when_it_rejects(window: dict[str, Any], report: Report) -> None:
    event = {"type": "rate_limit_event", "rate_limit_info": window}

    assert report == read(stream("done").splitlines(keepends=True)[0] + json.dumps(event).encode() + b"\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("done", ""),
        ("denied", "not permitted: Write /home/agent/work/o.md"),
        ("turns", "Reached maximum number of turns (1)"),
        ("key", "Invalid API key · Fix external API key"),
        (
            "rate",
            (
                "API Error: Request rejected (429) · This request would exceed your account's rate limit. "
                "Please try again later."
            ),
        ),
    ],
)
def test_an_ended_attempt_is_explained_by_its_result(name: str, why: str) -> None:
    assert why == claude.ending(Evidence(stream(name)), 1, NOW).why


def test_tools_that_were_not_permitted_are_named_whatever_they_take() -> None:
    denials = [{"tool_name": "Bash", "tool_input": {"command": ["a", "b"]}}, {"tool_name": "mcp__x"}]
    result = {"type": "result", "is_error": False, "permission_denials": denials}

    assert "not permitted: Bash a b, mcp__x" == reason(json.dumps(result).encode() + b"\n", 0)


@pytest.mark.parametrize(
    ("name", "lines", "why"),
    [("done", 3, "ended without a result"), ("rate", 2, "ended without a result: rate_limit")],
)
def test_an_attempt_that_was_cut_off_says_so(name: str, lines: int, why: str) -> None:
    assert why == reason(b"".join(stream(name).splitlines(keepends=True)[:lines]), None)


def test_a_result_that_stopped_early_without_an_error_names_the_reason() -> None:
    early = b'{"type":"result","subtype":"success","is_error":false,"terminal_reason":"budget"}\n'

    assert "budget" == reason(early, 0)


@pytest.mark.parametrize(("code", "why"), [(1, "--agent 'x' not found."), (0, "")])
def test_without_events_the_last_line_explains_a_bad_end(code: int, why: str) -> None:
    assert why == reason(b"usage\n--agent 'x' not found.\n", code)


BOX = "───────────\n❯ \n───────────\n"
IDLE = f"❯ go\n\n● Done.\n\n✻ Worked for 9s\n\n{BOX}  ? for shortcuts\n"


@pytest.mark.parametrize(
    ("activity", "screen"),
    [
        ("unknown", ""),
        ("unknown", "starting\n"),
        ("idle", IDLE),
        ("unknown", "● Done.\n─────\n❯ half typed\n─────\n  ? for shortcuts"),
        ("busy", f"❯ go\n✶ Musing… (12s)\n{BOX}  ⏵⏵ accept edits on · esc to interrupt"),
        ("busy", f"❯ go\n✻ API error · Retrying in 3s · attempt 7/10\n{BOX}  esc to interrupt"),
        ("busy", f"❯ go\n✶ Musing…\n  ❯ queued\n{BOX.replace('❯ ', '❯ Press up to edit')}  esc to interrupt"),
        ("busy", f"❯ go\n✻ Worked for 9s · 1 shell still running\n{BOX}"),
        (
            "waiting",
            " Create file\n o.md\n Do you want to create o.md?\n ❯ 1. Yes\n   2. Yes, all\n   3. No\n Esc to cancel",
        ),
        ("waiting", "❯ go\n ☐ Format\nWhich format?\n❯ 1. Bullets\n  2. Prose\nEnter to select · Esc to cancel"),
        ("waiting", " ❯ 1. Yes, I trust this folder\n   2. No, exit\n Enter to confirm"),
        ("waiting", "  Do you want to use this API key?\n    1. Yes\n  ❯ 2. No (recommended)\n  Enter to confirm"),
        ("waiting", "  Bypass Permissions mode\n\n  ❯ 1. No, exit\n    2. Yes, I accept\n  Enter to confirm"),
        ("waiting", "  Some new question\n  ❯ 1. OK\n  Enter to confirm · Esc to cancel"),
        ("error", f"❯ go\n● API Error: 500 Internal server error.\n✻ Worked for 9s\n{BOX}"),
        ("error", f"❯ go\n  ⎿  Invalid API key · Fix external API key\n✻ Worked for 9s\n{BOX}"),
        ("limited", f"❯ go\n  ⎿  Request timed out\n✻ Worked for 8s\n{BOX}"),
        ("error", f"❯ go\n  ⎿  Prompt is too long · reduce attached files\n✻ Worked for 9s\n{BOX}"),
        ("limited", f"❯ go\n● API Error: Request rejected (429) · usage limit reached|1999999999\n{BOX}"),
        ("idle", f"❯ go\n● API Error: 500\n❯ again\n● Done.\n{BOX}"),
        ("limited", f"❯ go\n  ⎿  You've hit your session limit · resets 3pm (UTC)\n✻ Worked for 9s\n{BOX}"),
        ("unknown", f"❯ go\n● Bash(cat log)\n  ⎿  Invalid API key\n{BOX}"),
        ("unknown", "Do you want to create o.md?\n ❯ 1. Yes\n" + "line\n" * 30 + BOX),
        ("idle", "Do you want to create o.md?\n ❯ 1. Yes\n" + "line\n" * 30 + "✻ Baked for 6s\n" + BOX),
    ],
)
def test_a_screen_shows_what_claude_does(activity: str, screen: str) -> None:
    assert activity == read(screen=screen).activity


def test_events_count_for_more_than_a_screen() -> None:
    assert "busy" == read(stream("done").splitlines(keepends=True)[0], IDLE).activity


def test_an_error_on_the_screen_is_repeated_as_one_line() -> None:
    screen = f"❯ go\n● API Error: 529 Overloaded · Please try\n  again later.\n{BOX}"

    assert "the service is unavailable: API Error: 529 Overloaded · Please try again later." == read(screen=screen).why


@pytest.mark.parametrize(
    ("words", "until"),
    [
        ("limit reached|1763820000", datetime.fromtimestamp(1763820000, UTC)),
        ("limit reached · resets 3pm (UTC)", NOW.replace(hour=15)),
        ("You've hit your weekly limit · resets 3:30am (UTC)", NOW.replace(hour=3, minute=30) + timedelta(days=1)),
        ("You've hit your limit · resets 2pm (Europe/Berlin)", NOW.replace(hour=13)),
        ("You've hit your limit · resets Nov 25, 12am (UTC)", NOW.replace(day=25, hour=0)),
        ("You've hit your limit · resets Jan 2 at 12pm (UTC)", NOW + timedelta(days=7)),
        ("You've hit your limit · resets Nov 31, 1pm (UTC)", None),
        ("You've hit your limit · resets Foo 3, 1pm (UTC)", None),
        ("You've hit your limit", None),
    ],
)
def test_a_usage_limit_names_its_end(words: str, until: datetime | None) -> None:
    assert until == read(screen=f"❯ go\n  ⎿  {words}\n✻ Worked for 9s\n{BOX}").until


def test_a_time_in_an_unknown_zone_is_taken_for_the_machine_s() -> None:
    local = NOW.astimezone().replace(hour=15, minute=0)
    until = local if local > NOW else local + timedelta(days=1)

    assert until == read(screen=f"● limit reached · resets 3pm (No/Where)\n{BOX}").until


@pytest.mark.parametrize("line", [bytes(range(256)), b'{"type":"user","x":' + b"[" * 100_000], ids=["noise", "deep"])
def test_the_stream_may_be_any_bytes(line: bytes) -> None:
    assert Report() == read(line + b"\n")


def test_reading_a_harness_loads_no_program_runner() -> None:
    ask = "import sys, wakeman.adapters.harness; print({'subprocess', 'libtmux', 'zoneinfo'} & set(sys.modules))"

    assert "set()\n" == subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout


def after(option: str, command: Command) -> str:
    return command.argv[command.argv.index(option) + 1]


LOST = {
    "claude: to resume": "No conversation found with session ID: 0f3c",
    "claude: to begin": "Error: Session ID 0f3c is already in use.",
    "codex": "Error: thread/resume: no rollout found for thread id 0f3c (code -32600)",
    "gemini": 'Error resuming session: Invalid session identifier "0f3c".',
    "gemini, none": "No previous sessions found for this project.",
    "opencode": "Error: Session not found: 0f3c",
}


@pytest.mark.parametrize("words", LOST.values(), ids=LOST)
@pytest.mark.parametrize("where", ["terminal", "stream"])
def test_why_a_client_could_not_begin_or_resume_its_conversation_is_told(words: str, where: str) -> None:
    """Its errors go to the terminal; what comes after them is no reason."""
    text = f"(node:7) Warning: x\n{words}\nhint: see the documentation\n"
    evidence = Evidence(screen=text) if where == "terminal" else Evidence(stream=text.encode())
    for name in ("claude", "codex", "gemini", "opencode"):
        report = find(name).ending(evidence, 1, NOW)
        assert (words, "conversation") == (report.why, report.fault)


@pytest.mark.parametrize("code", [0, 143])
def test_an_end_that_is_no_failure_of_the_client_has_no_such_reason(code: int) -> None:
    evidence = Evidence(screen="No conversation found with session ID: 0f3c\n")

    assert "" == find("claude").ending(evidence, code, NOW).fault


def test_the_last_words_on_the_terminal_are_the_reason_where_the_stream_has_none() -> None:
    evidence = Evidence(screen="Segmentation fault (core dumped)\n\n")

    assert "Segmentation fault (core dumped)" == find("claude").ending(evidence, 1, NOW).why


@pytest.mark.parametrize(
    ("last", "given"),
    [
        (b'{"type":"result","subtype":"success","is_error":false,"result":"done"}', True),
        (b'{"type":"assistant","message":{"content":[{"type":"text","text":"x"}]}}', False),
        (b'{"type":"result","subtype":"success","is_error":true,"result":"x"}', False),
    ],
)
def test_a_stream_that_ends_in_a_result_says_that_the_client_is_over(last: bytes, given: bool) -> None:
    assert given == find("claude").report(Evidence(stream=last + b"\n"), NOW).given
