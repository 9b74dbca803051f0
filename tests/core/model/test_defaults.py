"""What a plan, a line or a state that leaves something out means by that."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Struct, structs
from tests.log import NOW

from wakeman.core import model
from wakeman.core.model import (
    Alarm,
    Choice,
    Confinement,
    Dialog,
    FileFingerprint,
    Host,
    Identity,
    Observation,
    OpenIntent,
    OwedNotice,
    Plan,
    PromotedFile,
    RecordedProfile,
    Repository,
    Spec,
    Unit,
    UnitsSpec,
    Untold,
    Usage,
    Validator,
    Verdict,
    WakeSpec,
    WakeTarget,
    Wrote,
)
from wakeman.core.model.plan import MoveSpec, SweepSpec

SAID = {
    "workers.by": "{{ unit }}",
    "workers.name": "{{ group.name }}",
    "workers.harness": "command",
    "workers.mode": "print",
    "workers.stagger": 2.0,
    "workers.stream_max": 67108864,
    "workers.executor": "tmux",
    "workers.sessions": "start",
    "workers.socket": "wakeman",
    "workers.cwd": ".",
    "workers.confine": "off",
    "workers.confine_network": "all",
    "workers.isolate": "none",
    "workers.base": "HEAD",
    "workers.commit": True,
    "wake.every": 300.0,
    "wake.on": ("ask", "wrap up", "give up"),
    "wake.remind": 1800.0,
    "wake.tell": "all",
    "stuck.after": 600.0,
    "stuck.attempts": 2,
    "stuck.backoff": 10.0,
    "stuck.waiting": ("capture", "ask"),
    "stuck.limited": ("wait",),
    "stuck.error": ("capture", "restart", "ask"),
    "stuck.silent": ("capture", "nudge", "ask"),
    "stuck.background": 3600.0,
    "verify.fresh": "changed",
    "verify.min_bytes": 1,
    "verify.parse": "none",
    "verify.parse_limit.memory": 512 << 20,
    "verify.parse_limit.size": 64 << 20,
    "verify.parse_limit.time": 10.0,
    "verify.timeout": 120.0,
    "verify.review.of": "sample",
    "verify.review.rounds": 3,
    "verify.review.max_units": 20,
    "verify.review.auto_approve": "edits",
    "cleanup.rounds": 2,
    "cleanup.after": 120.0,
    "cleanup.when": "each",
    "slurm.alarm": "at",
    "slurm.container_home": True,
    "slurm.cpus": 1,
    "ssh.files": "shared",
    "limits.give_up": 21600.0,
    "limits.give_up_do": "leave",
    "limits.over": "leave",
    "limits.wait": True,
    "watch.conflicts": "warn",
}
"""Key -> what a plan without it means; every other key that is left out is empty, zero or false."""


def keys(table: Spec, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield each key of a plan that is not empty."""
    for field in structs.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, Spec):
            yield from keys(value, f"{prefix}{field.encode_name}.")
        elif value:
            yield f"{prefix}{field.encode_name}", value


def test_a_plan_that_says_nothing_means_what_the_reference_says() -> None:
    assert SAID == dict(keys(Plan(name="", units=UnitsSpec())))


def test_a_table_of_several_that_says_nothing_means_what_the_reference_says() -> None:
    assert {"submit": True, "timeout": 20.0, "share": "names"} == dict(keys(WakeTarget()))
    assert {"sessions": "v*", "older_than": 600.0} == dict(keys(SweepSpec(sessions="v*")))
    assert {"from": "a", "to": "b"} == dict(keys(MoveSpec(from_="a", to="b")))


STATES = tuple(
    kind for kind in vars(model).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and not issubclass(kind, Spec)
)  # fmt: skip


def test_what_a_state_or_a_part_of_a_line_leaves_out_is_empty_but_for_these() -> None:
    """Logs and snapshots of every age are read with them."""
    empty = (msgspec.NODEFAULT, None, "", 0, (), False)
    kept = {
        f"{kind.__name__}.{field.name}": field.default
        for kind in STATES
        for field in structs.fields(kind)
        if field.default not in empty and not isinstance(field.default, Struct)
    }

    assert {
        "Confinement.network": "all",
        "Deployment.outcome": "open",
        "Deployment.last_launch": -1e18,  # before any clock: the first launch waits for no other
        "Host.executor": "tmux",
        "Identity.uid": -1,  # nobody's
        "Observation.activity": "unknown",
        "WorkerState.state": "pending",
        "Untold.times": 1,
        "Wrote.inferred": True,
    } == kept


MARK = FileFingerprint("a.out", 3, 7)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (MARK, '["a.out",3,7,0]'),
        (PromotedFile("a.out", MARK), '["a.out",["a.out",3,7,0],null]'),
        (Wrote(MARK, "w", "v"), '[["a.out",3,7,0],"w","v",true]'),
        (Verdict("a"), '{"unit":"a"}'),
        (Usage(input=1), '{"input":1}'),
        (Unit("a", ("a.out",)), '{"name":"a","outputs":["a.out"]}'),
        (Observation("w", 1, "running"), '{"worker":"w","attempt":1,"session":"running"}'),
        (Validator("v", "$1", NOW), '{"session":"v","session_id":"$1","created":"2026-01-05T21:36:00Z"}'),
        (Alarm("at", 1, NOW), '{"kind":"at","generation":1,"due":"2026-01-05T21:36:00Z"}'),
        (Confinement("landlock", "/p"), '{"way":"landlock","program":"/p"}'),
        (Repository("g", "t", "c", "b"), '{"git":"g","top":"t","common":"c","base":"b"}'),
        (Identity("m"), '{"machine":"m"}'),
        (RecordedProfile("a", "d"), '{"name":"a","digest":"d"}'),
        (Untold("full", NOW), '{"why":"full","since":"2026-01-05T21:36:00Z"}'),
        (Host("/r", "/s", ()), '{"root":"/r","directory":"/s","python":[]}'),
        (OpenIntent(1, "send", NOW), '{"seq":1,"action":"send","at":"2026-01-05T21:36:00Z"}'),
        (Choice("Yes"), '{"label":"Yes"}'),
        (Dialog("question", "why?", (), "5e"), '{"kind":"question","asks":"why?","choices":[],"seen":"5e"}'),
        (
            OwedNotice(1, "AT", (), NOW, NOW),
            '{"seq":1,"text":"AT","causes":[],"since":"2026-01-05T21:36:00Z","again":"2026-01-05T21:36:00Z"}',
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_part_of_a_line_is_written_without_what_it_leaves_out(value: Struct, written: str) -> None:
    assert written == msgspec.json.encode(value).decode()


@pytest.mark.parametrize(("files", "answerable"), [((), False), (("",), False), (("", "key"), True), (("key",), True)])
def test_answers_may_come_from_elsewhere_by_any_target_that_has_a_topic_for_them(
    files: tuple[str, ...], answerable: bool
) -> None:
    targets = tuple(WakeTarget(ntfy="https://ntfy.example/t", answers_file=file) for file in files)

    assert answerable is WakeSpec(to=targets).answerable
