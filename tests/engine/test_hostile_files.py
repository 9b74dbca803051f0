"""Whatever lies where a worker writes, one look at it ends: any bytes, any kind of file, on the real disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import hostile
from tests.play import Play

from wakeman.adapters.disk import Disk
from wakeman.adapters.harness import find
from wakeman.adapters.memory import Act
from wakeman.core.errors import StorageError
from wakeman.core.log import events as e
from wakeman.core.model import Deployment, Plan, UnitsSpec, WorkersSpec
from wakeman.engine import layout
from wakeman.engine.attempt.secrets import variables
from wakeman.engine.observe.containment import Mishaps
from wakeman.engine.observe.judgement import Findings
from wakeman.engine.observe.observe import observe
from wakeman.engine.observe.spool import SPOOL_FILES_MAX, clear_spool, read_spool
from wakeman.ports import TranscriptPaths, World

SECRET = "kept from everybody"  # noqa: S105 - a mark to look for
WORKERS: dict[str, object] = {
    "harness": "claude",
    "mode": "interactive",
    "auto_approve": "edits",
    "prompt": "Do.",
    "command": [],
}
TRAILS = [
    {"home": "PLACE/own", "record": ["projects/*/x.jsonl"], "names": "", "beside": ["*.jsonl"], "states": ["*.json"]},
]
REPORTS = [{"worker": "w0", "wrote": ["out/w0/u0.json", "/plans/x"]}]


def paths(d: Deployment) -> dict[str, str]:
    """Return the files of an attempt that a look reads, by what they are."""
    host, worker = d.host, d.workers["w0"]
    return {
        "exit": layout.exit_file(host, worker),
        "claim": layout.claim(host, worker),
        "stream": layout.stream(host, worker),
        "hook": layout.hook(host, worker),
        "denied": layout.denied(host, worker),
        "heard": layout.prompt_taken_file(host, worker),
        "trail": layout.trail(host, worker),
        "wrote": f"{layout.report_directory(host, worker)}/wrote.1",
        "spool": layout.inside(host, "spool/1"),
        "record": f"{host.directory}/own/projects/a/x.jsonl",
        "state": f"{host.directory}/own/7.json",
    }


def begun(place: str) -> tuple[World, Deployment]:
    """Begin a deployment in memory, and move it to the real disk: one worker, alive, about which nothing is there."""
    play = Play(workers=1, units=1, plan={"workers": WORKERS}, acts={"w0": Act(hangs=True, stops_after=0)})
    play.stage.harness = find("claude")  # type: ignore[assignment] # the real one, in place of the twin
    play.up()
    d = play.deployment
    d.host = msgspec.structs.replace(d.host, directory=place, root=place)
    world = msgspec.structs.replace(play.stage.world("at:1"), files=Disk(), state=place)
    for file in paths(d).values():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    trail = TranscriptPaths(home=f"{place}/own", record=("projects/*/x.jsonl",), states=("*.json",))
    Path(paths(d)["trail"]).write_bytes(msgspec.json.encode(trail))
    Path(paths(d)["claim"]).write_bytes(b"")
    return world, d


def looked(world: World, d: Deployment) -> tuple[e.Looked, list[e.Draft]]:
    """Make one look, as a check does it; return what a log would hold of it."""
    with hostile.bounded():
        mishaps = Mishaps()
        drafts, files = read_spool(world, d, world.clock.now(), mishaps)
        clear_spool(world, files)
        seen, _ = observe(world, d, Findings(), mishaps)
        assert {} == mishaps.traces
    assert seen == msgspec.json.decode(msgspec.json.encode(seen), type=e.Looked)
    assert all(msgspec.json.encode(draft.data) for draft in drafts)
    return seen, drafts


def contents(name: str) -> st.SearchStrategy[bytes]:
    samples = {"trail": TRAILS, "wrote": REPORTS, "spool": REPORTS}.get(name, [{"hook_event_name": "Stop"}])
    whole = hostile.mutated(samples).map(lambda value: json.dumps(value).encode())
    return st.one_of(whole, hostile.RAW, hostile.files(samples), st.sampled_from([b"9" * 5000, b"256", b"\xb2", b"-1"]))


@hostile.often(60)
@given(data=st.data())
def test_any_bytes_in_any_file_of_an_attempt_are_looked_at(data: st.DataObject) -> None:
    with TemporaryDirectory() as place:
        world, d = begun(place)
        for name in data.draw(st.sets(st.sampled_from(sorted(paths(d))), min_size=1, max_size=4)):
            Path(paths(d)[name]).write_bytes(data.draw(contents(name)))

        looked(world, d)


NAMES = ("exit", "claim", "stream", "hook", "denied", "heard", "trail", "wrote", "spool", "record", "state")
KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe that nobody writes to": os.mkfifo,
    "a directory": Path.mkdir,
    "a link to itself": lambda file: file.symlink_to(file),
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
    "a link to the memory of the check": lambda file: file.symlink_to("/proc/self/mem"),
    "a link to the environment of the check": lambda file: file.symlink_to("/proc/self/environ"),
    "a link to a file without end": lambda file: file.symlink_to("/dev/zero"),
    "a link to a secret": lambda file: file.symlink_to(file.parents[len(file.parents) - 5] / "secret"),
    "a file of a terabyte": lambda file: os.truncate(_made(file), 2**40),
    "a file of long ago": lambda file: os.utime(_made(file), ns=(0, -(2**62))),
    "a file of the year 300,000": lambda file: os.utime(_made(file), ns=(0, 9 * 10**21)),
}
"""What a worker may put in the place of a file."""


def _made(file: Path) -> Path:
    file.write_bytes(b'{"hook_event_name":"Stop"}\n')
    return file


@pytest.mark.parametrize(
    "name", ["exit", "claim", "stream", "hook", "denied", "heard", "trail", "wrote", "spool", "record", "state"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_file_in_the_place_of_one_is_looked_at(tmp_path: Path, kind: str, name: str) -> None:
    place = Path("/dev/shm") if os.path.isdir("/dev/shm") else tmp_path
    with TemporaryDirectory(dir=place) as directory:
        world, d = begun(directory)
        file = Path(paths(d)[name])
        file.unlink(missing_ok=True)
        (file.parents[len(file.parents) - 5] / "secret").write_text(SECRET)
        KINDS[kind](file)

        seen, drafts = looked(world, d)

        assert SECRET not in repr((seen, drafts))
        assert "PATH=" not in repr((seen, drafts))


def test_a_directory_of_reports_that_cannot_be_listed_or_holds_a_flood_ends_no_look(tmp_path: Path) -> None:
    world, d = begun(str(tmp_path))
    said = Path(paths(d)["wrote"]).parent
    shutil.rmtree(said)
    said.symlink_to(said)
    looked(world, d)
    for n in range(SPOOL_FILES_MAX + 10):
        (tmp_path / f"spool/{n:05}").write_bytes(b"")

    looked(world, d)
    left = len(os.listdir(tmp_path / "spool"))
    looked(world, d)

    assert (10, 0) == (left, len(os.listdir(tmp_path / "spool")))


def test_a_path_that_no_file_has_is_told_of_by_nobody(tmp_path: Path) -> None:
    world, d = begun(str(tmp_path))
    wrote = ["a\0b", "é" * 5000, "/" * 5000, "../" * 2000 + "x", "out/w0/u0.json", "", "\n", "\u2028"]
    for n, path in enumerate(wrote):
        (tmp_path / f"spool/{n}").write_text(json.dumps({"worker": "w0", "wrote": [path]}))
    (tmp_path / "spool/caf").write_bytes(b'{"worker":"caf\xe9","wrote":[]}')

    _, drafts = looked(world, d)

    assert [] == drafts
    assert [] == os.listdir(tmp_path / "spool")


# Files of a person


def env_file(place: Path, data: bytes) -> object:
    """Read a file of variables; return them, or why it is none."""
    (place / "keys").write_bytes(data)
    plan = Plan(name="x", units=UnitsSpec(items=("a",)), workers=WorkersSpec(env_file="keys"))
    world = msgspec.structs.replace(Play().stage.world("up:1"), files=Disk())
    try:
        return dict(variables(world, plan, str(place)))
    except StorageError as fault:
        return str(fault).removeprefix(f"{place}/")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\xef\xbb\xbfA=b\n", {"A": "b"}),
        (b"A=b\nNAME=Andr\xe9\n", "keys:2: found a byte that is not UTF-8, expected lines NAME=VALUE in UTF-8"),
        (b"A=b\0c\n", "keys:1: found a NUL, expected lines NAME=VALUE in UTF-8"),
        (b"A\n", "keys:1: found no NAME=VALUE"),
        (b"#" * (2**20 + 1), "keys: more than 1048576 bytes, expected at most that"),
    ],
)
def test_a_file_of_variables_is_utf_8_or_refused_with_its_line(tmp_path: Path, data: bytes, found: object) -> None:
    assert found == env_file(tmp_path, data)


@hostile.often(60)
@given(data=st.one_of(hostile.BYTES, hostile.RAW))
def test_a_file_of_variables_of_any_bytes_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as place:
        assert isinstance(env_file(Path(place), data), dict | str)
