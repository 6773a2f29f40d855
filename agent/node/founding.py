"""Making the first node of a new cluster: CA, identity, first log entries. Nothing is sent anywhere.

What has to go through the log (the cluster's identity, this node, the first administrator) is kept in the
file `first-steps` until the node has become leader and committed it. The file holds hashes and sealed keys,
no secret in clear.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.clock import Clock
from agent.ids import Entropy, new_id
from agent.keys.identity import NodeIdentity
from agent.keys.private_files import read_private_file, write_private_file
from agent.node.directory import NodeDirectory
from cluster.commands import Envelope, decode, encode
from cluster.commands.access import CreateUser
from cluster.commands.nodes import InitializeCluster, RecordCertificate, RegisterNode
from cluster.encoding import pack, unpack
from cluster.identity import base32
from cluster.identity.addresses import parse_addresses
from cluster.identity.certificates import (
    CertificateAuthority,
    issue_node_certificate,
    load_certificate,
    make_ca,
    not_after_ms,
    seal_ca_key,
)
from cluster.identity.keyring import ClusterKey, Keyring
from cluster.identity.passwords import check_new_password, hash_password
from cluster.identity.private_keys import encode_private_key, node_id_of, private_key_from_seed
from cluster.identity.refusal import Refused
from cluster.identity.signing_requests import check_signing_request, make_signing_request
from cluster.model.access import Role
from cluster.model.ids import NodeId, PrincipalId
from cluster.model.node import NodeRole
from cluster.raft.engine import found_cluster
from cluster.raft.journal import Journal
from cluster.raft.log_storage import LmdbLog

KEY_SEED_BYTES = 40
NONCE_BYTES = 12
SALT_BYTES = 16
PASSWORD_BYTES = 15
ADMIN_NAME = "admin"


class FoundingRefused(Exception):
    """A cluster cannot be made from what was given; the text says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """The new cluster. `admin_password` is set when one was made up: it is shown once and kept nowhere."""

    identity: NodeIdentity
    admin_name: str
    admin_password: str | None


def found(
    directory: NodeDirectory,
    *,
    cluster_name: str,
    node_name: str,
    addresses: tuple[str, ...],
    raft_address: str,
    api_address: str,
    admin_password: str | None,
    clock: Clock,
    entropy: Entropy,
) -> Founded:
    """Make this host the first node of a cluster named `cluster_name`. Blocking.

    `addresses` go into its certificate. The identity is written last: before it, a second attempt starts
    over.

    Raises:
        FoundingRefused: a name, an address or the password breaks a rule.
        IdentityExists: this host is a member of a cluster already; nothing was changed.
    """
    directory.prepare()
    directory.identity.refuse_second()
    now_ms = clock.now_ms()
    made_up = admin_password is None
    password = admin_password or base32.encode(entropy(PASSWORD_BYTES)).lower()
    refusal = None if made_up else check_new_password(password, account=ADMIN_NAME)
    if refusal is not None:
        raise FoundingRefused(f"bootstrap.admin_password: {refusal.reason}")
    san = parse_addresses(addresses)
    if isinstance(san, Refused):
        raise FoundingRefused(f"addresses: {san.reason}")
    cluster_id = new_id("cl", now_ms=now_ms, entropy=entropy)
    keyring = Keyring(current=ClusterKey(secret=entropy(32)))
    ca_key = private_key_from_seed(entropy(KEY_SEED_BYTES))
    try:
        ca_pem = make_ca(
            cluster_id=cluster_id, name=cluster_name, now_ms=now_ms, serial=_serial(entropy), key=ca_key
        )
    except ValueError as error:
        raise FoundingRefused(str(error)) from error
    ca = CertificateAuthority(certificate_pem=ca_pem, key=ca_key)
    node_key = private_key_from_seed(entropy(KEY_SEED_BYTES))
    node_id = node_id_of(node_key.public_key())
    request = check_signing_request(make_signing_request(node_id=node_id, key=node_key), node_id=node_id)
    assert not isinstance(request, Refused), "a request made here is in order"
    serial = _serial(entropy)
    certificate_pem = issue_node_certificate(
        ca, request, cluster_id=cluster_id, addresses=san, now_ms=now_ms, serial=serial
    )
    identity = NodeIdentity(
        node_id=node_id,
        node_name=node_name,
        cluster_id=cluster_id,
        cluster_name=cluster_name,
        node_key_pem=encode_private_key(node_key),
        certificate_pem=certificate_pem,
        ca_pem=ca_pem,
        keyring=keyring,
    )
    steps = [
        InitializeCluster(
            cluster_id=cluster_id,
            name=cluster_name,
            ca_certificates_pem=ca_pem,
            sealed_ca_key=seal_ca_key(ca, keyring, nonce=entropy(NONCE_BYTES)),
        ),
        RegisterNode(
            node_id=NodeId(node_id),
            name=node_name,
            address=raft_address,
            api_address=api_address,
            role=NodeRole.VOTER,
        ),
        RecordCertificate(
            serial=f"{serial:x}",
            node_id=NodeId(node_id),
            not_after_ms=not_after_ms(load_certificate(certificate_pem)),
        ),
        CreateUser(
            principal_id=PrincipalId(new_id("us", now_ms=now_ms, entropy=entropy)),
            name=ADMIN_NAME,
            role=Role.ADMIN,
            password_hash=hash_password(password, salt=entropy(SALT_BYTES)),
        ),
    ]
    _write_log(directory, node_id, raft_address)
    write_first_steps(directory, steps, now_ms=now_ms)
    directory.forget_measured()
    directory.identity.create(identity)
    return Founded(identity=identity, admin_name=ADMIN_NAME, admin_password=password if made_up else None)


def write_first_steps(directory: NodeDirectory, steps: list[object], *, now_ms: int) -> None:
    """Keep commands for the first start."""
    envelopes = [
        encode(
            Envelope(
                client_id="founding", sequence=number, time_ms=now_ms, leader_term=0, audit=None, command=step
            )
        )
        for number, step in enumerate(steps, start=1)
    ]
    write_private_file(directory.first_steps, pack(envelopes).hex() + "\n")


def read_first_steps(directory: NodeDirectory) -> list[object]:
    """The commands still to be committed, in order; none once they are."""
    if not directory.first_steps.exists():
        return []
    envelopes = unpack(bytes.fromhex(read_private_file(directory.first_steps).strip()))
    return [decode(envelope).command for envelope in envelopes]


def _write_log(directory: NodeDirectory, node_id: str, raft_address: str) -> None:
    storage = LmdbLog(directory.log)
    journal = Journal(storage)
    try:
        if len(journal) == 0:
            found_cluster(journal, {node_id: raft_address})
        else:
            raise FoundingRefused(
                f"{directory.log} holds the log of an earlier attempt or cluster: remove it, or choose "
                "another node.data_dir"
            )
    finally:
        storage.close()


def _serial(entropy: Entropy) -> int:
    return int.from_bytes(entropy(16), "big") | 1 << 120
