"""The verb that shows deployments as live pages, to a browser on this machine."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import sys
from argparse import ArgumentParser, Namespace

from wakeman.adapters.eventlog.log_reader import Reading
from wakeman.api.answer import Answer
from wakeman.api.serve import ServedPages
from wakeman.core.errors import UsageError
from wakeman.faces.cli.options import Verb, positive_number
from wakeman.faces.cli.reach import reach
from wakeman.faces.cli.show import out, show
from wakeman.ports import World

DEFAULT_PORT = "8577"
"""Port that is listened on unless another is given."""
TOKEN_CHARS_MIN = 16
"""Characters of a token at least."""
TOKEN_BYTES = 24
"""Random bytes of a token that is made anew."""


def _serve_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    said = f"port to listen on (default: {DEFAULT_PORT})"
    parser.add_argument("--port", metavar="N", type=positive_number, default=int(DEFAULT_PORT), help=said)
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
        import uvicorn

        from wakeman.faces.serve.app import application
        from wakeman.faces.serve.gate import Gate
    except ImportError as fault:
        hint = "pip install '.[serve]' in a clone of wakeman, or pip install starlette uvicorn"
        raise UsageError(f"serve: {fault.name} is not installed; expected the extra `serve`", hint) from fault

    if options.no_token and (options.act or not _is_loopback(options.host)):
        raise UsageError("--no-token: expected on a loopback address, without --act", "wakeman serve --help")
    token = "" if options.no_token else _token(options.token_file)
    reach(options)  # says what is wrong with the state directory now, and not in the browser

    def make() -> World:
        return reach(Namespace(state=options.state, dry_run=False, json=True), "serve")

    listening = _listen(options.host, options.port)
    port = listening.getsockname()[1]
    gate = Gate(token, port, [options.host, *options.name])
    app = application(make, Reading, gate, acts=options.act)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    shown = options.name[0] if options.name else options.host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/{f'?token={token}' if token else ''}"
    notes = ("Ctrl-C ends the pages only; deployments go on by themselves",)
    show(options, Answer(ServedPages(url=url, acts=options.act), notes=notes), lambda data: out(data.url))
    sys.stdout.flush()
    with listening:
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return 130
    return 0


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises: UsageError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as fault:
        raise UsageError(f"{host}:{port}: {fault.strerror or fault}", f"wakeman serve --port {port + 1}") from fault


def _token(file: str | None) -> str:
    """Return the token of a file, which is made if it is not there; without a file a new one. Raises: UsageError."""
    if file is None:
        return secrets.token_urlsafe(TOKEN_BYTES)
    path = os.path.abspath(file)
    try:
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+", encoding="ascii") as stream:
            if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) & 0o077:
                raise UsageError(f"{file}: others may read it; expected a file of yours alone", f"chmod 600 {file}")
            token = stream.read(4096).strip()
            if not token:
                token = secrets.token_urlsafe(TOKEN_BYTES)
                stream.seek(0)
                stream.write(token + "\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageError(f"--token-file {file}: {fault}", "wakeman serve --help") from fault
    if len(token) < TOKEN_CHARS_MIN:
        raise UsageError(f"{file}: found a token of {len(token)} characters; expected {TOKEN_CHARS_MIN} or more")
    return token


VERBS: dict[str, Verb] = {"serve": ("wakeman serve --port 8600", _serve_options, serve_pages)}
