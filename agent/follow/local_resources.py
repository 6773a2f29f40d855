"""This host's images, volumes and networks, as its peers and its own surfaces see and remove them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from agent.clock import Clock
from agent.docker.watcher import Inventory, InventoryWatcher
from agent.follow.engine_failures import CONFLICT, engine_failures
from agent.follow.local_host import PROJECT_LABEL
from agent.follow.size_counting import SizeCounter
from agent.ports.engine import (
    Container,
    ContainerEngine,
    EngineDiskUsage,
    Image,
    ImageNotFound,
    Network,
    RegistryAuth,
    Volume,
)
from cluster.model.ids import NodeId
from cluster.model.inventory import Caller, HostRefused, HostUnavailable
from cluster.model.resources import (
    DiskUsage,
    HostImage,
    HostNetwork,
    HostResources,
    HostVolume,
    PulledImage,
    Removal,
    ResourceKind,
    ResourceUser,
)

log = logging.getLogger(__name__)

PULL_TIMEOUT_S = 600.0
REMOVAL_TIMEOUT_S = 60.0
SIZES_PATIENCE_S = 8.0
"""How long a list waits for sizes, before it is given with the last ones known or none."""
USAGE_PATIENCE_S = 30.0
_IN_USE = (403, CONFLICT)
"""A network that somebody is in is refused with the first (Docker Engine API, NetworkDelete)."""
BUILT_IN_NETWORKS = frozenset({"bridge", "host", "none", "docker_gwbridge", "ingress"})


class LocalResources:
    """Answers for this host alone. Engine failures become HostUnavailable and HostRefused."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        engine: ContainerEngine,
        watcher: InventoryWatcher,
        clock: Clock,
        login_of: Callable[[str], RegistryAuth | None] = lambda _: None,
    ) -> None:
        self.node_id = node_id
        self._engine = engine
        self._watcher = watcher
        self._clock = clock
        self._login_of = login_of
        self.sizes = SizeCounter(engine, clock)

    async def of_kind(self, kind: ResourceKind, *, with_sizes: bool) -> HostResources:
        """Return what there is of one kind. Raises nothing: a problem of the engine is in the answer."""
        if with_sizes and kind is not ResourceKind.NETWORK and self._watcher.current.is_available:
            await self.sizes.wait(patience_s=SIZES_PATIENCE_S)
        current = self._watcher.current
        listed_ago_s = current.age_s(self._clock.boottime_s()) or 0.0
        usage = self.sizes.usage
        return HostResources(
            node_id=self.node_id,
            # While the engine tells of its events, what was listed is how it is now.
            age_ms=0 if current.is_available else int(listed_ago_s * 1000),
            problem=current.unavailable_reason,
            images=_images(current, usage) if kind is ResourceKind.IMAGE else (),
            volumes=_volumes(current, usage) if kind is ResourceKind.VOLUME else (),
            networks=_networks(current) if kind is ResourceKind.NETWORK else (),
            sizes_age_ms=None if usage is None else self.sizes.age_ms,
        )

    async def disk_usage(self) -> DiskUsage:
        """Return what takes up room as it was counted last. Raises HostUnavailable when it never was."""
        await self.sizes.wait(patience_s=USAGE_PATIENCE_S)
        usage = self.sizes.usage
        if usage is None:
            why = self.sizes.problem or "it is being counted; ask again in a minute"
            raise HostUnavailable(f"what takes up room is not known yet: {why}")
        used = {container.image_id for container in self._watcher.current.containers}
        return DiskUsage(
            node_id=self.node_id,
            age_ms=self.sizes.age_ms,
            images_bytes=usage.layers_bytes,
            reclaimable_bytes=sum(
                max(0, image.size_bytes - usage.shared.get(image.id, 0))
                for image in self._watcher.current.images
                if image.id not in used
            ),
            containers_bytes=usage.containers_bytes,
            volumes_bytes=sum(usage.volumes.values()),
            build_cache_bytes=usage.build_cache_bytes,
        )

    async def remove(self, removal: Removal, *, caller: Caller) -> None:
        """Remove one resource that no container uses, looked at once more; one that is gone is no failure.

        Raises HostUnavailable or HostRefused.
        """
        with engine_failures(within_s=REMOVAL_TIMEOUT_S, conflicts=_IN_USE):
            async with asyncio.timeout(REMOVAL_TIMEOUT_S):
                match removal.kind:
                    case ResourceKind.IMAGE:
                        await self._remove_image(removal)
                    case ResourceKind.VOLUME:
                        await self._engine.remove_volume(removal.id)
                    case ResourceKind.NETWORK:
                        await self._remove_network(removal)
        self._watcher.refresh()
        self.sizes.forget()
        log.info(
            "resource.removed",
            extra={
                "kind": removal.kind.value,
                "resource": removal.id,
                "principal": caller.name,
                "request_id": caller.request_id,
            },
        )

    async def pull(self, image: str, *, caller: Caller) -> PulledImage:
        """Have the image on this host. Raises HostUnavailable or HostRefused."""
        with engine_failures(within_s=PULL_TIMEOUT_S):
            pulled = await self._engine.pull(image, auth=self._login_of(image), timeout_s=PULL_TIMEOUT_S)
        self._watcher.refresh()
        log.info(
            "image.pulled",
            extra={"image": image, "principal": caller.name, "request_id": caller.request_id},
        )
        return PulledImage(id=pulled.id, size_bytes=pulled.size_bytes, digests=pulled.digests)

    async def _remove_image(self, removal: Removal) -> None:
        try:
            image = await self._engine.image(removal.id)
        except ImageNotFound:
            return
        if removal.names and set(removal.names) != {*image.tags, *image.digests}:
            raise HostRefused("it has other names than when it was looked at", code="conflict")
        users = _users(self._uses_image(image), await self._engine.containers())
        if users:
            raise HostRefused(f"container {users[0].name} uses it", code="conflict")
        if len(image.tags) <= 1 and len({_repository(name) for name in (*image.tags, *image.digests)}) <= 1:
            await self._engine.remove_image(image.id)
            return
        # By name: with several, the engine lets an image go by its id only together with what uses it.
        for name in (*image.tags, *image.digests):
            try:
                if (await self._engine.image(name)).id != image.id:
                    raise HostRefused(f"{name} has come to mean another image", code="conflict")
            except ImageNotFound:
                continue  # it went with another of its names
            await self._engine.remove_image(name)

    @staticmethod
    def _uses_image(image: Image) -> Callable[[Container], bool]:
        return lambda container: container.image_id == image.id

    async def _remove_network(self, removal: Removal) -> None:
        # The engine would take it from a container that is stopped, which then could not be started.
        found = [network for network in await self._engine.networks() if network.id == removal.id]
        for network in found:
            users = _users(_is_in(network), await self._engine.containers())
            if users:
                raise HostRefused(f"container {users[0].name} is in it", code="conflict")
        await self._engine.remove_network(removal.id)


def _images(current: Inventory, usage: EngineDiskUsage | None) -> tuple[HostImage, ...]:
    users = _by_key(current.containers, lambda container: (container.image_id,))
    return tuple(
        HostImage(
            id=image.id,
            tags=image.tags,
            digests=image.digests,
            size_bytes=image.size_bytes,
            shared_bytes=None if usage is None else usage.shared.get(image.id),
            created_at_ms=image.created_at_ms,
            labels=tuple(sorted(image.labels.items())),
            users=users.get(image.id, ()),
        )
        for image in current.images
    )


def _volumes(current: Inventory, usage: EngineDiskUsage | None) -> tuple[HostVolume, ...]:
    users = _by_key(
        current.containers,
        lambda container: (mount.source for mount in container.mounts if mount.kind == "volume"),
    )
    return tuple(_volume(volume, users.get(volume.name, ()), usage) for volume in current.volumes)


def _volume(volume: Volume, users: tuple[ResourceUser, ...], usage: EngineDiskUsage | None) -> HostVolume:
    return HostVolume(
        name=volume.name,
        driver=volume.driver,
        mountpoint=volume.mountpoint,
        project=volume.compose_project,
        size_bytes=None if usage is None else usage.volumes.get(volume.name),
        created_at_ms=volume.created_at_ms,
        labels=tuple(sorted(volume.labels.items())),
        users=users,
    )


def _networks(current: Inventory) -> tuple[HostNetwork, ...]:
    return tuple(
        HostNetwork(
            id=network.id,
            name=network.name,
            driver=network.driver,
            scope=network.scope,
            is_internal=network.internal,
            is_built_in=network.name in BUILT_IN_NETWORKS,
            subnets=network.subnets,
            project=network.compose_project,
            created_at_ms=network.created_at_ms,
            labels=tuple(sorted(network.labels.items())),
            users=_users(_is_in(network), current.containers),
        )
        for network in current.networks
    )


def _is_in(network: Network) -> Callable[[Container], bool]:
    def check(container: Container) -> bool:
        return container.network_mode in (network.name, network.id) or any(
            # One that never ran knows its networks by name only.
            joined.network_id == network.id or (not joined.network_id and joined.name == network.name)
            for joined in container.networks
        )

    return check


def _users(uses: Callable[[Container], bool], containers: Iterable[Container]) -> tuple[ResourceUser, ...]:
    return tuple(_user(container) for container in containers if uses(container))


def _by_key(
    containers: Iterable[Container], keys: Callable[[Container], Iterable[str]]
) -> Mapping[str, tuple[ResourceUser, ...]]:
    found: dict[str, list[ResourceUser]] = {}
    for container in containers:
        for key in dict.fromkeys(keys(container)):
            found.setdefault(key, []).append(_user(container))
    return {key: tuple(users) for key, users in found.items()}


def _user(container: Container) -> ResourceUser:
    compose = container.compose
    return ResourceUser(
        id=container.id,
        name=container.name,
        state=container.state.value,
        project=container.labels.get(PROJECT_LABEL, compose.project if compose else ""),
    )


def _repository(name: str) -> str:
    head, slash, last = name.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"
