"""Which directories a worker may write to, which plans cannot keep them apart, and what output tells of refusals."""

from __future__ import annotations

import pytest

from wakeman.core.model import Share, Unit
from wakeman.core.plan.confinement import (
    WritableDirectory,
    exposures,
    nested,
    overlaps,
    refusals,
    tops,
    unit_directories,
    writable_directories,
)


def place(worker: str, path: str, *, shared: bool = False) -> WritableDirectory:
    return WritableDirectory(worker, path, path, shared=shared)


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [
        (Unit("u", outputs=("out/a", "out/b", "log/a")), ["out", "log"]),
        (Unit("u", outputs=("a",)), ["."]),
        (Unit("u", outputs=("/x/a",)), ["/x"]),
        (Unit("u", outputs=("o/a",), writes=("src/a/**", "src/b*.c", "lib/c.h", "tmp/d/", "e", "src/[*]/x")),
         ["o", "src/a", "src", "lib", "tmp/d/", ".", "src/*"]),
    ],
)  # fmt: skip
def test_a_unit_needs_the_directories_of_its_outputs_and_claims(unit: Unit, wanted: list[str]) -> None:
    assert wanted == unit_directories(unit)


def test_a_directory_counts_by_the_topmost_that_its_worker_was_given() -> None:
    known = ["/p/out/a", "/p/out/a/deep/er", "/p/out/b/"]

    assert ["/p/out/a", "/p/out/b", "/q"] == tops(["/p/out/a/deep/er", "/p/out/a", "/p/out/b", "/q"], known)


def test_places_are_those_of_outputs_and_those_that_may_be_shared() -> None:
    shares = [Share("w1", "k", (Unit("u", outputs=("out/a", "out/b")),)), Share("w2", "l", ())]

    made = writable_directories(shares, {"w2": ["cache"]}, {"out": "/p/out", "cache": "/q/cache"})

    assert [WritableDirectory("w1", "out", "/p/out"), WritableDirectory("w2", "cache", "/q/cache", shared=True)] == made


@pytest.mark.parametrize(
    ("found", "pairs"),
    [
        ([place("a", "/p/a"), place("b", "/p/b"), place("b", "/p/ab")], []),
        ([place("a", "/p/a"), place("a", "/p/a/b")], []),
        ([place("a", "/p/a"), place("b", "/p/a")], [("a", "b")]),
        ([place("a", "/p/a/x/y"), place("b", "/p/a")], [("a", "b")]),
        ([place("b", "/"), place("a", "/p/a/x/y")], [("a", "b")]),
        ([place("a", "/p/a"), place("b", "/p/a/b"), place("a", "/p/a/b/c")], [("a", "b")]),
        ([place(worker, "/p") for worker in "abcd"], [("a", "b"), ("a", "c"), ("a", "d")]),
        ([place("a", "/c", shared=True), place("b", "/c", shared=True)], []),
        ([place("a", "/c/a"), place("b", "/c", shared=True)], [("a", "b")]),
        ([place("a", "/c"), place("b", "/c/x", shared=True)], [("a", "b")]),
        ([place("a", "/c"), place("a", "/c/x", shared=True)], []),
        ([place("a", "/p"), place("b", "/q"), place("c", "/p/x"), place("c", "/q/x")], [("a", "c")]),
        ([place("c", "/r"), place("b", "/r/x"), place("a", "/p"), place("b", "/p")], [("b", "c"), ("a", "b")]),
    ],
)
def test_two_workers_that_could_write_one_directory_are_found(
    found: list[WritableDirectory], pairs: list[tuple[str, str]]
) -> None:
    told = overlaps(found, fold_case=False)

    assert len(pairs) == len(told)
    assert [] == [pair for pair in pairs if not any(all(f"{name!r}" in line for name in pair) for line in told)]


def test_an_overlap_names_both_the_key_and_what_would_help() -> None:
    [same] = overlaps([place("a", "/p"), place("b", "/p")], fold_case=False)
    [inside] = overlaps([place("a", "/p"), place("b", "/p/x", shared=True)], fold_case=False)

    assert same == (
        "workers.confine: 'a' may write to '/p' and 'b' to '/p': '/p' is the same directory;"
        " expected directories of its own for each worker: units.output and workers.by decide; or workers.stage = true"
    )
    assert inside.startswith("workers.confine_also: 'a' may write to '/p' and 'b' to '/p/x': '/p/x' is inside '/p';")


def test_an_overlap_with_a_directory_that_may_be_shared_names_that_key() -> None:
    for upper, lower in ((True, False), (False, True)):
        [told] = overlaps([place("a", "/p", shared=upper), place("b", "/p/x", shared=lower)], fold_case=False)
        assert told.startswith("workers.confine_also: ")


@pytest.mark.parametrize(
    ("found", "inner"),
    [
        ([place("a", "/c", shared=True), place("b", "/c", shared=True), place("a", "/o")], []),
        ([place("a", "/o"), place("a", "/o/p")], []),
        ([place("a", "/c", shared=True), place("b", "/c/x", shared=True)], ["/c/x"]),
        ([place("a", "/c", shared=True), place("a", "/c/o")], ["/c/o"]),
        ([place("a", "/o"), place("a", "/o/c", shared=True)], ["/o/c"]),
        ([place("a", "/o"), place("a", "/o", shared=True)], []),
    ],
)
def test_of_two_directories_one_in_the_other_no_one_may_be_shared(
    found: list[WritableDirectory], inner: list[str]
) -> None:
    assert inner == [line.split("'")[1] for line in nested(found, fold_case=False)]


def test_names_that_a_file_system_takes_for_one_are_one() -> None:
    found = [place("a", "/p/A"), place("b", "/p/a")]

    assert ([], 1) == (overlaps(found, fold_case=False), len(overlaps(found, fold_case=True)))


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/p", "the plan file"),
        ("/", "your home directory"),
        ("/p/state/night", "the state directory"),
        ("/p/out", ""),
        ("/home/me", "your home directory"),
        ("/home/me/out", ""),
        ("/q/.git/hooks", "a .git directory"),
        ("/p/.github", ""),
    ],
)
def test_a_directory_that_holds_what_nobody_may_write_is_refused(path: str, what: str) -> None:
    wards = {
        "/home/me": "your home directory",
        "/p/plan.toml": "the plan file",
        "/p/state": "the state directory",
    }

    told = exposures([place("w", path), place("w", path)], wards, ["/p/state"])

    assert ([what] if what else []) == [line.partition("part of ")[2].partition(";")[0] for line in told]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (WritableDirectory("w", "p", "/p"), "workers.confine: 'w' may write to 'p', which"),
        (WritableDirectory("w", "p", "/p", shared=True), "workers.confine_also: 'w' may write to 'p', which"),
    ],
)
def test_what_is_exposed_names_its_key_and_the_first_who_may_write_it(found: WritableDirectory, told: str) -> None:
    [line] = exposures([found, place("v", "/p")], {"/p/plan.toml": "the plan file"}, [])

    assert line.startswith(told)


TOLD = """\
sh: 1: cannot create ../docs/no: Permission denied
touch: cannot touch '/root/nope': Permission denied
mkdir: cannot create directory \u2018/tmp/zzz\u2019: Permission denied
Error: EACCES: permission denied, open '/node/x.txt'
PermissionError: [Errno 13] Permission denied: '/py/x'
{"content":"/bin/bash: line 1: /json/q: Permission denied\\n/bin/ls"}
OSError: [Errno 30] Read-only file system: '/ro/x'
touch: cannot touch '/w/in/mine': Permission denied
touch: cannot touch '/root/nope': Permission denied
open /go/x: permission denied
git@host: Permission denied (publickey).
cat /a/b/c
open(0): Permission denied: '/neither/has an end
"""


def test_output_tells_which_paths_were_refused() -> None:
    wanted = "/docs/no /root/nope /tmp/zzz /node/x.txt /py/x /json/q /ro/x /go/x"

    assert wanted.split() == refusals(TOLD, "/w", ["/w/in"])


@pytest.mark.parametrize(
    ("text", "reach", "paths"),
    [
        ("/x: Permission denied", [], ["/x"]),
        (f"Permission denied: '/{'a' * 599}'", [], [f"/{'a' * 599}"]),
        ("/a/x: Permission denied", ["/w/in", "/a"], []),
        ("/a/x: Permission denied", ["/a", "/w/in"], []),
        ("/ab/x: Permission denied", ["/a", "/w/in"], ["/ab/x"]),
        ("./x: Permission denied", ["/w"], []),
    ],
    ids=["at the start", "long", "allowed by the last", "allowed by the first", "beside", "relative"],
)
def test_a_refused_path_is_whole_and_outside_of_all_that_may_be_written(
    text: str, reach: list[str], paths: list[str]
) -> None:
    assert paths == refusals(text, "/w", reach)


def test_output_that_is_made_to_be_slow_to_search_is_not() -> None:
    import time

    text = "/" * 30_000 + " permission denied" + "permission denied '" * 1000 + "a/" * 30_000
    began = time.process_time()

    refusals(text, "/", [])

    assert time.process_time() - began < 2  # quadratic steps would take minutes
