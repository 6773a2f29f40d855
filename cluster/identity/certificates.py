"""The cluster CA and the node certificates it signs (X.509 v3, RFC 5280).

A node has one certificate for everything: it is a client and a server to its peers, and the server
browsers see. Its names are `tower://node/<id>` and `tower://cluster/<id>`, which peers check, and host
names and addresses, which browsers check. Certificates live 30 days and are renewed after 20, so that a
stolen one ages out and nobody has to keep a revocation list; who is a member is decided by the replicated
state, not by the certificate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cluster.identity.errors import CertificateDamaged
from cluster.identity.keyring import Keyring, Purpose
from cluster.identity.private_keys import decode_private_key, encode_private_key
from cluster.identity.sealing import open_sealed, seal
from cluster.identity.signing_requests import SigningRequest, cluster_uri, is_identifier, node_uri

DAY_MS = 24 * 3600 * 1000
CA_TTL_MS = 3650 * DAY_MS
NODE_TTL_MS = 30 * DAY_MS
BACKDATING_MS = 5 * 60 * 1000
CLUSTER_NAME_BYTES_MAX = 48
SERIAL_BYTES = 16
_END_OF_CERTIFICATE = "-----END CERTIFICATE-----"

_SIGNS_CERTIFICATES = x509.KeyUsage(
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
_SIGNS_HANDSHAKES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateAuthority:
    """The CA's certificate and the key that signs for it."""

    certificate_pem: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def make_ca(*, cluster_id: str, name: str, now_ms: int, serial: int, key: ec.EllipticCurvePrivateKey) -> str:
    """Return the self-signed CA certificate (PEM) of a new cluster, valid for ten years.

    `serial` is 16 random bytes as a number: of two clusters of one name and serial, Firefox refuses one.

    Raises:
        ValueError: `name` is no name a certificate can hold; the message is for the person who chose it.
    """
    assert is_identifier(cluster_id), cluster_id
    if not name.isprintable() or not 1 <= len(name.encode()) <= CLUSTER_NAME_BYTES_MAX:
        raise ValueError(
            f"cluster name {name[:80]!r}: 1 to {CLUSTER_NAME_BYTES_MAX} bytes of printable characters"
        )
    # A common name has at most 64 bytes; the id's end tells clusters of one name apart in a list.
    subject = _name(f"{name} {cluster_id[-12:]} CA")
    public_key = key.public_key()
    return _to_pem(
        _builder(subject, subject, public_key, serial, now_ms - BACKDATING_MS, now_ms + CA_TTL_MS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )


def issue_node_certificate(
    ca: CertificateAuthority,
    request: SigningRequest,
    *,
    cluster_id: str,
    addresses: tuple[x509.DNSName | x509.IPAddress, ...],
    now_ms: int,
    serial: int,
    ttl_ms: int = NODE_TTL_MS,
) -> str:
    """Return a certificate (PEM) for the node and key of a checked request.

    It is valid from five minutes ago, so that a host whose clock is a little behind can use it at once,
    and never outlives the CA. `addresses` come from `parse_addresses`. Equal arguments give equal bytes
    (RFC 6979).

    Raises:
        CertificateDamaged: the CA's certificate cannot be read, or has expired.
    """
    assert is_identifier(cluster_id), cluster_id
    issuer = load_certificate(ca.certificate_pem)
    ca_ends_ms = not_after_ms(issuer)
    if now_ms >= ca_ends_ms:
        raise CertificateDamaged(
            f"the cluster CA expired on {issuer.not_valid_after_utc:%Y-%m-%d}; it can sign no certificate"
        )
    issuer_key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(node_uri(request.node_id)),
        x509.UniformResourceIdentifier(cluster_uri(cluster_id)),
        *addresses,
    ]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    subject = _name(request.node_id)
    ends_ms = min(now_ms + ttl_ms, ca_ends_ms)
    return _to_pem(
        _builder(subject, issuer.subject, request.public_key, serial, now_ms - BACKDATING_MS, ends_ms)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_SIGNS_HANDSHAKES, critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_id), critical=False
        )
        .sign(ca.key, hashes.SHA256(), ecdsa_deterministic=True)
    )


def seal_ca_key(ca: CertificateAuthority, keyring: Keyring, *, nonce: bytes) -> bytes:
    """Return the CA's private key sealed for the replicated state, so that any node can sign."""
    return seal(
        encode_private_key(ca.key).encode(),
        keyring,
        purpose=Purpose.CA_KEY,
        context=_ca_key_context(ca.certificate_pem),
        nonce=nonce,
    )


def open_ca(certificate_pem: str, sealed_key: bytes, keyring: Keyring) -> CertificateAuthority:
    """Return the CA of a certificate and the key sealed beside it.

    Raises:
        SealBroken: the key does not open.
        CertificateDamaged: the key is not this certificate's.
    """
    context = _ca_key_context(certificate_pem)
    opened = open_sealed(sealed_key, keyring, purpose=Purpose.CA_KEY, context=context)
    key = decode_private_key(opened.decode())
    if not is_key_of(key, load_certificate(certificate_pem)):
        raise CertificateDamaged("the sealed CA key is not the key of the CA certificate beside it")
    return CertificateAuthority(certificate_pem=certificate_pem, key=key)


def load_certificate(pem: str) -> x509.Certificate:
    """Return the first certificate in `pem`.

    Raises:
        CertificateDamaged: there is none.
    """
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateDamaged("this is not a PEM certificate") from error


def split_pems(bundle: str) -> tuple[str, ...]:
    """Return each certificate of several in one PEM text by itself, in their order."""
    parts = bundle.split(_END_OF_CERTIFICATE)
    return tuple(f"{part.strip()}\n{_END_OF_CERTIFICATE}\n" for part in parts if part.strip())


def fingerprint(pem: str) -> bytes:
    """Return the 32 bytes of SHA-256 over the certificate's DER (`openssl x509 -fingerprint -sha256`)."""
    return hashlib.sha256(load_certificate(pem).public_bytes(serialization.Encoding.DER)).digest()


def format_fingerprint(digest: bytes) -> str:
    """Return a fingerprint for people: `SHA256:` and lower-case hex."""
    return f"SHA256:{digest.hex()}"


def not_before_ms(certificate: x509.Certificate) -> int:
    """Return the first moment a certificate is valid, in epoch milliseconds."""
    return int(certificate.not_valid_before_utc.timestamp()) * 1000


def not_after_ms(certificate: x509.Certificate) -> int:
    """Return the last moment a certificate is valid, in epoch milliseconds."""
    return int(certificate.not_valid_after_utc.timestamp()) * 1000


def renewal_due_ms(certificate: x509.Certificate) -> int:
    """Return when to renew: two thirds into the certificate's life."""
    start_ms, end_ms = not_before_ms(certificate), not_after_ms(certificate)
    return start_ms + (end_ms - start_ms) * 2 // 3


def renewal_due(certificate: x509.Certificate, now_ms: int) -> bool:
    """Whether the certificate should be renewed now (expired ones included)."""
    return now_ms >= renewal_due_ms(certificate)


def is_key_of(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bool:
    """Whether the certificate is for this private key."""
    try:
        return certificate.public_key() == key.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return False


def issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    """Whether `ca`'s key signed `certificate`; dates are not looked at."""
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _ca_key_context(certificate_pem: str) -> str:
    return f"ca-key/{fingerprint(certificate_pem).hex()}"


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Control Tower"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    serial: int,
    starts_ms: int,
    ends_ms: int,
) -> x509.CertificateBuilder:
    assert 0 < serial < 1 << 159, "RFC 5280: a serial number is positive and at most 20 octets"
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public_key,
        serial_number=serial,
        not_valid_before=datetime.fromtimestamp(starts_ms // 1000, tz=UTC),
        not_valid_after=datetime.fromtimestamp(ends_ms // 1000, tz=UTC),
    )


def _to_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
