"""Taking intervals in: each once, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.model.ids import NodeId
from cluster.model.judging import (
    SEEN_MAX,
    STRATA_MAX,
    ArmTotals,
    IntervalCounts,
    JudgeState,
    SeenInterval,
    ShiftLook,
    Stratum,
)
from cluster.model.traffic import ArmTraffic, TrafficInterval
from cluster.rollout.judge import histograms, sequential
from cluster.rollout.judge.dispersion import factor, with_pair

WINDOW = 32
"""How far behind the newest interval of its host one may come; hosts repeat fewer."""
_WINDOW_MASK = (1 << WINDOW) - 1
EPOCHS_PER_HOST_MAX = 4
BASELINE_TIMED_MIN = 200
"""Latencies of the old revision it takes to say what is slow."""
SLOW_QUANTILE = 0.95
SHIFT_TIMED_MIN = 20
"""Latencies of each revision it takes to compare them."""
_OTHERS = NodeId("others")
"""The stratum of hosts beyond the ones told apart."""


def begin(*, now_ms: int) -> JudgeState:
    """Return the state before anything was judged. Intervals that begin now or later count.

    Begin while only the old revision serves: what it does by itself is the better measure of what is slow.
    """
    return JudgeState(heard_at_ms=now_ms, step_began_at_ms=now_ms)


def begin_step(state: JudgeState, *, now_ms: int, hold_ms: int = 0) -> JudgeState:
    """Return the state for a new share of the requests, in force on the routers since `now_ms`.

    The evidence so far is kept; intervals in which the share changed, and earlier ones, count no more.
    `hold_ms` is the step's time: at its end the latencies of both revisions are compared.
    """
    failure_log_e, slow_log_e = log_evidence(state)
    old, new = totals(state)
    return replace(
        state,
        seen=tuple(replace(each, unpaired=()) for each in state.seen),
        old=old,
        new=new,
        step_old=ArmTotals(),
        step_new=ArmTotals(),
        step_began_at_ms=now_ms,
        compared_at_ms=now_ms + hold_ms,
        shift=None,
        slow_bucket=_slow_bucket(old, state.slow_bucket),
        strata=(),
        failure_log_e=failure_log_e,
        slow_log_e=slow_log_e,
    )


def log_evidence(state: JudgeState) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the logarithms of the likelihood ratios so far, for failures and for slow requests."""
    failures = sequential.added(
        state.failure_log_e,
        (
            sum(
                sequential.log_likelihood_ratio(
                    ratio, each.new_failures, each.new_requests, each.old_failures, each.old_requests
                )
                for each in state.strata
            )
            for ratio in sequential.FAILURE_RATIOS
        ),
    )
    slow = sequential.added(
        state.slow_log_e,
        (
            sum(
                sequential.log_likelihood_ratio(
                    ratio, each.new_slow, each.new_timed, each.old_slow, each.old_timed
                )
                for each in state.strata
            )
            for ratio in sequential.SLOW_RATIOS
        ),
    )
    return failures, slow


def take_in(
    state: JudgeState,
    intervals: Sequence[TrafficInterval],
    *,
    old_revision: int,
    new_revision: int,
    judged_after_ms: int = 0,
    now_ms: int,
) -> JudgeState:
    """Return the state with the closed `intervals` of all hosts of one service, each counted at most once.

    Their order does not matter, nor how often they are repeated, within `WINDOW` of their host's newest. One
    that began before `judged_after_ms` (the newest replica's start and its warm-up) or before the step is
    seen, but not counted. When it began is told from `now_ms` and its place before its host's newest, not
    from the host's clock. Returns the same object when there is nothing new.
    """
    newest: dict[tuple[NodeId, str], int] = {(each.node_id, each.epoch): each.sequence for each in state.seen}
    fresh: list[TrafficInterval] = []
    fold = _Fold(state, old_revision, new_revision)
    for interval in sorted(intervals, key=lambda each: (each.node_id, each.epoch, each.sequence)):
        key = interval.node_id, interval.epoch
        newest[key] = max(newest.get(key, 0), interval.sequence)
        if fold.marks_seen(interval):
            fresh.append(interval)
    counted_from_ms = max(state.step_began_at_ms, judged_after_ms)
    for interval in fresh:
        age = newest[interval.node_id, interval.epoch] - interval.sequence
        if now_ms - (age + 1) * interval.duration_ms >= counted_from_ms:
            fold.count(interval)
    after = fold.result(now_ms) if fresh else state
    if after.shift is None and now_ms >= after.compared_at_ms > 0:
        look = look_for_shift(after)
        if look is not None:
            after = replace(after, shift=look)
    return after


def look_for_shift(state: JudgeState) -> ShiftLook | None:
    """Compare the step's latencies, None where there are too few."""
    old, new = state.step_old.latencies, state.step_new.latencies
    if min(histograms.total(old), histograms.total(new)) < SHIFT_TIMED_MIN:
        return None
    probability, p_value = histograms.mann_whitney(new, old, slow_dispersion(state))
    old_median, new_median = histograms.median_ms(old), histograms.median_ms(new)
    ratio = new_median / old_median if old_median and new_median else 1.0
    return ShiftLook(slower_probability=probability, p_value=p_value, median_ratio=ratio)


def totals(state: JudgeState) -> tuple[ArmTotals, ArmTotals]:
    """Return the old and the new revision's totals since judging began."""
    return _joined(state.old, state.step_old), _joined(state.new, state.step_new)


def failure_dispersion(state: JudgeState) -> float:
    return factor(state.old_failure_dispersion, state.new_failure_dispersion)


def slow_dispersion(state: JudgeState) -> float:
    return factor(state.old_slow_dispersion, state.new_slow_dispersion)


class _Fold:
    """A state being added to. Strata and seen intervals are by host, so that most are left as they are."""

    def __init__(self, state: JudgeState, old_revision: int, new_revision: int) -> None:
        self._state = state
        self._old_revision = old_revision
        self._new_revision = new_revision
        self._seen = {(each.node_id, each.epoch): each for each in state.seen}
        self._strata = {each.node_id: each for each in state.strata}
        self._old: list[ArmTraffic] = []
        self._new: list[ArmTraffic] = []
        self._pairs: list[tuple[IntervalCounts, IntervalCounts]] = []
        self._timed = [0, 0]
        self._slow_count = [0, 0]

    def marks_seen(self, interval: TrafficInterval) -> bool:
        """Remember the interval; false for one that was seen before, or is too old to tell."""
        key = interval.node_id, interval.epoch
        seen = self._seen.get(key)
        if seen is None:
            self._make_room(interval.node_id)
            self._seen[key] = SeenInterval(
                node_id=interval.node_id, epoch=interval.epoch, sequence=interval.sequence
            )
            return True
        ahead = interval.sequence - seen.sequence
        if ahead > 0:
            window = (seen.window << ahead | 1) & _WINDOW_MASK if ahead < WINDOW else 1
            self._seen[key] = replace(
                seen,
                sequence=interval.sequence,
                window=window,
                unpaired=tuple(each for each in seen.unpaired if each.sequence > interval.sequence - WINDOW),
            )
            return True
        bit = 1 << -ahead
        if -ahead >= WINDOW or seen.window & bit:
            return False
        self._seen[key] = replace(seen, window=seen.window | bit)
        return True

    def _make_room(self, node_id: NodeId) -> None:
        """Forget the agent's run that is known longest, of this host or, when there are too many, of any."""
        of_host = [key for key in self._seen if key[0] == node_id]
        if len(of_host) >= EPOCHS_PER_HOST_MAX:
            del self._seen[of_host[0]]
        elif len(self._seen) >= SEEN_MAX:
            del self._seen[next(iter(self._seen))]

    def count(self, interval: TrafficInterval) -> None:
        """Add an interval that is seen for the first time."""
        old = new = None
        for arm in interval.arms:
            if arm.revision == self._old_revision:
                old = arm
            elif arm.revision == self._new_revision:
                new = arm
        if old is not None:
            self._old.append(old)
        if new is not None:
            self._new.append(new)
        counts = self._counts(interval.sequence, old, new)
        self._timed[0] += counts.old_timed
        self._timed[1] += counts.new_timed
        self._slow_count[0] += counts.old_slow
        self._slow_count[1] += counts.new_slow
        self._pair(interval, counts)
        self._add_to_stratum(interval.node_id, counts)

    def _counts(self, sequence: int, old: ArmTraffic | None, new: ArmTraffic | None) -> IntervalCounts:
        old_failures, new_failures = _failures(old), _failures(new)
        old_timed, old_slow = self._slow(old)
        new_timed, new_slow = self._slow(new)
        return IntervalCounts(
            sequence=sequence,
            old_requests=_requests(old),
            old_failures=old_failures,
            new_requests=_requests(new),
            new_failures=new_failures,
            old_timed=old_timed,
            old_slow=old_slow,
            new_timed=new_timed,
            new_slow=new_slow,
        )

    def _slow(self, arm: ArmTraffic | None) -> tuple[int, int]:
        """Return how many were timed and how many of them are slow, none while it is not known what is."""
        slow_bucket = self._state.slow_bucket
        if arm is None or slow_bucket < 0:
            return 0, 0
        return histograms.total(arm.latencies), histograms.above(arm.latencies, slow_bucket)

    def _pair(self, interval: TrafficInterval, counts: IntervalCounts) -> None:
        key = interval.node_id, interval.epoch
        seen = self._seen.get(key)
        if seen is None:
            return
        neighbour = interval.sequence ^ 1
        for each in seen.unpaired:
            if each.sequence == neighbour:
                self._pairs.append((each, counts))
                unpaired = tuple(other for other in seen.unpaired if other is not each)
                break
        else:
            unpaired = tuple(sorted((*seen.unpaired, counts), key=lambda each: each.sequence))
        self._seen[key] = replace(seen, unpaired=unpaired)

    def _add_to_stratum(self, node_id: NodeId, counts: IntervalCounts) -> None:
        if node_id not in self._strata and len(self._strata) >= STRATA_MAX - 1:
            node_id = _OTHERS
        before = self._strata.get(node_id) or Stratum(node_id=node_id)
        self._strata[node_id] = Stratum(
            node_id=node_id,
            old_requests=before.old_requests + counts.old_requests,
            old_failures=before.old_failures + counts.old_failures,
            new_requests=before.new_requests + counts.new_requests,
            new_failures=before.new_failures + counts.new_failures,
            old_timed=before.old_timed + counts.old_timed,
            old_slow=before.old_slow + counts.old_slow,
            new_timed=before.new_timed + counts.new_timed,
            new_slow=before.new_slow + counts.new_slow,
            old_failed_run=_run(before.old_failed_run, counts.old_requests, counts.old_failures),
            new_failed_run=_run(before.new_failed_run, counts.new_requests, counts.new_failures),
        )

    def result(self, now_ms: int) -> JudgeState:
        state = self._state
        step_old = _with_arms(state.step_old, self._old, self._timed[0], self._slow_count[0])
        step_new = _with_arms(state.step_new, self._new, self._timed[1], self._slow_count[1])
        old_failures, new_failures = state.old_failure_dispersion, state.new_failure_dispersion
        old_slow, new_slow = state.old_slow_dispersion, state.new_slow_dispersion
        for one, other in self._pairs:
            old_failures = with_pair(
                old_failures, one.old_failures, one.old_requests, other.old_failures, other.old_requests
            )
            new_failures = with_pair(
                new_failures, one.new_failures, one.new_requests, other.new_failures, other.new_requests
            )
            old_slow = with_pair(old_slow, one.old_slow, one.old_timed, other.old_slow, other.old_timed)
            new_slow = with_pair(new_slow, one.new_slow, one.new_timed, other.new_slow, other.new_timed)
        slow_bucket = state.slow_bucket
        if slow_bucket < 0:
            slow_bucket = _slow_bucket(_joined(state.old, step_old), slow_bucket)
        return replace(
            state,
            seen=tuple(self._seen.values()),
            step_old=step_old,
            step_new=step_new,
            heard_at_ms=max(state.heard_at_ms, now_ms),
            slow_bucket=slow_bucket,
            strata=tuple(sorted(self._strata.values(), key=lambda each: each.node_id)),
            old_failure_dispersion=old_failures,
            new_failure_dispersion=new_failures,
            old_slow_dispersion=old_slow,
            new_slow_dispersion=new_slow,
        )


def _requests(arm: ArmTraffic | None) -> int:
    return max(arm.requests, _failures(arm)) if arm is not None else 0


def _failures(arm: ArmTraffic | None) -> int:
    """Those a client saw and those it was spared by another replica."""
    return arm.failures + arm.retried if arm is not None else 0


def _run(before: int, requests: int, failures: int) -> int:
    if not requests:
        return before
    return before + failures if failures == requests else 0


def _slow_bucket(old: ArmTotals, before: int) -> int:
    if histograms.total(old.latencies) < BASELINE_TIMED_MIN:
        return before
    bucket = histograms.quantile_bucket(old.latencies, SLOW_QUANTILE)
    return before if bucket is None else bucket


def _with_arms(before: ArmTotals, arms: Sequence[ArmTraffic], timed: int, slow: int) -> ArmTotals:
    if not arms:
        return before
    return ArmTotals(
        requests=before.requests + sum(_requests(arm) for arm in arms),
        failures=before.failures + sum(_failures(arm) for arm in arms),
        lost=before.lost + sum(arm.lost for arm in arms),
        retried=before.retried + sum(arm.retried for arm in arms),
        slow=before.slow + slow,
        timed=before.timed + timed,
        latencies=histograms.merged((before.latencies, *(arm.latencies for arm in arms))),
    )


def _joined(one: ArmTotals, other: ArmTotals) -> ArmTotals:
    return ArmTotals(
        requests=one.requests + other.requests,
        failures=one.failures + other.failures,
        lost=one.lost + other.lost,
        retried=one.retried + other.retried,
        slow=one.slow + other.slow,
        timed=one.timed + other.timed,
        latencies=histograms.merged((one.latencies, other.latencies)),
    )
