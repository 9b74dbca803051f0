"""All clients as tables: how a command line is built, and how stream, hooks and screen are read. A client is an
instance of `Client`; `Agentic` interprets it. What a table cannot express is a function in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Literal

import msgspec
from msgspec import Struct

from wakeman.adapters.harness.limits import JUST_PASSED, Kind, capped, refusal_kind, retrying, until
from wakeman.core.gate import Json, instant, json_lines, numbers_at, plain_id, texts_at, total, values_at
from wakeman.core.model import Activity, Agent, EndedBy, Fault, Plan, Usage
from wakeman.core.plan.template import render
from wakeman.core.policy.last_words import WORDS_CHARS_MAX, shortened
from wakeman.core.policy.prompt_delivery import PADS, Pad, padded
from wakeman.core.text import last_line, sanitise, unescaped
from wakeman.ports import ClientVersion, Command, Evidence, Report, Source, Task, TranscriptPaths, release

Mode = Literal["print", "interactive"]
Approval = Literal[False, "edits", "all"]

LAST_WORDS_LINES = 20
"""Lines in which a client that failed to start is searched for the reason."""
ASTRAY = re.compile(
    r"(?i)no (?:saved |previous )?(?:conversation|session|rollout|thread)s? (?:was |were )?found"
    r"|(?:conversation|session|rollout|thread)\b.{0,120}\b(?:is already in use|not found|does not exist)"
    r"|invalid session identifier"
)
"""Words of clients whose conversation cannot be begun or resumed under its id: the next attempt begins another."""
CLIENT_REASON_CHARS_MAX = 160
"""Characters of a client's message that a reason quotes."""
SIGNALLED_FROM_STATUS = 128
"""Exit status from which on a signal ended it, so that its last line is not the reason."""
SIGN_ROWS_MAX = 60
"""Last lines of a screen in which a sign counts."""
WRAPPED_ROWS = 3
"""Lines before a retry that say what it is for."""
TEXT_STREAM_ROWS_MAX = 200
"""Last lines of a stream of plain text that are read."""
SEARCHED_CHARS_MAX = 4000
"""Characters of a value, or of a line, in which a pattern is searched."""
SCREEN_ROW_CHARS_MAX = 500
"""Characters of a line of a screen that are read."""
ANY = re.compile("")
"""Matches any value."""
TOLD_AS: Mapping[Kind, tuple[Activity, Fault]] = {
    "limit": ("limited", ""),
    "outage": ("limited", "outage"),
    "auth": ("error", "auth"),
    "billing": ("error", "billing"),
}
"""What each kind of refusal means for the worker."""
UNAVAILABLE = "the service is unavailable"
"""Beginning of the reason of a worker whose service is overloaded or cannot be reached."""
WORSE: Mapping[Activity, int] = {"unknown": 0, "idle": 1, "busy": 2, "waiting": 3, "limited": 4, "error": 4}
"""Of a transcript and a screen that disagree, the one that is worse counts."""
OPENING = "Read {{ prompt_file }} and do what it says."
"""Prompt of an interactive session: the task itself may be too long for an argument, or begin with a command."""


class Talk(Struct, frozen=True):
    """One mode's command line: `begin`, grants, reach, profile, `workers.args`, `fresh` or `resume`, then `end`.

    Shape: arguments are templates of the worker's names and `session`. With an empty `resume`, conversations are not
    resumed.
    """

    begin: tuple[str, ...]
    end: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    stdin: bool = False  # the prompt file is its standard input
    to_file: bool = False  # its standard output is the stream


class Grant(Struct, frozen=True):
    """Arguments for one value of `workers.auto_approve`, and what it allows; `refused` says why it is not possible.

    Shape: a confined worker gets `confined` instead of `words`, if set; `free` says why confinement is not possible.
    """

    allows: str
    words: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    refused: str = ""
    confined: tuple[str, ...] = ()
    free: str = ""


class ClientEvent(Struct, frozen=True):
    """How one kind of line, or hook report, is read. The first that matches counts.

    Shape: `where` maps paths (`a.b`, `*` for any) to the expected value, or a pattern to search. `why` and `ends` may
    contain paths in braces, alternatives separated by `|`; `ends` is the reason of an attempt that ended with this
    line, "" for success, None for the same as `why`. With an `activity` of None the line is skipped, and an earlier one
    counts. The words of an error, and those of `also`, are searched for the kind of refusal that they name. `retries`:
    the client is refused and tries again by itself, as `why` says.
    """

    activity: Activity | None
    where: Mapping[str, object] = {}
    why: str = ""
    ends: str | Callable[[Json], str] | None = None
    until: str = ""  # path of epoch seconds; without one, the text is searched for a time
    fault: Fault = ""
    also: str = ""
    retries: bool = False
    background: bool = False  # what runs is work in the background
    ended_by: EndedBy = ""  # of a line that tells an end: who ended it


class Window(Struct, frozen=True):
    """How a line tells when a limit resets: epoch seconds at the path `at`, words for its kind at `kind`.

    Shape: one that is `sure` is about a limit that is used up, and counts more than words; another only where the words
    name no time.
    """

    where: Mapping[str, object]
    at: str
    kind: str = ""
    sure: bool = True


class Sign(Struct, frozen=True):
    """A sign on a screen, or in a stream of plain text, of an activity.

    Shape: with `why` "" the reason is the group `said`, or the whole match. `part` is where it counts: `above` the
    client's input box, in its `foot`, in the text `typed` there, in the `box`, which is the text above and below it the
    one typed, as its last line; `open` on a screen without a box; "" anywhere at the bottom. It is of the client's
    versions from `since` on, and `before` another; of every version without these.
    """

    activity: Activity
    pattern: str
    why: str = ""
    fault: Fault = ""
    part: Literal["", "above", "foot", "typed", "box", "open"] = ""
    retries: bool = False
    background: bool = False  # what runs is work in the background
    since: str = ""
    before: str = ""

    def of(self, version: str) -> bool:
        """Return whether it is of a version; an unknown one has every sign."""
        asked = release(version)
        late = bool(self.since) and asked < release(self.since)
        return not asked or not (late or (self.before and asked >= release(self.before)))


class Spoken(Struct, frozen=True):
    """Where a line has words of the model: at the path `text` of a line that fits `where`; of several values the last.

    Shape: with `parts` each line has a part of one message, and the ones before it belong to it.
    """

    where: Mapping[str, object]
    text: str
    parts: bool = False


class Tally(Struct, frozen=True):
    """Where lines report usage. `adds`: each such line counts; otherwise the last one has the sum.

    Shape: several paths are summed; a missing path counts as none. Of lines with the same `key` only the last counts.
    `whole` as in `Usage`.
    """

    where: Mapping[str, object]
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    cost: tuple[str, ...] = ()
    adds: bool = False
    key: str = ""
    whole: bool = False


class Calls(Struct, frozen=True):
    """How lines report a tool call (`begins`, its id at `id`) and its return (`ends`, its id at `of`).

    Shape: calls before a line that matches `turn` belong to an earlier turn, and are over.
    """

    begins: Mapping[str, object]
    id: str
    ends: Mapping[str, object]
    of: str
    turn: Mapping[str, object] | None = None


class Record(Struct, frozen=True):
    """A client's own transcript of a live conversation, as lines of JSON: where it is, and how it is read.

    Shape: `home` are the variable that names its directory and the default, below HOME; the globs of `file`, `beside`
    and `states` are templates below it; `day` in them is each possible day. A file is the attempt's own if its
    beginning contains `names`, or if that is "". `events` are read like those of the stream, `about` like hooks; `at`
    is the path of a state's time, in milliseconds; `session` the path of the conversation's id.
    """

    home: tuple[str, str]
    file: str
    beside: str = ""
    states: str = ""
    names: str = ""
    events: tuple[ClientEvent, ...] = ()
    about: tuple[ClientEvent, ...] = ()
    at: str = ""
    tally: Tally | None = None
    calls: Calls | None = None
    session: str = ""
    spoken: tuple[Spoken, ...] = ()
    windows: tuple[Window, ...] = ()


class Own(Struct, frozen=True):
    """Where a user's own settings are: the home directory, the environment, the workers' directory, a reader.

    Shape: `read` returns "" for a missing file; `keys` names further variables that workers get.
    """

    home: str
    environ: Mapping[str, str]
    cwd: str
    read: Callable[[str], bytes]
    keys: frozenset[str] = frozenset()


class Config(Struct, frozen=True):
    """A client's own directory, and its replacement for a worker that cannot write there.

    Shape: `env` are variables that name the replacement, templates of `home`; `copies` are the user's files that it
    needs: name in that directory -> places to search, as in `Harness.borrows`. `logins` are those of them that hold a
    login or a key.
    """

    env: Mapping[str, str]
    copies: Mapping[str, tuple[str, ...]] = {}
    logins: tuple[str, ...] = ()


class Client(Struct, frozen=True):
    """A client's whole table."""

    name: str
    talks: Mapping[Mode, Talk]
    grants: Mapping[tuple[Mode, Approval], Grant]
    install: str
    env: Mapping[str, str] = {}
    ours: frozenset[str] = frozenset()  # arguments that a plan may not set: observation depends on them
    granting: frozenset[str] = frozenset()  # arguments by which a plan permits tools itself
    reach: tuple[str, ...] = ()  # arguments for each further directory of outputs
    model: tuple[str, ...] = ()  # arguments that choose a profile's model
    profile: Callable[[str, Agent], Iterable[str]] | None = None  # takes profiles itself
    permits: Callable[[Task, list[str]], Iterable[str]] | None = None  # further arguments by what an attempt may do
    settle: Callable[[Task], tuple[Mapping[str, str], Mapping[str, bytes]]] | None = None  # variables, files to seed
    config: Config = Config({})
    keyed: Callable[[Task], bool] = lambda _: False  # it needs no file of the user
    events: tuple[ClientEvent, ...] = ()
    windows: tuple[Window, ...] = ()
    hooks: tuple[ClientEvent, ...] = ()
    signs: tuple[Sign, ...] = ()
    says: tuple[Sign, ...] = ()  # signs in a stream of plain text
    spoken: tuple[Spoken, ...] = ()  # words of the model in its stream, and in its hook reports
    own_lines: str = r"(?!)"  # the beginning of a line in a stream of plain text that is none of the model's words
    tally: Tally | None = None
    spent: Callable[[str], Usage | None] | None = None  # reads usage from plain text
    calls: Calls | None = None  # in its stream
    guarded: bool = False  # its hooks call the guard before it writes
    record: Record | None = None
    session: str = ""  # path, in any line, of the conversation's id, if the client chooses it
    frame: str = r"(?!)"  # its input box at a screen's end, with groups `typed` and `foot`; must not match quoted text
    asides: str = r"(?!)"  # what it shows right above its box that is no part of the conversation
    recorded: tuple[str, ...] = ()  # versions whose screens and reports are recorded, the newest last
    prompt_line: str = r"^❯ (?!\d\. )\S.*$"  # a prompt on the screen: text above belongs to an earlier turn
    leave: str = ""
    left_by_hand: bool = False  # at a terminal it ends with status 0 only if somebody leaves it, and reports no end
    lacks: Callable[[Plan, Own], Iterable[tuple[str, str]]] | None = (
        None  # faults of the user's settings, each with the fix
    )
    pads: tuple[Pad, ...] = PADS  # beginnings and ends of a text that it interprets, and the pad against that
    redraws: bool = True
    memory: int = 0


CLAUDES = frozenset({"sonnet", "opus", "haiku", "inherit", "default"})
"""Model names that only Claude Code accepts."""


class Agentic:
    """A harness made of a client's table."""

    uses_agent = True
    uses_prompt = True
    adopts = False

    def __init__(self, client: Client) -> None:
        self.client = client
        self.name, self.redraws = client.name, client.redraws
        self.leave, self.memory = client.leave, client.memory
        record: tuple[Source, ...] = ("record",) if client.record is not None else ()
        self.reads: frozenset[Source] = frozenset(("stream", "hook", "screen", *record))

    def problems(self, plan: Plan) -> list[str]:
        """List the settings of a plan that it cannot serve."""
        workers, client = plan.workers, self.client
        given = {word.partition("=")[0] for word in workers.args}
        found = [f"workers.args: found {word}, expected none that Wakeman sets itself" for word in given & client.ours]
        if workers.command:
            found.append(
                f"workers.command: found one, expected none with harness {self.name!r} (workers.args adds words)"
            )
        if workers.mode not in client.talks:
            return sorted([*found, f"workers.mode: found {workers.mode!r}, expected 'print' with {self.name}"])
        grant = client.grants[workers.mode, workers.auto_approve]
        if grant.refused and not given & client.granting:
            found.append(f"workers.auto_approve: found {_toml_value(workers.auto_approve)}, expected {grant.refused}")
        if grant.free and workers.confine != "off":
            found.append(f"workers.auto_approve: found {_toml_value(workers.auto_approve)}, expected {grant.free}")
        return sorted(found)

    def conversation(self, plan: Plan) -> Literal["", "given", "told"]:
        """Read it from the table."""
        talk = self.client.talks[plan.workers.mode]
        if not talk.resume:
            return ""
        return "given" if talk.fresh else "told"

    def command(self, task: Task) -> Command:
        """Build the command line from the table. Raises: UsageError when a profile is too long."""
        client, workers = self.client, task.plan.workers
        talk = client.talks[workers.mode]
        grant = client.grants[workers.mode, workers.auto_approve]
        names = {**task.names, "prompt_file": task.prompt_file, "session": task.agent_session, "home": task.home}
        beside = [place for place in topmost_directories(task.outputs) if not _within(place, task.cwd)]
        env, files = client.settle(task) if client.settle is not None else ({}, {})
        if task.confined:
            env = {**{key: render(text, {"home": task.home}) for key, text in client.config.env.items()}, **env}
            files = {**{f"{task.home}/{name}": data for name, data in task.theirs.items()}, **files}
        conversation = talk.resume if task.resume else talk.fresh if task.agent_session else ()
        words = (
            *_filled(talk.begin, names),
            *(client.permits(task, beside) if client.permits is not None else ()),
            *(word for place in beside for word in _filled(client.reach, {"directory": place})),
            *((task.confined and grant.confined) or grant.words),
            *self._profile(task),
            *(render(word, task.names) for word in workers.args),
            *_filled(conversation, names),
            *_filled(talk.end, names),
        )
        return Command(
            words,
            {**client.env, **grant.env, **env},
            stdin=task.prompt_file if talk.stdin else "",
            to_file=talk.to_file,
            files=files,
            preface=_preface(task.agent) if task.agent is not None and client.profile is None else "",
            guarded=client.guarded and bool(task.place),
            trail=_trail(client, task, env) if workers.mode == "interactive" else None,
        )

    def typed(self, text: str) -> str:
        """Pad a text by the table."""
        return padded(text, self.client.pads)

    def borrows(self, task: Task) -> Mapping[str, tuple[str, ...]]:
        """Read from the table which of the user's files it needs; none with a key."""
        return {} if self.client.keyed(task) else self.client.config.copies

    def logins(self) -> tuple[str, ...]:
        """Read from the table where the user's login is kept."""
        config = self.client.config
        return tuple(place for name in config.logins for place in config.copies[name])

    def report(self, evidence: Evidence, now: datetime) -> Report:
        """Read the last event with a meaning; else the last hook report; then its transcript; then the screen."""
        client, record = self.client, self.client.record
        report = self._streamed(evidence, now)
        given = report.activity == "idle"
        if report.activity == "unknown" and client.says:
            report = _printed(client.says, evidence.stream, _said_at(evidence.stream_at, now))
        if report.activity == "unknown":
            report = self._reported(evidence, now)
        if record is not None and (
            report.activity == "unknown" or (report.activity, report.source) == ("idle", "state")
        ):
            # That its process waits for a prompt does not say how its turn ended.
            recorded = _last_report(record.events, json_lines(evidence.record), now, "record")
            report = recorded if WORSE[recorded.activity] >= WORSE[report.activity] else report
        if report.activity in ("unknown", "idle") and report.source in ("", "record", "state"):
            # A transcript has turns; dialogs, background tasks and some failures are only on the screen.
            shown = self._shown(evidence.screen, now, evidence.version)
            report = shown if WORSE[shown.activity] > WORSE[report.activity] else report
        elif report.activity == "idle":
            # What a hook reports is newer than the screen, but may leave out what the client names there.
            shown = self._shown(evidence.screen, now)
            report = shown if shown.background else report
        elif report.activity == "busy" and evidence.screen:
            shown = self._shown(evidence.screen, now, evidence.version)
            report = shown if shown.retries else report
        if record is not None:
            report = _with_reset(report, record.windows, evidence.record, now)
        return msgspec.structs.replace(self._measured(report, evidence), given=given and report.activity == "idle")

    def ending(self, evidence: Evidence, code: int | None, now: datetime) -> Report:
        """Return the reason of its last event, including tools that were not permitted."""
        client = self.client
        at = _said_at(evidence.stream_at, now)
        report = self._streamed(evidence, now, ended=True)
        if report.activity == "unknown" and client.says:
            printed = _printed(client.says, evidence.stream, at)
            report = printed if printed.activity in ("error", "limited") else report
        if report.activity == "unknown" and code != 0 and (code is None or code < SIGNALLED_FROM_STATUS):
            report = _reason_given_last(evidence, at)
        told = _last_report(client.hooks, json_lines(evidence.hook + b"\n"), now, "hook").ended_by
        if client.left_by_hand and evidence.interactive and code == 0 and not told:
            told = "person"
        return self._measured(msgspec.structs.replace(report, ended_by=told), evidence)

    def _streamed(self, evidence: Evidence, now: datetime, *, ended: bool = False) -> Report:
        """Read the stream; a line there that names a reset counts more than words."""
        at = _said_at(evidence.stream_at, now)
        report = _last_report(self.client.events, json_lines(evidence.stream), at, "stream", ended=ended)
        return _with_reset(report, self.client.windows, evidence.stream, now)

    def _profile(self, task: Task) -> Iterator[str]:
        agent = task.agent
        if agent is None:
            return
        if self.client.profile is not None:
            yield from self.client.profile(task.agent_name, agent)
        elif agent.model and agent.model not in CLAUDES:
            yield from _filled(self.client.model, {"model": agent.model})

    def _reported(self, evidence: Evidence, now: datetime) -> Report:
        """Read the last hook report, or the state of the client's process if that is newer.

        Boundary: if both mean the same, the hook has more detail; an idle process after a reported failure is no news.
        """
        heard = _said_at(evidence.hook_at, now)
        hook = _last_report(self.client.hooks, json_lines(evidence.hook + b"\n"), heard, "hook")
        record = self.client.record
        if record is None or not evidence.state:
            return hook
        lines = list(json_lines(evidence.state + b"\n"))
        state = _last_report(record.about, iter(lines), now, "state")
        at = max((_seconds(said) for line in lines for said in values_at(line, record.at)), default=0.0)
        failed = state.activity == "idle" and hook.activity in ("error", "limited")
        if state.activity in ("unknown", hook.activity) or failed:
            return hook
        return state if at > evidence.hook_at or hook.activity == "unknown" else hook

    def _shown(self, screen: str, now: datetime, version: str = "") -> Report:
        rows = screen.replace("\N{NO-BREAK SPACE}", " ").rstrip().splitlines()[-SIGN_ROWS_MAX:]
        text = "\n".join(row[:SCREEN_ROW_CHARS_MAX].rstrip() for row in rows)
        parts = self._parts(text)
        for sign in self.client.signs:
            if not sign.of(version) or sign.part not in parts:
                continue
            if found := re.search(sign.pattern, parts[sign.part], re.MULTILINE):
                words = found["said"] if "said" in found.re.groupindex else found[0]
                return self._weighed(_signed(sign, words, now, "screen"), version)
        return Report()

    def _weighed(self, report: Report, version: str) -> Report:
        """Return what a screen alone may say: of a version that nobody has recorded, not that its turn is over."""
        newest = self.client.recorded[-1] if self.client.recorded else ""
        if report.activity != "idle" or not ClientVersion(self.name, version, newest).newer:
            return report
        why = f"seems to rest; screens of {version} are not known, the newest is {newest}"
        return Report("unknown", why, source="screen")

    def _parts(self, text: str) -> dict[str, str]:
        """Split a screen at its input box; drop text above the last prompt, which belongs to an earlier turn."""

        def latest(above: str) -> str:
            return re.split(self.client.prompt_line, above, flags=re.MULTILINE)[-1]

        box = re.search(self.client.frame, text, re.MULTILINE)
        if box is None:
            return {"": latest(text), "open": text}
        above = latest(text[: box.start()])
        if (aside := re.search(self.client.asides, above)) is not None:
            above = above[: aside.start()]
        whole = f"{above.rstrip()}\n❯ {box['typed'].strip()}"
        return {"": latest(text), "above": above, "foot": box["foot"], "typed": box["typed"], "box": whole}

    def _measured(self, report: Report, evidence: Evidence) -> Report:
        client, record = self.client, self.client.record
        usage = _usage(client.tally, evidence.stream, whole=evidence.whole)
        if client.spent is not None:
            usage = client.spent(evidence.stream.decode(errors="replace"))
        session = _last_id_at(evidence.stream, client.session)
        since = _open_call_since(client.calls, evidence.stream)
        if record is not None and evidence.record:
            usage = usage or _usage(record.tally, evidence.record, whole=evidence.recorded)
            session = session or _last_id_at(evidence.record, record.session)
            since = _open_call_since(record.calls, evidence.record) if since is None else since
        return msgspec.structs.replace(
            report,
            usage=usage,
            agent_session=session,
            calls=since is not None,
            since=since or 0.0,
        )

    def last_words(self, evidence: Evidence) -> str:
        """Return the model's last words: in its hook report, else in its stream, else in its transcript."""
        client, record = self.client, self.client.record
        for data, rows in (
            (evidence.hook + b"\n", client.spoken),
            (evidence.stream, client.spoken),
            (evidence.record, record.spoken if record is not None else ()),
        ):
            if said := _last_spoken(rows, data):
                return said
        if not client.says:
            return ""
        return shortened(_last_paragraph(unescaped(evidence.stream.decode(errors="replace")), client.own_lines))


def _last_paragraph(text: str, own_lines: str) -> str:
    """Return the last paragraph that is not all of the client's own lines."""
    for paragraph in reversed(re.split(r"\n\s*\n", text)):
        if any(line.strip() and not re.match(own_lines, line) for line in paragraph.splitlines()):
            return paragraph.strip()
    return ""


def _reason_given_last(evidence: Evidence, at: datetime) -> Report:
    """Return the last words of a client that failed: of its stream, otherwise of its terminal, where its errors go.

    Shape: words that say why no conversation began or went on count more than what was printed after them.
    """
    texts = [evidence.stream.decode(errors="replace"), evidence.screen]
    lines = [line.strip() for text in texts for line in text.splitlines()[-LAST_WORDS_LINES:]]
    astray = next((line for line in lines if ASTRAY.search(line)), "")
    if astray:
        return Report(why=sanitise(astray, CLIENT_REASON_CHARS_MAX), fault="conversation")
    words = (last_line(text, SEARCHED_CHARS_MAX) for text in texts)
    return _last_words(next(filter(None, words), ""), at)


def topmost_directories(files: Iterable[str]) -> list[str]:
    """Return the topmost directories of files."""
    parents = {PurePosixPath(file).parent for file in files}
    return sorted(str(parent) for parent in parents if not parents & set(parent.parents))


def _within(place: str, root: str) -> bool:
    return bool(root) and PurePosixPath(place).is_relative_to(root)


def _filled(words: Iterable[str], names: Mapping[str, str]) -> Iterator[str]:
    return (render(word, names) for word in words)


def _trail(client: Client, task: Task, env: Mapping[str, str]) -> TranscriptPaths | None:
    """Return the paths of the attempt's transcript, by the variables that it starts with."""
    record = client.record
    if record is None:
        return None
    own = {key: render(value, task.names) for key, value in task.plan.workers.env.items()}
    known = {**task.env, **client.env, **env, **own, **task.keys}
    name, below = record.home
    home = known.get(name, "") or (f"{known['HOME']}/{below}".rstrip("/") if known.get("HOME") else "")
    if not home.startswith("/"):
        return None
    days = [task.at + timedelta(days=n) for n in (-1, 0, 1)] if task.at is not None else []
    names = {
        "session": task.agent_session,
        "short": task.agent_session[:8],
        "place": re.sub(r"[^A-Za-z0-9]", "-", task.cwd),
        "prompt_file": task.prompt_file,
    }

    def below_home(pattern: str) -> tuple[str, ...]:
        each = [{**names, "day": f"{day:%Y/%m/%d}"} for day in days] if "{{ day }}" in pattern else [names]
        return tuple(render(pattern, one) for one in each) if pattern else ()

    return TranscriptPaths(
        home=home,
        record=below_home(record.file),
        names=render(record.names, names),
        beside=below_home(record.beside),
        states=below_home(record.states),
    )


def _toml_value(value: Approval) -> str:
    return repr(value) if value else "false"


def _preface(agent: Agent) -> str:
    """Format a profile for a client without profiles: it precedes the task."""
    tools = f"\n\nUse these tools alone: {', '.join(agent.tools)}." if agent.tools else ""
    return agent.prompt.rstrip("\n") + tools


# --- lines of JSON --------------------------------------------------------------------------------------------


def _last_report(
    rows: tuple[ClientEvent, ...],
    lines: Iterator[Json],
    now: datetime,
    source: Literal["state"] | Source,
    *,
    ended: bool = False,
) -> Report:
    """Read the last event that a row of the table matches."""
    for line in lines:
        row = next((row for row in rows if fits(row.where, line)), None)
        if row is not None and row.activity is not None:
            return _row_report(row, line, now, source, ended=ended)
    return Report()


def _row_report(
    row: ClientEvent, line: Json, now: datetime, source: Literal["state"] | Source, *, ended: bool
) -> Report:
    words = _worded(row.why, line)
    if ended and row.activity == "busy" and row.ends is None:
        text = _worded("{error}", line)
        return Report("busy", _quotable(f"ended without a result{': ' if text else ''}{text}"), source=source)
    if ended and row.ends is not None:
        words = row.ends(line) if callable(row.ends) else _worded(row.ends, line)
    elif row.retries:
        return Report("busy", retrying(words), source=source, retries=True)
    if row.activity not in ("error", "limited"):
        return Report(
            row.activity or "unknown",
            _quotable(words),
            source=source,
            background=row.background,
            ended_by=row.ended_by,
        )
    at = _said_at(_time(line), now)
    report = _refusal_report(row.activity, words, at, source, row.fault, _worded(row.also, line))
    told = (when for said in values_at(line, row.until) if (when := instant(said)) is not None)
    until_ = next(told, None)
    return report if until_ is None else msgspec.structs.replace(report, until=capped(until_, words, at))


def _refusal_report(
    activity: Activity, words: str, at: datetime, source: Literal["", "state"] | Source, fault: Fault, also: str = ""
) -> Report:
    """Return what an error is told as: by the kind of refusal in its words, or as its row says."""
    if (kind := refusal_kind(f"{words} {also}".rstrip())) and not (fault and activity == "error"):
        activity, fault = TOLD_AS[kind]
    reset = until(words, at) if activity == "limited" and not fault else None
    said = f"{UNAVAILABLE}: {words}" if fault == "outage" and words else words
    return Report(activity, _quotable(said), reset, source, fault)


def _last_words(words: str, at: datetime) -> Report:
    """Return the last line of a client that ended badly without an event: what it was refused, if it says so."""
    return _refusal_report("error", words, at, "", "") if refusal_kind(words) else Report(why=_quotable(words))


def _quotable(words: str) -> str:
    return sanitise(words, CLIENT_REASON_CHARS_MAX)


def _said_at(seconds: float, now: datetime) -> datetime:
    """Return when something was said, in epoch seconds; `now` where that is not known, or lies ahead."""
    at = instant(seconds) if seconds else None
    return now if at is None or at > now else at


def _with_reset(report: Report, windows: tuple[Window, ...], data: bytes, now: datetime) -> Report:
    """Return a report of a limit with the reset that a line names, before or after what the report was read from."""
    if report.activity != "limited" or report.fault or not windows or not data:
        return report
    for sure in (True, False) if report.until is None else (True,):
        for line in json_lines(data):
            for row in windows:
                if row.sure is sure and fits(row.where, line):
                    told = (at for said in values_at(line, row.at) if (at := instant(said)) is not None)
                    found = max(told, default=None)
                    if found is not None and found >= now - JUST_PASSED:
                        kind = f"{_worded(row.kind, line)} {report.why}"
                        return msgspec.structs.replace(report, until=capped(found, kind, now))
    return report


def _last_spoken(rows: tuple[Spoken, ...], data: bytes) -> str:
    """Return the last words of a client, sanitised, and cut to their end; "" for none."""
    found: list[str] = []
    size = 0
    for line in json_lines(data) if rows else ():
        row = next((row for row in rows if fits(row.where, line)), None)
        words = "\n".join(texts_at(line, row.text)) if row is not None else ""
        if found and (row is None or not row.parts):
            break
        if words.strip() or found:
            found.append(words)
            size += len(words)
        if found and (row is None or not row.parts or size > WORDS_CHARS_MAX):
            break
    return shortened("".join(reversed(found)))


def fits(where: Mapping[str, object], line: Json) -> bool:
    """Return whether a line has the expected value at each path; of several values there, one is enough."""
    return all(any(_equal(wanted, value) for value in values_at(line, path)) for path, wanted in where.items())


def _equal(wanted: object, value: object) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str | int | float) and wanted.search(_spelt(value)) is not None
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _spelt(value: str | float) -> str:
    """Return a value as text to search or to show. Boundary: a number of more digits than Python writes is none."""
    if isinstance(value, str):
        return value[:SEARCHED_CHARS_MAX]
    return str(value) if abs(value) < 2**64 else ""


def _last_id_at(data: bytes, path: str) -> str:
    """Return the first id at a path, reading from the last line upwards; what is no id is no word of a command line."""
    said = (plain_id(text) for line in json_lines(data) for text in texts_at(line, path)) if path else iter(())
    return next(filter(None, said), "")


def _open_call_since(calls: Calls | None, data: bytes) -> float | None:
    """Return since when a tool call has not returned, in epoch seconds; 0 if no line has a time, None without such a
    call.

    Boundary: the earliest of several; a line without a time has that of the nearest one above.
    """
    if calls is None:
        return None
    over: set[str] = set()
    found, wanted = None, False
    for line in json_lines(data):
        if wanted and (at := _time(line)):
            found, wanted = at, False
        if calls.turn is not None and fits(calls.turn, line):
            break
        if fits(calls.ends, line):
            over.update(texts_at(line, calls.of))
        if fits(calls.begins, line) and not over.issuperset(texts_at(line, calls.id)):
            at = _time(line)
            found, wanted = at, not at
    return found


def _time(line: Json) -> float:
    return max(map(_seconds, texts_at(line, "timestamp")), default=0.0)


def _seconds(said: object) -> float:
    """Return a time in epoch seconds; 0 for what is none."""
    at = instant(said)
    return at.timestamp() if at is not None else 0.0


def _worded(template: str, line: Json) -> str:
    """Fill in the values at the paths in braces: the first alternative that exists, and all of several values."""

    def filled(found: re.Match[str]) -> str:
        for path in found[1].split("|"):
            there = [_spelt(value) for value in values_at(line, path) if isinstance(value, str | int | float)]
            if any(there):
                return "; ".join(filter(None, there))
        return ""

    return sanitise(re.sub(r"\{([^}]+)\}", filled, template), SEARCHED_CHARS_MAX)


# --- text -----------------------------------------------------------------------------------------------------


def _signed(sign: Sign, found: str, now: datetime, source: Source) -> Report:
    if sign.retries:
        return Report("busy", retrying(found), source=source, retries=True)
    if sign.activity in ("error", "limited"):
        words = sanitise(found, SEARCHED_CHARS_MAX)
        report = _refusal_report(sign.activity, words, now, source, sign.fault)
        return msgspec.structs.replace(report, why=sign.why) if sign.why else report
    return Report(
        sign.activity, sign.why or _quotable(found), source=source, fault=sign.fault, background=sign.background
    )


def _printed(signs: tuple[Sign, ...], stream: bytes, now: datetime) -> Report:
    """Read a stream of plain text from its last line upwards: the last match counts."""
    lines = stream.decode(errors="replace").splitlines()
    rows = [line[:SEARCHED_CHARS_MAX] for line in lines[-TEXT_STREAM_ROWS_MAX:]]
    for n, line in reversed(list(enumerate(rows))):
        for sign in signs:
            if found := re.search(sign.pattern, line):
                words = [found[0]]
                if sign.retries:  # after what it is for
                    words = [*rows[max(0, n - WRAPPED_ROWS) : n], *words]
                elif sign.activity == "error":  # wrapped
                    words += rows[n + 1 : n + 2]
                return _signed(sign, " ".join(words), now, "stream")
    return Report()


# --- usage ----------------------------------------------------------------------------------------------------


def _usage(tally: Tally | None, data: bytes, *, whole: bool) -> Usage | None:
    """Return the usage that lines report. Boundary: none if sums need the file's beginning, and that was not read."""
    if tally is None or (tally.adds and not whole):
        return None
    lines = (line for line in json_lines(data) if fits(tally.where, line))
    if not tally.adds:
        last = next(lines, None)
        return None if last is None else _counted(tally, last)
    counted: dict[str, Usage] = {}
    for n, line in enumerate(lines):
        key = next(iter(texts_at(line, tally.key)), "") if tally.key else ""
        counted.setdefault(key or str(n), _counted(tally, line))
    each = list(counted.values())
    return msgspec.structs.replace(sum(each[1:], each[0]), whole=tally.whole) if each else None


def _counted(tally: Tally, line: Json) -> Usage:
    tokens = [[n for path in paths for n in numbers_at(line, path)] for paths in (tally.input, tally.output)]
    cost = [n for path in tally.cost for n in numbers_at(line, path)]
    put, got = (int(total(found)) if found else None for found in tokens)
    return Usage(input=put, output=got, cost=total(cost) if cost else None, whole=tally.whole)
