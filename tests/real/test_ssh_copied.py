"""Workers on hosts that share no disk with this machine: what is sent, what comes back, and what goes wrong between."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from tests.real.rig import REAL, Said, SteppedRig, rigged
from tests.sshd import HOSTS, PATH, UNABLE, SshHosts, running_hosts
from tests.waiting import until

from wakeman.adapters.ssh import Ssh
from wakeman.adapters.ssh.copies import RECORD_BYTES_MAX
from wakeman.core.errors import ProgramError
from wakeman.ports import Carried, SessionInfo, Sought, Start

pytestmark = [*REAL, pytest.mark.skipif(bool(UNABLE), reason=f"ssh: {UNABLE}")]

PLAN = """\
name = "night"
[units]
items = ["a", "b", "c", "d"]
output = "out/{{ unit }}"
[workers]
executor = "ssh"
stage = true
name = "night_{{ group.key }}"
command = ["sh", "-c", 'COMMAND', "sh", "{{ group.key }}", "{{ units_file }}"]
stagger = 0
[ssh]
hosts = HOSTS
config = "CONFIG"
files = "copied"
send = ["src"]
[stuck]
backoff = 0
[wake]
every = "1h"
"""
MAKES = 'o=$(cut -f 1 "${2%/*}/outputs"); cat src/in >"$o"; pwd -P >>"$o"'
"""Writes the one output to make, at the path that the attempt was given."""
WAITS = 'until [ -e "go.$1" ]; do sleep 0.1; done; '
THREE = "{ alpha = 1, beta = 1, gamma = 1 }"


class CopiedRig(SteppedRig):
    """A rig whose program calls hosts that see nothing of it."""

    hosts: SshHosts

    def night(self, command: str, slots: str) -> Said:
        """Begin a night of four workers."""
        (self.place / "src").mkdir(exist_ok=True)
        (self.place / "src" / "in").write_text("given\n")
        text = PLAN.replace("COMMAND", command).replace("HOSTS", slots).replace("CONFIG", str(self.hosts.config))
        self.write(text)
        return self.run("up", "wakeman.toml")

    def go(self, keys: str) -> None:
        for host in HOSTS:
            for key in keys:
                self.there(host).mkdir(parents=True, exist_ok=True)
                (self.there(host) / f"go.{key}").touch()

    def there(self, host: str) -> Path:
        """Return where a host has the plan's directory."""
        place = self.hosts.disk(host, self.place)
        return self.hosts.disk(host, place.readlink()) if place.is_symlink() else place


@pytest.fixture(scope="module")
def hosts() -> Iterator[SshHosts]:
    with running_hosts(apart=True) as hosts:
        yield hosts


@pytest.fixture
def rig(hosts: SshHosts) -> Iterator[CopiedRig]:
    with rigged(CopiedRig) as rig:
        rig.hosts = hosts
        yield rig


def test_a_night_runs_on_hosts_that_see_nothing_of_this_machine(rig: CopiedRig) -> None:
    elsewhere = Path(f"{rig.place}.elsewhere")
    rig.hosts.disk("gamma", elsewhere).mkdir()
    rig.hosts.disk("gamma", rig.place).symlink_to(elsewhere)
    said = rig.night(WAITS + MAKES, THREE)
    assert 0 == said.returncode, said
    there = [path.name for host in HOSTS for path in rig.there(host).iterdir()]
    assert {"src", "state"} == set(there), "nothing is left there of what was tried"
    until(lambda: sorted(rig.states().values()) == ["pending"] + ["running"] * 3, 60)
    rig.go("abcd")
    rig.ends()

    assert "complete" == rig.status()["outcome"], rig.trail()
    assert {f"given\n{rig.place}\n", f"given\n{elsewhere}\n"} == {
        (rig.place / "out" / key).read_text() for key in "abcd"
    }
    assert 0 == rig.run("audit", "night").returncode


def test_what_was_lost_and_still_writes_never_takes_the_place_of_what_was_made_instead(rig: CopiedRig) -> None:
    """Each copy of an attempt waits on its own host, and writes its host's name."""
    writes = WAITS + 'cat /tmp/who >"$(cut -f 1 "${2%/*}/outputs")"; touch "/tmp/wrote.$1"'
    for host in HOSTS:
        (rig.hosts.disk(host, Path("/tmp")) / "who").write_text(host)
    assert 0 == rig.night(writes, "{ alpha = 4, beta = 3 }").returncode
    until(lambda: set(rig.states().values()) == {"running"}, 60)
    (lost, *_) = rig.hosts.sessions("beta")
    key = lost.removeprefix("night_")
    rig.hosts.away("beta")
    try:
        said = rig.run("lost", "beta")
        rig.go("abcd")  # on both: a partition stops no worker
        until((rig.hosts.disk("beta", Path("/tmp")) / f"wrote.{key}").exists, 30)
    finally:
        rig.hosts.up("beta")
    rig.ends()
    rig.hosts.tmux("beta", "kill-server")

    assert 0 == said.returncode, said
    stale = rig.hosts.disk("beta", rig.state) / "night" / "attempts" / f"{lost}.1" / "stage" / "out" / key
    assert ("alpha", "beta") == ((rig.place / "out" / key).read_text(), stale.read_text())
    assert not (rig.state / "night" / "attempts" / f"{lost}.1" / "stage" / "out" / key).exists()
    assert "complete" == rig.status()["outcome"], rig.trail()
    assert 0 == rig.run("audit", "night").returncode


def test_clean_removes_from_hosts_what_was_made_there_and_nothing_else(rig: CopiedRig) -> None:
    """On beta the plan's directory is a checkout of the user's, with a file of the same name."""
    theirs = rig.there("beta")
    (theirs / "src").mkdir(parents=True)
    (theirs / "src" / "in").write_text("as it was")
    (theirs / "src" / "own").write_text("mine")
    assert 0 == rig.night(MAKES, THREE).returncode
    rig.ends()
    there = {host: (rig.there(host) / "src" / "in").read_text() for host in HOSTS}
    (rig.there("gamma") / "src" / "in").write_text("changed there")

    would = rig.run("clean", "night", "--dry-run")
    kept = [(rig.there(host) / "state" / "night").is_dir() for host in HOSTS]
    said = rig.run("clean", "night")

    assert dict.fromkeys(HOSTS, "given\n") == there
    assert "remove what was copied to its hosts" in would.stdout
    assert [True] * 3 == kept
    assert 0 == said.returncode, said
    assert "night: moved to " in said.stdout
    assert not rig.there("alpha").exists()
    assert {"src", "src/in", "src/own"} == _below(theirs)
    assert {"src", "src/in"} == _below(rig.there("gamma")), "what was changed there is whoever's changed it"


def test_a_host_that_does_not_answer_is_told_and_a_later_clean_finishes_it(rig: CopiedRig) -> None:
    assert 0 == rig.night(MAKES, THREE).returncode
    rig.ends()
    rig.hosts.away("beta")
    try:
        first = rig.run("clean", "night", "--json")
        left = [host for host in HOSTS if rig.there(host).exists()]
    finally:
        rig.hosts.up("beta")
    second = rig.run("clean", "night")

    assert 1 == first.returncode
    answer = json.loads(first.stdout)
    assert ["beta"] == list(answer["hosts"]) == left
    assert ("", False) == (answer["moved_to"], answer["ok"])
    assert "wakeman clean night --leave-copies" in " ".join(answer["next"])
    assert 0 == second.returncode, second
    assert not rig.there("beta").exists()
    assert not (rig.state / "night").exists()


def test_a_host_that_never_comes_back_keeps_no_deployment_from_being_cleaned(rig: CopiedRig) -> None:
    assert 0 == rig.night(MAKES, "{ alpha = 4 }").returncode
    rig.ends()
    rig.hosts.away("alpha")
    try:
        said = rig.run("clean", "night", "--leave-copies")
    finally:
        rig.hosts.up("alpha")

    assert 0 == said.returncode, said
    assert "moved to " in said.stdout
    assert (rig.there("alpha") / "src" / "in").exists()


SPOKEN = """\
name = "NAME"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
EXECUTOR
stage = true
name = "NAME_{{ group.key }}"
by = "{{ unit }}"
harness = "claude"
mode = "interactive"
prompt = "do it"
auto_approve = "edits"
stagger = 0
[limits]
MORE
[wake]
every = "1h"
"""
CLIENT = """\
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in
    --session-id | --resume) session=$2 ;;
    --settings) attempt=${2%/*} ;;
    esac
    shift
done
project=$HOME/.claude/projects/$(pwd -P | sed 's/[^A-Za-z0-9]/-/g')
mkdir -p "$project"
cat PLACE/record.jsonl >>"$project/another-session.jsonl"
sed "s/00000000-0000-4000-8000-000000000001/$session/" PLACE/record.jsonl >>"$project/$session.jsonl"
cut -f 1 "$attempt/outputs" | while read -r output; do echo made >"$output"; done
echo '{"hook_event_name":"Stop"}' >"$attempt/said/hook"
exec sleep 600
"""
"""Does its task at once, and stores a session of Claude Code that was recorded."""
RECORDED = Path(__file__).parents[1] / "adapters" / "sessions" / "claude-live-done.json"


def spoken(rig: CopiedRig, name: str, slots: str = "", more: str = "") -> Said:
    """Begin a night of two clients: on hosts with slots, or without any on this machine."""
    (rig.place / "bin").mkdir(exist_ok=True)
    client = rig.place / "bin" / "claude"
    client.write_text(CLIENT.replace("PLACE", str(rig.place)))
    client.chmod(0o755)
    (rig.place / "record.jsonl").write_text(json.loads(RECORDED.read_text())["record"])
    trusted = {str(rig.place): {"hasTrustDialogAccepted": True}}
    (rig.place / ".claude.json").write_text(json.dumps({"hasCompletedOnboarding": True, "projects": trusted}))
    here, config = f'socket = "{rig.socket}"', str(rig.hosts.config)
    text = SPOKEN.replace("NAME", name).replace("MORE", more)
    if slots:
        ssh = f'[ssh]\nhosts = {slots}\nconfig = "{config}"\nfiles = "copied"\nsend = ["bin", "record.jsonl"]\n'
        text = text.replace("EXECUTOR", 'executor = "ssh"') + ssh
    rig.write(text.replace("EXECUTOR", here))
    return rig.run("up", "wakeman.toml", env=rig.clean() | {"PATH": f"{rig.place}/bin:{PATH}"})


def checked(rig: CopiedRig, name: str) -> dict[str, Any]:
    """Look once more, and return the state."""
    rig.run("check", name)
    return rig.status(name)


def test_what_a_client_used_on_a_host_is_counted_as_here(rig: CopiedRig) -> None:
    """On gamma the directory has another real path, and so the client another name for it."""
    elsewhere = Path(f"{rig.place}.elsewhere")
    rig.hosts.disk("gamma", elsewhere).mkdir()
    rig.hosts.disk("gamma", rig.place).symlink_to(elsewhere)
    assert 0 == spoken(rig, "near").returncode
    until(lambda: checked(rig, "near")["outcome"] != "open", 60)
    for name in ("a", "b"):
        (rig.place / "out" / name).unlink()
    said = spoken(rig, "far", "{ alpha = 1, gamma = 1 }")
    assert 0 == said.returncode, said
    until(lambda: checked(rig, "far")["outcome"] != "open", 60)
    near, far = rig.status("near"), rig.status("far")

    assert ("complete", "complete") == (near["outcome"], far["outcome"]), rig.run("log", "far").stdout
    assert {"alpha", "gamma"} == {worker["host"] for worker in far["workers"]}
    assert near["tokens"]["input"] > 0
    assert near["tokens"] == far["tokens"]
    assert [worker["tokens"] for worker in near["workers"]] == [worker["tokens"] for worker in far["workers"]]
    brought = [*(rig.state / "far" / "attempts").glob("*/record/projects/*/*.jsonl")]
    assert 2 == len(brought), "no other session of the client comes"
    assert 0 == rig.run("audit", "far").returncode


def test_a_limit_of_tokens_holds_for_what_is_used_on_hosts(rig: CopiedRig) -> None:
    assert 0 == spoken(rig, "night", "{ alpha = 1 }", "max_tokens = 100").returncode

    until(lambda: sorted(rig.states().values()) == ["pending", "verified"], 60)

    assert ["pending", "verified"] == sorted(rig.states().values())
    assert rig.status()["tokens"]["input"] > 100
    assert 0 == rig.run("down", "night").returncode


def _below(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


# --- what is copied, by the executor alone --------------------------------------------------------------------


class Yard:
    """A deployment's directory, and what a host has of it."""

    def __init__(self, hosts: SshHosts, place: Path, name: str = "night") -> None:
        self.hosts, self.place, self.directory = hosts, place, place / "state" / name
        self.directory.mkdir(parents=True)

    def executor(self, *, rsync: str = "/usr/bin/rsync", slots: str = '{"alpha":9}', send: str = "[]") -> Ssh:
        """Return an executor, as another process has it."""
        place = {"ssh": "/usr/bin/ssh", "config": str(self.hosts.config), "socket": "wakeman", "hosts": slots}
        return Ssh({**place, "rsync": rsync, "send": send}, str(self.directory), {"PATH": PATH}, str(self.place))

    def there(self, host: str = "alpha") -> Path:
        """Return where a host has the deployment's directory."""
        return self.hosts.disk(host, self.directory)

    def start(self, name: str, script: str, *needs: str) -> Start:
        """Return a session whose script runs in its stage, and leaves its status."""
        own = f"{self.directory}/attempts/{name}.1"
        carried = Carried(
            needs=(f"{own}/", *needs),
            leaves=(f"{own}/stage/", f"{own}/said/"),
            posts=(f"{self.directory}/spool/", f"{own}/said/wrote."),
            last=f"{own}/exit",
        )
        Path(own, "stage").mkdir(parents=True)
        ends = f"; echo 0 >{own}/exit.tmp; mv {own}/exit.tmp {own}/exit; sleep 600"
        argv = ("/bin/sh", "-c", f"cd {own}/stage; {script}{ends}")
        return Start(name, f"kit/{name}/1@1", argv, str(self.place), {"PATH": PATH}, carried=carried)

    def came(self, name: str, path: str) -> Path:
        """Return where something of an attempt is here."""
        return self.directory / "attempts" / f"{name}.1" / path

    def ended(self, name: str, host: str = "alpha") -> bool:
        """Return whether an attempt has ended on its host."""
        return (self.there(host) / "attempts" / f"{name}.1" / "exit").exists()

    def slow(self) -> str:
        """Return a program that copies ever so slowly."""
        program = self.place / "slow"
        program.write_text('#!/bin/sh\nexec rsync --bwlimit=100 "$@"\n')
        program.chmod(0o700)
        return str(program)

    def copying(self) -> bool:
        """Return whether a part of a file has come, under a name of its own."""
        return any(each.stat().st_size for each in (self.directory / "ssh" / "part").glob("*/*"))


@pytest.fixture
def yard(hosts: SshHosts) -> Iterator[Yard]:
    with TemporaryDirectory(prefix="wky", dir="/tmp") as place:
        yard = Yard(hosts, Path(place))
        for host in HOSTS:
            hosts.disk(host, yard.place).mkdir()
        yield yard
        for host in HOSTS:
            hosts.tmux(host, "kill-server")


def seen(place: Ssh) -> dict[str, SessionInfo]:
    return {one.session: one for one in place.poll().seen}


def silent(place: Ssh) -> str:
    """Look, where nothing can be known; return why."""
    listing = place.poll()
    assert "unknown" == listing.state, listing
    return listing.why


POLLS = """
import sys
from pathlib import Path
from tests.real.test_ssh_copied import Yard
from tests.sshd import SshHosts
yard = Yard.__new__(Yard)
yard.hosts, yard.place = SshHosts(Path(sys.argv[1]), apart=True), Path(sys.argv[2])
yard.directory = yard.place / "state" / "night"
print(yard.executor(rsync=sys.argv[3]).poll().state)
"""


@pytest.mark.parametrize("ends", ["the host is cut off", "rsync is killed", "the program is killed"])
def test_a_copy_that_is_cut_off_is_no_output_and_no_end_and_the_next_look_has_both(yard: Yard, ends: str) -> None:
    yard.executor().submit([yard.start("w", "head -c 800000 /dev/urandom >'big one'")])
    until(lambda: yard.ended("w"), 20)
    argv = [sys.executable, "-c", POLLS, str(yard.hosts.place), str(yard.place), yard.slow()]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as looks:
        until(yard.copying, 30)
        rsync = rsync_below(looks.pid)
        if ends == "the host is cut off":
            yard.hosts.away("alpha")
        else:
            os.kill(rsync if ends == "rsync is killed" else looks.pid, signal.SIGKILL)
        said = looks.communicate(timeout=60)[0]
    first = [yard.came("w", name).exists() for name in ("stage/big one", "exit")]
    if ends == "the host is cut off":
        yard.hosts.up("alpha")
    after = seen(yard.executor())["w"]
    with suppress(ProcessLookupError):
        os.kill(rsync, signal.SIGKILL)  # what outlived the program that began it

    assert "" == said if ends == "the program is killed" else "unknown" == said.strip()
    assert [False, False] == first
    assert "running" == after.phase, after
    whole = yard.there() / "attempts" / "w.1" / "stage" / "big one"
    assert whole.read_bytes() == yard.came("w", "stage/big one").read_bytes()
    assert "0\n" == yard.came("w", "exit").read_text()


def rsync_below(number: int) -> int:
    """Return the rsync that a process has started."""
    ran = subprocess.run(["pgrep", "-P", str(number)], capture_output=True, text=True, check=True)
    return int(ran.stdout.split()[0])


SUBMITS = """
yard.executor(rsync=sys.argv[3]).submit([yard.start("w", "true", f"{yard.directory}/prompts/w.1.md")])
"""


def test_a_program_that_is_killed_while_it_sends_has_begun_nothing_and_the_next_one_knows(yard: Yard) -> None:
    (yard.directory / "prompts").mkdir()
    (yard.directory / "prompts" / "w.1.md").write_bytes(os.urandom(800_000))
    script = POLLS[: POLLS.index("print")] + SUBMITS
    argv = [sys.executable, "-c", script, str(yard.hosts.place), str(yard.place), yard.slow()]
    prompt = yard.there() / "prompts"
    with subprocess.Popen(argv) as sends:
        until(lambda: prompt.exists() and any(each.stat().st_size for each in prompt.glob(".w.1.md.*")), 30)
        rsync = rsync_below(sends.pid)
        sends.kill()
    with suppress(ProcessLookupError):
        os.kill(rsync, signal.SIGKILL)
    place = yard.executor()
    (one,) = place.poll().seen

    assert ("w", "lost", "machine") == (one.session, one.phase, one.ended_by)
    assert ([], False) == (yard.hosts.sessions("alpha"), (prompt / "w.1.md").exists())
    assert 1 == place.cancel([(one.session_id, one.mark)])
    place.submit([yard.start("v", "true")])
    assert ["v"] == yard.hosts.sessions("alpha")


def test_a_report_comes_once_whatever_broke_and_an_unfinished_one_stays(yard: Yard) -> None:
    place = yard.executor()
    place.submit([yard.start("w", "mkdir -p ../said; echo mine >../said/wrote.1; echo half >../said/wrote.2.tmp")])
    until(lambda: yard.ended("w"), 20)
    spool = yard.there() / "spool"
    (spool / "a").write_text("one")
    breaks = yard.place / "breaks"
    breaks.write_text(f'#!/bin/sh\nrsync "$@"\nrm -r {yard.directory}/ssh/come/alpha/*/post\nexit 12\n')
    breaks.chmod(0o700)
    broken = silent(yard.executor(rsync=str(breaks)))
    nothing = sorted(os.listdir(yard.directory / "spool")) if (yard.directory / "spool").exists() else []
    (spool / "b").write_text("two")
    first = seen(place)["w"]
    came = {name: (yard.directory / "spool" / name).read_text() for name in os.listdir(yard.directory / "spool")}
    for name in came:
        (yard.directory / "spool" / name).unlink()  # as a check has read it
    seen(place)

    assert ("ssh: alpha: rsync ended with status 12", [], "running") == (broken, nothing, first.phase)
    assert {"a": "one", "b": "two"} == came
    assert ([], []) == (os.listdir(yard.directory / "spool"), os.listdir(spool))
    assert "mine\n" == yard.came("w", "said/wrote.1").read_text()
    assert ["wrote.2.tmp"] == os.listdir(yard.there() / "attempts" / "w.1" / "said")


def test_one_whose_files_cannot_come_is_unknown_alone_and_says_why(yard: Yard) -> None:
    place = yard.executor()
    place.submit([yard.start("w1", "echo x >same"), yard.start("w2", "echo y >same")])
    until(lambda: yard.ended("w1") and yard.ended("w2"), 20)
    yard.came("w1", "stage/same/full").mkdir(parents=True)  # what no file can replace
    found = seen(place)

    assert ("unknown", "running") == (found["w1"].phase, found["w2"].phase)
    assert "alpha" in found["w1"].why
    assert "same" in found["w1"].why
    assert [False, True] == [yard.came(name, "exit").exists() for name in ("w1", "w2")]


def test_names_of_all_kinds_come_and_no_link_leads_out_of_a_stage(yard: Yard) -> None:
    odd = "a b\n\u00fc \u65e5\u672c *[x]'\"$HOME"
    (yard.place / "secret").write_text("here")
    script = 'echo odd >"$ODD"; mkdir d; echo in >d/in; ln -s d/in inside; ln -s / root; mkfifo p; '
    start = yard.start("w", f"{script}ln -s {yard.place}/secret out")
    yard.executor().submit(
        [Start(start.session, start.mark, start.argv, start.cwd, {"ODD": odd, "PATH": PATH}, carried=start.carried)]
    )
    until(lambda: yard.ended("w"), 20)
    found = seen(yard.executor())["w"]

    assert "running" == found.phase, found
    assert {"d", "inside", odd} == set(os.listdir(yard.came("w", "stage")))
    assert "in\n" == yard.came("w", "stage/inside").read_text()


def test_a_full_disk_here_is_said_and_nothing_is_lost_by_it(hosts: SshHosts) -> None:
    with TemporaryDirectory(prefix="wky", dir="/tmp") as place:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "none", place], check=True)
        try:
            yard = Yard(hosts, Path(place))
            hosts.disk("alpha", yard.place).mkdir()
            yard.executor().submit([yard.start("w", "head -c 3000000 /dev/zero | tr '\\0' x >big")])
            until(lambda: yard.ended("w"), 20)
            full = silent(yard.executor())
            early = yard.came("w", "exit").exists()
            subprocess.run(["mount", "-o", "remount,size=20M", place], check=True)
            after = seen(yard.executor())["w"]

            assert (False, "running") == (early, after.phase)
            assert os.strerror(errno.ENOSPC) in full
            assert 3000000 == yard.came("w", "stage/big").stat().st_size
        finally:
            hosts.tmux("alpha", "kill-server")
            subprocess.run(["umount", "-l", place], check=True)


def test_a_host_that_cannot_take_the_files_is_passed_over_for_another(yard: Yard) -> None:
    yard.there("alpha").parent.mkdir(parents=True)
    yard.there("alpha").write_text("in the way")
    (made,) = yard.executor(slots='{"alpha":9,"beta":1}').submit([yard.start("w", "true")])
    with pytest.raises(ProgramError, match=r"alpha: .*night"):
        yard.executor().submit([yard.start("v", "true")])

    assert "beta" == made.session_id.partition("@")[2]


def test_a_host_that_can_take_files_no_longer_is_passed_over_as_well(yard: Yard) -> None:
    place = yard.executor(slots='{"alpha":9,"beta":1}')
    place.submit([yard.start("w", "true")])
    until(lambda: yard.ended("w"), 20)
    (yard.there() / "attempts").rename(yard.there() / "moved")
    (yard.there() / "attempts").write_text("in the way")
    (made,) = place.submit([yard.start("v", "true")])
    with pytest.raises(ProgramError, match=r"alpha: .*attempts"):
        place.submit([yard.start("u", "true")])

    assert "beta" == made.session_id.partition("@")[2]
    assert ["v", "w"] == sorted(seen(place)), "nothing is placed where nothing was sent"


def test_the_directory_of_another_deployment_at_the_same_path_is_set_aside(yard: Yard) -> None:
    old = yard.there() / "attempts" / "w.1"
    old.mkdir(parents=True)
    (old / "exit").write_text("9\n")
    place = yard.executor()
    place.submit([yard.start("w", "sleep 600")])
    found = seen(place)["w"]

    assert ("running", False) == (found.phase, yard.came("w", "exit").exists())
    (aside,) = yard.there().parent.glob("night.before-*")
    assert "9\n" == (aside / "attempts" / "w.1" / "exit").read_text()


def test_what_is_to_be_sent_is_sent_but_nothing_of_the_state_directory(yard: Yard) -> None:
    (yard.place / "src").mkdir()
    (yard.place / "src" / "in").write_text("1")
    (yard.directory / "events.jsonl").write_text("log")
    os.symlink("src/in", yard.place / "link")
    (made,) = yard.executor(send='["."]').submit([yard.start("w", "true")])
    there = yard.hosts.disk("alpha", yard.place)

    assert made.session_id
    assert ("1", "src/in") == ((there / "src" / "in").read_text(), os.readlink(there / "link"))
    assert not (there / "state" / "night" / "events.jsonl").exists()


def test_without_what_is_sent_the_plans_directory_must_be_there(yard: Yard) -> None:
    yard.hosts.disk("alpha", yard.place).rmdir()
    with pytest.raises(ProgramError, match=f"{yard.place} must be there: check it out, or name what is sent"):
        yard.executor().submit([yard.start("w", "true")])


def test_what_another_deployment_has_sent_too_is_left_to_it(yard: Yard) -> None:
    (yard.place / "src").mkdir()
    (yard.place / "src" / "in").write_text("1")
    there = yard.hosts.disk("alpha", yard.place)
    first, second = yard.executor(send='["src"]'), Yard(yard.hosts, yard.place, "other")
    for place, each in ((first, yard), (second.executor(send='["src"]'), second)):
        place.submit([each.start("w", "true")])
        until(lambda each=each: each.ended("w"), 20)  # type: ignore[misc] # a bound loop variable
        (one,) = place.poll().seen
        place.cancel([(one.session_id, one.mark)])

    assert {} == first.forget()
    after_one = _below(there)
    assert {} == second.executor().forget()

    assert {"src", "src/in", "state", "state/other"} <= after_one
    assert not [path for path in after_one if path.startswith("state/night")]
    assert set() == _below(there)


def test_nothing_is_removed_where_a_session_runs(yard: Yard) -> None:
    place = yard.executor()
    place.submit([yard.start("w", "true")])

    assert {"alpha": "ssh: alpha: sessions of it are still there"} == place.forget()
    assert yard.there().exists()
    (one,) = place.poll().seen
    place.cancel([(one.session_id, one.mark)])
    assert {} == place.forget()
    assert not yard.there().exists()
    assert yard.hosts.disk("alpha", yard.place).exists(), "it was there before"


def test_a_directory_of_another_at_the_same_path_is_never_removed(yard: Yard) -> None:
    place = yard.executor()
    place.submit([yard.start("w", "true")])
    (one,) = place.poll().seen
    place.cancel([(one.session_id, one.mark)])
    (yard.there() / "ssh" / "token").write_text("another's\n")

    assert {} == place.forget()
    assert yard.there().exists()


def test_names_of_all_kinds_are_removed_or_left_and_no_other_file_is(yard: Yard) -> None:
    names = ("a b", "-rf", "*", "$HOME", "\u00fc \u65e5\u672c", "back\\slash", "new\nline", "d/e/f")
    there = yard.hosts.disk("alpha", yard.place)
    for name in names:
        (yard.place / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (yard.place / "src" / name).write_text(name)
    (yard.place / "src" / "link").symlink_to("a b")
    (there / "src").mkdir()
    (there / "src" / "mine").write_text("mine")
    (there / "line").write_text("mine, too")
    place = yard.executor(send='["src"]')
    place.submit([yard.start("w", "true")])
    sent = _below(there / "src")
    (one,) = place.poll().seen
    place.cancel([(one.session_id, one.mark)])

    assert {} == place.forget()
    assert {*names, "link", "d", "d/e", "mine"} == sent
    assert {"mine", "new\nline"} == _below(there / "src"), "a name with a line feed stays"
    assert (there / "line").exists()


def test_a_file_that_was_sent_anew_is_still_known_as_sent(yard: Yard) -> None:
    (yard.place / "data").mkdir()
    (yard.place / "data" / "in").write_text("1")
    there = yard.hosts.disk("alpha", yard.place)
    place = yard.executor(send='["data/in"]')
    place.submit([yard.start("w", "true")])
    (yard.place / "data" / "in").write_text("longer")
    place.submit([yard.start("v", "true")])
    again = (there / "data" / "in").read_text()
    place.cancel([(one.session_id, one.mark) for one in place.poll().seen])

    assert "longer" == again
    assert {} == place.forget()
    assert set() == _below(there)


def test_only_the_files_of_the_attempt_come_from_where_its_client_stores_them(yard: Yard) -> None:
    """As Codex stores them: many conversations in one directory, whose beginning tells which is whose."""
    home = yard.place / "home"
    there, own = yard.hosts.disk("alpha", home) / "sessions", f"{yard.directory}/attempts/w.1"
    (there / "day").mkdir(parents=True)
    (there / "day" / "old.jsonl").write_text("prompts/w.1.md of an earlier night\n")
    os.utime(there / "day" / "old.jsonl", (1, 1))
    start = yard.start("w", "sleep 600")
    sought = Sought(str(home), ("sessions/*/*.jsonl",), f"{own}/record/", "prompts/w.1.md", f"{own}/claim")
    carried = msgspec.structs.replace(start.carried, leaves=(*start.carried.leaves, f"{own}/record/"), sought=(sought,))
    place = yard.executor()
    place.submit([msgspec.structs.replace(start, carried=carried)])
    (yard.there() / "attempts" / "w.1" / "claim").touch()
    (there / "day" / "own.jsonl").write_text("reads prompts/w.1.md\n")
    (there / "day" / "other.jsonl").write_text("reads prompts/v.1.md\n")
    (there / "day" / "late.jsonl").write_text("x" * 300_000 + "prompts/w.1.md")
    (there / "day" / "link.jsonl").symlink_to("own.jsonl")
    with (there / "day" / "large.jsonl").open("w") as large:
        large.write("prompts/w.1.md\n")
        large.truncate(RECORD_BYTES_MAX + 1)

    first = seen(place)["w"]
    came = {path.name: path.read_text() for path in Path(f"{own}/record").rglob("*.jsonl")}
    with (there / "day" / "own.jsonl").open("a") as own_file:
        own_file.write("and goes on\n")
    seen(place)

    assert "running" == first.phase
    assert {"own.jsonl": "reads prompts/w.1.md\n"} == came
    assert "reads prompts/w.1.md\nand goes on\n" == Path(f"{own}/record/sessions/day/own.jsonl").read_text()


@pytest.mark.parametrize("broken", ["missing", "a file", "not ours to read"])
def test_a_client_s_directory_that_cannot_be_read_keeps_nothing_else_from_coming(yard: Yard, broken: str) -> None:
    home = yard.hosts.disk("alpha", yard.place / "home")
    if broken == "a file":
        home.write_text("")
    elif broken != "missing":
        home.mkdir(mode=0)
    start, own = yard.start("w", "echo made >it"), f"{yard.directory}/attempts/w.1"
    sought = Sought(str(yard.place / "home"), ("a b/*'$(x)/*.jsonl", "*"), f"{own}/record/")
    carried = msgspec.structs.replace(start.carried, sought=(sought,))
    place = yard.executor()
    place.submit([msgspec.structs.replace(start, carried=carried)])
    until(lambda: yard.ended("w"), 20)

    assert "running" == seen(place)["w"].phase
    assert "made\n" == yard.came("w", "stage/it").read_text()
