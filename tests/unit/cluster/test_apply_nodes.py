"""Hosts, join tokens, certificates, and the cluster's own identity."""

from __future__ import annotations

import pytest

from cluster.commands import Applied, Code
from cluster.commands.nodes import (
    CreateJoinToken,
    InitializeCluster,
    RecordCertificate,
    RedeemJoinToken,
    RemoveNode,
    RevokeJoinToken,
    SetNodeDraining,
    SetNodeLabels,
    SetNodeMaintenance,
    SetNodeRole,
    SetNodeStatus,
    UpdateNodeFacts,
)
from cluster.commands.services import ReportAssignments, RouterReport
from cluster.model.events import EventKind, Severity
from cluster.model.ids import JoinTokenId, NodeId
from cluster.model.node import Node, NodeFacts, NodeRole, NodeStatus
from cluster.store.records import CERTIFICATES, CLUSTER, EVENTS, JOIN_TOKENS, NODES, ROUTERS
from tests.support.state_builders import START_MS, Replica, a_node

HOUR_MS = 3_600_000
N1 = NodeId("n1")
LEFT = RemoveNode(node_id=N1, reason="left on request")


def the_node(replica: Replica, node: str = "n1") -> Node:
    found = NODES.get(replica.txn, node)
    assert found is not None
    return found


def a_token(**fields: object) -> CreateJoinToken:
    defaults: dict[str, object] = {
        "token_id": JoinTokenId("t1"),
        "secret_hash": bytes(32),
        "is_learner": False,
        "expires_at_ms": START_MS + HOUR_MS,
        "uses": 1,
        "created_by": "u1",
    }
    return CreateJoinToken(**{**defaults, **fields})  # type: ignore[arg-type]  # built from a mapping


def redeem(node: str, token: str = "t1") -> RedeemJoinToken:
    return RedeemJoinToken(token_id=JoinTokenId(token), node_id=NodeId(node))


def test_a_registered_node_is_up() -> None:
    replica = Replica()
    replica.must(a_node())
    node = the_node(replica)
    assert (node.name, node.status, node.is_schedulable, node.joined_at_ms) == (
        "host-n1",
        NodeStatus.UP,
        True,
        START_MS,
    )


def test_registering_again_changes_addresses_and_keeps_the_status() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.lead()
    replica.must(SetNodeStatus(node_id=N1, status=NodeStatus.DOWN, reason="no beat"))
    replica.must(a_node(address="192.0.2.9:7444"))
    node = the_node(replica)
    assert (node.address, node.status) == ("192.0.2.9:7444", NodeStatus.DOWN)


@pytest.mark.parametrize("clash", [{"name": "host-n1"}, {"address": "n1.example:7444"}])
def test_two_members_share_neither_name_nor_address(clash: dict[str, str]) -> None:
    replica = Replica()
    replica.must(a_node("n1"))
    assert replica.refusal(a_node("n2", **clash)).code is Code.ALREADY_EXISTS


def test_a_node_that_left_frees_its_name_and_address_but_not_its_id() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.must(LEFT)
    assert the_node(replica).status is NodeStatus.LEFT
    assert "never returns" in replica.refusal(a_node()).reason
    replica.must(a_node("n2", name="host-n1", address="n1.example:7444"))


def test_a_node_that_left_takes_its_certificates_and_router_with_it() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.must(RecordCertificate(serial="0a", node_id=N1, not_after_ms=START_MS + HOUR_MS))
    replica.must(
        ReportAssignments(node_id=N1, reports=(), router=RouterReport(routed_index=1, drained_index=1))
    )
    replica.must(LEFT)
    assert CERTIFICATES.scan(replica.txn, "n1") == []
    assert ROUTERS.get(replica.txn, "n1") is None
    refused = replica.refusal(RecordCertificate(serial="0b", node_id=N1, not_after_ms=START_MS + HOUR_MS))
    assert refused.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "command",
    [
        UpdateNodeFacts(node_id=N1, facts=NodeFacts()),
        SetNodeDraining(node_id=N1, is_draining=True),
        SetNodeRole(node_id=N1, role=NodeRole.LEARNER),
        SetNodeStatus(node_id=N1, status=NodeStatus.DOWN, reason="x"),
        LEFT,
    ],
)
def test_nodes_that_are_unknown_or_left_cannot_be_changed(command: object) -> None:
    replica = Replica()
    replica.lead("n9")
    assert replica.refusal(command).code is Code.NOT_FOUND
    replica.must(a_node())
    replica.must(LEFT)
    assert replica.refusal(command).code is Code.NOT_FOUND


def test_a_draining_node_that_dies_comes_back_draining() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.lead()
    replica.must(SetNodeDraining(node_id=N1, is_draining=True))
    for status in (NodeStatus.DOWN, NodeStatus.UP):
        replica.must(SetNodeStatus(node_id=N1, status=status, reason=""))
    node = the_node(replica)
    assert (node.status, node.is_draining, node.is_schedulable) == (NodeStatus.UP, True, False)


def test_the_silence_of_a_host_that_has_leave_is_no_warning() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.lead()
    silent = SetNodeStatus(node_id=N1, status=NodeStatus.SUSPECT, reason="no heartbeat for 1.5 s")
    heard = SetNodeStatus(node_id=N1, status=NodeStatus.UP, reason="")
    replica.must(silent)
    replica.must(heard)
    replica.must(SetNodeMaintenance(node_id=N1, duration_ms=60_000, reason="its agent restarts"))
    replica.must(silent)
    told = [event for event in EVENTS.scan(replica.txn) if event.kind is EventKind.NODE_SUSPECT]
    assert [event.severity for event in told] == [Severity.WARNING, Severity.INFO]


def test_a_status_repeated_keeps_the_time_it_began() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.lead()
    replica.must(SetNodeStatus(node_id=N1, status=NodeStatus.SUSPECT, reason="first"))
    replica.now_ms += 5000
    replica.must(SetNodeStatus(node_id=N1, status=NodeStatus.SUSPECT, reason="second"))
    node = the_node(replica)
    assert (node.status_at_ms, node.status_reason) == (START_MS, "first")


def test_facts_and_role_are_replaced() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.must(UpdateNodeFacts(node_id=N1, facts=NodeFacts(hostname="alpha", cpu_count=4)))
    replica.must(SetNodeRole(node_id=N1, role=NodeRole.LEARNER))
    node = the_node(replica)
    assert (node.facts.hostname, node.role) == ("alpha", NodeRole.LEARNER)


def test_a_join_token_lets_as_many_hosts_in_as_it_has_uses() -> None:
    replica = Replica()
    replica.must(a_token(uses=2, is_learner=True))
    assert replica.must(redeem("n2")) is True
    assert replica.must(redeem("n3")) is True
    refused = replica.refusal(redeem("n4"))
    assert refused.code is Code.EXPIRED
    assert "used up" in refused.reason


def test_redeeming_again_for_the_same_host_costs_no_use() -> None:
    replica = Replica()
    replica.must(a_token(uses=1))
    assert replica.must(redeem("n2")) is False
    assert replica.apply(redeem("n2")) == Applied(False)


def test_a_join_token_ends_at_log_time() -> None:
    replica = Replica()
    replica.must(a_token())
    replica.now_ms = START_MS + HOUR_MS
    assert "expired" in replica.refusal(redeem("n2")).reason


def test_a_revoked_or_unknown_join_token_lets_nobody_in() -> None:
    replica = Replica()
    replica.must(a_token())
    replica.must(RevokeJoinToken(token_id=JoinTokenId("t1")))
    assert "revoked" in replica.refusal(redeem("n2")).reason
    assert replica.refusal(redeem("n2", "t2")).code is Code.NOT_FOUND
    assert replica.refusal(RevokeJoinToken(token_id=JoinTokenId("t2"))).code is Code.NOT_FOUND


def test_members_and_hosts_that_left_cannot_use_a_join_token() -> None:
    replica = Replica()
    replica.must(a_token())
    replica.must(a_node())
    assert replica.refusal(redeem("n1")).code is Code.ALREADY_EXISTS
    replica.must(LEFT)
    assert replica.refusal(redeem("n1")).code is Code.NOT_FOUND


def test_a_join_token_is_new_and_ends_in_the_future() -> None:
    replica = Replica()
    replica.must(a_token())
    assert replica.refusal(a_token()).code is Code.ALREADY_EXISTS
    late = a_token(token_id=JoinTokenId("t2"), expires_at_ms=START_MS)
    assert replica.refusal(late).code is Code.INVALID


def test_expired_join_tokens_and_certificates_are_forgotten_when_new_ones_come() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.must(a_token())
    replica.must(RecordCertificate(serial="0a", node_id=N1, not_after_ms=START_MS + HOUR_MS))
    replica.now_ms = START_MS + 2 * HOUR_MS
    replica.must(a_token(token_id=JoinTokenId("t2"), expires_at_ms=START_MS + 3 * HOUR_MS))
    replica.must(RecordCertificate(serial="0b", node_id=N1, not_after_ms=START_MS + 3 * HOUR_MS))
    assert [token.id for token in JOIN_TOKENS.scan(replica.txn)] == ["t2"]
    assert [certificate.serial for certificate in CERTIFICATES.scan(replica.txn, "n1")] == ["0b"]


def test_a_cluster_gets_its_identity_once() -> None:
    replica = Replica()
    first = InitializeCluster(cluster_id="c1", name="prod", ca_certificates_pem="pem", sealed_ca_key=b"k")
    replica.must(first)
    replica.must(first)
    other = InitializeCluster(cluster_id="c2", name="prod", ca_certificates_pem="pem", sealed_ca_key=b"k")
    assert replica.refusal(other).code is Code.ALREADY_EXISTS
    identity = CLUSTER.get(replica.txn)
    assert identity is not None
    assert identity.cluster_id == "c1"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"node_id": NodeId("Bad Id")}, "node id 'Bad Id': 1 to 63 of"),
        ({"name": "-x"}, "node name '-x'"),
        ({"address": "nohost"}, "use host:port"),
        ({"address": "h:70000"}, "use host:port"),
        ({"api_address": "[::1:80"}, "api address"),
    ],
)
def test_a_node_with_a_bad_field_is_refused_by_name(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        a_node(**fields)


def test_leaving_is_not_a_status_to_set() -> None:
    with pytest.raises(ValueError, match="use RemoveNode"):
        SetNodeStatus(node_id=N1, status=NodeStatus.LEFT, reason="")


def test_secret_hashes_are_not_shown() -> None:
    assert "secret_hash" not in repr(a_token())
    assert "sealed" not in repr(
        InitializeCluster(cluster_id="c1", name="p", ca_certificates_pem="pem", sealed_ca_key=b"sealed")
    )


def test_labels_are_changed_one_by_one() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.must(SetNodeLabels(node_id=N1, put=(("disk", "ssd"), ("zone", "a"))))
    replica.must(SetNodeLabels(node_id=N1, put=(("zone", "b"),), remove=("disk", "unknown")))
    assert the_node(replica).labels == (("zone", "b"),)


def test_labels_given_here_win_over_those_of_the_hosts_own_settings() -> None:
    replica = Replica()
    replica.must(a_node())
    replica.must(UpdateNodeFacts(node_id=N1, facts=NodeFacts(labels=(("rack", "1"), ("zone", "a")))))
    replica.must(SetNodeLabels(node_id=N1, put=(("zone", "b"),)))
    assert the_node(replica).effective_labels == {"rack": "1", "zone": "b"}
    replica.must(SetNodeLabels(node_id=N1, remove=("zone",)))
    assert the_node(replica).effective_labels == {"rack": "1", "zone": "a"}


def test_a_host_has_a_bounded_number_of_labels() -> None:
    replica = Replica()
    many = tuple((f"k{number:03}", "v") for number in range(128))
    replica.must(a_node())
    replica.must(SetNodeLabels(node_id=N1, put=many))
    refusal = replica.refusal(SetNodeLabels(node_id=N1, put=(("one-more", "v"),)))
    assert "would have 129 labels; at most 128" in refusal.reason


def test_a_label_is_set_or_removed_not_both() -> None:
    with pytest.raises(ValueError, match="both set and removed"):
        SetNodeLabels(node_id=N1, put=(("zone", "a"),), remove=("zone",))
