"""Questions to the metric history, and their answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cluster.model import rules
from cluster.model.metrics import BY_NAME, STEP_MS, SubjectKind

POINTS_MAX = 5_000
TIME_MAX_MS = 2**53
SERIES_MAX = 500
"""How many series an answer may have; `top` chooses which."""
GROUP_LABELS = ("node", "kind", "subject", "metric", "project", "service", "environment", "image", "replica")


class Statistic(StrEnum):
    """What stands for the samples of one step. SUM is for counts, PER_S for counts as a rate."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    P95 = "p95"
    LAST = "last"
    SUM = "sum"
    COUNT = "count"
    PER_S = "per_s"


class Aggregation(StrEnum):
    """How the series of one group become one, step by step. QUANTILE needs `quantile`."""

    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    QUANTILE = "quantile"


class Resolution(StrEnum):
    """Which of the three records an answer is made of."""

    RAW = "raw"
    HOURLY = "hourly"
    DAILY = "daily"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which series: those that fit every field that is not empty. All pairs of `labels` must be there."""

    metrics: tuple[str, ...] = ()
    kinds: tuple[SubjectKind, ...] = ()
    node_ids: tuple[str, ...] = ()
    subjects: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in BY_NAME]
        if unknown:
            raise ValueError(f"metric {unknown[0]!r}: not known; use one of {', '.join(sorted(BY_NAME))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeQuery:
    """Series over [start_ms, end_ms) in steps. Without `step_ms` the smallest step that gives no more than
    `points_max` points is chosen, from the grid up; a step that is given gives as many points as it gives.
    Without `resolution` it is the finest record that still holds the whole range. Steps lie on multiples of
    their length (of 16 points and more), so that the first may begin before the range.

    `statistic` None takes each metric's own: the mean of a gauge, the rate of a count, the last of a state.
    With `aggregation` the series of equal labels `group_by` become one. `top` keeps the series with the
    largest mean over the range. `with_band` also asks for the smallest and largest value of each step.
    """

    selector: Selector
    start_ms: int
    end_ms: int
    step_ms: int | None = None
    points_max: int = 300
    resolution: Resolution | None = None
    statistic: Statistic | None = None
    aggregation: Aggregation | None = None
    quantile: float | None = None
    group_by: tuple[str, ...] = ()
    top: int | None = None
    with_band: bool = False

    def __post_init__(self) -> None:
        if self.end_ms <= self.start_ms:
            raise ValueError(f"end {self.end_ms}: must be after start {self.start_ms}")
        rules.check_range("points", self.points_max, 1, POINTS_MAX)
        if self.start_ms < 0 or self.end_ms > TIME_MAX_MS:
            raise ValueError(f"range {self.start_ms} to {self.end_ms}: ms since 1970, 0 to {TIME_MAX_MS}")
        if self.step_ms is not None and self.step_ms < STEP_MS:
            raise ValueError(f"step {self.step_ms} ms: at least {STEP_MS}, which is how often is measured")
        if self.top is not None:
            rules.check_range("top", self.top, 1, SERIES_MAX)
        if self.group_by and self.aggregation is None:
            raise ValueError("group by: goes with an aggregation, which says how a group becomes one")
        if (self.quantile is not None) != (self.aggregation is Aggregation.QUANTILE):
            raise ValueError("quantile: goes with the aggregation quantile, and only with it")
        if self.quantile is not None and not 0 <= self.quantile <= 1:
            raise ValueError(f"quantile {self.quantile}: 0 to 1")
        unknown = [label for label in self.group_by if label not in GROUP_LABELS]
        if unknown:
            raise ValueError(f"group by {unknown[0]!r}: not known; use one of {', '.join(GROUP_LABELS)}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResultSeries:
    """One line of an answer, in the metric's unit, NaN where nothing was measured.

    `labels` say what it is of: of one subject all its labels, of a group those that were asked for.
    """

    metric: str
    unit: str
    labels: tuple[tuple[str, str], ...]
    values: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    subject: int | None = None

    def label(self, key: str) -> str:
        return dict(self.labels).get(key, "")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RangeAnswer:
    """Series over the same `times_ms`, the beginnings of steps of `step_ms`.

    `series_left_out` says how many more there were; `notes` are sentences on what the answer cannot show: a
    range longer than what is kept, a damaged chunk.
    """

    times_ms: NDArray[np.int64]
    step_ms: int
    resolution: Resolution
    series: tuple[ResultSeries, ...]
    series_left_out: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStanding:
    """What this node keeps of the metric history. `oldest_ms` is None where a record is empty.

    `missing` are ranges of time this node knows it has not got (another node is asked for them). `damaged`
    counts pieces that could not be read and were left out. `shortened_to_ms` names the records that are kept
    for shorter than the settings say, because of `bytes_max`, and from when on. `waiting` counts blocks of
    this host's own samples that the cluster has not got yet, `lost` what will not be in the record.
    """

    bytes_used: int
    bytes_max: int
    applied_index: int
    subjects: int
    oldest_ms: dict[Resolution, int | None] = field(default_factory=dict)
    missing: tuple[tuple[int, int], ...] = ()
    damaged: int = 0
    shortened_to_ms: dict[Resolution, int] = field(default_factory=dict)
    waiting: int = 0
    lost: int = 0
