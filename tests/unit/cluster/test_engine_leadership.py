"""Standing, leading, handing over: what the engine promises its owner about leadership."""

from __future__ import annotations

import pytest

from cluster.raft.types import LogUnusable, Outcome, Role, StateDiverged
from cluster.store.batched import CHECKPOINT_EVERY
from tests.support.raft_kit import (
    FIVE,
    EngineNode,
    Worst,
    ack,
    append_entries,
    entries,
    request_vote,
)


def test_a_node_stands_once_it_misses_its_leader() -> None:
    node = EngineNode()
    began = node.clock.now
    node.stand()
    assert 0.8 <= node.clock.now - began <= 1.5
    assert node.term == 0, "asking for pre-votes raises no term"


def test_pre_votes_of_an_earlier_round_do_not_count() -> None:
    node = EngineNode()
    first = node.stand()
    second = node.stand()
    assert second > first
    node.receive("n2", {"type": "pre_vote_reply", "term": 0, "round": first, "granted": True})
    node.turn()
    assert node.of_type("request_vote") == []
    node.receive("n2", {"type": "pre_vote_reply", "term": 0, "round": second, "granted": True})
    node.turn()
    assert node.of_type("request_vote")


def test_a_majority_of_pre_votes_is_needed() -> None:
    node = EngineNode("n1", FIVE)
    asked = node.stand()
    for _ in range(3):
        node.receive("n2", {"type": "pre_vote_reply", "term": 0, "round": asked, "granted": True})
    node.turn()
    assert node.of_type("request_vote") == []
    node.receive("n3", {"type": "pre_vote_reply", "term": 0, "round": asked, "granted": True})
    node.turn()
    assert {to for to, message in node.sent if message["type"] == "request_vote"} == {"n2", "n3", "n4", "n5"}


def test_a_pre_vote_reply_of_a_higher_term_is_followed() -> None:
    node = EngineNode()
    asked = node.stand()
    node.hear("n2", {"type": "pre_vote_reply", "term": 7, "round": asked, "granted": False})
    assert (node.term, node.role) == (7, "follower")


def test_term_and_own_vote_are_on_disk_before_votes_are_asked_for() -> None:
    node = EngineNode()
    term = node.campaign()
    assert node.log.load().term == term
    assert node.log.load().voted_for == "n1"


def test_a_node_votes_for_a_log_that_is_not_behind_its_own() -> None:
    node = EngineNode("n2")
    node.hear("n1", append_entries(3, (4, 0), entries([5, 6], 3)))
    node.wait(0.81)
    assert node.hear("n3", request_vote(4, (5, 3))) == []
    assert node.hear("n3", request_vote(5, (99, 2))) == []
    assert [message["type"] for message in node.hear("n3", request_vote(6, (6, 3)))] == ["response_vote"]


def test_a_leader_is_ready_once_an_entry_of_its_own_term_is_applied() -> None:
    node = EngineNode()
    term = node.campaign()
    node.receive("n2", {"type": "response_vote", "term": term})
    node.turn()
    status = node.engine.status()
    assert (status.role, status.is_ready, status.lease_until) == (Role.LEADER, False, None)
    node.acknowledge("n3")
    status = node.engine.status()
    assert status.is_ready
    assert status.lease_until is not None


def test_a_lease_counts_from_when_the_acknowledged_heartbeat_left() -> None:
    node = EngineNode()
    term = node.lead()
    node.wait(0.01)
    node.wait(0.16)
    left_at = node.clock.now
    seq = max(message["seq"] for message in node.to("n2", "append_entries"))
    node.wait(0.3)
    node.hear("n2", ack(term, node.journal.last_index + 1, seq=seq))
    lease_until = node.engine.status().lease_until
    assert lease_until is not None
    assert lease_until == pytest.approx(left_at + 0.6, abs=0.02)


def test_a_lease_needs_a_majority_of_voters_and_learners_do_not_count() -> None:
    node = EngineNode("n1", FIVE)
    term = node.lead()
    before = node.engine.status().lease_until
    node.wait(0.2)
    seq = max(message["seq"] for message in node.to("n2", "append_entries"))
    node.hear("n2", ack(term, node.journal.last_index + 1, seq=seq))
    assert node.engine.status().lease_until == before
    node.hear("n3", ack(term, node.journal.last_index + 1, seq=seq))
    after = node.engine.status().lease_until
    assert before is not None
    assert after is not None
    assert after > before


def test_leadership_goes_to_the_member_that_is_furthest() -> None:
    node = EngineNode()
    term = node.lead()
    node.propose()
    node.turn()
    node.acknowledge("n3")
    assert node.engine.transfer_leadership(None)
    node.turn()
    assert node.to("n3", "timeout_now") == [{"type": "timeout_now", "term": term}]
    assert node.to("n2", "timeout_now") == []


def test_leadership_does_not_go_to_a_member_that_lacks_what_is_committed() -> None:
    node = EngineNode()
    node.lead()
    node.propose()
    node.turn()
    node.acknowledge("n3")
    assert not node.engine.transfer_leadership("n2")
    assert not node.engine.transfer_leadership("stranger")
    node.disconnect("n3")
    assert not node.engine.transfer_leadership("n3"), "nor to one that cannot be told"
    assert EngineNode("n2").engine.transfer_leadership(None) is False, "a follower has none to give"


def test_a_leader_that_hands_over_has_no_lease_and_takes_no_work() -> None:
    node = EngineNode()
    node.lead()
    assert node.engine.transfer_leadership("n2")
    outcomes = node.propose()
    read = node.read_index()
    node.turn()
    assert node.engine.status().lease_until is None
    assert outcomes[0].outcome is Outcome.NO_LEADER
    assert not read[0].is_confirmed
    assert not node.engine.transfer_leadership("n3"), "one successor at a time"
    node.hear("n2", {"type": "propose", "id": ["n2.1", 1], "command": b"x"})
    assert node.to("n2", "proposed")[-1]["outcome"] == Outcome.NOT_LEADER


def test_a_leader_whose_successor_never_stands_steps_down() -> None:
    """It may hold no lease in this term again."""
    node = EngineNode()
    node.lead()
    assert node.engine.transfer_leadership("n2")
    for _ in range(16):
        node.wait(0.1)
        if node.role == "leader":
            node.acknowledge("n2", "n3")
    assert node.role == "follower"


def test_the_chosen_successor_stands_at_once_and_says_why() -> None:
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0)))
    node.sent.clear()
    node.hear("n1", {"type": "timeout_now", "term": 1})
    assert [message["transfer"] for message in node.of_type("request_vote")] == [True, True]
    assert node.of_type("pre_vote") == []


def test_a_stranger_cannot_make_a_node_stand() -> None:
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0)))
    node.sent.clear()
    node.hear("n3", {"type": "timeout_now", "term": 1})
    node.hear("n1", {"type": "timeout_now", "term": 0})
    assert node.sent == []


def test_a_learner_never_stands() -> None:
    node = EngineNode("n9", ("n1",), is_empty=True)
    node.connect("n1")
    node.wait(5)
    assert node.engine.status().role is Role.LEARNER
    assert node.sent == []


def test_a_cluster_of_one_elects_itself_and_commits_alone() -> None:
    node = EngineNode("n1", ("n1",))
    node.wait(1.5)
    assert node.engine.status().is_ready
    outcomes = node.propose()
    read = node.read_index()
    node.turn()
    node.turn()
    assert outcomes[0].outcome is Outcome.APPLIED
    assert read[0].is_confirmed
    assert node.durable()[-1][0] == outcomes[0].index


def test_a_cluster_of_one_loses_nothing_with_the_power() -> None:
    node = EngineNode("n1", ("n1",))
    node.wait(1.5)
    outcomes = [node.propose(f"{number}") for number in range(20)]
    node.turn()
    node.turn()
    assert all(outcome for outcome in outcomes)
    node.crash()
    node.wait(1.5)
    assert node.engine.status().is_ready
    assert node.engine.status().applied_index > outcomes[-1][0].index


def test_a_follower_whose_state_differs_from_its_leaders_ends_loudly() -> None:
    node = EngineNode("n2")
    last = CHECKPOINT_EVERY + 6
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, last), 1), commit=last - 1))
    checkpoint = node.machine.checkpoint()
    assert checkpoint is not None
    message = append_entries(1, (last - 1, 1), commit=last - 1)
    node.hear("n1", {**message, "digest": [checkpoint[0], checkpoint[1]]})
    with pytest.raises(StateDiverged, match="remove this node and join it again under a new identity"):
        node.receive("n1", {**message, "digest": [checkpoint[0], b"another hash"]})


def test_a_state_hash_told_before_it_is_reached_is_compared_when_it_is() -> None:
    node = EngineNode("n2")
    message = append_entries(1, (4, 0), entries(range(5, CHECKPOINT_EVERY + 6), 1), commit=6)
    node.hear("n1", {**message, "digest": [CHECKPOINT_EVERY, b"another hash"]})
    with pytest.raises(StateDiverged):
        node.hear("n1", append_entries(1, (CHECKPOINT_EVERY + 5, 1), commit=CHECKPOINT_EVERY + 5))


def test_a_log_that_lost_what_the_state_continues_from_is_refused() -> None:
    node = EngineNode("n2", log_entries_max=20, log_trailing=5)
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 61), 1), commit=60))
    node.turn()
    assert node.journal.first_index > 40
    node.store = type(node.store)()
    older = EngineNode("n3")
    older.hear("n1", append_entries(1, (4, 0), entries(range(5, 11), 1), commit=10))
    node.store = older.store
    with pytest.raises(LogUnusable, match="join it again under a new identity"):
        node.start()


def test_a_log_behind_an_installed_snapshot_begins_anew_after_it() -> None:
    """A crash between the snapshot's own flush and the log's note of it."""
    ahead = EngineNode("n3")
    ahead.hear("n1", append_entries(1, (4, 0), entries(range(5, 61), 1), commit=60))
    ahead.store.sync()
    node = EngineNode("n2")
    node.store = ahead.store
    node.start()
    assert (node.journal.first_index, node.journal.last_index) == (60, 60)
    assert node.engine.status().applied_index == 60
    assert set(node.engine.members.voters) == {"n1", "n2", "n3"}
    node.connect("n1")
    [answer] = node.hear("n1", append_entries(1, (60, 1), entries([61], 1), commit=61))
    assert answer["success"]


def test_the_next_turn_is_due_when_something_is() -> None:
    node = EngineNode()
    assert node.engine.next_wakeup() <= node.clock.now + 0.2
    node.lead()
    node.turn()
    heartbeat = node.engine.next_wakeup() - node.clock.now
    assert 0 < heartbeat <= 0.15
    node.propose()
    assert node.engine.next_wakeup() <= node.clock.now


def test_heartbeats_leave_every_period() -> None:
    node = EngineNode()
    node.lead()
    node.sent.clear()
    for _ in range(20):
        node.clock.now = max(node.clock.now + 0.001, node.engine.next_wakeup())
        node.turn()
        node.acknowledge("n2", "n3")
    assert len(node.to("n2", "append_entries")) >= 2


def test_a_status_is_what_an_owner_may_publish() -> None:
    node = EngineNode()
    node.lead()
    status = node.engine.status()
    assert (status.node_id, status.role, status.term, status.leader_id) == ("n1", Role.LEADER, 1, "n1")
    assert (status.commit_index, status.applied_index, status.last_index, status.first_index) == (5, 5, 5, 1)
    assert status.match_index == {"n2": 5, "n3": 5}
    assert status.connected == {"n2", "n3"}
    assert status.has_quorum
    node.disconnect("n2", "n3")
    assert not node.engine.status().has_quorum


def test_what_is_not_durable_dies_with_the_process_and_was_told_to_nobody() -> None:
    node = EngineNode("n2")
    node.sent.clear()
    node.receive("n1", append_entries(1, (4, 0), entries([5], 1)))
    assert node.sent == [], "nothing leaves before the turn"
    node.log.crash(Worst())
    node.start()
    assert node.journal.last_index == 4
