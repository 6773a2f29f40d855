"""Alerts are told once, whoever leads, and whenever leaders die."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from agent.leader.alerting import Alerting
from cluster.analytics.anomalies import Anomaly, AnomalyKind, Finding
from cluster.analytics.anomalies import Severity as AnomalySeverity
from cluster.analytics.grouping import Incident, Place, Scope
from cluster.commands import Applied
from cluster.commands.alerts import AcknowledgeAlert, PutAlertRule, PutSilence
from cluster.commands.nodes import SetNodeStatus
from cluster.commands.web_certificates import PutWebCertificate
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution, ResultSeries, Selector
from cluster.model.alerts import (
    DAY_MS,
    Alert,
    AlertMatcher,
    AlertPhase,
    AlertRule,
    AlertState,
    RuleKind,
    RuleScope,
    Silence,
    StepStatistic,
    Threshold,
)
from cluster.model.events import Event, EventKind
from cluster.model.ids import NodeId
from cluster.model.inventory import ContainerSummary, HostInventory, HostView
from cluster.model.metrics import BY_NAME, Subject, SubjectDefinition, SubjectKind
from cluster.model.node import NodeStatus
from cluster.store.records import ALERTS, EVENTS
from tests.support.schedule_kit import Cluster, Death
from tests.support.state_builders import START_MS, a_node

MINUTE_MS = 60_000


class FakeHosts:
    """What hosts say they have; a host without an entry does not answer."""

    def __init__(self) -> None:
        self.containers: dict[str, tuple[ContainerSummary, ...]] = {}

    async def views(self) -> Sequence[HostView]:
        return [
            HostView(
                node_id=NodeId(node_id),
                inventory=HostInventory(node_id=NodeId(node_id), containers=containers),
                age_ms=0,
            )
            for node_id, containers in self.containers.items()
        ]


class FakeHistory:
    """Series by (metric, subject number): what was measured at each moment."""

    def __init__(self) -> None:
        self.known: dict[int, SubjectDefinition] = {}
        self.samples: dict[tuple[str, int], dict[int, float]] = {}
        self.asked: list[RangeQuery] = []

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        return [
            Subject(number=number, definition=each, created_ms=START_MS, seen_ms=START_MS)
            for number, each in self.known.items()
            if not selector.kinds or each.kind in selector.kinds
        ]

    async def query(self, query: RangeQuery) -> RangeAnswer:
        self.asked.append(query)
        assert query.step_ms is not None, "rules say their step"
        times = np.arange(query.start_ms // query.step_ms * query.step_ms, query.end_ms, query.step_ms)
        return RangeAnswer(
            times_ms=times,
            step_ms=query.step_ms,
            resolution=Resolution.RAW,
            series=tuple(
                ResultSeries(
                    metric=metric,
                    unit=BY_NAME[metric].unit,
                    labels=(),
                    values=np.array([_of_step(samples, int(at), query.step_ms) for at in times]),
                    subject=number,
                )
                for (metric, number), samples in self.samples.items()
                if metric in query.selector.metrics
                and (not query.selector.subjects or number in query.selector.subjects)
            ),
        )


def _of_step(samples: Mapping[int, float], at_ms: int, step_ms: int) -> float:
    inside = [value for moment, value in samples.items() if at_ms <= moment < at_ms + step_ms]
    return sum(inside) / len(inside) if inside else math.nan


class Watched(Cluster):
    """A cluster of three hosts whose leader looks for alerts."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts = FakeHosts()
        self.history = FakeHistory()
        self.incidents: list[Incident] = []
        self.replica.lead()
        for name in ("n1", "n2", "n3"):
            assert self.apply(a_node(name))
            self.hosts.containers[name] = ()

    async def watch(self, seconds: float) -> None:
        await self.lead(
            lambda: Alerting(
                state=self,
                clock=self.clock,
                inventories=self.hosts,
                history=self.history,
                incidents=lambda: tuple(self.incidents),
            ),
            seconds,
        )

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Watch until something holds: what is computed in threads takes real time."""
        async with asyncio.timeout(10):
            while not is_so():
                await self.watch(5)

    def set_status(self, node: str, status: NodeStatus, reason: str = "") -> None:
        self.replica.lead()
        outcome = self.apply(
            SetNodeStatus(node_id=NodeId(node), status=status, reason=reason),
            leader_term=self.replica.leader_term,
        )
        assert "Applied" in type(outcome).__name__, outcome

    @property
    def alerts(self) -> list[Alert]:
        with self.read() as txn:
            return ALERTS.scan(txn)

    def alert(self, rule_id: str) -> Alert:
        (found,) = (alert for alert in self.alerts if alert.rule_id == rule_id)
        return found

    def told(self, kind: EventKind = EventKind.ALERT_FIRING) -> list[Event]:
        with self.read() as txn:
            return [event for event in EVENTS.scan(txn) if event.kind is kind]

    def told_by(self, rule_id: str, kind: EventKind = EventKind.ALERT_FIRING) -> int:
        return sum(1 for event in self.told(kind) if dict(event.details)["rule"] == rule_id)


def a_container(state: str = "running", status: str = "Up 2 hours", **fields: Any) -> ContainerSummary:
    base: dict[str, Any] = {
        "id": "c1",
        "name": "web-1",
        "image": "web:1",
        "state": state,
        "status": status,
        "health": "none",
        "created_at_ms": START_MS,
    }
    return ContainerSummary(**{**base, **fields})


def a_memory_rule(**fields: Any) -> AlertRule:
    base: dict[str, Any] = {
        "id": "hungry",
        "kind": RuleKind.THRESHOLD,
        "metric": "memory_bytes",
        "threshold": Threshold(value=100.0, resolve_value=80.0, statistic=StepStatistic.MEAN),
        "for_ms": 2 * MINUTE_MS,
    }
    return AlertRule(**{**base, **fields})


def measure(watched: Watched, values: Mapping[int, float]) -> None:
    """A container's memory, by minutes from now on."""
    watched.history.known[7] = SubjectDefinition(
        kind=SubjectKind.CONTAINER, node_id=NodeId("n1"), key="c1", name="web-1"
    )
    begin = watched.clock.now_ms() // MINUTE_MS * MINUTE_MS
    watched.history.samples[("memory_bytes", 7)] = {
        begin + minute * MINUTE_MS: value for minute, value in values.items()
    }


async def test_a_host_that_is_down_is_told_once_and_its_return_once() -> None:
    watched = Watched()
    await watched.watch(10)
    assert watched.alerts == []
    watched.set_status("n2", NodeStatus.DOWN, "no heartbeat for 3 s")
    await watched.watch(20)
    pending = watched.alert("host-down")
    assert (pending.phase, watched.told()) == (AlertPhase.PENDING, [])
    await watched.watch(100)
    alert = watched.alert("host-down")
    assert alert.state is AlertState.FIRING
    assert alert.text == "Host host-n2 is down: no heartbeat for 3 s."
    (event,) = watched.told()
    assert (event.subject.node_id, event.subject.alert_id) == ("n2", str(alert.number))
    watched.set_status("n2", NodeStatus.UP)
    await watched.watch(100)
    assert watched.alert("host-down").state is AlertState.RESOLVED
    assert watched.told_by("host-down", EventKind.ALERT_RESOLVED) == 1


async def test_a_certificate_of_the_dashboard_that_ends_soon_is_told_once_until_it_is_renewed() -> None:
    watched = Watched()

    def put(days: float) -> None:
        command = PutWebCertificate(
            name="front",
            chain_pem="-----BEGIN CERTIFICATE-----",
            sealed_key=bytes(64),
            hosts=("tower.example",),
            not_before_ms=0,
            not_after_ms=watched.clock.now_ms() + round(days * DAY_MS),
            fingerprint="ab" * 32,
            changed_by="ann",
        )
        assert isinstance(watched.apply(command), Applied)

    put(10)
    await watched.watch(120)
    alert = watched.alert("certificate-expiring")
    assert alert.text.startswith("Certificate front of the dashboard (tower.example) ends in ")
    assert alert.hint.startswith("Put a new one in its place: `tower certificate put front --dashboard`.")
    put(90)
    await watched.watch(180)
    assert watched.alert("certificate-expiring").state is AlertState.RESOLVED
    assert watched.told_by("certificate-expiring") == 1


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", range(1, 5))
async def test_one_incident_is_told_once_whenever_the_leader_dies(death: Death, die_at: int) -> None:
    watched = Watched()
    watched.death, watched.die_at = death, die_at
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(120)
    watched.set_status("n2", NodeStatus.UP)
    await watched.watch(120)
    assert watched.alert("host-down").state is AlertState.RESOLVED
    assert watched.told_by("host-down") == 1
    assert watched.told_by("host-down", EventKind.ALERT_RESOLVED) == 1


async def test_a_host_that_is_back_at_once_is_told_to_nobody() -> None:
    watched = Watched()
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(15)
    watched.set_status("n2", NodeStatus.UP)
    await watched.watch(60)
    assert watched.alerts == []
    assert watched.told() == []


async def test_losing_one_host_of_three_puts_the_quorum_at_risk_after_a_while() -> None:
    watched = Watched()
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(240)
    assert watched.told_by("quorum-risk") == 0
    await watched.watch(120)
    assert watched.told_by("quorum-risk") == 1
    alert = watched.alert("quorum-risk")
    assert alert.text == "Of 3 voters 2 are up (host-n2 is away): losing one more host stops all changes."


async def test_a_container_that_ended_with_an_error_is_told_and_one_that_was_stopped_is_not() -> None:
    watched = Watched()
    watched.hosts.containers["n1"] = (
        a_container("exited", "Exited (1) 5 seconds ago"),
        a_container("exited", "Exited (0) 5 seconds ago", id="c2", name="job-1"),
    )
    await watched.watch(300)
    (alert,) = watched.alerts
    assert alert.text == "Container web-1 on host-n1 ended with status 1 and is not running."
    assert watched.told_by("container-down") == 1
    watched.hosts.containers["n1"] = (a_container(),)
    await watched.watch(120)
    (alert,) = watched.alerts
    assert (alert.state, alert.resolution) == (AlertState.RESOLVED, "it runs again")


async def test_what_a_host_has_is_not_known_while_it_does_not_answer() -> None:
    watched = Watched()
    watched.hosts.containers["n1"] = (a_container("exited", "Exited (1) 5 seconds ago"),)
    await watched.watch(200)
    del watched.hosts.containers["n1"]
    await watched.watch(600)
    (alert,) = watched.alerts
    assert alert.state is AlertState.FIRING
    assert alert.quiet_since_ms > 0
    watched.hosts.containers["n1"] = ()
    await watched.watch(60)
    assert watched.alerts[0].resolution == "it is gone"


async def test_who_looks_after_an_alert_keeps_it_from_being_told_again() -> None:
    watched = Watched()
    rule = AlertRule(id="host-down", kind=RuleKind.HOST_DOWN, remind_ms=5 * MINUTE_MS)
    watched.apply(PutAlertRule(rule=rule))
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(310)
    assert watched.told_by("host-down") == 2
    watched.apply(AcknowledgeAlert(number=watched.alert("host-down").number, by="ann", comment="on it"))
    await watched.watch(900)
    assert watched.told_by("host-down") == 2
    assert watched.alert("host-down").state is AlertState.ACKNOWLEDGED
    assert len(watched.told(EventKind.ALERT_ACKNOWLEDGED)) == 1


async def test_what_is_silenced_is_told_once_that_ends_if_it_still_fires() -> None:
    watched = Watched()
    watched.apply(
        PutSilence(
            silence=Silence(
                id="si_1",
                matcher=AlertMatcher(scope=RuleScope(hosts=("host-n2",))),
                comment="moving racks",
                from_ms=START_MS,
                until_ms=START_MS + 10 * MINUTE_MS,
                by="ann",
            )
        )
    )
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(300)
    alert = watched.alert("host-down")
    assert (alert.state, alert.muted_by) == (AlertState.SILENCED, "silence si_1 by ann: moving racks")
    assert watched.told_by("host-down") == 0
    await watched.watch(330)
    assert watched.told_by("host-down") == 1


async def test_a_rule_that_is_switched_off_ends_its_alerts() -> None:
    watched = Watched()
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(60)
    watched.apply(PutAlertRule(rule=AlertRule(id="host-down", kind=RuleKind.HOST_DOWN, is_enabled=False)))
    await watched.watch(10)
    assert watched.alert("host-down").state is AlertState.RESOLVED
    await watched.watch(60)
    assert watched.told_by("host-down") == 1


async def test_memory_above_its_bound_for_long_enough_is_told_and_ends_below_the_lower_bound() -> None:
    watched = Watched()
    watched.apply(PutAlertRule(rule=a_memory_rule()))
    watched.hosts.containers["n1"] = (a_container(),)
    values = {minute: 50.0 for minute in range(60)}
    values |= {minute: 150.0 for minute in range(5, 12)} | {minute: 90.0 for minute in range(12, 15)}
    measure(watched, values)
    await watched.watch(14.5 * 60)
    (alert,) = watched.alerts
    assert alert.text == ("Container web-1 on host-n1: memory use is 150 B, above 100 B for 2 min.")
    assert alert.state is AlertState.FIRING
    await watched.watch(4 * 60)
    assert watched.alerts[0].state is AlertState.RESOLVED
    assert watched.told_by("hungry") == 1


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("die_at", range(1, 4))
async def test_an_incident_of_numbers_is_told_once_whenever_the_leader_dies(
    death: Death, die_at: int
) -> None:
    watched = Watched()
    watched.death, watched.die_at = death, die_at
    watched.apply(PutAlertRule(rule=a_memory_rule()))
    watched.hosts.containers["n1"] = (a_container(),)
    measure(watched, {minute: 150.0 if 1 <= minute < 5 else 50.0 for minute in range(30)})
    await watched.watch(9 * 60)
    assert [alert.state for alert in watched.alerts] == [AlertState.RESOLVED]
    assert watched.told_by("hungry") == 1
    assert watched.told_by("hungry", EventKind.ALERT_RESOLVED) == 1


async def test_a_new_leader_does_not_tell_again_what_was_over_before_it_led() -> None:
    watched = Watched()
    watched.apply(PutAlertRule(rule=a_memory_rule(for_ms=0)))
    watched.hosts.containers["n1"] = (a_container(),)
    measure(watched, {0: 50.0, 1: 150.0, **{minute: 50.0 for minute in range(2, 20)}})
    await watched.watch(4 * 60)
    assert [alert.state for alert in watched.alerts] == [AlertState.RESOLVED]
    for _ in range(3):
        await watched.watch(40)
    assert len(watched.alerts) == 1
    assert watched.told_by("hungry") == 1


async def test_a_container_that_is_started_again_and_again_is_a_crash_loop() -> None:
    watched = Watched()
    watched.hosts.containers["n1"] = (a_container(),)
    watched.history.known[7] = SubjectDefinition(
        kind=SubjectKind.CONTAINER, node_id=NodeId("n1"), key="c1", name="web-1"
    )
    begin = watched.clock.now_ms() // MINUTE_MS * MINUTE_MS
    watched.history.samples[("restarts", 7)] = {
        begin + minute * MINUTE_MS: 1.0 if minute in (2, 3, 4) else 0.0 for minute in range(40)
    }
    await watched.watch(7 * 60)
    assert watched.told_by("crash-loop") == 1
    assert watched.alerts[0].text == ("Container web-1 on host-n1 was started again 3 times within 10 min.")
    await watched.watch(20 * 60)
    assert watched.alerts[0].state is AlertState.RESOLVED


def an_incident(now_ms: int, *families: str, **fields: Any) -> Incident:
    base: dict[str, Any] = {
        "key": "n1/web-1/1",
        "scope": Scope.CONTAINER,
        "place": Place("n1", "web-1"),
        "started_ms": now_ms,
        "last_ms": now_ms,
        "severity": AnomalySeverity.WARNING,
        "confidence": 0.9,
        "findings": (),
        "families": families,
        "is_alertable": True,
    }
    return Incident(**{**base, **fields})


async def test_what_is_unusual_in_one_kind_of_number_alone_is_told_to_nobody() -> None:
    watched = Watched()
    rule = AlertRule(id="unusual", kind=RuleKind.ANOMALY, count=2)
    watched.apply(PutAlertRule(rule=rule))
    now_ms = watched.clock.now_ms()
    watched.incidents = [an_incident(now_ms, "cpu")]
    await watched.watch(120)
    assert watched.alerts == []
    watched.incidents = [an_incident(now_ms, "cpu", "memory")]
    await watched.watch(120)
    alert = watched.alert("unusual")
    assert (alert.subject.kind, alert.subject.name, alert.subject.node_name) == (
        "container",
        "web-1",
        "host-n1",
    )
    assert alert.said("text", "it") != alert.text
    watched.incidents = []
    await watched.watch(60)
    assert watched.alert("unusual").state is AlertState.RESOLVED
    assert watched.told_by("unusual") == 1


async def test_an_alert_of_what_is_unusual_names_the_container_and_is_about_its_service() -> None:
    watched = Watched()
    watched.apply(PutAlertRule(rule=AlertRule(id="unusual", kind=RuleKind.ANOMALY, count=2)))
    now_ms = watched.clock.now_ms()
    anomaly = Anomaly(
        kind=AnomalyKind.SPIKE,
        severity=AnomalySeverity.WARNING,
        at_ms=now_ms,
        row_ms=300_000,
        until_ms=now_ms + 300_000,
        current=85.0,
        expected=25.0,
        low=20.0,
        high=30.0,
        deviation=12.0,
        score=0.9,
        confidence=0.9,
    )
    finding = Finding(
        subject=1,
        subject_kind=SubjectKind.CONTAINER,
        node_id="n1",
        name="worker-1",
        metric="cpu_percent",
        anomaly=anomaly,
        service="shop.worker",
    )
    watched.incidents = [
        an_incident(now_ms, "cpu", "memory", place=Place("n1", "shop.worker"), findings=(finding,))
    ]
    await watched.watch(120)
    alert = watched.alert("unusual")
    assert alert.text.startswith("Container worker-1 on host-n1: processor and memory unusual")
    assert alert.subject.name == "shop.worker"


async def test_a_disk_that_fills_within_days_is_told_long_before_it_is_full() -> None:
    watched = Watched()
    watched.history.known[9] = SubjectDefinition(
        kind=SubjectKind.DISK, node_id=NodeId("n1"), key="/", name="/"
    )
    hour_ms, gib = 60 * MINUTE_MS, 2**30
    begin = watched.clock.now_ms() // hour_ms * hour_ms - 14 * 24 * hour_ms
    hours = range(14 * 24)
    watched.history.samples[("disk_used_bytes", 9)] = {
        begin + hour * hour_ms: (40 + hour * 2 / 24) * gib for hour in hours
    }
    watched.history.samples[("disk_size_bytes", 9)] = {begin + hour * hour_ms: 72.0 * gib for hour in hours}
    rule = AlertRule(
        id="disk-full-soon", kind=RuleKind.FORECAST, metric="disk_used_bytes", within_ms=3 * 24 * hour_ms
    )
    watched.apply(PutAlertRule(rule=rule))
    await watched.until(lambda: watched.told_by("disk-full-soon") == 1)
    assert watched.alert("disk-full-soon").text.startswith(
        "File system / on host-n1: disk use is at its limit in about 2"
    )


async def test_a_history_that_cannot_be_asked_keeps_nothing_else_from_being_told() -> None:
    watched = Watched()
    watched.apply(PutAlertRule(rule=a_memory_rule()))

    async def refuse(query: object) -> RangeAnswer:
        raise ValueError("it is being opened")

    watched.history.query = refuse  # type: ignore[method-assign]  # it fails whatever is asked
    measure(watched, {0: 1.0})
    watched.set_status("n2", NodeStatus.DOWN)
    await watched.watch(60)
    assert watched.told_by("host-down") == 1


async def test_no_more_is_asked_of_the_history_than_rules_need_twice_a_minute() -> None:
    watched = Watched()
    watched.apply(PutAlertRule(rule=a_memory_rule()))
    watched.hosts.containers["n1"] = (a_container(),)
    measure(watched, {minute: 50.0 for minute in range(30)})
    await watched.watch(600)
    asked = [query for query in watched.history.asked if query.selector.metrics == ("memory_bytes",)]
    of_rule = [query for query in asked if query.end_ms - query.start_ms <= 10 * MINUTE_MS]
    assert 0 < len(of_rule) <= 21
