"""Running containers that somebody else made, as services."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import rules
from cluster.model.service import ServiceSpec

LOSSES_MAX = 64
FOUND_MAX = 256
"""Most containers one host tells of at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundContainer:
    """One container and the specification it could have been made from.

    `project`, `service` and `number` are Compose's, empty and 0 outside of it. `losses` are what the
    specification has no place for, in words. `refusal`: why it cannot be a replica at all, "" when it can.
    """

    container_id: str
    name: str
    project: str
    service: str
    number: int
    image_id: str
    state: str
    started_at_ms: int
    spec: ServiceSpec | None
    losses: tuple[str, ...] = ()
    refusal: str = ""

    def __post_init__(self) -> None:
        rules.check_text("container id", self.container_id, 64, chars_min=12)
        rules.check_count("losses", self.losses, LOSSES_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFound:
    """What one host has of what was asked for."""

    containers: tuple[FoundContainer, ...]

    def __post_init__(self) -> None:
        rules.check_count("containers", self.containers, FOUND_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionQuestion:
    """What is looked for: projects, or containers by name or id."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        rules.check_count("names", self.names, 64)
        for name in self.names:
            rules.check_text("name", name, 256, chars_min=1)
