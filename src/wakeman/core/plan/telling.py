"""Whether agents are really told what to do: what a plan's prompts lack, and whether they reach anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wakeman.core.model import Plan, WorkersSpec
from wakeman.core.plan.template import SHARE, names_used
from wakeman.core.policy import review
from wakeman.core.text import sayable

TELLS = ("unit_table", "units_file", *SHARE)
"""Names of which a prompt needs one, to tell a worker its units."""


def prompt_faults(plan: Plan, prompt: str, *, asks: bool) -> Iterator[str]:
    """Yield why an agent would get an empty task, by key.

    Shape: `prompt` is the template of the workers, wherever it is; `asks`: their harness takes one.
    """
    workers = plan.workers
    delivered = asks or "prompt_file" in _names(_command_words(workers))
    if not delivered or not _blank(prompt):
        return
    expected = 'expected what each worker is to do, such as "Condense:\\n{{ unit_table }}"'
    if workers.prompt_file is not None:
        yield f"workers.prompt_file: found nothing but blanks in {workers.prompt_file!r}; {expected}"
    elif workers.prompt:
        yield f"workers.prompt: found nothing but blanks; {expected}"
    elif asks:
        why = f"as workers.harness is {workers.harness!r}"
        yield f"workers.prompt: missing, and so is workers.prompt_file; {expected}, {why}"


def review_prompt_faults(plan: Plan) -> Iterator[str]:
    """Yield why a reviewer would get an empty task. Boundary: without a prompt it gets the built-in one."""
    prompt = plan.verify.review.prompt
    if prompt and _blank(prompt):
        yield "verify.review.prompt: found nothing but blanks; expected a prompt, or none for the built-in one"


def prompt_warnings(plan: Plan, prompt: str, *, asks: bool, takes_profile: bool) -> Iterator[str]:
    """Yield what prevents nothing and is probably a mistake, by key: the workers' prompt and profile."""
    workers = plan.workers
    key = "workers.prompt" if workers.prompt_file is None else "workers.prompt_file"
    given, words = not _blank(prompt), _names(_command_words(workers))
    if not asks and workers.command and given and "prompt_file" not in words:
        yield f"{key}: nobody reads it: neither workers.command nor workers.args names {{{{ prompt_file }}}}"
    elif not asks and not given and "prompt_file" in words:
        yield "workers.command: names {{ prompt_file }}, and the plan has no workers.prompt: the file is empty"
    elif given and not names_used(prompt) & {*TELLS}:
        told = _names(workers.args) & {*TELLS} if asks else words & {*TELLS, "group.key", "group.name", "worker"}
        if not told:
            yield f"{key}: names none of {_listed(TELLS)}: a worker is not told which units are its own"
    if workers.agent is not None and not takes_profile:
        yield f"workers.agent: harness {workers.harness!r} takes no profile: {workers.agent!r} is given to nobody"


def review_warnings(plan: Plan, *, asks: bool) -> Iterator[str]:
    """Yield what is probably a mistake in a reviewer's prompt or command, by key."""
    spec = plan.verify.review
    words = _names([*spec.command, *(spec.args or ()), *plan.workers.env.values()])
    if spec.prompt and not asks and "prompt_file" not in words:
        yield "verify.review.prompt: nobody reads it: verify.review.command does not name {{ prompt_file }}"
    elif spec.prompt:
        used = names_used(spec.prompt) | (set() if asks else words)
        if not used & {"unit_table", "units_file"}:
            yield f"verify.review.prompt: names none of {_listed(TELLS[:2])}: a reviewer is not told what to judge"
        if "verdict_file" not in used:
            yield "verify.review.prompt: names no {{ verdict_file }}: a reviewer is not told where its verdict goes"
    if plan.verify.agent is not None and not asks:
        harness = review.harness(plan)
        yield f"verify.agent: harness {harness!r} takes no profile: {plan.verify.agent!r} is given to nobody"


def _command_words(workers: WorkersSpec) -> Iterator[str]:
    """Yield each word in which a plan can name a worker's files for its program."""
    yield from (*workers.command, *workers.args, *workers.env.values(), workers.cwd)
    for command in (*workers.before, *workers.setup):
        yield from command


def _names(templates: Iterable[str]) -> set[str]:
    return {name for template in templates for name in names_used(template)}


def _blank(text: str) -> bool:
    return not sayable(text).strip()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in names)
