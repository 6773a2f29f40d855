"""A container that somebody else made, as a replica: watched, left alone, replaced only when it is gone."""

from __future__ import annotations

from typing import Any

from agent.ports import ContainerSpec, ContainerState, PortMapping
from cluster.commands.adoption import AdoptContainers, AdoptedContainer
from cluster.model.service import DesiredState, ReplicaPhase, ServiceSpec
from tests.support.fake_engine import FakeEngine
from tests.support.host_kit import ADDRESS, HERE, IMAGE, WEB, FollowingHost, name_of
from tests.support.state_builders import a_spec

THEIRS = "shop-web-1"


async def adopted(host: FollowingHost, spec: ServiceSpec | None = None, **fields: Any) -> str:
    """A running container that is replica 0 of shop.web; returns its id."""
    container = await host.stranger(
        THEIRS, ports=(PortMapping(container_port=8080, host_port=18080),), **fields
    )
    host.state.replica.must(
        AdoptContainers(
            service_id=WEB,
            project="shop",
            name="web",
            spec=spec or a_spec(IMAGE),
            containers=(AdoptedContainer(node_id=HERE, container_id=container),),
        ),
        client="person",
        leader_term=0,
    )
    host.state.replica.store.flush()
    return container


async def test_it_is_watched_and_reported_with_its_port_and_neither_started_nor_stopped() -> None:
    host = FollowingHost()
    container = await adopted(host)
    calls = list(host.engine.calls)
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
        await host.pass_time(60.0)
    seen = host.state.observed()
    assert (seen.container_id, seen.address, seen.port) == (container, ADDRESS, 18080)
    assert host.engine.calls == calls
    assert host.engine.names() == [THEIRS]


async def test_that_it_ended_is_seen_at_once_and_it_is_started_again_not_made_anew() -> None:
    host = FollowingHost()
    container = await adopted(host)
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
        host.engine.crash(container, exit_code=1)
        await host.until_phase(ReplicaPhase.EXITED)
        await host.until_phase(ReplicaPhase.HEALTHY)
    assert host.state.observed().container_id == container
    assert host.engine.names() == [THEIRS]


async def test_once_it_is_gone_an_ordinary_replica_takes_its_place() -> None:
    host = FollowingHost()
    container = await adopted(host)
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
        await FakeEngine.remove(host.engine, container, force=True)
        await host.pass_time(10.0)
        await host.until_phase(ReplicaPhase.HEALTHY)
    assert host.engine.names() == [name_of()]
    assert host.state.observed().container_id != container


async def test_ordered_removed_it_goes_and_so_does_what_took_its_place() -> None:
    host = FollowingHost()
    await adopted(host)
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
        host.state.order(DesiredState.REMOVED)
        await host.until_phase(ReplicaPhase.REMOVED)
    assert host.engine.names() == []
    assert host.engine.count(f"stop {THEIRS}") == 1


async def test_an_older_order_does_not_remove_it() -> None:
    host = FollowingHost()
    container = await adopted(host)
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
        host.fence.permit(name_of(), host.state.replica.index + 100)
        host.state.order(DesiredState.REMOVED)
        await host.pass_time(30.0)
        assert (await host.engine.see(container)).state is ContainerState.RUNNING


async def test_when_its_service_is_gone_from_the_state_it_is_left_running() -> None:
    host = FollowingHost()
    container = await adopted(host)
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
        with_removed = host.state.order(DesiredState.REMOVED, is_flushed=False)
        assert with_removed
        host.state.forget(is_flushed=False)
        host.state.replica.store.flush()
        await host.pass_time(30.0)
        assert (await host.engine.see(container)).state is ContainerState.RUNNING


async def test_a_new_replica_joins_the_networks_of_what_was_adopted_of_its_project() -> None:
    host = FollowingHost()
    await host.engine.ensure_network("shop_default", labels={})
    await adopted(host, networks={"shop_default": ("web",)})
    host.state.deploy(a_spec(IMAGE, route=None), service="shop.db")
    host.state.deploy(a_spec(IMAGE, route=None), service="blog.db")
    host.state.order(DesiredState.STARTED, service="shop.db")
    host.state.order(DesiredState.STARTED, service="blog.db")
    async with host.running():
        for service in ("shop.db", "blog.db"):
            await host.until_phase(ReplicaPhase.HEALTHY, service=service)
        made = host.engine._find(name_of(service="shop.db")).spec
        other = host.engine._find(name_of(service="blog.db")).spec
    assert made.networks == {"tower-shop": ("db",), "shop_default": ("db",)}
    assert other.networks == {"tower-blog": ("db",)}


async def test_another_container_whose_name_is_the_adopted_ones_id_is_not_taken_for_it() -> None:
    host = FollowingHost()
    container = await adopted(host)
    await FakeEngine.remove(host.engine, container, force=True)
    await FakeEngine.create(host.engine, ContainerSpec(name=container, image=IMAGE))
    async with host.running():
        await host.until_phase(ReplicaPhase.HEALTHY)
    assert name_of() in host.engine.running()
