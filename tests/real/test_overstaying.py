"""A client that has given its result and hangs, and one that finds no conversation, as programs."""

from __future__ import annotations

import pytest
from tests.real.rig import PATH, REAL, Rig
from tests.waiting import until

from wakeman.core.policy import attempts

pytestmark = REAL

PLAN = """\
name = "night"
[units]
items = ["a"]
output = "out/{{ unit }}"
[workers]
by = "{{ unit }}"
name = "night_{{ group.key }}"
harness = "claude"
prompt = "do it"
auto_approve = "edits"
socket = "SOCKET"
[stuck]
attempts = 2
backoff = 0
[wake]
every = "1h"
"""
RESULT = '{"type":"result","subtype":"success","is_error":false,"result":"done","session_id":"x"}'
HANGS = f"""\
echo done >out/a
echo '{RESULT}'
exec sleep 600
"""
LOSES = """\
n=$(cat tries 2>/dev/null | wc -l)
echo "$*" >>tries
if [ "$n" -lt 1 ]; then
    echo "Error: Session ID 0f3c is already in use." >&2
    exit 1
fi
echo done >out/a
"""


def begin(rig: Rig, client: str) -> None:
    (rig.place / "out").mkdir()
    (rig.place / "bin").mkdir()
    (rig.place / "bin/claude").write_text(f"#!/bin/sh\n{client}")
    (rig.place / "bin/claude").chmod(0o755)
    rig.write(PLAN)
    said = rig.run("up", "wakeman.toml", env=rig.clean() | {"PATH": f"{rig.place}/bin:{PATH}"})
    assert 0 == said.returncode, said.stderr


def closed(rig: Rig) -> bool:
    return any(event["type"] == "closed" for event in rig.events())


def test_it_is_told_as_over_and_ended_by_itself_after_a_grace(rig: Rig) -> None:
    begin(rig, HANGS)
    until((rig.place / "out/a").exists, 30)
    rig.run("check", "night")
    assert "has given its result, and has not ended" in rig.run("status", "night").stdout

    until(lambda: closed(rig), 3 * attempts.RESULT_GRACE_S)
    assert ("complete", 1) == (rig.status()["outcome"], rig.status()["workers"][0]["attempt"])
    assert 0 == rig.run("audit", "night").returncode


def test_what_it_says_on_its_terminal_is_the_reason_and_costs_no_attempt(rig: Rig) -> None:
    begin(rig, LOSES)
    until(lambda: closed(rig), 60)

    (end, *_) = [event["data"] for event in rig.events() if event["type"] == "exited"]
    assert "Session ID 0f3c is already in use." in end["why"]
    assert ("conversation", True) == (end["fault"], end["free"])
    first, second = (rig.place / "tries").read_text().splitlines()
    assert first != second
    assert "complete" == rig.status()["outcome"]
    assert 0 == rig.run("audit", "night").returncode


@pytest.mark.parametrize("verb", ["log", "status"])
def test_the_words_stand_in_what_a_person_reads(rig: Rig, verb: str) -> None:
    begin(rig, LOSES.replace("-lt 1", "-lt 9"))

    until(lambda: "already in use" in rig.run(verb, "night").stdout, 60)  # while it waits for its next attempt
