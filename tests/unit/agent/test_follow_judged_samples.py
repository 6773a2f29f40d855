"""What a host tells of its replicas for metric limits: what it records, of the last minute."""

from __future__ import annotations

from collections.abc import Mapping

from agent.collect.samples import (
    ContainerSample,
    ContainerStanding,
    HostSample,
    RouteSample,
    SampleBatch,
)
from agent.follow.judged_samples import BATCHES_KEPT, JudgedSamples
from agent.leader.traffic import TrafficBook
from agent.ports import ContainerState, ContainerUsage, Health, HostReading
from cluster.model.ids import NodeId, ServiceId
from cluster.model.metric_limits import ROUTER, CopySamples
from cluster.model.metrics import BY_NAME
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from tests.support.host_kit import HERE, WEB, HostState
from tests.support.state_builders import START_MS

SHOP = ServiceId(WEB)
MEMORY: Mapping[ServiceId, frozenset[str]] = {SHOP: frozenset({"memory_bytes"})}
BASE_MS = START_MS // 10_000 * 10_000


def a_reading() -> HostReading:
    return HostReading(
        cpu_count=2,
        cpu_busy_ticks=None,
        cpu_total_ticks=None,
        memory_total_bytes=None,
        memory_available_bytes=None,
        swap_total_bytes=None,
        swap_free_bytes=None,
        load_1=None,
        load_5=None,
        load_15=None,
        rx_bytes=None,
        tx_bytes=None,
        uptime_s=None,
    )


def a_standing(container_id: str) -> ContainerStanding:
    return ContainerStanding(
        id=container_id,
        name="web",
        image="demo/web:1",
        labels={},
        state=ContainerState.RUNNING,
        health=Health.NONE,
    )


class Measuring:
    """A host with one replica in container c0, and another container that is nobody's."""

    def __init__(self) -> None:
        self.state = HostState()
        self.state.deploy()
        self.state.order(DesiredState.SERVING)
        self.state.observe(Observation(phase=ReplicaPhase.HEALTHY, container_id="c0"))
        self.samples = JudgedSamples(node_id=HERE, state=self.state)

    def measure(self, tick: int, memory: int, *, is_base: bool = True, is_late: bool = False) -> None:
        usage = ContainerUsage(cpu_ns=1, memory_bytes=memory, memory_limit_bytes=None)
        self.samples.take(
            SampleBatch(
                at_ms=BASE_MS + tick * 10_000,
                interval_s=10,
                is_base=is_base,
                is_late=is_late,
                host=HostSample(reading=a_reading()),
                containers=dict.fromkeys(("c0", "c1"), ContainerSample(usage=usage, cpu_percent=12.34)),
                standings=(a_standing("c0"), a_standing("c1")),
                routes=(
                    RouteSample(
                        service=WEB,
                        revision=2,
                        requests=9,
                        errors=0,
                        lost=0,
                        latency_p50_ms=1.5,
                        latency_p95_ms=None,
                        latency_p99_ms=None,
                        requests_total=9,
                        errors_total=0,
                        lost_total=0,
                        latencies_total={},
                    ),
                ),
            )
        )


def told(metric: str, *points: tuple[int, int], revision: int = 1, ordinal: int = 0) -> CopySamples:
    return CopySamples(
        service_id=SHOP,
        node_id=HERE,
        revision=revision,
        ordinal=ordinal,
        metric=BY_NAME[metric].number,
        points=tuple((BASE_MS + tick * 10_000, value) for tick, value in points),
    )


def test_nothing_is_kept_before_somebody_asks_and_after_nobody_does() -> None:
    it = Measuring()
    it.measure(0, 100)
    assert it.samples.read(MEMORY) == ()
    it.measure(1, 200)
    assert it.samples.read(MEMORY) == (told("memory_bytes", (1, 200)),)
    assert it.samples.read({}) == ()
    assert it.samples.read(MEMORY) == ()


def test_the_last_minute_is_told_of_own_replicas_and_only_what_is_recorded() -> None:
    it = Measuring()
    it.samples.read(MEMORY)
    it.measure(0, 1, is_base=False)
    it.measure(0, 2, is_late=True)
    for tick in range(9):
        it.measure(tick, 100 + tick)
    newest = [(tick, 100 + tick) for tick in range(9 - BATCHES_KEPT, 9)]
    assert it.samples.read(MEMORY) == (told("memory_bytes", *newest),)


def test_values_are_those_of_the_record_and_what_was_not_measured_is_left_out() -> None:
    it = Measuring()
    wanted = {SHOP: frozenset({"cpu_percent", "pids", "latency_p50_ms", "latency_p95_ms"})}
    it.samples.read(wanted)
    it.measure(0, 1)
    router = {"revision": 2, "ordinal": ROUTER}
    assert set(it.samples.read(wanted)) == {
        told("cpu_percent", (0, 1234)),
        told("latency_p50_ms", (0, 150), **router),
    }


def test_a_leader_keeps_what_a_host_says_of_itself_until_nothing_is_judged_any_more() -> None:
    book, own = TrafficBook(), told("memory_bytes", (0, 5))
    assert book.note(NodeId("other"), (), (own,)) == frozenset()
    assert book.note(HERE, (), (own,)) == {SHOP}
    assert book.samples_of(SHOP) == (own,)
    book.forget(SHOP)
    assert book.samples_of(SHOP) == ()
