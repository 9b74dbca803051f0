"""`adapters/hook.sh`: a client's report is stored completely, and a stop with missing outputs is refused, twice at
most."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.waiting import until

import wakeman.adapters

HOOK = str(Path(wakeman.adapters.__file__).with_name("hook.sh"))
SHELLS = [shell for shell in ("dash", "bash", "ksh", "mksh", "zsh") if shutil.which(shell)]
PATH = {"PATH": os.environ.get("PATH", os.defpath)}
STOP = {"hook_event_name": "Stop", "background_tasks": []}


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    link = tmp_path / "sh"
    link.symlink_to(shutil.which(request.param) or "/bin/sh")
    return str(link)


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    directory = tmp_path / "a 'night'" / "attempts" / "w.1"
    (directory / "said").mkdir(parents=True)
    return directory


def call(sh: str, attempt: Path, *words: str, say: str = "{}") -> str:
    ran = subprocess.run(
        [sh, HOOK, str(attempt), *words], input=say, capture_output=True, text=True, env=PATH, check=True, timeout=20
    )
    return ran.stdout


def kept(attempt: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((attempt / "said/hook").read_text())
    return found


def wants(attempt: Path, *outputs: Path) -> None:
    text = "".join(f"{path}\t{json.dumps(str(path))[1:-1]}\n" for path in outputs)
    (attempt / "outputs").write_text(text)


def test_what_a_client_says_is_kept_on_one_line_and_for_the_owner_alone(sh: str, attempt: Path) -> None:
    said = call(sh, attempt, "Stop", say=json.dumps(STOP, indent=2))

    assert ("", STOP, 0o600) == (said, kept(attempt), (attempt / "said/hook").stat().st_mode & 0o777)
    assert ["hook"] == os.listdir(attempt / "said")
    assert "\n" not in (attempt / "said/hook").read_text()


def test_of_an_event_that_may_carry_much_its_name_is_kept(sh: str, attempt: Path) -> None:
    call(sh, attempt, "PostToolUse", say="x" * 200_000)

    assert {"hook_event_name": "PostToolUse"} == kept(attempt)


def test_what_comes_as_an_argument_is_kept_as_it_is(sh: str, attempt: Path) -> None:
    call(sh, attempt, "notify", "", '{"a": "%s \\\\n $HOME"}')

    assert {"a": "%s \\n $HOME"} == kept(attempt)


def test_a_stop_with_outputs_missing_is_refused_twice_and_names_them(sh: str, attempt: Path) -> None:
    there, missing = attempt / "there.md", attempt / 'not "there" $(id).md'
    there.touch()
    wants(attempt, there, missing)

    said = [call(sh, attempt, "Stop", say=json.dumps(STOP)) for _ in range(3)]

    first = json.loads(said[0])
    assert ("block", True, False) == (first["decision"], str(missing) in first["reason"], str(there) in first["reason"])
    assert (said[0], "") == (said[1], said[2])
    assert STOP == kept(attempt)


def test_a_refused_stop_is_no_stop(sh: str, attempt: Path) -> None:
    wants(attempt, attempt / "missing")

    call(sh, attempt, "Stop", "push", say=json.dumps(STOP))

    assert {"hook_event_name": "Refused"} == kept(attempt)


def test_a_stop_with_everything_there_is_one(sh: str, attempt: Path) -> None:
    wants(attempt, attempt)

    assert ("", STOP) == (call(sh, attempt, "Stop", say=json.dumps(STOP)), kept(attempt))


@pytest.mark.parametrize(("words", "started"), [(("Stop", "push"), True), (("Stop",), False)])
def test_a_push_starts_a_check_without_the_worker_s_environment(
    sh: str, attempt: Path, words: tuple[str, ...], started: bool
) -> None:
    file = attempt.parents[1] / "seen"
    (attempt.parents[1] / "check.sh").write_text(f'printf "%s %s" "$1" "${{SECRET-none}}" >"{file}"\n')

    call(sh, attempt, *words)

    if started:
        until(lambda: file.exists() and "hook none" == file.read_text())
    assert started == file.exists()


def test_a_push_of_a_confined_client_goes_by_the_pipe_and_waits_for_nobody(sh: str, attempt: Path) -> None:
    (attempt.parents[1] / "check.sh").write_text(f': >"{attempt}/started"\n')
    os.mkfifo(attempt / "said/push")

    call(sh, attempt, "Stop", "push")  # with no reader yet
    reading = os.open(attempt / "said/push", os.O_RDWR)
    call(sh, attempt, "Stop", "push")

    assert b"push\n" == os.read(reading, 100)
    os.close(reading)
    assert not (attempt / "started").exists()


# --- a stop whose missing output is being made -------------------------------------------------------------------

TASK = {"id": "b1", "type": "shell", "status": "running", "command": 'say "background_tasks":[]'}
MAKING = {
    "a task": {**STOP, "background_tasks": [TASK]},
    "several": {**STOP, "background_tasks": [TASK, {"id": "b2", "type": "agent"}]},
    "a timer of its own": {**STOP, "session_crons": [{"id": "c1"}]},
    "keys in another order": {"background_tasks": [TASK], "hook_event_name": "Stop"},
}
NOT_MAKING = {
    "nothing": STOP,
    "an older client": {"hook_event_name": "Stop"},
    "words about it": {**STOP, "last_assistant_message": '"background_tasks":[{"id":"b1"}]'},
    "words in words": {**STOP, "last_assistant_message": json.dumps({"background_tasks": [{"id": 1}]})},
    "no timer": {**STOP, "session_crons": []},
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("what", MAKING)
def test_a_stop_is_not_refused_while_work_in_the_background_may_make_what_is_missing(
    sh: str, attempt: Path, what: str, indent: int | None
) -> None:
    wants(attempt, attempt / "missing")

    said = call(sh, attempt, "Stop", say=json.dumps(MAKING[what], indent=indent))

    assert ("", MAKING[what]) == (said, kept(attempt))
    assert ["hook"] == os.listdir(attempt / "said")


@pytest.mark.parametrize("what", NOT_MAKING)
def test_a_stop_is_refused_where_nothing_works_whatever_the_client_says(sh: str, attempt: Path, what: str) -> None:
    wants(attempt, attempt / "missing")

    said = call(sh, attempt, "Stop", say=json.dumps(NOT_MAKING[what]))

    assert "block" == json.loads(said)["decision"]
    assert ["hook", "refused.1"] == sorted(os.listdir(attempt / "said"))


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs the processes' environment in /proc")
@pytest.mark.parametrize("own", [True, False])
def test_a_process_that_the_client_left_at_work_counts_and_what_runs_in_its_own_session_does_not(
    sh: str, attempt: Path, own: bool
) -> None:
    wants(attempt, attempt / "missing")
    environment = {**PATH, "WAKEMAN_ATTEMPT": f"night/w/1@{attempt}"}
    client = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True)
    (attempt / "claim").write_text(f"{client.pid}\n")
    work = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=not own)
    if own:  # the hook runs beside it
        (attempt / "claim").write_text(f"{os.getpid()}\n")
        client.kill()
        client.wait()
    try:
        ran = subprocess.run(
            [sh, HOOK, str(attempt), "Stop"],
            input=json.dumps(STOP),
            capture_output=True,
            text=True,
            env=environment,
            check=True,
            timeout=20,
        )
    finally:
        for process in (client, work):
            process.kill()
            process.wait()

    assert own == ("block" in ran.stdout)


def test_an_end_of_a_session_is_kept_with_its_reason(sh: str, attempt: Path) -> None:
    said = {"hook_event_name": "SessionEnd", "reason": "prompt_input_exit"}

    call(sh, attempt, "SessionEnd", say=json.dumps(said, indent=1))

    assert said == kept(attempt)
