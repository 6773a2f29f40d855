"""Whether something rises or falls, where it will be, and when it is used up."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from cluster.analytics.exhaustion import find_exhaustion
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_trend import Topic, tell_exhaustion, tell_trend
from cluster.analytics.series import Hourly
from cluster.analytics.trend import find_trend
from cluster.model.metrics import SubjectKind
from web.auth.call import Call
from web.tools.analytics_data import Hours, Scope, bounds_of, find_metric, find_scope, read_hours, unit_of
from web.tools.analytics_views import TrendView, analysed_view, exhaustion_view, level_view, rounded
from web.tools.context import Context

READ = "metrics.read"
_LIMITS = {
    "memory_bytes": ("memory_limit_bytes", 90.0),
    "disk_used_bytes": ("disk_size_bytes", 100.0),
    "inodes_used": ("inodes_max", 100.0),
}
"""Which metric is a metric's limit, and which share of it is trouble already."""
_CPU_SHARE = 90.0


async def get_trend(
    context: Context,
    call: Call,
    reference: str,
    *,
    metric: str = "",
    at_percent: float | None = None,
    language: Language = Language.EN,
) -> TrendView:
    """Return the trend of a metric of what `reference` names, its memory for example, over 30 days.

    `at_percent` is the share of its limit (memory 90, disks 100, if not given) that counts as used up.
    Raises Problem (404, 409, 422).
    """
    await context.authority.admit(call, READ, "metrics")
    name = find_metric(metric)
    scope = await find_scope(context, reference, name, seen_by=call)
    name = name or scope.default_metric
    hours = await read_hours(context, [scope], metrics_for_trend(name))
    async with context.analysing:
        return await asyncio.to_thread(trend_view, scope, hours, name, at_percent, language)


def metrics_for_trend(metric: str) -> list[str]:
    """Return what has to be read for the trend of a metric."""
    return [metric, _LIMITS[metric][0]] if metric in _LIMITS else [metric]


def trend_view(
    scope: Scope, hours: Hours, metric: str, at_percent: float | None, language: Language
) -> TrendView:
    """Return the trend of a metric that has been read."""
    series = hours.of(scope, metric)
    unit = unit_of(metric)
    topic = Topic(name=scope.name, metric=metric, unit=unit)
    floor, ceiling = bounds_of(scope, metric)
    limit, usual_percent = limit_of(scope, hours, metric)
    trend = find_trend(series, floor=floor, ceiling=most_of(scope, ceiling, limit))
    share = usual_percent if at_percent is None else at_percent
    found = find_exhaustion(series, None if limit is None else limit * share / 100)
    found = replace(found, limit=limit)
    levels = {level.days_ahead: level_view(level) for level in trend.levels}
    of_end: tuple[str, ...] = ()
    if series.hours_known and (limit is not None or metric in _LIMITS):
        of_end = tell_exhaustion(language, topic, found, share)
    return TrendView(
        subject=analysed_view(scope),
        metric=metric,
        unit=unit,
        verdict=trend.verdict.value,
        confidence=rounded(trend.confidence, 2),
        p_value=rounded(trend.p_value, 2),
        days_known=trend.days_known,
        days_needed=trend.days_needed,
        level=rounded(trend.level),
        per_day=rounded(trend.per_day, 3),
        percent_per_day=rounded(trend.percent_per_day, 3),
        percent_last_week=rounded(trend.percent_last_week, 3),
        next_week=levels.get(7),
        next_month=levels.get(30),
        exhaustion=exhaustion_view(found, share, limit, series.end_ms, of_end),
        said=(*tell_trend(language, topic, trend), *of_end),
        notes=notes_of(hours, series),
    )


def limit_of(scope: Scope, hours: Hours, metric: str) -> tuple[float | None, float]:
    """Return the newest limit of a metric, None where none is known, and the share of it that is trouble."""
    if metric == "cpu_percent" and scope.kind is SubjectKind.HOST:
        return 100.0, _CPU_SHARE
    if metric not in _LIMITS:
        return None, 100.0
    limiting, share = _LIMITS[metric]
    known = hours.of(scope, limiting).values
    known = known[np.isfinite(known) & (known > 0)]
    return (float(known[-1]) if len(known) else None), share


def most_of(scope: Scope, ceiling: float | None, limit: float | None) -> float | None:
    """Return what cannot be passed: a host and its file systems have what they have, a container may get a
    higher limit."""
    return ceiling if limit is None or scope.kind is SubjectKind.CONTAINER else limit


def notes_of(hours: Hours, *series: Hourly) -> tuple[str, ...]:
    """Return what the history could not show, and how much of it was no measurement."""
    left_out = sum(each.left_out for each in series)
    more = (f"{left_out} values were left out: from the future, or absurdly large",) if left_out else ()
    return (*hours.notes, *more)
