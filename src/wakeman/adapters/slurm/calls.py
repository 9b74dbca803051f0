"""How programs of Slurm's are called, and what they say went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wakeman.adapters.asking import LateError, Told, ask
from wakeman.core.errors import ProgramError
from wakeman.core.text import sanitise

SUBMIT_S = 60.0
"""Seconds that `sbatch` may take: it repeats a request that the controller is too busy to take."""
QUEUE_S = 20.0
"""Seconds that any other call may take."""
UNSURE = re.compile(r"timed out|Unable to contact|onnection|Zero Bytes|temporarily|(?i:submit limit|MaxSubmit)")
"""What `sbatch` says when the controller may have accepted a request, or would later: it is no refusal of a plan."""


def call_slurm(argv: tuple[str, ...], env: Mapping[str, str], timeout: float = QUEUE_S) -> Told:
    """Call a program of Slurm's. Raises: ProgramError on a time-out, or when it cannot be run."""
    try:
        return ask(argv, env, timeout)
    except LateError as late:
        said = _unlabelled(late.said)
        told = f", which says: {said}" if said else ""
        raise ProgramError(f"slurm: no answer within {timeout:g} s of {argv[0]}{told}", "sinfo") from None
    except OSError as error:
        raise ProgramError(f"{argv[0]}: cannot be run: {error.strerror}", "wakeman doctor FILE") from error


def slurm_words(told: Told) -> str:
    """Return what a program of Slurm's says went wrong, without its own name."""
    return _unlabelled(told.err) or f"status {told.code}, without a word"


def _unlabelled(said: bytes) -> str:
    return sanitise(re.sub(r"(?m)^(\w+: )?(error: )?", "", said.decode(errors="replace").strip()), 300)
