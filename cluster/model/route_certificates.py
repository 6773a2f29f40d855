"""Certificates that routers serve HTTPS with, as they are kept: the key sealed, the rest for all to see."""

from __future__ import annotations

from dataclasses import dataclass, field

ROUTE_CERTIFICATES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCertificate:
    """One certificate with its chain and private key. `hosts` are the names it is for, sorted.

    `fingerprint` is the SHA-256 of the certificate, lower-case hexadecimal.
    """

    name: str
    chain_pem: str = field(repr=False)
    sealed_key: bytes = field(repr=False)
    hosts: tuple[str, ...]
    not_after_ms: int
    fingerprint: str
    changed_at_ms: int
    changed_by: str


def certificate_key_context(name: str, fingerprint: str) -> str:
    """The place a private key is sealed for: beside no other certificate does it open."""
    return f"route-certificate/{name}/{fingerprint}"
