"""How far each row is from what the rows before it lead to expect, in several ways at once.

For many series together, as a stream: a row is judged by rows before it alone, in whatever pieces they come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cluster.analytics.series import Values

DAYS = 7
BACK_ROWS = 500
SHORT_ROWS = 6
LONG_ROWS = 36
REFRESH_ROWS = 24
"""The level and the tails are taken anew so often: at rows whose number is a multiple of it, so that the same
rows give the same answer however they are cut."""
RESIDUALS = 5
"""Of one row: the time of day's (0), the mean of the last `SHORT_ROWS` of them (1), the level's (2), the row
before's (3), the mean of the last `LONG_ROWS` of the first (4)."""
_EMPTY = np.float32(np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Of S series and T rows: residuals float64[S, RESIDUALS, T], signed, 0 where a row is not known, and
    float64[S, T] what was expected and between what the values of the same time of other days (or, where
    none is known, 90 of 100 of the recent rows) lay. `scale` float64[S, T] is 1.4826 MAD of the recent rows
    and `quartiles` float64[S, 2, T] theirs.
    """

    residuals: Values
    expected: Values
    low: Values
    high: Values
    level: Values
    scale: Values
    quartiles: Values
    known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


class ResidualStream:
    """The rows of `series` series, each `slots` to a day (0: no day is looked for).

    What is kept of a series is bounded: a week of rows, or `BACK_ROWS` where that is longer. Values are kept
    as float32 beside the first one seen, which a series of bytes does not notice.
    """

    def __init__(self, series: int, slots: int) -> None:
        self.slots = slots
        self.next_row = -1
        self.length = max(DAYS * slots, BACK_ROWS)
        self.ring = np.full((series, self.length), _EMPTY)
        self.origin = np.full(series, np.nan)
        self.deviations = np.zeros((series, LONG_ROWS - 1))
        self.last = np.full(series, np.nan)
        self.summary = np.full((series, 6), np.nan)

    def push(self, first_row: int, values: Values) -> Judged:
        """Judge float64[S, T], of the rows from `first_row` on: row r begins r rows after the epoch.

        A row once pushed is past: pushing it again is a programmer's error.
        """
        assert first_row >= self.next_row, (first_row, self.next_row)
        new = np.isnan(self.origin) & np.isfinite(values).any(axis=1)
        if new.any():
            first = np.argmax(np.isfinite(values[new]), axis=1)
            self.origin[new] = values[new, first]
        parts = []
        done = 0
        while done < values.shape[1]:
            row = first_row + done
            size = min(REFRESH_ROWS - row % REFRESH_ROWS, values.shape[1] - done)
            if row % REFRESH_ROWS == 0:
                self._summarize(row)
            parts.append(self._judge(row, values[:, done : done + size]))
            done += size
        self.next_row = first_row + values.shape[1]
        return _joined(parts)

    def _summarize(self, row: int) -> None:
        back = np.arange(row - BACK_ROWS, row) % self.length
        recent = np.sort(self.ring[:, back].astype(np.float64), axis=1)
        for place, q in enumerate((0.5, 0.05, 0.95, 0.25, 0.75)):
            self.summary[:, place] = _sorted_quantile(recent, q)
        off = np.sort(np.abs(recent - self.summary[:, :1]), axis=1)
        self.summary[:, 5] = 1.4826 * _sorted_quantile(off, 0.5)

    def _judge(self, row: int, values: Values) -> Judged:
        count = values.shape[1]
        v = (values - self.origin[:, None]).astype(np.float32).astype(np.float64)
        v[~(np.abs(v) < 1e30)] = np.nan
        known = ~np.isnan(v)
        rows = np.arange(row, row + count)
        level = np.repeat(self.summary[:, :1], count, axis=1)
        low = np.repeat(self.summary[:, 1:2], count, axis=1)
        high = np.repeat(self.summary[:, 2:3], count, axis=1)
        expected = level
        if self.slots:
            at = (rows[None, :] - self.slots * np.arange(1, DAYS + 1)[:, None]) % self.length
            past = np.sort(self.ring[:, at].astype(np.float64), axis=1)
            days = np.count_nonzero(~np.isnan(past), axis=1)
            middle = _sorted_quantile(past, 0.5, axis=1)
            expected = np.where(days > 0, middle, level)
            last = np.take_along_axis(past, np.maximum(days - 1, 0)[:, None, :], axis=1)[:, 0]
            low = np.where(days > 1, past[:, 0], low)
            high = np.where(days > 1, last, high)
        self.ring[:, rows % self.length] = v
        deviation = np.nan_to_num(v - expected, nan=0.0)
        extended = np.concatenate((self.deviations, deviation), axis=1)
        self.deviations = extended[:, -(LONG_ROWS - 1) :]
        before = np.concatenate((self.last[:, None], v[:, :-1]), axis=1)
        self.last = v[:, -1].copy()
        residuals = np.stack(
            (
                deviation,
                _moving_mean(extended, SHORT_ROWS, count),
                np.nan_to_num(v - level, nan=0.0),
                np.nan_to_num(v - before, nan=0.0),
                _moving_mean(extended, LONG_ROWS, count),
            ),
            axis=1,
        )
        residuals *= known[:, None, :]
        origin = self.origin[:, None]
        return Judged(
            residuals=residuals,
            expected=expected + origin,
            low=low + origin,
            high=high + origin,
            level=level + origin,
            scale=np.repeat(self.summary[:, 5:6], count, axis=1),
            quartiles=np.repeat(self.summary[:, 3:5, None] + origin[:, None], count, axis=2),
            known=known,
        )

    # ---- what is kept over restarts ------------------------------------------------------------

    ARRAYS = ("ring", "origin", "deviations", "last", "summary")

    def select(self, places: np.ndarray[tuple[int, ...], np.dtype[np.int64]], new: int) -> None:
        """Keep the series at `places`, in that order, and begin `new` more behind them."""
        fresh = ResidualStream(new, self.slots)
        for name in self.ARRAYS:
            setattr(self, name, np.concatenate((getattr(self, name)[places], getattr(fresh, name))))


def _moving_mean(extended: Values, rows: int, count: int) -> Values:
    """Mean of the last `rows` at each of the last `count` places; always added up in the same order."""
    end = extended.shape[1]
    total = np.zeros((extended.shape[0], count))
    for back in range(rows):
        total += extended[:, end - count - back : end - back]
    return total / rows


def _sorted_quantile(ordered: Values, q: float, axis: int = -1) -> Values:
    """A quantile of what is sorted along `axis` with NaN behind, by linear interpolation; NaN of nothing."""
    moved = np.moveaxis(ordered, axis, -1)
    known = np.count_nonzero(~np.isnan(moved), axis=-1)
    place = np.maximum(known - 1, 0) * q
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(known - 1, 0))
    at_below = np.take_along_axis(moved, below[..., None], axis=-1)[..., 0]
    at_above = np.take_along_axis(moved, above[..., None], axis=-1)[..., 0]
    return np.asarray(at_below + (at_above - at_below) * (place - below), np.float64)


def _joined(parts: list[Judged]) -> Judged:
    if len(parts) == 1:
        return parts[0]
    return Judged(
        *(np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in Judged.__slots__)
    )
