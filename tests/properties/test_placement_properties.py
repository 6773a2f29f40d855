"""What holds for every placement."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeFacts, NodeRole, NodeStatus
from cluster.model.service import PublishedPort, Resources, ServiceSpec
from cluster.placement import Landscape, Occupant, Placed, Request
from tests.support.state_builders import a_spec

NAMES = [NodeId(f"h{number}") for number in range(5)]
SERVICES = [ServiceId(f"shop.s{number}") for number in range(4)]

specs = st.builds(
    lambda port, cpu, memory, is_routed: a_spec(
        ports=(PublishedPort(container_port=80, host_port=port),) if port else (),
        resources=Resources(cpu_reservation_millis=cpu, memory_reservation_bytes=memory),
        **({} if is_routed else {"route": None}),
    ),
    st.sampled_from([0, 80, 81]),
    st.none() | st.integers(1, 3_000),
    st.none() | st.integers(1, 3_000),
    st.booleans(),
)
nodes = st.builds(
    lambda name, status, is_draining, cpu, memory: Node(
        id=name,
        name=f"host-{name}",
        address=f"{name}.example:7444",
        api_address=f"{name}.example:7443",
        role=NodeRole.VOTER,
        status=status,
        status_at_ms=0,
        joined_at_ms=0,
        is_draining=is_draining,
        facts=NodeFacts(cpu_count=cpu, memory_bytes=memory),
    ),
    st.sampled_from(NAMES),
    st.sampled_from([NodeStatus.UP, *NodeStatus]),
    st.booleans(),
    st.integers(0, 4),
    st.integers(0, 4_000),
)
occupants = st.builds(
    Occupant,
    service_id=st.sampled_from(SERVICES),
    project=st.just("shop"),
    node_id=st.sampled_from(NAMES),
    spec=specs,
    is_leaving=st.booleans(),
)


@given(
    nodes=st.lists(nodes, max_size=5),
    occupants=st.lists(occupants, max_size=12),
    spec=specs,
    siblings=st.lists(st.sampled_from(NAMES), max_size=5),
    avoid=st.sets(st.sampled_from(NAMES)),
    pinned_to=st.none() | st.sampled_from(NAMES),
)
def test_a_choice_breaks_no_rule_and_does_not_depend_on_the_order_of_things(
    nodes: list[Node],
    occupants: list[Occupant],
    spec: ServiceSpec,
    siblings: list[NodeId],
    avoid: set[NodeId],
    pinned_to: NodeId | None,
) -> None:
    by_id = {node.id: node for node in nodes}
    request = Request(
        service_id=SERVICES[0],
        project="shop",
        spec=spec,
        own=tuple(each for each in occupants if each.service_id == SERVICES[0]),
        siblings=tuple(siblings),
        avoid=dict.fromkeys(avoid, "is avoided"),
        pinned_to=pinned_to,
    )
    choice = Landscape(by_id, _by_service(occupants)).choose(request)
    turned = {node_id: by_id[node_id] for node_id in reversed(by_id)}
    assert Landscape(turned, _by_service(occupants[::-1])).choose(request) == choice
    if not isinstance(choice, Placed):
        assert choice.reason
        return
    node = by_id[choice.node_id]
    assert node.status is NodeStatus.UP
    assert node.id not in avoid
    assert pinned_to in (None, node.id)
    assert pinned_to is not None or not node.is_draining
    there = [each.spec for each in occupants if each.node_id == node.id]
    fixed = {port.host_port for each in there for port in each.ports}
    assert not fixed & {port.host_port for port in spec.ports}
    reserved = [each.resources for each in (*there, spec)]
    if node.facts.cpu_count and spec.resources.cpu_reservation_millis:
        assert sum(each.cpu_reservation_millis or 0 for each in reserved) <= 1000 * node.facts.cpu_count
    if node.facts.memory_bytes and spec.resources.memory_reservation_bytes:
        assert sum(each.memory_reservation_bytes or 0 for each in reserved) <= node.facts.memory_bytes


@given(count=st.integers(1, 5), replicas=st.integers(1, 12))
def test_replicas_placed_one_after_the_other_are_spread_evenly(count: int, replicas: int) -> None:
    by_id = {
        name: Node(
            id=name,
            name=f"host-{name}",
            address=f"{name}.example:7444",
            api_address=f"{name}.example:7443",
            role=NodeRole.VOTER,
            status=NodeStatus.UP,
            status_at_ms=0,
            joined_at_ms=0,
        )
        for name in NAMES[:count]
    }
    landscape = Landscape(by_id, {})
    placed: list[NodeId] = []
    for _ in range(replicas):
        choice = landscape.choose(
            Request(service_id=SERVICES[0], project="shop", spec=a_spec(), siblings=tuple(placed))
        )
        assert isinstance(choice, Placed)
        placed.append(choice.node_id)
    counts = [placed.count(name) for name in by_id]
    assert max(counts) - min(counts) <= 1


def _by_service(occupants: list[Occupant]) -> dict[ServiceId, tuple[Occupant, ...]]:
    found: dict[ServiceId, tuple[Occupant, ...]] = {}
    for occupant in occupants:
        found[occupant.service_id] = (*found.get(occupant.service_id, ()), occupant)
    return found
