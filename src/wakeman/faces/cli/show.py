"""Printing for all verbs: the envelope, errors, tables, times."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from wakeman.core.errors import UsageError, WakemanError
from wakeman.core.text import sanitise

if TYPE_CHECKING:
    from argparse import Namespace

    from wakeman.api.answer import Answer, T_co
    from wakeman.api.status import (
        AlarmStatus,
        ProgressStatus,
        Status,
    )


REACHED_AS = "WAKEMAN_REACHED_AS"
"""Variable of a verb that another host asked for: what that calls this machine, for the commands that are suggested."""
CELL_CHARS_MAX = 2000
"""Characters of one cell or message from outside at most."""


def raw(text: str) -> None:
    """Print text as it is: a prompt, a screen, an address, JSON."""
    sys.stdout.write(text + "\n")


def out(text: str) -> None:
    """Print a line of data; on a terminal in rows that fit."""
    sys.stdout.write("\n".join(_fitting(text, sys.stdout)) + "\n")


def print_note(text: str) -> None:
    """Print a message, on a terminal in rows that fit. Boundary: does nothing if it cannot be printed."""
    try:
        sys.stderr.write("\n".join(_fitting(text, sys.stderr)) + "\n")
        sys.stderr.flush()
    except OSError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # or what is left would fail once more at the exit


def show(options: Namespace, answer: Answer[T_co], text: Callable[[T_co], None], following: Sequence[str] = ()) -> int:
    """Print an answer in the format that the command line asked for; return its exit code.

    Shape: after a dry run, what would have been done; with `--json` the envelope; otherwise `text`, the notes, and the
    suggested next commands.
    """
    if options.dry_run:
        return _would(options, answer)
    if options.json:
        _envelope(options, answer)
    else:
        text(answer.data)
        for note in answer.notes:
            print_note(printable(note))
        if following:
            print_next(reaching(options.state, following))
    return answer.code


def _fitting(text: str, stream: TextIO) -> list[str]:
    if not stream.isatty():
        return [text]
    from wakeman.faces.cli.folding import cells_of, rows_within

    cells = cells_of(stream)
    return [row for line in text.split("\n") for row in rows_within(line, cells)]


def print_next(commands: Sequence[str]) -> None:
    """Print the commands that may follow: in one line, or a row each where they do not fit in one."""
    line = "next: " + "; ".join(commands)
    if len(_fitting(line, sys.stderr)) == 1:
        print_note(line)
        return
    for at, command in enumerate(commands):
        print_command("      " if at else "next: ", command, sys.stderr)


def print_command(label: str, command: str, stream: TextIO) -> None:
    """Print a command behind a label; on a terminal in rows that a shell joins, if it is too long for one."""
    text = label + printable(command)
    if len(_fitting(text, stream)) == 1:
        stream.write(f"{text}\n")
        return
    from wakeman.faces.cli.paper import paper

    on = paper(stream)
    stream.write(f"{label.rstrip()}\n" if label.strip() else "")
    on.write(on.command(printable(command), len(label) - len(label.lstrip()) + 2), stream)


def done(options: Namespace, answer: Answer[Status]) -> int:
    """Print the state of a deployment after a verb has acted; return the exit code."""
    return show(options, answer, print_summary)


def print_error(error: WakemanError, words: Sequence[str]) -> int:
    """Print an error in the format that the command line asked for; return the exit code."""
    from wakeman.api.answer import envelope, failure
    from wakeman.faces.cli import STATE_VERBS, VERBS
    from wakeman.faces.cli.faults import fault_lines
    from wakeman.faces.cli.options import wants_json

    own = list(words[: words.index("--")] if "--" in words else words)
    quiet = "--quiet" in own
    misused = error.code == UsageError.code and own[0] in VERBS and not error.proposals
    answer = failure(error, _directed(error.hint or (f"wakeman {own[0]} --help" if misused else ""), own))
    if wants_json(own, os.environ):
        json_line(envelope(answer))
    else:
        prefix = "wakeman: " if quiet else ""
        problems = answer.data.problems or (answer.data.error,)
        for line in fault_lines(problems, "error"):
            print_note(f"{prefix}{line}")
        width = max((len(command) for command in answer.next), default=0)
        for command, says in error.proposals:
            print_note(f"{prefix}  {printable(command):{width}}  {printable(says)}")
        if answer.data.hint:
            print_note(f"{prefix}hint: {printable(answer.data.hint)}")
    return error.code if error.code < 4 or error.code == 6 or own[0] in STATE_VERBS else 1


def json_line(value: object) -> None:
    """Print one JSON object. Escapes: everything but ASCII."""
    import msgspec

    with suppress(UnicodeEncodeError):  # of a name that is no UTF-8
        text = msgspec.json.format(msgspec.json.encode(value), indent=0)
        if text.isascii():
            raw(text.decode())
            return
    import json

    raw(json.dumps(value))


def _envelope(options: Namespace, answer: Answer[Any]) -> None:
    from msgspec.structs import replace

    from wakeman.api.answer import envelope

    shown = envelope(replace(answer, next=tuple(reaching(options.state, answer.next))))
    if way(options.state, os.environ):
        _reach_needs(options.state, shown)
    json_line(shown)


def _reach_needs(state: str | None, shown: dict[str, Any]) -> None:
    """Add what has led here to the commands of needs, of each deployment."""
    for each in (shown, *shown.get("deployments", ()), shown.get("status", {})):
        for need in each.get("needs", ()) if isinstance(each, dict) else ():
            for command in need["commands"]:
                [command["line"]] = reaching(state, [command["line"]])


def _would(options: Namespace, answer: Answer[Any]) -> int:
    """Print what a dry run would do."""
    from wakeman.api.answer import dry_run

    shown = dry_run(answer, options.would)
    if options.json:
        _envelope(options, shown)
    else:
        for step in shown.data.would or ("do nothing",):
            out(f"would {printable(step)}")
        print_note("nothing was done")
    return shown.code


def print_summary(status: Status) -> None:
    """Print the state of a deployment in one line."""
    out(status_line(status))
    warn(status)


def warn(status: Status) -> None:
    """Print why a deployment's workers could not be observed, if so."""
    if status.elsewhere:
        print_note(f"warning: {printable(status.elsewhere)}: this is what its log says, and nothing else was looked at")
    if status.blind:
        print_note(
            f"warning: {printable(status.blind)}; its workers cannot be observed, so nothing is decided about them"
        )


def status_line(status: Status) -> str:
    """Return the state of a deployment in one line: the last row, the progress, the next check."""
    units, row = status.units, status.decision.row
    head = f"{status.deployment}: {row or status.outcome}: {units.done}/{units.total} done"
    if status.outcome != "open":
        return f"{head}, {status.outcome}"
    needs = ", needs a person" if status.needs_person else ""
    return f"{head}{needs}, {next_check(status)}"


def next_check(status: Status) -> str:
    """Return when the next check runs, and what starts it."""
    alarm = status.alarm
    if status.paused:
        return "paused: no check comes by itself"
    if status.next_check is None or alarm is None:
        return "no check is scheduled"
    how = f"{alarm.kind} job {alarm.job}" if alarm.job else f"{alarm.kind} timer"
    gone = queue_words(alarm) if alarm.stands else ", which is gone"
    return f"next check {moment(status.next_check)} ({how}{gone})"


def queue_words(alarm: AlarmStatus) -> str:
    """Return that an alarm which is due waits in a queue, and for what; "" for one that does not."""
    return f", which waits in the queue: {printable(alarm.waits)}" if alarm.waits else ""


def reaching(state: str | None, following: Sequence[str]) -> list[str]:
    """Add to suggested commands what has led here."""
    option = way(state, os.environ)
    return [command + option if command.startswith("wakeman ") else command for command in following]


def way(state: str | None, environ: Mapping[str, str]) -> str:
    """Return the options by which a command reaches what this one did: its state directory, and its host."""
    from shlex import quote

    parts = (("--state", state), ("--on", environ.get(REACHED_AS)))
    return "".join(f" {option} {quote(value)}" for option, value in parts if value)


def _directed(hint: str, words: Sequence[str]) -> str:
    """Add what the command line has led to, its state directory and its host, to the commands in a hint."""
    from wakeman.faces.cli import VERBS

    given = next((words[at + 1] for at in range(len(words) - 1) if words[at] == "--state"), None)
    given = given or next((word.removeprefix("--state=") for word in words if word.startswith("--state=")), None)
    state = None if "--state" in hint else given
    commands = rf"\bwakeman( --on \S+)?(?= (?:{'|'.join(VERBS)})\b)"
    return re.sub(commands, lambda found: found[0] + way(state, {} if found[1] else os.environ), hint)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a heading, columns as wide as their longest cell."""
    from wakeman.faces.cli.folding import cells_of, rows_of_table

    cells = [list(head)] + [[printable(str(cell)) for cell in row] for row in rows]
    for row in rows_of_table(cells, cells_of(sys.stdout)):
        raw(row)


def print_loose(loose: Mapping[str, Sequence[str]]) -> None:
    """Print what workers left in their trees outside of what they were to make."""
    for worker, files in loose.items():
        out(f"left by {worker}, and on no branch: {', '.join(map(printable, files))}")


def moment(at: str | datetime | None) -> str:
    """Return a local date and time; "" for none."""
    if at is None:
        return ""
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def lasting(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def amount(size: int) -> str:
    """Return a number of bytes in its largest unit."""
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 2**power:
            return f"{size / 2**power:.1f} {unit}"
    return f"{size} B"


def pace_text(progress: ProgressStatus) -> str:
    """Return the rate and the estimated time left."""
    rate, eta = progress.per_hour, progress.eta
    if rate is None:
        return "no estimate yet"
    left = f", about {lasting(eta.left)} left ({lasting(eta.soonest)} to {lasting(eta.latest)})" if eta else ""
    return f"{rate:g} units an hour{left}"


def printable(text: str) -> str:
    """Return one line without control characters."""
    return sanitise(text, CELL_CHARS_MAX)
