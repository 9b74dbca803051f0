"""Notices over HTTP: what a receiver on this machine gets, and what counts as told, not told, or not known."""

from __future__ import annotations

import base64
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

import pytest

from wakeman.adapters.push import Pushed, send_push, signature
from wakeman.core.model import WakeTarget
from wakeman.ports import Delivery

NOW = datetime(2026, 1, 5, 21, 42, tzinfo=UTC)
NOTICE = Pushed("AT wake-up: night: wrap up: 2/2 done.", "night", "night.1.7", {})


class Got(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[Got]]]:
    """Serve on this machine; yield the address, and what is got."""
    got: list[Got] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            answer(self)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}", got
        served.shutdown()


def saying(status: int, words: str = "") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(status)
        asked.send_header("location", "/elsewhere")
        asked.end_headers()
        asked.wfile.write(words.encode())

    return answer


def test_a_webhook_gets_the_notice_as_json_under_a_key_with_a_signature_that_it_can_verify() -> None:
    secret = b"not a secret at all, for a test"
    with server(saying(204)) as (address, got):
        target = WakeTarget(url=f"{address}/hooks?a=b")
        came = send_push(target, NOTICE, NOW, "whsec_" + base64.b64encode(secret).decode())

    [(path, headers, body)] = got
    signed = f"night.1.7.{int(NOW.timestamp())}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, sha256).digest()).decode()
    assert (Delivery(), "/hooks?a=b", f"v1,{expected}") == (came, path, headers["webhook-signature"])
    assert ("night.1.7", str(int(NOW.timestamp()))) == (headers["webhook-id"], headers["webhook-timestamp"])
    assert {
        "type": "wakeman.notice",
        "timestamp": "2026-01-05T21:42:00+00:00",
        "data": {"deployment": "night", "text": NOTICE.text},
    } == json.loads(body)


def test_the_signature_is_that_of_the_example_in_the_standard() -> None:
    """As https://github.com/standard-webhooks/standard-webhooks shows it."""
    secret, key, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == signature(secret, key, at, b'{"test": 2432232314}')


@pytest.mark.parametrize("secret", ["plain words", "whsec_no base64!"])
def test_a_secret_that_is_no_base64_signs_as_it_is(secret: str) -> None:
    expected = base64.b64encode(hmac.new(secret.encode(), b"k.1.x", sha256).digest()).decode()

    assert f"v1,{expected}" == signature(secret, "k", 1, b"x")


def test_a_topic_gets_the_words_as_text_and_a_title() -> None:
    with server(saying(200, "{}")) as (address, got):
        pushed = NOTICE._replace(text="a\nb\x1b[31m", words={"w1": "May I?"})
        came = send_push(WakeTarget(ntfy=f"{address}/my-topic"), pushed, NOW, "tk_x")

    [(path, headers, body)] = got
    assert (Delivery(), "/my-topic", "a b\nw1: May I?") == (came, path, body.decode())
    assert ("wakeman: night", "Bearer tk_x") == (headers["title"], headers["authorization"])


@pytest.mark.parametrize(
    ("status", "doubt"), [(400, False), (404, False), (429, False), (302, True), (500, True), (503, True)]
)
def test_another_status_than_2xx_is_not_told_and_some_leave_it_open(status: int, doubt: bool) -> None:
    with server(saying(status, "no\n")) as (address, got):
        came = send_push(WakeTarget(url=address), NOTICE, NOW, "")

    where = address.partition("://")[2]
    assert (Delivery(f"{where}: HTTP {status}: no", doubt), 1) == (came, len(got))
    assert "webhook-signature" not in got[0].headers


def test_nobody_there_has_not_read_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"

    came = send_push(WakeTarget(url=address), NOTICE, NOW, "")

    assert (True, False) == (bool(came.why), came.doubt)


def test_who_reads_it_and_says_nothing_may_have_it() -> None:
    with server(lambda asked: asked.connection.shutdown(socket.SHUT_RDWR)) as (address, got):
        came = send_push(WakeTarget(url=address), NOTICE, NOW, "")

    assert (True, True, 1) == (bool(came.why), came.doubt, len(got))
