"""Commands on the certificates that routers serve HTTPS with. Private keys come sealed."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.route_certificates import (
    CHAIN_BYTES_MAX,
    HOSTS_MAX,
    KEY_BYTES_MAX,
    check_route_certificate_name,
)
from cluster.model.secrets import SEALED_EXTRA_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRouteCertificate:
    """Keep a certificate, in place of an earlier one of that name."""

    name: str
    chain_pem: str = field(repr=False)
    sealed_key: bytes = field(repr=False)
    hosts: tuple[str, ...]
    not_after_ms: int
    fingerprint: str
    changed_by: str

    def __post_init__(self) -> None:
        check_route_certificate_name(self.name)
        rules.check_text("certificate", self.chain_pem, CHAIN_BYTES_MAX, chars_min=1)
        rules.check_range("private key, bytes", len(self.sealed_key) - SEALED_EXTRA_BYTES, 1, KEY_BYTES_MAX)
        rules.check_count("hosts", self.hosts, HOSTS_MAX)
        for host in self.hosts:
            rules.check_text("hosts", host, 253, chars_min=1)
        rules.check_range("not after", self.not_after_ms, 0, 2**53)
        rules.check_text("fingerprint", self.fingerprint, 64, chars_min=64)
        rules.check_text("changed by", self.changed_by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveRouteCertificate:
    """Forget a certificate; routers serve HTTPS without it from then on."""

    name: str

    def __post_init__(self) -> None:
        check_route_certificate_name(self.name)
