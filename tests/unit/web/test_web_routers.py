"""What a Traefik may ask, and how a balancer's word comes in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cluster.model.access import Role
from tests.support.web_fakes import WebWorld, a_web_world, log_in, serving


class OneRouter:
    """A router of somebody else's."""

    def __init__(self, document: bytes | None) -> None:
        self.document = document
        self.polls: list[tuple[str, str]] = []
        self.known = {"in-1-7"}

    def traefik_document(self, version: str, poller: str) -> bytes | None:
        self.polls.append((version, poller))
        return self.document

    def acknowledge(self, mark: str) -> bool:
        return mark in self.known


class Asking:
    def __init__(self, world: WebWorld, headers: dict[str, str], client: object) -> None:
        self.world, self.headers, self.client = world, headers, client

    async def get(self, path: str) -> tuple[int, bytes]:
        response = await self.client.get(f"/api/v1{path}", headers=self.headers)  # type: ignore[attr-defined]
        return response.status, await response.read()

    async def acknowledge(self, body: object) -> tuple[int, bytes]:
        response = await self.client.post(  # type: ignore[attr-defined]
            "/api/v1/router/acknowledgements", headers=self.headers, json=body
        )
        return response.status, await response.read()


@asynccontextmanager
async def asking(router: OneRouter | None, role: Role = Role.VIEWER) -> AsyncIterator[Asking]:
    world = a_web_world()
    if router is not None:
        world.router = router
    world.add_user("ann", role)
    async with serving(world) as client:
        yield Asking(world, await log_in(client, "ann"), client)


async def test_traefik_gets_its_configuration_with_a_token() -> None:
    router = OneRouter(b'{"http":{}}')
    async with asking(router) as it:
        assert await it.get("/router/traefik/v3") == (200, b'{"http":{}}')
        assert await it.get("/router/traefik/v2") == (200, b'{"http":{}}')
        it.headers = {}
        status, _ = await it.get("/router/traefik/v3")
        assert status == 401
    assert [version for version, _ in router.polls] == ["v3", "v2"]
    assert all(poller for _, poller in router.polls)


async def test_traefik_keeps_what_it_has_while_nothing_is_known() -> None:
    async with asking(OneRouter(None)) as it:
        status, body = await it.get("/router/traefik/v3")
    assert status == 503
    assert "traefik.enabled" in json.loads(body)["hint"]


async def test_a_host_without_traefik_says_so() -> None:
    async with asking(None) as it:
        status, _ = await it.get("/router/traefik/v3")
    assert status == 503


async def test_a_version_there_is_not_is_named() -> None:
    async with asking(OneRouter(b"{}")) as it:
        status, body = await it.get("/router/traefik/v1")
    assert status == 404
    assert "/v2 or /v3" in json.loads(body)["hint"]


async def test_a_balancer_acknowledges_what_it_was_sent_and_nothing_else() -> None:
    async with asking(OneRouter(None), Role.OPERATOR) as it:
        assert (await it.acknowledge({"mark": "in-1-7"}))[0] == 204
        status, body = await it.acknowledge({"mark": "in-9-9"})
        assert status == 422
        assert json.loads(body)["errors"][0]["field"] == "mark"
        assert (await it.acknowledge({}))[0] == 422


async def test_a_viewer_acknowledges_nothing() -> None:
    async with asking(OneRouter(None), Role.VIEWER) as it:
        assert (await it.acknowledge({"mark": "in-1-7"}))[0] == 403
