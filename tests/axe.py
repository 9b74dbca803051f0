"""axe-core, which finds what keeps people with disabilities from a page: from npm, one version, kept beside .venv."""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.chromium import Browser

ROOT = Path(__file__).parent.parent
VERSION = "4.12.1"
SHA256 = "66a8aaa95a8b044a7fd74a5435873bf04ff65a1ca75567c921b7509742085a14"
"""Of its file axe.min.js: nothing else runs in the browser of the tests."""
PLACE = Path(os.environ.get("WAKEMAN_AXE", ROOT / ".axe"))
INSTALL_S = 120
SERIOUS = ("serious", "critical")
RUN = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"


def axe_source() -> str:
    """Return axe-core as a script; install it where it is not yet. Skips the test where that cannot be done."""
    file = PLACE / "node_modules" / "axe-core" / "axe.min.js"
    if not file.exists() or sha256(file.read_bytes()).hexdigest() != SHA256:
        _install()
    assert SHA256 == sha256(file.read_bytes()).hexdigest(), f"{file} is not axe-core {VERSION}"
    return file.read_text()


def _install() -> None:
    own = ROOT / ".clients" / "node" / "bin"  # where scripts/clients.sh puts it
    path = f"{os.environ['PATH']}:{own}"
    npm = shutil.which("npm", path=path)
    if npm is None:
        pytest.skip("axe-core is not installed, and there is no npm: scripts/clients.sh installs one")
    argv = [npm, "install", "--prefix", str(PLACE), "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]
    try:
        made = subprocess.run(
            [*argv, f"axe-core@{VERSION}"],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install axe-core {VERSION} within {INSTALL_S} s")
    if made.returncode:
        pytest.skip(f"npm cannot install axe-core {VERSION}: {made.stderr.strip()[-200:]}")


def violations(chromium: Browser, source: str) -> list[str]:
    """List what axe-core finds on the page that is open: how grave, which rule, where."""
    chromium.says(f"{source}; undefined")
    found: list[dict[str, Any]] = chromium.says(RUN)
    return [f"{each['impact']} {each['id']}: {each['nodes'][0]['target']}" for each in found]


def serious(found: list[str]) -> list[str]:
    """Return the findings that keep people out."""
    return [each for each in found if each.startswith(SERIOUS)]
