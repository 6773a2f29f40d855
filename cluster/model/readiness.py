"""What a host is asked before something is deployed to it, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.service import PublishedPort

IMAGES_MAX = 128
ITEMS_MAX = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class HostQuestion:
    """What is to be looked at: images by reference, host ports, paths of the host, named volumes as the
    engine knows them, and addresses (`host:port`) of replicas elsewhere.
    """

    images: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    paths: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rules.check_count("images", self.images, IMAGES_MAX)
        for name in ("ports", "paths", "volumes", "addresses"):
            rules.check_count(name, getattr(self, name), ITEMS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an image says of its containers. `ports` are those it exposes."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    stop_signal: str = ""
    ports: tuple[int, ...] = ()
    has_healthcheck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAnswer:
    """One image, for this host.

    `refusal`: why the host cannot have it; `unknown`: why nobody could say. `is_here`: no pull is needed.
    `platforms` as "linux/amd64", none where they are not told. `size_bytes` and `config` are known of an
    image that is here.
    """

    image: str
    refusal: str = ""
    unknown: str = ""
    is_here: bool = False
    platforms: tuple[str, ...] = ()
    size_bytes: int = 0
    config: ImageConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenPort:
    """A port of the host that was asked about and is in use. `by` is a container's name, "" for another
    program; `service_id` whose replica that is.
    """

    port: PublishedPort
    by: str = ""
    service_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReadiness:
    """A host's answers. None and `unknown` (in words) are what it could not find out.

    `platform` is as "linux/amd64"; `free_bytes` is for the engine's images; `router` haproxy, traefik, manual
    or "" for none. `at_ms` is its clock.
    """

    node_id: str
    at_ms: int
    engine_problem: str = ""
    platform: str = ""
    free_bytes: int | None = None
    images: tuple[ImageAnswer, ...] = ()
    taken: tuple[TakenPort, ...] = ()
    missing_paths: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    router: str = ""
    router_problem: str = ""
    unknown: tuple[str, ...] = field(default=())
