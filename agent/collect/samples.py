"""What is measured at one moment, as subscribers get it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.ports import (
    ContainerState,
    ContainerUsage,
    DiskUsage,
    Health,
    HostReading,
    SensorReading,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSample:
    """One running container at one moment: its figures, and the rates since the sample before.

    `cpu_percent` is of one processor: two busy ones are 200. Rates are None for the first sample
    and after a counter went back, which starts a new baseline; so is what cannot be.
    """

    usage: ContainerUsage
    cpu_percent: float | None = None
    throttled_percent: float | None = None
    rx_bytes_per_s: float | None = None
    tx_bytes_per_s: float | None = None
    read_bytes_per_s: float | None = None
    write_bytes_per_s: float | None = None
    pressure_cpu_percent: float | None = None
    pressure_memory_percent: float | None = None
    pressure_io_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSample:
    """The host at one moment. Processor shares are of all processors together: 0 to 100."""

    reading: HostReading
    cpu_percent: float | None = None
    memory_used_bytes: int | None = None
    rx_bytes_per_s: float | None = None
    tx_bytes_per_s: float | None = None
    cpu_user_percent: float | None = None
    cpu_system_percent: float | None = None
    cpu_iowait_percent: float | None = None
    cpu_steal_percent: float | None = None
    swap_used_bytes: int | None = None
    read_bytes_per_s: float | None = None
    write_bytes_per_s: float | None = None
    pressure_cpu_percent: float | None = None
    pressure_memory_percent: float | None = None
    pressure_io_percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSample:
    """A file system at one moment, and what its device did since the sample before."""

    usage: DiskUsage
    read_bytes_per_s: float | None = None
    write_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStanding:
    """A container that exists, running or not, or that came and went since the moment before.

    The totals are since this agent first saw it and never fall; `restarts` and `oom_kills` are what was added
    since the base moment before.
    """

    id: str
    name: str
    image: str
    labels: Mapping[str, str]
    state: ContainerState
    health: Health
    restarts: int = 0
    oom_kills: int = 0
    restarts_total: int = 0
    oom_kills_total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSample:
    """What came to one revision through this host's router since the base moment before.

    Latencies are None without requests. The totals are the router's own, `latencies_total` by
    `cluster.model.traffic.latency_bucket`.
    """

    service: str
    revision: int
    requests: int
    errors: int
    lost: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    requests_total: int
    errors_total: int
    lost_total: int
    latencies_total: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReading:
    """What the agent knows of itself, as its parts tell. None = not known.

    `loop_lag_ms` is the worst since it was asked before. `commit_index` grows; so does `cpu_s`, this
    process's processor time. `queues` is what waits, by the name of what it waits for.
    """

    cpu_s: float | None = None
    memory_bytes: int | None = None
    loop_lag_ms: float | None = None
    raft_term: int | None = None
    commit_index: int | None = None
    applied_index: int | None = None
    is_leader: bool | None = None
    has_leader: bool | None = None
    queues: Mapping[str, int] = field(default_factory=dict)
    state_bytes: int | None = None
    log_bytes: int | None = None
    history_bytes: int | None = None

    @property
    def apply_lag_entries(self) -> int | None:
        """Committed entries that are not applied here yet."""
        if self.commit_index is None or self.applied_index is None:
            return None
        return max(0, self.commit_index - self.applied_index)

    @property
    def queue_depth(self) -> int | None:
        """What waits altogether."""
        return sum(self.queues.values()) if self.queues else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSample:
    """The agent at one moment: `raft_entries` and `samples_late` since the base moment before."""

    reading: AgentReading
    cpu_percent: float | None = None
    raft_entries: int | None = None
    samples_late: int = 0
    samples_late_total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """All samples of one moment, with rates over about the `interval_s` before it.

    `is_base`: on the base grid, to be kept; otherwise on the finer one, only to be shown. A moment
    on both grids while somebody watches makes one batch of each kind. Only a base batch has more than
    `host` and `containers`. `is_late`: too late to be kept (the clock was set, the host slept); it is shown
    all the same. `notes` say what this host does not measure, and why.
    """

    at_ms: int
    interval_s: int
    is_base: bool
    host: HostSample
    containers: Mapping[str, ContainerSample]
    standings: tuple[ContainerStanding, ...] = ()
    disks: tuple[DiskSample, ...] = ()
    sensors: tuple[SensorReading, ...] = ()
    routes: tuple[RouteSample, ...] = ()
    agent: AgentSample = field(default_factory=lambda: AgentSample(reading=AgentReading()))
    is_late: bool = False
    notes: tuple[str, ...] = ()
