"""The open batch: what every store does the same way, whatever it keeps its tables in.

Entries are applied into dictionaries and written by `flush` in one transaction. So a failed entry, a full
disk and a crash all leave the tables at a whole number of entries, and one commit pays for many.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import blake2b

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

_READ_MAX = 1024


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
        self.log_time_ms = store.log_time_ms
        self.is_hashed = True
        self.writes: Writes = {}
        self.unhashed: Writes = {}

    @property
    def applied_index(self) -> int:
        return self._store.applied_index

    def get(self, table: Table, key: bytes) -> bytes | None:
        full = table.prefix + key
        writes = self.writes if table.is_hashed else self.unhashed
        return writes[full] if full in writes else self._store.get_in_batch(full)

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
        self.batch: dict[int, Writes] = {}
        """The open batch's changes, by table number."""
        # Read from the tables since the last flush: the next entry of a batch mostly asks for it again.
        self._read: Writes = {}
        self._flushed = NOTHING_APPLIED
        self.applied_index = self.applied_term = self.log_time_ms = 0
        self._state_hash = b""
        self._newest_checkpoint: tuple[int, bytes | None] | None = None
        self._take_up(NOTHING_APPLIED)
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
    def applied(self) -> Applied:
        return Applied(self.applied_index, self.applied_term, self.log_time_ms, self._state_hash)

    @property
    def flushed_index(self) -> int:
        return self._flushed.index

    def begin(self) -> EntryTxn:
        return EntryTxn(self)

    def commit(self, txn: WriteTxn, index: int, term: int, outcome: bytes) -> None:
        assert isinstance(txn, EntryTxn)
        # A gap would be a lost entry. The first entry a store sees may have any index.
        assert index == self.applied_index + 1 or self.applied_index == 0, (
            f"entry {index} after {self.applied_index}"
        )
        writes, log_time_ms = txn.writes, txn.log_time_ms
        if txn.is_hashed:
            hashed = [self._state_hash, index, term, log_time_ms, outcome, sorted(writes.items())]
        else:
            hashed = [self._state_hash, index, term]
        self._state_hash = state_hash = blake2b(pack(hashed), digest_size=32).digest()
        self.applied_index, self.applied_term, self.log_time_ms = index, term, log_time_ms
        batch = self.batch
        for part in (writes, txn.unhashed):
            for key, value in part.items():
                number = key[0]
                if number in batch:
                    batch[number][key] = value
                else:
                    batch[number] = {key: value}
        if index % CHECKPOINT_EVERY == 0:
            batch.setdefault(CHECKPOINTS.number, {})[_checkpoint_key(index)] = pack([index, state_hash])

    def set_members(self, index: int, term: int, members: bytes) -> None:
        txn = self.begin()
        txn.writes[MEMBERS_KEY] = members
        self.commit(txn, index, term, b"")

    def members(self) -> bytes:
        return self.get_in_batch(MEMBERS_KEY) or b""

    def get_in_batch(self, full_key: bytes) -> bytes | None:
        """Return a record as the next entry finds it."""
        number = full_key[0]
        if number in self.batch and full_key in self.batch[number]:
            return self.batch[number][full_key]
        if full_key in self._read:
            return self._read[full_key]
        if len(self._read) >= _READ_MAX:
            self._read.clear()
        value = self._read[full_key] = self.stored(full_key)
        return value

    def batch_range(self, table_number: int, low: bytes, high: bytes) -> Writes:
        """Return a copy of the open batch's changes in [low, high)."""
        table = self.batch.get(table_number)
        return {} if not table else {key: value for key, value in table.items() if low <= key < high}

    def flush(self) -> None:
        if self.applied_index == self._flushed.index:
            return
        applied = self.applied
        self.batch.setdefault(META.number, {})[APPLIED_KEY] = encode_applied(applied)
        tables = [table for _, table in sorted(self.batch.items())]
        # Keys alone are sorted, table by table: comparing rows costs twice as much.
        self.write([(key, table[key]) for table in tables for key in sorted(table)])
        batch, self.batch = self.batch, {}
        self._read = {}
        self._flushed = applied
        if self._subscribers:
            self._tell(_committed(applied.index, batch))

    def discard(self) -> None:
        self.batch = {}
        self._take_up(self._flushed)

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def checkpoint(self) -> tuple[int, bytes] | None:
        index = self.applied_index // CHECKPOINT_EVERY * CHECKPOINT_EVERY
        newest = self._newest_checkpoint
        if newest is None or newest[0] != index:
            # Every message to a peer carries it, so it is not read anew each time.
            newest = self._newest_checkpoint = (index, self.checkpoint_at(index))
        _, found = newest
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
        self.batch = {}
        self._flushed = decode_applied(self.stored(APPLIED_KEY))
        self._take_up(self._flushed)

    def _take_up(self, applied: Applied) -> None:
        # Apart, and not as one value: they change with every entry, and are looked at together rarely.
        self.applied_index = applied.index
        self.applied_term = applied.term
        self.log_time_ms = applied.log_time_ms
        self._read = {}
        self._state_hash = applied.state_hash
        self._newest_checkpoint = None

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
