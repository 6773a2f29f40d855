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
from collections.abc import Callable, Mapping
from functools import partial

from cluster.raft.binding import RaftNode, Surroundings, bind, enter, inside
from cluster.raft.core import Core
from cluster.raft.following import Following
from cluster.raft.forwarding import Forwarding, OnProposal, OnRead
from cluster.raft.journal import Journal
from cluster.raft.leading import Leading
from cluster.raft.membership import MemberChange, MemberOp, Membership, decode_change, decode_membership
from cluster.raft.node import LEADER, GuardedNode
from cluster.raft.ports import Machine
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
    Role,
    Rule,
    Timing,
)
from cluster.raft.voting import Voting

log = logging.getLogger(__name__)

_REGULAR = bytes((COMMAND_REGULAR,))


def found_cluster(journal: Journal, voters: Mapping[str, str]) -> None:
    """Write the first entries of a new cluster's log: its members, as changes like all later ones.

    Every founder writes the same; a node that joins later starts with an empty log and is sent them.
    """
    assert len(journal) == 0, "a cluster is founded on an empty log"
    journal.add(NO_OP, 1, 0)
    for index, node_id in enumerate(sorted(voters), start=2):
        journal.add(MemberChange(MemberOp.VOTER, node_id, voters[node_id]).encode(), index, 0)
    journal.sync()


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
        self._core = core = Core(
            node_id=node_id,
            timing=timing,
            journal=journal,
            machine=machine,
            transmit=send,
            clock=clock,
            rng=rng,
            switched_off=switched_off,
        )
        self._surroundings = Surroundings(clock, rng)
        self._answers: list[Callable[[], None]] = []
        self._transfer_deadline: float | None = None
        self._is_removed = False
        self._last_turn_at = now = clock()
        _align_log_with_state(journal, machine)
        core.members = self._members_in_log()
        core.committed_members = decode_membership(machine.members())
        self._leading = Leading(core)
        self._following = Following(core, self._follow_membership)
        self._voting = Voting(core, self._following)
        self._forwarding = Forwarding(core, self._leading.reads, incarnation, self._answers_append)
        with inside(self._surroundings):
            core.node = node = GuardedNode(self, node_id, sorted(core.members.voters), journal, timing)
            applied = max(1, machine.applied_index)
            node._SyncObj__raftLastApplied = applied
            journal.setRaftCommitIndex(applied)
            node._SyncObj__raftCommitIndex = max(
                applied, min(journal.getRaftCommitIndex(), journal.last_index)
            )
            core.deadline = now + core.election_timeout_s()
        self._refresh_peers()

    @property
    def node_id(self) -> str:
        return self._core.node_id

    @property
    def members(self) -> Membership:
        """In force: the log's, committed or not."""
        return self._core.members

    @property
    def committed_members(self) -> Membership:
        """As of the applied index: what may be told to others."""
        return self._core.committed_members

    # Inputs

    def peer_connected(self, peer: str) -> None:
        """A session with `peer` is up; messages of earlier sessions will not arrive any more."""
        core = self._core
        if peer == core.node_id:
            return
        core.sessions.add(peer)
        core.node._SyncObj__connectedNodes.add(core.raft_node(peer))
        self._leading.start_afresh(peer)
        self._refresh_peers()
        core.is_broadcast_due = True

    def peer_disconnected(self, peer: str) -> None:
        """The session with `peer` has ended; of what was not acknowledged nobody knows whether it arrived."""
        core = self._core
        core.sessions.discard(peer)
        core.node._SyncObj__connectedNodes.discard(core.raft_node(peer))
        self._leading.start_afresh(peer)
        self._refresh_peers()
        self._forwarding.lose(peer)

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
            self.answer(on_result, ProposalOutcome(Outcome.REFUSED, result=reason.encode()))
        elif self._is_leading():
            self._append(_REGULAR + command, on_result)
        else:
            self._forwarding.propose({"type": "propose", "command": command}, on_result)

    def change_members(self, change: MemberChange, on_result: OnProposal) -> None:
        """Have one membership change committed. Refusals carry their reason in `result`."""
        if self._is_leading():
            refusal = self._refuse_change(change)
            if refusal is not None:
                self.answer(on_result, ProposalOutcome(Outcome.REFUSED, result=refusal.encode()))
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
            self._forwarding.propose(message, on_result)

    def read_index(self, on_result: OnRead) -> None:
        """Call back once everything committed before this call is applied here."""
        if self._is_leading():
            self._leading.reads.request(partial(self._forwarding.read_confirmed, on_result))
        else:
            self._forwarding.read_index(on_result)

    def transfer_leadership(self, target: str | None) -> bool:
        """Hand leadership to `target`, or to the member that is furthest. False when nobody can take it
        now.
        """
        core, node = self._core, self._core.node
        if not self._is_leading():
            return False
        matches = {
            peer: node._SyncObj__raftMatchIndex.get(core.raft_node(peer), 0)
            for peer in sorted(core.members.voters)
            if peer != core.node_id and peer in core.sessions
        }
        furthest = max(matches, key=lambda peer: matches[peer], default=None)
        peer = furthest if target is None else target
        if peer is None or matches.get(peer, -1) < min(core.journal.last_index, node.raftCommitIndex):
            return False
        self._leading.contact.surrender()
        self._transfer_deadline = core.clock() + core.timing.transfer_s
        core.hold(peer, {"type": "timeout_now", "term": core.term})
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
        core, node = self._core, self._core.node
        if self._answers or core.is_broadcast_due or node.raftCommitIndex > node.raftLastApplied:
            return self._last_turn_at
        latest = self._last_turn_at + core.timing.election_min_s / 4
        if core.is_leader:
            return min(latest, float(node._SyncObj__newAppendEntriesTime), self._leading.commit_notice_at)
        return min(latest, core.deadline) if core.is_voter else latest

    def status(self) -> EngineStatus:
        """A consistent look at this node, for the owner to publish."""
        core, node = self._core, self._core.node
        is_leader, is_voter = core.is_leader, core.is_voter
        state = (Role.FOLLOWER, Role.CANDIDATE, Role.LEADER)[node._SyncObj__raftState]
        match_index = {peer.id: index for peer, index in node._SyncObj__raftMatchIndex.items()}
        reachable = is_voter + sum(
            peer in core.sessions for peer in core.members.voters if peer != core.node_id
        )
        return EngineStatus(
            node_id=core.node_id,
            role=state if is_voter else Role.LEARNER,
            term=core.term,
            leader_id=core.leader_id,
            commit_index=node.raftCommitIndex,
            applied_index=node.raftLastApplied,
            last_index=core.journal.last_index,
            first_index=core.journal.first_index,
            log_bytes=core.journal.size_bytes,
            voters=core.members.voters,
            learners=core.members.learners,
            connected=frozenset(core.sessions),
            match_index=match_index if is_leader else {},
            is_ready=is_leader and core.is_ready,
            lease_until=self._leading.lease_until(),
            heard_leader_at=core.clock() if is_leader else self._following.heard_leader_at,
            is_removed=self._is_removed,
            has_quorum=bool(core.members.voters) and reachable >= core.members.quorum,
        )

    def destroy(self) -> None:
        """Let go of the snapshots being sent or received. Journal and machine belong to the owner."""
        self._leading.sender.end_all()
        self._following.abort()

    # The turn

    def _turn(self) -> None:
        core, node, leading = self._core, self._core.node, self._leading
        now = core.clock()
        self._notice_gap(now)
        if core.is_leader:
            leading.index_reads()
            if core.is_broadcast_due or now >= leading.commit_notice_at:
                node.append_entries_now()
        core.sync_and_release()
        # Of an earlier turn that found no room. Not first: a full state shall keep no handover from leaving.
        core.machine.flush()
        if not self._is_removed:
            self._voting.stand(now)
        self._end_failed_transfer(now)
        self._voting.tick(now)
        core.machine.flush()
        if core.is_leader:
            leading.note_commit(now)
            if core.is_broadcast_due or now >= leading.commit_notice_at:
                node.append_entries_now()
            leading.confirm_reads()
        core.is_broadcast_due = False
        if core.journal.dirty or core.is_holding:
            core.sync_and_release()
        leading.reads.applied(node.raftLastApplied)
        self._last_turn_at = now
        answers, self._answers = self._answers, []
        for answer in answers:
            answer()

    def _notice_gap(self, now: float) -> None:
        """After a pause, hear what the sockets hold before suspecting the leader (H20)."""
        core = self._core
        is_gap = now - self._last_turn_at > core.timing.election_min_s / 2
        if is_gap and not core.is_leader and core.has(Rule.TICK_GAP):
            core.deadline = max(core.deadline, now + core.election_timeout_s())

    def _end_failed_transfer(self, now: float) -> None:
        """A leader that told another to stand and still leads may hold no lease: it steps down."""
        if self._transfer_deadline is not None and now >= self._transfer_deadline and self._core.is_leader:
            log.warning("raft.transfer_failed", extra={"node_id": self.node_id, "term": self._core.term})
            self._core.node.become_follower()

    # What pysyncobj asks (NodeHost)

    def on_send(self, peer: str, message: Message) -> None:
        match message["type"]:
            case "append_entries":
                self._leading.send_append_entries(peer, message)
            case "next_node_idx":
                self._core.hold(peer, self._following.complete_ack(message))
            case "request_vote":
                self._core.hold(peer, self._voting.complete_request(message))
            case "response_vote":
                self._core.hold(peer, message)
            case other:
                raise AssertionError(f"pysyncobj sent {other}, which the engine never causes")

    def before_apply(self, count: int) -> None:
        core = self._core
        if core.is_leader and count >= core.timing.commit_notice_entries and self._leading.knows_more:
            core.node.append_entries_now()

    def on_apply(self, index: int, term: int, command: bytes) -> bytes:
        core, machine = self._core, self._core.machine
        kind = command[0] if command else COMMAND_REGULAR
        result = b""
        if kind == COMMAND_REGULAR:
            result = machine.apply_command(index, term, command[1:])
        elif kind == COMMAND_MEMBERSHIP:
            change = decode_change(command)
            if change is not None:
                core.committed_members = core.committed_members.after(change)
                self._tell_removed(change)
            machine.set_members(index, term, core.committed_members.encode())
        else:
            machine.advance(index, term)
        if index in self._following.digests:
            self._following.compare_digest(index)
        return result

    def on_state_changed(self, old: int, new: int) -> None:
        core = self._core
        if new == LEADER:
            self._voting.settle()
            self._leading.begin_term()
            self._transfer_deadline = None
            log.info("raft.elected", extra={"node_id": core.node_id, "term": core.term})
        elif old == LEADER:
            if core.has(Rule.FRESH_DEADLINE):
                core.deadline = core.clock() + core.election_timeout_s()
            self._transfer_deadline = None
            self._leading.end_term()
            core.node.forget_waiting()
            log.info("raft.lost_leadership", extra={"node_id": core.node_id, "term": core.term})

    def before_append(self) -> list[RaftNode]:
        return self._leading.before_append()

    def after_append(self) -> None:
        self._leading.after_append()

    def compact_log(self) -> None:
        """Drop what is applied durably, but for a trailing window that followers may still need (H16)."""
        journal, timing, machine = self._core.journal, self._core.timing, self._core.machine
        count = journal.last_index - journal.first_index
        is_large = journal.size_bytes > timing.log_bytes_max
        if count <= timing.log_entries_max and not is_large:
            return
        trailing = min(timing.log_trailing, count // 2) if is_large else timing.log_trailing
        upto = min(machine.applied_index, self._core.node.raftLastApplied) - trailing
        floor = self._leading.sender.floor()
        if floor is not None and not is_large:
            upto = min(upto, floor)
        if upto <= journal.first_index:
            return
        upto = min(upto, machine.sync())
        if upto <= journal.first_index:
            return
        passed = [entry for entry in journal.membership_entries() if entry[1] <= upto]
        journal.compact(upto, decode_membership(journal.base_members).after_entries(passed).encode())
        self._following.note_compaction()

    # Messages in

    def _receive(self, peer: str, message: Message) -> None:
        core = self._core
        if peer in core.committed_members.removed:
            if message["type"] != "removed":
                core.hold(peer, {"type": "removed", "term": core.term})
            return
        match message["type"]:
            case "append_entries":
                if self._following.on_append_entries(peer, message):
                    self._voting.settle()
            case "next_node_idx":
                self._leading.on_ack(peer, message)
            case "request_vote":
                self._voting.on_request_vote(peer, message)
            case "response_vote":
                self._voting.on_vote(peer, message)
            case "pre_vote":
                self._voting.on_pre_vote(peer, message)
            case "pre_vote_reply":
                self._voting.on_pre_vote_reply(peer, message)
            case "timeout_now":
                if core.is_voter:
                    core.node.deliver(core.raft_node(peer), message)
            case "propose":
                self._on_propose(peer, message)
            case "change":
                self._on_change(peer, message)
            case "proposed":
                self._forwarding.on_proposed(peer, message)
            case "read_index":
                self._on_read_index(peer, message["id"])
            case "read_index_reply":
                self._forwarding.on_read_index_reply(peer, message)
            case "removed":
                self._on_removed(peer, message)
            case other:
                raise AssertionError(f"{other} is no message of this protocol; the wire decoder refuses it")

    def _on_removed(self, peer: str, message: Message) -> None:
        """A member says that this node's removal is committed, which is so for ever, whatever the term."""
        if not self._core.is_leader:
            log.warning("raft.removed", extra={"node_id": self.node_id, "said_by": peer})
            self._is_removed = True

    def _on_propose(self, peer: str, message: Message) -> None:
        reply = partial(self._reply_proposed, peer, message["id"])
        if not self._is_leading():
            reply(ProposalOutcome(Outcome.NOT_LEADER))
        elif len(message["command"]) > COMMAND_BYTES_MAX:
            reply(ProposalOutcome(Outcome.REFUSED, result=b"the command is too large"))
        else:
            self._append(_REGULAR + message["command"], reply)
            self._leading.awaited_index = self._core.journal.last_index

    def _on_change(self, peer: str, message: Message) -> None:
        reply = partial(self._reply_proposed, peer, message["id"])
        if self._is_leading():
            self.change_members(
                MemberChange(MemberOp(message["op"]), message["node"], message["address"]), reply
            )
            self._leading.awaited_index = self._core.journal.last_index
        else:
            reply(ProposalOutcome(Outcome.NOT_LEADER))

    def _reply_proposed(self, peer: str, request: list[object], outcome: ProposalOutcome) -> None:
        reply = {
            "type": "proposed",
            "id": request,
            "outcome": int(outcome.outcome),
            "index": outcome.index,
            "term": outcome.term,
            "result": outcome.result,
        }
        self._core.send(peer, reply)

    def _on_read_index(self, peer: str, request: list[object]) -> None:
        def reply(index: int) -> None:
            self._core.hold(peer, {"type": "read_index_reply", "id": request, "index": index})

        if self._is_leading():
            self._leading.reads.request(reply)
        else:
            reply(-1)

    # Proposals

    def _append(self, command: bytes, on_result: OnProposal) -> None:
        core = self._core
        if core.node.waiting_count() >= core.timing.proposals_max:
            self.answer(on_result, ProposalOutcome(Outcome.OVERLOADED))
            return
        index, term = core.journal.last_index + 1, core.term
        core.journal.add(command, index, term)
        core.node.when_applied(index, term, on_result)
        core.is_broadcast_due = True

    def answer(self, on_result: OnProposal, outcome: ProposalOutcome) -> None:
        self._answers.append(partial(on_result, outcome))

    def _answers_append(self, answer: Callable[[], None]) -> None:
        self._answers.append(answer)

    def _is_leading(self) -> bool:
        """Whether new work is taken: not once another node was told to stand."""
        return self._core.is_leader and self._transfer_deadline is None

    # Membership

    def _refuse_change(self, change: MemberChange) -> str | None:
        core, node = self._core, self._core.node
        if not core.is_ready:
            return "this leader has not committed an entry of its own term yet: try again in a moment"
        pending = [entry for entry in core.journal.membership_entries() if entry[1] > node.raftLastApplied]
        if pending and core.has(Rule.ONE_CHANGE_AT_A_TIME):
            return "another membership change is not committed yet: try again in a moment"
        refusal = core.members.refuse(change, leader_id=core.node_id)
        if refusal is not None:
            return refusal
        if change.op is MemberOp.VOTER:
            matched = node._SyncObj__raftMatchIndex.get(core.raft_node(change.node_id), 0)
            lag = core.journal.last_index - matched
            if change.node_id not in core.sessions or lag > core.timing.promote_lag_max:
                return f"{change.node_id} is {lag} entries behind: it may vote once it has caught up"
        return None

    def _members_in_log(self) -> Membership:
        journal = self._core.journal
        return decode_membership(journal.base_members).after_entries(journal.membership_entries())

    def _follow_membership(self) -> None:
        """Put the membership of the log in force, as soon as it is in the log."""
        core = self._core
        members = self._members_in_log()
        # A change that this node appended itself, as leader, is missed too once another leader replaces it.
        self._following.note_compaction()
        if members != core.members:
            core.members = members
            self._refresh_peers()
            core.is_broadcast_due = True

    def _refresh_peers(self) -> None:
        """Bring pysyncobj's sets of peers in line with members and sessions."""
        core, node = self._core, self._core.node
        voters = {core.raft_node(peer) for peer in core.members.voters if peer != core.node_id}
        learners = {
            core.raft_node(peer)
            for peer in core.members.learners
            if peer != core.node_id and peer in core.sessions
        }
        node._SyncObj__otherNodes = voters
        node._SyncObj__readonlyNodes = learners
        now = core.clock()
        next_index, match_index = node._SyncObj__raftNextIndex, node._SyncObj__raftMatchIndex
        last_response = node._SyncObj__lastResponseTime
        for peer in voters | learners:
            next_index.setdefault(peer, core.journal.last_index + 1)
            match_index.setdefault(peer, 0)
            last_response.setdefault(peer, now)
        for peer in [peer for peer in next_index if peer not in voters and peer not in learners]:
            del next_index[peer]
            match_index.pop(peer, None)
            last_response.pop(peer, None)
            self._leading.forget(peer.id)

    def _tell_removed(self, change: MemberChange) -> None:
        core = self._core
        if change.op is MemberOp.REMOVE and core.is_leader:
            core.hold(change.node_id, {"type": "removed", "term": core.term})


def _align_log_with_state(journal: Journal, machine: Machine) -> None:
    """Make the log continue where the state is: a crash may have come between a snapshot and its note in
    the log.
    """
    applied = machine.applied_index
    if applied <= 1:
        return
    held_term = journal.term_at(applied)
    if applied > journal.last_index or (held_term is not None and held_term != machine.applied_term):
        journal.reset(applied, machine.applied_term, machine.members())
        journal.sync()
    elif held_term is None:
        raise LogUnusable(
            f"the state reaches index {applied} but the log begins at {journal.first_index}: entries "
            "between are lost; remove this node and join it again under a new identity"
        )
