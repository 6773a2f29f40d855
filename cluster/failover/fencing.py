"""When a host that is out of sight has surely stopped what must never run twice.

A host may run fenced replicas while it holds a lease. The leader grants one with each heartbeat it answers,
counted by the host from when that beat left; so what the leader counts from when the beat came ends later. An
answer is given only while no other node can lead, so whatever earlier leaders granted was asked for before
this term began.

All times are milliseconds of one clock of the leader that counts time asleep (CLOCK_BOOTTIME). Nothing here
is kept by another leader: it begins anew with the term.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.model.ids import NodeId

LEASE_MS = 10_000
"""How long a host may run fenced replicas without another answer."""
MARGIN_MS = 1_000
"""For clocks that are read at different speeds, and for an engine that takes its time to kill."""
_DRIFT = 1_000
"""One in so many is how far two clocks may differ in speed; quartz differs by one in 5000 at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFence:
    """What the leader of a term knows of one host's lease.

    By `ends_ms` every lease that anybody granted the host has run out. `floor` is the log index the host must
    have applied before it is granted one (None: it has to be determined). `sent_ms` is the newest of its
    beats, by its own clock, that was sent after an answer of this term.
    """

    ends_ms: int
    floor: int | None = None
    sent_ms: int = -1

    def is_over(self, now_ms: int) -> bool:
        """Whether the host surely runs no fenced replica."""
        return now_ms >= self.ends_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """What a heartbeat says about its sender's lease.

    It left at `sent_ms` of the host's CLOCK_BOOTTIME; the lease held then had `held_ms` left. `answered_term`
    is the term of the newest answer the host had taken, `applied_index` what it had applied.
    """

    sent_ms: int
    held_ms: int
    answered_term: int
    applied_index: int


def begin_fence(now_ms: int, *, longest_ms: int = 0) -> HostFence:
    """Return what a leader knows of a host when its term begins.

    `longest_ms` is the longest lease the host may have been granted before, if that is more than the usual.
    """
    return HostFence(ends_ms=now_ms + _span_ms(max(LEASE_MS, longest_ms)))


def answer_request(
    fence: HostFence,
    request: LeaseRequest,
    now_ms: int,
    *,
    term: int,
    applied_index: int,
    may_grant: bool,
    leave_ms: int = 0,
) -> tuple[HostFence, int]:
    """Return what is known after a heartbeat, and the length of the lease to grant (0: none).

    `applied_index` is how far the leader's state is. `may_grant`: this node surely leads, and the host is a
    member that is not committed as down. `leave_ms` is how long it may be away.
    """
    floor = fence.floor
    if not may_grant or fence.is_over(now_ms):
        # What it was to run may be on its way to another host. It is granted nothing before it has applied
        # that it is not lost, and with it whatever was decided while it was.
        floor = None
    if may_grant and floor is None:
        floor = applied_index
    is_granted = floor is not None and request.applied_index >= floor
    granted_ms = max(LEASE_MS, leave_ms) if is_granted else 0
    longest_ms = max(granted_ms, request.held_ms)
    ends_ms = now_ms + (_span_ms(longest_ms) if longest_ms else 0)
    # A beat may come after younger ones, to which more was granted. Only one that was surely sent after all
    # others that count can say that the host holds less.
    if request.answered_term == term and request.sent_ms > fence.sent_ms:
        return HostFence(ends_ms=ends_ms, floor=floor, sent_ms=request.sent_ms), granted_ms
    return HostFence(ends_ms=max(ends_ms, fence.ends_ms), floor=floor, sent_ms=fence.sent_ms), granted_ms


def _span_ms(lease_ms: int) -> int:
    """How long to wait for the end of a lease that another clock measures."""
    return lease_ms + MARGIN_MS + lease_ms // _DRIFT


@dataclass(frozen=True, slots=True)
class Leases:
    """The hosts' leases at one moment: `over` surely run no fenced replica, others do not for `left_ms` yet.

    A host in neither is not known; it may hold a lease.
    """

    over: frozenset[NodeId] = frozenset()
    left_ms: Mapping[NodeId, int] = field(default_factory=dict)


def leases_at(fences: Mapping[NodeId, HostFence], now_ms: int) -> Leases:
    """Return which leases have run out, and when others will have."""
    return Leases(
        frozenset(node_id for node_id, fence in fences.items() if fence.is_over(now_ms)),
        {node_id: fence.ends_ms - now_ms for node_id, fence in fences.items() if not fence.is_over(now_ms)},
    )
