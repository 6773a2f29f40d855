"""The rules that are there without being made: few, slow to speak, each about something to act on."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.model.alerts import DAY_MS, AlertRule, Comparison, RuleKind, RuleScope, StepStatistic, Threshold
from cluster.model.events import Severity

_MINUTE_MS = 60_000

BUILT_IN: tuple[AlertRule, ...] = (
    AlertRule(
        id="host-down",
        kind=RuleKind.HOST_DOWN,
        summary="A host of the cluster does not answer any more",
        severity=Severity.CRITICAL,
        for_ms=30_000,
        keep_firing_ms=_MINUTE_MS,
    ),
    AlertRule(
        id="quorum-risk",
        kind=RuleKind.QUORUM,
        summary="One more lost host would stop all changes",
        severity=Severity.CRITICAL,
        for_ms=5 * _MINUTE_MS,
        keep_firing_ms=_MINUTE_MS,
        count=1,
    ),
    AlertRule(
        id="container-down",
        kind=RuleKind.CONTAINER_DOWN,
        summary="A container that should run has ended",
        severity=Severity.CRITICAL,
        for_ms=2 * _MINUTE_MS,
        keep_firing_ms=_MINUTE_MS,
    ),
    AlertRule(
        id="container-unhealthy",
        kind=RuleKind.CONTAINER_UNHEALTHY,
        summary="A container's own health check fails",
        for_ms=2 * _MINUTE_MS,
        keep_firing_ms=2 * _MINUTE_MS,
    ),
    AlertRule(
        id="crash-loop",
        kind=RuleKind.CRASH_LOOP,
        summary="A container ends and is started again and again",
        severity=Severity.CRITICAL,
        count=3,
        window_ms=10 * _MINUTE_MS,
    ),
    AlertRule(
        id="out-of-memory",
        kind=RuleKind.OUT_OF_MEMORY,
        summary="The kernel killed a process because its container's memory was used up",
        severity=Severity.CRITICAL,
        count=1,
        window_ms=10 * _MINUTE_MS,
    ),
    AlertRule(
        id="memory-limit",
        kind=RuleKind.THRESHOLD,
        summary="A container is about to use up its memory",
        scope=RuleScope(kinds=("container",)),
        metric="memory_bytes",
        threshold=Threshold(
            value=95.0, resolve_value=90.0, statistic=StepStatistic.MIN, is_percent_of_limit=True
        ),
        for_ms=10 * _MINUTE_MS,
        keep_firing_ms=5 * _MINUTE_MS,
    ),
    AlertRule(
        id="disk-full",
        kind=RuleKind.THRESHOLD,
        summary="A file system is nearly full",
        severity=Severity.CRITICAL,
        metric="disk_used_bytes",
        threshold=Threshold(
            value=90.0, resolve_value=87.0, statistic=StepStatistic.LAST, is_percent_of_limit=True
        ),
        for_ms=10 * _MINUTE_MS,
        keep_firing_ms=10 * _MINUTE_MS,
    ),
    AlertRule(
        id="inodes-used-up",
        kind=RuleKind.THRESHOLD,
        summary="A file system is about to have no inodes left",
        metric="inodes_used",
        threshold=Threshold(
            value=90.0, resolve_value=87.0, statistic=StepStatistic.LAST, is_percent_of_limit=True
        ),
        for_ms=10 * _MINUTE_MS,
        keep_firing_ms=10 * _MINUTE_MS,
    ),
    AlertRule(
        id="disk-full-soon",
        kind=RuleKind.FORECAST,
        summary="A file system is full within three days if it goes on like this",
        metric="disk_used_bytes",
        within_ms=3 * DAY_MS,
        for_ms=30 * _MINUTE_MS,
        keep_firing_ms=6 * 60 * _MINUTE_MS,
    ),
    AlertRule(
        id="certificate-expiring",
        kind=RuleKind.CERTIFICATE,
        summary="A certificate ends within two weeks",
        within_ms=14 * DAY_MS,
        keep_firing_ms=_MINUTE_MS,
    ),
    AlertRule(
        id="unusual",
        kind=RuleKind.ANOMALY,
        summary="Several numbers of one container or host are unusual at the same time",
        severity=Severity.WARNING,
        is_enabled=False,
        count=2,
        for_ms=5 * _MINUTE_MS,
        keep_firing_ms=15 * _MINUTE_MS,
    ),
    AlertRule(
        id="processor-kept-waiting",
        kind=RuleKind.THRESHOLD,
        summary="A container is slowed down by its processor limit",
        severity=Severity.INFO,
        is_enabled=False,
        scope=RuleScope(kinds=("container",)),
        metric="throttled_percent",
        threshold=Threshold(comparison=Comparison.ABOVE, value=50.0, resolve_value=30.0),
        looks_min=10,
        looks=15,
        keep_firing_ms=10 * _MINUTE_MS,
    ),
)
"""Switched off or changed by putting one of the same id."""

_IDS = frozenset(rule.id for rule in BUILT_IN)


def is_built_in(rule_id: str) -> bool:
    return rule_id in _IDS


def rules_in_force(stored: Iterable[AlertRule]) -> list[AlertRule]:
    """Return every rule there is, by id: those that were put, and of the built-in ones the others."""
    rules = {rule.id: rule for rule in (*BUILT_IN, *stored)}
    return [rules[rule_id] for rule_id in sorted(rules)]
