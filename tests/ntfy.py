"""A server that speaks as much of ntfy as a push and its answers need: it keeps messages, and a poll reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen


class Ntfy:
    """What the topics have, and what was asked."""

    def __init__(self) -> None:
        self.topics: dict[str, list[dict[str, Any]]] = {}
        self.headers: list[dict[str, str]] = []
        self.polls: list[str] = []
        self.address = ""
        self.status = 200
        self.body: bytes | None = None  # what a poll gets instead

    def keep(self, topic: str, text: str, *, at: float | None = None, **more: Any) -> str:
        """Keep a message, and return its id."""
        made = {"id": f"id{sum(map(len, self.topics.values())):010}", "time": int(time.time() if at is None else at)}
        self.topics.setdefault(topic, []).append({**made, "event": "message", "topic": topic, "message": text, **more})
        return str(made["id"])

    def buttons(self, topic: str) -> list[dict[str, Any]]:
        """Return the buttons of all that a topic has."""
        return [each for message in self.topics.get(topic, []) for each in message.get("actions", [])]

    def since(self, topic: str, since: str) -> bytes:
        """Return the lines of a poll. Shape: `since` is a time, or the id of a message, which is left out."""
        found = self.topics.get(topic, [])
        ids = [message["id"] for message in found]
        if since in ids:
            found = found[ids.index(since) + 1 :]
        elif since.isdigit():
            found = [message for message in found if message["time"] >= int(since)]
        return b"".join(json.dumps(message).encode() + b"\n" for message in found)


@contextmanager
def ntfy() -> Iterator[Ntfy]:
    """Serve on this machine."""
    kept = Ntfy()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            kept.headers.append({name.lower(): value for name, value in self.headers.items()})
            if kept.status == 200:
                kept.keep(self.path.strip("/"), text, actions=json.loads(self.headers.get("actions", "[]")))
            self.send_response(kept.status)
            self.end_headers()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            kept.polls.append(self.path)
            kept.headers.append({name.lower(): value for name, value in self.headers.items()})
            topic, _, _ = parts.path.strip("/").partition("/")
            self.send_response(kept.status)
            self.send_header("location", "/elsewhere")
            self.end_headers()
            self.wfile.write(kept.since(topic, parse_qs(parts.query)["since"][0]) if kept.body is None else kept.body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        kept.address = f"http://127.0.0.1:{served.server_port}"
        yield kept
        served.shutdown()


def press(button: dict[str, Any]) -> None:
    """Do what a phone does when a button is pressed."""
    assert "http" == button["action"]
    with urlopen(Request(button["url"], button["body"].encode(), method=button["method"]), timeout=20) as answer:  # noqa: S310 - a server of this test
        assert 200 == answer.status
