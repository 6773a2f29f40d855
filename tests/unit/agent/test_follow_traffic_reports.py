"""What a host tells the leader: the traffic of services that are judged or scaled, what replicas use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from agent.follow.traffic_reports import INTERVAL_S, TrafficReports, arms_between
from agent.leader.traffic import TrafficBook
from agent.peers.protocol import TrafficReport
from agent.router.protocol import RevisionTraffic
from cluster.model.autoscaling import AutoscalePolicy, ReplicaUsage, ScaleMetric, ScaleTarget
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.inventory import HostUnavailable
from cluster.model.metric_limits import CopySamples, MetricLimit
from cluster.model.rollout import Rollout, RolloutPhase, Stage
from cluster.model.service import RolloutPolicy
from cluster.model.strategy import Analysis, Colour, Shift, Strategy, TrafficStep
from cluster.model.traffic import INTERVALS_MAX, ArmTraffic, TrafficInterval
from tests.support.fake_clock import FakeClock
from tests.support.fake_router import FakeRouter
from tests.support.host_kit import HERE, WEB, HostState
from tests.support.state_builders import START_MS, a_spec

SHOP = ServiceId(WEB)
Samples = Callable[[Mapping[ServiceId, frozenset[str]]], tuple[CopySamples, ...]]


def a_staged_rollout(phase: RolloutPhase = RolloutPhase.RUNNING) -> Rollout:
    return Rollout(
        id=RolloutId("ro_1"),
        service_id=SHOP,
        from_revision=1,
        to_revision=2,
        phase=phase,
        step=1,
        started_at_ms=START_MS,
        changed_at_ms=START_MS,
        deadline_ms=START_MS + 60_000,
        stage=Stage(steps=(TrafficStep(permille=1000),), colour=Colour.GREEN),
    )


class Counting:
    """A host with a router and the loop that reports of it."""

    def __init__(self) -> None:
        self.clock = FakeClock(now_ms=START_MS)
        self.state = HostState()
        self.router = FakeRouter(self.clock)
        self.reports: list[TrafficReport] = []
        self.usages: tuple[ReplicaUsage, ...] = ()
        self.samples_of: Samples = lambda _: ()
        self.is_counting = True
        self.is_cut = False
        self.state.deploy()
        self.state.deploy(a_spec("registry.example/web:2"))

    @property
    def sent(self) -> list[tuple[TrafficInterval, ...]]:
        return [report.intervals for report in self.reports]

    @property
    def flows(self) -> list[tuple[TrafficInterval, ...]]:
        return [report.flows for report in self.reports]

    def usages_of(self, services: frozenset[ServiceId]) -> tuple[ReplicaUsage, ...]:
        return tuple(usage for usage in self.usages if usage.service_id in services)

    async def send(self, report: TrafficReport) -> None:
        if self.is_cut:
            raise HostUnavailable("the leader does not answer")
        assert report.node_id == HERE
        self.reports.append(report)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        reports = TrafficReports(
            node_id=HERE,
            epoch="in-1",
            state=self.state,
            router=self.router,
            send=self.send,
            clock=self.clock,
            usages=self.usages_of,
            samples=self.samples_of,
            is_counting=self.is_counting,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(reports.run())
            await self.clock.settle()
            yield
            task.cancel()

    async def pass_intervals(self, count: int = 1) -> None:
        for _ in range(count):
            await self.clock.advance(INTERVAL_S)


async def test_nothing_is_counted_while_nothing_is_judged() -> None:
    it = Counting()
    async with it.running():
        it.router.count(WEB, 1, requests=9)
        await it.pass_intervals(3)
    assert it.sent == []


async def test_each_interval_holds_what_came_since_the_one_before() -> None:
    it = Counting()
    it.state.transition(rollout=a_staged_rollout())
    it.router.count(WEB, 1, requests=500)
    async with it.running():
        await it.pass_intervals()
        it.router.count(WEB, 1, requests=20, failures=1, latencies={40: 19})
        it.router.count(WEB, 2, requests=5, failures=2, lost=1, retried=3)
        await it.pass_intervals()
        it.router.count(WEB, 2, requests=7)
        await it.pass_intervals()
    first, second = it.sent[-1]
    assert first.arms == (
        ArmTraffic(revision=1, requests=20, failures=1, latencies=((40, 19),)),
        ArmTraffic(revision=2, requests=5, failures=2, lost=1, retried=3),
    )
    assert [arm.requests for arm in second.arms] == [0, 7]
    assert second.sequence == first.sequence + 1
    assert second.duration_ms == INTERVAL_S * 1000


async def test_what_a_leader_did_not_take_is_sent_with_the_next_as_far_as_it_is_kept() -> None:
    it = Counting()
    it.state.transition(rollout=a_staged_rollout())
    async with it.running():
        await it.pass_intervals()
        it.is_cut = True
        await it.pass_intervals(3)
        it.is_cut = False
        await it.pass_intervals()
        assert len(it.sent[-1]) == 4
        await it.pass_intervals(10)
    assert len(it.sent[-1]) == INTERVALS_MAX


async def test_counting_begins_anew_with_the_next_rollout() -> None:
    it = Counting()
    it.state.transition(rollout=a_staged_rollout())
    async with it.running():
        await it.pass_intervals(3)
        it.state.transition(rollout=a_staged_rollout(RolloutPhase.CANCELLED))
        it.router.count(WEB, 1, requests=1000)
        sent = len(it.sent)
        await it.pass_intervals(2)
    assert len(it.sent) == sent


def scaled_by(*metrics: ScaleMetric) -> AutoscalePolicy:
    targets = tuple(ScaleTarget(metric=metric, value=50) for metric in metrics)
    return AutoscalePolicy(replicas_min=1, replicas_max=4, targets=targets)


async def test_a_service_that_is_scaled_by_its_requests_is_counted_all_the_time() -> None:
    it = Counting()
    it.state.deploy(a_spec("registry.example/web:2"), autoscale=scaled_by(ScaleMetric.REQUESTS))
    async with it.running():
        await it.pass_intervals()
        it.router.count(WEB, 2, requests=30, latencies={40: 30})
        await it.pass_intervals()
    assert it.sent[-1] == ()
    [interval] = it.flows[-1]
    assert interval.arms == (ArmTraffic(revision=2, requests=30, latencies=((40, 30),)),)


async def test_one_that_is_scaled_by_what_it_uses_is_not_counted() -> None:
    it = Counting()
    it.state.deploy(autoscale=scaled_by(ScaleMetric.CPU, ScaleMetric.MEMORY))
    async with it.running():
        await it.pass_intervals(3)
        assert it.reports == []
        it.usages = (
            ReplicaUsage(service_id=SHOP, revision=1, ordinal=0, cpu_centipercent=5, memory_bytes=None),
        )
        await it.pass_intervals()
    assert it.reports == [TrafficReport(node_id=HERE, intervals=(), usages=it.usages)]


async def test_what_is_judged_is_not_told_for_scaling_meanwhile() -> None:
    it = Counting()
    it.state.deploy(a_spec("registry.example/web:2"), autoscale=scaled_by(ScaleMetric.LATENCY))
    async with it.running():
        await it.pass_intervals(4)
        assert len(it.flows[-1]) == 3
        it.state.transition(rollout=a_staged_rollout())
        await it.pass_intervals()
        # What was counted before the rollout says nothing of it.
        assert (len(it.sent[-1]), it.flows[-1]) == (1, ())
        it.state.transition(rollout=a_staged_rollout(RolloutPhase.CANCELLED))
        await it.pass_intervals()
    assert (it.sent[-1], len(it.flows[-1])) == ((), 1)


async def test_a_router_that_cannot_count_does_not_say_that_there_are_no_requests() -> None:
    it = Counting()
    it.is_counting = False
    it.state.deploy(autoscale=scaled_by(ScaleMetric.REQUESTS))
    async with it.running():
        await it.pass_intervals(3)
    assert it.reports == []


def test_the_newest_revisions_are_named_when_there_are_too_many() -> None:
    present = {number: RevisionTraffic(service=WEB, revision=number) for number in range(1, 20)}
    assert [arm.revision for arm in arms_between({}, present)] == list(range(12, 20))


def an_interval(sequence: int, node: NodeId = HERE) -> TrafficInterval:
    return TrafficInterval(
        service_id=SHOP, node_id=node, epoch="in-1", sequence=sequence, duration_ms=2000, arms=()
    )


def test_the_leader_keeps_the_newest_intervals_of_each_host() -> None:
    book = TrafficBook()
    other = NodeId("n2")
    assert book.note(HERE, [an_interval(sequence) for sequence in range(1, 9)]) == {SHOP}
    book.note(other, [an_interval(1, other)])
    kept = book.of(SHOP)
    assert [each.sequence for each in kept if each.node_id == HERE] == [3, 4, 5, 6, 7, 8]
    assert [each.sequence for each in kept if each.node_id == other] == [1]
    book.forget(SHOP)
    assert book.of(SHOP) == ()


def test_a_host_cannot_speak_for_another() -> None:
    book = TrafficBook()
    assert book.note(HERE, [an_interval(1, NodeId("n2"))]) == frozenset()
    assert book.of(SHOP) == ()


async def test_what_is_measured_is_told_of_services_that_are_judged_by_it_and_asked_for_by_its_metrics() -> (
    None
):
    it = Counting()
    asked: list[Mapping[ServiceId, frozenset[str]]] = []
    sample = CopySamples(
        service_id=SHOP, node_id=HERE, revision=2, ordinal=0, metric=3, points=((START_MS, 5),)
    )

    def samples_of(metrics: Mapping[ServiceId, frozenset[str]]) -> tuple[CopySamples, ...]:
        asked.append(metrics)
        return (sample,) if metrics else ()

    it.samples_of = samples_of
    limit = MetricLimit(metric="memory_bytes", max_value=5.0)
    it.state.deploy(
        a_spec("registry.example/web:3"),
        policy=RolloutPolicy(
            shift=Shift(strategy=Strategy.CANARY, analysis=Analysis(metrics=(limit,))),
        ),
    )
    async with it.running():
        await it.pass_intervals()
        it.state.transition(rollout=a_staged_rollout())
        await it.pass_intervals()
    assert asked == [{}, {SHOP: frozenset({"memory_bytes"})}]
    assert [report.samples for report in it.reports] == [(sample,)]
