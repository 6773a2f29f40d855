"""ECDSA P-256 private keys: of nodes and of the cluster CA.

P-256 and not Ed25519, because the certificate a node shows its peers is also the one it shows browsers,
and browsers accept no Ed25519 certificates. Node, curl, Python and every TLS 1.3 stack take P-256.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cluster.identity import base32
from cluster.identity.errors import CertificateDamaged
from cluster.model.ids import NodeId

SEED_BYTES = 40
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def private_key_from_seed(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key of 40 random bytes (FIPS 186-5 A.2.1: 64 extra bits make the bias negligible)."""
    assert len(seed) == SEED_BYTES, "a P-256 key is made from 40 random bytes"
    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def encode_private_key(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the key as unencrypted PKCS #8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def decode_private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key in `pem`.

    Raises:
        CertificateDamaged: not PEM, encrypted, or another kind of key.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise CertificateDamaged("the private key is not an unencrypted PEM key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CertificateDamaged("the private key is not an ECDSA P-256 key")
    return key


def public_key_fingerprint(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the 32 bytes of SHA-256 over the key's SubjectPublicKeyInfo."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def node_id_of(key: ec.EllipticCurvePublicKey) -> NodeId:
    """Return the id of the node that starts with this key: `nd_` and 128 bits of its fingerprint.

    Nobody else can claim an id made from a key. So a host that lost the answer to its join can ask again, and
    that is no way in for those who have seen its id. The id stays when the key is renewed.
    """
    return NodeId(f"nd_{base32.encode(public_key_fingerprint(key)[:16])}")
