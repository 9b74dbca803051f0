"""The scenes as data, of which docs/reference/scenes.md is made: what was true, what was told, when, and by what."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from tests.agents.recorded import version_of
from tests.agents.scenes import Scene, Seen

WHERE = "WAKEMAN_SCENES"
"""The variable that says, by any value, that what is measured is kept."""
PLACE = Path(__file__).parent / "measured"
"""One file for each version of a client: a row for each scene and mode."""


@cache
def _version(client: str) -> str:
    return version_of(client)


def row(scene: Scene, seen: Seen) -> dict[str, Any]:
    """Return one scene as it went."""
    told = list(dict.fromkeys(seen.told))
    why = re.sub(r"/tmp/\S+/", "", seen.why)
    why = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", re.sub(r"\b1[78]\d{8}\b", "1795953600", why))
    return {
        "scene": scene.name,
        "client": scene.client,
        "mode": "print" if scene.mode == "print" else "live",
        "true": scene.true,
        "told": "; ".join(told) + (f": {why}" if scene.why else ""),
        "evidence": seen.evidence,
        "seconds": round(seen.seconds, 1),
        "reached": None if seen.reached is None else round(seen.reached, 1),
        "requests": seen.own,
        "caused": seen.others + seen.nudges,
        "false_idle": seen.false_idle,
        "false_done": seen.false_done,
        "outcome": seen.outcome,
    }


def keep(new: dict[str, Any]) -> None:
    """Write a row where somebody wants it, in place of the one before."""
    if not os.environ.get(WHERE):
        return
    PLACE.mkdir(exist_ok=True)
    file = PLACE / f"{new['client']}-{_version(new['client'])}.json"
    rows = json.loads(file.read_text()) if file.exists() else []
    found = {(one["scene"], one["mode"]): one for one in rows} | {(new["scene"], new["mode"]): new}
    file.write_text(json.dumps([found[key] for key in sorted(found)], indent=1, ensure_ascii=False) + "\n")
