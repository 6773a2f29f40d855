"""An experiment's two variants, metric by metric: what can be concluded of each, and what cannot. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from cluster.model.judging import ArmTotals, JudgeState
from cluster.rollout.judge import always_valid, folding, histograms
from cluster.rollout.judge.always_valid import Interval
from cluster.rollout.judge.deciding import ASSUMED_BUNCHES

QUANTILES = (("latency_p50", "median", 0.5), ("latency_p95", "95th percentile", 0.95))


class Conclusion(StrEnum):
    """What an interval allows to say of b. UNDECIDED: it may be either. NO_DATA: one of them has nothing."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    NO_DATA = "no-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value with its interval; None where nothing is known, or no bound."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """One metric of both, and b's less a's. `unit` is ratio (0 to 1) or ms."""

    metric: str
    unit: str
    a: Measured
    b: Measured
    difference: Measured
    conclusion: Conclusion
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantComparison:
    """How both answered while every router did as planned. `lost` are part of the failures."""

    a_requests: int
    b_requests: int
    a_lost: int
    b_lost: int
    metrics: tuple[MetricComparison, ...]


def compare(state: JudgeState) -> VariantComparison:
    """Return how the old revision (a) and the new one (b) compare by all that was taken in.

    The intervals hold at all looks together, each for its own metric.
    """
    a, b = folding.totals(state)
    is_measured = folding.is_watched_long_enough(state)
    failure_dispersion = folding.failure_dispersion(state) if is_measured else ASSUMED_BUNCHES
    latency_dispersion = folding.slow_dispersion(state) if is_measured else ASSUMED_BUNCHES
    failures = _failures(a, b, failure_dispersion)
    return VariantComparison(
        a_requests=a.requests,
        b_requests=b.requests,
        a_lost=a.lost,
        b_lost=b.lost,
        metrics=(
            failures,
            _successes(failures),
            *(_latency(a, b, *which, latency_dispersion) for which in QUANTILES),
        ),
    )


def _failures(a: ArmTotals, b: ArmTotals, dispersion: float) -> MetricComparison:
    of_a, of_b = _rate(a, dispersion), _rate(b, dispersion)
    interval = always_valid.rate_difference(
        b.failures, b.requests, a.failures, a.requests, dispersion=dispersion
    )
    difference = _difference(of_a, of_b, interval)
    conclusion = _conclude(interval, has_data=bool(a.requests and b.requests))
    return MetricComparison(
        metric="error_rate",
        unit="ratio",
        a=of_a,
        b=of_b,
        difference=difference,
        conclusion=conclusion,
        words=_rate_words(conclusion, interval, "fails", "fewer", "more", _empty(a.requests, b.requests)),
    )


def _successes(failures: MetricComparison) -> MetricComparison:
    """The same evidence, seen from the other side."""
    difference = failures.difference
    interval = Interval(-_or_one(difference.high), -_or_one(difference.low, -1.0))
    empty = "a" if failures.a.value is None else "b" if failures.b.value is None else ""
    return MetricComparison(
        metric="success_rate",
        unit="ratio",
        a=_complement(failures.a),
        b=_complement(failures.b),
        difference=Measured(
            value=None if difference.value is None else -difference.value,
            low=interval.low,
            high=interval.high,
        ),
        conclusion=failures.conclusion,
        words=_rate_words(failures.conclusion, interval, "succeeds", "fewer", "more", empty),
    )


def _latency(
    a: ArmTotals, b: ArmTotals, metric: str, name: str, share: float, dispersion: float
) -> MetricComparison:
    of_a, of_b = (
        _measured(
            histograms.quantile_ms(each.latencies, share),
            always_valid.quantile(each.latencies, share, dispersion=dispersion),
        )
        for each in (a, b)
    )
    interval = always_valid.quantile_difference(b.latencies, a.latencies, share, dispersion=dispersion)
    empty = _empty(histograms.total(a.latencies), histograms.total(b.latencies))
    conclusion = _conclude(interval, has_data=not empty)
    return MetricComparison(
        metric=metric,
        unit="ms",
        a=of_a,
        b=of_b,
        difference=_difference(of_a, of_b, interval),
        conclusion=conclusion,
        words=_latency_words(conclusion, interval, name, empty),
    )


def _rate(arm: ArmTotals, dispersion: float) -> Measured:
    if not arm.requests:
        return Measured(value=None, low=None, high=None)
    interval = always_valid.rate(arm.failures, arm.requests, dispersion=dispersion)
    return _measured(arm.failures / arm.requests, interval)


def _complement(rate: Measured) -> Measured:
    if rate.value is None or rate.low is None or rate.high is None:
        return Measured(value=None, low=None, high=None)
    return Measured(value=1 - rate.value, low=1 - rate.high, high=1 - rate.low)


def _difference(a: Measured, b: Measured, interval: Interval) -> Measured:
    value = None if a.value is None or b.value is None else b.value - a.value
    return _measured(value, interval)


def _measured(value: float | None, interval: Interval) -> Measured:
    low, high = (each if math.isfinite(each) else None for each in interval)
    return Measured(value=value, low=low, high=high)


def _or_one(value: float | None, otherwise: float = 1.0) -> float:
    return otherwise if value is None else value


def _conclude(interval: Interval, *, has_data: bool) -> Conclusion:
    """Of what is better when it is less."""
    if not has_data:
        return Conclusion.NO_DATA
    if interval.high < 0:
        return Conclusion.BETTER
    return Conclusion.WORSE if interval.low > 0 else Conclusion.UNDECIDED


def _empty(a: int, b: int) -> str:
    return "a" if not a else "b" if not b else ""


# ---- in words --------------------------------------------------------------------------------------------


def _rate_words(
    conclusion: Conclusion, interval: Interval, does: str, fewer: str, more: str, empty: str
) -> str:
    low, high = interval
    match conclusion:
        case Conclusion.NO_DATA:
            return f"nothing can be said: no request of {empty} was counted yet"
        case Conclusion.UNDECIDED:
            return (
                f"which {does} more often cannot be said yet: b may be anywhere from {_points(-low)} {fewer}"
                f" to {_points(high)} {more} of 100 requests"
            )
        case _:
            is_more = low > 0
            least, most = (low, high) if is_more else (-high, -low)
            word, often = (more, "more") if is_more else (fewer, "less")
            return f"b {does} {often} often: {_points(least)} to {_points(most)} {word} of 100 requests"


def _points(share: float) -> str:
    return f"{100 * max(0.0, share):.2f}"


def _latency_words(conclusion: Conclusion, interval: Interval, name: str, empty: str) -> str:
    low, high = interval
    match conclusion:
        case Conclusion.NO_DATA:
            return f"nothing can be said: no answer of {empty} was timed yet"
        case Conclusion.UNDECIDED if math.isinf(low) or math.isinf(high):
            return f"which {name} is longer cannot be said yet: too few answers were timed"
        case Conclusion.UNDECIDED:
            return (
                f"which {name} is longer cannot be said yet: b's may be anywhere from {_ms(-low)} shorter to"
                f" {_ms(high)} longer"
            )
        case _:
            is_longer = low > 0
            least, most = (low, high) if is_longer else (-high, -low)
            reach = f"at least {_ms(least)}" if math.isinf(most) else f"{_ms(least)} to {_ms(most)}"
            return f"b's {name} is {'longer' if is_longer else 'shorter'}: by {reach}"


def _ms(latency_ms: float) -> str:
    return f"{max(0.0, latency_ms):.3g} ms"
