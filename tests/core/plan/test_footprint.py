"""Everything that a plan runs, writes and moves beside its work is listed, and what is new in it is known."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from wakeman.core.model import Plan, SshSpec, UnitsSpec, WorkersSpec
from wakeman.core.plan.doubts import plan_doubts
from wakeman.core.plan.footprint import named_programs, news, other_paths, own_paths, steering
from wakeman.core.plan.shares import shares, units


def made(**tables: Any) -> Plan:
    """Return a plan with some tables."""
    base = {"name": "n", "units": {"items": ["a", "b"], "output": "o/{{ unit }}"}, "workers": {"command": ["work"]}}
    return msgspec.convert(base | tables, Plan)


def test_every_program_is_listed_in_the_order_of_a_night() -> None:
    plan = made(
        units={"command": ["list"], "output": "o/{{ unit }}"},
        workers={"command": ["work"], "args": ["-x"], "before": [["ready"]], "setup": [["npm", "ci"]]},
        verify={"command": ["check"], "sample": 1, "review": {"command": ["judge"], "args": ["-y"]}},
        wake={"to": [{"tmux": "main"}, {"run": ["say"]}]},
    )

    assert [
        ("units.command", ("list",)),
        ("workers.before[0]", ("ready",)),
        ("workers.setup[0]", ("npm", "ci")),
        ("workers.command", ("work", "-x")),
        ("verify.command", ("check",)),
        ("verify.review.command", ("judge", "-y")),
        ("wake.to[1].run", ("say",)),
    ] == [(use.key, use.argv) for use in named_programs(plan)]


def test_a_client_is_listed_by_its_name() -> None:
    plan = made(workers={"harness": "claude", "args": ["--model", "opus"]}, verify={"sample": 1, "agent": "critic"})

    assert [("workers.harness", ("claude", "--model", "opus")), ("verify.review.harness", ("claude",))] == [
        (use.key, use.argv) for use in named_programs(plan)
    ]


def test_every_path_beside_the_outputs_is_listed() -> None:
    plan = made(
        units={"items": ["a"], "output": "o", "writes": ["src/**"]},
        workers={"command": ["work"], "confine": "units", "confine_also": ["/cache"]},
        cleanup={"move": [{"from": "a.md", "to": "done/"}], "sweep": [{"sessions": "val_*"}]},
        wake={"to": [{"run": ["say"]}, {"tmux": "main"}]},
    )

    assert [
        ("units.writes", "src/**"),
        ("workers.confine_also", "/cache"),
        ("cleanup.move[0]", "a.md -> done/"),
        ("cleanup.sweep[0]", "val_*"),
        ("wake.to[1].tmux", "main"),
    ] == [(use.key, use.path) for use in other_paths(plan)]


@pytest.mark.parametrize(
    ("name", "steers"),
    [("LD_PRELOAD", True), ("PATH", True), ("PYTHONPATH", True), ("NODE_OPTIONS", True), ("HTTPS_PROXY", True),
     ("ANTHROPIC_BASE_URL", True), ("LANGUAGE", False), ("MY_PATHS", False)],
)  # fmt: skip
def test_variables_that_change_what_is_run_are_known(name: str, steers: bool) -> None:
    assert steers == (name in steering({name: "x"}))


def test_what_was_not_there_before_is_new_and_what_differs_is_changed() -> None:
    known = {"a": ("x",), "b": ("y",)}

    assert ["new", "new", "changed", ""] == [
        news("a", ("x",), None), news("c", ("x",), known), news("a", ("z",), known), news("b", ("y",), known)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"verify": {"max_ratio": 60}},
         [("verify.max_ratio: 60 lets outputs be 60 times as large as their input; 60 % of"
                                         " it is 0.6")]),
        ({"verify": {"max_ratio": 10}}, []),
        ({"units": {"items": [{"unit": "a", "input": "a.md"}, {"unit": "b", "input": "./b.md"}],
                    "output": "{{ input }}"}},
         ["units.output: 'a' and 1 more would be overwritten by what is made of it: the input is an output"]),
        ({"units": {"items": [{"unit": "a", "input": "a.md"}], "output": "b.md"}}, []),
        ({"units": {"items": [{"unit": "a", "input": "a.md"}], "output": "a.md"}},
         ["units.output: 'a' would be overwritten by what is made of it: the input is an output"]),
        ({"units": {"items": [{"unit": "a", "input": "a.md"}], "output": "a.md"},
          "workers": {"command": ["work"], "isolate": "worktree"}}, []),
        ({"stuck": {"after": 60}},
         [("stuck.after: 60 s is less than wake.every, 300 s: only a check notices silence; two"
                                    " intervals or more are sensible")]),
        ({"stuck": {"after": 200}, "wake": {"every": "simple"}}, []),
        ({"stuck": {"after": 300}}, []),
        ({"workers": {"harness": "external", "command": ["go"]}},
         ["workers.command: names no {{ worker }}: a launcher is not told which session it is to make"]),
        ({"workers": {"harness": "external", "command": ["go", "{{ worker }}"]}}, []),
        ({"workers": {"harness": "external", "command": ["go"], "by": "all"}}, []),
        ({"workers": {"harness": "external", "sessions": "watch"}, "cleanup": {"rounds": 0}}, []),
    ],
)  # fmt: skip
def test_what_is_probably_a_mistake_is_told(tables: dict[str, Any], told: list[str]) -> None:
    plan = made(**tables)

    assert told == plan_doubts(plan, shares(plan, units(plan)))


@pytest.mark.parametrize(
    ("workers", "more"),
    [
        ({}, []),
        ({"stage": True}, [("workers.stage", "/s/n/attempts/WORKER.ATTEMPT/stage/")]),
        (
            {"isolate": "worktree"},
            [
                ("workers.isolate", "/s/n/trees/WORKER/"),
                ("workers.isolate", "wakeman/n/WORKER"),
                ("workers.isolate", "wakeman/n.merged"),
            ],
        ),
        ({"executor": "elsewhere"}, []),
    ],
)
def test_what_a_run_makes_for_itself_is_listed(workers: dict[str, Any], more: list[tuple[str, str]]) -> None:
    where = "workers.executor" if "executor" in workers else "workers.socket"

    found = own_paths(made(workers={"command": ["work"], **workers}), "n", "/s/n", "a place")

    own = [("state directory", "/s/n/"), ("workers.prompt", "/s/n/prompts/WORKER.ATTEMPT.md"), (where, "a place")]
    assert [*own, *more] == [(each.key, each.path) for each in found]


def test_what_is_sent_to_hosts_is_told_as_it_replaces_what_lies_there() -> None:
    ssh = SshSpec(hosts={"alpha": 1}, files="copied", send=("src", "data.csv"))
    plan = Plan(name="n", units=UnitsSpec(items=("a",)), workers=WorkersSpec(executor="ssh", stage=True), ssh=ssh)
    what = "is sent to each host of ssh.hosts, where it replaces what lies at that path"

    assert [("ssh.send[0]", "src", what), ("ssh.send[1]", "data.csv", what)] == [
        (use.key, use.path, use.what) for use in other_paths(plan)
    ]
