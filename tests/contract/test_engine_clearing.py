"""What every `ContainerEngine` promises of removing images, volumes and networks: fake and real alike."""

from __future__ import annotations

import pytest

from agent.ports import EngineRefused, ImageNotFound, Mount
from tests.contract.test_engine import IMAGE, World, world, world_of
from tests.support.lab import lab

__all__ = ["lab", "world", "world_of"]

NETWORK = "clearing-net"
VOLUME = "clearing_data"


@pytest.fixture(autouse=True)
async def other_names_are_gone(world: World) -> None:
    """Tests before these give the image names of their own; one with several is removed otherwise."""
    for tag in (await world.engine.image(IMAGE)).tags:
        if tag != IMAGE:
            await world.engine.remove_image(tag)


async def test_an_image_no_container_uses_is_removed_by_its_id(world: World) -> None:
    image = await world.engine.image(IMAGE)
    await world.engine.remove_image(image.id)
    with pytest.raises(ImageNotFound):
        await world.engine.image(IMAGE)
    assert image.id not in [each.id for each in await world.engine.images()]


async def test_an_image_no_container_uses_is_removed_by_its_only_name(world: World) -> None:
    await world.engine.remove_image(IMAGE)
    with pytest.raises(ImageNotFound):
        await world.engine.image(IMAGE)


async def test_the_image_of_a_container_that_does_not_run_stays(world: World) -> None:
    await world.engine.create(world.spec())
    image = await world.engine.image(IMAGE)
    for reference in (image.id, IMAGE):
        with pytest.raises(EngineRefused) as refused:
            await world.engine.remove_image(reference)
        assert refused.value.status == 409
    assert (await world.engine.image(IMAGE)).id == image.id


async def test_a_volume_goes_only_when_no_container_has_it(world: World) -> None:
    container = await world.engine.create(
        world.spec(mounts=(Mount(kind="volume", source=VOLUME, target="/data"),))
    )
    with pytest.raises(EngineRefused) as refused:
        await world.engine.remove_volume(VOLUME)
    assert refused.value.status == 409
    await world.engine.remove(container, force=True)
    assert VOLUME in [volume.name for volume in await world.engine.volumes()]
    await world.engine.remove_volume(VOLUME)
    assert VOLUME not in [volume.name for volume in await world.engine.volumes()]


async def test_a_network_goes_only_when_no_container_runs_in_it(world: World) -> None:
    made = await world.engine.ensure_network(NETWORK, labels={})
    container = await world.started(networks={NETWORK: ()})
    with pytest.raises(EngineRefused):
        await world.engine.remove_network(made)
    await world.engine.remove(container, force=True)
    await world.engine.remove_network(made)
    assert made not in [network.id for network in await world.engine.networks()]


async def test_the_networks_of_the_engine_itself_stay(world: World) -> None:
    with pytest.raises(EngineRefused):
        await world.engine.remove_network("bridge")
    assert "bridge" in [network.name for network in await world.engine.networks()]


async def test_what_is_not_there_is_as_good_as_removed(world: World) -> None:
    before = (await world.engine.images(), await world.engine.volumes(), await world.engine.networks())
    await world.engine.remove_image("demo/nothing:1")
    await world.engine.remove_image("sha256:" + "0" * 64)
    await world.engine.remove_volume("clearing_nothing")
    await world.engine.remove_network("clearing-nothing")
    after = (await world.engine.images(), await world.engine.volumes(), await world.engine.networks())
    assert before == after


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "-a"])
async def test_names_that_cannot_be_names_are_removed_nowhere(world: World, name: str) -> None:
    for remove in (world.engine.remove_volume, world.engine.remove_network):
        with pytest.raises(EngineRefused):
            await remove(name)


async def test_what_takes_up_room_is_counted(world: World) -> None:
    container = await world.engine.create(
        world.spec(mounts=(Mount(kind="volume", source=VOLUME, target="/data"),))
    )
    image = await world.engine.image(IMAGE)
    usage = await world.engine.disk_usage()
    assert usage.layers_bytes >= image.size_bytes > 0
    assert usage.volumes[VOLUME] >= 0
    assert 0 <= usage.shared[image.id] <= image.size_bytes
    await world.engine.remove(container, force=True)
    await world.engine.remove_volume(VOLUME)
