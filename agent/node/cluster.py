"""Membership and leadership, as the surfaces ask for them."""

from __future__ import annotations

from collections.abc import Callable

from agent.clock import Clock
from agent.node.admission import Admission
from agent.node.state import NodeState
from cluster.commands import Outcome
from cluster.commands.nodes import RemoveNode
from cluster.identity.joining import JoinAnswer, JoinRequest
from cluster.identity.keyring import Keyring
from cluster.model.audit import AuditStamp
from cluster.model.ids import NodeId
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.raft_thread import NodeStatus
from cluster.raft.replicator import NotCommitted, OutcomeUnknown, Replicator

CHANGE_TIMEOUT_S = 10.0
TRANSFER_TIMEOUT_S = 5.0
REMOVAL_ATTEMPTS = 20


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
        """Take a node out: first from the Raft membership, then from the state. A leader hands over first.

        Raises NotCommitted with the reason when Raft refuses, or OutcomeUnknown.
        """
        if self._replicator.leadership.leader_id == node_id:
            await self.transfer_leadership(None, away_from=node_id)
        change = MemberChange(MemberOp.REMOVE, node_id)
        for attempt in range(1, REMOVAL_ATTEMPTS + 1):
            engine = self._replicator.status().engine
            if node_id not in engine.voters and node_id not in engine.learners:
                break
            try:
                await self._replicator.change_members(change, timeout_s=CHANGE_TIMEOUT_S)
                break
            except (NotCommitted, OutcomeUnknown) as error:
                if attempt == REMOVAL_ATTEMPTS or "only voter" in str(error):
                    raise
                await self._clock.sleep(0.25)
        command = RemoveNode(node_id=NodeId(node_id), reason=f"removed by {audit.principal_name}")
        return await self._state.propose(command, audit=audit)

    async def transfer_leadership(self, target: str | None, *, away_from: str | None = None) -> None:
        """Have another node lead. Raises NotCommitted when nobody can, or when this node does not lead."""
        leader = self._replicator.leadership.leader_id
        if leader != self.node_id:
            if away_from is not None:
                raise NotCommitted(
                    f"{away_from} leads: ask it to leave itself (`tower leave` there), or stop "
                    "its agent first"
                )
            raise NotCommitted(f"this node does not lead; ask {leader or 'the leader once there is one'}")
        await self._replicator.transfer_leadership(target, timeout_s=TRANSFER_TIMEOUT_S)
