"""`wakeman top`: what it shows of recorded nights, key by key, in a terminal's own size."""

from __future__ import annotations

import asyncio
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from tests.faces.test_pages import HOSTILE, LONG, NOW, crowd
from tests.faces.test_report import lines_of, poisoned
from tests.faces.test_serve import keep
from tests.scripts.test_answers import PERMISSION
from textual.app import App
from textual.pilot import Pilot

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.replay import Night, as_it_was
from wakeman.api.rewind import NEAR_LINES_MAX, Rewind
from wakeman.api.status import shape
from wakeman.core.log.state import apply
from wakeman.core.model import Deployment
from wakeman.core.policy.dialogs import CUT
from wakeman.faces.cli import main
from wakeman.faces.cli.paper import Line, Paper
from wakeman.faces.cli.reach import reach
from wakeman.faces.top import rows as top_rows
from wakeman.faces.top.app import TopApp
from wakeman.faces.top.desk import TopDesk
from wakeman.faces.top.hands import Effect, press
from wakeman.faces.top.source import Source
from wakeman.ports import World

SAMPLES = Path(__file__).parents[2] / "state" / "samples"
PICTURES = Path(__file__).parent / "pictures"
NAMES = ("crashed", "demo", "limited", "partial", "stuck")
SIZES = ((80, 24), (60, 20), (120, 30), (200, 50))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("NO_COLOR", "TMUX", "PAGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def desk_of(state: Path, given: str | None, *, acts: bool = True, **how: Any) -> TopDesk:
    def make() -> World:
        return reach(Namespace(state=str(state), dry_run=False, json=True), "top")

    return TopDesk(make, Reading, given, Paper(width=79, rows=24, **how), acts=acts)


def log_of(name: str) -> str:
    return str(SAMPLES / name / "events.jsonl")


def shown(desk: TopDesk, width: int = 80, height: int = 24) -> list[str]:
    """Return the rows of a picture as text."""
    from dataclasses import replace

    desk.on = replace(desk.on, width=width - 1, rows=height)
    return ["".join(text for text, _ in line).rstrip() for line in desk.picture()]


def piloted(desk: TopDesk, size: tuple[int, int], steps: Callable[[Pilot[None], TopApp], Awaitable[Any]]) -> Any:
    """Run the application as a terminal would, and do these steps."""

    async def run() -> Any:
        app = TopApp(desk, str(desk.world.state))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            return await steps(pilot, app)

    return asyncio.run(run())


def text_of(app: App[None]) -> list[str]:
    """Return what the terminal shows, from a screenshot."""
    svg = app.export_screenshot()
    found: dict[int, dict[int, str]] = {}
    cell = 12.2  # width of a character there
    for x, line, text in re.findall(
        r'<text [^>]*?x="([\d.]+)"[^>]*?clip-path="url\(#[\w-]*-line-(\d+)\)"[^>]*>(.*?)</text>', svg
    ):
        found.setdefault(int(line), {})[round(float(x) / cell)] = html.unescape(text).replace("\xa0", " ")
    rows = []
    for line in range(max(found) + 1):
        row = ""
        for at, text in sorted(found.get(line, {}).items()):
            row += " " * (at - cell_len(row)) + text
        rows.append(row.rstrip())
    return rows


# --- what is shown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_night_looks_as_it_did(tmp_path: Path, name: str, width: int, height: int) -> None:
    """Compare with the picture kept beside; WAKEMAN_REWRITE=1 writes it anew, to be looked at."""
    picture = PICTURES / f"{name}-{width}.txt"

    async def steps(pilot: Pilot[None], app: TopApp) -> list[str]:
        found = text_of(app)
        for keys in ("3", "4", "e", "left left left", "l"):
            await pilot.press(*keys.split())
            await pilot.pause()
            found += [f"=== {keys}", *text_of(app)]
        return found

    text = "\n".join(piloted(desk_of(tmp_path, log_of(name)), (width, height), steps)) + "\n"
    if os.environ.get("WAKEMAN_REWRITE"):
        PICTURES.mkdir(exist_ok=True)
        picture.write_text(text)

    assert picture.read_text() == text


def test_the_picture_of_the_page_is_what_is_shown() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "top.md").read_text()
    shown_there = page.partition("```text\n")[2].partition("```")[0]

    assert f"=== 3\n{shown_there}===" in (PICTURES / "partial-80.txt").read_text()


def test_a_night_that_ended_badly_ends_with_a_bad_mark(tmp_path: Path) -> None:
    index = desk_of(tmp_path, log_of("partial")).present().index

    assert ("failed", "bad") == (index.marks[-1].sign, index.happened[-1].sign)


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_log_shows_what_replay_says_there(tmp_path: Path, name: str) -> None:
    source = Source(desk_of(tmp_path, log_of(name)).world, log_of(name), Reading)

    for seq in [*range(source.last, 0, -1), *range(1, source.last + 1, 7)]:
        source.move(seq)
        expected = as_it_was(Night(log_of(name), Reading), seq, name).data
        assert expected == type(expected)(**{**fields(source.status()), "elsewhere": expected.elsewhere}), seq


def fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def test_left_and_right_walk_line_by_line_and_the_marks_are_found(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, log_of("limited"))
    source = desk.present()
    last = source.last

    def place() -> int | None:
        return source.at

    assert (None, last) == (place(), source.shown)
    press(desk, "left")
    assert last - 1 == place()
    press(desk, "right")
    press(desk, "right")
    assert place() is None
    seen: list[int | None] = []
    for _ in range(200):
        press(desk, "[")
        if seen and seen[-1] == source.at:
            break
        seen.append(source.at)
    marks = [mark.seq for mark in source.index.marks if mark.sign != "done"]
    assert marks[::-1] == seen
    assert "REPLAY" in shown(desk)[0]
    press(desk, "]")
    assert marks[1] == place()
    press(desk, "space")
    assert place() is None
    assert "REPLAY" not in shown(desk)[0]


def test_a_long_way_back_applies_few_lines_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts: a step back applies what lies behind the nearest state that is kept, never the whole log."""
    monkeypatch.setattr("wakeman.api.rewind.NEAR_LINES_MAX", 16)
    counted = 0
    real = apply

    def counting(d: Deployment, event: Any) -> None:
        nonlocal counted
        counted += 1
        real(d, event)

    found = Rewind(log_of("limited"), Reading)
    found.extend()
    monkeypatch.setattr("wakeman.api.rewind.apply", counting)
    for seq in range(len(found.events), len(found.events) - 40, -1):
        found.at(seq)

    assert NEAR_LINES_MAX > 16
    assert counted < 40 * 16 + len(found.events)


def test_a_long_log_is_read_in_parts_and_keys_are_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shown(desk_of(tmp_path, log_of("demo")))
    lines = len(lines_of("demo"))
    monkeypatch.setattr("wakeman.faces.top.source.READ_LINES_MAX", 40)
    desk = desk_of(tmp_path, log_of("demo"))

    assert f" demo  reading its log: 40 of {lines} lines" == shown(desk)[0]
    assert Effect("quit") == press(desk, "q")
    for key in ("j", "x", "/", "left", "e", "l", "space", "1"):
        assert press(desk, key) is None
    desk.tick()
    assert f" demo  reading its log: 40 of {lines} lines" == shown(desk)[0]
    reads = 0
    while desk.reading_on:
        desk.present().read_on()
        reads += 1

    assert lines // 40 == reads
    assert whole == shown(desk)


def test_the_way_back_of_a_long_log_is_read_in_parts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, known = desk_of(tmp_path, log_of("demo")), desk_of(tmp_path, log_of("demo"))
    press(known, "left")
    press(known, "e")
    lines = len(lines_of("demo"))
    monkeypatch.setattr("wakeman.faces.top.source.READ_LINES_MAX", 40)

    press(desk, "left")
    assert f" demo  reading its log: 40 of {lines} lines" == shown(desk)[0]
    press(desk, "escape")  # stay now
    assert (False, None) == (desk.reading_on, desk.present().at)
    press(desk, "e")
    assert f" demo  reading its log: 40 of {lines} lines" == shown(desk)[0]
    while desk.reading_on:
        desk.present().read_on()
    press(desk, "left")

    assert lines - 1 == desk.present().at
    assert shown(known) == shown(desk)


def test_the_terminal_goes_on_reading_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeman.faces.top.source.READ_LINES_MAX", 40)
    desk = desk_of(tmp_path, log_of("demo"))

    async def steps(pilot: Pilot[None], app: TopApp) -> list[str]:
        while desk.reading_on:
            await pilot.pause(0.02)
        await pilot.press("j")
        return text_of(app)

    assert piloted(desk, (80, 24), steps)[0].startswith(" condense  nothing needs you")


def test_the_evidence_of_a_moment_is_its_screen(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, log_of("stuck"))
    index = desk.present().index
    [*_, kept] = [each for found in index.screens.values() for each in found]
    desk.present().move(kept.seq)
    at = next(at for at, each in enumerate(desk.rows()[0]) if each.worker == kept.worker)
    desk.step(at)

    assert any("screen kept at" in row and "not here" in row for row in shown(desk))


# --- keys -----------------------------------------------------------------------------------------------------------


def crowded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, **how: Any) -> TopDesk:
    """Return a desk on a deployment of so many workers, which no log has."""
    desk = desk_of(tmp_path, log_of("demo"))
    d = crowd(number, **how)
    source = desk.present()
    source.elsewhere, source.name = "", "condense-docs"
    status = shape(d, NOW, d.looked_at, stands=True)
    monkeypatch.setattr(source, "status", lambda: status)
    monkeypatch.setattr(Source, "d", d)
    monkeypatch.setattr(source, "picture", lambda _: None)
    desk._shown = None
    return desk


def chosen(desk: TopDesk) -> str:
    entry = desk.entry()
    return entry.name if entry is not None else ""


def test_the_order_is_that_of_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 40)
    made, _ = desk.rows()

    kinds = [each.kind for each in made]
    order = ("ask", "held", "failed", "wait", "running", "pending", "ended")
    assert sorted(kinds, key=order.index) == kinds
    assert {*order} == {*kinds}
    status = desk.present().status()
    assert [each.about for each in status.needs] == [each.name for each in made[: len(status.needs)]]
    quiet = next(each for each in status.groups if each.state == "running")
    assert list(quiet.workers) == [each.name for each in made if each.kind == "running"]


def test_keys_move_among_rows_and_keep_the_selection_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 40)
    made, _ = desk.rows()

    first = chosen(desk)
    for key, name in (("j", made[1].name), ("down", made[2].name), ("k", made[1].name), ("up", first)):
        press(desk, key)
        assert name == chosen(desk)
    press(desk, "end")
    assert made[-1].name == chosen(desk)
    press(desk, "pageup")
    assert made[-1].name != chosen(desk)
    press(desk, "pagedown")
    assert made[-1].name == chosen(desk)
    press(desk, "home")
    assert first == chosen(desk)
    press(desk, "j")
    name = chosen(desk)
    fewer = [each for each in made if each.name != first]
    desk._settle(fewer)
    assert name == fewer[desk._chosen].name


def test_a_filter_finds_by_name_unit_and_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 40)
    for words, expected in (
        ("docs_17", {"docs_17"}),
        ("docs_18/u3", {"docs_18"}),
        ("LIMITED", {"docs_04", "docs_16", "docs_28"}),
    ):
        press(desk, "/")
        for letter in words:
            press(desk, letter)
        assert words in shown(desk)[-1]
        press(desk, "enter")
        assert expected == {each.worker for each in desk.rows()[0]}
        press(desk, "escape")
        assert len(desk.rows()[0]) > 30
    press(desk, "/")
    for letter in "nobody has this":
        press(desk, "space" if letter == " " else letter)
    assert "nobody here" in "\n".join(shown(desk))
    press(desk, "escape")
    assert "" == desk.words


def test_f_folds_equal_rows_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 200)
    many = len(desk.rows()[0])
    press(desk, "f")
    folded = desk.rows()[0]
    press(desk, "f")

    assert len(folded) < 60 < many == len(desk.rows()[0])
    assert {"group running", "group pending", "group ended"} <= {each.key for each in folded}


@pytest.mark.parametrize(
    ("key", "pane"), [("1", "screen"), ("2", "words"), ("3", "outputs"), ("4", "events"), ("e", "why")]
)
def test_a_number_chooses_a_pane(tmp_path: Path, key: str, pane: str) -> None:
    desk = desk_of(tmp_path, log_of("demo"))
    press(desk, key)

    assert pane == desk.pane
    assert any(f"[{key} {pane}]" in row for row in shown(desk))


def test_why_explains_a_decision_from_its_facts(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, log_of("partial"))
    press(desk, "e")
    rows = "\n".join(shown(desk, 100, 40))

    for word in ("row ", "because", "then", "seen, in line"):
        assert word in rows


def test_the_log_shows_everything_that_happened(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, log_of("demo"))
    press(desk, "l")
    end = shown(desk)
    press(desk, "home")
    begin = shown(desk)
    press(desk, "l")

    assert "closed" in end[-2] + end[-3]
    assert "started" in "\n".join(begin)
    assert begin != end
    assert "look" == desk.mode


def test_all_keys_are_named_by_the_help(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, log_of("demo"))
    press(desk, "?")
    rows = shown(desk)
    press(desk, "?")

    for key in ("↑↓ j k", "Tab", "1 2 3 4", "/", "Enter", "s ", "r ", "x ", "a ", "w ", "t ", "p ", "o ", "e ", "q "):
        assert any(row.startswith(f" {key}") for row in rows), key
    assert all(len(row) < 80 and "…" not in row for row in rows)
    assert "look" == desk.mode


def test_q_ends_from_wherever_one_looks(tmp_path: Path) -> None:
    for keys in ("", "l", "?", "left"):
        desk = desk_of(tmp_path, log_of("demo"))
        for key in keys.split():
            press(desk, key)
        assert Effect("quit") == press(desk, "q")


# --- all deployments --------------------------------------------------------------------------------------------------


def test_all_deployments_come_first_and_tab_goes_on(tmp_path: Path) -> None:
    for name in NAMES[:3]:
        keep(tmp_path / "state", name, lines_of(name))
    desk = desk_of(tmp_path / "state", None)

    page = shown(desk)
    assert 3 == sum("closed" in row for row in page)
    assert ["▌"] == [row[0] for row in page if row.startswith("▌")]
    names = desk.deployments
    press(desk, "j")
    press(desk, "enter")
    assert names[1] == desk.present().name == Path(desk.present().file).parent.name
    press(desk, "tab")
    press(desk, "escape")
    assert desk.source is None
    press(desk, "enter")
    assert names[2] == Path(desk.present().file).parent.name


# --- doing ----------------------------------------------------------------------------------------------------------


def at(desk: TopDesk, kind: str, reason: str = "") -> None:
    """Choose the first row of a kind."""
    made, _ = desk.rows()
    place = next(
        n for n, each in enumerate(made) if each.kind == kind and reason in (getattr(each.what, "reason", "") or "")
    )
    desk.step(-(10**6))
    desk.step(place)


KEYS = (
    ("ask", "permission", "x", "", "wakeman stop condense-docs/{}"),
    ("ask", "permission", "s", "go on", "wakeman send condense-docs/{} 'go on' --submit"),
    ("ask", "permission", "r", "", "wakeman retry condense-docs/{}"),
    ("ask", "asks", "s", "keep both", "wakeman answer condense-docs/{} 'keep both' --seen SEEN"),
    ("ask", "asks", "s", "--no", "wakeman answer condense-docs/{} --seen SEEN -- --no"),
    ("running", "", "s", "go on; rm -rf $HOME", "wakeman send condense-docs/{} 'go on; rm -rf $HOME' --submit"),
    ("running", "", "x", "", "wakeman stop condense-docs/{}"),
    ("held", "", "a", "", "wakeman accept condense-docs"),
    ("wait", "limited", "t", "", "wakeman retry condense-docs/{}"),
    ("running", "", "p", "", "wakeman pause condense-docs"),
)


@pytest.mark.parametrize(("kind", "reason", "key", "text", "command"), KEYS)
def test_a_doing_key_shows_its_command_and_only_y_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reason: str, key: str, text: str, command: str
) -> None:
    desk = crowded(tmp_path, monkeypatch, 12)
    at(desk, kind, reason)
    worker = desk.entry().worker  # type: ignore[union-attr] # it was chosen
    command = command.replace("SEEN", getattr(desk.entry().what, "seen", ""))  # type: ignore[union-attr] # as above

    def begin() -> None:
        assert press(desk, key) is None
        if desk.mode == "text":
            for letter in text:
                press(desk, "space" if letter == " " else letter)
            press(desk, "enter")
        assert "confirm" == desk.mode

    for no in ("n", "escape"):
        begin()
        assert command.format(worker) in " ".join(shown(desk, 140)[-3:])
        assert press(desk, no) is None
        assert "look" == desk.mode
    begin()
    assert press(desk, "x") is None
    effect = press(desk, "y")
    assert effect is not None
    assert ("run", command.format(worker)) == (effect.what, shlex.join(effect.argv))
    desk.ran(0, "✓ done\n")
    assert "✓ done" in shown(desk)[-1]


def test_the_keys_of_a_row_that_is_several_workers_are_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = crowded(tmp_path, monkeypatch, 24)
    at(desk, "ask", "permission")
    entry = desk.entry()
    assert entry is not None
    target = f"condense-docs/{entry.worker}"

    found = desk.deeds()

    assert ("wakeman", "attach", target) == found["enter"].argv
    assert [
        ("wakeman", "send", "--like", target, "\0", "--submit"),
        ("wakeman", "retry", "--like", target),
        ("wakeman", "stop", "--like", target),
    ] == [found[key].argv for key in "srx"]
    press(desk, "x")
    assert "all 2" in " ".join(shown(desk, 140)[-3:])
    press(desk, "n")
    press(desk, "s")
    press(desk, "1")
    press(desk, "enter")
    assert Effect("run", ("wakeman", "send", "--like", target, "1", "--submit")) == press(desk, "y")


def test_a_permission_is_given_and_denied_by_a_key_that_names_the_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = crowded(tmp_path, monkeypatch, 12, dialog=PERMISSION)
    at(desk, "ask", "permission")
    target = f"condense-docs/{chosen(desk)}"

    for key, wanted, label in (("a", "once", "Yes"), ("d", "deny", "No")):
        assert press(desk, key) is None
        asked = " ".join(shown(desk, 140)[-3:])
        assert f"wakeman approve {target} --{wanted} --seen d1" in asked
        assert f'chooses "{label}"' in asked
        assert press(desk, "n") is None
        press(desk, key)
        assert Effect("run", ("wakeman", "approve", target, f"--{wanted}", "--seen", "d1")) == press(desk, "y")
        desk.ran(0, "done\n")


@pytest.mark.parametrize("asks", [f"Bash {'x' * 900}", f"begin{CUT}end"])
def test_a_permission_whose_words_are_cut_is_not_given_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    desk = crowded(tmp_path, monkeypatch, 12, dialog=msgspec.structs.replace(PERMISSION, asks=asks))
    at(desk, "ask", "permission")

    assert {"a", "d"}.isdisjoint(desk.deeds())


def test_the_least_that_a_dialog_offers_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(
        tmp_path, monkeypatch, 12, dialog=msgspec.structs.replace(PERMISSION, choices=PERMISSION.choices[1:])
    )
    at(desk, "ask", "permission")

    assert "--always" in desk.deeds()["a"].argv


def test_a_text_that_was_refused_is_typed_anyway_on_a_second_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 12)
    at(desk, "running")
    target = desk.deeds()["s"].argv[2]
    for key in ("s", *"--no", "enter", "y"):
        press(desk, key)
    desk.ran(5, f"error: {target}: not idle\nhint: add --force to type anyway\n")

    assert " s types it anyway" in shown(desk)[-1]
    press(desk, "s")
    assert Effect("run", ("wakeman", "send", target, "--submit", "--force", "--", "--no")) == press(desk, "y")
    desk.ran(0, f"sent to {target}\n")
    assert "send" == desk.deeds()["s"].word


def test_waiving_asks_for_the_reason_and_names_each_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 12)
    at(desk, "held")
    press(desk, "w")
    for letter in "-x":
        press(desk, letter)
    press(desk, "enter")
    effect = press(desk, "y")

    assert effect is not None
    assert ("wakeman", "waive", "--deployment", "condense-docs", "--why=-x", "--") == effect.argv[:6]
    assert all("/u" in unit for unit in effect.argv[6:])


def test_attach_is_run_at_once_and_has_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 12)
    at(desk, "running")

    assert Effect("lend", ("wakeman", "attach", f"condense-docs/{chosen(desk)}")) == press(desk, "enter")


def test_words_that_are_cut_get_no_answer_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 12, words="x" * 900)
    at(desk, "ask")

    assert "s" not in desk.deeds()
    assert "enter" in desk.deeds()


@pytest.mark.parametrize("why", ["read only", "replay", "elsewhere"])
def test_no_key_does_anything_where_only_looking_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    desk = crowded(tmp_path, monkeypatch, 12)
    desk._acts = why != "read only"
    desk.present().at = 20 if why == "replay" else None
    if why == "elsewhere":
        status = desk.present().status()
        monkeypatch.setattr(desk.present(), "status", lambda: msgspec.structs.replace(status, elsewhere="a copy"))
    for kind in ("ask", "held", "running", "wait"):
        at(desk, kind)
        assert {} == desk.deeds()
        for key in ("enter", "s", "r", "x", "a", "d", "w", "t", "p"):
            assert press(desk, key) is None
            assert "look" == desk.mode


def test_what_a_command_says_stays_text_and_its_failure_is_seen(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, log_of("demo"))
    desk.running = "wakeman stop x"
    desk.ran(3, f"error: [red]no[/red] {HOSTILE}\n" * 9)
    rows = desk.picture()

    assert "[red]no[/red]" in "\n".join("".join(text for text, _ in row) for row in rows[-6:])
    assert "\x1b" not in "".join(text for row in rows for text, _ in row)
    assert 24 == len(rows)


# --- sizes, tongues, hostile words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ascii_", "number", "words", "name"),
    [
        (False, 1, "go on?", "docs_{at:02}"),
        (False, 3, HOSTILE * 9, "[red]{at}[/red]"),
        (False, 40, HOSTILE * 9, LONG),
        (True, 40, HOSTILE * 9, "文書の要約をする係_{at}"),
        (False, 40, "[bold]no[/bold]", "文書の要約をする係_{at}"),
        (True, 3, "go on?", LONG),
    ],
)
def test_no_row_is_longer_than_the_terminal_and_none_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ascii_: bool, number: int, words: str, name: str
) -> None:
    desk = crowded(tmp_path, monkeypatch, number, words=words, name=name)
    desk.on = Paper(width=79, rows=24, ascii=ascii_)
    for width, height in ((20, 5), (40, 9), (59, 14), (60, 20), (80, 24), (119, 30), (120, 30), (200, 50)):
        for keys in ("1", "2", "3", "4", "e", "end", "l", "escape", "?", "?", "f", "home"):
            press(desk, keys)
            rows = shown(desk, width, height)
            assert height == len(rows)
            assert max(map(cell_len, rows)) < width, rows
            assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", "".join(rows))
            assert not ascii_ or "".join(rows).isascii()
    assert "escape" not in desk.mode


def test_markup_and_escape_sequences_in_a_log_stay_text_on_the_terminal(tmp_path: Path) -> None:
    file = keep(tmp_path / "state", "demo", poisoned("demo"))

    async def steps(pilot: Pilot[None], app: TopApp) -> list[str]:
        found = []
        for key in ("1", "2", "3", "4", "e", "l"):
            await pilot.press(key)
            await pilot.pause()
            found += text_of(app)
        return found

    rows = piloted(desk_of(tmp_path / "state", str(file)), (120, 40), steps)

    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", "".join(rows))


def test_a_resized_terminal_is_filled_anew(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[None], app: TopApp) -> None:
        for width, height in ((80, 24), (60, 20), (200, 50), (30, 8)):
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            rows = text_of(app)
            assert max(map(cell_len, rows)) < width
            assert ["".join(text for text, _ in line).rstrip() for line in app.canvas.lines][: len(rows)] == rows
            assert height == len(app.canvas.lines)

    piloted(desk_of(tmp_path, log_of("demo")), (100, 30), steps)


def test_without_colour_the_text_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(_: Pilot[None], app: TopApp) -> tuple[list[str], str]:
        return text_of(app), app.export_screenshot()

    coloured = piloted(desk_of(tmp_path, log_of("partial")), (80, 24), steps)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = piloted(desk_of(tmp_path, log_of("partial")), (80, 24), steps)

    assert coloured[0] == plain[0]
    assert coloured[1] != plain[1]


def test_a_thousand_workers_cost_only_the_rows_in_sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = crowded(tmp_path, monkeypatch, 1000)
    built = 0
    real = top_rows.entry_row

    def counting(*given: Any, **named: Any) -> Line:
        nonlocal built
        built += 1
        return real(*given, **named)

    monkeypatch.setattr("wakeman.faces.top.frame.entry_row", counting)

    async def steps(pilot: Pilot[None], app: TopApp) -> None:
        nonlocal built
        await pilot.pause()
        for key in ("j", "pagedown", "end", "home"):
            built, drawn = 0, app.canvas.drawn
            paints = app.paints
            await pilot.press(key)
            await pilot.pause()
            assert 0 < built <= 24 * (app.paints - paints)
            assert app.canvas.drawn - drawn <= 24 * (app.paints - paints)
        drawn = app.canvas.drawn
        app._paint()
        await pilot.pause()
        assert drawn == app.canvas.drawn  # nothing has changed

    piloted(desk, (80, 24), steps)


# --- a log that goes on -----------------------------------------------------------------------------------------------


def test_new_lines_are_taken_and_the_past_stays_where_it_is(tmp_path: Path) -> None:
    lines = lines_of("demo")
    file = keep(tmp_path / "state", "demo", lines[:60])
    desk = desk_of(tmp_path / "state", str(file))
    press(desk, "left")
    with file.open("ab") as log:
        log.writelines(lines[60:])
    desk.tick()

    assert 59 == desk.present().at
    press(desk, "space")
    desk.tick()
    assert (None, len(lines)) == (desk.present().at, desk.present().last)
    press(desk, "left")
    assert len(lines) - 1 == desk.present().at
    assert "54/54" in shown(desk)[1]


def test_a_damaged_log_is_shown_up_to_there_and_said(tmp_path: Path) -> None:
    lines = lines_of("demo")
    file = keep(tmp_path / "state", "demo", [*lines[:60], lines[60].replace(b"1", b"2", 1), *lines[61:]])
    desk = desk_of(tmp_path / "state", str(file))

    assert any("hash" in row or "seq" in row for row in shown(desk)[:3])
    assert 60 == desk.present().last


def test_what_is_no_terminal_gets_an_error_and_a_verb_that_fits(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert 2 == main(["top", "--state", str(tmp_path)])
    assert "top: expected a terminal" in capsys.readouterr().err


def test_without_the_extra_the_command_that_installs_it_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "wakeman.faces.top.app")  # alone, as others patch what its package has
    monkeypatch.setitem(sys.modules, "textual", None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    assert 2 == main(["top", "--state", str(tmp_path)])
    said = capsys.readouterr().err
    assert "expected the extra `tui`" in said
    assert "pip install '.[tui]' in a clone of wakeman" in said


def test_a_deployment_that_is_gone_is_an_answer_and_no_crash(tmp_path: Path) -> None:
    for name in NAMES[:2]:
        keep(tmp_path / "state", name, lines_of(name))
    desk = desk_of(tmp_path / "state", None)
    desk.place = 1
    gone = desk.deployments[1]
    shutil.rmtree(tmp_path / "state" / gone)

    assert press(desk, "enter") is None
    assert desk.answer is not None
    assert not desk.answer[0]
    assert gone in desk.answer[1][0]
    assert 24 == len(shown(desk))


def test_what_checks_and_scripts_load_has_no_terminal_in_it(tmp_path: Path) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo"))
    for verb in ("status demo --json", "status --json", "check demo --json", "log demo --json", "top --help"):
        argv = [sys.executable, "-X", "importtime", "-m", "wakeman", *verb.split(), "--state", str(tmp_path / "state")]
        said = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stderr
        loaded = set(re.findall(r"\| +([\w.]+)$", said, re.MULTILINE))

        assert "wakeman.faces.cli" in loaded
        assert [] == [name for name in loaded if name.startswith(("textual", "rich", "wakeman.faces.top"))]
