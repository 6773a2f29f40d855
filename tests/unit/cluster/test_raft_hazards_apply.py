"""Hazards of pysyncobj 0.3.17 around applying, snapshots and restarts.

Each is shown on an unmodified node where that can be done, then met by the engine. The numbers are those of
the table in cluster/raft/DESIGN.md.
"""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

from cluster.commands import decode_outcome
from cluster.commands.outcome import Rejected
from cluster.encoding import pack
from cluster.raft.membership import MemberOp
from cluster.raft.types import Outcome, ProposalOutcome, RaftError
from cluster.store import StoreFull
from tests.simulation.crash_log import PowerLost
from tests.simulation.scenario import Scenario
from tests.support.raft_kit import (
    EngineNode,
    PerfectJournal,
    StockNode,
    Worst,
    ack,
    an_entry,
    append_entries,
    entries,
    no_ops,
    snapshot_chunk,
)

RAFT = Path(__file__).parents[3] / "cluster" / "raft"


def test_stock_wipes_an_acknowledged_tail_when_its_dump_and_its_log_do_not_meet(tmp_path: Path) -> None:
    """H7: a crash between the two writes of a compaction leaves them so."""
    dump = tmp_path / "dump"
    dump.touch()
    log = [*no_ops(range(1, 3), 0), *no_ops(range(3, 28), 1)]
    node = StockNode("n1", journal=PerfectJournal(log), fullDumpFile=str(dump))
    node.dump.to_load = (None, log[14], log[13], [])
    node.tick()
    assert [index for index, _ in node.held()] == [14, 15], "27 entries before the restart"


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_crash_while_the_log_is_compacted_keeps_every_acknowledged_entry(is_kept: bool) -> None:
    """H7: compaction is one part of one write, and the state never comes from a dump."""
    node = EngineNode("n3", log_entries_max=20, log_trailing=5)
    [answer] = node.hear("n1", append_entries(1, (4, 0), entries(range(5, 41), 1), commit=40))
    assert answer["next_node_idx"] == 41
    node.turn()
    assert node.journal.first_index == 35
    node.hear("n1", append_entries(1, (40, 1), entries(range(41, 71), 1), commit=70))
    assert (node.durable()[0][0], node.durable()[-1][0]) == (40, 70), "one write to compact, one to come"
    node.log.interrupt_next()
    with pytest.raises(PowerLost):
        node.turn()
    node.log.crash(Worst() if is_kept else None)
    node.store.crash(Worst())
    node.start()
    assert node.journal.first_index == (65 if is_kept else 40)
    assert node.journal.last_index == 70
    assert node.store.applied.index >= node.journal.first_index


def test_pysyncobj_never_reads_or_writes_a_dump() -> None:
    """H7, H14: its serializer is none, its dump file is none, and it never forks."""
    node = EngineNode("n1")
    guarded = node.engine._core.node
    assert (guarded.conf.fullDumpFile, guarded.conf.useFork) == (None, False)
    with pytest.raises(RaftError, match="the state store is the only snapshot"):
        guarded._SyncObj__loadDumpFile(clearJournal=False)
    for name in ("serialize", "deserialize", "checkSerializing", "setTransmissionData"):
        with pytest.raises(RaftError, match="snapshots are the engine's alone"):
            getattr(guarded._SyncObj__serializer, name)


def test_stock_acknowledges_a_snapshot_it_could_not_load() -> None:
    """H8."""
    node = StockNode("n1")
    node.dump.to_load = ("not", "what", "it", "expects")
    [answer] = node.hear("n2", snapshot_chunk(1, [b"", True, True], commit=50))
    assert answer["success"]
    assert node.node.raftLastApplied == 1, "nothing was loaded"


def test_a_snapshot_that_cannot_be_used_is_refused_and_changes_nothing() -> None:
    """H8."""
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0), entries([5], 1), commit=5))
    before = node.store.applied
    chunk: list[object] = [50, 1, 0, 8, b"not this", b"h" * 32]
    [answer] = node.hear("n1", snapshot_chunk(1, chunk, commit=50))
    assert (answer["success"], answer["reset"], answer["next_node_idx"]) == (False, True, 6)
    assert node.store.applied == before
    assert node.journal.last_index == 5


def test_a_part_of_a_snapshot_that_does_not_follow_the_last_is_refused() -> None:
    """H8."""
    node = EngineNode("n2")
    node.hear("n1", snapshot_chunk(1, [50, 1, 0, 100, b"x" * 10, b""]))
    [answer] = node.hear("n1", snapshot_chunk(1, [50, 1, 20, 100, b"x" * 10, b""]))
    assert (answer["success"], answer["reset"]) == (False, True)


def test_a_snapshot_that_finds_no_room_is_taken_when_there_is_some() -> None:
    """H8."""
    scenario = Scenario(log_entries_max=30, log_trailing=5, snapshot_chunk_bytes=256, snapshot_stall_s=1.0)
    scenario.elect()
    scenario.load(200, 0.5)
    scenario.run(0.5)
    node = scenario.world.new_node()
    node.store.full = True
    scenario.run(0.5)
    added = scenario.change(scenario.leader(), MemberOp.LEARNER, node.node_id)
    scenario.until(lambda: added.is_applied, within_s=3, what="the learner is a member")
    scenario.run(2)
    node.store.full = False
    scenario.converge(5)
    assert scenario.has_all(node)


def test_stock_applies_a_command_twice_when_a_callback_raises() -> None:
    """H10: on that node only."""
    node = StockNode("n1")
    term = node.lead()
    node.node._applyCommand(pack((0, ("x",))), _raise, 0)
    node.tick()
    index = node.journal[-1][1]
    node.receive("n2", ack(term, index + 1))
    with pytest.raises(ZeroDivisionError):
        node.tick()
    node.tick()
    assert node.node.applied == ["x", "x"]


def _raise(*_: object) -> None:
    raise ZeroDivisionError


def test_a_callback_that_raises_comes_after_everything_is_applied_and_counted() -> None:
    """H10: it ends the process, and a process that goes on regardless applies nothing twice."""
    node = EngineNode("n1")
    node.lead()
    applied: list[int] = []
    apply = node.machine.apply_command

    def counting(index: int, term: int, command: bytes) -> bytes:
        applied.append(index)
        return apply(index, term, command)

    node.machine.apply_command = counting  # type: ignore[method-assign]  # counts
    node.engine.propose(b"x", _raise)
    node.turn()
    with pytest.raises(ZeroDivisionError):
        node.acknowledge("n2")
    node.turn()
    assert applied == [node.journal.last_index]
    assert node.engine.status().applied_index == node.journal.last_index


def test_nothing_hands_callbacks_or_commands_to_pysyncobjs_own_queue() -> None:
    """H10: its queue, its forwarding and its replicated methods are not used anywhere in the package."""
    banned = {"_applyCommand", "replicated", "replicated_sync", "doTick", "addOnTickCallback"}
    used = {
        f"{path.name}: {node.attr}"
        for path in RAFT.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in banned
    }
    assert used == set()


def test_stock_stops_for_ever_at_a_command_that_cannot_be_applied() -> None:
    """H11: on every node, after every restart."""
    node = StockNode("n1")
    term = node.lead()
    node.propose("raises")
    node.propose("good")
    node.tick()
    node.receive("n2", ack(term, node.journal[-1][1] + 1))
    for _ in range(30):
        with pytest.raises(ValueError, match="does not like"):
            node.tick()
    assert "good" not in node.node.applied


def test_no_command_stops_the_cluster() -> None:
    """H11: any bytes are applied to an outcome, equal on every node."""
    rng = random.Random(11)
    node = EngineNode("n1")
    node.lead()
    outcomes: list[ProposalOutcome] = []
    for _ in range(200):
        node.engine.propose(rng.randbytes(rng.randrange(40)), outcomes.append)
    for _ in range(50):
        node.engine.propose(
            pack([rng.randrange(20), rng.randrange(300), [rng.randrange(9)]]), outcomes.append
        )
    node.turn()
    node.acknowledge("n2")
    assert [outcome.outcome for outcome in outcomes] == [Outcome.APPLIED] * 250
    assert all(isinstance(decode_outcome(outcome.result), Rejected) for outcome in outcomes)


def test_stock_applies_what_follows_an_unknown_version_again() -> None:
    """H12."""
    node = StockNode("n1")
    term = node.lead()
    node.propose("first")
    node.node._applyCommand(pack(99), None, 3)
    node.propose("last")
    node.tick()
    node.receive("n2", ack(term, node.journal[-1][1] + 1))
    node.tick()
    node.tick()
    assert node.node.applied.count("last") > 1


@pytest.mark.parametrize("kind", range(3, 256, 23))
def test_a_command_of_an_unknown_kind_passes_without_effect(kind: int) -> None:
    """H12: pysyncobj's version command (3) is one of them."""
    node = EngineNode("n2")
    before = node.store.applied.state_hash
    node.hear("n1", append_entries(1, (4, 0), [(bytes([kind]) + pack(99), 5, 1), an_entry(6, 1)], commit=6))
    assert node.store.applied.index == 6
    assert node.store.applied.state_hash != before
    assert node.engine.status().applied_index == 6


def test_what_is_applied_before_a_crash_is_applied_once() -> None:
    """Applied index and state are one transaction, so a restart goes on exactly where the state is."""
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 15), 1), commit=12))
    node.store.sync()
    node.crash()
    assert (node.store.applied.index, node.engine.status().applied_index) == (12, 12)
    node.connect("n1")
    node.hear("n1", append_entries(1, (14, 1), commit=14))
    assert node.store.applied.index == 14


def test_a_state_that_lost_its_last_flush_is_brought_up_from_the_log() -> None:
    """The state is flushed lazily; the log has what it lost."""
    node = EngineNode("n2")
    node.hear("n1", append_entries(1, (4, 0), entries(range(5, 15), 1), commit=12))
    node.crash()
    assert node.store.applied.index < 12, "the crash model loses the last flush"
    node.turn()
    node.connect("n1")
    node.hear("n1", append_entries(1, (14, 1), commit=14))
    assert node.store.applied.index == 14


def test_a_full_state_applies_nothing_twice_and_nothing_by_halves() -> None:
    """The turn is run again when there is room."""
    node = EngineNode("n2")
    node.store.full = True
    node.receive("n1", append_entries(1, (4, 0), entries(range(5, 15), 1), commit=12))
    with pytest.raises(StoreFull):
        node.turn()
    node.store.full = False
    node.turn()
    node.turn()
    assert node.store.flushed_index == 12
    assert node.durable(14) == [(14, 1)]


def test_bytes_that_are_not_a_change_of_membership_change_nothing() -> None:
    """H11, for the entries the engine reads itself."""
    node = EngineNode("n2")
    node.hear(
        "n1", append_entries(1, (4, 0), [(b"\x02\xff\xff", 5, 1), (b"\x02" + pack([1]), 6, 1)], commit=6)
    )
    assert set(node.engine.members.voters) == {"n1", "n2", "n3"}
    assert node.store.applied.index == 6
