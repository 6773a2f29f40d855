"""The newest samples of this host as families for Prometheus.

Counters are exposed as they were read, not as rates: whoever scrapes takes the rates over times of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.clock import Clock
from agent.collect.recording import container_subject
from agent.collect.samples import AgentSample, ContainerStanding, DiskSample, RouteSample, SampleBatch
from agent.ports import Health, HostReading, Pressure, SensorReading
from cluster.model.exposition import Distribution, Family, FamilyType, Point
from cluster.model.ids import NodeId
from cluster.model.traffic import BUCKETS_PER_OCTAVE, latency_bound_ms

CONTAINERS_MAX = 1000
"""Every container is some twenty series: of too many, those that do not run are left out first."""
STALE_S = 90.0
"""Samples older than this are not shown: a frozen value looks like a steady one."""
_TICKS_PER_S = 100
"""The kernel's USER_HZ, on every architecture that Docker runs on."""
_BOUNDS = tuple(range(2 * BUCKETS_PER_OCTAVE, 17 * BUCKETS_PER_OCTAVE, BUCKETS_PER_OCTAVE))
"""Of the router's 176 buckets those that are exposed: 1 ms to 16 s, each twice the one before."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedNode:
    """Which host this is."""

    node_id: NodeId
    name: str
    version: str


class LatestSamples:
    """Holds the newest base batch, and turns it into families when asked."""

    def __init__(self, *, node: Callable[[], ExposedNode], clock: Clock) -> None:
        self._node = node
        self._clock = clock
        self._latest: tuple[SampleBatch, float] | None = None

    def take(self, batch: SampleBatch) -> None:
        """Take a batch of the collector in."""
        if batch.is_base and not batch.is_late:
            self._latest = (batch, self._clock.monotonic_s())

    def families(self) -> tuple[Family, ...]:
        """Return everything that is known; from any thread."""
        node = self._node()
        found = [
            _family(
                FamilyType.INFO,
                "tower_node",
                "Which host this is, and which agent runs on it",
                [Point((("node", node.name), ("node_id", node.node_id), ("version", node.version)), 1)],
            )
        ]
        latest = self._latest
        if latest is not None:
            batch, at_s = latest
            age_s = self._clock.monotonic_s() - at_s
            age = "How old the figures of this host and its containers are; they are left out when too old"
            found.append(_single("tower_sample_age_seconds", age, age_s))
            if age_s <= STALE_S:
                found += families_of(batch)
        return tuple(family for family in found if family.points)


def families_of(batch: SampleBatch) -> list[Family]:
    """Return what a base batch says of the agent, the host, its routes and its containers."""
    running_first = sorted(batch.standings, key=lambda each: each.id not in batch.containers)
    by_name: dict[str, ContainerStanding] = {}
    for standing in running_first[:CONTAINERS_MAX]:
        by_name.setdefault(standing.name, standing)
    return [
        *_agent_families(batch.agent),
        *_host_families(batch.host.reading, at_s=batch.at_ms / 1000),
        *_disk_families(batch.disks),
        *_sensor_families(batch.sensors),
        *_route_families(batch.routes),
        *_container_families(batch, list(by_name.values())),
        _single(
            "tower_containers_left_out",
            f"Containers that are not shown here because there are more than {CONTAINERS_MAX}",
            len(batch.standings) - len(by_name),
        ),
    ]


# ---- the agent --------------------------------------------------------------------------------


def _agent_families(agent: AgentSample) -> list[Family]:
    own = agent.reading
    queues = [Point((("queue", name),), depth) for name, depth in sorted(own.queues.items())]
    lag_s = None if own.loop_lag_ms is None else own.loop_lag_ms / 1000
    return [
        _counter("tower_agent_cpu_seconds", "Processor time of the agent", own.cpu_s),
        _single("tower_agent_memory_bytes", "Memory of the agent that nothing else shares", own.memory_bytes),
        _single(
            "tower_agent_loop_lag_seconds", "How late the agent's event loop was at worst in a sample", lag_s
        ),
        _family(
            FamilyType.GAUGE,
            "tower_agent_queue_depth",
            "What waits in the agent: proposals in flight, minutes of samples not committed yet",
            queues,
        ),
        _counter(
            "tower_agent_samples_late", "Samples that came too late to be kept", agent.samples_late_total
        ),
        _single("tower_raft_term", "The leader's time in office, as this host knows it", own.raft_term),
        _single("tower_raft_commit_index", "The newest entry known to be committed", own.commit_index),
        _single("tower_raft_applied_index", "The newest entry applied on this host", own.applied_index),
        _single("tower_raft_is_leader", "Whether this host leads", _flag(own.is_leader)),
        _single("tower_raft_has_leader", "Whether this host knows who leads", _flag(own.has_leader)),
        _single("tower_raft_log_bytes", "The Raft log on disk", own.log_bytes),
        _single("tower_state_bytes", "The replicated state on disk", own.state_bytes),
        _single("tower_history_bytes", "The metric history on disk", own.history_bytes),
    ]


# ---- the host ---------------------------------------------------------------------------------


def _host_families(host: HostReading, *, at_s: float) -> list[Family]:
    modes = {
        "user": host.cpu_user_ticks,
        "system": host.cpu_system_ticks,
        "iowait": host.cpu_iowait_ticks,
        "steal": host.cpu_steal_ticks,
        "idle": _minus(host.cpu_total_ticks, host.cpu_busy_ticks, host.cpu_iowait_ticks),
    }
    booted_s = None if host.uptime_s is None else round(at_s - host.uptime_s, 3)
    return [
        _family(
            FamilyType.COUNTER,
            "tower_host_cpu_seconds",
            "Processor time by mode, of all processors together",
            _points("mode", {mode: _over(ticks, _TICKS_PER_S) for mode, ticks in modes.items()}),
        ),
        _single("tower_host_processors", "Processors on line", host.cpu_count),
        _single("tower_host_load1", "Load average of one minute", host.load_1),
        _single("tower_host_load5", "Load average of five minutes", host.load_5),
        _single("tower_host_load15", "Load average of fifteen minutes", host.load_15),
        _single("tower_host_memory_size_bytes", "Memory there is", host.memory_total_bytes),
        _single(
            "tower_host_memory_available_bytes",
            "Memory that programs could get without swapping",
            host.memory_available_bytes,
        ),
        _single("tower_host_swap_size_bytes", "Swap space there is", host.swap_total_bytes),
        _single("tower_host_swap_free_bytes", "Swap space not in use", host.swap_free_bytes),
        _counter("tower_host_network_receive_bytes", "Received through physical interfaces", host.rx_bytes),
        _counter("tower_host_network_transmit_bytes", "Sent through physical interfaces", host.tx_bytes),
        _counter("tower_host_disk_read_bytes", "Read from whole disks", host.disk_read_bytes),
        _counter("tower_host_disk_written_bytes", "Written to whole disks", host.disk_write_bytes),
        _pressure("tower_host_pressure_waiting_seconds", [((), host.pressure)]),
        _single("tower_host_boot_time_seconds", "When the host started, since 1970", booted_s),
    ]


def _disk_families(disks: Sequence[DiskSample]) -> list[Family]:
    def points(value: Callable[[DiskSample], float | None]) -> list[Point]:
        return [
            Point((("mountpoint", disk.usage.path), ("fstype", disk.usage.kind)), found)
            for disk in disks
            if (found := value(disk)) is not None
        ]

    def inodes(count: int, disk: DiskSample) -> int | None:
        return count if disk.usage.inodes_max else None

    gauge, counter = FamilyType.GAUGE, FamilyType.COUNTER
    return [
        _family(
            gauge,
            "tower_filesystem_size_bytes",
            "Space on a file system, with what only root may use",
            points(lambda disk: disk.usage.total_bytes),
        ),
        _family(
            gauge,
            "tower_filesystem_used_bytes",
            "Space in use on a file system",
            points(lambda disk: disk.usage.used_bytes),
        ),
        _family(
            gauge,
            "tower_filesystem_available_bytes",
            "Space that ordinary users may still write",
            points(lambda disk: disk.usage.available_bytes),
        ),
        _family(
            gauge,
            "tower_filesystem_inodes",
            "How many files and directories there can be",
            points(lambda disk: inodes(disk.usage.inodes_max, disk)),
        ),
        _family(
            gauge,
            "tower_filesystem_inodes_used",
            "Files and directories on a file system",
            points(lambda disk: inodes(disk.usage.inodes_used, disk)),
        ),
        _family(
            counter,
            "tower_filesystem_read_bytes",
            "Read from the device of a file system",
            points(lambda disk: disk.usage.read_bytes),
        ),
        _family(
            counter,
            "tower_filesystem_written_bytes",
            "Written to the device of a file system",
            points(lambda disk: disk.usage.write_bytes),
        ),
    ]


def _sensor_families(sensors: Sequence[SensorReading]) -> list[Family]:
    points = [Point((("sensor", sensor.name),), sensor.celsius) for sensor in sensors]
    return [
        _family(
            FamilyType.GAUGE, "tower_host_temperature_celsius", "What sensors of the hardware show", points
        )
    ]


# ---- routes -----------------------------------------------------------------------------------


def _route_families(routes: Sequence[RouteSample]) -> list[Family]:
    labels = [(("service", route.service), ("revision", str(route.revision))) for route in routes]

    def counts(name: str, help: str, value: Callable[[RouteSample], int]) -> Family:
        points = [Point(of, value(route)) for of, route in zip(labels, routes, strict=True)]
        return _family(FamilyType.COUNTER, name, help, points)

    return [
        counts(
            "tower_route_requests",
            "Requests a revision was sent by this host's router",
            lambda route: route.requests_total,
        ),
        counts(
            "tower_route_errors",
            "Of them, what a client would call failed: 5xx answers, refused, lost",
            lambda route: route.errors_total,
        ),
        counts(
            "tower_route_lost", "Of them, those that got no answer at all", lambda route: route.lost_total
        ),
        _family(
            FamilyType.HISTOGRAM,
            "tower_route_latency_seconds",
            "Time to the first byte of the answer, of a sample where there are many requests; the sum is"
            " exact to 5 %",
            [
                Point(of, _distribution(route.latencies_total))
                for of, route in zip(labels, routes, strict=True)
            ],
        ),
    ]


def _distribution(latencies: Mapping[int, int]) -> Distribution:
    count = sum(latencies.values())
    middle = 2.0 ** (-0.5 / BUCKETS_PER_OCTAVE)
    buckets = []
    below = 0
    ascending = iter(sorted(latencies.items()))
    pending = next(ascending, None)
    for bound in _BOUNDS:
        while pending is not None and pending[0] <= bound:
            below += pending[1]
            pending = next(ascending, None)
        buckets.append((latency_bound_ms(bound) / 1000, below))
    total_ms = sum(latency_bound_ms(bucket) * middle * number for bucket, number in latencies.items())
    return Distribution(buckets=tuple(buckets), count=count, total=total_ms / 1000)


# ---- containers -------------------------------------------------------------------------------


def _container_families(batch: SampleBatch, standings: Sequence[ContainerStanding]) -> list[Family]:
    facts = [dict(container_subject(each, NodeId("n")).labels) for each in standings]
    labels: list[Labels] = [
        (
            ("container", each.name),
            ("service", found.get("service", "")),
            ("project", found.get("project", "")),
        )
        for each, found in zip(standings, facts, strict=True)
    ]
    usages = [
        (of, batch.containers[each.id].usage)
        for of, each in zip(labels, standings, strict=True)
        if each.id in batch.containers
    ]

    def stands(value: Callable[[ContainerStanding], float | None]) -> list[Point]:
        return [
            Point(of, found)
            for of, each in zip(labels, standings, strict=True)
            if (found := value(each)) is not None
        ]

    def uses(field: str, per: float = 1) -> list[Point]:
        return [
            Point(of, found)
            for of, usage in usages
            if (found := _over(getattr(usage, field), per)) is not None
        ]

    gauge, counter = FamilyType.GAUGE, FamilyType.COUNTER
    return [
        _family(
            FamilyType.INFO,
            "tower_container",
            "What a container is; join by its name",
            [
                Point((*of, *_more_facts(each, found)), 1)
                for of, each, found in zip(labels, standings, facts, strict=True)
            ],
        ),
        _family(
            gauge,
            "tower_container_running",
            "Whether a container has processes",
            stands(lambda each: int(each.state.has_processes)),
        ),
        _family(
            gauge,
            "tower_container_healthy",
            "Whether a container's check succeeds; containers without one are left out",
            stands(lambda each: None if each.health is Health.NONE else int(each.health is Health.HEALTHY)),
        ),
        _family(
            counter,
            "tower_container_restarts",
            "Starts after the first, since the agent started",
            stands(lambda each: each.restarts_total),
        ),
        _family(
            counter,
            "tower_container_oom_kills",
            "Processes killed for the container's memory, since the agent started",
            stands(lambda each: each.oom_kills_total),
        ),
        _family(counter, "tower_container_cpu_seconds", "Processor time", uses("cpu_ns", 1e9)),
        _family(
            counter,
            "tower_container_cpu_throttled_seconds",
            "Time in which the container's limit kept it from a processor, added up over processors",
            uses("throttled_ns", 1e9),
        ),
        _family(
            gauge,
            "tower_container_memory_working_set_bytes",
            "Memory that cannot be reclaimed: usage without inactive file cache",
            uses("memory_bytes"),
        ),
        _family(
            gauge,
            "tower_container_memory_limit_bytes",
            "Memory it may use; containers without a limit are left out",
            uses("memory_limit_bytes"),
        ),
        _family(
            counter,
            "tower_container_network_receive_bytes",
            "Received; what shares another's network is left out",
            uses("rx_bytes"),
        ),
        _family(
            counter,
            "tower_container_network_transmit_bytes",
            "Sent; what shares another's network is left out",
            uses("tx_bytes"),
        ),
        _family(counter, "tower_container_disk_read_bytes", "Read from disks", uses("read_bytes")),
        _family(counter, "tower_container_disk_written_bytes", "Written to disks", uses("write_bytes")),
        _family(gauge, "tower_container_processes", "Tasks", uses("pids")),
        _pressure("tower_container_pressure_waiting_seconds", [(of, usage.pressure) for of, usage in usages]),
    ]


def _more_facts(standing: ContainerStanding, facts: Mapping[str, str]) -> Labels:
    more = tuple((key, facts.get(key, "")) for key in ("environment", "image", "replica", "revision"))
    return (("id", standing.id[:12]), *more)


# ---- families ---------------------------------------------------------------------------------


def _family(kind: FamilyType, name: str, help: str, points: Iterable[Point]) -> Family:
    unit = name.rpartition("_")[2]
    return Family(
        name=name,
        type=kind,
        help=help,
        unit=unit if unit in ("seconds", "bytes", "celsius") else "",
        points=tuple(points),
    )


def _single(name: str, help: str, value: float | None) -> Family:
    return _family(FamilyType.GAUGE, name, help, [] if value is None else [Point((), value)])


def _counter(name: str, help: str, value: float | None) -> Family:
    return _family(FamilyType.COUNTER, name, help, [] if value is None else [Point((), value)])


def _pressure(name: str, pressures: Iterable[tuple[Labels, Pressure]]) -> Family:
    points = [
        Point((*labels, *point.labels), point.value)
        for labels, pressure in pressures
        for point in _points(
            "resource",
            {
                "cpu": _over(pressure.cpu_us, 1e6),
                "memory": _over(pressure.memory_us, 1e6),
                "io": _over(pressure.io_us, 1e6),
            },
        )
    ]
    return _family(
        FamilyType.COUNTER, name, "Time in which some task waited for a resource (PSI some)", points
    )


def _points(label: str, values: Mapping[str, float | None]) -> list[Point]:
    return [Point(((label, key),), value) for key, value in values.items() if value is not None]


def _over(value: int | None, per: float) -> float | None:
    return None if value is None else value if per == 1 else value / per


def _minus(total: int | None, *parts: int | None) -> int | None:
    if total is None or None in parts:
        return None
    return max(0, total - sum(part for part in parts if part is not None))


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)
