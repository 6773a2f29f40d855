"""Hours that are not sealed, kept as grids so that not every question decodes an hour of batches."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.encoding import EncodingError, codec
from cluster.history.damage import Damage
from cluster.history.layout import PENDING, Tables, pending_key, second_of
from cluster.metrics.block import BlockDamaged, decode_block
from cluster.metrics.chunk import Series
from cluster.metrics.grid import HOUR_MS, HourGrid
from cluster.model.metrics import CommittedBatch

KEPT_BYTES = 16 * 1024**2
BATCH = codec(CommittedBatch)

log = logging.getLogger(__name__)


def grid_of(tables: Tables, hour: int, damage: Damage) -> HourGrid:
    """Return all samples that lie in `pending` of one hour."""
    grid = HourGrid(hour * HOUR_MS)
    for key, value in tables.rows(PENDING, pending_key(hour, 0), pending_key(hour + 1, 0)):
        _add(grid, key, value, damage)
    return grid


def _add(grid: HourGrid, key: bytes, value: bytes, damage: Damage) -> None:
    try:
        batch = BATCH.decode(value)
        block = decode_block(batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks)
    except (EncodingError, BlockDamaged) as error:
        damage.note(PENDING, key, grid.start_ms, grid.start_ms + HOUR_MS, str(error))
        return
    grid.add(block, batch.subjects)


@dataclass(slots=True)
class _Kept:
    grid: HourGrid
    indexes: list[int] = field(default_factory=list)


class OpenHours:
    """The grids of hours that were asked for lately, for any thread; the oldest asked for are let go."""

    def __init__(self, damage: Damage, *, bytes_max: int = KEPT_BYTES) -> None:
        self._damage = damage
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._hours: OrderedDict[int, _Kept] = OrderedDict()

    def series(self, tables: Tables, hour: int, name: int) -> Series | None:
        """Return a series (`series_name`) of what is pending of `hour`, None where there is none."""
        with self._lock:
            grid = self._grid(tables, hour)
            row = grid.row(name)
            if row is None:
                return None
            return Series(
                values=grid.values[row].copy(), present=grid.present[row].copy(), step_s=int(grid.step_s[row])
            )

    def names(self, tables: Tables, hour: int) -> Sequence[int]:
        """Return which series have something pending of `hour`, in order."""
        with self._lock:
            names: list[int] = self._grid(tables, hour).names.tolist()
            return names

    def _grid(self, tables: Tables, hour: int) -> HourGrid:
        keys = list(tables.keys(PENDING, pending_key(hour, 0), pending_key(hour + 1, 0)))
        indexes = [second_of(key) for key in keys]
        kept = self._hours.pop(hour, None)
        # Only what was added since is read, unless something came in between or the hour was sealed.
        if kept is None or indexes[: len(kept.indexes)] != kept.indexes:
            kept = _Kept(HourGrid(hour * HOUR_MS))
        for key, index in zip(keys[len(kept.indexes) :], indexes[len(kept.indexes) :], strict=True):
            value = tables.get(PENDING, key)
            if value is not None:
                _add(kept.grid, key, value, self._damage)
            kept.indexes.append(index)
        self._hours[hour] = kept
        while len(self._hours) > 1 and sum(each.grid.size_bytes for each in self._hours.values()) > (
            self._bytes_max
        ):
            self._hours.popitem(last=False)
        return kept.grid
