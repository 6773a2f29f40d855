"""Handlers of the commands on the cluster and its hosts."""

from __future__ import annotations

from dataclasses import replace

from cluster.commands.nodes import (
    ConfirmNodeFenced,
    CreateJoinToken,
    InitializeCluster,
    RecordCertificate,
    RedeemJoinToken,
    RegisterNode,
    RemoveNode,
    RevokeJoinToken,
    SetNodeDraining,
    SetNodeLabels,
    SetNodeMaintenance,
    SetNodeRole,
    SetNodeStatus,
    UpdateNodeFacts,
)
from cluster.commands.outcome import Applied, Code, Outcome, Rejected
from cluster.model.ids import NodeId
from cluster.model.node import (
    Certificate,
    ClusterIdentity,
    JoinToken,
    Maintenance,
    Node,
    NodeRole,
    NodeStatus,
)
from cluster.model.placing import LABELS_MAX
from cluster.state_machine.entry import Entry
from cluster.state_machine.node_events import (
    note_draining,
    note_joined,
    note_maintenance,
    note_removed,
    note_status,
)
from cluster.store.records import CERTIFICATES, CLUSTER, JOIN_TOKENS, NODES, ROUTERS


def initialize_cluster(entry: Entry, command: InitializeCluster) -> Outcome:
    present = CLUSTER.get(entry.txn)
    if present is not None:
        if present.cluster_id == command.cluster_id:
            return Applied()
        return Rejected(
            f"this is cluster {present.name!r} ({present.cluster_id}) already", Code.ALREADY_EXISTS
        )
    CLUSTER.put(
        entry.txn,
        ClusterIdentity(
            cluster_id=command.cluster_id,
            name=command.name,
            ca_certificates_pem=command.ca_certificates_pem,
            sealed_ca_key=command.sealed_ca_key,
            created_at_ms=entry.now_ms,
        ),
    )
    return Applied()


def register_node(entry: Entry, command: RegisterNode) -> Outcome:
    for other in NODES.scan(entry.txn):
        if other.id == command.node_id or not other.is_member:
            continue
        if other.name == command.name:
            return Rejected(
                f"name {command.name!r} belongs to node {other.id}: choose another", Code.ALREADY_EXISTS
            )
        if other.address == command.address:
            return Rejected(
                f"address {command.address} belongs to node {other.name!r} ({other.id})", Code.ALREADY_EXISTS
            )
    present = NODES.get(entry.txn, command.node_id)
    if present is None:
        node = Node(
            id=command.node_id,
            name=command.name,
            address=command.address,
            api_address=command.api_address,
            role=command.role,
            status=NodeStatus.UP,
            status_at_ms=entry.now_ms,
            joined_at_ms=entry.now_ms,
        )
        note_joined(entry, node)
    elif not present.is_member:
        return _left(present)
    else:
        node = replace(
            present,
            name=command.name,
            address=command.address,
            api_address=command.api_address,
            role=command.role,
        )
    NODES.put(entry.txn, node)
    return Applied()


def update_node_facts(entry: Entry, command: UpdateNodeFacts) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    NODES.put(entry.txn, replace(node, facts=command.facts))
    return Applied()


def set_node_status(entry: Entry, command: SetNodeStatus) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    if node.status is not command.status:
        note_status(entry, node, command.status, command.reason)
        NODES.put(
            entry.txn,
            replace(
                node,
                status=command.status,
                status_at_ms=entry.now_ms,
                status_reason=command.reason,
                # It is heard of again: what a person said of it holds no more.
                is_fenced=node.is_fenced and command.status is NodeStatus.DOWN,
            ),
        )
    return Applied()


def set_node_maintenance(entry: Entry, command: SetNodeMaintenance) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    present = node.maintenance
    maintenance = None if command.is_given_back or present is None else replace(present, is_ended=True)
    if command.duration_ms:
        if node.status is NodeStatus.DOWN:
            return Rejected(
                f"node {node.name!r} is down: what it ran may be started elsewhere at any moment",
                Code.INVALID,
            )
        maintenance = Maintenance(
            until_ms=entry.now_ms + command.duration_ms,
            longest_ms=max(command.duration_ms, 0 if present is None else present.longest_ms),
            reason=command.reason,
        )
    note_maintenance(entry, node, maintenance)
    NODES.put(entry.txn, replace(node, maintenance=maintenance))
    return Applied()


def confirm_node_fenced(entry: Entry, command: ConfirmNodeFenced) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    if node.status is not NodeStatus.DOWN:
        return Rejected(
            f"node {node.name!r} is {node.status}, not down: what runs there is moved by `tower node drain`",
            Code.INVALID,
        )
    NODES.put(entry.txn, replace(node, is_fenced=True))
    return Applied()


def set_node_draining(entry: Entry, command: SetNodeDraining) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    if node.is_draining != command.is_draining:
        note_draining(entry, node, is_draining=command.is_draining)
    NODES.put(entry.txn, replace(node, is_draining=command.is_draining))
    return Applied()


def set_node_labels(entry: Entry, command: SetNodeLabels) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    labels = {**dict(node.labels), **dict(command.put)}
    for key in command.remove:
        labels.pop(key, None)
    if len(labels) > LABELS_MAX:
        return Rejected(
            f"node {node.name!r} would have {len(labels)} labels; at most {LABELS_MAX} are allowed: remove"
            " some first",
            Code.INVALID,
        )
    NODES.put(entry.txn, replace(node, labels=tuple(sorted(labels.items()))))
    return Applied()


def set_node_role(entry: Entry, command: SetNodeRole) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    NODES.put(entry.txn, replace(node, role=command.role))
    return Applied()


def remove_node(entry: Entry, command: RemoveNode) -> Outcome:
    node = _member(entry, command.node_id)
    if isinstance(node, Rejected):
        return node
    NODES.put(
        entry.txn,
        replace(
            node,
            status=NodeStatus.LEFT,
            status_at_ms=entry.now_ms,
            status_reason=command.reason,
            role=NodeRole.LEARNER,
        ),
    )
    note_removed(entry, node, command.reason)
    ROUTERS.delete(entry.txn, node.id)
    for certificate in CERTIFICATES.scan(entry.txn, node.id):
        CERTIFICATES.delete(entry.txn, node.id, certificate.serial)
    return Applied()


def create_join_token(entry: Entry, command: CreateJoinToken) -> Outcome:
    if JOIN_TOKENS.get(entry.txn, command.token_id) is not None:
        return Rejected(f"join token {command.token_id} exists already", Code.ALREADY_EXISTS)
    if command.expires_at_ms <= entry.now_ms:
        return Rejected("a join token must expire in the future; is this host's clock right?", Code.INVALID)
    # Tokens are few; the dead ones are forgotten here so that they stay few.
    for token in JOIN_TOKENS.scan(entry.txn):
        if token.expires_at_ms <= entry.now_ms:
            JOIN_TOKENS.delete(entry.txn, token.id)
    JOIN_TOKENS.put(
        entry.txn,
        JoinToken(
            id=command.token_id,
            secret_hash=command.secret_hash,
            is_learner=command.is_learner,
            expires_at_ms=command.expires_at_ms,
            uses_left=command.uses,
            created_at_ms=entry.now_ms,
            created_by=command.created_by,
        ),
    )
    return Applied()


def redeem_join_token(entry: Entry, command: RedeemJoinToken) -> Outcome:
    token = JOIN_TOKENS.get(entry.txn, command.token_id)
    if token is None:
        return Rejected(
            f"join token {command.token_id} is not known: `tower token create` on a member makes one",
            Code.NOT_FOUND,
        )
    if token.is_revoked:
        return Rejected(f"join token {token.id} was revoked", Code.EXPIRED)
    if token.expires_at_ms <= entry.now_ms:
        return Rejected(
            f"join token {token.id} has expired: `tower token create` makes a new one", Code.EXPIRED
        )
    node = NODES.get(entry.txn, command.node_id)
    if node is not None:
        if not node.is_member:
            return _left(node)
        return Rejected(f"node {node.name!r} ({node.id}) is a member already", Code.ALREADY_EXISTS)
    if command.node_id in token.redeemed_by:
        return Applied(token.is_learner)
    if token.uses_left == 0:
        return Rejected(
            f"join token {token.id} is used up: `tower token create` makes a new one", Code.EXPIRED
        )
    JOIN_TOKENS.put(
        entry.txn,
        replace(token, uses_left=token.uses_left - 1, redeemed_by=(*token.redeemed_by, command.node_id)),
    )
    return Applied(token.is_learner)


def revoke_join_token(entry: Entry, command: RevokeJoinToken) -> Outcome:
    token = JOIN_TOKENS.get(entry.txn, command.token_id)
    if token is None:
        return Rejected(f"join token {command.token_id} is not known", Code.NOT_FOUND)
    JOIN_TOKENS.put(entry.txn, replace(token, is_revoked=True))
    return Applied()


def record_certificate(entry: Entry, command: RecordCertificate) -> Outcome:
    node = NODES.get(entry.txn, command.node_id)
    if node is not None and not node.is_member:
        return _left(node)
    for certificate in CERTIFICATES.scan(entry.txn, command.node_id):
        if certificate.not_after_ms <= entry.now_ms:
            CERTIFICATES.delete(entry.txn, command.node_id, certificate.serial)
    CERTIFICATES.put(
        entry.txn,
        Certificate(
            serial=command.serial,
            node_id=command.node_id,
            not_after_ms=command.not_after_ms,
            recorded_at_ms=entry.now_ms,
        ),
    )
    return Applied()


def _member(entry: Entry, node_id: NodeId) -> Node | Rejected:
    node = NODES.get(entry.txn, node_id)
    if node is None:
        return Rejected(f"node {node_id} is not known: `tower node ls` shows the nodes", Code.NOT_FOUND)
    return node if node.is_member else _left(node)


def _left(node: Node) -> Rejected:
    return Rejected(
        f"node {node.name!r} ({node.id}) has left the cluster; its id never returns: join it again as a new"
        " node",
        Code.NOT_FOUND,
    )
