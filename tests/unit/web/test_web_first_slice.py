"""Log in, and see the cluster."""

from __future__ import annotations

from dataclasses import replace

from cluster.model.access import Role
from tests.support.web_fakes import a_container, a_web_world, log_in, put_containers, serving


async def test_a_viewer_logs_in_and_sees_hosts_and_containers() -> None:
    world = a_web_world()
    world.add_user("vera", Role.VIEWER)
    put_containers(world, "nd_2", a_container("shop-web-1", project="shop", service="web"))
    async with serving(world) as client:
        headers = await log_in(client, "vera")

        me = await (await client.get("/api/v1/auth/me", headers=headers)).json()
        cluster = await (await client.get("/api/v1/cluster", headers=headers)).json()
        nodes = await (await client.get("/api/v1/nodes", headers=headers)).json()
        containers = await (await client.get("/api/v1/containers", headers=headers)).json()

    assert (me["name"], me["role"], me["csrf_token"]) == ("vera", "viewer", None)
    assert "container.read" in me["permissions"]
    assert "container.remove" not in me["permissions"]
    assert cluster["quorum"]["can_lose"] == 1
    assert [node["name"] for node in nodes["items"]] == ["h1", "h2", "h3"]
    assert [(item["name"], item["node_name"]) for item in containers["items"]] == [("shop-web-1", "h2")]


async def test_without_a_leader_a_host_that_cannot_be_reached_is_not_said_to_be_up() -> None:
    world = a_web_world()
    world.add_user("vera", Role.VIEWER)
    with_leader = world.cluster.engine
    world.hosts.problems["nd_3"] = "nd_3 does not answer"
    async with serving(world) as client:
        headers = await log_in(client, "vera")

        async def unknown() -> list[str]:
            cluster = await (await client.get("/api/v1/cluster", headers=headers)).json()
            return [node["name"] for node in cluster["nodes"] if node["is_unknown"]]

        assert await unknown() == []
        world.cluster.engine = replace(with_leader, leader_id=None, connected=frozenset({"nd_2"}))
        assert await unknown() == ["h3"]
