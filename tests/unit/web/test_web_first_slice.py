"""Log in, and see the cluster."""

from __future__ import annotations

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
