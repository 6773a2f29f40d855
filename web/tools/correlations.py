"""What else moved while something moved: a stretch of time that somebody chose, over all that is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cluster.analytics.correlation import (
    BEFORE_MIN,
    BEFORE_TIMES,
    STRETCH_MIN,
    Movement,
    find_movements,
)
from cluster.analytics.series import DAY_MS, HOUR_MS, Values
from cluster.analytics.watched import WATCHED
from cluster.metrics.query import RangeQuery, Resolution, Selector
from cluster.model.metrics import BY_NAME, STEP_MS, MetricType, Subject, SubjectKind
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.analytics_data import find_metric
from web.tools.analytics_views import rounded
from web.tools.context import Context
from web.tools.measured import find_seen_series, measured_by
from web.tools.metric_history import adds_up
from web.tools.nodes import node_names
from web.tools.times import parse_since

READ = "metrics.read"
RAW_MS = 7 * DAY_MS
"""How long the record of every sample is kept; before that there are hours."""
STRETCH_MAX_MS = 60 * DAY_MS
STEPS = 30
"""Into so many steps a stretch is cut: fewer say too little, more cost without saying more."""
SERIES_MAX = 3_000
SHOWN = 40
_SUBJECTS_A_QUERY = 24
_ALSO = ("cpu_user_percent", "cpu_system_percent", "latency_p50_ms", "latency_p99_ms", "pids", "queue_depth")
METRICS = (*WATCHED, *_ALSO)
"""What is looked at: what is watched for anomalies, and parts of it that say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedView:
    """A series that was otherwise in the stretch than before it.

    `direction` is rise, fall or spread. `before` and `during` are medians in `unit`; `percent` is their
    difference, null from nothing. `follows` is the rank correlation with the series that was asked about, -1
    to 1, when this one is `lag_ms` later (negative: earlier). `score`, 0 to 1, is what they are ranked by.
    `values` are over the answer's times.
    """

    subject: int
    kind: str
    name: str
    node: str
    node_id: str
    key: str
    service: str
    metric: str
    unit: str
    direction: str
    score: float
    p_value: float
    before: float
    during: float
    percent: float | None
    effect: float | None
    follows: float | None
    lag_ms: int
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationsView:
    """What moved from `start_ms` to `end_ms`, held against the time before from `before_ms` on, the surest
    first. `series` says how many were looked at; `notes` what was not."""

    before_ms: int
    start_ms: int
    end_ms: int
    step_ms: int
    times_ms: tuple[int, ...]
    series: int
    moved: tuple[MovedView, ...]
    notes: tuple[str, ...]


async def find_correlations(
    context: Context,
    call: Call,
    *,
    since: str,
    until: str,
    subject: str = "",
    metric: str = "",
    limit: int = SHOWN,
) -> CorrelationsView:
    """Return what moved between two moments; of `subject` and `metric`, if given, how closely it followed.

    Raises Problem (404, 422).
    """
    await context.authority.admit(call, READ, "metrics")
    sees = await measured_by(context, call)
    now_ms = context.surroundings.clock.now_ms()
    end_ms = min(now_ms, parse_since(until, now_ms=now_ms, field="until") if until else now_ms)
    start_ms = parse_since(since, now_ms=end_ms)
    step_ms = _step_of(start_ms, end_ms, now_ms)
    names = node_names(context.surroundings)
    history = context.surroundings.history
    first_ms = start_ms - start_ms % step_ms - BEFORE_TIMES * STEPS * step_ms
    first_ms = max(
        first_ms, start_ms - start_ms % step_ms - BEFORE_TIMES * _whole(end_ms - start_ms, step_ms)
    )
    times = np.arange(first_ms, end_ms, step_ms, dtype=np.int64)
    first = int((start_ms - start_ms % step_ms - first_ms) // step_ms)
    subjects = [
        each
        for each in await history.subjects(
            Selector(
                kinds=(SubjectKind.HOST, SubjectKind.CONTAINER, SubjectKind.DISK, SubjectKind.ROUTE),
            )
        )
        # A subject says to within a day when it was last measured.
        if each.seen_ms >= start_ms - DAY_MS and (sees is None or sees(each))
    ]
    subjects.sort(key=lambda each: (-each.seen_ms, each.number))
    places, rows, notes = await _read(context, subjects, times, step_ms)
    focus = await _focus(context, call, subject, metric, times, step_ms)
    async with context.analysing:
        moved = await asyncio.to_thread(find_movements, rows, first, focus=focus, most=limit)
    by_number = {each.number: each for each in subjects}
    return CorrelationsView(
        before_ms=first_ms,
        start_ms=start_ms,
        end_ms=end_ms,
        step_ms=step_ms,
        times_ms=tuple(times.tolist()),
        series=len(rows),
        moved=tuple(
            _moved_view(each, by_number[places[each.place][0]], places[each.place][1], rows, names, step_ms)
            for each in moved
        ),
        notes=notes,
    )


def _whole(span_ms: int, step_ms: int) -> int:
    return -(-span_ms // step_ms) * step_ms


def _step_of(start_ms: int, end_ms: int, now_ms: int) -> int:
    """Return the length of a step. Raises Problem for a stretch that cannot be judged."""
    span_ms = end_ms - start_ms
    least_ms = STEP_MS if start_ms - BEFORE_TIMES * span_ms >= now_ms - RAW_MS else HOUR_MS
    if span_ms < STRETCH_MIN * least_ms:
        hint = "a longer stretch; of more than a week ago only hours are kept"
        raise invalid(
            "since", f"at least {STRETCH_MIN} values: {STRETCH_MIN * least_ms // 1000} s", hint=hint
        )
    if span_ms > STRETCH_MAX_MS:
        raise invalid("since", "at most 60 days before until")
    return _whole(max(least_ms, span_ms // STEPS), least_ms)


async def _read(
    context: Context,
    subjects: Sequence[Subject],
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    step_ms: int,
) -> tuple[list[tuple[int, str]], list[Values], tuple[str, ...]]:
    """What of these subjects was measured, on the grid: (subject, metric) and values of each series."""
    places: list[tuple[int, str]] = []
    rows: list[Values] = []
    notes: list[str] = []
    # Counts are rates here, so that a step that is not over yet is no drop.
    for begin in range(0, len(subjects), _SUBJECTS_A_QUERY):
        some = subjects[begin : begin + _SUBJECTS_A_QUERY]
        answer = await context.surroundings.history.query(
            RangeQuery(
                selector=Selector(metrics=METRICS, subjects=tuple(each.number for each in some)),
                start_ms=int(times[0]),
                end_ms=int(times[-1]) + step_ms,
                step_ms=step_ms,
                resolution=Resolution.HOURLY if step_ms % HOUR_MS == 0 else Resolution.RAW,
            )
        )
        notes += answer.notes
        for series in answer.series:
            row = _on_grid(times, answer.times_ms, series.values, step_ms)
            if series.subject is not None and np.count_nonzero(np.isfinite(row)) >= BEFORE_MIN:
                places.append((series.subject, series.metric))
                rows.append(row)
        if len(rows) >= SERIES_MAX and begin + len(some) < len(subjects):
            left = len(subjects) - begin - len(some)
            notes.append(f"{left} things that were measured longer ago were not looked at")
            break
    return places, rows, tuple(dict.fromkeys(notes))


async def _focus(
    context: Context,
    call: Call,
    subject: str,
    metric: str,
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    step_ms: int,
) -> Values | None:
    """The series that is asked about: of several subjects their sum, or the mean of what does not add up."""
    name = find_metric(metric)
    if not name:
        return None
    selector = await find_seen_series(context, call, subject, metrics=(name,))
    answer = await context.surroundings.history.query(
        RangeQuery(
            selector=selector,
            start_ms=int(times[0]),
            end_ms=int(times[-1]) + step_ms,
            step_ms=step_ms,
            resolution=Resolution.HOURLY if step_ms % HOUR_MS == 0 else Resolution.RAW,
        )
    )
    rows = [_on_grid(times, answer.times_ms, each.values, step_ms) for each in answer.series]
    if not rows:
        return None
    together = np.stack(rows)
    known = np.isfinite(together)
    total = np.where(known, together, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.where(count > 0, total if adds_up(name) else total / np.maximum(count, 1), np.nan)


def _on_grid(
    times: np.ndarray[tuple[int], np.dtype[np.int64]],
    answered: np.ndarray[tuple[int], np.dtype[np.int64]],
    values: Values,
    step_ms: int,
) -> Values:
    found = np.full(len(times), np.nan)
    where = (answered - times[0]) // step_ms
    inside = (where >= 0) & (where < len(times))
    found[where[inside]] = values[inside]
    return found


def _moved_view(
    movement: Movement,
    subject: Subject,
    metric: str,
    rows: Sequence[Values],
    names: dict[str, str],
    step_ms: int,
) -> MovedView:
    definition = subject.definition
    known = BY_NAME[metric]
    return MovedView(
        subject=subject.number,
        kind=definition.kind.word,
        name=definition.name or names.get(definition.node_id, definition.node_id),
        node=names.get(definition.node_id, definition.node_id),
        node_id=definition.node_id,
        key=definition.key,
        service=definition.label("service"),
        metric=metric,
        unit=f"{known.unit}/s" if known.type is MetricType.COUNT else known.unit,
        direction=movement.direction.value,
        score=round(movement.score, 3),
        p_value=rounded(movement.p_value, 2) or 0.0,
        before=rounded(movement.before) or 0.0,
        during=rounded(movement.during) or 0.0,
        percent=(
            None
            if movement.before == 0
            else rounded(100 * (movement.during - movement.before) / abs(movement.before), 3)
        ),
        effect=rounded(movement.effect, 3),
        follows=rounded(movement.follows, 2),
        lag_ms=movement.lag * step_ms,
        values=tuple(rounded(float(value)) for value in rows[movement.place]),
    )
