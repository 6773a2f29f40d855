"""Hazards of pysyncobj 0.3.17 around elections, leadership and liveness.

Each is shown on an unmodified node where that can be done, then met by the engine. The numbers are those of
the table in cluster/raft/DESIGN.md.
"""

from __future__ import annotations

import threading

import pytest

from cluster.raft.types import Rule, Timing
from tests.simulation.rule_scenarios import (
    ack_snapshot_chunks,
    leader_stickiness,
    one_vote_per_voter,
    pre_vote,
    tell_stale_leader,
    tick_gap,
)
from tests.simulation.rule_scenarios import (
    fresh_deadline as check_fresh_deadline,
)
from tests.support import raft_kit
from tests.support.raft_kit import (
    FIVE,
    EngineNode,
    StockNode,
    ack,
    append_entries,
    entries,
    no_ops,
    request_vote,
    snapshot_chunk,
)

ALL_RULES_ON: frozenset[Rule] = frozenset()
LEADER = 2


def test_stock_counts_a_repeated_vote_twice() -> None:
    """H5: with votes that arrive twice, both sides of a 2|3 split elect a leader."""
    node = StockNode("n1", FIVE)
    term = node.campaign()
    node.receive("n2", {"type": "response_vote", "term": term})
    node.receive("n2", {"type": "response_vote", "term": term})
    assert node.state == LEADER, "two of five"


def test_stock_counts_the_vote_of_a_stranger() -> None:
    """H5."""
    node = StockNode("n1")
    term = node.campaign()
    node.receive("stranger", {"type": "response_vote", "term": term})
    assert node.state == LEADER


def test_every_voter_votes_once_and_nobody_else_does() -> None:
    """H5."""
    one_vote_per_voter(ALL_RULES_ON)
    node = EngineNode("n1")
    term = node.campaign()
    node.receive("stranger", {"type": "response_vote", "term": term})
    node.turn()
    assert node.role == "candidate"
    node.receive("n2", {"type": "response_vote", "term": term})
    node.turn()
    assert node.role == "leader"


def test_stock_stands_for_election_after_every_pause() -> None:
    """H20: the deadline is looked at before the sockets are."""
    node = StockNode("n2")
    terms = []
    for _ in range(10):
        node.hear("n1", append_entries(node.term or 1, (1, 0), commit=1))
        node.hand_clock.now += 5
        node.tick()
        terms.append(node.term)
    assert len(set(terms)) == 10, "ten pauses force ten elections"


def test_a_paused_follower_listens_before_it_suspects() -> None:
    """H20."""
    tick_gap(ALL_RULES_ON)
    node = EngineNode("n2")
    for _ in range(10):
        node.hear("n1", append_entries(1, (4, 0)))
        node.sent.clear()
        node.clock.now += 5
        node.turn()
        assert node.of_type("pre_vote") == []
    assert node.term == 1


def test_stock_deposes_a_healthy_leader_it_cannot_hear() -> None:
    """H20."""
    leader = StockNode("n1")
    term = leader.lead()
    deaf = StockNode("n2")
    deaf.wait(5)
    [request, *_] = [message for to, message in deaf.sent if to == "n1" and message["term"] > term]
    # Its log is not even long enough to win.
    leader.receive("n2", request)
    assert leader.state != LEADER


def test_a_node_that_cannot_hear_the_leader_does_not_raise_the_term() -> None:
    """H20."""
    pre_vote(ALL_RULES_ON)
    node = EngineNode("n2")
    node.wait(10)
    assert node.of_type("pre_vote")
    assert (node.term, node.of_type("request_vote")) == (0, [])


def test_a_voter_that_hears_a_leader_helps_nobody_else() -> None:
    """H20."""
    leader_stickiness(ALL_RULES_ON)
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0)))
    [reply] = node.hear("n3", raft_kit.pre_vote(2, (4, 0)))
    assert not reply["granted"]


def test_a_voter_helps_its_leaders_chosen_successor_at_once() -> None:
    """H20: a transfer is not held up by stickiness; the old leader has given up its lease."""
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0)))
    answers = node.hear("n3", request_vote(2, (4, 0), transfer=True))
    assert [message["type"] for message in answers] == ["response_vote"]


def test_a_restarted_voter_waits_as_if_it_had_just_heard_a_leader() -> None:
    """H20: it may have made a lease valid and forgotten it."""
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0)))
    node.crash()
    node.connect("n1", "n3")
    node.wait(0.7)
    assert node.hear("n3", request_vote(2, (4, 0))) == []
    node.wait(0.11)
    assert [message["type"] for message in node.hear("n3", request_vote(2, (4, 0)))] == ["response_vote"]


def test_stock_leads_for_thirty_seconds_without_hearing_anyone() -> None:
    """H21."""
    node = StockNode("n1")
    node.lead()
    node.wait(29, step_s=0.1)
    assert node.state == LEADER
    assert node.node._isLeader()


def test_a_leader_that_hears_no_quorum_steps_down_before_another_can_be_elected() -> None:
    """H21."""
    timing = Timing()
    node = EngineNode("n1")
    node.lead()
    heard_at = node.clock.now
    lease_until = node.engine.status().lease_until
    assert lease_until is not None
    while node.role == "leader":
        node.wait(0.01)
    assert node.clock.now - heard_at < timing.election_min_s
    assert lease_until - heard_at <= timing.lease_s + 1e-5


def test_one_of_two_followers_is_enough_of_a_quorum() -> None:
    """H21."""
    node = EngineNode("n1")
    node.lead()
    for _ in range(30):
        node.wait(0.1)
        node.acknowledge("n2")
    assert node.role == "leader"


def test_stock_acknowledges_no_part_of_a_snapshot_but_the_last() -> None:
    """H22: so a leader with a short check of its quorum deposes itself while it sends one."""
    node = StockNode("n2")
    assert node.hear("n1", snapshot_chunk(1, [b"part", True, False], commit=9)) == []


def test_every_part_of_a_snapshot_is_acknowledged() -> None:
    """H22."""
    ack_snapshot_chunks(ALL_RULES_ON)
    node = EngineNode("n2")
    chunk: list[object] = [50, 1, 0, 1000, b"x" * 100, b""]
    [heartbeat] = node.hear("n1", snapshot_chunk(1, None, seq=7))
    assert heartbeat["seq"] == 7
    answers = node.hear("n1", snapshot_chunk(1, chunk, seq=8))
    assert [(answer["seq"], answer["success"], answer["reset"]) for answer in answers] == [(8, False, False)]


def test_stock_stands_again_in_the_tick_after_it_stepped_down() -> None:
    """H25."""
    node = StockNode("n1", leaderFallbackTimeout=0.7)
    term = node.lead()
    for _ in range(20):
        node.wait(0.1)
        node.receive("n2", ack(term, 3))
    while node.state == LEADER:
        node.wait(0.01)
    node.tick()
    assert node.term > term


def test_a_leader_that_stepped_down_waits_a_whole_timeout() -> None:
    """H25."""
    check_fresh_deadline(ALL_RULES_ON)


def test_stock_replays_its_whole_log_in_one_tick() -> None:
    """H26."""
    node = StockNode("n1")
    node.hear("n2", append_entries(1, (1, 0), no_ops(range(2, 5002), 1), commit=5001))
    node.tick()
    assert node.node.raftLastApplied == 5001


def test_a_turn_applies_a_bounded_number_of_entries() -> None:
    """H26."""
    node = EngineNode("n1", apply_max=100)
    node.hear("n2", append_entries(1, (4, 0), entries(range(5, 1005), 1), commit=1004))
    assert node.engine.status().applied_index <= 101
    assert node.engine.next_wakeup() <= node.clock.now, "the rest follows at once"
    for _ in range(12):
        node.turn()
    assert node.engine.status().applied_index == 1004


def test_an_engine_has_no_thread_and_hides_no_error() -> None:
    """H26: pysyncobj's own thread logs an exception and goes on, and ends with the thread that made it."""
    threads = threading.active_count()
    node = EngineNode("n1")
    assert threading.active_count() == threads
    assert not node.engine._core.node.conf.autoTick

    def broken(index: int, term: int, command: bytes) -> bytes:
        raise OSError("the disk is gone")

    node.machine.apply_command = broken  # type: ignore[method-assign]  # a broken machine
    node.receive("n2", append_entries(1, (4, 0), entries([5], 1), commit=5))
    with pytest.raises(OSError, match="the disk is gone"):
        node.turn()


def test_stock_in_batch_mode_lets_a_command_wait_for_the_period() -> None:
    """H27: and, without it, sends every command in a message of its own, at the cost of H2."""
    node = StockNode("n1", appendEntriesUseBatch=True)
    node.lead()
    node.wait(0.2)
    node.sent.clear()
    node.propose("x")
    node.tick()
    assert not [message for message in node.of_type("append_entries") if message["entries"]]
    node.wait(0.16)
    assert [message for message in node.of_type("append_entries") if message["entries"]]


def test_a_command_leaves_in_the_turn_it_was_proposed_in_and_is_told_in_the_turn_it_commits_in() -> None:
    """H27: batches form by themselves, from what has gathered when the turn comes."""
    node = EngineNode("n1")
    term = node.lead()
    node.sent.clear()
    outcomes = [node.propose("x"), node.propose("y")]
    node.turn()
    index = node.journal.last_index
    [message] = node.to("n2", "append_entries")
    assert [entry[1] for entry in message["entries"]] == [index - 1, index]
    node.hear("n2", ack(term, index + 1, seq=message["seq"]))
    assert [len(outcome) for outcome in outcomes] == [1, 1]
    assert node.to("n3", "append_entries")[-1]["commit_index"] == index


def test_the_next_command_tells_that_the_last_is_committed() -> None:
    """H27: neither a message of its own, nor the acknowledgements and turns that come with one."""
    node = EngineNode("n1", commit_notice_s=0.002)
    term = node.lead()
    node.wait(0.01)
    node.propose("x")
    node.turn()
    index = node.journal.last_index
    node.sent.clear()
    node.hear("n2", ack(term, index + 1))
    assert node.of_type("append_entries") == []
    node.propose("y")
    node.turn()
    [message] = node.to("n3", "append_entries")
    assert (message["commit_index"], message["entries"][-1][1]) == (index, index + 1)
    node.wait(0.01)
    assert node.to("n3", "append_entries") == [message]


def test_followers_are_told_of_many_committed_entries_before_the_leader_applies_them() -> None:
    """H27: so that all nodes apply them at the same time, not one after the other."""
    node = EngineNode("n1")
    term = node.lead()
    node.wait(0.01)
    told: list[int] = []
    apply = node.machine.apply_command

    def noting(index: int, entry_term: int, command: bytes) -> bytes:
        told.append(max(message["commit_index"] for message in node.to("n3", "append_entries")))
        return apply(index, entry_term, command)

    node.machine.apply_command = noting  # type: ignore[method-assign]  # notes what was sent before
    for _ in range(Timing().commit_notice_entries):
        node.propose("x")
    node.turn()
    index = node.journal.last_index
    node.hear("n2", ack(term, index + 1))
    assert told == [index] * Timing().commit_notice_entries


def test_a_follower_that_waits_for_its_command_is_told_at_once_that_it_is_committed() -> None:
    """H27."""
    node = EngineNode("n1", commit_notice_s=0.002)
    term = node.lead()
    node.wait(0.01)
    node.receive("n3", {"type": "propose", "id": ["1", 1], "command": b"x"})
    node.turn()
    index = node.journal.last_index
    node.sent.clear()
    node.hear("n2", ack(term, index + 1))
    assert [message["commit_index"] for message in node.to("n3", "append_entries")] == [index]
    assert [message["index"] for message in node.to("n3", "proposed")] == [index]


def test_stock_keeps_silent_towards_a_leader_of_an_older_term() -> None:
    """Not in the notes: so a node whose candidacy failed stays out until the others' term has caught up."""
    node = StockNode("n2")
    term = node.campaign()
    assert term == 1
    node.wait(3)
    assert node.term > 1
    assert node.hear("n1", append_entries(1, (1, 0), commit=1)) == []


def test_a_leader_of_an_older_term_is_told_and_steps_down() -> None:
    """As above."""
    tell_stale_leader(ALL_RULES_ON)
    node = EngineNode("n2")
    node.hear("n3", append_entries(5, (4, 0)))
    [answer] = node.hear("n1", append_entries(3, (4, 0), entries([5], 3)))
    assert (answer["term"], answer["success"]) == (5, False)
    assert node.journal.last_index == 4


def test_stock_spins_while_a_snapshot_is_not_ready() -> None:
    """Not in the notes: it asks for it again and again, and sends as many empty messages, for a period."""
    clock = _Advancing()
    node = StockNode("n1", clock=clock)
    node.lead()
    node.node._SyncObj__raftNextIndex.update(dict.fromkeys(node.node.otherNodes, 1))
    node.journal.held[:] = [(b"\x01", 9, 0), (b"\x01", 10, 1)]
    node.sent.clear()
    clock.now += 0.2
    node.tick()
    assert len(node.of_type("append_entries")) > 50, "one tick fills the queue of the transport"


class _Advancing:
    """A clock that moves by a millisecond whenever it is read, as a real one does meanwhile."""

    def __init__(self) -> None:
        self.now = raft_kit.STARTED_AT

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def test_a_snapshot_that_is_not_ready_costs_one_heartbeat() -> None:
    """As above."""
    node = EngineNode("n1", log_entries_max=20, log_trailing=5)
    node.lead()
    for _ in range(40):
        node.propose()
    node.turn()
    node.acknowledge("n2")
    node.acknowledge("n2")
    assert node.journal.first_index > 5
    node.machine.take_snapshot = lambda: None  # type: ignore[method-assign]  # never ready
    node.disconnect("n3")
    node.connect("n3")
    node.receive("n3", ack(node.term, 1, success=False, reset=True))
    node.sent.clear()
    node.turn()
    assert [message["serialized"] for message in node.to("n3")] in ([None], [None, None])
