"""Of which record a question is answered, and in which steps.

The record is the finest that still holds the whole range, unless a coarser one gives the very same numbers
with less to read: least, most, mean, last, sum, count and rate of whole hours are exact in the hourly record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.metrics.grid import DAY_MS, HOUR_MS
from cluster.metrics.query import POINTS_MAX, RangeQuery, Resolution, Statistic
from cluster.model.metrics import STEP_MS

UNIT_MS = {Resolution.RAW: STEP_MS, Resolution.HOURLY: HOUR_MS, Resolution.DAILY: DAY_MS}
"""The smallest step each record can give."""
_ALIGNED_FROM = 16
"""From how many points on steps lie on multiples of their length, so that a chart whose range moves on does
not flicker. Fewer would each reach far beyond the range."""
_TRIES = 32
_FINEST_FIRST = (Resolution.RAW, Resolution.HOURLY, Resolution.DAILY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`points` steps of `step_ms` from `first_ms` on. `notes` say what cannot be shown."""

    resolution: Resolution
    step_ms: int
    first_ms: int
    points: int
    notes: tuple[str, ...] = ()

    @property
    def end_ms(self) -> int:
        return self.first_ms + self.points * self.step_ms


def plan(query: RangeQuery, oldest_ms: Mapping[Resolution, int | None]) -> Plan:
    """Return how `query` is answered where the records begin at `oldest_ms`; None is an empty one.

    Raises ValueError, with the next step, for more points than there may be, and for a step that is smaller
    than what the record asked for has.
    """
    resolution = query.resolution or _record(query, oldest_ms)
    unit_ms = UNIT_MS[resolution]
    step_ms, first_ms = _grid(query, resolution)
    points = -(-(query.end_ms - first_ms) // step_ms)
    if points > POINTS_MAX:
        needed_ms = smallest_step_ms(query.start_ms, query.end_ms, POINTS_MAX, unit_ms)
        raise ValueError(
            f"step {step_ms} ms: {points} points over this range, and an answer has at most {POINTS_MAX}; use"
            f" a step of at least {needed_ms} ms, or none"
        )
    notes = _what_is_gone(query, resolution, oldest_ms)
    return Plan(resolution=resolution, step_ms=step_ms, first_ms=first_ms, points=points, notes=notes)


def _what_is_gone(
    query: RangeQuery, resolution: Resolution, oldest_ms: Mapping[Resolution, int | None]
) -> tuple[str, ...]:
    unit_ms = UNIT_MS[resolution]
    held = [ms for ms in oldest_ms.values() if ms is not None]
    begins_ms = oldest_ms[resolution]
    if begins_ms is None:
        begins_ms = query.end_ms
    if not held or min(held) >= begins_ms or query.start_ms >= begins_ms - begins_ms % unit_ms:
        return ()
    return (
        f"of before {begins_ms} the {resolution.value} record has nothing any more: only a coarser one has,"
        " for which a larger step must be asked",
    )


def _grid(query: RangeQuery, resolution: Resolution) -> tuple[int, int]:
    """Return the step and where the first one begins."""
    unit_ms = UNIT_MS[resolution]
    if query.step_ms is None and query.points_max < _ALIGNED_FROM:
        first_ms = query.start_ms - query.start_ms % unit_ms
        return -(-(query.end_ms - first_ms) // (query.points_max * unit_ms)) * unit_ms, first_ms
    step_ms = query.step_ms or smallest_step_ms(query.start_ms, query.end_ms, query.points_max, unit_ms)
    if step_ms % unit_ms and resolution is not Resolution.RAW:
        raise ValueError(
            f"step {step_ms} ms: of the {resolution.value} record a multiple of {unit_ms} ms can be asked for"
        )
    return step_ms, query.start_ms - query.start_ms % step_ms


def smallest_step_ms(start_ms: int, end_ms: int, points_max: int, unit_ms: int) -> int:
    """Return the smallest multiple of `unit_ms` whose multiples cut the range into at most `points_max`
    pieces, of which there are at least two; or one a little larger."""
    least = max(1, -(-(end_ms - start_ms) // (points_max * unit_ms)))
    for step_ms in range(least * unit_ms, (least + _TRIES) * unit_ms, unit_ms):
        if -(-end_ms // step_ms) - start_ms // step_ms <= points_max:
            return step_ms
    # A range of n steps touches n + 1 of them at most.
    return max(1, -(-(end_ms - start_ms) // ((points_max - 1) * unit_ms))) * unit_ms


def _record(query: RangeQuery, oldest_ms: Mapping[Resolution, int | None]) -> Resolution:
    held = {each: ms for each, ms in oldest_ms.items() if ms is not None}
    if not held:
        return Resolution.RAW
    # Where nothing is older, the beginning of the range is nobody's to hold.
    from_ms = max(query.start_ms, min(held.values()))
    whole = [each for each in _FINEST_FIRST if each in held and held[each] <= from_ms]
    if query.step_ms is not None:
        fitting = [each for each in held if each is Resolution.RAW or query.step_ms % UNIT_MS[each] == 0] or [
            Resolution.RAW
        ]
        whole = [each for each in whole if each in fitting]
        if not whole:
            return max(fitting, key=lambda each: (-held.get(each, 0), -UNIT_MS[each]))
    finest = whole[0]
    step_ms = query.step_ms or -(-(query.end_ms - query.start_ms) // query.points_max)
    for coarser in reversed(whole):
        is_exact = query.statistic is not Statistic.P95 or coarser is finest
        if is_exact and _divides(UNIT_MS[coarser], query, step_ms):
            return coarser
    return finest


def _divides(unit_ms: int, query: RangeQuery, step_ms: int) -> bool:
    """Whether steps of whole units show the range as finely as was asked, with nothing cut at its ends.

    Without a step of its own a question only wants few points: steps of whole units will do where rounding up
    to them loses little.
    """
    if query.step_ms is not None:
        return step_ms % unit_ms == 0 and query.start_ms % unit_ms == 0
    return step_ms >= 4 * unit_ms
