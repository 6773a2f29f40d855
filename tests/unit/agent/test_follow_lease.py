"""The lease of one host: what is asked, what is held, and what an earlier run of the agent left."""

from __future__ import annotations

import errno

import pytest

from agent.execute.starting import NotLeased
from agent.follow.lease import HostLease
from agent.keeper.lease_file import Lease
from cluster.failover import LEASE_MS
from cluster.model.ids import NodeId, ServiceId
from cluster.model.node import Maintenance
from cluster.model.service import AssignmentKey, Fencing
from tests.support.fake_clock import FakeClock
from tests.support.lease_kit import BOOT, MemoryKeeper, a_lease, an_answer

KEY = AssignmentKey(service_id=ServiceId("shop.db"), revision=1, ordinal=0, node_id=NodeId("n1"))
LEAVE = Maintenance(until_ms=2**50, longest_ms=60_000)


def left_by_an_earlier_run(deadline_ms: int, *, boot_id: str = BOOT, cluster_id: str = "c1") -> MemoryKeeper:
    return MemoryKeeper(
        Lease(
            deadline_ms=deadline_ms,
            boot_id=boot_id,
            cluster_id=cluster_id,
            docker_socket="/old.sock",
            is_guarding=True,
        )
    )


def now_ms(clock: FakeClock) -> int:
    return int(clock.boottime_s() * 1000)


async def answered(
    lease: HostLease, clock: FakeClock, lease_ms: int = LEASE_MS, *, took_s: float = 0.0
) -> None:
    sent_s = clock.boottime_s()
    await clock.advance(took_s)
    lease.take(sent_s, an_answer(lease_ms))


async def test_a_lease_counts_from_when_the_beat_left() -> None:
    clock = FakeClock()
    lease = a_lease(MemoryKeeper(), clock)
    await answered(lease, clock, took_s=0.8)
    assert lease.left_ms == LEASE_MS - 800


async def test_a_beat_says_what_is_left_of_the_lease_and_who_answered_last() -> None:
    clock = FakeClock()
    lease = a_lease(MemoryKeeper(), clock)
    first = lease.ask(clock.boottime_s())
    assert (first.held_ms, first.answered_term) == (0, 0)
    await answered(lease, clock)
    await clock.advance(0.5)
    second = lease.ask(clock.boottime_s())
    assert (second.held_ms, second.answered_term) == (LEASE_MS - 500, 1)
    assert second.sent_ms - first.sent_ms == 500


async def test_an_answer_without_a_grant_leaves_the_lease_as_it_is() -> None:
    clock = FakeClock()
    lease = a_lease(MemoryKeeper(), clock)
    await answered(lease, clock)
    await clock.advance(1)
    await answered(lease, clock, 0)
    assert lease.left_ms == LEASE_MS - 1000
    assert lease.is_answered


async def test_what_cannot_be_handed_to_the_keeper_is_not_held() -> None:
    clock, keeper = FakeClock(), MemoryKeeper()
    lease = a_lease(keeper, clock)
    await answered(lease, clock)
    held = keeper.handed
    keeper.failure = OSError(errno.ENOSPC, "No space left on device")
    await clock.advance(3)
    await answered(lease, clock)
    assert lease.lease == held
    assert lease.left_ms == LEASE_MS - 3000


async def test_a_lease_of_an_earlier_run_in_this_boot_goes_on() -> None:
    clock = FakeClock()
    keeper = left_by_an_earlier_run(now_ms(clock) + 4000)
    lease = a_lease(keeper, clock)
    assert lease.left_ms == 4000
    assert lease.lease.is_guarding
    assert lease.lease.docker_socket == "/run/docker.sock"


@pytest.mark.parametrize("other", [{"boot_id": "aaaa"}, {"cluster_id": "c2"}])
async def test_a_lease_of_another_boot_or_cluster_is_none(other: dict[str, str]) -> None:
    clock = FakeClock()
    lease = a_lease(left_by_an_earlier_run(now_ms(clock) + 4000, **other), clock)
    assert lease.left_ms == 0


async def test_a_long_lease_counts_only_while_leave_is_known_here() -> None:
    clock = FakeClock()
    known: list[Maintenance | None] = [None]
    lease = a_lease(MemoryKeeper(), clock, leave=lambda: known[0])
    await answered(lease, clock, 60_000)
    assert lease.left_ms == LEASE_MS
    known[0] = LEAVE
    await answered(lease, clock, 60_000)
    assert lease.left_ms == 60_000


async def test_leave_that_was_given_back_is_held_no_more_whatever_is_answered_late() -> None:
    clock = FakeClock()
    lease = a_lease(MemoryKeeper(), clock, leave=lambda: LEAVE)
    await answered(lease, clock, 60_000)
    assert lease.give_back(LEAVE)
    assert lease.left_ms == LEASE_MS
    await answered(lease, clock, 60_000)
    assert lease.left_ms == LEASE_MS


async def test_leave_that_cannot_be_given_back_is_still_held() -> None:
    clock, keeper = FakeClock(), MemoryKeeper()
    lease = a_lease(keeper, clock, leave=lambda: LEAVE)
    await answered(lease, clock, 60_000)
    keeper.failure = OSError(errno.EIO, "Input/output error")
    assert not lease.give_back(LEAVE)
    assert lease.left_ms == 60_000


async def test_right_before_a_start_lease_keeper_and_order_are_asked_again() -> None:
    clock, keeper = FakeClock(), MemoryKeeper()
    newest = 7
    lease = a_lease(keeper, clock, is_ordered=lambda _key, token: token == newest)
    lease.expect(KEY)
    with pytest.raises(NotLeased, match="sure that it runs nowhere else"):
        lease.check(KEY, 7, Fencing.STRICT)
    await answered(lease, clock)
    lease.check(KEY, 7, Fencing.STRICT)
    with pytest.raises(NotLeased, match="overtaken"):
        lease.check(KEY, 6, Fencing.STRICT)
    keeper.problem = "its keeper does not run"
    with pytest.raises(NotLeased, match="does not run"):
        lease.check(KEY, 7, Fencing.STRICT)
    lease.check(KEY, 7, Fencing.MANUAL)


async def test_the_keeper_is_told_when_there_is_nothing_to_guard_any_more() -> None:
    clock, keeper = FakeClock(), MemoryKeeper()
    containers = [True]
    lease = a_lease(keeper, clock, has_fenced=lambda: containers[0])
    lease.expect(KEY)
    lease.release(KEY)
    await answered(lease, clock)
    assert lease.lease.is_guarding
    containers[0] = False
    await answered(lease, clock)
    assert not lease.lease.is_guarding


async def test_a_host_that_has_left_holds_nothing_and_has_nothing_guarded() -> None:
    clock, keeper = FakeClock(), MemoryKeeper()
    lease = a_lease(keeper, clock, has_fenced=lambda: True)
    lease.expect(KEY)
    await answered(lease, clock)
    lease.end()
    assert keeper.handed is not None
    assert (keeper.handed.deadline_ms, keeper.handed.is_guarding) == (0, False)
