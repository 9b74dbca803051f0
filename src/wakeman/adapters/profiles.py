"""Agent profiles: those of `~/.claude/agents.json`, and the plan's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Never

import msgspec
from msgspec import Raw, Struct

from wakeman.core.errors import UnknownNameError, UsageError
from wakeman.core.model import Agent, Plan
from wakeman.core.template import nearest
from wakeman.ports import Files

PLACE = ".claude/agents.json"
EXPECTED = "expected { NAME: { description, prompt, tools?, model? } }"

Profiles = Mapping[str, tuple[Agent, str]]
"""Name -> profile, and where it is from: the file's path, or `plan`."""


def profiles(home: str, plan: Plan, files: Files) -> dict[str, tuple[Agent, str]]:
    """Collect every profile; of two with one name the plan's counts.

    Boundary: no file, no profiles of it; keys that it has besides are passed over.
    Raises: UsageError naming line and column of what is wrong in the file; StorageError.
    """
    path = f"{home}/{PLACE}"
    found: dict[str, tuple[Agent, str]] = {}
    if files.marks([path]):
        found |= {name: (agent, path) for name, agent in _read(path, files.read(path)).items()}
    return found | {name: (agent, "plan") for name, agent in plan.agents.items()}


def choose(name: str, known: Profiles) -> Agent:
    """Give one profile. Raises: UnknownNameError with those that exist and the nearest name."""
    if name in known:
        return known[name][0]
    listed = ", ".join(sorted(known)) or "none"
    raise UnknownNameError(
        f"workers.agent: found {name!r}, expected one of those known: {listed}{nearest(name, known)}",
        f"add it to ~/{PLACE}, or [agents.{name}] to the plan; to list them: wakeman agents",
    )


class _Profile(Struct, frozen=True):
    """As the file has it: `tools` is a list, or names between commas."""

    description: str
    prompt: str
    tools: tuple[str, ...] | str | None = None
    model: str | None = None


def _read(path: str, data: bytes) -> dict[str, Agent]:
    try:
        entries = msgspec.json.decode(data, type=dict[str, Raw])
    except msgspec.ValidationError:
        _refuse(path, data, 0, f"found no object, {EXPECTED}")
    except msgspec.DecodeError as error:
        why, _, byte = str(error).removeprefix("JSON is malformed: ").rstrip(")").partition(" (byte ")
        _refuse(path, data, int(byte or len(data)), f"not JSON: {why[:1].lower()}{why[1:]}, {EXPECTED}")
    except UnicodeDecodeError:
        _refuse(path, data, 0, f"found bytes that are not UTF-8, {EXPECTED}")
    agents: dict[str, Agent] = {}
    at = 0
    for name, entry in entries.items():
        at = _key(data, name, at)
        try:
            agents[name] = _agent(msgspec.json.decode(entry, type=_Profile))
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            _refuse_profile(path, data, at, name, str(error))
        at += len(bytes(entry))
    return agents


def _agent(read: _Profile) -> Agent:
    tools = read.tools
    if isinstance(tools, str):
        tools = tuple(tool.strip() for tool in tools.split(",") if tool.strip())
    return Agent(description=read.description, prompt=read.prompt, tools=tools, model=read.model)


def _refuse_profile(path: str, data: bytes, at: int, name: str, why: str) -> Never:
    """Point at the key that is wrong; msgspec says what is, and where below the profile."""
    what, _, place = why.partition(" - at `$.")
    field = re.match(r"\w+", place)
    where = f"{name}.{field[0]}" if field else name
    _refuse(path, data, _key(data, field[0], at) if field else at, f"{where}: {what.replace('`', '')}, {EXPECTED}")


def _key(data: bytes, name: str, start: int) -> int:
    """Find where a key stands; `start` when it is spelt with escapes."""
    # A quote within a string has a backslash before it, so that only a key can match.
    found = re.compile(re.escape(msgspec.json.encode(name)) + rb"\s*:").search(data, start)
    return found.start() if found else start


def _refuse(path: str, data: bytes, at: int, why: str) -> Never:
    before = data[:at].decode(errors="replace")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    raise UsageError(f"{path}:{line}:{column}: {why}", f"mend the file: {path}")
