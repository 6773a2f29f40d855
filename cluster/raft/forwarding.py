"""Proposals and reads of a follower, passed to the leader and answered once.

Replaces pysyncobj's own forwarding, whose request numbers start again at every restart, whose refusals and
unknown outcomes look alike, and which lets a peer inject any kind of command (H30, H31, H34).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from cluster.raft.core import Core
from cluster.raft.reads import ReadQueue
from cluster.raft.types import Message, Outcome, ProposalOutcome, ReadOutcome

FORWARDED_MAX = 8192

_T = TypeVar("_T")

OnProposal = Callable[[ProposalOutcome], None]
OnRead = Callable[[ReadOutcome], None]


class Forwarding:
    """Requests of this start of the node (`incarnation`) under way to a leader.

    `answer` queues a callback for the end of the turn.
    """

    def __init__(
        self, core: Core, reads: ReadQueue, incarnation: str, answer: Callable[[Callable[[], None]], None]
    ) -> None:
        self._core = core
        self._reads = reads
        self._incarnation = incarnation
        self._answer = answer
        self._proposals: dict[int, tuple[str, OnProposal]] = {}
        self._indexes: dict[int, tuple[str, OnRead]] = {}
        self._count = 0

    def propose(self, message: Message, on_result: OnProposal) -> None:
        """Pass on a `propose` or `change` message, still without its id."""
        leader = self._reachable_leader()
        if leader is None:
            self._answer(partial(on_result, ProposalOutcome(Outcome.NO_LEADER)))
        elif len(self._proposals) >= FORWARDED_MAX:
            self._answer(partial(on_result, ProposalOutcome(Outcome.OVERLOADED)))
        else:
            number = self._next_number()
            self._proposals[number] = (leader, on_result)
            self._core.hold(leader, {**message, "id": [self._incarnation, number]})

    def read_index(self, on_result: OnRead) -> None:
        leader = self._reachable_leader()
        if leader is None or len(self._indexes) >= FORWARDED_MAX:
            self._answer(partial(on_result, ReadOutcome(-1)))
            return
        number = self._next_number()
        self._indexes[number] = (leader, on_result)
        self._core.hold(leader, {"type": "read_index", "id": [self._incarnation, number]})

    def on_proposed(self, peer: str, message: Message) -> None:
        """The leader's answer. An applied entry is reported once this node has applied it too."""
        on_result = self._take(self._proposals, peer, message["id"])
        if on_result is None:
            return
        outcome = ProposalOutcome(
            Outcome(message["outcome"]), message["index"], message["term"], message["result"]
        )
        tell = partial(on_result, outcome)
        if outcome.outcome is Outcome.APPLIED:
            self._reads.when_applied(outcome.index, lambda _: self._answer(tell))
        else:
            self._answer(tell)

    def on_read_index_reply(self, peer: str, message: Message) -> None:
        on_result = self._take(self._indexes, peer, message["id"])
        if on_result is not None:
            self.read_confirmed(on_result, message["index"])

    def read_confirmed(self, on_result: OnRead, index: int) -> None:
        """Answer a read once this node has applied what the leader confirmed; -1 is a refusal."""
        if index < 0:
            self._answer(partial(on_result, ReadOutcome(-1)))
        else:
            self._reads.when_applied(index, lambda at: self._answer(partial(on_result, ReadOutcome(at))))

    def lose(self, peer: str) -> None:
        """The session that would have brought the answers is gone: nobody knows how they ended."""
        for number in [number for number, (leader, _) in self._proposals.items() if leader == peer]:
            self._answer(partial(self._proposals.pop(number)[1], ProposalOutcome(Outcome.UNKNOWN)))
        for number in [number for number, (leader, _) in self._indexes.items() if leader == peer]:
            self._answer(partial(self._indexes.pop(number)[1], ReadOutcome(-1)))

    def _reachable_leader(self) -> str | None:
        leader = self._core.leader_id
        return leader if leader != self._core.node_id and leader in self._core.sessions else None

    def _next_number(self) -> int:
        self._count += 1
        return self._count

    def _take(self, waiting: dict[int, tuple[str, _T]], peer: str, request: list[object]) -> _T | None:
        """Whose answer this is; nobody's if it is of an earlier start, another leader, or answered
        already.
        """
        incarnation, number = request
        assert isinstance(number, int)
        leader, on_result = waiting.get(number, (None, None))
        if incarnation != self._incarnation or leader != peer:
            return None
        del waiting[number]
        return on_result
