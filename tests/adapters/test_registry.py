from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wakeman.adapters.registry import GONE_AGE_S, LocalRegistry
from wakeman.core.errors import StorageError
from wakeman.core.model import Host
from wakeman.core.policy.ownership import refusal


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(str(tmp_path / "home" / "registry"), "b1")


def made(tmp_path: Path, name: str = "night") -> tuple[str, Host]:
    directory = tmp_path / "state" / name
    directory.mkdir(parents=True, mode=0o700)
    return str(directory), Host(root="/p", directory=str(directory), python=("python",))


def why(registry: LocalRegistry, directory: str, host: Host) -> str:
    return refusal(*registry.look(directory), host)


def test_what_was_enrolled_is_live_and_what_was_not_is_not(registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    assert why(registry, night, host)

    registry.enrol(night, host)

    assert "" == why(registry, night, host)
    assert "" == why(LocalRegistry(registry._directory, "b2"), night, host)
    registry.forget(night)
    assert why(registry, night, host)


def test_it_is_found_by_any_path_that_leads_there(registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    registry.enrol(night, host)
    (tmp_path / "link").symlink_to(tmp_path / "state")

    assert "" == why(registry, str(tmp_path / "link" / "night"), host)


def _copied(night: Path) -> None:
    night.rename(night.with_name("kept"))
    night.mkdir()


@pytest.mark.parametrize("change", [_copied, lambda night: night.rmdir()])
def test_a_directory_that_was_replaced_or_is_gone_is_not_live(
    change: Callable[[Path], None], registry: LocalRegistry, tmp_path: Path
) -> None:
    night, host = made(tmp_path)
    registry.enrol(night, host)

    change(Path(night))

    assert why(registry, night, host)


@pytest.mark.parametrize("name", ["state", "state/night"])
@pytest.mark.parametrize("mode", [0o777, 0o702, 0o757])
def test_a_directory_that_others_may_write_to_is_unsafe(
    name: str, mode: int, registry: LocalRegistry, tmp_path: Path
) -> None:
    night, _ = made(tmp_path)
    assert "" == registry.unsafe(night)

    (tmp_path / name).chmod(mode)

    assert f"mode {mode:04o}" in registry.unsafe(night)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
@pytest.mark.parametrize("name", ["state", "state/night"])
def test_a_directory_of_another_user_is_unsafe(name: str, registry: LocalRegistry, tmp_path: Path) -> None:
    night, _ = made(tmp_path)

    os.chown(tmp_path / name, 65534, 65534)

    assert "belongs to" in registry.unsafe(night)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
def test_a_directory_to_be_made_below_one_of_others_is_unsafe(registry: LocalRegistry, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "mine").mkdir(parents=True)
    os.chown(theirs, 65534, 65534)

    assert "belongs to" in registry.unsafe(str(theirs / "mine" / "state" / "night"))


def test_a_directory_to_be_made_where_anybody_may_put_one_is_unsafe(registry: LocalRegistry, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)

    assert "others may write to it" in registry.unsafe(str(tmp_path / "shared" / "state" / "night"))
    (tmp_path / "shared").chmod(0o1777)
    assert "" == registry.unsafe(str(tmp_path / "shared" / "state" / "night"))


def test_its_files_are_the_users_alone_whatever_the_umask(registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    before = os.umask(0)
    try:
        registry.enrol(night, host)
    finally:
        os.umask(before)

    home = tmp_path / "home" / "registry"
    assert 0o700 == home.stat().st_mode & 0o777
    assert {0o600} == {file.stat().st_mode & 0o777 for file in home.iterdir()}
    assert "" == why(registry, night, host)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"directory":1}'])
def test_what_is_no_entry_is_none(content: bytes, registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    registry.enrol(night, host)

    Path(registry._file(night)).write_bytes(content)

    assert registry.look(night)[0] is None


def test_an_entry_that_is_a_pipe_or_a_link_ends_nothing(registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    registry.enrol(night, host)
    file = Path(registry._file(night))

    file.unlink()
    os.mkfifo(file)
    assert registry.look(night)[0] is None
    file.unlink()
    file.symlink_to("/etc/hostname")
    with pytest.raises(StorageError, match="registry of live deployments"):
        registry.look(night)


def test_a_registry_that_others_could_write_to_is_refused(registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    (tmp_path / "home" / "registry").mkdir(parents=True)
    (tmp_path / "home" / "registry").chmod(0o777)

    with pytest.raises(StorageError, match="others may write to it"):
        registry.enrol(night, host)


def test_entries_of_what_has_been_gone_for_long_are_dropped(registry: LocalRegistry, tmp_path: Path) -> None:
    night, host = made(tmp_path)
    stays, there = made(tmp_path, "stays")
    registry.enrol(night, host)
    registry.enrol(stays, there)
    for file in (tmp_path / "home" / "registry").iterdir():
        os.utime(file, (0, time.time() - GONE_AGE_S - 60))
    Path(night).rmdir()

    registry.enrol(stays, there)

    assert registry.look(night)[0] is None
    assert "" == why(registry, stays, there)
