"""Which running containers make up one service, and what speaks against it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cluster.model.adoption import FoundContainer
from cluster.model.ids import NodeId
from cluster.model.service import PublishedPort, Route, ServiceSpec
from cluster.survey.adopting import Adoption, AdoptionPlan, plan_adoption

H1, H2 = NodeId("n1"), NodeId("n2")
HOSTS = {H1: "host-1", H2: "host-2"}
SPEC = ServiceSpec(
    image="registry.example/shop/web:1",
    digest="sha256:" + "a" * 64,
    ports=(PublishedPort(container_port=8080, host_port=18080),),
)


def a_container(name: str = "shop-web-1", **fields: Any) -> FoundContainer:
    defaults: dict[str, Any] = {
        "container_id": (name.encode().hex() * 64)[:64],
        "name": name,
        "project": "shop",
        "service": "web",
        "number": 1,
        "image_id": "sha256:" + "1" * 64,
        "state": "running",
        "started_at_ms": 0,
        "spec": SPEC,
    }
    return FoundContainer(**{**defaults, **fields})


def plan(
    here: list[FoundContainer],
    there: list[FoundContainer] | None = None,
    names: tuple[str, ...] = ("shop",),
    **routes: Route,
) -> AdoptionPlan:
    given = {name.replace("_", ""): route for name, route in routes.items()}
    return plan_adoption({H1: here, H2: there or []}, names, hosts=HOSTS, routes=given)


def only(found: AdoptionPlan) -> Adoption:
    assert found.problems == ()
    (adoption,) = found.adoptions
    return adoption


def test_containers_of_one_service_on_all_hosts_are_its_replicas_by_host_and_number() -> None:
    second = a_container("shop-web-2", number=2)
    found = only(plan([second, a_container()], [a_container("shop-web-3", number=3)]))
    assert found.service_id == "shop.web"
    assert [(node_id, each.name) for node_id, each in found.containers] == [
        (H1, "shop-web-1"),
        (H1, "shop-web-2"),
        (H2, "shop-web-3"),
    ]
    assert found.spec == SPEC


def test_a_project_becomes_a_service_for_each_of_its_services() -> None:
    found = plan([a_container(), a_container("shop-db-1", service="db")])
    assert [each.service_id for each in found.adoptions] == ["shop.db", "shop.web"]


def test_a_container_outside_of_compose_is_a_service_by_its_own_name() -> None:
    found = only(plan([a_container("My_Wiki.1", project="", service="", number=0)], names=("My_Wiki.1",)))
    assert found.service_id == "my_wiki-1.my_wiki-1"


def test_two_images_in_one_service_are_refused_with_where_they_are() -> None:
    other = a_container("shop-web-2", number=2, image_id="sha256:" + "2" * 64)
    (problem,) = plan([a_container()], [other]).problems
    assert "web runs 2 different images" in problem
    assert "shop-web-2 on host-2: 222222222222" in problem


def test_different_settings_in_one_service_are_refused_by_name() -> None:
    other = a_container("shop-web-2", number=2, spec=replace(SPEC, environment=(("A", "1"),)))
    (problem,) = plan([a_container(), other]).problems
    assert problem.startswith("the containers of web differ in environment")


def test_host_ports_that_differ_are_left_to_the_engine_and_that_is_said() -> None:
    ports = (PublishedPort(container_port=8080, host_port=18081),)
    other = a_container("shop-web-2", number=2, spec=replace(SPEC, ports=ports))
    found = only(plan([a_container(), other]))
    assert found.spec.ports == (PublishedPort(container_port=8080, host_port=0),)
    assert "its host ports, which differ between its containers" in found.losses[0]


def test_what_cannot_be_a_replica_stands_against_all_of_it() -> None:
    stopped = a_container("shop-db-1", service="db", spec=None, refusal="it is exited: start it first")
    found = plan([a_container(), stopped])
    assert found.problems == ("shop-db-1 on host-1: it is exited: start it first",)


def test_a_name_that_nobody_has_is_said() -> None:
    assert plan([a_container()], names=("shop", "blog")).problems == (
        "blog: no host has a container, or a Compose project, of that name",
    )


def test_an_image_without_a_registry_is_a_loss() -> None:
    found = only(plan([a_container(spec=replace(SPEC, digest=""), losses=("a terminal (tty)",))]))
    assert found.losses == (
        "a terminal (tty)",
        "where its image registry.example/shop/web:1 comes from: no registry is known to have it",
    )


def test_a_route_is_given_to_the_only_service_or_to_the_one_it_names() -> None:
    route = Route(host="shop.example", port=8080)
    assert (
        only(plan_adoption({H1: [a_container()]}, ("shop",), hosts=HOSTS, routes={"": route})).spec.route
        == route
    )
    both = [a_container(), a_container("shop-db-1", service="db")]
    found = plan_adoption({H1: both}, ("shop",), hosts=HOSTS, routes={"web": route})
    assert [each.spec.route for each in found.adoptions] == [None, route]
    (problem,) = plan_adoption({H1: both}, ("shop",), hosts=HOSTS, routes={"": route}).problems
    assert "write SERVICE=HOST:PORT" in problem


def test_a_route_needs_a_port_that_other_hosts_reach() -> None:
    route = Route(host="shop.example", port=8080)
    local = replace(SPEC, ports=(PublishedPort(container_port=8080, host_port=18080, host_ip="127.0.0.1"),))
    (problem,) = plan_adoption(
        {H1: [a_container(spec=local)]}, ("shop",), hosts=HOSTS, routes={"web": route}
    ).problems
    assert problem == (
        "shop-web-1 on host-1 does not publish port 8080 where other hosts reach it: a route needs that"
    )


def test_a_service_whose_name_cannot_be_one_here_is_refused() -> None:
    (problem,) = plan([a_container(service="Web.App")]).problems
    assert "'Web.App' is no name of a project or service here" in problem
