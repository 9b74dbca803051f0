"""An effect that was begun and has no recorded outcome yet: a crash may have left it half done."""

from datetime import datetime

from msgspec import Struct

from wakeman.core.model.unit import PromotedFile


class OpenIntent(Struct, frozen=True, omit_defaults=True):
    """An intent without an outcome, as its line in the log has it.

    Shape: `target` is what it acts on: a session, a file, a unit. Of a text that is to be confirmed, `typed` says that
    it was typed, `enters` counts how often Enter was pressed again, and `at` is when the last key was pressed.
    """

    seq: int
    action: str
    at: datetime
    worker: str = ""
    attempt: int = 0
    target: str = ""
    text: str = ""
    causes: tuple[str, ...] = ()
    files: tuple[PromotedFile, ...] = ()
    keep: bool = False  # the worker is at work and keeps its own
    confirm: bool = False  # a later observation shows whether the text arrived
    before: str = ""  # fingerprint of what the client had reported of prompts by then
    typed: bool = False
    enters: int = 0
    digest: str = ""  # of a press: fingerprint of the question
    again: int = 0  # line of the notice's first intent, which this delivers again; 0: this is the first
