"""Commands on the certificates the dashboard is served with. Keys come sealed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.web_certificates import (
    CHAIN_BYTES_MAX,
    HOSTS_MAX,
    KEY_BYTES_MAX,
    check_web_certificate_name,
)

_SEAL_BYTES = 64
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PutWebCertificate:
    """Keep a certificate, in place of an earlier one of that name."""

    name: str
    chain_pem: str = field(repr=False)
    sealed_key: bytes = field(repr=False)
    hosts: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    fingerprint: str
    changed_by: str

    def __post_init__(self) -> None:
        check_web_certificate_name(self.name)
        rules.check_range("certificate, bytes", len(self.chain_pem.encode()), 1, CHAIN_BYTES_MAX)
        rules.check_range("sealed key, bytes", len(self.sealed_key), 1, KEY_BYTES_MAX + _SEAL_BYTES)
        rules.check_count("hosts", self.hosts, HOSTS_MAX)
        for host in self.hosts:
            rules.check_text("host", host, 253, chars_min=1)
        if not _FINGERPRINT.fullmatch(self.fingerprint):
            raise ValueError("fingerprint: 64 hexadecimal digits are needed")
        rules.check_text("changed by", self.changed_by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWebCertificate:
    """Forget a certificate: its names are served with the cluster's own again."""

    name: str

    def __post_init__(self) -> None:
        check_web_certificate_name(self.name)
