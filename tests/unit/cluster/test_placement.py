"""Placement: rules that exclude a host, preferences among the rest, and reasons a person can read."""

from __future__ import annotations

from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import NodeFacts, NodeStatus
from cluster.model.service import PortProtocol, PublishedPort, Resources
from cluster.placement import Landscape, Placed, Unplaceable, direct_groups
from tests.support.placement_builders import a_request, a_spec, host, hosts, landscape, on

MIB = 1024 * 1024
WEB = ServiceId("shop.web")
CACHE = ServiceId("shop.cache")


def a_port(number: int, ip: str = "", protocol: PortProtocol = PortProtocol.TCP) -> PublishedPort:
    return PublishedPort(container_port=80, host_port=number, host_ip=ip, protocol=protocol)


THREE = hosts(host("h1"), host("h2"), host("h3"))


def test_the_first_replica_goes_to_the_emptiest_host() -> None:
    assert landscape(THREE, on("h1"), on("h1"), on("h2")).choose(a_request()) == Placed(NodeId("h3"))


def test_equal_hosts_are_taken_in_the_order_of_their_ids() -> None:
    assert landscape(THREE).choose(a_request()) == Placed(NodeId("h1"))


def test_spreading_over_hosts_comes_before_an_empty_host() -> None:
    crowded = [on("h2") for _ in range(5)]
    request = a_request(siblings=(NodeId("h1"), NodeId("h3")))
    assert landscape(THREE, *crowded).choose(request) == Placed(NodeId("h2"))


def test_what_was_chosen_just_before_counts() -> None:
    own = (on("h1", service="shop.web"),)
    assert landscape(THREE).choose(a_request(own=own)) == Placed(NodeId("h2"))


def test_own_replicas_stand_in_for_what_the_landscape_knows_of_the_service() -> None:
    known = on("h1", a_spec(ports=(a_port(80),)), "shop.web")
    choice = landscape(hosts(host("h1")), known).choose(a_request(a_spec(ports=(a_port(80),))))
    assert choice == Placed(NodeId("h1"))


def test_hosts_that_are_down_suspect_or_being_drained_get_nothing() -> None:
    nodes = hosts(
        host("h1", status=NodeStatus.DOWN),
        host("h2", status=NodeStatus.SUSPECT),
        host("h3", is_draining=True),
        host("h4", status=NodeStatus.LEFT),
    )
    choice = landscape(nodes).choose(a_request())
    assert choice == Unplaceable(
        "no host can take it: host-h1 is down; host-h2 is suspect; host-h3 is being drained"
    )


def test_a_fixed_port_is_had_once_per_host() -> None:
    taken = on("h1", a_spec(ports=(a_port(8080),)))
    request = a_request(a_spec(ports=(a_port(8080),)))
    assert landscape(hosts(host("h1"), host("h2")), taken).choose(request) == Placed(NodeId("h2"))
    assert landscape(hosts(host("h1")), taken).choose(request) == Unplaceable(
        "no host can take it: host-h1 has port 8080/tcp in use by blog.web"
    )


def test_a_replica_that_is_leaving_still_holds_its_port() -> None:
    leaving = on("h1", a_spec(ports=(a_port(8080),)), is_leaving=True)
    choice = landscape(hosts(host("h1")), leaving).choose(a_request(a_spec(ports=(a_port(8080),))))
    assert isinstance(choice, Unplaceable)


def test_ports_of_other_addresses_or_protocols_do_not_collide() -> None:
    nodes = hosts(host("h1"))
    taken = on("h1", a_spec(ports=(a_port(53, "10.0.0.1"),)))
    elsewhere = a_request(a_spec(ports=(a_port(53, "10.0.0.2"),)))
    datagrams = a_request(a_spec(ports=(a_port(53, "10.0.0.1", PortProtocol.UDP),)))
    everywhere = a_request(a_spec(ports=(a_port(53, "0.0.0.0"),)))  # noqa: S104 (data of the test)
    assert landscape(nodes, taken).choose(elsewhere) == Placed(NodeId("h1"))
    assert landscape(nodes, taken).choose(datagrams) == Placed(NodeId("h1"))
    assert isinstance(landscape(nodes, taken).choose(everywhere), Unplaceable)


def test_a_port_the_engine_chooses_never_collides() -> None:
    spec = a_spec(ports=(a_port(0),))
    assert landscape(hosts(host("h1")), on("h1", spec)).choose(a_request(spec)) == Placed(NodeId("h1"))


def test_reservations_are_held_against_what_the_host_has() -> None:
    facts = NodeFacts(cpu_count=2, memory_bytes=1024 * MIB)
    nodes = hosts(host("h1", facts=facts))
    half = a_spec(resources=Resources(cpu_reservation_millis=1500, memory_reservation_bytes=600 * MIB))
    assert landscape(nodes).choose(a_request(half)) == Placed(NodeId("h1"))
    full = landscape(nodes, on("h1", half))
    assert full.choose(a_request(half)) == Unplaceable(
        "no host can take it: host-h1 has 0.3 CPU not reserved, of 1.5 needed (10 % is kept free)"
    )
    memory = a_spec(resources=Resources(memory_reservation_bytes=600 * MIB))
    assert full.choose(a_request(memory)) == Unplaceable(
        "no host can take it: host-h1 has 321 MiB not reserved, of 600 MiB needed (10 % is kept free)"
    )


def test_a_host_that_does_not_tell_its_size_is_not_full() -> None:
    spec = a_spec(resources=Resources(cpu_reservation_millis=9_000, memory_reservation_bytes=2**40))
    assert landscape(hosts(host("h1"))).choose(a_request(spec)) == Placed(NodeId("h1"))


def test_a_limit_reserves_nothing() -> None:
    nodes = hosts(host("h1", facts=NodeFacts(cpu_count=1)))
    limited = a_spec(resources=Resources(cpu_limit_millis=1000))
    assert landscape(nodes, on("h1", limited)).choose(a_request(limited)) == Placed(NodeId("h1"))


def test_a_replica_does_not_go_where_it_is_to_avoid() -> None:
    request = a_request(avoid={NodeId("h1"): "has tried it already"})
    assert landscape(THREE).choose(request) == Placed(NodeId("h2"))
    only = landscape(hosts(host("h1"))).choose(request)
    assert only == Unplaceable("no host can take it: host-h1 has tried it already")


def test_a_host_in_trouble_gets_nothing_for_the_time_being() -> None:
    troubled = Landscape(THREE, {}, {}, {NodeId("h1"): "has no container engine that answers"})
    assert troubled.choose(a_request()) == Placed(NodeId("h2"))


def test_a_volume_decides_for_its_host_even_while_that_is_drained() -> None:
    nodes = hosts(host("h1"), host("h2", is_draining=True))
    assert landscape(nodes).choose(a_request(pinned_to=NodeId("h2"))) == Placed(NodeId("h2"))
    down = hosts(host("h1"), host("h2", status=NodeStatus.DOWN))
    assert landscape(down).choose(a_request(pinned_to=NodeId("h2"))) == Unplaceable(
        "no host can take it: host-h1 does not have its volume, which is on host-h2 (down); host-h2 is down"
    )


def test_services_without_a_route_of_one_project_are_together() -> None:
    cache = on("h2", a_spec(route=None), "shop.cache")
    together = landscape(THREE, cache, together="shop.cache shop.worker")
    assert together.home(ServiceId("shop.worker"), "shop") == NodeId("h2")
    request = a_request(a_spec(route=None), "shop.worker")
    assert together.choose(request) == Placed(NodeId("h2"))
    nodes = {**THREE, NodeId("h2"): host("h2", status=NodeStatus.SUSPECT)}
    choice = landscape(nodes, cache, together="shop.cache shop.worker").choose(request)
    assert isinstance(choice, Unplaceable)
    assert "host-h1 is not where the services it talks to are: host-h2 (suspect)" in choice.reason


def test_a_project_leaves_a_host_that_is_down_for_a_new_home() -> None:
    nodes = {**THREE, NodeId("h1"): host("h1", status=NodeStatus.DOWN)}
    cache = on("h1", a_spec(route=None), "shop.cache")
    lost = landscape(nodes, cache, together="shop.cache shop.worker")
    assert lost.home(ServiceId("shop.worker"), "shop") is None


def test_a_project_stays_where_a_volume_of_it_is() -> None:
    nodes = {**THREE, NodeId("h1"): host("h1", status=NodeStatus.DOWN)}
    cache = on("h1", a_spec(route=None), "shop.cache", is_pinned=True)
    other = on("h2", a_spec(route=None), "shop.queue")
    lost = landscape(nodes, cache, other, together="shop.cache shop.queue shop.worker")
    assert lost.home(ServiceId("shop.worker"), "shop") == NodeId("h1")


def test_a_service_with_a_route_prefers_the_host_of_what_it_talks_to() -> None:
    cache = on("h3", a_spec(route=None), "shop.cache")
    known = landscape(THREE, cache, on("h1"))
    assert known.choose(a_request()) == Placed(NodeId("h3"))
    assert known.choose(a_request(siblings=(NodeId("h3"),))) == Placed(NodeId("h2"))


def test_only_services_without_a_route_make_a_group_and_it_takes_two() -> None:
    routed, unrouted = a_spec(), a_spec(route=None)
    groups = direct_groups(
        [
            (WEB, "shop", routed),
            (CACHE, "shop", unrouted),
            (ServiceId("shop.worker"), "shop", unrouted),
            (ServiceId("blog.db"), "blog", unrouted),
            (ServiceId("lone"), "", unrouted),
            (ServiceId("lonely"), "", unrouted),
        ]
    )
    assert groups == {"shop": frozenset({CACHE, ServiceId("shop.worker")})}


def test_a_long_list_of_hosts_is_cut_short() -> None:
    nodes = hosts(*(host(f"h{number:02}", status=NodeStatus.DOWN) for number in range(11)))
    choice = landscape(nodes).choose(a_request())
    assert isinstance(choice, Unplaceable)
    assert choice.reason.endswith("host-h07 is down; and 3 more")


def test_a_cluster_without_hosts_is_said() -> None:
    assert landscape({}).choose(a_request()) == Unplaceable("no host can take it: the cluster has none")
