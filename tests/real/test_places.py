"""A project that is moved, and a directory that is removed, after `up`, for real: nothing is written elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.real.rig import REAL, Rig, rigged
from tests.waiting import until

pytestmark = REAL

WORK = "pwd -P >>PLACE/pwds; : >made; until [ -e PLACE/go ]; do sleep 0.1; done; : >OUT/$1"
PLAN = """\
name = "night"
[units]
items = ["a", "b"]
output = "OUT/{{ unit }}"
[workers]
by = "{{ unit }}"
name = "night_{{ group.key }}"
command = ["sh", "PLACE/work.sh", "{{ group.key }}"]
at_once = 1
socket = "SOCKET"
CWD
[stuck]
backoff = "1s"
[verify]
min_bytes = 0
[wake]
every = "1h"
to = [{ run = ["sh", "-c", "echo \\"$0\\" >>PLACE/told", "{{ message }}"] }]
"""


class Places(Rig):
    """A project beside the state directory; its workers wait for the file `go`."""

    def begin(self, cwd: str = "") -> None:
        self.project = self.place / "project"
        for name in ("sub", "out"):
            (self.project / name).mkdir(parents=True)
        out = str(self.project / "out")
        self.write(WORK.replace("OUT", out), "work.sh")
        self.write(PLAN.replace("OUT", out).replace("CWD", f'cwd = "{cwd}"' if cwd else ""), "project/wakeman.toml")
        assert 0 == self.run("up", "project/wakeman.toml").returncode
        until(lambda: 1 == len(self.pwds()), 30)

    def checked(self, name: str) -> list[str]:
        """Check, and list the lines of a file."""
        self.run("check", "night")
        return self.lines(name)

    def pwds(self) -> list[str]:
        """List where workers started."""
        return self.lines("pwds")

    def lines(self, name: str) -> list[str]:
        file = self.place / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def places() -> Iterator[Places]:
    with rigged(Places) as places:
        yield places


def moved(project: Path) -> Callable[[], object]:
    project.rename(project.with_name("moved"))
    return lambda: project.with_name("moved").rename(project)


def moved_and_made_anew(project: Path) -> Callable[[], None]:
    back = moved(project)
    (project / "sub").mkdir(parents=True)

    def restore() -> None:
        for place in (project / "sub", project):
            place.rmdir()
        back()

    return restore


def sub_moved(project: Path) -> Callable[[], object]:
    return moved(project / "sub")


def sub_a_link(project: Path) -> Callable[[], None]:
    back = moved(project / "sub")
    (project / "sub").symlink_to("/")

    def restore() -> None:
        (project / "sub").unlink()
        back()

    return restore


@pytest.mark.parametrize(
    ("cwd", "happens", "why"),
    [
        ("", moved, "found no directory there"),
        ("", moved_and_made_anew, "found another directory there"),
        ("sub", moved, "found no directory there"),
        ("sub", sub_moved, "workers.cwd: found no directory"),
        ("sub", sub_a_link, "workers.cwd: found another directory"),
    ],
)
def test_nobody_starts_elsewhere_a_person_is_told_and_once_it_is_back_all_is_done(
    places: Places, cwd: str, happens: Callable[[Path], Callable[[], object]], why: str
) -> None:
    places.begin(cwd)
    first = places.pwds()
    back = happens(places.project)
    (places.place / "go").touch()
    until(lambda: "launches in a row failed" in "".join(places.checked("told")), 60)

    assert [str(places.project / cwd)] == first == places.pwds()
    assert why in "".join(places.lines("told"))
    assert not any(Path(where, "made").exists() for where in ("/", str(places.place)))
    back()
    places.run("unpause", "night")
    until(lambda: places.checked("pwds") and places.status()["outcome"] != "open", 60)
    assert ("complete", {str(places.project / cwd)}) == (places.status()["outcome"], set(places.pwds()))
