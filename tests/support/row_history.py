"""A metric history in memory that knows its series by rows of five minutes, and answers in any multiple."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.watched import is_count
from cluster.metrics.query import RangeAnswer, RangeQuery, Resolution
from tests.support.memory_history import MemoryHistory, Series, result_of

ROW_MS = 300_000


class RowHistory(MemoryHistory):
    """Series whose last row ends at the whole row before `now_ms`. `questions` are those that were asked."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms - now_ms % ROW_MS)
        self.questions: list[RangeQuery] = []

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
        found = []
        for subject, metric in await self.selected(query.selector):
            rows = self.on_grid(subject, metric, query, ROW_MS)
            found.append(result_of(subject, metric, _in_steps(rows, metric, len(times))))
        return RangeAnswer(
            times_ms=times,
            step_ms=step_ms,
            resolution=query.resolution or Resolution.RAW,
            series=tuple(found),
            notes=self.notes,
        )


def _in_steps(rows: Series, metric: str, count: int) -> Series:
    """So many steps of as many rows each: the sum of what is counted, the mean of everything else."""
    steps = rows.reshape(count, -1)
    known = np.count_nonzero(~np.isnan(steps), axis=1)
    total = np.nansum(steps, axis=1)
    made = total if is_count(metric) else total / np.maximum(known, 1)
    return np.where(known > 0, made, np.nan)


def rows_of(seed: int, *, level: float, days: int = 7, noise: float = 0.03) -> NDArray[np.float64]:
    """Rows of something with a daily course, so many days of them."""
    rng = np.random.default_rng(seed)
    at = np.arange(days * 288)
    return np.asarray(level * (1 + 0.2 * np.sin(2 * np.pi * at / 288) + noise * rng.standard_normal(len(at))))
