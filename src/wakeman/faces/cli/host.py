"""Running a verb on another host: the deployments there are that host's, with its alarms, programs and keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING

from wakeman.core.errors import PlanError, UsageError, WakemanError
from wakeman.core.names import THIS_HOST
from wakeman.faces.cli import PLAN_VERBS
from wakeman.faces.cli.options import PLAN_FILE, variable
from wakeman.faces.cli.show import REACHED_AS

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wakeman.adapters.ssh.remote import Remote

_PLAN_BYTES_MAX = 16 * 1024 * 1024
"""Bytes of a plan that may name a host: of a larger one, the verb itself says what is wrong."""


def passed_on(options: Namespace, parser: ArgumentParser, words: Sequence[str]) -> int | None:
    """Run a verb where `--on` or the plan's `wake.host` says, and return its exit status; None to run it here.

    Raises: as `Remote`; UsageError for a plan that is another there, and for a page that only its own machine can open.
    """
    verb, host = options.verb_called, options.on
    file, text = _plan_of(options) if not host and verb in PLAN_VERBS else ("", b"")
    where = host or _host_of(text, file)
    if where in ("", THIS_HOST):
        return None
    from wakeman.adapters.ssh.remote import Remote

    remote = Remote(where, os.environ)
    if verb == "serve":
        port = options.port
        hint = f"ssh -L {port}:127.0.0.1:{port} {remote.host} wakeman serve --port {port}"
        raise UsageError(f"serve: found --on {where}; expected it there, behind a port that ssh forwards", hint)
    given = {name: os.environ[name] for name in _variables_of(verb, parser) if name in os.environ}
    given |= {"WAKEMAN_ON": THIS_HOST, REACHED_AS: remote.where}
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        if file:
            _require_equal(remote, file, text)
        return remote.run((verb, *_without_host(words[1:])), given, terminal=terminal)
    except WakemanError as error:
        if file and not error.proposals:
            error.proposals = ((f"wakeman --on {THIS_HOST} {verb} {quote(file)}", f"if this is {remote.host}"),)
        raise


def _plan_of(options: Namespace) -> tuple[str, bytes]:
    """Return the plan file of a verb, and its text: nothing of what cannot be read, which the verb itself tells.

    Boundary: a plan on stdin, or in a pipe, can be read once, by the verb.
    """
    found = [getattr(options, "file", None), getattr(options, "name", None)]
    file = next((each for each in found if each), PLAN_FILE if options.verb_called != "doctor" else "")
    with suppress(OSError, ValueError):
        if os.path.isfile(file):
            with open(file, "rb") as stream:
                return file, stream.read(_PLAN_BYTES_MAX)
    return "", b""


def _host_of(text: bytes, file: str) -> str:
    """Return the host that a plan names; "" for none, and for a plan with a fault, which the verb itself tells."""
    if b"host" not in text:
        return ""
    from wakeman.core.plan.parser import read_plan

    with suppress(PlanError):
        return read_plan(text.decode("utf-8", "surrogateescape"), file).wake.host
    return ""


def _require_equal(remote: Remote, file: str, text: bytes) -> None:
    """Require that the host has the plan as it is here: that one is run. Raises: UsageError."""
    there = remote.read(file)
    if there == text:
        return
    what = "no such file there" if there is None else "is another there"
    hint = f"rsync -a {quote(file)} {quote(f'{remote.host}:{remote.path(file)}')}"
    proposals = [(f"wakeman --on {quote(remote.where)} up {quote(file)}", "to run the one that is there")]
    raise UsageError(f"{remote.where}: {file}: {what}; expected it as here", hint, proposals if there else ())


def _variables_of(verb: str, parser: ArgumentParser) -> list[str]:
    """Return the variables that stand for options of a verb."""
    return [name for action in parser._actions if (name := variable(verb, action))]  # noqa: SLF001 - as in `options`


def _without_host(words: Sequence[str]) -> list[str]:
    """Return the words of a verb without `--on`."""
    at = list(words).index("--") if "--" in words else len(words)
    kept, rest = [], iter(words[:at])
    for word in rest:
        if word == "--on":
            next(rest, None)
        elif not word.startswith("--on="):
            kept.append(word)
    return [*kept, *words[at:]]
