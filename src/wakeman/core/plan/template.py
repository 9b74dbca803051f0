"""Strict `{{ name }}` templates, and which names each key of a plan may use.

Values are inserted unchanged: never evaluated, never scanned again. `{{ "{{" }}` writes the braces themselves (any
run of braces between quotes); `}}` without an opening is ordinary text, so that a prompt may contain JSON.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from wakeman.core.errors import PlanError

PATH = ("path", "parent", "parent_name", "name", "stem", "suffix")
UNIT = (*PATH, "unit", "input")
WORKER = ("worker", "group.key", "group.name", "unit_table", "prompt_file", "units_file", "deployment")
SHARE = ("unit", "input", "output")
"""Of a worker's prompt: all of its units, their inputs, their outputs, each list in one line."""

REVIEW = (*WORKER, "verdict_file", "round")

SCOPES: dict[str, tuple[str, ...]] = {
    "units.output": UNIT,
    "units.writes": UNIT,
    "workers.by": UNIT,
    "workers.name": (*UNIT, "group.key", "group.name"),
    "workers.prompt": (*WORKER, *SHARE),
    "workers.command": WORKER,
    "workers.args": WORKER,
    "workers.before": WORKER,
    "workers.setup": WORKER,
    "workers.env": WORKER,
    "workers.cwd": WORKER,
    "workers.confine_also": ("worker", "group.key", "group.name", "deployment"),
    "wake.to.run": ("message", "deployment"),
    "verify.command": (*UNIT, "output"),
    "verify.review.prompt": (*REVIEW, "verdict_form", "goal", "checks", "task"),
    "verify.review.command": REVIEW,
    "verify.review.args": REVIEW,
    "cleanup.move.from": WORKER,
    "cleanup.move.to": WORKER,
}
"""Key -> names in scope. Where those of UNIT are, the unit's own keys (of a matrix, an item, a JSON line) are too."""

_PLACEHOLDER = (
    r"""\{\{\s*(?P<quote>["'])(?P<braces>[{}]+)(?P=quote)\s*\}\}"""
    r"""|\{\{[^\S\n]*(?P<name>[^\s{}"'](?:[^{}"'\n]*[^\s{}"'])?)[^\S\n]*\}\}"""
    r"""|(?P<bad>\{\{.{0,30}|\{[ \t]+[\w.-]+[ \t]*\}\})"""
)


def template_faults(template: str, scope: Collection[str] | None) -> list[str]:
    """List the faults of a template whose names must be in `scope` (None: any name is allowed)."""
    return list(dict.fromkeys(_faults(template, scope)))


def names_used(template: str) -> set[str]:
    """Return the names that a template asks for."""
    return {token["name"] for token in re.finditer(_PLACEHOLDER, template) if token["name"]}


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill in the values.

    Raises: PlanError with every malformed place and unknown name.
    """
    try:
        return "".join([part if literal else values[part] for part, literal in _divided(template)])
    except KeyError:  # also of a malformed place, which has no name
        raise PlanError(tuple(template_faults(template, values))) from None


@lru_cache(maxsize=64)
def _divided(template: str) -> tuple[tuple[str, bool], ...]:
    """Divide a template into names and, marked so, literal text. A name that is no name is a malformed place."""
    parts, at = list[tuple[str, bool]](), 0
    for token in re.finditer(_PLACEHOLDER, template):
        parts += [(template[at : token.start()], True), (token["braces"] or token["name"], bool(token["braces"]))]
        at = token.end()
    return (*parts, (template[at:], True))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` with the most similar known word; "" if none is similar."""
    guess = closest(word, known)
    return f"; did you mean {guess!r}?" if guess else ""


def closest(word: str, known: Iterable[str]) -> str:
    """Return the most similar known word; "" if none is similar."""
    import difflib  # 3 ms, which a check does not pay

    return next(iter(difflib.get_close_matches(word, list(known))), "")


def _faults(template: str, scope: Collection[str] | None) -> Iterator[str]:
    for token in re.finditer(_PLACEHOLDER, template):
        name = token["name"]
        if token["bad"]:
            yield f'found malformed braces at {token["bad"]!r}; expected {{{{ name }}}}, or {{{{ "{{{{" }}}} for braces'
        elif name and scope is not None and name not in scope:
            yield f"found unknown name {name!r}; expected one of {', '.join(scope)}{nearest(name, scope)}"
