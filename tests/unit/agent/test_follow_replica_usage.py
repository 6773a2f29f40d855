"""What a host tells of its replicas' use, from its live window."""

from __future__ import annotations

from agent.collect.live_window import LiveWindow, Metric, SeriesKey
from agent.follow.replica_usage import ReplicaUsages
from cluster.model.autoscaling import ReplicaUsage
from cluster.model.ids import ServiceId
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from tests.support.fake_clock import FakeClock
from tests.support.host_kit import HERE, WEB, HostState
from tests.support.state_builders import START_MS

BASE_MS = START_MS // 10_000 * 10_000


class Using:
    """A host with one replica in container c0, and its window of ten seconds a slot."""

    def __init__(self) -> None:
        self.clock = FakeClock(now_ms=BASE_MS + 45_000)
        self.state = HostState()
        self.window = LiveWindow(slot_s=10, n_slots=60)
        self.state.deploy()
        self.state.order(DesiredState.SERVING)
        self.state.observe(Observation(phase=ReplicaPhase.HEALTHY, container_id="c0"))

    def sample(self, slot: int, cpu: float | None, memory: float | None = None) -> None:
        samples = {
            SeriesKey("c0", metric): value
            for metric, value in ((Metric.CPU_PERCENT, cpu), (Metric.MEMORY_BYTES, memory))
            if value is not None
        }
        self.window.put(BASE_MS + slot * 10_000, samples)

    def read(self, *services: str) -> tuple[ReplicaUsage, ...]:
        usages = ReplicaUsages(node_id=HERE, state=self.state, window=self.window, clock=self.clock)
        return usages.read([ServiceId(each) for each in services or (WEB,)])


def test_it_is_the_mean_of_the_last_half_minute() -> None:
    it = Using()
    for slot, cpu in enumerate([90, 90, 10, 20, 30]):
        it.sample(slot, cpu, 1000 * cpu)
    assert it.read() == (
        ReplicaUsage(
            service_id=it.state.assignment().service_id,
            revision=1,
            ordinal=0,
            cpu_centipercent=2000,
            memory_bytes=20_000,
        ),
    )


def test_what_was_measured_long_ago_is_not_told() -> None:
    it = Using()
    it.sample(2, 40, 500)
    it.window.put(BASE_MS + 40_000, {SeriesKey("host", Metric.CPU_PERCENT): 1.0})
    assert len(it.read()) == 1
    it.clock.set_now_ms(BASE_MS + 61_000)
    assert it.read() == ()


def test_what_was_not_measured_is_not_known() -> None:
    it = Using()
    it.sample(4, None, 500)
    [usage] = it.read()
    assert (usage.cpu_centipercent, usage.memory_bytes) == (None, 500)


def test_a_replica_without_a_sample_is_left_out() -> None:
    it = Using()
    assert it.read() == ()
    for slot in range(5):
        it.window.put(BASE_MS + slot * 10_000, {SeriesKey("host", Metric.CPU_PERCENT): 1.0})
    assert it.read() == ()


def test_only_the_services_that_are_asked_for_are_told() -> None:
    it = Using()
    it.sample(4, 50, 500)
    assert it.read("shop.other") == ()
    assert len(it.read("shop.other", WEB)) == 1
