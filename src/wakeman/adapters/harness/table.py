"""What a client's table consists of: how it is called, and what its output, hooks, transcripts and screens mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from wakeman.core.gate import Json
from wakeman.core.model import Activity, Agent, EndedBy, Fault, Plan, Usage
from wakeman.core.policy.prompt_delivery import PADS, Pad
from wakeman.ports import Task, release

Mode = Literal["print", "interactive"]
Approval = Literal[False, "edits", "all"]
ANY = re.compile("")
"""Matches any value."""
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
    the client is refused and tries again by itself, as `why` says. `unless_failed`: the line above counts instead if it
    tells a failure, as where an end is written behind what it came of.
    """

    activity: Activity | None
    where: Mapping[str, object] = {}
    why: str = ""
    ends: str | Callable[[Json], str] | None = None
    until: str = ""  # path of epoch seconds; without one, the text is searched for a time
    fault: Fault = ""
    also: str = ""
    retries: bool = False
    unless_failed: bool = False
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
    unless_failed: bool = False
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


class DialogTable(Struct, frozen=True):
    """How a client's dialogs are read from its screen, and how a choice is made.

    Shape: patterns. `top` is the line at which a dialog begins, the last one above its choices; `foot` is found in the
    screen's last line, `never` on a screen that shows none. `permission` is found in the text of such a dialog,
    `question` in that last line, which no worker writes; `once`, `always`, `deny` in the label of the choice that means
    it, `text` in that of one into which a text is typed. `enter`: a number only marks its choice, which Enter then
    takes; `done` is the key that leaves a question with several answers, once they are ticked.

    `beside` are the labels of dialogs that have their choices beside each other, the marked one on another background.
    Each row of such a dialog begins with `edge`, `top` is its first with text, and `foot` ends the row of the choices.
    `confirms` is found in that first one where it asks whether the choice before was meant: its first choice says so.
    """

    top: str
    foot: str
    permission: str
    once: str
    always: str
    deny: str
    never: str = r"(?!)"
    question: str = r"(?!)"
    text: str = r"(?!)"
    enter: bool = False
    done: str = "Right"
    beside: tuple[tuple[str, ...], ...] = ()
    edge: str = ""
    confirms: str = r"(?!)"


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
    words: str = r"(?!)"  # with group `said`: the model's words above its box, for a client that keeps no record
    own_lines: str = r"(?!)"  # the beginning of a line in a stream of plain text that is none of the model's words
    tally: Tally | None = None
    spent: Callable[[str], Usage | None] | None = None  # reads usage from plain text
    calls: Calls | None = None  # in its stream
    guarded: bool = False  # its hooks call the guard before it writes
    record: Record | None = None
    session: str = ""  # path, in any line, of the conversation's id, if the client chooses it
    frame: str = r"(?!)"  # its input box at a screen's end, with groups `typed` and `foot`; must not match quoted text
    edge: str = r"(?!)"  # a row as wide as the conversation, where something else is shown on its right
    asides: str = r"(?!)"  # what it shows right above its box that is no part of the conversation
    dialogs: DialogTable | None = None
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
