"""The user's own limits, and what no statistics are needed for.

A limit is breached when the confidence bound is past it, not the figure itself: with few requests a single
failure is past any limit. The bound is one-sided at 99.5 %, since limits are looked at many times.
"""

from __future__ import annotations

from cluster.model.judging import ArmTotals, JudgeState
from cluster.model.strategy import Analysis
from cluster.model.traffic import latency_bound_ms, latency_bucket
from cluster.rollout.judge import histograms
from cluster.rollout.judge.confidence import Z_ONE_SIDED_995, wilson

LIMIT_REQUESTS_MIN = 20
ALL_FAILING_RUN = 10
ALL_FAILING_REQUESTS = 20
ALL_FAILING_INTERVALS = 3


def all_failing(state: JudgeState) -> str:
    """Return how it is that the new revision fails everything, "" when it does not.

    At least ALL_FAILING_RUN of its requests in a row failed, as far as intervals tell (all of an interval's
    requests, ALL_FAILING_INTERVALS in a row), on every router that sent it any, of at least
    ALL_FAILING_REQUESTS in this step; and the old revision does not fail everything as well, or going back
    would help nobody.
    """
    reached = [each for each in state.strata if each.new.requests]
    run = sum(each.new_failed_run for each in reached)
    if (
        state.step_new.requests < ALL_FAILING_REQUESTS
        or run < ALL_FAILING_RUN
        or not all(each.new_failed_run for each in reached)
        or max(each.new_failed_intervals for each in reached) < ALL_FAILING_INTERVALS
    ):
        return ""
    old_reached = [each for each in state.strata if each.old.requests]
    if old_reached and all(each.old_failed_run for each in old_reached):
        return ""
    return f"the last {run:,} requests of the new revision all failed"


def breached(state: JudgeState, analysis: Analysis) -> str:
    """Return which of the user's limits the new revision is past in this step, "" for none."""
    new = state.step_new
    if new.requests >= LIMIT_REQUESTS_MIN:
        low, _ = wilson(new.failures, new.requests, Z_ONE_SIDED_995)
        of = f"{new.failures:,} of {new.requests:,} requests of the new revision failed"
        if analysis.error_rate_max is not None and low > analysis.error_rate_max:
            return f"{of}, at least {low:.2%}: the limit error_rate is {analysis.error_rate_max:.4g}"
        if analysis.success_rate_min is not None and 1 - low < analysis.success_rate_min:
            return (
                f"{of}, so at most {1 - low:.2%} succeed: the limit success_rate is"
                f" {analysis.success_rate_min:.4g}"
            )
    for name, share, limit_ms in (
        ("latency_p50_ms", 0.5, analysis.latency_p50_ms_max),
        ("latency_p95_ms", 0.95, analysis.latency_p95_ms_max),
        ("latency_p99_ms", 0.99, analysis.latency_p99_ms_max),
    ):
        if limit_ms is not None and is_quantile_above(new, share, latency_bucket(limit_ms)):
            return (
                f"the {share:.0%} quantile of the new revision is"
                f" {histograms.quantile_ms(new.latencies, share):.4g} ms: the limit {name} is {limit_ms:g} ms"
            )
    if analysis.latency_ratio_max is not None:
        base_ms = quantile_high_ms(state.step_old, 0.95)
        if base_ms is not None:
            limit_ms = analysis.latency_ratio_max * base_ms
            if is_quantile_above(new, 0.95, latency_bucket(limit_ms)):
                return (
                    "the 95% quantile of the new revision is"
                    f" {histograms.quantile_ms(new.latencies, 0.95):.4g} ms, the old one's at most"
                    f" {base_ms:.4g} ms: the limit latency_ratio is {analysis.latency_ratio_max:g}"
                )
    return ""


def is_quantile_above(arm: ArmTotals, share: float, bucket: int) -> bool:
    """Say whether the quantile is surely above `bucket`: more lie there than its share allows."""
    timed = histograms.total(arm.latencies)
    if timed < LIMIT_REQUESTS_MIN:
        return False
    low, _ = wilson(histograms.above(arm.latencies, bucket), timed, Z_ONE_SIDED_995)
    return low > 1 - share


def quantile_high_ms(arm: ArmTotals, share: float) -> float | None:
    """Return the least bucket end the quantile is surely not above, None when there are too few."""
    timed = histograms.total(arm.latencies)
    if timed < LIMIT_REQUESTS_MIN:
        return None
    for bucket, _ in arm.latencies:
        _, high = wilson(histograms.above(arm.latencies, bucket), timed, Z_ONE_SIDED_995)
        if high < 1 - share:
            return latency_bound_ms(bucket)
    return None
