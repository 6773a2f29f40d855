"""The open batch: what every store does the same way, whatever it keeps its tables in.

Entries are applied into dictionaries and written by `flush` in one transaction. So a failed entry, a full
disk and a crash all leave the tables at a whole number of entries, and one commit pays for many.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager

from cluster.encoding import pack, unpack
from cluster.store.protocol import (
    CHANGES_MAX,
    Applied,
    Committed,
    ReadTxn,
    SnapshotSink,
    SnapshotSource,
    WriteTxn,
)
from cluster.store.tables import BY_NUMBER, CHECKPOINTS, KEY_BYTES_MAX, META, SCHEMA_VERSION, Table

CHECKPOINT_EVERY = 64
CHECKPOINTS_KEPT = 64

APPLIED_KEY = META.prefix + b"applied"
MEMBERS_KEY = META.prefix + b"members"
SCHEMA_KEY = META.prefix + b"schema"

NOTHING_APPLIED = Applied(0, 0, 0, bytes(32))

Writes = dict[bytes, bytes | None]
"""Full key (table byte first) -> value, or None for a deletion."""

Rows = list[tuple[bytes, bytes]]

# Told apart by identity: a value of its own type keeps the lookups below typed.
_ABSENT = bytes(bytearray(b"absent"))


def encode_applied(applied: Applied) -> bytes:
    return pack([applied.index, applied.term, applied.log_time_ms, applied.state_hash])


def decode_applied(data: bytes | None) -> Applied:
    """Return what `encode_applied` wrote; a store without it has applied nothing."""
    return NOTHING_APPLIED if data is None else Applied(*unpack(data))


def range_end(prefix: bytes) -> bytes:
    """Return the smallest key above every key that starts with `prefix` (its first byte is below 255)."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes((stem[-1] + 1,))


def scan_range(table: Table, prefix: bytes, after: bytes | None, reverse: bool) -> tuple[bytes, bytes]:
    """Return [low, high) of the full keys a scan covers."""
    low = table.prefix + prefix
    high = range_end(low)
    if after is not None:
        past = table.prefix + after
        if reverse:
            high = min(high, past)
        else:
            low = max(low, past + b"\x00")
    return low, high


class EntryTxn:
    """The changes of one entry over the open batch. See `WriteTxn`."""

    __slots__ = ("_store", "is_hashed", "log_time_ms", "unhashed", "writes")

    def __init__(self, store: BatchedStore) -> None:
        self._store = store
        self.log_time_ms = store.applied.log_time_ms
        self.is_hashed = True
        self.writes: Writes = {}
        self.unhashed: Writes = {}

    @property
    def applied_index(self) -> int:
        return self._store.applied.index

    def get(self, table: Table, key: bytes) -> bytes | None:
        full = table.prefix + key
        value = (self.writes if table.is_hashed else self.unhashed).get(full, _ABSENT)
        if value is _ABSENT:
            return self._store.get_in_batch(full)
        return value

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        assert type(value) is bytes
        if len(key) > KEY_BYTES_MAX:
            raise ValueError(f"{table.name}: a key of {len(key)} bytes is over the {KEY_BYTES_MAX} allowed")
        (self.writes if table.is_hashed else self.unhashed)[table.prefix + key] = value

    def delete(self, table: Table, key: bytes) -> None:
        (self.writes if table.is_hashed else self.unhashed)[table.prefix + key] = None

    def discard_writes(self) -> None:
        self.writes.clear()
        self.unhashed.clear()

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
        changes = self._store.batch_range(table.number, low, high)
        writes = self.writes if table.is_hashed else self.unhashed
        changes.update((key, value) for key, value in writes.items() if low <= key < high)
        # Every change may hide one stored row, so that many more are read.
        rows = dict(
            self._store.stored_range(low, high, None if limit is None else limit + len(changes), reverse)
        )
        for key, value in changes.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        ordered = sorted(rows.items(), reverse=reverse)
        return [(key[1:], value) for key, value in (ordered if limit is None else ordered[:limit])]


class BatchedStore(ABC):
    """A `Store` but for where the tables are. Subclasses keep full keys in order and write batches
    atomically."""

    def __init__(self) -> None:
        self._batch: dict[int, Writes] = {}
        self._flushed = NOTHING_APPLIED
        self.applied = NOTHING_APPLIED
        self._subscribers: list[Callable[[Committed], None]] = []

    # What a subclass provides. `stored` is what is flushed, as the writing thread sees it.

    @abstractmethod
    def stored(self, full_key: bytes) -> bytes | None: ...
    @abstractmethod
    def stored_range(self, low: bytes, high: bytes, limit: int | None, reverse: bool) -> Rows:
        """Return the rows of [low, high), in the direction asked for, at most `limit`."""
        ...

    @abstractmethod
    def write(self, rows: list[tuple[bytes, bytes | None]]) -> None:
        """Write all rows (sorted by key; None deletes) or none. Raises StoreFull or StoreFailed."""
        ...

    @abstractmethod
    def sync(self) -> int: ...
    @abstractmethod
    def read(self) -> AbstractContextManager[ReadTxn]: ...
    @abstractmethod
    def prepare_snapshot(self) -> None: ...
    @abstractmethod
    def take_snapshot(self) -> SnapshotSource | None: ...
    @abstractmethod
    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink: ...
    @abstractmethod
    def close(self) -> None: ...

    # The batch.

    @property
    def flushed_index(self) -> int:
        return self._flushed.index

    def begin(self) -> EntryTxn:
        return EntryTxn(self)

    def commit(self, txn: WriteTxn, index: int, term: int, outcome: bytes) -> None:
        assert isinstance(txn, EntryTxn)
        previous = self.applied
        # A gap would be a lost entry. The first entry a store sees may have any index.
        assert index == previous.index + 1 or previous.index == 0, f"entry {index} after {previous.index}"
        writes = txn.writes
        if txn.is_hashed:
            hashed = [
                previous.state_hash,
                index,
                term,
                txn.log_time_ms,
                outcome,
                sorted(writes.items()),
            ]
        else:
            hashed = [previous.state_hash, index, term]
        state_hash = hashlib.blake2b(pack(hashed), digest_size=32).digest()
        batch = self._batch
        for part in (writes, txn.unhashed):
            for key, value in part.items():
                table = batch.get(key[0])
                if table is None:
                    table = batch[key[0]] = {}
                table[key] = value
        self.applied = Applied(index, term, txn.log_time_ms, state_hash)
        if index % CHECKPOINT_EVERY == 0:
            self._batch.setdefault(CHECKPOINTS.number, {})[_checkpoint_key(index)] = pack([index, state_hash])

    def set_members(self, index: int, term: int, members: bytes) -> None:
        txn = self.begin()
        txn.writes[MEMBERS_KEY] = members
        self.commit(txn, index, term, b"")

    def members(self) -> bytes:
        return self.get_in_batch(MEMBERS_KEY) or b""

    def get_in_batch(self, full_key: bytes) -> bytes | None:
        """Return a record as the next entry finds it."""
        table = self._batch.get(full_key[0])
        if table is not None:
            value = table.get(full_key, _ABSENT)
            if value is not _ABSENT:
                return value
        return self.stored(full_key)

    def batch_range(self, table_number: int, low: bytes, high: bytes) -> Writes:
        """Return a copy of the open batch's changes in [low, high)."""
        table = self._batch.get(table_number)
        return {} if not table else {key: value for key, value in table.items() if low <= key < high}

    def flush(self) -> None:
        applied = self.applied
        if applied is self._flushed:
            return
        rows = [row for table in self._batch.values() for row in table.items()]
        rows.append((APPLIED_KEY, encode_applied(applied)))
        rows.sort()
        self.write(rows)
        batch, self._batch = self._batch, {}
        self._flushed = applied
        if self._subscribers:
            self._tell(_committed(applied.index, batch))

    def discard(self) -> None:
        self._batch = {}
        self.applied = self._flushed

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def checkpoint(self) -> tuple[int, bytes] | None:
        index = self.applied.index // CHECKPOINT_EVERY * CHECKPOINT_EVERY
        found = self.checkpoint_at(index)
        return None if found is None else (index, found)

    def checkpoint_at(self, index: int) -> bytes | None:
        if index % CHECKPOINT_EVERY:
            return None
        data = self.get_in_batch(_checkpoint_key(index))
        if data is None:
            return None
        kept_index, state_hash = unpack(data)
        return state_hash if kept_index == index else None

    # For subclasses.

    def load(self) -> None:
        """Take up the state `stored` shows: at opening, and after a snapshot took its place."""
        self._batch = {}
        self._flushed = self.applied = decode_applied(self.stored(APPLIED_KEY))

    def tell_everything_changed(self) -> None:
        self._tell(Committed(self._flushed.index, frozenset(), is_everything=True))

    def _tell(self, committed: Committed) -> None:
        for callback in tuple(self._subscribers):
            callback(committed)


def new_store_rows() -> Rows:
    """Return what a new, empty store holds."""
    return [(SCHEMA_KEY, pack(SCHEMA_VERSION))]


def _checkpoint_key(index: int) -> bytes:
    return CHECKPOINTS.prefix + bytes((index // CHECKPOINT_EVERY % CHECKPOINTS_KEPT,))


def _committed(index: int, batch: dict[int, Writes]) -> Committed:
    watched = [number for number in batch if BY_NUMBER[number].is_watched]
    if sum(len(batch[number]) for number in watched) > CHANGES_MAX:
        return Committed(index, frozenset(), is_everything=True)
    return Committed(
        index, frozenset((BY_NUMBER[number].name, key[1:]) for number in watched for key in batch[number])
    )
