"""Fixtures of the adapters' own tests, shared: a private tmux socket, a live `atd`, a marker for `at` jobs."""

from __future__ import annotations

from tests.adapters.conftest import rig
from tests.adapters.test_at import atd
from tests.adapters.test_at import marker as at_marker

__all__ = ["at_marker", "atd", "rig"]
