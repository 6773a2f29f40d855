"""The facts of a diagnosis that are in the metric history: what waited, what is not as usual, what fills."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cluster.analytics.comparison import Difference
from cluster.analytics.exhaustion import Outlook
from cluster.analytics.profile import Symptom
from cluster.analytics.sentences import Language, Text
from cluster.analytics.sentences_trend import Topic, tell_comparison
from cluster.diagnosis.facts import BottleneckFact, DifferenceFact, ShortageFact
from cluster.metrics.query import Selector
from cluster.model.metrics import Subject, SubjectKind
from web.auth.problems import Problem
from web.tools.analytics_data import (
    Hours,
    Scope,
    find_scope,
    make_scope,
    named_exactly,
    read_hours,
    unit_of,
)
from web.tools.analytics_profile import (
    bottlenecks_of,
    profile_metrics,
    related_scopes,
    snapshots_of,
)
from web.tools.analytics_trend import metrics_for_trend, trend_view
from web.tools.context import Context
from web.tools.nodes import node_names

MOST = {
    SubjectKind.HOST: 20,
    SubjectKind.DISK: 20,
    SubjectKind.ROUTE: 20,
    SubjectKind.CONTAINER: 20,
}
"""Of so many of each kind, the largest, the history is read when everything is asked about."""
_CHOSEN_BY_DAYS = 2
_COMPARED_DAYS = 15
_SHORTAGE_METRICS = {
    SubjectKind.HOST: ("memory_bytes", "cpu_percent"),
    SubjectKind.DISK: ("disk_used_bytes", "inodes_used"),
    SubjectKind.CONTAINER: ("memory_bytes",),
}
_UNITS = {Symptom.OOM_KILLED: "count", Symptom.SLOW: "ms"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """What held things up in the last hours, and what was not as usual."""

    bottlenecks: tuple[BottleneckFact, ...]
    differences: tuple[DifferenceFact, ...]


async def find_scopes(context: Context, reference: str) -> list[Scope]:
    """Return what a reference names with what belongs to it; for "" the largest of everything measured.

    Nothing for what was never measured, or is several things.
    """
    if reference:
        try:
            scope = await find_scope(context, reference)
        except Problem:
            return []
        return [scope, *await related_scopes(context, scope)]
    names = node_names(context.surroundings)
    subjects = await context.surroundings.history.subjects(Selector(kinds=tuple(MOST)))
    scopes = _together(subjects, names)
    metrics = list(dict.fromkeys(scope.default_metric for scope in scopes))
    if not metrics:
        return []
    sizes = await read_hours(context, scopes, metrics, days=_CHOSEN_BY_DAYS)
    return _largest(scopes, sizes)


async def read_performance(context: Context, scopes: Sequence[Scope], *, hours: int) -> Performance:
    """Return how these did over the last `hours` hours."""
    if not scopes:
        return Performance(bottlenecks=(), differences=())
    read = await read_hours(context, scopes, profile_metrics(scopes), days=_COMPARED_DAYS)
    names = node_names(context.surroundings)
    async with context.analysing:
        return await asyncio.to_thread(_performance, scopes, read, hours, names)


async def read_shortages(context: Context, scopes: Sequence[Scope]) -> tuple[ShortageFact, ...]:
    """Return what of these is full, or fills within a year."""
    limited = [scope for scope in scopes if scope.kind in _SHORTAGE_METRICS]
    if not limited:
        return ()
    kinds = dict.fromkeys(scope.kind for scope in limited)
    metrics = [each for kind in kinds for name in _SHORTAGE_METRICS[kind] for each in metrics_for_trend(name)]
    read = await read_hours(context, limited, list(dict.fromkeys(metrics)))
    names = node_names(context.surroundings)
    async with context.analysing:
        return await asyncio.to_thread(_shortages, limited, read, names)


def _performance(scopes: Sequence[Scope], read: Hours, hours: int, names: Mapping[str, str]) -> Performance:
    bottlenecks = [
        BottleneckFact(
            subject=scope.name,
            service_id=scope.service,
            found=found,
            unit=_UNITS.get(found.symptom, "percent"),
            hours=hours,
            of=named_exactly(scope, names),
        )
        for scope in scopes
        for found in bottlenecks_of(scope, read, hours=hours)
    ]
    differences = []
    for scope in scopes:
        for found in snapshots_of(scope, read, hours=hours):
            compared = found.comparison
            if compared.difference not in (Difference.HIGHER, Difference.LOWER):
                continue
            assert compared.current is not None, "what differs was measured"
            assert compared.baseline is not None, "what differs was measured"
            topic = Topic(name=scope.name, metric=found.metric, unit=unit_of(found.metric))
            differences.append(
                DifferenceFact(
                    subject=scope.name,
                    service_id=scope.service,
                    metric=found.metric,
                    unit=topic.unit,
                    is_higher=compared.difference is Difference.HIGHER,
                    current=compared.current,
                    usual=compared.baseline,
                    hours=hours,
                    confidence=compared.confidence or 0.0,
                    said=Text(*(tell_comparison(language, topic, compared) for language in _BOTH)),
                    of=named_exactly(scope, names),
                )
            )
    return Performance(bottlenecks=tuple(bottlenecks), differences=tuple(differences))


def _shortages(scopes: Sequence[Scope], read: Hours, names: Mapping[str, str]) -> tuple[ShortageFact, ...]:
    found = []
    for scope in scopes:
        for metric in _SHORTAGE_METRICS[scope.kind]:
            english, italian = (trend_view(scope, read, metric, None, language) for language in _BOTH)
            end = english.exhaustion
            is_full = end.outlook == Outlook.FULL.value
            if not english.exhaustion.said or end.limit is None:
                continue
            if not is_full and (end.outlook != Outlook.FILLING.value or end.days is None):
                continue
            found.append(
                ShortageFact(
                    subject=scope.name,
                    metric=metric,
                    unit=english.unit,
                    days=0.0 if is_full else end.days or 0.0,
                    soonest_days=end.soonest_days,
                    latest_days=end.latest_days,
                    limit=end.limit,
                    at_ms=end.at_ms or read.now_ms,
                    confidence=end.confidence or 0.0,
                    said=Text(english.exhaustion.said[0], italian.exhaustion.said[0]),
                    of=named_exactly(scope, names),
                )
            )
    return tuple(found)


_BOTH = (Language.EN, Language.IT)


def _together(subjects: Sequence[Subject], names: Mapping[str, str]) -> list[Scope]:
    """Hosts and file systems of members one by one, containers and routes by service or name."""
    found: dict[tuple[SubjectKind, str], list[Subject]] = {}
    for subject in subjects:
        definition = subject.definition
        if definition.node_id not in names:
            continue
        is_of_service = definition.kind in (SubjectKind.CONTAINER, SubjectKind.ROUTE)
        service = definition.label("service") if is_of_service else ""
        name = service or f"{definition.node_id}:{definition.name}"
        found.setdefault((definition.kind, name), []).append(subject)
    return [make_scope(each, names) for each in found.values()]


def _largest(scopes: Sequence[Scope], sizes: Hours) -> list[Scope]:
    """The largest of each kind by their main metric, of those that were measured lately."""
    chosen: list[Scope] = []
    for kind, count in MOST.items():
        sized = []
        for scope in scopes:
            if scope.kind is kind:
                recent = sizes.of(scope, scope.default_metric).tail(24).values
                recent = recent[np.isfinite(recent)]
                if len(recent):
                    sized.append((float(recent.mean()), scope))
        sized.sort(key=lambda pair: (-pair[0], pair[1].name))
        chosen += [scope for _, scope in sized[:count]]
    return chosen
