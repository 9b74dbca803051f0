"""The live pages in a real browser: they follow the log, and what they are given stays text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chromium import CHROMIUM, Browser, browser
from tests.faces.test_report import lines_of, poisoned
from tests.faces.test_serve import TOKEN, keep, serving
from tests.waiting import until

pytestmark = [pytest.mark.real, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_a_page_follows_its_deployment_to_the_end_and_keeps_what_is_open(chromium: Browser, tmp_path: Path) -> None:
    lines = lines_of("demo")
    file = keep(tmp_path / "state", "demo", lines[:60])
    with serving(tmp_path / "state") as (server, _):
        chromium.open(f"http://127.0.0.1:{server.port}/d/demo")
        until(lambda: chromium.says("document.querySelector('.live').textContent") == "live", 30)
        chromium.says("document.querySelector('.asked details').open = true")
        chromium.says("document.querySelector('.find input').value = 'asyncio'")
        begun = chromium.says("document.querySelector('.badge').textContent")

        with file.open("ab") as log:
            log.writelines(lines[60:])
        until(lambda: "54 of 54" in chromium.says("document.querySelector('.badge').textContent"), 30)
        until(lambda: chromium.says("document.querySelector('.live').textContent") == "closed", 30)

        assert "54 of 54" not in begun
        assert chromium.says("document.querySelector('.asked details').open")
        assert "asyncio" == chromium.says("document.querySelector('.find input').value")
        assert len(lines) - 60 == chromium.says("document.querySelectorAll('.lines li').length")
        assert str(len(lines)) == str(chromium.says("document.querySelector('.lines li').value"))
        asked = [url for url in chromium.asked_for() if not url.startswith("data:")]
        assert {f"http://127.0.0.1:{server.port}"} == {url.partition("/d/")[0] for url in asked}
        assert [] == chromium.complaints()


def test_the_first_page_moves_the_token_out_of_the_address_and_follows(chromium: Browser, tmp_path: Path) -> None:
    lines = lines_of("demo")
    file = keep(tmp_path / "state", "demo", lines[:60])
    with serving(tmp_path / "state", token=TOKEN) as (server, _):
        chromium.open(f"http://127.0.0.1:{server.port}/?token={TOKEN}")
        where = chromium.says("location.href")
        units = "document.querySelector('[data-l=units]').textContent"
        begun = chromium.says(units)
        until(lambda: chromium.says("document.querySelector('.live').textContent") == "live", 30)
        with file.open("ab") as log:
            log.writelines(lines[60:])
        until(lambda: chromium.says(units) == "54/54", 30)

    assert f"http://127.0.0.1:{server.port}/" == where
    assert "54/54" != begun
    assert [] == chromium.complaints()


def test_hostile_words_are_text_in_the_browser_too(chromium: Browser, tmp_path: Path) -> None:
    lines = poisoned("demo")
    file = keep(tmp_path / "state", "demo", lines[:60])
    with serving(tmp_path / "state") as (server, _):
        chromium.open(f"http://127.0.0.1:{server.port}/d/demo")
        with file.open("ab") as log:
            log.writelines(lines[60:])
        until(lambda: chromium.says("document.querySelectorAll('.lines li').length") == len(lines) - 60, 30)
        until(lambda: chromium.says("document.querySelector('.live').textContent") == "closed", 30)

        assert 2 == chromium.says("document.scripts.length")
        assert 0 == chromium.says("document.querySelectorAll('.lines li *').length")
        assert [] == chromium.complaints()


def test_a_server_that_ends_and_comes_back_is_found_again(chromium: Browser, tmp_path: Path) -> None:
    lines = lines_of("demo")
    file = keep(tmp_path / "state", "demo", lines[:60])
    with serving(tmp_path / "state") as (server, process):
        chromium.open(f"http://127.0.0.1:{server.port}/d/demo")
        until(lambda: chromium.says("document.querySelector('.live').textContent") == "live", 30)
        process.kill()
        said = "document.querySelector('.live').textContent"
        until(lambda: chromium.says(said).startswith("not connected"), 30)
    with file.open("ab") as log:
        log.writelines(lines[60:])
    with serving(tmp_path / "state", port=server.port):
        until(lambda: chromium.says("document.querySelectorAll('.lines li').length") == len(lines) - 60, 60)
        numbers = chromium.says("[...document.querySelectorAll('.lines li')].map(e => e.value).join()")

    assert ",".join(str(n) for n in range(len(lines), 60, -1)) == numbers
