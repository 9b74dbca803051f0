"""Files are found, put in place at once, and never overwritten by a move; all on the real disk."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.adapters import disk as adapter
from wakeman.adapters.disk import Disk, _carry
from wakeman.adapters.disk.presence import LISTED_NAMES_MAX, without_absent
from wakeman.core.errors import StorageError, UsageError
from wakeman.core.model import FileFingerprint

disk = Disk()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.md", "docs/x/1.md", "docs/x/2.txt", "docs/y/deep/3.md", "docs/.hidden/4.md", "docs/x/.5.md"):
        disk.write(str(tmp_path / name), b"content")
    return tmp_path


def glob(root: Path, *patterns: str, exclude: Sequence[str] = ()) -> list[str]:
    return disk.glob(str(root), patterns, exclude)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", ["a.md"]),
        ("docs/*/*.md", ["docs/x/1.md"]),
        ("./docs//x/?.*", ["docs/x/1.md", "docs/x/2.txt"]),
        ("docs/[!x]/**/*.md", ["docs/y/deep/3.md"]),
        ("**/*.md", ["a.md", "docs/x/1.md", "docs/y/deep/3.md"]),
        ("docs/**", ["docs/x/1.md", "docs/x/2.txt", "docs/y/deep/3.md"]),
        ("a.md/**", []),
        ("**/deep/**/3.md", ["docs/y/deep/3.md"]),
        ("docs/x/.*", ["docs/x/.5.md"]),
        ("docs/.hidden/*", ["docs/.hidden/4.md"]),
        ("docs", []),
        ("", []),
    ],
)
def test_a_pattern_finds_regular_files_and_hidden_ones_only_by_name(tree: Path, pattern: str, found: list[str]) -> None:
    assert found == glob(tree, pattern)


def test_several_patterns_find_each_file_once_in_order(tree: Path) -> None:
    assert glob(tree, "docs/x/*", "*.md", "**/1.md") == ["a.md", "docs/x/1.md", "docs/x/2.txt"]


@pytest.mark.parametrize("exclude", ["docs/x/**", "docs/x", "**/x/*", "docs/x/1.md"])
def test_what_is_excluded_is_so_with_all_below_it(tree: Path, exclude: str) -> None:
    assert glob(tree, "docs/**/*.md", exclude=[exclude]) == ["docs/y/deep/3.md"]


def test_an_exclusion_takes_hidden_files_too(tree: Path) -> None:
    assert glob(tree, "docs/x/.*", exclude=["docs/**"]) == []


def test_a_symlink_that_loops_does_not_hold_up_a_glob(tree: Path) -> None:
    (tree / "docs/x/loop").symlink_to(tree / "docs")

    assert glob(tree, "docs/**/*.md") == ["docs/x/1.md", "docs/y/deep/3.md"]


def test_a_symlinked_directory_is_entered_where_the_pattern_names_it(tree: Path) -> None:
    (tree / "linked").symlink_to(tree / "docs/x")

    assert glob(tree, "linked/*.md") == ["linked/1.md"]


def test_a_symlink_to_nothing_is_no_file(tree: Path) -> None:
    (tree / "docs/x/9.md").symlink_to(tree / "nothing")

    assert glob(tree, "docs/x/*.md") == ["docs/x/1.md"]


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_name_that_is_not_utf8_survives(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.md")
    disk.write(str(tmp_path / name), b"1")

    found = glob(tmp_path, "*.md")

    assert ([name], b"1") == (found, disk.read(str(tmp_path / found[0])))


@pytest.mark.parametrize("pattern", ["/etc/*", "../*.md", "docs/../../x"])
def test_a_pattern_that_leads_outside_is_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="leads outside"):
        glob(tmp_path, pattern)


def test_a_root_that_is_not_there_is_an_error_and_not_an_empty_list(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        glob(tmp_path / "nothing", "*")


@given(st.lists(st.sampled_from(["a", "b", "ab", ".c"]), min_size=1, max_size=4))
def test_a_path_is_found_by_its_own_name(parts: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        name = "/".join(parts)
        disk.write(f"{root}/{name}", b"1")

        assert [name] == glob(Path(root), name)


def test_marks_leave_out_what_is_missing_or_no_regular_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"12")
    seen = file.stat()

    found = disk.marks([str(file), str(tmp_path), str(tmp_path / "nothing"), "nul\0", "/dev/null"])

    assert {str(file): FileFingerprint(str(file), 2, seen.st_mtime_ns, seen.st_ino)} == found


def test_a_file_that_is_put_in_place_again_has_another_mark(tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    disk.write(path, b"same")
    before = disk.marks([path])
    disk.write(path, b"same")

    assert before != disk.marks([path])


def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    assert disk.read(str(tmp_path / "a"), limit=5) == b"12345"


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123456")

    with pytest.raises(StorageError, match="more than 5 bytes"):
        disk.read(str(tmp_path / "a"), limit=5)


def test_reading_a_pipe_is_refused_and_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StorageError, match="pipe: not a regular file"):
        disk.read(str(tmp_path / "pipe"))


def test_reading_what_is_not_there_names_it(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing: no such file"):
        disk.read(str(tmp_path / "nothing"))


@pytest.mark.parametrize(("size", "data"), [(3, b"345"), (5, b"12345"), (99, b"12345")])
def test_a_tail_is_the_last_bytes(tmp_path: Path, size: int, data: bytes) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    assert data == disk.tail(str(tmp_path / "a"), size)


def test_the_tail_of_nothing_is_empty(tmp_path: Path) -> None:
    assert disk.tail(str(tmp_path / "nothing")) == b""


def test_names_are_sorted_and_none_where_there_is_no_directory(tmp_path: Path) -> None:
    for name in "ba":
        (tmp_path / name).touch()

    assert (disk.names(str(tmp_path)), disk.names(str(tmp_path / "nothing"))) == (["a", "b"], [])


@pytest.fixture
def crowd(tmp_path: Path) -> list[str]:
    """Return so many files of two directories that these are listed; every third is there, one is a dead link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    for n in range(0, adapter.LISTED_MIN, 3):
        (tmp_path / "real" / f"{n}.md").write_bytes(b"x")
    (tmp_path / "real" / "1.md").symlink_to("nowhere")
    names = [f"{n}.md" for n in range(adapter.LISTED_MIN)]
    return [f"{tmp_path}/{place}/{name}" for place in ("real", "linked", "none", "real/0.md") for name in names]


def test_many_files_have_the_marks_that_each_has_by_itself(crowd: list[str]) -> None:
    paths = [*crowd, *(f"{crowd[0]}/..", f"{crowd[0]}/", "", "nul\0")]

    found = disk.marks(paths)

    assert {path: mark for path in paths for mark in disk.marks([path]).values()} == found
    assert [path for path in paths if path in found] == list(found)


def test_many_names_have_the_entries_that_each_has_by_itself(crowd: list[str], tmp_path: Path) -> None:
    (tmp_path / "1.md").symlink_to("nowhere")
    (tmp_path / "2.md").mkdir()
    paths = [*crowd, *(str(tmp_path / f"{n}.md") for n in range(adapter.LISTED_MIN))]

    found = disk.entries(paths)

    assert {path: entry for path in paths for entry in disk.entries([path]).values()} == found
    assert {"symbolic link", "directory"} <= {entry.kind for entry in found.values()}


def test_what_lies_in_a_directory_that_is_not_there_resolves_to_its_own_path(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "link").symlink_to(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / "nothing")
    real = os.path.realpath(tmp_path)

    found = disk.resolve(f"{tmp_path}/{path}" for path in ("nothing/a", "alias/a", "there/link", "there/a"))

    assert [f"{real}/nothing/a", f"{real}/nothing/a", real, f"{real}/there/a"] == list(found.values())


@pytest.mark.parametrize("name", ["A.md", "LONGFI~1.MD", "\u00e4.md"], ids=["other case", "short name", "not ASCII"])
def test_a_name_that_a_file_system_may_spell_otherwise_is_looked_up(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.md").write_bytes(b"x")
    asked = [*map(str, range(adapter.LISTED_MIN)), name]

    left = without_absent([f"{tmp_path}/{each}" for each in asked], adapter.LISTED_MIN)

    assert [f"{tmp_path}/{name}"] == left


def test_a_directory_that_holds_far_more_than_is_asked_for_tells_nothing(tmp_path: Path) -> None:
    asked = [f"{tmp_path}/{n}.md" for n in range(4)]
    for n in range(4 * LISTED_NAMES_MAX + 1):
        (tmp_path / f"other{n}").touch()

    assert asked == without_absent(asked, 4)

    (tmp_path / "other0").unlink()
    assert [] == without_absent(asked, 4)


def test_files_are_resolved_alike_one_by_one_and_together(crowd: list[str], tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "real" / "2.md").symlink_to("../linked/3.md")
    paths = [*crowd, f"{tmp_path}/round/x", f"{tmp_path}/linked/../real/.", f"{tmp_path}/linked//2.md/", "x/../y", "/"]

    assert {path: os.path.realpath(path) for path in paths} == disk.resolve(paths)


def test_symlinks_and_dots_are_resolved_also_of_what_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there")
    path = str(tmp_path / "link/new/../x.md")

    assert {path: str(tmp_path.resolve() / "there/x.md")} == disk.resolve([path])


@pytest.mark.skipif(sys.platform == "darwin", reason="the usual file system folds case there")
def test_this_file_system_does_not_fold_case(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    assert not disk.folds_case(str(tmp_path / "new/dir"))


def test_two_names_of_one_file_are_not_taken_for_a_folded_name(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    if (tmp_path / "A").exists():
        pytest.skip("this file system folds case")
    (tmp_path / "A").hardlink_to(tmp_path / "a")

    assert not disk.folds_case(str(tmp_path))


def test_asking_for_case_writes_nothing(tmp_path: Path) -> None:
    disk.folds_case(str(tmp_path))

    assert disk.names(str(tmp_path)) == []


@pytest.mark.parametrize("durable", [False, True])
def test_a_written_file_is_ours_alone_and_so_are_the_directories_made_for_it(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new/dir/a"

    disk.write(str(path), b"data", durable=durable)

    modes = [oct(place.stat().st_mode & 0o777) for place in (path, path.parent, path.parent.parent)]
    assert (path.read_bytes(), modes) == (b"data", ["0o600", "0o700", "0o700"])


def test_a_file_gets_the_mode_that_is_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        disk.write(str(tmp_path / "a"), b"", mode=0o755)
    finally:
        os.umask(before)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_a_refused_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(StorageError, match="a: is a directory"):
        disk.write(str(tmp_path / "a"), b"data")

    assert disk.names(str(tmp_path)) == ["a"]


def test_a_file_where_a_directory_is_wanted_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()

    with pytest.raises(StorageError, match="a: a part of the path is no directory") as caught:
        disk.make(str(tmp_path / "a"))

    assert caught.value.hint == "move the file in the way aside, then try again"


def test_making_a_directory_that_is_there_is_no_error(tmp_path: Path) -> None:
    disk.make(str(tmp_path))

    assert tmp_path.is_dir()


def test_a_link_is_made_and_replaced(tmp_path: Path) -> None:
    for target in ("old", "new"):
        disk.link(target, str(tmp_path / "dir/latest"))

    assert ("new", ["latest"]) == (str((tmp_path / "dir/latest").readlink()), disk.names(str(tmp_path / "dir")))


def test_a_link_does_not_replace_a_file(tmp_path: Path) -> None:
    (tmp_path / "latest").write_bytes(b"mine")

    with pytest.raises(StorageError, match="exists already"):
        disk.link("x", str(tmp_path / "latest"))

    assert b"mine" == (tmp_path / "latest").read_bytes()


REFUSED = """
import subprocess, sys
from wakeman.adapters.disk import Disk
from wakeman.core.errors import StorageError
where, options, size = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", where], check=True)
try:
    Disk().write(where + "/a", b"x" * int(size), durable=True)
except StorageError as error:
    print(error, "|", error.hint, "|", Disk().names(where))
"""


@pytest.mark.real
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount of its own")
@pytest.mark.parametrize(
    ("options", "size", "said"),
    [
        ("size=64k", "1000000", "{}/a: no space left on the disk | free some space, then try again | []\n"),
        ("ro", "1", "{}/a: the file system is read-only | use a directory that can be written to: --state DIR | []\n"),
    ],
)
def test_a_disk_that_refuses_is_told_with_what_mends_it(tmp_path: Path, options: str, size: str, said: str) -> None:
    argv = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", REFUSED]
    ran = subprocess.run([*argv, str(tmp_path), options, size], capture_output=True, text=True)
    if "unshare" in ran.stderr or "mount" in ran.stderr:
        pytest.skip("this machine grants no mount of one's own")

    assert (said.format(tmp_path), "") == (ran.stdout, ran.stderr)


@pytest.mark.parametrize("target", ["done", "done/", "done/a"])
def test_a_move_goes_into_a_directory_or_to_a_name(tmp_path: Path, target: str) -> None:
    disk.write(str(tmp_path / "a"), b"1")
    if target == "done":
        (tmp_path / "done").mkdir()

    went = disk.move(str(tmp_path / "a"), f"{tmp_path}/{target}")

    assert (str(tmp_path / "done/a"), b"1", ["done"]) == (went, disk.read(went), disk.names(str(tmp_path)))


def test_a_move_never_overwrites(tmp_path: Path) -> None:
    disk.write(str(tmp_path / "a"), b"new")
    disk.write(str(tmp_path / "b"), b"old")

    with pytest.raises(StorageError, match="b: exists already, and nothing is overwritten"):
        disk.move(str(tmp_path / "a"), str(tmp_path / "b"))

    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"new", b"old")


def test_a_move_of_nothing_names_the_source(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing: no such file"):
        disk.move(str(tmp_path / "nothing"), str(tmp_path / "b"))


def test_a_move_onto_itself_keeps_the_file(tmp_path: Path) -> None:
    disk.write(str(tmp_path / "a"), b"1")

    with pytest.raises(StorageError, match="exists already"):
        disk.move(str(tmp_path / "a"), str(tmp_path / "a"))

    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_move_that_was_cut_short_between_its_names_is_completed(tmp_path: Path) -> None:
    disk.write(str(tmp_path / "a"), b"1")
    (tmp_path / "b").hardlink_to(tmp_path / "a")

    disk.move(str(tmp_path / "a"), str(tmp_path / "b"))

    assert disk.names(str(tmp_path)) == ["b"]


def test_a_directory_is_moved_but_not_over_another(tmp_path: Path) -> None:
    disk.write(str(tmp_path / "a/x"), b"1")
    disk.write(str(tmp_path / "new/a/y"), b"1")
    disk.move(str(tmp_path / "a"), str(tmp_path / "b"))

    with pytest.raises(StorageError, match="exists already"):
        disk.move(str(tmp_path / "b"), str(tmp_path / "new/a/y"))

    assert disk.names(str(tmp_path)) == ["b", "new"]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    return memory / f"wakeman-test-{os.getpid()}"


@pytest.mark.parametrize("content", ["file", "link"])
def test_a_move_to_another_file_system_keeps_content_mode_and_time(
    tmp_path: Path, elsewhere: Path, content: str
) -> None:
    source = tmp_path / "a"
    if content == "file":
        disk.write(str(source), b"1" * 3_000_000, mode=0o640)
    else:
        source.symlink_to("nowhere")
    before = source.lstat()
    try:
        went = disk.move(str(source), f"{elsewhere}/")
        after = Path(went).lstat()
        left = (disk.names(str(tmp_path)), disk.names(str(elsewhere)))
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)

    assert (before.st_size, before.st_mode, [], ["a"]) == (after.st_size, after.st_mode, *left)


def test_a_move_to_another_file_system_never_overwrites(tmp_path: Path, elsewhere: Path) -> None:
    disk.write(str(tmp_path / "a"), b"new")
    disk.write(str(elsewhere / "a"), b"old")
    try:
        with pytest.raises(StorageError, match="exists already"):
            disk.move(str(tmp_path / "a"), str(elsewhere))
        kept = (elsewhere / "a").read_bytes(), (tmp_path / "a").read_bytes(), disk.names(str(elsewhere))
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)

    assert kept == (b"old", b"new", ["a"])


def test_removing_what_is_gone_is_no_error(tmp_path: Path) -> None:
    disk.write(str(tmp_path / "a"), b"")

    disk.remove(str(tmp_path / "a"))
    disk.remove(str(tmp_path / "a"))

    assert disk.names(str(tmp_path)) == []


# Installing


def staged(place: Path, data: bytes = b"judged") -> FileFingerprint:
    (place / "stage").mkdir(exist_ok=True)
    (place / "stage" / "a").write_bytes(data)
    return disk.marks([str(place / "stage" / "a")])[str(place / "stage" / "a")]


def install(place: Path, target: Path, mark: FileFingerprint) -> FileFingerprint | None:
    return disk.install(str(place / "stage"), "a", str(target), mark, None, keep=False).mark


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="there are no leases here")
def test_a_file_that_somebody_has_open_for_writing_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "a"
    with mark.open("w"):
        open_ = disk.writing([str(mark)])

    assert ({str(mark)}, set()) == (open_, disk.writing([str(mark)]))


def test_an_install_across_file_systems_keeps_size_time_and_mode(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        if os.stat(other).st_dev == tmp_path.stat().st_dev:
            pytest.skip("/dev/shm is on the same file system")
        mark = staged(tmp_path)
        (tmp_path / "stage" / "a").chmod(0o640)

        put = install(tmp_path, Path(other) / "deep" / "a", mark)

        assert put is not None
        assert (mark.size, mark.mtime_ns) == (put.size, put.mtime_ns)
        assert 0o640 == (Path(other) / "deep" / "a").stat().st_mode & 0o777
        assert ["a"] == os.listdir(Path(other) / "deep")
        assert [] == os.listdir(tmp_path / "stage")


def test_a_file_with_another_name_is_installed_as_one_of_its_own(tmp_path: Path) -> None:
    staged(tmp_path)
    os.link(tmp_path / "stage" / "a", tmp_path / "elsewhere")
    mark = disk.marks([str(tmp_path / "stage" / "a")])[str(tmp_path / "stage" / "a")]

    install(tmp_path, tmp_path / "a", mark)

    assert 1 == (tmp_path / "a").stat().st_nlink
    assert b"judged" == (tmp_path / "a").read_bytes()


# What lies in the way of a glob


def test_a_link_that_leads_nowhere_is_no_file_and_no_directory(tree: Path) -> None:
    (tree / "loop.md").symlink_to("loop.md")
    (tree / "docs/loop").symlink_to("loop")
    (tree / "docs/nowhere").symlink_to("nothing")

    assert ["a.md"] == glob(tree, "*.md")
    assert ["docs/x/1.md"] == glob(tree, "docs/*/*.md")
    assert ["docs/x/1.md", "docs/y/deep/3.md"] == glob(tree, "docs/**/*.md")


@pytest.mark.parametrize("exclude", ["docs/x", "docs/x/**", "docs/x/*", "**/x/**", "docs/x/**/*", "docs/[x]/**"])
def test_a_directory_that_is_excluded_is_not_listed(tree: Path, exclude: str) -> None:
    listed = []

    def listing(event: str, args: tuple[object, ...]) -> None:
        if event == "os.scandir":
            listed.append(str(args[0]).rstrip("/"))

    sys.addaudithook(listing)
    found = glob(tree, "docs/**/*.md", exclude=[exclude])

    assert ["docs/y/deep/3.md"] == found
    assert str(tree / "docs/x") not in listed
    assert str(tree / "docs/y") in listed


@pytest.mark.parametrize("exclude", ["docs/x/*/*", "docs/x/*.txt", "docs/x/.*"])
def test_a_directory_of_which_a_part_is_excluded_is_listed(tree: Path, exclude: str) -> None:
    assert "docs/x/1.md" in glob(tree, "docs/**/*.md", exclude=[exclude])


# Reading what others write


def test_a_file_that_others_write_is_read_at_neither_end_through_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"12345")
    link.symlink_to(file)

    assert (b"123", b"345") == (disk.head(str(file), 3), disk.tail(str(file), 3))
    within = str(tmp_path)
    assert (b"", b"") == (disk.head(str(link), 3, within=within), disk.tail(str(link), 3, within=within))
    assert b"12345" == disk.read(str(link))
    with pytest.raises(StorageError):
        disk.read(str(link), within=within)


def test_a_mark_holds_any_time_that_a_file_system_keeps(tmp_path: Path) -> None:
    place = Path("/dev/shm") if os.path.isdir("/dev/shm") else tmp_path
    with tempfile.NamedTemporaryFile(dir=place) as file:
        for mtime_ns in (2**70, -(2**62)):
            os.utime(file.name, ns=(0, mtime_ns))
            mark = disk.marks([file.name])[file.name]

            assert mark == msgspec.json.decode(msgspec.json.encode(mark), type=FileFingerprint)


# What somebody has planted


@pytest.fixture
def impatient() -> Iterator[None]:
    """End a test that waits for a pipe."""
    signal.alarm(10)
    yield
    signal.alarm(0)


@contextmanager
def planted(path: Path, kind: str) -> Iterator[None]:
    """Put something that is no regular file of its own at a path."""
    beside = path.with_name(f"{path.name}.target")
    with socket.socket(socket.AF_UNIX) as server:
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "directory":
                path.mkdir()
            case "socket":
                server.bind(str(path))
            case "link to a pipe":
                os.mkfifo(beside)
                path.symlink_to(beside)
            case "link to nothing":
                path.symlink_to(beside)
            case "link to itself":
                path.symlink_to(path.name)
            case device:
                path.symlink_to(device)
        yield


PLANTED = [
    "pipe",
    "directory",
    "socket",
    "link to a pipe",
    "link to nothing",
    "link to itself",
    "/dev/zero",
    "/dev/tty",
]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_no_file_is_neither_read_nor_waited_for(tmp_path: Path, kind: str, within: bool) -> None:
    path, place = str(tmp_path / "x"), str(tmp_path) if within else ""
    judged = FileFingerprint("x", 0, 0, 0)
    with planted(tmp_path / "x", kind):
        with pytest.raises(StorageError):
            disk.read(path, within=place)

        assert (b"", b"") == (disk.tail(path, within=place), disk.head(path, within=place))
        assert (disk.marks([path]), disk.writing([path])) == ({}, set())
        assert not disk.install(str(tmp_path), "x", str(tmp_path / "target"), judged, None, keep=False).mark


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_in_the_place_of_a_directory_is_neither_entered_nor_waited_for(tmp_path: Path, kind: str) -> None:
    with planted(tmp_path / "x", kind):
        if kind == "directory":
            pytest.skip("it is one")
        with pytest.raises(StorageError):
            disk.write(str(tmp_path / "x/file"), b"1", within=str(tmp_path))
        with pytest.raises(StorageError):
            disk.write(str(tmp_path / "x/file"), b"1", within=str(tmp_path / "x"))
        assert b"" == disk.tail(str(tmp_path / "x/file"), within=str(tmp_path))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "directory"])
def test_what_is_in_the_place_of_a_file_is_replaced(tmp_path: Path, kind: str) -> None:
    with planted(tmp_path / "x", kind):
        disk.write(str(tmp_path / "x"), b"1", within=str(tmp_path))

        assert b"1" == (tmp_path / "x").read_bytes()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("writes", ["write", "link", "pipe", "install", "move"])
def test_the_name_of_a_temporary_file_cannot_be_guessed(tmp_path: Path, writes: str) -> None:
    """Somebody who may write there sees one name after another, and has a pipe at each that fits the pattern."""
    seen: list[str] = []
    listening = True

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event in ("open", "os.rename", "os.symlink", "os.link", "os.remove"):
            seen.extend(re.findall(r"\.wakeman-[^/]*\.tmp", " ".join(map(str, arguments[:2]))))

    sys.addaudithook(heard)
    for number in range(20):
        source = tmp_path / f"source-{number}"
        source.write_bytes(b"x")
        target = str(tmp_path / f"target-{number}")
        match writes:
            case "write":
                disk.write(target, b"x")
            case "link":
                disk.link("x", target)
            case "pipe":
                disk.pipe(target)
            case "install":
                mark = disk.marks([str(source)])[str(source)]
                disk.install(str(tmp_path), source.name, target, mark, None, keep=True)
            case "move":
                _carry(str(source), target)
    listening = False

    names = set(seen)
    assert len(names) == 20
    assert all(re.fullmatch(r"\.wakeman-[0-9a-f]{24}\.tmp", name) for name in names)
    assert all(len({name[at] for name in names}) > 3 for at in range(9, 33))


# --- syncing ------------------------------------------------------------------------------------------------------


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is synced, by name; the disk refuses what is named `bad`."""
    seen: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        path = os.readlink(f"/proc/self/fd/{handle}")
        seen.append(path)
        if path.endswith("bad"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


LINUX = pytest.mark.skipif(sys.platform == "darwin", reason="names what is open by /proc")


@LINUX
def test_a_few_files_are_synced_each_with_the_directories_that_they_are_found_in(
    tmp_path: Path, synced: list[str]
) -> None:
    for name in ("a/b/1", "a/2"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    assert {} == Disk().sync([f"{tmp_path}/a/b/1", f"{tmp_path}/a/2"], within=str(tmp_path))
    assert [str(tmp_path / name) for name in ("a/b/1", "a/2", "a/b", "a", "")] == synced


@LINUX
def test_many_files_are_synced_by_their_file_system(tmp_path: Path, synced: list[str]) -> None:
    paths = [str(tmp_path / str(n)) for n in range(100)]
    for path in paths:
        Path(path).write_bytes(b"x")

    assert ({}, []) == (Disk().sync(paths, within=str(tmp_path)), synced)


@LINUX
@pytest.mark.parametrize("others", [1, 30])
def test_what_the_disk_refuses_is_told_by_file(
    others: int, tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(tmp_path / str(n)) for n in range(others)] + [str(tmp_path / "bad")]
    for path in paths:
        Path(path).write_bytes(b"x")
    if others > 1:  # what a file system refuses it does not tell by file
        monkeypatch.setattr(adapter, "_sync_file_system", lambda _: False)

    assert {str(tmp_path / "bad"): os.strerror(errno.EIO)} == Disk().sync(paths, within=str(tmp_path))
    assert len(synced) > others


@LINUX
def test_a_directory_that_the_disk_refuses_fails_for_its_files(tmp_path: Path, synced: list[str]) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1").write_bytes(b"x")
    (tmp_path / "2").write_bytes(b"x")
    paths = [str(tmp_path / "bad" / "1"), str(tmp_path / "2")]

    assert {paths[0]: f"{tmp_path}/bad: {os.strerror(errno.EIO)}"} == Disk().sync(paths, within=str(tmp_path))
    assert synced


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_disk_that_cannot_sync_is_taken_to_have(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    (tmp_path / "1").write_bytes(b"x")

    assert {} == Disk().sync([str(tmp_path / "1")], within=str(tmp_path))


def test_two_names_of_one_file_are_told_by_its_inode(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")

    a, b = Disk().entries([str(tmp_path / "a"), str(tmp_path / "b")]).values()

    assert (a, 2) == (b, a.names)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_a_device_is_one(path: str) -> None:
    assert ["device"] == [entry.kind for entry in Disk().entries([path]).values()]


def test_a_name_that_no_system_takes_has_no_entry_and_is_not_kept() -> None:
    assert {} == Disk().entries(["/a\0b"])
    assert ["/a\0b"] == list(Disk().sync(["/a\0b"], within="/"))
