"""Hazards of pysyncobj 0.3.17 around changes of the membership.

Each is shown on an unmodified node where that can be done, then met by the engine. The numbers are those of
the table in cluster/raft/DESIGN.md.
"""

from __future__ import annotations

import pytest

from cluster.encoding import pack
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.types import Outcome, ProposalOutcome, RaftError
from tests.simulation.rule_scenarios import one_change_at_a_time
from tests.simulation.scenario import Scenario
from tests.support.raft_kit import (
    EngineNode,
    PerfectJournal,
    StockNode,
    ack,
    append_entries,
    no_ops,
    pre_vote,
    request_vote,
)


def change(node: EngineNode, op: MemberOp, node_id: str) -> list[ProposalOutcome]:
    outcomes: list[ProposalOutcome] = []
    address = "" if op is MemberOp.REMOVE else f"{node_id}:7444"
    node.engine.change_members(MemberChange(op, node_id, address), outcomes.append)
    node.turn()
    return outcomes


def test_stock_takes_a_second_change_before_the_first_is_committed() -> None:
    """H6: a leader cut off with two new nodes, and the two others without it, are then both majorities."""
    node = StockNode("n1", dynamicMembershipChange=True)
    node.lead()
    node.change_members("add", "n4")
    node.change_members("add", "n5")
    node.tick()
    assert {other.id for other in node.node.otherNodes} == {"n2", "n3", "n4", "n5"}
    assert node.commit_index < node.journal[-1][1] - 1, "neither is committed"


def test_one_change_is_committed_before_the_next_is_taken() -> None:
    """H6."""
    one_change_at_a_time(frozenset())
    node = EngineNode("n1")
    node.lead()
    first = change(node, MemberOp.LEARNER, "n4")
    second = change(node, MemberOp.LEARNER, "n5")
    assert first == []
    assert second[0].outcome is Outcome.REFUSED
    assert second[0].result == b"another membership change is not committed yet: try again in a moment"
    node.acknowledge("n2")
    assert first[0].outcome is Outcome.APPLIED
    assert change(node, MemberOp.LEARNER, "n5") == []


def test_a_change_waits_for_an_entry_of_the_leaders_own_term() -> None:
    """H6: without that, two leaders' single changes can make two majorities (Ongaro, raft-dev, 2015)."""
    node = EngineNode("n1")
    term = node.campaign()
    node.receive("n2", {"type": "response_vote", "term": term})
    node.turn()
    refused = change(node, MemberOp.LEARNER, "n4")
    assert refused[0].outcome is Outcome.REFUSED
    assert b"has not committed an entry of its own term yet" in refused[0].result


def test_stock_forgets_a_change_that_was_not_applied_before_a_restart() -> None:
    """H18: Raft counts by the newest membership in the log, committed or not."""
    log = [*no_ops([1], 0), (b"\x02" + pack(["add", "n4"]), 2, 1)]
    node = StockNode("n1", journal=PerfectJournal(log), dynamicMembershipChange=True)
    node.tick()
    assert {other.id for other in node.node.otherNodes} == {"n2", "n3"}


def test_a_change_in_the_log_is_in_force_after_a_crash_committed_or_not() -> None:
    """H18."""
    node = EngineNode("n1")
    node.lead()
    change(node, MemberOp.LEARNER, "n4")
    node.crash()
    assert set(node.engine.members.learners) == {"n4"}
    assert set(node.engine.committed_members.learners) == set()


def test_a_change_that_is_replaced_is_in_force_no_longer() -> None:
    """H18."""
    node = EngineNode("n1")
    term = node.lead()
    change(node, MemberOp.LEARNER, "n4")
    node.hear("n2", append_entries(term + 1, (5, term), no_ops([6], term + 1)))
    assert set(node.engine.members.learners) == set()
    node.crash()
    assert set(node.engine.members.learners) == set()


def test_membership_survives_the_compaction_of_the_entries_that_made_it() -> None:
    """H18."""
    node = EngineNode("n1", log_entries_max=20, log_trailing=5)
    node.lead()
    change(node, MemberOp.LEARNER, "n4")
    node.acknowledge("n2")
    for _ in range(40):
        node.propose()
    node.turn()
    node.acknowledge("n2")
    node.turn()
    assert node.journal.first_index > 10
    assert node.journal.membership_entries() == ()
    node.crash()
    assert set(node.engine.members.voters) == {"n1", "n2", "n3"}
    assert set(node.engine.members.learners) == {"n4"}


def test_pysyncobj_itself_never_changes_the_membership() -> None:
    """H18: its own dump and its own commands cannot override the log's."""
    node = EngineNode("n1")
    guarded = node.engine._core.node
    assert not guarded.conf.dynamicMembershipChange
    with pytest.raises(RaftError, match="the engine alone does"):
        guarded._SyncObj__changeCluster(["add", "n4"])


def test_stock_lets_a_removed_node_raise_the_term_again_and_again() -> None:
    """H24."""
    node = StockNode("n1", dynamicMembershipChange=True)
    node.lead()
    node.change_members("rem", "n3")
    node.tick()
    for term in range(10, 15):
        node.receive("n3", request_vote(term, (1, 0)))
    assert node.term == 14


def a_leader_that_removed(node_id: str) -> EngineNode:
    node = EngineNode("n1")
    node.lead()
    removed = change(node, MemberOp.REMOVE, node_id)
    node.acknowledge("n2")
    assert removed[0].outcome is Outcome.APPLIED
    return node


def test_a_removed_node_is_told_and_not_listened_to() -> None:
    """H24."""
    node = a_leader_that_removed("n3")
    assert node.to("n3", "removed"), "told when it is committed"
    for message in (
        request_vote(10, (99, 9)),
        pre_vote(10, (99, 9)),
        append_entries(10, (4, 0)),
        ack(10, 5),
        {"type": "propose", "id": ["n3.1", 1], "command": b"x"},
    ):
        assert [answer["type"] for answer in node.hear("n3", message)] == ["removed"], message["type"]
    assert (node.role, node.term) == ("leader", 1)


def test_every_member_tells_a_removed_node_not_only_the_leader() -> None:
    """H24: the leader may be another by the time it returns."""
    node = EngineNode("n2")
    removal = (MemberChange(MemberOp.REMOVE, "n3").encode(), 5, 1)
    node.hear("n1", append_entries(1, (4, 0), [removal], commit=5))
    assert [answer["type"] for answer in node.hear("n3", pre_vote(2, (4, 0)))] == ["removed"]


def test_a_node_that_is_told_of_its_removal_stands_no_more() -> None:
    """H24: its owner wipes it."""
    node = EngineNode("n3")
    node.hear("n1", append_entries(1, (4, 0)))
    node.hear("n1", {"type": "removed", "term": 1})
    assert node.engine.status().is_removed
    node.sent.clear()
    node.wait(1)
    assert node.of_type("pre_vote") == []


def test_a_node_removed_while_it_was_away_learns_it_when_it_returns() -> None:
    """H24."""
    scenario = Scenario()
    leader = scenario.elect()
    away = scenario.others(leader)[0]
    scenario.isolate(away)
    scenario.run(1)
    removed = scenario.change(leader, MemberOp.REMOVE, away.node_id)
    scenario.until(lambda: removed.is_applied, within_s=3, what="the removal is committed")
    scenario.rejoin(away)
    scenario.until(lambda: away.is_retired, within_s=3, what="the removed node knows")
    assert scenario.leaders == 1


def test_a_removed_node_is_told_by_members_of_a_lower_term_too() -> None:
    """H24: its last candidacy, which nobody heard, may have taken it ahead; a removal is for ever."""
    scenario = Scenario()
    leader = scenario.elect()
    away = scenario.others(leader)[0]
    scenario.isolate(away)
    assert away.engine is not None
    away.engine._core.node.set_term(away.engine.status().term + 1, away.node_id)
    scenario.run(1)
    removed = scenario.change(leader, MemberOp.REMOVE, away.node_id)
    scenario.until(lambda: removed.is_applied, within_s=3, what="the removal is committed")
    scenario.rejoin(away)
    scenario.until(lambda: away.is_retired, within_s=3, what="the removed node knows")
    assert scenario.leaders == 1
