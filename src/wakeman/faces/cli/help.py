"""What `--help` adds to a verb: when to use it, an example that runs in an empty folder, its exit codes.

Loaded for help alone.
"""

from __future__ import annotations

from typing import NamedTuple

from wakeman.faces.cli import STATE_VERBS

TRIED_ON = "wakeman run --items a b --output 'out/{{ unit }}' -- sleep 60"
"""A deployment to try a verb on: two workers that sleep."""
QUICK = (
    "wakeman run --items a b --output 'out/{{ unit }}' --wait -- sh -c 'mkdir -p out; date > out/$0' '{{ group.key }}'"
)
"""One that is done in a moment."""
PLAN = (
    r"""printf '%s\n' 'name = "try"' 'units = { items = ["a"], output = "out/{{ unit }}" }' """
    r"""'workers = { command = ["sh", "-c", "mkdir -p out; date > out/a"] }' > wakeman.toml"""
)
"""A plan to try a verb on."""


SLEEPING_PLAN = PLAN.replace("date > out/a", "sleep 60")
"""One whose worker sleeps."""


class Advice(NamedTuple):
    """When a verb is used, and an example: commands that run one after the other in an empty folder."""

    when: str
    example: tuple[str, ...]


ADVICE: dict[str, Advice] = {
    "init": Advice("you begin with a new task", ("wakeman init wakeman.toml",)),
    "plan": Advice("before `up`, to see what it would do and where the plan is wrong", (PLAN, "wakeman plan")),
    "rehearse": Advice("before `up`, to see how the night would go", (PLAN, "wakeman rehearse")),
    "up": Advice("the plan is right, or its open deployment is to continue", (PLAN, "wakeman up --wait")),
    "run": Advice("the task fits one command and needs no plan file", (QUICK,)),
    "session": Advice("a script of the playbook starts a worker; `watch-sessions` makes a deployment of them", ()),
    "compat": Advice(
        "the playbook is followed by the letter, with its own scripts",
        ("wakeman compat $PWD/bin", "wakeman compat $PWD/bin --remove"),
    ),
    "watch-sessions": Advice("somebody else has started the workers' sessions, such as a script or you by hand", ()),
    "redo": Advice(
        "a deployment has ended with units undone, and they are to be tried again",
        (
            "wakeman run --items a b --output 'out/{{ unit }}' -- sh -c 'date > out/$0' '{{ group.key }}'",
            "wakeman down run",
            "mkdir out",
            "wakeman redo run --wait",
        ),
    ),
    "check": Advice(
        "you do not want to wait for the next alarm",
        (QUICK.replace(" --wait", ""), "wakeman wait run", "wakeman check run"),
    ),
    "watch": Advice("you sit beside it and want to see files as they are written", (QUICK, "wakeman watch run")),
    "wait": Advice("a script goes on once the deployment is done", (QUICK, "wakeman wait run --timeout 10m")),
    "resume": Advice("after a crash or a reboot; it does no harm otherwise", (TRIED_ON, "wakeman resume")),
    "adopt": Advice("a deployment was restored, or its container is another: `status` says so", ()),
    "down": Advice("a deployment is to end now", (TRIED_ON, "wakeman down run --why 'wrong branch'")),
    "clean": Advice("a closed deployment is no longer to be listed", (QUICK, "wakeman clean run")),
    "status": Advice("at any time, to see how far it is and who needs you", (TRIED_ON, "wakeman status run")),
    "log": Advice("you want to know what happened, and why", (QUICK, "wakeman log run --type decided")),
    "capture": Advice("you want to see a worker's screen without attaching", (TRIED_ON, "wakeman capture run_a")),
    "tail": Advice(
        "you want to see what a worker prints, as it does",
        ("wakeman run --items a --output out -- sh -c 'echo begins; sleep 1; date > out'", "wakeman tail run_a -f"),
    ),
    "attach": Advice(
        "a worker asks something, and you answer at its keyboard", (TRIED_ON, "wakeman attach run_a --print")
    ),
    "send": Advice("you answer a worker without attaching", (TRIED_ON, "wakeman send run_a 'go on' --force")),
    "approve": Advice("`status` says that a worker asks a permission", ()),
    "answer": Advice("`status` says that a worker asks a question", ()),
    "stop": Advice("one worker goes wrong, and the others are to go on", (TRIED_ON, "wakeman stop run_a --keep")),
    "retry": Advice(
        "a worker has ended or is stuck, and another attempt may do better",
        (
            "wakeman run --items a b --output 'out/{{ unit }}' --set cleanup.rounds=0 -- sleep 60",
            "wakeman stop run_a",
            "wakeman retry run_a --note 'keep the tables'",
        ),
    ),
    "waive": Advice("a unit is not needed any more", (TRIED_ON, "wakeman waive a --why 'not needed any more'")),
    "reject": Advice(
        "a unit counts as done, and is not good",
        (TRIED_ON, "wakeman waive a --why x", "wakeman reject a --why 'too short'"),
    ),
    "accept": Advice("`status` says that a row is held, and you agree", ()),
    "pause": Advice("nothing more is to start for a while", (TRIED_ON, "wakeman pause run")),
    "unpause": Advice(
        "after `pause`, or once a refused key is mended", (TRIED_ON, "wakeman pause run", "wakeman unpause run")
    ),
    "lost": Advice("a host of [ssh] does not answer, and will not come back", ()),
    "merge": Advice("workers had git work trees, and their branches are to become one", ()),
    "amend": Advice("the plan of an open deployment was wrong", (SLEEPING_PLAN, "wakeman up", "wakeman amend")),
    "sweep": Advice(
        "workers left sessions of their own, such as validators",
        (TRIED_ON, "wakeman sweep 'val_*' --older-than 10m --deployment run"),
    ),
    "report": Advice("it is over, and somebody is to read what came of it", (QUICK, "wakeman report run")),
    "replay": Advice("you want to see how it stood at some moment", (QUICK, "wakeman replay run --until 5")),
    "audit": Advice("you want to know whether the log is true to the rules", (QUICK, "wakeman audit run")),
    "export": Advice("another tool is to show it", (QUICK, "wakeman export trace run")),
    "doctor": Advice("something does not start, or before the first night", ("wakeman doctor || :",)),
    "agents": Advice("you want to know which profiles a plan may name", ("wakeman agents",)),
    "completion": Advice(
        "once, after the installation",
        ("HOME=$PWD wakeman completion bash", "HOME=$PWD wakeman completion bash --remove"),
    ),
    "top": Advice("you want to look around, act on what needs you, or go back through a night", ()),
    "serve": Advice("you want to look with a browser, live", ()),
    "inbox": Advice("several deployments run, and you want to know what waits for you", (TRIED_ON, "wakeman inbox")),
    "notices": Advice("a program is to be told, such as an agent's client", (TRIED_ON, "wakeman notices --once")),
    "mcp": Advice("an agent is the orchestrator; its client starts this", ()),
    "schema": Advice("an editor or a script reads plans or answers", ("wakeman schema status > status.schema.json",)),
}
"""Verb -> advice. Where no example stands, an empty folder has not what it needs, or it does not end by itself."""

_EXITS = "0 done; 1 failed; 2 usage, or an invalid plan; 3 no such name"
_SPECIAL_EXITS = {
    "up": "; with --wait 1 partial or stopped; 4 not finished; 5 needs a person",
    "run": "; with --wait 1 partial or stopped; 4 not finished; 5 needs a person",
    "watch-sessions": "; with --wait 1 partial or stopped; 4 not finished; 5 needs a person",
    "redo": "; with --wait 1 partial or stopped; 4 not finished; 5 needs a person",
    "check": "; 4 not finished; 5 needs a person",
    "wait": "; 1 partial or stopped; 4 not finished; 5 needs a person; 130 interrupted",
    "watch": "; 1 partial or stopped; 4 not finished; 5 needs a person; 130 interrupted",
    "status": "; with --exit-code 1 partial or stopped; 4 not finished; 5 needs a person",
    "clean": "; 5 not live here",
    "merge": "; 1 a branch is in conflict, or gone",
}


def advice(verb: str, usual: str) -> str:
    """Return what stands below the options of a verb; `usual` is the example of its module."""
    told = ADVICE.get(verb)
    lines = [f"when: {told.when}", ""] if told else []
    own = told.example if told else ()
    head = "example, which runs in an empty folder:" if own else "example:"
    lines += [head, *(f"  {command}" for command in own or (usual,)), ""]
    return "\n".join([*lines, f"exit status: {exits(verb)}"])


def fitting(text: str, cells: int) -> str:
    """Return help in rows of at most so many cells; what a shell reads is broken as a shell joins it."""
    from wakeman.faces.cli.folding import rows_within
    from wakeman.faces.cli.paper import Paper

    rows, on, example = list[str](), Paper(width=cells), False
    for line in text.splitlines():
        example = line.startswith("  ") if example else line.startswith("example")
        if example and line.startswith("  ") and len(line) > cells:
            rows += ("".join(text for text, _ in row) for row in on.command(line.strip(), 2))
        else:
            rows += rows_within(line, cells)
    return "\n".join(rows) + "\n"


def exits(verb: str) -> str:
    """Return the exit codes of a verb."""
    special = _SPECIAL_EXITS.get(verb, "; 4 not finished; 5 needs a person" if verb in STATE_VERBS else "")
    return f"{_EXITS}{special}; 6 the log is damaged" + (", or it diverges" if verb == "audit" else "")
