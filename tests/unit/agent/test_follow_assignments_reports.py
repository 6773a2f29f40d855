"""What a host tells the cluster: differences only, in few commands, until they are committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from agent.follow.assignments_reports import (
    INTERVAL_S,
    REPORT_BYTES_MAX,
    RETRY_MAX_S,
    HostReports,
    RouterProgress,
)
from cluster.commands import Code, Outcome, Rejected
from cluster.commands.envelope import COMMAND_BYTES_MAX, Envelope, encode
from cluster.commands.services import REPORTS_MAX, AssignmentReport, ReportAssignments, RouterReport
from cluster.model.ids import ServiceId
from cluster.model.service import AssignmentKey, DesiredState, Observation, ReplicaPhase, RouterState
from cluster.raft.replicator import NotCommitted, OutcomeUnknown
from tests.support.fake_clock import FakeClock
from tests.support.host_kit import HERE, WEB, HostState
from tests.support.state_builders import START_MS

HEALTHY = Observation(phase=ReplicaPhase.HEALTHY, observed_at_ms=1)


def key(ordinal: int = 0, revision: int = 1) -> AssignmentKey:
    return AssignmentKey(service_id=WEB, revision=revision, ordinal=ordinal, node_id=HERE)


def progress(
    index: int,
    *,
    routed: tuple[int, ...] | None = None,
    drained: tuple[int, ...] = (),
    unrouted: tuple[int, ...] = (),
    undrained: tuple[int, ...] = (),
    has_served: bool = True,
) -> RouterProgress:
    """Of what somebody waits for, the changes in `routed` (as a rule the newest) and `drained` are done."""
    return RouterProgress(
        routed_index=index,
        drained_index=index,
        unrouted=unrouted,
        undrained=undrained,
        routed_tokens=frozenset((index,) if routed is None else routed),
        drained_tokens=frozenset(drained),
        has_served=has_served,
    )


class Telling:
    def __init__(self, replicas: int = 1) -> None:
        self.clock = FakeClock(now_ms=START_MS)
        self.state = HostState()
        self.reports = HostReports(node_id=HERE, state=self.state, clock=self.clock)
        self.state.deploy(replicas=replicas)
        self.tokens = [
            self.state.order(DesiredState.STARTED, ordinal=ordinal, is_flushed=ordinal == replicas - 1)
            for ordinal in range(replicas)
        ]

    def note(self, observation: Observation = HEALTHY, *, ordinal: int = 0, token: int | None = None) -> None:
        self.reports.note(key(ordinal), self.tokens[ordinal] if token is None else token, observation)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.reports.run())
            await self.clock.settle()
            yield
            task.cancel()


async def test_what_was_seen_is_committed_soon() -> None:
    it = Telling()
    async with it.running():
        it.note()
        await it.clock.advance(0.05)
    assert it.state.observed() == HEALTHY
    [command] = it.state.reports
    assert command.reported_at_ms == START_MS + 10
    assert command.router is None


async def test_what_is_seen_at_the_same_moment_goes_in_one_command() -> None:
    it = Telling(replicas=20)
    async with it.running():
        for ordinal in range(20):
            it.note(ordinal=ordinal)
        it.reports.note_router(progress(5))
        await it.clock.advance(1)
    [command] = it.state.reports
    assert len(command.reports) == 20
    assert command.router == RouterReport(routed_index=5, drained_index=5)


async def test_what_is_seen_again_or_at_another_time_only_is_not_told_again() -> None:
    it = Telling()
    async with it.running():
        it.note()
        await it.clock.advance(1)
        for at_ms in range(2, 20):
            it.note(Observation(phase=ReplicaPhase.HEALTHY, observed_at_ms=at_ms))
            await it.clock.advance(1)
    assert len(it.state.proposed) == 1
    assert it.state.observed().observed_at_ms == 1


async def test_what_is_committed_already_is_not_told_after_a_restart() -> None:
    it = Telling()
    async with it.running():
        it.note()
        await it.clock.advance(1)
    it.reports = HostReports(node_id=HERE, state=it.state, clock=it.clock)
    async with it.running():
        it.note()
        await it.clock.advance(10)
    assert len(it.state.proposed) == 1


async def test_what_changes_back_before_it_is_told_is_not_told() -> None:
    it = Telling()
    async with it.running():
        it.note(Observation(phase=ReplicaPhase.STARTING))
        it.note(Observation())
        await it.clock.advance(10)
    assert it.state.proposed == []


async def test_however_often_something_changes_few_commands_are_made() -> None:
    it = Telling()
    async with it.running():
        for restarts in range(1000):
            it.note(Observation(phase=ReplicaPhase.EXITED, restarts=restarts))
            await it.clock.advance(0.01)
        await it.clock.advance(1)
    assert len(it.state.proposed) <= 10 / INTERVAL_S + 2
    assert it.state.observed().restarts == 999


async def test_nothing_is_told_of_an_order_that_was_overtaken() -> None:
    it = Telling()
    old = it.tokens[0]
    it.state.order(DesiredState.SERVING)
    async with it.running():
        it.note(token=old)
        await it.clock.advance(10)
    assert it.state.proposed == []
    assert it.state.observed() == Observation()


async def test_nothing_is_told_of_an_order_that_is_not_known_here_yet_until_it_is() -> None:
    it = Telling()
    async with it.running():
        it.note(token=it.tokens[0] + 1)
        await it.clock.advance(1)
        assert it.state.proposed == []
        token = it.state.order(DesiredState.SERVING)
        it.note(token=token)
        await it.clock.advance(1)
    assert it.state.observed() == HEALTHY


async def test_nothing_is_told_of_a_replica_that_is_forgotten() -> None:
    it = Telling(replicas=2)
    async with it.running():
        it.note()
        it.note(ordinal=1)
        it.reports.forget(key())
        it.reports.forget(key())
        await it.clock.advance(1)
    assert it.state.observed(ordinal=0) == Observation()
    assert it.state.observed(ordinal=1) == HEALTHY


async def test_more_than_one_command_may_hold_goes_in_several_without_a_pause_for_failures() -> None:
    it = Telling(replicas=REPORTS_MAX + 1)
    async with it.running():
        for ordinal in range(REPORTS_MAX + 1):
            it.note(ordinal=ordinal)
        await it.clock.advance(2 * INTERVAL_S)
    assert [len(command.reports) for command in it.state.reports] == [REPORTS_MAX, 1]
    assert it.state.observed(ordinal=REPORTS_MAX) == HEALTHY


async def test_long_reasons_never_make_a_command_that_is_too_large() -> None:
    it = Telling(replicas=200)
    reason = "\N{GRINNING FACE}" * 1024
    async with it.running():
        for ordinal in range(200):
            it.note(Observation(phase=ReplicaPhase.FAILED, reason=reason), ordinal=ordinal)
        await it.clock.advance(5)
    assert all(it.state.observed(ordinal=ordinal).reason == reason for ordinal in range(200))
    assert len(it.state.reports) > 1
    for command in it.state.reports:
        assert len(an_envelope(command)) <= COMMAND_BYTES_MAX


def test_a_report_is_never_larger_than_is_counted_for_it() -> None:
    largest = AssignmentReport(
        service_id=ServiceId("s" * 63),
        revision=2**31 - 1,
        ordinal=999,
        token=2**62,
        observed=Observation(
            phase=ReplicaPhase.UNHEALTHY,
            container_id="c" * 64,
            address="a" * 64,
            port=65535,
            restarts=2**31,
            observed_at_ms=2**62,
            reason="r" * 1000,
        ),
    )

    def size(count: int) -> int:
        return len(an_envelope(ReportAssignments(node_id=HERE, reports=(largest,) * count)))

    assert size(2) - size(1) <= REPORT_BYTES_MAX + 1000


def an_envelope(command: ReportAssignments) -> bytes:
    return encode(Envelope(client_id="c", sequence=1, time_ms=START_MS, command=command))


# ---- failures ---------------------------------------------------------------------------------


def failing(error: Exception | Rejected, times: int) -> Callable[[object], Outcome | None]:
    left = [times]

    def before(command: object) -> Outcome | None:
        if not left[0]:
            return None
        left[0] -= 1
        if isinstance(error, Rejected):
            return error
        raise error

    return before


@pytest.mark.parametrize(
    "error",
    [
        NotCommitted("no leader is known here"),
        OutcomeUnknown("the leader went away"),
        Rejected("node n1 is not a member", Code.NOT_FOUND),
    ],
)
async def test_what_could_not_be_told_is_told_later_without_hurry(error: Exception | Rejected) -> None:
    it = Telling()
    it.state.before = failing(error, 10**6)
    async with it.running():
        it.note()
        await it.clock.advance(20)
        assert 20 / RETRY_MAX_S - 2 <= len(it.state.proposed) <= 20 / RETRY_MAX_S + 5
        it.state.before = failing(error, 0)
        await it.clock.advance(RETRY_MAX_S + 0.1)
        assert it.state.observed() == HEALTHY
        told = len(it.state.proposed)
        await it.clock.advance(60)
        assert len(it.state.proposed) == told


async def test_after_a_failure_the_newest_is_told_and_the_pauses_begin_anew() -> None:
    it = Telling()
    it.state.before = failing(NotCommitted("no leader"), 5)
    async with it.running():
        it.note(Observation(phase=ReplicaPhase.STARTING))
        await it.clock.advance(1)
        it.note()
        await it.clock.advance(10)
        assert it.state.observed() == HEALTHY
        assert ReplicaPhase.STARTING not in [report.observed.phase for report in it.state.reports[-1].reports]
        it.note(Observation(phase=ReplicaPhase.EXITED))
        await it.clock.advance(INTERVAL_S + 0.05)
    assert it.state.observed().phase is ReplicaPhase.EXITED


async def test_an_outcome_that_was_unknown_but_applied_is_not_told_again() -> None:
    it = Telling()

    def apply_and_lose(command: object) -> Outcome | None:
        it.state.replica.apply(command, client="host-n1", leader_term=0)
        it.state.replica.store.flush()
        raise OutcomeUnknown("the leader went away")

    it.state.before = apply_and_lose
    async with it.running():
        it.note()
        await it.clock.advance(30)
    assert len(it.state.proposed) == 1
    assert it.state.observed() == HEALTHY


# ---- the router -------------------------------------------------------------------------------


async def test_a_routers_first_word_is_told_without_anybody_waiting() -> None:
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(5, routed=()))
        await it.clock.advance(1)
    assert it.state.router() == RouterState(
        node_id=HERE, routed_index=5, drained_index=5, reported_at_ms=START_MS + 10
    )


async def test_a_router_that_never_served_has_no_first_word_but_is_heard_where_it_is_waited_for() -> None:
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(5, has_served=False))
        await it.clock.advance(1)
        assert it.state.router() is None
        it.reports.note_router(progress(5))
        await it.clock.advance(1)
        it.reports.note_router(progress(7, has_served=False))
        await it.clock.advance(1)
    router = it.state.router()
    assert router is not None
    assert router.routed_index == 7


async def test_indexes_that_nobody_waits_for_are_not_told() -> None:
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(5))
        await it.clock.advance(1)
        for index in range(6, 100):
            it.reports.note_router(progress(index, routed=(5,)))
            await it.clock.advance(0.3)
    assert len(it.state.proposed) == 1


@pytest.mark.parametrize("what", ["routed", "drained"])
async def test_a_change_that_somebody_waits_for_is_told_with_all_that_is_known(what: str) -> None:
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(5))
        await it.clock.advance(1)
        it.reports.note_router(
            progress(
                9,
                routed=(8,) if what == "routed" else (),
                drained=(8,) if what == "drained" else (),
                unrouted=(6,),
                undrained=(7,),
            )
        )
        await it.clock.advance(1)
    router = it.state.router()
    assert router is not None
    assert (router.routed_index, router.drained_index) == (9, 9)
    assert (router.unrouted, router.undrained) == ((6,), (7,))
    assert len(it.state.proposed) == 2


@pytest.mark.parametrize("what", ["routed", "drained"])
async def test_an_exception_that_is_none_any_more_is_told_where_somebody_waits_for_it(what: str) -> None:
    it = Telling()
    late = {"unrouted" if what == "routed" else "undrained": (4, 5)}
    async with it.running():
        it.reports.note_router(progress(9, routed=(), **late))
        await it.clock.advance(1)
        it.reports.note_router(progress(9, routed=()))
        await it.clock.advance(10)
        assert len(it.state.proposed) == 1
        done = {"routed": (), what: (5,)}
        it.reports.note_router(progress(9, **done))
        await it.clock.advance(10)
    router = it.state.router()
    assert router is not None
    assert (router.unrouted, router.undrained) == ((), ())
    assert len(it.state.proposed) == 2


async def test_an_exception_that_stays_or_comes_and_goes_is_told_once() -> None:
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(9, routed=(8,), unrouted=(5,)))
        await it.clock.advance(3600)
        assert len(it.state.proposed) == 1
        for _ in range(100):
            it.reports.note_router(progress(9, routed=(5, 8)))
            await it.clock.advance(1)
            it.reports.note_router(progress(9, routed=(8,), unrouted=(5,)))
            await it.clock.advance(1)
    assert len(it.state.proposed) == 2
    router = it.state.router()
    assert router is not None
    assert router.has_routed(5)


async def test_what_a_report_below_the_committed_index_would_say_is_not_told_again_and_again() -> None:
    """Too many exceptions lower the index: the state machine would take nothing from such a report."""
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(90, routed=(), unrouted=(5,), undrained=(5,)))
        await it.clock.advance(1)
        it.reports.note_router(progress(40, routed=(5,), drained=(5,)))
        await it.clock.advance(600)
        assert len(it.state.proposed) == 1
        it.reports.note_router(progress(90, routed=(5,), drained=(5,)))
        await it.clock.advance(600)
    router = it.state.router()
    assert router is not None
    assert router.has_routed(5)
    assert router.has_drained(5)
    assert len(it.state.proposed) == 2


async def test_progress_that_goes_back_is_not_told() -> None:
    it = Telling()
    async with it.running():
        it.reports.note_router(progress(9))
        await it.clock.advance(1)
        it.reports.note_router(progress(4))
        await it.clock.advance(10)
    assert len(it.state.proposed) == 1


async def test_progress_that_could_not_be_told_is_told_later() -> None:
    it = Telling()
    it.state.before = failing(NotCommitted("no leader"), 3)
    async with it.running():
        it.reports.note_router(progress(5))
        await it.clock.advance(10)
    router = it.state.router()
    assert router is not None
    assert router.routed_index == 5
    assert len(it.state.proposed) == 4
