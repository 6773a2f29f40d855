"""What readers, the state machine and the Raft layer may ask of a store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cluster.store.tables import Table

CHANGES_MAX = 4096
"""Most changes one `Committed` lists; beyond it, it says that everything may have changed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How far the state has come: one entry's index and term, the log's time, and the hash of all before
    it."""

    index: int
    term: int
    log_time_ms: int
    state_hash: bytes


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch that readers now see.

    `changed` holds (table name, key) of every changed record of a watched table; when `is_everything`, it is
    empty and any record may have changed (a snapshot was installed, or the list was longer than CHANGES_MAX).
    """

    index: int
    changed: frozenset[tuple[str, bytes]]
    is_everything: bool = False


class ReadTxn(Protocol):
    """One consistent view of the state."""

    @property
    def applied_index(self) -> int: ...
    @property
    def log_time_ms(self) -> int:
        """Time of the newest applied command, Unix epoch milliseconds; never goes back."""
        ...

    def get(self, table: Table, key: bytes) -> bytes | None: ...

    def scan(
        self,
        table: Table,
        prefix: bytes = b"",
        *,
        after: bytes | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """Return (key, value) of the keys that start with `prefix`, in order, at most `limit`.

        `after` continues a scan past that key, in the direction of the scan.
        """
        ...


class WriteTxn(ReadTxn, Protocol):
    """The changes of one log entry: seen by its own reads, kept or dropped as one."""

    log_time_ms: int
    is_hashed: bool
    """Whether the outcome and the changes go into the state hash; not for what another node may skip."""

    def put(self, table: Table, key: bytes, value: bytes) -> None: ...
    def delete(self, table: Table, key: bytes) -> None: ...
    def discard_writes(self) -> None:
        """Forget every put and delete so far."""
        ...


class SnapshotSource(Protocol):
    """A finished snapshot, read in pieces from any thread."""

    @property
    def index(self) -> int: ...
    @property
    def term(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> bytes: ...
    def read(self, offset: int, length: int) -> bytes: ...
    def close(self) -> None: ...


class SnapshotSink(Protocol):
    """A snapshot on its way in. Nothing of the present state changes before `finish` returns."""

    def write(self, offset: int, data: bytes) -> None:
        """Append `data` at `offset`, which is where the last write ended.

        Raises SnapshotCorrupt when it is not or exceeds the size, StoreFull without room.
        """
        ...

    def finish(self, sha256: bytes) -> None:
        """Verify, make durable, and take the place of the present state, all or nothing.

        An open batch is dropped. Raises SnapshotCorrupt or StoreFull with the present state untouched.
        """
        ...

    def abort(self) -> None:
        """Give up; harmless after `finish` or another `abort`."""
        ...


class Store(Protocol):
    """The replicated state of one node. One thread writes (`begin` to `flush`, snapshots); any thread may
    `read`."""

    @property
    def applied(self) -> Applied:
        """The newest applied entry, the open batch included."""
        ...

    @property
    def applied_index(self) -> int:
        """`applied.index`, for those who ask after every entry."""
        ...

    @property
    def applied_term(self) -> int: ...
    @property
    def flushed_index(self) -> int:
        """The newest entry readers see."""
        ...

    def begin(self) -> WriteTxn:
        """Start the changes of the next entry. Nothing is kept without `commit`."""
        ...

    def commit(self, txn: WriteTxn, index: int, term: int, outcome: bytes) -> None:
        """Add the changes to the open batch, and roll the state hash over the entry, `outcome` and the
        changes. `outcome` is what must be equal on all nodes: no wording.
        """
        ...

    def set_members(self, index: int, term: int, members: bytes) -> None: ...
    def members(self) -> bytes: ...

    def flush(self) -> None:
        """Write the open batch in one transaction with the applied index, and tell the subscribers.

        Raises StoreFull (the batch is kept) or StoreFailed.
        """
        ...

    def sync(self) -> int:
        """Make everything flushed durable and return its index."""
        ...

    def discard(self) -> None:
        """Drop the open batch: `applied` goes back to what is flushed."""
        ...

    def read(self) -> AbstractContextManager[ReadTxn]: ...

    def subscribe(self, callback: Callable[[Committed], None]) -> Callable[[], None]:
        """Call `callback` after each flush, on the writing thread; returns what ends the subscription."""
        ...

    def checkpoint(self) -> tuple[int, bytes] | None: ...
    def checkpoint_at(self, index: int) -> bytes | None: ...
    def prepare_snapshot(self) -> None: ...
    def take_snapshot(self) -> SnapshotSource | None: ...
    def begin_install(self, index: int, term: int, size: int) -> SnapshotSink: ...
    def close(self) -> None: ...
