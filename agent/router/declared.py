"""A router that is told everything at once: what it should be like stands in a book, and somebody applies it.

Traefik fetches the book, a person's own balancer is sent it. Neither tells how many requests are in flight,
so a drain lasts as long as it may.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from agent.clock import Clock
from agent.ports import Endpoint, ServerStatus, SwitchError
from agent.router.protocol import ServiceRoute
from cluster.model.experiment import Match, MatchKind, Targeting
from cluster.model.service import RouteTls, Sticky
from cluster.model.strategy import WHOLE_PERMILLE, Colour

CONNECT_TIMEOUT_S = 1.0
CONNECT_RETRY_S = 0.25
ADMIT_TIMEOUT_S = 10.0
CONFIGURE_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Server:
    """One replica in the book."""

    endpoint: Endpoint
    status: ServerStatus
    drained_since_s: float = 0.0


@dataclass(slots=True)
class Shares:
    """How a service's requests are shared, by the index of the change that said so."""

    revision: int
    green_permille: int
    targeting: Targeting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the router should be like. `servers` are those that get requests, by service and colour.

    `revision` rises with each change within one run of the agent; `epoch` tells the runs apart.
    """

    epoch: str
    revision: int
    routes: tuple[ServiceRoute, ...] = ()
    servers: Mapping[tuple[str, Colour], tuple[Endpoint, ...]] = field(default_factory=dict)
    green_permille: Mapping[str, int] = field(default_factory=dict)
    targeting: Mapping[str, Targeting] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """A name for this very state."""
        return f"{self.epoch}-{self.revision}"

    def weights(self, service: str) -> dict[Colour, int]:
        """Return the share of each colour that has a server, in thousandths.

        A colour without one would answer nobody, so the other gets its share.
        """
        green = self.green_permille.get(service, 0)
        shares = {Colour.BLUE: WHOLE_PERMILLE - green, Colour.GREEN: green}
        present = {colour: share for colour, share in shares.items() if self.servers.get((service, colour))}
        wanted = {colour: share for colour, share in present.items() if share}
        if not wanted and present:
            return dict.fromkeys(present, WHOLE_PERMILLE)
        return wanted

    def targeting_of(self, service: str) -> Targeting | None:
        """Return what chance does not decide, without matches that lead to a colour that has no server."""
        targeting = self.targeting.get(service)
        if targeting is None or self.servers.get((service, targeting.colour)):
            return targeting
        return replace(targeting, matches=())


class Applier(Protocol):
    """Whoever brings a book in force."""

    async def applied(self, declared: Declared) -> None:
        """Return once requests go as `declared` says. Raises SwitchError when they do not in time."""
        ...


class Keeper(Protocol):
    """Where the book is kept."""

    async def read(self) -> str:
        """Return what was written last, "" when nothing was."""
        ...

    async def write(self, text: str) -> None: ...


class BookFile:
    """The book in a file of this host."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writing = asyncio.Lock()

    async def read(self) -> str:
        return await asyncio.to_thread(_read, self._file)

    async def write(self, text: str) -> None:
        async with self._writing:
            await asyncio.to_thread(_write, self._file, text)


class DeclaredSwitch:
    """The part of a `Router` that directs replicas, over a book that is kept on disk.

    After a restart of the agent the book is as it was, so that nobody is told of a router without servers;
    `load` comes first. What is acknowledged was kept before.
    """

    def __init__(self, *, keeper: Keeper, epoch: str, applier: Applier, clock: Clock) -> None:
        self._keeper = keeper
        self._epoch = epoch
        self._applier = applier
        self._clock = clock
        self._revision = 0
        self._routes: tuple[ServiceRoute, ...] = ()
        self._servers: dict[tuple[str, Colour, str], Server] = {}
        self._shares: dict[str, Shares] = {}
        self._is_loaded = False
        self._is_configured = False

    @property
    def declared(self) -> Declared | None:
        """The book; None before the first `configure` of this run unless an earlier one left its own."""
        if not self._is_loaded or not (self._is_configured or self._routes):
            return None
        ready: dict[tuple[str, Colour], list[Endpoint]] = {}
        for (service, colour, _), server in sorted(self._servers.items()):
            if server.status is ServerStatus.READY:
                ready.setdefault((service, colour), []).append(server.endpoint)
        return Declared(
            epoch=self._epoch,
            revision=self._revision,
            routes=self._routes,
            servers={key: tuple(endpoints) for key, endpoints in ready.items()},
            green_permille={service: shares.green_permille for service, shares in self._shares.items()},
            targeting={
                service: shares.targeting
                for service, shares in self._shares.items()
                if shares.targeting is not None
            },
        )

    async def load(self) -> None:
        """Take over what an earlier run of the agent left."""
        book = _parse(await self._keeper.read())
        if book is not None:
            routes, self._servers, self._shares = book
            if not self._is_configured:
                self._routes = routes
        self._is_loaded = True

    def configure(self, routes: Sequence[ServiceRoute]) -> None:
        """Declare the services."""
        wanted = tuple(sorted(routes, key=lambda route: route.service))
        self._is_configured = True
        if wanted != self._routes:
            self._routes = wanted
            known = {route.service for route in wanted}
            self._shares = {each: shares for each, shares in self._shares.items() if each in known}
            self._revision += 1

    def replicas(self) -> frozenset[tuple[str, str, str]]:
        return frozenset((service, colour.value, replica) for service, colour, replica in self._servers)

    async def admit(self, service: str, colour: str, endpoint: Endpoint) -> None:
        await self._until_known(service)
        key = (service, Colour(colour), endpoint.replica)
        present = self._servers.get(key)
        if present is not None and present.status is ServerStatus.READY:
            present.endpoint = endpoint
            return
        self._servers[key] = Server(endpoint, ServerStatus.STARTING)
        await self._until_reachable(service, endpoint)

    async def open(self, service: str, colour: str, replica: str) -> None:
        server = self._servers.get((service, Colour(colour), replica))
        if server is None:
            raise SwitchError(f"{replica} of {service} was not admitted: admit it first")
        if server.status is not ServerStatus.READY:
            server.status = ServerStatus.READY
            self._revision += 1
        await self._in_force()

    async def drain(self, service: str, colour: str, replica: str, *, timeout_s: float) -> bool:
        server = self._servers.get((service, Colour(colour), replica))
        if server is None:
            return True
        if server.status is not ServerStatus.DRAINING:
            was_ready = server.status is ServerStatus.READY
            server.status = ServerStatus.DRAINING
            server.drained_since_s = self._clock.monotonic_s()
            if was_ready:
                self._revision += 1
        await self._in_force()
        left_s = server.drained_since_s + timeout_s - self._clock.monotonic_s()
        if left_s > 0:
            await self._clock.sleep(left_s)
        # Whether requests are left in flight, nobody tells.
        return False

    async def remove(self, service: str, colour: str, replica: str) -> None:
        server = self._servers.pop((service, Colour(colour), replica), None)
        if server is not None and server.status is ServerStatus.READY:
            self._revision += 1
            await self._in_force()

    async def split(
        self,
        service: str,
        shares_permille: Mapping[str, int],
        *,
        revision: int,
        targeting: Targeting | None = None,
    ) -> int:
        if sum(shares_permille.values()) != WHOLE_PERMILLE or set(shares_permille) - set(Colour):
            raise SwitchError(
                f"the shares of {service} must be of blue and green and add up to 1000:"
                f" {dict(shares_permille)}"
            )
        present = self._shares.get(service, Shares(-1, 0))
        if revision < present.revision:
            return present.revision
        green = shares_permille.get(Colour.GREEN, 0)
        self._shares[service] = Shares(revision, green, targeting)
        if (green, targeting) != (present.green_permille, present.targeting):
            self._revision += 1
        await self._in_force()
        return revision

    async def status(self, service: str) -> Mapping[str, ServerStatus]:
        return {replica: server.status for (of, _, replica), server in self._servers.items() if of == service}

    # ---- the book ----

    async def _in_force(self) -> None:
        declared = self.declared
        if declared is not None:
            await self._keeper.write(self._text())
            await self._applier.applied(declared)

    async def _until_known(self, service: str) -> None:
        deadline_s = self._clock.monotonic_s() + CONFIGURE_TIMEOUT_S
        while not self._is_loaded or all(route.service != service for route in self._routes):
            if self._clock.monotonic_s() >= deadline_s:
                raise SwitchError(f"{service} is not configured")
            await self._clock.sleep(CONNECT_RETRY_S)

    async def _until_reachable(self, service: str, endpoint: Endpoint) -> None:
        deadline_s = self._clock.monotonic_s() + ADMIT_TIMEOUT_S
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    _, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
            except (OSError, TimeoutError) as error:
                if self._clock.monotonic_s() >= deadline_s:
                    why = str(error) or "no answer"
                    raise SwitchError(
                        f"{endpoint.replica} of {service} cannot be reached from this host: {why}"
                    ) from error
                await self._clock.sleep(CONNECT_RETRY_S)
                continue
            writer.close()
            return

    def _text(self) -> str:
        document = {
            "routes": [_route_document(route) for route in self._routes],
            "servers": [
                {
                    "service": service,
                    "colour": colour.value,
                    "address": server.endpoint.address,
                    "port": server.endpoint.port,
                    "revision": server.endpoint.revision,
                    "replica": replica,
                    "status": server.status.value,
                }
                for (service, colour, replica), server in sorted(self._servers.items())
            ],
            "shares": {service: shares.green_permille for service, shares in self._shares.items()},
            "targeting": {
                service: _targeting_document(shares.targeting)
                for service, shares in self._shares.items()
                if shares.targeting is not None
            },
        }
        return json.dumps(document, sort_keys=True)


_Book = tuple[tuple[ServiceRoute, ...], dict[tuple[str, Colour, str], Server], dict[str, Shares]]


def _parse(text: str) -> _Book | None:
    """Return what `_text` wrote; None when there is none, or another version of the agent wrote it."""
    try:
        document = json.loads(text)
        routes = tuple(_route(each) for each in document["routes"])
        servers = {
            (each["service"], Colour(each["colour"]), each["replica"]): Server(
                Endpoint(
                    replica=each["replica"],
                    address=each["address"],
                    port=each["port"],
                    revision=each["revision"],
                ),
                ServerStatus(each["status"]),
            )
            for each in document["servers"]
        }
        targeting = {service: _targeting(each) for service, each in document["targeting"].items()}
        shares = {
            service: Shares(0, int(green), targeting.get(service))
            for service, green in document["shares"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return routes, servers, shares


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".tmp")
    fresh.write_text(text)
    fresh.replace(file)


def _route_document(route: ServiceRoute) -> dict[str, Any]:
    return {
        "service": route.service,
        "hosts": list(route.hosts),
        "health_path": route.health_path,
        "sticky": route.sticky.value,
        "tls": route.tls.value,
    }


def _route(document: Mapping[str, Any]) -> ServiceRoute:
    route = ServiceRoute(
        service=document["service"], hosts=tuple(document["hosts"]), health_path=document["health_path"]
    )
    return replace(route, sticky=Sticky(document["sticky"]), tls=RouteTls(document["tls"]))


def _targeting_document(targeting: Targeting) -> dict[str, Any]:
    return {
        "colour": targeting.colour.value,
        "matches": match_documents(targeting),
        "cookie": targeting.cookie,
        "cookie_s": targeting.cookie_s,
    }


def match_documents(targeting: Targeting) -> list[dict[str, str]]:
    return [
        {"kind": match.kind.value, "name": match.name, "value": match.value} for match in targeting.matches
    ]


def _targeting(document: Mapping[str, Any]) -> Targeting:
    return Targeting(
        colour=Colour(document["colour"]),
        matches=tuple(
            Match(kind=MatchKind(each["kind"]), name=each["name"], value=each["value"])
            for each in document["matches"]
        ),
        cookie=document["cookie"],
        cookie_s=document["cookie_s"],
    )
