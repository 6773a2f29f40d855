"""The failure detector: silence makes a host suspect and then down, three beats in a row make it up again.

All times are milliseconds of one clock of the leader that counts time asleep; they mean nothing to another
node and are kept nowhere. What is kept is the status, as a command, when it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.model.ids import NodeId
from cluster.model.node import Node, NodeStatus
from cluster.model.settings import ClusterSettings

BEATS_TO_BE_UP = 3
COMING_UP_MS = 300_000
"""How long a host that has joined may take until its agent runs: images, packages and slow disks."""
STALL_MS = 1000
"""A leader that has not looked for so long was itself not running: what it missed is no one's silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeSigns:
    """What was heard of one host: when last, and how many beats came in a row without a gap."""

    last_ms: int
    streak: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Since when the leader has been able to hear, without a break, and when it last looked."""

    since_ms: int
    looked_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A host's new status. Its status must be committed before anything is done about it."""

    node_id: NodeId
    status: NodeStatus
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What changed, sorted by host, and when to look again at the latest (None: whenever a beat comes)."""

    changes: tuple[StatusChange, ...] = ()
    wake_at_ms: int | None = None


def heard(signs: LifeSigns | None, at_ms: int, settings: ClusterSettings) -> LifeSigns:
    """Return what is known of a host after a beat. A gap longer than what makes it suspect ends the row."""
    if signs is None or at_ms - signs.last_ms >= settings.node_suspect_after_ms:
        return LifeSigns(last_ms=at_ms)
    if at_ms <= signs.last_ms:
        return signs
    return LifeSigns(last_ms=at_ms, streak=min(signs.streak + 1, BEATS_TO_BE_UP))


def listen(listening: Listening | None, now_ms: int, *, has_lease: bool) -> Listening | None:
    """Return since when silence counts, as of a look at `now_ms`; None while it does not.

    It starts anew in each term, after a time without the quorum's lease, and after a stall of the leader: so
    everyone has the whole time to be heard by it.
    """
    if not has_lease:
        return None
    if listening is None or now_ms - listening.looked_at_ms > STALL_MS:
        return Listening(since_ms=now_ms, looked_at_ms=now_ms)
    return Listening(since_ms=listening.since_ms, looked_at_ms=now_ms)


def observe(
    nodes: Mapping[NodeId, Node],
    beats: Mapping[NodeId, LifeSigns],
    now_ms: int,
    *,
    leader_id: NodeId,
    listening: Listening | None,
    settings: ClusterSettings,
    known_since_ms: Mapping[NodeId, int] | None = None,
    on_leave_until_ms: Mapping[NodeId, int] | None = None,
) -> Verdict:
    """Return what is to be committed about the hosts' lives.

    A host in `on_leave_until_ms` may be away until then: it gets no new replicas, and is not lost.
    `known_since_ms` is when the leader first saw a host as it now stands (joined, or come up): one that it
    has not heard was not silent before that. One that has not come up yet is down only after `COMING_UP_MS`.

    Without `listening` (no lease: this node may be the one that is cut off) nothing is decided. The leader
    itself is alive. Repeating it before the changes are committed gives them again.
    """
    if listening is None:
        return Verdict()
    changes: list[StatusChange] = []
    known = {} if known_since_ms is None else known_since_ms
    leave = {} if on_leave_until_ms is None else on_leave_until_ms
    wake_at_ms: int | None = None
    for node_id in sorted(nodes):
        node = nodes[node_id]
        if not node.is_member:
            continue
        if node_id == leader_id:
            if node.status is not NodeStatus.UP:
                changes.append(
                    StatusChange(node_id=node_id, status=NodeStatus.UP, reason="it leads the cluster")
                )
            continue
        signs = beats.get(node_id)
        heard_ms = known.get(node_id, 0) if signs is None else signs.last_ms
        since_ms = max(heard_ms, listening.since_ms)
        if signs is None and not node.has_come_up:
            change, due_ms = _await_first(node, now_ms, since_ms)
        else:
            change, due_ms = _observe_one(node, signs, now_ms, since_ms, settings, leave.get(node_id, 0))
        if change is not None:
            changes.append(change)
        if due_ms is not None:
            wake_at_ms = due_ms if wake_at_ms is None else min(wake_at_ms, due_ms)
    return Verdict(tuple(changes), wake_at_ms)


def _await_first(node: Node, now_ms: int, since_ms: int) -> tuple[StatusChange | None, int | None]:
    """A host whose agent never ran here is not lost: nothing of it is missed, and joining takes its time."""
    if node.status is NodeStatus.DOWN:
        return None, None
    due_ms = since_ms + COMING_UP_MS
    if now_ms < due_ms:
        return None, due_ms
    minutes = (now_ms - since_ms) // 60_000
    reason = f"it joined, and its agent was not heard of in {minutes} minutes since"
    return StatusChange(node_id=node.id, status=NodeStatus.DOWN, reason=reason), None


def _observe_one(
    node: Node,
    signs: LifeSigns | None,
    now_ms: int,
    since_ms: int,
    settings: ClusterSettings,
    leave_until_ms: int,
) -> tuple[StatusChange | None, int | None]:
    suspect_at_ms = since_ms + settings.node_suspect_after_ms
    down_at_ms = max(since_ms + settings.node_down_after_ms, leave_until_ms)
    if now_ms >= down_at_ms:
        if node.status is NodeStatus.DOWN:
            return None, None
        return _silent(node, NodeStatus.DOWN, now_ms - since_ms), None
    if now_ms >= suspect_at_ms:
        # A host that is down stays down: it was heard, but not often enough.
        if node.status is NodeStatus.UP:
            return _silent(node, NodeStatus.SUSPECT, now_ms - since_ms), down_at_ms
        return None, None if node.status is NodeStatus.DOWN else down_at_ms
    if node.status is NodeStatus.UP:
        return None, suspect_at_ms
    if signs is not None and signs.streak >= BEATS_TO_BE_UP:
        reason = f"{BEATS_TO_BE_UP} heartbeats in a row"
        return StatusChange(node_id=node.id, status=NodeStatus.UP, reason=reason), suspect_at_ms
    return None, None if node.status is NodeStatus.DOWN else down_at_ms


def _silent(node: Node, status: NodeStatus, silence_ms: int) -> StatusChange:
    return StatusChange(node_id=node.id, status=status, reason=f"no heartbeat for {silence_ms / 1000:.1f} s")
