"""Commands on the certificates the dashboard is served with. Keys come sealed."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model.server_certificates import check_certificate_name, check_server_certificate


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
        check_server_certificate(
            name=self.name,
            chain_pem=self.chain_pem,
            sealed_key=self.sealed_key,
            hosts=self.hosts,
            not_after_ms=self.not_after_ms,
            fingerprint=self.fingerprint,
            changed_by=self.changed_by,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveWebCertificate:
    """Forget a certificate: its names are served with the cluster's own again."""

    name: str

    def __post_init__(self) -> None:
        check_certificate_name(self.name)
