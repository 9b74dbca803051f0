"""Makes one request over HTTP, bounded in time and size: certificates are verified, no redirect or proxy is used."""

from __future__ import annotations

import http.client
import math
import ssl
from collections.abc import Mapping
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

from wakeman.core.text import sanitise

REFUSED_CHARS_MAX = 120
"""Characters of a receiver's answer, or of an error, that are quoted."""


class Exchange(NamedTuple):
    """One request."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]


class Reply(NamedTuple):
    """What came of a request. `why` there is no answer, "" if there is; `sent` whether it may have been read then."""

    where: str
    status: int = 0
    body: bytes = b""
    why: str = ""
    sent: bool = False


def exchange(post: Exchange, timeout: float, most: int, until: float = math.inf) -> Reply:
    """Make one request; return the answer, at most so many bytes of it.

    Cost: up to `timeout` seconds for each step of the network; the answer is read no longer than `until`, of the
    monotonic clock, and then counts as none.
    """
    parts = urlsplit(post.url)
    where = parts.netloc.rpartition("@")[2]
    made = (
        http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.netloc, timeout=timeout)
    )
    try:
        made.connect()
    except (OSError, http.client.HTTPException) as fault:
        made.close()
        return Reply(where, why=_failure_words(where, fault))
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        made.request(post.method, path, post.body, dict(post.headers))
        answer = made.getresponse()
        return Reply(where, answer.status, _body_until(answer, most, until))
    except (OSError, http.client.HTTPException) as fault:  # it may have been read to its end
        return Reply(where, why=_failure_words(where, fault), sent=True)
    finally:
        made.close()


def _body_until(answer: http.client.HTTPResponse, most: int, until: float) -> bytes:
    """Read an answer in pieces: one that comes a byte at a time holds nobody up for ever. Raises: TimeoutError."""
    found = b""
    while len(found) < most and (piece := answer.read1(most - len(found))):
        found += piece
        if monotonic() > until:
            raise TimeoutError("the answer takes too long")
    return found


def _failure_words(where: str, fault: Exception) -> str:
    return f"{where}: {sanitise(str(fault) or type(fault).__name__, REFUSED_CHARS_MAX)}"
