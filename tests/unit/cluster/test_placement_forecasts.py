"""What placement tells before anything is done: why a replica is where it is, drains, moves, deployments."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Node, NodeFacts, NodeStatus
from cluster.model.placing import PlacementRules, parse_attribute, parse_constraint
from cluster.model.service import PublishedPort, Resources, ServiceSpec
from cluster.placement import (
    Household,
    Landscape,
    Move,
    Moves,
    Placed,
    Resident,
    Stays,
    Unplaceable,
    Wanted,
    explain,
    forecast_drain,
    forecast_more,
    plan_placement,
    plan_rebalance,
)
from tests.support.placement_builders import a_spec, host, hosts, on

MIB = 1024 * 1024
THREE = hosts(host("h1"), host("h2"), host("h3"))
H1, H2, H3 = NodeId("h1"), NodeId("h2"), NodeId("h3")


def a_household(*on_hosts: str, service: str = "shop.web", **fields: object) -> Household:
    """A service with a replica on each of these hosts, in the order of their ordinals."""
    spec = fields.pop("spec", None) or a_spec()
    assert isinstance(spec, ServiceSpec)
    pinned = fields.pop("pinned", False)
    residents = tuple(
        Resident(
            ordinal=ordinal,
            node_id=NodeId(name),
            revision=1,
            spec=spec,
            pinned_to=NodeId(name) if pinned else None,
        )
        for ordinal, name in enumerate(on_hosts)
    )
    household = Household(
        service_id=ServiceId(service),
        project=service.partition(".")[0],
        spec=spec,
        rules=PlacementRules(),
        replicas=len(on_hosts),
        residents=residents,
        pins={each.ordinal: each.node_id for each in residents if pinned},
    )
    household = replace(household, **fields)  # type: ignore[arg-type]
    return replace(household, occupants=tuple(household.occupant(each) for each in residents))


def a_landscape(
    nodes: dict[NodeId, Node], *households: Household, groups: dict[str, frozenset[ServiceId]] | None = None
) -> Landscape:
    return Landscape(
        nodes,
        {each.service_id: each.occupants for each in households},
        groups,
        rules={each.service_id: (each.project, each.rules) for each in households},
    )


# ---- why here, why not there


def test_every_host_is_told_why_it_would_or_would_not_take_one_more() -> None:
    nodes = hosts(
        host("h1", status=NodeStatus.DOWN, labels=(("zone", "b"),)),
        host("h2", labels=(("zone", "a"),)),
        host("h3", labels=(("zone", "a"),)),
    )
    rules = PlacementRules(constraints=(parse_constraint("node.labels.zone==a"),))
    web = a_household("h2", rules=rules)
    explanation = explain(a_landscape(nodes, web), web)
    first, second, third = explanation.hosts
    assert first.objections == ("does not meet node.labels.zone == a (it is b)", "is down")
    assert (second.is_chosen, second.ordinals, second.objections) == (False, (0,), ())
    assert second.standing == ("1 replica of it", "1 replica in all")
    assert (third.is_chosen, third.standing) == (True, ("0 replicas of it", "0 replicas in all"))
    assert explanation.refusal == ""


def test_where_no_host_will_do_the_reason_is_that_of_the_rollout() -> None:
    web = a_household(replicas=1)
    nodes = hosts(host("h1", is_draining=True))
    assert explain(a_landscape(nodes, web), web).refusal == ("no host can take it: host-h1 is being drained")


def test_a_replica_is_told_what_holds_it_where_it_is() -> None:
    nodes = {**THREE, H2: host("h2", status=NodeStatus.DOWN)}
    database = a_household("h1", service="shop.db", pinned=True)
    lone = a_household("h2", service="shop.lone", rules=PlacementRules(pin_host="host-h2"))
    known = a_landscape(nodes, database, lone)
    [replica] = explain(known, database).replicas
    assert (replica.reasons, replica.objections) == (("its volume is here",), ())
    [replica] = explain(known, lone).replicas
    assert replica.reasons == ("it is pinned to this host",)
    assert replica.objections == ("is down",)


def test_a_replica_is_told_with_whom_it_has_to_be() -> None:
    cache = a_household("h2", service="shop.cache", spec=a_spec(route=None))
    worker = a_household("h2", service="shop.worker", spec=a_spec(route=None))
    groups = {"shop": frozenset({cache.service_id, worker.service_id})}
    [replica] = explain(a_landscape(THREE, cache, worker, groups=groups), worker).replicas
    assert replica.reasons == ("the services it talks to are here",)


def test_a_replica_is_told_how_its_host_compares_today() -> None:
    best = a_household("h1", "h2", "h3")
    assert explain(a_landscape(THREE, best), best).replicas[2].reasons == (
        "it is the best of 3 hosts that will do: 0 replicas of it, 0 replicas in all",
    )
    doubled = a_household("h1", "h1", "h2")
    assert explain(a_landscape(THREE, doubled), doubled).replicas[1].reasons == (
        "it was placed here before; host-h3 would be chosen now: its replicas are spread more evenly",
    )
    crowded = a_household("h2")
    known = Landscape(THREE, {crowded.service_id: crowded.occupants, ServiceId("blog.web"): (on("h2"),)})
    assert explain(known, crowded).replicas[0].reasons == (
        "it was placed here before; host-h1 would be chosen now: fewer replicas are there",
    )
    alone = a_household("h1")
    assert explain(a_landscape(hosts(host("h1")), alone), alone).replicas[0].reasons == (
        "it is the only host that will do",
    )


def test_a_replica_on_a_host_that_has_left_has_no_reason_to_be_there() -> None:
    web = a_household("h9")
    [replica] = explain(a_landscape(THREE, web), web).replicas
    assert (replica.reasons, replica.objections) == ((), ("has left the cluster",))


# ---- drains


def test_a_drain_is_forecast_replica_by_replica() -> None:
    web = a_household("h1", "h2")
    database = a_household("h1", service="shop.db", pinned=True)
    forecast = forecast_drain(a_landscape(THREE, web, database), H1, [web, database], unmanaged=3)
    assert forecast.moving == (Moves(service_id=ServiceId("shop.web"), ordinal=0, to=H3),)
    assert forecast.staying == (
        Stays(
            service_id=ServiceId("shop.db"),
            ordinal=0,
            kind="local volume",
            reason="its volume is on this host, and nothing copies it",
        ),
    )
    assert forecast.summary == "1 container moves, 1 cannot (local volume), 3 not managed here stay"


def test_what_moved_takes_up_room_for_what_moves_after_it() -> None:
    nodes = {name: replace(node, facts=NodeFacts(memory_bytes=1000 * MIB)) for name, node in THREE.items()}
    big = a_spec(resources=Resources(memory_reservation_bytes=600 * MIB))
    several = [a_household("h1", service=f"shop.s{number}", spec=big) for number in range(3)]
    forecast = forecast_drain(a_landscape(nodes, *several), H1, several)
    assert [(fate.service_id, fate.to) for fate in forecast.moving] == [("shop.s0", H2), ("shop.s1", H3)]
    assert [fate.kind for fate in forecast.staying] == ["no room"]
    assert forecast.summary == "2 containers move, 1 cannot (no room)"


def test_what_cannot_move_is_said_in_short_where_hosts_agree_why() -> None:
    taken = a_spec(ports=(PublishedPort(container_port=80, host_port=80),))
    web = a_household("h1", spec=taken)
    other = a_household("h2", "h3", service="blog.web", spec=taken)
    ruled = a_household("h1", service="shop.ruled", rules=PlacementRules(pin_host="h1"))
    forecast = forecast_drain(a_landscape(THREE, web, other, ruled), H1, [web, other, ruled])
    assert {fate.service_id: fate.kind for fate in forecast.staying} == {
        "shop.web": "host port",
        "shop.ruled": "placement rules",
    }
    mixed = {**THREE, H2: host("h2", status=NodeStatus.SUSPECT)}
    [fate] = forecast_drain(a_landscape(mixed, web, other), H1, [web, other]).staying
    assert fate.kind == "no other host"


def test_a_project_moves_together() -> None:
    cache = a_household("h1", service="shop.cache", spec=a_spec(route=None))
    worker = a_household("h1", "h1", service="shop.worker", spec=a_spec(route=None))
    groups = {"shop": frozenset({cache.service_id, worker.service_id})}
    forecast = forecast_drain(a_landscape(THREE, cache, worker, groups=groups), H1, [worker, cache])
    assert {fate.to for fate in forecast.moving} == {H2}
    assert len(forecast.moving) == 3


def test_an_empty_host_is_drained_at_once() -> None:
    assert forecast_drain(Landscape(THREE, {}), H1, []).summary == "no container moves"


# ---- moves on request


def test_replicas_move_until_they_are_spread_evenly() -> None:
    web = a_household("h1", "h1", "h1", "h2")
    plan = plan_rebalance(a_landscape(THREE, web), web)
    assert plan.moves == (
        Move(
            ordinal=2,
            revision=1,
            from_node=H1,
            to_node=H3,
            reason="host-h3 has 0 of its replicas, host-h1 3",
        ),
    )


def test_what_is_spread_as_evenly_as_can_be_is_left_alone() -> None:
    web = a_household("h1", "h2", "h3", "h1")
    plan = plan_rebalance(a_landscape(THREE, web), web)
    assert (plan.moves, plan.refusal) == ((), "its replicas are spread as evenly as its rules allow")


def test_a_broken_rule_comes_before_the_spread() -> None:
    rules = PlacementRules(apart_from=("cache",))
    web = a_household("h1", "h1", "h2", rules=rules)
    cache = a_household("h2", service="shop.cache")
    plan = plan_rebalance(a_landscape(THREE, web, cache), web)
    [move] = plan.moves
    assert (move.ordinal, move.from_node, move.to_node) == (2, H2, H3)
    assert move.reason == "host-h2 has shop.cache, which it is to be apart from"


def test_a_preference_is_a_reason_to_move() -> None:
    nodes = hosts(
        host("h1", labels=(("zone", "a"),)),
        host("h2", labels=(("zone", "a"),)),
        host("h3", labels=(("zone", "b"),)),
    )
    rules = PlacementRules(spread=(parse_attribute("node.labels.zone"),))
    web = a_household("h1", "h2", rules=rules)
    [move] = plan_rebalance(a_landscape(nodes, web), web).moves
    assert (move.ordinal, move.to_node) == (1, H3)
    assert move.reason == "its replicas are then spread more evenly over node.labels.zone"


def test_one_plan_moves_a_bounded_number() -> None:
    web = a_household(*["h1"] * 9)
    plan = plan_rebalance(a_landscape(THREE, web), web, moves_max=4)
    assert len(plan.moves) == 4


def test_what_cannot_be_moved_without_harm_is_refused_with_the_reason() -> None:
    volume = a_household("h1", "h1", pinned=True)
    unrouted = a_household("h1", "h1", spec=a_spec(route=None))
    busy = a_household("h1", "h1", busy="a rollout is under way")
    refusals = [plan_rebalance(a_landscape(THREE, each), each).refusal for each in (volume, unrouted, busy)]
    assert refusals == [
        "its volumes are where its replicas are, and nothing copies them",
        "it has no route: its requests cannot be drained, and stopping it is for a person to decide",
        "a rollout is under way",
    ]


def test_a_replica_on_a_host_that_is_down_is_not_moved_on_request() -> None:
    nodes = {**THREE, H1: host("h1", status=NodeStatus.DOWN)}
    web = a_household("h1", "h2")
    assert plan_rebalance(a_landscape(nodes, web), web).moves == ()


# ---- deployments


def test_a_new_service_is_planned_onto_hosts() -> None:
    web = a_household(replicas=4)
    planned = plan_placement(a_landscape(THREE), [Wanted(household=web)])
    assert [(each.ordinal, each.node_id, each.is_new) for each in planned] == [
        (0, H1, True),
        (1, H2, True),
        (2, H3, True),
        (3, H1, True),
    ]


def test_replicas_of_a_plan_are_spread_however_crowded_the_hosts_are() -> None:
    crowded = {ServiceId("blog.web"): (on("h2"),) * 5 + (on("h3"),) * 5}
    planned = plan_placement(Landscape(THREE, crowded), [Wanted(household=a_household(replicas=3))])
    assert [each.node_id for each in planned] == [H1, H2, H3]


def test_replicas_that_do_not_change_stay_where_they_are() -> None:
    web = a_household("h2", replicas=2)
    planned = plan_placement(a_landscape(THREE, web), [Wanted(household=web)])
    assert [(each.node_id, each.is_new) for each in planned] == [(H2, False), (H1, True)]


def test_the_old_containers_take_up_room_until_their_successors_are_there() -> None:
    nodes = hosts(host("h1", facts=NodeFacts(memory_bytes=1000 * MIB)))
    spec = a_spec(resources=Resources(memory_reservation_bytes=500 * MIB))
    old = a_household("h1", spec=spec)
    wanted = replace(old, spec=replace(spec, image="v2"))
    [beside] = plan_placement(a_landscape(nodes, old), [Wanted(household=wanted)])
    assert beside.node_id is None
    assert beside.reason == (
        "no host can take it: host-h1 has 400 MiB not reserved, of 500 MiB needed (10 % is kept free)"
    )
    [after] = plan_placement(a_landscape(nodes, old), [Wanted(household=wanted, is_stop_first=True)])
    assert after.node_id == H1


def test_a_rolling_update_needs_room_for_one_more_and_blue_green_for_all() -> None:
    nodes = hosts(host("h1", facts=NodeFacts(memory_bytes=1000 * MIB)))
    spec = a_spec(resources=Resources(memory_reservation_bytes=300 * MIB))
    old = a_household("h1", "h1", spec=spec)
    wanted = replace(old, spec=replace(spec, image="v2"))
    rolling = plan_placement(a_landscape(nodes, old), [Wanted(household=wanted)])
    assert [each.node_id for each in rolling] == [H1, H1]
    whole = plan_placement(a_landscape(nodes, old), [Wanted(household=wanted, keeps_old=True)])
    assert [each.node_id for each in whole] == [H1, None]


def test_a_replica_is_planned_to_where_its_volume_is() -> None:
    database = a_household("h3", pinned=True)
    wanted = replace(database, spec=replace(database.spec, image="v2"))
    [planned] = plan_placement(a_landscape(THREE, database), [Wanted(household=wanted, is_stop_first=True)])
    assert (planned.node_id, planned.is_new) == (H3, True)


def test_services_of_one_deployment_see_each_other() -> None:
    taken = a_spec(ports=(PublishedPort(container_port=80, host_port=80),))
    one = a_household(service="shop.a", spec=taken, replicas=2)
    two = a_household(service="shop.b", spec=taken, replicas=2)
    planned = plan_placement(a_landscape(THREE), [Wanted(household=two), Wanted(household=one)])
    assert [(each.service_id, each.node_id) for each in planned] == [
        ("shop.a", H1),
        ("shop.a", H2),
        ("shop.b", H3),
        ("shop.b", None),
    ]


def test_a_replica_whose_host_breaks_the_new_rules_is_planned_elsewhere() -> None:
    web = a_household("h1", rules=PlacementRules(pin_host="h2"))
    [planned] = plan_placement(a_landscape(THREE, web), [Wanted(household=web)])
    assert (planned.node_id, planned.is_new) == (H2, True)


# ---- more replicas


def test_more_replicas_spread_over_the_hosts_and_take_up_room_for_each_other() -> None:
    big = a_spec(resources=Resources(memory_reservation_bytes=300 * MIB))
    nodes = hosts(*(host(name, facts=NodeFacts(memory_bytes=512 * MIB)) for name in ("h1", "h2", "h3")))
    web = a_household("h1", spec=big)
    choices = forecast_more(a_landscape(nodes, web), web, 4)
    assert {choice.node_id for choice in choices[:2] if isinstance(choice, Placed)} == {H2, H3}
    assert len(choices) == 4
    for choice in choices[2:]:
        assert isinstance(choice, Unplaceable)
        assert "160 MiB not reserved, of 300 MiB needed" in choice.reason


def test_a_replica_that_is_missing_comes_back_to_its_volume_before_there_are_more() -> None:
    database = replace(a_household("h1", pinned=True), residents=(), occupants=(), replicas=1)
    (choice,) = forecast_more(a_landscape(THREE, database), database, 1)
    assert isinstance(choice, Placed)
    assert choice.node_id == H1
