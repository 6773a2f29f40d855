"""From the replicated state to what this host's router should do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.router.protocol import ServiceRoute, replica_name
from cluster.model.experiment import MatchKind, Targeting
from cluster.model.service import Assignment, DesiredState, Route, Service, Split
from cluster.model.strategy import Colour
from cluster.store import ReadTxn
from cluster.store.records import ASSIGNMENTS, REVISIONS, SERVICES


class WishKind(StrEnum):
    """OPEN gets requests, DRAIN gets no new ones and is waited for, CLOSE gets none."""

    OPEN = "open"
    DRAIN = "drain"
    CLOSE = "close"


_KINDS = {
    DesiredState.SERVING: WishKind.OPEN,
    DesiredState.DRAINING: WishKind.DRAIN,
    DesiredState.STARTED: WishKind.CLOSE,
}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One replica's place in the router, among those of its colour."""

    service: str
    colour: Colour
    replica: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted of one replica of `revision` since the log index `token`."""

    kind: WishKind
    token: int
    address: str
    port: int
    revision: int
    drain_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Everything wanted of a router at log index `index`.

    `routed_tokens` are the changes a leader waits for to be in force, `drained_tokens` those whose requests
    it waits for, whether or not the router knows the replica. Each of them is worth an entry of the log.
    `splits` are the shares of the routed services whose requests were ever shared.
    """

    index: int
    routes: tuple[ServiceRoute, ...]
    places: Mapping[Place, Wish]
    routed_tokens: frozenset[int]
    drained_tokens: frozenset[int]
    splits: Mapping[str, Split]


def read_wishes(txn: ReadTxn) -> Wishes:
    """Return what every router of the cluster should do."""
    routes: list[ServiceRoute] = []
    places: dict[Place, Wish] = {}
    newest: dict[tuple[str, str], Place] = {}
    splits: dict[str, Split] = {}
    routed: set[int] = set()
    drained: set[int] = set()
    for service in SERVICES.scan(txn):
        found = ASSIGNMENTS.scan(txn, service.id)
        numbers = sorted({service.revision, service.stable_revision, *(copy.revision for copy in found)})
        revisions = {number: REVISIONS.get(txn, service.id, number) for number in numbers if number}
        specs = {number: each.spec.route for number, each in revisions.items() if each is not None}
        copies = [copy for copy in found if specs.get(copy.revision) is not None]
        route = route_of(service, specs, copies)
        if route is not None:
            routes.append(route)
            if service.split.token:
                splits[service.id] = service.split
                routed.add(service.split.token)
        for copy in copies:
            if copy.desired is DesiredState.SERVING:
                routed.add(copy.token)
            elif copy.desired is DesiredState.DRAINING:
                drained.add(copy.token)
            _add(places, newest, service, copy)
    return Wishes(
        index=txn.applied_index,
        routes=tuple(routes),
        places=places,
        routed_tokens=frozenset(routed),
        drained_tokens=frozenset(drained),
        splits=splits,
    )


def route_of(
    service: Service, routes: Mapping[int, Route | None], copies: Sequence[Assignment]
) -> ServiceRoute | None:
    """Return how requests find the service; None when nothing of it is or will be routed.

    While two revisions that are reached differently run side by side, each of their host names leads to
    both, and the router checks by connecting where their checks differ: the hosts' own probes know which is
    which.
    """
    serving = [copy.revision for copy in copies if copy.desired is DesiredState.SERVING]
    present = [copy.revision for copy in copies if copy.desired is not DesiredState.REMOVED]
    if service.is_removed and not present:
        return None
    newest = routes.get(service.revision)
    # What is drained or started only needs the service too, whatever the newest revision says.
    for numbers in ((*serving, service.stable_revision), present, (service.revision,)):
        found = [route for number in numbers if (route := routes.get(number)) is not None]
        hosts = tuple(dict.fromkeys(route.host + route.path.rstrip("/") for route in found))
        if hosts:
            break
    else:
        return None
    checks = {route.health_path for number in present if (route := routes.get(number)) is not None}
    if not checks and newest is not None:
        checks = {newest.health_path}
    how = newest or found[-1]
    targetings = _targetings(service)
    return ServiceRoute(
        service=service.id,
        hosts=hosts,
        sticky=how.sticky,
        tls=how.tls,
        slow_start_s=how.slow_start_ms / 1000,
        websocket_drain_s=service.policy.tunnel_drain_ms / 1000,
        health_path=checks.pop() if len(checks) == 1 else "",
        replicas_max=max(1, _most_of_a_colour(copies), service.replicas + service.policy.max_surge),
        headers=_names(targetings, MatchKind.HEADER),
        cookies=_names(targetings, MatchKind.COOKIE),
        visitor_cookies=tuple(sorted({each.cookie for each in targetings if each.cookie})),
    )


def _targetings(service: Service) -> list[Targeting]:
    """What a split of the service has or may soon have: an experiment is known before its replicas are."""
    attempt = service.attempt
    coming = None
    if attempt.experiment is not None:
        coming = attempt.experiment.targeting(Colour.GREEN, attempt.number)
    return [each for each in (coming, service.split.targeting) if each is not None]


def _names(targetings: Sequence[Targeting], kind: MatchKind) -> tuple[str, ...]:
    matches = [match for targeting in targetings for match in targeting.matches if match.kind is kind]
    # Of headers case does not count.
    return tuple(
        sorted({match.name.lower() if kind is MatchKind.HEADER else match.name for match in matches})
    )


def _most_of_a_colour(copies: Sequence[Assignment]) -> int:
    present = [copy.colour for copy in copies if copy.desired is not DesiredState.REMOVED]
    return max(present.count(colour) for colour in Colour)


def _add(
    places: dict[Place, Wish], newest: dict[tuple[str, str], Place], service: Service, copy: Assignment
) -> None:
    observed = copy.observed
    kind = _KINDS.get(copy.desired)
    if kind is None or not observed.port:
        return
    replica = replica_name(observed.address, observed.port)
    place = Place(service.id, copy.colour, replica)
    wish = Wish(
        kind=kind,
        token=copy.token,
        address=observed.address,
        port=observed.port,
        revision=copy.revision,
        drain_timeout_s=service.policy.drain_timeout_ms / 1000,
    )
    # The engine gave a lost replica's port to a newer one before its host said that it was lost.
    known = newest.get((service.id, replica))
    if known is None or places[known].token < wish.token:
        if known is not None:
            del places[known]
        newest[service.id, replica] = place
        places[place] = wish
