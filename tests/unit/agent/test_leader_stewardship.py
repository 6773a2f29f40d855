"""Who is made a voter, who is taken out, and what is written down of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.leader.stewardship import (
    ChangeMembers,
    HandOver,
    RecordRole,
    Step,
    Stewardship,
    asked_to_learn,
    next_step,
)
from cluster.commands.nodes import CreateJoinToken, RedeemJoinToken, RemoveNode
from cluster.model.ids import JoinTokenId, NodeId
from cluster.model.node import Node, NodeRole, NodeStatus
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.replicator import NotCommitted
from cluster.raft.types import EngineStatus, Role
from cluster.store.records import NODES
from tests.simulation.orchestration_leader import FakeStatus, LeaderState, LedWorld


def a_node(name: str, **fields: object) -> Node:
    node = Node(
        id=NodeId(name),
        name=f"host-{name}",
        address=f"{name}.example:7444",
        api_address=f"{name}.example:7443",
        role=NodeRole.LEARNER,
        status=NodeStatus.UP,
        status_at_ms=0,
        joined_at_ms=0,
    )
    return replace(node, **fields)  # type: ignore[arg-type]


def engine(voters: str, learners: str = "", **fields: object) -> EngineStatus:
    everyone = frozenset((voters + " " + learners).split())
    status = EngineStatus(
        node_id=voters.split()[0],
        role=Role.LEADER,
        term=3,
        leader_id=voters.split()[0],
        commit_index=1000,
        applied_index=1000,
        last_index=1000,
        first_index=1,
        log_bytes=0,
        voters=dict.fromkeys(voters.split(), ""),
        learners=dict.fromkeys(learners.split(), ""),
        connected=everyone,
        match_index=dict.fromkeys(everyone, 1000),
    )
    return replace(status, **fields)  # type: ignore[arg-type]


def step(status: EngineStatus, *nodes: Node, learners: str = "") -> Step | None:
    known = {node.id: node for node in nodes}
    for node_id in status.voters:
        known.setdefault(NodeId(node_id), a_node(node_id, role=NodeRole.VOTER))
    for node_id in status.learners:
        known.setdefault(NodeId(node_id), a_node(node_id))
    return next_step(status, known, stays_learner=lambda node: node.id in learners.split())


def promotion(name: str) -> ChangeMembers:
    return ChangeMembers(MemberChange(MemberOp.VOTER, name, f"{name}.example:7444"))


def test_a_second_host_stays_a_learner_until_there_is_a_third() -> None:
    assert step(engine("n1", "n2")) is None
    assert step(engine("n1", "n2 n3")) == promotion("n2")
    assert step(engine("n1 n2", "n3")) == promotion("n3")


def test_an_even_number_of_voters_is_made_odd() -> None:
    assert step(engine("n1 n2 n3 n4", "n5")) == promotion("n5")


def test_there_are_at_most_five_voters() -> None:
    assert step(engine("n1 n2 n3 n4 n5", "n6 n7")) is None


def test_who_joined_first_votes_first() -> None:
    late = a_node("n2", joined_at_ms=2)
    assert step(engine("n1", "n2 n3"), late) == promotion("n3")


def test_only_a_learner_that_has_caught_up_is_promoted() -> None:
    behind = engine("n1 n2", "n3", match_index={"n3": 800})
    assert step(behind) is None
    assert step(replace(behind, match_index={"n3": 900})) == promotion("n3")


@pytest.mark.parametrize(
    "node",
    [a_node("n3", status=NodeStatus.DOWN), a_node("n3", status=NodeStatus.SUSPECT)],
    ids=lambda node: str(node.status),
)
def test_a_host_that_is_not_up_is_not_promoted(node: Node) -> None:
    assert step(engine("n1 n2", "n3"), node) is None


def test_a_host_without_a_connection_is_not_promoted() -> None:
    assert step(engine("n1 n2", "n3", connected=frozenset({"n2"}))) is None


def test_who_was_asked_to_stay_a_learner_does() -> None:
    assert step(engine("n1 n2", "n3"), learners="n3") is None
    assert step(engine("n1", "n2 n3"), learners="n3") is None


def test_the_record_follows_the_part_a_node_has() -> None:
    assert step(engine("n1 n2 n3"), a_node("n2")) == RecordRole(NodeId("n2"), NodeRole.VOTER)
    stray = a_node("n2", role=NodeRole.VOTER)
    assert step(engine("n1", "n2"), stray) == RecordRole(NodeId("n2"), NodeRole.LEARNER)


def test_a_node_that_left_is_taken_out_of_raft() -> None:
    left = a_node("n2", status=NodeStatus.LEFT)
    expected = ChangeMembers(MemberChange(MemberOp.REMOVE, "n2"))
    assert step(engine("n1 n2 n3"), left) == expected
    assert step(engine("n1 n3 n4", "n2"), left) == expected


def test_a_leader_that_left_hands_over_first() -> None:
    assert step(engine("n1 n2 n3"), a_node("n1", status=NodeStatus.LEFT)) == HandOver()


def test_a_node_that_is_no_member_of_raft_is_left_alone() -> None:
    assert step(engine("n1"), a_node("n9", status=NodeStatus.LEFT), a_node("n8")) is None


class Members:
    """Raft whose membership changes as asked, after `refusals` refusals."""

    def __init__(self, status: EngineStatus, *, refusals: int = 0) -> None:
        self.engine = status
        self.refusals = refusals
        self.changes: list[MemberChange] = []

    def lease_until_s(self) -> float | None:
        return None

    def status(self) -> FakeStatus:
        return FakeStatus(self.engine)

    async def change_members(self, change: MemberChange, *, timeout_s: float) -> None:
        if self.refusals:
            self.refusals -= 1
            raise NotCommitted("another change is under way", may_retry=True)
        self.changes.append(change)
        voters = {**self.engine.voters}
        learners = {**self.engine.learners}
        learners.pop(change.node_id, None)
        voters.pop(change.node_id, None)
        if change.op is MemberOp.VOTER:
            voters[change.node_id] = change.address
        self.engine = replace(self.engine, voters=voters, learners=learners)

    async def transfer_leadership(self, target: str | None = None, *, timeout_s: float) -> None:
        raise AssertionError(target)


async def test_the_steward_promotes_records_and_removes_until_all_is_as_it_should_be() -> None:
    led = LedWorld()
    raft = Members(engine("h1", "h2 h3"), refusals=1)
    steward = Stewardship(
        term=led.world.replica.term, state=LeaderState(led, NodeId("h1")), raft=raft, clock=led.clock
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(steward.run())
        await led.clock.advance(5)
        assert [change.node_id for change in raft.changes] == ["h2", "h3"]
        assert roles(led) == {"h1": NodeRole.VOTER, "h2": NodeRole.VOTER, "h3": NodeRole.VOTER}
        remove = RemoveNode(node_id=NodeId("h3"), reason="test")
        led.world.must(remove, client="person", leader_term=0)
        await led.clock.advance(2)
        assert raft.changes[-1] == MemberChange(MemberOp.REMOVE, "h3")
        running.cancel()


def roles(led: LedWorld) -> dict[str, NodeRole]:
    with led.world.store.read() as txn:
        return {node.id: node.role for node in NODES.scan(txn)}


def test_a_token_for_learners_says_who_was_asked_to_stay_one() -> None:
    world = LedWorld().world
    world.must(
        CreateJoinToken(
            token_id=JoinTokenId("t1"),
            secret_hash=bytes(32),
            is_learner=True,
            expires_at_ms=world.now_ms + 1000,
            uses=1,
            created_by="u1",
        ),
        leader_term=0,
    )
    world.must(RedeemJoinToken(token_id=JoinTokenId("t1"), node_id=NodeId("h9")), leader_term=0)
    with world.store.read() as txn:
        stays_learner = asked_to_learn(txn)
    assert stays_learner(a_node("h9"))
    assert not stays_learner(a_node("h2"))
