"""What every `Router` promises: the same tests against the fake and a real HAProxy on loopback ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

import pytest

from agent.clock import SystemClock
from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.haproxy.render import SLOTS_MIN
from agent.router.protocol import RevisionTraffic, Router, ServiceRoute, replica_name
from cluster.model.experiment import Match, MatchKind, Targeting
from cluster.model.service import Sticky
from cluster.model.strategy import Colour
from tests.support.fake_router import FakeRouter, HeldRequest
from tests.support.haproxy import (
    LOOPBACK,
    PATIENCE_S,
    RunningRouter,
    Upstream,
    running_router,
    short_directory,
)

SHOP = ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up")
BLOG = ServiceRoute(service="blog.web", hosts=("blog.example", "*.blog.example"), health_path="/up")


class Held(Protocol):
    """A request under way."""

    async def finish(self) -> int:
        """Have the replica answer; returns the status the client got (0: cut off)."""
        ...


class World(Protocol):
    """A router, web servers behind it and clients before it."""

    router: Router

    async def replica(self, name: str, *, is_healthy: bool = True, revision: int = 1) -> Endpoint: ...
    def mend(self, replica: str) -> None: ...
    async def answer(
        self,
        host: str,
        path: str = "/",
        *,
        preview: str = "",
        headers: Mapping[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status, and the replica that answered. `cookies` are one person's, and get what is set."""
        ...

    async def hold(self, host: str) -> Held: ...


class FakeHeld:
    def __init__(self, request: HeldRequest) -> None:
        self._request = request

    async def finish(self) -> int:
        self._request.finish()
        return 200


class FakeWorld:
    def __init__(self) -> None:
        self.fake = FakeRouter(SystemClock())
        self.router: Router = self.fake
        self._names: dict[str, str] = {}

    async def replica(self, name: str, *, is_healthy: bool = True, revision: int = 1) -> Endpoint:
        port = 20_000 + len(self._names)
        replica = replica_name(LOOPBACK, port)
        self._names[replica] = name
        if not is_healthy:
            self.fake.sick.add(replica)
        return Endpoint(replica=replica, address=LOOPBACK, port=port, revision=revision)

    def mend(self, replica: str) -> None:
        self.fake.sick.discard(replica)

    async def answer(
        self,
        host: str,
        path: str = "/",
        *,
        preview: str = "",
        headers: Mapping[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        status, replica = self.fake.request(host, path, preview=preview, headers=headers, cookies=cookies)
        return status, self._names.get(replica, "")

    async def hold(self, host: str) -> Held:
        held = self.fake.hold(host)
        assert isinstance(held, HeldRequest)
        return FakeHeld(held)


class HaproxyHeld:
    def __init__(self, task: asyncio.Task[int], upstreams: list[Upstream]) -> None:
        self._task = task
        self._upstreams = upstreams

    async def finish(self) -> int:
        for upstream in self._upstreams:
            upstream.release()
        return await self._task


class HaproxyWorld:
    def __init__(self, running: RunningRouter, tasks: asyncio.TaskGroup) -> None:
        self.router: Router = running.router
        self._running = running
        self._tasks = tasks
        self._upstreams: list[Upstream] = []

    async def replica(self, name: str, *, is_healthy: bool = True, revision: int = 1) -> Endpoint:
        upstream = Upstream(name, revision=revision)
        upstream.is_healthy = is_healthy
        await upstream.start()
        self._upstreams.append(upstream)
        return upstream.endpoint

    def mend(self, replica: str) -> None:
        for upstream in self._upstreams:
            if upstream.endpoint.replica == replica:
                upstream.is_healthy = True

    async def answer(
        self,
        host: str,
        path: str = "/",
        *,
        preview: str = "",
        headers: Mapping[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> tuple[int, str]:
        sent = {**(headers or {}), **({"X-Tower-Colour": preview} if preview else {})}
        status, text = await self._running.get(host, path, headers=sent, cookies=cookies)
        return status, text if status == 200 else ""

    async def hold(self, host: str) -> Held:
        async def request() -> int:
            try:
                status, _ = await self._running.get(host, "/hold")
            except (TimeoutError, OSError):
                return 0
            return 0 if status in (502, 503) else status

        task = self._tasks.create_task(request())
        async with asyncio.timeout(PATIENCE_S):
            while not any(upstream.held for upstream in self._upstreams):
                await SystemClock().sleep(0.01)
        return HaproxyHeld(task, self._upstreams)

    async def close(self) -> None:
        for upstream in self._upstreams:
            upstream.release()
            await upstream.stop()


@pytest.fixture(params=["fake", "haproxy"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fake":
        made = FakeWorld()
        made.router.configure([SHOP, BLOG])
        yield made
        return
    async with AsyncExitStack() as stack:
        directory = await stack.enter_async_context(short_directory())
        running = await stack.enter_async_context(running_router(directory))
        running.router.configure([SHOP, BLOG])
        await running.until_serving()
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        real = HaproxyWorld(running, tasks)
        stack.push_async_callback(real.close)
        yield real


async def serve(
    world: World, name: str, colour: str = "blue", *, service: str = "shop.web", revision: int = 1
) -> Endpoint:
    """A replica that gets requests."""
    endpoint = await world.replica(name, revision=revision)
    await world.router.admit(service, colour, endpoint)
    await world.router.open(service, colour, endpoint.replica)
    return endpoint


async def declare(world: World, *routes: ServiceRoute) -> None:
    """Have these routes in force, and no others."""
    marker = ServiceRoute(service="zz.marker", hosts=("marker.example",))
    world.router.configure([*routes, marker])

    async def is_in_force() -> bool:
        return await world.answer("marker.example") == (503, "")

    await eventually(is_in_force)


async def counted(world: World, revision: int) -> RevisionTraffic:
    for each in await world.router.traffic():
        if (each.service, each.revision) == ("shop.web", revision):
            return each
    return RevisionTraffic(service="shop.web", revision=revision)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await check():
            await SystemClock().sleep(0.02)


async def test_a_host_name_of_no_service_is_not_found(world: World) -> None:
    assert await world.answer("nobody.example") == (404, "")


async def test_a_service_without_a_replica_is_unavailable(world: World) -> None:
    assert await world.answer("shop.example") == (503, "")


async def test_an_admitted_replica_gets_no_request_before_it_is_opened(world: World) -> None:
    endpoint = await world.replica("one")
    await world.router.admit("shop.web", "blue", endpoint)
    assert await world.answer("shop.example") == (503, "")
    await world.router.open("shop.web", "blue", endpoint.replica)
    assert await world.answer("shop.example") == (200, "one")


async def test_names_with_a_port_other_case_or_below_a_wildcard_lead_to_the_service(world: World) -> None:
    endpoint = await world.replica("blog")
    await world.router.admit("blog.web", "blue", endpoint)
    await world.router.open("blog.web", "blue", endpoint.replica)
    for host in ("blog.example:8080", "BLOG.example", "ann.blog.example"):
        assert await world.answer(host) == (200, "blog"), host
    assert await world.answer("notblog.example") == (404, "")


async def test_requests_are_shared_by_the_opened_replicas(world: World) -> None:
    for name in ("one", "two", "three"):
        await serve(world, name)
    answers = [await world.answer("shop.example") for _ in range(12)]
    assert {name for _, name in answers} == {"one", "two", "three"}


async def test_admitting_waits_until_the_router_finds_the_replica_healthy(world: World) -> None:
    endpoint = await world.replica("late", is_healthy=False)
    async with asyncio.TaskGroup() as tasks:
        admitting = tasks.create_task(world.router.admit("shop.web", "blue", endpoint))

        async def is_known() -> bool:
            return (await world.router.status("shop.web")).get(endpoint.replica) is ServerStatus.STARTING

        await eventually(is_known)
        assert not admitting.done()
        world.mend(endpoint.replica)
    await world.router.open("shop.web", "blue", endpoint.replica)
    assert await world.answer("shop.example") == (200, "late")


async def test_a_drained_replica_gets_no_new_request(world: World) -> None:
    old, _ = await serve(world, "old"), await serve(world, "new")
    assert await world.router.drain("shop.web", "blue", old.replica, timeout_s=5.0)
    assert {await world.answer("shop.example") for _ in range(6)} == {(200, "new")}


async def test_draining_waits_for_what_is_under_way(world: World) -> None:
    endpoint = await serve(world, "one")
    held = await world.hold("shop.example")
    assert not await world.router.drain("shop.web", "blue", endpoint.replica, timeout_s=0.0)
    assert await held.finish() == 200
    assert await world.router.drain("shop.web", "blue", endpoint.replica, timeout_s=5.0)


async def test_a_removed_replica_gets_nothing_new_and_may_end_what_it_serves(world: World) -> None:
    endpoint = await serve(world, "one")
    held = await world.hold("shop.example")
    await world.router.remove("shop.web", "blue", endpoint.replica)
    assert await world.answer("shop.example") == (503, "")
    assert world.router.replicas() == frozenset()
    assert await held.finish() == 200


async def test_a_drained_replica_can_be_opened_again(world: World) -> None:
    endpoint = await serve(world, "one")
    await world.router.drain("shop.web", "blue", endpoint.replica, timeout_s=1.0)
    assert (await world.router.status("shop.web"))[endpoint.replica] is ServerStatus.DRAINING
    await world.router.admit("shop.web", "blue", endpoint)
    await world.router.open("shop.web", "blue", endpoint.replica)
    assert await world.answer("shop.example") == (200, "one")


async def test_every_call_may_be_repeated(world: World) -> None:
    endpoint = await serve(world, "one")
    for _ in range(2):
        await world.router.admit("shop.web", "blue", endpoint)
        await world.router.open("shop.web", "blue", endpoint.replica)
    assert await world.answer("shop.example") == (200, "one")
    for _ in range(2):
        assert await world.router.drain("shop.web", "blue", endpoint.replica, timeout_s=1.0)
    for _ in range(2):
        await world.router.remove("shop.web", "blue", endpoint.replica)
    assert await world.router.drain("shop.web", "blue", endpoint.replica, timeout_s=1.0)
    assert await world.router.status("shop.web") == {}
    assert world.router.replicas() == frozenset()


async def test_a_replica_that_was_never_admitted_cannot_be_opened(world: World) -> None:
    with pytest.raises(SwitchError, match="admit"):
        await world.router.open("shop.web", "blue", "127.0.0.1:4")


async def test_a_place_in_the_router_is_used_again(world: World) -> None:
    for number in range(SLOTS_MIN + 2):
        endpoint = await world.replica(f"r{number}")
        await world.router.admit("shop.web", "blue", endpoint)
        await world.router.open("shop.web", "blue", endpoint.replica)
        assert await world.answer("shop.example") == (200, f"r{number}")
        await world.router.remove("shop.web", "blue", endpoint.replica)


async def test_the_whole_share_goes_to_one_colour_or_the_other(world: World) -> None:
    await serve(world, "stable", "blue")
    await serve(world, "canary", "green")
    assert await world.answer("shop.example") == (200, "stable")
    assert await world.router.split("shop.web", {"blue": 0, "green": 1000}, revision=2) == 2
    assert await world.answer("shop.example") == (200, "canary")


async def test_an_older_split_changes_nothing(world: World) -> None:
    await serve(world, "stable", "blue")
    await serve(world, "canary", "green")
    await world.router.split("shop.web", {"blue": 0, "green": 1000}, revision=7)
    assert await world.router.split("shop.web", {"blue": 1000, "green": 0}, revision=6) == 7
    assert await world.answer("shop.example") == (200, "canary")


async def test_shares_that_do_not_add_up_are_refused(world: World) -> None:
    with pytest.raises(SwitchError, match="1000"):
        await world.router.split("shop.web", {"blue": 900, "green": 50}, revision=1)


async def test_a_replica_that_falls_ill_gets_no_requests(world: World) -> None:
    endpoint, _ = await serve(world, "ill"), await serve(world, "well")
    if isinstance(world, FakeWorld):
        world.fake.sick.add(endpoint.replica)
    else:
        assert isinstance(world, HaproxyWorld)
        world._upstreams[0].is_healthy = False

    async def is_down() -> bool:
        return (await world.router.status("shop.web"))[endpoint.replica] is ServerStatus.DOWN

    await eventually(is_down)
    assert {await world.answer("shop.example") for _ in range(6)} == {(200, "well")}


async def test_a_service_is_declared_and_taken_back(world: World) -> None:
    news = ServiceRoute(service="news.web", hosts=("news.example",), health_path="/up")
    world.router.configure([SHOP, BLOG, news])
    endpoint = await world.replica("news")
    await world.router.admit("news.web", "blue", endpoint)
    await world.router.open("news.web", "blue", endpoint.replica)
    assert await world.answer("news.example") == (200, "news")
    world.router.configure([SHOP, BLOG])

    async def is_gone() -> bool:
        return await world.answer("news.example") == (404, "")

    await eventually(is_gone)


async def test_what_is_in_the_router_can_be_listed(world: World) -> None:
    stable, canary = await serve(world, "stable"), await serve(world, "canary", "green")
    assert world.router.replicas() == {
        ("shop.web", "blue", stable.replica),
        ("shop.web", "green", canary.replica),
    }
    assert world.router.condition.is_serving


async def test_a_colour_without_a_usable_replica_is_replaced_by_the_other(world: World) -> None:
    await serve(world, "stable", "blue")
    await world.router.split("shop.web", {"blue": 0, "green": 1000}, revision=1)
    assert {await world.answer("shop.example") for _ in range(5)} == {(200, "stable")}
    canary = await serve(world, "canary", "green")
    assert {await world.answer("shop.example") for _ in range(5)} == {(200, "canary")}
    await world.router.drain("shop.web", "green", canary.replica, timeout_s=5.0)
    assert {await world.answer("shop.example") for _ in range(5)} == {(200, "stable")}


async def test_a_preview_sees_the_colour_it_asks_for_whatever_the_split(world: World) -> None:
    await serve(world, "stable", "blue")
    await serve(world, "canary", "green")
    assert {await world.answer("shop.example", preview="green") for _ in range(5)} == {(200, "canary")}
    await world.router.split("shop.web", {"blue": 0, "green": 1000}, revision=1)
    assert {await world.answer("shop.example", preview="blue") for _ in range(5)} == {(200, "stable")}
    assert await world.answer("shop.example", preview="red") == (200, "canary")


async def test_a_preview_never_sees_the_other_colour(world: World) -> None:
    await serve(world, "stable", "blue")
    assert await world.answer("shop.example", preview="green") == (503, "")


async def test_a_share_of_requests_is_that_share(world: World) -> None:
    await serve(world, "stable", "blue")
    await serve(world, "canary", "green")
    await world.router.split("shop.web", {"blue": 700, "green": 300}, revision=1)
    names = [(await world.answer("shop.example"))[1] for _ in range(1000)]
    # Five standard deviations of 1000 throws.
    assert 228 <= names.count("canary") <= 372
    assert names.count("canary") + names.count("stable") == 1000


async def test_the_longest_path_of_whole_segments_wins_among_the_services_of_a_host(world: World) -> None:
    shop, api, admin = (
        ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up"),
        ServiceRoute(service="api.web", hosts=("shop.example/api", "*.shop.example/api/"), health_path="/up"),
        ServiceRoute(service="admin.web", hosts=("shop.example/api/admin",), health_path="/up"),
    )
    await declare(world, shop, api, admin)
    for route in (shop, api, admin):
        await serve(world, route.service, service=route.service)
    for path, service in {
        "/": "shop.web",
        "/apis": "shop.web",
        "/api": "api.web",
        "/api?page=2": "api.web",
        "/api/": "api.web",
        "/api/adm": "api.web",
        "/api/admin": "admin.web",
        "/api/admin/x": "admin.web",
    }.items():
        assert await world.answer("shop.example", path) == (200, service), path
    assert await world.answer("eu.shop.example", "/api/1") == (200, "api.web")
    assert await world.answer("eu.shop.example", "/") == (404, "")


async def test_an_address_stays_with_one_colour(world: World) -> None:
    await declare(
        world,
        ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up", sticky=Sticky.ADDRESS),
    )
    await serve(world, "stable", "blue")
    await serve(world, "canary", "green")
    await world.router.split("shop.web", {"blue": 500, "green": 500}, revision=1)
    assert len({await world.answer("shop.example") for _ in range(20)}) == 1
    await world.router.split("shop.web", {"blue": 0, "green": 1000}, revision=2)
    assert {await world.answer("shop.example") for _ in range(5)} == {(200, "canary")}


async def test_a_person_with_a_cookie_stays_with_a_colour_and_a_replica(world: World) -> None:
    await declare(
        world,
        ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up", sticky=Sticky.COOKIE),
    )
    for name in ("stable-1", "stable-2"):
        await serve(world, name, "blue")
    for name in ("canary-1", "canary-2"):
        await serve(world, name, "green")
    await world.router.split("shop.web", {"blue": 500, "green": 500}, revision=1)
    people: list[dict[str, str]] = [{} for _ in range(40)]
    firsts = [await world.answer("shop.example", cookies=cookies) for cookies in people]
    assert {name for _, name in firsts} == {"stable-1", "stable-2", "canary-1", "canary-2"}
    assert [await world.answer("shop.example", cookies=cookies) for cookies in people] == firsts
    await world.router.split("shop.web", {"blue": 400, "green": 600}, revision=2)
    seconds = [await world.answer("shop.example", cookies=cookies) for cookies in people]
    moved = {(one[1][:6], other[1][:6]) for one, other in zip(firsts, seconds, strict=True) if one != other}
    assert moved <= {("stable", "canary")}, "a higher share of the canary moved somebody away from it"


# ---- experiments --------------------------------------------------------------------------


TRIED = replace(
    SHOP,
    headers=("x-beta",),
    cookies=("plan",),
    visitor_cookies=("tower-experiment-4",),
)
BETA = Match(kind=MatchKind.HEADER, name="X-Beta", value="yes")
PRO = Match(kind=MatchKind.COOKIE, name="plan", value="pro")
WHOLE_BLUE = {"blue": 1000, "green": 0}


async def tried(
    world: World,
    *matches: Match,
    permille: int = 0,
    cookie: str = "",
    colour: Colour = Colour.GREEN,
    beside: tuple[ServiceRoute, ...] = (),
) -> None:
    """Both colours serve, and `colour` is tried by `matches` and `permille`."""
    await declare(world, TRIED, *beside)
    await serve(world, "stable", "blue")
    await serve(world, "trial", "green")
    shares = {"blue": 1000 - permille, "green": permille}
    targeting = Targeting(colour=colour, matches=matches, cookie=cookie, cookie_s=600 if cookie else 0)

    async def is_split() -> bool:
        try:
            return await world.router.split("shop.web", shares, revision=1, targeting=targeting) == 1
        except SwitchError:
            # HAProxy has not loaded what to look for yet.
            return False

    await eventually(is_split)


async def test_a_header_leads_to_the_colour_that_is_tried_whatever_the_share(world: World) -> None:
    await tried(world, BETA)
    asked = [{"X-Beta": "yes"}, {"x-beta": "yes"}, {"X-Beta": "YES"}, {"X-Beta": "yes, no"}, {}]
    names = [(await world.answer("shop.example", headers=headers))[1] for headers in asked]
    assert names == ["trial", "trial", "stable", "stable", "stable"]


async def test_a_cookie_leads_to_the_colour_that_is_tried_whatever_the_share(world: World) -> None:
    await tried(world, PRO, BETA)
    asked = [{"plan": "pro", "seen": "1"}, {"seen": "1", "plan": "pro"}, {"plan": "prof"}, {"plans": "pro"}]
    names = [(await world.answer("shop.example", cookies=cookies))[1] for cookies in asked]
    assert names == ["trial", "trial", "stable", "stable"]
    assert (await world.answer("shop.example", headers={"X-Beta": "yes"}))[1] == "trial"


async def test_a_match_may_lead_to_either_colour(world: World) -> None:
    await tried(world, BETA, permille=1000, colour=Colour.BLUE)
    assert (await world.answer("shop.example", headers={"X-Beta": "yes"}))[1] == "stable"
    assert (await world.answer("shop.example"))[1] == "trial"


async def test_what_matches_one_service_means_nothing_to_another(world: World) -> None:
    await tried(world, BETA, beside=(BLOG,))
    await serve(world, "paper", "blue", service="blog.web")
    await serve(world, "draft", "green", service="blog.web")
    assert (await world.answer("blog.example", headers={"X-Beta": "yes"}))[1] == "paper"


async def test_a_visitor_of_an_experiment_stays_on_the_side_that_chance_gave_him(world: World) -> None:
    await tried(world, BETA, permille=400, cookie="tower-experiment-4")
    visitors: list[dict[str, str]] = [{} for _ in range(60)]
    firsts = [(await world.answer("shop.example", cookies=jar))[1] for jar in visitors]
    assert 8 <= firsts.count("trial") <= 42
    for _ in range(3):
        assert [(await world.answer("shop.example", cookies=jar))[1] for jar in visitors] == firsts
    assert {tuple(jar) for jar in visitors} == {("tower-experiment-4",)}
    # Who brings what leads to the trial is there, and back on his side without it.
    stable = visitors[firsts.index("stable")]
    assert (await world.answer("shop.example", headers={"X-Beta": "yes"}, cookies=stable))[1] == "trial"
    assert (await world.answer("shop.example", cookies=stable))[1] == "stable"


async def test_a_visitor_who_is_matched_is_not_assigned(world: World) -> None:
    await tried(world, BETA, permille=400, cookie="tower-experiment-4")
    jar: dict[str, str] = {}
    assert (await world.answer("shop.example", headers={"X-Beta": "yes"}, cookies=jar))[1] == "trial"
    assert jar == {}


async def test_a_colour_that_is_tried_and_has_no_usable_replica_is_replaced_by_the_other(
    world: World,
) -> None:
    await tried(world, BETA, PRO, permille=400, cookie="tower-experiment-4")
    [trial] = [replica for _, colour, replica in world.router.replicas() if colour == "green"]
    await world.router.drain("shop.web", "green", trial, timeout_s=1.0)
    asked = [{"X-Beta": "yes"}, {"X-Beta": "no"}]
    names = {(await world.answer("shop.example", headers=headers))[1] for headers in asked for _ in range(9)}
    assert names == {"stable"}
    assert await world.answer("shop.example", cookies={"plan": "pro"}) == (200, "stable")


async def test_an_experiment_ends_with_the_next_split(world: World) -> None:
    await tried(world, BETA, permille=400, cookie="tower-experiment-4")
    assert await world.router.split("shop.web", WHOLE_BLUE, revision=2) == 2
    jar: dict[str, str] = {}
    for _ in range(9):
        assert (await world.answer("shop.example", headers={"X-Beta": "yes"}, cookies=jar))[1] == "stable"
    assert jar == {}


async def test_a_targeting_that_was_not_declared_is_refused(world: World) -> None:
    await serve(world, "stable", "blue")
    targeting = Targeting(colour=Colour.GREEN, matches=(BETA,))
    with pytest.raises(SwitchError, match="X-Beta"):
        await world.router.split("shop.web", WHOLE_BLUE, revision=1, targeting=targeting)


async def test_a_drained_replica_gets_no_request_that_brings_its_cookie(world: World) -> None:
    await declare(
        world,
        ServiceRoute(service="shop.web", hosts=("shop.example",), health_path="/up", sticky=Sticky.COOKIE),
    )
    one = await serve(world, "one")
    cookies: dict[str, str] = {}
    assert await world.answer("shop.example", cookies=cookies) == (200, "one")
    await serve(world, "two")
    assert await world.answer("shop.example", cookies=cookies) == (200, "one")
    assert await world.router.drain("shop.web", "blue", one.replica, timeout_s=5.0)
    assert {await world.answer("shop.example", cookies=cookies) for _ in range(4)} == {(200, "two")}
    await world.router.admit("shop.web", "blue", one)
    await world.router.open("shop.web", "blue", one.replica)
    assert {(await world.answer("shop.example"))[1] for _ in range(6)} == {"one", "two"}


async def test_requests_are_counted_for_the_revision_that_answered(world: World) -> None:
    await serve(world, "stable", "blue", revision=3)
    await serve(world, "canary", "green", revision=4)
    await world.router.split("shop.web", {"blue": 500, "green": 500}, revision=1)
    names = [(await world.answer("shop.example"))[1] for _ in range(40)]

    async def are_all_over() -> bool:
        return (await counted(world, 3)).requests + (await counted(world, 4)).requests == 40

    await eventually(are_all_over)
    for name, revision in (("stable", 3), ("canary", 4)):
        traffic = await counted(world, revision)
        assert traffic.requests == names.count(name)
        assert (traffic.failures, traffic.lost, traffic.retried) == (0, 0, 0)


async def test_answers_that_were_timed_are_of_the_revision_that_gave_them(world: World) -> None:
    await serve(world, "stable", "blue", revision=3)

    async def is_timed() -> bool:
        await world.answer("shop.example")
        return sum((await counted(world, 3)).latencies.values()) > 0

    await eventually(is_timed)
    assert (await counted(world, 4)).latencies == {}


async def test_neither_checks_nor_previews_are_counted(world: World) -> None:
    await serve(world, "stable", "blue", revision=3)
    await serve(world, "canary", "green", revision=4)
    for _ in range(5):
        assert await world.answer("shop.example", preview="green") == (200, "canary")
    assert await world.answer("shop.example") == (200, "stable")

    async def is_counted() -> bool:
        return (await counted(world, 3)).requests == 1

    await eventually(is_counted)
    assert (await counted(world, 4)).requests == 0
    assert sum((await counted(world, 4)).latencies.values()) == 0


async def test_a_replica_without_a_revision_is_counted_for_none(world: World) -> None:
    await serve(world, "old", revision=0)
    await world.answer("shop.example")
    assert await world.router.traffic() == ()


async def test_a_replica_whose_revision_becomes_known_goes_on_serving(world: World) -> None:
    endpoint = await serve(world, "old", revision=0)
    await world.router.admit("shop.web", "blue", replace(endpoint, revision=5))
    assert await world.answer("shop.example") == (200, "old")

    async def is_counted() -> bool:
        return (await counted(world, 5)).requests == 1

    await eventually(is_counted)
