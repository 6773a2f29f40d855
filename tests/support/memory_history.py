"""What metric histories in memory have in common: subjects, their series, and what answers are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cluster.history.reading import fits
from cluster.metrics.query import HistoryStanding, RangeQuery, ResultSeries, Selector
from cluster.model.ids import NodeId
from cluster.model.metrics import BY_NAME, Subject, SubjectDefinition, SubjectKind

Series = NDArray[np.float64]


class MemoryHistory:
    """Series of even steps, each of which has its last value at `end_ms`."""

    def __init__(self, end_ms: int) -> None:
        self.end_ms = end_ms
        self.notes: tuple[str, ...] = ()
        self.series: dict[tuple[int, str], Series] = {}
        self._subjects: list[Subject] = []

    def add(
        self,
        kind: SubjectKind,
        name: str,
        *,
        node_id: str = "nd_1",
        key: str = "",
        labels: tuple[tuple[str, str], ...] = (),
        created_ms: int = 0,
        **series: ArrayLike,
    ) -> int:
        """Add a subject with its series, of which the last value is of the step that ends last; returns its
        number.
        """
        number = len(self._subjects) + 1
        definition = SubjectDefinition(
            kind=kind,
            node_id=NodeId(node_id),
            key=key or ("" if kind in (SubjectKind.HOST, SubjectKind.AGENT) else f"{name}-{number}"),
            name=name,
            labels=labels,
        )
        self._subjects.append(
            Subject(number=number, definition=definition, created_ms=created_ms, seen_ms=self.end_ms)
        )
        for metric, values in series.items():
            self.series[number, metric] = np.asarray(values, np.float64)
        return number

    async def subjects(self, selector: Selector) -> Sequence[Subject]:
        return [each for each in self._subjects if fits(selector, each)]

    async def standing(self) -> HistoryStanding:
        return HistoryStanding(bytes_used=0, bytes_max=0, applied_index=0, subjects=len(self._subjects))

    async def selected(self, selector: Selector) -> list[tuple[Subject, str]]:
        """Subjects and metrics of which there is a series, in the order of an answer."""
        return [
            (subject, metric)
            for subject in await self.subjects(selector)
            for metric in selector.metrics or tuple(BY_NAME)
            if (subject.number, metric) in self.series
        ]

    def on_grid(self, subject: Subject, metric: str, query: RangeQuery, step_ms: int) -> Series:
        """The values of a series in the steps of the query, NaN where there are none."""
        values = self.series[subject.number, metric]
        steps = np.full(-(-(query.end_ms - query.start_ms) // step_ms), np.nan)
        where = (self.end_ms - query.start_ms) // step_ms - len(values) + np.arange(len(values))
        inside = (where >= 0) & (where < len(steps))
        steps[where[inside]] = values[inside]
        return steps


def result_of(subject: Subject, metric: str, values: Series) -> ResultSeries:
    return ResultSeries(
        metric=metric,
        unit=BY_NAME[metric].unit,
        labels=(("node", subject.definition.node_id), ("subject", subject.definition.name)),
        values=values,
        subject=subject.number,
    )
