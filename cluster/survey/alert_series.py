"""What a rule of numbers asks of the metric history, and how the answers become the series it judges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cluster.alerts import SETTLE_MS, Steps, merged, of_series
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution, Selector, Statistic
from cluster.model.alerts import DAY_MS, LIMIT_OF, AlertRule, AlertSubject, RuleKind
from cluster.model.metrics import BY_NAME, MetricType, Subject, SubjectKind

HOUR_MS = 3_600_000
SUBJECTS_AT_ONCE = 400
"""Of how many series one question is: an answer has a bounded number."""
WINDOW_STEPS_MAX = 500
STEP_MS = 60_000
"""Of what has no step of its own."""
LOOKBACK_MAX_MS = 6 * 3_600_000
"""How far back a new leader looks: what held before that is in the log, as a pending alert."""
ABSENT_AFTER_MS = 2 * DAY_MS
"""What has not been measured for so long is no more, rather than absent. Subjects know it to within a day."""

COUNTED = {RuleKind.CRASH_LOOP: "restarts", RuleKind.OUT_OF_MEMORY: "oom_kills"}
"""What rules count that name no metric."""
SERIES_KINDS = frozenset({RuleKind.THRESHOLD, RuleKind.ABSENCE, *COUNTED})
"""Rules whose series this is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPlan:
    """What is asked: one statistic of a metric in steps, as a share of `limit_metric` where that is not "".

    `lookback_ms` is how much of the past the newest step is judged with.
    """

    metric: str
    statistic: Statistic
    step_ms: int
    lookback_ms: int
    limit_metric: str = ""

    def queries(self, numbers: Sequence[int], start_ms: int, end_ms: int) -> list[list[RangeQuery]]:
        """Return the questions about subjects over whole steps of [start_ms, end_ms): for some subjects after
        the other the values, and the limits where shares are asked for. None when the range is empty.

        Raises ValueError for more points than one answer has.
        """
        start_ms = max(0, start_ms // self.step_ms * self.step_ms)
        end_ms = end_ms // self.step_ms * self.step_ms
        if end_ms <= start_ms:
            return []
        asked = [(self.metric, self.statistic)]
        if self.limit_metric:
            asked.append((self.limit_metric, Statistic.LAST))
        return [
            [
                RangeQuery(
                    selector=Selector(metrics=(metric,), subjects=tuple(numbers[at : at + SUBJECTS_AT_ONCE])),
                    start_ms=start_ms,
                    end_ms=end_ms,
                    step_ms=self.step_ms,
                    # The coarser records have steps of hours, and begin earlier.
                    resolution=Resolution.RAW if self.step_ms % HOUR_MS else None,
                    statistic=statistic,
                )
                for metric, statistic in asked
            ]
            for at in range(0, len(numbers), SUBJECTS_AT_ONCE)
        ]


def plan_of(rule: AlertRule) -> SeriesPlan:
    """Return what a rule of `SERIES_KINDS` asks."""
    if rule.kind in COUNTED:
        step_ms = _counting_step_ms(rule.window_ms)
        return SeriesPlan(
            metric=COUNTED[rule.kind],
            statistic=Statistic.SUM,
            step_ms=step_ms,
            lookback_ms=rule.window_ms + SETTLE_MS + 5 * step_ms,
        )
    threshold = rule.threshold
    step_ms = STEP_MS if threshold is None else threshold.step_ms
    needed_ms = max(rule.for_ms, rule.looks * step_ms) + SETTLE_MS + 2 * step_ms
    return SeriesPlan(
        metric=rule.metric,
        statistic=Statistic.LAST if threshold is None else Statistic(threshold.statistic.value),
        step_ms=step_ms,
        lookback_ms=min(needed_ms, max(LOOKBACK_MAX_MS, 10 * step_ms)),
        limit_metric=LIMIT_OF[rule.metric] if threshold is not None and threshold.is_percent_of_limit else "",
    )


def _counting_step_ms(window_ms: int) -> int:
    """A window of days is looked at in coarser steps, and one of weeks in hours."""
    step_ms = max(STEP_MS, -(-window_ms // WINDOW_STEPS_MAX // STEP_MS) * STEP_MS)
    return step_ms if step_ms <= HOUR_MS // 2 else -(-step_ms // HOUR_MS) * HOUR_MS


def subjects_asked(rule: AlertRule) -> Selector:
    """Return what is asked for the subjects a rule may be about."""
    kinds = set(SubjectKind)
    if rule.metric:
        kinds &= set(BY_NAME[rule.metric].kinds)
    if rule.kind in COUNTED:
        kinds &= {SubjectKind.CONTAINER}
    if rule.scope.kinds:
        kinds &= {SubjectKind[word.upper()] for word in rule.scope.kinds}
    return Selector(kinds=tuple(sorted(kinds)))


def subjects_wanted(
    rule: AlertRule, subjects: Iterable[Subject], node_names: Mapping[str, str], *, since_ms: int
) -> dict[int, AlertSubject]:
    """Return the subjects a rule is about, by number, of those that were measured since then."""
    found = {}
    for subject in subjects:
        # First: of most subjects a history has, there is nothing any more.
        if subject.seen_ms < since_ms - ABSENT_AFTER_MS:
            continue
        node_id = subject.definition.node_id
        about = of_series(subject, node_name=node_names.get(node_id, node_id))
        if rule.scope.covers(about):
            found[subject.number] = about
    return found


def steps_of(
    rule: AlertRule,
    plan: SeriesPlan,
    wanted: Mapping[int, AlertSubject],
    answers: Iterable[Sequence[RangeAnswer]],
) -> list[Steps]:
    """Return the series that the answers to `plan.queries` hold, one for each subject.

    A rule of absence has one for everything it is about, also for what has no numbers at all.
    """
    times: list[int] = []
    values: dict[int, list[float]] = {}
    for answer in answers:
        times = answer[0].times_ms.tolist()
        found = _by_subject(answer[0])
        if plan.limit_metric:
            limits = _by_subject(answer[1])
            found = {
                number: _shares(each, limits[number]) for number, each in found.items() if number in limits
            }
        values |= found
    if not times:
        return []
    if rule.kind is RuleKind.ABSENCE:
        nothing = [math.nan] * len(times)
        values = {number: values.get(number, nothing) for number in wanted}
    series = [
        Steps(subject=wanted[number], times_ms=times, values=values[number], step_ms=plan.step_ms)
        for number in sorted(values)
        if number in wanted
    ]
    return merged(series, is_count=BY_NAME[plan.metric].type is MetricType.COUNT)


def _by_subject(answer: RangeAnswer) -> dict[int, list[float]]:
    return {series.subject: series.values.tolist() for series in answer.series if series.subject is not None}


def _shares(values: Sequence[float], limits: Sequence[float]) -> list[float]:
    return [
        100 * value / limit if limit > 0 else math.nan for value, limit in zip(values, limits, strict=True)
    ]
