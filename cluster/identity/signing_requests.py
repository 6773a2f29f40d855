"""What a node asks to be certified: a key, and the proof that it holds it.

Of a request the CA takes the public key and nothing else. That a request may name only its own node, and
ask for nothing more, is checked all the same: a request that tries is wrong software or an attack, and
both should be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from cluster.identity.private_keys import public_key_fingerprint
from cluster.identity.refusal import Refused
from cluster.model import rules

REQUEST_CHARACTERS_MAX = 8192
_EXTENSION_REQUEST = x509.ObjectIdentifier("1.2.840.113549.1.9.14")


class SigningRefusal(StrEnum):
    """Why a certificate signing request is not signed."""

    MALFORMED = "malformed"
    BAD_NODE_ID = "bad_node_id"
    WRONG_KEY_TYPE = "wrong_key_type"
    NOT_PROVEN = "not_proven"
    OTHER_NODE = "other_node"
    ASKS_FOR_MORE = "asks_for_more"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """A checked request: `node_id` may be certified for this key."""

    node_id: str
    public_key: ec.EllipticCurvePublicKey = field(repr=False)

    @property
    def key_fingerprint(self) -> bytes:
        """SHA-256 of the public key: 32 bytes."""
        return public_key_fingerprint(self.public_key)


def node_uri(node_id: str) -> str:
    """Return the URI that names a node in its certificate."""
    return f"tower://node/{node_id}"


def cluster_uri(cluster_id: str) -> str:
    """Return the URI that names the cluster in a node's certificate."""
    return f"tower://cluster/{cluster_id}"


def is_identifier(text: str) -> bool:
    """Whether `text` has the form of an id, as `cluster.model.rules` has it."""
    try:
        rules.check_id("id", text)
    except ValueError:
        return False
    return True


def make_signing_request(*, node_id: str, key: ec.EllipticCurvePrivateKey) -> str:
    """Return a PKCS #10 request (PEM) that names `node_id` and nothing else, signed with `key`."""
    assert is_identifier(node_id), node_id
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node_id)])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(node_uri(node_id))])
    builder = x509.CertificateSigningRequestBuilder(subject).add_extension(names, critical=False)
    request = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def check_signing_request(pem: str, *, node_id: str) -> SigningRequest | Refused[SigningRefusal]:
    """Return the request when its sender holds the key, is `node_id`, and asks for nothing else. Total."""
    if not is_identifier(node_id):
        return _refused(
            SigningRefusal.BAD_NODE_ID,
            f"node id {node_id[:80]!r}: 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit",
        )
    if len(pem) > REQUEST_CHARACTERS_MAX:
        return _refused(
            SigningRefusal.MALFORMED,
            f"the signing request has {len(pem)} characters; at most {REQUEST_CHARACTERS_MAX} are read",
        )
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        proven = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return _refused(SigningRefusal.MALFORMED, "the signing request is not a PEM certificate request")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return _refused(SigningRefusal.WRONG_KEY_TYPE, "the signing request's key is not ECDSA P-256")
    if not proven:
        return _refused(
            SigningRefusal.NOT_PROVEN, "the signing request is not signed with the key it asks to certify"
        )
    return _check_content(request, key, node_id)


def _check_content(
    request: x509.CertificateSigningRequest, key: ec.EllipticCurvePublicKey, node_id: str
) -> SigningRequest | Refused[SigningRefusal]:
    try:
        extensions = list(request.extensions)
        attributes = [attribute.oid for attribute in request.attributes]
        subject = [(attribute.oid, attribute.value) for attribute in request.subject]
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return _refused(SigningRefusal.MALFORMED, "the signing request's content cannot be read")
    names: list[x509.GeneralName] = []
    for extension in extensions:
        if extension.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
            assert isinstance(extension.value, x509.SubjectAlternativeName)
            names.extend(extension.value)
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    common_names = [value for oid, value in subject if oid == NameOID.COMMON_NAME]
    named = [*common_names, *(uri.removeprefix(node_uri("")) for uri in uris)]
    others = [str(name)[:80] for name in named if name != node_id]
    if others:
        return _refused(
            SigningRefusal.OTHER_NODE,
            f"the signing request names {others[0]!r}, and its sender is node {node_id!r}",
        )
    is_bare = len(common_names) == len(subject) == len(uris) == len(names) == len(
        extensions
    ) == 1 and attributes == [_EXTENSION_REQUEST]
    if not is_bare:
        return _refused(
            SigningRefusal.ASKS_FOR_MORE,
            "the signing request asks for more than its node's name; the cluster adds addresses and uses",
        )
    return SigningRequest(node_id=node_id, public_key=key)


def _refused(code: SigningRefusal, reason: str) -> Refused[SigningRefusal]:
    return Refused(code=code, reason=reason)
