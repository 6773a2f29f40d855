"""What people want to be told of: rules, alerts, and what is kept quiet.

An alert is one incident: one rule and one subject, from its beginning until it is resolved. How it moves is
decided by `cluster.alerts`; the log keeps what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model import rules
from cluster.model.environments import check_environment
from cluster.model.events import Severity
from cluster.model.metrics import BY_NAME, STEP_MS, SubjectKind
from cluster.model.windows import Span

RULES_MAX = 200
SILENCES_MAX = 200
ALERTS_KEPT = 2_000
"""Length of the ring of alerts: the oldest that is resolved goes when a new one comes."""
ALERTS_OPEN_MAX = 500
CHANGES_MAX = 100
"""How many alerts one command may change."""
LOOKS_MAX = 60
SCOPE_ITEMS_MAX = 50
LABELS_MAX = 16
TEXT_CHARS_MAX = 600
TRANSLATIONS_MAX = 16
KEY_BYTES_MAX = 280
DAY_MS = 86_400_000
SPAN_MAX_MS = 400 * DAY_MS

LIMIT_OF = {
    "memory_bytes": "memory_limit_bytes",
    "disk_used_bytes": "disk_size_bytes",
    "inodes_used": "inodes_max",
}
"""The metric that says how much there can be of another: what a share in percent is of."""
_WORDS = frozenset(kind.word for kind in SubjectKind)


class RuleKind(StrEnum):
    """What a rule looks at. Append only."""

    THRESHOLD = "threshold"
    ABSENCE = "absence"
    ANOMALY = "anomaly"
    FORECAST = "forecast"
    CONTAINER_DOWN = "container-down"
    CONTAINER_UNHEALTHY = "container-unhealthy"
    CRASH_LOOP = "crash-loop"
    OUT_OF_MEMORY = "out-of-memory"
    HOST_DOWN = "host-down"
    CERTIFICATE = "certificate-expiring"
    BACKUP = "backup-overdue"
    QUORUM = "quorum-risk"


METRIC_KINDS = frozenset({RuleKind.THRESHOLD, RuleKind.ABSENCE, RuleKind.FORECAST})
"""Those that need a metric."""


class Comparison(StrEnum):
    ABOVE = "above"
    BELOW = "below"


class StepStatistic(StrEnum):
    """What stands for the samples of one step."""

    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    P95 = "p95"
    LAST = "last"
    SUM = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """When a value is too much, or too little.

    `value` is in the metric's unit, or in percent of its limit. A firing alert is over only when the value is
    on the other side of `resolve_value` (None: of `value`). One value stands for `step_ms`.
    """

    comparison: Comparison = Comparison.ABOVE
    value: float = 0.0
    resolve_value: float | None = None
    statistic: StepStatistic = StepStatistic.MEAN
    step_ms: int = 60_000
    is_percent_of_limit: bool = False

    def __post_init__(self) -> None:
        for name, value in (("value", self.value), ("resolve_value", self.resolve_value)):
            if value is not None and not -1e18 < value < 1e18:
                raise ValueError(f"{name} {value}: a number between -10^18 and 10^18 is needed")
        rules.check_range("step_ms", self.step_ms, STEP_MS, 3_600_000)
        if self.resolve_value is not None:
            is_above = self.comparison is Comparison.ABOVE
            if (self.resolve_value > self.value) if is_above else (self.resolve_value < self.value):
                side = "above" if is_above else "below"
                raise ValueError(
                    f"resolve_value {self.resolve_value:g} is {side} value {self.value:g}: an alert would be"
                    " over while it begins; give one on the quiet side of it"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleScope:
    """What a rule is about: what fits every field that is not empty.

    `kinds` are words of `SubjectKind`. `hosts` are ids or names. `names` may end in `*`. All pairs of
    `labels` must be there.
    """

    kinds: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name in ("kinds", "hosts", "services", "environments", "names"):
            items: tuple[str, ...] = getattr(self, name)
            rules.check_count(f"scope.{name}", items, SCOPE_ITEMS_MAX)
            for item in items:
                rules.check_text(f"scope.{name}", item, 256, chars_min=1)
        unknown = [kind for kind in self.kinds if kind not in _WORDS]
        if unknown:
            raise ValueError(
                f"scope.kinds {unknown[0]!r}: not known; use some of {', '.join(sorted(_WORDS))}"
            )
        for environment in self.environments:
            check_environment("scope.environments", environment)
        rules.check_pairs("scope.labels", self.labels, LABELS_MAX, 256)

    def covers(self, subject: AlertSubject) -> bool:
        """Whether a subject is meant."""
        labels = dict(subject.labels)
        return (
            (not self.kinds or subject.kind in self.kinds)
            and (not self.hosts or subject.node_id in self.hosts or subject.node_name in self.hosts)
            and (not self.services or subject.service_id in self.services)
            and (not self.environments or subject.environment in self.environments)
            and (not self.names or any(_fits(pattern, subject.name) for pattern in self.names))
            and all(labels.get(key) == value for key, value in self.labels)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """What is looked at, and when somebody is told.

    It fires once what it looks for held for `for_ms`, or, with `looks`, in `looks_min` of the last `looks`
    looks. It goes on firing until that was over for `keep_firing_ms`. Without an acknowledgement it is told
    again every `remind_ms` (0: never).

    `metric` and `threshold` are for threshold, absence and forecast. `within_ms` is how far ahead a forecast
    or the end of a certificate counts. `count` is how many restarts within `window_ms` are a crash loop, how
    many metrics an anomaly needs at least, and how many more hosts a quorum must be able to lose. `hint` is
    what to do, for whoever is told.
    """

    id: str
    kind: RuleKind
    summary: str = ""
    severity: Severity = Severity.WARNING
    is_enabled: bool = True
    scope: RuleScope = field(default_factory=RuleScope)
    metric: str = ""
    threshold: Threshold | None = None
    for_ms: int = 0
    looks_min: int = 0
    looks: int = 0
    keep_firing_ms: int = 0
    remind_ms: int = 0
    within_ms: int = 0
    window_ms: int = 0
    count: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    changed_at_ms: int = 0
    changed_by: str = ""

    def __post_init__(self) -> None:
        rules.check_id("rule id", self.id)
        rules.check_text("summary", self.summary, 256)
        rules.check_text("hint", self.hint, TEXT_CHARS_MAX)
        rules.check_text("changed by", self.changed_by, 128)
        for name in ("for_ms", "keep_firing_ms", "remind_ms", "window_ms"):
            rules.check_range(name, getattr(self, name), 0, 30 * DAY_MS)
        rules.check_range("within_ms", self.within_ms, 0, SPAN_MAX_MS)
        rules.check_range("count", self.count, 0, 10_000)
        rules.check_range("looks", self.looks, 0, LOOKS_MAX)
        rules.check_range("looks_min", self.looks_min, 0, self.looks)
        if (self.looks > 0) != (self.looks_min > 0):
            raise ValueError(f"looks_min {self.looks_min} of looks {self.looks}: give both, such as 3 of 5")
        rules.check_pairs("labels", self.labels, LABELS_MAX, 256)
        self._check_kind()

    def _check_kind(self) -> None:
        if self.metric and self.metric not in BY_NAME:
            raise ValueError(f"metric {self.metric!r}: not known; use one of {', '.join(sorted(BY_NAME))}")
        if (self.kind in METRIC_KINDS) != bool(self.metric):
            needs = "one is needed" if self.kind in METRIC_KINDS else "a rule of this kind has none"
            raise ValueError(f"metric {self.metric!r}: {needs} ({self.kind})")
        if (self.kind is RuleKind.THRESHOLD) != (self.threshold is not None):
            raise ValueError(f"threshold: goes with kind threshold, and only with it (kind {self.kind})")
        is_of_limit = self.threshold is not None and self.threshold.is_percent_of_limit
        if (is_of_limit or self.kind is RuleKind.FORECAST) and self.metric not in LIMIT_OF:
            raise ValueError(
                f"metric {self.metric!r}: it has no limit to be a share of; use one of"
                f" {', '.join(sorted(LIMIT_OF))}"
            )
        wanted = [SubjectKind[word.upper()] for word in self.scope.kinds]
        if self.metric and wanted and not set(wanted) & set(BY_NAME[self.metric].kinds):
            had = ", ".join(kind.word for kind in BY_NAME[self.metric].kinds)
            raise ValueError(f"scope.kinds: {self.metric} is measured of {had} only")
        if self.kind in (RuleKind.FORECAST, RuleKind.CERTIFICATE) and not self.within_ms:
            raise ValueError(f"within_ms 0: a rule of kind {self.kind} says how far ahead it looks")
        if self.kind is RuleKind.ANOMALY and self.count < 2:
            raise ValueError(f"count {self.count}: one metric alone is no reason to tell anybody; 2 or more")
        if self.kind is RuleKind.CRASH_LOOP and not (self.count and self.window_ms):
            raise ValueError("count, window_ms: a crash loop is so many restarts within so much time")
        if self.kind is RuleKind.QUORUM and not self.count:
            raise ValueError("count 0: how many more hosts must be able to fail; at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSubject:
    """What an alert is about. `key` tells it apart among everything there is; `name` is what people call it.

    `kind` is a word of `SubjectKind`, or service, certificate, backup, cluster. "" where it has no host, or
    no service.
    """

    kind: str
    key: str
    name: str
    node_id: str = ""
    node_name: str = ""
    service_id: str = ""
    environment: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        rules.check_text("subject kind", self.kind, 32, chars_min=1)
        rules.check_text("subject key", self.key, KEY_BYTES_MAX, chars_min=1)
        rules.check_range("subject key bytes", len(self.key.encode()), 1, KEY_BYTES_MAX)
        rules.check_text("subject name", self.name, 256)
        for name in ("node_id", "node_name", "service_id", "environment"):
            rules.check_text(f"subject {name}", getattr(self, name), 128)
        rules.check_pairs("subject labels", self.labels, LABELS_MAX, 256)


class AlertPhase(StrEnum):
    """PENDING: it holds, but not for long enough yet. FIRING, and RESOLVED when that is over."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertState(StrEnum):
    """How an alert stands with people: a firing one may be acknowledged, or kept quiet."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One incident. Of a rule and a subject there is at most one that is not resolved.

    `number` is its name, and 0 until the log has given it one; `version` rises with every change. `since_ms`
    is when what it is about began, `judged_ms` of which moment the newest judgement is that changed it.
    `text` says in a sentence what is wrong, `usual` how that compares with other days, `hint` what to do.

    `muted_by` says why nobody is told, "" when people are. `notified_at_ms` 0: nobody was told.
    `quiet_since_ms` above 0: it is not known how things stand since then. `is_flapping`: it began so often of
    late that it stays until it was quiet for longer.
    """

    number: int = 0
    version: int = 0
    rule_id: str
    kind: RuleKind
    subject: AlertSubject
    severity: Severity
    phase: AlertPhase
    since_ms: int
    judged_ms: int
    text: str = ""
    hint: str = ""
    usual: str = ""
    value: float | None = None
    labels: tuple[tuple[str, str], ...] = ()
    fired_at_ms: int = 0
    resolved_at_ms: int = 0
    resolution: str = ""
    notified_at_ms: int = 0
    reminded_at_ms: int = 0
    muted_by: str = ""
    acknowledged_at_ms: int = 0
    acknowledged_by: str = ""
    comment: str = ""
    quiet_since_ms: int = 0
    is_flapping: bool = False
    translations: tuple[tuple[str, str], ...] = ()
    """Pairs of "<language>.<field>" and what the field says in that language; the fields are English."""

    def __post_init__(self) -> None:
        rules.check_id("rule id", self.rule_id)
        rules.check_pairs("alert translations", self.translations, TRANSLATIONS_MAX, TEXT_CHARS_MAX)
        for name in ("text", "hint", "usual", "resolution", "muted_by", "comment"):
            rules.check_text(f"alert {name}", getattr(self, name), TEXT_CHARS_MAX)
        rules.check_text("acknowledged by", self.acknowledged_by, 128)
        rules.check_pairs("alert labels", self.labels, LABELS_MAX, 256)

    @property
    def is_open(self) -> bool:
        return self.phase is not AlertPhase.RESOLVED

    def said(self, field: str, language: str) -> str:
        """Return what a field says in a language, in English where it does not say it."""
        return dict(self.translations).get(f"{language}.{field}") or str(getattr(self, field))

    @property
    def state(self) -> AlertState:
        if self.phase is not AlertPhase.FIRING:
            return AlertState(self.phase.value)
        if self.muted_by:
            return AlertState.SILENCED
        return AlertState.ACKNOWLEDGED if self.acknowledged_at_ms else AlertState.FIRING


class Told(StrEnum):
    """What people are told of an alert."""

    FIRING = "firing"
    REMINDER = "reminder"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMatcher:
    """Which alerts are kept quiet: those that fit every field that is not empty. At least one is not."""

    rules: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    scope: RuleScope = field(default_factory=RuleScope)

    def __post_init__(self) -> None:
        rules.check_count("matcher rules", self.rules, SCOPE_ITEMS_MAX)
        for rule in self.rules:
            rules.check_id("matcher rules", rule)
        rules.check_count("matcher severities", self.severities, len(Severity))
        if not self.rules and not self.severities and self.scope == RuleScope():
            raise ValueError(
                "matcher: it would silence everything; name rules, severities, hosts, services, environments,"
                " names or labels"
            )

    def matches(self, alert: Alert) -> bool:
        return (
            (not self.rules or alert.rule_id in self.rules)
            and (not self.severities or alert.severity in self.severities)
            and self.scope.covers(alert.subject)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nobody is told of what `matcher` fits, from `from_ms` until `until_ms`.

    With `span` only while that comes round: hours of maintenance, such as every Sunday night.
    """

    id: str
    matcher: AlertMatcher
    comment: str
    from_ms: int
    until_ms: int
    span: Span | None = None
    by: str = ""
    created_at_ms: int = 0

    def __post_init__(self) -> None:
        rules.check_id("silence id", self.id)
        rules.check_text("comment", self.comment, 256, chars_min=1)
        rules.check_range("from", self.from_ms, 0, 253_402_300_799_999)
        if self.until_ms <= self.from_ms:
            raise ValueError("until: it is not after the silence begins")
        if self.until_ms - self.from_ms > SPAN_MAX_MS:
            raise ValueError("until: a silence lasts at most 400 days; what is never wanted is no rule")
        rules.check_text("by", self.by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCount:
    """The highest number an alert has had, and how many are kept."""

    newest: int = 0
    kept: int = 0


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
