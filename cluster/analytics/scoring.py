"""From values to scores, row by row: residuals, their surprise, and one alert for each incident.

score = S / (S + 5), S the sum of the surprises; what comes shortly after something as high is held back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.anomalies import Method
from cluster.analytics.isolation import IsolationForest
from cluster.analytics.residuals import RESIDUALS, Judged, ResidualStream
from cluster.analytics.series import Values
from cluster.analytics.tails import TailStream

HALF_SCORE = 5.0
DECAY = 0.99
"""Of what a row must exceed after an alert: after 69 rows it is half."""
RAISE = 1.2
QUIET = 0.2
"""What is held back is shown at a fifth of its score."""
OF_ROW = (0, 2)
"""The residuals that are of a row itself: its time of day's and the level's."""
ROW_BEFORE = 3
_FOREST_EVERY = 288
_FOREST_ROWS = 2016
_FOREST_TREES = 64

_WEIGHTS: dict[Method, tuple[float, ...]] = {
    # The row before's counts half: it repeats what the others say, and noise has most of it.
    Method.CALIBRATED: (1.0, 1.0, 1.0, 0.5, 1.0),
    Method.ZSCORE: (3.0,),
    Method.IQR: (3.0,),
    Method.SEASONAL: (3.0,),
    Method.ISOLATION_FOREST: (3.0,),
}
_FLOORS: dict[Method, tuple[float, ...]] = {
    Method.CALIBRATED: (1.0, 0.5, 1.0, 1.0, 1.0),
    Method.ZSCORE: (0.0,),
    Method.IQR: (0.0,),
    Method.SEASONAL: (1.0,),
    Method.ISOLATION_FOREST: (0.0,),
}


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Of S series and T rows: `score` is each row's own, `emitted` what is left of it when what goes on is
    told once. `by_residual` float64[S, K, T] is the signed surprise of each residual, `usual` float64[S, T]
    how far the first goes in 199 of 200 rows, `rows_before` how many rows were known before each.
    """

    judged: Judged
    score: Values
    emitted: Values
    by_residual: Values
    usual: Values
    rows_before: NDArray[np.int64]


class ScoreStream:
    """The scores of `series` series by one method. State and work of a series are bounded.

    `floors` float64[S] is what difference is of no interest, in the unit of the series; `only_up` bool[S]
    tells series of which less is no bad sign.
    """

    def __init__(
        self,
        *,
        slots: int,
        floors: Values,
        only_up: NDArray[np.bool_],
        method: Method = Method.CALIBRATED,
    ) -> None:
        series = len(floors)
        self.method = method
        self.floors = np.asarray(floors, np.float64)
        self.only_up = np.asarray(only_up, np.bool_)
        self.residuals = ResidualStream(series, slots)
        self.tails = TailStream(series, 2 * len(_WEIGHTS[method]))
        self.held = np.zeros(series)
        self.rows_known = np.zeros(series, np.int64)
        self.next_row = -1
        self._forests = (
            [_ForestResidual() for _ in range(series)] if method is Method.ISOLATION_FOREST else []
        )

    @property
    def series(self) -> int:
        return len(self.floors)

    def push(self, first_row: int, values: Values) -> Scored:
        """Score float64[S, T] of the rows from `first_row` on, NaN where a row is not known.

        Rows left out since the last push count as not known.
        """
        if self.next_row >= 0 and first_row > self.next_row:
            gap = min(first_row - self.next_row, self.residuals.length)
            self._push(first_row - gap, np.full((self.series, gap), np.nan))
        return self._push(first_row, values)

    def _push(self, first_row: int, values: Values) -> Scored:
        self.next_row = first_row + values.shape[1]
        judged = self.residuals.push(first_row, values)
        chosen = self._chosen(judged)
        up, down = np.maximum(chosen, 0.0), np.maximum(-chosen, 0.0)
        down[self.only_up] = 0.0
        both = np.concatenate((up, down), axis=1)
        kinds = chosen.shape[1]
        factors = np.tile(np.asarray(_FLOORS[self.method]), 2)
        floors = self.floors[:, None] * factors
        surprise, usual = self.tails.push(first_row, both, judged.known, floors)
        weights = np.asarray(_WEIGHTS[self.method])[None, :, None]
        above, below = surprise[:, :kinds], surprise[:, kinds:]
        by_residual = np.where(above >= below, above, -below) * weights
        if self.method is Method.CALIBRATED:
            # A jump from what was unusual back to the usual is none.
            is_usual = ~by_residual[:, OF_ROW].any(axis=1)
            by_residual[:, ROW_BEFORE][is_usual] = 0.0
        total = np.abs(by_residual).sum(axis=1)
        score = total / (total + HALF_SCORE)
        emitted = self._once(score)
        known = np.cumsum(judged.known, axis=1)
        rows_before = self.rows_known[:, None] + known - judged.known
        self.rows_known += known[:, -1] if known.shape[1] else 0
        return Scored(
            judged=judged,
            score=score,
            emitted=emitted,
            by_residual=by_residual,
            usual=np.maximum(usual[:, 0], usual[:, kinds]),
            rows_before=rows_before,
        )

    def _chosen(self, judged: Judged) -> Values:
        if self.method is Method.CALIBRATED:
            return judged.residuals
        if self.method is Method.SEASONAL:
            return judged.residuals[:, :1]
        off = judged.residuals[:, 2:3]
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.method is Method.ZSCORE:
                found = off / judged.scale[:, None]
            elif self.method is Method.IQR:
                low, high = judged.quartiles[:, 0], judged.quartiles[:, 1]
                fence = 1.5 * (high - low)
                value = off[:, 0] + judged.level
                above = np.maximum(value - high - fence, 0.0)
                below = np.maximum(low - fence - value, 0.0)
                found = ((above - below) / (high - low))[:, None]
            else:
                found = np.stack(
                    [
                        forest.push(residuals, known)
                        for forest, residuals, known in zip(
                            self._forests, judged.residuals, judged.known, strict=True
                        )
                    ]
                )[:, None]
        # Where nothing varied, any difference is beyond all measure.
        found = np.nan_to_num(found, nan=0.0, posinf=1e30, neginf=-1e30)
        return np.asarray(found * judged.known[:, None], np.float64)

    def _once(self, score: Values) -> Values:
        emitted = np.empty_like(score)
        held = self.held
        for place in range(score.shape[1]):
            now = score[:, place]
            held = held * DECAY
            is_more = now > held
            emitted[:, place] = np.where(is_more, now, QUIET * now)
            held = np.where(is_more, RAISE * now, held)
        self.held = held
        return emitted

    # ---- what is kept over restarts ------------------------------------------------------------

    ARRAYS = ("floors", "only_up", "held", "rows_known")

    def select(self, places: NDArray[np.int64], floors: Values, only_up: NDArray[np.bool_]) -> None:
        """Keep the series at `places`, in that order, and begin more behind them with these floors."""
        new = len(floors)
        self.floors = np.concatenate((self.floors[places], floors))
        self.only_up = np.concatenate((self.only_up[places], only_up))
        self.held = np.concatenate((self.held[places], np.zeros(new)))
        self.rows_known = np.concatenate((self.rows_known[places], np.zeros(new, np.int64)))
        self.residuals.select(places, new)
        self.tails.select(places, new)


class _ForestResidual:
    """One series' isolation score, of its residuals, by a forest of the last week grown anew every day.

    Signed as the residual of the time of day is.
    """

    def __init__(self) -> None:
        self._past = np.empty((0, RESIDUALS))
        self._forest: IsolationForest | None = None
        self._since = 0
        self._grown = 0

    def push(self, residuals: Values, known: NDArray[np.bool_]) -> Values:
        out = np.zeros(residuals.shape[1])
        done = 0
        while done < residuals.shape[1]:
            size = min(_FOREST_EVERY - self._since, residuals.shape[1] - done)
            span = slice(done, done + size)
            rows = residuals[:, span].T
            seen = known[span]
            if self._forest is not None and seen.any():
                found = np.zeros(size)
                found[seen] = self._forest.score(rows[seen])
                out[span] = np.where(rows[:, 0] >= 0, found, -found)
            self._past = np.concatenate((self._past, rows[seen]))[-_FOREST_ROWS:]
            self._since += size
            done += size
            if self._since == _FOREST_EVERY:
                self._since = 0
                if len(self._past) >= _FOREST_EVERY // 2:
                    self._grown += 1
                    self._forest = IsolationForest.grow(self._past, trees=_FOREST_TREES, seed=self._grown)
        return out
