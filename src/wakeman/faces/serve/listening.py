"""Listening on a port of this machine, and the token that lets in who asks."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
from collections.abc import Callable
from typing import Any

import uvicorn

from wakeman.core.errors import UsageError
from wakeman.faces.cli.options import PORT_MAX

TOKEN_CHARS_MIN = 16
"""Characters of a token at least."""
TOKEN_BYTES = 24
"""Random bytes of a token that is made anew."""
UNPRIVILEGED_PORT_MIN = 1024
"""Lowest port that a user may listen on."""


def serve_until_interrupted(app: Callable[..., Any], listening: socket.socket) -> int:
    """Serve an application until Ctrl-C; return the exit code."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
    )
    with listening:
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            return 130
    return 0


def bind(host: str, port: int, option: str) -> socket.socket:
    """Return a socket that listens; `option` is how a port is asked for. Raises: UsageError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as fault:
        raise UsageError(f"{host}:{port}: {fault.strerror or fault}", _instead(fault, port, option)) from fault


def _instead(fault: OSError, port: int, option: str) -> str:
    """Return the command to try when an address cannot be listened on: only a port that is taken wants another."""
    if fault.errno == errno.EADDRINUSE:
        return f"wakeman {option} {port + 1 if port < PORT_MAX else port - 1}"
    if fault.errno == errno.EACCES:
        return f"wakeman {option} {port + UNPRIVILEGED_PORT_MIN}"
    return "--host names an address of this machine, such as 127.0.0.1"


def _says(fault: OSError | UnicodeDecodeError) -> str:
    return fault.strerror or str(fault) if isinstance(fault, OSError) else "is not a token, which is plain text"


def kept_token(file: str | None) -> str:
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
        raise UsageError(f"--token-file {file}: {_says(fault)}", "name a file of your own, or none") from fault
    if len(token) < TOKEN_CHARS_MIN:
        raise UsageError(f"{file}: found a token of {len(token)} characters; expected {TOKEN_CHARS_MIN} or more")
    return token
