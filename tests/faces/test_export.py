"""`wakeman export`: each form is read by a program of its kind, and says what the log says."""

from __future__ import annotations

import gzip
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.faces.test_report import NAMES, SAMPLES, Desk, lines_of
from tests.play import NAME, Play

from wakeman.adapters.memory import Act
from wakeman.adapters.otlp import ENDPOINT_VARIABLES
from wakeman.core.model import Usage
from wakeman.faces.cli import main
from wakeman.ports import Report

HOSTILE = 'w"\\\n{}\x1b[31m</script>é'
"""What a worker may put into the words of its client."""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAKEMAN_STATE", str(tmp_path / "state"))
    for name in ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return Desk(tmp_path, capsys)


def export(desk: Desk, *words: str) -> tuple[int, str, str]:
    desk._capsys.readouterr()
    code = main(["export", *words])
    said = desk._capsys.readouterr()
    return code, said.out, said.err


def spending(desk: Desk) -> Play:
    """Keep a deployment whose first worker fails once, and whose workers report what they use."""
    play = Play(workers=2, acts={"w0": Act(stops_after=1, code=3)}, plan={"stuck": {"attempts": 2, "backoff": 0}})
    play.stage.harness.end = Report(usage=Usage(input=100, output=10, cost=0.5))
    play.stage.harness.reads = frozenset({"stream"})
    play.run(minutes=60)
    desk.keep(NAME, play.lines)
    return play


# --- trace --------------------------------------------------------------------------------------------------------


def traced(desk: Desk, log: str) -> list[dict[str, Any]]:
    code, text, err = export(desk, "trace", log)
    assert (0, "") == (code, err)
    entries: list[dict[str, Any]] = json.loads(text)["traceEvents"]
    return entries


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_has_a_track_for_each_worker_and_a_slice_for_each_attempt(desk: Desk, name: str) -> None:
    log = str(SAMPLES / name / "events.jsonl")
    courses = desk.data(log)["courses"]
    entries = traced(desk, log)

    tracks = {e["tid"]: e["args"]["name"] for e in entries if e["name"] == "thread_name"}
    attempts = Counter(tracks[e["tid"]] for e in entries if e.get("cat") == "attempt" and e["ph"] == "X")

    assert ["checks and decisions", *(course["worker"] for course in courses)] == list(tracks.values())
    assert {c["worker"]: sum(a["began"] is not None for a in c["attempts"]) for c in courses} == attempts


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_keeps_the_rules_of_its_format(desk: Desk, name: str) -> None:
    entries = traced(desk, str(SAMPLES / name / "events.jsonl"))

    for entry in entries:
        assert {"name", "ph", "ts", "pid", "tid"} <= entry.keys()
        assert isinstance(entry["ts"], int)
        assert entry["ts"] >= 0
        assert ("dur" in entry) == (entry["ph"] == "X")
        assert (entry.get("s") == "t") == (entry["ph"] == "i")
        if entry["ph"] == "C":
            assert entry["args"]
            assert all(type(value) in (int, float) for value in entry["args"].values())
    for track in {entry["tid"] for entry in entries}:
        assert nested([(e["ts"], e["ts"] + e["dur"]) for e in entries if e["tid"] == track and e["ph"] == "X"])


def nested(slices: list[tuple[int, int]]) -> bool:
    """Return whether slices of one track are beside or within one another, which viewers require."""
    open_until: list[int] = []
    for start, end in sorted(slices, key=lambda each: (each[0], -each[1])):
        while open_until and open_until[-1] <= start:
            open_until.pop()
        if open_until and end > open_until[-1]:
            return False
        open_until.append(end)
    return True


def test_slices_that_overlap_are_noticed() -> None:
    assert not nested([(0, 10), (5, 15)])
    assert nested([(0, 10), (5, 10), (10, 12)])


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_s_counters_end_where_the_deployment_ended(desk: Desk, name: str) -> None:
    log = str(SAMPLES / name / "events.jsonl")
    status = desk.data(log)["status"]
    entries = traced(desk, log)

    last = {entry["name"]: entry["args"] for entry in entries if entry["ph"] == "C"}

    assert {"units": status["units"]["done"]} == last["units done"]
    assert {"workers": 0} == last["workers at work"]
    assert desk.data(log)["figures"]["checks"] == sum(entry["name"] == "check" for entry in entries)


def test_a_trace_counts_tokens_and_cost_of_all_attempts(desk: Desk) -> None:
    spending(desk)

    entries = traced(desk, NAME)

    counters = {entry["name"]: entry["args"] for entry in entries if entry["ph"] == "C"}
    attempts = [entry["args"] for entry in entries if entry.get("cat") == "attempt"]
    assert ({"input": 300, "output": 30}, {"dollars": 1.5}) == (counters["tokens"], counters["dollars"])
    assert [(100, 10, 0.5)] * 3 == [(a["input_tokens"], a["output_tokens"], a["cost"]) for a in attempts]


def test_an_attempt_under_way_ends_at_the_last_line(desk: Desk) -> None:
    play = Play(workers=1, acts={"w0": Act(seconds=5000)})
    play.up()
    play.go(minutes=20)
    desk.keep(NAME, play.lines)

    entries = traced(desk, NAME)

    [attempt] = [entry for entry in entries if entry.get("cat") == "attempt"]
    last = max(entry["ts"] for entry in entries)
    assert "code" not in attempt.get("args", {})
    assert attempt["ts"] + attempt["dur"] >= last > 0


def test_a_trace_goes_to_a_file_whose_path_is_printed(desk: Desk) -> None:
    desk.keep("demo", lines_of("demo"))

    code, text, err = export(desk, "trace", "demo", "-o", "night.json")

    assert (0, f"{desk.path}/night.json\n", "") == (code, text, err)
    assert json.loads((desk.path / "night.json").read_bytes())["otherData"]["outcome"] == "complete"


# --- metrics ------------------------------------------------------------------------------------------------------


def families(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Read the text as Prometheus does, strictly."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    found = text_string_to_metric_families(text)  # type: ignore[no-untyped-call] # the library's
    return {
        family.name: {
            tuple(sorted((name, value) for name, value in sample.labels.items() if value)): sample.value
            for sample in family.samples
        }
        for family in found
    }


@pytest.mark.parametrize("name", NAMES)
def test_metrics_say_what_the_status_says(desk: Desk, name: str) -> None:
    desk.keep(name, lines_of(name))
    status = desk.data(str(desk.state / name))["status"]

    code, text, err = export(desk, "metrics", name)
    found = families(text)

    whose = ("deployment", status["deployment"])
    units = status["units"]
    assert (0, "") == (code, err)
    assert {
        (whose, ("state", "done")): units["done"],
        (whose, ("state", "missing")): units["total"] - units["done"],
    } == found["wakeman_units"]
    assert Counter(w["state"] for w in status["workers"]) == Counter(
        {dict(labels)["state"]: int(value) for labels, value in found["wakeman_workers"].items() if value}
    )
    assert [((whose, ("outcome", status["outcome"])), 1.0)] == [e for e in found["wakeman_outcome"].items() if e[1]]
    assert {(whose,): status["events"]} == found["wakeman_log_lines"]
    assert {(whose,): sum(w["attempt"] for w in status["workers"])} == found["wakeman_attempts"]


def test_metrics_have_all_deployments_and_tell_a_damaged_log(desk: Desk) -> None:
    spending(desk)
    desk.keep("copy", lines_of("demo"))
    desk.keep("damaged", [*lines_of("demo")[:3], b"{}\n", *lines_of("demo")[3:]])

    code, text, _ = export(desk, "metrics")
    found = families(text)

    readable = {dict(labels)["deployment"]: value for labels, value in found["wakeman_log_readable"].items()}
    assert (0, {NAME: 1.0, "condense": 1.0, "damaged": 0.0}) == (code, readable)
    whose = ("deployment", NAME)
    assert 300.0 == found["wakeman_tokens"][whose, ("direction", "input")]
    assert 1.5 == found["wakeman_cost_dollars"][(whose,)]


def test_a_copy_of_a_deployment_is_told_from_it(desk: Desk) -> None:
    for name in ("one", "two"):
        desk.keep(name, lines_of("demo"))

    _, text, _ = export(desk, "metrics")

    told = [(("deployment", "condense"),), (("copy", "1"), ("deployment", "condense"))]
    assert told == sorted(families(text)["wakeman_paused"], key=len)


def test_an_open_deployment_without_alarm_is_told_and_a_closed_one_needs_none(desk: Desk) -> None:
    play = Play(workers=1, acts={"w0": Act(seconds=5000)})
    play.up()
    desk.keep(NAME, play.lines)
    desk.keep("demo", lines_of("demo"))

    _, text, _ = export(desk, "metrics")

    assert {(("deployment", NAME),): 0.0} == families(text)["wakeman_alarm_pending"]


def test_a_file_of_metrics_can_be_read_by_others(desk: Desk) -> None:
    desk.keep("demo", lines_of("demo"))

    export(desk, "metrics", "-o", "wakeman.prom")

    assert 0o644 == (desk.path / "wakeman.prom").stat().st_mode & 0o777
    assert families((desk.path / "wakeman.prom").read_text())


def test_metrics_of_no_deployment_are_an_empty_text(desk: Desk) -> None:
    assert (0, "# EOF\n", "") == export(desk, "metrics")


# --- OpenTelemetry ------------------------------------------------------------------------------------------------


@dataclass
class Collector:
    """A collector in memory: the requests that it took, read with OpenTelemetry's own types."""

    url: str = ""
    status: int = 200
    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def spans(self) -> list[Any]:
        return [s for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    made = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest()
            request.ParseFromString(body)
            made.requests.append(request)
            made.headers.append(dict(self.headers.items()))
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_a_collector_gets_the_deployment_and_in_it_each_attempt(desk: Desk, collector: Collector) -> None:
    spending(desk)

    code, text, err = export(desk, "otlp", NAME, "--endpoint", f"{collector.url}/v1/traces")
    whole, *attempts = collector.spans()

    assert (0, "") == (code, err)
    assert text.startswith("sent 4 spans of trace ")
    assert [f"invoke_workflow {NAME}", *["invoke_agent w0"] * 2, "invoke_agent w1"] == [
        s.name for s in collector.spans()
    ]
    assert {whole.span_id} == {span.parent_span_id for span in attempts}
    assert {"invoke_workflow", "invoke_agent"} == {attributes(s)["gen_ai.operation.name"] for s in collector.spans()}
    assert [100] * 3 == [attributes(span)["gen_ai.usage.input_tokens"] for span in attempts]
    assert ["exit status", "exit status", None] == [attributes(span).get("error.type") for span in attempts]
    assert all(span.start_time_unix_nano < span.end_time_unix_nano for span in collector.spans())
    assert all(event.time_unix_nano for event in whole.events)
    assert "decision launch" in {event.name for event in whole.events}


def test_sent_twice_it_is_the_same_trace_and_another_log_s_is_another(desk: Desk, collector: Collector) -> None:
    spending(desk)
    desk.keep("demo", lines_of("demo"))
    for name in (NAME, NAME, "demo"):
        assert 0 == export(desk, "otlp", name, "--endpoint", f"{collector.url}/v1/traces")[0]

    ids = [
        {(span.trace_id, span.span_id) for rs in r.resource_spans for ss in rs.scope_spans for span in ss.spans}
        for r in collector.requests
    ]

    assert ids[0] == ids[1]
    assert not ids[0] & ids[2]


def test_words_of_workers_are_sent_only_if_that_is_asked_for(desk: Desk, collector: Collector) -> None:
    play = Play(workers=1, acts={"w0": Act(stops_after=1, code=3)}, plan={"stuck": {"attempts": 1}})
    play.stage.harness.end = Report("error", f"secret {HOSTILE}")
    play.stage.harness.reads = frozenset({"stream"})
    play.run(minutes=60)
    desk.keep(NAME, play.lines)
    url = f"{collector.url}/v1/traces"

    export(desk, "otlp", NAME, "--endpoint", url)
    export(desk, "otlp", NAME, "--endpoint", url, "--words")

    assert [False, True] == [b"secret" in request.SerializeToString() for request in collector.requests]


def test_the_collector_and_its_headers_may_be_named_by_opentelemetry_s_variables(
    desk: Desk, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    spending(desk)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-who=me")

    code, text, _ = export(desk, "otlp", NAME)

    assert (0, "me") == (code, collector.headers[0].get("x-who"))
    assert f"{collector.url}/v1/traces" in text


def test_an_attempt_under_way_is_left_out_and_counted(desk: Desk, collector: Collector) -> None:
    play = Play(workers=1, acts={"w0": Act(seconds=5000)})
    play.up()
    play.go(minutes=20)
    desk.keep(NAME, play.lines)

    _, text, _ = export(desk, "otlp", NAME, "--endpoint", f"{collector.url}/v1/traces")

    assert 1 == len(collector.spans())
    assert "; left out: 1 attempt under way" in text


def test_nothing_is_sent_to_nowhere_by_a_dry_run_or_without_the_extra(
    desk: Desk, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    spending(desk)
    unnamed = export(desk, "otlp", NAME)
    dry = export(desk, "otlp", NAME, "--endpoint", collector.url, "--dry-run")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    bare = export(desk, "otlp", NAME, "--endpoint", collector.url)

    assert (2, 0, 2) == (unnamed[0], dry[0], bare[0])
    assert "no collector is named; expected --endpoint URL" in unnamed[2]
    assert f"to {collector.url}" in dry[1]
    assert "expected the extra `otlp`" in bare[2]
    assert [] == collector.requests


def test_a_collector_that_refuses_is_an_error_with_its_reason(desk: Desk, collector: Collector) -> None:
    spending(desk)
    collector.status = 400

    code, text, err = export(desk, "otlp", NAME, "--endpoint", f"{collector.url}/v1/traces")

    assert (1, "") == (code, text)
    assert re.search(r"error: http\S+/v1/traces: the spans were not taken: .*400", err)
    assert 2 == len(err.splitlines())


def test_a_collector_that_is_not_there_is_an_error(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeman.adapters.otlp.OTLP_TIMEOUT_S", 4)
    spending(desk)

    code, _, err = export(desk, "otlp", NAME, "--endpoint", "http://127.0.0.1:9/v1/traces")

    assert 1 == code
    assert "Connection refused" in err
    assert 2 == len(err.splitlines())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://[::1]:4318", "https://[::1]:4318/v1/traces"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/traces"),
        ("https://host/api/otlp/traces?key=a", "https://host/api/otlp/traces?key=a"),
        ("https://host/api/otlp/", "https://host/api/otlp/"),
    ],
)
def test_a_collector_is_named_by_host_and_port_or_by_its_whole_url(desk: Desk, given: str, found: str) -> None:
    spending(desk)

    dry = export(desk, "otlp", NAME, "--endpoint", given, "--dry-run")

    assert dry[1].splitlines()[0].endswith(f"to {found}")


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://localhost", "http:///v1/traces"])
def test_what_is_no_url_is_refused(desk: Desk, url: str) -> None:
    spending(desk)

    code, _, err = export(desk, "otlp", NAME, "--endpoint", url)

    assert 2 == code
    assert f"found {url!r}; expected a URL" in err


@pytest.mark.parametrize("form", ["trace", "metrics"])
def test_a_dry_run_says_where_it_would_write_and_writes_nothing(desk: Desk, form: str) -> None:
    desk.keep("demo", lines_of("demo"))

    code, text, _ = export(desk, form, "demo", "-o", "x.out", "--dry-run")

    assert (0, f"would write {form} to {desk.path}/x.out") == (code, text.splitlines()[0])
    assert not (desk.path / "x.out").exists()


# --- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("metrics", "--endpoint", "http://localhost"), "expected with otlp alone"),
        (("trace", "night", "--words"), "expected with otlp alone"),
        (("csv", "night"), "found 'csv'; expected one of trace"),
    ],
)
def test_what_does_not_fit_together_is_refused(desk: Desk, words: tuple[str, ...], found: str) -> None:
    code, text, err = export(desk, *words)

    assert (2, "") == (code, text)
    assert found in err


@pytest.mark.parametrize("form", ["trace", "metrics"])
def test_json_is_the_answer_in_its_envelope(desk: Desk, form: str) -> None:
    from jsonschema import Draft202012Validator

    from wakeman.api.schema import schema

    spending(desk)
    _, text, _ = export(desk, form, NAME, "--json")

    answer = json.loads(text)
    Draft202012Validator(schema("export")).validate(answer)
    assert answer["ok"]
