"""The mutants that no test can or should notice, each with its reason."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.operators import Mutant

FILE = Path(__file__).with_name("survivors.txt")
SOURCE = Path(__file__).parents[2] / "src" / "wakeman"


def name(mutant: Mutant) -> str:
    """Return the name of a mutant: its file, the function in it ("-" outside of any), and the change."""
    return f"{Path(mutant.file).relative_to(SOURCE).as_posix()} {mutant.scope or '-'}: {mutant.text}"


def known() -> dict[str, str]:
    """Return each survivor that is explained, with its reason.

    Shape of the file: a line for each mutant, as `make mutants` tells it; the indented line behind some of them is
    their reason. Raises: ValueError for a mutant without one.
    """
    found: dict[str, str] = {}
    waiting: list[str] = []
    for line in FILE.read_text().splitlines():
        if line.startswith(" "):
            found |= dict.fromkeys(waiting, line.strip())
            waiting = []
        elif line and not line.startswith("#"):
            waiting.append(line)
    if waiting:
        raise ValueError(f"{FILE}: no reason: {waiting[0]}")
    return found
