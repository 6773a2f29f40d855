"""Which addresses the agent may call because somebody gave it a URL.

A URL is a wish of whoever may put one, and the agent stands inside the network and on the host: without a
bound, its requests would reach what only it can reach (server-side request forgery). The address that is
called is what counts, not the name: names lead elsewhere from one moment to the next.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

ALLOWED_NETWORKS_SETTING = "outbound.allowed_networks"
"""Networks in CIDR form, with commas between, that may be called although they are not public."""

NETWORKS_MAX = 64
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, which a translator calls."""


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a setting's value. Raises ValueError naming the first that is none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > NETWORKS_MAX:
        raise ValueError(f"{ALLOWED_NETWORKS_SETTING}: {len(parts)} networks; at most {NETWORKS_MAX}")
    networks = []
    for part in parts:
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError:
            raise ValueError(
                f"{ALLOWED_NETWORKS_SETTING}: {part[:64]!r} is no network; write it as 10.0.5.0/24 or"
                " 192.168.1.7, with commas between"
            ) from None
    return tuple(networks)


def why_refused(address: str, allowed: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """Why an IP address may not be called, "" when it may. One that cannot be read may not."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address[:64]!r} is no IP address"
    for each in (found, *_inside(found)):
        if any(each in network for network in allowed):
            continue
        what = _not_public(each)
        if what:
            return f"{found} is {what}"
    return ""


def _inside(address: IPv4Address | IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address is a way to."""
    if isinstance(address, IPv4Address):
        return ()
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(each for each in found if each is not None)


def _not_public(address: IPv4Address | IPv6Address) -> str:
    if address.is_unspecified:
        return "no address of a host"
    if address.is_loopback:
        return "this host itself"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        # The address inside decides.
        return ""
    return "" if address.is_global else "a private or reserved address"
