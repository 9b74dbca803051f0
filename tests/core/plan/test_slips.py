"""A slip of the pen in a plan is answered with its line, its key and what to write instead."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeman.core.errors import WRITE, PlanError
from wakeman.core.model import Plan, UnitsSpec
from wakeman.core.plan.json_slips import mend_json
from wakeman.core.plan.parser import policy, read_plan
from wakeman.core.plan.slips import SHOWN_CHARS_MAX, SLIPS_MAX, mend

HEAD = """name = "a"
[units]
glob = "in/*.md"
output = "out/{{ stem }}.md"
[workers]
"""
LINE = HEAD.count("\n") + 1
CURES = [
    # text without quotes
    ("[wake]\nevery = 5m", "wake.every", 'every = "5m"'),
    ("[wake]\nevery = 1.5h # or less", "wake.every", 'every = "1.5h" # or less'),
    ("[verify]\nmin_bytes = 1K", "verify.min_bytes", 'min_bytes = "1K"'),
    ("harness = claude", "workers.harness", 'harness = "claude"'),
    ("by = {{ parent }}", "workers.by", 'by = "{{ parent }}"'),
    ('args = ["--x", $HOME, ~/x]', "workers.args", 'args = ["--x", "$HOME", "~/x"]'),
    ("[wake]\nto = [{ tmux = main }]", "wake.to", 'to = [{ tmux = "main" }]'),
    ("[wake]\nevery = 5m\n", "wake.every", 'every = "5m"'),
    ("agent = x # none", "workers.agent", 'agent = "x" # none'),
    ("args = claude -p # a # b", "workers.args", 'args = ["claude", "-p"]'),
    ("args = grüß x", "workers.args", 'args = ["grüß", "x"]'),
    ("at onse = 4", "workers.at_once", "at_once = 4"),
    ("at_once = 4 // a // b", "workers.at_once", "at_once = 4 # a // b"),
    ("at_once = 4 // a // b // c", "workers.at_once", "at_once = 4 # a // b // c"),
    ("args = ['a' 'b'] # c", "workers.args", "args = ['a', 'b'] # c"),
    ("args = [a b, c]", "workers.args", 'args = ["a b", "c"]'),
    ("cwd = grün", "workers.cwd", 'cwd = "grün"'),
    ("env = {A= x}", "workers.env", 'env = {A= "x"}'),
    ("env = {A=x,B=y}", "workers.env", 'env = {A="x",B="y"}'),
    ("env = { A = 'x', B = x }", "workers.env", "env = { A = 'x', B = \"x\" }"),
    ('cwd = "a"b"', "workers.cwd", "cwd = 'a\"b'"),
    ('cwd = "ü\'s \\d"', "workers.cwd", 'cwd = "ü\'s \\\\d"'),
    ("cwd = 'it's \"x\"'", "workers.cwd", 'cwd = "it\'s \\"x\\""'),
    ("cwd = 'it's \"ü\"'", "workers.cwd", 'cwd = "it\'s \\"ü\\""'),
    ('cwd = "a\\d""', "workers.cwd", "cwd = 'a\\d\"'"),
    ("cwd = 'x''", "workers.cwd", 'cwd = "x"'),
    ("cwd = 'a\\d''", "workers.cwd", 'cwd = "a\\\\d\'"'),
    ('args = ["ü\'s "x" y", "b"]', "workers.args", 'args = ["ü\'s \\"x\\" y", "b"]'),
    ('args = ["a", "C:\\ü\'s"]', "workers.args", 'args = ["a", "C:\\\\ü\'s"]'),
    ("before = [['a'] ['b']]", "workers.before", "before = [['a'], ['b']]"),
    ("args = ['a' 'b', 'c' 'd'] # e", "workers.args", "args = ['a', 'b', 'c', 'd'] # e"),
    ("args = ['a', '[b'", "workers.args", "args = ['a', '[b']"),
    ("args = ['a', 'b]'", "workers.args", "args = ['a', 'b]']"),
    ("args = ['a'}", "workers.args", "args = ['a']"),
    ("env = { A = 'x'", "workers.env", "env = { A = 'x'}"),
    ("before = [['a'", "workers.before", "before = [['a']]"),
    ("cwd = '''a", "workers.cwd", "cwd = '''a'''"),
    ('cwd = """a', "workers.cwd", 'cwd = """a"""'),
    ("at_once =\n  4", "workers.at_once", "at_once = 4"),
    ("mode =\n'print' # x", "workers.mode", "mode = 'print' # x"),
    ("args = # c\n  ['a']", "workers.args", "args = ['a']"),
    ("args = ['a'], 'b']", "workers.args", "args = ['a', 'b']"),
    ("cwd = 'x'!", "workers.cwd", "cwd = 'x'"),
    ('cwd = a"# = b"', "workers.cwd", 'cwd = "a"# = b"'),
    ("args = ['a\\d\", 'b']", "workers.args", "args = ['a\\d', 'b']"),
    ("args = node x", "workers.args", 'args = ["node", "x"]'),
    ("cwd = & 'x'", "workers.cwd", "cwd = 'x'"),
    ("args = [''a']", "workers.args", "args = ['a']"),
    ("[wake # nights", "wake", "[wake] # nights"),
    ("[wake: # nights", "wake", "[wake] # nights"),
    ("[ wake ]]  # x", "wake", "[wake] # x"),
    # words of other languages
    ("[wake]\nhold = True", "wake.hold", "hold = true"),
    ("[wake]\nhold = yes", "wake.hold", "hold = true"),
    ("auto_approve = OFF", "workers.auto_approve", "auto_approve = false"),
    # signs that are missing, or too many
    ("at_once = = 4", "workers.at_once", "at_once = 4"),
    ("env = { A = , B = '2' }", "workers.env", "env = { A = \"\", B = '2' }"),
    ("env = { A = }", "workers.env", 'env = { A = ""}'),
    ("env = { A '1', B = '2' }", "workers.env", "env = { A = '1', B = '2' }"),
    ("env = { A = '1', B = '2' ,, }", "workers.env", "env = { A = '1', B = '2' }"),
    ("env = {\n  A = '1'\n  B = '2',\n}", "workers.env", "env = { A = '1', B = '2' }"),
    ('[wake]\nto = \n  { tmux = "x" },\n  { tmux = "y" },\n]', "wake.to", 'to = [ { tmux = "x" }, { tmux = "y" }, ]'),
    ('[wake]\nto = [\n  { tmux = "x" },\n  { run ["y"] },\n]', "wake.to", 'to = [ { tmux = "x" }, { run = ["y"] }, ]'),
    ("command =\n  ['a', 'b']", "workers.command", "command = ['a', 'b']"),
    ('args = ["a", "b\nc"]', "workers.args", 'args = ["a", "bc"]'),
    ("args = [\"it's\", 'it's']", "workers.args", 'args = ["it\'s", "it\'s"]'),
    # quotes
    ('goal_ = 1\n[wake]\nevery = "5m', "wake.every", 'every = "5m"'),
    ("[wake]\nevery = '5m", "wake.every", "every = '5m'"),
    ("[wake]\nevery = 5m'", "wake.every", "every = '5m'"),
    ("[wake]\nevery = \"5m'", "wake.every", 'every = "5m"'),
    ('[wake]\nevery = "5m""', "wake.every", "every = '5m'"),
    ('args = ["a]', "workers.args", 'args = ["a"]'),
    ("[wake]\nevery = “5m”", "wake.every", 'every = "5m"'),
    ("mode = ‘print’", "workers.mode", "mode = 'print'"),
    ("args = [“-a”, “it’s”]", "workers.args", 'args = ["-a", "it\'s"]'),
    ('prompt = "say "hi""', "workers.prompt", "prompt = 'say \"hi\"'"),
    ('prompt = "say \\"it\'s" \\x"', "workers.prompt", 'prompt = "say \\\\\\"it\'s\\" \\\\x"'),
    ('args = ["-c", "echo "hi""]', "workers.args", 'args = ["-c", \'echo "hi"\']'),
    ('args = ["it\'s "a""]', "workers.args", 'args = ["it\'s \\"a\\""]'),
    ('prompt = "C:\\dir"', "workers.prompt", "prompt = 'C:\\dir'"),
    ('args = ["\\d+", "a"]', "workers.args", "args = ['\\d+', \"a\"]"),
    ('args = ["\\d\'", "a"]', "workers.args", 'args = ["\\\\d\'", "a"]'),
    ('args = [r"\\d+"]', "workers.args", "args = ['\\d+']"),
    ("args = [f'a']", "workers.args", "args = ['a']"),
    ('prompt = "one\ntwo"', "workers.prompt", 'prompt = """one ... two"""'),
    ("prompt = '''one\ntwo\nthree\n[wake]\nevery = 60", "workers.prompt", "prompt = '''one ... three'''"),
    # signs between key and value
    ("at_once: 4", "workers.at_once", "at_once = 4"),
    ("at_once := 4", "workers.at_once", "at_once = 4"),
    ("at_once == 4", "workers.at_once", "at_once = 4"),
    ("at_once 4", "workers.at_once", "at_once = 4"),
    ("at_once ＝ 4", "workers.at_once", "at_once = 4"),
    ("mode: print", "workers.mode", 'mode = "print"'),
    ("at once = 4", "workers.at_once", "at_once = 4"),
    ("export at_once = 4", "workers.at_once", "at_once = 4"),
    ("- at_once: 4", "workers.at_once", "at_once = 4"),
    ("at_once = 4,", "workers.at_once", "at_once = 4"),
    ("at_once = 4; # four", "workers.at_once", "at_once = 4 # four"),
    # blanks and what cannot be seen
    ("\u00a0at_once = 4", "workers.at_once", "at_once = 4"),
    ("at_once =\u00a04", "workers.at_once", "at_once = 4"),
    ("at_once\u200b = 4", "workers.at_once", "at_once = 4"),
    ("at_once = 4\u2028", "workers.at_once", "at_once = 4"),
    ("at_once = 4\x0c", "workers.at_once", "at_once = 4"),
    ("at_once = 4\x85", "workers.at_once", "at_once = 4"),
    # comments
    ("at_once = 4 // four", "workers.at_once", "at_once = 4 # four"),
    ("// note", "", "# note"),
    ("; note", "", "# note"),
    # numbers
    ("at_once = 04", "workers.at_once", "at_once = 4"),
    ("[verify]\nmax_ratio = .6", "verify.max_ratio", "max_ratio = 0.6"),
    ("[verify]\nmax_ratio = 6.", "verify.max_ratio", "max_ratio = 6.0"),
    ("[verify]\nmax_ratio = 0.6f", "verify.max_ratio", "max_ratio = 0.6"),
    ("[verify]\nmin_bytes = 10,000", "verify.min_bytes", "min_bytes = 10000"),
    # lists and tables
    ("args = --model opus", "workers.args", 'args = ["--model", "opus"]'),
    ('before = [["a" "b"]]', "workers.before", 'before = [["a", "b"]]'),
    ('args = ["a", "b"', "workers.args", 'args = ["a", "b"]'),
    ('args = ["a", "b" # two', "workers.args", 'args = ["a", "b"] # two'),
    ('args = ["a", "b"]]', "workers.args", 'args = ["a", "b"]'),
    ('args = ["a", "b"}', "workers.args", 'args = ["a", "b"]'),
    ('args = ("a", "b")', "workers.args", 'args = ["a", "b"]'),
    ('args = [\n "a",\n "b"\n# the alarm\n[wake]\nevery = 60', "workers.args", 'args = [ "a", "b"]'),
    ('env = { A: "b" }', "workers.env", 'env = { A = "b" }'),
    ('env = { A = "b"; B = "c" }', "workers.env", 'env = { A = "b", B = "c" }'),
    ('env = { A = "b" B = "c" }', "workers.env", 'env = { A = "b", B = "c" }'),
    ('env = {\n A = "b", # one\n B = "c"\n}\nat_once = 3', "workers.env", 'env = { A = "b", B = "c" }'),
    ("[wake\nevery = 60", "wake", "[wake]"),
    ("[wake]]\nevery = 60", "wake", "[wake]"),
    ("[wake]: # often\nevery = 60", "wake", "[wake] # often"),
    ("wake:\nevery = 60", "wake", "[wake]"),
    ('[[cleanup.sweep]\nsessions = "a"', "cleanup.sweep", "[[cleanup.sweep]]"),
    ('[agents.my own]\ndescription = "a"\nprompt = "b"', "agents.'my own'", '[agents."my own"]'),
]
"""What is written, the key that is named, and what is to be written instead."""


def problems(text: str) -> list[str]:
    """Read a text that must be refused."""
    with pytest.raises(PlanError) as caught:
        read_plan(text, "w.toml")
    return [problem for problem in caught.value.problems if "workers.command: missing" not in problem]


def line_of(written: str, key: str) -> int:
    """Return the line on which the slip of a row of CURES is: the one that has the last part of its key."""
    last = key.rpartition(".")[2].strip("'")
    return next(
        (at for at, line in enumerate(written.split("\n"), LINE) if last in line.replace(" once", "_once")), LINE
    )


@pytest.mark.parametrize(("written", "key", "cure"), CURES)
def test_a_slip_is_answered_with_its_line_its_key_and_the_cure(written: str, key: str, cure: str) -> None:
    found = [problem for problem in problems(HEAD + written) if "goal_" not in problem]

    assert [cure] == [problem.partition(WRITE)[2] for problem in found], found
    assert found[0].startswith(f"w.toml:{line_of(written, key)}: {key}{': ' if key else ''}found ")
    if "..." not in cure:
        tomllib.loads(cure)


BLANKS = [sign for sign in map(chr, range(0x21, 0x3001)) if category(sign) in ("Zs", "Zl", "Zp")]
ODD_SIGNS = [
    *((sign, "a blank that TOML does not know") for sign in (*BLANKS, "\x0b", "\x0c", "\x85")),
    *((sign, "a character that cannot be seen") for sign in "\u00ad\u200b\u200c\u200d\u2060\ufeff"),
]


@pytest.mark.parametrize(("sign", "words"), ODD_SIGNS, ids=ascii)
def test_each_blank_of_unicode_and_what_cannot_be_seen_is_a_slip_of_its_own(sign: str, words: str) -> None:
    (found,) = problems(f"{HEAD}at_once = {sign}4")

    assert found.endswith(f": {words}; write: at_once = 4")


SIGN, TEXT, SPLIT = "'=' stands between key and value", "text without quotes", "more than one statement on a line"
NUMBER_WORDS, INNER = "TOML writes this number otherwise", "a quote, or a backslash, inside a string"
IN_WORDS = [
    ("at onse = 4", "a key is one word"),
    ("at_once = 4 // a", "a comment begins with '#'"),
    ("at_once = 4 ; a", "a comment begins with '#'"),
    ("agent = x # none", TEXT),
    ("args = claude -p", "a list is wanted here"),
    ("stage = yes", "TOML writes it true or false"),
    ("env = { A = yes }", TEXT),
    ("at_once = 007", NUMBER_WORDS),
    ("at_once = 1,000,000 # x", NUMBER_WORDS),
    ("[verify]\nmax_ratio = .5", NUMBER_WORDS),
    ("[verify]\nmax_ratio = 0.6f", NUMBER_WORDS),
    ("args = ['a', 'b'", "brackets that do not match"),
    ("args = ['a']]", "brackets that do not match"),
    ("args = [1,,2]", "a sign is missing, or one is too many"),
    ('cwd = """a', "a string of several lines has three quotes at each end"),
    ("cwd = 'a\nb'", INNER),
    ("args =\n  'a',\n]", "a value begins in the line of its key"),
    ("cwd = r'\\d'", "a letter before a string"),
    ("cwd = 'it's'", "an apostrophe inside single quotes"),
    ('cwd = "say "hi" now"', INNER),
    ('args = ["sh", "-c", "echo "a""]', "a quote inside a string"),
    ("cwd = 'a # b", "no closing quote"),
    ("[wake", "a table's name has square brackets on both sides"),
    ("wake:", "a table's name has square brackets on both sides"),
    ("at_once = 4 [wake] hold = true", SPLIT),
    ("set at_once = 4", "a word before the key"),
    ("- cwd = 'x'", "a word before the key"),
    *((f"cwd {sign} 'x'", SIGN) for sign in (":", ":=", "=>", "->", "==", "=:", "+=", "")),
    ("stage true", SIGN),
    ("args = ['a' 'b'] # c", "no comma between two values"),
    ("args = ['a' # c\n'b']", "no comma between two values"),
    ("args = [4 'b']", "no comma between two values"),
    ("env = { A = ['a'] B = { C = 'c' } D = 'd' }", "an inline table is { key = value, key = value } in one line"),
    ("env = { A: 'a', B: 'b' }", "an inline table is { key = value, key = value } in one line"),
    ("env = { A = 'a' B = 'b' }", "an inline table is { key = value, key = value } in one line"),
]


SEVERAL = [
    ("[\nwake]", "[wake]"),
    ("args = [\n 'a'\n 'b'\n]", "args = [ 'a', 'b' ]"),
    ("args = [\n 'a',\n 'b'", "args = [ 'a', 'b']"),
    ("args = ['a',\n 'b'", "args = ['a', 'b']"),
    ("args = ['a',\n b]", "args = ['a', \"b\"]"),
    ("args = [ # c\n a\n]", 'args = [ # c "a" ]'),
    ("env = { A = 'x',\n B = y }", "env = { A = 'x', B = \"y\" }"),
    ("env = { # c\n A = 'x' }", "env = { A = 'x' }"),
    ("env = {\n A = 'x'\n}", "env = { A = 'x' }"),
    ("before = [\n ['a' 'b']\n ['c']\n]", "before = [ ['a', 'b'], ['c'] ]"),
    ("before = [['a',\n 'b'],\n ['c' 'd']]", "before = [['a', 'b'], ['c', 'd']]"),
    ('prompt = "a\nb\nc"', 'prompt = """a ... c"""'),
    ('prompt = "a\n\n# b\nc"', 'prompt = """a ... c"""'),
    ("args =\n [\n 'a'\n ]", "args = [ 'a' ]"),
    ("env =\n { A = 'x' }", "env = { A = 'x' }"),
    ("stage =\n true", "stage = true"),
    ("args = ['a' ']',\n 'c']", "args = ['a', ']', 'c']"),
    ("args = ['a', '[' 'b',\n 'c']", "args = ['a', '[', 'b', 'c']"),
    ('args = ["x" """a\nb""", "c"]', 'args = ["x", """a ... b""", "c"]'),
    ('prompt = x """a\nb""" # c', 'prompt = """a ... b""" # c'),
    ('args = ["x" """a\nb"""]', 'args = ["x", """a ... b"""]'),
    ("args = ['x' '''a\nb''']", "args = ['x', '''a ... b''']"),
    ('env = { A = x, B = """a\nb""" }', 'env = { A = "x", B = """a ... b""" }'),
    ("args = ['a', 'b'\n\n# c\n", "args = ['a', 'b']"),
    ("args = ['a', 'b'\n# c", "args = ['a', 'b']"),
    ("args = [\n 'a' # c\n 'b'\n]", "args = [ 'a', # c 'b' ]"),
    ("args ['a',\n 'b']", "args = ['a', 'b']"),
    ("before = [[''a'],\n ['b']]", "before = [['a'], ['b']]"),
    ('before = [[\'\'a\', """b"""],\n [\'c\']]', 'before = [[\'a\', """b"""], ... [\'c\']]'),
]


@pytest.mark.parametrize(("written", "cure"), SEVERAL)
def test_a_slip_in_several_lines_is_answered_at_the_first_and_what_follows_is_told_at_its_own(
    written: str, cure: str
) -> None:
    below = "hold = 4" if cure == "[wake]" else "cwd = 4"
    found = problems(f"{HEAD}{written}\n{below}")

    assert cure == found[0].partition(WRITE)[2]
    assert [LINE, LINE + written.count("\n") + 1] == [int(each.split(":")[1]) for each in found]


@pytest.mark.parametrize(("written", "words"), IN_WORDS)
def test_a_slip_is_named_in_words_that_fit_it(written: str, words: str) -> None:
    found = problems(HEAD + written)[0]

    assert words == re.split(r"; (?:write|found|take)", found)[0].rpartition(": ")[2]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("agent = None", "workers.agent: found agent = None: TOML has no word for nothing; take the line out"),
        ("at_once =", "workers.at_once: found at_once =: no value; give it one, or take the line out"),
        (
            "agent = None # none # x",
            "workers.agent: found agent = None # none # x: TOML has no word for nothing; take the line out",
        ),
        (
            "[limits]\n= 4",
            (
                "found = 4: no key before '='; expected one of "
                "give_up, give_up_do, memory, max_cost, max_tokens, over, wait, adapt before it"
            ),
        ),
        ("```toml", "found ```toml: this is no TOML; take the line out"),
        ("at_once = 4\nat_once = 5", "workers.at_once: found this key twice, first at line 6; keep one of the two"),
        (
            '[units]\nlimit = 3\n[wake]\nevery = "5m"',
            "units: found this table twice, first at line 2; put its keys there, and take line 6 out",
        ),
        (
            "[[workers]]\nagent = 'x'",
            "workers: found this table twice, first at line 5; put its keys there, and take line 6 out",
        ),
        ("[name.x]", "name.x: found below name, which line 1 closed; expected all of it in one place"),
        (
            "env = { A = 'b' }\nenv.B = 'c'",
            "workers.env.B: found below workers.env, which line 6 closed; expected all of it in one place",
        ),
    ],
)
def test_what_is_to_be_taken_out_is_told(written: str, expected: str) -> None:
    (found,) = problems(HEAD + written)

    assert expected == found.partition(": ")[2]


def test_a_value_without_a_key_in_a_table_that_no_plan_has_names_the_tables() -> None:
    found = problems(f"{HEAD}[nights]\n= 4")

    assert (
        f"w.toml:{LINE + 1}: found = 4: no key before '='; expected one of name, units and other tables before it"
        in found
    )


@pytest.mark.parametrize("blank", ["\n", "\n\n", "# a note\n"])
def test_a_slip_is_told_at_its_line_whatever_a_plan_begins_with(blank: str) -> None:
    (found,) = problems(f"{blank}{HEAD}stage = yes")

    assert found.startswith(f"w.toml:{LINE + len(blank.splitlines())}: ")


@pytest.mark.parametrize(("more", "shown"), [(0, ""), (1, "...")])
def test_a_long_line_is_shown_by_its_beginning(more: int, shown: str) -> None:
    line = "cwd = ".ljust(SHOWN_CHARS_MAX, "x")
    (found,) = problems(f"{HEAD}{line}{'x' * more}")

    assert f"found {line}{shown}: text without quotes" in found


@pytest.mark.parametrize(
    ("written", "key", "example"),
    [("}", "", 'key = "value"'), ("asdf", "", 'key = "value"'), ("? = 4", "", 'key = "value"'),
     ("args = ['a'] ['b', 'c']", "workers.args: ", 'args = ["text"]'),
     ("env.A = { [A]] = 1, (B) = 2, }", "workers.env.A: ", 'env = { NAME = "value" }'),
     ("env = { [A]] = 1, (B) = 2, }", "workers.env: ", 'env = { NAME = "value" }'),
     ("env = { # c\n A: 'x'\n B:: 'y'\n}", "workers.env: ", 'env = { NAME = "value" }')],
)  # fmt: skip
def test_a_line_of_which_nothing_can_be_made_is_named_in_our_words(written: str, key: str, example: str) -> None:
    (found,) = problems(HEAD + written)

    told = "; expected one key = value, its text in quotes, or one [table], on a line of its own; write: "
    assert found.startswith(f"w.toml:{LINE}: {key}found {written.splitlines()[0]}")
    assert found.endswith(told + example)


EXAMPLES = [
    ("", "mode", '"interactive"'),
    ("", "auto_approve", '"all"'),
    ("", "stagger", '"5m"'),
    ("", "stream_max", '"10M"'),
    ("", "at_once", "1"),
    ("", "stage", "true"),
    ("", "cwd", '"text"'),
    ("", "args", '["text"]'),
    ("", "before", '[["text"]]'),
    ("[limits]\n", "max_cost", "1"),
    ("[limits]\n", "memory", '"10M"'),
    ("[stuck]\n", "waiting", '["ask"]'),
    ("[verify]\n", "parse_limit", '{ time = "5m" }'),
    ("[verify.parse_limit]\n", "size", '"10M"'),
    ("[wake]\n", "to", '[{ run = ["text"] }]'),
    ("[[wake.to]]\n", "run", '["text"]'),
    ("[[wake.to]]\n", "submit", "true"),
    ("[[cleanup.move]]\n", "from", '"text"'),
]


@pytest.mark.parametrize(("table", "key", "value"), EXAMPLES)
def test_a_value_of_which_nothing_can_be_made_is_answered_with_an_example_of_what_its_key_takes(
    table: str, key: str, value: str
) -> None:
    (found,) = problems(f"{HEAD}{table}{key} = {{ [A]] = 1, (B) = 2, }}")

    assert f"{key} = {value}" == found.partition(WRITE)[2]
    fine = f"{HEAD}command = ['x']\n{table}{key} = {value}\n"
    fine += {"[[cleanup.move]]\n": "to = 'done/'", "[[wake.to]]\n": "run = ['x']" * (key == "submit")}.get(table, "")
    read_plan(fine, "w.toml")


def test_what_is_wrong_with_two_statements_on_a_line_is_told_at_that_line() -> None:
    found = problems(HEAD + "# a note\nstagger = 'soon' at_once = 'x'\ncwd = 4\n")

    middle = problems(HEAD + "# a note\nat_once = 4 stagger = 'soon' mode = 'print'")
    assert f"w.toml:{LINE + 1}: workers.stagger: " in "\n".join(middle)
    assert [
        f"w.toml:{LINE + 1}: workers.stagger",
        f"w.toml:{LINE + 1}: workers.at_once",
        f"w.toml:{LINE + 2}: workers.cwd",
    ] == [": ".join(problem.split(": ")[:2]) for problem in found]


@pytest.mark.parametrize(
    ("written", "cures"),
    [
        ("at_once = 4 agent = 'x'", ["at_once = 4", "agent = 'x'"]),
        ("at_once = 4; mode = 'print', cwd = 'x' # c", ["at_once = 4", "mode = 'print'", "cwd = 'x' # c"]),
        ("args = ['a = 1', '[b]'] mode = 'print'", ["args = ['a = 1', '[b]']", "mode = 'print'"]),
        ("env = { A = 'x' } mode = 'print'", ["env = { A = 'x' }", "mode = 'print'"]),
        ("cwd = 'x' [[wake.to]] tmux = 'a' # b = 1 c = 2", ["cwd = 'x'", "[[wake.to]]", "tmux = 'a' # b = 1 c = 2"]),
        ("at_once\t=\t4\tmode\t=\t'print'", ["at_once = 4", "mode = 'print'"]),
        ("command = ['a'] at_once = 4", ["command = ['a']", "at_once = 4"]),
        ("command = ['a']at_once = 4", ["command = ['a']", "at_once = 4"]),
        ("at_once = 4agent = 'x'", ["at_once = 4", "agent = 'x'"]),
        ("[wake] every = '5m'", ["[wake]", "every = '5m'"]),
        ("[[wake.to]] run = ['x']", ["[[wake.to]]", "run = ['x']"]),
        ("command = ['a'] [wake]", ["command = ['a']", "[wake]"]),
        ("[wake][verify]", ["[wake]", "[verify]"]),
        ("at_once = 4 [wake] every = 5m", ["at_once = 4", "[wake]", "every = 5m", 'every = "5m"']),
        ("args = ['a'] setup = [['b',\n c]]", ["args = ['a']", "setup = [['b', \"c\"]]"]),
        ("stagger = 2s at_once = 3", ["stagger = 2s", "at_once = 3", 'stagger = "2s"']),
        ("env.A = '1' env.B = '2'", ["env.A = '1'", "env.B = '2'"]),
        ('command = ["a"] prompt = """\none\n"""', ['command = ["a"]', 'prompt = """ ... """']),
    ],
)
def test_statements_on_one_line_are_each_written_anew(written: str, cures: list[str]) -> None:
    found = [problem for problem in problems(HEAD + written) if " missing or empty; " not in problem]

    assert cures == [cure for problem in found for cure in problem.split(WRITE)[1:]]
    assert {str(LINE)} == {problem.split(":")[1] for problem in found}


@pytest.mark.parametrize("joint", ["", " ", "\t", ";", "; ", ",", ", "])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("by = 'x'", "by = 'y'"),
        ('by = "x"', 'by = "y"'),
        ("by = 'x'", 'by = "x"'),
        ("env = { A = '1' }", "env = { A = '2' }"),
        ("setup = [['a']]", "setup = [['b']]"),
        ("env.A = '1'", "env.A = '2'"),
    ],
)
def test_one_key_twice_on_one_line_is_divided_and_told_as_twice(first: str, second: str, joint: str) -> None:
    found = [problem for problem in problems(HEAD + first + joint + second) if " missing or empty; " not in problem]

    assert [first, second] == [cure for problem in found for cure in problem.split(WRITE)[1:]]
    assert found[-1].endswith(f"found this key twice, first at line {LINE}; keep one of the two"), found


@pytest.mark.parametrize(
    ("written", "cure"),
    [
        ("args = ['a'\n)(", "args = ['a']"),
        ("cwd = 'a\nb", "cwd = 'a'"),
        ('cwd = "a\nb', 'cwd = "a"'),
        ('prompt = """a\n[wake]\ngoal = """x"""', 'prompt = """a"""'),
        ('@ = \'x\' """a\n"""', 'key = "value"'),
    ],
)
def test_what_follows_a_value_and_does_not_fit_it_is_left_for_itself(written: str, cure: str) -> None:
    found = problems(HEAD + written)

    assert cure == found[0].partition(WRITE)[2]


def test_a_header_over_two_lines_is_written_in_one() -> None:
    found = problems(HEAD + "[\nwake]\nevery = 7x")

    assert found[0].startswith(f"w.toml:{LINE}: wake: found [ wake]: ")
    assert "[wake]" == found[0].partition(WRITE)[2]
    assert found[-1].startswith(f"w.toml:{LINE + 2}: wake.every: found every = 7x: ")
    assert "[[wake.to]]" == problems(HEAD + "[[\nwake.to]]\nrun = ['x']")[0].partition(WRITE)[2]


def test_what_follows_statements_on_one_line_has_its_own_line() -> None:
    written = "at_once = 4 mode = 'print'\n\nharness = 7\n[wake] every = '5m'\nhold = 1"

    found = [problem for problem in problems(HEAD + written) if " missing or empty; " not in problem]
    assert [6, 8, 9, 10] == [int(problem.split(":")[1]) for problem in found], found


def test_slips_and_all_other_faults_are_told_at_once_each_key_once() -> None:
    found = problems(
        HEAD + 'stager = 2s\ncommand: ["true"]\n[wake]\nevery = 5 minutes\nhold = maybe\n[units]\nlimit = x'
    )

    assert [
        'w.toml:6: workers.stager: found stager = 2s: text without quotes; write: stager = "2s"',
        ("w.toml:7: workers.command: found command: [\"true\"]: '=' stands between key and value"
        '; write: command = ["true"]'),
        ("w.toml:9: wake.every: found every = 5 minutes: text without quotes"
        '; write: every = "5 minutes"'),
        'w.toml:10: wake.hold: found hold = maybe: text without quotes; write: hold = "maybe"',
        "w.toml:11: units: found this table twice, first at line 2; put its keys there, and take line 11 out",
        'w.toml:12: units.limit: found limit = x: text without quotes; write: limit = "x"',
    ] == found  # fmt: skip
    assert [
        (
            "w.toml:7: wake.every: found every = 5 minutes: text without quotes; found '5 minutes'; expected a number"
            " of seconds, or '90s', '5m', '2h', '1d' or 'complex', 'long' or 'simple'; write: \"5m\""
        ),
    ] == problems(HEAD + "[wake]\nevery = 5 minutes")


def test_another_policy_may_have_slips_too() -> None:
    base = Plan(name="x", units=UnitsSpec(items=("a",)))

    with pytest.raises(PlanError, match=r'p:2: wake.every: found every = 5m: .*; write: every = "5m"'):
        policy("[wake]\nevery = 5m", "p", base)


def test_a_text_with_more_slips_than_a_plan_may_have_is_given_up() -> None:
    slips, mended = mend("\n".join(f"a{at} = b" for at in range(SLIPS_MAX + 5)), lambda _: {})

    assert (SLIPS_MAX, None) == (len(slips), mended)


def test_of_two_slips_the_last_says_what_to_do_with_what_is_left() -> None:
    (found,) = problems(HEAD + "set at_once =")

    assert found.endswith("a word before the key, and no value; give it one, or take the line out")


def test_words_with_an_open_quote_are_no_list() -> None:
    slips, _ = mend('args = --model "a b', lambda _: {"args": "[]"})

    assert [1] == [slip.line for slip in slips]


@given(
    st.lists(st.sampled_from([written for written, _, _ in CURES if not written.startswith(("[", "/", ";", "`"))]),
             min_size=1, max_size=3)
)  # fmt: skip
@settings(deadline=None)
def test_slips_on_several_lines_are_all_told_in_their_order(several: list[str]) -> None:
    text = HEAD + "\n".join(f"[t{at}]\n{written}" for at, written in enumerate(several))
    slips, _ = mend(text, lambda _: {"at_once": "1", "args": "[]"})

    assert len(slips) >= len(several)
    assert all(one.line <= other.line for one, other in pairwise(slips))


# --- whatever a hand does to a plan -------------------------------------------------------------------------------

WHOLE = """# a night
name = "condense"
[units]
glob    = ["docs/**/*.rst", "more/*.md"]   # all
output  = "out/{{ path }}.md"
[workers]
by       = "{{ parent }}"
command  = ["claude", "-p"]
at_once  = 8
env      = { A = "1", B = "x" }
prompt   = \"\"\"
Condense the units.
\"\"\"
[verify]
max_ratio = 0.6
parse_limit = { time = "30s", memory = "1G" }
[wake]
every = "5m"
to = [
  { run = ["tell", "{{ message }}"] },
  { tmux = "desk" },
]
[[cleanup.move]]
from = "tasks/{{ group.name }}.md"
to   = "completed/"
[limits]
wait = true
"""
TOKEN = re.compile(r'"""(?:.|\n)*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|[A-Za-z0-9_.+-]+|\n|[ \t]+|.')
TOKENS = TOKEN.findall(WHOLE)
INSERTED = [
    *"\"'[]{},=:;x1#\\(.\t\n“",
    "[[",
    "]]",
    "true",
    "5m",
    "2026-01-01",
    "12:30",
    "[workers]\n",
    "[[wake]]\n",
    "a.b = 1\n",
]
PARSER_WORDS = re.compile(r"Invalid|Expected|Unclosed|Cannot|Illegal|Unescaped|\(at line|column \d|end of document")
"""Words of the TOML library."""


@st.composite
def mistyped(draw: st.DrawFn) -> str:
    """Draw the plan after one or two strokes of a hand that slips."""
    tokens = list(TOKENS)
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(tokens) - 1))
        token = tokens[at]
        tokens[at] = (
            draw(
                st.sampled_from(
                    [
                        "",
                        token * 2,
                        token.replace("\n", " "),
                        "\t" + token,
                        token[1:],
                        token[:-1],
                        token.upper(),
                        token + "\n",
                    ]
                )
            )
            or draw(st.sampled_from(INSERTED)) + token
        )
    return "".join(tokens)


@given(mistyped())
@settings(max_examples=300, deadline=None)
def test_whatever_a_hand_does_to_a_plan_is_told_with_line_and_what_was_expected_in_our_words(text: str) -> None:
    lines = text.count("\n") + 1
    found: tuple[str, ...] = ()
    try:
        read_plan(text, "w.toml")
    except PlanError as fault:
        found = fault.problems
    for problem in found:
        place, _, said = problem.partition(": ")
        assert re.fullmatch(r"w\.toml:\d+", place), problem
        assert 1 <= int(place.rpartition(":")[2]) <= lines
        assert not PARSER_WORDS.search(said), problem
        assert re.search(r"; write: |expected|; take |; keep |; put |; give |; did you mean |unfit", said), problem
        assert "\ue000" not in said


@pytest.mark.parametrize("line", [n for n, text in enumerate(WHOLE.split("\n")) if re.match(r"[\w\[]", text)])
def test_each_two_lines_of_a_plan_may_have_become_one(line: int) -> None:
    lines = WHOLE.split("\n")
    if not re.match(r"[\w\[]", lines[line + 1]) or "#" in lines[line] or '"""' in lines[line]:
        return
    first, second = lines[line], lines[line + 1]
    found = problems("\n".join([*lines[:line], f"{first} {second}", *lines[line + 2 :]]))

    assert f"w.toml:{line + 1}: " == found[0][: len(f"w.toml:{line + 1}: ")], found
    if not second.endswith(("[", '"""')):
        assert [" ".join(first.split()), " ".join(second.split())] == found[0].split(WRITE)[1:]
    assert 1 == len(found), found


# --- JSON -----------------------------------------------------------------------------------------------------


def js(workers: str = "", rest: str = "") -> str:
    """Return a plan as JSON, with more keys of `workers` and of the plan on a second and a third line."""
    units = '"units": {"items": ["a"], "output": "o"}'
    return f'{{"name": "a", {units}, "workers": {{"command": ["a"]\n{workers}}}\n{rest}}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (js(rest=","), ["3: workers: found , }: a comma behind the last value; write: }"]),
        (js(","), ["2: workers.command: found , }: a comma behind the last value; write: }"]),
        (js(', "args": ["a",]'), ["2: workers.args[0]: found , ]: a comma behind the last value; write: ]"]),
        (js(', "args": ["a" "b"]'), ['2: workers.args[1]: found "b": no comma before it; write: , "b"']),
        (js(', "args": ["a", {}, b]'),
         ["2: workers.args[1]: found a table; expected a string",
          '2: workers.args[2]: found b: no quotes; write: "b"']),
        (js('"at_once": 4'), ['2: workers.command: found "at_once": no comma before it; write: , "at_once"']),
        (js(", // four\n"), ["2: workers.command: found , }: a comma behind the last value; write: }",
                                  "2: workers.command: found // four: a comment, which JSON has none of; take it out"]),
        (js("/* a\nb */"), ["2: workers.command: found /* a b */: a comment, which JSON has none of; take it out"]),
        (js(", 'at_once': 4"), ["2: workers.at_once: found 'at_once': other quotes than JSON has; write: \"at_once\""]),
        (js(", at_once: 4"), ['2: workers.at_once: found at_once: no quotes; write: "at_once"']),
        (js(", 4: 4"), ['2: workers.4: found 4: no quotes; unknown key; expected one of ']),
        (js(rest=', "wake": {"hold": True}'),
         ["3: wake.hold: found True: a word that JSON writes otherwise; write: true"]),
        (js(", “mode”: “print”"), ['2: workers.mode: found “mode”: other quotes than JSON has; write: "mode"',
                                        '2: workers.mode: found “print”: other quotes than JSON has; write: "print"']),
        (js(', "mode": "print'), ['3: found the end: a bracket is not closed; write: }',
                                      '2: workers.mode: found "print}: no closing quote; found \'print}\'; expected ']),
        (js(', "stagger" = 2'), ["2: workers.stagger: found =: a sign that JSON has none of; write: :"]),
        (js(rest='; "goal": "x"'), ["3: workers: found ;: a sign that JSON has none of; write: ,"]),
        (js()[:-1], ["3: found the end: a bracket is not closed; write: }"]),
        (js(rest="}"), ["3: found }: nothing is open here; take it out"]),
        (js(rest=']'), ["3: found ]: { is open here; write: }", "3: found }: nothing is open here; take it out"]),
        (js(', "stagger": 5m'), ['2: workers.stagger: found 5m: no quotes; write: "5m"']),
        (js(rest=', "name": "b"'), ["3: name: found this key twice; keep one of the two"]),
        (js(', "command": ["b"]'), ["2: workers.command: found this key twice; keep one of the two"]),
        (js(', "x": : 4'), ["2: found : 4} }; expected JSON: a key in quotes, ':', its value, ','"]),
        (js() + " x", ["3: found \"x\"; expected JSON: a key in quotes, ':', its value, ','"]),
        (js(', "a"'), ["2: found } }; expected JSON: a key in quotes, ':', its value, ','"]),
        (js(', "x": '), ["2: found } }; expected JSON: a key in quotes, ':', its value, ','"]),
        (js(', "x":\n'), ["3: found } }; expected JSON: a key in quotes, ':', its value, ','"]),
        (js('/* a\nb */, "x": : 4'),
         ["2: workers.command: found /* a b */: a comment, which JSON has none of; take it out",
          "3: found : 4} }; expected JSON: a key in quotes, ':', its value, ','"]),
        (js(', "at_once": 4,')[:-3], ["2: workers.at_once: found ,: a comma behind the last value; take it out",
                                      "2: found the end: a bracket is not closed; write: }}"]),
        (js(", “prompt”: 'für'"), ['2: workers.prompt: found “prompt”: other quotes than JSON has; write: "prompt"',
                                   "2: workers.prompt: found 'für': other quotes than JSON has; write: \"für\""]),
        (js(', "prompt": für'), ['2: workers.prompt: found für: no quotes; write: "für"']),
        (js(', "prompt": "C:\\dir\\new"'),
         [('2: workers.prompt: found "C:\\dir\\new": a backslash, or a sign that cannot be seen, inside a string;'
          ' write: "C:\\\\dir\\new"')]),
        (js(', "prompt": "a\tb"'),
         [('2: workers.prompt: found "a b": a backslash, or a sign that cannot be seen, inside a string;'
          ' write: "a\\tb"')]),
        (js(', "C:\\dir": 4'),
         [("2: workers.'C:\\\\dir': found \"C:\\dir\": a backslash, or a sign that cannot be seen, inside a string;"
          ' unknown key; expected one of ')]),
        (js(f', "goal_": {"x" * 60}'), ["2: workers.goal_: found " + "x" * 60 + ": no quotes; unknown key"]),
        (js(f', "goal_": {"x" * 70}'), ["2: workers.goal_: found " + "x" * 60 + "...: no quotes; unknown key"]),
    ],
)  # fmt: skip
def test_a_slip_in_json_is_answered_with_its_line_its_key_and_the_cure(text: str, expected: list[str]) -> None:
    found = [problem.removeprefix("w.toml:") for problem in problems(text)]

    assert len(expected) == len(found), found
    assert all(mine.startswith(wanted) for mine, wanted in zip(sorted(found), sorted(expected), strict=True)), found


@given(st.text(alphabet="{}[]:,=\"'/*\\ \t\nab1", max_size=40))
def test_whatever_json_is_meant_to_be_each_slip_has_a_line_of_the_text(text: str) -> None:
    slips, mended = mend_json("{" + text)

    assert all(1 <= slip.line <= text.count("\n") + 1 for slip in slips)
    assert mended is None or mended.count("\n") == text.count("\n")


# --- encodings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('goal = "é"'.encode("latin-1"), ("w.toml:6: found the byte 0xe9, which is no UTF-8; expected UTF-8: iconv -f"
         " LATIN1 -t UTF-8 OLD > NEW converts what is Latin-1")),
        (b"goal = 'a\0b'", "w.toml:6: found a NUL character; expected text"),
    ],
)  # fmt: skip
def test_a_plan_in_another_encoding_is_refused_at_its_line(data: bytes, expected: str) -> None:
    assert [expected] == problems((HEAD.encode() + data).decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(("text", "line"), [("abcd\0", 1), ("\nabcd\0", 2), ("\n\n\n\n\0", 5)])
def test_a_nul_character_is_told_at_its_line_wherever_a_plan_begins(text: str, line: int) -> None:
    assert [f"w.toml:{line}: found a NUL character; expected text"] == problems(text)


@pytest.mark.parametrize(
    "data",
    [
        *(HEAD.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be")),
        *("\ufeffжжж".encode(encoding) for encoding in ("utf-16-le", "utf-16-be")),
        "жa".encode("utf-16-le"),
    ],
)
def test_a_plan_in_utf_16_is_refused_with_the_command_that_converts_it(data: bytes) -> None:
    (found,) = problems(data.decode("utf-8", "surrogateescape"))

    assert "w.toml:1: found UTF-16; expected UTF-8: iconv -f UTF-16 -t UTF-8 OLD > NEW converts it" == found


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_any_editor_ends_them(ends: str) -> None:
    text = (HEAD + 'command = ["a"]\n').replace("\n", ends)

    assert read_plan(HEAD + 'command = ["a"]\n', "") == read_plan("\ufeff" + text, "")
