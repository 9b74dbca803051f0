"""The verb that shows deployments as live pages, to a browser on this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.answer import Answer
from wakeman.api.serve import ServedPages
from wakeman.core.errors import UsageError
from wakeman.faces.cli.options import Verb, port_number
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import raw, show
from wakeman.ports import World

DEFAULT_PORT = "8577"
"""Port that is listened on unless another is given."""


def _serve_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    said = f"port to listen on (default: {DEFAULT_PORT})"
    parser.add_argument("--port", metavar="N", type=port_number, default=int(DEFAULT_PORT), help=said)
    names = "name by which other machines reach this one, such as night.example.org; may be repeated"
    parser.add_argument("--name", metavar="NAME", action="append", default=[], help=names)
    kept = (
        "file with the token, readable by you alone; it is made if it is not there (default: another token each time)"
    )
    parser.add_argument("--token-file", metavar="FILE", help=kept)
    parser.add_argument(
        "--no-token", action="store_true", help="ask for no token; on a loopback address, without --act"
    )
    parser.add_argument("--act", action="store_true", help="offer accept, retry, send and stop on the pages")


def serve_pages(options: Namespace) -> int:
    """Serve until Ctrl-C."""
    try:
        from wakeman.faces.serve.app import application
        from wakeman.faces.serve.gate import Gate
        from wakeman.faces.serve.listening import bind, kept_token, serve_until_interrupted
    except ImportError as fault:
        hint = "pip install '.[serve]' in a clone of wakeman, or pip install starlette uvicorn"
        raise UsageError(f"serve: {fault.name} is not installed; expected the extra `serve`", hint) from fault

    if options.no_token and (options.act or not _is_loopback(options.host)):
        raise UsageError("--no-token: expected on a loopback address, without --act", "wakeman serve --help")
    token = "" if options.no_token else kept_token(options.token_file)
    reach(options)  # says what is wrong with the state directory now, and not in the browser

    def make() -> World:
        return reach(Namespace(state=options.state, dry_run=False, json=True), "serve")

    listening = bind(options.host, options.port, "serve --port")
    port = listening.getsockname()[1]
    gate = Gate(token, port, [options.host, *options.name])
    app = application(make, Reading, gate, acts=options.act)
    shown = options.name[0] if options.name else options.host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/{f'?token={token}' if token else ''}"
    notes = ("Ctrl-C ends the pages only; deployments go on by themselves",)
    show(options, Answer(ServedPages(url=url, acts=options.act), notes=notes), lambda data: raw(data.url))
    sys.stdout.flush()
    return serve_until_interrupted(app, listening)


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


VERBS: dict[str, Verb] = {"serve": ("wakeman serve --port 8600", _serve_options, serve_pages)}
