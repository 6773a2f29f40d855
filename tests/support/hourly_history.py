"""A metric history in memory that knows its series by the hour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.analytics.series import HOUR_MS, Values
from cluster.metrics.query import (
    SERIES_MAX,
    HistoryStanding,
    RangeAnswer,
    RangeQuery,
    Resolution,
    ResultSeries,
    Selector,
    Statistic,
)
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, Subject, SubjectDefinition, SubjectKind


class HourlyHistory:
    """Series that end with the hour of `now_ms`. `statistics` are those that were asked for, by metric."""

    def __init__(self, now_ms: int) -> None:
        self.end_ms = now_ms - now_ms % HOUR_MS + HOUR_MS
        self.statistics: dict[str, Statistic | None] = {}
        self.notes: tuple[str, ...] = ()
        self._subjects: list[Subject] = []
        self._series: dict[tuple[int, str], Values] = {}

    def add(
        self,
        kind: SubjectKind,
        name: str,
        *,
        node_id: str = "nd_1",
        key: str = "",
        labels: tuple[tuple[str, str], ...] = (),
        **series: Values | list[float],
    ) -> int:
        """Add a subject with its series, of which the last value is of this hour; returns its number."""
        number = len(self._subjects) + 1
        definition = SubjectDefinition(
            kind=kind,
            node_id=NodeId(node_id),
            key=key or ("" if kind in (SubjectKind.HOST, SubjectKind.AGENT) else f"{name}-{number}"),
            name=name,
            labels=labels,
        )
        self._subjects.append(
            Subject(number=number, definition=definition, created_ms=0, seen_ms=self.end_ms)
        )
        for metric, values in series.items():
            self._series[number, metric] = np.asarray(values, dtype=np.float64)
        return number

    async def query(self, query: RangeQuery) -> RangeAnswer:
        assert query.step_ms == HOUR_MS, "it knows hours alone"
        times = np.arange(query.start_ms, query.end_ms, HOUR_MS, dtype=np.int64)
        found = []
        chosen = await self.subjects(query.selector)
        assert len(chosen) * len(query.selector.metrics) <= SERIES_MAX, "an answer has no more"
        for subject in chosen:
            for metric in query.selector.metrics or tuple(BY_NAME):
                values = self._series.get((subject.number, metric))
                if values is None:
                    continue
                self.statistics[metric] = query.statistic
                on_grid = np.full(len(times), np.nan)
                where = (self.end_ms - query.start_ms) // HOUR_MS - len(values) + np.arange(len(values))
                inside = (where >= 0) & (where < len(times))
                on_grid[where[inside]] = values[inside]
                found.append(
                    ResultSeries(
                        metric=metric,
                        unit=BY_NAME[metric].unit,
                        labels=(("node", subject.definition.node_id), ("subject", subject.definition.name)),
                        values=on_grid,
                        subject=subject.number,
                    )
                )
        return RangeAnswer(
            times_ms=times,
            step_ms=HOUR_MS,
            resolution=Resolution.HOURLY,
            series=tuple(found),
            notes=self.notes,
        )

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        return [subject for subject in self._subjects if _fits(selector, subject)]

    async def standing(self) -> HistoryStanding:
        return HistoryStanding(bytes_used=0, bytes_max=0, applied_index=0, subjects=len(self._subjects))


def _fits(selector: Selector, subject: Subject) -> bool:
    definition = subject.definition
    return (
        (not selector.kinds or definition.kind in selector.kinds)
        and (not selector.node_ids or definition.node_id in selector.node_ids)
        and (not selector.subjects or subject.number in selector.subjects)
        and (not selector.keys or definition.key in selector.keys)
        and (not selector.names or definition.name in selector.names)
        and all(definition.label(label) == value for label, value in selector.labels)
    )
