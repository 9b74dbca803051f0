"""The second, secret topic of ntfy by which answers come back: its address, its buttons, and what was said there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from urllib.parse import quote

from wakeman.adapters.push import topic_address
from wakeman.adapters.push.exchange import Exchange, exchange
from wakeman.adapters.push.secret import kept_secret
from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.model import Deployment, WakeTarget
from wakeman.core.plan.validation import TOPIC, reachable
from wakeman.core.policy.elsewhere import BUTTONS_MAX, PushedQuestion, nonce
from wakeman.core.text import sanitise
from wakeman.ports import Heard

ANSWER_TOPIC_CHARS_MIN = 16
"""Characters of the secret topic's name at least: who guesses it could keep answers from being read."""
HEARD_BYTES_MAX = 65536
"""Bytes of messages that one check reads."""
ANSWER_KEY_BYTES = 32
BUTTON_LABEL_CHARS_MAX = 60
"""Characters of a choice that a button shows; the words above it have the question whole."""
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def answer_address(target: WakeTarget, text: str) -> str:
    """Return the address of the secret topic.

    Shape: `text` is what the file has: a name, at the server of the notices, or an address. Raises: UsageError for one
    that cannot be used; answers are then off.
    """
    notices, said = topic_address(target), text.strip()
    if reachable(said):
        address = said
    elif TOPIC.fullmatch(said):
        address = f"{notices.rpartition('/')[0]}/{quote(said, safe='')}"
    else:
        raise UsageError("found no topic; expected a name of letters, digits, '_' and '-', or https://...")
    if len(address.rpartition("/")[2]) < ANSWER_TOPIC_CHARS_MIN:
        raise UsageError(f"found a topic that can be guessed; expected {ANSWER_TOPIC_CHARS_MIN} characters or more")
    if address == notices:
        raise UsageError("found the topic of the notices; expected another one")
    return address


def answer_key(directory: str, *, make: bool) -> bytes:
    """Return the deployment's own secret, of which nonces are made; b"" where there is none.

    Effects: with `make` it is made, once. Raises: OSError.
    """
    file = os.path.join(directory, "answers.key")
    if make:
        with suppress(FileExistsError):
            _write_key(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        with open(file, "rb") as opened:
            key = opened.read(ANSWER_KEY_BYTES + 1)
    except FileNotFoundError:
        return b""
    if len(key) != ANSWER_KEY_BYTES:
        raise OSError(0, "found no key in it; remove it, and old buttons are void", file)
    return key


def _write_key(made: int) -> None:
    with os.fdopen(made, "wb") as opened:
        opened.write(os.urandom(ANSWER_KEY_BYTES))
        opened.flush()
        os.fsync(opened.fileno())


def buttons(key: bytes, d: Deployment, question: PushedQuestion, address: str) -> str:
    """Return the header of a push that shows the choices as buttons. Shape: JSON in ASCII."""
    made = [
        {
            "action": "http",
            "label": sanitise(choice.label, BUTTON_LABEL_CHARS_MAX),
            "url": address,
            "method": "POST",
            "body": nonce(key, d, question, choice),
            "clear": True,
        }
        for choice in question.choices[:BUTTONS_MAX]
    ]
    return json.dumps(made)


def heard(target: WakeTarget, since: str, d: Deployment) -> Heard:
    """Read what was said by a deployment's topic of answers since a message, or a time in seconds.

    Boundary: nothing is asked before a push has had a button; at most 64 KiB are read, what is further comes next.
    Cost: one request, bounded by the target's timeout. Shape: of an answer that cannot be read, only why.
    """
    try:
        address = answer_address(target, kept_secret(d.host.root, target.answers_file))
        access = kept_secret(d.host.root, target.secret_file)
        key = answer_key(d.host.directory, make=False)
    except OSError as fault:
        return Heard(why=f"{target.answers_file}: {fault.strerror}")
    except WakemanError as fault:
        return Heard(why=f"{target.answers_file}: {fault}")
    return _read_topic(address, since, access, key, target.timeout) if key else Heard()


def unanswerable(target: WakeTarget, root: str) -> str:
    """Return why no answer can come back, and notices have no buttons; "" if it can. Nothing is sent for that."""
    try:
        answer_address(target, kept_secret(root, target.answers_file))
    except OSError as fault:
        return f"{target.answers_file}: {fault.strerror}"
    except WakemanError as fault:
        return f"{target.answers_file}: {fault}"
    return ""


def _read_topic(address: str, since: str, access: str, key: bytes, timeout: float) -> Heard:
    headers = {"authorization": f"Bearer {access}"} if access else {}
    url = f"{address}/json?poll=1&since={quote(since, safe='')}"
    found = exchange(Exchange("GET", url, b"", headers), timeout, HEARD_BYTES_MAX, monotonic() + timeout)
    if found.why or not 200 <= found.status < 300:
        return Heard(why=found.why or f"{found.where}: HTTP {found.status}", key=key)
    lines = found.body.split(b"\n")
    whole = lines if len(found.body) < HEARD_BYTES_MAX else lines[:-1]
    messages = [each for each in map(_message_of, whole) if each is not None]
    return Heard(messages=tuple(text for _, text in messages), since=_last_id(messages), key=key)


def _message_of(line: bytes) -> tuple[str, str] | None:
    """Return the id and the text of a message; None for what is none."""
    try:
        said = json.loads(line)
        if said["event"] != "message":
            return None
        name, text = said["id"], said.get("message", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not isinstance(name, str) or not isinstance(text, str) or not _MESSAGE_ID.fullmatch(name):
        return None
    return name, text


def _last_id(messages: Sequence[tuple[str, str]]) -> str:
    return messages[-1][0] if messages else ""
