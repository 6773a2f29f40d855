"""The leader's duty of scaling: what it makes of what hosts tell, and what stands in the log of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.leader.autoscaling import LOOK_S, Autoscaling
from agent.leader.loads import TOLD_MAX_AGE_S, Flow, LoadBook
from agent.leader.proposing import LeadershipOver
from agent.peers.protocol import TrafficReport
from cluster.commands import Outcome
from cluster.commands.environments import PutEnvironment
from cluster.commands.services import ScaleService
from cluster.model.audit import AuditStamp
from cluster.model.autoscaling import (
    AUTOSCALING,
    AutoscalePolicy,
    ReplicaUsage,
    ScaleMetric,
    ScaleTarget,
    Scaling,
)
from cluster.model.environments import Environment, EnvironmentQuota
from cluster.model.ids import NodeId, RolloutId, ServiceId
from cluster.model.rollout import Rollout, RolloutPhase
from cluster.model.service import DesiredState, Observation, ReplicaPhase, Resources, Service
from cluster.model.traffic import ArmTraffic, TrafficInterval, latency_bucket
from cluster.raft.replicator import NotCommitted
from cluster.store.records import AUDIT, SERVICES
from tests.support.fake_clock import FakeClock
from tests.support.host_kit import HERE, WEB, HostState
from tests.support.state_builders import START_MS, a_spec

SHOP = ServiceId(WEB)
OTHER = NodeId("n2")
CPU = ScaleTarget(metric=ScaleMetric.CPU, value=70)
MEMORY = ScaleTarget(metric=ScaleMetric.MEMORY, value=80)
REQUESTS = ScaleTarget(metric=ScaleMetric.REQUESTS, value=100)
LATENCY = ScaleTarget(metric=ScaleMetric.LATENCY, value=250)
HALF_CORE = Resources(cpu_limit_millis=500, memory_limit_bytes=100_000_000)


def a_policy(*targets: ScaleTarget) -> AutoscalePolicy:
    return AutoscalePolicy(
        replicas_min=1, replicas_max=8, targets=targets or (CPU,), down_stabilisation_ms=60_000
    )


def using(ordinal: int, cpu_percent: float, *, memory: int = 0) -> ReplicaUsage:
    return ReplicaUsage(
        service_id=SHOP,
        revision=1,
        ordinal=ordinal,
        cpu_centipercent=round(cpu_percent * 100),
        memory_bytes=memory,
    )


def a_flow(
    sequence: int,
    requests: int | None,
    *,
    node: NodeId = HERE,
    latency_ms: float = 50,
    epoch: str = "in-1",
) -> TrafficInterval:
    latencies = ((latency_bucket(latency_ms), requests),) if requests else ()
    arms = (ArmTraffic(revision=1, requests=requests, latencies=latencies),) if requests is not None else ()
    return TrafficInterval(
        service_id=SHOP, node_id=node, epoch=epoch, sequence=sequence, duration_ms=2000, arms=arms
    )


class AuditedHostState(HostState):
    """The state as a leader's duty has it."""

    failure: Exception | None = None

    async def propose(  # type: ignore[override]
        self, command: object, *, leader_term: int, timeout_s: float, audit: AuditStamp | None = None
    ) -> Outcome:
        await asyncio.sleep(0)
        self.proposed.append(command)
        if self.failure is not None:
            raise self.failure
        outcome = self.replica.apply(command, client="leader", leader_term=leader_term, audit=audit)
        self.replica.store.flush()
        return outcome


class Scaled:
    """Two hosts, a service with two replicas that serve, and the duty of its leader."""

    def __init__(
        self, policy: AutoscalePolicy | None = None, *, environment: Environment | None = None
    ) -> None:
        self.clock = FakeClock(now_ms=START_MS)
        self.state = AuditedHostState(str(HERE), str(OTHER))
        self.sequence = 0
        self.service_id = SHOP if environment is None else ServiceId(f"{environment.name}.{WEB}")
        if environment is not None:
            self.state.replica.must(PutEnvironment(environment=environment), client="person", leader_term=0)
        self.state.deploy(
            a_spec(resources=HALF_CORE),
            replicas=2,
            autoscale=policy or a_policy(),
            environment="" if environment is None else environment.name,
            service_id=self.service_id,
        )
        for ordinal in (0, 1):
            self.serve(ordinal, node=(HERE, OTHER)[ordinal])
        self.state.transition(str(self.service_id), stable_revision=1)
        self.duty = Autoscaling(
            node_id=HERE, state=self.state, clock=self.clock, new_id=lambda prefix: f"{prefix}_1"
        )

    def serve(self, ordinal: int, *, node: NodeId = HERE) -> None:
        where = {"service": str(self.service_id), "ordinal": ordinal, "node": node}
        self.state.order(DesiredState.SERVING, **where)  # type: ignore[arg-type]
        self.state.observe(Observation(phase=ReplicaPhase.HEALTHY, container_id=f"c{ordinal}"), **where)

    def tell(self, *usages: ReplicaUsage, node: NodeId = HERE) -> None:
        self.duty.on_report(TrafficReport(node_id=node, intervals=(), usages=usages))

    def tell_cpu(self, first: float, second: float) -> None:
        self.tell(using(0, first))
        self.tell(using(1, second), node=OTHER)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.duty.run(self.state.replica.term))
            await self.clock.settle()
            yield
            task.cancel()

    async def look(self, count: int = 1) -> None:
        for _ in range(count):
            await self.clock.advance(LOOK_S)

    def service(self) -> Service:
        with self.state.read() as txn:
            found = SERVICES.get(txn, self.service_id)
        assert found is not None
        return found


async def test_a_rush_is_answered_with_more_replicas_and_everybody_can_see_why() -> None:
    it = Scaled()
    async with it.running():
        it.tell_cpu(50, 45)
        await it.look()
    # 50 % of a core are all of the half core it may use.
    service = it.service()
    assert service.replicas == 3
    [scaling] = service.scalings
    assert scaling == Scaling(
        at_ms=scaling.at_ms, replicas_before=2, replicas=3, by=AUTOSCALING, reason="cpu 95 of 70 %"
    )
    with it.state.read() as txn:
        entry = AUDIT.scan(txn)[-1]
    assert (entry.stamp.principal_name, entry.stamp.action) == (AUTOSCALING, "service.scale")
    assert entry.stamp.resource == f"service:{WEB}"
    assert entry.stamp.reason == "from 2 to 3 replicas: cpu 95 of 70 %"


async def test_the_standing_is_told_while_it_leads_and_not_afterwards() -> None:
    it = Scaled()
    assert it.duty.standing(WEB) is None
    async with it.running():
        it.tell_cpu(35, 35)
        await it.look()
        standing = it.duty.standing(WEB)
        assert it.duty.standing("shop.other") is None
    assert standing is not None
    [metric] = standing.metrics
    assert (metric.target, metric.observed, metric.wanted) == (70, 70.0, 2)
    assert (standing.replicas_min, standing.replicas_max, standing.replicas, standing.wanted) == (1, 8, 2, 2)
    assert it.duty.standing(WEB) is None


async def test_replicas_go_only_after_a_window_of_this_leader() -> None:
    it = Scaled()
    async with it.running():
        for _ in range(12):
            it.tell_cpu(1, 1)
            await it.look()
        assert it.service().replicas == 2
        it.tell_cpu(1, 1)
        await it.look()
        assert it.service().replicas == 1


async def test_numbers_that_are_too_old_change_nothing() -> None:
    it = Scaled()
    async with it.running():
        it.tell_cpu(35, 35)
        await it.look(2)
        it.tell(using(0, 50))
        await it.look()
        assert it.service().replicas == 2
        await it.look(2)
        standing = it.duty.standing(WEB)
    assert it.service().replicas == 2
    assert standing is not None
    assert standing.reason == "there are no fresh numbers"


async def test_memory_is_a_share_of_the_limit() -> None:
    it = Scaled(a_policy(MEMORY))
    async with it.running():
        it.tell(using(0, 0, memory=95_000_000))
        it.tell(using(1, 0, memory=97_000_000), node=OTHER)
        await it.look()
    assert it.service().scalings[-1].reason == "memory 96 of 80 %"


async def test_a_replica_that_is_starting_is_not_there_yet() -> None:
    it = Scaled()
    it.state.observe(Observation(phase=ReplicaPhase.STARTING), service=WEB, ordinal=1, node=OTHER)
    async with it.running():
        it.tell_cpu(50, 50)
        await it.look()
    assert it.service().replicas == 2


async def test_requests_of_all_routers_count() -> None:
    it = Scaled(a_policy(REQUESTS, LATENCY))
    async with it.running():
        it.duty.on_report(TrafficReport(node_id=HERE, intervals=(), flows=(a_flow(1, 500),)))
        it.duty.on_report(TrafficReport(node_id=OTHER, intervals=(), flows=(a_flow(1, 300, node=OTHER),)))
        await it.look()
    assert it.service().scalings[-1].reason == "requests_per_second 200 of 100/s"
    assert it.service().replicas == 4


async def test_nothing_happens_during_a_rollout_nor_while_a_person_holds_the_number() -> None:
    it = Scaled()
    rollout = Rollout(
        id=RolloutId("ro_1"),
        service_id=SHOP,
        from_revision=1,
        to_revision=1,
        phase=RolloutPhase.RUNNING,
        step=0,
        started_at_ms=START_MS,
        changed_at_ms=START_MS,
        deadline_ms=START_MS + 60_000,
    )
    it.state.transition(rollout=rollout)
    async with it.running():
        it.tell_cpu(50, 50)
        await it.look()
        standing = it.duty.standing(WEB)
        assert standing is not None
        assert standing.reason == "rollout ro_1 is under way"
        it.state.replica.must(
            ScaleService(service_id=SHOP, replicas=5, by="ann", is_held=True), client="p", leader_term=0
        )
        it.state.replica.store.flush()
        await it.look()
        standing = it.duty.standing(WEB)
    assert standing is not None
    assert standing.reason == "ann set the number by hand, until the next deployment"
    assert it.service().replicas == 5


async def test_an_environment_bounds_it_and_its_quota_holds() -> None:
    quota = EnvironmentQuota(replicas=3)
    it = Scaled(environment=Environment(name="staging", replicas_max=6, quota=quota))
    async with it.running():
        for ordinal, node in ((0, HERE), (1, OTHER)):
            usage = ReplicaUsage(
                service_id=it.service_id,
                revision=1,
                ordinal=ordinal,
                cpu_centipercent=10_000,
                memory_bytes=0,
            )
            it.tell(usage, node=node)
        await it.look()
        standing = it.duty.standing(it.service_id)
    assert standing is not None
    assert standing.replicas_max == 6
    assert it.service().replicas == 3


async def test_what_could_not_be_committed_is_decided_anew() -> None:
    it = Scaled()
    it.state.failure = NotCommitted("no quorum")
    async with it.running():
        it.tell_cpu(50, 50)
        await it.look()
        assert it.service().replicas == 2
        it.state.failure = None
        await it.look()
    assert it.service().replicas == 3


async def test_a_newer_leader_ends_it() -> None:
    it = Scaled()
    term = it.state.replica.term
    it.state.replica.lead("n2")
    it.state.replica.store.flush()
    ended = []

    async def lead() -> None:
        try:
            await it.duty.run(term)
        except LeadershipOver as over:
            ended.append(over)

    async with asyncio.TaskGroup() as group:
        group.create_task(lead())
        await it.clock.settle()
        it.tell_cpu(50, 50)
        await it.look()
    assert len(ended) == 1
    assert it.service().replicas == 2


# ---- the book -----------------------------------------------------------------------------------------


def told(book: LoadBook, now_s: float, *flows: TrafficInterval, node: NodeId = HERE) -> None:
    book.note(TrafficReport(node_id=node, intervals=(), flows=flows), now_s)


def test_a_repeated_interval_counts_once() -> None:
    book = LoadBook()
    told(book, 100, a_flow(1, 200))
    told(book, 102, a_flow(1, 200), a_flow(2, 400))
    flow = book.flow(SHOP, [HERE], 103)
    assert flow.requests_per_s == 150
    assert flow.is_complete


def test_a_restarted_agent_begins_anew() -> None:
    book = LoadBook()
    told(book, 100, a_flow(7, 200))
    told(book, 102, a_flow(1, 400, epoch="in-2"))
    assert book.flow(SHOP, [HERE], 103).requests_per_s == 200


def test_a_silent_router_makes_it_incomplete_and_all_silent_ones_unknown() -> None:
    book = LoadBook()
    told(book, 100, a_flow(1, 200))
    flow = book.flow(SHOP, [HERE, OTHER], 101)
    assert (flow.requests_per_s, flow.is_complete) == (100, False)
    assert book.flow(SHOP, [HERE, OTHER], 101 + TOLD_MAX_AGE_S) == Flow()
    assert book.flow(SHOP, [], 101) == Flow()


def test_hosts_without_a_router_are_no_sign_of_no_requests() -> None:
    book = LoadBook()
    told(book, 100, a_flow(1, None))
    assert book.flow(SHOP, [HERE], 101) == Flow()
    told(book, 100, a_flow(1, 0, node=OTHER), node=OTHER)
    assert book.flow(SHOP, [HERE, OTHER], 101) == Flow(requests_per_s=0, latency_p95_ms=0, is_complete=True)


def test_the_latency_is_of_all_routers_together() -> None:
    book = LoadBook()
    told(book, 100, a_flow(1, 90, latency_ms=20))
    told(book, 100, a_flow(1, 10, latency_ms=900, node=OTHER), node=OTHER)
    latency_ms = book.flow(SHOP, [HERE, OTHER], 101).latency_p95_ms
    assert latency_ms is not None
    assert 900 <= latency_ms <= 990


def test_a_host_speaks_for_its_own_router_only() -> None:
    book = LoadBook()
    told(book, 100, a_flow(1, 200, node=OTHER), node=HERE)
    assert book.flow(SHOP, [HERE, OTHER], 101) == Flow()


def test_what_is_not_scaled_any_more_and_what_is_old_is_forgotten() -> None:
    book = LoadBook()
    book.note(TrafficReport(node_id=HERE, intervals=(), usages=(using(0, 5),)), 100)
    assert book.usage(SHOP, (HERE, 1, 0), 100 + TOLD_MAX_AGE_S) is not None
    assert book.usage(SHOP, (HERE, 1, 0), 101 + TOLD_MAX_AGE_S) is None
    book.keep_only([SHOP], 101 + TOLD_MAX_AGE_S)
    assert book.usage(SHOP, (HERE, 1, 0), 100) is None
    book.note(TrafficReport(node_id=HERE, intervals=(), usages=(using(0, 5),)), 200)
    book.keep_only([], 200)
    assert book.usage(SHOP, (HERE, 1, 0), 200) is None
