"""Recordings of real clients: where they are, what of a run is kept, and what one differs in from the one before.

A recording holds nothing that another run of the same client would have otherwise: no path of a machine, no id, no
time. A kind of recording is a directory of tests/adapters. The first version recorded of a client is in it, a later
one in a directory of its version below.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.agents.clients import PLACES

from wakeman.adapters.harness import find
from wakeman.adapters.harness.client import Agentic
from wakeman.core.gate import json_lines
from wakeman.ports import release

ROOT = Path(__file__).parents[1] / "adapters"
KINDS = ("screens", "failures", "sessions")
"""Each is a directory of recordings."""
NOW = "2026-11-29T12:00:00.000Z"
EPOCH = "1795953600"
TEXT_CHARS_MAX = 240
"""Characters that are kept of a text in a line of JSON."""
LINE_CHARS_MAX = 6000
"""Characters of a line from which on it is not kept: a client's own instructions."""

# --- what is kept ---------------------------------------------------------------------------------------------

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_PREFIXED = re.compile(
    r"\b(?:msg|toolu|call|req|resp|fc|rs|ctc|chat|chatcmpl|prompt|ses|prt|exec|bash|tool|turn|session|task|agent|per|gen)"
    r"_(?=[A-Za-z-]*\d)[A-Za-z0-9-]{8,}\b"
)
_ID_KEY = re.compile(r"(?:^|_)(?:id|uuid|hash|chunk|fingerprint)$|(?:Id|ID|Uuid|Hash)$")
_ID = re.compile(r"(?!claude|gpt|gemini|stand)(?=.*\d)[\w-]{6,80}")
_TIMED_KEY = re.compile(r"(?i)(?:_ms|Ms|_at_ms|duration|elapsed|latency|ttft|pid|procStart|port|uptime|_time|inode)$")
_TEXTS: tuple[tuple[str, str], ...] = (
    (r"/[\w./-]+?/node_modules/", "/usr/lib/node_modules/"),
    (r"/tmp/wk[a-z]\d+", "/home/agent"),
    (r"(?<![\w/])tmp/wk[a-z]\d+", "/home/agent"),
    (r"-tmp-wk[a-z]\d+", "-home-agent"),
    (r"(?<![\d.])20(?:2[4-9]|3[0-2])-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?", NOW),
    (r"20(?:2[4-9]|3[0-2])-\d\d-\d\dT\d\d-\d\d(?:-\d\d(?:-\d+)?)?", "2026-11-29T12-00"),
    (r"(?<![\d.])20(?:2[4-9]|3[0-2])-\d\d-\d\d(?!\d)", NOW[:10]),
    (r"(?<![\d.\w])1[78]\d{8}\.\d+", f"{EPOCH}.0"),
    (r"(?<![\d.\w])1[78]\d{17}(?!\d)", f"{EPOCH}000000000"),
    (r"(?<![\d.\w])1[78]\d{11}(?!\d)", f"{EPOCH}000"),
    (r"(?<![\d.\w])1[78]\d{8}(?![\d.])", EPOCH),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:1"),
    (r"Linux \d+\.\d+[\w.-]*", "Linux 6.0"),
    (r"\b[0-9a-f]{32,64}\b", "0" * 32),
    (r"/tmp/cc-socks/\d+", "/tmp/cc-socks/1"),
    (r'("name":"work-)[0-9a-f]+"', r'\g<1>00"'),
    (r"\b\d{1,2}:\d\d [AP]M\b", "12:00 PM"),
    (r"(?<= • )\d\d:\d\d\b", "12:00"),
)
"""What is of the machine, or of the moment, as a pattern and what stands for it. Resets that the stand-in names are
after 2032."""


def normalised(texts: dict[str, str]) -> dict[str, str]:
    """Return what is kept of the texts of one run: an id is the same in each of them, and counted from 1."""
    lines = [line for text in texts.values() for line in _json(text)]
    ids = dict.fromkeys(
        one for text in texts.values() for found in (_UUID, _PREFIXED) for one in found.findall(text)
    ) | dict.fromkeys(_ids(lines))
    names = {one: _named(one, n) for n, one in enumerate(ids, 1)}
    return {key: _replaced("".join(_shortened(text)), names) for key, text in texts.items()}


def _json(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                continue  # it is no line of JSON


def _ids(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _ids(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _ids(one, key)
    elif isinstance(value, str) and _ID_KEY.search(key) and _ID.fullmatch(value):
        yield value


def _named(one: str, n: int) -> str:
    if _UUID.fullmatch(one):
        return f"00000000-0000-4000-8000-{n:012}"
    return f"{one.partition('_')[0] if '_' in one and _PREFIXED.fullmatch(one) else 'id'}_{n:06}"


def _shortened(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        try:
            value = json.loads(line) if line.startswith("{") else None
        except ValueError:
            value = None
        if value is None:
            yield line
        elif len(made := json.dumps(_cut(value), ensure_ascii=False, separators=(",", ":"))) <= LINE_CHARS_MAX:
            yield made + "\n"


def _cut(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _cut(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [_cut(one, key) for one in value]
    if isinstance(value, str):
        if _TIMED_KEY.search(key) and value.isdigit():
            return "1"
        return value if len(value) <= TEXT_CHARS_MAX else f"{value[:TEXT_CHARS_MAX]}…"
    if isinstance(value, int | float) and not isinstance(value, bool) and _TIMED_KEY.search(key) and value < 10**9:
        return 1
    return value


def _replaced(text: str, names: dict[str, str]) -> str:
    if names:
        each = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        text = re.sub(rf"(?<![\w]){'(?:' + each + ')'}(?![\w])", lambda found: names[found[0]], text)
    for pattern, instead in _TEXTS:
        text = re.sub(pattern, instead, text)
    return text


# --- where it is ----------------------------------------------------------------------------------------------


def version_of(client: str) -> str:
    """Return the version of a client; "" of one that is not installed."""
    found = shutil.which(client, path=PLACES)
    if found is None:
        return ""
    said = subprocess.run([found, "--version"], capture_output=True, text=True)
    version = re.search(r"\d+\.\d+\.\d+", said.stdout)
    return version[0] if version else "unknown"


def versions(client: str) -> tuple[str, ...]:
    """List the versions of a client that are recorded, the newest last."""
    harness = find(client)
    assert isinstance(harness, Agentic)
    return harness.client.recorded


def place_of(kind: str, client: str, version: str) -> Path:
    """Return the directory of a version's recordings."""
    return ROOT / kind if version in ("", *versions(client)[:1]) else ROOT / kind / version


def recordings(kind: str, ending: str) -> dict[str, Path]:
    """Return each recording of a kind: its name, with `@VERSION` behind that of a later version -> its file."""
    found = {path.stem: path for path in sorted((ROOT / kind).glob(f"*{ending}"))}
    return found | {f"{path.stem}@{path.parent.name}": path for path in sorted((ROOT / kind).glob(f"*/*{ending}"))}


def before(kind: str, client: str, version: str, file: str) -> Path | None:
    """Return the recording to compare with: of the version itself, else of the newest one before it."""
    known = sorted({*versions(client), version}, key=release, reverse=True)
    places = [place_of(kind, client, one) / file for one in known if release(one) <= release(version)]
    return next((path for path in places if path.exists()), None)


# --- what has changed -----------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """What lines of JSON consist of: kind of line -> its fields; field -> the words that are its values."""

    fields: dict[str, set[str]]
    words: dict[str, set[str]]


_KINDS = ("hook_event_name", "type", "subtype")
_INNER = ("payload", "attachment", "item")
"""Where a line says of which kind it is, itself and in a part of it."""
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{1,30}")
_FREE = re.compile(r"(?:text|content|name|description|message|title|slug|model|verb|prompt|tip|summary)$")
"""Fields whose values are anything."""


def shape(text: str) -> Shape:
    """Return the shape of what a run has of lines of JSON."""
    fields: dict[str, set[str]] = {}
    words: dict[str, set[str]] = {}
    for line in json_lines(text.encode() + b"\n"):
        told = [str(line[path]) for path in _KINDS if isinstance(line.get(path), str)]
        for path in _INNER:
            inner = line.get(path)
            told += [inner["type"]] if isinstance(inner, dict) and isinstance(inner.get("type"), str) else []
        kind = "/".join(told) or "a line"
        for path, value in _leaves(line):
            fields.setdefault(kind, set()).add(path)
            if isinstance(value, str) and _WORD.fullmatch(value) and not _FREE.search(path):
                words.setdefault(f"{kind}: {path}", set()).add(value)
    return Shape(fields, words)


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, one in value.items():
            named = "*" if re.search(r"[/\d]", name) else name
            yield from _leaves(one, f"{path}.{named}" if path else named)
    elif isinstance(value, list) and value:
        for one in value:
            yield from _leaves(one, f"{path}.*")
    else:
        yield path, value


def json_changes(old: str, new: str) -> Iterator[str]:
    """Yield the kinds of line, the fields and the words that only one of two texts has."""
    was, now = shape(old), shape(new)
    for kind in sorted(now.fields.keys() - was.fields.keys()):
        yield f"+ line {kind}: {', '.join(sorted(now.fields[kind]))}"
    for kind in sorted(was.fields.keys() - now.fields.keys()):
        yield f"- line {kind}"
    for kind in sorted(now.fields.keys() & was.fields.keys()):
        for mark, there in (("+", now.fields[kind] - was.fields[kind]), ("-", was.fields[kind] - now.fields[kind])):
            if there:
                yield f"{mark} {kind}: {', '.join(sorted(there))}"
    for path in sorted(now.words.keys() & was.words.keys()):
        if fresh := now.words[path] - was.words[path]:
            yield f"+ word at {path}: {', '.join(sorted(fresh))} (was {', '.join(sorted(was.words[path]))})"


_SPINNER = re.compile(r"^[·✢✳✶✻✽*⠁-⣿] \S*?(?:…| for )", re.MULTILINE)


def steady(text: str) -> str:
    """Return a text without what differs between two runs of one client: numbers, and what a spinner says."""
    return re.sub(r"\d+", "0", _SPINNER.sub("* ", text))


def text_changes(old: str, new: str) -> Iterator[str]:
    """Yield the lines that only the new text has."""
    known = set(map(str.strip, steady(old).splitlines()))
    for line in new.splitlines():
        if line.strip() and steady(line).strip() not in known:
            yield f"+ {line}"


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """List what two recordings of a run differ in: its end, its lines of JSON, its other lines."""
    found = []
    for key in dict.fromkeys([*old, *new]):
        was, now = old.get(key), new.get(key)
        if isinstance(was, str) and isinstance(now, str):
            lined = any(text.startswith("{") for text in (was, now))
            told: Callable[[str, str], Iterable[str]] = json_changes if lined else text_changes
            found += [f"{key}: {one}" for one in told(was, now)]
        elif was != now:
            found.append(f"{key}: {was!r} -> {now!r}")
    return found
