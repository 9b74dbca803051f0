"""uv.lock, its exports and pyproject.toml agree; `make lock` updates the first two."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
PACKAGES: dict[str, dict[str, Any]] = {package["name"]: package for package in LOCK["package"]}
OURS = PACKAGES["wakeman"]
EXPORTS = {"demo": "", "dev": "dev", "bench": "bench"}
"""What `scripts/setup.sh` sets up -> the extra of the package, "" for none; `build` goes along with each."""

PUBLIC = {"https://pypi.org", "https://files.pythonhosted.org"}
MEND = "run: make lock"


def exported(kind: str) -> dict[str, tuple[str, set[str]]]:
    """Read an export: name -> version and hashes."""
    text = (ROOT / "requirements" / f"{kind}.txt").read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := re.match(r"([a-z0-9-]+)==(\S+)", line):
            found[match[1]] = match[2], set(re.findall(r"--hash=(\S+)", line))
    return found


def wanted(package: dict[str, Any], extras: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what a locked package needs with these extras."""
    yield from package.get("dependencies", [])
    for extra in extras:
        yield from package.get("optional-dependencies", {}).get(extra, [])


def closure(extra: str) -> dict[str, tuple[str, set[str]]]:
    """Return what the lock has for an extra and for building, as an export has it."""
    open_, seen = [*wanted(OURS, [extra]), *OURS["dev-dependencies"]["build"]], set()
    while open_:
        need = open_.pop()
        key = need["name"], tuple(need.get("extra", []))
        if key not in seen:
            seen.add(key)
            open_ += wanted(PACKAGES[need["name"]], need.get("extra", []))
    names = {name for name, _ in seen} - {"wakeman"}
    return {name: (PACKAGES[name]["version"], hashes(PACKAGES[name])) for name in names}


def hashes(package: dict[str, Any]) -> set[str]:
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    return {file["hash"] for file in files}


def requirements() -> dict[str, list[Requirement]]:
    """Return what pyproject.toml asks for: an extra, `` for none, or the group that builds -> requirements."""
    project = PROJECT["project"]
    lists = {"": project["dependencies"], **project["optional-dependencies"], **PROJECT["dependency-groups"]}
    return {name: [Requirement(each) for each in each_list] for name, each_list in lists.items()}


def spelled(name: str, specifier: str, extras: list[str]) -> str:
    return f"{canonicalize_name(name)}{sorted(extras)} {','.join(sorted(specifier.split(',')))}"


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_is_what_the_lock_has(kind: str) -> None:
    assert closure(EXPORTS[kind]) == exported(kind), MEND


def test_the_lock_was_made_for_what_pyproject_asks_for() -> None:
    asked = {
        name: {spelled(each.name, str(each.specifier), sorted(each.extras)) for each in needs}
        for name, needs in requirements().items()
    }
    locked: dict[str, set[str]] = {name: set() for name in asked}
    for need in OURS["metadata"]["requires-dist"]:
        extra = re.search(r"extra == '(\w+)'", need.get("marker", ""))
        locked[extra[1] if extra else ""].add(spelled(need["name"], need.get("specifier", ""), need.get("extras", [])))
    for need in OURS["metadata"]["requires-dev"]["build"]:
        locked["build"].add(spelled(need["name"], need.get("specifier", ""), need.get("extras", [])))

    assert (asked, PROJECT["project"]["version"]) == (locked, OURS["version"]), MEND


def test_a_locked_version_is_one_that_pyproject_allows() -> None:
    for need in (each for needs in requirements().values() for each in needs if each.name != "wakeman"):
        assert need.specifier.contains(PACKAGES[canonicalize_name(need.name)]["version"]), (str(need), MEND)


def test_the_lock_is_for_every_python_of_the_classifiers() -> None:
    versions = [
        match[1]
        for each in PROJECT["project"]["classifiers"]
        if (match := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each))
    ]

    assert versions[0] == PROJECT["project"]["requires-python"].removeprefix(">=")
    assert PROJECT["project"]["requires-python"] == LOCK["requires-python"]
    assert {"3.11", "3.12", "3.13"} <= set(versions)


def test_the_lock_and_its_exports_name_the_public_index_and_no_place_of_a_machine() -> None:
    files = [ROOT / "uv.lock", *sorted((ROOT / "requirements").glob("*.txt"))]
    hosts = {host for file in files for host in re.findall(r"\w+://[^/\"\s]*", file.read_text())}

    assert [f"{kind}.txt" for kind in sorted(EXPORTS)] == [file.name for file in files[1:]]
    assert hosts <= PUBLIC, MEND
    assert {"editable": "."} == OURS["source"]
    assert all({"registry": "https://pypi.org/simple"} == each["source"] for each in LOCK["package"] if each != OURS)
