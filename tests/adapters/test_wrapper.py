"""`adapters/wrapper.sh`, alone and in the panes of a real server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.adapters.conftest import ENV, Rig
from tests.processes import processes
from tests.waiting import until

import wakeman.adapters
from wakeman.ports import Start

pytestmark = pytest.mark.real

WRAPPER = str(Path(wakeman.adapters.__file__).with_name("wrapper.sh"))
SHELLS = [shell for shell in ("dash", "bash", "ksh", "mksh", "zsh") if shutil.which(shell)]
WAIT = "while :; do sleep 0.05; done"


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return each shell of this machine under the name `sh`, which makes it a POSIX one."""
    link = tmp_path / "sh"
    link.symlink_to(shutil.which(request.param) or "/bin/sh")
    return str(link)


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    directory = tmp_path / "it's a #{deployment}" / "attempts" / "w1.1"
    directory.mkdir(parents=True)
    return directory


def run(
    attempt: Path,
    *argv: str,
    sh: str = "/bin/sh",
    env: Mapping[str, str] = ENV,
    cwd: Path | None = None,
    wrapper: str = WRAPPER,
) -> subprocess.CompletedProcess[bytes]:
    """Run the wrapper without a terminal."""
    words = (sh, wrapper, str(attempt), "--", *argv)
    return subprocess.run(
        words,
        capture_output=True,
        env=env,
        cwd=cwd,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=20,
        start_new_session=True,
    )


def programs(tmp_path: Path, *names: str) -> Path:
    """Make a directory of these programs and no others, to be a PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in names:
        (tools / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return tools


def pane(rig: Rig, attempt: Path, script: str, sh: str = "/bin/sh", **env: str) -> str:
    """Run the wrapper in a session, around a script that creates `ready` in its own time; return the session's id."""
    ready = attempt / "ready"
    argv = (sh, WRAPPER, str(attempt), "--", "/bin/sh", "-c", script, str(ready))
    [made] = rig.tmux.submit([Start("w1", "dep/w1.1", argv, "/", env)])
    assert made.error == ""
    until(ready.exists)
    return made.session_id


def status(attempt: Path) -> str:
    """Await the exit file and read it."""
    until((attempt / "exit").exists)
    return (attempt / "exit").read_text()


def store(attempt: Path, name: str, script: str) -> Path:
    """Write the deployment's `check.sh` so that it leaves what `script` prints in a file; return that file."""
    home = attempt.parent.parent
    target = home / name
    draft = home / f"{name}.tmp"
    (home / "check.sh").write_text(f'{{ {script}; }} >"{draft}"\n/bin/mv "{draft}" "{target}"\n')
    return target


# What the deployment lists


def listed(attempt: Path) -> Path:
    """Make the directory in which attempts that have begun are listed; return the file of this one."""
    place = attempt.parent.parent / "running"
    place.mkdir()
    return place / attempt.name


def test_an_attempt_is_listed_from_its_claim_until_its_exit_file(attempt: Path, sh: str) -> None:
    file = listed(attempt)

    ran = run(
        attempt, "/bin/sh", "-c", f'test -e "{file}" && test -e "{attempt}/claim" && ! test -e "{attempt}/exit"', sh=sh
    )

    assert (0, "0\n") == (ran.returncode, status(attempt))
    assert not file.exists()
    assert {"claim", "exit"} == {each.name for each in attempt.iterdir()}


def test_an_attempt_that_was_started_before_is_not_listed_again(attempt: Path, sh: str) -> None:
    file = listed(attempt)
    (attempt / "claim").touch()

    ran = run(attempt, "/bin/true", sh=sh)

    assert (125, False, False) == (ran.returncode, file.exists(), (attempt / "exit").exists())


def test_a_wrapper_that_was_killed_leaves_its_attempt_listed_and_without_an_exit_file(attempt: Path, rig: Rig) -> None:
    file = listed(attempt)
    pane(rig, attempt, f'kill -9 $PPID; : >"$0"; {WAIT}')

    assert file.exists()
    assert not (attempt / "exit").exists()


# Where it starts

PLACES = ["plain", "it's", "a b", "#{pid}", "$HOME `id`", "-x", "ü;", "two\nlines", "ends\n", os.fsdecode(b"\xff\xfe")]


def expects(attempt: Path, place: Path) -> None:
    """Write down where the attempt is to start."""
    (attempt / "cwd").write_bytes(os.fsencode(place) + b"\n")


@pytest.mark.parametrize("name", PLACES)
def test_a_program_starts_in_the_directory_that_is_expected(attempt: Path, sh: str, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    expects(attempt, place)
    ran = [run(attempt, "/bin/pwd", sh=sh, cwd=tmp_path / "link")]
    (attempt / "claim").unlink()
    (attempt / "exit").unlink()
    ran.append(run(attempt, "/bin/pwd", sh=sh, cwd=place))

    assert [os.fsencode(place) + b"\n"] * 2 == [each.stdout for each in ran]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("file", [False, True])
def test_in_another_directory_nothing_is_run_and_the_reason_is_in_the_stream(
    attempt: Path, sh: str, tmp_path: Path, name: str, *, file: bool
) -> None:
    place = tmp_path / name
    place.mkdir()
    expects(attempt, place)
    if file:
        (attempt / "stdout").symlink_to(attempt / "stream")
    (attempt / "setup").write_text("echo set up")

    ran = run(attempt, "/usr/bin/touch", str(tmp_path / "ran"), sh=sh, cwd=Path("/"))

    said = (attempt / "stream").read_bytes() if file else ran.stdout
    assert (126, "126\n", False) == (ran.returncode, status(attempt), (tmp_path / "ran").exists())
    assert b"not run: started in /, expected " + os.fsencode(place).rstrip(b"\n") == said.rstrip(b"\n")


def test_in_a_directory_that_was_removed_nothing_is_run(attempt: Path, sh: str, tmp_path: Path) -> None:
    place = tmp_path / "gone"
    place.mkdir()
    expects(attempt, place)
    start = f'cd "{place}" && rmdir "{place}" && exec "$@"'
    words = ("/bin/sh", "-c", start, "sh", sh, WRAPPER, str(attempt), "--", "/usr/bin/touch", str(tmp_path / "ran"))
    subprocess.run(words, capture_output=True, env=ENV, check=False, stdin=subprocess.DEVNULL, timeout=20)

    assert ("126\n", False) == (status(attempt), (tmp_path / "ran").exists())


def test_where_tmux_cannot_go_it_starts_elsewhere_without_a_word_and_nothing_is_run(
    rig: Rig, attempt: Path, tmp_path: Path
) -> None:
    expects(attempt, tmp_path / "gone")
    argv = ("/bin/sh", WRAPPER, str(attempt), "--", "/usr/bin/touch", str(tmp_path / "ran"))
    [made] = rig.tmux.submit([Start("w1", "dep/w1.1", argv, str(tmp_path / "gone"), ENV)])

    assert ("", "126\n", False) == (made.error, status(attempt), (tmp_path / "ran").exists())
    until(lambda: "not run: started in /" in rig.tmux.capture("w1"))


# The exit file


@pytest.mark.parametrize("code", [0, 1, 7, 125, 255])
def test_the_exit_status_is_stored_and_passed_on(attempt: Path, sh: str, code: int) -> None:
    ran = run(attempt, "/bin/sh", "-c", f"exit {code}", sh=sh)

    assert (ran.returncode, status(attempt)) == (code, f"{code}\n")


def test_a_missing_program_is_127(attempt: Path, sh: str) -> None:
    ran = run(attempt, "/no/such/program", sh=sh)

    assert (ran.returncode, status(attempt)) == (127, "127\n")


def test_a_file_that_cannot_be_run_is_126(attempt: Path, sh: str) -> None:
    ran = run(attempt, "/etc/passwd", sh=sh)

    assert (ran.returncode, status(attempt)) == (126, "126\n")


def test_a_builtin_of_the_shell_is_not_taken_for_a_program(attempt: Path, sh: str) -> None:
    ran = run(attempt, "exit", "3", sh=sh)

    assert (ran.returncode, status(attempt)) == (127, "127\n")


def test_a_killed_program_is_128_and_its_signal(attempt: Path, sh: str) -> None:
    run(attempt, "/bin/sh", "-c", "kill -9 $$", sh=sh)

    assert status(attempt) == "137\n"


def test_nothing_but_the_two_files_is_left(attempt: Path, sh: str) -> None:
    run(attempt, "true", sh=sh)

    assert sorted(path.name for path in attempt.iterdir()) == ["claim", "exit"]
    assert {path.stat().st_mode & 0o777 for path in attempt.iterdir()} == {0o600}


def test_killing_the_session_leaves_an_exit_file(rig: Rig, attempt: Path, sh: str) -> None:
    session = pane(rig, attempt, f': >"$0"; {WAIT}', sh)

    rig.tmux.cancel([(session, "dep/w1.1")])

    assert status(attempt) == "129\n"


def test_killing_the_server_leaves_an_exit_file(rig: Rig, attempt: Path, sh: str) -> None:
    pane(rig, attempt, f': >"$0"; {WAIT}', sh)

    os.kill(rig.server(), signal.SIGKILL)

    assert status(attempt) == "129\n"


def test_a_program_that_outlives_its_session_has_no_exit_file_until_it_ends(rig: Rig, attempt: Path, sh: str) -> None:
    script = 'trap \': >"$0.hup"\' HUP; : >"$0"; until [ -e "$0.go" ]; do sleep 0.05; done; exit 4'
    session = pane(rig, attempt, script, sh)
    rig.tmux.cancel([(session, "dep/w1.1")])
    until((attempt / "ready.hup").exists)
    assert not (attempt / "exit").exists()

    (attempt / "ready.go").touch()

    assert status(attempt) == "4\n"


def test_control_c_ends_the_program_and_leaves_an_exit_file(rig: Rig, attempt: Path, sh: str) -> None:
    pane(rig, attempt, f': >"$0"; {WAIT}', sh)

    rig.raw("send-keys", "-t", "=w1:", *["C-c"] * 20)

    assert status(attempt) == "130\n"


def test_a_term_to_the_program_leaves_an_exit_file(rig: Rig, attempt: Path, sh: str) -> None:
    pane(rig, attempt, f'echo $$ >"$0.pid"; : >"$0"; {WAIT}', sh)

    os.kill(int((attempt / "ready.pid").read_text()), signal.SIGTERM)

    assert status(attempt) == "143\n"


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_a_signal_to_the_wrapper_alone_is_outlived(rig: Rig, attempt: Path, sh: str, name: str) -> None:
    pane(rig, attempt, ': >"$0"; until [ -e "$0.go" ]; do sleep 0.05; done; exit 4', sh)
    os.kill(int((attempt / "claim").read_text()), signal.Signals[f"SIG{name}"])

    (attempt / "ready.go").touch()

    assert status(attempt) == "4\n"


@pytest.mark.parametrize("name", ["HUP", "KILL"])
def test_the_end_of_the_wrapper_is_the_programs_end(rig: Rig, attempt: Path, sh: str, name: str) -> None:
    pane(rig, attempt, f': >"$0"; {WAIT}', sh)

    os.kill(int((attempt / "claim").read_text()), signal.Signals[f"SIG{name}"])

    assert status(attempt) == "129\n"


def test_no_exit_file_is_lost_in_fifty_quick_ends(rig: Rig, attempt: Path) -> None:
    directories = [attempt.with_name(f"w{n}.1") for n in range(2, 52)]
    for directory in directories:
        directory.mkdir()
    starts = [
        Start(f"w{n}", f"dep/w{n}.1", ("/bin/sh", WRAPPER, str(directory), "--", "/bin/sh", "-c", f"exit {n}"), "/")
        for n, directory in enumerate(directories)
    ]

    assert [made.error for made in rig.tmux.submit(starts)] == [""] * 50
    assert [status(directory) for directory in directories] == [f"{n}\n" for n in range(50)]


def test_the_check_begins_before_the_directory_is_on_the_disk_and_finds_the_exit_file(
    attempt: Path, tmp_path: Path, sh: str
) -> None:
    told = store(attempt, "told", f'cat "{attempt}/exit"')
    tools = programs(tmp_path, "rm", "mv", "setsid", "cat", "env", "sleep")
    waits = f'until [ -e "{told}" ] || [ "$n" = 200 ]; do sleep 0.05; n=$((n + 1)); done'
    (tools / "sync").write_text(f'#!/bin/sh\nn=0\n[ "$1" != "{attempt}" ] || {waits}\n')
    (tools / "sync").chmod(0o700)

    run(attempt, "/bin/sh", "-c", "exit 5", sh=sh, env={"PATH": str(tools)})

    assert "5\n" == told.read_text()


def test_a_second_control_c_does_not_cost_the_exit_file(attempt: Path, tmp_path: Path, sh: str) -> None:
    tools = programs(tmp_path, "sync", "rm", "setsid")
    (tools / "mv").write_text('#!/bin/sh\nkill -s INT 0\nexec /bin/mv "$@"\n')
    (tools / "mv").chmod(0o700)
    run(attempt, "/bin/sh", "-c", "exit 5", sh=sh, env={"PATH": str(tools)})

    assert (attempt / "exit").read_text() == "5\n"


# The claim


def test_the_claim_holds_the_wrappers_process(rig: Rig, attempt: Path) -> None:
    pane(rig, attempt, f': >"$0"; {WAIT}')

    assert [int((attempt / "claim").read_text())] == [one.pid for one in rig.tmux.poll().seen]


def test_a_claimed_attempt_is_not_started_again(attempt: Path, sh: str) -> None:
    (attempt / "claim").write_text("1\n")

    ran = run(attempt, "touch", str(attempt / "ran"), sh=sh)

    assert (ran.returncode, ran.stdout, ran.stderr) == (125, b"", b"")
    assert [path.name for path in attempt.iterdir()] == ["claim"]
    assert (attempt / "claim").read_text() == "1\n"


@pytest.mark.parametrize("lasting", [True, False])
def test_a_claim_goes_to_the_disk_before_the_program_where_the_attempt_may_begin_once_more(
    attempt: Path, tmp_path: Path, sh: str, lasting: bool
) -> None:
    """Elsewhere a power cut ends the attempt, and whoever looks then sees that the machine was started anew."""
    synced = tmp_path / "synced"
    tools = programs(tmp_path, "rm", "mv", "setsid", "cat")
    (tools / "sync").write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>{synced}\n')
    (tools / "sync").chmod(0o700)
    if lasting:
        (attempt / "lasting").touch()
    before = f'if [ -e {synced} ]; then cat {synced}; fi >"$0"'
    run(attempt, "/bin/sh", "-c", before, str(tmp_path / "before"), sh=sh, env={"PATH": str(tools)})

    assert [f"{attempt}/claim"] * lasting == (tmp_path / "before").read_text().splitlines()
    assert str(attempt) == synced.read_text().splitlines()[-1]


def test_of_twenty_started_at_once_one_runs(attempt: Path, sh: str) -> None:
    words = (sh, WRAPPER, str(attempt), "--", "/bin/sh", "-c", f"echo ran >>'{attempt.parent.parent.parent}/runs'")
    started = [subprocess.Popen(words, env=ENV) for _ in range(20)]

    assert sorted(one.wait() for one in started) == [0, *[125] * 19]
    assert (attempt.parent.parent.parent / "runs").read_text() == "ran\n"


def test_an_attempt_without_a_directory_is_not_started(tmp_path: Path, sh: str) -> None:
    assert run(tmp_path / "nowhere", "true", sh=sh).returncode == 125


# What the program gets


def test_arguments_reach_the_program_whole(attempt: Path, sh: str) -> None:
    odd = ["it's", '"$HOME"', "`id`", "two\nlines\n", "-x", "--", "", "*", "a;", "ä"]
    ran = run(attempt, "/usr/bin/printf", r"%s\0", *odd, sh=sh)

    assert ran.stdout.decode().split("\0") == [*odd, ""]


def test_the_environment_file_reaches_the_program(attempt: Path, sh: str) -> None:
    (attempt / "env").write_text("export KEY='it'\\''s $HOME'\nexport PATH='/nowhere' dir='/x' code='9'\n")
    ran = run(attempt, "/bin/sh", "-c", 'printf %s "$KEY|$PATH|$dir|$code"; exit 3', sh=sh)

    assert (ran.stdout.decode(), status(attempt)) == ("it's $HOME|/nowhere|/x|9", "3\n")


def test_the_environment_file_does_not_reach_the_wrapper(rig: Rig, attempt: Path) -> None:
    (attempt / "env").write_text("export KEY='secret'\n")
    pane(rig, attempt, f'test "$KEY" = secret && : >"$0"; {WAIT}')

    assert b"secret" not in Path(f"/proc/{(attempt / 'claim').read_text().strip()}/environ").read_bytes()


def test_standard_input_is_the_file_when_there_is_one(attempt: Path, tmp_path: Path, sh: str) -> None:
    (tmp_path / "prompt").write_text("do it")
    (attempt / "stdin").symlink_to(tmp_path / "prompt")

    assert run(attempt, "cat", sh=sh).stdout == b"do it"


def test_a_standard_input_that_is_missing_does_not_start_the_program(attempt: Path, tmp_path: Path, sh: str) -> None:
    (attempt / "stdin").symlink_to(tmp_path / "prompt")
    ran = run(attempt, "echo", "ran", sh=sh)

    assert (ran.stdout, status(attempt) != "0\n") == (b"", True)


def test_standard_output_is_added_to_the_file_and_errors_are_not(attempt: Path, tmp_path: Path, sh: str) -> None:
    (tmp_path / "stream").write_text("before\n")
    (attempt / "stdout").symlink_to(tmp_path / "stream")
    ran = run(attempt, "/bin/sh", "-c", "echo out; echo err >&2", sh=sh)

    assert (ran.stdout, ran.stderr, (tmp_path / "stream").read_text()) == (b"", b"err\n", "before\nout\n")


def test_standard_output_may_be_a_file_that_does_not_exist_yet(attempt: Path, tmp_path: Path, sh: str) -> None:
    (attempt / "stdout").symlink_to(tmp_path / "stream")
    run(attempt, "echo", "out", sh=sh)

    assert (tmp_path / "stream").read_text() == "out\n"


def test_the_terminal_is_the_programs_without_files(rig: Rig, attempt: Path) -> None:
    pane(rig, attempt, ': >"$0"; test -t 0 && test -t 1 && test -t 2')

    assert status(attempt) == "0\n"


@pytest.mark.parametrize("told", [True, False])
def test_program_and_check_have_the_file_mask_of_their_caller(
    attempt: Path, tmp_path: Path, sh: str, *, told: bool
) -> None:
    """Without `told`, no kernel says what it is."""
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text(Path(WRAPPER).read_text().replace("/proc/self/status", "/proc/self/status" if told else "/none"))
    target = store(attempt, "called", "umask")
    mask = os.umask(0o027)
    try:
        run(attempt, "touch", str(tmp_path / "made"), sh=sh, wrapper=str(wrapper))
        until(target.exists)
    finally:
        os.umask(mask)

    assert (0o640, 0o027) == ((tmp_path / "made").stat().st_mode & 0o777, int(target.read_text(), 8))
    assert {0o600} == {(attempt / name).stat().st_mode & 0o777 for name in ("claim", "exit")}


# The check


def test_the_check_starts_without_any_environment(rig: Rig, attempt: Path, sh: str) -> None:
    (attempt / "env").write_text("export KEY='secret'\n")
    target = store(attempt, "environment", "/usr/bin/env")
    pane(rig, attempt, ': >"$0"', sh, WAKEMAN_ATTEMPT="dep/w1.1", TMPDIR="/tmp")

    until(target.exists)
    assert {line.split("=")[0] for line in target.read_text().splitlines()} <= {"PWD", "OLDPWD", "SHLVL", "_"}


def test_the_check_has_a_session_and_a_place_of_its_own(rig: Rig, attempt: Path, sh: str) -> None:
    target = store(attempt, "session", 'echo "$1" $(($(/bin/ps -o sid= -p $$) == $$)) "$(pwd)"')
    pane(rig, attempt, ': >"$0"', sh)

    until(target.exists)
    assert target.read_text() == "exit 1 /\n"


def test_the_check_finds_the_exit_file(attempt: Path, sh: str) -> None:
    target = store(attempt, "found", f'/bin/cat "{attempt}/exit"')
    run(attempt, "/bin/sh", "-c", "exit 6", sh=sh)

    until(target.exists)
    assert target.read_text() == "6\n"


def test_the_check_is_called_when_the_session_was_killed(rig: Rig, attempt: Path, sh: str) -> None:
    target = store(attempt, "called", "echo yes")
    session = pane(rig, attempt, f': >"$0"; {WAIT}', sh)
    rig.tmux.cancel([(session, "dep/w1.1")])

    until(target.exists)


def test_the_check_can_be_ended_like_any_program(attempt: Path, sh: str) -> None:
    target = store(attempt, "signals", "/bin/grep SigIgn /proc/self/status")
    run(attempt, "true", sh=sh)

    until(target.exists)
    ignored = int(target.read_text().split()[1], 16)
    assert not ignored >> (signal.SIGTERM - 1) & 1


def test_the_wrapper_does_not_wait_for_the_check(attempt: Path, sh: str) -> None:
    target = store(attempt, "slow", 'until [ -e "${0%/*}/go" ]; do /bin/sleep 0.05; done')
    run(attempt, "true", sh=sh)
    assert not target.exists()

    (attempt.parent.parent / "go").touch()

    until(target.exists)


def test_the_check_is_called_where_there_is_no_setsid(attempt: Path, tmp_path: Path, sh: str) -> None:
    target = store(attempt, "called", "echo yes")
    run(attempt, "/bin/true", sh=sh, env={"PATH": str(programs(tmp_path, "sync", "mv", "env", "nohup"))})

    until(target.exists)


# The pipe by which a confined program asks for checks


def piped(attempt: Path) -> Path:
    """Make the pipe that a confined attempt has."""
    (attempt / "said").mkdir()
    os.mkfifo(attempt / "said/push")
    return attempt / "said/push"


def readers(attempt: Path) -> list[str]:
    """List processes of the attempt's wrapper."""
    return [one.place.name for one in processes(str(attempt)) if any("wrapper.sh" in word for word in one.argv)]


def test_a_line_in_the_pipe_starts_a_check_while_the_program_runs(attempt: Path, sh: str) -> None:
    pipe = piped(attempt)
    target = store(attempt, "asked", 'echo "$1:${WAKEMAN_ATTEMPT-none}"')
    script = (
        f'echo "; rm -rf /" 1<>"{pipe}"; until [ -e "{target}" ]; do sleep 0.05; done; mv "{target}" "{target}.kept"'
    )

    run(attempt, "/bin/sh", "-c", script, sh=sh, env={**ENV, "WAKEMAN_ATTEMPT": "m"})

    assert "hook:none\n" == Path(f"{target}.kept").read_text()
    until(lambda: target.exists() and target.read_text() == "exit:none\n")


def test_a_line_that_never_ends_asks_for_a_check_as_any_other(attempt: Path, sh: str) -> None:
    """Nothing waits for its end, outside of the confinement, and keeps all of it meanwhile."""
    pipe, heard = piped(attempt), attempt / "heard"
    asked = store(attempt, "asked", f'echo "$1" >>"{heard}"')  # the end of the attempt asks, too
    flood = f'head -c 5000 /dev/zero | tr "\\0" x 1<>"{pipe}"'

    run(
        attempt,
        "/bin/sh",
        "-c",
        f"""{flood}; timeout 5 sh -c 'until [ -e "$0" ]; do sleep 0.05; done' "{asked}" """,
        sh=sh,
        env=ENV,
    )

    assert heard.read_text().startswith("hook")


def test_who_waits_at_the_pipe_ends_with_the_attempt(attempt: Path, sh: str) -> None:
    piped(attempt)

    assert 0 == run(attempt, "true", sh=sh).returncode
    until(lambda: not readers(attempt))


def test_who_waits_at_the_pipe_ends_when_the_wrapper_is_killed(rig: Rig, attempt: Path, sh: str) -> None:
    piped(attempt)
    session = pane(rig, attempt, f': >"$0"; {WAIT}', sh)
    until(lambda: bool(readers(attempt)))

    rig.tmux.cancel([(session, "dep/w1.1")])

    until(lambda: not readers(attempt))


def test_who_waits_at_the_pipe_ends_when_all_of_the_wrapper_dies_at_once(attempt: Path, sh: str) -> None:
    piped(attempt)
    ready = attempt / "ready"
    words = (sh, WRAPPER, str(attempt), "--", "/bin/sh", "-c", ': >"$0"; exec sleep 60', str(ready))
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, env=ENV, start_new_session=True) as wrapper:
        until(ready.exists)
        until(lambda: len(readers(attempt)) > 2)
        attempt_shell = children(wrapper.pid)[0]
        sleeping = [pid for pid in children(attempt_shell) if str(pid) not in readers(attempt)]
        for pid in (wrapper.pid, attempt_shell, *sleeping):
            os.kill(pid, signal.SIGKILL)

    until(lambda: not readers(attempt))


def children(pid: int) -> list[int]:
    """List the processes that one has started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# What is printed, within bounds

KEEP = Path(wakeman.adapters.__file__).with_name("keep.sh")
BOUND = 262144


@pytest.fixture
def bounded(attempt: Path) -> Path:
    """Give an attempt whose standard output has a bound."""
    (attempt.parent.parent / "keep.sh").write_bytes(KEEP.read_bytes())
    (attempt / "bound").write_text(f"{BOUND}\n")
    (attempt / "stdout").symlink_to(attempt.parent.parent / "stream")
    os.mkfifo(attempt / "out", 0o600)
    return attempt


def kept(attempt: Path) -> bytes:
    return (attempt.parent.parent / "stream").read_bytes()


def test_of_much_output_the_head_and_the_end_are_kept_and_the_middle_is_counted(bounded: Path, sh: str) -> None:
    ran = run(bounded, "seq", "1", "400000", sh=sh)
    lines = kept(bounded).split(b"\n")
    (note,) = [line for line in lines if b"wakeman" in line]
    whole = sum(len(f"{n}\n") for n in range(1, 400001))

    assert (0, b"1", b"400000") == (ran.returncode, lines[0], lines[-2])
    assert len(kept(bounded)) <= BOUND
    left_out = int(note.split()[1])
    assert whole == left_out + len(kept(bounded)) - len(note) - 2
    assert "0\n" == (bounded / "exit").read_text()


@pytest.mark.parametrize("size", [0, 1, BOUND - 70000])
def test_of_little_output_everything_is_kept_until_the_exit_file_is_there(bounded: Path, sh: str, size: int) -> None:
    run(bounded, "head", "-c", str(size), "/dev/zero", sh=sh)

    assert b"\0" * size == kept(bounded) if size else not (bounded.parent.parent / "stream").read_bytes()


def test_output_is_there_as_soon_as_it_is_printed(bounded: Path, sh: str) -> None:
    with subprocess.Popen([sh, WRAPPER, str(bounded), "--", "sh", "-c", "echo now; exec sleep 600"]) as wrapper:
        until(lambda: (bounded.parent.parent / "stream").exists() and kept(bounded) == b"now\n")
        os.kill(_child_running(wrapper.pid, "sleep"), signal.SIGKILL)


def _child_running(pid: int, name: str) -> int:
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,comm="], capture_output=True, text=True).stdout.splitlines()
    rows = [(int(row.split()[0]), int(row.split()[1]), row.split()[2]) for row in found]
    family = {pid}
    for _ in rows:
        family |= {one for one, parent, _ in rows if parent in family}
    return next(one for one, _, comm in rows if one in family and comm == name)


def test_the_pipe_can_be_opened_again_as_standard_output(bounded: Path, sh: str) -> None:
    run(bounded, "sh", "-c", "echo one; echo two >/dev/stdout", sh=sh)

    assert b"one\ntwo\n" == kept(bounded)


def test_a_child_that_is_left_and_could_print_holds_up_the_end_for_a_moment_only(bounded: Path, sh: str) -> None:
    begun = time.monotonic()
    run(bounded, "sh", "-c", "sleep 600 2>/dev/null & echo $! >child; echo last", sh=sh, cwd=bounded)
    took = time.monotonic() - begun
    os.kill(int((bounded / "child").read_text()), signal.SIGKILL)

    assert (b"last\n", True) == (kept(bounded), took < 15)


@pytest.mark.parametrize("when", ["before anything is printed", "meanwhile"])
def test_where_the_file_cannot_be_written_it_reads_on_to_the_end_and_ends(tmp_path: Path, sh: str, when: str) -> None:
    """A state directory may be removed while a program prints."""
    directory = tmp_path / "streams"
    directory.mkdir()
    argv = [sh, str(KEEP), str(directory / "w.1.log"), str(BOUND)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as keeper:
        assert keeper.stdin is not None
        assert keeper.stderr is not None
        if when == "meanwhile":
            keeper.stdin.write(b"first\n")
            keeper.stdin.flush()
            until(lambda: (directory / "w.1.log").exists() and (directory / "w.1.log").read_bytes() == b"first\n")
        shutil.rmtree(directory)
        keeper.stdin.write(b"x" * 3 * BOUND)  # more than a pipe holds
        keeper.stdin.close()

        assert (0, b"") == (keeper.wait(20), keeper.stderr.read())


@pytest.mark.parametrize("said", ["", "three blocks, I think", "1 records in", "2048+0 records in"])
def test_a_dd_that_does_not_say_how_much_it_read_costs_no_output(
    bounded: Path, tmp_path: Path, sh: str, said: str
) -> None:
    tools = programs(tmp_path, "sync", "mv", "rm", "wc", "head", "tail", "readlink", "sleep", "sh", "seq")
    (tools / "dd").write_text(f'#!/bin/sh\n/bin/dd "$@" 2>/dev/null\ncode=$?\necho "{said}" >&2\nexit $code\n')
    (tools / "dd").chmod(0o700)

    ran = run(bounded, "seq", "1", "20000", sh=sh, env={"PATH": str(tools)})

    assert (0, "".join(f"{n}\n" for n in range(1, 20001)).encode()) == (ran.returncode, kept(bounded))


def test_without_the_script_that_keeps_output_it_is_appended_as_it_comes(bounded: Path, sh: str) -> None:
    (bounded.parent.parent / "keep.sh").unlink()

    run(bounded, "seq", "1", "100000", sh=sh)

    assert kept(bounded).endswith(b"\n100000\n")


def test_variables_of_the_program_do_not_change_what_the_wrapper_does(bounded: Path, sh: str) -> None:
    names = ("dir", "keeper", "code", "file", "push", "tries", "max", "quarter", "IFS")
    (bounded / "env").write_text("".join(f"export {name}=/nowhere\n" for name in names))
    (bounded / "setup").write_text("")

    ran = run(bounded, "sh", "-c", "echo $dir; exit 7", sh=sh)

    assert (7, b"/nowhere\n", "7\n") == (ran.returncode, kept(bounded), (bounded / "exit").read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a small disk")
def test_on_a_full_disk_the_program_is_neither_ended_nor_held_up(bounded: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("no mounts here")
    try:
        (bounded / "stdout").unlink()
        (bounded / "stdout").symlink_to(disk / "stream")
        ran = run(bounded, "sh", "-c", "seq 1 300000; exit 3")
        size = (disk / "stream").stat().st_size
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert (3, "3\n") == (ran.returncode, (bounded / "exit").read_text())
    assert 0 < size <= 131072
