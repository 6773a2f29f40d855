"""What HAProxy looks up for each request, as the entries of its maps. Pure.

A claim's key is the host name, its path and "/": so that the longest key that begins a request's is the
longest path of whole segments. Requests for a wildcard are looked up by its own name in the same map.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from agent.router.haproxy.files import HaproxyFiles
from agent.router.protocol import ServiceRoute
from cluster.model.experiment import MatchKind, Targeting
from cluster.model.service import RouteTls, Sticky

Entries: TypeAlias = list[tuple[str, str]]

VISITOR = "/visitor"
"""Follows a service in the key of the cookie that keeps what was thrown for a visitor."""

# What may stand in a request target (RFC 3986), less the quote that would end the word in the configuration
# and the semicolon that would end the command on the socket.
_TARGET_SAFE = "/?&=%:@!$()*+,~-._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How one service's requests are shared, since the log index `revision`.

    `targeting` are the entries of what chance does not decide.
    """

    revision: int
    green_permille: int
    targeting: tuple[tuple[str, str], ...] = ()


def request_target(path: str) -> str:
    """Return `path` as it may stand in a request line: everything unusual is percent-encoded."""
    return quote(path, safe=_TARGET_SAFE)


def claim_key(claim: str) -> str:
    """Return the key of a host name and the path behind it."""
    host, _, path = claim.partition("/")
    path = request_target(path).strip("/")
    return f"{host.lower()}/{path}/" if path else f"{host.lower()}/"


def host_of(claim: str) -> str:
    """Return the host name of a claim, of a wildcard the domain all its names are in."""
    return claim.partition("/")[0].removeprefix("*.")


def path_entries(routes: Iterable[ServiceRoute]) -> Entries:
    """Return (key, service); a claim that two services make is the first's."""
    claims: dict[str, str] = {}
    for route in routes:
        for claim in route.hosts:
            claims.setdefault(claim_key(claim), route.service)
    return sorted(claims.items())


def wildcard_entries(routes: Iterable[ServiceRoute]) -> Entries:
    """Return (".suffix", "*.suffix"), the longest first: the first that matches wins."""
    hosts = {claim.partition("/")[0].lower() for route in routes for claim in route.hosts}
    suffixes = sorted(host.removeprefix("*") for host in hosts if host.startswith("*."))
    return [(suffix, f"*{suffix}") for suffix in sorted(suffixes, key=len, reverse=True)]


def sticky_entries(routes: Iterable[ServiceRoute]) -> Entries:
    return sorted((route.service, route.sticky.value) for route in routes if route.sticky is not Sticky.NONE)


def tls_entries(routes: Iterable[ServiceRoute]) -> Entries:
    return sorted((route.service, route.tls.value) for route in routes if route.tls is RouteTls.REDIRECT)


def split_entries(shares: Mapping[str, Shares]) -> Entries:
    """Return (service, permille of green), for those that have any."""
    return sorted(
        (service, str(each.green_permille)) for service, each in shares.items() if each.green_permille
    )


def targeting_entries(shares: Mapping[str, Shares]) -> Entries:
    return sorted(entry for each in shares.values() for entry in each.targeting)


def targeting_of(service: str, targeting: Targeting | None) -> Entries:
    """Return (service/header/name/value, colour), the same of cookies, and (service/visitor, cookie/seconds).

    The last is one entry, so that nobody finds one half of it.
    """
    if targeting is None:
        return []
    entries = []
    for match in targeting.matches:
        name = match.name.lower() if match.kind is MatchKind.HEADER else match.name
        entries.append((f"{match_key(match.kind, name, service)}{match.value}", targeting.colour.value))
    if targeting.cookie:
        entries.append((f"{service}{VISITOR}", f"{targeting.cookie}/{targeting.cookie_s}"))
    return sorted(set(entries))


def match_key(kind: MatchKind, name: str, service: str = "") -> str:
    """Return what stands before a value in the key of a match."""
    return f"{service}/{kind.value}/{name}/"


def service_of_targeting(key: str) -> str:
    return key.partition("/")[0]


def render_map(entries: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{key} {value}\n" for key, value in entries)


def all_entries(
    files: HaproxyFiles, routes: Sequence[ServiceRoute], shares: Mapping[str, Shares]
) -> dict[Path, Entries]:
    """Return the entries of every map by its file."""
    return {
        files.path_map: path_entries(routes),
        files.wildcard_map: wildcard_entries(routes),
        files.sticky_map: sticky_entries(routes),
        files.tls_map: tls_entries(routes),
        files.split_map: split_entries(shares),
        files.targeting_map: targeting_entries(shares),
    }
