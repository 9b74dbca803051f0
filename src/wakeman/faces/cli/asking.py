"""Asking a person: on a terminal by a question, elsewhere by a refusal that names the command."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from wakeman.core.errors import UsageError
from wakeman.faces.cli.show import print_note, printable

YES_WORDS = ("y", "yes")


def agreed(options: Namespace, questions: Sequence[str], command: str = "") -> None:
    """Return once a person agrees to what `--yes` agrees to without a question. Raises: UsageError if nobody does."""
    if options.yes or not questions:
        return
    if options.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        hint = command or "add --yes to agree"
        raise UsageError("; ".join(questions) + "; expected --yes", hint)
    for question in questions:
        print_note(printable(question))
    sys.stderr.write("agree? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in YES_WORDS:
        raise UsageError("not agreed to: nothing was done", command)
