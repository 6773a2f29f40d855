"""The failure detector's loop: hears heartbeats, grants leases, commits which hosts are up or down."""

from __future__ import annotations

import asyncio
import logging

from agent.clock import Clock
from agent.leader.ports import Raft, State
from agent.leader.proposing import propose_as_leader
from cluster.commands.nodes import SetNodeStatus
from cluster.commands.outcome import Rejected
from cluster.failover import (
    BEATS_TO_BE_UP,
    HostFence,
    LeaseRequest,
    Leases,
    LifeSigns,
    Listening,
    StatusChange,
    answer_request,
    begin_fence,
    heard,
    leases_at,
    listen,
    observe,
)
from cluster.model.ids import NodeId
from cluster.model.node import Node, NodeStatus
from cluster.model.settings import ClusterSettings, cluster_settings
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from cluster.store.records import NODES, setting_values

log = logging.getLogger(__name__)

LOOK_S = 0.2
"""Longest time between two looks; a gap of a second counts as a stall of this process."""
PROPOSE_TIMEOUT_S = 1.0


class FailureDetection:
    """One term's detector. Beats may come before `run` and after it; they are only remembered then."""

    def __init__(self, *, term: int, node_id: NodeId, state: State, raft: Raft, clock: Clock) -> None:
        self._term = term
        self._node_id = node_id
        self._state = state
        self._raft = raft
        self._clock = clock
        self._beats: dict[NodeId, LifeSigns] = {}
        self._without_engine: set[NodeId] = set()
        self._fences: dict[NodeId, HostFence] = {}
        self._known_since_ms: dict[tuple[NodeId, bool], int] = {}
        self._listening: Listening | None = None
        self._settings = ClusterSettings()
        self._returned = asyncio.Event()

    @property
    def has_lease(self) -> bool:
        """Whether no other node can lead at this moment."""
        until_s = self._raft.lease_until_s()
        return until_s is not None and until_s > self._clock.boottime_s()

    @property
    def without_engine(self) -> frozenset[NodeId]:
        """The hosts whose last beat said that their container engine does not answer."""
        return frozenset(self._without_engine)

    @property
    def leases(self) -> Leases:
        """Which hosts may still run what must never run twice."""
        return leases_at(self._fences, self._now_ms())

    def on_beat(
        self, node_id: NodeId, *, is_engine_available: bool, request: LeaseRequest | None = None
    ) -> int:
        """Note a sign of life. Returns the length of the lease (ms) that is granted with the answer."""
        before = self._beats.get(node_id)
        signs = heard(before, self._now_ms(), self._settings)
        self._beats[node_id] = signs
        if is_engine_available:
            self._without_engine.discard(node_id)
        else:
            self._without_engine.add(node_id)
        if signs.streak >= BEATS_TO_BE_UP and (before is None or before.streak < BEATS_TO_BE_UP):
            self._returned.set()
        return 0 if request is None else self._answer(node_id, request)

    def _answer(self, node_id: NodeId, request: LeaseRequest) -> int:
        # Read now, not at the last look: a host that was just declared down must not be granted anything.
        with self._state.read() as txn:
            node = NODES.get(txn, node_id)
            applied_index = txn.applied_index
        now_ms = self._now_ms()
        fence = self._fences.get(node_id)
        if fence is None:
            fence = begin_fence(now_ms, longest_ms=_longest_ms(node))
        may_grant = (
            self.has_lease and node is not None and node.is_member and node.status is not NodeStatus.DOWN
        )
        self._fences[node_id], granted_ms = answer_request(
            fence,
            request,
            now_ms,
            term=self._term,
            applied_index=applied_index,
            may_grant=may_grant,
            leave_ms=0 if node is None else self._leave_ms(node),
        )
        return granted_ms

    async def run(self) -> None:
        """Look, commit and wait, until cancelled. Raises LeadershipOver."""
        while True:
            self._returned.clear()
            nodes = self._read()
            now_ms = self._now_ms()
            self._listening = listen(self._listening, now_ms, has_lease=self.has_lease)
            verdict = observe(
                nodes,
                self._beats,
                now_ms,
                leader_id=self._node_id,
                listening=self._listening,
                settings=self._settings,
                known_since_ms={
                    node_id: self._known_since_ms.setdefault((node_id, node.has_come_up), now_ms)
                    for node_id, node in nodes.items()
                },
                on_leave_until_ms={
                    node_id: now_ms + leave_ms
                    for node_id, node in nodes.items()
                    if (leave_ms := self._leave_ms(node))
                },
            )
            for change in verdict.changes:
                await self._commit(change, nodes[change.node_id])
            due_s = LOOK_S
            if verdict.wake_at_ms is not None:
                due_s = min(due_s, max(0, verdict.wake_at_ms - self._now_ms()) / 1000)
            await self._clock.wait(self._returned, due_s)

    def _now_ms(self) -> int:
        # Counts time asleep, as the lease does: a suspended leader has heard nobody meanwhile.
        return int(self._clock.boottime_s() * 1000)

    def _leave_ms(self, node: Node) -> int:
        """How long the host may still be away. Its end is a wall clock's; leases are counted by no such."""
        return 0 if node.maintenance is None else node.maintenance.left_ms(self._clock.now_ms())

    def _read(self) -> dict[NodeId, Node]:
        with self._state.read() as txn:
            known = {node.id: node for node in NODES.scan(txn)}
            values = setting_values(txn, "cluster.")
        try:
            self._settings = cluster_settings(values)
        except ValueError as error:
            log.warning("failover.settings_invalid", extra={"error": str(error)})
        nodes = {node_id: node for node_id, node in known.items() if node.is_member}
        for node_id, node in known.items():
            # Also of hosts that have left: they may hold a lease for a while.
            if node_id not in self._fences:
                self._fences[node_id] = begin_fence(self._now_ms(), longest_ms=_longest_ms(node))
        for node_id in [node_id for node_id in self._beats if node_id not in nodes]:
            del self._beats[node_id]
            self._without_engine.discard(node_id)
        for seen in [seen for seen in self._known_since_ms if seen[0] not in nodes]:
            del self._known_since_ms[seen]
        return nodes

    async def _commit(self, change: StatusChange, node: Node) -> None:
        command = SetNodeStatus(node_id=change.node_id, status=change.status, reason=change.reason)
        try:
            outcome = await propose_as_leader(
                self._state, command, term=self._term, timeout_s=PROPOSE_TIMEOUT_S
            )
        except (NotCommitted, OutcomeUnknown) as error:
            # The next look starts from what is committed then.
            log.warning("failover.not_committed", extra={"node_id": node.id, "error": str(error)})
            return
        if isinstance(outcome, Rejected):
            log.warning("failover.rejected", extra={"node_id": node.id, "reason": outcome.reason})
            return
        level = logging.INFO if change.status is NodeStatus.UP else logging.WARNING
        log.log(
            level,
            "failover.node_status",
            extra={
                "node_id": node.id,
                "node": node.name,
                "before": node.status,
                "status": change.status,
                "reason": change.reason,
            },
        )


def _longest_ms(node: Node | None) -> int:
    return 0 if node is None or node.maintenance is None else node.maintenance.longest_ms
