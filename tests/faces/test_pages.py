"""Pages fit what they are written on: any width, with and without colour, for one worker and for a thousand."""

from __future__ import annotations

import fcntl
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.cells import cell_len
from tests.play import NAME, Play

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.adapters.memory import Act
from wakeman.api.needs import tally
from wakeman.api.replay import Night
from wakeman.api.status import HostStatus, ListedStatus, Status, Statuses, UnreadableStatus, shape
from wakeman.core.log.events import stamp
from wakeman.core.model import (
    Alarm,
    Choice,
    CleanupSpec,
    Deployment,
    Dialog,
    FileFingerprint,
    Host,
    Observation,
    Plan,
    StuckSpec,
    Unit,
    UnitsSpec,
    UnitState,
    Untold,
    Usage,
    Verdict,
    WakeSpec,
    WakeTarget,
    WorkersSpec,
    WorkerState,
    Wrote,
)
from wakeman.faces.cli import parser
from wakeman.faces.cli.overview import overview
from wakeman.faces.cli.page import host_rows, page
from wakeman.faces.cli.paper import Line, Paper, paper, speaks_utf8
from wakeman.faces.top.frame import hosts_words
from wakeman.faces.top.rows import list_entries

SAMPLES = Path(__file__).parents[2] / "state" / "samples"
NOW = datetime(2026, 11, 29, 0, 52, tzinfo=UTC)
SPENT: dict[str, dict[str, object]] = {"cleanup": {"rounds": 0}, "stuck": {"attempts": 1}}
WIDTHS = (40, 59, 60, 79, 80, 100, 120, 140, 200)
PIPE = Paper(width=None, rows=None)
HOSTILE = "\x1b[2J\x1b]0;gotcha\x07\u202e全角の長い言葉\t\r\n\x00e\u0301 👩‍👩‍👧 ■"


def crowd(
    number: int,
    *,
    name: str = "docs_{at:02}",
    words: str = "Bash: pandoc a.rst -o a.md",
    dialog: Dialog | None = None,
) -> Deployment:
    """Return a deployment of so many workers: of each dozen two ask, one backs off, one is limited, some have ended."""
    d = Deployment(name="condense-docs")
    tables: dict[str, Any] = {"workers": WorkersSpec(mode="interactive"), "stuck": StuckSpec(backoff=40.0)}
    wake = WakeSpec(to=(WakeTarget(tmux="desk"),))
    d.plan = Plan(name=d.name, units=UnitsSpec(), wake=wake, **tables)
    d.host = Host(root="/", directory="/state/condense-docs", python=())
    for at in range(number):
        worker = WorkerState(name=name.format(at=at), session="s", state="running", attempt=1, spent=1, boot="b")
        worker.units = [f"{worker.name}/u{unit}" for unit in range(5)]
        worker.began = worker.since = NOW - timedelta(minutes=40)
        worker.life_mono = 5000.0 - at % 300
        worker.usage = Usage(input=1000, output=200, cost=0.5)
        kind, done = at % 12, 2
        if kind == 1:
            worker.state, worker.reason, worker.asked = "stuck", "waiting", True
            worker.why, worker.since = f"asks for a permission: {words}", NOW - timedelta(minutes=at % 60)
            if dialog is not None:
                worker.observation = Observation(worker.name, 1, "running", "waiting", dialog=dialog)
        elif kind == 2:
            worker.state, worker.reason, worker.asked = "stuck", "asks", True
            worker.said, worker.since = f"{words} {at}?", NOW - timedelta(minutes=at % 40)
        elif kind == 3:
            worker.state, worker.ended_by, worker.code, worker.over = "exited", "itself", 1, 4995.0
            worker.why = f"exit status 1: {words}"
        elif kind == 4:
            worker.state, worker.reason, worker.why = "stuck", "limited", "usage limit"
            worker.until = NOW + timedelta(minutes=78)
        elif kind == 5:
            worker.state, done = "verified", 5
        elif kind == 6:
            worker.state, worker.ended_by, worker.code, done = "exited", "itself", 0, 3
        elif kind == 7:
            worker.state, done = "pending", 0
        for place, unit in enumerate(worker.units):
            mark = FileFingerprint(f"{unit}.md", 1, 1)
            verdict = Verdict(unit, () if place < done else (f"{unit}.md: missing",), (mark,) if place < done else ())
            wrote = {mark.path: Wrote(mark, worker.name, worker.name)} if place < done else {}
            d.units[unit] = UnitState(Unit(unit, (mark.path,)), worker.name, verdict, wrote=wrote)
        d.workers[worker.name] = worker
    d.looked_at, d.mono, d.boot, d.edition = NOW - timedelta(seconds=4), 5000.0, "b", 3
    d.counted, d.started = 6100.0, NOW - timedelta(minutes=102)
    d.held, d.held_at, d.row, d.row_at = "clean up", NOW - timedelta(minutes=4), "sleep", NOW - timedelta(minutes=2)
    d.untold = {"tmux:desk": Untold("tmux desk: not idle: no empty prompt on its screen", NOW, 3)}
    d.alarm = Alarm(kind="at", generation=9, due=NOW + timedelta(minutes=3), job="212")
    return d


def told(d: Deployment, **how: Any) -> Status:
    return shape(d, NOW, d.looked_at, stands=True, **how)


LONG = "condense_documentation_of_the_{at:03}_longest_names_that_a_share_may_have"
STATES: dict[str, Status] = {
    "one": told(crowd(1)),
    "one that asks": told(crowd(2)),
    "forty": told(crowd(40)),
    "a thousand": told(crowd(1000)),
    "long names": told(crowd(40, name=LONG)),
    "wide names": told(crowd(40, name="文書の要約をする係_{at}")),
    "hostile words": told(crowd(40, words=HOSTILE * 9)),
    "many words": told(crowd(400, words=HOSTILE)),
    "paused": told(crowd(3)),
}
STATES["paused"] = msgspec.structs.replace(STATES["paused"], paused=True, blind="tmux\x1b[2J is gone")


def on_hosts(number: int, *, silent: str = "ssh: h1: Connection refused") -> Status:
    """Return a status of workers on so many hosts, of which the second does not answer and the third has a remnant."""
    data = told(crowd(2 * number))
    workers = [msgspec.structs.replace(each, host=f"h{at % number}") for at, each in enumerate(data.workers)]
    hosts = [
        HostStatus(name=f"h{at}", slots=4, workers=("a", "b"), silent=silent if at == 1 else None, heard=stamp(NOW))
        for at in range(number)
    ]
    hosts[2] = msgspec.structs.replace(hosts[2], left=("night_b",))
    return msgspec.structs.replace(data, workers=tuple(workers), hosts=tuple(hosts))


STATES |= {"on three hosts": on_hosts(3), "on many hosts": on_hosts(40, silent=HOSTILE)}


def sample(name: str) -> Status:
    night = Night(str(SAMPLES / name / "events.jsonl"), Reading)
    for event in night.events():
        night.take(event)
    return shape(night.d, night.d.at or NOW, night.d.looked_at, stands=True)


STATES |= {name: sample(name) for name in ("crashed", "demo", "limited", "partial", "stuck")}


def scripted() -> Iterator[tuple[str, Status]]:
    asks = {"stuck": {"after": 60, "silent": ["ask"]}}
    acts = {"w0": Act(hangs=True, stops_after=0), "w1": Act(stops_after=1), "w2": Act(code=3)}
    for name, plan, minutes in (
        ("silent", asks, 20),
        ("held", {"wake": {"hold": True}, "cleanup": {"rounds": 1}, **asks}, 90),
        ("over", {"cleanup": {"rounds": 0}, "limits": {"give_up": 600}, "stuck": {"attempts": 1}}, 600),
    ):
        play = Play(workers=3, units=2, acts=dict(acts), plan=dict(plan))  # type: ignore[arg-type] # tables of a plan
        play.run(minutes)
        d = play.deployment
        yield f"script {name}", shape(d, d.at or NOW, d.looked_at, stands=True)


STATES |= dict(scripted())


def text(rows: list[Line], on: Paper) -> list[str]:
    stream = StringIO()
    on.write(rows, stream)
    return stream.getvalue().splitlines()


def commands(rows: list[str]) -> list[list[str]]:
    """Return the commands of a page as a shell reads them; what a command does stands far behind it."""
    joined = re.sub(r"\\\n *", "", "\n".join(rows)).split("\n")
    found = [row.strip() for row in joined if row.strip().startswith(("wakeman ", "tmux ", "df "))]
    return [shlex.split(re.split(r"  +", row)[0]) for row in found]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_a_page_fits_its_paper_and_says_who_needs_a_person(state: str, width: int, plain: bool) -> None:
    data, on = STATES[state], Paper(width=width - 1, rows=23, ascii=plain)

    rows = text(page(data, on), on)

    assert max(map(cell_len, rows)) <= width - 1
    assert len(rows) <= 23
    assert all(row.isprintable() for row in rows)
    if plain:
        assert all(row.isascii() for row in rows)
    if data.needs:
        assert f"{len(data.needs)} need" in rows[0]
        assert on.plain(data.needs[0].about)[:2] in "\n".join(rows[3:])
    for words in commands(rows):
        runs(words)


def runs(words: list[str]) -> None:
    """Hold a command against the program's own parser of arguments."""
    if words[0] == "wakeman":
        parser(words[1]).parse_args(words[2:])
    else:
        assert words[:1] in (["tmux"], ["df"])


@pytest.mark.parametrize("state", STATES)
def test_each_command_of_a_need_can_be_run(state: str) -> None:
    for need in STATES[state].needs:
        for command in need.commands:
            runs(shlex.split(command.line))


@pytest.mark.parametrize("state", STATES)
def test_every_worker_is_told_once(state: str) -> None:
    data = STATES[state]
    if data.outcome != "open":
        return
    lists = [*(each.workers for each in data.needs), *(each.workers for each in data.waits)]
    lists += [group.workers for group in data.groups]

    assert sorted(worker.name for worker in data.workers) == sorted(name for names in lists for name in names)
    assert len(data.needs) == sum(count for _, count in tally(data.needs))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_with_all_every_worker_has_a_row(state: str, width: int) -> None:
    data, on = STATES[state], Paper(width=width - 1, rows=23)

    rows = text(page(data, on, everything=True), on)

    assert max(map(cell_len, rows)) <= width - 1
    if data.outcome == "open":
        tails = [on.middle(each.name, 8)[-2:] for each in data.workers]
        assert sum(any(tail in row for row in rows) for tail in tails) == len(tails)
        assert len(rows) >= len(data.workers) + sum(1 + bool(each.commands) for each in data.needs)


def test_each_host_has_a_row_and_of_many_those_of_which_something_is_to_be_known() -> None:
    on = Paper(width=100, rows=40)
    few, many = on_hosts(3), on_hosts(9)

    assert [
        "   h0  2 of 4 slots",
        " ◌ h1  2 of 4 slots  does not answer; last sign of life 0 s ago: “ssh: h1: Connection refused”",
        " ◌ h2  2 of 4 slots  lost, and may still run there: night_b",
    ] == [row.rstrip() for row in text(list(host_rows(few, on, everything=False)), on)]
    assert ["h1", "h2", "7"] == [
        row.split()[row[1] == "◌"] for row in text(list(host_rows(many, on, everything=False)), on)
    ]
    assert "   7 hosts that answer: 14 of 28 slots" in text(list(host_rows(many, on, everything=False)), on)[-1]
    assert 9 == len(text(list(host_rows(many, on, everything=True)), on))
    assert any("on h1" in row for row in text(page(few, on, everything=True), on) if "docs_01" in row)


def test_each_node_has_a_row_and_so_has_the_queue() -> None:
    on = Paper(width=100, rows=40)
    left = ("night_b",)
    nodes = [HostStatus(name=f"n{at}", slots=None, workers=("a",) * at, silent=None) for at in (1, 2)]
    few = msgspec.structs.replace(
        told(crowd(3)),
        hosts=(*nodes, HostStatus(name="n3", slots=None, workers=(), silent=None, left=left)),
        queue=("c",),
    )
    many = msgspec.structs.replace(
        few, hosts=tuple(msgspec.structs.replace(nodes[1], name=f"n{at}") for at in range(9))
    )

    assert [
        "   n1     1 worker",
        "   n2     2 workers",
        " ◌ n3     0 workers  lost, and may still run there: night_b",
        "   queue  1 worker",
    ] == [row.rstrip() for row in text(list(host_rows(few, on, everything=False)), on)]
    assert ["   9 nodes: 18 workers", "   queue  1 worker"] == [
        row.rstrip() for row in text(list(host_rows(many, on, everything=False)), on)
    ]
    assert ["n1 1", "n2 2", "n3 0", "queue 1"] == hosts_words(few)


def test_top_has_workers_by_host_and_says_in_its_head_which_host_does_not_answer() -> None:
    data = on_hosts(6)
    there = {each.name: each.host for each in data.workers}
    running = [there[each.name] for each in list_entries(data, folded=False) if each.kind == "running"]

    assert sorted(running, key=str) == running
    assert 2 <= len(set(running))
    assert ["h1 does not answer"] == hosts_words(data)
    answer = tuple(msgspec.structs.replace(each, silent=None) for each in data.hosts or ())
    assert ["h0 2/4", "h1 2/4"] == hosts_words(msgspec.structs.replace(data, hosts=answer[:2]))
    assert [] == hosts_words(told(crowd(3)))


def test_an_open_deployment_says_why_the_units_of_ended_workers_are_undone() -> None:
    play = Play(workers=3, units=2, acts={"w0": Act(hangs=True, stops_after=0), "w1": Act(stops_after=1)}, plan=SPENT)
    play.run(5)
    d = play.deployment
    d.workers["w2"].state = "exited"
    d.units["w2/u0"].verdict = Verdict("w2/u0", ("out/w2/u0.json: not YAML: line 3: bad",))
    d.units["w2/u1"].verdict = Verdict("w2/u1", ("out/w2/u1.json: 80.5% of the input, expected at most 60%",))
    data = shape(d, d.at or NOW, d.looked_at, stands=True)

    for on in (PIPE, Paper(width=79, rows=23)):
        for everything in (False, True):
            rows = text(page(data, on, everything=everything), on)
            reasons = [row.strip() for row in rows if row.startswith("   1 unit ")]
            assert [
                "1 unit    missing: w1, exit status 0",
                "1 unit    not YAML; “line 3: bad”",
                "1 unit    too big: more than 0.6 of the input; “0.805”",
            ] == sorted(reasons)


def test_why_units_are_undone_gives_way_to_whoever_needs_a_person() -> None:
    on = Paper(width=79, rows=14)
    d = crowd(6)
    d.plan = msgspec.structs.replace(d.plan, cleanup=CleanupSpec(rounds=0))
    d.workers["docs_03"].spent = 2

    with_room, without = (text(page(told(d), each), each) for each in (PIPE, on))

    assert any(row.startswith("   3 units   missing: docs_03") for row in with_room)
    assert not any("missing" in row for row in without)
    assert any("4 more need you" in row for row in without)


def test_a_worker_that_starts_again_has_its_reason_in_its_own_row_alone() -> None:
    rows = text(page(told(crowd(4)), PIPE), PIPE)

    assert any("docs_03" in row and "back-off" in row for row in rows)
    assert not any("units   missing" in row for row in rows)


def test_without_a_terminal_nothing_is_cut_and_there_is_no_bar() -> None:
    rows = text(page(STATES["hostile words"], PIPE), PIPE)

    assert not any("█" in row for row in rows)
    assert max(map(cell_len, rows)) > 200
    assert all(row.isprintable() for row in rows)
    assert not any("…" in row for row in rows if "“" not in row and " ended" not in row and "more" not in row)


def test_words_that_are_cut_offer_no_answer_from_here() -> None:
    d = crowd(2)
    dialog = Dialog("permission", "x" * 75, (Choice("Yes", "once"), Choice("No", "deny")), "d1")
    d.workers["docs_01"].observation = Observation("docs_01", 1, "running", "waiting", dialog=dialog)
    for width, answered in ((80, False), (140, True)):
        on = Paper(width=width - 1, rows=23)
        assert answered is any("wakeman approve" in row for row in text(page(told(d), on), on))


def test_the_head_says_how_far_and_who_is_needed() -> None:
    on = Paper()
    d = crowd(4)
    d.name = "condense-docs"

    rows = text(page(told(d), on), on)

    assert " condense-docs  4 need you · 2 ask, 1 held row, 1 target not reached" == rows[0][:-5].rstrip()
    assert rows[1].endswith(" 8/20 units, 40 %")
    starts = [row[:9] for row in rows if row[1:2] in ("▲", "◆", "✗")]
    assert [" ▲ docs_0", " ▲ docs_0", " ◆ clean ", " ✗ tmux:d"] == starts
    assert any(row.startswith(" ▲ docs_02") for row in rows[3:6])


def test_equal_questions_are_one_need_and_the_next_is_the_next() -> None:
    rows = text(page(STATES["a thousand"], Paper()), Paper())

    assert any(re.match(r" ▲ 8\d workers .* ask a permission", row) for row in rows)
    assert any(row.endswith("wakeman status condense-docs --all") for row in rows)


# --- all deployments ----------------------------------------------------------------------------------------------


def listed(data: Status, **changes: Any) -> ListedStatus:
    return ListedStatus(**{**msgspec.structs.asdict(data), **changes}, code=0)


ALL = Statuses(
    state="/state",
    deployments=(
        *(listed(data, deployment=f"n{at}") for at, data in enumerate(STATES.values())),
        listed(STATES["one"], deployment="n0.2", elsewhere="begun on another machine"),
        listed(STATES["forty"], deployment="calm", needs=(), outage="the service is unavailable", alarm=None),
        UnreadableStatus(
            deployment="broken", outcome="damaged", error="line 3\x1b[2J", hint="wakeman log repair broken", code=3
        ),
        *(listed(STATES["partial"], deployment=f"old{at}") for at in range(20)),
    ),
)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_all_deployments_fits_its_paper(width: int, plain: bool) -> None:
    on = Paper(width=width - 1, rows=23, ascii=plain)

    rows = text(overview(ALL, on), on)

    assert max(map(cell_len, rows)) <= width - 1
    assert all(row.isprintable() for row in rows)
    assert any("broken" in row for row in rows)
    for words in commands(rows):
        runs(words)
    assert len(text(overview(ALL, on, everything=True), on)) > len(rows)


def test_of_all_deployments_those_that_need_a_person_come_first() -> None:
    rows = text(overview(ALL, PIPE), PIPE)
    signs = [row[1] for row in rows if row[1:2] in ("▲", "✗", "◌", "●", "✓")]

    assert signs.index("●") > len(signs) - 1 - signs[::-1].index("▲")
    assert "need you" in rows[0]


def test_with_nothing_open_and_with_nothing_to_do_the_head_says_so() -> None:
    for deployments, says in (
        ((listed(STATES["demo"]),), "no deployment is open"),
        ((listed(STATES["forty"], needs=()),), "1 open deployment; nothing needs you"),
    ):
        rows = text(overview(Statuses(state="/s", deployments=deployments), PIPE), PIPE)
        assert says in rows[0]


# --- the paper ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["docs", "a" * 60, "文書" * 20, "x文" * 9, "e\u0301" * 30, HOSTILE])
@pytest.mark.parametrize("cells", [1, 2, 3, 4, 8, 25])
def test_names_and_texts_keep_to_their_cells(name: str, cells: int) -> None:
    for on in (Paper(), Paper(ascii=True)):
        assert cell_len(on.middle(name, cells)) <= cells
        assert cell_len(on.cut(name, cells)) <= cells


def test_a_long_name_keeps_its_end() -> None:
    assert "condense_doc…l_chapter_12" == Paper().middle("condense_docs_of_the_manual_chapter_12", 25)


@pytest.mark.parametrize("cells", [12, 20, 39, 80])
@pytest.mark.parametrize(
    "line",
    [
        "wakeman attach night/w",
        "wakeman send night/w 'your answer, if you have one' --submit",
        f"wakeman attach night/{'w' * 150}",
        "wakeman waive 'it'\"'\"'s $HOME a b' --deployment night --why 'x  y'",
    ],
)
def test_a_command_that_is_too_long_is_broken_as_a_shell_joins_it(line: str, cells: int) -> None:
    on = Paper(width=cells)

    rows = text(on.command(line, 5), on)

    assert max(map(cell_len, rows)) <= cells
    ran = subprocess.run(["sh", "-c", "printf '%s\\n' " + "\n".join(rows)], capture_output=True, text=True, check=True)
    assert shlex.split(line) == ran.stdout.splitlines()


def test_a_state_directory_that_was_given_stands_in_every_command() -> None:
    on = Paper(way=" --state '/my state'")

    assert ["     wakeman attach n/w --state '/my state'"] == text(on.command("wakeman attach n/w", 5), on)
    assert ["     df -h /x"] == text(on.command("df -h /x", 5), on)


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "colour", "plain"),
    [
        ({"TERM": "xterm", "LANG": "en_US.UTF-8"}, True, False),
        ({"TERM": "xterm", "LANG": "en_US.UTF-8", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb", "LANG": "en_US.UTF-8"}, False, True),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, True, True),
        ({"TERM": "xterm", "LC_ALL": "C", "LANG": "en_US.UTF-8"}, True, True),
        ({"TERM": "xterm", "LANG": "ja_JP.UTF-8"}, True, True),
        ({"LANG": "de_DE.utf8"}, False, False),
    ],
)
def test_signs_and_colours_are_those_that_the_terminal_takes(
    environ: dict[str, str], colour: bool, plain: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")

    on = paper(Screen(), environ)

    assert (99, 29, colour, plain) == (on.width, on.rows, on.colour, on.ascii)
    assert Paper(None, None, ascii=plain) == paper(StringIO(), environ)
    assert plain or speaks_utf8(environ)


def test_the_size_of_a_real_terminal_goes_before_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 61, 0, 0))

    with open(ours), open(theirs, "w") as screen:
        on = paper(screen, {})

    assert (60, 30) == (on.width, on.rows)


def test_colours_are_those_of_the_terminal_s_theme_and_words_say_the_same() -> None:
    data, on = STATES["one that asks"], Paper(colour=True)
    stream = StringIO()
    on.write(page(data, on), stream)
    coloured = stream.getvalue()

    assert "\x1b[31m" in coloured
    assert text(page(data, Paper()), Paper()) == re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()


def test_the_scripts_are_the_night_of_that_name() -> None:
    assert {STATES[name].deployment for name in STATES if name.startswith("script")} == {NAME}


@pytest.mark.parametrize(
    ("code", "left_out"),
    [
        (
            "import wakeman.engine.check, wakeman.api.codes, wakeman.faces.cli.check",
            {"rich", "jinja2", "wakeman.core.policy.needs", "wakeman.core.policy.worker_needs", "wakeman.api.needs"},
        ),
        (
            "from wakeman.faces.cli import main; main(['--state', sys.argv[1], 'status', 'demo', '--json'])",
            {"rich", "jinja2", "wakeman.faces.cli.page", "wakeman.faces.cli.paper", "wakeman.api.report"},
        ),
    ],
    ids=["check", "status --json"],
)
def test_what_shows_no_page_loads_nothing_for_one(code: str, left_out: set[str]) -> None:
    program = f"import sys; {code}; print(sorted(set({sorted(left_out)!r}) & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program, str(SAMPLES)], capture_output=True, text=True, check=True)

    assert "[]" == ran.stdout.splitlines()[-1]


@pytest.mark.parametrize("state", STATES)
def test_one_thing_is_named_in_the_singular_and_what_is_absent_is_no_word(state: str) -> None:
    on = Paper(width=None, rows=None)

    for everything in (False, True):
        rows = "\n".join(text(page(STATES[state], on, everything=everything), on))
        assert "UNSET" not in rows
        assert not re.findall(r"(?<![\d.,/:]) 1 (?:unit|worker|attempt|file|event|row|check|session)s\b(?<! of)", rows)
