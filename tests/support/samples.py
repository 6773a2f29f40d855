"""Batches of samples, subjects, and histories of them, where only what matters is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.history import HistoryWriter
from cluster.metrics.block import BlockBuilder, encode_block
from cluster.metrics.retention import Retention
from cluster.model.metrics import (
    BY_NAME,
    STEP_MS,
    CommittedBatch,
    Subject,
    SubjectDefinition,
    SubjectKind,
)

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0 = 20_000 * DAY_MS
"""The beginning of some day."""
CPU = BY_NAME["cpu_percent"]
MEMORY = BY_NAME["memory_bytes"]
OOM_KILLS = BY_NAME["oom_kills"]
STATE = BY_NAME["state"]

Cells = Mapping[tuple[int, int], Sequence[int | None]]
"""(subject number, metric number) -> one value a tick, None where there is none."""


def a_subject(
    number: int,
    *,
    kind: SubjectKind = SubjectKind.CONTAINER,
    node: str = "n1",
    name: str = "",
    seen_ms: int = T0,
    **labels: str,
) -> Subject:
    definition = SubjectDefinition(
        kind=kind,
        node_id=node,
        key=f"key-{number}",
        name=name or f"web-{number}",
        labels=tuple(sorted(labels.items())),
    )
    return Subject(number=number, definition=definition, created_ms=T0, seen_ms=seen_ms)


def a_batch(
    index: int,
    rows: Cells,
    *,
    start_ms: int = T0,
    step_ms: int = STEP_MS,
    node: str = "n1",
    committed_ms: int | None = None,
) -> CommittedBatch:
    """A batch of as many moments as the longest row has."""
    ticks = max((len(values) for values in rows.values()), default=1)
    subjects = tuple(dict.fromkeys(subject for subject, _ in rows))
    builder = BlockBuilder(start_ms=start_ms, step_ms=step_ms, ticks=ticks)
    for (subject, metric), values in rows.items():
        for tick, value in enumerate(values):
            if value is not None:
                builder.put(subjects.index(subject), metric, tick, value)
    return CommittedBatch(
        index=index,
        source=node,
        node_id=node,
        start_ms=start_ms,
        step_ms=step_ms,
        ticks=ticks,
        subjects=subjects or (1,),
        payload=encode_block(builder.build()),
        committed_ms=start_ms + ticks * step_ms if committed_ms is None else committed_ms,
    )


def a_history(directory: Path) -> HistoryWriter:
    return HistoryWriter(directory / "history", stagger="")


def tidy(writer: HistoryWriter, now_ms: int, retention: Retention | None = None) -> int:
    """Maintain until nothing is left to do; how many pieces it took."""
    for pieces in range(10_000):
        if not writer.maintain(now_ms, retention or FOREVER):
            return pieces
    raise AssertionError("maintenance does not end")


FOREVER = Retention()
