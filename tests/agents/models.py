"""A simulated model server on the loopback interface, so that real clients work without a model. It implements
Anthropic Messages, OpenAI Responses and Chat, and Gemini's generateContent. Its next answer follows from the
conversation alone: it reads the file that the task names, then writes each path after an arrow, one per turn, and ends.
A word `play=NAME` in the task chooses another behaviour: see `PLAYS`. It records what it was asked, when, and by which
process: the truth about a client, to compare with what the log has.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
ARROW = re.compile(r"-> (/\S+?)(?=[,\s\"\\]|$)")
READ = re.compile(r"Read (/\S+) and do what it says")
VERDICT = re.compile(r"write your verdict to this file[^/]*\n(/\S+)")
FORM = re.compile(r"^\[\n \{.*?\n\]", re.DOTALL | re.MULTILINE)
SHELLS = {"Bash": "command", "bash": "command", "run_shell_command": "command", "exec_command": "cmd"}


class Said(NamedTuple):
    """A conversation so far: what the client told, what was called, which tools it offers, what stands above it.

    `model` is what it asked for; "" where the request's path names it.
    """

    told: str
    calls: list[str]
    tools: set[str]
    system: str = ""
    model: str = ""

    @property
    def left(self) -> list[str]:
        """List the outputs that nothing was written to yet."""
        return [path for path in dict.fromkeys(ARROW.findall(self.told)) if not self._called(path)]

    def _called(self, path: str) -> bool:
        return any(path in call for call in self.calls)


Speak = Callable[["Turn", bool], list[tuple[str, Json]]]
"""Words a turn as an API does, streamed or whole: names of events and what each carries."""


@dataclass
class Asked:
    """One request: when it came and was answered (epoch seconds; 0.0 never), the play ("" a title or a probe), by whom.

    `by` is what `asker` says. `tokens` were charged.
    """

    at: float
    said: Said
    by: str
    play: str = ""
    status: int = 0
    answered: float = 0.0
    tokens: int = 0


class Turn(NamedTuple):
    """What is answered: words, a call of a tool, or an HTTP error.

    `hangs`: nothing at all, for as long as it takes. `cut`: a beginning, and then nothing. `crash`: the server goes.
    """

    text: str = ""
    call: tuple[str, Json] | None = None
    status: int = 200
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""  # of an error, in place of the usual one
    hangs: bool = False
    cut: bool = False
    crash: bool = False
    delay: float = 0.0


def work(said: Said, most: int | None = None) -> Turn:
    """Do what comes next: read the task, write the next output, or be done."""
    task = READ.search(said.told)
    if task and not ARROW.search(said.told):
        return Turn(call=_reading(said, task[1]))
    left = said.left
    written = len(set(ARROW.findall(said.told))) - len(left)
    if not left or (most is not None and written >= most):
        return Turn("All of it is done.")
    content = f"written to {left[0]}\n"
    if not said.tools:
        return Turn("".join(f"\n{path}\n```\nwritten to {path}\n```\n" for path in left))
    return Turn(call=_writing(said, left[0], content))


def _reading(said: Said, path: str) -> tuple[str, Json]:
    for tool, key in (("Read", "file_path"), ("read_file", "file_path"), ("read", "filePath")):
        if tool in said.tools:
            return tool, {key: path}
    return _shell(said, f"cat {path}")


def _writing(said: Said, path: str, content: str) -> tuple[str, Json]:
    for tool, key in (("Write", "file_path"), ("write_file", "file_path"), ("write", "filePath")):
        if tool in said.tools:
            return tool, {key: path, "content": content}
    return _shell(said, f"mkdir -p $(dirname {path}) && printf %s '{content.strip()}' > {path}")


def _shell(said: Said, command: str) -> tuple[str, Json]:
    tool = next(tool for tool in SHELLS if tool in said.tools)
    return tool, {SHELLS[tool]: command, **({"description": "a command"} if tool == "Bash" else {})}


def _partial(said: Said, _: Json) -> Turn:
    return work(said, most=None if "still missing" in said.told or "Left undone" in said.told else 1)


def _asks(said: Said, _: Json) -> Turn:
    if "Which format?" in said.told:
        return work(said)  # it was answered
    if "AskUserQuestion" in said.tools and ARROW.search(said.told):
        options = [{"label": word, "description": word} for word in ("Bullets", "Prose")]
        asked = {"question": "Which format?", "header": "Format", "multiSelect": False, "options": options}
        return Turn(call=("AskUserQuestion", {"questions": [asked]}))
    return work(said) if not ARROW.search(said.told) else Turn("Which format should I use, bullets or prose?")


def _surveys(said: Said, _: Json) -> Turn:
    """Ask two questions in one dialog, of which the second takes several answers."""
    if "AskUserQuestion" not in said.tools or not ARROW.search(said.told):
        return _asks(said, {})
    asked = [
        {
            "question": text,
            "header": header,
            "multiSelect": several,
            "options": [{"label": word, "description": f"take {word}"} for word in words],
        }
        for text, header, several, words in (
            ("Which format?", "Format", False, ("Bullets", "Prose")),
            ("Which parts?", "Parts", True, ("Names", "Dates", "Sums")),
        )
    ]
    return Turn(call=("AskUserQuestion", {"questions": asked}))


def _begs(said: Said, _: Json) -> Turn:
    """Ask a person's leave for each command, where the client has commands that ask."""
    turn = work(said)
    if turn.call is None or turn.call[0] not in SHELLS:
        return turn
    tool, given = turn.call
    return Turn(call=(tool, {**given, "sandbox_permissions": "require_escalated", "justification": "May I write it?"}))


def _wonders(said: Said, _: Json) -> Turn:
    return work(said) if not ARROW.search(said.told) else Turn("Which format should I use, bullets or prose?")


def _limited(said: Said, state: Json) -> Turn:
    reset = state.setdefault("reset", int(time.time()) + int(state.get("seconds", 60)))
    if time.time() >= reset:
        return work(said)
    return _at_limit(reset)


def _walled(said: Said, state: Json) -> Turn:
    """Be at a usage limit, for all, from the conversation on that is one more than `allowed`, until it resets."""
    begun, now = state.setdefault("begun", []), time.time()
    if "reset" not in state:
        if said.told not in begun and len(begun) < int(state.get("allowed", 4)):
            begun.append(said.told)
        if said.told in begun:
            return work(said)
        state["reset"] = int(now + int(state.get("seconds", 60)))
    return work(said) if now >= state["reset"] else _at_limit(state["reset"])


def _at_limit(reset: int) -> Turn:
    headers = (("retry-after", "3600"), ("x-should-retry", "false"))
    return Turn(status=429, error=f"Claude AI usage limit reached|{reset}", headers=headers)


def _rated(said: Said, state: Json) -> Turn:
    state["tries"] = state.get("tries", 0) + 1
    return work(said) if state["tries"] > 1 else Turn(status=429, error="slow down", headers=(("retry-after", "1"),))


def _shirks(said: Said, _: Json) -> Turn:
    """Make one output a conversation, whatever is said of the others."""
    return work(said, most=1)


def _overloaded(_: Said, __: Json) -> Turn:
    return Turn(status=429, error="slow down", headers=(("retry-after", "1"),))


def _refuses(said: Said, state: Json) -> Turn:
    return work(said) if state.get("mended") else Turn(status=401, error="invalid x-api-key")


def _cuts(said: Said, state: Json) -> Turn:
    return work(said)._replace(cut=not state.get("mended"))


def _crashes(said: Said, state: Json) -> Turn:
    """Go down once the first output is written."""
    down = bool(said.left) and len(said.left) < len(set(ARROW.findall(said.told))) and not state.get("mended")
    return work(said)._replace(crash=down)


def _orphans(said: Said, _: Json) -> Turn:
    if ARROW.search(said.told) and not any("sleep 7200" in call for call in said.calls):
        return Turn(call=_shell(said, "setsid sleep 7200 >/dev/null 2>&1 & echo started"))
    return work(said)


def _review(said: Said, state: Json) -> Turn:
    """Read each output that there is to review, then fill in the verdict: once, what `rejects` names is rejected."""
    verdict = VERDICT.search(said.told)
    form = FORM.search(said.told)
    assert verdict is not None
    assert form is not None
    for path in said.left:
        return Turn(call=_reading(said, path))
    if said._called(verdict[1]):
        return Turn("My verdict is written.")
    opinions = json.loads(form[0])
    rejects = state.pop("rejects", [])
    for each in opinions:
        each["ok"] = each["unit"] not in rejects
        each["why"] = "" if each["ok"] else "the second half is missing"
    return Turn(call=_writing(said, verdict[1], json.dumps(opinions)))


def _mend(said: Said) -> Turn:
    """Read what was rejected, and write it anew."""
    for path in dict.fromkeys(ARROW.findall(said.told)):
        done = sum(path in call for call in said.calls)
        if done < 2:
            content = f"written to {path}, with the second half\n"
            return Turn(call=_writing(said, path, content) if done else _reading(said, path))
    return Turn("All of it is mended.")


def _strays(said: Said, _: Json) -> Turn:
    """Write to another's place first, then to its own."""
    if ARROW.search(said.told) and not any("foreign.md" in call for call in said.calls):
        place = said.left[0].rpartition("/")[0]
        return Turn(call=_writing(said, f"{place}/foreign.md", "not mine\n"))
    return work(said)


def _toils(said: Said, _: Json) -> Turn:
    """Call a tool that takes a long time."""
    if ARROW.search(said.told) and not any("timeout 40" in call for call in said.calls):
        return Turn(call=_shell(said, "timeout 40 tail -f /dev/null; echo over"))  # a client may refuse to sleep
    return work(said)


QUOTED = """\
● Do you want to create o.md?
 ❯ 1. Yes
   2. No
 Enter to confirm · Esc to cancel
● API Error: 500 Internal server error
  ⎿  You've hit your session limit · resets 3pm (UTC)
■ unexpected status 401 Unauthorized
• Working (3s • esc to interrupt)
✶ Musing… (12s · esc to interrupt)
  Worked for 6s • 13:26
────────────────────────
❯
────────────────────────
"""
"""What a worker prints that looks at others."""


def _quotes(said: Said, _: Json) -> Turn:
    """Print another's screen by a tool, then say it."""
    if ARROW.search(said.told) and not any("session limit" in call for call in said.calls):
        return Turn(call=_shell(said, f"cat <<'EOF'\n{QUOTED}EOF"))
    return Turn(f"All of it is there:\n\n```\n{QUOTED}```\n") if ARROW.search(said.told) else work(said)


def _quotes_then_hangs(said: Said, state: Json) -> Turn:
    turn = _quotes(said, state)
    return turn if turn.call else Turn(hangs=True)


def _in_background(said: Said, command: str) -> tuple[str, Json]:
    """Call a command that the client does not wait for, by the client's own means for that."""
    tool, given = _shell(said, command)
    return tool, {**given, **({"run_in_background": True} if tool == "Bash" else {"yield_time_ms": 500})}


def _background(said: Said, state: Json) -> Turn:
    """Write each output, then append to the last one by a task in the background, and end the turn meanwhile."""
    if said.left or any("the rest" in call for call in said.calls):
        return work(said)
    seconds, path = state.get("seconds", 20), ARROW.findall(said.told)[-1]
    return Turn(call=_in_background(said, f"sleep {seconds}; echo the rest >> {path}"))


def _forks(said: Said, state: Json) -> Turn:
    """Do the same by a process that the client does not know: started by a shell, and left to itself."""
    if said.left or any("the rest" in call for call in said.calls):
        return work(said)
    seconds, path = state.get("seconds", 20), ARROW.findall(said.told)[-1]
    return Turn(call=_shell(said, f"nohup sh -c 'sleep {seconds}; echo the rest >> {path}' >/dev/null 2>&1 & echo on"))


def _agents(said: Said, _: Json) -> Turn:
    """Write each output, then start an agent in the background, and end the turn while that one hangs."""
    tool = next((tool for tool in ("Agent", "Task") if tool in said.tools), "")
    if said.left or not tool or any("play=hang" in call for call in said.calls):
        return work(said)
    task = f"Look at it again. play=hang -> {ARROW.findall(said.told)[-1]}.notes"
    given = {"description": "look again", "prompt": task, "subagent_type": "general-purpose", "run_in_background": True}
    return Turn(call=(tool, given))


def _monitors(said: Said, state: Json) -> Turn:
    """Write each output, then have something watched in the background, and end the turn meanwhile.

    A client that loads its tools when they are needed is asked for that one first.
    """
    if said.left or any("sleep 1" in call for call in said.calls):
        return work(said)
    if "Monitor" not in said.tools:
        asked = any("select:Monitor" in call for call in said.calls)
        return work(said) if asked or "ToolSearch" not in said.tools else Turn(call=("ToolSearch", MONITOR))
    command = f"for n in $(seq {state.get('seconds', 20)}); do sleep 1; done; echo the rest"
    return Turn(call=("Monitor", {"command": command, "description": "a wait", "timeout_ms": 600_000}))


MONITOR: Json = {"query": "select:Monitor", "max_results": 1}


def _flows(said: Said, _: Json) -> Turn:
    """Write each output, then start a workflow whose one agent hangs, and end the turn meanwhile."""
    if said.left or "Workflow" not in said.tools or any("play=hang" in call for call in said.calls):
        return work(said)
    task = json.dumps(f"Look at it again. play=hang -> {ARROW.findall(said.told)[-1]}.notes")
    meta = '{ name: "look-again", description: "Looks again", phases: [{ title: "Look" }] }'
    return Turn(call=("Workflow", {"script": f"export const meta = {meta}\nphase('Look')\nawait agent({task})\n"}))


def _later(said: Said, state: Json) -> Turn:
    """Have the last output made in the background, and end the turn before it is there."""
    if len(said.left) != 1:
        return work(said)
    if any("the rest" in call for call in said.calls):
        return Turn("The last one is being made in the background.")
    return Turn(call=_in_background(said, f"sleep {state.get('seconds', 20)}; echo the rest >> {said.left[0]}"))


def _claims(said: Said, _: Json) -> Turn:
    return work(said) if not ARROW.search(said.told) else Turn("All files have been written. Everything is complete.")


def _declines(said: Said, _: Json) -> Turn:
    return work(said) if not ARROW.search(said.told) else Turn("I'm sorry, but I can't help with writing these files.")


def _fails(said: Said, state: Json) -> Turn:
    """Fail in the way that the test chose, as often as it said; then work."""
    state["failed"] = state.get("failed", 0) + 1
    left = state.get("times")
    return work(said) if left is not None and state["failed"] > left else state["turn"]


def _out(said: Said, state: Json) -> Turn:
    """Be overloaded, until somebody mends it."""
    return work(said) if state.get("mended") else Turn(status=529, error="Overloaded")


def _broken(said: Said, state: Json) -> Turn:
    """Fail, until somebody mends it."""
    return work(said) if state.get("mended") else Turn(status=500, error="internal error")


def _stutters(said: Said, state: Json) -> Turn:
    """Fail five times, then work."""
    state["failed"] = state.get("failed", 0) + 1
    return work(said) if state["failed"] > 5 else Turn(status=500, error="internal error")


def _unpaid(said: Said, state: Json) -> Turn:
    """Refuse for want of credit, until somebody mends it."""
    return work(said) if state.get("mended") else Turn(status=400, error=NO_CREDIT)


def _capped(_: Said, __: Json) -> Turn:
    """Be at the account's limit, as the service of Codex words it."""
    error = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "pro"}
    return Turn(status=429, body=json.dumps({"error": {**error, "resets_at": int(time.time()) + 3600}}))


NO_CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."


def _plants(said: Said, _: Json) -> Turn:
    """Write a hook into the configuration that the user's next session reads."""
    if ARROW.search(said.told) and not any("planted" in call for call in said.calls):
        return Turn(call=_shell(said, "echo planted >~/.claude/settings.json; echo tried"))
    return work(said)


def _orchestrates(said: Said, state: Json) -> Turn:
    """Call the tools that a test has listed, one a turn, then end the turn; a step `sleep` ends it until it is told.

    A client that still connects to their server is told to wait; one that loads tools when needed is asked for them.
    """
    steps: list[tuple[str, Json]] = state["steps"]
    got: list[str] = state.setdefault("got", [])
    done = len(said.calls) - len(got)
    left: list[tuple[str, Json]] = []
    for name, given in steps:
        if name == "sleep":
            if given["until"] in said.told:
                continue
            if not done and not left:
                return Turn("I end my turn.")
        elif done:
            done -= 1
            continue
        left.append((name, given))
    if not left:
        return Turn("The night is over.")
    tool, given = left[0]
    wanted = ",".join(dict.fromkeys(name for name, _ in steps if name != "sleep"))
    search: Json = {"query": f"select:{wanted}", "max_results": 20}
    ways: tuple[tuple[str, Json, int], ...] = (("WaitForMcpServers", {}, 20), ("ToolSearch", search, 1))
    for way, how, most in ways:
        if tool not in said.tools and way in said.tools and got.count(way) < most:
            got.append(way)
            return Turn(call=(way, how))
    return Turn(call=(tool, given))


PLAYS: dict[str, Callable[[Said, Json], Turn]] = {
    "orchestrates": _orchestrates,
    "work": lambda said, _: _mend(said) if "rejected by a reviewer" in said.told else work(said),
    "review": _review,
    "slow": lambda said, _: work(said)._replace(delay=1.0),
    "partial": _partial,
    "asks": _asks,
    "surveys": _surveys,
    "begs": _begs,
    "wonders": _wonders,
    "limit": _limited,
    "walled": _walled,
    "rate": _rated,
    "orphans": _orphans,
    "shirks": _shirks,
    "overload": _overloaded,
    "cuts": _cuts,
    "crashes": _crashes,
    "refuse": _refuses,
    "quotes": _quotes,
    "quotes_then_hangs": _quotes_then_hangs,
    "strays": _strays,
    "toils": _toils,
    "plants": _plants,
    "background": _background,
    "forks": _forks,
    "later": _later,
    "agents": _agents,
    "monitors": _monitors,
    "flows": _flows,
    "claims": _claims,
    "declines": _declines,
    "fails": _fails,
    "out": _out,
    "broken": _broken,
    "stutters": _stutters,
    "unpaid": _unpaid,
    "capped": _capped,
    "invalid": lambda _, __: Turn(status=400, error="messages: field required"),
    "long": lambda _, __: Turn(status=400, error="prompt is too long: 250000 tokens > 200000 maximum"),
    "fail": lambda _, __: Turn(status=500, error="internal error"),
    "hang": lambda said, _: work(said) if not ARROW.search(said.told) else Turn(hangs=True),
}


TOKENS = 120
"""What each answer is charged with: 100 put in, 20 got out."""


class Models:
    """The server: where it is, what was asked, and what plays need to remember."""

    def __init__(self) -> None:
        self.state: Json = {}
        self.asked: list[Asked] = []
        self.handler = type("Handler", (_Handler,), {"models": self})
        self.connections: set[socket.socket] = set()
        self.ended = threading.Event()
        self.down = 0.0
        """When it went down, in epoch seconds; 0.0 while it serves."""
        self.server = self._listen(0)
        self.port = self.server.server_port

    def _listen(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), self.handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server

    @property
    def url(self) -> str:
        """Return the address that a client is pointed to."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, said: Said, by: str) -> tuple[Asked, Turn]:
        """Choose the play by the task's own word, else by the state's; what has no task is a title, a summary or a
        probe."""
        asked = Asked(time.time(), said, by)
        self.asked.append(asked)
        if not ARROW.search(said.told) and not (READ.search(said.told) and said.tools):
            return asked, Turn("A title")
        chosen = re.findall(r"play=(\w+)", said.told)  # an agent of an agent is told its own last
        asked.play = "review" if VERDICT.search(said.told) else chosen[-1] if chosen else self.state.get("play", "work")
        if self.state.get("refuses"):
            asked.play = "refuse"
        try:
            return asked, PLAYS[asked.play](said, self.state)
        except StopIteration:  # a title of the task, asked for without tools
            return asked, Turn("A title")

    def go(self) -> None:
        """End as a crash does: nobody is answered any more, and nobody is connected."""
        self.server.shutdown()
        self.server.server_close()
        self.down = time.time()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its client was faster

    def come_back(self) -> None:
        """Serve again, where it was before."""
        self.down = 0.0
        self.server = self._listen(self.port)


def asker(port: int) -> str:
    """Return the mark of the attempt whose process holds a connection from a port of this machine.

    Boundary: "" for a process that has none, "?" where the process has ended already. Cost: a walk of /proc.
    Source: the environment that Wakeman gives to an attempt's processes and to nothing else.
    """
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is about to
            environ = (process / "environ").read_bytes().split(b"\0")
            if environ != [b""] and any(_is(process / "fd" / number, inodes) for number in os.listdir(process / "fd")):
                mark = next((one for one in environ if one.startswith(b"WAKEMAN_ATTEMPT=")), b"")
                return mark.partition(b"=")[2].decode()
    return "?"


def _is(link: Path, targets: set[str]) -> bool:
    try:
        return os.readlink(link) in targets
    except OSError:
        return False  # closed meanwhile


@contextmanager
def serving() -> Iterator[Models]:
    """Serve for as long as the block runs."""
    models = Models()
    try:
        yield models
    finally:
        models.ended.set()
        models.go()


class _Handler(BaseHTTPRequestHandler):
    """One request. The path tells the API."""

    models: Models
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def setup(self) -> None:
        """Note the connection, so that a crash can cut it, and whose it is."""
        super().setup()
        self.models.connections.add(self.connection)
        self.by = asker(self.client_address[1])  # now: later it may have ended

    def finish(self) -> None:
        """Forget the connection."""
        self.models.connections.discard(self.connection)
        with suppress(OSError):  # cut by a crash
            super().finish()

    def handle(self) -> None:
        """Serve, until either side has had enough."""
        with suppress(OSError):
            super().handle()

    def do_HEAD(self) -> None:
        self._json({})

    def do_GET(self) -> None:
        self._json({"object": "list", "data": [], "models": []})

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"{}")
        path = self.path.partition("?")[0]
        if path.endswith(("count_tokens", ":countTokens")):
            self._json({"input_tokens": 10, "totalTokens": 10})
            return
        api = next((api for ending, api in APIS.items() if path.endswith(ending)), None)
        if api is None:
            self._json({"error": {"message": path}}, 404)
            return
        read, speak = api
        said = read(body)._replace(model=str(body.get("model", "")))
        asked, turn = self.models.answer(said, self.by)
        if turn.hangs:
            self.models.ended.wait()
            return
        if turn.crash:
            threading.Thread(target=self.models.go).start()
            self.models.ended.wait()
            return
        if turn.delay:
            self.models.ended.wait(turn.delay)
        self._give(body, path, speak, asked, turn)
        asked.status, asked.answered = turn.status, time.time()

    def _give(self, body: Json, path: str, speak: Speak, asked: Asked, turn: Turn) -> None:
        if turn.body:
            self._json(json.loads(turn.body), turn.status, turn.headers)
            return
        if turn.status != 200:
            kind = {401: "authentication_error", 429: "rate_limit_error"}.get(turn.status, "api_error")
            error = {"type": kind, "message": turn.error, "code": turn.status}
            self._json({"type": "error", "error": error}, turn.status, turn.headers)
            return
        streamed = bool(body.get("stream")) or path.endswith(":streamGenerateContent")
        lines = speak(turn, streamed)
        asked.tokens = TOKENS
        if streamed:
            self._events(lines[:2] if turn.cut else lines, cut=turn.cut)
        elif turn.cut:
            self.models.ended.wait()
        else:
            self._json(lines[0][1])

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("transfer-encoding") or ""):
            return self._plain(self.rfile.read(int(self.headers.get("content-length") or 0)))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return self._plain(data)

    def _plain(self, data: bytes) -> bytes:
        import gzip

        return gzip.decompress(data) if self.headers.get("content-encoding") == "gzip" else data

    def _json(self, what: Json, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> None:
        data = json.dumps(what).encode()
        self.send_response(status)
        for name, value in (("content-type", "application/json"), ("content-length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _events(self, lines: list[tuple[str, Json]], *, cut: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, data in lines:
            self.wfile.write((f"event: {name}\n" if name else "").encode() + f"data: {json.dumps(data)}\n\n".encode())
        if cut:
            self.models.ended.wait()


# --- Anthropic ------------------------------------------------------------------------------------------------


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            yield from _texts(part.get("text"))
            yield from _texts(part.get("content"))
            yield from _texts(part.get("output"))


def _read_messages(body: Json) -> Said:
    told, calls = [], []
    for message in body.get("messages", []):
        parts = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "user":
            told += list(_texts(message["content"]))
        calls += [json.dumps(part["input"]) for part in parts if part.get("type") == "tool_use"]
    above = "\n".join(_texts(body.get("system")))
    return Said("\n".join(told), calls, {tool.get("name", "") for tool in body.get("tools", [])}, above)


def _speak_messages(turn: Turn, streamed: bool) -> list[tuple[str, Json]]:
    block: Json = {"type": "text", "text": turn.text}
    delta: Json = {"type": "text_delta", "text": turn.text}
    if turn.call:
        block = {"type": "tool_use", "id": f"toolu_{time.time_ns()}", "name": turn.call[0], "input": turn.call[1]}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(turn.call[1])}
    reason = "tool_use" if turn.call else "end_turn"
    whole = {
        "id": f"msg_{time.time_ns()}",
        "type": "message",
        "role": "assistant",
        "model": "stand-in",
        "content": [block],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }
    if not streamed:
        return [("", whole)]
    empty = {**block, "text": ""} if not turn.call else {**block, "input": {}}
    begun = {**whole, "content": [], "stop_reason": None}
    stopped = {"stop_reason": reason, "stop_sequence": None}
    return [
        ("message_start", {"type": "message_start", "message": begun}),
        ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": empty}),
        ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        ("message_delta", {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 20}}),
        ("message_stop", {"type": "message_stop"}),
    ]


# --- OpenAI Responses -----------------------------------------------------------------------------------------


def _read_responses(body: Json) -> Said:
    told, calls = [], []
    for item in body.get("input", []):
        if item.get("type") == "message" and item.get("role") == "user":
            told += list(_texts(item.get("content")))
        if str(item.get("type")).endswith("_call"):
            calls.append(str(item.get("arguments") or item.get("input")))
        if str(item.get("type")).endswith("_output"):
            told += list(_texts(item.get("output")))
    above = str(body.get("instructions") or "")
    return Said("\n".join(told), calls, {tool.get("name", "") for tool in body.get("tools", [])}, above)


def _speak_responses(turn: Turn, streamed: bool) -> list[tuple[str, Json]]:
    del streamed
    number = time.time_ns()
    item: Json = {"type": "message", "role": "assistant", "id": f"msg_{number}", "status": "completed"}
    item["content"] = [{"type": "output_text", "text": turn.text, "annotations": []}]
    if turn.call:
        name, put = turn.call
        item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "status": "completed"}
        space, _, name = name.rpartition("__")  # Codex has the tools of a server in a namespace of their own
        item |= {"name": name, "arguments": json.dumps(put), **({"namespace": space} if space else {})}
    usage: Json = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    usage |= {"input_tokens_details": None, "output_tokens_details": None}
    return [
        (kind, {"type": kind, **more})
        for kind, more in (
            ("response.created", {"response": {"id": f"resp_{number}"}}),
            ("response.output_item.done", {"output_index": 0, "item": item}),
            ("response.completed", {"response": {"id": f"resp_{number}", "output": [item], "usage": usage}}),
        )
    ]


# --- OpenAI Chat ----------------------------------------------------------------------------------------------


def _read_chat(body: Json) -> Said:
    told, calls, above = [], [], []
    for message in body.get("messages", []):
        if message["role"] in ("user", "tool"):
            told += list(_texts(message.get("content")))
        if message["role"] in ("system", "developer"):
            above += list(_texts(message.get("content")))
        calls += [call["function"]["arguments"] for call in message.get("tool_calls") or []]
    names = {tool.get("function", {}).get("name", "") for tool in body.get("tools") or []}
    return Said("\n".join(told), calls, names, "\n".join(above))


def _speak_chat(turn: Turn, streamed: bool) -> list[tuple[str, Json]]:
    number = time.time_ns()
    said: Json = {"role": "assistant", "content": turn.text or None}
    if turn.call:
        function = {"name": turn.call[0], "arguments": json.dumps(turn.call[1])}
        said["tool_calls"] = [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]
    reason = "tool_calls" if turn.call else "stop"
    base = {"id": f"chat_{number}", "created": 1, "model": "stand-in"}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    if not streamed:
        choice = {"index": 0, "message": said, "finish_reason": reason}
        return [("", {**base, "object": "chat.completion", "choices": [choice], "usage": usage})]
    chunk = {**base, "object": "chat.completion.chunk"}
    return [
        ("", {**chunk, "choices": [{"index": 0, "delta": said, "finish_reason": None}]}),
        ("", {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage}),
    ]


# --- Gemini ---------------------------------------------------------------------------------------------------


def _read_gemini(body: Json) -> Said:
    told, calls = [], []
    for content in body.get("contents", []):
        for part in content.get("parts", []):
            if content.get("role") == "user" and "text" in part:
                told.append(part["text"])
            if "functionResponse" in part:
                told += [str(value) for value in part["functionResponse"].get("response", {}).values()]
            if "functionCall" in part:
                calls.append(json.dumps(part["functionCall"].get("args", {})))
    offered = (one for tool in body.get("tools") or [] for one in tool.get("functionDeclarations", []))
    above = "\n".join(_texts((body.get("systemInstruction") or {}).get("parts")))
    return Said("\n".join(told), calls, {one.get("name", "") for one in offered}, above)


def _speak_gemini(turn: Turn, streamed: bool) -> list[tuple[str, Json]]:
    del streamed
    part: Json = {"text": turn.text}
    if turn.call:
        part = {"functionCall": {"name": turn.call[0], "args": turn.call[1]}}
    candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}
    return [("", {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "stand-in"})]


APIS: dict[str, tuple[Callable[[Json], Said], Speak]] = {
    "/messages": (_read_messages, _speak_messages),
    "/responses": (_read_responses, _speak_responses),
    "/chat/completions": (_read_chat, _speak_chat),
    ":generateContent": (_read_gemini, _speak_gemini),
    ":streamGenerateContent": (_read_gemini, _speak_gemini),
}
