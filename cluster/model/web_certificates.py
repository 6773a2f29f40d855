"""Certificates the dashboard and the interface are served with, under the names they are for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

WEB_CERTIFICATES_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCertificate:
    """One certificate with its chain and private key. `hosts` are the names it is for, sorted.

    `fingerprint` is the SHA-256 of the certificate, lower-case hexadecimal.
    """

    name: str
    chain_pem: str = field(repr=False)
    sealed_key: bytes = field(repr=False)
    hosts: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    fingerprint: str
    changed_at_ms: int
    changed_by: str


def served_by_name(certificates: Iterable[WebCertificate], now_ms: int) -> dict[str, WebCertificate]:
    """Return which certificate is served to who asks for a name, of those that are valid: the one that ends
    last, as after a renewal under another name.
    """
    valid = [each for each in certificates if each.not_before_ms <= now_ms < each.not_after_ms]
    valid.sort(key=lambda each: (each.not_after_ms, each.name))
    return {host: each for each in valid for host in each.hosts}


def web_key_context(name: str, fingerprint: str) -> str:
    """The place a private key is sealed for: beside no other certificate does it open."""
    return f"web-certificate/{name}/{fingerprint}"
