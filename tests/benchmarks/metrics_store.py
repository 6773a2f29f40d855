"""What the metric history takes of the disk and the processor, beside the databases people would use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from agent.clock import SystemClock
from cluster.history import HistoryReader, HistoryWriter
from cluster.metrics.block import SampleBlock, encode_block
from cluster.metrics.query import Aggregation, RangeQuery, Resolution, Selector
from cluster.metrics.retention import Keep, Retention
from cluster.model.metrics import (
    STEP_MS,
    CommittedBatch,
    Metric,
    Subject,
    SubjectDefinition,
    SubjectKind,
)
from tests.benchmarks import databases
from tests.benchmarks.container_series import CONTAINERS, METRICS, Values, containers
from tests.benchmarks.databases import Question, Series, Weighed
from tests.benchmarks.leftovers import scratch
from tests.benchmarks.machine import Missing
from tests.benchmarks.results import Finding, Row, percentile

DAYS = 7
SEED = 4
BATCH_TICKS = 6
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
REPEATS = 200
ANCHOR_REPEATS = 30
STEP_7D_S = 2100
STEP_24H_S = 300
TARGET_BYTES = "<= 1.0 B"
ANCHORS: Mapping[str, Callable[[Path, Sequence[Series], Sequence[Question], int], Weighed]] = {
    "VictoriaMetrics": databases.victoria_metrics,
    "InfluxDB": databases.influxdb,
    "Prometheus": databases.prometheus,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """`file_bytes` is the file as it lies there, `used_bytes` without its free pages."""

    samples: int
    payload_bytes: int
    file_bytes: int
    used_bytes: int
    ingest_cpu_s: float
    seal_cpu_s: float
    questions_ms: Mapping[str, Sequence[float]]


def run(say: Callable[[str], None], *, days: int = DAYS) -> Finding:
    """Measure ours and each database that is installed. Raises Missing where none is."""
    start_ms = (SystemClock().now_ms() // DAY_MS - days - 1) * DAY_MS
    data = {name: by_metric for name, by_metric in containers(days, SEED)}
    questions = _questions(list(data), start_ms, days)
    with scratch() as directory:
        ours = _ours(directory / "history", data, questions, start_ms, days)
        say(f"ours: {ours.file_bytes / ours.samples:.3f} B/sample, {ours.samples:,} samples")
        series = _for_databases(data, start_ms)
        found: dict[str, Weighed] = {}
        lacking = []
        for name, measure in ANCHORS.items():
            try:
                (directory / name).mkdir()
                found[name] = measure(directory / name, series, questions, ANCHOR_REPEATS)
            except Missing as missing:
                lacking.append(f"{name} was not measured: {missing}.")
                continue
            say(f"{name}: {found[name].bytes_on_disk / ours.samples:.3f} B/sample")
    if not found:
        raise Missing("none of prometheus, victoria-metrics, influxdb; run: packaging/bootstrap.sh bench")
    return _finding(ours, found, questions, lacking, days)


def _finding(
    ours: Ours, found: Mapping[str, Weighed], questions: Sequence[Question], lacking: list[str], days: int
) -> Finding:
    def beside(figure: Callable[[Weighed], str]) -> str:
        return ", ".join(f"{name} {figure(weighed)}" for name, weighed in found.items())

    samples = ours.samples
    targets = {"1 series, 7 d": "< 1 ms"}
    rows = [
        Row(
            what="bytes a sample on disk, all included",
            ours=f"{ours.file_bytes / samples:.2f} B",
            target=TARGET_BYTES,
            anchor=beside(lambda weighed: f"{weighed.bytes_on_disk / samples:.2f} B"),
        ),
        Row(what="of it in use", ours=f"{ours.used_bytes / samples:.2f} B"),
        Row(
            what="bytes a sample in the log",
            ours=f"{ours.payload_bytes / samples:.2f} B",
            target="<= 2.5 B",
        ),
        Row(
            what="loading, with sealing and compaction, a second of CPU",
            ours=f"{samples / (ours.ingest_cpu_s + ours.seal_cpu_s) / 1e6:.2f} M samples",
            anchor=beside(lambda weighed: f"{samples / max(weighed.load_cpu_s, 1e-9) / 1e6:.2f} M"),
        ),
        Row(
            what="sealing, rollups and compaction, a second of CPU",
            ours=f"{samples / ours.seal_cpu_s / 1e6:.2f} M samples",
            target=">= 3 M",
        ),
    ]
    rows += [
        Row(
            what=f"p50 of {question.name}",
            ours=f"{percentile(ours.questions_ms[question.name], 50):.2f} ms",
            target=targets.get(question.name.partition(" in ")[0], ""),
            anchor=beside(partial(_p50_of, question.name)),
        )
        for question in questions
    ]
    return Finding(
        title="The metric history",
        how=(
            f"{CONTAINERS} generated containers of {len(METRICS)} metrics, {days} days at 10 s:"
            f" {samples:,} samples. Ours go the way they go in a cluster, in batches of a minute, sealed hour"
            " by hour and compacted day by day, with the hourly and daily record and every page of the file."
            " Questions are for the mean of each step; ours are asked of the history in the process, the"
            " databases over HTTP on loopback."
        ),
        anchor="the databases",
        rows=tuple(rows),
        notes=(
            f"Anchors: {', '.join(weighed.version for weighed in found.values())}, Debian's packages; merged"
            " or compacted until nothing changed any more. The loading of Prometheus is promtool's, which"
            " makes blocks of a text.",
            *lacking,
        ),
    )


def _p50_of(name: str, weighed: Weighed) -> str:
    return f"{percentile(weighed.questions_ms[name], 50):.1f} ms"


def _questions(names: Sequence[str], start_ms: int, days: int) -> list[Question]:
    end_s = start_ms // 1000 + days * 86_400
    week_s = end_s - days * 86_400
    return [
        Question(
            name=f"1 series, {days} d in {days * 86_400 // STEP_7D_S} points",
            metric="cpu_percent",
            containers=["web-1"],
            start_s=week_s,
            end_s=end_s,
            step_s=STEP_7D_S,
        ),
        Question(
            name="20 series, 24 h in 288 points",
            metric="memory_bytes",
            containers=names,
            start_s=end_s - 86_400,
            end_s=end_s,
            step_s=STEP_24H_S,
        ),
        Question(
            name="sum of 20 series, 24 h in 288 points",
            metric="cpu_percent",
            containers=names,
            start_s=end_s - 86_400,
            end_s=end_s,
            step_s=STEP_24H_S,
            is_sum=True,
        ),
    ]


def _ours(
    directory: Path,
    data: Mapping[str, Mapping[Metric, Values]],
    questions: Sequence[Question],
    start_ms: int,
    days: int,
) -> Ours:
    writer = HistoryWriter(directory, stagger="")
    subjects = [_subject(number, name, start_ms) for number, name in enumerate(data, 1)]
    retention = Retention(default=Keep(raw_days=30))
    matrix = np.stack([by_metric[metric] for by_metric in data.values() for metric in METRICS])
    positions = np.repeat(np.arange(len(data)), len(METRICS)).astype(np.uint16)
    numbers = np.tile([metric.number for metric in METRICS], len(data)).astype(np.uint16)
    cells, payload_bytes, ingest_cpu_s, seal_cpu_s, index = matrix.shape[1], 0, 0.0, 0.0, 0
    for first_hour in range(days * 24):
        batches = []
        for first in range(first_hour * 360, (first_hour + 1) * 360, BATCH_TICKS):
            index += 1
            batches.append(_batch(index, matrix, first, positions, numbers, start_ms))
            payload_bytes += len(batches[-1].payload)
        began = time.process_time()
        writer.ingest(batches, subjects if first_hour == 0 else ())
        ingest_cpu_s += time.process_time() - began
        seal_cpu_s += _tidy(writer, start_ms + (first_hour + 2) * HOUR_MS, retention)
    seal_cpu_s += _tidy(writer, start_ms + days * DAY_MS + 4 * HOUR_MS, retention)
    used_bytes = writer.reader.standing().bytes_used
    asked = {question.name: _asked(writer.reader, question, data) for question in questions}
    writer.close()
    return Ours(
        samples=len(matrix) * cells,
        payload_bytes=payload_bytes,
        file_bytes=(directory / "data.mdb").stat().st_size,
        used_bytes=used_bytes,
        ingest_cpu_s=ingest_cpu_s,
        seal_cpu_s=seal_cpu_s,
        questions_ms=asked,
    )


def _tidy(writer: HistoryWriter, now_ms: int, retention: Retention) -> float:
    began = time.process_time()
    for moment_ms in (now_ms, now_ms + 120_000):
        while writer.maintain(moment_ms, retention):
            pass
    return time.process_time() - began


def _asked(reader: HistoryReader, question: Question, data: Mapping[str, object]) -> list[float]:
    """Milliseconds of each time it was asked, after two that warm up."""
    query = RangeQuery(
        selector=Selector(
            metrics=(question.metric,),
            names=() if len(question.containers) == len(data) else tuple(question.containers),
        ),
        start_ms=question.start_s * 1000,
        end_ms=question.end_s * 1000,
        step_ms=question.step_s * 1000,
        resolution=Resolution.RAW,
        aggregation=Aggregation.SUM if question.is_sum else None,
    )
    took = []
    for _ in range(REPEATS + 2):
        began = time.perf_counter()
        answer = reader.query(query)
        took.append((time.perf_counter() - began) * 1e3)
    assert answer.series, "there is an answer"
    return took[2:]


def _subject(number: int, name: str, start_ms: int) -> Subject:
    definition = SubjectDefinition(
        kind=SubjectKind.CONTAINER,
        node_id="n1",
        key=f"{number:064x}",
        name=name,
        labels=(("project", "shop"), ("service", name.partition("-")[0])),
    )
    return Subject(number=number, definition=definition, created_ms=start_ms, seen_ms=start_ms)


def _batch(
    index: int,
    matrix: Values,
    first: int,
    positions: np.ndarray[tuple[int], np.dtype[np.uint16]],
    numbers: np.ndarray[tuple[int], np.dtype[np.uint16]],
    start_ms: int,
) -> CommittedBatch:
    values = matrix[:, first : first + BATCH_TICKS]
    block = SampleBlock(
        start_ms=start_ms + first * STEP_MS,
        step_ms=STEP_MS,
        ticks=BATCH_TICKS,
        positions=positions,
        metrics=numbers,
        values=values,
        present=np.ones(values.shape, dtype=np.bool_),
    )
    return CommittedBatch(
        index=index,
        source="n1",
        node_id="n1",
        start_ms=block.start_ms,
        step_ms=STEP_MS,
        ticks=BATCH_TICKS,
        subjects=tuple(range(1, CONTAINERS + 1)),
        payload=encode_block(block),
        committed_ms=block.end_ms,
    )


def _for_databases(data: Mapping[str, Mapping[Metric, Values]], start_ms: int) -> list[Series]:
    found = []
    for name, by_metric in data.items():
        for metric, values in by_metric.items():
            found.append(
                Series(
                    container=name,
                    metric=metric.name,
                    times_ms=start_ms + STEP_MS * np.arange(len(values), dtype=np.int64),
                    values=values / metric.scale,
                    decimals=len(str(metric.scale)) - 1,
                )
            )
    return found
