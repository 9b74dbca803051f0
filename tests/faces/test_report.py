"""`wakeman report`: what it says of a deployment, and that nothing of it but text comes from outside."""

from __future__ import annotations

import json
import re
import shutil
import unicodedata
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.forge import Forged
from tests.hostile import often
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.faces.cli import main
from wakeman.faces.report.page import Format
from wakeman.faces.report.shown import visible

SAMPLES = Path(__file__).parents[2] / "state" / "samples"
NAMES = ("crashed", "demo", "limited", "partial", "stuck")
DEMO_BYTES_MAX = 200_000
FORMS: tuple[Format, ...] = ("html", "md", "svg")


class Desk:
    """A state directory, and `report` called in it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path, self.state, self._capsys = path, path / "state", capsys
        self.state.mkdir()

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["report", *words])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def text(self, *words: str) -> str:
        """Return a report on stdout."""
        code, out, err = self(*words, "-o", "-")
        assert (0, "") == (code, err)
        return out

    def data(self, *words: str) -> Any:
        """Return what is reported, as JSON."""
        return json.loads(self(*words, "--json")[1])

    def keep(self, name: str, lines: list[bytes]) -> Path:
        """Write a log."""
        place = self.state / name
        place.mkdir()
        (place / "events.jsonl").write_bytes(b"".join(lines))
        return place


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    return Desk(tmp_path, capsys)


def lines_of(name: str) -> list[bytes]:
    return (SAMPLES / name / "events.jsonl").read_bytes().splitlines(keepends=True)


# --- what it says -------------------------------------------------------------------------------------------------


def wholes(name: str) -> list[int]:
    """Return after which lines of a sample a write ends: where a reader may find it."""
    return [n for n, line in enumerate(lines_of(name), 1) if b'"more":true' not in line.partition(b'"data"')[0]]


@pytest.mark.parametrize("name", NAMES)
def test_a_night_is_reported_at_each_moment_of_it(desk: Desk, name: str) -> None:
    from wakeman.adapters.eventlog.log_reader import Reading
    from wakeman.adapters.memory import MemoryWorld
    from wakeman.api.chronicle import Chronicle
    from wakeman.api.replay import Night
    from wakeman.api.report import reported
    from wakeman.api.trace import trace
    from wakeman.faces.report.page import report_text

    place = desk.keep(name, lines_of(name))
    night = Night(str(place / "events.jsonl"), Reading)
    told, ends = Chronicle(night.d), wholes(name)
    for event in night.events():
        night.take(event)
        told.take(event)
        if event.seq not in ends or (event.seq > 20 and event.seq % 9):
            continue
        data = reported(MemoryWorld().world("hand"), told, night.file, None)
        texts = {form: report_text(data, form, name) for form in FORMS}
        assert all(worker in texts["html"] for worker in night.d.workers)
        assert all(texts.values())
        assert len(night.d.workers) + 1 == len({e.tid for e in trace(told).data.trace_events if e.ph == "M"})


@pytest.mark.parametrize("form", ["html", "md", "svg", "json"])
@pytest.mark.parametrize("name", NAMES)
def test_each_sample_is_reported_with_every_worker(desk: Desk, name: str, form: str) -> None:
    log = str(SAMPLES / name / "events.jsonl")
    workers = json.loads((SAMPLES / name / "expected.json").read_text())["workers"]

    text = desk.text(log, "--format", form).replace("\\", "")

    assert [worker for worker in workers if worker not in text] == []


def test_the_demo_s_page_is_small(desk: Desk) -> None:
    assert len(desk.text(str(SAMPLES / "demo" / "events.jsonl")).encode()) < DEMO_BYTES_MAX


def test_a_night_with_a_missing_unit_says_so_before_anything_else(desk: Desk) -> None:
    page = desk.text(str(SAMPLES / "partial" / "events.jsonl"))
    data = desk.data(str(SAMPLES / "partial" / "events.jsonl"))

    [missing] = data["missing"]
    assert ("w1/u1", 2) == (missing["unit"], missing["rounds"])
    assert ["w1", "w1_c1", "w1_c2"] == [each["worker"] for each in missing["tries"]]
    assert [True, False, False] == [each["new"] for each in missing["tries"]]
    assert "5 of 6 units are done; missing: w1/u1." == data["lead"][0]
    assert "The time limit was not the reason: 2 min 1 s of 6 h were spent." in data["given_up"]
    places = [page.index(what) for what in ('id="missing"', 'class="figures"', 'id="when"', 'id="outputs"')]
    assert sorted(places) == places
    assert "wakeman retry" not in page  # it is closed


def test_an_open_deployment_says_who_needs_a_person_and_what_to_type(desk: Desk) -> None:
    play = Play(plan={"stuck": {"after": 60, "silent": ["ask"]}}, acts={"w1": Act(hangs=True, stops_after=0)})
    play.run(60)
    desk.keep(NAME, play.lines)

    data = desk.data(NAME)

    assert [["w1"]] == [each["workers"] for each in data["needs"]]
    assert data["needs"][0]["says"].startswith("w1 is silent for ")
    assert f"wakeman attach {NAME}/w1" == data["needs"][0]["commands"][0]["line"]
    assert "1 thing needs you." == data["lead"][-1]
    assert 'id="needs"' in desk.text(NAME)


def test_a_worker_s_trouble_is_told_with_what_was_done_about_it(desk: Desk) -> None:
    data = desk.data(str(SAMPLES / "stuck" / "events.jsonl"))

    [asked, *silent] = data["questions"]
    assert ("w0", "waiting", "asks for a permission", "recovered") == tuple(
        asked[key] for key in ("worker", "reason", "words", "came")
    )
    assert ["investigate: capture"] == asked["done"]
    assert [("w0", "exited"), ("w2", "exited")] == [(each["worker"], each["came"]) for each in silent]
    assert "a person: stop" in silent[0]["done"]


def test_equal_waits_in_a_row_are_one_row(desk: Desk) -> None:
    data = desk.data(str(SAMPLES / "limited" / "events.jsonl"))

    rows = [(each["row"], each["worker"]) for each in data["decisions"]]
    assert ("sleep", None) not in [one for one, two in pairwise(rows) if one == two]
    assert data["figures"]["decisions"] > len(rows)


def test_the_curve_ends_with_what_is_done_and_never_has_two_points_at_one_time(desk: Desk) -> None:
    for name in NAMES:
        data = desk.data(str(SAMPLES / name / "events.jsonl"))
        times = [point["at"] for point in data["curve"]]
        assert (data["status"]["units"]["done"], 0) == (data["curve"][-1]["done"], data["curve"][-1]["live"])
        assert sorted(set(times)) == times


def test_a_run_is_compared_with_the_one_before(desk: Desk) -> None:
    before = Play(workers=3, units=2, acts={"w0": Act(stops_after=1)}, plan={"cleanup": {"rounds": 0}})
    before.run(600)
    desk.keep(NAME, before.lines)
    now = Play(workers=3, units=2, acts={"w1": Act(stops_after=0)}, plan={"cleanup": {"rounds": 0}})
    now.run(600)
    forged = Forged(now.lines)
    forged.lines[0]["data"]["name"] = f"{NAME}.2"
    desk.keep(f"{NAME}.2", forged.encoded())

    told = desk.data(NAME)["before"]

    assert (NAME, "partial", True, 5, 6) == tuple(told[k] for k in ("deployment", "outcome", "same", "done", "total"))
    assert (["w1/u0", "w1/u1"], ["w0/u1"], []) == (told["failing"], told["passing"], told["still"])
    assert "newly missing 2" in desk.text(NAME)
    assert desk.data(f"{NAME}.1")["before"] is None
    assert desk.data(str(SAMPLES / "demo" / "events.jsonl"))["before"] is None  # a copy has no neighbours


def test_units_that_are_at_work_are_not_called_missing(desk: Desk) -> None:
    once: dict[str, Any] = {"cleanup": {"rounds": 0}}
    before = Play(workers=2, units=2, plan=once)
    before.run(600)
    desk.keep(NAME, before.lines)
    now = Play(workers=2, units=2, acts={"w0": Act(hangs=True, stops_after=0), "w1": Act(stops_after=1)}, plan=once)
    now.run(5)
    forged = Forged(now.lines)
    forged.lines[0]["data"]["name"] = f"{NAME}.2"
    desk.keep(f"{NAME}.2", forged.encoded())

    data, page, plain = desk.data(f"{NAME}.2"), desk.text(f"{NAME}.2"), desk.text(f"{NAME}.2", "--format", "md")

    alive = {name for name, each in now.deployment.workers.items() if each.live}
    assert "open" == data["status"]["outcome"]
    assert {"w0"} == alive
    assert ["w1/u1"] == data["before"]["failing"]
    for text in (page, plain):
        assert "What is not done yet, and why" in text
        assert "What is missing" not in text
        assert "has not ended yet" in text
        assert f"retry {NAME}.2/w1" in text
        assert "did not end" not in text
        assert f"retry {NAME}.2/w0" not in text
    assert "no verdict" in plain
    assert "the check found nothing" not in plain


def using(lines: list[bytes], name: str, used: dict[str, dict[str, float]]) -> list[bytes]:
    """Return the lines of a night whose workers have used that, as a run of that name."""
    forged = Forged(lines)
    forged.lines[0]["data"]["name"] = name
    for line in forged.lines:
        for seen in line["data"].get("sightings", ()) if line["type"] == "looked" else ():
            seen.update({"usage": used[seen["worker"]]} if seen["worker"] in used else {})
    return forged.encoded()


def test_workers_that_used_much_more_than_before_are_called_dearer(desk: Desk) -> None:
    night = Play(workers=4, units=1)
    night.run(600)
    then: dict[str, dict[str, float]]
    now: dict[str, dict[str, float]]
    then = {"w0": {"cost": 0.40, "input": 1}, "w1": {"input": 800, "output": 200}, "w2": {"cost": 1.0}, "w3": {}}
    now = {"w0": {"cost": 1.25, "input": 1}, "w1": {"input": 9000, "output": 500}, "w2": {"cost": 1.1}, "w3": {}}
    desk.keep(NAME, using(night.lines, NAME, then))
    desk.keep(f"{NAME}.2", using(night.lines, f"{NAME}.2", now))

    told = desk.data(NAME)["before"]["dearer"]

    assert [("w1", 9500, 1000, "tokens"), ("w0", 1.25, 0.4, "dollars")] == [tuple(each.values()) for each in told]
    assert 'dearer: <span class="name">w0</span> $1.25, before $0.40</li>' in desk.text(NAME)
    assert "- dearer: w1, 9,500 tokens, before 1,000 tokens\n" in desk.text(NAME, "--format", "md")


def test_a_screen_is_shown_if_it_is_the_one_of_the_log(desk: Desk) -> None:
    log = desk.keep("stuck", lines_of("stuck"))
    first, second, third = desk.data("stuck")["screens"]
    assert {"its file is not here"} == {each["hidden"] for each in (first, second, third)}
    forged = Forged(lines_of("stuck"))
    text = b"\x1b[31mAllow <b>rm -rf</b>?\x1b[0m sk-ant-abcdefgh12345678\n"
    forged.lines[forged.find("captured")]["data"]["sha256"] = sha256(text).hexdigest()
    forged.lines[forged.find("captured", skip=1)]["data"]["file"] = "../../../etc/passwd"
    (log / "events.jsonl").write_bytes(b"".join(forged.encoded()))
    (log / "screens").mkdir()
    (log / first["file"]).write_bytes(text)
    (log / third["file"]).write_bytes(b"another")

    shown = desk.data("stuck")["screens"]

    assert ["Allow <b>rm -rf</b>? [Anthropic key hidden]", None, None] == [each["text"] for each in shown]
    assert ["", "its file is outside the deployment's directory"] == [each["hidden"] for each in shown[:2]]
    assert "the digest differs" in shown[2]["hidden"]
    assert "Allow &lt;b&gt;rm -rf&lt;/b&gt;?" in desk.text("stuck")


def test_a_screen_is_shown_in_its_colours_and_in_fixed_words(desk: Desk) -> None:
    log = desk.keep("stuck", lines_of("stuck"))
    forged = Forged(lines_of("stuck"))
    text = b"a\x1b[1;38;5;9m<i>\x1b[0m b\n\x1b[7mbox\x1b[0m \x1b[31;42msk-ant-abcdefgh12345678\x1b[0m\n"
    captured = forged.lines[forged.find("captured")]["data"]
    captured["sha256"] = sha256(text).hexdigest()
    (log / "events.jsonl").write_bytes(b"".join(forged.encoded()))
    (log / "screens").mkdir()
    (log / captured["file"]).write_bytes(text)

    shown, page = desk.data("stuck")["screens"][0], desk.text("stuck")

    rows = [[(run["text"], run["style"]) for run in row] for row in shown["rows"]]
    assert [("a", ""), ("<i>", "f9 bold"), (" b", "")] == rows[0]
    assert [("box [Anthropic key hidden]", "")] == rows[1]
    assert "a<i> b\nbox [Anthropic key hidden]" == shown["text"]
    assert 'class="term">a<span class="f9 bold">&lt;i&gt;</span> b\n' in page


def test_very_many_colours_are_left_out(desk: Desk) -> None:
    from wakeman.api.report.screens import PAINTED_RUNS_MAX

    log = desk.keep("stuck", lines_of("stuck"))
    forged = Forged(lines_of("stuck"))
    text = b"".join(b"\x1b[%dmx" % (31 + n % 2) for n in range(PAINTED_RUNS_MAX + 1))
    captured = forged.lines[forged.find("captured")]["data"]
    captured["sha256"] = sha256(text).hexdigest()
    (log / "events.jsonl").write_bytes(b"".join(forged.encoded()))
    (log / "screens").mkdir()
    (log / captured["file"]).write_bytes(text)

    shown = desk.data("stuck")["screens"][0]

    assert (None, "x" * (PAINTED_RUNS_MAX + 1)) == (shown["rows"], shown["text"])


def test_outputs_have_the_size_of_their_input_and_when_they_were_written(desk: Desk) -> None:
    forged = Forged(lines_of("demo"))
    for line in forged.lines:
        for verdict in line["data"].get("verdicts", ()):
            if verdict.get("marks") and not verdict["unit"].startswith("http"):
                verdict["input"] = verdict["marks"][0][1] * 20
    desk.keep("demo", forged.encoded())

    data, page = desk.data("demo", "--no-audit"), desk.text("demo", "--no-audit")

    assert {None, 0.05} == {each["ratio"] for each in data["outputs"]}
    assert (0.05, 0.3) == (data["figures"]["ratio"], data["limit"])
    assert (54, 54) == (data["written"][-1]["units"], len(data["written"]))
    assert data["written"] == sorted(data["written"], key=lambda point: (point["at"], point["units"]))
    assert "5.0%" in page
    assert "units, from 0 to 30.0% of their input, the limit." in page
    assert 'class="curve written"' in page
    assert '<svg class="dots"' in page
    assert '<svg class="dots"' not in desk.text(str(SAMPLES / "demo"), "--no-audit")


def test_a_time_that_a_worker_has_made_up_stays_within_the_night(desk: Desk) -> None:
    forged = Forged(lines_of("demo"))
    for line in forged.lines:
        for verdict in line["data"].get("verdicts", ()):
            for mark in verdict.get("marks", ()):
                mark[2] = 4_102_444_800 * 10**9 if verdict["unit"].startswith("http") else 1
    desk.keep("demo", forged.encoded())

    data = desk.data("demo", "--no-audit")

    assert {data["status"]["started"], data["last"]} == {point["at"] for point in data["written"]}


def test_the_audit_s_verdict_is_in_it_unless_it_is_left_out(desk: Desk) -> None:
    forged = Forged(lines_of("partial"))
    forged.lines[forged.find("decided")]["data"]["row"] = "give up"
    desk.keep("forged", forged.encoded())

    assert "The audit finds nothing amiss." in desk.text(str(SAMPLES / "partial" / "events.jsonl"))
    assert re.search(r"The audit finds \d+ divergence", desk.text("forged"))
    assert "made without an audit" in desk.text("forged", "--no-audit")
    assert desk.data("forged", "--no-audit")["audit"] is None


# --- where it is written ------------------------------------------------------------------------------------------


def test_a_page_is_written_beside_and_replaces_only_a_page(desk: Desk) -> None:
    log = str(SAMPLES / "partial" / "events.jsonl")
    place = desk.path / "wakeman-night.html"

    assert (0, f"{place}\n") == desk(log)[:2]
    assert 0 == desk(log)[0]
    place.write_text("something else")
    code, _, err = desk(log)
    assert (2, True, "something else") == (code, "already exists, and is no report" in err, place.read_text())
    assert (0, f"{desk.path / 'own.html'}\n") == desk(log, "-o", "own.html")[:2]


def test_a_name_in_a_log_leads_nowhere_else(desk: Desk) -> None:
    forged = Forged(lines_of("partial"))
    forged.lines[0]["data"]["name"] = "../../escaped/<b>" + "n" * 300
    place = desk.keep("copied", forged.encoded())

    code, out, _ = desk(str(place / "events.jsonl"))

    assert (0, desk.path) == (code, Path(out.strip()).parent)


def test_a_damaged_log_is_an_error_that_names_the_audit(desk: Desk) -> None:
    lines = lines_of("partial")
    desk.keep("damaged", [*lines[:20], b'{"v":1}\n', *lines[20:]])

    code, _, err = desk("damaged")

    assert (6, True) == (code, "wakeman audit" in err or "log repair" in err), err


# --- text from outside --------------------------------------------------------------------------------------------

EVIL = (
    "</script></style><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;{{7*7}}{% x %}]]>"
    "\x1b[31m\x1b]0;title\x07\x00\x08\u202egnp.exe\u2066\u200b\ufeff\u2028|`**<!--"
)
KEPT_KEYS = {
    "type", "at", "by", "v", "from", "to", "verb", "action", "activity", "ended_by", "outcome", "row", "due", "until",
    "created", "written", "kind", "fault", "prompt", "reason", "session", "boot", "server", "sha256", "digest", "host",
    "plan", "looked", "resume", "identity", "name", "then", "mark",
}  # fmt: skip
"""What is left as it is: values of which the schema knows each, and numbers."""


def poisoned(name: str) -> list[bytes]:
    """Return a sample in which all that workers, files and clients can name or say is hostile."""
    forged = Forged(lines_of(name))
    for line in forged.lines:
        line["data"] = _poison(line["data"], line["type"] == "enrolled")
        if "worker" in line:
            line["worker"] += EVIL
    forged.lines[0]["data"]["plan"]["goal"] = EVIL
    return forged.encoded()


def _poison(value: Any, names: bool) -> Any:
    if isinstance(value, str):
        return value + EVIL
    if isinstance(value, list):
        return [_poison(each, names) for each in value]
    if isinstance(value, dict):
        own = KEPT_KEYS - ({"name"} if names else set())
        return {key: each if key in own else _poison(each, names) for key, each in value.items()}
    return value


class Skeleton(HTMLParser):
    """What of a page is no text: its elements, and all of their attributes but for what a reader is told."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[object] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = ("title", "aria-label")
        self.parts.append((tag, *((key, None if key in told else value) for key, value in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(f"/{tag}")


def harmful(text: str) -> Iterator[str]:
    """Yield characters that hide, turn or control."""
    return (character for character in text if character != "\n" and unicodedata.category(character) in ("Cc", "Cf"))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_log_changes_nothing_of_a_page_but_its_text(desk: Desk, name: str) -> None:
    place = desk.keep("evil", poisoned(name))
    page = desk.text(str(place / "events.jsonl"), "--no-audit")
    clean = desk.text(str(SAMPLES / name / "events.jsonl"), "--no-audit")

    wide = page.replace('<main class="long">', "<main>")
    assert Skeleton(clean.replace('<main class="long">', "<main>")).parts == Skeleton(wide).parts
    assert [] == list(harmful(page))
    assert "[U+202E]" in page
    assert "alert(1)" in page


@pytest.mark.parametrize("form", ["md", "svg"])
def test_a_hostile_log_is_text_in_the_other_forms_too(desk: Desk, form: str) -> None:
    place = desk.keep("evil", poisoned("stuck"))

    text = desk.text(str(place / "events.jsonl"), "--no-audit", "--format", form)

    assert [] == list(harmful(text))
    assert not re.search(r"(?<!\\)<(script|img|!--)", text)


@often(300)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_what_is_shown_hides_and_turns_nothing(text: str) -> None:
    shown = visible(text)

    assert [] == list(harmful(shown))
    assert visible(shown) == shown


def test_a_report_has_no_path_of_the_machine_no_environment_and_no_prompt(desk: Desk) -> None:
    forged = Forged(lines_of("partial"))
    plan, host = forged.lines[0]["data"]["plan"], forged.lines[0]["data"]["host"]
    plan["workers"] |= {"prompt": "PROMPT-WORDS", "env": {"A": "ENV-VALUE"}}
    host |= {"root": "/home/somebody/project", "env": {"B": "HOST-VALUE"}}
    desk.keep("private", forged.encoded())

    page = desk.text("private")

    assert [] == [what for what in ("PROMPT-WORDS", "ENV-VALUE", "HOST-VALUE", "/home/somebody") if what in page]


def test_a_check_and_a_status_load_no_template_engine() -> None:
    import subprocess
    import sys

    code = (
        "import sys\n"
        "import wakeman.engine.check, wakeman.api.check, wakeman.api.status, wakeman.faces.cli.check\n"
        "import wakeman.faces.cli.status\n"
        "print({'jinja2', 'markupsafe', 'wakeman.api.report'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "set()" == ran.stdout.strip()


def test_the_samples_stay_as_they_are(desk: Desk) -> None:
    shutil.copytree(SAMPLES / "demo", desk.state / "demo")
    before = {path: path.read_bytes() for path in (desk.state / "demo").iterdir()}

    desk.text("demo")

    assert before == {path: path.read_bytes() for path in (desk.state / "demo").iterdir()}


def test_a_worker_whose_outputs_are_judged_after_its_end_is_not_marked_for_it(desk: Desk) -> None:
    play = Play(workers=2, acts={"w1": Act(stops_after=0)}, plan={"cleanup": {"rounds": 0}})
    play.run(600)
    forged = Forged(play.lines)
    (verified,) = (line for line in forged.lines if line["type"] == "verified")
    verified["at"] = verified["at"].replace("00Z", "50Z")
    desk.keep(NAME, forged.encoded())

    ends = re.findall("<title>[^<]* ended by [^<]*</title>", desk.text(NAME, "--format", "svg"))

    assert ["21:36:01"] == [each[7:15] for each in ends], ends
