"""What the file of placements keeps, and what a host's answer means for a session; without a host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from wakeman.adapters.ssh import HostLook, Ssh, SshBackend, session_told
from wakeman.adapters.ssh.connection import Connection, HostTmux
from wakeman.adapters.ssh.placements import Placement, Placements
from wakeman.core.errors import ProgramError
from wakeman.core.model import Plan, SshSpec, UnitsSpec, WorkersSpec
from wakeman.ports import Listing, SessionInfo, Start

MARK, SERVER, NEXT = "night/w/1@b", "71:1700", "95:1800"
SILENT = "no route; if it does not come back: wakeman lost alpha"
LOST = ("lost", "machine", "a person said that alpha is lost")
HERE = SessionInfo("w", f"$0@{SERVER}", "running", MARK, pid=72, created=5.0)


def start(session: str, mark: str) -> Start:
    return Start(session, mark, ("true",), "/")


def placed(server: str = SERVER) -> Placement:
    return Placement("ab@alpha", "alpha", "w", MARK, server)


@pytest.mark.parametrize(
    ("one", "look", "expected"),
    [
        (placed(), HostLook(Listing("up", SERVER, (HERE,))), ("running", "", "")),
        (placed(""), HostLook(Listing("up", SERVER, (HERE,))), ("running", "", "")),
        (placed(), HostLook(Listing("unknown", why="no route")), ("unknown", "", SILENT)),
        (placed(), HostLook(Listing("up", SERVER, (HERE,)), held={"ab@alpha": "no room"}), ("unknown", "", "no room")),
        (replace(placed(), lost=True), HostLook(Listing("up", SERVER), held={"ab@alpha": "no room"}), LOST),
        (placed(""), HostLook(Listing("unknown", why="no route")), ("unknown", "", SILENT)),
        (placed(), HostLook(Listing("up", SERVER)), None),
        (replace(placed(), lost=True), HostLook(Listing("unknown", why="no route")), LOST),
        (replace(placed(), lost=True), HostLook(Listing("up", SERVER, (HERE,))), LOST),
        (placed(), HostLook(Listing("down")), ("lost", "machine", "its tmux server on alpha is gone")),
        (placed(), HostLook(Listing("up", NEXT)), ("lost", "machine", "its tmux server on alpha is gone")),
        (
            placed(),
            HostLook(Listing("down"), [SERVER]),
            ("unknown", "", "no answer on alpha from its tmux server, which lives"),
        ),
        (
            placed(""),
            HostLook(Listing("up", SERVER)),
            ("lost", "machine", "the connection to alpha broke before it began"),
        ),
    ],
)
def test_what_a_host_answers_tells_of_each_session(
    one: Placement, look: HostLook, expected: tuple[str, str, str] | None
) -> None:
    told = session_told(one, look)

    assert expected == (told and (told.phase, told.ended_by, told.why))
    assert told is None or ("ab@alpha", 0, MARK) == (told.session_id, told.pid, told.mark), "no process of this machine"


def test_placements_are_kept_until_they_are_dropped_whatever_a_crash_cut_off(tmp_path: Path) -> None:
    kept = Placements(str(tmp_path))
    one, two = kept.place([("alpha", start("w1", "m1")), ("beta", start("w2", "m2"))])
    kept.confirm([(one.id, SERVER)])
    with (tmp_path / "ssh" / "placements.jsonl").open("a") as file:
        file.write('{"id":"cut o')
    kept.drop([two.id])
    (three,) = kept.place([("beta", start("w2", "m3"))])

    found = Placements(str(tmp_path)).kept()
    assert [(one.id, SERVER), (three.id, "")] == [(each.id, each.server) for each in found]
    assert 3 == len({one.id, two.id, three.id})


def test_what_was_lost_is_kept_until_it_is_known_to_run_no_more(tmp_path: Path) -> None:
    kept = Placements(str(tmp_path))
    one, two, other = kept.place(
        [("alpha", start("w1", "m1")), ("alpha", start("w2", "m2")), ("beta", start("w3", "m3"))]
    )
    kept.lose([one.id, two.id])
    kept.drop([one.id, other.id])

    place = {"ssh": "ssh", "socket": "wakeman", "hosts": json.dumps({"me@alpha": 2, "alpha": 1, "beta": 1})}
    assert {"alpha": ("w1", "w2")} == Ssh(place, str(tmp_path), {}).left_behind()
    assert "me@alpha" == Ssh(place, str(tmp_path), {}).host_of("ab@me@alpha")
    again = Placements(str(tmp_path))
    assert [(two.id, True)] == [(each.id, each.lost) for each in again.kept()]
    assert [one.id, two.id] == [each.id for each in again.lost()]
    again.settle([one.id, two.id])
    assert ([], []) == (again.lost(), again.kept())


def test_nothing_placed_is_nothing_asked(tmp_path: Path) -> None:
    place = {"ssh": str(tmp_path / "no-ssh"), "socket": "wakeman", "hosts": json.dumps({"alpha": 2, "beta": 1})}
    executor = Ssh(place, str(tmp_path), {})

    assert ("up", (), {"alpha": 2, "beta": 1}) == (executor.poll().state, executor.poll().seen, executor.hosts)
    with pytest.raises(ProgramError, match=r"no free slot on a host that answers: .*no-ssh: cannot be run"):
        executor.submit([Start("w", MARK, ("true",), "/")])
    assert [] == list(tmp_path.glob("ssh/*")), "nothing is placed on a host that does not answer"


@pytest.mark.parametrize("word", ["a b", "$HOME", "it's", "; rm -rf x", ""])
def test_words_reach_the_program_there_through_the_users_shell_as_they_are(tmp_path: Path, word: str) -> None:
    """A program in place of ssh gives the line to a shell, as sshd does."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor line; do :; done\nexec /bin/sh -c "$line"\n')
    ssh.chmod(0o700)

    told = Connection(str(ssh), "", "alpha", {"PATH": "/usr/bin:/bin"}).call("printf", "<%s>", word)

    assert f"<{word}>".encode() == told.out


@pytest.mark.parametrize(
    ("code", "said", "why"),
    [
        (
            255,
            "x\nssh: connect to host a port 1: Connection refused\n",
            "ssh: alpha: ssh: connect to host a port 1: Connection refused",
        ),
        (255, "", "ssh: alpha: the connection broke"),
        (127, "sh: tmux: not found", "ssh: alpha: tmux: not found there"),
    ],
)
def test_what_ssh_says_of_itself_is_no_answer_of_tmux(tmp_path: Path, code: int, said: str, why: str) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nprintf '%s' '{said}' >&2\nexit {code}\n")
    ssh.chmod(0o700)

    listing = HostTmux(Connection(str(ssh), "", "alpha", {"PATH": "/usr/bin:/bin"}), "wakeman", "/").listing()

    assert ("unknown", why) == (listing.state, listing.why)


@pytest.mark.parametrize(
    ("version", "told", "says"),
    [
        ("rsync  version 3.2.7  protocol version 31", "exit 0", ""),
        ("rsync  version v3.4.1  protocol version 32", "exit 0", ""),
        ("rsync  version 3.0.9  protocol version 30", "exit 0", "expected rsync 3.1 or newer"),
        ("openrsync: protocol version 29", "exit 0", "expected rsync 3.1 or newer"),
        ("", "exit 0", "rsync: not found on .*, and ssh.files = 'copied' needs it"),
        (
            "rsync  version 3.2.7  protocol version 31",
            "case $* in *rsync*) exit 127 ;; esac",
            "alpha: rsync: not found",
        ),
    ],
)
def test_files_are_copied_only_where_both_sides_have_rsync(tmp_path: Path, version: str, told: str, says: str) -> None:
    for name, script in {"rsync": f"echo '{version}'" if version else "", "ssh": told}.items():
        if script:
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o700)
    workers = WorkersSpec(command=("true",), executor="ssh", stage=True)
    spec = SshSpec(hosts={"alpha": 1}, files="copied", send=("a",))
    plan = Plan(name="n", units=UnitsSpec(items=("a",)), workers=workers, ssh=spec)

    if says:
        with pytest.raises(ProgramError, match=says):
            SshBackend().place(plan, "/", {"PATH": str(tmp_path)})
    else:
        place = SshBackend().place(plan, "/", {"PATH": str(tmp_path)})
        assert (f"{tmp_path}/rsync", '["a"]') == (place["rsync"], place["send"])
