"""What rules see of the metric history: levels, counts, what is full soon, and what is unusual together.

The cost is bounded: a rule asks for no more than the time it needs to judge, twice a minute, and forecasts
are made twice an hour.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agent.leader.alert_facts import Facts
from cluster.alerts import (
    SETTLE_MS,
    Book,
    Finding,
    Look,
    Observation,
    Sight,
    Steps,
    merged,
    observe,
    observe_forecast,
    observe_incident,
    of_place,
    of_series,
    same_hours,
    usual,
)
from cluster.analytics.exhaustion import Exhaustion, Outlook, find_exhaustion
from cluster.analytics.grouping import Incident
from cluster.analytics.series import to_hourly
from cluster.history.errors import HistoryError
from cluster.metrics.query import POINTS_MAX, RangeAnswer, RangeQuery, Selector, Statistic
from cluster.model.alerts import DAY_MS, LIMIT_OF, Alert, AlertRule, AlertSubject, RuleKind
from cluster.model.metrics import BY_NAME, MetricType, Subject, SubjectKind

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
STEP_MS = 60_000
"""Of what has no step of its own."""
FORECAST_EVERY_MS = 30 * 60_000
FORECAST_SPAN_MS = 30 * DAY_MS
SPAN_MAX_MS = 6 * HOUR_MS
"""How far back a new leader looks: what held before that is in the log, as a pending alert."""
ABSENT_AFTER_MS = 2 * DAY_MS
"""What has not been measured for so long is no more, rather than absent. Subjects know it to within a day."""
_COUNTED = {RuleKind.CRASH_LOOP: "restarts", RuleKind.OUT_OF_MEMORY: "oom_kills"}
KINDS = frozenset({RuleKind.THRESHOLD, RuleKind.ABSENCE, RuleKind.FORECAST, RuleKind.ANOMALY, *_COUNTED})


class History(Protocol):
    """The metric history of this node. `agent.follow.node_history.NodeHistory` fits."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        """Raises ValueError for what cannot be asked so, HistoryError when it cannot be asked at all."""
        ...

    async def subjects(self, selector: Selector) -> Sequence[Subject]: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one rule asks for."""

    metric: str
    statistic: Statistic
    step_ms: int
    span_ms: int


class AlertNumbers:
    """Looks at the history for the rules of numbers. For one leader's term."""

    def __init__(self, history: History, incidents: Callable[[], Sequence[Incident]]) -> None:
        self._history = history
        self._incidents = incidents
        self._forecast_ms: dict[str, int] = {}
        self._refused: dict[str, str] = {}

    async def look(self, rules: Iterable[AlertRule], facts: Facts, book: Book) -> list[Look]:
        """Return what each rule of numbers sees now. One that cannot be answered sees nothing."""
        looks = []
        for rule in rules:
            try:
                look = await self._look(rule, facts, book)
            except (ValueError, HistoryError) as error:
                if self._refused.get(rule.id) != str(error):
                    log.warning("alerts.rule_not_answered", extra={"rule": rule.id, "error": str(error)})
                self._refused[rule.id] = str(error)
                continue
            self._refused.pop(rule.id, None)
            if look is not None:
                looks.append(look)
        return looks

    async def usual(self, alert: Alert, rule: AlertRule, now_ms: int) -> str:
        """Return how a value compares with other days at this hour; "" where that is not known."""
        if rule.threshold is None or alert.value is None or rule.threshold.is_percent_of_limit:
            return ""
        found = await self._subjects(rule, (rule.metric,))
        numbers = tuple(
            subject.number
            for subject, about in ((each, of_series(each, node_name="")) for each in found)
            if about.key == alert.subject.key
        )
        if not numbers:
            return ""
        end_ms = now_ms // HOUR_MS * HOUR_MS + HOUR_MS
        answer = await self._history.query(
            RangeQuery(
                selector=Selector(metrics=(rule.metric,), subjects=numbers[-1:]),
                start_ms=end_ms - 15 * DAY_MS,
                end_ms=end_ms,
                step_ms=HOUR_MS,
            )
        )
        if not answer.series:
            return ""
        values = [float(value) for value in answer.series[0].values]
        return usual(alert.value, same_hours(values), BY_NAME[rule.metric].unit)

    async def steps(self, rule: AlertRule, facts: Facts, start_ms: int) -> list[Steps]:
        """Return the series a rule of levels or counts is about, whole steps from `start_ms` until now.

        Raises ValueError for what is too long to be answered in its steps.
        """
        asked = _asked(rule)
        end_ms = facts.now_ms // asked.step_ms * asked.step_ms
        start_ms = max(0, start_ms // asked.step_ms * asked.step_ms)
        if end_ms <= start_ms:
            return []
        metrics = (asked.metric, *_limit_metric(rule))
        subjects = {
            each.number: of_series(each, node_name=_node_name(each, facts))
            for each in await self._subjects(rule, metrics)
            if each.seen_ms >= start_ms - ABSENT_AFTER_MS
        }
        wanted = {number: about for number, about in subjects.items() if rule.scope.covers(about)}
        if not wanted:
            return []
        times, values = await self._values(asked.metric, asked.statistic, wanted, start_ms, end_ms, asked)
        if _limit_metric(rule):
            _, limits = await self._values(
                LIMIT_OF[rule.metric], Statistic.LAST, wanted, start_ms, end_ms, asked
            )
            values = {
                number: _shares(of, limits[number]) for number, of in values.items() if number in limits
            }
        if rule.kind is RuleKind.ABSENCE:
            nothing = [math.nan] * len(times)
            values = {number: values.get(number, nothing) for number in wanted}
        found = [
            Steps(
                subject=wanted[number],
                times_ms=times,
                values=[float(value) for value in values[number]],
                step_ms=asked.step_ms,
            )
            for number in sorted(values)
        ]
        return merged(found, is_count=BY_NAME[asked.metric].type is MetricType.COUNT)

    async def _look(self, rule: AlertRule, facts: Facts, book: Book) -> Look | None:
        if rule.kind is RuleKind.ANOMALY:
            return self._look_at_incidents(rule, facts)
        if rule.kind is RuleKind.FORECAST:
            return await self._look_ahead(rule, facts)
        return await self._look_back(rule, facts, book)

    async def _look_back(self, rule: AlertRule, facts: Facts, book: Book) -> Look:
        span_ms = _asked(rule).span_ms
        found = await self.steps(rule, facts, facts.now_ms - span_ms)
        sights = []
        for steps in found:
            after_ms = book.seen_ms(rule.id, steps.subject.key)
            observations = list(observe(rule, steps, after_ms=after_ms, now_ms=facts.now_ms))
            if _is_removed(steps.subject, facts) and _is_silent(steps):
                observations = [Observation(at_ms=facts.now_ms, finding=Finding.GONE)]
            sights.append(Sight(subject=steps.subject, observations=observations))

        def missing(subject: AlertSubject) -> Finding:
            return Finding.GONE if _is_removed(subject, facts) else Finding.UNKNOWN

        return Look(rule=rule, sights=sights, missing=missing)

    async def _look_ahead(self, rule: AlertRule, facts: Facts) -> Look | None:
        if facts.now_ms < self._forecast_ms.get(rule.id, 0):
            return None
        self._forecast_ms[rule.id] = facts.now_ms + FORECAST_EVERY_MS
        sights = []
        for subject in await self._subjects(rule, (rule.metric,)):
            about = of_series(subject, node_name=_node_name(subject, facts))
            if subject.seen_ms < facts.now_ms - ABSENT_AFTER_MS or not rule.scope.covers(about):
                continue
            outlook = await self._outlook(rule.metric, subject.number, facts.now_ms)
            sights.append(Sight(subject=about, observations=(_ahead(rule, about, outlook, facts.now_ms),)))
        return Look(rule=rule, sights=sights, missing=lambda _: Finding.UNKNOWN)

    async def _outlook(self, metric: str, number: int, now_ms: int) -> Exhaustion:
        answer = await self._history.query(
            RangeQuery(
                selector=Selector(metrics=(metric, LIMIT_OF[metric]), subjects=(number,)),
                start_ms=now_ms - FORECAST_SPAN_MS,
                end_ms=now_ms,
                step_ms=HOUR_MS,
            )
        )
        by_metric = {series.metric: series.values for series in answer.series}
        nothing = np.full(len(answer.times_ms), np.nan)
        limits = by_metric.get(LIMIT_OF[metric], nothing)
        known = limits[np.isfinite(limits)]
        hourly = to_hourly(answer.times_ms, by_metric.get(metric, nothing), now_ms=now_ms)
        return find_exhaustion(hourly, float(known[-1]) if len(known) else None)

    def _look_at_incidents(self, rule: AlertRule, facts: Facts) -> Look:
        sights = []
        for incident in self._incidents():
            if not incident.is_alertable or len(incident.families) < rule.count:
                continue
            place = incident.place
            about = of_place(place.node_id, facts.node_names.get(place.node_id, place.node_id), place.name)
            observation = observe_incident(
                about, incident.reason, incident.families, since_ms=incident.started_ms, now_ms=facts.now_ms
            )
            sights.append(Sight(subject=about, observations=(observation,)))
        return Look(rule=rule, sights=sights, missing=lambda _: Finding.CLEAR)

    async def _subjects(self, rule: AlertRule, metrics: tuple[str, ...]) -> Sequence[Subject]:
        kinds = set(BY_NAME[metrics[0]].kinds) if metrics else set(SubjectKind)
        wanted = {SubjectKind[word.upper()] for word in rule.scope.kinds}
        if rule.kind in _COUNTED:
            wanted.add(SubjectKind.CONTAINER)
        return await self._history.subjects(
            Selector(kinds=tuple(sorted(kinds & wanted if wanted else kinds)))
        )

    async def _values(
        self,
        metric: str,
        statistic: Statistic,
        wanted: Iterable[int],
        start_ms: int,
        end_ms: int,
        asked: _Asked,
    ) -> tuple[list[int], dict[int, Sequence[float]]]:
        answer = await self._history.query(
            RangeQuery(
                selector=Selector(metrics=(metric,), subjects=tuple(wanted)),
                start_ms=start_ms,
                end_ms=end_ms,
                step_ms=asked.step_ms,
                statistic=statistic,
            )
        )
        if answer.series_left_out:
            log.warning(
                "alerts.series_left_out", extra={"metric": metric, "left_out": answer.series_left_out}
            )
        found: dict[int, Sequence[float]] = {
            series.subject: series.values.tolist() for series in answer.series if series.subject is not None
        }
        return answer.times_ms.tolist(), found


def _asked(rule: AlertRule) -> _Asked:
    if rule.kind in _COUNTED:
        # A window of weeks is looked at in steps of hours.
        step_ms = max(STEP_MS, -(-rule.window_ms // (POINTS_MAX // 10) // STEP_MS) * STEP_MS)
        span_ms = rule.window_ms + SETTLE_MS + 5 * step_ms
        return _Asked(_COUNTED[rule.kind], Statistic.SUM, step_ms, span_ms)
    threshold = rule.threshold
    step_ms = STEP_MS if threshold is None else threshold.step_ms
    statistic = Statistic.LAST if threshold is None else Statistic(threshold.statistic.value)
    span_ms = max(rule.for_ms, rule.looks * step_ms) + SETTLE_MS + 2 * step_ms
    return _Asked(rule.metric, statistic, step_ms, min(span_ms, max(SPAN_MAX_MS, 10 * step_ms)))


def _limit_metric(rule: AlertRule) -> tuple[str, ...]:
    is_share = rule.threshold is not None and rule.threshold.is_percent_of_limit
    return (LIMIT_OF[rule.metric],) if is_share else ()


def _shares(values: Sequence[float], limits: Sequence[float]) -> list[float]:
    return [
        100 * value / limit if limit > 0 else math.nan for value, limit in zip(values, limits, strict=True)
    ]


def _node_name(subject: Subject, facts: Facts) -> str:
    node = facts.nodes.get(subject.definition.node_id)
    return subject.definition.node_id if node is None else node.name


def _is_silent(steps: Steps) -> bool:
    settled = max(1, SETTLE_MS // steps.step_ms)
    return all(math.isnan(value) for value in steps.values[-settled:])


def _is_removed(subject: AlertSubject, facts: Facts) -> bool:
    """Whether what was measured is known to be no more."""
    if subject.service_id:
        service = facts.services.get(subject.service_id)
        return service is None or service.is_removed
    node = facts.nodes.get(subject.node_id)
    if node is None or not node.is_member:
        return True
    names = facts.container_names(subject.node_id) if subject.kind == "container" else None
    return names is not None and subject.name not in names


def _ahead(rule: AlertRule, about: AlertSubject, outlook: Exhaustion, now_ms: int) -> Observation:
    is_unknown = outlook.outlook in (Outlook.INSUFFICIENT, Outlook.NO_LIMIT)
    return observe_forecast(
        rule,
        about,
        is_known=not is_unknown,
        days=outlook.days,
        share=None if not outlook.limit or outlook.level is None else outlook.level / outlook.limit,
        per_day=outlook.per_day,
        confidence=outlook.confidence,
        now_ms=now_ms,
    )
