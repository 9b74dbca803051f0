"""The report and the live pages as axe-core judges them in a real browser: light, dark, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.axe import axe_source, serious, violations
from tests.chromium import CHROMIUM, Browser, browser
from tests.faces.test_report import lines_of
from tests.faces.test_report_page import PHONE, page
from tests.faces.test_serve import keep, serving

pytestmark = [pytest.mark.real, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]

REPORTS = [("light", 1280, "demo"), ("light", 1280, "partial"), ("dark", 1280, "stuck"), ("light", PHONE, "stuck")]
LIVE = [("light", 1280), ("dark", PHONE)]


@pytest.fixture(scope="module")
def axe() -> str:
    return axe_source()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def look(chromium: Browser, what: Path | str, scheme: str, width: int) -> None:
    chromium.open(what, width=width)
    chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def test_a_fault_is_found(chromium: Browser, axe: str, tmp_path: Path) -> None:
    file = page(tmp_path, "demo", lines_of("demo"))
    file.write_text(file.read_text().replace("</main>", '<img src="data:,"></main>'))

    chromium.open(file)

    assert ["critical image-alt: ['img']"] == serious(violations(chromium, axe))


@pytest.mark.parametrize(("scheme", "width", "name"), REPORTS)
def test_a_report_keeps_nobody_out(
    chromium: Browser, axe: str, tmp_path: Path, scheme: str, width: int, name: str
) -> None:
    look(chromium, page(tmp_path, name, lines_of(name)), scheme, width)

    assert [] == serious(violations(chromium, axe))


def test_the_live_pages_keep_nobody_out(chromium: Browser, axe: str, tmp_path: Path) -> None:
    for name in ("stuck", "partial"):
        keep(tmp_path / "state", name, lines_of(name))
    with serving(tmp_path / "state") as (server, _):
        for path in ("", "d/stuck"):
            for scheme, width in LIVE:
                look(chromium, f"http://127.0.0.1:{server.port}/{path}", scheme, width)
                assert [] == serious(violations(chromium, axe)), (path, scheme, width)
