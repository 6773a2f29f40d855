"""The user's limits on what is measured of replicas: memory, processor time, restarts, whatever is stored.

There is no statistics in it: a limit is a wish, and its `for_ms` says how long it has to be exceeded. Each
replica's samples are taken in once, by time; between replicas any order gives the same, so hosts may repeat
themselves and a new leader goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cluster.model.ids import NodeId
from cluster.model.judging import JudgeState
from cluster.model.metric_limits import (
    ROUTER,
    STANDINGS_MAX,
    CopySamples,
    CopyStanding,
    LimitEvidence,
    LimitState,
    MetricLimit,
    RatioBlock,
    quantity,
)
from cluster.model.metrics import BY_NAME, BY_NUMBER
from cluster.model.strategy import Analysis

SAMPLES_MIN = 3
"""Samples of the new revision without which a limit passes no step: half a minute."""
GAP_MAX_MS = 60_000
"""Samples further apart are not in a row: nobody knows what was between."""
FORGOTTEN_MS = 600_000
"""A replica that was not measured for so long is no more."""

CopyName = tuple[NodeId, int, int]
"""Host, revision and ordinal, ROUTER for what came through the host's router."""
_Place = tuple[int, NodeId, int, bool]


def take_in_samples(
    state: JudgeState,
    analysis: Analysis,
    samples: Sequence[CopySamples],
    *,
    new_revision: int,
    counted_from_ms: Mapping[CopyName, int],
) -> JudgeState:
    """Return the state with what hosts measured of both revisions, each sample once.

    A replica's samples count from `counted_from_ms` on, and from the beginning of the step; of a replica that
    is not in there none does. Returns the same object when there is nothing new.
    """
    if not analysis.metrics or not samples:
        return state
    fold = _Fold(state.limits, analysis.metrics)
    for each in samples:
        since_ms = counted_from_ms.get((each.node_id, each.revision, each.ordinal))
        metric = BY_NUMBER.get(each.metric)
        if since_ms is None or metric is None:
            continue
        counted = [point for point in each.points if point[0] >= max(since_ms, state.step_began_at_ms)]
        for number, limit in enumerate(analysis.metrics):
            if limit.metric == metric.name:
                place = number, each.node_id, each.ordinal, each.revision == new_revision
                fold.take(place, limit, counted)
    after = fold.result()
    return state if after == state.limits else replace(state, limits=after)


def breached(state: JudgeState, analysis: Analysis) -> str:
    """Return which of the limits the new revision is past for long enough, "" for none."""
    for number, limit in enumerate(analysis.metrics):
        for standing in _of(state.limits, number, is_new=True):
            if _is_past_long_enough(standing, limit):
                return _past_text(limit, standing)
        ratio = _ratio(state.limits, number, limit)
        if ratio is not None and limit.ratio_max is not None and ratio.value > limit.ratio_max:
            return (
                f"{limit.metric} of the new revision is {ratio.value:.3g} times the old one's:"
                f" {_quantity(ratio.new, limit)} against {_quantity(ratio.old, limit)} a replica"
                f"{_for(limit)}, ratio_max is {limit.ratio_max:g}"
            )
    return ""


def unmeasured(state: JudgeState, analysis: Analysis) -> str:
    """Return which of the limits nothing can be said of yet, "" for none."""
    for number, limit in enumerate(analysis.metrics):
        found = sum(each.samples for each in _of(state.limits, number, is_new=True))
        if found < SAMPLES_MIN:
            return _few_text(limit, found, "the new revision")
        if limit.ratio_max is not None and not any(_of(state.limits, number, is_new=False)):
            return _few_text(limit, 0, "the old revision")
    return ""


def limit_evidence(state: JudgeState, analysis: Analysis) -> tuple[LimitEvidence, ...]:
    """Return how both revisions stand by each limit, for people and for the record."""
    return tuple(_evidence(state.limits, number, limit) for number, limit in enumerate(analysis.metrics))


# ---- taking in -------------------------------------------------------------------------------------------


class _Fold:
    def __init__(self, state: LimitState, limits: Sequence[MetricLimit]) -> None:
        self._limits = limits
        self._standings: dict[_Place, CopyStanding] = {
            (each.limit, each.node_id, each.ordinal, each.is_new): each for each in state.standings
        }
        self._blocks = {(each.limit, each.start_ms): each for each in state.blocks}

    def take(self, place: _Place, limit: MetricLimit, points: Sequence[tuple[int, int]]) -> None:
        for at_ms, value in points:
            before = self._standings.get(place)
            if before is None or at_ms > before.at_ms:
                self._standings[place] = _next(before, place, limit, at_ms, value)
                if limit.ratio_max is not None:
                    self._add(place, limit, at_ms, value)

    def _add(self, place: _Place, limit: MetricLimit, at_ms: int, value: int) -> None:
        number, _, _, is_new = place
        start_ms = at_ms - at_ms % limit.block_ms
        block = self._blocks.get((number, start_ms), RatioBlock(limit=number, start_ms=start_ms))
        if is_new:
            block = replace(block, new_sum=block.new_sum + value, new_count=block.new_count + 1)
        else:
            block = replace(block, old_sum=block.old_sum + value, old_count=block.old_count + 1)
        self._blocks[number, start_ms] = block

    def result(self) -> LimitState:
        newest_ms = max((each.at_ms for each in self._standings.values()), default=0)
        lately = [each for each in self._standings.values() if each.at_ms > newest_ms - FORGOTTEN_MS]
        # Of too many replicas, the new ones that are past their limit longest are those that matter.
        lately.sort(key=lambda each: (not each.is_new, each.since_ms == 0, each.since_ms, _place_of(each)))
        blocks: list[RatioBlock] = []
        for number, limit in enumerate(self._limits):
            mine = sorted(
                (each for each in self._blocks.values() if each.limit == number),
                key=lambda each: each.start_ms,
            )
            # One more than the time takes: the newest has only begun.
            blocks += mine[-(_blocks_needed(limit) + 1) :]
        return LimitState(
            standings=tuple(sorted(lately[:STANDINGS_MAX], key=_place_of)), blocks=tuple(blocks)
        )


def _place_of(standing: CopyStanding) -> _Place:
    return standing.limit, standing.node_id, standing.ordinal, standing.is_new


def _next(
    before: CopyStanding | None, place: _Place, limit: MetricLimit, at_ms: int, value: int
) -> CopyStanding:
    number, node_id, ordinal, is_new = place
    if before is not None and limit.is_count:
        value += before.value
    is_in_a_row = before is not None and before.since_ms > 0 and at_ms - before.at_ms <= GAP_MAX_MS
    since_ms = 0
    if _excess(value, limit) > 0:
        since_ms = before.since_ms if before is not None and is_in_a_row else at_ms
    return CopyStanding(
        limit=number,
        node_id=node_id,
        ordinal=ordinal,
        is_new=is_new,
        at_ms=at_ms,
        value=value,
        since_ms=since_ms,
        samples=1 if before is None else before.samples + 1,
    )


# ---- saying ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ratio:
    old: float
    new: float

    @property
    def value(self) -> float:
        return self.new / self.old


def _blocks_needed(limit: MetricLimit) -> int:
    return max(1, -(-limit.for_ms // limit.block_ms))


def _of(state: LimitState, number: int, *, is_new: bool) -> list[CopyStanding]:
    """The replicas that were measured lately, by one limit."""
    mine = [each for each in state.standings if each.limit == number and each.is_new is is_new]
    newest_ms = max((each.at_ms for each in state.standings), default=0)
    return [each for each in mine if each.at_ms >= newest_ms - GAP_MAX_MS]


def _excess(value: int, limit: MetricLimit) -> float:
    """How far a stored value is past the limit, in the metric's unit; negative while it is not."""
    shown = _shown(value, limit)
    over = shown - limit.max_value if limit.max_value is not None else float("-inf")
    under = limit.min_value - shown if limit.min_value is not None else float("-inf")
    return max(over, under)


def _is_past_long_enough(standing: CopyStanding, limit: MetricLimit) -> bool:
    held_ms = standing.at_ms - standing.since_ms
    return standing.since_ms > 0 and (limit.is_count or held_ms >= limit.for_ms)


def _ratio(state: LimitState, number: int, limit: MetricLimit) -> _Ratio | None:
    """The means over the limit's time, None while there was not so much of both at once."""
    if limit.ratio_max is None:
        return None
    both = [each for each in state.blocks if each.limit == number and each.old_count and each.new_count]
    # The newest block is not over: hosts' samples of one moment come one after another.
    whole = [each for each in both if each.start_ms < max(block.start_ms for block in both)]
    whole = whole[-_blocks_needed(limit) :]
    span_ms = whole[-1].start_ms + limit.block_ms - whole[0].start_ms if whole else 0
    if len(whole) < _blocks_needed(limit) or span_ms != len(whole) * limit.block_ms:
        return None
    scale = BY_NAME[limit.metric].scale
    old = sum(each.old_sum for each in whole) / sum(each.old_count for each in whole) / scale
    new = sum(each.new_sum for each in whole) / sum(each.new_count for each in whole) / scale
    # Anything is infinitely more than nothing, and that says nothing.
    return _Ratio(old=old, new=new) if old > 0 else None


def _evidence(state: LimitState, number: int, limit: MetricLimit) -> LimitEvidence:
    new, old = _of(state, number, is_new=True), _of(state, number, is_new=False)
    found = sum(each.samples for each in new)
    ratio = _ratio(state, number, limit)
    made = LimitEvidence(
        metric=limit.metric,
        unit=BY_NAME[limit.metric].unit,
        text=_few_text(limit, found, "the new revision"),
        samples=found,
        old_worst=_shown(_worst(old, limit).value, limit) if old else None,
        old_mean=_mean(old, limit),
        ratio=None if ratio is None else ratio.value,
    )
    if not new:
        return made
    worst = _worst(new, limit)
    is_past = any(_is_past_long_enough(each, limit) for each in new)
    is_past = is_past or (ratio is not None and limit.ratio_max is not None and ratio.value > limit.ratio_max)
    made = replace(
        made,
        is_past=is_past,
        new_worst=_shown(worst.value, limit),
        new_worst_ordinal=worst.ordinal,
        new_worst_node_id=worst.node_id,
        new_mean=_mean(new, limit),
    )
    is_said = found >= SAMPLES_MIN or is_past
    return replace(made, text=_standing_text(limit, made, worst)) if is_said else made


def _worst(standings: Sequence[CopyStanding], limit: MetricLimit) -> CopyStanding:
    if limit.max_value is None and limit.min_value is None:
        return max(standings, key=lambda each: (each.value, _place_of(each)))
    return max(standings, key=lambda each: (_excess(each.value, limit), _place_of(each)))


def _mean(standings: Sequence[CopyStanding], limit: MetricLimit) -> float | None:
    if not standings:
        return None
    return sum(each.value for each in standings) / len(standings) / BY_NAME[limit.metric].scale


def _shown(value: int, limit: MetricLimit) -> float:
    return value / BY_NAME[limit.metric].scale


def _quantity(value: float, limit: MetricLimit) -> str:
    return quantity(value, BY_NAME[limit.metric].unit)


def _who(standing: CopyStanding) -> str:
    if standing.ordinal == ROUTER:
        return "the new revision through one router"
    return f"replica {standing.ordinal} of the new revision"


def _for(limit: MetricLimit) -> str:
    if limit.is_count or not limit.for_ms:
        return ""
    is_minutes = limit.for_ms % 60_000 == 0
    return f" for {limit.for_ms // 60_000} min" if is_minutes else f" for {limit.for_ms / 1000:g} s"


def _bounds(limit: MetricLimit) -> str:
    bounds = (("max", limit.max_value), ("min", limit.min_value))
    said = [f"{name} {_quantity(value, limit)}" for name, value in bounds if value is not None]
    said += [] if limit.ratio_max is None else [f"ratio_max {limit.ratio_max:g}"]
    return ", ".join(said) + _for(limit)


def _past_text(limit: MetricLimit, standing: CopyStanding) -> str:
    shown = _shown(standing.value, limit)
    is_over = limit.max_value is not None and shown > limit.max_value
    bound = limit.max_value if is_over else limit.min_value
    assert bound is not None
    sign = ">" if is_over else "<"
    compared = f"{_quantity(shown, limit)} {sign} {_quantity(bound, limit)}{_for(limit)}"
    return f"{limit.metric} of {_who(standing)} {compared}"


def _standing_text(limit: MetricLimit, new: LimitEvidence, worst: CopyStanding) -> str:
    said = [f"{limit.metric} of {_who(worst)} {_quantity(_shown(worst.value, limit), limit)}"]
    if new.new_mean is not None and new.new_mean != new.new_worst:
        said.append(f"mean {_quantity(new.new_mean, limit)}")
    if new.old_mean is not None:
        said.append(f"the old revision's mean {_quantity(new.old_mean, limit)}")
    if new.ratio is not None:
        said.append(f"{new.ratio:.3g} times the old one's")
    return f"{', '.join(said)} ({'past ' if new.is_past else ''}{_bounds(limit)})"


def _few_text(limit: MetricLimit, found: int, whose: str) -> str:
    few = "no samples yet" if not found else f"{found} of {SAMPLES_MIN} samples yet"
    return f"{limit.metric} of {whose}: {few} ({_bounds(limit)})"
