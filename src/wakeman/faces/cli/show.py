"""What all verbs print with: the envelope, errors, tables, times."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from wakeman.core.errors import PlanError, WakemanError
from wakeman.core.model import Deployment
from wakeman.core.text import sanitise
from wakeman.ports import World

REASON = 60
"""Characters of a reason that stand in the table; `--json` has all of it."""
WIDTH = 200
"""Characters of one cell or message at most, where it came from outside."""


def out(text: str) -> None:
    """Print a line of data."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Print a line of talk."""
    sys.stderr.write(text + "\n")


def answer(options: Namespace, data: Mapping[str, object], following: Sequence[str] = (), *, ok: bool = True) -> None:
    """Print the envelope of a verb: its data, and the commands that make sense now."""
    envelope(data, _reaching(options.state, following), ok=ok)


def advise(options: Namespace, following: Sequence[str]) -> None:
    """Say to a person which commands make sense now."""
    if following:
        say("next: " + "; ".join(_reaching(options.state, following)))


def envelope(data: Mapping[str, object], following: Sequence[str] = (), *, ok: bool = True) -> None:
    """Print the one JSON object that `--json` promises. Escapes: everything but ASCII."""
    import json

    out(json.dumps({"v": 1, "ok": ok, **data, "next": list(following)}))


def failed(error: WakemanError, words: Sequence[str]) -> int:
    """Tell of an error in the way that the command line asked for; give the exit code."""
    from wakeman.faces.cli import STANDING

    own = list(words[: words.index("--")] if "--" in words else words)
    quiet = "--quiet" in own
    problems = error.problems if isinstance(error, PlanError) else (str(error),)
    hint = _directed(error.hint, own)
    if "--json" in own:
        more = {"problems": list(problems)} if isinstance(error, PlanError) else {}
        envelope({"error": str(error), "hint": hint, **more}, ok=False)
    else:
        prefix = "wakeman: " if quiet else ""
        for problem in problems:
            say(f"{prefix}error: {clean(problem)}")
        if hint:
            say(f"{prefix}hint: {clean(hint)}")
    return error.code if error.code < 4 or error.code == 6 or own[0] in STANDING else 1


def done(options: Namespace, world: World, d: Deployment) -> None:
    """Print how a deployment stands after a verb has acted; after a dry run, what would have been done."""
    from wakeman.engine.status import describe

    data = describe(world, d, d.looked_at)
    if options.dry_run:
        would(options, {"deployment": d.name})
    elif options.json:
        answer(options, data, commands(data))
    else:
        out(line(data))
        warn(data)


def warn(data: Mapping[str, Any]) -> None:
    """Say why a described deployment's workers could not be seen, where it is so."""
    if data["blind"]:
        say(f"warning: {clean(data['blind'])}; its workers cannot be seen, and nothing is decided about them")


def would(options: Namespace, data: Mapping[str, object]) -> None:
    """Print what a dry run has found that it would do."""
    if options.json:
        answer(options, {"dry_run": True, **data, "would": options.would})
        return
    for step in options.would or ["do nothing"]:
        out(f"would {clean(step)}")


def line(data: Mapping[str, Any]) -> str:
    """Say in one line how a described deployment stands: the last row, how far it is, the next check."""
    units, row = data["units"], data["decision"]["row"]
    head = f"{data['deployment']}: {row or data['outcome']}: {units['done']}/{units['total']} done"
    if data["outcome"] != "open":
        return f"{head}, {data['outcome']}"
    needs = ", needs a person" if data["needs_person"] else ""
    return f"{head}{needs}, {upcoming(data)}"


def upcoming(data: Mapping[str, Any]) -> str:
    """Say when the next check comes, and by what."""
    if data["paused"]:
        return "paused: no check comes by itself"
    if data["next_check"] is None:
        return "no check lies ahead"
    alarm = data["alarm"]
    how = f"at job {alarm['job']}" if alarm["kind"] == "at" else "tmux timer"
    gone = "" if alarm["stands"] else ", which is gone"
    return f"next check {moment(data['next_check'])} ({how}{gone})"


def commands(data: Mapping[str, Any]) -> list[str]:
    """Give the commands that make sense now for a described deployment."""
    name = data["deployment"]
    if data["outcome"] != "open":
        merging = [f"wakeman merge {name}"] if data.get("trees", {}).get("mergeable") else []
        found = [*merging, f"wakeman log {name}", f"wakeman clean {name}"]
    elif data["decision"]["held"]:
        found = [f"wakeman accept {name}", f"wakeman status {name}"]
    elif data["paused"]:
        found = [f"wakeman unpause {name}", f"wakeman down {name}"]
    else:
        stuck = [worker["name"] for worker in data["workers"] if worker["state"] == "stuck"]
        found = [f"wakeman capture {name}/{worker}" for worker in stuck[:3]]
        lost = data["alarm"] is None or not data["alarm"]["stands"]
        found += [f"wakeman {'check' if lost else 'wait'} {name}", f"wakeman log {name}"]
    return found


def standing(data: Mapping[str, Any]) -> int:
    """Give the exit code that tells how a described deployment stands; as `engine.status.code`."""
    if data["outcome"] != "open":
        return 0 if data["outcome"] == "complete" else 1
    return 5 if data["needs_person"] else 4


def _reaching(state: str | None, following: Sequence[str]) -> list[str]:
    """Let commands reach the state directory that this one was given."""
    from shlex import quote

    if state is None:
        return list(following)
    option = f" --state {quote(state)}"
    return [command + option if command.startswith("wakeman ") else command for command in following]


def _directed(hint: str, words: Sequence[str]) -> str:
    """Let the commands in a hint reach the state directory that the command line named."""
    from shlex import quote

    from wakeman.faces.cli import VERBS

    given = next((words[at + 1] for at in range(len(words) - 1) if words[at] == "--state"), None)
    given = given or next((word.removeprefix("--state=") for word in words if word.startswith("--state=")), None)
    if given is None or "--state" in hint:
        return hint
    option = f" --state {quote(given)}"
    return re.sub(rf"\bwakeman(?= (?:{'|'.join(VERBS)})\b)", lambda found: found[0] + option, hint)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head, columns as wide as their longest cell."""
    cells = [list(head)] + [[clean(str(cell)) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    for row in cells:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def portrait(data: Mapping[str, Any]) -> None:
    """Print how one described deployment stands: itself, then its workers."""
    units, row = data["units"], data["decision"]
    needs = ", needs a person" if data["needs_person"] else ""
    out(f"{data['deployment']}: {data['outcome']}, {units['done']}/{units['total']} units done{needs}")
    held = f" (held: wakeman accept {data['deployment']})" if row["held"] else ""
    out(f"last row: {row['row'] or 'none yet'}: {clean(row['why'])}{held}")
    if spent := _spent(data):
        out(f"used: {spent}")
    if data["outcome"] == "open":
        out(upcoming(data))
        out(f"{pace(data['progress'])}{misplaced(data['deployment'], data['conflicts'])}")
    if data["age"] is not None:
        out(f"seen {lasting(data['age'])} ago")
    warn(data)
    if data["confined"]:
        out(f"confined: by {clean(data['confined'])}")
    out("")
    rows = [
        (
            worker["name"],
            worker["state"],
            _reason(worker),
            worker["attempt"],
            _share(worker),
            moment(worker["since"]),
        )
        for worker in data["workers"]
    ]
    table(("worker", "state", "reason", "attempt", "units", "since"), rows)
    if units["done"] or data["outcome"] != "open":
        _missing(units)
    if data.get("validators"):
        out("")
        sessions = [
            (one["session"], one["worker"] or "nobody known", lasting(one["age"])) for one in data["validators"]
        ]
        table(("validator", "of", "age"), sessions)
    if data.get("trees") and data["outcome"] != "open":
        _branches(data["trees"])
    if data["sampled"]:
        out(f"\nsampled for a look: {', '.join(map(clean, data['sampled']))}")
    for each in data["reviews"]:
        _review(each)


def _share(worker: Mapping[str, Any]) -> str:
    """Say how far a worker is with its units; a reviewer has none."""
    return f"review {worker['review']}" if "review" in worker else "{done}/{total}".format_map(worker["units"])


def _review(each: Mapping[str, Any]) -> None:
    """Print what became of a review: whom it rejects, and why."""
    rejected = each["rejected"]
    stands = "waived" if each["waived"] else f"{len(rejected)} rejected" if each["heard"] else "no verdict yet"
    out(f"\nreview {each['round']} by {each['worker']}: {len(each['units'])} units, {stands}")
    for unit, why in rejected.items():
        out(f"  {clean(unit)}: {clean(why)}")


def _branches(trees: Mapping[str, Any]) -> None:
    """Print the branches that hold what was made, and the commands that merge them by hand."""
    out(f"\nbranches from {trees['branch'] or trees['base'][:12]} in {clean(trees['repository'])}:")
    out(f"  {', '.join(trees['branches'])}")
    for command in trees["commands"]:
        out(f"  {clean(command)}")


def _spent(data: Mapping[str, Any]) -> str:
    """Say what clients have reported of their use; "" when none has."""
    tokens, cost = data.get("tokens"), data.get("cost")
    said = [f"{tokens['input']} tokens in, {tokens['output']} out"] if tokens else []
    return ", ".join([*said, f"${cost:.2f}"] if cost is not None else said)


def _reason(worker: Mapping[str, Any]) -> str:
    told = worker["state"] in ("stuck", "exited")  # its why names what it was refused
    refused = worker.get("refused") if worker["state"] in ("launched", "running") else None
    kept = f"refused {len(refused)}: {refused[-1]}" if refused else None
    said = [worker["reason"], worker["why"] if told else kept]
    return sanitise(": ".join(filter(None, said)), REASON)


def _missing(units: Mapping[str, Any]) -> None:
    if units["missing"]:
        left = units["total"] - units["done"] - len(units["missing"])
        more = f" and {left} more" if left else ""
        out(f"\nmissing: {', '.join(map(clean, units['missing']))}{more}")


def moment(at: str | datetime | None) -> str:
    """Say a time as the clock on the wall has it; "" for none."""
    if at is None:
        return ""
    when = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{when.astimezone():%Y-%m-%d %H:%M:%S}"


def lasting(seconds: float) -> str:
    """Say how long in the largest unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def pace(progress: Mapping[str, Any]) -> str:
    """Say how fast it goes, and how long it may still take."""
    rate, eta = progress["per_hour"], progress["eta"]
    if rate is None:
        return "no estimate yet"
    left = f", about {lasting(eta['left'])} left ({lasting(eta['soonest'])} to {lasting(eta['latest'])})" if eta else ""
    return f"{rate:g} units an hour{left}"


def misplaced(name: str, conflicts: int) -> str:
    """Say that files were written out of place, where some were."""
    return f"; {conflicts} written out of place: wakeman log {name} --type conflicted" if conflicts else ""


def clean(text: str) -> str:
    """Give one line that no terminal takes for a command."""
    return sanitise(text, 10 * WIDTH)


def screen(text: str) -> str:
    """Give several lines without control characters, their blanks as they were."""
    return "\n".join(
        "".join(part if part.isspace() else sanitise(part, len(part) or 1) for part in re.split(r"([ \t]+)", row))
        for row in text.splitlines()
    )
