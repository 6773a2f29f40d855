"""How well anomalies are found: made series with one fault each or none, by every method.

Nothing of the detectors was chosen by what `faulty_series.REPORTING` and `short_faults` give; what they were
chosen by, `faulty_series.TUNING`, is shown beside. Another seed, and other noise and shapes.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cluster.analytics.anomalies import Anomaly, Method, Severity
from cluster.analytics.anomalies import Finding as Found
from cluster.analytics.detection import detect_many
from cluster.analytics.grouping import group
from cluster.analytics.lineage import Line, key_of
from cluster.analytics.rows import ROW_MS, Rows
from cluster.analytics.watch import SeriesWatch
from cluster.model.ids import NodeId
from cluster.model.metrics import Subject, SubjectDefinition, SubjectKind
from tests.benchmarks import short_faults
from tests.benchmarks.faulty_series import (
    GRACE,
    MINUTE_MS,
    REPORTING,
    START_MS,
    TUNING,
    FaultySeries,
    Generator,
    make,
)
from tests.benchmarks.results import Finding, Row

SEED = 20_261_130
EACH = 8
FOREST_EACH = 2
LEARNING_MINUTES = 1000 * 5
FIRST_ROW = START_MS // ROW_MS
SIGMA = "z-score over 1,000 rows, |z| > 3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of alerts from some severity on. A series with a fault is found when one begins in the fault."""

    found: int
    faults: int
    false_alerts: int
    right_alerts: int
    days: float
    minutes: tuple[float, ...]
    by_fault: dict[str, tuple[int, int]]

    @property
    def recall(self) -> float:
        return self.found / self.faults

    @property
    def precision(self) -> float:
        return self.right_alerts / max(1, self.right_alerts + self.false_alerts)

    @property
    def false_per_day(self) -> float:
        return self.false_alerts / self.days

    @property
    def minutes_to_detect(self) -> float:
        return float(np.median(self.minutes)) if self.minutes else float("nan")


def measure(series: Sequence[FaultySeries], alerts: Sequence[Iterable[int]]) -> Quality:
    """Hold alerts, in minutes from the beginning of each series (of the row that was judged), to the faults.

    A row is judged at its end. The first 1,000 rows do not count, nor do six hours after a fault.
    """
    found = right = false = 0
    minutes, by_fault = [], defaultdict(lambda: [0, 0])
    for one, told in zip(series, alerts, strict=True):
        counted = [at for at in told if at >= LEARNING_MINUTES]
        inside = [at for at in counted if one.fault and one.begin - 4 <= at < one.end]
        false += sum(not one.fault or at < one.begin - 4 or at >= one.end + GRACE for at in counted)
        right += len(inside)
        if one.fault:
            by_fault[one.fault][1] += 1
            if inside:
                by_fault[one.fault][0] += 1
                found += 1
                minutes.append(min(inside) + 5 - one.begin)
    return Quality(
        found=found,
        faults=sum(bool(one.fault) for one in series),
        false_alerts=false,
        right_alerts=right,
        days=sum(one.days - LEARNING_MINUTES / 1440 for one in series),
        minutes=tuple(minutes),
        by_fault={fault: (hit, count) for fault, (hit, count) in by_fault.items()},
    )


def anomalies_of(series: Sequence[FaultySeries], method: Method) -> list[tuple[Anomaly, ...]]:
    return detect_many([(one.metric, Rows(FIRST_ROW, ROW_MS, one.rows())) for one in series], method=method)


def alerts_of(anomalies: Sequence[tuple[Anomaly, ...]], severity: Severity) -> list[list[int]]:
    return [
        [(each.at_ms - START_MS) // MINUTE_MS for each in found if each.severity >= severity]
        for found in anomalies
    ]


def sigma_alerts(series: Sequence[FaultySeries]) -> list[list[int]]:
    """What many dashboards do, with one alert until ten rows are usual again."""
    alerts = []
    for one in series:
        rows = one.rows()
        windows = np.lib.stride_tricks.sliding_window_view(rows, 1000)[:-1]
        is_far = np.abs(rows[1000:] - windows.mean(axis=1)) > 3 * windows.std(axis=1)
        far = 1000 + np.flatnonzero(is_far)
        alerts.append((5 * far[np.diff(far, prepend=-99) > 10]).tolist())
    return alerts


def run(say: Callable[[str], None]) -> Finding:
    sets: dict[str, tuple[list[FaultySeries], list[FaultySeries]]] = {
        "services": (list(make(REPORTING, SEED, EACH)), list(make(REPORTING, SEED, FOREST_EACH))),
        "short": (list(short_faults.make(SEED, EACH // 2)), list(short_faults.make(SEED, 1))),
        "tuned on": (list(make(TUNING, SEED, EACH)), list(make(TUNING, SEED, FOREST_EACH))),
    }
    lines: list[str] = []
    default: dict[tuple[str, Severity], Quality] = {}
    sigmas: dict[str, Quality] = {}
    for name, (series, few) in sets.items():
        lines.append(f"{name}: {len(series)} series, {sum(one.days for one in series):.0f} series-days")
        for method in Method:
            say(f"{name}, {method.value}")
            chosen = few if method is Method.ISOLATION_FOREST else series
            anomalies = anomalies_of(chosen, method)
            for severity in Severity:
                quality = measure(chosen, alerts_of(anomalies, severity))
                lines.append(_line(f"  {method.value}, {severity.word}", quality))
                if method is Method.CALIBRATED:
                    default[name, severity] = quality
        sigmas[name] = measure(series, sigma_alerts(series))
        lines.append(_line(f"  {SIGMA}", sigmas[name]))
    lines.append("faults found by the default method at info, services (tuned on):")
    tuned = default["tuned on", Severity.INFO].by_fault
    for fault, (hit, count) in default["services", Severity.INFO].by_fault.items():
        lines.append(f"  {fault:22} {hit:3} of {count:3}  ({tuned[fault][0]} of {tuned[fault][1]})")
    sigma = sigmas["services"]
    told = default["services", Severity.INFO], default["services", Severity.CRITICAL]
    say("grouping")
    notes, worth = incidents_without_fault(REPORTING)
    say("cost")
    batch_us, stream_us, restart_ms = cost()
    return Finding(
        title="Anomaly detection",
        how=f"Three weeks of five-minute rows, one fault in each series or none, seed {SEED}; a fault is"
        " found when an anomaly begins while it lasts; anomalies up to six hours after it count for nothing,"
        " all others are false. The first 1,000 rows are learned from.",
        anchor=SIGMA,
        rows=(
            Row(
                what="faults found, info and above",
                ours=f"{told[0].recall:.0%}",
                target=">= 75 %",
                anchor=f"{sigma.recall:.0%}",
            ),
            Row(
                what="false anomalies per series-day, info and above",
                ours=f"{told[0].false_per_day:.3f}",
                target="<= 0.13",
                anchor=f"{sigma.false_per_day:.3f}",
            ),
            Row(
                what="share of right anomalies",
                ours=f"{told[0].precision:.0%}",
                anchor=f"{sigma.precision:.0%}",
            ),
            Row(
                what="minutes from the fault to the end of the row that tells, median",
                ours=f"{told[0].minutes_to_detect:.0f}",
                anchor=f"{sigma.minutes_to_detect:.0f}",
            ),
            Row(
                what="false anomalies per series-day, critical",
                ours=f"{told[1].false_per_day:.3f}",
                target="<= 0.05",
            ),
            Row(what="faults found, critical", ours=f"{told[1].recall:.0%}"),
            Row(
                what="incidents per container-day without a fault (four metrics): all, worth an alert",
                ours=f"{notes:.3f}, {worth:.4f}",
            ),
            Row(what="cost of a row of one series, two weeks at once", ours=f"{batch_us:.1f} us"),
            Row(
                what="the same, row by row with 1,000 series watched",
                ours=f"{stream_us:.1f} us",
                target="<= 15 us",
            ),
            Row(what="state of 1,000 series written and read", ours=f"{restart_ms:.0f} ms"),
        ),
        notes=(
            f"Isolation forests were tried on {FOREST_EACH} series of a kind instead of {EACH}.",
            "Containers whose metrics are independent of each other: in a real one they are not, and noise"
            " of several at once is less rare.",
        ),
        verbatim="\n".join(lines),
    )


def incidents_without_fault(generator: Generator, *, containers: int = 24) -> tuple[float, float]:
    """Return how many incidents a container of four healthy metrics has a day: all, and worth an alert."""
    healthy = [one for one in make(generator, SEED + 1, containers) if not one.fault]
    by_shape: dict[str, list[FaultySeries]] = defaultdict(list)
    for one in healthy:
        by_shape[one.shape].append(one)
    parts = ("idle", "jvm", "web", "latency")
    count, worth, days = 0, 0, 0.0
    for number in range(containers):
        series = [by_shape[shape][number] for shape in parts]
        findings = [
            Found(
                subject=1,
                subject_kind=SubjectKind.CONTAINER,
                node_id="nd_1",
                name="web",
                metric=one.metric,
                anomaly=each,
            )
            for one, found in zip(series, anomalies_of(series, Method.CALIBRATED), strict=True)
            for each in found
            if each.at_ms >= START_MS + LEARNING_MINUTES * MINUTE_MS
        ]
        incidents = group(findings)
        count += len(incidents)
        worth += sum(each.is_alertable for each in incidents)
        days += series[0].days - LEARNING_MINUTES / 1440
    return count / days, worth / days


def cost(*, series: int = 1000, rows: int = 48) -> tuple[float, float, float]:
    """Return µs per series and row at once and row by row, and ms to write and read the state."""
    rng = np.random.default_rng(SEED)
    values = rng.gamma(2, 10, (64, 14 * 288))
    began_s = time.process_time()
    detect_many([("cpu_percent", Rows(FIRST_ROW, ROW_MS, one)) for one in values])
    batch_s = time.process_time() - began_s
    watch = SeriesWatch()
    watched = rng.gamma(2, 10, (series, 288 + rows))
    _push(watch, watched, 0, 288)
    began_s = time.process_time()
    for row in range(288, 288 + rows):
        _push(watch, watched, row, row + 1)
    stream_s = time.process_time() - began_s
    began_s = time.process_time()
    SeriesWatch.from_bytes(watch.to_bytes())
    restart_s = time.process_time() - began_s
    return batch_s / values.size * 1e6, stream_s / series / rows * 1e6, restart_s * 1e3


def _push(watch: SeriesWatch, values: np.ndarray, begin: int, end: int) -> None:
    lines = []
    for number in range(len(values)):
        definition = SubjectDefinition(
            kind=SubjectKind.CONTAINER, node_id=NodeId("nd_1"), key=str(number), name=f"web-{number}"
        )
        subject = Subject(number=number + 1, definition=definition, created_ms=0, seen_ms=0)
        key = key_of(subject, "cpu_percent")
        lines.append(Line(key=key, metric="cpu_percent", subject=subject, values=values[number, begin:end]))
    watch.push(FIRST_ROW + begin, lines, end - begin)


def _line(name: str, quality: Quality) -> str:
    return (
        f"{name:42} found {quality.recall:4.0%}  right {quality.precision:4.0%}"
        f"  false/series-day {quality.false_per_day:.3f}  minutes {quality.minutes_to_detect:4.0f}"
    )
