"""Parsers of option values, and options that several verbs share."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable

Verb = tuple[str, Callable[[ArgumentParser], None], Callable[[Namespace], int]]
"""Example, function that adds its options, function that runs it: an entry of a module's VERBS."""

_FACTORS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Read `90`, `90s`, `5m`, `2h` or `1d` as seconds. Raises: ArgumentTypeError."""
    written = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", text)
    if not written:
        raise ArgumentTypeError(f"found {text!r}; expected seconds, or 90s, 5m, 2h, 1d")
    return float(written[1]) * _FACTORS[written[2]]


def pace_or_duration(text: str) -> str | float:
    """Read a duration, or the name of a pace. Raises: ArgumentTypeError."""
    return text if text in ("simple", "complex", "long") else duration(text)


def positive_number(text: str) -> int:
    """Read a whole number of at least 1. Raises: ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ArgumentTypeError(f"found {text!r}; expected a whole number of at least 1")
    return int(text)


def name(parser: ArgumentParser) -> None:
    """Add a deployment's name."""
    parser.add_argument("name", metavar="NAME", help="deployment: NAME is its latest run, NAME.1 the first")


def worker(parser: ArgumentParser) -> None:
    """Add a worker's name."""
    parser.add_argument(
        "worker", metavar="WORKER", help="worker: DEPLOYMENT/WORKER, or only its name if that is unique"
    )


def deployment(parser: ArgumentParser) -> None:
    """Add an option for the deployment."""
    parser.add_argument("--deployment", metavar="NAME", help="deployment (default: the only one that is open)")
