"""Sends notices by Apprise, which knows the services of others; loaded when one is sent."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import Any

from wakeman.adapters.push import PUSHED_CHARS_MAX, Pushed
from wakeman.core.text import sanitise
from wakeman.ports import Delivery

APPRISE_MISSING = "Apprise is not installed: pip install '.[apprise]' in a clone of wakeman, or pip install apprise"


def addresses_in(text: str) -> list[str]:
    """Return the addresses of services in a file: a line each."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def services_fault(addresses: Sequence[str]) -> str:
    """Return why nothing can be sent by these addresses; "" if it can. No address is repeated in it: it has tokens."""
    try:
        import apprise
    except ImportError:
        return APPRISE_MISSING
    if not addresses:
        return "found no address"
    bad = [n for n, address in enumerate(addresses, 1) if not apprise.Apprise().add(address)]
    return f"address {bad[0]} is none that Apprise knows" if bad else ""


def send_by_services(addresses: Sequence[str], pushed: Pushed, timeout: float) -> Delivery:
    """Send one notice to each service; return what came of it.

    Boundary: told is what all services took. Cost: up to `timeout` seconds in all; then what is on its way is left, and
    whether it arrives is not known.
    """
    if fault := services_fault(addresses):
        return Delivery(fault)
    said = "".join(f"\n{name}: {words}" for name, words in pushed.words.items())
    text, took = sanitise(pushed.text, PUSHED_CHARS_MAX) + said, list[bool]()
    sender = Thread(target=_send_each, args=(addresses, f"wakeman: {pushed.deployment}", text, took), daemon=True)
    sender.start()
    sender.join(timeout)
    if sender.is_alive():
        return Delivery(f"Apprise: no end after {timeout:g} s", doubt=True)
    failed = len(addresses) - sum(took)
    return Delivery(f"Apprise: {failed} of {len(addresses)} did not take it" if failed else "", doubt=failed > 0)


def _send_each(addresses: Sequence[str], title: str, text: str, took: list[bool]) -> None:
    import apprise

    for address in addresses:
        service: Any = apprise.Apprise()
        service.add(address)
        took.append(bool(service.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT)))
