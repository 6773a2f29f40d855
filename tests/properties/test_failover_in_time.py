"""A host is lost: its replicas answer elsewhere in time, and when it is back nothing is there twice."""

from __future__ import annotations

import pytest

from cluster.model.ids import NodeId, ServiceId
from cluster.model.service import RolloutPolicy
from tests.simulation.orchestration_leader import LedWorld
from tests.simulation.orchestration_promises import answering_ordinals
from tests.support.state_builders import a_spec

WEB = ServiceId("shop.web")
LIMIT_MS = 120_000


class Outage:
    """Three replicas on three hosts, then a cut."""

    def __init__(self, seed: int) -> None:
        self.led = LedWorld(seed=seed)
        self.world = self.led.world
        self.cut_at_ms = 0

    async def begin(self) -> None:
        self.world.deploy(a_spec("v1"), policy=RolloutPolicy(monitor_ms=0))
        await self.led.lead(lambda: None, until=self.world.is_at_rest, limit_ms=LIMIT_MS)

    def cut(self, host: str, *, with_leader: bool) -> None:
        self.cut_at_ms = self.world.now_ms
        self.world.cut(host)
        if with_leader:
            self.led.has_died.set()

    def is_repaired(self) -> bool:
        view = self.world.view(WEB)
        assert view is not None
        lost = {node_id for node_id, host in self.world.hosts.items() if host.is_cut}
        there = {copy.ordinal for copy in view.assignments if copy.node_id not in lost}
        return answering_ordinals(view) == {0, 1, 2} <= there


@pytest.mark.parametrize("seed", range(5))
async def test_a_lost_hosts_replica_answers_elsewhere_within_five_seconds(seed: int) -> None:
    outage = Outage(seed)
    await outage.begin()
    await outage.led.lead(
        lambda: outage.cut("h3", with_leader=False), until=outage.is_repaired, limit_ms=LIMIT_MS
    )
    assert outage.world.now_ms - outage.cut_at_ms < 5_000


@pytest.mark.parametrize("seed", range(5))
async def test_it_takes_less_than_seven_when_the_leader_was_on_it(seed: int) -> None:
    outage = Outage(seed)
    await outage.begin()
    await outage.led.lead(
        lambda: outage.cut("h1", with_leader=True), until=outage.is_repaired, limit_ms=LIMIT_MS
    )
    assert outage.world.now_ms - outage.cut_at_ms < 7_000


async def test_a_host_that_returns_loses_its_stale_copy_and_nothing_is_there_twice() -> None:
    outage = Outage(9)
    world = outage.world
    await outage.begin()
    await outage.led.lead(
        lambda: outage.cut("h3", with_leader=False), until=outage.is_repaired, limit_ms=LIMIT_MS
    )
    assert world.hosts[NodeId("h3")].containers
    await outage.led.lead(lambda: world.heal("h3"), until=world.is_at_rest, limit_ms=LIMIT_MS)
    assert not world.hosts[NodeId("h3")].containers
    world.check_final()
