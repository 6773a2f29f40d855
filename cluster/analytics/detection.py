"""Anomalies of one series that lies before one: what was unusual, how sure that is, what cannot be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.analytics.anomalies import Anomaly, AnomalyKind, Method, Severity
from cluster.analytics.residuals import BACK_ROWS
from cluster.analytics.rows import Rows, to_rows
from cluster.analytics.scoring import HALF_SCORE, Scored, ScoreStream
from cluster.analytics.series import DAY_MS, Times, Values
from cluster.analytics.tails import ROWS_MIN
from cluster.analytics.watched import PLAIN, WATCHED, Watched, is_count

THRESHOLDS: dict[Method, tuple[float, float, float]] = {
    Method.CALIBRATED: (0.64, 0.69, 0.74),
    Method.ZSCORE: (0.64, 0.68, 0.74),
    Method.IQR: (0.66, 0.74, 0.86),
    Method.ISOLATION_FOREST: (0.60, 0.62, 0.64),
    Method.SEASONAL: (0.64, 0.69, 0.75),
}
"""Scores from which an anomaly is INFO, WARNING, CRITICAL: about one false one in 20, 50 and 200 series-days
of services, by every method; two to ten times as many where nothing is steady (benchmark anomaly-quality)."""
GOES_ON_MS = DAY_MS
_OF_TIME_OF_DAY = (Method.CALIBRATED, Method.SEASONAL)
_DOUBT_SHARE = 0.85
_DOUBT_DIVISOR = 9.0
"""1 - 10^(-(S - 0.85 S at INFO) / 9) is near the share of right anomalies among those of that sum of
surprises in the same benchmark: 0.3 at INFO, 0.6 at WARNING, 0.8 at CRITICAL."""
DEVIATION_MAX = 99.0
_Z_USUAL = 2.807
"""Of a normal, 199 of 200 lie within so many standard deviations."""
_IQR_TO_SD = 1.349
_GAPS_TOLD = 0.2
_TOGETHER = 64
"""So many series at once: what is in between takes a few hundred bytes a row of each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """What a series showed, row by row, float64[T] each, and its anomalies by time.

    `scores` are 0 to 1: what comes shortly after something as high is held back. `notes` are sentences on
    what could not be concluded. `is_growth`: rows are what was added.
    """

    method: Method
    row_ms: int
    times_ms: Times
    values: Values
    expected: Values
    scores: Values
    anomalies: tuple[Anomaly, ...] = ()
    notes: tuple[str, ...] = ()
    is_growth: bool = False


def detect(
    times_ms: Times,
    values: Values,
    *,
    now_ms: int,
    method: Method = Method.CALIBRATED,
    metric: str = "",
    since_ms: int = 0,
    row_ms: int | None = None,
) -> Detection:
    """Return the anomalies that began or went on since `since_ms` in samples int64[n] (epoch ms, any order
    and step) and float64[n] (NaN: not measured). What lies before is learned from; a row is judged by rows
    before it alone.

    `metric` names what is measured ("": anything), which says what difference is of no interest and whether a
    row is a sum. Nothing raises for what the numbers are.
    """
    watched = WATCHED.get(metric, PLAIN)
    rows = to_rows(times_ms, values, now_ms=now_ms, row_ms=row_ms, is_count=is_count(metric))
    judged_values = rows.values
    if watched.is_growth and len(judged_values):
        judged_values = np.diff(judged_values, prepend=np.nan)
    slots = slots_of(rows.row_ms, len(judged_values))
    notes = _notes(rows, slots, since_ms)
    if not len(judged_values):
        empty = np.empty(0)
        return Detection(
            method=method,
            row_ms=rows.row_ms,
            times_ms=np.empty(0, np.int64),
            values=empty,
            expected=empty,
            scores=empty,
            notes=notes,
            is_growth=watched.is_growth,
        )
    scored = stream_of(watched, slots, method).push(rows.first, judged_values[None])
    times = rows.times_ms()
    return Detection(
        method=method,
        row_ms=rows.row_ms,
        times_ms=times,
        values=judged_values,
        expected=scored.judged.expected[0],
        scores=scored.emitted[0],
        anomalies=anomalies_in(
            scored,
            0,
            values=judged_values,
            first_row=rows.first,
            row_ms=rows.row_ms,
            slots=slots,
            method=method,
            since_ms=since_ms,
        ),
        notes=notes,
        is_growth=watched.is_growth,
    )


def detect_many(
    series: Sequence[tuple[str, Rows]], *, method: Method = Method.CALIBRATED, since_ms: int = 0
) -> list[tuple[Anomaly, ...]]:
    """Return the anomalies of each of many series (metric, rows of one length), as `detect` does.

    Together they cost a fraction of what they do one by one.
    """
    found: list[tuple[Anomaly, ...]] = []
    for begin in range(0, len(series), _TOGETHER):
        found += _detect_together(series[begin : begin + _TOGETHER], method, since_ms)
    return found


def _detect_together(
    series: Sequence[tuple[str, Rows]], method: Method, since_ms: int
) -> list[tuple[Anomaly, ...]]:
    row_ms = series[0][1].row_ms
    assert all(rows.row_ms == row_ms for _, rows in series), "rows of one length"
    filled = [rows for _, rows in series if len(rows.values)]
    if not filled:
        return [() for _ in series]
    first = min(rows.first for rows in filled)
    end = max(rows.first + len(rows.values) for rows in filled)
    values = np.full((len(series), end - first), np.nan)
    watched = [WATCHED.get(metric, PLAIN) for metric, _ in series]
    for place, ((_, rows), how) in enumerate(zip(series, watched, strict=True)):
        own = np.diff(rows.values, prepend=np.nan) if how.is_growth else rows.values
        values[place, rows.first - first : rows.first - first + len(own)] = own
    slots = slots_of(row_ms, end - first)
    stream = ScoreStream(
        slots=slots,
        floors=np.array([how.floor for how in watched]),
        only_up=np.array([how.only_up for how in watched]),
        method=method,
    )
    scored = stream.push(first, values)
    return [
        anomalies_in(
            scored,
            place,
            values=values[place],
            first_row=first,
            row_ms=row_ms,
            slots=slots,
            method=method,
            since_ms=since_ms,
        )
        for place in range(len(series))
    ]


def slots_of(row_ms: int, rows: int) -> int:
    """Return how many rows a day has, 0 where days cannot be compared: a row a day, or less than one day."""
    slots = DAY_MS // row_ms
    return slots if 1 < slots <= rows else 0


def stream_of(watched: Watched, slots: int, method: Method) -> ScoreStream:
    """Return the stream of one series."""
    return ScoreStream(
        slots=slots,
        floors=np.array([watched.floor]),
        only_up=np.array([watched.only_up]),
        method=method,
    )


def learning_rows(slots: int) -> int:
    """How many rows must be known before more than INFO is said: two days, where days are compared."""
    return 2 * slots if slots else 2 * ROWS_MIN


def anomalies_in(
    scored: Scored,
    series: int,
    *,
    values: Values,
    first_row: int,
    row_ms: int,
    slots: int,
    method: Method,
    since_ms: int = 0,
) -> tuple[Anomaly, ...]:
    """Return the anomalies that begin in rows of one series, float64[T] `values`, by time, and end after
    `since_ms`."""
    info = THRESHOLDS[method][0]
    places = np.flatnonzero(scored.emitted[series] >= info)
    found: list[Anomaly] = []
    for place in places.tolist():
        at_ms = (first_row + place) * row_ms
        anomaly = _anomaly(
            scored,
            series,
            place,
            current=float(values[place]),
            at_ms=at_ms,
            row_ms=row_ms,
            is_learning=int(scored.rows_before[series, place]) < learning_rows(slots),
            method=method,
        )
        if found and at_ms < found[-1].until_ms:
            found[-1] = worse(found[-1], anomaly)
            continue
        rows = 1 + rows_it_goes_on(anomaly, scored, series, place + 1, method)
        found.append(replace(anomaly, until_ms=at_ms + rows * row_ms))
    return tuple(each for each in found if each.until_ms > since_ms)


def worse(anomaly: Anomaly, later: Anomaly) -> Anomaly:
    """Return an anomaly that became worse while it went on: one that `later` is of, too."""
    return replace(
        anomaly,
        severity=max(anomaly.severity, later.severity),
        score=max(anomaly.score, later.score),
        confidence=max(anomaly.confidence, later.confidence),
    )


def rows_it_goes_on(
    anomaly: Anomaly, scored: Scored, series: int, begin: int, method: Method = Method.CALIBRATED
) -> int:
    """Return how many rows from `begin` on are still unusual in the same way.

    What counts is what was usual when it began: the tails have learned the new way meanwhile. After
    `GOES_ON_MS` it is how things are now.

    A changed pattern shows in the mean of the last rows; anything else is over when its rows are, whatever
    means of hours still make of it.
    """
    off = anomaly.current - anomaly.expected
    typical = abs(off / anomaly.deviation) if anomaly.deviation else 0.0
    residuals = scored.judged.residuals[series, :, begin:]
    own = residuals[0 if method in _OF_TIME_OF_DAY else 2]
    if anomaly.kind is AnomalyKind.PATTERN_CHANGE:
        is_over = np.abs(residuals[1]) < typical
    else:
        is_over = np.sign(off) * own < _Z_USUAL * typical
    rows = int(np.argmax(is_over)) if is_over.any() else len(is_over)
    # From the row that it ends with, since the rows come in pieces.
    return min(rows, max(0, (anomaly.at_ms + GOES_ON_MS - anomaly.until_ms) // anomaly.row_ms))


def _anomaly(
    scored: Scored,
    series: int,
    place: int,
    *,
    current: float,
    at_ms: int,
    row_ms: int,
    is_learning: bool,
    method: Method,
) -> Anomaly:
    judged = scored.judged
    score = float(scored.emitted[series, place])
    by_residual = scored.by_residual[series, :, place]
    largest = int(np.argmax(np.abs(by_residual)))
    is_up = by_residual[largest] > 0
    if method is Method.CALIBRATED and largest in (1, 4):
        kind = AnomalyKind.PATTERN_CHANGE
    else:
        kind = AnomalyKind.SPIKE if is_up else AnomalyKind.DROP
    expected = float(judged.expected[series, place])
    typical = float(scored.usual[series, place]) / _Z_USUAL
    low, high = float(judged.low[series, place]), float(judged.high[series, place])
    if method not in _OF_TIME_OF_DAY:
        expected = float(judged.level[series, place])
        typical = float(judged.scale[series, place])
        low, high = (float(each) for each in judged.quartiles[series, :, place])
        if method is Method.IQR:
            typical = (high - low) / _IQR_TO_SD
    off = current - expected
    deviation = off / typical if typical > 0 else float(np.sign(off)) * DEVIATION_MAX
    evidence = _evidence(score) - _DOUBT_SHARE * _evidence(THRESHOLDS[method][0])
    confidence = 1.0 - float(10.0 ** (-evidence / _DOUBT_DIVISOR))
    severity = Severity(sum(score >= threshold for threshold in THRESHOLDS[method]))
    return Anomaly(
        kind=kind,
        severity=Severity.INFO if is_learning else severity,
        at_ms=at_ms,
        row_ms=row_ms,
        until_ms=at_ms + row_ms,
        current=current,
        expected=expected,
        low=low,
        high=high,
        deviation=max(-DEVIATION_MAX, min(DEVIATION_MAX, deviation)),
        score=score,
        confidence=confidence / 2 if is_learning else confidence,
    )


def _evidence(score: float) -> float:
    """The sum of surprises that gives a score."""
    return HALF_SCORE * score / (1.0 - score)


def _notes(rows: Rows, slots: int, since_ms: int) -> tuple[str, ...]:
    notes = []
    if rows.left_out:
        notes.append(
            f"{rows.left_out} samples could not be used: dated in the future, infinite or absurdly large"
        )
    if rows.too_old:
        notes.append(f"{rows.too_old} samples are older than what is looked at, and were left out")
    known = rows.known
    if not known:
        return (*notes, "nothing was measured in this time: nothing can be concluded")
    length = _length(rows.row_ms)
    before = rows.values[: max(0, -(-since_ms // rows.row_ms) - rows.first)] if since_ms else rows.values
    if known < ROWS_MIN:
        notes.append(
            f"only {known} of the {ROWS_MIN} rows of {length} are known that it takes to know what is usual:"
            " nothing can be concluded"
        )
    elif int(np.count_nonzero(~np.isnan(before))) < learning_rows(slots):
        notes.append(
            "little is known from before (two days are wanted): what happens every day is not known yet, and"
            " what was found is only for information"
            if slots
            else "too short to know what happens every day: each row is compared with the recent ones"
        )
    if float(np.nanmax(rows.values)) == float(np.nanmin(rows.values)):
        notes.append("it never changed: nothing was unusual, and how much it may vary is not known")
    missing = 1 - known / len(rows.values)
    if missing > _GAPS_TOLD:
        notes.append(f"{missing:.0%} of the time nothing was measured: what happened then is not known")
    if known >= ROWS_MIN and slots and known < BACK_ROWS and missing <= _GAPS_TOLD:
        notes.append(f"{known} rows of {length} are known: how often the rarest happens is an estimate")
    return tuple(notes)


def _length(row_ms: int) -> str:
    for unit, size in (("days", DAY_MS), ("hours", 3_600_000), ("minutes", 60_000)):
        if row_ms % size == 0:
            return f"{row_ms // size} {unit if row_ms > size else unit[:-1]}"
    return f"{row_ms // 1000} seconds"
