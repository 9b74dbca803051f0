"""What a tool is given besides its arguments: worlds, a pause, somebody to tell, and somebody to ask."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct

from wakeman.core.errors import NeedsPersonError
from wakeman.ports import World

QUESTION_KEY_CHARS = 16
"""Characters of a question's digest, by which an answer is known to belong to it."""


class Question(Struct, frozen=True):
    """What only a person decides. `command` is what that person may type instead."""

    text: str
    command: str

    @property
    def key(self) -> str:
        """Return what the answer to exactly this question is found by."""
        return sha256(self.text.encode("utf-8", "replace")).hexdigest()[:QUESTION_KEY_CHARS]

    def refusal(self, why: str) -> NeedsPersonError:
        """Return the error of a question to which nobody said yes."""
        return NeedsPersonError(f"{self.text}: {why}", f"ask the person; who agrees types in a shell: {self.command}")


class Desk(Struct, frozen=True):
    """One call's surroundings.

    Shape: `world` returns a world for an author of log lines; `here` is the directory of relative paths; `pause` lets
    seconds pass, and raises once nobody waits for the answer; `tell` takes units done, all units, and a sentence; `ask`
    returns if a person agrees. Raises (`ask`): NeedsPersonError.
    """

    world: Callable[[str], World]
    here: str
    pause: Callable[[float], None]
    tell: Callable[[float, float, str], None]
    ask: Callable[[Question], None]
    reads: bool
