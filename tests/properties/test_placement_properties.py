"""What holds for every placement."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeFacts, NodeRole, NodeStatus
from cluster.model.placing import Constraint, PlacementRules, parse_attribute
from cluster.model.service import PublishedPort, Resources, ServiceSpec
from cluster.placement import (
    Household,
    Landscape,
    Occupant,
    Placed,
    Request,
    Resident,
    Wanted,
    apart_of,
    explain,
    forecast_drain,
    plan_placement,
    plan_rebalance,
)
from cluster.placement.attributes import meets
from cluster.placement.draining import moved
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
labels = st.fixed_dictionaries(
    {}, optional={"zone": st.sampled_from("ab"), "disk": st.sampled_from(["ssd", "hdd"])}
)
attributes = st.sampled_from(
    [parse_attribute(f"node.{name}") for name in ("labels.zone", "labels.disk", "hostname", "role")]
)
constraints = st.builds(
    lambda attribute, value, is_equal: Constraint(attribute=attribute, value=value, is_equal=is_equal),
    attributes,
    st.sampled_from(["a", "b", "ssd", "host-h0", "voter"]),
    st.booleans(),
)
rules = st.builds(
    lambda constraints, spread, most, apart, headroom: PlacementRules(
        constraints=tuple(constraints),
        spread=tuple(spread),
        replicas_per_host_max=most,
        apart_from=tuple(sorted(apart)),
        headroom_percent=headroom,
    ),
    st.lists(constraints, max_size=2),
    st.lists(attributes, max_size=2, unique=True),
    st.sampled_from([0, 0, 1, 2]),
    st.sets(st.sampled_from(["s1", "shop.s2"])),
    st.sampled_from([0, 10, 50]),
)
nodes = st.builds(
    lambda name, status, is_draining, cpu, memory, labels: Node(
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
        labels=tuple(sorted(labels.items())),
    ),
    st.sampled_from(NAMES),
    st.sampled_from([NodeStatus.UP, *NodeStatus]),
    st.booleans(),
    st.integers(0, 4),
    st.integers(0, 4_000),
    labels,
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
    rules=rules,
)
def test_a_choice_breaks_no_rule_and_does_not_depend_on_the_order_of_things(
    nodes: list[Node],
    occupants: list[Occupant],
    spec: ServiceSpec,
    siblings: list[NodeId],
    avoid: set[NodeId],
    pinned_to: NodeId | None,
    rules: PlacementRules,
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
        rules=rules,
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
    assert not {each.service_id for each in occupants if each.node_id == node.id} & apart_of("shop", rules)
    assert not rules.replicas_per_host_max or siblings.count(node.id) < rules.replicas_per_host_max
    assert all(meets(node, constraint) for constraint in rules.constraints)
    reserved = [each.resources for each in (*there, spec)]
    usable_percent = 100 if pinned_to is not None else 100 - rules.headroom_percent
    if node.facts.cpu_count and spec.resources.cpu_reservation_millis:
        cpu = sum(each.cpu_reservation_millis or 0 for each in reserved)
        assert 100 * cpu <= 1000 * node.facts.cpu_count * usable_percent
    if node.facts.memory_bytes and spec.resources.memory_reservation_bytes:
        memory = sum(each.memory_reservation_bytes or 0 for each in reserved)
        assert 100 * memory <= node.facts.memory_bytes * usable_percent


@given(count=st.integers(1, 5), replicas=st.integers(1, 12))
def test_replicas_placed_one_after_the_other_are_spread_evenly(count: int, replicas: int) -> None:
    by_id = {name: _plain(name) for name in NAMES[:count]}
    placed = _placed_one_by_one(by_id, PlacementRules(), replicas)
    counts = [placed.count(name) for name in by_id]
    assert max(counts) - min(counts) <= 1


@given(zones=st.lists(st.sampled_from("abc"), min_size=1, max_size=5), replicas=st.integers(1, 12))
def test_replicas_are_spread_evenly_over_a_preference_and_then_over_its_hosts(
    zones: list[str], replicas: int
) -> None:
    by_id = {
        name: replace(_plain(name), labels=(("zone", zone),))
        for name, zone in zip(NAMES, zones, strict=False)
    }
    spread = PlacementRules(spread=(parse_attribute("node.labels.zone"),))
    placed = _placed_one_by_one(by_id, spread, replicas)
    by_zone = Counter(by_id[name].effective_labels["zone"] for name in placed)
    counts = [by_zone[zone] for zone in set(zones[: len(by_id)])]
    assert max(counts) - min(counts) <= 1
    for zone in set(zones[: len(by_id)]):
        inside = [placed.count(name) for name in by_id if by_id[name].effective_labels["zone"] == zone]
        assert max(inside) - min(inside) <= 1


@given(
    nodes=st.lists(nodes, max_size=5),
    where=st.lists(st.sampled_from(NAMES), max_size=8),
    rules=rules,
    spec=specs,
)
def test_a_rebalance_ends_improves_and_finds_nothing_more_to_do(
    nodes: list[Node], where: list[NodeId], rules: PlacementRules, spec: ServiceSpec
) -> None:
    by_id = {node.id: node for node in nodes}
    household = _household(where, rules, spec)
    landscape = Landscape(by_id, {household.service_id: household.occupants})
    moved_ordinals = []
    for _ in range(40):
        plan = plan_rebalance(landscape, household)
        if not plan.moves:
            break
        assert len({move.ordinal for move in plan.moves}) == len(plan.moves)
        for move in plan.moves:
            resident = next(each for each in household.residents if each.ordinal == move.ordinal)
            assert resident.node_id == move.from_node != move.to_node
            assert by_id[move.to_node].is_schedulable
            assert all(meets(by_id[move.to_node], constraint) for constraint in rules.constraints)
            verdicts = {each.node_id: each for each in landscape.judge(household.instead_of(resident))}
            here, there = verdicts[move.from_node], verdicts[move.to_node]
            assert not there.objections
            assert here.breaks_rules or there.rank.spread < here.rank.spread
            household = moved(household, resident, move.to_node)
            landscape = landscape.changed(occupants={household.service_id: household.occupants})
            moved_ordinals.append(move.ordinal)
    else:
        raise AssertionError(f"no end of moves: {moved_ordinals}")


@given(
    nodes=st.lists(nodes, max_size=5),
    occupants=st.lists(occupants, max_size=12),
    where=st.lists(st.sampled_from(NAMES), max_size=5),
    rules=rules,
    spec=specs,
)
def test_what_is_explained_forecast_and_planned_is_what_would_be_chosen(
    nodes: list[Node],
    occupants: list[Occupant],
    where: list[NodeId],
    rules: PlacementRules,
    spec: ServiceSpec,
) -> None:
    by_id = {node.id: node for node in nodes}
    household = _household(where, rules, spec)
    others = _by_service([each for each in occupants if each.service_id != household.service_id])
    landscape = Landscape(by_id, {**others, household.service_id: household.occupants})
    choice = landscape.choose(household.one_more())
    explanation = explain(landscape, household)
    chosen = [host.node_id for host in explanation.hosts if host.is_chosen]
    assert chosen == ([choice.node_id] if isinstance(choice, Placed) else [])
    assert bool(explanation.refusal) is not bool(chosen)
    assert [replica.ordinal for replica in explanation.replicas] == list(range(len(where)))
    for node_id in by_id:
        forecast = forecast_drain(landscape, node_id, [household])
        assert len(forecast.fates) == where.count(node_id)
        assert all(by_id[fate.to].is_schedulable and fate.to != node_id for fate in forecast.moving)
    grown = replace(household, replicas=len(where) + 1)
    planned = plan_placement(landscape, [Wanted(household=grown)])
    assert [each.ordinal for each in planned] == list(range(len(where) + 1))
    assert all((each.node_id is None) is bool(each.reason) for each in planned)
    assert all(
        all(meets(by_id[each.node_id], constraint) for constraint in rules.constraints)
        for each in planned
        if each.node_id is not None
    )


def _plain(name: NodeId) -> Node:
    return Node(
        id=name,
        name=f"host-{name}",
        address=f"{name}.example:7444",
        api_address=f"{name}.example:7443",
        role=NodeRole.VOTER,
        status=NodeStatus.UP,
        status_at_ms=0,
        joined_at_ms=0,
    )


def _placed_one_by_one(by_id: dict[NodeId, Node], rules: PlacementRules, replicas: int) -> list[NodeId]:
    placed: list[NodeId] = []
    for _ in range(replicas):
        request = Request(
            service_id=SERVICES[0], project="shop", spec=a_spec(), rules=rules, siblings=tuple(placed)
        )
        choice = Landscape(by_id, {}).choose(request)
        assert isinstance(choice, Placed)
        placed.append(choice.node_id)
    return placed


def _household(where: list[NodeId], rules: PlacementRules, spec: ServiceSpec) -> Household:
    residents = tuple(
        Resident(ordinal=ordinal, node_id=node_id, revision=1, spec=spec)
        for ordinal, node_id in enumerate(where)
    )
    household = Household(
        service_id=SERVICES[0],
        project="shop",
        spec=spec,
        rules=rules,
        replicas=len(where),
        residents=residents,
    )
    return replace(household, occupants=tuple(household.occupant(each) for each in residents))


def _by_service(occupants: list[Occupant]) -> dict[ServiceId, tuple[Occupant, ...]]:
    found: dict[ServiceId, tuple[Occupant, ...]] = {}
    for occupant in occupants:
        found[occupant.service_id] = (*found.get(occupant.service_id, ()), occupant)
    return found
