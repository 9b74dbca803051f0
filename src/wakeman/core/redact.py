"""Secrets removed from text that comes from outside: values that the plan names, and what looks like a key."""

from __future__ import annotations

import re
from collections.abc import Mapping

SECRET_CHARS_MIN = 8
"""Minimum length of a value, or part of one, that is hidden: a shorter one would also match ordinary words."""

SHAPES: tuple[tuple[str, str], ...] = (
    ("private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"),
    ("Anthropic key", r"\bsk-ant-[\w-]{8,}"),
    ("API key", r"\bsk-(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{16,}"),
    ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,})"),
    ("AWS key", r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"),
    ("Google key", r"\bAIza[\w-]{20,}"),
    ("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("token", r"\beyJ[\w-]{8,}\.eyJ[\w-]{4,}(?:\.[\w-]*)?"),
    ("token", r"(?<=Bearer )[\w.~+/-]{12,}=*"),
)
"""Kind of key -> its pattern, which also matches if its end is cut off."""
_KEY_SIGN = r"sk-|gh[pousr]_|github_pat_|AKIA|ASIA|AIza|xox|eyJ|Bearer |PRIVATE KEY"
"""Without one of these no pattern can match."""
_GAP = r"[\s│┃]*"
"""Characters that a screen inserts into a value when it wraps it."""


def redacted(text: str, values: Mapping[str, str] = {}) -> str:
    """Return text with each of `values` (by name) replaced by `[NAME hidden]`, and what looks like a key likewise.

    Boundary: a value is found across the lines of a screen that wraps it, and where the text's end cuts it off after
    SECRET_CHARS_MIN characters. A value of several lines is hidden line by line.
    Cost: a scan for each value; one more for all shapes.
    """
    if not text:
        return text
    for name, value in values.items():
        for line in value.splitlines():
            if len(line) >= SECRET_CHARS_MIN:
                text = _without(text, line, f"[{name} hidden]")
    if re.search(_KEY_SIGN, text):
        for what, pattern in SHAPES:
            text = re.sub(pattern, f"[{what} hidden]", text)
    return text


def _without(text: str, value: str, instead: str) -> str:
    text = text.replace(value, instead)
    bare = re.sub(_GAP, "", value)
    if len(bare) >= SECRET_CHARS_MIN and bare in re.sub(_GAP, "", text):
        text = re.sub(_GAP.join(map(re.escape, bare)), lambda _: instead, text)
    kept = text.removesuffix("…")
    for length in range(len(value), SECRET_CHARS_MIN - 1, -1):
        if kept.endswith(value[:length]):
            return kept[:-length] + instead + text[len(kept) :]
    return text
