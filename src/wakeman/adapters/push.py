"""Sends notices over HTTP: to a webhook, signed as Standard Webhooks says, or to a topic of ntfy."""

from __future__ import annotations

import base64
import binascii
import hmac
import http.client
import json
import ssl
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from wakeman.core.model import WakeTarget
from wakeman.core.text import sanitise
from wakeman.ports import Delivery

NTFY_SERVER = "https://ntfy.sh"
"""Where a topic is that names no server."""
PUSHED_CHARS_MAX = 700
"""Characters of a notice that are sent."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins that is written in base64
REPLY_BYTES_MAX = 4096
"""Bytes of a receiver's answer that are read."""
REFUSED_CHARS_MAX = 120
"""Characters of it that are quoted."""
NOT_ARRIVED = (400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 429)
"""Statuses by which a receiver says that it did not take a notice; of others it is not known."""


class Pushed(NamedTuple):
    """What is sent: the notice, whose it is, a key that stays the same when it is told again, and further words."""

    text: str
    deployment: str
    key: str
    words: Mapping[str, str]


class Post(NamedTuple):
    """One request."""

    url: str
    body: bytes
    headers: Mapping[str, str]


def send_push(target: WakeTarget, pushed: Pushed, now: datetime, secret: str) -> Delivery:
    """Send one notice; return what came of it.

    Boundary: certificates are verified; no redirect is followed, and no proxy asked. Cost: up to `target.timeout`
    seconds for each step of the network.
    """
    pushed = pushed._replace(text=sanitise(pushed.text, PUSHED_CHARS_MAX))
    post = _webhook(target, pushed, now, secret) if target.url else _topic(target, pushed, secret)
    return _send(post, target.timeout)


def signature(secret: str, key: str, at: int, body: bytes) -> str:
    """Return the header `webhook-signature` of Standard Webhooks."""
    raw = secret.removeprefix(SECRET_PREFIX)
    try:
        keyed = base64.b64decode(raw, validate=True) if raw != secret else secret.encode()
    except binascii.Error:
        keyed = secret.encode()
    signed = hmac.new(keyed, f"{key}.{at}.".encode() + body, sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def _webhook(target: WakeTarget, pushed: Pushed, now: datetime, secret: str) -> Post:
    data: dict[str, object] = {"deployment": pushed.deployment, "text": pushed.text}
    if pushed.words:
        data["words"] = dict(pushed.words)
    body = json.dumps({"type": "wakeman.notice", "timestamp": now.isoformat(), "data": data}).encode()
    at = int(now.timestamp())
    headers = {"content-type": "application/json", "webhook-id": pushed.key, "webhook-timestamp": str(at)}
    if secret:
        headers["webhook-signature"] = signature(secret, pushed.key, at, body)
    return Post(target.url, body, headers)


def _topic(target: WakeTarget, pushed: Pushed, secret: str) -> Post:
    url = target.ntfy if "://" in target.ntfy else f"{NTFY_SERVER}/{quote(target.ntfy, safe='')}"
    said = "".join(f"\n{name}: {words}" for name, words in pushed.words.items())
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "title": f"wakeman: {pushed.deployment}".encode("ascii", "replace").decode(),
    }
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    return Post(url, (pushed.text + said).encode(), headers)


def _send(post: Post, timeout: float) -> Delivery:
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
        return Delivery(_failure_words(where, fault))
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        made.request("POST", path, post.body, dict(post.headers))
        answer = made.getresponse()
        said = answer.read(REPLY_BYTES_MAX).decode(errors="replace")
    except (OSError, http.client.HTTPException) as fault:  # it may have been read to its end
        return Delivery(_failure_words(where, fault), doubt=True)
    finally:
        made.close()
    if 200 <= answer.status < 300:
        return Delivery()
    words = sanitise(said, REFUSED_CHARS_MAX)
    return Delivery(
        f"{where}: HTTP {answer.status}" + (f": {words}" if words else ""), doubt=answer.status not in NOT_ARRIVED
    )


def _failure_words(where: str, fault: Exception) -> str:
    return f"{where}: {sanitise(str(fault) or type(fault).__name__, REFUSED_CHARS_MAX)}"
