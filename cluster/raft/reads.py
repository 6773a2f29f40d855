"""Reads that cannot be stale, and the lease that says how long this leader surely leads.

ReadIndex (Ongaro 2014, section 6.4): note the commit index once an entry of the own term is
committed, have a quorum acknowledge a heartbeat sent *after* the request, wait until the noted index is
applied. A read index is never used for a second request: etcd served stale reads by doing so
(etcd-io/etcd issue 20418).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cluster.raft.types import Timing

MICROSECONDS = 1_000_000


@dataclass(slots=True)
class _Read:
    answer: Callable[[int], None]
    """Called with the confirmed index, or a negative number when leadership ended first."""
    index: int = -1
    seq: int = -1


class QuorumContact:
    """When a majority last answered, in the leader's own send times.

    A heartbeat's sequence number *is* its send time in microseconds of the leader's clock, made
    strictly increasing, so an acknowledged number tells when the acknowledged message left.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._acked: dict[str, int] = {}
        self._surrendered = False
        self.last_seq = 0

    def begin_term(self) -> None:
        self._acked.clear()
        self._surrendered = False

    def next_seq(self, now: float) -> int:
        self.last_seq = max(self.last_seq + 1, int(now * MICROSECONDS))
        return self.last_seq

    def acked(self, peer: str, seq: int) -> None:
        if self._acked.get(peer, 0) < seq <= self.last_seq:
            self._acked[peer] = seq

    def forget(self, peer: str) -> None:
        self._acked.pop(peer, None)

    def surrender(self) -> None:
        """No lease any more in this term: another node was told to stand for election at once."""
        self._surrendered = True

    def quorum_seq(self, voters: list[str], self_id: str, quorum: int) -> int:
        """The newest sequence number that a majority of the voters has acknowledged or passed."""
        seqs = sorted(
            (self.last_seq if voter == self_id else self._acked.get(voter, 0) for voter in voters),
            reverse=True,
        )
        return seqs[quorum - 1] if len(seqs) >= quorum else 0

    def lease_until(self, quorum_seq: int) -> float | None:
        """Until when no other node can have been elected; None without a lease.

        Counted from when the acknowledged heartbeat *left*: every voter of that quorum refuses to
        vote for `election_min_s` after it *arrived*, which is later.
        """
        if self._surrendered or quorum_seq == 0:
            return None
        return quorum_seq / MICROSECONDS + self._timing.lease_s


class ReadQueue:
    """Reads waiting for an index, for its confirmation, or for its application."""

    def __init__(self) -> None:
        self._unindexed: list[_Read] = []
        self._unconfirmed: list[_Read] = []
        self._unapplied: list[tuple[int, Callable[[int], None]]] = []

    def __len__(self) -> int:
        return len(self._unindexed) + len(self._unconfirmed) + len(self._unapplied)

    def request(self, answer: Callable[[int], None]) -> None:
        self._unindexed.append(_Read(answer))

    def index(self, commit_index: int, last_seq: int) -> bool:
        """Note the commit index for new requests. Returns whether a heartbeat must now be sent for them."""
        if not self._unindexed:
            return False
        for read in self._unindexed:
            read.index, read.seq = commit_index, last_seq + 1
        self._unconfirmed += self._unindexed
        self._unindexed = []
        return True

    def confirm(self, quorum_seq: int) -> None:
        """Answer what a quorum has confirmed: a heartbeat that left after the request was acknowledged."""
        while self._unconfirmed and self._unconfirmed[0].seq <= quorum_seq:
            read = self._unconfirmed.pop(0)
            read.answer(read.index)

    def refuse_unconfirmed(self) -> None:
        """Leadership ended: nobody knows what is current."""
        refused, self._unindexed, self._unconfirmed = self._unindexed + self._unconfirmed, [], []
        for read in refused:
            read.answer(-1)

    def when_applied(self, index: int, answer: Callable[[int], None]) -> None:
        self._unapplied.append((index, answer))

    def applied(self, applied_index: int) -> None:
        if not self._unapplied:
            return
        ready = [(index, answer) for index, answer in self._unapplied if index <= applied_index]
        self._unapplied = [(index, answer) for index, answer in self._unapplied if index > applied_index]
        for index, answer in ready:
            answer(index)
