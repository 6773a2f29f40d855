"""Is the new revision worse, and may the step be passed?"""

from __future__ import annotations

from cluster.model.judging import ArmTotals, JudgeState, ShiftLook
from cluster.model.strategy import WHOLE_PERMILLE, Analysis
from cluster.model.traffic import latency_bound_ms
from cluster.rollout.judge import budget, folding, limits, metric_limits, sequential
from cluster.rollout.judge.confidence import Z_ONE_SIDED_95, newcombe, wilson
from cluster.rollout.judge.verdict import Cause, Verdict, VerdictKind

_E_SHOWN_MAX = 1_000_000
MATERIAL_Z = 1.0
"""A rate is material when its lower bound at this z is past the least effect that matters."""
ASSUMED_BUNCHES = 16.0
"""Half as large again as the largest the judge is held to while it can measure them."""
SLOW_RATIO_EFFECT = 1.25
"""How many times the old revision's share of slow requests matters at least."""
SHIFT_MEDIAN_EFFECT = 1.10
SHIFT_PROBABILITY_EFFECT = 0.56
"""A median a tenth higher, or a request slower than the other's this often, is a shift that matters."""


def judge(
    state: JudgeState,
    analysis: Analysis,
    *,
    steps: int,
    now_ms: int,
    is_step_over: bool = False,
    next_permille: int = WHOLE_PERMILLE,
) -> Verdict:
    """Return the verdict by all that was taken in; it may be asked at any time and as often as wanted.

    `steps` is how many steps of the rollout are judged: they share one budget. When a step's time
    `is_step_over`, and it is not UNDECIDED, whether it may be passed: at `next_permille` the new revision,
    if it is as much worse as its confidence interval allows, would fail less than
    `analysis.failure_rate_margin` of all requests.
    """
    if not analysis.is_on:
        return Verdict(kind=VerdictKind.GOOD if is_step_over else VerdictKind.UNDECIDED, reason="not judged")
    is_comparable = folding.is_watched_long_enough(state)
    worse = (
        _all_failing(state)
        or _more_failures(state, analysis, is_measured=is_comparable)
        or (_more_slow(state, analysis) if is_comparable else None)
        or _past_a_limit(state, analysis)
        or (_shifted(state, analysis, steps) if is_step_over else None)
    )
    if worse is not None:
        return worse
    silent_ms = now_ms - state.heard_at_ms
    if silent_ms >= analysis.silence_ms:
        return Verdict(
            kind=VerdictKind.SILENT,
            reason=f"no host has reported requests of the service for {silent_ms // 1000} s",
        )
    if is_step_over:
        return _passed(state, analysis, next_permille)
    return Verdict(kind=VerdictKind.UNDECIDED, reason=_failures_text(*folding.totals(state)))


def _all_failing(state: JudgeState) -> Verdict | None:
    reason = limits.all_failing(state)
    return Verdict(kind=VerdictKind.WORSE, cause=Cause.ALL_FAILING, reason=reason) if reason else None


def _past_a_limit(state: JudgeState, analysis: Analysis) -> Verdict | None:
    reason = limits.breached(state, analysis) or metric_limits.breached(state, analysis)
    return Verdict(kind=VerdictKind.WORSE, cause=Cause.USER_LIMIT, reason=reason) if reason else None


def _more_failures(state: JudgeState, analysis: Analysis, *, is_measured: bool) -> Verdict | None:
    """Compare failures. Before it can be measured how much they come in bunches, large ones are assumed: what
    fails grossly is seen in seconds all the same."""
    dispersion = folding.failure_dispersion(state) if is_measured else ASSUMED_BUNCHES
    evidence, _ = folding.log_evidence(state)
    e_value = sequential.e_value(evidence, sequential.FAILURE_WEIGHTS, dispersion)
    needed = budget.failures_e_needed(analysis)
    if e_value < needed:
        return None
    old, new = folding.totals(state)
    low, _ = wilson(new.failures, new.requests, MATERIAL_Z)
    if low <= analysis.failure_rate_effect:
        return None
    return Verdict(
        kind=VerdictKind.WORSE,
        cause=Cause.FAILURES,
        reason=f"{_failures_text(old, new)}: {_e_text(e_value, needed, dispersion)}",
    )


def _more_slow(state: JudgeState, analysis: Analysis) -> Verdict | None:
    dispersion = folding.slow_dispersion(state)
    _, evidence = folding.log_evidence(state)
    e_value = sequential.e_value(evidence, sequential.SLOW_WEIGHTS, dispersion)
    needed = budget.slow_e_needed(analysis)
    if e_value < needed:
        return None
    old, new = folding.totals(state)
    low, _ = wilson(new.slow, new.timed, MATERIAL_Z)
    if not old.timed or low <= SLOW_RATIO_EFFECT * old.slow / old.timed:
        return None
    return Verdict(
        kind=VerdictKind.WORSE,
        cause=Cause.SLOW_REQUESTS,
        reason=(
            f"{_share_text(new.slow, new.timed)} requests of the new revision took longer than"
            f" {latency_bound_ms(state.slow_bucket):.3g} ms, of the old one's"
            f" {_share_text(old.slow, old.timed)}: {_e_text(e_value, needed, dispersion)}"
        ),
    )


def _shifted(state: JudgeState, analysis: Analysis, steps: int) -> Verdict | None:
    look = state.shift or folding.look_for_shift(state)
    if look is None or look.p_value > budget.shift_alpha(analysis, steps) or not _is_material(look):
        return None
    return Verdict(
        kind=VerdictKind.WORSE,
        cause=Cause.LATENCY_SHIFT,
        reason=(
            f"the new revision's median latency is {look.median_ratio - 1:+.0%}, and it is the slower one in"
            f" {look.slower_probability:.0%} of comparisons: p = {look.p_value:.2g}, at most"
            f" {budget.shift_alpha(analysis, steps):.2g} was allowed"
        ),
    )


def _is_material(look: ShiftLook) -> bool:
    return look.median_ratio >= SHIFT_MEDIAN_EFFECT or look.slower_probability >= SHIFT_PROBABILITY_EFFECT


def _passed(state: JudgeState, analysis: Analysis, next_permille: int) -> Verdict:
    requests = state.step_new.requests
    if requests < analysis.requests_min:
        return Verdict(
            kind=VerdictKind.TOO_LITTLE,
            reason=(
                f"the new revision got {requests:,} requests in this step, {analysis.requests_min:,} are"
                f" needed; {_detectable_text(requests)}"
            ),
        )
    missing = metric_limits.unmeasured(state, analysis)
    if missing:
        return Verdict(kind=VerdictKind.TOO_LITTLE, reason=missing)
    old, new = state.step_old, state.step_new
    _, high = newcombe(new.failures, new.requests, old.failures, old.requests, Z_ONE_SIDED_95)
    harm = max(0.0, high) * next_permille / WHOLE_PERMILLE
    text = (
        f"in this step {_failures_text(old, new)}: at {next_permille / 10:g} % of the requests it would fail"
        f" at most {harm:.2%} of all requests more"
    )
    if harm < analysis.failure_rate_margin:
        return Verdict(kind=VerdictKind.GOOD, reason=text)
    return Verdict(
        kind=VerdictKind.INCONCLUSIVE,
        reason=f"{text}, {analysis.failure_rate_margin:.2%} are allowed; {_detectable_text(new.requests)}",
    )


def _failures_text(old: ArmTotals, new: ArmTotals) -> str:
    return (
        f"the new revision failed {_share_text(new.failures, new.requests)} requests, the old one"
        f" {_share_text(old.failures, old.requests)}"
    )


def _share_text(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({count / total:.2%})" if total else "none of 0"


def _e_text(e_value: float, needed: float, dispersion: float) -> str:
    bunches = f", tempered for bunches of {dispersion:.1f}" if dispersion > 1.05 else ""
    shown = f"= {e_value:,.0f}" if e_value < _E_SHOWN_MAX else f"> {_E_SHOWN_MAX:,}"
    return f"e {shown} over {needed:,.0f}{bunches}"


def _detectable_text(requests: int) -> str:
    """Say which failure rate would have been noticed: one with a failure among so many, 19 times of 20."""
    if not requests:
        return "nothing could have been noticed"
    return f"a failure rate below {min(1.0, 3 / requests):.1%} may show no failure among so many"
