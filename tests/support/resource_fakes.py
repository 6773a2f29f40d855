"""Images, volumes and networks of hosts, as values a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

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
from tests.support.identity_builders import NOW_MS, some_bytes


@dataclass(slots=True)
class FakeResources:
    """A `web.ports.Resources`. `silent` hosts say nothing; `refusals` are raised by id of what is removed."""

    hosts: dict[str, HostResources] = field(default_factory=dict)
    silent: dict[str, HostUnavailable] = field(default_factory=dict)
    refusals: dict[str, HostRefused | HostUnavailable] = field(default_factory=dict)
    removed: list[tuple[str, Removal]] = field(default_factory=list)
    pulled: list[tuple[str, str]] = field(default_factory=list)
    sizes_asked: int = 0

    def put(self, node_id: str, **fields: Any) -> None:
        """Have a host tell these images, volumes or networks."""
        known = self.hosts.get(node_id, HostResources(node_id=NodeId(node_id)))
        self.hosts[node_id] = replace(known, **fields)

    async def of_hosts(
        self, kind: ResourceKind, node_ids: Sequence[str], *, with_sizes: bool = False
    ) -> Mapping[str, HostResources | HostUnavailable]:
        await asyncio.sleep(0)
        self.sizes_asked += with_sizes
        return {
            node_id: self.silent.get(node_id)
            or self.hosts.get(node_id, HostResources(node_id=NodeId(node_id)))
            for node_id in node_ids
        }

    async def disk_usage(self, node_id: str) -> DiskUsage:
        await asyncio.sleep(0)
        if node_id in self.silent:
            raise self.silent[node_id]
        return DiskUsage(node_id=NodeId(node_id), images_bytes=5, volumes_bytes=7)

    async def remove(self, node_id: str, removal: Removal, *, caller: Caller) -> None:
        await asyncio.sleep(0)
        if removal.id in self.refusals:
            raise self.refusals[removal.id]
        self.removed.append((node_id, removal))
        host = self.hosts[node_id]
        self.hosts[node_id] = replace(
            host,
            images=tuple(each for each in host.images if each.id != removal.id),
            volumes=tuple(each for each in host.volumes if each.name != removal.id),
            networks=tuple(each for each in host.networks if each.id != removal.id),
        )

    async def pull(self, node_id: str, image: str, *, caller: Caller) -> PulledImage:
        await asyncio.sleep(0)
        if node_id in self.silent:
            raise self.silent[node_id]
        self.pulled.append((node_id, image))
        return PulledImage(id=f"sha256:{some_bytes(('image', image), 32).hex()}", size_bytes=3)


def a_user(name: str, *, state: str = "running", project: str = "") -> ResourceUser:
    return ResourceUser(id=some_bytes(("container", name), 32).hex(), name=name, state=state, project=project)


def an_image(name: str, *users: ResourceUser, **fields: Any) -> HostImage:
    """An image of one tag, of a megabyte."""
    defaults: dict[str, Any] = {
        "id": f"sha256:{some_bytes(('image', name), 32).hex()}",
        "tags": (name,) if name else (),
        "size_bytes": 1_000_000,
        "created_at_ms": NOW_MS - 86_400_000,
        "users": users,
    }
    return HostImage(**{**defaults, **fields})


def a_volume(name: str, *users: ResourceUser, **fields: Any) -> HostVolume:
    return HostVolume(**{"name": name, "driver": "local", "users": users, **fields})


def a_network(name: str, *users: ResourceUser, **fields: Any) -> HostNetwork:
    defaults: dict[str, Any] = {
        "id": some_bytes(("network", name), 32).hex(),
        "name": name,
        "driver": "bridge",
        "users": users,
    }
    return HostNetwork(**{**defaults, **fields})
