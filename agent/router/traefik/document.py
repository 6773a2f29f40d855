"""What Traefik's HTTP provider is given: its dynamic configuration as JSON. Pure.

Traefik replaces its configuration by what it gets, rejects sections that are empty, keeps what it has when
the whole is empty, and sees a change by the bytes alone (`pkg/provider/http`,
`pkg/server/configurationwatcher.go` of 2.11 and 3.x). After each change it takes every server for healthy
until the first check, so only servers that answer are listed, and checks are frequent.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from agent.router.declared import Declared
from agent.router.protocol import ServiceRoute
from cluster.model.experiment import Match, MatchKind, Targeting
from cluster.model.service import RouteTls, Sticky
from cluster.model.strategy import Colour

Version = Literal["v2", "v3"]

MARK_PREFIX = "tower-"
HTTPS_MIDDLEWARE = "tower-to-https"
PREVIEW_HEADER = "X-Tower-Colour"
_PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoints:
    """Traefik's own names for where requests come in, and for who gives certificates ("" = its own)."""

    http: tuple[str, ...] = ("web",)
    https: tuple[str, ...] = ("websecure",)
    certificate_resolver: str = ""


def render(declared: Declared, version: Version, entry_points: EntryPoints) -> bytes:
    """Return the document; equal states give equal bytes."""
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {}
    # A middleware nobody uses: by its name Traefik's API says which state is in force.
    middlewares: dict[str, Any] = {
        MARK_PREFIX + declared.mark: {"headers": {"customResponseHeaders": {"X-Tower-Mark": declared.mark}}}
    }
    for route in declared.routes:
        weights = declared.weights(route.service)
        if not weights:
            continue
        for colour in Colour:
            endpoints = declared.servers.get((route.service, colour), ())
            if endpoints:
                services[_name(route, colour)] = _load_balancer(route, colour, endpoints, version)
        services[route.service] = _weighted(route, weights, declared.targeting_of(route.service))
        routers.update(_routers(route, declared, version, entry_points))
        if route.tls is RouteTls.REDIRECT:
            middlewares[HTTPS_MIDDLEWARE] = {"redirectScheme": {"scheme": "https", "permanent": True}}
    if not routers:
        # The last service is gone: an empty configuration would leave it in force.
        routers["tower-none"] = {
            "entryPoints": list(entry_points.http),
            "rule": "Host(`tower.invalid`)",
            "service": "noop@internal",
        }
    http: dict[str, Any] = {"routers": routers, "middlewares": middlewares}
    if services:
        http["services"] = services
    return json.dumps({"http": http}, sort_keys=True, separators=(",", ":")).encode()


def rule_of(hosts: tuple[str, ...], version: Version) -> str:
    """Return Traefik's rule for host names with a path behind them where not every path is meant."""
    return " || ".join(_one_rule(host, version) for host in hosts)


def _one_rule(claim: str, version: Version) -> str:
    host, slash, path = claim.partition("/")
    if host.startswith("*."):
        rest = host.removeprefix("*.")
        if version == "v2":
            rule = f"HostRegexp(`{{name:[a-zA-Z0-9.-]+}}.{rest}`)"
        else:
            rule = f"HostRegexp(`^[a-zA-Z0-9.-]+\\.{re.escape(rest)}$`)"
    else:
        rule = f"Host(`{host}`)"
    if not slash:
        return rule
    # Whole segments only: /api is not the beginning of /apiary.
    return f"({rule} && (Path(`/{path}`) || PathPrefix(`/{path}/`)))"


def _name(route: ServiceRoute, colour: Colour) -> str:
    return f"{route.service}-{colour.value}"


def _routers(
    route: ServiceRoute, declared: Declared, version: Version, entry_points: EntryPoints
) -> dict[str, Any]:
    rule = rule_of(route.hosts, version)
    found: dict[str, Any] = {}
    plain: dict[str, Any] = {"entryPoints": list(entry_points.http), "rule": rule, "service": route.service}
    if route.tls is RouteTls.REDIRECT:
        plain["middlewares"] = [HTTPS_MIDDLEWARE]
    found[route.service] = plain
    if route.tls is not RouteTls.OFF:
        resolver = entry_points.certificate_resolver
        found[f"{route.service}-tls"] = {
            "entryPoints": list(entry_points.https),
            "rule": rule,
            "service": route.service,
            "tls": {"certResolver": resolver} if resolver else {},
        }
    targeting = declared.targeting_of(route.service)
    if targeting is not None and targeting.matches:
        matches = " || ".join(_match(match, version) for match in targeting.matches)
        for name, router in list(found.items()):
            found[f"{name}-match"] = {
                **router,
                "rule": f"({rule}) && ({matches})",
                "service": _name(route, targeting.colour),
                # Just before the service's own, which has the length of its rule: a longer path of another
                # service goes first all the same.
                "priority": len(rule) + 1,
            }
    for colour in Colour:
        if declared.servers.get((route.service, colour)):
            found[f"{route.service}-preview-{colour.value}"] = {
                "entryPoints": list(entry_points.http),
                "rule": f"({rule}) && {_preview(colour, version)}",
                "service": _name(route, colour),
                "priority": 100_000,
            }
    return found


def _preview(colour: Colour, version: Version) -> str:
    if version == "v2":
        addresses = ", ".join(f"`{each}`" for each in _PRIVATE)
        return f"Headers(`{PREVIEW_HEADER}`, `{colour.value}`) && ClientIP({addresses})"
    clients = " || ".join(f"ClientIP(`{each}`)" for each in _PRIVATE)
    return f"Header(`{PREVIEW_HEADER}`, `{colour.value}`) && ({clients})"


def _match(match: Match, version: Version) -> str:
    plural = "s" if version == "v2" else ""
    if match.kind is MatchKind.HEADER:
        return f"Header{plural}(`{match.name}`, `{match.value}`)"
    pair = f"{re.escape(match.name)}={re.escape(match.value)}"
    return f"Header{plural}Regexp(`Cookie`, `(^|; *){pair}(;|$)`)"


def _load_balancer(
    route: ServiceRoute, colour: Colour, endpoints: tuple[Any, ...], version: Version
) -> dict[str, Any]:
    servers = []
    for endpoint in endpoints:
        host = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
        server: dict[str, Any] = {"url": f"http://{host}:{endpoint.port}"}
        if version == "v3":
            server["weight"] = endpoint.weight
        servers.append(server)
    balancer: dict[str, Any] = {"passHostHeader": True, "servers": servers}
    if route.health_path:
        balancer["healthCheck"] = {"path": route.health_path, "interval": "2s", "timeout": "1s"}
    if route.sticky is Sticky.COOKIE:
        balancer["sticky"] = _cookie(f"{_cookie_name(route)}_{colour.value}")
    return {"loadBalancer": balancer}


def _weighted(route: ServiceRoute, weights: dict[Colour, int], targeting: Targeting | None) -> dict[str, Any]:
    weighted: dict[str, Any] = {
        "services": [
            {"name": _name(route, colour), "weight": weight} for colour, weight in sorted(weights.items())
        ]
    }
    if targeting is not None and targeting.cookie:
        # Without an age, which not every version takes: it is forgotten with the visitor's session.
        weighted["sticky"] = _cookie(targeting.cookie)
    elif route.sticky is not Sticky.NONE:
        # Traefik has no stickiness by address between services; a cookie keeps the same promise.
        weighted["sticky"] = _cookie(_cookie_name(route))
    return {"weighted": weighted}


def _cookie(name: str) -> dict[str, Any]:
    return {"cookie": {"name": name, "httpOnly": True, "sameSite": "lax"}}


def _cookie_name(route: ServiceRoute) -> str:
    return "tower_" + re.sub(r"[^a-zA-Z0-9]", "_", route.service)
