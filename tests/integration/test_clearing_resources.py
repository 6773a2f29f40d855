"""Images, volumes and networks of a real Docker host: who uses them, what they weigh, what goes."""

from __future__ import annotations

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from agent.clock import SystemClock
from agent.docker.engine import DockerEngine
from agent.docker.watcher import InventoryWatcher
from agent.follow.local_resources import LocalResources
from agent.ports import ContainerSpec, Mount
from cluster.model.ids import NodeId
from cluster.model.inventory import Caller, HostRefused
from cluster.model.resources import HostImage, HostResources, Removal, ResourceKind
from tests.support.lab import Lab, lab

__all__ = ["lab"]

pytestmark = pytest.mark.lab

IMAGE = "demo/busybox:1"
OTHER_NAMES = ("resources/one:1", "resources/one:2", "resources/two:1")
PATIENCE_S = 30.0
ANN = Caller(principal_id="us_ann", name="ann", role="admin", request_id="rq_1")


@dataclass(frozen=True, slots=True)
class Host:
    """One host of the lab, as its agent sees it."""

    socket: str
    engine: DockerEngine
    watcher: InventoryWatcher
    resources: LocalResources

    def docker(self, *words: str) -> None:
        subprocess.run(["docker", "-H", f"unix://{self.socket}", *words], check=True, capture_output=True)

    async def until(self, kind: ResourceKind, wanted: Callable[[HostResources], bool]) -> HostResources:
        """What the host says of a kind, once it says that."""
        async with asyncio.timeout(PATIENCE_S):
            version = self.watcher.current.version
            while not wanted(told := await self.resources.of_kind(kind, with_sizes=False)):
                version = (await self.watcher.newer_than(version)).version
            return told

    async def image(self, *names: str) -> HostImage:
        """The image IMAGE is, once it is seen to have these names too."""
        found: list[HostImage] = []

        def has_them(told: HostResources) -> bool:
            found[:] = [each for each in told.images if {IMAGE, *names} <= set(each.tags)]
            return bool(found)

        await self.until(ResourceKind.IMAGE, has_them)
        return found[0]


@pytest.fixture
async def host(lab: Lab) -> AsyncIterator[Host]:
    socket = str(lab.host("h1").docker_socket)
    engine = DockerEngine(socket)
    await engine.pull(IMAGE)
    clock = SystemClock()
    watcher = InventoryWatcher(engine, clock, random.Random(1), backoff_max_s=1.0)
    resources = LocalResources(node_id=NodeId("nd_1"), engine=engine, watcher=watcher, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(watcher.run()), tasks.create_task(resources.sizes.run())]
        await watcher.until_available()
        yield Host(socket, engine, watcher, resources)
        for task in running:
            task.cancel()
    for container in await engine.containers():
        await engine.remove(container.id, force=True, volumes=True)
    await engine.close()


def of_image(image: HostImage) -> Removal:
    return Removal(kind=ResourceKind.IMAGE, id=image.id, names=(*image.tags, *image.digests))


async def test_an_image_goes_with_all_of_its_names_in_several_repositories(host: Host) -> None:
    for name in OTHER_NAMES:
        host.docker("tag", IMAGE, name)
    image = await host.image(*OTHER_NAMES)
    assert image.digests
    await host.resources.remove(of_image(image), caller=ANN)
    assert image.id not in [each.id for each in await host.engine.images()]


async def test_an_image_that_got_a_name_since_it_was_looked_at_stays_with_all_of_them(host: Host) -> None:
    removal = of_image(await host.image())
    host.docker("tag", IMAGE, OTHER_NAMES[0])
    with pytest.raises(HostRefused, match="other names"):
        await host.resources.remove(removal, caller=ANN)
    image = await host.image(OTHER_NAMES[0])
    assert image.id == removal.id
    await host.resources.remove(of_image(image), caller=ANN)


async def test_what_a_stopped_container_needs_is_seen_and_stays(host: Host) -> None:
    network = await host.engine.ensure_network("resources-net", labels={})
    spec = ContainerSpec(
        name="resources-stopped",
        image=IMAGE,
        command=("true",),
        networks={"resources-net": ()},
        mounts=(Mount(kind="volume", source="resources_data", target="/data"),),
    )
    container = await host.engine.create(spec)
    image = next(each for each in (await host.until(ResourceKind.IMAGE, _is_used)).images if each.users)
    assert [user.name for user in image.users] == ["resources-stopped"]
    volumes = await host.until(ResourceKind.VOLUME, lambda told: any(each.users for each in told.volumes))
    assert [each.name for each in volumes.volumes if each.users] == ["resources_data"]
    for kind, resource_id in (
        (ResourceKind.IMAGE, image.id),
        (ResourceKind.VOLUME, "resources_data"),
        # The engine would let this one go, and the container would not start again.
        (ResourceKind.NETWORK, network),
    ):
        with pytest.raises(HostRefused) as refused:
            await host.resources.remove(Removal(kind=kind, id=resource_id), caller=ANN)
        assert refused.value.code == "conflict"
    await host.engine.start(container)
    await host.engine.remove(container, force=True)
    for kind, resource_id in ((ResourceKind.VOLUME, "resources_data"), (ResourceKind.NETWORK, network)):
        await host.resources.remove(Removal(kind=kind, id=resource_id), caller=ANN)
    assert "resources_data" not in [each.name for each in await host.engine.volumes()]
    assert network not in [each.id for each in await host.engine.networks()]


async def test_a_volume_weighs_what_is_in_it(host: Host) -> None:
    spec = ContainerSpec(
        name="resources-writer",
        image=IMAGE,
        command=("sh", "-c", "head -c 3000000 /dev/zero > /data/file"),
        mounts=(Mount(kind="volume", source="resources_heavy", target="/data"),),
    )
    container = await host.engine.create(spec)
    await host.engine.start(container)
    async with asyncio.timeout(PATIENCE_S):
        assert [line async for line in host.engine.logs(container, follow=True)] == []
    await host.until(ResourceKind.VOLUME, lambda told: any(each.users for each in told.volumes))
    told = await host.resources.of_kind(ResourceKind.VOLUME, with_sizes=True)
    sizes = {volume.name: volume.size_bytes for volume in told.volumes}
    assert sizes["resources_heavy"] is not None
    assert 3_000_000 <= sizes["resources_heavy"] < 3_100_000
    usage = await host.resources.disk_usage()
    assert usage.volumes_bytes >= 3_000_000
    assert usage.images_bytes > 0
    await host.engine.remove(container, force=True)
    await host.engine.remove_volume("resources_heavy")


def _is_used(told: HostResources) -> bool:
    return any(image.users for image in told.images)
