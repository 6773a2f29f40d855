"""A metric history in memory that knows its series by the hour."""

from __future__ import annotations

import numpy as np

from cluster.analytics.series import HOUR_MS
from cluster.metrics.query import SERIES_MAX, RangeAnswer, RangeQuery, Resolution, Statistic
from tests.support.memory_history import MemoryHistory, result_of


class HourlyHistory(MemoryHistory):
    """Series that end with the hour of `now_ms`. `statistics` are those that were asked for, by metric."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms - now_ms % HOUR_MS + HOUR_MS)
        self.statistics: dict[str, Statistic | None] = {}

    async def query(self, query: RangeQuery) -> RangeAnswer:
        assert query.step_ms == HOUR_MS, "it knows hours alone"
        chosen = await self.subjects(query.selector)
        assert len(chosen) * len(query.selector.metrics) <= SERIES_MAX, "an answer has no more"
        found = await self.selected(query.selector)
        self.statistics.update({metric: query.statistic for _, metric in found})
        return RangeAnswer(
            times_ms=np.arange(query.start_ms, query.end_ms, HOUR_MS, dtype=np.int64),
            step_ms=HOUR_MS,
            resolution=Resolution.HOURLY,
            series=tuple(
                result_of(subject, metric, self.on_grid(subject, metric, query, HOUR_MS))
                for subject, metric in found
            ),
            notes=self.notes,
        )
