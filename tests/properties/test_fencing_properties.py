"""Whatever is lost, late, repeated or measured by a clock of another speed, no lease outlives its fence."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from cluster.failover.fencing import LEASE_MS, HostFence, LeaseRequest, answer_request, begin_fence

HOUR_MS = 3_600_000
LEAVE_MS = 300_000


@dataclass
class Asked:
    """A heartbeat on its way, and what was answered to it."""

    request: LeaseRequest
    granted_ms: int | None = None
    term: int = 0


@dataclass
class World:
    """One host, the leaders one after the other, and what is between them. Times are real milliseconds.

    `host_speed` and `leader_speed` are how fast their clocks run.
    """

    host_speed: float
    leader_speed: float
    now: float = 0.0
    term: int = 1
    index: int = 10
    is_down: bool = False
    record_ms: int = 0
    """The committed leave's longest lease; 0: there is no record."""
    is_active: bool = False
    fence: HostFence = field(default_factory=lambda: begin_fence(0))
    deadline_ms: float = 0.0
    applied_index: int = 0
    answered_term: int = 0
    has_renounced: bool = False
    under_way: list[Asked] = field(default_factory=list)
    current: Asked | None = None

    @property
    def host_ms(self) -> float:
        return self.now * self.host_speed + HOUR_MS

    @property
    def leader_ms(self) -> int:
        return int(self.now * self.leader_speed) + self.term * HOUR_MS

    def pass_time(self, duration_ms: int) -> None:
        self.now += duration_ms

    def send(self) -> None:
        """The host asks anew; what it asked before is not waited for any more."""
        held_ms = max(0, int(self.deadline_ms - self.host_ms) + 1)
        request = LeaseRequest(
            sent_ms=int(self.host_ms),
            held_ms=held_ms,
            answered_term=self.answered_term,
            applied_index=self.applied_index,
        )
        self.current = Asked(request)
        self.under_way.append(self.current)
        self.sent_at_ms = self.host_ms

    def arrive(self, number: int) -> None:
        """One of the beats that are on their way reaches the leader, in any order."""
        if not self.under_way:
            return
        asked = self.under_way.pop(number % len(self.under_way))
        self.fence, granted_ms = answer_request(
            self.fence,
            asked.request,
            self.leader_ms,
            term=self.term,
            applied_index=self.index,
            may_grant=not self.is_down,
            leave_ms=self.record_ms if self.is_active else 0,
        )
        asked.granted_ms, asked.term = granted_ms, self.term

    def take_answer(self) -> None:
        asked = self.current
        if asked is None or asked.granted_ms is None:
            return
        self.current = None
        self.answered_term = asked.term
        if asked.granted_ms:
            is_long_allowed = self.is_active and not self.has_renounced
            lease_ms = asked.granted_ms if is_long_allowed else min(asked.granted_ms, LEASE_MS)
            self.deadline_ms = self.sent_at_ms + lease_ms

    def change_leader(self) -> None:
        self.term += 1
        self.index += 1
        self.fence = begin_fence(self.leader_ms, longest_ms=self.record_ms)

    def give_leave(self) -> None:
        if not self.is_down:
            self.record_ms, self.is_active, self.has_renounced = LEAVE_MS, True, False

    def give_back(self) -> None:
        """The host lowers its lease first, and only then says so."""
        self.has_renounced = True
        self.deadline_ms = min(self.deadline_ms, self.host_ms + LEASE_MS)
        self.record_ms, self.is_active = 0, False

    def catch_up(self) -> None:
        self.applied_index = self.index

    def check(self) -> None:
        if self.fence.is_over(self.leader_ms):
            assert self.host_ms >= self.deadline_ms, "the host holds a lease that the leader takes for over"


STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(0, 20_000)),
    st.tuples(st.just("pass"), st.integers(0, 400_000)),
    st.tuples(
        st.sampled_from(["send", "take", "leader", "leave", "back", "catch", "down", "up"]), st.just(0)
    ),
    st.tuples(st.just("arrive"), st.integers(0, 5)),
    st.tuples(st.just("beat"), st.just(0)),
)
SPEEDS = st.floats(0.9997, 1.0003)


def perform(world: World, what: str, number: int) -> None:
    match what:
        case "pass":
            world.pass_time(number)
        case "send":
            world.send()
        case "arrive":
            world.arrive(number)
        case "take":
            world.take_answer()
        case "beat":
            world.catch_up()
            world.send()
            world.arrive(len(world.under_way) - 1)
            world.take_answer()
        case "leader":
            world.change_leader()
        case "leave":
            world.give_leave()
        case "back":
            world.give_back()
        case "catch":
            world.catch_up()
        case "down":
            world.is_down, world.index = True, world.index + 1
        case "up":
            world.is_down, world.index = False, world.index + 1


@given(st.lists(STEPS, max_size=60), SPEEDS, SPEEDS)
def test_a_lease_is_over_before_the_leader_takes_it_for_over(
    steps: list[tuple[str, int]], host_speed: float, leader_speed: float
) -> None:
    world = World(host_speed=host_speed, leader_speed=leader_speed)
    for what, number in steps:
        perform(world, what, number)
        world.check()
        # The worst moment is the one at which the fence ends.
        left_ms = (world.fence.ends_ms - world.leader_ms) / world.leader_speed
        if left_ms > 0:
            before = world.now
            world.now += left_ms + 1
            world.check()
            world.now = before


@given(st.lists(STEPS, max_size=40), st.integers(0, 3))
def test_after_a_lapse_nothing_is_granted_before_the_host_knows_what_was_decided(
    steps: list[tuple[str, int]], lag: int
) -> None:
    world = World(host_speed=1.0, leader_speed=1.0)
    for what, number in steps:
        perform(world, what, number)
    world.pass_time(2 * HOUR_MS)
    assert world.fence.is_over(world.leader_ms)
    world.index += 1  # what moves its replicas elsewhere
    decided = world.index
    world.is_down = False
    world.index += lag
    world.applied_index = decided - 1
    world.current = None
    world.send()
    world.under_way = world.under_way[-1:]
    world.arrive(0)
    assert world.current is not None
    assert world.current.granted_ms == 0
    world.applied_index = world.index
    world.send()
    world.arrive(0)
    assert world.current.granted_ms == LEASE_MS or world.is_active


@given(st.integers(0, 100))
def test_a_host_that_beats_keeps_its_lease(beats: int) -> None:
    world = World(host_speed=1.0003, leader_speed=0.9997)
    for _ in range(3):
        perform(world, "beat", 0)
    for _ in range(beats):
        world.pass_time(500)
        assert world.host_ms < world.deadline_ms
        perform(world, "beat", 0)
        assert not world.fence.is_over(world.leader_ms)
