"""What every router driver offers on top of `TrafficSwitch`: routes to declare, and whether it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from agent.ports import TrafficSwitch


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRoute:
    """A service that requests may be for.

    `hosts` are the host names that lead to it ("*.shop.example" for every name below), the first one known
    to a service wins. `health_path` "" checks by a TCP connect. `replicas_max` is how many replicas of one
    colour may be in the router at once.
    """

    service: str
    hosts: tuple[str, ...]
    health_path: str = "/"
    replicas_max: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterCondition:
    """Whether requests pass through the router, since when (CLOCK_MONOTONIC), and if not, why."""

    is_serving: bool
    since_s: float
    problem: str = ""


class Router(TrafficSwitch, Protocol):
    """A router that this host runs. Replicas are named as `replica_name` says."""

    @property
    def condition(self) -> RouterCondition: ...

    def configure(self, routes: Sequence[ServiceRoute]) -> None:
        """Declare the services; in force soon. `admit` waits for its service to be."""
        ...

    def replicas(self) -> frozenset[tuple[str, str, str]]:
        """(service, colour, replica) of everything in the router, also of what an earlier run put there."""
        ...

    async def run(self) -> NoReturn:
        """Keep the router running until cancelled."""
        ...


def replica_name(address: str, port: int) -> str:
    """The name of the replica that answers there.

    Nothing else tells a router's servers apart after the agent was restarted beside a running router.
    """
    return f"{address}:{port}"
