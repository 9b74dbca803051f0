"""What `ports.Confiner` promises, of the one in memory, which sessions in memory keep to, and of this machine's."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from wakeman.adapters.confine import Confine, seccomp
from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.memory import Act, MemoryClock, MemoryConfiner, MemoryFiles, MemorySessions
from wakeman.core.errors import ProgramError
from wakeman.ports import Confiner, Reach, Start

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
Tried = Callable[[list[str], str], bool]


def choosable() -> str:
    """Return why nothing can be confined here; "" when it can."""
    if platform.system() != "Linux" or platform.machine() not in seccomp.MACHINES:
        return "no Linux whose system calls are known"
    try:
        Confine(LocalMachine()).choose(ENV)
    except ProgramError as fault:
        return str(fault)
    return ""


REAL = [pytest.mark.real, pytest.mark.skipif(bool(choosable()), reason=choosable())]


@pytest.fixture(params=["memory", pytest.param("real", marks=REAL)])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Confiner, Tried]:
    """Return a confiner, and whether an attempt that may write to some places makes a file."""
    return in_memory() if request.param == "memory" else on_disk(tmp_path)


@pytest.fixture
def confiner(pair: tuple[Confiner, Tried]) -> Confiner:
    return pair[0]


@pytest.fixture
def tried(pair: tuple[Confiner, Tried]) -> Tried:
    return pair[1]


def in_memory() -> tuple[Confiner, Tried]:
    confiner = MemoryConfiner()

    def tried(places: list[str], target: str) -> bool:
        clock = MemoryClock()
        files = MemoryFiles(clock)
        sessions = MemorySessions(clock, files, lambda _: Act(seconds=1))
        way = confiner.choose(ENV)
        files.write("/a/1/rules", confiner.rules(way, Reach([f"/arena/{place}" for place in places])))
        files.write("/a/1/units.jsonl", b'{"outputs": ["/arena/%s"]}\n' % target.encode())
        argv = ("/bin/sh", "wrapper.sh", "/a/1", "--", *confiner.words(way, "/a", "/a/1/rules"), "act")
        sessions.submit([Start(session="s", mark="m", argv=argv, cwd="/")])
        clock.advance(5)
        sessions.play()
        return f"/arena/{target}" in files.held

    return confiner, tried


def on_disk(root: Path) -> tuple[Confiner, Tried]:
    confiner = Confine(LocalMachine())

    def tried(places: list[str], target: str) -> bool:
        way = confiner.choose(ENV)
        for name, data in confiner.kit(way).items():
            (root / name).write_bytes(data)
        for name in ("in", "other", "in/deep", "out"):
            (root / name).mkdir(exist_ok=True)
        (root / "rules").write_bytes(confiner.rules(way, Reach([str(root / place) for place in places])))
        argv = [*confiner.words(way, str(root), str(root / "rules")), "touch", str(root / target)]
        subprocess.run(argv, env=ENV, capture_output=True)
        return (root / target).exists()

    return confiner, tried


@pytest.mark.parametrize(
    ("places", "target", "made"),
    [
        (["in"], "in/file", True),
        (["in"], "in/deep/file", True),
        (["in", "other"], "other/file", True),
        (["in"], "other/file", False),
        (["in"], "file", False),
        (["in/deep"], "in/file", False),
        (["in"], "in/../out/file", False),
        ([], "in/file", False),
    ],
)
def test_a_file_is_made_where_the_rules_say_and_nowhere_else(
    tried: Tried, places: list[str], target: str, made: bool
) -> None:
    assert made == tried(places, target)


def test_a_way_names_itself_and_its_program(confiner: Confiner) -> None:
    way = confiner.choose(ENV)

    assert way.way
    assert way.words
    assert os.path.isabs(way.program)


def test_its_files_have_names_of_their_own(confiner: Confiner) -> None:
    kit = confiner.kit(confiner.choose(ENV))

    assert all(name == os.path.basename(name) and data for name, data in kit.items())
    assert not kit.keys() & {"wrapper.sh", "hook.sh", "check.sh"}


def test_its_words_name_the_rules(confiner: Confiner) -> None:
    assert "/d/rules" in confiner.words(confiner.choose(ENV), "/d", "/d/rules")


@pytest.mark.real
def test_where_nothing_works_it_says_what_each_way_lacks() -> None:
    with pytest.raises(
        ProgramError,
        match=r"mounts: no perl on PATH; bwrap: no bwrap on PATH; landlock: no perl on PATH; expected .*kernel",
    ) as no:
        Confine(LocalMachine()).choose({"PATH": "/nowhere"})

    assert "apt-get install bubblewrap" in no.value.hint


@pytest.mark.skipif(bool(choosable()), reason=choosable())
@pytest.mark.real
def test_a_program_that_confines_nothing_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "perl").write_text('#!/bin/sh\nshift 3; exec "$@"\n')
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho no namespaces here >&2; exit 1\n")
    for name in ("perl", "bwrap"):
        (tmp_path / name).chmod(0o755)

    with pytest.raises(
        ProgramError, match=r"mounts: a write beside .* not refused; bwrap: no namespaces here; landlock: a write"
    ):
        Confine(LocalMachine()).choose({"PATH": f"{tmp_path}:/bin"})


@pytest.mark.skipif(bool(choosable()), reason=choosable())
@pytest.mark.real
def test_bubblewrap_is_taken_where_landlock_is_not(tmp_path: Path) -> None:
    for name in ("bwrap", "sh", "true"):
        for place in ("/usr/bin", "/bin"):
            if os.path.exists(f"{place}/{name}") and not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(f"{place}/{name}")
    if not (tmp_path / "bwrap").exists():
        pytest.skip("bubblewrap is not installed")

    assert "bwrap" == Confine(LocalMachine()).choose({"PATH": str(tmp_path)}).way
