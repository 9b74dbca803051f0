"""`wakeman audit` and `wakeman replay` as a person and a script call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tests.adapters.logs import AT, noted, planned
from tests.faces.conftest import Place
from tests.forge import Forged
from tests.play import NAME, Play
from tests.waiting import until
from tests.words import NO_FILE

from wakeman.adapters import signature
from wakeman.adapters.eventlog import EventLogs
from wakeman.adapters.memory import Act
from wakeman.core.errors import LogDamagedError, UsageError
from wakeman.core.log.events import Closed, Draft
from wakeman.faces.cli import main


class Copy:
    """A copied log, and a place without anything else of its deployment."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.capsys = path, capsys
        self.directory = path / NAME
        self.directory.mkdir()
        self.lines = night()
        self.write(self.lines)

    def write(self, lines: list[bytes]) -> None:
        (self.directory / "events.jsonl").write_bytes(b"".join(lines))

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([*words])
        said = self.capsys.readouterr()
        return code, said.out, said.err


def night() -> list[bytes]:
    play = Play(workers=2, units=2, acts={"w0": Act(stops_after=1), "w1": Act(stops_after=0, code=1)})
    play.run(600)
    return play.lines


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Copy:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")  # neither tmux nor at
    monkeypatch.setenv("TZ", "UTC")
    return Copy(tmp_path, capsys)


def forged(copy: Copy) -> int:
    """Change a decision of the copy and chain it anew; return its line."""
    log = Forged(copy.lines)
    at = log.find("decided", lambda line: line["data"]["row"] == "clean up")
    log.lines[at]["data"]["why"] = "a whim"
    copy.write(log.encoded())
    return at + 1


# --- audit ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["night", "./night", "night/events.jsonl", "lone.jsonl"])
def test_a_log_is_named_by_its_deployment_or_by_a_path(copy: Copy, how: str) -> None:
    (copy.path / "lone.jsonl").write_bytes(b"".join(copy.lines))

    code, out, _ = copy("audit", how)

    assert (0, True) == (code, f"night: complete, {len(copy.lines)} events" in out)
    assert ["chain: ok", "checkpoints: none here", "divergences: none"] == [
        line for line in out.splitlines() if line.startswith(("chain", "checkpoints", "divergences"))
    ]


def test_a_name_is_found_although_its_log_is_damaged_or_has_other_runs(copy: Copy) -> None:
    second = copy.path / "night.2"
    second.mkdir()
    (second / "events.jsonl").write_bytes(b"".join(copy.lines[:1]) + b"noise\n")
    elsewhere = str(copy.path)
    os.chdir("/")

    assert (6, 0) == (
        copy("audit", "night", "--state", elsewhere)[0],
        copy("audit", "night.1", "--state", elsewhere)[0],
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("audit", "nigth"), 3, "did you mean 'night'"),
        (("audit", "./nowhere"), 3, "no such file"),
        (("audit", "gone.jsonl"), 3, "no such file"),
        (("audit", "."), 3, "holds no events.jsonl"),
        (("audit", "night", "--head", "7"), 2, "expected SEQ:HASH"),
        (("audit", "night", "--key", "none.pem"), 2, f"none.pem: {NO_FILE}"),
        (("replay", "night", "--until", "soon"), 2, "expected a line's number, or a time"),
        (("replay", "night", "--until", "1999-01-01T00:00"), 2, "the log begins at"),
        (("replay", "night", "--until", "0"), 2, "the log begins at"),
        (("replay", "night", "--until", "3", "--follow"), 2, "expected one of them"),
        (("replay", "night", "--policy", "none.toml"), 2, "none.toml: no such file or directory"),
        (("replay", "gone.jsonl"), 3, "no such file"),
    ],
)
def test_what_cannot_be_done_is_said(copy: Copy, words: tuple[str, ...], code: int, said: str) -> None:
    given, _, err = copy(*words)

    assert (code, True) == (given, said in err), err


def test_a_divergence_is_told_with_line_found_and_expected(copy: Copy) -> None:
    line = forged(copy)

    code, out, _ = copy("audit", "night")
    _, raw, _ = copy("audit", "night", "--json")

    assert (6, True) == (code, f"  line {line}: decision: found decided clean up -> enrol: a whim; expected" in out)
    data = json.loads(raw)
    assert ("ok", False, [line]) == (data["chain"], data["ok"], [d["line"] for d in data["divergences"]])
    assert {"line", "kind", "found", "expected"} == data["divergences"][0].keys()


def test_a_break_of_the_chain_is_told_where_it_is(copy: Copy) -> None:
    copy.lines[9] = copy.lines[9].replace(b'"at":"2026', b'"at":"2027')
    copy.write(copy.lines)

    code, raw, _ = copy("audit", "night", "--json")

    assert (6, True) == (code, json.loads(raw)["chain"].startswith("line 10: its hash does not fit"))


def test_many_divergences_are_counted(copy: Copy) -> None:
    copy.write([line.replace(b'"by":"exit', b'"by":"mail') for line in copy.lines])

    code, out, err = copy("audit", "night")

    assert (6, 20, True) == (code, out.count("\n  line "), "more: --json names" in err)


def test_what_is_open_is_pending_and_what_is_torn_is_said(copy: Copy) -> None:
    at = Forged(copy.lines).find("launched")
    copy.write([*copy.lines[:at], copy.lines[at][:-9]])

    code, out, _ = copy("audit", "night")

    assert (0, True, True) == (code, "launch of w0" in out, "bytes of an unfinished last line" in out)


def test_checks_that_broke_off_are_counted(copy: Copy) -> None:
    log = Forged(copy.lines)
    at = log.find("looked", skip=1)
    log.insert(at, log.lines[at])
    copy.write(log.encoded())

    code, out, _ = copy("audit", "night")

    assert (0, True) == (code, "1 check broke off" in out), out


def test_types_of_a_newer_version_are_named(copy: Copy) -> None:
    log = Forged(copy.lines)
    log.insert(len(log.lines), {**log.lines[-1], "type": "dreamt"})
    copy.write(log.encoded())

    code, out, _ = copy("audit", "night")

    assert (0, True) == (code, f"of a newer version: dreamt (1); not judged from line {len(log.lines)} on" in out)


def test_a_head_that_a_person_knows_is_a_witness(copy: Copy) -> None:
    head = json.loads(copy("audit", "night", "--json")[1])["head"]
    copy.write(copy.lines[:40])

    code, out, _ = copy("audit", "night", "--head", head)

    assert (6, True) == (code, "checkpoint: head given" in out)


# --- signatures -----------------------------------------------------------------------------------------------


def keys(path: Path) -> tuple[str, str]:
    """Make an Ed25519 key pair; return both files."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    (path / "private.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none))
    told = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (path / "public.pem").write_bytes(told)
    (path / "private.pem").chmod(0o600)
    return str(path / "private.pem"), str(path / "public.pem")


def test_a_signed_log_is_vouched_for_up_to_its_line(copy: Copy) -> None:
    private, public = keys(copy.path)
    told = json.loads(copy("audit", "night", "--sign", private, "--json")[1])["signature"]

    code, out, _ = copy("audit", "night", "--key", public)

    assert (0, len(copy.lines)) == (code, told["line"])
    assert f"signed: up to line {len(copy.lines)} by {told['key']}" in out


def test_a_log_chained_anew_behind_its_signature_is_found(copy: Copy) -> None:
    private, public = keys(copy.path)
    copy("audit", "night", "--sign", private)
    log = Forged(copy.lines)
    log.lines[-1]["at"] = "2026-01-06T00:00:00.000000Z"
    copy.write(log.encoded())

    assert (0, 6) == (copy("audit", "night")[0], copy("audit", "night", "--key", public)[0])


def test_a_log_that_was_cut_behind_its_signature_is_found(copy: Copy) -> None:
    private, public = keys(copy.path)
    copy("audit", "night", "--sign", private)
    copy.write(copy.lines[:-1])

    assert 6 == copy("audit", "night", "--key", public)[0]


def test_no_signature_by_the_key_is_a_divergence(copy: Copy) -> None:
    _, public = keys(copy.path)
    (copy.directory / "signatures.jsonl").write_text("noise\n")

    code, out, _ = copy("audit", "night", "--key", public)

    assert (6, True) == (code, "no signature of this log" in out)


def test_a_signature_that_the_key_did_not_make_is_a_divergence(copy: Copy) -> None:
    private, public = keys(copy.path)
    copy("audit", "night", "--sign", private)
    file = copy.directory / "signatures.jsonl"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "at": "2027-01-01T00:00:00.000000Z"}) + "\n")

    code, out, _ = copy("audit", "night", "--key", public)

    assert (6, True) == (code, "a signature that the key did not make" in out)


def test_a_log_with_divergences_is_not_signed(copy: Copy) -> None:
    private, _ = keys(copy.path)
    forged(copy)

    code, _, err = copy("audit", "night", "--sign", private)

    assert (6, True, False) == (code, "is not signed" in err, (copy.directory / "signatures.jsonl").exists())


def test_what_is_no_key_is_said_to_be_none(copy: Copy) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    private, public = keys(copy.path)
    other = generate_private_key(SECP256R1())
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked = serialization.BestAvailableEncryption(b"word")
    (copy.path / "ec.pem").write_bytes(other.private_bytes(pem, form, serialization.NoEncryption()))
    (copy.path / "locked.pem").write_bytes(other.private_bytes(pem, form, locked))
    told = other.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (copy.path / "ecpub.pem").write_bytes(told)
    calls = [
        ("--sign", "ec.pem", "another kind of key"),
        ("--sign", "locked.pem", "under a password"),
        ("--sign", public, "no key of that kind"),
        ("--key", "ecpub.pem", "another kind of key"),
        ("--key", private, "no key of that kind"),
    ]
    for option, file, said in calls:
        code, _, err = copy("audit", "night", option, file)
        assert (2, True) == (code, said in err), err


def test_signatures_that_cannot_be_kept_or_read_are_said_to_be(copy: Copy) -> None:
    private, public = keys(copy.path)
    (copy.directory / "signatures.jsonl").mkdir()

    assert (1, 1) == (copy("audit", "night", "--sign", private)[0], copy("audit", "night", "--key", public)[0])


def test_without_the_package_the_error_names_what_installs_it(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    private, _ = keys(copy.path)
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)

    code, _, err = copy("audit", "night", "--sign", private)

    assert (2, True) == (code, "pip install 'wakeman[sign]'" in err)


def test_a_signature_is_over_everything_that_it_says(tmp_path: Path) -> None:
    private, public = keys(tmp_path)
    made = signature.sign(private, "night", "g", 7, "h", datetime.now(UTC))
    verifier = signature.Verifier(public)

    import msgspec

    other = [msgspec.structs.replace(made, **{field: 8 if field in ("seq", "v") else "x"}) for field in (
        "v", "name", "genesis", "seq", "hash", "at", "key", "signature"
    )]  # fmt: skip
    assert (True, [False] * 8) == (verifier.fits(made), [verifier.fits(each) for each in other])


# --- witnesses on this machine --------------------------------------------------------------------------------


@pytest.mark.real
def test_alarm_and_sessions_are_witnesses_of_a_log_in_its_place(place: Place) -> None:
    place.up()
    log = place.state / "night" / "events.jsonl"
    until(lambda: not place.checking())

    well = place("audit", "night", "--json").json
    lines = log.read_bytes().splitlines(keepends=True)
    (place.path / "cut").mkdir()
    with EventLogs(str(place.state)).hold("night", "hand:1"):
        log.write_bytes(b"".join(lines[:8]))
        cut = place("audit", "night")
        log.write_bytes(b"".join(lines))

    assert ([], {True}) == (well["divergences"], {witness["agrees"] for witness in well["witnesses"]})
    kinds = {witness["where"].split()[0] for witness in well["witnesses"]}
    assert {"alarm", "session"} <= kinds
    assert (6, True) == (cut.code, "the log ends at line" in cut.out)


# --- replay ---------------------------------------------------------------------------------------------------


def test_the_timeline_tells_moves_rows_and_reasons(copy: Copy) -> None:
    code, out, _ = copy("replay", "night")

    assert 0 == code
    for part in ("w0  pending -> launched", "w1  decided  retry -> relaunch: ended badly", "clean up -> enrol"):
        assert part.replace("decided  ", "") in out.replace("decided  ", ""), part
    assert out.splitlines()[-1].endswith("closed  complete: 4/4 units done")


def test_with_json_each_event_stands_with_the_state_after_it(copy: Copy) -> None:
    told = [json.loads(line) for line in copy("replay", "night", "--json")[1].splitlines()]

    assert list(range(1, len(copy.lines) + 1)) == [line["seq"] for line in told]
    last = told[-1]["state"]
    assert ("complete", {"done": 4, "total": 4}) == (last["outcome"], last["units"])
    assert ("open", {}) == (told[0]["state"]["outcome"], told[0]["state"]["workers"])
    launched = next(line for line in told if line["type"] == "launched")
    assert ("pending", "launched", "launched") == (
        launched["from"], launched["to"], launched["state"]["workers"][launched["worker"]]
    )  # fmt: skip


def test_until_a_line_or_a_time_it_stands_as_it_stood(copy: Copy) -> None:
    at = next(json.loads(line)["at"] for line in copy.lines if b'"type":"launched"' in line)

    code, out, _ = copy("replay", "night", "--until", "3")
    by_time = json.loads(copy("replay", "night", "--until", at, "--json")[1])
    whole = json.loads(copy("replay", "night", "--until", "100000", "--json")[1])

    assert (0, True, True) == (code, out.startswith("line 3, "), "pending" in out)
    assert ("open", "complete") == (by_time["outcome"], whole["outcome"])
    assert {"launched", "pending"} >= {worker["state"] for worker in by_time["workers"]}


def test_damage_is_told_of_after_everything_before_it(copy: Copy) -> None:
    copy.lines[20] = copy.lines[20].replace(b'"at":"2026', b'"at":"2027')
    copy.write(copy.lines)

    code, out, err = copy("replay", "night", "--json")

    assert (6, True) == (code, "events.jsonl:21: the hash does not fit" in err + out)
    assert [json.loads(line).get("seq") for line in out.splitlines()[:19]] == list(range(1, 20))


def test_a_line_that_does_not_follow_is_told_of(copy: Copy) -> None:
    log = Forged(copy.lines)
    at = log.find("started")
    log.lines[at]["worker"] = "nobody"
    copy.write(log.encoded())

    code, _, err = copy("replay", "night")

    assert (6, True) == (code, f"events.jsonl:{at + 1}: does not follow" in err)


def test_another_policy_shows_where_it_would_have_gone_otherwise(copy: Copy) -> None:
    (copy.path / "other.toml").write_text("[stuck]\nattempts = 1\n[cleanup]\nrounds = 0\n")

    code, out, err = copy("replay", "night", "--policy", "other.toml")
    told = json.loads(copy("replay", "night", "--policy", "other.toml", "--json")[1])

    assert (0, True) == (code, "would have gone otherwise" in err)
    assert "w1  did retry -> relaunch; would have done nothing" in out
    assert ("w1", "retry -> relaunch", None) == tuple(told["differences"][0][key] for key in ("worker", "did", "would"))


def test_the_same_policy_differs_nowhere(copy: Copy) -> None:
    (copy.path / "same.toml").write_text("[stuck]\nattempts = 2\n")

    assert [] == json.loads(copy("replay", "night", "--policy", "same.toml", "--json")[1])["differences"]


def test_a_whole_plan_is_a_policy_too(copy: Copy) -> None:
    plan = 'name = "x"\n[units]\nitems = ["a"]\noutput = "o"\n[workers]\ncommand = ["a"]\nat_once = 1\nstagger = 0\n'
    (copy.path / "plan.toml").write_text(plan)

    code, out, _ = copy("replay", "night", "--policy", "plan.toml")

    assert (0, True) == (code, "deployment  did launch -> launch; would have done" in out or "sleep" in out)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[stuck]\nafter = 'soon'\n[wake]\nevry = 3\n", "other.toml:2: stuck.after"),
        ("[wake]\nevery = 0\n", "other.toml:2: wake.every: found 0; expected more than 0"),
        ("[agents]\nx = 1\n", "agents: unknown key"),
        ("[stuck\n", "other.toml:1"),
    ],
)
def test_faults_of_a_policy_are_told_as_those_of_a_plan(copy: Copy, text: str, said: str) -> None:
    (copy.path / "other.toml").write_text(text)

    code, _, err = copy("replay", "night", "--policy", "other.toml")

    assert (2, True) == (code, said in err), err


@pytest.fixture
def growing() -> Iterator[Path]:
    with TemporaryDirectory() as directory:
        yield Path(directory)


def test_following_goes_on_across_segments_until_it_is_closed(growing: Path) -> None:
    logs = EventLogs(str(growing), segment=4096, lag=1)
    logs.create("night", "d1", [planned()], AT, "up:1")

    def write() -> None:
        for _ in range(20):
            with logs.hold("night", "up:1") as writer:
                writer.append(noted(5), AT)
        with logs.hold("night", "up:1") as writer:
            writer.append([Draft(Closed(outcome="stopped"))], AT)

    argv = [sys.executable, "-m", "wakeman", "replay", str(growing / "night"), "--follow", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        head = follower.stdout.readline()
        writer = threading.Thread(target=write)
        writer.start()
        rest = follower.stdout.read().splitlines()
        writer.join()

    seqs = [json.loads(line)["seq"] for line in [head, *rest]]
    assert (0, list(range(1, len(seqs) + 1)), True) == (follower.returncode, seqs, len(seqs) > 100)
    assert len(list((growing / "night").glob("events-*.jsonl"))) > 2


def test_a_log_shorter_than_one_that_the_key_has_signed_is_not_signed(tmp_path: Path) -> None:
    private, _ = keys(tmp_path)
    at = datetime.now(UTC)
    signature.signed(private, str(tmp_path), "night", "g", 9, "h9", at)
    again, _ = signature.signed(private, str(tmp_path), "night", "g", 9, "h9", at)
    signature.signed(private, str(tmp_path), "night", "another", 1, "h1", at)

    assert 9 == again.seq
    for seq, digest in ((8, "h8"), (9, "other")):
        with pytest.raises(LogDamagedError, match="this key signed line 9"):
            signature.signed(private, str(tmp_path), "night", "g", seq, digest, at)
    assert 10 == signature.signed(private, str(tmp_path), "night", "g", 10, "h10", at)[0].seq


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_private_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    private, _ = keys(tmp_path)
    Path(private).chmod(mode)

    with pytest.raises(UsageError, match="others may read or change"):
        signature.signed(private, str(tmp_path), "night", "g", 1, "h", datetime.now(UTC))
