"""The keys of `[ssh]`: which are taken, and which are refused with what to write instead."""

from __future__ import annotations

import pytest

from wakeman.core.errors import PlanError
from wakeman.core.model import Plan, SshSpec
from wakeman.core.plan.parser import read_plan

PLAN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
executor = "EXECUTOR"
command = ["true"]
"""
COPIED = "[ssh]\nhosts = { alpha = 4 }\nfiles = 'copied'\n"
HOSTS = "[ssh]\nhosts = { alpha = 4, 'me@beta.example' = 8 }\n"


def parsed(rest: str = HOSTS, executor: str = "ssh", *, workers: str = "") -> Plan:
    return read_plan(PLAN.replace("EXECUTOR", executor) + workers + rest, "wakeman.toml")


def test_hosts_are_names_with_slots() -> None:
    assert SshSpec(hosts={"alpha": 4, "me@beta.example": 8}) == parsed().ssh


def test_files_are_copied_and_what_is_sent_is_named() -> None:
    expected = SshSpec(hosts={"alpha": 4}, files="copied", send=("src", ".", "a..b/c"))
    assert expected == parsed(COPIED + "send = ['src', '.', 'a..b/c']", workers="stage = true\n").ssh


@pytest.mark.parametrize("most", [1, 12])
def test_as_many_run_at_a_time_as_there_are_slots_or_fewer(most: int) -> None:
    assert most == parsed(workers=f"at_once = {most}\n").workers.at_once


@pytest.mark.parametrize(
    ("rest", "executor", "workers", "says"),
    [
        ("", "ssh", "", "ssh.hosts: found none; expected the hosts and their slots"),
        ("[ssh]\nhosts = { alpha = 0 }", "ssh", "", "ssh.hosts.alpha: "),
        ("[ssh]\nhosts = { '-oProxyCommand=x' = 1 }", "ssh", "", "found '-oProxyCommand=x'; expected a host's name"),
        ("[ssh]\nhosts = { 'a b' = 1 }", "ssh", "", "found 'a b'; expected a host's name"),
        (HOSTS, "tmux", "", "ssh: found without workers.executor = 'ssh'; expected only beside it"),
        (HOSTS, "slurm", "", "ssh: found without workers.executor = 'ssh'; expected only beside it"),
        (HOSTS + "[slurm]\ncpus = 2", "ssh", "", "slurm: found without workers.executor = 'slurm'"),
        (HOSTS, "ssh", "at_once = 13\n", "workers.at_once: found 13; expected at most 12, the slots in ssh.hosts"),
        (COPIED, "ssh", "", "ssh.files: found 'copied' without workers.stage; expected stage = true"),
        (COPIED, "ssh", "stage = true\nconfine = 'units'\n", "workers.confine: found beside ssh.files = 'copied'"),
        (HOSTS + "send = ['a']", "ssh", "", "ssh.send: found beside ssh.files = 'shared'; expected files = 'copied'"),
        (COPIED + "send = ['/a']", "ssh", "stage = true\n", "ssh.send[0]: found '/a'; expected a path within"),
        (COPIED + "send = ['a', 'b/../..']", "ssh", "stage = true\n", "ssh.send[1]: found 'b/../..'; expected a path"),
        (COPIED + 'send = ["a\\u0000"]', "ssh", "stage = true\n", "ssh.send[0]: found 'a\\x00'; expected text"),
        (COPIED + "send = ['']", "ssh", "stage = true\n", "ssh.send[0]: found ''; expected a path within"),
        (HOSTS + '[limits]\nmemory = "1G"', "ssh", "", "limits.memory: found beside workers.executor = 'ssh'"),
    ],
)
def test_what_is_refused_is_said_with_what_to_write(rest: str, executor: str, workers: str, says: str) -> None:
    with pytest.raises(PlanError) as refused:
        parsed(rest, executor, workers=workers)

    assert says in str(refused.value)


def test_a_back_end_of_another_package_may_read_the_table() -> None:
    assert {"alpha": 4, "me@beta.example": 8} == parsed(executor="mine").ssh.hosts


def test_without_hosts_nothing_is_said_about_their_slots() -> None:
    with pytest.raises(PlanError) as refused:
        parsed("", workers="at_once = 1\n")

    assert "workers.at_once" not in str(refused.value)


def test_one_slot_is_the_bound_of_one() -> None:
    with pytest.raises(PlanError, match=r"workers\.at_once: found 2; expected at most 1"):
        parsed("[ssh]\nhosts = { alpha = 1 }\n", workers="at_once = 2\n")


@pytest.mark.parametrize("host", ["-x", "a b", "alpha:", "."])
def test_a_plan_is_carried_by_a_host_that_ssh_knows(host: str) -> None:
    plan = f'name = "night"\n[units]\nitems = ["a"]\noutput = "{{{{ unit }}}}"\n[wake]\nhost = "{host}"\n'
    told = "wake.host: found \".*\"; expected HOST or HOST:DIR, as in 'alpha'"
    with pytest.raises(PlanError, match=told):
        read_plan(plan, "night.toml")
