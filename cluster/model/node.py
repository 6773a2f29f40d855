"""The hosts of the cluster, how they join, and the cluster's own identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cluster.model.ids import JoinTokenId, NodeId


class NodeRole(StrEnum):
    """A node's part in Raft."""

    VOTER = "voter"
    LEARNER = "learner"


class NodeStatus(StrEnum):
    """What the leader has committed about a node's life. Draining is a wish, kept beside it (`is_draining`),
    so that a host that dies while draining comes back draining.
    """

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a host said of itself. Empty strings and 0 are facts it does not tell. `labels` are sorted
    pairs."""

    hostname: str = ""
    os_name: str = ""
    os_version: str = ""
    kernel: str = ""
    arch: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0
    boot_id: str = ""
    machine_id: str = ""
    docker_version: str = ""
    agent_version: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """Leave to be away for a while: nothing is moved away from the host, and it keeps what it runs.

    It lasts until `until_ms` (log time), or until it `is_ended`. `longest_ms`: the host may have been granted
    leases of this length, and holds such a one until it says that it does not; then the record goes.
    """

    until_ms: int
    longest_ms: int
    reason: str = ""
    is_ended: bool = False

    def left_ms(self, now_ms: int) -> int:
        """How long it still lasts."""
        return 0 if self.is_ended else max(0, min(self.longest_ms, self.until_ms - now_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One host. `address` is its Raft listener, `api_address` where it serves people; both `host:port`.

    `status_at_ms` is the log time of the last change of status. An id that left never returns. `labels` are
    sorted pairs given to it by people here; `facts.labels` are those of its own settings. `is_fenced`: a
    person has said that the host, which is down, runs nothing any more.
    """

    id: NodeId
    name: str
    address: str
    api_address: str
    role: NodeRole
    status: NodeStatus
    status_at_ms: int
    joined_at_ms: int
    status_reason: str = ""
    is_draining: bool = False
    facts: NodeFacts = field(default_factory=NodeFacts)
    labels: tuple[tuple[str, str], ...] = ()
    maintenance: Maintenance | None = None
    is_fenced: bool = False

    @property
    def effective_labels(self) -> dict[str, str]:
        """Its own labels and those given to it, which win."""
        return {**dict(self.facts.labels), **dict(self.labels)}

    @property
    def is_member(self) -> bool:
        return self.status is not NodeStatus.LEFT

    @property
    def has_come_up(self) -> bool:
        """Whether its agent ever said what it runs on. Before, it has joined and may still be installing."""
        return self.facts != NodeFacts()

    @property
    def is_schedulable(self) -> bool:
        """Whether new replicas may be placed here."""
        return self.status is NodeStatus.UP and not self.is_draining


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinToken:
    """Leave for new hosts to join, as kept: the secret's hash, never the secret."""

    id: JoinTokenId
    secret_hash: bytes = field(repr=False)
    is_learner: bool
    expires_at_ms: int
    uses_left: int
    created_at_ms: int
    created_by: str
    redeemed_by: tuple[NodeId, ...] = ()
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A node certificate that was issued. `serial` is lower-case hexadecimal."""

    serial: str
    node_id: NodeId
    not_after_ms: int
    recorded_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIdentity:
    """Which cluster this is. The CA's private key is sealed under the cluster key, which is not in the
    state."""

    cluster_id: str
    name: str
    ca_certificates_pem: str
    sealed_ca_key: bytes = field(repr=False)
    created_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderTerm:
    """The newest term a leader took up its duties in. Leader commands of other terms are rejected."""

    term: int
    node_id: NodeId
    since_ms: int
