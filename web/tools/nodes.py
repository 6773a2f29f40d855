"""The hosts: listing them, draining them, letting them go."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.commands.nodes import SetNodeDraining
from cluster.model.ids import NodeId
from cluster.model.inventory import HostLive, HostView
from cluster.model.node import Node, NodeFacts, NodeStatus
from cluster.raft.types import EngineStatus, Role
from cluster.store import ReadTxn, records
from web.auth.authority import Permit, settled
from web.auth.call import Call
from web.auth.problems import Problem
from web.ports import Surroundings
from web.tools.context import Context
from web.tools.live_numbers import newest
from web.tools.targets import node_target
from web.tools.views import ContainerCount, FactsView, NodeView


async def list_nodes(context: Context, call: Call) -> list[NodeView]:
    """Return the hosts of the cluster by name."""
    await context.authority.admit(call, "node.read", "node")
    sight = context.authority.sight(call, "node.read")
    return [view for view in await read_nodes(context) if sight.sees(node_target(view.id, view.name))]


async def get_node(context: Context, call: Call, reference: str) -> NodeView:
    """Return the host of that id or name. Raises Problem."""
    await context.authority.require(call, "node.read", f"node:{reference}")
    node = find_node(context.surroundings, reference)
    return next(view for view in await read_nodes(context) if view.id == node.id)


async def drain_node(context: Context, call: Call, reference: str, *, is_draining: bool) -> NodeView:
    """Ask for a host to be emptied, or end that. Raises Problem."""
    await context.authority.require(call, "node.drain", f"node:{reference}")
    node = find_node(context.surroundings, reference)

    async def change(permit: Permit) -> None:
        await permit.propose(SetNodeDraining(node_id=node.id, is_draining=is_draining))

    recorded_as = "node.drain" if is_draining else "node.resume"
    await context.authority.perform(call, "node.drain", f"node:{node.id}", change, recorded_as=recorded_as)
    return next(view for view in await read_nodes(context) if view.id == node.id)


async def remove_node(context: Context, call: Call, reference: str) -> None:
    """Take a host out of the cluster for good. Raises Problem."""
    await context.authority.require(call, "node.remove", f"node:{reference}")
    node = find_node(context.surroundings, reference)

    async def change(permit: Permit) -> None:
        settled(await context.surroundings.cluster.remove_node(node.id, audit=permit.stamp()))

    await context.authority.perform(call, "node.remove", f"node:{node.id}", change)


async def read_nodes(context: Context) -> list[NodeView]:
    """Return the hosts by name, for callers whose right to see them was decided."""
    surroundings = context.surroundings
    patience_s = context.pace.overview_patience_s
    views = {view.node_id: view for view in await context.views.read(patience_s=patience_s)}
    live = {numbers.node_id: numbers for numbers in await context.live.read(patience_s=patience_s)}
    engine = surroundings.cluster.status().engine
    return [_view(surroundings, node, engine, views, live) for node in members(surroundings)]


def members(surroundings: Surroundings) -> list[Node]:
    """Return the hosts that belong to the cluster, by name."""
    with surroundings.state.read() as txn:
        nodes = [node for node in records.NODES.scan(txn) if node.is_member]
    return sorted(nodes, key=lambda node: (node.name, node.id))


def node_names(surroundings: Surroundings) -> dict[str, str]:
    """Return the hosts' names by id, of those that left too."""
    with surroundings.state.read() as txn:
        return names_in(txn)


def names_in(txn: ReadTxn) -> dict[str, str]:
    """Return the hosts' names by id, of those that left too."""
    return {node.id: node.name for node in records.NODES.scan(txn)}


def lost_in(txn: ReadTxn) -> frozenset[NodeId]:
    """Return the hosts that are down: what they said last of their replicas holds no more."""
    return frozenset(node.id for node in records.NODES.scan(txn) if node.status is NodeStatus.DOWN)


def problem_of(host: HostView, name: str) -> str:
    """Return why a host cannot be asked, with its name for its id, or else why it routes nothing."""
    if host.problem or host.inventory is None or not host.inventory.router_problem:
        return host.problem.replace(host.node_id, name)
    return f"it serves no requests for services: {host.inventory.router_problem}"


def find_node(surroundings: Surroundings, reference: str) -> Node:
    """Return the member of that id or name. Raises Problem (404) naming those there are."""
    nodes = members(surroundings)
    for node in nodes:
        if node.id == reference:
            return node
    named = [node for node in nodes if node.name == reference]
    if len(named) == 1:
        return named[0]
    known = ", ".join(node.name for node in nodes) or "none yet"
    raise Problem("not-found", f"there is no host {reference[:80]!r}", hint=f"the cluster has {known}")


def _view(
    surroundings: Surroundings,
    node: Node,
    engine: EngineStatus,
    views: Mapping[NodeId, HostView],
    live: Mapping[NodeId, HostLive],
) -> NodeView:
    host = views.get(node.id)
    numbers = live.get(node.id)
    memory = None if numbers is None else newest(numbers, "memory_bytes")
    return NodeView(
        id=node.id,
        name=node.name,
        role=node.role,
        status=node.status,
        status_reason=node.status_reason,
        status_at_ms=node.status_at_ms,
        is_draining=node.is_draining,
        is_leader=node.id == engine.leader_id,
        is_self=node.id == surroundings.cluster.node_id,
        address=node.address,
        api_address=node.api_address,
        joined_at_ms=node.joined_at_ms,
        lag=_lag(engine, node.id, host),
        facts=_facts(node.facts),
        labels=node.effective_labels,
        containers=_count(host),
        cpu_percent=None if numbers is None else newest(numbers, "cpu_percent"),
        memory_bytes=None if memory is None else int(memory),
        last_seen_ms=_last_seen_ms(surroundings, host),
        problem="" if host is None else problem_of(host, node.name),
        maintenance_until_ms=None
        if node.maintenance is None or not node.maintenance.left_ms(surroundings.clock.now_ms())
        else node.maintenance.until_ms,
        is_fenced=node.is_fenced,
        is_unknown=_is_unknown(engine, node.id, host),
    )


def _is_unknown(engine: EngineStatus, node_id: NodeId, host: HostView | None) -> bool:
    """Without a leader nobody commits who is lost, so what is committed says nothing of now."""
    is_reached = node_id == engine.node_id or node_id in engine.connected
    has_told = host is not None and host.inventory is not None and not host.problem
    return engine.leader_id is None and not is_reached and not has_told


def _lag(engine: EngineStatus, node_id: str, host: HostView | None) -> int | None:
    if node_id == engine.node_id:
        return max(0, engine.commit_index - engine.applied_index)
    if engine.role is Role.LEADER and node_id in engine.match_index:
        return max(0, engine.last_index - engine.match_index[node_id])
    return None if host is None else host.lag


def _count(host: HostView | None) -> ContainerCount | None:
    if host is None or host.inventory is None:
        return None
    containers = host.inventory.containers
    running = sum(container.state == "running" for container in containers)
    return ContainerCount(running=running, total=len(containers))


def _last_seen_ms(surroundings: Surroundings, host: HostView | None) -> int | None:
    if host is None or host.age_ms is None:
        return None
    return surroundings.clock.now_ms() - host.age_ms


def _facts(facts: NodeFacts) -> FactsView:
    return FactsView(
        hostname=facts.hostname,
        os_name=facts.os_name,
        os_version=facts.os_version,
        kernel=facts.kernel,
        arch=facts.arch,
        cpu_count=facts.cpu_count,
        memory_bytes=facts.memory_bytes,
        disk_bytes=facts.disk_bytes,
        docker_version=facts.docker_version,
        agent_version=facts.agent_version,
        labels=dict(facts.labels),
    )
