"""One scenario per guard rule: what goes wrong without it, made to happen.

Each function plays its scenario with the given rules switched off and raises when a promise is broken. The
names in brackets are those of the hazards in cluster/raft/DESIGN.md.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.commands import Envelope, encode
from cluster.commands.settings import PutSetting
from cluster.raft.membership import MemberOp
from cluster.raft.types import ReadOutcome, Rule
from tests.simulation.crash_log import PowerLost
from tests.simulation.network import Way
from tests.simulation.scenario import Scenario
from tests.support.raft_kit import (
    FIVE,
    EngineNode,
    ack,
    append_entries,
    entries,
    request_vote,
    snapshot_chunk,
)

Off = frozenset[Rule]


def a_setting(number: int, value: str, client: str = "writer") -> bytes:
    """A command that writes `value`."""
    command = PutSetting(key=f"key-{number}", value=value, expected_version=None)
    return encode(
        Envelope(
            client_id=client, sequence=number, time_ms=number, leader_term=0, audit=None, command=command
        )
    )


def keep_matching_entries(off: Off) -> None:
    """A message that the leader sent again repeats two of ten acknowledged entries (H1)."""
    node = EngineNode("n3", off=off)
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 15), 1)))
    assert node.to("n1")[-1]["next_node_idx"] == 15
    node.hear("n1", append_entries(1, (4, 0), entries((5, 6), 1)))
    assert node.durable(5) == [(index, 1) for index in range(5, 15)], "acknowledged entries were dropped"


def commit_only_verified(off: Off) -> None:
    """A follower with a tail of its own hears how far the log is committed, in a message that compares only
    what precedes that tail, and in a part of a snapshot (H1).
    """
    for message in (append_entries(2, (4, 0), commit=7), snapshot_chunk(2, None, commit=7)):
        node = EngineNode("n3", off=off)
        node.hear("n1", append_entries(1, (4, 0), entries(range(5, 9), 1)))
        node.hear("n2", message)
        assert node.commit_index == 1 or node.commit_index == 4, "entries of another leader were committed"


def monotonic_next_index(off: Off) -> None:
    """Five hundred writes a second over a round trip that is longer than the pause between messages (H2)."""
    scenario = Scenario(off=off, latency_s=(0.05, 0.1))
    scenario.elect()
    scenario.listen()
    asked = scenario.load(500, 2)
    scenario.run(1)
    sent = sum(len(message.get("entries", ())) for _, _, _, message in scenario.sent)
    committed = sum(each.is_applied for each in asked)
    assert committed == 1000
    assert sent / (2 * committed) < 1.2, f"every entry was sent {sent / (2 * committed):.1f} times"


def probe_downwards(off: Off) -> None:
    """A follower with a tail of its own answers several messages that were under way at once: the first with
    where to go back to, the others with "my end". All answers arrive together (H3).
    """
    node = EngineNode("n1", off=off)
    term = node.lead()
    for _ in range(60):
        node.propose()
    node.turn()
    node.acknowledge("n2")
    node.sent.clear()
    for next_index in (6, 46, 46):
        node.receive("n3", ack(term, next_index, success=False, reset=True))
    node.turn()
    [first, *_] = node.to("n3", "append_entries")
    assert first["prevLogIdx"] == 5, "the leader goes on from where it knows that the follower differs"


def fast_backup(off: Off) -> None:
    """An old leader returns with a tail of four hundred entries that nobody else has, and the new one has
    sent as many into a session that did not last (H3).
    """
    scenario = Scenario(off=off, latency_s=(0.01, 0.02))
    old = scenario.elect()
    scenario.commit()
    scenario.isolate(old)
    for number in range(400):
        scenario.propose(old, f"lost {number}")
    scenario.until(
        lambda: any(node is not old for node in scenario.ready_leaders()), within_s=5, what="another leader"
    )
    deliver = scenario.drop(lambda _sender, receiver, _message: receiver == old.node_id)
    scenario.rejoin(old)
    scenario.run(0.5)
    scenario.load(400, 1.2)
    deliver()
    for other in scenario.others(old):
        scenario.world.network.reset(old.node_id, other.node_id)
    scenario.converge(2)


def term_on_acks(off: Off) -> None:
    """Acknowledgements of a leader's first term arrive in its second, when the acknowledged entries have long
    been replaced (H4).
    """
    node = EngineNode("n1", FIVE, off=off)
    first = node.lead()
    for _ in range(6):
        node.propose()
    node.turn()
    claimed = node.journal.last_index + 1
    committed = node.commit_index
    # Another leads, and replaces what only this node had.
    node.hear("n2", append_entries(first + 1, (committed, first), entries([committed + 1], first + 1)))
    node.lead()
    for _ in range(8):
        node.propose()
    node.turn()
    committed = node.commit_index
    for late in ("n4", "n5"):
        node.receive(late, ack(first, claimed))
    node.turn()
    assert node.commit_index == committed, "acknowledgements of another term were counted"


def one_vote_per_voter(off: Off) -> None:
    """One vote of five arrives twice (H5)."""
    node = EngineNode("n1", FIVE, off=off)
    term = node.campaign()
    node.receive("n2", {"type": "response_vote", "term": term})
    node.receive("n2", {"type": "response_vote", "term": term})
    node.turn()
    assert node.role == "candidate", "two of five voters elected a leader"


def one_change_at_a_time(off: Off) -> None:
    """A leader cut off with two learners makes voters of both, one right after the other (H6)."""
    scenario = Scenario(off=off)
    scenario.elect()
    new = [scenario.join(as_voter=False), scenario.join(as_voter=False)]
    leader = scenario.leader()
    scenario.converge(5)
    scenario.isolate(leader, but=[node.node_id for node in new])
    for node in new:
        for other in scenario.others(leader, *new):
            scenario.cut(node, other)
    for node in new:
        scenario.change(leader, MemberOp.VOTER, node.node_id)
    for _ in range(20):
        for node in scenario.ready_leaders():
            scenario.propose(node, f"by {node.node_id}")
        scenario.run(0.2)


def refuse_old_snapshot(off: Off) -> None:
    """A snapshot arrives that is older than what the follower has (H9)."""
    old = EngineNode("n1")
    old.hear("n2", append_entries(1, (4, 0), entries(range(5, 7), 1), commit=6))
    old.store.prepare_snapshot()
    snapshot = old.store.take_snapshot()
    assert snapshot is not None
    node = EngineNode("n3", off=off)
    node.hear("n2", append_entries(1, (4, 0), entries(range(5, 15), 1), commit=12))
    assert node.store.applied.index == 12
    data = snapshot.read(0, snapshot.size)
    chunk: list[object] = [snapshot.index, snapshot.term, 0, snapshot.size, data, snapshot.sha256]
    node.sent.clear()
    node.receive("n2", snapshot_chunk(1, chunk, commit=12))
    assert node.store.applied.index == 12, "the state went back in time"
    node.turn()
    answers = node.to("n2")
    assert node.durable(5)[-1] == (14, 1), "acknowledged entries were dropped"
    assert (answers[-1]["success"], answers[-1]["next_node_idx"]) == (True, 13)


def sync_before_send(off: Off) -> None:
    """The power goes while entries are being written (H13)."""
    node = EngineNode("n3", off=off)
    node.sent.clear()
    node.receive("n1", append_entries(1, (4, 0), entries(range(5, 8), 1)))
    node.log.interrupt_next()
    with pytest.raises(PowerLost):
        node.turn()
    acknowledged = [message["next_node_idx"] for message in node.to("n1") if message["success"]]
    node.crash()
    assert all(upto <= node.journal.last_index + 1 for upto in acknowledged), "acknowledged, and lost"


def ack_snapshot_chunks(off: Off) -> None:
    """A leader holds its quorum with nobody but the follower that takes a long snapshot over a slow link
    (H22).
    """
    scenario = Scenario(
        off=off, log_entries_max=60, log_trailing=15, snapshot_chunk_bytes=16 * 1024, snapshot_window=4
    )
    scenario.elect()
    behind, *rest = scenario.others(scenario.leader())
    behind.crash(is_power_cut=False)
    write_settings(scenario, 120, 4000)
    leader = scenario.leader()
    scenario.world.network.slow_down(leader.node_id, behind.node_id, latency_s=None, bytes_per_s=80_000)
    before = scenario.leaders
    behind.start()
    scenario.run(1)
    rest[0].crash(is_power_cut=False)
    scenario.until(lambda: scenario.has_all(behind), within_s=12, what="the snapshot arrives")
    assert scenario.leaders == before, "the leader deposed itself while it sent"


def write_settings(scenario: Scenario, count: int, value_bytes: int) -> None:
    """Fill the state, so that a snapshot of it has many chunks."""
    leader = scenario.leader()
    assert leader.engine is not None
    applied: list[object] = []
    for number in range(1, count + 1):
        leader.engine.propose(a_setting(number, "x" * value_bytes), applied.append)
    leader.turn_soon()
    scenario.until(lambda: len(applied) == count, within_s=5, what="the state is filled")


def pre_vote(off: Off) -> None:
    """A follower is heard by everybody and hears nobody for five seconds (H20)."""
    scenario = Scenario(off=off)
    leader = scenario.elect()
    deaf = scenario.others(leader)[0]
    listen = scenario.drop(lambda _sender, receiver, _message: receiver == deaf.node_id)
    scenario.run(5)
    listen()
    scenario.run(3)
    assert scenario.leaders == 1, "a node that came back deposed a healthy leader"
    assert scenario.leader() is leader


def leader_stickiness(off: Off) -> None:
    """A candidate's request, long under way, reaches a voter that hears another leader: that leader may hold
    a lease (H20, H24).
    """
    node = EngineNode("n2", off=off)
    node.hear("n1", append_entries(1, (4, 0), entries([5], 1)))
    node.wait(0.1)
    assert not node.hear("n3", request_vote(2, (5, 1))), "a vote against a leader that was just heard"
    assert node.term == 1
    node.wait(0.71)
    assert [message["type"] for message in node.hear("n3", request_vote(2, (5, 1)))] == ["response_vote"]


def tick_gap(off: Off) -> None:
    """A follower was stopped for five seconds, and its timer runs before its sockets are read (H20)."""
    node = EngineNode("n2", off=off)
    node.hear("n1", append_entries(1, (4, 0), entries([5], 1)))
    node.sent.clear()
    node.clock.now += 5
    node.turn()
    assert not node.of_type("pre_vote"), "the leader was suspected before it was listened to"
    assert node.engine.status().leader_id == "n1"


def fresh_deadline(off: Off) -> None:
    """A leader steps down, with an election deadline from before it led (H25)."""
    node = EngineNode("n1", off=off)
    term = node.lead()
    for _ in range(20):
        node.wait(0.1)
        node.acknowledge("n2", "n3")
    node.receive("n3", ack(term + 1, 1, success=False))
    node.sent.clear()
    node.wait(0.5)
    assert node.role == "follower"
    assert not node.of_type("pre_vote"), "it stood again at once"


def tell_stale_leader(off: Off) -> None:
    """A node whose candidacy nobody heard has a higher term than the leader that everyone else follows."""
    scenario = Scenario(off=off)
    leader = scenario.elect()
    outside = scenario.others(leader)[0]
    assert outside.engine is not None
    term = outside.engine.status().term
    outside.engine._core.node.set_term(term + 1, outside.node_id)
    scenario.load(20, 1)
    scenario.elect()
    scenario.load(20, 1)
    scenario.converge(5)


def confirm_reads(off: Off) -> None:
    """A deposed leader does not know it yet, because old acknowledgements keep arriving over a slow link
    (H33).
    """
    scenario = Scenario(off=off)
    old = scenario.elect_node("n1")
    slow = 0.0
    while slow < 4:
        slow += 0.3
        for other in scenario.others(old):
            scenario.world.network.slow_down(other.node_id, old.node_id, latency_s=(slow, slow))
        scenario.run(0.5)
    assert old.engine is not None
    assert old.engine.status().is_ready, "it still leads"
    for other in scenario.others(old):
        scenario.world.network.set_way(old.node_id, other.node_id, Way.STALLED)
    scenario.until(
        lambda: any(node is not old for node in scenario.ready_leaders()), within_s=3.5, what="another leader"
    )
    written = scenario.commit("written under the new leader")
    assert old.engine.status().is_ready, "it still believes that it leads"
    read = scenario.read(old)
    scenario.until(lambda: read.outcome is not None, within_s=8, what="an answer to the read")
    assert written.outcome is not None
    outcome = read.outcome
    assert isinstance(outcome, ReadOutcome)
    assert not outcome.is_confirmed or outcome.index >= written.outcome.index, "a stale read"


SCENARIOS: dict[Rule, tuple[Callable[[Off], None], str]] = {
    Rule.KEEP_MATCHING_ENTRIES: (keep_matching_entries, "acknowledged entries were dropped"),
    Rule.COMMIT_ONLY_VERIFIED: (commit_only_verified, "entries of another leader were committed"),
    Rule.MONOTONIC_NEXT_INDEX: (monotonic_next_index, "every entry was sent"),
    Rule.PROBE_DOWNWARDS: (probe_downwards, "knows that the follower differs"),
    Rule.FAST_BACKUP: (fast_backup, "everyone has everything"),
    Rule.TERM_ON_ACKS: (term_on_acks, "acknowledgements of another term|beyond this leader's log"),
    Rule.ONE_VOTE_PER_VOTER: (one_vote_per_voter, "two of five voters elected a leader"),
    Rule.ONE_CHANGE_AT_A_TIME: (one_change_at_a_time, "state machine safety|determinism|leases overlap"),
    Rule.REFUSE_OLD_SNAPSHOT: (refuse_old_snapshot, "went back in time"),
    Rule.SYNC_BEFORE_SEND: (sync_before_send, "acknowledged, and lost"),
    Rule.ACK_SNAPSHOT_CHUNKS: (ack_snapshot_chunks, "deposed itself|the snapshot arrives"),
    Rule.PRE_VOTE: (pre_vote, "deposed a healthy leader"),
    Rule.LEADER_STICKINESS: (leader_stickiness, "a vote against a leader"),
    Rule.TICK_GAP: (tick_gap, "before it was listened to"),
    Rule.FRESH_DEADLINE: (fresh_deadline, "it stood again at once"),
    Rule.TELL_STALE_LEADER: (tell_stale_leader, "everyone has everything"),
    Rule.CONFIRM_READS: (confirm_reads, "a stale read"),
}
"""Per rule: what to play, and how it fails without the rule."""
