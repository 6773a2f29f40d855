"""How surprising a residual is, by the series' own past: minus the decimal logarithm of how rarely as much is
exceeded.

A threshold in standard deviations is wrong for series that are bursty, which most are. What one exceeds once
in 400 rows is known from the series itself; beyond it, how far the excesses reach is taken to be exponential
(peaks over threshold; Pickands, "Statistical inference using extreme order statistics", 1975, with shape 0).
"""

from __future__ import annotations

import math

import numpy as np

from cluster.analytics.residuals import REFRESH_ROWS
from cluster.analytics.series import Values

SHARE = 0.0025
"""Of each side, so that 1 of 200 rows has any surprise."""
BLOCKS = 6
BLOCK_ROWS = 840
"""The past is `BLOCKS` x `BLOCK_ROWS` rows, 17 days of five minutes; the oldest block is forgotten whole."""
KEPT = 8
"""Of each block the largest are kept: a long fault is in the tail with so many rows of each block only."""
PRIOR_WEIGHT = 4.0
PRIOR_SHARE = 6.0
"""The mean excess begins as the threshold / 6, the exponential's own at that share, as if seen four times."""
SURPRISE_MAX = 50.0
ROWS_MIN = 100
"""Below so many rows of a series nothing surprises."""
_BASE = 2.0


class TailStream:
    """Residuals without sign of `series` series, `kinds` of each.

    The state of a series is `kinds` x `BLOCKS` x `KEPT` float32 and a few numbers.
    """

    def __init__(self, series: int, kinds: int) -> None:
        self.kinds = kinds
        self.tops = np.zeros((series, kinds, BLOCKS, KEPT), np.float32)
        self.counts = np.zeros((series, BLOCKS), np.int64)
        self.threshold = np.zeros((series, kinds))
        self.excess = np.zeros((series, kinds))
        self.block = np.full(series, -1, np.int64)
        self.is_known = np.zeros(series, np.bool_)

    def push(
        self,
        first_row: int,
        residuals: Values,
        known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
        floors: Values,
    ) -> tuple[Values, Values]:
        """Return the surprise float64[S, K, T] of residuals float64[S, K, T] >= 0, at rows as of the stream
        of residuals, 0 for what is usual; and float64[S, K, T] what is exceeded in `SHARE` of the rows.

        `floors` float64[S, K]: what is smaller is of no interest, whatever is usual.
        """
        out = np.zeros(residuals.shape)
        usual = np.zeros(residuals.shape)
        done = 0
        while done < residuals.shape[2]:
            row = first_row + done
            size = min(REFRESH_ROWS - row % REFRESH_ROWS, residuals.shape[2] - done)
            if row % REFRESH_ROWS == 0:
                self._turn(row // BLOCK_ROWS)
                self._fit()
            span = slice(done, done + size)
            threshold = np.maximum(self.threshold, floors)
            usual[:, :, span] = threshold[:, :, None]
            out[:, :, span] = self._surprise(residuals[:, :, span], threshold, floors)
            self._learn(row // BLOCK_ROWS, residuals[:, :, span], known[:, span])
            done += size
        return out, usual

    def _turn(self, block: int) -> None:
        """Forget blocks that are too old, also those of a gap."""
        for back in range(BLOCKS):
            stale = self.block < block - back
            if not stale.any():
                break
            place = (block - back) % BLOCKS
            self.tops[stale, :, place] = 0
            self.counts[stale, place] = 0
        self.block[:] = np.maximum(self.block, block)

    def _fit(self) -> None:
        series = len(self.counts)
        total = self.counts.sum(axis=1)
        self.is_known = total >= ROWS_MIN
        # Not -1: without series nothing says how long the last axis is.
        tops = self.tops.reshape(series, self.kinds, math.prod(self.tops.shape[2:]))
        largest = -np.sort(-tops, axis=2).astype(np.float64)
        rank = np.minimum((SHARE * total).astype(np.int64), largest.shape[2] - 1)
        at = np.broadcast_to(rank[:, None, None], (series, self.kinds, 1))
        self.threshold = np.take_along_axis(largest, at, axis=2)[:, :, 0]
        over = np.maximum(largest - self.threshold[:, :, None], 0.0)
        exceeding = np.count_nonzero(over, axis=2)
        prior = PRIOR_WEIGHT * self.threshold / PRIOR_SHARE
        self.excess = (over.sum(axis=2) + prior) / (exceeding + PRIOR_WEIGHT)

    def _surprise(self, residuals: Values, threshold: Values, floors: Values) -> Values:
        excess = np.maximum(np.maximum(self.excess, 1e-3 * threshold), 0.2 * floors)
        excess = np.maximum(excess, 1e-300)
        with np.errstate(over="ignore"):
            found = _BASE + (residuals - threshold[:, :, None]) / (excess[:, :, None] * math.log(10.0))
        found = np.where(residuals > threshold[:, :, None], np.minimum(found, SURPRISE_MAX), 0.0)
        found[~self.is_known] = 0.0
        return found

    def _learn(
        self, block: int, residuals: Values, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    ) -> None:
        if (self.block < block).any():
            self._turn(block)
        place = block % BLOCKS
        seen = np.where(known[:, None, :], residuals, 0.0).astype(np.float32)
        both = np.concatenate((self.tops[:, :, place], seen), axis=2)
        self.tops[:, :, place] = np.sort(both, axis=2)[:, :, -KEPT:]
        self.counts[:, place] += np.count_nonzero(known, axis=1)

    # ---- what is kept over restarts ------------------------------------------------------------

    ARRAYS = ("tops", "counts", "threshold", "excess", "block", "is_known")

    def select(self, places: np.ndarray[tuple[int, ...], np.dtype[np.int64]], new: int) -> None:
        """Keep the series at `places`, in that order, and begin `new` more behind them."""
        fresh = TailStream(new, self.kinds)
        for name in self.ARRAYS:
            setattr(self, name, np.concatenate((getattr(self, name)[places], getattr(fresh, name))))
