"""Scenes of what can happen to a real client: what is true, what the log reports, and after how long. True is what the
simulated model server saw and did, and what a test did to a process. Reported is what is in the log, written by checks
that the alarm, a hook or a worker's end started: no test calls `wakeman check` here.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.agents.alone import TRANSCRIPTS
from tests.agents.clients import KINDS, Agents
from tests.agents.models import READ
from tests.waiting import until

from wakeman.adapters.harness import find
from wakeman.adapters.harness.client import Agentic
from wakeman.adapters.harness.table import ClientEvent, Sign
from wakeman.ports import Evidence

PATIENCE = 90.0
"""Seconds until what is true must have been told, beside `stuck.after`, and until a night that was mended is over."""
AFTER = 12.0
"""`stuck.after` where nothing but time tells, in seconds."""
AFTERS = {"codex": AFTER, "gemini": 40.0, "opencode": 60.0}
"""The same for each other client: some take more than ten seconds to begin on a busy machine."""
EVERY = 3.0
"""`wake.every`, in seconds: a timer of tmux beside the `at` job, so that no scene waits for the minute."""
SLOW = 60.0
"""`wake.every` where a client takes seconds to end: a look in between would find it idle, or in error, before that."""
LIVE = {"mode": '"interactive"'}
BYPASS = {**LIVE, "auto_approve": '"all"'}
SANDBOX = {"IS_SANDBOX": "1"}
RETRIES = {"API_TIMEOUT_MS": "4000", "CLAUDE_CODE_MAX_RETRIES": "1"}


class Scene(NamedTuple):
    """One thing that happens, and what must be told of it.

    `told` is the path that the log must show, as `path` words it, up to the moment at which all is told; `then` what
    follows once somebody, or time, has mended it. `happens` makes the trouble that the play alone does not; `mends`
    ends it, and checks on the way. Both get the night that runs; `happens` gives the epoch seconds of the trouble.
    """

    name: str
    true: str
    told: tuple[str, ...]
    why: str = ""
    then: tuple[str, ...] | None = ()  # None: whatever comes
    client: str = "claude"
    play: str = "work"
    units: tuple[str, ...] = ("a", "b")
    workers: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    after: float = 60.0
    every: float = EVERY
    more: str = ""  # further tables of the plan
    stuck: str = ""  # further keys of `stuck`
    happens: Callable[[Agents], float] | None = None
    mends: Callable[[Agents], None] | None = None
    outcome: str = ""
    also: tuple[str, ...] = ()  # what the path names besides, see `SOMETIMES`

    def fits(self, path: tuple[str, ...]) -> bool:
        """Return whether a path is the one that must be. Workers side by side end in any order."""
        if self.then is None:
            return path[: len(self.told)] == self.told
        must = self.told + self.then
        return sorted(path) == sorted(must) if len(self.units) > 8 else path == must

    @property
    def mode(self) -> str:
        """Return the mode in which the client runs."""
        return self.workers.get("mode", '"print"').strip('"')


class Seen(NamedTuple):
    """How a scene went. `seconds` from what is true to what is told; `own` requests were the workers', `others` not."""

    told: tuple[str, ...]
    why: str
    seconds: float
    path: tuple[str, ...]
    outcome: str
    wakes: tuple[str, ...]
    own: int
    others: int
    tokens: int  # of the others: what the supervision cost
    nudges: int  # prompts that Wakeman typed, each of which makes the client ask
    evidence: str  # what told it: see `told_by`
    reached: float | None  # seconds until a person was told, where one is needed
    false_idle: int  # looks that saw it at rest while a request of its was open
    false_done: int  # outputs that are missing from a deployment that is complete


def play(scene: Scene, agents: Agents) -> Seen:
    """Run a scene to its end and give what was seen. Raises: AssertionError when something is not told in time."""
    agents.plan(
        scene.client,
        task=f"play={scene.play}",
        units=json.dumps(scene.units),
        env=scene.env,
        after=f"{scene.after:g}s",
        every=f"{scene.every:g}s",
        more=scene.more,
        stuck=scene.stuck,
        **{"max_units": "8", **scene.workers},
    )
    up = agents.run("up", "wakeman.toml", "--yes")
    assert up.returncode == 0, up.stderr
    happened = scene.happens(agents) if scene.happens else 0.0
    _await(agents, scene, scene.told)
    at, said = list(path(agents.events(), also=scene.also))[len(scene.told) - 1][1:]
    evidence = told_by(agents, scene)
    asked = [one for one in agents.models.asked if one.play]
    last = max((moment for one in asked if (moment := one.answered or one.at) <= at), default=at)
    reached = None
    if scene.told[-1].startswith(NEEDED):
        until(agents.wakes, PATIENCE)
        reached = time.time() - (happened or last)
    if scene.mends:
        scene.mends(agents)
    if scene.outcome:
        until(agents.closed, PATIENCE + scene.after)  # a client that is slow to begin has a long `after`
    words = _words(agents, scene)
    others = [one for one in agents.models.asked if one.by in ("", "?")]
    return Seen(
        told=words[: len(scene.told)],
        why=said,
        seconds=at - (happened or last),
        path=words,
        outcome=agents.status()["outcome"],
        wakes=tuple(agents.wakes()),
        own=len(agents.models.asked) - len(others),
        others=len(others),
        tokens=sum(one.tokens for one in others),
        nudges=len(typed(agents)),
        evidence=evidence,
        reached=reached,
        false_idle=_false_idle(agents) if scene.happens is None else 0,
        false_done=_missing(agents, scene) if scene.outcome == "complete" else 0,
    )


NEEDED = ("stuck, waiting", "stuck, asks", "stuck, claims", "stuck, refuses", "stuck, background", "stuck, silent")
"""What a person must hear of."""


def _false_idle(agents: Agents) -> int:
    """Count the looks at a client at rest that had a request open. One that a person has interrupted is left out."""
    asked = [one for one in agents.models.asked if one.play]
    seen = [at for what, at, _ in _told(agents.events()) if what == "running, idle"]
    return sum(any(one.at + 1 < at and (not one.answered or one.answered > at) for one in asked) for at in seen)


def _missing(agents: Agents, scene: Scene) -> int:
    there = {path.stem for path in (agents.place / "work").glob("*.md") if path.read_text().strip()}
    return len(set(scene.units) - there)


ACTIVITIES = {"asks": "idle", "claims": "idle", "refuses": "idle"}
"""What a client does, as its evidence says, for reasons that come from its last words."""
BY_TIME = {"silent": "time without a sign of life", "background": "processes, time"}


def told_by(agents: Agents, scene: Scene) -> str:
    """Return the evidence that told it, the first that counts first.

    Shape: of a live client, each source that says so by itself when it is read at once; of one that was ended because
    it rested, each source in whose words the log says that it rests; of one that has ended, its end.
    """
    last = scene.told[-1] if scene.told[-1] not in ("verified", "tidy", "clean up") else scene.told[-2]
    word = last.removeprefix("stuck, ").split(",")[0]
    if last.startswith("stuck"):
        return BY_TIME.get(word) or ", ".join(_sources(agents, ACTIVITIES.get(word, word)))
    if last == "exited by wakeman":
        rests = [why for what, _, why in _told(agents.events()) if what == "running, idle"]
        return ", ".join(["outputs", *_worded_in(scene.client, rests[-1] if rests else "")])
    if last == "exited by person":
        return "hook"
    stream = scene.mode == "print" and "status 137" not in last
    return "exit status, stream" if stream else "exit status"


def _sources(agents: Agents, activity: str) -> Iterator[str]:
    """Yield the sources that by themselves say what a client does."""
    attempt = next(iter(sorted(agents.state.glob("night/attempts/w.*"), reverse=True)), None)
    hook = next(iter(sorted(attempt.glob("said/hook*"))), None) if attempt is not None else None
    records = (
        sorted(agents.place.glob(f"**/{TRANSCRIPTS.get(agents.client, '-')}")) if agents.client in TRANSCRIPTS else []
    )
    states = sorted(agents.place.glob("**/.claude/sessions/*.json"))
    screen = agents.tmux("capture-pane", "-p", "-t", "w")
    each = {
        "hook": {"hook": hook.read_bytes() if hook is not None else b""},
        "state of its process": {"state": states[-1].read_bytes() if states else b""},
        "transcript": {"record": records[-1].read_bytes() if records else b""},
        "screen": {"screen": screen},
    }
    for source, evidence in each.items():
        if find(agents.client).report(Evidence(**evidence), datetime.now(UTC)).activity == activity:  # type: ignore[arg-type] # each value is of its own field
            yield source


def _worded_in(client: str, why: str) -> Iterator[str]:
    """Yield the sources that word it so."""
    harness = find(client)
    assert isinstance(harness, Agentic)
    table, record = harness.client, harness.client.record
    rows: dict[str, tuple[ClientEvent | Sign, ...]] = {
        "hook": table.hooks,
        "state of its process": record.about if record is not None else (),
        "transcript": record.events if record is not None else (),
        "screen": table.signs,
    }
    for source, each in rows.items():
        if any(row.activity == "idle" and row.why == why for row in each):
            yield source


SOMETIMES = ("running, idle", "tidy")
"""What a log tells in one run and not in the next, as checks come: asked for only where it must be told."""


def path(events: Iterable[Mapping[str, Any]], *, also: tuple[str, ...] = ()) -> Iterator[tuple[str, float, str]]:
    """Return what a log tells: each worker's states but the first two, the row clean up, and `also`; when, and why."""
    return (one for one in _told(events) if one[0] not in SOMETIMES or one[0] in also)


def _told(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, float, str]]:
    for event in events:
        data = event.get("data", {})
        at = datetime.fromisoformat(event["at"]).timestamp()
        match event["type"]:
            case "stalled":
                said = f"; it said {data['said']}" if data.get("said") else ""
                yield f"stuck, {data['reason']}", at, data["why"] + said
            case "exited":
                by = {"itself": f"by itself, status {data.get('code')}", "": f"by a signal, status {data.get('code')}"}
                yield f"exited {by.get(data.get('ended_by', ''), 'by ' + data.get('ended_by', ''))}", at, data["why"]
            case "recovered" | "relaunched" | "verified":
                yield event["type"], at, data.get("why", "")
            case "decided" if data["row"] in ("clean up", "tidy"):
                yield data["row"], at, data["why"]
            case "looked":
                for one in data.get("sightings", []):
                    if one.get("activity") == "idle" and one["session"] == "running":
                        yield "running, idle", at, one["why"]
            case _:
                pass


def _words(agents: Agents, scene: Scene) -> tuple[str, ...]:
    return tuple(words for words, _, _ in path(agents.events(), also=scene.also))


def _await(agents: Agents, scene: Scene, told: tuple[str, ...]) -> None:
    """Wait until the log shows as much as is to be told. What it shows is judged by who called."""
    deadline = time.monotonic() + PATIENCE + scene.after
    while len(found := _words(agents, scene)) < len(told):
        assert time.monotonic() < deadline, f"{scene.name}: told {found}, expected {told}\n{agents.trail()}"
        time.sleep(0.1)


# --- what happens, and what mends it --------------------------------------------------------------------------


def pids(agents: Agents, word: str) -> list[int]:
    """List the processes of the plan's workers whose command line holds a word."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            marked = str(agents.place).encode() in (place / "environ").read_bytes()
            words = (place / "cmdline").read_bytes()
            if marked and word.encode() in words and b"wrapper.sh" not in words:
                found.append(int(place.name))
        except OSError:
            continue
    return found


def kill(agents: Agents) -> float:
    """End the client by SIGKILL while it waits for the answer that follows its first output."""
    until(lambda: any("a.md" in call for one in agents.models.asked for call in one.said.calls), 60)
    clients = pids(agents, agents.client)
    assert clients
    at = time.time()
    for pid in clients:
        os.kill(pid, signal.SIGKILL)
    return at


def goes_on(agents: Agents) -> None:
    """Check that the attempt after a cut carries on with the conversation that was cut: both prompts are in it.

    What was answered last may not be: a client writes its conversation down a moment later than it acts.
    """
    until(agents.closed, PATIENCE)
    marks = list(dict.fromkeys(one.by for one in agents.models.asked if one.play))
    first = next(one for one in agents.models.asked if one.play and one.by == marks[1])
    assert len(marks) == 2, marks
    prompts = max(first.said.told.count("Make each file on the right"), len(set(READ.findall(first.said.told))))
    assert prompts == 2, first.said


def crash(agents: Agents) -> float:
    """Wait for the stand-in to go down, which it does by itself, and give when."""
    until(lambda: agents.models.down, 60)
    return agents.models.down


def comes_back(agents: Agents) -> None:
    """Bring the stand-in up again."""
    agents.models.state["mended"] = True
    agents.models.come_back()


def mended_key(agents: Agents) -> None:
    """Check that nobody is launched and the orchestrator is told once; then mend the key and lift the bar."""
    launches = len(agents.models.asked)
    waited = agents.run("wait", "night", "--until", "attention", "--timeout", "30")
    assert waited.returncode == 5, waited
    checked = agents.run("check", "night")
    assert checked.returncode == 5, checked
    assert len(agents.models.asked) == launches, "asked again after the refusal"
    assert len(agents.wakes()) == 1, agents.wakes()  # of a live worker at its prompt, by the same notice
    decided = [event["data"].get("then", ()) for event in agents.events() if event["type"] == "decided"]
    assert sum("ask" in then for then in decided) <= 1, decided
    agents.models.state["mended"] = True
    unpaused = agents.run("unpause", "night")
    assert unpaused.returncode == 0, unpaused.stderr


def waits_for_the_reset(agents: Agents) -> None:
    """Check that an alarm is set for the reset, that nobody asks before it, and that all is done after it."""
    reset = float(agents.models.state["reset"])
    alarms = [datetime.fromisoformat(e["data"]["alarm"]["due"]) for e in agents.events() if e["type"] == "armed"]
    assert alarms[-1] >= datetime.now(UTC), alarms
    until(agents.closed, 180)
    refused = [one for one in agents.models.asked if one.play and one.status == 429]
    met = {one.by for one in refused}
    assert len(met) == 1, f"launched into the wall: {met}"
    early = [one for one in agents.models.asked if one.play and refused[-1].answered < one.at < reset]
    assert not early, early
    again = min(one.at for one in agents.models.asked if one.play and one.at >= reset)
    agents.models.state["again"] = again - reset


def answers_the_second_attempt(agents: Agents) -> None:
    """Check that one worker alone tries the service, and have it answer once a second attempt was refused."""

    def refused() -> set[str]:
        return {one.by for one in agents.models.asked if one.play and one.status == 529}

    until(lambda: len(refused()) == 2, PATIENCE)
    agents.models.state["mended"] = True
    workers = {mark.split("/")[1] for mark in refused()}
    assert len(workers) == 1, f"launched into the outage: {workers}"


def answers_when_asked_again(agents: Agents) -> None:
    """Check that the second worker waits, and have the service answer once the first is told to go on."""
    until(lambda: any(event["type"] == "stalled" for event in agents.events()), PATIENCE)
    agents.models.state["mended"] = True
    until(agents.closed, PATIENCE)
    refused = {one.by for one in agents.models.asked if one.play and one.status == 529}
    assert len(refused) == 1, f"launched into the outage: {refused}"


def appended(agents: Agents) -> None:
    """Check that the deployment is complete with what was made in the background, and that nobody was nudged."""
    until(agents.closed, PATIENCE)
    assert "the rest" in (agents.place / "work" / "b.md").read_text()
    assert [] == intents(agents, "nudge")


def asked_once(agents: Agents) -> None:
    """Check that somebody is told once, with the words as data, and that the client is left alone from then on."""
    until(agents.wakes, PATIENCE)
    seen = len(looks(agents))
    until(lambda: len(looks(agents)) > seen + 2, 2 * PATIENCE)  # nothing happens: some come with the alarm alone
    assert (1, 1) == (len(agents.wakes()), len(intents(agents, "nudge")))
    (worker,) = agents.status()["workers"]
    assert worker["said"]
    assert worker["said"] not in agents.wakes()[0]


def passed_on(agents: Agents) -> None:
    """Check that the cleanup worker's task has the last words of the one before, quoted."""
    until(lambda: list(agents.state.glob("night/prompts/**/w_c1.1.md")), PATIENCE)
    (task,) = agents.state.glob("night/prompts/**/w_c1.1.md")
    assert '"Which format should I use, bullets or prose?"' in task.read_text()


def leave(agents: Agents) -> float:
    """Leave the client by its own command, as a person at its keyboard does."""
    until(lambda: any(one.play for one in agents.models.asked), 60)
    agents.tmux("send-keys", "-t", "w", "Escape")
    until(lambda: "❯" in agents.tmux("capture-pane", "-p", "-t", "w"), 30)
    agents.tmux("send-keys", "-t", "w", "-l", "/exit")
    until(lambda: "❯ /exit" in agents.tmux("capture-pane", "-p", "-t", "w").replace("\N{NO-BREAK SPACE}", " "), 30)
    agents.tmux("send-keys", "-t", "w", "Enter")
    return time.time()


def leave_codex(agents: Agents) -> float:
    """Leave Codex by its own command, once its turn is over."""
    until(lambda: "Worked for" in agents.tmux("capture-pane", "-p", "-t", "w"), 60)
    agents.tmux("send-keys", "-t", "w", "-l", "/exit")
    until(lambda: "› /exit" in agents.tmux("capture-pane", "-p", "-t", "w").replace("\N{NO-BREAK SPACE}", " "), 30)
    time.sleep(0.5)  # what comes at once behind a paste is a part of it
    agents.tmux("send-keys", "-t", "w", "Enter")
    return time.time()


def half_type(agents: Agents) -> float:
    """Type half a line into the client while its last task runs in the background, and leave it there."""
    until(lambda: any("the rest" in call for one in agents.models.asked for call in one.said.calls), 60)
    agents.tmux("send-keys", "-t", "w", "-l", "and also lo")
    return time.time()


def kept_line(agents: Agents) -> None:
    """Check that the half-typed line is in the log and in the status."""
    until(agents.closed, PATIENCE)
    assert ["and also lo"] == [one["line"] for one in intents(agents, "end") if "line" in one]
    assert "and also lo" == agents.status()["workers"][0]["line"]


def end_child(agents: Agents) -> None:
    """End the child that the client has left at work."""
    for pid in pids(agents, "7200"):
        os.kill(pid, signal.SIGTERM)


def goes_on_when_told(agents: Agents) -> None:
    """Have a person tell the client to go on, once the service answers again: what its box shows in grey is no text."""
    until(agents.wakes, PATIENCE)
    agents.models.state["mended"] = True
    arrives(agents, "go on, please")


def takes_a_slash(agents: Agents) -> None:
    """Send what begins like a command of the client: it reaches the model as text, and opens nothing."""
    for text in ("/help me", "/usr/bin is a directory"):
        arrives(agents, text)
        until(lambda text=text: any(text in one.said.told for one in agents.models.asked), 30)  # type: ignore[misc] # a bound loop variable


def arrives(agents: Agents, text: str) -> None:
    """Send a text, and check that it is confirmed. One that is refused while a turn ends has typed nothing."""
    until(lambda: agents.run("send", "night/w", text, "--submit", "--wait").returncode == 0, 60)
    assert [event["data"] for event in agents.events() if event["type"] == "confirmed"][-1]["ok"]


def retried(agents: Agents) -> None:
    """Check that the client was told to be retrying while it was, and that nobody was called for it."""
    until(agents.closed, PATIENCE)
    whys = [one.get("why", "") for event in looks(agents) for one in event["data"].get("sightings", [])]
    assert any(why.startswith("retrying: ") for why in whys), whys
    assert [] == [one for one in agents.wakes() if "wrap up" not in one]


def intents(agents: Agents, action: str) -> list[Mapping[str, Any]]:
    """List the intents of one kind."""
    found = (event["data"] for event in agents.events() if event["type"] == "intended")
    return [data for data in found if data["action"] == action]


def typed(agents: Agents) -> list[Mapping[str, Any]]:
    """List the nudges that were typed: one that is refused, since the screen still changes, asks the client nothing."""
    done = {event["data"]["intent"] for event in agents.events() if event["type"] == "effected" and event["data"]["ok"]}
    found = (event for event in agents.events() if event["type"] == "intended" and event["seq"] in done)
    return [event["data"] for event in found if event["data"]["action"] == "nudge"]


def looks(agents: Agents) -> list[Mapping[str, Any]]:
    """List the looks."""
    return [event for event in agents.events() if event["type"] == "looked"]


def no_orphan(agents: Agents) -> None:
    """Check that the child which outlived its client is ended."""
    until(lambda: not pids(agents, "7200"), 30)


# --- the scenes -----------------------------------------------------------------------------------------------

DONE = ("exited by itself, status 0", "verified")
ENDED = ("exited by wakeman", "verified")
FIFTY_FOUR = tuple(f"u{n:02}" for n in range(54))
SHARES = {"max_units": "8", "stagger": '"2s"'}

CLAUDE = (
    Scene("happy", "all outputs written", ENDED, workers=LIVE, outcome="complete"),
    Scene(
        "seven workers, 54 outputs",
        "all outputs written",
        DONE * 7,
        units=FIFTY_FOUR,
        workers=SHARES,
        outcome="complete",
    ),
    Scene(
        "seven workers, 54 outputs",
        "all outputs written",
        ENDED * 7,
        units=FIFTY_FOUR,
        workers={**SHARES, **LIVE},
        outcome="complete",
    ),
    Scene(
        "partial, then cleanup",
        "says that all is done, one of two outputs written",
        told=("exited by itself, status 0", "clean up"),
        why="1/2 units done",
        play="shirks",
        then=("verified", *DONE),
        outcome="complete",
    ),
    Scene(
        "permission needed",
        "asks whether it may run a command",
        told=("stuck, waiting",),
        why=r"asks for a permission: Bash setsid sleep 7200",
        play="orphans",
        workers={**LIVE, "auto_approve": "false"},
    ),
    Scene(
        "question in a dialog",
        "AskUserQuestion is open",
        told=("stuck, waiting",),
        why="asks a question",
        play="asks",
        workers=LIVE,
    ),
    Scene(
        "question in text",
        "asks in plain text, has ended its turn",
        told=("stuck, asks", "recovered", "stuck, asks"),
        why="it said Which format should I use, bullets or prose",
        play="wonders",
        workers=LIVE,
        after=AFTER,
        mends=asked_once,
    ),
    Scene(
        "claim in text",
        "says that all is done, nothing is",
        told=("stuck, claims", "recovered", "stuck, claims"),
        why="it said All files have been written",
        play="claims",
        workers=LIVE,
        after=AFTER,
        mends=asked_once,
    ),
    Scene(
        "refusal in text",
        "says that it cannot",
        told=("stuck, refuses", "recovered", "stuck, refuses"),
        why="it said I'm sorry, but I can't help",
        play="declines",
        workers=LIVE,
        after=AFTER,
        mends=asked_once,
    ),
    Scene(
        "task in the background",
        "all outputs written, a task appends to the last 20 s later",
        ENDED,
        play="background",
        workers=BYPASS,
        env=SANDBOX,
        after=AFTER,
        mends=appended,
        outcome="complete",
    ),
    Scene(
        "process left at work",
        "all outputs written, a process of it appends to the last 20 s later",
        ENDED,
        play="forks",
        workers=BYPASS,
        env=SANDBOX,
        after=AFTER,
        mends=appended,
        outcome="complete",
    ),
    Scene(
        "output made in the background",
        "ends its turn while a task makes the last output",
        ENDED,
        play="later",
        workers=BYPASS,
        env=SANDBOX,
        after=AFTER,
        mends=appended,
        outcome="complete",
    ),
    Scene(
        "left at its keyboard",
        "a person has typed /exit",
        told=("exited by person", "clean up"),
        why="0/2 units done",
        play="hang",
        workers=LIVE,
        more='[cleanup]\nafter = "5s"',
        happens=leave,
    ),
    Scene(
        "half-typed line",
        "finished, with half a line in its input box",
        ENDED,
        play="background",
        workers=BYPASS,
        env=SANDBOX,
        happens=half_type,
        mends=kept_line,
        outcome="complete",
    ),
    Scene(
        "question in text",
        "asks in plain text, has ended",
        told=("exited by itself, status 0", "clean up"),
        why="0/2 units done",
        play="wonders",
        mends=passed_on,
    ),
    Scene(
        "hang mid-stream",
        "the answer has begun, nothing follows",
        told=("stuck, silent",),
        play="cuts",
        workers=LIVE,
        after=AFTER,
    ),
    Scene(
        "hang mid-stream", "the answer has begun, nothing follows", told=("stuck, silent",), play="cuts", after=AFTER
    ),
    Scene("silent API", "not a byte is answered", told=("stuck, silent",), play="hang", workers=LIVE, after=AFTER),
    Scene("silent API", "not a byte is answered", told=("stuck, silent",), play="hang", after=AFTER),
    Scene(
        "silent API, given up",
        "the client has given up after two tries of 4 s",
        told=("stuck, limited",),
        why="the service is unavailable: .*Request timed out",
        play="hang",
        workers=LIVE,
        env=RETRIES,
    ),
    Scene(
        "429, then success",
        "refused once, waits 1 s, works",
        DONE,
        play="rate",
        outcome="complete",
    ),
    Scene(
        "429, then success",
        "refused once, waits 1 s, works",
        ENDED,
        play="rate",
        workers=LIVE,
        outcome="complete",
    ),
    Scene(
        "429, given up",
        "refused at each try, the client has ended",
        told=("exited by limit",),
        why=r"Request rejected \(429\)",
        play="overload",
    ),
    Scene(
        "429, given up",
        "refused at each try, the client has given up",
        told=("stuck, limited",),
        why=r"Request rejected \(429\)",
        play="overload",
        workers=LIVE,
    ),
    Scene(
        "usage limit",
        "refused until a time that is named; a second worker waits",
        told=("exited by limit",),
        why="usage limit reached",
        play="limit",
        workers={"max_units": "1", "at_once": "1"},
        mends=waits_for_the_reset,
        then=("relaunched", *DONE, *DONE),
        outcome="complete",
    ),
    Scene(
        "usage limit",
        "refused until a time that is named; a second worker waits",
        told=("stuck, limited",),
        why="usage limit reached",
        play="limit",
        workers={"max_units": "1", "at_once": "1", **LIVE},
        mends=waits_for_the_reset,
        then=("recovered", *ENDED, *ENDED),
        outcome="complete",
    ),
    Scene(
        "kill -9, then resume",
        "killed after the first output",
        told=("exited by itself, status 137",),
        play="slow",
        workers=LIVE,
        happens=kill,
        mends=goes_on,
        then=("relaunched", *ENDED),
        outcome="complete",
    ),
    Scene(
        "crash of the model server",
        "gone after the first output",
        told=("exited by limit",),
        why="the service is unavailable: .*(?:Unable to connect to API|Connection refused)",
        play="crashes",
        happens=crash,
        mends=comes_back,
        then=("relaunched", *DONE),
        outcome="complete",
    ),
    Scene(
        "crash of the model server",
        "gone after the first output",
        told=("stuck, limited",),
        why="the service is unavailable: .*(?:Unable to connect to API|Connection refused)",
        play="crashes",
        workers=LIVE,
        happens=crash,
        mends=comes_back,
        then=("recovered", *ENDED),
        outcome="complete",
    ),
    Scene(
        "service overloaded",
        "529 to each request of an attempt, and to the next one's first; a second worker waits",
        told=("exited by limit",),
        why="the service is unavailable: .*529 Overloaded",
        play="out",
        workers={"max_units": "1", "at_once": "1"},
        mends=answers_the_second_attempt,
        then=("relaunched", *DONE, *DONE),
        outcome="complete",
    ),
    Scene(
        "service overloaded",
        "529 to each request of an attempt, and to the next one's first; a second worker waits",
        told=("stuck, limited",),
        why="the service is unavailable: .*529 Overloaded",
        play="out",
        workers={"max_units": "1", "at_once": "1", **LIVE},
        mends=answers_when_asked_again,
        then=("recovered", *ENDED, *ENDED),
        outcome="complete",
    ),
    Scene(
        "error of the service",
        "500 to each request, given up; then a person says go on",
        told=("stuck, error",),
        why="API Error: 500",
        play="broken",
        workers=LIVE,
        stuck='error = ["capture", "ask"]',
        mends=goes_on_when_told,
        then=("recovered", *ENDED),
        outcome="complete",
    ),
    Scene(
        "retrying client",
        "500 five times; the client tries again by itself, and works",
        ENDED,
        play="stutters",
        workers=LIVE,
        env={"CLAUDE_CODE_MAX_RETRIES": "10"},
        mends=retried,
        outcome="complete",
    ),
    Scene(
        "texts that begin with /",
        "at its prompt, units undone; a person sends what looks like a command",
        told=("stuck, asks", "recovered", "stuck, asks"),
        why="it said Which format",
        play="wonders",
        workers=LIVE,
        after=AFTER,
        mends=takes_a_slash,
        then=None,
    ),
    *(
        Scene(
            "nothing left to pay with",
            "the service refuses for want of credit",
            told=(told,),
            why="(?i)credit balance is too low",
            play="unpaid",
            workers=LIVE if live else {},
            every=SLOW,
            mends=mended_key,
            then=None,
            outcome="complete",
        )
        for live, told in ((False, "exited by itself, status 1"), (True, "stuck, error"))
    ),
    Scene(
        "401",
        "the key is refused, in a live session",
        told=("stuck, error",),
        why="(?i)api.key|authenticat",
        play="refuse",
        workers=LIVE,
        every=SLOW,
        mends=mended_key,
        then=None,
        outcome="complete",
    ),
    *(
        Scene(
            f"{what} in the background",
            f"all outputs written, {what} of its is at work",
            told=("stuck, background",),
            why=why,
            play=play,
            workers=BYPASS,
            env=SANDBOX,
            after=AFTER,
            stuck=f'background = "{AFTER:g}s"',
        )
        for what, play, why in (
            ("an agent", "agents", "background tasks run|Waiting for 1 background agent"),
            ("a workflow", "flows", "background tasks run|Waiting for 1 dynamic workflow"),
        )
    ),
    Scene(
        "orphaned children",
        "the client has ended, a child of its has not",
        told=("exited by itself, status 0", "tidy"),
        also=("tidy",),
        play="orphans",
        workers={"auto_approve": '"all"'},
        env={"IS_SANDBOX": "1"},
        mends=no_orphan,
        then=("verified",),
        outcome="complete",
    ),
    Scene(
        "orphaned children",
        "at its prompt, all outputs written, a child of its runs for ever",
        told=("stuck, background",),
        why="a process that it started runs",
        play="orphans",
        workers=BYPASS,
        env=SANDBOX,
        after=AFTER,
        stuck=f'background = "{AFTER:g}s"',
        mends=end_child,
        then=("recovered", *ENDED),
        outcome="complete",
    ),
)

EACH = (
    *(Scene("happy", "all outputs written", DONE, client=client, every=SLOW, outcome="complete") for client in KINDS),
    *(
        Scene(
            "401",
            "the key is refused",
            told=(f"exited by itself, status {status}",),
            why="(?i)api.key|authenticat|unauthorized",
            client=client,
            play="refuse",
            every=SLOW,
            mends=mended_key,
            # Who ends with 0 has not failed: its units go to a cleanup worker.
            then=(*(("relaunched",) if status else ("clean up",)), *DONE),
            outcome="complete",
        )
        for client, status in {"claude": 1, "codex": 1, "gemini": 145, "opencode": 1, "aider": 0}.items()
    ),
    *(
        Scene(
            "kill -9, then resume",
            "killed after the first output",
            told=("exited by itself, status 137",),
            client=client,
            play="slow",
            happens=kill,
            mends=goes_on,
            then=("relaunched", *DONE),
            outcome="complete",
        )
        for client in ("claude", "codex", "opencode")
    ),
    Scene(
        "task in the background",
        "all outputs written, a task appends to the last 20 s later",
        ENDED,
        client="codex",
        play="background",
        workers=BYPASS,
        after=AFTER,
        mends=appended,
        outcome="complete",
    ),
    *(
        Scene(
            "usage limit",
            "refused until a time that is named",
            told=(told,),
            why="(?i)usage limit",
            client="codex",
            play="capped",
            workers=BYPASS if live else {},
        )
        for live, told in ((False, "exited by limit"), (True, "stuck, limited"))
    ),
    Scene(
        "error of the service",
        "400 to each request",
        told=("stuck, error",),
        why="(?i)field required",
        client="codex",
        play="invalid",
        workers=BYPASS,
        stuck='error = ["capture", "ask"]',
    ),
    Scene(
        "left at its keyboard",
        "a person has typed /exit",
        told=("exited by person", "clean up"),
        why="0/2 units done",
        client="codex",
        play="wonders",
        workers=BYPASS,
        more='[cleanup]\nafter = "5s"',
        happens=leave_codex,
    ),
    *(
        Scene(
            name,
            true,
            told=(f"stuck, {reason}", *(() if client == "opencode" else ("recovered", f"stuck, {reason}"))),
            then=None if client == "opencode" else (),  # it keeps no record: a short answer is no sign of life
            why=why,
            client=client,
            play=play,
            workers=BYPASS,
            after=AFTERS[client],
            mends=asked_once,
        )
        for client in ("codex", "gemini", "opencode")
        for name, true, reason, why, play in (
            ("question in text", "asks in plain text, has ended its turn", "asks", "it said Which format", "wonders"),
            ("claim in text", "says that all is done, nothing is", "claims", "All files have been written", "claims"),
            ("refusal in text", "says that it cannot", "refuses", "I'm sorry, but I can't help", "declines"),
        )
    ),
    *(
        Scene(
            "question in text",
            "asks in plain text, has ended",
            told=("exited by itself, status 0", "clean up"),
            why="0/2 units done",
            client=client,
            play="wonders",
            every=SLOW,
            mends=passed_on,
        )
        for client in ("codex", "gemini", "opencode")
    ),
    *(
        Scene("happy", "all outputs written", ENDED, client=client, workers=BYPASS, after=120.0, outcome="complete")
        for client in ("codex", "gemini", "opencode")
    ),
    *(
        Scene(
            "silent API",
            "not a byte is answered",
            told=("stuck, silent",),
            client=client,
            play="hang",
            workers=BYPASS,
            after=AFTERS[client],
        )
        for client in ("codex", "gemini", "opencode")
    ),
    *(
        Scene(
            "401",
            "the key is refused, in a live session",
            told=("stuck, error",),
            why="(?i)api.key|authenticat|unauthorized",
            client=client,
            play="refuse",
            workers=BYPASS,
            after=2 * AFTERS["opencode"],
            every=SLOW if client == "codex" else EVERY,
            mends=mended_key,
            then=None,
            outcome="complete",
        )
        for client in ("codex", "gemini", "opencode")
    ),
)

SCENES = (*CLAUDE, *EACH)
