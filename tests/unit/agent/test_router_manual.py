"""A balancer of the user's own: what it is sent, and whose word it takes that it is in force."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from agent.ports import Endpoint, SwitchError
from agent.router.manual import ACKNOWLEDGE_TIMEOUT_S, ManualRouter
from agent.router.protocol import ServiceRoute
from cluster.model.experiment import Match, MatchKind, Targeting
from cluster.model.strategy import Colour
from tests.support.fake_clock import FakeClock

SHOP = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")


class NoBook:
    async def read(self) -> str:
        return ""

    async def write(self, text: str) -> None:
        """Nothing outlives the test."""


class Balancer:
    """A webhook that answers as the test says, and a router that uses it."""

    def __init__(self, url: str, status: int, bodies: list[tuple[bytes, str]]) -> None:
        self.clock = FakeClock()
        self.status = status
        self.bodies = bodies
        self.sent = asyncio.Event()
        self.router = ManualRouter(keeper=NoBook(), epoch="in-1", clock=self.clock, url=url, secret="shared")

    @property
    def newest(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.bodies[-1][0])
        return read


@asynccontextmanager
async def a_balancer(status: int = 200) -> AsyncIterator[Balancer]:
    bodies: list[tuple[bytes, str]] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append((await request.read(), request.headers["X-Tower-Signature"]))
        it.sent.set()
        return web.Response(status=it.status)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    it = Balancer(f"http://{address[0]}:{address[1]}/hook", status, bodies)
    await it.router.load()
    it.router.configure([SHOP])
    try:
        yield it
    finally:
        await runner.cleanup()


async def opened(it: Balancer) -> Endpoint:
    """A replica in service; the balancer's own port answers for it."""
    host, _, port = it.router._url.partition("//")[2].partition("/")[0].partition(":")
    endpoint = Endpoint(replica=f"{host}:{port}", address=host, port=int(port), revision=3)
    await it.router.admit("shop.web", "blue", endpoint)
    await it.router.open("shop.web", "blue", endpoint.replica)
    return endpoint


async def test_a_balancer_that_answers_200_has_what_it_was_sent() -> None:
    async with a_balancer() as it:
        endpoint = await opened(it)
        [service] = it.newest["services"]
        blue, green = service["colours"]
        assert service["hosts"] == ["shop.example"]
        assert blue == {
            "colour": "blue",
            "share_permille": 1000,
            "servers": [{"address": endpoint.address, "port": endpoint.port, "revision": 3}],
        }
        assert green == {"colour": "green", "share_permille": 0, "servers": []}
        sent = len(it.bodies)
        await it.router.open("shop.web", "blue", endpoint.replica)
        assert len(it.bodies) == sent


async def test_a_balancer_is_told_what_goes_before_the_shares_while_its_colour_has_servers() -> None:
    async with a_balancer() as it:
        await opened(it)
        assert it.newest["services"][0]["targeting"] is None
        beta = Match(kind=MatchKind.HEADER, name="X-Beta", value="yes")
        tried = Targeting(colour=Colour.BLUE, matches=(beta,), cookie="tower-experiment-4", cookie_s=60)
        whole = {"blue": 1000, "green": 0}
        await it.router.split("shop.web", whole, revision=5, targeting=tried)
        assert it.newest["services"][0]["targeting"] == {
            "colour": "blue",
            "matches": [{"kind": "header", "name": "X-Beta", "value": "yes"}],
            "sticky_s": 60,
        }
        nobody = Targeting(colour=Colour.GREEN, matches=(beta,))
        await it.router.split("shop.web", whole, revision=6, targeting=nobody)
        assert it.newest["services"][0]["targeting"] == {"colour": "green", "matches": [], "sticky_s": 0}
        await it.router.split("shop.web", whole, revision=7)
        assert it.newest["services"][0]["targeting"] is None


async def test_what_is_sent_is_signed() -> None:
    async with a_balancer() as it:
        await opened(it)
        body, signature = it.bodies[-1]
        assert signature == hmac.new(b"shared", body, hashlib.sha256).hexdigest()


async def test_after_202_somebodys_word_is_waited_for() -> None:
    async with a_balancer() as it:
        await opened(it)
        it.status = 202
        it.sent.clear()
        async with asyncio.TaskGroup() as group:
            shares = {"blue": 500, "green": 500}
            splitting = group.create_task(it.router.split("shop.web", shares, revision=5))
            await it.sent.wait()
            await it.clock.advance(5.0)
            assert not splitting.done()
            assert it.router.acknowledge(it.newest["mark"])
            await it.clock.advance(1.0)
            assert await splitting == 5


async def test_a_word_for_what_was_never_sent_is_refused() -> None:
    async with a_balancer() as it:
        await opened(it)
        assert not it.router.acknowledge("in-0-1")
        assert not it.router.acknowledge("in-1-999")
        assert not it.router.acknowledge("nonsense")


async def test_nobody_waits_for_ever_for_that_word() -> None:
    async with a_balancer() as it:
        await opened(it)
        it.status = 202
        it.sent.clear()
        async with asyncio.TaskGroup() as group:
            refused = group.create_task(expect_refusal(it))
            await it.sent.wait()
            while not refused.done():
                await it.clock.advance(ACKNOWLEDGE_TIMEOUT_S)
        assert "nobody has acknowledged" in await refused


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_any_other_answer_is_a_refusal_in_words(status: int) -> None:
    async with a_balancer() as it:
        await opened(it)
        it.status = status
        assert f"answered {status}" in await expect_refusal(it)
        assert f"answered {status}" in it.router.condition.problem


async def test_a_balancer_that_cannot_be_reached_is_named() -> None:
    router = ManualRouter(keeper=NoBook(), epoch="in-1", clock=FakeClock(), url="http://127.0.0.1:1/hook")
    await router.load()
    router.configure([SHOP])
    with pytest.raises(SwitchError, match=r"http://127\.0\.0\.1:1/hook cannot be reached"):
        await router.split("shop.web", {"blue": 0, "green": 1000}, revision=1)


async def expect_refusal(it: Balancer) -> str:
    with pytest.raises(SwitchError) as refused:
        await it.router.split("shop.web", {"blue": 0, "green": 1000}, revision=9)
    return str(refused.value)
