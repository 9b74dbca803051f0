"""Receivers of notices that are busy, gone, come back, or take a notice without saying so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from wakeman.core.log.events import Effected, Event, Intended
from wakeman.core.model import Deployment
from wakeman.ports import Delivery

Fate = Literal["takes", "refuses", "takes unseen", "loses unseen"]
"""What becomes of one notice: heard or not, and known to be or not."""
TRIES_MIN = 25
"""Deliveries of one notice that must have failed before it is given up."""
_BEHIND = re.compile(r"( Late: of \d\d:\d\d UTC\.)?( Perhaps told before: .*)?$")
"""What a notice that is told again says behind its words."""


class Heard(NamedTuple):
    """A notice as a receiver read it: its words without what is said behind them, and whether it says that it may have
    been told before."""

    receiver: str
    words: str
    warned: bool


class Receivers:
    """What each receiver read; `fate` says what becomes of the next."""

    def __init__(self) -> None:
        self.fate: Callable[[str], Fate] = lambda _: "takes"
        self.heard: list[Heard] = []
        self.tried: Counter[tuple[str, str]] = Counter()  # receiver and words of each delivery
        self.moods: Counter[str] = Counter()  # deliveries to receivers that were so
        self._gone: set[str] = set()  # who was gone when it was last told

    def note(self, receiver: str, mood: str, fate: Fate) -> None:
        """Count a delivery by how its receiver was: one that reads again was gone before."""
        back = receiver in self._gone and fate.startswith("takes")
        self.moods["comes back" if back else mood] += 1
        (self._gone.add if mood == "gone" else self._gone.discard)(receiver)

    def tell(self, receiver: str, text: str) -> Delivery:
        """Tell one receiver."""
        fate = self.fate(receiver)
        words = _BEHIND.sub("", text)
        self.tried[receiver, words] += 1
        if fate.startswith("takes"):
            self.heard.append(Heard(receiver, words, "Perhaps told before" in text))
        return Delivery("" if fate == "takes" else f"{receiver} {fate}", doubt=fate.endswith("unseen"))


def doubled(receivers: Receivers, events: Iterable[Event]) -> list[str]:
    """List what a receiver read more often than there are notices of those words, and was not warned of."""
    texts = begun(events)
    silent = [(heard.receiver, heard.words) for heard in receivers.heard if not heard.warned]
    return sorted(
        {f"{to} reads {words!r} twice" for to, words in silent if silent.count((to, words)) > texts.count(words)}
    )


def begun(events: Iterable[Event]) -> list[str]:
    """List the notices, each once."""
    return [event.data.text for event in events if isinstance(event.data, Intended) and first(event.data)]


def first(data: Intended) -> bool:
    """Return whether that is where a notice begins."""
    return data.action == "wake" and not data.again


def lost(receivers: Receivers, events: Iterable[Event], d: Deployment, names: Iterable[str]) -> list[str]:
    """List the notices of what has happened that a receiver did not read.

    Boundary: one that was tried for a day, and of which somebody is told that it was not reached, is not lost. With
    `tell = "first"` one receiver is enough.
    """
    owed = [
        event.data.text
        for event in events
        if isinstance(event.data, Intended)
        and first(event.data)
        and not all(cause.startswith(("ask:", "check:")) for cause in event.data.causes)
    ]
    read = {(heard.receiver, heard.words) for heard in receivers.heard}
    missing = {words: [name for name in names if (name, words) not in read] for words in owed}
    if d.plan.wake.tell == "first":
        missing = {words: without for words, without in missing.items() if len(without) == len(list(names))}
    return [
        f"{name} never read {words!r}"
        for words, without in missing.items()
        for name in without
        if name not in d.untold or receivers.tried[name, words] < TRIES_MIN
    ]


def unsaid(events: Iterable[Event], d: Deployment) -> list[str]:
    """List the receivers that the last delivery to them did not reach and of whom nobody is told, or the reverse."""
    ended = [event.data for event in events if isinstance(event.data, Effected)]
    missed = {name: False for data in ended for name in (*data.told, *(data.missed or {}))}
    for data in ended:
        missed.update(dict.fromkeys(data.told, False) | dict.fromkeys(data.missed or {}, True))
    return [name for name, so in missed.items() if so is not (name in d.untold)]
