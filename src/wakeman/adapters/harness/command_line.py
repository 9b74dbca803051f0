"""How an attempt calls a client, by its table: its arguments, variables and files, and where its transcript will be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import PurePosixPath

from wakeman.adapters.harness.table import Client
from wakeman.core.model import Agent
from wakeman.core.plan.template import render
from wakeman.ports import Command, Task, TranscriptPaths

CLAUDES = frozenset({"sonnet", "opus", "haiku", "inherit", "default"})
"""Model names that only Claude Code accepts."""


def client_command(client: Client, task: Task) -> Command:
    """Build the command line from the table. Raises: UsageError when a profile is too long."""
    workers = task.plan.workers
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
        *_profile_words(client, task),
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


def _profile_words(client: Client, task: Task) -> Iterator[str]:
    agent = task.agent
    if agent is None:
        return
    if client.profile is not None:
        yield from client.profile(task.agent_name, agent)
    elif agent.model and agent.model not in CLAUDES:
        yield from _filled(client.model, {"model": agent.model})


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
        place=names["place"] if "/{{ place }}/" in f"{record.file}{record.beside}" else "",
    )


def _preface(agent: Agent) -> str:
    """Format a profile for a client without profiles: it precedes the task."""
    tools = f"\n\nUse these tools alone: {', '.join(agent.tools)}." if agent.tools else ""
    return agent.prompt.rstrip("\n") + tools
