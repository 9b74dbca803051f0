"""Who may ask: the right token, a known Host, and no other site's page."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

COOKIE = "wakeman"
"""Cookie that holds the token once the page was opened with it."""
OWN_HEADER = "x-wakeman"
"""Header of what the page's own script sends: another site's form cannot set it."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine that are always taken for it."""


class Gate:
    """Judges requests. `token` is "" where none is asked for; `marked`: what changes something has our own header."""

    def __init__(self, token: str, port: int, hosts: Iterable[str], *, marked: bool = True) -> None:
        self._token, self._marked = token, marked
        self._hosts = frozenset(name.lower() for name in (*LOOPBACK, *hosts))
        self._port = port

    def refusal(self, method: str, query: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return status and reason of a refusal; None for a request that may go on.

        Shape: names of headers are in lower case.
        """
        if not self._ours(headers.get("host", "")):
            return 421, "unknown Host: use the address that it has printed at its start"
        origin = headers.get("origin")
        if origin is not None and not self._ours(urlsplit(origin).netloc):
            return 403, "asked for by a page of another site"
        if self._marked and method not in ("GET", "HEAD") and headers.get(OWN_HEADER) != "1":
            return 403, "not asked for by this page"
        if self._token and not self._knows(query, headers):
            return 401, "no token, or a wrong one: use the address that it has printed at its start"
        return None

    def hands_over(self, query: str) -> bool:
        """Return whether the right token is in the address, so that it moves into a cookie."""
        return bool(self._token) and _same(self._token, _queried(query))

    def _ours(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        if not name:
            name, port = host, ""
        return name.lower() in self._hosts and (port or "80") == str(self._port)

    def _knows(self, query: str, headers: Mapping[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        given = (_queried(query), cookie.value if cookie is not None else "", bearer)
        return any(_same(self._token, each) for each in given)


def _queried(query: str) -> str:
    return next(iter(parse_qs(query, max_num_fields=20).get("token", [])), "")


def _same(token: str, given: str) -> bool:
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "replace"))
