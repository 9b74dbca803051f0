"""A message bus of one's own, with a service on it that shows notices as a desktop does: it keeps what it is told.

The bus is the real `dbus-daemon`. The service speaks as much of the D-Bus protocol as `notify-send` asks of it.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from tests.waiting import until

CONFIG = """<busconfig><type>session</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>
"""
PATIENCE_S = 30.0
"""Seconds in which the bus must answer, and a notice come."""
CALL, RETURN, ERROR = 1, 2, 3
PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE = range(1, 9)
BUS = "org.freedesktop.DBus"
NOTIFICATIONS = "org.freedesktop.Notifications"


def absent() -> str:
    """Return why no notice can be shown to a desktop here; "" if one can."""
    missing = [name for name in ("notify-send", "dbus-daemon") if shutil.which(name) is None]
    return f"{', '.join(missing)}: not installed; on Debian in libnotify-bin and dbus" if missing else ""


class Shown(NamedTuple):
    """One notice as a desktop has it."""

    app: str
    title: str
    text: str


@contextmanager
def message_bus(place: Path) -> Iterator[str]:
    """Run a message bus; yield its address."""
    bus = place / "bus"
    (place / "bus.conf").write_text(CONFIG.format(bus=bus))
    daemon = subprocess.Popen(["dbus-daemon", "--nofork", "--nopidfile", f"--config-file={place}/bus.conf"])
    try:
        until(bus.exists)
        yield f"unix:path={bus}"
    finally:
        daemon.terminate()
        daemon.wait()


@contextmanager
def desktop(place: Path) -> Iterator[list[Shown]]:
    """Have notices shown on the bus of that place; yield them as they come."""
    shown: list[Shown] = []
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(str(place / "bus"))
        peer.sendall(b"\0AUTH EXTERNAL %s\r\n" % str(os.getuid()).encode().hex().encode())
        assert peer.recv(256).startswith(b"OK")
        peer.sendall(b"BEGIN\r\n")
        named = {PATH: "/org/freedesktop/DBus", INTERFACE: BUS, DESTINATION: BUS}
        peer.sendall(_message(CALL, 1, {**named, MEMBER: "Hello"}))
        asked = {**named, MEMBER: "RequestName", SIGNATURE: "su"}
        peer.sendall(_message(CALL, 2, asked, _string(NOTIFICATIONS) + b"\0" * (-len(NOTIFICATIONS) - 5 & 3) + _u32(4)))
        while _received(peer)[2].get(REPLY_SERIAL) != 2:
            pass  # until the name is ours
        server = Thread(target=_serve, args=(peer, shown), daemon=True)
        server.start()
        yield shown
        with suppress(OSError):
            peer.shutdown(socket.SHUT_RDWR)
        server.join()


def _serve(peer: socket.socket, shown: list[Shown]) -> None:
    """Answer calls until the bus is gone."""
    with suppress(OSError, struct.error):
        while True:
            kind, serial, fields, body = _received(peer)
            if kind != CALL:
                continue
            to = {REPLY_SERIAL: serial, DESTINATION: fields[SENDER]}
            match fields[MEMBER]:
                case "Notify":
                    app, at = _read_string(body, 0)
                    _, at = _read_string(body, at + (-at & 3) + 4)
                    title, at = _read_string(body, at + (-at & 3))
                    text, _ = _read_string(body, at + (-at & 3))
                    shown.append(Shown(app, title, text))
                    peer.sendall(_message(RETURN, len(shown) + 2, {**to, SIGNATURE: "u"}, _u32(len(shown))))
                case "GetCapabilities":
                    peer.sendall(_message(RETURN, 2, {**to, SIGNATURE: "as"}, _u32(0)))
                case "GetServerInformation":
                    words = b""
                    for word in ("desktop", "tests", "1", "1.2"):
                        words += b"\0" * (-len(words) & 3) + _string(word)
                    peer.sendall(_message(RETURN, 2, {**to, SIGNATURE: "ssss"}, words))
                case _:
                    peer.sendall(_message(ERROR, 2, {**to, ERROR_NAME: f"{BUS}.Error.UnknownMethod"}))


def _u32(number: int) -> bytes:
    return struct.pack("<I", number)


def _string(text: str) -> bytes:
    return _u32(len(text.encode())) + text.encode() + b"\0"


def _read_string(data: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from("<I", data, at)
    return data[at + 4 : at + 4 + size].decode(), at + 5 + size


def _message(kind: int, serial: int, fields: dict[int, Any], body: bytes = b"") -> bytes:
    """Return a message: a fixed head, its fields, each with its type, and the body."""
    made = b""
    for code, value in fields.items():
        sign = {PATH: "o", SIGNATURE: "g", REPLY_SERIAL: "u"}.get(code, "s")
        made += b"\0" * (-len(made) & 7) + bytes([code, 1]) + sign.encode() + b"\0"
        if sign == "u":
            made += _u32(value)
        else:
            made += bytes([len(value)]) + value.encode() + b"\0" if sign == "g" else _string(value)
    head = b"l" + bytes([kind, 0, 1]) + _u32(len(body)) + _u32(serial) + _u32(len(made)) + made
    return head + b"\0" * (-len(head) & 7) + body


def _received(peer: socket.socket) -> tuple[int, int, dict[int, Any], bytes]:
    """Read one message: its kind, number, fields and body. Raises: OSError once the bus is gone."""
    head = _exactly(peer, 16)
    kind, size, serial, room = head[1], *struct.unpack_from("<III", head, 4)
    data = _exactly(peer, room + (-room & 7) + size)
    fields: dict[int, Any] = {}
    at = 0
    while at < room:
        at += -at & 7
        code, sign = data[at], chr(data[at + 2])
        at += 4
        if sign == "u":
            (fields[code],), at = struct.unpack_from("<I", data, at), at + 4
        elif sign == "g":
            fields[code], at = data[at + 1 : at + 1 + data[at]].decode(), at + 2 + data[at]
        else:
            fields[code], at = _read_string(data, at)
    return kind, serial, fields, data[room + (-room & 7) :]


def _exactly(peer: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := peer.recv(size - len(data))):
            raise OSError("the bus is gone")
        data += more
    return data
