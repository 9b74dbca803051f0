"""`wakeman serve`: who is let in, what is streamed, and that a reader loses and doubles nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faces.test_report import lines_of, wholes
from tests.play import NAME, Play
from tests.scripts.test_answers import PERMISSION, QUESTION, asking
from tests.waiting import until

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.adapters.memory import Act
from wakeman.core.errors import NeedsPersonError, UsageError
from wakeman.core.log.events import Requested
from wakeman.core.model import Dialog
from wakeman.faces.cli import main
from wakeman.faces.serve.app import PageDeed, _Served
from wakeman.faces.serve.gate import Gate

TOKEN = "t" * 32


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


class Server:
    """A server that runs, and requests to it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Send one request. Shape: `_` in a header's name is written `-`."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = line.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            line.close()

    @contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[Iterator[dict[str, str]]]:
        """Open a stream, and yield its events."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        line.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = line.getresponse()
        assert 200 == answer.status

        def events() -> Iterator[dict[str, str]]:
            found: dict[str, str] = {}
            while raw := answer.fp.readline():
                # chunks are a size, a line of it, and an empty line; a size is no field
                text = raw.decode().rstrip("\r\n")
                name, colon, value = text.partition(": ")
                if colon and name in ("id", "event", "data"):
                    found[name] = value
                elif not text and "data" in found:
                    yield found
                    found = {}

        try:
            yield events()
        finally:
            line.close()


@contextmanager
def serving(
    state: Path, *options: str, port: int = 0, token: str = ""
) -> Iterator[tuple[Server, subprocess.Popen[bytes]]]:
    port = port or free_port()
    argv = [sys.executable, "-m", "wakeman", "serve", "--port", str(port), "--state", str(state), *options]
    if token:
        file = state.parent / "token"
        file.write_text(token)
        file.chmod(0o600)
        argv += ["--token-file", str(file)]
    elif "--no-token" not in options:
        argv.append("--no-token")
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert process.stdout is not None
    try:
        assert b"http://127.0.0.1" in process.stdout.readline()
        server = Server(port)
        yield server, process
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()


def keep(state: Path, name: str, lines: list[bytes]) -> Path:
    (state / name).mkdir(parents=True)
    (state / name / "events.jsonl").write_bytes(b"".join(lines))
    return state / name / "events.jsonl"


# --- the gate -----------------------------------------------------------------------------------------------------

HOST = "127.0.0.1:8577"
REQUESTS: list[tuple[str, str, dict[str, str], int | None]] = [
    ("GET", f"token={TOKEN}", {"host": HOST}, None),
    ("GET", "", {"host": HOST, "cookie": f"wakeman={TOKEN}"}, None),
    ("GET", "", {"host": HOST, "cookie": f"a=b; wakeman={TOKEN}"}, None),
    ("GET", "", {"host": HOST, "authorization": f"Bearer {TOKEN}"}, None),
    ("GET", f"token={TOKEN}", {"host": "localhost:8577"}, None),
    ("GET", f"token={TOKEN}", {"host": "LOCALHOST:8577"}, None),
    ("GET", f"token={TOKEN}", {"host": "[::1]:8577"}, None),
    ("GET", f"token={TOKEN}", {"host": "night.example.org:8577"}, None),
    ("GET", f"token={TOKEN}", {"host": HOST, "origin": f"http://{HOST}"}, None),
    ("POST", "", {"host": HOST, "cookie": f"wakeman={TOKEN}", "x-wakeman": "1", "origin": f"http://{HOST}"}, None),
    ("GET", "", {"host": HOST}, 401),
    ("GET", "token=", {"host": HOST}, 401),
    ("GET", "token=é", {"host": HOST}, 401),
    ("GET", f"token={TOKEN[:-1]}", {"host": HOST}, 401),
    ("GET", f"token={TOKEN}x", {"host": HOST}, 401),
    ("GET", "", {"host": HOST, "cookie": "wakeman=wrong"}, 401),
    ("GET", "", {"host": HOST, "cookie": ";;=;\x00"}, 401),
    ("GET", "", {"host": HOST, "authorization": TOKEN[:-1]}, 401),
    ("GET", f"token={TOKEN}", {}, 421),
    ("GET", f"token={TOKEN}", {"host": ""}, 421),
    ("GET", f"token={TOKEN}", {"host": "evil.example:8577"}, 421),
    ("GET", f"token={TOKEN}", {"host": "127.0.0.1.evil.example:8577"}, 421),
    ("GET", f"token={TOKEN}", {"host": "127.0.0.1"}, 421),
    ("GET", f"token={TOKEN}", {"host": "127.0.0.1:80"}, 421),
    ("GET", f"token={TOKEN}", {"host": HOST, "origin": "http://evil.example"}, 403),
    ("GET", f"token={TOKEN}", {"host": HOST, "origin": "null"}, 403),
    ("GET", f"token={TOKEN}", {"host": HOST, "origin": "http://127.0.0.1:8578"}, 403),
    ("POST", "", {"host": HOST, "cookie": f"wakeman={TOKEN}"}, 403),
    ("POST", "", {"host": HOST, "cookie": f"wakeman={TOKEN}", "x-wakeman": "1", "origin": "http://evil.example"}, 403),
    ("POST", "", {"host": HOST, "x-wakeman": "1"}, 401),
    ("DELETE", "", {"host": HOST, "cookie": f"wakeman={TOKEN}"}, 403),
]


@pytest.mark.parametrize(("method", "query", "headers", "status"), REQUESTS)
def test_the_gate_lets_in_who_has_the_token_and_asks_from_here(
    method: str, query: str, headers: dict[str, str], status: int | None
) -> None:
    refused = Gate(TOKEN, 8577, ["night.example.org"]).refusal(method, query, headers)

    assert status == (refused[0] if refused else None)


def test_without_a_token_host_and_origin_are_checked_all_the_same() -> None:
    gate = Gate("", 8577, [])

    assert gate.refusal("GET", "", {"host": HOST}) is None
    assert 421 == (gate.refusal("GET", "", {"host": "evil.example:8577"}) or (0,))[0]
    assert 403 == (gate.refusal("GET", "", {"host": HOST, "origin": "http://evil.example"}) or (0,))[0]
    assert not gate.hands_over("token=")


# --- pages --------------------------------------------------------------------------------------------------------


def test_the_pages_need_the_token_which_moves_into_a_cookie(tmp_path: Path) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo"))
    with serving(tmp_path / "state", token=TOKEN) as (server, _):
        bare = server.ask("/")
        opened = server.ask(f"/?token={TOKEN}")
        cookie = opened[1]["set-cookie"].partition(";")[0]
        index = server.ask("/", Cookie=cookie)
        page = server.ask("/d/demo", Cookie=cookie)
        stream = server.ask("/d/demo/events")

    assert (401, 303, 200, 200, 401) == (bare[0], opened[0], index[0], page[0], stream[0])
    assert "demo" not in bare[2]
    assert "/" == opened[1]["location"]
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in opened[1]["set-cookie"].split(";")}
    assert 'href="/d/demo"' in index[2]
    assert "connect-src 'self'" in page[1]["content-security-policy"]
    assert "condense_asyncio" in page[2]
    assert TOKEN not in index[2] + page[2]


def test_a_name_that_is_no_deployment_is_not_found_whatever_it_is(tmp_path: Path) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo"))
    (tmp_path / "secret").mkdir()
    with serving(tmp_path / "state") as (server, _):
        found = [
            server.ask(f"/d/{name}{more}")[0]
            for name in ("other", "..", "%2e%2e%2fsecret", "demo%2fevents.jsonl", "demo%00", "%ff", "d" * 5000)
            for more in ("", "/events")
        ]
        misspelt = server.ask("/d/dmeo")

    assert {404} == set(found)
    assert "no deployment 'dmeo'; did you mean 'demo'?" in misspelt[2]


def test_hostile_words_stay_text_on_the_pages(tmp_path: Path) -> None:
    from tests.faces.test_report import poisoned

    keep(tmp_path / "state", "night", poisoned("demo"))
    with serving(tmp_path / "state") as (server, _):
        page = server.ask("/d/night")

    assert 200 == page[0]
    assert 200 == page[0]
    assert 2 == page[2].count("<script>")


def test_a_page_follows_the_log(tmp_path: Path) -> None:
    lines = lines_of("demo")
    file = keep(tmp_path / "state", "demo", lines[:60])
    with serving(tmp_path / "state") as (server, _):
        before = server.ask("/d/demo")[2]
        with file.open("ab") as log:
            log.writelines(lines[60:])
        after = server.ask("/d/demo")[2]

    assert (True, False) == ('data-open="yes"' in before, 'data-open="yes"' in after)
    assert "54 of 54 units" in after


def test_a_damaged_log_is_an_error_that_says_where(tmp_path: Path) -> None:
    lines = lines_of("demo")
    keep(tmp_path / "state", "demo", [*lines[:5], b"{}\n", *lines[5:]])
    with serving(tmp_path / "state") as (server, _):
        status, _, text = server.ask("/d/demo")
        index = server.ask("/")

    assert (409, 200) == (status, index[0])
    assert "events.jsonl:6" in text
    assert "damaged" in index[2]


# --- streams ------------------------------------------------------------------------------------------------------


def test_a_reader_that_comes_back_gets_exactly_what_it_missed(tmp_path: Path) -> None:
    lines, port, ends = lines_of("limited"), free_port(), wholes("limited")[20::25]
    file = keep(tmp_path / "state", "limited", lines[: ends[0]])
    got: list[int] = []
    last = {"Last_Event_ID": "0"}
    for kept, then in zip(ends, [*ends[1:], len(lines)], strict=True):
        with serving(tmp_path / "state", port=port) as (server, process):
            with server.stream("/d/limited/events", **last) as events:
                while not got or got[-1] < kept:
                    got.append(int(next(events)["id"]))
                with file.open("ab") as log:
                    log.writelines(lines[kept:then])
                got.append(int(next(events)["id"]))
                process.kill()  # in the middle of what is being sent
            last = {"Last_Event_ID": str(got[-1])}
    with serving(tmp_path / "state", port=port) as (server, _), server.stream("/d/limited/events", **last) as events:
        while got[-1] < len(lines):
            got.append(int(next(events)["id"]))
        closed = next(events)

    assert list(range(1, len(lines) + 1)) == got
    assert "closed" == closed["event"]


def test_a_stream_begins_after_the_line_that_the_page_names(tmp_path: Path) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo"))
    with serving(tmp_path / "state") as (server, _):
        with server.stream("/d/demo/events?after=120") as events:
            first = next(events)
        refused = [server.ask(f"/d/demo/events?after={text}")[0] for text in ("x", "-1", "1.5", "9" * 30, "%D9%A1")]

    assert "121" == first["id"]
    assert 121 == json.loads(first["data"])["seq"]
    assert {400} == set(refused)


def test_the_first_page_is_told_of_each_change_since_it_was_made(tmp_path: Path) -> None:
    lines, port = lines_of("demo"), free_port()
    file = keep(tmp_path / "state", "demo", lines[:60])
    with serving(tmp_path / "state", port=port) as (server, _):
        stamp = server.ask("/")[2].partition('data-stamp="')[2].partition('"')[0]
        with file.open("ab") as log:
            log.writelines(lines[60:64])
        with server.stream(f"/events?after={stamp}") as events:
            seen = [next(events)]
            with file.open("ab") as log:
                log.writelines(lines[64:70])
            seen.append(next(events))
    with file.open("ab") as log:
        log.writelines(lines[70:])
    again = {"Last_Event_ID": seen[-1]["id"]}
    with serving(tmp_path / "state", port=port) as (server, _), server.stream("/events", **again) as events:
        seen.append(next(events))

    assert ["changed"] * 3 == [event["event"] for event in seen]
    assert 4 == len({stamp, *(event["id"] for event in seen)})


def test_a_page_that_is_closed_leaves_nothing_running(tmp_path: Path) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo")[:60])
    with serving(tmp_path / "state") as (server, process):
        opened = Path(f"/proc/{process.pid}/fd")
        server.ask("/d/demo")
        before = len(list(opened.iterdir()))
        for _ in range(5):
            with server.stream("/d/demo/events") as events:
                next(events)

        until(lambda: len(list(opened.iterdir())) <= before)


def test_ctrl_c_ends_the_server_at_once_although_a_page_is_open(tmp_path: Path) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo")[:60])
    with serving(tmp_path / "state") as (server, process), server.stream("/d/demo/events") as events:
        next(events)
        os.killpg(process.pid, signal.SIGINT)

        assert process.wait(30) in (0, 130)


# --- acting -------------------------------------------------------------------------------------------------------


def post(server: Server, what: Any, **headers: str) -> tuple[int, dict[str, str], str]:
    body = what if isinstance(what, bytes) else json.dumps(what).encode()
    return server.ask("/d/demo/act", "POST", body, X_Wakeman="1", Cookie=f"wakeman={TOKEN}", **headers)


def test_nothing_is_done_unless_that_was_allowed(tmp_path: Path) -> None:
    file = keep(tmp_path / "state", "demo", lines_of("demo")[:60])
    before = file.read_bytes()
    with serving(tmp_path / "state", token=TOKEN) as (server, _):
        status, _, text = post(server, {"verb": "stop", "worker": "condense_json"})
        page = server.ask("/d/demo", Cookie=f"wakeman={TOKEN}")[2]

    assert 400 == status
    assert "wakeman serve --act" in json.loads(text)["hint"]
    assert "data-act" not in page.partition("</main>")[0]
    assert before == file.read_bytes()


@pytest.mark.parametrize(
    ("asked", "status", "found"),
    [
        (b"no json", 400, "no JSON object"),
        (b"[]", 400, "no JSON object"),
        ({"verb": "down"}, 400, "asks for nothing that is offered"),
        ({"verb": "send", "worker": "condense_json"}, 400, "asks for nothing that is offered"),
        ({"verb": "approve", "worker": "condense_json", "text": "once"}, 400, "approve with seen"),
        ({"verb": "stop", "worker": "nobody"}, 404, "no worker 'nobody'"),
        ({"verb": "send", "worker": "x", "text": "y" * 70_000}, 400, "larger than"),
    ],
)
def test_what_cannot_be_done_is_an_error_in_an_envelope(tmp_path: Path, asked: Any, status: int, found: str) -> None:
    keep(tmp_path / "state", "demo", lines_of("demo")[:60])
    with serving(tmp_path / "state", "--act", token=TOKEN) as (server, _):
        answer = post(server, asked)
        foreign = post(server, asked, Origin="http://evil.example")

    assert (status, 403) == (answer[0], foreign[0])
    assert found in json.loads(answer[2])["error"]
    assert not json.loads(answer[2])["ok"]


def offered(play: Play) -> _Served:
    """Return what is served of a deployment in memory, with what changes something."""
    return _Served(lambda: play.stage.world("serve"), Reading, acts=True)


def test_a_held_row_is_accepted_as_by_the_verb() -> None:
    play = Play(plan={"wake": {"hold": True}})
    play.up()
    play.go(minutes=30)
    held = play.deployment.held

    answer = offered(play)._do(NAME, PageDeed("accept", "", "", ""))

    assert ("wrap up", "complete") == (held, play.go(minutes=30).outcome)
    assert (True, NAME) == (answer["ok"], answer["deployment"])
    assert ["accept"] == [
        e.data.verb for e in play.events if isinstance(e.data, Requested) and e.by.startswith("serve")
    ]
    assert [] == play.judged()


def test_a_worker_is_stopped_and_another_tried_again_as_by_the_verbs() -> None:
    play = Play(workers=2, acts={"w0": Act(hangs=True, stops_after=1), "w1": Act(seconds=5000)})
    play.up()
    play.go(minutes=3)
    served = offered(play)

    with pytest.raises(NeedsPersonError, match="not idle"):  # as the verb without --force
        served._do(NAME, PageDeed("send", "w1", "go on", ""))
    served._do(NAME, PageDeed("stop", "w1", "", ""))
    play.go(minutes=15)  # by then the other is silent: one at work is not tried again
    play.stage.acts.clear()
    served._do(NAME, PageDeed("retry", "w0", "", ""))

    assert "complete" == play.go(minutes=600).outcome
    asked = [(e.data.verb, e.worker) for e in play.events if isinstance(e.data, Requested)]
    assert {("stop", "w1"), ("retry", "w0")} <= set(asked)
    assert [] == play.judged()


@pytest.mark.parametrize(
    ("verb", "dialog", "text", "key", "says"),
    [
        ("approve", PERMISSION, "once", "1", "approved once w0"),
        ("approve", PERMISSION, "deny", "3", "denied w0"),
        ("answer", QUESTION, "2", "2", "answered w0"),
    ],
)
def test_what_a_worker_asks_is_answered_as_by_the_verbs(
    verb: str, dialog: Dialog, text: str, key: str, says: str
) -> None:
    play, client = asking(dialog)
    served = offered(play)

    for seen, fault in (("", UsageError), ("d0", NeedsPersonError)):
        with pytest.raises(fault):  # not the question that the page shows
            served._do(NAME, PageDeed(verb, "w0", text, seen))
    assert [] == client.keys
    answer = served._do(NAME, PageDeed(verb, "w0", text, dialog.seen))

    assert [(key,)] == client.keys
    assert says in answer["deeds"][0]["says"]
    [asked] = [e.data for e in play.events if isinstance(e.data, Requested)]
    assert (verb, "serve") == (asked.verb, asked.face)


def test_a_permission_is_given_in_no_other_word() -> None:
    play, client = asking()

    with pytest.raises(UsageError, match="expected once, always, deny"):
        offered(play)._do(NAME, PageDeed("approve", "w0", "yes", "d1"))

    assert [] == client.keys


# --- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--no-token", "--act"), "expected on a loopback address, without --act"),
        (("--no-token", "--host", "192.0.2.1"), "expected on a loopback address, without --act"),
        (("--host", "no.such.name.invalid"), "no.such.name.invalid:8577:"),
        (("--host", "no.such.name.invalid"), "hint: --host names an address of this machine"),
        (("--port", "0"), "expected a whole number of at least 1"),
        (("--port", "65536"), "found '65536'; expected a whole number of at least 1, at most 65535"),
        (("--token-file", "no/where"), "--token-file no/where: No such file or directory\n"),
        (("--token-file", "open"), "others may read it"),
        (("--token-file", "short"), "found a token of 4 characters"),
        (("--token-file", "dir"), "--token-file dir:"),
    ],
)
def test_what_would_let_others_in_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    found: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir").mkdir()
    (tmp_path / "open").write_text(TOKEN)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "short").write_text("abcd")
    (tmp_path / "short").chmod(0o600)

    code = main(["serve", "--state", str(tmp_path / "state"), *options])

    assert 2 == code
    assert found in capsys.readouterr().err


def test_a_port_that_is_taken_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["serve", "--state", str(tmp_path / "state"), "--port", str(port)])

    assert 2 == code
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port}: Address already in use" in said
    assert f"serve --port {port + 1 if port < 65535 else port - 1}\n" in said


def test_a_token_file_is_made_once_and_kept(tmp_path: Path) -> None:
    from wakeman.faces.serve.listening import kept_token

    file = tmp_path / "token"
    first, second = kept_token(str(file)), kept_token(str(file))

    assert first == second
    assert len(first) >= 32
    assert 0o600 == file.stat().st_mode & 0o777
    assert kept_token(None) != kept_token(None)


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "wakeman.faces.serve.listening", raising=False)

    code = main(["serve", "--state", str(tmp_path / "state")])

    assert 2 == code
    assert "expected the extra `serve`" in capsys.readouterr().err
