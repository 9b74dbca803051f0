"""The documentation builds as a site: every page is reached, every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOADED = re.compile(r"<(?:script|img|iframe)[^>]* src=[\"\'](?:https?:)?//|<link[^>]* href=[\"\'](?:https?:)?//")
"""What a browser would load from another machine."""


def build(docs: Path, out: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--nitpicky", "--keep-going", "-q", "-b", "html"]
    argv += ["-c", str(ROOT / "docs" / "site"), str(docs), str(out)]
    return subprocess.run(argv, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    built = build(ROOT / "docs", out)
    assert (0, "") == (built.returncode, built.stderr)
    return out


def test_every_page_is_on_the_site(site: Path) -> None:
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.md")}

    assert {page for page in pages if not (site / f"{page}.html").is_file()} == set()
    assert {"tutorial", "how-to/audit", "reference/plan", "reference/state"} <= pages


def test_a_page_loads_nothing_from_another_machine(site: Path) -> None:
    assert [] == [page.name for page in site.rglob("*.html") if LOADED.search(page.read_text())]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("[gone](gone.md)", "cross-reference target not found"),
        ("[gone](#no-such-heading)", "cross-reference target not found"),
        ("```{no-such}\n```", "Unknown directive"),
    ],
)
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, text: str, warning: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Pages\n\n[why](why.md)\n")
    (tmp_path / "docs" / "why.md").write_text(f"# Why\n\n{text}\n")

    built = build(tmp_path / "docs", tmp_path / "out")

    assert 0 != built.returncode
    assert warning in built.stderr
