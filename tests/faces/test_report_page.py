"""The page of a report in a real browser: opened from a file, read, searched, printed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chromium import CHROMIUM, Browser, browser
from tests.faces.test_report import SAMPLES, lines_of, poisoned

from wakeman.faces.cli import main

pytestmark = [pytest.mark.real, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]

PHONE = 390


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def page(place: Path, name: str, lines: list[bytes]) -> Path:
    (place / name).mkdir()
    (place / name / "events.jsonl").write_bytes(b"".join(lines))
    assert 0 == main(
        ["report", str(place / name), "--no-audit", "-o", str(place / f"{name}.html"), "--state", str(place)]
    )
    return place / f"{name}.html"


def overflowing(chromium: Browser) -> Any:
    return chromium.says("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("name", ["demo", "partial"])
def test_a_page_shows_every_worker_and_asks_for_nothing(chromium: Browser, tmp_path: Path, name: str) -> None:
    file = page(tmp_path, name, lines_of(name))
    workers = list(json.loads((SAMPLES / name / "expected.json").read_text())["workers"])

    chromium.open(file)

    shown = chromium.says("[...document.querySelectorAll('.tl .who')].map(e => e.textContent).join('\\n')")
    assert [worker for worker in workers if worker not in shown] == []
    assert [file.as_uri()] == [url for url in chromium.asked_for() if not url.startswith("data:")]
    assert [] == chromium.complaints()
    assert 0 == overflowing(chromium)


def test_the_search_and_the_choice_leave_what_fits(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page(tmp_path, "demo", lines_of("demo")))
    rows = "[...document.querySelectorAll('.tl [data-row]')].filter(e => e.checkVisibility()).length"
    whole = chromium.says(rows)

    chromium.says(
        "(async () => { const field = document.querySelector('.find input'); field.value = 'WSGIREF';"
        "field.dispatchEvent(new Event('input')); await new Promise(done => setTimeout(done, 200)); })()"
    )
    found = chromium.says(rows)
    opened = chromium.says(
        "[...document.querySelectorAll('details[data-group]')].filter(e => !e.hidden && e.open).length"
    )
    said = chromium.says("document.querySelector('.find output').textContent")
    chromium.says(
        "(() => { document.querySelector('.find input').value = '';"
        "const only = document.querySelector('.find select'); only.value = 'cleanup';"
        "only.dispatchEvent(new Event('change')); })()"
    )

    assert (8, 1, 1) == (whole, found, chromium.says(rows))
    assert opened >= 1
    assert " rows" in said
    assert [] == chromium.complaints()


def test_a_hostile_log_stays_text(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page(tmp_path, "evil", poisoned("stuck")))

    assert (0, 1) == (chromium.says("document.images.length"), chromium.says("document.scripts.length"))
    assert chromium.says("document.body.textContent.includes('<script>alert(1)</script>')")
    assert [] == [event for event in chromium.told if event.get("method") == "Page.javascriptDialogOpening"]
    assert [] == chromium.complaints()


def test_what_is_not_the_page_s_own_script_does_not_run(chromium: Browser, tmp_path: Path) -> None:
    file = page(tmp_path, "partial", lines_of("partial"))
    added = "<script>document.title = 'broken'</script><p onclick=\"document.title = 'broken'\" id=\"p\">x</p>"
    file.write_text(file.read_text().replace("</main>", f"{added}</main>"))

    chromium.open(file)
    chromium.says("document.querySelector('#p').click()")

    assert "broken" != chromium.says("document.title")
    assert chromium.complaints()


def test_a_phone_scrolls_down_only(chromium: Browser, tmp_path: Path) -> None:
    for name in ("partial", "stuck", "demo"):
        chromium.open(page(tmp_path, name, lines_of(name)), width=PHONE, height=800)
        assert 0 == overflowing(chromium), name


def test_it_is_printed_on_light_paper_with_everything_open(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(page(tmp_path, "demo", lines_of("demo")))

    printed = base64.b64decode(chromium.call("Page.printToPDF", printBackground=True)["data"])
    chromium.call("Emulation.setEmulatedMedia", media="print", features=[])
    ground = chromium.says("getComputedStyle(document.documentElement).getPropertyValue('--ink')")
    menu = chromium.says("getComputedStyle(document.querySelector('nav')).display")

    assert (b"%PDF", "#15181c", "none") == (printed[:4], ground, menu)
