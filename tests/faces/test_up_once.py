"""`up` does its work once, however many workers there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faces.conftest import Place

from wakeman.adapters import local
from wakeman.adapters.disk import Disk
from wakeman.adapters.harness.client import Agentic
from wakeman.core.plan import parser
from wakeman.engine.start import prepare

pytestmark = pytest.mark.real

WORKERS = 5
PLAN = f"""
name = "night"
[units]
items = {[f"u{n}" for n in range(WORKERS)]}
output = "out/{{{{ unit }}}}.txt"
[workers]
harness = "claude"
agent = "keeper"
auto_approve = "edits"
prompt = "x"
stagger = 0
socket = "faces"
"""
PROFILES = '{"keeper": {"description": "keeps", "prompt": "Keep."}}'


@pytest.fixture
def counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what `up` does, while it does it for real."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, key: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[key(*args)] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    for reader in (prepare, parser):
        count(reader, "read_plan", lambda *_: "parses of the plan")
    count(local, "_host", lambda *_: "resolutions of the host")
    count(Disk, "read", lambda _, path, *__: f"reads of {Path(path).name}")
    count(Agentic, "command", lambda _, task: f"compositions of {task.worker}")
    programs = place.path / "bin"
    programs.mkdir()
    (programs / "claude").write_text("#!/bin/sh\nexec sleep 600\n")
    (programs / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/local/bin:/usr/bin:/bin")
    (place.path / ".claude").mkdir()
    (place.path / ".claude" / "agents.json").write_text(PROFILES)
    return counted


def test_up_parses_reads_resolves_and_composes_once(place: Place, counts: Counter[str]) -> None:
    said = place("up", place.plan(PLAN))

    assert 0 == said.code, said.err
    once = ("parses of the plan", "resolutions of the host", "reads of plan.toml", "reads of agents.json")
    assert dict.fromkeys(once, 1) == {name: counts[name] for name in once}
    composed = {name: times for name, times in counts.items() if name.startswith("compositions of ")}
    # The first is composed ahead too: what cannot be composed is refused before anything begins.
    ahead = {"compositions of u0": 2}
    assert {f"compositions of u{n}": 1 for n in range(WORKERS)} | ahead == composed


def test_a_profile_that_has_changed_is_read_again(place: Place, counts: Counter[str]) -> None:
    world = local.world(str(place.state), "hand")
    plan = parser.read_plan(PLAN, "plan.toml")
    before = world.agents(plan, "").known["keeper"].prompt

    (place.path / ".claude" / "agents.json").write_text(PROFILES.replace("Keep.", "Keep on."))

    assert ("Keep.", "Keep on.") == (before, world.agents(plan, "").known["keeper"].prompt)
    assert 2 == counts["reads of agents.json"]
