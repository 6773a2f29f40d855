"""Three agents as processes, without Docker: what a cluster promises while its processes die."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.agent_process import AgentProcess, agents, form_cluster, wait_until

WRITERS = 4


@dataclass
class Cluster:
    """Running agents and an administrator's token."""

    agents: list[AgentProcess]
    token: str

    def view(self, agent: AgentProcess) -> dict[str, object]:
        status, answer = agent.request("GET", "/api/v1/cluster", token=self.token, timeout_s=3)
        return answer if status == 200 else {}

    def leader(self) -> AgentProcess | None:
        for agent in self.agents:
            view = self.view(agent)
            if view and view["leader_id"] == view["node_id"]:
                return agent
        return None

    def wait_for_leader(self) -> AgentProcess:
        found: list[AgentProcess] = []

        def is_there() -> bool:
            leader = self.leader()
            found[:] = [leader] if leader is not None else []
            return leader is not None

        wait_until("there is a leader", is_there, lambda: "\n".join(agent.tail() for agent in self.agents))
        return found[0]

    def put(self, agent: AgentProcess, key: str, value: str) -> int:
        return agent.request("PUT", f"/api/v1/settings/{key}", {"value": value}, token=self.token)[0]

    def values(self, agent: AgentProcess) -> dict[str, str]:
        found: dict[str, str] = {}
        cursor = ""
        while True:
            path = "/api/v1/settings?limit=200" + (f"&cursor={cursor}" if cursor else "")
            status, answer = agent.request("GET", path, token=self.token)
            assert status == 200, answer
            found.update({item["key"]: item["value"] for item in answer["items"]})
            cursor = answer["next_cursor"]
            if not cursor:
                return found


@dataclass
class Writers:
    """Threads that write one setting after another, to whichever answers, noting what is acknowledged."""

    cluster: Cluster
    acknowledged: dict[str, str] = field(default_factory=dict)
    last_at_s: float = 0.0
    gap_max_s: float = 0.0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)]
        self.last_at_s = time.monotonic()
        for thread in self._threads:
            thread.start()

    def _write(self, writer: int) -> None:
        number = 0
        while not self._stop.is_set():
            agent = self.cluster.agents[number % len(self.cluster.agents)]
            key, value = f"e2e.{writer}.{number}", f"{writer}-{number}"
            number += 1
            if self.cluster.put(agent, key, value) == 200:
                now_s = time.monotonic()
                with self._lock:
                    self.acknowledged[key] = value
                    self.gap_max_s = max(self.gap_max_s, now_s - self.last_at_s)
                    self.last_at_s = now_s

    def count(self) -> int:
        with self._lock:
            return len(self.acknowledged)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with agents(tmp_path_factory.mktemp("cluster"), "a", "b", "c") as made:
        yield Cluster(made, form_cluster(made))


def test_killing_the_leader_under_writes_loses_no_acknowledged_write(cluster: Cluster) -> None:
    writers = Writers(cluster)
    try:
        wait_until("writes are acknowledged", lambda: writers.count() >= 20, cluster.agents[0].tail)
        leader = cluster.wait_for_leader()
        leader.kill()
        before = writers.count()
        wait_until("writes go on under a new leader", lambda: writers.count() >= before + 20, leader.tail)
        leader.start()
        again = writers.count()
        wait_until("and with the old one back", lambda: writers.count() >= again + 20, leader.tail)
    finally:
        writers.stop()
    for agent in cluster.agents:
        wait_until(
            f"{agent.name} holds every acknowledged write",
            lambda agent=agent: writers.acknowledged.items() <= cluster.values(agent).items(),  # type: ignore[misc]
            agent.tail,
        )


def test_every_agent_serves_and_takes_writes(cluster: Cluster) -> None:
    for agent in cluster.agents:
        assert cluster.put(agent, f"e2e.{agent.name}", "x") == 200
    for agent in cluster.agents:
        found = cluster.values(agent)
        assert {f"e2e.{other.name}" for other in cluster.agents} <= set(found)


def test_a_stopped_leader_hands_over_and_the_rest_goes_on_at_once(cluster: Cluster) -> None:
    leader = cluster.wait_for_leader()
    rest = [agent for agent in cluster.agents if agent is not leader]
    assert leader.stop() == 0
    took_s = wait_until(
        "another leads",
        lambda: any(cluster.put(agent, "e2e.handed-over", "x") == 200 for agent in rest),
        rest[0].tail,
    )
    assert took_s < 5.0


def test_without_a_majority_writes_are_refused_in_words_and_reads_go_on(cluster: Cluster) -> None:
    leader = cluster.wait_for_leader()
    assert cluster.put(leader, "e2e.before", "x") == 200
    for agent in cluster.agents:
        if agent is not leader:
            agent.kill()

    def is_refused() -> bool:
        status, answer = leader.request(
            "PUT", "/api/v1/settings/e2e.after", {"value": "x"}, token=cluster.token, timeout_s=30
        )
        return status in (503, 504) and "leader" in str(answer["detail"])

    wait_until("a write is refused", is_refused, leader.tail, timeout_s=60)
    assert "the quorum is lost" in str(cluster.view(leader)["quorum"])
    assert cluster.values(leader)["e2e.before"] == "x"
