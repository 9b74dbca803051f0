"""The starter plan gets its comments from the descriptions of the keys."""

from __future__ import annotations

import pytest

from wakeman.core.descriptions import meaning
from wakeman.core.model import CleanupSpec, Plan, StuckSpec, UnitsSpec, VerifySpec, WorkersSpec
from wakeman.core.plan import starter
from wakeman.core.plan.starter import commented


def words(text: str) -> str:
    return " ".join(text.replace("\n# ", "\n").split())


def test_a_table_and_a_key_have_their_meaning_above_them() -> None:
    made = commented('name = "n"\n\n[cleanup]\n#rounds = 1\nwhen = "all"\n')

    assert [
        f'# {meaning(Plan, "name")} name = "n"',
        f"# {(CleanupSpec.__doc__ or '')} [cleanup] {meaning(CleanupSpec, 'rounds')} #rounds = 1",
        f'# {meaning(CleanupSpec, "when")} when = "all"',
    ] == [words(part) for part in made.split("\n\n")]


@pytest.mark.parametrize("width", [40, 60, starter.COMMENT_CHARS_MAX])
def test_no_word_of_a_comment_is_broken(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "COMMENT_CHARS_MAX", width)
    for table, kind in (("units", UnitsSpec), ("workers", WorkersSpec), ("stuck", StuckSpec), ("verify", VerifySpec)):
        for key in kind.__struct_fields__:
            assert meaning(kind, key) in words(commented(f"[{table}]\n\n#{key} = 1\n"))


def test_a_key_that_is_named_again_has_its_meaning_once() -> None:
    assert 1 == commented('name = "n"\n# or\n#name = "m"\n').count(meaning(Plan, "name"))


def test_a_key_that_no_plan_has_is_not_written_into_one() -> None:
    with pytest.raises(LookupError):
        commented("[cleanup]\n#colour = 1\n")
