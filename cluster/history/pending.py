"""Batches as they came, of hours that are not sealed: which there are, and what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.encoding import EncodingError, codec
from cluster.history.damage import Damage
from cluster.history.layout import PENDING, Tables, pending_key, time_of
from cluster.metrics.block import BlockDamaged, decode_block
from cluster.metrics.grid import HOUR_MS, HourGrid
from cluster.model.metrics import CommittedBatch

BATCH = codec(CommittedBatch)

Subjects = frozenset[int]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a batch without its samples. One that cannot be read is of nothing."""

    key: bytes
    source: str = ""
    start_ms: int = 0
    end_ms: int = 0
    subjects: Subjects = frozenset()


def pending_keys(tables: Tables, hour: int) -> list[bytes]:
    """Return the keys of an hour's batches, in the order of the log."""
    return list(tables.keys(PENDING, pending_key(hour, 0), pending_key(hour + 1, 0)))


def entries_of(tables: Tables, keys: Iterable[bytes], damage: Damage) -> list[Entry]:
    """Return what the batches under `keys` are of, in the same order."""
    found = []
    alike: dict[Subjects, Subjects] = {}
    for key in keys:
        batch = _batch(tables, key, damage)
        if batch is None:
            found.append(Entry(key))
            continue
        subjects = frozenset(batch.subjects)
        # Nearly all batches of a source are of the same subjects.
        subjects = alike.setdefault(subjects, subjects)
        found.append(Entry(key, batch.source, batch.start_ms, batch.end_ms, subjects))
    return found


def apart(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return the entries in groups that have no subject in common, each in the order given.

    What is done to one group leaves the others what they were: which of two batches of one moment counts is
    a matter of their order, and only within a group.
    """
    groups: list[tuple[set[int], list[int]]] = []
    places: dict[Subjects, list[int]] = {}
    for place, entry in enumerate(entries):
        places.setdefault(entry.subjects, []).append(place)
    for subjects, held in places.items():
        whole, members = set(subjects), list(held)
        others = []
        for group in groups:
            if group[0].isdisjoint(whole):
                others.append(group)
            else:
                whole |= group[0]
                members += group[1]
        groups = [*others, (whole, members)]
    return [[entries[place] for place in sorted(members)] for _, members in groups]


def add_batch(
    tables: Tables, grid: HourGrid, key: bytes, damage: Damage, *, names: NDArray[np.int64] | None = None
) -> int:
    """Put the batch under `key` into the grid, of the series `names` alone where they are given.

    Returns how many cells the batch has. One that cannot be read is passed over and noted.
    """
    batch = _batch(tables, key, damage)
    if batch is None:
        return 0
    try:
        block = decode_block(batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks)
    except BlockDamaged as error:
        _note(damage, key, str(error))
        return 0
    grid.add(block, batch.subjects, names=names)
    return block.rows * block.ticks


def _batch(tables: Tables, key: bytes, damage: Damage) -> CommittedBatch | None:
    value = tables.get(PENDING, key)
    if value is None:
        return None
    try:
        return BATCH.decode(value)
    except EncodingError as error:
        _note(damage, key, str(error))
        return None


def _note(damage: Damage, key: bytes, reason: str) -> None:
    start_ms = time_of(key) * HOUR_MS
    damage.note(PENDING, key, start_ms, start_ms + HOUR_MS, reason)
