"""What the judge of a rollout remembers and shows. It is in the log, so a new leader judges on, not anew."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import NodeId
from cluster.model.metric_limits import LimitEvidence, LimitState

SEEN_MAX = 256
"""Runs of agents whose intervals are told apart."""
STRATA_MAX = 128
"""Hosts whose routers are judged each by itself."""
BLOCKS_MAX = 16
RATIOS_MAX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenInterval:
    """Which intervals of one run of a host's agent were taken in.

    `sequence` is the newest one, bit i of `window` says whether `sequence - i` was.
    """

    node_id: NodeId
    epoch: str
    sequence: int
    window: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """One revision's requests and failures; of the `timed` ones those that were `slow`."""

    requests: int = 0
    failures: int = 0
    timed: int = 0
    slow: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTotals:
    """One revision's requests so far; `latencies` are (bucket, count) as in `ArmTraffic`.

    `failures` include `lost` ones and those retried elsewhere. `slow` are those of the `timed` above the
    old revision's 95th percentile.
    """

    requests: int = 0
    failures: int = 0
    lost: int = 0
    retried: int = 0
    slow: int = 0
    timed: int = 0
    latencies: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Both revisions' requests through one host's router in the present step.

    `old_failed_run` and `new_failed_run` are requests in a row, as far as intervals tell, that all failed;
    `new_failed_intervals` is of how many intervals.
    """

    node_id: NodeId
    old: ArmCounts = field(default_factory=ArmCounts)
    new: ArmCounts = field(default_factory=ArmCounts)
    old_failed_run: int = 0
    new_failed_run: int = 0
    new_failed_intervals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Both revisions' requests through all routers in the `index`th stretch of the leader's time."""

    index: int
    old: ArmCounts = field(default_factory=ArmCounts)
    new: ArmCounts = field(default_factory=ArmCounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """Sums over blocks that can change no more, of one kind of event of one revision.

    `pair_square_milli` are squared deviations between neighbouring blocks in thousandths, of `pair_events`.
    The rest are the sums of the blocks' events and totals, of their squares and of their products.
    """

    pair_square_milli: int = 0
    pair_events: int = 0
    events: int = 0
    totals: int = 0
    events_squared: int = 0
    totals_squared: int = 0
    products: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftLook:
    """The one comparison of a step's latencies, of all requests and not only the slow ones.

    `slower_probability`: that a request of the new revision takes longer than one of the old. `p_value`: of
    that by chance. `median_ratio` is the new revision's median over the old one's.
    """

    slower_probability: float
    p_value: float
    median_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeState:
    """All the judge knows of one rollout.

    `old` and `new` are the totals of the steps before the present one, `step_old` and `step_new` those of the
    present one; `strata` are the present step's by host, `blocks` the latest by time. The `log_e` fields are
    the evidence of the steps before, one number per rate ratio, in millionths of a nat: whole numbers add up
    to the same whatever the order. `slow_bucket` is the last latency bucket that is not slow; -1 while that
    is not known. `heard_at_ms` is when a host last reported anything new. An interval counts when it began at
    or after `step_began_at_ms`. The step's latencies are compared once, at `compared_at_ms` or when there are
    enough; `shift` is what came out. `limits` is how replicas stand by the user's limits on metrics.
    """

    seen: tuple[SeenInterval, ...] = ()
    old: ArmTotals = field(default_factory=ArmTotals)
    new: ArmTotals = field(default_factory=ArmTotals)
    step_old: ArmTotals = field(default_factory=ArmTotals)
    step_new: ArmTotals = field(default_factory=ArmTotals)
    heard_at_ms: int = 0
    step_began_at_ms: int = 0
    compared_at_ms: int = 0
    slow_bucket: int = -1
    strata: tuple[Stratum, ...] = ()
    blocks: tuple[Block, ...] = ()
    failure_log_e: tuple[int, ...] = ()
    slow_log_e: tuple[int, ...] = ()
    old_failure_dispersion: Dispersion = field(default_factory=Dispersion)
    new_failure_dispersion: Dispersion = field(default_factory=Dispersion)
    old_slow_dispersion: Dispersion = field(default_factory=Dispersion)
    new_slow_dispersion: Dispersion = field(default_factory=Dispersion)
    shift: ShiftLook | None = None
    limits: LimitState = field(default_factory=LimitState)

    def __post_init__(self) -> None:
        rules.check_count("judge seen", self.seen, SEEN_MAX)
        rules.check_count("judge strata", self.strata, STRATA_MAX)
        rules.check_count("judge blocks", self.blocks, BLOCKS_MAX)
        rules.check_count("judge failure_log_e", self.failure_log_e, RATIOS_MAX)
        rules.check_count("judge slow_log_e", self.slow_log_e, RATIOS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`count` of `total`, from 0 to 1, with its 95 % confidence interval (Wilson)."""

    count: int
    total: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmEvidence:
    """One revision since judging began. Latencies in milliseconds, None where no request was timed."""

    failures: Rate
    slow: Rate
    lost: int
    retried: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on, for people and for the rollout's record.

    `old` and `new` are since judging began. `difference` is the new failure rate less the old one in the
    present step, `difference_low` and `difference_high` its 95 % confidence interval (Newcombe). An e value
    is how many times better the data fit a new revision that is worse than one that is not; from its `needed`
    on, it is. `dispersion` 1: events come singly; 5: as if in bunches of five. `slow_above_ms`: a request
    above it is slow; None while that is not known. `slower_probability`: that a request of the new revision
    takes longer than one of the old, in this step. `limits` are the user's on metrics, in their order.
    """

    old: ArmEvidence
    new: ArmEvidence
    difference: float
    difference_low: float
    difference_high: float
    failure_e: float
    failure_e_needed: float
    failure_dispersion: float
    slow_e: float
    slow_e_needed: float
    slow_dispersion: float
    slow_above_ms: float | None = None
    slower_probability: float | None = None
    limits: tuple[LimitEvidence, ...] = ()
