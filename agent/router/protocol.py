"""What every router driver offers on top of `TrafficSwitch`: routes to declare, and whether it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, Protocol

from agent.ports import TrafficSwitch
from cluster.model.service import RouteTls, Sticky


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRoute:
    """A service that requests may be for.

    `hosts` are the host names that lead to it ("*.shop.example" for every name below), each with a path
    behind it where not every path does ("shop.example/api"). The longest path that begins a request's wins,
    whole segments only; of two services with the same claim, the first. `health_path` "" checks by a TCP
    connect. `replicas_max` is how many replicas of one colour may be in the router at once. A replica that is
    opened gets its whole share of requests after `slow_start_s`. One that is drained may keep websockets for
    `websocket_drain_s`, where that is longer than its requests get. `headers`, `cookies` and
    `visitor_cookies` are the names that a split's targeting may have: a router has to look for them.
    """

    service: str
    hosts: tuple[str, ...]
    health_path: str = "/"
    replicas_max: int = 4
    sticky: Sticky = Sticky.NONE
    tls: RouteTls = RouteTls.OFF
    slow_start_s: float = 0.0
    websocket_drain_s: float = 0.0
    headers: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    visitor_cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """A certificate for HTTPS. `pem` holds it, the chain up to its root, and the private key.

    `name` tells it from the others: letters, digits, ".", "-" and "_". Which host names it is for, it says
    itself.
    """

    name: str
    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionTraffic:
    """What passed through this router for one revision of a service since the router object was made.

    Only requests that a split sent there: neither health checks nor previews count. `failures` are what a
    client would call failed: 5xx answers, connections that came to nothing, and `lost` requests, which got no
    answer at all. `retried` were sent once more after a failure that no client saw. `latencies` are counts
    by `cluster.model.traffic.latency_bucket` of the time to the first byte of the answer; of a sample where
    there are many requests.
    """

    service: str
    revision: int
    requests: int = 0
    failures: int = 0
    lost: int = 0
    retried: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)


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

    def configure(
        self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate] = ()
    ) -> None:
        """Declare the services and what HTTPS is served with; in force soon.

        `admit` waits for its service to be. Without a certificate there is no HTTPS, and no request is sent
        on to it.
        """
        ...

    async def traffic(self) -> tuple[RevisionTraffic, ...]:
        """Return the counts of every revision that had a replica here, ascending; they never fall.

        Replicas admitted without a revision are left out. Raises SwitchError while the router does not run.
        """
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
