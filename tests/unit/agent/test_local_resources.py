"""What a host says of its images, volumes and networks, and what of them it lets go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from agent.docker.watcher import InventoryWatcher
from agent.follow.local_resources import LocalResources
from agent.follow.size_counting import FRESH_S
from agent.ports import ContainerSpec, ImageNotFound, Mount
from cluster.model.ids import NodeId
from cluster.model.inventory import Caller, HostRefused, HostUnavailable
from cluster.model.resources import HostImage, HostResources, Removal, ResourceKind
from tests.support.fake_clock import FakeClock
from tests.support.fake_engine import FakeEngine

IMAGE = "demo/web:1"
ANN = Caller(principal_id="us_ann", name="ann", role="admin", request_id="rq_1")


class World:
    """One host that is watched. `seen` waits for the watcher to have listed anew."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = FakeEngine(self.clock)
        self.watcher = InventoryWatcher(self.engine, self.clock, random.Random(1))
        self.resources = LocalResources(
            node_id=NodeId("nd_1"), engine=self.engine, watcher=self.watcher, clock=self.clock
        )
        self.engine.add_image(IMAGE)

    async def container(self, name: str, **fields: object) -> str:
        made = ContainerSpec(name=name, image=IMAGE, **fields)  # type: ignore[arg-type]  # of ContainerSpec
        return await self.engine.create(made)

    async def listed(self, kind: ResourceKind, *, with_sizes: bool = False) -> HostResources:
        self.watcher.refresh()
        await self.clock.advance(1.0)
        return await self.resources.of_kind(kind, with_sizes=with_sizes)

    async def image(self) -> HostImage:
        return (await self.listed(ResourceKind.IMAGE)).images[0]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(made.watcher.run()), tasks.create_task(made.resources.sizes.run())]
        await made.watcher.until_available()
        yield made
        for task in running:
            task.cancel()


def of_image(image: HostImage) -> Removal:
    return Removal(kind=ResourceKind.IMAGE, id=image.id, names=(*image.tags, *image.digests))


async def test_each_resource_names_the_containers_that_use_it_also_those_that_do_not_run(
    world: World,
) -> None:
    await world.engine.ensure_network("shop", labels={})
    await world.container(
        "shop-db", mounts=(Mount(kind="volume", source="data", target="/data"),), networks={"shop": ()}
    )
    image = (await world.listed(ResourceKind.IMAGE)).images[0]
    volume = (await world.listed(ResourceKind.VOLUME)).volumes[0]
    networks = {each.name: each for each in (await world.listed(ResourceKind.NETWORK)).networks}
    for found in (image, volume, networks["shop"]):
        assert [(user.name, user.state) for user in found.users] == [("shop-db", "created")]
    assert networks["bridge"].is_built_in
    assert not networks["shop"].is_built_in


async def test_an_unused_image_goes(world: World) -> None:
    await world.resources.remove(of_image(await world.image()), caller=ANN)
    with pytest.raises(ImageNotFound):
        await world.engine.image(IMAGE)


async def test_an_image_goes_with_all_of_the_names_it_was_seen_with(world: World) -> None:
    image = await world.image()
    await world.resources.remove(of_image(image), caller=ANN)
    await world.resources.remove(of_image(image), caller=ANN)
    assert await world.engine.images() == ()


async def test_an_image_that_a_container_was_made_from_meanwhile_stays(world: World) -> None:
    removal = of_image(await world.image())
    await world.container("web")
    with pytest.raises(HostRefused, match="container web uses it") as refused:
        await world.resources.remove(removal, caller=ANN)
    assert refused.value.code == "conflict"
    assert (await world.engine.image(IMAGE)).id == removal.id


async def test_an_image_whose_names_have_changed_stays(world: World) -> None:
    image = await world.image()
    removal = Removal(kind=ResourceKind.IMAGE, id=image.id, names=("demo/web:0",))
    with pytest.raises(HostRefused, match="other names"):
        await world.resources.remove(removal, caller=ANN)
    assert len(await world.engine.images()) == 1


async def test_the_network_of_a_stopped_container_stays(world: World) -> None:
    made = await world.engine.ensure_network("shop", labels={})
    await world.container("web", networks={"shop": ()})
    with pytest.raises(HostRefused, match="container web is in it"):
        await world.resources.remove(Removal(kind=ResourceKind.NETWORK, id=made), caller=ANN)
    assert made in [network.id for network in await world.engine.networks()]


async def test_a_volume_in_use_is_a_conflict(world: World) -> None:
    await world.container("db", mounts=(Mount(kind="volume", source="data", target="/data"),))
    with pytest.raises(HostRefused) as refused:
        await world.resources.remove(Removal(kind=ResourceKind.VOLUME, id="data"), caller=ANN)
    assert refused.value.code == "conflict"


async def test_sizes_are_counted_when_they_are_asked_for_and_then_known_for_a_while(world: World) -> None:
    await world.container("db", mounts=(Mount(kind="volume", source="data", target="/data"),))
    assert (await world.listed(ResourceKind.VOLUME)).volumes[0].size_bytes is None
    for _ in range(3):
        assert (await world.listed(ResourceKind.VOLUME, with_sizes=True)).volumes[0].size_bytes == 4096
    assert world.engine.calls.count("disk_usage") == 1
    await world.clock.advance(FRESH_S)
    await world.listed(ResourceKind.VOLUME, with_sizes=True)
    assert world.engine.calls.count("disk_usage") == 2


async def test_disk_usage_says_what_no_container_needs(world: World) -> None:
    world.engine.add_image("demo/old:1")
    await world.container("web")
    await world.listed(ResourceKind.IMAGE)
    usage = await world.resources.disk_usage()
    assert (usage.images_bytes, usage.reclaimable_bytes) == (2_000_000, 1_000_000)


async def test_an_engine_that_is_away_is_a_problem_and_not_an_empty_host(world: World) -> None:
    image = await world.image()
    world.engine.go_away()
    await world.clock.advance(1.0)
    listed = await world.resources.of_kind(ResourceKind.IMAGE, with_sizes=True)
    assert (listed.problem, listed.images) == ("Docker is not running", (image,))
    with pytest.raises(HostUnavailable):
        await world.resources.remove(of_image(image), caller=ANN)


async def test_a_pulled_image_is_on_the_host(world: World) -> None:
    world.engine.publish("demo/new:1")
    pulled = await world.resources.pull("demo/new:1", caller=ANN)
    assert pulled.id == (await world.engine.image("demo/new:1")).id
    with pytest.raises(HostRefused, match="no image"):
        await world.resources.pull("demo/absent:1", caller=ANN)
