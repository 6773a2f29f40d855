"""What the parts of an engine share: the guarded node, its disk and clock, its peers, and what waits to be
sent.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from cluster.raft.binding import RaftNode
from cluster.raft.journal import Journal
from cluster.raft.log_types import LogStorageFull
from cluster.raft.membership import Membership
from cluster.raft.node import LEADER, GuardedNode
from cluster.raft.ports import Machine
from cluster.raft.types import Message, Rule, Timing


class Core:
    """Plain state and the questions asked of it everywhere. `node` is set once, by the engine."""

    node: GuardedNode

    def __init__(
        self,
        *,
        node_id: str,
        timing: Timing,
        journal: Journal,
        machine: Machine,
        transmit: Callable[[str, Message], None],
        clock: Callable[[], float],
        rng: random.Random,
        switched_off: frozenset[Rule],
    ) -> None:
        self.node_id = node_id
        self.timing = timing
        self.journal = journal
        self.machine = machine
        self.clock = clock
        self.rng = rng
        self.members = Membership()
        """In force: the log's, committed or not."""
        self.committed_members = Membership()
        self.sessions: set[str] = set()
        self.is_broadcast_due = False
        """There is something that peers should be told in this turn."""
        self._transmit = transmit
        self._switched_off = switched_off
        self._held: list[tuple[str, Message]] = []
        self._raft_nodes: dict[str, RaftNode] = {}

    # Sending

    def send(self, peer: str, message: Message) -> None:
        """Send at once. Only for messages that promise nothing about this node's disk."""
        if peer in self.sessions:
            self._transmit(peer, message)

    def hold(self, peer: str, message: Message) -> None:
        """Send after the next sync of the journal."""
        self._held.append((peer, message))

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    def sync_and_release(self) -> None:
        """One durable write for all that is pending, then everything that waited for it.

        Raises:
            LogStorageFull: no entry was written, and what acknowledges entries stays held. Votes have left if
                term and vote could be written all the same.
            LogStorageFailed: nothing was sent.
        """
        if self.has(Rule.SYNC_BEFORE_SEND):
            try:
                self.journal.sync()
            except LogStorageFull:
                self._release_votes()
                raise
        held, self._held = self._held, []
        for peer, message in held:
            self.send(peer, message)
        if not self.has(Rule.SYNC_BEFORE_SEND):
            self.journal.sync()

    def _release_votes(self) -> None:
        """A node whose disk has no room for entries still helps to elect a leader."""
        if self.journal.hard_state_dirty:
            return
        held, self._held = self._held, []
        for peer, message in held:
            if message["type"] == "next_node_idx":
                self._held.append((peer, message))
            else:
                self.send(peer, message)

    # Questions

    def has(self, rule: Rule) -> bool:
        return rule not in self._switched_off

    @property
    def term(self) -> int:
        return int(self.node.raftCurrentTerm)

    @property
    def is_leader(self) -> bool:
        return bool(self.node._SyncObj__raftState == LEADER)

    @property
    def is_voter(self) -> bool:
        return self.node_id in self.members.voters

    @property
    def leader_id(self) -> str | None:
        leader = self.node._SyncObj__raftLeader
        return None if leader is None else str(leader.id)

    @property
    def is_ready(self) -> bool:
        """Whether an entry of this leader's own term is applied (H33)."""
        no_op_index = self.node._SyncObj__noopIDx
        return no_op_index is not None and int(self.node.raftLastApplied) >= no_op_index

    def raft_node(self, peer: str) -> RaftNode:
        node = self._raft_nodes.get(peer)
        if node is None:
            node = self._raft_nodes[peer] = RaftNode(peer)
        return node

    def election_timeout_s(self) -> float:
        return self.rng.uniform(self.timing.election_min_s, self.timing.election_max_s)

    @property
    def deadline(self) -> float:
        return float(self.node._SyncObj__raftElectionDeadline)

    @deadline.setter
    def deadline(self, at: float) -> None:
        self.node._SyncObj__raftElectionDeadline = at

    def step_down(self, term: int) -> None:
        """Follow a higher term, without a vote in it yet."""
        self.node.set_term(term, None)
        self.node.become_follower()
