"""A deployment that another host carries: begun from here by ssh, and its alarms, checks and log are there alone."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.rig import REAL, Rig, Said, rigged
from tests.sshd import UNABLE, SshHosts, running_hosts
from tests.waiting import until

from wakeman.ports import STATE_MARKER

pytestmark = [*REAL, pytest.mark.skipif(bool(UNABLE), reason=f"ssh: {UNABLE}")]

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
name = "night_{{ group.key }}"
socket = "SOCKET"
command = ["sh", "-c", 'WAITS; mkdir -p out; echo made >"out/$1"', "sh", "{{ group.key }}"]
stagger = 0
[wake]
every = "1h"
host = "alpha"
""".replace("WAITS", 'until [ -e "go.$1" ]; do sleep 0.1; done')


class HostRig(Rig):
    """A rig on this machine, and the same directory on hosts that see nothing of it."""

    hosts: SshHosts

    def clean(self) -> dict[str, str]:
        """Return an environment in which ssh finds the hosts, by a configuration that is not the user's."""
        programs = self.place / "bin"
        if not programs.exists():
            programs.mkdir()
            (programs / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.hosts.config} "$@"\n')
            (programs / "ssh").chmod(0o755)
        known = super().clean()
        return {**known, "PATH": f"{programs}:{known['PATH']}", "LANG": "C.UTF-8"}

    def there(self, host: str = "alpha") -> Path:
        """Return where a host has this directory."""
        return self.hosts.disk(host, self.place)

    def prepare(self, host: str = "alpha", plan: str = PLAN) -> None:
        """Write the plan here and there, and have a login shell there find this program."""
        self.write(plan)
        (self.there(host) / "state").mkdir(parents=True)
        (self.there(host) / "state" / STATE_MARKER).touch()
        (self.there(host) / "wakeman.toml").write_text((self.place / "wakeman.toml").read_text())
        self.profile(host).write_text(f"PATH={shlex.quote(os.path.dirname(sys.executable))}:$PATH\n")

    def profile(self, host: str) -> Path:
        return self.hosts.place / host / ".profile"

    def ask(self, *words: str, env: dict[str, str] | None = None, text: str = "") -> Said:
        """Call the program with no state directory named."""
        argv = [sys.executable, "-P", "-m", "wakeman", *words]
        given = {**self.clean(), **(env or {})}
        return subprocess.run(
            argv, cwd=self.place, env=given, capture_output=True, text=True, timeout=60, input=text or None
        )

    def commands(self) -> list[str]:
        """List the command lines that run."""
        return subprocess.run(["ps", "ax", "-o", "args="], capture_output=True, text=True).stdout.splitlines()

    def told(self, *, look: bool = False) -> dict[str, Any]:
        """Return what the host says of the deployment; `look` checks first."""
        if look:
            self.ask("--on", "alpha", "check", "night")
        found: dict[str, Any] = json.loads(self.ask("--on", "alpha", "status", "night", "--json").stdout)
        return found

    def shell(self, host: str, line: str) -> None:
        """Run a line of shell on a host."""
        subprocess.run(["ssh", "-F", self.hosts.config, host, line], check=True, capture_output=True, timeout=30)

    def server_there(self) -> str:
        """Return the process of the host's tmux server."""
        argv = ["tmux", "-S", str(self.hosts.disk("alpha", self.socket)), "display-message", "-p", "#{pid}"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def end_there(self, host: str) -> None:
        self.ask("--on", host, "down", "night")


@pytest.fixture(scope="module")
def hosts() -> Iterator[SshHosts]:
    with running_hosts(apart=True, atd=True) as hosts:
        yield hosts


@pytest.fixture
def rig(hosts: SshHosts) -> Iterator[HostRig]:
    with rigged(HostRig) as rig:
        rig.hosts = hosts
        yield rig
        for host in ("alpha", "beta"):
            if rig.there(host).exists():
                rig.end_there(host)
            shutil.rmtree(hosts.place / host / ".local", ignore_errors=True)


def test_a_night_goes_on_there_while_nothing_of_it_is_here(rig: HostRig) -> None:
    rig.prepare()
    said = rig.ask("up", "wakeman.toml")
    assert 0 == said.returncode, said
    assert "night is up: 2 units, 2 workers" in said.stdout
    assert said.stderr.endswith("next: wakeman wait night --on alpha; wakeman log night --on alpha\n"), said.stderr
    assert "a process that sleeps" not in said.stderr, "its alarm is a job of `at` there"
    (job,) = (rig.hosts.place / "alpha.cron" / "atjobs").glob("a*")
    assert b"night" in job.read_bytes()
    assert not list(rig.place.glob("state")), "nothing of it is here"
    for key in "ab":
        (rig.there() / f"go.{key}").touch()
    until(lambda: "complete" == rig.told()["outcome"], 60)

    assert ["made\n"] * 2 == [(rig.there() / "out" / key).read_text() for key in "ab"]
    assert 0 == rig.ask("audit", "night", env={"WAKEMAN_ON": "alpha"}).returncode
    assert 3 == rig.ask("status", "night").returncode
    assert not (rig.place / "out").exists()


def test_its_alarm_alone_finds_what_a_power_cut_ended_there(rig: HostRig) -> None:
    rig.prepare()
    assert 0 == rig.ask("up").returncode
    until(lambda: {"running"} == {each["state"] for each in rig.told()["workers"]}, 30)
    server = rig.server_there()
    below = subprocess.run(["pgrep", "-P", server], capture_output=True, text=True).stdout.split()
    for each in (server, *below):
        os.kill(int(each), signal.SIGKILL)
    rig.shell("alpha", 'for job in $(atq | cut -f 1); do at -c "$job" | at -t 202001010000; atrm "$job"; done')
    until(lambda: {2} == {each["attempt"] for each in rig.told()["workers"]}, 60)

    checks = rig.ask("--on", "alpha", "log", "night", "--json").stdout
    assert '"by":"at' in checks.replace(" ", ""), checks[-2000:]


def test_the_plan_there_is_the_one_here_or_nothing_runs(rig: HostRig) -> None:
    rig.prepare()
    (rig.place / "wakeman.toml").write_text(PLAN.replace('"1h"', '"2h"').replace("SOCKET", str(rig.socket)))
    other = rig.ask("up")
    assert 2 == other.returncode
    assert "error: alpha: wakeman.toml: is another there; expected it as here\n" in other.stderr
    (rig.there() / "wakeman.toml").unlink()
    gone = rig.ask("up", "--json")
    assert "alpha: wakeman.toml: no such file there; expected it as here" == json.loads(gone.stdout)["error"]
    assert 0 == rig.call(["sh", "-c", json.loads(gone.stdout)["hint"]]).returncode, (
        "the hint is a command that mends it"
    )
    assert 0 == rig.ask("up").returncode
    assert "7200" in rig.ask("--on", "alpha", "log", "night", "--json").stdout


@pytest.mark.parametrize("verb", ["amend", "doctor"])
def test_other_verbs_about_the_plan_run_there_too(rig: HostRig, verb: str) -> None:
    rig.prepare()
    assert 0 == rig.ask("up").returncode
    said = rig.ask(verb, "wakeman.toml", "--json")
    assert json.loads(said.stdout)["ok"], said
    assert f"{rig.place}/state" in said.stdout, "the one that is there"


def test_what_a_verb_prints_and_how_it_ends_is_what_it_did_there(rig: HostRig) -> None:
    rig.prepare()
    unknown = rig.ask("--on", "alpha", "status", "nobody", "--json")
    assert (3, False) == (unknown.returncode, json.loads(unknown.stdout)["ok"])
    assert "wakeman --on alpha status" == json.loads(unknown.stdout)["hint"]
    by_variable = rig.ask("status", "nobody", env={"WAKEMAN_ON": "alpha", "WAKEMAN_JSON": "1"})
    assert (3, unknown.stdout) == (by_variable.returncode, by_variable.stdout), "all variables of options go along"
    wrong = rig.ask("status", "--on=alpha", "--only", "asleep")
    assert 2 == wrong.returncode
    assert "found 'asleep'" in wrong.stderr


def test_a_plan_on_stdin_goes_along(rig: HostRig) -> None:
    rig.prepare()
    plan = (rig.place / "wakeman.toml").read_text()
    here = rig.ask("up", "-", text=plan)
    assert 2 == here.returncode
    assert "wakeman --on alpha" in here.stderr, here
    there = rig.ask("--on", "alpha", "up", "-", text=plan)
    assert 0 == there.returncode, there
    assert 2 == len(rig.told()["workers"])


def test_a_directory_of_another_name_is_named_behind_the_host(rig: HostRig) -> None:
    rig.prepare()
    other = rig.hosts.place / "alpha" / "my nights"
    rig.there().rename(other)
    missing = rig.ask("--on", "alpha", "status")
    assert 2 == missing.returncode
    assert f"alpha: {rig.place}: no such directory there" in missing.stderr
    plan = PLAN.replace('host = "alpha"', 'host = "alpha:my nights"')
    rig.write(plan)
    (other / "wakeman.toml").write_text((rig.place / "wakeman.toml").read_text())
    said = rig.ask("up")
    assert 0 == said.returncode, said
    assert "wakeman wait night --on 'alpha:my nights'" in said.stderr
    ended = rig.ask("--on", "alpha:~/my nights", "down")
    assert 0 == ended.returncode, ended
    assert "undo: wakeman redo night --on 'alpha:~/my nights'" in ended.stdout


def test_a_host_that_cannot_be_used_says_why_and_what_to_do(rig: HostRig) -> None:
    rig.prepare()
    rig.profile("alpha").unlink()
    without = rig.ask("up")
    assert 1 == without.returncode
    assert "alpha: wakeman: not found there" in without.stderr
    assert "ssh alpha pipx install wakeman" in without.stderr
    assert "wakeman --on . up wakeman.toml" in without.stderr, "the machine may be that host"
    option = rig.ask("--on", "-oProxyCommand=touch broken", "status")
    assert 2 == option.returncode
    assert "expected HOST or HOST:DIR" in option.stderr
    rig.hosts.away("alpha")
    try:
        silent = rig.ask("--on", "alpha", "status", "--json")
    finally:
        rig.hosts.up("alpha")
    assert 1 == silent.returncode
    assert "the verb may have run there" in json.loads(silent.stdout)["error"]
    page = rig.ask("--on", "alpha", "serve", "--port", "8700")
    assert "ssh -L 8700:127.0.0.1:8700 alpha wakeman serve --port 8700" in page.stderr


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash", "/bin/false", ""])
def test_any_shell_of_the_user_there_will_do(rig: HostRig, shell: str) -> None:
    """`/bin/false` stands for a shell that is none of those known: it is not asked, and its user has `~/.local/bin`."""
    rig.prepare()
    rig.profile("alpha").rename(
        rig.profile("alpha").with_name(".profile" if shell in ("/bin/sh", "/bin/bash") else "off")
    )
    own = rig.hosts.place / "alpha" / ".local" / "bin"
    own.mkdir(parents=True)
    if shell in ("/bin/false", ""):
        (own / "wakeman").symlink_to(Path(sys.executable).with_name("wakeman"))
    rig.clean()
    words = f"[*sys.argv[1:-1], 'SHELL={shell}; export SHELL; ' + sys.argv[-1]]"
    call = f"import os, sys; os.execv('/usr/bin/ssh', ['ssh', '-F', {str(rig.hosts.config)!r}, *{words}])"
    (rig.place / "bin" / "ssh").write_text(f"#!{sys.executable}\n{call}\n")
    said = rig.ask("--on", "alpha", "status", "nobody")
    assert (3, "error: nobody: no such deployment") == (said.returncode, said.stderr[:33]), said


def test_a_person_at_a_terminal_has_one_there(rig: HostRig) -> None:
    rig.prepare()
    assert 0 == rig.ask("up").returncode
    line = shlex.join([sys.executable, "-P", "-m", "wakeman", "--on", "alpha", "status", "night"])
    env = {**rig.clean(), "TERM": "xterm-256color"}
    shown = subprocess.run(
        ["script", "-qec", line, "/dev/null"], cwd=rig.place, env=env, capture_output=True, text=True
    )
    assert "\x1b[" in shown.stdout, "in colours, as on a terminal"
    assert "closed." not in shown.stdout, "ssh says nothing of its own"
    assert "\x1b[" not in rig.ask("--on", "alpha", "status", "night").stdout


def test_a_connection_that_breaks_is_no_answer(rig: HostRig) -> None:
    rig.prepare()
    assert 0 == rig.ask("up").returncode
    argv = [sys.executable, "-P", "-m", "wakeman", "--on", "alpha", "wait", "night", "--timeout", "60s"]
    waiting = subprocess.Popen(argv, cwd=rig.place, env=rig.clean(), text=True, stderr=subprocess.PIPE)
    until(lambda: any("wait night" in line for line in rig.commands()), 30)
    rig.hosts.away("alpha")
    try:
        _, said = waiting.communicate(timeout=60)
    finally:
        rig.hosts.up("alpha")
    assert 1 == waiting.returncode
    assert "the verb may have run there" in said
    assert "wakeman --on alpha status" in said
    for key in "ab":
        (rig.there() / f"go.{key}").touch()
    until(lambda: "complete" == rig.told()["outcome"], 60)


def test_the_host_may_be_one_of_those_that_workers_run_on(rig: HostRig) -> None:
    """Its own workers come by ssh, too; what they make is brought from each host to it, and nothing to this machine."""
    plan = PLAN.replace('socket = "SOCKET"', 'executor = "ssh"\nstage = true').replace(
        "[wake]",
        f"[ssh]\nhosts = {{ alpha = 1, beta = 1 }}\nconfig = '{rig.hosts.config}'\nfiles = 'copied'\n[wake]",
    )
    makes = 'o=$(cut -f 1 "${2%/*}/outputs"); echo made >"$o"'
    plan = plan.replace('mkdir -p out; echo made >"out/$1"', makes).replace(
        '"{{ group.key }}"]', '"{{ group.key }}", "{{ units_file }}"]'
    )
    rig.prepare(plan=plan)
    rig.there("beta").mkdir(parents=True)
    said = rig.ask("up")
    assert 0 == said.returncode, said
    until(lambda: {"running"} == {each["state"] for each in rig.told(look=True)["workers"]}, 60)
    assert {"alpha", "beta"} == {each["host"] for each in rig.told()["workers"]}
    for host in ("alpha", "beta"):
        for key in "ab":
            (rig.there(host) / f"go.{key}").touch()
    until(lambda: "complete" == rig.told(look=True)["outcome"], 60)
    print(rig.ask("--on", "alpha", "log", "night").stdout)
    print(subprocess.run(["find", rig.hosts.place, "-path", "*out*"], capture_output=True, text=True).stdout)
    assert ["made\n"] * 2 == [(rig.there() / "out" / key).read_text() for key in "ab"]
    assert not (rig.there("beta") / "out").exists()
    assert not (rig.place / "out").exists()
    assert 0 == rig.ask("--on", "alpha", "audit", "night").returncode


def test_with_a_shared_directory_other_machines_say_where_it_is_live(rig: HostRig) -> None:
    rig.write(PLAN)
    assert 0 == rig.run("--on", ".", "up", "wakeman.toml").returncode, "this machine is taken for that host"
    said = rig.elsewhere("stop", "night_a")
    assert 1 == said.returncode
    option = f"--state {rig.state}"
    assert f"wakeman --on alpha {option} status night, or wakeman {option} adopt night" in said.stderr, said.stderr


def test_the_hint_for_a_directory_that_is_not_there_makes_it(rig: HostRig) -> None:
    rig.prepare()
    shutil.rmtree(rig.there())
    said = json.loads(rig.ask("up", "--json").stdout)
    assert f"alpha: {rig.place}: no such directory there; expected that of the plan" == said["error"]
    made = rig.call(["sh", "-c", said["hint"].partition("; or")[0]])
    assert 0 == made.returncode, made
    assert 0 == rig.ask("up").returncode
