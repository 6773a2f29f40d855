"""The last minutes of many series, in one array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.collect.samples import SampleBatch

HOST = "host"
"""The subject of the host's own series; a container's subject is its id."""


class Metric(StrEnum):
    """What is kept live. Names end in the unit."""

    CPU_PERCENT = "cpu_percent"
    THROTTLED_PERCENT = "throttled_percent"
    MEMORY_BYTES = "memory_bytes"
    MEMORY_LIMIT_BYTES = "memory_limit_bytes"
    RX_BYTES_PER_S = "rx_bytes_per_s"
    TX_BYTES_PER_S = "tx_bytes_per_s"
    READ_BYTES_PER_S = "read_bytes_per_s"
    WRITE_BYTES_PER_S = "write_bytes_per_s"
    PIDS = "pids"
    LOAD_1 = "load_1"


class SeriesKey(NamedTuple):
    """Which series: a metric of a subject (`HOST`, or a container's id)."""

    subject: str
    metric: Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesValues:
    """Several series over the same moments.

    `times_ms` is (n_slots,) int64, epoch milliseconds, oldest first; `values` is
    (n_series, n_slots) float32, NaN = no sample, rows in the order of `keys`.
    """

    keys: tuple[SeriesKey, ...]
    times_ms: NDArray[np.int64]
    values: NDArray[np.float32]


class LiveWindow:
    """A ring of `n_slots` slots of `slot_s` seconds for any number of series.

    One (n_series, n_slots) float32 array: 60 slots of 10 s for the last ten minutes take 240 bytes
    a series. A series that had no sample for the whole window is forgotten. Not thread-safe: one
    thread writes and reads.
    """

    def __init__(self, *, slot_s: int, n_slots: int, series_min: int = 64) -> None:
        self.slot_ms = slot_s * 1000
        self.n_slots = n_slots
        self._values = np.full((series_min, n_slots), np.nan, dtype=np.float32)
        self._last_slot = np.zeros(series_min, dtype=np.int64)
        self._rows: dict[SeriesKey, int] = {}
        self._free = list(range(series_min - 1, -1, -1))
        self._head: int | None = None
        self._version = 0

    @property
    def version(self) -> int:
        """Grows with everything that is put in."""
        return self._version

    @property
    def span_ms(self) -> int:
        """How much time the window holds."""
        return self.slot_ms * self.n_slots

    @property
    def newest_ms(self) -> int | None:
        """The beginning of the newest slot; None while empty."""
        return None if self._head is None else self._head * self.slot_ms

    def keys(self) -> tuple[SeriesKey, ...]:
        """Return every series with a sample in the window, sorted."""
        return tuple(sorted(self._rows))

    def put(self, at_ms: int, samples: Mapping[SeriesKey, float]) -> None:
        """Store the samples of one moment in its slot. The last one of a slot stands.

        The newest moment is the present: when the clock was set back, what lies after is dropped.
        """
        slot = at_ms // self.slot_ms
        self._version += 1
        self._advance(slot)
        column = slot % self.n_slots
        for key, value in samples.items():
            row = self._row(key)
            self._values[row, column] = value
            self._last_slot[row] = slot

    def read(self, keys: Iterable[SeriesKey] | None = None, *, newest: int | None = None) -> SeriesValues:
        """Return a copy of the given series, or of all; one without samples is all NaN.

        `newest`: only of so many slots.
        """
        chosen = self.keys() if keys is None else tuple(keys)
        n_slots = self.n_slots if newest is None else min(newest, self.n_slots)
        values = np.full((len(chosen), n_slots), np.nan, dtype=np.float32)
        head = self._head if self._head is not None else self.n_slots - 1
        order = np.arange(head - n_slots + 1, head + 1, dtype=np.int64)
        for index, key in enumerate(chosen):
            row = self._rows.get(key)
            if row is not None:
                values[index] = self._values[row, order % self.n_slots]
        return SeriesValues(keys=chosen, times_ms=order * self.slot_ms, values=values)

    def latest(self, key: SeriesKey) -> float | None:
        """Return the newest sample of a series in the window."""
        row = self._rows.get(key)
        if row is None:
            return None
        value = float(self._values[row, self._last_slot[row] % self.n_slots])
        return None if np.isnan(value) else value

    def _advance(self, slot: int) -> None:
        head = self._head
        self._head = slot
        if head is None or abs(slot - head) >= self.n_slots:
            self._clear()
        elif slot > head:
            self._values[:, np.arange(head + 1, slot + 1) % self.n_slots] = np.nan
            self._forget_silent(slot)
        elif slot < head:
            self._values[:, np.arange(slot + 1, head + 1) % self.n_slots] = np.nan
            np.minimum(self._last_slot, slot, out=self._last_slot)

    def _clear(self) -> None:
        self._values[:] = np.nan
        self._rows.clear()
        self._free = list(range(len(self._values) - 1, -1, -1))

    def _forget_silent(self, head: int) -> None:
        oldest = head - self.n_slots
        silent = [key for key, row in self._rows.items() if self._last_slot[row] <= oldest]
        for key in silent:
            self._free.append(self._rows.pop(key))

    def _row(self, key: SeriesKey) -> int:
        row = self._rows.get(key)
        if row is None:
            if not self._free:
                self._grow()
            row = self._rows[key] = self._free.pop()
            self._values[row] = np.nan
            self._last_slot[row] = 0
        return row

    def _grow(self) -> None:
        size = len(self._values)
        self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
        self._last_slot = np.concatenate([self._last_slot, np.zeros_like(self._last_slot)])
        self._free = list(range(2 * size - 1, size - 1, -1))


def window_samples(batch: SampleBatch) -> dict[SeriesKey, float]:
    """Return the batch as samples of a live window; what was not measured is left out."""
    reading = batch.host.reading
    samples: dict[SeriesKey, float | None] = {
        SeriesKey(HOST, Metric.CPU_PERCENT): batch.host.cpu_percent,
        SeriesKey(HOST, Metric.MEMORY_BYTES): batch.host.memory_used_bytes,
        SeriesKey(HOST, Metric.MEMORY_LIMIT_BYTES): reading.memory_total_bytes,
        SeriesKey(HOST, Metric.RX_BYTES_PER_S): batch.host.rx_bytes_per_s,
        SeriesKey(HOST, Metric.TX_BYTES_PER_S): batch.host.tx_bytes_per_s,
        SeriesKey(HOST, Metric.LOAD_1): reading.load_1,
    }
    for container_id, sample in batch.containers.items():
        usage = sample.usage
        for metric, value in (
            (Metric.CPU_PERCENT, sample.cpu_percent),
            (Metric.THROTTLED_PERCENT, sample.throttled_percent),
            (Metric.MEMORY_BYTES, usage.memory_bytes),
            (Metric.MEMORY_LIMIT_BYTES, usage.memory_limit_bytes),
            (Metric.RX_BYTES_PER_S, sample.rx_bytes_per_s),
            (Metric.TX_BYTES_PER_S, sample.tx_bytes_per_s),
            (Metric.READ_BYTES_PER_S, sample.read_bytes_per_s),
            (Metric.WRITE_BYTES_PER_S, sample.write_bytes_per_s),
            (Metric.PIDS, usage.pids),
        ):
            samples[SeriesKey(container_id, metric)] = value
    return {key: float(value) for key, value in samples.items() if value is not None}
