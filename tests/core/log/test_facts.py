"""A fact is declared in one place: what it changes, and how it reads."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from tests.log import HOST, PLAN

from wakeman.core import model
from wakeman.core.errors import TransitionError
from wakeman.core.log import events as e
from wakeman.core.log.state import apply, compose
from wakeman.core.log.summary import summary
from wakeman.core.model import Deployment

NOW = datetime(2026, 1, 5, 21, 36, tzinfo=UTC)


class Renamed(e.Fact, frozen=True):
    """A made-up fact: the deployment got another name."""

    name: str
    why: str = ""

    def apply(self, d: Deployment, event: e.Event) -> None:
        d.name, d.ended = self.name, event.at

    def summary(self) -> str:
        return f"{self.name}: {self.why}"


def test_a_new_fact_needs_its_struct_and_a_line_in_the_list_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(e.FACTS, "renamed", Renamed)
    d = Deployment(name="night")

    written, events = compose(d, [e.Draft(Renamed("day", "\x1b[1mlight"))], NOW, "person:me")

    assert b'"type":"renamed","data":{"name":"day","why":"' in written
    assert [Renamed("day", "\x1b[1mlight")] == [event.data for event in events]
    assert ("day", NOW, 1) == (d.name, d.ended, d.seq)
    assert "day: light" == summary(events[0].data)


def test_a_field_that_a_line_leaves_out_was_empty_but_for_a_writer_that_is_taken_to_be_it() -> None:
    """Older logs leave out every field that came later: its default is for ever."""
    kept = {
        (kind, field.name): field.default
        for kind, fact in e.FACTS.items()
        for field in msgspec.structs.fields(fact)
        if field.default not in (msgspec.NODEFAULT, None, "", 0, ()) or field.default_factory is not msgspec.NODEFAULT
    }

    assert {("progressed", "inferred"): True, ("conflicted", "inferred"): True} == kept


def test_a_line_leaves_out_what_is_as_it_always_was() -> None:
    written, _ = e.encode(e.Draft(e.Intended("end", units=0, files=())), seq=1, at=NOW, by="at:1", previous="")

    assert b'"data":{"action":"end"},' in written


def test_a_fact_that_is_not_in_the_list_is_read_as_one_of_a_newer_version() -> None:
    written, _ = e.encode(e.Draft(Renamed("day")), seq=1, at=NOW, by="at:1", previous="")

    assert e.Unknown("renamed") == e.decode(written[:-1]).data


def test_a_fact_about_a_worker_that_was_not_enrolled_is_refused_with_its_line() -> None:
    event = e.Event(v=1, seq=7, at=NOW, by="at:1", worker="ghost", data=e.Captured("s.txt", "ab"), hash="")

    with pytest.raises(TransitionError, match="line 7: no worker 'ghost' was enrolled"):
        apply(Deployment(), event)


def test_no_check_has_to_compile_an_annotation() -> None:
    structs = [*e.FACTS.values(), e.Event, *(each for each in vars(model).values() if isinstance(each, type))]
    strings = {each for each in structs for of in getattr(each, "__annotations__", {}).values() if isinstance(of, str)}

    assert not strings, "without `from __future__ import annotations` msgspec has nothing to compile"


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (e.Planned(name="n", plan=PLAN, digest="d", host=HOST), {"edition": 0}),
        (e.Reviewed(round=1), {"passed": 0}),
        (e.Intended(action="wake"), {"units": 0, "resume": False, "confirm": False, "keep": False}),
        (e.Looked(mono=1.0, boot="b"), {"memory": 0, "more": False}),
        (e.Progressed(written=1, total=2), {"inferred": True}),
        (e.Conflicted(path="/a", written=NOW), {"inferred": True, "more": 0}),
        (e.Launched(intent=1), {"pid": 0, "adopted": False}),
        (e.Stalled(reason="silent", why="x"), {"guess": False}),
        (e.Exited(why="x"), {"free": False, "guess": False}),
        (e.Verified(), {"files": 0}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_line_leaves_out_is_as_little_as_can_be(fact: e.Fact, told: dict[str, object]) -> None:
    assert told == {name: getattr(fact, name) for name in told}
