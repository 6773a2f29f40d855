"""Membership and leadership, as the surfaces ask for them."""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.node.admission import Admission
from agent.node.state import NodeState
from cluster.commands import Applied, Outcome
from cluster.commands.nodes import RemoveNode
from cluster.identity.joining import JoinAnswer, JoinRequest
from cluster.identity.keyring import Keyring
from cluster.model.audit import AuditStamp
from cluster.model.ids import NodeId
from cluster.raft.raft_thread import NodeStatus
from cluster.raft.replicator import NotCommitted, Replicator
from cluster.raft.types import EngineStatus

CHANGE_TIMEOUT_S = 10.0
TRANSFER_TIMEOUT_S = 5.0
REMOVAL_LOOK_S = 0.1


class NodeCluster:
    """The `Cluster` of the surfaces."""

    def __init__(
        self,
        *,
        cluster_id: str,
        node_id: str,
        version: str,
        replicator: Replicator,
        state: NodeState,
        admission: Admission,
        keyring: Callable[[], Keyring],
        clock: Clock,
    ) -> None:
        self.cluster_id = cluster_id
        self.node_id = node_id
        self.version = version
        self._replicator = replicator
        self._state = state
        self._admission = admission
        self._keyring = keyring
        self._clock = clock

    def status(self) -> NodeStatus:
        return self._replicator.status()

    def is_ready(self) -> str | None:
        """None when this node can serve; otherwise why not."""
        status = self._replicator.status()
        if status.disk_full is not None:
            return status.disk_full
        if status.engine.leader_id is None:
            return (
                "no leader is known: an election is under way, or a majority of the voters cannot be reached"
            )
        return None

    def keyring(self) -> Keyring:
        return self._keyring()

    async def join(self, request: JoinRequest, *, ip: str) -> JoinAnswer | str:
        return await self._admission.admit(request, ip=ip)

    async def remove_node(self, node_id: str, *, audit: AuditStamp) -> Outcome:
        """Take a node out: from the state, then, by whoever leads, from the Raft membership.

        In this order a node may ask for its own removal, and any node for the leader's: once the state says
        so, the leader's stewardship goes on whatever happens to the asker. Returns when Raft has let the node
        go too, or after a while without that. Raises NotCommitted with the reason, or OutcomeUnknown.
        """
        engine = self._replicator.status().engine
        if (reason := _reason_to_keep(engine, node_id)) is not None:
            raise NotCommitted(reason)
        command = RemoveNode(node_id=NodeId(node_id), reason=f"removed by {audit.principal_name}")
        outcome = await self._state.propose(command, audit=audit)
        if isinstance(outcome, Applied):
            await self._wait_until_let_go(node_id)
        return outcome

    async def _wait_until_let_go(self, node_id: str) -> None:
        deadline_s = self._clock.monotonic_s() + CHANGE_TIMEOUT_S
        while self._clock.monotonic_s() < deadline_s:
            engine = self._replicator.status().engine
            if engine.is_removed or not (node_id in engine.voters or node_id in engine.learners):
                return
            await self._clock.sleep(REMOVAL_LOOK_S)

    async def transfer_leadership(self, target: str | None) -> None:
        """Have another node lead. Raises NotCommitted when nobody can, or when this node does not lead."""
        leader = self._replicator.leadership.leader_id
        if leader != self.node_id:
            raise NotCommitted(f"this node does not lead; ask {leader or 'the leader once there is one'}")
        await self._replicator.transfer_leadership(target, timeout_s=TRANSFER_TIMEOUT_S)


def _reason_to_keep(engine: EngineStatus, node_id: str) -> str | None:
    """Why the cluster cannot let the node go now, in words for a person; None when it can."""
    if node_id not in engine.voters:
        return None
    others = [voter for voter in engine.voters if voter != node_id]
    if not others:
        return (
            "this is the only voter, and a cluster keeps at least one: to end the cluster, stop the agent "
            "and delete its data directory"
        )
    well = [voter for voter in others if voter == engine.node_id or voter in engine.connected]
    if len(well) <= len(others) // 2:
        return (
            f"without it {len(others)} voters remain, of which only {len(well)} can be reached: too few to "
            "decide anything; bring one back first"
        )
    return None
