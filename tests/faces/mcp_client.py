"""The protocol's own client, connected to `wakeman mcp` as a process: by its standard streams, or by HTTP."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import anyio
import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from tests.faces.test_serve import free_port

Way = Literal["stdio", "http"]
WAYS: tuple[Way, ...] = ("stdio", "http")
TALK_MAX_S = 100.0


class Told(NamedTuple):
    """What one call gave."""

    failed: bool
    text: str
    data: Any


class Caller:
    """Tools, called one after the other. `progress` is what was told meanwhile, `bytes` what both sides have said."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.progress: list[tuple[float, float | None, str | None]] = []
        self.bytes = 0

    async def __call__(self, tool: str, **given: Any) -> Told:
        """Call a tool."""
        answer = await self.client.call_tool(tool, given, progress_callback=self._progress)
        content = answer.content[0]
        assert isinstance(content, types.TextContent)
        self.bytes += len(content.text.encode()) + len(str(given).encode())
        return Told(answer.is_error, content.text, answer.structured_content)

    async def _progress(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append((progress, total, message))


def talk(steps: Callable[[Caller], Awaitable[None]], *options: str, way: Way = "stdio", **how: Any) -> None:
    """Connect, let a test take its steps, and disconnect."""

    async def run(server: StdioServerParameters | str) -> None:
        with anyio.fail_after(TALK_MAX_S):
            async with Client(server, **how) as client:
                await steps(Caller(client))

    if way == "stdio":
        anyio.run(run, parameters(*options))
        return
    with by_http(*options) as url:
        anyio.run(run, url)


def parameters(*options: str) -> StdioServerParameters:
    """Return how a client starts the server."""
    words = ["-m", "wakeman", "mcp", *options]
    return StdioServerParameters(command=sys.executable, args=words, env=surroundings(), cwd=Path.cwd())


def surroundings() -> dict[str, str]:
    """Return this process's environment; what is imported is compiled once."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def by_http(*options: str) -> Iterator[str]:
    """Run the server on a port, and give its address with the token."""
    argv = [sys.executable, "-m", "wakeman", "mcp", "--http", str(free_port()), *options]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=surroundings())
    assert process.stdout is not None
    try:
        url = process.stdout.readline().decode().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/mcp\?token=\S{16,}", url)
        yield url
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()
