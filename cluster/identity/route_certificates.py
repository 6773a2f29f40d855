"""What a certificate for a router says of itself, and whether its private key belongs to it."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class CertificateUnusable(Exception):
    """The text is one sentence a person can act on; `field` says which of the two files it is about."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """The host names it is for (sorted, lower case), until when, and its SHA-256."""

    hosts: tuple[str, ...]
    not_before_ms: int
    not_after_ms: int
    fingerprint: str


def read_certificate(chain_pem: str, key_pem: bytes, *, now_ms: int) -> CertificateFacts:
    """Return what the first certificate of a chain says. Raises CertificateUnusable.

    The first one must be for host names and valid now, and the key its own. Whether clients trust who signed
    it is theirs to say.
    """
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
    except ValueError as error:
        raise CertificateUnusable(
            "certificate", "is no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
        ) from error
    certificate = chain[0]
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except TypeError as error:
        raise CertificateUnusable(
            "key", "is protected by a passphrase: routers need it without one"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable("key", "is no private key in PEM form") from error
    if key.public_key().public_bytes(*PUBLIC) != certificate.public_key().public_bytes(*PUBLIC):
        raise CertificateUnusable(
            "key", "does not belong to the certificate: the first of the chain must be the host's own"
        )
    not_after_ms = int(certificate.not_valid_after_utc.timestamp() * 1000)
    if now_ms >= not_after_ms:
        day = certificate.not_valid_after_utc.date().isoformat()
        raise CertificateUnusable("certificate", f"ended on {day}: renew it first")
    hosts = _hosts(certificate)
    if not hosts:
        raise CertificateUnusable("certificate", "names no host (subjectAltName): no client would accept it")
    return CertificateFacts(
        hosts=hosts,
        not_before_ms=int(certificate.not_valid_before_utc.timestamp() * 1000),
        not_after_ms=not_after_ms,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return tuple(sorted({*names, *addresses}))
