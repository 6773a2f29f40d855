"""Colours and shares of requests on a host's router, and what is reported of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from agent.ports import SwitchError
from cluster.model.experiment import Experiment, Match, MatchKind
from cluster.model.service import DesiredState
from cluster.model.strategy import Colour
from tests.support.fake_router import FakeRouter
from tests.support.host_kit import WEB
from tests.support.routing_kit import HOST, RoutedHost
from tests.support.state_builders import a_spec


class DeafRouter(FakeRouter):
    """Refuses every split while `is_deaf`."""

    is_deaf = False

    async def split(self, service: str, shares_permille: Mapping[str, int], **more: Any) -> int:
        if self.is_deaf:
            raise SwitchError("the map cannot be written")
        return await super().split(service, shares_permille, **more)


def answers(it: RoutedHost, count: int = 1000) -> Counter[str]:
    return Counter(it.router.request(HOST)[1] for _ in range(count))


async def test_a_replica_of_the_other_colour_gets_requests_only_by_its_share() -> None:
    it = RoutedHost()
    it.state.deploy()
    async with it.running():
        blue, _ = it.serve(0)
        it.state.deploy(a_spec("registry.example/web:2"))
        green, _ = it.serve(1, revision=2, colour=Colour.GREEN)
        await it.pass_time()
        assert (WEB, Colour.GREEN, green) in it.router.replicas()
        assert set(answers(it)) == {blue}
        token = it.state.share(1000)
        await it.pass_time()
        assert it.is_routed(token)
        assert set(answers(it)) == {green}


async def test_a_share_that_the_router_refuses_is_not_reported_until_it_is_in_force() -> None:
    it = RoutedHost(DeafRouter())
    it.state.deploy()
    assert isinstance(it.router, DeafRouter)
    async with it.running():
        it.serve(0)
        await it.pass_time()
        it.router.is_deaf = True
        token = it.state.share(1000)
        other = it.serve(1)[1]
        await it.pass_time(5.0)
        assert it.is_routed(other)
        assert not it.is_routed(token)
        it.router.is_deaf = False
        await it.pass_time()
        assert it.is_routed(token)


async def test_a_router_that_was_started_again_is_told_the_shares_again() -> None:
    it = RoutedHost()
    it.state.deploy()
    async with it.running():
        it.serve(0)
        it.serve(1, colour=Colour.GREEN)
        it.state.share(1000)
        await it.pass_time()
        it.router.fail("it was killed")
        await it.pass_time()
        it.router._shares.clear()
        it.router.recover()
        await it.pass_time(2.0)
        assert it.router._shares[WEB][1] == 1000


async def test_an_address_that_another_colour_uses_now_is_a_replica_of_the_newest_order() -> None:
    it = RoutedHost()
    it.state.deploy()
    async with it.running():
        replica, _ = it.serve(0)
        await it.pass_time()
        it.state.order(DesiredState.STARTED, ordinal=1, colour=Colour.GREEN)
        it.observe(1, port=32768)
        it.state.order(DesiredState.SERVING, ordinal=1, colour=Colour.GREEN)
        await it.pass_time(15.0)
        assert it.router.replicas() == {(WEB, "green", replica)}


async def test_a_service_whose_requests_were_never_shared_waits_for_no_split() -> None:
    it = RoutedHost()
    it.state.deploy()
    async with it.running():
        _, token = it.serve(0)
        await it.pass_time()
        assert it.is_routed(token)
        assert not [call for call in it.router.calls if call.startswith("split")]


async def test_what_an_experiment_tells_requests_by_is_declared_before_its_first_replica_is_there() -> None:
    matches = (
        Match(kind=MatchKind.HEADER, name="X-Beta", value="yes"),
        Match(kind=MatchKind.COOKIE, name="Plan", value="pro"),
    )
    experiment = Experiment(replicas=1, matches=matches, permille=100, is_sticky=True)
    it = RoutedHost()
    it.state.deploy()
    async with it.running():
        blue, _ = it.serve(0)
        it.state.try_beside(a_spec("registry.example/web:2"), experiment)
        await it.pass_time()
        route = it.router.routes[WEB]
        assert (route.headers, route.cookies) == (("x-beta",), ("Plan",))
        assert len(route.visitor_cookies) == 1
        green, _ = it.serve(0, revision=2, colour=Colour.GREEN)
        number = int(route.visitor_cookies[0].rpartition("-")[2])
        token = it.state.share(0, targeting=experiment.targeting(Colour.GREEN, number))
        await it.pass_time()
        assert it.is_routed(token)
        assert it.router.request(HOST, headers={"X-Beta": "yes"}) == (200, green)
        assert it.router.request(HOST) == (200, blue)
