"""Who votes: hosts that have caught up are made voters, hosts that left are taken out.

At most five voters, and an odd number of them where that can be had: a second or fourth voter makes the
majority larger and lets no further host be lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from agent.clock import Clock
from agent.leader.ports import Raft, State
from agent.leader.proposing import propose_as_leader
from cluster.commands.nodes import SetNodeRole
from cluster.commands.outcome import Rejected
from cluster.model.ids import NodeId
from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.raft.membership import VOTERS_MAX, MemberChange, MemberOp
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.raft.types import EngineStatus
from cluster.store import ReadTxn
from cluster.store.records import JOIN_TOKENS, NODES

log = logging.getLogger(__name__)

CAUGHT_UP_ENTRIES = 100
"""A learner this close behind the leader slows nothing down by voting."""
LOOK_S = 1.0
CHANGE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ChangeMembers:
    """Change the Raft membership."""

    change: MemberChange


@dataclass(frozen=True, slots=True)
class RecordRole:
    """Write down the part a node has in Raft."""

    node_id: NodeId
    role: NodeRole


@dataclass(frozen=True, slots=True)
class HandOver:
    """This node was removed while it led: another must lead before it can be taken out."""


Step: TypeAlias = ChangeMembers | RecordRole | HandOver


def next_step(
    engine: EngineStatus, nodes: Mapping[NodeId, Node], *, stays_learner: Callable[[Node], bool]
) -> Step | None:
    """Return the next thing to do about the membership; None when it is as it should be.

    One step at a time, since Raft changes one member at a time. `stays_learner` says who was asked not to
    vote.
    """
    by_id = sorted(nodes.values(), key=lambda node: node.id)
    for node in by_id:
        if not node.is_member and (node.id in engine.voters or node.id in engine.learners):
            if node.id == engine.node_id:
                return HandOver()
            if set(engine.voters) != {node.id}:
                return ChangeMembers(MemberChange(MemberOp.REMOVE, node.id))
    for node in by_id:
        role = NodeRole.VOTER if node.id in engine.voters else NodeRole.LEARNER
        if node.is_member and node.role is not role:
            return RecordRole(node.id, role)
    ready = [
        node
        for node in sorted(by_id, key=lambda node: (node.joined_at_ms, node.id))
        if _is_ready(engine, node) and not stays_learner(node)
    ]
    voters = len(engine.voters)
    # Two are promoted one after the other; should the second fail, the next look makes the number odd again.
    if ready and voters < VOTERS_MAX and (voters % 2 == 0 or len(ready) > 1):
        return ChangeMembers(MemberChange(MemberOp.VOTER, ready[0].id, ready[0].address))
    return None


def _is_ready(engine: EngineStatus, node: Node) -> bool:
    return (
        node.id in engine.learners
        and node.status is NodeStatus.UP
        and node.id in engine.connected
        and engine.last_index - engine.match_index.get(node.id, 0) <= CAUGHT_UP_ENTRIES
    )


def asked_to_learn(txn: ReadTxn) -> Callable[[Node], bool]:
    """Return whether a node joined with a token that lets it in as a learner only.

    It is told from the tokens that are kept: one that was deleted says nothing any more.
    """
    learners = {
        node_id for token in JOIN_TOKENS.scan(txn) if token.is_learner for node_id in token.redeemed_by
    }
    return lambda node: node.id in learners


class Stewardship:
    """One term's steward of the membership."""

    def __init__(self, *, term: int, state: State, raft: Raft, clock: Clock) -> None:
        self._term = term
        self._state = state
        self._raft = raft
        self._clock = clock
        self._never = asyncio.Event()

    async def run(self) -> None:
        """Look every second, and at once after a step, until cancelled. Raises LeadershipOver."""
        while True:
            # What Raft knows of how far learners are is in no feed, so the steward looks by itself.
            if not await self._take_step():
                await self._clock.wait(self._never, LOOK_S)

    async def _take_step(self) -> bool:
        with self._state.read() as txn:
            nodes = {node.id: node for node in NODES.scan(txn)}
            stays_learner = asked_to_learn(txn)
        step = next_step(self._raft.status().engine, nodes, stays_learner=stays_learner)
        if step is None:
            return False
        try:
            return await self._carry_out(step)
        except (NotCommitted, OutcomeUnknown) as error:
            log.warning("membership.not_changed", extra={"step": str(step), "error": str(error)})
            return False

    async def _carry_out(self, step: Step) -> bool:
        match step:
            case ChangeMembers(change):
                await self._raft.change_members(change, timeout_s=CHANGE_TIMEOUT_S)
                log.info("membership.changed", extra={"op": change.op, "node_id": change.node_id})
            case RecordRole(node_id, role):
                command = SetNodeRole(node_id=node_id, role=role)
                outcome = await propose_as_leader(
                    self._state, command, term=self._term, timeout_s=CHANGE_TIMEOUT_S
                )
                if isinstance(outcome, Rejected):
                    log.warning("membership.role_rejected", extra={"reason": outcome.reason})
                    return False
            case HandOver():
                await self._raft.transfer_leadership(None, timeout_s=CHANGE_TIMEOUT_S)
                return False
        return True
