"""What analyses are to their readers. Numbers are rounded to the digits that mean something."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cluster.analytics.comparison import Comparison
from cluster.analytics.exhaustion import Exhaustion
from cluster.analytics.levels import Level
from cluster.analytics.series import DAY_MS, Values
from web.tools.analytics_data import Scope

DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedView:
    """What an analysis is of. `numbers` are those of its series: several for a service."""

    name: str
    kind: str
    node_id: str
    service: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelView:
    """What a day's value is expected to be; 90 % lie between low and high, null where that is not known.
    `is_full`: all that there can be, and no more for this reason."""

    days_ahead: int
    expected: float
    low: float | None
    high: float | None
    is_full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhaustionView:
    """When a share of a limit is reached. `outlook` is full, filling, not-within-a-year, not-growing,
    shrinking, insufficient-data or no-limit; only filling has days. `latest_days` null: perhaps never.
    `reason` says why soonest and latest differ."""

    outlook: str
    limit: float | None
    at_percent: float
    days: float | None
    soonest_days: float | None
    latest_days: float | None
    peaks_days: float | None
    at_ms: int | None
    reason: str
    confidence: float | None
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendView:
    """A trend of daily values over the last 30 days. `verdict` is increasing, decreasing, stable or
    insufficient-data; what could not be concluded is null, and `said` says why."""

    subject: AnalysedView
    metric: str
    unit: str
    verdict: str
    confidence: float | None
    p_value: float | None
    days_known: int
    days_needed: int
    level: float | None
    per_day: float | None
    percent_per_day: float | None
    percent_last_week: float | None
    next_week: LevelView | None
    next_month: LevelView | None
    exhaustion: ExhaustionView
    said: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathView:
    """Means of the next 24 hours; `low` and `high` hold each of them in 9 of 10 cases, and are empty where
    that is not known."""

    times_ms: tuple[int, ...]
    expected: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedView:
    """What one resource will be asked for: the next day by the hour, and a day's typical hour and its worst
    (95th percentile) in a week and a month. `reserve` is what the worst may need until then."""

    metric: str
    unit: str
    now: float | None
    path: PathView
    typical: tuple[LevelView, ...]
    worst: tuple[LevelView, ...]
    reserve: float | None
    lacking: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsView:
    """What something will need."""

    subject: AnalysedView
    needs: tuple[NeedView, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonLine:
    """One metric of a window beside the same hours of the days before. `difference` is higher, lower, same or
    insufficient-data; `current` and `baseline` are medians, `effect` is in typical deviations of those
    hours."""

    metric: str
    unit: str
    difference: str
    current: float | None
    current_mean: float | None
    current_p95: float | None
    baseline: float | None
    percent: float | None
    effect: float | None
    p_value: float | None
    confidence: float | None
    days: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineView:
    """A window of hours beside the usual ones; what differs first."""

    subject: AnalysedView
    hours: int
    metrics: tuple[ComparisonLine, ...]
    said: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BottleneckView:
    """What held something up. `kind` is cpu, memory, network or disk, `impact` low, medium or high;
    `share_of_time` is from 0 to 1."""

    kind: str
    symptom: str
    impact: str
    metric: str
    value: float
    threshold: float
    share_of_time: float
    description: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileView:
    """How something did over a window: each metric beside what is usual, and what held it up."""

    subject: AnalysedView
    hours: int
    metrics: tuple[ComparisonLine, ...]
    bottlenecks: tuple[BottleneckView, ...]
    recommendations: tuple[str, ...]
    said: tuple[str, ...]
    notes: tuple[str, ...]


def analysed_view(scope: Scope) -> AnalysedView:
    return AnalysedView(
        name=scope.name,
        kind=scope.kind.word,
        node_id=scope.node_id,
        service=scope.service,
        numbers=tuple(subject.number for subject in scope.subjects),
    )


def level_view(level: Level) -> LevelView:
    return LevelView(
        days_ahead=level.days_ahead,
        expected=_known(level.expected),
        low=rounded(level.low),
        high=rounded(level.high),
        is_full=level.is_full,
    )


def exhaustion_view(
    found: Exhaustion, at_percent: float, limit: float | None, end_ms: int, said: tuple[str, ...]
) -> ExhaustionView:
    """`limit` is the whole one; `found` was made with its share."""
    return ExhaustionView(
        outlook=found.outlook.value,
        limit=limit,
        at_percent=at_percent,
        days=rounded(found.days, 3),
        soonest_days=rounded(found.soonest_days, 3),
        latest_days=rounded(found.latest_days, 3),
        peaks_days=rounded(found.peaks_days, 3),
        at_ms=None if found.days is None else end_ms + round(found.days * DAY_MS),
        reason="" if found.shape is None else found.shape.value,
        confidence=rounded(found.confidence, 2),
        said=said,
    )


def comparison_line(
    metric: str,
    unit: str,
    found: Comparison,
    *,
    mean: float | None,
    current_p95: float | None,
    said: str,
) -> ComparisonLine:
    return ComparisonLine(
        metric=metric,
        unit=unit,
        difference=found.difference.value,
        current=rounded(found.current),
        current_mean=rounded(mean),
        current_p95=rounded(current_p95),
        baseline=rounded(found.baseline),
        percent=rounded(found.percent, 3),
        effect=rounded(found.effect, 3),
        p_value=rounded(found.p_value, 2),
        confidence=rounded(found.confidence, 2),
        days=found.days,
        said=said,
    )


def rounded(value: float | None, digits: int = DIGITS) -> float | None:
    """Return so many digits that count; None for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return _known(value, digits)


def rounded_all(values: Values | None) -> tuple[float, ...]:
    return () if values is None else tuple(_known(float(value)) for value in values if np.isfinite(value))


def _known(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")
