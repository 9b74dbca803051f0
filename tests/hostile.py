"""What comes from outside at its worst: any JSON value, recorded samples with a part of them replaced, any bytes.

`WAKEMAN_FUZZ=50` tries fifty times as many; what fails is printed as the smallest case that does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

STREAMS = Path(__file__).parent / "adapters" / "streams"
SCREENS = Path(__file__).parent / "adapters" / "screens"
CPU_S_MAX, TRACED_CPU_S_MAX = 2.0, 12.0
"""Seconds of this process that one reading may take, as a check looks at a hundred workers; while coverage traces.

The greatest samples take up to 0.5 s, and 1.6 s while coverage traces every line.
"""

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 10**400, 1795908855000, 4102444800]),
    st.floats(allow_nan=False, allow_infinity=False),
)
WORDS = (
    "", " ", "\0", "a\nb", "\x1b]0;x\x07", "\u202e", "\u2028", "\ud7ff", "²", "٣", "../../etc/passwd", "--resume", "-",
    "You've hit your limit · resets 99:99pm (Nowhere/There)", "limit reached resets Feb 31 9999 at 1am",
    "usage limit in 99999999999999d", "usage limit, try again in 9d 9d 9d", "limit reached|9999999999",
    "limit reached until 11:30 (America/Argentina)", "limit reached until 1:00 (X/../../../etc)",
    "Cost: $. message, $1.2.3 session", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999-23:59", "a" * 70_000,
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=40), st.sampled_from(WORDS))
RAW = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)
DEEP = b'{"type":' + b"[" * 100_000
BYTES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\n", DEEP, DEEP + b"\n", b"\xef\xbb\xbf{}\n", b"{}\n" * 30_000]),
    st.sampled_from([b'{"a":' + b"9" * 5000 + b"}\n", b'{"a":"\xe9"}\n', b'{"a":"\\ud800"}\n']),
)


def often(times: int) -> settings:
    """Return the settings of a property that is tried so many times, or a multiple of that."""
    factor = int(os.environ.get("WAKEMAN_FUZZ", "1"))
    return settings(max_examples=times * factor, deadline=None, suppress_health_check=list(HealthCheck))


def lines(name: str) -> list[Any]:
    """Return the JSON lines of the recorded streams whose name begins so."""
    found = (line for file in sorted(STREAMS.glob(f"{name}*")) for line in file.read_text().splitlines())
    return [json.loads(line) for line in found if line.startswith("{")]


@st.composite
def mutated(draw: st.DrawFn, samples: list[Any]) -> Any:
    """Draw one of some samples with any part of it replaced by another value, or taken away."""
    value = json.loads(json.dumps(draw(st.sampled_from(samples))))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 4)) == 0:
            del holder[key]
        else:
            holder[key] = draw(JSON)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def encoded(value: Any) -> bytes:
    """Return a JSON line of a value; what JSON has no escape for is left to the bytes."""
    return json.dumps(value).encode() + b"\n"


def files(samples: list[Any]) -> st.SearchStrategy[bytes]:
    """Return files of lines: mutated samples, any values, any bytes."""
    line = st.one_of(mutated(samples).map(encoded), JSON.map(encoded), BYTES)
    return st.lists(line, max_size=4).map(b"".join)


@contextmanager
def bounded() -> Iterator[None]:
    """Fail if what is done takes too long, by the clock of this process: others on the machine do not count."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < (CPU_S_MAX if sys.gettrace() is None else TRACED_CPU_S_MAX)


def within_bounds(read: Callable[[], Any]) -> Any:
    """Return what a reading gives, which may not take too long."""
    with bounded():
        return read()
