"""Sends notices over HTTP: to a webhook, signed as Standard Webhooks says, or to a topic of ntfy."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote

from wakeman.adapters.push.exchange import REFUSED_CHARS_MAX, Exchange, exchange
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
NOT_ARRIVED = (400, 401, 403, 404, 405, 406, 410, 411, 413, 414, 415, 422, 429)
"""Statuses by which a receiver says that it did not take a notice; of others it is not known."""


class Pushed(NamedTuple):
    """What is sent: the notice, whose it is, a key that stays the same when it is told again, further words, and to a
    topic the header with its buttons.
    """

    text: str
    deployment: str
    key: str
    words: Mapping[str, str]
    actions: str = ""


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


def _webhook(target: WakeTarget, pushed: Pushed, now: datetime, secret: str) -> Exchange:
    data: dict[str, object] = {"deployment": pushed.deployment, "text": pushed.text}
    if pushed.words:
        data["words"] = dict(pushed.words)
    body = json.dumps({"type": "wakeman.notice", "timestamp": now.isoformat(), "data": data}).encode()
    at = int(now.timestamp())
    headers = {"content-type": "application/json", "webhook-id": pushed.key, "webhook-timestamp": str(at)}
    if secret:
        headers["webhook-signature"] = signature(secret, pushed.key, at, body)
    return Exchange("POST", target.url, body, headers)


def topic_address(target: WakeTarget) -> str:
    """Return the address of a target's topic."""
    return target.ntfy if "://" in target.ntfy else f"{NTFY_SERVER}/{quote(target.ntfy, safe='')}"


def _topic(target: WakeTarget, pushed: Pushed, secret: str) -> Exchange:
    said = "".join(f"\n{name}: {words}" for name, words in pushed.words.items())
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "title": f"wakeman: {pushed.deployment}".encode("ascii", "replace").decode(),
    }
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    if pushed.actions:
        headers["actions"] = pushed.actions
    return Exchange("POST", topic_address(target), (pushed.text + said).encode(), headers)


def _send(post: Exchange, timeout: float) -> Delivery:
    answer = exchange(post, timeout, REPLY_BYTES_MAX)
    if answer.why:
        return Delivery(answer.why, doubt=answer.sent)
    if 200 <= answer.status < 300:
        return Delivery()
    words = sanitise(answer.body.decode(errors="replace"), REFUSED_CHARS_MAX)
    why = f"{answer.where}: HTTP {answer.status}" + (f": {words}" if words else "")
    return Delivery(why, doubt=answer.status not in NOT_ARRIVED)
