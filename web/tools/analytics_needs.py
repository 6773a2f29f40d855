"""What something will need: the next day by the hour, and a day's typical and worst hours later on."""

from __future__ import annotations

import asyncio

import numpy as np

from cluster.analytics.forecast import HourlyPath, forecast_day
from cluster.analytics.levels import Level, forecast_levels
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_trend import Topic, tell_levels, tell_path, tell_reservation
from cluster.analytics.series import to_daily
from cluster.model.metrics import SubjectKind
from web.auth.call import Call
from web.tools.analytics_data import Hours, Scope, bounds_of, find_metric, find_scope, read_hours, unit_of
from web.tools.analytics_trend import READ, limit_of, metrics_for_trend, most_of, notes_of
from web.tools.analytics_views import (
    NeedsView,
    NeedView,
    PathView,
    analysed_view,
    level_view,
    rounded,
    rounded_all,
)
from web.tools.context import Context

WORST = 0.95
_RESOURCES = {
    SubjectKind.HOST: ("cpu_percent", "memory_bytes"),
    SubjectKind.CONTAINER: ("cpu_percent", "memory_bytes"),
}


async def predict_needs(
    context: Context, call: Call, reference: str, *, metric: str = "", language: Language = Language.EN
) -> NeedsView:
    """Return what will be needed of a metric; without one, of processor and memory.

    Raises Problem (404, 409, 422).
    """
    await context.authority.admit(call, READ, "metrics")
    name = find_metric(metric)
    scope = await find_scope(context, reference, name, seen_by=call)
    names = (name,) if name else _RESOURCES.get(scope.kind, (scope.default_metric,))
    read = [each for name in names for each in metrics_for_trend(name)]
    hours = await read_hours(context, [scope], read)
    async with context.analysing:
        return await asyncio.to_thread(_view, scope, hours, names, language)


def _view(scope: Scope, hours: Hours, metrics: tuple[str, ...], language: Language) -> NeedsView:
    return NeedsView(
        subject=analysed_view(scope),
        needs=tuple(need_view(scope, hours, metric, language) for metric in metrics),
        notes=notes_of(hours, *(hours.of(scope, metric) for metric in metrics)),
    )


def need_view(scope: Scope, hours: Hours, metric: str, language: Language) -> NeedView:
    """Return what will be needed of a metric that has been read."""
    series = hours.of(scope, metric)
    unit = unit_of(metric)
    topic = Topic(name=scope.name, metric=metric, unit=unit)
    floor, ceiling = bounds_of(scope, metric)
    most = most_of(scope, ceiling, limit_of(scope, hours, metric)[0])
    path = forecast_day(series, floor=floor, ceiling=most)
    typical = forecast_levels(to_daily(series), floor=floor, ceiling=most)
    worst = forecast_levels(to_daily(series, WORST), floor=floor, ceiling=most)
    reserve = _reserve(worst)
    said = tell_path(language, topic, path, hours_known=series.hours_known)
    said += tell_levels(language, topic, typical)
    if reserve is not None and scope.kind is SubjectKind.CONTAINER:
        said += (tell_reservation(language, topic, reserve),)
    known = series.values[np.isfinite(series.values)]
    return NeedView(
        metric=metric,
        unit=unit,
        now=rounded(float(known[-1])) if len(known) else None,
        path=_path_view(path),
        typical=tuple(level_view(level) for level in typical),
        worst=tuple(level_view(level) for level in worst),
        reserve=rounded(reserve, 3),
        lacking="" if path.lacking is None else path.lacking.value,
        said=said,
    )


def _reserve(worst: tuple[Level, ...]) -> float | None:
    """What the worst hours need at most, now up to a month ahead."""
    needed = [level.expected if level.high is None else level.high for level in worst]
    return max(needed, default=None)


def _path_view(path: HourlyPath) -> PathView:
    return PathView(
        times_ms=tuple(path.times_ms.tolist()),
        expected=rounded_all(path.expected),
        low=rounded_all(path.low),
        high=rounded_all(path.high),
    )
