"""Alerts that begin, are told, acknowledged, come to nothing and end, against versions known or not."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands import alerts
from cluster.model.alerts import (
    Alert,
    AlertMatcher,
    AlertPhase,
    AlertRule,
    AlertSubject,
    RuleKind,
    Silence,
    Told,
)
from cluster.model.events import Severity
from cluster.store.records import ALERTS, open_alert
from tests.properties.draws.context import Choices, Draw

MINUTE_MS = 60_000


def alert_commands(draw: Draw) -> Choices:
    rng = draw.rng
    numbers = [each.number for each in ALERTS.scan(draw.txn, limit=50)]
    number = rng.choice([*numbers, 99])
    name = rng.choice(["a", "b"])
    return [
        lambda: _commit(draw),
        lambda: _commit(draw),
        lambda: alerts.AcknowledgeAlert(number=number, by="ann", is_withdrawn=rng.random() < 0.3),
        lambda: alerts.PutAlertRule(rule=AlertRule(id=name, kind=RuleKind.HOST_DOWN)),
        lambda: alerts.RemoveAlertRule(rule_id=name),
        lambda: alerts.PutSilence(
            silence=Silence(
                id=name,
                matcher=AlertMatcher(rules=(name,)),
                comment="quiet",
                from_ms=draw.now_ms,
                until_ms=draw.now_ms + rng.choice([1, MINUTE_MS]),
            )
        ),
        lambda: alerts.EndSilence(silence_id=name),
    ]


def _commit(draw: Draw) -> alerts.CommitAlerts:
    rng = draw.rng
    rule_id, host = rng.choice(["a", "b"]), rng.choice(["n1", "n2"])
    known = open_alert(draw.txn, rule_id, f"host:{host}")
    alert = known or Alert(
        rule_id=rule_id,
        kind=RuleKind.HOST_DOWN,
        subject=AlertSubject(kind="host", key=f"host:{host}", name=host, node_id=host),
        severity=Severity.CRITICAL,
        phase=AlertPhase.PENDING,
        since_ms=draw.now_ms,
        judged_ms=draw.now_ms,
    )
    version = alert.version + rng.choice([0, 0, 0, 0, 1])
    if known is not None and rng.random() < 0.1:
        return alerts.CommitAlerts(
            changes=(alerts.AlertChange(alert=alert, expected_version=version, is_dropped=True),)
        )
    told = rng.choice([None, *Told]) if alert.notified_at_ms else rng.choice([None, Told.FIRING])
    after = replace(alert, phase=rng.choice(list(AlertPhase)), judged_ms=draw.now_ms)
    return alerts.CommitAlerts(
        changes=(alerts.AlertChange(alert=after, expected_version=version, told=told),)
    )
