"""The locator finds each key of any TOML or JSON text on the line where it stands."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeman.core.plan.key_positions import Path, locate, repeated, spell, statements

SCALARS = (
    "1",
    "0xf_f",
    "1e3",
    "true",
    "nan",
    "1979-05-27 07:32:00",
    "07:32:00",
    '"a, ] } # = \\" \\\\"',
    "'x = [ { \\'",
    '""',
    "''",
    '"""one\ntwo = 2\n[no]\n\\""" ""end"""""',
    "'''\n# not a comment\n]]'''''",
    '"""\\\n   folded \\\\"""',
    '""""quoted" """',
)
KEYS = ("a", "b-c", "1", '"d.e"', "'f]g'", '"h\\"i"', '"= # {"', "' '", '"\\u00e9"')
GAPS = ("", " ", "\n", " # a comment ] } \" '\n", "\n\n\t")

Value = str | tuple[str, list[tuple[str, "Value", str]]]  # scalar, or its opening bracket, (key, value, gap after)

values: st.SearchStrategy[Value] = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.one_of(
        st.tuples(st.just("["), st.lists(st.tuples(st.just(""), inner, st.sampled_from(GAPS)), max_size=3)),
        st.tuples(
            st.just("{"),
            st.lists(
                st.tuples(st.sampled_from(KEYS), inner, st.just("")), max_size=3, unique_by=lambda entry: entry[0]
            ),
        ),
    ),
    max_leaves=5,
)
pairs = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["", ".x", ' . "y.z" . w']), values), max_size=3,
                 unique_by=lambda pair: pair[0])  # fmt: skip
sections = st.lists(
    st.tuples(st.sampled_from(["[{}]", "[ {} . sub ]", "[[{}]]", "[{}.one.two]"]), pairs, pairs), max_size=3
)


class Writer:
    """Writes TOML and keeps the line of all that it writes."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: dict[Path, int] = {}

    def note(self, path: Path) -> Path:
        self.lines.setdefault(path, self.text.count("\n") + 1)
        return path

    def header(self, form: str, name: str, index: int) -> Path:
        table = self.note((name,))
        self.text += form.format(name) + "\n"
        line = self.text.count("\n")
        tails: dict[str, Path] = {"[[{}]]": (index,), "[ {} . sub ]": ("sub",), "[{}.one.two]": ("one", "two")}
        for more in tails.get(form, ()):
            table = (*table, more)
            self.lines.setdefault(table, line)
        return table

    def pair(self, table: Path, key: str, tail: str, value: Value) -> None:
        path = self.note((*table, plain(key)))
        for part in {"": [], ".x": ["x"]}.get(tail, ["y.z", "w"]):
            path = self.note((*path, part))
        self.text += f" {key}{tail} = "
        self.value(path, value)

    def value(self, path: Path, value: Value) -> None:
        if isinstance(value, str):
            self.text += value
            return
        bracket, entries = value
        self.text += bracket
        for at, (key, item, gap) in enumerate(entries):
            self.text += "," if at else ""
            self.text += gap
            if bracket == "[":
                self.value(self.note((*path, at)), item)
            else:
                self.pair(path, key, "", item)
            self.text += gap
        self.text += "]" if bracket == "[" else "}"


def plain(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 1")))


def every_path(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    parts = list(value.items()) if isinstance(value, dict) else []
    for key, item in parts or (enumerate(value) if isinstance(value, list) else ()):
        yield from every_path(item, (*path, key))


@given(pairs, sections, st.sampled_from(["\n", " # end ''' \"\"\"\n", "\r\n\n"]))
def test_every_key_of_a_generated_file_is_found_on_its_line(
    top: list[tuple[str, str, Value]],
    tables: list[tuple[str, list[tuple[str, str, Value]], list[tuple[str, str, Value]]]],
    end: str,
) -> None:
    writer = Writer()
    for key, tail, value in top:
        writer.pair((), key, tail, value)
        writer.text += end
    for number, (form, *bodies) in enumerate(tables):
        for index, body in enumerate(bodies if form == "[[{}]]" else bodies[:1]):
            table = writer.header(form, f"table{number}", index)
            for key, tail, value in body:
                writer.pair(table, key, tail, value)
                writer.text += end

    assert sorted(every_path(tomllib.loads(writer.text)), key=str) == sorted(locate(writer.text), key=str)
    assert writer.lines == locate(writer.text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet='ab"\\{}[],:#\né', max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\{:\n/é😀', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3), st.sampled_from([None, 2]), st.booleans())
def test_every_key_of_a_json_text_is_found(value: dict[str, object], indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    assert set(every_path(value)) == set(locate(text))


def test_keys_of_json_stand_on_their_lines() -> None:
    assert locate('{\n"a": {\n"b" : 1},\n"c": [\n2]}') == {("a",): 2, ("a", "b"): 3, ("c",): 4, ("c", 0): 5}


def test_what_is_written_without_a_blank_is_found_too() -> None:
    text = 'a=[1,[2,{b="=",c=2}],3]\n[t]#x\nd={e=[\n4]}\n[[u]]#y\nf="#"\n[[u]]\n'

    assert {
        ("a",): 1,
        ("a", 0): 1,
        ("a", 1): 1,
        ("a", 1, 0): 1,
        ("a", 1, 1): 1,
        ("a", 2): 1,
        ("a", 1, 1, "b"): 1,
        ("a", 1, 1, "c"): 1,
        ("t",): 2,
        ("t", "d"): 3,
        ("t", "d", "e"): 3,
        ("t", "d", "e", 0): 4,
        ("u",): 5,
        ("u", 0): 5,
        ("u", 0, "f"): 6,
        ("u", 1): 7,
    } == locate(text)
    assert set(every_path(tomllib.loads(text))) == set(locate(text))


@pytest.mark.parametrize(
    "text",
    [
        '{"a"\n:\n1,"b":{"c":[1,[2,{"d":3,"e":4}]]}}',
        r'{"a\/b": 1, "\ud83d\ude00": {"\u00e9\"": 2}}',
        '{"a": "x", "b": []}',
    ],
)
def test_a_key_of_json_is_found_as_json_means_it(text: str) -> None:
    assert set(every_path(json.loads(text))) == set(locate(text))


@pytest.mark.parametrize("text", [r'"\U0001F600" = 1', r"'a\/b' = 1", r'"a\"b".c = 1', '"" = 1'])
def test_a_key_of_toml_is_found_as_toml_means_it(text: str) -> None:
    assert set(every_path(tomllib.loads(text))) == set(locate(text))


def test_a_table_below_an_array_of_tables_belongs_to_the_latest_element() -> None:
    text = "[[a]]\nx = 1\n[[a]]\n[a.b]\nx = 2\n[[a.c]]\n[[a.c]]\ny = 1"
    data = tomllib.loads(text)

    assert set(every_path(data)) == set(locate(text))
    assert locate(text)["a", 1, "c", 1, "y"] == 8


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ('{"a": 1,\n"a": 2}', [(("a",), 2)]),
        ('{"a": 1,\n"b": {"a": 2, "c": 3,\n"c": 4}}', [(("b", "c"), 3)]),
        ('{"a": {"b": 1}, "c": [{"b": 2}, {"b": 3}]}', []),
    ],
)
def test_a_key_that_stands_twice_in_one_object_of_json_is_named(text: str, twice: list[tuple[Path, int]]) -> None:
    assert twice == repeated(text)


def test_an_empty_text_has_no_keys() -> None:
    assert locate("\n# only this\n") == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("wake", "to", 0, "run"), "wake.to[0].run"),
        (("agents", "a b", "tools"), "agents.'a b'.tools"),
        (("\x1b[1m",), "'\\x1b[1m'"),
    ],
)
def test_a_key_is_spelled_as_a_person_would(path: Path, expected: str) -> None:
    assert expected == spell(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n a = 1\n[x] # x\n\nb = [\n 2]\n[[y.z]]\nc = 3", [" a", "[x]", "x b", "[[y", "y.z[0] c"]),
        ("# nothing\n\n", ["# n"]),
        ("\u00a0# a blank that TOML does not know", ["\u00a0# "]),
        ("a = 1\nb = 2 c = 3", ["a =", "b ="]),
    ],
)
def test_a_statement_begins_with_its_line_and_a_header_is_in_no_table(text: str, expected: list[str]) -> None:
    found = [f"{spell(table)} {text[at:]}" if table else text[at:] for at, table in statements(text)]

    assert len(expected) == len(found)
    assert all(mine.startswith(wanted) for mine, wanted in zip(found, expected, strict=True)), found
