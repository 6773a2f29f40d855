"""What a host knows of the others: how old that is, by its own clock, and how far behind they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.follow.every_host import FRESH_S, EveryHost
from cluster.model.ids import NodeId
from cluster.model.inventory import HostInventory, HostLive, HostRefused, HostUnavailable
from cluster.model.readiness import HostQuestion, HostReadiness
from tests.support.fake_clock import FakeClock

HERE, THERE = NodeId("nd_1"), NodeId("nd_2")


@dataclass
class LocalFake:
    node_id: NodeId = HERE

    def inventory(self) -> HostInventory:
        return HostInventory(node_id=HERE)

    def watch(self, moments: int) -> HostLive:
        return HostLive(node_id=HERE, times_ms=tuple(range(moments)))

    async def readiness(self, question: HostQuestion) -> HostReadiness:
        await asyncio.sleep(0)
        return HostReadiness(node_id=HERE, at_ms=1, missing_paths=question.paths)


@dataclass
class PeersFake:
    answers: list[HostInventory | Exception] = field(default_factory=list)
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def readiness(self, node_id: str, question: HostQuestion) -> HostReadiness:
        await asyncio.sleep(0)
        self.asked.append(node_id)
        if self.failure is not None:
            raise self.failure
        return HostReadiness(node_id=node_id, at_ms=2, missing_paths=question.paths)

    async def watch(self, node_id: str, moments: int) -> HostLive:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return HostLive(node_id=NodeId(node_id), times_ms=tuple(range(moments)))

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


QUESTIONS = {HERE: HostQuestion(paths=("/a",)), THERE: HostQuestion(paths=("/b",))}


def _asking(peers: PeersFake) -> EveryHost:
    local: Any = LocalFake()
    client: Any = peers
    return EveryHost(
        local=local, client=client, node_ids=lambda: [HERE, THERE], commit_index=lambda: 1, clock=FakeClock()
    )


async def test_every_host_that_answers_is_watched_and_a_silent_one_is_left_out() -> None:
    peers = PeersFake()
    hosts = _asking(peers)
    assert [(host.node_id, host.times_ms) for host in await hosts.watch(2)] == [
        (HERE, (0, 1)),
        (THERE, (0, 1)),
    ]
    peers.failure = HostUnavailable("gone")
    assert [host.node_id for host in await hosts.watch(2)] == [HERE]


async def test_each_host_is_asked_its_own_question_and_this_one_directly() -> None:
    peers = PeersFake()
    answers = await _asking(peers).readiness(QUESTIONS)
    assert {
        node_id: answer.missing_paths
        for node_id, answer in answers.items()
        if isinstance(answer, HostReadiness)
    } == {HERE: ("/a",), THERE: ("/b",)}
    assert peers.asked == [THERE]


@pytest.mark.parametrize("failure", [HostUnavailable("no answer"), HostRefused("not known", code="refused")])
async def test_a_host_that_does_not_say_how_it_stands_keeps_no_other_from_saying_it(
    failure: Exception,
) -> None:
    answers = await _asking(PeersFake(failure=failure)).readiness(QUESTIONS)
    assert isinstance(answers[HERE], HostReadiness)
    assert str(answers[THERE]) == str(failure)
    assert isinstance(answers[THERE], HostUnavailable)
