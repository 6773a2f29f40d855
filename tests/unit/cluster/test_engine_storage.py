"""What the engine does with its log and its state: compaction, snapshots, full disks."""

from __future__ import annotations

import pytest

from cluster.raft.engine import found_cluster
from cluster.raft.journal import Journal
from cluster.raft.log_types import LogStorageFailed, LogStorageFull
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.types import Outcome, ProposalOutcome
from cluster.store import StoreFull
from tests.simulation.crash_log import CrashLog
from tests.support.raft_kit import EngineNode, ack, append_entries, entries, pre_vote, request_vote


def a_leader_with(count: int, **timings: int) -> EngineNode:
    """n1, leading, with `count` proposals taken by n2 and n3 and applied."""
    node = EngineNode("n1", **timings)
    node.lead()
    for _ in range(count):
        node.propose()
    node.turn()
    node.acknowledge("n2", "n3")
    node.turn()
    return node


def test_every_founder_writes_the_same_log() -> None:
    logs = [CrashLog(), CrashLog()]
    found_cluster(Journal(logs[0]), {"a": "a:1", "b": "b:1"})
    found_cluster(Journal(logs[1]), {"b": "b:1", "a": "a:1"})
    assert logs[0].read(1, 99, 9999) == logs[1].read(1, 99, 9999)


def test_a_log_is_compacted_to_a_trailing_window() -> None:
    node = a_leader_with(60, log_entries_max=20, log_trailing=5)
    assert node.journal.last_index - node.journal.first_index == 5
    node.turn()
    assert (node.durable()[0][0], node.store.flushed_index) == (
        node.journal.first_index,
        node.journal.last_index,
    )


def test_a_log_of_large_commands_is_compacted_by_its_bytes() -> None:
    node = EngineNode("n1", log_bytes_max=100_000)
    node.lead()
    for _ in range(30):
        node.propose("x" * 10_000)
    node.turn()
    node.acknowledge("n2", "n3")
    node.turn()
    assert node.journal.size_bytes < 200_000
    assert node.journal.first_index > 10


def test_nothing_is_compacted_that_the_state_has_not_on_disk() -> None:
    node = EngineNode("n1", log_entries_max=20, log_trailing=5)
    node.lead()
    durable = node.machine.sync()
    node.machine.sync = lambda: durable  # type: ignore[method-assign]  # a disk that does not get on
    for _ in range(60):
        node.propose()
    node.turn()
    node.acknowledge("n2", "n3")
    node.turn()
    assert node.journal.first_index <= durable


def test_the_log_keeps_what_follows_a_snapshot_that_is_being_sent() -> None:
    node = a_leader_with(60, log_entries_max=20, log_trailing=5, snapshot_chunk_bytes=64)
    node.disconnect("n3")
    node.connect("n3")
    node.sent.clear()
    # It lost its disk's contents no more than any slow node: it needs what the log no longer has.
    node.engine._core.node._SyncObj__raftNextIndex[node.engine._core.raft_node("n3")] = 2
    node.wait(0.2)
    [first, *_] = [message for message in node.to("n3") if message.get("serialized")]
    snapshot_index = first["serialized"][0]
    for _ in range(60):
        node.propose()
    node.turn()
    node.acknowledge("n2")
    node.turn()
    assert node.journal.first_index <= snapshot_index
    node.receive("n3", ack(node.term, snapshot_index + 1, seq=first["seq"]))
    node.sent.clear()
    node.turn()
    [message, *_] = [message for message in node.to("n3") if "entries" in message]
    assert message["prevLogIdx"] == snapshot_index, "it goes on with entries, not with another snapshot"


def test_a_member_that_vanishes_while_it_takes_a_snapshot_holds_nothing_back() -> None:
    node = a_leader_with(60, log_entries_max=20, log_trailing=5, snapshot_chunk_bytes=64)
    node.disconnect("n3")
    node.connect("n3")
    node.engine._core.node._SyncObj__raftNextIndex[node.engine._core.raft_node("n3")] = 2
    node.wait(0.2)
    assert node.engine._leading.sender.is_sending_to("n3")
    node.disconnect("n3")
    assert not node.engine._leading.sender.is_sending_to("n3")
    for _ in range(60):
        node.propose()
    node.turn()
    node.acknowledge("n2")
    node.turn()
    assert node.journal.last_index - node.journal.first_index == 5


def change(node: EngineNode, op: MemberOp, node_id: str) -> list[ProposalOutcome]:
    outcomes: list[ProposalOutcome] = []
    node.engine.change_members(MemberChange(op, node_id, f"{node_id}:7444"), outcomes.append)
    node.turn()
    return outcomes


def test_a_learner_votes_once_it_has_caught_up_and_not_before() -> None:
    node = a_leader_with(30, promote_lag_max=10)
    added = change(node, MemberOp.LEARNER, "n4")
    node.acknowledge("n2", "n3")
    assert added[0].outcome is Outcome.APPLIED
    refused = change(node, MemberOp.VOTER, "n4")
    assert refused[0].outcome is Outcome.REFUSED
    assert b"entries behind: it may vote once it has caught up" in refused[0].result
    node.connect("n4")
    node.turn()
    refused = change(node, MemberOp.VOTER, "n4")
    assert refused[0].outcome is Outcome.REFUSED, "connected, but nothing of it is known"
    node.hear("n4", ack(node.term, node.journal.last_index + 1))
    promoted = change(node, MemberOp.VOTER, "n4")
    node.acknowledge("n2", "n3")
    assert promoted[0].outcome is Outcome.APPLIED
    assert set(node.engine.status().voters) == {"n1", "n2", "n3", "n4"}


def test_a_change_asked_of_a_follower_is_made_by_the_leader() -> None:
    follower = EngineNode("n2")
    follower.hear("n1", append_entries(1, (4, 0)))
    outcomes = change(follower, MemberOp.LEARNER, "n4")
    [sent] = follower.to("n1", "change")
    assert (sent["op"], sent["node"], sent["address"]) == ("learner", "n4", "n4:7444")
    leader = EngineNode("n1")
    leader.lead()
    leader.hear("n2", sent)
    leader.acknowledge("n2")
    [answer] = leader.to("n2", "proposed")
    assert answer["outcome"] == Outcome.APPLIED
    follower.hear("n1", {**answer, "index": 0})
    assert outcomes[0].outcome is Outcome.APPLIED


def test_a_refusal_travels_back_in_words() -> None:
    leader = EngineNode("n1")
    leader.lead()
    message = {"type": "change", "id": ["n2.1", 1], "op": "remove", "node": "n1", "address": ""}
    leader.hear("n2", message)
    [answer] = leader.to("n2", "proposed")
    assert answer["outcome"] == Outcome.REFUSED
    assert answer["result"] == b"n1 is the leader: transfer leadership before removing it"


def test_a_learner_counts_for_nothing_but_gets_everything() -> None:
    node = EngineNode("n1")
    term = node.lead()
    change(node, MemberOp.LEARNER, "n4")
    node.acknowledge("n2")
    node.connect("n4")
    outcomes = node.propose()
    node.turn()
    assert node.to("n4", "append_entries")
    node.hear("n4", ack(term, node.journal.last_index + 1))
    assert outcomes == []
    node.hear("n2", ack(term, node.journal.last_index + 1))
    assert outcomes[0].outcome is Outcome.APPLIED


def test_a_full_log_acknowledges_nothing_and_goes_on_when_there_is_room() -> None:
    node = EngineNode("n2")
    node.log.is_full = True
    node.sent.clear()
    node.receive("n1", append_entries(1, (4, 0), entries([5, 6], 1)))
    for _ in range(3):
        with pytest.raises(LogStorageFull):
            node.turn()
    assert node.of_type("next_node_idx") == []
    assert node.durable()[-1] == (4, 0)
    node.log.is_full = False
    node.turn()
    assert [message["next_node_idx"] for message in node.of_type("next_node_idx")] == [7]
    assert node.durable()[-1] == (6, 1)


def test_a_leader_with_a_full_log_commits_nothing_on_its_own_word() -> None:
    node = EngineNode("n1")
    term = node.lead()
    committed = node.commit_index
    node.log.is_full = True
    outcomes = node.propose()
    with pytest.raises(LogStorageFull):
        node.turn()
    node.receive("n2", ack(term, committed + 2))
    with pytest.raises(LogStorageFull):
        node.turn()
    assert (outcomes, node.commit_index) == ([], committed)
    node.log.is_full = False
    node.turn()
    node.turn()
    assert outcomes[0].outcome is Outcome.APPLIED


def test_a_voter_with_a_full_log_answers_candidates() -> None:
    node = EngineNode("n2")
    node.wait(1.0)
    node.log.is_full = True
    node.receive("n1", append_entries(1, (4, 0), entries([5], 1)))
    with pytest.raises(LogStorageFull):
        node.turn()
    node.clock.now += 0.9
    node.sent.clear()
    node.receive("n3", pre_vote(2, (5, 1)))
    with pytest.raises(LogStorageFull):
        node.turn()
    assert [message["granted"] for message in node.to("n3", "pre_vote_reply")] == [True]
    node.receive("n3", request_vote(2, (5, 1)))
    with pytest.raises(LogStorageFull):
        node.turn()
    assert node.to("n3", "response_vote")
    assert node.log.load().voted_for == "n3", "on disk before it left"
    assert node.to("n1", "next_node_idx") == [], "what acknowledges entries stays"


def test_a_full_state_applies_later_and_acknowledges_the_log_meanwhile() -> None:
    node = EngineNode("n2")
    node.store.full = True
    node.sent.clear()
    node.receive("n1", append_entries(1, (4, 0), entries([5, 6], 1), commit=6))
    with pytest.raises(StoreFull):
        node.turn()
    assert [message["next_node_idx"] for message in node.to("n1")] == [7], "the log has room of its own"
    assert node.store.flushed_index == 0
    node.store.full = False
    node.turn()
    assert node.store.flushed_index == 6


def test_a_proposal_is_answered_after_its_effect_can_be_read() -> None:
    node = EngineNode("n1")
    node.lead()
    seen: list[int] = []
    node.engine.propose(b"x", lambda outcome: seen.append(node.store.flushed_index - outcome.index))
    node.turn()
    node.acknowledge("n2")
    assert seen == [0]


def test_a_failed_log_ends_the_node() -> None:
    node = EngineNode("n2")
    node.log.fail_next("failed")
    node.receive("n1", append_entries(1, (4, 0), entries([5], 1)))
    with pytest.raises(LogStorageFailed):
        node.turn()
    assert node.to("n1", "next_node_idx") == []
    with pytest.raises(LogStorageFailed):
        node.turn()


def test_many_inputs_are_one_write() -> None:
    node = EngineNode("n1")
    node.lead()
    writes = node.log.writes
    outcomes = [node.propose(f"{number}") for number in range(100)]
    node.turn()
    assert node.log.writes == writes + 1
    node.acknowledge("n2")
    assert all(outcome[0].outcome is Outcome.APPLIED for outcome in outcomes)
    assert [outcome[0].index for outcome in outcomes] == list(
        range(outcomes[0][0].index, outcomes[0][0].index + 100)
    )


def test_a_leader_sends_no_more_than_its_window_to_a_peer_that_does_not_answer() -> None:
    node = EngineNode("n1", inflight_bytes=100_000, batch_bytes=20_000)
    node.lead()
    node.sent.clear()
    for _ in range(100):
        node.propose("x" * 10_000)
        node.turn()
    sent = sum(len(command) for message in node.to("n3") for command, *_ in message.get("entries", ()))
    assert sent <= 130_000
    node.wait(0.2)
    assert node.to("n3")[-1]["entries"] == [], "but heartbeats go on"
    node.hear("n3", ack(node.term, node.to("n3")[0]["entries"][-1][1] + 1))
    assert node.to("n3", "append_entries"), "an acknowledgement makes room"
