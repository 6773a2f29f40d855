"""The leader's side of the guard: what is sent to whom, and which acknowledgements count.

pysyncobj 0.3.17 counts acknowledgements of other terms, moves a follower's next index backwards on success
and forwards on a reset, and sends without regard to what the follower has taken (H2, H3, H4, H22).
"""

from __future__ import annotations

import logging
import math
from collections import deque
from dataclasses import dataclass, field

from cluster.raft.binding import RaftNode
from cluster.raft.core import Core
from cluster.raft.reads import QuorumContact, ReadQueue
from cluster.raft.snapshots import SnapshotSender
from cluster.raft.types import Message, Rule, SafetyViolation

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flow:
    """What was sent to one peer and not acknowledged: (last index, bytes) per message."""

    sent: deque[tuple[int, int]] = field(default_factory=deque)
    bytes: int = 0

    def add(self, last_index: int, size_bytes: int) -> None:
        self.sent.append((last_index, size_bytes))
        self.bytes += size_bytes

    def acked(self, index: int) -> None:
        while self.sent and self.sent[0][0] <= index:
            self.bytes -= self.sent.popleft()[1]

    def clear(self) -> None:
        self.sent.clear()
        self.bytes = 0


class Leading:
    """Sends append_entries and takes their acknowledgements."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._flows: dict[str, _Flow] = {}
        self._probes: dict[str, int] = {}
        self._broadcast_seq = 0
        self._told_commit_index = 0
        self.commit_notice_at = math.inf
        """When followers must be told how far the log is committed, if nothing tells them before."""
        self.awaited_index = 0
        """Up to here a follower waits to apply what it proposed."""
        self.contact = QuorumContact(core.timing)
        self.reads = ReadQueue()
        self.sender = SnapshotSender(core.machine, core.timing)

    def begin_term(self) -> None:
        self.contact.begin_term()
        self._told_commit_index = 0
        self.awaited_index = 0
        self._probes.clear()
        for flow in self._flows.values():
            flow.clear()

    def end_term(self) -> None:
        self.commit_notice_at = math.inf
        self.reads.refuse_unconfirmed()
        self.sender.end_all()

    def forget(self, peer: str) -> None:
        """The peer is a member no longer."""
        self.contact.forget(peer)
        self.sender.end(peer)
        self._probes.pop(peer, None)
        self._flows.pop(peer, None)

    def start_afresh(self, peer: str) -> None:
        """What was under way in the old session is lost: continue from the last acknowledgement."""
        core = self._core
        self._flow(peer).clear()
        self._probes.pop(peer, None)
        self.sender.end(peer)
        matched = core.node._SyncObj__raftMatchIndex.get(core.raft_node(peer), 0)
        if matched and core.is_leader:
            core.node._SyncObj__raftNextIndex[core.raft_node(peer)] = matched + 1

    def quorum_seq(self) -> int:
        members = self._core.members
        return self.contact.quorum_seq(list(members.voters), self._core.node_id, members.quorum)

    def lease_until(self) -> float | None:
        """Until when, on this node's clock, no other can have been elected; None without a lease."""
        core = self._core
        return self.contact.lease_until(self.quorum_seq()) if core.is_leader and core.is_ready else None

    def index_reads(self) -> None:
        if self._core.is_ready and self.reads.index(self._core.node.raftCommitIndex, self.contact.last_seq):
            self._core.is_broadcast_due = True

    def confirm_reads(self) -> None:
        is_strict = self._core.has(Rule.CONFIRM_READS)
        self.reads.confirm(self.quorum_seq() if is_strict else self.contact.last_seq + 1)

    @property
    def knows_more(self) -> bool:
        """Whether entries are committed that followers were not told of."""
        return int(self._core.node.raftCommitIndex) > self._told_commit_index

    def note_commit(self, now: float) -> None:
        """Followers are told of a higher commit index at once if one of them waits for it, else soon.

        A client here needs no follower to know, and mostly sends the next command at once: its entry then
        tells them, and both nodes are spared a message, an acknowledgement and a turn for each.
        """
        if self.knows_more:
            is_awaited = self._told_commit_index < self.awaited_index
            wait_s = 0.0 if is_awaited else self._core.timing.commit_notice_s
            self.commit_notice_at = min(self.commit_notice_at, now + wait_s)

    def before_append(self) -> list[RaftNode]:
        """The peers pysyncobj must not send entries to just now: they need a snapshot, or have enough
        under way.
        """
        core, node = self._core, self._core.node
        self._broadcast_seq = self.contact.next_seq(core.clock())
        next_index = node._SyncObj__raftNextIndex
        return [
            peer
            for peer in node._SyncObj__connectedNodes
            if peer not in next_index or self._needs_snapshot(peer) or self._has_enough_under_way(peer.id)
        ]

    def after_append(self) -> None:
        """Serve those peers: chunks of a snapshot, or a bare heartbeat."""
        core, node = self._core, self._core.node
        core.is_broadcast_due = False
        self._told_commit_index = node.raftCommitIndex
        self.commit_notice_at = math.inf
        node._SyncObj__connectedNodes.update(core.raft_node(peer) for peer in core.sessions)
        next_index = node._SyncObj__raftNextIndex
        now = core.clock()
        for peer in sorted(core.sessions):
            raft_node = core.raft_node(peer)
            if raft_node not in next_index:
                continue
            if self._needs_snapshot(raft_node):
                if not self.sender.is_sending_to(peer):
                    log.info(
                        "raft.snapshot_needed", extra={"peer": peer, "next_index": next_index[raft_node]}
                    )
                    self.sender.begin(peer, now)
                self._send_chunks(peer, now, with_heartbeat=True)
            elif self._has_enough_under_way(peer):
                previous = next_index[raft_node] - 1
                heartbeat = self._append_entries()
                heartbeat.update(entries=[], prevLogIdx=previous, prevLogTerm=core.journal.term_at(previous))
                self.send_append_entries(peer, heartbeat)

    def send_append_entries(self, peer: str, message: Message) -> None:
        """Number the message and send it, unless it tells of a term or a vote that is not on disk yet.

        Entries may overtake the leader's own sync: it counts itself only after it.
        """
        core = self._core
        if peer not in core.sessions:
            return
        checkpoint = core.machine.checkpoint()
        message["seq"] = self._broadcast_seq
        message["digest"] = None if checkpoint is None else [checkpoint[0], checkpoint[1]]
        entries = message.get("entries")
        if entries:
            message["entries"] = entries = list(entries)
            self._flow(peer).add(entries[-1][1], sum(len(command) for command, _, _ in entries))
            if self._has_enough_under_way(peer):
                # pysyncobj stops sending to a peer that is not connected; `after_append` puts it back.
                core.node._SyncObj__connectedNodes.discard(core.raft_node(peer))
        if core.journal.hard_state_dirty:
            core.hold(peer, message)
        else:
            core.send(peer, message)

    def on_ack(self, peer: str, message: Message) -> None:
        """Count an acknowledgement, or what it really says.

        Raises:
            SafetyViolation: a follower claims entries this leader never had.
        """
        core, node = self._core, self._core.node
        term = message["term"]
        if core.has(Rule.TERM_ON_ACKS):
            if term > core.term:
                core.step_down(term)
                return
            if term < core.term:
                return
        raft_node = core.raft_node(peer)
        if not core.is_leader or raft_node not in node._SyncObj__raftMatchIndex:
            return
        now = core.clock()
        self.contact.acked(peer, message["seq"])
        if message["reset"]:
            self._go_back(peer, raft_node, message, now)
        if message["success"]:
            if message["next_node_idx"] > core.journal.last_index + 1:
                raise SafetyViolation(
                    f"{peer} acknowledges entry {message['next_node_idx'] - 1}, beyond this leader's log"
                )
            self._probes.pop(peer, None)
            self._flow(peer).acked(message["next_node_idx"] - 1)
        next_index = node._SyncObj__raftNextIndex
        next_before: int = next_index[raft_node]
        node.deliver(raft_node, message)
        if message["success"] and core.has(Rule.MONOTONIC_NEXT_INDEX):
            next_index[raft_node] = max(next_before, next_index[raft_node])
        if self.sender.is_sending_to(peer):
            self.sender.acked(peer, message["seq"], now)
            if message["success"] and (
                message["next_node_idx"] > core.journal.first_index
                or self.sender.is_outdated(peer, core.journal.first_index)
            ):
                self.sender.end(peer)
                next_index[raft_node] = message["next_node_idx"]
            else:
                self._send_chunks(peer, now, with_heartbeat=False)
        if message["reset"] or next_index[raft_node] <= core.journal.last_index:
            core.is_broadcast_due = True

    def _go_back(self, peer: str, raft_node: RaftNode, message: Message, now: float) -> None:
        """The follower lacks what a message continued from.

        Each of several pipelined messages is answered with a reset, the later ones with "my end": the lowest
        counts until one succeeds. Never below what it has acknowledged (H3, H9).
        """
        asked = message["next_node_idx"]
        if self._core.has(Rule.PROBE_DOWNWARDS):
            asked = self._probes[peer] = min(self._probes.get(peer, asked), asked)
        matched: int = self._core.node._SyncObj__raftMatchIndex[raft_node]
        message["next_node_idx"] = min(max(asked, matched + 1), self._core.journal.last_index + 1)
        self._flow(peer).clear()
        if self.sender.is_sending_to(peer):
            self.sender.restart(peer, message["seq"], now)
            message["reset"] = False

    def _needs_snapshot(self, peer: RaftNode) -> bool:
        next_index: int = self._core.node._SyncObj__raftNextIndex[peer]
        return self.sender.is_sending_to(peer.id) or next_index <= self._core.journal.first_index

    def _has_enough_under_way(self, peer: str) -> bool:
        return self._flow(peer).bytes > self._core.timing.inflight_bytes

    def _send_chunks(self, peer: str, now: float, *, with_heartbeat: bool) -> None:
        for _ in range(self._core.timing.snapshot_window):
            chunk = self.sender.next_chunk(peer, now)
            if chunk is None:
                break
            self._broadcast_seq = self.contact.next_seq(now)
            self.sender.sent(peer, self._broadcast_seq)
            self.send_append_entries(peer, {**self._append_entries(), "serialized": chunk})
            with_heartbeat = False
        if with_heartbeat:
            self.send_append_entries(peer, {**self._append_entries(), "serialized": None})

    def _append_entries(self) -> Message:
        core = self._core
        return {"type": "append_entries", "term": core.term, "commit_index": core.node.raftCommitIndex}

    def _flow(self, peer: str) -> _Flow:
        flow = self._flows.get(peer)
        if flow is None:
            flow = self._flows[peer] = _Flow()
        return flow
