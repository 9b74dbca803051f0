"""Fills the templates of a report. Every value that a template prints goes through one gate: made visible, escaped."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from shlex import quote
from typing import Any, Literal, NamedTuple
from urllib.parse import quote as quote_url

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from wakeman.api.chronicle import WorkerCourse, seconds_between
from wakeman.api.report import Reported
from wakeman.api.report.units import OutputMade
from wakeman.api.report.words import lasting_text
from wakeman.api.status import ListedStatus, Statuses, UnreadableStatus
from wakeman.core.log.facts.fact import count
from wakeman.faces.report.shown import TimeText, money, number, parsed, percent, size_text, spent, visible
from wakeman.faces.report.timeline import ICONS, Timeline

Format = Literal["html", "md", "svg"]
GROUPED_MIN = 25
"""Units above which outputs are folded by worker, if a worker has several."""
LABEL_CHARS_MAX = 26
"""Characters of a label in the picture."""
NAME_CHARS_SHORT_MAX = 16
"""Characters of a worker's name up to which the narrow column of names has room."""
DOTS_MAX = 60
"""Units of a worker of which each has a dot."""
SOME_NAMES_MAX = 12
"""Names that a line of the page lists."""


class Badge(NamedTuple):
    """How an outcome looks."""

    word: str
    tone: str
    icon: str


class WorkerOutputs(NamedTuple):
    """The outputs of one worker."""

    worker: str
    outputs: list[OutputMade]
    done: int
    undone: int
    size: int
    input: int
    ratios: list[float]  # of units that are done, ascending


TONES = {"verified": "ok", "stuck": "warn", "exited": "warn", "running": "acc", "launched": "acc", "pending": "mut"}
_BADGES = {
    "complete": Badge("Complete", "ok", "done"),
    "partial": Badge("Partial", "bad", "cross"),
    "stopped": Badge("Stopped", "bad", "stop"),
}


def report_text(data: Reported, form: Format, again: str) -> str:
    """Return a report in one of its forms; `again` names the log in commands."""
    name = {"html": "page.html.jinja", "md": "page.md.jinja", "svg": "timeline.svg.jinja"}[form]
    return _environment(form).get_template(name).render(_values(data, form, again))


def live_text(data: Reported, again: str, *, acts: bool) -> str:
    """Return the page that `wakeman serve` shows of a deployment: the report, which renews itself while it is open.

    Shape: `acts` adds buttons for what a person may do.
    """
    values = _values(data, "html", again)
    return _environment("html").get_template("page.html.jinja").render({**values, **_live_values(acts=acts)})


def index_text(names: Sequence[str], data: Statuses, stamp: str) -> str:
    """Return the first page of `wakeman serve`: all deployments by name, those that need a person first.

    Shape: `stamp` tells the state of the logs that it was made from.
    """
    found = sorted(zip(names, data.deployments, strict=True), key=_urgency)
    values = {
        "found": found,
        "stamp": stamp,
        "state": data.state,
        "style": Markup(_asset("style.css")),  # noqa: S704 - our own file
        **_live_values(acts=False),
    }
    return _environment("html").get_template("index.html.jinja").render({**values, "path": _address_part})


def live_policy() -> str:
    """Return the policy of live pages, which is sent as a header: own style and scripts, and requests to the server."""
    texts = _asset("style.css"), _asset("script.js"), _asset("live.js")
    return f"{_policy(*texts)}; connect-src 'self'; frame-ancestors 'none'"


def _live_values(*, acts: bool) -> dict[str, Any]:
    return {"live": Markup(_asset("live.js")), "acts": acts, "policy": None}  # noqa: S704 - our own file


def _address_part(name: str) -> str:
    """Return a deployment's name as a part of an address."""
    return quote_url(name, safe="", errors="surrogateescape")


def _urgency(one: tuple[str, ListedStatus | UnreadableStatus]) -> tuple[int, str]:
    name, data = one
    if isinstance(data, UnreadableStatus):
        return 0, name
    return (1 if data.needs_person else 2 if data.outcome == "open" else 3), name


@cache
def _environment(form: Format) -> Environment:
    """Return what fills templates: compiled once, as that takes several times as long as to fill one."""
    shown: Callable[[Any], Any] = _shown_in_markdown if form == "md" else _shown_in_page
    made = Environment(
        autoescape=True,
        finalize=shown,
        loader=FunctionLoader(_asset),
        undefined=StrictUndefined,
        trim_blocks=form == "md",
        keep_trailing_newline=True,
    )
    made.filters["cut"] = _cut_name
    return made


def _asset(name: str) -> str:
    return (files("wakeman.faces.report") / name).read_text(encoding="utf-8")


def _shown_in_page(value: object) -> object:
    """Return what a template prints: text made visible; what is markup already, as it is."""
    if isinstance(value, Markup):
        return value
    return visible(value) if isinstance(value, str) else "" if value is None else value


def _shown_in_markdown(value: object) -> object:
    """Return what the Markdown template prints: text made visible, in one line, without Markdown or HTML."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return "" if value is None else value
    plain = " ".join(visible(value).split())
    return Markup(re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", plain))  # noqa: S704 - escaped for Markdown


def _command_code(text: str) -> Markup:
    """Return a command as Markdown code, fenced by more backquotes than it has."""
    plain = " ".join(visible(text).split())
    fence = "`" * (max(map(len, re.findall("`+", plain)), default=0) + 1)
    return Markup(f"{fence} {plain} {fence}" if "`" in plain else f"`{plain}`")  # noqa: S704 - fenced, for Markdown alone


def _cut_name(text: str) -> str:
    """Return a name that fits beside the picture, cut in the middle."""
    shown = visible(text)
    half = LABEL_CHARS_MAX // 2
    return shown if len(shown) <= LABEL_CHARS_MAX else f"{shown[: half - 1]}…{shown[-half:]}"


def _policy(style: str, *scripts: str) -> str:
    """Return the page's security policy: these texts, and nothing else."""

    def source(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {source(style)}; script-src {' '.join(map(source, scripts))}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _values(data: Reported, form: Format, again: str) -> dict[str, Any]:
    s = data.status
    began = parsed(s.started) if s.started else parsed(data.last)
    clock = TimeText(began, parsed(data.last))
    line = Timeline(data, clock)
    style, script = _asset("style.css"), _asset("script.js")
    if form == "svg":
        style += "\n.ink{fill:var(--ink)}.head{font-size:16px;font-weight:600}"
    ratios = [each.ratio for each in data.outputs if each.ratio is not None]
    most = max([*ratios, data.limit or 0])
    return {
        "measured": bool(ratios),
        "most": most,
        "most_is_limit": most == data.limit,
        "places": lambda found: [round(1 + 98 * each / most, 2) for each in deciles(found)],
        "percent": percent,
        "d": data,
        "s": s,
        "line": line,
        "style": Markup(style),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "policy": Markup(_policy(style, script)),  # noqa: S704 - made of digests
        "live": None,
        "acts": False,
        "day": f"{began:%A} {began.day} {began:%B %Y}",
        "badge": _badge(data),
        "lacking": s.units.total - s.units.done,
        "clean": data.audit is not None and not data.audit.diverging and not data.audit.divergences,
        "workers": {worker.name: worker for worker in s.workers},
        "long": any(len(worker.name) > NAME_CHARS_SHORT_MAX for worker in s.workers),
        "kinds": _Kinds(data),
        "groups": _groups(data),
        "tones": TONES,
        "icons": ICONS,
        "remedies": _remedies(data),
        "commands": _commands(data, again),
        "height": 60 + 30 * (len(line.rows) + bool(line.folded)) + 216,
        "at": clock,
        "took": _took,
        "ran_on": _ran_on,
        "between": seconds_between,
        "lasting": _lasting,
        "size": size_text,
        "money": money,
        "number": number,
        "count": count,
        "spent": spent,
        "some": _some_names,
        "code": _command_code,
    }


def _badge(data: Reported) -> Badge:
    if data.needs:
        return Badge("Open, needs you", "warn", "warn")
    return _BADGES.get(data.status.outcome, Badge("Open", "acc", "launch"))


class _Kinds:
    """What the filter finds a worker by: fixed words, none of them from outside."""

    def __init__(self, data: Reported) -> None:
        missing = {each.worker for each in data.missing}
        stuck = {each.worker for each in data.questions}
        self._kinds = {}
        for course, worker in zip(data.courses, data.status.workers, strict=True):
            kinds = {
                "missing": worker.name in missing,
                "stuck": worker.state == "stuck" or worker.name in stuck,
                "repeated": worker.attempt > 1,
                "cleanup": bool(course.origin),
                "done": worker.state == "verified",
            }
            self._kinds[worker.name] = " ".join(kind for kind, holds in kinds.items() if holds)

    def __call__(self, worker: str) -> str:
        """Return the words for a worker."""
        return self._kinds[worker]


def _groups(data: Reported) -> list[WorkerOutputs]:
    """Return the outputs by worker where that makes the page shorter; otherwise nothing."""
    by: dict[str, list[OutputMade]] = {course.worker: [] for course in data.courses}
    for each in data.outputs:
        by.setdefault(each.worker, []).append(each)
    by = {worker: outputs for worker, outputs in by.items() if outputs}
    if len(data.outputs) <= GROUPED_MIN or len(data.outputs) < 2 * len(by):
        return []
    made = []
    for worker, outputs in by.items():
        done = sum(each.done for each in outputs)
        size, source = sum(each.size or 0 for each in outputs), sum(each.input or 0 for each in outputs if each.size)
        ratios = sorted(each.ratio for each in outputs if each.ratio is not None)
        made.append(WorkerOutputs(worker, outputs, done, len(outputs) - done, size, source, ratios))
    return sorted(made, key=lambda group: not group.undone)


def _remedies(data: Reported) -> list[tuple[str, str]]:
    name = quote(data.deployment)
    found = (
        [("See what happened to it", f"wakeman log {name} --worker {quote(data.missing[0].worker)}")]
        if data.missing
        else []
    )
    if data.status.outcome != "open":
        return [*found, ("Do what is missing, when the cause is mended", f"wakeman redo {name}")]
    ended = {each.name for each in data.status.workers if each.state == "exited"}
    again = [each.worker for each in data.missing if each.worker in ended][:1]
    return [
        *found,
        *(("Try again", f"wakeman retry {name}/{quote(worker)}") for worker in again),
        ("How it stands now", f"wakeman status {name}"),
    ]


def _commands(data: Reported, again: str) -> list[tuple[str, str]]:
    log, name = quote(again), quote(data.deployment)
    head = f" --head {data.audit.head}" if data.audit is not None else ""
    closed = data.status.outcome != "open"
    return [
        ("Audit the log again, against this head", f"wakeman audit {log}{head}"),
        ("Every event, in order", f"wakeman replay {log}"),
        ("How it stood half-way", f"wakeman replay {log} --until {max(1, data.status.events // 2)}"),
        *([("Put it away when you have read this", f"wakeman clean {name}")] if closed else []),
    ]


def _took(course: WorkerCourse) -> str:
    """Return how long a worker took: from its first launch to its last end."""
    if not course.attempts:
        return "–"
    return _lasting(seconds_between(course.attempts[0].began, course.attempts[-1].ended))


def _ran_on(course: WorkerCourse) -> str:
    """Return on which machines a worker's attempts ran, in order; "" for this one."""
    names = [each.host for each in course.attempts if each.host]
    return f" on {', '.join(dict.fromkeys(names))}" if names else ""


def _lasting(seconds: float | None) -> str:
    return "–" if seconds is None else lasting_text(seconds)


def _some_names(names: Sequence[str], most: int = SOME_NAMES_MAX) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def deciles(found: Sequence[float]) -> Sequence[float]:
    """Return ascending numbers, or of very many the smallest, the largest and those at each tenth between."""
    if len(found) <= DOTS_MAX:
        return found
    return [found[n * (len(found) - 1) // 10] for n in range(11)]
