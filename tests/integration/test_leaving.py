"""Agents as processes: a host that is let go, by itself or by another, forgets all and may come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent_process import AgentProcess, agents, form_cluster, wait_until


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[AgentProcess], str]]:
    with agents(tmp_path_factory.mktemp("leaving"), "n1", "n2", "n3") as made:
        yield made, form_cluster(made)


def _view(agent: AgentProcess, token: str) -> dict[str, object]:
    status, answer = agent.request("GET", "/api/v1/cluster", token=token, timeout_s=3)
    return answer if status == 200 else {}


def _names(agent: AgentProcess, token: str) -> list[str]:
    nodes = _view(agent, token).get("nodes", [])
    assert isinstance(nodes, list)
    return [node["name"] for node in nodes]


def _leader(made: list[AgentProcess], token: str) -> AgentProcess:
    found: list[AgentProcess] = []

    def is_there() -> bool:
        for agent in made:
            view = _view(agent, token)
            if view and view["leader_id"] == view["node_id"]:
                found[:] = [agent]
        return bool(found)

    wait_until("there is a leader", is_there, made[0].tail)
    return found[0]


def _left_behind(agent: AgentProcess) -> set[str]:
    return {path.name for path in agent.directory.iterdir()}


def test_a_removed_host_erases_what_it_kept_and_may_join_again(
    three: tuple[list[AgentProcess], str],
) -> None:
    made, token = three
    leader = _leader(made, token)
    removed, asked = [agent for agent in made if agent is not leader]
    status, answer = asked.request("DELETE", f"/api/v1/nodes/{removed.name}", token=token)
    assert status == 204, answer
    assert removed.wait() == 0
    assert _left_behind(removed) == set()
    assert "agent.left_cluster" in removed.tail()
    assert _names(asked, token) == sorted([leader.name, asked.name])

    status, answer = asked.request(
        "POST", "/api/v1/join-tokens", {"ttl_s": 600, "uses": 1, "learner": False}, token=token
    )
    assert status == 201, answer
    removed.join(asked, answer["token"])
    removed.start()
    wait_until(
        "it votes again", lambda: _view(asked, token).get("quorum", {}).get("voters") == 3, removed.tail
    )


def test_a_host_leaves_by_itself_and_is_a_member_no_more(three: tuple[list[AgentProcess], str]) -> None:
    made, token = three
    leader = _leader(made, token)
    leaving, other = [agent for agent in made if agent is not leader]
    left = leaving.tower(
        "--server", leaving.url, "--ca", str(leaving.ca), "leave", "--yes", secret={"TOWER_TOKEN": token}
    )
    assert left.stdout == f"{leaving.name} has left the cluster\n"
    assert leaving.wait() == 0
    assert _left_behind(leaving) == set()
    assert _names(other, token) == sorted([leader.name, other.name])


def test_the_leader_is_removed_by_asking_another_host(three: tuple[list[AgentProcess], str]) -> None:
    made, token = three
    leader = _leader(made, token)
    rest = [agent for agent in made if agent is not leader]
    status, answer = rest[0].request("DELETE", f"/api/v1/nodes/{leader.name}", token=token)
    assert status == 204, answer
    assert leader.wait() == 0
    assert _left_behind(leader) == set()
    assert _leader(rest, token) in rest
    assert _names(rest[1], token) == sorted(agent.name for agent in rest)


def test_no_host_is_removed_whose_absence_would_stop_the_cluster(
    three: tuple[list[AgentProcess], str],
) -> None:
    made, token = three
    leader = _leader(made, token)
    lost, kept = [agent for agent in made if agent is not leader]
    lost.kill()

    def is_refused() -> bool:
        status, answer = leader.request("DELETE", f"/api/v1/nodes/{kept.name}", token=token)
        return status == 503 and "only 1 can be reached" in str(answer["detail"])

    wait_until("removing one of the last two is refused", is_refused, leader.tail)
    assert kept.name in _names(leader, token)
    status, answer = leader.request("DELETE", f"/api/v1/nodes/{lost.name}", token=token)
    assert status == 204, answer
    assert _names(leader, token) == sorted([leader.name, kept.name])


def test_the_last_host_is_told_how_a_cluster_is_ended(tmp_path: Path) -> None:
    with agents(tmp_path, "n1") as [alone]:
        alone.init()
        alone.start()
        status, answer = alone.request("POST", "/api/v1/node/leave", {}, token=alone.login())
        assert (status, alone.status("/readyz")) == (503, 200)
        assert "to end the cluster, stop the agent and delete its data directory" in answer["detail"]
