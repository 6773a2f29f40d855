"""What a host knows of the others: how old that is, by its own clock, and how far behind they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.follow.every_host import FRESH_S, EveryHost
from cluster.model.ids import NodeId
from cluster.model.inventory import HostInventory, HostUnavailable
from tests.support.fake_clock import FakeClock

HERE, THERE = NodeId("nd_1"), NodeId("nd_2")


@dataclass
class LocalFake:
    node_id: NodeId = HERE

    def inventory(self) -> HostInventory:
        return HostInventory(node_id=HERE)


@dataclass
class PeersFake:
    answers: list[HostInventory | Exception] = field(default_factory=list)

    async def inventory(self, _node_id: str) -> HostInventory:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _hosts(*answers: HostInventory | Exception, clock: FakeClock, commit_index: int = 10) -> EveryHost:
    local: Any = LocalFake()
    peers: Any = PeersFake(list(answers))
    return EveryHost(
        local=local,
        client=peers,
        node_ids=lambda: [HERE, THERE],
        commit_index=lambda: commit_index,
        clock=clock,
    )


async def test_a_hosts_clock_does_not_make_what_it_says_older_or_newer() -> None:
    clock = FakeClock()
    hosts = _hosts(HostInventory(node_id=THERE, age_ms=300), clock=clock)
    await hosts.views()
    clock.set_now_ms(clock.now_ms() + 86_400_000)
    await clock.advance(1.5)
    _, there = await hosts.views()
    assert there.age_ms == 1800


async def test_what_a_lost_host_said_last_grows_old_and_its_lag_is_not_known() -> None:
    clock = FakeClock()
    hosts = _hosts(HostInventory(node_id=THERE, applied_index=7), HostUnavailable("no answer"), clock=clock)
    _, there = await hosts.views()
    assert (there.age_ms, there.lag, there.problem) == (0, 3, "")
    await clock.advance(FRESH_S + 1)
    _, there = await hosts.views()
    assert (there.age_ms, there.lag, there.problem) == (3000, None, "no answer")


async def test_a_host_that_is_ahead_of_what_is_known_here_is_not_behind() -> None:
    hosts = _hosts(HostInventory(node_id=THERE, applied_index=12), clock=FakeClock())
    here, there = await hosts.views()
    assert (here.lag, there.lag) == (None, 0)
