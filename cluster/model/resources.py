"""What a host's engine keeps beside containers: images, volumes, networks, and who uses them.

Not replicated: each host knows its own, and tells whoever asks. Times are Unix epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.model.ids import NodeId


class ResourceKind(StrEnum):
    """What can be listed and removed of a host beside containers."""

    IMAGE = "image"
    VOLUME = "volume"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUser:
    """A container, stopped or not, that could not be started without the resource; `project` is "" for
    none."""

    id: str
    name: str
    state: str
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostImage:
    """One image of a host. `tags` as `repository:tag`, `digests` as `repository@sha256:...`, both sorted.

    `shared_bytes` of its size are layers of other images too, None where that was not counted.
    """

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int = 0
    shared_bytes: int | None = None
    created_at_ms: int = 0
    labels: tuple[tuple[str, str], ...] = ()
    users: tuple[ResourceUser, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVolume:
    """One volume of a host. `size_bytes` is None where it was not counted, or its driver does not say."""

    name: str
    driver: str
    mountpoint: str = ""
    project: str = ""
    size_bytes: int | None = None
    created_at_ms: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    users: tuple[ResourceUser, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNetwork:
    """One network of a host; `subnets` in CIDR notation. The engine's own cannot be removed."""

    id: str
    name: str
    driver: str
    scope: str = "local"
    is_internal: bool = False
    is_built_in: bool = False
    subnets: tuple[str, ...] = ()
    project: str = ""
    created_at_ms: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    users: tuple[ResourceUser, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResources:
    """The resources of one kind of one host, as they were `age_ms` before it told.

    `problem` says, for people, why the engine cannot be asked at the moment; the lists are then the last
    known. Sizes that take the engine long to count are `sizes_age_ms` old, None when they were not counted.
    """

    node_id: NodeId
    age_ms: int = 0
    problem: str = ""
    images: tuple[HostImage, ...] = ()
    volumes: tuple[HostVolume, ...] = ()
    networks: tuple[HostNetwork, ...] = ()
    sizes_age_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One resource to be removed, by id (an image's, a network's) or name (a volume's).

    `names` are those an image had when its removal was decided: with others by now it stays.
    """

    kind: ResourceKind
    id: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledImage:
    """An image that a host has now."""

    id: str
    size_bytes: int
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """What an engine keeps on disk, counted `age_ms` ago.

    `images_bytes` counts layers of several images once; `volumes_bytes` leaves out volumes whose driver does
    not say. `reclaimable_bytes` of images are in no container's image.
    """

    node_id: NodeId
    age_ms: int = 0
    images_bytes: int = 0
    reclaimable_bytes: int = 0
    containers_bytes: int = 0
    volumes_bytes: int = 0
    build_cache_bytes: int = 0
