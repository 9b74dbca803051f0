"""Claude Code: its command line, the events that it prints, the signs on its screen.

Print mode prints one JSON object a line; an interactive session is read from its screen, which is worth less.
Known of version 2.1; what a later version says otherwise reads as unknown or busy, never as idle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from wakeman.core.errors import UsageError
from wakeman.core.model import Activity, Agent, Plan
from wakeman.core.template import render
from wakeman.core.text import last_line, sayable
from wakeman.ports import Command, Report, Task

WORDS = 160
"""Characters of its own words that are repeated."""
MAX_ARGUMENT = 131_071
"""Bytes of one argument that Linux takes."""
BOTTOM = 20
"""Lines with text, from below, in which a sign counts."""

BEGIN: dict[Literal["print", "interactive"], tuple[str, ...]] = {
    "print": ("claude", "-p", "--output-format", "stream-json", "--verbose"),
    "interactive": ("claude",),
}
PERMISSION: dict[Literal[False, "edits", "all"], str] = {
    False: "default",
    "edits": "acceptEdits",
    "all": "bypassPermissions",
}
ENV = {
    "DISABLE_AUTOUPDATER": "1",  # no update under running workers
    "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",  # nor a download by each of them
}
OURS = {"-p", "--print", "--output-format", "--session-id", "--resume", "-r", "--continue", "-c", "--"}
"""Arguments that `workers.args` may not give: the watch depends on them."""
GRANTS = {"--permission-mode", "--allowedTools", "--allowed-tools", "--settings", "--dangerously-skip-permissions"}
"""Arguments by which a plan permits tools itself."""


class Sign(NamedTuple):
    """What a screen shows in a state; `why` "" repeats what matched."""

    activity: Activity
    pattern: str
    why: str = ""


LIMIT = r"(?:You've (?:hit|reached) your|You're out of|(?:[\w-]+ )?limit reached).*"

SIGNS = (
    Sign("waiting", r"trust this folder", "asks whether it may trust the folder"),
    Sign("waiting", r"use this API key\?", "asks whether to use the API key"),
    Sign("waiting", r"Bypass Permissions mode[\s\S]*Yes, I accept", "asks to accept bypass mode"),
    Sign("waiting", r"Do you want to [^\n]*\?\s+❯?\s*1\. Yes", "asks for a permission"),
    Sign("waiting", r"Enter to select", "asks a question"),
    Sign("waiting", r"Enter to confirm", "shows a dialog"),
    Sign("busy", r"API error · Retrying", "API error, retrying"),
    Sign("busy", r"esc to interrupt", "works"),
    Sign("busy", r"\d+ shells? still running", "runs a shell in the background"),
    Sign("limited", LIMIT),
    Sign("error", r"API Error: .*(?:\n  \S.*)?"),
    Sign("error", r"(?:Invalid API key|Please run /login|Request timed out|Prompt is too long).*"),
    Sign("idle", r"^❯\s*$", "waits for a prompt"),
)
"""Read top-down, the first that is found counts: an input box stands there in most states."""

_PROMPT = re.compile(r"^❯ (?!\d\. )\S.*$", re.MULTILINE)
_EPOCH = re.compile(r"\|(\d{10})\b")
_RESETS = re.compile(
    r"resets (?:at )?(?:(?P<month>[A-Z][a-z]{2})[a-z]* (?P<day>\d{1,2})(?:,| at)? )?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d\d))? ?(?P<half>am|pm)(?: \((?P<zone>[\w/+-]+)\))?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Claude:
    """Claude Code.

    Boundary: as root it refuses `auto_approve = "all"` unless the environment says IS_SANDBOX=1; to say so is
    the user's (`[workers.env]`). Settings, keys and the trust of a folder are the user's too.
    """

    name = "claude"
    uses_agent = True
    uses_prompt = True
    adopts = False
    redraws = True
    reads: frozenset[Literal["stream", "screen"]] = frozenset({"stream", "screen"})

    def problems(self, plan: Plan) -> list[str]:
        """List what it cannot do with a plan."""
        workers = plan.workers
        given = {word.partition("=")[0] for word in workers.args}
        found = [f"workers.args: found {word}, expected none that Wakeman sets itself" for word in given & OURS]
        if workers.command:
            found.append("workers.command: found one, expected none with harness 'claude' (workers.args adds words)")
        if workers.mode == "print" and not workers.auto_approve and not given & GRANTS:
            found.append(
                "workers.auto_approve: found false, expected 'edits' or 'all' in mode 'print', where nobody can be "
                "asked (or name the tools: workers.args = ['--allowedTools', ...])"
            )
        return sorted(found)

    def command(self, task: Task) -> Command:
        """Give the argument list. A prompt goes by file: it may be longer than an argument.

        Raises: UsageError when the profile is too long for an argument.
        """
        workers = task.plan.workers
        argv = (
            *BEGIN[workers.mode],
            *_reach(task),
            *("--permission-mode", PERMISSION[workers.auto_approve]),
            *_profile(task.agent_name, task.agent),
            *_conversation(task),
            *(render(word, task.names) for word in workers.args),
        )
        if workers.mode == "print":
            return Command(argv, ENV, stdin=task.prompt_file, to_file=True)
        return Command((*argv, "--", f"Read {task.prompt_file} and do what it says."), ENV)

    def report(self, stream: bytes, screen: str, now: datetime) -> Report:
        """Read the last event that says something; without any, the screen."""
        for line in _lines(stream):
            if report := _reading(line, now):
                return report
        return _seen(screen, now)

    def explain(self, stream: bytes, code: int | None) -> str:
        """Give the reason that its result names, tools that were not permitted included."""
        last: _Line | None = None
        for line in _lines(stream):
            if line.type == "result":
                return _ending(line)
            last = last or line
        if last is not None:
            return "ended without a result" + (f": {last.error}" if last.error else "")
        return "" if code == 0 else last_line(stream.decode(errors="replace"), WORDS)


class _Denial(Struct, frozen=True):
    tool_name: str
    tool_input: dict[str, object] = {}

    @property
    def words(self) -> str:
        """Give the tool and what it was to work on."""
        return f"{self.tool_name} {self.tool_input.get('file_path') or self.tool_input.get('command') or ''}".rstrip()


class _Window(Struct, frozen=True, rename="camel"):
    status: str = ""
    resets_at: float | None = None


class _Line(Struct, frozen=True):
    """One event; only what is read here."""

    type: str
    subtype: str = ""
    is_error: bool = False
    api_error_status: int | None = None
    result: str | None = None
    errors: tuple[str, ...] = ()
    terminal_reason: str | None = None
    permission_denials: tuple[_Denial, ...] = ()
    error: str | None = None
    attempt: int = 0
    max_retries: int = 0
    rate_limit_info: _Window = _Window()

    @property
    def words(self) -> str:
        """Give its reason in its own words."""
        said = self.result or "; ".join(self.errors) or self.terminal_reason or self.subtype
        return sayable(said, WORDS)


_decoder = msgspec.json.Decoder(_Line)


def _lines(stream: bytes) -> Iterator[_Line]:
    """Give the events, last first. The last line may be half written, the first half read."""
    for line in reversed(stream.split(b"\n")[:-1]):
        try:
            yield _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue


def _reading(line: _Line, now: datetime) -> Report | None:
    match line:
        case _Line(type="result", is_error=False):
            return Report("idle", "has given its result")
        case _Line(type="result"):
            limited = line.api_error_status == 429 or re.search(LIMIT, line.words)
            return Report("limited" if limited else "error", line.words, _until(line.words, now) if limited else None)
        case _Line(type="rate_limit_event", rate_limit_info=_Window(status="rejected", resets_at=reset)):
            return Report("limited", "usage limit", datetime.fromtimestamp(reset, UTC) if reset else None)
        case _Line(type="rate_limit_event"):
            return None
        case _Line(type="system", subtype="api_retry"):
            activity: Activity = "limited" if line.error == "rate_limit" else "busy"
            return Report(
                activity, f"{sayable(line.error or 'API error', 40)}: try {line.attempt} of {line.max_retries}"
            )
        case _:
            return Report("busy", "works")


def _ending(line: _Line) -> str:
    if line.is_error:
        return line.words
    if line.permission_denials:
        return sayable(f"not permitted: {', '.join(one.words for one in line.permission_denials)}", WORDS)
    return "" if line.terminal_reason in (None, "completed") else line.words


def _seen(screen: str, now: datetime) -> Report:
    rows = [row.rstrip() for row in screen.splitlines() if row.strip()]
    # What stands above the last prompt was about an earlier one.
    bottom = _PROMPT.split("\n".join(rows[-BOTTOM:]))[-1]
    for activity, pattern, why in SIGNS:
        if found := re.search(pattern, bottom, re.MULTILINE):
            words = why or sayable(found[0], WORDS)
            return Report(activity, words, _until(words, now) if activity == "limited" else None)
    return Report()


def _until(words: str, now: datetime) -> datetime | None:
    """Read when a usage limit ends: an epoch, or a time of day in a zone that is named or the machine's."""
    if found := _EPOCH.search(words):
        return datetime.fromtimestamp(int(found[1]), UTC)
    if not (found := _RESETS.search(words)):
        return None
    here = now.astimezone(_zone(found["zone"]))
    hour = int(found["hour"]) % 12 + 12 * (found["half"] == "pm")
    try:
        until = here.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        if found["month"]:
            until = until.replace(month=_MONTHS.index(found["month"]) + 1, day=int(found["day"]))
            until = until if until >= here else until.replace(year=until.year + 1)
    except ValueError:
        return None
    return (until if until > here else until + timedelta(days=1)).astimezone(UTC)


def _zone(name: str | None) -> tzinfo | None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _reach(task: Task) -> Iterator[str]:
    """Let it read its task, and write where its outputs go, also outside the directory it starts in."""
    directories = _topmost(task.outputs)
    yield "--allowedTools"
    yield from (f"Read(/{file})" for file in (task.prompt_file, task.units_file))
    if task.plan.workers.auto_approve:
        # A directory that is not there yet is passed over by --add-dir, in silence.
        yield from (f"Edit(/{directory}/**)" for directory in directories)
    if directories:
        yield "--add-dir"
        yield from directories


def _topmost(files: tuple[str, ...]) -> list[str]:
    parents = {PurePosixPath(file).parent for file in files}
    return sorted(str(parent) for parent in parents if not parents & set(parent.parents))


def _profile(name: str, agent: Agent | None) -> Iterator[str]:
    if agent is None:
        return
    fields = {key: value for key, value in msgspec.structs.asdict(agent).items() if value is not None}
    text = msgspec.json.encode({name: fields})
    if len(text) > MAX_ARGUMENT:
        raise UsageError(f"agents.{name}: {len(text)} bytes, expected at most {MAX_ARGUMENT}", "shorten its prompt")
    yield from ("--agents", text.decode(), "--agent", name)


def _conversation(task: Task) -> Iterator[str]:
    if task.agent_session:
        yield from ("--resume" if task.resume else "--session-id", task.agent_session)
