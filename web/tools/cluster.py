"""The cluster as a whole: who leads, what it can lose, and handing leadership over."""

from __future__ import annotations

from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.raft.replicator import ReadLevel
from cluster.raft.types import EngineStatus
from cluster.store import records
from web.auth.authority import Permit
from web.auth.call import Call
from web.auth.problems import Problem
from web.tools.context import Context
from web.tools.nodes import find_node, members, read_nodes
from web.tools.views import ClusterView, HealthView, QuorumView


async def get_cluster(context: Context, call: Call) -> ClusterView:
    """Return the cluster as this node knows it."""
    await context.authority.require(call, "cluster.read", "cluster")
    return await read_cluster(context)


async def read_cluster(context: Context) -> ClusterView:
    """Return the cluster, for callers whose right to see it was decided."""
    surroundings = context.surroundings
    point = await surroundings.state.point(ReadLevel.LOCAL)
    status = surroundings.cluster.status()
    engine = status.engine
    with surroundings.state.read() as txn:
        identity = records.CLUSTER.get(txn)
    return ClusterView(
        cluster_id=surroundings.cluster.cluster_id,
        name="" if identity is None else identity.name,
        node_id=surroundings.cluster.node_id,
        version=surroundings.cluster.version,
        leader_id=engine.leader_id,
        term=engine.term,
        commit_index=engine.commit_index,
        applied_index=engine.applied_index,
        age_ms=point.age_ms,
        quorum=quorum_of(members(surroundings), engine),
        nodes=tuple(await read_nodes(context)),
        disk_full=status.disk_full,
    )


async def get_health(context: Context) -> HealthView:
    """Return how the answering node is, for anybody."""
    surroundings = context.surroundings
    point = await surroundings.state.point(ReadLevel.LOCAL)
    reason = surroundings.cluster.is_ready()
    return HealthView(
        status="ready" if reason is None else "not-ready",
        reason=reason,
        node_id=surroundings.cluster.node_id,
        version=surroundings.cluster.version,
        leader_id=surroundings.cluster.status().engine.leader_id,
        applied_index=point.applied_index,
        age_ms=point.age_ms,
    )


async def transfer_leadership(context: Context, call: Call, target: str | None) -> None:
    """Have another voter lead; None: the one that is furthest. Raises Problem or NotCommitted."""
    resource = f"cluster:{context.surroundings.cluster.cluster_id}"
    await context.authority.require(call, "cluster.transfer-leadership", resource)
    node = None if target is None else find_node(context.surroundings, target)
    if node is not None and node.role is not NodeRole.VOTER:
        raise Problem("conflict", f"{node.name} has no vote: it cannot lead")

    async def change(permit: Permit) -> None:
        async with permit.acting():
            await context.surroundings.cluster.transfer_leadership(None if node is None else node.id)

    await context.authority.perform(call, "cluster.transfer-leadership", resource, change)


def quorum_of(nodes: list[Node], engine: EngineStatus) -> QuorumView:
    """Return how many more hosts the cluster can lose, and what to do about it.

    A voter is well when the leader has committed that it is up; the answering one is by answering. Without a
    leader nobody commits who is lost: then those are well that are connected to the answering one.
    """
    up = {node.id for node in nodes if node.status is NodeStatus.UP}
    well = {engine.node_id, *(engine.connected if engine.leader_id is None else up)}
    voters = set(engine.voters) or {node.id for node in nodes if node.role is NodeRole.VOTER}
    count, healthy = len(voters), len(voters & well)
    majority = count // 2 + 1
    can_lose = max(0, healthy - majority)
    missing, lost = majority - healthy, count - healthy
    if healthy < majority:
        advice = (
            f"the quorum is lost: {missing} more of the voters must come back before anything can be changed"
        )
        consiglio = f"il quorum è perso: prima di ogni modifica devono tornare ancora {missing} dei votanti"
    elif count == 1:
        advice = "one host alone: join two more, so that the cluster survives the loss of one"
        consiglio = "un host da solo: con altri due il cluster sopravvive alla perdita di uno"
    elif can_lose == 0 and healthy < count:
        advice = f"losing one more voter stops all changes: bring {lost} back"
        consiglio = f"perdere un altro votante ferma ogni modifica: ne vanno recuperati {lost}"
    elif can_lose == 0:
        advice = "losing one voter stops all changes: join one more host"
        consiglio = "perdere un votante ferma ogni modifica: va aggiunto un host"
    else:
        advice = f"you can lose {can_lose} more host{'s' if can_lose > 1 else ''}"
        consiglio = f"si {'possono' if can_lose > 1 else 'può'} perdere ancora {can_lose} host"
    return QuorumView(
        voters=count, healthy=healthy, can_lose=can_lose, advice=advice, translations={"it": consiglio}
    )
