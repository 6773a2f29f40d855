"""Alerts in the log: one open for a rule and a subject, each told once, and a ring that stays bounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import cluster.state_machine.alerts as handlers
from cluster.commands.alerts import (
    AcknowledgeAlert,
    AlertChange,
    CommitAlerts,
    EndSilence,
    PutAlertRule,
    PutSilence,
    RemoveAlertRule,
)
from cluster.commands.environments import PutEnvironment
from cluster.commands.outcome import Code
from cluster.model.alerts import (
    Alert,
    AlertMatcher,
    AlertPhase,
    AlertRule,
    AlertState,
    AlertSubject,
    RuleKind,
    Silence,
    Told,
)
from cluster.model.environments import Environment
from cluster.model.events import EventKind, Severity
from cluster.store.records import ALERT_RULES, ALERTS, EVENTS, SILENCES, open_alert, open_alerts
from tests.support.state_builders import START_MS, Replica


def a_state() -> Replica:
    state = Replica()
    state.lead()
    return state


def an_alert(about: str = "alpha", **fields: Any) -> Alert:
    base: dict[str, Any] = {
        "rule_id": "host-down",
        "kind": RuleKind.HOST_DOWN,
        "subject": AlertSubject(kind="host", key=f"host:{about}", name=about, node_id="n1", node_name=about),
        "severity": Severity.CRITICAL,
        "phase": AlertPhase.FIRING,
        "since_ms": START_MS,
        "judged_ms": START_MS,
        "fired_at_ms": START_MS,
        "text": f"Host {about} is down.",
    }
    return Alert(**{**base, **fields})


def commit(*changes: AlertChange) -> CommitAlerts:
    return CommitAlerts(changes=changes)


def fire(state: Replica, about: str = "alpha", **fields: Any) -> Alert:
    change = AlertChange(alert=an_alert(about, **fields), expected_version=0, told=Told.FIRING)
    (number,) = state.must(commit(change))
    alert = ALERTS.get(state.txn, number)
    assert alert is not None
    return alert


def told(state: Replica) -> list[EventKind]:
    return [event.kind for event in EVENTS.scan(state.txn) if event.kind.family == "alert"]


def test_an_alert_and_the_news_of_it_are_one_entry() -> None:
    state = a_state()
    alert = fire(state)
    (event,) = (each for each in EVENTS.scan(state.txn) if each.kind is EventKind.ALERT_FIRING)
    assert (event.summary, event.severity, event.subject.alert_id) == (
        "Host alpha is down.",
        Severity.CRITICAL,
        "1",
    )
    assert (alert.notified_at_ms, alert.version) == (START_MS, 1)
    assert open_alert(state.txn, "host-down", "host:alpha") == alert


def test_an_alert_of_an_environment_names_the_channel_that_is_set_there() -> None:
    state = a_state()
    state.must(PutEnvironment(environment=Environment(name="prod", alert_channel="on-call")))
    subject = AlertSubject(kind="container", key="c", name="web", environment="prod")
    fire(state, subject=subject)
    (event,) = (each for each in EVENTS.scan(state.txn) if each.kind is EventKind.ALERT_FIRING)
    assert dict(event.details)["channel"] == "on-call"


def test_a_second_leader_that_knows_nothing_of_it_is_refused_and_tells_nobody() -> None:
    state = a_state()
    fire(state)
    again = commit(AlertChange(alert=an_alert(), expected_version=0, told=Told.FIRING))
    assert state.refusal(again).code is Code.VERSION_CONFLICT
    assert told(state) == [EventKind.ALERT_FIRING]


def test_what_was_told_is_not_told_again_even_by_one_that_knows_the_alert() -> None:
    state = a_state()
    alert = fire(state)
    again = commit(AlertChange(alert=alert, expected_version=1, told=Told.FIRING))
    assert "told already" in state.refusal(again).reason
    reminded = commit(AlertChange(alert=alert, expected_version=1, told=Told.REMINDER))
    state.must(reminded)
    assert told(state) == [EventKind.ALERT_FIRING, EventKind.ALERT_FIRING]


def test_one_bad_change_keeps_all_of_its_command_from_being_made() -> None:
    state = a_state()
    fire(state)
    both = commit(
        AlertChange(alert=an_alert("beta"), expected_version=0, told=Told.FIRING),
        AlertChange(alert=an_alert("alpha"), expected_version=0, told=Told.FIRING),
    )
    state.refusal(both)
    assert [alert.subject.name for alert in open_alerts(state.txn)] == ["alpha"]
    assert told(state) == [EventKind.ALERT_FIRING]


def test_an_alert_that_is_over_makes_room_for_the_next_one_of_the_same() -> None:
    state = a_state()
    alert = fire(state)
    over = replace(alert, phase=AlertPhase.RESOLVED, resolved_at_ms=START_MS)
    state.must(commit(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED)))
    assert open_alert(state.txn, "host-down", "host:alpha") is None
    assert fire(state).number == 2
    assert told(state) == [EventKind.ALERT_FIRING, EventKind.ALERT_RESOLVED, EventKind.ALERT_FIRING]


def test_the_end_of_what_nobody_was_told_of_is_not_told() -> None:
    state = a_state()
    pending = an_alert(phase=AlertPhase.PENDING)
    state.must(commit(AlertChange(alert=pending, expected_version=0)))
    known = open_alert(state.txn, "host-down", "host:alpha")
    assert known is not None
    over = replace(known, phase=AlertPhase.RESOLVED)
    refused = state.refusal(commit(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED)))
    assert "not told" in refused.reason
    state.must(commit(AlertChange(alert=known, expected_version=1, is_dropped=True)))
    assert ALERTS.scan(state.txn) == []
    assert told(state) == []


def test_who_acknowledges_is_told_and_a_decision_on_the_alert_before_that_is_refused() -> None:
    state = a_state()
    alert = fire(state)
    state.must(AcknowledgeAlert(number=1, by="ann", comment="on it"))
    known = ALERTS.get(state.txn, 1)
    assert known is not None
    assert (known.state, known.acknowledged_by) == (AlertState.ACKNOWLEDGED, "ann")
    late = commit(AlertChange(alert=alert, expected_version=1, told=Told.REMINDER))
    assert state.refusal(late).code is Code.VERSION_CONFLICT
    state.must(AcknowledgeAlert(number=1, by="ann", is_withdrawn=True))
    known = ALERTS.get(state.txn, 1)
    assert known is not None
    assert known.state is AlertState.FIRING
    assert state.refusal(AcknowledgeAlert(number=9, by="ann")).code is Code.NOT_FOUND


def test_only_the_leader_commits_alerts() -> None:
    state = Replica()
    refused = state.refusal(commit(AlertChange(alert=an_alert(), expected_version=0, told=Told.FIRING)))
    assert refused.code is Code.FENCED


def test_the_ring_forgets_the_oldest_that_is_over_and_never_one_that_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handlers, "ALERTS_KEPT", 3)
    state = a_state()
    fire(state, "open")
    for name in ("a", "b", "c", "d"):
        alert = fire(state, name)
        over = replace(alert, phase=AlertPhase.RESOLVED)
        state.must(commit(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED)))
    assert [alert.subject.name for alert in ALERTS.scan(state.txn)] == ["open", "c", "d"]


@pytest.mark.parametrize("still_open", [7, 8, 64])
def test_the_oldest_that_is_over_is_found_behind_many_that_are_open(
    still_open: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "ALERTS_KEPT", still_open + 1)
    state = a_state()
    names = [f"open-{number}" for number in range(still_open)]
    for name in names:
        fire(state, name)
    for name in ("a", "b"):
        over = replace(fire(state, name), phase=AlertPhase.RESOLVED)
        state.must(commit(AlertChange(alert=over, expected_version=1, told=Told.RESOLVED)))
    assert [alert.subject.name for alert in ALERTS.scan(state.txn)] == [*names, "b"]


def test_no_more_alerts_are_open_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "ALERTS_OPEN_MAX", 2)
    state = a_state()
    fire(state, "a")
    fire(state, "b")
    third = commit(AlertChange(alert=an_alert("c"), expected_version=0, told=Told.FIRING))
    assert state.refusal(third).code is Code.IN_USE


def test_rules_are_put_and_removed_by_name() -> None:
    state = a_state()
    rule = AlertRule(id="mine", kind=RuleKind.HOST_DOWN)
    state.must(PutAlertRule(rule=rule))
    assert ALERT_RULES.get(state.txn, "mine") == replace(rule, changed_at_ms=START_MS)
    state.must(RemoveAlertRule(rule_id="mine"))
    assert state.refusal(RemoveAlertRule(rule_id="mine")).code is Code.NOT_FOUND


def test_silences_that_are_over_go_when_another_comes() -> None:
    state = a_state()

    def silence(name: str, hours: int) -> PutSilence:
        return PutSilence(
            silence=Silence(
                id=name,
                matcher=AlertMatcher(rules=("host-down",)),
                comment="racks",
                from_ms=START_MS,
                until_ms=START_MS + hours * 3_600_000,
                by="ann",
            )
        )

    state.must(silence("si_1", 1))
    assert state.refusal(silence("si_1", 1)).code is Code.ALREADY_EXISTS
    state.now_ms += 2 * 3_600_000
    state.must(silence("si_2", 9))
    assert [each.id for each in SILENCES.scan(state.txn)] == ["si_2"]
    state.must(EndSilence(silence_id="si_2"))
    assert state.refusal(EndSilence(silence_id="si_2")).code is Code.NOT_FOUND
    assert told(state) == [EventKind.ALERT_SILENCED] * 2
