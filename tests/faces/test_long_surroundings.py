"""However long a variable or a word of a program is, the program starts with it."""

from __future__ import annotations

import os

import pytest
from tests.faces.conftest import Place
from tests.waiting import until

PLAN = """
name = "n"
[units]
items = ["a", "b"]
output = "out/{{ unit }}"
[workers]
stagger = 0
socket = "faces"
"""


def made(place: Place) -> bool:
    return all((place.path / "out" / name).exists() for name in "ab")


@pytest.mark.real
@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH", "XDG_DATA_HOME"])
def test_a_program_starts_with_a_variable_of_twenty_kilobytes(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    value = ":".join([*filter(None, [os.environ.get(name)]), *(f"/nix/store/{n:032}/bin" for n in range(500))])
    monkeypatch.setenv(name, value)
    (place.path / "out").mkdir()
    script = f'printf "%s" "${name}" >"out/$1.tmp"; mv "out/$1.tmp" "out/$1"'
    place.up(PLAN + f"command = ['sh', '-c', '{script}', 'sh', '{{{{ group.key }}}}']")

    until(lambda: made(place))
    assert len(value) > 20_000
    assert value == (place.path / "out" / "a").read_text()


@pytest.mark.real
def test_a_program_starts_with_words_of_twenty_kilobytes_and_odd_signs(place: Place) -> None:
    word = 'it\'s "#{x} $HOME" `id` ; \\ é\n' * 700
    (place.path / "out").mkdir()
    script = 'printf "%s" "$2" >"out/$1.tmp"; mv "out/$1.tmp" "out/$1"'
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    place.up(PLAN + f"command = ['sh', '-c', '{script}', 'sh', '{{{{ group.key }}}}', \"{text}\"]")

    until(lambda: made(place))
    assert word == (place.path / "out" / "a").read_text()
