"""What is measured, of what: the catalogue of metrics and the subjects that have them.

Every sample is an integer: a metric's `scale` says how many of them make one of its unit. Rates and shares
are measured where the counters are read, so that a counter that begins anew is dealt with once, and one value
takes half the bytes of a growing counter. What counts events (`MetricType.COUNT`) is the number since the
sample before: it adds up over time, where a gauge is averaged.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from cluster.model import rules
from cluster.model.ids import NodeId

LABELS_MAX = 16
KEY_BYTES_MAX = 256
SUBJECTS_MAX = 4096
"""How many subjects one host's batch may speak of."""
TICKS_MAX = 360
"""How many moments one batch may hold."""
PAYLOAD_BYTES_MAX = 160 * 1024
"""A batch is one command, which may have 256 KiB: the rest is for what it defines."""
IMPORT_PREFIX = "import."
STEP_MS = 10_000
"""The grid of the record: every sample lies on a multiple of it."""


class SubjectKind(IntEnum):
    """What kind of thing a series is of. Retention is set for each."""

    HOST = 1
    CONTAINER = 2
    DISK = 3
    SENSOR = 4
    ROUTE = 5
    AGENT = 6
    EXTERNAL = 7

    @property
    def word(self) -> str:
        return self.name.lower()


class MetricType(StrEnum):
    """GAUGE: a level or rate at its moment; COUNT: events since the moment before; STATE: one of a few."""

    GAUGE = "gauge"
    COUNT = "count"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that is measured. Numbers and names are in stored history: append only.

    A stored value is `round(value x scale)`; `unit` is of the value: percent, bytes, bytes/s, ms, celsius,
    count, or "" for a plain number. `is_more_worse` is None where neither more nor less is a bad sign.
    """

    number: int
    name: str
    unit: str
    kinds: tuple[SubjectKind, ...]
    help: str
    scale: int = 1
    type: MetricType = MetricType.GAUGE
    is_more_worse: bool | None = None


_H, _C, _D, _S, _R, _A, _X = tuple(SubjectKind)

METRICS: tuple[Metric, ...] = (
    Metric(
        number=1,
        name="cpu_percent",
        unit="percent",
        kinds=(_H, _C, _A),
        scale=100,
        is_more_worse=True,
        help="Processor time: of one processor (two busy ones are 200) for a container, of all for a host",
    ),
    Metric(
        number=2,
        name="throttled_percent",
        unit="percent",
        kinds=(_C,),
        scale=100,
        is_more_worse=True,
        help="Share of time in which the container wanted a processor and its limit kept it waiting",
    ),
    Metric(
        number=3,
        name="memory_bytes",
        unit="bytes",
        kinds=(_H, _C, _A),
        is_more_worse=True,
        help="Memory in use that cannot be reclaimed: usage without inactive file cache",
    ),
    Metric(number=4, name="memory_limit_bytes", unit="bytes", kinds=(_H, _C), help="Memory that may be used"),
    Metric(number=5, name="rx_bytes_per_s", unit="bytes/s", kinds=(_H, _C), help="Received from the network"),
    Metric(number=6, name="tx_bytes_per_s", unit="bytes/s", kinds=(_H, _C), help="Sent to the network"),
    Metric(number=7, name="read_bytes_per_s", unit="bytes/s", kinds=(_H, _C, _D), help="Read from disks"),
    Metric(number=8, name="write_bytes_per_s", unit="bytes/s", kinds=(_H, _C, _D), help="Written to disks"),
    Metric(number=9, name="pids", unit="count", kinds=(_C,), is_more_worse=True, help="Tasks"),
    Metric(
        number=10,
        name="oom_kills",
        unit="count",
        kinds=(_C,),
        type=MetricType.COUNT,
        is_more_worse=True,
        help="Processes the kernel killed because the container's memory was used up",
    ),
    Metric(
        number=11,
        name="restarts",
        unit="count",
        kinds=(_C,),
        type=MetricType.COUNT,
        is_more_worse=True,
        help="Starts after the first",
    ),
    Metric(
        number=12,
        name="state",
        unit="",
        kinds=(_C,),
        type=MetricType.STATE,
        help="0 not running, 1 running, 2 paused, 3 restarting",
    ),
    Metric(
        number=13,
        name="health",
        unit="",
        kinds=(_C,),
        type=MetricType.STATE,
        help="What the container's check says: 0 none, 1 starting, 2 healthy, 3 unhealthy",
    ),
    Metric(number=20, name="cpu_user_percent", unit="percent", kinds=(_H,), scale=100, help="In programs"),
    Metric(
        number=21, name="cpu_system_percent", unit="percent", kinds=(_H,), scale=100, help="In the kernel"
    ),
    Metric(
        number=22,
        name="cpu_iowait_percent",
        unit="percent",
        kinds=(_H,),
        scale=100,
        is_more_worse=True,
        help="Idle with a disk request outstanding",
    ),
    Metric(
        number=23,
        name="cpu_steal_percent",
        unit="percent",
        kinds=(_H,),
        scale=100,
        is_more_worse=True,
        help="Taken by other virtual machines of the same hardware",
    ),
    Metric(number=24, name="load_1", unit="", kinds=(_H,), scale=100, help="Load average of one minute"),
    Metric(number=25, name="load_5", unit="", kinds=(_H,), scale=100, help="Load average of five minutes"),
    Metric(
        number=26,
        name="swap_bytes",
        unit="bytes",
        kinds=(_H,),
        is_more_worse=True,
        help="Swap space in use",
    ),
    Metric(
        number=30,
        name="pressure_cpu_percent",
        unit="percent",
        kinds=(_H, _C),
        scale=100,
        is_more_worse=True,
        help="Share of time in which some task waited for a processor (PSI some)",
    ),
    Metric(
        number=31,
        name="pressure_memory_percent",
        unit="percent",
        kinds=(_H, _C),
        scale=100,
        is_more_worse=True,
        help="Share of time in which some task waited for memory (PSI some)",
    ),
    Metric(
        number=32,
        name="pressure_io_percent",
        unit="percent",
        kinds=(_H, _C),
        scale=100,
        is_more_worse=True,
        help="Share of time in which some task waited for a disk (PSI some)",
    ),
    Metric(
        number=40,
        name="disk_used_bytes",
        unit="bytes",
        kinds=(_D,),
        is_more_worse=True,
        help="Space in use on a file system",
    ),
    Metric(
        number=41,
        name="disk_size_bytes",
        unit="bytes",
        kinds=(_D,),
        help="Space ordinary users could use at all: used and available",
    ),
    Metric(
        number=42,
        name="inodes_used",
        unit="count",
        kinds=(_D,),
        is_more_worse=True,
        help="Files and directories on a file system",
    ),
    Metric(number=43, name="inodes_max", unit="count", kinds=(_D,), help="How many there can be"),
    Metric(
        number=50,
        name="temperature_celsius",
        unit="celsius",
        kinds=(_S,),
        scale=10,
        is_more_worse=True,
        help="What a sensor of the hardware says",
    ),
    Metric(
        number=60,
        name="requests",
        unit="count",
        kinds=(_R,),
        type=MetricType.COUNT,
        help="Requests answered by a revision through this host's router",
    ),
    Metric(
        number=61,
        name="errors",
        unit="count",
        kinds=(_R,),
        type=MetricType.COUNT,
        is_more_worse=True,
        help="Of them, what a client would call failed: 5xx answers, refused, lost",
    ),
    Metric(
        number=62,
        name="lost",
        unit="count",
        kinds=(_R,),
        type=MetricType.COUNT,
        is_more_worse=True,
        help="Of them, those that got no answer at all",
    ),
    Metric(
        number=63,
        name="latency_p50_ms",
        unit="ms",
        kinds=(_R,),
        scale=100,
        is_more_worse=True,
        help="Half of the requests were answered within",
    ),
    Metric(
        number=64,
        name="latency_p95_ms",
        unit="ms",
        kinds=(_R,),
        scale=100,
        is_more_worse=True,
        help="95 of 100 requests were answered within",
    ),
    Metric(
        number=65,
        name="latency_p99_ms",
        unit="ms",
        kinds=(_R,),
        scale=100,
        is_more_worse=True,
        help="99 of 100 requests were answered within",
    ),
    Metric(
        number=80,
        name="loop_lag_ms",
        unit="ms",
        kinds=(_A,),
        scale=100,
        is_more_worse=True,
        help="How late the agent's event loop was at worst",
    ),
    Metric(
        number=81,
        name="apply_lag_entries",
        unit="count",
        kinds=(_A,),
        is_more_worse=True,
        help="Committed entries this host has not applied yet",
    ),
    Metric(number=82, name="raft_term", unit="", kinds=(_A,), help="The leader's time in office"),
    Metric(
        number=83,
        name="raft_entries",
        unit="count",
        kinds=(_A,),
        type=MetricType.COUNT,
        help="Entries committed",
    ),
    Metric(
        number=84,
        name="queue_depth",
        unit="count",
        kinds=(_A,),
        is_more_worse=True,
        help="What waits in the agent: proposals in flight, messages to browsers, batches not committed yet",
    ),
    Metric(
        number=85,
        name="samples_late",
        unit="count",
        kinds=(_A,),
        type=MetricType.COUNT,
        is_more_worse=True,
        help="Samples that came too late to be kept",
    ),
    Metric(number=86, name="state_bytes", unit="bytes", kinds=(_A,), help="The replicated state on disk"),
    Metric(number=87, name="log_bytes", unit="bytes", kinds=(_A,), help="The Raft log on disk"),
    Metric(number=88, name="history_bytes", unit="bytes", kinds=(_A,), help="The metric history on disk"),
    Metric(number=200, name="value", unit="", kinds=(_X,), scale=1000, help="Imported from elsewhere"),
)

BY_NUMBER: dict[int, Metric] = {metric.number: metric for metric in METRICS}
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
assert len(BY_NUMBER) == len(BY_NAME) == len(METRICS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectDefinition:
    """Something that is measured on a host, as the host knows it.

    `key` tells it apart on its host: the container's id, a file system's mount point, a sensor's name,
    "service@revision" of a route; "" for the host and the agent. `name` is what people call it. Labels are
    sorted pairs: project, service, replica, environment, image.
    """

    kind: SubjectKind
    node_id: NodeId
    key: str = ""
    name: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_text("key", self.key, 256)
        rules.check_text("name", self.name, 256)
        rules.check_pairs("labels", self.labels, LABELS_MAX, 256)

    @property
    def place(self) -> tuple[str, int, str]:
        """What it is found by: (node id, kind, key). A mount point may be longer than a key of the store."""
        key = self.key
        if len(key.encode()) > KEY_BYTES_MAX:
            key = f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
        return self.node_id, int(self.kind), key

    def label(self, key: str) -> str:
        """Return a label's value, "" without it."""
        return dict(self.labels).get(key, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject with the number its series are stored under. Numbers are never used again.

    Subjects outlive what they are of: `seen_ms` is when one was last measured, to within a day, or defined
    anew, by a new name or label.
    """

    number: int
    definition: SubjectDefinition
    created_ms: int
    seen_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectRef:
    """A subject in a batch: by its `number`, or by what it is when that is new or has changed."""

    number: int = 0
    definition: SubjectDefinition | None = None

    def __post_init__(self) -> None:
        if (self.number > 0) == (self.definition is not None):
            raise ValueError("a subject reference has a number or a definition")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedBatch:
    """One host's samples of `ticks` moments from `start_ms`, as the log has them.

    `index` is its log index. The rows of `payload` (`cluster.metrics.block`) speak of subjects by their place
    in `subjects`, which holds subject numbers. `source` is whose order of time the batch keeps: a host's id,
    or "import." and the import's name.
    """

    index: int
    source: str
    node_id: NodeId
    start_ms: int
    step_ms: int
    ticks: int
    subjects: tuple[int, ...]
    payload: bytes
    committed_ms: int = 0
    """The time of the log when it was committed."""

    @property
    def end_ms(self) -> int:
        """The moment after the last one."""
        return self.start_ms + self.ticks * self.step_ms

    @property
    def ring_bytes(self) -> int:
        """What it takes in the ring of batches, about."""
        return len(self.payload) + 8 * len(self.subjects) + 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMark:
    """How far a source's samples are recorded: nothing before `end_ms` is taken from it any more."""

    source: str
    end_ms: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricBooks:
    """The sums over subjects and batches: no number is given twice, and nothing is counted by reading all.

    `looked_at` is the last subject that was looked at for being gone; `ring_bytes` is the size of the batches
    that are still in the state. `passed_index` is the last of those that are not any more.
    """

    last_number: int = 0
    subjects: int = 0
    looked_at: int = 0
    ring_bytes: int = 0
    passed_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedHour:
    """Of what times batches are that were committed within one hour of the log: of [start_ms, end_ms).

    Their log indexes go from `first_index` to `last_index`: a node that missed some knows what to ask for.
    """

    hour_ms: int
    first_index: int
    last_index: int
    start_ms: int
    end_ms: int
