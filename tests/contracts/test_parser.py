"""What `ports.Parser` promises, of the parser in memory and of the one in a process of its own."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.words import THEIRS, fits

from wakeman.adapters.disk import Disk
from wakeman.adapters.memory import MemoryClock, MemoryFiles, MemoryParser
from wakeman.adapters.parser import ChildParser
from wakeman.core.model import Format, ParseLimitSpec
from wakeman.ports import Files, Parser


class Place:
    """Files, and what parses them."""

    def __init__(self, files: Files, parser: Parser, root: str) -> None:
        self.files, self.parser, self.root = files, parser, root

    def parse(self, kind: Format, *contents: bytes) -> list[str | None]:
        """Write files and parse them in one go."""
        paths = [f"{self.root}/{n}" for n in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            self.files.write(path, content)
        marks = self.files.marks(paths)
        found = self.parser.parse(kind, [marks[path] for path in paths], ParseLimitSpec())
        return [found[path] for path in paths]


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = str(tmp_path_factory.mktemp("outputs"))
    if request.param == "real":
        return Place(Disk(), ChildParser(), root)
    files = MemoryFiles(MemoryClock())
    return Place(files, MemoryParser(files), root)


@pytest.mark.parametrize(
    ("kind", "good", "bad", "problem"),
    [
        ("yaml", b"a: !Ref b\n", b"a: 1\na: 2\n", "not YAML: line 2: the key 'a' is there twice"),
        ("json", b"[1]", b"[1", f"not JSON: line 1: {THEIRS}"),
        ("toml", b"a = 1", b"a = \n", f"not TOML: line 1: {THEIRS}"),
    ],
)
def test_each_file_is_judged_for_itself(place: Place, kind: Format, good: bytes, bad: bytes, problem: str) -> None:
    first, second, third = place.parse(kind, good, bad, good)

    assert ("", "") == (first, third)
    assert fits(problem, second or "")


def test_no_file_is_no_verdict(place: Place) -> None:
    assert {} == place.parser.parse("json", [], ParseLimitSpec())


def test_of_a_file_that_is_another_now_nothing_is_said(place: Place) -> None:
    path = f"{place.root}/a"
    place.files.write(path, b"{}")
    mark = place.files.marks([path])[path]
    place.files.write(path, b"[]")

    assert {path: None} == place.parser.parse("json", [mark], ParseLimitSpec())


def test_of_a_file_that_is_gone_nothing_is_said(place: Place) -> None:
    path = f"{place.root}/a"
    place.files.write(path, b"{}")
    mark = place.files.marks([path])[path]
    place.files.remove(path)

    assert {path: None} == place.parser.parse("json", [mark], ParseLimitSpec())


def test_a_name_of_any_bytes_is_one(place: Place) -> None:
    path = f"{place.root}/\udcff \n'"
    place.files.write(path, b"{}")

    assert {path: ""} == place.parser.parse("json", list(place.files.marks([path]).values()), ParseLimitSpec())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    kind=st.sampled_from(["yaml", "json", "toml"]),
    contents=st.lists(
        st.binary()
        | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
        | st.text(alphabet="[]{}:-?!&*<>|'\"%#,.= \n\tab01~\\").map(str.encode)
        | st.tuples(
            st.sampled_from([b"[", b"{", b"{a: ", b"- ", b"? ", b"a.", b'{"a":', b"&a [*a, "]), st.integers(1, 3000)
        ).map(lambda piece: piece[0] * piece[1]),
        min_size=1,
        max_size=30,
    ),
)
def test_whatever_the_bytes_each_file_has_a_verdict(place: Place, kind: Format, contents: list[bytes]) -> None:
    found = place.parse(kind, *contents)

    assert all(isinstance(fault, str) and "\0" not in fault for fault in found), found
