"""Streaming snapshots to members whose next entry is no longer in the log, and taking them in.

pysyncobj's own path sends chunks as fast as it can, has none of them acknowledged, and lets a
load error pass for success (H8, H22). Here each chunk is acknowledged, at most a window of them is
under way, and the last one carries the hash of the whole.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from cluster.raft.ports import Machine, SnapshotSink, SnapshotSource
from cluster.raft.types import Timing
from cluster.store.errors import SnapshotCorrupt, StoreFull

RESTART_PAUSE_S = 1.0

Chunk = list[object]
"""[index, term, offset, size, data, sha256]; sha256 is empty but in the last chunk."""


@dataclass(slots=True)
class _Transfer:
    started_at: float
    progressed_at: float
    floor: int = 0
    """Where a snapshot made from now on continues from at the earliest."""
    source: SnapshotSource | None = None
    offset: int = 0
    resumes_at: float = float("-inf")
    unacked: deque[int] = field(default_factory=deque)


class SnapshotSender:
    """The leader's side: at most one transfer per peer."""

    def __init__(self, machine: Machine, timing: Timing) -> None:
        self._machine = machine
        self._timing = timing
        self._transfers: dict[str, _Transfer] = {}

    def is_sending_to(self, peer: str) -> bool:
        return peer in self._transfers

    def peers(self) -> list[str]:
        return list(self._transfers)

    def begin(self, peer: str, now: float) -> None:
        self._transfers[peer] = _Transfer(
            started_at=now, progressed_at=now, floor=self._machine.applied_index
        )
        self._machine.prepare_snapshot()

    def next_chunk(self, peer: str, now: float) -> Chunk | None:
        """The next chunk to send, or None: not ready, window full, or all sent."""
        transfer = self._transfers[peer]
        if now - transfer.progressed_at > self._timing.snapshot_stall_s:
            self._restart(transfer, now)
        if now < transfer.resumes_at:
            return None
        if transfer.source is None:
            self._machine.prepare_snapshot()
            transfer.source = self._machine.take_snapshot()
            if transfer.source is None:
                return None
            transfer.progressed_at = now
        source = transfer.source
        if len(transfer.unacked) >= self._timing.snapshot_window or transfer.offset >= source.size:
            return None
        data = source.read(transfer.offset, self._timing.snapshot_chunk_bytes)
        is_last = transfer.offset + len(data) >= source.size
        chunk: Chunk = [
            source.index,
            source.term,
            transfer.offset,
            source.size,
            data,
            source.sha256 if is_last else b"",
        ]
        transfer.offset += len(data)
        return chunk

    def is_outdated(self, peer: str, first_index: int) -> bool:
        """Whether the log no longer continues from the snapshot being sent: another one is needed."""
        source = self._transfers[peer].source
        return source is not None and source.index < first_index

    def sent(self, peer: str, seq: int) -> None:
        self._transfers[peer].unacked.append(seq)

    def acked(self, peer: str, seq: int, now: float) -> None:
        transfer = self._transfers.get(peer)
        if transfer is None:
            return
        while transfer.unacked and transfer.unacked[0] <= seq:
            transfer.unacked.popleft()
            transfer.progressed_at = now

    def restart(self, peer: str, seq: int, now: float) -> None:
        """The peer could not use what it got: from the start, with the same snapshot, after a moment.

        It may have no room; sending all again at once would fill its disk as fast as the network allows.
        Nothing happens when it answers what was sent before the present attempt: of several parts under way
        each is refused after the first that was.
        """
        transfer = self._transfers.get(peer)
        if transfer is not None and transfer.unacked and seq >= transfer.unacked[0]:
            self._restart(transfer, now)
            transfer.resumes_at = now + RESTART_PAUSE_S

    def end(self, peer: str) -> None:
        transfer = self._transfers.pop(peer, None)
        if transfer is not None and transfer.source is not None:
            transfer.source.close()

    def end_all(self) -> None:
        for peer in list(self._transfers):
            self.end(peer)

    def floor(self) -> int | None:
        """The lowest index a transfer under way will continue from; the log must keep what follows it."""
        indexes = [
            transfer.floor if transfer.source is None else transfer.source.index
            for transfer in self._transfers.values()
        ]
        return min(indexes, default=None)

    @staticmethod
    def _restart(transfer: _Transfer, now: float) -> None:
        transfer.offset = 0
        transfer.unacked.clear()
        transfer.progressed_at = now


class Received(StrEnum):
    """What became of a chunk."""

    MORE = "more"
    COMPLETE = "complete"
    UNUSABLE = "unusable"


class SnapshotReceiver:
    """The follower's side: one snapshot at a time, in order, or from the start again."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._sink: SnapshotSink | None = None
        self._of: tuple[str, int, int, int] | None = None
        self._offset = 0
        self.reason = ""

    def accept(self, peer: str, chunk: Chunk) -> Received:
        """Take one chunk. COMPLETE: it has replaced the state. UNUSABLE: `reason` says why, nothing
        changed.
        """
        index, term, offset, size, data, sha256 = chunk
        assert isinstance(index, int)
        assert isinstance(term, int)
        assert isinstance(offset, int)
        assert isinstance(size, int)
        assert isinstance(data, bytes)
        assert isinstance(sha256, bytes)
        transfer = (peer, index, term, size)
        if offset == 0:
            self.abort()
            try:
                self._sink = self._machine.begin_install(index, term, size)
            except StoreFull as error:
                return self._give_up(str(error))
            self._of, self._offset = transfer, 0
        if self._sink is None or self._of != transfer or offset != self._offset or offset + len(data) > size:
            return self._give_up(f"chunk at {offset} of snapshot {index} does not continue at {self._offset}")
        try:
            self._sink.write(offset, data)
            self._offset += len(data)
            if not sha256:
                return Received.MORE
            if self._offset != size:
                return self._give_up(f"snapshot {index} ended at {self._offset} of {size} bytes")
            self._sink.finish(sha256)
        except (SnapshotCorrupt, StoreFull) as error:
            return self._give_up(str(error))
        self._sink = self._of = None
        return Received.COMPLETE

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
        self._sink = self._of = None
        self._offset = 0

    def _give_up(self, reason: str) -> Received:
        self.abort()
        self.reason = reason
        return Received.UNUSABLE
