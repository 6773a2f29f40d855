"""A router on this host: which replicas get requests, and what share of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cluster.model.experiment import Targeting


class SwitchError(Exception):
    """The router did not do as asked. The text is one sentence a person can act on."""


class ServerStatus(StrEnum):
    """A replica as the router sees it."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one replica answers. `revision` is the one whose traffic its requests count as; 0: not known."""

    replica: str
    address: str
    port: int
    weight: int = 100
    revision: int = 0


class TrafficSwitch(Protocol):
    """Directs requests at replicas. Every method may raise SwitchError and may be repeated."""

    async def admit(self, service: str, colour: str, endpoint: Endpoint) -> None:
        """Add the replica, checked but without traffic; return when the router finds it healthy."""
        ...

    async def open(self, service: str, colour: str, replica: str) -> None:
        """Let requests reach the replica."""
        ...

    async def drain(self, service: str, colour: str, replica: str, *, timeout_s: float) -> bool:
        """Send it no new request; true when none was left in flight within `timeout_s`."""
        ...

    async def remove(self, service: str, colour: str, replica: str) -> None:
        """Forget the replica: it gets nothing any more. What it still serves it may end for a minute."""
        ...

    async def split(
        self,
        service: str,
        shares_permille: Mapping[str, int],
        *,
        revision: int,
        targeting: Targeting | None = None,
    ) -> int:
        """Share requests among colours; return the revision now in force, for the acknowledgement.

        An older `revision` than the one in force changes nothing. `targeting` says what chance does not
        decide; its names were declared with the service's route. A colour without a usable replica is
        replaced by the other whatever led to it.
        """
        ...

    async def status(self, service: str) -> Mapping[str, ServerStatus]:
        """Return each replica's status as the router sees it."""
        ...
