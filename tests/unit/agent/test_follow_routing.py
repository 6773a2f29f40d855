"""A host's router as the state wants it, and what is reported of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from agent.follow.assignments_reports import RouterProgress
from agent.follow.routing import CHECK_S, HOLD_S, SILENT_ROUTER_S
from agent.follow.routing_lane import RETRY_MAX_S
from agent.ports import Endpoint
from agent.router.absent import AbsentRouter
from agent.router.protocol import ServiceRoute, replica_name
from cluster.model.ids import ServiceId
from cluster.model.service import ROUTER_EXCEPTIONS_MAX, DesiredState, RolloutPolicy, Route
from cluster.model.strategy import Colour
from tests.support import fake_router
from tests.support.fake_router import ADMIT_TIMEOUT_S
from tests.support.host_kit import IMAGE, WEB
from tests.support.routing_kit import HOST, LateRouter, RoutedHost
from tests.support.state_builders import a_spec

STARTED, SERVING, DRAINING, REMOVED = DesiredState
DRAIN_S = 5.0
POLICY = RolloutPolicy(drain_timeout_ms=round(DRAIN_S * 1000))


async def a_service(it: RoutedHost, replicas: int = 2, **fields: Any) -> None:
    it.state.deploy(a_spec(IMAGE, **fields), replicas=replicas, policy=POLICY)


# ---- into traffic -----------------------------------------------------------------------------


async def test_a_replica_that_is_to_serve_gets_requests_and_that_is_reported() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.state.order(STARTED)
        replica = it.observe()
        await it.pass_time()
        assert it.router.request(HOST) == (503, "")
        token = it.state.order(SERVING)
        await it.pass_time()
        assert it.router.request(HOST) == (200, replica)
    assert it.is_routed(token)
    assert it.router.calls[-2:] == [f"admit {replica}", f"open {replica}"]


async def test_a_replica_that_does_not_answer_yet_is_routed_to_once_it_does() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.state.order(SERVING)
        await it.pass_time()
        assert it.router.replicas() == frozenset()
        replica = it.observe()
        await it.pass_time()
    assert it.router.serving(WEB) == {replica}


async def test_a_replica_that_this_host_cannot_reach_holds_back_its_own_change_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        _, first = it.serve(0)
        await it.pass_time()
        it.router.sick.add(replica_name("192.0.2.9", 32769))
        _, second = it.serve(1)
        await it.pass_time()
        _, third = it.serve(2)
        with caplog.at_level(logging.WARNING):
            await it.pass_time(3 * ADMIT_TIMEOUT_S)
        assert [it.is_routed(token) for token in (first, second, third)] == [True, False, True]
        assert "router.wish_not_in_force" in caplog.text
        it.router.sick.clear()
        await it.pass_time(ADMIT_TIMEOUT_S)
    assert it.is_routed(second)


async def test_a_replica_that_cannot_be_reached_and_is_given_up_is_no_exception_any_more() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.router.sick.add(replica_name("192.0.2.9", 32768))
        it.serve(0)
        await it.pass_time(1)
        told = len(it.state.reports)
        it.state.order(REMOVED, ordinal=0)
        await it.pass_time(60)
        assert len(it.state.reports) == told
        _, token = it.serve(1)
        await it.pass_time(1)
    assert it.is_routed(token)
    router = it.state.router()
    assert router is not None
    assert router.unrouted == ()
    assert len(it.router.replicas()) == 1


async def test_a_slow_request_holds_back_only_its_own_drain() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve(0)
        await it.pass_time()
        held = it.hold()
        it.serve(1)
        await it.pass_time()
        slow = it.state.order(DRAINING, ordinal=0)
        await it.pass_time(0.5)
        quick = it.state.order(DRAINING, ordinal=1)
        await it.pass_time(2)
        assert [it.is_drained(token) for token in (slow, quick)] == [False, True]
        held.finish()
        await it.pass_time(1)
    assert it.is_drained(slow)


async def test_with_more_exceptions_than_a_report_may_name_it_ends_below_the_first_it_cannot() -> None:
    it = RoutedHost()
    await a_service(it, replicas=ROUTER_EXCEPTIONS_MAX + 3)
    unreached = [
        replica_name("192.0.2.9", 32768 + ordinal) for ordinal in range(1, ROUTER_EXCEPTIONS_MAX + 2)
    ]
    async with it.running():
        _, first = it.serve(0)
        await it.pass_time()
        it.router.sick.update(unreached)
        tokens = [it.serve(ordinal)[1] for ordinal in range(1, ROUTER_EXCEPTIONS_MAX + 2)]
        _, newest = it.serve(ROUTER_EXCEPTIONS_MAX + 2)
        await it.pass_time(2)
        assert it.is_routed(first)
        assert not any(map(it.is_routed, [*tokens, newest]))
        progress = it.routing._progress()
        assert progress is not None
        assert progress.unrouted == tuple(tokens[:-1])
        assert progress.routed_index == tokens[-1] - 1
        # One less, and all that is in force can be told.
        it.router.sick.discard(unreached[0])
        await it.pass_time(2)
        assert it.is_routed(tokens[0])
        assert it.is_routed(newest)
        assert not any(map(it.is_routed, tokens[1:]))
        it.router.sick.clear()
        await it.pass_time(ADMIT_TIMEOUT_S)
    assert all(map(it.is_routed, tokens))


async def test_a_host_that_was_away_sends_to_the_old_replica_until_the_new_one_serves() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running(), asyncio.TaskGroup() as group:
        old, _ = it.serve(0)
        await it.pass_time()
        # Both changes come at once, as they do to a host that missed the time between them.
        new = replica_name("192.0.2.9", 32769)
        it.router.sick.add(new)
        it.serve(1)
        it.state.order(REMOVED, ordinal=0)
        gone = group.create_task(it.routing.until_gone(WEB, old))
        await it.pass_time(2)
        assert it.router.request(HOST) == (200, old)
        assert not gone.done()
        held = it.hold()
        it.router.sick.clear()
        await it.pass_time(1)
        assert it.router.request(HOST) == (200, new)
        assert not held.is_left
        held.finish()
        await it.pass_time(1)
        assert gone.done()
    assert it.router.serving(WEB) == {new}


async def test_a_drain_that_waits_for_a_successor_is_not_reported_before_it_is_in_force() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        old, _ = it.serve(0)
        await it.pass_time()
        it.router.sick.add(replica_name("192.0.2.9", 32769))
        it.serve(1)
        token = it.state.order(DRAINING, ordinal=0)
        await it.pass_time(HOLD_S / 2)
        assert it.router.request(HOST) == (200, old)
        assert not it.is_drained(token)
        progress = it.routing._progress()
        assert progress is not None
        assert token in progress.unrouted
        # Not for ever: who ordered it knows of others that serve.
        await it.pass_time(HOLD_S)
        assert it.router.request(HOST) == (503, "")
    assert it.is_drained(token)


async def test_waiting_for_a_replica_to_be_gone_ends_where_the_router_does_not_come_up() -> None:
    it = RoutedHost()
    await a_service(it)
    it.router.fail("not started yet")
    async with it.running(), asyncio.TaskGroup() as group:
        gone = group.create_task(it.routing.until_gone(WEB, "192.0.2.9:32768"))
        await it.pass_time(SILENT_ROUTER_S / 2)
        assert not gone.done()
        await it.pass_time(SILENT_ROUTER_S)
        assert gone.done()


# ---- out of traffic ---------------------------------------------------------------------------


async def test_a_draining_replica_gets_no_new_request_at_once_and_is_drained_when_it_is_idle() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        held = it.hold()
        token = it.state.order(DRAINING)
        await it.pass_time(0.1)
        assert it.router.request(HOST) == (503, "")
        await it.pass_time(0.5)
        progress = it.routing._progress()
        assert progress is not None
        assert progress.routed_index >= token
        assert token not in progress.unrouted
        assert not it.is_drained(token)
        held.finish()
        await it.pass_time(1)
    assert it.is_drained(token)
    assert not held.is_left


async def test_a_request_that_does_not_end_is_waited_for_as_long_as_the_service_allows() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        held = it.hold()
        token = it.state.order(DRAINING)
        await it.pass_time(DRAIN_S - 0.5)
        assert not it.is_drained(token)
        await it.pass_time(1.5)
        assert it.is_drained(token)
        assert not held.is_left
        it.state.order(REMOVED)
        await it.pass_time(0.1)
        assert held.is_left


async def test_a_replica_that_is_only_to_run_gets_no_requests_and_its_requests_are_not_waited_for() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        replica, _ = it.serve()
        await it.pass_time()
        held = it.hold()
        it.state.order(STARTED)
        await it.pass_time(0.1)
        assert it.router.serving(WEB) == set()
        _, token = it.serve(1)
        await it.pass_time(1)
        assert it.is_routed(token)
        assert not held.is_left
        assert (WEB, Colour.BLUE, replica) in it.router.replicas()


@pytest.mark.parametrize("end", [(REMOVED,), (DRAINING, REMOVED)])
async def test_a_removed_or_forgotten_replica_is_taken_out(end: tuple[DesiredState, ...]) -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        it.state.order(*end)
        await it.pass_time()
        assert it.router.replicas() == frozenset()
        it.state.forget()
        await it.pass_time()
        assert it.routing._lanes == {}


async def test_a_replica_that_stops_answering_is_taken_out_and_comes_back_at_its_new_port() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        it.observe(port=0)
        await it.pass_time(0.1)
        assert it.router.replicas() == frozenset()
        replica = it.observe(port=40000)
        await it.pass_time(0.1)
        assert it.router.serving(WEB) == {replica}


# ---- wishes that overtake each other ----------------------------------------------------------


async def test_a_wish_that_is_overtaken_while_it_is_admitted_is_dropped_at_once() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        replica = replica_name("192.0.2.9", 32768)
        it.router.sick.add(replica)
        it.serve()
        await it.pass_time(1)
        token = it.state.order(DRAINING)
        await it.pass_time(1)
        assert it.is_drained(token)
        it.router.sick.clear()
        await it.pass_time(30)
    assert f"open {replica}" not in it.router.calls
    assert it.router.serving(WEB) == set()


async def test_a_wish_that_is_overtaken_while_it_drains_is_dropped_at_once() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        replica, _ = it.serve()
        await it.pass_time()
        held = it.hold()
        draining = it.state.order(DRAINING)
        await it.pass_time(1)
        token = it.state.order(SERVING)
        await it.pass_time(0.1)
        assert it.router.serving(WEB) == {replica}
        await it.pass_time(1)
        assert it.is_routed(token)
        assert token > draining
        held.finish()


async def test_a_drain_under_way_is_cut_short_by_a_removal() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        held = it.hold()
        it.state.order(DRAINING)
        await it.pass_time(1)
        it.state.order(REMOVED)
        await it.pass_time(0.1)
        assert held.is_left
        assert it.router.replicas() == frozenset()


async def test_a_port_that_a_newer_replica_was_given_is_that_replicas() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        replica, _ = it.serve(0)
        await it.pass_time()
        # Its host has not said yet that it is gone, and the engine has given its port away.
        it.state.order(STARTED, ordinal=1)
        it.observe(1, port=32768)
        token = it.state.order(SERVING, ordinal=1)
        await it.pass_time()
        assert it.is_routed(token)
        it.observe(0, port=0)
        it.state.order(REMOVED, ordinal=0)
        await it.pass_time()
    assert it.router.serving(WEB) == {replica}
    assert f"remove {replica}" not in it.router.calls


# ---- the router itself ------------------------------------------------------------------------


async def test_nothing_is_reported_of_a_router_before_it_has_served_once() -> None:
    it = RoutedHost()
    it.router.fail("HAProxy is not installed")
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time(10 * SILENT_ROUTER_S)
        assert it.state.router() is None
        it.router.recover()
        await it.pass_time(RETRY_MAX_S + CHECK_S)
    assert it.is_routed(it.state.assignment().token)


async def test_a_router_that_comes_up_late_has_not_done_yet_what_is_wanted_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = RoutedHost()
    it.router.fail("HAProxy is not installed")
    await a_service(it)
    async with it.running():
        await it.pass_time(2 * SILENT_ROUTER_S)
        replica, lagging = it.serve(0)
        it.router.sick.add(replica)
        _, token = it.serve(1)
        await it.pass_time()
        noted: list[RouterProgress] = []
        monkeypatch.setattr(it.routing._reports, "note_router", noted.append)
        it.router.recover()
        await it.pass_time(CHECK_S + 1)
    assert any(token in progress.routed_tokens for progress in noted)
    assert not any(lagging in progress.routed_tokens for progress in noted)


async def test_a_router_that_comes_back_is_told_at_once_what_it_missed() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve(0)
        await it.pass_time()
        it.router.fail("HAProxy was killed")
        replica, token = it.serve(1)
        await it.pass_time(60)
        it.router.recover()
        await it.pass_time(CHECK_S + 0.2)
        assert replica in it.router.serving(WEB)
        await it.pass_time(CHECK_S)
        assert it.is_routed(token)


async def test_a_router_that_is_away_holds_changes_back_until_it_is_silent_for_too_long() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve(0)
        await it.pass_time()
        it.router.fail("HAProxy was killed")
        _, token = it.serve(1)
        await it.pass_time(SILENT_ROUTER_S - 1)
        assert not it.is_routed(token)
        await it.pass_time(1 + CHECK_S)
        assert it.is_routed(token)


async def test_a_router_that_does_not_come_up_after_a_restart_holds_no_rollout_back() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve(0)
        await it.pass_time()
    it.router = LateRouter(it.clock)
    it.router.fail("HAProxy is not installed any more")
    async with it.running():
        _, token = it.serve(1)
        await it.pass_time(SILENT_ROUTER_S - 1)
        assert not it.is_routed(token)
        await it.pass_time(1 + CHECK_S)
        assert it.is_routed(token)


async def test_what_an_earlier_run_left_in_the_router_is_put_right_before_anything_is_reported() -> None:
    router = LateRouter()
    it = RoutedHost(router)
    await a_service(it)
    async with it.running():
        draining, _ = it.serve(0)
        gone, _ = it.serve(1)
        stays, _ = it.serve(2)
        await it.pass_time()
        held = [it.hold() for _ in range(6)]
    # The agent is away, and its router routes on.
    token = it.state.order(DRAINING, ordinal=0)
    it.state.order(REMOVED, ordinal=1)
    it.router.fail("not found yet")
    async with it.running():
        await it.pass_time(1)
        it.router.recover()
        await it.pass_time(CHECK_S + 0.2)
        assert it.router.serving(WEB) == {stays}
        assert not it.is_drained(token)
        for each in held:
            assert not each.is_left
            each.finish()
        await it.pass_time(2)
        assert it.is_drained(token)
        assert (WEB, Colour.BLUE, gone) not in it.router.replicas()
        assert (WEB, Colour.BLUE, draining) in it.router.replicas()


async def test_a_restart_of_the_agent_changes_nothing_for_requests() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        replica, _ = it.serve()
        await it.pass_time()
        held = it.hold()
    told = len(it.state.proposed)
    async with it.running():
        await it.pass_time(60)
        assert it.router.request(HOST) == (200, replica)
    assert not held.is_left
    assert len(it.state.proposed) == told


async def test_what_nobody_put_into_the_router_is_taken_out() -> None:
    it = RoutedHost()
    await a_service(it)
    it.router.configure([ServiceRoute(service=WEB, hosts=(HOST,))])
    await it.router.admit(WEB, Colour.BLUE, Endpoint(replica="192.0.2.8:1", address="192.0.2.8", port=1))
    await it.router.open(WEB, Colour.BLUE, "192.0.2.8:1")
    async with it.running():
        await it.pass_time()
    assert it.router.replicas() == frozenset()


# ---- how little is reported -------------------------------------------------------------------


async def test_only_changes_that_a_leader_waits_for_are_reported() -> None:
    it = RoutedHost()
    await a_service(it, replicas=3)
    async with it.running():
        await it.pass_time()
        told = len(it.state.reports)
        for ordinal in range(3):
            it.state.order(STARTED, ordinal=ordinal)
            await it.pass_time()
            it.observe(ordinal)
            await it.pass_time()
        assert len(it.state.reports) == told
        for desired, entries in ((SERVING, 1), (STARTED, 0), (SERVING, 1), (DRAINING, 1), (REMOVED, 0)):
            told = len(it.state.reports)
            it.state.order(desired)
            await it.pass_time(2)
            assert len(it.state.reports) - told == entries, desired
        told = len(it.state.reports)
        it.state.forget()
        await it.pass_time(600)
    assert len(it.state.reports) == told


async def test_an_exception_that_stays_for_hours_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.router.sick.add(replica_name("192.0.2.9", 32768))
        _, lagging = it.serve(0)
        _, token = it.serve(1)
        await it.pass_time(60)
        assert it.is_routed(token)
        assert not it.is_routed(lagging)
        told = len(it.state.proposed)
        # What it waits for between two looks does not matter here, and two hours of it take long.
        monkeypatch.setattr(fake_router, "POLL_S", ADMIT_TIMEOUT_S)
        await it.pass_time(2 * 3600)
        assert len(it.state.proposed) == told


async def test_a_replica_that_flaps_between_reachable_and_not_makes_few_entries() -> None:
    it = RoutedHost()
    await a_service(it)
    replica = replica_name("192.0.2.9", 32768)
    async with it.running():
        it.router.sick.add(replica)
        _, lagging = it.serve(0)
        it.serve(1)
        await it.pass_time()
        told = len(it.state.proposed)
        for _ in range(50):
            it.router.sick.discard(replica)
            await it.pass_time(2)
            it.router.sick.add(replica)
            await it.pass_time(2)
        assert it.is_routed(lagging)
        assert len(it.state.proposed) - told == 1
        # Also where each time it is somewhere else, which the router has to find out anew.
        for number in range(50):
            it.router.sick.add(replica_name("192.0.2.9", 40000 + number))
            it.observe(0, port=40000 + number)
            await it.pass_time(2)
            it.router.sick.clear()
            await it.pass_time(2)
    assert len(it.state.proposed) - told == 1


# ---- how requests find a service --------------------------------------------------------------


def route(it: RoutedHost, service: str = WEB) -> ServiceRoute:
    return it.router.routes[service]


async def test_a_service_is_known_to_the_router_before_any_replica_serves() -> None:
    it = RoutedHost()
    await a_service(it, route=Route(host="a.example", port=80, health_path="/up"))
    async with it.running():
        await it.pass_time()
    assert route(it) == ServiceRoute(
        service=WEB, hosts=("a.example",), health_path="/up", replicas_max=2 + POLICY.max_surge
    )


async def test_a_service_without_a_route_is_unknown_to_the_router() -> None:
    it = RoutedHost()
    await a_service(it, route=None)
    async with it.running():
        await it.pass_time()
        it.state.order(STARTED)
        it.observe()
        it.state.order(SERVING)
        await it.pass_time()
        assert len(it.state.reports) == 1
    assert it.router.routes == {}
    assert it.router.replicas() == frozenset()


async def test_while_two_revisions_differ_both_names_lead_there_and_only_a_connection_is_checked() -> None:
    it = RoutedHost()
    await a_service(it, route=Route(host="old.example", port=80, health_path="/old"))
    async with it.running():
        old, _ = it.serve(0)
        it.state.transition(stable_revision=1)
        await it.pass_time()
        it.state.deploy(
            a_spec(IMAGE, route=Route(host="new.example", port=80, health_path="/new")), policy=POLICY
        )
        await it.pass_time()
        # Nothing of the new revision serves yet.
        assert route(it).hosts == ("old.example",)
        assert route(it).health_path == "/old"
        new, _ = it.serve(1, revision=2)
        await it.pass_time()
        assert set(route(it).hosts) == {"old.example", "new.example"}
        assert route(it).health_path == ""
        assert it.router.serving(WEB) == {old, new}
        it.state.order(DRAINING, REMOVED)
        it.state.transition(stable_revision=2)
        await it.pass_time()
        assert (route(it).hosts, route(it).health_path) == (("new.example",), "/new")


async def test_a_replica_that_drains_after_its_service_lost_its_route_is_still_waited_for() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        held = it.hold()
        it.state.deploy(a_spec(IMAGE, route=None), policy=POLICY)
        token = it.state.order(DRAINING)
        await it.pass_time()
        assert WEB in it.router.routes
        assert not it.is_drained(token)
        held.finish()
        await it.pass_time()
        assert it.is_drained(token)
        it.state.order(REMOVED)
        await it.pass_time()
    assert it.router.routes == {}


async def test_a_service_that_is_removed_is_routed_until_its_last_replica_has_drained() -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve()
        await it.pass_time()
        it.state.remove_service()
        await it.pass_time()
        assert it.router.request(HOST)[0] == 200
        it.state.order(DRAINING)
        await it.pass_time()
        assert WEB in it.router.routes
        it.state.order(REMOVED)
        it.state.forget()
        it.state.transition(is_service_forgotten=True)
        await it.pass_time()
    assert it.router.routes == {}
    assert it.router.replicas() == frozenset()


async def test_services_do_not_get_each_others_requests() -> None:
    it = RoutedHost()
    await a_service(it)
    blog = ServiceId("blog.web")
    it.state.deploy(a_spec(IMAGE, route=Route(host="blog.example", port=80)), service=blog, policy=POLICY)
    async with it.running():
        shop, _ = it.serve(0)
        it.state.order(STARTED, service=blog)
        it.observe(service=blog, port=40000)
        it.state.order(SERVING, service=blog)
        await it.pass_time()
        assert it.router.request(HOST) == (200, shop)
        assert it.router.request("blog.example") == (200, "192.0.2.9:40000")


# ---- a host without a router ------------------------------------------------------------------


async def test_a_host_whose_router_was_switched_off_holds_no_rollout_back_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = RoutedHost()
    await a_service(it)
    async with it.running():
        it.serve(0)
        await it.pass_time()
    it.use(AbsentRouter(it.clock))
    with caplog.at_level(logging.WARNING):
        async with it.running():
            replica, token = it.serve(1)
            gone = it.routing.until_gone(WEB, replica)
            await it.pass_time()
            await gone
            drained = it.state.order(DRAINING, ordinal=0)
            await it.pass_time()
    assert it.is_routed(token)
    assert it.is_drained(drained)
    assert "router.wish_not_in_force" not in caplog.text


async def test_a_host_that_never_had_a_router_says_nothing_of_one() -> None:
    it = RoutedHost()
    await a_service(it)
    it.use(AbsentRouter(it.clock))
    async with it.running():
        it.serve(0)
        await it.pass_time(60)
    assert it.state.router() is None
