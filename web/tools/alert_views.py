"""What the surfaces show of alerts, rules and silences: names for ids, seconds for milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.alerts import is_built_in
from cluster.model.alerts import (
    Alert,
    AlertRule,
    AlertState,
    Comparison,
    RuleKind,
    Silence,
    StepStatistic,
)
from cluster.model.events import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSubjectView:
    """What an alert is about; "" where it has no host or no service."""

    kind: str
    name: str
    node_id: str
    node_name: str
    service_id: str
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One incident. `text` says in a sentence what is wrong, `usual` how that compares with other days,
    `next_step` what to do.

    `since_ms` is when it began, `told_at_ms` when people were told. `muted_by` says why nobody is told now.
    `unseen_ms` is since when nothing is known of it. `translations` are its sentences in other
    languages, as "it.text".
    """

    number: int
    rule: str
    kind: RuleKind
    state: AlertState
    severity: Severity
    subject: AlertSubjectView
    text: str
    next_step: str
    usual: str
    value: float | None
    labels: Mapping[str, str]
    since_ms: int
    fired_at_ms: int | None
    told_at_ms: int | None
    resolved_at_ms: int | None
    resolution: str
    muted_by: str
    acknowledged_by: str
    acknowledged_at_ms: int | None
    comment: str
    unseen_ms: int | None
    is_flapping: bool
    translations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """A rule as people write it; durations in seconds. What is empty bounds nothing.

    `kinds`, `hosts`, `services`, `environments`, `names` (may end in `*`) and `match` (labels) are what it is
    about. `metric` is for threshold, absence and forecast; `above` or `below` for threshold, in the metric's
    unit or with `percent_of_limit` in percent of its limit, and `resolve` where it is over. `within_s` is for
    forecast and certificates, `count` and `window_s` for crash-loop and out-of-memory.
    """

    kind: RuleKind
    summary: str = ""
    severity: Severity = Severity.WARNING
    enabled: bool = True
    kinds: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    match: Mapping[str, str] = field(default_factory=dict)
    metric: str = ""
    above: float | None = None
    below: float | None = None
    resolve: float | None = None
    statistic: StepStatistic = StepStatistic.MEAN
    step_s: int = 60
    percent_of_limit: bool = False
    for_s: int = 0
    looks_min: int = 0
    looks: int = 0
    keep_firing_s: int = 0
    remind_s: int = 0
    within_s: int = 0
    window_s: int = 0
    count: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule, and how many alerts are open for it.

    `is_built_in`: it is there without being made; `is_changed`: somebody put one in its place.
    """

    id: str
    settings: RuleSettings
    is_built_in: bool
    is_changed: bool
    open_alerts: int
    changed_at_ms: int | None
    changed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceSettings:
    """A silence as people write it. `from_ms` None: now. It lasts until `until_ms`, or for `for_s`; without
    either an hour, with `cron` a year.

    With `cron` it holds only for `duration_s` from each such moment on: hours of maintenance. Of the rest,
    what is empty bounds nothing; something is not.
    """

    comment: str
    until_ms: int | None = None
    for_s: int | None = None
    from_ms: int | None = None
    rules: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    kinds: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    match: Mapping[str, str] = field(default_factory=dict)
    cron: str = ""
    duration_s: int = 3600
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceView:
    """One silence. `alerts` are the numbers of the open ones it keeps quiet now."""

    id: str
    settings: SilenceSettings
    until_ms: int
    is_in_force: bool
    alerts: tuple[int, ...]
    by: str
    created_at_ms: int


def alert_view(alert: Alert, language: str = "en") -> AlertView:
    """Return an alert as it is shown, in a language where it has words in that."""
    subject = alert.subject
    return AlertView(
        number=alert.number,
        rule=alert.rule_id,
        kind=alert.kind,
        state=alert.state,
        severity=alert.severity,
        subject=AlertSubjectView(
            kind=subject.kind,
            name=subject.name,
            node_id=subject.node_id,
            node_name=subject.node_name,
            service_id=subject.service_id,
            environment=subject.environment,
        ),
        text=alert.said("text", language),
        next_step=alert.said("hint", language),
        usual=alert.said("usual", language),
        value=alert.value,
        labels=dict(alert.labels),
        since_ms=alert.since_ms,
        fired_at_ms=alert.fired_at_ms or None,
        told_at_ms=alert.notified_at_ms or None,
        resolved_at_ms=alert.resolved_at_ms or None,
        resolution=alert.said("resolution", language),
        muted_by=alert.said("muted_by", language),
        acknowledged_by=alert.acknowledged_by,
        acknowledged_at_ms=alert.acknowledged_at_ms or None,
        comment=alert.comment,
        unseen_ms=alert.quiet_since_ms or None,
        is_flapping=alert.is_flapping,
        translations=dict(alert.translations),
    )


def rule_view(rule: AlertRule, *, is_stored: bool, open_alerts: int) -> RuleView:
    """Return a rule as it is shown."""
    return RuleView(
        id=rule.id,
        settings=settings_of(rule),
        is_built_in=is_built_in(rule.id),
        is_changed=is_stored and is_built_in(rule.id),
        open_alerts=open_alerts,
        changed_at_ms=rule.changed_at_ms or None,
        changed_by=rule.changed_by,
    )


def settings_of(rule: AlertRule) -> RuleSettings:
    """Return a rule as people write it."""
    scope, threshold = rule.scope, rule.threshold
    is_above = threshold is not None and threshold.comparison is Comparison.ABOVE
    return RuleSettings(
        kind=rule.kind,
        summary=rule.summary,
        severity=rule.severity,
        enabled=rule.is_enabled,
        kinds=scope.kinds,
        hosts=scope.hosts,
        services=scope.services,
        environments=scope.environments,
        names=scope.names,
        match=dict(scope.labels),
        metric=rule.metric,
        above=threshold.value if threshold is not None and is_above else None,
        below=threshold.value if threshold is not None and not is_above else None,
        resolve=None if threshold is None else threshold.resolve_value,
        statistic=StepStatistic.MEAN if threshold is None else threshold.statistic,
        step_s=60 if threshold is None else threshold.step_ms // 1000,
        percent_of_limit=threshold is not None and threshold.is_percent_of_limit,
        for_s=rule.for_ms // 1000,
        looks_min=rule.looks_min,
        looks=rule.looks,
        keep_firing_s=rule.keep_firing_ms // 1000,
        remind_s=rule.remind_ms // 1000,
        within_s=rule.within_ms // 1000,
        window_s=rule.window_ms // 1000,
        count=rule.count,
        labels=dict(rule.labels),
        hint=rule.hint,
    )


def silence_view(silence: Silence, *, is_in_force: bool, alerts: tuple[int, ...]) -> SilenceView:
    """Return a silence as it is shown."""
    matcher, scope, span = silence.matcher, silence.matcher.scope, silence.span
    return SilenceView(
        id=silence.id,
        settings=SilenceSettings(
            comment=silence.comment,
            until_ms=silence.until_ms,
            from_ms=silence.from_ms,
            rules=matcher.rules,
            severities=matcher.severities,
            kinds=scope.kinds,
            hosts=scope.hosts,
            services=scope.services,
            environments=scope.environments,
            names=scope.names,
            match=dict(scope.labels),
            cron="" if span is None else span.cron,
            duration_s=0 if span is None else span.duration_ms // 1000,
            time_zone="UTC" if span is None else span.time_zone,
        ),
        until_ms=silence.until_ms,
        is_in_force=is_in_force,
        alerts=alerts,
        by=silence.by,
        created_at_ms=silence.created_at_ms,
    )
