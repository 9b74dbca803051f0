"""The two tables say what is written out here a second time, as a tree of questions: which row, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, product

import pytest
from msgspec.structs import replace

from wakeman.core.descriptions import meaning
from wakeman.core.log.events import Planned
from wakeman.core.policy.tables import DEPLOYMENT_RULES, EDITION, WORKER_RULES, Rule, choose

Facts = Mapping[str, bool]
Answer = tuple[str, tuple[str, ...]]
Table = tuple[Rule, ...]


def of_a_worker(facts: Facts) -> Answer:
    """Return what is done about a worker: a person's word first, then what does harm, then what helps."""
    if facts["live"]:
        return of_a_live_worker(facts) or otherwise(facts)
    if facts["leftovers"]:
        return "tidy", ("end",)
    return ("retry", ("relaunch",)) if facts["retry"] else otherwise(facts)


def of_a_live_worker(facts: Facts) -> Answer | None:
    if facts["unwanted"]:
        return "stop", ("end",)
    if facts["trespassed"] and facts["strict"]:
        return "fence", ("end",)
    if facts["again"]:
        return "restart", ("end",)
    if facts["unsent"]:
        return "enter", ("enter",)
    if facts["overdue"]:
        return "sweep", ("sweep",)
    return None if facts["typed"] else of_one_that_can_be_told(facts)


def of_one_that_can_be_told(facts: Facts) -> Answer | None:
    if facts["bereft"]:
        return "tell", ("nudge",)
    if facts["reset"]:
        return "continue", ("nudge",)
    if facts["unheard"]:
        return ("report", ("ask",)) if facts["mute"] else ("repeat", ("nudge",))
    if facts["stuck"] and facts["rung"]:
        return "investigate", ("rung",)
    if facts["finished"]:
        return "finish", ("end",)
    return ("time out", ("end",)) if facts["overruns"] else None


def otherwise(facts: Facts) -> Answer:
    return ("warn", ()) if facts["trespassed"] else ("leave", ())


def of_the_deployment(facts: Facts) -> Answer:
    """Return what is done about a deployment: ended first, then closed, then fed."""
    if facts["down"]:
        return "stop", ("end",) if facts["alive"] else ("close",)
    if facts["heard"]:
        return "review", ("conclude",)
    made = facts["ended"] and facts["complete"]
    if made and not facts["unreviewed"]:
        return "wrap up", ("sample", "move", "sweep", "close")
    if facts["spent"]:
        return "give up", ("end",) if facts["ends"] else ("close",)
    if facts["halts"]:
        return "halt", ("end",)
    if facts["withheld"]:
        return "withdraw", ("end",)
    if facts["short"]:
        return "clean up", ("enrol",)
    if made and facts["reviewable"]:
        return "review", ("sample", "appoint")
    return ("launch", ("launch",)) if facts["due"] else ("sleep", ())


TABLES: dict[str, tuple[Table, Callable[[Facts], Answer]]] = {
    "worker": (WORKER_RULES, of_a_worker),
    "deployment": (DEPLOYMENT_RULES, of_the_deployment),
}
HARMLESS = {("retry", "leftovers")}
"""Conditions that say what the rows above have seen to already."""


def asked(rules: Table) -> list[str]:
    return sorted({name for rule in rules for name in rule.when})


def differing(rules: Table, expected: Callable[[Facts], Answer], cases: Iterator[dict[str, bool]]) -> Iterator[Facts]:
    for facts in cases:
        rule = choose(rules, facts)
        if (rule.row, rule.then) != expected(facts):
            yield facts


def every(names: Sequence[str]) -> Iterator[dict[str, bool]]:
    return (dict(zip(names, values, strict=True)) for values in product((False, True), repeat=len(names)))


def few(names: Sequence[str], most: int = 5) -> Iterator[dict[str, bool]]:
    """Yield those combinations in which few facts hold: two rows ask no more of each other."""
    for count in range(most + 1):
        for true in combinations(names, count):
            yield {name: name in true for name in names}


@pytest.mark.parametrize("table", TABLES)
def test_every_combination_of_facts_gets_the_row_and_the_actions_that_it_should(table: str) -> None:
    rules, expected = TABLES[table]

    assert [] == list(differing(rules, expected, every(asked(rules))))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_with_any_row_or_condition_left_out_turned_round_or_out_of_its_order_is_found_out(table: str) -> None:
    rules, expected = TABLES[table]
    names = asked(rules)

    unseen = [how for how, wrong in planted(rules) if next(differing(wrong, expected, few(names)), None) is None]

    assert [] == unseen


def planted(rules: Table) -> Iterator[tuple[str, Table]]:
    """Yield each table that is wrong in one thing."""
    for at, rule in enumerate(rules):
        before, after = rules[:at], rules[at + 1 :]
        if after:
            yield f"{rule.row} left out", (*before, *after)
        yield f"{rule.row} does something else", (*before, replace(rule, then=("something else",)), *after)
        for name, value in rule.when.items():
            rest = {key: other for key, other in rule.when.items() if key != name}
            if (rule.row, name) not in HARMLESS:
                yield f"{rule.row} whatever {name}", (*before, replace(rule, when=rest), *after)
            yield f"{rule.row} by {name} turned round", (*before, replace(rule, when={**rest, name: not value}), *after)
    for at, (one, other) in enumerate(pairwise(rules[:-1])):
        if all(one.when[name] is other.when[name] for name in one.when.keys() & other.when.keys()):
            yield f"{other.row} before {one.row}", (*rules[:at], other, one, *rules[at + 2 :])


@pytest.mark.parametrize("table", TABLES)
def test_the_last_row_is_total_and_no_row_is_out_of_reach(table: str) -> None:
    rules, _ = TABLES[table]
    taken = {id(choose(rules, facts)) for facts in every(asked(rules))}

    assert {id(rule) for rule in rules} == taken
    assert {} == rules[-1].when


def test_a_deployment_begins_under_the_last_edition_that_its_log_describes() -> None:
    described = re.findall(r"(\d+): ", meaning(Planned, "edition"))

    assert [str(edition) for edition in range(EDITION + 1)] == described
