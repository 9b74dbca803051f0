"""The web application: its addresses, and what each answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NamedTuple

from anyio import sleep, to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wakeman.api import act
from wakeman.api.answer import Answer, envelope, failure
from wakeman.api.names import Chosen
from wakeman.api.replay import Reader
from wakeman.api.status import statuses
from wakeman.core.errors import LogDamagedError, UnknownNameError, UsageError, WakemanError
from wakeman.core.plan.template import nearest
from wakeman.core.policy.dialogs import PERMISSION_WORDS
from wakeman.faces.cli.act import asker_by
from wakeman.faces.report.page import index_text, live_policy
from wakeman.faces.serve.gate import COOKIE, Gate
from wakeman.faces.serve.live import Cursor, LivePage, all_stamps, line_data
from wakeman.ports import World

STREAM_POLL_S = 0.5
"""Seconds between two looks at a log that a page follows."""
STREAM_PING_S = 15.0
"""Seconds without a line after which a stream says that it is there, so that nothing between cuts it."""
BODY_BYTES_MAX = 65536
"""Bytes of a request to act, at most."""


def application(make: Callable[[], World], reading: Reader, gate: Gate, *, acts: bool) -> Starlette:
    """Return the application. `make` returns a world for one request; `acts` allows what changes something."""
    served = _Served(make, reading, acts=acts)
    routes = [
        Route("/", served.index),
        Route("/events", served.changes),
        Route("/d/{name}", served.deployment),
        Route("/d/{name}/events", served.lines),
        Route("/d/{name}/act", served.act, methods=["POST"]),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(Gated, gate=gate)], exception_handlers={WakemanError: _failed}
    )


class Gated:
    """An application behind a gate. With `moves`, a token in the address moves into a cookie, as suits a browser."""

    def __init__(self, app: ASGIApp, gate: Gate, *, moves: bool = True) -> None:
        self._app, self._gate, self._moves = app, gate, moves

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        query = request.url.query
        headers = dict(request.headers.items())
        if refused := self._gate.refusal(scope["method"], query, headers):
            await PlainTextResponse(f"{refused[1]}\n", refused[0])(scope, receive, send)
        elif self._moves and scope["method"] == "GET" and self._gate.hands_over(query):
            answer = RedirectResponse(scope["path"], 303, headers={"Referrer-Policy": "no-referrer"})
            answer.set_cookie(COOKIE, request.query_params["token"], httponly=True, samesite="strict")
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class PageDeed(NamedTuple):
    """What a page asks for. `seen` is the fingerprint of the question that it shows; with `like`, it is for all workers
    that need the same as this one.
    """

    verb: str
    worker: str
    text: str
    seen: str
    like: str = ""

    def chosen(self, worker: str) -> Chosen:
        """Return the workers that are meant."""
        return Chosen(like=worker) if self.like else Chosen([worker])


class PageRow(NamedTuple):
    """What does it, with the deployment and the worker by their names; `needs` must be given, if it names a field."""

    do: Callable[[World, str, str, PageDeed], Answer[Any]]
    needs: str = ""


def _permit_by_page(world: World, _: str, worker: str, asked: PageDeed) -> Answer[Any]:
    wanted = next((each for each in PERMISSION_WORDS if each == asked.text), None)
    if wanted is None:
        raise UsageError(f"approve: found {asked.text[:40]!r}; expected {', '.join(PERMISSION_WORDS)}")
    return act.approve(world, worker, wanted, seen=asked.seen, asker=asker_by("serve"))


def _send_by_page(world: World, _: str, worker: str, asked: PageDeed) -> Answer[Any]:
    if asked.like:
        return act.send_all(world, asked.chosen(worker), asked.text, submit=True, force=False, raw=False)
    return act.send(world, worker, asked.text, submit=True, force=False, raw=False)


PAGE_ROWS: Mapping[str, PageRow] = {
    "accept": PageRow(lambda world, name, *_: act.request(world, name, "accept")),
    "retry": PageRow(lambda world, _, worker, asked: act.retry(world, asked.chosen(worker))),
    "stop": PageRow(lambda world, _, worker, asked: act.stop(world, asked.chosen(worker), keep=False)),
    "send": PageRow(_send_by_page, "text"),
    "approve": PageRow(_permit_by_page, "seen"),
    "answer": PageRow(
        lambda world, _, worker, asked: act.answer(world, worker, asked.text, seen=asked.seen, asker=asker_by("serve")),
        "seen",
    ),
}
"""Verb -> its row: an answer is to the question that the page showed, so its fingerprint must come along."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Served:
    """What the addresses answer. Work that reads files runs in threads."""

    def __init__(self, make: Callable[[], World], reading: Reader, *, acts: bool) -> None:
        self._make, self._reading, self._acts = make, reading, acts
        self._pages: dict[str, LivePage] = {}

    async def index(self, _: Request) -> Response:
        """Answer with all deployments."""

        def text() -> str:
            world = self._make()
            stamp, names = all_stamps(world), world.logs.names()  # the stamp first: what comes later is a change
            return index_text(names, statuses(world, names, recorded=True).data, stamp)

        return _page(await to_thread.run_sync(text))

    async def deployment(self, request: Request) -> Response:
        """Answer with one deployment's page."""
        return _page(await to_thread.run_sync(self._text, request.path_params["name"]))

    def _text(self, name: str) -> str:
        if name not in self._pages:
            self._pages[name] = LivePage(self._make(), self._known(name), self._reading, acts=self._acts)
        return self._pages[name].text()

    def _known(self, name: str) -> str:
        """Return a deployment's exact name. Raises: UnknownNameError, also for what is a path."""
        names = self._make().logs.names()
        if name not in names:
            raise UnknownNameError(f"no deployment {name!r}{nearest(name, names)}", "open the first page, /")
        return name

    async def changes(self, request: Request) -> Response:
        """Stream that something has changed in some deployment since the state that the reader names."""
        given = request.headers.get("last-event-id") or request.query_params.get("after") or ""
        return _stream(self._changes(request, given))

    async def _changes(self, request: Request, before: str) -> AsyncIterator[str]:
        world = self._make()
        quiet = 0.0
        yield ": open\n\n"
        while not await request.is_disconnected():
            now = await to_thread.run_sync(all_stamps, world)
            if now != before or quiet >= STREAM_PING_S:
                yield f"id: {now}\nevent: changed\ndata: {{}}\n\n" if now != before else ": here\n\n"
                before, quiet = now, 0.0
            await sleep(STREAM_POLL_S)
            quiet += STREAM_POLL_S

    async def lines(self, request: Request) -> Response:
        """Stream the lines of a log after the one that the reader names, each with its number as the event's id."""
        name = await to_thread.run_sync(self._known, request.path_params["name"])
        given = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        if not given.isascii() or not given.isdecimal() or len(given) > 18:
            raise UsageError(f"Last-Event-ID: found {given[:40]!r}; expected the number of a line")
        page = LivePage(self._make(), name, self._reading, acts=False)
        return _stream(self._lines(request, Cursor(page.file, self._reading, int(given))))

    async def _lines(self, request: Request, cursor: Cursor) -> AsyncIterator[str]:
        quiet = 0.0
        yield ": open\n\n"
        while not await request.is_disconnected():
            try:
                found = await to_thread.run_sync(cursor.fresh)
            except LogDamagedError as fault:
                yield f"event: damaged\ndata: {json.dumps(str(fault))}\n\n"
                return
            for event in found:
                yield f"id: {event.seq}\nevent: line\ndata: {json.dumps(line_data(event))}\n\n"
            if cursor.closed:
                yield "event: closed\ndata: {}\n\n"
                return
            quiet = 0.0 if found else quiet + STREAM_POLL_S
            if quiet >= STREAM_PING_S:
                yield ": here\n\n"
                quiet = 0.0
            await sleep(STREAM_POLL_S)

    async def act(self, request: Request) -> Response:
        """Do what a person asked for, as the verb of the command line does it."""
        if not self._acts:
            raise UsageError("this page only shows", "start it with: wakeman serve --act")
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > BODY_BYTES_MAX:
                raise UsageError(f"the request is larger than {BODY_BYTES_MAX} bytes")
        try:
            given = json.loads(body)
            asked = PageDeed(**{key: str(given.get(key, "")) for key in PageDeed._fields})
        except (ValueError, AttributeError) as fault:
            raise UsageError("the request is no JSON object") from fault
        name = request.path_params["name"]
        answer = await to_thread.run_sync(self._do, name, asked)
        return JSONResponse(answer, headers=_HEADERS)

    def _do(self, name: str, asked: PageDeed) -> dict[str, Any]:
        if asked.verb not in PAGE_ROWS or (
            PAGE_ROWS[asked.verb].needs and not getattr(asked, PAGE_ROWS[asked.verb].needs)
        ):
            offered = ", ".join(f"{verb} with {row.needs}" if row.needs else verb for verb, row in PAGE_ROWS.items())
            raise UsageError(f"the request asks for nothing that is offered: {offered}")
        known = self._known(name)
        return envelope(PAGE_ROWS[asked.verb].do(self._make(), known, f"{known}/{asked.worker}", asked))


def _page(text: str) -> Response:
    return HTMLResponse(text.encode("utf-8", "replace"), headers={**_HEADERS, "Content-Security-Policy": live_policy()})


def _stream(lines: AsyncIterator[str]) -> Response:
    return StreamingResponse(lines, media_type="text/event-stream", headers=_HEADERS)


async def _failed(request: Request, fault: Exception) -> Response:
    """Answer with an error as the command line words it."""
    if not isinstance(fault, WakemanError):
        raise fault
    status = 404 if isinstance(fault, UnknownNameError) else 400 if isinstance(fault, UsageError) else 409
    if request.method == "POST":
        return JSONResponse(envelope(failure(fault, fault.hint)), status, headers=_HEADERS)
    return PlainTextResponse(
        f"error: {fault}\n" + (f"hint: {fault.hint}\n" if fault.hint else ""), status, headers=_HEADERS
    )
