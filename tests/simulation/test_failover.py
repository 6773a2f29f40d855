"""How long things take when hosts, links, disks and clocks fail: simulated time, the product's own timing."""

from __future__ import annotations

import statistics

import pytest

from cluster.raft.membership import MemberOp
from cluster.raft.types import Outcome, ProposalOutcome, ReadOutcome, Timing
from tests.simulation.rule_scenarios import write_settings
from tests.simulation.scenario import Asked, Scenario
from tests.simulation.world import SimNode


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def time_to_next_leader(scenario: Scenario, old: SimNode, *, within_s: float = 8.0) -> float:
    """Until another node leads and has committed an entry of its own term."""
    return scenario.until(
        lambda: any(node is not old for node in scenario.ready_leaders()),
        within_s=within_s,
        what="another leader that is ready",
    )


def outcome_of(asked: Asked) -> ProposalOutcome:
    assert isinstance(asked.outcome, ProposalOutcome)
    return asked.outcome


def test_a_killed_leader_is_replaced_in_time() -> None:
    """Fifty kills at arbitrary moments: half within 1.5 s, 95 of 100 within 2.5 s."""
    taken = []
    for seed in range(50):
        scenario = Scenario(seed=seed)
        leader = scenario.elect()
        scenario.run(1 + seed * 0.037)
        leader.crash(is_power_cut=False)
        taken.append(time_to_next_leader(scenario, leader))
    assert statistics.median(taken) <= 1.5, taken
    assert quantile(taken, 0.95) <= 2.5, taken


def test_an_isolated_leader_is_replaced_in_time() -> None:
    taken = []
    for seed in range(20):
        scenario = Scenario(seed=seed)
        leader = scenario.elect()
        scenario.run(1)
        scenario.isolate(leader)
        taken.append(time_to_next_leader(scenario, leader))
    assert statistics.median(taken) <= 1.5, taken
    assert quantile(taken, 0.95) <= 2.5, taken


def test_an_orderly_handover_takes_no_election_timeout() -> None:
    taken = []
    for seed in range(20):
        scenario = Scenario(seed=seed)
        leader = scenario.elect()
        scenario.run(1)
        assert leader.engine is not None
        engine = leader.engine
        scenario.act(leader, lambda engine=engine: engine.transfer_leadership(None))
        taken.append(time_to_next_leader(scenario, leader))
    assert max(taken) < 0.3, taken


@pytest.mark.parametrize("drift", [0.0, 0.005])
def test_an_isolated_leader_gives_up_its_lease_before_another_is_elected(drift: float) -> None:
    """Each on its own clock; that leases never overlap is checked after every turn of every scenario."""
    for seed in range(20):
        scenario = Scenario(seed=seed, clock_drift=drift)
        leader = scenario.elect()
        scenario.run(1 + seed * 0.07)
        assert leader.lease_end > scenario.now
        scenario.isolate(leader)
        scenario.until(lambda: leader.lease_end <= scenario.now, within_s=0.7, what="the lease is over")  # noqa: B023 - called before the next round
        assert scenario.ready_leaders() in ([leader], [])
        time_to_next_leader(scenario, leader)


def test_a_leader_that_cannot_hear_stops_before_another_is_elected() -> None:
    """It can send, so its followers hear it until it stops by itself."""
    scenario = Scenario()
    leader = scenario.elect()
    scenario.run(1)
    scenario.drop(lambda _sender, receiver, _message: receiver == leader.node_id)
    taken = time_to_next_leader(scenario, leader)
    assert taken <= Timing().quorum_check_s + 2.5


def test_a_leader_that_cannot_send_is_replaced() -> None:
    scenario = Scenario()
    leader = scenario.elect()
    scenario.run(1)
    restore = scenario.drop(lambda sender, _receiver, _message: sender == leader.node_id)
    assert time_to_next_leader(scenario, leader) <= 2.5
    restore()
    scenario.commit()
    scenario.converge(3)


@pytest.mark.parametrize("nodes", [3, 5])
def test_a_leader_that_only_a_bridge_hears_does_not_block_the_others(nodes: int) -> None:
    """H23: voters that hear a leader without a quorum must not refuse all others (openraft issue 2080)."""
    taken = []
    for seed in range(10):
        scenario = Scenario(nodes, seed=seed)
        leader = scenario.elect()
        scenario.run(1)
        bridge, *rest = scenario.others(leader)
        for node in rest:
            scenario.cut(leader, node)
        cut_at = scenario.now
        scenario.commit("over the bridge", within_s=3)
        taken.append(scenario.now - cut_at)
        scenario.converge(1, bridge)
    assert max(taken) < 3, taken


def test_a_ring_of_majorities_agrees_on_a_leader() -> None:
    """Jepsen's majorities-ring: every node sees a majority, no two the same one."""
    scenario = Scenario(5)
    scenario.elect()
    scenario.run(1)
    names = sorted(scenario.world.nodes)
    for number, name in enumerate(names):
        scenario.cut(name, names[(number + 2) % 5])
    scenario.run(3)
    scenario.elect(within_s=2)
    leaders = scenario.leaders
    scenario.commit("in the ring", within_s=3)
    scenario.run(5)
    assert scenario.leaders == leaders, "and it stays"


def test_a_follower_stopped_ten_times_causes_no_election() -> None:
    scenario = Scenario()
    leader = scenario.elect()
    paused = scenario.others(leader)[0]
    for _ in range(10):
        scenario.run(0.5)
        paused.pause(5)
        scenario.run(5)
    scenario.run(2)
    assert scenario.leaders == 1
    scenario.commit()
    scenario.converge(3)


@pytest.mark.parametrize("seconds", [0.3, 2.0, 10.0, 60.0])
def test_a_leader_that_was_stopped_confirms_nothing_it_cannot_know(seconds: float) -> None:
    """Whatever the pause, what it answers after waking is true."""
    scenario = Scenario()
    leader = scenario.elect()
    scenario.run(1)
    leader.pause(seconds)
    read = scenario.read(leader)
    proposal = scenario.propose(leader, "before the pause")
    scenario.run(seconds / 2)
    written = outcome_of(scenario.commit("meanwhile")).index if seconds > 3 else 0
    scenario.run(seconds / 2 + 3)
    assert isinstance(read.outcome, ReadOutcome)
    assert not read.outcome.is_confirmed or read.outcome.index >= written
    assert outcome_of(proposal).outcome in (Outcome.APPLIED, Outcome.UNKNOWN, Outcome.NO_LEADER)
    scenario.commit()
    scenario.converge(3)


def test_a_restarted_follower_causes_no_election() -> None:
    scenario = Scenario()
    leader = scenario.elect()
    for follower in scenario.others(leader):
        follower.crash(is_power_cut=False)
        scenario.run(1)
        follower.start()
        scenario.run(2)
    assert scenario.leaders == 1
    scenario.commit()
    scenario.converge(3)


def test_clocks_that_differ_by_hours_and_drift_change_nothing() -> None:
    """Only spans of each node's own clock are compared."""
    scenario = Scenario(clock_drift=0.005, seed=3)
    scenario.elect()
    for number, node in enumerate(scenario.world.nodes.values()):
        offset = node._offset_s
        assert abs(offset) <= 1000
        assert number < 3
    scenario.run(60)
    assert scenario.leaders == 1


def test_a_leader_whose_log_finds_no_room_hands_over_and_loses_nothing() -> None:
    scenario = Scenario()
    leader = scenario.elect()
    scenario.commit("before")
    leader.log.is_full = True
    asked = scenario.propose(leader, "no room for this")
    taken = time_to_next_leader(scenario, leader)
    assert taken < 0.3, "handed over, not found out by a timeout"
    after = [scenario.commit("another leads") for _ in range(5)]
    leader.log.is_full = False
    scenario.converge(3)
    assert all(asked.is_applied for asked in after)
    assert asked.outcome is not None
    assert outcome_of(asked).outcome in (Outcome.APPLIED, Outcome.UNKNOWN)


def test_a_leader_whose_state_finds_no_room_hands_over_and_loses_nothing() -> None:
    scenario = Scenario()
    leader = scenario.elect()
    scenario.commit("before")
    leader.store.full = True
    scenario.propose(leader, "no room for this")
    taken = time_to_next_leader(scenario, leader)
    assert taken < 0.3
    scenario.commit("another leads")
    leader.store.full = False
    scenario.converge(3)


def test_every_disk_full_at_once_stops_writes_and_nothing_else() -> None:
    scenario = Scenario()
    scenario.elect()
    scenario.commit("before")
    for node in scenario.world.nodes.values():
        node.log.is_full = True
    asked = scenario.propose(scenario.leader(), "nowhere")
    scenario.run(3)
    assert not asked.is_applied
    for node in scenario.world.nodes.values():
        node.log.is_full = False
    scenario.elect()
    scenario.commit("after")
    scenario.converge(3)


def test_without_a_quorum_nothing_is_committed_and_everything_is_answered() -> None:
    scenario = Scenario()
    leader = scenario.elect()
    scenario.commit("with a quorum")
    for node in scenario.others(leader):
        node.crash(is_power_cut=True)
    asked = scenario.propose(leader, "without")
    read = scenario.read(leader)
    scenario.run(2)
    assert outcome_of(asked).outcome is Outcome.UNKNOWN
    assert isinstance(read.outcome, ReadOutcome)
    assert not read.outcome.is_confirmed
    late = scenario.propose(leader, "later")
    scenario.run(0.1)
    assert outcome_of(late).outcome is Outcome.NO_LEADER
    for node in scenario.others(leader):
        node.start()
    scenario.elect()
    scenario.commit("with a quorum again")
    scenario.converge(3)


def test_a_power_cut_of_every_node_at_once_loses_nothing_acknowledged() -> None:
    for seed in range(10):
        scenario = Scenario(seed=seed)
        scenario.elect()
        asked = scenario.load(300, 0.5)
        for node in scenario.world.nodes.values():
            node.crash(is_power_cut=True)
        for node in scenario.world.nodes.values():
            node.start()
        scenario.elect()
        scenario.commit("after")
        scenario.converge(3)
        acknowledged = {outcome_of(each).index for each in asked if each.is_applied}
        assert acknowledged <= set(scenario.world.checker.applied)


def test_an_empty_node_joins_under_a_thousand_writes_a_second() -> None:
    """One snapshot is enough (H16): the log keeps what follows it until it has arrived."""
    scenario = Scenario(
        log_entries_max=400, log_trailing=100, snapshot_chunk_bytes=2048, apply_max=256, promote_lag_max=200
    )
    scenario.elect()
    scenario.load(1000, 1)
    node = scenario.world.new_node()
    scenario.load(1000, 0.3)
    added = scenario.change(scenario.leader(), MemberOp.LEARNER, node.node_id)
    asked = scenario.load(1000, 2)
    assert added.is_applied
    promoted = scenario.change(scenario.leader(), MemberOp.VOTER, node.node_id)
    asked += scenario.load(1000, 0.5)
    assert promoted.is_applied
    scenario.run(0.5)
    scenario.converge(3)
    assert scenario.world.counts["snapshots installed"] == 1
    assert all(each.is_applied for each in asked)


@pytest.mark.parametrize("megabits_per_s", [2, 10])
def test_a_snapshot_over_a_slow_link_arrives_though_the_quorum_depends_on_its_receiver(
    megabits_per_s: int,
) -> None:
    """With the product's own sizes; with parts of 1 MiB it never arrived, for the leader stepped down."""
    scenario = Scenario(log_entries_max=60, log_trailing=15)
    scenario.elect()
    behind, other = scenario.others(scenario.leader())
    behind.crash(is_power_cut=False)
    write_settings(scenario, 100, 50_000)
    leader = scenario.leader()
    bytes_per_s = megabits_per_s * 125_000
    scenario.world.network.slow_down(leader.node_id, behind.node_id, bytes_per_s=bytes_per_s)
    behind.start()
    scenario.run(0.6)
    other.crash(is_power_cut=False)
    taken = scenario.until(lambda: scenario.has_all(behind), within_s=60, what="the snapshot arrives")
    assert taken < 1.2 * 100 * 50_000 / bytes_per_s
    assert scenario.leaders == 1


def test_no_part_of_a_snapshot_is_sent_twice_without_a_reason() -> None:
    scenario = Scenario(log_entries_max=30, log_trailing=5, snapshot_chunk_bytes=1024)
    scenario.elect()
    write_settings(scenario, 60, 200)
    scenario.listen()
    node = scenario.join(as_voter=False)
    scenario.until(lambda: scenario.has_all(node), within_s=3, what="the snapshot arrives")
    offsets = [
        message["serialized"][2] for *_, message in scenario.sent if message.get("serialized") is not None
    ]
    assert len(offsets) > 10
    assert len(offsets) == len(set(offsets))
