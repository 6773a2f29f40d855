"""One answer: which series, of which record, in which steps, made into how many lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from cluster.history.gathering import Gathering
from cluster.metrics.choosing import UNIT_MS, Plan, plan
from cluster.metrics.combining import combined, largest
from cluster.metrics.query import (
    SERIES_MAX,
    RangeAnswer,
    RangeQuery,
    Resolution,
    ResultSeries,
    Statistic,
)
from cluster.metrics.resample import (
    DERIVED,
    Steps,
    bounds_of,
    bounds_of_cells,
    steps_of_rollups,
    steps_of_samples,
)
from cluster.model.metrics import BY_NAME, METRICS, STEP_MS, Metric, MetricType, Subject, SubjectKind

VALUES_MAX = 64_000_000
"""How many samples or rollups one question may have to be read: about a second's work."""
READ_SERIES_MAX = 20_000
MANY_SERIES = 12
"""From how many series on reading an hour's rollups of all of them is less than reading their samples."""

_OWN_STATISTIC = {
    MetricType.GAUGE: Statistic.MEAN,
    MetricType.COUNT: Statistic.PER_S,
    MetricType.STATE: Statistic.LAST,
}
_OF_COUNTS = (Statistic.SUM, Statistic.PER_S)

Oldest = Callable[[Collection[SubjectKind]], Mapping[Resolution, int | None]]


def answer(
    query: RangeQuery, subjects: Sequence[Subject], known: Gathering, *, oldest: Oldest
) -> RangeAnswer:
    """Answer `query` about `subjects`. Raises ValueError, in words, for what cannot be asked so."""
    metrics = _metrics(query)
    pairs = [
        (subject, metric)
        for subject in subjects
        for metric in metrics
        if subject.definition.kind in metric.kinds
    ]
    known.many = len(pairs) >= MANY_SERIES
    begins = oldest({subject.definition.kind for subject, _ in pairs})
    chosen = plan(query, begins)
    reach = _reach(query, known, begins[chosen.resolution])
    _check_work(chosen, len(pairs), reach)
    lines = []
    last_subject = None
    for subject, metric in pairs:
        if subject is not last_subject:
            known.forget()
            last_subject = subject
        line = _line(query, chosen, reach, known, subject, metric)
        if line is not None:
            lines.append(line)
    found = combined(lines, query)
    most = SERIES_MAX if query.top is None else query.top
    kept = largest(found, most) if query.top is not None else found[:most]
    notes = list(chosen.notes)
    if not pairs:
        notes.append("nothing that is selected has any of these metrics")
    if len(found) > len(kept) and query.top is None:
        notes.append(f"{len(found) - len(kept)} more series fit: ask for the largest (top), groups, or fewer")
    if known.damaged:
        notes.append("some of the record is damaged on this host and was left out; it is asked of the others")
    if query.statistic is Statistic.P95 and chosen.step_ms > UNIT_MS[chosen.resolution] > STEP_MS:
        notes.append(
            f"p95 of a step is the mean of its {chosen.resolution.value} ones: samples are not kept that long"
        )
    return RangeAnswer(
        times_ms=chosen.first_ms + chosen.step_ms * np.arange(chosen.points, dtype=np.int64),
        step_ms=chosen.step_ms,
        resolution=chosen.resolution,
        series=tuple(kept),
        series_left_out=len(found) - len(kept),
        notes=tuple(notes),
    )


def labels_of(subject: Subject) -> tuple[tuple[str, str], ...]:
    """Return a subject's labels and what else it can be told apart or grouped by."""
    definition = subject.definition
    own = {"node": definition.node_id, "subject": definition.name, "kind": definition.kind.word}
    return tuple(sorted({**dict(definition.labels), **own}.items()))


def _metrics(query: RangeQuery) -> list[Metric]:
    """Return the metrics a query is about. A statistic of counts leaves out all others, but one that is named
    must fit it."""
    names = query.selector.metrics
    wanted = [BY_NAME[name] for name in dict.fromkeys(names)] if names else list(METRICS)
    if query.statistic not in _OF_COUNTS:
        return wanted
    others = [metric.name for metric in wanted if metric.type is not MetricType.COUNT]
    if names and others:
        raise ValueError(
            f"statistic {query.statistic.value}: is of counts, and {others[0]} is a level; use mean, min,"
            " max, p95 or last"
        )
    return [metric for metric in wanted if metric.type is MetricType.COUNT]


def _reach(query: RangeQuery, known: Gathering, begins_ms: int | None) -> tuple[int, int]:
    """Return the part of the range, [start, end) in ms, in which anything can be."""
    if begins_ms is None:
        return query.start_ms, query.start_ms
    start_ms = max(query.start_ms, begins_ms)
    return start_ms, max(start_ms, min(query.end_ms, known.newest_end_ms))


def _check_work(chosen: Plan, series: int, reach: tuple[int, int]) -> None:
    length_ms = reach[1] - reach[0]
    values = series * (length_ms // UNIT_MS[chosen.resolution])
    if values > VALUES_MAX or series > READ_SERIES_MAX:
        raise ValueError(
            f"{series} series over {length_ms // 1000} s are up to {values} values of the"
            f" {chosen.resolution.value} record, more than one question may read ({VALUES_MAX}, of"
            f" {READ_SERIES_MAX} series): name a metric, fewer subjects, a shorter range, or a coarser"
            " resolution"
        )


def _line(
    query: RangeQuery,
    chosen: Plan,
    reach: tuple[int, int],
    known: Gathering,
    subject: Subject,
    metric: Metric,
) -> ResultSeries | None:
    """Return one series of the answer, None where nothing was measured in the range."""
    statistic = query.statistic or _OWN_STATISTIC[metric.type]
    steps = _steps(query, chosen, reach, known, (subject.number, metric.number), statistic)
    if steps is None:
        return None
    scale = 1 if statistic is Statistic.COUNT else metric.scale
    unit = metric.unit
    if statistic in DERIVED:
        unit = "count" if statistic is Statistic.COUNT else "1/s"
    return ResultSeries(
        metric=metric.name,
        unit=unit,
        labels=labels_of(subject),
        values=steps.values / scale,
        low=None if steps.low is None else steps.low / metric.scale,
        high=None if steps.high is None else steps.high / metric.scale,
        subject=subject.number,
    )


def _steps(
    query: RangeQuery,
    chosen: Plan,
    reach: tuple[int, int],
    known: Gathering,
    series: tuple[int, int],
    statistic: Statistic,
) -> Steps | None:
    unit_ms = UNIT_MS[chosen.resolution]
    if chosen.resolution is not Resolution.RAW:
        gather = known.hourly if chosen.resolution is Resolution.HOURLY else known.daily
        rollups = gather(*series, reach[0] // unit_ms, -(-reach[1] // unit_ms))
        if not len(rollups):
            return None
        bounds = bounds_of(rollups.slots * unit_ms, chosen.first_ms, chosen.step_ms, chosen.points)
        return steps_of_rollups(rollups, bounds, statistic, with_band=query.with_band)
    first, last = -(-reach[0] // STEP_MS), -(-reach[1] // STEP_MS)
    held = known.samples(*series, first, last)
    if not held.present.any():
        return None
    edges = chosen.first_ms, chosen.step_ms, chosen.points
    bounds = bounds_of_cells(held.present, first * STEP_MS, STEP_MS, edges)
    return steps_of_samples(
        held.present_values(), bounds, statistic, step_s=held.step_s, with_band=query.with_band
    )
