"""Batches of samples, subjects, and histories of them, where only what matters is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cluster.history import HistoryWriter
from cluster.metrics.block import SampleBlock, encode_block
from cluster.metrics.retention import Keep, Retention
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
    block = SampleBlock(
        start_ms=start_ms,
        step_ms=step_ms,
        ticks=ticks,
        positions=np.array([subjects.index(subject) for subject, _ in rows], dtype=np.uint16),
        metrics=np.array([metric for _, metric in rows], dtype=np.uint16),
        values=np.array(
            [[value or 0 for value in _filled(values, ticks)] for values in rows.values()], dtype=np.int64
        ).reshape(len(rows), ticks),
        present=np.array(
            [[value is not None for value in _filled(values, ticks)] for values in rows.values()],
            dtype=np.bool_,
        ).reshape(len(rows), ticks),
    )
    return CommittedBatch(
        index=index,
        source=node,
        node_id=node,
        start_ms=start_ms,
        step_ms=step_ms,
        ticks=ticks,
        subjects=subjects or (1,),
        payload=encode_block(block),
        committed_ms=start_ms + ticks * step_ms if committed_ms is None else committed_ms,
    )


def _filled(values: Sequence[int | None], ticks: int) -> list[int | None]:
    return [*values, *[None] * (ticks - len(values))]


def a_history(directory: Path) -> HistoryWriter:
    return HistoryWriter(directory / "history", stagger="")


def tidy(writer: HistoryWriter, now_ms: int, retention: Retention | None = None) -> int:
    """Maintain until nothing is left to do, and again once what that changed is quiet; how many pieces."""
    pieces = 0
    for moment_ms in (now_ms, now_ms + 2 * 60_000):
        while writer.maintain(moment_ms, retention or FOREVER):
            pieces += 1
            assert pieces < 10_000, "maintenance does not end"
    return pieces


FOREVER = Retention(default=Keep(raw_days=3660, hourly_days=3660, daily_days=3660))
