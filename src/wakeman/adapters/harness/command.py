"""Any program by its argument list: as a worker, or as the launcher of one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from wakeman.core.model import Plan
from wakeman.core.text import last_line
from wakeman.ports import Command, Evidence, Report, Task

LAST_LINE_CHARS_MAX = 120
"""Characters of a program's last line that a reason quotes."""


class Program:
    """A program that takes neither a profile nor a prompt; its share is in `units_file`.

    Shape: with `adopts` it is the user's own launcher, which starts the session itself and returns at once; Wakeman
    finds the session by its name, and knows neither stream nor exit status.
    """

    uses_agent = False
    uses_prompt = False
    redraws = False
    reads: frozenset[Literal["stream", "hook", "screen"]] = frozenset()
    leave = ""
    memory = 0

    def __init__(self, name: str, *, adopts: bool) -> None:
        self.name, self.adopts = name, adopts

    def problems(self, plan: Plan) -> list[str]:
        """Require the argument list."""
        if plan.workers.command:
            return []
        return [f"workers.command: found none, expected an argument list with harness {plan.workers.harness!r}"]

    def command(self, task: Task) -> Command:
        """Fill the worker's names into `workers.command`, then `workers.args`."""
        from wakeman.core.plan.template import render

        workers = task.plan.workers
        return Command(argv=tuple(render(word, task.names) for word in (*workers.command, *workers.args)))

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Return nothing: a program has no configuration of its own."""
        del task
        return {}

    def conversation(self, plan: Plan) -> Literal["", "given", "told"]:
        """Return "": a program has no conversation."""
        del plan
        return ""

    def typed(self, text: str) -> str:
        """Pad text for a client that a launcher has started; a program gets it unchanged."""
        if not self.adopts:
            return text
        from wakeman.core.policy.prompt_delivery import padded

        return padded(text)

    def report(self, evidence: Evidence, now: datetime) -> Report:
        """Return an empty report: outputs and the exit file are the evidence."""
        del evidence, now
        return Report()

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        """Return the last line of its output if it failed."""
        del now
        quiet = self.adopts or code == 0
        return Report(why="" if quiet else last_line(evidence.stream.decode(errors="replace"), LAST_LINE_CHARS_MAX))

    def last_words(self, evidence: Evidence) -> str:
        """Return the last line of its output."""
        if self.adopts:
            return ""
        from wakeman.core.policy.last_words import WORDS_CHARS_MAX

        return last_line(evidence.stream.decode(errors="replace"), WORDS_CHARS_MAX)


def command() -> Program:
    """Return the harness `command`: the program is the worker."""
    return Program("command", adopts=False)


def external() -> Program:
    """Return the harness `external`: the program is the user's launcher."""
    return Program("external", adopts=True)
