"""The scenes as a table: what was true, what was reported, after how many seconds, and the cost of supervision."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from tests.agents.scenes import Scene, Seen

WHERE = "WAKEMAN_SCENES"
"""The variable that names the file to which the table is written; without it none is."""
HEAD = """\
| scene | client, mode | true | reported | seconds | requests of workers | tokens of supervision |
| --- | --- | --- | --- | --- | --- | --- |
"""


def row(scene: Scene, seen: Seen) -> str:
    """Word one scene as it went."""
    told = list(dict.fromkeys(seen.told))
    if len(seen.told) > len(told):
        told.append(f"each of {len(seen.told) // len(told)}")
    why = re.sub(r"/tmp/\S+/", "", seen.why).replace("|", "\\|")
    if scene.why:
        told[-1] += f": {why}"
    cells = (scene.name, f"{scene.client}, {scene.mode}", scene.true, "; ".join(told))
    return f"| {' | '.join(cells)} | {seen.seconds:.1f} | {seen.own} | {seen.tokens} |\n"


def write(rows: Iterable[str]) -> None:
    """Write the table where somebody wants it."""
    if file := os.environ.get(WHERE):
        Path(file).write_text(HEAD + "".join(rows))
