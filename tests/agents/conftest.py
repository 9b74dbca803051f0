"""A rig with real clients as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.agents.clients import Agents
from tests.agents.models import serving
from tests.real.rig import rigged


@pytest.fixture
def agents() -> Iterator[Agents]:
    with serving() as models, rigged(Agents) as rig:
        rig.models = models
        yield rig
