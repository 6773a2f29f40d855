"""What is exported: series with names and labels that others' queries can use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.block import SampleBlock
from cluster.model.metrics import BY_NUMBER, Metric, Subject, SubjectKind

PREFIX = "tower_"
_LABEL = re.compile(r"[^a-zA-Z0-9_]")
_RESERVED = frozenset({"node", "kind", "subject", "id", "job"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportSeries:
    """Samples of one metric of one subject, in its unit, in order of time."""

    subject: Subject
    metric: Metric
    times_ms: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def samples(self) -> int:
        return len(self.times_ms)


def series_of(
    block: SampleBlock, numbers: Sequence[int], subjects: Mapping[int, Subject]
) -> Iterator[ExportSeries]:
    """Yield a batch's series, those of one subject after each other.

    `numbers` are the batch's subjects by position. A subject or metric that is not known (any more) is left
    out: nobody could say what it was of.
    """
    times_ms = block.start_ms + block.step_ms * np.arange(block.ticks, dtype=np.int64)
    order = np.lexsort((block.metrics, block.positions))
    for row in order:
        position = int(block.positions[row])
        subject = subjects.get(numbers[position]) if position < len(numbers) else None
        metric = BY_NUMBER.get(int(block.metrics[row]))
        present = block.present[row]
        if subject is None or metric is None or not present.any():
            continue
        yield ExportSeries(
            subject=subject,
            metric=metric,
            times_ms=times_ms[present],
            values=block.values[row, present] / metric.scale,
        )


def by_moment(series: Sequence[ExportSeries]) -> list[list[ExportSeries]]:
    """Return the same samples moment by moment, from the oldest; nothing where there is one moment only."""
    moments = sorted({at_ms for each in series for at_ms in each.times_ms.tolist()})
    if len(moments) < 2:
        return []
    found = []
    for at_ms in moments:
        at_this = ((each, each.times_ms == at_ms) for each in series)
        found.append(
            [
                replace(each, times_ms=each.times_ms[is_it], values=each.values[is_it])
                for each, is_it in at_this
                if is_it.any()
            ]
        )
    return found


def joined(series: Iterable[ExportSeries]) -> list[ExportSeries]:
    """Return series with those of one metric of one subject made one, in order of time.

    Those of one subject come after each other.
    """
    by_place: dict[tuple[int, int], list[ExportSeries]] = {}
    for each in series:
        by_place.setdefault((each.subject.number, each.metric.number), []).append(each)
    return [_join(parts) for _, parts in sorted(by_place.items())]


def _join(parts: list[ExportSeries]) -> ExportSeries:
    if len(parts) == 1:
        return parts[0]
    times_ms = np.concatenate([part.times_ms for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(times_ms, kind="stable")
    return replace(parts[0], times_ms=times_ms[order], values=values[order])


def labels_of(subject: Subject, node_name: str) -> tuple[tuple[str, str], ...]:
    """Return what tells a subject apart, sorted by name, without empty values.

    A container goes by its name, so that its series go on when it is made anew; a replica's has its revision
    in it. What else has a key beside its name has that as `id`.
    """
    definition = subject.definition
    labels = {
        "node": node_name or definition.node_id,
        "kind": definition.kind.word,
        "subject": definition.name or definition.key,
        "job": "tower",
    }
    if definition.key not in ("", definition.name) and definition.kind is not SubjectKind.CONTAINER:
        labels["id"] = definition.key
    for key, value in definition.labels:
        name = _LABEL.sub("_", key)
        if not name or name[0].isdigit() or name.startswith("__") or name in _RESERVED:
            name = f"label_{name}"
        labels.setdefault(name, value)
    return tuple(sorted((name, value) for name, value in labels.items() if value))


def metric_name(metric: Metric) -> str:
    """`tower_` and the catalogue's name, whose last part is the unit."""
    return PREFIX + metric.name
