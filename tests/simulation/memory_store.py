"""A store in memory for the simulation, with the crash model of the one on disk.

It passes tests/contract/test_store_contract.py like `LmdbStore`. What a power cut may take, as LMDB with
`metasync=False`: everything not flushed, always; the last flush, perhaps, unless `sync` came after it.
"""

from __future__ import annotations

import bisect
import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.encoding import EncodingError, pack, unpack
from cluster.store import ReadTxn, SnapshotCorrupt, SnapshotSink, SnapshotSource, StoreFull
from cluster.store.batched import (
    APPLIED_KEY,
    SCHEMA_KEY,
    BatchedStore,
    Rows,
    decode_applied,
    new_store_rows,
    scan_range,
)
from cluster.store.tables import SCHEMA_VERSION, Table

Data = dict[bytes, bytes]


class MemoryStore(BatchedStore):
    """`full = True` makes the next flushes raise StoreFull, as a full disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self._data: Data = dict(new_store_rows())
        self._keys = sorted(self._data)
        self._undo: list[tuple[bytes, bytes | None]] = []
        self._readers = 0
        self._snapshot: MemorySnapshot | None = None
        self.load()

    def crash(self, rng: random.Random) -> None:
        """Lose what a power cut at this moment loses, and open again."""
        if self._undo and rng.random() < 0.5:
            self._put_rows(self._undo)
        self._undo = []
        self._snapshot = None
        self._subscribers.clear()
        self.load()

    def stored(self, full_key: bytes) -> bytes | None:
        return self._data.get(full_key)

    def stored_range(self, low: bytes, high: bytes, limit: int | None, reverse: bool) -> Rows:
        return _range(self._data, self._keys, low, high, limit, reverse)

    def write(self, rows: list[tuple[bytes, bytes | None]]) -> None:
        if self.full:
            raise StoreFull("no room: the test says so")
        if self._readers:
            self._data, self._keys = dict(self._data), list(self._keys)
        self._undo = [(key, self._data.get(key)) for key, _ in rows]
        self._put_rows(rows)

    def sync(self) -> int:
        self._undo = []
        return self.flushed_index

    @contextmanager
    def read(self) -> Iterator[ReadTxn]:
        self._readers += 1
        try:
            yield _View(self._data, self._keys)
        finally:
            self._readers -= 1

    def prepare_snapshot(self) -> None:
        if self._snapshot is None:
            flushed = self._flushed
            data = pack([[key, self._data[key]] for key in self._keys])
            self._snapshot = MemorySnapshot(flushed.index, flushed.term, data)

    def take_snapshot(self) -> SnapshotSource | None:
        snapshot, self._snapshot = self._snapshot, None
        return snapshot

    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink:
        return _Sink(self, index, term, size)

    def close(self) -> None:
        self.discard()

    def install(self, rows: dict[bytes, bytes]) -> None:
        self._data, self._keys, self._undo = rows, sorted(rows), []
        self.load()
        self.tell_everything_changed()

    def _put_rows(self, rows: list[tuple[bytes, bytes | None]]) -> None:
        data, keys = self._data, self._keys
        for key, value in rows:
            if value is None:
                if data.pop(key, None) is not None:
                    del keys[bisect.bisect_left(keys, key)]
            else:
                if key not in data:
                    bisect.insort(keys, key)
                data[key] = value


class MemorySnapshot:
    def __init__(self, index: int, term: int, data: bytes) -> None:
        self.index, self.term, self.size, self.sha256 = index, term, len(data), hashlib.sha256(data).digest()
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def close(self) -> None:
        pass


class _Sink:
    def __init__(self, store: MemoryStore, index: int, term: int, size: int) -> None:
        self._store, self._index, self._term, self._size = store, index, term, size
        self._data = bytearray()

    def write(self, offset: int, data: bytes) -> None:
        if offset != len(self._data) or offset + len(data) > self._size:
            raise SnapshotCorrupt(
                f"snapshot {self._index}: {len(data)} bytes at {offset} do not continue at {len(self._data)}"
                f" of {self._size}"
            )
        self._data += data

    def finish(self, sha256: bytes) -> None:
        data = bytes(self._data)
        if len(data) != self._size or hashlib.sha256(data).digest() != sha256:
            raise SnapshotCorrupt(f"snapshot {self._index}: its SHA-256 differs from the sender's")
        try:
            rows = {key: value for key, value in unpack(data, max_bytes=len(data))}
            schema = unpack(rows[SCHEMA_KEY])
            applied = decode_applied(rows.get(APPLIED_KEY))
        except (EncodingError, ValueError, TypeError, KeyError) as error:
            raise SnapshotCorrupt(f"snapshot {self._index}: {error}") from error
        if schema != SCHEMA_VERSION or (applied.index, applied.term) != (self._index, self._term):
            raise SnapshotCorrupt(f"snapshot {self._index}: it holds index {applied.index}, schema {schema}")
        self._store.install(rows)

    def abort(self) -> None:
        self._data.clear()


class _View:
    def __init__(self, data: Data, keys: list[bytes]) -> None:
        self._data, self._keys = data, keys
        applied = decode_applied(data.get(APPLIED_KEY))
        self.applied_index, self.log_time_ms = applied.index, applied.log_time_ms

    def get(self, table: Table, key: bytes) -> bytes | None:
        return self._data.get(table.prefix + key)

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Rows:
        low, high = scan_range(table, prefix, after, reverse)
        return [(key[1:], value) for key, value in _range(self._data, self._keys, low, high, limit, reverse)]


def _range(data: Data, keys: list[bytes], low: bytes, high: bytes, limit: int | None, reverse: bool) -> Rows:
    start, stop = bisect.bisect_left(keys, low), bisect.bisect_left(keys, high)
    found = keys[start:stop]
    if reverse:
        found.reverse()
    return [(key, data[key]) for key in (found if limit is None else found[:limit])]
