"""What each kind of slip alone makes of a line: the first text that a parser takes, or nothing.

Which of them answers a plan is in `test_slips.py`.
"""

from __future__ import annotations

import tomllib

import pytest

from wakeman.core.plan.slip_rules import JOINT, LAST_SLIP, SLIPS, TOKENS_MAX, Statement, toml_tokens

KNOWN = {"a": '["text"]', "at_once": "1"}
"""The keys of the table, each with an example."""
RULES = {rule.words: rule for rule in (*SLIPS, LAST_SLIP)}
ALONE: dict[str, dict[str, str | None]] = {
    "a blank that TOML does not know": {
        "a =\u00a04": "a = 4",
        "a\u2003=\u205f4": "a = 4",
        'a =\u2009"x\u00a0y"': 'a = "x\u00a0y"',
        "a = 'x\u00a0y'\u00a0# z": "a = 'x\u00a0y' # z",
    },
    "a character that cannot be seen": {
        "\ufeffa = 4": "a = 4",
        'a = \u200b"x\u200by"\u2060': 'a = "x\u200by"',
    },
    "typographic quotes": {
        "a = “x”": 'a = "x"',
        "a = ‘x’": "a = 'x'",
        "a = [“x”, “it’s”]": 'a = ["x", "it\'s"]',
        'a = ["“x”", „y“]': 'a = ["“x”", "y"]',
    },
    "wide signs": {
        "a＝4": "a=4",
        "［a］": "[a]",
        "a = ['，'， 'x']": "a = ['，', 'x']",
    },
    "no comma between two values": {
        'a = ["x" "y"]': 'a = ["x", "y"]',
        'a = [["x"] ["y"]]': 'a = [["x"], ["y"]]',
        "a = [{ b = 1 } { c = 2 }]": "a = [{ b = 1 }, { c = 2 }]",
        "a = [1 [2]]": "a = [1, [2]]",
        'a = ["x" 1]': 'a = ["x", 1]',
        'a = "x" "y"': None,
        'a = [["x" "y"], "z"]': 'a = [["x", "y"], "z"]',
        'a = ["x", "y"] # "z" "w"': 'a = ["x", "y"] # "z" "w"',
        'a = { b = "x" c = "y" }': 'a = { b = "x", c = "y" }',
        "a = [[1] 2]": "a = [[1], 2]",
        "a = [{ b = 1 } [2]]": "a = [{ b = 1 }, [2]]",
        'a = ["x"\n"y"]': 'a = ["x",\n"y"]',
        'a = [\n  "x"\n  "y"\n]': 'a = [\n  "x",\n  "y"\n]',
    },
    "brackets that do not match": {
        'a = ["x"': 'a = ["x"]',
        'a = [["x"]': 'a = [["x"]]',
        'a = ["x"]]': 'a = ["x"]',
        'a = ["x"}': 'a = ["x"]',
        "a = { b = 1": "a = { b = 1}",
        "a = { b = 1]": "a = { b = 1}",
        'a = ["x" # c': 'a = ["x"] # c',
        'a = ["x",': 'a = ["x"]',
        'a = ["["': 'a = ["["]',
        'a = ["x"] }': 'a = ["x"] ',
        "a = [{ b = 1 ]": "a = [{ b = 1 }]",
        'a = ["]"]]': 'a = ["]"]',
        'a = [["x"], ["y"]': 'a = [["x"], ["y"]]',
        "a = x]": None,
        "a = [,]]": None,
    },
    "a string of several lines has three quotes at each end": {
        'a = """x': 'a = """x"""',
        "a = '''x\ny": "a = '''x\ny'''",
        'a = "x\ny"': 'a = """x\ny"""',
        "a = 'x\ny'": "a = '''x\ny'''",
        'a = "x\ny': 'a = """x\ny"""',
        "a = 'x\ny": "a = '''x\ny'''",
        "a = x\ny": None,
        'a = "x" y': None,
        'a = "x\ny"  ': 'a = """x\ny"""  ',
        'a = "x': None,
        'a = """x\ny  ': 'a = """x\ny"""  ',
    },
    "a quote, or a backslash, inside a string": {
        'a = "x"y"': "a = 'x\"y'",
        'a = "x\\d"': "a = 'x\\d'",
        "a = 'it's'": 'a = "it\'s"',
        'a = "\\"': "a = '\\'",
        'a = "it\'s \\d"': 'a = "it\'s \\\\d"',
        'a = "x""': "a = 'x'",
        "a = 'x''": 'a = "x"',
        'a = "ü\'s \\d"': 'a = "ü\'s \\\\d"',
        "a = x": None,
        'a = "': None,
        "a = tat": None,
        'a = ""': None,
        'a = "\\d""': "a = '\\d\"'",
        "a = 'x\"y's'": 'a = "x\\"y\'s"',
    },
    "no closing quote": {
        'a = "x': 'a = "x"',
        "a = 'x": "a = 'x'",
        'a = ["x]': 'a = ["x"]',
        'a = "x # c': 'a = "x" # c',
        'a = x"': 'a = "x"',
        'a = { b = x", c = y" }': None,
        'a = [x", "y"]': None,
        "a = 'it is # \"c": "a = 'it is' # \"c",
        'a = "x]  # c': 'a = "x]"  # c',
        'a = {b = "x}': 'a = {b = "x"}',
        'a = "': 'a = ""',
        'a = x = y"': 'a = "x = y"',
    },
    "a list is wanted here": {
        'a = x -p "y z"': 'a = ["x", "-p", "y z"]',
        "a = [x]": None,
        'a = "x"': None,
        "a = 'x'": None,
        "a = (x)": None,
        "b = x": None,
        "a = x # y # z": 'a = ["x"]',
        'a = "x" y': None,
        "a = ü": 'a = ["ü"]',
        'a = x "y': None,
    },
    "a sign is missing, or one is too many": {
        "a = = 4": "a  = 4",
        "a == 4": "a = 4",
        "a 4": None,
        'a = ["x",, "y"]': 'a = ["x", "y"]',
        'a = [""x"]': 'a = ["x"]',
        'a = "x"!': 'a = "x"',
        'a = & "x"': 'a =  "x"',
        'a = "x" "': 'a = "x" ',
        "[a}": None,
        "a]": None,
        "[[a]": "[a]",
        "a = {b = , c = 1}": 'a = {b = "", c = 1}',
        'a = {b "x"}': 'a = {b =  "x"}',
        "a = x": None,
        "a": None,
    },
    "TOML writes it true or false": {
        "a = yes": "a = true",
        "a = OFF # c": "a = false # c",
        "a = True": "a = true",
        "a = yes no": None,
        'a = "yes"': 'a = "yes"',
        "a = yesterday": None,
    },
    "TOML has no word for nothing": {
        "a = None": "",
        "a = null # c": "",
        "a = nil # a # b": "",
        "a = Nothing": None,
        'a = "null"': None,
        "a = ~": "",
    },
    "a key is one word": {
        "at once = 4": "at_once = 4",
        "at onse = 4": "at_once = 4",
        "foo bar = 4": "foo_bar = 4",
        "a? = 4": "a = 4",
        "a b c = 4": "a_b_c = 4",
        "? = 4": None,
        "a = 4": "a = 4",
    },
    "a comment begins with '#'": {
        "a = 4 // b": "a = 4 # b",
        "a = 4 // b // c": "a = 4 # b // c",
        "a = 4 // b // c // d": "a = 4 # b // c // d",
        "a = 4 -- b": "a = 4 # b",
        "a = 4; b": None,
        "// b": "# b",
        "a = 4//b": None,
        'a = "x" /* y */': 'a = "x" # y */',
    },
    "a letter before a string": {
        "a = r'\\d'": "a = '\\d'",
        'a = r"\\d"': "a = '\\d'",
        'a = f"x"': 'a = "x"',
        'a = [r"\\d", b"x"]': None,
        'a = rb"x"': 'a = "x"',
    },
    "an apostrophe inside single quotes": {
        "a = 'it's'": 'a = "it\'s"',
        "a = ['it's', 'x']": "a = [\"it's\", 'x']",
        "a = 'a'b'c'": None,
        'a = "it\'s"': 'a = "it\'s"',
    },
    "a backslash that stands for nothing": {
        'a = "C:\\dir"': "a = 'C:\\dir'",
        'a = ["C:\\dir", "ü\'s\\d"]': "a = ['C:\\dir', \"ü's\\\\d\"]",
        'a = "x"': 'a = "x"',
    },
    "a line break inside a string": {
        'a = ["x\ny"]': 'a = ["xy"]',
        'a = "x"': None,
    },
    "a value begins in the line of its key": {
        "a =\n 4": "a = 4",
        "a = # c\n 4": "a = 4",
        'a =\n "x",\n]': 'a = [ "x",\n]',
        "a =  \n\n4": "a = 4",
        "a = 4\n5": None,
    },
    "more than one statement on a line": {
        "a = 1 b = 2": "a = 1§b = 2",
        "a = 1; b = 2": "a = 1§b = 2",
        "[t] a = 1": "[t]§a = 1",
        'a = "x" [t]': 'a = "x"§[t]',
        "a = [1] [t] b = 2": "a = [1]§[t]§b = 2",
        'a = "b = 1"': None,
        "a = 1 # b = 2": None,
        "a = 5m c = 1": None,
        "a = {x = 1} b = 2": "a = {x = 1}§b = 2",
        "a = [x b = 2": None,
        "[a.b] c = 1": "[a.b]§c = 1",
        "[[t]] a = 1": "[[t]]§a = 1",
        "a = 1 b": None,
        "a = x [y]": None,
    },
    "a table's name has square brackets on both sides": {
        "[a]]": "[a]",
        "[[a]": "[[a]]",
        "[a b]": '["a b"]',
        "[a.b c]": '[a."b c"]',
        "a:": "[a]",
        "[a]:": "[a]",
        "[a] # c": "[a] # c",
        "[a # c": "[a] # c",
        "[[a": "[[a]]",
        '["a"': "[a]",
        "[a-b.c": "[a-b.c]",
        "{a}": None,
    },
}
"""By the words of a kind, what was written and what was meant; § stands between statements that get a line each."""


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("words", "written", "meant"), [(words, *row) for words, rows in ALONE.items() for row in rows.items()]
)
def test_a_kind_of_slip_makes_of_a_line_what_was_meant_or_nothing(words: str, written: str, meant: str | None) -> None:
    found = next(filter(is_toml, RULES[words].meant(Statement(0, (), written, KNOWN))), None)

    assert (meant and meant.replace("§", JOINT)) == found


@pytest.mark.parametrize(("more", "tried"), [(0, True), (1, False)])
def test_a_missing_sign_is_looked_for_only_in_a_statement_of_few_tokens(more: int, tried: bool) -> None:
    text = '["a" ' + "[" * (TOKENS_MAX + more - 3)
    assert TOKENS_MAX + more == len(list(toml_tokens(text)))

    assert tried == any(LAST_SLIP.meant(Statement(0, (), text)))
