"""The history of what is measured: questions over time, what they can be of, and how much is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.query import (
    GROUP_LABELS,
    Aggregation,
    RangeAnswer,
    RangeQuery,
    Resolution,
    ResultSeries,
    Selector,
    Statistic,
)
from cluster.model.metrics import BY_NAME, STEP_MS, MetricType, Subject
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.context import Context
from web.tools.listing import Page, page_of
from web.tools.measured import find_metrics, find_seen_series, find_series, measured_by
from web.tools.nodes import node_names
from web.tools.times import parse_since, parse_span

CELLS_MAX = 200_000
"""Series times points of one answer: some megabytes of JSON."""
_DIGITS = 6
_LATELY_MS = 10 * 60_000
_SEEN_SUBJECTS = 500
_ALWAYS_MEASURED = (
    "cpu_percent",
    "memory_bytes",
    "disk_used_bytes",
    "requests",
    "temperature_celsius",
    "value",
)
"""Every kind of subject has one of these whenever anything of it is measured."""
_GROUPS = {"host": "node", "container": "subject", "disk": "subject"}
"""What people say for a label to group by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryWish:
    """What is asked for, in words; "" leaves it to the answer.

    `subject` as `web.tools.measured.find_series` takes it; `metric` and `by` are lists separated by commas.
    `since` and `until` are spans before now or moments, `step` is a span.
    """

    subject: str = ""
    metric: str = ""
    kind: str = ""
    node: str = ""
    since: str = "1h"
    until: str = ""
    step: str = ""
    points: int = 300
    statistic: Statistic | None = None
    aggregation: Aggregation | None = None
    quantile: float | None = None
    by: str = ""
    top: int | None = None
    resolution: Resolution | None = None
    band: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySeries:
    """One line over the answer's times, in `unit`; null where nothing was measured.

    `labels` say what it is of, hosts by their names; `title` says it in a few words. `subject` is null for
    several together; `low` and `high` are null when no band was asked for.
    """

    title: str
    metric: str
    unit: str
    subject: int | None
    labels: Mapping[str, str]
    least: float | None
    mean: float | None
    most: float | None
    last: float | None
    values: tuple[float | None, ...]
    low: tuple[float | None, ...] | None = None
    high: tuple[float | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsHistoryView:
    """Series over the same times, each the beginning of `step_ms`.

    `resolution` is the record it was made of, `aggregation` how series became one. `series_left_out` says how
    many more there were; `notes` what the answer cannot show.
    """

    start_ms: int
    end_ms: int
    step_ms: int
    resolution: Resolution
    aggregation: Aggregation | None
    times_ms: tuple[int, ...]
    series: tuple[HistorySeries, ...]
    series_left_out: int
    notes: tuple[str, ...]


async def get_metrics_history(context: Context, call: Call, wish: HistoryWish) -> MetricsHistoryView:
    """Return series from this host's record of all hosts. Raises Problem."""
    await context.authority.admit(call, "metrics.read", "metrics")
    now_ms = context.surroundings.clock.now_ms()
    metrics = find_metrics(wish.metric)
    end_ms = parse_since(wish.until, now_ms=now_ms, field="until") if wish.until else now_ms
    start_ms = parse_since(wish.since, now_ms=end_ms)
    groups = _groups(wish.by)
    aggregation = wish.aggregation
    if aggregation is None and groups:
        aggregation = Aggregation.SUM if all(map(adds_up, metrics)) and metrics else Aggregation.MEAN
    selector = await find_seen_series(
        context, call, wish.subject, metrics=metrics, kind=wish.kind, node=wish.node
    )
    try:
        query = RangeQuery(
            selector=selector,
            start_ms=start_ms,
            end_ms=end_ms,
            step_ms=parse_span(wish.step, field="step") if wish.step else None,
            points_max=wish.points,
            resolution=wish.resolution,
            statistic=wish.statistic,
            aggregation=aggregation,
            quantile=wish.quantile,
            group_by=groups,
            top=wish.top,
            with_band=wish.band,
        )
        answer = await context.surroundings.history.query(query)
    except ValueError as error:
        raise Problem("invalid", str(error)) from error
    if len(answer.series) * len(answer.times_ms) > CELLS_MAX:
        raise invalid(
            "points",
            f"{len(answer.series)} series of {len(answer.times_ms)} points are more than {CELLS_MAX} values:"
            " ask for fewer points, a longer step, or the top few series",
        )
    names = node_names(context.surroundings)
    return await asyncio.to_thread(_view, query, answer, names)


def adds_up(metric: str) -> bool:
    """Whether the figures of several subjects make a sum that means something: shares of one's own time,
    temperatures, latencies and states do not."""
    known = BY_NAME[metric]
    if known.type is MetricType.STATE or known.unit in ("ms", "celsius"):
        return False
    return known.unit != "percent" or known.name == "cpu_percent"


def _groups(by: str) -> tuple[str, ...]:
    words = [word for word in (part.strip() for part in by.split(",")) if word]
    groups = tuple(dict.fromkeys(_GROUPS.get(word, word) for word in words))
    for group in groups:
        if group not in GROUP_LABELS:
            known = ", ".join((*GROUP_LABELS, *_GROUPS))
            raise invalid("by", f"nothing to group by; there are {known}", value=group[:80])
    return groups


def _view(query: RangeQuery, answer: RangeAnswer, names: Mapping[str, str]) -> MetricsHistoryView:
    return MetricsHistoryView(
        start_ms=query.start_ms,
        end_ms=query.end_ms,
        step_ms=answer.step_ms,
        resolution=answer.resolution,
        aggregation=query.aggregation,
        times_ms=tuple(answer.times_ms.tolist()),
        series=tuple(_series(each, names) for each in answer.series),
        series_left_out=answer.series_left_out,
        notes=answer.notes,
    )


def _series(series: ResultSeries, names: Mapping[str, str]) -> HistorySeries:
    labels = dict(series.labels)
    if "node" in labels:
        labels["node"] = names.get(labels["node"], labels["node"])
    known = series.values[~np.isnan(series.values)]
    figures = (known.min(), known.mean(), known.max(), known[-1]) if len(known) else (None,) * 4
    least, mean, most, last = (None if each is None else shortened(float(each)) for each in figures)
    return HistorySeries(
        title=series_title(labels),
        metric=series.metric,
        unit=series.unit,
        subject=series.subject,
        labels=labels,
        least=least,
        mean=mean,
        most=most,
        last=last,
        values=_numbers(series.values),
        low=None if series.low is None else _numbers(series.low),
        high=None if series.high is None else _numbers(series.high),
    )


def series_title(labels: Mapping[str, str]) -> str:
    """Return what a series is of, in a few words: what it is called, and on which host."""
    node = labels.get("node", "")
    name = next((labels[key] for key in ("subject", "service", "project") if labels.get(key)), "")
    if name and node and name != node:
        return f"{name} on {node}"
    return name or node or ", ".join(f"{key} {value}" for key, value in labels.items()) or "all"


def _numbers(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    return tuple(None if value != value else shortened(value) for value in values.tolist())


def shortened(value: float) -> float:
    """Return a figure with the digits a reader can use."""
    return float(f"{value:.{_DIGITS}g}")


# ---- what is measured -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredView:
    """Something that is, or was, measured. `metrics` are those its kind has."""

    subject: int
    kind: str
    name: str
    key: str
    node: str
    node_id: str
    labels: Mapping[str, str]
    created_at_ms: int
    seen_at_ms: int
    metrics: tuple[str, ...]


async def list_measured(
    context: Context, call: Call, *, kind: str, node: str, text: str, cursor: str | None, limit: int
) -> Page[MeasuredView]:
    """Return what is measured by host, kind and name; `text` is part of a name, a service or a key."""
    await context.authority.admit(call, "metrics.read", "metrics")
    selector = await find_series(context, "", kind=kind, node=node)
    found = await context.surroundings.history.subjects(
        Selector(kinds=selector.kinds, node_ids=selector.node_ids)
    )
    sees = await measured_by(context, call)
    if sees is not None:
        found = [each for each in found if sees(each)]
    names = node_names(context.surroundings)
    views = [_measured(each, names) for each in found if not text or _says(each, text.lower())]
    page = page_of(
        views,
        key=lambda view: (view.node, view.kind, view.name, view.subject),
        cursor=cursor,
        limit=limit,
    )
    seen_ms = await _seen_lately(context, [view.subject for view in page.items])
    items = tuple(
        replace(view, seen_at_ms=max(view.seen_at_ms, seen_ms.get(view.subject, 0))) for view in page.items
    )
    return replace(page, items=items)


async def _seen_lately(context: Context, subjects: Sequence[int]) -> dict[int, int]:
    """When each of these was last measured, of those that were in the last minutes.

    A subject itself says so to within a day only: what every host does every minute is not written down for
    each of its subjects.
    """
    now_ms = context.surroundings.clock.now_ms()
    found: dict[int, int] = {}
    for begin in range(0, len(subjects), _SEEN_SUBJECTS):
        answer = await context.surroundings.history.query(
            RangeQuery(
                selector=Selector(
                    metrics=_ALWAYS_MEASURED, subjects=tuple(subjects[begin : begin + _SEEN_SUBJECTS])
                ),
                start_ms=now_ms - _LATELY_MS,
                end_ms=now_ms,
                step_ms=STEP_MS,
                resolution=Resolution.RAW,
                statistic=Statistic.LAST,
            )
        )
        for one in answer.series:
            known = np.flatnonzero(np.isfinite(one.values))
            if one.subject is not None and len(known):
                at_ms = int(answer.times_ms[known[-1]])
                found[one.subject] = max(at_ms, found.get(one.subject, 0))
    return found


def _says(subject: Subject, text: str) -> bool:
    definition = subject.definition
    words = (definition.name, definition.key, *(value for _, value in definition.labels))
    return any(text in word.lower() for word in words)


def _measured(subject: Subject, names: Mapping[str, str]) -> MeasuredView:
    definition = subject.definition
    return MeasuredView(
        subject=subject.number,
        kind=definition.kind.word,
        name=definition.name,
        key=definition.key,
        node=names.get(definition.node_id, definition.node_id),
        node_id=definition.node_id,
        labels=dict(definition.labels),
        created_at_ms=subject.created_ms,
        seen_at_ms=subject.seen_ms,
        metrics=tuple(metric.name for metric in BY_NAME.values() if definition.kind in metric.kinds),
    )


# ---- how much is kept -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange:
    """From, and up to but without."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingView:
    """The answering host's record. `oldest_ms` by resolution, null where there is nothing yet.

    `missing` is what it knows it has not got and asks other hosts for; `damaged` how many pieces could not
    be read. `shortened_to_ms` names the records that are kept for shorter than was set, for want of room, and
    from when on. `waiting` counts blocks of its own samples that the cluster has not got yet, `lost` those
    that will not be in the record: refused, given up, or of a clock that was set back.
    """

    node: str
    bytes_used: int
    bytes_max: int
    subjects: int
    oldest_ms: Mapping[str, int | None]
    missing: tuple[TimeRange, ...]
    damaged: int
    shortened_to_ms: Mapping[str, int]
    waiting: int
    lost: int


async def get_history_standing(context: Context, call: Call) -> StandingView:
    """Return what the answering host keeps."""
    await context.authority.require(call, "metrics.read", "metrics")
    surroundings = context.surroundings
    standing = await surroundings.history.standing()
    node_id = surroundings.cluster.node_id
    return StandingView(
        node=node_names(surroundings).get(node_id, node_id),
        bytes_used=standing.bytes_used,
        bytes_max=standing.bytes_max,
        subjects=standing.subjects,
        oldest_ms={each.value: standing.oldest_ms.get(each) for each in Resolution},
        missing=tuple(TimeRange(start_ms=start, end_ms=end) for start, end in standing.missing),
        damaged=standing.damaged,
        shortened_to_ms={each.value: at_ms for each, at_ms in standing.shortened_to_ms.items()},
        waiting=standing.waiting,
        lost=standing.lost,
    )
