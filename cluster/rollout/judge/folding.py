"""Taking intervals in: each once, whatever the order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from cluster.model.ids import NodeId
from cluster.model.judging import (
    SEEN_MAX,
    STRATA_MAX,
    ArmCounts,
    ArmTotals,
    Block,
    Dispersion,
    JudgeState,
    SeenInterval,
    ShiftLook,
    Stratum,
)
from cluster.model.traffic import ArmTraffic, TrafficInterval
from cluster.rollout.judge import histograms, sequential
from cluster.rollout.judge.dispersion import Events, around_mean, between_neighbours, closed, factor

WINDOW = 32
"""How far behind the newest interval of its host one may come; hosts repeat fewer."""
BLOCK_MS = 20_000
"""Long enough that a bunch of failures is mostly within one block, and intervals are shorter."""
BLOCKS_KEPT = 6
"""A late interval still finds its block: hosts repeat what is younger than this many."""
BLOCKS_MIN = 4
"""Three whole blocks and one that has begun: with fewer, one bunch looks like a revision that fails."""
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
                    ratio, each.new.failures, each.new.requests, each.old.failures, each.old.requests
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
                    ratio, each.new.slow, each.new.timed, each.old.slow, each.old.timed
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
        began_ms = now_ms - (age + 1) * interval.duration_ms
        if began_ms >= counted_from_ms:
            fold.count(interval, began_ms // BLOCK_MS)
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


def is_watched_long_enough(state: JudgeState) -> bool:
    """Say whether it can be told by now if failures come in bunches: there are blocks to compare."""
    is_any_closed = state.new_failure_dispersion.totals > 0
    return is_any_closed or sum(each.new.requests > 0 for each in state.blocks) >= BLOCKS_MIN


def failure_dispersion(state: JudgeState) -> float:
    """Return by what to divide the evidence of failures, at least 1."""
    old = [Events(each.index, each.old.failures, each.old.requests) for each in state.blocks]
    new = [Events(each.index, each.new.failures, each.new.requests) for each in state.blocks]
    return _factor(state.old_failure_dispersion, old, state.new_failure_dispersion, new)


def slow_dispersion(state: JudgeState) -> float:
    """Return by what to divide the evidence of slow requests, at least 1."""
    old = [Events(each.index, each.old.slow, each.old.timed) for each in state.blocks]
    new = [Events(each.index, each.new.slow, each.new.timed) for each in state.blocks]
    return _factor(state.old_slow_dispersion, old, state.new_slow_dispersion, new)


def _factor(old_sums: Dispersion, old: list[Events], new_sums: Dispersion, new: list[Events]) -> float:
    return factor(
        [between_neighbours(old_sums, old)],
        [between_neighbours(new_sums, new), around_mean(new_sums, new)],
    )


class _Fold:
    """A state being added to."""

    def __init__(self, state: JudgeState, old_revision: int, new_revision: int) -> None:
        self._state = state
        self._old_revision = old_revision
        self._new_revision = new_revision
        self._seen = {(each.node_id, each.epoch): each for each in state.seen}
        self._strata = {each.node_id: each for each in state.strata}
        self._blocks = {each.index: each for each in state.blocks}
        self._old = _Arm()
        self._new = _Arm()

    def marks_seen(self, interval: TrafficInterval) -> bool:
        """Remember the interval; false for one that was seen before, or is too old to tell."""
        key = interval.node_id, interval.epoch
        seen = self._seen.get(key)
        if seen is None:
            self._make_room(interval.node_id)
            window, newest = 1, interval.sequence
        else:
            ahead = interval.sequence - seen.sequence
            newest = max(seen.sequence, interval.sequence)
            if ahead > 0:
                window = (seen.window << min(ahead, WINDOW)) | 1
            elif -ahead < WINDOW and not (seen.window >> -ahead) & 1:
                window = seen.window | (1 << -ahead)
            else:
                return False
        self._seen[key] = SeenInterval(
            node_id=interval.node_id, epoch=interval.epoch, sequence=newest, window=window & _WINDOW_MASK
        )
        return True

    def _make_room(self, node_id: NodeId) -> None:
        """Forget the agent's run that is known longest, of this host or, when there are too many, of any."""
        of_host = [key for key in self._seen if key[0] == node_id]
        if len(of_host) >= EPOCHS_PER_HOST_MAX:
            del self._seen[of_host[0]]
        elif len(self._seen) >= SEEN_MAX:
            del self._seen[next(iter(self._seen))]

    def count(self, interval: TrafficInterval, block: int) -> None:
        """Add an interval that is seen for the first time and began in `block`."""
        old = new = ArmCounts()
        slow_bucket = self._state.slow_bucket
        for arm in interval.arms:
            if arm.revision == self._old_revision:
                old = self._old.add(arm, slow_bucket)
            elif arm.revision == self._new_revision:
                new = self._new.add(arm, slow_bucket)
        node_id = interval.node_id
        if node_id not in self._strata and len(self._strata) >= STRATA_MAX - 1:
            node_id = _OTHERS
        stratum = self._strata.get(node_id) or Stratum(node_id=node_id)
        self._strata[node_id] = Stratum(
            node_id=node_id,
            old=_added(stratum.old, old),
            new=_added(stratum.new, new),
            old_failed_run=_run(stratum.old_failed_run, old.requests, old.failures),
            new_failed_run=_run(stratum.new_failed_run, new.requests, new.failures),
            new_failed_intervals=_run(
                stratum.new_failed_intervals, min(1, new.requests), new.failures == new.requests
            ),
        )
        before = self._blocks.get(block) or Block(index=block)
        self._blocks[block] = Block(index=block, old=_added(before.old, old), new=_added(before.new, new))

    def result(self, now_ms: int) -> JudgeState:
        state = self._state
        step_old, step_new = self._old.added_to(state.step_old), self._new.added_to(state.step_new)
        slow_bucket = state.slow_bucket
        if slow_bucket < 0:
            slow_bucket = _slow_bucket(_joined(state.old, step_old), slow_bucket)
        return _with_blocks(
            replace(
                state,
                seen=tuple(self._seen.values()),
                step_old=step_old,
                step_new=step_new,
                heard_at_ms=max(state.heard_at_ms, now_ms),
                slow_bucket=slow_bucket,
                strata=tuple(sorted(self._strata.values(), key=lambda each: each.node_id)),
            ),
            sorted(self._blocks.values(), key=lambda each: each.index),
        )


class _Arm:
    """What one revision's arms of several intervals come to."""

    def __init__(self) -> None:
        self._arms: list[ArmTraffic] = []
        self._counts = ArmCounts()

    def add(self, arm: ArmTraffic, slow_bucket: int) -> ArmCounts:
        """Count an arm; nothing is slow and nothing timed while `slow_bucket` is not known (-1)."""
        failures = arm.failures + arm.retried
        is_timed = slow_bucket >= 0 and arm.latencies
        counts = ArmCounts(
            requests=max(arm.requests, failures),
            failures=failures,
            timed=histograms.total(arm.latencies) if is_timed else 0,
            slow=histograms.above(arm.latencies, slow_bucket) if is_timed else 0,
        )
        self._arms.append(arm)
        self._counts = _added(self._counts, counts)
        return counts

    def added_to(self, before: ArmTotals) -> ArmTotals:
        if not self._arms:
            return before
        return ArmTotals(
            requests=before.requests + self._counts.requests,
            failures=before.failures + self._counts.failures,
            lost=before.lost + sum(arm.lost for arm in self._arms),
            retried=before.retried + sum(arm.retried for arm in self._arms),
            slow=before.slow + self._counts.slow,
            timed=before.timed + self._counts.timed,
            latencies=histograms.merged((before.latencies, *(arm.latencies for arm in self._arms))),
        )


def _added(one: ArmCounts, other: ArmCounts) -> ArmCounts:
    return ArmCounts(
        requests=one.requests + other.requests,
        failures=one.failures + other.failures,
        timed=one.timed + other.timed,
        slow=one.slow + other.slow,
    )


def _run(before: int, total: int, failed: int) -> int:
    """Go on with a run of failures that one success ends and nothing at all leaves as it is."""
    if not total:
        return before
    return before + failed if failed == total else 0


def _with_blocks(state: JudgeState, blocks: list[Block]) -> JudgeState:
    """Return the state with these blocks, but those that can change no more added to the sums.

    One more than can change is kept: the block before it is compared with what it finally is.
    """
    sums = [
        state.old_failure_dispersion,
        state.new_failure_dispersion,
        state.old_slow_dispersion,
        state.new_slow_dispersion,
    ]
    kept_from = blocks[-1].index - BLOCKS_KEPT if blocks else 0
    kept = [each for each in blocks if each.index >= kept_from]
    for block, following in pairwise((*(each for each in blocks if each.index < kept_from), *kept[:1])):
        is_next = following.index == block.index + 1
        sums = [
            closed(before, this, after if is_next else None)
            for before, this, after in zip(sums, _events(block), _events(following), strict=True)
        ]
    return replace(
        state,
        blocks=tuple(kept),
        old_failure_dispersion=sums[0],
        new_failure_dispersion=sums[1],
        old_slow_dispersion=sums[2],
        new_slow_dispersion=sums[3],
    )


def _events(block: Block) -> tuple[Events, ...]:
    """Return a block's events in the order of the sums."""
    return (
        Events(block.index, block.old.failures, block.old.requests),
        Events(block.index, block.new.failures, block.new.requests),
        Events(block.index, block.old.slow, block.old.timed),
        Events(block.index, block.new.slow, block.new.timed),
    )


def _slow_bucket(old: ArmTotals, before: int) -> int:
    if histograms.total(old.latencies) < BASELINE_TIMED_MIN:
        return before
    bucket = histograms.quantile_bucket(old.latencies, SLOW_QUANTILE)
    return before if bucket is None else bucket


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
