"""Real confined deployments: what a worker cannot forge, what it is told, and that its end and its files count."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.real.test_confine import FAULTS
from tests.waiting import until

USABLE = [name for name, why in FAULTS.items() if not why]
pytestmark = [*REAL, pytest.mark.skipif(not USABLE, reason=f"nothing confines here: {FAULTS}")]

PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "out/{{ unit }}/made"
[workers]
name = "night_{{ group.name }}"
command = ["sh", "work.sh", "{{ worker }}", "PLACE/state/night"]
socket = "SOCKET"
stagger = 0
confine = "units"
"""
FORGING = """\
case $1 in night_a) who=night_b ;; *) who=night_a ;; esac
own=$2/attempts/$1.1 other=$2/attempts/$who.1
for file in $own/exit $own/claim $own/outputs $own/env $own/confine $own/hook $other/exit $other/said/hook \
  $2/events.jsonl $2/check.sh $2/wrapper.sh $2/confine.bpf $2/secrets.sh $2/generation $2/spool/x.json \
  $2/prompts/$who.1.md $2/streams/$who.1.log $2/tmp/$who/x $2/clients/$who/x $2/plan.toml wakeman.toml
do (echo 0 >>$file) && echo "FORGED $file"; (mv work.sh $file) && echo "FORGED $file"; rm -f $file && [ -e $file ] && :
done
echo tmp >$TMPDIR/x && echo said >$own/said/x && echo mine >$2/clients/$1/x && echo KEPT
echo made >out/${1#night_}/made
"""


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(Rig) as made:
        yield made


def test_nothing_that_is_said_of_a_worker_can_be_written_by_one(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write(FORGING, "work.sh")

    up = rig.run("up", "wakeman.toml", "--wait", "--timeout", "60")

    assert 0 == up.returncode, up.stderr
    streams = [(rig.state / f"night/streams/night_{name}.1.log").read_text() for name in "ab"]
    assert [] == [line for text in streams for line in text.splitlines() if "FORGED" in line]
    assert [True, True] == ["KEPT" in text for text in streams]
    assert ["0\n", "0\n"] == [(rig.state / f"night/attempts/night_{name}.1/exit").read_text() for name in "ab"]
    assert 0 == rig.run("audit", "night").returncode


def test_nothing_that_wakeman_keeps_can_be_read_by_a_worker_but_its_own_task(rig: Rig) -> None:
    kept = rig.place / ".local/state/wakeman/registry"
    kept.mkdir(parents=True, mode=0o700)
    (kept / "file").write_text("kept\n")
    rig.write(PLAN)
    reading = """\
own=$2/attempts/$1.1; case $1 in night_a) who=night_b ;; *) who=night_a ;; esac
for file in $2/lock $2/coming $2/events.jsonl $2/check.sh $2/plan.toml $2/confine.bpf $2/generation $own/claim \
  $own/env $own/confine $2/attempts/$who.1/units.jsonl $2/prompts/$who.1.md $2/clients/$who/x $2/../.wakeman \\
  REGISTRY/file
do (exec <$file) 2>/dev/null && echo "READ $file"; chmod 0 $file; chmod 777 ${file%/*}; done
chmod 0 $2 $2/.. REGISTRY; touch -d yesterday $2/events.jsonl
cat $own/units.jsonl $2/prompts/$1.1.md $own/outputs $2/hook.sh >/dev/null && echo OWN; umask
echo made >out/${1#night_}/made
"""
    rig.write(reading.replace("REGISTRY", str(kept)), "work.sh")

    up = rig.run("up", "wakeman.toml", "--wait", "--timeout", "60")

    assert 0 == up.returncode, up.stderr
    streams = [(rig.state / f"night/streams/night_{name}.1.log").read_text() for name in "ab"]
    assert [] == [line for text in streams for line in text.splitlines() if "READ" in line]
    assert [True, True] == ["OWN" in text for text in streams]
    modes = [oct(path.stat().st_mode & 0o777) for path in (kept, kept / "file", rig.state / "night", rig.log())]
    assert ["0o700", "0o644", "0o700", "0o600"] == modes


def test_a_refusal_is_the_reason_that_people_read(rig: Rig) -> None:
    rig.write(PLAN)
    rig.write("[ $1 = night_b ] || echo x >out/b/stolen; touch out/x; sleep 600", "work.sh")
    assert 0 == rig.run("up", "wakeman.toml").returncode
    until(lambda: "touch" in rig.tmux("capture-pane", "-p", "-t", "=night_a:"), 20)
    rig.run("check", "night")

    worker = rig.status()["workers"][0]

    assert [f"{rig.place}/out/b/stolen", f"{rig.place}/out/x"] == worker["refused"]
    assert f"refused 2: {rig.place}/out/x" in rig.run("status", "night").stdout
    assert f"may not write to {rig.place}/out/x and 1 more" in rig.run("log", "night").stdout


def test_a_program_that_is_not_there_fails_as_it_does_unconfined(rig: Rig) -> None:
    once = "[stuck]\nattempts = 1\n[cleanup]\nrounds = 0\n[units]"
    rig.write(PLAN.replace('"sh", "work.sh"', '"sh", "-c", "exec no-such-program"').replace("[units]", once))

    rig.run("up", "wakeman.toml", "--wait", "--timeout", "60")

    assert {127} == {worker["exit_code"] for worker in rig.status()["workers"]}


def test_bubblewrap_carries_a_night_where_landlock_does_not(rig: Rig) -> None:
    if "bwrap" not in USABLE:
        pytest.skip(f"bwrap: {FAULTS['bwrap']}")
    tools = rig.place / "tools"
    tools.mkdir()
    for place in ("/usr/sbin", "/usr/bin", "/bin"):
        for name in os.listdir(place):
            if name != "perl" and not (tools / name).exists():
                (tools / name).symlink_to(f"{place}/{name}")
    rig.write(PLAN)
    rig.write("[ $1 = night_b ] || echo x >out/b/stolen; echo made >out/${1#night_}/made", "work.sh")

    up = rig.call(rig.argv("up", "wakeman.toml", "--wait", "--timeout", "60"), {**rig.clean(), "PATH": str(tools)})

    assert 0 == up.returncode, up.stderr
    assert rig.status()["confined"].startswith("bubblewrap")
    assert ["a/made", "b/made"] == sorted(
        str(path.relative_to(rig.place / "out")) for path in rig.place.glob("out/*/*")
    )
    assert shutil.which("perl", path=str(tools)) is None
