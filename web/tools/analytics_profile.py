"""How something did over the last hours: beside what is usual for them, and what held it up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cluster.analytics.comparison import Difference
from cluster.analytics.profile import Bottleneck, Snapshot, find_bottlenecks, percent_of, snapshot
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_profile import tell_bottleneck, tell_nothing_found
from cluster.analytics.sentences_trend import Topic, tell_comparison
from cluster.analytics.series import Hourly
from cluster.metrics.query import Selector
from cluster.model.metrics import BY_NAME, SubjectKind
from web.auth.call import Call
from web.tools.analytics_data import (
    Hours,
    Scope,
    find_metric,
    find_scope,
    make_scope,
    read_hours,
    unit_of,
)
from web.tools.analytics_trend import READ, notes_of
from web.tools.analytics_views import (
    BaselineView,
    BottleneckView,
    ComparisonLine,
    ProfileView,
    analysed_view,
    comparison_line,
    rounded,
)
from web.tools.context import Context
from web.tools.measured import measured_by
from web.tools.nodes import node_names

HOURS_DEFAULT = 24
HOURS_MAX = 7 * 24
_COMPARED_DAYS = 15
_MIB = 1024.0**2
_LEAST = {"percent": 2.0, "bytes": 16 * _MIB, "bytes/s": 10_000.0, "ms": 5.0, "celsius": 2.0, "count": 1.0}
"""A difference below this, in the metric's unit, is nobody's concern."""
_COMPARED = {
    SubjectKind.HOST: (
        "cpu_percent",
        "memory_bytes",
        "load_1",
        "rx_bytes_per_s",
        "tx_bytes_per_s",
        "read_bytes_per_s",
        "write_bytes_per_s",
        "swap_bytes",
    ),
    SubjectKind.CONTAINER: (
        "cpu_percent",
        "memory_bytes",
        "throttled_percent",
        "rx_bytes_per_s",
        "tx_bytes_per_s",
        "read_bytes_per_s",
        "write_bytes_per_s",
        "pids",
    ),
    SubjectKind.DISK: ("disk_used_bytes", "inodes_used"),
    SubjectKind.SENSOR: ("temperature_celsius",),
    SubjectKind.ROUTE: ("requests", "errors", "latency_p50_ms", "latency_p95_ms"),
    SubjectKind.AGENT: ("cpu_percent", "memory_bytes", "loop_lag_ms", "queue_depth"),
    SubjectKind.EXTERNAL: ("value",),
}
_JUDGED = {
    SubjectKind.HOST: (
        "memory_limit_bytes",
        "cpu_iowait_percent",
        "cpu_steal_percent",
        "pressure_cpu_percent",
        "pressure_memory_percent",
        "pressure_io_percent",
    ),
    SubjectKind.CONTAINER: (
        "memory_limit_bytes",
        "oom_kills",
        "pressure_cpu_percent",
        "pressure_memory_percent",
        "pressure_io_percent",
    ),
    SubjectKind.DISK: ("disk_size_bytes", "inodes_max"),
    SubjectKind.ROUTE: ("lost",),
}
"""What only tells what waits."""
_SHARES = (
    ("memory_percent", "memory_bytes", "memory_limit_bytes"),
    ("disk_percent", "disk_used_bytes", "disk_size_bytes"),
    ("inodes_percent", "inodes_used", "inodes_max"),
    ("lost_percent", "lost", "requests"),
)


async def compare_baseline(
    context: Context,
    call: Call,
    reference: str,
    *,
    metric: str = "",
    hours: int = HOURS_DEFAULT,
    language: Language = Language.EN,
) -> BaselineView:
    """Return the last `hours` hours (1 to 168) of a metric, or of all that say something, beside the same
    hours of the days before. Raises Problem (404, 409, 422)."""
    await context.authority.admit(call, READ, "metrics")
    name = find_metric(metric)
    scope = await find_scope(context, reference, name, seen_by=call)
    names = (name,) if name else _COMPARED[scope.kind]
    read = await read_hours(context, [scope], names, days=_COMPARED_DAYS)
    async with context.analysing:
        return await asyncio.to_thread(_baseline_view, scope, read, names, hours, language)


async def get_profile(
    context: Context,
    call: Call,
    reference: str,
    *,
    hours: int = HOURS_DEFAULT,
    language: Language = Language.EN,
) -> ProfileView:
    """Return how something did over the last `hours` hours, and what held it up.

    Of a host also its file systems, of a service also its routes. Raises Problem (404, 409, 422).
    """
    await context.authority.admit(call, READ, "metrics")
    scope = await find_scope(context, reference, seen_by=call)
    related = await related_scopes(context, scope)
    sees = await measured_by(context, call)
    if sees is not None:
        related = [each for each in related if all(map(sees, each.subjects))]
    scopes = [scope, *related]
    read = await read_hours(context, scopes, profile_metrics(scopes), days=_COMPARED_DAYS)
    async with context.analysing:
        return await asyncio.to_thread(profile_view, scope, related, read, hours, language)


async def related_scopes(context: Context, scope: Scope) -> list[Scope]:
    """Return the file systems of a host, or the routes of a service: what is short there holds it up too."""
    nodes = node_names(context.surroundings)
    history = context.surroundings.history
    if scope.kind is SubjectKind.HOST:
        disks = await history.subjects(Selector(kinds=(SubjectKind.DISK,), node_ids=(scope.node_id,)))
        return [make_scope([disk], nodes) for disk in disks]
    if scope.kind is SubjectKind.CONTAINER and scope.service:
        labels = (("service", scope.service),)
        routes = await history.subjects(Selector(kinds=(SubjectKind.ROUTE,), labels=labels))
        return [make_scope(routes, nodes)] if routes else []
    return []


def profile_metrics(scopes: Sequence[Scope]) -> list[str]:
    """Return what has to be read for a profile of these."""
    kinds = dict.fromkeys(scope.kind for scope in scopes)
    return [name for kind in kinds for name in (*_COMPARED[kind], *_JUDGED.get(kind, ()))]


def profile_view(
    scope: Scope, related: Sequence[Scope], read: Hours, hours: int, language: Language
) -> ProfileView:
    """Return the profile of what has been read."""
    lines = _lines(scope, read, _COMPARED[scope.kind], hours, language)
    for each in related:
        if each.kind is SubjectKind.ROUTE:
            lines += _lines(each, read, _COMPARED[each.kind], hours, language)
    bottlenecks: list[BottleneckView] = []
    measured = False
    for each in (scope, *related):
        shares = _measured(each, read)
        measured = measured or any(hourly.tail(hours).hours_known for hourly in shares.values())
        for found in bottlenecks_of(each, read, hours=hours):
            words = tell_bottleneck(language, each.name, found)
            bottlenecks.append(
                BottleneckView(
                    kind=found.resource.value,
                    symptom=found.symptom.value,
                    impact=found.impact.value,
                    metric=found.metric,
                    value=rounded(found.value, 3) or 0.0,
                    threshold=found.threshold,
                    share_of_time=round(found.share_of_time, 2),
                    description=words.description,
                    fix=words.fix,
                )
            )
    ranks = {"high": 0, "medium": 1, "low": 2}
    bottlenecks.sort(key=lambda found: (ranks[found.impact], -found.share_of_time))
    said = tuple(found.description for found in bottlenecks)
    if not said:
        said = (tell_nothing_found(language, scope.name, hours, is_measured=measured),)
    said += tuple(
        line.said for line in lines if line.difference in (Difference.HIGHER.value, Difference.LOWER.value)
    )
    return ProfileView(
        subject=analysed_view(scope),
        hours=hours,
        metrics=tuple(lines),
        bottlenecks=tuple(bottlenecks),
        recommendations=tuple(dict.fromkeys(found.fix for found in bottlenecks)),
        said=said,
        notes=notes_of(read),
    )


def bottlenecks_of(scope: Scope, read: Hours, *, hours: int) -> list[Bottleneck]:
    """Return what held it up in the last `hours` hours, of what has been read."""
    return list(find_bottlenecks(_measured(scope, read), hours=hours))


def snapshots_of(scope: Scope, read: Hours, *, hours: int) -> list[Snapshot]:
    """Return its metrics beside what is usual at these hours, of what has been read."""
    return [_snapshot(scope, read, metric, hours) for metric in _COMPARED[scope.kind]]


def _baseline_view(
    scope: Scope, read: Hours, metrics: Sequence[str], hours: int, language: Language
) -> BaselineView:
    lines = _lines(scope, read, metrics, hours, language)
    lines.sort(key=_how_different)
    differing = [line for line in lines if line.difference in ("higher", "lower")]
    return BaselineView(
        subject=analysed_view(scope),
        hours=hours,
        metrics=tuple(lines),
        said=tuple(line.said for line in (differing or lines)),
        notes=notes_of(read, *(read.of(scope, metric) for metric in metrics)),
    )


def _how_different(line: ComparisonLine) -> tuple[int, float]:
    order = {"higher": 0, "lower": 0, "same": 1}
    return order.get(line.difference, 2), -abs(line.effect or 0.0)


def _lines(
    scope: Scope, read: Hours, metrics: Sequence[str], hours: int, language: Language
) -> list[ComparisonLine]:
    lines = []
    for metric in metrics:
        unit = unit_of(metric)
        found = _snapshot(scope, read, metric, hours)
        topic = Topic(name=scope.name, metric=metric, unit=unit)
        lines.append(_line(found, unit, tell_comparison(language, topic, found.comparison)))
    return lines


def _snapshot(scope: Scope, read: Hours, metric: str, hours: int) -> Snapshot:
    return snapshot(metric, read.of(scope, metric), hours=hours, least=_LEAST.get(unit_of(metric), 0.0))


def _line(found: Snapshot, unit: str, said: str) -> ComparisonLine:
    return comparison_line(
        found.metric, unit, found.comparison, current_p95=found.current_p95, mean=found.current, said=said
    )


def _measured(scope: Scope, read: Hours) -> dict[str, Hourly]:
    """The hourly means that `find_bottlenecks` judges, under its names."""
    names = (*_COMPARED[scope.kind], *_JUDGED.get(scope.kind, ()))
    found = {name: read.of(scope, name) for name in names if scope.kind in BY_NAME[name].kinds}
    if scope.kind is SubjectKind.HOST:
        found["host_cpu_percent"] = found["cpu_percent"]
    for share, part, whole in _SHARES:
        if part in found and whole in found:
            found[share] = percent_of(found[part], found[whole])
    return found
