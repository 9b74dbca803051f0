"""A test kit for harnesses of other packages: the contract of every harness.

from wakeman.testing.harness import faults

def test_it_is_a_harness() -> None:
    assert [] == faults(make(), command=("my-client",))
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any, Literal

from wakeman.core.model import Plan, UnitsSpec, WorkersSpec
from wakeman.ports import Command, Evidence, Harness, Report, Task

NOW = datetime(2026, 1, 5, 22, 0, tzinfo=UTC)
SECRET = "kit-secret-0123456789"  # noqa: S105 - a mark to look for
HARNESS_MEMBERS = ("name", "uses_agent", "uses_prompt", "adopts", "redraws", "reads", "leave", "memory")
CALLS = ("problems", "conversation", "borrows", "command", "typed", "report", "ending")
NOISE = (
    b"", b"\n", b"{", b'{"type":7}\n', b"[1]\n", bytes(range(256)) + b"\n", b'{"a":' + b"[" * 9999 + b"\n",
    b'{"type":["x"],"message":{"content":[{"id":["x"]}]},"result":{},"error":1e300}\n',
    b'{"type":"' + b"a" * 65536 + b'"}\n',
)  # fmt: skip

TEXTS = ("go on", "!ls", "/help", "read @a", "C:\\", "two\nlines;")


def faults(harness: Harness, **workers: Any) -> list[str]:
    """List the violations of the contract by a harness; `workers` are keys of `[workers]` that it needs."""
    missing = [f"{name}: missing" for name in (*HARNESS_MEMBERS, *CALLS) if not hasattr(harness, name)]
    return missing or [fault for probe in HARNESS_PROBES for fault in probe(harness, workers)]


def task(plan: Plan, *, resume: bool = False) -> Task:
    """Return an attempt of a worker, with a key that only its files may hold."""
    names = {"worker": "w", "prompt_file": "/kit/w.md", "units_file": "/kit/w.jsonl", "unit_table": "a -> /kit/a"}
    return Task(
        plan=plan,
        worker="w",
        attempt=1,
        names={**names, "deployment": "night", "group.key": "w", "group.name": "w"},
        prompt="Do it.",
        prompt_file="/kit/w.md",
        units_file="/kit/w.jsonl",
        agent_session="00000000-0000-4000-8000-000000000000",
        resume=resume,
        outputs=("/kit/out/a", "/elsewhere/b"),
        cwd="/kit",
        place="/kit/attempts/w.1",
        home="/kit/clients/w",
        hook="/kit/hook.sh",
        guard="/kit/guard.sh",
        env={"HOME": "/kit/home"},
        at=NOW,
        keys={"KIT_KEY": SECRET},
    )


def _plans(harness: Harness, workers: dict[str, Any]) -> Iterator[Plan]:
    """Yield a plan for each mode and approval that the harness accepts."""
    modes: tuple[Literal["print", "interactive"], ...] = ("print", "interactive")
    for mode, approve in product(modes, (False, "edits", "all")):
        spec = WorkersSpec(harness=harness.name, mode=mode, auto_approve=approve, prompt="Do it.", **workers)  # type: ignore[arg-type] # product widens the literals
        plan = Plan(name="night", units=UnitsSpec(items=("a",)), workers=spec)
        if not harness.problems(plan):
            yield plan


def _command_faults(harness: Harness, workers: dict[str, Any]) -> Iterator[str]:
    plans = list(_plans(harness, workers))
    if not plans:
        yield "problems: no mode and approval is free of them"
    for plan in plans:
        where = f"command, mode {plan.workers.mode}, auto_approve {plan.workers.auto_approve}"
        for resume in (False, True) if harness.conversation(plan) else (False,):
            command: Command = harness.command(task(plan, resume=resume))
            if not command.argv or any("\0" in word for word in command.argv):
                yield f"{where}: found {command.argv!r}, expected words without NUL"
            if any(SECRET in text for text in (*command.argv, *command.env.values())):
                yield f"{where}: a key is outside the files"
            if any(not file.startswith("/kit/") for file in command.files):
                yield f"{where}: writes outside the attempt's and the worker's directory"


def _reads(harness: Harness, _: dict[str, Any]) -> Iterator[str]:
    if harness.report(Evidence(), NOW).activity != "unknown":
        yield "report: found a statement without evidence, expected unknown"
    for noise in NOISE:
        for evidence in (Evidence(stream=noise), Evidence(hook=noise), Evidence(screen=noise.decode(errors="replace"))):
            for name in ("report", "ending"):
                try:
                    report = _read_evidence(harness, name, evidence)
                except Exception as fault:
                    yield f"{name}: {fault!r} on {noise[:20]!r}"
                    continue
                if report.activity == "idle":
                    yield f"{name}: idle by {noise[:20]!r}, which says nothing"
                if "\n" in report.why or len(report.why) > 500:
                    yield f"{name}: found {report.why[:40]!r}, expected one line of at most 500 characters"


def _types(harness: Harness, _: dict[str, Any]) -> Iterator[str]:
    for text in TEXTS:
        if text.strip() not in harness.typed(text):
            yield f"typed: found {harness.typed(text)!r}, expected {text!r} in it"


def _read_evidence(harness: Harness, name: str, evidence: Evidence) -> Report:
    return harness.report(evidence, NOW) if name == "report" else harness.ending(evidence, 1, NOW)


HARNESS_PROBES = (_command_faults, _reads, _types)
"""Run one after the other."""
