"""Real clients that review outputs of real clients: one output is rejected, fixed and reviewed again."""

from __future__ import annotations

import pytest
from tests.agents.clients import Agents, needs
from tests.real.rig import REAL

pytestmark = [*REAL, pytest.mark.timeout(180)]

REVIEW = """
[verify]
agent = "reviewer"
sample = 2
"""


@pytest.mark.parametrize(
    "client", [pytest.param("claude", marks=needs("claude")), pytest.param("codex", marks=needs("codex"))]
)
def test_a_client_reviews_a_sample_and_what_it_rejects_is_mended(agents: Agents, client: str) -> None:
    agents.plan(client, units='["a", "b"]')
    with (agents.place / "wakeman.toml").open("a") as plan:
        plan.write(REVIEW)
    agents.models.state["rejects"] = ["b"]

    up = agents.up(90)

    status = agents.status()
    assert (0, "complete") == (up.returncode, status["outcome"]), (up.stderr, status)
    assert [{"b": "the second half is missing"}, {}] == [each["rejected"] for each in status["reviews"]]
    assert [["a", "b"], ["b"]] == [each["units"] for each in status["reviews"]]
    assert "with the second half" in (agents.place / "work/b.md").read_text()
    assert {"w", "review_1", "w_c1", "review_2"} == {worker["name"] for worker in status["workers"]}
    assert {1} == {worker["attempt"] for worker in status["workers"]}
    assert [] == [line for line in agents.observations() if "waiting" in line or "error" in line]
