"""Who waits reads what happens, at once and in few rows; who watches sees a board that fits the pane."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from tests.faces.test_pages import HOSTILE, STATES, WIDTHS, commands, runs, text
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.api.watch import Happening, happenings
from wakeman.core.log.events import Looked
from wakeman.core.model import FileFingerprint, Verdict
from wakeman.engine.check import check
from wakeman.engine.wait import wait
from wakeman.faces.cli.board import board
from wakeman.faces.cli.live import Narrator, _check_due, farewell, waited
from wakeman.faces.cli.paper import Paper

ASKS = {"stuck": {"after": 60, "silent": ["ask"]}, "cleanup": {"rounds": 1}}


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def followed(stream: StringIO, play: Play) -> Narrator:
    """Wait for a deployment until it is over or an hour has passed; return who told of it."""
    play.up()
    progress = Narrator(play.stage.world("hand:1"), None, stream)
    file = f"{play.deployment.host.directory}/events.jsonl"

    def pause(_: float) -> None:
        play.stage.run(lambda world, head: check(world, NAME, head), lambda: False, 1.0)
        play.stage.files.write(file, play.stage.logs.tapes[NAME].data)

    wait(play.stage.world("hand:2"), NAME, "done", pause, timeout=3600, seen=progress.see)
    return progress


def night() -> Play:
    acts = {"w0": Act(hangs=True, stops_after=1), "w1": Act(code=3, stops_after=0)}
    return Play(workers=3, units=2, plan=dict(ASKS), acts=acts)  # type: ignore[arg-type] # tables of a plan


def test_without_a_terminal_each_change_is_a_line_with_its_time_in_utc() -> None:
    stream = StringIO()
    followed(stream, night())
    rows = stream.getvalue().splitlines()

    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S", row) for row in rows)
    assert f" {NAME} open: 6 units, 3 workers, next check in " in rows[0]
    assert any(" started w0 w1 w2" in row for row in rows)
    assert any(" verified w2 2/2 units" in row for row in rows)
    [asked] = [at for at, row in enumerate(rows) if " w0 is silent for " in row]
    assert rows[asked + 1].endswith(f" do: wakeman attach {NAME}/w0")
    assert any(" w1 back-off: attempt 2 of 2" in row for row in rows)
    assert not any("\x1b" in row or "\r" in row for row in rows)


def test_a_deployment_that_is_over_or_paused_has_no_next_check() -> None:
    status, on = STATES["one"], Paper(width=None, rows=None)
    ways: list[dict[str, Any]] = [{}, {"paused": True}, {"next_check": None}, {"outcome": "partial"}]

    said = [_check_due(msgspec.structs.replace(status, **each), on) for each in ways]

    assert said[0].startswith(", next check ")
    assert [f", paused: none until wakeman unpause {status.deployment}", ", no alarm is set", ""] == said[1:]


def test_on_a_terminal_one_row_is_painted_again_and_all_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("NO_COLOR", "1")
    for name in ("LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    stream = Terminal()
    progress = followed(stream, night())
    progress.clear()
    painted = stream.getvalue()

    assert not painted.rpartition("\r\x1b[K")[2]
    rows = re.sub(r"[^\n]*\r\x1b\[K", "", painted).splitlines()
    assert f"{NAME}: 6 units, 3 workers, next check" in rows[0]
    assert any(row.startswith(" ▲ w0 is silent for ") for row in rows)
    assert f"     wakeman attach {NAME}/w0" in rows
    assert max(cell_len(row) for row in re.split(r"\n|\r\x1b\[K", painted)) <= 59
    assert " run · " in painted
    assert " 1 needs you" in painted


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("state", ["demo", "partial", "script over", "one"])
def test_the_end_says_how_far_it_came_how_long_it_took_and_what_to_look_at(state: str, live: bool) -> None:
    stream = Terminal() if live else StringIO()
    data = STATES[state]
    Narrator(Play().stage.world("hand:1"), None, stream).end(data)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())

    assert (data.outcome == "open") is not shown.endswith("\n")
    if data.outcome != "open":
        assert f"{data.units.done}/{data.units.total} units in " in shown
        verb = "report" if data.outcome == "complete" else "redo"
        assert live is (f"\n     wakeman {verb} {data.deployment}\n" in shown)


def test_what_was_told_once_is_not_told_again() -> None:
    stream = StringIO()
    progress = followed(stream, night())
    before = stream.getvalue()
    progress._seq -= 1
    assert progress.d is not None
    progress.see(progress.d)

    assert before == stream.getvalue()


def test_a_reader_of_the_log_gets_the_row_and_nothing_else() -> None:
    play = night()
    play.up()
    stream = Terminal()
    progress = Narrator(play.stage.world("hand:1"), None, stream, told=False)
    progress.see(play.deployment)
    progress.clear()

    assert 1 == stream.getvalue().count("0/6")
    assert "\n" not in stream.getvalue()


def interrupt() -> int:
    raise KeyboardInterrupt


def test_after_ctrl_c_it_says_that_the_deployment_goes_on() -> None:
    play = night()
    play.run(10)
    stream = StringIO()
    progress = Narrator(play.stage.world("hand:1"), None, stream)

    assert 130 == waited(progress, interrupt)
    assert "" == stream.getvalue()
    progress.see(play.deployment)
    assert 130 == waited(progress, interrupt)
    assert f"interrupted: only the waiting has ended; {NAME} goes on by itself\n" in stream.getvalue()
    assert 7 == waited(progress, lambda: 7)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_what_is_said_after_ctrl_c_fits_and_its_commands_run(state: str, width: int) -> None:
    data, on = STATES[state], Paper(width=width - 1)

    rows = text(list(farewell(data, on)), on)

    assert max(map(cell_len, rows)) <= width - 1
    assert not [row for row in rows if row.endswith("…") and not row.startswith("  ")]
    found = commands(rows)
    assert (3 if data.outcome == "open" else 1) == len(found)
    for words in found:
        runs(words)


# --- the board ----------------------------------------------------------------------------------------------------

HAPPENED = tuple(
    Happening(at="2026-11-29T00:51:58Z", worker=worker, sign=sign, says=f"{says} {at}")  # type: ignore[arg-type] # literals
    for at in range(9)
    for worker, sign, says in (("w1", "bad", HOSTILE), ("", "done", "closed"), ("文書" * 20, "", "x" * 300))
)


@pytest.mark.parametrize("height", [1, 2, 5, 10, 20, 24, 50])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_a_board_fits_its_pane(state: str, width: int, height: int) -> None:
    data, on = STATES[state], Paper(width=width - 1, rows=height)

    rows = text(board(data, HAPPENED, ("inotify\x1b[2J overflowed",), on), on)

    assert max(map(cell_len, rows)) <= width - 1
    assert len(rows) <= height
    assert all(row.isprintable() for row in rows)
    if data.needs and height >= 10:
        assert any(row[1:2] in ("▲", "✗", "◆") for row in rows)
        assert f"{len(data.needs)} need" in rows[0]


def test_a_board_has_needs_first_then_waits_then_the_quietest_and_events_below_the_newest_first() -> None:
    on = Paper(rows=30)
    rows = text(board(STATES["forty"], HAPPENED[:2], (), on, ("inotify",)), on)
    signs = "".join(row[1] for row in rows if row[1:2] in ("▲", "✗", "◆", "◌", "●", "·", "✓"))

    assert re.fullmatch(r"▲+◆✗◌+●+··", signs)
    assert " quiet for " in next(row for row in rows if row.startswith(" ●"))
    assert "closed 0" in rows[-3]
    assert "gotcha" not in "".join(rows)
    assert rows[-1] == " Ctrl-C ends only the watching · inotify"


def test_each_event_that_a_person_wants_is_told_and_no_other() -> None:
    play = night()
    play.run(120)
    told: list[Happening] = []
    for event in play.events:
        told += happenings(play.deployment, event)
    says = [each.says for each in told]

    assert any(each.startswith("started ") for each in says)
    assert any("passes" in each for each in says)
    assert any(each.startswith("stuck: silent") for each in says)
    assert any(each.startswith("verified: ") for each in says)
    assert not any("sleep" in each for each in says)
    assert {"done", "wait", "ask", ""} <= {each.sign for each in told}


def test_a_verdict_that_fails_says_why_and_one_of_a_file_that_is_not_there_is_no_event() -> None:
    play = night()
    play.run(1)
    mark = FileFingerprint("out/w0/u0.json", 96, 1)
    verdicts = (Verdict("w0/u0", ("96 bytes\x1b[2J, expected at least 200",), (mark,)), Verdict("w0/u1", ("missing",)))
    event = msgspec.structs.replace(play.events[-1], data=Looked(mono=1.0, boot="b", verdicts=verdicts))

    [told] = happenings(play.deployment, event)

    assert ("bad", "w0", '"w0/u0" fails: "96 bytes, expected at least 200"') == (told.sign, told.worker, told.says)
