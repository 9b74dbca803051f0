"""Every option and argument of every verb says what it means."""

from __future__ import annotations

from argparse import SUPPRESS, Action
from pathlib import Path

import pytest

from wakeman.adapters.local import state_directory
from wakeman.core.errors import UsageError
from wakeman.faces.cli import VERBS, main, parser
from wakeman.faces.cli.options import variable

ACTIONS = [(verb, action) for verb in VERBS for action in parser(verb)._actions if action.dest != "help"]
IDS = [f"{verb} {'/'.join(action.option_strings) or action.metavar}" for verb, action in ACTIONS]


@pytest.mark.parametrize(("verb", "action"), ACTIONS, ids=IDS)
def test_every_option_says_what_it_means(verb: str, action: Action) -> None:
    said = action.help or ""

    assert said != SUPPRESS
    assert len(said.split()) > 1, f"wakeman {verb}: {action.dest} has no description"
    assert not said.startswith("default"), f"wakeman {verb}: {action.dest} says its default alone"


@pytest.mark.parametrize(("verb", "action"), ACTIONS, ids=IDS)
def test_every_choice_and_every_default_is_named(verb: str, action: Action) -> None:
    said = action.help or ""

    assert not [choice for choice in action.choices or () if choice not in said], f"wakeman {verb}: {action.dest}"
    if action.default not in (None, False, "", []):
        assert "default: " in said, f"wakeman {verb}: {action.dest} does not say its default, {action.default!r}"


def variables() -> list[tuple[str, Action, str]]:
    """List the options of all verbs with their variables."""
    return [(verb, action, variable(verb, action)) for verb, action in ACTIONS if action.option_strings]


def given(action: Action) -> tuple[str, object]:
    """Return a text for an option's variable, and what the option is by it."""
    if action.nargs == 0:
        return "yes", True
    if action.choices is not None:
        last = [*action.choices][-1]
        return last, [last] if isinstance(action.default, list) else last
    for text in ("7", "5m", "w:7", "1:" + "0" * 32, "word"):
        convert = action.type if callable(action.type) else str
        try:
            value = convert(text)
        except Exception:  # noqa: S112 - the next text may be one
            continue
        return text, [value] if action.nargs == "+" or isinstance(action.default, list) else value
    raise AssertionError(f"no text is known for {action.dest}")


@pytest.mark.parametrize(
    ("verb", "action", "name"), variables(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_every_option_has_its_environment_variable(
    verb: str, action: Action, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, value = given(action)
    monkeypatch.setenv(name, text)
    made = parser(verb)
    ours = next(each for each in made._actions if each.dest == action.dest)
    words: list[str] = []
    for each in made._actions:
        if each is not ours and each.required:
            words += [*each.option_strings[:1], *([*each.choices][:1] if each.choices else ["7"])]
    if verb == "run" and action.dest not in ("units", "items"):
        words = ["--units", "*", *words]

    assert f"(environment: {name})" in (ours.help or "")
    found = getattr(made.parse_args(words), action.dest)
    if name == "WAKEMAN_STATE":  # read by what finds the directory, so that suggested commands need not name it
        assert (None, str(Path(text).absolute())) == (found, state_directory(found))
    else:
        assert value == found


def test_the_variables_that_pages_promise_are_there() -> None:
    names = {name for _, _, name in variables()}

    assert {"WAKEMAN_STATE", "WAKEMAN_SOCKET", "WAKEMAN_JSON", "WAKEMAN_UP_WAIT"} <= names


@pytest.mark.parametrize(
    ("name", "text", "verb"),
    [("WAKEMAN_UP_YES", "maybe", "up"), ("WAKEMAN_WAIT_UNTIL", "dawn", "wait"), ("WAKEMAN_RUN_SET", "it's", "run")],
)
def test_a_variable_that_an_option_does_not_take_is_refused_by_name(
    name: str, text: str, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)

    with pytest.raises(UsageError, match=f"^{name}: "):
        parser(verb)


def _slip(option: str) -> str:
    """Return an option with two letters in each other's place; "" if that is none, or they are alike."""
    word = option.removeprefix("--")
    slipped = f"--{word[:-2]}{word[-1]}{word[-2]}"
    return slipped if option.startswith("--") and len(word) > 3 and slipped != option else ""


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_is_misspelt_is_told_before_all_that_is_missing(verb: str) -> None:
    made = parser(verb)
    options = [option for action in made._actions for option in action.option_strings]
    slips = {slip: option for option in options if (slip := _slip(option)) and slip not in options}
    told = {}
    for slip in slips:
        with pytest.raises(UsageError) as refused:
            made.parse_args([f"{slip}=x"])
        told[slip] = (str(refused.value), refused.value.hint)

    assert slips
    assert told == {
        slip: (f"wakeman {verb}: unknown option '{slip}'; did you mean '{option}'?", f"wakeman {verb} --help")
        for slip, option in slips.items()
    }


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("status", "--jsno"), 2, "unknown option '--jsno'; did you mean '--json'?\nhint: wakeman status --help"),
        (("--jsno",), 2, "did you mean '--json'?\nhint: wakeman status --help"),
        (("--sate", "/tmp", "status"), 2, "unknown option '--sate'; did you mean '--state'?\nhint: wakeman --help"),
        (("stauts", "--jsno"), 2, "unknown verb 'stauts'; did you mean 'status'?\nhint: wakeman --help"),
        (("tail", "-z", "w"), 2, "unknown option '-z'\nhint: wakeman tail --help"),
        (("status", "a", "b"), 2, "found one word too many: 'b'\nhint: wakeman status --help"),
        (("stop", "--only", "runing"), 2, "did you mean 'running'?\nhint: wakeman stop --help"),
        (("export", "trac"), 2, "expected one of trace, metrics, otlp; did you mean 'trace'?\nhint: wakeman export"),
        (("send", "go on"), 2, "found one word, 'go on'; expected WORKER and TEXT"),
        (("run", "--items", "a", "--output", "o", "--set", "stuck", "--", "x"), 2, "\nhint: wakeman run --help"),
    ],
)
def test_what_is_misspelt_has_the_nearest_word_and_the_next_command(
    words: tuple[str, ...], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == main([*words])
    assert told in capsys.readouterr().err


def test_a_variable_with_a_misspelt_value_has_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEMAN_REPORT_FORMAT", "htm")

    with pytest.raises(UsageError, match=r"^WAKEMAN_REPORT_FORMAT: found 'htm'; .*; did you mean 'html'\?$"):
        parser("report")
