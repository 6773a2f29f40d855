"""Series of an answer made into fewer: groups of equal labels become one, and only the largest stay.

They are taken one by one, so that an answer about thousands of series needs room for its own lines alone.
"""

from __future__ import annotations

import heapq
import warnings
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.query import SERIES_MAX, Aggregation, RangeQuery, ResultSeries

Floats = NDArray[np.float64]
Labels = tuple[tuple[str, str], ...]

VALUES_KEPT_MAX = 8_000_000
"""How many values groups, or a quantile of series, may have before they become an answer: 64 MiB."""


class Lines:
    """The lines of an answer to `query`, as they come.

    With an aggregation there is one for each metric and group of the query's labels. A step has a value where
    any series of the group has one. The band of a sum is the sum of the bands, which is as far as the sum may
    have gone; of all else it is from the least to the greatest of the group.
    """

    def __init__(self, query: RangeQuery) -> None:
        self._query = query
        self._groups: dict[tuple[str, Labels], _Group] = {}
        self._kept = _Kept(query.top)
        self._values = 0

    def add(self, one: ResultSeries) -> None:
        """Take a series in. Raises ValueError, in words, where there are too many to be made into fewer."""
        if self._query.aggregation is None:
            self._kept.add(one)
            return
        held = {**dict(one.labels), "metric": one.metric}
        labels = tuple((label, held.get(label, "")) for label in self._query.group_by)
        group = self._groups.get((one.metric, labels))
        is_quantile = self._query.aggregation is Aggregation.QUANTILE
        if group is None or is_quantile:
            self._values += len(one.values)
            if self._values > VALUES_KEPT_MAX:
                what = "series of a quantile" if is_quantile else "groups"
                raise ValueError(
                    f"{self._values // len(one.values)} {what} of {len(one.values)} points: more than"
                    f" {VALUES_KEPT_MAX} values; ask for fewer points, or group by fewer labels"
                )
        if group is None:
            group = self._groups[one.metric, labels] = _Group(one, labels, self._query)
        group.add(one)

    def result(self) -> tuple[tuple[ResultSeries, ...], int]:
        """Return the lines, SERIES_MAX or `top` at most, and how many more there were. With `top` they are
        those of the largest mean over the range, largest first; without a value it is the smallest."""
        for group in self._groups.values():
            self._kept.add(group.series())
        self._groups.clear()
        return self._kept.series(), self._kept.left_out


class _Kept:
    """The first few, or the few of the largest mean."""

    def __init__(self, top: int | None) -> None:
        self._top = top
        self._most = SERIES_MAX if top is None else top
        self._held: list[tuple[float, int, ResultSeries]] = []
        self._seen = 0

    def add(self, one: ResultSeries) -> None:
        # Of equal means the earlier one stays, and no two have one place: series are never compared.
        rank = (0.0 if self._top is None else _mean(one.values), -self._seen, one)
        self._seen += 1
        if len(self._held) < self._most:
            heapq.heappush(self._held, rank)
        elif self._top is not None:
            heapq.heappushpop(self._held, rank)

    @property
    def left_out(self) -> int:
        return self._seen - len(self._held)

    def series(self) -> tuple[ResultSeries, ...]:
        return tuple(one for _, _, one in sorted(self._held, key=lambda rank: rank[:2], reverse=True))


class _Steps(Protocol):
    def add(self, values: Floats) -> None: ...

    def result(self) -> Floats: ...


class _Total:
    """The sum, or the mean, of what is there."""

    def __init__(self, points: int, *, is_mean: bool) -> None:
        self._is_mean = is_mean
        self._total = np.zeros(points)
        self._counts = np.zeros(points)

    def add(self, values: Floats) -> None:
        is_there = ~np.isnan(values)
        self._total += np.where(is_there, values, 0.0)
        self._counts += is_there

    def result(self) -> Floats:
        divisor = self._counts if self._is_mean else np.ones(len(self._counts))
        found = np.full(len(self._total), np.nan)
        np.divide(self._total, divisor, out=found, where=self._counts > 0)
        return found


class _Extreme:
    def __init__(self, points: int, how: np.ufunc) -> None:
        self._how = how
        self._found = np.full(points, np.nan)

    def add(self, values: Floats) -> None:
        self._how(self._found, values, out=self._found)

    def result(self) -> Floats:
        return self._found


class _Quantile:
    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._rows: list[Floats] = []

    def add(self, values: Floats) -> None:
        self._rows.append(values)

    def result(self) -> Floats:
        with warnings.catch_warnings():
            # numpy warns of steps in which there is nothing; NaN is what is meant there.
            warnings.simplefilter("ignore", RuntimeWarning)
            found: Floats = np.nanquantile(np.stack(self._rows), self._quantile, axis=0)
        return found


class _Group:
    """The series of one metric and equal labels, as far as they came."""

    def __init__(self, first: ResultSeries, labels: Labels, query: RangeQuery) -> None:
        assert query.aggregation is not None
        self._metric, self._unit, self._labels = first.metric, first.unit, labels
        points = len(first.values)
        is_sum = query.aggregation is Aggregation.SUM
        self._values = _steps(query.aggregation, points, query.quantile)
        self._low = _steps(Aggregation.SUM if is_sum else Aggregation.MIN, points)
        self._high = _steps(Aggregation.SUM if is_sum else Aggregation.MAX, points)
        self._has_band = False

    def add(self, one: ResultSeries) -> None:
        self._values.add(one.values)
        if one.low is not None and one.high is not None:
            self._has_band = True
            self._low.add(one.low)
            self._high.add(one.high)

    def series(self) -> ResultSeries:
        return ResultSeries(
            metric=self._metric,
            unit=self._unit,
            labels=self._labels,
            values=self._values.result(),
            low=self._low.result() if self._has_band else None,
            high=self._high.result() if self._has_band else None,
        )


def _steps(aggregation: Aggregation, points: int, quantile: float | None = None) -> _Steps:
    if aggregation in (Aggregation.SUM, Aggregation.MEAN):
        return _Total(points, is_mean=aggregation is Aggregation.MEAN)
    if aggregation is Aggregation.QUANTILE:
        assert quantile is not None
        return _Quantile(quantile)
    return _Extreme(points, np.fmin if aggregation is Aggregation.MIN else np.fmax)


def _mean(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else -np.inf
