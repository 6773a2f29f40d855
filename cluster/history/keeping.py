"""The one writer of a node's history."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from cluster.encoding import EncodingError, pack, unpack
from cluster.history.damage import Damage
from cluster.history.errors import HistoryFailed
from cluster.history.file import MAP_BYTES, open_history, reading, writing
from cluster.history.forgetting import (
    SUBJECT,
    clear_shortened,
    forget_old,
    is_too_large,
    make_room,
    note_limit,
)
from cluster.history.layout import (
    APPLIED,
    MISSING,
    OPEN_DAYS,
    OPEN_HOURS,
    PENDING,
    SUBJECTS,
    SUBJECTS_VERSION,
    Tables,
    pending_key,
    subject_key,
    time_key,
    time_of,
)
from cluster.history.missing import covered, ranges, uncovered
from cluster.history.pending import BATCH
from cluster.history.reading import HistoryReader
from cluster.history.sealing import WORK_A_PIECE, Sealing, compact_some
from cluster.metrics.block import BlockDamaged, decode_block, encode_block
from cluster.metrics.grid import DAY_MS, HOUR_MS
from cluster.metrics.retention import Retention
from cluster.model.metrics import CommittedBatch, Subject

MINUTE_MS = 60_000
SEAL_AFTER_MS = 5 * MINUTE_MS
"""How long after its end an hour is sealed at the earliest: what comes later is merged in, at a cost."""
SEAL_SPREAD_MS = 20 * MINUTE_MS
COMPACT_AFTER_MS = HOUR_MS
COMPACT_SPREAD_MS = 2 * HOUR_MS
QUIET_MS = MINUTE_MS
"""How long nothing may have come of an hour, or a day, before it is sealed: an import is still at it."""
OPEN_HOURS_MAX = 8
OPEN_DAYS_MAX = 3
"""From how many on the oldest are not waited for: an import of weeks is sealed as it comes."""
FORGET_EVERY_MS = HOUR_MS


class HistoryWriter:
    """The history in `directory`, opened for writing; used by one thread at a time.

    `stagger` (the node's id) spreads sealing over the hour. A damaged file is set aside at opening and
    an empty one begun: `applied_index` is 0 then, and what it held is fetched from others. Opening reads the
    whole file where it is not too long, which may take a second.

    Raises HistoryUnusable where the directory cannot be used at all.
    """

    def __init__(self, directory: Path, *, stagger: str = "", map_bytes: int = MAP_BYTES) -> None:
        self._environment, self._handles = open_history(directory, map_bytes=map_bytes)
        self.damage = Damage()
        self._reader = HistoryReader(self._environment, self._handles, self.damage)
        self._stagger = zlib.crc32(stagger.encode()) / 2**32
        self._next_forgetting_ms = 0
        self._forgot_by: Retention | None = None
        self._is_least = False
        self._sealing: Sealing | None = None

    @property
    def reader(self) -> HistoryReader:
        """For any thread, until `close`."""
        return self._reader

    @property
    def applied_index(self) -> int:
        """The log index up to which batches are in this history, 0 for a new one."""
        with reading(self._environment, self._handles) as tables:
            return tables.number(APPLIED)

    def ingest(self, batches: Sequence[CommittedBatch], subjects: Sequence[Subject]) -> None:
        """Keep batches and what their subjects are, with the applied index, in one transaction.

        In log order. Batches at or below `applied_index` are passed over, so that repeating is harmless.
        Raises HistoryFull, with nothing written, or HistoryFailed.
        """
        with self.write() as tables:
            put_subjects(tables, subjects)
            applied = tables.number(APPLIED)
            for batch in batches:
                if batch.index > applied:
                    put_pending(tables, batch)
                    applied = batch.index
            tables.set_meta(APPLIED, applied)

    def maintain(self, now_ms: int, retention: Retention) -> bool:
        """Do one bounded piece of sealing, compaction or retention; True while there is more to do.

        Raises HistoryFull, with nothing written, or HistoryFailed.
        """
        self._ask_again_for_damaged()
        return self._seal(now_ms) or self._compact(now_ms) or self._forget(now_ms, retention)

    def mark_missing(self, start_ms: int, end_ms: int) -> None:
        """Note that [start_ms, end_ms) is not, or not wholly, in this history."""
        self._change_missing(lambda held: covered(held, start_ms, end_ms))

    def mark_filled(self, start_ms: int, end_ms: int) -> None:
        """Note that what others have of [start_ms, end_ms) was taken in."""
        self._change_missing(lambda held: uncovered(held, start_ms, end_ms))

    def close(self) -> None:
        self._environment.close()

    def write(self) -> AbstractContextManager[Tables]:
        """A transaction of the writer's thread."""
        return writing(self._environment, self._handles)

    # ---- pieces of work -----------------------------------------------------------------------

    def _seal(self, now_ms: int) -> bool:
        with reading(self._environment, self._handles) as tables:
            open_hours = [(time_of(key), _when(value)) for key, value in tables.rows(OPEN_HOURS)]
        due = [
            hour
            for hour, changed_ms in open_hours
            if now_ms >= (hour + 1) * HOUR_MS + SEAL_AFTER_MS + int(self._stagger * SEAL_SPREAD_MS)
            and (now_ms - changed_ms >= QUIET_MS or len(open_hours) > OPEN_HOURS_MAX)
        ]
        # Of what failed nothing is written, so it is begun anew.
        sealing, self._sealing = self._sealing, None
        if sealing is None and not due:
            return False
        if sealing is not None:
            due = [hour for hour in due if hour != sealing.hour]
        with self.write() as tables:
            work = WORK_A_PIECE
            while work > 0:
                if sealing is None:
                    if not due:
                        break
                    sealing = Sealing(due.pop(0))
                work -= sealing.piece(tables, self.damage, now_ms, work)
                if sealing.is_done:
                    sealing = None
        self._sealing = sealing
        return True

    def _compact(self, now_ms: int) -> bool:
        with reading(self._environment, self._handles) as tables:
            open_days = [(time_of(key), _when(value)) for key, value in tables.rows(OPEN_DAYS)]
            waiting = {time_of(key) * HOUR_MS // DAY_MS for key in tables.keys(OPEN_HOURS)}
        for day, changed_ms in open_days:
            due_ms = (day + 1) * DAY_MS + COMPACT_AFTER_MS + int(self._stagger * COMPACT_SPREAD_MS)
            is_quiet = now_ms - changed_ms >= QUIET_MS and day not in waiting
            if now_ms >= due_ms and (is_quiet or len(open_days) > OPEN_DAYS_MAX):
                with self.write() as tables:
                    compact_some(tables, day, self.damage)
                return True
        return False

    def _forget(self, now_ms: int, retention: Retention) -> bool:
        if now_ms < self._next_forgetting_ms and retention == self._forgot_by:
            with reading(self._environment, self._handles) as tables:
                if self._is_least or not is_too_large(tables, retention):
                    return False
        with self.write() as tables:
            note_limit(tables, retention)
            if forget_old(tables, retention, now_ms):
                return True
            clear_shortened(tables, now_ms, retention)
            is_large = is_too_large(tables, retention)
            has_made_room = is_large and make_room(tables)
        # What is left must stay: whether it still is too much is not asked every time.
        self._is_least = is_large and not has_made_room
        self._next_forgetting_ms = now_ms + FORGET_EVERY_MS
        self._forgot_by = retention
        return has_made_room

    # ---- what is missing ----------------------------------------------------------------------

    def _ask_again_for_damaged(self) -> None:
        for start_ms, end_ms in self.damage.take_untold():
            self.mark_missing(start_ms, end_ms)

    def _change_missing(self, change: Callable[[list[tuple[int, int]]], list[tuple[int, int]]]) -> None:
        with self.write() as tables:
            held = ranges(tables.meta(MISSING))
            changed = change(held)
            if changed != held:
                tables.set_meta(MISSING, [list(each) for each in changed])


def put_subjects(tables: Tables, subjects: Sequence[Subject]) -> None:
    """Keep what numbers stand for."""
    changed = False
    for subject in subjects:
        key, value = subject_key(subject.number), SUBJECT.encode(subject)
        if tables.get(SUBJECTS, key) != value:
            tables.put(SUBJECTS, key, value)
            changed = True
    if changed:
        tables.set_meta(SUBJECTS_VERSION, tables.number(SUBJECTS_VERSION) + 1)


def put_pending(tables: Tables, batch: CommittedBatch) -> None:
    """Put a batch into the hours it speaks of."""
    for piece in by_hours(batch):
        hour = piece.start_ms // HOUR_MS
        tables.put(PENDING, pending_key(hour, piece.index), BATCH.encode(piece))
        tables.put(OPEN_HOURS, time_key(hour), pack(piece.committed_ms))


def by_hours(batch: CommittedBatch) -> Iterator[CommittedBatch]:
    """Yield the batch, cut where hours end. One that cannot be read stays whole, and is named at sealing."""
    last_ms = batch.end_ms - batch.step_ms
    if batch.start_ms // HOUR_MS == last_ms // HOUR_MS:
        yield batch
        return
    try:
        block = decode_block(batch.payload, start_ms=batch.start_ms, step_ms=batch.step_ms, ticks=batch.ticks)
    except BlockDamaged:
        yield batch
        return
    first = 0
    while first < batch.ticks:
        start_ms = batch.start_ms + first * batch.step_ms
        hour_end_ms = (start_ms // HOUR_MS + 1) * HOUR_MS
        end = min(batch.ticks, first - (start_ms - hour_end_ms) // batch.step_ms)
        part = block.part(first, end)
        if part.rows:
            yield replace(batch, start_ms=start_ms, ticks=part.ticks, payload=encode_block(part))
        first = end


def _when(value: bytes) -> int:
    try:
        found = unpack(value)
    except EncodingError as error:
        raise HistoryFailed(f"the books of what is open cannot be read: {error}") from error
    return found if isinstance(found, int) else 0
