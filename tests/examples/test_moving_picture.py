"""A terminal as a picture that moves: each row as long as it stood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("docs.moving_picture", reason="the pages' scripts are not here")

from docs.moving_picture import END_S, GAP_S_MAX, Screen, moving
from tests.chromium import CHROMIUM, browser

SCREENS = [
    Screen(10.0, ("$ run",)),
    Screen(10.5, ("$ run", "1 of 2 <b>")),
    Screen(90.0, ("$ run", "\x1b[32m2 of 2\x1b[0m", "done")),
]


def test_a_row_is_written_once_for_the_time_it_stood_and_waits_are_cut() -> None:
    svg = moving(SCREENS, 20)
    seconds = 0.5 + GAP_S_MAX + END_S

    assert [1] * 4 == [svg.count(text) for text in ("run<", "1&#160;of", "2&#160;of&#160;2<", "done")]
    assert f".m {{ animation: {seconds:.2f}s step-end infinite }}" in svg
    assert f"k1-2 {{ 0% {{ visibility: hidden }} {50 / seconds:.2f}% {{ visibility: visible }}" in svg
    assert "&lt;b&gt;" in svg
    assert '<g class="m k1-2 g">' in svg  # not to the end: unseen without motion
    assert '<g class="m k2-3">' in svg


@pytest.mark.real
@pytest.mark.skipif(not CHROMIUM, reason="needs chromium")
def test_a_browser_shows_each_screen_at_its_time(tmp_path: Path) -> None:
    file = tmp_path / "moving.svg"
    file.write_text(moving(SCREENS, 20))
    seen = (
        "document.getAnimations().forEach(each => { each.pause(); each.currentTime = AT * 1000; });"
        "[...document.querySelectorAll('text')].filter(e => getComputedStyle(e).visibility == 'visible')"
        ".map(e => e.textContent).join('|')"
    )
    with browser(tmp_path / "browser") as opened:
        opened.open(file)
        found = [opened.says(seen.replace("AT", str(at))) for at in (0.1, 1.0, 5.0)]
        opened.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        still = opened.says(re.sub(r"^.*?;\}?\);", "", seen.replace("AT", "0")))

    texts = [text.replace("\xa0", " ") for text in (*found, still)]
    assert ["$ run", "$ run|1 of 2 <b>", "$ run|2 of 2|done", "$ run|2 of 2|done"] == texts
