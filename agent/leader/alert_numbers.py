"""What rules see of the metric history: levels, counts, what is full soon, and what is unusual together.

The cost is bounded: a rule asks for no more than the time it needs to judge, twice a minute, and forecasts
are made twice an hour.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from agent.leader.alert_facts import Facts
from cluster.alerts import (
    SETTLE_MS,
    Book,
    Finding,
    Look,
    Observation,
    Said,
    Sight,
    Steps,
    observe,
    observe_forecast,
    observe_incident,
    of_place,
    of_series,
    same_hours,
    usual,
    who,
)
from cluster.analytics.exhaustion import Exhaustion, Outlook, find_exhaustion
from cluster.analytics.grouping import Incident, called
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_anomalies import tell_incident
from cluster.analytics.series import to_hourly
from cluster.history.errors import HistoryError
from cluster.metrics.query import RangeAnswer, RangeQuery, Selector
from cluster.model.alerts import DAY_MS, LIMIT_OF, Alert, AlertRule, AlertSubject, RuleKind
from cluster.model.metrics import BY_NAME, Subject
from cluster.survey.alert_series import (
    ABSENT_AFTER_MS,
    SERIES_KINDS,
    plan_of,
    steps_of,
    subjects_asked,
    subjects_wanted,
)

log = logging.getLogger(__name__)

HOUR_MS = 3_600_000
FORECAST_EVERY_MS = 30 * 60_000
FORECAST_AGAIN_MS = 5 * 60_000
"""After one that was not finished: it may have been a busy moment, or take too long whenever it is made."""
RULE_TIMEOUT_S = 20.0
"""Of one rule, so that a slow one takes nothing from the others."""
FORECAST_SPAN_MS = 30 * DAY_MS
KINDS = SERIES_KINDS | {RuleKind.FORECAST, RuleKind.ANOMALY}


class History(Protocol):
    """The metric history of this node. `agent.follow.node_history.NodeHistory` fits."""

    async def query(self, query: RangeQuery) -> RangeAnswer:
        """Raises ValueError for what cannot be asked so, HistoryError when it cannot be asked at all."""
        ...

    async def subjects(self, selector: Selector) -> Sequence[Subject]: ...


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
                async with asyncio.timeout(RULE_TIMEOUT_S):
                    look = await self._look(rule, facts, book)
            except (ValueError, HistoryError, TimeoutError) as error:
                reason = str(error) or f"the history took more than {RULE_TIMEOUT_S:g} s"
                if self._refused.get(rule.id) != reason:
                    log.warning("alerts.rule_not_answered", extra={"rule": rule.id, "error": reason})
                self._refused[rule.id] = reason
                continue
            self._refused.pop(rule.id, None)
            if look is not None:
                looks.append(look)
        return looks

    async def usual(self, alert: Alert, rule: AlertRule, now_ms: int) -> Said:
        """Return how a value compares with other days at this hour; nothing where that is not known."""
        if rule.threshold is None or alert.value is None or rule.threshold.is_percent_of_limit:
            return Said()
        found = await self._history.subjects(subjects_asked(rule))
        numbers = tuple(
            subject.number
            for subject, about in ((each, of_series(each, node_name="")) for each in found)
            if about.key == alert.subject.key
        )
        if not numbers:
            return Said()
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
            return Said()
        values = [float(value) for value in answer.series[0].values]
        return usual(alert.value, same_hours(values), BY_NAME[rule.metric].unit)

    async def _steps(self, rule: AlertRule, facts: Facts) -> list[Steps]:
        plan = plan_of(rule)
        start_ms = facts.now_ms - plan.lookback_ms
        subjects = await self._history.subjects(subjects_asked(rule))
        wanted = subjects_wanted(rule, subjects, facts.node_names, since_ms=start_ms)
        answers = [
            [await self._history.query(query) for query in some]
            for some in plan.queries(tuple(wanted), start_ms, facts.now_ms)
        ]
        return steps_of(rule, plan, wanted, answers)

    async def _look(self, rule: AlertRule, facts: Facts, book: Book) -> Look | None:
        if rule.kind is RuleKind.ANOMALY:
            return self._look_at_incidents(rule, facts)
        if rule.kind is RuleKind.FORECAST:
            return await self._look_ahead(rule, facts)
        return await self._look_back(rule, facts, book)

    async def _look_back(self, rule: AlertRule, facts: Facts, book: Book) -> Look:
        found = await self._steps(rule, facts)
        sights = []
        for steps in found:
            after_ms = book.seen_ms(rule.id, steps.subject.key)
            observations = list(observe(rule, steps, after_ms=after_ms, now_ms=facts.now_ms))
            if _is_silent(steps) and _is_removed(steps.subject, facts):
                observations = [Observation(at_ms=facts.now_ms, finding=Finding.GONE)]
            sights.append(Sight(subject=steps.subject, observations=observations))

        def missing(subject: AlertSubject) -> Finding:
            return Finding.GONE if _is_removed(subject, facts) else Finding.UNKNOWN

        return Look(rule=rule, sights=sights, missing=missing)

    async def _look_ahead(self, rule: AlertRule, facts: Facts) -> Look | None:
        if facts.now_ms < self._forecast_ms.get(rule.id, 0):
            return None
        self._forecast_ms[rule.id] = facts.now_ms + FORECAST_AGAIN_MS
        sights = []
        for subject in await self._history.subjects(subjects_asked(rule)):
            if subject.seen_ms < facts.now_ms - ABSENT_AFTER_MS:
                continue
            about = of_series(subject, node_name=_node_name(subject, facts))
            if not rule.scope.covers(about):
                continue
            outlook = await self._outlook(rule.metric, subject.number, facts.now_ms)
            sights.append(Sight(subject=about, observations=(_ahead(rule, about, outlook, facts.now_ms),)))
        self._forecast_ms[rule.id] = facts.now_ms + FORECAST_EVERY_MS
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
        limit = float(known[-1]) if len(known) else None
        # Milliseconds each, and there may be a hundred file systems.
        return await asyncio.to_thread(find_exhaustion, hourly, limit)

    def _look_at_incidents(self, rule: AlertRule, facts: Facts) -> Look:
        sights = []
        for incident in self._incidents():
            # Many places of one host at once are enough of one kind of number.
            if not incident.is_alertable or (len(incident.families) < rule.count and not incident.children):
                continue
            place = incident.place
            about = of_place(place.node_id, facts.node_names.get(place.node_id, place.node_id), place.name)
            # The subject stays the place, which is the same while containers come and go.
            name = who(replace(about, name=called(incident) or about.name))
            text = Said(
                tell_incident(Language.EN, name.en, incident), tell_incident(Language.IT, name.it, incident)
            )
            observation = observe_incident(text, since_ms=incident.started_ms, now_ms=facts.now_ms)
            sights.append(Sight(subject=about, observations=(observation,)))
        return Look(rule=rule, sights=sights, missing=lambda _: Finding.CLEAR)


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
