"""A router in memory. It passes the contract suite of the real one (tests/contract/test_router.py)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, NoReturn
from zlib import crc32

from agent.clock import Clock
from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.haproxy.maps import path_entries, wildcard_entries
from agent.router.haproxy.render import COLOURS
from agent.router.protocol import RevisionTraffic, RouterCondition, ServerCertificate, ServiceRoute
from cluster.model.experiment import Match, MatchKind, Targeting
from cluster.model.service import Sticky
from tests.support.fake_clock import FakeClock

ADMIT_TIMEOUT_S = 10.0
POLL_S = 0.05


@dataclass(slots=True)
class _Server:
    endpoint: Endpoint
    status: ServerStatus = ServerStatus.STARTING
    in_flight: int = 0


@dataclass(slots=True)
class HeldRequest:
    """A request that a replica has not answered yet."""

    replica: str
    is_left: bool = False
    """The router has forgotten its replica, which may still end it."""
    _server: _Server = field(repr=False, kw_only=True)

    def finish(self) -> None:
        self._server.in_flight -= 1


class FakeRouter:
    """An `agent.router.protocol.Router`; what tests do to it is below the protocol's methods."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else FakeClock()
        self.condition = RouterCondition(is_serving=True, since_s=self._clock.monotonic_s())
        self.routes: dict[str, ServiceRoute] = {}
        self.sick: set[str] = set()
        """Replicas that do not pass the router's check."""
        self.calls: list[str] = []
        self._servers: dict[tuple[str, str], dict[str, _Server]] = {}
        self.certificates: tuple[ServerCertificate, ...] = ()
        self._shares: dict[str, tuple[int, int]] = {}
        self._targeting: dict[str, Targeting] = {}
        self._traffic: dict[tuple[str, int], RevisionTraffic] = {}
        self._held: list[HeldRequest] = []
        self._turn = itertools.count()
        self._throw = itertools.count()

    # ---- the protocol -------------------------------------------------------------------------

    def configure(
        self, routes: Sequence[ServiceRoute], certificates: Sequence[ServerCertificate] = ()
    ) -> None:
        self.routes = {route.service: route for route in routes}
        self.certificates = tuple(certificates)

    async def traffic(self) -> tuple[RevisionTraffic, ...]:
        self._check("traffic")
        return tuple(count for (_, revision), count in sorted(self._traffic.items()) if revision)

    def replicas(self) -> frozenset[tuple[str, str, str]]:
        return frozenset((*key, replica) for key, servers in self._servers.items() for replica in servers)

    async def run(self) -> NoReturn:
        while True:
            await self._clock.sleep(3600.0)

    async def admit(self, service: str, colour: str, endpoint: Endpoint) -> None:
        self._check(f"admit {endpoint.replica}")
        if service not in self.routes:
            raise SwitchError(f"{service} is not configured")
        servers = self._servers.setdefault((service, colour), {})
        server = servers.get(endpoint.replica)
        if server is None or not _is_same_place(server.endpoint, endpoint):
            server = servers[endpoint.replica] = _Server(endpoint)
        server.endpoint = endpoint
        if server.status is ServerStatus.READY:
            return
        deadline_s = self._clock.monotonic_s() + ADMIT_TIMEOUT_S
        while endpoint.replica in self.sick:
            if self._clock.monotonic_s() >= deadline_s:
                raise SwitchError(f"{endpoint.replica} does not pass the router's check")
            await self._clock.sleep(POLL_S)

    async def open(self, service: str, colour: str, replica: str) -> None:
        self._check(f"open {replica}")
        self._known(service, colour, replica).status = ServerStatus.READY

    async def drain(self, service: str, colour: str, replica: str, *, timeout_s: float) -> bool:
        self._check(f"drain {replica}")
        server = self._servers.get((service, colour), {}).get(replica)
        if server is None:
            return True
        server.status = ServerStatus.DRAINING
        deadline_s = self._clock.monotonic_s() + timeout_s
        while server.in_flight:
            if self._clock.monotonic_s() >= deadline_s:
                return False
            await self._clock.sleep(POLL_S)
        return True

    async def remove(self, service: str, colour: str, replica: str) -> None:
        self._check(f"remove {replica}")
        self._servers.get((service, colour), {}).pop(replica, None)
        for held in self._held:
            held.is_left = held.is_left or held.replica == replica

    async def split(
        self,
        service: str,
        shares_permille: Mapping[str, int],
        *,
        revision: int,
        targeting: Targeting | None = None,
    ) -> int:
        self._check(f"split {service}")
        if set(shares_permille) - {"blue", "green"} or sum(shares_permille.values()) != 1000:
            raise SwitchError(f"the shares of {service} must add up to 1000: {dict(shares_permille)}")
        in_force, _ = self._shares.get(service, (-1, 0))
        if revision < in_force:
            return in_force
        self._check_looked_for(service, targeting)
        self._shares[service] = (revision, shares_permille.get("green", 0))
        self._targeting.pop(service, None)
        if targeting is not None:
            self._targeting[service] = targeting
        return revision

    def _check_looked_for(self, service: str, targeting: Targeting | None) -> None:
        route = self.routes.get(service)
        if targeting is None:
            return
        headers, cookies = (route.headers, route.cookies) if route is not None else ((), ())
        for match in targeting.matches:
            is_header = match.kind is MatchKind.HEADER
            if match.name.lower() not in headers if is_header else match.name not in cookies:
                raise SwitchError(f"{service} was not declared with the {match.kind} {match.name}")

    async def status(self, service: str) -> Mapping[str, ServerStatus]:
        self._check(f"status {service}")
        return {
            replica: self._status(server)
            for (of_service, _), servers in self._servers.items()
            for replica, server in servers.items()
            if of_service == service
        }

    # ---- what tests do to it ------------------------------------------------------------------

    def fail(self, problem: str) -> None:
        """Stop serving."""
        self.condition = RouterCondition(is_serving=False, since_s=self._clock.monotonic_s(), problem=problem)

    def recover(self) -> None:
        """Serve again."""
        self.condition = RouterCondition(is_serving=True, since_s=self._clock.monotonic_s())

    def request(self, host: str, path: str = "/", **of_client: Any) -> tuple[int, str]:
        """Status of the answer, and the replica that gave it; `of_client` as for `hold`."""
        held = self.hold(host, path, **of_client)
        if isinstance(held, int):
            return held, ""
        held.finish()
        return 200, held.replica

    def hold(
        self,
        host: str,
        path: str = "/",
        *,
        preview: str = "",
        client: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> HeldRequest | int:
        """A request under way, or the status of the router's own answer.

        `preview` is the value of X-Tower-Colour. `cookies` are those of one person, and get what is set.
        """
        name = host.lower().partition(":")[0]
        service = self._service_of(name, path)
        if service is None:
            return 404
        is_preview = preview in COLOURS and ip_address(client).is_private
        jar = {} if cookies is None else cookies
        colour = preview if is_preview else self._colour(service, client, headers or {}, jar)
        ready = self._ready(service, colour)
        if not ready:
            return 503
        server = ready[next(self._turn) % len(ready)]
        if self.routes[service].sticky is Sticky.COOKIE:
            server = next((each for each in ready if each.endpoint.replica == jar.get("replica")), server)
            jar["replica"] = server.endpoint.replica
        server.in_flight += 1
        if not is_preview:
            self.count(service, server.endpoint.revision, requests=1, latencies={0: 1})
        held = HeldRequest(server.endpoint.replica, _server=server)
        self._held.append(held)
        return held

    def _colour(self, service: str, client: str, headers: Mapping[str, str], jar: dict[str, str]) -> str:
        share = next(self._throw) * 389 % 1000
        match self.routes[service].sticky:
            case Sticky.ADDRESS:
                share = crc32(f"{client}/{service}".encode()) % 1000
            case Sticky.COOKIE:
                share = int(jar.setdefault("tower-share", str(share)))
        _, green = self._shares.get(service, (0, 0))
        colour, other = ("green", "blue") if share < green else ("blue", "green")
        targeting = self._targeting.get(service)
        if targeting is not None and any(_is_matched(match, headers, jar) for match in targeting.matches):
            colour = targeting.colour.value
            other = "blue" if colour == "green" else "green"
        elif targeting is not None and targeting.cookie:
            share = int(jar.setdefault(targeting.cookie, str(next(self._throw) * 389 % 1000)))
            colour, other = ("green", "blue") if share < green else ("blue", "green")
        return colour if self._ready(service, colour) or not self._ready(service, other) else other

    def _ready(self, service: str, colour: str) -> list[_Server]:
        return [
            server
            for server in self._servers.get((service, colour), {}).values()
            if self._status(server) is ServerStatus.READY
        ]

    def _service_of(self, name: str, path: str) -> str | None:
        routes = sorted(self.routes.values(), key=lambda route: route.service)
        claims = dict(path_entries(routes))
        wildcards = (own for suffix, own in wildcard_entries(routes) if name.endswith(suffix))
        for host in (name, *list(wildcards)[:1]):
            found = [key for key in claims if f"{host}{path.partition('?')[0]}/".startswith(key)]
            if found:
                return claims[max(found, key=len)]
        return None

    def count(
        self,
        service: str,
        revision: int,
        *,
        requests: int = 0,
        failures: int = 0,
        lost: int = 0,
        retried: int = 0,
        latencies: Mapping[int, int] | None = None,
    ) -> None:
        """Let so much more have passed through it."""
        before = self._traffic.get((service, revision), RevisionTraffic(service=service, revision=revision))
        self._traffic[service, revision] = RevisionTraffic(
            service=service,
            revision=revision,
            requests=before.requests + requests,
            failures=before.failures + failures,
            lost=before.lost + lost,
            retried=before.retried + retried,
            latencies=dict(Counter(before.latencies) + Counter(latencies or {})),
        )

    def serving(self, service: str) -> set[str]:
        """The replicas that get requests."""
        return {
            replica
            for (of_service, _), servers in self._servers.items()
            for replica, server in servers.items()
            if of_service == service and server.status is ServerStatus.READY
        }

    # ---- inside -------------------------------------------------------------------------------

    def _check(self, call: str) -> None:
        if not self.condition.is_serving:
            raise SwitchError(f"the router does not run: {self.condition.problem}")
        self.calls.append(call)

    def _known(self, service: str, colour: str, replica: str) -> _Server:
        try:
            return self._servers[service, colour][replica]
        except KeyError as error:
            raise SwitchError(f"{replica} of {service} was not admitted") from error

    def _status(self, server: _Server) -> ServerStatus:
        if server.status is ServerStatus.READY and server.endpoint.replica in self.sick:
            return ServerStatus.DOWN
        return server.status


def _is_matched(match: Match, headers: Mapping[str, str], jar: Mapping[str, str]) -> bool:
    if match.kind is MatchKind.COOKIE:
        return jar.get(match.name) == match.value
    return {name.lower(): value for name, value in headers.items()}.get(match.name.lower()) == match.value


def _is_same_place(one: Endpoint, other: Endpoint) -> bool:
    return (one.address, one.port) == (other.address, other.port)
