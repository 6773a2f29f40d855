"""Anomalies become incidents; who is told, in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.analytics.anomalies import Anomaly, AnomalyKind, Finding, Severity
from cluster.analytics.grouping import Incident, Place, Pressure, Scope, group, pressures
from cluster.analytics.rows import ROW_MS
from cluster.analytics.sentences import Language
from cluster.analytics.sentences_anomalies import name_incident, tell_anomaly, tell_incident
from cluster.model.metrics import SubjectKind

EN, IT = Language.EN, Language.IT


def a_finding(
    metric: str = "cpu_percent",
    *,
    row: int = 100,
    rows: int = 1,
    name: str = "web-1",
    node: str = "nd_1",
    kind: SubjectKind = SubjectKind.CONTAINER,
    service: str = "",
    **fields: object,
) -> Finding:
    anomaly = Anomaly(
        kind=AnomalyKind.SPIKE,
        severity=Severity.WARNING,
        at_ms=row * ROW_MS,
        row_ms=ROW_MS,
        until_ms=(row + rows) * ROW_MS,
        current=85.0,
        expected=25.0,
        low=20.0,
        high=30.0,
        deviation=10.0,
        score=0.7,
        confidence=0.5,
    )
    return Finding(
        subject=1,
        subject_kind=kind,
        node_id=node,
        name=name,
        metric=metric,
        service=service,
        anomaly=replace(anomaly, **fields),  # type: ignore[arg-type]  # fields of an anomaly
    )


def test_metrics_of_one_kind_are_one_metric_however_many_there_are() -> None:
    [incident] = group([a_finding("cpu_percent"), a_finding("throttled_percent")])
    assert incident.families == ("cpu",)
    assert not incident.is_alertable
    [incident] = group([a_finding("cpu_percent"), a_finding("memory_bytes")])
    assert incident.is_alertable
    assert incident.confidence == 0.75


def test_a_quarter_of_an_hour_of_quiet_ends_an_incident() -> None:
    close = group([a_finding(row=100), a_finding("memory_bytes", row=103)])
    apart = group([a_finding(row=100), a_finding("memory_bytes", row=105)])
    assert (len(close), len(apart)) == (1, 2)
    long = group([a_finding(row=100, rows=10), a_finding("memory_bytes", row=112)])
    assert len(long) == 1


def test_an_incident_keeps_its_key_while_it_goes_on() -> None:
    [before] = group([a_finding(row=100)])
    [after] = group([a_finding(row=100), a_finding("memory_bytes", row=101), a_finding(row=104)])
    assert after.key == before.key


def test_containers_and_routes_of_a_service_on_a_host_are_one_place() -> None:
    [incident] = group(
        [
            a_finding("cpu_percent", name="web-1", service="shop.web"),
            a_finding("errors", name="shop.web", service="shop.web", kind=SubjectKind.ROUTE),
        ]
    )
    assert (incident.place, incident.scope) == (Place("nd_1", "shop.web"), Scope.CONTAINER)
    assert len(group([a_finding(node="nd_1"), a_finding(node="nd_2")])) == 2


def test_what_shows_in_a_hosts_own_numbers_or_in_three_of_its_containers_is_the_hosts() -> None:
    [with_host] = group([a_finding(), a_finding("load_1", name="h1", kind=SubjectKind.HOST)])
    assert (with_host.scope, with_host.children) == (Scope.HOST, (Place("nd_1", "web-1"),))
    assert not with_host.is_alertable
    assert len(group([a_finding(name="a"), a_finding(name="b")])) == 2
    [three] = group([a_finding(name=name) for name in "abc"])
    assert three.scope is Scope.HOST
    assert three.is_alertable
    assert tell_incident(EN, "h1", three) == "h1: processor of 3 containers unusual at the same time"


def test_a_resource_that_is_short_makes_the_newest_incident_of_its_place_worth_an_alert() -> None:
    short = {Place("nd_1", "web-1"): pressures({"memory_bytes": 95.0, "memory_limit_bytes": 100.0})}
    newest, older = group([a_finding(row=100), a_finding(row=200)], short)
    assert newest.is_alertable
    assert not older.is_alertable


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"memory_bytes": 90.0, "memory_limit_bytes": 100.0}, ["memory_bytes"]),
        ({"memory_bytes": 90.0, "memory_limit_bytes": 0.0}, []),
        ({"memory_bytes": 90.0}, []),
        ({"memory_bytes": float("nan"), "memory_limit_bytes": 100.0}, []),
        ({"requests": 100.0, "errors": 5.0}, ["errors"]),
        ({"requests": 100.0, "errors": 4.0}, []),
        ({"oom_kills": 1.0, "restarts": 1.0}, ["oom_kills"]),
        ({"health": 3.0}, ["health"]),
    ],
)
def test_what_is_short_is_told_from_the_current_values(values: dict[str, float], found: list[str]) -> None:
    assert [pressure.metric for pressure in pressures(values)] == found


def test_a_fault_makes_an_incident_critical() -> None:
    [incident] = group(
        [a_finding()], {Place("nd_1", "web-1"): [Pressure(metric="oom_kills", value=2, limit=1)]}
    )
    assert incident.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("finding", "en", "it"),
    [
        (
            a_finding(),
            "web-1 processor use is 85 %, usually 20 % to 30 % at this hour",
            "L'uso del processore di web-1: 85 %, a quest'ora di solito da 20 % a 30 %",
        ),
        (
            a_finding("memory_bytes", kind=SubjectKind.CONTAINER, current=2.0**31, low=2.0**30, high=2.0**30),
            "web-1 memory is 2 GiB, usually 1 GiB at this hour",
            "La memoria di web-1: 2 GiB, a quest'ora di solito 1 GiB",
        ),
        (
            replace(
                a_finding("requests", name="shop.web"),
                anomaly=replace(
                    a_finding("requests").anomaly,
                    kind=AnomalyKind.PATTERN_CHANGE,
                    current=0,
                    low=3e4,
                    high=6e4,
                ),
            ),
            "shop.web request rate stays away from what is usual: 0/s, usually 100/s to 200/s at this hour",
            "La frequenza delle richieste di shop.web resta lontano dal solito: 0/s, a quest'ora di solito da"
            " 100/s a 200/s",
        ),
        (
            a_finding("restarts", current=4.0, low=0.0, high=0.0),
            "web-1 number of restarts is 4 in 5 minutes, usually 0",
            "Il numero di riavvii di web-1: 4 in 5 minuti, di solito 0",
        ),
        (
            a_finding("disk_used_bytes", name="h1:/var", current=2.0**32, low=0.0, high=2.0**20),
            "h1:/var disk use grew by 4 GiB in 5 minutes, usually 0 B to 1 MiB",
            "Lo spazio occupato di h1:/var: +4 GiB in 5 minuti, di solito da 0 B a 1 MiB",
        ),
    ],
)
def test_an_anomaly_is_a_sentence_in_two_languages(finding: Finding, en: str, it: str) -> None:
    assert tell_anomaly(EN, finding) == en
    assert tell_anomaly(IT, finding) == it


def test_an_incident_is_called_by_the_containers_that_take_part_and_by_their_host() -> None:
    def name(*findings: Finding) -> str:
        [incident] = group(findings)
        return name_incident(EN, incident, "alpha")

    workers = [a_finding(name=f"worker-{number}", service="shop.worker") for number in range(1, 5)]
    route = a_finding("errors", name="shop.worker", service="shop.worker", kind=SubjectKind.ROUTE)
    assert name(workers[0], route) == "worker-1 on alpha"
    assert name(*workers[:2]) == "worker-1, worker-2 on alpha"
    assert name(*workers) == "shop.worker on alpha"
    assert name(route) == "shop.worker on alpha"
    assert name(a_finding("load_1", name="alpha", kind=SubjectKind.HOST)) == "alpha"
    assert name_incident(IT, group(workers[:1])[0], "alpha") == "worker-1 su alpha"


def an_incident(*pressures_: Pressure) -> Incident:
    [incident] = group([a_finding()], {Place("nd_1", "web-1"): pressures_})
    return incident


@pytest.mark.parametrize(
    ("incident", "en", "it"),
    [
        (
            an_incident(),
            "web-1: only processor unusual and no resource is short, which is a note rather than an alert",
            "web-1: valori insoliti solo di processore e nessuna risorsa scarseggia: è una nota, non un"
            " allarme",
        ),
        (
            an_incident(Pressure(metric="memory_bytes", value=9 * 2.0**30, limit=10 * 2.0**30)),
            "web-1: processor unusual while memory is 9 GiB of 10 GiB",
            "web-1: valori insoliti di processore con la memoria a 9 GiB di 10 GiB",
        ),
        (
            an_incident(Pressure(metric="health", value=3, limit=2)),
            "web-1: processor unusual while it is unhealthy",
            "web-1: valori insoliti di processore con il controllo di salute che fallisce",
        ),
        (
            group([a_finding(), a_finding("memory_bytes"), a_finding("tx_bytes_per_s")])[0],
            "web-1: processor, memory and network unusual at the same time",
            "web-1: valori insoliti di processore, memoria e rete nello stesso momento",
        ),
    ],
)
def test_an_incident_says_why_it_is_told_or_not(incident: Incident, en: str, it: str) -> None:
    assert tell_incident(EN, "web-1", incident) == en
    assert tell_incident(IT, "web-1", incident) == it
