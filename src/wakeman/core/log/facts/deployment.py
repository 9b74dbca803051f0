"""Facts about the whole deployment: its plan, its alarm, requests of people, verdicts of reviewers, its end."""

from datetime import UTC
from typing import Literal

from msgspec.structs import replace

from wakeman.core.log.facts import standing
from wakeman.core.log.facts.fact import Event, Fact, count, quoted_words, worker_of
from wakeman.core.log.facts.worker import lift_bar
from wakeman.core.model import (
    Alarm,
    Deployment,
    Host,
    Identity,
    Outcome,
    Plan,
    RecordedProfile,
    Rejection,
    Review,
    UnitState,
)
from wakeman.core.policy import review

Verb = Literal[
    "stop",
    "retry",
    "waive",
    "reject",
    "accept",
    "pause",
    "unpause",
    "amend",
    "down",
    "send",
    "check",
    "approve",
    "answer",
    "lost",
]
"""`approve`, `answer`: what a worker's dialog, or its last words, ask; `lost`: take a host, and its workers, for lost;
`stop`, `retry`: of a worker; `waive`, `reject`: of units; `accept`: take the held row; `pause`, `unpause`; `amend`: the
plan was changed; `down`: end the deployment; `send`: text for a worker; `check`: observe now."""


class Planned(Fact, frozen=True):
    """A deployment began: its resolved policy, and the absolute world that every check uses."""

    name: str
    """Name of the deployment."""
    plan: Plan
    """The plan with all defaults filled in."""
    digest: str
    """SHA-256 of that plan, in hex."""
    host: Host
    """The absolute world of the deployment: programs, places, directories."""
    logged: str = ""
    """SHA-256 of the plan as it is in this line: with profiles and defaults of this machine, a long prompt in a file.
    Empty in older logs."""
    edition: int = 0
    """Edition of the decision tables that the log is judged by to its end. 0: attempts follow at once; 1: they back
    off; 2: what workers said is quoted where an agent reads it, and no part of a notice; 3: work in the background is
    life, a worker is finished only at rest, and a rung is taken again only once a unit was done; 4: an output counts
    only if it changed since the first launch for its unit; 5: a screen is kept together with the nudge or question that
    follows, and no client that is at work is nudged; 6: a person is asked once about a trouble; 7: the screens
    that one check keeps are kept at once, before anything else is done, and in an outage no other worker tries the
    service beside one whose retry a person requested; 8: it is told at once that a session which somebody else has
    started left units undone; 9: those that wait in a queue are taken out of it while nothing may start."""
    profiles: tuple[RecordedProfile, ...] = ()
    """The profiles that workers and reviewers get; empty in older logs."""
    agreed: tuple[str, ...] = ()
    """What a person agreed to by `--yes`, each in words; empty where nothing asked, and in older logs."""
    redoes: str = ""
    """The closed deployment whose undone units these are, with `wakeman redo`; empty for all others."""
    listed: int = 0
    """Items of `plan.units.items` that are not in this line, but in those of type `listed` that follow in the same
    write; 0 where this line has all."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.name, d.digest, d.host = self.name, self.digest, self.host
        review.adopt_plan(d, self.plan)
        d.profiles = {profile.name: profile.digest for profile in self.profiles}
        d.edition, d.agreed, d.redoes = self.edition, self.agreed, self.redoes
        d.started = event.at
        standing.begin_counting(d)

    def summary(self) -> str:
        left = f", what {self.redoes} left" if self.redoes else ""
        return f"{self.name}, plan {self.digest[:8]} in {self.host.root}{left}"


class Listed(Fact, frozen=True):
    """Items of a plan that is in the line before, which has no room for them all."""

    items: tuple[str | dict[str, str], ...]
    """The next items of `plan.units.items`, in their order."""

    def apply(self, d: Deployment, event: Event) -> None:
        units = replace(d.plan.units, items=(*(d.plan.units.items or ()), *self.items))
        review.adopt_plan(d, replace(d.plan, units=units))

    def summary(self) -> str:
        return count(len(self.items), "further item") + " of the plan"


class Adopted(Fact, frozen=True):
    """A person made the deployment live where it is now: on this machine, as this user, in this PID namespace."""

    identity: Identity
    """Where it is live from here on."""
    before: Identity | None = None
    """Where it was live; null in a log that does not say."""
    root_id: str = ""
    """As in the host of `planned`, as it is now: what was restored has other inodes."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.host = replace(d.host, identity=self.identity, root_id=self.root_id)
        for worker in d.workers.values():
            worker.cwd_id = ""
        d.server = ""  # the process id of a server says nothing in another PID namespace

    def summary(self) -> str:
        return f"live on {self.identity.machine[:8]} as user {self.identity.uid}"


class Amended(Fact, frozen=True):
    """The plan was changed for what is not launched yet."""

    plan: Plan
    """The new plan, as in `planned`."""
    digest: str
    """SHA-256 of that plan, in hex."""
    dropped: tuple[str, ...] = ()
    """Workers that were removed before they were launched."""
    root_id: str = ""
    """As in the host of `planned`, as it is now; empty in older logs."""
    profiles: tuple[RecordedProfile, ...] = ()
    """As in `planned`, as they are now."""
    changed: tuple[str, ...] = ()
    """Keys of the plan that have another value, the profiles' among them."""
    logged: str = ""
    """As in `planned`."""
    agreed: tuple[str, ...] = ()
    """As in `planned`."""
    versions: dict[str, str] | None = None
    """As in the host of `planned`, as they are now; null where no client says one, and in older logs."""
    listed: int = 0
    """As in `planned`."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.digest, d.agreed = self.digest, self.agreed
        if self.versions:
            d.host = replace(d.host, versions=self.versions)
        if self.root_id:
            d.host = replace(d.host, root_id=self.root_id)
        review.adopt_plan(d, self.plan)
        d.profiles = {profile.name: profile.digest for profile in self.profiles}
        standing.ask_about_all(d)
        for name in self.dropped:
            d.restless.pop(name, None)
            worker = d.workers.pop(name)
            standing.count_dropped(d, worker)
            for unit in worker.units:
                del d.units[unit]
                if (task := d.reviews.pop(unit, None)) is not None:
                    for given in task.units:
                        d.units[given].reviews -= 1

    def summary(self) -> str:
        without = f", without {', '.join(self.dropped)}" if self.dropped else ""
        return f"plan {self.digest[:8]}{without}" + (f", changed: {', '.join(self.changed)}" if self.changed else "")


class Armed(Fact, frozen=True):
    """An alarm was set."""

    alarm: Alarm
    """The alarm that is pending."""
    why: str = ""
    """Why it was set: `first`: at `up`; `next`: the one before has fired; `missing`: none was pending; `head`: the log
    has a new head."""
    weak: str = ""
    """Why `at` cannot be used, and what is lost without it; empty if it is used."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.alarm = self.alarm
        d.generation = self.alarm.generation

    def summary(self) -> str:
        what = f"{self.alarm.kind} {self.alarm.job}".rstrip()
        weak = f"; weak: {self.weak}" if self.weak else ""
        return f"{what} for {self.alarm.due.astimezone(UTC):%H:%M:%S} UTC, {self.why}{weak}"


class Disarmed(Fact, frozen=True):
    """The alarm was removed: the deployment is closed or paused."""

    generation: int
    """Number of the alarm that was removed."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.alarm = None

    def summary(self) -> str:
        return f"generation {self.generation}"


class Requested(Fact, frozen=True):
    """A person, or a script in their name, asked for something."""

    verb: Verb
    """What was asked for."""
    units: tuple[str, ...] = ()
    """Units that it is about."""
    text: str = ""
    """The reason that was given, or the text to send."""
    keep: bool = False
    """With `stop`: the worker's undone units stay with it: no cleanup worker gets them, until a person asks for a retry
    or rejects one of them."""
    who: str = ""
    """Who asks for it, as far as that is known: a user's name, a program, the address that it came from. With `approve`
    and `answer`; empty for other verbs, and in older logs."""
    face: str = ""
    """What it came through, with `approve` and `answer`: `cli`, `top`, `serve`, `mcp`, or a way from elsewhere."""

    def apply(self, d: Deployment, event: Event) -> None:
        worker = d.workers.get(event.worker) if event.worker is not None else None
        standing.ask_about(d, event.worker)
        match self.verb:
            case "stop" if worker is not None:
                worker.stop, worker.kept = True, self.keep
            case "retry" if worker is not None:
                worker.again, worker.note, worker.kept = True, self.text, False
            case "waive":
                for name in self.units:
                    was = d.units[name].done
                    d.units[name].waived = True
                    standing.count_done(d, d.units[name], was=was)
                    if name in d.reviews:
                        _end_review(d, d.reviews[name])
            case "reject":
                for name in self.units:
                    unit = d.units[name]
                    _reopen(d, unit, self.text, d.plan.cleanup.rounds - 1)
                    unit.reviews, unit.reviewed = 0, ()
                    d.workers[unit.worker].kept = False
            case "accept":
                d.accepted = d.held
            case "pause":
                d.paused_at = d.paused_at or event.at
            case "unpause":
                d.paused_at = None
                d.failed_launches = 0
                lift_bar(d)
            case "down":
                d.down = self.text or "asked for"
                d.paused_at = None  # ending takes several checks, which need an alarm
            case _:
                pass

    def summary(self) -> str:
        kept = "and keep its units" if self.keep else ""
        said = quoted_words(self.text) if self.verb in ("approve", "answer") else self.text
        whence = ", ".join(filter(None, (self.who, self.face)))
        return " ".join(filter(None, (self.verb, ", ".join(self.units), kept, said, whence and f"({whence})")))


class Lifted(Fact, frozen=True):
    """Launches are no longer barred: what holds the workers' keys has changed since a key or money was refused."""

    why: str
    """What has changed."""

    def apply(self, d: Deployment, event: Event) -> None:
        lift_bar(d)

    def summary(self) -> str:
        return self.why


class Sampled(Fact, frozen=True):
    """Outputs were picked by a recorded seed, for a person to inspect."""

    seed: int
    """Seed of the choice: the same seed picks the same units."""
    units: tuple[str, ...]
    """Units that were picked."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.sampled = self.units

    def summary(self) -> str:
        return ", ".join(self.units)


class Reviewed(Fact, frozen=True):
    """A verdict of a reviewer (the worker in the line) was applied: units that it rejects are reopened.

    It does not apply to a unit that changed after it was handed out.
    """

    round: int
    """Number of the review, from 1."""
    passed: int = 0
    """Units that the reviewer accepts."""
    rejected: tuple[Rejection, ...] = ()
    """Units that it does not accept; they are reopened."""

    def apply(self, d: Deployment, event: Event) -> None:
        task = d.reviews[worker_of(d, event).name]
        task.rejected = {each.unit: each.why for each in self.rejected}
        rounds = d.plan.cleanup.rounds
        _end_review(d, task)
        for name, why in task.rejected.items():
            unit = d.units[name]
            # after its last review a unit gets no further cleanup: it stays undone
            last = unit.reviews >= d.plan.verify.review.rounds
            unit.rounds = max(unit.rounds, rounds) if last else unit.rounds
            _reopen(d, unit, review.quote_rejection(why), unit.rounds if last else rounds - 1)

    def summary(self) -> str:
        words = [f"{each.unit}: {quoted_words(each.why)}" for each in self.rejected]
        counts = f"round {self.round}: {self.passed} accepted, {len(words)} rejected"
        return f"{counts}: {'; '.join(words)}" if words else counts


class Closed(Fact, frozen=True):
    """The deployment is over."""

    outcome: Outcome
    """How the deployment ended; never `open`."""
    why: str = ""
    """The counts, or the reason that a person gave."""
    missing: tuple[str, ...] = ()
    """Units that are not done."""

    def apply(self, d: Deployment, event: Event) -> None:
        d.outcome, d.ended, d.why = self.outcome, event.at, self.why

    def summary(self) -> str:
        return f"{self.outcome}: {self.why}"


def _reopen(d: Deployment, unit: UnitState, why: str, rounds: int) -> None:
    """Reopen a unit; count at most `rounds` of cleanup as used, so that the rejection leads to one more."""
    was = unit.done
    unit.rounds = min(unit.rounds, rounds)
    unit.waived = False
    unit.reopened = why
    unit.rejected = unit.verdict.marks if unit.verdict is not None else ()
    standing.count_done(d, unit, was=was)


def _end_review(d: Deployment, task: Review) -> None:
    """Record which files need no further review: unchanged since they were handed to a reviewer, and not rejected."""
    task.heard = True
    for name, marks in task.marks.items():
        if name not in task.rejected and review.is_as_reviewed(d, task, name):
            d.units[name].reviewed = marks
