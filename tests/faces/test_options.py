"""Every option and argument of every verb says what it means."""

from __future__ import annotations

from argparse import SUPPRESS, Action
from pathlib import Path

import pytest

from wakeman.adapters.local import state_directory
from wakeman.core.errors import UsageError
from wakeman.faces.cli import VERBS, parser
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
    for text in ("7", "w:7", "1:" + "0" * 32, "word"):
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
