"""Answers of the Raft thread as a caller of the replicator gets them, against a scripted engine."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from cluster.raft.leadership import LeadershipView
from cluster.raft.membership import MemberChange, MemberOp
from cluster.raft.raft_thread import RaftThread
from cluster.raft.replicator import (
    IN_FLIGHT_MAX,
    WINDOW,
    CommandId,
    NotCommitted,
    OutcomeUnknown,
    Proposer,
    RaftReplicator,
    ReadLevel,
    ReadUnavailable,
)
from cluster.raft.types import EngineStatus, Outcome, ProposalOutcome, ReadOutcome, Role
from cluster.store import Committed

NOW = 100.0


def a_status(**changes: Any) -> EngineStatus:
    values: dict[str, Any] = {
        "node_id": "n1",
        "role": Role.FOLLOWER,
        "term": 3,
        "leader_id": "n2",
        "commit_index": 10,
        "applied_index": 10,
        "last_index": 10,
        "first_index": 1,
        "log_bytes": 0,
        **changes,
    }
    return EngineStatus(**values)


class FakeThread:
    """Stands for the Raft thread and its engine: records what is asked, answers when told."""

    def __init__(self) -> None:
        self.listeners: list[Any] = []
        self.commands: list[bytes] = []
        self.answers: list[Callable[[ProposalOutcome], None]] = []
        self.reads: list[Callable[[ReadOutcome], None]] = []
        self.read_asked: asyncio.Event | None = None
        self.changes: list[MemberChange] = []
        self.transfers: list[str | None] = []
        self.can_transfer = True
        self.refusal: str | None = None
        self.current = a_status()
        self.on_propose: Callable[[bytes, Callable[[ProposalOutcome], None]], None] | None = None

    def add_listener(self, listener: Any) -> None:
        self.listeners.append(listener)

    def propose(self, command: bytes, on_result: Callable[[ProposalOutcome], None]) -> str | None:
        if self.refusal is None:
            self.commands.append(command)
            if self.on_propose is not None:
                self.on_propose(command, on_result)
            else:
                self.answers.append(on_result)
        return self.refusal

    def submit(self, work: Callable[[Any], None], size_bytes: int = 0) -> str | None:
        if self.refusal is None:
            work(self)
        return self.refusal

    def engine_status(self) -> EngineStatus:
        return self.current

    def clock(self) -> float:
        return NOW

    # the engine

    def read_index(self, on_result: Callable[[ReadOutcome], None]) -> None:
        self.reads.append(on_result)
        if self.read_asked is not None:
            self.read_asked.set()

    def change_members(self, change: MemberChange, on_result: Callable[[ProposalOutcome], None]) -> None:
        self.changes.append(change)
        self.answers.append(on_result)

    def transfer_leadership(self, target: str | None) -> bool:
        self.transfers.append(target)
        return self.can_transfer

    # the test

    def turn(self, caught_up_at: float = NOW) -> None:
        for listener in self.listeners:
            listener.after_turn(self.current, caught_up_at)

    def answer_at_once(self, outcome_of: Callable[[bytes], ProposalOutcome]) -> None:
        def answer(command: bytes, on_result: Callable[[ProposalOutcome], None]) -> None:
            on_result(outcome_of(command))
            self.turn()

        self.on_propose = answer

    def answer(self, outcome: ProposalOutcome, count: int = 1) -> None:
        for _ in range(count):
            self.answers.pop(0)(outcome)
        self.turn()


def applied(result: bytes = b"ok") -> ProposalOutcome:
    return ProposalOutcome(Outcome.APPLIED, 11, 3, result)


@pytest.fixture
def thread() -> FakeThread:
    return FakeThread()


@pytest.fixture
def replicator(thread: FakeThread) -> RaftReplicator:
    return RaftReplicator(cast(RaftThread, thread))


def start(coroutine: Any) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(coroutine)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_applied_command_returns_the_state_machines_answer(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    proposing = start(replicator.propose(b"command", timeout_s=1))
    await settle()
    assert thread.commands == [b"command"]
    thread.answer(applied(b"answer"))
    assert await proposing == b"answer"


@pytest.mark.parametrize(
    ("outcome", "may_retry"),
    [
        (Outcome.NO_LEADER, True),
        (Outcome.NOT_LEADER, True),
        (Outcome.OVERLOADED, True),
        (Outcome.DISCARDED, True),
        (Outcome.REFUSED, False),
    ],
)
async def test_a_command_that_is_surely_not_applied_says_so(
    thread: FakeThread, replicator: RaftReplicator, outcome: Outcome, may_retry: bool
) -> None:
    proposing = start(replicator.propose(b"command", timeout_s=1))
    await settle()
    thread.answer(ProposalOutcome(outcome, result=b"because"))
    with pytest.raises(NotCommitted) as refused:
        await proposing
    assert refused.value.may_retry is may_retry
    assert outcome is not Outcome.REFUSED or refused.value.reason == "because"


async def test_nobody_knows_after_a_lost_leadership_or_no_answer(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    proposing = start(replicator.propose(b"command", timeout_s=1))
    await settle()
    thread.answer(ProposalOutcome(Outcome.UNKNOWN))
    with pytest.raises(OutcomeUnknown):
        await proposing
    with pytest.raises(OutcomeUnknown, match="no answer came in time"):
        await replicator.propose(b"command", timeout_s=0.01)
    # The late answer finds nobody, and harms nobody.
    thread.answer(applied())
    await settle()


async def test_a_full_inbox_refuses_at_once(thread: FakeThread, replicator: RaftReplicator) -> None:
    thread.refusal = "too many proposals wait for this node"
    with pytest.raises(NotCommitted, match="too many"):
        await replicator.propose(b"command", timeout_s=1)


async def test_the_answers_of_a_turn_wake_a_loop_once(
    thread: FakeThread, replicator: RaftReplicator, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposing = [start(replicator.propose(b"c", timeout_s=1)) for _ in range(100)]
    await settle()
    loop = asyncio.get_running_loop()
    wakes: list[object] = []
    wake = loop.call_soon_threadsafe

    def counted(*args: Any) -> Any:
        wakes.append(args)
        return wake(*args)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    thread.answer(applied(), count=100)
    assert await asyncio.gather(*proposing) == [b"ok"] * 100
    assert len(wakes) == 1


async def test_waiting_callers_hear_when_the_node_stops(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    thread.current = a_status(role=Role.LEADER, is_ready=True, leader_id="n1")
    thread.turn()
    assert replicator.leadership.is_leader
    proposing = start(replicator.propose(b"c", timeout_s=60))
    reading = start(replicator.read(ReadLevel.LINEARIZABLE, timeout_s=60))
    await settle()
    replicator.stopped()
    with pytest.raises(OutcomeUnknown, match="stopped"):
        await proposing
    with pytest.raises(ReadUnavailable, match="stopped"):
        await reading
    assert not replicator.leadership.is_leader


async def test_a_local_read_says_how_old_it_may_be(thread: FakeThread, replicator: RaftReplicator) -> None:
    point = await replicator.read(ReadLevel.LOCAL, timeout_s=1)
    assert point.age_ms is None
    thread.current = a_status(applied_index=42)
    thread.turn(caught_up_at=NOW - 1.5)
    point = await replicator.read(ReadLevel.LOCAL, timeout_s=1)
    assert (point.applied_index, point.age_ms, point.level) == (42, 1500, ReadLevel.LOCAL)


async def test_linearizable_reads_that_wait_together_share_one_index_and_later_ones_do_not(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    first = start(replicator.read(ReadLevel.LINEARIZABLE, timeout_s=1))
    await settle()
    later = start(replicator.read(ReadLevel.LINEARIZABLE, timeout_s=1))
    await settle()
    assert len(thread.reads) == 2, "an index asked for before a read began does not cover it"
    for index, answer in enumerate(thread.reads):
        answer(ReadOutcome(20 + index))
    thread.turn()
    assert (await first).applied_index == 20
    assert (await later).applied_index == 21
    assert (await later).age_ms == 0


async def test_a_refused_read_is_tried_with_a_new_index_until_the_time_is_up(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    reading = start(replicator.read(ReadLevel.LINEARIZABLE, timeout_s=5))
    await settle()
    asked_again = thread.read_asked = asyncio.Event()
    thread.reads.pop()(ReadOutcome(-1))
    thread.turn()
    await asked_again.wait()
    thread.reads.pop()(ReadOutcome(7))
    thread.turn()
    assert (await reading).applied_index == 7
    with pytest.raises(ReadUnavailable, match="no leader confirmed"):
        await replicator.read(ReadLevel.LINEARIZABLE, timeout_s=0.02)


async def test_a_membership_change_returns_or_says_why_not(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    change = MemberChange(MemberOp.LEARNER, "n4", "10.0.0.4:7444")
    changing = start(replicator.change_members(change, timeout_s=1))
    await settle()
    assert thread.changes == [change]
    thread.answer(applied())
    await changing
    changing = start(replicator.change_members(change, timeout_s=1))
    await settle()
    thread.answer(ProposalOutcome(Outcome.REFUSED, result=b"n4 is a member"))
    with pytest.raises(NotCommitted, match="n4 is a member"):
        await changing


async def test_transferring_leadership_returns_when_it_is_lost(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    await replicator.transfer_leadership(timeout_s=1)
    assert thread.transfers == [], "there is nothing to hand over"
    thread.current = a_status(role=Role.LEADER, is_ready=True, leader_id="n1")
    thread.turn()
    handing_over = start(replicator.transfer_leadership("n2", timeout_s=1))
    await settle()
    thread.turn()
    await settle()
    assert not handing_over.done()
    thread.current = a_status(term=4)
    thread.turn()
    await handing_over
    assert thread.transfers == ["n2"]


async def test_transferring_leadership_to_nobody_is_refused(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    thread.current = a_status(role=Role.LEADER, is_ready=True, leader_id="n1")
    thread.can_transfer = False
    thread.turn()
    for target, reason in ((None, "no other voter can lead"), ("n3", "n3 cannot lead")):
        handing_over = start(replicator.transfer_leadership(target, timeout_s=1))
        await settle()
        thread.turn()
        with pytest.raises(NotCommitted, match=reason):
            await handing_over


async def test_a_leader_without_an_entry_of_its_own_term_is_not_one_yet(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    thread.current = a_status(role=Role.LEADER, is_ready=False, leader_id="n1")
    thread.turn()
    assert replicator.leadership.view == LeadershipView(3, False, "n1")


async def test_subscribers_hear_of_changes_merged_while_they_are_busy(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    heard: list[Committed] = []
    end = replicator.subscribe(heard.append)
    replicator.committed(Committed(1, frozenset({("nodes", b"a")})))
    replicator.committed(Committed(2, frozenset({("nodes", b"b")})))
    await settle()
    assert heard == [Committed(2, frozenset({("nodes", b"a"), ("nodes", b"b")}))]
    replicator.committed(Committed(3, frozenset()))
    replicator.committed(Committed(4, frozenset(), is_everything=True))
    await settle()
    assert heard[1:] == [Committed(4, frozenset(), is_everything=True)]
    end()
    replicator.committed(Committed(5, frozenset()))
    await settle()
    assert len(heard) == 2


def test_a_closed_loop_does_not_stop_the_answers_of_others(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    async def ask_and_leave() -> None:
        asking = start(replicator.propose(b"c", timeout_s=60))
        await settle()
        asking.cancel()

    asyncio.run(ask_and_leave())
    thread.answer(applied())
    assert not replicator._flush_order


# -- Proposer


def a_proposer(replicator: RaftReplicator) -> Proposer:
    return Proposer(replicator, node_id="n1", incarnation="1", rng=random.Random(5))


def build(command_id: CommandId) -> bytes:
    return f"{command_id.client_id}/{command_id.sequence}".encode()


async def test_commands_are_numbered_for_their_process(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    proposer = a_proposer(replicator)
    thread.answer_at_once(applied)
    assert await proposer.propose(build, timeout_s=1) == b"n1.1/1"
    assert await proposer.propose(build, timeout_s=1) == b"n1.1/2"


async def test_a_command_is_proposed_again_with_the_same_number_until_its_outcome_is_known(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    script = [Outcome.NO_LEADER, Outcome.UNKNOWN, Outcome.NOT_LEADER, Outcome.UNKNOWN, Outcome.APPLIED]

    def answer(command: bytes, on_result: Callable[[ProposalOutcome], None]) -> None:
        on_result(ProposalOutcome(script.pop(0), result=b"first result"))
        thread.turn()

    thread.on_propose = answer
    assert await a_proposer(replicator).propose(build, timeout_s=5) == b"first result"
    assert thread.commands == [b"n1.1/1"] * 5


async def test_a_refusal_is_final(thread: FakeThread, replicator: RaftReplicator) -> None:
    proposing = start(a_proposer(replicator).propose(build, timeout_s=5))
    await settle()
    thread.answer(ProposalOutcome(Outcome.REFUSED, result=b"too large"))
    with pytest.raises(NotCommitted, match="too large"):
        await proposing
    assert len(thread.commands) == 1


async def test_an_unknown_attempt_keeps_the_whole_unknown_whatever_comes_after_it(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    for last in (Outcome.REFUSED, Outcome.NO_LEADER):
        script = [Outcome.UNKNOWN]

        def answer(
            command: bytes,
            on_result: Callable[[ProposalOutcome], None],
            script: Any = script,
            last: Any = last,
        ) -> None:
            on_result(ProposalOutcome(script.pop() if script else last, result=b"disk full"))
            thread.turn()

        thread.on_propose = answer
        with pytest.raises(OutcomeUnknown):
            await a_proposer(replicator).propose(build, timeout_s=0.1)


async def test_without_a_leader_until_the_deadline_nothing_was_committed(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    thread.answer_at_once(lambda command: ProposalOutcome(Outcome.NO_LEADER))
    with pytest.raises(NotCommitted, match="no leader is known"):
        await a_proposer(replicator).propose(build, timeout_s=0.1)
    assert len(thread.commands) > 1


async def test_commands_in_flight_are_bounded_and_the_next_goes_when_one_is_answered(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    proposer = a_proposer(replicator)
    proposing = [start(proposer.propose(build, timeout_s=60)) for _ in range(IN_FLIGHT_MAX + 3)]
    await settle()
    assert len(thread.commands) == IN_FLIGHT_MAX
    proposing[-1].cancel()
    thread.answer(applied(), count=2)
    await settle()
    assert len(thread.commands) == IN_FLIGHT_MAX + 2
    thread.answer(applied(), count=IN_FLIGHT_MAX)
    results = await asyncio.gather(*proposing, return_exceptions=True)
    assert results[:-1] == [b"ok"] * (IN_FLIGHT_MAX + 2)


async def test_no_command_is_numbered_beyond_what_the_state_machine_remembers_of_its_client(
    thread: FakeThread, replicator: RaftReplicator
) -> None:
    proposer = a_proposer(replicator)
    held: list[Callable[[ProposalOutcome], None]] = []

    def answer_all_but_the_first(command: bytes, on_result: Callable[[ProposalOutcome], None]) -> None:
        if command == b"n1.1/1":
            held.append(on_result)
        else:
            on_result(applied())
            thread.turn()

    thread.on_propose = answer_all_but_the_first
    slow = start(proposer.propose(build, timeout_s=60))
    await settle()
    for _ in range(WINDOW - 1):
        await proposer.propose(build, timeout_s=1)
    with pytest.raises(NotCommitted, match="under way"):
        await proposer.propose(build, timeout_s=0.05)
    held[0](applied())
    thread.turn()
    await slow
    assert await proposer.propose(build, timeout_s=1) == b"ok"


async def test_a_caller_that_leaves_frees_its_place(thread: FakeThread, replicator: RaftReplicator) -> None:
    proposer = a_proposer(replicator)
    proposing = start(proposer.propose(build, timeout_s=60))
    await settle()
    proposing.cancel()
    await asyncio.gather(proposing, return_exceptions=True)
    assert not proposer._unanswered
    assert not replicator._outbox()._deadlines


def test_an_identity_that_no_command_can_carry_is_refused(replicator: RaftReplicator) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Proposer(replicator, node_id="n 1", incarnation="1", rng=random.Random(1))
    with pytest.raises(ValueError, match="63"):
        Proposer(replicator, node_id="n" * 64, incarnation="1", rng=random.Random(1))
