"""The report as an app page: a host as the extension describes it shows it, and hands it what it asks for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chromium import CHROMIUM, Browser, browser
from tests.waiting import until

from wakeman.faces.mcp import pages

pytestmark = [pytest.mark.real, pytest.mark.skipif(not CHROMIUM, reason="needs chromium")]

POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' data:; connect-src 'none'"
)
"""What a host lets a page do that asks for nothing."""
HOST = """<!doctype html><meta charset="utf-8"><body><iframe sandbox="allow-scripts"></iframe><script>
const frame = document.querySelector("iframe");
window.asked = [];
window.addEventListener("message", ({ source, data }) => {
  if (source !== frame.contentWindow) { window.asked.push("from inside: " + JSON.stringify(data)); return; }
  window.asked.push(data.method);
  const answer = (result) => source.postMessage({ jsonrpc: "2.0", id: data.id, result }, "*");
  if (data.method === "ui/initialize") answer({ protocolVersion: data.params.protocolVersion, hostInfo: {},
    hostCapabilities: { serverResources: {} }, hostContext: {} });
  if (data.method === "ui/notifications/initialized") source.postMessage({ jsonrpc: "2.0",
    method: "ui/notifications/tool-result", params: { structuredContent: { page: PAGE } } }, "*");
  if (data.method === "resources/read") { window.read = data.params.uri;
    answer({ contents: [{ uri: data.params.uri, mimeType: "text/html", text: REPORT }] }); }
});
frame.srcdoc = APP;
</script></body>
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def script(value: str) -> str:
    """Return a text as a literal that ends no script element."""
    return json.dumps(value).replace("</", "<\\/")


def hosted(chromium: Browser, file: Path, page: str) -> None:
    """Show the app in a host whose tool has answered with that page."""
    app = pages._app().replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{POLICY}">')
    report = "<!doctype html><p>the report</p><script>top.postMessage('shown', '*')</script>"
    text = HOST.replace("APP", script(app)).replace("PAGE", script(page)).replace("REPORT", script(report))
    file.write_text(text)
    chromium.open(file)


def test_the_page_reads_the_report_that_the_answer_names_and_shows_it(chromium: Browser, tmp_path: Path) -> None:
    hosted(chromium, tmp_path / "host.html", "wakeman://deployments/night/report")

    until(lambda: 'from inside: "shown"' in chromium.says("window.asked"), 30)

    assert ["ui/initialize", "ui/notifications/initialized", "resources/read"] == chromium.says("window.asked")[:3]
    assert "wakeman://deployments/night/report" == chromium.says("window.read")


def test_an_answer_that_names_no_report_is_not_read(chromium: Browser, tmp_path: Path) -> None:
    hosted(chromium, tmp_path / "host.html", "https://elsewhere.example/report")

    until(lambda: 2 == len(chromium.says("window.asked")), 30)

    assert chromium.says("window.read === undefined")
