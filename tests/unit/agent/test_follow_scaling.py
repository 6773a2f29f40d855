"""Asking the leader, from any host, how it sees a service that is scaled by itself."""

from __future__ import annotations

from typing import Any

from agent.follow.scaling import LeaderScaling
from agent.peers.client import PeerClient
from agent.peers.protocol import STANDINGS
from cluster.model.autoscaling import MetricStanding, ScaleMetric, ScalingStanding
from cluster.model.ids import NodeId, ServiceId
from cluster.model.inventory import HostUnavailable

HERE, LEADER = NodeId("n1"), NodeId("n2")
STANDING = ScalingStanding(
    service_id=ServiceId("shop.web"),
    replicas_min=2,
    replicas_max=8,
    replicas=3,
    metrics=(
        MetricStanding(metric=ScaleMetric.CPU, target=70, observed=61.5, wanted=3),
        MetricStanding(metric=ScaleMetric.LATENCY, target=250, observed=None, wanted=None),
    ),
    wanted=3,
    reason="cpu 62 of 70 %",
    at_ms=1,
)


class Peers(PeerClient):
    """Peers that answer with `answer`, or not at all."""

    def __init__(self, answer: bytes | None) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answer = answer

    async def _ask(self, node_id: str, method: str, path: str, **_: Any) -> bytes:
        self.asked.append((node_id, path))
        if self._answer is None:
            raise HostUnavailable(f"{node_id} did not answer")
        return self._answer


def a_desk(peers: Peers, leader: str | None) -> LeaderScaling:
    return LeaderScaling(
        node_id=HERE,
        leader_id=lambda: leader,
        own={"shop.web": STANDING}.get,
        client=peers,
    )


async def test_the_leader_knows_by_itself() -> None:
    peers = Peers(None)
    desk = a_desk(peers, HERE)
    assert await desk.standing("shop.web") == STANDING
    assert await desk.standing("shop.other") is None
    assert peers.asked == []


async def test_another_host_asks_it() -> None:
    peers = Peers(STANDINGS.encode(STANDING))
    assert await a_desk(peers, LEADER).standing("shop.web") == STANDING
    assert peers.asked == [(LEADER, "/peer/v1/scaling/shop.web")]


async def test_without_a_leader_or_its_answer_nobody_can_say() -> None:
    assert await a_desk(Peers(None), None).standing("shop.web") is None
    assert await a_desk(Peers(None), LEADER).standing("shop.web") is None
    assert await a_desk(Peers(b"\xc1"), LEADER).standing("shop.web") is None
