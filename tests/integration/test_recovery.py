"""`tower recover`, with agents as processes: a majority is gone for good, one host goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.agent_process import AgentProcess, agents, form_cluster, wait_until

RECOVER = ("recover", "--yes-lose-unreplicated-writes", "--json")


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[AgentProcess]]:
    with agents(tmp_path_factory.mktemp("recovery"), "n1", "n2", "n3") as made:
        yield made


def _get(agent: AgentProcess, path: str, token: str) -> Any:
    status, answer = agent.request("GET", path, token=token)
    assert status == 200, answer
    return answer


def _value(agent: AgentProcess, key: str, token: str) -> str | None:
    items = _get(agent, "/api/v1/settings?limit=200", token)["items"]
    return next((item["value"] for item in items if item["key"] == key), None)


@pytest.mark.timeout(300)
def test_one_host_goes_on_alone_with_all_it_knows_and_lost_ones_cannot_come_back(
    three: list[AgentProcess],
) -> None:
    token = form_cluster(three)
    kept, *lost = three
    assert kept.request("PUT", "/api/v1/settings/recovery.before", {"value": "x"}, token=token)[0] == 200
    own_id = _get(kept, "/api/v1/cluster", token)["node_id"]

    refused = kept.tower(*RECOVER, check=False)
    assert (refused.returncode, "in use" in refused.stderr) == (1, True)
    assert kept.stop() == 0
    refused = kept.tower(*RECOVER, check=False)
    assert (refused.returncode, "2 other voters answer" in refused.stderr) == (1, True)

    for agent in lost:
        agent.kill()
    kept.tower(*RECOVER)
    kept.start()
    token = kept.login()
    assert _value(kept, "recovery.before", token) == "x"
    assert kept.request("PUT", "/api/v1/settings/recovery.after", {"value": "y"}, token=token)[0] == 200

    def is_alone() -> bool:
        cluster = _get(kept, "/api/v1/cluster", token)
        return [node["id"] for node in cluster["nodes"]] == [own_id] and cluster["quorum"]["voters"] == 1

    wait_until("the lost hosts are members no more", is_alone, kept.tail)
    wait_until(
        "the audit says what was done",
        lambda: (
            "2 lost hosts removed" in str(_get(kept, "/api/v1/audit?action=cluster.recover", token)["items"])
        ),
        kept.tail,
    )

    returned = lost[0]
    returned.launch()
    assert returned.wait() == 0, returned.tail()
    assert "agent.left_cluster" in returned.tail()
    assert list(returned.directory.iterdir()) == []
    assert _value(kept, "recovery.after", token) == "y"
