"""One answer: which series, of which record, in which steps, made into how many lines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.history.gathering import Gathering
from cluster.metrics.choosing import UNIT_MS, Plan, plan
from cluster.metrics.combining import Lines
from cluster.metrics.grid import series_name
from cluster.metrics.query import (
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
PASS_SERIES = 1_000
"""How many series' open hours are decoded at once where there are more: 3 MiB an hour."""
MANY_SERIES = 12
"""From how many series on reading an hour's rollups of all of them is less than reading their samples."""

_OWN_STATISTIC = {
    MetricType.GAUGE: Statistic.MEAN,
    MetricType.COUNT: Statistic.PER_S,
    MetricType.STATE: Statistic.LAST,
}
_OF_COUNTS = (Statistic.SUM, Statistic.PER_S)

Pair = tuple[Subject, Metric]
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
    if len(pairs) >= MANY_SERIES:
        known.expect_many(_names(pairs))
    begins = oldest({subject.definition.kind for subject, _ in pairs})
    chosen = plan(query, begins)
    reach = _reach(query, known, begins[chosen.resolution])
    _check_work(chosen, len(pairs), reach)
    lines = Lines(query)
    for some in _passes(pairs, known, chosen, reach):
        last_subject = None
        for subject, metric in some:
            if subject is not last_subject:
                known.forget()
                last_subject = subject
            line = _line(query, chosen, reach, known, subject, metric)
            if line is not None:
                lines.add(line)
    kept, left_out = lines.result()
    notes = list(chosen.notes)
    if not pairs:
        notes.append("nothing that is selected has any of these metrics")
    if left_out and query.top is None:
        notes.append(f"{left_out} more series fit: ask for the largest (top), groups, or fewer")
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
        series=kept,
        series_left_out=left_out,
        notes=tuple(notes),
    )


def _passes(
    pairs: Sequence[Pair], known: Gathering, chosen: Plan, reach: tuple[int, int]
) -> Iterator[Sequence[Pair]]:
    """Yield the series to be read, so many at once that what is pending of them has room.

    Those of one host come together, for its batches are of all its series.
    """
    if len(pairs) <= PASS_SERIES:
        yield pairs
        return
    ordered = sorted(pairs, key=lambda pair: pair[0].definition.node_id)
    unit_ms = UNIT_MS[chosen.resolution]
    start_ms, end_ms = reach[0] - reach[0] % unit_ms, -(-reach[1] // unit_ms) * unit_ms
    for first in range(0, len(ordered), PASS_SERIES):
        some = ordered[first : first + PASS_SERIES]
        known.read_pending(_names(some), start_ms, end_ms)
        yield some


def _names(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    names = sorted(series_name(subject.number, metric.number) for subject, metric in pairs)
    return np.array(names, dtype=np.int64)


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
