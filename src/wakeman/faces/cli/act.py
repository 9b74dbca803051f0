"""The verbs by which a person acts on a deployment."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from wakeman.api import act
from wakeman.api.names import OTHER_SESSION
from wakeman.core.errors import UsageError
from wakeman.core.log.facts.fact import count
from wakeman.core.text import sanitise
from wakeman.engine.answers import Asker
from wakeman.faces.cli import options as given
from wakeman.faces.cli.deeds import did
from wakeman.faces.cli.options import Arguments, Verb
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import amount, lasting, out, print_note, printable, show, table

if TYPE_CHECKING:
    from wakeman.api.trash import EmptiedTrash

FACE_VARIABLE = "WAKEMAN_FACE"
"""Variable in which a face that runs verbs names itself."""


def _add_why_option(parser: ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--why", metavar="WHY", required=required, default="", help="the reason; it is kept in the log")


def _send_options(parser: Arguments) -> None:
    given.workers(parser, "; or any one session as tmux:SESSION or tmux:SOCKET:SESSION")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="text to type, the last word; - reads it from stdin")
    parser.words_in("worker", "text")
    parser.add_argument("--submit", action="store_true", help="press Enter after the text")
    parser.add_argument("--wait", action="store_true", help="with --submit: return once it is known whether it arrived")
    parser.add_argument("--force", action="store_true", help="type even if the session is not at an empty prompt")
    parser.add_argument(
        "--as-is", action="store_true", help="type a leading / or ! as it is, so that the client takes it for a command"
    )


def _seen_option(parser: Arguments) -> None:
    text = "fingerprint of the question that is answered, as status shows it; another question is not answered"
    parser.add_argument("--seen", metavar="HASH", default="", help=text)


PERMISSIONS: dict[Literal["deny", "once", "always"], str] = {
    "deny": "say no",
    "once": "this time, as without any of these",
    "always": "from now on too, as far as the client offers",
}
"""What a permission is answered with; of several, as by a variable, the most careful counts."""


def _approve_options(parser: Arguments) -> None:
    parser.add_argument("worker", metavar="WORKER", help="worker, as its name or DEPLOYMENT/WORKER")
    wanted = parser.add_mutually_exclusive_group()
    for word, text in PERMISSIONS.items():
        wanted.add_argument(f"--{word}", action="store_true", help=text)
    _seen_option(parser)


def _answer_options(parser: Arguments) -> None:
    parser.add_argument("worker", metavar="WORKER", help="worker, as its name or DEPLOYMENT/WORKER")
    text = "number or label of a choice, several with commas, or a text; - reads it from stdin"
    parser.add_argument("text", metavar="ANSWER", help=text)
    _seen_option(parser)


def _stop_options(parser: Arguments) -> None:
    given.workers(parser)
    parser.add_argument("--keep", action="store_true", help="leave the undone units as they are: no cleanup worker")


def _retry_options(parser: Arguments) -> None:
    given.workers(parser)
    parser.add_argument(
        "--unit", metavar="U", action="append", default=[], help="do only this missing unit; may be repeated"
    )
    parser.add_argument(
        "--note", metavar="WHY", default="", help="text that is added to the prompt of the next attempt"
    )


def _judge_options(parser: ArgumentParser) -> None:
    parser.add_argument("unit", metavar="UNIT", nargs="+", help="unit, by its name")
    _add_why_option(parser, required=True)
    given.deployment(parser)


def _clean_options(parser: Arguments) -> None:
    given.several_names(parser, "closed")
    text = "delete the branches of its workers whose commits are all in another branch"
    parser.add_argument("--branches", action="store_true", help=text)
    text = 'ask no host of ssh.files = "copied": what such a one has stays there, as where it never comes back'
    parser.add_argument("--leave-copies", action="store_true", help=text)
    text = "delete what was moved to the trash, after a question; on its own"
    parser.add_argument("--empty-trash", action="store_true", help=text)
    parser.add_argument("--yes", action="store_true", help="with --empty-trash: ask nothing")


def _lost_options(parser: ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="host, as ssh.hosts names it; one that answers is refused")
    given.name(parser)


def _down_options(parser: ArgumentParser) -> None:
    given.name(parser)
    _add_why_option(parser, required=False)


def _sweep_options(parser: ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", help="pattern of session names, for example 'val_*'")
    parser.add_argument(
        "--older-than", metavar="AGE", type=given.duration, required=True, help="minimum age, for example 10m"
    )
    parser.add_argument("--yes", action="store_true", help="end the sessions that are listed")
    given.deployment(parser)


# --- workers --------------------------------------------------------------------------------------------------


def send(options: Namespace) -> int:
    """Type text into a session."""
    how, chosen = {"submit": options.submit, "force": options.force}, given.workers_chosen(options)
    if not (chosen.words or chosen.all_ or chosen.only or chosen.like):
        expected = "WORKER and TEXT, or TEXT with --all, --only STATE or --like WORKER"
        raise UsageError(f"send: found one word, {sanitise(options.text, 40)!r}; expected {expected}")
    world = reach(options)
    text = sys.stdin.read().rstrip("\n") if options.text == "-" else options.text
    if chosen.single and chosen.words[0].startswith(OTHER_SESSION):
        session = chosen.words[0].removeprefix(OTHER_SESSION)
        answer = act.type_into(world, session, text, **how)
        return show(options, answer, lambda _: out(f"sent to tmux session {session}"))
    more = {**how, "raw": options.as_is, "pause": time.sleep if options.wait and not options.dry_run else None}
    if chosen.single:
        answer = act.send(world, chosen.words[0], text, **more)
        return show(options, answer, lambda data: out(f"{_how_far(data)} {data.target}"))
    return show(options, act.send_all(world, chosen, text, **more), _sent_to)


def _how_far(data: act.Sent) -> str:
    return "arrived at" if data.arrived else "sent to"


def _sent_to(data: act.SentAll) -> None:
    for each in data.sent:
        out(f"{_how_far(each)} {each.target}")
    for target, why in data.refused.items():
        print_note(printable(f"not sent to {target}: {why}"))


def approve(options: Namespace) -> int:
    """Give a permission, or deny it."""
    wanted: Literal["deny", "once", "always"] = next((word for word in PERMISSIONS if getattr(options, word)), "once")
    answer = act.approve(reach(options), options.worker, wanted, seen=options.seen, asker=asker_by("cli"))
    return did(options, answer)


def answer(options: Namespace) -> int:
    """Answer a question."""
    text = sys.stdin.read().rstrip("\n") if options.text == "-" else options.text
    pause = None if options.dry_run else time.sleep
    return did(
        options, act.answer(reach(options), options.worker, text, seen=options.seen, asker=asker_by("cli"), pause=pause)
    )


def asker_by(face: str) -> Asker:
    """Return who gives an answer by a face; another one may call the command line, and says so."""
    from wakeman.adapters.machine import user_name

    return Asker(user_name(), os.environ.get(FACE_VARIABLE, face))


def stop(options: Namespace) -> int:
    """End workers."""
    return did(options, act.stop(reach(options), given.workers_chosen(options), keep=options.keep))


def retry(options: Namespace) -> int:
    """Start another attempt of workers."""
    return did(options, act.retry(reach(options), given.workers_chosen(options), tuple(options.unit), options.note))


# --- units and deployments ------------------------------------------------------------------------------------


def _judging(verb: Literal["waive", "reject"]) -> Callable[[Namespace], int]:
    def judge(options: Namespace) -> int:
        answer = act.judge(reach(options), verb, tuple(options.unit), options.why, options.deployment)
        return did(options, answer)

    return judge


def _requesting(verb: Literal["accept", "pause", "unpause"]) -> Callable[[Namespace], int]:
    return lambda options: did(options, act.request(reach(options), options.name, verb))


def down(options: Namespace) -> int:
    """End a deployment; wait some seconds for its workers to end."""
    wait = None if options.dry_run else time.sleep
    answer = act.down(reach(options), options.name, options.why or "asked for", wait)
    return did(options, answer)


def lost(options: Namespace) -> int:
    """Take a host for lost."""
    return did(options, act.lose(reach(options), options.name, options.host))


def adopt(options: Namespace) -> int:
    """Make a deployment live here."""
    return did(options, act.adopt(reach(options), options.name))


def clean(options: Namespace) -> int:
    """Move a closed deployment's directory to the trash, or empty that."""
    if options.empty_trash:
        return _empty_trash(options)
    world = reach(options)
    if len(options.name) == 1:
        one = act.clean(world, options.name[0], branches=options.branches, copies=not options.leave_copies)
        return show(options, one, _cleaned, () if one.ok else one.next)
    answer = act.clean_all(world, options.name, branches=options.branches, copies=not options.leave_copies)
    return show(options, answer, _all_cleaned)


def _cleaned(data: act.Cleaned) -> None:
    out(f"{data.deployment}: " + (f"moved to {data.moved_to}" if data.moved_to else "stays, until its hosts are done"))


def _all_cleaned(data: act.CleanedAll) -> None:
    for each in data.cleaned:
        _cleaned(each)


def _empty_trash(options: Namespace) -> int:
    from wakeman.api import trash
    from wakeman.faces.cli.asking import agreed

    if options.name or options.branches or options.leave_copies:
        raise UsageError("clean: found more than --empty-trash; expected it on its own", "wakeman clean --help")
    options.among = ""  # it is about no deployment
    world = reach(options)
    paths, kept = trash.contents(world)
    if paths and not options.dry_run:
        agreed(options, [trash.question(paths)], "wakeman clean --empty-trash --yes")
    return show(options, trash.empty(world, paths, kept), _emptied)


def _emptied(data: EmptiedTrash) -> None:
    for path in data.deleted:
        out(f"deleted {printable(path)}")
    gone = f"{count(len(data.deleted), 'deployment')} deleted, {amount(data.bytes)} freed" if data.deleted else ""
    out(gone or f"nothing to delete in the trash{', and see what stays' if data.kept else ''}")


def sweep(options: Namespace) -> int:
    """List old sessions of a pattern; with `--yes`, end them."""
    end, given_ = options.yes or options.dry_run, (options.pattern, options.older_than, options.deployment)
    answer = act.sweep(reach(options), *given_, end=end, proposed=not options.yes)
    return show(options, answer, _swept, answer.next)


def _swept(data: act.Swept) -> None:
    if data.sessions:
        rows = [(each.session, lasting(each.age), "ended" * data.ended) for each in data.sessions]
        table(("session", "age", ""), rows)
    else:
        print_note("no such session")


VERBS: dict[str, Verb] = {
    "send": ("wakeman send condense_api 'go on' --submit", _send_options, send),
    "approve": ("wakeman approve condense_api --once", _approve_options, approve),
    "answer": ("wakeman answer condense_api 'as bullets'", _answer_options, answer),
    "stop": ("wakeman stop condense-docs/condense_api", _stop_options, stop),
    "retry": ("wakeman retry condense_api --note 'keep the tables'", _retry_options, retry),
    "waive": ("wakeman waive docs/old.md --why 'not needed any more'", _judge_options, _judging("waive")),
    "reject": ("wakeman reject docs/api.md --why 'lost the error codes'", _judge_options, _judging("reject")),
    "accept": ("wakeman accept condense-docs", given.name, _requesting("accept")),
    "pause": ("wakeman pause condense-docs", given.name, _requesting("pause")),
    "unpause": ("wakeman unpause condense-docs", given.name, _requesting("unpause")),
    "lost": ("wakeman lost beta condense-docs", _lost_options, lost),
    "adopt": ("wakeman adopt condense-docs", given.name, adopt),
    "down": ("wakeman down condense-docs --why 'wrong branch'", _down_options, down),
    "clean": ("wakeman clean condense-docs", _clean_options, clean),
    "sweep": ("wakeman sweep 'val_*' --older-than 10m", _sweep_options, sweep),
}
