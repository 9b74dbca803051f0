"""Forged logs, changed and chained again: only the content of the lines can reveal it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from wakeman.audit.auditor import Auditor
from wakeman.core.log.events import chain, decode, genesis
from wakeman.core.log.hash_chain import Divergence

Line = dict[str, Any]


class Forged:
    """The lines of a log as dictionaries, to be changed; `write` numbers the writes that they were written in."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.lines: list[Line] = []
        write = 0
        for raw in lines:
            line: Line = msgspec.json.decode(raw)
            del line["hash"]
            line["write"] = write
            write += not line.pop("more", False)
            self.lines.append(line)

    def find(self, kind: str, fits: Callable[[Line], bool] = lambda _: True, skip: int = 0) -> int:
        """Return where a line of that type stands, after `skip` others."""
        found = [n for n, line in enumerate(self.lines) if line["type"] == kind and fits(line)]
        return found[skip]

    def drop(self, at: int) -> Line:
        """Take a line away."""
        return self.lines.pop(at)

    def insert(self, at: int, line: Line) -> None:
        """Put a line in, as a write of its own."""
        self.lines.insert(at, {**copy.deepcopy(line), "seq": 0, "write": -at})

    def encoded(self) -> list[bytes]:
        """Number and chain the lines anew, and what they say of other lines with them."""
        new = {line["seq"]: n for n, line in enumerate(self.lines, 1)}
        planned = self.lines[0]["data"]
        previous, out = genesis(planned["name"], planned["digest"]), []
        for n, line in enumerate(self.lines):
            told = copy.deepcopy(line)
            write = told.pop("write")
            told["seq"] = n + 1
            for key in ("looked", "intent"):
                if isinstance(told["data"].get(key), int):
                    told["data"][key] = new.get(told["data"][key], told["data"][key])
            order = ("v", "seq", "at", "by", "type", "worker", "attempt", "from", "to")
            body = {key: told[key] for key in order if key in told}
            if n + 1 < len(self.lines) and self.lines[n + 1]["write"] == write:
                body["more"] = True
            body["data"] = told["data"]
            head = msgspec.json.encode(body)[:-1] + b',"hash":"'
            previous = chain(previous, head)
            out.append(head + previous.encode() + b'"}\n')
        return out

    def judged(self) -> list[Divergence]:
        """Return what a judge finds."""
        return judged(self.encoded()).divergences


def judged(lines: Sequence[bytes]) -> Auditor:
    """Auditor lines that are chained as they must be."""
    judge = Auditor()
    for line in lines:
        judge.take(decode(line[:-1]))
    return judge
