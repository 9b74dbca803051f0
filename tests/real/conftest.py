"""The rig as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.real.rig import Rig, rigged


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(Rig) as rig:
        yield rig
