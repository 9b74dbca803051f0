"""Receivers of notices on the network: which addresses are taken, what they are called, and what a plan says leaves."""

from __future__ import annotations

import re

import pytest

from wakeman.core.errors import PlanError
from wakeman.core.model import Plan, WakeTarget
from wakeman.core.plan.footprint import other_paths
from wakeman.core.plan.parser import read_plan


def plan_to(to: str) -> Plan:
    text = (
        'name = "n"\n[units]\nitems = ["a"]\noutput = "out/{{ unit }}"\n[workers]\ncommand = ["true"]\n'
        f"[wake]\nto = [{to}]\n"
    )
    return read_plan(text, "w.toml")


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ('{ url = "https://me:key@example.org:8443/hooks" }', "url:example.org:8443"),
        ('{ url = "http://127.0.0.1:80" }', "url:127.0.0.1:80"),
        ('{ url = "http://[::1]/x" }', "url:[::1]"),
        ('{ ntfy = "my-Topic_1" }', "ntfy:my-Topic_1"),
        ('{ ntfy = "http://localhost:8080/topic" }', "ntfy:topic"),
        ('{ apprise = "secrets/mine.urls", share = "words" }', "apprise:mine.urls"),
        ("{ desktop = true }", "desktop"),
    ],
)
def test_an_address_that_is_encrypted_or_on_this_machine_is_taken_and_named(to: str, name: str) -> None:
    assert name == plan_to(to).wake.to[0].name


@pytest.mark.parametrize(
    "to",
    [
        '{ url = "http://example.org/hooks" }',
        '{ url = "ftp://127.0.0.1/" }',
        '{ url = "https://" }',
        '{ url = "https://[1/" }',
        '{ url = "https://example.org:x/" }',
        '{ url = "https://exämple.org/" }',
        '{ ntfy = "two words" }',
        '{ ntfy = "http://example.org/topic" }',
    ],
)
def test_another_address_is_refused(to: str) -> None:
    with pytest.raises(PlanError, match=r"expected https://..., or http://127\.0\.0\.1"):
        plan_to(to)


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ('url = "ftp://a.org/"', r'found "ftp://a.org/"; expected https://..., or http://127.0.0.1...$'),
        ('ntfy = "two words"', "found \"two words\"; .*, or a topic's name of letters, digits, '_' and '-'$"),
        ('ntfy = "ftp://a.org/t"', 'found "ftp://a.org/t"; .*, or a topic\'s name'),
        ('url = "a-topic"', r'found "a-topic"; expected https://..., or http://127.0.0.1...$'),
    ],
)
def test_a_refused_address_is_quoted_beside_what_was_expected(to: str, told: str) -> None:
    with pytest.raises(PlanError) as refused:
        plan_to(f"{{ {to} }}")

    assert re.search(told, str(refused.value), re.MULTILINE), str(refused.value)


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ('tmux = "desk", secret_file = "x"', "found without url or ntfy"),
        ('apprise = "a", secret_file = "x"', "found without url or ntfy"),
        ('tmux = "desk", share = "words"', "found without url, ntfy or apprise"),
        ('desktop = true, share = "words"', "found without url, ntfy or apprise"),
        ('url = "https://a.org/", answers_file = "x"', "found without ntfy"),
        ('apprise = "a", desktop = true', "found apprise and desktop; expected one of run, tmux, url, ntfy"),
        ("desktop = false", "found none; expected one of"),
    ],
)
def test_what_is_for_the_network_stands_beside_an_address_only(to: str, why: str) -> None:
    with pytest.raises(PlanError, match=why):
        plan_to(f"{{ {to} }}")


def test_answers_come_back_by_one_topic() -> None:
    with pytest.raises(PlanError, match=r"wake.to\[2\].answers_file: found a second one; .* as in wake.to\[1\]"):
        plan_to('{ tmux = "desk" }, { ntfy = "a", answers_file = "x" }, { ntfy = "b", answers_file = "x" }')


def test_a_plan_lists_each_address_with_what_leaves_and_each_secret() -> None:
    plan = plan_to('{ url = "https://a.org/", share = "words", secret_file = "s" }, { ntfy = "t" }, { tmux = "desk" }')

    used = [(use.key, use.path, use.what) for use in other_paths(plan)]

    leaves = "leaves this machine at each notice: causes, counts, names of workers, units and files"
    assert [
        ("wake.to[0].url", "https://a.org/", f"{leaves}, and the last words of workers"),
        ("wake.to[0].secret_file", "s", "is read at each notice, to sign or to log in"),
        ("wake.to[1].ntfy", "t", leaves),
        ("wake.to[2].tmux", "desk", "session that notices are typed into"),
    ] == used


def test_a_plan_says_of_answers_services_and_the_desktop_what_they_are() -> None:
    words = plan_to('{ ntfy = "t", answers_file = "a", share = "words" }, { apprise = "u" }, { desktop = true }')
    counts = plan_to('{ ntfy = "t", answers_file = "a" }')

    used, less = ([(use.key, use.path, use.what) for use in other_paths(plan)] for plan in (words, counts))

    leaves = "leaves this machine at each notice: causes, counts, names of workers, units and files"
    topic = "names the topic by which answers come back: they act on this deployment; buttons carry its address"
    said = f"{leaves}, and the last words of workers, what their dialogs ask, and the choices"
    assert [
        ("wake.to[0].ntfy", "t", said),
        ("wake.to[0].answers_file", "a", topic),
        ("wake.to[1].apprise", "u", leaves),
        ("wake.to[1].apprise", "u", "is read at each notice: where that goes, with what logs in"),
        ("wake.to[2].desktop", "notify-send", "shows notices on this machine's desktop"),
    ] == used
    assert [("wake.to[0].ntfy", "t", leaves), ("wake.to[0].answers_file", "a", topic)] == less


def test_what_is_on_this_machine_has_no_address() -> None:
    assert ["", ""] == [WakeTarget(tmux="desk").address, WakeTarget(run=("x",)).address]
