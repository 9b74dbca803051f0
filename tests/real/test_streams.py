"""What a worker prints is kept within a bound, at once, whatever runs it."""

from __future__ import annotations

import pytest
from tests.real.rig import REAL, Rig
from tests.waiting import until

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
by = "{{ unit }}"
name = "night_{{ group.key }}"
command = ["sh", "-c", "SCRIPT"]
mode = "MODE"
socket = "SOCKET"
stream_max = "1M"
MORE
[stuck]
attempts = 1
[wake]
every = "1h"
"""
SCRIPT = "seq 1 3000000; echo done >out/a; echo again >/dev/stdout; echo the last"
KINDS = {"print": ("print", ""), "interactive": ("interactive", ""), "confined": ("print", 'confine = "units"')}


@pytest.mark.parametrize("kind", KINDS)
def test_of_what_a_worker_prints_the_head_and_the_end_are_kept(rig: Rig, kind: str) -> None:
    mode, more = KINDS[kind]
    (rig.place / "out").mkdir()
    rig.write(PLAN.replace("SCRIPT", SCRIPT).replace("MODE", mode).replace("MORE", more))

    waited = rig.run("up", "wakeman.toml", "--wait", "--timeout", "90")

    assert 0 == waited.returncode, waited.stdout + waited.stderr + rig.trail()
    streams = rig.state / "night/streams"
    until(lambda: not [*streams.glob("*.cut")], 30)  # what is printed may still be on its way
    (file,) = streams.iterdir()
    until(lambda: b"the last" in file.read_bytes(), 30)
    printed = file.read_bytes().replace(b"\r", b"")
    assert len(file.read_bytes()) <= 2**20
    assert printed.startswith(b"1\n2\n3\n")
    assert printed.endswith(b"\n2999999\n3000000\nagain\nthe last\n")
    assert b" bytes left out]\n" in printed
    room = rig.status()["room"]
    assert (file.stat().st_size, True) == (room["streams"], room["state"] > 0)
    assert "left; streams have" in rig.run("status", "night", "--all").stdout
    assert "the last" in rig.run("capture", "night/night_a").stdout
    assert 0 == rig.run("audit", "night").returncode
