"""The verb by which agents orchestrate: tools on standard input and output, or by HTTP on this machine."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from wakeman.core.errors import UsageError
from wakeman.faces.cli.options import Verb, port_number
from wakeman.faces.cli.reach import reach

if TYPE_CHECKING:
    from wakeman.faces.mcp.server import Offer
    from wakeman.ports import World

HTTP_PATH = "/mcp"
"""Path of the address at which tools are served by HTTP."""


def _mcp_options(parser: ArgumentParser) -> None:
    said = "serve by HTTP on this port of 127.0.0.1, and print the address (default: standard input and output)"
    parser.add_argument("--http", metavar="PORT", type=port_number, help=said)
    kept = "with --http: file with the token, readable by you alone (default: another token each time)"
    parser.add_argument("--token-file", metavar="FILE", help=kept)
    parser.add_argument("--read-only", action="store_true", help="offer no tool that changes anything")
    asked = "ask no person: the agent that calls decides what accept, stop, waive, down and a plan's risks come to"
    parser.add_argument("--yes", action="store_true", help=asked)


def serve_tools(options: Namespace) -> int:
    """Serve until the client closes its end; by HTTP until Ctrl-C."""
    try:
        from wakeman.faces.mcp.server import Offer, made, speak
    except ImportError as fault:
        hint = "pip install '.[mcp]' in a clone of wakeman, or pip install 'mcp>=2'"
        raise UsageError(f"mcp: {fault.name} is not installed; expected the extra `mcp`", hint) from fault
    if options.token_file and not options.http:
        raise UsageError("--token-file: expected beside --http", "wakeman mcp --help")
    quiet = Namespace(state=options.state, dry_run=False, json=True)
    reach(quiet)  # says what is wrong with the state directory now, and not to the agent

    def world(by: str) -> World:
        return reach(quiet, by)

    offer = Offer(world=world, here=os.getcwd(), reads=options.read_only, unasked=options.yes)
    if options.http:
        return _by_http(options, offer)
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write("wakeman mcp speaks to a client, not to a person: claude mcp add wakeman -- wakeman mcp\n")
    import anyio

    anyio.run(speak, made(offer))
    return 0


def _by_http(options: Namespace, offer: Offer) -> int:
    from wakeman.api.answer import Answer
    from wakeman.api.serve import ServedPages
    from wakeman.faces.cli.show import raw, show
    from wakeman.faces.mcp.server import web
    from wakeman.faces.serve.listening import bind, kept_token, serve_until_interrupted

    token = kept_token(options.token_file)
    listening = bind("127.0.0.1", options.http, "mcp --http")
    port = listening.getsockname()[1]
    url = f"http://127.0.0.1:{port}{HTTP_PATH}?token={token}"
    notes = ("Ctrl-C ends the tools only; deployments go on by themselves",)
    show(options, Answer(ServedPages(url=url, acts=not offer.reads), notes=notes), lambda data: raw(data.url))
    sys.stdout.flush()
    return serve_until_interrupted(web(offer, token, port), listening)


VERBS: dict[str, Verb] = {"mcp": ("wakeman mcp --read-only", _mcp_options, serve_tools)}
