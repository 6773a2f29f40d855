"""Weeks of samples on several nodes, whose processes are killed: recorded once, and the same on each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from agent.clock import SystemClock
from cluster.model.metrics import SubjectKind
from tests.support.agent_process import AgentProcess, agents, wait_until
from tests.support.history_loader import DAY_MS, Generated, a_subject, spool

STEP_MS = 60_000
METRICS = ("memory_bytes", "rx_bytes_per_s", "tx_bytes_per_s", "read_bytes_per_s", "write_bytes_per_s")


class Nodes:
    """Two agents that find weeks of samples on their disks, and one that has yet to join."""

    def __init__(self, made: list[AgentProcess]) -> None:
        self.first, self.second, self.third = made
        self.token = ""
        self.containers, self.moments = 0, 0
        self.end_ms = SystemClock().now_ms() // STEP_MS * STEP_MS - STEP_MS

    def begin(self, *, days: int, containers: int) -> None:
        self.containers, self.moments = containers, days * DAY_MS // STEP_MS
        self.first.init()
        self._load(self.first)
        self.first.start()
        self.token = self.first.login()
        setting = "/api/v1/settings/metrics.retention.container.raw"
        status, answer = self.first.request("PUT", setting, {"value": "60"}, token=self.token)
        assert status == 200, answer
        self.join(self.second, is_loaded=True)

    def join(self, agent: AgentProcess, *, is_loaded: bool = False) -> None:
        body = {"ttl_s": 600, "uses": 1, "learner": False}
        status, answer = self.first.request("POST", "/api/v1/join-tokens", body, token=self.token)
        assert status in (200, 201), answer
        agent.join(self.first, answer["token"])
        if is_loaded:
            self._load(agent)
        agent.start()

    def _load(self, agent: AgentProcess) -> None:
        """Noise, since nothing else fills what the state keeps of batches within a minute."""
        node_id = json.loads((agent.directory / "identity" / "node.json").read_text())["node_id"]
        rng = np.random.default_rng(ord(agent.name))
        series = [
            Generated(
                subject=a_subject(
                    SubjectKind.CONTAINER, node_id, f"{agent.name}-{number}", key=f"{number:064x}"
                ),
                metric=metric,
                values=rng.integers(0, 2**52, self.moments).astype(np.float64),
            )
            for number in range(self.containers)
            for metric in METRICS
        ]
        spool(
            agent.directory / "samples",
            series,
            start_ms=self.end_ms - self.moments * STEP_MS,
            step_ms=STEP_MS,
        )

    def has_sent(self, agent: AgentProcess) -> bool:
        """Whether nothing of its past is left on its disk."""
        found = [int(path.stem) for path in (agent.directory / "samples").glob("*.block")]
        return all(start_ms >= self.end_ms for start_ms in found)

    def get(self, agent: AgentProcess, path: str) -> Any:
        status, answer = agent.request("GET", f"/api/v1{path}", token=self.token)
        return answer if status == 200 else None

    def counts(self, agent: AgentProcess, of: AgentProcess) -> list[float]:
        """How many samples a node has of each of another's series."""
        history = self._history(agent, of, "statistic=count")
        return [sum(value or 0 for value in series["values"]) for series in history]

    def values(self, agent: AgentProcess, of: AgentProcess) -> list[Any]:
        """The series of a node's containers by the hour, as another node has them."""
        return [(series["title"], series["values"]) for series in self._history(agent, of, "statistic=mean")]

    def _history(self, agent: AgentProcess, of: AgentProcess, more: str) -> list[Any]:
        span = f"since={self.end_ms - self.moments * STEP_MS}&until={self.end_ms}&step=6h&resolution=raw"
        answer = self.get(
            agent, f"/metrics/history?subject=containers&node={of.name}&metric=rx&{span}&{more}"
        )
        return sorted(answer["series"], key=lambda series: series["title"]) if answer else []

    def is_whole(self, agent: AgentProcess) -> bool:
        """Whether a node has each sample once."""
        expected = [self.moments] * self.containers
        return all(self.counts(agent, of) == expected for of in (self.first, self.second))


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with agents(tmp_path_factory.mktemp("history"), "a", "b", "c") as made:
        yield Nodes(made)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("days", "containers", "is_disk_lost"),
    [
        (14, 1, False),
        # More than the state keeps of batches, so that a node that lost its own has to ask the others.
        pytest.param(20, 10, True, marks=[pytest.mark.verify, pytest.mark.timeout(600)]),
    ],
)
def test_weeks_are_recorded_once_on_every_node_through_kills_and_given_to_one_that_joins(
    nodes: Nodes, days: int, containers: int, *, is_disk_lost: bool
) -> None:
    nodes.begin(days=days, containers=containers)
    first, second, third = nodes.first, nodes.second, nodes.third
    patience_s = 30 * containers + 30
    second.kill()
    second.start()
    first.kill()
    first.start()
    for agent in (first, second):
        wait_until(f"{agent.name} sends all", partial(nodes.has_sent, agent), agent.tail, patience_s)
    for agent in (first, second):
        wait_until(f"{agent.name} has all", partial(nodes.is_whole, agent), agent.tail, patience_s)

    nodes.join(third)
    wait_until("the third has all", partial(nodes.is_whole, third), third.tail, patience_s)
    if is_disk_lost:
        third.kill()
        shutil.rmtree(third.directory / "history")
        third.start()
        wait_until("the third has all again", partial(nodes.is_whole, third), third.tail, patience_s)
        assert "history.missed" in third.log.read_text()
    assert nodes.get(third, "/metrics/standing")["missing"] == []
    for of in (first, second):
        assert nodes.values(third, of) == nodes.values(first, of) == nodes.values(second, of)
