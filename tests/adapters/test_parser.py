"""The process that parses: what a file does to it is a verdict on that file, and the next one is judged as well."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wakeman.adapters import parser
from wakeman.adapters.disk import Disk
from wakeman.adapters.parser import ChildParser
from wakeman.core.errors import ProgramError
from wakeman.core.model import Format, ParseLimitSpec

pytestmark = pytest.mark.real

LINUX = pytest.mark.skipif(sys.platform == "darwin", reason="macOS bounds the memory of no process")

LIMIT = ParseLimitSpec(time=2.0, memory=128 * 2**20, size=64 * 2**20)
MB = 2**20

HOSTILE: dict[str, tuple[Format, Callable[[], bytes]]] = {
    "deep brackets": ("yaml", lambda: b"[" * MB),
    "deep braces": ("yaml", lambda: b"{" * MB),
    "deep keys": ("yaml", lambda: b"? " * MB),
    "deep sequences": ("yaml", lambda: b"- " * MB),
    "a deep block": ("yaml", lambda: b"\n".join(b" " * n + b"a:" for n in range(2000))),
    "aliases of aliases": (
        "yaml",
        lambda: (
            b"a0: &a0 x\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 99))
        ),
    ),
    "aliases of aliases as keys": (
        "yaml",
        lambda: (
            b"? &a0 [x, x]\n: 1\n" + b"".join(b"? &a%d [*a%d, *a%d]\n: 1\n" % (n, n - 1, n - 1) for n in range(1, 99))
        ),
    ),
    "a million anchors": ("yaml", lambda: b"".join(b"- &a%d x\n" % n for n in range(MB // 8))),
    "a million documents": ("yaml", lambda: b"--- x\n" * MB),
    "numbers": ("yaml", lambda: b"[" + b"1," * (3 * MB) + b"1]"),
    "sexagesimals": ("yaml", lambda: b"a: 1" + b":59" * MB),
    "a tag that would run a program": ("yaml", lambda: b"a: !!python/object/apply:os.abort []\n"),
    "an open string": ("yaml", lambda: b'"' + b"x" * MB),
    "an open comment": ("yaml", lambda: b"#" * MB),
    "NUL": ("yaml", lambda: b"\0" * MB),
    "every byte": ("yaml", lambda: bytes(range(256)) * 4096),
    "half a surrogate": ("yaml", lambda: b'"\\ud800"'),
    "deep JSON": ("json", lambda: b"[" * MB),
    "deep objects": ("json", lambda: b'{"a":' * MB),
    "a long number": ("json", lambda: b"9" * MB),
    "a long exponent": ("json", lambda: b"1e" + b"9" * MB),
    "many keys": ("json", lambda: b"{" + b",".join(b'"%d":1' % n for n in range(MB)) + b"}"),
    "escapes": ("json", lambda: b'"' + b"\\u0000" * MB + b'"'),
    "dotted keys": ("toml", lambda: b".".join([b"a"] * 20_000) + b" = 1\n"),
    "dotted keys, more of them": ("toml", lambda: b"".join(b"a%d." % n * 1000 + b"x = 1\n" for n in range(100))),
    "a long integer": ("toml", lambda: b"a = " + b"9" * 5000),
    "a longer integer": ("toml", lambda: b"a = " + b"9" * MB),
    "deep arrays": ("toml", lambda: b"a = " + b"[" * MB),
    "deep tables": ("toml", lambda: b"[" + b".".join([b"a"] * 20_000) + b"]\n"),
    "inline tables": ("toml", lambda: b"a = " + b"{a = " * 10_000),
    "a date that is none": ("toml", lambda: b"a = 9999-99-99T99:99:99Z\n"),
}
"""What kind of file, and what makes it: many megabytes, which each process of pytest would hold."""


def parse(kind: Format, files: dict[str, bytes], root: Path, limit: ParseLimitSpec = LIMIT) -> dict[str, str | None]:
    for name, data in files.items():
        (root / name).write_bytes(data)
    paths = {str(root / name): name for name in files}
    found = ChildParser().parse(kind, list(Disk().marks(paths).values()), limit)
    return {paths[path]: fault for path, fault in found.items()}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gets_a_verdict_within_the_bounds_and_harms_no_other(name: str, tmp_path: Path) -> None:
    kind, made = HOSTILE[name]
    data = made()
    good = {"yaml": b"a: 1\n", "json": b"{}", "toml": b"a = 1\n"}[kind]
    began = time.monotonic()

    found = parse(kind, {"before": good, "hostile": data, "behind": good}, tmp_path)

    assert ("", "") == (found["before"], found["behind"])
    assert isinstance(found["hostile"], str)
    assert time.monotonic() - began < LIMIT.time * parser.WALL_TIMES_BUSY + 15


def test_a_file_that_takes_too_long_is_too_slow(tmp_path: Path) -> None:
    limit = ParseLimitSpec(time=1.0, memory=2**31, size=MB)

    found = parse("toml", {"a": HOSTILE["dotted keys"][1]()}, tmp_path, limit)

    assert (found["a"] or "").startswith("too slow: "), found


@LINUX
def test_a_file_that_takes_too_much_memory_is_too_large(tmp_path: Path) -> None:
    limit = ParseLimitSpec(memory=32 * MB)

    found = parse("json", {"a": b"[" + b"1," * (8 * MB) + b"1]", "b": b"1"}, tmp_path, limit)

    assert {
        "a": f"too large: it takes more than {32 * MB} bytes of memory (verify.parse_limit.memory)",
        "b": "",
    } == found


@pytest.fixture
def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is run instead of the parser; it is told the files on its standard input."""
    script = tmp_path / "instead.py"
    monkeypatch.setattr(parser, "SCRIPT", str(script))
    monkeypatch.setattr(parser, "WALL_TIMES_BUSY", 1)
    return script


CPU = "too slow: it takes more than 2 s of processor time (verify.parse_limit.time)"
DEATHS = {
    "os.kill(os.getpid(), signal.SIGKILL)": "not JSON, or too large: its parser was ended (by SIGKILL)",
    "os.kill(os.getpid(), signal.SIGSEGV)": "not JSON, or too large: its parser was ended (by SIGSEGV)",
    "os.kill(os.getpid(), signal.SIGXCPU)": CPU,
    "os._exit(3)": "not JSON, or too large: its parser was ended (exit status 3)",
    "os.close(1); time.sleep(60)": "too slow: not parsed within 2 s (verify.parse_limit.time)",
    "time.sleep(60)": "too slow: not parsed within 2 s (verify.parse_limit.time)",
    "os.write(1, b'x' * 10**6)": "not JSON: its parser gave no answer that is one",
    "os.write(1, b'hello\\0')": "not JSON: its parser gave no answer that is one",
}


@pytest.mark.parametrize("end", DEATHS)
def test_a_parser_that_dies_or_hangs_is_a_verdict_on_the_file_that_it_was_at(
    end: str, instead: Path, tmp_path: Path
) -> None:
    instead.write_text(
        "import os, signal, sys, time\n"
        "told = sys.stdin.buffer.read().split(b'\\0')[3::4]\n"
        "os.write(1, b'ready\\0')\n"
        "for path in told:\n"
        f"    if path.endswith(b'deadly'): {end}\n"
        "    os.write(1, b'=\\0')\n"
    )

    found = parse("json", {"a": b"1", "deadly": b"2", "c": b"3"}, tmp_path)

    assert {"a": "", "deadly": DEATHS[end], "c": ""} == found


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.abort()", "print('hello')"])
def test_a_parser_that_does_not_start_is_nobodys_verdict(code: str, instead: Path, tmp_path: Path) -> None:
    instead.write_text(code)

    with pytest.raises(ProgramError, match="the parser of json did not start"):
        parse("json", {"a": b"1"}, tmp_path)


def test_a_parser_gets_no_variables_of_ours_and_begins_at_the_root(
    instead: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    told = tmp_path / "told"
    instead.write_text(
        f"import os\nleads = os.getsid(0) == os.getpid()\n"
        f"open({str(told)!r}, 'w').write(repr((dict(os.environ), os.getcwd(), leads)))\n"
        "os.write(1, b'ready\\0=\\0')\n"
    )
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)

    parse("json", {"a": b"1"}, tmp_path)

    environment, directory, leads = eval(told.read_text())  # noqa: S307 - what the program above has written
    assert ({}, "/", True) == (
        {k: v for k, v in environment.items() if k not in ("LC_CTYPE", "__CF_USER_TEXT_ENCODING")},
        directory,
        leads,
    )


def test_files_for_which_a_batch_has_no_time_are_left_out_but_never_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parser, "BATCH_S", 0.0)

    assert {"a": ""} == parse("json", {"a": b"1", "b": b"2"}, tmp_path)


def test_no_process_is_left(instead: Path, tmp_path: Path) -> None:
    instead.write_text(
        "import os, time\nos.write(1, b'ready\\0=' + str(os.getpid()).encode() + b'\\0')\ntime.sleep(60)\n"
    )

    (told,) = parse("json", {"a": b"1"}, tmp_path).values()

    with pytest.raises(ProcessLookupError):
        os.kill(int(told or ""), 0)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    marks = Disk().marks([str(tmp_path / "a")])
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "a")

    assert {str(tmp_path / "a"): None} == ChildParser().parse("json", list(marks.values()), LIMIT)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "a").chmod(0)

    (fault,) = ChildParser().parse("json", list(Disk().marks([str(tmp_path / "a")]).values()), LIMIT).values()

    assert (fault or "").startswith("cannot be read: ")
