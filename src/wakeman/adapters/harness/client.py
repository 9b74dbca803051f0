"""A client as a harness: `Agentic` interprets its table, and weighs what stream, hooks, transcript and screen say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from wakeman.adapters.harness.command_line import client_command
from wakeman.adapters.harness.lines import (
    SEARCHED_CHARS_MAX,
    last_id_at,
    last_report,
    last_spoken,
    open_call_since,
    seconds_of,
    usage_in,
    with_reset,
)
from wakeman.adapters.harness.refusals import CLIENT_REASON_CHARS_MAX, refusal_in_last_words, said_at
from wakeman.adapters.harness.screens import last_paragraph, printed_report, shown_report, shown_words
from wakeman.adapters.harness.table import Approval, Client, ClientEvent, Grant, Talk
from wakeman.core.gate import json_lines, values_at
from wakeman.core.model import Activity, Plan
from wakeman.core.policy.last_words import shortened
from wakeman.core.policy.prompt_delivery import padded
from wakeman.core.text import last_line, sanitise, unescaped
from wakeman.ports import Command, Evidence, Report, ShownDialog, Source, Task

__all__ = ("Agentic", "Client", "ClientEvent", "Grant", "Talk")
"""What other packages make a client of their own of."""

LAST_WORDS_LINES = 20
"""Lines in which a client that failed to start is searched for the reason."""
ASTRAY = re.compile(
    r"(?i)no (?:saved |previous )?(?:conversation|session|rollout|thread)s? (?:was |were )?found"
    r"|(?:conversation|session|rollout|thread)\b.{0,120}\b(?:is already in use|not found|does not exist)"
    r"|invalid session identifier"
)
"""Words of clients whose conversation cannot be begun or resumed under its id: the next attempt begins another."""
SIGNALLED_FROM_STATUS = 128
"""Exit status from which on a signal ended it, so that its last line is not the reason."""
WORSE: Mapping[Activity, int] = {"unknown": 0, "idle": 1, "busy": 2, "waiting": 3, "limited": 4, "error": 4}
"""Of a transcript and a screen that disagree, the one that is worse counts."""


class Agentic:
    """A harness made of a client's table."""

    uses_agent = True
    uses_prompt = True
    adopts = False

    def __init__(self, client: Client) -> None:
        self.client = client
        self.name, self.redraws = client.name, client.redraws
        self.leave, self.memory = client.leave, client.memory
        record: tuple[Source, ...] = ("record",) if client.record is not None else ()
        self.reads: frozenset[Source] = frozenset(("stream", "hook", "screen", *record))

    def problems(self, plan: Plan) -> list[str]:
        """List the settings of a plan that it cannot serve."""
        workers, client = plan.workers, self.client
        given = {word.partition("=")[0] for word in workers.args}
        found = [f"workers.args: found {word}, expected none that Wakeman sets itself" for word in given & client.ours]
        if workers.command:
            found.append(
                f"workers.command: found one, expected none with harness {self.name!r} (workers.args adds words)"
            )
        if workers.mode not in client.talks:
            return sorted([*found, f"workers.mode: found {workers.mode!r}, expected 'print' with {self.name}"])
        grant = client.grants[workers.mode, workers.auto_approve]
        if grant.refused and not given & client.granting:
            found.append(f"workers.auto_approve: found {_toml_value(workers.auto_approve)}, expected {grant.refused}")
        if grant.free and workers.confine != "off":
            found.append(f"workers.auto_approve: found {_toml_value(workers.auto_approve)}, expected {grant.free}")
        return sorted(found)

    def conversation(self, plan: Plan) -> Literal["", "given", "told"]:
        """Read it from the table."""
        talk = self.client.talks[plan.workers.mode]
        if not talk.resume:
            return ""
        return "given" if talk.fresh else "told"

    def command(self, task: Task) -> Command:
        """Build the command line from the table. Raises: UsageError when a profile is too long."""
        return client_command(self.client, task)

    def typed(self, text: str) -> str:
        """Pad a text by the table."""
        return padded(text, self.client.pads)

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Read from the table which of the user's files it needs; none with a key."""
        return {} if self.client.keyed(task) else self.client.config.copies

    def logins(self) -> tuple[str, ...]:
        """Read from the table where the user's login is kept."""
        config = self.client.config
        return tuple(place for name in config.logins for place in config.copies[name])

    def report(self, evidence: Evidence, now: datetime) -> Report:
        """Read the last event with a meaning; else the last hook report; then its transcript; then the screen."""
        client, record = self.client, self.client.record
        report = self._streamed(evidence, now)
        given = report.activity == "idle"
        if report.activity == "unknown" and client.says:
            report = printed_report(client.says, evidence.stream, said_at(evidence.stream_at, now))
        if report.activity == "unknown":
            report = self._reported(evidence, now)
        if record is not None and (
            report.activity == "unknown" or (report.activity, report.source) == ("idle", "state")
        ):
            # That its process waits for a prompt does not say how its turn ended.
            recorded = last_report(record.events, json_lines(evidence.record), now, "record")
            report = recorded if WORSE[recorded.activity] >= WORSE[report.activity] else report
        report = self._beside_screen(report, evidence, now) if evidence.screen else report
        if record is not None:
            report = with_reset(report, record.windows, evidence.record, now)
        return msgspec.structs.replace(self._measured(report, evidence), given=given and report.activity == "idle")

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        """Return the reason of its last event, including tools that were not permitted."""
        client = self.client
        at = said_at(evidence.stream_at, now)
        report = self._streamed(evidence, now, ended=True)
        if report.activity == "unknown" and client.says:
            printed = printed_report(client.says, evidence.stream, at)
            report = printed if printed.activity in ("error", "limited") else report
        if report.activity == "unknown" and code != 0 and (code is None or code < SIGNALLED_FROM_STATUS):
            report = _reason_given_last(evidence, at)
        told = last_report(client.hooks, json_lines(evidence.hook + b"\n"), now, "hook").ended_by
        if client.left_by_hand and evidence.interactive and code == 0 and not told:
            told = "person"
        return self._measured(msgspec.structs.replace(report, ended_by=told), evidence)

    def _streamed(self, evidence: Evidence, now: datetime, *, ended: bool = False) -> Report:
        """Read the stream; a line there that names a reset counts more than words."""
        at = said_at(evidence.stream_at, now)
        report = last_report(self.client.events, json_lines(evidence.stream), at, "stream", ended=ended)
        return with_reset(report, self.client.windows, evidence.stream, now)

    def _reported(self, evidence: Evidence, now: datetime) -> Report:
        """Read the last hook report, or the state of the client's process if that is newer.

        Boundary: if both mean the same, the hook has more detail; an idle process after a reported failure is no news.
        """
        heard = said_at(evidence.hook_at, now)
        hook = last_report(self.client.hooks, json_lines(evidence.hook + b"\n"), heard, "hook")
        record = self.client.record
        if record is None or not evidence.state:
            return hook
        lines = list(json_lines(evidence.state + b"\n"))
        state = last_report(record.about, iter(lines), now, "state")
        at = max((seconds_of(said) for line in lines for said in values_at(line, record.at)), default=0.0)
        failed = state.activity == "idle" and hook.activity in ("error", "limited")
        if state.activity in ("unknown", hook.activity) or failed:
            return hook
        return state if at > evidence.hook_at or hook.activity == "unknown" else hook

    def _beside_screen(self, report: Report, evidence: Evidence, now: datetime) -> Report:
        """Return what was reported, with what only the screen tells of it."""
        shown = shown_report(self.client, evidence.screen, now, evidence.version)
        match report.activity, report.source:
            case "unknown" | "idle", "" | "record" | "state":
                # A transcript has turns; dialogs, background tasks and some failures are only on the screen.
                return shown if WORSE[shown.activity] > WORSE[report.activity] else report
            case "waiting", "state":
                # Any dialog is a permission in its words; which one it is stands on the screen.
                return msgspec.structs.replace(report, why=shown.why) if shown.activity == "waiting" else report
            case "idle", _:
                # What a hook reports is newer than the screen, but may leave out what the client names there.
                return shown if shown.background else report
            case "busy", _:
                return shown if shown.retries else report
            case _:
                return report

    def _measured(self, report: Report, evidence: Evidence) -> Report:
        client, record = self.client, self.client.record
        usage = usage_in(client.tally, evidence.stream, whole=evidence.whole)
        if client.spent is not None:
            usage = client.spent(evidence.stream.decode(errors="replace"))
        session = last_id_at(evidence.stream, client.session)
        since = open_call_since(client.calls, evidence.stream)
        if record is not None and evidence.record:
            usage = usage or usage_in(record.tally, evidence.record, whole=evidence.recorded)
            session = session or last_id_at(evidence.record, record.session)
            since = open_call_since(record.calls, evidence.record) if since is None else since
        return msgspec.structs.replace(
            report,
            usage=usage,
            agent_session=session,
            calls=since is not None,
            since=since or 0.0,
        )

    def last_words(self, evidence: Evidence) -> str:
        """Return the model's last words: in its hook report, stream or transcript, else on its screen."""
        client, record = self.client, self.client.record
        for data, rows in (
            (evidence.hook + b"\n", client.spoken),
            (evidence.stream, client.spoken),
            (evidence.record, record.spoken if record is not None else ()),
        ):
            if said := last_spoken(rows, data):
                return said
        if said := shown_words(client, evidence.screen):
            return shortened(said)
        if not client.says:
            return ""
        return shortened(last_paragraph(unescaped(evidence.stream.decode(errors="replace")), client.own_lines))

    def dialog(self, screen: str) -> ShownDialog | None:
        """Read the dialog at a screen's end by the table."""
        from wakeman.adapters.harness.dialogs import shown_dialog

        return shown_dialog(self.client, screen)


def _reason_given_last(evidence: Evidence, at: datetime) -> Report:
    """Return the last words of a client that failed: of its stream, otherwise of its terminal, where its errors go.

    Shape: words that say why no conversation began or went on count more than what was printed after them.
    """
    texts = [evidence.stream.decode(errors="replace"), evidence.screen]
    lines = [line.strip() for text in texts for line in text.splitlines()[-LAST_WORDS_LINES:]]
    astray = next((line for line in lines if ASTRAY.search(line)), "")
    if astray:
        return Report(why=sanitise(astray, CLIENT_REASON_CHARS_MAX), fault="conversation")
    words = (last_line(text, SEARCHED_CHARS_MAX) for text in texts)
    return refusal_in_last_words(next(filter(None, words), ""), at)


def _toml_value(value: Approval) -> str:
    return repr(value) if value else "false"
