"""Handlers of the commands on alert rules, alerts and silences.

What an alert is about is not judged here. That there is one open alert for a rule and a subject, and that
each is told once, is what these keep.
"""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.alerts import (
    AcknowledgeAlert,
    AlertChange,
    CommitAlerts,
    EndSilence,
    PutAlertRule,
    PutSilence,
    RemoveAlertRule,
)
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.alerts import (
    ALERTS_KEPT,
    ALERTS_OPEN_MAX,
    RULES_MAX,
    SILENCES_MAX,
    Alert,
    AlertCount,
    AlertPhase,
    Told,
)
from cluster.model.events import EventKind, EventSubject, Severity
from cluster.state_machine.container_events import event_subject, note_alert
from cluster.state_machine.entry import Entry
from cluster.state_machine.events import record_event
from cluster.store.records import (
    ALERT_COUNT,
    ALERT_RULES,
    ALERTS,
    ALERTS_OPEN,
    SILENCES,
    find_environment,
    open_alert,
)

_KINDS = {
    Told.FIRING: EventKind.ALERT_FIRING,
    Told.REMINDER: EventKind.ALERT_FIRING,
    Told.RESOLVED: EventKind.ALERT_RESOLVED,
}

LABELS_TOLD_MAX = 8
"""An event has a bounded number of details, and the words must be among them."""


def put_alert_rule(entry: Entry, command: PutAlertRule) -> Outcome:
    rule = command.rule
    if ALERT_RULES.get(entry.txn, rule.id) is None and len(ALERT_RULES.scan(entry.txn)) >= RULES_MAX:
        return Rejected(
            f"there are {RULES_MAX} alert rules, which is the most: remove one first", Code.INVALID
        )
    ALERT_RULES.put(entry.txn, replace(rule, changed_at_ms=entry.now_ms))
    return Applied()


def remove_alert_rule(entry: Entry, command: RemoveAlertRule) -> Outcome:
    if ALERT_RULES.get(entry.txn, command.rule_id) is None:
        return Rejected(f"there is no alert rule {command.rule_id}", Code.NOT_FOUND)
    ALERT_RULES.delete(entry.txn, command.rule_id)
    return Applied()


def commit_alerts(entry: Entry, command: CommitAlerts) -> Outcome:
    numbers = []
    for change in command.changes:
        outcome = _change(entry, change)
        if isinstance(outcome, Rejected):
            return outcome
        numbers.append(outcome)
    return Applied(numbers)


def acknowledge_alert(entry: Entry, command: AcknowledgeAlert) -> Outcome:
    alert = ALERTS.get(entry.txn, command.number)
    if alert is None:
        return Rejected(f"there is no alert {command.number}", Code.NOT_FOUND)
    if alert.phase is not AlertPhase.FIRING:
        return Rejected(
            f"alert {command.number} is {alert.phase}: only one that fires is acknowledged", Code.INVALID
        )
    at_ms = 0 if command.is_withdrawn else entry.now_ms
    after = replace(
        alert,
        version=alert.version + 1,
        acknowledged_at_ms=at_ms,
        acknowledged_by="" if command.is_withdrawn else command.by,
        comment=command.comment,
    )
    ALERTS.put(entry.txn, after)
    if not command.is_withdrawn:
        _tell(entry, after, EventKind.ALERT_ACKNOWLEDGED, f"{command.by} looks after it: {after.text}")
    return Applied()


def put_silence(entry: Entry, command: PutSilence) -> Outcome:
    silence = command.silence
    for old in SILENCES.scan(entry.txn):
        # Those that are over by themselves are of no use to anybody: the audit knows of them.
        if old.until_ms <= entry.now_ms:
            SILENCES.delete(entry.txn, old.id)
    if SILENCES.get(entry.txn, silence.id) is not None:
        return Rejected(f"there is a silence {silence.id} already", Code.ALREADY_EXISTS)
    if len(SILENCES.scan(entry.txn)) >= SILENCES_MAX:
        return Rejected(f"there are {SILENCES_MAX} silences, which is the most: end one first", Code.INVALID)
    SILENCES.put(entry.txn, replace(silence, created_at_ms=entry.now_ms))
    record_event(
        entry,
        EventKind.ALERT_SILENCED,
        subject=EventSubject(),
        summary=f"{silence.by or 'somebody'} keeps alerts quiet: {silence.comment}",
        details={"silence": silence.id, "until_ms": str(silence.until_ms)},
        severity=Severity.INFO,
    )
    return Applied()


def end_silence(entry: Entry, command: EndSilence) -> Outcome:
    if SILENCES.get(entry.txn, command.silence_id) is None:
        return Rejected(f"there is no silence {command.silence_id}", Code.NOT_FOUND)
    SILENCES.delete(entry.txn, command.silence_id)
    return Applied()


def _change(entry: Entry, change: AlertChange) -> int | Rejected:
    wanted = change.alert
    known = open_alert(entry.txn, wanted.rule_id, wanted.subject.key)
    version = 0 if known is None else known.version
    if version != change.expected_version or (known is not None and known.number != wanted.number):
        return Rejected(
            f"the alert of {wanted.rule_id} about {wanted.subject.key} has changed: look again",
            Code.VERSION_CONFLICT,
        )
    refused = _refuse(wanted, known, change.told)
    if refused:
        return Rejected(f"{wanted.rule_id} about {wanted.subject.key}: {refused}", Code.INVALID)
    if change.is_dropped:
        _drop(entry, wanted)
        return wanted.number
    after = wanted
    if known is None:
        count = ALERT_COUNT.get(entry.txn) or AlertCount()
        if len(ALERTS_OPEN.scan(entry.txn, limit=ALERTS_OPEN_MAX)) >= ALERTS_OPEN_MAX:
            return Rejected(f"there are {ALERTS_OPEN_MAX} open alerts, which is the most", Code.IN_USE)
        after = replace(wanted, number=count.newest + 1)
        ALERT_COUNT.put(entry.txn, AlertCount(newest=after.number, kept=count.kept + 1))
        ALERTS_OPEN.add(entry.txn, after.rule_id, after.subject.key, after.number)
    after = replace(after, version=version + 1)
    if change.told is Told.FIRING:
        after = replace(after, notified_at_ms=entry.now_ms)
    elif change.told is Told.REMINDER:
        after = replace(after, reminded_at_ms=entry.now_ms)
    ALERTS.put(entry.txn, after)
    if not after.is_open:
        ALERTS_OPEN.remove(entry.txn, after.rule_id, after.subject.key, after.number)
    if change.told is not None:
        _tell(entry, after, _KINDS[change.told], _summary(after, change.told))
        note_alert(entry, after, change.told)
    if known is None:
        _forget_oldest(entry)
    return after.number


def _refuse(wanted: Alert, known: Alert | None, told: Told | None) -> str:
    """Why this cannot be, "" when it can."""
    was_told = known is not None and known.notified_at_ms > 0
    match told:
        case Told.FIRING if was_told:
            return "it was told already"
        case Told.REMINDER if not was_told:
            return "what was not told cannot be told again"
        case Told.RESOLVED if not was_told or wanted.is_open:
            return "the end of what was not told, or is not over, is not told"
        case Told.FIRING | Told.REMINDER if wanted.phase is not AlertPhase.FIRING:
            return "only what fires is told"
    if known is not None and known.phase is AlertPhase.FIRING and wanted.phase is AlertPhase.PENDING:
        return "what fires does not wait again"
    return ""


def _drop(entry: Entry, alert: Alert) -> None:
    count = ALERT_COUNT.get(entry.txn) or AlertCount()
    ALERT_COUNT.put(entry.txn, replace(count, kept=count.kept - 1))
    ALERTS.delete(entry.txn, alert.number)
    ALERTS_OPEN.remove(entry.txn, alert.rule_id, alert.subject.key, alert.number)


def _forget_oldest(entry: Entry) -> None:
    count = ALERT_COUNT.get(entry.txn) or AlertCount()
    if count.kept <= ALERTS_KEPT:
        return
    # The oldest is mostly over; of one more than can be open, one is. Few stay open for so long, and reading
    # all of those for each alert that begins would hold up the log.
    for limit in (1, 8, 64, ALERTS_OPEN_MAX + 1):
        over = [old for old in ALERTS.scan(entry.txn, limit=limit) if not old.is_open]
        if over:
            ALERTS.delete(entry.txn, over[0].number)
            ALERT_COUNT.put(entry.txn, replace(count, kept=count.kept - 1))
            return


def _summary(alert: Alert, told: Told) -> str:
    match told:
        case Told.RESOLVED:
            return f"Over: {alert.text}" + (f" ({alert.resolution})" if alert.resolution else "")
        case Told.REMINDER:
            return f"Still: {alert.text}"
        case Told.FIRING:
            return f"{alert.text} {alert.usual}".strip()


def _tell(entry: Entry, alert: Alert, kind: EventKind, summary: str) -> None:
    subject = alert.subject
    environment = find_environment(entry.txn, subject.environment)
    record_event(
        entry,
        kind,
        subject=event_subject(alert),
        summary=summary,
        details={
            **{f"label.{key}": value for key, value in alert.labels[:LABELS_TOLD_MAX]},
            "rule": alert.rule_id,
            "kind": alert.kind.value,
            "subject": subject.name,
            "subject_kind": subject.kind,
            "environment": subject.environment,
            "channel": "" if environment is None else environment.alert_channel,
            "state": alert.state.value,
            "text": alert.text,
            "text.it": alert.said("text", "it"),
            "next_step": alert.hint,
            "usual": alert.usual,
            "value": "" if alert.value is None else f"{alert.value:.6g}",
            "since_ms": str(alert.since_ms),
            "acknowledged_by": alert.acknowledged_by,
            "comment": alert.comment,
        },
        severity=alert.severity,
    )
