"""A key reaches the workers, also those that an alarm starts, and is stored nowhere else, even if a worker prints
it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.processes import processes
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

KEY = "k3y-of-th1s-n1ght-0123456789"
PLAN = """\
name = "night"
[units]
items = ["loud", "mute", "leaky"]
output = "PLACE/out/{{ unit }}.txt"
[workers]
command = ["sh", "PLACE/worker.sh", "{{ worker }}"]
socket = "SOCKET"
stagger = 0
env_from = ["THE_KEY"]
[verify]
command = ["sh", "-c", "cat $0; exit 1", "{{ output }}"]
[stuck]
after = "1s"
attempts = 2
backoff = 0
silent = ["capture", "ask"]
[cleanup]
rounds = 0
[wake]
every = "1h"
on = ["ask", "give up"]
to = [{ run = ["sh", "-c", "echo $0 >> PLACE/heard", "{{ message }}"] }]
"""
WORKER = """\
mkdir -p out
case $1 in
loud) echo "refused: $THE_KEY"; echo "n $THE_KEY" >>seen; exit 3 ;;
mute) printf 'my key is %s\\n' "$THE_KEY"; sleep 600 ;;
leaky) echo "$THE_KEY" >out/leaky.txt ;;
esac
"""


class Night(Rig):
    """A rig whose `up` has a key in its environment."""

    def clean(self) -> dict[str, str]:
        return {**super().clean(), "THE_KEY": KEY}


@pytest.fixture
def night() -> Iterator[Night]:
    with rigged(Night) as rig:
        (rig.place / "worker.sh").write_text(WORKER)
        rig.write(PLAN)
        yield rig


def holding(rig: Rig) -> set[str]:
    """Name the files in which the key stands."""
    files = [path for path in rig.place.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(rig.place)) for path in files if KEY in path.read_text(errors="replace")}


def test_a_key_stands_in_no_log_screen_alarm_argument_or_answer(night: Night) -> None:
    assert 0 == night.run("up", "wakeman.toml").returncode
    until(lambda: [night.run("check", "night"), "captured" in (e["type"] for e in night.events())][1], 30)

    kept = {"state/night/secrets.sh", "out/leaky.txt", "seen"}
    streams = {f"state/night/streams/{name}.1.log" for name in ("loud", "mute")} | {"state/night/streams/loud.2.log"}
    assert kept | streams == holding(night)
    assert {0o600} == {(night.place / name).stat().st_mode & 0o777 for name in streams}
    screen = next((night.state / "night/screens").iterdir()).read_text()
    why = {worker["name"]: worker["why"] for worker in night.status()["workers"]}
    assert ("my key is [THE_KEY hidden]", "exit status 3: refused: [THE_KEY hidden]") == (screen.strip(), why["loud"])
    answers = [
        night.run(*words, env=Rig.clean(night)).stdout
        for words in (
            *[(*verb, *more) for verb in (("status", "night"), ("log", "night")) for more in ((), ("--json",))],
            *[("capture", f"night/{name}", "--lines", "50") for name in ("loud", "mute")],
        )
    ]
    shown = [night.tmux("show-environment", "-g"), *(night.tmux("show-environment", "-t", f"={n}:") for n in why)]
    said = [*answers, *shown, *(night.body(job) for job in night.alarms())]
    assert [] == [text for text in said if KEY in text]
    assert [] == list(processes(KEY))


def test_a_relaunch_by_an_alarm_has_the_key_and_without_it_names_what_it_lacks(night: Night) -> None:
    night.write(PLAN.replace('["loud", "mute", "leaky"]', '["loud"]').replace("attempts = 2", "attempts = 3"))
    (night.place / "worker.sh").write_text(WORKER.replace("exit 3", "sleep 600"))
    assert 0 == night.run("up", "wakeman.toml").returncode
    until((night.place / "seen").exists, 10)
    night.tmux("kill-session", "-t", "=loud")

    night.fire(night.alarms()[0])  # as at three in the morning: `at` gives it an empty environment
    until(lambda: (night.place / "seen").read_text().count(KEY) == 2, 30)
    (night.state / "night/secrets.sh").unlink()
    night.tmux("kill-session", "-t", "=loud")
    night.run("check", "night", env=Rig.clean(night))

    lacks = "secrets.sh is gone, with THE_KEY: run `wakeman up` again"
    until(lambda: [night.run("check", "night"), lacks in night.log().read_text()][1], 30)
