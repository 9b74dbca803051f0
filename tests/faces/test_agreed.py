"""What a person has to agree to before anything starts: by `--yes`, or on a terminal when asked."""

from __future__ import annotations

import io
import sys

import pytest
from tests.faces.conftest import SLEEPER, Place

pytestmark = pytest.mark.real

AGENTS = """
name = "crowd"
[units]
items = [{items}]
output = "out/{{{{ unit }}}}"
[workers]
{how}
at_once = {once}
prompt = "{{{{ unit_table }}}}"
"""
CLAUDE = 'harness = "claude"\nauto_approve = "edits"'
MANY = "workers.at_once: 21 agents at once, more than 20"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def crowd(place: Place, once: int = 21, how: str = CLAUDE, units: int = 30) -> str:
    text = AGENTS.format(items=", ".join(f'"{n}"' for n in range(units)), how=how, once=once)
    return place.plan(text if "command" not in how else text.replace('prompt = "', '# "'))


def test_more_than_twenty_agents_at_once_ask_and_plan_says_so_first(place: Place) -> None:
    file = crowd(place)

    planned, said = place("plan", file), place("up", file)

    assert [MANY] == place("plan", file, "--json").json["asks"]
    assert f"\n▲ --yes agrees to:\n  {MANY}\n" in planned.out
    assert (2, f"error: {MANY}; expected --yes\nhint: add --yes to agree\n") == (said.code, said.err)
    assert MANY not in place("up", file, "--yes").err
    assert not place.state.exists()


@pytest.mark.parametrize(
    ("once", "how", "units"),
    [(20, CLAUDE, 30), (21, CLAUDE, 20), (21, 'command = ["true"]', 30)],
)
def test_twenty_agents_and_any_number_of_programs_ask_nothing(place: Place, once: int, how: str, units: int) -> None:
    assert [] == place("plan", crowd(place, once, how, units), "--json").json["asks"]


@pytest.mark.parametrize(("answer", "refused"), [("y\n", False), ("n\n", True), ("", True)])
def test_on_a_terminal_up_asks(place: Place, monkeypatch: pytest.MonkeyPatch, answer: str, refused: bool) -> None:
    file = crowd(place)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", asked := Terminal())

    place("up", file)

    assert asked.getvalue().startswith(f"{MANY}\nagree? [y/N] ")
    assert refused == ("not agreed to: nothing was done" in asked.getvalue())


def test_what_is_wrong_and_what_is_doubtful_have_a_sign_and_a_number(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    said = place("plan", place.plan(SLEEPER.replace('"sleep"', '"nosuch"') + '[verify]\nfresh = "exists"\n')).out
    monkeypatch.setenv("LC_ALL", "C")
    plain = place("plan", "plan.toml").out

    assert "\n✗ 1 fault: up refuses\n  plan.toml:7: workers.command: found 'nosuch'" in said
    assert "\nx 1 fault: up refuses\n  plan.toml:7: workers.command: found 'nosuch'" in plain
    assert plain.isascii()
