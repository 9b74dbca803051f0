"""Every released log loads in every version: applied, valid against the schema, and with the same state as then."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from tests.record import NIGHTS, SAMPLES, folded, told

from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.audit.report import audit
from wakeman.faces.cli import main

LOGS = sorted(SAMPLES.glob("*/events.jsonl"))
by_name = pytest.mark.parametrize("log", LOGS, ids=[log.parent.name for log in LOGS])
SCHEMA = jsonschema.Draft202012Validator(json.loads((SAMPLES.parent / "events.schema.json").read_text()))


def test_there_is_a_sample_of_each_night() -> None:
    assert {*NIGHTS, "demo"} <= {log.parent.name for log in LOGS}


@by_name
def test_a_sample_tells_what_it_told_when_it_was_recorded(log: Path) -> None:
    assert json.loads(log.with_name("expected.json").read_text()) == told(folded(log))


@by_name
def test_each_line_of_a_sample_is_as_the_schema_says(log: Path) -> None:
    for line in log.read_text().splitlines():
        SCHEMA.validate(json.loads(line))


@by_name
def test_a_sample_audits_clean(log: Path) -> None:
    with AuditReader(str(log)) as tape:
        found = audit(tape)

    assert ((), len(log.read_bytes().splitlines())) == (found.divergences, found.auditor.events)
    assert found.auditor.decisions > 0


@by_name
def test_a_sample_is_replayed_whole(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["replay", str(log), "--json"])

    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["state"]["outcome"] == json.loads(log.with_name("expected.json").read_text())["outcome"]


def test_the_schema_refuses_what_is_no_line() -> None:
    line = json.loads(LOGS[0].read_text().splitlines()[0])
    changes: list[dict[str, object]] = [{"seq": "1"}, {"at": 5}, {"data": {}}, {"to": "asleep"}, {"hash": None}]

    assert [False] * len(changes) == [SCHEMA.is_valid({**line, **change}) for change in changes]
    assert SCHEMA.is_valid({**line, "type": "dreamt"})
