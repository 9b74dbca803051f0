"""The topic by which answers come back: which is taken, what a push carries, and what is read of what is there."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ntfy import Ntfy, ntfy
from tests.play import Play
from tests.scripts.test_answers import PERMISSION, asking

from wakeman.adapters.push.answers import answer_address, answer_key, buttons, heard, unanswerable
from wakeman.core.errors import UsageError
from wakeman.core.model import Deployment, WakeTarget
from wakeman.core.policy.elsewhere import nonce, pushed_questions
from wakeman.ports import Heard

SECRET = "a-topic-nobody-guesses"  # noqa: S105 - a name of this test


@pytest.fixture
def server() -> Iterator[Ntfy]:
    with ntfy() as served:
        yield served


def at(server: Ntfy, place: Path, secret: str = SECRET, **more: str) -> tuple[WakeTarget, Deployment]:
    """Return a target of the server, and a deployment whose directory is `place`."""
    (place / "topic").write_text(secret + "\n")
    d = Deployment(name="night")
    d.host = type(d.host)(root=str(place), directory=str(place), python=())
    return WakeTarget(ntfy=f"{server.address}/notices", answers_file="topic", timeout=2.0, **more), d  # type: ignore[arg-type] # text fields


@pytest.mark.parametrize(
    ("notices", "secret", "address"),
    [
        ("my-topic", SECRET, f"https://ntfy.sh/{SECRET}"),
        ("http://127.0.0.1:8080/mine", SECRET, f"http://127.0.0.1:8080/{SECRET}"),
        ("mine", f"https://example.org/{SECRET}", f"https://example.org/{SECRET}"),
    ],
)
def test_the_second_topic_is_at_the_server_of_the_first_or_where_it_says(
    notices: str, secret: str, address: str
) -> None:
    assert address == answer_address(WakeTarget(ntfy=notices, answers_file="x"), f" {secret}\n")


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("", "found no topic"),
        ("two words that are long", "found no topic"),
        ("http://example.org/a-topic-nobody-guesses", "found no topic"),
        ("short", "can be guessed"),
        ("https://example.org/short", "can be guessed"),
        ("the-notices-topic-itself", "expected another one"),
    ],
)
def test_a_topic_that_cannot_be_used_is_refused_and_said(tmp_path: Path, secret: str, why: str) -> None:
    (tmp_path / "x").write_text(secret)
    target = WakeTarget(ntfy="the-notices-topic-itself", answers_file="x")

    with pytest.raises(UsageError, match=why):
        answer_address(target, secret)
    assert why in unanswerable(target, str(tmp_path))
    assert "x: No such file" in unanswerable(target, str(tmp_path / "elsewhere"))


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    assert b"" == answer_key(str(tmp_path), make=False)

    made = answer_key(str(tmp_path), make=True)

    assert made == answer_key(str(tmp_path), make=True) == answer_key(str(tmp_path), make=False)
    assert 32 == len(set(range(32))) == len(made)
    assert 0o600 == stat.S_IMODE((tmp_path / "answers.key").stat().st_mode)


@pytest.mark.parametrize("found", [b"", b"short", b"x" * 33])
def test_a_key_that_is_none_makes_no_nonce(tmp_path: Path, found: bytes) -> None:
    (tmp_path / "answers.key").write_bytes(found)

    with pytest.raises(OSError, match="found no key"):
        answer_key(str(tmp_path), make=True)


def asked() -> tuple[Play, str]:
    play, _ = asking(PERMISSION, wake={"to": [{"ntfy": "t", "answers_file": "x", "share": "words"}]})
    [question] = pushed_questions(play.deployment, play.deployment.plan.wake.to[0])
    return play, buttons(b"key", play.deployment, question, "https://example.org/secret")


def test_a_push_has_a_button_for_each_choice_in_ascii() -> None:
    play, header = asked()
    [question] = pushed_questions(play.deployment, play.deployment.plan.wake.to[0])

    made = json.loads(header)

    assert header.isascii()
    assert ["Yes", "Yes, always", "No"] == [each["label"] for each in made]
    assert [nonce(b"key", play.deployment, question, each) for each in question.choices] == [e["body"] for e in made]
    assert {("http", "POST", "https://example.org/secret", True)} == {
        (each["action"], each["method"], each["url"], each["clear"]) for each in made
    }


def test_what_was_said_is_read_from_a_time_and_then_from_a_message(server: Ntfy, tmp_path: Path) -> None:
    target, d = at(server, tmp_path, secret_file="token")  # noqa: S106 - the name of a file
    (tmp_path / "token").write_text("tk_x")
    key = answer_key(str(tmp_path), make=True)
    server.keep(SECRET, "old", at=100)
    server.keep(SECRET, "one", at=200)
    last = server.keep(SECRET, "two", at=201)

    first = heard(target, "150", d)
    server.keep(SECRET, "three", at=10)
    then = heard(target, last, d)

    assert Heard(messages=("one", "two"), since=last, key=key) == first
    assert ("three",) == then.messages
    assert ["Bearer tk_x"] * 2 == [headers["authorization"] for headers in server.headers]
    assert [f"/{SECRET}/json?poll=1&since=150", f"/{SECRET}/json?poll=1&since={last}"] == server.polls


def test_nothing_is_asked_before_a_push_has_had_a_button(server: Ntfy, tmp_path: Path) -> None:
    target, d = at(server, tmp_path)

    assert (Heard(), []) == (heard(target, "1", d), server.polls)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"no json\n",
        b"[]\n3\nnull\n",
        b'{"event": "open", "id": "x"}\n{"event": "keepalive", "id": "y"}\n',
        b'{"event": "message", "id": "../x", "message": "a"}\n',
        b'{"event": "message", "id": 3, "message": "a"}\n{"event": "message", "id": "x", "message": ["a"]}\n',
        b"\xff\xfe\n" + b"[" * 5000,
    ],
)
def test_what_is_no_message_is_passed_over(server: Ntfy, tmp_path: Path, body: bytes) -> None:
    target, d = at(server, tmp_path)
    key = answer_key(str(tmp_path), make=True)
    server.body = body

    assert Heard(key=key) == heard(target, "1", d)


def test_a_flood_is_read_in_pieces(server: Ntfy, tmp_path: Path) -> None:
    target, d = at(server, tmp_path)
    answer_key(str(tmp_path), make=True)
    for n in range(60):
        server.keep(SECRET, f"{n}" * 2000, at=5)

    found, since = 0, "1"
    while read := heard(target, since, d).messages:
        found, since = found + len(read), heard(target, since, d).since
        assert len(read) < 60

    assert 60 == found


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500])
def test_another_status_is_no_answer(server: Ntfy, tmp_path: Path, status: int) -> None:
    target, d = at(server, tmp_path)
    answer_key(str(tmp_path), make=True)
    server.keep(SECRET, "x")
    server.status = status

    found = heard(target, "1", d)

    assert ((), "", True) == (found.messages, found.since, f"HTTP {status}" in found.why)
    assert 1 == len(server.polls)


def test_nobody_there_and_no_file_are_no_answer(server: Ntfy, tmp_path: Path) -> None:
    target, d = at(server, tmp_path)
    answer_key(str(tmp_path), make=True)
    gone = WakeTarget(ntfy="http://127.0.0.1:1/notices", answers_file="topic", timeout=2.0)

    assert ((), True) == (heard(gone, "1", d).messages, heard(gone, "1", d).why != "")
    (tmp_path / "topic").unlink()
    assert "topic: " in heard(target, "1", d).why
    assert [] == server.polls
