"""A metric history in memory that knows its series by rows of five minutes, and answers in any multiple."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.watched import is_count
from cluster.metrics.query import HistoryStanding, RangeAnswer, RangeQuery, Resolution, ResultSeries, Selector
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, Subject, SubjectDefinition, SubjectKind

ROW_MS = 300_000


class RowHistory:
    """Series whose last row ends at the whole row before `now_ms`. `questions` are those that were asked."""

    def __init__(self, now_ms: int) -> None:
        self.end_ms = now_ms - now_ms % ROW_MS
        self.notes: tuple[str, ...] = ()
        self.questions: list[RangeQuery] = []
        self._subjects: list[Subject] = []
        self.series: dict[tuple[int, str], NDArray[np.float64]] = {}

    def add(
        self,
        kind: SubjectKind,
        name: str,
        *,
        node_id: str = "nd_1",
        labels: tuple[tuple[str, str], ...] = (),
        created_ms: int = 0,
        **series: NDArray[np.float64],
    ) -> int:
        """Add a subject with its rows, the last of which ends now; returns its number."""
        number = len(self._subjects) + 1
        definition = SubjectDefinition(
            kind=kind, node_id=NodeId(node_id), key=f"{name}-{number}", name=name, labels=labels
        )
        self._subjects.append(
            Subject(number=number, definition=definition, created_ms=created_ms, seen_ms=self.end_ms)
        )
        for metric, values in series.items():
            self.series[number, metric] = np.asarray(values, np.float64)
        return number

    def advance(self, **rows: dict[int, float]) -> None:
        """One row later: `metric={number: value}` of each series; others have none in it."""
        self.end_ms += ROW_MS
        for (number, metric), values in self.series.items():
            value = rows.get(metric, {}).get(number, np.nan)
            self.series[number, metric] = np.append(values, value)

    async def query(self, query: RangeQuery) -> RangeAnswer:
        self.questions.append(query)
        step_ms = query.step_ms or ROW_MS
        assert step_ms % ROW_MS == 0, "it knows rows alone"
        times = np.arange(query.start_ms, query.end_ms, step_ms, dtype=np.int64)
        rows = (query.end_ms - query.start_ms) // ROW_MS
        found = []
        for subject in await self.subjects(query.selector):
            for metric in query.selector.metrics or tuple(BY_NAME):
                values = self.series.get((subject.number, metric))
                if values is None:
                    continue
                fine = np.full(rows, np.nan)
                where = (self.end_ms - query.start_ms) // ROW_MS - len(values) + np.arange(len(values))
                inside = (where >= 0) & (where < rows)
                fine[where[inside]] = values[inside]
                steps = fine.reshape(len(times), -1)
                known = np.count_nonzero(~np.isnan(steps), axis=1)
                total = np.nansum(steps, axis=1)
                made = total if is_count(metric) else total / np.maximum(known, 1)
                found.append(
                    ResultSeries(
                        metric=metric,
                        unit=BY_NAME[metric].unit,
                        labels=(("node", subject.definition.node_id), ("subject", subject.definition.name)),
                        values=np.where(known > 0, made, np.nan),
                        subject=subject.number,
                    )
                )
        return RangeAnswer(
            times_ms=times,
            step_ms=step_ms,
            resolution=query.resolution or Resolution.RAW,
            series=tuple(found),
            notes=self.notes,
        )

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        return [each for each in self._subjects if _fits(selector, each)]

    async def standing(self) -> HistoryStanding:
        return HistoryStanding(bytes_used=0, bytes_max=0, applied_index=0, subjects=len(self._subjects))


def _fits(selector: Selector, subject: Subject) -> bool:
    definition = subject.definition
    return (
        (not selector.kinds or definition.kind in selector.kinds)
        and (not selector.node_ids or definition.node_id in selector.node_ids)
        and (not selector.subjects or subject.number in selector.subjects)
        and (not selector.names or definition.name in selector.names)
        and all(definition.label(label) == value for label, value in selector.labels)
    )


def rows_of(seed: int, *, level: float, days: int = 7, noise: float = 0.03) -> NDArray[np.float64]:
    """Rows of something with a daily course, so many days of them."""
    rng = np.random.default_rng(seed)
    at = np.arange(days * 288)
    return np.asarray(level * (1 + 0.2 * np.sin(2 * np.pi * at / 288) + noise * rng.standard_normal(len(at))))
