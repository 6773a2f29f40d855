"""Elections around pysyncobj's own: when this node stands, and for whom it votes.

pysyncobj 0.3.17 has no pre-vote, counts a duplicated vote twice, and lets any node that was paused depose a
healthy leader (H5, H20, H24, H25).
"""

from __future__ import annotations

from cluster.raft.core import Core
from cluster.raft.elections import Candidacy
from cluster.raft.following import Following
from cluster.raft.node import CANDIDATE
from cluster.raft.types import Message, Rule

NEVER = float("-inf")


class Voting:
    """Stands for election, asks for pre-votes, and grants them."""

    def __init__(self, core: Core, following: Following) -> None:
        self._core = core
        self._following = following
        self._candidacy = Candidacy(core.timing, core.rng)
        self._is_campaign_due = False
        self._is_transfer_campaign = False

    def settle(self) -> None:
        """A leader is known."""
        self._candidacy.settle()
        self._is_campaign_due = False

    def stand(self, now: float) -> None:
        """See to it that pysyncobj stands for election in its next tick if, and only if, it should."""
        core = self._core
        if core.is_leader:
            return
        if not core.is_voter:
            core.deadline = now + core.timing.election_max_s
            return
        if self._is_campaign_due:
            core.deadline = NEVER
        if core.deadline >= now:
            return
        if core.node._SyncObj__transferInProgress:
            self._is_transfer_campaign = True
            return
        if self._is_campaign_due or core.members.quorum == 1 or not core.has(Rule.PRE_VOTE):
            return
        core.node._SyncObj__raftLeader = None
        core.deadline = now + self._candidacy.retry_delay_s()
        self._ask_for_pre_votes()

    def tick(self, now: float) -> None:
        """One tick of pysyncobj: election if its deadline has passed, commit, apply, heartbeat."""
        core = self._core
        is_campaign = core.deadline < now and not core.is_leader
        self._is_campaign_due = False
        if is_campaign:
            self._candidacy.begin_vote()
        core.node._onTick(0.0)
        self._is_transfer_campaign = False
        if is_campaign and not core.is_leader:
            core.deadline = now + self._candidacy.retry_delay_s()

    def hears_leader(self) -> bool:
        """Whether this node leads, or has heard a leader so lately that no other may be elected."""
        core = self._core
        return core.is_leader or core.clock() - self._following.heard_leader_at < core.timing.election_min_s

    def complete_request(self, message: Message) -> Message:
        message["transfer"] = self._is_transfer_campaign
        return message

    def on_request_vote(self, peer: str, message: Message) -> None:
        core = self._core
        if core.has(Rule.LEADER_STICKINESS) and not message["transfer"] and self.hears_leader():
            return
        core.node.deliver(core.raft_node(peer), message)

    def on_vote(self, peer: str, message: Message) -> None:
        core = self._core
        if peer not in core.members.voters:
            return
        if message["term"] != core.term or core.node._SyncObj__raftState != CANDIDATE:
            return
        if not self._candidacy.count_vote(peer) and core.has(Rule.ONE_VOTE_PER_VOTER):
            return
        core.node.deliver(core.raft_node(peer), message)

    def on_pre_vote(self, peer: str, message: Message) -> None:
        core, journal = self._core, self._core.journal
        theirs = (message["last_log_term"], message["last_log_index"])
        is_up_to_date = theirs >= (journal.last_term, journal.last_index)
        granted = is_up_to_date and message["term"] > core.term and not self.hears_leader()
        core.hold(
            peer, {"type": "pre_vote_reply", "term": core.term, "round": message["round"], "granted": granted}
        )

    def on_pre_vote_reply(self, peer: str, message: Message) -> None:
        core = self._core
        if message["term"] > core.term:
            core.step_down(message["term"])
            return
        if not message["granted"] or peer not in core.members.voters or core.is_leader:
            return
        if self._candidacy.grant(peer, message["round"]) + 1 >= core.members.quorum:
            self._is_campaign_due = True

    def _ask_for_pre_votes(self) -> None:
        core = self._core
        message = {
            "type": "pre_vote",
            "term": core.term + 1,
            "last_log_index": core.journal.last_index,
            "last_log_term": core.journal.last_term,
            "round": self._candidacy.begin_pre_vote(),
        }
        for peer in core.members.voters:
            if peer != core.node_id:
                core.hold(peer, dict(message))
