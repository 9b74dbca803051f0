"""Record how each client fails into tests/adapters/failures: `python -m tests.agents.failures [CLIENT-MODE-WAY...]`.

Each is one run of a real client against the simulated model server, which refuses in one way. Kept is what Wakeman
reads: what it prints and its exit status in print mode; its screen, hook reports and transcript in a live session.
Tests only read the recorded files. WAKEMAN_CLIENTS names the directories with the programs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.agents.clients import KEY, KINDS, PLACES, QUIET
from tests.agents.models import Turn, serving

FAILURES = Path(__file__).parents[1] / "adapters" / "failures"
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


def record(name: str) -> str:
    """Record one run; return what became of it."""
    client, mode, key = name.split("-")
    way = WAYS[key]
    place = Path(f"/tmp/wkf{abs(hash(name)) % 10**6:06}")
    shutil.rmtree(place, ignore_errors=True)
    (place / "work").mkdir(parents=True)
    with serving() as models:
        models.state["turn"] = _turn(client, way)
        url = way.url.replace("CLOSED", str(closed_port())) or models.url
        env, argv = _started(place, client, mode, way, url)
        seen = _printed(place, env, argv, client) if mode == "print" else _shown(place, env, argv, client, mode)
    shutil.rmtree(place, ignore_errors=True)
    text = json.dumps({"way": way.says, **seen}, indent=1, ensure_ascii=False).replace(str(place), "/home/agent")
    text = re.sub(
        r"/[\w./-]+?/node_modules/", "/usr/lib/node_modules/", text
    )  # where its programs are is nobody's concern
    FAILURES.mkdir(exist_ok=True)
    (FAILURES / f"{name}.json").write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", text) + "\n")
    return f"{name}: recorded"


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


def _started(place: Path, client: str, mode: str, way: Way, url: str) -> tuple[dict[str, str], list[str]]:
    kind, work = KINDS[client], place / "work"
    for file, text in kind.files.items():
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(text.replace("ADDRESS", url))
    task = work / "task.md"
    task.write_text(f"Make each file on the right. play=fails\na -> {work}/a.md\n")
    prompt = task.read_text()
    node = os.path.dirname(shutil.which("node") or "/usr/bin/node")
    env = {"PATH": f"{PLACES}:{node}:/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "LANG": "C.UTF-8"}
    env |= {"TERM": "xterm-256color", kind.key: KEY, **QUIET, "API_TIMEOUT_MS": "4000"}
    env |= {key: value.replace("ADDRESS", url) for key, value in kind.env.items()} | dict(way.env)
    if mode == "retrying":
        env |= LASTING.get(client, {})
    args = [word.replace("ADDRESS", url) for word in kind.args]
    live = mode != "print"
    if client == "claude":
        hook = {"hooks": [{"type": "command", "command": f"cat >>{place}/hook; echo >>{place}/hook"}]}
        hooks = {name: [hook] for name in ("Stop", "StopFailure", "Notification", "UserPromptSubmit", "SessionEnd")}
        known = {"approved": [KEY[-20:]], "rejected": []}
        trust = {str(work): {"hasTrustDialogAccepted": True}}
        first = {"hasCompletedOnboarding": True, "customApiKeyResponses": known, "projects": trust}
        (place / ".claude").mkdir()
        (place / ".claude" / ".claude.json").write_text(json.dumps(first))
        (place / "settings.json").write_text(json.dumps({"hooks": hooks}))
        quiet = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1"}
        env |= {"CLAUDE_CONFIG_DIR": str(place / ".claude"), **quiet}
        settings = ["--settings", f"{place}/settings.json", "--permission-mode", "acceptEdits"]
        if live:
            return env, ["claude", *settings, "--", prompt]
        return env, ["claude", "-p", "--output-format", "stream-json", "--verbose", *settings, "--", prompt]
    if client == "codex":
        usual = ["-c", "check_for_update_on_startup=false", "--disable", "plugins"]
        usual += ["-c", f'projects={{"{work}"={{trust_level="trusted"}}}}', *args]
        usual += ["-c", "model_providers.stand.stream_idle_timeout_ms=4000"]
        if mode == "retrying":
            usual += [
                "-c",
                "model_providers.stand.request_max_retries=8",
                "-c",
                "model_providers.stand.stream_max_retries=8",
            ]
        free = "--dangerously-bypass-approvals-and-sandbox"
        if live:
            return env, ["codex", "--no-daemon", *usual, free, "--", prompt]
        return env, ["codex", "exec", "--json", "--skip-git-repo-check", *usual, free, "--", prompt]
    if client == "gemini":
        usual = ["--skip-trust", *args, "--approval-mode", "yolo"]
        if live:
            return env, ["gemini", *usual, "--prompt-interactive", prompt]
        return env, ["gemini", *usual, "--output-format", "stream-json", "-p", prompt]
    if client == "opencode":
        return env, ["opencode", "--auto", "--prompt", prompt] if live else [
            "opencode",
            "run",
            "--format",
            "json",
            prompt,
        ]
    usual = ["--no-check-update", "--no-show-release-notes", "--no-show-model-warnings", "--analytics-disable"]
    usual += ["--no-pretty", "--no-stream", "--no-detect-urls", "--no-auto-commits", "--no-gitignore", "--yes-always"]
    return env, ["aider", *usual, *args, "--message", prompt]


def _tail(text: str, lines: int = KEPT_LINES) -> str:
    """Return the last lines, without those that only repeat a client's own instructions."""
    kept = [line for line in text.splitlines(keepends=True) if len(line) <= KEPT_CHARS]
    return "".join(kept[-lines:])


def _printed(place: Path, env: dict[str, str], argv: list[str], client: str) -> dict[str, Any]:
    """Run it; a stream as Wakeman keeps it: what it prints, with both channels in one where the client has no JSON."""
    with (place / "stream").open("wb") as out, (place / "errors").open("wb") as errors:
        run = subprocess.Popen(
            argv,
            cwd=place / "work",
            env=env,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            stdout=out,
            stderr=out if client == "aider" else errors,
        )
        try:
            code: int | None = run.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    stream = (place / "stream").read_text(errors="replace")
    return {"code": code, "stream": _tail(stream), "errors": _tail((place / "errors").read_text(errors="replace"), 20)}


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


def _shown(place: Path, env: dict[str, str], argv: list[str], client: str, mode: str) -> dict[str, Any]:
    tmux = ["env", "-i", f"PATH={env['PATH']}", "LANG=C.UTF-8", "TERM=xterm-256color", "tmux", "-f/dev/null"]
    tmux += ["-S", str(place / "tmux")]
    given = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
    box = ["-x", "120", "-y", "40", "-c", str(place / "work")]
    subprocess.run(
        [*tmux, "set", "-g", "remain-on-exit", "on", ";", "new", "-d", *box, *given, "--", *argv],
        check=True,
        capture_output=True,
    )

    def capture() -> str:
        return subprocess.run([*tmux, "capture-pane", "-p", "-t", "0:"], capture_output=True, text=True).stdout

    wanted = (RETRIES if mode == "retrying" else GIVEN_UP)[client]
    end = time.monotonic() + PATIENCE
    try:
        while not re.search(wanted, capture()) and time.monotonic() < end:
            time.sleep(0.3)
        time.sleep(0.2 if mode == "retrying" else 1.5)
        screen = capture()
        records = sorted(place.glob(".claude/projects/*/*.jsonl")) + sorted(
            place.glob(".codex/sessions/**/rollout-*.jsonl")
        )
        record = _tail(records[-1].read_text()) if records else ""
        states = sorted(place.glob(".claude/sessions/*.json"))
        state = states[-1].read_text() if states else ""
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True)
    hook = (place / "hook").read_text() if (place / "hook").exists() else ""
    reports = [line for line in hook.splitlines() if line and '"SessionEnd"' not in line]
    shown = "\n".join(line.rstrip() for line in screen.splitlines()).rstrip("\n") + "\n"
    found = bool(re.search(wanted, screen))
    return {
        "found": found,
        "screen": shown,
        "record": record,
        "state": state,
        "hook": "".join(f"{one}\n" for one in reports[-1:]),
    }


def main() -> None:
    """Record what is named, or everything."""
    chosen = sys.argv[1:] or cases()
    for name in cases():
        if any(re.fullmatch(each.replace("*", ".*"), name) for each in chosen):
            try:
                print(record(name), flush=True)
            except Exception as fault:
                print(f"{name}: {fault!r}", flush=True)


if __name__ == "__main__":
    main()
