"""What reports on an attempt: its screen, stream, hooks and transcript, and what its client says by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from posixpath import dirname
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wakeman.core.digests import blake2b
from wakeman.core.errors import ProgramError, UnknownNameError
from wakeman.core.model import (
    ANSWERED,
    Deployment,
    Dialog,
    FileFingerprint,
    WorkerState,
)
from wakeman.core.text import unescaped
from wakeman.engine import layout
from wakeman.engine.observe.containment import (
    ScreenUnreadError,
)
from wakeman.engine.observe.transcripts import Transcripts
from wakeman.engine.workspace import workspace
from wakeman.ports import DialogReader, Evidence, Executor, Listing, Reader, Report, SessionInfo, World

if TYPE_CHECKING:
    from wakeman.engine.observe.recall import Recall


LIVE_STREAM_BYTES = 64 * 1024
ENDED_STREAM_BYTES = 4 * 1024 * 1024
"""Bytes that are read from the end of an ended attempt's stream; fewer of a live one."""
LEFT_OUT = rb"\n\[wakeman: [0-9]+ bytes left out\]\n"
"""What `keep.sh` writes in place of the middle of a stream."""
TRANSCRIPT_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of a client's transcript that are read for its usage; a longer one gives none."""


class Screens:
    """The screens of one observation: all that its looks need are read in few calls."""

    def __init__(self, executor: Executor) -> None:
        self._terminal = executor.terminal
        self._fetched = False
        self._wanted: dict[tuple[str, str], None] = {}
        self._shown: dict[tuple[str, str], str] = {}

    def of(self, session: str, mark: str) -> str:
        """Return what the screen of a session shows.

        Raises: as `Terminal.capture`; ScreenUnreadError before `fetch`.
        """
        if self._terminal is None:
            raise UnknownNameError(f"{session}: has no terminal")
        if not self._fetched:
            self._wanted[session, mark] = None
            raise ScreenUnreadError
        if (session, mark) in self._shown:
            return self._shown[session, mark]
        from wakeman.engine.terminals import SCREEN_ROWS

        return self._terminal.capture(session, SCREEN_ROWS, mark=mark)

    def fetch(self) -> None:
        """Read those that were asked for. Boundary: one that cannot be read is asked for alone, which says why."""
        from wakeman.engine.terminals import SCREEN_ROWS, many_screens

        self._fetched = True
        if self._terminal is not None:
            texts = many_screens(self._terminal, list(self._wanted), SCREEN_ROWS)
            self._shown = {key: text for key, text in zip(self._wanted, texts, strict=True) if text is not None}


class Gathered(Struct, frozen=True):
    """Raw evidence of one observation. `begun` are the attempts that have begun and have no exit file yet."""

    d: Deployment
    listing: Listing
    begun: AbstractSet[str]
    marks: Mapping[str, FileFingerprint]
    boot: str
    mono: float
    screens: Screens
    recall: Recall | None


def claim_mark(world: World, view: Gathered, worker: WorkerState) -> FileFingerprint | None:
    """Return the mark of an attempt's claim. Cost: a stat, where the look had none of it."""
    file = layout.claim(view.d.host, worker)
    return view.marks.get(file) or world.files.marks([file]).get(file)


def harness_report(
    world: World,
    view: Gathered,
    worker: WorkerState,
    seen: SessionInfo,
    harness: Reader,
    traces: Transcripts,
    *,
    still: bool,
) -> tuple[Report, str, Dialog | None]:
    """Return the harness's reading of the evidence, the client's last words if it rests, and what its screen asks if it
    waits; costly evidence is read only if the cheap says nothing, or rest.

    Shape: `still`: there was no sign of life since the last observation, so a busy client may be refused and try again,
    which only its screen shows. Usage that only a whole transcript shows is read while the client is not busy.
    """
    if not harness.reads:
        return Report(), "", None
    now = world.clock.now()
    evidence = (
        read_evidence(view, world, worker, LIVE_STREAM_BYTES, traces) if "stream" in harness.reads else Evidence()
    )
    report = harness.report(evidence, now)
    told = {"": True, "record": True, "state": report.activity == "waiting"}
    unsure = told.get(report.source) or report.activity == "idle" or (still and report.activity == "busy")
    if "screen" in harness.reads and unsure:
        # Gone since the listing, or slow: the next observation decides.
        with suppress(ProgramError, UnknownNameError):
            evidence = msgspec.structs.replace(evidence, screen=view.screens.of(seen.session_id, seen.mark))
            report = harness.report(evidence, now)
    if report.activity != "busy" and evidence.record and not evidence.recorded and traces.record is not None:
        used = harness.report(_with_record(world, evidence, traces, TRANSCRIPT_BYTES_MAX), now).usage
        report = msgspec.structs.replace(report, usage=used)
    if report.usage is None and worker.observation is not None and worker.observation.attempt == worker.attempt:
        report = msgspec.structs.replace(report, usage=worker.observation.usage)
    dialog = None
    if report.activity == "waiting":
        report, dialog = _asked_on_screen(view, worker, seen, harness, report)
    return report, said_last(harness, evidence) if report.activity == "idle" else "", dialog


def _asked_on_screen(
    view: Gathered, worker: WorkerState, seen: SessionInfo, harness: Reader, report: Report
) -> tuple[Report, Dialog | None]:
    """Return what the screen of a waiting worker asks.

    Boundary: a report by other means is older than an answer to it whose question is gone from the screen. Cost: one
    capture of the screen.
    """
    if not isinstance(harness, DialogReader):
        return report, None
    try:
        shown = harness.dialog(view.screens.of(seen.session_id, seen.mark))
    except (ProgramError, UnknownNameError):
        return report, None
    if shown is None and worker.answered and report.source != "screen":
        return msgspec.structs.replace(report, activity="busy", why=ANSWERED), None
    return report, shown.dialog if shown is not None else None


def said_last(harness: Reader, evidence: Evidence) -> str:
    """Return the client's last words. Boundary: a harness of another package may be of an earlier version."""
    tell = getattr(harness, "last_words", None)
    return tell(evidence) if tell is not None else ""


def read_evidence(view: Gathered, world: World, worker: WorkerState, size: int, traces: Transcripts) -> Evidence:
    """Read the files that report on an attempt. The pane output of an interactive session is no stream of events."""
    interactive = view.d.plan_of(worker).workers.mode == "interactive"
    stream, hook = layout.stream(view.d.host, worker), layout.hook(view.d.host, worker)
    mark, hook_mark = view.marks.get(stream), view.marks.get(hook)
    unread = interactive and size == LIVE_STREAM_BYTES
    printed = b"" if unread else world.files.tail(stream, size, within=dirname(stream))
    evidence = Evidence(
        stream=printed,
        hook=world.files.tail(hook, within=layout.report_directory(view.d.host, worker)) if hook_mark else b"",
        whole=mark is not None and mark.size <= size and re.search(LEFT_OUT, printed) is None,
        state=traces.state,
        hook_at=hook_mark.mtime_ns / 1e9 if hook_mark is not None else 0.0,
        interactive=interactive,
        stream_at=mark.mtime_ns / 1e9 if mark is not None else 0.0,
        version=worker.version or view.d.host.versions.get(view.d.plan_of(worker).workers.harness, ""),
    )
    return _with_record(
        world, evidence, traces, LIVE_STREAM_BYTES if size == LIVE_STREAM_BYTES else TRANSCRIPT_BYTES_MAX
    )


def _with_record(world: World, evidence: Evidence, traces: Transcripts, size: int) -> Evidence:
    if (record := traces.record) is None:
        return evidence
    data = world.files.tail(record.path, size, within=traces.within)
    return msgspec.structs.replace(evidence, record=data, recorded=record.size <= size)


def refused_writes(world: World, view: Gathered, worker: WorkerState, life: str) -> tuple[str, ...]:
    """Return the blocked writes: paths that its output reports as refused, and that this process could write.

    Shape: earlier ones come first. Boundary: only what it prints is known. Cost: reads the end of its stream; in print
    mode only after a new sign of life.
    """
    if view.d.host.confinement is None:
        return ()
    from wakeman.core.plan.confinement import REFUSALS_KEPT_MAX, refusals
    from wakeman.engine.attempt import confinement

    before = (
        worker.observation if worker.observation is not None and worker.observation.attempt == worker.attempt else None
    )
    known = before.refused if before is not None else ()
    stream = layout.stream(view.d.host, worker)
    if stream not in view.marks or len(known) >= REFUSALS_KEPT_MAX:
        return known
    over = layout.exit_file(view.d.host, worker) in view.marks
    mode = view.d.plan_of(worker).workers.mode
    if before is not None and before.life == life and mode == "print" and not over:
        return known
    text = unescaped(
        world.files.tail(stream, ENDED_STREAM_BYTES if over else LIVE_STREAM_BYTES, within=dirname(stream)).decode(
            "utf-8", "replace"
        )
    )
    own = confinement.writable_paths(view.d, worker, stream=True)
    fresh = (path for path in refusals(text, view.d.host.root, own) if path not in known and world.files.writable(path))
    return (*known, *fresh)[:REFUSALS_KEPT_MAX]


def life_sign(
    view: Gathered, worker: WorkerState, seen: SessionInfo | None, harness: Reader, traces: Transcripts
) -> str:
    """Return a fingerprint of the signs of life.

    Boundary: "" until the wrapper has written the claim, or an output exists. That the attempt is listed as begun tells
    as much as the claim's mark, which never changes.
    """
    signs: list[object] = [
        view.marks.get(layout.claim(view.d.host, worker)) or layout.attempt_name(worker) in view.begun or None,
        view.marks.get(layout.hook(view.d.host, worker)),
    ]
    if not (harness.redraws and view.d.plan_of(worker).workers.mode == "interactive"):
        signs.append(view.marks.get(layout.stream(view.d.host, worker)))
    if view.recall is None:
        space = workspace(view.d, worker)
        for name in worker.units:
            signs += [view.marks.get(space.output(path)) for path in view.d.units[name].unit.outputs]
    else:
        signs += view.recall.signs(view.d, worker, view.marks)
    if traces.record is not None:
        signs += [traces.record, *traces.beside]
    found = view.d.plan_of(worker).workers.found
    if not any(signs) and not ((harness.adopts or found) and seen):
        return ""
    # Of a session that is only found there is no other sign: what redraws its screen counts as life.
    stirred = seen.activity if seen is not None and (found or not harness.redraws) else 0.0
    return blake2b(repr((signs, stirred)).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
