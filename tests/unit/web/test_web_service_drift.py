"""The differences of all services over REST."""

from __future__ import annotations

from cluster.model.access import Role
from tests.support.api_caller import ApiCaller
from tests.support.deployments import deployed
from tests.support.web_fakes import a_container, a_web_world, log_in, put_containers, serving


async def test_what_was_removed_or_left_over_on_any_host_is_in_one_list() -> None:
    world = a_web_world()
    deployed(world, "nd_1")
    put_containers(world, "nd_1")
    left = a_container("tower-shop.web-9-0", service="shop.web", revision=9, is_managed=True)
    put_containers(world, "nd_2", left, a_container("postgres"))
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        page = await ApiCaller(client, await log_in(client, "ann")).get("/drift")
    assert [(each["service_id"], each["node_name"], each["kind"]) for each in page["items"]] == [
        ("shop.web", "h1", "missing"),
        ("shop.web", "h2", "left-over"),
    ]
    assert page["items"][1]["words"] == "tower-shop.web-9-0 runs on h2, and nothing asks for it"
    assert page["next_cursor"] is None


async def test_where_everything_is_as_asked_for_nothing_differs() -> None:
    world = a_web_world()
    world.add_user("ann", Role.VIEWER)
    async with serving(world) as client:
        page = await ApiCaller(client, await log_in(client, "ann")).get("/drift")
    assert page["items"] == []
