"""The figures, for people and for the record. They are not what is decided by, but for the e values."""

from __future__ import annotations

from cluster.model.judging import ArmEvidence, ArmTotals, Evidence, JudgeState, Rate
from cluster.model.strategy import Analysis
from cluster.model.traffic import latency_bound_ms
from cluster.rollout.judge import budget, folding, histograms, sequential
from cluster.rollout.judge.confidence import Z_TWO_SIDED_95, newcombe, wilson
from cluster.rollout.judge.metric_limits import limit_evidence


def evidence(state: JudgeState, analysis: Analysis) -> Evidence:
    """Return the figures since judging began; the difference is of the present step alone.

    Over steps of different shares it would compare different times: an incident late in a rollout is mostly
    in the new revision's total (Simpson's paradox).
    """
    old, new = folding.totals(state)
    step_old, step_new = _arm(state.step_old), _arm(state.step_new)
    low, high = newcombe(
        step_new.failures.count,
        step_new.failures.total,
        step_old.failures.count,
        step_old.failures.total,
        Z_TWO_SIDED_95,
    )
    failures, slow = folding.log_evidence(state)
    failure_dispersion, slow_dispersion = folding.failure_dispersion(state), folding.slow_dispersion(state)
    look = state.shift or folding.look_for_shift(state)
    return Evidence(
        old=_arm(old),
        new=_arm(new),
        difference=step_new.failures.value - step_old.failures.value,
        difference_low=low,
        difference_high=high,
        failure_e=sequential.e_value(failures, sequential.FAILURE_WEIGHTS, failure_dispersion),
        failure_e_needed=budget.failures_e_needed(analysis),
        failure_dispersion=failure_dispersion,
        slow_e=sequential.e_value(slow, sequential.SLOW_WEIGHTS, slow_dispersion),
        slow_e_needed=budget.slow_e_needed(analysis),
        slow_dispersion=slow_dispersion,
        slow_above_ms=latency_bound_ms(state.slow_bucket) if state.slow_bucket >= 0 else None,
        slower_probability=look.slower_probability if look else None,
        limits=limit_evidence(state, analysis),
    )


def _arm(arm: ArmTotals) -> ArmEvidence:
    return ArmEvidence(
        failures=_rate(arm.failures, arm.requests),
        slow=_rate(arm.slow, arm.timed),
        lost=arm.lost,
        retried=arm.retried,
        p50_ms=histograms.quantile_ms(arm.latencies, 0.5),
        p95_ms=histograms.quantile_ms(arm.latencies, 0.95),
        p99_ms=histograms.quantile_ms(arm.latencies, 0.99),
    )


def _rate(count: int, total: int) -> Rate:
    low, high = wilson(count, total, Z_TWO_SIDED_95)
    return Rate(count=count, total=total, value=count / total if total else 0.0, low=low, high=high)
