"""Commands on the cluster and its hosts."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.model import rules
from cluster.model.ids import JoinTokenId, NodeId
from cluster.model.node import NodeFacts, NodeRole, NodeStatus
from cluster.model.placing import LABEL_CHARS_MAX, LABELS_MAX, check_label

JOIN_TOKEN_USES_MAX = 100
MAINTENANCE_MAX_MS = 30 * 60_000
SECRET_HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class InitializeCluster:
    """Give a new cluster its identity, once. Repeating it with the same `cluster_id` changes nothing.

    `sealed_ca_key` is the CA's private key encrypted under the cluster key.
    """

    cluster_id: str
    name: str
    ca_certificates_pem: str
    sealed_ca_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        rules.check_id("cluster id", self.cluster_id)
        rules.check_name("cluster name", self.name)
        rules.check_text("CA certificates", self.ca_certificates_pem, 64 * 1024, chars_min=1)
        rules.check_range("sealed CA key, bytes", len(self.sealed_ca_key), 0, 16 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterNode:
    """Add a host, or change the name, addresses and role of a known one. Status becomes UP for a new host
    only."""

    node_id: NodeId
    name: str
    address: str
    api_address: str
    role: NodeRole

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_name("node name", self.name)
        rules.check_address("address", self.address)
        rules.check_address("api address", self.api_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNodeFacts:
    """Replace what a host said of itself."""

    node_id: NodeId
    facts: NodeFacts

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        facts = self.facts
        for name in (
            "hostname", "os_name", "os_version", "kernel", "arch", "boot_id", "machine_id", "docker_version",
            "agent_version",
        ):  # fmt: skip
            rules.check_text(f"facts.{name}", getattr(facts, name), 256)
        rules.check_range("facts.cpu_count", facts.cpu_count, 0, 2**20)
        rules.check_range("facts.memory_bytes", facts.memory_bytes, 0, 2**60)
        rules.check_range("facts.disk_bytes", facts.disk_bytes, 0, 2**62)
        rules.check_pairs("facts.labels", facts.labels, LABELS_MAX, LABEL_CHARS_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNodeStatus:
    """Commit that a host is up, suspect or down (leader only). Leaving is `RemoveNode`."""

    node_id: NodeId
    status: NodeStatus
    reason: str

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        if self.status is NodeStatus.LEFT:
            raise ValueError("status left: use RemoveNode, which also forgets the host's certificates")
        rules.check_text("reason", self.reason, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNodeDraining:
    """Ask for the host to be emptied, or end that."""

    node_id: NodeId
    is_draining: bool

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNodeLabels:
    """Give labels to a host (`put`, sorted pairs) and take labels from it (`remove`, sorted keys).

    A change and not the whole, so that two people changing different labels both get what they asked for.
    """

    node_id: NodeId
    put: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_pairs("labels", self.put, LABELS_MAX, LABEL_CHARS_MAX)
        rules.check_count("labels to remove", self.remove, LABELS_MAX)
        for key, _ in self.put:
            check_label("label", key)
        for key in self.remove:
            check_label("label", key)
            if key in dict(self.put):
                raise ValueError(f"label {key!r}: it is both set and removed; give it once")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNodeMaintenance:
    """Give the host leave to be away for `duration_ms` from now; 0 ends that. Refused while it is down.

    `is_given_back`: the host itself says that it holds no lease of such a length any more.
    """

    node_id: NodeId
    duration_ms: int
    reason: str = ""
    is_given_back: bool = False

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_range("duration_ms", self.duration_ms, 0, MAINTENANCE_MAX_MS)
        if self.is_given_back and self.duration_ms:
            raise ValueError(f"duration_ms {self.duration_ms}: it must be 0 when leave is given back")
        rules.check_text("reason", self.reason, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmNodeFenced:
    """Say that a host that is down runs nothing any more, until it is back. Refused while it is not down."""

    node_id: NodeId

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetNodeRole:
    """Record the host's part in Raft, after the membership changed."""

    node_id: NodeId
    role: NodeRole

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNode:
    """Mark the host as having left: its id never returns, its name and addresses are free again."""

    node_id: NodeId
    reason: str

    def __post_init__(self) -> None:
        rules.check_id("node id", self.node_id)
        rules.check_text("reason", self.reason, 512)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateJoinToken:
    """Keep a join token. `secret_hash` is the SHA-256 of its secret."""

    token_id: JoinTokenId
    secret_hash: bytes = field(repr=False)
    is_learner: bool
    expires_at_ms: int
    uses: int
    created_by: str

    def __post_init__(self) -> None:
        rules.check_id("token id", self.token_id)
        rules.check_range("secret hash, bytes", len(self.secret_hash), SECRET_HASH_BYTES, SECRET_HASH_BYTES)
        rules.check_range("uses", self.uses, 1, JOIN_TOKEN_USES_MAX)
        rules.check_range("expires_at_ms", self.expires_at_ms, 0, 2**53)
        rules.check_text("created by", self.created_by, 128)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemJoinToken:
    """Use a join token once, for `node_id`. The same host again costs nothing. Result: is the host a learner
    (bool).

    The caller has checked the secret; this checks, at log time, that the token is neither expired, revoked
    nor used up.
    """

    token_id: JoinTokenId
    node_id: NodeId

    def __post_init__(self) -> None:
        rules.check_id("token id", self.token_id)
        rules.check_id("node id", self.node_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeJoinToken:
    """Let nobody join with this token any more."""

    token_id: JoinTokenId

    def __post_init__(self) -> None:
        rules.check_id("token id", self.token_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCertificate:
    """Keep that a node certificate was issued; the host's expired ones are forgotten."""

    serial: str
    node_id: NodeId
    not_after_ms: int

    def __post_init__(self) -> None:
        rules.check_id("serial", self.serial)
        rules.check_id("node id", self.node_id)
        rules.check_range("not_after_ms", self.not_after_ms, 0, 2**53)
