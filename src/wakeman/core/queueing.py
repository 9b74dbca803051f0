"""What a queue of nodes is like, and durations that are drawn by a seed: values in, values out."""

from __future__ import annotations

import math

from msgspec import Struct

from wakeman.core.digests import sha256

SHARE_BYTES = 6
"""Bytes of a hash that are a share: fewer bits than a float has, so none is rounded up to 1."""


class Spread(Struct, frozen=True):
    """How long something takes: always `mean`; `exponential`, around it; or one of those that were `measured`.

    Units: seconds.
    """

    mean: float
    exponential: bool = False
    measured: tuple[float, ...] = ()

    def drawn(self, seed: int, what: str) -> float:
        """Return how long it takes this time.

        Repeatable: the same seed and `what` give the same, whatever else is drawn; so that what differs between two
        queues is the queues.
        """
        if self.measured:
            return self.measured[int(_share(seed, what) * len(self.measured))]
        return -math.log1p(-_share(seed, what)) * self.mean if self.exponential else self.mean


class QueueModel(Struct, frozen=True):
    """A queue: nodes with so many slots each, how long a job waits at least, how nodes fail, how long a job may run.

    Shape: a node fails every `fails` on average, exponentially spread, and is back after `repair`; its jobs are lost.
    Units: seconds. Boundary: 0 in `fails`: never; in `longest`: no limit.
    """

    nodes: int
    slots: int
    wait: Spread = Spread(0.0)
    fails: float = 0.0
    repair: float = 3600.0
    longest: float = 0.0
    seed: int = 1


class QueueUse(Struct):
    """What was used of a queue. `begun` are the jobs that ran, of which some were `lost`, or met the time `longest`.

    Units: seconds. `waited` is that of all that ran; `node_time` that of nodes with a job, whatever number of its slots
    was in use; `slot_time` that of jobs.
    """

    begun: int = 0
    lost: int = 0
    timed_out: int = 0
    waited: float = 0.0
    node_time: float = 0.0
    slot_time: float = 0.0


def _share(seed: int, what: str) -> float:
    """Return a number from 0 to below 1 that a seed and a name give."""
    digest: bytes = sha256(f"{seed}/{what}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:SHARE_BYTES], "big") / 2.0 ** (8 * SHARE_BYTES)
