"""Words that fingers know from other programs, and the verbs that do it here; then the verb that is spelled most alike.
Loaded only once a verb is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wakeman.core.errors import UsageError
from wakeman.core.plan.template import closest, nearest
from wakeman.core.text import sanitise

_LOOK = (
    ("wakeman", "all deployments, a line each"),
    ("wakeman status NAME", "one deployment: who needs you, its workers"),
    ("wakeman watch NAME", "the same, live"),
)
_LOG = (
    ("wakeman log NAME", "what happened, event by event; -f follows"),
    ("wakeman tail WORKER", "what one worker prints; -f follows"),
)
_STOP = (
    ("wakeman stop WORKER", "end one worker"),
    ("wakeman down NAME", "end a deployment and its workers"),
)
_AWAY = (
    ("wakeman clean NAME", "move a closed deployment to the trash"),
    ("wakeman down NAME", "end an open one first"),
)
_START = (
    ("wakeman up FILE", "start a plan's workers"),
    ("wakeman run ...", "start workers without a plan file"),
    ("wakeman unpause NAME", "continue a paused deployment"),
)
_AGAIN = (
    ("wakeman retry WORKER", "another attempt of one worker"),
    ("wakeman redo NAME", "what a closed deployment left undone"),
    ("wakeman resume", "open deployments, after a crash or a reboot"),
)
_SEE = (
    ("wakeman attach WORKER", "attach this terminal to a worker's session"),
    ("wakeman capture WORKER", "the last lines of its screen"),
)
_TYPE = (
    ("wakeman send WORKER TEXT", "type text into a worker's session"),
    ("wakeman answer WORKER TEXT", "answer its question"),
)
_PLAN = (
    ("wakeman plan FILE", "what a plan would start, and its faults"),
    ("wakeman rehearse FILE", "its whole course, in memory"),
)
_CHANGE = (("wakeman amend NAME FILE", "change the plan of an open deployment"),)
_HOLD = (
    ("wakeman pause NAME", "stop alarms and launches; running agents continue"),
    ("wakeman unpause NAME", "continue"),
)
_AGREE = (
    ("wakeman approve WORKER", "give a permission that a worker asks; --deny denies it"),
    ("wakeman accept NAME", "take the row that is held"),
    ("wakeman waive UNIT --why WHY", "count a unit as done"),
)
_MAKE = (("wakeman init FILE", "write a commented plan to begin with"),)
_SET_UP = (
    ("wakeman doctor", "check prerequisites, and how each is fixed"),
    ("wakeman completion", "completion for your shell, and man pages"),
)
_CHECK_LOG = (("wakeman audit NAME", "verify a log"), ("wakeman replay NAME", "its timeline, and its state at a point"))

_OPTIONS_OF_ALL = ("--state", "--on", "--json", "--dry-run", "--help")
"""Options of every verb, which may stand before it."""

Proposals = Sequence[tuple[str, str]]
HABITS: dict[str, Proposals] = {
    **dict.fromkeys(("ps", "ls", "list", "list-sessions", "sessions", "jobs", "info", "show", "inspect"), _LOOK),
    **dict.fromkeys(("describe", "get", "queue", "monitor", "dashboard", "stats", "state"), _LOOK),
    **dict.fromkeys(("logs", "journal", "journalctl", "events", "history", "follow", "output"), _LOG),
    **dict.fromkeys(("kill", "end", "quit", "exit", "cancel", "abort", "terminate", "interrupt"), _STOP),
    **dict.fromkeys(("kill-session", "kill-server", "shutdown", "halt", "finish", "disable"), _STOP),
    **dict.fromkeys(("rm", "remove", "delete", "del", "prune", "gc", "purge", "trash", "destroy", "rmi"), _AWAY),
    **dict.fromkeys(("start", "launch", "new", "begin", "enable", "go", "make", "all", "build", "exec"), _START),
    **dict.fromkeys(("create", "template", "edit", "new-session"), (*_MAKE, *_START[:2])),
    **dict.fromkeys(("restart", "rerun", "again", "reset-failed", "respawn", "try-restart", "redeploy"), _AGAIN),
    **dict.fromkeys(("a", "attach-session", "enter", "ssh", "join", "screen", "capture-pane", "switch-client"), _SEE),
    **dict.fromkeys(("send-keys", "type", "tell", "say", "reply", "message"), _TYPE),
    **dict.fromkeys(("validate", "lint", "config", "dry-run", "preview", "diff", "test", "simulate", "verify"), _PLAN),
    **dict.fromkeys(("reload", "update", "apply", "change", "set", "scale", "daemon-reload"), _CHANGE),
    **dict.fromkeys(("suspend", "hold", "freeze", "unfreeze", "continue", "cont", "fg", "bg"), _HOLD),
    **dict.fromkeys(("ok", "yes", "confirm", "skip", "ignore", "allow", "deny", "permit"), _AGREE),
    **dict.fromkeys(("install", "setup", "completions", "man", "bash-completion"), _SET_UP),
    **dict.fromkeys(("fsck", "check-log", "undo", "rewind"), _CHECK_LOG),
}
"""Word of another program -> commands to use here, each with what it does."""


def unknown_verb(word: str, verbs: Iterable[str], before: str = "") -> UsageError:
    """Return the error for a word that is no verb: a habit with the verbs that do it here, else the nearest verb.

    Shape: `before` is the word behind which it stood; of a misspelt option, `word` may be the value.
    """
    shown = sanitise(word, 40)
    if proposals := HABITS.get(word.lower(), ()):
        return UsageError(f"no verb {shown!r}; you may mean:", "wakeman --help has all verbs", proposals)
    near = nearest(word, verbs)
    if (
        not near
        and before.startswith("--")
        and before not in _OPTIONS_OF_ALL
        and (meant := closest(before, _OPTIONS_OF_ALL))
    ):
        return UsageError(f"unknown option {sanitise(before, 40)!r}; did you mean {meant!r}?", "wakeman --help")
    return UsageError(f"unknown verb {shown!r}{near}", "wakeman --help")
