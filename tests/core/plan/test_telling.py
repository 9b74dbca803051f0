"""An agent with an empty task is refused; one that is not told its units, or that nobody hears, is a warning."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wakeman.core.model import Plan, UnitsSpec, VerifySpec, WorkersSpec
from wakeman.core.model.plan import ReviewSpec
from wakeman.core.plan.telling import (
    TELLS,
    prompt_faults,
    prompt_warnings,
    review_prompt_faults,
    review_warnings,
)

BLANKS = [
    "",
    " ",
    "\n\n \t",
    "\ufeff",
    "\ufeff \n",
    "\u200b\n",
    "\u00a0\u2003",
    "\u2060",
    "\0",
    "\u200d",
    "\u00ad\n",
    "\u200e\u202a",
    "\x1b[0m",
]


def plan(review: ReviewSpec | None = None, agent: str | None = None, **workers: Any) -> Plan:
    verify = VerifySpec(agent=agent, review=review or ReviewSpec())
    spec = msgspec.structs.replace(WorkersSpec(harness="claude"), **workers)
    return Plan(name="n", units=UnitsSpec(items=("a",)), workers=spec, verify=verify)


def faults(made: Plan, prompt: str, *, asks: bool = True) -> list[str]:
    return [fault.partition(";")[0] for fault in prompt_faults(made, prompt, asks=asks)]


def warned(made: Plan, prompt: str, *, asks: bool = True, takes: bool = True) -> list[str]:
    found = prompt_warnings(made, prompt, asks=asks, takes_profile=takes)
    return [": ".join(warning.split(": ")[:2]) for warning in found]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_client_with_an_empty_task_is_refused(blank: str) -> None:
    missing = "workers.prompt: missing, and so is workers.prompt_file"
    assert [missing if blank == "" else "workers.prompt: found nothing but blanks"] == faults(plan(prompt=blank), blank)
    assert ["workers.prompt_file: found nothing but blanks in 'p.md'"] == faults(plan(prompt_file="p.md"), blank)


@pytest.mark.parametrize("blank", BLANKS[1:])
def test_a_program_that_reads_its_prompt_gets_no_blank_one(blank: str) -> None:
    reads: dict[str, Any] = {"harness": "command", "command": ("agent", "{{ prompt_file }}")}
    assert ["workers.prompt: found nothing but blanks"] == faults(plan(prompt=blank, **reads), blank, asks=False)
    assert [] == faults(plan(prompt=blank, harness="command", command=("agent",)), blank, asks=False)


def test_a_program_without_a_prompt_is_not_refused_though_it_reads_one() -> None:
    made = plan(harness="command", command=("agent", "{{ prompt_file }}"))

    assert [] == faults(made, "", asks=False)


def test_a_prompt_that_says_something_is_no_fault_wherever_it_is() -> None:
    reads: dict[str, Any] = {"harness": "command", "command": ("agent", "{{ prompt_file }}")}

    assert [] == faults(plan(prompt="Do it."), "Do it.") == faults(plan(prompt_file="p.md"), "Do it.")
    assert [] == faults(plan(prompt="Do it.", **reads), "Do it.", asks=False)


@given(st.text())
@example("\x1b")  # before the sign it would be the beginning of a sequence that ends with it
def test_a_prompt_with_a_visible_sign_is_no_fault(text: str) -> None:
    visible = f"x{text}"
    assert [] == faults(plan(prompt=visible), visible)


@pytest.mark.parametrize("name", TELLS)
def test_a_prompt_that_names_units_is_no_mistake(name: str) -> None:
    assert [] == warned(plan(), f"Do {{{{{name}}}}}.")
    assert [] == warned(plan(args=("--say", f"{{{{ {name} }}}}")), "Do it.")


UNTOLD = ["Do it.", "{{ worker }}", "{{ group.key }}: do it", '{{ "{{" }} unit_table {{ "}}" }}', "unit_table"]


@pytest.mark.parametrize("prompt", UNTOLD)
def test_a_prompt_that_names_no_units_is_a_mistake(prompt: str) -> None:
    assert [
        "workers.prompt: names none of {{ unit_table }}, {{ units_file }}, {{ unit }}, {{ input }}, {{ output }}"
    ] == warned(plan(prompt=prompt), prompt)
    assert warned(plan(prompt_file="p.md"), prompt)[0].startswith("workers.prompt_file: names none of")


NOBODY = "workers.prompt: nobody reads it"
PROGRAMS = {
    ("agent",): [NOBODY],
    ("agent", "{{ units_file }}"): [NOBODY],
    ("agent", "{{ prompt_file }}"): ["workers.prompt: names none of {{ unit_table }}, {{ units_file }}, "],
    ("agent", "{{ prompt_file }}", "{{ units_file }}"): [],
    ("agent", "{{ prompt_file }}", "{{ group.key }}"): [],
    ("agent", "{{ prompt_file }}", "{{ group.name }}"): [],
    ("agent", "{{ prompt_file }}", "{{ worker }}"): [],
    ("agent", "{{ prompt_file }}", "{{ name }}"): [
        "workers.prompt: names none of {{ unit_table }}, {{ units_file }}, "
    ],
    (): ["workers.prompt: names none of {{ unit_table }}, {{ units_file }}, "],
}


@pytest.mark.parametrize(("command", "said"), PROGRAMS.items())
def test_a_program_s_prompt_is_read_and_tells_its_units(command: tuple[str, ...], said: list[str]) -> None:
    found = warned(plan(harness="command", command=command, prompt="Do it."), "Do it.", asks=False)

    assert len(said) == len(found)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True))


@pytest.mark.parametrize("key", ["args", "env", "before", "setup", "cwd"])
def test_a_prompt_file_may_be_named_in_each_key_that_a_program_is_started_with(key: str) -> None:
    word = "{{ prompt_file }}"
    value: Any = {
        "args": (word,),
        "env": {"P": word},
        "before": (("cp", word, "."),),
        "setup": ((word,),),
        "cwd": word,
    }[key]
    given: dict[str, Any] = {key: value}
    made = plan(harness="command", command=("agent", "{{ units_file }}"), prompt="Do it.", **given)

    assert [] == warned(made, "Do it.", asks=False)


def test_a_program_that_reads_a_prompt_that_is_not_there_is_a_mistake() -> None:
    made = plan(harness="command", command=("agent", "{{ prompt_file }}"))

    assert ["workers.command: names {{ prompt_file }}, and the plan has no workers.prompt"] == warned(
        made, "", asks=False
    )
    assert [] == warned(plan(harness="command", command=("agent",)), "", asks=False)


def test_a_client_that_takes_a_prompt_needs_no_file_of_it() -> None:
    told = "Do {{ unit_table }}."

    assert [] == warned(plan(command=("claude",), prompt=told), told)
    assert [] == warned(plan(command=("claude", "{{ prompt_file }}")), "")


def test_without_a_profile_none_is_missed() -> None:
    assert [] == warned(plan(), "{{ unit_table }}", takes=False)


def test_a_profile_that_no_one_takes_is_a_mistake() -> None:
    made = plan()
    named = msgspec.structs.replace(made, workers=msgspec.structs.replace(made.workers, agent="x"))

    assert ["workers.agent: harness 'claude' takes no profile"] == warned(named, "{{ unit_table }}", takes=False)
    assert [] == warned(named, "{{ unit_table }}", takes=True)


REVIEWS: list[tuple[ReviewSpec, bool, list[str]]] = [
    (ReviewSpec(), True, []),
    (ReviewSpec(prompt="{{ unit_table }} {{ verdict_file }}"), True, []),
    (ReviewSpec(prompt="{{ units_file }}"), True, ["names no {{ verdict_file }}"]),
    (ReviewSpec(prompt="{{ verdict_file }}"), True, ["names none of {{ unit_table }}, {{ units_file }}"]),
    (
        ReviewSpec(prompt="Judge.", command=("judge",), args=("{{ prompt_file }}", "{{ units_file }}")),
        False,
        ["names no {{ verdict_file }}", "harness 'command' takes no profile"],
    ),
    (ReviewSpec(prompt="Judge.", command=("judge",)), False, ["nobody reads it", "harness 'command' takes no profile"]),
    (
        ReviewSpec(prompt="Judge.", command=("judge", "{{ prompt_file }}", "{{ units_file }}", "{{ verdict_file }}")),
        False,
        ["harness 'command' takes no profile"],
    ),
]


@pytest.mark.parametrize(("spec", "asks", "said"), REVIEWS)
def test_a_reviewer_is_told_what_to_judge_and_where_to_write(spec: ReviewSpec, asks: bool, said: list[str]) -> None:
    found = list(review_warnings(plan(spec, agent="judge"), asks=asks))

    assert said == [warning.split(": ")[1] for warning in found]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_prompt_of_a_reviewer_is_refused_and_none_is_the_built_in_one(blank: str) -> None:
    found = list(review_prompt_faults(plan(ReviewSpec(prompt=blank), agent="judge")))

    assert bool(blank) == bool(found)
    assert [] == list(review_prompt_faults(plan(ReviewSpec(prompt="Judge."), agent="judge")))


def test_without_an_agent_a_reviewer_that_is_a_program_takes_no_profile_and_misses_none() -> None:
    assert [] == list(review_warnings(plan(ReviewSpec(command=("judge",))), asks=False))
