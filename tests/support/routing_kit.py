"""A host's router and the loops that direct it, over a state that the test commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent.follow.assignments_reports import HostReports
from agent.follow.routing import Routing
from agent.router.protocol import Router, replica_name
from cluster.model.service import DesiredState, Observation, ReplicaPhase
from cluster.model.strategy import Colour
from tests.support.fake_clock import FakeClock
from tests.support.fake_router import FakeRouter, HeldRequest
from tests.support.host_kit import HERE, HostState
from tests.support.state_builders import START_MS

HOST = "shop.example"
ADDRESS = "192.0.2.9"


class LateRouter(FakeRouter):
    """Finds out what is inside once it serves, as one that an earlier run of the agent left running."""

    is_found = False

    def replicas(self) -> frozenset[tuple[str, str, str]]:
        self.is_found = self.is_found or self.condition.is_serving
        return super().replicas() if self.is_found else frozenset()


class RoutedHost:
    """The state, a router and the two loops between them."""

    def __init__(self, router: FakeRouter | None = None) -> None:
        self.clock = FakeClock(now_ms=START_MS)
        self.state = HostState()
        self.router = router or FakeRouter(self.clock)
        self.router._clock = self.clock
        self.instead: Router | None = None

    def use(self, router: Router) -> None:
        """Have the next run of the agent direct another router."""
        self.instead = router

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if isinstance(self.router, LateRouter):
            self.router.is_found = False
        async with asyncio.TaskGroup() as group:
            reports = HostReports(node_id=HERE, state=self.state, clock=self.clock)
            router = self.instead or self.router
            self.routing = Routing(state=self.state, router=router, reports=reports, clock=self.clock)
            tasks = [group.create_task(each) for each in (reports.run(), self.routing.run())]
            await self.clock.settle()
            yield
            for task in tasks:
                task.cancel()

    async def pass_time(self, seconds: float = 1.0) -> None:
        await self.clock.advance(seconds)

    def observe(self, ordinal: int = 0, *, port: int | None = None, **which: Any) -> str:
        """The replica answers (nowhere: port 0); return its name in the router."""
        port = 32768 + ordinal if port is None else port
        phase = ReplicaPhase.HEALTHY if port else ReplicaPhase.EXITED
        address = ADDRESS if port else ""
        self.state.observe(Observation(phase=phase, address=address, port=port), ordinal=ordinal, **which)
        return replica_name(ADDRESS, port)

    def serve(self, ordinal: int = 0, *, colour: Colour = Colour.BLUE, **which: Any) -> tuple[str, int]:
        """A healthy replica that is to serve: its name and the token."""
        self.state.order(DesiredState.STARTED, ordinal=ordinal, colour=colour, **which)
        replica = self.observe(ordinal, **which)
        return replica, self.state.order(DesiredState.SERVING, ordinal=ordinal, **which)

    def hold(self) -> HeldRequest:
        held = self.router.hold(HOST)
        assert isinstance(held, HeldRequest), held
        return held

    def is_routed(self, token: int) -> bool:
        """Whether it is committed that the change with `token` is in force here."""
        router = self.state.router()
        return router is not None and router.has_routed(token)

    def is_drained(self, token: int) -> bool:
        router = self.state.router()
        return router is not None and router.has_drained(token)
