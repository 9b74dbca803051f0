"""On a terminal that is narrower than a row, rows are broken between words; elsewhere they stay as they are."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.faces.test_report import lines_of
from tests.faces.test_serve import keep

from wakeman.faces.cli import main
from wakeman.faces.cli.folding import cells_of, rows_of_table, rows_within, width

CELLS = 60


@pytest.mark.parametrize(
    ("text", "cells", "rows"),
    [
        ("error: short", 20, ["error: short"]),
        (
            "error: w.toml:3: units: found nothing; expected a unit",
            40,
            ["error: w.toml:3: units: found nothing;", "       expected a unit"],
        ),
        ("✓ stopped run_a: a cleanup", 20, ["✓ stopped run_a: a", "  cleanup"]),
        (
            "hint: wakeman stop run/a, or wakeman status run",
            30,
            ["hint: wakeman stop run/a, or", "  wakeman status run"],
        ),
        ("hint: wakeman retry night/one --only", 32, ["hint:", "  wakeman retry night/one --only"]),
        ("a /a/path/that/is/longer/than/a/row b", 30, ["a", "/a/path/that/is/longer/than/a/row", "b"]),
        ("a  two   blanks", 10, ["a  two", "blanks"]),
        ("文書 文書 文書", 9, ["文書 文書", "文書"]),
    ],
)
def test_a_row_is_broken_between_words_and_goes_on_below_its_text(text: str, cells: int, rows: list[str]) -> None:
    assert rows == rows_within(text, cells)
    assert [text] == rows_within(text, None)


def test_the_longest_column_of_a_table_is_broken_in_its_own_place() -> None:
    rows = [("name", "description", "from"), ("ops", "looks after a machine or a service", "here")]

    assert ["name  description           from", "ops   looks after a         here", "      machine or a service"] == [
        *rows_of_table(rows, 32)
    ]
    assert "ops   looks after a machine or a service  here" == [*rows_of_table(rows, None)][1]
    assert ["ops   looks after a", "  machine or a", "  service  here"] == [*rows_of_table(rows, 20)][2:]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Call `wakeman` on a terminal of 60 columns with the demo's log; return what reached it."""
    keep(tmp_path / "state", "demo", lines_of("demo"))

    def call(*words: str) -> str:
        master, slave = os.openpty()
        termios.tcsetwinsize(slave, (50, CELLS))
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.ONLCR
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        shown = list[bytes]()
        reader = Thread(target=_read, args=(master, shown))
        reader.start()
        with open(slave, "w", encoding="utf-8", newline="\n") as stream, monkeypatch.context() as patch:
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, stream)
            main([*words, "--state", str(tmp_path / "state")])
        reader.join()
        os.close(master)
        return b"".join(shown).decode()

    return call


def _read(master: int, shown: list[bytes]) -> None:
    """Keep what reaches the terminal, until its other end is closed."""
    with suppress(OSError):
        while part := os.read(master, 65536):
            shown.append(part)


@pytest.mark.parametrize(
    "words",
    [
        ("log", "demo", "--type", "decided"),
        ("audit", "demo"),
        ("agents",),
        ("status", "--jsno"),
        ("stop", "--only", "runing"),
        ("stop", "demo/condense_asyncio"),
        ("send", "--help"),
        ("run", "--help"),
        ("help",),
        ("ps",),
    ],
    ids=" ".join,
)
def test_no_row_is_cut_through_a_word(terminal: Callable[..., str], words: tuple[str, ...]) -> None:
    shown = terminal(*words)
    long = [row for row in shown.splitlines() if width(row) >= CELLS and " " in row.strip()]

    assert shown.strip()
    assert [] == long


def test_a_log_on_a_terminal_says_the_date_once_a_day(terminal: Callable[..., str]) -> None:
    rows = terminal("log", "demo", "--type", "armed").splitlines()
    days = [row for row in rows if row.count("-") == 2 and row.strip()[:4].isdecimal() and ":" not in row]

    assert 1 == len(days)
    assert rows[0] == days[0]


@pytest.mark.parametrize(("columns", "cells"), [(0, None), (1, None), (2, 1), (80, 79)])
def test_a_terminal_that_does_not_say_its_width_gets_rows_as_they_are(columns: int, cells: int | None) -> None:
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    with os.fdopen(theirs, "w") as stream:
        assert cells == cells_of(stream)
    os.close(ours)


def test_a_file_is_no_terminal(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        assert cells_of(stream) is None
