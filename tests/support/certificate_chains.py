"""Certificates of an authority by way of an intermediate one, as browsers are served them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """PEM texts: the host's own certificate, the intermediate, the root, and the host's key."""

    own: str
    intermediate: str
    root: str
    key: str

    @property
    def served(self) -> str:
        return self.own + self.intermediate


def a_chain(
    *hosts: str, now_ms: int, days: int = 90, begins_in_days: int = -1, key: Key | None = None
) -> Chain:
    """Return a chain for these host names."""
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    root_key, middle_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    own_key = key or ec.generate_private_key(ec.SECP256R1())
    root = _sign("root", root_key, "root", root_key, now, 3650, is_ca=True)
    middle = _sign("middle", middle_key, "root", root_key, now, 1000, is_ca=True)
    begin = now + timedelta(days=begins_in_days)
    own = _sign("own", own_key, "middle", middle_key, begin, days, hosts=hosts)
    return Chain(
        own=own,
        intermediate=middle,
        root=root,
        key=own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def _sign(
    name: str,
    key: Key,
    by: str,
    by_key: ec.EllipticCurvePrivateKey,
    begin: datetime,
    days: int,
    *,
    hosts: tuple[str, ...] = (),
    is_ca: bool = False,
) -> str:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin if not is_ca else begin - timedelta(days=2))
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False
        )
    )
    if is_ca:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(by_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
