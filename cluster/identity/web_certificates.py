"""Whether a certificate can serve the dashboard: its key, names, dates, and the order of its chain."""

from __future__ import annotations

from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cluster.identity.route_certificates import CertificateFacts, CertificateUnusable, read_certificate

RSA_BITS_MIN = 2048
CHAIN_MAX = 10
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def read_web_certificate(chain_pem: str, key_pem: bytes, *, now_ms: int) -> CertificateFacts:
    """Return what the first certificate of a chain says. Raises CertificateUnusable.

    Beyond what routers need: browsers must take its kind of key, and each certificate of the chain must be
    signed by the next, as TLS servers send them (RFC 8446, 4.4.2).
    """
    facts = read_certificate(chain_pem, key_pem, now_ms=now_ms)
    if now_ms < facts.not_before_ms:
        raise CertificateUnusable("certificate", "is not valid yet: is the clock of this host right?")
    chain = x509.load_pem_x509_certificates(chain_pem.encode())
    if len(chain) > CHAIN_MAX:
        raise CertificateUnusable("certificate", f"has {len(chain)} in its chain; at most {CHAIN_MAX}")
    _check_key(chain[0])
    for place, (lower, upper) in enumerate(pairwise(chain), start=1):
        if not _is_signed_by(lower, upper):
            raise CertificateUnusable(
                "certificate",
                f"has its chain in the wrong order: number {place + 1} did not sign number {place}; the"
                " host's own comes first, then each the one that signed the one before",
            )
    return facts


def _check_key(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    is_taken = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS_MIN) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if not is_taken:
        raise CertificateUnusable(
            "certificate",
            f"has a key that browsers do not take: RSA from {RSA_BITS_MIN} bits or ECDSA (P-256) is needed",
        )


def _is_signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
