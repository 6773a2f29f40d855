"""The names and IP addresses a node's certificate is valid for."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum

from cryptography import x509

from cluster.identity.refusal import Refused

ADDRESSES_MAX = 32

# RFC 1123 labels. No underscore and no wildcard: verifiers differ on the first, and the second would
# make one node's certificate good for its neighbours.
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class AddressRefusal(StrEnum):
    """Why a text cannot be an address in a certificate."""

    NOT_AN_ADDRESS = "not_an_address"
    UNUSABLE = "unusable"
    TOO_MANY = "too_many"


def parse_address(text: str) -> x509.DNSName | x509.IPAddress | Refused[AddressRefusal]:
    """Return the certificate name for a host name or an IP address (IPv6 without brackets, port or zone)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return _parse_name(text)
    if address.is_unspecified or address.is_multicast or "%" in text:
        return Refused(
            code=AddressRefusal.UNUSABLE,
            reason=f"address {text!r}: nobody can connect to it; name one this host is reached at",
        )
    return x509.IPAddress(address)


def _parse_name(text: str) -> x509.DNSName | Refused[AddressRefusal]:
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit():
        return x509.DNSName(name)
    return Refused(
        code=AddressRefusal.NOT_AN_ADDRESS,
        reason=f"address {text[:80]!r}: not an IP address, and not a host name "
        "(letters, digits and hyphens between dots); no port, wildcard or underscore",
    )


def parse_addresses(
    texts: tuple[str, ...],
) -> tuple[x509.DNSName | x509.IPAddress, ...] | Refused[AddressRefusal]:
    """Return every address once, names first, each kind in order; the first that is none is refused."""
    if len(texts) > ADDRESSES_MAX:
        return Refused(
            code=AddressRefusal.TOO_MANY,
            reason=f"{len(texts)} addresses: a certificate names at most {ADDRESSES_MAX}",
        )
    names: dict[str, x509.DNSName] = {}
    addresses: dict[str, x509.IPAddress] = {}
    for text in texts:
        parsed = parse_address(text)
        if isinstance(parsed, Refused):
            return parsed
        if isinstance(parsed, x509.DNSName):
            names[parsed.value] = parsed
        else:
            addresses[str(parsed.value)] = parsed
    return (*(names[key] for key in sorted(names)), *(addresses[key] for key in sorted(addresses)))
