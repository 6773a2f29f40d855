"""The rules of what people are told, and trying one against what is recorded."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cluster.alerts import Rehearsal, Steps, rehearse, rules_in_force
from cluster.commands.alerts import PutAlertRule, RemoveAlertRule
from cluster.metrics.query import POINTS_MAX
from cluster.model.alerts import (
    DAY_MS,
    AlertRule,
    AlertSubject,
    Comparison,
    RuleKind,
    RuleScope,
    StepStatistic,
    Threshold,
)
from cluster.model.metrics import BY_NAME, MetricType
from cluster.store import ReadTxn
from cluster.store.records import ALERT_RULES, NODES, find_environment, open_alerts
from cluster.survey.alert_series import (
    SERIES_KINDS,
    SeriesPlan,
    plan_of,
    steps_of,
    subjects_asked,
    subjects_wanted,
)
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem, invalid
from web.tools.alert_views import RuleSettings, RuleView, rule_view
from web.tools.context import Context
from web.tools.references import is_key

READ = "alert-rule.read"
PUT = "alert-rule.put"
REMOVE = "alert-rule.remove"

SPAN_DEFAULT_MS = 7 * DAY_MS
SPAN_MAX_MS = 30 * DAY_MS
STEPS_MAX = 400_000
"""How many steps one rehearsal judges: about two seconds of one processor."""
FIRINGS_SHOWN = 50
DAY_S = DAY_MS // 1000
_MS = re.compile(r"(?<=[a-z])_ms\b")
_NAMES = {"rule": "name", "value": "above", "resolve_value": "resolve"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringView:
    """One time the rule would have fired; `resolved_ms` null: it would fire still."""

    subject: str
    node_name: str
    fired_ms: int
    resolved_ms: int | None
    value: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalView:
    """What a rule would have done: how often it would have fired since then, of how many series.

    `firings` are the newest. `came_to_nothing` is how often it held, and not for long enough; of `waiting`
    series it holds at the end, and has not for long enough yet. `notes` say what was not looked at.
    """

    since_ms: int
    until_ms: int
    series: int
    times_fired: int
    came_to_nothing: int
    waiting: int
    firings: tuple[FiringView, ...]
    notes: tuple[str, ...]


async def list_alert_rules(context: Context, call: Call) -> list[RuleView]:
    """Return every rule there is, by id: those that were put, and of the built-in ones the others."""
    await context.authority.require(call, READ, "alert-rule")
    with context.surroundings.state.read() as txn:
        stored = {rule.id: rule for rule in ALERT_RULES.scan(txn)}
        counts = _open_by_rule(txn)
    return [
        rule_view(rule, is_stored=rule.id in stored, open_alerts=counts[rule.id])
        for rule in rules_in_force(stored.values())
    ]


async def get_alert_rule(context: Context, call: Call, name: str) -> RuleView:
    """Return one rule. Raises Problem (404)."""
    await context.authority.require(call, READ, f"alert-rule:{name}")
    with context.surroundings.state.read() as txn:
        return _view(txn, known_rule(txn, name))


async def put_alert_rule(context: Context, call: Call, name: str, settings: RuleSettings) -> RuleView:
    """Make a rule, or set everything of one anew; of a built-in one, too. Raises Problem (422)."""
    await context.authority.require(call, PUT, f"alert-rule:{name}")
    rule = replace(rule_of(context, name, settings), changed_by=call.known().name)

    async def change(permit: Permit) -> None:
        await permit.propose(PutAlertRule(rule=rule))

    await context.authority.perform(call, PUT, f"alert-rule:{name}", change)
    with context.surroundings.state.read() as txn:
        return _view(txn, ALERT_RULES.get(txn, name) or rule)


async def remove_alert_rule(context: Context, call: Call, name: str) -> None:
    """Forget a rule; a built-in one is as it was. Raises Problem (404, 409)."""
    await context.authority.require(call, REMOVE, f"alert-rule:{name}")
    with context.surroundings.state.read() as txn:
        known_rule(txn, name)
        if ALERT_RULES.get(txn, name) is None:
            raise Problem(
                "conflict",
                f"rule {name} is built in, and as it was made",
                hint=f"`tower alerts rules set {name} --disable` switches it off",
            )

    async def change(permit: Permit) -> None:
        await permit.propose(RemoveAlertRule(rule_id=name))

    await context.authority.perform(call, REMOVE, f"alert-rule:{name}", change)


async def rehearse_rule(
    context: Context, call: Call, rule: AlertRule, *, span_ms: int = SPAN_DEFAULT_MS
) -> RehearsalView:
    """Return what a rule of numbers would have done in the past. Raises Problem (422).

    `rule` is made by `rule_of`, or one there is (`known_rule`).
    """
    await context.authority.require(call, READ, f"alert-rule:{rule.id}")
    if rule.kind not in SERIES_KINDS:
        raise invalid(
            "kind",
            f"a rule of kind {rule.kind} looks at how things are, or at all that was measured: it cannot be"
            " tried on the record",
            value=rule.kind.value,
            hint=f"those of kind {', '.join(sorted(SERIES_KINDS))} can",
        )
    plan = plan_of(rule)
    if not plan.step_ms <= span_ms <= SPAN_MAX_MS:
        raise invalid("since", "at least one step of the rule, and at most 30 days")
    until_ms = context.surroundings.clock.now_ms()
    since_ms = until_ms - span_ms
    with context.surroundings.state.read() as txn:
        names: dict[str, str] = {node.id: node.name for node in NODES.scan(txn)}
    history = context.surroundings.history
    wanted = subjects_wanted(rule, await history.subjects(subjects_asked(rule)), names, since_ms=since_ms)
    notes: list[str] = []
    series_max = max(1, STEPS_MAX // max(1, span_ms // plan.step_ms))
    if len(wanted) > series_max:
        notes.append(f"{series_max} of {len(wanted)} series were looked at: ask for less time, or name fewer")
        # The newest: numbers of subjects count up.
        wanted = dict(sorted(wanted.items())[-series_max:])
    async with context.analysing:
        try:
            series, said = await _recorded(context, rule, plan, wanted, since_ms, until_ms)
        except ValueError as error:
            raise invalid("days", str(error)) from error
        found = await asyncio.to_thread(rehearse, rule, series, now_ms=until_ms)
    if not series:
        notes.append("nothing of this kind is recorded for that time")
    return _rehearsal_view(found, since_ms, until_ms, (*notes, *said))


def known_rule(txn: ReadTxn, name: str) -> AlertRule:
    """Return the rule of that name. Raises Problem (404)."""
    rules = {rule.id: rule for rule in rules_in_force(ALERT_RULES.scan(txn))}
    if name not in rules:
        raise Problem(
            "not-found",
            f"there is no alert rule {name[:80]!r}",
            hint="`tower alerts rules` shows what there is",
        )
    return rules[name]


def rule_of(context: Context, name: str, settings: RuleSettings) -> AlertRule:
    """Return the rule that is meant. Raises Problem naming the field that is wrong."""
    if settings.kind is RuleKind.BACKUP:
        raise invalid("kind", "there are no backups to be overdue yet", value=settings.kind.value)
    _check_durations(settings)
    if settings.above is not None and settings.below is not None:
        raise invalid("below", "give above or below, not both", hint="two rules tell of both")
    value = settings.above if settings.above is not None else settings.below
    is_threshold = settings.kind is RuleKind.THRESHOLD
    metric = BY_NAME.get(settings.metric)
    if is_threshold and settings.statistic is StepStatistic.SUM and metric is not None:
        counts = sorted(each.name for each in BY_NAME.values() if each.type is MetricType.COUNT)
        if metric.name not in counts:
            raise invalid(
                "statistic",
                f"sum is of what is counted, and {metric.name} is a level: use mean, min, max, p95 or last",
                value="sum",
                hint=f"counted are {', '.join(counts)}",
            )
    if is_threshold and value is None:
        raise invalid("above", "a threshold needs above or below, in the metric's unit")
    if not is_threshold and (value is not None or settings.resolve is not None):
        given = "resolve" if value is None else "above" if settings.above is not None else "below"
        raise invalid(given, f"a rule of kind {settings.kind} has no bound", hint="kind threshold has")
    try:
        scope = RuleScope(
            kinds=settings.kinds,
            hosts=settings.hosts,
            services=settings.services,
            environments=settings.environments,
            names=settings.names,
            labels=_pairs(settings.match),
        )
        threshold = None
        if is_threshold:
            assert value is not None, "checked above"
            threshold = Threshold(
                comparison=Comparison.ABOVE if settings.above is not None else Comparison.BELOW,
                value=value,
                resolve_value=settings.resolve,
                statistic=settings.statistic,
                step_ms=settings.step_s * 1000,
                is_percent_of_limit=settings.percent_of_limit,
            )
        rule = AlertRule(
            id=name,
            kind=settings.kind,
            summary=settings.summary,
            severity=settings.severity,
            is_enabled=settings.enabled,
            scope=scope,
            metric=settings.metric,
            threshold=threshold,
            for_ms=settings.for_s * 1000,
            looks_min=settings.looks_min,
            looks=settings.looks,
            keep_firing_ms=settings.keep_firing_s * 1000,
            remind_ms=settings.remind_s * 1000,
            within_ms=settings.within_s * 1000,
            window_ms=settings.window_s * 1000,
            count=settings.count,
            labels=_pairs(settings.labels),
            hint=settings.hint,
        )
    except ValueError as error:
        raise wrong_field(error) from error
    check_scope(context, scope)
    return rule


def check_scope(context: Context, scope: RuleScope) -> None:
    """Raises Problem for a host or an environment that is not there: a misspelt one would fit nothing."""
    with context.surroundings.state.read() as txn:
        known = {name for node in NODES.scan(txn) if node.is_member for name in (node.id, node.name)}
        strange = [
            each for each in scope.environments if not is_key(each) or find_environment(txn, each) is None
        ]
    unknown = [host for host in scope.hosts if host not in known]
    if unknown:
        raise invalid(
            "hosts", "a host of the cluster", value=unknown[0][:80], hint="`tower node list` shows the hosts"
        )
    if strange:
        raise invalid(
            "environments",
            "an environment that is there",
            value=strange[0][:80],
            hint="`tower environment list` shows what there is",
        )


def wrong_field(error: ValueError) -> Problem:
    """Return the problem of a value that names its field first, in the words people write rules with."""
    text = _MS.sub("_s", str(error))
    name, _, rule = text.partition(" ")
    name = name.rstrip(":,").removeprefix("scope.")
    return invalid(_NAMES.get(name, name), rule.removeprefix("id ") or text)


def _check_durations(settings: RuleSettings) -> None:
    bounds = (
        ("for_s", settings.for_s, 0, 30 * DAY_S),
        ("keep_firing_s", settings.keep_firing_s, 0, 30 * DAY_S),
        ("remind_s", settings.remind_s, 0, 30 * DAY_S),
        ("window_s", settings.window_s, 0, 30 * DAY_S),
        ("within_s", settings.within_s, 0, 400 * DAY_S),
        ("step_s", settings.step_s, 10, 3600),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise invalid(name, f"{least} to {most} seconds", value=value)


def _pairs(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


async def _recorded(
    context: Context,
    rule: AlertRule,
    plan: SeriesPlan,
    wanted: Mapping[int, AlertSubject],
    since_ms: int,
    until_ms: int,
) -> tuple[list[Steps], list[str]]:
    """The series over the whole time, put together from answers of bounded length; and what they said."""
    found: dict[str, Steps] = {}
    notes: dict[str, None] = {}
    slice_ms = plan.step_ms * (POINTS_MAX - 1)
    start_ms = since_ms // plan.step_ms * plan.step_ms
    while start_ms < until_ms:
        end_ms = min(start_ms + slice_ms, until_ms)
        answers = [
            [await context.surroundings.history.query(query) for query in some]
            for some in plan.queries(tuple(wanted), start_ms, end_ms)
        ]
        notes |= {note: None for some in answers for answer in some for note in answer.notes}
        for steps in steps_of(rule, plan, wanted, answers):
            _append(found, steps)
        start_ms = end_ms
    return list(found.values()), list(notes)


def _append(found: dict[str, Steps], steps: Steps) -> None:
    before = found.get(steps.subject.key)
    if before is None:
        found[steps.subject.key] = steps
        return
    at = [place for place, time in enumerate(steps.times_ms) if time > before.times_ms[-1]]
    found[steps.subject.key] = replace(
        steps,
        times_ms=[*before.times_ms, *(steps.times_ms[place] for place in at)],
        values=[*before.values, *(steps.values[place] for place in at)],
    )


def _rehearsal_view(found: Rehearsal, since_ms: int, until_ms: int, notes: tuple[str, ...]) -> RehearsalView:
    return RehearsalView(
        since_ms=since_ms,
        until_ms=until_ms,
        series=found.series,
        times_fired=found.firings,
        came_to_nothing=found.came_to_nothing,
        waiting=found.waiting,
        firings=tuple(
            FiringView(
                subject=each.subject.name,
                node_name=each.subject.node_name,
                fired_ms=each.fired_ms,
                resolved_ms=each.resolved_ms,
                value=each.value,
                text=each.text,
            )
            for each in found.newest[:FIRINGS_SHOWN]
        ),
        notes=notes,
    )


def _open_by_rule(txn: ReadTxn) -> Counter[str]:
    return Counter(alert.rule_id for alert in open_alerts(txn))


def _view(txn: ReadTxn, rule: AlertRule) -> RuleView:
    is_stored = ALERT_RULES.get(txn, rule.id) is not None
    return rule_view(rule, is_stored=is_stored, open_alerts=_open_by_rule(txn)[rule.id])
