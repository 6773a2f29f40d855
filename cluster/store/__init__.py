"""The replicated state on one node: tables, the open batch, snapshots, and the feed of committed changes."""

from cluster.store.errors import (
    ReaderExpired,
    SnapshotCorrupt,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreUnusable,
)
from cluster.store.protocol import Applied, Committed, ReadTxn, SnapshotSink, SnapshotSource, Store, WriteTxn

__all__ = [
    "Applied",
    "Committed",
    "ReadTxn",
    "ReaderExpired",
    "SnapshotCorrupt",
    "SnapshotSink",
    "SnapshotSource",
    "Store",
    "StoreError",
    "StoreFailed",
    "StoreFull",
    "StoreUnusable",
    "WriteTxn",
]
