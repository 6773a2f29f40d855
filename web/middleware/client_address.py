"""Whose request it is: the address its connection comes from, or the one that a trusted proxy names.

A proxy appends whom it was asked by to `X-Forwarded-For`, and anybody can begin that list with whatever they
like. So it is read from its end, for as long as whoever wrote the entry is trusted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HEADER = "X-Forwarded-For"
HOPS_MAX = 16


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies that are believed about their clients; none: every connection is its client's own."""

    networks: tuple[Network, ...] = ()

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the client's address, "" when there is none.

        `peer` is the connection's, `forwarded_for` the values of the header in their order. What is no
        address ends the list there: who wrote what stands before it is not known.
        """
        client = plain_address(peer)
        if not self.networks or not self._trusts(client):
            return client
        hops = ",".join(forwarded_for).rsplit(",", HOPS_MAX)[-HOPS_MAX:]
        for hop in reversed(hops):
            named = plain_address(_without_port(hop.strip()))
            if not named:
                break
            client = named
            if not self._trusts(named):
                break
        return client

    def _trusts(self, address: str) -> bool:
        if not address:
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self.networks)


PROXIES = web.AppKey("proxies", TrustedProxies)


def address_of(request: web.Request) -> str:
    """Return the address of the client that asks, "" when it has none."""
    return request.app[PROXIES].client_of(request.remote or "", request.headers.getall(HEADER, ()))


@lru_cache(maxsize=1024)
def plain_address(text: str) -> str:
    """Return an address in the form all records have, without its zone; "" for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _without_port(hop: str) -> str:
    """Some proxies append the port, as `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, _ = hop.partition(":")
    return host if colon and hop.count(":") == 1 else hop
