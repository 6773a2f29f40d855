"""What is reported of a router is so, whatever happens, and in the end everything is reported.

The leader stops an old container by these reports, so a report that is not true costs requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.follow.routing import CHECK_S, SILENT_ROUTER_S
from agent.follow.routing_lane import RETRY_MAX_S
from agent.router.protocol import replica_name
from cluster.commands.services import ReportAssignments, RouterReport
from cluster.model.service import Assignment, DesiredState, RolloutPolicy
from cluster.model.strategy import Colour
from cluster.store.records import ASSIGNMENTS
from tests.support.fake_router import ADMIT_TIMEOUT_S, HeldRequest
from tests.support.host_kit import IMAGE, WEB
from tests.support.routing_kit import HOST, LateRouter, RoutedHost
from tests.support.state_builders import a_spec

STARTED, SERVING, DRAINING, REMOVED = DesiredState
DRAIN_S = 4.0
REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Step:
    what: str
    ordinal: int
    pause_s: float


class Story:
    """One host's router through whatever happens, with every report checked at the moment it is made."""

    def __init__(self) -> None:
        self.it = RoutedHost(LateRouter())
        self.held: list[HeldRequest] = []
        self.ports = 32768
        self.changed: dict[int, int] = {}
        """The index since which a replica answers where it does, by ordinal."""
        self.ordered_s: dict[int, float] = {}
        self.routers = self.reached = 0
        self.it.state.deploy(
            a_spec(IMAGE),
            replicas=REPLICAS,
            policy=RolloutPolicy(drain_timeout_ms=round(DRAIN_S * 1000)),
        )
        self.it.state.before = self.check

    # ---- what is promised ---------------------------------------------------------------------

    def check(self, command: object) -> None:
        if isinstance(command, ReportAssignments) and command.router is not None:
            self.routers += 1
            condition = self.it.router.condition
            is_down = not condition.is_serving
            if is_down and self.it.clock.monotonic_s() - condition.since_s >= SILENT_ROUTER_S:
                return  # no request passes through it
            for copy in self.copies().values():
                self.check_copy(copy, command.router)

    def check_copy(self, copy: Assignment, report: RouterReport) -> None:
        port, ordinal = copy.observed.port, copy.ordinal
        if not port:
            return
        server = self.it.router._servers.get((WEB, Colour.BLUE), {}).get(
            replica_name(copy.observed.address, port)
        )
        known = max(copy.token, self.changed.get(ordinal, 0))
        is_routed = report.routed_index >= known and copy.token not in report.unrouted
        is_drained = report.drained_index >= known and copy.token not in report.undrained
        gets_requests = server is not None and server.status == "ready"
        match copy.desired:
            case DesiredState.SERVING if is_routed:
                assert gets_requests, (copy, report)
            case DesiredState.STARTED if is_routed:
                assert not gets_requests, (copy, report)
            case DesiredState.DRAINING if is_routed or is_drained:
                assert not gets_requests, (copy, report)
        if copy.desired is DRAINING and is_drained and server is not None and server.in_flight:
            assert self.it.clock.monotonic_s() - self.ordered_s[ordinal] >= DRAIN_S, (copy, report)

    # ---- what happens -------------------------------------------------------------------------

    def copies(self) -> dict[int, Assignment]:
        with self.it.state.read() as txn:
            return {copy.ordinal: copy for copy in ASSIGNMENTS.scan(txn, WEB)}

    def order(self, ordinal: int, desired: DesiredState) -> None:
        self.it.state.order(desired, ordinal=ordinal)
        self.ordered_s[ordinal] = self.it.clock.monotonic_s()

    def answer(self, ordinal: int, *, is_there: bool = True) -> None:
        self.ports += 1
        self.it.observe(ordinal, port=self.ports if is_there else 0)
        self.changed[ordinal] = self.it.state.replica.index

    def happen(self, what: str, ordinal: int) -> None:
        it, copy = self.it, self.copies().get(ordinal)
        desired = None if copy is None else copy.desired
        match what:
            case "start" if desired is None:
                self.order(ordinal, STARTED)
            case "answer" | "answer elsewhere" if desired not in (None, REMOVED):
                self.answer(ordinal)
            case "end" if desired not in (None, REMOVED):
                self.answer(ordinal, is_there=False)
            case "serve" if desired in (STARTED, DRAINING):
                self.order(ordinal, SERVING)
            case "stop serving" if desired is SERVING:
                self.order(ordinal, STARTED)
            case "drain" if desired is SERVING:
                self.order(ordinal, DRAINING)
            case "remove" if desired not in (None, REMOVED):
                self.order(ordinal, REMOVED)
            case "forget" if desired is REMOVED:
                it.state.forget(ordinal=ordinal)
            case "request":
                held = it.router.hold(HOST)
                if isinstance(held, HeldRequest):
                    self.held.append(held)
            case "finish" if self.held:
                self.held.pop(ordinal % len(self.held)).finish()
            case "router fails" if it.router.condition.is_serving:
                it.router.fail("HAProxy was killed")
            case "router recovers" if not it.router.condition.is_serving:
                it.router.recover()
            case "cannot reach" if copy is not None and copy.observed.port:
                it.router.sick.add(replica_name(copy.observed.address, copy.observed.port))
            case "can reach":
                it.router.sick.clear()

    def put_right(self) -> None:
        """Everything works, and nobody wants anything any more."""
        self.happen("router recovers", 0)
        self.happen("can reach", 0)
        while self.held:
            self.happen("finish", 0)

    def check_reached(self) -> None:
        """What is in force is committed, whatever else is not."""
        if not self.it.router.condition.is_serving:
            return
        serving = self.it.router.serving(WEB)
        for copy in self.copies().values():
            replica = replica_name(copy.observed.address, copy.observed.port)
            if copy.desired is SERVING and copy.observed.port and replica in serving:
                self.reached += 1
                assert self.it.is_routed(copy.token), (copy, self.it.state.router())

    def check_end(self) -> None:
        wanted = {
            replica_name(copy.observed.address, copy.observed.port)
            for copy in self.copies().values()
            if copy.desired is SERVING and copy.observed.port
        }
        assert self.it.router.serving(WEB) == wanted
        for copy in self.copies().values():
            if copy.desired is SERVING:
                assert self.it.is_routed(copy.token)
            if copy.desired is DRAINING:
                assert self.it.is_drained(copy.token)


HAPPENINGS = (
    *("start", "answer", "serve", "stop serving", "drain", "remove", "forget", "answer elsewhere", "end"),
    *("request", "request", "finish", "router fails", "router recovers", "cannot reach", "can reach"),
)
STEPS = st.builds(
    Step,
    st.sampled_from(HAPPENINGS),
    st.integers(0, REPLICAS - 1),
    st.sampled_from([0.0, 0.0, 0.004, 0.05, 0.3, 2.0, DRAIN_S, SILENT_ROUTER_S]),
)
LIVES = st.lists(st.lists(STEPS, max_size=25), min_size=1, max_size=3)
"""One list of steps for each run of the agent; the router runs through."""


def to_serving(*ordinals: int) -> list[Step]:
    return [Step(what, ordinal, 0.05) for ordinal in ordinals for what in ("start", "answer", "serve")]


async def live(lives: list[list[Step]]) -> Story:
    story = Story()
    for number, steps in enumerate(lives):
        if number:
            # The new run finds the router only when it looks for it.
            story.happen("router fails", 0)
            while steps and not steps[0].pause_s:
                # What the agent does not see happen.
                story.happen(steps[0].what, steps[0].ordinal)
                steps = steps[1:]
        async with story.it.running():
            if number:
                await story.it.pass_time(0.5)
                story.happen("router recovers", 0)
            for step in steps:
                story.happen(step.what, step.ordinal)
                await story.it.pass_time(step.pause_s)
            if number == len(lives) - 1:
                await story.it.pass_time(RETRY_MAX_S + 2 * CHECK_S)
                story.check_reached()
                story.put_right()
                await story.it.pass_time(ADMIT_TIMEOUT_S + RETRY_MAX_S + DRAIN_S + 2 * CHECK_S)
                story.check_end()
                told, index = len(story.it.state.proposed), story.it.state.replica.index
                await story.it.pass_time(120)
                assert (len(story.it.state.proposed), story.it.state.replica.index) == (told, index)
    return story


UNREACHED = [Step(what, 1, 0.3) for what in ("start", "answer", "cannot reach", "serve", "drain")]
RESTARTING = [Step(what, 1, 0.3) for what in ("start", "answer", "router fails", "serve", "router recovers")]


ONE_UNREACHED = [
    *(Step(what, 1, 0.3) for what in ("start", "answer", "cannot reach", "serve")),
    *to_serving(0, 2),
]


@settings(max_examples=40)
@example([UNREACHED], False)
@example([RESTARTING], False)
@example([ONE_UNREACHED], False)
@example([ONE_UNREACHED, [Step("stop serving", 0, 0.3), Step("serve", 0, 0.3)]], False)
@example([[Step("request", 0, 0.0)], [Step("drain", 0, 0.0), Step("request", 0, 2.0)]], True)
@given(LIVES, st.booleans())
async def test_what_is_reported_of_a_router_is_so_and_in_the_end_everything_is_reported(
    lives: list[list[Step]], is_serving_before: bool
) -> None:
    if is_serving_before:
        lives = [[*to_serving(*range(REPLICAS)), *lives[0]], *lives[1:]]
    story = await live(lives)
    assert story.routers >= 1


async def test_replicas_that_can_be_reached_are_reported_beside_one_that_cannot() -> None:
    story = await live([ONE_UNREACHED])
    assert story.reached == 2


async def test_the_check_itself_notices_a_report_that_is_not_so() -> None:
    story = Story()
    async with story.it.running():
        for step in to_serving(0):
            story.happen(step.what, step.ordinal)
            await story.it.pass_time(0.5)
        [copy] = story.copies().values()
        honest: dict[str, Any] = {"routed_index": copy.token, "drained_index": copy.token}
        story.check_copy(copy, RouterReport(**honest))
        await story.it.router.drain(
            WEB, Colour.BLUE, replica_name(copy.observed.address, copy.observed.port), timeout_s=0
        )
        noticed = False
        try:
            story.check_copy(copy, RouterReport(**honest))
        except AssertionError:
            noticed = True
        assert noticed
