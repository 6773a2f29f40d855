"""Hazards of pysyncobj 0.3.17 around the log and the commit index.

Each is shown on an unmodified node where that can be done, then met by the engine. The numbers are those of
the table in cluster/raft/DESIGN.md.
"""

from __future__ import annotations

from typing import Any

import pytest
from pysyncobj.journal import createJournal

from cluster.encoding import EncodingError, pack
from cluster.raft import wire
from cluster.raft.binding import RaftNode
from cluster.raft.types import COMMAND_BYTES_MAX, Outcome, RaftError, Rule, Timing
from tests.simulation.crash_log import PowerLost
from tests.simulation.rule_scenarios import (
    commit_only_verified,
    fast_backup,
    keep_matching_entries,
    monotonic_next_index,
    probe_downwards,
    refuse_old_snapshot,
    sync_before_send,
    term_on_acks,
)
from tests.support.raft_kit import (
    FIVE,
    EngineNode,
    PerfectJournal,
    StockNode,
    ack,
    an_entry,
    append_entries,
    entries,
    no_ops,
    request_vote,
    snapshot_chunk,
)

ALL_RULES_ON: frozenset[Rule] = frozenset()


def indexes_sent(messages: list[dict[str, Any]]) -> list[int]:
    return [index for message in messages for _, index, _ in message.get("entries", ())]


def a_stock_follower(last: int = 10) -> StockNode:
    """A stock node that holds entries 2 to `last` of term 1, and has acknowledged them to n2."""
    node = StockNode("n1")
    answers = node.hear("n2", append_entries(1, (1, 0), no_ops(range(2, last + 1), 1), commit=1))
    assert answers[-1]["next_node_idx"] == last + 1
    return node


def test_stock_truncates_acknowledged_entries_without_a_conflict() -> None:
    """H1."""
    node = a_stock_follower(10)
    [answer] = node.hear("n2", append_entries(1, (4, 1), commit=1))
    assert answer["success"]
    assert node.held()[-1] == (4, 1), "entries 5 to 10 were acknowledged and are gone"


def test_a_repeated_message_leaves_acknowledged_entries_alone() -> None:
    """H1."""
    keep_matching_entries(ALL_RULES_ON)
    node = EngineNode("n3")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 11), 1)))
    [answer] = node.hear("n1", append_entries(1, (6, 1)))
    assert (answer["success"], answer["next_node_idx"]) == (True, 7), "only what was compared is acknowledged"
    assert node.durable()[-1] == (10, 1)
    node.hear("n1", append_entries(1, (9, 1), entries([10, 11, 12], 1)))
    assert node.durable(9) == [(9, 1), (10, 1), (11, 1), (12, 1)]


def test_a_conflicting_entry_is_still_replaced() -> None:
    """H1: the rule keeps what matches, and nothing else."""
    node = EngineNode("n3")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 11), 1)))
    node.hear("n2", append_entries(2, (4, 0), [*entries([5, 6], 1), *entries([7], 2)]))
    assert node.durable(5) == [(5, 1), (6, 1), (7, 2)]


def test_stock_commits_entries_it_has_not_compared_with_the_leaders() -> None:
    """H1, by way of a snapshot: that message compares no entry, and moves the commit index all the same."""
    node = a_stock_follower(10)
    node.hear("n3", snapshot_chunk(2, None, commit=8))
    assert node.commit_index == 8, "entries of n2 that n3 may not have are committed here"


def test_only_compared_entries_are_committed() -> None:
    """H1."""
    commit_only_verified(ALL_RULES_ON)
    node = EngineNode("n3")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 11), 1)))
    node.hear("n1", append_entries(1, (6, 1), commit=9))
    assert node.commit_index == 6


def test_stock_sends_again_what_is_under_way_for_every_acknowledgement() -> None:
    """H2."""
    node = StockNode("n1")
    term = node.lead()
    node.sent.clear()
    for number in range(4):
        node.propose(f"{number}")
        node.tick()
    first = node.journal[-1][1] - 3
    node.sent.clear()
    node.receive("n2", ack(term, first + 1))
    node.wait(0.2)
    again = indexes_sent([message for to, message in node.sent if to == "n2"])
    assert again[:3] == [first + 1, first + 2, first + 3], "nothing was lost, and all is sent again"


def test_an_acknowledgement_sends_nothing_again() -> None:
    """H2."""
    node = EngineNode("n1")
    term = node.lead()
    for number in range(4):
        node.propose(f"{number}")
        node.turn()
    first = node.journal.last_index - 3
    node.sent.clear()
    node.receive("n2", ack(term, first + 1))
    node.wait(0.5)
    assert indexes_sent(node.to("n2")) == []


def test_entries_cross_a_slow_link_once() -> None:
    """H2: measured over a simulated link with a round trip of 100 to 200 ms."""
    monotonic_next_index(ALL_RULES_ON)
    with pytest.raises(AssertionError, match="every entry was sent"):
        monotonic_next_index(frozenset({Rule.MONOTONIC_NEXT_INDEX}))


def test_stock_backs_up_one_entry_per_round_trip() -> None:
    """H3."""
    node = a_stock_follower(400)
    [answer] = node.hear("n3", append_entries(2, (399, 2)))
    assert (answer["reset"], answer["next_node_idx"]) == (True, 399), "398 round trips to go"


def test_a_conflict_goes_back_to_the_start_of_its_term_at_once() -> None:
    """H3."""
    node = EngineNode("n3")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 405), 1)))
    [answer] = node.hear("n2", append_entries(3, (404, 2)))
    assert (answer["reset"], answer["success"], answer["next_node_idx"]) == (True, False, 5)


def test_a_conflict_never_goes_back_below_what_is_committed() -> None:
    """H3."""
    node = EngineNode("n3")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 105), 1), commit=50))
    [answer] = node.hear("n2", append_entries(3, (104, 2)))
    assert answer["next_node_idx"] == 51


def test_stock_obeys_the_last_of_many_resets() -> None:
    """H3: the first says where the logs part, the others where the follower's ends."""
    node = StockNode("n1")
    term = node.lead()
    for number in range(40):
        node.propose(f"{number}")
        node.tick()
    for next_index in (3, 30, 30):
        node.receive("n3", ack(term, next_index, success=False, reset=True))
    assert node.node._SyncObj__raftNextIndex[RaftNode("n3")] == 30


def test_the_lowest_of_many_resets_counts_until_one_message_fits() -> None:
    """H3."""
    probe_downwards(ALL_RULES_ON)
    fast_backup(ALL_RULES_ON)
    node = EngineNode("n1")
    term = node.lead()
    for _ in range(40):
        node.propose()
    node.turn()
    node.acknowledge("n2", "n3")
    matched = node.journal.last_index
    node.sent.clear()
    node.hear("n3", ack(term, 3, success=False, reset=True))
    assert indexes_sent(node.to("n3")) == []
    assert all(message["prevLogIdx"] >= matched for message in node.to("n3")), (
        "never below an acknowledgement"
    )


def test_stock_counts_acknowledgements_of_another_term() -> None:
    """H4: five nodes; two acknowledgements of the first term arrive in the third."""
    node = StockNode("n1", FIVE)
    first = node.lead()
    for number in range(6):
        node.propose(f"first {number}")
        node.tick()
    claimed = node.journal[-1][1] + 1
    node.hear("n2", append_entries(first + 1, (2, first), no_ops([3], first + 1), commit=2))
    node.lead()
    outcomes = [node.propose(f"third {number}") for number in range(6)]
    for _ in range(6):
        node.tick()
    before = node.commit_index
    node.receive("n4", ack(first, claimed))
    node.receive("n5", ack(first, claimed))
    node.tick()
    assert node.commit_index > before, "entries that n4 and n5 never saw are committed"
    assert any(outcome for outcome in outcomes), "and acknowledged to a client"


def test_an_acknowledgement_counts_in_its_own_term_only() -> None:
    """H4."""
    term_on_acks(ALL_RULES_ON)
    node = EngineNode("n1")
    term = node.lead()
    node.hear("n2", ack(term + 1, 1, success=False))
    assert (node.role, node.term) == ("follower", term + 1), "a higher term is followed"


def test_stock_installs_a_snapshot_older_than_what_it_has() -> None:
    """H9."""
    node = a_stock_follower(10)
    node.hear("n2", append_entries(1, (10, 1), commit=8))
    node.tick()
    assert node.node.raftLastApplied == 8
    node.dump.to_load = (None, an_entry(4, 1), an_entry(3, 1), [])
    node.hear("n2", snapshot_chunk(1, [b"", True, True], commit=8))
    assert node.node.raftLastApplied == 4, "the state went back in time"
    assert node.held()[-1] == (4, 1), "and the acknowledged tail is gone"


def test_a_snapshot_older_than_what_is_committed_is_refused() -> None:
    """H9."""
    refuse_old_snapshot(ALL_RULES_ON)
    node = EngineNode("n3")
    node.hear("n2", append_entries(1, (4, 0), entries(range(5, 15), 1), commit=12))
    answer = node.hear("n2", snapshot_chunk(1, [12, 1, 0, 10, b"x" * 10, b"s" * 32], commit=12))[-1]
    assert (answer["success"], answer["next_node_idx"]) == (True, 13), "it says what it has instead"


def test_acknowledged_entries_survive_a_power_cut() -> None:
    """H13; the journal's own tests are in test_journal and test_log_storage_faults."""
    sync_before_send(ALL_RULES_ON)
    node = EngineNode("n3")
    [answer] = node.hear("n1", append_entries(1, (4, 0), entries(range(5, 9), 1)))
    node.crash()
    assert node.journal.last_index == answer["next_node_idx"] - 1


def test_a_leader_does_not_count_itself_before_its_own_entry_is_durable() -> None:
    """H13."""
    node = EngineNode("n1")
    term = node.lead()
    committed = node.commit_index
    node.propose()
    node.log.interrupt_next()
    with pytest.raises(PowerLost):
        node.turn()
    # The entry may already have reached the others, whose acknowledgements are on their way.
    node.receive("n2", ack(term, committed + 2))
    assert node.commit_index == committed
    node.crash()
    assert node.journal.last_index == committed


def test_stock_forgets_term_and_vote_without_a_journal_file() -> None:
    """H15: and votes a second time in one term."""
    node = StockNode("n3", journal=createJournal(None))
    assert [message["type"] for message in node.hear("n1", request_vote(1, (1, 0)))] == ["response_vote"]
    restarted = StockNode("n3", journal=createJournal(None))
    assert restarted.term == 0
    assert [message["type"] for message in restarted.hear("n2", request_vote(1, (1, 0)))] == ["response_vote"]


def test_a_restarted_node_has_its_term_and_its_vote() -> None:
    """H15; the bounds on memory are in test_journal."""
    node = EngineNode("n3")
    node.wait(1.0)
    assert [message["type"] for message in node.hear("n1", request_vote(1, (4, 0)))] == ["response_vote"]
    node.crash()
    node.connect("n1", "n2")
    node.wait(0.81)
    assert node.term == 1
    assert node.hear("n2", request_vote(1, (4, 0))) == []


def test_stock_ends_a_chunked_entry_at_the_wrong_length() -> None:
    """H17: two batches hold the command, but not the entry around it."""
    node = StockNode("n1", appendEntriesBatchSizeBytes=200)
    node.lead()
    node.sent.clear()
    node.propose_bytes(b"x" * 397)
    node.tick()
    chunks = [message for to, message in node.sent if to == "n2" and "transmission" in message]
    assert [message["transmission"] for message in chunks] == ["start", "finish", "finish"]
    follower = StockNode("n2", journal=PerfectJournal(node.journal.held[:2]))
    follower.receive("n1", chunks[0])
    with pytest.raises(EncodingError):
        follower.receive("n1", chunks[1])


def test_no_command_is_large_enough_to_be_chunked() -> None:
    """H17."""
    assert Timing().batch_bytes >= 2 * COMMAND_BYTES_MAX
    node = EngineNode("n1")
    term = node.lead()
    outcomes = node.propose("x" * (COMMAND_BYTES_MAX + 1))
    node.turn()
    assert outcomes[0].outcome is Outcome.REFUSED
    assert b"split it" in outcomes[0].result
    node.hear("n2", {"type": "propose", "id": ["n2.1", 1], "command": b"x" * (COMMAND_BYTES_MAX + 1)})
    assert node.to("n2", "proposed")[-1]["outcome"] == Outcome.REFUSED
    chunk = {**append_entries(term, (1, 0)), "transmission": "start", "data": b""}
    with pytest.raises(wire.WireError):
        wire.encode(chunk)


def test_a_message_that_would_chunk_an_entry_is_no_message_of_the_protocol() -> None:
    """H17."""
    with pytest.raises(wire.WireError):
        wire.decode(pack([1, 1, 0, 1, None, 1, 0, [], "start", b"data"]))


def test_two_leaders_in_one_term_end_the_process() -> None:
    """Not of the list: the tripwire for everything above."""
    node = EngineNode("n1")
    term = node.lead()
    with pytest.raises(RaftError, match="n2 leads in term 1, and so does this node"):
        node.receive("n2", append_entries(term, (4, 0)))
