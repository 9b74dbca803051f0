"""Aider's table, tested with version 0.86. It prints plain text, and exits with 0 also if a key was refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wakeman.adapters.harness.table import Client, Grant, Sign, Talk
from wakeman.core.model import Usage
from wakeman.ports import Task

REFUSED = "'edits' or 'all': it asks before it writes, and gets no answer"
PRINTED = (
    Sign("busy", r"Retrying in [\d.]+ seconds[^\n]*", retries=True),
    Sign("error", r"not able to authenticate you.*", fault="auth"),
    Sign("error", r"litellm\.\w+Error.*"),
    Sign("idle", r"^Applied edit to ", "has applied an edit"),
    Sign("busy", r"^(?:Model|Aider v|Git repo|Repo-map|Tokens): ?", "works"),
)
OWN_LINES = r"(?:Tokens: |Cost: |Applied edit to |Aider v|Model: |Git repo: |Repo-map: |Warning: |Analytics |/\S+$)"
_COST = re.compile(r"Cost: \$[\d.]+ message, \$([0-9]{1,9}(?:\.[0-9]{1,9})?) session")


def _printed_cost(text: str) -> Usage | None:
    """Return the last sum of cost that it printed. Its counts of tokens are rounded, and therefore not used."""
    found = _COST.findall(text)
    return Usage(cost=float(found[-1])) if found else None


def _settle(task: Task) -> tuple[Mapping[str, str], Mapping[str, bytes]]:
    """Create the files to which it appends: it does not create directories."""
    return {}, {f"{task.home}/aider.input": b""}


AIDER = Client(
    name="aider",
    install="pip install aider-chat",
    recorded=("0.86.2",),
    talks={
        "print": Talk(
            begin=(
                *("aider", "--no-check-update", "--no-show-release-notes", "--no-show-model-warnings"),
                *("--analytics-disable", "--no-pretty", "--no-stream", "--no-detect-urls", "--no-auto-commits"),
                *("--no-gitignore", "--chat-history-file", "{{ home }}/aider.chat.md"),
                *("--input-history-file", "{{ home }}/aider.input"),
            ),
            end=("--message-file", "{{ prompt_file }}"),
            to_file=True,
        ),
    },
    grants={
        ("print", False): Grant("nothing: it would ask", refused=REFUSED),
        ("print", "edits"): Grant(
            "write any file that the model names; it runs no command",
            ("--yes-always", "--no-suggest-shell-commands"),
        ),
        ("print", "all"): Grant("the same; a command that the model suggests is not run", ("--yes-always",)),
    },
    ours=frozenset({"--message", "-m", "--msg", "--message-file", "-f", "--chat-history-file"}),
    granting=frozenset({"--yes-always"}),
    model=("--model", "{{ model }}"),
    settle=_settle,
    says=PRINTED,
    own_lines=OWN_LINES,
    spent=_printed_cost,
    redraws=False,
    memory=250 * 1024 * 1024,
)
