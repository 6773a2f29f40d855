"""pysyncobj's SyncObj with its unsafe doors closed; what remains is elections, commit and replication.

Every override below replaces a private method by its mangled name, which `binding.self_test`
checks. The attributes read here are pysyncobj's own state: there is no second copy of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pysyncobj import SyncObj, SyncObjConf  # type: ignore[import-untyped]  # ships no types
from pysyncobj.transport import Transport  # type: ignore[import-untyped]  # ships no types

from cluster.raft.binding import RaftNode
from cluster.raft.journal import Journal
from cluster.raft.types import Message, Outcome, ProposalOutcome, RaftError, Timing

FOLLOWER, CANDIDATE, LEADER = 0, 1, 2

_UNKNOWN = ProposalOutcome(Outcome.UNKNOWN)
_DISCARDED = ProposalOutcome(Outcome.DISCARDED)

OnProposal = Callable[[ProposalOutcome], None]


class NodeHost(Protocol):
    """What the node asks of its engine."""

    def on_send(self, peer: str, message: Message) -> None: ...
    def before_apply(self, count: int) -> None:
        """So many committed entries are about to be applied."""
        ...

    def on_apply(self, index: int, term: int, command: bytes) -> bytes: ...
    def answer(self, on_result: OnProposal, outcome: ProposalOutcome) -> None:
        """Tell `on_result` at the end of the turn."""
        ...

    def on_state_changed(self, old: int, new: int) -> None: ...
    def before_append(self) -> list[RaftNode]:
        """Peers that must not be sent entries just now."""
        ...

    def after_append(self) -> None:
        """Serve the peers held back, and mark every peer with a session as connected again."""
        ...

    def compact_log(self) -> None: ...


class _Outlet(Transport):  # type: ignore[misc]  # pysyncobj is untyped
    """Where pysyncobj hands its messages; connections are the engine's business."""

    def __init__(self, host: NodeHost) -> None:
        super().__init__(None, None, [])
        self._host = host

    @property
    def ready(self) -> bool:
        return True

    def send(self, node: RaftNode, message: Message) -> bool:
        self._host.on_send(node.id, message)
        return True

    def addNode(self, node: RaftNode) -> None:
        return

    def dropNode(self, node: RaftNode) -> None:
        return

    def destroy(self) -> None:
        return


class GuardedNode(SyncObj):  # type: ignore[misc]  # pysyncobj is untyped
    """One pysyncobj node. Runs only inside `binding.inside` of its engine."""

    def __init__(
        self, host: NodeHost, node_id: str, voters: list[str], journal: Journal, timing: Timing
    ) -> None:
        self._host = host
        self._journal = journal
        self._apply_max = timing.apply_max
        conf = SyncObjConf(
            autoTick=False,
            appendEntriesUseBatch=True,
            appendEntriesPeriod=timing.heartbeat_s,
            appendEntriesBatchSizeBytes=timing.batch_bytes,
            raftMinTimeout=timing.election_min_s,
            raftMaxTimeout=timing.election_max_s,
            connectionTimeout=max(3.5, timing.election_max_s),
            leaderFallbackTimeout=timing.quorum_check_s,
            commandsWaitLeader=False,
            dynamicMembershipChange=False,
            journalFile=journal,
            fullDumpFile=None,
            useFork=False,
            onStateChanged=host.on_state_changed,
        )
        others = [RaftNode(voter) for voter in voters if voter != node_id]
        super().__init__(RaftNode(node_id), others, conf, transport=_Outlet(host))

    def _onTick(self, timeToWait: float = 0.0) -> None:
        self._advance_commit()
        super()._onTick(timeToWait)

    def _advance_commit(self) -> None:
        """Let pysyncobj's walk over the uncommitted entries begin where it will end.

        It counts followers for every entry anew. An entry of the present term that enough of them hold
        commits all before it (Raft, section 5.4.2), so the walk need decide about that one and the next only.
        """
        others = self._SyncObj__otherNodes
        if self._SyncObj__raftState != LEADER or not others:
            return
        matches = sorted([self._SyncObj__raftMatchIndex[peer] for peer in others], reverse=True)
        # pysyncobj's majority: this node and more than half of all, itself counted.
        held = min(matches[(len(others) + 1) // 2 - 1], self._journal.last_index)
        if held - 1 > self.raftCommitIndex and self._journal.term_at(held) == self.raftCurrentTerm:
            self._SyncObj__raftCommitIndex: int = held - 1

    def deliver(self, peer: RaftNode, message: Message) -> None:
        """Hand a message that has passed the guard to pysyncobj."""
        self._SyncObj__onMessageReceived(peer, message)

    def when_applied(self, index: int, term: int, on_result: OnProposal) -> None:
        """Have `on_result` told what became of the entry that is now at `index`."""
        self._SyncObj__commandsWaitingCommit[index].append((term, on_result))

    def waiting_count(self) -> int:
        """How many entries somebody waits for."""
        return len(self._SyncObj__commandsWaitingCommit)

    def append_entries_now(self) -> None:
        self._SyncObj__sendAppendEntries()

    def forget_waiting(self, upto: int | None = None) -> None:
        """Answer who waits for entries up to `upto` (all, without one) that nobody can know how they
        ended.
        """
        waiting = self._SyncObj__commandsWaitingCommit
        for index in sorted(index for index in waiting if upto is None or index <= upto):
            for _, on_result in waiting.pop(index):
                self._host.answer(on_result, _UNKNOWN)

    def set_term(self, term: int, voted_for: str | None) -> None:
        self._SyncObj__setCurrentTerm(term, voted_for)

    def become_follower(self) -> None:
        self._SyncObj__setState(FOLLOWER)
        self._SyncObj__raftLeader = None

    def _SyncObj__sendAppendEntries(self) -> None:
        connected = self._SyncObj__connectedNodes
        held_back = self._host.before_append()
        connected.difference_update(held_back)
        SyncObj._SyncObj__sendAppendEntries(self)
        self._host.after_append()

    def _SyncObj__applyLogEntries(self) -> bool:
        """Apply at most `apply_max` entries, so that a restart does not replay the log in one go (H26).

        In place of pysyncobj's own loop: an entry's callbacks come when it is counted as applied (H10), and a
        loaded node spends a tenth less on an entry.
        """
        applied = int(self.raftLastApplied)
        stop = min(int(self.raftCommitIndex), applied + self._apply_max) + 1
        if applied + 1 >= stop:
            return False
        self._host.before_apply(stop - applied - 1)
        waiting, apply, answer = self._SyncObj__commandsWaitingCommit, self._host.on_apply, self._host.answer
        for command, index, term in self._journal.entries(applied + 1, stop):
            result = apply(index, term, command)
            self._SyncObj__raftLastApplied: int = index
            if index in waiting:
                for proposed_in_term, on_result in waiting.pop(index):
                    if proposed_in_term == term:
                        answer(on_result, ProposalOutcome(Outcome.APPLIED, index, term, result))
                    else:
                        answer(on_result, _DISCARDED)
        return False

    def _SyncObj__doApplyCommand(self, command: bytes) -> Any:
        raise RaftError("pysyncobj tried to apply a command: this node's own loop does")

    def _SyncObj__tryLogCompaction(self) -> None:
        self._host.compact_log()

    def _SyncObj__loadDumpFile(self, clearJournal: bool) -> None:
        raise RaftError("pysyncobj tried to load a dump: the state store is the only snapshot there is")

    def _SyncObj__changeCluster(self, request: object) -> bool:
        raise RaftError("pysyncobj tried to change the membership: the engine alone does")
