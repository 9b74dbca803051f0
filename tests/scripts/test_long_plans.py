"""Plans of thousands of items: they are in several lines of the log, of one write, and the plan is what they make; and
as many units are judged some at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.forge import Forged
from tests.play import NAME, Play

from wakeman.adapters.eventlog.audit_reader import AuditReader
from wakeman.adapters.eventlog.log_reader import Reading, apply_all
from wakeman.audit.report import audit
from wakeman.core.errors import UsageError
from wakeman.core.log.events import LINE_BYTES_MAX, Amended, Listed, Looked, Planned
from wakeman.core.model import Deployment
from wakeman.core.plan.shares import plan_digest
from wakeman.engine.check import check
from wakeman.engine.observe import observe
from wakeman.engine.start.deploy import INLINE_ITEMS_BYTES_MAX, amend
from wakeman.engine.start.prepare import prepare_plan

UNITS = 3_000


def long_play(units: int = UNITS) -> Play:
    """Return a night of two workers, of whom one is launched at once; its plan names all units."""
    return Play(workers=2, units=units // 2, plan={"workers": {"at_once": 1}})


def changed(play: Play, units: int) -> None:
    """Amend the plan of a night to other numbers of units."""
    play.units = units // 2
    world = play.stage.world("hand:2")
    amend(world, NAME, prepare_plan(world, play.text(), "plan.json", "/plans"))


def audited(lines: list[bytes], place: Path) -> list[tuple[str, int]]:
    """Return kind and line of each divergence of a log."""
    file = place / "events.jsonl"
    file.write_bytes(b"".join(lines))
    with AuditReader(str(file)) as tape:
        return [(each.kind, each.line) for each in audit(tape).divergences]


def test_a_plan_of_thousands_of_items_is_logged_in_lines_that_fit_and_read_as_one(tmp_path: Path) -> None:
    play = long_play()
    prepared = prepare_plan(play.stage.world("up:1"), play.text(), "plan.json", "/plans")

    play.up()

    planned = next(event.data for event in play.events if isinstance(event.data, Planned))
    pieces = [event.data for event in play.events if isinstance(event.data, Listed)]
    assert (UNITS, UNITS, ()) == (planned.listed, sum(len(piece.items) for piece in pieces), planned.plan.units.items)
    assert 1 < len(pieces) <= 2 + sum(map(len, play.lines)) // (LINE_BYTES_MAX // 2)
    assert max(map(len, play.lines)) <= LINE_BYTES_MAX
    assert play.deployment.plan.units == prepared.plan.units
    assert [] == audited(play.lines, tmp_path)


def test_few_items_are_in_the_line_of_their_plan() -> None:
    play = Play()
    play.up()

    assert [] == [event for event in play.events if isinstance(event.data, Listed)]
    assert 0 == next(event.data.listed for event in play.events if isinstance(event.data, Planned))


@pytest.mark.parametrize(("more", "pieces"), [(0, 0), (1, 1)])
def test_items_are_in_lines_of_their_own_from_their_limit_on(more: int, pieces: int) -> None:
    size, names = INLINE_ITEMS_BYTES_MAX // 64, 64 - len("''")
    items = [f"{n:0{names}}" for n in range(size + more)]
    play = Play(plan={"units": {"items": items}, "workers": {"by": "all"}})
    play.up()

    assert pieces == sum(isinstance(event.data, Listed) for event in play.events)


def test_up_goes_on_with_a_long_plan_and_refuses_another() -> None:
    play = long_play()
    play.up()
    play.up()

    play.units += 1
    with pytest.raises(UsageError, match=r"is open with another plan: units\.items"):
        play.up()


def test_an_amended_plan_of_thousands_of_items_replaces_the_one_before(tmp_path: Path) -> None:
    play = long_play()
    play.up()

    changed(play, UNITS + 500)

    amended = [event.data for event in play.events if isinstance(event.data, Amended)]
    assert [(UNITS + 500, ("units.items",))] == [(one.listed, one.changed) for one in amended]
    assert max(map(len, play.lines)) <= LINE_BYTES_MAX
    assert plan_digest(play.deployment.plan) == amended[0].logged
    assert [] == audited(play.lines, tmp_path)


def test_an_amendment_to_a_short_plan_leaves_no_item_of_the_long_one() -> None:
    play = long_play()
    play.up()

    changed(play, 4)

    assert 4 == len(play.deployment.plan.units.items or ())


@pytest.mark.parametrize("cut", [0, 1])
def test_an_amendment_that_a_kill_leaves_unfinished_is_none(cut: int, tmp_path: Path) -> None:
    play = long_play()
    play.up()
    before, lines = play.deployment, play.lines
    changed(play, UNITS + 500)
    written = play.lines[len(lines) :]
    pieces = [n for n, line in enumerate(written) if b'"type":"listed"' in line]

    for n in pieces:
        file = tmp_path / "events.jsonl"
        file.write_bytes(b"".join([*lines, *written[:n], written[n][: len(written[n]) // 2 * cut]]))
        with Reading(str(file)) as log:
            d = apply_all(log, Deployment())
        assert (before.seq, before.plan, list(before.units)) == (d.seq, d.plan, list(d.units))

        play.stage.logs.tapes[NAME].data = file.read_bytes()
        play.stage.logs.tapes[NAME].synced = file.stat().st_size
        check(play.stage.world("hand:3"), NAME)
        assert before.plan == play.deployment.plan
        changed(play, UNITS + 500)
        assert UNITS + 500 == len(play.deployment.plan.units.items or ())
        assert [] == play.judged()
    assert len(pieces) > 1


def _without_a_piece(log: Forged) -> None:
    log.drop(log.find("listed"))


def _with_another_item(log: Forged) -> None:
    log.lines[log.find("listed")]["data"]["items"][1] = {"unit": "other", "key": "w0"}


def _in_another_order(log: Forged) -> None:
    one, two = log.find("listed"), log.find("listed", skip=1)
    log.lines[one], log.lines[two] = log.lines[two], log.lines[one]


def _said_to_have_all(log: Forged) -> None:
    log.lines[0]["data"]["listed"] = 0


def _in_a_later_write(log: Forged) -> None:
    log.insert(len(log.lines), log.lines[log.find("listed")])


def _items_that_are_none(log: Forged) -> None:
    log.lines[0]["data"]["plan"]["units"]["items"] = None


@pytest.mark.parametrize(
    ("forge", "kinds"),
    [
        (_without_a_piece, {"plan", "fold"}),
        (_with_another_item, {"plan"}),
        (_in_another_order, {"plan"}),
        (_said_to_have_all, {"plan", "fold"}),
        (_in_a_later_write, {"fold"}),
        (_items_that_are_none, set()),
    ],
)
def test_items_that_are_not_as_they_were_logged_are_found(
    forge: Callable[[Forged], None], kinds: set[str], tmp_path: Path
) -> None:
    play = long_play()
    play.up()
    log = Forged(play.lines)
    forge(log)

    assert kinds == {kind for kind, _ in audited(log.encoded(), tmp_path)}


@pytest.mark.parametrize("stage", [False, True])
def test_units_that_are_judged_some_at_a_time_at_the_end_are_judged_as_all_at_once(
    stage: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def night() -> list[Looked]:
        play = Play(workers=3, units=3, plan={"workers": {"stage": stage}})
        play.run()
        return [event.data for event in play.events if isinstance(event.data, Looked)]

    together = night()
    monkeypatch.setattr(observe, "PLACED_UNITS_MAX", 2)

    assert together == night()
