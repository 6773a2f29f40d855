"""All series of a cluster under watch: what is unusual, row by row, as it happens.

The same rows give the same findings on every node, whether they come one by one or a day at once.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.analytics.anomalies import Anomaly, Finding, Method
from cluster.analytics.detection import THRESHOLDS, anomalies_in, learning_rows, rows_it_goes_on, worse
from cluster.analytics.lineage import Key, Line
from cluster.analytics.residuals import ResidualStream
from cluster.analytics.rows import ROW_MS
from cluster.analytics.scoring import Scored, ScoreStream
from cluster.analytics.series import DAY_MS, Values
from cluster.analytics.tails import TailStream
from cluster.analytics.watched import PLAIN, WATCHED
from cluster.encoding import EncodingError, codec, pack, unpack

SLOTS = DAY_MS // ROW_MS
SERIES_MAX = 2000
"""One takes some 10 KB."""
FINDINGS_MAX = 10_000
KEPT_ROWS = 7 * SLOTS
"""Findings are kept so long, and series of which nothing comes any more."""
BYTES_MAX = 64 * 1024 * 1024
_FORMAT = 1
_FINDING = codec(Finding)
_INFO = THRESHOLDS[Method.CALIBRATED][0]


class WatchDamaged(ValueError):
    """Bytes that are no watch of this version; the text says why."""


@dataclass(slots=True)
class _Told:
    """What was told of a series; it changes while it goes on."""

    key: Key
    finding: Finding


class SeriesWatch:
    """The watch. `next_row` is the row that is expected next, -1 before the first."""

    def __init__(self) -> None:
        self.next_row = -1
        self.left_out = 0
        self._keys: list[Key] = []
        self._places: dict[Key, int] = {}
        self._stream = _new_stream(np.empty(0), np.empty(0, np.bool_))
        self._previous = np.empty(0)
        self._seen = np.empty(0, np.int64)
        self._told: deque[_Told] = deque(maxlen=FINDINGS_MAX)

    @property
    def series(self) -> int:
        return len(self._keys)

    @property
    def rows_known(self) -> int:
        """How many rows of the series of which most is known are known."""
        return int(self._stream.rows_known.max(initial=0))

    @property
    def is_learning(self) -> bool:
        return self.rows_known < learning_rows(SLOTS)

    def findings(self, since_ms: int) -> tuple[Finding, ...]:
        """Return what began or went on since then, by time."""
        return tuple(told.finding for told in self._told if told.finding.anomaly.until_ms > since_ms)

    def push(self, first_row: int, lines: Sequence[Line], rows: int) -> tuple[Finding, ...]:
        """Judge `rows` rows of five minutes from `first_row` on, and return what is new.

        Rows that were pushed are not looked at again. Lines of unknown metrics, and those beyond SERIES_MAX,
        are left out and counted.
        """
        skipped = max(0, self.next_row - first_row)
        if skipped >= rows:
            return ()
        first_row, rows = first_row + skipped, rows - skipped
        lines = [line for line in lines if line.metric in WATCHED]
        self._admit(lines)
        values = np.full((self.series, rows), np.nan)
        of_line: dict[int, Line] = {}
        for line in lines:
            place = self._places.get(line.key)
            if place is not None:
                values[place] = line.values[skipped:]
                of_line[place] = line
        self._note_seen(first_row, values)
        values = self._grown(values, has_gap=first_row != self.next_row)
        scored = self._stream.push(first_row, values)
        self._go_on(first_row, scored)
        new: list[_Told] = []
        last = {told.key: told for told in self._told}
        for place in np.flatnonzero((scored.emitted >= _INFO).any(axis=1)).tolist():
            if place not in of_line:
                continue
            line = of_line[place]
            for anomaly in anomalies_in(
                scored,
                place,
                values=values[place],
                first_row=first_row,
                row_ms=ROW_MS,
                slots=SLOTS,
                method=Method.CALIBRATED,
            ):
                before = last.get(line.key)
                if before is not None and anomaly.at_ms < before.finding.anomaly.until_ms:
                    before.finding = replace(before.finding, anomaly=worse(before.finding.anomaly, anomaly))
                else:
                    new.append(_Told(line.key, _finding(line, anomaly)))
        new.sort(key=lambda told: (told.finding.anomaly.at_ms, told.key))
        self._told.extend(new)
        self.next_row = first_row + rows
        self._forget()
        return tuple(told.finding for told in new)

    def begin_at(self, row: int) -> None:
        """Begin with that row, which nothing may have been pushed before."""
        assert not self._keys, "a watch that has begun"
        self.next_row = row

    # ---- which series -------------------------------------------------------------------------

    def _admit(self, lines: Sequence[Line]) -> None:
        unknown = sorted(
            (line for line in lines if line.key not in self._places),
            # Hosts before containers, and of those the youngest, where there is no room for all.
            key=lambda line: (line.subject.definition.kind, -line.subject.number, line.key),
        )
        room = SERIES_MAX - self.series
        admitted = unknown[:room]
        self.left_out = len(unknown) - len(admitted)
        if admitted:
            self._select(np.arange(self.series), [line.key for line in admitted])

    def _select(self, places: NDArray[np.int64], new: Sequence[Key]) -> None:
        watched = [WATCHED.get(key[3], PLAIN) for key in new]
        self._stream.select(
            places,
            np.array([how.floor for how in watched], np.float64),
            np.array([how.only_up for how in watched], np.bool_),
        )
        self._keys = [self._keys[place] for place in places.tolist()] + list(new)
        self._places = {key: place for place, key in enumerate(self._keys)}
        self._previous = np.concatenate((self._previous[places], np.full(len(new), np.nan)))
        self._seen = np.concatenate((self._seen[places], np.full(len(new), -1, np.int64)))

    def _note_seen(self, first_row: int, values: Values) -> None:
        known = ~np.isnan(values)
        last = values.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
        self._seen = np.where(known.any(axis=1), first_row + last, self._seen)

    def _grown(self, values: Values, *, has_gap: bool) -> Values:
        """Return the values, and of what is judged by its growth that since the row before."""
        if has_gap:
            self._previous[:] = np.nan
        growing = np.array([WATCHED[key[3]].is_growth for key in self._keys], np.bool_)
        before = np.concatenate((self._previous[:, None], values[:, :-1]), axis=1)
        self._previous = values[:, -1].copy()
        return np.where(growing[:, None], values - before, values)

    def _forget(self) -> None:
        oldest = self.next_row - KEPT_ROWS
        while self._told and self._told[0].finding.anomaly.at_ms < oldest * ROW_MS:
            self._told.popleft()
        kept = np.flatnonzero(self._seen >= oldest)
        if len(kept) < self.series:
            self._select(kept, ())

    def _go_on(self, first_row: int, scored: Scored) -> None:
        """Prolong what was told last of each series while its rows stay as unusual."""
        start_ms = first_row * ROW_MS
        for told in self._told:
            at = self._places.get(told.key)
            if told.finding.anomaly.until_ms != start_ms or at is None:
                continue
            rows = rows_it_goes_on(told.finding.anomaly, scored, at, 0)
            if rows:
                anomaly = replace(told.finding.anomaly, until_ms=start_ms + rows * ROW_MS)
                told.finding = replace(told.finding, anomaly=anomaly)

    # ---- over restarts ------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return all of it, for `from_bytes`."""
        arrays = {
            name: (str(array.dtype), list(array.shape), array.tobytes())
            for name, array in sorted(self._arrays().items())
        }
        told = [[list(each.key), _FINDING.to_array(each.finding)] for each in self._told]
        body = pack([_FORMAT, self.next_row, [list(key) for key in self._keys], arrays, told])
        return zlib.crc32(body).to_bytes(4, "big") + body

    @classmethod
    def from_bytes(cls, data: bytes) -> SeriesWatch:
        """Return the watch that gave these bytes. Raises WatchDamaged."""
        if int.from_bytes(data[:4], "big") != zlib.crc32(data[4:]):
            raise WatchDamaged("its checksum is wrong")
        try:
            version, next_row, keys, arrays, told = unpack(data[4:], max_bytes=BYTES_MAX)
            if version != _FORMAT:
                raise WatchDamaged(f"it is of format {version}, and this version reads {_FORMAT}")
            watch = cls()
            watch._select(np.empty(0, np.int64), [_key(key) for key in keys])
            watch._restore({name: _array(*parts) for name, parts in arrays.items()})
            watch.next_row = watch._stream.next_row = watch._stream.residuals.next_row = int(next_row)
            watch._told.extend(_Told(_key(key), _FINDING.from_array(finding)) for key, finding in told)
        except (EncodingError, TypeError, KeyError, ValueError) as error:
            raise WatchDamaged(f"it cannot be read: {error}") from error
        return watch

    def _arrays(self) -> dict[str, NDArray[Any]]:
        parts: tuple[tuple[str, object, tuple[str, ...]], ...] = self._parts()
        return {f"{part}.{name}": getattr(owner, name) for part, owner, names in parts for name in names}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        for part, owner, names in self._parts():
            for name in names:
                array, present = arrays[f"{part}.{name}"], getattr(owner, name)
                if array.shape != present.shape or array.dtype != present.dtype:
                    raise WatchDamaged(f"{part}.{name} is {array.dtype}{array.shape}, not {present.shape}")
                setattr(owner, name, array)

    def _parts(self) -> tuple[tuple[str, object, tuple[str, ...]], ...]:
        return (
            ("watch", self, ("_previous", "_seen")),
            ("scores", self._stream, ScoreStream.ARRAYS),
            ("residuals", self._stream.residuals, ResidualStream.ARRAYS),
            ("tails", self._stream.tails, TailStream.ARRAYS),
        )


def _new_stream(floors: Values, only_up: NDArray[np.bool_]) -> ScoreStream:
    return ScoreStream(slots=SLOTS, floors=floors, only_up=only_up)


def _finding(line: Line, anomaly: Anomaly) -> Finding:
    definition = line.subject.definition
    return Finding(
        subject=line.subject.number,
        subject_kind=definition.kind,
        node_id=definition.node_id,
        name=definition.name,
        metric=line.metric,
        anomaly=anomaly,
        service=definition.label("service"),
    )


def _key(parts: Any) -> Key:
    node_id, kind, name, metric = parts
    return str(node_id), int(kind), str(name), str(metric)


def _array(dtype: str, shape: Sequence[int], data: bytes) -> NDArray[Any]:
    return np.frombuffer(data, np.dtype(dtype)).reshape(tuple(shape)).copy()
