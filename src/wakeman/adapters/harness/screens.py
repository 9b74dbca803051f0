"""What is for people to read, by a client's table: the signs on its screen, and in a stream of plain text."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from wakeman.adapters.harness.limits import retrying
from wakeman.adapters.harness.lines import SEARCHED_CHARS_MAX
from wakeman.adapters.harness.refusals import quotable, refusal_report
from wakeman.adapters.harness.table import Client, Sign
from wakeman.core.text import sanitise
from wakeman.ports import ClientVersion, Report, Source

SIGN_ROWS_MAX = 60
"""Last lines of a screen in which a sign counts."""
SCREEN_ROW_CHARS_MAX = 500
"""Characters of a line of a screen that are read."""
EDGE_ROWS = 5
"""Lines at a screen's end in which the edge of the conversation is looked for: text above may quote one."""
WRAPPED_ROWS = 3
"""Lines before a retry that say what it is for."""
TEXT_STREAM_ROWS_MAX = 200
"""Last lines of a stream of plain text that are read."""


def shown_report(client: Client, screen: str, now: datetime, version: str = "") -> Report:
    """Return what a screen of a version says: the first sign that is on it."""
    parts = _parts(client, _last_rows(client, screen))
    for sign in client.signs:
        if not sign.of(version) or sign.part not in parts:
            continue
        if found := re.search(sign.pattern, parts[sign.part], re.MULTILINE):
            words = found["said"] if "said" in found.re.groupindex else found[0]
            return _weighed(client, _signed(sign, words, now, "screen"), version)
    return Report()


def shown_words(client: Client, screen: str) -> str:
    """Return the model's last words as its screen shows them; "" where they are not known there.

    Boundary: one paragraph, and of that what the terminal still shows.
    """
    above = _parts(client, _last_rows(client, screen)).get("above", "")
    found = re.search(client.words, above, re.MULTILINE)
    return " ".join(re.split(r" {3,}", row.strip())[0] for row in found["said"].splitlines()) if found else ""


def _last_rows(client: Client, screen: str) -> str:
    """Return the last lines of a screen, shortened: what is shown beside the conversation is left out."""
    rows = screen.replace("\N{NO-BREAK SPACE}", " ").rstrip().splitlines()[-SIGN_ROWS_MAX:]
    edge = re.search(client.edge, "\n".join(rows[-EDGE_ROWS:]), re.MULTILINE)
    width = min(len(edge[0]) if edge else SCREEN_ROW_CHARS_MAX, SCREEN_ROW_CHARS_MAX)
    return "\n".join(row[:width].rstrip() for row in rows)


def _weighed(client: Client, report: Report, version: str) -> Report:
    """Return what a screen alone may say: of a version that nobody has recorded, not that its turn is over."""
    newest = client.recorded[-1] if client.recorded else ""
    if report.activity != "idle" or not ClientVersion(client.name, version, newest).newer:
        return report
    why = f"seems to rest; screens of {version} are not known, the newest is {newest}"
    return Report("unknown", why, source="screen")


def _parts(client: Client, text: str) -> dict[str, str]:
    """Split a screen at its input box; drop text above the last prompt, which belongs to an earlier turn."""

    def latest(above: str) -> str:
        return re.split(client.prompt_line, above, flags=re.MULTILINE)[-1]

    box = re.search(client.frame, text, re.MULTILINE)
    if box is None:
        return {"": latest(text), "open": text}
    above = latest(text[: box.start()])
    if (aside := re.search(client.asides, above)) is not None:
        above = above[: aside.start()]
    whole = f"{above.rstrip()}\n❯ {box['typed'].strip()}"
    return {"": latest(text), "above": above, "foot": box["foot"], "typed": box["typed"], "box": whole}


def _signed(sign: Sign, found: str, now: datetime, source: Source) -> Report:
    if sign.retries:
        return Report("busy", retrying(found), source=source, retries=True)
    if sign.activity in ("error", "limited"):
        words = sanitise(found, SEARCHED_CHARS_MAX)
        report = refusal_report(sign.activity, words, now, source, sign.fault)
        return msgspec.structs.replace(report, why=sign.why) if sign.why else report
    return Report(
        sign.activity, sign.why or quotable(found), source=source, fault=sign.fault, background=sign.background
    )


def printed_report(signs: tuple[Sign, ...], stream: bytes, now: datetime) -> Report:
    """Read a stream of plain text from its last line upwards: the last match counts."""
    lines = stream.decode(errors="replace").splitlines()
    rows = [line[:SEARCHED_CHARS_MAX] for line in lines[-TEXT_STREAM_ROWS_MAX:]]
    for n, line in reversed(list(enumerate(rows))):
        for sign in signs:
            if found := re.search(sign.pattern, line):
                words = [found[0]]
                if sign.retries:  # after what it is for
                    words = [*rows[max(0, n - WRAPPED_ROWS) : n], *words]
                elif sign.activity == "error":  # wrapped
                    words += rows[n + 1 : n + 2]
                return _signed(sign, " ".join(words), now, "stream")
    return Report()


def last_paragraph(text: str, own_lines: str) -> str:
    """Return the last paragraph that is not all of the client's own lines."""
    for paragraph in reversed(re.split(r"\n\s*\n", text)):
        if any(line.strip() and not re.match(own_lines, line) for line in paragraph.splitlines()):
            return paragraph.strip()
    return ""
