"""Anomalies of many series become a few incidents, each of one container or one host.

600 series have some eighty anomalies a day between them that nobody wants to be told. What goes wrong shows
in more than one number: an incident is worth an alert when anomalies of at least two independent kinds of
metric meet in one place, or when one meets a resource that is nearly used up.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from cluster.analytics.anomalies import Finding, Severity
from cluster.model.metrics import SubjectDefinition, SubjectKind

GAP_MS = 15 * 60_000
"""Anomalies of one place that are further apart are two incidents: three rows of five minutes."""
PLACES_FOR_HOST = 3
"""When so many places of one host have an incident at once, the host is where to look."""
INCIDENTS_MAX = 500
NAMES_MAX = 3
"""So many containers of a service are named; of more the service is."""

_FAMILIES: dict[str, str] = {
    "cpu_percent": "cpu",
    "cpu_user_percent": "cpu",
    "cpu_system_percent": "cpu",
    "cpu_steal_percent": "cpu",
    "throttled_percent": "cpu",
    "pressure_cpu_percent": "cpu",
    "load_1": "cpu",
    "load_5": "cpu",
    "memory_bytes": "memory",
    "swap_bytes": "memory",
    "pressure_memory_percent": "memory",
    "oom_kills": "memory",
    "rx_bytes_per_s": "network",
    "tx_bytes_per_s": "network",
    "read_bytes_per_s": "disk",
    "write_bytes_per_s": "disk",
    "cpu_iowait_percent": "disk",
    "pressure_io_percent": "disk",
    "disk_used_bytes": "disk space",
    "inodes_used": "disk space",
    "requests": "requests",
    "errors": "errors",
    "lost": "errors",
    "latency_p50_ms": "latency",
    "latency_p95_ms": "latency",
    "latency_p99_ms": "latency",
    "restarts": "restarts",
}


class Scope(StrEnum):
    """Of what an incident is."""

    CONTAINER = "container"
    HOST = "host"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an incident is: a host, or one of its containers by service or by name ("" is the host itself).

    A service's containers of one host and its routes there are one place: their numbers move together.
    """

    node_id: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """A resource that is nearly used up, or a fault that is a fact rather than a deviation."""

    metric: str
    value: float
    limit: float

    @property
    def is_fault(self) -> bool:
        return self.metric in _FAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Anomalies of one place and time, by time of their rows.

    `key` is the same on every node and stays while the incident goes on: place and first row. `families` are
    the independent kinds of metric that take part. `is_alertable` is never so because of one metric alone.
    `children` are the places whose incidents became the host's.
    """

    key: str
    scope: Scope
    place: Place
    started_ms: int
    last_ms: int
    severity: Severity
    confidence: float
    findings: tuple[Finding, ...]
    families: tuple[str, ...]
    pressures: tuple[Pressure, ...] = ()
    children: tuple[Place, ...] = ()
    is_alertable: bool = False


def is_share(metric: str) -> bool:
    """Whether a pressure of that metric has the whole as its `limit`, rather than what is too much."""
    return any(metric == used for used, _, _ in _SHARES)


def family(metric: str) -> str:
    """Return the kind of metric `metric` is of; metrics of one kind say the same thing twice."""
    return _FAMILIES.get(metric, metric)


def place_of(finding: Finding) -> Place:
    """Return where a finding belongs: disks, sensors and the agent belong to their host."""
    return _place(finding.subject_kind, finding.node_id, finding.service, finding.name)


def place_of_subject(definition: SubjectDefinition) -> Place:
    """Return where what is measured of a subject belongs."""
    return _place(definition.kind, definition.node_id, definition.label("service"), definition.name)


def _place(kind: SubjectKind, node_id: str, service: str, name: str) -> Place:
    if kind in (SubjectKind.CONTAINER, SubjectKind.ROUTE, SubjectKind.EXTERNAL):
        return Place(node_id, service or name)
    return Place(node_id)


def called(incident: Incident) -> str:
    """Return what people call what an incident is of, "" for a host: the containers of a service that take
    part, or the service, where only its routes do."""
    if not incident.place.name:
        return ""
    names = {each.name for each in incident.findings if each.subject_kind is SubjectKind.CONTAINER}
    return ", ".join(sorted(names)) if 0 < len(names) <= NAMES_MAX else incident.place.name


_LIMITS: dict[str, float] = {
    "throttled_percent": 25.0,
    "pressure_cpu_percent": 40.0,
    "pressure_memory_percent": 10.0,
    "pressure_io_percent": 30.0,
    "cpu_iowait_percent": 30.0,
    "cpu_steal_percent": 10.0,
    "oom_kills": 1.0,
    "restarts": 2.0,
    "lost": 1.0,
}
_SHARES: tuple[tuple[str, str, float], ...] = (
    ("memory_bytes", "memory_limit_bytes", 0.9),
    ("disk_used_bytes", "disk_size_bytes", 0.9),
    ("inodes_used", "inodes_max", 0.9),
    ("errors", "requests", 0.05),
)
PRESSURE_METRICS = (
    *_LIMITS,
    *(name for used, most, _ in _SHARES for name in (used, most)),
    "health",
    "state",
)
"""What `pressures` looks at."""
_FAULTS = frozenset({"oom_kills", "restarts", "lost", "errors", "health", "state"})


def pressures(values: Mapping[str, float]) -> tuple[Pressure, ...]:
    """Return what one subject is short of, from its metrics' current values in their own units.

    Counts are those of the last five minutes. A share is judged only with both its numbers, and a limit of 0
    is none. Thresholds: PSI and throttling beyond which people of the field look (notes of kernel PSI and
    node_exporter's rules), nine tenths of what has an end.
    """
    found = [
        Pressure(metric=metric, value=values[metric], limit=limit)
        for metric, limit in _LIMITS.items()
        if _at_least(values.get(metric), limit)
    ]
    for used, most, share in _SHARES:
        limit = values.get(most)
        if (
            limit is not None
            and math.isfinite(limit)
            and limit > 0
            and _at_least(values.get(used), share * limit)
        ):
            found.append(Pressure(metric=used, value=values[used], limit=limit))
    if values.get("health") == 3:
        found.append(Pressure(metric="health", value=3, limit=2))
    if values.get("state") in (0, 3):
        found.append(Pressure(metric="state", value=values["state"], limit=1))
    return tuple(found)


def group(
    findings: Iterable[Finding],
    current_pressures: Mapping[Place, Sequence[Pressure]] | None = None,
    *,
    gap_ms: int = GAP_MS,
) -> tuple[Incident, ...]:
    """Return the incidents the findings make, newest first and at most INCIDENTS_MAX.

    `current_pressures` says of each place what it is short of now; it counts for the incident that is the
    place's last one. The same findings give the same incidents in whatever order they come.
    """
    short = current_pressures or {}
    by_place: dict[Place, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_place[place_of(finding)].append(finding)
    incidents: list[Incident] = []
    for place, found in by_place.items():
        runs = _runs(found, gap_ms)
        for number, run in enumerate(runs):
            is_last = number == len(runs) - 1
            incidents.append(_incident(place, run, tuple(short.get(place, ())) if is_last else ()))
    incidents = _by_host(incidents, gap_ms)
    incidents.sort(key=lambda incident: (-incident.last_ms, incident.place))
    return tuple(incidents[:INCIDENTS_MAX])


def _at_least(value: float | None, limit: float) -> bool:
    return value is not None and math.isfinite(value) and value >= limit


def _runs(findings: list[Finding], gap_ms: int) -> list[list[Finding]]:
    findings.sort(key=lambda one: (one.anomaly.at_ms, one.metric, one.subject))
    runs: list[list[Finding]] = []
    end_ms = None
    for finding in findings:
        if end_ms is None or finding.anomaly.at_ms > end_ms + gap_ms:
            runs.append([])
            end_ms = finding.anomaly.at_ms
        runs[-1].append(finding)
        end_ms = max(end_ms, finding.anomaly.until_ms)
    return runs


def _incident(place: Place, findings: list[Finding], short: tuple[Pressure, ...]) -> Incident:
    families = tuple(sorted({family(finding.metric) for finding in findings}))
    severity = max(finding.anomaly.severity for finding in findings)
    if any(pressure.is_fault for pressure in short):
        severity = Severity.CRITICAL
    started_ms = findings[0].anomaly.at_ms
    return Incident(
        key=f"{place.node_id}/{place.name}@{started_ms}",
        scope=Scope.CONTAINER if place.name else Scope.HOST,
        place=place,
        started_ms=started_ms,
        last_ms=max(finding.anomaly.until_ms for finding in findings),
        severity=severity,
        confidence=_together(findings),
        findings=tuple(findings),
        families=families,
        pressures=short,
        is_alertable=bool(short) or len(families) >= 2,
    )


def _together(findings: Sequence[Finding]) -> float:
    """The confidence of the surest metric of each kind, taken as independent: 1 - product of doubts."""
    surest: dict[str, float] = {}
    for finding in findings:
        kind = family(finding.metric)
        surest[kind] = max(surest.get(kind, 0.0), finding.anomaly.confidence)
    return 1.0 - math.prod(1.0 - value for value in surest.values())


def _by_host(incidents: list[Incident], gap_ms: int) -> list[Incident]:
    """Make incidents that overlap in time on one host into the host's: where its own numbers take part, or
    PLACES_FOR_HOST of its places do."""
    by_node: dict[str, list[Incident]] = defaultdict(list)
    for incident in incidents:
        by_node[incident.place.node_id].append(incident)
    merged: list[Incident] = []
    for node_id, of_node in by_node.items():
        of_node.sort(key=lambda one: (one.started_ms, one.place))
        while of_node:
            together, of_node = _overlapping(of_node, gap_ms)
            has_host = any(one.scope is Scope.HOST for one in together)
            places = {one.place for one in together}
            if len(places) < 2 or not (has_host or len(places) >= PLACES_FOR_HOST):
                merged.extend(together)
                continue
            findings = [finding for one in together for finding in one.findings]
            findings.sort(key=lambda one: (one.anomaly.at_ms, one.metric, one.subject))
            short = tuple(pressure for one in together for pressure in one.pressures)
            whole = _incident(Place(node_id), findings, short)
            children = tuple(sorted(place for place in places if place.name))
            is_alertable = whole.is_alertable or len(children) >= PLACES_FOR_HOST
            merged.append(replace(whole, children=children, is_alertable=is_alertable))
    return merged


def _overlapping(incidents: list[Incident], gap_ms: int) -> tuple[list[Incident], list[Incident]]:
    together = [incidents[0]]
    end_ms = incidents[0].last_ms
    rest: list[Incident] = []
    for incident in incidents[1:]:
        if incident.started_ms <= end_ms + gap_ms:
            together.append(incident)
            end_ms = max(end_ms, incident.last_ms)
        else:
            rest.append(incident)
    return together, rest
