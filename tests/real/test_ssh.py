"""Workers on hosts that are called by ssh: the executor's contract, nights, and what goes wrong."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.real.rig import REAL, Said, SteppedRig, rigged
from tests.sshd import HIDDEN, HOSTS, PATH, UNABLE, SshHosts, running_hosts
from tests.waiting import until

from wakeman.adapters.ssh import Ssh, SshBackend
from wakeman.core.errors import ProgramError
from wakeman.core.model import Host, Plan, SshSpec, UnitsSpec, WorkersSpec
from wakeman.ports import Start
from wakeman.testing.executor import Programs, faults

pytestmark = [*REAL, pytest.mark.skipif(bool(UNABLE), reason=f"ssh: {UNABLE}")]


@pytest.fixture(scope="module")
def hosts() -> Iterator[SshHosts]:
    with running_hosts() as hosts:
        yield hosts


@pytest.fixture
def directory() -> Iterator[str]:
    with TemporaryDirectory(prefix="wkd", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield place


def plan_of(hosts: SshHosts, **slots: int) -> Plan:
    workers = WorkersSpec(command=("true",), executor="ssh")
    spec = SshSpec(hosts=slots or {"alpha": 9}, config=str(hosts.config))
    return Plan(name="n", units=UnitsSpec(items=("a",)), workers=workers, ssh=spec)


def executor(hosts: SshHosts, directory: str, **slots: int) -> Ssh:
    """Return an executor of a deployment in a directory, as another process has it."""
    env = {"PATH": PATH, "HOME": directory}
    backend = SshBackend()
    place = dict(backend.place(plan_of(hosts, **slots), directory, env))
    return backend.executor(Host(root="/", directory=directory, python=(), env=env, place=place))


@pytest.mark.parametrize("slots", [{"alpha": 9}, {"alpha": 3, "beta": 3, "gamma": 3}], ids=["one", "three"])
def test_hosts_keep_to_the_protocol_of_every_executor(hosts: SshHosts, directory: str, slots: dict[str, int]) -> None:
    class Configured(SshBackend):
        def place(self, plan: Plan, directory: str, environ: Mapping[str, str]) -> Mapping[str, str]:
            del plan
            return super().place(plan_of(hosts, **slots), directory, environ)

    Path(directory, "state").mkdir()
    assert [] == faults(Configured(), f"{directory}/state")


def test_a_program_that_ignores_a_hang_up_is_ended_with_its_session(hosts: SshHosts, directory: str) -> None:
    place, mark = executor(hosts, directory), "n/a/1@b"
    deaf = 'trap "" HUP TERM; echo $$ >"$0.tmp"; mv "$0.tmp" "$0"; while :; do sleep 0.1; done'
    argv = ("env", f"WAKEMAN_ATTEMPT={mark}", "sh", "-c", deaf, f"{directory}/pid")
    (made,) = place.submit([Start(session="a", mark=mark, argv=argv, cwd=directory)])
    until(Path(directory, "pid").exists, 30)
    number = int(Path(directory, "pid").read_text())

    assert 1 == place.cancel([(made.session_id, mark)])

    until(lambda: not Path(f"/proc/{number}").exists(), 10)
    assert () == place.poll().seen


PLAN = """\
name = "night"
[units]
items = ["a", "b", "c", "d", "e", "f", "g"]
output = "out/{{ unit }}"
[workers]
executor = "ssh"
name = "night_{{ group.key }}"
command = ["sh", "-c", 'COMMAND', "sh", "{{ group.key }}"]
stagger = 0
[ssh]
hosts = HOSTS
config = "CONFIG"
[stuck]
backoff = 0
[wake]
every = "1h"
"""
MAKES = 'mkdir -p out; echo "${TMUX%%%%/tmux-*}" >"out/$1"'.replace("%%%%", "%%")
WAITS = 'until [ -e "go.$1" ]; do sleep 0.1; done; '
"""Until the test lets it go on."""
THREE = "{ alpha = 2, beta = 2, gamma = 2 }"
TWO = "{ alpha = 4, beta = 3 }"


class SshRig(SteppedRig):
    """A rig whose program calls the hosts."""

    hosts: SshHosts

    def night(self, command: str, slots: str) -> Said:
        """Begin a night of seven workers."""
        text = PLAN.replace("COMMAND", command).replace("HOSTS", slots).replace("CONFIG", str(self.hosts.config))
        self.write(text)
        return self.run("up", "wakeman.toml")

    def placed(self) -> dict[str, list[str]]:
        """Return which workers' sessions each host has."""
        return {name: sorted(self.hosts.sessions(name)) for name in HOSTS}


def key_of(worker: str) -> str:
    return worker.removeprefix("night_")


@pytest.fixture
def rig(hosts: SshHosts) -> Iterator[SshRig]:
    with rigged(SshRig) as rig:
        rig.hosts = hosts
        yield rig


def test_a_night_of_seven_runs_on_three_hosts_as_many_at_a_time_as_they_have_slots(rig: SshRig) -> None:
    said = rig.night(WAITS + MAKES, THREE)
    assert 0 == said.returncode, said
    until(lambda: sorted(rig.states().values()) == ["pending"] + ["running"] * 6, 60)
    there = rig.placed()
    rig.go("abcdefg")
    rig.ends()

    assert {"alpha": 2, "beta": 2, "gamma": 2} == {name: len(found) for name, found in there.items()}
    assert "complete" == rig.status()["outcome"], rig.trail()
    ran = {(rig.place / "out" / key).read_text().strip() for key in "abcdefg"}
    assert {str(rig.hosts.place / name) for name in HOSTS} == ran
    assert 7 == len(rig.of("launched"))
    assert {name: [] for name in HOSTS} == rig.placed()
    assert 0 == rig.run("audit", "night").returncode


def test_a_trial_that_is_killed_leaves_no_session_on_its_host(rig: SshRig) -> None:
    """The session's making kills the program: nobody is there any more who could end it."""
    pid, made = rig.place / "pid", rig.place / "made"
    rig.hosts.tmux("alpha", "-f", "/dev/null", "start-server", ";", "set", "-g", "exit-empty", "off")
    kill = f"echo #{{hook_session_name}} >>{made}; kill -KILL $(cat {pid})"
    rig.hosts.tmux("alpha", "set-hook", "-g", "session-created", f"run-shell '{kill}'")
    rig.write(PLAN.replace("COMMAND", MAKES).replace("HOSTS", "{ alpha = 2 }").replace("CONFIG", str(rig.hosts.config)))
    try:
        said = rig.call(["sh", "-c", f'echo $$ >{pid}; exec "$@"', "sh", *rig.argv("up", "wakeman.toml")])

        assert (-signal.SIGKILL, True) == (said.returncode, made.read_text().startswith("wakeman-trial-"))
        until(lambda: not rig.hosts.sessions("alpha"), 20)
    finally:
        rig.hosts.tmux("alpha", "kill-server")


def test_while_a_host_does_not_answer_nothing_is_decided_about_its_workers(rig: SshRig) -> None:
    rig.night("echo works; " + WAITS + MAKES, TWO)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    there = rig.placed()
    first, *others = there["beta"]
    rig.hosts.away("beta")
    try:
        rig.go(key_of(first) + "".join(map(key_of, there["alpha"])))
        until(lambda: len(list(rig.place.glob("out/?"))) == 5, 30)
        away = rig.states()
        told = rig.status()
        blind, seen = rig.run("status", "night").stdout, rig.run("capture", others[0])
    finally:
        rig.hosts.up("beta")
    rig.go("abcdefg")
    rig.ends()

    assert {"verified"} == {away[name] for name in (first, *there["alpha"])}, "by their exit files"
    assert {"running"} == {away[name] for name in others}
    assert "Connection refused" in blind
    alpha, beta = told["hosts"]
    assert ("alpha", 4, [], None) == (alpha["name"], alpha["slots"], alpha["workers"], alpha["silent"])
    assert ("beta", 3, others) == (beta["name"], beta["slots"], sorted(beta["workers"]))
    assert "Connection refused" in beta["silent"]
    assert {"alpha", "beta"} == {each["host"] for each in told["workers"]}
    assert all(each["engine"].endswith(f"@{each['host']}") for each in told["workers"])
    assert (1, "") == (seen.returncode, seen.stdout), seen
    assert "beta" in seen.stderr
    assert [] == rig.of("relaunched")
    assert "complete" == rig.status()["outcome"]
    assert 0 == rig.run("audit", "night").returncode


def test_a_host_that_does_not_come_back_is_lost_by_a_persons_word_alone(rig: SshRig) -> None:
    rig.night(WAITS + MAKES, TWO)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    on_beta = rig.placed()["beta"]
    wrong = [rig.run("lost", host, "night") for host in ("beta", "beto")]
    rig.hosts.power_cut("beta")
    try:
        blind = rig.run("status", "night").stdout
        said = rig.run("lost", "beta")
        left = {each["name"]: each.get("left") for each in rig.status()["hosts"]}
        rig.go("abcdefg")
        rig.ends()
    finally:
        rig.hosts.up("beta")

    assert [2, 3] == [each.returncode for each in wrong]
    assert "beta answers: its workers are not lost" in wrong[0].stderr
    assert "did you mean 'beta'" in wrong[1].stderr
    assert "wakeman lost beta" in blind
    assert 0 == said.returncode, said
    assert "beta is taken for lost in night" in said.stdout
    assert {"alpha": None, "beta": on_beta} == {name: found and sorted(found) for name, found in left.items()}
    assert "lost with it: night_" in said.stdout
    assert on_beta == sorted(event["worker"] for event in rig.of("relaunched"))
    assert "complete" == rig.status()["outcome"]
    assert 0 == rig.run("audit", "night").returncode


def test_what_was_taken_for_lost_is_ended_once_its_host_is_used_again(hosts: SshHosts, directory: str) -> None:
    place = executor(hosts, directory, beta=1)
    place.submit([lives(directory, "w1")])
    assert ("w1",) == place.lose("beta")
    assert {"w1": "lost"} == phases(place)
    assert ["w1"] == hosts.sessions("beta")

    place.cancel([(one.session_id, one.mark) for one in place.poll().seen])
    assert ({}, ["w1"]) == (phases(place), hosts.sessions("beta"))
    place.submit([lives(directory, "w2")])
    assert ({"w2": "running"}, ["w2"]) == (phases(place), hosts.sessions("beta"))
    ended(place)


def test_after_a_power_cut_of_a_host_its_workers_are_started_again_and_no_attempt_is_counted(rig: SshRig) -> None:
    rig.night(WAITS + MAKES, TWO)
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    on_beta = rig.placed()["beta"]
    rig.hosts.power_cut("beta")
    rig.hosts.up("beta")
    rig.go("abcdefg")
    rig.ends()

    assert on_beta == sorted(event["worker"] for event in rig.of("relaunched"))
    assert {True} == {event["data"].get("free") for event in rig.of("exited") if "tmux server" in event["data"]["why"]}
    assert "complete" == rig.status()["outcome"]
    assert 0 == rig.run("audit", "night").returncode


def test_what_cannot_run_there_begins_nothing_and_is_said_with_what_mends_it(rig: SshRig) -> None:
    rig.hosts.away("beta")
    try:
        refused = rig.night(MAKES, TWO)
    finally:
        rig.hosts.up("beta")
    unknown = rig.night(MAKES, '{ nowhere = 2, "localhost:1" = 2 }')
    crowded = rig.night(WAITS + MAKES, "{ alpha = 1 }")
    rig.write(PLAN.replace("COMMAND", MAKES).replace("HOSTS", "{}").replace("CONFIG", str(rig.hosts.config)))
    none = rig.run("up", "wakeman.toml")

    assert [1, 1, 0, 2] == [each.returncode for each in (refused, unknown, crowded, none)], (refused, unknown, none)
    assert "beta: " in refused.stderr
    assert "Connection refused" in refused.stderr
    assert f"ssh -F {rig.hosts.config} beta true" in refused.stderr
    assert "nowhere" in unknown.stderr
    assert "expected the hosts and their slots" in none.stderr
    assert 1 == len(rig.of("launched")), "as many at a time as there are slots"


def test_a_host_that_does_not_see_the_state_directory_gets_no_worker(hosts: SshHosts) -> None:
    with TemporaryDirectory(dir=hosts.place / HIDDEN) as directory:
        place = executor(hosts, directory, alpha=1, gamma=5)
        (made,) = place.submit([lives(directory, "w1")])
        with pytest.raises(ProgramError, match=r"gamma: .*must be shared with the hosts"):
            place.submit([lives(directory, "w2")])

        assert ("alpha", ["w1"]) == (made.session_id.partition("@")[2], [one.session for one in place.poll().seen])
        ended(place)


def test_a_session_whose_making_was_not_confirmed_is_found_and_not_made_twice(hosts: SshHosts, directory: str) -> None:
    """A crash came after the host had made it, and before that was written."""
    made = executor(hosts, directory, alpha=2, beta=2).submit([lives(directory, "w1"), lives(directory, "w2")])
    file = Path(directory, "ssh", "placements.jsonl")
    lines = [line for line in file.read_bytes().splitlines(keepends=True) if b'"server"' not in line]
    file.write_bytes(b"".join(lines) + b'\n{"id":"cut o')
    other = executor(hosts, directory, alpha=2, beta=2)

    assert {"w1": "running", "w2": "running"} == phases(other)
    assert made == other.submit([lives(directory, "w1"), lives(directory, "w2")])
    assert 2 == len(hosts.sessions("alpha") + hosts.sessions("beta"))
    ended(other)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_connection_that_breaks_while_a_session_is_made_starts_it_once(
    hosts: SshHosts, directory: str, before: bool
) -> None:
    place = executor(hosts, directory, alpha=2)
    breaks = Path(directory, "ssh.sh")
    real = f'{place._place["ssh"]} "$@"'
    then = "" if before else f"{real}; "
    breaks.write_text(f'#!/bin/sh\ncase "$*" in *new-session*) {then}exit 255 ;; esac\nexec {real}\n')
    breaks.chmod(0o700)
    broken = Ssh({**place._place, "ssh": str(breaks)}, directory, place._env)
    with pytest.raises(ProgramError, match="alpha: the connection broke"):
        broken.submit([lives(directory, "w")])

    (one,) = place.poll().seen
    assert ("lost" if before else "running", "machine" if before else "") == (one.phase, one.ended_by)
    assert (0 if before else 1) == len(hosts.sessions("alpha"))
    assert one.session_id == place.submit([lives(directory, "w")])[0].session_id
    ended(place)


@pytest.mark.parametrize("fails", ["once", "ever"])
def test_a_session_that_a_failing_call_has_not_ended_is_not_forgotten(
    hosts: SshHosts, directory: str, fails: str
) -> None:
    """A call can fail there with a status of its own, such as a shell's that cannot fork."""
    place = executor(hosts, directory, alpha=2)
    (made,) = place.submit([lives(directory, "w")])
    breaks, failed = Path(directory, "ssh.sh"), Path(directory, "failed")
    when = f"[ ! -e {failed} ]" if fails == "once" else "true"
    case = f'case "$*" in *kill-session*) {when} && {{ echo >{failed}; exit 1; }} ;; esac'
    breaks.write_text(f'#!/bin/sh\n{case}\nexec {place._place["ssh"]} "$@"\n')
    breaks.chmod(0o700)
    broken = Ssh({**place._place, "ssh": str(breaks)}, directory, place._env)
    if fails == "once":
        assert 1 == broken.cancel([(made.session_id, "kit/w")])
    else:
        with pytest.raises(ProgramError, match="ssh: alpha: still there: w"):
            broken.cancel([(made.session_id, "kit/w")])
        assert ["w"] == [one.session for one in place.poll().seen]

        assert 1 == place.cancel([(made.session_id, "kit/w")])
    assert failed.exists()
    assert ([], ()) == (hosts.sessions("alpha"), place.poll().seen)


def test_a_server_whose_socket_was_removed_is_not_taken_for_gone(hosts: SshHosts, directory: str) -> None:
    place = executor(hosts, directory, alpha=2)
    place.submit([lives(directory, "w")])
    (hosts.place / "alpha" / f"tmux-{os.getuid()}" / "wakeman").unlink()

    until(lambda: phases(place) == {"w": "running"}, 20)  # it is asked to make its socket anew
    assert {"running", "unknown"} >= set(phases(place).values())
    ended(place)


def test_a_host_that_hangs_is_unknown_and_the_other_is_seen(hosts: SshHosts, directory: str) -> None:
    place = executor(hosts, directory, alpha=1, beta=1)
    place.submit([lives(directory, "w1"), lives(directory, "w2")])
    with hosts.hanging("beta"):
        found = {one.session_id.partition("@")[2]: (one.phase, one.why) for one in place.poll().seen}

    assert ("running", "") == found["alpha"]
    assert "unknown" == found["beta"][0]
    assert "beta" in found["beta"][1]
    ended(place)


def test_a_person_attaches_to_a_session_on_its_host(hosts: SshHosts, directory: str) -> None:
    place = executor(hosts, directory, beta=1)
    place.submit([lives(directory, "w")])
    argv = ["script", "-qec", shlex.join(place.terminal.attach("w")), "/dev/null"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env={"PATH": PATH, "TERM": "xterm"}
    ) as person:
        until(lambda: hosts.tmux("beta", "list-clients", "-F", "#{session_name}") == "w", 20)
        hosts.tmux("beta", "detach-client", "-s", "w")
        assert 0 == person.wait(20)
    ended(place)


def lives(directory: str, session: str) -> Start:
    return Programs(directory).start(session, f"kit/{session}", None)


def phases(place: Ssh) -> dict[str, str]:
    return {one.session: one.phase for one in place.poll().seen}


def ended(place: Ssh) -> None:
    until(lambda: not place.cancel([(one.session_id, one.mark) for one in place.poll().seen]) and not phases(place), 30)
