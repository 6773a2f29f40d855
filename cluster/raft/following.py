"""The follower's side of the guard: what happens to a leader's entries and snapshots before pysyncobj sees
them.

pysyncobj 0.3.17 truncates its log on every append_entries, conflict or not, takes a leader's commit index for
entries it has not compared, and answers each of several pipelined messages as if it were alone (H1, H3, H8,
H9).
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cluster.raft.core import Core
from cluster.raft.membership import decode_membership
from cluster.raft.snapshots import Received, SnapshotReceiver
from cluster.raft.types import Entry, Message, Rule, SafetyViolation, StateDiverged

log = logging.getLogger(__name__)

DIGESTS_REMEMBERED = 32


class Following:
    """Takes append_entries and answers them."""

    def __init__(self, core: Core, follow_membership: Callable[[], None]) -> None:
        self._core = core
        self._follow_membership = follow_membership
        self._receiver = SnapshotReceiver(core.machine)
        self._seen_membership: tuple[Entry, ...] = core.journal.membership_entries()
        self._reply_seq = 0
        self._ack_index: int | None = None
        self._reset_index: int | None = None
        self.digests: dict[int, tuple[str, bytes]] = {}
        """Leaders' state hashes that this node has not come to: by index, with who said it."""
        self.heard_leader_at = core.clock()
        """Starts as if a leader had just been heard: a restarted voter may be part of a lease it forgot."""

    def on_append_entries(self, peer: str, message: Message) -> bool:
        """Take a leader's message. Returns whether its sender leads the present term.

        Raises:
            SafetyViolation: two leaders in one term.
            StateDiverged: the leader's state differs from this node's at an index both have applied.
        """
        core = self._core
        term = message["term"]
        self._reply_seq = message["seq"]
        if term < core.term:
            if core.has(Rule.TELL_STALE_LEADER):
                self._acknowledge(peer, core.journal.last_index + 1, success=False)
            return False
        if term == core.term and core.is_leader:
            raise SafetyViolation(f"{peer} leads in term {term}, and so does this node")
        self.heard_leader_at = core.clock()
        if "serialized" in message:
            self._on_snapshot_chunk(peer, message)
        else:
            self._on_entries(peer, message)
        self._note_digest(peer, message.get("digest"))
        return True

    def complete_ack(self, message: Message) -> Message:
        """Put right the acknowledgement pysyncobj made: its term (H4), what it verified (H1), where to go
        back to (H3).
        """
        message["term"] = self._core.term
        message["seq"] = self._reply_seq
        if message["success"] and self._ack_index is not None:
            message["next_node_idx"] = self._ack_index
        if message["reset"] and self._reset_index is not None:
            message["next_node_idx"] = self._reset_index
        return message

    def note_compaction(self) -> None:
        self._seen_membership = self._core.journal.membership_entries()

    def compare_digest(self, index: int) -> None:
        """Compare the state hash at `index`, one of `digests`, with the leader's, if it is still kept.

        Raises:
            StateDiverged: they differ.
        """
        mine = self._core.machine.checkpoint_at(index)
        if mine is None:
            return
        peer, expected = self.digests.pop(index)
        if mine != expected:
            raise StateDiverged(
                f"state at index {index} hashes to {mine.hex()} here and to {expected.hex()} on leader "
                f"{peer}: remove this node and join it again under a new identity"
            )

    def abort(self) -> None:
        self._receiver.abort()

    def _on_entries(self, peer: str, message: Message) -> None:
        core, journal = self._core, self._core.journal
        previous, entries = message["prevLogIdx"], message["entries"]
        verified = previous + len(entries)
        self._ack_index = self._reset_index = None
        if not self._fits(previous, message["prevLogTerm"]):
            if core.has(Rule.FAST_BACKUP):
                self._reset_index = self._first_index_in_conflict(previous)
        elif core.has(Rule.KEEP_MATCHING_ENTRIES):
            known = self._known_entries(entries)
            if known == len(entries):
                message["prevLogIdx"], message["prevLogTerm"] = journal.last_index, journal.last_term
                message["entries"] = []
                if core.has(Rule.COMMIT_ONLY_VERIFIED):
                    message["commit_index"] = min(message["commit_index"], verified)
                self._ack_index = verified + 1
            elif known:
                _, message["prevLogIdx"], message["prevLogTerm"] = entries[known - 1]
                message["entries"] = entries[known:]
        try:
            core.node.deliver(core.raft_node(peer), message)
        finally:
            self._ack_index = self._reset_index = None
        if journal.membership_entries() != self._seen_membership:
            self._seen_membership = journal.membership_entries()
            self._follow_membership()

    def _fits(self, previous: int, previous_term: int) -> bool:
        """Whether the log holds the entry a message continues from. Below the base everything is
        committed.
        """
        journal = self._core.journal
        if previous < journal.first_index:
            return True
        return previous <= journal.last_index and journal.term_at(previous) == previous_term

    def _known_entries(self, entries: list[Entry]) -> int:
        """How many leading entries are in the log already, or were before it was compacted."""
        journal = self._core.journal
        first, last = journal.first_index, journal.last_index
        known = 0
        for _, index, term in entries:
            if index > last or (index >= first and journal.term_at(index) != term):
                break
            known += 1
        return known

    def _first_index_in_conflict(self, previous: int) -> int:
        """Where the leader should continue: the first index of the conflicting term, above the commit
        index.
        """
        journal = self._core.journal
        if previous > journal.last_index:
            return journal.last_index + 1
        term_start = journal.term_start(previous)
        assert term_start is not None
        return max(term_start, int(self._core.node.raftCommitIndex) + 1)

    def _on_snapshot_chunk(self, peer: str, message: Message) -> None:
        core, node = self._core, self._core.node
        chunk, message["serialized"] = message["serialized"], None
        if core.has(Rule.COMMIT_ONLY_VERIFIED):
            # The message compares no entry, so it can vouch for none.
            message["commit_index"] = 0
        node.deliver(core.raft_node(peer), message)
        if chunk is None:
            self._acknowledge(peer, core.journal.last_index + 1, success=False)
            return
        index = chunk[0]
        if index <= node.raftCommitIndex and core.has(Rule.REFUSE_OLD_SNAPSHOT):
            self._receiver.abort()
            self._acknowledge(peer, node.raftCommitIndex + 1, success=True)
            return
        match self._receiver.accept(peer, chunk):
            case Received.MORE:
                if core.has(Rule.ACK_SNAPSHOT_CHUNKS):
                    self._acknowledge(peer, core.journal.last_index + 1, success=False)
            case Received.UNUSABLE:
                log.warning("raft.snapshot_unusable", extra={"peer": peer, "reason": self._receiver.reason})
                self._acknowledge(peer, node.raftCommitIndex + 1, success=False, reset=True)
            case Received.COMPLETE:
                self._continue_from_snapshot()
                self._acknowledge(peer, index + 1, success=True)

    def _continue_from_snapshot(self) -> None:
        core, node, journal = self._core, self._core.node, self._core.journal
        index, term = core.machine.applied_index, core.machine.applied_term
        keeps_log = journal.first_index <= index <= journal.last_index and journal.term_at(index) == term
        if not keeps_log:
            journal.reset(index, term, core.machine.members())
        node._SyncObj__raftLastApplied = index
        node._SyncObj__raftCommitIndex = max(index, node.raftCommitIndex if keeps_log else index)
        core.committed_members = decode_membership(core.machine.members())
        self._seen_membership = journal.membership_entries()
        self._follow_membership()
        node.forget_waiting(upto=index)
        log.info("raft.snapshot_installed", extra={"node_id": core.node_id, "index": index, "term": term})

    def _note_digest(self, peer: str, digest: list[object] | None) -> None:
        if digest is None:
            return
        index, expected = digest
        assert isinstance(index, int)
        assert isinstance(expected, bytes)
        self.digests[index] = (peer, expected)
        while len(self.digests) > DIGESTS_REMEMBERED:
            del self.digests[next(iter(self.digests))]
        self.compare_digest(index)

    def _acknowledge(self, peer: str, next_index: int, *, success: bool, reset: bool = False) -> None:
        self._core.hold(
            peer,
            {
                "type": "next_node_idx",
                "term": self._core.term,
                "next_node_idx": next_index,
                "reset": reset,
                "success": success,
                "seq": self._reply_seq,
            },
        )
