"""How each client fails. Each is one run against the simulated model server, which refuses in one way. Kept is what
Wakeman reads: what it prints and its exit status in print mode; its screen, hook reports and transcript in a live
session.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.agents.alone import Start, Terminal, kept, printed, scratch
from tests.agents.clients import KINDS
from tests.agents.models import Turn, serving
from tests.agents.recorded import normalised

PATIENCE = float(os.environ.get("WAKEMAN_PATIENCE", "75"))
"""Seconds after which a client that neither ends nor gives up is recorded as it is then: it retries by itself."""
KEPT_LINES = 12
"""Last lines of a stream or transcript that are kept."""
KEPT_CHARS = 3000
"""Characters of a line that is kept."""
RESET = 1_999_999_999
"""Epoch seconds of the reset that the stand-in names: 2033-05-18 03:33:19 UTC."""


class Way(NamedTuple):
    """One way to fail: what the model server answers, by the client's API; or where the client is pointed instead."""

    says: str
    status: int = 0
    error: str = ""
    kind: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    bodies: Mapping[str, Any] = {}  # by client, where its service words it in its own way
    url: str = ""
    hangs: bool = False
    env: Mapping[str, str] = {}


NO_QUOTA: dict[str, Any] = {
    "status": 429,
    "error": {
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "type": "insufficient_quota",
        "code": "insufficient_quota",
    },
}
WAYS: dict[str, Way] = {
    "400": Way("the request is not valid", 400, "messages: field required", "invalid_request_error"),
    "401": Way("the key is refused", 401, "invalid x-api-key", "authentication_error"),
    "403": Way("the account may not use it", 403, "Your account does not have access to this", "permission_error"),
    "billing": Way(
        "nothing is left to pay with",
        400,
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
        "invalid_request_error",
        bodies={
            "codex": NO_QUOTA,
            "opencode": NO_QUOTA,
            "aider": NO_QUOTA,
            "gemini": {
                "status": 429,
                "error": {
                    "code": 429,
                    "message": "Your prepayment credits are depleted. Please go to AI Studio to manage your billing.",
                    "status": "RESOURCE_EXHAUSTED",
                },
            },
        },
    ),
    "rate": Way("too many requests a minute", 429, "slow down", "rate_limit_error", (("retry-after", "1"),)),
    "limit": Way(
        "the account's limit is used up",
        429,
        f"Claude AI usage limit reached|{RESET}",
        "rate_limit_error",
        (("x-should-retry", "false"),),
        bodies={
            "codex": {
                "status": 429,
                "error": {
                    "type": "usage_limit_reached",
                    "message": "The usage limit has been reached",
                    "plan_type": "pro",
                    "resets_at": RESET,
                },
            },
            "gemini": {
                "status": 429,
                "error": {
                    "code": 429,
                    "message": "You exceeded your current quota, please check your plan and billing details. Quota "
                    "exceeded for metric: generativelanguage.googleapis.com/generate_content_requests, limit: 250",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [
                        {
                            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                            "violations": [
                                {
                                    "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
                                    "quotaId": "GenerateRequestsPerDayPerProjectPerModel",
                                }
                            ],
                        }
                    ],
                },
            },
        },
    ),
    "500": Way("an error of the service", 500, "internal error", "api_error"),
    "503": Way("the service is down", 503, "service unavailable", "api_error"),
    "529": Way("the service is overloaded", 529, "Overloaded", "overloaded_error"),
    "refused": Way("nobody listens", url="http://127.0.0.1:CLOSED"),
    "dns": Way("its name is not known", url="http://model.invalid"),
    "timeout": Way("not a byte is answered", hangs=True),
}
LASTING = {"claude": {"CLAUDE_CODE_MAX_RETRIES": "10"}}
"""Variables with which a client retries as it does by itself."""
TELLING = ("claude-", "codex-")
"""Clients whose screen says that they retry."""
SIZE = (120, 40)
MODES = ("print", "live", "retrying")
"""`retrying` is a live session that has not given up yet."""


def cases() -> list[str]:
    """List what can be recorded."""
    found = [f"{client}-{mode}-{way}" for client in KINDS for mode in MODES for way in WAYS]
    return [
        name
        for name in found
        if not (name.startswith("aider-") and "-print-" not in name)
        and ("-retrying-" not in name or (name.startswith(TELLING) and name.endswith(("-500", "-529", "-refused"))))
    ]


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def record(name: str) -> dict[str, Any]:
    """Record one run."""
    client, mode, key = name.split("-")
    way = WAYS[key]
    with scratch() as place, serving() as models:
        models.state["turn"] = _turn(client, way)
        url = way.url.replace("CLOSED", str(closed_port())) or models.url
        task = f"Make each file on the right. play=fails\na -> {place}/work/a.md\n"
        lasting = LASTING.get(client, {}) if mode == "retrying" else {}
        env = {"API_TIMEOUT_MS": "4000", **way.env, **lasting}
        start = Start(client, mode != "print", task, _args(client, mode), env)
        if mode == "print":
            said = printed(place, start, url, PATIENCE)
            texts = normalised({"stream": _tail(said.stream), "errors": _tail(said.errors, 20)})
            return {"way": way.says, "code": said.code, **texts}
        wanted = (RETRIES if mode == "retrying" else GIVEN_UP)[client]
        with Terminal(place, start, url, SIZE) as terminal:
            terminal.awaited(wanted, PATIENCE)
            time.sleep(0.2 if mode == "retrying" else 1.5)
            screen, said_ = terminal.capture(), kept(place, client)
        reports = [line for line in said_["hook"].splitlines(keepends=True) if '"SessionEnd"' not in line]
        last = {"record": _tail(said_["record"]), "state": said_["state"], "hook": "".join(reports[-1:])}
        return {"way": way.says, "found": bool(re.search(wanted, screen)), **normalised({"screen": screen, **last})}


def _args(client: str, mode: str) -> tuple[str, ...]:
    """Return the arguments by which a client may do all it is asked here, and gives up as soon as it can be told to."""
    if client == "claude":
        return ("--permission-mode", "acceptEdits")
    if client == "gemini":
        return ("--approval-mode", "yolo")
    if client == "opencode":
        return ("--auto",) if mode != "print" else ()
    if client == "aider":
        return ()
    often = [f"model_providers.stand.{one}_max_retries=8" for one in ("request", "stream") if mode == "retrying"]
    settings = ("model_providers.stand.stream_idle_timeout_ms=4000", *often)
    return (*(word for one in settings for word in ("-c", one)), "--dangerously-bypass-approvals-and-sandbox")


def _turn(client: str, way: Way) -> Turn:
    if way.hangs:
        return Turn(hangs=True)
    body = dict(way.bodies.get(client, {}))
    status = int(body.pop("status", way.status))
    if not body:
        error: dict[str, Any] = {"type": way.kind, "message": way.error}
        if client == "gemini":
            names = {
                400: "INVALID_ARGUMENT",
                401: "UNAUTHENTICATED",
                403: "PERMISSION_DENIED",
                429: "RESOURCE_EXHAUSTED",
                500: "INTERNAL",
            }
            error = {"code": status, "message": way.error, "status": names.get(status, "UNAVAILABLE")}
        body = {"type": "error", "error": error} if client == "claude" else {"error": error}
    return Turn(status=status, body=json.dumps(body), headers=way.headers)


def _tail(text: str, lines: int = KEPT_LINES) -> str:
    """Return the last lines, without those that only repeat a client's own instructions."""
    kept = [line for line in text.splitlines(keepends=True) if len(line) <= KEPT_CHARS]
    return "".join(kept[-lines:])


GIVEN_UP = {
    "claude": r"for \d+s\n|API Error|Credit balance|API key|hit your|limit reached|Please run /login",
    "codex": r"■ ",
    "gemini": r"✕ |Error",
    "opencode": r"▣ [^\n·]+ · [^\n·]+\n(?![\s\S]*(?:esc +interrupt|retrying in))",
}
RETRIES = {
    "claude": r"(?i)retrying in",
    "codex": r"(?i)reconnecting|retrying",
    "gemini": r"(?i)retry|attempt|trying",
    "opencode": r"(?i)retrying|attempt",
}
