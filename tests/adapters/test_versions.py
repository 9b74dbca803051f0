"""A client's version is asked once while its program's file is the same, and said where nobody has recorded it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wakeman.adapters.disk import Disk
from wakeman.adapters.machine import LocalMachine
from wakeman.adapters.versions import ProgramVersions
from wakeman.ports import ClientVersion


def program(place: Path, says: str) -> dict[str, str]:
    """Write a program that counts how often it is asked; return the environment that finds it."""
    new = place / "new"
    new.write_text(f"#!/bin/sh\necho asked >>{place}/asked\nprintf '%s\\n' '{says}'\n")
    new.chmod(0o755)
    new.replace(place / "client")
    return {"PATH": f"{place}:/usr/bin:/bin"}


def versions(place: Path) -> ProgramVersions:
    return ProgramVersions(LocalMachine(), Disk(), f"{place}/kept/versions.json")


def asked(place: Path) -> int:
    return (place / "asked").read_text().count("asked") if (place / "asked").exists() else 0


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("2.1.332 (Claude Code)", "2.1.332"), ("codex-cli 0.171.0", "0.171.0"), ("v1.2.3", "1.2.3"), ("none", ""),
        ("", ""), ("1.2.3.4", ""), ("1.2", ""), ("a 1.2.3, b 4.5.6", "1.2.3"), ("codex-cli 0.172.0-alpha.3", "0.172.0"),
        ("aider 0.86.2.dev12+g1a2b3c", "0.86.2"), ("0.87.0rc1", "0.87.0"), ("0.0.0-dev-202611290000", "0.0.0"),
        ("\x1b[32m2.1.332\x1b[0m (Claude Code)", "2.1.332"), ("Claude Code v2.1.332", "2.1.332"),
        ("Warning: Node 20.1.0 is old\n2.1.332 (Claude Code)", "2.1.332"),
        ("npm notice: 10.2.0 is out, 9.1.1 is used\ncodex-cli 0.171.0", "0.171.0"),
        ("2.1.332 (Claude Code)\nUpdate available: 2.1.400", "2.1.332"), ("@google/gemini-cli: 0.61.0", "0.61.0"),
        ("version: 1.2.3-rc.1", "1.2.3"), ("2026.11.29", "2026.11.29"), ("error: 10.0.0.1 is unreachable", ""),
    ],
)  # fmt: skip
def test_a_version_is_three_numbers_and_is_asked_once(tmp_path: Path, says: str, version: str) -> None:
    env = program(tmp_path, says)

    assert [version, version] == [versions(tmp_path).of("client", env) for _ in range(2)]
    assert 1 == asked(tmp_path)


def test_another_file_is_asked_anew(tmp_path: Path) -> None:
    env = program(tmp_path, "1.0.0")
    first = versions(tmp_path).of("client", env)
    program(tmp_path, "2.0.0")

    assert ("1.0.0", "2.0.0", 2) == (first, versions(tmp_path).of("client", env), asked(tmp_path))


def test_a_program_that_is_not_there_has_no_version(tmp_path: Path) -> None:
    assert "" == versions(tmp_path).of("client", {"PATH": str(tmp_path)}) == versions(tmp_path).of("client", {})


@pytest.mark.parametrize("kept", [b"", b"[1]", b"{", b"\xff", b'{"a": 7}'])
def test_a_file_of_versions_that_says_nothing_is_written_anew(tmp_path: Path, kept: bytes) -> None:
    env = program(tmp_path, "1.0.0")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/versions.json").write_bytes(kept)

    assert "1.0.0" == versions(tmp_path).of("client", env) == versions(tmp_path).of("client", env)
    assert 1 == asked(tmp_path)


@pytest.mark.parametrize(
    ("version", "newest", "newer"),
    [
        ("2.1.333", "2.1.332", True), ("2.1.332", "2.1.332", False), ("2.1.99", "2.1.332", False),
        ("3.0.0", "2.1.332", True), ("", "2.1.332", False), ("9.9.9", "", False), ("1" * 5000 + ".0", "2.0", False),
    ],
)  # fmt: skip
def test_a_version_is_newer_by_its_numbers(version: str, newest: str, newer: bool) -> None:
    assert newer == ClientVersion("claude", version, newest).newer
