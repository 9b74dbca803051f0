"""The recorded run of the demo: its log audits and replays, and log, audit and pictures are of the same run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from wakeman.faces.cli import main

ROOT = Path(__file__).parents[2]
NIGHT = ROOT / "examples" / "condense" / "night"
LOG = NIGHT / "events.jsonl"
SCREEN = (ROOT / "docs" / "pictures" / "demo.svg").read_text(encoding="utf-8")
PNG_BYTES_MAX, SVG_BYTES_MAX = 200_000, 300_000
PATHS = re.compile(r"(?<![\w.}<:/])/[A-Za-z][\w./-]+")
PLACES = ("/home/agent", "/usr/", "/bin", "/sbin")
"""Where the paths of a record may lead: anything else would be of the machine that recorded it."""


def events() -> list[dict[str, object]]:
    return [json.loads(line) for line in LOG.read_text(encoding="utf-8").splitlines()]


def test_the_audit_says_of_the_log_what_it_said_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    assert 0 == main(["audit", str(LOG.relative_to(ROOT))])

    assert (NIGHT / "audit.txt").read_text(encoding="utf-8") == capsys.readouterr().out


def test_the_log_is_replayed_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["replay", str(LOG), "--json"])

    lines = capsys.readouterr().out.splitlines()
    assert len(events()) == len(lines)
    assert "complete" == json.loads(lines[-1])["state"]["outcome"]


def test_the_terminal_shows_the_run_of_the_log() -> None:
    shown = re.sub(r"<[^>]+>", "", SCREEN).replace("&#160;", " ")

    assert f"head: {len(events())}:{events()[-1]['hash']}" in shown
    assert "$ make demo" in shown


def test_no_path_in_the_record_is_of_the_machine_that_made_it() -> None:
    shown = re.sub(r"<[^>]+>", "", SCREEN)
    found = {path for text in (LOG.read_text(encoding="utf-8"), shown) for path in PATHS.findall(text)}

    assert {path for path in found if not path.startswith(PLACES)} == set()
    assert '"machine":"00000000000000000000000000000001"' in LOG.read_text(encoding="utf-8")


def test_the_picture_begins_with_the_command_and_ends_with_what_the_log_says() -> None:
    still = re.sub(r'<g class="m [^"]*g">.*?</g>', "", SCREEN)  # what stands to the end: seen without motion, too
    shown = re.sub(r"<[^>]+>", "", still).replace("&#160;", " ")

    assert "0/54" in SCREEN.replace("&#160;", " ")
    assert "0/54" not in shown
    assert "$ wakeman audit condense" in shown
    moved, known = (set(re.findall(rf"{word} ([\w-]+)", SCREEN)) for word in ("animation-name:", "@keyframes"))
    assert moved == known
    assert "prefers-reduced-motion" in SCREEN


def test_the_pictures_are_small_and_ask_for_nothing() -> None:
    assert [] == re.findall(r"url\((?!#)|href|@import|<script|<image", SCREEN)
    assert len(SCREEN) < SVG_BYTES_MAX
    assert (ROOT / "docs" / "pictures" / "report.png").stat().st_size < PNG_BYTES_MAX
