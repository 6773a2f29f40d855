"""Leaders that were replaced do nothing any more."""

from __future__ import annotations

from cluster.commands import Applied, Code, Rejected
from cluster.commands.leadership import TakeLeadership
from cluster.commands.nodes import SetNodeStatus
from cluster.commands.settings import PutSetting
from cluster.model.events import EventKind
from cluster.model.ids import NodeId
from cluster.model.node import NodeStatus
from cluster.store.records import EVENTS, LEADER_TERM, NODES
from tests.support.state_builders import Replica, a_node

DOWN = SetNodeStatus(node_id=NodeId("n1"), status=NodeStatus.DOWN, reason="no beat")


def a_replica() -> Replica:
    replica = Replica()
    replica.must(a_node())
    return replica


def test_the_leader_of_the_newest_term_may_command() -> None:
    replica = a_replica()
    replica.lead()
    replica.must(DOWN)
    node = NODES.get(replica.txn, "n1")
    assert node is not None
    assert node.status is NodeStatus.DOWN


def test_a_command_of_a_replaced_leader_is_fenced() -> None:
    replica = a_replica()
    replica.lead("n1")
    old = replica.leader_term
    replica.lead("n2")
    refused = replica.refusal(DOWN, leader_term=old)
    assert refused.code is Code.FENCED
    assert "n2 leads since term 3" in refused.reason


def test_a_leader_that_has_not_taken_up_its_duties_may_not_command() -> None:
    replica = a_replica()
    replica.term = 5
    refused = replica.refusal(DOWN, leader_term=5)
    assert refused.code is Code.FENCED
    assert "TakeLeadership comes first" in refused.reason


def test_a_leader_only_command_without_a_term_is_fenced() -> None:
    replica = a_replica()
    replica.lead()
    assert replica.refusal(DOWN, leader_term=0).code is Code.FENCED


def test_a_command_cannot_name_a_term_later_than_its_entry() -> None:
    replica = a_replica()
    replica.lead()
    assert replica.refusal(DOWN, leader_term=replica.term + 1).code is Code.FENCED


def test_any_command_sent_in_a_leaders_name_is_fenced() -> None:
    replica = a_replica()
    replica.lead("n1")
    old = replica.leader_term
    replica.lead("n2")
    assert replica.refusal(PutSetting(key="k", value="v"), leader_term=old).code is Code.FENCED


def test_taking_up_an_older_term_is_fenced_and_changes_nothing() -> None:
    replica = a_replica()
    replica.lead("n1")
    replica.lead("n2")
    refused = replica.refusal(TakeLeadership(term=2, node_id=NodeId("n1")), leader_term=2)
    assert refused.code is Code.FENCED
    newest = LEADER_TERM.get(replica.txn)
    assert newest is not None
    assert (newest.term, newest.node_id) == (3, "n2")


def test_taking_up_the_same_term_again_is_harmless_for_its_leader_only() -> None:
    replica = a_replica()
    replica.lead("n1")
    again = TakeLeadership(term=replica.term, node_id=NodeId("n1"))
    assert replica.apply(again) == Applied()
    other = TakeLeadership(term=replica.term, node_id=NodeId("n2"))
    assert isinstance(replica.apply(other), Rejected)


def test_a_term_is_taken_up_only_by_a_command_of_that_term() -> None:
    replica = a_replica()
    replica.term = 4
    command = TakeLeadership(term=4, node_id=NodeId("n1"))
    assert replica.refusal(command, leader_term=3).code is Code.FENCED
    assert replica.refusal(command, leader_term=0).code is Code.FENCED
    replica.must(command, leader_term=4)


def test_another_leader_is_told_of_and_the_first_and_the_same_are_not() -> None:
    replica = Replica()
    replica.lead("n1")
    replica.must(a_node("n1"))
    replica.must(a_node("n2"))
    replica.lead("n1")
    replica.lead("n2")
    told = [
        event.summary for event in EVENTS.scan(replica.txn) if event.kind is EventKind.NODE_LEADER_CHANGED
    ]
    assert told == ["Host host-n2 leads the cluster after host-n1"]
