"""The routes of services: what address leads where, which certificate serves it, and where it is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.model.route_certificates import RouteCertificate
from cluster.model.service import RouteTls, Sticky
from cluster.store import records
from web.auth.call import Call
from web.tools.context import Context
from web.tools.given_certificates import SOON_MS
from web.tools.nodes import lost_in
from web.tools.rollouts import on_live_hosts
from web.tools.splits import split_in
from web.tools.views import SplitView


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingCertificate:
    """The certificate a route's HTTPS is served with. `ends_soon`: within two weeks."""

    name: str
    not_after_ms: int
    ends_soon: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRouteView:
    """Requests for `host` whose path begins with `path` go to `service`'s replicas.

    `certificate` is null where HTTPS is off, or where no certificate kept here is for the name. `split` says
    how requests are shared and which hosts have that in force.
    """

    service: str
    host: str
    path: str
    port: int
    health_path: str
    sticky: Sticky
    tls: RouteTls
    certificate: ServingCertificate | None
    split: SplitView


async def list_routes(context: Context, call: Call) -> list[ServiceRouteView]:
    """Return the routes by host, path and service, for callers who may see services. Raises Problem."""
    await context.authority.require(call, "service.read", "service")
    now_ms = context.surroundings.clock.now_ms()
    found: list[ServiceRouteView] = []
    with context.surroundings.state.read() as txn:
        certificates = records.ROUTE_CERTIFICATES.scan(txn)
        lost = lost_in(txn)
        for service in records.SERVICES.scan(txn):
            revision = records.REVISIONS.get(txn, service.id, service.stable_revision or service.revision)
            route = None if revision is None else revision.spec.route
            split = split_in(txn, service, on_live_hosts(records.ASSIGNMENTS.scan(txn, service.id), lost))
            if route is None or split is None:
                continue
            found.append(
                ServiceRouteView(
                    service=service.id,
                    host=route.host,
                    path=route.path,
                    port=route.port,
                    health_path=route.health_path,
                    sticky=route.sticky,
                    tls=route.tls,
                    certificate=None
                    if route.tls is RouteTls.OFF
                    else _serving(certificates, route.host, now_ms),
                    split=split,
                )
            )
    return sorted(found, key=route_key)


def route_key(view: ServiceRouteView) -> tuple[str, str, str]:
    """Return a route's place in the list."""
    return (view.host, view.path, view.service)


def _serving(certificates: Sequence[RouteCertificate], host: str, now_ms: int) -> ServingCertificate | None:
    """Return the certificate for a name: one that names it before a wildcard's, then the one that lasts
    longest (RFC 9525, 6.3: a wildcard stands for one label)."""
    wildcard = f"*.{host.partition('.')[2]}"
    for name in dict.fromkeys((host, wildcard)):
        fitting = [each for each in certificates if name in each.hosts]
        if fitting:
            best = max(fitting, key=lambda each: each.not_after_ms)
            return ServingCertificate(
                name=best.name,
                not_after_ms=best.not_after_ms,
                ends_soon=best.not_after_ms - now_ms < SOON_MS,
            )
    return None
