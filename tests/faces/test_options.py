"""Every option and argument of every verb says what it means."""

from __future__ import annotations

from argparse import SUPPRESS, Action

import pytest

from wakeman.faces.cli import VERBS, parser

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
