"""Codex: its table. Known of version 0.169."""

from __future__ import annotations

import re

import msgspec

from wakeman.adapters.harness.client import ANY, OPENING, Client, Event, Grant, Sign, Talk, Tally
from wakeman.adapters.harness.limits import LIMIT
from wakeman.ports import Task

SANDBOXED = (
    "write files below the directory it starts in and beside its outputs, and run commands that its sandbox keeps there"
)
READS = Grant("read files, and run commands that change nothing", ("--sandbox", "read-only"))
WRITES = Grant(SANDBOXED, ("--sandbox", "workspace-write"))
BYPASS = Grant("run any command, without its sandbox", ("--dangerously-bypass-approvals-and-sandbox",))
QUIET = ("-c", "check_for_update_on_startup=false", "--disable", "plugins")
NEVER = ("-c", 'approval_policy="never"')

AUTH = re.compile(r"\b401\b|[Uu]nauthorized|not logged in")
EVENTS = (
    Event("limited", {"type": "turn.failed", "error.message": LIMIT}, "{error.message}"),
    Event("error", {"type": "turn.failed", "error.message": AUTH}, "{error.message}", fault="auth"),
    Event("error", {"type": "turn.failed"}, "{error.message}"),
    Event("limited", {"type": "error", "message": LIMIT}, "{message}"),
    Event("busy", {"type": "error", "message": re.compile("^Reconnecting")}, "{message}", "{message}"),
    Event("error", {"type": "error", "message": AUTH}, "{message}", fault="auth"),
    Event("error", {"type": "error"}, "{message}"),
    Event("idle", {"type": "turn.completed"}, "has finished its turn", ""),
    Event("busy", {"type": ANY}, "works"),
)
SIGNS = (
    Sign("waiting", r"Trust this folder\?", "asks whether it may trust the folder"),
    Sign("waiting", r"(?:Would you like to|Allow Codex to) [^\n]*\?", "asks for a permission"),
    Sign("waiting", r"enter (?:continue|to confirm|to submit)", "shows a dialog"),
    Sign("waiting", r"Sign in with ChatGPT", "asks for a login"),
    Sign("busy", r"esc to interrupt", "works"),
    Sign("busy", r"\d+ background terminals? running", "runs a command in the background"),
    Sign("limited", LIMIT.pattern),
    Sign("error", r"^■ .*401 Unauthorized.*", fault="auth"),
    Sign("error", r"^■ .*"),
    Sign("idle", r"^\s+Worked for ", "has finished a turn"),
)
"""Its input box is there while it works too; only the line under a finished turn says that it is one."""


def _permits(task: Task, beside: list[str]) -> tuple[str, ...]:
    """Word what it would ask for or look up: the trust of its directory, and whom to tell of a finished turn.

    Boundary: it tells of its own turns too (a title for the session), and never of a turn's beginning. So a notice
    starts a check, and what it says is no evidence.
    """
    del beside
    place = msgspec.json.encode(task.cwd).decode()
    words = ("-c", f'projects={{{place}={{trust_level="trusted"}}}}') if task.cwd else ()
    if task.plan.workers.mode == "print" or not task.hook:
        return words
    notify = msgspec.json.encode(["/bin/sh", task.hook, task.place, "notify", "push"]).decode()
    return (*words, "-c", f"notify={notify}")


CODEX = Client(
    name="codex",
    install="npm install -g @openai/codex",
    talks={
        "print": Talk(
            begin=("codex", "exec", "--json", "--skip-git-repo-check", *QUIET, *NEVER),
            resume=("resume", "{{ session }}"),
            end=("-",),
            stdin=True,
            to_file=True,
        ),
        "interactive": Talk(begin=("codex", "--no-daemon", *QUIET), end=("--", OPENING)),
    },
    grants={
        ("print", False): READS,
        ("print", "edits"): WRITES,
        ("print", "all"): BYPASS,
        ("interactive", False): READS,
        ("interactive", "edits"): WRITES,
        ("interactive", "all"): BYPASS,
    },
    ours=frozenset({"exec", "resume", "--json", "--skip-git-repo-check", "--ephemeral", "--"}),
    granting=frozenset({"--sandbox", "-s", "--dangerously-bypass-approvals-and-sandbox", "--approve-for-me"}),
    reach=("--add-dir", "{{ directory }}"),
    model=("--model", "{{ model }}"),
    permits=_permits,
    events=EVENTS,
    signs=SIGNS,
    tally=Tally(
        where={"type": "turn.completed"}, input=("usage.input_tokens",), output=("usage.output_tokens",), whole=True
    ),
    session="thread_id",
    prompt_line=r"^› (?!Ask Codex)(?!\d\. )\S.*$",
    memory=200 * 1024 * 1024,
)
