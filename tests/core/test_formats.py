"""A file of a format is valid by its syntax alone: whatever its values mean, and however they are written."""

from __future__ import annotations

import json
import sys
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.words import THEIRS, fits

from wakeman.core.formats import NESTING_MAX, format_fault
from wakeman.core.model import Format

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KINDS: tuple[Format, ...] = ("yaml", "json", "toml")

VALID: list[tuple[Format, bytes]] = [
    ("none", b"\x00anything"),
    ("json", b'{"a": [1, null]}'),
    ("json", b"1"),
    ("json", b"9" * 100_000),
    ("json", b"[1e999, -0, 0.0000001E+9]"),
    ("json", b'"\\ud800"'),  # the grammar has it, whatever it means
    ("json", b'[{"a": 1}, {"a": 1}]'),
    ("json", b"[" * NESTING_MAX + b"]" * NESTING_MAX),
    ("toml", b""),
    ("toml", b"a = 1\n"),
    ("toml", b"a = 0x" + b"f" * 100_000),
    ("yaml", b"a: 1\n"),
    ("yaml", b"---\n---\na: 1\n"),
    ("yaml", b"a: 1\n---\na: 1\n"),
    ("yaml", b"'a: 1'\n"),
    ("yaml", b"[]\n"),
    ("yaml", b"''\n"),
    ("yaml", b"- ~\n"),
    ("yaml", "a: 1\n".encode("utf-16")),
    ("yaml", b"a: !Ref b\nc: !GetAtt d.e\n"),
    ("yaml", b"a: !!bool maybe\n"),
    ("yaml", b'a: !!int ""\n'),
    ("yaml", b"a: !!float x\n"),
    ("yaml", b"a: !!timestamp x\n"),
    ("yaml", b"a: !!binary x\n"),
    ("yaml", b"a: !!set [x]\n"),
    ("yaml", b"a: !!python/object/apply:os.system [x]\n"),
    ("yaml", b"day: 2024-13-45\nat: 99:99:99\n"),
    ("yaml", b"a: " + b"9" * 100_000),
    ("yaml", b"a: 1" + b":1" * 100_000),
    ("yaml", b"a: &a [*a]\n"),
    ("yaml", b"a: &a 1\nb: &a 2\nc: *a\n"),
    (
        "yaml",
        b"a0: &a0 x\n"
        + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 50)),
    ),
    ("yaml", b"1: a\n'1': b\n"),
    ("yaml", b"a: 1\n!x a: 2\n"),
    ("yaml", b"a: {b: 1}\nb: 1\n"),
    ("yaml", b"a: 1\n---\n~\n"),
    ("yaml", b"? {a: 1}\n: 1\n? {a: 2}\n: 2\n"),
    ("yaml", b"- &a [x]\n- &b [y]\n- ? *a\n  : 1\n  ? *b\n  : 2\n"),
    # A collection that is no key itself is not taken apart: it could be as large as the whole file, many times over.
    ("yaml", b"- &a [x]\n- ? *a\n  : 1\n  ? [x]\n  : 2\n"),
    ("yaml", b"a: &a [x]\n? *a\n: 1\n? [x]\n: 2\n"),
    ("yaml", b"- {a: 1}\n- {a: 1}\n"),
    ("yaml", b"? [a, b]\n: 1\n? [b, a]\n: 2\n"),
    ("yaml", b"? !x [a]\n: 1\n? !y [a]\n: 2\n"),
    ("yaml", b"a: &a {x: 1}\nb: &b {y: 1}\nc:\n  <<: [*a, *b]\n"),
    ("yaml", b"a:\n " + b"[" * (NESTING_MAX - 1) + b"]" * (NESTING_MAX - 1)),
]

NOT_VALID: list[tuple[Format, bytes, str]] = [
    ("json", b"", f"not JSON: line 1: {THEIRS}"),
    ("json", b'{"a": 1,\n "b": }', f"not JSON: line 2: {THEIRS}"),
    ("json", b'"\xff"', "not JSON: line 1: not UTF-8"),
    ("json", b'"\xed\xa0\x80"', "not JSON: line 1: not UTF-8"),
    ("json", b"\xef\xbb\xbf{}", f"not JSON: line 1: {THEIRS}"),
    ("json", b"[" * 100_000, "not JSON: nested too deeply"),
    ("json", b'{"a":' * 100_000, "not JSON: nested too deeply"),
    ("json", b"[NaN]", "not JSON: a number that JSON does not have: NaN"),
    ("json", b"[-Infinity]", "not JSON: a number that JSON does not have: -Infinity"),
    ("json", b"[1,]", f"not JSON: line 1: {THEIRS}"),
    ("json", b"[01]", f"not JSON: line 1: {THEIRS}"),
    ("json", b'"\t"', f"not JSON: line 1: {THEIRS}"),
    ("json", b"{} {}", f"not JSON: line 1: {THEIRS}"),
    ("json", b"{'a': 1}", f"not JSON: line 1: {THEIRS}"),
    ("json", b'{"a": 1, "a": 2}', "not JSON: the key 'a' is there twice"),
    ("json", b'[{"b": {"a": 1, "\\u0061": 2}}]', "not JSON: the key 'a' is there twice"),
    ("toml", b"a = 1\nb = [1,,]\n", f"not TOML: line 2: {THEIRS}"),
    ("toml", b"a = 1\nb = ", f"not TOML: line 2: {THEIRS}"),
    ("toml", b"a = 1\nb = '\xff'", "not TOML: line 2: not UTF-8"),
    ("toml", b"a = " + b"[" * 100_000, "not TOML: nested too deeply"),
    ("toml", b"a = 1\na = 2", f"not TOML: line 2: {THEIRS}"),
    ("toml", b"a = " + b"9" * 5000, f"not TOML: {THEIRS}"),
    ("toml", b"a = 2024-13-45", f"not TOML: line 1: {THEIRS}"),
    ("yaml", b"", "holds nothing"),
    ("yaml", b"# only a comment\n---\nnull\n", "holds nothing"),
    ("yaml", b"&a ~\n", "holds nothing"),
    ("yaml", b"a: 1\nb: [1,\nc: 2\n", f"not YAML: line 4: {THEIRS}"),
    ("yaml", b"a: *nobody\n", "not YAML: line 1: no anchor has the name 'nobody'"),
    ("yaml", b"a: &x 1\n---\nb: *x\n", "not YAML: line 3: no anchor has the name 'x'"),
    ("yaml", b"a: !e!x y\n", f"not YAML: line 1: {THEIRS}"),
    ("yaml", b"a: \xff\n", f"not YAML: {THEIRS}"),
    ("yaml", b"a: \x00\n", f"not YAML: {THEIRS}"),
    ("yaml", b"a: " + b"[" * 600 + b"]" * 600, "not YAML: line 1: nested too deeply"),
    ("yaml", b"a:\n " + b"[" * 100_000, f"not YAML: {THEIRS}"),  # PyYAML has a bound of its own from 6.0.4 on
    ("yaml", b"- " * 100_000 + b"x", f"not YAML: {THEIRS}"),
    ("yaml", b"a: 1\na: 2\n", "not YAML: line 2: the key 'a' is there twice"),
    ("yaml", b"- - b: 1\n    'b': 2\n", "not YAML: line 2: the key 'b' is there twice"),
    ("yaml", b"{a: 1, a: 2}\n", "not YAML: line 1: the key 'a' is there twice"),
    ("yaml", b'{"a": 1, "a": 2}\n', "not YAML: line 1: the key 'a' is there twice"),
    ("yaml", b"!!str 1: a\n'1': b\n", "not YAML: line 2: the key '1' is there twice"),
    ("yaml", b"&k a: 1\n*k : 2\n", "not YAML: line 2: the key 'a' is there twice"),
    ("yaml", b"&k [a]: 1\n*k : 2\n", "not YAML: line 2: a key is there twice"),
    ("yaml", b"? [a, b]\n: 1\n? [a, b]\n: 2\n", "not YAML: line 3: a key is there twice"),
    ("yaml", b"? !x [a]\n: 1\n? !x [a]\n: 2\n", "not YAML: line 3: a key is there twice"),
    ("yaml", b"- ? [a]\n  : 1\n  ? [a]\n  : 2\n", "not YAML: line 3: a key is there twice"),
    ("yaml", b"- &a [x]\n- ? *a\n  : 1\n  ? *a\n  : 2\n", "not YAML: line 4: a key is there twice"),
    ("yaml", b"? {a: 1, b: 2}\n: 1\n? {b: 2, a: 1}\n: 2\n", "not YAML: line 3: a key is there twice"),
    ("yaml", b"a: &a {x: 1}\nb: &b {y: 1}\nc:\n  <<: *a\n  <<: *b\n", "not YAML: line 5: the key '<<' is there twice"),
]


@pytest.mark.parametrize(("kind", "data"), VALID, ids=lambda value: str(value)[:40])
def test_a_good_file_has_no_fault(kind: Format, data: bytes) -> None:
    assert "" == format_fault(kind, data)


@pytest.mark.parametrize(("kind", "data", "problem"), NOT_VALID, ids=lambda value: str(value)[:40])
def test_a_bad_file_is_told_by_what_is_wrong_and_on_which_line(kind: Format, data: bytes, problem: str) -> None:
    found = format_fault(kind, data)

    assert fits(problem, found), found


@pytest.mark.parametrize(
    ("data", "problem"), [(b"a: 1\n", ""), (b"- [1, {b: 2, b: 3}]\n", "not YAML: line 1: the key 'b' is there twice")]
)
def test_yaml_is_read_without_libyaml_too(data: bytes, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)

    assert problem == format_fault("yaml", data)


@pytest.mark.parametrize(
    ("data", "deep"),
    [
        (b"[" * NESTING_MAX + b"]" * NESTING_MAX, False),
        (b"[" * (NESTING_MAX + 1) + b"]" * (NESTING_MAX + 1), True),
        (b"- [1, {a: 2}]\n" * NESTING_MAX, False),
    ],
    ids=["as deep as may be", "one deeper", "long and flat"],
)
def test_a_yaml_file_may_nest_so_deep_and_no_deeper(data: bytes, deep: bool) -> None:
    assert ("not YAML: line 1: nested too deeply" if deep else "") == format_fault("yaml", data)


@pytest.mark.parametrize("data", [b"a: 1\nb: [1,\nc: 2\n", b"a: !e!x y\n"])
def test_a_fault_repeats_what_the_parser_says_of_it(data: bytes) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as theirs:
        list(yaml.parse(data, Loader=LOADER))

    assert theirs.value.problem is not None
    assert theirs.value.problem[:20] in format_fault("yaml", data)


def test_a_number_that_is_too_long_is_told_without_the_advice_to_programmers() -> None:
    data = "a = " + "9" * 5000
    with pytest.raises(ValueError) as theirs:  # noqa: PT011 - whatever the library says
        tomllib.loads(data)

    told = format_fault("toml", data.encode())

    assert (True, False) == (str(theirs.value)[1:20] in told, "sys." in told)


def test_a_fault_of_several_lines_is_told_by_the_first() -> None:
    data = b"a: \x00\n"
    with pytest.raises(yaml.YAMLError) as theirs:
        list(yaml.parse(data, Loader=LOADER))
    first, last = str(theirs.value).splitlines()

    assert (True, False) == (first[:12] in (found := format_fault("yaml", data)), last.strip() in found)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_what_json_writes_is_valid_json_and_valid_yaml_unless_it_holds_nothing(value: object) -> None:
    assert "" == format_fault("json", json.dumps(value).encode())
    # YAML 1.1 takes neither every character nor a key of more than 1024.
    assert ("holds nothing" if value is None else "") == format_fault("yaml", yaml.safe_dump(value).encode())


@given(st.binary() | st.text().map(str.encode))
def test_of_any_bytes_a_fault_is_one_line_and_no_exception(data: bytes) -> None:
    for kind in KINDS:
        assert "\n" not in format_fault(kind, data)


def test_nothing_is_imported_but_what_the_format_needs() -> None:
    import subprocess

    code = "import sys; from wakeman.core.formats import format_fault; format_fault('json', b'1'); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {"yaml", "tomllib", "msgspec"} & set(ran.stdout.split())
