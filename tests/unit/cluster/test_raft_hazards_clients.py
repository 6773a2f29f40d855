"""Hazards of pysyncobj 0.3.17 around requests: outcomes, retries, forwarding, reads.

Each is shown on an unmodified node where that can be done, then met by the engine. The numbers are those of
the table in cluster/raft/DESIGN.md.
"""

from __future__ import annotations

from cluster.commands import Applied, decode_outcome
from cluster.encoding import pack
from cluster.raft.types import Outcome, Rule
from tests.simulation.rule_scenarios import a_setting, confirm_reads
from tests.support.raft_kit import (
    EngineNode,
    PerfectJournal,
    StockNode,
    ack,
    append_entries,
    entries,
    no_ops,
    snapshot_chunk,
)

ALL_RULES_ON: frozenset[Rule] = frozenset()
SUCCESS, MISSING_LEADER, LEADER_CHANGED = 0, 2, 5


def a_stock_command(value: str) -> bytes:
    return b"\0" + pack((0, (value,)))


def a_follower(leader: str = "n1") -> EngineNode:
    """n2, following n1 in term 1."""
    node = EngineNode("n2")
    node.hear(leader, append_entries(1, (4, 0), entries([5], 1), commit=5))
    node.sent.clear()
    return node


def test_stock_reports_a_failure_for_a_command_that_is_applied_later() -> None:
    """H30."""
    node = StockNode("n2")
    node.hear("n1", append_entries(1, (1, 0), no_ops([2], 1), commit=2))
    outcomes = node.propose("x")
    node.tick()
    [forwarded] = node.of_type("apply_command")
    node.hear("n3", append_entries(2, (2, 1), commit=2))
    assert outcomes == [(None, LEADER_CHANGED)], 'documented as "without command commit"'
    node.hear("n3", append_entries(2, (2, 1), [(b"\0" + forwarded["command"][1:], 3, 1)], commit=3))
    node.tick()
    assert node.node.applied == ["x"]


def test_an_outcome_that_nobody_knows_is_called_unknown() -> None:
    """H30."""
    node = a_follower()
    outcomes = node.propose()
    node.turn()
    assert node.to("n1", "propose")
    node.disconnect("n1")
    node.turn()
    assert [outcome.outcome for outcome in outcomes] == [Outcome.UNKNOWN]
    assert not outcomes[0].outcome.is_definite


def test_a_leader_that_is_deposed_calls_what_it_had_taken_unknown() -> None:
    """H30."""
    node = EngineNode("n1")
    term = node.lead()
    outcomes = node.propose()
    node.turn()
    node.hear("n2", ack(term + 1, 1, success=False))
    assert [outcome.outcome for outcome in outcomes] == [Outcome.UNKNOWN]


def test_what_certainly_did_not_happen_is_said_to_have_not() -> None:
    """H30."""
    node = EngineNode("n2")
    no_leader = node.propose()
    node.turn()
    assert no_leader[0].outcome is Outcome.NO_LEADER
    node = a_follower()
    not_leader = node.propose()
    node.turn()
    [sent] = node.to("n1", "propose")
    reply = {"type": "proposed", "id": sent["id"], "index": 0, "term": 0, "result": b""}
    node.hear("n1", {**reply, "outcome": int(Outcome.NOT_LEADER)})
    assert not_leader[0].outcome is Outcome.NOT_LEADER
    node = EngineNode("n1", proposals_max=1)
    node.lead()
    outcomes = [node.propose(), node.propose()]
    node.turn()
    assert outcomes[0] == []
    assert outcomes[1][0].outcome is Outcome.OVERLOADED
    assert all(outcome.is_definite for outcome in Outcome if outcome is not Outcome.UNKNOWN)


def test_a_command_sent_again_is_answered_like_the_first_time() -> None:
    """H30: whoever the leader is by then."""
    node = EngineNode("n1")
    node.lead()
    first: list[object] = []
    again: list[object] = []
    node.engine.propose(a_setting(1, "blue"), lambda outcome: first.append(outcome.result))
    node.engine.propose(a_setting(2, "red"), lambda outcome: None)
    node.engine.propose(a_setting(1, "blue"), lambda outcome: again.append(outcome.result))
    node.turn()
    node.acknowledge("n2")
    assert first == again
    assert isinstance(first[0], bytes)
    assert isinstance(decode_outcome(first[0]), Applied)


def test_stock_takes_an_answer_to_its_predecessors_request_for_its_own() -> None:
    """H31: request numbers begin at 1 at every start."""
    node = StockNode("n2")
    node.hear("n1", append_entries(1, (1, 0), no_ops([2], 1), commit=2))
    node.propose("before the restart")
    node.tick()
    [request] = node.of_type("apply_command")
    restarted = StockNode("n2", journal=PerfectJournal(node.journal.held))
    restarted.hear("n1", append_entries(1, (2, 1), commit=2))
    outcomes = restarted.propose("after the restart")
    restarted.tick()
    late = {
        "type": "apply_command_response",
        "request_id": request["request_id"],
        "log_idx": 3,
        "log_term": 1,
    }
    restarted.receive("n1", late)
    entry = (a_stock_command("before the restart"), 3, 1)
    restarted.hear("n1", append_entries(1, (2, 1), [entry], commit=3))
    restarted.tick()
    assert outcomes[0][1] == SUCCESS
    assert "after the restart" not in restarted.node.applied


def test_an_answer_to_a_request_of_an_earlier_start_is_nobodys() -> None:
    """H31."""
    node = a_follower()
    node.propose()
    node.turn()
    [before] = node.to("n1", "propose")
    node.crash()
    node.connect("n1", "n3")
    node.hear("n1", append_entries(1, (5, 1), commit=5))
    outcomes = node.propose()
    node.turn()
    [after] = node.to("n1", "propose")
    assert before["id"][1] == after["id"][1], "the same number"
    late = {"type": "proposed", "id": before["id"], "outcome": 0, "index": 5, "term": 1, "result": b"late"}
    node.hear("n1", late)
    assert outcomes == []
    node.hear("n3", {**late, "id": after["id"]})
    assert outcomes == [], "nor is an answer of another node than the one that was asked"
    node.hear("n1", {**late, "id": after["id"], "result": b"its own"})
    assert outcomes[0].result == b"its own"


def test_an_applied_command_is_reported_when_it_is_applied_here_too() -> None:
    """H31, read your writes: what a member was told is in its own state."""
    node = a_follower()
    outcomes = node.propose()
    node.turn()
    [sent] = node.to("n1", "propose")
    node.hear(
        "n1", {"type": "proposed", "id": sent["id"], "outcome": 0, "index": 6, "term": 1, "result": b"done"}
    )
    assert outcomes == []
    node.hear("n1", append_entries(1, (5, 1), entries([6], 1), commit=6))
    assert (outcomes[0].outcome, outcomes[0].index, outcomes[0].result) == (Outcome.APPLIED, 6, b"done")


def test_stock_can_run_a_command_minutes_after_it_was_given() -> None:
    """H32: its default is to wait for a leader."""
    node = StockNode("n2", commandsWaitLeader=True)
    node.disconnect("n1")
    node.disconnect("n3")
    outcomes = node.propose("delete everything")
    node.wait(120, step_s=1.0)
    assert outcomes == []
    node.hear("n1", append_entries(1, (1, 0), commit=1))
    node.tick()
    assert node.of_type("apply_command")


def test_a_command_without_a_leader_is_refused_at_once() -> None:
    """H32."""
    node = EngineNode("n2")
    assert not node.engine._core.node.conf.commandsWaitLeader
    outcomes = node.propose()
    node.turn()
    assert outcomes[0].outcome is Outcome.NO_LEADER
    node.hear("n1", append_entries(1, (4, 0)))
    assert node.of_type("propose") == []


def test_a_deposed_leader_confirms_no_read() -> None:
    """H33; that stock claims to lead for 30 s without a quorum is in test_raft_hazards_elections."""
    confirm_reads(ALL_RULES_ON)
    node = EngineNode("n1")
    node.lead()
    answered = node.read_index()
    node.turn()
    assert answered == []
    node.wait(1)
    assert [outcome.is_confirmed for outcome in answered] == [False]


def test_a_read_needs_a_heartbeat_that_left_after_it_came() -> None:
    """H33."""
    node = EngineNode("n1")
    term = node.lead()
    node.wait(0.16)
    before = max(message["seq"] for message in node.to("n2", "append_entries"))
    answered = node.read_index()
    node.turn()
    after = max(message["seq"] for message in node.to("n2", "append_entries"))
    assert after > before
    index = node.journal.last_index
    node.hear("n2", ack(term, index + 1, seq=before))
    assert answered == []
    node.hear("n2", ack(term, index + 1, seq=after))
    assert [outcome.index for outcome in answered] == [index]


def test_two_reads_are_not_answered_with_one_confirmation_of_the_earlier() -> None:
    """H33: a read index is never used again (etcd issue 20418)."""
    node = EngineNode("n1")
    term = node.lead()
    first = node.read_index()
    node.turn()
    seq = max(message["seq"] for message in node.to("n2", "append_entries"))
    second = node.read_index()
    node.turn()
    node.hear("n2", ack(term, node.journal.last_index + 1, seq=seq))
    assert (len(first), second) == (1, [])


def test_a_read_waits_until_its_index_is_applied_here() -> None:
    """H33."""
    node = a_follower()
    answered = node.read_index()
    node.turn()
    [asked] = node.to("n1", "read_index")
    node.hear("n1", {"type": "read_index_reply", "id": asked["id"], "index": 7})
    assert answered == []
    node.hear("n1", append_entries(1, (5, 1), entries([6, 7], 1), commit=6))
    assert answered == []
    node.hear("n1", append_entries(1, (7, 1), commit=7))
    assert [outcome.index for outcome in answered] == [7]


def test_stock_lets_any_peer_change_the_membership() -> None:
    """H34: the kind of a forwarded command is the sender's choice."""
    node = StockNode("n1", dynamicMembershipChange=True)
    node.lead()
    node.receive("n2", {"type": "apply_command", "command": b"\x02" + pack(["add", "intruder"])})
    node.tick()
    assert "intruder" in {other.id for other in node.node.otherNodes}


def test_a_forwarded_command_is_always_a_plain_one() -> None:
    """H34."""
    node = EngineNode("n1")
    node.lead()
    command = b"\x02" + pack(["voter", "intruder", "x:1"])
    node.hear("n2", {"type": "propose", "id": ["n2.1", 1], "command": command})
    assert node.journal[-1][0] == b"\0" + command
    node.acknowledge("n2")
    assert "intruder" not in node.engine.members.voters
    assert node.to("n2", "proposed")[-1]["outcome"] == Outcome.APPLIED, "and applied as the nonsense it is"


def test_a_request_answered_by_a_snapshot_is_not_left_waiting() -> None:
    """H30: the entry itself never passes through this node."""
    source = EngineNode("n1")
    source.hear("n3", append_entries(1, (4, 0), entries(range(5, 9), 1), commit=8))
    source.store.prepare_snapshot()
    snapshot = source.store.take_snapshot()
    assert snapshot is not None
    node = a_follower()
    outcomes = node.propose()
    node.turn()
    [sent] = node.to("n1", "propose")
    node.hear(
        "n1", {"type": "proposed", "id": sent["id"], "outcome": 0, "index": 7, "term": 1, "result": b"done"}
    )
    data = snapshot.read(0, snapshot.size)
    chunk: list[object] = [snapshot.index, snapshot.term, 0, snapshot.size, data, snapshot.sha256]
    node.hear("n1", snapshot_chunk(1, chunk, commit=8))
    assert [outcome.result for outcome in outcomes] == [b"done"]
