"""A client's own files as evidence of its attempt, in memory: transcripts, session files, rollouts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.play import NAME, Play

from wakeman.adapters.harness import find
from wakeman.adapters.memory import Act
from wakeman.core.model import Usage, WorkerState, attempt_id

HOME = f"/state/{NAME}/clients/w0"
HANGS = Act(hangs=True, stops_after=0)


def live(client: str = "claude", **plan: dict[str, object]) -> Play:
    """Begin a night with one interactive worker that does nothing by itself."""
    workers: dict[str, object] = {"harness": client, "mode": "interactive", "auto_approve": "edits", "prompt": "Do."}
    workers |= {"command": [], "env": {"ANTHROPIC_API_KEY": "k", "CODEX_HOME": HOME, "GEMINI_CLI_HOME": HOME}}
    play = Play(workers=1, plan={"workers": workers, "stuck": {"after": "10m"}, **plan}, acts={"w0": HANGS})
    play.stage.harness = find(client)  # type: ignore[assignment] # the real one, in place of the twin
    play.up()
    return play


def worker(play: Play) -> WorkerState:
    return play.deployment.workers["w0"]


def transcript(play: Play) -> str:
    return f"{HOME}/projects/-plans/{worker(play).agent_session}.jsonl"


def append(play: Play, file: str, *lines: dict[str, Any]) -> None:
    files = play.stage.files
    before = files.head(file, 1 << 20)
    files.write(file, before + b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def called(play: Play, name: str = "t1", kind: str = "tool_use") -> dict[str, Any]:
    at = play.stage.clock.at.isoformat()
    block = {"type": kind, ("id" if kind == "tool_use" else "tool_use_id"): name}
    said = {"id": f"m-{name}", "content": [block], "usage": {"input_tokens": 100, "output_tokens": 20}}
    return {"type": "assistant" if kind == "tool_use" else "user", "message": said, "timestamp": at}


def born(play: Play, pid: int, ago: float = 0.0) -> None:
    """Have a process of the attempt that was started so long ago."""
    machine = play.stage.machine
    machine.living.setdefault(attempt_id(play.deployment, worker(play)), []).append(pid)
    machine.births[pid] = play.stage.clock.at.timestamp() - ago


def says(play: Play, status: str, pid: int = 7, **more: object) -> None:
    """Have the client say what its process does."""
    at = play.stage.clock.at.timestamp() * 1000
    said = {"pid": pid, "sessionId": worker(play).agent_session, "status": status, "statusUpdatedAt": at, **more}
    play.stage.files.write(f"{HOME}/sessions/{pid}.json", json.dumps(said).encode())


def hook(play: Play, **said: object) -> None:
    play.stage.files.write(f"/state/{NAME}/attempts/w0.1/said/hook", json.dumps(said).encode())


def seen(play: Play) -> tuple[str, str]:
    """Check once a minute later, and tell what was seen."""
    play.go(minutes=5)
    observation = worker(play).observation
    assert observation is not None
    return observation.activity, observation.why


def test_a_growing_transcript_is_life_and_its_standstill_is_silence() -> None:
    play = live()
    for n in range(6):
        append(play, transcript(play), {"type": "system", "n": n})
        play.go(minutes=5)
    grew = worker(play).state

    play.go(minutes=16)

    assert ("running", "stuck", "silent") == (grew, worker(play).state, worker(play).reason)


def test_a_sub_agent_s_transcript_is_life_too() -> None:
    play = live()
    append(play, transcript(play), {"type": "system"})
    for n in range(6):
        append(play, transcript(play).replace(".jsonl", "/subagents/agent-1.jsonl"), {"n": n})
        play.go(minutes=5)

    assert "running" == worker(play).state


def test_another_s_transcript_is_no_life() -> None:
    play = live()
    for n in range(6):
        append(play, f"{HOME}/projects/-plans/another.jsonl", {"n": n})
        play.go(minutes=5)

    assert "silent" == worker(play).reason


def test_an_open_tool_call_with_a_live_child_is_not_silent_until_the_child_is_gone() -> None:
    play = live()
    born(play, 7)  # the client itself
    play.go(minutes=1)
    append(play, transcript(play), called(play))
    born(play, 8)

    play.go(minutes=60)
    worked = worker(play).state
    play.stage.machine.living.clear()
    play.go(minutes=26)

    assert ("running", "silent") == (worked, worker(play).reason)


def test_a_tool_that_came_back_or_a_child_of_before_the_call_is_no_life() -> None:
    for came_back in (True, False):
        play = live()
        born(play, 7)
        play.go(minutes=1)
        append(play, transcript(play), called(play), *([called(play, kind="tool_result")] if came_back else []))
        if came_back:
            born(play, 8)
        play.go(minutes=26)

        assert "silent" == worker(play).reason, came_back


@pytest.mark.parametrize(("before", "state"), [(0.5, "running"), (1.5, "stuck")])
def test_a_process_that_is_a_moment_older_than_its_call_is_the_tool_as_there_are_two_clocks(
    before: float, state: str
) -> None:
    play = live()
    play.stage.clock.advance(60)
    append(play, transcript(play), called(play))
    born(play, 8, ago=before)

    play.go(minutes=26)

    assert state == worker(play).state


@pytest.mark.parametrize(("after", "state"), [(2.0, "stuck"), (4.0, "running")])
def test_where_nothing_says_when_a_tool_was_called_what_began_with_the_attempt_is_the_client_s_own(
    after: float, state: str
) -> None:
    play = live()
    append(play, transcript(play), {key: value for key, value in called(play).items() if key != "timestamp"})
    born(play, 8, ago=-after)

    play.go(minutes=26)

    assert state == worker(play).state


def test_a_call_of_an_earlier_turn_is_over() -> None:
    play = live()
    append(play, transcript(play), called(play), {"type": "user", "message": {"content": "go on"}})
    born(play, 8, ago=-1)
    play.go(minutes=26)

    assert "silent" == worker(play).reason


def test_one_that_is_silent_recovers_when_a_tool_of_it_is_at_work() -> None:
    play = live()
    append(play, transcript(play), called(play))
    play.go(minutes=16)
    silent = worker(play).reason
    born(play, 8, ago=-1)
    play.go(minutes=5)

    assert ("silent", "running") == (silent, worker(play).state)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ("busy", ("busy", "works")),
        ("shell", ("busy", "runs a shell in the background")),
        ("idle", ("idle", "waits for a prompt")),
        ("waiting", ("waiting", "asks: permission prompt")),
    ],
)
def test_a_client_s_own_word_on_its_process_counts_while_that_lives(status: str, wanted: tuple[str, str]) -> None:
    play = live()
    says(play, status, waitingFor="permission prompt")
    dead = seen(play)
    born(play, 7)

    assert (("unknown", ""), wanted) == (dead, seen(play))


def test_the_word_on_another_conversation_is_not_the_worker_s() -> None:
    play = live()
    born(play, 7)
    says(play, "waiting", sessionId="another")

    assert ("unknown", "") == seen(play)


@pytest.mark.parametrize(
    ("hooked", "status", "wanted"),
    [
        ({"hook_event_name": "PermissionRequest", "tool_name": "Bash"}, "busy", "busy"),  # a person has said yes
        ({"hook_event_name": "PreToolUse"}, "idle", "idle"),  # a person has pressed Esc: no hook tells
        ({"hook_event_name": "Stop"}, "shell", "busy"),
        ({"hook_event_name": "StopFailure", "error": "server_error"}, "idle", "error"),
        ({"hook_event_name": "StopFailure", "error": "rate_limit"}, "idle", "limited"),
    ],
)
def test_what_is_said_later_counts_but_rest_takes_no_failure_back(
    hooked: dict[str, object], status: str, wanted: str
) -> None:
    play = live()
    born(play, 7)
    hook(play, **hooked)
    play.stage.clock.advance(1)
    says(play, status)

    assert wanted == seen(play)[0]


def test_a_hook_that_came_after_the_state_counts() -> None:
    play = live()
    born(play, 7)
    says(play, "idle")
    play.stage.clock.advance(1)
    hook(play, hook_event_name="UserPromptSubmit")

    assert "busy" == seen(play)[0]


def test_an_error_in_the_transcript_is_told_where_no_hook_told_it() -> None:
    play = live()
    words = {"content": [{"type": "text", "text": "Invalid API key"}]}
    append(play, transcript(play), {"type": "assistant", "isApiErrorMessage": True, "error": "authentication_failed"})
    append(play, transcript(play), {"type": "assistant", "isApiErrorMessage": True, "error": "oauth", "message": words})
    append(play, transcript(play), {"type": "system", "subtype": "turn_duration"})

    assert ("error", "Invalid API key") == seen(play)


def test_what_an_interactive_worker_has_used_stands_in_its_transcript() -> None:
    play = live()
    born(play, 7)
    append(play, transcript(play), called(play, "a"), called(play, "a"), called(play, "b"))
    says(play, "idle")
    seen(play)

    assert Usage(input=200, output=40, whole=True) == worker(play).usage


def test_a_line_half_written_counts_from_the_next_look_on() -> None:
    play = live()
    append(play, transcript(play), called(play, "a"))
    whole = play.stage.files.head(transcript(play))
    play.stage.files.write(transcript(play), whole + json.dumps(called(play, "b")).encode()[:-30])
    seen(play)

    assert Usage(input=100, output=20, whole=True) == worker(play).usage


def rollout(play: Play, name: str = "one") -> str:
    return f"{HOME}/sessions/{play.stage.clock.at:%Y/%m/%d}/rollout-x-{name}.jsonl"


def turn(kind: str, **more: object) -> dict[str, Any]:
    return {"type": "event_msg", "payload": {"type": kind, **more}}


def test_codex_s_rollout_is_found_by_the_task_that_it_names_and_then_by_its_id() -> None:
    play = live("codex")
    prompt = f"Read /state/{NAME}/prompts/w0.1.md and do what it says."
    other = turn("user_message", message="another's")
    append(play, rollout(play, "two"), {"payload": {"session_id": "two"}}, other, turn("task_complete"))
    append(play, rollout(play), {"payload": {"session_id": "one"}}, turn("user_message", message=prompt))
    before = seen(play)
    total = {"input_tokens": 300, "output_tokens": 60, "total_tokens": 360}
    used = turn("token_count", info={"total_token_usage": total})
    append(play, rollout(play), turn("task_complete"), used)

    assert (("unknown", ""), ("idle", "has finished a turn")) == (before, seen(play))
    assert ("one", Usage(input=300, output=60, whole=True)) == (worker(play).agent_session, worker(play).usage)


def test_a_dialog_on_codex_s_screen_is_seen_though_its_last_turn_is_over() -> None:
    play = live("codex")
    append(play, rollout(play), turn("user_message", message=f"/state/{NAME}/prompts/w0.1.md"), turn("task_complete"))
    play.stage.sessions.screens["w0"] = "• Working (1s • esc to interrupt)\n\n› Ask Codex to do anything"

    assert "busy" == seen(play)[0]


def test_a_rollout_of_before_the_attempt_is_not_searched() -> None:
    play = live("codex")
    play.stage.clock.advance(-7200)
    append(play, rollout(play), turn("user_message", message=f"/state/{NAME}/prompts/w0.1.md"), turn("task_complete"))
    play.stage.clock.advance(7200)

    assert "unknown" == seen(play)[0]


def test_gemini_s_chat_tells_of_life_and_tokens() -> None:
    play = live("gemini")
    short = json.loads(play.stage.files.read(f"/state/{NAME}/attempts/w0.1/trail.json"))["record"][0]
    chat = f"{HOME}/{short}".replace("*", "x")
    line = {"type": "gemini", "id": "a", "tokens": {"input": 100, "output": 20, "thoughts": 5}}
    append(play, chat, line, line, {"$set": {"lastUpdated": "now"}})

    seen(play)

    assert Usage(input=100, output=25) == worker(play).usage


def test_in_print_mode_nothing_is_looked_for() -> None:
    play = live(workers={"harness": "claude", "auto_approve": "edits", "prompt": "Do.", "command": []})

    assert [] == [name for name in play.stage.files.names(f"/state/{NAME}/attempts/w0.1") if "trail" in name]
