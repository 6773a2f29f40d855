"""Whether a certificate is a member's, and whose.

TLS has already checked the chain when a peer's certificate gets here; this check does not rely on it, takes
the time as a parameter and says in words what is wrong. The chain itself is judged by `cryptography`'s
RFC 5280 verifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from cluster.identity.certificates import (
    fingerprint,
    format_fingerprint,
    load_certificate,
    not_after_ms,
    not_before_ms,
)
from cluster.identity.errors import CertificateDamaged
from cluster.identity.refusal import Refused, in_words
from cluster.identity.signing_requests import cluster_uri, is_identifier, node_uri


class CertificateRefusal(StrEnum):
    """Why a certificate is not accepted."""

    NOT_A_NODE = "not_a_node"
    OTHER_CLUSTER = "other_cluster"
    OTHER_NODE = "other_node"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCertificate:
    """What a node's certificate says, checked or not."""

    node_id: str
    cluster_id: str
    addresses: tuple[str, ...]
    serial: int
    not_before_ms: int
    not_after_ms: int


def read_node_certificate(certificate: x509.Certificate) -> NodeCertificate | Refused[CertificateRefusal]:
    """Return what the certificate claims, without deciding whether it is true."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        starts_ms, ends_ms = not_before_ms(certificate), not_after_ms(certificate)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return _not_a_node()
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    nodes = [uri.removeprefix(node_uri("")) for uri in uris if uri.startswith(node_uri(""))]
    clusters = [uri.removeprefix(cluster_uri("")) for uri in uris if uri.startswith(cluster_uri(""))]
    if not len(nodes) == len(clusters) == 1 or not is_identifier(nodes[0]) or not is_identifier(clusters[0]):
        return _not_a_node()
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return NodeCertificate(
        node_id=nodes[0],
        cluster_id=clusters[0],
        addresses=(*hosts, *addresses),
        serial=certificate.serial_number,
        not_before_ms=starts_ms,
        not_after_ms=ends_ms,
    )


def load_der_certificate(der: bytes) -> x509.Certificate:
    """Return the certificate a TLS connection gives (`getpeercert(binary_form=True)`).

    Raises:
        CertificateDamaged: it cannot be parsed.
    """
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateDamaged("this is not a DER certificate") from error


def verify_node_certificate(
    certificate: x509.Certificate,
    *,
    trusted_ca_pems: tuple[str, ...],
    cluster_id: str,
    now_ms: int,
    node_id: str | None = None,
) -> NodeCertificate | Refused[CertificateRefusal]:
    """Return the node a certificate proves, when this cluster's CA signed it and it is valid at `now_ms`.

    With `node_id`, it must be that node. Whether the node is still a member is for the caller to look up.
    """
    claimed = read_node_certificate(certificate)
    if isinstance(claimed, Refused):
        return claimed
    if claimed.cluster_id != cluster_id:
        return _refused(
            CertificateRefusal.OTHER_CLUSTER,
            f"the certificate is of cluster {claimed.cluster_id!r}, and this is cluster {cluster_id!r}",
        )
    if node_id is not None and claimed.node_id != node_id:
        return _refused(
            CertificateRefusal.OTHER_NODE,
            f"the certificate is of node {claimed.node_id!r}, and node {node_id!r} was expected; "
            "two hosts may have exchanged addresses",
        )
    dated = _check_dates(claimed, now_ms)
    if dated is not None:
        return dated
    return _check_chain(certificate, claimed, trusted_ca_pems, now_ms)


def _check_dates(claimed: NodeCertificate, now_ms: int) -> Refused[CertificateRefusal] | None:
    if now_ms < claimed.not_before_ms:
        early = in_words(claimed.not_before_ms - now_ms)
        return _refused(
            CertificateRefusal.NOT_YET_VALID,
            f"the certificate of node {claimed.node_id} starts to be valid in {early}: "
            "the clock of one of the two hosts is wrong; check `timedatectl` on both",
        )
    if now_ms > claimed.not_after_ms:
        late = in_words(now_ms - claimed.not_after_ms)
        return _refused(
            CertificateRefusal.EXPIRED,
            f"the certificate of node {claimed.node_id} expired {late} ago; "
            "it is renewed when that node's agent runs and its clock is right",
        )
    return None


def _check_chain(
    certificate: x509.Certificate, claimed: NodeCertificate, ca_pems: tuple[str, ...], now_ms: int
) -> NodeCertificate | Refused[CertificateRefusal]:
    assert ca_pems, "a cluster has a CA"
    verifier = (
        PolicyBuilder()
        .store(Store([load_certificate(pem) for pem in ca_pems]))
        .time(datetime.fromtimestamp(now_ms // 1000, tz=UTC))
        .build_client_verifier()
    )
    try:
        verifier.verify(certificate, [])
    except (VerificationError, ValueError):
        # ValueError: the library reads some fields only now, and one of them is damaged.
        trusted = ", ".join(format_fingerprint(fingerprint(pem)) for pem in ca_pems)
        return _refused(
            CertificateRefusal.UNTRUSTED,
            f"the certificate naming node {claimed.node_id} is not signed by this cluster's CA ({trusted})",
        )
    return claimed


def _not_a_node() -> Refused[CertificateRefusal]:
    return _refused(
        CertificateRefusal.NOT_A_NODE, "the certificate names no node and cluster: it is not a member's"
    )


def _refused(code: CertificateRefusal, reason: str) -> Refused[CertificateRefusal]:
    return Refused(code=code, reason=reason)
