"""Notices by services of Apprise and on the desktop: what they get, what counts as told, and what is said instead."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.desktop import Shown, absent, desktop, message_bus
from tests.ntfy import ntfy

from wakeman.adapters.desktop import NOTIFY_MISSING, desktop_fault, show_on_desktop
from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.push import Pushed
from wakeman.adapters.push.services import APPRISE_MISSING, addresses_in, send_by_services, services_fault
from wakeman.adapters.push.telling import tell, untellable
from wakeman.core.model import Deployment, WakeTarget
from wakeman.ports import Delivery

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what Apprise loads

NOTICE = Pushed("AT wake-up: night: wrap up: 2/2 done.", "night", "", {})
NOW = datetime(2026, 1, 5, 21, 42, tzinfo=UTC)


def at(place: Path) -> Deployment:
    d = Deployment(name="night")
    d.host = type(d.host)(root=str(place), directory=str(place), python=())
    return d


@pytest.fixture
def apprise() -> None:
    pytest.importorskip("apprise", reason="needs the extra apprise")


def test_a_file_has_an_address_a_line() -> None:
    assert ["json://a/", "ntfys://b"] == addresses_in("# mine\njson://a/\n\n  ntfys://b \n")


@pytest.mark.usefixtures("apprise")
def test_a_service_gets_the_notice_with_a_title_and_no_word_that_may_not_leave(tmp_path: Path) -> None:
    with ntfy() as server:
        (tmp_path / "urls").write_text(f"json://{server.address.removeprefix('http://')}/hook\n")

        came = tell(WakeTarget(apprise="urls"), NOTICE.text, at(tmp_path), NOW)

        [message] = server.topics["hook"]
    got = json.loads(message["message"])
    assert (Delivery(), NOTICE.text, "wakeman: night") == (came, got["message"], got["title"])


@pytest.mark.usefixtures("apprise")
def test_words_are_text_and_no_markup() -> None:
    with ntfy() as server:
        address = f"json://{server.address.removeprefix('http://')}/hook"
        pushed = NOTICE._replace(text="a\nb\x1b[31m", words={"w1": "<b>May I?</b> {x}"})

        assert Delivery() == send_by_services([address], pushed, 20)

        [message] = server.topics["hook"]
    assert "a b\nw1: <b>May I?</b> {x}" == json.loads(message["message"])["message"]


@pytest.mark.usefixtures("apprise")
def test_told_is_what_all_services_took() -> None:
    with ntfy() as server:
        good = f"json://{server.address.removeprefix('http://')}/hook"
        came = send_by_services([good, "json://127.0.0.1:1/hook"], NOTICE, 20)
        server.status = 500
        refused = send_by_services([good], NOTICE, 20)

    assert Delivery("Apprise: 1 of 2 did not take it", doubt=True) == came
    assert Delivery("Apprise: 1 of 1 did not take it", doubt=True) == refused


@pytest.mark.usefixtures("apprise")
def test_a_service_that_hangs_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        came = send_by_services([f"json://127.0.0.1:{silent.getsockname()[1]}/x"], NOTICE, 0.5)

    assert Delivery("Apprise: no end after 0.5 s", doubt=True) == came


@pytest.mark.usefixtures("apprise")
def test_an_address_that_is_none_is_said_without_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "urls").write_text("json://127.0.0.1/x\nnosuch://token-of-mine\n")
    target = WakeTarget(apprise="urls")

    said = untellable(target, str(tmp_path))

    assert "urls: address 2 is none that Apprise knows" == said
    assert "address 2" in tell(target, "x", at(tmp_path), NOW).why
    (tmp_path / "urls").write_text("# none\n")
    assert "urls: found no address" == untellable(target, str(tmp_path))
    assert "No such file" in untellable(WakeTarget(apprise="elsewhere"), str(tmp_path))
    assert "No such file" in tell(WakeTarget(apprise="elsewhere"), "x", at(tmp_path), NOW).why


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    assert APPRISE_MISSING == services_fault(["json://a"]) == send_by_services(["json://a"], NOTICE, 1).why


# --- the desktop --------------------------------------------------------------------------------------------------


def notifier(place: Path, ends: str) -> dict[str, str]:
    """Put a program in the place of `notify-send` that notes its arguments; return the environment."""
    program = place / "bin" / "notify-send"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$DBUS_SESSION_BUS_ADDRESS" >"{place}/shown"\n{ends}\n')
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:/usr/bin:/bin"}


def test_the_desktop_gets_the_notice_as_one_harmless_line(tmp_path: Path) -> None:
    env = {**notifier(tmp_path, "exit 0"), "DBUS_SESSION_BUS_ADDRESS": "unix:path=/mine"}

    came = show_on_desktop(LocalMachine(), env, "night", "-a\nb\x1b[31m", 10)

    shown = ["--app-name=wakeman", "--", "wakeman: night", "-a b", "unix:path=/mine"]
    assert (Delivery(), shown) == (came, (tmp_path / "shown").read_text().splitlines())
    assert "" == desktop_fault(env)


@pytest.mark.parametrize(
    ("ends", "why", "doubt"),
    [
        ("echo no bus >&2; exit 1", "notify-send: exit 1: no bus", False),
        ("sleep 60", "notify-send: ", True),
    ],
)
def test_a_desktop_that_does_not_take_it_is_not_told(tmp_path: Path, ends: str, why: str, doubt: bool) -> None:
    came = show_on_desktop(LocalMachine(), notifier(tmp_path, ends), "night", "x", 1.0)

    assert (True, doubt) == (came.why.startswith(why), came.doubt)


def test_without_the_program_that_is_said(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path)}

    assert NOTIFY_MISSING == desktop_fault(env) == show_on_desktop(LocalMachine(), env, "night", "x", 1.0).why
    assert os.listdir(tmp_path) == []


needs_desktop = pytest.mark.skipif(bool(absent()), reason=absent())


@needs_desktop
def test_a_desktop_shows_what_the_real_program_sends_it(tmp_path: Path) -> None:
    with message_bus(tmp_path) as bus, desktop(tmp_path) as shown:
        env = {"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": bus}

        came = [show_on_desktop(LocalMachine(), env, "night", text, 10) for text in (NOTICE.text, "-a\nä \x1b[31m")]

    titled = [Shown("wakeman", "wakeman: night", text) for text in (NOTICE.text, "-a ä")]
    assert ([Delivery()] * 2, titled) == (came, shown)


@needs_desktop
def test_without_a_service_on_the_bus_the_real_program_says_so_and_the_notice_is_not_told(tmp_path: Path) -> None:
    with message_bus(tmp_path) as bus:
        came = show_on_desktop(
            LocalMachine(), {"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": bus}, "night", "x", 10
        )

    assert (True, False) == (came.why.startswith("notify-send: exit 1: "), came.doubt)


@needs_desktop
def test_an_alarm_which_has_no_variables_of_the_desktop_finds_its_bus_where_systemd_has_it(tmp_path: Path) -> None:
    place = f"/run/user/{os.getuid()}"
    script = f'mount -t tmpfs none /run && mkdir -p {place} && ln -s "$0" {place}/bus && exec "$@"'
    told = (
        "import os; from wakeman.adapters.desktop import show_on_desktop;"
        "from wakeman.adapters.machine import LocalMachine;"
        "print(repr(show_on_desktop(LocalMachine(), {'PATH': os.environ['PATH']}, 'night', 'by an alarm', 10).why))"
    )
    argv = ["unshare", "-m", "sh", "-c", script, str(tmp_path / "bus"), sys.executable, "-c", told]
    with message_bus(tmp_path), desktop(tmp_path) as shown:
        ran = subprocess.run(argv, capture_output=True, text=True)

    if "mount" in ran.stderr or "unshare" in ran.stderr:
        pytest.skip(f"no private mounts here: {ran.stderr.strip()}")
    assert ("''", [Shown("wakeman", "wakeman: night", "by an alarm")]) == (ran.stdout.strip(), shown)
