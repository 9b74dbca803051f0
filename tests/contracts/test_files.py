"""What `ports.Files` promises, of the files in memory and of those on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wakeman.adapters.disk import Disk
from wakeman.adapters.memory import MemoryClock, MemoryFiles
from wakeman.core.errors import StorageError, UsageError
from wakeman.core.model import FileFingerprint
from wakeman.ports import Files

TREE = ("a.md", "docs/x/1.md", "docs/x/2.txt", "docs/y/deep/3.md", "docs/.hidden/4.md", "docs/x/.5.md")


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A directory that is there and empty."""
    return str(tmp_path.resolve())


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def files(request: pytest.FixtureRequest, root: str) -> Files:
    return memory(root) if request.param == "memory" else Disk()


def memory(root: str) -> MemoryFiles:
    files = MemoryFiles(MemoryClock())
    files.make(root)
    return files


@pytest.fixture
def tree(files: Files, root: str) -> Files:
    """Files in several directories, some hidden."""
    for name in TREE:
        files.write(f"{root}/{name}", b"content")
    return files


def glob(files: Files, root: str, *patterns: str, exclude: Sequence[str] = ()) -> list[str]:
    return files.glob(root, patterns, exclude)


# Marks


def test_a_mark_names_its_path_and_size(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"12345")

    marks = files.marks([f"{root}/a"])

    assert [(f"{root}/a", f"{root}/a", 5)] == [(path, mark.path, mark.size) for path, mark in marks.items()]


def test_what_is_missing_has_no_mark(files: Files, root: str) -> None:
    assert {} == files.marks([f"{root}/nothing"])


def test_a_directory_has_no_mark(files: Files, root: str) -> None:
    assert {} == files.marks([root])


def test_a_directory_is_one_and_a_file_or_nothing_is_none(files: Files, root: str) -> None:
    files.make(f"{root}/d")
    files.write(f"{root}/f", b"x")
    files.link(f"{root}/d", f"{root}/l")

    assert [True, True, False, False] == [files.is_directory(f"{root}/{name}") for name in ("d", "l", "f", "none")]


def test_a_mark_stays_as_long_as_its_file_does(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    assert files.marks([f"{root}/a"]) == files.marks([f"{root}/a"])


def test_a_file_that_is_put_in_place_again_has_another_mark(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"same")
    before = files.marks([f"{root}/a"])

    files.write(f"{root}/a", b"same")

    assert before != files.marks([f"{root}/a"])


def test_a_symlink_has_the_mark_of_its_file(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.link(f"{root}/a", f"{root}/link")

    (file, link) = files.marks([f"{root}/a", f"{root}/link"]).values()

    assert (file.inode, file.size) == (link.inode, link.size)


def test_a_symlink_to_nothing_has_no_mark(files: Files, root: str) -> None:
    files.link(f"{root}/nothing", f"{root}/link")

    assert {} == files.marks([f"{root}/link"])


# Entries


def test_an_entry_says_what_has_the_name_itself(files: Files, root: str) -> None:
    files.write(f"{root}/file", b"1")
    files.make(f"{root}/directory")
    files.pipe(f"{root}/pipe")
    files.link(f"{root}/file", f"{root}/link")
    files.link(f"{root}/nothing", f"{root}/astray")

    found = files.entries(f"{root}/{name}" for name in ("file", "directory", "pipe", "link", "astray", "nothing"))

    assert ["file", "directory", "named pipe", "symbolic link", "symbolic link"] == [one.kind for one in found.values()]


def test_a_file_of_one_name_has_an_inode_as_its_mark_says(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.write(f"{root}/b", b"1")
    a, b = files.entries([f"{root}/a", f"{root}/b"]).values()

    assert (1, 1, files.marks([f"{root}/a"])[f"{root}/a"].inode) == (a.names, b.names, a.inode)
    assert (a.device, a.inode) != (b.device, b.inode)


# Syncing


def test_files_that_are_there_are_kept(files: Files, root: str) -> None:
    paths = [f"{root}/new/{n}/a" for n in range(40)]
    for path in paths:
        files.write(path, b"1")

    assert {} == files.sync(paths, within=root)
    assert {} == files.sync(paths[:2], within=root)
    assert {} == files.sync(paths[:2], within="/")
    assert {} == files.sync([], within=root)


def test_a_file_that_is_not_there_is_not_kept(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    assert {f"{root}/b": "no such file or directory"} == files.sync([f"{root}/a", f"{root}/b"], within=root)


# Reading


def test_what_was_written_is_read(files: Files, root: str) -> None:
    files.write(f"{root}/new/directory/a", b"12345")

    assert b"12345" == files.read(f"{root}/new/directory/a")


def test_a_file_up_to_the_limit_is_read(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"12345")

    assert b"12345" == files.read(f"{root}/a", limit=5)


def test_a_file_beyond_the_limit_is_refused(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"123456")

    with pytest.raises(StorageError, match=f"{root}/a: more than 5 bytes"):
        files.read(f"{root}/a", limit=5)


def test_reading_what_is_missing_is_refused_and_named(files: Files, root: str) -> None:
    with pytest.raises(StorageError, match=f"{root}/nothing: no such file"):
        files.read(f"{root}/nothing")


def test_reading_a_directory_is_refused(files: Files, root: str) -> None:
    with pytest.raises(StorageError):
        files.read(root)


@pytest.mark.parametrize(("size", "data"), [(0, b""), (3, b"345"), (5, b"12345"), (99, b"12345")])
def test_a_tail_is_the_last_bytes(files: Files, root: str, size: int, data: bytes) -> None:
    files.write(f"{root}/a", b"12345")

    assert data == files.tail(f"{root}/a", size)


@pytest.mark.parametrize(("size", "data"), [(2, b"ab"), (9, b"abcd"), (0, b"")])
def test_a_head_is_the_first_bytes(files: Files, root: str, size: int, data: bytes) -> None:
    files.write(f"{root}/a", b"abcd")

    assert (data, b"") == (files.head(f"{root}/a", size), files.head(f"{root}/nothing"))


def test_the_tail_of_what_is_missing_is_empty(files: Files, root: str) -> None:
    assert b"" == files.tail(f"{root}/nothing")


# Finding


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.md", ["a.md"]),
        ("docs/*", []),
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
def test_a_pattern_finds_files_and_hidden_ones_only_by_name(
    tree: Files, root: str, pattern: str, found: list[str]
) -> None:
    assert found == glob(tree, root, pattern)


def test_several_patterns_find_each_file_once_and_sorted(tree: Files, root: str) -> None:
    assert ["a.md", "docs/x/1.md", "docs/x/2.txt"] == glob(tree, root, "docs/x/*", "*.md", "**/1.md")


@pytest.mark.parametrize("exclude", ["docs/x/**", "docs/x", "**/x/*", "docs/x/1.md"])
def test_what_is_excluded_is_so_with_all_below_it(tree: Files, root: str, exclude: str) -> None:
    assert ["docs/y/deep/3.md"] == glob(tree, root, "docs/**/*.md", exclude=[exclude])


def test_an_exclusion_takes_hidden_files_too(tree: Files, root: str) -> None:
    assert [] == glob(tree, root, "docs/x/.*", exclude=["docs/x/*"])


def test_a_symlink_to_a_file_is_found(tree: Files, root: str) -> None:
    tree.link(f"{root}/a.md", f"{root}/docs/b.md")

    assert ["docs/b.md"] == glob(tree, root, "docs/*.md")


@pytest.mark.parametrize("pattern", ["/etc/*", "../*.md", "docs/../../x"])
def test_a_pattern_that_leads_outside_is_refused(files: Files, root: str, pattern: str) -> None:
    with pytest.raises(UsageError):
        glob(files, root, pattern)


def test_a_root_that_is_missing_is_an_error_and_no_empty_list(files: Files, root: str) -> None:
    with pytest.raises(StorageError):
        glob(files, f"{root}/nothing", "*")


names = st.sampled_from(["a", "b", "ab", ".a"])
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
patterns = st.lists(st.sampled_from(["**", "*", "a*", "?", ".*", "[!a]", "b"]), min_size=1, max_size=4).map("/".join)


@pytest.mark.real
@given(st.sets(paths, max_size=8), st.lists(patterns, min_size=1, max_size=2), st.lists(patterns, max_size=1))
def test_the_twin_finds_what_the_disk_finds(tree: set[str], wanted: list[str], unwanted: list[str]) -> None:
    assume(not any(other.startswith(f"{path}/") for path in tree for other in tree))
    with TemporaryDirectory() as root:
        disk, twin = Disk(), memory(root)
        for path in tree:
            disk.write(f"{root}/{path}", b"1")
            twin.write(f"{root}/{path}", b"1")

        assert disk.glob(root, wanted, unwanted) == twin.glob(root, wanted, unwanted)


def test_names_are_the_sorted_entries_of_every_kind(files: Files, root: str) -> None:
    files.make(f"{root}/c")
    files.write(f"{root}/b/1", b"")
    files.write(f"{root}/.a", b"")
    files.link(f"{root}/nothing", f"{root}/d")

    assert [".a", "b", "c", "d"] == files.names(root)


@pytest.mark.parametrize("directory", ["nothing", "file"])
def test_where_there_is_no_directory_there_are_no_names(files: Files, root: str, directory: str) -> None:
    files.write(f"{root}/file", b"")

    assert [] == files.names(f"{root}/{directory}")


def test_symlinks_and_dots_are_resolved_also_of_what_does_not_exist(files: Files, root: str) -> None:
    files.link(f"{root}/there", f"{root}/link")

    assert {f"{root}/link/new/../x.md": f"{root}/there/x.md"} == files.resolve([f"{root}/link/new/../x.md"])


def test_a_relative_symlink_is_resolved_from_where_it_stands(files: Files, root: str) -> None:
    files.link("../there", f"{root}/sub/link")

    assert {f"{root}/sub/link": f"{root}/there"} == files.resolve([f"{root}/sub/link"])


# Putting in place


def test_a_write_replaces_a_symlink_and_spares_what_it_led_to(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"old")
    files.link(f"{root}/a", f"{root}/link")

    files.write(f"{root}/link", b"new")

    assert (b"old", b"new") == (files.read(f"{root}/a"), files.read(f"{root}/link"))


def test_a_write_goes_through_a_symlinked_directory(files: Files, root: str) -> None:
    files.make(f"{root}/there")
    files.link(f"{root}/there", f"{root}/link")

    files.write(f"{root}/link/a", b"1")

    assert b"1" == files.read(f"{root}/there/a")


def test_a_write_in_the_place_of_a_directory_is_refused(files: Files, root: str) -> None:
    files.make(f"{root}/there")

    with pytest.raises(StorageError):
        files.write(f"{root}/there", b"1")


def test_a_link_leads_to_its_file(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    files.link(f"{root}/a", f"{root}/new/link")

    assert b"1" == files.read(f"{root}/new/link")


def test_a_link_takes_the_place_of_another(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.link(f"{root}/nothing", f"{root}/link")

    files.link(f"{root}/a", f"{root}/link")

    assert b"1" == files.read(f"{root}/link")


def test_a_link_does_not_take_the_place_of_a_file(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    with pytest.raises(StorageError):
        files.link(f"{root}/b", f"{root}/a")


def test_making_a_directory_twice_is_no_error(files: Files, root: str) -> None:
    files.make(f"{root}/there/deep")
    files.make(f"{root}/there/deep")

    assert ["deep"] == files.names(f"{root}/there")


def test_a_directory_is_not_made_in_the_place_of_a_file(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    with pytest.raises(StorageError):
        files.make(f"{root}/a")


# Moving


def test_a_moved_file_is_where_the_move_says(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    place = files.move(f"{root}/a", f"{root}/new/b")

    assert (f"{root}/new/b", b"1") == (place, files.read(place))


def test_a_moved_file_is_no_longer_where_it_was(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    files.move(f"{root}/a", f"{root}/b")

    assert ["b"] == files.names(root)


def test_a_moved_file_is_the_same_file(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    before = files.marks([f"{root}/a"])[f"{root}/a"]

    after = files.marks([files.move(f"{root}/a", f"{root}/b")])[f"{root}/b"]

    assert (before.size, before.mtime_ns, before.inode) == (after.size, after.mtime_ns, after.inode)


def test_a_move_to_a_name_with_a_slash_goes_into_that_directory(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    assert f"{root}/new/a" == files.move(f"{root}/a", f"{root}/new/")


def test_a_move_to_a_directory_that_is_there_goes_into_it(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.make(f"{root}/there")

    assert f"{root}/there/a" == files.move(f"{root}/a", f"{root}/there")


def test_a_symlink_is_moved_itself(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.link(f"{root}/a", f"{root}/link")

    files.move(f"{root}/link", f"{root}/moved")

    assert (["a", "moved"], b"1") == (files.names(root), files.read(f"{root}/moved"))


def test_a_move_never_overwrites(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.write(f"{root}/b", b"2")

    with pytest.raises(StorageError):
        files.move(f"{root}/a", f"{root}/b")

    assert (b"1", b"2") == (files.read(f"{root}/a"), files.read(f"{root}/b"))


def test_a_move_never_overwrites_inside_a_directory(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.write(f"{root}/there/a", b"2")

    with pytest.raises(StorageError):
        files.move(f"{root}/a", f"{root}/there/")


def test_a_move_never_overwrites_a_symlink_to_nothing(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.link(f"{root}/nothing", f"{root}/link")

    with pytest.raises(StorageError):
        files.move(f"{root}/a", f"{root}/link")


def test_a_move_onto_itself_is_refused(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    with pytest.raises(StorageError):
        files.move(f"{root}/a", f"{root}/a")


def test_a_move_of_what_is_missing_is_refused_and_makes_nothing(files: Files, root: str) -> None:
    with pytest.raises(StorageError):
        files.move(f"{root}/a", f"{root}/new/")

    assert [] == files.names(root)


# Removing


def test_a_removed_file_is_gone(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    files.remove(f"{root}/a")

    assert [] == files.names(root)


def test_removing_twice_is_no_error(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")

    files.remove(f"{root}/a")
    files.remove(f"{root}/a")

    assert {} == files.marks([f"{root}/a"])


def test_removing_a_symlink_spares_what_it_leads_to(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"1")
    files.link(f"{root}/a", f"{root}/link")

    files.remove(f"{root}/link")

    assert ["a"] == files.names(root)


# Deleting a directory


def test_a_directory_goes_with_all_that_is_in_it_and_nothing_beside_it(files: Files, root: str) -> None:
    for name in ("gone/a", "gone/b/.c/d", "gone/b/e", "gone.too/f", "g"):
        files.write(f"{root}/{name}", b"12345")
    files.make(f"{root}/gone/empty/within")
    files.pipe(f"{root}/gone/pipe")

    freed = files.erase(f"{root}/gone", within=root)

    assert 15 == freed
    assert ["g", "gone.too"] == files.names(root)
    assert b"12345" == files.read(f"{root}/gone.too/f")
    assert 0 == files.erase(f"{root}/gone", within=root)


def test_a_symlink_in_a_deleted_directory_goes_and_not_what_it_leads_to(files: Files, root: str) -> None:
    files.write(f"{root}/kept/a", b"1")
    for name in ("to-file", "to-directory", "deep/to-directory"):
        files.link(f"{root}/kept/a" if name == "to-file" else f"{root}/kept", f"{root}/gone/{name}")
    files.link(f"{root}/nothing", f"{root}/gone/astray")

    assert 0 == files.erase(f"{root}/gone", within=root)

    assert ["kept"] == files.names(root)
    assert b"1" == files.read(f"{root}/kept/a")


@pytest.mark.parametrize("name", ["link", "link/d", "file"])
def test_what_is_reached_by_a_symlink_or_is_no_directory_is_not_deleted(files: Files, root: str, name: str) -> None:
    files.write(f"{root}/kept/d/a", b"1")
    files.write(f"{root}/file", b"1")
    files.link(f"{root}/kept", f"{root}/link")

    with pytest.raises(StorageError, match=f"{root}/"):
        files.erase(f"{root}/{name}", within=root)

    assert ["file", "kept", "link"] == files.names(root)
    assert b"1" == files.read(f"{root}/kept/d/a")


# Pipes, and what may be written


def test_a_pipe_is_there_by_name_and_is_no_file(files: Files, root: str) -> None:
    files.make(f"{root}/d")

    files.pipe(f"{root}/d/p")
    files.pipe(f"{root}/d/p")

    assert (["p"], {}) == (files.names(f"{root}/d"), files.marks([f"{root}/d/p"]))


def test_what_this_process_may_write_is_writable_there_or_not(files: Files, root: str) -> None:
    files.write(f"{root}/f", b"")

    assert [True, True] == [files.writable(f"{root}/{name}") for name in ("f", "new")]


# Installing


STAGE = "stage"


def staged(files: Files, root: str, data: bytes = b"judged", inside: str = "out/a") -> FileFingerprint:
    files.write(f"{root}/{STAGE}/{inside}", data)
    return files.marks([f"{root}/{STAGE}/{inside}"])[f"{root}/{STAGE}/{inside}"]


def test_an_installed_file_is_in_its_place_and_no_more_where_it_was(files: Files, root: str) -> None:
    mark = staged(files, root)

    put = files.install(f"{root}/{STAGE}", "out/a", f"{root}/there/a", mark, None, keep=False)

    assert put.mark == files.marks([f"{root}/there/a"])[f"{root}/there/a"]
    assert b"judged" == files.read(f"{root}/there/a")
    assert [] == files.names(f"{root}/{STAGE}/out")


def test_one_that_is_kept_is_in_both_places_and_another_file(files: Files, root: str) -> None:
    mark = staged(files, root)

    put = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=True)

    assert put.mark is not None
    assert (mark.size, mark.mtime_ns) == (put.mark.size, put.mark.mtime_ns)
    assert mark.inode != put.mark.inode
    assert b"judged" == files.read(f"{root}/{STAGE}/out/a")


def test_a_file_that_is_not_as_it_was_judged_stays_where_it_is(files: Files, root: str) -> None:
    mark = staged(files, root)
    staged(files, root, b"another one")

    put = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=False)

    assert (None, "not as it was judged any more") == (put.mark, put.why)
    assert [STAGE] == files.names(root)


def test_what_was_there_is_replaced_and_what_came_since_is_not(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"of before")
    before = files.marks([f"{root}/a"])[f"{root}/a"]
    mark = staged(files, root)
    files.write(f"{root}/a", b"of somebody else")

    refused = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, before, keep=False)
    now = files.marks([f"{root}/a"])[f"{root}/a"]
    done = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, now, keep=False)

    assert (None, "changed by somebody else meanwhile") == (refused.mark, refused.why)
    assert done.mark is not None
    assert b"judged" == files.read(f"{root}/a")


@pytest.mark.parametrize("keep", [True, False])
def test_to_install_twice_is_to_install_once(files: Files, root: str, keep: bool) -> None:
    mark = staged(files, root)
    first = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=keep)

    again = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=keep)

    assert first == again
    assert b"judged" == files.read(f"{root}/a")


def test_an_install_that_was_cut_short_before_the_original_went_is_completed(files: Files, root: str) -> None:
    mark = staged(files, root)
    files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=True)

    files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=False)

    assert [] == files.names(f"{root}/{STAGE}/out")


def test_no_symlink_leads_an_install_out_of_its_stage(files: Files, root: str) -> None:
    files.write(f"{root}/secret/a", b"judged")
    mark = files.marks([f"{root}/secret/a"])[f"{root}/secret/a"]
    files.make(f"{root}/{STAGE}")
    files.link(f"{root}/secret", f"{root}/{STAGE}/out")
    files.link(f"{root}/secret/a", f"{root}/{STAGE}/b")

    through = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=False)
    direct = files.install(f"{root}/{STAGE}", "b", f"{root}/b", mark, None, keep=False)

    assert (None, None) == (through.mark, direct.mark)
    assert b"judged" == files.read(f"{root}/secret/a")
    assert {"secret", STAGE} == set(files.names(root))


def test_an_install_follows_a_symlink_above_its_place_and_none_in_it(files: Files, root: str) -> None:
    """A worker can leave one there that leads to any file of its user."""
    files.make(f"{root}/real")
    files.link(f"{root}/real", f"{root}/above")
    files.link(f"{root}/elsewhere", f"{root}/a")
    mark = staged(files, root)

    refused = files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=False)
    done = files.install(f"{root}/{STAGE}", "out/a", f"{root}/above/a", mark, None, keep=False)

    assert (None, "a symbolic link is there") == (refused.mark, refused.why)
    assert "elsewhere" not in files.names(root)
    assert done.mark is not None
    assert b"judged" == files.read(f"{root}/real/a")


def test_a_directory_in_the_place_is_refused(files: Files, root: str) -> None:
    files.make(f"{root}/a")
    mark = staged(files, root)

    with pytest.raises(StorageError, match="exists already"):
        files.install(f"{root}/{STAGE}", "out/a", f"{root}/a", mark, None, keep=False)


def test_nobody_writes_a_file_that_is_closed(files: Files, root: str) -> None:
    files.write(f"{root}/a", b"closed")

    assert set() == files.writing([f"{root}/a", f"{root}/missing"])


# Which directory it is


def test_each_directory_is_told_from_others(files: Files, root: str) -> None:
    for name in ("a", "b"):
        files.make(f"{root}/{name}")
    first = [files.directory_id(f"{root}/{name}") for name in ("a", "b", "b/../a", "c")]

    assert (first, 3, "") == (
        [files.directory_id(f"{root}/{n}") for n in ("a", "b", "a", "c")],
        len(set(first)),
        first[3],
    )


def test_a_link_to_a_directory_is_that_directory_and_a_file_is_none(files: Files, root: str) -> None:
    files.make(f"{root}/d")
    files.link(f"{root}/d", f"{root}/link")
    files.write(f"{root}/file", b"")

    assert files.directory_id(f"{root}/d") == files.directory_id(f"{root}/link")
    assert ["", ""] == [files.directory_id(f"{root}/file"), files.directory_id(f"{root}/none")]


# What is Wakeman's own


@pytest.mark.parametrize("pattern", ["**", "**/*.md", "*/*/*.md", "runs/**", "*"])
def test_nothing_in_a_directory_that_is_marked_is_listed(files: Files, root: str, pattern: str) -> None:
    for name in ("a.md", "docs/b.md", "runs/.wakeman", "runs/night/prompts/w.md", "x/.wakeman", "x/y/z.md", "x/w.md"):
        files.write(f"{root}/{name}", b"")

    found = files.glob(root, [pattern], [])

    assert [] == [path for path in found if path.startswith(("runs", "x"))]
    assert ("a.md" in found, "docs/b.md" in found) == {
        "**": (True, True),
        "**/*.md": (True, True),
        "*/*/*.md": (False, False),
        "runs/**": (False, False),
        "*": (True, False),
    }[pattern]


def test_a_directory_that_is_marked_is_listed_from_within(files: Files, root: str) -> None:
    for name in (".wakeman", "a.md"):
        files.write(f"{root}/{name}", b"")

    assert ["a.md"] == files.glob(root, ["*"], [])


# Below a directory in which somebody else may put what they like


@pytest.mark.parametrize("name", ["link/file", "there"])
def test_no_symlink_is_followed_within_another_s_directory(files: Files, root: str, name: str) -> None:
    files.write(f"{root}/outside/file", b"secret")
    files.make(f"{root}/theirs")
    files.link(f"{root}/outside", f"{root}/theirs/link")
    files.link(f"{root}/outside/file", f"{root}/theirs/there")
    path, within = f"{root}/theirs/{name}", f"{root}/theirs"

    assert b"secret" == files.read(path)
    assert (b"", b"") == (files.tail(path, within=within), files.head(path, within=within))
    with pytest.raises(StorageError):
        files.read(path, within=within)


def test_a_way_to_another_s_directory_may_have_symlinks(files: Files, root: str) -> None:
    files.write(f"{root}/outside/theirs/d/file", b"1")
    files.link(f"{root}/outside", f"{root}/link")
    path, within = f"{root}/link/theirs/d/file", f"{root}/link/theirs"

    files.write(path, b"12", within=within)

    assert (b"12", b"12", b"12") == (
        files.read(path, within=within),
        files.tail(path, within=within),
        files.head(path, within=within),
    )


def test_nothing_is_written_through_a_link_in_another_s_directory(files: Files, root: str) -> None:
    files.make(f"{root}/outside")
    files.make(f"{root}/theirs")
    files.link(f"{root}/outside", f"{root}/theirs/link")

    with pytest.raises(StorageError, match=f"{root}/theirs/link: found a link that leads to {root}/outside") as caught:
        files.write(f"{root}/theirs/link/deep/file", b"1", within=f"{root}/theirs")

    assert ([], "remove it, and retry the worker") == (files.names(f"{root}/outside"), caught.value.hint)


def test_a_link_in_the_place_of_a_file_is_replaced(files: Files, root: str) -> None:
    files.write(f"{root}/outside", b"theirs")
    files.make(f"{root}/d")
    files.link(f"{root}/outside", f"{root}/d/file")

    files.write(f"{root}/d/file", b"ours", within=f"{root}/d")

    assert (b"theirs", b"ours") == (files.read(f"{root}/outside"), files.read(f"{root}/d/file", within=f"{root}/d"))


def test_directories_are_made_on_the_way(files: Files, root: str) -> None:
    files.make(f"{root}/d")

    files.write(f"{root}/d/e/f/g", b"1", within=f"{root}/d")

    assert b"1" == files.read(f"{root}/d/e/f/g")
