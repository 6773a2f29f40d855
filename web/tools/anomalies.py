"""What was unusual lately, by incident: of everything as it was watched, or looked for in the history."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.analytics import notes
from cluster.analytics.anomalies import Finding, Method
from cluster.analytics.detection import detect_many, learning_rows
from cluster.analytics.grouping import (
    PRESSURE_METRICS,
    Incident,
    Place,
    Pressure,
    called,
    group,
    place_of,
    place_of_subject,
    pressures,
)
from cluster.analytics.lineage import joined
from cluster.analytics.rows import ROW_MS, Rows
from cluster.analytics.sentences import Language, Text
from cluster.analytics.sentences_anomalies import (
    BOOK,
    name_incident,
    tell_anomaly,
    tell_incident,
    told_value,
    unit_of,
)
from cluster.analytics.series import DAY_MS, HOUR_MS
from cluster.analytics.tails import ROWS_MIN
from cluster.analytics.watched import WATCHED, is_count
from cluster.metrics.query import RangeQuery, Resolution, ResultSeries, Selector, Statistic
from cluster.model.metrics import Subject, SubjectKind
from web.auth.call import Call
from web.auth.problems import invalid
from web.tools.analytics_views import rounded
from web.tools.context import Context
from web.tools.measured import find_metrics, find_seen_series
from web.tools.nodes import node_names
from web.tools.times import parse_since

READ = "metrics.read"
FINE_MS = 7 * DAY_MS
"""How long the record of every sample is kept: what is learned from lies in it."""
FINE_SINCE_MS = 4 * DAY_MS
"""Anomalies of a longer time are looked for hour by hour, over `COARSE_MS`."""
COARSE_MS = 30 * DAY_MS
SINCE_MAX_MS = 28 * DAY_MS
SERIES_MAX = 300
SUBJECTS_MAX = 80
"""Each has a handful of series."""
FOREST_SERIES_MAX = 12
"""Isolation forests cost fifty times as much."""
INCIDENTS_SHOWN = 100
ANOMALIES_SHOWN = 20
"""Of each incident."""
_QUERY_SERIES = 400
_SINCE = "24h"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalyView:
    """One anomaly of one series. `kind` is spike, drop or pattern_change, `severity` info, warning or
    critical; `deviation` is in typical deviations, from -99 to 99. Counts are rates."""

    subject: str
    subject_kind: str
    metric: str
    unit: str
    kind: str
    severity: str
    at_ms: int
    until_ms: int
    current: float | None
    expected: float | None
    usual_low: float | None
    usual_high: float | None
    deviation: float | None
    score: float | None
    confidence: float | None
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentView:
    """Anomalies of one place and time. `place` is the host or what is on it; only an incident that
    `is_alertable` is worth telling somebody, and `said` says why or why not. `anomalies_left_out` more."""

    key: str
    scope: str
    place: str
    node_id: str
    started_ms: int
    until_ms: int
    severity: str
    confidence: float | None
    is_alertable: bool
    kinds_of_metric: tuple[str, ...]
    said: str
    anomalies: tuple[AnomalyView, ...]
    anomalies_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomaliesView:
    """What was unusual since `since_ms`, newest first. `series` says how many were looked at, in rows of
    `row_ms`; `is_watched` that it was found as it happened. `notes` say what could not be concluded."""

    method: str
    since_ms: int
    row_ms: int
    series: int
    is_watched: bool
    incidents: tuple[IncidentView, ...]
    incidents_left_out: int
    said: tuple[str, ...]
    notes: tuple[str, ...]


async def detect_anomalies(
    context: Context,
    call: Call,
    reference: str = "",
    *,
    metric: str = "",
    method: Method = Method.CALIBRATED,
    since: str = "",
    language: Language = Language.EN,
) -> AnomaliesView:
    """Return what was unusual of `reference` ("": of everything), of `metric` (names separated by commas, "":
    all that are watched) since `since` (24h).

    Raises Problem (404, 409, 422).
    """
    await context.authority.admit(call, READ, "metrics")
    now_ms = context.surroundings.clock.now_ms()
    since_ms = parse_since(since or _SINCE, now_ms=now_ms)
    if not now_ms - SINCE_MAX_MS <= since_ms <= now_ms:
        raise invalid("since", "at most 28 days ago, and not in the future", value=since[:80])
    metrics = _metrics(metric)
    names = node_names(context.surroundings)
    watch = context.surroundings.anomalies
    # What is watched is watched for all; who sees a part has it looked for in the history of that.
    sees_all = context.authority.sight(call, READ).is_everything
    is_watched = sees_all and not reference and method is Method.CALIBRATED and watch.is_running
    if is_watched and since_ms >= now_ms - FINE_MS:
        findings = [each for each in watch.findings(since_ms) if each.metric in metrics]
        found = _Found(
            findings=_named(findings, names),
            short=watch.pressures(),
            row_ms=ROW_MS,
            series=watch.series,
            notes=() if watch.note is None else (watch.note,),
        )
    else:
        selector = await find_seen_series(context, call, reference, metrics=metrics)
        found = await _look(context, selector, method=method, since_ms=since_ms, now_ms=now_ms, names=names)
    incidents = group(found.findings, found.short)
    views = [_incident_view(language, incident, names) for incident in incidents[:INCIDENTS_SHOWN]]
    said = [view.said for view in views if view.is_alertable]
    if not incidents and found.series and found.is_concluded:
        said = [BOOK.say(language, "nothing", name=reference or "cluster")]
    return AnomaliesView(
        method=method.value,
        since_ms=since_ms,
        row_ms=found.row_ms,
        series=found.series,
        is_watched=found.is_watched,
        incidents=tuple(views),
        incidents_left_out=len(incidents) - len(views),
        said=tuple(said),
        notes=tuple(note.in_language(language) for note in found.notes),
    )


def _metrics(text: str) -> tuple[str, ...]:
    metrics = find_metrics(text) or tuple(WATCHED)
    unknown = [name for name in metrics if name not in WATCHED]
    if unknown:
        raise invalid(
            "metric",
            f"not one that is looked at for anomalies: those are {', '.join(WATCHED)}",
            value=unknown[0],
        )
    return metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    findings: Sequence[Finding]
    short: Mapping[Place, Sequence[Pressure]]
    row_ms: int
    series: int
    notes: tuple[Text, ...]
    is_watched: bool = True
    is_concluded: bool = True
    """Whether of any series enough is known to say that nothing was unusual."""


def _named(findings: Sequence[Finding], names: Mapping[str, str]) -> list[Finding]:
    return [replace(each, name=_name(each.subject_kind, each.node_id, each.name, names)) for each in findings]


def _name(kind: SubjectKind, node_id: str, name: str, names: Mapping[str, str]) -> str:
    node = names.get(node_id, node_id)
    if kind in (SubjectKind.HOST, SubjectKind.AGENT):
        return node
    return f"{node}:{name}" if kind in (SubjectKind.DISK, SubjectKind.SENSOR) else name


# ---- looked for in the history


async def _look(
    context: Context,
    selector: Selector,
    *,
    method: Method,
    since_ms: int,
    now_ms: int,
    names: Mapping[str, str],
) -> _Found:
    subjects = list(await context.surroundings.history.subjects(replace(selector, metrics=())))
    is_fine = since_ms >= now_ms - FINE_SINCE_MS
    row_ms = ROW_MS if is_fine else HOUR_MS
    # The row that is not over yet is none.
    end_ms = now_ms - now_ms % row_ms
    start_ms = end_ms - (FINE_MS if is_fine else COARSE_MS)
    # The newest first, in case there are too many; what ended before the time is of no interest.
    subjects = [each for each in subjects if each.seen_ms >= since_ms - DAY_MS]
    subjects.sort(key=lambda each: (-each.seen_ms, each.number))
    is_forest = method is Method.ISOLATION_FOREST
    most = FOREST_SERIES_MAX if is_forest else SERIES_MAX
    most_subjects = FOREST_SERIES_MAX if is_forest else SUBJECTS_MAX
    series, said = await _read(
        context,
        subjects[:most_subjects],
        selector.metrics,
        start_ms=start_ms,
        end_ms=end_ms,
        row_ms=row_ms,
        resolution=Resolution.RAW if is_fine else Resolution.HOURLY,
    )
    by_number = {each.number: each for each in subjects}
    lines = joined(
        (by_number[one.subject], one.metric, one.values) for one in series if one.subject is not None
    )
    left_out = max(0, len(lines) - most) + max(0, len(subjects) - most_subjects)
    lines = lines[:most]
    rows = [
        (line.metric, Rows(start_ms // row_ms, row_ms, np.asarray(line.values, np.float64))) for line in lines
    ]
    async with context.analysing:
        anomalies = await asyncio.to_thread(detect_many, rows, method=method, since_ms=since_ms)
    findings = []
    for line, found in zip(lines, anomalies, strict=True):
        definition = line.subject.definition
        findings += [
            Finding(
                subject=line.subject.number,
                subject_kind=definition.kind,
                node_id=definition.node_id,
                name=_name(definition.kind, definition.node_id, definition.name, names),
                metric=line.metric,
                anomaly=anomaly,
                service=definition.label("service"),
            )
            for anomaly in found
        ]
    if not rows and subjects and all(each.created_ms > end_ms - row_ms for each in subjects):
        said.append(notes.TOO_NEW[is_fine])
    else:
        said += _of_rows([row for _, row in rows], since_ms)
    if left_out:
        said.append(notes.NOT_LOOKED_AT.fill(count=left_out))
    return _Found(
        findings=findings,
        short=await _pressures(context, by_number, findings, end_ms),
        row_ms=row_ms,
        series=len(lines),
        notes=tuple(dict.fromkeys(said)),
        is_watched=False,
        is_concluded=any(row.known >= ROWS_MIN for _, row in rows),
    )


def _of_rows(rows: Sequence[Rows], since_ms: int) -> list[Text]:
    """What of these series could not be concluded, in as few sentences as say it."""
    if not rows:
        return [notes.NOT_MEASURED]
    slots = DAY_MS // rows[0].row_ms
    known = [row.known for row in rows]
    cut = max(0, since_ms // rows[0].row_ms - rows[0].first)
    before = [int(np.count_nonzero(~np.isnan(row.values[:cut]))) for row in rows]
    few = sum(count < ROWS_MIN for count in known)
    learning = sum(count < learning_rows(slots) for count in before) - few
    said = []
    if few:
        hours = round(ROWS_MIN * rows[0].row_ms / HOUR_MS)
        said.append(notes.FEW.fill(count=few, all=len(rows), hours=hours))
    if learning > 0:
        said.append(notes.YOUNG.fill(count=learning, all=len(rows)))
    gaps = sum(count >= ROWS_MIN and count < 0.8 * _span(row) for count, row in zip(known, rows, strict=True))
    if gaps:
        said.append(notes.GAPS.fill(count=gaps, all=len(rows)))
    return said


def _span(rows: Rows) -> int:
    known = np.flatnonzero(~np.isnan(rows.values))
    return int(known[-1] - known[0] + 1) if len(known) else 0


async def _read(
    context: Context,
    subjects: Sequence[Subject],
    metrics: Sequence[str],
    *,
    start_ms: int,
    end_ms: int,
    row_ms: int,
    resolution: Resolution,
) -> tuple[list[ResultSeries], list[Text]]:
    """Return rows of these metrics of these subjects: means of gauges, sums of counts."""
    found: list[ResultSeries] = []
    said: list[Text] = []
    length = (end_ms - start_ms) // row_ms
    numbers = [each.number for each in subjects]
    for names, statistic in (
        (tuple(name for name in metrics if not is_count(name)), None),
        (tuple(name for name in metrics if is_count(name)), Statistic.SUM),
    ):
        size = max(1, _QUERY_SERIES // max(1, len(names)))
        for begin in range(0, len(numbers) if names else 0, size):
            answer = await context.surroundings.history.query(
                RangeQuery(
                    selector=Selector(metrics=names, subjects=tuple(numbers[begin : begin + size])),
                    start_ms=start_ms,
                    end_ms=end_ms,
                    step_ms=row_ms,
                    points_max=max(1, length),
                    resolution=resolution,
                    statistic=statistic,
                )
            )
            # The history says what it cannot show in English alone.
            said += [Text(note, note) for note in answer.notes]
            found += [_on_rows(one, answer.times_ms, start_ms, row_ms, length) for one in answer.series]
    kept = [one for one in found if one.subject is not None and np.isfinite(one.values).any()]
    return kept, said


def _on_rows(
    series: ResultSeries, times_ms: np.ndarray, start_ms: int, row_ms: int, length: int
) -> ResultSeries:
    values = np.full(length, np.nan)
    where = (times_ms - start_ms) // row_ms
    inside = (where >= 0) & (where < length)
    values[where[inside]] = series.values[inside]
    return replace(series, values=values)


async def _pressures(
    context: Context, by_number: Mapping[int, Subject], findings: Sequence[Finding], end_ms: int
) -> dict[Place, list[Pressure]]:
    """What the places of these findings are short of now."""
    places = {place_of(finding) for finding in findings}
    near = [
        each
        for each in by_number.values()
        if each.seen_ms >= end_ms - DAY_MS and place_of_subject(each.definition) in places
    ][:SERIES_MAX]
    if not near:
        return {}
    series, _ = await _read(
        context,
        near,
        PRESSURE_METRICS,
        start_ms=end_ms - ROW_MS,
        end_ms=end_ms,
        row_ms=ROW_MS,
        resolution=Resolution.RAW,
    )
    values: dict[int, dict[str, float]] = defaultdict(dict)
    for one in series:
        if one.subject is not None:
            values[one.subject][one.metric] = float(one.values[-1])
    found: dict[Place, list[Pressure]] = defaultdict(list)
    for number, current in values.items():
        found[place_of_subject(by_number[number].definition)] += pressures(current)
    return found


# ---- what is shown


def _incident_view(language: Language, incident: Incident, names: Mapping[str, str]) -> IncidentView:
    node = names.get(incident.place.node_id, incident.place.node_id)
    worst = sorted(incident.findings, key=lambda each: (-each.anomaly.score, each.anomaly.at_ms))
    return IncidentView(
        key=incident.key,
        scope=incident.scope.value,
        place=called(incident) or node,
        node_id=incident.place.node_id,
        started_ms=incident.started_ms,
        until_ms=incident.last_ms,
        severity=incident.severity.word,
        confidence=rounded(incident.confidence, 2),
        is_alertable=incident.is_alertable,
        kinds_of_metric=incident.families,
        said=tell_incident(language, name_incident(language, incident, node), incident),
        anomalies=tuple(_anomaly_view(language, each) for each in worst[:ANOMALIES_SHOWN]),
        anomalies_left_out=max(0, len(worst) - ANOMALIES_SHOWN),
    )


def _anomaly_view(language: Language, finding: Finding) -> AnomalyView:
    found = finding.anomaly

    def told(value: float) -> float | None:
        return rounded(told_value(finding.metric, value, found.row_ms))

    return AnomalyView(
        subject=finding.name,
        subject_kind=finding.subject_kind.word,
        metric=finding.metric,
        unit=unit_of(finding.metric),
        kind=found.kind.value,
        severity=found.severity.word,
        at_ms=found.at_ms,
        until_ms=found.until_ms,
        current=told(found.current),
        expected=told(found.expected),
        usual_low=told(found.low),
        usual_high=told(found.high),
        deviation=rounded(found.deviation, 3),
        score=rounded(found.score, 3),
        confidence=rounded(found.confidence, 2),
        said=tell_anomaly(language, finding),
    )
