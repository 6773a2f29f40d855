"""One Raft node without clock, socket, disk or thread of its own.

The owner hands in messages, proposals and time, and calls `turn` after each batch of inputs::

    engine.peer_connected("b")                  # a session to b is up
    engine.receive("b", message)                # every message that has arrived, in order
    engine.propose(command, on_result)          # any number
    engine.turn()                               # persist, send, commit, apply, answer
    wait until an input arrives or engine.next_wakeup()

`turn` is the one place where anything becomes true, in this order: entries are sent to
followers, the journal is synced, then acknowledgements and votes leave, then commit and
apply, then the state is flushed, then callers are answered. If the journal or the state is full the turn
raises and may simply be run again later: what it had not done is still pending.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from cluster.raft.binding import RaftNode, Surroundings, bind, enter, inside
from cluster.raft.elections import Candidacy
from cluster.raft.journal import Journal
from cluster.raft.membership import MemberChange, MemberOp, Membership, decode_change, decode_membership
from cluster.raft.node import CANDIDATE, LEADER, GuardedNode
from cluster.raft.ports import Machine
from cluster.raft.reads import QuorumContact, ReadQueue
from cluster.raft.snapshots import Received, SnapshotReceiver, SnapshotSender
from cluster.raft.types import (
    COMMAND_BYTES_MAX,
    COMMAND_MEMBERSHIP,
    COMMAND_REGULAR,
    NO_OP,
    EngineStatus,
    LogUnusable,
    Message,
    Outcome,
    ProposalOutcome,
    ReadOutcome,
    Role,
    Rule,
    SafetyViolation,
    StateDiverged,
    Timing,
)

log = logging.getLogger(__name__)

NEVER = float("-inf")
_REGULAR = bytes((COMMAND_REGULAR,))
_SUCCESS, _DISCARDED = 0, 4
DIGESTS_REMEMBERED = 32
FORWARDED_MAX = 8192

OnProposal = Callable[[ProposalOutcome], None]
OnRead = Callable[[ReadOutcome], None]


def found_cluster(journal: Journal, voters: Mapping[str, str]) -> None:
    """Write the first entries of a new cluster's log: its members, as changes like all later ones.

    Every founder writes the same; a node that joins later starts with an empty log and is sent them.
    """
    assert len(journal) == 0, "a cluster is founded on an empty log"
    journal.add(NO_OP, 1, 0)
    for index, node_id in enumerate(sorted(voters), start=2):
        journal.add(MemberChange(MemberOp.VOTER, node_id, voters[node_id]).encode(), index, 0)
    journal.sync()


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


class Engine:
    """See the module's docstring. Single-threaded; callbacks run inside `turn` and must not raise."""

    def __init__(
        self,
        *,
        node_id: str,
        timing: Timing,
        journal: Journal,
        machine: Machine,
        send: Callable[[str, Message], None],
        clock: Callable[[], float],
        rng: random.Random,
        incarnation: str,
        switched_off: frozenset[Rule] = frozenset(),
    ) -> None:
        """`incarnation` differs for each start of the node. `switched_off` is for tests of the tests.

        Raises:
            LogUnusable: log and state do not belong together.
        """
        bind()
        self.node_id = node_id
        self.timing = timing
        self._journal = journal
        self._machine = machine
        self._transmit = send
        self._clock = clock
        self._rng = rng
        self._incarnation = incarnation
        self._off = switched_off
        self._surroundings = Surroundings(clock, rng)

        self._sessions: set[str] = set()
        self._peers: dict[str, RaftNode] = {}
        self._flows: dict[str, _Flow] = {}
        self._probes: dict[str, int] = {}
        self._held: list[tuple[str, Message]] = []
        self._ack_index: int | None = None
        self._reset_index: int | None = None
        self._reply_seq = 0
        self._candidacy = Candidacy(timing, rng)
        self._contact = QuorumContact(timing)
        self._reads = ReadQueue()
        self._sender = SnapshotSender(machine, timing)
        self._receiver = SnapshotReceiver(machine)
        self._answers: list[Callable[[], None]] = []
        self._forwarded: dict[int, tuple[str, OnProposal]] = {}
        self._forwarded_reads: dict[int, tuple[str, OnRead]] = {}
        self._forward_count = 0
        self._digests: dict[int, tuple[str, bytes]] = {}
        self._transfer_deadline: float | None = None
        self._is_transfer_campaign = False
        self._is_removed = False
        self._broadcast_seq = 0
        self._is_broadcast_due = False
        self._is_campaign_due = False

        now = clock()
        self._heard_leader_at = now
        self._last_turn_at = now

        self._align_log_with_state()
        self.members = self._members_in_log()
        self._seen_membership = journal.membership_entries()
        self._committed_members = decode_membership(machine.members())
        with inside(self._surroundings):
            self._node = GuardedNode(self, node_id, sorted(self.members.voters), journal, timing)
            node = self._node
            applied = max(1, machine.applied_index)
            node._SyncObj__raftLastApplied = applied
            node._SyncObj__raftCommitIndex = max(
                applied, min(journal.getRaftCommitIndex(), journal.last_index)
            )
            node._SyncObj__raftElectionDeadline = now + self._election_timeout_s()
        self._refresh_peers()

    # Inputs

    def peer_connected(self, peer: str) -> None:
        """A session with `peer` is up; messages of earlier sessions will not arrive any more."""
        if peer == self.node_id:
            return
        self._sessions.add(peer)
        node = self._raft_node(peer)
        self._node._SyncObj__connectedNodes.add(node)
        self._start_stream_afresh(peer)
        self._refresh_peers()
        self._is_broadcast_due = True

    def peer_disconnected(self, peer: str) -> None:
        """The session with `peer` has ended; nothing sent since the last acknowledgement is known to have arrived."""
        self._sessions.discard(peer)
        self._node._SyncObj__connectedNodes.discard(self._raft_node(peer))
        self._start_stream_afresh(peer)
        self._refresh_peers()
        self._lose_forwarded(peer)

    def receive(self, peer: str, message: Message) -> None:
        """Take one message of the present session with `peer`.

        Raises:
            RaftError: the cluster's promises cannot be kept; the process must end.
        """
        outer = enter(self._surroundings)
        try:
            self._receive(peer, message)
        finally:
            enter(outer)

    def propose(self, command: bytes, on_result: OnProposal) -> None:
        """Have `command` (without a type byte) applied; on a follower it is passed to the leader.

        `on_result` is called once, after this node has applied the entry, or when it is known that it
        will not be, or when nobody can know. It is *not* called if an answer never arrives: callers set a
        deadline of their own.
        """
        if len(command) > COMMAND_BYTES_MAX:
            reason = f"the command has {len(command)} bytes, at most {COMMAND_BYTES_MAX} are taken: split it"
            self._answer(on_result, ProposalOutcome(Outcome.REFUSED, result=reason.encode()))
        elif self._is_leading():
            self._append(_REGULAR + command, on_result)
        else:
            self._forward({"type": "propose", "command": command}, on_result)

    def change_members(self, change: MemberChange, on_result: OnProposal) -> None:
        """Have one membership change committed. Refusals carry their reason in `result`."""
        if self._is_leading():
            refusal = self._refuse_change(change)
            if refusal is not None:
                self._answer(on_result, ProposalOutcome(Outcome.REFUSED, result=refusal.encode()))
                return
            self._append(change.encode(), on_result)
            self._follow_membership()
        else:
            message = {
                "type": "change",
                "op": change.op.value,
                "node": change.node_id,
                "address": change.address,
            }
            self._forward(message, on_result)

    def read_index(self, on_result: OnRead) -> None:
        """Call back once everything committed before this call is applied here."""
        if self._is_leading():
            self._reads.request(partial(self._read_confirmed, on_result))
            return
        leader = self._leader_id()
        if leader is None or leader not in self._sessions or len(self._forwarded_reads) >= FORWARDED_MAX:
            self._answers.append(partial(on_result, ReadOutcome(-1)))
            return
        number = self._next_forward()
        self._forwarded_reads[number] = (leader, on_result)
        self._hold(leader, {"type": "read_index", "id": [self._incarnation, number]})

    def transfer_leadership(self, target: str | None) -> bool:
        """Hand leadership to `target`, or to the member that is furthest. False when nobody can take it now."""
        if not self._is_leading():
            return False
        node = self._node
        matches = {
            peer: node._SyncObj__raftMatchIndex.get(self._raft_node(peer), 0)
            for peer in self.members.voters
            if peer != self.node_id and peer in self._sessions
        }
        peer = (
            target
            if target is not None
            else max(sorted(matches), key=lambda voter: matches[voter], default=None)
        )
        if peer is None or peer not in matches:
            return False
        if matches[peer] < min(self._journal.last_index, node._SyncObj__raftCommitIndex):
            return False
        self._contact.surrender()
        self._transfer_deadline = self._clock() + self.timing.transfer_s
        self._hold(peer, {"type": "timeout_now", "term": node.raftCurrentTerm})
        return True

    def turn(self) -> None:
        """Do everything that is due.

        Raises:
            LogStorageFull, StoreFull: no room; the engine is consistent, run the turn again later.
            RaftError, LogStorageFailed, StoreFailed: the process must end.
        """
        outer = enter(self._surroundings)
        try:
            self._turn()
        finally:
            enter(outer)

    def next_wakeup(self) -> float:
        """The clock value at which `turn` is due at the latest if no input arrives before."""
        node = self._node
        if self._answers or self._is_broadcast_due or node.raftCommitIndex > node.raftLastApplied:
            return self._last_turn_at
        latest = self._last_turn_at + self.timing.election_min_s / 4
        if self._is_leader():
            return min(latest, float(node._SyncObj__newAppendEntriesTime))
        if self.node_id in self.members.voters:
            return min(latest, float(node._SyncObj__raftElectionDeadline))
        return latest

    def status(self) -> EngineStatus:
        """A consistent look at this node, for the owner to publish."""
        node = self._node
        is_leader = self._is_leader()
        quorum_seq = self._quorum_seq() if is_leader else 0
        is_ready = is_leader and self._is_ready()
        if self.node_id not in self.members.voters:
            role = Role.LEARNER
        else:
            role = (Role.FOLLOWER, Role.CANDIDATE, Role.LEADER)[node._SyncObj__raftState]
        others = [peer for peer in self.members.voters if peer != self.node_id]
        reachable = sum(1 for peer in others if peer in self._sessions) + (
            self.node_id in self.members.voters
        )
        return EngineStatus(
            node_id=self.node_id,
            role=role,
            term=node.raftCurrentTerm,
            leader_id=self._leader_id(),
            commit_index=node.raftCommitIndex,
            applied_index=node.raftLastApplied,
            last_index=self._journal.last_index,
            first_index=self._journal.first_index,
            log_bytes=self._journal.size_bytes,
            voters=self.members.voters,
            learners=self.members.learners,
            connected=frozenset(self._sessions),
            match_index={peer.id: index for peer, index in node._SyncObj__raftMatchIndex.items()}
            if is_leader
            else {},
            is_ready=is_ready,
            lease_until=self._contact.lease_until(quorum_seq) if is_ready else None,
            heard_leader_at=self._clock() if is_leader else self._heard_leader_at,
            is_removed=self._is_removed,
            has_quorum=reachable >= self.members.quorum and bool(self.members.voters),
        )

    def destroy(self) -> None:
        """Let go of the snapshots being sent or received. Journal and machine belong to the owner."""
        self._sender.end_all()
        self._receiver.abort()

    # The turn

    def _turn(self) -> None:
        node, journal = self._node, self._journal
        now = self._clock()
        self._notice_gap(now)
        self._machine.flush()
        commit_before = node.raftCommitIndex
        if self._is_leader():
            if self._is_ready() and self._reads.index(commit_before, self._contact.last_seq):
                self._is_broadcast_due = True
            if self._is_broadcast_due:
                node.append_entries_now()
        self._sync_and_release()
        self._stand_for_election(now)
        self._end_failed_transfer(now)
        self._tick(now)
        self._machine.flush()
        if self._is_leader():
            if node.raftCommitIndex != commit_before or self._is_broadcast_due:
                node.append_entries_now()
            self._confirm_reads()
        self._is_broadcast_due = False
        if journal.dirty or self._held:
            self._sync_and_release()
        self._reads.applied(node.raftLastApplied)
        self._last_turn_at = now
        answers, self._answers = self._answers, []
        for answer in answers:
            answer()

    def _sync_and_release(self) -> None:
        if self._has(Rule.SYNC_BEFORE_SEND):
            self._journal.sync()
        held, self._held = self._held, []
        for peer, message in held:
            if peer in self._sessions:
                self._transmit(peer, message)
        if not self._has(Rule.SYNC_BEFORE_SEND):
            self._journal.sync()

    def _notice_gap(self, now: float) -> None:
        """After a pause, hear what the sockets hold before suspecting the leader (H20)."""
        if (
            self._has(Rule.TICK_GAP)
            and now - self._last_turn_at > self.timing.election_min_s / 2
            and not self._is_leader()
        ):
            self._set_deadline(max(self._deadline(), now + self._election_timeout_s()))

    def _stand_for_election(self, now: float) -> None:
        node = self._node
        if self._is_leader():
            return
        if self.node_id not in self.members.voters or self._is_removed:
            self._set_deadline(now + self.timing.election_max_s)
            return
        if self._is_campaign_due:
            self._set_deadline(NEVER)
        if self._deadline() >= now:
            return
        if node._SyncObj__transferInProgress:
            self._is_transfer_campaign = True
            return
        if self._is_campaign_due or self.members.quorum == 1 or not self._has(Rule.PRE_VOTE):
            return
        node._SyncObj__raftLeader = None
        self._set_deadline(now + self._candidacy.retry_delay_s())
        self._ask_for_pre_votes()

    def _ask_for_pre_votes(self) -> None:
        message = {
            "type": "pre_vote",
            "term": self._node.raftCurrentTerm + 1,
            "last_log_index": self._journal.last_index,
            "last_log_term": self._journal.last_term,
            "round": self._candidacy.begin_pre_vote(),
        }
        for peer in self.members.voters:
            if peer != self.node_id:
                self._hold(peer, dict(message))
        self._sync_and_release()

    def _tick(self, now: float) -> None:
        """One tick of pysyncobj: election if its deadline has passed, commit, apply, heartbeat."""
        is_campaign = self._deadline() < now and not self._is_leader()
        self._is_campaign_due = False
        if is_campaign:
            self._candidacy.begin_vote()
        self._node._onTick(0.0)
        self._is_transfer_campaign = False
        if is_campaign and not self._is_leader():
            self._set_deadline(now + self._candidacy.retry_delay_s())

    def _end_failed_transfer(self, now: float) -> None:
        """A leader that told another to stand and still leads may hold no lease: it steps down."""
        if self._transfer_deadline is not None and now >= self._transfer_deadline and self._is_leader():
            log.warning(
                "raft.transfer_failed", extra={"node_id": self.node_id, "term": self._node.raftCurrentTerm}
            )
            self._node.become_follower()

    def _confirm_reads(self) -> None:
        seq = self._quorum_seq() if self._has(Rule.CONFIRM_READS) else self._contact.last_seq + 1
        self._reads.confirm(seq)

    # What pysyncobj asks (NodeHost)

    def on_send(self, peer: str, message: Message) -> None:
        node = self._node
        match message["type"]:
            case "append_entries":
                self._send_append_entries(peer, message)
            case "next_node_idx":
                message["term"] = node.raftCurrentTerm
                message["seq"] = self._reply_seq
                if message["success"] and self._ack_index is not None:
                    message["next_node_idx"] = self._ack_index
                if message["reset"] and self._reset_index is not None:
                    message["next_node_idx"] = self._reset_index
                self._hold(peer, message)
            case "request_vote":
                message["transfer"] = self._is_transfer_campaign
                self._hold(peer, message)
            case "response_vote":
                self._hold(peer, message)
            case other:
                raise AssertionError(f"pysyncobj sent {other}, which the engine never causes")

    def on_apply(self, index: int, command: bytes) -> bytes:
        term = self._journal.term_at(index)
        assert term is not None
        machine = self._machine
        kind = command[0] if command else COMMAND_REGULAR
        result = b""
        if kind == COMMAND_REGULAR:
            result = machine.apply_command(index, term, command[1:])
        elif kind == COMMAND_MEMBERSHIP:
            change = decode_change(command)
            if change is not None:
                self._committed_members = self._committed_members.after(change)
                self._tell_removed(change)
            machine.set_members(index, term, self._committed_members.encode())
        else:
            machine.advance(index, term)
        if self._digests:
            self._compare_digest(index)
        return result

    def on_state_changed(self, old: int, new: int) -> None:
        now = self._clock()
        if new == LEADER:
            self._candidacy.settle()
            self._contact.begin_term()
            self._probes.clear()
            for flow in self._flows.values():
                flow.clear()
            self._transfer_deadline = None
            log.info("raft.elected", extra={"node_id": self.node_id, "term": self._node.raftCurrentTerm})
        elif old == LEADER:
            self._lose_leadership(now)
        if new != CANDIDATE:
            self._is_campaign_due = False

    def before_append(self) -> list[RaftNode]:
        node = self._node
        self._broadcast_seq = self._contact.next_seq(self._clock())
        first = self._journal.first_index
        held_back: list[RaftNode] = []
        next_index = node._SyncObj__raftNextIndex
        for peer in node._SyncObj__connectedNodes:
            if peer not in next_index:
                held_back.append(peer)
            elif self._sender.is_sending_to(peer.id) or next_index[peer] <= first:
                held_back.append(peer)
            elif self._flow(peer.id).bytes > self.timing.inflight_bytes:
                held_back.append(peer)
        return held_back

    def after_append(self) -> None:
        """Serve the peers that `before_append` held back: chunks of a snapshot, or a bare heartbeat."""
        self._is_broadcast_due = False
        node = self._node
        node._SyncObj__connectedNodes.update(self._raft_node(peer) for peer in self._sessions)
        next_index = node._SyncObj__raftNextIndex
        first = self._journal.first_index
        now = self._clock()
        for peer in sorted(self._sessions):
            raft_node = self._raft_node(peer)
            if raft_node not in next_index:
                continue
            if self._sender.is_sending_to(peer) or next_index[raft_node] <= first:
                if not self._sender.is_sending_to(peer):
                    log.info(
                        "raft.snapshot_needed", extra={"peer": peer, "next_index": next_index[raft_node]}
                    )
                    self._sender.begin(peer, now)
                self._send_chunks(peer, now, with_heartbeat=True)
            elif self._flow(peer).bytes > self.timing.inflight_bytes:
                previous = next_index[raft_node] - 1
                heartbeat = self._append_entries()
                heartbeat.update(entries=[], prevLogIdx=previous, prevLogTerm=self._journal.term_at(previous))
                self._send_append_entries(peer, heartbeat)

    def compact_log(self) -> None:
        """Drop what is applied durably, but for a trailing window that followers may still need (H16)."""
        journal, timing = self._journal, self.timing
        count = journal.last_index - journal.first_index
        is_large = journal.size_bytes > timing.log_bytes_max
        if count <= timing.log_entries_max and not is_large:
            return
        trailing = min(timing.log_trailing, count // 2) if is_large else timing.log_trailing
        upto = min(self._machine.applied_index, self._node.raftLastApplied) - trailing
        floor = self._sender.floor()
        if floor is not None and not is_large:
            upto = min(upto, floor)
        if upto <= journal.first_index:
            return
        upto = min(upto, self._machine.sync())
        if upto <= journal.first_index:
            return
        kept_base = decode_membership(journal.base_members)
        passed = [entry for entry in journal.membership_entries() if entry[1] <= upto]
        journal.compact(upto, kept_base.after_entries(passed).encode())
        self._seen_membership = journal.membership_entries()

    # Messages in

    def _receive(self, peer: str, message: Message) -> None:
        if peer in self._committed_members.removed:
            if message["type"] != "removed":
                self._hold(peer, {"type": "removed", "term": self._node.raftCurrentTerm})
            return
        match message["type"]:
            case "append_entries":
                self._on_append_entries(peer, message)
            case "next_node_idx":
                self._on_ack(peer, message)
            case "request_vote":
                self._on_request_vote(peer, message)
            case "response_vote":
                self._on_vote(peer, message)
            case "pre_vote":
                self._on_pre_vote(peer, message)
            case "pre_vote_reply":
                self._on_pre_vote_reply(peer, message)
            case "timeout_now":
                if self.node_id in self.members.voters:
                    self._node.deliver(self._raft_node(peer), message)
            case "propose":
                self._on_propose(peer, message)
            case "change":
                change = MemberChange(MemberOp(message["op"]), message["node"], message["address"])
                self._on_change(peer, message["id"], change)
            case "proposed":
                self._on_proposed(peer, message)
            case "read_index":
                self._on_read_index(peer, message["id"])
            case "read_index_reply":
                self._on_read_index_reply(peer, message)
            case "removed":
                self._on_removed(peer, message)

    def _on_append_entries(self, peer: str, message: Message) -> None:
        node, journal = self._node, self._journal
        term = message["term"]
        self._reply_seq = message["seq"]
        if term < node.raftCurrentTerm:
            if self._has(Rule.TELL_STALE_LEADER):
                self._acknowledge(peer, journal.last_index + 1, success=False)
            return
        if term == node.raftCurrentTerm and self._is_leader():
            raise SafetyViolation(f"{peer} leads in term {term}, and so does this node")
        self._heard_leader_at = self._clock()
        self._candidacy.settle()
        if "serialized" in message:
            self._on_snapshot_chunk(peer, message)
        else:
            self._on_entries(peer, message)
        self._note_digest(peer, message.get("digest"))

    def _on_entries(self, peer: str, message: Message) -> None:
        node, journal = self._node, self._journal
        previous, entries = message["prevLogIdx"], message["entries"]
        last = journal.last_index
        verified = previous + len(entries)
        self._ack_index = self._reset_index = None
        if not self._fits(previous, message["prevLogTerm"]):
            if self._has(Rule.FAST_BACKUP):
                self._reset_index = self._first_index_in_conflict(previous)
        elif self._has(Rule.KEEP_MATCHING_ENTRIES):
            known = self._known_entries(entries)
            if known == len(entries):
                message["prevLogIdx"], message["prevLogTerm"] = last, journal.last_term
                message["entries"] = []
                message["commit_index"] = min(message["commit_index"], verified)
                self._ack_index = verified + 1
            elif known:
                _, message["prevLogIdx"], message["prevLogTerm"] = entries[known - 1]
                message["entries"] = entries[known:]
        try:
            node.deliver(self._raft_node(peer), message)
        finally:
            self._ack_index = self._reset_index = None
        if journal.membership_entries() != self._seen_membership:
            self._follow_membership()

    def _fits(self, previous: int, previous_term: int) -> bool:
        """Whether the log holds the entry a message continues from. Below the base everything is committed."""
        journal = self._journal
        if previous < journal.first_index:
            return True
        return previous <= journal.last_index and journal.term_at(previous) == previous_term

    def _known_entries(self, entries: list[tuple[bytes, int, int]]) -> int:
        """How many leading entries are in the log already, or were before it was compacted."""
        journal = self._journal
        first, last = journal.first_index, journal.last_index
        known = 0
        for _, index, term in entries:
            if index > last or (index >= first and journal.term_at(index) != term):
                break
            known += 1
        return known

    def _first_index_in_conflict(self, previous: int) -> int:
        """Where the leader should continue: the first index of the conflicting term, above the commit index."""
        journal = self._journal
        if previous > journal.last_index:
            return journal.last_index + 1
        term_start = journal.term_start(previous)
        assert term_start is not None
        return max(term_start, self._node.raftCommitIndex + 1)

    def _on_snapshot_chunk(self, peer: str, message: Message) -> None:
        node = self._node
        chunk, message["serialized"] = message["serialized"], None
        message["commit_index"] = 0
        node.deliver(self._raft_node(peer), message)
        if chunk is None:
            self._acknowledge(peer, self._journal.last_index + 1, success=False)
            return
        index = chunk[0]
        if index <= node.raftCommitIndex and self._has(Rule.REFUSE_OLD_SNAPSHOT):
            self._receiver.abort()
            self._acknowledge(peer, node.raftCommitIndex + 1, success=True)
            return
        match self._receiver.accept(peer, chunk):
            case Received.MORE:
                if self._has(Rule.ACK_SNAPSHOT_CHUNKS):
                    self._acknowledge(peer, self._journal.last_index + 1, success=False)
            case Received.UNUSABLE:
                log.warning("raft.snapshot_unusable", extra={"peer": peer, "reason": self._receiver.reason})
                self._acknowledge(peer, node.raftCommitIndex + 1, success=False, reset=True)
            case Received.COMPLETE:
                self._continue_from_snapshot()
                self._acknowledge(peer, index + 1, success=True)

    def _continue_from_snapshot(self) -> None:
        machine, node = self._machine, self._node
        index, term = machine.applied_index, machine.applied_term
        journal = self._journal
        keeps_log = journal.first_index <= index <= journal.last_index and journal.term_at(index) == term
        if not keeps_log:
            journal.reset(index, term, machine.members())
        node._SyncObj__raftLastApplied = index
        node._SyncObj__raftCommitIndex = max(index, node.raftCommitIndex if keeps_log else index)
        self._committed_members = decode_membership(machine.members())
        self._follow_membership()
        waiting = node._SyncObj__commandsWaitingCommit
        for passed in [waiting_index for waiting_index in waiting if waiting_index <= index]:
            for _, callback in waiting.pop(passed):
                callback(None, -1)
        log.info("raft.snapshot_installed", extra={"node_id": self.node_id, "index": index, "term": term})

    def _on_ack(self, peer: str, message: Message) -> None:
        node = self._node
        term = message["term"]
        if self._has(Rule.TERM_ON_ACKS):
            if term > node.raftCurrentTerm:
                self._step_down(term)
                return
            if term < node.raftCurrentTerm:
                return
        raft_node = self._raft_node(peer)
        if not self._is_leader() or raft_node not in node._SyncObj__raftMatchIndex:
            return
        now = self._clock()
        self._contact.acked(peer, message["seq"])
        match_index: int = node._SyncObj__raftMatchIndex[raft_node]
        if message["reset"]:
            asked = message["next_node_idx"]
            if self._has(Rule.PROBE_DOWNWARDS):
                asked = self._probes[peer] = min(self._probes.get(peer, asked), asked)
            message["next_node_idx"] = min(max(asked, match_index + 1), self._journal.last_index + 1)
            self._flow(peer).clear()
            if self._sender.is_sending_to(peer):
                self._sender.restart(peer, now)
                message["reset"] = False
        if message["success"]:
            if message["next_node_idx"] > self._journal.last_index + 1:
                raise SafetyViolation(
                    f"{peer} acknowledges entry {message['next_node_idx'] - 1}, beyond this leader's log"
                )
            self._probes.pop(peer, None)
            self._flow(peer).acked(message["next_node_idx"] - 1)
        next_before: int = node._SyncObj__raftNextIndex[raft_node]
        node.deliver(raft_node, message)
        next_index = node._SyncObj__raftNextIndex
        if message["success"] and self._has(Rule.MONOTONIC_NEXT_INDEX):
            next_index[raft_node] = max(next_before, next_index[raft_node])
        if self._sender.is_sending_to(peer):
            self._sender.acked(peer, message["seq"], now)
            if message["success"] and message["next_node_idx"] > self._journal.first_index:
                self._sender.end(peer)
                next_index[raft_node] = message["next_node_idx"]
            else:
                self._send_chunks(peer, now, with_heartbeat=False)
        if message["reset"] or next_index[raft_node] <= self._journal.last_index:
            self._is_broadcast_due = True

    def _on_request_vote(self, peer: str, message: Message) -> None:
        if self._has(Rule.LEADER_STICKINESS) and not message["transfer"] and self._hears_leader():
            return
        self._node.deliver(self._raft_node(peer), message)

    def _on_vote(self, peer: str, message: Message) -> None:
        if peer not in self.members.voters:
            return
        if message["term"] != self._node.raftCurrentTerm or self._node._SyncObj__raftState != CANDIDATE:
            return
        if not self._candidacy.count_vote(peer) and self._has(Rule.ONE_VOTE_PER_VOTER):
            return
        self._node.deliver(self._raft_node(peer), message)

    def _on_pre_vote(self, peer: str, message: Message) -> None:
        node, journal = self._node, self._journal
        up_to_date = (message["last_log_term"], message["last_log_index"]) >= (
            journal.last_term,
            journal.last_index,
        )
        granted = up_to_date and message["term"] > node.raftCurrentTerm and not self._hears_leader()
        self._hold(
            peer,
            {
                "type": "pre_vote_reply",
                "term": node.raftCurrentTerm,
                "round": message["round"],
                "granted": granted,
            },
        )

    def _on_pre_vote_reply(self, peer: str, message: Message) -> None:
        if message["term"] > self._node.raftCurrentTerm:
            self._step_down(message["term"])
            return
        if not message["granted"] or peer not in self.members.voters or self._is_leader():
            return
        if self._candidacy.grant(peer, message["round"]) + 1 >= self.members.quorum:
            self._is_campaign_due = True

    def _on_removed(self, peer: str, message: Message) -> None:
        """A member says that this node's removal is committed."""
        if message["term"] >= self._node.raftCurrentTerm and not self._is_leader():
            log.warning("raft.removed", extra={"node_id": self.node_id, "said_by": peer})
            self._is_removed = True

    # Proposals

    def _append(self, command: bytes, on_result: OnProposal) -> None:
        node, journal = self._node, self._journal
        waiting = node._SyncObj__commandsWaitingCommit
        if self._transfer_deadline is not None:
            self._answer(on_result, ProposalOutcome(Outcome.NOT_LEADER))
            return
        if len(waiting) >= self.timing.proposals_max:
            self._answer(on_result, ProposalOutcome(Outcome.OVERLOADED))
            return
        index, term = journal.last_index + 1, node.raftCurrentTerm
        journal.add(command, index, term)
        waiting[index].append((term, partial(self._applied, on_result, index, term)))
        self._is_broadcast_due = True

    def _applied(
        self, on_result: OnProposal, index: int, term: int, result: bytes | None, reason: int
    ) -> None:
        if reason == _SUCCESS:
            outcome = ProposalOutcome(Outcome.APPLIED, index, term, result or b"")
        elif reason == _DISCARDED:
            outcome = ProposalOutcome(Outcome.DISCARDED)
        else:
            outcome = ProposalOutcome(Outcome.UNKNOWN)
        self._answers.append(partial(on_result, outcome))

    def _answer(self, on_result: OnProposal, outcome: ProposalOutcome) -> None:
        self._answers.append(partial(on_result, outcome))

    def _forward(self, message: Message, on_result: OnProposal) -> None:
        leader = self._leader_id()
        if leader is None or leader == self.node_id or leader not in self._sessions:
            self._answer(on_result, ProposalOutcome(Outcome.NO_LEADER))
            return
        if len(self._forwarded) >= FORWARDED_MAX:
            self._answer(on_result, ProposalOutcome(Outcome.OVERLOADED))
            return
        number = self._next_forward()
        self._forwarded[number] = (leader, on_result)
        self._hold(leader, {**message, "id": [self._incarnation, number]})

    def _next_forward(self) -> int:
        self._forward_count += 1
        return self._forward_count

    def _on_propose(self, peer: str, message: Message) -> None:
        reply = partial(self._reply_proposed, peer, message["id"])
        if not self._is_leading():
            reply(ProposalOutcome(Outcome.NOT_LEADER))
        elif len(message["command"]) > COMMAND_BYTES_MAX:
            reply(ProposalOutcome(Outcome.REFUSED, result=b"the command is too large"))
        else:
            self._append(_REGULAR + message["command"], reply)

    def _on_change(self, peer: str, request: list[object], change: MemberChange) -> None:
        reply = partial(self._reply_proposed, peer, request)
        if self._is_leading():
            self.change_members(change, reply)
        else:
            reply(ProposalOutcome(Outcome.NOT_LEADER))

    def _reply_proposed(self, peer: str, request: list[object], outcome: ProposalOutcome) -> None:
        if peer in self._sessions:
            reply = {
                "type": "proposed",
                "id": request,
                "outcome": int(outcome.outcome),
                "index": outcome.index,
                "term": outcome.term,
                "result": outcome.result,
            }
            self._transmit(peer, reply)

    def _on_proposed(self, peer: str, message: Message) -> None:
        incarnation, number = message["id"]
        if incarnation != self._incarnation:
            return
        leader, on_result = self._forwarded.get(number, (None, None))
        if leader != peer or on_result is None:
            return
        del self._forwarded[number]
        outcome = ProposalOutcome(
            Outcome(message["outcome"]), message["index"], message["term"], message["result"]
        )
        if outcome.outcome is Outcome.APPLIED:
            self._reads.when_applied(outcome.index, lambda _: self._answer(on_result, outcome))
        else:
            self._answer(on_result, outcome)

    def _lose_forwarded(self, peer: str) -> None:
        """The session that would have brought the answers is gone: nobody knows how they ended."""
        for number in [number for number, (leader, _) in self._forwarded.items() if leader == peer]:
            self._answer(self._forwarded.pop(number)[1], ProposalOutcome(Outcome.UNKNOWN))
        for number in [number for number, (leader, _) in self._forwarded_reads.items() if leader == peer]:
            self._answers.append(partial(self._forwarded_reads.pop(number)[1], ReadOutcome(-1)))

    # Reads

    def _read_confirmed(self, on_result: OnRead, index: int) -> None:
        if index < 0:
            self._answers.append(partial(on_result, ReadOutcome(-1)))
        else:
            self._reads.when_applied(
                index, lambda applied: self._answers.append(partial(on_result, ReadOutcome(applied)))
            )

    def _on_read_index(self, peer: str, request: list[object]) -> None:
        def reply(index: int) -> None:
            self._hold(peer, {"type": "read_index_reply", "id": request, "index": index})

        if self._is_leading():
            self._reads.request(reply)
        else:
            reply(-1)

    def _on_read_index_reply(self, peer: str, message: Message) -> None:
        incarnation, number = message["id"]
        leader, on_result = self._forwarded_reads.get(number, (None, None))
        if incarnation != self._incarnation or leader != peer or on_result is None:
            return
        del self._forwarded_reads[number]
        self._read_confirmed(on_result, message["index"])

    # Membership

    def _refuse_change(self, change: MemberChange) -> str | None:
        node = self._node
        if not self._is_ready():
            return "this leader has not committed an entry of its own term yet: try again in a moment"
        pending = [entry for entry in self._journal.membership_entries() if entry[1] > node.raftLastApplied]
        if pending and self._has(Rule.ONE_CHANGE_AT_A_TIME):
            return "another membership change is not committed yet: try again in a moment"
        refusal = self.members.refuse(change, leader_id=self.node_id)
        if refusal is not None:
            return refusal
        if change.op is MemberOp.VOTER:
            matched = node._SyncObj__raftMatchIndex.get(self._raft_node(change.node_id), 0)
            lag = self._journal.last_index - matched
            if change.node_id not in self._sessions or lag > self.timing.promote_lag_max:
                return f"{change.node_id} is {lag} entries behind: it may vote once it has caught up"
        return None

    def _members_in_log(self) -> Membership:
        base = decode_membership(self._journal.base_members)
        return base.after_entries(self._journal.membership_entries())

    def _follow_membership(self) -> None:
        """Put the membership of the log in force, as soon as it is in the log."""
        self._seen_membership = self._journal.membership_entries()
        members = self._members_in_log()
        if members != self.members:
            self.members = members
            self._refresh_peers()
            self._is_broadcast_due = True

    def _refresh_peers(self) -> None:
        """Bring pysyncobj's sets of peers in line with members and sessions."""
        node = self._node
        voters = {self._raft_node(peer) for peer in self.members.voters if peer != self.node_id}
        learners = {
            self._raft_node(peer)
            for peer in self.members.learners
            if peer != self.node_id and peer in self._sessions
        }
        node._SyncObj__otherNodes = voters
        node._SyncObj__readonlyNodes = learners
        now = self._clock()
        next_index, match_index = node._SyncObj__raftNextIndex, node._SyncObj__raftMatchIndex
        last_response = node._SyncObj__lastResponseTime
        for peer in voters | learners:
            next_index.setdefault(peer, self._journal.last_index + 1)
            match_index.setdefault(peer, 0)
            last_response.setdefault(peer, now)
        for peer in [peer for peer in next_index if peer not in voters and peer not in learners]:
            del next_index[peer]
            match_index.pop(peer, None)
            last_response.pop(peer, None)
            self._contact.forget(peer.id)
            self._sender.end(peer.id)
            self._probes.pop(peer.id, None)

    def _tell_removed(self, change: MemberChange) -> None:
        if change.op is MemberOp.REMOVE and change.node_id in self._sessions and self._is_leader():
            self._hold(change.node_id, {"type": "removed", "term": self._node.raftCurrentTerm})

    # State hashes

    def _note_digest(self, peer: str, digest: list[object] | None) -> None:
        if digest is None:
            return
        index, expected = digest
        assert isinstance(index, int)
        assert isinstance(expected, bytes)
        self._digests[index] = (peer, expected)
        while len(self._digests) > DIGESTS_REMEMBERED:
            del self._digests[next(iter(self._digests))]
        self._compare_digest(index)

    def _compare_digest(self, index: int) -> None:
        if index not in self._digests:
            return
        mine = self._machine.checkpoint_at(index)
        if mine is None:
            return
        peer, expected = self._digests.pop(index)
        if mine != expected:
            raise StateDiverged(
                f"state at index {index} hashes to {mine.hex()} here and to {expected.hex()} on leader {peer}: "
                "remove this node and join it again under a new identity"
            )

    # Small parts

    def _has(self, rule: Rule) -> bool:
        return rule not in self._off

    def _is_leader(self) -> bool:
        return bool(self._node._SyncObj__raftState == LEADER)

    def _is_leading(self) -> bool:
        return self._is_leader() and self._transfer_deadline is None

    def _is_ready(self) -> bool:
        """Whether an entry of this leader's own term is applied (H33)."""
        node = self._node
        return bool(node._SyncObj__noopIDx is not None and node.raftLastApplied >= node._SyncObj__noopIDx)

    def _leader_id(self) -> str | None:
        leader = self._node._SyncObj__raftLeader
        return None if leader is None else str(leader.id)

    def _hears_leader(self) -> bool:
        if self._is_leader():
            return True
        return self._clock() - self._heard_leader_at < self.timing.election_min_s

    def _deadline(self) -> float:
        return float(self._node._SyncObj__raftElectionDeadline)

    def _set_deadline(self, at: float) -> None:
        self._node._SyncObj__raftElectionDeadline = at

    def _election_timeout_s(self) -> float:
        return self._rng.uniform(self.timing.election_min_s, self.timing.election_max_s)

    def _quorum_seq(self) -> int:
        return self._contact.quorum_seq(list(self.members.voters), self.node_id, self.members.quorum)

    def _raft_node(self, peer: str) -> RaftNode:
        node = self._peers.get(peer)
        if node is None:
            node = self._peers[peer] = RaftNode(peer)
        return node

    def _flow(self, peer: str) -> _Flow:
        flow = self._flows.get(peer)
        if flow is None:
            flow = self._flows[peer] = _Flow()
        return flow

    def _hold(self, peer: str, message: Message) -> None:
        """Send after the next sync of the journal."""
        self._held.append((peer, message))

    def _acknowledge(self, peer: str, next_index: int, *, success: bool, reset: bool = False) -> None:
        self._hold(
            peer,
            {
                "type": "next_node_idx",
                "term": self._node.raftCurrentTerm,
                "next_node_idx": next_index,
                "reset": reset,
                "success": success,
                "seq": self._reply_seq,
            },
        )

    def _append_entries(self) -> Message:
        node = self._node
        return {"type": "append_entries", "term": node.raftCurrentTerm, "commit_index": node.raftCommitIndex}

    def _send_append_entries(self, peer: str, message: Message) -> None:
        if peer not in self._sessions:
            return
        checkpoint = self._machine.checkpoint()
        message["seq"] = self._broadcast_seq
        message["digest"] = None if checkpoint is None else [checkpoint[0], checkpoint[1]]
        entries = message.get("entries")
        if entries:
            message["entries"] = entries = list(entries)
            flow = self._flow(peer)
            flow.add(entries[-1][1], sum(len(command) for command, _, _ in entries))
            if flow.bytes > self.timing.inflight_bytes:
                # pysyncobj stops sending to a peer that is not connected; `after_append` puts it back.
                self._node._SyncObj__connectedNodes.discard(self._raft_node(peer))
        # Entries may overtake the leader's own sync: it counts itself only after it. A term or a vote may not.
        if self._journal.hard_state_dirty:
            self._hold(peer, message)
        else:
            self._transmit(peer, message)

    def _send_chunks(self, peer: str, now: float, *, with_heartbeat: bool) -> None:
        for _ in range(self.timing.snapshot_window):
            chunk = self._sender.next_chunk(peer, now)
            if chunk is None:
                break
            self._broadcast_seq = self._contact.next_seq(now)
            self._sender.sent(peer, self._broadcast_seq)
            self._send_append_entries(peer, {**self._append_entries(), "serialized": chunk})
            with_heartbeat = False
        if with_heartbeat:
            self._send_append_entries(peer, {**self._append_entries(), "serialized": None})

    def _start_stream_afresh(self, peer: str) -> None:
        """What was under way in the old session is lost: continue from the last acknowledgement."""
        raft_node = self._raft_node(peer)
        self._flow(peer).clear()
        self._probes.pop(peer, None)
        self._sender.end(peer)
        node = self._node
        matched = node._SyncObj__raftMatchIndex.get(raft_node, 0)
        if matched and self._is_leader():
            node._SyncObj__raftNextIndex[raft_node] = matched + 1

    def _step_down(self, term: int) -> None:
        """Follow a higher term, without a vote in it yet."""
        node = self._node
        node.set_term(term, None)
        node.become_follower()

    def _lose_leadership(self, now: float) -> None:
        node = self._node
        if self._has(Rule.FRESH_DEADLINE):
            self._set_deadline(now + self._election_timeout_s())
        self._transfer_deadline = None
        self._reads.refuse_unconfirmed()
        self._sender.end_all()
        waiting = node._SyncObj__commandsWaitingCommit
        for index in sorted(waiting):
            for _, callback in waiting[index]:
                callback(None, -1)
        waiting.clear()
        log.info("raft.lost_leadership", extra={"node_id": self.node_id, "term": node.raftCurrentTerm})

    def _align_log_with_state(self) -> None:
        """Make the log continue where the state is: a crash may have fallen between installing a snapshot and noting it."""
        journal, machine = self._journal, self._machine
        applied = machine.applied_index
        if applied <= 1:
            return
        if (
            len(journal) == 0
            or applied > journal.last_index
            or self._is_other_history(applied, machine.applied_term)
        ):
            journal.reset(applied, machine.applied_term, machine.members())
            journal.sync()
        elif applied < journal.first_index:
            raise LogUnusable(
                f"the state reaches index {applied} but the log begins at {journal.first_index}: entries between are lost; "
                "remove this node and join it again under a new identity"
            )

    def _is_other_history(self, index: int, term: int) -> bool:
        held = self._journal.term_at(index)
        return held is not None and held != term
