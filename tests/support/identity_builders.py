"""Certificates, keys and tokens for tests, made from numbers so that every run has the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from agent.keys.identity import NodeIdentity
from cluster.identity.addresses import parse_addresses
from cluster.identity.certificates import (
    NODE_TTL_MS,
    CertificateAuthority,
    fingerprint,
    issue_node_certificate,
    make_ca,
)
from cluster.identity.join_tokens import PlainJoinToken, new_join_token
from cluster.identity.joining import JoinRequest, PendingJoin, begin_join
from cluster.identity.keyring import ClusterKey, Keyring
from cluster.identity.private_keys import SEED_BYTES, encode_private_key, private_key_from_seed
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import check_signing_request, make_signing_request
from cluster.model.node import JoinToken

NOW_MS = 1_800_000_000_000
CLUSTER_ID = "cl_01jd3abc"
HOUR_MS = 3_600_000


def some_bytes(label: object, count: int) -> bytes:
    """Return bytes that depend on `label` only."""
    return hashlib.shake_256(repr(label).encode()).digest(count)


def a_keyring(label: object = "cluster") -> Keyring:
    return Keyring(current=ClusterKey(secret=some_bytes(label, 32)))


def a_ca(label: object = "ca", *, now_ms: int = NOW_MS, cluster_id: str = CLUSTER_ID) -> CertificateAuthority:
    key = private_key_from_seed(some_bytes(label, SEED_BYTES))
    serial = int.from_bytes(some_bytes((label, "serial"), 16), "big")
    pem = make_ca(cluster_id=cluster_id, name="prod", now_ms=now_ms, serial=serial, key=key)
    return CertificateAuthority(certificate_pem=pem, key=key)


def a_node_identity(
    *,
    node_id: str = "nd_1",
    ca: CertificateAuthority | None = None,
    addresses: tuple[str, ...] = ("localhost", "127.0.0.1", "::1"),
    cluster_id: str = CLUSTER_ID,
    key_label: object = "key",
    now_ms: int = NOW_MS,
    ttl_ms: int = NODE_TTL_MS,
) -> NodeIdentity:
    ca = ca or a_ca(now_ms=now_ms)
    key = private_key_from_seed(some_bytes((node_id, key_label), SEED_BYTES))
    request = check_signing_request(make_signing_request(node_id=node_id, key=key), node_id=node_id)
    assert not isinstance(request, Refused)
    parsed = parse_addresses(addresses)
    assert not isinstance(parsed, Refused)
    certificate = issue_node_certificate(
        ca,
        request,
        cluster_id=cluster_id,
        addresses=parsed,
        now_ms=now_ms,
        serial=int.from_bytes(some_bytes((node_id, key_label, "serial"), 16), "big"),
        ttl_ms=ttl_ms,
    )
    return NodeIdentity(
        node_id=node_id,
        node_name=f"host-{node_id[-1]}",
        cluster_id=cluster_id,
        cluster_name="prod",
        node_key_pem=encode_private_key(key),
        certificate_pem=certificate,
        ca_pem=ca.certificate_pem,
        keyring=a_keyring(),
    )


def a_join_token(
    ca: CertificateAuthority | None = None,
    *,
    label: object = "join",
    uses: int = 1,
    ttl_ms: int = HOUR_MS,
    is_learner: bool = False,
) -> tuple[PlainJoinToken, JoinToken]:
    return new_join_token(
        ca_fingerprint=fingerprint((ca or a_ca()).certificate_pem),
        token_id_seed=some_bytes((label, "id"), 5),
        secret=some_bytes((label, "secret"), 32),
        created_by="pr_admin",
        now_ms=NOW_MS,
        ttl_ms=ttl_ms,
        uses=uses,
        is_learner=is_learner,
    )


@dataclass(frozen=True, kw_only=True)
class Joining:
    """A host that is about to join, the token's record, and the CA."""

    pending: PendingJoin
    record: JoinToken
    ca: CertificateAuthority

    @property
    def request(self) -> JoinRequest:
        return self.pending.request


def a_joining(*, is_learner: bool = False) -> Joining:
    ca = a_ca()
    plain, record = a_join_token(ca, is_learner=is_learner)
    pending = begin_join(
        token=plain,
        ca_pem=ca.certificate_pem,
        node_name="host-2",
        addresses=("host-2.example", "10.0.0.2"),
        peer_address="10.0.0.2:7444",
        api_address="10.0.0.2:7443",
        node_key_seed=some_bytes("joiner", SEED_BYTES),
        recipient_seed=some_bytes("recipient", 32),
    )
    assert not isinstance(pending, Refused), pending
    return Joining(pending=pending, record=record, ca=ca)
