"""Series of an answer made into fewer: groups of equal labels become one, and only the largest stay."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.metrics.query import Aggregation, RangeQuery, ResultSeries

Floats = NDArray[np.float64]


def combined(series: Sequence[ResultSeries], query: RangeQuery) -> tuple[ResultSeries, ...]:
    """Return one series for each metric and group of the query's labels; all of them where it has no
    aggregation.

    A step has a value where any series of the group has one. The band of a sum is the sum of the bands, which
    is as far as the sum may have gone; of all else it is from the least to the greatest of the group.
    """
    if query.aggregation is None:
        return tuple(series)
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[ResultSeries]] = {}
    for one in series:
        held = {**dict(one.labels), "metric": one.metric}
        labels = tuple((label, held.get(label, "")) for label in query.group_by)
        groups.setdefault((one.metric, labels), []).append(one)
    return tuple(
        _as_one(members, labels, query.aggregation, query.quantile) for (_, labels), members in groups.items()
    )


def largest(series: Sequence[ResultSeries], top: int) -> tuple[ResultSeries, ...]:
    """Return the `top` series of the largest mean over the range, largest first; those without a value are
    the smallest."""
    means = [_mean(one.values) for one in series]
    order = sorted(range(len(series)), key=lambda place: (-means[place], place))
    return tuple(series[place] for place in order[:top])


def _mean(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else -np.inf


def _as_one(
    members: Sequence[ResultSeries],
    labels: tuple[tuple[str, str], ...],
    aggregation: Aggregation,
    quantile: float | None,
) -> ResultSeries:
    is_sum = aggregation is Aggregation.SUM
    low = [one.low for one in members if one.low is not None]
    high = [one.high for one in members if one.high is not None]
    return ResultSeries(
        metric=members[0].metric,
        unit=members[0].unit,
        labels=labels,
        values=_reduced([one.values for one in members], aggregation, quantile),
        low=_reduced(low, aggregation if is_sum else Aggregation.MIN, None) if low else None,
        high=_reduced(high, aggregation if is_sum else Aggregation.MAX, None) if high else None,
    )


def _reduced(rows: Sequence[Floats], aggregation: Aggregation, quantile: float | None) -> Floats:
    stacked = np.stack(rows)
    has_any = ~np.isnan(stacked).all(axis=0)
    with warnings.catch_warnings():
        # numpy warns of steps in which there is nothing; NaN is what is meant there.
        warnings.simplefilter("ignore", RuntimeWarning)
        if aggregation is Aggregation.SUM:
            found = np.nansum(stacked, axis=0)
        elif aggregation is Aggregation.MEAN:
            found = np.nanmean(stacked, axis=0)
        elif aggregation is Aggregation.MIN:
            found = np.nanmin(stacked, axis=0)
        elif aggregation is Aggregation.MAX:
            found = np.nanmax(stacked, axis=0)
        else:
            assert quantile is not None
            found = np.nanquantile(stacked, quantile, axis=0)
    whole: Floats = np.where(has_any, found, np.nan)
    return whole
